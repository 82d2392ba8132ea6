//! Input: the bytes of a capture, seen through windows.
//!
//! The parsers walk over one window after another without knowing whether it
//! is a part of a mapped file or a buffer that was read into. No record
//! straddles two windows: the next one starts at the record that did not fit.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime};

use como_core::source::Region;

use super::buffered::Buffered;
use super::compressed::Packing;
use super::mapped::Mapped;

/// A part of the input that can be read without waiting.
pub struct Window {
    /// The bytes.
    pub region: Region,
    /// Where in the (decompressed) input its first byte lies.
    pub start: u64,
    /// Whether the bytes are likely not in the processor's caches yet.
    pub cold: bool,
}

/// Where windows come from.
pub trait Input: Send {
    /// A window that holds the bytes from `at` on: at least `want` of them (never more than
    /// [`WANT_MAX`]), unless the input ends before; then as many as there are.
    ///
    /// `at` never lies before the start of the last window. `None` means that the bytes have
    /// not arrived, after waiting for them about 100 ms if `wait`; files that do not grow never
    /// answer that.
    fn window(&mut self, at: u64, want: usize, wait: bool) -> io::Result<Option<Window>>;

    /// How many bytes of the file have been read, compressed as they are.
    fn consumed(&self) -> u64;

    /// Whether a window costs no more than a look at memory.
    fn is_at_hand(&self) -> bool {
        false
    }

    /// How many bytes the file has, where that is known.
    fn size(&self) -> Option<u64>;
}

/// The most bytes of one record that are ever asked for in one piece.
pub const WANT_MAX: usize = super::CAP_LEN_MAX + (64 << 10);

/// A file changed within this time may still be growing, and is read rather than mapped.
const SETTLED: Duration = Duration::from_secs(2);

/// Opens `file` the way that suits it: plain files that nobody seems to write to are mapped,
/// all else is read.
pub fn of_file(file: File) -> io::Result<Box<dyn Input>> {
    let meta = file.metadata()?;
    if meta.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !meta.is_file() {
        return Ok(Box::new(Buffered::of_stream(file)));
    }
    let mut magic = [0; 6];
    let mut have = 0;
    while have < magic.len() {
        match file.read_at(&mut magic[have..], have as u64)? {
            0 => break,
            n => have += n,
        }
    }
    let settled = meta.modified().is_ok_and(|changed| {
        SystemTime::now().duration_since(changed).is_ok_and(|age| age >= SETTLED)
    });
    match Packing::of(&magic[..have]) {
        Packing::Plain if settled => Ok(Box::new(Mapped::new(file))),
        _ => Ok(Box::new(Buffered::of_file(file, meta.len()))),
    }
}
