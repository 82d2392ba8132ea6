//! Frames made to order, for tests, the traffic generator and benchmarks.
//!
//! A [`Frame`] describes one packet; [`Frame::write`] turns it into bytes with
//! correct lengths and checksums, [`batch_of`] puts several into a batch.
//! Nothing here reads traffic.

mod write;

use std::net::SocketAddr;
use std::sync::Arc;

use etherparse::{
    ArpEthIpv4Packet, ArpOperation, ArpPacket, EtherType, Ethernet2Header, IpDscp, IpEcn,
    IpFragOffset, IpNumber, Ipv4Header, Ipv6Header, TcpHeader, UdpHeader, VlanId, VlanPcp,
};

use super::{LinkType, Packet, Weight};
use crate::addr::{Addr, Mac};
use crate::batch::Batch;
use crate::source::{Origin, Region, region_from};
use crate::time::Ts;

/// TCP FIN, for [`Frame::flags`].
pub const FIN: u8 = 0x01;
/// TCP SYN.
pub const SYN: u8 = 0x02;
/// TCP RST.
pub const RST: u8 = 0x04;
/// TCP PSH.
pub const PSH: u8 = 0x08;
/// TCP ACK.
pub const ACK: u8 = 0x10;

/// One end of a conversation: an address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct End {
    /// The address.
    pub addr: Addr,
    /// The port; means nothing where the protocol has none.
    pub port: u16,
}

impl From<(Addr, u16)> for End {
    fn from((addr, port): (Addr, u16)) -> Self {
        Self { addr, port }
    }
}

impl From<Addr> for End {
    fn from(addr: Addr) -> Self {
        Self { addr, port: 0 }
    }
}

impl From<&str> for End {
    /// Reads a literal in a test: `10.0.0.1:80`, `[fe80::1]:80` or a bare address.
    ///
    /// # Panics
    /// If the literal is neither: it is part of the program, not input.
    fn from(literal: &str) -> Self {
        match (literal.parse::<SocketAddr>(), literal.parse::<Addr>()) {
            (Ok(end), _) => Self { addr: end.ip().into(), port: end.port() },
            (_, Ok(addr)) => addr.into(),
            _ => panic!("`{literal}` is no address: write `10.0.0.1:80`, `[fe80::1]:80` or `::1`"),
        }
    }
}

/// What a frame carries behind its link layer and tags.
#[derive(Clone, Debug)]
enum Body {
    Ip {
        src: End,
        dst: End,
        proto: u8,
    },
    Arp {
        src: Addr,
        dst: Addr,
        request: bool,
    },
    /// The payload alone, behind an Ethernet header.
    Ethernet,
    /// The payload alone.
    Raw,
}

/// One packet to be made. Every property has a plain default; each method sets one.
#[derive(Clone, Debug)]
pub struct Frame {
    body: Body,
    link: LinkType,
    macs: (Mac, Mac),
    tags: Vec<u16>,
    labels: Vec<u32>,
    session: Option<u16>,
    hop_by_hop: bool,
    ether_type: u16,
    tos: u8,
    ttl: u8,
    id: u16,
    dont_fragment: bool,
    fragment: Option<(u16, bool)>,
    flags: u8,
    seq: u32,
    ack: u32,
    window: u16,
    icmp: (u8, u8),
    payload: Vec<u8>,
    trailer: usize,
    len: usize,
    cap: Option<u32>,
    ts: Ts,
    source: u16,
    weight: Option<Weight>,
    origin: Option<Origin>,
    marks: u16,
}

impl Frame {
    fn of(body: Body) -> Self {
        Self {
            body,
            link: LinkType::ETHERNET,
            macs: (Mac::new([2, 0, 0, 0, 0, 1]), Mac::new([2, 0, 0, 0, 0, 2])),
            tags: Vec::new(),
            labels: Vec::new(),
            session: None,
            hop_by_hop: false,
            ether_type: 0,
            tos: 0,
            ttl: 64,
            id: 0,
            dont_fragment: false,
            fragment: None,
            flags: ACK,
            seq: 0,
            ack: 0,
            window: 65_535,
            icmp: (8, 0),
            payload: Vec::new(),
            trailer: 0,
            len: 0,
            cap: None,
            ts: Ts::new(1_700_000_000, 0),
            source: 0,
            weight: None,
            origin: None,
            marks: 0,
        }
    }

