//! What a source of flow records has read, counted while it reads.

use std::collections::BTreeMap;

use como_core::addr::Addr;
use como_core::source::flows::Volume;
use como_core::source::{Flows, Sampling};

use super::Flow;

/// Totals over all exporters.
#[derive(Debug)]
pub struct Tally {
    /// All records.
    pub all: Volume,
    /// The opposite direction of records of both.
    pub reverse: Volume,
    /// Export packets.
    pub datagrams: u64,
    /// What could not be decoded.
    pub undecodable: u64,
    /// How exporters or agents say that they sample.
    pub sampling: Sampling,
    protocols: Vec<Volume>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            all: Volume::default(),
            reverse: Volume::default(),
            datagrams: 0,
            undecodable: 0,
            sampling: Sampling::Unknown,
            protocols: vec![Volume::default(); 256],
        }
    }
}

impl Tally {
    /// Counts a record.
    #[inline]
    pub fn add(&mut self, flow: &Flow) {
        let volume = volume(flow);
        self.all.add(volume);
        if let Some(protocol) = self.protocols.get_mut(usize::from(flow.proto)) {
            protocol.add(volume);
        }
    }

    /// What the source has read, without what only its exporters' states know.
    pub fn report(&self) -> Flows {
        let protocols = (0u8..=255).zip(self.protocols.iter().copied());
        let protocols = protocols.filter(|(_, volume)| volume.records > 0);
        Flows {
            flow_records: self.all.records,
            flow_packets: self.all.packets,
            flow_bytes: self.all.bytes,
            flow_reverse_packets: self.reverse.packets,
            flow_reverse_bytes: self.reverse.bytes,
            flow_protocols: BTreeMap::from_iter(protocols),
            flow_datagrams: self.datagrams,
            flow_undecodable: self.undecodable,
            ..Flows::default()
        }
    }
}

/// Where decoded records go, each counted.
pub struct Out<'a> {
    /// The records.
    pub flows: &'a mut Vec<Flow>,
    /// The totals.
    pub tally: &'a mut Tally,
    /// Who reported them.
    pub exporter: Addr,
}

impl Out<'_> {
    /// Adds a record, of an exporter with this volume.
    #[inline]
    pub fn push(&mut self, flow: Flow, volume: &mut Volume) {
        volume.add(self::volume(&flow));
        self.tally.add(&flow);
        self.keep(flow);
    }

    /// Adds the opposite direction of a record.
    pub fn push_reverse(&mut self, flow: Flow) {
        self.tally.reverse.add(volume(&flow));
        self.keep(flow);
    }

    fn keep(&mut self, mut flow: Flow) {
        flow.origin.exporter = self.exporter;
        self.flows.push(flow);
    }
}

/// What one record counts.
#[inline]
fn volume(flow: &Flow) -> Volume {
    Volume { records: 1, packets: flow.packets, bytes: flow.bytes }
}
