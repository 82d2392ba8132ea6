//! What every store must do, as tests: a backend runs [`all`] on itself.

use std::ops::Range;
use std::sync::Arc;

use super::block::Encoder;
use super::block::Origin;
use super::*;
use crate::record::{Column, Output, Records, Type, Value};
use crate::time::Span;

/// Runs every test, each on a new, empty store.
pub fn all<S: RecordStore>(mut fresh: impl FnMut() -> S) {
    what_was_put_is_scanned_in_time_order(&fresh());
    rows_are_in_the_window_if_their_interval_starts_there(&fresh());
    gaps_are_cut_to_the_window_however_long(&fresh());
    gaps_are_found_by_themselves_as_far_as_so_many_say(&fresh());
    where_records_were_cut_is_known(&fresh());
    a_block_put_twice_is_there_once(&fresh());
    streams_know_their_sizes_span_and_numbers(&fresh());
    the_oldest_blocks_go_first(&fresh());
    a_bound_holds_after_every_commit(&fresh());
    what_is_too_old_goes(&fresh());
    what_lies_before_an_instant_is_cut_to_the_row(&fresh());
    the_clock_ages_streams_that_nobody_writes(&fresh());
    rows_and_reclaimed_blocks_are_counted(&fresh());
    schemas_are_known_until_their_blocks_are_gone(&fresh());
    a_removed_stream_leaves_nothing_to_others(&fresh());
    numbers_go_on_when_all_blocks_are_gone(&fresh());
    a_long_stream_comes_in_pages(&fresh());
    damaged_blocks_are_skipped_and_counted(&fresh());
    filters_are_remembered_by_number(&fresh());
    sources_are_remembered_by_time(&fresh());
    streams_with_similar_names_stay_apart(&fresh());
    a_scan_goes_on_while_blocks_come_and_go(&fresh());
    notes_are_kept_beside_the_streams(&fresh());
}

/// One row a second, its value its own time.
pub(crate) fn records(secs: Range<u64>) -> Records {
    let schema = Arc::new(Schema::new([Column::new("n", Type::Uint)]));
    let mut records = Records::empty(schema, Span::from_secs(1));
    for sec in secs {
        records.push(Ts::new(sec, 0), [Value::Uint(sec)]);
    }
    records
}

fn append(stream: &str, first_seq: u64, parts: &[(u64, u64)]) -> Append {
    let origin = Origin { node: "n".into(), stream: stream.into(), boot: 1 };
    let mut encoder = Encoder::default();
    let mut schemas = Vec::new();
    let block = |(at, &(from, to)): (usize, &(u64, u64))| {
        let records = records(from..to);
        schemas = vec![records.schema.clone()];
        let all = 0..records.rows();
        encoder.records(&origin, first_seq + at as u64, &records, all).expect("a small block")
    };
    let blocks = parts.iter().enumerate().map(block).collect();
    Append { stream: stream.into(), about: About::default(), schemas, blocks }
}

fn put(store: &dyn RecordStore, group: &[Append]) {
    store.put(group).expect("a store that works");
}

fn window(from: u64, to: u64) -> Window {
    Window { from: Ts::new(from, 0), to: Ts::new(to, 0) }
}

/// What a scan gives: rows as their values, gaps as pairs of seconds.
#[derive(Debug, PartialEq)]
enum Seen {
    Row(u64),
    Gap(u64, u64),
}

fn seen(scan: &mut Scan<'_>) -> Vec<Seen> {
    let mut all = Vec::new();
    for part in scan {
        match part.expect("a store that works").output {
            Output::Records(r) => {
                all.extend((0..r.rows()).map(|row| match r.value(row, 0) {
                    Value::Uint(n) if r.starts[row] == Ts::new(n, 0) => Seen::Row(n),
                    other => panic!("row {row} at {} has {other:?}", r.starts[row]),
                }));
            }
            Output::Gap { from, to } => all.push(Seen::Gap(from.parts().0, to.parts().0)),
        }
    }
    all
}

