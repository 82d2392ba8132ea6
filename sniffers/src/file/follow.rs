//! Following: a file that grows, or a folder into which a rotating capture writes.
//!
//! Files are read one after another, the one changed longest ago first, and the
//! last is read on as it grows. Others stay open for a while, and are read on
//! when they grow after all: two may write into one folder. A file is known by
//! its place on the disk and its first bytes (`known`), so that one which is
//! renamed is read once, and one which a ring (`tcpdump -W`) writes anew is read
//! anew; so is one of which what was read is not there any more.

mod known;

use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io::ErrorKind;
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
use known::{Done, Found, HEAD_BYTES, Id, Mark, Seen, head};

/// A packed file that has not changed for so long is complete.
const SETTLED: Duration = Duration::from_secs(2);

/// How often the folder is looked at while nothing comes.
const LOOK: Duration = Duration::from_millis(300);

/// A file beside others that has not changed for so long is complete.
const RESTED: Duration = Duration::from_secs(300);

/// Files that are kept open. Of more, those that have not grown for longest are complete.
const OPEN_MAX: usize = 16;

/// How many names of files that were read are kept.
const NAMES_MAX: usize = 1024;

/// Files that are followed.
pub struct Follow {
    description: Description,
    // A folder, a file, or a glob.
    what: String,
    taken: Taken,
    done: Done,
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
    // The same file, to look at.
    file: File,
    id: Id,
    path: PathBuf,
    head: [u8; HEAD_BYTES],
    mark: Mark,
    // Whether what was read of it is there no more.
    is_written_anew: bool,
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
            done: Done::default(),
            open: VecDeque::new(),
            names: VecDeque::new(),
            looked: None,
            is_gone: false,
            done_bytes: 0,
        })
    }

    /// The next file to read: of those not read yet the one that was changed longest ago.
    fn newer(&mut self) -> Option<(Found, Seen)> {
        let mut found: Vec<_> = paths(&self.what).into_iter().filter_map(Found::at).collect();
        found.sort();
        let Self { done, open, names, .. } = self;
        done.note(&found, |id, path| {
            note_name(names, path);
            if let Some(reading) = open.iter_mut().find(|reading| reading.id == id) {
                reading.path = path.to_owned();
            }
        });
        for reading in open {
            if done.0.get(&reading.id).is_none_or(Seen::is_missed) {
                // Removed, or moved elsewhere: what is in it is still to be read.
                reading.grows.store(false, Ordering::Release);
            }
        }
        found.into_iter().find_map(|found| self.look(&found).map(|seen| (found, seen)))
    }

    /// A look at one file, which is to be read if it is new, or anew.
    fn look(&mut self, found: &Found) -> Option<Seen> {
        let Found { changed, path, id, len } = found;
        if self.open.iter().any(|reading| reading.id == *id) {
            return None;
        }
        // Emptied meanwhile.
        if self.done.0.get(id).is_some_and(|done| *len < done.mark.read_bytes) {
            self.done.0.remove(id);
        }
        if self.done.0.get(id).is_some_and(|done| done.changed == *changed) {
            return None;
        }
        let (file, head) = match File::open(path).and_then(|file| Ok((head(&file)?, file))) {
            Ok((head, file)) => (file, head),
            // Not so many bytes yet.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
            Err(error) => {
                tracing::warn!("passed over: cannot read `{}`: {error}", path.display());
                self.done.0.insert(*id, Seen::new(found, [0; HEAD_BYTES]));
                return None;
            }
        };
        let is_same = |done: &Seen| done.head == head && !done.mark.is_gone(&file, *len);
        if let Some(done) = self.done.0.get_mut(id).filter(|done| is_same(done)) {
            done.changed = *changed;
            return None;
        }
        let is_plain = Packing::of(&head) == Packing::Plain;
        // `A.pcap.gz` of an `A.pcap` that was read has the same packets.
        if !is_plain && self.names.contains(&path.with_extension("")) {
            self.done.0.insert(*id, Seen::new(found, head));
            return None;
        }
        (is_plain || is_settled(*changed)).then(|| Seen::new(found, head))
    }

    /// Opens a file. One that is no capture is said to be none, once.
    fn begin(&mut self, found: Found, seen: Seen) -> Option<Reading> {
        let Found { changed, path, id, .. } = found;
        let grows = Arc::new(AtomicBool::new(true));
        let head = seen.head;
        let open = || {
            let cannot =
                |source| SourceError::Io { what: "open", name: path.display().to_string(), source };
            let file = File::open(&path).map_err(cannot)?;
            let same = file.try_clone().map_err(cannot)?;
            let capture = match Packing::of(&head) {
                Packing::Plain => Capture::of_growing(&path, same, grows.clone(), self.taken)?,
                _ => Capture::of_file(&path, same, self.taken)?,
            };
            Ok::<_, SourceError>((file, capture))
        };
        let opened = open();
        // Another took its name in between: that one is looked at next.
        if let Ok((file, _)) = &opened
            && file.metadata().is_ok_and(|meta| Id::of(&meta) != id)
        {
            return None;
        }
        self.done.0.insert(id, seen);
        match opened {
            Ok((file, capture)) => {
                note_name(&mut self.names, &path);
                let (mark, is_written_anew, len) = (Mark::default(), false, 0);
                Some(Reading {
                    capture,
                    grows,
                    file,
                    id,
                    path,
                    head,
                    mark,
                    is_written_anew,
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
            Some((found, seen)) => self.older(&found).or_else(|| self.begin(found, seen)),
            None => self.next_open(),
        };
        let Some(found) = found else { return false };
        self.open.push_front(found);
        self.looked = None;
        true
    }

    /// The one that is open by the name of a file to be read: what is left of it is read first.
    fn older(&mut self, found: &Found) -> Option<Reading> {
        let at = self.open.iter().position(|reading| reading.path == found.path)?;
        self.open.remove(at)
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
        if let Ok(meta) = self.file.metadata() {
            self.len = meta.len();
            self.changed = meta.modified().unwrap_or(self.changed);
            if meta.nlink() == 0 {
                // What is left of a file that was removed is still to be read.
                self.grows.store(false, Ordering::Release);
            }
            let begins = head(&self.file).is_ok_and(|head| head == self.head);
            self.is_written_anew = !begins || self.mark.is_gone(&self.file, self.len);
            if self.is_written_anew {
                return false;
            }
        }
        let turn = self.capture.next(chunk);
        self.mark.set(&self.file, chunk.read_bytes);
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

    /// Whether there may be more in it than was read, or no more will come.
    fn has_grown(&self) -> bool {
        let has_changed = |meta: Metadata| {
            meta.len() != self.len || meta.modified().is_ok_and(|changed| changed != self.changed)
        };
        !self.grows.load(Ordering::Acquire) || self.file.metadata().map_or(true, has_changed)
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
            self.done_bytes += reading.mark.read_bytes;
            let mark = std::mem::take(&mut reading.mark);
            match self.done.0.get_mut(&reading.id) {
                Some(_) if reading.is_written_anew => _ = self.done.0.remove(&reading.id),
                Some(done) => done.mark = mark,
                None => {}
            }
            self.open.pop_front();
        }
        let open: u64 = self.open.iter().map(|reading| reading.mark.read_bytes).sum();
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

/// Notes the name of a file that was read.
fn note_name(names: &mut VecDeque<PathBuf>, path: &Path) {
    names.truncate(NAMES_MAX);
    names.push_front(path.to_owned());
}

#[cfg(test)]
mod tests;
