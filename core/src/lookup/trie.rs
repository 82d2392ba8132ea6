//! Prefix tries: the value of the longest prefix that holds an address, in a few steps.
//!
//! A poptrie (Asai and Ohara, SIGCOMM 2015): the leading bits of an address
//! index an array; after them each node decides six bits at once by two
//! bitmaps, of which a count of ones gives the place of the child or value.
//! A prefix that is alone behind its bits so far is compared whole. Prefixes
//! that say what the one around them says are left out.
//!
//! What a look-up costs is waiting for memory, so those of a block of packets
//! are walked side by side: each step of one is fetched during those of others.
//!
//! Memory: 32 bytes for a step, 4 for a value, and 4 for an entry of the array,
//! which has up to 64 for each prefix and at most 1 MiB for IPv4 and 4 for IPv6.
//! See `bench/README.md` for a million.

mod cases;

use crate::addr::Addr;
use crate::prefetch::fetch;
use cases::Cases;

/// The most prefixes of one table: sixteen times those of the Internet of 2025.
pub const PREFIXES_MAX: usize = 1 << 24;

/// The most steps of one table, which take a gibibyte: many times those of the prefixes of the
/// Internet, but too few for as many addresses that each differ from another in their last bits.
pub const STEPS_MAX: usize = 1 << 25;

/// In an entry of the first array: an index of a value rather than of a node.
const IS_LEAF: u32 = 1 << 31;

/// Bits that a node decides.
const STRIDE: u32 = 6;

