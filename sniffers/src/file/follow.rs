//! Following: a file that grows, or a folder into which a rotating capture writes.
//!
//! Files are read one after another, the one changed longest ago first, and the
//! last is read on as it grows. Others stay open for a while, and are read on
//! when they grow after all: two may write into one folder. A file is known by
//! its name, its number on the disk and its first bytes, so that one which a ring
//! (`tcpdump -W`) writes anew is read anew; so is one that has become shorter
//! than what was read of it, as `tail -F` has it.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use como_core::source::{Chunk, Counts, Description, Pace, Source, SourceError, Turn, with_causes};

use super::Taken;
use super::capture::Capture;
use super::compressed::Packing;
use crate::ready::PATIENCE;

/// A packed file that has not changed for so long is complete.
const SETTLED: Duration = Duration::from_secs(2);

/// How many first bytes tell a file from an older one of its name: the header of a capture and that
/// of its first packet. A shorter file is not looked at yet.
const HEAD_BYTES: usize = 64;

/// How often the folder is looked at while nothing comes.
const LOOK: Duration = Duration::from_millis(300);

/// A file beside others that has not changed for so long is complete.
const RESTED: Duration = Duration::from_secs(300);

/// Files that are kept open. Of more, those that have not grown for longest are complete.
const OPEN_MAX: usize = 16;

/// How many names of files that were read are kept.
const NAMES_MAX: usize = 1024;

/// A file as it was last seen.
struct Seen {
    changed: SystemTime,
    number: u64,
    head: [u8; HEAD_BYTES],
    // How much of it was read, where no more is.
    read_bytes: u64,
}

/// Files that are followed.
pub struct Follow {
    description: Description,
    // A folder, a file, or a glob.
    what: String,
    taken: Taken,
    // Files that were read, or could not be.
    done: HashMap<PathBuf, Seen>,
    // Files that may have more: the one being read first, then those that it followed, from the
    // one that was read last on.
    open: VecDeque<Reading>,
    // Names of files that were read, the last ones, for their packed copies.
    names: VecDeque<PathBuf>,
    // When the folder was last looked at.
    looked: Option<Instant>,
    // Whether the folder or file was not there then.
    is_gone: bool,
    done_bytes: u64,
}

/// A file that has been read, as far as it goes by now.
struct Reading {
    capture: Capture,
    // Cleared once it is complete.
    grows: Arc<AtomicBool>,
    path: PathBuf,
    number: u64,
    head: [u8; HEAD_BYTES],
    // Whether there is another by its name, or less in it than was read.
    is_replaced: bool,
    read_bytes: u64,
    // How long the file was, and when it had been changed, when it was last read.
    len: u64,
    changed: SystemTime,
}

impl Follow {
    /// Follows a file, all files of a folder, or all that match a glob, whether there are any yet
    /// or not.
    pub fn open(what: &str, taken: Taken) -> Result<Self, SourceError> {
        let path = Path::new(what);
        if path.exists() || !what.contains(['*', '?', '[']) {
            let failed = |source| SourceError::Io { what: "follow", name: what.to_owned(), source };
            let meta = path.metadata().map_err(failed)?;
            if meta.is_dir() {
                path.read_dir().map_err(failed)?;
            } else if !meta.is_file() {
                let why = "only files and folders can be followed; a pipe is read as it is";
                return Err(SourceError::Spec { text: what.to_owned(), why: why.to_owned() });
            }
        }
        Ok(Self {
            description: Description::new(
                format!("{}:{what},follow=true", taken.format().name()),
                Pace::Stream,
            ),
            what: what.to_owned(),
            taken,
            done: HashMap::new(),
            open: VecDeque::new(),
            names: VecDeque::new(),
            looked: None,
            is_gone: false,
            done_bytes: 0,
        })
    }

    /// The next file to read: of those not read yet the one that was changed longest ago.
    fn newer(&mut self) -> Option<(PathBuf, Seen)> {
        let found = paths(&self.what).into_iter().filter_map(|path| {
            let meta = path.metadata().ok().filter(|meta| meta.is_file())?;
            Some((meta.modified().ok()?, path, meta.ino(), meta.len()))
        });
        let mut found: Vec<_> = found.collect();
        found.sort();
        // What was deleted may be forgotten.
        if self.done.len() > found.len() {
            self.done.retain(|done, _| found.iter().any(|(_, path, ..)| path == done));
        }
        found.into_iter().find_map(|(changed, path, number, len)| {
            Some((path.clone(), self.look(path, changed, (number, len))?))
        })
    }

