//! The store on disk: one redb file, and the only door to redb.
//!
//! Blocks lie under (stream, first row, number), gaps in a table of their own,
//! because a gap may be years long and would make every search begin years too
//! early. Commits are two-phase and save the allocator, so that what strangers
//! sent cannot fake a commit and a start after a crash is instant.
//!
//! redb refuses everything after an I/O error until it is opened anew; the
//! next call does that, so a full disk heals once there is space.

mod aside;
mod guard;
mod meta;
mod pieces;
mod salvage;
mod side;
mod stated;
mod tables;
mod untouched;
mod upkeep;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::redb::{
    Database, DatabaseError, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, ReadableTable,
    StorageError, Table, TableDefinition, TableError, WriteTransaction,
};
use parking_lot::RwLock;

use super::evolve::in_use;
use super::{Append, Mark, PAGE_BYTES, RecordStore, StoreError, Stored, Stream, Window};
use crate::record::Schema;
use crate::time::Ts;

pub use aside::{Aside, set_aside};
use guard::guard;
use meta::{meta, parsed};
use pieces::PIECES;
use side::{gaps, page};
use tables::{Tables, keys};

type Key = (u32, u64, u64);
type Blocks<'txn> = Table<'txn, Key, &'static [u8]>;

const ABOUT: TableDefinition<&str, u64> = TableDefinition::new("como");
const STREAMS: TableDefinition<&str, &[u8]> = TableDefinition::new("streams");
const SCHEMAS: TableDefinition<(u32, u64), &[u8]> = TableDefinition::new("schemas");
const BLOCKS: TableDefinition<Key, &[u8]> = TableDefinition::new("blocks");
const GAPS: TableDefinition<Key, &[u8]> = TableDefinition::new("gaps");
const NOTES: TableDefinition<&str, &[u8]> = TableDefinition::new("notes");

const FORMAT: &str = "format";
const NEXT_ID: &str = "next stream";
const VERSION: u64 = 2;

/// Memory for pages; blocks are read once, so more would not help.
const CACHE_BYTES: usize = 16 << 20;

/// Files up to this size are checked whole when opened; a larger one is trusted, its blocks have
/// checksums of their own.
const CHECKED_BYTES_MAX: u64 = 128 << 20;

/// Records in a redb file.
pub struct RedbStore {
    path: String,
    open: Opener,
    // None between an I/O error and the next call.
    database: RwLock<Option<Handle>>,
    // Whether pages that cannot be read are passed over, as in a file known to be damaged.
    salvages: bool,
}

type Opener = Box<dyn Fn() -> Result<Handle, DatabaseError> + Send + Sync>;

/// An open file.
enum Handle {
    Whole(Database),
    /// Of which nothing is written.
    Untouched(Database),
    ReadOnly(ReadOnlyDatabase),
}

impl Handle {
    fn begin_read(&self) -> Result<ReadTransaction, Failure> {
        Ok(match self {
            Self::Whole(database) | Self::Untouched(database) => database.begin_read()?,
            Self::ReadOnly(database) => database.begin_read()?,
        })
    }

    fn whole(&self) -> Result<&Database, Failure> {
        match self {
            Self::Whole(database) => Ok(database),
            Self::Untouched(_) | Self::ReadOnly(_) => {
                Err(Failure::Damaged("it is open for reading only".to_owned()))
            }
        }
    }
}

/// What went wrong inside, before it is told with the file's name.
enum Failure {
    Redb(::redb::Error),
    Damaged(String),
    // It is whole, and of another program or version.
    Foreign(String),
}

impl<E: Into<::redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

