//! The decoder: export packets in, flow records out, whatever the packets say.
//!
//! It keeps a state for each exporter, by its address, the version it speaks and
//! the number it gives a part of itself (RFC 3954: source id; RFC 7011:
//! observation domain; v5: engine), so that no exporter reads its records by
//! another's templates. A flood of exporters that do not exist pushes out those
//! that never sent a record before any that did, and what they teach takes no more
//! memory than all of them may take together.

use como_core::addr::Addr;
use como_core::source::{Flows, Sampling, flows};
use como_core::time::Ts;

use super::clock::Clock;
use super::exporter::Exporter;
use super::fixed::{self, Fixed};
use super::template::{DATA_MIN, Format, number};
use crate::flow::Flow;
use crate::flow::known::{Known, One};
use crate::flow::sequence::Units;
use crate::flow::tally::{Out, Tally};

/// Bytes of templates, and of sets that wait for one, of all exporters.
const HELD_BYTES_MAX: usize = 16 << 20;

/// The length of the header of v9, and of IPFIX.
const V9_HEADER: usize = 20;
const IPFIX_HEADER: usize = 16;

/// What tells exporters apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    addr: Addr,
    version: u16,
    domain: u32,
}

/// One packet, and where it came from.
#[derive(Clone, Copy)]
struct Datagram<'a> {
    addr: Addr,
    arrived: Ts,
    packet: &'a [u8],
}

impl Datagram<'_> {
    fn key(self, version: u16, domain: u32) -> Key {
        Key { addr: self.addr, version, domain }
    }
}

/// Decodes export packets.
#[derive(Debug, Default)]
pub struct Decoder {
    known: Known<Key, Exporter>,
    // What they hold together.
    held_bytes: usize,
    tally: Tally,
    told: u64,
    // What exporters had counted that have gone.
    gone: Flows,
}

/// Whether the payload of a UDP packet is an export packet, of which `sent` bytes were sent.
pub fn is_export(payload: &[u8], sent: usize) -> bool {
    let Some(version) = number(payload, 0) else { return false };
    // A set's number and length, where the first one stands.
    let set = |at: usize| number(payload, at).zip(number(payload, at + 2));
    match version {
        5 => Fixed::decode(fixed::Version::V5, payload).is_some_and(|it| it.is_likely(sent)),
        7 => Fixed::decode(fixed::Version::V7, payload).is_some_and(|it| it.is_likely(sent)),
        9 => {
            let count = usize::from(number(payload, 2).unwrap_or(0));
            count <= sent
                && set(V9_HEADER).is_some_and(|(id, len)| {
                    matches!(id, 0 | 1 | DATA_MIN..)
                        && len >= 4
                        && V9_HEADER + usize::from(len) <= sent
                })
        }
        10 => {
            number(payload, 2).is_some_and(|len| usize::from(len) == sent)
                && (sent == IPFIX_HEADER
                    || set(IPFIX_HEADER).is_some_and(|(id, _)| matches!(id, 2 | 3 | DATA_MIN..)))
        }
        _ => false,
    }
}

impl Decoder {
    /// Decodes a packet that `addr` sent and that arrived at `arrived`, and adds its flows to
    /// `flows`. Answers when it was sent, if it is an export packet at all.
    pub fn decode(
        &mut self,
        addr: Addr,
        arrived: Ts,
        packet: &[u8],
        flows: &mut Vec<Flow>,
    ) -> Option<Ts> {
        let datagram = Datagram { addr, arrived, packet };
        let sent = match number(packet, 0) {
            Some(5) => self.fixed(fixed::Version::V5, datagram, flows),
            Some(7) => self.fixed(fixed::Version::V7, datagram, flows),
            Some(9) => self.v9(datagram, flows),
            Some(10) => self.ipfix(datagram, flows),
            _ => None,
        };
        match sent {
            Some(_) => self.tally.datagrams += 1,
            None => self.tally.undecodable += 1,
        }
        sent
    }

    fn fixed(
        &mut self,
        version: fixed::Version,
        datagram: Datagram,
        flows: &mut Vec<Flow>,
    ) -> Option<Ts> {
        let fixed = Fixed::decode(version, datagram.packet)?;
        let number = if version == fixed::Version::V5 { 5 } else { 7 };
        let (known, mut out) = self.known(datagram.key(number, fixed.engine.into()), flows);
        known.matters();
        let exporter = &mut known.state;
        exporter.datagrams += 1;
        exporter.sequence.note(fixed.sequence, Units::of(fixed.count.into()));
        exporter.reject(u64::from(!fixed.is_whole()), &mut out);
        let rate = fixed.rate.unwrap_or_default();
        if version == fixed::Version::V5 {
            out.tally.sampling.note(rate.factor());
        }
        exporter.samplers.general = rate;
        let clock = fixed.clock(datagram.arrived);
        for flow in fixed.flows(clock) {
            let (packets, bytes) = (rate.scale(flow.packets), rate.scale(flow.bytes));
            out.push(Flow { packets, bytes, ..flow }, &mut exporter.volume);
        }
        Some(clock.sent)
    }

