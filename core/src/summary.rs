//! What a capture holds, in one pass: the numbers behind `como info`.
//!
//! Exact until one of its bounds is reached ([`HOSTS_MAX`], [`FLOWS_MAX`]), and
//! then says so in the report: memory stays bounded whatever is read.
//!
//! Layers are those of the outermost IP header; addresses inside tunnels and
//! ICMP errors are not counted. Bytes are lengths on the wire.

mod ends;
mod report;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::addr::Addr;
use crate::batch::{Batch, Present};
use crate::field::{Demand, Field};
use crate::packet::{Layers, Packet, Weight};
use crate::source::{Chunk, Counts, Description, Flows, Source, SourceError, Turn};
use crate::time::Ts;
use ends::{Ends, Ports};
pub use ends::{FLOWS_MAX, HOSTS_MAX};
pub use report::{Part, Report};

/// Packets and the bytes they have on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Volume {
    packets: u64,
    bytes: u64,
}

impl Volume {
    fn add(&mut self, weight: Weight) {
        self.packets = self.packets.saturating_add(weight.packets);
        self.bytes = self.bytes.saturating_add(weight.bytes);
    }
}

/// What a packet is at the network layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    Ipv4,
    Ipv6,
    Arp,
    Other,
}

impl Network {
    const ALL: [(Self, &str); 4] =
        [(Self::Ipv4, "ipv4"), (Self::Ipv6, "ipv6"), (Self::Arp, "arp"), (Self::Other, "other")];

    fn of(layers: &Layers) -> Self {
        match layers.found & (Layers::IP | Layers::ARP) {
            Layers::IPV4 => Self::Ipv4,
            Layers::IPV6 => Self::Ipv6,
            Layers::ARP => Self::Arp,
            _ => Self::Other,
        }
    }
}

/// When packets were seen, in the order in which they came.
#[derive(Debug, Default)]
struct Times {
    first: Option<Ts>,
    last: Option<Ts>,
    min: Option<Ts>,
    max: Option<Ts>,
    backwards: u64,
    unknown: u64,
}

impl Times {
    fn add(&mut self, packet: &Packet) {
        if packet.marks & Packet::NO_TS != 0 {
            self.unknown += 1;
            return;
        }
        let ts = packet.ts;
        self.first.get_or_insert(ts);
        self.backwards += u64::from(self.last.is_some_and(|last| ts < last));
        self.last = Some(ts);
        self.min = Some(self.min.map_or(ts, |min| min.min(ts)));
        self.max = Some(self.max.map_or(ts, |max| max.max(ts)));
    }
}

/// Accumulates batches; [`Summary::report`] says what they held.
#[derive(Debug)]
pub struct Summary {
    total: Volume,
    cap_bytes: u64,
    times: Times,
    links: BTreeMap<u16, u64>,
    networks: [Volume; Network::ALL.len()],
    protocols: Vec<Volume>,
    vlan: u64,
    fragments: u64,
    later_fragments: u64,
    malformed: u64,
    truncated: u64,
    counts: Counts,
    ends: Ends,
    ports: Ports,
    flows: Option<Flows>,
    streams: Vec<Description>,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            total: Volume::default(),
            cap_bytes: 0,
            times: Times::default(),
            links: BTreeMap::new(),
            networks: [Volume::default(); 4],
            protocols: vec![Volume::default(); 256],
            vlan: 0,
            fragments: 0,
            later_fragments: 0,
            malformed: 0,
            truncated: 0,
            counts: Counts::default(),
            ends: Ends::default(),
            ports: Ports::default(),
            flows: None,
            streams: Vec::new(),
        }
    }
}

impl Summary {
    /// What its batches must be decoded for.
    pub fn demand() -> Demand {
        [Field::IpSrc, Field::IpDst, Field::Sport, Field::Dport]
            .into_iter()
            .fold(Demand::NONE.layers(), Demand::field)
    }

