//! Rollups over restarts, errors and long work, against sums made by hand.

mod failing;

use super::*;
use crate::query::{Coarse, Place, Query, Step, Steps};
use crate::record::{Column, Records, Schema, Type, Value};
use crate::storage::writer::WAITING_BYTES_MAX;
use crate::storage::{Feed, MemoryStore, RecordStore, Scan};
use crate::supervisor::exporter::Sink;
use crate::supervisor::keep::{Keeper, SharedBounds};
use crate::time::Span;

fn level(secs: u64) -> Rollup {
    Rollup { len: Span::from_secs(secs), age: None }
}

fn keeper(store: &Arc<MemoryStore>, boot: u64) -> Keeper {
    let rollups = SharedRollups::default();
    let levels = vec![level(10), level(60)];
    rollups.write().levels.insert("a".to_owned(), levels);
    let writer = Writer::new(store.clone(), "n", boot);
    let mut keeper = Keeper::new(writer, SharedBounds::default()).rolling_up(rollups);
    keeper.begin("a", "traffic", "").expect("a memory store opens");
    keeper
}

fn seconds(secs: std::ops::Range<u64>) -> Output {
    let column = Column::new("n", Type::Uint).of("count()");
    let mut records = Records::empty(Arc::new(Schema::new([column])), Span::from_secs(1));
    secs.for_each(|sec| records.push(Ts::new(sec, 0), [Value::Uint(sec)]));
    Output::Records(records)
}

/// Records seconds, each committed.
fn run(keeper: &mut Keeper, secs: std::ops::Range<u64>) {
    for sec in secs {
        keeper.accept("a", seconds(sec..sec + 1)).expect("a memory store takes");
        keeper.closed("a", Ts::new(sec + 1, 0));
        keeper.commit().expect("a memory store commits");
    }
}

fn stored(store: &MemoryStore, stream: &str) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    for part in Scan::new(store, stream, Window::ALL) {
        if let Output::Records(records) = part.expect("a memory store answers").output {
            let row = |row: usize| (records.starts[row].parts().0, records.value(row, 0).as_uint());
            all.extend((0..records.rows()).map(row).map(|(at, n)| (at, n.unwrap_or(0))));
        }
    }
    all
}

/// What seconds add up to, by intervals of a length.
fn sums(secs: std::ops::Range<u64>, len: u64) -> Vec<(u64, u64)> {
    let mut all = BTreeMap::new();
    secs.for_each(|sec| *all.entry(sec - sec % len).or_insert(0) += sec);
    all.into_iter().collect()
}

#[test]
fn whole_intervals_are_made_once_over_restarts_too() {
    let store = Arc::new(MemoryStore::default());
    let mut start = 0;
    for (boot, end) in [33, 61, 62, 145, 200].into_iter().enumerate() {
        // Dropped without an end, as by a kill.
        run(&mut keeper(&store, boot as u64), start..end);
        start = end;
    }
    keeper(&store, 9).end().expect("a memory store commits");
    let mut last = keeper(&store, 10);
    run(&mut last, 200..201);
    last.end().expect("a memory store commits");
    assert_eq!(stored(&store, "a@10s"), sums(0..200, 10));
    assert_eq!(stored(&store, "a@1m"), sums(0..180, 60));
}

fn coarse(store: &MemoryStore, time: &str, interval: &str) -> Result<Vec<(u64, u64)>, String> {
    let keys = [("module", "a"), ("time", time), ("interval", interval), ("wait", "no")];
    let query = Query::parse(keys).map_err(|error| error.to_string())?;
    let place = Place { store, feed: None, running: &[], packets: None };
    let mut answer = Coarse::open(&query, place, None).map_err(|error| error.to_string())?;
    let mut all = Vec::new();
    loop {
        match answer.step().map_err(|error| error.to_string())? {
            Step::Output(Output::Records(records)) => {
                assert_eq!(records.len, Span::parse(interval).expect("a span"));
                let value = |row: usize| records.value(row, 0).as_uint().unwrap_or(0);
                let row = |row: usize| (records.starts[row].parts().0, value(row));
                all.extend((0..records.rows()).map(row));
            }
            Step::End => return Ok(all),
            _ => {}
        }
    }
}

