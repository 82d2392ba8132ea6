//! A file as long as its header says it is: what was cut off reads as zeros, what was appended is
//! not there.
//!
//! redb refuses a file of another length as a whole. So presented, and never written to, its pages
//! that are there can be read, and those that are not are damage like any other.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

use ::redb::StorageBackend;

/// What a redb file begins with.
const MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";

/// Where its flags are, and the one that says that it was not closed.
const FLAGS_AT: u64 = 9;
const IS_OPEN: u8 = 2;

/// How many bytes of its header say how long it is.
const STATED_BYTES: usize = 32;

/// A file, presented with the length that it states.
#[derive(Debug)]
pub(super) struct Stated {
    file: File,
    bytes: u64,
}

impl Stated {
    /// Opens a file for reading.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let mut header = [0; STATED_BYTES];
        file.read_exact_at(&mut header, 0)?;
        let bytes = stated(&header).ok_or(ErrorKind::InvalidData)?;
        Ok(Self { file, bytes })
    }
}

/// The length of the file with this header: of a page for the header itself, whole regions, and
/// what there is of a last one.
fn stated(header: &[u8; STATED_BYTES]) -> Option<u64> {
    let number = |at: usize| {
        let bytes = header.get(at..)?.first_chunk::<4>()?;
        Some(u64::from(u32::from_le_bytes(*bytes)))
    };
    let (page, heads, most) = (number(12)?, number(16)?, number(20)?);
    let (whole, last) = (number(24)?, number(28)?);
    let region = |pages: u64| pages.checked_add(heads).filter(|_| pages > 0).unwrap_or(0);
    let pages = whole.checked_mul(region(most))?.checked_add(region(last))?.checked_add(1)?;
    header.starts_with(MAGIC).then_some(pages.checked_mul(page)?)
}

impl StorageBackend for Stated {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > self.bytes) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let mut done = 0;
        while done < out.len() {
            match self.file.read_at(&mut out[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        out[done..].fill(0);
        // What was committed last is there, whether it was closed or not.
        if let Some(flags) = FLAGS_AT.checked_sub(offset).and_then(|at| out.get_mut(at as usize)) {
            *flags &= !IS_OPEN;
        }
        Ok(())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }
}
