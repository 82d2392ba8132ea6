//! Fields: the named values of a packet, one table for everyone.
//!
//! Filters, declared keys, scripts, completions and manuals all read this
//! table. A field of a layer the packet does not have is absent, never 0.

mod code;
mod set;

use crate::addr::{Addr, Mac};
use crate::community::CommunityId;
pub use code::{Code, CodeError};
pub use set::Fields;

/// What kind of value a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Yes or no; kept as 1 or 0.
    Bool,
    /// A number of at most 32 bits.
    Uint,
    /// A number of at most 32 bits with a sign, kept as [`encode_int`] makes it.
    Int,
    /// An IP address.
    Addr,
    /// A link-layer address.
    Mac,
    /// Nanoseconds, or a count that may pass 32 bits.
    Big,
    /// A few letters, kept as a number.
    Code,
    /// The Community ID of a flow; text to all who read it.
    CommunityId,
    /// The bytes themselves; never a column, read in place.
    Bytes,
}

/// The value one field of one packet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValue<'a> {
    /// Of a [`Kind::Bool`] field.
    Bool(bool),
    /// Of a [`Kind::Uint`] field.
    Uint(u32),
    /// Of a [`Kind::Int`] field.
    Int(i32),
    /// Of a [`Kind::Addr`] field.
    Addr(Addr),
    /// Of a [`Kind::Mac`] field.
    Mac(Mac),
    /// Of a [`Kind::Big`] field.
    Big(u64),
    /// Of a [`Kind::Code`] field.
    Code(Code),
    /// Of a [`Kind::CommunityId`] field.
    CommunityId(CommunityId),
    /// Of a [`Kind::Bytes`] field.
    Bytes(&'a [u8]),
}

/// A number with a sign as columns, keys and sets keep it: by how much it passes the least there
/// is. So it is never negative and keeps its order.
pub const fn encode_int(value: i32) -> u32 {
    value.cast_unsigned() ^ 1 << 31
}

/// The number that [`encode_int`] made `kept` of.
pub const fn decode_int(kept: u32) -> i32 {
    (kept ^ 1 << 31).cast_signed()
}

macro_rules! fields {
    ($($variant:ident $name:literal $kind:ident $doc:literal)*) => {
        /// A field by number. The name in the language stands with each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Field {
            $(#[doc = concat!("`", $name, "`: ", $doc)] $variant,)*
        }

        impl Field {
            /// Every field, in the order of the table.
            pub const ALL: &[Field] = &[$(Field::$variant),*];

            /// Its name in filters and scripts.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What kind of value it has.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)* }
            }

            /// One line for the manual.
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }
        }
    };
}

