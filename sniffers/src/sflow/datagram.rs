//! The datagram: samples found in bytes, whatever they claim.
//!
//! Layout: sFlow.org, "sFlow Version 5" (2004), in XDR: numbers of four bytes in
//! network order, and bytes filled to a multiple of four. Samples and records
//! state their kind and length, so that unknown ones are passed over. Version 4
//! has no such lengths ([`version4`]).

mod version4;

use como_core::addr::Addr;
use como_core::packet::LinkType;

/// The fewest bytes a datagram has: no sample, and an agent with an IPv4 address.
const DATAGRAM_MIN: usize = 24;

/// A packet may not claim to be longer: none is, even before it is segmented.
const FRAME_BYTES_MAX: u32 = crate::file::CAP_LEN_MAX as u32;

/// What an agent says of itself in each datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// 4 or 5.
    pub version: u32,
    /// The agent's address; not always where the datagram comes from.
    pub agent: Addr,
    /// The part of the agent that sent it; version 4 knows none.
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
    /// The interfaces the packet came in and went out by, where each is one that is known.
    pub interfaces: [Option<u32>; 2],
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
    /// The counters of an interface, or whatever else has some, by its kind and number.
    Counters((u32, u32)),
    /// A kind of sample that is not read.
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
        Some((self.number()?, Xdr(self.bytes()?)))
    }

    /// A number of bytes, and those, without what fills the last four.
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len: usize = self.small()?;
        let bytes = self.take(len)?;
        self.0 = self.0.get(len.wrapping_neg() % 4..).unwrap_or_default();
        Some(bytes)
    }

    /// An address behind the number of its family.
    fn either_address(&mut self) -> Option<Addr> {
        match self.number()? {
            1 => self.address(false),
            2 => self.address(true),
            _ => None,
        }
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
    let version = xdr.number().filter(|version| matches!(version, 4 | 5))?;
    let agent = xdr.either_address()?;
    let sub_agent = if version == 5 { xdr.number()? } else { 0 };
    let (sequence, _uptime) = (xdr.number()?, xdr.number()?);
    let left = xdr.number()?;
    let head = Head { version, agent, sub_agent, sequence };
    Some((head, Items { version, xdr, left }))
}

/// The samples of a datagram, one after another.
#[derive(Clone, Copy, Debug)]
pub struct Items<'a> {
    version: u32,
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
        self.left -= 1;
        let item = match self.version {
            4 => version4::item(&mut self.xdr),
            _ => self.xdr.part().map(|(kind, body)| item(kind, body)),
        };
        // Nobody knows where the next one would start.
        Some(item.unwrap_or_else(|| {
            self.left = 0;
            Item::Bad
        }))
    }
}

fn item(kind: u32, body: Xdr<'_>) -> Item<'_> {
    let item = match kind {
        1 => sample(body, false).map(Item::Sample),
        3 => sample(body, true).map(Item::Sample),
        2 => counters(body, false).map(Item::Counters),
        4 => counters(body, true).map(Item::Counters),
        _ => Some(Item::Other),
    };
    item.unwrap_or(Item::Bad)
}

/// The place whose counters a sample has.
fn counters(mut xdr: Xdr<'_>, is_expanded: bool) -> Option<(u32, u32)> {
    let _sequence = xdr.number()?;
    let place = place(&mut xdr, is_expanded)?;
    let n_records = xdr.number()?;
    for _ in 0..n_records {
        xdr.part()?;
    }
    Some(place)
}

/// What was sampled, by its kind and number.
fn place(xdr: &mut Xdr<'_>, is_expanded: bool) -> Option<(u32, u32)> {
    Some(match (is_expanded, xdr.number()?) {
        (true, kind) => (kind, xdr.number()?),
        (false, both) => (both >> 24, both & 0xff_ffff),
    })
}

/// An interface, if it is one that is known: 0 stands for none that is, the greatest number for the
/// agent itself, and other formats for several, or for a packet that was dropped.
fn interface(xdr: &mut Xdr<'_>, is_expanded: bool) -> Option<Option<u32>> {
    const UNKNOWN: [u32; 3] = [0, 0x3fff_ffff, u32::MAX];
    let (format, number) = match (is_expanded, xdr.number()?) {
        (true, format) => (format, xdr.number()?),
        (false, both) => (both >> 30, both & 0x3fff_ffff),
    };
    Some(Some(number).filter(|number| format == 0 && !UNKNOWN.contains(number)))
}

/// A flow sample; an expanded one has room for larger numbers of interfaces.
fn sample(mut xdr: Xdr<'_>, is_expanded: bool) -> Option<Sample<'_>> {
    let _sequence = xdr.number()?;
    let place = place(&mut xdr, is_expanded)?;
    let (rate, _pool, drops) = (xdr.number()?, xdr.number()?, xdr.number()?);
    let interfaces = [interface(&mut xdr, is_expanded)?, interface(&mut xdr, is_expanded)?];
    let n_records = xdr.number()?;
    let mut packet = None;
    for _ in 0..n_records {
        let (kind, mut body) = xdr.part()?;
        packet = match (packet, kind) {
            // The packet itself, where it is there; what was picked from it, where it is not.
            (Some(Sampled::Header { .. }), _) => packet,
            (_, 1) => Some(header(body)?),
            (None, 3) => Some(ip(&mut body, false)?),
            (None, 4) => Some(ip(&mut body, true)?),
            (packet, _) => packet,
        };
    }
    Some(Sample { place, rate, drops, interfaces, packet })
}

/// The first bytes of a packet.
fn header(mut xdr: Xdr<'_>) -> Option<Sampled<'_>> {
    let (protocol, wire_len, _stripped) = (xdr.number()?, xdr.number()?, xdr.number()?);
    of_header(protocol, wire_len, xdr.bytes()?)
}

/// The first bytes of a packet, of the link that a protocol's number means.
fn of_header(protocol: u32, wire_len: u32, bytes: &[u8]) -> Option<Sampled<'_>> {
    let link = match protocol {
        1 => LinkType::ETHERNET,
        4 => LinkType::FDDI,
        7 | 14 => LinkType::PPP_HDLC,
        11 => LinkType::IPV4,
        12 => LinkType::IPV6,
        15 => LinkType::IEEE802_11,
        // Of links whose headers are not decoded the packet still counts.
        _ => USER,
    };
    (wire_len <= FRAME_BYTES_MAX).then_some(Sampled::Header { link, bytes, wire_len })
}

/// The link type of what has none in the registry: the first of those for private use.
pub const USER: LinkType = LinkType(147);

/// What was picked from an IP packet.
fn ip<'a>(xdr: &mut Xdr<'a>, is_v6: bool) -> Option<Sampled<'a>> {
    let (len, proto) = (xdr.number()?, xdr.small()?);
    let (src, dst) = (xdr.address(is_v6)?, xdr.address(is_v6)?);
    let (sport, dport) = (xdr.small()?, xdr.small()?);
    let (flags, tos) = (xdr.number()? as u8, xdr.number()? as u8);
    let fields = Fields { len, proto, src, dst, sport, dport, flags, tos };
    (len <= FRAME_BYTES_MAX).then_some(Sampled::Ip(fields))
}