impl RedbStore {
    /// Opens the store in a file, and makes a new one where there is none.
    ///
    /// A new one is made beside its place and moved there when it is whole: a crash meanwhile
    /// leaves no half store.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        if path.metadata().map_or(true, |m| m.is_file() && m.len() == 0) {
            let mut name = path.as_os_str().to_owned();
            name.push(".new");
            let new = PathBuf::from(name);
            make(&new, path)?;
        }
        let store = Self::open(path)?;
        if is_checked(path) {
            store.tidy();
        }
        Ok(store)
    }

    /// Opens the store in a file that must be there.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let file = path.to_owned();
        let old = move || builder(is_checked(&file)).open(&file).map(Handle::Whole);
        Self::with(path.display().to_string(), Box::new(old))
    }

    fn with(path: String, open: Opener) -> Result<Self, StoreError> {
        let store = Self { path, open, database: RwLock::new(None), salvages: false };
        store.reopen()?;
        Ok(store)
    }

    /// Opens the file if it is not open.
    fn reopen(&self) -> Result<(), StoreError> {
        let mut database = self.database.write();
        if database.is_none() {
            let opened = guard(|| {
                let opened = (self.open)()?;
                greet(&opened)?;
                Ok(opened)
            });
            *database = Some(opened.map_err(|failure| self.told(failure))?);
        }
        Ok(())
    }

    /// Gives space back to the system, where more than half of the file holds nothing.
    fn tidy(&self) {
        let mut database = self.database.write();
        let Some(Handle::Whole(open)) = database.as_mut() else { return };
        let tidied = guard(|| {
            let transaction = open.begin_write()?;
            let stats = transaction.stats()?;
            transaction.abort()?;
            if stats.fragmented_bytes() > stats.stored_bytes() + stats.metadata_bytes() {
                open.compact()?;
            }
            Ok(())
        });
        if let Err(failure) = tidied {
            // It works as it is; the next call opens it anew.
            *database = None;
            tracing::warn!("free space stays in the file: {}", self.told(failure));
        }
    }

    /// Does something with the open file, which it opens anew after an I/O error.
    fn on<T>(&self, what: impl Fn(&Handle) -> Result<T, Failure>) -> Result<T, StoreError> {
        if self.database.read().is_none() {
            self.reopen()?;
        }
        let done = match &*self.database.read() {
            Some(database) => guard(|| what(database)),
            None => Err(StorageError::DatabaseClosed.into()),
        };
        done.map_err(|failure| {
            if !self.salvages {
                *self.database.write() = None;
            }
            self.told(failure)
        })
    }

    fn read<T>(
        &self,
        what: impl Fn(&ReadTransaction) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        self.on(|database| what(&database.begin_read()?))
    }

    fn write<T>(
        &self,
        what: impl Fn(&WriteTransaction) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        self.on(|database| commit(database.whole()?, &what))
    }

    fn told(&self, failure: Failure) -> StoreError {
        use ::redb::Error;
        let path = self.path.clone();
        match failure {
            Failure::Damaged(why) => StoreError::Damaged { path, why },
            Failure::Foreign(why) => StoreError::Foreign { path, why },
            Failure::Redb(error @ Error::UpgradeRequired(_)) => {
                StoreError::Foreign { path, why: error.to_string() }
            }
            Failure::Redb(Error::DatabaseAlreadyOpen) => StoreError::InUse { path },
            Failure::Redb(Error::Io(error)) => match error.kind() {
                ErrorKind::InvalidData => {
                    StoreError::Damaged { path, why: "it is not a redb file".to_owned() }
                }
                ErrorKind::UnexpectedEof => {
                    StoreError::Damaged { path, why: "it ends too early".to_owned() }
                }
                _ => StoreError::Io { path, why: error.to_string() },
            },
            Failure::Redb(error @ (Error::PreviousIo | Error::DatabaseClosed)) => {
                StoreError::Io { path, why: error.to_string() }
            }
            Failure::Redb(error) => StoreError::Damaged { path, why: error.to_string() },
        }
    }
}

/// Makes a new store in the file `new` and moves it to `path`.
fn make(new: &Path, path: &Path) -> Result<(), StoreError> {
    let io = |error: std::io::Error| StoreError::Io {
        path: path.display().to_string(),
        why: error.to_string(),
    };
    // What an earlier crash left there is worth nothing: no store was ever opened under that name.
    match std::fs::remove_file(new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let file = new.to_owned();
    let made = move || builder(true).create(&file).map(Handle::Whole);
    drop(RedbStore::with(new.display().to_string(), Box::new(made))?);
    std::fs::rename(new, path).map_err(io)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    std::fs::File::open(dir.unwrap_or(Path::new("."))).and_then(|dir| dir.sync_all()).map_err(io)
}

/// Whether a file is looked through when it is opened.
fn is_checked(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| about.len() <= CHECKED_BYTES_MAX)
}