#[track_caller]
fn check(store: &dyn RecordStore, stream: &str, window: Window, want: &[Seen]) {
    assert_eq!(seen(&mut Scan::new(store, stream, window)), want);
}

fn rows(secs: impl IntoIterator<Item = u64>) -> Vec<Seen> {
    secs.into_iter().map(Seen::Row).collect()
}

fn stream(store: &dyn RecordStore, name: &str) -> Stream {
    store.stream(name).expect("a store that works").expect("a stream")
}

fn what_was_put_is_scanned_in_time_order(store: &dyn RecordStore) {
    put(store, &[append("a", 0, &[(20, 25), (10, 15)])]);
    put(store, &[append("a", 2, &[(15, 20)])]);
    check(store, "a", Window::ALL, &rows(10..25));
    check(store, "nobody", Window::ALL, &[]);
}

fn rows_are_in_the_window_if_their_interval_starts_there(store: &dyn RecordStore) {
    put(store, &[append("a", 0, &[(0, 10), (10, 20), (20, 30)])]);
    check(store, "a", window(5, 25), &rows(5..25));
    check(store, "a", window(10, 11), &rows([10]));
    check(store, "a", window(10, 10), &[]);
    check(store, "a", window(25, 5), &[]);
    check(store, "a", window(29, 100), &rows([29]));
    check(store, "a", window(30, 100), &[]);
}

fn gaps_are_cut_to_the_window_however_long(store: &dyn RecordStore) {
    let origin = Origin { stream: "a".into(), ..Origin::default() };
    let gap = Encoder::default().gap(&origin, 1, Ts::new(5, 0), Ts::new(400_000_000, 0));
    let mut group = append("a", 0, &[(0, 5)]);
    group.blocks.push(gap.expect("a gap"));
    group.blocks.extend(append("a", 2, &[(400_000_000, 400_000_003)]).blocks);
    put(store, &[group]);
    check(store, "a", window(4, 6), &[Seen::Row(4), Seen::Gap(5, 6)]);
    check(store, "a", window(1_000, 2_000), &[Seen::Gap(1_000, 2_000)]);
    check(
        store,
        "a",
        window(399_999_999, 400_000_001),
        &[Seen::Gap(399_999_999, 400_000_000), Seen::Row(400_000_000)],
    );
    check(store, "a", window(400_000_000, 400_000_001), &rows([400_000_000]));
}

fn gaps_are_found_by_themselves_as_far_as_so_many_say(store: &dyn RecordStore) {
    let origin = Origin { stream: "a".into(), ..Origin::default() };
    let mut encoder = Encoder::default();
    let mut group = append("a", 0, &[(0, 5)]);
    for at in 0..3u64 {
        let sec = 10 * at + 5;
        let gap = encoder.gap(&origin, 2 * at + 1, Ts::new(sec, 0), Ts::new(sec + 5, 0));
        group.blocks.push(gap.expect("a gap"));
        group.blocks.extend(append("a", 2 * at + 2, &[(sec + 5, sec + 10)]).blocks);
    }
    put(store, &[group]);
    let of = |window, most| {
        let (gaps, until) = scan::gaps(store, "a", window, most).expect("a store");
        let secs = |ts: Ts| ts.parts().0;
        let gaps: Vec<_> = gaps.into_iter().map(|w| (secs(w.from), secs(w.to))).collect();
        (gaps, until.map(secs))
    };
    assert_eq!(of(window(0, 40), 9), (vec![(5, 10), (15, 20), (25, 30)], None));
    assert_eq!(of(window(7, 17), 9), (vec![(7, 10), (15, 17)], None));
    assert_eq!(of(window(0, 40), 2), (vec![(5, 10), (15, 20)], Some(25)));
    assert_eq!(of(window(10, 15), 2), (vec![], None));
    let schema = records(0..1).schema.hash();
    let times = scan::times_of(store, "a", window(0, 20), |hash| hash == schema);
    let times = times.expect("a store").into_iter().map(|(w, _)| (w.from.0, w.to.0));
    let secs = |from, to| (Ts::new(from, 0).0, Ts::new(to, 0).0);
    assert!(times.eq([secs(0, 5), secs(10, 15)]));
    assert_eq!(scan::times_of(store, "a", window(0, 20), |_| false).ok(), Some(vec![]));
}

