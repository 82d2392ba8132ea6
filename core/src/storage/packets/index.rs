//! The index of a segment: for each slab its time, its packets and what they carry.
//!
//! It lies beside the segment and grows with it, an entry for each slab, each
//! with a checksum of its own. Whatever is torn off by a crash, or all of it,
//! is made again from the segment, so it is never waited for and never trusted
//! for more than it covers. See `docs/storage.md`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use super::bloom::Bloom;
use super::buffer::Buffer;
use super::checksum::Checksum;
use super::read::Buffers;
use super::{change, ends_before, is_slab};
use crate::batch::Batch;
use crate::filter::clues::{self, Clues, Needs};
use crate::packet::{LinkType, Packet};
use crate::selection::BATCH_PACKETS_MAX;
use crate::source::Bytes;
use crate::storage::Window;
use crate::storage::pcapng::{self, Block};
use crate::time::Ts;

const MAGIC: [u8; 4] = *b"CoMI";
const VERSION: u32 = 1;

/// Bytes of an entry before its heads and its filter.
const ENTRY_BYTES: usize = 60;

/// No slab is longer: a packet may follow with its interface when it is all but full.
pub(super) const SLAB_BYTES_MAX: u32 = 4 << 20;

/// What is known of a slab: a run of whole blocks of a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub packets: u32,
    /// The earliest and the latest packet; as if before all time where there is none.
    pub first: Ts,
    pub last: Ts,
    /// Where it begins in the capture, and its length there.
    pub at: u64,
    pub bytes: u32,
    /// CRC-32 of its bytes.
    pub crc: u32,
    /// Where its frame lies in a compressed segment; of no length in another.
    pub packed_at: u64,
    pub packed_bytes: u32,
    /// The blocks in it that describe what follows: sections and interfaces.
    pub heads: Vec<u8>,
    /// What its packets carry.
    pub carried: Bloom,
}

impl Entry {
    /// Whether the slab may hold packets of a window that carry what is needed.
    pub fn may_hold(&self, window: Window, needs: &Needs) -> bool {
        self.touches(window) && needs.met(&|clue| self.carried.has(clue))
    }

    /// Whether the slab may hold packets of a window.
    pub fn touches(&self, window: Window) -> bool {
        self.packets > 0 && self.first < window.to && self.last >= window.from
    }

    /// The first byte of the capture behind it.
    pub fn end(&self) -> u64 {
        self.at.saturating_add(u64::from(self.bytes))
    }

    /// The first byte behind its frame in a compressed segment; in another 0.
    pub fn packed_end(&self) -> u64 {
        self.packed_at.saturating_add(u64::from(self.packed_bytes))
    }

    /// How long it is in the index.
    pub fn stored_bytes(&self) -> u64 {
        (ENTRY_BYTES + self.heads.len() + self.carried.bytes().len() + 4) as u64
    }

    fn put(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let bytes = self.stored_bytes() as u32;
        let short = |out: &mut Vec<u8>, number: u32| out.extend(number.to_le_bytes());
        let long = |out: &mut Vec<u8>, number: u64| out.extend(number.to_le_bytes());
        short(out, bytes);
        short(out, self.packets);
        [self.first.0, self.last.0, self.at].into_iter().for_each(|number| long(out, number));
        short(out, self.bytes);
        short(out, self.crc);
        long(out, self.packed_at);
        short(out, self.packed_bytes);
        short(out, self.heads.len() as u32);
        short(out, self.carried.bytes().len() as u32);
        out.extend(&self.heads);
        out.extend(self.carried.bytes());
        let crc = crc32fast::hash(&out[start..]);
        short(out, crc);
    }