/// How a file is opened: with a look at every page of it, or without.
fn builder(checks: bool) -> ::redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(checks);
    builder
}

fn commit<T>(
    database: &Database,
    what: impl Fn(&WriteTransaction) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let transaction = begin(database)?;
    let done = what(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

/// Begins a write that strangers cannot fake and that a start after a crash need not look for.
fn begin(database: &Database) -> Result<WriteTransaction, Failure> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    Ok(transaction)
}

/// Makes a new file a store, and makes sure that an old one is.
fn greet(database: &Handle) -> Result<(), Failure> {
    let names: Vec<String> = {
        use ::redb::TableHandle;
        database.begin_read()?.list_tables()?.map(|table| table.name().to_owned()).collect()
    };
    if names.is_empty() {
        return commit(database.whole()?, |transaction| {
            transaction.open_table(ABOUT)?.insert(FORMAT, VERSION)?;
            transaction.open_table(STREAMS)?;
            transaction.open_table(SCHEMAS)?;
            transaction.open_table(BLOCKS)?;
            transaction.open_table(GAPS)?;
            transaction.open_table(PIECES)?;
            Ok(())
        });
    }
    if !names.iter().any(|name| name == "como") {
        return Err(Failure::Foreign("it is the redb file of another program".to_owned()));
    }
    let version = database.begin_read()?.open_table(ABOUT)?.get(FORMAT)?.map(|v| v.value());
    match version {
        Some(VERSION) => Ok(()),
        Some(other) => {
            let why = format!("its format is {other}, this version's is {VERSION}");
            Err(Failure::Foreign(why))
        }
        None => Err(Failure::Damaged("its format is not stated".to_owned())),
    }
}

fn first(transaction: &ReadTransaction, id: u32) -> Result<Option<u64>, Failure> {
    let mut first = None;
    for table in [BLOCKS, GAPS] {
        let entry = transaction.open_table(table)?.range(keys(id))?.next().transpose()?;
        let start = entry.map(|(key, _)| key.value().1);
        first = [first, start].into_iter().flatten().min();
    }
    Ok(first)
}

impl RecordStore for RedbStore {
    fn put(&self, group: &[Append]) -> Result<(), StoreError> {
        self.write(|transaction| {
            let mut tables = Tables::open(transaction)?;
            let mut some = group.iter().filter(|append| !append.blocks.is_empty());
            some.try_for_each(|append| tables.put(append))
        })
    }

    fn streams(&self) -> Result<Vec<Stream>, StoreError> {
        self.read(|transaction| {
            let mut all = Vec::new();
            for entry in transaction.open_table(STREAMS)?.iter()? {
                let (name, bytes) = entry?;
                let meta = parsed(name.value(), bytes.value())?;
                all.push(meta.stream(name.value(), first(transaction, meta.id)?));
            }
            Ok(all)
        })
    }

    fn stream(&self, name: &str) -> Result<Option<Stream>, StoreError> {
        self.read(|transaction| match meta(&transaction.open_table(STREAMS)?, name)? {
            Some(meta) => Ok(Some(meta.stream(name, first(transaction, meta.id)?))),
            None => Ok(None),
        })
    }

    fn schema(&self, name: &str, hash: u64) -> Result<Option<Arc<Schema>>, StoreError> {
        self.read(|transaction| {
            let meta = meta(&transaction.open_table(STREAMS)?, name)?;
            let Some(meta) = meta else { return Ok(None) };
            let schemas = transaction.open_table(SCHEMAS)?;
            let Some(bytes) = schemas.get((meta.id, hash))? else { return Ok(None) };
            let schema: Schema = serde_json::from_slice(bytes.value())
                .map_err(|error| Failure::Damaged(format!("a schema of `{name}`: {error}")))?;
            Ok((schema.hash() == hash).then(|| Arc::new(schema)))
        })
    }

    fn schemas(&self, name: &str) -> Result<Vec<(u64, Arc<Schema>)>, StoreError> {
        self.read(|transaction| {
            let meta = meta(&transaction.open_table(STREAMS)?, name)?;
            let Some(meta) = meta else { return Ok(Vec::new()) };
            let first = |table: TableDefinition<Key, &'static [u8]>| -> Result<_, Failure> {
                let entry = transaction.open_table(table)?.range(keys(meta.id))?.next();
                Ok(entry.transpose()?.map(|(key, _)| key.value().2))
            };
            let schemas = transaction.open_table(SCHEMAS)?;
            let mut known = Vec::new();
            let mut in_use = in_use(&meta.schemas, first(BLOCKS)?);
            if meta.rows.is_none() {
                // Begun before schemas were noted by number.
                for entry in schemas.range((meta.id, 0)..=(meta.id, u64::MAX))? {
                    let hash = entry?.0.value().1;
                    if !in_use.iter().any(|(_, noted)| *noted == hash) {
                        in_use.insert(0, (0, hash));
                    }
                }
            }
            for (seq, hash) in in_use {
                if let Some(json) = schemas.get((meta.id, hash))?
                    && let Ok(schema) = serde_json::from_slice::<Schema>(json.value())
                {
                    known.push((seq, Arc::new(schema)));
                }
            }
            Ok(known)
        })
    }

    fn page(
        &self,
        name: &str,
        window: Window,
        after: Option<Mark>,
    ) -> Result<Vec<Stored>, StoreError> {
        if self.salvages {
            return self.page_around_damage(name, window, after);
        }
        self.read(|transaction| page(transaction, name, window, after, PAGE_BYTES))
    }

    fn gaps(
        &self,
        name: &str,
        window: Window,
        after: Option<Mark>,
    ) -> Result<Vec<Stored>, StoreError> {
        self.read(|transaction| guard(|| gaps(transaction, name, window, after)))
    }

    fn trim(&self, name: &str, bytes: u64) -> Result<u64, StoreError> {
        self.write(|transaction| {
            let mut tables = Tables::open(transaction)?;
            let Some(mut meta) = meta(&tables.streams, name)? else { return Ok(0) };
            let removed = tables.trim(&mut meta, bytes)?;
            tables.keep(name, &meta)?;
            Ok(removed)
        })
    }

    fn expire(&self, now: Ts) -> Result<u64, StoreError> {
        if !self.read(|transaction| tables::is_due(transaction, now))? {
            return Ok(0);
        }
        self.write(|transaction| {
            let mut tables = Tables::open(transaction)?;
            tables.aged()?.into_iter().try_fold(0, |removed, (name, mut meta)| {
                let more = tables.expire(&mut meta, now)?;
                tables.keep(&name, &meta)?;
                Ok(removed + more)
            })
        })
    }

    fn cut(&self, name: &str, before: Ts) -> Result<u64, StoreError> {
        self.write(|transaction| {
            let mut tables = Tables::open(transaction)?;
            let Some(mut meta) = meta(&tables.streams, name)? else { return Ok(0) };
            let removed = tables.cut(&mut meta, before)?;
            tables.keep(name, &meta)?;
            Ok(removed)
        })
    }

    fn remove(&self, name: &str) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let mut tables = Tables::open(transaction)?;
            let Some(meta) = meta(&tables.streams, name)? else { return Ok(false) };
            tables.blocks.retain_in(keys(meta.id), |_, _| false)?;
            tables.gaps.retain_in(keys(meta.id), |_, _| false)?;
            pieces::clear_stream(&mut tables.pieces, meta.id)?;
            tables.schemas.retain_in((meta.id, 0)..=(meta.id, u64::MAX), |_, _| false)?;
            tables.streams.remove(name)?;
            Ok(true)
        })
    }

    fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|transaction| match transaction.open_table(NOTES) {
            Ok(notes) => Ok(notes.get(name)?.map(|bytes| bytes.value().to_vec())),
            // Nothing was noted by older versions.
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        })
    }

    fn set_note(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.open_table(NOTES)?.insert(name, bytes)?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
