//! Terms made ready to run: sets as the machine compares them, constants unpacked.

use memchr::memmem::Finder;

use crate::addr::Addr;
use crate::batch::{Batch, Column, Values};
use crate::community::CommunityId;
use crate::field::{Demand, Field, FieldValue, Kind};
use crate::filter::inside;
use crate::filter::set::{AddrSet, AddrSpan, Ranges};
use crate::filter::term::{AddrKey, Arith, Key, Relation, Term};
use crate::packet::{Layers, Packet};
use crate::selection::Selection;

use super::kernel;

/// A term, ready to run over a batch.
#[derive(Debug)]
pub enum Test {
    Found(u32),
    Number { key: Key, mask: u64, set: Numbers },
    Address { key: AddrKey, set: Addresses },
    Chain(u8),
    Compare { left: Arith, op: Relation, right: Arith, flip: u32 },
    Contains { field: Field, whole: bool, finder: Box<Finder<'static>> },
    CommunityId(CommunityId),
}

impl Test {
    /// The test of a term, and the headers without which it is false; 0 where it is quick enough
    /// not to ask for them first.
    pub fn of(term: &Term) -> (Self, u32) {
        match term {
            Term::Found(layers) => (Self::Found(*layers), 0),
            Term::Number { key, mask, set } => {
                let needs = match key {
                    Key::Vlan(_) => Layers::VLAN,
                    Key::Mpls(_) => Layers::MPLS,
                    Key::Field(field) if in_place(*field) => Layers::SCTP,
                    Key::Field(_) => 0,
                };
                (Self::Number { key: *key, mask: *mask, set: Numbers::of(set) }, needs)
            }
            Term::Address { key, set } => {
                let needs = match key {
                    AddrKey::ArpSrc | AddrKey::ArpDst => Layers::ARP,
                    _ => 0,
                };
                (Self::Address { key: *key, set: Addresses::of(set) }, needs)
            }
            Term::Chain(proto) => (Self::Chain(*proto), Layers::IP),
            Term::Compare { left, op, right } => {
                let mut needs = 0;
                for side in [left, right] {
                    side.walk(&mut |part| match part {
                        // The first base will do: the others are checked where they are read.
                        Arith::Load { base, .. } if needs == 0 => needs = base.needs(),
                        _ => {}
                    });
                }
                let (left, op, right) = (left.clone(), *op, right.clone());
                let flip = if left.is_signed() || right.is_signed() { 1 << 31 } else { 0 };
                (Self::Compare { left, op, right, flip }, needs)
            }
            Term::CommunityId(id) => (Self::CommunityId(*id), 0),
            Term::Contains { field, whole, bytes } => {
                let finder = Box::new(Finder::new(bytes).into_owned());
                let needs = if *field == Field::Payload { Layers::IP } else { Layers::WLAN };
                (Self::Contains { field: *field, whole: *whole, finder }, needs)
            }
        }
    }

    /// What it asks the capture stage to prepare.
    pub fn demand(&self) -> Demand {
        let key = |demand: Demand, key: Key| match key {
            Key::Field(field) if !in_place(field) => demand.field(field),
            // Read where they occur, behind any number of others.
            Key::Mpls(_) => demand.layers().deep(),
            _ => demand.layers(),
        };
        match self {
            Self::Number { key: of, .. } => key(Demand::NONE, *of),
            Self::Address { key: AddrKey::Src, .. } => Demand::NONE.field(Field::IpSrc),
            Self::Address { key: AddrKey::Dst, .. } => Demand::NONE.field(Field::IpDst),
            Self::Address { key: AddrKey::InnerSrc, .. } => Demand::NONE.field(Field::InnerIpSrc),
            Self::Address { key: AddrKey::InnerDst, .. } => Demand::NONE.field(Field::InnerIpDst),
            Self::Address { key: AddrKey::Exporter, .. } => Demand::NONE.field(Field::ExporterAddr),
            Self::Compare { left, right, .. } => {
                let mut demand = Demand::NONE;
                for side in [left, right] {
                    side.walk(&mut |part| match part {
                        Arith::Key(of) => demand = key(demand, *of),
                        Arith::Load { .. } => demand = demand.layers().deep(),
                        _ => {}
                    });
                }
                demand
            }
            Self::CommunityId(_) => Demand::NONE.field(Field::FlowCommunityId),
            Self::Contains { field, .. } => Demand::NONE.field(*field),
            Self::Found(layers) => found(*layers),
            Self::Chain(_) => Demand::NONE.relies_on(Field::IpProto),
            Self::Address { .. } => Demand::NONE.layers(),
        }
    }