#[test]
fn an_answer_is_of_rollups_where_they_are_and_of_records_where_not() {
    let store = Arc::new(MemoryStore::default());
    let mut keeper = keeper(&store, 1);
    run(&mut keeper, 0..207);
    keeper.end().expect("a memory store commits");
    let want = sums(0..207, 60);
    assert_eq!(coarse(&store, ":", "1m"), Ok(want.clone()));
    assert_eq!(coarse(&store, ":", "30s"), Ok(sums(0..207, 30)));
    assert_eq!(coarse(&store, "50:130", "1m"), Ok(want[1..3].to_vec()));
    // What the records no longer have, rollups still do; of what is gone in part nothing is
    // given.
    store.cut("a", Ts::new(185, 0)).expect("a memory store cuts");
    assert_eq!(coarse(&store, ":", "1m"), Ok(want[..3].to_vec()));
    store.remove("a@1m").expect("a memory store removes");
    assert_eq!(coarse(&store, ":180", "1m"), Ok(want[..3].to_vec()));
    let error = coarse(&store, ":", "1500ms").expect_err("no multiple");
    assert!(error.contains("which do not add up to 1500ms"), "{error}");
    assert!(coarse(&store, ":", "soon").is_err());
}

/// What an answer says: sums by the second they begin at, gaps, and what is not exact.
fn told(store: &MemoryStore, time: &str, interval: &str) -> Vec<String> {
    told_in(Place { store, feed: None, running: &[], packets: None }, time, interval)
}

fn told_in(place: Place<'_>, time: &str, interval: &str) -> Vec<String> {
    told_to(place, &[("time", time), ("interval", interval), ("wait", "no")])
}

fn told_to(place: Place<'_>, keys: &[(&str, &str)]) -> Vec<String> {
    let keys = keys.iter().copied().chain([("module", "a")]);
    let query = Query::parse(keys).expect("a query");
    let mut answer = Coarse::open(&query, place, None).expect("an answer");
    let mut all: Vec<String> = answer.missed().iter().map(ToString::to_string).collect();
    loop {
        match answer.step().expect("a memory store answers") {
            Step::Output(Output::Records(records)) => {
                let start = |row: usize| records.starts[row].parts().0;
                all.extend((0..records.rows()).map(|row| format!("{}", start(row))));
            }
            Step::Output(Output::Gap { from, to }) => {
                all.push(format!("gap {}-{}", from.parts().0, to.parts().0));
            }
            Step::End => break,
            _ => {}
        }
    }
    let lineage = answer.sources().iter().flat_map(|coverage| &coverage.sources);
    all.extend(lineage.flat_map(|covered| &covered.lineage).cloned());
    all
}

#[test]
fn an_interval_that_is_not_given_is_a_gap() {
    let store = Arc::new(MemoryStore::default());
    let mut keeper = keeper(&store, 1);
    run(&mut keeper, 0..207);
    keeper.end().expect("a memory store commits");
    assert_eq!(told(&store, "190:220", "10s"), ["190", "200", "gap 207-220"]);
    // All but the last minute goes, and the rollups.
    store.cut("a", Ts::new(145, 0)).expect("a memory store cuts");
    store.remove("a@10s").expect("a memory store removes");
    assert_eq!(told(&store, "60:", "30s"), ["gap 60-150", "150", "180"]);
    store.remove("a@1m").expect("a memory store removes");
    assert_eq!(told(&store, "100:", "30s"), ["gap 100-150", "150", "180"]);
    assert_eq!(told(&store, ":", "1m"), ["gap 145-180", "180"]);
    let gone = "no 5m of `a` is whole in this time: its records before 1970-01-01T00:02:25Z are \
                gone, ask for shorter ones";
    assert_eq!(told(&store, "1970-01-01T00:00:00Z:300", "5m"), [gone, "gap 145-300"]);
    // A rollup that covers the beginning leaves what is between it and the rest.
    let mut again = self::keeper(&store, 2);
    run(&mut again, 207..260);
    again.end().expect("a memory store commits");
    assert_eq!(told(&store, "130:260", "10s")[..3], ["gap 130-140", "gap 140-145", "140"]);
}

