//! Attaching, replacing and detaching while packets flow.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::*;

/// A source that delivers one packet at each second it is handed, as a pipe would.
struct Piped {
    description: Description,
    secs: Receiver<u64>,
}

impl Source for Piped {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        let Ok(sec) = self.secs.recv() else { return Ok(Turn::End) };
        let mut one = Scripted {
            description: self.description.clone(),
            secs: vec![sec],
            at: 0,
            fails: false,
        };
        one.next(chunk)?;
        Ok(Turn::More)
    }
}

/// A source of packets at seconds that are handed over, until nobody does any more.
pub(super) fn piped(secs: Receiver<u64>) -> Box<dyn Source> {
    Box::new(Piped { description: source(&[]).description().clone(), secs })
}

/// A monitor fed by hand.
struct Fed {
    secs: Sender<u64>,
    monitor: Monitor,
    seen: Seen,
    sent: u64,
}

impl Fed {
    fn start(instances: Vec<Instance>) -> Self {
        let (secs, receiver) = unbounded();
        let seen = Seen::default();
        let sink = Box::new(Collect(seen.clone()));
        let options = Options { workers: 1, ..Options::default() };
        let monitor = Monitor::start(options, vec![piped(receiver)], instances, sink);
        Self { secs, monitor: monitor.expect("a start"), seen, sent: 0 }
    }

    /// Hands over packets and waits until capture has passed them on.
    fn feed(&mut self, secs: &[u64]) {
        for sec in secs {
            self.secs.send(*sec).expect("the source listens");
        }
        self.sent += secs.len() as u64;
        let sent = self.sent;
        self.wait_for(|m| m.status().packets == sent);
    }

    fn wait_for(&self, holds: impl Fn(&Monitor) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !holds(&self.monitor) {
            assert!(Instant::now() < deadline, "waited in vain: {:?}", self.monitor.status());
            std::thread::yield_now();
        }
    }

    fn end(self) -> Vec<(String, String)> {
        drop(self.secs);
        self.monitor.wait();
        self.seen.lock().clone()
    }
}

fn lines<'a>(seen: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    seen.iter().filter(|(n, _)| n == name).map(|(_, line)| line.as_str()).collect()
}

#[test]
fn a_module_that_joins_begins_at_its_next_boundary() {
    let mut fed = Fed::start(vec![counter("old", "5s", 0)]);
    fed.feed(&[1, 2]);
    fed.monitor.attach(counter("new", "10s", 0)).expect("attached");
    fed.feed(&[3, 6, 11, 12]);
    let seen = fed.end();
    assert_eq!(lines(&seen, "old"), ["0 3", "5 1", "10 2"]);
    assert_eq!(lines(&seen, "new"), ["10 2"]);
}

#[test]
fn a_replaced_module_goes_on_until_its_boundary_and_no_packet_counts_twice() {
    let mut fed = Fed::start(vec![counter("c", "5s", 0)]);
    fed.feed(&[1, 2]);
    fed.monitor.attach(counter("c", "10s", 0)).expect("attached");
    fed.feed(&[3, 6, 11]);
    let seen = fed.end();
    assert_eq!(lines(&seen, "c"), ["0 3", "0 1", "10 1"]);
}

#[test]
fn between_a_replaced_module_and_its_successor_no_interval_is_missing() {
    let mut fed = Fed::start(vec![counter("c", "5s", 0)]);
    fed.feed(&[1, 2]);
    fed.monitor.attach(counter("c", "5s", 0)).expect("attached");
    fed.feed(&[16]);
    let seen = fed.end();
    assert_eq!(lines(&seen, "c"), ["0 2", "5 0", "10 0", "15 1"]);
}

#[test]
fn a_replacement_does_not_wait_for_packets_that_never_come() {
    let seen = Seen::default();
    let options = Options { workers: 1, stay: true, ..Options::default() };
    let sink = Box::new(Collect(seen.clone()));
    let (secs, receiver) = unbounded();
    let monitor = Monitor::start(options, vec![piped(receiver)], vec![counter("c", "5s", 0)], sink);
    let mut fed = Fed { secs, monitor: monitor.expect("a start"), seen, sent: 0 };
    fed.feed(&[1, 2]);
    fed.monitor.attach(counter("c", "1s", 0)).expect("attached");
    fed.feed(&[3]);
    let Fed { secs, monitor, seen, .. } = fed;
    drop(secs);
    let flushed = Instant::now() + Duration::from_secs(20);
    while seen.lock().is_empty() && Instant::now() < flushed {
        std::thread::yield_now();
    }
    monitor.add_sources(vec![source(&[11, 12])]).expect("added");
    while seen.lock().len() < 3 && Instant::now() < flushed {
        std::thread::yield_now();
    }
    monitor.stop();
    monitor.wait();
    assert_eq!(lines(&seen.lock(), "c"), ["0 3", "11 1", "12 1"]);
}

#[test]
fn a_detached_module_flushes_and_stops() {
    let mut fed = Fed::start(vec![counter("a", "5s", 0), counter("b", "5s", 0)]);
    fed.feed(&[1, 2]);
    assert!(fed.monitor.detach("a"));
    assert!(!fed.monitor.detach("a"));
    fed.wait_for(|_| !fed.seen.lock().is_empty());
    fed.feed(&[3]);
    let seen = fed.end();
    assert_eq!(lines(&seen, "a"), ["0 2"]);
    assert_eq!(lines(&seen, "b"), ["0 3"]);
}

#[test]
fn stopping_flushes_the_open_interval() {
    let mut fed = Fed::start(vec![counter("a", "5s", 0)]);
    fed.feed(&[1, 2]);
    fed.monitor.stop();
    let seen = fed.end();
    assert_eq!(lines(&seen, "a"), ["0 2"]);
}

#[test]
fn a_monitor_that_stays_flushes_when_its_sources_end_and_takes_new_ones() {
    let seen = Seen::default();
    let options = Options { workers: 1, stay: true, ..Options::default() };
    let sink = Box::new(Collect(seen.clone()));
    let monitor = Monitor::start(options, vec![], vec![], sink).expect("a start");
    monitor.attach(counter("a", "5s", 0)).expect("attached");
    let wait_for = |lines: usize| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while seen.lock().len() < lines {
            assert!(Instant::now() < deadline, "waited in vain: {:?}", seen.lock());
            std::thread::yield_now();
        }
    };
    monitor.add_sources(vec![source(&[1, 2, 6])]).expect("added");
    wait_for(2);
    monitor.add_sources(vec![source(&[11])]).expect("added");
    wait_for(3);
    monitor.stop();
    monitor.wait();
    assert_eq!(lines(&seen.lock(), "a"), ["0 2", "5 1", "10 1"]);
}

#[test]
fn no_module_takes_the_name_of_anothers_output() {
    let fed = Fed::start(vec![with_output("good", "long")]);
    let why = "rows of the output `long` of module `good` and records of the module `good.long` \
               would be kept under one name: give one of them another";
    let refused = |instance| fed.monitor.attach(instance).expect_err("refused").to_string();
    assert_eq!(refused(counter("good.long", "1s", 0)), why);
    assert!(fed.monitor.attach(counter("good.short", "1s", 0)).is_ok());
    // Nor has a module an output of another's name.
    let why = why.replace("long", "short");
    assert_eq!(refused(with_output("good", "short")), why);
    assert!(fed.monitor.attach(with_output("good", "none")).is_ok());
    assert!(fed.monitor.attach(counter("good.long", "1s", 0)).is_ok());
    fed.end();
}
