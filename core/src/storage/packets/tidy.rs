//! Tidying up: segments are closed, indexed and compressed on a thread that lets all others go
//! first.
//!
//! Closing waits for the disk, which nobody who writes packets should. What a
//! crash left open is closed first, however much of it is to be read. An index
//! that is missing is made again, and a closed segment compressed, when
//! nothing waits to be closed. Everything here can be interrupted at any
//! instant and is done again by the next run.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};

use super::change;
use super::disk::{Open, Shelf};
use super::index::{Entry, Growing, Index, Indexer};
use super::pack;
use super::segments::{Segment, Slabs, closed_name};
use super::{Room, Written, pcapng};
use crate::time::Ts;

/// Segments that may wait to be closed; further ones are closed by who brings them.
const WAITING: usize = 4;

/// Bytes at the end of a file that tell whether they were written.
const PAGE_BYTES: u64 = 4096;

/// The lowest priority there is.
#[cfg(target_os = "linux")]
const NICE: i32 = 19;

/// The thread. Dropping it waits until all that was brought is closed.
pub(super) struct Tidy {
    jobs: Option<Sender<Open>>,
    closer: Closer,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tidy {
    /// Starts it for the segments of a directory.
    pub fn new(room: Room, shelf: Shelf, written: Arc<Written>) -> io::Result<Self> {
        let (jobs, waiting) = bounded(WAITING);
        let stop = Arc::<AtomicBool>::default();
        let closer = Closer { shelf: shelf.clone(), written };
        let chores = Chores {
            room,
            closer: closer.clone(),
            waiting,
            stop: stop.clone(),
            given_up: HashSet::new(),
            unseen: shelf.lock().clone(),
        };
        let thread = std::thread::Builder::new().name("tidy".to_owned());
        let thread = Some(thread.spawn(move || chores.run())?);
        Ok(Self { jobs: Some(jobs), closer, stop, thread })
    }

    /// Has a segment closed, which is on the shelf already.
    pub fn close(&self, open: Open) {
        let refused = match &self.jobs {
            Some(jobs) => jobs.try_send(open).err().map(|refused| refused.into_inner()),
            None => Some(open),
        };
        refused.into_iter().for_each(|open| self.closer.close(open));
    }
}

impl Drop for Tidy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It cannot be told any more that it failed.
            let _ = thread.join();
        }
    }
}

/// Closes segments.
#[derive(Clone)]
struct Closer {
    shelf: Shelf,
    written: Arc<Written>,
}

impl Closer {
    /// Gives back what was set aside, waits for the disk and gives the segment its last name.
    fn close(&self, open: Open) {
        let done = change::set_len(&open.file, open.bytes)
            .and_then(|()| open.file.sync_data())
            .and_then(|()| open.index.as_ref().map_or(Ok(()), Growing::sync));
        let renamed = done.and_then(|()| {
            let mut shelf = self.shelf.lock();
            let place = shelf.iter_mut().find(|segment| segment.number == open.number);
            // Gone already, where there is little room.
            let Some(segment) = place else { return Ok(()) };
            let Some(span) = segment.span else { return Ok(()) };
            if open.index.is_none() {
                // What there is lacks the end: it is made again.
                change::remove(&segment.index())?;
            }
            let to = segment.path.with_file_name(closed_name(segment.number, span, false));
            change::rename(&segment.path, &to)?;
            segment.path = to;
            Ok(())
        });
        if let Err(error) = renamed {
            self.written.complain(format!("`{}`: {error}", open.path.display()));
        }
    }
}

/// What the thread has to do.
struct Chores {
    room: Room,
    closer: Closer,
    waiting: Receiver<Open>,
    stop: Arc<AtomicBool>,
    // Segments that could not be indexed or compressed, by number.
    given_up: HashSet<u64>,
    // Segments of earlier runs whose index was not looked at yet.
    unseen: Vec<Segment>,
}

impl Chores {
    fn run(mut self) {
        // A thread of the same priority is better than none. Elsewhere than on Linux this would
        // lower the whole process.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::setpriority_process(None, NICE);
        self.adopt_all();
        loop {
            match self.waiting.try_recv() {
                Ok(open) => self.closer.close(open),
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => {
                    let Some(segment) = self.next() else {
                        if self.look() {
                            continue;
                        }
                        match self.waiting.recv() {
                            Ok(open) => self.closer.close(open),
                            Err(_) => return,
                        }
                        continue;
                    };
                    if let Err(error) = self.tidy(&segment)
                        && self.is_kept(&segment)
                    {
                        self.given_up.insert(segment.number);
                        let path = segment.path.display();
                        self.closer.written.complain(format!("`{path}`: {error}"));
                    }
                }
            }
        }
    }

