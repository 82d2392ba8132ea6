//! Streams moved between stores: the same afterwards, or refused in a sentence.

use std::path::Path;

use super::*;
use crate::record::{Column, Output, Records, Type, Value};
use crate::storage::conformance::records;
use crate::storage::redb::RedbStore;
use crate::storage::{About, Scan, Writer, scan};

fn store(dir: &Path, name: &str) -> Arc<RedbStore> {
    Arc::new(RedbStore::create(&dir.join(name)).expect("a new store"))
}

fn about(filter: &str) -> About {
    About {
        module: "traffic".to_owned(),
        filter: filter.to_owned(),
        age_max: Some(Span::from_secs(1 << 20)),
        sources: vec![Covered { source: "gen".into(), ..Covered::default() }],
        ..About::default()
    }
}

/// Records of two schemas and two filters, with a gap between.
fn filled(store: &Arc<RedbStore>, secs: std::ops::Range<u64>) {
    let mut writer = Writer::new(store.clone(), "node", secs.start + 1);
    writer.open("a", about("all")).expect("a store that works");
    let middle = (secs.start + secs.end) / 2;
    for start in (secs.start..middle).step_by(10) {
        writer.write("a", Output::Records(records(start..start + 10))).expect("a store that works");
        writer.commit().expect("a store that works");
    }
    let gap = Output::Gap { from: Ts::new(middle, 0), to: Ts::new(middle + 5, 0) };
    writer.write("a", gap).expect("a store that works");
    writer.open("a", about("tcp")).expect("a store that works");
    let schema = Schema::new([Column::new("n", Type::Float), Column::new("t", Type::Text)]);
    let mut more = Records::empty(Arc::new(schema), Span::from_secs(1));
    for sec in middle + 5..secs.end {
        more.push(Ts::new(sec, 0), [Value::Float(0.5), Value::Text(format!("{sec}"))]);
    }
    writer.write("a", Output::Records(more)).expect("a store that works");
    writer.commit().expect("a store that works");
}

fn exported(store: &RedbStore) -> (Archived, Vec<u8>) {
    let mut out = Vec::new();
    (write(store, "a", &mut out).expect("a stream"), out)
}

fn import(store: &RedbStore, bytes: &[u8]) -> Result<Archived, String> {
    let archive = Archive::open(bytes).map_err(|error| error.to_string())?;
    store.import(&mut { archive }).map_err(|error| error.to_string())
}

fn parts(store: &RedbStore, name: &str) -> Vec<scan::Part> {
    Scan::new(store, name, Window::ALL).map(|part| part.expect("a store that works")).collect()
}

fn stream(store: &RedbStore, name: &str) -> Stream {
    store.stream(name).expect("a store that works").expect("a stream")
}

/// The stream without the times of its filters: they are of the blocks that there are, and those
/// that were removed do not move.
fn moved(store: &RedbStore) -> Stream {
    let mut stream = stream(store, "a");
    stream.filters.iter_mut().for_each(|measured| measured.span = None);
    stream
}

#[test]
fn a_stream_moved_to_another_store_is_the_same() {
    let dir = tempfile::tempdir().expect("a directory");
    let (one, other) = (store(dir.path(), "one"), store(dir.path(), "other"));
    filled(&one, 0..100);
    one.cut("a", Ts::new(7, 0)).expect("a store that works");
    let (done, archive) = exported(&one);
    assert_eq!((done.rows, done.damaged.len()), (88, 0));
    assert_eq!(import(&other, &archive), Ok(done.clone()));
    assert_eq!(parts(&other, "a"), parts(&one, "a"));
    assert_eq!(moved(&other), moved(&one));
    let schemas = |store: &RedbStore| store.schemas("a").expect("a store that works");
    assert_eq!(schemas(&other), schemas(&one));
    // And back again, and once more, it is the same bytes and changes nothing.
    assert_eq!(exported(&other).1, archive);
    assert_eq!(import(&other, &archive), Ok(done));
    assert_eq!(moved(&other), moved(&one));
}

#[test]
fn what_lies_between_runs_that_stored_the_later_times_first_moves_as_well() {
    let dir = tempfile::tempdir().expect("a directory");
    let (one, other) = (store(dir.path(), "one"), store(dir.path(), "other"));
    for (boot, secs) in [(1, 30..40), (2, 0..10), (3, 15..20)] {
        let mut writer = Writer::new(one.clone(), "node", boot);
        writer.open("a", about("all")).expect("a store that works");
        writer.write("a", Output::Records(records(secs))).expect("a store that works");
        writer.commit().expect("a store that works");
    }
    let gaps = |store: &RedbStore, most| {
        let (gaps, more) = scan::gaps(store, "a", Window::ALL, most).expect("a store that works");
        let secs = |ts: Ts| ts.parts().0;
        let gaps: Vec<_> = gaps.into_iter().map(|gap| (secs(gap.from), secs(gap.to))).collect();
        (gaps, more.map(secs))
    };
    assert_eq!(gaps(&one, 2), (vec![(10, 15), (20, 30)], None));
    assert_eq!(gaps(&one, 1), (vec![(10, 15)], Some(20)));
    let (_, archive) = exported(&one);
    import(&other, &archive).expect("a stream that is not there");
    assert_eq!(gaps(&other, 2), gaps(&one, 2));
    assert_eq!(parts(&other, "a"), parts(&one, "a"));
    // Once more it changes nothing.
    import(&other, &archive).expect("what is there");
    assert_eq!(gaps(&other, 2), gaps(&one, 2));
}

