//! A running script as far as it is the same in both languages: its declared tables, what it may
//! use, what went wrong, and what is told of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

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
/// How many calls' worth of time all `action`s of one flush may take.
const ACTION_CALLS: u32 = 20;

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
    /// words only then.
    pub fn note(&mut self, limit: Option<Limit>, told: impl FnOnce() -> Mistake) {
        match &self.fault {
            Some(first) if first.limit.is_some() || limit.is_none() => {}
            _ => self.fault = Some(Fault::of(limit, told())),
        }
    }

    /// Notes why `init` failed, and that its interval is left out for it.
    pub fn note_init(&mut self, limit: Option<Limit>, told: impl FnOnce() -> Mistake) {
        self.note(limit, || {
            let mut mistake = told();
            mistake.message += NOT_BEGUN;
            mistake
        });
    }

    /// Says with what went wrong that so many packets of its batch were not looked at for it.
    pub fn leave_out(&mut self, packets: usize) {
        if let Some(fault) = self.fault.as_mut().filter(|_| packets > 0) {
            fault.left_out += packets;
        }
    }

    /// What went wrong since it was last asked.
    pub fn fault(&mut self) -> Option<Fault> {
        self.fault.take()
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

    /// Asks about every long-term row what becomes of it, by `ask`.
    ///
    /// Where that fails, or all of it takes too long, rows are left to their timeout. `wrong` makes
    /// an error of a text and the limit that was passed, and `stops` tells which errors end it.
    pub fn ask<E>(
        &self,
        mut ask: impl FnMut(&Shared, usize) -> Result<Option<Action>, E>,
        stops: impl Fn(&E) -> bool,
        wrong: impl Fn(Option<Limit>, String) -> E,
    ) -> (Vec<Option<Action>>, Option<E>) {
        let (mut answers, mut error) = (Vec::new(), None);
        let Some(shared) = &self.tables else { return (answers, error) };
        let most = Duration::from_millis(self.limits.call_ms_max) * ACTION_CALLS;
        let began = Instant::now();
        let (rows, generation) = {
            let state = shared.lock();
            (state.declared.long().map_or(0, Table::rows), state.generation)
        };
        for row in 0..rows {
            // Not locked while the script runs: it may ask the table itself.
            let answer = ask(shared, row);
            answers.push(*answer.as_ref().unwrap_or(&None));
            let stop = answer.as_ref().is_err_and(&stops);
            error = error.or(answer.err());
            if stop {
                break;
            }
            if shared.lock().generation != generation {
                // What was answered is of rows that may now be others.
                answers.clear();
                error
                    .get_or_insert_with(|| wrong(None, "action must not change `long`".to_owned()));
                break;
            }
            if began.elapsed() > most {
                let why = format!("`action` took more than {} ms for all rows", most.as_millis());
                error.get_or_insert_with(|| wrong(Some(Limit::Cpu), why));
                break;
            }
        }
        (answers, error)
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
