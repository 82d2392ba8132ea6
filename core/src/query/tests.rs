//! Questions well and badly put, and what they are answered.

mod eras;
mod following;
mod runs;
mod uneven;

use std::sync::Arc;

use super::*;
use crate::record::{Column, Output, Records, Type, Value};
use crate::render::Format;
use crate::storage::conformance::records;
use crate::storage::{About, Feed, MemoryStore, RecordStore, Writer};
use crate::time::Span;

/// 2026-01-01 12:00:00 UTC.
const NOON: u64 = 1_767_268_800;

#[track_caller]
fn check_time(text: &str, want: Result<(Option<u64>, Option<u64>), &str>) {
    let window = Times::parse(text).and_then(|times| times.resolve(Ts::new(NOON, 0)));
    let open = |ts: Ts, end| Some(ts).filter(|ts| ts.0 != end).map(|ts| ts.parts().0);
    match (window, want) {
        (Ok(w), Ok(want)) => assert_eq!((open(w.from, 0), open(w.to, u64::MAX)), want, "{text}"),
        (Err(error), Err(want)) => {
            let message = error.to_string();
            assert!(message.starts_with(want), "{text}: {message}");
        }
        (got, want) => panic!("{text}: {got:?}, wanted {want:?}"),
    }
}

#[test]
fn times_are_counted_from_the_streams_clock() {
    check_time("-5m:0", Ok((Some(NOON - 300), Some(NOON))));
    check_time("0:+50s", Ok((Some(NOON), Some(NOON + 50))));
    check_time("0: 50s", Ok((Some(NOON), Some(NOON + 50))));
    check_time("-1h:-30m", Ok((Some(NOON - 3600), Some(NOON - 1800))));
    check_time("-300:", Ok((Some(NOON - 300), None)));
    check_time(":0", Ok((None, Some(NOON))));
    check_time(":", Ok((None, None)));
    check_time("-9000w:0", Ok((None, Some(NOON))));
}

#[test]
fn before_the_first_packet_times_are_counted_from_now_and_none_is_before_it() {
    let check = |text: &str, want: Option<(Option<u64>, Option<u64>)>| {
        let window = Times::parse(text).expect(text).resolve_ahead(Ts::new(NOON, 0));
        let open = |ts: Ts, end| Some(ts).filter(|ts| ts.0 != end).map(|ts| ts.parts().0);
        let got = window.map(|window| window.expect(text));
        assert_eq!(got.map(|w| (open(w.from, 0), open(w.to, u64::MAX))), want, "{text}");
    };
    check("-1h:+1h", Some((None, Some(NOON + 3600))));
    check("0:+50s", Some((None, Some(NOON + 50))));
    check("-5m:", Some((None, None)));
    check(":+5m", Some((None, Some(NOON + 300))));
    check("+5m:+10m", Some((Some(NOON + 300), Some(NOON + 600))));
    check("@110000:+2h", Some((Some(NOON - 3600), Some(NOON + 3600))));
    // What is counted from no clock is what it is.
    for text in [":", "2026-01-01:", "2026-01-01:+1d", ":2026-01-01"] {
        check(text, None);
    }
    let reversed = Times::parse("+1h:0").expect("times").resolve_ahead(Ts::new(NOON, 0));
    assert!(reversed.is_some_and(|window| window.is_err()));
}

#[test]
fn absolute_times_are_utc() {
    let day = NOON - 12 * 3600;
    check_time("@20260101110000:@260101120000", Ok((Some(NOON - 3600), Some(NOON))));
    check_time("@110000:0", Ok((Some(NOON - 3600), Some(NOON))));
    check_time("@700101000001:0", Ok((Some(1), Some(NOON))));
    check_time("2026-01-01:2026-01-02", Ok((Some(day), Some(day + 86_400))));
    check_time(
        "2026-01-01T12:00:00Z:2026-01-01T14:00:00+01:00",
        Ok((Some(NOON), Some(NOON + 3600))),
    );
    check_time("2026-01-01T12:00:00Z:", Ok((Some(NOON), None)));
    check_time(":2026-01-01T12:00:00-00:30", Ok((None, Some(NOON + 1800))));
    check_time("1767268800:1767268900.5", Ok((Some(NOON), Some(NOON + 100))));
}