fn where_records_were_cut_is_known(store: &dyn RecordStore) {
    let first_cut = |from, to| {
        let cut = scan::first_cut(store, "a", window(from, to), |header| header.len.0 > 0);
        cut.expect("a store that works").map(|ts| ts.parts().0)
    };
    assert_eq!(first_cut(0, 100), None);
    put(store, &[append("a", 0, &[(0, 10)])]);
    assert_eq!(stream(store, "a").cut, Some(Window::NONE));
    let origin = Origin { stream: "a".into(), ..Origin::default() };
    for (seq, range) in [(1, 10..20), (3, 30..40)] {
        let all = Records { cut: true, ..records(range) };
        let mut group = append("a", seq + 1, &[(10 * seq + 10, 10 * seq + 20)]);
        let block = Encoder::default().records(&origin, seq, &all, 0..10).expect("a block");
        group.blocks.insert(0, block);
        put(store, &[group]);
    }
    assert_eq!(stream(store, "a").cut, Some(window(10, 40)));
    let of = [first_cut(0, 10), first_cut(0, 11), first_cut(19, 50), first_cut(20, 50)];
    assert_eq!(of, [None, Some(10), Some(19), Some(30)]);
    assert_eq!([first_cut(20, 30), first_cut(39, 40), first_cut(40, 50)], [None, Some(39), None]);
}

fn what_lies_before_an_instant_is_cut_to_the_row(store: &dyn RecordStore) {
    put(store, &[append("a", 0, &[(0, 10), (10, 20), (20, 30)]), append("b", 0, &[(0, 10)])]);
    let before = stream(store, "a");
    assert_eq!(store.cut("a", Ts::new(15, 0)).expect("a store that works"), 15);
    check(store, "a", Window::ALL, &rows(15..30));
    check(store, "b", Window::ALL, &rows(0..10));
    let after = stream(store, "a");
    assert_eq!((after.blocks, after.rows, after.first), (2, Some(15), Some(Ts::new(15, 0))));
    assert!(after.bytes < before.bytes);
    assert_eq!((after.next_seq, after.reclaimed_blocks), (before.next_seq, 0));
    assert_eq!(store.cut("a", Ts::new(15, 0)).expect("a store that works"), 0);
    assert_eq!(store.cut("nobody", Ts::new(15, 0)).expect("a store that works"), 0);
    store.cut("a", Ts::new(99, 0)).expect("a store that works");
    check(store, "a", Window::ALL, &[]);
    assert_eq!(stream(store, "a").bytes, 0);
}

fn a_block_put_twice_is_there_once(store: &dyn RecordStore) {
    put(store, &[append("a", 0, &[(0, 5)])]);
    let once = stream(store, "a");
    put(store, &[append("a", 0, &[(0, 5)])]);
    assert_eq!(stream(store, "a"), once);
    check(store, "a", Window::ALL, &rows(0..5));
}

fn streams_know_their_sizes_span_and_numbers(store: &dyn RecordStore) {
    let group = [append("b", 0, &[(10, 15)]), append("a", 0, &[(0, 5), (5, 7)])];
    put(store, &group);
    let all = store.streams().expect("a store that works");
    let names: Vec<&str> = all.iter().map(|s| &s.name[..]).collect();
    assert_eq!(names, ["a", "b"]);
    let a = &all[0];
    let bytes = |append: &Append| append.blocks.iter().map(|b| b.bytes.len() as u64).sum::<u64>();
    assert_eq!((a.blocks, a.bytes, a.next_seq), (2, bytes(&group[1]), 2));
    assert_eq!((a.first, a.end), (Some(Ts(0)), Some(Ts::new(7, 0))));
    assert_eq!(store.stream("nobody").expect("a store that works"), None);
}

