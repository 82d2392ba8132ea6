//! Clues: what every packet that a filter passes must carry, as an index can remember it.
//!
//! A run of packets is summed up by the clues of all of them; a filter needs
//! some. Where what it needs is missing, none of the packets can pass, and the
//! run need not be read. A filter that asks for other things than a few
//! addresses and ports needs nothing: then every run may hold what it passes.

use crate::addr::Addr;
use crate::batch::{Batch, Present};
use crate::field::{Demand, Field, FieldValue};
use crate::hash::TableHash;
use crate::packet::Layers;

use super::expr::{Expr, Node};
use super::inside;
use super::set::{AddrSet, Ranges};
use super::term::{AddrKey, Key, Term};

/// Values of one term that are worth looking up one by one.
const VALUES_MAX: u128 = 16;

/// One value of a packet, as a number that is the same in every run of the program: an address (of
/// IP or ARP, of either end), a port (of either end), or both ends of a flow with its protocol.
pub type Clue = u64;

/// Which clues a filter needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needs {
    /// This one.
    Clue(Clue),
    /// All of these; without any, nothing is needed.
    All(Vec<Needs>),
    /// One of these; without any, no packet can pass.
    Any(Vec<Needs>),
}

impl Needs {
    /// Whether packets that together carry the clues for which `has` is true may pass.
    pub fn met(&self, has: &impl Fn(Clue) -> bool) -> bool {
        match self {
            Self::Clue(clue) => has(*clue),
            Self::All(parts) => parts.iter().all(|part| part.met(has)),
            Self::Any(parts) => parts.iter().any(|part| part.met(has)),
        }
    }

    /// Whether any packets may pass.
    pub fn is_nothing(&self) -> bool {
        *self == NOTHING
    }
}

const NOTHING: Needs = Needs::All(Vec::new());

impl Expr {
    /// The clues that a packet must carry to pass.
    pub fn needs(&self) -> Needs {
        node(&self.0)
    }
}

fn node(of: &Node) -> Needs {
    match of {
        Node::All | Node::Leaf { negated: true, .. } => NOTHING,
        Node::None => Needs::Any(Vec::new()),
        Node::Leaf { term, .. } => leaf(term),
        Node::And(parts) => {
            let mut all: Vec<Needs> =
                parts.iter().map(node).filter(|part| !part.is_nothing()).collect();
            all.extend(flow(parts).map(Needs::Clue));
            Needs::All(all)
        }
        Node::Or(parts) => {
            let any: Vec<Needs> = parts.iter().map(node).collect();
            if any.iter().any(Needs::is_nothing) { NOTHING } else { Needs::Any(any) }
        }
    }
}

fn leaf(term: &Term) -> Needs {
    match term {
        Term::Address { key, set }
            if !matches!(key, AddrKey::InnerSrc | AddrKey::InnerDst | AddrKey::Exporter) =>
        {
            let few = |v6, set: &Ranges| {
                let clues = values(set)?.map(move |bits| of_addr(Addr::from_bits(v6, bits)));
                Some(clues.map(Needs::Clue).collect::<Vec<_>>())
            };
            match (few(false, &set.v4), few(true, &set.v6)) {
                (Some(v4), Some(v6)) => Needs::Any([v4, v6].concat()),
                _ => NOTHING,
            }
        }
        Term::Number { key, mask, set } if is_port(*key) && *mask == key.bits() => {
            match values(set) {
                Some(ports) => Needs::Any(ports.map(|p| Needs::Clue(of_port(p as u16))).collect()),
                None => NOTHING,
            }
        }
        _ => NOTHING,
    }
}

fn is_port(key: Key) -> bool {
    use Field as F;
    matches!(key, Key::Field(F::Sport | F::Dport | F::SctpSport | F::SctpDport))
}

/// The numbers of a set, where they are few.
fn values(set: &Ranges) -> Option<impl Iterator<Item = u128>> {
    let mut count = 0u128;
    for (low, high) in set.ranges() {
        count = count.checked_add(high - low)?.checked_add(1)?;
    }
    (count <= VALUES_MAX).then(|| set.ranges().iter().flat_map(|(low, high)| *low..=*high))
}