#[test]
fn an_absolute_beginning_is_the_base_of_a_relative_end() {
    check_time("@20260101100000:+1h", Ok((Some(NOON - 7200), Some(NOON - 3600))));
    check_time("1767261600:+60", Ok((Some(NOON - 7200), Some(NOON - 7140))));
    check_time("@100000:+1h", Ok((Some(NOON - 7200), Some(NOON - 3600))));
    check_time("@20260101100000:0", Ok((Some(NOON - 7200), Some(NOON))));
}

#[test]
fn times_that_make_no_sense_say_so() {
    check_time("-5m", Err("time `-5m` has no `:`"));
    check_time("", Err("time `` has no `:`"));
    check_time("0:-5m", Err("the time asked for ends (2026-01-01T11:55:00Z) before it begins"));
    for bad in [
        "-5x:0",
        "--5m:0",
        "-:0",
        "+:0",
        "0:@2026",
        "@20261301000000:",
        "@20260101250000:",
        "@20260101000060:",
        "NaN:0",
        "-NaN:0",
        "inf:",
        "1e9:0",
        "18446744073709551616:",
        "-1e3:0",
        "1.2.3:",
        "1.0123456789:",
        "x:y",
        "2026-01-01T12:00Z:",
        "2026-01-01T12:00:00+02:",
        "2026-13-01:",
        "1969-12-31T23:59:59Z:",
        "0:\u{0}",
        "-5m:0:0",
        "٣:0",
    ] {
        assert!(Times::parse(bad).is_err(), "{bad}");
    }
    check_time("-1000y:0", Err("`1000y` is too long: times reach 584 years at most"));
    check_time("2024-01-01T00:00:00+25:00:", Err("`2024-01-01T00:00:00+25:00` is not a time"));
    check_time("12:30:foo", Err("`30:foo` is not a time"));
    check_time("-5m:foo", Err("`foo` is not a time: write `0`"));
}

fn parsed(text: &str) -> Result<Query, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    Query::parse(pairs).map_err(|e| e.to_string())
}

#[test]
fn keys_and_values_become_a_query() {
    let query = parsed("module=traffic&time=-5m:0&format=csv&wait=no").expect("a query");
    assert_eq!((&query.module[..], query.format.as_deref()), ("traffic", Some("csv")));
    let window = query.window(Ts::new(NOON, 0)).expect("a window");
    assert_eq!((window.from, window.to), (Ts::new(NOON - 300, 0), Ts::new(NOON, 0)));
    let either = parsed("module=traffic&start=1767268500&end=1767268800&wait=no&format=csv");
    assert_eq!(either.expect("a query").window(Ts(5)).expect("a window"), window);
}

#[test]
fn without_a_time_it_is_what_comes_or_all_there_is() {
    let now = Ts::new(NOON, 0);
    let window = |text| parsed(text).expect("a query").window(now).expect("a window");
    assert_eq!(window("module=a"), Window { from: now, to: Ts(u64::MAX) });
    assert_eq!(window("module=a&wait=no"), Window::ALL);
}

#[test]
fn mistakes_in_keys_are_named() {
    let fails = |text: &str, want: &str| {
        let message = parsed(text).expect_err(text);
        assert!(message.starts_with(want), "{text}: {message}");
    };
    fails("modul=a", "unknown parameter `modul`; did you mean `module`?");
    fails("module=a&colour=red", "unknown parameter `colour`; known are module, time, start");
    let message = parsed("module=a&colour=red").expect_err("no such parameter");
    assert!(message.ends_with(", explain, interval, arg.NAME"), "{message}");
    fails("module=a&module=b", "parameter `module` is given twice");
    fails("time=-5m:0", "no module is named: add `module=NAME`");
    fails("module=", "no module is named");
    fails("module=a&wait=maybe", "parameter `wait` is `maybe`: write `yes` or `no`");
    fails("module=a&time=0:&end=5", "`time` and `end` both say the time");
    fails("module=a&start=soon", "`soon` is not a time");
    fails("module=a&time=2026-11-22T14:00:00:+1m", "`2026-11-22T14:00:00` names no zone");
    fails("module=a&time=2026-02-30T00:00:00Z:0", "`2026-02-30T00:00:00Z` is not a time");
    let old = parsed("module=traffic&start=0&end=1&wait=no").expect("a query");
    let window = old.window(Ts::new(1_800_000_000, 0)).expect("a window");
    assert_eq!(window, Window { from: Ts(0), to: Ts::new(1, 0) });
}

