//! The walk: every link type, header after header, until the network header.
//!
//! Each step reads one header and names the next. Steps are counted, so that a
//! packet made of tags alone costs no more than one made of data.

use super::{Layers, LinkType};
use crate::packet::wlan::{self, Body, Frame, Unread};

/// Headers before the network header: more than any network stacks, few enough to be cheap.
const STEPS_MAX: usize = 64;

/// The header that stands at the walk's place.
#[derive(Clone, Copy)]
enum Next {
    /// What an EtherType, or a length below 1536, announces.
    EtherType(u16),
    /// 802.2 LLC, perhaps SNAP.
    Llc,
    /// A PPPoE session header.
    Pppoe,
    /// A PPP protocol field.
    Ppp,
    /// An MPLS label.
    Mpls,
    /// IPv4 or IPv6 by the version it states, as behind MPLS and on raw links.
    Ip,
    Ipv4,
    Ipv6,
    /// Nothing that is looked into.
    End,
}

/// A place in a packet and what has been found before it.
pub(super) struct Walk<'a> {
    pub(super) bytes: &'a [u8],
    /// The packet's length when sent, never less than what was captured.
    pub(super) whole: usize,
    pub(super) at: usize,
    pub(super) layers: Layers,
}

/// Finds the layers of any packet.
#[inline(never)]
pub(super) fn find(link: LinkType, bytes: &[u8], wire_len: u32, found: &mut Layers) {
    let whole = (wire_len as usize).max(bytes.len());
    let mut walk = Walk { bytes, whole, at: 0, layers: Layers::EMPTY };
    walk.steps(link);
    *found = walk.layers;
}

