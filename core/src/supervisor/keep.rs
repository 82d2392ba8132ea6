//! The sink of a monitor that serves: records go into the store, one commit a tick.
//!
//! A store that does not answer stops nothing: rows wait, up to the writer's
//! bound, the trouble is said once and shown in the status until it is over.

mod rollup;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use serde::{Serialize, Serializer};

use super::exporter::{Sink, SinkError};
use crate::module::aside::{self, ALERTS, Asides};
use crate::record::{Output, Records};
use crate::source::Covered;
use crate::storage::{About, Feed, Scan, StoreError, Window, Writer, block};
use crate::time::{Span, Ts};
use rollup::Rolling;
pub use rollup::{Rollups, SharedRollups};

/// How far one stream is safe, as `/status` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Safe {
    /// The number of its last committed block.
    pub seq: u64,
    /// The first instant behind that block: nothing before it can be lost.
    pub committed_until: String,
    /// Rows committed since the start.
    pub rows: u64,
}

/// What the store has acknowledged, and what it complains of; shared with whoever shows it.
#[derive(Debug, Default, Serialize)]
pub struct Keeping {
    /// By instance.
    pub streams: BTreeMap<String, Safe>,
    /// Until when all that an instance records is safe, also where it recorded nothing.
    #[serde(serialize_with = "as_texts")]
    pub settled_until: BTreeMap<String, Ts>,
    /// Why the last commit failed, if it did.
    pub trouble: Option<String>,
    /// Rows lost because the store did not take them for too long.
    pub lost_rows: u64,
    /// Rollups that cannot be made, and why.
    pub not_rolled_up: BTreeMap<String, String>,
    /// Instances that record times before the end of what was recorded when they began, and the
    /// first of those: what is there of them already stays beside it.
    pub repeated: BTreeMap<String, String>,
    /// Captures that are not read, and why: what is recorded twice would count twice.
    pub not_read: BTreeMap<String, String>,
    /// Until when each instance has recorded, whether that is safe yet or not.
    #[serde(skip)]
    pub reached: BTreeMap<String, Ts>,
}

fn as_texts<S: Serializer>(times: &BTreeMap<String, Ts>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(times.iter().map(|(name, time)| (name, time.to_string())))
}

/// How long rollups may take at a time, so that records wait for no more than that.
const ROLLING: Duration = Duration::from_millis(50);

/// How long those that are left may take at the end; what is not done is done by the next run.
const ROLLING_LAST: Duration = Duration::from_secs(2);

/// How often what is too old is looked for, in packet time.
const EXPIRY: Span = Span::from_secs(10);

/// What of another's records is looked at for when it was heard last.
const NEWEST: Span = Span::from_secs(60);

/// How much of its records a stream keeps; the default where it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// At most so many bytes.
    pub bytes: Option<u64>,
    /// At most for so long; the longest span there is means for ever.
    pub age: Option<Span>,
}

/// How much streams keep of their records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Of those with bounds of their own, by instance.
    pub own: BTreeMap<String, Bound>,
    /// Of the others.
    pub default: Bound,
}

impl Bounds {
    fn of(&self, stream: &str) -> Bound {
        let own = self.own.get(stream).copied().unwrap_or_default();
        let age = own.age.or(self.default.age).filter(|age| age.0 < u64::MAX);
        Bound { bytes: own.bytes.or(self.default.bytes), age }
    }
}

/// The bounds as they are now; read when a stream begins.
pub type SharedBounds = Arc<RwLock<Bounds>>;

/// Writes a monitor's records to its store.
pub struct Keeper {
    writer: Writer,
    bounds: SharedBounds,
    keeping: Arc<RwLock<Keeping>>,
    // What will be safe with the next commit.
    closed: BTreeMap<String, Ts>,
    // When what is too old is looked for next.
    expires: Ts,
    rollups: SharedRollups,
    rolling: Rolling,
    // Streams beside those of instances, as far as they were written to.
    beside: BTreeSet<String>,
    instances: BTreeSet<String>,
    // Until when there were records when an instance began, until it records before that.
    ends: BTreeMap<String, Ts>,
}

impl Keeper {
    /// A sink over `writer` that keeps as much as the bounds allow.
    pub fn new(writer: Writer, bounds: SharedBounds) -> Self {
        let keeping = Keeping { streams: safe(&writer), ..Keeping::default() };
        Self {
            writer,
            bounds,
            keeping: Arc::new(RwLock::new(keeping)),
            closed: BTreeMap::new(),
            expires: Ts(0),
            rollups: SharedRollups::default(),
            rolling: Rolling::default(),
            beside: BTreeSet::new(),
            instances: BTreeSet::new(),
            ends: BTreeMap::new(),
        }
    }

    /// The same, with records of longer intervals beside.
    pub fn rolling_up(mut self, rollups: SharedRollups) -> Self {
        self.rollups = rollups;
        self
    }

