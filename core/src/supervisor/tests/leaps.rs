//! A time that leaps ahead: whose is believed, and what becomes of the others.

use std::time::{Duration, Instant};

use crossbeam_channel::unbounded;

use super::backfill::Handed;
use super::*;

/// What is counted in hours of packets that come to one of two wires, of which only the first has
/// this machine's times; the other one is silent.
fn counted(timed_here: bool, secs: &[u64]) -> (Vec<String>, u64) {
    let (mut sends, mut sources) = (Vec::new(), Vec::<Box<dyn Source>>::new());
    for (name, is_here) in [("wire", true), ("told", false)] {
        let description =
            Description { timed_here: is_here, ..Description::new(name.to_owned(), Pace::Live) };
        let (send, sent) = unbounded();
        sources.push(Box::new(Handed { description, sent }));
        sends.push(send);
    }
    let seen = Seen::default();
    let options = Options { workers: 1, ..Options::default() };
    let sink = Box::new(Collect(seen.clone()));
    let monitor = Monitor::start(options, sources, vec![counter("c", "1h", 0)], sink);
    let monitor = monitor.expect("a start");
    let sent = secs.iter().map(|sec| (*sec, 1)).collect();
    sends[usize::from(!timed_here)].send(sent).expect("the source listens");
    let deadline = Instant::now() + Duration::from_secs(60);
    while monitor.status().packets < secs.len() as u64 {
        assert!(Instant::now() < deadline, "waited in vain: {:?}", monitor.status());
        std::thread::yield_now();
    }
    drop(sends);
    let late = monitor.wait().status.late;
    let lines = seen.lock().iter().map(|(_, line)| line.clone()).collect();
    (lines, late)
}

#[test]
fn beside_a_wire_a_lone_leap_of_another_source_moves_no_clock() {
    let far = 18_000_000_000;
    assert_eq!(counted(false, &[1, 2, far, 3, 4]), (vec!["0 5".to_owned()], 1));
}

#[test]
fn a_leap_of_this_machines_clock_is_believed() {
    let lines = ["0 2", "gap 3600-360000", "360000 1"].map(str::to_owned);
    assert_eq!(counted(true, &[1, 2, 360_000]), (lines.to_vec(), 0));
}
