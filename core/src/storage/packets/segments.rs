//! Segments: their names, the one that grows, and the bound on all of them.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Place, Slab, Written};
use crate::storage::{Window, pcapng};
use crate::time::Ts;

/// A file of a run of packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it is.
    pub path: PathBuf,
    /// Its place among the others: grows from one to the next.
    pub number: u64,
    /// The times of its earliest and latest packet; unknown while it grows.
    pub span: Option<(Ts, Ts)>,
    /// How long it is.
    pub bytes: u64,
}

impl Segment {
    /// Whether it may hold packets of a window.
    pub fn touches(&self, window: Window) -> bool {
        self.span.is_none_or(|(first, last)| first < window.to && last >= window.from)
    }

    /// Reads a file's name; none if it is not one of ours.
    fn named(path: &Path, bytes: u64) -> Option<Self> {
        let stem = path.file_name()?.to_str()?.strip_suffix(".pcapng")?;
        let mut parts = stem.split('_').map(|part| part.parse::<u64>().ok());
        let number = parts.next()??;
        let span = match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => None,
            (Some(first), Some(last), None) => Some((Ts(first?), Ts(last?))),
            _ => return None,
        };
        Some(Self { path: path.to_owned(), number, span, bytes })
    }
}

/// The segments in a directory, oldest first.
pub(super) fn list(dir: &Path) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // A file may go between being listed and being looked at.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() {
            segments.extend(Segment::named(&entry.path(), metadata.len()));
        }
    }
    segments.sort_by_key(|segment| segment.number);
    Ok(segments)
}

/// The files, as the thread that writes sees them.
pub(super) struct Disk {
    place: Place,
    written: Arc<Written>,
    // Of a directory: held as long as segments are written to it.
    lock: Option<File>,
    ready: bool,
    closed: VecDeque<Segment>,
    closed_bytes: u64,
    next_number: u64,
    open: Option<Open>,
    // Whether the segment lacks a part, so that what follows in it would make no sense.
    broken: bool,
}

/// The file that grows.
struct Open {
    file: File,
    path: PathBuf,
    number: u64,
    bytes: u64,
    span: Option<(Ts, Ts)>,
}

impl Disk {
    /// Begins the file; or makes the directory, whose segments are looked at when the first packet
    /// comes: until then, another instance that this one replaces may still write there.
    pub(super) fn new(place: Place, written: Arc<Written>) -> io::Result<Self> {
        let (mut open, mut lock) = (None, None);
        match &place {
            Place::File(path) => open = Some(Open::new(path.clone(), 0)?),
            Place::Directory { path, .. } => {
                fs::create_dir_all(path)?;
                let options = OpenOptions::new().write(true).create(true).truncate(false).clone();
                lock = Some(options.open(path.join("lock"))?);
            }
        }
        Ok(Self {
            place,
            written,
            ready: lock.is_none(),
            lock,
            closed: VecDeque::new(),
            closed_bytes: 0,
            next_number: 1,
            open,
            broken: true,
        })
    }

    /// Takes over the directory, and closes what an earlier run left open in it.
    fn prepare(&mut self) -> io::Result<()> {
        if let (Some(lock), Place::Directory { path, .. }) = (&self.lock, &self.place) {
            wait_for(lock)?;
            (self.closed, self.closed_bytes) = (VecDeque::new(), 0);
            for segment in list(path)? {
                self.next_number = segment.number.saturating_add(1);
                let adopted = adopt(segment)?;
                self.closed_bytes += adopted.as_ref().map_or(0, |segment| segment.bytes);
                self.closed.extend(adopted);
            }
        }
        self.ready = true;
        Ok(())
    }

    /// Writes a slab, or counts it as lost.
    pub(super) fn write(&mut self, slab: &Slab) {
        match self.try_write(slab) {
            Ok(()) => {
                self.written.packets.fetch_add(slab.packets, Ordering::Relaxed);
                self.written.bytes.fetch_add(slab.bytes.len() as u64, Ordering::Relaxed);
            }
            Err(error) => {
                self.broken = true;
                self.written.broken.store(true, Ordering::Relaxed);
                self.written.lost.fetch_add(slab.packets, Ordering::Relaxed);
                let path = self.place.path().display();
                self.written.complain(format!("packets for `{path}` are lost: {error}"));
            }
        }
    }