    /// An IP packet of a protocol; both ends should be of one family, `src` decides which.
    pub fn ip(src: impl Into<End>, dst: impl Into<End>, proto: u8) -> Self {
        Self::of(Body::Ip { src: src.into(), dst: dst.into(), proto })
    }

    /// A TCP segment with ACK set.
    pub fn tcp(src: impl Into<End>, dst: impl Into<End>) -> Self {
        Self::ip(src, dst, 6)
    }

    /// A UDP datagram.
    pub fn udp(src: impl Into<End>, dst: impl Into<End>) -> Self {
        Self::ip(src, dst, 17)
    }

    /// An ICMP or, between IPv6 addresses, ICMPv6 message.
    pub fn icmp(src: impl Into<End>, dst: impl Into<End>, kind: u8, code: u8) -> Self {
        let (src, dst) = (src.into(), dst.into());
        let proto = if src.addr.is_v6() { 58 } else { 1 };
        Self { icmp: (kind, code), ..Self::ip(src, dst, proto) }
    }

    /// An ARP request, or a reply, between IPv4 addresses.
    pub fn arp(src: impl Into<End>, dst: impl Into<End>, request: bool) -> Self {
        Self::of(Body::Arp { src: src.into().addr, dst: dst.into().addr, request })
    }

    /// An Ethernet frame of any type with these bytes as its content.
    pub fn ethernet(ether_type: u16, payload: impl Into<Vec<u8>>) -> Self {
        Self { ether_type, ..Self::of(Body::Ethernet) }.payload(payload)
    }

    /// These bytes and nothing else, as a packet of this link type.
    pub fn raw(link: LinkType, bytes: impl Into<Vec<u8>>) -> Self {
        Self::of(Body::Raw).link(link).payload(bytes)
    }

    /// Sets the link type. Other than Ethernet has no link layer: the packet starts with its body.
    pub fn link(self, link: LinkType) -> Self {
        Self { link, ..self }
    }

    /// Sets the link-layer addresses, source first.
    pub fn macs(self, src: Mac, dst: Mac) -> Self {
        Self { macs: (src, dst), ..self }
    }

    /// Adds an 802.1Q tag inside those it has; the upper four bits are priority and DEI.
    pub fn vlan(mut self, tci: u16) -> Self {
        self.tags.push(tci);
        self
    }

    /// Adds an MPLS label inside those it has.
    pub fn mpls(mut self, label: u32) -> Self {
        self.labels.push(label);
        self
    }

    /// Puts the packet into a PPPoE session.
    pub fn pppoe(self, session: u16) -> Self {
        Self { session: Some(session), ..self }
    }

    /// Adds an IPv6 hop-by-hop options header.
    pub fn hop_by_hop(self) -> Self {
        Self { hop_by_hop: true, ..self }
    }

    /// Sets the type of service or traffic class.
    pub fn tos(self, tos: u8) -> Self {
        Self { tos, ..self }
    }

    /// Sets the time to live or hop limit.
    pub fn ttl(self, ttl: u8) -> Self {
        Self { ttl, ..self }
    }

    /// Sets the identification of an IPv4 packet or of a fragment.
    pub fn id(self, id: u16) -> Self {
        Self { id, ..self }
    }

    /// Sets the do-not-fragment bit (IPv4).
    pub fn dont_fragment(self) -> Self {
        Self { dont_fragment: true, ..self }
    }

    /// Makes it a fragment; `offset` in bytes, a multiple of 8. Only the first has a transport
    /// header.
    pub fn fragment(self, offset: u16, more: bool) -> Self {
        Self { fragment: Some((offset, more)), ..self }
    }

    /// Sets all TCP flags.
    pub fn flags(self, flags: u8) -> Self {
        Self { flags, ..self }
    }

    /// Sets the TCP sequence and acknowledgement numbers.
    pub fn seq(self, seq: u32, ack: u32) -> Self {
        Self { seq, ack, ..self }
    }

