//! Tunnels: where the packet inside a packet starts.
//!
//! One step inwards: GRE (RFC 2784, 2890) with IP, Ethernet, ERSPAN or PPP in it
//! (PPTP's, RFC 2637, too), IP in IP (RFC 2003, 4213), VXLAN (RFC 7348), GENEVE (RFC
//! 8926) and GTP-U (3GPP TS 29.281). The UDP ones are told by their registered ports. What is
//! encrypted has no inside.

use super::layers::ip_end;
use super::{Layers, LinkType};

/// The packet inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inner {
    /// Where it starts in the packet around it.
    pub at: usize,
    /// Where it ends at the latest, as the IP header around it says.
    pub end: usize,
    /// What its first byte is the start of.
    pub link: LinkType,
    /// What tells tunnels between the same ends apart, where there is such: the key of GRE, the
    /// call of PPTP, the network identifier of VXLAN and GENEVE, the endpoint identifier of GTP.
    pub id: Option<u32>,
}

const IP_IN_IP: u8 = 4;
const IPV6_IN_IP: u8 = 41;
const GRE: u8 = 47;

/// The protocol type of PPP.
const PPP: u16 = 0x880b;

const VXLAN_PORT: u16 = 4789;
const GENEVE_PORT: u16 = 6081;
const GTP_PORT: u16 = 2152;

/// What a tunnel's own header says: where the inside starts, what it is, and the identifier.
type Start = (usize, LinkType, Option<u32>);

/// The packet inside the one that `data` is and `layers` describes, if it is a tunnel's.
/// `wire_len` bytes were sent.
pub fn inner(data: &[u8], layers: &Layers, wire_len: u32) -> Option<Inner> {
    if layers.l4 == Layers::NONE || layers.has(Layers::FRAGMENT) {
        return None;
    }
    let at = usize::from(layers.l4);
    let (at, link, id) = match layers.protocol()? {
        IP_IN_IP => (at, LinkType::IPV4, None),
        IPV6_IN_IP => (at, LinkType::IPV6, None),
        GRE => gre(data, at)?,
        _ if layers.has(Layers::UDP) => match u16_at(data, at + 2)? {
            VXLAN_PORT => vxlan(data, at + 8)?,
            GENEVE_PORT => geneve(data, at + 8)?,
            GTP_PORT => gtp(data, at + 8)?,
            _ => return None,
        },
        _ => return None,
    };
    let end = ip_end(data, layers, (wire_len as usize).max(data.len()))?;
    (at < data.len().min(end)).then_some(Inner { at, end, link, id })
}

fn gre(data: &[u8], at: usize) -> Option<Start> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const VERSION: u16 = 7;
    const ERSPAN: u16 = 0x88be;
    const ERSPAN_III: u16 = 0x22eb;
    let (flags, kind) = (u16_at(data, at)?, u16_at(data, at + 2)?);
    if flags & VERSION == 1 {
        return pptp(data, at, flags, kind);
    }
    if flags & (ROUTING | VERSION) != 0 {
        return None;
    }
    let mut start = at + 4 + if flags & CHECKSUM != 0 { 4 } else { 0 };
    let mut id = None;
    if flags & KEY != 0 {
        id = Some(u32_at(data, start)?);
        start += 4;
    }
    if flags & SEQUENCE != 0 {
        start += 4;
    }
    match kind {
        // Type II has a header of its own; type I, without a sequence number, has none.
        ERSPAN if flags & SEQUENCE != 0 => Some((start + 8, LinkType::ETHERNET, id)),
        ERSPAN => Some((start, LinkType::ETHERNET, id)),
        ERSPAN_III => {
            // The last bit says whether a part of the platform's own follows.
            let more = if data.get(start + 11)? & 1 != 0 { 8 } else { 0 };
            Some((start + 12 + more, LinkType::ETHERNET, id))
        }
        kind => Some((start, link(kind)?, id)),
    }
}

/// The enhanced header of PPTP: the key is the length of what it carries and the number of the
/// call. One that only acknowledges has nothing inside.
fn pptp(data: &[u8], at: usize, flags: u16, kind: u16) -> Option<Start> {
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const ACKNOWLEDGMENT: u16 = 0x80;
    if kind != PPP || flags & (KEY | SEQUENCE) != KEY | SEQUENCE {
        return None;
    }
    let call = u16_at(data, at + 6)?;
    let start = at + 12 + if flags & ACKNOWLEDGMENT != 0 { 4 } else { 0 };
    Some((start, LinkType::PPP, Some(call.into())))
}

fn vxlan(data: &[u8], at: usize) -> Option<Start> {
    const HAS_ID: u8 = 8;
    let id = u32_at(data, at + 4)? >> 8;
    (data.get(at)? & HAS_ID != 0).then_some((at + 8, LinkType::ETHERNET, Some(id)))
}

fn geneve(data: &[u8], at: usize) -> Option<Start> {
    let (first, kind) = (*data.get(at)?, u16_at(data, at + 2)?);
    let (version, options) = (first >> 6, usize::from(first & 0x3f) * 4);
    let id = u32_at(data, at + 4)? >> 8;
    let link = link(kind).filter(|_| version == 0)?;
    Some((at + 8 + options, link, Some(id)))
}

fn gtp(data: &[u8], at: usize) -> Option<Start> {
    const USER_DATA: u8 = 255;
    const VERSION_1: u8 = 0b0011_0000;
    const HAS_EXTENSIONS: u8 = 0b100;
    const EXTENSIONS_MAX: usize = 16;
    let first = *data.get(at)?;
    if first & 0b1111_0000 != VERSION_1 || *data.get(at + 1)? != USER_DATA {
        return None;
    }
    let id = Some(u32_at(data, at + 4)?);
    let mut start = at + 8;
    // Three fields that are there together, of which the flags say which mean something.
    if first & 0b111 != 0 {
        start += 4;
    }
    if first & HAS_EXTENSIONS != 0 {
        for _ in 0..EXTENSIONS_MAX {
            // The byte before says whether one more follows.
            if *data.get(start - 1)? == 0 {
                break;
            }
            let words = usize::from(*data.get(start)?).max(1);
            start += words * 4;
        }
    }
    let link = match data.get(start)? >> 4 {
        4 => LinkType::IPV4,
        6 => LinkType::IPV6,
        _ => return None,
    };
    Some((start, link, id))
}

/// What a protocol type (an EtherType) says the inside is.
fn link(kind: u16) -> Option<LinkType> {
    match kind {
        0x0800 => Some(LinkType::IPV4),
        0x86dd => Some(LinkType::IPV6),
        0x6558 => Some(LinkType::ETHERNET),
        PPP => Some(LinkType::PPP),
        _ => None,
    }
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests;