    /// Closes what an earlier run left open.
    fn adopt_all(&self) {
        let shelf = self.closer.shelf.lock().clone();
        for left_open in shelf.into_iter().filter(|segment| segment.span.is_none()) {
            if let Err(error) = self.adopt(&left_open)
                && self.is_kept(&left_open)
            {
                self.closer.written.complain(format!("`{}`: {error}", left_open.path.display()));
            }
        }
    }

    fn adopt(&self, left_open: &Segment) -> io::Result<()> {
        let mut goes_on = || {
            self.goes_on();
            true
        };
        let adopted = adopt(left_open.clone(), &mut goes_on)?;
        let mut shelf = self.closer.shelf.lock();
        let place = shelf.iter().position(|kept| kept.number == left_open.number);
        match (place, adopted) {
            (Some(at), Some(adopted)) => shelf[at] = adopted,
            (Some(at), None) => drop(shelf.remove(at)),
            // It went meanwhile.
            (None, Some(adopted)) => adopted.remove()?,
            (None, None) => {}
        }
        Ok(())
    }

    /// The next segment that is not as it should be.
    fn next(&self) -> Option<Segment> {
        let shelf = self.closer.shelf.lock();
        let is_untidy = |segment: &&Segment| {
            segment.is_named_closed()
                && (segment.index_bytes == 0 || (self.room.compress && !segment.packed))
                && !self.given_up.contains(&segment.number)
        };
        shelf.iter().find(is_untidy).cloned()
    }

    /// Looks at the index of a segment of an earlier run, if there is one left: one that lacks
    /// something is made again. Newer segments than those are looked at first.
    fn look(&mut self) -> bool {
        let Some(segment) = self.unseen.pop() else { return false };
        let lacks = segment.is_named_closed() && segment.index_bytes > 0 && lacks_some(&segment);
        if lacks && !self.given_up.contains(&segment.number) {
            let mut shelf = self.closer.shelf.lock();
            let kept = shelf.iter_mut().find(|kept| kept.path == segment.path);
            kept.into_iter().for_each(|kept| kept.index_bytes = 0);
        }
        true
    }

    /// Whether a segment is there still, and not gone to make room.
    fn is_kept(&self, segment: &Segment) -> bool {
        self.closer.shelf.lock().iter().any(|kept| kept.number == segment.number)
    }

    /// Makes a segment as it should be, unless it is to stop before that is done.
    fn tidy(&self, segment: &Segment) -> io::Result<()> {
        let mut goes_on = || self.goes_on();
        let indexed = |index_bytes| Segment { index_bytes, ..segment.clone() };
        let done = match segment.packed {
            true => pack::index_again(segment, &mut goes_on)?.map(indexed),
            false if self.room.compress => pack::pack(segment, &mut goes_on)?,
            false => complete(segment, &mut goes_on)?.map(|(_, bytes, _)| indexed(bytes)),
        };
        let Some(done) = done else { return Ok(()) };
        let mut shelf = self.closer.shelf.lock();
        match shelf.iter_mut().find(|kept| kept.number == segment.number) {
            Some(kept) => *kept = done.clone(),
            // It went meanwhile.
            None => done.remove()?,
        }
        drop(shelf);
        if done.packed && !segment.packed { segment.remove() } else { Ok(()) }
    }

    /// Closes what waits for it; false when it is time to end.
    fn goes_on(&self) -> bool {
        self.waiting.try_iter().for_each(|open| self.closer.close(open));
        !self.stop.load(Ordering::Relaxed)
    }
}

/// Whether a file is one of ours that was never written to its end.
pub(super) fn is_half(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let ours = |rest: &str| rest.len() >= 8 && rest.bytes().all(|b| b.is_ascii_digit());
    let kinds = [".zst.tmp", ".index.tmp", ".zst.index.tmp"];
    kinds.into_iter().any(|kind| name.strip_suffix(kind).is_some_and(ours))
}

