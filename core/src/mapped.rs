//! Mapping: a part of a settled file, seen in the page cache where it lies.
//!
//! Nothing is copied, so bytes cost what it takes to put their pages in place:
//! a fifth of what reading them costs, and more where the system keeps the file
//! in small pages.
//!
//! Unsafe code: mapping a file is. See the comment at the one place.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use memmap2::{Advice, Mmap, MmapOptions};

use crate::source::Bytes;

/// Mapped parts begin at multiples of this, which every page size in use divides.
pub const ALIGN: u64 = 64 << 10;

/// The largest pages that systems keep a file in: a part that begins and ends at multiples of this
/// takes one step for each of them, and one that cuts them takes hundreds for those it cuts.
pub const LARGE_PAGE: u64 = 2 << 20;

/// Puts the pages of a part in place in one call, where the system can.
#[cfg(target_os = "linux")]
const POPULATE: Advice = Advice::PopulateRead;
#[cfg(not(target_os = "linux"))]
const POPULATE: Advice = Advice::WillNeed;

/// Bytes of a file, as it is; in place until dropped.
#[derive(Debug)]
pub struct Mapped(Mmap);

impl Mapped {
    /// Maps `len` bytes from `start` on, a multiple of [`ALIGN`]. The file must have them by now,
    /// and be one that nobody makes shorter.
    pub fn new(file: &File, start: u64, len: u64) -> io::Result<Self> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        // SAFETY: two things may happen to a mapped file under us.
        //
        // Someone overwrites it: then bytes change between two looks at them. Every look is
        // bounds-checked by itself and no invariant spans two of them, so the packet is wrong
        // but nothing else is.
        //
        // Someone truncates it: then touching a page behind the new end raises SIGBUS and ends
        // the process. Who maps asks for the length again before each part, never maps behind it,
        // maps only files that were not changed for a while or are changed no more, and keeps
        // parts small; so only a truncation in the moment between mapping a part and walking it
        // can do that. Captures that are truncated while they are read can be read as a stream
        // instead: `cat FILE | como run ... -r -`.
        let map = unsafe { MmapOptions::new().offset(start).len(len).map(file)? };
        // What is not in memory comes in large pages then; but a short part would bring much that
        // nobody asked for.
        #[cfg(target_os = "linux")]
        if len as u64 >= LARGE_PAGE {
            // Advice only: where there are none, small pages serve.
            let _ = map.advise(Advice::HugePage);
        }
        match map.advise(POPULATE) {
            Ok(()) => {}
            // The kernel (before 5.14) does not know this advice; faults do the same more slowly.
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => map.advise(Advice::Sequential)?,
            // The device failed, or the file is shorter by now: an error here, SIGBUS later.
            Err(e) => return Err(e),
        }
        Ok(Self(map))
    }
}

impl Bytes for Mapped {}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
