//! The thread that writes: loads go to the segment that grows, and the oldest segments go.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use parking_lot::Mutex;

use super::buffer::Buffer;
use super::change;
use super::direct::Direct;
use super::index::Growing;
use super::indexing::Indexing;
use super::segments::{self, Segment};
use super::tidy::Tidy;
use super::{Load, Place, Room, Spot, Written};
use super::{leftovers, newest, pcapng};
use crate::costs::Costs;
use crate::storage::age::horizon;
use crate::time::Ts;

/// How long the first packet waits for another writer to leave the directory.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// The closed segments, as the thread that writes and the one that tidies up see them.
pub(super) type Shelf = Arc<Mutex<Vec<Segment>>>;

/// The files, as the thread that writes sees them.
pub(super) struct Disk {
    place: Place,
    written: Arc<Written>,
    // Where the memory of loads goes.
    back: Sender<Buffer>,
    // Of a directory.
    indexing: Option<Indexing>,
    shelf: Shelf,
    // From the first packet on: until then it stays seen what a kill left open.
    tidy: Option<Tidy>,
    // Of a directory: held as long as segments are written to it, so after all that writes there.
    lock: Option<File>,
    // Whether that was waited for; later loads only try.
    waited: bool,
    ready: bool,
    next_number: u64,
    // The first segment of this run, by whose number that is known.
    run: u64,
    // The newest segment that was begun, by packets or by their loss, as it is written down for
    // others.
    newest: u64,
    open: Option<Open>,
    // Whether the segment lacks a part, so that what follows in it would make no sense.
    broken: bool,
    // Whether loads are being lost, which was said.
    losing: bool,
}

/// The file that grows.
pub(super) struct Open {
    pub file: File,
    pub path: PathBuf,
    pub number: u64,
    pub bytes: u64,
    // What the file system has set aside for it, or as much as it has.
    reserved: u64,
    // For whole loads, where they can go past the cache; and whether the last one went through it.
    direct: Option<Direct>,
    is_cached: bool,
    pub span: Option<(Ts, Ts)>,
    // While it grows another thread has it. None for a single file, and where not all is in it.
    pub index: Option<Growing>,
}

impl Disk {
    /// Begins the file; or makes the directory, whose segments are looked at when the first packet
    /// comes: until then, another instance that this one replaces may still write there. Loads that
    /// were written go `back`, what the index costs into `costs`.
    pub(super) fn new(
        place: Place,
        written: Arc<Written>,
        back: Sender<Buffer>,
        costs: Arc<Costs>,
    ) -> io::Result<Self> {
        let (mut open, mut lock, mut indexing) = (None, None, None);
        match &place {
            Place::File(path) => open = Some(Open::new(path.clone(), 0)?),
            Place::Directory(Room { path, .. }) => {
                fs::create_dir_all(path)?;
                let options = OpenOptions::new().write(true).create(true).truncate(false).clone();
                lock = Some(options.open(path.join("lock"))?);
                indexing = Some(Indexing::start(back.clone(), costs)?);
            }
        }
        Ok(Self {
            place,
            written,
            back,
            indexing,
            shelf: Shelf::default(),
            tidy: None,
            ready: lock.is_none(),
            lock,
            waited: false,
            next_number: 1,
            run: 1,
            newest: 0,
            open,
            broken: true,
            losing: false,
        })
    }

    /// Takes over the directory.
    fn prepare(&mut self) -> io::Result<()> {
        if let (Some(lock), Place::Directory(room)) = (&self.lock, &self.place) {
            let waited = std::mem::replace(&mut self.waited, true);
            wait_for(lock, if waited { Duration::ZERO } else { LOCK_PATIENCE })?;
            let all = segments::list_all(&room.path)?;
            let swept = leftovers::sweep(&room.path, &all)?;
            self.newest = newest::read(&room.path);
            let last = all.last().map_or(0, |segment| segment.number);
            let last = last.max(swept.last_left).max(self.newest);
            self.next_number = last.saturating_add(1);
            self.run = self.next_number;
            *self.shelf.lock() = segments::list(&room.path)?;
        }
        self.ready = true;
        Ok(())
    }

