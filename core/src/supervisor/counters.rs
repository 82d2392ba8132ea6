//! What every stage counts, and how it is read while they run.
//!
//! Counters are single numbers that one thread writes and anyone may read;
//! a reader sees each as it is, not all at one instant.

mod task;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};

use parking_lot::{Mutex, RwLock};
use serde::Serialize;

use super::needs::{Offer, offer};
use crate::batch::Batch;
use crate::costs::{CostStatus, Costs};
use crate::field::Fields;
use crate::module::aside::Alert;
use crate::packet::{Packet, Weight};
use crate::source::{Chunk, Covered, Description, Replays, SourceError, Treatment};
use crate::time::Ts;
pub use task::{FAULTS, LimitsPassed, Loss, TaskCounters, TaskStatus};

/// One source's counters.
#[derive(Debug)]
pub struct SourceCounters {
    description: RwLock<Description>,
    // Whether capture or a worker shed any of its packets.
    sheds: AtomicBool,
    // Grows when what is said of its packets has changed.
    edition: AtomicU64,
    packets: AtomicU64,
    bytes: AtomicU64,
    dropped: AtomicU64,
    shed: AtomicU64,
    unreadable: AtomicU64,
    reopened: AtomicU64,
    replayed: [AtomicU64; 2],
    read_bytes: AtomicU64,
    ended: AtomicBool,
    error: Mutex<Option<String>>,
}

/// One source as a reader sees it.
#[derive(Clone, Debug, Serialize)]
pub struct SourceStatus {
    /// How it was named.
    pub name: String,
    /// How many packets it delivers of those there were: `none` are left out, `1 in 100`,
    /// `varying`, `unknown`.
    pub sampling: String,
    /// What was done to its packets so far, in this order.
    pub lineage: Vec<String>,
    /// Packets it delivered, each counted as many as it stands for.
    pub packets: u64,
    /// Bytes on the wire that those packets stand for.
    pub bytes: u64,
    /// Packets lost before they reached it.
    pub dropped: u64,
    /// Packets it shed because capture was behind.
    pub shed: u64,
    /// Records it could not read as packets.
    pub unreadable: u64,
    /// How often its device came back after it had been down or away.
    pub reopened: u64,
    /// How far it has read.
    pub read_bytes: u64,
    /// How much there is to read, where known.
    pub size_bytes: Option<u64>,
    /// Whether it has ended.
    pub ended: bool,
    /// Why it ended, if not at its end.
    pub error: Option<String>,
}

impl SourceCounters {
    /// Zeros for a source.
    pub fn new(description: &Description) -> Self {
        Self {
            description: RwLock::new(description.clone()),
            sheds: AtomicBool::new(false),
            edition: AtomicU64::new(0),
            packets: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            shed: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
            reopened: AtomicU64::new(0),
            replayed: Default::default(),
            read_bytes: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            error: Mutex::new(None),
        }
    }

    /// Notes what the source has learned of its packets.
    pub fn note_description(&self, description: &Description) {
        self.description.write().clone_from(description);
        self.edition.fetch_add(1, Release);
    }

    /// What the source offers.
    pub fn description(&self) -> Description {
        let mut description = self.description.read().clone();
        if self.sheds.load(Relaxed) {
            description.lineage.push(Treatment::Shed);
        }
        description
    }

    /// Counts what a turn of the source gave, and what its packets stand for.
    pub fn note_read(&self, chunk: &Chunk, weight: Weight) {
        self.packets.fetch_add(weight.packets, Relaxed);
        self.bytes.fetch_add(weight.bytes, Relaxed);
        self.dropped.fetch_add(chunk.counts.dropped, Relaxed);
        self.unreadable.fetch_add(chunk.counts.malformed, Relaxed);
        self.reopened.fetch_add(chunk.counts.reopened, Relaxed);
        let Replays { records, ns } = chunk.counts.replayed;
        self.replayed[0].fetch_add(records, Relaxed);
        self.replayed[1].fetch_add(ns, Relaxed);
        self.read_bytes.store(chunk.read_bytes, Relaxed);
    }

    /// Counts packets that found no place in capture's queue.
    pub fn note_shed(&self, packets: u64) {
        self.shed.fetch_add(packets, Relaxed);
        self.mark_shed();
    }

    fn mark_shed(&self) {
        if !self.sheds.swap(true, Relaxed) {
            self.edition.fetch_add(1, Release);
        }
    }

    /// Notes that the source has ended.
    pub fn note_end(&self, error: Option<&SourceError>) {
        *self.error.lock() = error.map(|e| crate::source::with_causes(e));
        self.ended.store(true, Relaxed);
    }