fn the_oldest_blocks_go_first(store: &dyn RecordStore) {
    put(store, &[append("a", 0, &[(20, 30), (0, 10), (10, 20)])]);
    let third = stream(store, "a").bytes / 3;
    assert_eq!(store.trim("a", third * 2 + 10).expect("a store that works"), 1);
    check(store, "a", Window::ALL, &rows(10..30));
    assert_eq!(stream(store, "a").first, Some(Ts::new(10, 0)));
    assert_eq!(store.trim("a", 0).expect("a store that works"), 1);
    check(store, "a", Window::ALL, &rows(20..30));
    assert_eq!(store.trim("a", 0).expect("a store that works"), 0);
    assert_eq!(store.trim("nobody", 0).expect("a store that works"), 0);
}

fn a_bound_holds_after_every_commit(store: &dyn RecordStore) {
    let size = append("a", 0, &[(0, 10)]).blocks[0].bytes.len() as u64;
    for at in 0..20 {
        let mut part = append("a", at, &[(at * 10, at * 10 + 10)]);
        part.about.bytes_max = Some(size * 3 + 5);
        put(store, &[part]);
        assert!(stream(store, "a").bytes <= size * 3 + 5);
    }
    check(store, "a", Window::ALL, &rows(170..200));
}

fn aged(first_seq: u64, parts: &[(u64, u64)], secs: u64) -> Append {
    let mut part = append("a", first_seq, parts);
    part.about.age_max = Some(Span::from_secs(secs));
    part
}

fn what_is_too_old_goes(store: &dyn RecordStore) {
    let origin = Origin { stream: "a".into(), ..Origin::default() };
    let mut first = aged(0, &[(0, 10), (10, 20)], 15);
    let gap = Encoder::default().gap(&origin, 2, Ts::new(20, 0), Ts::new(23, 0));
    first.blocks.push(gap.expect("a gap"));
    put(store, &[first]);
    // A block stays as long as any of its rows is young enough.
    check(store, "a", window(0, 20), &rows(0..20));
    put(store, &[aged(3, &[(23, 25)], 15)]);
    check(store, "a", window(0, 20), &rows(10..20));
    // A gap that lasts keeps no older block.
    let gap = Encoder::default().gap(&origin, 4, Ts::new(25, 0), Ts::new(400, 0));
    let mut last = aged(5, &[(400, 405)], 15);
    last.blocks.insert(0, gap.expect("a gap"));
    put(store, &[last]);
    let all = [Seen::Gap(25, 400)].into_iter().chain(rows(400..405)).collect::<Vec<_>>();
    check(store, "a", Window::ALL, &all);
}

fn the_clock_ages_streams_that_nobody_writes(store: &dyn RecordStore) {
    put(store, &[aged(0, &[(0, 10), (10, 20)], 15), append("b", 0, &[(0, 10)])]);
    assert_eq!(store.expire(Ts::new(24, 0)).expect("a store that works"), 0);
    assert_eq!(store.expire(Ts::new(25, 0)).expect("a store that works"), 1);
    check(store, "a", Window::ALL, &rows(10..20));
    assert_eq!(store.expire(Ts::new(1_000, 0)).expect("a store that works"), 1);
    let a = stream(store, "a");
    assert_eq!((a.blocks, a.bytes, a.rows, a.next_seq), (0, 0, Some(0), 2));
    assert_eq!((a.first, a.end), (None, Some(Ts::new(20, 0))));
    assert_eq!((a.age_max, a.reclaimed_blocks), (Some(Span::from_secs(15)), 2));
    check(store, "b", Window::ALL, &rows(0..10));
}

