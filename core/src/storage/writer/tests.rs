//! The writer: blocks that fill, jumps that part them, commits that fail.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;
use crate::record::{Column, Type, Value};
use crate::storage::conformance::records;
use crate::storage::feed::News;
use crate::storage::{Mark, MemoryStore, Scan, Stored, Stream, Window};

/// A store that refuses commits when told to, like a full disk.
#[derive(Default)]
struct Faulty {
    inner: MemoryStore,
    full: AtomicBool,
    silent: AtomicBool,
}

impl RecordStore for Faulty {
    fn put(&self, group: &[Append]) -> Result<(), StoreError> {
        if self.full.load(Ordering::Relaxed) {
            return Err(StoreError::Io { path: "x".into(), why: "no space".into() });
        }
        self.inner.put(group)
    }
    fn streams(&self) -> Result<Vec<Stream>, StoreError> {
        self.inner.streams()
    }
    fn stream(&self, name: &str) -> Result<Option<Stream>, StoreError> {
        if self.silent.load(Ordering::Relaxed) {
            return Err(StoreError::Io { path: "x".into(), why: "no answer".into() });
        }
        self.inner.stream(name)
    }
    fn schema(&self, name: &str, hash: u64) -> Result<Option<Arc<Schema>>, StoreError> {
        self.inner.schema(name, hash)
    }
    fn page(&self, n: &str, w: Window, after: Option<Mark>) -> Result<Vec<Stored>, StoreError> {
        self.inner.page(n, w, after)
    }
    fn gaps(&self, n: &str, w: Window, after: Option<Mark>) -> Result<Vec<Stored>, StoreError> {
        self.inner.gaps(n, w, after)
    }
    fn trim(&self, name: &str, bytes: u64) -> Result<u64, StoreError> {
        self.inner.trim(name, bytes)
    }
    fn expire(&self, now: Ts) -> Result<u64, StoreError> {
        self.inner.expire(now)
    }
    fn schemas(&self, name: &str) -> Result<Vec<(u64, Arc<Schema>)>, StoreError> {
        self.inner.schemas(name)
    }
    fn cut(&self, name: &str, before: Ts) -> Result<u64, StoreError> {
        self.inner.cut(name, before)
    }
    fn remove(&self, name: &str) -> Result<bool, StoreError> {
        self.inner.remove(name)
    }
    fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.note(name)
    }
    fn set_note(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.set_note(name, bytes)
    }
}

fn writer() -> (Writer, Arc<Faulty>) {
    let store = Arc::new(Faulty::default());
    (Writer::new(store.clone(), "n", 1), store)
}

fn write(writer: &mut Writer, stream: &str, secs: Range<u64>) {
    writer.write(stream, Output::Records(records(secs))).expect("a store that works");
}

fn scanned(store: &dyn RecordStore, stream: &str) -> Vec<u64> {
    let mut all = Vec::new();
    for part in Scan::new(store, stream, Window::ALL) {
        if let Output::Records(r) = part.expect("a store that works").output {
            all.extend(r.starts.iter().map(|ts| ts.parts().0));
        }
    }
    all
}

fn blocks(store: &dyn RecordStore, stream: &str) -> u64 {
    store.stream(stream).expect("a store that works").map_or(0, |s| s.blocks)
}

#[test]
fn many_small_exports_become_one_block_of_a_tick() {
    let (mut writer, store) = writer();
    for sec in 0..100 {
        write(&mut writer, "a", sec..sec + 1);
        write(&mut writer, "b", sec..sec + 2);
    }
    let committed = writer.commit().expect("a store that works");
    let a = Committed { stream: "a".into(), seq: 0, end: Ts::new(100, 0), rows: 100 };
    assert_eq!((committed.len(), &committed[0]), (2, &a));
    assert_eq!(blocks(&*store, "a"), 1);
    assert_eq!(scanned(&*store, "a"), (0..100).collect::<Vec<_>>());
    assert_eq!(writer.commit().expect("a store that works"), []);
    assert_eq!((blocks(&*store, "b"), scanned(&*store, "b").len()), (1, 200));
}

#[test]
fn a_full_block_is_closed_before_the_tick() {
    let (mut writer, store) = writer();
    let schema = Arc::new(Schema::new([Column::new("t", Type::Text)]));
    let mut many = Records::empty(schema, Span::from_secs(1));
    for at in 0..3_000u64 {
        many.push(Ts::new(100, at), [Value::Text(format!("{at:0>100}"))]);
    }
    many.starts[10] = Ts::new(200, 0);
    writer.write("a", Output::Records(many)).expect("a store that works");
    let committed = writer.commit().expect("a store that works");
    assert_eq!((committed[0].rows, committed[0].end), (3_000, Ts::new(201, 0)));
    assert!((4..8).contains(&blocks(&*store, "a")), "{}", blocks(&*store, "a"));
    assert_eq!(scanned(&*store, "a").len(), 3_000);
}

