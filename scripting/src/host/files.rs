//! Files that an operator grants: read whole, at and below the granted paths only.
//!
//! Below a granted path no link is followed, so that none leads out of it, whoever may write
//! there; and only plain files are read, so that none holds its reader.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

/// The longest file that is read.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// Why a file is not read.
#[derive(Debug, PartialEq, Eq)]
pub enum NotRead {
    /// No granted path leads there.
    NotGranted,
    /// Something else, in words.
    Wrong(String),
}

/// The content of a file, nothing where there is none. A path that does not begin at the root
/// begins at the first granted one.
pub fn read(granted: &[PathBuf], path: &str) -> Result<Option<Vec<u8>>, NotRead> {
    let (root, rest) = place(granted, Path::new(path)).ok_or(NotRead::NotGranted)?;
    let wrong = |why: &str| NotRead::Wrong(format!("`{}` {why}", path.escape_debug()));
    let mut names = Vec::new();
    for part in rest.components() {
        match part {
            Component::Normal(name) => names.push(name),
            Component::CurDir => {}
            _ => return Err(wrong("leads up: a path goes down only")),
        }
    }
    let base = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut at = openat(CWD, root, base, Mode::empty());
    for (nth, name) in names.iter().enumerate() {
        let Ok(folder) = &at else { break };
        let flags = base | OFlags::NOFOLLOW;
        let flags = if nth + 1 < names.len() { flags | OFlags::DIRECTORY } else { flags };
        at = openat(folder, *name, flags, Mode::empty());
    }
    let file = match at {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(wrong("is a link, and links are not followed")),
        Err(error) => return Err(wrong(&format!("cannot be read: {error}"))),
    };
    let about = file.metadata().map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    if !about.is_file() {
        return Err(wrong("is no plain file"));
    }
    let long = || wrong(&format!("is longer than {FILE_BYTES_MAX} bytes"));
    if about.len() > FILE_BYTES_MAX as u64 {
        return Err(long());
    }
    let mut content = Vec::new();
    // It may grow while it is read.
    let read = file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut content);
    match read.map_err(|error| error.kind()) {
        Ok(_) if content.len() > FILE_BYTES_MAX => Err(long()),
        Ok(_) => Ok(Some(content)),
        Err(ErrorKind::NotFound) => Ok(None),
        Err(kind) => Err(wrong(&format!("cannot be read: {kind}"))),
    }
}

/// The granted path that `path` lies at or below, and the rest of it.
fn place<'a>(granted: &'a [PathBuf], path: &'a Path) -> Option<(&'a Path, &'a Path)> {
    if path.is_absolute() {
        return granted
            .iter()
            .find_map(|root| Some((root.as_path(), path.strip_prefix(root).ok()?)));
    }
    granted.first().map(|root| (root.as_path(), path))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    struct Granted {
        _kept: tempfile::TempDir,
        root: PathBuf,
        secret: PathBuf,
    }

    fn granted() -> Granted {
        let kept = tempfile::tempdir().expect("a folder");
        let (root, secret) = (kept.path().join("in"), kept.path().join("secret"));
        fs::create_dir_all(root.join("a/b")).expect("folders");
        fs::write(root.join("a/b/c.txt"), "inside").expect("written");
        fs::write(&secret, "outside").expect("written");
        symlink(&secret, root.join("link")).expect("a link");
        symlink(kept.path(), root.join("up")).expect("a link");
        Granted { _kept: kept, root, secret }
    }

    #[test]
    fn what_lies_below_is_read() {
        let Granted { root, _kept, .. } = &granted();
        let roots = [root.clone()];
        let whole = root.join("a/b/c.txt");
        for path in ["a/b/c.txt", "./a/./b//c.txt", whole.to_str().expect("a name")] {
            let found = read(&roots, path);
            assert_eq!(found, Ok(Some(b"inside".to_vec())), "{path}");
        }
        assert_eq!(read(&roots, "a/none"), Ok(None));
        assert_eq!(read(std::slice::from_ref(&whole), ""), Ok(Some(b"inside".to_vec())));
        assert_eq!(
            read(std::slice::from_ref(&whole), whole.to_str().unwrap_or("")).map(|f| f.is_some()),
            Ok(true)
        );
    }

    #[test]
    fn nothing_leads_out() {
        let Granted { root, secret, .. } = &granted();
        let roots = [root.clone()];
        let wrong = |path: &str| match read(&roots, path) {
            Err(NotRead::Wrong(why)) => why,
            other => panic!("{path}: {other:?}"),
        };
        for path in ["../secret", "a/../../secret", "a/b/../../../secret"] {
            assert!(wrong(path).contains("leads up"), "{}", wrong(path));
        }
        assert!(wrong("link").contains("links are not followed"));
        assert!(wrong("up/secret").contains("cannot be read"));
        assert!(wrong("a").contains("is no plain file"));
        assert!(wrong("a/b\0c").contains("cannot be read"));
        let secret = secret.to_str().expect("a name");
        assert_eq!(read(&roots, secret), Err(NotRead::NotGranted));
        assert_eq!(read(&roots, "/etc/passwd"), Err(NotRead::NotGranted));
        let beside = format!("{}side/x", root.display());
        assert_eq!(read(&roots, &beside), Err(NotRead::NotGranted));
        assert_eq!(read(&[], "x"), Err(NotRead::NotGranted));
    }

    #[test]
    fn a_long_file_is_refused() {
        let Granted { root, _kept, .. } = &granted();
        fs::write(root.join("long"), vec![b'x'; FILE_BYTES_MAX + 1]).expect("written");
        let Err(NotRead::Wrong(why)) = read(std::slice::from_ref(root), "long") else {
            panic!("read")
        };
        assert!(why.ends_with("is longer than 1048576 bytes"), "{why}");
    }
}
