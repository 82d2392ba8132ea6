//! How far a run is: bytes read of those to be read, over all its legs.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

use crate::supervisor::counters::Counters;

/// How far it is, for whoever looks while it runs.
#[derive(Debug, Default)]
pub struct Gauge {
    size_bytes: Option<u64>,
    legs: Mutex<Legs>,
}

#[derive(Debug, Default)]
struct Legs {
    ended: Far,
    running: Vec<Arc<Counters>>,
}

/// How far a run, or anything that reads, is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Far {
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes to be read; none where nobody knows.
    pub size_bytes: Option<u64>,
    /// Packets read, each counted as many as it stands for.
    pub packets: u64,
    /// Packets dropped before us, or shed.
    pub lost: u64,
}

impl Gauge {
    /// For so many bytes.
    pub fn new(size_bytes: Option<u64>) -> Self {
        Self { size_bytes, legs: Mutex::default() }
    }

    /// Counts what a leg counts.
    pub(super) fn begin(&self, leg: Option<Arc<Counters>>) {
        self.legs.lock().running.extend(leg);
    }

    /// Notes that a leg has ended.
    pub(super) fn end(&self, leg: &Arc<Counters>) {
        let mut legs = self.legs.lock();
        legs.running.retain(|other| !Arc::ptr_eq(other, leg));
        legs.ended.add(Far::of(leg));
    }

    /// How far it is.
    pub fn far(&self) -> Far {
        let legs = self.legs.lock();
        let mut far = legs.ended;
        legs.running.iter().for_each(|leg| far.add(Far::of(leg)));
        Far { size_bytes: self.size_bytes, ..far }
    }
}

impl Far {
    /// How far a monitor is.
    pub fn of(counters: &Counters) -> Self {
        let status = counters.status();
        Self {
            read_bytes: status.sources.iter().map(|source| source.read_bytes).sum(),
            size_bytes: status.sources.iter().map(|source| source.size_bytes).sum(),
            packets: status.packets,
            lost: status.dropped + status.shed,
        }
    }

    fn add(&mut self, other: Self) {
        self.read_bytes += other.read_bytes;
        self.packets += other.packets;
        self.lost += other.lost;
    }
}