/// How many addresses are looked up side by side.
pub const WALKS: usize = 64;

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

    /// For each of some addresses the value of the longest prefix that holds it, 0 where there is
    /// none. Of many addresses that were not met lately this takes a fraction of the time of
    /// [`Trie::get`] for each.
    pub fn get_all(&self, addrs: &[Option<Addr>; WALKS]) -> [u32; WALKS] {
        let mut values = [0; WALKS];
        let (mut v4, mut v6) = (0, 0);
        for (nth, addr) in addrs.iter().enumerate() {
            v4 |= u64::from(addr.is_some_and(|addr| !addr.is_v6())) << nth;
            v6 |= u64::from(addr.is_some_and(Addr::is_v6)) << nth;
        }
        let bits = |nth: usize| addrs[nth].map_or(0, Addr::bits);
        self.v4.get_all(v4, |nth| bits(nth) as u32, &mut values);
        self.v6.get_all(v6, bits, &mut values);
        values
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

/// There is more than a table may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TooMany {
    /// Prefixes.
    #[error("more than {PREFIXES_MAX} prefixes")]
    Prefixes,
    /// Steps from one prefix to the next.
    #[error("prefixes so long and scattered that they take more than {STEPS_MAX} steps")]
    Steps,
}

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
            return Err(TooMany::Prefixes);
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
    pub fn build(self) -> Result<Trie, TooMany> {
        self.build_within(STEPS_MAX)
    }

    /// The trie, if it has at most so many steps.
    fn build_within(self, most: usize) -> Result<Trie, TooMany> {
        let (v4, v6) = (sorted(self.v4), sorted(self.v6));
        let prefixes = v4.len() + v6.len();
        let v4 = Family::of(&told_apart(v4), most)?;
        let v6 = Family::of(&told_apart(v6), most - v4.steps.len())?;
        Ok(Trie { v4, v6, prefixes })
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

/// Those of sorted routes that say another thing than the one around them.
fn told_apart<B: Bits>(mut routes: Vec<Route<B>>) -> Vec<Route<B>> {
    let mut around: Vec<Route<B>> = Vec::new();
    routes.retain(|route| {
        let holds = |outer: &Route<B>| route.bits.shared(outer.bits) >= u32::from(outer.len);
        while around.pop_if(|outer| !holds(outer)).is_some() {}
        let differs = around.last().map_or(0, |outer| outer.value) != route.value;
        if differs {
            around.push(*route);
        }
        differs
    });
    routes
}

/// An address of one family as a number.
trait Bits: Copy + Ord {
    /// The most bits that the first array decides.
    const FIRST: u32;

    /// The first `count` bits, of which there is at least one.
    fn first(self, count: u32) -> usize;

    /// The six bits behind the first `at`, filled up with zeros.
    fn chunk(self, at: u32) -> u32;

    /// How many of the first bits are those of `other`.
    fn shared(self, other: Self) -> u32;
}

impl Bits for u32 {
    const FIRST: u32 = 18;

    #[inline(always)]
    fn first(self, count: u32) -> usize {
        (self >> (32 - count)) as usize
    }

    #[inline(always)]
    fn chunk(self, at: u32) -> u32 {
        self.checked_shl(at).unwrap_or(0) >> (32 - STRIDE)
    }

    #[inline(always)]
    fn shared(self, other: Self) -> u32 {
        (self ^ other).leading_zeros()
    }
}

impl Bits for u128 {
    const FIRST: u32 = 20;

    #[inline(always)]
    fn first(self, count: u32) -> usize {
        (self >> (128 - count)) as usize
    }

    #[inline(always)]
    fn chunk(self, at: u32) -> u32 {
        (self.checked_shl(at).unwrap_or(0) >> (128 - STRIDE)) as u32
    }

    #[inline(always)]
    fn shared(self, other: Self) -> u32 {
        (self ^ other).leading_zeros()
    }
}

/// What comes after the first array. Two to a line of the cache, none in two.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
enum Step<B> {
    /// Six bits decided: for each of the 64 cases a child or a value.
    Node {
        /// The cases that have a child.
        children: u64,
        /// The cases where another value begins than in the case before.
        values: u64,
        first_child: u32,
        first_value: u32,
    },
    /// The only prefix here: its value where the address has its bits, else that around it.
    Alone { bits: B, len: u8, value: u32, around: u32 },
}

impl<B> Step<B> {
    /// Holds the place of one that is about to be made.
    const UNMADE: Self = Self::Node { children: 0, values: 0, first_child: 0, first_value: 0 };
}

const _: () = assert!(size_of::<Step<u128>>() == 32 && size_of::<Step<u32>>() == 32);

/// How far a walk has come.
#[derive(Clone, Copy, Debug)]
enum At {
    /// At a place among the steps.
    Step(u32),
    /// At a place among the values.
    Value(u32),
    /// At its end, with this value.
    End(u32),
}

/// The trie of one family.
#[derive(Clone, Debug)]
struct Family<B> {
    /// Bits that the first array decides.
    first: u32,
    /// The first array; empty where there is no prefix at all.
    entries: Vec<u32>,
    steps: Vec<Step<B>>,
    values: Vec<u32>,
}

impl<B: Bits> Default for Family<B> {
    fn default() -> Self {
        Self { first: B::FIRST, entries: Vec::new(), steps: Vec::new(), values: Vec::new() }
    }
}

impl<B: Bits> Family<B> {
    #[inline]
    fn get(&self, addr: B) -> u32 {
        let (mut at, mut depth) = (self.start(addr), self.first);
        while let At::Step(place) = at {
            at = self.step(place, addr, depth);
            depth += STRIDE;
        }
        self.end(at)
    }

    /// Looks up the addresses whose bit in `which` is set. All walks are equally deep, and what
    /// each needs next is fetched while the others step.
    fn get_all(&self, which: u64, addr: impl Fn(usize) -> B, values: &mut [u32; WALKS]) {
        each(which, |nth| {
            self.entries.get(addr(nth).first(self.first)).into_iter().for_each(fetch)
        });
        let mut walks = [At::End(0); WALKS];
        each(which, |nth| {
            walks[nth] = self.start(addr(nth));
            self.fetch(walks[nth]);
        });
        let (mut under_way, mut depth) = (which, self.first);
        while under_way != 0 {
            each(under_way, |nth| match walks[nth] {
                At::Step(place) => {
                    walks[nth] = self.step(place, addr(nth), depth);
                    self.fetch(walks[nth]);
                }
                At::Value(_) | At::End(_) => under_way &= !(1 << nth),
            });
            depth += STRIDE;
        }
        each(which, |nth| values[nth] = self.end(walks[nth]));
    }

    /// The first step of a walk.
    #[inline(always)]
    fn start(&self, addr: B) -> At {
        match self.entries.get(addr.first(self.first)) {
            Some(entry) if entry & IS_LEAF == 0 => At::Step(*entry),
            Some(entry) => At::Value(entry & !IS_LEAF),
            None => At::End(0),
        }
    }

    /// The next step from `place`, where the first `depth` bits are decided.
    #[inline(always)]
    fn step(&self, place: u32, addr: B, depth: u32) -> At {
        match self.steps.get(place as usize) {
            Some(Step::Node { children, values, first_child, first_value }) => {
                let case = 1 << addr.chunk(depth);
                let up_to = case | (case - 1);
                if children & case == 0 {
                    At::Value(first_value + ones(values & up_to) - 1)
                } else {
                    At::Step(first_child + ones(children & up_to) - 1)
                }
            }
            Some(Step::Alone { bits, len, value, around }) => {
                At::End(if addr.shared(*bits) >= u32::from(*len) { *value } else { *around })
            }
            None => At::End(0),
        }
    }

    /// The value where a walk has ended.
    #[inline(always)]
    fn end(&self, at: At) -> u32 {
        match at {
            At::Value(place) => self.values.get(place as usize).copied().unwrap_or(0),
            At::End(value) => value,
            At::Step(_) => 0,
        }
    }

    #[inline(always)]
    fn fetch(&self, at: At) {
        match at {
            At::Step(place) => self.steps.get(place as usize).into_iter().for_each(fetch),
            At::Value(place) => self.values.get(place as usize).into_iter().for_each(fetch),
            At::End(_) => {}
        }
    }

    fn bytes(&self) -> usize {
        (self.entries.capacity() + self.values.capacity()) * size_of::<u32>()
            + self.steps.capacity() * size_of::<Step<B>>()
    }

    /// The trie of routes as [`told_apart`] leaves them, of at most so many steps.
    fn of(routes: &[Route<B>], most: usize) -> Result<Self, TooMany> {
        let mut new = Self::default();
        if routes.is_empty() {
            return Ok(new);
        }
        // A few prefixes need no large array; whole strides keep to the lengths that are usual.
        while new.first >= 2 * STRIDE && routes.len() <= 1 << (new.first - STRIDE) {
            new.first -= STRIDE;
        }
        let first = new.first;
        let cases = Cases::of(routes, 1 << first, 0, first, |bits| bits.first(first));
        new.entries.reserve_exact(cases.values.len());
        let mut groups = cases.groups.into_iter().peekable();
        for (case, value) in cases.values.into_iter().enumerate() {
            let entry = match groups.next_if(|group| group.case == case) {
                Some(group) => {
                    let place = new.more(1, most)?;
                    new.fill(place, (group.routes, most), first, value)?;
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
        new.steps.shrink_to_fit();
        new.values.shrink_to_fit();
        Ok(new)
    }

    /// Makes room for more steps, `most` in all, and returns the place of the first.
    fn more(&mut self, many: usize, most: usize) -> Result<usize, TooMany> {
        let first = self.steps.len();
        let len = first.checked_add(many).filter(|len| *len <= most).ok_or(TooMany::Steps)?;
        self.steps.resize(len, Step::UNMADE);
        Ok(first)
    }

    /// Makes the step at `place`, behind the first `depth` bits, where `around` is what the
    /// prefixes around it say; there may be `most` steps. Recursion is as deep as an address has
    /// strides.
    fn fill(
        &mut self,
        place: usize,
        (routes, most): (&[Route<B>], usize),
        depth: u32,
        around: u32,
    ) -> Result<(), TooMany> {
        if let [Route { bits, len, value }] = *routes {
            self.steps[place] = Step::Alone { bits, len, value, around };
            return Ok(());
        }
        let cases =
            Cases::of(routes, 64, around, depth + STRIDE, |bits| bits.chunk(depth) as usize);
        let first_value = self.values.len() as u32;
        let children = cases.groups.iter().fold(0, |children, group| children | 1 << group.case);
        let (mut values, mut before) = (0, None);
        for (case, value) in cases.values.iter().enumerate() {
            if children >> case & 1 == 0 && before != Some(value) {
                values |= 1 << case;
                self.values.push(*value);
                before = Some(value);
            }
        }
        // Children stand side by side, so that one place and a count of ones finds each.
        let first = self.more(cases.groups.len(), most)?;
        for (nth, group) in cases.groups.into_iter().enumerate() {
            let around = cases.values[group.case];
            self.fill(first + nth, (group.routes, most), depth + STRIDE, around)?;
        }
        let first_child = first as u32;
        self.steps[place] = Step::Node { children, values, first_child, first_value };
        Ok(())
    }
}

/// Does something with the place of each one.
#[inline(always)]
fn each(mut bits: u64, mut with: impl FnMut(usize)) {
    while bits != 0 {
        with(bits.trailing_zeros() as usize);
        bits &= bits - 1;
    }
}

/// How many ones there are.
#[inline(always)]
fn ones(bits: u64) -> u32 {
    bits.count_ones()
}

#[cfg(test)]
mod tests;
