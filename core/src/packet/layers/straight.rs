//! The straight path: Ethernet, at most one VLAN tag, IPv4 without options or IPv6 without
//! extension headers, not a fragment, TCP or UDP.
//!
//! Anything else, anything cut off and anything odd is left to the walk, so
//! that no rule is written twice but the plainest.

use super::Layers;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// What [`ipv4_plain`] looks at of a packet: the headers of TCP over IPv4 over Ethernet, of which
/// those of UDP are a part.
pub(crate) type Headers = [u8; 14 + 20 + 20];

/// The layers of the most usual packet of all, untagged, of TCP or UDP over IPv4, and whether it is
/// one: where it is not they mean nothing. Of `len` bytes captured these are the first.
///
/// Looks at everything and decides nothing before the end, so that packets of several kinds one
/// behind another make the processor guess nothing.
#[inline(always)]
pub(super) fn ipv4_plain(bytes: &Headers, len: usize, wire_len: u32) -> (Layers, bool) {
    let word = |at: usize| i64::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
    let eight = |at: usize| bytes[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let proto = bytes[23];
    // All ones for UDP: a choice between two numbers that is none to the processor.
    let udp = -i64::from(proto == UDP);
    // EtherType, version and header length; fragment; protocol. All zero where they are as they
    // should be.
    let odd = (eight(12) ^ 0x45_0008) & 0xff_ffff
        | eight(20) & 0xff3f
        | u64::from(proto ^ TCP) & !udp as u64;
    let (end, len) = (14 + word(16), len as i64);
    let header = i64::from(bytes[46] >> 2 & !3) & !udp | word(38) & udp;
    // How much is left of the header behind the least, of the packet behind the header, and of the
    // capture behind the packet.
    let more = header - 20 + (12 & udp);
    let left = end.min(len | udp & i64::MAX) - 34 - header;
    let rest = len.max(i64::from(wire_len)) - end;
    (PLAIN[usize::from(proto == UDP)], ((more | left | rest) >= 0) & (odd == 0))
}

/// The layers of plain packets of TCP, and of UDP.
const PLAIN: [Layers; 2] = [plain(TCP, Layers::TCP), plain(UDP, Layers::UDP)];

const fn plain(proto: u8, transport: u32) -> Layers {
    let found = Layers::ETHERNET | Layers::IPV4 | Layers::PROTO | transport;
    Layers { found, l3: 14, l4: 34, ethertype: IPV4, proto, ..Layers::EMPTY }
}

/// The layers of a plain packet; `None` where a closer look is needed.
#[inline(always)]
pub(super) fn find(bytes: &[u8], wire_len: u32) -> Option<Layers> {
    let whole = (wire_len as usize).max(bytes.len());
    let ethernet = bytes.first_chunk::<14>()?;
    let plain = Layers { found: Layers::ETHERNET, ..Layers::EMPTY };
    match u16::from_be_bytes([ethernet[12], ethernet[13]]) {
        IPV4 => ipv4::<14>(bytes, whole, plain),
        IPV6 => ipv6::<14>(bytes, whole, plain),
        VLAN => {
            let tag = bytes.get(14..18)?;
            let vlan = u16::from_be_bytes([tag[0], tag[1]]);
            let tagged = Layers { found: plain.found | Layers::VLAN, vlan, vlans: 1, ..plain };
            match u16::from_be_bytes([tag[2], tag[3]]) {
                IPV4 => ipv4::<18>(bytes, whole, tagged),
                IPV6 => ipv6::<18>(bytes, whole, tagged),
                _ => None,
            }
        }
        _ => None,
    }
}

#[inline(always)]
fn ipv4<const AT: usize>(bytes: &[u8], whole: usize, layers: Layers) -> Option<Layers> {
    let ip = bytes.get(AT..AT + 20)?;
    let fragment = u16::from_be_bytes([ip[6], ip[7]]) & 0x3fff;
    let total = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
    if ip[0] != 0x45 || fragment != 0 || AT + total > whole {
        return None;
    }
    let found = layers.found | Layers::IPV4 | Layers::PROTO;
    let transport = transport(bytes, AT + 20, AT + total, ip[9])?;
    Some(Layers {
        found: found | transport,
        l3: AT as u16,
        l4: AT as u16 + 20,
        ethertype: IPV4,
        proto: ip[9],
        ..layers
    })
}

#[inline(always)]
fn ipv6<const AT: usize>(bytes: &[u8], whole: usize, layers: Layers) -> Option<Layers> {
    let ip = bytes.get(AT..AT + 40)?;
    let length = usize::from(u16::from_be_bytes([ip[4], ip[5]]));
    if ip[0] >> 4 != 6 || AT + 40 + length > whole {
        return None;
    }
    let found = layers.found | Layers::IPV6 | Layers::PROTO;
    let transport = transport(bytes, AT + 40, AT + 40 + length, ip[6])?;
    Some(Layers {
        found: found | transport,
        l3: AT as u16,
        l4: AT as u16 + 40,
        ethertype: IPV6,
        proto: ip[6],
        ..layers
    })
}

/// What is found in a transport header from `start` on in a packet that ends at `end`.
#[inline(always)]
fn transport(bytes: &[u8], start: usize, end: usize, proto: u8) -> Option<u32> {
    match proto {
        TCP => {
            let header = usize::from(*bytes.get(start + 12)? >> 4) * 4;
            let is_whole = header >= 20 && start + header <= end.min(bytes.len());
            is_whole.then_some(Layers::TCP)
        }
        UDP => {
            let udp = bytes.get(start..start + 8)?;
            let length = usize::from(u16::from_be_bytes([udp[4], udp[5]]));
            let is_whole = length >= 8 && start + length <= end;
            is_whole.then_some(Layers::UDP)
        }
        _ => None,
    }
}
