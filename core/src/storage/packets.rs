//! Packets at rest: pcapng in one file, or in segments of which the oldest go first.
//!
//! A segment is a capture of its own. While it grows it is called
//! `NUMBER.pcapng`; closed, `NUMBER_FROM_UNTIL.pcapng`, the times in
//! nanoseconds since 1970, first and last packet included: so a reader opens
//! only what can hold the time it wants. Whole buffers ("slabs") go to the disk
//! in one write each, on a thread of their own, and an index beside the segment
//! says what each may hold.

mod anonymize;
mod bloom;
mod breaks;
mod buffer;
mod change;
mod checksum;
mod copy;
mod crossing;
mod cuts;
mod direct;
mod disk;
mod index;
mod indexing;
mod lane;
mod leftovers;
mod newest;
mod pack;
mod read;
mod segments;
mod source;
mod taken;
mod tidy;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;

use super::pcapng::{self, Block, Stands};
use crate::costs::{Category, Costs, Stopwatch};
use crate::mapped::LARGE_PAGE;
use crate::packet::LinkType;
use crate::time::{SECOND, Span, Ts};
use anonymize::Anonymizer;
pub use anonymize::{Secret, SecretError};
use buffer::Buffer;
pub(crate) use copy::PCAP_SNAPLEN;
pub use copy::{Capture, Copied, CopyError, Wanted, copy};
pub use crossing::By;
pub use cuts::cuts;
pub use lane::Lane;
pub use leftovers::clear;
pub use read::{Effort, Expected, Listened, Spot, covered, gaps, listened, missing, verify};
pub use segments::{Segment, remove};
pub use source::{LANES_MAX, PacketSource};
pub use taken::{Taken, Treated, joined, treated};

/// The bytes of a packet that are kept where all are: no link has longer ones.
pub const SNAPLEN_MAX: u32 = 262_144;

/// A slab ends with the block that makes it so long, or where a load does: it fits into the nearer
/// caches, where packets are looked into right after its checksum.
const SLAB_BYTES: usize = 512 << 10;

/// One of so many bytes ends with a second, too, or of a few if it began in that: there intervals
/// begin, and who reads them beside each other needs slabs that hold no packets of two.
const SLAB_BYTES_MOST: usize = SLAB_BYTES / 4 * 3;
const SLAB_BYTES_FEW: usize = SLAB_BYTES / 8;

/// What is written at once ends at a multiple of this: so the system keeps segments in large pages,
/// and to read one costs two thirds of what it costs in small ones.
const LOAD_BYTES: u64 = LARGE_PAGE;

/// Whether a slab of so many bytes that ends here in its segment is one.
const fn is_slab(bytes: usize, end: u64) -> bool {
    bytes >= SLAB_BYTES || end.is_multiple_of(LOAD_BYTES)
}

/// Whether one of so many bytes, with packets from `first` until `last`, ends before this block.
fn ends_before(bytes: usize, (first, last): (Ts, Ts), block: &Block<'_>) -> bool {
    let Block::Packet { ts, .. } = block else { return false };
    let [first, last, next] = [first, last, *ts].map(|ts| ts.0 / SECOND);
    let least = if first == last { SLAB_BYTES_FEW } else { SLAB_BYTES_MOST };
    next > last && bytes >= least
}

/// Loads that may wait for the disk; then the task waits too.
const LOADS_WAITING: usize = 4;

/// Into how many segments the time that packets are kept is cut, so that little goes at a time.
const SEGMENTS_IN_TIME: u64 = 16;

/// Where packets go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// One file, which is begun anew.
    File(PathBuf),
    /// Segments in a directory.
    Directory(Room),
}

impl Place {
    /// The file or directory.
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Directory(room) => &room.path,
        }
    }

    fn room(&self) -> Option<&Room> {
        match self {
            Self::File(_) => None,
            Self::Directory(room) => Some(room),
        }
    }
}

/// A directory for segments, which is made if need be, and how much is kept there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// The directory, of one writer alone.
    pub path: PathBuf,
    /// What all segments together may take.
    pub bytes_max: u64,
    /// How long packets are kept at least, in packet time, while there is room; forever where
    /// nothing is said.
    pub retain: Option<Span>,
    /// Whether closed segments are compressed.
    pub compress: bool,
    /// The key under which addresses are replaced, if they are.
    pub anonymize: Option<Secret>,
}

impl Room {
    /// A directory that is bounded in bytes alone.
    pub fn new(path: impl Into<PathBuf>, bytes_max: u64) -> Self {
        Self { path: path.into(), bytes_max, retain: None, compress: false, anonymize: None }
    }

    /// How large a segment gets: small beside the bound, so that little goes at a time, and large
    /// enough that there are not too many.
    fn segment_bytes(&self) -> u64 {
        let few = (self.bytes_max / 1024).clamp(64 << 20, 1 << 30);
        (self.bytes_max / 16).clamp(1 << 20, few)
    }
}

