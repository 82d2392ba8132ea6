//! Expressions in canonical form: two filters that ask the same in the same terms are equal.
//!
//! Expressions are built only by the constructors here, and each keeps the
//! form: `not` stands at terms alone, `and` and `or` are flat, sorted and
//! without repetition, and terms about one number are one set.

use std::collections::HashMap;

use crate::community::CommunityId;
use crate::field::{Field, encode_int};
use crate::lookup::{Lookups, MissingTable};
use crate::packet::Layers;

use super::FilterError;
use super::set::{AddrSet, Ranges};
use super::term::{AddrKey, Arith, Key, Operator, Relation, Term};

/// A filter, typed and in canonical form. Prints as a filter that parses to itself.
///
/// Equality and hash are those of the meaning as far as the canonical form
/// goes, so a stored stream can be found by the filter that made it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expr(pub(super) Node);

/// What an expression is. Public to the filter only: the form is an invariant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// Every packet.
    All,
    /// No packet.
    None,
    /// A term, or its opposite.
    Leaf {
        /// The question.
        term: Term,
        /// Whether those are meant for which it is false.
        negated: bool,
    },
    /// All of these, at least two.
    And(Vec<Node>),
    /// Any of these, at least two.
    Or(Vec<Node>),
}

/// All tags that may stand between link and network header.
pub const TAGS: u32 = Layers::VLAN | Layers::MPLS | Layers::PPPOE;