#[test]
fn a_stream_takes_another_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let one = store(dir.path(), "one");
    filled(&one, 0..100);
    let (_, bytes) = exported(&one);
    let archive = Archive::open(&bytes[..]).expect("an archive");
    one.import(&mut archive.renamed("b")).expect("another stream");
    assert_eq!(parts(&one, "a"), parts(&one, "b"));
}

#[test]
fn what_was_taken_out_can_be_put_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let one = store(dir.path(), "one");
    filled(&one, 0..100);
    let (before, all) = (stream(&one, "a"), parts(&one, "a"));
    let (_, archive) = exported(&one);
    // At the end of a block, inside of one, and inside of a gap.
    for second in [30, 7, 52, 95] {
        one.cut("a", Ts::new(second, 0)).expect("a store that works");
        assert_ne!(parts(&one, "a"), all);
        let (_, rest) = exported(&one);
        import(&one, &archive).expect("its own past");
        assert_eq!(parts(&one, "a"), all);
        assert_eq!(stream(&one, "a"), before);
        // It has more than what was left.
        import(&one, &rest).expect("a part of its past");
        assert_eq!(parts(&one, "a"), all);
    }
}

#[test]
fn records_under_the_same_numbers_are_refused_and_nothing_changes() {
    let dir = tempfile::tempdir().expect("a directory");
    let (one, other) = (store(dir.path(), "one"), store(dir.path(), "other"));
    filled(&one, 0..100);
    filled(&other, 1_000..1_100);
    let (before, there) = (stream(&other, "a"), parts(&other, "a"));
    let error = import(&other, &exported(&one).1).expect_err("other records");
    assert!(error.starts_with("`a` is there already, with other records under"), "{error}");
    assert_eq!((stream(&other, "a"), parts(&other, "a")), (before, there));
}

#[test]
fn an_archive_with_a_byte_changed_or_missing_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let (one, other) = (store(dir.path(), "one"), store(dir.path(), "other"));
    filled(&one, 0..40);
    let (_, archive) = exported(&one);
    for at in (0..archive.len()).step_by(13) {
        let mut wrong = archive.clone();
        wrong[at] ^= 0x10;
        let error = import(&other, &wrong).expect_err("a byte is wrong");
        assert!(error.contains("archive"), "{at}: {error}");
        let error = import(&other, &archive[..at]).expect_err("the end is missing");
        assert!(error.contains("archive"), "{at}: {error}");
    }
    assert_eq!(other.stream("a").expect("a store that works"), None);
    assert_eq!(import(&other, b"{}").expect_err("no archive"), ArchiveError::Foreign.to_string());
}

#[test]
fn an_archive_that_was_written_wrong_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let (one, other) = (store(dir.path(), "one"), store(dir.path(), "other"));
    filled(&one, 0..40);
    let (_, archive) = exported(&one);
    let twice = [&archive[..], &archive[..]].concat();
    let error = import(&other, &twice).expect_err("two of them");
    assert!(error.contains("something follows its end"), "{error}");
    // A description of its own, with the right checksum.
    let about = super::About::of(&stream(&one, "a"));
    let measured = |seq, filter: &str| {
        let filter = filter.to_owned();
        Measured { seq, filter, ..Measured::default() }
    };
    let len = 8 + 4 + u32::from_le_bytes([archive[8], archive[9], archive[10], archive[11]]) + 4;
    for (about, why) in [
        (super::About { next_seq: u64::MAX, ..about.clone() }, "a larger number than any"),
        (
            super::About { filters: vec![measured(9, "tcp"), measured(0, "")], ..about.clone() },
            "in order",
        ),
        (
            super::About { filters: vec![measured(0, "((((")], ..about.clone() },
            "`((((` is no filter",
        ),
    ] {
        let head = [&BEGIN[..], &VERSION.to_le_bytes()].concat();
        let described = framed(head, &about).expect("a description");
        let error = import(&other, &[&described, &archive[len as usize..]].concat());
        let error = error.expect_err("a description that is wrong");
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(other.stream("a").expect("a store that works"), None);
    assert!(import(&other, &archive).is_ok());
}

#[test]
fn no_name_of_an_archive_leads_out_of_the_store() {
    let dir = tempfile::tempdir().expect("a directory");
    let (one, other) = (store(dir.path(), "one"), store(dir.path(), "other"));
    let mut writer = Writer::new(one.clone(), "node", 1);
    writer.open("../../a", about("all")).expect("a store that works");
    writer.write("../../a", Output::Records(records(0..5))).expect("a store that works");
    writer.commit().expect("a store that works");
    let mut bytes = Vec::new();
    write(&*one, "../../a", &mut bytes).expect("a stream");
    let error = import(&other, &bytes).expect_err("no name");
    assert!(error.starts_with("`../../a` cannot name a stream"), "{error}");
    assert_eq!(other.streams().expect("a store that works"), []);
    let archive = Archive::open(&bytes[..]).expect("an archive");
    other.import(&mut archive.renamed("a")).expect("another name");
    assert_eq!(parts(&other, "a").len(), 1);
}
