//! The report: what `como info` prints, as JSON and as tables.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::ends::Ports;
use super::{Network, Summary, Volume};
use crate::packet::LinkType;
use crate::source::{Flows, Sampling, Treatment, flows};
use crate::time::Ts;

/// Rows of each list of the largest.
const TOP: usize = 5;

/// A name and a number, which JSON shows as a list of two.
type Row = (String, u64);

/// What a capture holds. Serialized it is the object that `como info --json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Packets, each counted for as many as it stands for.
    pub packets: u64,
    /// Bytes on the wire.
    pub wire_bytes: u64,
    /// Bytes captured.
    pub cap_bytes: u64,
    /// Timestamp of the first packet in file order, seconds with nanoseconds.
    pub first_ts: Option<String>,
    /// Timestamp of the last packet in file order.
    pub last_ts: Option<String>,
    /// The earliest timestamp.
    pub min_ts: Option<String>,
    /// The latest timestamp.
    pub max_ts: Option<String>,
    /// Packets whose timestamp lies before the previous one's.
    pub ts_backwards: u64,
    /// Packets without a timestamp.
    pub packets_without_ts: u64,
    /// Packets by link type, by its registry number.
    pub link_packets: BTreeMap<u16, u64>,
    /// Packets by network protocol.
    pub l3_packets: BTreeMap<&'static str, u64>,
    /// Bytes by network protocol.
    pub l3_bytes: BTreeMap<&'static str, u64>,
    /// Packets by what IP carries, by protocol number.
    pub l4_packets: BTreeMap<u8, u64>,
    /// Bytes by what IP carries.
    pub l4_bytes: BTreeMap<u8, u64>,
    /// Packets with a VLAN tag.
    pub vlan_packets: u64,
    /// IP fragments, the first ones included.
    pub ip_fragments: u64,
    /// IP fragments other than the first.
    pub ip_nonfirst_fragments: u64,
    /// Packets with a header that contradicts itself or the packet's length.
    pub malformed: u64,
    /// Packets whose capture ends before their headers do.
    pub truncated: u64,
    /// Packets the source knows were lost before it.
    pub dropped: u64,
    /// Unreadable records: those of which the source could make no packets.
    pub skipped_records: u64,
    /// The addresses that sent most bytes.
    pub top_src_ip_bytes: Vec<Row>,
    /// The addresses that were sent most bytes.
    pub top_dst_ip_bytes: Vec<Row>,
    /// Addresses that sent.
    pub distinct_src_ip: u64,
    /// Addresses that were sent to.
    pub distinct_dst_ip: u64,
    /// The source ports of most packets.
    pub top_sport_packets: Vec<Row>,
    /// The destination ports of most packets.
    pub top_dport_packets: Vec<Row>,
    /// The source ports of most bytes.
    pub top_sport_bytes: Vec<Row>,
    /// The destination ports of most bytes.
    pub top_dport_bytes: Vec<Row>,
    /// Distinct source, destination, protocol, source port and destination port.
    pub flows_5tuple_unidirectional: u64,
    /// The same, either direction counted as one.
    pub flows_5tuple_bidirectional: u64,
    /// What was too much to count exactly: `hosts`, `flows`. Their numbers are then lower bounds.
    pub bounds_reached: Vec<&'static str>,
    /// How the packets were sampled, as far as their sources came to know.
    pub sampling: String,
    /// What was done to the packets before, of each source that says so, in order.
    pub lineage: Vec<String>,
    /// What sources of flow records have read, if there were any.
    #[serde(flatten)]
    pub flows: Option<Flows>,
    /// The earliest and latest instant, for people's eyes.
    #[serde(skip)]
    span: Option<(Ts, Ts)>,
}

/// One table of the report for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is about.
    pub title: &'static str,
    /// Names of its columns; all but the first hold numbers. Empty for the plain facts.
    pub columns: &'static [&'static str],
    /// As many cells in each row as there are columns; two in plain facts.
    pub rows: Vec<Vec<String>>,
}

