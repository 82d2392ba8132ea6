//! Mapped input: a settled plain file, seen through windows onto the page cache.
//!
//! Nothing is copied, so delivering a packet costs only the look at its record
//! header: 25 to 75 ns a packet of 360 bytes where reading costs 40 to 65, the
//! more the smaller the pages are that the system keeps the file in. The
//! windows are small, because what a slow task pins is counted in windows.

use std::fs::File;
use std::io;
use std::sync::Arc;

use como_core::mapped::{self, LARGE_PAGE};

use super::input::{Input, Window};

/// The first window is small: it often serves only to learn the first timestamp.
const FIRST_WINDOW_BYTES: u64 = 512 << 10;

/// Every later window: whole large pages. Larger windows are no faster and hold more memory.
const WINDOW_BYTES: u64 = 8 * LARGE_PAGE;

/// A mapped file.
pub struct Mapped {
    file: File,
    consumed: u64,
    window_bytes: u64,
}

impl Mapped {
    /// Maps nothing yet.
    pub fn new(file: File) -> Self {
        Self { file, consumed: 0, window_bytes: FIRST_WINDOW_BYTES }
    }
}

impl Input for Mapped {
    fn window(&mut self, at: u64, want: usize, _wait: bool) -> io::Result<Option<Window>> {
        let size = self.file.metadata()?.len();
        let start = at - at % LARGE_PAGE;
        let least = (at - start).saturating_add(want as u64);
        let len = self.window_bytes.max(least).min(size.saturating_sub(start));
        self.window_bytes = WINDOW_BYTES;
        self.consumed = self.consumed.max(start.saturating_add(len).min(size));
        if at >= size || len == 0 {
            let start = at.min(size);
            return Ok(Some(Window { region: Arc::new(Vec::new()), start, cold: false }));
        }
        let map = mapped::Mapped::new(&self.file, start, len)?;
        Ok(Some(Window { region: Arc::new(map), start, cold: true }))
    }

    fn is_at_hand(&self) -> bool {
        true
    }

    fn consumed(&self) -> u64 {
        self.consumed
    }

    fn size(&self) -> Option<u64> {
        self.file.metadata().ok().map(|m| m.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::tests::file;

    #[test]
    fn a_window_never_reaches_behind_the_end_a_file_has_by_then() {
        let file = file(&vec![7; 3 << 20]);
        let also = file.try_clone().expect("a descriptor");
        let mut mapped = Mapped::new(file);
        let mut len_from = |at: u64| {
            let window = mapped.window(at, 100, true).expect("a window").expect("at once");
            window.start + (*window.region).as_ref().len() as u64
        };
        assert_eq!(len_from(0), FIRST_WINDOW_BYTES);
        also.set_len(1 << 20).expect("a shorter file");
        assert_eq!(len_from(FIRST_WINDOW_BYTES), 1 << 20);
        assert_eq!(len_from(2 << 20), 1 << 20);
        also.set_len(2 << 20).expect("a longer file");
        assert_eq!(len_from(1 << 20), 2 << 20);
    }
}
