//! ERF: Endace's Extensible Record Format, as the `dag` tools write it.
//!
//! A file is records one after another, without a header. Layout: Endace
//! EDM11-01, "ERF types reference guide". A record starts with a little-endian
//! timestamp, then type, flags, its length, a loss counter or colour, and the
//! packet's length on the wire, which for Ethernet and HDLC counts the frame
//! check sequence. Extension headers, 8 bytes each, may follow.

use como_core::packet::{LinkType, Packet};
use como_core::source::Counts;
use como_core::time::Ts;

use super::prefetch::Prefetch;
use super::records::{Flaw, Order, Sink, Stop, array};

const HEADER_BYTES: usize = 16;
const EXTENSION_BYTES: usize = 8;

/// In the type: extension headers follow. In their first byte: another one does.
const MORE: u8 = 0x80;

/// Flags that no version of the format gives a meaning.
const FLAGS_RESERVED: u8 = 0xc0;

/// More bytes than anything adds to a packet: what stands before it, and filling to a multiple of
/// 8.
const SURPLUS_MAX: usize = 32;

/// What a type of record carries.
enum Content {
    /// A packet of this link type behind so many bytes.
    Packet(LinkType, usize),
    /// Nothing that was on the wire: padding, counters, metadata of the capture.
    Other,
    /// Something that is not decoded: cells, InfiniBand, raw links.
    Unknown,
}

/// What is carried, and whether the field behind the length counts lost packets or is a colour.
fn content(kind: u8) -> (Content, bool) {
    use Content::{Other, Packet, Unknown};
    // The channel of a multi-channel link, the ATM header, Ethernet's offset and padding.
    const CHANNEL: usize = 4;
    const ATM: usize = 4;
    const ETHERNET: usize = 2;
    match kind {
        1 => (Packet(LinkType::PPP_HDLC, 0), true),
        2 => (Packet(LinkType::ETHERNET, ETHERNET), true),
        4 => (Packet(LinkType::ATM_RFC1483, ATM), true),
        5 => (Packet(LinkType::PPP_HDLC, CHANNEL), true),
        9 => (Packet(LinkType::ATM_RFC1483, CHANNEL + ATM), true),
        10 | 15 | 19 => (Packet(LinkType::PPP_HDLC, 0), false),
        11 | 16 | 20 => (Packet(LinkType::ETHERNET, ETHERNET), false),
        17 => (Packet(LinkType::PPP_HDLC, CHANNEL), false),
        22 => (Packet(LinkType::IPV4, 0), true),
        23 => (Packet(LinkType::IPV6, 0), true),
        13 | 14 | 27 | 48 => (Other, false),
        3 | 6..=8 | 12 | 18 | 21 | 24 | 25 => (Unknown, true),
        _ => (Unknown, false),
    }
}

/// A file of ERF records, or one of another format whose packets are such.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erf {
    links: Vec<LinkType>,
}

impl Erf {
    /// Whether a file may well start with a record. There is no magic number: what is asked is
    /// whether type, flags and lengths fit together, which text and other captures do not.
    pub fn is_likely(header: &[u8; HEADER_BYTES]) -> bool {
        let record = Record::decode(header);
        let len = usize::from(record.len);
        let kind_fits = match content(record.kind & !MORE).0 {
            Content::Packet(_, before) => {
                let least = HEADER_BYTES + before;
                record.wire_len > 0
                    && len > least
                    && (record.has_extensions()
                        || len <= least + usize::from(record.wire_len) + SURPLUS_MAX)
            }
            Content::Other => len >= HEADER_BYTES && len.is_multiple_of(8),
            Content::Unknown => false,
        };
        kind_fits && header[9] & FLAGS_RESERVED == 0
    }

    /// The link types of the packets so far.
    pub fn links(&self) -> Vec<LinkType> {
        self.links.clone()
    }

    /// See [`super::records::Format::walk`].
    pub fn walk(&mut self, bytes: &[u8], pos: &mut usize, sink: &mut Sink) -> Result<Stop, Flaw> {
        let mut prefetch = Prefetch::new(*pos, sink.cold);
        loop {
            if sink.packets.len() >= sink.limit {
                return Ok(Stop::Full);
            }
            prefetch.ahead(bytes, *pos);
            let Some(header) = array(bytes, *pos) else { return Ok(Stop::Needs(HEADER_BYTES)) };
            let record = Record::decode(header);
            let len = usize::from(record.len);
            if len < HEADER_BYTES {
                let why = format!("a record of {len} bytes, shorter than its header");
                return Err(why.into());
            }
            let Some(whole) = bytes.get(*pos..*pos + len) else { return Ok(Stop::Needs(len)) };
            self.record(&record, whole, *pos, sink);
            *pos += len;
        }
    }

