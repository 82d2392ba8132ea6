//! The datagram: samples found in bytes, whatever they claim.
//!
//! Layout: sFlow.org, "sFlow Version 5" (2004), in XDR: numbers of four bytes in
//! network order, and bytes filled to a multiple of four. Samples and records
//! state their kind and length, so that unknown ones are passed over.

use como_core::addr::Addr;
use como_core::packet::LinkType;

/// The version that is read.
pub const VERSION: u32 = 5;

/// The fewest bytes a datagram has: no sample, and an agent with an IPv4 address.
const DATAGRAM_MIN: usize = 28;

/// A packet may not claim to be longer: none is, even before it is segmented.
const FRAME_BYTES_MAX: u32 = crate::file::CAP_LEN_MAX as u32;

/// What an agent says of itself in each datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The agent's address; not always where the datagram comes from.
    pub agent: Addr,
    /// The part of the agent that sent it.
    pub sub_agent: u32,
    /// Its number among the datagrams of that part.
    pub sequence: u32,
}

/// One sample of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample<'a> {
    /// The interface, or whatever else was sampled, by its kind and number.
    pub place: (u32, u32),
    /// One packet in so many is sampled there.
    pub rate: u32,
    /// How many samples were dropped there for want of resources, so far.
    pub drops: u32,
    /// What was sampled, if it is of a kind that is read.
    pub packet: Option<Sampled<'a>>,
}

/// A sampled packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampled<'a> {
    /// Its first bytes, what they are the start of, and its length on the wire.
    Header { link: LinkType, bytes: &'a [u8], wire_len: u32 },
    /// The fields of its IP header that the agent picked.
    Ip(Fields),
}

/// The fields of a sampled IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// The length of the IP packet.
    pub len: u32,
    pub proto: u8,
    pub src: Addr,
    pub dst: Addr,
    pub sport: u16,
    pub dport: u16,
    pub flags: u8,
    pub tos: u8,
}

/// What stands in a datagram where a sample may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A sample of traffic.
    Sample(Sample<'a>),
    /// An interface's counters, or a kind of sample that is not read.
    Other,
    /// Something that contradicts its format, or a sample cut off.
    Bad,
}

/// Bytes being read in XDR.
#[derive(Clone, Copy, Debug)]
struct Xdr<'a>(&'a [u8]);

impl<'a> Xdr<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }

    /// A number that must fit a smaller one.
    fn small<T: TryFrom<u32>>(&mut self) -> Option<T> {
        self.number()?.try_into().ok()
    }

    /// A kind, and the bytes that belong to it, without those that fill the last four.
    fn part(&mut self) -> Option<(u32, Xdr<'a>)> {
        let (kind, len): (u32, usize) = (self.number()?, self.small()?);
        let body = self.take(len)?;
        let filling = len.wrapping_neg() % 4;
        self.0 = self.0.get(filling..).unwrap_or_default();
        Some((kind, Xdr(body)))
    }

    fn address(&mut self, is_v6: bool) -> Option<Addr> {
        Some(match is_v6 {
            false => Addr::v4(*self.take(4)?.first_chunk()?),
            true => Addr::v6(*self.take(16)?.first_chunk()?),
        })
    }
}

/// Whether the payload of a UDP packet is such a datagram, as far as its first bytes tell.
pub fn is_datagram(payload: &[u8]) -> bool {
    payload.len() >= DATAGRAM_MIN && head(payload).is_some()
}

/// The head of a datagram, and its samples.
pub fn head(payload: &[u8]) -> Option<(Head, Items<'_>)> {
    let mut xdr = Xdr(payload);
    let version = xdr.number()?;
    let is_v6 = match xdr.number()? {
        1 => false,
        2 => true,
        _ => return None,
    };
    let agent = xdr.address(is_v6)?;
    let (sub_agent, sequence, _uptime) = (xdr.number()?, xdr.number()?, xdr.number()?);
    let left = xdr.number()?;
    let head = Head { agent, sub_agent, sequence };
    (version == VERSION).then_some((head, Items { xdr, left }))
}

/// The samples of a datagram, one after another.
#[derive(Clone, Copy, Debug)]
pub struct Items<'a> {
    xdr: Xdr<'a>,
    // How many the datagram claims to hold yet.
    left: u32,
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        if self.left == 0 {
            return None;
        }
        let Some((kind, body)) = self.xdr.part() else {
            // Nobody knows where the next one would start.
            self.left = 0;
            return Some(Item::Bad);
        };
        self.left -= 1;
        const FLOW: u32 = 1;
        const EXPANDED_FLOW: u32 = 3;
        let sample = match kind {
            FLOW => sample(body, false),
            EXPANDED_FLOW => sample(body, true),
            _ => return Some(Item::Other),
        };
        Some(sample.map_or(Item::Bad, Item::Sample))
    }
}

/// A flow sample; an expanded one has room for larger numbers of interfaces.
fn sample(mut xdr: Xdr<'_>, is_expanded: bool) -> Option<Sample<'_>> {
    let _sequence = xdr.number()?;
    let place = match (is_expanded, xdr.number()?) {
        (true, kind) => (kind, xdr.number()?),
        (false, both) => (both >> 24, both & 0xff_ffff),
    };
    let (rate, _pool, drops) = (xdr.number()?, xdr.number()?, xdr.number()?);
    let interfaces = if is_expanded { 16 } else { 8 };
    xdr.take(interfaces)?;
    let n_records = xdr.number()?;
    let mut packet = None;
    for _ in 0..n_records {
        let (kind, body) = xdr.part()?;
        packet = match (packet, kind) {
            // The packet itself, where it is there; what was picked from it, where it is not.
            (Some(Sampled::Header { .. }), _) => packet,
            (_, 1) => Some(header(body)?),
            (None, 3) => Some(ip(body, false)?),
            (None, 4) => Some(ip(body, true)?),
            (packet, _) => packet,
        };
    }
    Some(Sample { place, rate, drops, packet })
}

/// The first bytes of a packet.
fn header(mut xdr: Xdr<'_>) -> Option<Sampled<'_>> {
    let link = match xdr.number()? {
        1 => LinkType::ETHERNET,
        4 => LinkType::FDDI,
        7 | 14 => LinkType::PPP_HDLC,
        11 => LinkType::IPV4,
        12 => LinkType::IPV6,
        15 => LinkType::IEEE802_11,
        // Of links whose headers are not decoded the packet still counts.
        _ => USER,
    };
    let (wire_len, _stripped, len) = (xdr.number()?, xdr.number()?, xdr.small()?);
    let bytes = xdr.take(len)?;
    (wire_len <= FRAME_BYTES_MAX).then_some(Sampled::Header { link, bytes, wire_len })
}

/// The link type of what has none in the registry: the first of those for private use.
pub const USER: LinkType = LinkType(147);

/// What was picked from an IP packet.
fn ip(mut xdr: Xdr<'_>, is_v6: bool) -> Option<Sampled<'_>> {
    let (len, proto) = (xdr.number()?, xdr.small()?);
    let (src, dst) = (xdr.address(is_v6)?, xdr.address(is_v6)?);
    let (sport, dport) = (xdr.small()?, xdr.small()?);
    let (flags, tos) = (xdr.number()? as u8, xdr.number()? as u8);
    let fields = Fields { len, proto, src, dst, sport, dport, flags, tos };
    (len <= FRAME_BYTES_MAX).then_some(Sampled::Ip(fields))
}
