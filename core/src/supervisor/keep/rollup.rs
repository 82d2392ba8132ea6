//! Rollups as they are made: each is a stream of its own, made of what is stored of a shorter one.
//!
//! Only committed records are read, and where a rollup goes on follows from
//! its own stream, so that a crash at any instant leaves no interval out and
//! makes none twice.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::RwLock;

use crate::module::Merge;
use crate::record::Output;
use crate::rollup::{self, Merger, Rollup, RollupError};
use crate::storage::scan::Cursor;
use crate::storage::{StoreError, Stream, Window, Writer};
use crate::time::{Interval, Span, Ts};

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
    // Until when it is made, none before its stream was looked at; and until when that is
    // committed.
    done: Option<Ts>,
    safe: Ts,
    // Until when it was written, in pieces that may be waiting for their last.
    written: Option<Ts>,
    // Until when its stream told of gaps when it was looked at.
    told: Ts,
    refused: bool,
    // How often its module's own `merge` has failed since an interval in which it never did, and
    // whether it has in the one that is open.
    failed: u32,
    stumbled: bool,
    // What is being made, over as many ticks as that takes.
    work: Option<Work>,
}

/// A rollup being made of the records before an instant.
struct Work {
    cursor: Cursor,
    merger: Merger,
    until: Ts,
    // What was read and is still to be merged.
    read: VecDeque<Output>,
    // What is still to be written, and whether an interval ends with it.
    ready: VecDeque<(Output, bool)>,
    // Whether all was read.
    is_read: bool,
}

/// How many rows of an interval are written before others get their turn.
const PIECE_ROWS: usize = 1 << 13;

/// How often a module's own `merge` may fail before it is not tried again.
const FAULTS_MAX: u32 = 10;

impl Work {
    fn new(cursor: Cursor, merger: Merger, until: Ts) -> Self {
        let (read, ready) = Default::default();
        Self { cursor, merger, until, read, ready, is_read: false }
    }

    /// Has this merged: in pieces, where the module says itself how.
    fn take(&mut self, output: Output) {
        match output {
            Output::Records(records) if self.merger.is_own() => {
                self.read.extend(rollup::pieces(records).map(Output::Records));
            }
            output => self.read.push_back(output),
        }
    }

    /// Has these written in pieces, all in one commit.
    fn put(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Records(records) => {
                    let starts = (0..records.rows()).step_by(PIECE_ROWS);
                    let pieces = starts.map(|at| records.slice(at..at + PIECE_ROWS));
                    self.ready.extend(pieces.map(|piece| (Output::Records(piece), false)));
                }
                gap => self.ready.push_back((gap, false)),
            }
        }
        if let Some((_, is_last)) = self.ready.back_mut() {
            *is_last = true;
        }
    }
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

    /// Tries again what kept failing, because its instance begins anew.
    pub fn begin(&mut self, instance: &str, rollups: &Rollups) {
        for rollup in rollups.of(instance) {
            if let Some(level) = self.levels.get_mut(&rollup::name(instance, rollup.len)) {
                (level.refused, level.failed) = (false, 0);
            }
        }
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
        if level.failed >= FAULTS_MAX {
            return Ok(());
        }
        if let Some(work) = level.work.take() {
            return level.work_or_begin_again(writer, (name, work), rolled, deadline);
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
        let gone = gone(store.stream(from)?, (done, until), merger.interval());
        let mut work = Work::new(cursor, merger, until);
        work.put(gone.into_iter().collect());
        level.work_or_begin_again(writer, (name, work), rolled, deadline)
    }
}

/// What a rollup would have been made of and has gone before that, as a gap: records went that are
/// kept for less than it takes, or while nothing ran.
fn gone(made_of: Option<Stream>, (done, until): (Ts, Ts), interval: Span) -> Option<Output> {
    let made_of = made_of?;
    let first = made_of.first?.min(until);
    let is_whole = made_of.reclaimed_blocks == 0 && made_of.removed_until.is_none();
    // Where nothing was made yet, it is the beginning of the first interval that is missing.
    let from = if done == Ts(0) { Interval::holding(first, interval).start() } else { done };
    (!is_whole && from < first).then_some(Output::Gap { from, to: first })
}

impl Level {
    /// Goes on with the work. What ends before its interval does is made again from that
    /// interval on, and of what was written of it nothing stays.
    fn work_or_begin_again(
        &mut self,
        writer: &mut Writer,
        (name, work): (&str, Work),
        rolled: &mut Rolled,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        rolled.any = true;
        let worked = self.work_on(writer, (name, work), rolled, deadline);
        if self.work.is_none() {
            writer.forget(name);
            self.written = self.done;
        }
        worked
    }

    /// Reads on until the deadline. An interval is committed in one, however many pieces it has.
    fn work_on(
        &mut self,
        writer: &mut Writer,
        (name, mut work): (&str, Work),
        rolled: &mut Rolled,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let store = writer.store().clone();
        loop {
            if !work.ready.is_empty() && !writer.has_room(name) {
                return Ok(());
            }
            if let Some((output, is_last)) = work.ready.pop_front() {
                self.write(writer, name, output, is_last)?;
            } else if self.failed >= FAULTS_MAX {
                return Ok(());
            } else if let Some(output) = work.read.pop_front() {
                self.merge((name, &mut work), output, rolled);
            } else if work.is_read {
                self.done = Some(work.until);
                return Ok(());
            } else if let Some(part) = work.cursor.advance(&*store)? {
                work.take(part.output);
            } else {
                work.is_read = true;
                let last = work.merger.finish();
                self.note_made(&last);
                work.put(last);
            }
            if Instant::now() >= deadline {
                self.work = Some(work);
                return Ok(());
            }
        }
    }

    /// Merges what was read. Where that fails it goes on, for what follows may be of another kind;
    /// but not where the module's own way keeps failing.
    fn merge(&mut self, (name, work): (&str, &mut Work), output: Output, rolled: &mut Rolled) {
        let mut outputs = Vec::new();
        let merged = work.merger.push(output, &mut outputs);
        self.note_made(&outputs);
        work.put(outputs);
        let Err(why) = merged else { return };
        let is_own = matches!(why, RollupError::Own(_));
        self.failed += u32::from(is_own);
        self.stumbled |= is_own;
        if self.failed == FAULTS_MAX {
            rolled.refused.push((name.to_owned(), RollupError::GivenUp(Box::new(why))));
        } else if !std::mem::replace(&mut self.refused, true) {
            rolled.refused.push((name.to_owned(), why));
        }
    }

    /// Takes note of intervals that are made.
    fn note_made(&mut self, outputs: &[Output]) {
        let is_made = outputs.iter().any(|output| matches!(output, Output::Records(_)));
        if is_made && !std::mem::take(&mut self.stumbled) {
            self.failed = 0;
        }
    }

    /// Writes what is new of an output, from behind which the rollup goes on after an error.
    fn write(
        &mut self,
        writer: &mut Writer,
        name: &str,
        output: Output,
        is_last: bool,
    ) -> Result<(), StoreError> {
        if !is_last {
            writer.hold(name)?;
        }
        match output {
            Output::Gap { to, .. } if to <= self.told => {}
            Output::Gap { from, to } => {
                writer.write(name, Output::Gap { from: from.max(self.told), to })?;
            }
            Output::Records(records) => {
                let end = records.starts.last().map(|start| *start + records.len);
                writer.write(name, Output::Records(records))?;
                self.written = self.written.max(end);
            }
        }
        if is_last {
            writer.release(name);
            self.done = self.done.max(self.written);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
