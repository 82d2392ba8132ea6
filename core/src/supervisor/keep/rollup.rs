//! Rollups as they are made: each is a stream of its own, made of what is stored of a shorter one.
//!
//! Only committed records are read, and where a rollup goes on follows from
//! its own stream, so that a crash at any instant leaves no interval out and
//! makes none twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::RwLock;

use crate::module::Merge;
use crate::record::Output;
use crate::rollup::{self, Merger, Rollup, RollupError};
use crate::storage::scan::Cursor;
use crate::storage::{StoreError, Window, Writer};
use crate::time::{Interval, Ts};

/// Finds an instance's own way to merge its records, where it has one.
pub type MergerOf = Arc<dyn Fn(&str) -> Option<Box<dyn Merge>> + Send + Sync>;

/// What is rolled up.
#[derive(Clone, Default)]
pub struct Rollups {
    /// By instance, the shortest intervals first.
    pub levels: BTreeMap<String, Vec<Rollup>>,
    /// How records are merged where their module says so itself.
    pub merger: Option<MergerOf>,
}

impl Rollups {
    /// Those of an instance.
    pub fn of(&self, instance: &str) -> &[Rollup] {
        self.levels.get(instance).map_or(&[], Vec::as_slice)
    }
}

/// What is rolled up as it is now; read when a stream begins, and with every commit.
pub type SharedRollups = Arc<RwLock<Rollups>>;

/// How far rollups have come.
#[derive(Default)]
pub(super) struct Rolling {
    // Until when all that instances record is committed.
    settled: BTreeMap<String, Ts>,
    // By stream.
    levels: BTreeMap<String, Level>,
}

#[derive(Default)]
struct Level {
    // Until when it is made, none before its stream was looked at; and until when that is committed.
    done: Option<Ts>,
    safe: Ts,
    // Until when its stream told of gaps when it was looked at.
    told: Ts,
    refused: bool,
    // What is being made, over as many ticks as that takes.
    work: Option<Work>,
}

/// A rollup being made of the records before an instant.
struct Work {
    cursor: Cursor,
    merger: Merger,
    until: Ts,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Rolled {
    /// Whether anything was made.
    pub any: bool,
    /// Streams that cannot be made, each said once.
    pub refused: Vec<(String, RollupError)>,
    /// What the store complained of.
    pub trouble: Option<StoreError>,
}

impl Rolling {
    /// Takes note that all an instance records before `until` is committed.
    pub fn settle(&mut self, instance: &str, until: Ts) {
        self.settled.insert(instance.to_owned(), until);
    }

    /// Takes note that all that was made is committed.
    pub fn committed(&mut self) {
        for level in self.levels.values_mut() {
            level.safe = level.done.unwrap_or_default();
        }
    }

    /// Makes what can be made of what is committed, until `deadline`; the rest the next time.
    pub fn roll(&mut self, writer: &mut Writer, rollups: &Rollups, deadline: Instant) -> Rolled {
        let mut rolled = Rolled::default();
        for (instance, levels) in &rollups.levels {
            for (at, level) in levels.iter().enumerate() {
                let shorter = levels.iter().take(at);
                let from = shorter.rev().find(|from| level.len.0.is_multiple_of(from.len.0));
                let (from, until) = match from {
                    Some(from) => {
                        let name = rollup::name(instance, from.len);
                        let safe = self.levels.get(&name).map_or(Ts(0), |level| level.safe);
                        (name, safe)
                    }
                    None => {
                        let settled = self.settled.get(instance).copied();
                        (instance.clone(), settled.unwrap_or_default())
                    }
                };
                let own = || rollups.merger.as_ref().and_then(|merger| merger(instance));
                let merger = || Merger::new(level.len, own());
                let name = rollup::name(instance, level.len);
                let until = Interval::holding(until, level.len).start();
                let what = (name.as_str(), from.as_str(), until);
                if let Err(error) = self.go_on(writer, what, merger, &mut rolled, deadline) {
                    rolled.trouble = Some(error);
                }
                if rolled.any && Instant::now() >= deadline {
                    return rolled;
                }
            }
        }
        rolled
    }

