//! Filters the slow way, for tests: one packet, one question at a time, straight from the text.
//!
//! Also makes the random filters and packets that the plan is held against.

use proptest::prelude::*;

use crate::addr::Addr;
use crate::batch::Batch;
use crate::field::{Field, FieldValue, Kind, decode_int, encode_int};
use crate::packet::build::{Frame, batch_of};
use crate::packet::{Layers, LinkType};

use super::set::{AddrSet, Ranges};
use super::term::{AddrKey, Arith, Base, Key, Operator, Relation};
use super::{Expr, inside};

/// A filter as asked, not yet canonical.
#[derive(Clone, Debug)]
pub enum Raw {
    Found(u32),
    Number(Key, Ranges),
    Masked(Key, u64, Ranges),
    Address(AddrKey, AddrSet),
    Chain(u8),
    Compare(Arith, Relation, Arith),
    Contains(Vec<u8>),
    Not(Box<Raw>),
    And(Vec<Raw>),
    Or(Vec<Raw>),
}

impl Raw {
    /// The same through the constructors, in canonical form.
    pub fn expr(&self) -> Expr {
        match self {
            Self::Found(layers) => Expr::found(*layers),
            Self::Number(key, set) => Expr::number(*key, set.clone()),
            Self::Masked(key, mask, set) => Expr::masked(*key, *mask, set.clone()),
            Self::Address(key, set) => Expr::address(*key, set.clone()),
            Self::Chain(proto) => Expr::chain(*proto),
            Self::Compare(left, op, right) => Expr::compare(left.clone(), *op, right.clone()),
            Self::Contains(bytes) => Expr::contains(Field::Payload, false, bytes),
            Self::Not(inner) => inner.expr().not(),
            Self::And(parts) => Expr::all_of(parts.iter().map(Self::expr)),
            Self::Or(parts) => Expr::any_of(parts.iter().map(Self::expr)),
        }
    }

    /// Whether packet `at` passes.
    pub fn passes(&self, batch: &Batch, at: usize) -> bool {
        match self {
            Self::Found(layers) => batch.layers(at).has(*layers),
            Self::Number(key, set) => {
                value(batch, at, *key).is_some_and(|v| set.contains(v.into()))
            }
            Self::Masked(key, mask, set) => {
                value(batch, at, *key).is_some_and(|v| set.contains((v & mask).into()))
            }
            Self::Address(key, set) => address(batch, at, *key).is_some_and(|a| set.contains(a)),
            Self::Chain(proto) => {
                batch.layers(at).has(Layers::IP) && inside::chain(batch, at, *proto)
            }
            Self::Compare(left, op, right) => {
                let sides = (number(batch, at, left), number(batch, at, right));
                let flip = if left.is_signed() || right.is_signed() { 1 << 31 } else { 0 };
                matches!(sides, (Some(a), Some(b)) if op.holds(a ^ flip, b ^ flip))
            }
            Self::Contains(bytes) => batch.payload(at).windows(bytes.len()).any(|w| w == bytes),
            Self::Not(inner) => !inner.passes(batch, at),
            Self::And(parts) => parts.iter().all(|part| part.passes(batch, at)),
            Self::Or(parts) => parts.iter().any(|part| part.passes(batch, at)),
        }
    }
}

fn value(batch: &Batch, at: usize, key: Key) -> Option<u64> {
    let Key::Field(field) = key else { return inside::inner_tag(batch, at, key) };
    Some(match batch.value(at, field)? {
        FieldValue::Bool(yes) => yes.into(),
        FieldValue::Uint(n) => n.into(),
        FieldValue::Int(n) => encode_int(n).into(),
        FieldValue::Mac(mac) => mac.0,
        FieldValue::Big(n) => n,
        FieldValue::Code(code) => code.kept().into(),
        FieldValue::Addr(_) | FieldValue::CommunityId(_) | FieldValue::Bytes(_) => return None,
    })
}

