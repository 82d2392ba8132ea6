//! The decoder: export packets in, flow records out, whatever the packets say.
//!
//! It keeps a state for each exporter, by its address, the version it speaks and
//! the number it gives a part of itself (RFC 3954: source id; RFC 7011:
//! observation domain; v5: engine), so that no exporter reads its records by
//! another's templates. A flood of exporters that do not exist pushes out those
//! that never sent a record before any that did.

use std::collections::HashMap;

use como_core::addr::Addr;
use como_core::source::{Flows, Sampling, flows};
use como_core::time::Ts;

use super::clock::Clock;
use super::exporter::Exporter;
use super::fixed::{self, Fixed};
use super::template::{DATA_MIN, Format, number};
use crate::flow::Flow;
use crate::flow::sequence::Units;
use crate::flow::tally::{Out, Tally};

/// Exporters, or parts of them, that are kept apart.
const EXPORTERS_MAX: usize = 2048;

/// How many are looked at to find one that may go.
const PROBED: usize = 16;

/// How often an exporter that sends records is passed over when one must go.
const LIVES_MAX: u8 = 100;

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

#[derive(Debug)]
struct Known {
    key: Key,
    exporter: Exporter,
    lives: u8,
}

/// Decodes export packets.
#[derive(Debug, Default)]
pub struct Decoder {
    places: HashMap<Key, usize>,
    known: Vec<Known>,
    // Where to look next for one that may go.
    hand: usize,
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
        let exporter = &mut known.exporter;
        exporter.datagrams += 1;
        exporter.sequence.note(fixed.sequence, Units::of(fixed.count.into()));
        exporter.reject(u64::from(!fixed.is_whole()), &mut out);
        let rate = fixed.rate.unwrap_or_default();
        if version == fixed::Version::V5 {
            out.tally.sampling.note(rate.factor());
        }
        exporter.samplers.general = rate;
        known.lives = LIVES_MAX;
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
        let (known, out) = self.known(datagram.key(9, domain), flows);
        known.exporter.sequence.note(sequence, Units::of(1));
        known.read_sets(Format::V9, sets, (clock, datagram.arrived), out);
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
        let (known, out) = self.known(datagram.key(10, domain), flows);
        let held = known.read_sets(Format::Ipfix, sets, (clock, arrived), out);
        let numbering = &mut known.exporter.sequence;
        match held {
            Some(held) if packet.len() >= len => numbering.note(sequence, held),
            _ => numbering.forget(),
        }
        Some(clock.sent)
    }

    /// The state of an exporter, which may be new, and where its records go.
    fn known<'a>(&'a mut self, key: Key, flows: &'a mut Vec<Flow>) -> (&'a mut Known, Out<'a>) {
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None => self.place(key),
        };
        (&mut self.known[place], Out { flows, tally: &mut self.tally })
    }

    /// A place for a new exporter.
    fn place(&mut self, key: Key) -> usize {
        let new = Known { key, exporter: Exporter::default(), lives: 0 };
        let place = if self.known.len() < EXPORTERS_MAX {
            self.known.push(new);
            self.known.len() - 1
        } else {
            let place = self.least_missed();
            let old = std::mem::replace(&mut self.known[place], new);
            self.places.remove(&old.key);
            self.gone.add(Flows { flow_exporters: Vec::new(), ..report(&old) });
            place
        };
        self.places.insert(key, place);
        place
    }

    /// Of the next few exporters the one that sent fewest records of late.
    fn least_missed(&mut self) -> usize {
        let mut least = (u8::MAX, 0);
        for _ in 0..PROBED {
            self.hand = (self.hand + 1) % EXPORTERS_MAX;
            let known = &mut self.known[self.hand];
            least = least.min((known.lives, self.hand));
            known.lives = known.lives.saturating_sub(1);
            if least.0 == 0 {
                break;
            }
        }
        least.1
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
fn report(known: &Known) -> Flows {
    let Known { key, exporter, .. } = known;
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

impl Known {
    /// Reads the sets of a packet; how many data records they held, if that can be known.
    fn read_sets(
        &mut self,
        format: Format,
        mut sets: &[u8],
        (clock, arrived): (Clock, Ts),
        mut out: Out,
    ) -> Option<Units> {
        let exporter = &mut self.exporter;
        exporter.datagrams += 1;
        let before = out.flows.len();
        let mut all = Some(Units::default());
        while !sets.is_empty() {
            let set = number(sets, 0).zip(number(sets, 2).map(usize::from));
            let Some((id, len)) = set.filter(|(_, len)| (4..=sets.len()).contains(len)) else {
                // Fewer than four bytes are padding; a length that lies ends the packet.
                exporter.reject(u64::from(sets.len() >= 4), &mut out);
                break;
            };
            let (set, rest) = sets.split_at(len);
            let set = &set[4..];
            sets = rest;
            let held = match (format, id) {
                (Format::V9, 0 | 1) | (Format::Ipfix, 2 | 3) => {
                    exporter.learn(set, (format, id & 1 == 1), arrived, &mut out);
                    Some(Units::default())
                }
                (_, DATA_MIN..) => exporter.data(id, set, clock, arrived, &mut out),
                _ => {
                    exporter.reject(1, &mut out);
                    Some(Units::default())
                }
            };
            all = all.zip(held).map(|(all, held)| all.and(held));
        }
        if out.flows.len() > before {
            self.lives = LIVES_MAX;
        }
        all
    }
}

/// The 32-bit number at `at` in a header, which reaches that far; 0 if it does not.
fn long(header: &[u8], at: usize) -> u32 {
    let bytes = header.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests;