fields! {
    Len "len" Uint "bytes on the wire"
    CapLen "cap_len" Uint "bytes captured"
    Ts "ts" Big "when it was seen, nanoseconds since 1970"
    Packets "packets" Big "packets it stands for: more than 1 where traffic is sampled"
    Bytes "bytes" Big "bytes on the wire it stands for"
    Source "source" Uint "number of the source that saw it"
    Link "link" Uint "link type, by its registry number"
    Malformed "malformed" Bool "a header contradicts itself or the packet's length"
    Truncated "truncated" Bool "the capture ends before the headers do"
    EthSrc "eth.src" Mac "source link-layer address"
    EthDst "eth.dst" Mac "destination link-layer address"
    EthType "eth.type" Uint "EtherType after all tags"
    VlanId "vlan.id" Uint "identifier of the outermost VLAN tag"
    VlanPriority "vlan.priority" Uint "priority of the outermost VLAN tag"
    VlanDepth "vlan.depth" Uint "how many VLAN tags, where there is one"
    MplsLabel "mpls.label" Uint "outermost MPLS label"
    MplsDepth "mpls.depth" Uint "how many MPLS labels, where there is one"
    PppoeSession "pppoe.session" Uint "PPPoE session identifier"
    ArpOp "arp.op" Uint "ARP operation: 1 request, 2 reply"
    IpVersion "ip.version" Uint "4 or 6"
    IpSrc "ip.src" Addr "source address, either family"
    IpDst "ip.dst" Addr "destination address, either family"
    SrcAsn "src.asn" Uint "AS that announces the source address, from a table"
    DstAsn "dst.asn" Uint "AS that announces the destination address, from a table"
    SrcCountry "src.country" Code "country the source address is in, by two letters, from a table"
    DstCountry "dst.country" Code "country the destination address is in, by two letters, from a \
        table"
    IpProto "ip.proto" Uint "protocol number behind IPv6 extension headers"
    IpTtl "ip.ttl" Uint "time to live, hop limit in IPv6"
    IpTos "ip.tos" Uint "type of service, traffic class in IPv6"
    IpLen "ip.len" Uint "total length the IP header states, header included"
    IpId "ip.id" Uint "identification (IPv4)"
    IpHlen "ip.hlen" Uint "header length in bytes (IPv4)"
    IpDf "ip.flags.df" Bool "do-not-fragment bit (IPv4)"
    IpMf "ip.flags.mf" Bool "more-fragments bit, either family"
    IpOffset "ip.offset" Uint "fragment offset in bytes"
    IpFragment "ip.fragment" Bool "is a fragment, the first included"
    Sport "sport" Uint "source port, TCP or UDP"
    Dport "dport" Uint "destination port, TCP or UDP"
    TcpSport "tcp.sport" Uint "TCP source port"
    TcpDport "tcp.dport" Uint "TCP destination port"
    TcpSeq "tcp.seq" Uint "TCP sequence number"
    TcpAckNumber "tcp.ack" Uint "TCP acknowledgement number"
    TcpHlen "tcp.hlen" Uint "TCP header length in bytes"
    TcpFlags "tcp.flags" Uint "TCP flags byte"
    TcpFin "tcp.flags.fin" Bool "TCP FIN"
    TcpSyn "tcp.flags.syn" Bool "TCP SYN"
    TcpRst "tcp.flags.rst" Bool "TCP RST"
    TcpPsh "tcp.flags.psh" Bool "TCP PSH"
    TcpAck "tcp.flags.ack" Bool "TCP ACK"
    TcpUrg "tcp.flags.urg" Bool "TCP URG"
    TcpEce "tcp.flags.ece" Bool "TCP ECE"
    TcpCwr "tcp.flags.cwr" Bool "TCP CWR"
    TcpWindow "tcp.window" Uint "TCP window as sent, unscaled"
    UdpSport "udp.sport" Uint "UDP source port"
    UdpDport "udp.dport" Uint "UDP destination port"
    UdpLen "udp.len" Uint "length the UDP header states"
    SctpSport "sctp.sport" Uint "SCTP source port"
    SctpDport "sctp.dport" Uint "SCTP destination port"
    IcmpType "icmp.type" Uint "ICMP type"
    IcmpCode "icmp.code" Uint "ICMP code"
    Icmp6Type "icmp6.type" Uint "ICMPv6 type"
    Icmp6Code "icmp6.code" Uint "ICMPv6 code"
    PayloadLen "payload.len" Uint "bytes behind the transport header, as the IP header states them"
    Payload "payload" Bytes "the captured bytes behind the transport header"
    FlowCommunityId "flow.community_id" CommunityId "Community ID of the flow, as other tools \
        compute it"
    ExporterAddr "exporter.addr" Addr "address of the exporter that reported it"
    ExporterInput "exporter.input" Uint "number of the interface it came in by at the exporter"
    ExporterOutput "exporter.output" Uint "number of the interface it went out by at the exporter"
    TunnelId "tunnel.id" Uint "GRE key, PPTP call, VXLAN or GENEVE network, GTP endpoint"
    InnerIpVersion "inner.ip.version" Uint "of the packet inside a tunnel: 4 or 6"
    InnerIpSrc "inner.ip.src" Addr "source address inside a tunnel"
    InnerIpDst "inner.ip.dst" Addr "destination address inside a tunnel"
    InnerIpProto "inner.ip.proto" Uint "protocol number inside a tunnel"
    InnerIpLen "inner.ip.len" Uint "total length the IP header inside a tunnel states"
    InnerSport "inner.sport" Uint "source port inside a tunnel, TCP or UDP"
    InnerDport "inner.dport" Uint "destination port inside a tunnel, TCP or UDP"
    InnerTcpFlags "inner.tcp.flags" Uint "TCP flags byte inside a tunnel"
    WlanType "wlan.type" Uint "802.11 frame type: 0 management, 1 control, 2 data"
    WlanSubtype "wlan.subtype" Uint "802.11 frame subtype, within its type"
    WlanToDs "wlan.tods" Bool "goes to the distribution system: towards an access point"
    WlanFromDs "wlan.fromds" Bool "comes from the distribution system: from an access point"
    WlanRetry "wlan.retry" Bool "was sent before"
    WlanProtected "wlan.protected" Bool "its body is encrypted"
    WlanSeq "wlan.seq" Uint "sequence number of a management or data frame"
    WlanFrag "wlan.frag" Uint "number of the fragment, 0 for the first"
    WlanSrc "wlan.src" Mac "who sent it first"
    WlanDst "wlan.dst" Mac "whom it is for in the end"
    WlanBssid "wlan.bssid" Mac "the access point, by its address"
    WlanTa "wlan.ta" Mac "who transmitted it"
    WlanRa "wlan.ra" Mac "who was to receive it"
    WlanSsid "wlan.ssid" Bytes "name of the network in a beacon, probe or association"
    WlanChannel "wlan.channel" Uint "channel an access point says it is on"
    WlanSecurity "wlan.security" Uint "0 open, 1 WEP, 2 WPA, 3 WPA2, 4 WPA3, 5 OWE: the best on \
        offer"
    RadioSignal "radio.signal" Int "strength of the signal in dBm"
    RadioNoise "radio.noise" Int "strength of the noise in dBm"
    RadioChannel "radio.channel" Uint "channel it was received on"
    RadioFreq "radio.freq" Uint "frequency it was received on in MHz"
    RadioRate "radio.rate" Uint "rate it was sent at in kbit/s"
}