fn address(batch: &Batch, at: usize, key: AddrKey) -> Option<Addr> {
    let field = match key {
        AddrKey::Src => Field::IpSrc,
        AddrKey::Dst => Field::IpDst,
        AddrKey::InnerSrc => Field::InnerIpSrc,
        AddrKey::InnerDst => Field::InnerIpDst,
        AddrKey::Exporter => Field::ExporterAddr,
        AddrKey::ArpSrc => return inside::arp_addr(batch, at, false),
        AddrKey::ArpDst => return inside::arp_addr(batch, at, true),
    };
    match batch.value(at, field)? {
        FieldValue::Addr(addr) => Some(addr),
        _ => None,
    }
}

fn number(batch: &Batch, at: usize, arith: &Arith) -> Option<u32> {
    match arith {
        Arith::Const(c) => Some(*c),
        Arith::Key(key) if key.is_signed() => {
            value(batch, at, *key).map(|v| decode_int(v as u32).cast_unsigned())
        }
        Arith::Key(key) => value(batch, at, *key).map(|v| v as u32),
        Arith::Negate(inner) => number(batch, at, inner).map(u32::wrapping_neg),
        Arith::Binary(op, a, b) => op.apply(number(batch, at, a)?, number(batch, at, b)?),
        Arith::Load { base, offset, size } => {
            let layers = batch.layers(at);
            let (start, there) = match base {
                Base::Link => (0, true),
                Base::Ip4 => (layers.l3, layers.has(Layers::IPV4)),
                Base::Ip6 => (layers.l3, layers.has(Layers::IPV6)),
                Base::Arp => (layers.l3, layers.has(Layers::ARP)),
                Base::Transport => (layers.l4, true),
            };
            if !there || start == Layers::NONE {
                return None;
            }
            let offset = u64::from(number(batch, at, offset)?);
            let is_short = *base == Base::Transport && layers.has(Layers::SHORT);
            if is_short && offset + u64::from(*size) > 4 {
                return None;
            }
            let first = u64::from(start) + offset;
            let byte = |n: u8| {
                let at_byte = usize::try_from(first + u64::from(n)).ok()?;
                batch.data(at).get(at_byte).copied()
            };
            (0..*size).try_fold(0u32, |all, n| Some(all << 8 | u32::from(byte(n)?)))
        }
    }
}

/// Sets near the values that the packets below have.
fn set(max: u64) -> impl Strategy<Value = Ranges> {
    let near = prop::sample::select(vec![
        0u64,
        1,
        2,
        4,
        5,
        6,
        16,
        17,
        18,
        20,
        22,
        33,
        40,
        53,
        58,
        60,
        63,
        64,
        80,
        81,
        100,
        128,
        255,
        443,
        1024,
        1500,
        2048,
        4095,
        8080,
        33_024,
        65_535,
        1 << 40,
        (1 << 48) - 1,
        u64::MAX,
    ]);
    let range = (near.clone(), near).prop_map(move |(a, b)| {
        let (a, b) = (a.min(max), b.min(max));
        (u128::from(a.min(b)), u128::from(a.max(b)))
    });
    let one = range.clone().prop_map(|(a, _)| (a, a));
    prop::collection::vec(prop_oneof![one, range], 1..4).prop_map(Ranges::from_ranges)
}

fn key() -> impl Strategy<Value = Key> {
    let fields: Vec<Field> = Field::ALL
        .iter()
        .copied()
        .filter(|f| !matches!(f.kind(), Kind::Addr | Kind::CommunityId | Kind::Bytes))
        .collect();
    prop_oneof![
        20 => prop::sample::select(fields).prop_map(Key::Field),
        1 => (2u8..4).prop_map(Key::Vlan),
        1 => (2u8..4).prop_map(Key::Mpls),
    ]
}

fn narrow_key() -> impl Strategy<Value = Key> {
    key().prop_filter("fits arithmetic", |key| key.limit() <= u64::from(u32::MAX) && !key.is_code())
}