struct Room {
    store: Arc<MemoryStore>,
    writer: Writer,
    feed: Feed,
}

impl Room {
    /// Records of the seconds 0 to 20 of `traffic`, in four commits, and a clock at 20.
    fn new() -> Self {
        let store = Arc::new(MemoryStore::default());
        let writer = Writer::new(store.clone(), "n", 1);
        let feed = writer.feed();
        let mut room = Self { store, writer, feed };
        let about = About { module: "traffic".into(), ..About::default() };
        room.writer.open("traffic", about).expect("a store that works");
        (0..4).for_each(|at| room.commit(at * 5, at * 5 + 5));
        room
    }

    fn commit(&mut self, from: u64, to: u64) {
        let output = Output::Records(records(from..to));
        self.writer.write("traffic", output).expect("a store that works");
        self.writer.commit().expect("a store that works");
        self.feed.set_clock(Ts::new(to, 0));
    }

    fn place(&self) -> Place<'_> {
        Place { store: &*self.store, feed: Some(&self.feed), running: &[], packets: None }
    }
}

fn seconds(output: &Output) -> Vec<u64> {
    match output {
        Output::Records(r) => r.starts.iter().map(|ts| ts.parts().0).collect(),
        Output::Gap { .. } => Vec::new(),
    }
}

/// The rows given until the answer waits or ends, and whether it ended.
fn steps(answer: &mut Answer<'_>) -> (Vec<u64>, bool) {
    let mut rows = Vec::new();
    loop {
        match answer.step().expect("a store that works") {
            Step::Output(output) => rows.extend(seconds(&output)),
            Step::Damaged(_) | Step::Alert(_) => {}
            Step::Waiting => return (rows, false),
            Step::End => return (rows, true),
        }
    }
}

fn ask<'a>(room: &'a Room, text: &str) -> Result<Answer<'a>, String> {
    Answer::open(&parsed(text)?, room.place()).map_err(|e| e.to_string())
}

#[test]
fn the_past_is_answered_and_ends_at_the_clock() {
    let room = Room::new();
    let mut answer = ask(&room, "module=traffic&time=-8s:0").expect("an answer");
    assert!(!answer.follows());
    let covered = Window { from: Ts::new(12, 0), to: Ts::new(20, 0) };
    assert_eq!(answer.covered(), Some(covered));
    assert_eq!(steps(&mut answer), ((12..20).collect(), true));
    assert_eq!(answer.report(), Report { rows: 8, gaps: 0, damaged: 0 });
}

#[test]
fn time_not_covered_is_answered_with_nothing_and_says_so() {
    let room = Room::new();
    let mut answer = ask(&room, "module=traffic&time=1000:2000&wait=no").expect("an answer");
    assert_eq!(answer.covered(), None);
    let stored = Window { from: Ts(0), to: Ts::new(20, 0) };
    let what = "records of `traffic`".to_owned();
    assert_eq!(answer.missed(), Some(Missed::Outside { what, stored: Some(stored) }));
    assert_eq!(steps(&mut answer), (vec![], true));
    let half = ask(&room, "module=traffic&time=15:2000&wait=no").expect("an answer");
    assert_eq!(half.covered(), Some(Window { from: Ts::new(15, 0), to: Ts::new(20, 0) }));
}

#[test]
fn the_ends_of_a_window_that_nothing_covers_are_gaps() {
    let mut room = Room::new();
    room.commit(30, 40);
    let place = Place { feed: None, ..room.place() };
    let query = parsed("module=traffic&time=35:50&wait=no").expect("a query");
    let mut answer = Answer::open(&query, place).expect("an answer");
    assert_eq!(answer.missed(), None);
    assert_eq!(steps(&mut answer), ((35..40).collect(), true));
    assert_eq!(answer.report(), Report { rows: 5, gaps: 1, damaged: 0 });
    let query = parsed("module=traffic&time=35.25:35.75&wait=no").expect("a query");
    let mut answer = Answer::open(&query, place).expect("an answer");
    let none = Missed::Within { module: "traffic".to_owned() };
    assert_eq!(answer.missed(), Some(none));
    assert_eq!(steps(&mut answer), (vec![], true));
}