    /// Begins to tidy up; what an earlier run left open is closed meanwhile.
    fn begin_to_tidy(&mut self) -> io::Result<()> {
        if let (None, Place::Directory(room)) = (&self.tidy, &self.place) {
            let (room, shelf, written) = (room.clone(), self.shelf.clone(), self.written.clone());
            self.tidy = Some(Tidy::new(room, shelf, written)?);
        }
        Ok(())
    }

    /// Writes a load, or counts it as lost; then lets go what is too old.
    pub(super) fn write(&mut self, load: &mut Load) {
        let bytes = load.bytes.len() as u64;
        if bytes > 0 {
            match self.try_write(load) {
                Ok(true) => {
                    self.written.packets.fetch_add(load.packets, Ordering::Relaxed);
                    self.written.bytes.fetch_add(bytes, Ordering::Relaxed);
                    // A disk that is full may still take the beginning of a segment.
                    if self.losing && !load.begins {
                        self.losing = false;
                        self.written.recover();
                    }
                }
                Ok(false) => self.lose(load),
                // A reader that goes away has all that it wanted.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.lose(load),
                Err(error) => {
                    self.lose(load);
                    self.losing = true;
                    let path = self.place.path().display();
                    self.written.complain(format!("packets for `{path}` are lost: {error}"));
                }
            }
        }
        if let Some(clock) = load.clock {
            self.expire(clock);
        }
        if load.bytes.has_memory() {
            // Nobody takes it back once the writer is gone.
            let _ = self.back.try_send(std::mem::take(&mut load.bytes));
        }
    }

    /// Counts a load as lost; what follows in its segment would make no sense.
    fn lose(&mut self, load: &Load) {
        self.broken = true;
        self.written.broken.store(true, Ordering::Relaxed);
        self.written.lost.fetch_add(load.packets, Ordering::Relaxed);
        // So that it is missed as long as nothing comes to be in it.
        let next = self.open.as_ref().filter(|open| open.bytes == 0).map(|open| open.number);
        let next = next.unwrap_or(self.next_number);
        if let Place::Directory(room) = &self.place
            && self.ready
            && next > self.newest
        {
            // Where not even that can be made, it is taken for one that somebody removed.
            let _ = segments::mark_lost(&room.path, next);
            self.write_down(next);
        }
    }

    /// Writes down that a segment was begun; where there is no space for that, with the next load.
    fn write_down(&mut self, number: u64) {
        if let Some(lock) = self.lock.as_ref().filter(|_| number > self.newest)
            && newest::write(lock, number).is_ok()
        {
            self.newest = number;
        }
    }

    /// Tells where the next load will begin, if the directory is ours.
    pub(super) fn tell(&mut self, told: &Sender<Spot>) {
        // Packets that were put before are not there.
        if self.written.broken.load(Ordering::Relaxed) {
            return;
        }
        if !self.ready
            && let Err(error) = self.prepare()
        {
            let path = self.place.path().display();
            return self.written.complain(format!("packets for `{path}` cannot be kept: {error}"));
        }
        let spot = match &self.open {
            Some(open) => Spot { segment: open.number, at: open.bytes },
            None => Spot { segment: self.next_number, at: 0 },
        };
        // Who asked may have gone.
        let _ = told.send(spot);
    }