#[test]
fn a_jump_in_time_parts_blocks() {
    let (mut writer, store) = writer();
    let mut jump = records(0..3);
    jump.append(records(400_000_000..400_000_002));
    writer.write("a", Output::Records(jump)).expect("a store that works");
    write(&mut writer, "a", 400_003_600..400_003_601);
    writer.commit().expect("a store that works");
    assert_eq!((blocks(&*store, "a"), scanned(&*store, "a").len()), (3, 6));
}

#[test]
fn a_gap_stands_between_blocks() {
    let (mut writer, store) = writer();
    write(&mut writer, "a", 0..2);
    let gap = Output::Gap { from: Ts::new(2, 0), to: Ts::new(9, 0) };
    writer.write("a", gap.clone()).expect("a store that works");
    write(&mut writer, "a", 9..10);
    let committed = writer.commit().expect("a store that works");
    assert_eq!((committed[0].seq, committed[0].rows), (2, 3));
    let parts = Scan::new(&*store, "a", Window::ALL).map(|p| p.expect("a store that works"));
    assert_eq!(parts.map(|p| p.output).nth(1), Some(gap));
}

#[test]
fn what_a_commit_could_not_write_goes_with_the_next() {
    let (mut writer, store) = writer();
    write(&mut writer, "a", 0..5);
    store.full.store(true, Ordering::Relaxed);
    assert!(writer.commit().is_err());
    write(&mut writer, "a", 5..7);
    assert!(writer.commit().is_err());
    store.full.store(false, Ordering::Relaxed);
    let committed = writer.commit().expect("space again");
    assert_eq!((committed[0].rows, committed[0].end), (7, Ts::new(7, 0)));
    assert_eq!(scanned(&*store, "a"), (0..7).collect::<Vec<_>>());
    assert_eq!(writer.lost_rows(), 0);
}

#[test]
fn a_row_too_large_for_a_block_is_counted_and_the_rest_kept() {
    let (mut writer, store) = writer();
    let schema = Arc::new(Schema::new([Column::new("t", Type::Text)]));
    let mut rows = Records::empty(schema, Span::from_secs(1));
    for text in ["small".to_owned(), "x".repeat(8 << 20), "small".to_owned()] {
        rows.push(Ts::new(rows.rows() as u64, 0), [Value::Text(text)]);
    }
    writer.write("a", Output::Records(rows)).expect("a store that works");
    writer.commit().expect("a store that works");
    assert_eq!((writer.lost_rows(), scanned(&*store, "a")), (1, vec![0, 2]));
}

#[test]
fn numbers_go_on_after_a_restart() {
    let (mut first, store) = writer();
    write(&mut first, "a", 0..5);
    first.commit().expect("a store that works");
    let mut second = Writer::new(store.clone(), "n", 2);
    write(&mut second, "a", 5..6);
    assert_eq!(second.commit().expect("a store that works")[0].seq, 1);
}

#[test]
fn a_changed_filter_starts_another_block_of_the_same_tick() {
    let (mut writer, store) = writer();
    for (filter, secs) in [("tcp", 0..2), ("udp", 2..4)] {
        let about = About { filter: filter.into(), ..About::default() };
        writer.open("a", about).expect("a store that works");
        write(&mut writer, "a", secs);
    }
    assert_eq!(writer.commit().expect("a store that works").len(), 1);
    let stream = store.stream("a").expect("a store that works").expect("a stream");
    let filters: Vec<_> = stream.filters.iter().map(|m| (m.seq, &m.filter[..])).collect();
    assert_eq!(filters, [(0, "tcp"), (1, "udp")]);
}

#[test]
fn records_of_other_sources_begin_another_block() {
    let (mut writer, store) = writer();
    writer.open("a", About::default()).expect("a store that works");
    for (name, secs) in [("x", 0..2), ("x", 2..3), ("y", 3..5)] {
        writer.cover("a", &[Covered { source: name.into(), ..Covered::default() }]);
        write(&mut writer, "a", secs);
    }
    writer.commit().expect("a store that works");
    let stream = store.stream("a").expect("a store that works").expect("a stream");
    let sources: Vec<_> =
        stream.sources.iter().map(|c| (c.since.parts().0, &c.sources[0].source[..])).collect();
    assert_eq!(sources, [(0, "x"), (3, "y")]);
}