    /// Where its commits are told.
    pub fn feed(&self) -> Feed {
        self.writer.feed()
    }

    /// What it has kept so far.
    pub fn keeping(&self) -> Arc<RwLock<Keeping>> {
        self.keeping.clone()
    }

    /// Writes records to a stream beside those of instances, which begins with its first record.
    ///
    /// What would go into the records of an instance is dropped: nobody writes to another's.
    fn aside(&mut self, stream: &str, module: &str, records: Records) {
        if self.instances.contains(stream) {
            tracing::warn!("an output of `{module}` has the name of the module `{stream}`");
            return;
        }
        if self.beside.insert(stream.to_owned()) {
            let bound = self.bounds.read().of(stream);
            let (bytes_max, age_max) = (bound.bytes, bound.age);
            let module = module.to_owned();
            let about = About { module, bytes_max, age_max, ..About::default() };
            if let Err(error) = self.writer.open(stream, about) {
                self.note_trouble(&error);
            }
        }
        if let Err(error) = self.writer.write(stream, Output::Records(records)) {
            self.note_trouble(&error);
        }
    }

    /// Says once where an instance records times before the end of what it had recorded: of a
    /// capture that is read again, or of a clock that was set back.
    fn look_back(&mut self, instance: &str, output: &Output) {
        let Output::Records(records) = output else { return };
        let first = records.starts.iter().min().copied();
        let Some((first, end)) = first.zip(self.ends.get(instance).copied()) else { return };
        if first + records.len < end && self.has_records_from(instance, first + records.len) {
            self.ends.remove(instance);
            tracing::warn!(
                "`{instance}` records times from {first} on, and has records until {end}: what is \
                 recorded twice counts twice"
            );
            self.keeping.write().repeated.insert(instance.to_owned(), first.to_string());
        }
    }

    /// Whether records of an instance start then or later. The interval that was open at a stop
    /// starts before what goes on with it ends, whichever of the two is longer.
    fn has_records_from(&self, instance: &str, from: Ts) -> bool {
        let window = Window { from, to: Window::ALL.to };
        let mut parts = Scan::new(&**self.writer.store(), instance, window);
        // A store that does not answer says so when it is written.
        parts.any(|part| part.is_ok_and(|part| matches!(part.output, Output::Records(_))))
    }

    /// Until when an instance was heard before: as it said since the start; of runs before, as its
    /// records say, or as those of others do, where it was heard and had nothing to record.
    fn heard_until(&self, instance: &str) -> Result<Option<Ts>, StoreError> {
        let store = self.writer.store();
        let Some(end) = store.stream(instance)?.and_then(|stream| stream.end) else {
            return Ok(None);
        };
        let mut until = end;
        if let Some(reached) = self.keeping.read().reached.get(instance) {
            return Ok(Some(until.max(*reached)));
        }
        for other in store.streams()?.iter().filter(|other| other.rollup_of.is_none()) {
            let Some(end) = other.end.filter(|end| *end > until) else { continue };
            let newest = Window { from: until.max(end - NEWEST), to: Window::ALL.to };
            for stored in store.page(&other.name, newest, None)? {
                let header = block::peek(&stored.bytes).ok().filter(|header| !header.gap);
                until = until.max(header.map_or(until, |header| header.last));
            }
        }
        Ok(Some(until))
    }

    /// Lets go of what has been kept long enough.
    fn expire(&mut self) {
        let Some(clock) = self.writer.feed().clock().filter(|clock| *clock >= self.expires) else {
            return;
        };
        self.expires = clock + EXPIRY;
        if let Err(error) = self.writer.expire(clock) {
            self.note_trouble(&error);
        }
    }

    /// Commits what was accepted, and says what is safe by that; whether the store took it.
    fn put(&mut self) -> bool {
        let committed = match self.writer.commit() {
            Ok(committed) => committed,
            Err(error) => {
                self.note_trouble(&error);
                return false;
            }
        };
        let mut keeping = self.keeping.write();
        // That there was nothing to commit says nothing of the store.
        if !committed.is_empty() && keeping.trouble.take().is_some() {
            tracing::info!("the store takes records again");
        }
        keeping.lost_rows = self.writer.lost_rows();
        self.rolling.committed();
        let clock = self.writer.feed().clock();
        for (instance, until) in std::mem::take(&mut self.closed) {
            // An interval that was closed early, at a stop, may go on with the next run.
            self.rolling.settle(&instance, clock.map_or(until, |clock| until.min(clock)));
            keeping.settled_until.insert(instance, until);
        }
        for done in committed {
            let rows = keeping.streams.get(&done.stream).map_or(0, |k| k.rows) + done.rows;
            let safe = Safe { seq: done.seq, committed_until: done.end.to_string(), rows };
            keeping.streams.insert(done.stream, safe);
        }
        true
    }