#[test]
fn where_it_runs_what_lies_behind_the_interval_that_is_open_is_a_gap() {
    let store = Arc::new(MemoryStore::default());
    run(&mut keeper(&store, 1), 0..207);
    let (feed, running) = (Feed::default(), [("a".to_owned(), String::new())]);
    feed.set_clock(Ts::new(206, 5));
    let place = Place { store: &*store, feed: Some(&feed), running: &running, packets: None };
    assert_eq!(told_in(place, "120:400", "1m"), ["120", "gap 240-400"]);
    assert_eq!(told_in(place, "190:240", "10s"), ["190", "gap 210-240"]);
    assert_eq!(told_in(place, "120:240", "1m"), ["120"]);
    assert_eq!(told_in(place, "120:", "1m"), ["120"]);
    // Where all sources have ended none is open: the last is given as far as it came.
    feed.set_over(true);
    assert_eq!(told_in(place, "120:400", "1m"), ["120", "180", "gap 207-400"]);
    // Who would wait for more is told the same.
    let followed = told_to(place, &[("time", "120:400"), ("interval", "1m")]);
    assert_eq!(followed, ["120", "180", "gap 207-400"]);
}

#[test]
fn what_went_before_it_was_rolled_up_is_a_gap_in_the_rollup() {
    let store = Arc::new(MemoryStore::default());
    let mut first = keeper(&store, 1);
    run(&mut first, 0..35);
    first.end().expect("a memory store commits");
    // Of the next seconds nothing is rolled up before the oldest of them have gone.
    let mut plain = Writer::new(store.clone(), "n", 2);
    plain.open("a", Default::default()).expect("a memory store opens");
    plain.write("a", seconds(35..60)).expect("a memory store takes");
    plain.commit().expect("a memory store commits");
    store.cut("a", Ts::new(44, 0)).expect("a memory store cuts");
    let mut next = keeper(&store, 3);
    run(&mut next, 60..62);
    next.end().expect("a memory store commits");
    let mut gaps = Vec::new();
    for part in Scan::new(&*store, "a@10s", Window::ALL) {
        if let Output::Gap { from, to } = part.expect("a memory store answers").output {
            gaps.push((from.parts().0, to.parts().0));
        }
    }
    assert_eq!(gaps, [(30, 44)]);
    assert_eq!(stored(&store, "a@10s")[3], (40, (44..50).sum()));
}

#[test]
fn what_is_merged_from_cut_records_says_so_and_nothing_else_does() {
    let store = Arc::new(MemoryStore::default());
    let mut keeper = keeper(&store, 1);
    for sec in 0..40 {
        let Output::Records(records) = seconds(sec..sec + 1) else { continue };
        let records = Records { cut: (10..12).contains(&sec), ..records };
        keeper.accept("a", Output::Records(records)).expect("a memory store takes");
        keeper.closed("a", Ts::new(sec + 1, 0));
        keeper.commit().expect("a memory store commits");
    }
    keeper.end().expect("a memory store commits");
    let is_said = |time: &str, interval: &str| {
        let told = told(&store, time, interval);
        told.iter().any(|told| told.starts_with("inexact: it is merged from records of which only"))
    };
    assert!(is_said(":", "10s") && is_said("10:20", "10s") && is_said(":20", "20s"));
    assert!(!is_said(":10", "10s") && !is_said("20:40", "20s"));
    // A record that is of just that interval is what its module said.
    assert!(!is_said(":40", "1s"));
    store.remove("a@10s").expect("a memory store removes");
    assert!(is_said(":", "10s") && !is_said("20:", "10s"));
}

#[test]
fn what_is_not_of_just_the_time_asked_for_says_so() {
    let store = Arc::new(MemoryStore::default());
    let mut keeper = keeper(&store, 1);
    run(&mut keeper, 0..40);
    keeper.end().expect("a memory store commits");
    let whole = "inexact: it is of whole intervals of 10s, from 1970-01-01T00:00:10Z until \
                 1970-01-01T00:00:20Z";
    assert_eq!(told(&store, "5:20", "10s"), ["10", whole]);
    assert_eq!(told(&store, "10:15", "10s"), ["10", whole]);
    assert_eq!(told(&store, "10:20", "10s"), ["10"]);
    assert_eq!(told(&store, ":45", "20s"), ["0", "20", "gap 40-45"]);
}

#[test]
fn what_does_not_merge_is_said_once_and_holds_up_nothing() {
    let store = Arc::new(MemoryStore::default());
    let mut keeper = keeper(&store, 1);
    let columns = [Column::new("x", Type::Uint)];
    let mut records = Records::empty(Arc::new(Schema::new(columns)), Span::from_secs(1));
    records.push(Ts::new(3, 0), [Value::Uint(1)]);
    keeper.accept("a", Output::Records(records)).expect("a memory store takes");
    run(&mut keeper, 10..41);
    assert_eq!(stored(&store, "a@10s"), sums(10..40, 10));
    let why = keeper.keeping().read().not_rolled_up["a@10s"].clone();
    assert!(why.starts_with("column `x` cannot be merged"), "{why}");
}

