//! Salvage: what can still be read of a damaged file.
//!
//! A block whose own bytes are damaged is found by its checksum. Where pages of
//! the file are, redb refuses whole ranges of keys; the next readable key behind
//! is looked for, and the span between is reported as one damaged block.

use std::path::Path;

use super::stated::Stated;
use super::untouched::Untouched;
use super::{Handle, RedbStore, builder, guard, is_checked, page};
use crate::storage::{Mark, PAGE_BYTES, StoreError, Stored, Window};
use crate::time::{SECOND, Ts};

impl RedbStore {
    /// Opens a file for reading; one that is damaged as far as that is possible, and then with
    /// the reason why it cannot be opened as a whole. Not a byte of it is changed.
    pub fn open_to_read(path: &Path) -> Result<(Self, Option<StoreError>), StoreError> {
        Self::open_or_salvage(path, is_checked(path))
    }

    /// Opens a file to look for damage: as [`Self::open_to_read`], and every page is checked,
    /// however large the file is.
    pub fn open_to_verify(path: &Path) -> Result<(Self, Option<StoreError>), StoreError> {
        Self::open_or_salvage(path, true)
    }

    /// Opens a file, or where that is damaged, what is left of it.
    fn open_or_salvage(
        path: &Path,
        checks: bool,
    ) -> Result<(Self, Option<StoreError>), StoreError> {
        match Self::open_untouched(path, checks) {
            Ok(store) => Ok((store, None)),
            Err(error @ StoreError::Damaged { .. }) => match Self::salvage(path) {
                Ok(store) => Ok((store, Some(error))),
                Err(_) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Opens a file of which nothing is written; what a crash left of it is mended in memory.
    fn open_untouched(path: &Path, checks: bool) -> Result<Self, StoreError> {
        let file = path.to_owned();
        let open = move || {
            let file = Untouched::open(&file)?;
            builder(checks).create_with_backend(file).map(Handle::Untouched)
        };
        Self::with(path.display().to_string(), Box::new(open))
    }

    /// Opens a damaged file for reading, without a look at what is not asked for.
    fn salvage(path: &Path) -> Result<Self, StoreError> {
        let file = path.to_owned();
        let open = move || builder(false).open_read_only(&file).map(Handle::ReadOnly);
        let store = Self::with(path.display().to_string(), Box::new(open));
        // One that a crash left is to be mended, which reading alone does not.
        let store = store.or_else(|_| Self::open_untouched(path, false));
        let store = store.or_else(|_| {
            // One of another length than it says, as after a copy that broke off.
            let file = path.to_owned();
            let open = move || {
                let stated = Stated::open(&file)?;
                builder(false).open_read_only_with_backend(stated).map(Handle::ReadOnly)
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