impl Expr {
    /// Parses a filter, forgetting its warnings; an empty text passes every packet.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        super::parse(text).map(|parsed| parsed.expr)
    }

    /// The filter that passes every packet.
    pub const ALL: Self = Self(Node::All);

    /// The filter that passes none.
    pub const NONE: Self = Self(Node::None);

    /// Whether it passes every packet.
    pub fn is_all(&self) -> bool {
        self.0 == Node::All
    }

    /// Whether it passes none.
    pub fn is_none(&self) -> bool {
        self.0 == Node::None
    }

    /// The packets that all of `parts` pass.
    pub fn all_of(parts: impl IntoIterator<Item = Self>) -> Self {
        Self(join(true, parts.into_iter().map(|e| e.0).collect()))
    }

    /// The packets that any of `parts` passes.
    pub fn any_of(parts: impl IntoIterator<Item = Self>) -> Self {
        Self(join(false, parts.into_iter().map(|e| e.0).collect()))
    }

    /// The packets that both pass.
    pub fn and(self, other: Self) -> Self {
        Self::all_of([self, other])
    }

    /// The packets that either passes.
    pub fn or(self, other: Self) -> Self {
        Self::any_of([self, other])
    }

    /// The packets it does not pass.
    #[expect(clippy::should_implement_trait, reason = "reads beside `and` and `or`")]
    pub fn not(self) -> Self {
        Self(negate(self.0))
    }

    /// The packets in which any of these headers was found.
    pub fn found(layers: u32) -> Self {
        Self(leaf(Term::Found(layers), false))
    }

    /// The packets without VLAN, MPLS or PPPoE in front of the network header.
    pub fn untagged() -> Self {
        Self::found(TAGS).not()
    }

    /// The packets that have this number, with a value in `set`.
    pub fn number(key: Key, set: Ranges) -> Self {
        Self::masked(key, key.bits(), set)
    }

    /// The packets that have this number, with its bits under `mask` in `set`.
    pub fn masked(key: Key, mask: u64, set: Ranges) -> Self {
        let mask = mask & key.bits();
        if mask == 0 {
            // Only whether it exists is asked.
            let all = Ranges::of(0, u128::from(key.limit()));
            return if set.contains(0) { Self::number(key, all) } else { Self::NONE };
        }
        let Key::Field(field) = key else {
            return Self(leaf(Term::Number { key, mask, set }, false));
        };
        let part = |key, layers: u32| {
            let key = Key::Field(key);
            Self::all_of([
                Self::found(layers),
                Self(leaf(Term::Number { key, mask: mask & key.bits(), set: set.clone() }, false)),
            ])
        };
        match field {
            // One column for each port, read where the protocol is right.
            Field::TcpSport => part(Field::Sport, Layers::TCP),
            Field::TcpDport => part(Field::Dport, Layers::TCP),
            Field::UdpSport => part(Field::Sport, Layers::UDP),
            Field::UdpDport => part(Field::Dport, Layers::UDP),
            _ => match flag_bit(field) {
                // One column for all flags.
                Some(bit) => {
                    let value = |v, to| if set.contains(v) { Some((to, to)) } else { None };
                    let values = [value(0, 0), value(1, u128::from(bit))];
                    let set = Ranges::from_ranges(values.into_iter().flatten().collect());
                    let key = Key::Field(Field::TcpFlags);
                    Self(leaf(Term::Number { key, mask: bit, set }, false))
                }
                None => Self(leaf(Term::Number { key, mask, set }, false)),
            },
        }
    }

    /// The packets that have this address, in `set`.
    pub fn address(key: AddrKey, set: AddrSet) -> Self {
        Self(leaf(Term::Address { key, set }, false))
    }

    /// The packets in whose chain of headers the protocol occurs.
    pub fn chain(proto: u8) -> Self {
        Self(leaf(Term::Chain(proto), false))
    }

    /// The packets whose `field` contains these bytes, or is these with nothing around them.
    pub fn contains(field: Field, whole: bool, bytes: &[u8]) -> Self {
        Self(leaf(Term::Contains { field, whole, bytes: bytes.into() }, false))
    }

    /// The packets of the flow with this Community ID.
    pub fn community_id(id: CommunityId) -> Self {
        Self(leaf(Term::CommunityId(id), false))
    }

    /// The packets for which two computed numbers compare so.
    pub fn compare(left: Arith, op: Relation, right: Arith) -> Self {
        let term = match (left, right) {
            (Arith::Const(a), Arith::Const(b)) => {
                return if op.holds(a, b) { Self::ALL } else { Self::NONE };
            }
            (left @ Arith::Const(_), right) => return Self::compare(right, op.flipped(), left),
            (Arith::Key(key), Arith::Const(c)) if key.is_signed() => {
                let kept = encode_int(c.cast_signed());
                return Self::number(key, op.set(u64::from(kept), key.limit()));
            }
            (Arith::Key(key), Arith::Const(c)) => {
                return Self::number(key, op.set(u64::from(c), key.limit()));
            }
            (Arith::Binary(Operator::And, a, b), Arith::Const(c)) => match (*a, *b) {
                (Arith::Key(key), Arith::Const(m)) | (Arith::Const(m), Arith::Key(key))
                    if !key.is_signed() =>
                {
                    let mask = u64::from(m) & key.bits();
                    return Self::masked(key, mask, op.set(u64::from(c), mask));
                }
                (a, b) => {
                    let left = Arith::Binary(Operator::And, Box::new(a), Box::new(b));
                    Term::Compare { left, op, right: Arith::Const(c) }
                }
            },
            (left, right) => Term::Compare { left, op, right },
        };
        Self(leaf(term, false))
    }

    /// The first field it reads that none of the tables serves.
    pub fn lacks(&self, lookups: &Lookups) -> Option<MissingTable> {
        let mut plan = super::Plan::default();
        plan.add(self);
        lookups.lacks(plan.demand().fields())
    }

    /// Calls `visit` with each of its terms.
    pub(super) fn terms(&self, visit: &mut impl FnMut(&Term)) {
        fn walk(node: &Node, visit: &mut impl FnMut(&Term)) {
            match node {
                Node::All | Node::None => {}
                Node::Leaf { term, .. } => visit(term),
                Node::And(parts) | Node::Or(parts) => {
                    parts.iter().for_each(|part| walk(part, visit));
                }
            }
        }
        walk(&self.0, visit);
    }
}

/// The bit of a TCP flag that has a field of its own.
pub fn flag_bit(field: Field) -> Option<u64> {
    FLAGS.iter().find(|(f, _)| *f == field).map(|(_, bit)| *bit)
}

/// TCP flags by field, in the order of their bits (RFC 9293 section 3.1).
pub const FLAGS: [(Field, u64); 8] = [
    (Field::TcpFin, 1),
    (Field::TcpSyn, 2),
    (Field::TcpRst, 4),
    (Field::TcpPsh, 8),
    (Field::TcpAck, 16),
    (Field::TcpUrg, 32),
    (Field::TcpEce, 64),
    (Field::TcpCwr, 128),
];