    /// The entry at byte `at` of an index, and where the next one is; none where it is not whole.
    fn parse(index: &Arc<Vec<u8>>, at: usize) -> Option<(Self, usize)> {
        let rest = index.get(at..)?;
        let (whole, _) = rest.split_at_checked(word(rest, 0)? as usize)?;
        let (body, crc) = whole.split_last_chunk::<4>()?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let (heads, carried) = (word(body, 52)? as usize, word(body, 56)? as usize);
        let (heads, rest) = body.get(ENTRY_BYTES..)?.split_at_checked(heads)?;
        let (bytes, carried_at) = (word(body, 32)?, at + body.len() - rest.len());
        let entry = Self {
            packets: word(body, 4)?,
            first: Ts(long(body, 8)?),
            last: Ts(long(body, 16)?),
            at: long(body, 24)?,
            bytes,
            crc: word(body, 36)?,
            packed_at: long(body, 40)?,
            packed_bytes: word(body, 48)?,
            heads: heads.to_vec(),
            carried: Bloom::part(index, carried_at..carried_at + rest.len()),
        };
        let fits = rest.len() == carried && bytes <= SLAB_BYTES_MAX;
        fits.then_some((entry, at + whole.len()))
    }
}

/// A segment's index that grows.
pub(super) struct Growing {
    file: File,
    bytes: u64,
}

impl Growing {
    /// Begins the index of segment `number`.
    pub fn new(path: &Path, number: u64) -> io::Result<Self> {
        let file = change::create(path)?;
        let mut index = Self { file, bytes: 0 };
        index.write(&head(number))?;
        Ok(index)
    }

