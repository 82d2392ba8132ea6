//! A file that is read and never written to: what redb changes of it stays in memory.
//!
//! redb looks at every page, and mends what a crash left, only where it may write. Who asks or
//! verifies a store is to leave it as it is, and may have no right to write there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::{Bound, Range};
use std::path::Path;

use ::redb::backends::FileBackend;
use ::redb::{BackendError, DatabaseError, StorageBackend};
use parking_lot::RwLock;

/// Of how many bytes a piece is that has changed or not.
const PIECE: u64 = 4096;

/// A file, and what was changed of it since.
#[derive(Debug)]
pub(super) struct Untouched {
    file: FileBackend,
    changed: RwLock<Changed>,
}

#[derive(Debug)]
struct Changed {
    len: u64,
    /// How much of the file stands: less than all, once it was shorter meanwhile.
    of_file: u64,
    /// What was written, by its number.
    pieces: BTreeMap<u64, Box<[u8; PIECE as usize]>>,
}

impl Untouched {
    /// Opens a file for reading. An empty one is no store, and is not made one.
    pub fn open(path: &Path) -> Result<Self, DatabaseError> {
        let file = FileBackend::new(File::open(path)?)?;
        let len = file.len()?;
        if len == 0 {
            return Err(io::Error::from(ErrorKind::InvalidData).into());
        }
        let changed = Changed { len, of_file: len, pieces: BTreeMap::new() };
        Ok(Self { file, changed: RwLock::new(changed) })
    }

    /// Reads what stands in the file; behind that are zeros.
    fn read_file(&self, of_file: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = usize::try_from(of_file.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (there, behind) = out.split_at_mut(there.min(out.len()));
        behind.fill(0);
        if there.is_empty() { Ok(()) } else { self.file.read(offset, there) }
    }
}

/// The numbers of the pieces that so many bytes from `offset` on lie in; an error where the file
/// has not so many.
fn pieces(offset: u64, bytes: usize, len: u64) -> io::Result<Range<u64>> {
    let end = offset.checked_add(bytes as u64).filter(|end| *end <= len);
    let end = end.ok_or(ErrorKind::UnexpectedEof)?;
    Ok(offset / PIECE..end.div_ceil(PIECE))
}

/// What so many bytes from `offset` on have in common with a piece: where in the piece that is, and
/// where in them.
fn common(number: u64, offset: u64, bytes: usize) -> (Range<usize>, Range<usize>) {
    let begin = number * PIECE;
    let (from, to) = (offset.max(begin), (offset + bytes as u64).min(begin + PIECE));
    let since = |start: u64| (from - start) as usize..(to - start) as usize;
    (since(begin), since(offset))
}

impl StorageBackend for Untouched {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changed.read().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changed = self.changed.read();
        let asked = pieces(offset, out.len(), changed.len)?;
        self.read_file(changed.of_file, offset, out)?;
        if asked.is_empty() {
            return Ok(());
        }
        for (number, piece) in changed.pieces.range(asked) {
            let (there, here) = common(*number, offset, out.len());
            out[here].copy_from_slice(&piece[there]);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut changed = self.changed.write();
        changed.of_file = changed.of_file.min(len);
        drop(changed.pieces.split_off(&len.div_ceil(PIECE)));
        if let Some(last) = changed.pieces.get_mut(&(len / PIECE)) {
            last[(len % PIECE) as usize..].fill(0);
        }
        changed.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changed = self.changed.write();
        for number in pieces(offset, data.len(), changed.len)? {
            if !changed.pieces.contains_key(&number) {
                let mut piece = Box::new([0; PIECE as usize]);
                self.read_file(changed.of_file, number * PIECE, &mut piece[..])?;
                changed.pieces.insert(number, piece);
            }
            let (there, here) = common(number, offset, data.len());
            if let Some(piece) = changed.pieces.get_mut(&number) {
                piece[there].copy_from_slice(&data[here]);
            }
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    // Who writes the file keeps us out, and we keep out who would; several of us are no harm to
    // each other.

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_the_file_stays_as_it_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("x");
        let before: Vec<u8> = (0..10_000_u32).map(|at| at as u8).collect();
        std::fs::write(&path, &before).expect("a file");
        let file = Untouched::open(&path).expect("a file");
        let mut want = before.clone();
        want.resize(5_000, 0);
        want.resize(30_000, 0);
        file.set_len(5_000).and_then(|()| file.set_len(30_000)).expect("memory");
        for (at, bytes) in [(4_090, 20), (4_999, 2), (0, 9_000), (20_000, 1), (29_999, 1), (7, 0)] {
            want[at..at + bytes].fill(at as u8);
            file.write(at as u64, &vec![at as u8; bytes]).expect("memory");
        }
        let read = |at: usize, bytes: usize| {
            let mut out = vec![1; bytes];
            file.read(at as u64, &mut out).map(|()| out)
        };
        for at in [0, 4_000, 4_096, 8_999, 19_999] {
            assert_eq!(read(at, 10_000).expect("bytes"), want[at..at + 10_000], "from {at}");
        }
        assert!(read(29_999, 2).is_err() && file.write(30_000, &[1]).is_err());
        assert!(std::fs::read(&path).expect("a file") == before);
    }
}