fn rows_and_reclaimed_blocks_are_counted(store: &dyn RecordStore) {
    put(store, &[append("a", 0, &[(0, 10), (10, 12), (12, 15)])]);
    put(store, &[append("a", 2, &[(12, 15)])]);
    let before = stream(store, "a");
    assert_eq!((before.rows, before.reclaimed_blocks), (Some(15), 0));
    store.trim("a", before.bytes - 1).expect("a store that works");
    let after = stream(store, "a");
    assert_eq!((after.rows, after.reclaimed_blocks), (Some(5), 1));
    assert_eq!(after.reclaimed_bytes, before.bytes - after.bytes);
}

fn schemas_are_known_until_their_blocks_are_gone(store: &dyn RecordStore) {
    let origin = Origin { stream: "a".into(), ..Origin::default() };
    let schema = |name| Arc::new(Schema::new([Column::new(name, Type::Uint)]));
    let at = |seq: u64, schema: &Arc<Schema>| {
        let mut records = Records::empty(schema.clone(), Span::from_secs(1));
        records.push(Ts::new(seq, 0), [Value::Uint(seq)]);
        Encoder::default().records(&origin, seq, &records, 0..1).expect("a small block")
    };
    let (old, new) = (schema("old"), schema("new"));
    for (seq, schema) in [(0, &old), (1, &old), (2, &new), (3, &old), (4, &new)] {
        let (stream, schemas) = ("a".to_owned(), vec![schema.clone()]);
        let blocks = vec![at(seq, schema)];
        put(store, &[Append { stream, about: About::default(), schemas, blocks }]);
    }
    let known = || store.schemas("a").expect("a store that works");
    assert_eq!(known(), [(3, old), (4, new.clone())]);
    store.trim("a", 0).expect("a store that works");
    assert_eq!(known(), [(4, new)]);
    assert_eq!(store.schemas("nobody").expect("a store that works"), []);
}

fn a_removed_stream_leaves_nothing_to_others(store: &dyn RecordStore) {
    put(store, &[append("a", 0, &[(0, 5)]), append("b", 0, &[(0, 3)])]);
    assert!(store.remove("a").expect("a store that works"));
    assert!(!store.remove("a").expect("a store that works"));
    check(store, "a", Window::ALL, &[]);
    check(store, "b", Window::ALL, &rows(0..3));
    put(store, &[append("c", 0, &[(7, 9)])]);
    check(store, "c", Window::ALL, &rows(7..9));
    check(store, "a", Window::ALL, &[]);
}

fn numbers_go_on_when_all_blocks_are_gone(store: &dyn RecordStore) {
    put(store, &[append("a", 0, &[(0, 5), (5, 9)])]);
    store.trim("a", 0).expect("a store that works");
    assert_eq!((stream(store, "a").blocks, stream(store, "a").next_seq), (1, 2));
}

fn a_long_stream_comes_in_pages(store: &dyn RecordStore) {
    // Bytes that do not compress, so that pages fill.
    let schema = Arc::new(Schema::new([Column::new("b", Type::Bytes)]));
    let origin = Origin { stream: "a".into(), ..Origin::default() };
    let mut noise = 1u64;
    let mut blocks = Vec::new();
    for at in 0..80u64 {
        let mut records = Records::empty(schema.clone(), Span::from_secs(1));
        let bytes = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (noise >> 56) as u8
        });
        records.push(Ts::new(at, 0), [bytes.take(60_000).collect::<Vec<u8>>().into()]);
        blocks.push(Encoder::default().records(&origin, at, &records, 0..1).expect("a block"));
    }
    let schemas = vec![schema];
    put(store, &[Append { stream: "a".into(), about: About::default(), schemas, blocks }]);
    let (mut after, mut pages, mut seqs) = (None, 0, Vec::new());
    loop {
        let page = store.page("a", Window::ALL, after).expect("a store that works");
        let Some(last) = page.last() else { break };
        assert!(page.iter().map(|s| s.bytes.len()).sum::<usize>() <= PAGE_BYTES);
        after = Some(last.mark);
        pages += 1;
        seqs.extend(page.iter().map(|s| s.mark.seq));
    }
    assert_eq!(seqs, (0..80).collect::<Vec<_>>());
    assert!(pages > 3, "{pages} pages");
}