#[test]
fn longer_intervals_none_of_which_has_ended_are_said_to_be_begun() {
    let room = Room::new();
    let query = parsed("module=traffic&time=:&interval=1h&wait=no").expect("a query");
    let running = [("traffic".to_owned(), String::new())];
    let place = Place { running: &running, ..room.place() };
    let answer = Coarse::open(&query, place, None).expect("an answer");
    let until = Ts::new(3600, 0);
    let interval = Span::from_secs(3600);
    let module = "traffic".to_owned();
    let begun = Missed::Begun { module, interval, since: Ts(0), until };
    assert_eq!(answer.missed(), Some(begun));
}

#[test]
fn an_unknown_module_names_the_nearest() {
    let room = Room::new();
    let message = ask(&room, "module=trafic").err().expect("no answer");
    assert_eq!(message, "no module `trafic`; did you mean `traffic`?");
    let message = ask(&room, "module=x").err().expect("no answer");
    assert_eq!(message, "no module `x`; known are traffic");
    let running = [("new".to_owned(), String::new())];
    let place = Place { running: &running, ..room.place() };
    let mut answer = Answer::open(&Query::all("new"), place).expect("an answer");
    assert_eq!(steps(&mut answer), (vec![], true));
}

#[test]
fn an_answer_is_written_in_a_format() {
    let room = Room::new();
    let mut answer = ask(&room, "module=traffic&time=18:20&wait=no").expect("an answer");
    let mut out = Vec::new();
    let report = answer.write(&mut *Format::Csv.renderer().expect("text"), &mut out, || Ok(()));
    assert_eq!(report.expect("a vector").rows, 2);
    let want = "ts,n\r\n1970-01-01T00:00:18Z,18\r\n1970-01-01T00:00:19Z,19\r\n";
    assert_eq!(String::from_utf8(out).expect("text"), want);
}

#[test]
fn an_answer_nobody_wants_stops() {
    let room = Room::new();
    let mut answer = ask(&room, "module=traffic&time=:").expect("an answer");
    let mut patience = 2;
    let goes_on = || {
        patience -= 1;
        if patience >= 0 { Ok(()) } else { Err(QueryError::Left) }
    };
    let mut out = Vec::new();
    let written = answer.write(&mut *Format::Json.renderer().expect("text"), &mut out, goes_on);
    assert!(matches!(written, Err(QueryError::Left)));
    // What it has is not ended, so that more can be said.
    let out = String::from_utf8(out).expect("text");
    assert!(answer.report().rows == 10 && out.ends_with('}'), "{out}");
}

#[test]
fn records_of_the_store_alone_are_answered_by_their_own_clock() {
    let room = Room::new();
    let place = Place { feed: None, ..room.place() };
    let query = parsed("module=traffic&time=-2s:").expect("a query");
    let mut answer = Answer::open(&query, place).expect("an answer");
    assert_eq!(steps(&mut answer), (vec![18, 19], true));
}

#[test]
fn damaged_blocks_are_reported() {
    let room = Room::new();
    let mut records = Records::empty(records(0..1).schema, crate::time::Span(1));
    records.push(Ts::new(7, 5), [7u64.into()]);
    let origin = crate::storage::block::Origin { stream: "traffic".into(), ..Default::default() };
    let mut encoder = crate::storage::block::Encoder::default();
    let mut sealed = encoder.records(&origin, 9, &records, 0..1).expect("one row");
    sealed.bytes.truncate(20);
    let append = crate::storage::Append {
        stream: "traffic".into(),
        blocks: vec![sealed],
        ..Default::default()
    };
    room.store.put(&[append]).expect("a store that works");
    let mut answer = ask(&room, "module=traffic&wait=no").expect("an answer");
    assert_eq!(steps(&mut answer).0.len(), 20);
    assert_eq!(answer.report().damaged, 1);
    let mut out = Vec::new();
    let mut answer = ask(&room, "module=traffic&wait=no").expect("an answer");
    let mut renderer = crate::render::Format::Ndjson.renderer().expect("text");
    answer.write(&mut *renderer, &mut out, || Ok(())).expect("memory");
    let text = String::from_utf8(out).expect("text");
    let said = "{\"ts\":\"1970-01-01T00:00:07.000000005Z\",\"damaged_until\":";
    assert!(text.contains(said) && text.contains("\"damaged\":\"block 9 from "), "{text}");
}

