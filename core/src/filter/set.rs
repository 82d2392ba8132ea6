//! Sets of numbers and of addresses, as sorted ranges.
//!
//! Every comparison in the language (`== != < <= > >= in`) becomes membership
//! in such a set, which is why `dport == 80 or dport == 443` and
//! `dport in {80, 443}` are one and the same filter.

use std::fmt;

use crate::addr::{Addr, Prefix};

/// Numbers, as ranges that include both ends.
///
/// Sorted, and neither overlapping nor touching, so that equal sets are equal values.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ranges(Vec<(u128, u128)>);

impl Ranges {
    /// No number.
    pub const EMPTY: Self = Self(Vec::new());

    /// The numbers from `low` to `high`, both included; none if `low` is the greater.
    pub fn of(low: u128, high: u128) -> Self {
        Self(if low <= high { vec![(low, high)] } else { Vec::new() })
    }

    /// Whatever lies in any of the given ranges.
    pub fn from_ranges(mut ranges: Vec<(u128, u128)>) -> Self {
        ranges.retain(|(low, high)| low <= high);
        ranges.sort_unstable();
        let mut out: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
        for (low, high) in ranges {
            match out.last_mut() {
                Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
                _ => out.push((low, high)),
            }
        }
        Self(out)
    }

    /// The ranges in order.
    pub fn ranges(&self) -> &[(u128, u128)] {
        &self.0
    }

    /// Whether it holds no number.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it holds every number up to `max`.
    pub fn is_full(&self, max: u128) -> bool {
        self.0 == [(0, max)]
    }

    /// Whether it holds `value`.
    pub fn contains(&self, value: u128) -> bool {
        let at = self.0.partition_point(|(_, high)| *high < value);
        self.0.get(at).is_some_and(|(low, _)| *low <= value)
    }

    /// What either holds.
    pub fn union(&self, other: &Self) -> Self {
        Self::from_ranges(self.0.iter().chain(&other.0).copied().collect())
    }

    /// The numbers up to `max` that it does not hold.
    pub fn complement(&self, max: u128) -> Self {
        let mut out = Vec::with_capacity(self.0.len() + 1);
        let mut next = Some(0);
        for (low, high) in &self.0 {
            if let (Some(start), Some(end)) = (next, low.checked_sub(1)) {
                out.push((start, end.min(max)));
            }
            next = high.checked_add(1);
        }
        if let Some(start) = next {
            out.push((start, max));
        }
        Self::from_ranges(out)
    }

    /// What both hold.
    pub fn intersection(&self, other: &Self) -> Self {
        self.minus(&other.complement(u128::MAX))
    }

    /// What it holds and `other` does not.
    pub fn minus(&self, other: &Self) -> Self {
        // a \ b = not (not a or b)
        self.complement(u128::MAX).union(other).complement(u128::MAX)
    }
}

/// Addresses of both families.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddrSet {
    /// IPv4, by number.
    pub v4: Ranges,
    /// IPv6, by number.
    pub v6: Ranges,
}

const V4_MAX: u128 = u32::MAX as u128;

impl AddrSet {
    /// The addresses of one network.
    pub fn prefix(prefix: Prefix) -> Self {
        let (addr, width) = (prefix.addr(), prefix.addr().width());
        let free = u32::from(width - prefix.bits());
        let mask = u128::MAX.checked_shl(free).map_or(u128::MAX, |high| !high);
        Self::between(addr, Addr::from_bits(addr.is_v6(), addr.bits() | mask))
    }

    /// The addresses from `low` to `high`, both included; none if they are of two families.
    pub fn between(low: Addr, high: Addr) -> Self {
        match (low.is_v6(), high.is_v6()) {
            (false, false) => Self { v4: Ranges::of(low.bits(), high.bits()), v6: Ranges::EMPTY },
            (true, true) => Self { v4: Ranges::EMPTY, v6: Ranges::of(low.bits(), high.bits()) },
            _ => Self::default(),
        }
    }

    /// Whether it holds no address.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether it holds `addr`.
    pub fn contains(&self, addr: Addr) -> bool {
        if addr.is_v6() { self.v6.contains(addr.bits()) } else { self.v4.contains(addr.bits()) }
    }

    /// What either holds.
    pub fn union(&self, other: &Self) -> Self {
        Self { v4: self.v4.union(&other.v4), v6: self.v6.union(&other.v6) }
    }

    /// What both hold.
    pub fn intersection(&self, other: &Self) -> Self {
        Self { v4: self.v4.intersection(&other.v4), v6: self.v6.intersection(&other.v6) }
    }

