//! Core tables: the declared ones, and those that a script makes by `table{ key = ..., value = ...
//! }`.
//!
//! A table that a script makes counts the packets it adds: they are only marked while the script
//! runs, and counted natively, many at a time. Whoever looks into a table while packets pass sees
//! those before the packet at hand. All tables of a script together are bounded like its memory.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use como_core::batch::Batch;
use como_core::field::Demand;
use como_core::module::declared::{Declaration, Declared};
use como_core::module::{Limits, Module};
use como_core::selection::{BATCH_PACKETS_MAX, Selection};
use como_core::table::{Filled, Table};
use como_core::time::Span;
use parking_lot::Mutex;

/// A table, shared between the module and what its script holds.
pub type Shared = Arc<Mutex<State>>;

/// A table, and the long-term one beside it, if it has one.
#[derive(Debug)]
pub struct State {
    /// What was declared, at work.
    pub declared: Declared,
    /// How often rows have changed places: sets of rows of another generation mean nothing any
    /// more.
    pub generation: u64,
    /// The sets of rows that were asked for, the oldest first: a script holds no more than a sign
    /// for each, so that what it keeps of them is freed when it means nothing any more.
    sets: VecDeque<Arc<Vec<u32>>>,
    sets_bytes: usize,
    /// Packets of the batch at hand that are to be counted.
    marked: Selection,
    /// Whether the script made it.
    made: bool,
}

/// What sets of rows may hold together, beside the newest, and what each takes beside its rows.
const SETS_BYTES_MAX: usize = 8 << 20;
const SET_BYTES: usize = 64;

/// Which of the two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The open interval's.
    Interval,
    /// The one that lives across intervals.
    Long,
}

impl State {
    /// A table as it was declared.
    pub fn shared(declared: Declared, made: bool) -> Shared {
        let marked = Selection::none(if made { BATCH_PACKETS_MAX } else { 0 });
        let (sets, sets_bytes, generation) = Default::default();
        Arc::new(Mutex::new(Self { declared, generation, sets, sets_bytes, marked, made }))
    }

    /// Rows are about to change places.
    pub fn turn(&mut self) {
        self.generation += 1;
        self.sets.clear();
        self.sets_bytes = 0;
    }

    /// Keeps a set of rows for as long as it means something, and there is room beside newer ones.
    pub fn keep(&mut self, rows: Vec<u32>) -> Weak<Vec<u32>> {
        let bytes = |rows: &Arc<Vec<u32>>| rows.capacity() * 4 + SET_BYTES;
        let rows = Arc::new(rows);
        self.sets_bytes += bytes(&rows);
        self.sets.push_back(rows.clone());
        while self.sets_bytes > SETS_BYTES_MAX && self.sets.len() > 1 {
            self.sets_bytes -= self.sets.pop_front().map_or(0, |oldest| bytes(&oldest));
        }
        Arc::downgrade(&rows)
    }

    /// One of the two tables.
    pub fn table(&self, which: Which) -> Result<&Table, &'static str> {
        match which {
            Which::Interval => Some(self.declared.table()),
            Which::Long => self.declared.long(),
        }
        .ok_or("no long-term table is declared")
    }

    /// Whether the script made it, and so may add to it.
    pub fn is_made(&self) -> bool {
        self.made
    }

    /// Marks a packet of the batch to be counted, once however often it is marked.
    pub fn mark(&mut self, at: usize) {
        if at < self.marked.len() {
            self.marked.insert(at);
        }
    }

    /// Counts packets at once.
    pub fn count(&mut self, batch: &Batch, picked: &Selection) {
        self.turn();
        self.declared.table_mut().update(batch, picked);
    }

    /// Removes all rows.
    pub fn clear(&mut self) {
        self.turn();
        self.declared.begin();
    }

    /// Counts the marked packets up to number `end`, whose places in the batch `place` tells.
    fn settle(&mut self, batch: &Batch, end: usize, place: &dyn Fn(usize) -> Option<usize>) {
        if self.marked.is_empty() {
            return;
        }
        let mut picked = Selection::none(batch.len());
        let mut later = Selection::none(self.marked.len());
        self.marked.for_each(|at| match place(at) {
            _ if at >= end => later.insert(at),
            Some(at) if at < batch.len() => picked.insert(at),
            _ => {}
        });
        self.marked = later;
        if !picked.is_empty() {
            self.count(batch, &picked);
        }
    }
}

/// The most tables that a script may hold at a time.
const TABLES_MAX: usize = 64;
/// What each of them finds at least, whatever the others have taken: this part of the memory, and
/// no more than so much.
const PART_MIN: usize = 256;
const BYTES_MIN: usize = 256 << 10;

/// What was made, and what may be.
#[derive(Debug)]
pub struct Tables {
    made: Vec<(Shared, usize)>,
    limits: Limits,
    interval: Span,
    keeps_states: bool,
    /// The text of the script, which tells in which order columns were written.
    source: Arc<str>,
    /// What packets are decoded for, once that is settled.
    granted: Option<Demand>,
    /// Keys without room in tables that are gone.
    overflowed: u64,
}

/// Why there is no table.
#[derive(Debug)]
pub enum Refused {
    /// It is not what a table can be.
    Mistake(String),
    /// The script has too many, or too large ones; some may be gone once memory is tidied up.
    Full(String),
}

impl Tables {
    /// None yet.
    pub fn new(limits: &Limits) -> Self {
        Self {
            made: Vec::new(),
            limits: *limits,
            interval: Span::from_secs(1),
            keeps_states: false,
            source: "".into(),
            granted: None,
            overflowed: 0,
        }
    }

    /// The text of the script is about to run.
    pub fn set_source(&mut self, source: &str) {
        self.source = source.into();
    }

