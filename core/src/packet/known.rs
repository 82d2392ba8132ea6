//! What is known of a packet that was made from a record: which fields it has.
//!
//! Its headers are as complete as any packet's, so that any tool can read them;
//! what the record does not say is zero there. The marks of the packet tell
//! which values are real, and whoever asks for another gets none.

use super::{Layers, Packet};
use crate::field::{Field, Fields};

/// Parts of the headers that are known. Kept in [`Packet::marks`] and in captures, so that a bit
/// keeps its meaning for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known(u16);

impl Known {
    /// Nothing but when it was and what it stands for.
    pub const NONE: Self = Self(0);
    /// The version of IP.
    pub const VERSION: Self = Self(1 << 5);
    /// The source address.
    pub const SRC: Self = Self(1 << 6);
    /// The destination address.
    pub const DST: Self = Self(1 << 7);
    /// The protocol number.
    pub const PROTO: Self = Self(1 << 8);
    /// The source port.
    pub const SPORT: Self = Self(1 << 9);
    /// The destination port.
    pub const DPORT: Self = Self(1 << 10);
    /// The type of service.
    pub const TOS: Self = Self(1 << 11);
    /// The TCP flags.
    pub const FLAGS: Self = Self(1 << 12);
    /// The type and code of ICMP.
    pub const ICMP: Self = Self(1 << 13);
    /// The length that IP states, of which the weight has the sum.
    pub const IP_LEN: Self = Self(1 << 14);
    /// The EtherType.
    pub const ETHER_TYPE: Self = Self(1 << 15);

    /// Every mark there is for this.
    pub const ALL: u16 = !((1 << 5) - 1);

    /// What either knows.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is known.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What `marks` say is known, of a packet that was made from a record.
    pub const fn of(marks: u16) -> Option<Self> {
        if marks & Packet::REPLAYED == 0 { None } else { Some(Self(marks & Self::ALL)) }
    }

    /// The marks of a packet made from a record of which so much is known.
    pub const fn marks(self) -> u16 {
        Packet::FLOW | Packet::REPLAYED | self.0
    }

    /// The fields that such a packet may have.
    pub fn fields(self) -> Fields {
        use Field as F;
        let always = [F::Len, F::CapLen, F::Ts, F::Packets, F::Bytes, F::Source, F::Link];
        let ports = |port: Self| self.has(port.and(Self::PROTO));
        // Whatever its protocol tells flows apart by must be known.
        let flow = [Self::SRC, Self::DST, Self::PROTO, Self::SPORT, Self::DPORT, Self::ICMP];
        let parts: [(bool, &[Field]); 15] = [
            (true, &always),
            (self.has(Self::VERSION), &[F::IpVersion]),
            (self.has(Self::SRC), &[F::IpSrc, F::SrcAsn, F::SrcCountry]),
            (self.has(Self::DST), &[F::IpDst, F::DstAsn, F::DstCountry]),
            (self.has(Self::PROTO), &[F::IpProto]),
            (self.has(Self::SPORT), &[F::Sport]),
            (self.has(Self::DPORT), &[F::Dport]),
            (ports(Self::SPORT), &[F::TcpSport, F::UdpSport, F::SctpSport]),
            (ports(Self::DPORT), &[F::TcpDport, F::UdpDport, F::SctpDport]),
            (self.has(Self::TOS), &[F::IpTos]),
            (self.has(Self::FLAGS), &TCP_FLAGS),
            (self.has(Self::ICMP), &[F::IcmpType, F::IcmpCode, F::Icmp6Type, F::Icmp6Code]),
            (self.has(Self::IP_LEN), &[F::IpLen]),
            (flow.into_iter().all(|part| self.has(part)), &[F::FlowCommunityId]),
            (self.has(Self::ETHER_TYPE), &[F::EthType]),
        ];
        let known = parts.iter().filter(|(known, _)| *known);
        known.fold(Fields::NONE, |all, (_, fields)| all.and(Fields::of(fields)))
    }
}

const TCP_FLAGS: [Field; 9] = [
    Field::TcpFlags,
    Field::TcpFin,
    Field::TcpSyn,
    Field::TcpRst,
    Field::TcpPsh,
    Field::TcpAck,
    Field::TcpUrg,
    Field::TcpEce,
    Field::TcpCwr,
];

impl Layers {
    /// Leaves of the headers found only what is known, and no place to read bytes at.
    pub(crate) fn keep_known(&mut self, known: Known) {
        let transport = Self::TCP | Self::UDP | Self::SCTP | Self::ICMP | Self::ICMP6 | Self::PROTO;
        let kept =
            [(Known::VERSION, Self::IP), (Known::PROTO, transport), (Known::ETHER_TYPE, Self::ARP)];
        let kept = kept.iter().filter(|(part, _)| known.has(*part)).fold(0, |all, (_, f)| all | f);
        let ethertype = if known.has(Known::ETHER_TYPE) { self.ethertype } else { 0 };
        let proto = if known.has(Known::PROTO) { self.proto } else { 0 };
        *self = Self { found: self.found & kept, ethertype, proto, ..Self::EMPTY };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;
    use crate::field::{Demand, FieldValue};
    use crate::packet::build::{Frame, batch_of};

    /// A batch with one whole packet, and one of which only `known` is known.
    fn batch(known: Known) -> Batch {
        let frame = Frame::tcp("10.0.0.1:1000", "10.0.0.2:80").len(100);
        let mut batch = batch_of([frame.clone(), frame.marks(known.marks())]);
        let demand = Field::ALL.iter().fold(Demand::NONE, |d, field| d.field_if_any(*field));
        batch.decode(demand);
        batch
    }

    #[test]
    fn only_what_is_known_has_a_value_in_columns_and_beside_them() {
        let known = Known::DST.and(Known::VERSION).and(Known::SPORT);
        let batch = batch(known);
        for field in Field::ALL.iter().copied() {
            let whole = batch.value(0, field);
            let want = whole.filter(|_| known.fields().has(field));
            assert_eq!(batch.value(1, field), want, "{}", field.name());
            if let Some(column) = batch.column(field) {
                assert_eq!(column.present.has(1), want.is_some(), "{}", field.name());
                assert_eq!(column.present.has(0), whole.is_some(), "{}", field.name());
            }
        }
        assert_eq!(batch.value(1, Field::Sport), Some(FieldValue::Uint(1000)));
        let ports = batch.numbers(Field::Dport).expect("asked for").0;
        assert_eq!(ports, [80, 0], "what is absent is 0");
        assert!(batch.layers(0).has(Layers::TCP) && !batch.layers(1).has(Layers::TCP));
        assert!(batch.layers(1).has(Layers::IPV4) && batch.layers(1).protocol().is_none());
    }

    #[test]
    fn marks_tell_what_is_known() {
        let known = Known::SRC.and(Known::ETHER_TYPE);
        assert_eq!(Known::of(known.marks()), Some(known));
        assert_eq!(Known::of(Packet::FLOW), None);
    }
}
