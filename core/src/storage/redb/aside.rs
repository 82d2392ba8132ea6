//! A damaged file is set aside: it gets another name and stays as it is, and a new one takes its
//! place. So who measures goes on measuring.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::RedbStore;
use crate::storage::StoreError;

/// What the name of such a file has behind that of the store, before a number.
const MARK: &str = ".damaged-";

/// What was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Where it is now.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl RedbStore {
    /// Opens the store in a file as [`Self::create`] does, but where that is damaged, sets it aside
    /// and makes a new one. One of another program or version is refused all the same.
    pub fn create_beside_damaged(path: &Path) -> Result<(Self, Option<Aside>), StoreError> {
        let why = match Self::create(path) {
            Err(StoreError::Damaged { why, .. }) => why,
            created => return Ok((created?, None)),
        };
        let io = |error: io::Error| StoreError::Io {
            path: path.display().to_string(),
            why: error.to_string(),
        };
        let taken = set_aside(path).map_err(io)?;
        let free = (1..u64::MAX).map(|number| named(path, number));
        let to = free.into_iter().find(|name| !taken.contains(name)).unwrap_or_default();
        fs::rename(path, &to).map_err(io)?;
        Ok((Self::create(path)?, Some(Aside { path: to, why })))
    }
}

fn named(path: &Path, number: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!("{MARK}{number}"));
    name.into()
}

/// The files that were set aside from the place of a store and are there still.
pub fn set_aside(path: &Path) -> io::Result<Vec<PathBuf>> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let dir = dir.unwrap_or(Path::new("."));
    let own = path.file_name().unwrap_or_default().to_string_lossy();
    let mut all = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(&*own)?.strip_prefix(MARK));
        all.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    all.sort_unstable();
    Ok(all.into_iter().map(|number| named(path, number)).collect())
}
