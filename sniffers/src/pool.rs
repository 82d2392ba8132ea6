//! Recycled buffers: memory that packets lie in, handed back when the last batch lets go.
//!
//! A source takes a [`Buffer`], fills it and hands it out as a [`Region`]; the
//! drop of that region returns the memory. A pool keeps a few spare buffers
//! and frees the rest, so a burst does not stay allocated for ever.

use std::sync::Arc;

use como_core::source::{Bytes, Region};
use crossbeam_channel::{Receiver, Sender, bounded};

/// How many unused buffers a pool keeps.
const SPARE_MAX: usize = 64;

/// Buffers of one size.
#[derive(Debug)]
pub struct Pool {
    size: usize,
    home: Sender<Vec<u8>>,
    spare: Receiver<Vec<u8>>,
}

impl Pool {
    /// A pool of buffers of `size` bytes, none allocated yet.
    pub fn new(size: usize) -> Self {
        let (home, spare) = bounded(SPARE_MAX);
        Self { size, home, spare }
    }

    /// A buffer with nothing in it: a returned one if there is one.
    pub fn take(&self) -> Buffer {
        let bytes = self.spare.try_recv().unwrap_or_else(|_| vec![0; self.size]);
        Buffer { bytes, len: 0, home: self.home.clone() }
    }
}

/// Memory of a [`Pool`], of which the first `len` bytes have been filled.
#[derive(Debug)]
pub struct Buffer {
    // Invariant: as long as the pool says, whatever is filled; nothing is cleared between uses.
    bytes: Vec<u8>,
    len: usize,
    home: Sender<Vec<u8>>,
}

impl Buffer {
    /// How many bytes are filled.
    pub fn len(&self) -> usize {
        self.len
    }

    /// How many more bytes fit.
    pub fn room(&self) -> usize {
        self.bytes.len() - self.len
    }

    /// The bytes not yet filled, whatever an earlier use left in them.
    pub fn unfilled(&mut self) -> &mut [u8] {
        &mut self.bytes[self.len..]
    }

    /// Declares the next `n` bytes filled.
    pub fn advance(&mut self, n: usize) {
        self.len = self.len.saturating_add(n).min(self.bytes.len());
    }

    /// Forgets all but the first `len` filled bytes.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Appends as much of `bytes` as fits and returns how much that was.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let n = bytes.len().min(self.room());
        self.unfilled()[..n].copy_from_slice(&bytes[..n]);
        self.len += n;
        n
    }

    /// Hands the filled bytes out, to be only read from now on.
    pub fn share(self) -> Region {
        Arc::new(self)
    }
}

impl Bytes for Buffer {}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // A full or closed pool frees the memory instead.
        let _ = self.home.try_send(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_region_comes_back_as_an_empty_buffer() {
        let pool = Pool::new(8);
        let mut buffer = pool.take();
        assert_eq!(buffer.append(b"0123456789"), 8);
        let at = buffer.as_ref().as_ptr();
        let region = buffer.share();
        assert_eq!((*region).as_ref(), b"01234567");
        drop(region);
        let again = pool.take();
        assert_eq!((again.len(), again.room()), (0, 8));
        assert_eq!(again.bytes.as_ptr(), at);
    }

    #[test]
    fn a_pool_keeps_a_bounded_number_of_spare_buffers() {
        let pool = Pool::new(1);
        let taken: Vec<Buffer> = (0..SPARE_MAX + 5).map(|_| pool.take()).collect();
        drop(taken);
        assert_eq!(pool.spare.len(), SPARE_MAX);
    }
}