    /// Merges what is safe into records of longer intervals, which are safe with the next commit.
    /// Returns whether there may be more to do.
    fn roll_up(&mut self, until: Instant) -> bool {
        let rolled = self.rolling.roll(&mut self.writer, &self.rollups.read(), until);
        for (stream, why) in rolled.refused {
            tracing::error!("`{stream}` lacks records: {why}");
            self.keeping.write().not_rolled_up.insert(stream, why.to_string());
        }
        if let Some(error) = &rolled.trouble {
            self.note_trouble(error);
        }
        rolled.any && rolled.trouble.is_none()
    }

    fn note_trouble(&self, error: &StoreError) {
        let text = error.to_string();
        let mut keeping = self.keeping.write();
        keeping.lost_rows = self.writer.lost_rows();
        // Once, until it is over: what the system answers may change from one try to the next.
        if keeping.trouble.replace(text.clone()).is_none() {
            tracing::error!("records wait for the store: {text}");
        }
    }
}

/// How far the streams are safe that earlier runs left.
fn safe(writer: &Writer) -> BTreeMap<String, Safe> {
    let streams = writer.store().streams().unwrap_or_default().into_iter();
    let kept = streams.filter_map(|stream| {
        let seq = stream.next_seq.checked_sub(1)?;
        let committed_until = stream.end?.to_string();
        Some((stream.name, Safe { seq, committed_until, rows: 0 }))
    });
    kept.collect()
}

impl Sink for Keeper {
    fn begin(&mut self, instance: &str, module: &str, filter: &str) -> Result<(), SinkError> {
        self.instances.insert(instance.to_owned());
        // A store that does not answer says so when it is written.
        let stored = self.writer.store().stream(instance).ok().flatten();
        if let Some(end) = stored.and_then(|stream| stream.end) {
            self.ends.insert(instance.to_owned(), end);
        }
        self.rolling.begin(instance, &self.rollups.read());
        let bound = self.bounds.read().of(instance);
        let about = About {
            module: module.to_owned(),
            filter: filter.to_owned(),
            bytes_max: bound.bytes,
            age_max: bound.age,
            sources: Vec::new(),
            rollup_of: None,
        };
        for rollup in self.rollups.read().of(instance) {
            let name = crate::rollup::name(instance, rollup.len);
            let about = About {
                age_max: rollup.age,
                rollup_of: Some(instance.to_owned()),
                ..about.clone()
            };
            if let Err(error) = self.writer.open(&name, about) {
                self.note_trouble(&error);
            }
        }
        if let Err(error) = self.writer.open(instance, about) {
            self.note_trouble(&error);
        }
        Ok(())
    }

    fn opened(&mut self, instance: &str, from: Ts) -> Result<(), SinkError> {
        match self.heard_until(instance) {
            Ok(Some(heard)) if heard < from => {
                self.accept(instance, Output::Gap { from: heard, to: from })
            }
            Ok(_) => Ok(()),
            Err(error) => {
                self.note_trouble(&error);
                Ok(())
            }
        }
    }

    fn cover(&mut self, instance: &str, sources: &[Covered]) -> Result<(), SinkError> {
        for rollup in self.rollups.read().of(instance) {
            self.writer.cover(&crate::rollup::name(instance, rollup.len), sources);
        }
        self.writer.cover(instance, sources);
        Ok(())
    }

    fn accept(&mut self, instance: &str, output: Output) -> Result<(), SinkError> {
        self.look_back(instance, &output);
        if let Err(error) = self.writer.write(instance, output) {
            self.note_trouble(&error);
        }
        Ok(())
    }

    fn asides(&mut self, instance: &str, asides: Asides) -> Result<(), SinkError> {
        if !asides.alerts.is_empty() {
            self.aside(ALERTS, ALERTS, aside::records(instance, &asides.alerts));
        }
        for (output, records) in asides.outputs {
            self.aside(&aside::stream(instance, &output), instance, records);
        }
        Ok(())
    }

    fn closed(&mut self, instance: &str, until: Ts) {
        self.keeping.write().reached.insert(instance.to_owned(), until);
        self.closed.insert(instance.to_owned(), until);
    }

    fn clock(&mut self, clock: Ts) {
        self.writer.feed().set_clock(clock);
    }

    fn over(&mut self, is_over: bool) {
        // What the store does not take now comes once it does.
        let is_kept = self.keeping.read().trouble.is_none();
        self.writer.feed().set_over(is_over && is_kept);
    }

    fn commit(&mut self) -> Result<(), SinkError> {
        if self.put() {
            self.roll_up(Instant::now() + ROLLING);
            self.expire();
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), SinkError> {
        let until = Instant::now() + ROLLING_LAST;
        // Each level is made of what was committed of the one before.
        while self.put() && Instant::now() < until && self.roll_up(until) {}
        match &self.keeping.read().trouble {
            Some(trouble) => Err(SinkError::new(format!("the last records are lost: {trouble}"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