impl Walk<'_> {
    pub(super) fn mark(&mut self, what: u32) {
        self.layers.found |= what;
    }

    fn steps(&mut self, link: LinkType) {
        let mut next = self.link(link);
        for _ in 0..STEPS_MAX {
            next = match next {
                Next::EtherType(kind) => self.ether_type(kind),
                Next::Llc => self.llc(),
                Next::Pppoe => self.pppoe(),
                Next::Ppp => self.ppp(),
                Next::Mpls => self.mpls(),
                Next::Ip => self.ip(),
                Next::Ipv4 => return self.ipv4(),
                Next::Ipv6 => return self.ipv6(),
                Next::End => return,
            };
        }
        self.mark(Layers::MALFORMED);
    }

    /// Notes that a header ending at `end` could not be read whole, and whose fault that is.
    pub(super) fn missing(&mut self, end: usize) {
        self.mark(if end > self.whole { Layers::MALFORMED } else { Layers::TRUNCATED });
    }

    pub(super) fn u8(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    pub(super) fn u16(&self, at: usize) -> Option<u16> {
        Some(u16::from_be_bytes([self.u8(at)?, self.u8(at + 1)?]))
    }

    /// Steps over a header of `len` bytes; `None`, marked, if it is not all there.
    fn take<const LEN: usize>(&mut self) -> Option<[u8; LEN]> {
        let header = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<LEN>());
        match header {
            Some(_) => self.at += LEN,
            None => self.missing(self.at + LEN),
        }
        header.copied()
    }

    /// The link header.
    fn link(&mut self, link: LinkType) -> Next {
        let next = match link {
            LinkType::ETHERNET => self.ethernet(),
            LinkType::NULL | LinkType::LOOP => self.loopback(),
            LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => Some(Next::Ip),
            LinkType::IPV4 => Some(Next::Ipv4),
            LinkType::IPV6 => Some(Next::Ipv6),
            LinkType::PPP | LinkType::PPP_HDLC => self.ppp_framing(),
            LinkType::PPP_WITH_DIR => self.take::<1>().and_then(|_| self.ppp_framing()),
            LinkType::PPPOE => Some(Next::Pppoe),
            LinkType::FDDI => self.fddi(),
            LinkType::ATM_RFC1483 => Some(Next::Llc),
            LinkType::CHDLC => self.chdlc(),
            LinkType::LINUX_SLL => self.cooked(),
            LinkType::LINUX_SLL2 => self.cooked2(),
            LinkType::NFLOG => self.nflog(),
            LinkType::IEEE802_11 | LinkType::RADIOTAP | LinkType::AVS | LinkType::PRISM => {
                self.wireless(link)
            }
            _ => None,
        };
        next.unwrap_or(Next::End)
    }

    fn ethernet(&mut self) -> Option<Next> {
        self.mark(Layers::ETHERNET);
        let [.., a, b] = self.take::<14>()?;
        Some(Next::EtherType(u16::from_be_bytes([a, b])))
    }

    /// Address family in the byte order of whoever captured; a family is a small number.
    fn loopback(&mut self) -> Option<Next> {
        let family = u32::from_le_bytes(self.take::<4>()?);
        let family = if family > 0xffff { family.swap_bytes() } else { family };
        Some(match family {
            2 => Next::Ipv4,
            // Linux, BSD/OS and NetBSD, FreeBSD, Darwin.
            10 | 24 | 28 | 30 => Next::Ipv6,
            _ => Next::End,
        })
    }

    /// PPP with or without the address and control bytes of RFC 1662, or Cisco's framing instead.
    fn ppp_framing(&mut self) -> Option<Next> {
        match (self.u8(self.at), self.u8(self.at + 1)) {
            (Some(0xff), Some(0x03)) => self.at += 2,
            (Some(0x0f | 0x8f), Some(0x00)) => return self.chdlc(),
            _ => {}
        }
        Some(Next::Ppp)
    }

    fn fddi(&mut self) -> Option<Next> {
        let [control, ..] = self.take::<13>()?;
        // Only these frames carry LLC; the others manage the ring.
        Some(if control & 0xf0 == 0x50 { Next::Llc } else { Next::End })
    }

    fn chdlc(&mut self) -> Option<Next> {
        let [_, _, a, b] = self.take::<4>()?;
        Some(numbered(u16::from_be_bytes([a, b])))
    }

    fn cooked(&mut self) -> Option<Next> {
        let [_, _, kind_a, kind_b, .., a, b] = self.take::<16>()?;
        Some(cooked(u16::from_be_bytes([kind_a, kind_b]), u16::from_be_bytes([a, b])))
    }

    fn cooked2(&mut self) -> Option<Next> {
        let [a, b, _, _, _, _, _, _, kind_a, kind_b, ..] = self.take::<20>()?;
        Some(cooked(u16::from_be_bytes([kind_a, kind_b]), u16::from_be_bytes([a, b])))
    }

    /// Attributes in the byte order of whoever captured, nearly always little-endian; one holds
    /// the packet. The link type says nothing of the order, so an odd length is tried swapped.
    fn nflog(&mut self) -> Option<Next> {
        const PAYLOAD: u16 = 9;
        let [family, _, _, _] = self.take::<4>()?;
        for _ in 0..STEPS_MAX {
            let start = self.at;
            if start == self.whole {
                return None;
            }
            let [a, b, c, d] = self.take::<4>()?;
            let (mut len, mut kind) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
            if kind & 0x3fff > 255 {
                (len, kind) = (len.swap_bytes(), kind.swap_bytes());
            }
            if len < 4 {
                break;
            }
            if kind & 0x3fff == PAYLOAD {
                return Some(match family {
                    2 => Next::Ipv4,
                    10 => Next::Ipv6,
                    _ => Next::End,
                });
            }
            self.at = start + usize::from(len).next_multiple_of(4);
        }
        self.mark(Layers::MALFORMED);
        None
    }

    /// A frame that came by radio, behind the header of whatever captured it. What a data frame
    /// carries is looked into unless it is encrypted, damaged or a later fragment.
    fn wireless(&mut self, link: LinkType) -> Option<Next> {
        let prefix = match wlan::prefix(link, self.bytes) {
            Ok(prefix) => prefix,
            Err(Unread::Short(end)) => {
                self.missing(end);
                return None;
            }
            Err(Unread::Wrong) => {
                self.mark(Layers::MALFORMED);
                return None;
            }
        };
        let Some(frame) = self.bytes.get(prefix.len..).and_then(Frame::new) else {
            self.missing(prefix.len + 2);
            return None;
        };
        self.mark(Layers::WLAN);
        self.at = prefix.len;
        match frame.body(prefix.is_padded) {
            _ if prefix.is_damaged => self.mark(Layers::MALFORMED),
            Body::Unknown => self.mark(Layers::MALFORMED),
            Body::Nothing if self.at + frame.header_len() > self.bytes.len() => {
                self.missing(self.at + frame.header_len());
            }
            Body::Nothing => {}
            Body::Llc(start) => {
                self.at += start;
                return Some(Next::Llc);
            }
            Body::Several(start) => {
                // Destination, source and length of the first.
                self.at += start + 14;
                return Some(Next::Llc);
            }
        }
        None
    }

    fn ether_type(&mut self, kind: u16) -> Next {
        self.layers.ethertype = if kind < 1536 { 0 } else { kind };
        let next = match kind {
            0..1536 => Some(Next::Llc),
            0x8100 | 0x88a8 | 0x9100 => self.vlan(),
            0x88e7 => self.backbone(),
            0x8847 | 0x8848 => Some(Next::Mpls),
            0x8864 => Some(Next::Pppoe),
            0x0800 => Some(Next::Ipv4),
            0x86dd => Some(Next::Ipv6),
            0x0806 => self.arp(),
            _ => None,
        };
        next.unwrap_or(Next::End)
    }

    fn vlan(&mut self) -> Option<Next> {
        if let Some(tci) = self.u16(self.at) {
            if !self.layers.has(Layers::VLAN) {
                self.layers.vlan = tci;
            }
            self.mark(Layers::VLAN);
            self.layers.vlans = self.layers.vlans.saturating_add(1);
        }
        let [_, _, a, b] = self.take::<4>()?;
        Some(Next::EtherType(u16::from_be_bytes([a, b])))
    }

    /// The service tag of a provider backbone (802.1ah) and the customer's header behind it.
    fn backbone(&mut self) -> Option<Next> {
        let [.., a, b] = self.take::<18>()?;
        Some(Next::EtherType(u16::from_be_bytes([a, b])))
    }

    fn arp(&mut self) -> Option<Next> {
        self.mark(Layers::ARP);
        self.set_l3()?;
        if self.at + 8 > self.bytes.len() {
            self.missing(self.at + 8);
        }
        None
    }

    fn llc(&mut self) -> Next {
        const SNAP: u8 = 0xaa;
        const IP: u8 = 0x06;
        const UNNUMBERED: u8 = 3;
        let Some([dsap, ssap, control]) = self.take::<3>() else { return Next::End };
        self.mark(Layers::LLC);
        match (dsap, ssap & !1, control) {
            (SNAP, SNAP, UNNUMBERED) => match self.take::<5>() {
                // Encapsulated Ethernet (RFC 1042) and its bridge tunnel twin (802.1H).
                Some([0, 0, 0 | 0xf8, a, b]) => numbered(u16::from_be_bytes([a, b])),
                _ => Next::End,
            },
            (IP, IP, UNNUMBERED) => Next::Ipv4,
            _ => Next::End,
        }
    }

    /// RFC 2516, section 4.
    fn pppoe(&mut self) -> Next {
        let start = self.at;
        let Some([version, code, ..]) = self.take::<6>() else { return Next::End };
        if version != 0x11 {
            self.mark(Layers::MALFORMED);
            return Next::End;
        }
        self.mark(Layers::PPPOE);
        self.layers.shim = u8::try_from(start).unwrap_or(u8::MAX);
        // Other codes belong to discovery and carry no packet.
        if code == 0 { Next::Ppp } else { Next::End }
    }

    /// The protocol field, one byte where it is compressed (RFC 1661, section 6.5).
    fn ppp(&mut self) -> Next {
        let proto = match self.u8(self.at) {
            Some(first) if first & 1 == 1 => {
                self.at += 1;
                u16::from(first)
            }
            _ => match self.take::<2>() {
                Some(both) => u16::from_be_bytes(both),
                None => return Next::End,
            },
        };
        match proto {
            0x0021 => Next::Ipv4,
            0x0057 => Next::Ipv6,
            0x0281 | 0x0283 => Next::Mpls,
            _ => Next::End,
        }
    }

    /// RFC 3032; the label stack does not say what it carries, the first nibble behind it does.
    fn mpls(&mut self) -> Next {
        let start = self.at;
        let Some([_, _, bottom, _]) = self.take::<4>() else { return Next::End };
        if !self.layers.has(Layers::MPLS | Layers::PPPOE) {
            self.layers.shim = u8::try_from(start).unwrap_or(u8::MAX);
        }
        self.mark(Layers::MPLS);
        self.layers.labels = self.layers.labels.saturating_add(1);
        if bottom & 1 == 0 { Next::Mpls } else { Next::Ip }
    }

    fn ip(&mut self) -> Next {
        match self.u8(self.at).map(|first| first >> 4) {
            Some(4) => Next::Ipv4,
            Some(6) => Next::Ipv6,
            Some(_) => Next::End,
            None => {
                self.missing(self.at + 1);
                Next::End
            }
        }
    }

    /// Notes the network header's place; `None`, marked, if it lies beyond what an offset can say.
    pub(super) fn set_l3(&mut self) -> Option<()> {
        match u16::try_from(self.at) {
            Ok(at) if at != Layers::NONE => self.layers.l3 = at,
            _ => {
                self.mark(Layers::MALFORMED);
                return None;
            }
        }
        Some(())
    }
}

/// A protocol field that holds EtherTypes only, no lengths.
fn numbered(kind: u16) -> Next {
    if kind < 1536 { Next::End } else { Next::EtherType(kind) }
}

/// The protocol field of a cooked capture: EtherTypes, Linux's own numbers below them, and
/// something else entirely on a few kinds of device.
fn cooked(device: u16, kind: u16) -> Next {
    const NETLINK: u16 = 824;
    const LLC: u16 = 4;
    match (device, kind) {
        (NETLINK, _) => Next::End,
        (_, LLC) => Next::Llc,
        _ => numbered(kind),
    }
}
