//! The straight path: Ethernet, at most one VLAN tag, IPv4 without options, whole, TCP or UDP.
//!
//! Anything else, anything cut off and anything odd is left to the walk, so
//! that no rule is written twice but the plainest.

use super::Layers;

const IPV4: u16 = 0x0800;
const VLAN: u16 = 0x8100;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The layers of a plain packet; `None` where a closer look is needed.
#[inline]
pub(super) fn find(bytes: &[u8], wire_len: u32) -> Option<Layers> {
    let ethernet = bytes.first_chunk::<14>()?;
    let plain = Layers { found: Layers::ETHERNET, ethertype: IPV4, ..Layers::EMPTY };
    match u16::from_be_bytes([ethernet[12], ethernet[13]]) {
        IPV4 => ipv4::<14>(bytes, wire_len, plain),
        VLAN => {
            let tag = bytes.get(14..18)?;
            if u16::from_be_bytes([tag[2], tag[3]]) != IPV4 {
                return None;
            }
            let vlan = u16::from_be_bytes([tag[0], tag[1]]);
            let tagged = Layers { found: plain.found | Layers::VLAN, vlan, vlans: 1, ..plain };
            ipv4::<18>(bytes, wire_len, tagged)
        }
        _ => None,
    }
}

#[inline]
fn ipv4<const AT: usize>(bytes: &[u8], wire_len: u32, layers: Layers) -> Option<Layers> {
    // The network header and the least any transport header has.
    let ip = bytes.get(AT..AT + 28)?;
    let fragment = u16::from_be_bytes([ip[6], ip[7]]) & 0x3fff;
    let total = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
    let whole = (wire_len as usize).max(bytes.len());
    if ip[0] != 0x45 || fragment != 0 || AT + total > whole {
        return None;
    }
    let transport = match ip[9] {
        TCP => {
            let header = usize::from(*bytes.get(AT + 32)? >> 4) * 4;
            if header < 20 || 20 + header > total || AT + 20 + header > bytes.len() {
                return None;
            }
            Layers::TCP
        }
        UDP => {
            let length = usize::from(u16::from_be_bytes([ip[24], ip[25]]));
            if length < 8 || 20 + length > total {
                return None;
            }
            Layers::UDP
        }
        _ => return None,
    };
    Some(Layers {
        found: layers.found | Layers::IPV4 | Layers::PROTO | transport,
        l3: AT as u16,
        l4: AT as u16 + 20,
        proto: ip[9],
        ..layers
    })
}
