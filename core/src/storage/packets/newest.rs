//! The number of the newest segment that was begun for packets, in the file that who writes has
//! locked. So one that somebody removed together with its index is missed, and so is one whose
//! packets were all lost; its number is not used again.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::path::Path;

use super::change;

/// The number; 0 where none was written down.
pub(super) fn read(dir: &Path) -> u64 {
    let text = fs::read_to_string(dir.join("lock")).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// Writes the number down, always in as many digits, so that nothing of the one before is left.
pub(super) fn write(mut lock: &File, number: u64) -> io::Result<()> {
    lock.seek(SeekFrom::Start(0))?;
    change::write(&mut lock, format!("{number:020}\n").as_bytes())
}
