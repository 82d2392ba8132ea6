//! Short intervals merged: exact where that is possible, cut where rows are missing, refused
//! otherwise.

mod states;

use std::sync::Arc;

use parking_lot::Mutex;

use super::*;
use crate::module::Fault;
use crate::record::{Column, Type, Value};

const SECOND: Span = Span::from_secs(1);

fn addr(last: u8) -> Value {
    Value::Addr(format!("10.0.0.{last}").parse().expect("an address"))
}

fn flows() -> Arc<Schema> {
    Arc::new(Schema::new([
        Column::new("dst", Type::Addr).of("ip.dst"),
        Column::new("bytes", Type::Uint).of("sum(\"len\")"),
        Column::new("least", Type::Uint).of("min(\"len\")"),
        Column::new("most", Type::Uint).of("max(\"len\")"),
        Column::new("first", Type::Time).of("first(\"ts\")"),
        Column::new("last", Type::Time).of("last(\"ts\")"),
        Column::new("rate", Type::Float).of("rate()"),
    ]))
}

/// A row of one packet of `len` bytes a second.
fn row(dst: u8, sec: u64, len: u64) -> Vec<Value> {
    let (len, ts) = (Value::Uint(len), Value::Time(Ts::new(sec, 5)));
    vec![addr(dst), len.clone(), len.clone(), len, ts.clone(), ts, Value::Float(1.0)]
}

fn second(sec: u64, rows: &[(u8, u64)]) -> Records {
    let mut records = Records::empty(flows(), SECOND);
    for (dst, len) in rows {
        records.push(Ts::new(sec, 0), row(*dst, sec, *len));
    }
    records
}

fn merged(into: u64, outputs: Vec<Output>) -> Result<Vec<Output>, RollupError> {
    let mut merger = Merger::new(Span::from_secs(into), None);
    let mut all = Vec::new();
    for output in outputs {
        merger.push(output, &mut all)?;
    }
    all.extend(merger.finish());
    Ok(all)
}

fn rows(output: &Output) -> Vec<(u64, Vec<Value>)> {
    let Output::Records(records) = output else { return Vec::new() };
    let values = |row| (0..records.cells.len()).map(|c| records.value(row, c)).collect();
    (0..records.rows()).map(|row| (records.starts[row].parts().0, values(row))).collect()
}

#[test]
fn rows_of_one_key_become_one_by_what_their_columns_hold() {
    let outputs = [second(10, &[(1, 50), (2, 100)]), second(13, &[(2, 40)]), second(15, &[(2, 9)])];
    let all = merged(5, outputs.map(Output::Records).to_vec()).expect("columns that merge");
    let time = |sec| Value::Time(Ts::new(sec, 5));
    let number = |n| Value::Uint(n);
    let both = vec![addr(2), number(140), number(40), number(100), time(10), time(13), 0.4.into()];
    let mut one = row(1, 10, 50);
    one[6] = Value::Float(0.2);
    assert_eq!(rows(&all[0]), [(10, one), (10, both)]);
    assert_eq!(rows(&all[1]).len(), 1);
    let Output::Records(records) = &all[0] else { panic!("records") };
    assert_eq!((records.len, records.cut, &records.schema), (Span::from_secs(5), false, &flows()));
}

#[test]
fn merging_twice_is_merging_once() {
    let seconds = (0..600).map(|s| second(s, &[(s as u8 % 7, s), (200, 1)])).map(Output::Records);
    let seconds: Vec<Output> = seconds.collect();
    let once = merged(300, seconds.clone()).expect("columns that merge");
    let minutes = merged(60, seconds).expect("columns that merge");
    let twice = merged(300, minutes).expect("columns that merge");
    for (once, twice) in once.iter().zip(&twice) {
        for (a, b) in rows(once).iter().zip(&rows(twice)) {
            // Rates are sums of fractions, which depend a little on their order.
            assert_eq!(a.1[..6], b.1[..6]);
        }
    }
    assert_eq!(once.len(), 2);
}

#[test]
fn what_was_cut_stays_marked_and_keeps_its_ranks() {
    let top = |sec, rows: &[(u8, u64)]| Records { cut: true, ..second(sec, rows) };
    let outputs = [top(0, &[(9, 70), (1, 60)]), top(1, &[(5, 90), (9, 3)]), second(2, &[(1, 1)])];
    let all = merged(5, outputs.map(Output::Records).to_vec()).expect("columns that merge");
    let Output::Records(records) = &all[0] else { panic!("records") };
    assert!(records.cut);
    let order: Vec<Value> = (0..3).map(|row| records.value(row, 0)).collect();
    assert_eq!(order, [addr(5), addr(9), addr(1)]);
}