/// The clue of a flow, where all of its ends and its protocol are asked for.
fn flow(parts: &[Node]) -> Option<Clue> {
    let (mut src, mut dst, mut sport, mut dport, mut proto) = Default::default();
    for part in parts {
        let Node::Leaf { term, negated: false } = part else { continue };
        match term {
            Term::Address { key: AddrKey::Src, set } => src = only_addr(set),
            Term::Address { key: AddrKey::Dst, set } => dst = only_addr(set),
            Term::Number { key: Key::Field(Field::Sport), mask: 0xffff, set } => sport = only(set),
            Term::Number { key: Key::Field(Field::Dport), mask: 0xffff, set } => dport = only(set),
            Term::Found(Layers::TCP) => proto = Some(6),
            Term::Found(Layers::UDP) => proto = Some(17),
            _ => {}
        }
    }
    Some(of_flow((src?, sport? as u16), (dst?, dport? as u16), proto?))
}

fn only(set: &Ranges) -> Option<u128> {
    match set.ranges() {
        [(low, high)] if low == high => Some(*low),
        _ => None,
    }
}

fn only_addr(set: &AddrSet) -> Option<Addr> {
    match (only(&set.v4), only(&set.v6)) {
        (Some(bits), None) if set.v6.is_empty() => Some(Addr::from_bits(false, bits)),
        (None, Some(bits)) if set.v4.is_empty() => Some(Addr::from_bits(true, bits)),
        _ => None,
    }
}

/// What a batch must be decoded for before its clues are taken.
pub fn demand() -> Demand {
    let fields = [Field::IpSrc, Field::IpDst, Field::Sport, Field::Dport];
    fields.into_iter().fold(Demand::NONE.layers(), Demand::field)
}

/// Clues that were met. Clues can be chosen by strangers, so they are hashed again.
pub type Clues = hashbrown::HashSet<Clue, TableHash>;

/// No clues.
pub fn none() -> Clues {
    Clues::with_hasher(crate::hash::for_tables())
}

/// Adds the clues of all packets of a batch.
pub fn add(batch: &Batch, met: &mut Clues) {
    let columns = (batch.addrs(Field::IpSrc), batch.addrs(Field::IpDst));
    let ports = (batch.numbers(Field::Sport), batch.numbers(Field::Dport));
    for at in 0..batch.len() {
        let layers = batch.layers(at);
        let ends = (value(columns.0, at), value(columns.1, at));
        let ports = (value(ports.0, at), value(ports.1, at));
        if let ((Some(src), Some(dst)), (Some(sport), Some(dport))) = (ends, ports)
            && let Some(proto) = layers.protocol()
            && !met.insert(of_flow((src, sport as u16), (dst, dport as u16), proto))
        {
            // What else its packets carry is there already.
            continue;
        }
        let mut add = |clue| {
            met.insert(clue);
        };
        [ends.0, ends.1].into_iter().flatten().for_each(|addr| add(of_addr(addr)));
        [ports.0, ports.1].into_iter().flatten().for_each(|port| add(of_port(port as u16)));
        if layers.has(Layers::ARP) {
            let addrs = [false, true].map(|target| inside::arp_addr(batch, at, target));
            addrs.into_iter().flatten().for_each(|addr| add(of_addr(addr)));
        }
        if layers.has(Layers::SCTP) {
            for field in [Field::SctpSport, Field::SctpDport] {
                if let Some(FieldValue::Uint(port)) = batch.value(at, field) {
                    add(of_port(port as u16));
                }
            }
        }
    }
}

fn value<T: Copy>(column: Option<(&[T], &Present)>, at: usize) -> Option<T> {
    let (values, present) = column?;
    values.get(at).copied().filter(|_| present.has(at))
}

