//! The format of flow-tools: a header of tagged values, then records of one length.
//!
//! Stream version 3, in either byte order; the records, not the header, may be
//! one zlib stream. Records of all versions begin alike, with what is read here.
//! The format is described by flow-tools' own `ftlib.h` and `ftio(3)`.

use como_core::addr::Addr;
use como_core::source::Origin;
use como_core::time::Ts;

use crate::file::Order;
use crate::flow::Flow;
use crate::netflow::{Clock, When};

/// How every file begins.
const MAGIC: [u8; 2] = [0xcf, 0x10];

/// The bytes of the header that say how long it is.
pub const HEAD_BYTES: usize = 8;

/// The longest header that is read.
const HEADER_BYTES_MAX: usize = 64 << 10;

/// The part of a record that all versions share.
const SHARED_BYTES: usize = 56;

/// Tags of the header.
const EXPORT_VERSION: u16 = 2;
const FLAGS: u16 = 8;
const LOST: u16 = 11;
const CORRUPT: u16 = 13;

/// The flag that says that records are compressed.
const COMPRESSED: u32 = 2;

/// What the header of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    order: Order,
    /// The version of NetFlow the records came in.
    pub version: u16,
    /// How long a record is.
    pub record_bytes: usize,
    /// Whether the records are one zlib stream.
    pub is_compressed: bool,
    /// Records that the file's writer knows were lost.
    pub lost: u32,
    /// Export packets that it could not read.
    pub corrupt: u32,
}

/// Where a file's header ends and its byte order, from its first bytes.
pub fn head(bytes: &[u8; HEAD_BYTES]) -> Result<(Order, usize), String> {
    let [a, b, order, stream, at @ ..] = *bytes;
    if [a, b] != MAGIC {
        return Err(format!("no flow-tools file: starts with {a:02x} {b:02x} and not cf 10"));
    }
    let order = match order {
        1 => Order::Little,
        2 => Order::Big,
        other => return Err(format!("byte order {other} is none that exists")),
    };
    if stream != 3 {
        return Err(format!("stream version {stream} is not read, only 3 is"));
    }
    let end = order.u32(at) as usize;
    if !(HEAD_BYTES..=HEADER_BYTES_MAX).contains(&end) {
        return Err(format!("the header claims {end} bytes"));
    }
    Ok((order, end))
}

/// Decodes the tagged values of a header, which `tags` are.
pub fn decode(order: Order, mut tags: &[u8]) -> Result<Header, String> {
    let mut header =
        Header { order, version: 5, record_bytes: 0, is_compressed: false, lost: 0, corrupt: 0 };
    while let Some(([a, b, c, d], rest)) = tags.split_first_chunk::<4>() {
        let (tag, len) = (order.u16([*a, *b]), usize::from(order.u16([*c, *d])));
        let Some((value, rest)) = rest.split_at_checked(len) else { break };
        tags = rest;
        let long = value.first_chunk().map(|v| order.u32(*v));
        match (tag, long) {
            (EXPORT_VERSION, _) => {
                header.version = value.first_chunk().map_or(header.version, |v| order.u16(*v));
            }
            (FLAGS, Some(flags)) => header.is_compressed = flags & COMPRESSED != 0,
            (LOST, Some(lost)) => header.lost = lost,
            (CORRUPT, Some(corrupt)) => header.corrupt = corrupt,
            _ => {}
        }
    }
    header.record_bytes = match header.version {
        1 => 60,
        5 => 64,
        6 | 1005 => 72,
        7 => 68,
        other => {
            return Err(format!(
                "records of version {other} are not read, 1, 5, 6, 7 and 1005 are"
            ));
        }
    };
    Ok(header)
}

impl Header {
    /// When the exporter sent a record; `None` if it is too short.
    pub fn sent(&self, record: &[u8]) -> Option<Ts> {
        let record: &[u8; SHARED_BYTES] = record.first_chunk()?;
        let long = |at: usize| self.order.u32_at(record, at);
        Some(Ts::new(long(0).into(), long(4).into()))
    }

    /// Decodes a record; `None` if it is too short.
    pub fn record(&self, record: &[u8]) -> Option<Flow> {
        let record: &[u8; SHARED_BYTES] = record.first_chunk()?;
        let long = |at: usize| self.order.u32_at(record, at);
        let short = |at: usize| self.order.u16_at(record, at);
        let addr = |at: usize| Addr::v4(long(at).to_be_bytes());
        let sent = self.sent(record)?;
        // Nobody noted when the record arrived; there is only the exporter's clock.
        let clock = Clock::new(sent, sent, Some(long(8)));
        let first = clock.instant(Some(When::Uptime(long(40))));
        Some(Flow {
            src: addr(16),
            dst: addr(20),
            first,
            last: clock.instant(Some(When::Uptime(long(44)))).max(first),
            packets: long(32).into(),
            bytes: long(36).into(),
            sport: short(48),
            dport: short(50),
            icmp: short(50),
            proto: record[52],
            tos: record[53],
            flags: record[54],
            origin: Origin {
                exporter: addr(12),
                input: Some(short(28).into()),
                output: Some(short(30).into()),
            },
        })
    }
}
