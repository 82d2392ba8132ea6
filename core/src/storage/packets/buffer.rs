//! The memory of a load: its bytes begin where a page does, so that a disk can take them as they
//! lie.

use std::ops::{Deref, DerefMut};

use super::LOAD_BYTES;
use crate::source::Bytes;

/// Where a load begins in memory: at a multiple of this, as `O_DIRECT` wants it.
const ALIGN_BYTES: usize = 4096;

/// Bytes of a load; without memory by default.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    // Zeros up to the page where the load begins, and the load.
    memory: Vec<u8>,
    start: usize,
}

impl Buffer {
    /// Memory for a load, empty.
    pub fn new() -> Self {
        let memory = Vec::<u8>::with_capacity(LOAD_BYTES as usize + ALIGN_BYTES);
        let mut buffer = Self { memory, start: 0 };
        buffer.clear();
        buffer
    }

    /// Whether there is memory to be used again.
    pub fn has_memory(&self) -> bool {
        self.memory.capacity() > 0
    }

    /// Forgets the load.
    pub fn clear(&mut self) {
        self.memory.clear();
        // It may have grown out of its memory.
        self.start = self.memory.as_ptr().align_offset(ALIGN_BYTES);
        self.memory.resize(self.start, 0);
    }

    /// Where more is put behind the load.
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.memory
    }

    /// Whether it begins where a page does: not where it grew out of its memory.
    pub fn is_aligned(&self) -> bool {
        self.as_ptr().align_offset(ALIGN_BYTES) == 0
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[self.start..]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..]
    }
}

impl Bytes for Buffer {}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_begins_at_a_page_each_time_and_holds_what_was_put() {
        let mut buffer = Buffer::new();
        for byte in 0..3u8 {
            assert!(buffer.is_empty() && buffer.is_aligned());
            let end = buffer.start + LOAD_BYTES as usize;
            buffer.out().resize(end, byte);
            assert_eq!(buffer.len() as u64, LOAD_BYTES);
            assert!(buffer.is_aligned() && buffer.iter().all(|put| *put == byte));
            buffer.clear();
        }
    }
}