/// What became of the packets so far; the thread that writes counts, others look.
#[derive(Debug, Default)]
pub struct Written {
    packets: AtomicU64,
    bytes: AtomicU64,
    lost: AtomicU64,
    failed: AtomicBool,
    // Set when a slab was lost: what follows must begin a segment to mean anything.
    broken: AtomicBool,
    trouble: Mutex<Option<String>>,
}

impl Written {
    /// Packets the disk has taken.
    pub fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }

    /// Bytes the disk has taken.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Packets the disk did not take.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// What the disk complained of since it was last asked. The same complaint comes once.
    pub fn complaint(&self) -> Option<String> {
        if !self.failed.swap(false, Ordering::Acquire) {
            return None;
        }
        self.trouble()
    }

    /// What the disk complains of, until it takes packets again.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }

    fn recover(&self) {
        if self.trouble.lock().take().is_some() {
            tracing::info!("the disk takes packets again");
        }
    }

    fn complain(&self, what: String) {
        let mut trouble = self.trouble.lock();
        if trouble.as_ref() != Some(&what) {
            *trouble = Some(what);
            self.failed.store(true, Ordering::Release);
        }
    }
}

/// Where a module keeps the packets it sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeps {
    /// The directory of segments.
    pub dir: PathBuf,
    /// What is done to them before, if anything.
    pub changed: Option<String>,
    /// The filter that picks them.
    pub filter: String,
}

/// What is written at once: whole pcapng blocks of one segment.
#[derive(Debug, Default)]
struct Load {
    bytes: Buffer,
    // Where its last packet begins in the buffer.
    packet: usize,
    // Whether a segment begins with it.
    begins: bool,
    packets: u64,
    first: Option<Ts>,
    last: Option<Ts>,
    // The stream's time, where it is known to have come so far.
    clock: Option<Ts>,
    // Who is to be told where the next packet will be.
    mark: Option<Sender<Spot>>,
}

/// Turns packets into pcapng and hands them to the thread that writes.
///
/// Dropping it writes what is left and waits for the disk.
#[derive(Debug)]
pub struct PacketWriter {
    load: Load,
    // Bytes of the open segment, the largest number before the first; and its interfaces.
    segment_bytes: u64,
    segment_bytes_max: u64,
    // Where in it the load is to end.
    load_end: u64,
    // The first packet of the open segment, and how much later one may be in it.
    segment_first: Ts,
    segment_span_max: Option<Span>,
    interfaces: Vec<(u16, LinkType)>,
    // Whether all goes to one file, which is to be a capture also where no packet comes.
    alone: bool,
    snaplen: u32,
    filter: String,
    lineage: String,
    written: Arc<Written>,
    full: Option<Sender<Load>>,
    empty: Receiver<Buffer>,
    thread: Option<JoinHandle<()>>,
}

impl PacketWriter {
    /// Begins to write. What is wrong with the place shows here; what goes wrong later is counted
    /// in [`PacketWriter::written`], and what writing costs in `costs`.
    pub fn new(place: Place, taken: Taken, costs: Arc<Costs>) -> io::Result<Self> {
        let (full, loads) = bounded::<Load>(LOADS_WAITING);
        let (back, empty) = bounded(LOADS_WAITING + 1);
        let written = Arc::<Written>::default();
        let room = place.room();
        let segment_bytes_max = room.map_or(u64::MAX, Room::segment_bytes);
        let retain = room.and_then(|room| room.retain);
        let segment_span_max = retain.map(|span| Span(span.0 / SEGMENTS_IN_TIME));
        let alone = room.is_none();
        let mut anonymizer = taken.anonymize.as_ref().map(Anonymizer::new);
        let mut disk = disk::Disk::new(place, written.clone(), back, costs.clone())?;
        let thread = std::thread::Builder::new().name("packets".to_owned()).spawn(move || {
            let mut watch = Stopwatch::start();
            for mut load in loads {
                if let Some(anonymizer) = &mut anonymizer {
                    anonymizer.apply(&mut load.bytes);
                }
                disk.write(&mut load);
                if let Some(told) = load.mark.take() {
                    disk.tell(&told);
                }
                watch.charge(&costs, Category::Storage);
            }
            disk.close();
            watch.charge(&costs, Category::Storage);
        })?;
        Ok(Self {
            load: Load { bytes: Buffer::new(), ..Load::default() },
            segment_bytes: u64::MAX,
            segment_bytes_max,
            load_end: 0,
            segment_first: Ts(0),
            segment_span_max,
            interfaces: Vec::new(),
            alone,
            snaplen: taken.snaplen,
            lineage: taken.lineage(),
            filter: taken.filter,
            written,
            full: Some(full),
            empty,
            thread: Some(thread),
        })
    }

    /// What became of the packets.
    pub fn written(&self) -> &Written {
        &self.written
    }