    /// Adds everything `source` delivers until it ends or `stop` is set. What came before an error
    /// is counted.
    pub fn read(&mut self, source: &mut dyn Source, stop: &AtomicBool) -> Result<(), SourceError> {
        let read = self.read_packets(source, stop);
        if let Some(flows) = source.flows() {
            self.flows.get_or_insert_default().add(flows);
        }
        self.streams.push(source.description().clone());
        read
    }

    fn read_packets(
        &mut self,
        source: &mut dyn Source,
        stop: &AtomicBool,
    ) -> Result<(), SourceError> {
        let (mut batch, mut chunk) = (Batch::default(), Chunk::default());
        while !stop.load(Ordering::Relaxed) {
            chunk.clear();
            let turn = source.next(&mut chunk);
            self.add_counts(chunk.counts);
            batch.clear();
            batch.take_chunk(&mut chunk);
            batch.decode(Self::demand());
            self.update(&batch);
            if turn? == Turn::End {
                break;
            }
        }
        Ok(())
    }

    /// Adds a batch that was decoded for [`Summary::demand`].
    pub fn update(&mut self, batch: &Batch) {
        let (src, dst) = (batch.addrs(Field::IpSrc), batch.addrs(Field::IpDst));
        let (sport, dport) = (batch.numbers(Field::Sport), batch.numbers(Field::Dport));
        for (at, packet) in batch.all().iter().enumerate() {
            let (layers, weight) = (batch.layers(at), batch.weight(at));
            self.count(packet, layers, weight);
            let ends = (entry(src, at), entry(dst, at));
            let ports = (entry(sport, at), entry(dport, at));
            if let Some(proto) = layers.protocol() {
                self.ports.add(proto, ports, weight);
            }
            if let (Some(src), Some(dst)) = ends {
                self.add_ends(src, dst, layers, ports, weight);
            }
        }
    }

    /// Adds what the source lost or skipped.
    pub fn add_counts(&mut self, counts: Counts) {
        self.counts.add(counts);
    }

    fn count(&mut self, packet: &Packet, layers: &Layers, weight: Weight) {
        self.total.add(weight);
        self.cap_bytes = self.cap_bytes.saturating_add(packet.cap_len.into());
        self.times.add(packet);
        let link = self.links.entry(packet.link.0).or_default();
        *link = link.saturating_add(weight.packets);
        self.networks[Network::of(layers) as usize].add(weight);
        if let Some(proto) = layers.protocol() {
            self.protocols[usize::from(proto)].add(weight);
        }
        for (count, flag) in [
            (&mut self.vlan, Layers::VLAN),
            (&mut self.fragments, Layers::FRAGMENT),
            (&mut self.later_fragments, Layers::LATER_FRAGMENT),
            (&mut self.malformed, Layers::MALFORMED),
            (&mut self.truncated, Layers::TRUNCATED),
        ] {
            *count = count.saturating_add(if layers.has(flag) { weight.packets } else { 0 });
        }
    }

    fn add_ends(
        &mut self,
        src: Addr,
        dst: Addr,
        layers: &Layers,
        ports: (Option<u32>, Option<u32>),
        weight: Weight,
    ) {
        let ids = (self.ends.src(src, weight.bytes), self.ends.dst(dst, weight.bytes));
        if let ((Some(src), Some(dst)), Some(proto)) = (ids, layers.protocol()) {
            // Cut off, in a later fragment, or of another protocol: the flow has ports 0.
            let (sport, dport) = (ports.0.unwrap_or(0), ports.1.unwrap_or(0));
            self.ends.flow(src, dst, proto, sport as u16, dport as u16);
        }
    }
}

/// What a column holds for one packet.
fn entry<T: Copy>(column: Option<(&[T], &Present)>, at: usize) -> Option<T> {
    let (values, present) = column?;
    if present.has(at) { values.get(at).copied() } else { None }
}

#[cfg(test)]
mod tests;