impl Summary {
    /// What the batches so far held.
    pub fn report(&self) -> Report {
        let times = &self.times;
        let ends = &self.ends;
        let bounds = [(ends.is_host_left_out, "hosts"), (ends.is_flow_left_out, "flows")];
        let networks = || Network::ALL.map(|(kind, name)| (name, self.networks[kind as usize]));
        let protocols = || (0u8..=255).zip(self.protocols.iter().copied());
        Report {
            packets: self.total.packets,
            wire_bytes: self.total.bytes,
            cap_bytes: self.cap_bytes,
            first_ts: times.first.map(decimal),
            last_ts: times.last.map(decimal),
            min_ts: times.min.map(decimal),
            max_ts: times.max.map(decimal),
            ts_backwards: times.backwards,
            packets_without_ts: times.unknown,
            link_packets: self.links.clone(),
            l3_packets: some(networks(), |volume| volume.packets),
            l3_bytes: some(networks(), |volume| volume.bytes),
            l4_packets: some(protocols(), |volume| volume.packets),
            l4_bytes: some(protocols(), |volume| volume.bytes),
            vlan_packets: self.vlan,
            ip_fragments: self.fragments,
            ip_nonfirst_fragments: self.later_fragments,
            malformed: self.malformed,
            truncated: self.truncated,
            dropped: self.counts.dropped,
            skipped_records: self.counts.malformed,
            top_src_ip_bytes: top(ends.senders(), |addr| addr.to_string()),
            top_dst_ip_bytes: top(ends.receivers(), |addr| addr.to_string()),
            distinct_src_ip: ends.senders().count() as u64,
            distinct_dst_ip: ends.receivers().count() as u64,
            top_sport_packets: top_ports(&self.ports.src, |volume| volume.packets),
            top_dport_packets: top_ports(&self.ports.dst, |volume| volume.packets),
            top_sport_bytes: top_ports(&self.ports.src, |volume| volume.bytes),
            top_dport_bytes: top_ports(&self.ports.dst, |volume| volume.bytes),
            flows_5tuple_unidirectional: ends.flows(),
            flows_5tuple_bidirectional: ends.bidirectional,
            bounds_reached: bounds.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect(),
            sampling: one_of(self.streams.iter().map(|stream| stream.sampling)),
            lineage: distinct(
                self.streams.iter().flat_map(|s| &s.lineage).map(Treatment::to_string),
            ),
            flows: self.flows.clone(),
            span: times.min.zip(times.max),
        }
    }
}

/// How several sources sample together.
fn one_of(mut all: impl Iterator<Item = Sampling>) -> String {
    let first = all.next().unwrap_or_default();
    let sampling = if all.all(|next| next == first) { first } else { Sampling::Varying };
    sampling.to_string()
}

/// Each text once, in the order they come.
fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    texts.fold(Vec::new(), |mut all, text| {
        if !all.contains(&text) {
            all.push(text);
        }
        all
    })
}

/// Seconds with nine decimals: exact, and a number to whoever wants one.
fn decimal(ts: Ts) -> String {
    let (secs, nanos) = ts.parts();
    format!("{secs}.{nanos:09}")
}

/// The entries that are not zero.
fn some<K: Ord>(
    volumes: impl IntoIterator<Item = (K, Volume)>,
    part: impl Fn(Volume) -> u64,
) -> BTreeMap<K, u64> {
    let parts = volumes.into_iter().filter(|(_, volume)| *volume != Volume::default());
    parts.map(|(key, volume)| (key, part(volume))).collect()
}

/// The largest, by value and then by key, so that ties come out the same every time.
fn top<K: Ord + Copy>(all: impl Iterator<Item = (K, u64)>, name: impl Fn(K) -> String) -> Vec<Row> {
    let mut all: Vec<(Reverse<u64>, K)> = all.map(|(key, value)| (Reverse(value), key)).collect();
    if all.len() > TOP {
        all.select_nth_unstable(TOP);
        all.truncate(TOP);
    }
    all.sort_unstable();
    all.into_iter().map(|(Reverse(value), key)| (name(key), value)).collect()
}

fn top_ports(volumes: &[Volume], part: impl Fn(Volume) -> u64) -> Vec<Row> {
    let all = volumes.iter().enumerate().map(|(place, volume)| (place, part(*volume)));
    top(all.filter(|(_, value)| *value > 0), Ports::name)
}

impl Report {
    /// The report as tables for people.
    pub fn parts(&self) -> Vec<Part> {
        let mut parts = vec![Part { title: "capture", columns: &[], rows: self.facts() }];
        let mut add = |title, columns, rows: Vec<Vec<String>>| {
            if !rows.is_empty() {
                parts.push(Part { title, columns, rows });
            }
        };
        let both = |name: String, packets: &u64, bytes: Option<&u64>| {
            vec![name, packets.to_string(), bytes.copied().unwrap_or(0).to_string()]
        };
        let networks = self.l3_packets.iter();
        let networks = networks.map(|(k, v)| both((*k).to_owned(), v, self.l3_bytes.get(k)));
        add("network", &["protocol", "packets", "bytes"], networks.collect());
        let carried = self.l4_packets.iter();
        let carried = carried.map(|(k, v)| both(protocol_name(*k), v, self.l4_bytes.get(k)));
        add("transport", &["protocol", "packets", "bytes"], carried.collect());
        add("top sources", &["address", "bytes"], cells(&self.top_src_ip_bytes));
        add("top destinations", &["address", "bytes"], cells(&self.top_dst_ip_bytes));
        add("top source ports", &["port", "bytes"], cells(&self.top_sport_bytes));
        add("top destination ports", &["port", "bytes"], cells(&self.top_dport_bytes));
        let Some(flows) = &self.flows else { return parts };
        add("flow records", &[], flow_facts(flows));
        let protocols = flows.flow_protocols.iter();
        let protocols = protocols.map(|(k, v)| [vec![protocol_name(*k)], volume(v)].concat());
        add("flow protocols", &["protocol", "records", "packets", "bytes"], protocols.collect());
        let columns =
            &["exporter", "records", "packets", "bytes", "export packets", "gaps", "undecodable"];
        add("exporters", columns, flows.flow_exporters.iter().map(exporter).collect());
        parts
    }

