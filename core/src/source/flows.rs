//! What a source of flow records has read: the part of `como info` that packets do not show.
//!
//! A flow record becomes a packet with a weight; how many records there were,
//! who exported them and what was lost on the way is only known here.

use std::collections::BTreeMap;

use serde::Serialize;

/// What sources of flow records have read. Serialized, its names are keys of `como info --json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Flows {
    /// Flow records, or flow samples.
    pub flow_records: u64,
    /// The packets they stand for, scaled by the exporter's sampling.
    pub flow_packets: u64,
    /// The bytes they stand for, counted as the exporter counts them.
    pub flow_bytes: u64,
    /// Packets of the opposite direction in records of both directions (RFC 5103); not among
    /// `flow_packets`.
    pub flow_reverse_packets: u64,
    /// Bytes of the opposite direction.
    pub flow_reverse_bytes: u64,
    /// The records by protocol number.
    pub flow_protocols: BTreeMap<u8, Volume>,
    /// Export packets.
    pub flow_datagrams: u64,
    /// Places where the exporters' sequence numbers skip.
    pub flow_sequence_gaps: u64,
    /// Records that are missing there, where the exporter numbers records.
    pub flow_lost_records: u64,
    /// Export packets that are missing there, where it numbers those.
    pub flow_lost_datagrams: u64,
    /// Export packets, or parts of them, that could not be decoded.
    pub flow_undecodable: u64,
    /// Samples of interfaces' own counters, as sFlow sends them beside those of packets.
    pub flow_counter_samples: u64,
    /// Interfaces, or other places, whose counters were sent.
    pub flow_interfaces: u64,
    /// Samples that exporters say they dropped for want of resources.
    pub flow_dropped_samples: u64,
    /// Each exporter, by address and then by the number it gives a part of itself.
    pub flow_exporters: Vec<Exporter>,
}

/// Records and what they count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Volume {
    /// Flow records.
    pub records: u64,
    /// Packets they stand for.
    pub packets: u64,
    /// Bytes they stand for.
    pub bytes: u64,
}

impl Volume {
    /// Adds what `other` counts.
    pub fn add(&mut self, other: Self) {
        self.records = self.records.saturating_add(other.records);
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// One exporter: what it sent and what of that is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exporter {
    /// Where its export packets come from.
    pub address: String,
    /// Its observation domain, source id, engine or sub-agent.
    pub domain: u32,
    /// The version of its format, as it writes it.
    pub version: u16,
    /// Export packets.
    pub datagrams: u64,
    /// Its records.
    #[serde(flatten)]
    pub volume: Volume,
    /// Places where its sequence numbers skip.
    pub sequence_gaps: u64,
    /// What could not be decoded.
    pub undecodable: u64,
    /// One packet in so many was sampled, as it last said; 1 where it did not.
    pub sampling: u64,
    /// Samples of interfaces' own counters.
    pub counter_samples: u64,
    /// Interfaces whose counters it sent.
    pub interfaces: u64,
    /// Samples it says it dropped.
    pub dropped_samples: u64,
}

impl Flows {
    /// Adds what another source has read.
    pub fn add(&mut self, other: Self) {
        for (sum, more) in [
            (&mut self.flow_records, other.flow_records),
            (&mut self.flow_packets, other.flow_packets),
            (&mut self.flow_bytes, other.flow_bytes),
            (&mut self.flow_reverse_packets, other.flow_reverse_packets),
            (&mut self.flow_reverse_bytes, other.flow_reverse_bytes),
            (&mut self.flow_datagrams, other.flow_datagrams),
            (&mut self.flow_sequence_gaps, other.flow_sequence_gaps),
            (&mut self.flow_lost_records, other.flow_lost_records),
            (&mut self.flow_lost_datagrams, other.flow_lost_datagrams),
            (&mut self.flow_undecodable, other.flow_undecodable),
            (&mut self.flow_counter_samples, other.flow_counter_samples),
            (&mut self.flow_interfaces, other.flow_interfaces),
            (&mut self.flow_dropped_samples, other.flow_dropped_samples),
        ] {
            *sum = sum.saturating_add(more);
        }
        for (proto, volume) in other.flow_protocols {
            self.flow_protocols.entry(proto).or_default().add(volume);
        }
        self.flow_exporters.extend(other.flow_exporters);
    }
}
