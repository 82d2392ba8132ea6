//! What lies at the path: nothing, a store in use, something else, something damaged.

use super::*;
use crate::storage::Writer;
use crate::storage::conformance::records;
use crate::storage::verify::{self, Fault};

fn message(path: &Path) -> String {
    match RedbStore::create(path) {
        Ok(_) => "opened".to_owned(),
        Err(error) => error.to_string().replace(&path.display().to_string(), "FILE"),
    }
}

fn filled(path: &Path) {
    let store = Arc::new(RedbStore::create(path).expect("a new store"));
    let mut writer = Writer::new(store, "n", 1);
    for at in 0..200 {
        for stream in ["a", "b"] {
            let part = records(at * 10..at * 10 + 10);
            writer.write(stream, Output::Records(part)).expect("a store that works");
        }
        if at % 10 == 9 {
            writer.commit().expect("a store that works");
        }
    }
}

/// The rows of both streams, or what is wrong.
fn read(path: &Path) -> Result<[Vec<u64>; 2], String> {
    let store = RedbStore::open(path).map_err(|e| e.to_string())?;
    Ok([seconds(&store, "a")?, seconds(&store, "b")?])
}

#[test]
fn a_file_that_is_no_store_is_named_and_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x");
    for bytes in [b"hello".to_vec(), vec![0; 100_000], b"redb\x1a\x0a\xa9\x0d\x0ajunk".to_vec()] {
        std::fs::write(&path, &bytes).expect("a file");
        let message = message(&path);
        assert!(message.starts_with("`FILE` is not a usable store ("), "{message}");
        assert!(message.contains("move it away to start a new one"), "{message}");
        assert_eq!(std::fs::read(&path).expect("a file"), bytes);
    }
}

#[test]
fn a_store_in_use_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x");
    let _first = RedbStore::create(&path).expect("a new store");
    let message = message(&path);
    assert!(message.starts_with("store `FILE` is in use by another process"), "{message}");
}

#[test]
fn a_redb_file_of_another_program_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x");
    {
        let other = Database::create(&path).expect("a database");
        let transaction = other.begin_write().expect("a transaction");
        let table: TableDefinition<'_, u64, u64> = TableDefinition::new("theirs");
        transaction.open_table(table).expect("a table").insert(1, 2).expect("a table");
        transaction.commit().expect("a commit");
    }
    assert!(message(&path).contains("the redb file of another program"));
}

#[test]
fn a_damaged_store_is_set_aside_as_it_is_and_one_of_others_is_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x");
    let (store, aside) = RedbStore::create_beside_damaged(&path).expect("a new store");
    assert_eq!(aside, None);
    let again = RedbStore::create_beside_damaged(&path).err().expect("a store in use");
    assert!(matches!(again, StoreError::InUse { .. }), "{again}");
    drop(store);
    filled(&path);
    let mut damaged = Vec::new();
    for round in 1..3 {
        let mut bytes = std::fs::read(&path).expect("a file");
        bytes[3] ^= 1;
        std::fs::write(&path, &bytes).expect("a file");
        damaged.push(dir.path().join(format!("x.damaged-{round}")));
        let (store, aside) = RedbStore::create_beside_damaged(&path).expect("a new store");
        assert_eq!(aside.map(|aside| aside.path).as_ref(), damaged.last());
        assert!(store.streams().is_ok_and(|all| all.is_empty()));
        assert_eq!(set_aside(&path).ok().as_ref(), Some(&damaged));
        drop(store);
        assert!(std::fs::read(&damaged[round - 1]).is_ok_and(|kept| kept == bytes));
    }
    let other = dir.path().join("other");
    let database = Database::create(&other).expect("a database");
    let transaction = database.begin_write().expect("a transaction");
    let table: TableDefinition<'_, u64, u64> = TableDefinition::new("theirs");
    transaction.open_table(table).expect("a table").insert(1, 2).expect("a table");
    transaction.commit().expect("a commit");
    drop(database);
    let refused = RedbStore::create_beside_damaged(&other).err().expect("no store of ours");
    assert!(matches!(refused, StoreError::Foreign { .. }), "{refused}");
    assert_eq!(set_aside(&other).ok(), Some(Vec::new()));
}

