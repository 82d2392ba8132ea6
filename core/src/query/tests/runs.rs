//! Runs that stored times out of order: what lies between them nobody measured.

use super::*;
use crate::query::past::{Heard, Past};
use crate::query::{Over, Rates, Threads};
use crate::record::Schema;
use crate::storage::RedbStore;
use crate::supervisor::tests::counter;
use crate::time::SECOND;

/// The seconds of the records and the gaps that are told in a window, in order.
fn told(steps: &mut dyn Steps) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        match steps.step().expect("no fault") {
            Step::Output(Output::Gap { from, to }) => {
                told.push(format!("gap {}-{}", from.0.div_ceil(SECOND), to.0 / SECOND));
            }
            Step::Output(output) => {
                told.extend(seconds(&output).into_iter().map(|second| second.to_string()));
            }
            Step::End => return told,
            Step::Damaged(_) | Step::Alert(_) | Step::Waiting => {}
        }
    }
}

/// Records of runs, each from a second until another, are answered with and replayed.
#[track_caller]
fn check(runs: &[(u64, u64)], (from, to): (u64, u64), want: &[&str]) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = RedbStore::create(&dir.path().join("records.redb")).expect("a store");
    let stores: [Arc<dyn RecordStore>; 2] = [Arc::new(MemoryStore::default()), Arc::new(file)];
    for store in stores {
        for (boot, (from, to)) in runs.iter().enumerate() {
            let mut writer = Writer::new(store.clone(), "n", boot as u64);
            let about = About { module: "traffic".into(), ..About::default() };
            writer.open("traffic", about).expect("a store that works");
            let known = store.stream("traffic").expect("a store that works");
            let newest = known.and_then(|stream| stream.end);
            if let Some(end) = newest.filter(|end| *end < Ts::new(*from, 0)) {
                // As a monitor does that begins to measure.
                let gap = Output::Gap { from: end, to: Ts::new(*from, 0) };
                writer.write("traffic", gap).expect("room");
            }
            writer.write("traffic", Output::Records(packets(*from..*to))).expect("room");
            writer.commit().expect("a store that works");
        }
        let place = Place { store: &*store, feed: None, running: &[], packets: None };
        let query = parsed(&format!("module=traffic&time={from}:{to}&wait=no")).expect("a query");
        let mut answer = Answer::open(&query, place).expect("an answer");
        assert_eq!(told(&mut answer), want, "{runs:?} {from}-{to}");
        let past = Past {
            store: store.clone(),
            packets: dir.path(),
            own: &|_| None,
            running: &|_| None::<Heard>,
            threads: Threads::default(),
            rates: Arc::<Rates>::default(),
        };
        let window = Window { from: Ts::new(from, 0), to: Ts::new(to, 0) };
        let over = Over::Instance("traffic".to_owned());
        let run = past.run(counter("c", "1s", 0), &over, window, Arc::default());
        assert_eq!(told(&mut run.expect("it serves")), want, "replayed: {runs:?} {from}-{to}");
    }
}

fn packets(secs: std::ops::Range<u64>) -> Records {
    let columns = [
        Column::new("packets", Type::Uint).of("count()"),
        Column::new("bytes", Type::Uint).of("sum(\"len\")"),
    ];
    let mut records = Records::empty(Arc::new(Schema::new(columns)), Span::from_secs(1));
    secs.for_each(|sec| records.push(Ts::new(sec, 0), [1u64.into(), 100u64.into()]));
    records
}

#[test]
fn a_time_between_runs_is_a_gap_wherever_the_time_asked_for_begins_and_ends() {
    let runs = [(30, 32), (10, 12)];
    check(&runs, (10, 32), &["10", "11", "gap 12-30", "30", "31"]);
    check(&runs, (15, 32), &["gap 15-30", "30", "31"]);
    check(&runs, (10, 20), &["10", "11", "gap 12-20"]);
    check(&runs, (11, 31), &["11", "gap 12-30", "30"]);
}

#[test]
fn a_run_of_times_between_two_others_leaves_a_gap_before_it_and_behind() {
    let runs = [(30, 32), (10, 12), (20, 22)];
    check(&runs, (10, 32), &["10", "11", "gap 12-20", "20", "21", "gap 22-30", "30", "31"]);
    check(&runs, (15, 25), &["gap 15-20", "20", "21", "gap 22-25"]);
}

#[test]
fn a_stored_gap_is_told_only_where_nobody_has_listened_since() {
    let runs = [(10, 12), (30, 32), (20, 22)];
    check(&runs, (10, 32), &["10", "11", "gap 12-20", "20", "21", "gap 22-30", "30", "31"]);
    check(&runs, (15, 25), &["gap 15-20", "20", "21", "gap 22-25"]);
    check(&runs, (21, 40), &["21", "gap 22-30", "30", "31", "gap 32-40"]);
    let filled = [(10, 12), (15, 17), (12, 15)];
    check(&filled, (10, 17), &["10", "11", "12", "13", "14", "15", "16"]);
}