impl Field {
    /// How many fields there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The field called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|f| f.name() == name)
    }

    /// Whether it is known without reading a header.
    pub const fn is_free(self) -> bool {
        matches!(
            self,
            Self::Len
                | Self::CapLen
                | Self::Ts
                | Self::Packets
                | Self::Bytes
                | Self::Source
                | Self::Link
        )
    }

    /// Whether it is a packet's own where packets stand for several, and so an average or a guess.
    const fn is_single(self) -> bool {
        matches!(self, Self::Len | Self::CapLen | Self::Ts | Self::IpLen)
    }
}

/// Which values are interned into dense ids: addresses, and the flows they form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Id {
    /// The source address.
    Src,
    /// The destination address.
    Dst,
    /// Source, destination, protocol, source port, destination port; ports 0 where there are none.
    Flow,
}

/// What a task asks the capture stage to prepare for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    fields: u128,
    needs: Fields,
    reads: Fields,
    keyed: Fields,
    ids: u8,
    layers: bool,
    singly: bool,
    deep: bool,
}

const _: () = assert!(Field::COUNT <= 128, "Demand has a bit per field");

impl Demand {
    /// Nothing: packets are only counted.
    pub const NONE: Self = Self {
        fields: 0,
        needs: Fields::NONE,
        reads: Fields::NONE,
        keyed: Fields::NONE,
        ids: 0,
        layers: false,
        singly: false,
        deep: false,
    };

    /// Asks for a field without which there is nothing to do: for its column, unless it is known
    /// without decoding, or bytes.
    pub fn field(self, field: Field) -> Self {
        let demand = self.field_if_any(field);
        let needs = if field.is_free() { Fields::NONE } else { Fields::of(&[field]) };
        Self { needs: demand.needs.and(needs), ..demand }
    }

    /// Asks for a field that may as well be absent.
    pub fn field_if_any(mut self, field: Field) -> Self {
        self.singly |= field.is_single();
        if !field.is_free() || field == Field::CapLen {
            self.reads = self.reads.and(Fields::of(&[field]));
        }
        if matches!(field.kind(), Kind::Bytes) {
            self.layers = true;
        } else if !field.is_free() {
            self.fields |= 1 << field as u8;
        }
        self
    }

    /// Says that packets without this field do not count, as they have no key.
    pub fn keyed(self, field: Field) -> Self {
        Self { keyed: self.keyed.and(Fields::of(&[field])), ..self }
    }