    /// The packets it is true for; those outside `within` may be either.
    pub fn run(&self, batch: &Batch, within: Option<&Selection>) -> Selection {
        let len = batch.len();
        match self {
            Self::Found(layers) => {
                let (layers, all) = (*layers, batch.all_layers());
                if all.len() != len {
                    return Selection::none(len);
                }
                kernel::slice(all, within, |l: Layers| l.has(layers))
            }
            Self::Number { key, mask, set } => numbers(batch, within, *key, *mask, set),
            Self::Address { key, set } => match key {
                AddrKey::Src => addresses(batch, within, Field::IpSrc, set),
                AddrKey::Dst => addresses(batch, within, Field::IpDst, set),
                AddrKey::InnerSrc => addresses(batch, within, Field::InnerIpSrc, set),
                AddrKey::InnerDst => addresses(batch, within, Field::InnerIpDst, set),
                AddrKey::Exporter => addresses(batch, within, Field::ExporterAddr, set),
                AddrKey::ArpSrc | AddrKey::ArpDst => kernel::each(len, within, |at| {
                    let addr = inside::arp_addr(batch, at, *key == AddrKey::ArpDst);
                    addr.is_some_and(|addr| set.contains(addr))
                }),
            },
            Self::Chain(proto) => kernel::each(len, within, |at| inside::chain(batch, at, *proto)),
            Self::Compare { left, op, right, flip } => kernel::each(len, within, |at| {
                inside::compare(batch, at, (left, *op, right), *flip).unwrap_or(false)
            }),
            Self::CommunityId(want) => match batch.community_ids() {
                Some((ids, present)) => {
                    kernel::column(ids, present, within, |id: CommunityId| id == *want)
                }
                None => kernel::each(len, within, |at| {
                    batch.value(at, Field::FlowCommunityId) == Some(FieldValue::CommunityId(*want))
                }),
            },
            Self::Contains { field: Field::Payload, whole: false, finder } => {
                kernel::each(len, within, |at| finder.find(batch.payload(at)).is_some())
            }
            Self::Contains { field, whole, finder } => kernel::each(len, within, |at| {
                matches!(batch.value(at, *field), Some(FieldValue::Bytes(bytes))
                    if if *whole { bytes == finder.needle() } else { finder.find(bytes).is_some() })
            }),
        }
    }
}

/// Whether a field is so rare that it is read where it occurs, rather than as a column.
fn in_place(field: Field) -> bool {
    matches!(field, Field::SctpSport | Field::SctpDport)
}

/// A set of numbers as the machine compares them.
#[derive(Debug)]
pub enum Numbers {
    /// From the first, so many more.
    One(u64, u64),
    /// Few enough to try each.
    Many(Box<[(u64, u64)]>),
}

impl Numbers {
    fn of(set: &Ranges) -> Self {
        let span = |(low, high): &(u128, u128)| (*low as u64, (*high - *low) as u64);
        match set.ranges() {
            [one] => {
                let (low, more) = span(one);
                Self::One(low, more)
            }
            many => Self::Many(many.iter().map(span).collect()),
        }
    }