fn arith() -> impl Strategy<Value = Arith> {
    let leaf = prop_oneof![
        prop::sample::select(vec![0u32, 1, 2, 4, 6, 13, 15, 20, 64, 255, 0x1fff])
            .prop_map(Arith::Const),
        narrow_key().prop_map(Arith::Key),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        use Operator as O;
        let op = prop::sample::select(vec![
            O::Add,
            O::Sub,
            O::Mul,
            O::Div,
            O::Rem,
            O::And,
            O::Or,
            O::Xor,
            O::Shl,
            O::Shr,
        ]);
        let size = prop::sample::select(vec![1u8, 2, 4]);
        prop_oneof![
            (op, inner.clone(), inner.clone())
                .prop_filter("tcpdump's words do not divide by 0 either", |(op, _, b)| {
                    !matches!((op, b), (O::Div | O::Rem, Arith::Const(0)))
                })
                .prop_map(|(op, a, b)| Arith::binary(op, a, b)),
            inner.clone().prop_map(Arith::negate),
            (prop::sample::select(Base::ALL.to_vec()), inner, size).prop_map(
                |(base, offset, size)| Arith::Load { base, offset: Box::new(offset), size }
            ),
        ]
    })
}

const ADDRS: [&str; 8] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.1.2.3",
    "192.168.1.1",
    "224.0.0.1",
    "fe80::1",
    "2001:db8::5",
    "255.255.255.255",
];

fn addr() -> impl Strategy<Value = Addr> {
    prop::sample::select(ADDRS.to_vec()).prop_map(|text| text.parse().expect("an address"))
}

fn addr_set() -> impl Strategy<Value = AddrSet> {
    let one = (addr(), prop::sample::select(vec![0u8, 8, 10, 24, 32, 64, 128]))
        .prop_map(|(addr, bits)| AddrSet::prefix(crate::addr::Prefix::new(addr, bits)));
    let between = (addr(), addr()).prop_map(|(a, b)| AddrSet::between(a.min(b), a.max(b)));
    prop::collection::vec(prop_oneof![3 => one, 1 => between], 1..3)
        .prop_map(|sets| sets.iter().fold(AddrSet::default(), |all, one| all.union(one)))
}

/// Filters of all terms, nested a few levels.
pub fn raw() -> impl Strategy<Value = Raw> {
    let found = prop::sample::select(vec![
        Layers::IPV4,
        Layers::IPV6,
        Layers::ARP,
        Layers::TCP,
        Layers::UDP,
        Layers::SCTP,
        Layers::ICMP,
        Layers::ICMP6,
        Layers::VLAN,
        Layers::MPLS,
        Layers::PPPOE,
        Layers::LLC,
        Layers::FRAGMENT,
        Layers::TCP | Layers::UDP,
        Layers::VLAN | Layers::MPLS | Layers::PPPOE,
    ]);
    let number = key().prop_flat_map(|key| {
        (Just(key), set(key.limit())).prop_map(|(key, set)| Raw::Number(key, set))
    });
    let unsigned = narrow_key().prop_filter("bits of what has no sign", |key| !key.is_signed());
    let masked = unsigned.prop_flat_map(|key| {
        let mask =
            prop::sample::select(vec![1u64, 2, 3, 0x12, 0xf0, 0xff, 0xfff0, u32::MAX.into()]);
        (Just(key), mask, set(0xffff)).prop_map(|(key, mask, set)| {
            let mask = mask & key.bits();
            Raw::Masked(key, mask, set)
        })
    });
    let relation = prop::sample::select(vec![
        Relation::Eq,
        Relation::Ne,
        Relation::Lt,
        Relation::Le,
        Relation::Gt,
        Relation::Ge,
    ]);
    let leaf = prop_oneof![
        4 => found.prop_map(Raw::Found),
        6 => number,
        2 => masked,
        3 => (prop::sample::select(AddrKey::ALL.to_vec()), addr_set())
            .prop_map(|(key, set)| Raw::Address(key, set)),
        1 => prop::sample::select(vec![6u8, 17, 44, 0, 51]).prop_map(Raw::Chain),
        3 => (arith(), relation, arith()).prop_map(|(a, op, b)| Raw::Compare(a, op, b)),
        1 => prop::sample::select(vec![&b"GET "[..], b"a", b"\0\0"])
            .prop_map(|bytes| Raw::Contains(bytes.to_vec())),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| Raw::Not(Box::new(one))),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Raw::And),
            prop::collection::vec(inner, 1..4).prop_map(Raw::Or),
        ]
    })
}

