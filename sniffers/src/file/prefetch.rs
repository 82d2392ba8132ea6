//! Fetching ahead: asks the processor for bytes of a mapped window before they are looked at.
//!
//! Where a record starts is known only after the one before it has been read,
//! so each look into cold memory would wait for the last. Asking for all bytes
//! a little ahead, wanted or not, turns that into one stream: 30 ns a packet
//! instead of 90 on the machine where it was measured.

use como_core::prefetch::{LINE, fetch};

/// How far ahead to fetch.
const AHEAD: usize = 2048;

/// How far bytes have been fetched.
pub struct Prefetch {
    // Everything in the window before this was asked for.
    done: usize,
    on: bool,
}

impl Prefetch {
    /// Starts at `pos`; does nothing unless `on`.
    pub fn new(pos: usize, on: bool) -> Self {
        Self { done: pos, on }
    }

    /// Fetches what lies shortly behind `pos`.
    #[inline]
    pub fn ahead(&mut self, bytes: &[u8], pos: usize) {
        if !self.on {
            return;
        }
        let until = (pos + AHEAD).min(bytes.len());
        while self.done < until {
            fetch(&bytes[self.done]);
            self.done += LINE;
        }
    }
}