#[test]
fn a_missing_store_is_not_made_by_opening_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x");
    let error = RedbStore::open(&path).err().expect("no store").to_string();
    assert!(error.contains("No such file"), "{error}");
    assert!(!path.exists());
}

#[test]
fn what_a_crash_left_of_a_store_being_made_is_no_obstacle() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x");
    std::fs::write(dir.path().join("x.new"), b"half").expect("a file");
    std::fs::write(&path, b"").expect("a file");
    filled(&path);
    assert_eq!(read(&path).map(|[a, _]| a.len()), Ok(2_000));
    assert!(!dir.path().join("x.new").exists());
}

#[test]
fn records_survive_closing() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x");
    filled(&path);
    let want: Vec<u64> = (0..2_000).collect();
    assert_eq!(read(&path), Ok([want.clone(), want]));
}

#[test]
fn a_damaged_store_is_refused_or_says_what_is_missing() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x");
    filled(&path);
    let whole = std::fs::read(&path).expect("a file");
    let want = read(&path).expect("a whole store");
    let mut random = Random(7);
    let mut noticed = 0;
    for round in 0..60 {
        let mut bytes = whole.clone();
        let at = random.below(bytes.len());
        match round % 4 {
            0 | 1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes.truncate(at),
            _ => bytes[at / 4096 * 4096..].iter_mut().take(4096).for_each(|b| *b = 0),
        }
        std::fs::write(&path, &bytes).expect("a file");
        match read(&path) {
            Ok(rows) => assert_eq!(rows, want, "round {round} at {at}: no word of the damage"),
            Err(_) => noticed += 1,
        }
    }
    assert!(noticed > 10, "only {noticed} of 60 were noticed");
}

#[test]
fn what_can_be_read_of_a_damaged_store_is_read_and_the_rest_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x");
    filled(&path);
    let whole = std::fs::read(&path).expect("a file");
    let (mut random, mut salvaged) = (Random(3), 0);
    for round in 0..40 {
        let mut bytes = whole.clone();
        let at = random.below(bytes.len());
        match round % 2 {
            0 => bytes[at] ^= 1 << random.below(8),
            _ => bytes[at / 4096 * 4096..].iter_mut().take(4096).for_each(|b| *b = 0),
        }
        std::fs::write(&path, &bytes).expect("a file");
        let Ok((store, Some(_))) = RedbStore::open_to_read(&path) else { continue };
        let mut scan = Scan::new(&store, "a", Window::ALL);
        let mut rows = 0;
        // A page that names the stream may be the damaged one; then there is an error, no end.
        while let Some(Ok(part)) = scan.next() {
            if let Output::Records(records) = part.output {
                rows += records.rows();
            }
        }
        assert!(rows == 2_000 || scan.damaged() > 0 || rows == 0, "round {round} at {at}: {rows}");
        salvaged += usize::from(rows > 0);
    }
    assert!(salvaged > 3, "only {salvaged} of 40 gave anything");
}

/// The rows of a stream in a file that may be damaged, in order, and how much damage was named.
fn salvaged(path: &Path, stream: &str) -> Option<(Vec<u64>, u64)> {
    let (store, _) = RedbStore::open_to_read(path).ok()?;
    let (mut rows, mut scan) = (Vec::new(), Scan::new(&store, stream, Window::ALL));
    loop {
        match scan.next() {
            Some(Ok(part)) => {
                if let Output::Records(records) = part.output {
                    rows.extend(records.starts.iter().map(|start| start.parts().0));
                }
            }
            None => return Some((rows, scan.damaged())),
            Some(Err(_)) => return None,
        }
    }
}

#[test]
fn of_a_file_that_was_made_longer_nothing_is_lost_and_of_a_shorter_one_what_is_there() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x");
    filled(&path);
    let whole = std::fs::read(&path).expect("a file");
    let want: Vec<u64> = (0..2_000).collect();
    for more in [1, 512, 100_000] {
        let bytes = [&whole[..], &vec![7; more]].concat();
        std::fs::write(&path, &bytes).expect("a file");
        assert_eq!(salvaged(&path, "a"), Some((want.clone(), 0)), "{more} more");
        assert!(read(&path).is_err(), "it is not written to");
        assert_eq!(std::fs::read(&path).expect("a file"), bytes);
    }
    let (mut some, mut all) = (0, 0);
    for pages in 1..whole.len() / 4096 {
        std::fs::write(&path, &whole[..pages * 4096]).expect("a file");
        let Some((rows, damaged)) = salvaged(&path, "a") else { continue };
        assert!(rows.iter().all(|row| want.contains(row)), "{pages} pages");
        assert!(rows == want || damaged > 0 || rows.is_empty(), "{pages} pages: {}", rows.len());
        some += usize::from(!rows.is_empty());
        all += usize::from(rows == want);
    }
    assert!(some > 0, "{some} of {} gave anything, {all} all", whole.len() / 4096);
}