    /// Writes a load; whether it was, or goes with what was lost before it.
    fn try_write(&mut self, load: &mut Load) -> io::Result<bool> {
        if !self.ready {
            self.prepare()?;
        }
        self.begin_to_tidy()?;
        if load.begins {
            // One that nothing could be written to is as good as another.
            if self.open.as_ref().is_some_and(|open| open.bytes > 0) {
                self.close();
            }
            self.broken = false;
            pcapng::set_run(&mut load.bytes, self.run);
        }
        if self.broken {
            return Ok(false);
        }
        self.bound(load.bytes.len() as u64);
        if self.open.is_none()
            && let Place::Directory(room) = &self.place
        {
            self.open = Some(Open::segment(room, self.next_number)?);
            self.next_number = self.next_number.saturating_add(1);
        }
        if let Some(open) = &mut self.open {
            let at = open.bytes;
            open.write(load)?;
            if let Place::Directory(room) = &self.place
                && at == 0
                && open.number == self.newest
            {
                // Something came to be in it after all; then a mark that stays tells nothing.
                let _ = change::remove(&segments::lost_mark(&room.path, open.number));
            }
            if let Some(indexing) = &self.indexing {
                let index = (at == 0).then(|| Growing::new(&open.index_path(), open.number));
                index.into_iter().flatten().for_each(|index| indexing.begin(index));
                indexing.add(std::mem::take(&mut load.bytes), at);
            }
            let number = open.number;
            self.write_down(number);
        }
        Ok(true)
    }

    /// Closes the segment that grows. One file stays open under its own name.
    pub(super) fn close(&mut self) {
        if let Place::File(_) = self.place {
            if let Some(open) = &self.open
                && let Err(error) = open.file.sync_data()
                // Pipes and devices have nothing to sync.
                && error.kind() != io::ErrorKind::InvalidInput
            {
                self.written.complain(format!("`{}`: {error}", open.path.display()));
            }
            return;
        }
        let Some(mut open) = self.open.take() else { return };
        open.index = self.indexing.as_ref().and_then(Indexing::end);
        let segment = Segment {
            path: open.path.clone(),
            number: open.number,
            span: open.span,
            bytes: open.bytes,
            packed: false,
            index_bytes: open.index.as_ref().map_or(0, Growing::bytes),
        };
        if open.span.is_none() {
            // Without a mark: what was to be in it is lost.
            let _ = segment.remove();
            return;
        }
        self.shelf.lock().push(segment);
        if let Some(tidy) = &self.tidy {
            tidy.close(open);
        }
    }

    /// Removes the oldest segments until `more` bytes fit under the bound.
    fn bound(&mut self, more: u64) {
        let Place::Directory(Room { bytes_max, .. }) = self.place else { return };
        let open = self.open.as_ref().map_or(0, |open| open.bytes.max(open.reserved));
        let mut shelf = self.shelf.lock();
        let mut bytes: u64 = shelf.iter().map(Segment::bytes_all).sum();
        shelf.retain(|oldest| {
            let fits = bytes.saturating_add(open).saturating_add(more) <= bytes_max;
            if fits || !self.remove(oldest, true) {
                return true;
            }
            bytes = bytes.saturating_sub(oldest.bytes_all());
            false
        });
    }

    /// Removes the segments whose packets are all older than packets may get.
    fn expire(&mut self, clock: Ts) {
        let Place::Directory(Room { retain: Some(retain), .. }) = self.place else { return };
        let oldest = horizon(clock, retain);
        let is_old = |segment: &Segment| segment.span.is_some_and(|(_, last)| last < oldest);
        let mut is_first = true;
        self.shelf.lock().retain(|segment| {
            let stays = !is_old(segment) || !self.remove(segment, is_first);
            is_first &= !stays;
            stays
        });
    }

    /// Removes a segment, the oldest or not; whether it is gone. What stays is tried again, and
    /// complained of once.
    fn remove(&self, segment: &Segment, is_oldest: bool) -> bool {
        let removed = match is_oldest && segment.number != self.newest {
            true => segment.remove(),
            false => segment.pass_over(),
        };
        if let Err(error) = &removed {
            let path = self.place.path().display();
            self.written.complain(format!("old segments in `{path}` cannot be removed: {error}"));
        }
        removed.is_ok()
    }
}