/// A term or its opposite, in canonical form.
fn leaf(term: Term, negated: bool) -> Node {
    let term = match term {
        Term::Found(0) => return constant(negated),
        Term::Number { key, mask, set } => match number(key, mask, set) {
            Ok((_, _, set)) if set.is_empty() => return constant(negated),
            Ok((key, mask, set)) if key.is_always() => {
                let max = u128::from(if mask == key.bits() { key.limit() } else { mask });
                if negated {
                    // Every packet has it, so that the opposite is the rest of the values.
                    let set = set.complement(max);
                    return leaf(Term::Number { key, mask, set }, false);
                }
                if set.is_full(max) {
                    return Node::All;
                }
                Term::Number { key, mask, set }
            }
            Ok((key, mask, set)) => Term::Number { key, mask, set },
            Err(present) => return if negated { negate(present) } else { present },
        },
        Term::Address { set, .. } if set.is_empty() => return constant(negated),
        Term::Address { key: key @ (AddrKey::ArpSrc | AddrKey::ArpDst), set } => {
            let set = set.only_v4();
            if set.is_empty() {
                return constant(negated);
            }
            Term::Address { key, set }
        }
        term => term,
    };
    Node::Leaf { term, negated }
}

/// What a term that is never true comes to.
fn constant(negated: bool) -> Node {
    if negated { Node::All } else { Node::None }
}

/// A number's set and mask in canonical form, or the node it comes to.
fn number(key: Key, mask: u64, set: Ranges) -> Result<(Key, u64, Ranges), Node> {
    let bits = key.bits();
    let mask = mask & bits;
    if mask == bits {
        let set = set.intersection(&Ranges::of(0, u128::from(key.limit())));
        return match header(key, &set) {
            Some(layers) => Err(leaf(Term::Found(layers), false)),
            None => Ok((key, mask, set)),
        };
    }
    let mut possible = Ranges::of(0, u128::from(mask));
    if mask.is_power_of_two() {
        possible = Ranges::from_ranges(vec![(0, 0), (u128::from(mask), u128::from(mask))]);
    }
    let set = set.intersection(&possible);
    if set == possible {
        let all = Ranges::of(0, u128::from(key.limit()));
        return Err(leaf(Term::Number { key, mask: bits, set: all }, false));
    }
    Ok((key, mask, set))
}

/// The header whose presence is all that a number in `set` says.
fn header(key: Key, set: &Ranges) -> Option<u32> {
    let any = |low: u128| *set == Ranges::of(low, u128::from(key.limit()));
    match key {
        Key::Field(Field::IpVersion) => {
            let version = |v, layer| if set.contains(v) { layer } else { 0 };
            Some(version(4, Layers::IPV4) | version(6, Layers::IPV6))
        }
        // Where there is no tag there is no depth, so that 0 never occurs.
        Key::Field(Field::VlanDepth) if any(1) || any(0) => Some(Layers::VLAN),
        Key::Field(Field::MplsDepth) if any(1) || any(0) => Some(Layers::MPLS),
        Key::Field(Field::IpFragment) if any(1) => Some(Layers::FRAGMENT),
        Key::Field(Field::Malformed) if any(1) => Some(Layers::MALFORMED),
        Key::Field(Field::Truncated) if any(1) => Some(Layers::TRUNCATED),
        _ => None,
    }
}

fn negate(node: Node) -> Node {
    match node {
        Node::All => Node::None,
        Node::None => Node::All,
        Node::Leaf { term, negated } => leaf(term, !negated),
        Node::And(parts) => join(false, parts.into_iter().map(negate).collect()),
        Node::Or(parts) => join(true, parts.into_iter().map(negate).collect()),
    }
}

/// Joins canonical parts by `and` or `or`.
fn join(and: bool, parts: Vec<Node>) -> Node {
    let (neutral, deciding) = if and { (Node::All, Node::None) } else { (Node::None, Node::All) };
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match (and, part) {
            (true, Node::And(inner)) | (false, Node::Or(inner)) => flat.extend(inner),
            (_, part) => flat.push(part),
        }
    }
    let (mut parts, again) = merge(and, flat);
    parts.retain(|part| *part != neutral);
    if parts.contains(&deciding) {
        return deciding;
    }
    parts.sort_unstable();
    parts.dedup();
    let opposite = |pair: &[Node]| match pair {
        [Node::Leaf { term: a, negated: x }, Node::Leaf { term: b, negated: y }] => {
            a == b && x != y
        }
        _ => false,
    };
    if parts.windows(2).any(opposite) {
        return deciding;
    }
    match parts.len() {
        0 => neutral,
        1 => parts.swap_remove(0),
        _ if again => join(and, parts),
        _ => {
            let common = common(and, &parts);
            match (common.is_empty(), and) {
                (true, true) => Node::And(parts),
                (true, false) => Node::Or(parts),
                _ => factored(and, common, parts),
            }
        }
    }
}

