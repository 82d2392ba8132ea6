//! A time that leaps ahead: whose is believed, and what becomes of the others.

use std::time::{Duration, Instant};

use crossbeam_channel::unbounded;

use super::backfill::Handed;
use super::*;

/// What is counted in hours of packets of two wires, of which only the first has this machine's
/// times, and how many were late. Each delivery is of one of them, and all of it is waited for.
fn counted(deliveries: &[(usize, &[u64])]) -> (Vec<String>, u64) {
    let (mut sends, mut sources) = (Vec::new(), Vec::<Box<dyn Source>>::new());
    for (name, timed_here) in [("wire", true), ("told", false)] {
        let description =
            Description { timed_here, ..Description::new(name.to_owned(), Pace::Live) };
        let (send, sent) = unbounded();
        sources.push(Box::new(Handed { description, sent }));
        sends.push(send);
    }
    let seen = Seen::default();
    let options = Options { workers: 1, ..Options::default() };
    let sink = Box::new(Collect(seen.clone()));
    let monitor = Monitor::start(options, sources, vec![counter("c", "1h", 0)], sink);
    let monitor = monitor.expect("a start");
    let mut packets = 0;
    for (source, secs) in deliveries {
        packets += secs.len() as u64;
        let sent = secs.iter().map(|sec| (*sec, 1)).collect();
        sends[*source].send(sent).expect("the source listens");
        let deadline = Instant::now() + Duration::from_secs(60);
        while monitor.status().packets < packets {
            assert!(Instant::now() < deadline, "waited in vain: {:?}", monitor.status());
            std::thread::yield_now();
        }
    }
    drop(sends);
    let late = monitor.wait().status.late;
    let lines = seen.lock().iter().map(|(_, line)| line.clone()).collect();
    (lines, late)
}

const WIRE: usize = 0;
const TOLD: usize = 1;
const FAR: u64 = 18_000_000_000;

#[test]
fn beside_a_wire_a_lone_leap_of_another_source_moves_no_clock() {
    assert_eq!(counted(&[(TOLD, &[1, 2, FAR, 3, 4])]), (vec!["0 5".to_owned()], 1));
}

#[test]
fn beside_a_wire_that_is_heard_no_other_source_carries_the_clock_away_however_often_it_says_so() {
    let leaps: &[(usize, &[u64])] =
        &[(WIRE, &[1, 2]), (TOLD, &[FAR; 10]), (TOLD, &[3300]), (TOLD, &[30]), (WIRE, &[40])];
    assert_eq!(counted(leaps), (vec!["0 15".to_owned()], 11));
}

#[test]
fn what_others_say_is_believed_where_no_wire_is_heard_and_enough_agree() {
    let lines = ["0 1", "gap 3600-360000", "360000 64"].map(str::to_owned);
    assert_eq!(counted(&[(TOLD, &[1]), (TOLD, &[360_000; 64])]), (lines.to_vec(), 0));
}

#[test]
fn a_leap_of_this_machines_clock_is_believed() {
    let lines = ["0 2", "gap 3600-360000", "360000 1"].map(str::to_owned);
    assert_eq!(counted(&[(WIRE, &[1, 2, 360_000])]), (lines.to_vec(), 0));
}
