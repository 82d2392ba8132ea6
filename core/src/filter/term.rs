//! Terms: the yes-no questions a filter is made of, each about one thing.

use crate::community::CommunityId;
use crate::field::{Field, Kind};
use crate::packet::Layers;

use super::set::{AddrSet, Ranges};

/// One question about a packet. A term about something the packet does not have is false.
///
/// The order of the variants is the order in which a plan asks: the cheap ones first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term {
    /// Whether any of these headers was found: constants of [`Layers`], or-ed.
    Found(u32),
    /// Whether a number, after `mask`, is in a set.
    Number {
        /// Which number.
        key: Key,
        /// The bits that count; all that the number can have where nothing is masked.
        mask: u64,
        /// What they may be.
        set: Ranges,
    },
    /// Whether an address is in a set.
    Address {
        /// Which address.
        key: AddrKey,
        /// What it may be.
        set: AddrSet,
    },
    /// Whether a protocol number occurs in the chain of headers behind the network header.
    Chain(u8),
    /// Whether the flow has this Community ID.
    CommunityId(CommunityId),
    /// How two computed numbers compare.
    Compare {
        /// The left side.
        left: Arith,
        /// The comparison.
        op: Relation,
        /// The right side.
        right: Arith,
    },
    /// Whether the bytes of a field contain these, or are these.
    Contains {
        /// Whose bytes.
        field: Field,
        /// Whether nothing else may be there.
        whole: bool,
        /// What to look for.
        bytes: Box<[u8]>,
    },
}

/// A number a term may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A field of the table, of any kind but addresses and bytes.
    Field(Field),
    /// The identifier of an inner VLAN tag: 2 is the second from outside.
    Vlan(u8),
    /// An inner MPLS label: 2 is the second from outside.
    Mpls(u8),
}

impl Key {
    /// Its name in the language.
    pub fn name(self) -> String {
        match self {
            Self::Field(field) => field.name().to_owned(),
            Self::Vlan(nth) => format!("vlan{nth}.id"),
            Self::Mpls(nth) => format!("mpls{nth}.label"),
        }
    }

    /// Whether every packet has it.
    pub fn is_always(self) -> bool {
        matches!(self, Self::Field(field) if field.is_free())
    }

    /// Whether it may be negative; then sets hold it as [`crate::field::encode_int`] makes it.
    pub fn is_signed(self) -> bool {
        matches!(self, Self::Field(field) if field.kind() == Kind::Int)
    }

    /// Whether it is a code, which is compared with letters and never computed with.
    pub fn is_code(self) -> bool {
        matches!(self, Self::Field(field) if field.kind() == Kind::Code)
    }

    /// The greatest value it can have.
    pub fn limit(self) -> u64 {
        let Self::Field(field) = self else {
            return if matches!(self, Self::Vlan(_)) { 0xfff } else { 0xf_ffff };
        };
        match (field.kind(), field) {
            (Kind::Bool, _) => 1,
            (Kind::Mac, _) => (1 << 48) - 1,
            (Kind::Big, _) => u64::MAX,
            (Kind::Int | Kind::Code, _) => u64::from(u32::MAX),
            (_, Field::WlanType) => 3,
            (_, Field::WlanSecurity) => 5,
            (_, Field::WlanSubtype | Field::WlanFrag) => 15,
            (_, Field::WlanSeq) => 0xfff,
            (_, Field::VlanId) => 0xfff,
            (_, Field::VlanPriority) => 7,
            (_, Field::MplsLabel) => 0xf_ffff,
            (_, Field::IpVersion) => 15,
            (_, Field::IpHlen | Field::TcpHlen) => 60,
            (
                _,
                Field::VlanDepth
                | Field::MplsDepth
                | Field::IpProto
                | Field::IpTtl
                | Field::IpTos
                | Field::TcpFlags
                | Field::IcmpType
                | Field::IcmpCode
                | Field::Icmp6Type
                | Field::Icmp6Code
                | Field::WlanChannel,
            ) => 0xff,
            (
                _,
                Field::Len
                | Field::CapLen
                | Field::IpLen
                | Field::PayloadLen
                | Field::TcpSeq
                | Field::TcpAckNumber
                | Field::SrcAsn
                | Field::DstAsn
                | Field::RadioRate,
            ) => u64::from(u32::MAX),
            _ => 0xffff,
        }
    }