    /// What it holds and `other` does not.
    pub fn minus(&self, other: &Self) -> Self {
        Self { v4: self.v4.minus(&other.v4), v6: self.v6.minus(&other.v6) }
    }

    /// Every address of either family that it does not hold.
    pub fn complement(&self) -> Self {
        Self { v4: self.v4.complement(V4_MAX), v6: self.v6.complement(u128::MAX) }
    }

    /// Its IPv4 part.
    pub fn only_v4(&self) -> Self {
        Self { v4: self.v4.clone(), v6: Ranges::EMPTY }
    }

    /// Its ranges as written in the language: a network where a range is one, else `low..high`.
    pub fn spans(&self) -> Vec<AddrSpan> {
        let family = |v6| move |(low, high): &(u128, u128)| AddrSpan::of(v6, *low, *high);
        let v4 = self.v4.ranges().iter().map(family(false));
        v4.chain(self.v6.ranges().iter().map(family(true))).collect()
    }

    /// The fewest networks that make it up, in order.
    pub fn prefixes(&self) -> Vec<Prefix> {
        let mut out = Vec::new();
        for (v6, ranges) in [(false, &self.v4), (true, &self.v6)] {
            ranges.ranges().iter().for_each(|(low, high)| split(v6, *low, *high, &mut out));
        }
        out
    }
}

/// Cuts a range into the fewest networks.
fn split(v6: bool, low: u128, high: u128, out: &mut Vec<Prefix>) {
    let width: u32 = if v6 { 128 } else { 32 };
    let mut low = low;
    loop {
        // The largest block that starts at `low` and does not pass `high`.
        let mut free = low.trailing_zeros().min(width);
        while free > 0 && last_of(low, free) > high {
            free -= 1;
        }
        out.push(Prefix::new(Addr::from_bits(v6, low), (width - free) as u8));
        match last_of(low, free).checked_add(1) {
            Some(next) if next <= high => low = next,
            _ => return,
        }
    }
}

/// The last number of the block of `2^free` that starts at `low`.
fn last_of(low: u128, free: u32) -> u128 {
    low | u128::MAX.checked_shl(free).map_or(u128::MAX, |high| !high)
}

/// One range of addresses, in the shortest way to write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddrSpan {
    /// One address.
    One(Addr),
    /// A network.
    Net(Prefix),
    /// Any other range, both ends included.
    Between(Addr, Addr),
}

impl AddrSpan {
    fn of(v6: bool, low: u128, high: u128) -> Self {
        let (first, last) = (Addr::from_bits(v6, low), Addr::from_bits(v6, high));
        let free = (low ^ high).checked_ilog2().map_or(0, |bit| bit + 1);
        let prefix = Prefix::new(first, first.width().saturating_sub(free as u8));
        if low == high {
            Self::One(first)
        } else if prefix.addr() == first && last_of(low, free) == high {
            Self::Net(prefix)
        } else {
            Self::Between(first, last)
        }
    }
}

impl fmt::Display for AddrSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(addr) => addr.fmt(f),
            Self::Net(prefix) => prefix.fmt(f),
            Self::Between(low, high) => write!(f, "{low}..{high}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn small() -> impl Strategy<Value = Ranges> {
        prop::collection::vec((0u128..40, 0u128..40), 0..6).prop_map(Ranges::from_ranges)
    }

    proptest! {
        #[test]
        fn sets_agree_with_their_members(a in small(), b in small(), x in 0u128..45) {
            prop_assert_eq!(a.union(&b).contains(x), a.contains(x) || b.contains(x));
            prop_assert_eq!(a.intersection(&b).contains(x), a.contains(x) && b.contains(x));
            prop_assert_eq!(a.minus(&b).contains(x), a.contains(x) && !b.contains(x));
            prop_assert_eq!(a.complement(44).contains(x), !a.contains(x));
            prop_assert_eq!(a.complement(44).complement(44), a);
        }

        #[test]
        fn networks_make_up_the_range_they_were_cut_from(low: u32, high: u32) {
            let (low, high) = (low.min(high), low.max(high));
            let set = AddrSet {
                v4: Ranges::of(u128::from(low), u128::from(high)),
                v6: Ranges::EMPTY,
            };
            let whole = set.prefixes().into_iter().map(AddrSet::prefix);
            prop_assert_eq!(whole.fold(AddrSet::default(), |a, b| a.union(&b)), set);
        }
    }

    #[test]
    fn the_widest_networks_are_whole_families() {
        let both = AddrSet::default().complement();
        let text: Vec<String> = both.spans().iter().map(AddrSpan::to_string).collect();
        assert_eq!(text, ["0.0.0.0/0", "::/0"]);
        assert_eq!(both.prefixes().len(), 2);
        assert!(both.complement().is_empty());
    }
}