    /// Whether the source has ended.
    pub fn ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    fn status(&self) -> SourceStatus {
        let Description { name, sampling, lineage, size_bytes, .. } = self.description();
        SourceStatus {
            name,
            sampling: sampling.to_string(),
            lineage: lineage.iter().map(ToString::to_string).collect(),
            packets: self.packets.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            shed: self.shed.load(Relaxed),
            unreadable: self.unreadable.load(Relaxed),
            reopened: self.reopened.load(Relaxed),
            read_bytes: self.read_bytes.load(Relaxed),
            size_bytes,
            ended: self.ended.load(Relaxed),
            error: self.error.lock().clone(),
        }
    }
}

/// How many of the latest alerts are shown.
const ALERTS_SHOWN: usize = 20;

/// An alert as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlertStatus {
    /// When it was raised, in packet time.
    pub time: String,
    /// The instance that raised it.
    pub module: String,
    /// How grave it is.
    pub severity: &'static str,
    /// What it is.
    pub text: String,
    /// What belongs to it, as JSON.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fields: String,
}

/// Everything counted in one monitor.
#[derive(Debug, Default)]
pub struct Counters {
    sources: RwLock<Vec<Arc<SourceCounters>>>,
    tasks: RwLock<Vec<(Arc<str>, Arc<TaskCounters>)>>,
    packets: AtomicU64,
    late: AtomicU64,
    // Whether headers were looked at of any packet.
    looked: AtomicBool,
    malformed: AtomicU64,
    truncated: AtomicU64,
    shed: AtomicU64,
    batches: AtomicU64,
    clock: AtomicU64,
    over: AtomicBool,
    costs: Arc<Costs>,
    // The latest, the last one raised first.
    alerts: Mutex<VecDeque<AlertStatus>>,
}

/// All of a monitor's counters as a reader sees them.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The stream's clock.
    pub clock: Option<String>,
    /// Packets merged into the stream, each counted as many as it stands for.
    pub packets: u64,
    /// Bytes on the wire that the packets which the sources delivered stand for.
    pub bytes: u64,
    /// Packets lost before us.
    pub dropped: u64,
    /// Packets skipped because a queue was full, summed over workers and sources.
    pub shed: u64,
    /// Packets counted in a later interval than their timestamp's.
    pub late: u64,
    /// Packets with a header that contradicts itself; nothing where headers were never looked at.
    pub malformed: Option<u64>,
    /// Packets whose headers were cut off; nothing where headers were never looked at.
    pub truncated: Option<u64>,
    /// Batches cut.
    pub batches: u64,
    /// Seconds of CPU time, by what they were for.
    pub cpu_seconds: CostStatus,
    /// The sources.
    pub sources: Vec<SourceStatus>,
    /// The tasks.
    pub tasks: Vec<TaskStatus>,
    /// The latest alerts, the last one raised first.
    pub alerts: Vec<AlertStatus>,
}

impl Counters {
    /// Counts a decoded batch.
    pub fn note_batch(&self, batch: &Batch) {
        self.batches.fetch_add(1, Relaxed);
        // A packet ahead of its time, which nothing confirmed, moves no clock.
        let last = batch.all().iter().rfind(|p| p.marks & Packet::AHEAD == 0);
        self.clock.store(last.map_or(batch.clock, |p| p.ts.max(batch.clock)).0, Relaxed);
        self.packets.fetch_add(batch.total_packets(), Relaxed);
        self.late.fetch_add(u64::from(batch.late), Relaxed);
        if let Some((malformed, truncated)) = batch.faulty() {
            self.malformed.fetch_add(malformed, Relaxed);
            self.truncated.fetch_add(truncated, Relaxed);
            self.looked.store(true, Release);
        }
    }

    /// Counts the packets of a batch that a worker's queue had no room for.
    pub fn note_shed(&self, batch: &Batch) {
        self.shed.fetch_add(batch.total_packets(), Relaxed);
        let sources = self.sources.read();
        for run in batch.all().chunk_by(|one, next| one.source == next.source) {
            let source = run.first().and_then(|p| sources.get(usize::from(p.source)));
            source.into_iter().for_each(|source| source.mark_shed());
        }
    }

    /// Says whether no source can give anything any more, and export has taken all that was made of
    /// what they gave.
    pub(crate) fn set_over(&self, are_over: bool) {
        self.over.store(are_over, Relaxed);
    }

    /// Whether that was said.
    pub(crate) fn are_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    /// What each source offers that has not ended.
    pub(crate) fn offers(&self) -> Vec<Offer> {
        let sources = self.sources.read();
        let offers = sources.iter().filter(|source| !source.ended());
        offers.map(|source| offer(&source.description.read())).collect()
    }

    /// The sources that offer all of `needs`, by name.
    fn suiting_names(&self, needs: Fields) -> Vec<String> {
        let sources = self.sources.read();
        let offers = sources.iter().map(|source| offer(&source.description.read()));
        offers.filter(|(_, fields)| fields.covers(needs)).map(|(name, _)| name).collect()
    }

