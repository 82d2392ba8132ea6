//! Packets at rest: pcapng in one file, or in segments of which the oldest go first.
//!
//! A segment is a capture of its own. While it grows it is called
//! `NUMBER.pcapng`; closed, `NUMBER_FROM_UNTIL.pcapng`, the times in
//! nanoseconds since 1970, first and last packet included: so a reader opens
//! only what can hold the time it wants, with no index to lose. Whole buffers
//! go to the disk in one write each, on a thread of their own.

mod copy;
mod segments;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;

use super::pcapng;
use crate::costs::{Category, Costs, Stopwatch};
use crate::packet::{LinkType, Weight};
use crate::time::Ts;
pub use copy::{Capture, CopyError, Wanted, copy};
pub use segments::Segment;

/// Bytes gathered before they are written.
const SLAB_BYTES: usize = 1 << 20;

/// Slabs that may wait for the disk; then the task waits too.
const SLABS_WAITING: usize = 8;

/// Where packets go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// One file, which is begun anew.
    File(PathBuf),
    /// Segments in a directory, which is made if need be.
    Directory {
        /// The directory, of this writer alone.
        path: PathBuf,
        /// What all segments together may take.
        bytes_max: u64,
    },
}

impl Place {
    fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Directory { path, .. } => path,
        }
    }

    /// How large a segment gets: small beside the bound, so that little goes at a time.
    fn segment_bytes(&self) -> u64 {
        match self {
            Self::File(_) => u64::MAX,
            Self::Directory { bytes_max, .. } => (bytes_max / 16).clamp(1 << 20, 64 << 20),
        }
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
    pub fn trouble(&self) -> Option<String> {
        if !self.failed.swap(false, Ordering::Acquire) {
            return None;
        }
        self.trouble.lock().clone()
    }

    fn complain(&self, what: String) {
        let mut trouble = self.trouble.lock();
        if trouble.as_ref() != Some(&what) {
            *trouble = Some(what);
            self.failed.store(true, Ordering::Release);
        }
    }
}

/// A run of whole pcapng blocks of one segment.
#[derive(Debug, Default)]
struct Slab {
    bytes: Vec<u8>,
    // Whether a segment begins with it.
    begins: bool,
    packets: u64,
    first: Option<Ts>,
    last: Option<Ts>,
}

/// Turns packets into pcapng and hands them to the thread that writes.
///
/// Dropping it writes what is left and waits for the disk.
#[derive(Debug)]
pub struct PacketWriter {
    slab: Slab,
    // Bytes of the open segment, the largest number before the first; and its interfaces.
    segment_bytes: u64,
    segment_bytes_max: u64,
    interfaces: Vec<(u16, LinkType)>,
    // Whether all goes to one file, which is to be a capture also where no packet comes.
    alone: bool,
    snaplen: u32,
    written: Arc<Written>,
    full: Option<Sender<Slab>>,
    empty: Receiver<Slab>,
    thread: Option<JoinHandle<()>>,
}

impl PacketWriter {
    /// Begins to write, at most `snaplen` bytes of each packet. What is wrong with the place shows
    /// here; what goes wrong later is counted in [`PacketWriter::written`], and what writing costs
    /// in `costs`.
    pub fn new(place: Place, snaplen: u32, costs: Arc<Costs>) -> io::Result<Self> {
        let (full, slabs) = bounded::<Slab>(SLABS_WAITING);
        let (back, empty) = bounded(SLABS_WAITING + 1);
        let written = Arc::<Written>::default();
        let segment_bytes_max = place.segment_bytes();
        let alone = matches!(place, Place::File(_));
        let mut disk = segments::Disk::new(place, written.clone())?;
        let thread = std::thread::Builder::new().name("packets".to_owned()).spawn(move || {
            let mut watch = Stopwatch::start();
            for mut slab in slabs {
                disk.write(&slab);
                watch.charge(&costs, Category::Storage);
                slab.bytes.clear();
                // Nobody takes it back once the writer is gone.
                let _ = back.try_send(Slab { bytes: slab.bytes, ..Slab::default() });
            }
            disk.close();
            watch.charge(&costs, Category::Storage);
        })?;
        Ok(Self {
            slab: Slab::default(),
            segment_bytes: u64::MAX,
            segment_bytes_max,
            interfaces: Vec::new(),
            alone,
            snaplen,
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

    /// Adds a packet. Waits only while `SLABS_WAITING` slabs wait for the disk.
    #[inline]
    pub fn put(
        &mut self,
        source: u16,
        link: LinkType,
        ts: Ts,
        data: &[u8],
        wire_len: u32,
        weight: Option<Weight>,
    ) {
        // Also where a slab begins: slabs flushed early, as on a quiet wire, are never full.
        let gathered = self.slab.bytes.len();
        let turns = gathered == 0 || gathered >= SLAB_BYTES;
        if turns || self.segment_bytes >= self.segment_bytes_max {
            self.turn();
        }
        let before = self.slab.bytes.len();
        let interface = self.interface(source, link);
        let data = &data[..data.len().min(self.snaplen as usize)];
        pcapng::put_packet(&mut self.slab.bytes, interface, ts, data, wire_len, weight);
        self.segment_bytes += (self.slab.bytes.len() - before) as u64;
        self.slab.packets += 1;
        self.slab.first = Some(self.slab.first.map_or(ts, |first| first.min(ts)));
        self.slab.last = self.slab.last.max(Some(ts));
    }

    /// Hands on what is gathered, so that it is on disk soon.
    pub fn flush(&mut self) {
        if self.slab.bytes.is_empty() {
            return;
        }
        let next = self.empty.try_recv().unwrap_or_default();
        let slab = std::mem::replace(&mut self.slab, next);
        if let Some(full) = &self.full
            && let Err(refused) = full.send(slab)
        {
            self.written.lost.fetch_add(refused.0.packets, Ordering::Relaxed);
            self.written.complain("the thread that writes packets has ended".to_owned());
        }
    }

    /// Begins another slab, and another segment if this one is full or lacks a part.
    fn turn(&mut self) {
        self.flush();
        let broken = self.written.broken.swap(false, Ordering::Relaxed);
        if broken || self.segment_bytes >= self.segment_bytes_max {
            self.segment_bytes = 0;
            self.interfaces.clear();
            self.slab.begins = true;
            pcapng::put_section(&mut self.slab.bytes);
        }
    }

    /// The number of a source and link type in this segment, described if it is new here.
    #[inline]
    fn interface(&mut self, source: u16, link: LinkType) -> u32 {
        let known = self.interfaces.iter().position(|known| *known == (source, link));
        known.unwrap_or_else(|| {
            self.interfaces.push((source, link));
            let name = format!("source {source}");
            pcapng::put_interface(&mut self.slab.bytes, link, &name, self.snaplen);
            self.interfaces.len() - 1
        }) as u32
    }
}

impl Drop for PacketWriter {
    fn drop(&mut self) {
        if self.alone && self.segment_bytes == u64::MAX {
            self.turn();
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
