//! What a followed file is known by, whatever its name is.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How many first bytes tell a file from an older one in its place: the header of a capture and
/// that of its first packet. A shorter file is not looked at yet.
pub const HEAD_BYTES: usize = 64;

/// How many of the last bytes that were read tell whether a file was written anew.
const TAIL_BYTES: usize = 256;

/// In how many looks in a row a file is missed before it is forgotten. One that is renamed
/// meanwhile may be missed in one.
const MISSED_MAX: u32 = 8;

/// The place of a file on a disk, and when it came there: places are given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    device: u64,
    number: u64,
    // Not every file system knows.
    born: Option<SystemTime>,
}

impl Id {
    /// That of a file.
    pub fn of(meta: &Metadata) -> Self {
        Self { device: meta.dev(), number: meta.ino(), born: meta.created().ok() }
    }
}

/// A file that is there; the one changed longest ago is the least.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// When it was changed.
    pub changed: SystemTime,
    /// One of its names.
    pub path: PathBuf,
    /// Which it is.
    pub id: Id,
    /// How long it is.
    pub len: u64,
}

impl Found {
    /// The file of a name, if there is one that is no folder.
    pub fn at(path: PathBuf) -> Option<Self> {
        let meta = path.metadata().ok().filter(Metadata::is_file)?;
        Some(Self { changed: meta.modified().ok()?, path, id: Id::of(&meta), len: meta.len() })
    }
}

/// How far a file was read, and the last bytes before that.
#[derive(Debug, Default)]
pub struct Mark {
    /// How many bytes were read.
    pub read_bytes: u64,
    tail: Vec<u8>,
}

impl Mark {
    /// Notes how far a file has been read.
    pub fn set(&mut self, file: &File, read_bytes: u64) {
        if self.read_bytes != read_bytes {
            self.tail = tail(file, read_bytes).unwrap_or_default();
            self.read_bytes = read_bytes;
        }
    }

    /// Whether what was read is there no more: the file is shorter, or was written anew.
    pub fn is_gone(&self, file: &File, len: u64) -> bool {
        len < self.read_bytes || tail(file, self.read_bytes).is_ok_and(|tail| tail != self.tail)
    }
}

/// The last bytes before that many.
fn tail(file: &File, before: u64) -> io::Result<Vec<u8>> {
    let mut tail = vec![0; TAIL_BYTES.min(usize::try_from(before).unwrap_or(TAIL_BYTES))];
    let at = before - tail.len() as u64;
    file.read_exact_at(&mut tail, at)?;
    Ok(tail)
}

/// The first bytes of a file that has as many.
pub fn head(file: &File) -> io::Result<[u8; HEAD_BYTES]> {
    let mut head = [0; HEAD_BYTES];
    file.read_exact_at(&mut head, 0)?;
    Ok(head)
}

/// A file as it was last seen.
#[derive(Debug)]
pub struct Seen {
    /// Its name then.
    pub path: PathBuf,
    /// When it had been changed.
    pub changed: SystemTime,
    /// How it began.
    pub head: [u8; HEAD_BYTES],
    /// How far it was read, where no more is.
    pub mark: Mark,
    missed: u32,
}

impl Seen {
    /// A file that is there now.
    pub fn new(found: &Found, head: [u8; HEAD_BYTES]) -> Self {
        let (path, changed) = (found.path.clone(), found.changed);
        Self { path, changed, head, mark: Mark::default(), missed: 0 }
    }

    /// Whether it is not among the files that are followed any more.
    pub fn is_missed(&self) -> bool {
        self.missed > 1
    }
}

/// Files that were read, or could not be.
#[derive(Debug, Default)]
pub struct Done(pub HashMap<Id, Seen>);

impl Done {
    /// Notes which files there are. Those that have another name now are told `renamed`; those that
    /// have been missed for long are forgotten.
    pub fn note(&mut self, found: &[Found], mut renamed: impl FnMut(Id, &Path)) {
        self.0.values_mut().for_each(|seen| seen.missed += 1);
        let mut moved = Vec::new();
        for Found { id, path, .. } in found {
            let Some(seen) = self.0.get_mut(id) else { continue };
            seen.missed = 0;
            if seen.path != *path {
                moved.push((*id, path));
            }
        }
        for (id, path) in moved {
            let Some(seen) = self.0.get_mut(&id) else { continue };
            // A file may have two names.
            if !found.iter().any(|found| found.id == id && found.path == seen.path) {
                seen.path.clone_from(path);
                renamed(id, path);
            }
        }
        self.0.retain(|_, seen| seen.missed <= MISSED_MAX);
    }
}
