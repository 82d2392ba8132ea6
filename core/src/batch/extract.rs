//! Extractors: how each field is read from a packet's bytes, once for everyone.
//!
//! Columns, filters that look at one packet and scripts all end here, so that
//! they cannot differ. A value whose bytes were not captured is absent.

use crate::addr::{Addr, Mac};
use crate::community::{CommunityId, Ends};
use crate::field::{Code, Field, FieldValue, Kind, decode_int, encode_int};
use crate::lookup::{Lookups, Subject};
use crate::packet::layers::{fragment_word, ip_end};
use crate::packet::wlan::{self, Frame, Radio, Role};
use crate::packet::{Layers, Packet, tunnel};

/// One packet: what is known of it, its captured bytes, and where its headers are.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) packet: &'a Packet,
    pub(super) data: &'a [u8],
    pub(super) layers: Layers,
    pub(super) lookups: &'a Lookups,
}

/// The value of any field but those a weight decides.
pub(super) fn value(field: Field, view: View<'_>) -> Option<FieldValue<'_>> {
    Some(match field.kind() {
        Kind::Bool => FieldValue::Bool(number(field, view)? != 0),
        Kind::Uint => FieldValue::Uint(number(field, view)?),
        Kind::Int => FieldValue::Int(decode_int(number(field, view)?)),
        Kind::Addr => FieldValue::Addr(addr(field, view)?),
        Kind::Mac => FieldValue::Mac(Mac(big(field, view)?)),
        Kind::Big => FieldValue::Big(big(field, view)?),
        Kind::Code => FieldValue::Code(Code::from_kept(number(field, view)?)),
        Kind::CommunityId => FieldValue::CommunityId(community_id(view)?),
        Kind::Bytes if field == Field::WlanSsid => FieldValue::Bytes(view.frame()?.ssid()?),
        Kind::Bytes => FieldValue::Bytes(payload(view)?),
    })
}

/// A field that is yes or no, or a number of at most 32 bits, with a sign as it is kept.
#[inline(always)]
pub(super) fn number(field: Field, view: View<'_>) -> Option<u32> {
    use Field as F;
    let layers = view.layers;
    match field {
        F::Len => Some(view.packet.wire_len),
        F::CapLen => Some(view.packet.cap_len),
        F::Source => Some(view.packet.source.into()),
        F::Link => Some(view.packet.link.0.into()),
        F::Malformed => Some(view.sent()?.layers.has(Layers::MALFORMED).into()),
        F::Truncated => Some(view.sent()?.layers.has(Layers::TRUNCATED).into()),

        F::EthType => view.if_any(layers.ethertype != 0, layers.ethertype),
        F::VlanId => view.if_any(layers.has(Layers::VLAN), layers.vlan & 0xfff),
        F::VlanPriority => view.if_any(layers.has(Layers::VLAN), layers.vlan >> 13),
        F::VlanDepth => view.if_any(layers.has(Layers::VLAN), layers.vlans),
        F::MplsLabel => Some(view.u32(view.label()?)? >> 12),
        F::MplsDepth => view.if_any(layers.has(Layers::MPLS), layers.labels),
        F::PppoeSession => view.u16(view.shim(Layers::PPPOE)? + 2),
        F::ArpOp => view.u16(view.l3(Layers::ARP)? + 6),

        F::IpVersion | F::IpProto | F::IpTtl | F::IpTos | F::IpLen | F::IpId | F::IpHlen => {
            ip(field, view)
        }
        F::IpDf | F::IpMf | F::IpOffset | F::IpFragment => fragment(field, view),

        F::Sport => view.u16(view.l4(Layers::TCP | Layers::UDP)?),
        F::Dport => view.u16(view.l4(Layers::TCP | Layers::UDP)? + 2),
        F::TcpSport => view.u16(view.l4(Layers::TCP)?),
        F::TcpDport => view.u16(view.l4(Layers::TCP)? + 2),
        F::UdpSport => view.u16(view.l4(Layers::UDP)?),
        F::UdpDport => view.u16(view.l4(Layers::UDP)? + 2),
        F::UdpLen => view.sent()?.u16(view.whole_l4(Layers::UDP)? + 4),
        F::SctpSport => view.u16(view.l4(Layers::SCTP)?),
        F::SctpDport => view.u16(view.l4(Layers::SCTP)? + 2),
        F::IcmpType => view.u8(view.l4(Layers::ICMP)?),
        F::IcmpCode => view.u8(view.l4(Layers::ICMP)? + 1),
        F::Icmp6Type => view.u8(view.l4(Layers::ICMP6)?),
        F::Icmp6Code => view.u8(view.l4(Layers::ICMP6)? + 1),
        F::PayloadLen => {
            view.sent()?;
            let (start, end) = payload_span(view)?;
            u32::try_from(end - start).ok()
        }
        F::SrcAsn | F::DstAsn | F::SrcCountry | F::DstCountry => looked_up(field, view),
        F::TunnelId => view.inner()?.0,
        F::InnerIpVersion
        | F::InnerIpProto
        | F::InnerIpLen
        | F::InnerSport
        | F::InnerDport
        | F::InnerTcpFlags => inside(field, view),
        _ if layers.has(Layers::WLAN) => wireless(field, view),
        _ => tcp(field, view),
    }
}

/// What a table knows of an address.
fn looked_up(field: Field, view: View<'_>) -> Option<u32> {
    let (subject, is_dst) = Subject::of(field)?;
    let addr = ip_addr(if is_dst { Field::IpDst } else { Field::IpSrc }, view)?;
    view.lookups.get(subject, addr)
}

/// The Community ID of the packet's flow. A later fragment, which has no ports, has none.
pub(super) fn community_id(view: View<'_>) -> Option<CommunityId> {
    let (src, dst) = (ip_addr(Field::IpSrc, view)?, ip_addr(Field::IpDst, view)?);
    let proto = view.layers.protocol()?;
    let ports = |layer| {
        let at = view.l4(layer)?;
        view.chunk(at)
            .map(|[a, b, c, d]| Ends::Ports(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    };
    let message = |layer| {
        let at = view.l4(layer)?;
        view.chunk(at).map(|[kind, code]| Ends::Message(kind, code))
    };
    let ends = match (proto, src.is_v6()) {
        (1, false) => message(Layers::ICMP)?,
        (6, _) => ports(Layers::TCP)?,
        (17, _) => ports(Layers::UDP)?,
        (58, true) => message(Layers::ICMP6)?,
        (132, _) => ports(Layers::SCTP)?,
        _ => Ends::None,
    };
    Some(CommunityId::of(src, dst, proto, ends))
}

/// A number of the packet inside a tunnel.
fn inside(field: Field, view: View<'_>) -> Option<u32> {
    let field = match field {
        Field::InnerIpVersion => Field::IpVersion,
        Field::InnerIpProto => Field::IpProto,
        Field::InnerIpLen => Field::IpLen,
        Field::InnerSport => Field::Sport,
        Field::InnerDport => Field::Dport,
        _ => Field::TcpFlags,
    };
    number(field, view.inner()?.1)
}

#[inline(always)]
fn ip(field: Field, view: View<'_>) -> Option<u32> {
    let layers = view.layers;
    let is_v4 = layers.has(Layers::IPV4);
    match field {
        // What the link layer names, also where the header states another.
        Field::IpVersion => layers.has(Layers::IP).then_some(if is_v4 { 4 } else { 6 }),
        Field::IpProto => layers.protocol().map(u32::from),
        Field::IpId => view.sent()?.u16(view.l3(Layers::IPV4)? + 4),
        Field::IpHlen => Some((view.sent()?.u8(view.l3(Layers::IPV4)?)? & 15) * 4),
        _ => {
            let l3 = view.l3(Layers::IP)?;
            match (field, is_v4) {
                (Field::IpTtl, true) => view.sent()?.u8(l3 + 8),
                (Field::IpTtl, false) => view.sent()?.u8(l3 + 7),
                (Field::IpTos, true) => view.u8(l3 + 1),
                (Field::IpTos, false) => Some(view.u16(l3)? >> 4 & 0xff),
                (Field::IpLen, true) => view.u16(l3 + 2),
                (Field::IpLen, false) => Some(view.u16(l3 + 4)? + 40),
                _ => None,
            }
        }
    }
}

#[inline(always)]
fn fragment(field: Field, view: View<'_>) -> Option<u32> {
    let l3 = view.sent()?.l3(Layers::IP)?;
    if view.layers.has(Layers::IPV4) {
        let word = view.u16(l3 + 6)?;
        return match field {
            Field::IpDf => Some(word >> 14 & 1),
            Field::IpMf => Some(word >> 13 & 1),
            Field::IpOffset => Some((word & 0x1fff) * 8),
            _ => Some(u32::from(word & 0x3fff != 0)),
        };
    }
    let word = if view.layers.has(Layers::FRAGMENT) {
        u32::from(fragment_word(view.data, l3)?)
    } else if view.layers.has(Layers::PROTO) {
        0
    } else {
        // The chain of extension headers breaks before it would say.
        return None;
    };
    match field {
        Field::IpMf => Some(word & 1),
        Field::IpOffset => Some(word & 0xfff8),
        Field::IpFragment => Some(u32::from(word & 0xfff9 != 0)),
        _ => None,
    }
}

#[inline(always)]
fn tcp(field: Field, view: View<'_>) -> Option<u32> {
    use Field as F;
    let l4 = view.whole_l4(Layers::TCP)?;
    let bit = match field {
        F::TcpSeq => return view.sent()?.u32(l4 + 4),
        F::TcpAckNumber => return view.sent()?.u32(l4 + 8),
        F::TcpHlen => return Some((view.sent()?.u8(l4 + 12)? >> 4) * 4),
        F::TcpFlags => return view.u8(l4 + 13),
        F::TcpWindow => return view.sent()?.u16(l4 + 14),
        F::TcpFin => 0,
        F::TcpSyn => 1,
        F::TcpRst => 2,
        F::TcpPsh => 3,
        F::TcpAck => 4,
        F::TcpUrg => 5,
        F::TcpEce => 6,
        F::TcpCwr => 7,
        _ => return None,
    };
    Some(view.u8(l4 + 13)? >> bit & 1)
}

/// What an 802.11 frame says, or the receiver of it. IP may be in it, too.
#[inline(never)]
fn wireless(field: Field, view: View<'_>) -> Option<u32> {
    use Field as F;
    let radio = |what| wlan::value(view.packet.link, view.data, what);
    let unsigned = |what| radio(what).and_then(|value| u32::try_from(value).ok());
    let frame = view.frame()?;
    match field {
        F::WlanType => Some(frame.kind().into()),
        F::WlanSubtype => Some(frame.subtype().into()),
        F::WlanToDs => Some(frame.is_to_ds().into()),
        F::WlanFromDs => Some(frame.is_from_ds().into()),
        F::WlanRetry => Some(frame.is_retry().into()),
        F::WlanProtected => Some(frame.is_protected().into()),
        F::WlanSeq => frame.sequence().map(|(number, _)| number.into()),
        F::WlanFrag => frame.sequence().map(|(_, part)| part.into()),
        F::WlanChannel => frame.channel().map(u32::from),
        F::WlanSecurity => frame.security().map(|security| security as u32),
        F::RadioSignal => radio(Radio::Signal).map(encode_int),
        F::RadioNoise => radio(Radio::Noise).map(encode_int),
        F::RadioChannel => unsigned(Radio::Channel),
        F::RadioFreq => unsigned(Radio::Frequency),
        F::RadioRate => unsigned(Radio::Rate),
        _ => tcp(field, view),
    }
}

/// An address of an 802.11 frame, as its number.
#[inline(never)]
fn wireless_address(field: Field, view: View<'_>) -> Option<u64> {
    let role = match field {
        Field::EthDst | Field::WlanDst => Role::Destination,
        Field::EthSrc | Field::WlanSrc => Role::Source,
        Field::WlanBssid => Role::Bssid,
        Field::WlanTa => Role::Transmitter,
        Field::WlanRa => Role::Receiver,
        _ => return None,
    };
    view.frame()?.address(role).map(|bytes| Mac::new(bytes).0)
}

/// A link-layer address as its number, or a number that may pass 32 bits.
#[inline(always)]
pub(super) fn big(field: Field, view: View<'_>) -> Option<u64> {
    let at = match field {
        Field::Ts => return Some(view.packet.ts.0),
        Field::EthDst => 0,
        Field::EthSrc => 6,
        _ => return wireless_address(field, view),
    };
    if !view.layers.has(Layers::ETHERNET) {
        return wireless_address(field, view);
    }
    view.chunk(at).map(|bytes| Mac::new(bytes).0)
}

/// An IP address.
#[inline(always)]
pub(super) fn addr(field: Field, view: View<'_>) -> Option<Addr> {
    match field {
        Field::InnerIpSrc => inside_addr(Field::IpSrc, view),
        Field::InnerIpDst => inside_addr(Field::IpDst, view),
        _ => ip_addr(field, view),
    }
}

/// An address of the packet inside a tunnel.
fn inside_addr(field: Field, view: View<'_>) -> Option<Addr> {
    ip_addr(field, view.inner()?.1)
}

#[inline(always)]
fn ip_addr(field: Field, view: View<'_>) -> Option<Addr> {
    let l3 = view.l3(Layers::IP)?;
    let is_dst = usize::from(field == Field::IpDst);
    if view.layers.has(Layers::IPV4) {
        view.chunk(l3 + 12 + 4 * is_dst).map(Addr::v4)
    } else {
        view.chunk(l3 + 8 + 16 * is_dst).map(Addr::v6)
    }
}

/// The captured bytes behind the transport header.
pub(super) fn payload(view: View<'_>) -> Option<&[u8]> {
    view.sent()?;
    let (start, end) = payload_span(view)?;
    let held = view.data.len();
    view.data.get(start.min(held)..end.min(held))
}

/// Where the payload starts and where IP says it ends, start first.
fn payload_span(view: View<'_>) -> Option<(usize, usize)> {
    let layers = view.layers;
    let l4 = view.whole_l4(Layers::IP)?;
    let whole = (view.packet.wire_len as usize).max(view.data.len());
    let end = ip_end(view.data, &layers, whole)?;
    let header = match layers.found & (Layers::TCP | Layers::UDP | Layers::SCTP) {
        Layers::TCP => usize::from(*view.data.get(l4 + 12)? >> 4) * 4,
        Layers::UDP => 8,
        Layers::SCTP => 12,
        // Eight for either, as in an echo: type, code, checksum, and what depends on the type.
        _ if layers.has(Layers::ICMP | Layers::ICMP6) => 8.min(end.saturating_sub(l4)),
        _ => 0,
    };
    let start = l4 + header;
    (start <= end).then_some((start, end))
}

impl<'a> View<'a> {
    /// Itself, if its headers are those that were sent and not made from a flow record.
    #[inline(always)]
    fn sent(self) -> Option<Self> {
        (self.packet.marks & Packet::FLOW == 0).then_some(self)
    }

    #[inline(always)]
    fn if_any(self, there: bool, value: impl Into<u32>) -> Option<u32> {
        there.then(|| value.into())
    }

    /// The packet inside the tunnel that this one is of, and what tells that from others.
    fn inner(self) -> Option<(Option<u32>, View<'a>)> {
        let wire_len = self.packet.wire_len;
        let tunnel::Inner { at, end, link, id } = tunnel::inner(self.data, &self.layers, wire_len)?;
        let data = self.data.get(at..end.min(self.data.len()))?;
        let sent = u32::try_from(end - at).unwrap_or(wire_len);
        let layers = Layers::find(link, data, sent);
        Some((id, View { packet: self.packet, data, layers, lookups: self.lookups }))
    }

    /// The 802.11 frame, if it is one.
    fn frame(self) -> Option<Frame<'a>> {
        if !self.layers.has(Layers::WLAN) {
            return None;
        }
        Frame::of(self.packet.link, self.data)
    }

    /// The network header's offset, if it is one of `kinds`.
    #[inline(always)]
    fn l3(self, kinds: u32) -> Option<usize> {
        let there = self.layers.has(kinds) && self.layers.l3 != Layers::NONE;
        there.then_some(usize::from(self.layers.l3))
    }

    /// The transport header's offset, if it is one of `kinds` and IP carries all of it.
    #[inline(always)]
    fn whole_l4(self, kinds: u32) -> Option<usize> {
        if self.layers.has(Layers::SHORT) { None } else { self.l4(kinds) }
    }

    /// The transport header's offset, if it is one of `kinds`; its first four bytes may be read.
    #[inline(always)]
    fn l4(self, kinds: u32) -> Option<usize> {
        let there = self.layers.has(kinds) && self.layers.l4 != Layers::NONE;
        there.then_some(usize::from(self.layers.l4))
    }

    /// The offset of the header between link and network, if there is one of this kind.
    fn shim(self, kind: u32) -> Option<usize> {
        let there = self.layers.has(kind) && self.layers.shim != u8::MAX;
        there.then_some(usize::from(self.layers.shim))
    }

    /// The offset of the outermost MPLS label.
    fn label(self) -> Option<usize> {
        let shim = self.shim(Layers::MPLS)?;
        if !self.layers.has(Layers::PPPOE) {
            return Some(shim);
        }
        // Behind the session header stands the PPP protocol, of one byte where it is odd.
        let is_compressed = self.u8(shim + 6)? & 1 == 1;
        Some(shim + if is_compressed { 7 } else { 8 })
    }

    #[inline(always)]
    fn chunk<const LEN: usize>(self, at: usize) -> Option<[u8; LEN]> {
        self.data.get(at..)?.first_chunk::<LEN>().copied()
    }

    #[inline(always)]
    fn u8(self, at: usize) -> Option<u32> {
        self.data.get(at).map(|byte| u32::from(*byte))
    }

    #[inline(always)]
    fn u16(self, at: usize) -> Option<u32> {
        self.chunk(at).map(|bytes| u32::from(u16::from_be_bytes(bytes)))
    }

    #[inline(always)]
    fn u32(self, at: usize) -> Option<u32> {
        self.chunk(at).map(u32::from_be_bytes)
    }
}