/// The parts of a part, where it is of the other kind: an `and` in an `or`.
fn inner(and: bool, part: &Node) -> &[Node] {
    match (and, part) {
        (true, Node::Or(parts)) | (false, Node::And(parts)) => parts,
        _ => std::slice::from_ref(part),
    }
}

/// What all parts of an `or` ask for besides: `tcp` in `(tcp and a) or (tcp and b)`; and the same
/// with `and` and `or` exchanged.
fn common(and: bool, parts: &[Node]) -> Vec<Node> {
    let Some((first, rest)) = parts.split_first() else { return Vec::new() };
    let shared = |one: &&Node| rest.iter().all(|part| inner(and, part).binary_search(one).is_ok());
    inner(and, first).iter().filter(shared).cloned().collect()
}

/// The parts with what is common to all taken out: `tcp and (a or b)`.
fn factored(and: bool, mut common: Vec<Node>, parts: Vec<Node>) -> Node {
    let without = |part: &Node| {
        let rest = inner(and, part).iter().filter(|one| common.binary_search(one).is_err());
        join(!and, rest.cloned().collect())
    };
    let rest = join(and, parts.iter().map(without).collect());
    common.push(rest);
    join(!and, common)
}

/// What makes two terms one when joined.
#[derive(PartialEq, Eq, Hash)]
enum Same {
    Found,
    Number(Key, u64),
    Address(AddrKey),
}

/// Makes terms about one number one term. Also tells whether that made other kinds of terms,
/// which may go together with the rest in turn.
fn merge(and: bool, parts: Vec<Node>) -> (Vec<Node>, bool) {
    let mut out: Vec<Node> = Vec::with_capacity(parts.len());
    let mut seen: HashMap<Same, usize> = HashMap::new();
    for part in parts {
        let same = match &part {
            // "neither a nor b", "a or b"; the other joinings of headers say no less apart.
            Node::Leaf { term: Term::Found(_), negated } if *negated == and => Some(Same::Found),
            Node::Leaf { term: Term::Number { key, mask, .. }, .. } => {
                Some(Same::Number(*key, *mask))
            }
            Node::Leaf { term: Term::Address { key, .. }, .. } => Some(Same::Address(*key)),
            _ => None,
        };
        let place = same.map(|same| *seen.entry(same).or_insert(out.len()));
        match place.and_then(|at| out.get_mut(at)) {
            Some(first) => both(and, first, part),
            None => out.push(part),
        }
    }
    let mut again = false;
    for part in &mut out {
        let Node::Leaf { term, negated } = part else { continue };
        let kind = std::mem::discriminant(term);
        let settled = leaf(term.clone(), *negated);
        again |=
            !matches!(&settled, Node::Leaf { term, .. } if std::mem::discriminant(term) == kind);
        *part = settled;
    }
    (out, again)
}

/// Joins `other` into `first`, a term about the same thing.
fn both(and: bool, first: &mut Node, other: Node) {
    let (Node::Leaf { term: a, negated: x }, Node::Leaf { term: b, negated: y }) = (first, other)
    else {
        return;
    };
    match (a, b) {
        (Term::Found(a), Term::Found(b)) => *a |= b,
        (Term::Number { set: a, .. }, Term::Number { set: b, .. }) => {
            (*a, *x) =
                joined(and, (a, *x), (&b, y), [Ranges::union, Ranges::intersection, Ranges::minus]);
        }
        (Term::Address { set: a, .. }, Term::Address { set: b, .. }) => {
            (*a, *x) = joined(
                and,
                (a, *x),
                (&b, y),
                [AddrSet::union, AddrSet::intersection, AddrSet::minus],
            );
        }
        _ => {}
    }
}

/// The set, and whether it is what is excluded, of "in `a` and (or) in `b`", either negated.
///
/// "Not in" is also true where the value is absent, which is why it is kept as a set to exclude.
fn joined<T>(
    and: bool,
    (a, a_out): (&T, bool),
    (b, b_out): (&T, bool),
    [union, intersection, minus]: [fn(&T, &T) -> T; 3],
) -> (T, bool) {
    match (and, a_out, b_out) {
        (true, false, false) | (false, true, true) => (intersection(a, b), a_out),
        (true, true, true) | (false, false, false) => (union(a, b), a_out),
        (true, false, true) => (minus(a, b), false),
        (true, true, false) => (minus(b, a), false),
        (false, false, true) => (minus(b, a), true),
        (false, true, false) => (minus(a, b), true),
    }
}