#[test]
fn gaps_are_in_rollups_once() {
    let store = Arc::new(MemoryStore::default());
    let gap = || Output::Gap { from: Ts::new(15, 0), to: Ts::new(63, 0) };
    let mut first = keeper(&store, 1);
    run(&mut first, 0..15);
    first.accept("a", gap()).expect("a memory store takes");
    run(&mut first, 63..72);
    drop(first);
    let mut second = keeper(&store, 2);
    run(&mut second, 72..95);
    let scan = Scan::new(&*store, "a@10s", Window::ALL).map(|part| part.expect("a part"));
    let mut gaps: Vec<(Ts, Ts)> = Vec::new();
    for part in scan {
        match (part.output, gaps.last_mut()) {
            // One that was not over when the interval was made comes in two parts.
            (Output::Gap { from, to }, Some(last)) if last.1 == from => last.1 = to,
            (Output::Gap { from, to }, _) => gaps.push((from, to)),
            _ => {}
        }
    }
    assert_eq!(gaps, [(Ts::new(15, 0), Ts::new(63, 0))]);
    let mut want = sums(0..15, 10);
    want.extend(sums(63..90, 10));
    assert_eq!(stored(&store, "a@10s"), want);
}

#[test]
fn an_interval_closed_early_is_made_when_its_rest_has_come() {
    let store = Arc::new(MemoryStore::default());
    let mut first = keeper(&store, 1);
    run(&mut first, 0..13);
    // A stop: what is open is recorded, and said to be all there is of it.
    first.clock(Ts::new(13, 0));
    first.closed("a", Ts::new(20, 0));
    first.commit().expect("a memory store commits");
    first.end().expect("a memory store commits");
    assert_eq!(stored(&store, "a@10s"), sums(0..10, 10));
    run(&mut keeper(&store, 2), 13..32);
    assert_eq!(stored(&store, "a@10s"), sums(0..30, 10));
}

#[test]
fn what_takes_long_goes_on_with_the_next_commit() {
    let store = Arc::new(MemoryStore::default());
    {
        let mut plain = Keeper::new(Writer::new(store.clone(), "n", 1), SharedBounds::default());
        plain.begin("a", "traffic", "").expect("a memory store opens");
        run(&mut plain, 0..95);
    }
    let mut rolling = Rolling::default();
    let mut writer = Writer::new(store.clone(), "n", 2);
    let mut rollups = Rollups::default();
    rollups.levels.insert("a".to_owned(), vec![level(60), level(90)]);
    rolling.settle("a", Ts::new(95, 0));
    let mut rounds = 0;
    // No time at all: a part at a time.
    while rolling.roll(&mut writer, &rollups, Instant::now()).any {
        writer.commit().expect("a memory store commits");
        rolling.committed();
        rounds += 1;
    }
    assert!(rounds > 90, "{rounds}");
    assert_eq!(stored(&store, "a@1m"), sums(0..60, 60));
    assert_eq!(stored(&store, "a@90s"), sums(0..90, 90));
}

/// One interval of many rows.
fn many(start: u64, rows: u64) -> Output {
    let host = Column::new("host", Type::Uint).of("ip.proto");
    let n = Column::new("n", Type::Uint).of("count()");
    let mut records = Records::empty(Arc::new(Schema::new([host, n])), Span::from_secs(1));
    (0..rows).for_each(|row| records.push(Ts::new(start, 0), [Value::Uint(row), Value::Uint(1)]));
    Output::Records(records)
}

#[test]
fn an_interval_of_many_rows_is_written_in_pieces_and_committed_in_one() {
    let store = Arc::new(MemoryStore::default());
    let mut writer = Writer::new(store.clone(), "n", 1);
    let rows = 3 * PIECE_ROWS as u64 + 5;
    for sec in [3, 17] {
        writer.write("a", many(sec, rows)).expect("a memory store takes");
    }
    writer.commit().expect("a memory store commits");
    let mut rollups = Rollups::default();
    rollups.levels.insert("a".to_owned(), vec![level(10)]);
    let mut rolling = Rolling::default();
    rolling.settle("a", Ts::new(20, 0));
    let (mut rounds, mut sizes) = (0, Vec::new());
    while rolling.roll(&mut writer, &rollups, Instant::now()).any {
        writer.commit().expect("a memory store commits");
        rolling.committed();
        rounds += 1;
        let stored = store.stream("a@10s").expect("a memory store answers");
        let stored = stored.and_then(|stream| stream.rows).unwrap_or(0);
        if sizes.last() != Some(&stored) {
            sizes.push(stored);
        }
        let safe = rolling.levels["a@10s"].safe;
        assert_eq!(safe.parts().0, stored / rows * 10, "{stored} rows");
    }
    assert!(rounds > 8, "{rounds}");
    assert_eq!(sizes, [0, rows, 2 * rows]);
}