    /// Adds a packet. Waits only while `LOADS_WAITING` loads wait for the disk.
    #[inline]
    pub fn put(
        &mut self,
        source: u16,
        link: LinkType,
        ts: Ts,
        data: &[u8],
        wire_len: u32,
        stands: Option<Stands>,
    ) {
        let data = &data[..data.len().min(self.snaplen as usize)];
        let end =
            self.segment_bytes.saturating_add(pcapng::packet_bytes(data.len(), stands) as u64);
        // Also where a load begins: loads flushed early, as on a quiet wire, are never full.
        if self.load.bytes.is_empty() || end > self.load_end {
            self.fill_up();
            self.turn(ts);
        }
        let before = self.load.bytes.len();
        let interface = self.interface(source, link);
        self.load.packet = self.load.bytes.out().len();
        pcapng::put_packet(self.load.bytes.out(), interface, ts, data, wire_len, stands);
        self.segment_bytes += (self.load.bytes.len() - before) as u64;
        self.load.packets += 1;
        self.load.first = Some(self.load.first.map_or(ts, |first| first.min(ts)));
        self.load.last = self.load.last.max(Some(ts));
    }

    /// Says how far the stream's time has come; packets that are too old by then go. What is
    /// gathered is handed on, unless loads wait for the disk as it is, where packets go by bytes
    /// alone: full loads are sooner written.
    pub fn pass(&mut self, clock: Ts) {
        let by_time = self.segment_span_max.is_some();
        self.load.clock = by_time.then_some(clock);
        if by_time || self.full.as_ref().is_none_or(Sender::is_empty) {
            self.flush();
        }
    }

    /// Tells where the next packet will be, as soon as all that are put are in the file; nothing
    /// where that cannot be said.
    pub fn mark(&mut self, told: Sender<Spot>) {
        self.load.mark = Some(told);
        self.flush();
    }

    /// Hands on what is gathered, so that it is on disk soon.
    pub fn flush(&mut self) {
        let nothing = self.load.bytes.is_empty() && self.load.clock.is_none();
        if nothing && self.load.mark.is_none() {
            return;
        }
        let used = self.empty.try_recv().map(|mut used| {
            used.clear();
            used
        });
        let bytes = used.unwrap_or_else(|_| Buffer::new());
        let load = std::mem::replace(&mut self.load, Load { bytes, ..Load::default() });
        if let Some(full) = &self.full
            && let Err(refused) = full.send(load)
        {
            self.written.lost.fetch_add(refused.0.packets, Ordering::Relaxed);
            self.written.complain("the thread that writes packets has ended".to_owned());
        }
    }

    /// Makes the last packet so long that the next load begins where a large page does.
    fn fill_up(&mut self) {
        let Load { bytes, packet, .. } = &mut self.load;
        let left = self.load_end.saturating_sub(self.segment_bytes);
        if !bytes.is_empty() && pcapng::lengthen(bytes.out(), *packet, left as usize) {
            self.segment_bytes += left;
        }
    }

    /// Begins another load at `ts`, and another segment if this one is full, spans much of the time
    /// that packets are kept, or lacks a part.
    fn turn(&mut self, ts: Ts) {
        self.flush();
        let broken = self.written.broken.swap(false, Ordering::Relaxed);
        let age = Span(ts.0.saturating_sub(self.segment_first.0));
        let long = self.segment_span_max.is_some_and(|max| age > max);
        if broken || long || self.segment_bytes >= self.segment_bytes_max {
            let apart = broken || self.segment_bytes == u64::MAX;
            self.segment_bytes = 0;
            self.segment_first = ts;
            self.interfaces.clear();
            self.load.begins = true;
            let (out, is_segment) = (self.load.bytes.out(), !self.alone);
            pcapng::put_section_kept(out, &self.lineage, apart, is_segment);
            self.segment_bytes = self.load.bytes.len() as u64;
        }
        let page_end = (self.segment_bytes / LOAD_BYTES + 1) * LOAD_BYTES;
        self.load_end = page_end.min(self.segment_bytes_max);
    }

    /// The number of a source and link type in this segment, described if it is new here.
    #[inline]
    fn interface(&mut self, source: u16, link: LinkType) -> u32 {
        let known = self.interfaces.iter().position(|known| *known == (source, link));
        known.unwrap_or_else(|| {
            self.interfaces.push((source, link));
            let name = format!("source {source}");
            let (out, kept) = (self.load.bytes.out(), (self.snaplen, self.filter.as_str()));
            match kept.1 {
                "" => pcapng::put_interface(out, link, &name, self.snaplen),
                _ => pcapng::put_filtered_interface(out, link, &name, kept),
            }
            self.interfaces.len() - 1
        }) as u32
    }
}

impl Drop for PacketWriter {
    fn drop(&mut self) {
        if self.alone && self.segment_bytes == u64::MAX {
            self.turn(Ts(0));
            self.interface(0, LinkType::ETHERNET);
        }
        self.flush();
        self.full = None;
        if let Some(thread) = self.thread.take() {
            // It cannot be told any more that it failed.
            let _ = thread.join();
        }
    }
}

/// The segments in a directory, oldest first.
pub fn segments(dir: &Path) -> io::Result<Vec<Segment>> {
    segments::list(dir)
}

#[cfg(test)]
mod tests;
