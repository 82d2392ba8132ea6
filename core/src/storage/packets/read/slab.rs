//! The bytes of slabs: seen where they lie in a segment that is plain and closed, otherwise read
//! into buffers that are used again.
//!
//! Nobody but who removes it changes a closed segment, and what is mapped of it
//! outlasts that. Where a part cannot be mapped it is read, and says why not.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::mapped::{ALIGN, Mapped};
use crate::source::Region;
use crate::storage::packets::index::{Entry, SLAB_BYTES_MAX};

/// How many bytes are mapped at a time: what a slow task pins is counted in these.
pub const MAPPED_BYTES: u64 = 16 << 20;

/// Buffers that are kept to be filled again.
const SPARE_MAX: usize = 16;

/// Bytes of a slab; whoever holds packets in them shares them.
#[derive(Clone)]
pub struct Slab {
    region: Region,
    range: Range<usize>,
}

impl Default for Slab {
    fn default() -> Self {
        Self { region: Arc::new(Vec::new()), range: 0..0 }
    }
}

impl Slab {
    /// What it is a part of.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The bytes of that, up to the slab's end.
    pub fn up_to_end(&self) -> &[u8] {
        (*self.region).as_ref().get(..self.range.end).unwrap_or_default()
    }

    /// Where it lies in that.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }
}

impl Deref for Slab {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        (*self.region).as_ref().get(self.range.clone()).unwrap_or_default()
    }
}

/// Memory that slabs and indexes are read into.
#[derive(Default)]
pub struct Buffers {
    // Those handed out, and what is free again of them.
    used: VecDeque<Arc<Vec<u8>>>,
    packed: Vec<u8>,
    unpacker: Option<zstd::bulk::Decompressor<'static>>,
}

impl Buffers {
    /// One that nobody holds, whatever is in it.
    pub fn take(&mut self) -> Vec<u8> {
        let free = self.used.iter_mut().position(|used| Arc::get_mut(used).is_some());
        let free = free.and_then(|at| self.used.swap_remove_back(at));
        free.and_then(Arc::into_inner).unwrap_or_default()
    }

    /// Makes a slab of one.
    pub fn share(&mut self, bytes: Vec<u8>) -> Slab {
        let range = 0..bytes.len();
        Slab { region: self.lend(bytes), range }
    }

    /// Lends one, which is free again once nobody holds it.
    pub fn lend(&mut self, bytes: Vec<u8>) -> Arc<Vec<u8>> {
        let bytes = Arc::new(bytes);
        self.keep(bytes.clone());
        bytes
    }

    /// Takes one back that was not made a slab.
    pub fn give_back(&mut self, bytes: Vec<u8>) {
        self.keep(Arc::new(bytes));
    }

    fn keep(&mut self, bytes: Arc<Vec<u8>>) {
        if self.used.len() < SPARE_MAX {
            self.used.push_back(bytes);
        }
    }

    /// Reads the frame of a slab of a compressed segment and unpacks it; none if it is damaged.
    pub fn unpack(&mut self, file: &File, entry: &Entry) -> io::Result<Option<Slab>> {
        let mut out = self.take();
        let mut packed = std::mem::take(&mut self.packed);
        let done = self.unpack_into(file, entry, &mut packed, &mut out);
        self.packed = packed;
        Ok(done?.then(|| self.share(out)))
    }

    fn unpack_into(
        &mut self,
        file: &File,
        entry: &Entry,
        packed: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> io::Result<bool> {
        if entry.packed_bytes > 2 * SLAB_BYTES_MAX
            || !bytes(file, entry.packed_at, entry.packed_bytes, packed)?
        {
            return Ok(false);
        }
        let unpacker = match &mut self.unpacker {
            Some(unpacker) => unpacker,
            none => none.insert(zstd::bulk::Decompressor::new()?),
        };
        out.clear();
        out.reserve(entry.bytes as usize);
        Ok(unpacker.decompress_to_buffer(packed, out).is_ok())
    }

    /// Reads a slab of a plain segment; none if the file ends before its end.
    pub fn read(&mut self, file: &File, entry: &Entry) -> io::Result<Option<Slab>> {
        let mut out = self.take();
        let whole = bytes(file, entry.at, entry.bytes, &mut out)?;
        Ok(whole.then(|| self.share(out)))
    }
}

/// Reads bytes of a file; false if it ends before.
fn bytes(file: &File, at: u64, len: u32, out: &mut Vec<u8>) -> io::Result<bool> {
    out.resize(len as usize, 0);
    match file.read_exact_at(out, at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The part of a segment that is mapped.
pub struct Stretch {
    region: Region,
    start: u64,
    end: u64,
}

impl Stretch {
    /// Maps a segment from `at` until `end`, or its end; none where that cannot be.
    pub fn new(file: &File, at: u64, end: u64) -> Option<Self> {
        let (start, end) = (at - at % ALIGN, end.min(file.metadata().ok()?.len()));
        let mapped =
            Mapped::new(file, start, end.checked_sub(start).filter(|len| *len > 0)?).ok()?;
        Some(Self { region: Arc::new(mapped), start, end })
    }

    /// A slab, if all of it is there.
    pub fn slab(&self, entry: &Entry) -> Option<Slab> {
        let start = usize::try_from(entry.at.checked_sub(self.start)?).ok()?;
        let range = start..start.checked_add(entry.bytes as usize)?;
        (entry.end() <= self.end).then(|| Slab { region: self.region.clone(), range })
    }
}
