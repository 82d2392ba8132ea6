//! NetFlow v5 and v7: a header of 24 bytes and records that are all alike.
//!
//! The formats are Cisco's, described in the NetFlow Collector's user guide. A
//! packet that is cut short gives the records that are whole.

use como_core::addr::Addr;
use como_core::source::Origin;
use como_core::time::Ts;

use super::clock::{Clock, When};
use super::sampling::Rate;
use crate::flow::Flow;

/// The length of the header of either version.
const HEADER: usize = 24;

/// Records of one packet: what fits into an Ethernet frame, with room for the odd exporter.
const RECORDS_MAX: u16 = 64;

/// The length of the shortest IP header.
const IP_HEADER: u64 = 20;

/// Version 5, which most exporters write, or 7, of Catalyst switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 5.
    V5,
    /// 7.
    V7,
}

impl Version {
    fn record_len(self) -> usize {
        match self {
            Self::V5 => 48,
            Self::V7 => 52,
        }
    }
}

/// A packet whose header makes sense.
#[derive(Clone, Copy, Debug)]
pub struct Fixed<'a> {
    version: Version,
    /// How many records it says it holds.
    pub count: u16,
    /// The number of its first record.
    pub sequence: u32,
    /// The engine that sent it; 0 in version 7.
    pub engine: u16,
    /// How its engine samples, if the header says so.
    pub rate: Option<Rate>,
    sent: Ts,
    // Of the second it was sent in; fewer than a billion, if it tells the truth.
    nanos: u32,
    uptime_ms: u32,
    records: &'a [u8],
}

impl<'a> Fixed<'a> {
    /// Decodes the header; `None` if this is no such packet.
    pub fn decode(version: Version, packet: &'a [u8]) -> Option<Self> {
        let (header, records) = packet.split_first_chunk::<HEADER>()?;
        let u16_at = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let u32_at = |at: usize| u32::from(u16_at(at)) << 16 | u32::from(u16_at(at + 2));
        let count = u16_at(2);
        if count == 0 || count > RECORDS_MAX || records.len() < version.record_len() {
            return None;
        }
        let is_v5 = version == Version::V5;
        // The upper two bits say how; whoever does not sample leaves both at zero.
        let interval = u64::from(u16_at(22) & 0x3fff);
        Some(Self {
            version,
            count,
            sequence: u32_at(16),
            engine: if is_v5 { u16_at(20) } else { 0 },
            rate: (is_v5 && interval > 1).then(|| Rate::one_in(interval)),
            sent: Ts::new(u32_at(8).into(), u64::from(u32_at(12)).min(999_999_999)),
            nanos: u32_at(12),
            uptime_ms: u32_at(4),
            records,
        })
    }

    /// Whether a packet of which `sent` bytes were sent is likely one: it has a magic number of two
    /// bytes alone, which other protocols begin with as well (of TFTP, an error). The records must
    /// be as long as it, and packets of the first one no shorter than an IP header.
    pub fn is_likely(&self, sent: usize) -> bool {
        let len = HEADER + usize::from(self.count) * self.version.record_len();
        let first = self.records.get(16..).and_then(|rest| rest.first_chunk::<8>());
        let counters = first.map_or(0, |first| u64::from_be_bytes(*first));
        let (packets, bytes) = (counters >> 32, counters & 0xffff_ffff);
        len == sent && bytes >= packets * IP_HEADER && self.nanos < 1_000_000_000
    }

    /// Whether all the records it says it holds are there.
    pub fn is_whole(&self) -> bool {
        self.records.len() >= usize::from(self.count) * self.version.record_len()
    }

    /// The exporter's clock, of a packet that arrived at `arrived`.
    pub fn clock(&self, arrived: Ts) -> Clock {
        Clock::new(self.sent, arrived, Some(self.uptime_ms))
    }

    /// Its records, as they stand, not scaled.
    pub fn flows(self, clock: Clock) -> impl Iterator<Item = Flow> {
        let records = self.records.chunks_exact(self.version.record_len());
        let records = records.take(usize::from(self.count));
        records.filter_map(move |record| Some(flow(record.first_chunk()?, &clock)))
    }
}

/// One record; what version 7 adds stands behind it.
fn flow(record: &[u8; 48], clock: &Clock) -> Flow {
    let four = |at: usize| [record[at], record[at + 1], record[at + 2], record[at + 3]];
    let u32_at = |at: usize| u32::from_be_bytes(four(at));
    let u16_at = |at: usize| u16::from_be_bytes([record[at], record[at + 1]]);
    let first = clock.instant(Some(When::Uptime(u32_at(24))));
    Flow {
        src: Addr::v4(four(0)),
        dst: Addr::v4(four(4)),
        first,
        last: clock.instant(Some(When::Uptime(u32_at(28)))).max(first),
        packets: u32_at(16).into(),
        bytes: u32_at(20).into(),
        sport: u16_at(32),
        dport: u16_at(34),
        icmp: u16_at(34),
        proto: record[38],
        tos: record[39],
        flags: record[37],
        origin: Origin {
            input: Some(u16_at(12).into()),
            output: Some(u16_at(14).into()),
            ..Origin::default()
        },
    }
}