    fn try_write(&mut self, slab: &Slab) -> io::Result<()> {
        if !self.ready {
            self.prepare()?;
        }
        if slab.begins {
            self.close();
            self.broken = false;
        }
        if self.broken {
            return Err(io::Error::other("what came before them could not be written"));
        }
        self.bound(slab.bytes.len() as u64);
        if self.open.is_none()
            && let Place::Directory { path, .. } = &self.place
        {
            let number = self.next_number;
            self.open = Some(Open::new(path.join(format!("{number:08}.pcapng")), number)?);
            self.next_number = number.saturating_add(1);
        }
        match &mut self.open {
            Some(open) => open.write(slab),
            None => Ok(()),
        }
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
        let Some(open) = self.open.take() else { return };
        let closed = match open.span {
            Some(span) => open
                .file
                .sync_data()
                .and_then(|()| renamed(&open.path, open.number, open.bytes, span))
                .map(Some),
            None => fs::remove_file(&open.path).map(|()| None),
        };
        match closed {
            Ok(segment) => {
                self.closed_bytes += segment.as_ref().map_or(0, |s| s.bytes);
                self.closed.extend(segment);
            }
            Err(error) => self.written.complain(format!("`{}`: {error}", open.path.display())),
        }
    }

    /// Removes the oldest segments until `more` bytes fit under the bound.
    fn bound(&mut self, more: u64) {
        let Place::Directory { bytes_max, .. } = self.place else { return };
        let open = self.open.as_ref().map_or(0, |open| open.bytes);
        while self.closed_bytes.saturating_add(open).saturating_add(more) > bytes_max {
            let Some(oldest) = self.closed.pop_front() else { return };
            self.closed_bytes = self.closed_bytes.saturating_sub(oldest.bytes);
            match fs::remove_file(&oldest.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    self.written.complain(format!("`{}`: {error}", oldest.path.display()));
                }
                _ => {}
            }
        }
    }
}

impl Open {
    fn new(path: PathBuf, number: u64) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
        Ok(Self { file, path, number, bytes: 0, span: None })
    }

    fn write(&mut self, slab: &Slab) -> io::Result<()> {
        if let Err(error) = self.file.write_all(&slab.bytes) {
            // What is there in part would hide all that follows. Pipes cannot be cut, and need not.
            let _ = self.file.set_len(self.bytes);
            let _ = io::Seek::seek(&mut self.file, io::SeekFrom::Start(self.bytes));
            return Err(error);
        }
        self.bytes += slab.bytes.len() as u64;
        if let (Some(first), Some(last)) = (slab.first, slab.last) {
            let (from, until) = self.span.unwrap_or((first, last));
            self.span = Some((from.min(first), until.max(last)));
        }
        Ok(())
    }
}

/// Takes the lock, or says after a while that somebody else keeps it.
fn wait_for(lock: &File) -> io::Result<()> {
    for _ in 0..100 {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    Err(io::Error::other("another process or instance writes there: give each its own directory"))
}

/// A segment of an earlier run; one that was still growing is cut to its whole blocks and closed.
fn adopt(segment: Segment) -> io::Result<Option<Segment>> {
    if segment.span.is_some() {
        return Ok(Some(segment));
    }
    let (whole, span) = measure(&segment.path)?;
    let Some(span) = span else { return fs::remove_file(&segment.path).map(|()| None) };
    OpenOptions::new().write(true).open(&segment.path)?.set_len(whole)?;
    renamed(&segment.path, segment.number, whole, span).map(Some)
}

/// Gives a segment the name it has when it is closed.
fn renamed(path: &Path, number: u64, bytes: u64, span: (Ts, Ts)) -> io::Result<Segment> {
    let name = format!("{number:08}_{}_{}.pcapng", span.0.0, span.1.0);
    let to = path.with_file_name(name);
    fs::rename(path, &to)?;
    Ok(Segment { path: to, number, span: Some(span), bytes })
}

/// How many bytes of a segment are whole blocks, and the times of its packets.
fn measure(path: &Path) -> io::Result<(u64, Option<(Ts, Ts)>)> {
    let mut blocks = pcapng::Blocks::new(io::BufReader::new(File::open(path)?));
    let mut span: Option<(Ts, Ts)> = None;
    loop {
        match blocks.advance() {
            Ok(Some(pcapng::Block::Packet { ts, .. })) => {
                let (from, until) = span.unwrap_or((ts, ts));
                span = Some((from.min(ts), until.max(ts)));
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(pcapng::PcapngError::Foreign { .. }) => break,
            Err(pcapng::PcapngError::Io(error)) => return Err(error),
        }
    }
    Ok((blocks.read_bytes(), span))
}
