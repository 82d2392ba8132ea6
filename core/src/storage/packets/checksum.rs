//! A checksum that goes ahead of who looks through the bytes it is of.
//!
//! Blocks stand one behind the other, each where the one before says. Who follows
//! them waits for the memory at every step, or for the processor that has just
//! written them; a checksum asks for many lines at once. So a little is summed up
//! first, and looked through while it is near.

use crc32fast::Hasher;

/// How much is summed up at a time: it stays in the nearest cache.
const STEP_BYTES: usize = 8 << 10;

/// The checksum of the first of some bytes, of which it is not known yet how many there are.
pub(super) struct Checksum<'a> {
    bytes: &'a [u8],
    // Of all before the last step, and with it.
    before: Hasher,
    with: Hasher,
    // The last step.
    from: usize,
    until: usize,
}

impl<'a> Checksum<'a> {
    /// Of bytes of which none is summed up yet.
    pub fn new(bytes: &'a [u8]) -> Self {
        let (before, with) = (Hasher::new(), Hasher::new());
        Self { bytes, before, with, from: 0, until: 0 }
    }

    /// Goes on until the byte at `at` is summed up, which is asked for in order.
    pub fn reach(&mut self, at: usize) {
        while self.until <= at && self.until < self.bytes.len() {
            let until = self.bytes.len().min(self.until + STEP_BYTES);
            self.before = self.with.clone();
            self.with.update(&self.bytes[self.until..until]);
            (self.from, self.until) = (self.until, until);
        }
    }

    /// The checksum of the first `end` bytes; `end` is no less than the last byte asked for.
    pub fn up_to(mut self, end: usize) -> u32 {
        if end < self.until {
            (self.with, self.until) = (self.before, self.from);
        }
        self.with.update(&self.bytes[self.until..end]);
        self.with.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_sum_of_as_many_bytes_wherever_they_end() {
        let bytes: Vec<u8> = (0..3 * STEP_BYTES + 100).map(|n| (n * 7 % 251) as u8).collect();
        let edges = [0, 1, STEP_BYTES - 1, STEP_BYTES, STEP_BYTES + 1, 3 * STEP_BYTES, bytes.len()];
        for at in edges {
            for more in [0, 1, 20, STEP_BYTES, 2 * STEP_BYTES + 1] {
                let end = bytes.len().min(at + more);
                let mut sum = Checksum::new(&bytes);
                (0..=at).step_by(40).for_each(|at| sum.reach(at));
                sum.reach(at);
                assert_eq!(sum.up_to(end), crc32fast::hash(&bytes[..end]), "{at} {end}");
            }
        }
    }
}
