//! Writing a frame's headers: outermost first, lengths known before bytes are written.

use super::*;
use etherparse::{Icmpv4Header, Icmpv4Type, Icmpv6Header, Icmpv6Type, SingleVlanHeader};

/// Protocols whose headers a frame writes itself.
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMP6: u8 = 58;
const FRAGMENT: u8 = 44;

impl Frame {
    /// The link layer and all tags, up to the network header.
    pub(super) fn write_ethernet(&self, fill: usize, out: &mut Vec<u8>) {
        let inner = match self.body {
            Body::Ip { src, .. } if src.addr.is_v6() => 0x86dd,
            Body::Ip { .. } => 0x0800,
            Body::Arp { .. } => 0x0806,
            Body::Ethernet | Body::Raw => self.ether_type,
        };
        let behind_tags = match (self.session, self.labels.is_empty()) {
            (Some(_), _) => 0x8864,
            (None, false) => 0x8847,
            (None, true) => inner,
        };
        // All tags but the innermost are service tags when there are several.
        let tag_type = |at: usize| if at + 1 < self.tags.len() { 0x88a8 } else { 0x8100 };
        let header = Ethernet2Header {
            source: self.macs.0.bytes(),
            destination: self.macs.1.bytes(),
            ether_type: EtherType(if self.tags.is_empty() { behind_tags } else { tag_type(0) }),
        };
        out.extend_from_slice(&header.to_bytes());
        for (at, tci) in self.tags.iter().enumerate() {
            let next = if at + 1 < self.tags.len() { tag_type(at + 1) } else { behind_tags };
            let tag = SingleVlanHeader {
                pcp: VlanPcp::try_new((tci >> 13) as u8).expect("three bits"),
                drop_eligible_indicator: tci >> 12 & 1 == 1,
                vlan_id: VlanId::try_new(tci & 0xfff).expect("twelve bits"),
                ether_type: EtherType(next),
            };
            out.extend_from_slice(&tag.to_bytes());
        }
        if let Some(session) = self.session {
            self.write_pppoe(session, inner, fill, out);
        }
        for (at, label) in self.labels.iter().enumerate() {
            let bottom = u32::from(at + 1 == self.labels.len());
            out.extend_from_slice(&(label << 12 | bottom << 8 | 64).to_be_bytes());
        }
    }

