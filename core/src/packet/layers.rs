//! Finding the headers of a packet: one pass, checked reads, no allocation.
//!
//! Layers are those of the OUTERMOST network header: VLAN, QinQ, MPLS, PPPoE,
//! PPP, 802.11 and LLC/SNAP are skipped, tunnels are not entered. Values are read from
//! the bytes by [`crate::batch`]; this only says where each header starts.
//!
//! Two readers stand behind [`Layers::find`]: a short straight one for what most
//! packets are, and a walk that knows every link type. Where the first answers,
//! the second would answer the same; a property test holds them to it.

mod end;
mod network;
mod straight;
mod walk;

use super::{LinkType, Packet};
use crate::selection::{Ones, behind};
pub(crate) use network::{fragment_word, ip_end};
pub(crate) use straight::Headers;

/// Where the headers of one packet start. 16 bytes, plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layers {
    /// What was found: the constants of this type, or-ed.
    pub found: u32,
    /// Offset of the network header (IPv4, IPv6 or ARP), or [`Layers::NONE`]: there is none, or
    /// its first byte states another version than the link layer does.
    pub l3: u16,
    /// Offset of what IP carries, or [`Layers::NONE`]: no IP, a later fragment, cut off, or fewer
    /// than four bytes of a transport header.
    pub l4: u16,
    /// EtherType after all tags; 0 where the link has none.
    pub ethertype: u16,
    /// The outermost VLAN tag (TCI: priority, DEI, id); valid with [`Layers::VLAN`].
    pub vlan: u16,
    /// Protocol number behind the network header and IPv6 extension headers; valid with
    /// [`Layers::PROTO`].
    pub proto: u8,
    /// How many VLAN tags stand before the network header.
    pub vlans: u8,
    /// How many MPLS labels stand before the network header.
    pub labels: u8,
    /// Offset of the PPPoE header with [`Layers::PPPOE`], else of the first label with
    /// [`Layers::MPLS`]; 255 where there is neither, or too far behind to say.
    pub shim: u8,
}

impl Layers {
    /// No such offset.
    pub const NONE: u16 = u16::MAX;

    /// An Ethernet header at offset 0.
    pub const ETHERNET: u32 = 1;
    /// At least one 802.1Q or 802.1ad tag.
    pub const VLAN: u32 = 1 << 1;
    /// At least one MPLS label.
    pub const MPLS: u32 = 1 << 2;
    /// A PPPoE session header.
    pub const PPPOE: u32 = 1 << 3;
    /// An 802.2 LLC header.
    pub const LLC: u32 = 1 << 4;
    /// ARP.
    pub const ARP: u32 = 1 << 5;
    /// The link layer names IPv4 (or its first nibble does, where the link names nothing).
    pub const IPV4: u32 = 1 << 6;
    /// The link layer names IPv6.
    pub const IPV6: u32 = 1 << 7;
    /// IPv4 or IPv6.
    pub const IP: u32 = Self::IPV4 | Self::IPV6;
    /// Protocol 6, also in later fragments.
    pub const TCP: u32 = 1 << 8;
    /// Protocol 17, also in later fragments.
    pub const UDP: u32 = 1 << 9;
    /// Protocol 132, also in later fragments.
    pub const SCTP: u32 = 1 << 10;
    /// Protocol 1 behind IPv4, also in later fragments.
    pub const ICMP: u32 = 1 << 11;
    /// Protocol 58 behind IPv6, also in later fragments.
    pub const ICMP6: u32 = 1 << 12;
    /// Any fragment, the first included.
    pub const FRAGMENT: u32 = 1 << 13;
    /// A fragment other than the first: no transport header.
    pub const LATER_FRAGMENT: u32 = 1 << 14;
    /// The capture ends before the headers do.
    pub const TRUNCATED: u32 = 1 << 15;
    /// A header contradicts itself or the packet's length.
    pub const MALFORMED: u32 = 1 << 16;
    /// The protocol number is known: not cut off, nor behind a chain without end.
    pub const PROTO: u32 = 1 << 17;
    /// IP carries less than the transport header needs: only its first four bytes (ports, or type
    /// and code) are to be read, what follows is link padding.
    pub const SHORT: u32 = 1 << 18;
    /// How many bytes are read of a header that is short: the ports.
    pub const SHORT_BYTES: usize = 4;
    /// An 802.11 frame, behind what its link type puts before it.
    pub const WLAN: u32 = 1 << 19;

    /// A packet in which nothing was found.
    pub const EMPTY: Self = Self {
        found: 0,
        l3: Self::NONE,
        l4: Self::NONE,
        ethertype: 0,
        vlan: 0,
        proto: 0,
        vlans: 0,
        labels: 0,
        shim: u8::MAX,
    };

    /// Whether any of `what` was found.
    #[inline]
    pub const fn has(&self, what: u32) -> bool {
        self.found & what != 0
    }

    /// Finds the headers of a packet captured as `bytes`, `wire_len` bytes long when sent.
    ///
    /// Never fails: what cannot be read is marked [`Layers::TRUNCATED`] (the capture ends too
    /// early) or [`Layers::MALFORMED`] (the packet does), and what was found before it stands.
    pub fn find(link: LinkType, bytes: &[u8], wire_len: u32) -> Self {
        let mut layers = Self::EMPTY;
        layers.find_in(link, bytes, wire_len);
        layers
    }

    /// As [`Layers::find`], written where it is to stand.
    fn find_in(&mut self, link: LinkType, bytes: &[u8], wire_len: u32) {
        let plain = if link == LinkType::ETHERNET { straight::find(bytes, wire_len) } else { None };
        match plain {
            Some(plain) => *self = plain,
            None => {
                *self = Self::EMPTY;
                walk::find(link, bytes, wire_len, self);
            }
        }
    }

    /// Finds the headers of up to 64 packets, whose bytes are in `data`; which of them are plain:
    /// their bytes begin with [`Headers`], in which all stands where it mostly does.
    ///
    /// A function of its own for the sake of its registers.
    #[inline(never)]
    pub(crate) fn find_all(packets: &[Packet], data: &[&[u8]], layers: &mut [Self]) -> u64 {
        let mut others = behind(packets.len());
        let each = packets.iter().zip(data).zip(&mut *layers);
        for (at, ((packet, data), layers)) in each.enumerate() {
            let Some(headers) = data.first_chunk() else {
                others |= 1 << at;
                continue;
            };
            let is_plain;
            (*layers, is_plain) = straight::ipv4_plain(headers, data.len(), packet.wire_len);
            others |= u64::from(!is_plain | (packet.link != LinkType::ETHERNET)) << at;
        }
        for at in Ones::up_to(others, packets.len()) {
            let (packet, data) = (&packets[at], data[at]);
            layers[at].find_in(packet.link, data, packet.wire_len);
        }
        !others
    }

    /// The protocol number, where it is known.
    #[inline]
    pub const fn protocol(&self) -> Option<u8> {
        if self.has(Self::PROTO) { Some(self.proto) } else { None }
    }
}

#[cfg(test)]
mod tests;
