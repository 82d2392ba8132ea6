//! Prefix tries: the value of the longest prefix that holds an address, in a few steps.
//!
//! A poptrie (Asai and Ohara, SIGCOMM 2015): the leading bits of an address
//! index an array; after them each node decides six bits at once by two
//! bitmaps, of which a count of ones gives the place of the child or value.
//! A /24 takes one node, a routed IPv6 prefix three to five. Prefixes that say
//! what the one around them says are left out.
//!
//! Memory: 1 MiB for IPv4 and 4 MiB for IPv6 where there are such prefixes,
//! 24 bytes for a node and 4 for a value. See `bench/README.md` for a million.

use crate::addr::Addr;

/// The most prefixes of one table: sixteen times those of the Internet of 2025.
pub const PREFIXES_MAX: usize = 1 << 24;

/// In an entry of the first array: an index of a value rather than of a node.
const IS_LEAF: u32 = 1 << 31;

/// Bits that a node decides.
const STRIDE: u32 = 6;

/// Values by prefix, of both families. The value 0 is none.
#[derive(Clone, Debug, Default)]
pub struct Trie {
    v4: Family<u32>,
    v6: Family<u128>,
    prefixes: usize,
}

impl Trie {
    /// The value of the longest prefix that holds `addr`.
    #[inline]
    pub fn get(&self, addr: Addr) -> Option<u32> {
        let value =
            if addr.is_v6() { self.v6.get(addr.bits()) } else { self.v4.get(addr.bits() as u32) };
        (value != 0).then_some(value)
    }

    /// How many prefixes it was made of.
    pub fn prefixes(&self) -> usize {
        self.prefixes
    }

    /// The bytes it holds.
    pub fn bytes(&self) -> usize {
        self.v4.bytes() + self.v6.bytes()
    }
}

/// There are more prefixes than a table may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {PREFIXES_MAX} prefixes")]
pub struct TooMany;

/// Collects prefixes, in any order.
#[derive(Clone, Debug, Default)]
pub struct TrieBuilder {
    v4: Vec<Route<u32>>,
    v6: Vec<Route<u128>>,
}

impl TrieBuilder {
    /// Adds the prefix of the first `len` bits of `addr`. Where a prefix comes twice the last
    /// value holds; the value 0 says that nothing is known there.
    pub fn add(&mut self, addr: Addr, len: u8, value: u32) -> Result<(), TooMany> {
        if self.len() == PREFIXES_MAX {
            return Err(TooMany);
        }
        let len = len.min(addr.width());
        let bits = addr.masked(len).bits();
        if addr.is_v6() {
            self.v6.push(Route { bits, len, value });
        } else {
            self.v4.push(Route { bits: bits as u32, len, value });
        }
        Ok(())
    }

    /// How many prefixes were added.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The trie of what was added.
    pub fn build(self) -> Trie {
        let (v4, v6) = (sorted(self.v4), sorted(self.v6));
        let prefixes = v4.len() + v6.len();
        Trie { v4: Family::of(&v4), v6: Family::of(&v6), prefixes }
    }
}

/// A prefix and what it says.
#[derive(Clone, Copy, Debug)]
struct Route<B> {
    bits: B,
    len: u8,
    value: u32,
}

/// Routes in the order of a walk through the tree, a shorter one before those inside it.
fn sorted<B: Bits>(mut routes: Vec<Route<B>>) -> Vec<Route<B>> {
    routes.sort_by_key(|route| (route.bits, route.len));
    // Of two of one prefix the later moves to the front, which is what stays.
    routes.dedup_by(|later, kept| {
        let same = (later.bits, later.len) == (kept.bits, kept.len);
        if same {
            kept.value = later.value;
        }
        same
    });
    routes
}

/// An address of one family as a number.
trait Bits: Copy + Ord {
    /// Bits that the first array decides.
    const FIRST: u32;

    /// The first [`Bits::FIRST`] bits.
    fn first(self) -> usize;

    /// The six bits behind the first `at`, filled up with zeros.
    fn chunk(self, at: u32) -> u32;
}

impl Bits for u32 {
    const FIRST: u32 = 18;

    #[inline(always)]
    fn first(self) -> usize {
        (self >> (32 - Self::FIRST)) as usize
    }

    #[inline(always)]
    fn chunk(self, at: u32) -> u32 {
        self.checked_shl(at).unwrap_or(0) >> (32 - STRIDE)
    }
}

impl Bits for u128 {
    const FIRST: u32 = 20;

    #[inline(always)]
    fn first(self) -> usize {
        (self >> (128 - Self::FIRST)) as usize
    }

    #[inline(always)]
    fn chunk(self, at: u32) -> u32 {
        (self.checked_shl(at).unwrap_or(0) >> (128 - STRIDE)) as u32
    }
}

/// Six bits decided: for each of the 64 cases a child or a value.
#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// The cases that have a child.
    children: u64,
    /// The cases where another value begins than in the case before.
    values: u64,
    first_child: u32,
    first_value: u32,
}

/// The trie of one family.
#[derive(Clone, Debug)]
struct Family<B> {
    /// Empty where there is no prefix at all.
    entries: Vec<u32>,
    nodes: Vec<Node>,
    values: Vec<u32>,
    bits: std::marker::PhantomData<B>,
}