    /// A look at one file, which is to be read if it is new, or anew.
    fn look(
        &mut self,
        path: PathBuf,
        changed: SystemTime,
        (number, len): (u64, u64),
    ) -> Option<Seen> {
        // One in its place, or emptied meanwhile, is another.
        if self.done.get(&path).is_some_and(|d| d.number != number || len < d.read_bytes) {
            self.done.remove(&path);
        }
        if self.done.get(&path).is_some_and(|done| done.changed == changed) {
            return None;
        }
        let seen = |head| Seen { changed, number, head, read_bytes: 0 };
        let head = match head(&path) {
            Ok(head) => head,
            // Not so many bytes yet.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
            Err(error) => {
                tracing::warn!("passed over: cannot read `{}`: {error}", path.display());
                self.done.insert(path, seen([0; HEAD_BYTES]));
                return None;
            }
        };
        if let Some(done) = self.done.get_mut(&path).filter(|done| done.head == head) {
            done.changed = changed;
            return None;
        }
        let is_plain = Packing::of(&head) == Packing::Plain;
        // `A.pcap.gz` of an `A.pcap` that was read has the same packets.
        if !is_plain && self.names.contains(&path.with_extension("")) {
            self.done.insert(path, seen(head));
            return None;
        }
        (is_plain || is_settled(changed)).then(|| seen(head))
    }

    /// Opens a file. One that is no capture is said to be none, once.
    fn begin(&mut self, path: PathBuf, seen: Seen) -> Option<Reading> {
        let grows = Arc::new(AtomicBool::new(true));
        let capture = match Packing::of(&seen.head) {
            Packing::Plain => Capture::of_growing(&path, grows.clone(), self.taken),
            _ => Capture::open(&path, self.taken),
        };
        let Seen { changed, number, head, .. } = seen;
        self.done.insert(path.clone(), seen);
        match capture {
            Ok(capture) => {
                self.names.truncate(NAMES_MAX);
                self.names.push_front(path.clone());
                let (is_replaced, read_bytes, len) = (false, 0, 0);
                Some(Reading {
                    capture,
                    grows,
                    path,
                    number,
                    head,
                    is_replaced,
                    read_bytes,
                    len,
                    changed,
                })
            }
            Err(error) => {
                tracing::warn!("passed over: {}", with_causes(&error));
                None
            }
        }
    }

    /// Nothing more is in the file for now: looks for another to read; whether there is one.
    fn look_around(&mut self) -> bool {
        if self.looked.is_some_and(|then| then.elapsed() < LOOK) {
            return false;
        }
        self.looked = Some(Instant::now());
        self.miss();
        let found = match self.newer() {
            Some((path, seen)) => self.older(&path, seen.number).or_else(|| self.begin(path, seen)),
            None => self.next_open(),
        };
        let Some(found) = found else { return false };
        self.open.push_front(found);
        self.looked = None;
        true
    }

    /// The one that is open by the name of a file to be read, so that no name is open twice: what
    /// is left of another file is read first. Of the same one, written anew, nothing is left.
    fn older(&mut self, path: &Path, number: u64) -> Option<Reading> {
        let at = self.open.iter().position(|reading| reading.path == path)?;
        let older = self.open.remove(at)?;
        if older.number != number {
            return Some(older);
        }
        self.done_bytes += older.read_bytes;
        None
    }

    /// Says, once, that what is followed is not there any more.
    fn miss(&mut self) {
        let is_pattern = self.what.contains(['*', '?', '[']);
        let is_gone = !is_pattern && !Path::new(&self.what).exists();
        if is_gone && !self.is_gone {
            tracing::warn!("`{}` is gone: waits until it is there again", self.what);
        }
        self.is_gone = is_gone;
    }

