//! Answers that go on with what comes.

use super::*;

#[test]
fn past_and_present_meet_without_gap_or_repeat() {
    let mut room = Room::new();
    let query = parsed("module=traffic&time=-8s:").expect("a query");
    let store = room.store.clone();
    let feed = room.feed.clone();
    let place = Place { store: &*store, feed: Some(&feed), running: &[], packets: None };
    let mut answer = Answer::open(&query, place).expect("an answer");
    // Committed after the subscription and before the scan: stored, and told.
    room.commit(20, 22);
    assert_eq!(steps(&mut answer), ((12..20).collect(), false));
    assert_eq!(steps(&mut answer), (vec![20, 21], false));
    room.commit(22, 25);
    room.feed.close();
    assert_eq!(steps(&mut answer), (vec![22, 23, 24], true));
    assert_eq!(answer.report().rows, 13);
}

#[test]
fn following_ends_with_the_time_asked_for() {
    let mut room = Room::new();
    let query = parsed("module=traffic&time=0:+3s").expect("a query");
    let (store, feed) = (room.store.clone(), room.feed.clone());
    let place = Place { store: &*store, feed: Some(&feed), running: &[], packets: None };
    let mut cut = Answer::open(&query, place).expect("an answer");
    let mut timed = Answer::open(&query, place).expect("an answer");
    room.commit(20, 22);
    room.commit(22, 24);
    assert_eq!(steps(&mut timed), (vec![], false));
    assert_eq!(steps(&mut cut), (vec![], false));
    assert_eq!(steps(&mut timed).0, vec![20, 21, 22]);
    while !steps(&mut timed).1 {}
    room.commit(24, 25);
    assert_eq!(steps(&mut cut), (vec![20, 21, 22], true));
}

#[test]
fn where_all_sources_have_ended_only_who_says_so_waits_on() {
    let mut room = Room::new();
    let (store, feed) = (room.store.clone(), room.feed.clone());
    let place = Place { store: &*store, feed: Some(&feed), running: &[], packets: None };
    let ask = |text: &str| Answer::open(&parsed(text).expect("a query"), place).expect("an answer");
    let mut answer = ask("module=traffic&time=-2s:+9s");
    let mut waits = ask("module=traffic&time=-2s:+9s&wait=yes");
    assert_eq!(steps(&mut answer), (vec![18, 19], false));
    assert_eq!(steps(&mut waits), (vec![18, 19], false));
    feed.set_over(true);
    room.commit(20, 22);
    assert_eq!(steps(&mut answer), (vec![20, 21], false));
    assert_eq!(steps(&mut waits), (vec![20, 21], false));
    while !steps(&mut answer).1 {}
    assert_eq!(answer.report(), Report { rows: 4, gaps: 1, damaged: 0 });
    for _ in 0..10 {
        assert_eq!(steps(&mut waits), (vec![], false));
    }
    // Another has begun.
    feed.set_over(false);
    room.commit(22, 24);
    assert_eq!(steps(&mut waits), (vec![22, 23], false));
}

#[test]
fn what_is_of_other_packets_from_a_redeployment_on_is_a_gap_to_who_follows() {
    let mut room = Room::new();
    let query = parsed("module=traffic&filter=all&time=0:+9s").expect("a query");
    let (store, feed) = (room.store.clone(), room.feed.clone());
    let place = Place { store: &*store, feed: Some(&feed), running: &[], packets: None };
    let mut answer = Answer::open(&query, place).expect("an answer");
    room.commit(20, 22);
    let about = About { module: "traffic".into(), filter: "tcp".into(), ..About::default() };
    room.writer.open("traffic", about).expect("a store that works");
    room.commit(22, 24);
    let mut told = Vec::new();
    while let Ok(step) = answer.step() {
        match step {
            Step::Output(Output::Gap { from, to }) => told.push((from.parts().0, to.parts().0)),
            Step::Output(output) => told.extend(seconds(&output).into_iter().map(|at| (at, at))),
            Step::Waiting if told.len() < 3 => {}
            _ => break,
        }
    }
    assert_eq!(told, [(20, 20), (21, 21), (22, 24)]);
}

#[test]
fn following_waits_for_the_interval_that_began_in_the_time_asked_for() {
    let mut room = Room::new();
    let mut slow = |sec: u64| {
        let mut slow = Records::empty(records(0..1).schema, Span::from_secs(10));
        slow.push(Ts::new(sec, 0), [sec.into()]);
        room.writer.write("slow", Output::Records(slow)).expect("a store that works");
        room.writer.commit().expect("a store that works");
    };
    slow(10);
    let query = parsed("module=slow&time=10:25").expect("a query");
    let (store, feed) = (room.store.clone(), room.feed.clone());
    let place = Place { store: &*store, feed: Some(&feed), running: &[], packets: None };
    let mut answer = Answer::open(&query, place).expect("an answer");
    assert_eq!(steps(&mut answer), (vec![10], false));
    feed.set_clock(Ts::new(29, 0));
    for _ in 0..10 {
        assert_eq!(steps(&mut answer), (vec![], false));
    }
    slow(20);
    feed.set_clock(Ts::new(30, 0));
    assert_eq!(steps(&mut answer), (vec![20], false));
    while !steps(&mut answer).1 {}
}

#[test]
fn records_that_keep_coming_after_the_end_of_all_sources_are_given() {
    let mut room = Room::new();
    let (store, feed) = (room.store.clone(), room.feed.clone());
    let place = Place { store: &*store, feed: Some(&feed), running: &[], packets: None };
    let query = parsed("module=traffic&time=-1s:+9s").expect("a query");
    let mut answer = Answer::open(&query, place).expect("an answer");
    assert_eq!(steps(&mut answer), (vec![19], false));
    feed.set_over(true);
    for at in 20..24 {
        // More steps in all than it waits after the last.
        assert_eq!(steps(&mut answer), (vec![], false));
        assert_eq!(steps(&mut answer), (vec![], false));
        room.commit(at, at + 1);
        assert_eq!(steps(&mut answer), (vec![at], false));
    }
    while !steps(&mut answer).1 {}
    assert_eq!(answer.report(), Report { rows: 5, gaps: 1, damaged: 0 });
}

/// What is there of a time by now: starts of records and gaps, in seconds.
fn there(place: Place<'_>, text: &str) -> Vec<(u64, u64)> {
    let query = parsed(&format!("module=traffic&wait=no&{text}")).expect("a query");
    let mut answer = Answer::open(&query, place).expect("an answer");
    let mut all = Vec::new();
    loop {
        match answer.step().expect("a store that works") {
            Step::Output(Output::Gap { from, to }) => all.push((from.parts().0, to.parts().0)),
            Step::Output(output) => all.extend(seconds(&output).into_iter().map(|at| (at, at))),
            Step::End => return all,
            _ => {}
        }
    }
}

#[test]
fn where_all_sources_have_ended_no_interval_is_open() {
    let room = Room::new();
    let running = [("traffic".to_owned(), String::new())];
    let place = Place { running: &running, ..room.place() };
    // The second from 20 on is open.
    assert_eq!(there(place, "time=18:30"), [(18, 18), (19, 19), (21, 30)]);
    room.feed.set_over(true);
    assert_eq!(there(place, "time=18:30"), [(18, 18), (19, 19), (20, 30)]);
    // Nor is one before the first packet of another run.
    let feed = Feed::default();
    let place = Place { feed: Some(&feed), ..place };
    assert_eq!(there(place, "time=18:30"), [(18, 18), (19, 19), (20, 30)]);
}
