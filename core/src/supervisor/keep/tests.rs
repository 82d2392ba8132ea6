//! What is kept, what is acknowledged, and what is a gap.

use super::*;
use crate::module::{Alert, Severity};
use crate::record::{Column, Records, Schema, Type};
use crate::storage::{MemoryStore, RecordStore};
use crate::time::SECOND;

#[test]
fn what_is_committed_is_acknowledged_with_its_end() {
    let store = Arc::new(MemoryStore::default());
    let writer = Writer::new(store.clone(), "node", 1);
    let mut keeper = Keeper::new(writer, SharedBounds::default());
    let keeping = keeper.keeping();
    let schema = Arc::new(Schema::new([Column::new("n", Type::Uint)]));
    let mut records = Records::empty(schema, Span::from_secs(5));
    records.push(Ts::new(10, 0), [7u64.into()]);
    keeper.begin("a", "traffic", "ip").expect("a memory store opens");
    keeper.accept("a", Output::Records(records)).expect("a memory store takes");
    keeper.closed("a", Ts::new(15, 0));
    keeper.closed("silent", Ts::new(20, 0));
    assert!(keeping.read().streams.is_empty() && keeping.read().settled_until.is_empty());
    keeper.commit().expect("a memory store commits");
    let kept = keeping.read().streams["a"].clone();
    let settled = keeping.read().settled_until.clone();
    assert_eq!((settled["a"], settled["silent"]), (Ts::new(15, 0), Ts::new(20, 0)));
    let shown = serde_json::to_value(&*keeping.read()).expect("a status");
    assert_eq!(shown["settled_until"]["silent"], "1970-01-01T00:00:20Z");
    assert_eq!((kept.rows, kept.committed_until.as_str()), (1, "1970-01-01T00:00:15Z"));
    let stream = store.stream("a").expect("a memory store answers").expect("a stream");
    assert_eq!((stream.module.as_str(), stream.filter()), ("traffic", "ip"));
}

/// What a stream has: the start of each record and each gap, in seconds.
fn kept(store: &MemoryStore, name: &str) -> Vec<String> {
    let outputs = crate::storage::Scan::new(store, name, Window::ALL);
    let outputs = outputs.map(|part| part.expect("a memory store answers").output);
    let shown = |output| match output {
        Output::Gap { from, to } => {
            vec![format!("gap {}-{}", from.0 / SECOND, to.0 / SECOND)]
        }
        Output::Records(records) => {
            records.starts.iter().map(|start| (start.0 / SECOND).to_string()).collect()
        }
    };
    outputs.flat_map(shown).collect()
}

#[test]
fn a_time_in_which_nothing_ran_is_a_gap_of_all_that_ran_before() {
    let store = Arc::new(MemoryStore::default());
    let schema = Arc::new(Schema::new([Column::new("n", Type::Uint)]));
    let run = |boot, times: &[(&str, u64, &[u64])]| {
        let writer = Writer::new(store.clone(), "node", boot);
        let mut keeper = Keeper::new(writer, SharedBounds::default());
        for (name, from, starts) in times {
            keeper.begin(name, "traffic", "").expect("a memory store opens");
            keeper.opened(name, Ts::new(*from, 0)).expect("a memory store answers");
            let mut records = Records::empty(schema.clone(), Span::from_secs(1));
            starts.iter().for_each(|start| records.push(Ts::new(*start, 0), [7u64.into()]));
            keeper.accept(name, Output::Records(records)).expect("a memory store takes");
        }
        keeper.end().expect("a memory store commits");
    };
    run(1, &[("all", 10, &[10, 11, 12]), ("some", 10, &[10])]);
    run(2, &[("all", 20, &[20]), ("some", 20, &[25]), ("new", 20, &[21])]);
    assert_eq!(kept(&store, "all"), ["10", "11", "12", "gap 13-20", "20"]);
    // It had nothing to record in between, as the other's records tell.
    assert_eq!(kept(&store, "some"), ["10", "gap 12-20", "25"]);
    assert_eq!(kept(&store, "new"), ["21"]);
}

#[test]
fn what_takes_anothers_place_goes_on_where_that_was_heard_last() {
    let store = Arc::new(MemoryStore::default());
    let writer = Writer::new(store.clone(), "node", 1);
    let mut keeper = Keeper::new(writer, SharedBounds::default());
    let schema = Arc::new(Schema::new([Column::new("n", Type::Uint)]));
    let mut records = Records::empty(schema, Span::from_secs(1));
    records.push(Ts::new(10, 0), [7u64.into()]);
    keeper.begin("a", "traffic", "").expect("a memory store opens");
    keeper.accept("a", Output::Records(records)).expect("a memory store takes");
    keeper.closed("a", Ts::new(15, 0));
    keeper.commit().expect("a memory store commits");
    keeper.begin("a", "traffic", "tcp").expect("a memory store opens");
    keeper.opened("a", Ts::new(15, 0)).expect("a memory store answers");
    keeper.closed("a", Ts::new(16, 0));
    keeper.begin("a", "traffic", "udp").expect("a memory store opens");
    keeper.opened("a", Ts::new(18, 0)).expect("a memory store answers");
    keeper.commit().expect("a memory store commits");
    assert_eq!(kept(&store, "a"), ["10", "gap 16-18"]);
}