    /// RFC 3954, section 5.
    fn v9(&mut self, datagram: Datagram, flows: &mut Vec<Flow>) -> Option<Ts> {
        let (header, sets) = datagram.packet.split_first_chunk::<V9_HEADER>()?;
        let [uptime, secs, sequence, domain] = [4, 8, 12, 16].map(|at| long(header, at));
        let clock = Clock::new(Ts::new(secs.into(), 0), datagram.arrived, Some(uptime));
        let key = datagram.key(9, domain);
        self.known(key, flows).0.state.sequence.note(sequence, Units::of(1));
        self.sets((key, Format::V9), sets, (clock, datagram.arrived), flows);
        Some(clock.sent)
    }

    /// RFC 7011, section 3.
    fn ipfix(&mut self, datagram: Datagram, flows: &mut Vec<Flow>) -> Option<Ts> {
        let Datagram { arrived, packet, .. } = datagram;
        let (header, sets) = packet.split_first_chunk::<IPFIX_HEADER>()?;
        let len = usize::from(number(header, 2)?);
        // What follows the message is not a part of it.
        let sets = sets.get(..len.checked_sub(IPFIX_HEADER)?).unwrap_or(sets);
        let [secs, sequence, domain] = [4, 8, 12].map(|at| long(header, at));
        let clock = Clock::new(Ts::new(secs.into(), 0), arrived, None);
        let key = datagram.key(10, domain);
        let held = self.sets((key, Format::Ipfix), sets, (clock, arrived), flows);
        let numbering = &mut self.known(key, flows).0.state.sequence;
        match held {
            Some(held) if packet.len() >= len => numbering.note(sequence, held),
            _ => numbering.forget(),
        }
        Some(clock.sent)
    }

    /// The state of an exporter, which may be new, and where its records go.
    fn known<'a>(
        &'a mut self,
        key: Key,
        flows: &'a mut Vec<Flow>,
    ) -> (&'a mut One<Key, Exporter>, Out<'a>) {
        let (gone, held_bytes) = (&mut self.gone, &mut self.held_bytes);
        let known = self.known.of(key, |old| {
            *held_bytes -= old.state.held_bytes();
            gone.add(Flows { flow_exporters: Vec::new(), ..report(&old) });
        });
        (known, Out { flows, tally: &mut self.tally, exporter: key.addr })
    }

    /// Reads the sets of a packet; how many data records they held, if that can be known.
    fn sets(
        &mut self,
        (key, format): (Key, Format),
        sets: &[u8],
        times: (Clock, Ts),
        flows: &mut Vec<Flow>,
    ) -> Option<Units> {
        let before = flows.len();
        let (known, out) = self.known(key, flows);
        let held_before = known.state.held_bytes();
        let records = known.state.read_sets(format, sets, times, out);
        let held = known.state.held_bytes();
        if flows.len() > before {
            self.known.of(key, drop).matters();
        }
        self.held_bytes = self.held_bytes - held_before + held;
        while self.held_bytes > HELD_BYTES_MAX
            && let Some(least) = self.known.least()
        {
            self.held_bytes -= least.state.held_bytes();
            least.state.forget(&mut self.tally);
        }
        records
    }

    /// What could not be decoded since this was last asked; what waits for a template is not
    /// among it.
    pub fn newly_undecodable(&mut self) -> u64 {
        let now = self.tally.undecodable;
        now - std::mem::replace(&mut self.told, now)
    }

    /// How exporters say that they sample.
    pub fn sampling(&self) -> Sampling {
        self.tally.sampling
    }

    /// What has been read so far.
    pub fn report(&self) -> Flows {
        let mut all = self.tally.report();
        all.add(self.gone.clone());
        self.known.iter().for_each(|known| all.add(report(known)));
        let key = |exporter: &flows::Exporter| {
            (exporter.address.parse::<Addr>().ok(), exporter.version, exporter.domain)
        };
        all.flow_exporters.sort_by_cached_key(key);
        all
    }
}

/// What only the state of an exporter knows.
fn report(known: &One<Key, Exporter>) -> Flows {
    let One { key, state: exporter, .. } = known;
    let sequence = exporter.sequence;
    let undecodable = exporter.undecodable + exporter.waiting();
    let counts_records = key.version != 9;
    Flows {
        flow_sequence_gaps: sequence.gaps,
        flow_lost_records: if counts_records { sequence.lost } else { 0 },
        flow_lost_datagrams: if counts_records { 0 } else { sequence.lost },
        // What was rejected is among the totals.
        flow_undecodable: exporter.waiting(),
        flow_exporters: vec![flows::Exporter {
            address: key.addr.to_string(),
            domain: key.domain,
            version: key.version,
            datagrams: exporter.datagrams,
            volume: exporter.volume,
            sequence_gaps: sequence.gaps,
            undecodable,
            sampling: exporter.samplers.factor(),
            ..flows::Exporter::default()
        }],
        ..Flows::default()
    }
}

/// The 32-bit number at `at` in a header, which reaches that far; 0 if it does not.
fn long(header: &[u8], at: usize) -> u32 {
    let bytes = header.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests;
