//! Mapping: a part of a settled file, seen in the page cache where it lies.
//!
//! Nothing is copied, so bytes cost what it takes to put their pages in place:
//! a fifth of what reading them costs, and more where the system keeps the file
//! in small pages. Pages that are in memory fall into place as they are looked at, a
//! few at a time, which takes two thirds of what it takes to ask for all; the others are
//! asked for, so that a device that fails is an error and no signal.
//!
//! Unsafe code: mapping a file is, and so is a system call that no library has. See the comments
//! at both places.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use memmap2::{Advice, Mmap, MmapOptions};

/// Mapped parts begin at multiples of this, which every page size in use divides.
pub const ALIGN: u64 = 64 << 10;

/// Puts the pages of a part in place in one call, where the system can.
#[cfg(target_os = "linux")]
const POPULATE: Advice = Advice::PopulateRead;
#[cfg(not(target_os = "linux"))]
const POPULATE: Advice = Advice::WillNeed;

/// Whether a part could not be put in place, as when a device has failed: pages that it could not
/// fill count as cached from then on.
static FAILED: AtomicBool = AtomicBool::new(false);

/// Whether the system says that all pages of a part are in memory.
#[cfg(target_os = "linux")]
fn is_cached(file: &File, start: u64, len: usize) -> bool {
    use std::os::fd::AsRawFd;

    // The same on all processors but one that Rust does not know; in the kernel since 6.5.
    const CACHESTAT: libc::c_long = 451;
    // SAFETY: it asks how big a page is.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let Ok(page @ 1..) = usize::try_from(page) else { return false };
    let range = [start, len as u64];
    // Pages cached, dirty, being written, evicted, evicted of late.
    let mut pages = [0u64; 5];
    // SAFETY: cachestat(2) reads two numbers of 64 bits and writes five, which are there; it looks
    // at nothing else of ours.
    let done = unsafe {
        libc::syscall(CACHESTAT, file.as_raw_fd(), range.as_ptr(), pages.as_mut_ptr(), 0u32)
    };
    done == 0 && pages[0] >= len.div_ceil(page) as u64
}

#[cfg(not(target_os = "linux"))]
fn is_cached(_: &File, _: u64, _: usize) -> bool {
    false
}

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
        let map = Self(map);
        if FAILED.load(Relaxed) || !is_cached(file, start, len) {
            map.populate().inspect_err(|_| FAILED.store(true, Relaxed))?;
        }
        Ok(map)
    }

    fn populate(&self) -> io::Result<()> {
        match self.0.advise(POPULATE) {
            Ok(()) => Ok(()),
            // The kernel (before 5.14) does not know this advice; faults do the same more slowly.
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => self.0.advise(Advice::Sequential),
            // The device failed, or the file is shorter by now: an error here, SIGBUS later.
            Err(e) => Err(e),
        }
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
