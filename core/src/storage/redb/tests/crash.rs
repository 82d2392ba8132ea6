//! Crashes and full disks, on a disk that forgets what was not synced.
//!
//! The disk keeps what is durable and what was written since; at a crash any
//! part of the latter may have reached it, in any order.

use std::io;

use ::redb::StorageBackend;

use super::*;
use crate::record::{Column, Records, Type};
use crate::storage::Writer;
use crate::storage::conformance::records;
use crate::time::Span;

#[derive(Debug, Default)]
pub(super) struct Disk {
    durable: Vec<u8>,
    // What was done since the last sync.
    waiting: Vec<Change>,
    // What redb sees: all of it.
    seen: Vec<u8>,
    // Operations until the power goes.
    left: Option<u32>,
    full: bool,
    // Whether a sync does what it says.
    honest: bool,
    // How often it was read.
    pub(super) reads: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(len) => bytes.resize(*len, 0),
            Self::Write(at, data) => {
                let end = at + data.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[*at..end].copy_from_slice(data);
            }
        }
    }

    /// The same, of which only some sectors reached the disk.
    fn torn(&self, random: &mut Random) -> Self {
        match self {
            Self::Write(at, data) if random.below(4) == 0 => {
                Self::Write(*at, data[..data.len() / 1024 * 512].to_vec())
            }
            whole => whole.clone(),
        }
    }
}

impl Disk {
    pub(super) fn new(durable: Vec<u8>, left: Option<u32>, honest: bool) -> Arc<Mutex<Self>> {
        let seen = durable.clone();
        Arc::new(Mutex::new(Self { durable, seen, left, honest, ..Self::default() }))
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        self.step()?;
        change.apply(&mut self.seen);
        self.waiting.push(change);
        Ok(())
    }

    fn step(&mut self) -> io::Result<()> {
        match &mut self.left {
            Some(0) => return Err(io::Error::other("the power went")),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(())
    }

    /// What is found after the power went: some of the changes, in any order, some torn.
    fn after_crash(&self, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        let mut reached: Vec<_> = self.waiting.iter().filter(|_| random.below(2) == 0).collect();
        for at in (1..reached.len()).rev() {
            reached.swap(at, random.below(at + 1));
        }
        for change in reached {
            change.torn(random).apply(&mut bytes);
        }
        bytes
    }
}

#[derive(Clone, Debug)]
struct Backend(Arc<Mutex<Disk>>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.reads += 1;
        let at = offset as usize;
        let bytes = disk.seen.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.0.lock();
        if disk.full && len > disk.seen.len() as u64 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.change(Change::Length(len as usize))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.step()?;
        if disk.honest {
            let Disk { durable, waiting, .. } = &mut *disk;
            waiting.drain(..).for_each(|change| change.apply(durable));
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.lock().change(Change::Write(offset as usize, data.to_vec()))
    }
}

pub(super) fn store_on(disk: &Arc<Mutex<Disk>>) -> Result<RedbStore, StoreError> {
    let backend = Backend(disk.clone());
    let open = move || builder(false).create_with_backend(backend.clone()).map(Handle::Whole);
    RedbStore::with("disk".to_owned(), Box::new(open))
}

/// Five seconds after five seconds, each committed, until the power goes: how many seconds were
/// acknowledged, how many tried.
fn write_until_dark(store: RedbStore, boot: u64, before: (u64, u64)) -> (u64, u64) {
    let Ok(rows) = seconds(&store, "a") else { return before };
    let mut sec = rows.len() as u64;
    let mut writer = Writer::new(Arc::new(store), "n", boot);
    loop {
        if writer.write("a", Output::Records(records(sec..sec + 5))).is_err() {
            return (sec, sec);
        }
        if writer.commit().is_err() {
            return (sec, sec + 5);
        }
        sec += 5;
    }
}

/// Lets the power go several times in a row, during recovery too.
fn crash_often(seed: u64, honest: bool) -> Result<(), String> {
    let mut random = Random(seed);
    let made = Disk::new(Vec::new(), None, true);
    drop(store_on(&made).map_err(|e| e.to_string())?);
    let mut bytes = std::mem::take(&mut made.lock().durable);
    let (mut acknowledged, mut tried) = (0, 0);
    for boot in 0..5 {
        let disk = Disk::new(bytes, Some(1 + random.below(70) as u32), honest);
        if let Ok(store) = store_on(&disk) {
            (acknowledged, tried) = write_until_dark(store, boot, (acknowledged, tried));
        }
        bytes = disk.lock().after_crash(&mut random);
        if boot % 2 == 1 {
            // Go on with what was left, unread: the next opening recovers, and may fail at it.
            continue;
        }
        let found = Disk::new(bytes.clone(), None, true);
        let store = store_on(&found).map_err(|e| e.to_string())?;
        let rows = seconds(&store, "a")?;
        let n = rows.len() as u64;
        if rows != (0..n).collect::<Vec<_>>() || !n.is_multiple_of(5) {
            return Err(format!("part of a commit, or one twice: {rows:?}"));
        }
        if n < acknowledged || n > tried {
            return Err(format!("{acknowledged} acknowledged, {tried} tried, {n} there"));
        }
        (acknowledged, tried) = (n, n);
    }
    Ok(())
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes() {
    for seed in 0..100 {
        assert_eq!(crash_often(seed, true), Ok(()), "seed {seed}");
    }
}

#[test]
fn a_sync_that_does_nothing_would_be_noticed() {
    // The proof that the test above sees what it should.
    assert!((0..20).any(|seed| crash_often(seed, false) != Ok(())));
}

#[test]
fn a_full_disk_heals_once_there_is_space() {
    let disk = Disk::new(Vec::new(), None, true);
    let store = Arc::new(store_on(&disk).expect("a new store"));
    let mut writer = Writer::new(store.clone(), "n", 1);
    let schema = Arc::new(Schema::new([Column::new("b", Type::Bytes)]));
    let (mut sec, mut refused) = (0, 0);
    while refused < 5 {
        let mut noise = Random(sec);
        let bytes: Vec<u8> = (0..60_000).map(|_| noise.below(256) as u8).collect();
        let mut part = Records::empty(schema.clone(), Span::from_secs(1));
        part.push(Ts::new(sec, 0), [bytes.into()]);
        writer.write("a", Output::Records(part)).expect("a stream that is open");
        sec += 1;
        disk.lock().full = sec > 20;
        if let Err(error) = writer.commit() {
            refused += 1;
            assert!(error.to_string().starts_with("store `disk`: "), "{error}");
            assert!(seconds(&*store, "a").expect("old data").len() >= 20);
        }
        assert!(sec < 10_000, "a full disk never refused");
    }
    disk.lock().full = false;
    writer.commit().expect("space again");
    assert_eq!(seconds(&*store, "a"), Ok((0..sec).collect()));
    assert_eq!(writer.lost_rows(), 0);
}