    /// Takes one record, whose bytes are `whole`, at `pos` in the window.
    fn record(&mut self, record: &Record, whole: &[u8], pos: usize, sink: &mut Sink) {
        let Some(found) = self.packet(record, whole, sink.counts) else { return };
        sink.packets.push(Packet {
            ts: record.ts(),
            offset: (pos + found.start) as u32,
            cap_len: found.len as u32,
            wire_len: u32::from(record.wire_len),
            region: sink.region,
            link: found.link,
            source: 0,
            marks: 0,
        });
    }

    /// Makes the packets from the one at `from` on, which are ERF records in a file of another
    /// format, what is in them. `bytes` is the window.
    pub fn open(&mut self, bytes: &[u8], from: usize, sink: &mut Sink) {
        let mut kept = from;
        for at in from..sink.packets.len() {
            let outer = sink.packets[at];
            let start = outer.offset as usize;
            let whole = bytes.get(start..start.saturating_add(outer.cap_len as usize));
            if let Some(inner) = self.inside(outer, whole.unwrap_or_default(), sink.counts) {
                sink.packets[kept] = inner;
                kept += 1;
            }
        }
        sink.packets.truncate(kept);
    }

    /// The packet in a record that `outer` is, whose bytes are `bytes`. Its time stays the one that
    /// the file gives it, which tools that shift times change alone.
    pub fn inside(&mut self, outer: Packet, bytes: &[u8], counts: &mut Counts) -> Option<Packet> {
        let record = array(bytes, 0).map(Record::decode);
        let Some(record) = record.filter(|record| usize::from(record.len) >= HEADER_BYTES) else {
            counts.malformed += 1;
            return None;
        };
        let whole = bytes.get(..record.len.into()).unwrap_or(bytes);
        let found = self.packet(&record, whole, counts)?;
        Some(Packet {
            offset: outer.offset.saturating_add(found.start as u32),
            cap_len: found.len as u32,
            wire_len: u32::from(record.wire_len),
            link: found.link,
            ..outer
        })
    }

    /// Where the packet of a record lies in its bytes; counts what it tells is lost, and itself if
    /// it holds no packet anybody can read.
    fn packet(&mut self, record: &Record, whole: &[u8], counts: &mut Counts) -> Option<Found> {
        let (content, has_lost) = content(record.kind & !MORE);
        if has_lost {
            counts.dropped += u64::from(record.lost);
        }
        let start = match content {
            Content::Other => return None,
            Content::Packet(link, before) => {
                extensions_end(record, whole).map(|end| (link, end + before))
            }
            Content::Unknown => None,
        };
        let Some((link, start)) = start.filter(|(_, start)| *start <= whole.len()) else {
            counts.malformed += 1;
            return None;
        };
        if !self.links.contains(&link) {
            self.links.push(link);
        }
        // Records are filled to a multiple of 8, which is not the packet's.
        Some(Found { link, start, len: (whole.len() - start).min(usize::from(record.wire_len)) })
    }
}

/// Where a packet lies in its record, and how much of it is there.
struct Found {
    link: LinkType,
    start: usize,
    len: usize,
}

/// Where the extension headers end; `None` if the record ends before they do.
fn extensions_end(record: &Record, whole: &[u8]) -> Option<usize> {
    let mut end = HEADER_BYTES;
    let mut more = record.has_extensions();
    while more {
        more = whole.get(end)? & MORE != 0;
        end += EXTENSION_BYTES;
    }
    Some(end)
}

/// The header of a record.
struct Record {
    // Seconds in the upper half, their fraction in the lower.
    ts: u64,
    kind: u8,
    len: u16,
    lost: u16,
    wire_len: u16,
}

impl Record {
    fn decode(header: &[u8; HEADER_BYTES]) -> Self {
        let (low, high) = (Order::Little.u32_at(header, 0), Order::Little.u32_at(header, 4));
        Self {
            ts: u64::from(high) << 32 | u64::from(low),
            kind: header[8],
            len: Order::Big.u16_at(header, 10),
            lost: Order::Big.u16_at(header, 12),
            wire_len: Order::Big.u16_at(header, 14),
        }
    }

    fn has_extensions(&self) -> bool {
        self.kind & MORE != 0
    }

    /// To the nearest nanosecond.
    fn ts(&self) -> Ts {
        let fraction = (self.ts & 0xffff_ffff) * 1_000_000_000;
        Ts::new(self.ts >> 32, (fraction + (1 << 31)) >> 32)
    }
}

#[cfg(test)]
mod tests;
