//! Flow records as packets: what the sources of flow records share.
//!
//! A record becomes one packet, or a few, whose headers are made from it
//! ([`como_core::packet::craft`]), put in the order of its start ([`line`]) and counted
//! ([`tally`]). What a packet stands for is its weight: the record's own counters, exactly.

pub mod begins;
pub mod carried;
pub mod known;
pub mod line;
pub mod listener;
pub mod senders;
pub mod sequence;
pub mod tally;
pub mod udp;

use como_core::addr::Addr;
use como_core::field::{Field, Fields};
use como_core::packet::LinkType;
use como_core::packet::craft::{HEADERS_MAX, Headers};
use como_core::source::{Description, Origin, Pace, SourceError, Treatment};
use como_core::time::{Span, Ts};

use crate::spec::{OptionDoc, Options};

/// One flow as an exporter reported it, its sampling already applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Where its packets came from.
    pub src: Addr,
    /// Where they went, of the same family.
    pub dst: Addr,
    /// When its first packet was seen.
    pub first: Ts,
    /// When its last packet was seen; never before `first`.
    pub last: Ts,
    /// How many packets.
    pub packets: u64,
    /// How many bytes, IP headers included.
    pub bytes: u64,
    /// Source port; means nothing where the protocol has none.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// ICMP type in the upper byte, code in the lower.
    pub icmp: u16,
    /// What IP carried.
    pub proto: u8,
    /// Type of service or traffic class.
    pub tos: u8,
    /// TCP flags of all its packets, or-ed.
    pub flags: u8,
    /// Who reported it, and through which interfaces it went there.
    pub origin: Origin,
}

impl Flow {
    /// Writes the headers of its packets; returns their length and the mean length of the packets,
    /// which is at least that.
    pub fn write(&self, out: &mut [u8; HEADERS_MAX]) -> (usize, u32) {
        let Self { src, dst, proto, tos, flags, sport, dport, icmp, .. } = *self;
        let headers = Headers { src, dst, proto, tos, flags, sport, dport, icmp };
        headers.write(self.bytes.checked_div(self.packets).unwrap_or(0), out)
    }
}

/// How records become packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many packets a record becomes at most.
    pub pieces: u64,
    /// How long records are held back to be put in order.
    pub disorder: Span,
}

/// What the packet that is made of a record has.
pub const OFFERS: Fields = Fields::of(&[
    Field::Len,
    Field::CapLen,
    Field::Ts,
    Field::Packets,
    Field::Bytes,
    Field::Source,
    Field::Link,
    Field::IpVersion,
    Field::IpSrc,
    Field::IpDst,
    Field::SrcAsn,
    Field::DstAsn,
    Field::SrcCountry,
    Field::DstCountry,
    Field::FlowCommunityId,
    Field::IpProto,
    Field::IpTos,
    Field::IpLen,
    Field::Sport,
    Field::Dport,
    Field::TcpSport,
    Field::TcpDport,
    Field::TcpFlags,
    Field::TcpFin,
    Field::TcpSyn,
    Field::TcpRst,
    Field::TcpPsh,
    Field::TcpAck,
    Field::TcpUrg,
    Field::TcpEce,
    Field::TcpCwr,
    Field::UdpSport,
    Field::UdpDport,
    Field::SctpSport,
    Field::SctpDport,
    Field::IcmpType,
    Field::IcmpCode,
    Field::Icmp6Type,
    Field::Icmp6Code,
    Field::ExporterAddr,
    Field::ExporterInput,
    Field::ExporterOutput,
]);

/// What a source of flow records offers.
pub fn description(name: String, pace: Pace, shape: Shape) -> Description {
    let spread = (shape.pieces > 1).then_some(Treatment::Spread);
    Description {
        links: vec![LinkType::RAW],
        resolution: Span(1_000_000),
        offers: OFFERS,
        lineage: [Treatment::Flows].into_iter().chain(spread).collect(),
        ..Description::new(name, pace)
    }
}

/// The options of every source of flow records.
pub const OPTIONS: [OptionDoc; 3] = [
    OptionDoc {
        name: "flows",
        default: "one",
        doc: "`one` packet stands for a flow, at its start; `spread` makes several over its \
            lifetime.",
    },
    OptionDoc {
        name: "pieces",
        default: "16",
        doc: "How many packets a flow is spread over at most (2 to 256).",
    },
    OptionDoc {
        name: "disorder",
        default: "30m in files, 0s live",
        doc: "How long records wait to be put in order of their start: the exporter's active \
            timeout.",
    },
];

impl Shape {
    /// Reads the options; `disorder` is what holds where it is not given.
    pub fn parse(options: &Options, disorder: Span) -> Result<Self, SourceError> {
        let pieces = options.number("pieces", 16, 2, 256)?;
        let pieces = match options.given("flows") {
            None | Some("one") => 1,
            Some("spread") => pieces,
            Some(other) => {
                let why = format!("`flows={other}` must be one or spread");
                return Err(options.wrong(why));
            }
        };
        Ok(Self { pieces, disorder: options.span("disorder", disorder)? })
    }
}
