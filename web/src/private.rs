//! The private socket between guard and server: in a folder that only we may enter.
//!
//! Its name is drawn, so that nobody else can have made it before. Whoever lives holds a lock on
//! its folder. What a killed one left behind is removed by the next to start.

use std::collections::hash_map::RandomState;
use std::fs::{self, DirBuilder, File};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// What the names of our folders begin with.
const PREFIX: &str = "como-http-";

/// The socket's name in its folder.
const SOCKET: &str = "http";

/// How often a folder is made whose name is taken, or that another one, starting now, takes for a
/// dead one's.
const ATTEMPTS: usize = 3;

/// A folder with a socket.
pub(crate) struct Private {
    folder: PathBuf,
    // Held until the process ends, however it ends.
    _lock: File,
}

impl Private {
    /// Makes one in `dir`, and removes those of the dead there.
    pub fn make(dir: &Path) -> io::Result<(Self, UnixListener)> {
        Self::make_named(dir, || format!("{:016x}", RandomState::new().build_hasher().finish()))
    }

    fn make_named(
        dir: &Path,
        mut name: impl FnMut() -> String,
    ) -> io::Result<(Self, UnixListener)> {
        let mut attempt = 1;
        loop {
            sweep(dir);
            let folder = dir.join(format!("{PREFIX}{}", name()));
            match make(&folder) {
                Ok((lock, socket)) => return Ok((Self { folder, _lock: lock }, socket)),
                Err(error)
                    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists)
                        && attempt < ATTEMPTS => {}
                Err(error) => return Err(error),
            }
            attempt += 1;
        }
    }

    /// Where the socket is.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(SOCKET)
    }

    /// Removes it. What cannot be removed now is, by the next to start.
    pub fn remove(self) {
        remove(&self.folder);
    }
}

fn make(folder: &Path) -> io::Result<(File, UnixListener)> {
    DirBuilder::new().mode(0o700).create(folder)?;
    let lock = File::open(folder)?;
    // Where folders cannot be locked nobody can lock ours either, and so nobody removes it.
    let _ = lock.try_lock();
    let socket = UnixListener::bind(folder.join(SOCKET))?;
    Ok((lock, socket))
}

/// Removes the folders whose owners are gone. Those of other users cannot be entered, and stay.
fn sweep(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        // The type is the entry's own: a link is not followed.
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if File::open(entry.path()).is_ok_and(|folder| folder.try_lock().is_ok()) {
            remove(&entry.path());
        }
    }
}

/// Removes a folder, if all it holds is the socket.
fn remove(folder: &Path) {
    // Another one may be doing the same; what is left is left for the next.
    let _ = fs::remove_file(folder.join(SOCKET));
    let _ = fs::remove_dir(folder);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).expect("a folder").map(|e| e.expect("an entry"));
        let mut names: Vec<String> =
            entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn named(dir: &Path, name: &str) -> io::Result<(Private, UnixListener)> {
        Private::make_named(dir, || name.to_owned())
    }

    #[test]
    fn the_next_to_start_removes_what_the_killed_left_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a folder");
        let (killed, socket) = named(dir.path(), "1-80").expect("a socket");
        // The lock goes with the process, the folder stays.
        drop((killed, socket));
        fs::create_dir(dir.path().join("como-http-notes")).expect("a folder");
        fs::write(dir.path().join("como-http-notes/mine"), b"").expect("a file");
        let (alive, _socket) = named(dir.path(), "2-80").expect("a socket");
        assert_eq!(names(dir.path()), ["como-http-2-80", "como-http-notes"]);
        let (other, _other) = named(dir.path(), "3-80").expect("a socket");
        assert_eq!(names(dir.path()), ["como-http-2-80", "como-http-3-80", "como-http-notes"]);
        alive.remove();
        other.remove();
        assert_eq!(names(dir.path()), ["como-http-notes"]);
    }

    #[test]
    fn a_name_that_somebody_has_is_passed_over() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir(dir.path().join("como-http-taken")).expect("a folder");
        fs::write(dir.path().join("como-http-taken/mine"), b"").expect("a file");
        let mut names = ["taken", "free"].into_iter().map(str::to_owned);
        let made = Private::make_named(dir.path(), || names.next().expect("a name"));
        let (private, _socket) = made.expect("a socket");
        assert!(private.socket().ends_with("como-http-free/http"));
        let always = Private::make_named(dir.path(), || "taken".to_owned());
        assert_eq!(always.err().map(|e| e.kind()), Some(ErrorKind::AlreadyExists));
    }
}