/// The clue of an address.
pub fn of_addr(addr: Addr) -> Clue {
    let bits = addr.bits();
    mixed(mixed(1 + u64::from(addr.is_v6()), (bits >> 64) as u64), bits as u64)
}

/// The clue of a port.
pub fn of_port(port: u16) -> Clue {
    mixed(3, u64::from(port))
}

/// The clue of a flow, the same in both directions.
pub fn of_flow(a: (Addr, u16), b: (Addr, u16), proto: u8) -> Clue {
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    let ports = u64::from(a.1) << 24 | u64::from(b.1) << 8 | u64::from(proto);
    mixed(mixed(of_addr(a.0), of_addr(b.0)), ports)
}

/// Takes a number into a hash: the finish of splitmix64 over both. Written down in
/// `docs/storage.md`, because files keep what comes of it.
#[inline]
fn mixed(hash: u64, more: u64) -> u64 {
    let x = (hash.rotate_left(25) ^ more).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Plan;
    use crate::packet::build::{Frame, batch_of};

    fn packets() -> Vec<Frame> {
        vec![
            Frame::tcp("10.0.0.1:1234", "10.0.0.2:80"),
            Frame::udp("10.0.0.3:53", "10.0.0.1:5353"),
            Frame::udp("[fe80::1]:53", "[fe80::2]:5353"),
            Frame::arp("10.0.0.9", "10.0.0.2", true),
        ]
    }

    /// Whether the filter's needs are met by each packet alone; where it passes they must be.
    #[track_caller]
    fn check(filter: &str, want: [bool; 4]) {
        let expr = Expr::parse(filter).expect("a filter");
        let met = packets().into_iter().map(|frame| {
            let mut plan = Plan::default();
            let slot = plan.add(&expr);
            let mut batch = batch_of([frame]);
            batch.decode(plan.demand().and(demand()));
            plan.run(&mut batch);
            let mut all = none();
            add(&batch, &mut all);
            let met = expr.needs().met(&|clue| all.contains(&clue));
            let passes = batch.pick(slot).is_some_and(|picked| picked.count() == 1);
            assert!(met || !passes, "{filter}: a packet that passes lacks a clue");
            met
        });
        assert_eq!(met.collect::<Vec<_>>(), want, "{filter}");
    }

    #[test]
    fn a_packet_that_passes_carries_what_is_needed() {
        check("host 10.0.0.1", [true, true, false, false]);
        check("src host 10.0.0.2", [true, false, false, true]);
        check("host fe80::2 and udp", [false, false, true, false]);
        check("port 53", [false, true, true, false]);
        check("port 53 and host 10.0.0.3", [false, true, false, false]);
        check("host 10.0.0.9 or port 80", [true, false, false, true]);
        check("host 10.0.0.1 and host 10.0.0.3", [false, true, false, false]);
        check("net 10.0.0.8/30", [false, false, false, true]);
        check(
            "tcp and src host 10.0.0.1 and src port 1234 and dst host 10.0.0.2 and dst port 80",
            [true, false, false, false],
        );
    }

    #[test]
    fn what_an_index_cannot_tell_is_not_needed() {
        for filter in
            ["all", "tcp", "not host 10.0.0.1", "net 10.0.0.0/8", "len > 5", "port 53 or tcp"]
        {
            assert!(Expr::parse(filter).expect("a filter").needs().is_nothing(), "{filter}");
        }
        assert_eq!(Expr::NONE.needs(), Needs::Any(Vec::new()));
    }

    #[test]
    fn both_directions_of_a_flow_have_one_clue_and_it_stays_what_it_is() {
        let (a, b) = (("10.0.0.1".parse().expect("an address"), 5), (Addr::v4([10, 0, 0, 2]), 80));
        assert_eq!(of_flow(a, b, 6), of_flow(b, a, 6));
        assert_ne!(of_flow(a, b, 6), of_flow(a, b, 17));
        // What files hold: it must not change.
        assert_eq!(of_port(80), 18_417_693_372_764_458_125);
        assert_eq!(of_addr(a.0), 15_343_496_287_169_025_696);
    }
}