    /// Those of them that have not ended, by number.
    pub(crate) fn suiting(&self, needs: Fields) -> Vec<u16> {
        let sources = self.sources.read();
        let suits = |source: &SourceCounters| {
            !source.ended() && source.description.read().offers.covers(needs)
        };
        let numbered = (0u16..).zip(&*sources);
        numbered.filter(|(_, source)| suits(source)).map(|(number, _)| number).collect()
    }

    /// What records cover that were measured on the sources of these numbers, as far as known now.
    pub fn covered(&self, numbers: &[u16]) -> Vec<Covered> {
        let sources = self.sources.read();
        let found = numbers.iter().filter_map(|number| sources.get(usize::from(*number)));
        found.map(|source| source.description().covered()).collect()
    }

    /// A number that grows when [`Counters::covered`] gives something else for the same sources.
    pub fn edition(&self, numbers: &[u16]) -> u64 {
        let sources = self.sources.read();
        let found = numbers.iter().filter_map(|number| sources.get(usize::from(*number)));
        found.map(|source| source.edition.load(Acquire)).sum()
    }

    /// Adds a source and returns its number.
    pub fn add_source(&self, source: Arc<SourceCounters>) -> u16 {
        let mut sources = self.sources.write();
        sources.push(source);
        u16::try_from(sources.len() - 1).unwrap_or(u16::MAX)
    }

    /// Adds a task, in place of its namesake.
    pub fn put_task(&self, name: &Arc<str>, task: Arc<TaskCounters>) {
        let mut tasks = self.tasks.write();
        match tasks.iter_mut().find(|(n, _)| n == name) {
            Some(entry) => entry.1 = task,
            None => tasks.push((name.clone(), task)),
        }
    }

    /// Removes a task; whether there was one.
    pub fn remove_task(&self, name: &str) -> bool {
        let mut tasks = self.tasks.write();
        let before = tasks.len();
        tasks.retain(|(n, _)| &**n != name);
        tasks.len() < before
    }

    /// The counters of a task.
    pub(crate) fn task(&self, name: &str) -> Option<Arc<TaskCounters>> {
        let tasks = self.tasks.read();
        tasks.iter().find(|(n, _)| &**n == name).map(|(_, task)| task.clone())
    }

    /// Records of modules that became packets, of all sources.
    pub fn replayed(&self) -> Replays {
        let mut all = Replays::default();
        for source in &*self.sources.read() {
            all.records += source.replayed[0].load(Relaxed);
            all.ns += source.replayed[1].load(Relaxed);
        }
        all
    }

    /// Whether some task is parked, or has failed at all, where that is asked.
    pub fn any_failed(&self, at_all: bool) -> bool {
        self.tasks.read().iter().any(|(_, task)| task.has_failed(at_all))
    }

    /// The stream's clock, once there is one.
    pub fn clock(&self) -> Option<Ts> {
        Some(self.clock.load(Relaxed)).filter(|c| *c > 0).map(Ts)
    }

    /// What all threads of the monitor charge.
    pub fn costs(&self) -> &Arc<Costs> {
        &self.costs
    }

    /// Notes alerts that the instance called `module` raised; tells the log of each.
    pub fn note_alerts(&self, module: &str, alerts: &[Alert]) {
        for Alert { severity, text, fields, .. } in alerts {
            let severity = severity.name();
            tracing::warn!(target: "alert", "module `{module}`: {severity}: {text} {fields}");
        }
        let mut shown = self.alerts.lock();
        for Alert { ts, severity, text, fields } in alerts {
            let severity = severity.name();
            shown.truncate(ALERTS_SHOWN - 1);
            shown.push_front(AlertStatus {
                time: ts.to_string(),
                module: module.to_owned(),
                severity,
                text: text.clone(),
                fields: fields.clone(),
            });
        }
    }

    /// Everything as it is now.
    pub fn status(&self) -> Status {
        let sources: Vec<SourceStatus> = self.sources.read().iter().map(|s| s.status()).collect();
        let looked = self.looked.load(Acquire);
        let counted = |counter: &AtomicU64| looked.then(|| counter.load(Relaxed));
        let tasks = self.tasks.read();
        let tasks =
            tasks.iter().map(|(name, t)| t.status(name, self.suiting_names(t.needs))).collect();
        Status {
            clock: self.clock().map(|c| c.to_string()),
            packets: self.packets.load(Relaxed),
            bytes: sources.iter().map(|s| s.bytes).sum(),
            dropped: sources.iter().map(|s| s.dropped).sum(),
            shed: self.shed.load(Relaxed) + sources.iter().map(|s| s.shed).sum::<u64>(),
            late: self.late.load(Relaxed),
            malformed: counted(&self.malformed),
            truncated: counted(&self.truncated),
            batches: self.batches.load(Relaxed),
            cpu_seconds: self.costs.status(),
            sources,
            tasks,
            alerts: self.alerts.lock().iter().cloned().collect(),
        }
    }
}