    /// The text of the script.
    pub fn source(&self) -> Arc<str> {
        self.source.clone()
    }

    /// How long intervals are, and whether records keep their states: for tables made from now on,
    /// and for those that the top level has made, which are empty.
    pub fn set_interval(&mut self, interval: Span, keeps_states: bool) {
        self.interval = interval;
        self.keeps_states = keeps_states;
        for (shared, _) in &self.made {
            let mut state = shared.lock();
            let declared = state.declared.clone().at_intervals(interval);
            state.declared = declared.keeping_states(keeps_states);
        }
    }

    /// Makes a table.
    ///
    /// It may hold half of the memory that is left, beside the least for each that may follow.
    pub fn make(&mut self, declaration: &Declaration) -> Result<Shared, Refused> {
        self.forget();
        let used: usize = self.made.iter().map(|(_, bytes)| bytes).sum();
        let least = BYTES_MIN.min(self.limits.memory_bytes_max / PART_MIN);
        let Some(later) = (TABLES_MAX - 1).checked_sub(self.made.len()) else {
            return Err(Refused::Full(format!(
                "a script holds at most {TABLES_MAX} tables at a time, and this would be one more"
            )));
        };
        let left = self.limits.memory_bytes_max.saturating_sub(used);
        let bytes = (left.saturating_sub(least * later) / 2).max(least);
        let limits = Limits { memory_bytes_max: bytes, ..self.limits };
        let declared = Declared::new(declaration, &limits, self.interval)
            .map_err(|error| Refused::Mistake(error.to_string()))?
            .keeping_states(self.keeps_states);
        let demand = declared.demand();
        if self.granted.is_some_and(|granted| granted.and(demand) != granted) {
            return Err(Refused::Mistake(
                "this table reads fields that packets are not prepared for: make one like it at \
                 the top level, or in init from the first interval on"
                    .to_owned(),
            ));
        }
        let shared = State::shared(declared, true);
        self.made.push((shared.clone(), bytes));
        Ok(shared)
    }

    /// What must be decoded for the tables so far; others are refused unless that does for them.
    pub fn settle(&mut self, demand: Demand) -> Demand {
        let tables = self.made.iter().map(|(shared, _)| shared.lock().declared.demand());
        let demand = tables.fold(demand, Demand::and);
        self.granted = Some(demand);
        demand
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.made.is_empty()
    }

    /// Counts marked packets, up to number `end`, whose places in the batch `place` tells.
    pub fn count(&self, batch: &Batch, end: usize, place: &dyn Fn(usize) -> Option<usize>) {
        for (shared, _) in &self.made {
            shared.lock().settle(batch, end, place);
        }
    }

    /// Forgets tables that the script holds no more.
    pub fn forget(&mut self) {
        let gone = &mut self.overflowed;
        self.made.retain(|(shared, _)| {
            let held = Arc::strong_count(shared) > 1;
            if !held {
                *gone = gone.saturating_add(shared.lock().declared.overflowed());
            }
            held
        });
    }

    /// About how many bytes they hold.
    pub fn bytes(&self) -> usize {
        self.made.iter().map(|(shared, _)| shared.lock().declared.state_bytes()).sum()
    }

    /// Keys that found no room, since the start.
    pub fn overflowed(&self) -> u64 {
        let tables = self.made.iter().map(|(shared, _)| shared.lock().declared.overflowed());
        tables.fold(self.overflowed, u64::saturating_add)
    }

    /// What one of them had reached when it was full.
    pub fn filled(&self) -> Option<Filled> {
        self.made.iter().find_map(|(shared, _)| shared.lock().declared.filled())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use como_core::table::Aggregate;

    #[test]
    fn as_many_tables_as_a_script_may_hold_share_its_memory() {
        let count = Aggregate::new("count", &[]).expect("an aggregate");
        let declaration = Declaration::default().value("n", count);
        for memory_bytes_max in [1 << 20, 64 << 20, 1 << 30] {
            let limits = Limits { memory_bytes_max, ..Limits::default() };
            let mut tables = Tables::new(&limits);
            let made: Vec<_> = (0..TABLES_MAX).map(|_| tables.make(&declaration)).collect();
            assert!(made.iter().all(Result::is_ok), "{memory_bytes_max}");
            let bytes: Vec<usize> = tables.made.iter().map(|(_, bytes)| *bytes).collect();
            assert!(bytes.iter().sum::<usize>() <= memory_bytes_max, "{bytes:?}");
            assert!(bytes[0] >= memory_bytes_max / 8 * 3, "{bytes:?}");
            assert!(matches!(tables.make(&declaration), Err(Refused::Full(_))));
            drop(made);
            assert!(tables.make(&declaration).is_ok());
        }
    }

    #[test]
    fn sets_of_rows_are_freed_when_they_mean_nothing_or_are_too_many() {
        let count = Aggregate::new("count", &[]).expect("an aggregate");
        let declaration = Declaration::default().value("n", count);
        let declared = Declared::new(&declaration, &Limits::default(), Span::from_secs(1));
        let shared = State::shared(declared.expect("a table"), true);
        let mut state = shared.lock();
        let large = SETS_BYTES_MAX / 4 / 3;
        let sets: Vec<_> = (0..4).map(|_| state.keep(vec![0; large])).collect();
        let alive = |sets: &[Weak<Vec<u32>>]| -> Vec<bool> {
            sets.iter().map(|set| set.upgrade().is_some()).collect()
        };
        assert_eq!(alive(&sets), [false, false, true, true]);
        let huge = state.keep(vec![0; 2 * SETS_BYTES_MAX]);
        assert_eq!((alive(&sets), huge.upgrade().is_some()), (vec![false; 4], true));
        state.turn();
        assert!(huge.upgrade().is_none());
    }
}
