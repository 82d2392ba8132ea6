//! The time beside an instance's own records: where it meets them.

use super::*;
use crate::query::Own;
use crate::storage::Stream;

/// Records of five seconds from 20 to 40 seconds in the minute, of which packets are kept.
fn own(from: u64, to: u64) -> Own {
    let ts = |sec| Ts::new(sec, 0);
    let stream = Stream { first: Some(ts(20)), end: Some(ts(40)), ..Stream::default() };
    let stream = Stream { name: "c".to_owned(), ..stream };
    Own { len: Span::from_secs(5), ..Own::of(&stream, Window { from: ts(from), to: ts(to) }) }
}

/// Which times are measured afresh of a window.
#[track_caller]
fn check(own: &Own, interval: &str, want: [Option<(u64, u64)>; 2]) {
    let minute = minute();
    let served = minute.past().rests(&asked(interval, ""), own, &Arc::default()).expect("a store");
    let secs = |window: &Window| (window.from.parts().0, window.to.parts().0);
    assert_eq!(served.map(|one| one.map(|(_, window, _)| secs(&window))), want);
}

#[test]
fn what_is_measured_afresh_meets_the_records_where_an_interval_begins() {
    check(&own(5, 60), "5s", [Some((5, 25)), Some((40, 60))]);
    check(&own(7, 52), "5s", [Some((10, 25)), Some((40, 55))]);
    check(&own(20, 40), "5s", [None, None]);
    check(&own(3, 9), "5s", [Some((5, 10)), None]);
    check(&own(50, 70), "5s", [None, Some((50, 70))]);
    // Nothing else has that.
    check(&own(60, 80), "5s", [None, None]);
    // Of longer ones than its own none stands for two.
    check(&own(5, 60), "10s", [Some((10, 20)), Some((40, 60))]);
    // No beginning was asked for.
    check(&Own { window: Window::ALL, ..own(0, 0) }, "5s", [None, None]);
}

#[test]
fn more_comes_of_what_runs() {
    let running = Own { goes_on: Some(Ts::new(43, 0)), ..own(5, 60) };
    check(&running, "5s", [Some((5, 25)), None]);
    check(&Own { stored: None, ..running }, "5s", [Some((5, 40)), None]);
}

#[test]
fn beside_records_of_a_filter_that_nobody_remembers_nothing_is_measured() {
    let tcp = || Some("tcp".to_owned());
    let own = |filters| Own { filters: Some(filters), ..own(5, 60) };
    check(&own([None, tcp()]), "5s", [None, Some((40, 60))]);
    check(&own([tcp(), None]), "5s", [Some((5, 25)), None]);
}

#[test]
fn where_there_is_no_place_nothing_runs() {
    let (minute, lookups) = (minute(), Arc::default());
    let (past, asked) = (minute.past(), asked("5s", ""));
    let fill = |own: &Own, place| {
        let mut wanted = false;
        let filled = past.fill(&asked, own, &lookups, || {
            wanted = true;
            place
        });
        (wanted, filled.expect("a store").is_some())
    };
    assert_eq!(fill(&own(5, 60), None), (true, false));
    assert_eq!(fill(&own(5, 60), Some(())), (true, true));
    // Where nothing serves none is wanted.
    assert_eq!(fill(&own(20, 40), Some(())), (false, false));
}

#[test]
fn packets_that_came_late_count_where_the_records_do_not_have_them_and_once() {
    let minute = Minute { dir: tempfile::tempdir().expect("a directory"), ..minute() };
    let mut writer = minute.keeper();
    // 20, 21, 18, 23, 16, 25, ..: every other one comes later by more than the one before.
    for at in 0..=20 {
        let sec = if at % 2 == 0 { 20 - at } else { 20 + at };
        writer.put(0, LinkType::ETHERNET, Ts::new(sec, 0), &[0; 60], 1000, None);
    }
    drop(writer);
    let (past, asked) = (minute.past(), asked("5s", ""));
    let own = Own { name: "counts".to_owned(), ..own(5, 60) };
    let filled = past.fill(&asked, &own, &Arc::default(), || Some(()));
    let (filling, ()) = filled.expect("a store").expect("packets");
    let (mut run, window) = filling.before.expect("a time before the records");
    assert_eq!(window.to, Ts::new(25, 0));
    assert_eq!(all(&mut run), ([(20, 5)].into(), [(5, 20)].into()));
}

type Pairs = Vec<(u64, u64)>;

/// The start and the packets of each record of a run, and its gaps.
pub(super) fn all(run: &mut Run) -> (Pairs, Pairs) {
    let (mut rows, mut gaps) = (Vec::new(), Vec::new());
    loop {
        match run.step().expect("it runs") {
            Step::Output(Output::Records(records)) => rows.extend((0..records.rows()).map(|row| {
                let packets = records.value(row, 0).as_uint().expect("a count");
                (records.starts[row].0 / SECOND, packets)
            })),
            // It may begin just behind a packet.
            Step::Output(Output::Gap { from, to }) => {
                gaps.push((from.0.div_ceil(SECOND), to.0 / SECOND));
            }
            Step::Damaged(_) | Step::Alert(_) | Step::Waiting => {}
            Step::End => return (rows, gaps),
        }
    }
}

#[test]
fn what_is_measured_otherwise_than_the_records_beside_it_says_so() {
    let minute = minute();
    let mut writer = Writer::new(minute.store.clone(), "node", 1);
    writer.open("c", About::default()).expect("memory");
    let schema = Schema::new([Column::new("packets", Type::Uint).of("max(\"len\")")]);
    let mut records = Records::empty(Arc::new(schema), Span::from_secs(5));
    (20..40).step_by(5).for_each(|start| records.push(Ts::new(start, 0), [5u64.into()]));
    writer.write("c", Output::Records(records)).expect("memory");
    writer.commit().expect("memory");
    let lookups = Arc::default();
    let served = minute.past().rests(&asked("5s", ""), &own(5, 60), &lookups).expect("a store");
    let doubts = served.map(|one| one.and_then(|(chosen, _, _)| chosen.doubt));
    let why = "`packets` is what a script makes it, and `max(\"len\")` in the records beside it";
    assert_eq!(doubts, [Some(why.to_owned()), Some(why.to_owned())]);
}