    /// A PPPoE session header and the PPP protocol, RFC 2516 section 6.
    fn write_pppoe(&self, session: u16, inner: u16, fill: usize, out: &mut Vec<u8>) {
        let inside = 2 + self.labels.len() * 4 + self.body_len() + self.payload.len() + fill;
        let length = u16::try_from(inside);
        let proto: u16 = match (self.labels.is_empty(), inner) {
            (false, _) => 0x0281,
            (true, 0x86dd) => 0x0057,
            (true, _) => 0x0021,
        };
        out.extend_from_slice(&[0x11, 0x00]);
        out.extend_from_slice(&session.to_be_bytes());
        out.extend_from_slice(&length.unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(&proto.to_be_bytes());
    }

    pub(super) fn has_ethernet(&self) -> bool {
        self.link == LinkType::ETHERNET && !matches!(self.body, Body::Raw)
    }

    /// Bytes of the link layer and all tags.
    pub(super) fn link_len(&self) -> usize {
        if !self.has_ethernet() {
            return 0;
        }
        14 + 4 * self.tags.len() + self.session.map_or(0, |_| 8) + 4 * self.labels.len()
    }

    /// Bytes of the network and transport headers.
    pub(super) fn body_len(&self) -> usize {
        match self.body {
            Body::Ip { src, proto, .. } => {
                let network = if src.addr.is_v6() {
                    40 + if self.hop_by_hop { 8 } else { 0 } + self.fragment.map_or(0, |_| 8)
                } else {
                    20
                };
                network + self.transport_len(proto)
            }
            Body::Arp { .. } => 28,
            Body::Ethernet | Body::Raw => 0,
        }
    }

    /// Bytes of the transport header; a later fragment has none.
    fn transport_len(&self, proto: u8) -> usize {
        match proto {
            _ if self.fragment.is_some_and(|(offset, _)| offset > 0) => 0,
            TCP => 20,
            UDP | ICMP | ICMP6 => 8,
            _ => 0,
        }
    }

    pub(super) fn write_ip(&self, src: End, dst: End, proto: u8, fill: usize, out: &mut Vec<u8>) {
        let mut payload = self.payload.clone();
        payload.resize(payload.len() + fill, 0);
        let inside = self.transport_len(proto) + payload.len();
        if src.addr.is_v6() {
            self.write_ip6(src.addr, dst.addr, proto, inside, out);
        } else {
            self.write_ip4(src.addr, dst.addr, proto, inside, out);
        }
        if self.transport_len(proto) > 0 {
            self.write_transport(src, dst, proto, &payload, out);
        }
        out.extend_from_slice(&payload);
    }

    fn write_ip4(&self, src: Addr, dst: Addr, proto: u8, inside: usize, out: &mut Vec<u8>) {
        let (offset, more) = self.fragment.unwrap_or_default();
        let mut header = Ipv4Header {
            dscp: IpDscp::try_new(self.tos >> 2).expect("six bits"),
            ecn: IpEcn::try_new(self.tos & 3).expect("two bits"),
            total_len: u16::try_from(20 + inside).unwrap_or(u16::MAX),
            identification: self.id,
            dont_fragment: self.dont_fragment,
            more_fragments: more,
            fragment_offset: IpFragOffset::try_new(offset / 8).expect("thirteen bits"),
            time_to_live: self.ttl,
            protocol: IpNumber(proto),
            source: octets4(src),
            destination: octets4(dst),
            ..Ipv4Header::default()
        };
        header.header_checksum = header.calc_header_checksum();
        out.extend_from_slice(&header.to_bytes());
    }

    fn write_ip6(&self, src: Addr, dst: Addr, proto: u8, inside: usize, out: &mut Vec<u8>) {
        let upper = if self.fragment.is_some() { FRAGMENT } else { proto };
        let extensions = if self.hop_by_hop { 8 } else { 0 } + self.fragment.map_or(0, |_| 8);
        let header = Ipv6Header {
            traffic_class: self.tos,
            payload_length: u16::try_from(extensions + inside).unwrap_or(u16::MAX),
            next_header: IpNumber(if self.hop_by_hop { 0 } else { upper }),
            hop_limit: self.ttl,
            source: src.bits().to_be_bytes(),
            destination: dst.bits().to_be_bytes(),
            ..Ipv6Header::default()
        };
        out.extend_from_slice(&header.to_bytes());
        if self.hop_by_hop {
            // One PadN option of four zero bytes fills the header's eight.
            out.extend_from_slice(&[upper, 0, 1, 4, 0, 0, 0, 0]);
        }
        if let Some((offset, more)) = self.fragment {
            out.extend_from_slice(&[proto, 0]);
            out.extend_from_slice(&(offset & !7 | u16::from(more)).to_be_bytes());
            out.extend_from_slice(&u32::from(self.id).to_be_bytes());
        }
    }

    fn write_transport(&self, src: End, dst: End, proto: u8, payload: &[u8], out: &mut Vec<u8>) {
        match proto {
            TCP => out.extend_from_slice(&self.tcp_header(src, dst, payload).to_bytes()),
            UDP => out.extend_from_slice(&udp_header(src, dst, payload).to_bytes()),
            ICMP6 => out.extend_from_slice(&self.icmp6_header(src, dst, payload).to_bytes()),
            _ => {
                let (type_u8, code_u8) = self.icmp;
                let kind = Icmpv4Type::Unknown { type_u8, code_u8, bytes5to8: [0; 4] };
                let header = Icmpv4Header::with_checksum(kind, payload);
                out.extend_from_slice(&header.to_bytes());
            }
        }
    }

    fn tcp_header(&self, src: End, dst: End, payload: &[u8]) -> TcpHeader {
        let mut header = TcpHeader::new(src.port, dst.port, self.seq, self.window);
        header.acknowledgment_number = self.ack;
        let has = |bit: u8| self.flags & bit != 0;
        (header.fin, header.syn, header.rst, header.psh) = (has(FIN), has(SYN), has(RST), has(PSH));
        (header.ack, header.urg, header.ece, header.cwr) =
            (has(ACK), has(0x20), has(0x40), has(0x80));
        let (from, to) = (src.addr, dst.addr);
        let sum = match from.is_v6() {
            true => header.calc_checksum_ipv6_raw(octets6(from), octets6(to), payload),
            false => header.calc_checksum_ipv4_raw(octets4(from), octets4(to), payload),
        };
        // A payload too long for a checksum is too long for a real segment.
        header.checksum = sum.unwrap_or(0);
        header
    }

    fn icmp6_header(&self, src: End, dst: End, payload: &[u8]) -> Icmpv6Header {
        let (type_u8, code_u8) = self.icmp;
        let kind = Icmpv6Type::Unknown { type_u8, code_u8, bytes5to8: [0; 4] };
        let (from, to) = (octets6(src.addr), octets6(dst.addr));
        let header = Icmpv6Header::with_checksum(kind, from, to, payload);
        header.unwrap_or_else(|_| Icmpv6Header::new(kind))
    }

    pub(super) fn write_arp(
        &self,
        src: Addr,
        dst: Addr,
        request: bool,
        fill: usize,
        out: &mut Vec<u8>,
    ) {
        let operation = if request { ArpOperation::REQUEST } else { ArpOperation::REPLY };
        let packet = ArpPacket::from(ArpEthIpv4Packet {
            operation,
            sender_mac: self.macs.0.bytes(),
            sender_ipv4: octets4(src),
            target_mac: if request { [0; 6] } else { self.macs.1.bytes() },
            target_ipv4: octets4(dst),
        });
        out.extend_from_slice(&packet.to_bytes());
        out.extend_from_slice(&self.payload);
        out.resize(out.len() + fill, 0);
    }
}

fn udp_header(src: End, dst: End, payload: &[u8]) -> UdpHeader {
    let mut header = UdpHeader {
        source_port: src.port,
        destination_port: dst.port,
        length: u16::try_from(8 + payload.len()).unwrap_or(u16::MAX),
        checksum: 0,
    };
    let (from, to) = (src.addr, dst.addr);
    let sum = match from.is_v6() {
        true => header.calc_checksum_ipv6_raw(octets6(from), octets6(to), payload),
        false => header.calc_checksum_ipv4_raw(octets4(from), octets4(to), payload),
    };
    header.checksum = sum.unwrap_or(0);
    header
}

fn octets4(addr: Addr) -> [u8; 4] {
    (addr.bits() as u32).to_be_bytes()
}

fn octets6(addr: Addr) -> [u8; 16] {
    addr.bits().to_be_bytes()
}
