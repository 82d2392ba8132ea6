//! What nobody measured at the ends of a time that is asked for.

use super::fill::all;
use super::*;

/// The minute, and another one from 100 seconds on; `kept` and `counts` say that nobody listened
/// in between.
fn two_minutes() -> Minute {
    let minute = minute();
    let mut packets = minute.keeper();
    let mut writer = Writer::new(minute.store.clone(), "node", 2);
    for name in ["kept", "counts"] {
        let about = About { module: "traffic".to_owned(), ..About::default() };
        writer.open(name, about).expect("room");
        let schema = minute.store.schemas(name).expect("memory").remove(0).1;
        let gap = Output::Gap { from: Ts::new(60, 0), to: Ts::new(100, 0) };
        writer.write(name, gap).expect("memory");
        let mut records = Records::empty(schema, Span::from_secs(5));
        for start in (100..160).step_by(5) {
            records.push(Ts::new(start, 0), [5u64.into(), 5000u64.into()]);
        }
        writer.write(name, Output::Records(records)).expect("memory");
    }
    writer.commit().expect("memory");
    for sec in 100..160 {
        packets.put(0, LinkType::ETHERNET, Ts::new(sec, 0), &[0; 60], 1000, None);
    }
    minute
}

/// The starts of the records of a time, and its gaps, whether those who measured run or not.
#[track_caller]
fn check((from, to): (u64, u64), starts: &[u64], gaps: &[(u64, u64)]) {
    let (minute, window) = (two_minutes(), Window { from: Ts::new(from, 0), to: Ts::new(to, 0) });
    for clock in [None, Some(Ts::new(160, 0))] {
        let past = Past { running: &|_| clock, ..minute.past() };
        for name in ["kept", "counts"] {
            let over = Over::Instance(name.to_owned());
            let run = past.run(asked("5s", ""), &over, window, Arc::default());
            let (rows, told) = all(&mut run.expect("it serves"));
            let begun: Vec<u64> = rows.iter().map(|(start, _)| *start).collect();
            assert_eq!((&begun[..], &told[..]), (starts, gaps), "{name} {clock:?}");
        }
    }
}

#[test]
fn a_time_that_nobody_measured_is_a_gap_also_where_more_is_stored_behind() {
    check((50, 90), &[50, 55], &[(60, 90)]);
    check((70, 80), &[], &[(70, 80)]);
    check((80, 110), &[100, 105], &[(80, 100)]);
}

#[test]
fn a_time_behind_all_is_a_gap_also_where_more_may_come() {
    check((150, 200), &[150, 155], &[(160, 200)]);
}

#[test]
fn a_gap_is_told_to_the_nanosecond_so_that_a_short_record_is_one_that_it_touches() {
    let minute = minute();
    let mut packets = minute.keeper();
    let ts = Ts::new(100, 400_000_000);
    packets.put(0, LinkType::ETHERNET, ts, &[0; 60], 1000, None);
    drop(packets);
    let window = Window { from: Ts::new(59, 0), to: Ts::new(110, 0) };
    let over = Over::Instance("kept".to_owned());
    let mut run = minute.past().run(asked("1s", ""), &over, window, Arc::default());
    let run = run.as_mut().expect("it serves");
    let (mut begun, mut told) = (Vec::new(), Vec::new());
    loop {
        match run.step().expect("it runs") {
            Step::Output(Output::Gap { from, to }) => told.push((from, to)),
            Step::Output(Output::Records(records)) => begun.extend(records.starts),
            Step::End => break,
            _ => {}
        }
    }
    let just_behind = |ts: Ts| Ts(ts.0 + 1);
    let between = (just_behind(Ts::new(59, 0)), ts);
    assert_eq!(told, [between, (just_behind(ts), window.to)]);
    assert_eq!(begun, [Ts::new(59, 0), Ts::new(100, 0)]);
}
