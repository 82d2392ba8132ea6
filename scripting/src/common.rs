//! A running script as far as it is the same in both languages: its declared tables, what it may
//! use, what went wrong, and what is told of it.

use std::sync::Arc;

use como_core::batch::Batch;
use como_core::module::declared::Action;
use como_core::module::{Asides, Export, Fault, Limit, Limits, Mistake, Module};
use como_core::record::Records;
use como_core::selection::Selection;
use como_core::table::Table;
use como_core::time::Interval;

use crate::host::Reach;
use crate::host::tables::Shared;

/// Packets of one batch that may fail before the rest of it is given up.
pub const ERRORS_MAX: u32 = 256;
/// What is told of an interval whose `init` has failed.
const NOT_BEGUN: &str = " (`init` failed: the interval it begins is left out)";
/// What is told of packets, rows and records behind a call that ended all calls.
pub const UNSEEN: &str = "packets behind it were left out";
pub const UNASKED: &str = "rows of `long` are left to their timeout";
pub const UNSTORED: &str = "records of the interval were not stored";

/// What a running script has in any language.
pub struct Common {
    host: Arc<Reach>,
    tables: Option<Shared>,
    limits: Limits,
    fault: Option<Fault>,
}

impl Common {
    /// Begins with the tables that are declared.
    pub fn new(host: Arc<Reach>, tables: Option<Shared>, limits: Limits) -> Self {
        Self { host, tables, limits, fault: None }
    }

    /// The declared tables.
    pub fn tables(&self) -> Option<&Shared> {
        self.tables.as_ref()
    }

    /// The declared tables, if there is a long-term one among them.
    pub fn long(&self) -> Option<&Shared> {
        self.tables().filter(|shared| shared.lock().declared.long().is_some())
    }

    /// What it may use.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Notes what went wrong: the first of it, unless a limit was passed later. It is put into
    /// words only then. Whether it is what will be told.
    pub fn note(&mut self, limit: Option<Limit>, told: impl FnOnce() -> Mistake) -> bool {
        let is_told =
            self.fault.as_ref().is_none_or(|first| first.limit.is_none() && limit.is_some());
        if is_told {
            self.fault = Some(Fault::of(limit, told()));
        }
        is_told
    }

    /// Notes why `init` failed, and that its interval is left out for it.
    pub fn note_init(&mut self, limit: Option<Limit>, told: impl FnOnce() -> Mistake) {
        self.note(limit, || {
            let mut mistake = told();
            mistake.message += NOT_BEGUN;
            mistake
        });
    }

    /// Says with what is told how many, and of what, it cost beside.
    pub fn leave_out(&mut self, count: usize, what: &'static str) {
        if let Some(fault) = self.fault.as_mut().filter(|_| count > 0) {
            let (before, of) = fault.left_out.unwrap_or((0, what));
            fault.left_out = Some((if of == what { before + count } else { before }, of));
        }
    }

    /// What went wrong since it was last asked.
    pub fn fault(&mut self) -> Option<Fault> {
        let fault = self.fault.take();
        self.host.tell_denied(fault.as_ref());
        fault
    }

    /// Counts packets in the declared table; answers whether there is one.
    pub fn count(&self, batch: &Batch, picked: &Selection) -> bool {
        let Some(shared) = &self.tables else { return false };
        self.host.note_tables(batch);
        shared.lock().declared.update(batch, picked);
        true
    }

    /// The records of a closed interval by the declared tables alone: none where a long-term one
    /// makes them.
    pub fn records(&self, interval: Interval) -> Option<Records> {
        let mut state = self.tables.as_ref()?.lock();
        state.turn();
        state.declared.fold();
        if state.declared.long().is_some() {
            return None;
        }
        let table = state.declared.table();
        Some(table.records(&table.sorted(), interval))
    }

    /// Asks about every long-term row what becomes of it, by `ask`, and tells how many rows were
    /// not asked about.
    ///
    /// Where that fails rows are left to their timeout. `wrong` makes an error of a text, and
    /// `stops` tells which errors end it.
    pub fn ask<E>(
        &self,
        mut ask: impl FnMut(&Shared, usize) -> Result<Option<Action>, E>,
        stops: impl Fn(&E) -> bool,
        wrong: impl Fn(String) -> E,
    ) -> (Vec<Option<Action>>, usize, Option<E>) {
        let (mut answers, mut error) = (Vec::new(), None);
        let Some(shared) = &self.tables else { return (answers, 0, error) };
        let (rows, generation) = {
            let state = shared.lock();
            (state.declared.long().map_or(0, Table::rows), state.generation)
        };
        for row in 0..rows {
            // Not locked while the script runs: it may ask the table itself.
            let answer = ask(shared, row);
            answers.push(*answer.as_ref().unwrap_or(&None));
            if answer.as_ref().is_err_and(&stops) {
                // What went wrong before has ended nothing.
                error = answer.err();
                break;
            }
            error = error.or(answer.err());
            if shared.lock().generation != generation {
                // What was answered is of rows that may now be others.
                answers.clear();
                error.get_or_insert_with(|| wrong("action must not change `long`".to_owned()));
                break;
            }
        }
        let unasked = rows - answers.len();
        (answers, unasked, error)
    }

    /// The records of long-term rows to store, by what was answered of each; the others by their
    /// timeout.
    pub fn flush(&self, out: &Export, answers: &[Option<Action>]) -> Option<Records> {
        let mut state = self.tables.as_ref()?.lock();
        let (now, timeout) = (out.now(), state.declared.timeout());
        state.turn();
        state.declared.flush(out.interval(), |long, row| {
            let due = if now - long.seen(row) >= timeout { Action::Store } else { Action::Keep };
            answers.get(row).copied().flatten().unwrap_or(due)
        })
    }

    /// Empties the table of the interval for the next one.
    pub fn begin(&self) {
        if let Some(shared) = &self.tables {
            let mut state = shared.lock();
            state.turn();
            state.declared.begin();
        }
    }

    /// About how many bytes its tables hold, declared or made.
    pub fn table_bytes(&self) -> usize {
        let tables = self.tables.as_ref().map_or(0, |shared| shared.lock().declared.state_bytes());
        tables.saturating_add(self.host.tables.lock().bytes())
    }

    /// Keys that found no room.
    pub fn overflowed(&self) -> u64 {
        let tables = self.tables.as_ref().map_or(0, |shared| shared.lock().declared.overflowed());
        tables.saturating_add(self.host.tables.lock().overflowed())
    }

    /// What a table had reached when it was full first, with the script.
    pub fn filled(&self) -> Option<String> {
        let declared = self.tables.as_ref().and_then(|shared| shared.lock().declared.filled());
        let filled = declared.or_else(|| self.host.tables.lock().filled())?;
        Some(format!("{}: {filled}", self.host.talk.script()))
    }

    /// Lines of its log that were too many.
    pub fn muted(&self) -> u64 {
        self.host.talk.muted()
    }

    /// Calls of what is not granted.
    pub fn denied(&self) -> u64 {
        self.host.denied()
    }

    /// What it said beside its records.
    pub fn asides(&self) -> Asides {
        self.host.said.lock().take()
    }

    /// What it said and was not heard.
    pub fn unheard(&self) -> u64 {
        self.host.said.lock().unheard()
    }
}