/// Rows of these columns, one a second, committed on their own.
fn commit_as(room: &mut Room, columns: &[(&str, Type)], secs: std::ops::Range<u64>) {
    let columns = columns.iter().map(|(name, ty)| Column::new(*name, *ty));
    let schema = Arc::new(crate::record::Schema::new(columns));
    let mut records = Records::empty(schema.clone(), crate::time::Span::from_secs(1));
    for sec in secs {
        let values = schema.columns.iter().map(|_| Value::Uint(sec));
        records.push(Ts::new(sec, 0), values.collect::<Vec<_>>());
    }
    room.writer.write("traffic", Output::Records(records)).expect("a store that works");
    room.writer.commit().expect("a store that works");
}

fn answered(room: &Room, text: &str) -> String {
    let mut out = Vec::new();
    let query = parsed(text).expect("a query");
    let format = crate::render::Format::named(query.format.as_deref().unwrap_or("csv"));
    let mut renderer = format.expect("a format").renderer().expect("text");
    let mut answer = Answer::open(&query, room.place()).expect("an answer");
    answer.write(&mut *renderer, &mut out, || Ok(())).expect("memory");
    String::from_utf8(out).expect("text").replace("\r\n", "\n").replace("1970-01-01T00:00:", "")
}

#[test]
fn records_of_several_schemas_are_answered_as_one() {
    let mut room = Room::new();
    commit_as(&mut room, &[("extra", Type::Float), ("n", Type::Int)], 20..22);
    let csv = answered(&room, "module=traffic&time=18:&wait=no");
    assert_eq!(csv, "ts,extra,n\n18Z,,18\n19Z,,19\n20Z,20.0,20\n21Z,21.0,21\n");
    commit_as(&mut room, &[("other", Type::Uint)], 22..23);
    let all = "module=traffic&time=19:&wait=no";
    let csv = answered(&room, all);
    assert_eq!(csv, "ts,other,extra,n\n19Z,,,19\n20Z,,20.0,20\n21Z,,21.0,21\n22Z,22,,\n");
    let json = answered(&room, &format!("{all}&format=ndjson"));
    assert!(
        json.starts_with("{\"ts\":\"19Z\",\"other\":null,\"extra\":null,\"n\":19}\n"),
        "{json}"
    );
    // Columns that nothing in the window has any more are left out.
    assert_eq!(answered(&room, "module=traffic&time=22:&wait=no"), "ts,other\n22Z,22\n");
}

#[test]
fn a_type_that_cannot_be_widened_begins_columns_of_its_own() {
    let mut room = Room::new();
    commit_as(&mut room, &[("n", Type::Text)], 20..21);
    let csv = answered(&room, "module=traffic&time=19:&wait=no");
    assert_eq!(csv, "ts,n\n19Z,19\nts,n\n20Z,\n");
}

#[test]
fn an_answer_knows_the_sources_that_its_window_covers() {
    let mut room = Room::new();
    for (name, from) in [("x", 20), ("y", 30)] {
        let covered = crate::source::Covered { source: name.into(), ..Default::default() };
        room.writer.cover("traffic", &[covered]);
        room.commit(from, from + 10);
    }
    let names = |time: &str| -> Vec<String> {
        let query = Query::parse([("module", "traffic"), ("time", time), ("wait", "no")]);
        let answer = Answer::open(&query.expect("a query"), room.place()).expect("an answer");
        let sources = answer.sources().iter().flat_map(|c| &c.sources);
        sources.map(|covered| covered.source.clone()).collect()
    };
    assert_eq!(names("-40s:-25s"), Vec::<String>::new());
    assert_eq!(names("-40s:-15s"), ["x"]);
    assert_eq!(names("-15s:0"), ["x", "y"]);
    assert_eq!(names("-10s:0"), ["y"]);
}
