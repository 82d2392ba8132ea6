//! Mapped input: a settled plain file, seen through windows onto the page cache.
//!
//! Nothing is copied, so delivering a packet costs only the look at its record
//! header. The windows are small, because what a slow task pins is counted in
//! windows, and their pages are put in place by one call each, because a fault
//! per page costs more than the packets on it.
//!
//! Unsafe code: mapping a file is. See the comment at the one place.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::sync::Arc;

use memmap2::{Advice, Mmap, MmapOptions};

use super::input::{Input, Window};

/// The first window is small: it often serves only to learn the first timestamp.
const FIRST_WINDOW_BYTES: u64 = 512 << 10;

/// Every later window. Larger ones are no faster and hold more memory.
const WINDOW_BYTES: u64 = 16 << 20;

/// Windows start at multiples of this, which every page size in use divides.
const ALIGN: u64 = 64 << 10;

/// Puts the pages of a window in place in one call, where the system can.
#[cfg(target_os = "linux")]
const POPULATE: Advice = Advice::PopulateRead;
#[cfg(not(target_os = "linux"))]
const POPULATE: Advice = Advice::WillNeed;

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

    fn map(&self, start: u64, len: u64) -> io::Result<Mmap> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        // SAFETY: two things may happen to a mapped file under us.
        //
        // Someone overwrites it: then bytes change between two looks at them. Every look is
        // bounds-checked by itself and no invariant spans two of them, so the packet is wrong
        // but nothing else is.
        //
        // Someone truncates it: then touching a page behind the new end raises SIGBUS and ends
        // the process. We map only files that were not changed for a while, ask for the length
        // again before each window and never map behind it, and keep windows small; so only a
        // truncation in the moment between mapping a window and walking it can do that. Who
        // truncates captures that are being read can have them read instead, as a stream:
        // `cat FILE | como run ... -r -`.
        let map = unsafe { MmapOptions::new().offset(start).len(len).map(&self.file)? };
        match map.advise(POPULATE) {
            Ok(()) => {}
            // The kernel (before 5.14) does not know this advice; faults do the same more slowly.
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => map.advise(Advice::Sequential)?,
            // The device failed, or the file is shorter by now: an error here, SIGBUS later.
            Err(e) => return Err(e),
        }
        Ok(map)
    }
}

impl Input for Mapped {
    fn window(&mut self, at: u64, want: usize, _wait: bool) -> io::Result<Option<Window>> {
        let size = self.file.metadata()?.len();
        let start = at - at % ALIGN;
        let least = (at - start).saturating_add(want as u64);
        let len = self.window_bytes.max(least).min(size.saturating_sub(start));
        self.window_bytes = WINDOW_BYTES;
        self.consumed = self.consumed.max(start.saturating_add(len).min(size));
        if at >= size || len == 0 {
            let start = at.min(size);
            return Ok(Some(Window { region: Arc::new([0u8; 0]), start, cold: false }));
        }
        let map = self.map(start, len)?;
        Ok(Some(Window { region: Arc::new(map), start, cold: true }))
    }

    fn consumed(&self) -> u64 {
        self.consumed
    }

    fn size(&self) -> Option<u64> {
        self.file.metadata().ok().map(|m| m.len())
    }
}