/// Cuts a segment that was still growing to its whole blocks and closes it; none without a packet.
fn adopt(segment: Segment, goes_on: &mut dyn FnMut() -> bool) -> io::Result<Option<Segment>> {
    let Some((whole, index_bytes, span)) = complete(&segment, goes_on)? else {
        return Ok(None);
    };
    let Some(span) = span else { return segment.pass_over().map(|()| None) };
    let file = OpenOptions::new().read(true).write(true).open(&segment.path)?;
    let bytes = kept_bytes(&file, whole)?;
    if bytes > whole {
        let path = segment.path.display();
        tracing::warn!("`{path}` is damaged at byte {whole}: what follows stays as it is");
    }
    change::set_len(&file, bytes)?;
    file.sync_data()?;
    let path = segment.path.with_file_name(closed_name(segment.number, span, false));
    change::rename(&segment.path, &path)?;
    Ok(Some(Segment { path, span: Some(span), bytes, index_bytes, ..segment }))
}

/// How long a segment is to be of which only so many bytes are whole blocks. A crash leaves the
/// last block in part, or zeros where the system never came to write; anything else is damage, and
/// what follows it may serve others.
fn kept_bytes(file: &File, whole: u64) -> io::Result<u64> {
    let len = file.metadata()?.len();
    let rest = len.saturating_sub(whole);
    let mut next = vec![0; rest.min(pcapng::BLOCK_BYTES_MAX.into()) as usize];
    file.read_exact_at(&mut next, whole)?;
    let end_bytes = rest.min(PAGE_BYTES);
    let mut end = vec![0; end_bytes as usize];
    file.read_exact_at(&mut end, len - end_bytes)?;
    let is_part = pcapng::split(&next).is_none() && !pcapng::is_foreign(&next);
    let is_zero = end.iter().all(|byte| *byte == 0);
    Ok(if is_part || is_zero { whole } else { len })
}

/// How many bytes of a segment are whole blocks, how long its index is, and the times of its
/// packets.
type Complete = (u64, u64, Option<(Ts, Ts)>);

/// Adds to the index of a plain segment what it lacks, as long as `goes_on`.
fn complete(segment: &Segment, goes_on: &mut dyn FnMut() -> bool) -> io::Result<Option<Complete>> {
    let path = segment.index();
    let mut file = File::open(&segment.path)?;
    let mut index = Index::read(&path, segment.number)?;
    // After a crash of the machine the newest slabs may not have been written to their end. What
    // was is left to the index, which knows if it is damaged.
    while let Some(newest) = index.entries.last().filter(|newest| !has_end(&file, newest)) {
        index.good -= newest.stored_bytes();
        index.entries.pop();
    }
    let mut indexer = Indexer::default();
    index.entries.iter().for_each(|entry| indexer.pass(entry));
    let half = change::half(&path);
    let is_new = index.entries.is_empty();
    let mut growing = match is_new {
        true => Growing::new(&half, segment.number)?,
        false => Growing::resume(&path, index.good)?,
    };
    file.seek(SeekFrom::Start(index.covers()))?;
    let mut slabs = Slabs::new(&file, index.covers());
    let (mut span, mut bytes) = (index.span(), index.covers());
    let mut slab = Vec::new();
    while let Some(at) = slabs.next(&mut slab)? {
        if !goes_on() {
            return Ok(None);
        }
        let shared = Arc::new(slab);
        let Some(entry) = indexer.whole(at, &shared) else { break };
        growing.put(&entry)?;
        bytes = entry.end();
        if entry.packets > 0 {
            let (first, last) = span.unwrap_or((entry.first, entry.last));
            span = Some((first.min(entry.first), last.max(entry.last)));
        }
        slab = Arc::into_inner(shared).unwrap_or_default();
    }
    growing.sync()?;
    if is_new {
        change::rename(&half, &path)?;
    }
    Ok(Some((bytes, growing.bytes(), span)))
}

/// Whether a slab is in the file as it was written, or at least ends as one does.
fn has_end(file: &File, entry: &Entry) -> bool {
    let mut slab = vec![0; entry.bytes as usize];
    if file.read_exact_at(&mut slab, entry.at).is_err() {
        return false;
    }
    crc32fast::hash(&slab) == entry.crc || pcapng::ends_whole(&slab)
}

/// Whether the index of a closed segment is damaged, or ends before the segment.
fn lacks_some(segment: &Segment) -> bool {
    let end = |file: File| match segment.packed {
        true => pack::frames_end(&file),
        false => Ok(Some(segment.bytes)),
    };
    let covered = |index: &Index| match segment.packed {
        true => index.packed_covers(),
        false => index.covers(),
    };
    match (Index::read(&segment.index(), segment.number), File::open(&segment.path).and_then(end)) {
        (Ok(index), Ok(Some(end))) => index.torn || covered(&index) < end,
        // Without a table of frames it could not be made again.
        _ => false,
    }
}
