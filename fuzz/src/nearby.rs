//! Bytes near good ones: what tests try where nothing measures coverage.
//!
//! The same seed gives the same bytes, so a test that fails fails again.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng;

/// Numbers that lengths and counts lie with.
const ODD: [u32; 12] =
    [0, 1, 3, 4, 0x7f, 0xff, 0x7fff, 0xffff, 0x10000, 0x7fff_ffff, 0xffff_fffe, u32::MAX];

/// Makes inputs out of seeds.
pub struct Nearby {
    seeds: Vec<Vec<u8>>,
    random: Pcg64Mcg,
}

impl Nearby {
    /// Inputs near `seeds`; another `number` gives others.
    pub fn new(mut seeds: Vec<Vec<u8>>, number: u64) -> Self {
        seeds.push(Vec::new());
        Self { seeds, random: Pcg64Mcg::new(u128::from(number) << 1 | 0xcafe_f00d) }
    }

    /// The next input: a seed with one to four things done to it.
    pub fn next_input(&mut self) -> Vec<u8> {
        let at = self.below(self.seeds.len());
        let mut bytes = self.seeds.get(at).cloned().unwrap_or_default();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        let end = at + self.below(bytes.len() - at + 1);
        match self.below(7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end.min(at + 16))),
            2 => {
                let part: Vec<u8> = bytes.drain(at..end).collect();
                let twice = [&part[..], &part].concat();
                bytes.splice(at..at, twice);
            }
            3 => {
                let other = self.below(self.seeds.len());
                let other = self.seeds.get(other).cloned().unwrap_or_default();
                let from = self.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend(other.get(from..).unwrap_or_default());
            }
            4 => {
                let odd = self.below(ODD.len());
                let (number, width) = (ODD.get(odd).copied().unwrap_or(0), 1 << self.below(3));
                let number = match self.below(2) {
                    0 => number.to_le_bytes(),
                    _ => number.swap_bytes().to_le_bytes(),
                };
                let wrote = number.iter().take(width);
                bytes.iter_mut().skip(at).zip(wrote).for_each(|(byte, new)| *byte = *new);
            }
            5 => {
                let random = self.random.next_u32().to_le_bytes();
                bytes.splice(at..at, random);
            }
            _ => {
                let bit = 1 << self.below(8);
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bit);
            }
        }
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.next_u64() % bound.max(1) as u64).unwrap_or(0)
    }
}