#[test]
fn a_stream_that_could_not_be_opened_keeps_what_it_measures_and_counts_what_it_lost() {
    let (mut writer, store) = writer();
    store.silent.store(true, Ordering::Relaxed);
    let about = About { module: "m".into(), filter: "tcp".into(), ..About::default() };
    assert!(writer.open("a", about).is_err());
    assert!(writer.write("a", Output::Records(records(0..3))).is_err());
    assert_eq!(writer.lost_rows(), 3);
    store.silent.store(false, Ordering::Relaxed);
    write(&mut writer, "a", 3..5);
    writer.commit().expect("a store that works");
    let stream = store.stream("a").expect("a store that works").expect("a stream");
    assert_eq!((&stream.module[..], stream.filter()), ("m", "tcp"));
    assert_eq!(scanned(&*store, "a"), [3, 4]);
}

#[test]
fn followers_hear_what_is_committed_from_their_number_on() {
    let (mut writer, store) = writer();
    write(&mut writer, "a", 0..2);
    writer.commit().expect("a store that works");
    let subscription = writer.feed().subscribe(&*store, "a").expect("a store that works");
    assert_eq!(subscription.from_seq, 1);
    write(&mut writer, "a", 2..4);
    write(&mut writer, "b", 2..4);
    assert_eq!(subscription.next(Duration::ZERO), News::Nothing);
    writer.commit().expect("a store that works");
    let News::Live(live) = subscription.next(Duration::ZERO) else { panic!("nothing told") };
    assert_eq!((live.seq, live.output), (1, Output::Records(records(2..4))));
    assert_eq!(subscription.next(Duration::ZERO), News::Nothing);
    writer.feed().close();
    assert_eq!(subscription.next(Duration::ZERO), News::Closed);
}

#[test]
fn a_follower_too_slow_is_told_so() {
    let (mut writer, store) = writer();
    let subscription = writer.feed().subscribe(&*store, "a").expect("a store that works");
    for sec in 0..super::super::feed::WAITING_MAX as u64 + 5 {
        write(&mut writer, "a", sec..sec + 1);
        writer.commit().expect("a store that works");
    }
    let mut heard = 0;
    while let News::Live(_) = subscription.next(Duration::ZERO) {
        heard += 1;
    }
    assert_eq!(heard, super::super::feed::WAITING_MAX);
    assert_eq!(subscription.next(Duration::ZERO), News::Behind);
}

/// Rows that do not shrink, of about so many bytes.
fn noise(bytes: usize) -> Output {
    let schema = Arc::new(Schema::new([Column::new("n", Type::Uint)]));
    let mut rows = Records::empty(schema, Span::from_secs(1));
    let mut state = 1u64;
    for _ in 0..bytes / 10 {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        rows.push(Ts::new(5, 0), [Value::Uint(state.rotate_left(29))]);
    }
    Output::Records(rows)
}

#[test]
fn what_is_held_takes_the_room_of_what_can_be_made_again_alone() {
    let (mut writer, store) = writer();
    writer.hold("a").expect("a store that works");
    writer.write("a", noise(2 * WAITING_BYTES_MAX)).expect("a store that works");
    assert!(writer.has_room("a") && !writer.has_room("b"));
    write(&mut writer, "b", 0..5);
    assert_eq!(writer.commit().expect("a store that works").len(), 1);
    // A commit of others leaves it where it is.
    assert!(!writer.has_room("b"));
    writer.release("a");
    assert!(!writer.has_room("a"));
    writer.commit().expect("a store that works");
    assert!(writer.has_room("b"));
    assert_eq!((scanned(&*store, "b").len(), writer.lost_rows()), (5, 0));
    assert_eq!(scanned(&*store, "a").len(), 2 * WAITING_BYTES_MAX / 10);
}

#[test]
fn what_is_forgotten_was_never_written() {
    let (mut writer, store) = writer();
    write(&mut writer, "a", 0..2);
    writer.hold("a").expect("a store that works");
    writer.write("a", noise(PAYLOAD_BYTES * 3)).expect("a store that works");
    writer.forget("a");
    write(&mut writer, "a", 2..3);
    writer.forget("a");
    let committed = writer.commit().expect("a store that works");
    assert_eq!((committed[0].seq, committed[0].rows), (1, 3));
    assert_eq!(scanned(&*store, "a"), [0, 1, 2]);
}
