//! What is left in a directory of segments of those that have gone: files half written, indexes,
//! and marks that a segment is not missing, or never came. They matter only as long as older
//! segments are there.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use super::index::Index;
use super::segments::{Segment, Sign, left_of, list_all};
use super::{change, newest, tidy};

/// What came of a sweep.
pub(super) struct Swept {
    /// How many files were removed.
    pub removed: u64,
    /// The last number of what stays of segments that are not there.
    pub last_left: u64,
}

/// Removes what is left in a directory of segments that have gone and tells nothing any more.
/// Fails where somebody writes there. Returns how many files went.
pub fn clear(dir: &Path) -> io::Result<u64> {
    let _lock = alone(dir)?;
    Ok(sweep(dir, &list_all(dir)?)?.removed)
}

/// The lock on a directory, as long as nobody writes there.
pub(super) fn alone(dir: &Path) -> io::Result<File> {
    let lock = File::options().write(true).create(true).truncate(false).open(dir.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::Error(error)) => Err(error),
        Err(TryLockError::WouldBlock) => Err(io::Error::other("somebody writes there")),
    }
}

/// Removes what interrupted work left: files half written, both forms of a segment, indexes of
/// none. What tells of a segment that is missing stays as long as older ones do.
pub(super) fn sweep(dir: &Path, all: &[Segment]) -> io::Result<Swept> {
    let (mut known, mut swept) = (BTreeMap::new(), Swept { removed: 0, last_left: 0 });
    for segment in all {
        match known.entry(segment.number) {
            Entry::Vacant(place) => drop(place.insert(segment.index())),
            Entry::Occupied(_) => {
                segment.remove()?;
                swept.removed += 1;
            }
        }
    }
    let oldest = known.keys().next().copied().unwrap_or(u64::MAX);
    let newest = newest::read(dir);
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let stays = match left_of(&path) {
            None => !tidy::is_half(&path),
            Some((number, sign)) => match known.get(&number) {
                Some(index) => *index == path,
                None if sign != Sign::Index && number == newest => true,
                None if number > oldest && (sign != Sign::Index || tells(&path, number)) => {
                    swept.last_left = swept.last_left.max(number);
                    true
                }
                None => false,
            },
        };
        if !stays {
            change::remove(&path)?;
            swept.removed += 1;
        }
    }
    Ok(swept)
}

/// Whether an index tells of which time its segment was.
fn tells(index: &Path, number: u64) -> bool {
    Index::read(index, number).is_ok_and(|index| index.span().is_some())
}