    /// Goes on with an index of which `bytes` are good.
    pub fn resume(path: &Path, bytes: u64) -> io::Result<Self> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        change::set_len(&file, bytes)?;
        io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
        Ok(Self { file, bytes })
    }

    /// Adds the entry of the next slab.
    pub fn put(&mut self, entry: &Entry) -> io::Result<()> {
        let mut bytes = Vec::new();
        entry.put(&mut bytes);
        self.write(&bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        change::write(&mut self.file, bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// How long the file is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Waits until it is on disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn head(number: u64) -> Vec<u8> {
    [&MAGIC[..], &VERSION.to_le_bytes(), &number.to_le_bytes()].concat()
}

/// An index as it was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// The slabs from the beginning of the segment on, without a gap.
    pub entries: Vec<Entry>,
    /// How many bytes of the file that is.
    pub good: u64,
    /// Whether more is there that makes no sense.
    pub torn: bool,
    /// Whether that is no end that was being written: a whole entry, with another checksum.
    pub damaged: bool,
}

impl Index {
    /// Reads the index of segment `number`; an empty one where there is none.
    pub fn read(path: &Path, number: u64) -> io::Result<Self> {
        Self::read_into(path, number, &mut Buffers::default())
    }

    /// Reads it into memory that was used before, and will be once its entries are gone.
    pub fn read_into(path: &Path, number: u64, buffers: &mut Buffers) -> io::Result<Self> {
        let mut bytes = buffers.take();
        bytes.clear();
        let read = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
        let bytes = buffers.lend(bytes);
        match read {
            Ok(_) => Ok(Self::parse(&bytes, number)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    fn parse(bytes: &Arc<Vec<u8>>, number: u64) -> Self {
        let head = head(number);
        if !bytes.starts_with(&head) {
            let damaged = bytes.len() >= head.len() && bytes.iter().any(|byte| *byte != 0);
            return Self { torn: !bytes.is_empty(), damaged, ..Self::default() };
        }
        let (mut entries, mut at): (Vec<Entry>, _) = (Vec::new(), head.len());
        while let Some((entry, next)) = Entry::parse(bytes, at) {
            let before = entries.last();
            if entry.at != before.map_or(0, Entry::end)
                || entry.packed_at != before.map_or(0, Entry::packed_end)
            {
                break;
            }
            entries.push(entry);
            at = next;
        }
        let (rest, good) = (&bytes[at..], if entries.is_empty() { 0 } else { at as u64 });
        let is_whole = |len: u32| len > 0 && len as usize <= rest.len();
        let damaged = word(rest, 0).is_some_and(is_whole);
        Self { entries, good, torn: !rest.is_empty(), damaged }
    }

    /// How many bytes of the capture it covers.
    pub fn covers(&self) -> u64 {
        self.entries.last().map_or(0, Entry::end)
    }

    /// Where, in the file of a compressed segment, the frames it covers end.
    pub fn packed_covers(&self) -> u64 {
        self.entries.last().map_or(0, Entry::packed_end)
    }

    /// The times of the packets it covers.
    pub fn span(&self) -> Option<(Ts, Ts)> {
        let some = || self.entries.iter().filter(|entry| entry.packets > 0);
        Some((some().map(|entry| entry.first).min()?, some().map(|entry| entry.last).max()?))
    }
}

/// Makes entries of slabs, in the order of the segment.
pub(super) struct Indexer {
    batch: Batch,
    packets: Vec<Packet>,
    links: Vec<LinkType>,
    clues: Clues,
}

impl Default for Indexer {
    fn default() -> Self {
        let (batch, packets, links) = Default::default();
        Self { batch, packets, links, clues: clues::none() }
    }
}

impl Indexer {
    /// The entry of the next slab: of what begins at `from` of the blocks that were written `at`;
    /// none where it makes no sense there.
    pub fn entry(&mut self, at: u64, blocks: &Arc<Buffer>, from: usize) -> Option<Entry> {
        self.look_through((at, blocks), from, false)
    }

    /// The entry of a slab that is all of these blocks.
    pub fn whole(&mut self, at: u64, blocks: &Arc<Vec<u8>>) -> Option<Entry> {
        self.look_through((at, blocks), 0, true)
    }

    fn look_through(
        &mut self,
        (at, shared): (u64, &Arc<impl Bytes + 'static>),
        from: usize,
        is_whole: bool,
    ) -> Option<Entry> {
        let blocks = (**shared).as_ref();
        let at = at.checked_add(from as u64)?;
        let mut entry = Entry { at, ..Entry::default() };
        self.clues.clear();
        let mut end = from;
        let mut sum = Checksum::new(&blocks[from..]);
        let is_one = |end: usize| is_slab(end - from, at + (end - from) as u64);
        while end < blocks.len() && (is_whole || end == from || !is_one(end)) {
            sum.reach(end - from);
            let (block, rest) = pcapng::split(&blocks[end..])?;
            if !is_whole && ends_before(end - from, (entry.first, entry.last), &block) {
                break;
            }
            let start = end;
            end = blocks.len() - rest.len();
            match block {
                Block::Section(bytes) => {
                    self.links.clear();
                    entry.heads.extend(bytes);
                }
                Block::Interface(bytes) => {
                    self.links.push(pcapng::link(bytes));
                    entry.heads.extend(bytes);
                }
                Block::Packet { ts, bytes } => {
                    let seen = pcapng::packet(bytes)?;
                    let link = *self.links.get(seen.interface as usize)?;
                    self.packets.push(seen.as_packet(ts, start, link));
                    entry.first = if entry.packets == 0 { ts } else { entry.first.min(ts) };
                    entry.last = entry.last.max(ts);
                    entry.packets += 1;
                }
            }
            if self.packets.len() >= BATCH_PACKETS_MAX {
                self.take_clues(shared);
            }
        }
        self.take_clues(shared);
        entry.bytes = u32::try_from(end - from).ok()?;
        entry.crc = sum.up_to(end - from);
        entry.carried = Bloom::of(&self.clues);
        Some(entry)
    }

    /// Takes note of interfaces in slabs that have their entry already.
    pub fn pass(&mut self, entry: &Entry) {
        let mut rest = entry.heads.as_slice();
        while let Some((block, behind)) = pcapng::split(rest) {
            match block {
                Block::Interface(bytes) => self.links.push(pcapng::link(bytes)),
                _ => self.links.clear(),
            }
            rest = behind;
        }
    }

    fn take_clues(&mut self, blocks: &Arc<impl Bytes + 'static>) {
        let Self { batch, packets, clues, .. } = self;
        batch.clear();
        batch.push_region(blocks.clone());
        batch.push_all(packets, &[]);
        packets.clear();
        batch.decode(clues::demand());
        clues::add(batch, clues);
        batch.clear();
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