    /// Of the files that others followed, one that has more, or that is complete and to be ended.
    fn next_open(&mut self) -> Option<Reading> {
        let behind = 1..self.open.len();
        let grown = behind.clone().find(|at| self.open[*at].has_grown());
        let at = grown.or_else(|| {
            // The one changed last may go on: its writer has only nothing to say.
            let last = self.open.iter().map(|reading| reading.changed).max()?;
            let rests = |reading: &Reading| reading.changed < last && reading.rests();
            let complete = behind.rev().find(|at| rests(&self.open[*at]));
            let complete = complete.or((self.open.len() > OPEN_MAX).then_some(self.open.len() - 1));
            self.open[complete?].grows.store(false, Ordering::Release);
            complete
        })?;
        self.open.remove(at)
    }
}

impl Reading {
    /// Reads on; whether there may be more. Where a file breaks off, or is not the same any more,
    /// it has ended.
    fn next(&mut self, chunk: &mut Chunk) -> bool {
        if let Ok(meta) = self.path.metadata() {
            self.is_replaced |= meta.ino() != self.number || meta.len() < self.read_bytes;
            if self.is_replaced && meta.ino() == self.number {
                return false;
            }
            self.len = meta.len();
            self.changed = meta.modified().unwrap_or(self.changed);
        }
        if self.is_replaced {
            // What is left of the one before is still to be read.
            self.grows.store(false, Ordering::Release);
        }
        match head(&self.path) {
            _ if !self.grows.load(Ordering::Acquire) => {}
            Ok(head) if head == self.head => {}
            Ok(_) => return false,
            // Gone, or renamed: what is in it is still to be read.
            Err(_) => self.grows.store(false, Ordering::Release),
        }
        let turn = self.capture.next(chunk);
        self.read_bytes = chunk.read_bytes;
        match turn {
            Ok(Turn::More | Turn::Idle) => true,
            Ok(Turn::End) => false,
            Err(error) => {
                tracing::warn!("{}", with_causes(&error));
                chunk.counts.add(Counts { malformed: 1, ..Counts::default() });
                false
            }
        }
    }

    /// Whether there may be more in it than was read, or it is not there any more.
    fn has_grown(&self) -> bool {
        self.path.metadata().map_or(true, |meta| meta.len() != self.len)
    }

    /// Whether nobody has written to it for long.
    fn rests(&self) -> bool {
        SystemTime::now().duration_since(self.changed).is_ok_and(|age| age >= RESTED)
    }
}

impl Source for Follow {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        if let Some(reading) = self.open.front_mut()
            && !reading.next(chunk)
        {
            self.done_bytes += reading.read_bytes;
            // By its name there may be another by now.
            let is_its = |done: &Seen| (done.number, done.head) == (reading.number, reading.head);
            match self.done.get_mut(&reading.path).filter(|done| is_its(done)) {
                Some(_) if reading.is_replaced => _ = self.done.remove(&reading.path),
                Some(done) => done.read_bytes = reading.read_bytes,
                None => {}
            }
            self.open.pop_front();
        }
        let open: u64 = self.open.iter().map(|reading| reading.read_bytes).sum();
        chunk.read_bytes = self.done_bytes + open;
        if !chunk.packets.is_empty() {
            return Ok(Turn::More);
        }
        if !self.look_around() {
            std::thread::sleep(PATIENCE);
        }
        Ok(Turn::Idle)
    }
}

/// The files there are.
fn paths(what: &str) -> Vec<PathBuf> {
    if what.contains(['*', '?', '[']) && !Path::new(what).exists() {
        return glob::glob(what).map_or_else(|_| Vec::new(), |paths| paths.flatten().collect());
    }
    match std::fs::read_dir(what) {
        Ok(entries) => {
            entries.flatten().map(|entry| entry.path()).filter(|path| is_shown(path)).collect()
        }
        Err(_) => vec![PathBuf::from(what)],
    }
}

/// Whether a name begins with no dot: others are files that somebody is still making.
fn is_shown(path: &Path) -> bool {
    path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
}

fn is_settled(changed: SystemTime) -> bool {
    SystemTime::now().duration_since(changed).is_ok_and(|age| age >= SETTLED)
}

/// The first bytes of a file that has as many.
fn head(path: &Path) -> io::Result<[u8; HEAD_BYTES]> {
    let mut head = [0; HEAD_BYTES];
    File::open(path)?.read_exact(&mut head)?;
    Ok(head)
}

#[cfg(test)]
mod tests;