/// Frames of every shape the builder knows, some cut short, some with bytes overwritten.
fn frame() -> impl Strategy<Value = Frame> {
    let port = prop::sample::select(vec![0u16, 22, 53, 80, 443, 1024, 8080, 65_535]);
    let proto = prop::sample::select(vec![6u8, 6, 6, 17, 17, 1, 58, 132, 47, 2, 51]);
    let ends = (addr(), addr(), port.clone(), port);
    let tags = prop::collection::vec(prop::sample::select(vec![5u16, 6, 0x2005, 0xffff]), 0..4);
    let labels = prop::collection::vec(prop::sample::select(vec![5u32, 6, 0xf_ffff]), 0..3);
    let shape = (tags, labels, prop::option::weighted(0.1, Just(7u16)), any::<bool>(), 0u8..8);
    let cut = (prop::option::weighted(0.2, 0u32..90), any::<(u8, u8, u8, u8)>(), any::<bool>());
    (ends, proto, shape, cut, 0usize..3).prop_map(|(ends, proto, shape, cut, body)| {
        let (src, dst, sport, dport) = ends;
        let (tags, labels, session, hop_by_hop, kind) = shape;
        let (cap, (flags, ttl, at, with), mutate) = cut;
        // Both ends of one family.
        let dst = if src.is_v6() == dst.is_v6() { dst } else { src };
        let v4 = if src.is_v6() { Addr::v4([10, 0, 0, 1]) } else { src };
        let mut frame = match kind {
            0 => Frame::arp(v4, v4, true),
            1 => Frame::ethernet(0x88cc, vec![1, 2, 3]),
            2 => Frame::ethernet(30, vec![0x42, 0x42, 3, 0, 0]),
            3 => Frame::ip((src, sport), (dst, dport), proto).fragment(8 * u16::from(flags), true),
            _ => Frame::ip((src, sport), (dst, dport), proto),
        };
        frame = tags.into_iter().fold(frame, Frame::vlan);
        frame = labels.into_iter().fold(frame, Frame::mpls);
        if let Some(session) = session {
            frame = frame.pppoe(session);
        }
        if hop_by_hop && kind == 7 {
            frame = frame.hop_by_hop();
        }
        frame = frame.flags(flags).ttl(ttl).payload([&b"GET /"[..], b"", b"aaaaaaaa"][body]);
        if let Some(cap) = cap {
            frame = frame.cap(cap);
        }
        if mutate {
            let mut bytes = frame.bytes();
            let (place, len) = (usize::from(at) % bytes.len().max(1), bytes.len());
            if place < len {
                bytes[place] = with;
            }
            let link = [LinkType::ETHERNET, LinkType::RAW, LinkType::LINUX_SLL]
                [usize::from(flags % 8).min(2)];
            frame = Frame::raw(if flags % 8 < 3 { link } else { LinkType::ETHERNET }, bytes);
        }
        frame
    })
}

/// Batches of such frames, not yet decoded.
pub fn batch() -> impl Strategy<Value = Vec<Frame>> {
    prop::collection::vec(frame(), 0..90)
}

/// These frames as a batch decoded for a plan.
pub fn decoded(frames: &[Frame], demand: crate::field::Demand) -> Batch {
    let mut batch = batch_of(frames.iter().cloned());
    batch.decode(demand);
    batch
}