    /// Goes on with one rollup, `name`, from the records of `from` before `until`.
    fn go_on(
        &mut self,
        writer: &mut Writer,
        (name, from, until): (&str, &str, Ts),
        merger: impl FnOnce() -> Merger,
        rolled: &mut Rolled,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let store = writer.store().clone();
        let level = self.levels.entry(name.to_owned()).or_default();
        if let Some(work) = level.work.take() {
            rolled.any = true;
            return level.work_on(writer, (name, work), rolled, deadline);
        }
        let done = match level.done {
            Some(done) => done,
            None => {
                let told = store.stream(name)?.and_then(|stream| stream.end).unwrap_or_default();
                level.told = told;
                told
            }
        };
        level.done = Some(done);
        if done >= until {
            return Ok(());
        }
        let merger = merger();
        let start = Interval::holding(done, merger.interval()).start();
        let cursor = Cursor::new(from, Window { from: start, to: until });
        rolled.any = true;
        level.work_on(writer, (name, Work { cursor, merger, until }), rolled, deadline)
    }
}

impl Level {
    /// Reads on until the deadline. An interval is written in one piece, and so committed in one.
    fn work_on(
        &mut self,
        writer: &mut Writer,
        (name, mut work): (&str, Work),
        rolled: &mut Rolled,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let store = writer.store().clone();
        while let Some(part) = work.cursor.advance(&*store)? {
            let outputs = match work.merger.push(part.output) {
                Ok(outputs) => outputs,
                Err(why) => {
                    // What follows may be of another kind; this is not looked at again.
                    self.done = Some(work.until);
                    if !std::mem::replace(&mut self.refused, true) {
                        rolled.refused.push((name.to_owned(), why));
                    }
                    return Ok(());
                }
            };
            for output in outputs {
                self.write(writer, name, output)?;
            }
            if Instant::now() >= deadline {
                self.work = Some(work);
                return Ok(());
            }
        }
        for output in work.merger.finish() {
            self.write(writer, name, output)?;
        }
        self.done = Some(work.until);
        Ok(())
    }

