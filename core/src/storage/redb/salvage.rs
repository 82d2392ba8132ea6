//! Salvage: what can still be read of a damaged file.
//!
//! A block whose own bytes are damaged is found by its checksum. Where pages of
//! the file are, redb refuses whole ranges of keys; the next readable key behind
//! is looked for, and the span between is reported as one damaged block.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;

use super::stated::Stated;
use super::{Handle, RedbStore, builder, guard, page};
use crate::storage::{Mark, PAGE_BYTES, StoreError, Stored, Window};
use crate::time::{SECOND, Ts};

impl RedbStore {
    /// Opens a file for reading; one that is damaged as far as that is possible, and then with
    /// the reason why it cannot be opened as a whole. One that the system lets us read alone is
    /// left as it is.
    pub fn open_to_read(path: &Path) -> Result<(Self, Option<StoreError>), StoreError> {
        match Self::open(path) {
            Err(StoreError::Io { .. }) if is_for_reading(path) => {
                Self::or_salvaged(path, Self::open_unwritten(path))
            }
            opened => Self::or_salvaged(path, opened),
        }
    }

    /// Opens a file without a change to it. One that was not closed may need one.
    pub(super) fn open_unwritten(path: &Path) -> Result<Self, StoreError> {
        let file = path.to_owned();
        let open = move || builder(u64::MAX).open_read_only(&file).map(Handle::ReadOnly);
        Self::with(path.display().to_string(), Box::new(open))
    }

    /// What was opened, or where that is damaged, what is left of it.
    pub(super) fn or_salvaged(
        path: &Path,
        opened: Result<Self, StoreError>,
    ) -> Result<(Self, Option<StoreError>), StoreError> {
        match opened {
            Ok(store) => Ok((store, None)),
            Err(error @ StoreError::Damaged { .. }) => match Self::salvage(path) {
                Ok(store) => Ok((store, Some(error))),
                Err(_) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Opens a damaged file for reading, without a look at what is not asked for.
    fn salvage(path: &Path) -> Result<Self, StoreError> {
        let store = Self::open_unwritten(path).or_else(|_| {
            // One that a crash left is mended by opening it, which reading alone does not.
            let file = path.to_owned();
            let open = move || builder(u64::MAX).open(&file).map(Handle::Whole);
            Self::with(path.display().to_string(), Box::new(open))
        });
        let store = store.or_else(|_| {
            // One of another length than it says, as after a copy that broke off.
            let file = path.to_owned();
            let open = move || {
                let stated = Stated::open(&file)?;
                builder(u64::MAX).open_read_only_with_backend(stated).map(Handle::ReadOnly)
            };
            Self::with(path.display().to_string(), Box::new(open))
        })?;
        Ok(Self { salvages: true, ..store })
    }

    /// A page of a damaged file. What cannot be read is one block without bytes.
    pub(super) fn page_around_damage(
        &self,
        name: &str,
        window: Window,
        after: Option<Mark>,
    ) -> Result<Vec<Stored>, StoreError> {
        self.read(|transaction| {
            let read = |from: Option<Mark>, bytes_max| {
                guard(|| page(transaction, name, window, from, bytes_max))
            };
            let last = after.is_some_and(|after| after.first.0 == u64::MAX);
            if last {
                return Ok(Vec::new());
            }
            if let Ok(page) = read(after, PAGE_BYTES) {
                return Ok(page);
            }
            // One at a time up to the damage.
            let first = after.unwrap_or(Mark { first: window.from, seq: 0 });
            let failure = match read(after, 1) {
                Ok(page) => return Ok(page),
                Err(failure) => failure,
            };
            let behind = |ts: u64| Mark { first: Ts(ts), seq: u64::MAX };
            let good = |ts: u64| read(Some(behind(ts)), 1).is_ok();
            // Where nothing of the window can be read from here on, that is the last part of it.
            let next = first_good(first.first.0, window.to.0, good).unwrap_or(u64::MAX);
            match after {
                Some(after) if after >= behind(next) => Err(failure),
                _ => Ok(vec![Stored { mark: behind(next), bytes: Vec::new() }]),
            }
        })
    }
}

/// The first instant from `from` on where reading works again: by steps that double, then by
/// halves. Where damage has holes, some of what lies between is passed over.
fn first_good(from: u64, to: u64, good: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut bad, mut step) = (from, SECOND / 1000);
    let mut ok = loop {
        let at = bad.saturating_add(step).min(to);
        if good(at) {
            break at;
        }
        if at >= to {
            return None;
        }
        (bad, step) = (at, step.saturating_mul(2));
    };
    while ok - bad > 1 {
        let middle = bad + (ok - bad) / 2;
        if good(middle) { ok = middle } else { bad = middle }
    }
    Some(ok)
}

/// Whether the system lets us read a file and not write it.
fn is_for_reading(path: &Path) -> bool {
    let refused = OpenOptions::new().write(true).open(path).err().map(|error| error.kind());
    let refusals = [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem];
    refusals.map(Some).contains(&refused) && File::open(path).is_ok()
}