#[test]
fn rows_that_were_ranked_stay_so_and_others_are_in_the_order_of_their_keys() {
    let order = |seconds: [&[(u8, u64)]; 2]| {
        let outputs = [second(0, seconds[0]), second(1, seconds[1])].map(Output::Records);
        let all = merged(5, outputs.to_vec()).expect("columns that merge");
        let Output::Records(records) = &all[0] else { panic!("records") };
        assert!(!records.cut);
        (0..records.rows()).map(|row| records.value(row, 0)).collect::<Vec<_>>()
    };
    assert_eq!(order([&[(9, 70), (1, 60)], &[(5, 80)]]), [addr(5), addr(9), addr(1)]);
    assert_eq!(order([&[(1, 70), (9, 60)], &[(5, 80)]]), [addr(1), addr(5), addr(9)]);
    assert_eq!(order([&[(9, 60), (1, 70)], &[(5, 80)]]), [addr(1), addr(5), addr(9)]);
}

#[test]
fn gaps_stand_behind_the_interval_they_begin_in() {
    let gap = |from, to| Output::Gap { from: Ts::new(from, 0), to: Ts::new(to, 0) };
    let records = |sec| Output::Records(second(sec, &[(1, 1)]));
    let outputs = vec![gap(0, 3), records(7), gap(8, 400), records(401), records(404)];
    let all = merged(5, outputs).expect("columns that merge");
    assert_eq!([&all[0], &all[2]], [&gap(0, 3), &gap(8, 400)]);
    assert_eq!(rows(&all[1])[0].0, 5);
    assert_eq!(rows(&all[3])[0].0, 400);
    assert_eq!(all.len(), 4);
}

#[test]
fn a_capture_that_is_read_twice_makes_records_of_its_own_times() {
    let block = |secs: std::ops::Range<u64>| {
        let mut records = Records::empty(flows(), SECOND);
        secs.for_each(|sec| records.push(Ts::new(sec, 0), row(1, sec, 10)));
        Output::Records(records)
    };
    let all = merged(60, vec![block(0..180), block(0..180)]).expect("columns that merge");
    let seen: Vec<(u64, Value)> =
        all.iter().flat_map(rows).map(|(start, mut row)| (start, row.remove(1))).collect();
    let minute = |start| (start, Value::Uint(600));
    let once = [minute(0), minute(60), minute(120)];
    assert_eq!(seen, [once.clone(), once].concat());
}

