//! What the store takes on disk, beside the bytes of its blocks.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use como_core::record::{Column, Output, Records, Schema, Type};
use como_core::storage::redb::RedbStore;
use como_core::storage::{About, RecordStore, Writer};
use como_core::time::{Span, Ts};

/// What a stream may hold.
const BOUND: u64 = 4 << 20;

/// What an empty store takes, and what a commit has in two places.
const FIXED: u64 = 1 << 20;

/// Rows that do not compress.
fn noise(rows: u64, at: u64, state: &mut u64) -> Records {
    let schema = Arc::new(Schema::new([Column::new("n", Type::Uint)]));
    let mut records = Records::empty(schema, Span::from_secs(1));
    for _ in 0..rows {
        *state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        records.push(Ts::new(at, 0), [(*state ^ *state >> 29).into()]);
    }
    records
}

/// What a file takes, holes not counted.
fn on_disk(path: &Path) -> u64 {
    path.metadata().expect("a file").blocks() * 512
}

fn bytes(store: &RedbStore) -> u64 {
    store.stream("a").expect("a store that works").expect("a stream").bytes
}

/// Commits of so many rows until the stream was filled twice.
#[track_caller]
fn check(rows: u64) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("records.redb");
    let store = Arc::new(RedbStore::create(&path).expect("a new store"));
    let mut writer = Writer::new(store.clone(), "n", 1);
    let about = About { bytes_max: Some(BOUND), ..About::default() };
    writer.open("a", about).expect("a store that works");
    let mut state = 7;
    for at in 0..2 * BOUND / (rows * 8) {
        // Several blocks a commit, so that the test need not wait for the disk so often.
        writer.write("a", Output::Records(noise(rows, at, &mut state))).expect("it works");
        writer.write("a", Output::Gap { from: Ts::new(at, 1), to: Ts::new(at, 2) }).expect("works");
        if at % 16 == 15 {
            writer.commit().expect("a store that works");
        }
    }
    writer.commit().expect("a store that works");
    let (held, taken) = (bytes(&store), on_disk(&path));
    assert!((BOUND / 2..=BOUND).contains(&held), "{held}");
    assert!(
        taken <= held + held / 10 * 3 + FIXED,
        "{taken} on disk for {held} in blocks of {rows}"
    );

    store.trim("a", BOUND / 16).expect("a store that works");
    drop((writer, store));
    let store = RedbStore::create(&path).expect("the same store");
    let (held, len) = (bytes(&store), path.metadata().expect("a file").len());
    assert!(len <= held * 2 + FIXED, "{len} bytes of file for {held} of blocks");
}

#[test]
fn large_blocks_take_little_more_than_their_length() {
    check(5_000);
}

#[test]
fn middling_blocks_take_little_more_than_their_length() {
    check(350);
}