fn damaged_blocks_are_skipped_and_counted(store: &dyn RecordStore) {
    let mut part = append("a", 0, &[(0, 5), (5, 10), (10, 15)]);
    let middle = &mut part.blocks[1].bytes;
    let at = middle.len() - 8;
    middle[at] ^= 1;
    put(store, &[part]);
    let mut scan = Scan::new(store, "a", Window::ALL);
    assert_eq!(seen(&mut scan), rows((0..5).chain(10..15)));
    assert_eq!(scan.damaged(), 1);
}

fn filters_are_remembered_by_number(store: &dyn RecordStore) {
    for (seq, filter) in ["tcp", "tcp", "udp", "tcp"].into_iter().enumerate() {
        let mut part = append("a", seq as u64, &[(seq as u64, seq as u64 + 1)]);
        part.about = About { module: "m".into(), filter: filter.into(), ..About::default() };
        put(store, &[part]);
    }
    let a = stream(store, "a");
    let filters: Vec<(u64, &str)> = a.filters.iter().map(|m| (m.seq, &m.filter[..])).collect();
    assert_eq!(filters, [(0, "tcp"), (2, "udp"), (3, "tcp")]);
    assert_eq!((&a.module[..], a.filter()), ("m", "tcp"));
}

fn sources_are_remembered_by_time(store: &dyn RecordStore) {
    let covered = |name: &str| Covered { source: name.into(), ..Covered::default() };
    let known = [vec![], vec!["x"], vec!["x"], vec!["x", "y"], vec![]];
    for (seq, names) in known.iter().enumerate() {
        let mut part = append("a", seq as u64, &[(seq as u64, seq as u64 + 1)]);
        part.about.sources = names.iter().map(|name| covered(name)).collect();
        put(store, &[part]);
    }
    let a = stream(store, "a");
    let seen: Vec<(Ts, usize)> = a.sources.iter().map(|c| (c.since, c.sources.len())).collect();
    assert_eq!(seen, [(Ts::new(1, 0), 1), (Ts::new(3, 0), 2), (Ts::new(4, 0), 0)]);
    assert_eq!(a.sources[1].sources[1], covered("y"));
}

fn streams_with_similar_names_stay_apart(store: &dyn RecordStore) {
    let names = ["a", "a ", "ab", "", "a\0", "top destinations", "Ä", "a/../b"];
    for (at, name) in names.iter().enumerate() {
        let at = at as u64 * 10;
        put(store, &[append(name, 0, &[(at, at + 3)])]);
    }
    for (at, name) in names.iter().enumerate() {
        let at = at as u64 * 10;
        check(store, name, Window::ALL, &rows(at..at + 3));
    }
}

fn a_scan_goes_on_while_blocks_come_and_go(store: &dyn RecordStore) {
    put(store, &[append("a", 0, &[(0, 5), (5, 10)])]);
    let mut scan = Scan::new(store, "a", Window::ALL);
    assert!(scan.next().is_some());
    put(store, &[append("a", 2, &[(10, 15)])]);
    store.trim("a", 0).expect("a store that works");
    // The first page was read already; what came later is still met.
    assert_eq!(seen(&mut scan), rows(5..15));
}

fn notes_are_kept_beside_the_streams(store: &dyn RecordStore) {
    assert_eq!(store.note("a").expect("a store that works"), None);
    for bytes in [&b"one"[..], b"another"] {
        store.set_note("a", bytes).expect("a store that works");
        assert_eq!(store.note("a").expect("a store that works").as_deref(), Some(bytes));
    }
    assert_eq!(store.note("b").expect("a store that works"), None);
    assert_eq!(store.streams().expect("a store that works"), []);
}

#[test]
fn the_store_in_memory_conforms() {
    all(MemoryStore::default);
}
