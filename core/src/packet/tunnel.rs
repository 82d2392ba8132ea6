//! Tunnels: where the packet inside a packet starts.
//!
//! One step inwards: GRE (RFC 2784, 2890) with IP, Ethernet or ERSPAN in it, IP
//! in IP (RFC 2003, 4213), VXLAN (RFC 7348), GENEVE (RFC 8926) and GTP-U (3GPP TS
//! 29.281). The UDP ones are told by their registered ports. What is encrypted
//! has no inside.

use super::{Layers, LinkType};

/// The packet inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inner {
    /// Where it starts in the packet around it.
    pub at: usize,
    /// What its first byte is the start of.
    pub link: LinkType,
    /// What tells tunnels between the same ends apart, where there is such: the key of GRE, the
    /// network identifier of VXLAN and GENEVE, the endpoint identifier of GTP.
    pub id: Option<u32>,
}

const IP_IN_IP: u8 = 4;
const IPV6_IN_IP: u8 = 41;
const GRE: u8 = 47;

const VXLAN_PORT: u16 = 4789;
const GENEVE_PORT: u16 = 6081;
const GTP_PORT: u16 = 2152;

/// The packet inside the one that `data` is and `layers` describes, if it is a tunnel's.
pub fn inner(data: &[u8], layers: &Layers) -> Option<Inner> {
    if layers.l4 == Layers::NONE || layers.has(Layers::FRAGMENT) {
        return None;
    }
    let at = usize::from(layers.l4);
    let found = match layers.protocol()? {
        IP_IN_IP => Inner { at, link: LinkType::IPV4, id: None },
        IPV6_IN_IP => Inner { at, link: LinkType::IPV6, id: None },
        GRE => gre(data, at)?,
        _ if layers.has(Layers::UDP) => match u16_at(data, at + 2)? {
            VXLAN_PORT => vxlan(data, at + 8)?,
            GENEVE_PORT => geneve(data, at + 8)?,
            GTP_PORT => gtp(data, at + 8)?,
            _ => return None,
        },
        _ => return None,
    };
    (found.at < data.len()).then_some(found)
}

fn gre(data: &[u8], at: usize) -> Option<Inner> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const VERSION: u16 = 7;
    const ERSPAN: u16 = 0x88be;
    let (flags, kind) = (u16_at(data, at)?, u16_at(data, at + 2)?);
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
        ERSPAN if flags & SEQUENCE != 0 => {
            Some(Inner { at: start + 8, link: LinkType::ETHERNET, id })
        }
        ERSPAN => Some(Inner { at: start, link: LinkType::ETHERNET, id }),
        kind => Some(Inner { at: start, link: link(kind)?, id }),
    }
}

fn vxlan(data: &[u8], at: usize) -> Option<Inner> {
    const HAS_ID: u8 = 8;
    let id = u32_at(data, at + 4)? >> 8;
    (data.get(at)? & HAS_ID != 0).then_some(Inner {
        at: at + 8,
        link: LinkType::ETHERNET,
        id: Some(id),
    })
}

fn geneve(data: &[u8], at: usize) -> Option<Inner> {
    let (first, kind) = (*data.get(at)?, u16_at(data, at + 2)?);
    let (version, options) = (first >> 6, usize::from(first & 0x3f) * 4);
    let id = u32_at(data, at + 4)? >> 8;
    let link = link(kind).filter(|_| version == 0)?;
    Some(Inner { at: at + 8 + options, link, id: Some(id) })
}

fn gtp(data: &[u8], at: usize) -> Option<Inner> {
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
    Some(Inner { at: start, link, id })
}

/// What a protocol type (an EtherType) says the inside is.
fn link(kind: u16) -> Option<LinkType> {
    match kind {
        0x0800 => Some(LinkType::IPV4),
        0x86dd => Some(LinkType::IPV6),
        0x6558 => Some(LinkType::ETHERNET),
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
