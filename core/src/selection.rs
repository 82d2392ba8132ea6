//! Selections: which packets of a batch are meant.
//!
//! A filter makes one, a module's `check` narrows it, its `update` walks it.

/// The most packets a batch may hold.
pub const BATCH_PACKETS_MAX: usize = 4096;

const WORDS: usize = BATCH_PACKETS_MAX / 64;

/// One bit per packet of a batch of `len` packets. 520 bytes, on the stack.
#[derive(Clone, PartialEq, Eq)]
pub struct Selection {
    // Invariant: bits at and after `len` are zero.
    words: [u64; WORDS],
    len: usize,
}

impl Selection {
    /// None of `len` packets. At most [`BATCH_PACKETS_MAX`].
    pub fn none(len: usize) -> Self {
        debug_assert!(len <= BATCH_PACKETS_MAX);
        Self { words: [0; WORDS], len: len.min(BATCH_PACKETS_MAX) }
    }

    /// All of `len` packets.
    pub fn all(len: usize) -> Self {
        let mut all = Self::none(len);
        all.invert();
        all
    }

    /// Those of `len` packets for which `keep` holds.
    #[inline]
    pub fn of(len: usize, mut keep: impl FnMut(usize) -> bool) -> Self {
        let mut picked = Self::none(len);
        for (w, word) in picked.words.iter_mut().enumerate().take(len.div_ceil(64)) {
            let base = w * 64;
            for bit in 0..(len - base).min(64) {
                *word |= u64::from(keep(base + bit)) << bit;
            }
        }
        picked
    }

    /// How many packets the batch has.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no packet is picked.
    pub fn is_empty(&self) -> bool {
        self.used().iter().all(|w| *w == 0)
    }

    /// Whether every packet is picked.
    pub fn is_all(&self) -> bool {
        self.count() == self.len
    }

    /// How many packets are picked.
    pub fn count(&self) -> usize {
        self.used().iter().map(|w| w.count_ones() as usize).sum()
    }

    /// Whether packet `at` is picked.
    #[inline]
    pub fn contains(&self, at: usize) -> bool {
        at < self.len && self.words[at / 64] >> (at % 64) & 1 == 1
    }

    /// Picks packet `at`, which must be in the batch.
    #[inline]
    pub fn insert(&mut self, at: usize) {
        if at < self.len {
            self.words[at / 64] |= 1 << (at % 64);
        }
    }

    /// Drops packet `at`.
    #[inline]
    pub fn remove(&mut self, at: usize) {
        if at < self.len {
            self.words[at / 64] &= !(1 << (at % 64));
        }
    }

    /// Keeps those that `other` picks too.
    pub fn and(&mut self, other: &Self) {
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a &= b;
        }
    }

    /// Adds those that `other` picks.
    pub fn or(&mut self, other: &Self) {
        debug_assert_eq!(self.len, other.len);
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a |= b;
        }
    }

    /// Picks those that were not, and drops those that were.
    pub fn invert(&mut self) {
        let len = self.len;
        for (w, word) in self.words.iter_mut().enumerate().take(len.div_ceil(64)) {
            let held = (len - w * 64).min(64);
            *word = !*word & (u64::MAX >> (64 - held));
        }
    }

    /// The bits, 64 packets a word, the first packet lowest; only the words the batch reaches.
    pub fn used(&self) -> &[u64] {
        &self.words[..self.len.div_ceil(64)]
    }

    /// The bits to write, as [`Selection::used`]; bits behind the batch's length must stay zero.
    pub fn used_mut(&mut self) -> &mut [u64] {
        &mut self.words[..self.len.div_ceil(64)]
    }

    /// The picked packets' places, in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.used().iter().enumerate().flat_map(|(w, word)| Ones { word: *word, base: w * 64 })
    }

    /// Calls `visit` with each picked place in order; faster than [`Selection::iter`] when all are.
    #[inline]
    pub fn for_each(&self, mut visit: impl FnMut(usize)) {
        for (w, word) in self.used().iter().enumerate() {
            let base = w * 64;
            if *word == u64::MAX {
                (base..base + 64).for_each(&mut visit);
            } else {
                Ones { word: *word, base }.for_each(&mut visit);
            }
        }
    }
}

impl std::fmt::Debug for Selection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}: ", self.count(), self.len)?;
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The bits of a word behind the first `len`.
#[inline]
pub(crate) fn behind(len: usize) -> u64 {
    if len < 64 { u64::MAX << len } else { 0 }
}

/// The places of the set bits of one word.
pub(crate) struct Ones {
    /// Bits of packets not walked yet.
    pub(crate) word: u64,
    /// The place that its lowest bit stands for.
    pub(crate) base: usize,
}

impl Ones {
    /// Those of the first `len` bits of a word.
    #[inline]
    pub(crate) fn up_to(word: u64, len: usize) -> Self {
        Self { word: word & !behind(len), base: 0 }
    }
}

impl Iterator for Ones {
    type Item = usize;
    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.word == 0 {
            return None;
        }
        let at = self.base + self.word.trailing_zeros() as usize;
        self.word &= self.word - 1;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bit_is_set_behind_the_last_packet() {
        for len in [0, 1, 63, 64, 65, BATCH_PACKETS_MAX] {
            let mut picked = Selection::all(len);
            assert_eq!(picked.count(), len);
            assert!(picked.is_all());
            picked.invert();
            assert!(picked.is_empty());
            assert_eq!(Selection::of(len, |_| true), Selection::all(len));
        }
    }

    #[test]
    fn walks_the_picked_places_in_order() {
        let picked = Selection::of(200, |i| i % 3 == 0 || (64..128).contains(&i));
        let want: Vec<usize> = (0..200).filter(|i| i % 3 == 0 || (64..128).contains(i)).collect();
        assert_eq!(picked.iter().collect::<Vec<_>>(), want);
        let mut seen = Vec::new();
        picked.for_each(|at| seen.push(at));
        assert_eq!(seen, want);
    }
}
