//! Buffered input: pipes, growing files and everything compressed, read into recycled buffers.
//!
//! A pipe is never waited for longer than 100 ms, so that a monitor at its end
//! keeps its clock; a file is read until the buffer is full.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use como_core::source::Region;

use super::compressed::Packing;
use super::input::{Input, WANT_MAX, Window};
use crate::pool::{Buffer, Pool};
use crate::ready::{PATIENCE, readable, widen};

/// How much a buffer is filled: so little that it stays in a processor's cache until the packets
/// in it are decoded.
const FILL_BYTES: usize = 256 << 10;

/// How much a buffer holds: the longest record may follow the fill.
const BUFFER_BYTES: usize = FILL_BYTES + WANT_MAX;

/// The longest magic number of a packing.
const MAGIC_MAX: usize = 6;

/// Bytes that arrive one after another.
pub struct Buffered {
    bytes: Box<dyn Read + Send>,
    // The descriptor to ask before reading, if reading may block.
    pipe: Option<RawFd>,
    size: Option<u64>,
    consumed: Arc<AtomicU64>,
    pool: Pool,
    // The last window handed out, whose tail the next one begins with.
    last: Option<(Region, u64)>,
    // The next window while it fills.
    filling: Option<(Buffer, u64)>,
    unpacked: bool,
    // Whether the end of the file is not the end: somebody still writes to it.
    grows: Option<Arc<AtomicBool>>,
    ended: bool,
    failed: Option<io::Error>,
}

impl Buffered {
    /// Reads a regular file of `size` bytes; packed if its first bytes say so.
    pub fn of_file(file: File, size: u64) -> Self {
        Self::new(file, None, Some(size))
    }

    /// Reads a plain file that somebody writes to, as far as it reaches, while `grows` says so.
    pub fn of_growing(file: File, grows: Arc<AtomicBool>) -> Self {
        Self { unpacked: true, grows: Some(grows), ..Self::new(file, None, None) }
    }

    /// Reads a pipe, a socket or a device; packed if its first bytes say so.
    pub fn of_stream(file: File) -> Self {
        let fd = file.as_raw_fd();
        widen(fd);
        Self::new(file, Some(fd), None)
    }

    /// Reads a socket, whose bytes are never packed: to unpack is to wait for whoever sends.
    pub fn of_socket(file: File) -> Self {
        let fd = file.as_raw_fd();
        Self { unpacked: true, ..Self::new(file, Some(fd), None) }
    }

    /// Reads whatever can be read, plain, and waits for it as long as that takes.
    pub fn of_reader(bytes: Box<dyn Read + Send>) -> Self {
        Self { unpacked: true, ..Self::new(bytes, None, None) }
    }

    fn new(bytes: impl Read + Send + 'static, pipe: Option<RawFd>, size: Option<u64>) -> Self {
        let consumed = Arc::new(AtomicU64::new(0));
        Self {
            bytes: Box::new(Counted { bytes, consumed: consumed.clone() }),
            pipe,
            size,
            consumed,
            pool: Pool::new(BUFFER_BYTES),
            last: None,
            filling: None,
            unpacked: false,
            grows: None,
            ended: false,
            failed: None,
        }
    }

    /// The buffer being filled, which starts at `at` or before: begun with what the last window
    /// already has of it.
    fn begin(&mut self, at: u64) -> (Buffer, u64) {
        if let Some(filling) = self.filling.take() {
            return filling;
        }
        let mut buffer = self.pool.take();
        let Some((region, start)) = self.last.take() else { return (buffer, 0) };
        let bytes = (*region).as_ref();
        let from = usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX);
        let from = from.min(bytes.len());
        buffer.append(&bytes[from..]);
        (buffer, start + from as u64)
    }

    /// Reads once, at most `most` bytes; there may be none.
    fn read(&mut self, buffer: &mut Buffer, most: usize) {
        let room = buffer.unfilled();
        let most = most.min(room.len());
        // Asked before reading: what was written before the last word must be read after it.
        let grows = self.grows.as_ref().is_some_and(|grows| grows.load(Ordering::Acquire));
        match self.bytes.read(&mut room[..most]) {
            Ok(0) => self.ended = !grows,
            Ok(n) => buffer.advance(n),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => {
                self.ended = true;
                self.failed = Some(e);
            }
        }
    }

    /// Once the first bytes are there: unpacks, if they say so, and starts again.
    fn unpack(&mut self, buffer: &mut Buffer) -> io::Result<()> {
        if self.unpacked || buffer.len() < MAGIC_MAX && !self.ended {
            return Ok(());
        }
        self.unpacked = true;
        let packing = Packing::of(buffer.as_ref());
        if packing != Packing::Plain {
            let seen = Cursor::new(buffer.as_ref().to_vec());
            let rest = std::mem::replace(&mut self.bytes, Box::new(io::empty()));
            self.bytes = packing.unpack(Box::new(seen.chain(rest)))?;
            // What a decoder holds cannot be asked for; a packed pipe is read as it comes.
            self.pipe = None;
            self.ended = false;
            buffer.truncate(0);
        }
        Ok(())
    }

    /// Reads on until the window is worth handing out, or nothing more is there to read.
    fn fill(&mut self, buffer: &mut Buffer, start: &mut u64, at: u64, want: usize, wait: bool) {
        loop {
            let end = *start + buffer.len() as u64;
            let enough = self.unpacked && end >= at.saturating_add(want as u64);
            if self.ended && self.unpacked || enough && buffer.len() >= FILL_BYTES {
                return;
            }
            let patience = if enough || !wait { Duration::ZERO } else { PATIENCE };
            if self.pipe.is_some_and(|fd| !readable(fd, patience)) {
                return;
            }
            if self.unpacked && end < at {
                // Passing over bytes that nobody wants: none of them is kept.
                buffer.truncate(0);
                self.read(buffer, usize::try_from(at - end).unwrap_or(usize::MAX));
                *start = end + buffer.len() as u64;
                buffer.truncate(0);
                if *start == end && !self.ended {
                    return;
                }
                continue;
            }
            let before = buffer.len();
            self.read(buffer, FILL_BYTES.max(want));
            if buffer.len() == before && !self.ended {
                return;
            }
            if let Err(e) = self.unpack(buffer) {
                self.ended = true;
                self.failed = Some(e);
            }
        }
    }
}

impl Input for Buffered {
    fn window(&mut self, at: u64, want: usize, wait: bool) -> io::Result<Option<Window>> {
        let (mut buffer, mut start) = self.begin(at);
        self.fill(&mut buffer, &mut start, at, want, wait);
        let have = (start + buffer.len() as u64).saturating_sub(at);
        if have < want as u64 {
            if !self.ended {
                self.filling = Some((buffer, start));
                return Ok(None);
            }
            if let Some(e) = self.failed.take() {
                return Err(e);
            }
        }
        let region = buffer.share();
        self.last = Some((region.clone(), start));
        Ok(Some(Window { region, start, cold: false }))
    }

    fn consumed(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed)
    }

    fn size(&self) -> Option<u64> {
        self.size
    }
}

/// Counts what is read, for progress.
struct Counted<R> {
    bytes: R,
    consumed: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.bytes.read(out)?;
        self.consumed.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}