#[test]
fn verifying_names_whatever_is_wrong() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x");
    filled(&path);
    let faults = |path: &Path| {
        let (store, why) = RedbStore::open_to_verify(path).map_err(|e| e.to_string())?;
        let mut found: Vec<_> = why.into_iter().map(|error| error.to_string()).collect();
        let named = &mut |fault: Fault| found.push(format!("{} {}", fault.stream, fault.place));
        verify::records(&store, named).map_err(|error| error.to_string())?;
        Ok::<_, String>(found)
    };
    assert_eq!(faults(&path), Ok(Vec::new()));
    let whole = std::fs::read(&path).expect("a file");
    let want = read(&path).expect("a whole store");
    let (mut random, mut named) = (Random(11), 0);
    let blocks = (0..whole.len()).filter(|at| whole[*at..].starts_with(b"CoMB"));
    let blocks: Vec<usize> = blocks.collect();
    for round in 0..30 {
        let mut bytes = whole.clone();
        let at = match round % 2 {
            0 => random.below(bytes.len()),
            _ => blocks[random.below(blocks.len())] + random.below(60),
        };
        bytes[at] ^= 1 << random.below(8);
        std::fs::write(&path, &bytes).expect("a file");
        let faults = faults(&path);
        named += usize::from(matches!(&faults, Ok(f) if f.iter().any(|f| f.contains("block "))));
        if faults == Ok(Vec::new()) {
            std::fs::write(&path, &bytes).expect("a file");
            assert_eq!(read(&path), Ok(want.clone()), "round {round} at {at}: not named");
        }
    }
    assert!(named > 3, "only {named} of 30 were blocks");
}

#[test]
fn compacting_gives_back_what_was_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x");
    filled(&path);
    let len = || path.metadata().expect("a file").len();
    let store = RedbStore::open(&path).expect("a store");
    let before = len();
    store.remove("b").expect("a store that works");
    store.cut("a", Ts::new(1_990, 0)).expect("a store that works");
    assert_eq!(store.compact().ok(), Some(true));
    assert!(len() < before, "{} of {before}", len());
    assert_eq!(seconds(&store, "a"), Ok((1_990..2_000).collect()));
}

#[test]
fn a_store_that_is_read_or_verified_keeps_every_byte_also_after_a_crash() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("records.redb");
    filled(&path);
    let own = read(&path).expect("a store that works");
    let closed = std::fs::read(&path).expect("a file");
    let open = RedbStore::open(&path).expect("a store that works");
    let crashed = std::fs::read(&path).expect("a file");
    drop(open);
    assert!(crashed != closed, "it says that it is open");
    for bytes in [closed, crashed] {
        std::fs::write(&path, &bytes).expect("a file");
        let several = [RedbStore::open_to_read(&path), RedbStore::open_to_verify(&path)];
        for opened in several {
            let (store, damaged) = opened.expect("readable");
            assert_eq!(damaged.map(|error| error.to_string()), None);
            assert_eq!(["a", "b"].map(|name| seconds(&store, name).expect("rows")), own);
            let refused = store.remove("a").expect_err("not written").to_string();
            assert!(refused.contains("it is open for reading only"), "{refused}");
        }
        assert!(std::fs::read(&path).expect("a file") == bytes, "it was changed");
    }
}

#[test]
fn what_is_read_is_not_written_meanwhile_nor_the_other_way_round() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("records.redb");
    filled(&path);
    let in_use = |error: Option<StoreError>| matches!(error, Some(StoreError::InUse { .. }));
    let (reader, writer) = (RedbStore::open_to_read(&path), RedbStore::open(&path).err());
    assert!(reader.is_ok() && in_use(writer));
    drop(reader);
    let writer = RedbStore::open(&path);
    assert!(writer.is_ok() && in_use(RedbStore::open_to_read(&path).err()));
}
