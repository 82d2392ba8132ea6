//! Chance that is the same everywhere and for ever.
//!
//! Only integers, and floats added and divided: no result depends on the
//! machine, the library version or the optimizer. That is why no distribution
//! of a crate is used here, only the published generator below them.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng;

/// A seeded stream of numbers.
#[derive(Clone, Debug)]
pub struct Random(Pcg64Mcg);

impl Random {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        let mut random = Self(Pcg64Mcg::new(u128::from(seed) << 64 | 0x9e37_79b9_7f4a_7c15));
        // Neighbouring seeds start alike; a few steps apart they no longer do.
        for _ in 0..8 {
            random.next();
        }
        random
    }

    /// The next 64 bits.
    #[inline]
    pub fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// The next 32 bits.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        (self.next() >> 32) as u32
    }

    /// A number below `n`, or 0 if there is none.
    #[inline]
    pub fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.next_u32()) * u64::from(n)) >> 32) as u32
    }

    /// True with a chance of `share`, a share of 2^32.
    #[inline]
    pub fn chance(&mut self, share: u64) -> bool {
        u64::from(self.next_u32()) < share
    }

    /// A number of at least `least` with a heavy tail (Pareto, exponent 1), at most 1024 times it.
    #[inline]
    pub fn heavy(&mut self, least: u32) -> u32 {
        let part = u64::from(self.below(1 << 20)) + (1 << 10);
        (u64::from(least) << 20).checked_div(part).map_or(least, |n| n as u32)
    }
}

/// A share between 0 and 1 as [`Random::chance`] wants it.
pub const fn share(of_one: f64) -> u64 {
    (of_one * 4_294_967_296.0) as u64
}

/// Ranks drawn so that the `k`th comes up in proportion to 1/k (Zipf).
#[derive(Clone, Debug)]
pub struct Zipf {
    // Sums of 1/k, rising.
    sums: Vec<f64>,
}

impl Zipf {
    /// Ranks from 0 to `n - 1`; at least one.
    pub fn new(n: u32) -> Self {
        let mut sum = 0.0;
        let sums = (1..=n.max(1)).map(|k| {
            sum += 1.0 / f64::from(k);
            sum
        });
        Self { sums: sums.collect() }
    }

    /// The next rank.
    pub fn draw(&self, random: &mut Random) -> u32 {
        let total = self.sums.last().copied().unwrap_or(1.0);
        let at = f64::from(random.next_u32()) / 4_294_967_296.0 * total;
        self.sums.partition_point(|sum| *sum <= at).min(self.sums.len() - 1) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_of_a_seed_never_changes() {
        let mut random = Random::new(1);
        let got = [random.next(), random.next(), random.next()];
        let want: [u64; 3] =
            [15_737_683_025_525_520_123, 18_036_178_306_844_491_236, 3_526_955_508_513_821_962];
        assert_eq!(got, want);
    }

    #[test]
    fn the_first_of_a_hundred_comes_up_a_hundred_times_as_often_as_the_last() {
        let (mut random, zipf) = (Random::new(1), Zipf::new(100));
        let mut counts = [0u32; 100];
        for _ in 0..1_000_000 {
            counts[zipf.draw(&mut random) as usize] += 1;
        }
        let ratio = f64::from(counts[0]) / f64::from(counts[99]);
        assert!((80.0..120.0).contains(&ratio), "{ratio}");
    }

    #[test]
    fn heavy_numbers_stay_in_their_bounds() {
        let mut random = Random::new(1);
        for _ in 0..100_000 {
            let n = random.heavy(3);
            assert!((2..=3 * 1024).contains(&n), "{n}");
        }
    }
}