    /// The fields without which packets do not count.
    pub const fn keys(self) -> Fields {
        self.keyed
    }

    /// Asks for headers to be found in packets that may have a field, without its column.
    pub fn relies_on(self, field: Field) -> Self {
        let field = Fields::of(&[field]);
        Self { needs: self.needs.and(field), reads: self.reads.and(field), layers: true, ..self }
    }

    /// Asks for dense ids.
    pub fn id(mut self, id: Id) -> Self {
        self.ids |= 1 << id as u8;
        match id {
            Id::Src => self.field(Field::IpSrc),
            Id::Dst => self.field(Field::IpDst),
            Id::Flow => self
                .field(Field::IpSrc)
                .field(Field::IpDst)
                .field(Field::IpProto)
                .field(Field::Sport)
                .field(Field::Dport),
        }
    }

    /// Asks for a field that is only summed, so that the sums of many packets do as well.
    pub fn summed(self, field: Field) -> Self {
        Self { singly: self.singly, ..self.field(field) }
    }

    /// Asks for what packets are one by one: made from counts they have it on average only.
    pub fn singly(mut self) -> Self {
        self.singly = true;
        self
    }

    /// Whether it matters what packets are one by one, their own lengths and times, and not only
    /// what they come to together.
    pub const fn is_singly(self) -> bool {
        self.singly
    }

    /// Says that bytes are read that no field tells of, wherever they lie.
    pub fn deep(mut self) -> Self {
        self.deep = true;
        self
    }

    /// Whether bytes may be read that no field tells of.
    pub const fn is_deep(self) -> bool {
        self.deep
    }

    /// The fields that are read of the captured bytes, or tell how many those are, whether they
    /// must be there or not.
    pub const fn reads(self) -> Fields {
        self.reads
    }

    /// Asks for where the headers are, whatever columns there are.
    pub fn layers(mut self) -> Self {
        self.layers = true;
        self
    }

    /// What either asks for.
    pub fn and(self, other: Self) -> Self {
        Self {
            fields: self.fields | other.fields,
            needs: self.needs.and(other.needs),
            reads: self.reads.and(other.reads),
            keyed: self.keyed.and(other.keyed),
            ids: self.ids | other.ids,
            layers: self.layers || other.layers,
            singly: self.singly || other.singly,
            deep: self.deep || other.deep,
        }
    }

    /// The fields that a source must offer.
    pub const fn needs(self) -> Fields {
        self.needs
    }

    /// Whether headers must be found at all.
    pub const fn finds_headers(self) -> bool {
        self.layers || self.fields != 0
    }

    /// Whether it is asked for where they are.
    pub const fn keeps_layers(self) -> bool {
        self.layers
    }

    /// Whether a field's column is asked for.
    pub const fn wants(self, field: Field) -> bool {
        self.fields >> field as u8 & 1 == 1
    }

    /// Whether ids are asked for.
    pub const fn wants_id(self, id: Id) -> bool {
        self.ids >> id as u8 & 1 == 1
    }

    /// The fields whose columns are asked for, in table order.
    pub fn fields(self) -> impl Iterator<Item = Field> {
        Field::ALL.iter().copied().filter(move |f| self.wants(*f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_its_field() {
        for field in Field::ALL {
            assert_eq!(Field::named(field.name()), Some(*field));
        }
    }

    #[test]
    fn flow_ids_bring_what_they_are_made_of() {
        let demand = Demand::NONE.id(Id::Flow);
        assert!(demand.wants(Field::IpSrc) && demand.wants(Field::Dport));
        assert!(demand.finds_headers() && !demand.keeps_layers());
    }

    #[test]
    fn numbers_with_a_sign_keep_their_order() {
        let values = [i32::MIN, -90, -1, 0, 1, i32::MAX];
        assert!(values.is_sorted_by_key(|value| encode_int(*value)));
        assert!(values.iter().all(|value| decode_int(encode_int(*value)) == *value));
    }

    #[test]
    fn counting_asks_for_nothing() {
        assert_eq!(Demand::NONE.field(Field::Bytes).field(Field::Packets), Demand::NONE);
        assert!(Demand::NONE.field(Field::Len).is_singly());
    }
}