    /// Every bit it can have.
    pub fn bits(self) -> u64 {
        u64::MAX >> self.limit().leading_zeros().min(63)
    }
}

/// An address a term may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddrKey {
    /// Source of the IP header.
    Src,
    /// Destination of the IP header.
    Dst,
    /// Sender's protocol address of ARP, when it is IPv4.
    ArpSrc,
    /// Target's protocol address of ARP, when it is IPv4.
    ArpDst,
    /// Source of the IP header inside a tunnel.
    InnerSrc,
    /// Destination of the IP header inside a tunnel.
    InnerDst,
    /// Who reported the packet.
    Exporter,
}

impl AddrKey {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Src,
        Self::Dst,
        Self::ArpSrc,
        Self::ArpDst,
        Self::InnerSrc,
        Self::InnerDst,
        Self::Exporter,
    ];

    /// Its name in the language.
    pub fn name(self) -> &'static str {
        match self {
            Self::Src => "ip.src",
            Self::Dst => "ip.dst",
            Self::ArpSrc => "arp.src",
            Self::ArpDst => "arp.dst",
            Self::InnerSrc => "inner.ip.src",
            Self::InnerDst => "inner.ip.dst",
            Self::Exporter => "exporter.addr",
        }
    }
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    /// `==`, also written `=`.
    Eq,
    /// `!=`.
    Ne,
    /// `<`.
    Lt,
    /// `<=`.
    Le,
    /// `>`.
    Gt,
    /// `>=`.
    Ge,
}

impl Relation {
    /// As written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }

    /// The relation an operator stands for.
    pub fn of(text: &str) -> Option<Self> {
        if text == "=" {
            return Some(Self::Eq);
        }
        [Self::Eq, Self::Ne, Self::Lt, Self::Le, Self::Gt, Self::Ge]
            .into_iter()
            .find(|r| r.text() == text)
    }

    /// The relation with its sides exchanged.
    pub fn flipped(self) -> Self {
        match self {
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            same => same,
        }
    }

    /// Whether it holds.
    #[inline]
    pub fn holds(self, left: u32, right: u32) -> bool {
        match self {
            Self::Eq => left == right,
            Self::Ne => left != right,
            Self::Lt => left < right,
            Self::Le => left <= right,
            Self::Gt => left > right,
            Self::Ge => left >= right,
        }
    }

    /// The numbers up to `max` that stand in this relation to `value`.
    pub fn set(self, value: u64, max: u64) -> Ranges {
        let (value, max) = (u128::from(value), u128::from(max));
        let below = || value.checked_sub(1).map_or(Ranges::EMPTY, |v| Ranges::of(0, v.min(max)));
        match self {
            Self::Eq if value > max => Ranges::EMPTY,
            Self::Eq => Ranges::of(value, value),
            Self::Ne => Ranges::of(value, value).complement(max),
            Self::Lt => below(),
            Self::Le => Ranges::of(0, value.min(max)),
            Self::Gt => Ranges::of(value + 1, max),
            Self::Ge => Ranges::of(value, max),
        }
    }
}

/// A number computed from a packet, in 32 bits that wrap around, as tcpdump computes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arith {
    /// A constant.
    Const(u32),
    /// A field of at most 32 bits.
    Key(Key),
    /// Bytes of a header, in network order.
    Load {
        /// Where `offset` counts from.
        base: Base,
        /// The first byte.
        offset: Box<Arith>,
        /// How many: 1, 2 or 4.
        size: u8,
    },
    /// Zero minus a number.
    Negate(Box<Arith>),
    /// An operation on two numbers.
    Binary(Operator, Box<Arith>, Box<Arith>),
}

impl Arith {
    /// An operation, computed at once where both sides are constants and the result exists.
    pub fn binary(op: Operator, left: Self, right: Self) -> Self {
        if let (Self::Const(a), Self::Const(b)) = (&left, &right)
            && let Some(value) = op.apply(*a, *b)
        {
            return Self::Const(value);
        }
        Self::Binary(op, Box::new(left), Box::new(right))
    }