    /// Sets the TCP window.
    pub fn window(self, window: u16) -> Self {
        Self { window, ..self }
    }

    /// Sets the bytes behind the last header.
    pub fn payload(self, payload: impl Into<Vec<u8>>) -> Self {
        Self { payload: payload.into(), ..self }
    }

    /// Adds bytes behind the end of the IP packet, as Ethernet does to short frames.
    pub fn trailer(self, trailer: usize) -> Self {
        Self { trailer, ..self }
    }

    /// Fills the payload with zeros until the frame has this length; never cuts it.
    pub fn len(self, len: usize) -> Self {
        Self { len, ..self }
    }

    /// Captures only the first `cap` bytes.
    pub fn cap(self, cap: u32) -> Self {
        Self { cap: Some(cap), ..self }
    }

    /// Sets when it was seen.
    pub fn ts(self, ts: Ts) -> Self {
        Self { ts, ..self }
    }

    /// Sets which source saw it.
    pub fn source(self, source: u16) -> Self {
        Self { source, ..self }
    }

    /// Makes it stand for this many packets and bytes.
    pub fn weight(self, packets: u64, bytes: u64) -> Self {
        Self { weight: Some(Weight { packets, bytes }), ..self }
    }

    /// Makes it stand for a reported flow of this many packets and bytes.
    pub fn flow(self, packets: u64, bytes: u64) -> Self {
        Self { marks: Packet::FLOW, ..self.weight(packets, bytes) }
    }

    /// Tells where it comes from, and makes it stand for this many packets and bytes.
    pub fn reported(self, origin: Origin, packets: u64, bytes: u64) -> Self {
        Self { origin: Some(origin), ..self.weight(packets, bytes) }
    }

    /// Sets what [`Packet::marks`] says.
    pub fn marks(self, marks: u16) -> Self {
        Self { marks, ..self }
    }

    /// When it was seen.
    pub fn seen(&self) -> Ts {
        self.ts
    }

    /// The whole frame as sent.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// Appends the whole frame as sent.
    pub fn write(&self, out: &mut Vec<u8>) {
        let fixed = self.link_len() + self.body_len() + self.payload.len() + self.trailer;
        let fill = self.len.saturating_sub(fixed);
        if self.has_ethernet() {
            self.write_ethernet(fill, out);
        }
        match self.body {
            Body::Ip { src, dst, proto } => self.write_ip(src, dst, proto, fill, out),
            Body::Arp { src, dst, request } => self.write_arp(src, dst, request, fill, out),
            Body::Ethernet | Body::Raw => {
                out.extend_from_slice(&self.payload);
                out.resize(out.len() + fill, 0);
            }
        }
        out.resize(out.len() + self.trailer, 0);
    }
}

/// A batch of these frames, not yet decoded; those behind the most a batch may hold are left out.
pub fn batch_of(frames: impl IntoIterator<Item = Frame>) -> Batch {
    let frames = frames.into_iter().take(crate::selection::BATCH_PACKETS_MAX);
    let mut bytes = Vec::new();
    let packets: Vec<(Packet, Option<Weight>, Option<Origin>)> = frames
        .map(|frame| {
            let offset = bytes.len();
            frame.write(&mut bytes);
            let wire_len = (bytes.len() - offset) as u32;
            let cap_len = frame.cap.map_or(wire_len, |cap| cap.min(wire_len));
            let packet = Packet {
                ts: frame.ts,
                offset: offset as u32,
                cap_len,
                wire_len,
                region: 0,
                link: frame.link,
                source: frame.source,
                marks: frame.marks,
            };
            (packet, frame.weight, frame.origin)
        })
        .collect();
    let mut batch = Batch::default();
    let bytes: Region = Arc::new(bytes);
    batch.push_region(bytes.clone());
    for (packet, weight, origin) in packets {
        let region = origin.map(|origin| batch.push_region(region_from(origin, &bytes)));
        batch.push(Packet { region: region.unwrap_or(0), ..packet }, weight);
    }
    batch.clock = batch.all().iter().map(|p| p.ts).max().unwrap_or_default();
    batch
}

#[cfg(test)]
mod tests;
