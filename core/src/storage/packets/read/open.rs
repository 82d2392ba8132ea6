//! One segment being read: the slabs of its index, then what that does not cover.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::Lost;
use super::slab::{Buffers, MAPPED_BYTES, Slab, Stretch};
use crate::mapped::LARGE_PAGE;
use crate::storage::packets::index::{Entry, Index};
use crate::storage::packets::segments::{self, Segment, Slabs};
use crate::storage::pcapng::{self, Block};
use crate::time::Ts;

/// The segment being read.
pub(super) struct Open {
    pub segment: Segment,
    file: File,
    pub entries: VecDeque<Entry>,
    // Where what the index covers ends: in the capture, and in the file.
    covered: u64,
    covered_file: u64,
    // Whether the index has more, which makes no sense.
    pub torn: bool,
    // Whether that is no end that was being written.
    pub is_damaged: bool,
    // Whether the segment ends before the slabs of its index do.
    pub is_short: bool,
    // The times of its packets, as its name says or its index, and the latest that the index tells
    // of or that was read behind that; whether any was.
    span: Option<(Ts, Ts)>,
    latest: Option<Ts>,
    has_read: bool,
    // The part of it that is mapped, and whether the next one holds a slab alone.
    stretch: Option<Stretch>,
    is_first: bool,
    tail: Option<Slabs<Box<dyn Read + Send>>>,
    // The bytes of a compressed file that reading on takes, until they were told.
    packed_rest: u64,
    // Whether a newer one was there when it was read on, so that nothing is added any more.
    pub is_done: bool,
}

/// What became of a slab that the index has.
pub(super) enum Found {
    /// It is there.
    Slab(Slab),
    /// It cannot be unpacked.
    Damaged,
    /// The file ends in it, or before.
    Short,
}

/// What follows what an index covers.
pub(super) enum Behind {
    /// A slab, and where it begins.
    Slab(Slab, u64),
    /// No whole block follows here.
    End(u64),
    Damaged(u64),
}

impl Open {
    /// Opens a segment, which may be the first of all, and reads its index; none if it is gone.
    pub fn new(
        segment: Segment,
        is_first: bool,
        buffers: &mut Buffers,
    ) -> io::Result<Option<Self>> {
        let Some((segment, file)) = segments::open(segment)? else { return Ok(None) };
        let index = Index::read_into(&segment.index(), segment.number, buffers)?;
        // Not at the end of one that grows: there it is being written.
        if index.torn && segment.span.is_some() {
            tracing::warn!(index = %segment.index().display(), "an index is damaged and used in \
                part");
        }
        let covered = index.covers();
        let covered_file = if segment.packed { index.packed_covers() } else { covered };
        let packed_rest = segment.bytes.saturating_sub(covered_file);
        let latest = index.span().map(|(_, last)| last);
        let span = segment.span.or(index.span());
        let (entries, torn, is_damaged) = (index.entries.into(), index.torn, index.damaged);
        Ok(Some(Self {
            segment,
            file,
            entries,
            covered,
            covered_file,
            torn,
            is_damaged,
            is_short: false,
            span,
            latest,
            has_read: false,
            stretch: None,
            is_first,
            tail: None,
            packed_rest,
            is_done: false,
        }))
    }

    /// A slab of the index. Of a closed segment the slabs behind it are mapped together with it, as
    /// far as they are `wanted` too.
    pub fn slab(
        &mut self,
        entry: &Entry,
        wanted: impl Fn(&Entry) -> bool,
        buffers: &mut Buffers,
    ) -> io::Result<Found> {
        if let Some(slab) = self.mapped(entry, wanted) {
            return Ok(Found::Slab(slab));
        }
        let (slab, otherwise) = match self.segment.packed {
            true => (buffers.unpack(&self.file, entry)?, Found::Damaged),
            false => (buffers.read(&self.file, entry)?, Found::Short),
        };
        Ok(slab.map_or(otherwise, Found::Slab))
    }

