//! Writing past the page cache: whole loads go from their memory to the disk.
//!
//! Only a high rate fills whole loads. Through the cache they would push
//! everything else out of memory, and finding pages for them takes several times
//! as long as the disk does. Slower traffic goes through the cache, where the next
//! query finds it.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::path::Path;

use super::LOAD_BYTES;
use super::buffer::Buffer;
use super::change;

/// A growing segment, opened again with `O_DIRECT`.
#[derive(Debug)]
pub(super) struct Direct(File);

impl Direct {
    /// Opens a segment; none where system or file system cannot write so.
    #[cfg(target_os = "linux")]
    pub fn open(path: &Path) -> Option<Self> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(libc::O_DIRECT).open(path).ok().map(Self)
    }

    #[cfg(not(target_os = "linux"))]
    pub fn open(_: &Path) -> Option<Self> {
        None
    }

    /// Whether a load that is to be at this byte can go this way.
    pub fn takes(load: &Buffer, at: u64) -> bool {
        load.len() as u64 == LOAD_BYTES && at.is_multiple_of(LOAD_BYTES) && load.is_aligned()
    }

    /// Writes a load.
    pub fn write(&mut self, load: &Buffer, at: u64) -> io::Result<()> {
        self.0.seek(SeekFrom::Start(at))?;
        change::write(&mut self.0, load)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(bytes: u64, of: u8) -> Buffer {
        let mut load = Buffer::new();
        let end = load.out().len() + bytes as usize;
        load.out().resize(end, of);
        load
    }

    #[test]
    fn whole_loads_alone_go_past_the_cache_and_only_where_one_begins() {
        assert!(Direct::takes(&load(LOAD_BYTES, 1), 0));
        assert!(Direct::takes(&load(LOAD_BYTES, 1), 3 * LOAD_BYTES));
        assert!(!Direct::takes(&load(LOAD_BYTES - 4, 1), 0));
        assert!(!Direct::takes(&load(LOAD_BYTES, 1), LOAD_BYTES + 512));
    }

    #[test]
    fn what_went_past_the_cache_is_read_with_what_went_through_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("segment");
        let mut file = change::create(&path).expect("a file");
        // Not every file system can.
        let Some(mut direct) = Direct::open(&path) else { return };
        direct.write(&load(LOAD_BYTES, 1), 0).expect("room");
        file.seek(SeekFrom::Start(LOAD_BYTES)).expect("a file");
        change::write(&mut file, &load(LOAD_BYTES, 2)).expect("room");
        direct.write(&load(LOAD_BYTES, 3), 2 * LOAD_BYTES).expect("room");
        let read = std::fs::read(&path).expect("a file");
        let parts: Vec<&[u8]> = read.chunks(LOAD_BYTES as usize).collect();
        assert_eq!(parts, [&*load(LOAD_BYTES, 1), &load(LOAD_BYTES, 2), &load(LOAD_BYTES, 3)]);
    }
}