impl<B> Default for Family<B> {
    fn default() -> Self {
        let bits = std::marker::PhantomData;
        Self { entries: Vec::new(), nodes: Vec::new(), values: Vec::new(), bits }
    }
}

impl<B: Bits> Family<B> {
    #[inline]
    fn get(&self, addr: B) -> u32 {
        let Some(entry) = self.entries.get(addr.first()) else { return 0 };
        if entry & IS_LEAF != 0 {
            return self.value(entry & !IS_LEAF);
        }
        let (mut place, mut depth) = (*entry, B::FIRST);
        while let Some(node) = self.nodes.get(place as usize) {
            let case = 1 << addr.chunk(depth);
            let up_to = case | (case - 1);
            if node.children & case == 0 {
                return self.value(node.first_value + ones(node.values & up_to) - 1);
            }
            place = node.first_child + ones(node.children & up_to) - 1;
            depth += STRIDE;
        }
        0
    }

    #[inline(always)]
    fn value(&self, place: u32) -> u32 {
        self.values.get(place as usize).copied().unwrap_or(0)
    }

    fn bytes(&self) -> usize {
        (self.entries.capacity() + self.values.capacity()) * size_of::<u32>()
            + self.nodes.capacity() * size_of::<Node>()
    }

    /// The trie of routes as [`sorted`] leaves them.
    fn of(routes: &[Route<B>]) -> Self {
        let mut new = Self::default();
        if routes.is_empty() {
            return new;
        }
        let cases = Cases::of(routes, 1 << B::FIRST, 0, B::FIRST, |bits| bits.first());
        new.entries.reserve_exact(cases.values.len());
        let mut groups = cases.groups.into_iter().peekable();
        for (case, value) in cases.values.into_iter().enumerate() {
            let entry = match groups.next_if(|group| group.case == case) {
                Some(group) => {
                    let place = new.nodes.len();
                    new.nodes.push(Node::default());
                    new.fill(place, group.routes, B::FIRST, value);
                    place as u32
                }
                None => {
                    if new.values.last() != Some(&value) {
                        new.values.push(value);
                    }
                    (new.values.len() as u32 - 1) | IS_LEAF
                }
            };
            new.entries.push(entry);
        }
        new.nodes.shrink_to_fit();
        new.values.shrink_to_fit();
        new
    }

    /// Makes the node at `place`, which decides the bits behind the first `depth`, where `around`
    /// is what the prefixes around it say. Recursion is as deep as an address has strides.
    fn fill(&mut self, place: usize, routes: &[Route<B>], depth: u32, around: u32) {
        let cases =
            Cases::of(routes, 64, around, depth + STRIDE, |bits| bits.chunk(depth) as usize);
        let mut node = Node {
            first_child: self.nodes.len() as u32,
            first_value: self.values.len() as u32,
            ..Node::default()
        };
        for group in &cases.groups {
            node.children |= 1 << group.case;
        }
        let mut before = None;
        for (case, value) in cases.values.iter().enumerate() {
            if node.children >> case & 1 == 0 && before != Some(value) {
                node.values |= 1 << case;
                self.values.push(*value);
                before = Some(value);
            }
        }
        // Children stand side by side, so that one place and a count of ones finds each.
        let first_child = self.nodes.len();
        self.nodes.resize(first_child + cases.groups.len(), Node::default());
        for (nth, group) in cases.groups.into_iter().enumerate() {
            let around = cases.values[group.case];
            self.fill(first_child + nth, group.routes, depth + STRIDE, around);
        }
        self.nodes[place] = node;
    }
}

/// What routes say of each of several cases, and which need a closer look.
struct Cases<'a, B> {
    values: Vec<u32>,
    groups: Vec<Group<'a, B>>,
}

/// The routes within one case, that do not all say what it says already.
struct Group<'a, B> {
    case: usize,
    routes: &'a [Route<B>],
}

impl<'a, B: Bits> Cases<'a, B> {
    /// Sorts out routes by the bits up to `depth`, which make `count` cases.
    fn of(
        routes: &'a [Route<B>],
        count: usize,
        around: u32,
        depth: u32,
        case_of: impl Fn(B) -> usize,
    ) -> Self {
        let mut values = vec![around; count];
        let mut groups = Vec::new();
        let mut at = 0;
        while let Some(route) = routes.get(at) {
            let case = case_of(route.bits);
            let len = u32::from(route.len);
            if len <= depth {
                // Those inside it come later and write over it.
                let end = case.saturating_add(1 << (depth - len)).min(count);
                values[case..end].fill(route.value);
                at += 1;
                continue;
            }
            let inside =
                |route: &Route<B>| u32::from(route.len) > depth && case_of(route.bits) == case;
            let many = routes[at..].iter().take_while(|route| inside(route)).count();
            let routes = &routes[at..at + many];
            if routes.iter().any(|route| route.value != values[case]) {
                groups.push(Group { case, routes });
            }
            at += many;
        }
        Self { values, groups }
    }
}

/// How many ones there are.
#[inline(always)]
fn ones(bits: u64) -> u32 {
    bits.count_ones()
}

#[cfg(test)]
mod tests;