/// Rows of one second that no compression makes smaller than the store may keep waiting.
fn noise() -> Output {
    let column = Column::new("n", Type::Uint);
    let mut records = Records::empty(Arc::new(Schema::new([column])), Span::from_secs(1));
    let mut state = 1u64;
    for _ in 0..WAITING_BYTES_MAX / 8 {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        records.push(Ts::new(5, 0), [Value::Uint(state.rotate_left(29))]);
    }
    Output::Records(records)
}

#[test]
fn an_interval_for_whose_pieces_there_is_no_room_is_made_again_whole() {
    let store = Arc::new(MemoryStore::default());
    let mut writer = Writer::new(store.clone(), "n", 1);
    let rows = 3 * PIECE_ROWS as u64 + 5;
    writer.write("a", many(3, rows)).expect("a memory store takes");
    writer.commit().expect("a memory store commits");
    let mut rollups = Rollups::default();
    rollups.levels.insert("a".to_owned(), vec![level(10)]);
    let mut rolling = Rolling::default();
    rolling.settle("a", Ts::new(10, 0));
    // Until its first piece is written, another's work takes all the room.
    while rolling.levels.get("a@10s").is_none_or(|level| level.written.is_none()) {
        assert!(rolling.roll(&mut writer, &rollups, Instant::now()).any);
    }
    writer.hold("other").expect("a memory store opens");
    writer.write("other", noise()).expect("a memory store takes");
    for _ in 0..10 {
        rolling.roll(&mut writer, &rollups, Instant::now());
        writer.commit().expect("a memory store commits");
        rolling.committed();
    }
    assert_eq!(stored(&store, "a@10s"), []);
    writer.release("other");
    writer.commit().expect("a memory store commits");
    while rolling.roll(&mut writer, &rollups, Instant::now()).any {
        writer.commit().expect("a memory store commits");
        rolling.committed();
    }
    assert_eq!(stored(&store, "a@10s").len() as u64, rows);
    assert_eq!(writer.lost_rows(), 0);
}

#[test]
fn means_and_sketches_are_rolled_up_from_where_their_states_are_kept() {
    let store = Arc::new(MemoryStore::default());
    let mut keeper = keeper(&store, 1);
    let column = Column::new("mean", Type::Float).of("mean(\"len\")");
    let schema = Arc::new(Schema::new([column]));
    for sec in 0..41 {
        let mut records = Records::empty(schema.clone(), Span::from_secs(1));
        records.push(Ts::new(sec, 0), [Value::Float(sec as f64)]);
        if sec >= 15 {
            // Twice what the value says, of two packets.
            records.cells[0].states = vec![vec![sec as u8 * 2, 2]];
        }
        keeper.accept("a", Output::Records(records)).expect("a memory store takes");
        keeper.closed("a", Ts::new(sec + 1, 0));
        keeper.commit().expect("a memory store commits");
    }
    let scan = Scan::new(&*store, "a@10s", Window::ALL).map(|part| part.expect("a part").output);
    let row = |output| match output {
        Output::Records(records) => {
            let rows = 0..records.rows();
            let row =
                |row: usize| (records.starts[row].parts().0, records.cut, records.value(row, 0));
            rows.map(row).collect::<Vec<_>>()
        }
        gap => panic!("{gap:?}"),
    };
    let mean = |start, cut, mean| (start, cut, Value::Float(mean));
    let want = [mean(10, true, 17.0), mean(20, false, 24.5), mean(30, false, 34.5)];
    assert_eq!(scan.flat_map(row).collect::<Vec<_>>(), want);
    let error = coarse(&store, ":", "10s").expect_err("the first have no states");
    assert!(
        error.ends_with(
            "no more was kept than the value before 1970-01-01T00:00:15Z: ask for a time since then"
        ),
        "{error}"
    );
    assert!(coarse(&store, "20:", "10s").is_ok());
}
