//! Bloom filters: which clues a slab carries, in twelve bits each.
//!
//! Always right where it says no, wrong in 4 of 1,000 cases where it says yes:
//! a query for a host then reads a slab in 250 for nothing. Our own rather than
//! a crate's, because files keep it for years and any bytes must do.

use std::ops::Range;
use std::sync::Arc;

use crate::filter::clues::{Clue, Clues};

/// Bits for each clue.
const BITS: usize = 12;

/// Bits that are set for each: with twelve bits, more would gain less than it costs.
const PROBES: u64 = 6;

/// A set of clues, of whole 8 bytes: a part of some bytes, often of an index as it was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Bloom {
    held: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Bloom {
    /// The filter over these clues; of no length where there are none.
    pub fn of(clues: &Clues) -> Self {
        let mut bits = vec![0; (clues.len() * BITS).div_ceil(64) * 8];
        let len = bits.len();
        for clue in clues {
            for (byte, bit) in places(*clue, len) {
                if let Some(byte) = bits.get_mut(byte) {
                    *byte |= bit;
                }
            }
        }
        Self::part(&Arc::new(bits), 0..len)
    }

    /// The filter that was kept as this part of some bytes.
    pub fn part(held: &Arc<Vec<u8>>, range: Range<usize>) -> Self {
        Self { held: held.clone(), range }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        self.held.get(self.range.clone()).unwrap_or_default()
    }

    /// Whether the clue may be among them.
    pub fn has(&self, clue: Clue) -> bool {
        let bytes = self.bytes();
        let is_set = |(byte, bit): (usize, u8)| bytes.get(byte).is_some_and(|byte| byte & bit != 0);
        places(clue, bytes.len()).all(is_set)
    }
}

impl PartialEq for Bloom {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Bloom {}

/// The byte and the bit of each probe: the clue, stepped by an odd number made of it, scaled to the
/// length.
fn places(clue: Clue, bytes: usize) -> impl Iterator<Item = (usize, u8)> {
    let step = clue.rotate_left(32) | 1;
    let bits = bytes as u128 * 8;
    (0..PROBES).map(move |probe| {
        let hash = clue.wrapping_add(step.wrapping_mul(probe));
        let place = ((u128::from(hash) * bits) >> 64) as usize;
        (place / 8, 1 << (place % 8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::clues::{none, of_port};

    #[test]
    fn what_is_in_it_is_found_and_little_else() {
        for n in [1, 10, 1_000, 30_000u16] {
            let bloom = {
                let mut ports = none();
                ports.extend((0..n).map(of_port));
                Bloom::of(&ports)
            };
            assert!((0..n).all(|port| bloom.has(of_port(port))));
            let wrong = (n..=u16::MAX).filter(|port| bloom.has(of_port(*port))).count();
            let rate = wrong as f64 / f64::from(u16::MAX - n);
            assert!(rate < 0.006, "{n}: {rate}");
        }
    }

    #[test]
    fn one_without_clues_has_none() {
        let bloom = Bloom::of(&none());
        assert!(bloom.bytes().is_empty() && !bloom.has(of_port(80)));
    }
}