#[track_caller]
fn check_refused(column: Column, len: Span, into: u64, words: &str) {
    let schema = Schema::new([Column::new("packets", Type::Uint).of("count()"), column]);
    let error = check(&schema, len, Span::from_secs(into), None).expect_err("it does not merge");
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn what_does_not_merge_is_named() {
    let bitmap = Column::new("hosts", Type::Uint).of("bitmap(\"ip.src\", 100000000)");
    let words = "column `hosts` cannot be merged, what makes its `bitmap(\"ip.src\", 100000000)`";
    check_refused(bitmap, SECOND, 60, words);
    check_refused(Column::new("x", Type::Uint), SECOND, 60, "values that the module makes itself");
    let sum = || Column::new("n", Type::Uint).of("sum(\"len\")");
    check_refused(
        sum(),
        Span::from_secs(7),
        60,
        "its records are of 7s, which do not add up to 1m",
    );
    check_refused(sum(), Span(0), 60, "single instants");
    let fine = check(&flows(), SECOND, Span::from_secs(60), None);
    assert_eq!(fine, Ok(()));
}

/// Keeps the longer of two texts, and counts how many are merged between two beginnings.
#[derive(Default)]
struct Longer {
    key: Vec<String>,
    counts: Arc<Mutex<Vec<usize>>>,
}

impl Merge for Longer {
    fn key(&self) -> &[String] {
        &self.key
    }

    fn renew(&mut self) {
        self.counts.lock().push(0);
    }

    fn merge(
        &mut self,
        _: Interval,
        _: &Schema,
        a: &[Value],
        b: &[Value],
    ) -> Result<Vec<Value>, Fault> {
        *self.counts.lock().last_mut().expect("it has begun") += 1;
        let longer = if a[1].to_string().len() > b[1].to_string().len() { a } else { b };
        Ok(vec![Value::Null, longer[1].clone()])
    }
}

#[test]
fn a_module_merges_in_its_own_way_by_its_own_key() {
    let columns = [Column::new("host", Type::Text), Column::new("said", Type::Text)];
    let mut records = Records::empty(Arc::new(Schema::new(columns)), SECOND);
    for (sec, host, said) in [(0, "a", "hello"), (1, "b", "x"), (1, "a", "no"), (6, "a", "new")] {
        records.push(Ts::new(sec, 0), [host, said].map(Value::from));
    }
    let own = Box::new(Longer { key: vec!["host".to_owned()], ..Longer::default() });
    let mut merger = Merger::new(Span::from_secs(5), Some(own));
    let mut all = Vec::new();
    merger.push(Output::Records(records), &mut all).expect("it merges");
    all.extend(merger.finish());
    let text = |host: &str, said: &str| vec![Value::from(host), Value::from(said)];
    assert_eq!(rows(&all[0]), [(0, text("a", "hello")), (0, text("b", "x"))]);
    assert_eq!(rows(&all[1]), [(5, text("a", "new"))]);
}

#[test]
fn a_module_merges_a_batch_of_rows_at_a_time_however_many_intervals_they_are_of() {
    let columns = [Column::new("host", Type::Text), Column::new("said", Type::Text)];
    let mut records = Records::empty(Arc::new(Schema::new(columns)), SECOND);
    // Of each ten rows of an interval the last nine are merged.
    for sec in 0..2 * ROWS_PER_CALL as u64 + 100 {
        records.push(Ts::new(sec, 0), ["a", "x"].map(Value::from));
    }
    let own = Longer { key: vec!["host".to_owned()], ..Longer::default() };
    let counts = own.counts.clone();
    let mut merger = Merger::new(Span::from_secs(10), Some(Box::new(own)));
    merger.push(Output::Records(records), &mut Vec::new()).expect("it merges");
    assert_eq!(*counts.lock(), [256 - 26, 256 - 26, 100 - 10]);
}

/// How many records, and how many of them cut, come of one interval with one row of each of so many
/// schemas, whose texts are so long.
fn of_schemas(schemas: usize, text_bytes: usize) -> (usize, usize) {
    let own = Box::new(Longer { key: vec!["text".to_owned()], ..Longer::default() });
    let mut merger = Merger::new(Span::from_secs(5), Some(own));
    let mut all = Vec::new();
    for n in 0..schemas {
        let columns = [Column::new("text", Type::Text), Column::new(format!("n{n}"), Type::Uint)];
        let mut records = Records::empty(Arc::new(Schema::new(columns)), SECOND);
        records.push(Ts::new(0, 0), [Value::from("x".repeat(text_bytes)), Value::Uint(1)]);
        merger.push(Output::Records(records), &mut all).expect("it merges");
    }
    all.extend(merger.finish());
    let cut = |output: &&Output| matches!(output, Output::Records(records) if records.cut);
    (all.len(), all.iter().filter(cut).count())
}

#[test]
fn an_interval_whose_records_have_ever_other_columns_is_cut() {
    assert_eq!(of_schemas(SCHEMAS_MAX, 1), (SCHEMAS_MAX, 0));
    assert_eq!(of_schemas(SCHEMAS_MAX + 100, 1), (SCHEMAS_MAX, SCHEMAS_MAX));
    // Together they have the room of one.
    assert!(of_schemas(20, 8 << 20).0 < 9);
}

#[test]
fn a_rollup_is_known_by_its_name() {
    assert_eq!(name("top", Span::from_secs(60)), "top@1m");
    assert_eq!(len_of("top", "top@1m"), Some(Span::from_secs(60)));
    for other in ["top", "top@", "top@60s", "top@x", "atop@1m", "top@0s"] {
        assert_eq!(len_of("top", other), None, "{other}");
    }
}

#[test]
fn what_to_try_stands_last_where_a_rollup_is_given_up() {
    let own = RollupError::GivenUp(Box::new(RollupError::Own("a.lua:3: no; nil".into())));
    let told = own.to_string();
    assert!(
        told.starts_with("its own `merge` failed: a.lua:3: no; nil, and keeps failing"),
        "{told}"
    );
    assert!(told.ends_with("; try it with `como check`"), "{told}");
    let single = RollupError::GivenUp(Box::new(RollupError::Instants)).to_string();
    assert!(single.ends_with("; leave that out"), "{single}");
}