    /// Zero minus a number.
    pub fn negate(of: Self) -> Self {
        match of {
            Self::Const(value) => Self::Const(value.wrapping_neg()),
            other => Self::Negate(Box::new(other)),
        }
    }

    /// Whether a part of it may be negative; it then compares as a number with a sign.
    pub fn is_signed(&self) -> bool {
        let mut signed = false;
        self.walk(&mut |part| signed |= matches!(part, Self::Key(key) if key.is_signed()));
        signed
    }

    /// Calls `visit` with it and every part of it.
    pub fn walk(&self, visit: &mut impl FnMut(&Self)) {
        visit(self);
        match self {
            Self::Const(_) | Self::Key(_) => {}
            Self::Load { offset: inner, .. } | Self::Negate(inner) => inner.walk(visit),
            Self::Binary(_, left, right) => {
                left.walk(visit);
                right.walk(visit);
            }
        }
    }
}

/// What a byte offset counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Base {
    /// The first captured byte.
    Link,
    /// The IPv4 header.
    Ip4,
    /// The IPv6 header.
    Ip6,
    /// The ARP header.
    Arp,
    /// The header behind IPv4 or behind IPv6 and its extension headers; not in later fragments.
    Transport,
}

impl Base {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Link, Self::Ip4, Self::Ip6, Self::Arp, Self::Transport];

    /// As written in canonical form, before the bracket.
    pub fn text(self) -> &'static str {
        match self {
            Self::Link => "ether",
            Self::Ip4 => "ip.header",
            Self::Ip6 => "ip6.header",
            Self::Arp => "arp.header",
            Self::Transport => "transport",
        }
    }

    /// What must have been found for it to exist; 0 where nothing must.
    pub fn needs(self) -> u32 {
        match self {
            Self::Link => 0,
            Self::Ip4 => Layers::IPV4,
            Self::Ip6 => Layers::IPV6,
            Self::Arp => Layers::ARP,
            Self::Transport => Layers::IP,
        }
    }
}

/// An arithmetic operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`; nothing compares to a division by zero.
    Div,
    /// `%`; nothing compares to a remainder of a division by zero.
    Rem,
    /// `&`
    And,
    /// `|`
    Or,
    /// `^`
    Xor,
    /// `<<`
    Shl,
    /// `>>`
    Shr,
}

/// Operators as written, with how tightly each binds.
const OPERATORS: [(Operator, &str, u8); 10] = [
    (Operator::Or, "|", 1),
    (Operator::Xor, "^", 1),
    (Operator::And, "&", 2),
    (Operator::Shl, "<<", 3),
    (Operator::Shr, ">>", 3),
    (Operator::Add, "+", 4),
    (Operator::Sub, "-", 4),
    (Operator::Mul, "*", 5),
    (Operator::Div, "/", 5),
    (Operator::Rem, "%", 5),
];

impl Operator {
    /// The operator written so, and how tightly it binds.
    pub fn of(text: &str) -> Option<(Self, u8)> {
        OPERATORS.iter().find(|(_, t, _)| *t == text).map(|(op, _, binds)| (*op, *binds))
    }

    /// As written.
    pub fn text(self) -> &'static str {
        OPERATORS.iter().find(|(op, ..)| *op == self).map_or("", |(_, text, _)| text)
    }

    /// The result; none for a division by zero. Shifts by 32 and more leave nothing.
    #[inline]
    pub fn apply(self, a: u32, b: u32) -> Option<u32> {
        Some(match self {
            Self::Add => a.wrapping_add(b),
            Self::Sub => a.wrapping_sub(b),
            Self::Mul => a.wrapping_mul(b),
            Self::Div => a.checked_div(b)?,
            Self::Rem => a.checked_rem(b)?,
            Self::And => a & b,
            Self::Or => a | b,
            Self::Xor => a ^ b,
            Self::Shl => a.checked_shl(b).unwrap_or(0),
            Self::Shr => a.checked_shr(b).unwrap_or(0),
        })
    }
}
