//! How far a run is: bytes read of those to be read, over all its lanes.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

use crate::supervisor::counters::Counters;

/// How far it is, for whoever looks while it runs.
#[derive(Debug, Default)]
pub struct Gauge {
    size_bytes: Option<u64>,
    lanes: Mutex<Lanes>,
}

#[derive(Debug, Default)]
struct Lanes {
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
        Self { size_bytes, lanes: Mutex::default() }
    }

    /// Counts what a lane counts.
    pub(super) fn begin(&self, lane: Option<Arc<Counters>>) {
        self.lanes.lock().running.extend(lane);
    }

    /// Notes that a lane has ended.
    pub(super) fn end(&self, lane: &Arc<Counters>) {
        let mut lanes = self.lanes.lock();
        lanes.running.retain(|other| !Arc::ptr_eq(other, lane));
        lanes.ended.add(Far::of(lane));
    }

    /// How far it is.
    pub fn far(&self) -> Far {
        let lanes = self.lanes.lock();
        let mut far = lanes.ended;
        lanes.running.iter().for_each(|lane| far.add(Far::of(lane)));
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