#[test]
fn what_is_said_beside_goes_into_streams_of_its_own_and_into_nobody_elses() {
    let store = Arc::new(MemoryStore::default());
    let mut keeper = Keeper::new(Writer::new(store.clone(), "node", 1), SharedBounds::default());
    let schema = Arc::new(Schema::new([Column::new("n", Type::Uint)]));
    let row = || {
        let mut records = Records::empty(schema.clone(), aside::INSTANT);
        records.push(Ts::new(10, 0), [7u64.into()]);
        records
    };
    let alert = Alert {
        ts: Ts::new(10, 0),
        severity: Severity::Info,
        text: "x".to_owned(),
        fields: String::new(),
    };
    keeper.begin("a.taken", "traffic", "").expect("a memory store opens");
    let outputs = vec![("o".into(), row()), ("taken".into(), row())];
    let asides = Asides { alerts: vec![alert], outputs };
    keeper.asides("a", asides).expect("a memory store takes");
    keeper.commit().expect("a memory store commits");
    let rows: Vec<(String, u64)> = keeper
        .keeping()
        .read()
        .streams
        .iter()
        .map(|(name, kept)| (name.clone(), kept.rows))
        .collect();
    assert_eq!(rows, [("a.o".to_owned(), 1), (ALERTS.to_owned(), 1)]);
}

#[test]
fn what_earlier_runs_committed_is_known_and_times_recorded_again_are_named() {
    let store = Arc::new(MemoryStore::default());
    let keeper = |boot| {
        let mut keeper =
            Keeper::new(Writer::new(store.clone(), "n", boot), SharedBounds::default());
        keeper.begin("a", "traffic", "").expect("a memory store opens");
        keeper
    };
    let record = |keeper: &mut Keeper, sec| {
        let schema = Arc::new(Schema::new([Column::new("n", Type::Uint)]));
        let mut records = Records::empty(schema, Span::from_secs(5));
        records.push(Ts::new(sec, 0), [7u64.into()]);
        keeper.accept("a", Output::Records(records)).expect("a memory store takes");
        keeper.commit().expect("a memory store commits");
    };
    let mut first = keeper(1);
    (10..25).step_by(5).for_each(|sec| record(&mut first, sec));
    let mut second = keeper(2);
    let keeping = second.keeping();
    let kept = keeping.read().streams["a"].clone();
    assert_eq!((kept.seq, kept.rows, &*kept.committed_until), (2, 0, "1970-01-01T00:00:25Z"));
    // The last interval goes on, as after a stop.
    record(&mut second, 20);
    assert!(keeping.read().repeated.is_empty());
    (10..20).step_by(5).for_each(|sec| record(&mut second, sec));
    assert_eq!(keeping.read().repeated["a"], "1970-01-01T00:00:10Z");
}

#[test]
fn an_interval_that_goes_on_is_not_recorded_twice_where_its_length_has_changed() {
    #[track_caller]
    fn check(stored: &[(u64, u64)], then: (u64, u64), repeats: bool) {
        let store = Arc::new(MemoryStore::default());
        let mut keeping = None;
        for (boot, rows) in [stored, &[then]].into_iter().enumerate() {
            let writer = Writer::new(store.clone(), "n", boot as u64);
            let mut keeper = Keeper::new(writer, SharedBounds::default());
            keeper.begin("a", "traffic", "").expect("a memory store opens");
            for (start, len) in rows {
                let schema = Arc::new(Schema::new([Column::new("n", Type::Uint)]));
                let mut records = Records::empty(schema, Span::from_secs(*len));
                records.push(Ts::new(*start, 0), [7u64.into()]);
                keeper.accept("a", Output::Records(records)).expect("a memory store takes");
            }
            keeper.commit().expect("a memory store commits");
            keeping = Some(keeper.keeping());
        }
        let repeated = keeping.map(|keeping| !keeping.read().repeated.is_empty());
        assert_eq!(repeated, Some(repeats), "{stored:?} {then:?}");
    }
    check(&[(0, 60), (60, 60)], (91, 1), false);
    check(&[(88, 1), (89, 1), (90, 1)], (60, 60), false);
    check(&[(0, 60), (60, 60)], (58, 1), true);
    check(&[(59, 1), (60, 1), (61, 1)], (0, 60), true);
}
