//! What is stored of packets of which some were shed.

use super::*;
use crate::source::Covered;

/// The minute, in which `names` say that packets were shed from `from` seconds on, and no more from
/// `until` on, if that is said.
fn shed(names: &[&str], times: (u64, Option<u64>)) -> Minute {
    shed_of(names, times, 0)
}

/// The same, with `counts` from `first` seconds on alone.
fn shed_of(names: &[&str], (from, until): (u64, Option<u64>), first: u64) -> Minute {
    let minute = minute();
    let store = Arc::new(MemoryStore::default());
    let mut writer = Writer::new(store.clone(), "node", 1);
    for name in ["kept", "counts"] {
        let about = About { module: "traffic".to_owned(), ..About::default() };
        writer.open(name, about).expect("memory");
        let schema = minute.store.schemas(name).expect("memory").remove(0).1;
        let first = if name == "counts" { first } else { 0 };
        for start in (first..60).step_by(5) {
            let has_shed = start >= from && until.is_none_or(|until| start < until);
            let mut covered = Covered { source: "live:eth0".to_owned(), ..Covered::default() };
            if has_shed && names.contains(&name) {
                covered.add_shed();
            }
            writer.cover(name, &[covered]);
            let mut records = Records::empty(schema.clone(), Span::from_secs(5));
            records.push(Ts::new(start, 0), [5u64.into(), 5000u64.into()]);
            writer.write(name, Output::Records(records)).expect("memory");
        }
    }
    writer.commit().expect("memory");
    Minute { store, ..minute }
}

/// Of what a question about 10 to 40 seconds is answered, and what is said to be inexact.
#[track_caller]
fn check(minute: &Minute, interval: &str, source: &str, want: &[&str]) {
    let window = Window { from: Ts::new(10, 0), to: Ts::new(40, 0) };
    let run = minute.past().run(asked(interval, ""), &Over::Best, window, Arc::default());
    let run = run.expect("an answer");
    assert!(run.sources()[0].sources[0].source.ends_with(source), "{:?}", run.sources());
    let (lines, lineage) = said(run);
    let counted = lines.iter().filter_map(|line| line.split(' ').nth(1)?.parse::<u64>().ok());
    assert_eq!(counted.sum::<u64>(), 30);
    let inexact: Vec<_> =
        lineage.iter().filter_map(|said| said.strip_prefix("inexact: ")).collect();
    assert_eq!(inexact, want);
}

const ON: &str = "some of its packets were shed from 1970-01-01T00:00:20Z on";

#[test]
fn a_question_about_a_time_in_which_packets_were_shed_is_answered_and_says_so() {
    let both = ["kept", "counts"];
    check(&shed(&both, (20, None)), "3s", "packets of kept", &[ON]);
    check(&shed(&both, (20, None)), "5s", "records of counts", &[ON]);
    let between = "some of its packets were shed between 1970-01-01T00:00:20Z and \
                   1970-01-01T00:00:30Z";
    check(&shed(&both, (20, Some(30))), "3s", "packets of kept", &[between]);
}

#[test]
fn a_time_before_or_behind_that_in_which_packets_were_shed_is_exact() {
    let both = ["kept", "counts"];
    check(&shed(&both, (40, None)), "3s", "packets of kept", &[]);
    check(&shed(&both, (0, Some(10))), "3s", "packets of kept", &[]);
}

#[test]
fn what_was_shed_is_read_only_where_nothing_exact_serves_for_as_much() {
    check(&shed(&["counts"], (20, None)), "5s", "packets of kept", &[]);
    check(&shed(&["kept"], (20, None)), "5s", "records of counts", &[]);
    let exact_in_part = shed_of(&["kept"], (20, None), 15);
    check(&exact_in_part, "5s", "packets of kept", &[ON]);
}

#[test]
fn what_is_explained_says_since_when_packets_were_shed() {
    let minute = shed(&["kept"], (20, None));
    let window = Window { from: Ts::new(10, 0), to: Ts::new(40, 0) };
    let shown = minute.past().explain(asked("3s", ""), window, &Arc::default()).expect("a store");
    assert_eq!((shown.value(0, 0), shown.value(0, 12)), ("kept".into(), Value::Bool(true)));
    assert_eq!(shown.value(0, 14), ON.into());
}
