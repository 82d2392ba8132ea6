//! When all is over of a monitor that stays: no source can give anything, and all that was made of
//! what they gave is committed.

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::*;

/// What a sink was told, in order.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Record,
    Commit,
    Over(bool),
}

struct Telling(Sender<Said>);

impl Telling {
    fn tell(&self, said: Said) {
        // The test may have seen enough.
        let _ = self.0.send(said);
    }
}

impl Sink for Telling {
    fn accept(&mut self, _: &str, _: Output) -> Result<(), SinkError> {
        self.tell(Said::Record);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), SinkError> {
        self.tell(Said::Commit);
        Ok(())
    }

    fn over(&mut self, is_over: bool) {
        self.tell(Said::Over(is_over));
    }
}

fn start(sources: Vec<Box<dyn Source>>, instances: Vec<Instance>) -> (Monitor, Receiver<Said>) {
    let (tell, told) = unbounded();
    let options = Options { workers: 2, stay: true, ..Options::default() };
    let monitor = Monitor::start(options, sources, instances, Box::new(Telling(tell)));
    (monitor.expect("a start"), told)
}

fn next(told: &Receiver<Said>) -> Said {
    told.recv_timeout(Duration::from_secs(20)).expect("a word")
}

/// What is said of the next commits.
fn over(told: &Receiver<Said>, commits: usize) -> Vec<bool> {
    let said = std::iter::repeat_with(|| next(told));
    let over = said.filter_map(|said| match said {
        Said::Over(is_over) => Some(is_over),
        _ => None,
    });
    over.take(commits).collect()
}

/// Waits for a word before it records an interval.
struct Gated(Receiver<()>);

impl Module for Gated {
    fn update(&mut self, _: &Batch, _: &Selection) {}

    fn export(&mut self, interval: Interval, out: &mut Export) {
        self.0.recv().expect("a word");
        out.record(interval).set("packets", 1u64);
    }
}

#[test]
fn all_is_over_when_what_was_open_at_the_end_is_committed() {
    let (open, gate) = unbounded();
    let gated = |name: &str| {
        let gate = gate.clone();
        let gated = counting_with(move || Box::new(Gated(gate.clone())));
        Instance { name: name.to_owned(), ..gated }
    };
    // Of one interval, so that nobody waits for a word before the end.
    let (monitor, told) = start(vec![source(&[1])], ["a", "b", "c"].map(gated).into());
    while !monitor.status().sources.iter().all(|source| source.ended) {
        std::thread::yield_now();
    }
    for _ in 0..3 {
        assert_eq!(over(&told, 2), [false, false]);
        open.send(()).expect("a module that waits");
    }
    let mut said = Vec::new();
    while said.last() != Some(&Said::Over(true)) {
        said.push(next(&told));
    }
    let last = said.iter().rposition(|said| *said == Said::Record).expect("the last record");
    assert!(said[last..].contains(&Said::Commit), "{said:?}");
    assert_eq!(over(&told, 2), [true, true]);
    monitor.stop();
    monitor.wait();
}

#[test]
fn a_monitor_without_sources_is_over_once_it_knows_that_there_are_to_be_none() {
    let (monitor, told) = start(vec![], vec![counter("a", "1s", 0)]);
    assert_eq!(over(&told, 3), [false, false, false]);
    monitor.add_sources(vec![]).expect("none");
    while over(&told, 1) == [false] {}
    // Another begins, and waits for its end.
    let (end, secs) = unbounded();
    let piped = super::deploy::piped(secs);
    monitor.add_sources(vec![piped]).expect("a source");
    while over(&told, 1) == [true] {}
    assert_eq!(over(&told, 2), [false, false]);
    drop(end);
    while over(&told, 1) == [false] {}
    monitor.stop();
    monitor.wait();
}