    fn facts(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        let mut fact = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
        for (link, packets) in &self.link_packets {
            fact("link type", format!("{}: {packets} packets", LinkType(*link)));
        }
        fact("packets", self.packets.to_string());
        fact("bytes on the wire", self.wire_bytes.to_string());
        fact("bytes captured", self.cap_bytes.to_string());
        if let Some((min, max)) = self.span {
            fact("first packet", min.to_string());
            fact("last packet", max.to_string());
            fact("duration", format!("{:.3} s", (max - min).as_secs_f64()));
        }
        fact("sources", self.distinct_src_ip.to_string());
        fact("destinations", self.distinct_dst_ip.to_string());
        fact("flows, one way", self.flows_5tuple_unidirectional.to_string());
        fact("flows, both ways", self.flows_5tuple_bidirectional.to_string());
        for (name, count) in [
            ("with a VLAN tag", self.vlan_packets),
            ("fragments", self.ip_fragments),
            ("malformed", self.malformed),
            ("truncated", self.truncated),
            ("dropped", self.dropped),
            ("unreadable", self.skipped_records),
            ("steps back in time", self.ts_backwards),
            ("without a timestamp", self.packets_without_ts),
        ] {
            if count > 0 {
                fact(name, count.to_string());
            }
        }
        // That nobody says how packets were sampled is the usual case.
        if self.sampling != Sampling::Unknown.to_string() {
            fact("sampling", self.sampling.clone());
        }
        for treatment in &self.lineage {
            fact("lineage", treatment.clone());
        }
        for what in &self.bounds_reached {
            fact("bound reached", format!("more {what} than are counted one by one"));
        }
        rows
    }
}

fn cells(rows: &[Row]) -> Vec<Vec<String>> {
    rows.iter().map(|(name, value)| vec![name.clone(), value.to_string()]).collect()
}

/// What the records say together.
fn flow_facts(flows: &Flows) -> Vec<Vec<String>> {
    let always = [
        ("records", flows.flow_records),
        ("packets", flows.flow_packets),
        ("bytes", flows.flow_bytes),
    ];
    let where_any = [
        ("packets of the opposite direction", flows.flow_reverse_packets),
        ("bytes of the opposite direction", flows.flow_reverse_bytes),
        ("export packets", flows.flow_datagrams),
        ("gaps in sequence numbers", flows.flow_sequence_gaps),
        ("lost records", flows.flow_lost_records),
        ("lost export packets", flows.flow_lost_datagrams),
        ("undecodable", flows.flow_undecodable),
        ("samples of counters", flows.flow_counter_samples),
        ("interfaces with counters", flows.flow_interfaces),
        ("samples dropped by exporters", flows.flow_dropped_samples),
    ];
    let where_any = where_any.into_iter().filter(|(_, count)| *count > 0);
    let facts = always.into_iter().chain(where_any);
    facts.map(|(name, count)| vec![name.to_owned(), count.to_string()]).collect()
}

fn volume(volume: &flows::Volume) -> Vec<String> {
    [volume.records, volume.packets, volume.bytes].map(|n| n.to_string()).to_vec()
}

fn exporter(exporter: &flows::Exporter) -> Vec<String> {
    let name = format!("{} {} (version {})", exporter.address, exporter.domain, exporter.version);
    let counts = [exporter.datagrams, exporter.sequence_gaps, exporter.undecodable];
    [vec![name], volume(&exporter.volume), counts.map(|n| n.to_string()).to_vec()].concat()
}

/// The common protocol numbers by name, the others as they are.
fn protocol_name(proto: u8) -> String {
    let name = match proto {
        1 => "icmp",
        2 => "igmp",
        4 => "ipip",
        6 => "tcp",
        17 => "udp",
        41 => "ipv6",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        58 => "icmp6",
        89 => "ospf",
        103 => "pim",
        112 => "vrrp",
        132 => "sctp",
        _ => return proto.to_string(),
    };
    format!("{name} ({proto})")
}