    /// Writes what is new of an output, from behind which the rollup goes on after an error.
    fn write(&mut self, writer: &mut Writer, name: &str, output: Output) -> Result<(), StoreError> {
        match output {
            Output::Gap { to, .. } if to <= self.told => Ok(()),
            Output::Gap { from, to } => {
                writer.write(name, Output::Gap { from: from.max(self.told), to })
            }
            Output::Records(records) => {
                let end = records.starts.last().map(|start| *start + records.len);
                writer.write(name, Output::Records(records))?;
                self.done = self.done.max(end);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{Coarse, Place, Query, Step, Steps};
    use crate::record::{Column, Records, Schema, Type, Value};
    use crate::storage::{MemoryStore, RecordStore, Scan};
    use crate::supervisor::exporter::Sink;
    use crate::supervisor::keep::{Keeper, SharedBounds};
    use crate::time::Span;

    fn level(secs: u64) -> Rollup {
        Rollup { len: Span::from_secs(secs), age: None }
    }

    fn keeper(store: &Arc<MemoryStore>, boot: u64) -> Keeper {
        let rollups = SharedRollups::default();
        let levels = vec![level(10), level(60)];
        rollups.write().levels.insert("a".to_owned(), levels);
        let writer = Writer::new(store.clone(), "n", boot);
        let mut keeper = Keeper::new(writer, SharedBounds::default()).rolling_up(rollups);
        keeper.begin("a", "traffic", "").expect("a memory store opens");
        keeper
    }

    fn seconds(secs: std::ops::Range<u64>) -> Output {
        let column = Column::new("n", Type::Uint).of("count()");
        let mut records = Records::empty(Arc::new(Schema::new([column])), Span::from_secs(1));
        secs.for_each(|sec| records.push(Ts::new(sec, 0), [Value::Uint(sec)]));
        Output::Records(records)
    }

    /// Records seconds, each committed.
    fn run(keeper: &mut Keeper, secs: std::ops::Range<u64>) {
        for sec in secs {
            keeper.accept("a", seconds(sec..sec + 1)).expect("a memory store takes");
            keeper.closed("a", Ts::new(sec + 1, 0));
            keeper.commit().expect("a memory store commits");
        }
    }

    fn stored(store: &MemoryStore, stream: &str) -> Vec<(u64, u64)> {
        let mut all = Vec::new();
        for part in Scan::new(store, stream, Window::ALL) {
            if let Output::Records(records) = part.expect("a memory store answers").output {
                let row =
                    |row: usize| (records.starts[row].parts().0, records.value(row, 0).as_uint());
                all.extend((0..records.rows()).map(row).map(|(at, n)| (at, n.unwrap_or(0))));
            }
        }
        all
    }

    /// What seconds add up to, by intervals of a length.
    fn sums(secs: std::ops::Range<u64>, len: u64) -> Vec<(u64, u64)> {
        let mut all = BTreeMap::new();
        secs.for_each(|sec| *all.entry(sec - sec % len).or_insert(0) += sec);
        all.into_iter().collect()
    }

    #[test]
    fn whole_intervals_are_made_once_over_restarts_too() {
        let store = Arc::new(MemoryStore::default());
        let mut start = 0;
        for (boot, end) in [33, 61, 62, 145, 200].into_iter().enumerate() {
            // Dropped without an end, as by a kill.
            run(&mut keeper(&store, boot as u64), start..end);
            start = end;
        }
        keeper(&store, 9).end().expect("a memory store commits");
        let mut last = keeper(&store, 10);
        run(&mut last, 200..201);
        last.end().expect("a memory store commits");
        assert_eq!(stored(&store, "a@10s"), sums(0..200, 10));
        assert_eq!(stored(&store, "a@1m"), sums(0..180, 60));
    }

    fn coarse(store: &MemoryStore, time: &str, interval: &str) -> Result<Vec<(u64, u64)>, String> {
        let keys = [("module", "a"), ("time", time), ("interval", interval), ("wait", "no")];
        let query = Query::parse(keys).map_err(|error| error.to_string())?;
        let place = Place { store, feed: None, running: &[], packets: None };
        let mut answer = Coarse::open(&query, place, None).map_err(|error| error.to_string())?;
        let mut all = Vec::new();
        loop {
            match answer.step().map_err(|error| error.to_string())? {
                Step::Output(Output::Records(records)) => {
                    assert_eq!(records.len, Span::parse(interval).expect("a span"));
                    let value = |row: usize| records.value(row, 0).as_uint().unwrap_or(0);
                    let row = |row: usize| (records.starts[row].parts().0, value(row));
                    all.extend((0..records.rows()).map(row));
                }
                Step::End => return Ok(all),
                _ => {}
            }
        }
    }

    #[test]
    fn an_answer_is_of_rollups_where_they_are_and_of_records_where_not() {
        let store = Arc::new(MemoryStore::default());
        let mut keeper = keeper(&store, 1);
        run(&mut keeper, 0..207);
        keeper.end().expect("a memory store commits");
        let want = sums(0..207, 60);
        assert_eq!(coarse(&store, ":", "1m"), Ok(want.clone()));
        assert_eq!(coarse(&store, ":", "30s"), Ok(sums(0..207, 30)));
        assert_eq!(coarse(&store, "50:130", "1m"), Ok(want[1..3].to_vec()));
        // What the records no longer have, rollups still do; of what is gone in part nothing is
        // given.
        store.cut("a", Ts::new(185, 0)).expect("a memory store cuts");
        assert_eq!(coarse(&store, ":", "1m"), Ok(want[..3].to_vec()));
        store.remove("a@1m").expect("a memory store removes");
        assert_eq!(coarse(&store, ":180", "1m"), Ok(want[..3].to_vec()));
        let error = coarse(&store, ":", "1500ms").expect_err("no multiple");
        assert!(error.contains("which do not add up to 1500ms"), "{error}");
        assert!(coarse(&store, ":", "soon").is_err());
    }

    #[test]
    fn what_does_not_merge_is_said_once_and_holds_up_nothing() {
        let store = Arc::new(MemoryStore::default());
        let mut keeper = keeper(&store, 1);
        let columns = [Column::new("x", Type::Uint)];
        let mut records = Records::empty(Arc::new(Schema::new(columns)), Span::from_secs(1));
        records.push(Ts::new(3, 0), [Value::Uint(1)]);
        keeper.accept("a", Output::Records(records)).expect("a memory store takes");
        run(&mut keeper, 10..41);
        assert_eq!(stored(&store, "a@10s"), sums(10..40, 10));
        let why = keeper.keeping().read().not_rolled_up["a@10s"].clone();
        assert!(why.starts_with("column `x` cannot be merged"), "{why}");
    }

    #[test]
    fn gaps_are_in_rollups_once() {
        let store = Arc::new(MemoryStore::default());
        let gap = || Output::Gap { from: Ts::new(15, 0), to: Ts::new(63, 0) };
        let mut first = keeper(&store, 1);
        run(&mut first, 0..15);
        first.accept("a", gap()).expect("a memory store takes");
        run(&mut first, 63..72);
        drop(first);
        let mut second = keeper(&store, 2);
        run(&mut second, 72..95);
        let scan = Scan::new(&*store, "a@10s", Window::ALL).map(|part| part.expect("a part"));
        let mut gaps: Vec<(Ts, Ts)> = Vec::new();
        for part in scan {
            match (part.output, gaps.last_mut()) {
                // One that was not over when the interval was made comes in two parts.
                (Output::Gap { from, to }, Some(last)) if last.1 == from => last.1 = to,
                (Output::Gap { from, to }, _) => gaps.push((from, to)),
                _ => {}
            }
        }
        assert_eq!(gaps, [(Ts::new(15, 0), Ts::new(63, 0))]);
        let mut want = sums(0..15, 10);
        want.extend(sums(63..90, 10));
        assert_eq!(stored(&store, "a@10s"), want);
    }

    #[test]
    fn an_interval_closed_early_is_made_when_its_rest_has_come() {
        let store = Arc::new(MemoryStore::default());
        let mut first = keeper(&store, 1);
        run(&mut first, 0..13);
        // A stop: what is open is recorded, and said to be all there is of it.
        first.clock(Ts::new(13, 0));
        first.closed("a", Ts::new(20, 0));
        first.commit().expect("a memory store commits");
        first.end().expect("a memory store commits");
        assert_eq!(stored(&store, "a@10s"), sums(0..10, 10));
        run(&mut keeper(&store, 2), 13..32);
        assert_eq!(stored(&store, "a@10s"), sums(0..30, 10));
    }

    #[test]
    fn what_takes_long_goes_on_with_the_next_commit() {
        let store = Arc::new(MemoryStore::default());
        {
            let mut plain =
                Keeper::new(Writer::new(store.clone(), "n", 1), SharedBounds::default());
            plain.begin("a", "traffic", "").expect("a memory store opens");
            run(&mut plain, 0..95);
        }
        let mut rolling = Rolling::default();
        let mut writer = Writer::new(store.clone(), "n", 2);
        let mut rollups = Rollups::default();
        rollups.levels.insert("a".to_owned(), vec![level(60), level(90)]);
        rolling.settle("a", Ts::new(95, 0));
        let mut rounds = 0;
        // No time at all: a part at a time.
        while rolling.roll(&mut writer, &rollups, Instant::now()).any {
            writer.commit().expect("a memory store commits");
            rolling.committed();
            rounds += 1;
        }
        assert!(rounds > 90, "{rounds}");
        assert_eq!(stored(&store, "a@1m"), sums(0..60, 60));
        assert_eq!(stored(&store, "a@90s"), sums(0..90, 90));
    }
}
