//! Changes to files: whatever a window changes on disk goes through here.
//!
//! So a test can end the process before any change, or in the midst of one,
//! and look at what the next run makes of that.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Begins a file, or begins it anew.
pub(super) fn create(path: &Path) -> io::Result<File> {
    moment();
    OpenOptions::new().write(true).create(true).truncate(true).open(path)
}

/// What a file is called until it is whole.
pub(super) fn half(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

/// Writes all of some bytes.
pub(super) fn write(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    #[cfg(test)]
    if super::tests::crash::is_due() {
        // As much as a kill in the midst of it leaves.
        let _ = out.write_all(&bytes[..bytes.len() / 2]).and_then(|()| out.flush());
        std::process::abort();
    }
    out.write_all(bytes)
}

/// Makes a file so long.
pub(super) fn set_len(file: &File, bytes: u64) -> io::Result<()> {
    moment();
    file.set_len(bytes)
}

/// Gives a file another name.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    moment();
    fs::rename(from, to)
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    moment();
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// A moment in which the process may end.
fn moment() {
    #[cfg(test)]
    if super::tests::crash::is_due() {
        std::process::abort();
    }
}