impl Open {
    fn new(path: PathBuf, number: u64) -> io::Result<Self> {
        let file = change::create(&path)?;
        Ok(Self {
            file,
            path,
            number,
            bytes: 0,
            reserved: 0,
            direct: None,
            is_cached: false,
            span: None,
            index: None,
        })
    }

    /// Begins a segment, and has space set aside for it, which nobody sees.
    fn segment(room: &Room, number: u64) -> io::Result<Self> {
        let mut open = Self::new(room.path.join(format!("{number:08}.pcapng")), number)?;
        let bytes = room.segment_bytes();
        let flags = rustix::fs::FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&open.file, flags, 0, bytes) {
            Ok(()) => open.reserved = bytes,
            // Not every file system can; then the space is found as it is needed. One that is all
            // but full may have set aside what it had, which others need.
            Err(_) => open.file.set_len(0)?,
        }
        open.direct = Direct::open(&open.path);
        Ok(open)
    }

    fn index_path(&self) -> PathBuf {
        self.path.with_extension("index")
    }

    fn write(&mut self, load: &Load) -> io::Result<()> {
        if let Err(error) = self.put(&load.bytes) {
            // What is there in part would hide all that follows. Pipes cannot be cut, and need not.
            let _ = self.file.set_len(self.bytes);
            let _ = self.file.seek(SeekFrom::Start(self.bytes));
            return Err(error);
        }
        self.bytes += load.bytes.len() as u64;
        if let (Some(first), Some(last)) = (load.first, load.last) {
            let (from, until) = self.span.unwrap_or((first, last));
            self.span = Some((from.min(first), until.max(last)));
        }
        Ok(())
    }

    /// Puts a load at the end of the file.
    fn put(&mut self, load: &Buffer) -> io::Result<()> {
        if let Some(direct) = self.direct.as_mut().filter(|_| Direct::takes(load, self.bytes)) {
            // After a crash of the machine nothing is to stand behind what it lost.
            if std::mem::take(&mut self.is_cached) {
                self.file.sync_data()?;
            }
            match direct.write(load, self.bytes) {
                // The device wants it otherwise, so all goes through the cache.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.direct = None,
                written => {
                    self.file.seek(SeekFrom::Start(self.bytes + load.len() as u64))?;
                    return written;
                }
            }
        }
        self.is_cached = true;
        change::write(&mut self.file, load)
    }
}

/// Takes the lock, or says after a while that somebody else keeps it.
fn wait_for(lock: &File, patience: Duration) -> io::Result<()> {
    let until = Instant::now() + patience;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                let why = "another process or instance writes there: give each its own directory";
                return Err(io::Error::other(why));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    fn disk(room: Room) -> Disk {
        let (back, _) = crossbeam_channel::bounded(1);
        let place = Place::Directory(room);
        Disk::new(place, Arc::default(), back, Arc::default()).expect("a place")
    }

    #[test]
    fn what_cannot_be_removed_is_still_counted() {
        let dir = tempfile::tempdir().expect("a directory");
        let room = Room { retain: Some(Span::from_secs(1)), ..Room::new(dir.path(), 10) };
        let mut disk = disk(room);
        let path = dir.path().join("00000001_0_5.pcapng");
        // Nobody removes a directory as a file.
        fs::create_dir(&path).expect("a directory");
        let span = Some((Ts(0), Ts(5)));
        let segment = Segment {
            path: path.clone(),
            number: 1,
            span,
            bytes: 9,
            packed: false,
            index_bytes: 0,
        };
        disk.shelf.lock().push(segment);
        disk.bound(2);
        disk.expire(Ts(u64::MAX));
        assert_eq!(disk.shelf.lock().len(), 1);
        assert!(disk.written.complaint().is_some());
        fs::remove_dir(&path).expect("an empty directory");
        disk.bound(2);
        assert!(disk.shelf.lock().is_empty());
    }
}