    /// A slab as it lies in the file; none where it is to be read.
    fn mapped(&mut self, entry: &Entry, wanted: impl Fn(&Entry) -> bool) -> Option<Slab> {
        if !self.segment.is_settled() {
            return None;
        }
        if let Some(slab) = self.stretch.as_ref().and_then(|stretch| stretch.slab(entry)) {
            return Some(slab);
        }
        // The first is small: it often serves only to learn what stands before the packets.
        let is_small = std::mem::take(&mut self.is_first);
        let most = if is_small { 0 } else { entry.at.saturating_add(MAPPED_BYTES) };
        let fits = |next: &&Entry| next.end() <= most && wanted(next);
        let ends = || self.entries.iter().take_while(fits).map(Entry::end);
        // Large pages are not cut, where that can be.
        let aligned = ends().filter(|end| end.is_multiple_of(LARGE_PAGE)).last();
        let end = aligned.or_else(|| ends().last()).unwrap_or_else(|| entry.end());
        self.stretch = Stretch::new(&self.file, entry.at, end);
        self.stretch.as_ref()?.slab(entry)
    }

    /// Forgets the index of a plain segment from byte `at` on: what is there is read through.
    pub fn cut(&mut self, at: u64) {
        self.entries.clear();
        self.is_short = true;
        (self.covered, self.covered_file, self.tail) = (at, at, None);
    }

    /// All of it that is not read yet; where nothing was there to be read, all of it.
    pub fn rest(&self) -> Lost {
        let is_all = self.covered == 0 && !self.has_read;
        let first = self.span.filter(|_| is_all).map(|(first, _)| first);
        Lost { first, last: self.span.map(|(_, last)| last) }
    }

    /// Whether it ended before its last packet, which no index tells of.
    pub fn lacks_last(&self) -> bool {
        self.segment.span.is_some_and(|(_, last)| self.latest < Some(last))
    }

    /// Whether bytes that are no whole packet follow its last one, at `at`; not where they may
    /// still become one.
    pub fn has_more(&self, at: u64) -> bool {
        self.segment.span.is_some() && !self.segment.packed && at < self.segment.bytes
    }

    /// Reads on behind what the index covers.
    pub fn read_on(&mut self, buffers: &mut Buffers) -> io::Result<Behind> {
        let mut tail = match self.tail.take() {
            Some(tail) => tail,
            None => Slabs::new(self.behind()?, self.covered),
        };
        let mut slab = buffers.take();
        let next = match tail.next(&mut slab) {
            Ok(Some(at)) => {
                self.has_read = true;
                if self.segment.span.is_some() {
                    self.latest = self.latest.max(latest(&slab));
                }
                Behind::Slab(buffers.share(std::mem::take(&mut slab)), at)
            }
            Ok(None) if tail.is_foreign() => Behind::Damaged(tail.at()),
            Ok(None) => Behind::End(tail.at()),
            // A compressed one that is cut short or damaged.
            Err(_) if self.segment.packed => Behind::Damaged(tail.at()),
            Err(error) => return Err(error),
        };
        if !matches!(next, Behind::Slab(..)) {
            buffers.give_back(slab);
        }
        self.tail = Some(tail);
        Ok(next)
    }

    /// How many bytes of the file were read for the next slab of so many, behind the index. Of a
    /// compressed one all that is left is, for the first.
    pub fn read_bytes(&mut self, slab: usize) -> u64 {
        match self.segment.packed {
            true => std::mem::take(&mut self.packed_rest),
            false => slab as u64,
        }
    }

    fn behind(&self) -> io::Result<Box<dyn Read + Send>> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(self.covered_file))?;
        if !self.segment.packed {
            return Ok(Box::new(file));
        }
        // A frame begins there; behind the last one is the table, which is passed over.
        Ok(Box::new(zstd::stream::read::Decoder::with_buffer(BufReader::new(file))?))
    }
}

/// The latest packet of some whole blocks.
fn latest(mut blocks: &[u8]) -> Option<Ts> {
    let mut latest = None;
    while let Some((block, behind)) = pcapng::split(blocks) {
        if let Block::Packet { ts, .. } = block {
            latest = latest.max(Some(ts));
        }
        blocks = behind;
    }
    latest
}