    #[inline]
    fn contains(&self, value: u64) -> bool {
        match self {
            Self::One(low, more) => value.wrapping_sub(*low) <= *more,
            Self::Many(spans) => {
                let at = spans.partition_point(|(low, _)| *low <= value);
                let before = at.checked_sub(1).and_then(|at| spans.get(at));
                before.is_some_and(|(low, more)| value - low <= *more)
            }
        }
    }
}

fn numbers(
    batch: &Batch,
    within: Option<&Selection>,
    key: Key,
    mask: u64,
    set: &Numbers,
) -> Selection {
    let Key::Field(field) = key else {
        return kernel::each(batch.len(), within, |at| {
            inside::inner_tag(batch, at, key).is_some_and(|v| set.contains(v & mask))
        });
    };
    let narrow = mask as u32;
    match (batch.column(field), set) {
        (Some(Column { values: Values::U32(values), present }), Numbers::One(low, more)) => {
            let (low, more) = (*low as u32, *more as u32);
            kernel::column(values, present, within, |v: u32| (v & narrow).wrapping_sub(low) <= more)
        }
        (Some(Column { values: Values::U32(values), present }), _) => {
            kernel::column(values, present, within, |v: u32| set.contains((v & narrow).into()))
        }
        (Some(Column { values: Values::U64(values), present }), _) => {
            kernel::column(values, present, within, |v: u64| set.contains(v & mask))
        }
        _ => {
            let packets = batch.all();
            let test = |v: u64| set.contains(v & mask);
            match field {
                Field::Len => kernel::slice(packets, within, |p: Packet| test(p.wire_len.into())),
                Field::CapLen => kernel::slice(packets, within, |p: Packet| test(p.cap_len.into())),
                Field::Source => kernel::slice(packets, within, |p: Packet| test(p.source.into())),
                Field::Link => kernel::slice(packets, within, |p: Packet| test(p.link.0.into())),
                Field::Ts => kernel::slice(packets, within, |p: Packet| test(p.ts.0)),
                _ => kernel::each(batch.len(), within, |at| {
                    inside::number(batch, at, field).is_some_and(test)
                }),
            }
        }
    }
}

/// What a source must offer for these headers to be found in its packets.
fn found(layers: u32) -> Demand {
    const TRANSPORT: u32 =
        Layers::TCP | Layers::UDP | Layers::SCTP | Layers::ICMP | Layers::ICMP6 | Layers::PROTO;
    if layers & !TRANSPORT == 0 {
        Demand::NONE.relies_on(Field::IpProto)
    } else if layers & !Layers::IP == 0 {
        Demand::NONE.relies_on(Field::IpVersion)
    } else {
        Demand::NONE.layers()
    }
}

/// A set of addresses as the machine compares them.
#[derive(Debug)]
pub enum Addresses {
    /// One IPv4 network: the bits that count, and what they are.
    V4(u32, u32),
    /// One IPv6 network.
    V6(u128, u128),
    /// Any other set.
    Any(AddrSet),
}

impl Addresses {
    fn of(set: &AddrSet) -> Self {
        let (addr, free) = match set.spans().as_slice() {
            [AddrSpan::One(addr)] => (*addr, 0),
            [AddrSpan::Net(net)] => (net.addr(), u32::from(net.addr().width() - net.bits())),
            _ => return Self::Any(set.clone()),
        };
        let mask = u128::MAX.checked_shl(free).unwrap_or(0);
        if addr.is_v6() {
            Self::V6(mask, addr.bits())
        } else {
            Self::V4(mask as u32, addr.bits() as u32)
        }
    }

    #[inline]
    fn contains(&self, addr: Addr) -> bool {
        match self {
            Self::V4(mask, want) => !addr.is_v6() && addr.bits() as u32 & mask == *want,
            Self::V6(mask, want) => addr.is_v6() && addr.bits() & mask == *want,
            Self::Any(set) => set.contains(addr),
        }
    }
}

fn addresses(
    batch: &Batch,
    within: Option<&Selection>,
    field: Field,
    set: &Addresses,
) -> Selection {
    debug_assert_eq!(field.kind(), Kind::Addr);
    let Some((values, present)) = batch.addrs(field) else {
        return kernel::each(batch.len(), within, |at| match batch.value(at, field) {
            Some(FieldValue::Addr(addr)) => set.contains(addr),
            _ => false,
        });
    };
    match set {
        // Outside the loop, so that each loop is about one kind of set.
        Addresses::V4(mask, want) => {
            let (mask, want) = (*mask, *want);
            kernel::column(values, present, within, |addr: Addr| {
                !addr.is_v6() & (addr.bits() as u32 & mask == want)
            })
        }
        _ => kernel::column(values, present, within, |addr: Addr| set.contains(addr)),
    }
}
