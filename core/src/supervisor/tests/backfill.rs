//! Modules that run over the packet window first: nothing is missing and nothing counts twice.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use tempfile::TempDir;

use super::*;
use crate::addr::Addr;
use crate::module::{Declaration, Declared, trace};
use crate::packet::build::Frame;
use crate::query::{Over, Run, Step, Steps};
use crate::record::Records;
use crate::storage::Window;
use crate::storage::packets::{Place, Room};
use crate::supervisor::counters::Loss;
use crate::table::Aggregate;

/// Packets as a source delivers them at once: a second, and the host a packet is for.
pub(super) type Sent = Vec<(u64, u8)>;

/// A source that delivers the packets it is handed.
pub(super) struct Handed {
    pub(super) description: Description,
    pub(super) sent: Receiver<Sent>,
}

impl Source for Handed {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        let Ok(sent) = self.sent.recv() else { return Ok(Turn::End) };
        for (sec, host) in sent {
            let to = Addr::v4([10, 0, 0, host]);
            let bytes = Frame::udp(Addr::v4([10, 9, 9, 9]), to).bytes();
            let (region, cap_len) = (chunk.regions.len() as u16, bytes.len() as u32);
            chunk.packets.push(Packet {
                ts: Ts::new(sec, 0),
                offset: 0,
                cap_len,
                wire_len: 100 + u32::from(host),
                region,
                link: LinkType::ETHERNET,
                source: 0,
                marks: 0,
            });
            chunk.regions.push(Arc::new(bytes));
        }
        Ok(Turn::More)
    }
}

/// Bytes by destination.
struct Destinations(Manifest);

impl Kind for Destinations {
    fn manifest(&self) -> &Manifest {
        &self.0
    }

    fn start(&self, setup: &Setup) -> Result<Started, ModuleError> {
        let sum = Aggregate::new("sum", &["len".into()]).expect("an aggregate");
        let declared = Declaration::default().key("addr", "ip.dst").expect("a key");
        let interval = Span::from_secs(5);
        let module = Declared::new(&declared.value("bytes", sum), &setup.limits, interval);
        let module = module.expect("a declaration");
        let (filter, demand) = (String::new(), module.demand());
        let schema = Some(module.schema().clone());
        Ok(Started { module: Box::new(module), filter, demand, interval, schema, apart: false })
    }
}

fn destinations(name: &str) -> Instance {
    let manifest = Manifest { name: "destinations".to_owned(), ..Manifest::default() };
    Instance { name: name.to_owned(), ..Instance::of(Arc::new(Destinations(manifest))) }
}

fn late(name: &str, stored: Option<u64>) -> Instance {
    let stored = stored.map(|sec| Ts::new(sec, 0));
    let backfill = Some(Backfill { span: Span::from_secs(3600), stored, shed: Default::default() });
    Instance { backfill, ..destinations(name) }
}

/// Keeps packets.
struct Keeper(Manifest);

impl Kind for Keeper {
    fn manifest(&self) -> &Manifest {
        &self.0
    }

    fn start(&self, setup: &Setup) -> Result<Started, ModuleError> {
        trace::start(&self.0, setup)
    }
}

fn keeper(dir: &TempDir, filter: &str) -> Instance {
    let manifest = Manifest { name: "trace".to_owned(), ..Manifest::default() };
    let packets = Some(Place::Directory(Room::new(dir.path(), 1 << 30)));
    let filter = filter.to_owned();
    Instance { packets, filter, ..Instance::of(Arc::new(Keeper(manifest.with_interval()))) }
}

/// What each instance recorded.
type Told = Arc<Mutex<Vec<(String, Output)>>>;

struct Tell(Told);

/// Of whose records it was said that packets were shed of which they are.
type Shed = Arc<Mutex<Vec<String>>>;

struct TellShed(Shed);

impl Sink for TellShed {
    fn cover(&mut self, instance: &str, sources: &[Covered]) -> Result<(), SinkError> {
        if sources.iter().any(Covered::has_shed) {
            self.0.lock().push(instance.to_owned());
        }
        Ok(())
    }

    fn accept(&mut self, _: &str, _: Output) -> Result<(), SinkError> {
        Ok(())
    }
}

impl Sink for Tell {
    fn accept(&mut self, instance: &str, output: Output) -> Result<(), SinkError> {
        self.0.lock().push((instance.to_owned(), output));
        Ok(())
    }
}

/// A monitor fed by hand.
struct Fed {
    sent: Sender<Sent>,
    monitor: Monitor,
    told: Told,
    packets: u64,
}

impl Fed {
    fn start(instances: Vec<Instance>) -> Self {
        let told = Told::default();
        let sink = Box::new(Tell(told.clone()));
        Self { told, ..Self::telling(sink, instances) }
    }

    /// The same where records go elsewhere.
    fn telling(sink: Box<dyn Sink>, instances: Vec<Instance>) -> Self {
        let (sent, receiver) = unbounded();
        let description = Description::new("handed".to_owned(), Pace::Stream);
        let source = Handed { description, sent: receiver };
        let options = Options { workers: 2, stay: true, ..Options::default() };
        let monitor = Monitor::start(options, vec![Box::new(source)], instances, sink);
        Self { sent, monitor: monitor.expect("a start"), told: Told::default(), packets: 0 }
    }

    /// Hands over packets and waits until capture has passed them on.
    fn feed(&mut self, sent: impl IntoIterator<Item = (u64, u8)>) {
        let sent: Sent = sent.into_iter().collect();
        self.packets += sent.len() as u64;
        self.sent.send(sent).expect("the source listens");
        let packets = self.packets;
        self.wait_for(|m| m.status().packets == packets);
    }

    fn wait_for(&self, holds: impl Fn(&Monitor) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !holds(&self.monitor) {
            assert!(Instant::now() < deadline, "waited in vain: {:?}", self.monitor.status());
            std::thread::yield_now();
        }
    }

    fn past(&self, name: &str) -> Option<String> {
        let tasks = self.monitor.status().tasks;
        tasks.into_iter().find(|task| task.name == name).and_then(|task| task.past)
    }

    fn wait_until_filled_in(&self, name: &str) {
        self.wait_for(|_| self.past(name).as_deref() == Some("filled in"));
    }

    /// What each of these instances recorded in all.
    fn end<const N: usize>(self, names: [&str; N]) -> [Vec<Records>; N] {
        self.monitor.stop();
        assert!(self.monitor.wait().sink.is_none());
        let told = self.told.lock();
        names.map(|name| {
            let own = told.iter().filter(|(instance, _)| instance == name);
            let records = own.map(|(_, output)| match output {
                Output::Records(records) => records.clone(),
                Output::Gap { from, to } => panic!("a gap from {from} to {to}"),
            });
            records.collect()
        })
    }
}

/// Packets of the seconds in a range, to few hosts and then to others.
fn seconds(secs: std::ops::Range<u64>) -> impl Iterator<Item = (u64, u8)> {
    secs.flat_map(|sec| (0..3).map(move |n| (sec, (sec / 4 * 2 + n) as u8)))
}

fn starts(records: &[Records]) -> Vec<u64> {
    let mut starts: Vec<u64> =
        records.iter().flat_map(|r| &r.starts).map(|ts| ts.0 / SECOND).collect();
    starts.dedup();
    starts
}

#[test]
fn a_module_that_comes_late_records_what_one_did_that_was_there_all_along() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut fed = Fed::start(vec![keeper(&dir, ""), destinations("along")]);
    fed.feed(seconds(1..33));
    fed.monitor.attach(late("late", None)).expect("attached");
    fed.wait_until_filled_in("late");
    fed.feed(seconds(33..60));
    fed.monitor.attach(late("later", None)).expect("attached");
    fed.feed(seconds(60..71));
    fed.wait_until_filled_in("later");
    let [along, late, later] = fed.end(["along", "late", "later"]);
    assert_eq!(starts(&along), (0..71).step_by(5).collect::<Vec<_>>());
    assert_eq!(along, late);
    assert_eq!(along, later);
}

#[test]
fn it_joins_at_one_batch_whatever_comes_meanwhile() {
    for round in 0..5 {
        let dir = tempfile::tempdir().expect("a directory");
        let mut fed = Fed::start(vec![keeper(&dir, ""), destinations("along")]);
        fed.feed(seconds(0..10 + round));
        let sent = fed.sent.clone();
        let sending = std::thread::spawn(move || {
            for sec in 10 + round..3000 {
                sent.send(seconds(sec..sec + 1).collect()).expect("the source listens");
            }
        });
        for name in ["a", "b"] {
            fed.monitor.attach(late(name, None)).expect("attached");
        }
        sending.join().expect("no panic");
        fed.wait_for(|m| m.status().packets == 9000);
        ["a", "b"].into_iter().for_each(|name| fed.wait_until_filled_in(name));
        let [along, a, b] = fed.end(["along", "a", "b"]);
        assert_eq!(starts(&along).len(), 600);
        assert!(along == a && along == b);
    }
}

#[test]
fn records_of_packets_of_which_some_were_shed_say_so_of_the_past_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let shed = Shed::default();
    let mut fed = Fed::telling(Box::new(TellShed(shed.clone())), vec![keeper(&dir, "")]);
    fed.feed(seconds(1..23));
    fed.monitor.attach(late("whole", None)).expect("attached");
    fed.wait_until_filled_in("whole");
    let trace = fed.monitor.counters().task("trace").expect("it runs");
    trace.note_shed("trace", 3, Loss::Queue);
    fed.monitor.attach(late("late", None)).expect("attached");
    fed.wait_for(|_| fed.past("late").is_some_and(|past| past.starts_with("filled in, inexact")));
    fed.end([]);
    let of = |name: &str| shed.lock().iter().any(|instance| instance == name);
    assert!(of("late") && !of("whole"), "{:?}", shed.lock());
    // As the records of that run say to the next one.
    let mut fed = Fed::telling(Box::new(TellShed(shed.clone())), vec![keeper(&dir, "")]);
    fed.feed(seconds(40..50));
    let next = [("behind", "trace", 10), ("beside", "other", 20), ("over", "trace", 20)];
    for (name, keeper, until) in next {
        let mut late = late(name, Some(15));
        let backfill = late.backfill.as_mut().expect("a backfill");
        backfill.shed.insert(keeper.to_owned(), Ts::new(until, 0));
        fed.monitor.attach(late).expect("attached");
        fed.wait_for(|_| fed.past(name).is_some_and(|past| past.starts_with("filled in")));
    }
    fed.end([]);
    assert!(of("over") && !of("behind") && !of("beside"), "{:?}", shed.lock());
}

#[test]
fn records_that_are_there_are_not_made_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut fed = Fed::start(vec![keeper(&dir, ""), destinations("along")]);
    fed.feed(seconds(1..33));
    for (name, stored) in [("some", 15), ("none", 35), ("between", 17)] {
        fed.monitor.attach(late(name, Some(stored))).expect("attached");
        fed.wait_until_filled_in(name);
    }
    fed.feed(seconds(33..42));
    let [along, some, none, between] = fed.end(["along", "some", "none", "between"]);
    assert_eq!(some, along[3..]);
    assert_eq!(between, along[4..]);
    assert_eq!(none, along[7..]);
}

#[test]
fn one_that_takes_the_place_of_another_leaves_its_past_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut fed = Fed::start(vec![keeper(&dir, ""), destinations("one"), destinations("along")]);
    fed.feed(seconds(1..8));
    fed.monitor.attach(late("one", None)).expect("attached");
    fed.feed(seconds(8..21));
    assert_eq!(fed.past("one"), None);
    let [one, along] = fed.end(["one", "along"]);
    assert_eq!(one, along);
}

#[test]
fn where_nobody_keeps_its_packets_it_begins_with_the_next_interval_and_says_why() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut fed = Fed::start(vec![keeper(&dir, "tcp")]);
    fed.feed(seconds(1..8));
    fed.monitor.attach(late("late", None)).expect("attached");
    let past = fed.past("late");
    assert_eq!(past.as_deref(), Some("not filled in: `trace` keeps only the packets of `tcp`"));
    (8..12).for_each(|sec| fed.feed(seconds(sec..sec + 1)));
    let [late] = fed.end(["late"]);
    assert_eq!(starts(&late), [10]);
}

#[test]
fn a_monitor_that_begins_fills_in_what_an_earlier_one_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut fed = Fed::start(vec![keeper(&dir, ""), destinations("along")]);
    fed.feed(seconds(1..23));
    let [along] = fed.end(["along"]);
    let mut fed = Fed::start(vec![late("late", Some(10)), keeper(&dir, "")]);
    fed.feed(seconds(23..31));
    fed.wait_until_filled_in("late");
    let [late] = fed.end(["late"]);
    assert_eq!(starts(&late), [10, 15, 20, 25, 30]);
    assert_eq!(late[..2], along[2..4]);
}

#[test]
fn the_time_between_two_monitors_is_a_gap() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut fed = Fed::start(vec![keeper(&dir, "")]);
    fed.feed(seconds(1..13));
    fed.end([]);
    // The first of the next one comes before its module, and then after it has joined.
    for (name, before) in [("after", true), ("before", false)] {
        let mut fed = Fed::start(vec![keeper(&dir, "")]);
        let from = if before { 31 } else { 61 };
        if before {
            fed.feed(seconds(from..from + 2));
        }
        fed.monitor.attach(late(name, Some(from / 30 * 30 - 20))).expect("attached");
        fed.wait_until_filled_in(name);
        fed.feed(seconds(from + 2..from + 6));
        fed.monitor.stop();
        let told = fed.told.clone();
        fed.monitor.wait();
        let told = told.lock();
        let own = told.iter().filter(|(n, _)| n == name);
        let lines: Vec<String> = own.filter_map(|(_, output)| line(output)).collect();
        match before {
            true => assert_eq!(lines, ["10", "gap 15-30", "30", "35"]),
            false => assert_eq!(lines, ["gap 40-60", "60", "65"]),
        }
    }
}

/// When records start, in seconds, and from when until when a gap is.
fn line(output: &Output) -> Option<String> {
    match output {
        Output::Records(records) => Some((records.starts.first()?.0 / SECOND).to_string()),
        Output::Gap { from, to } => Some(format!("gap {}-{}", from.0 / SECOND, to.0 / SECOND)),
    }
}

#[test]
fn one_that_is_detached_or_whose_monitor_ends_while_it_catches_up_is_gone() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut fed = Fed::start(vec![keeper(&dir, "")]);
    fed.feed(seconds(0..2000));
    fed.monitor.attach(late("gone", None)).expect("attached");
    assert!(fed.monitor.detach("gone"));
    fed.monitor.attach(late("ends", None)).expect("attached");
    fed.end([]);
}

/// Reads a run until its end, or until it has given so many records.
fn read(run: &mut Run, rows: u64) -> Vec<Records> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut all = Vec::new();
    while run.report().rows < rows {
        assert!(Instant::now() < deadline, "waited in vain: {:?}", run.report());
        match run.step().expect("no fault") {
            Step::Output(Output::Records(records)) => all.push(records),
            Step::End => break,
            Step::Output(_) | Step::Damaged(_) | Step::Alert(_) | Step::Waiting => {}
        }
    }
    all
}

fn window(from: u64, to: u64) -> Window {
    Window { from: Ts::new(from, 0), to: Ts::new(to, 0) }
}

#[test]
fn a_question_goes_on_from_what_is_kept_to_what_comes() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut fed = Fed::start(vec![keeper(&dir, ""), destinations("along")]);
    fed.feed(seconds(1..33));
    let follow = |over: &Over, window| {
        Run::follow(&fed.monitor, destinations("asked"), over, window).expect("a start")
    };
    let mut ends = follow(&Over::Best, window(10, 50));
    let mut stays = follow(&Over::Instance("trace".to_owned()), window(10, u64::MAX / SECOND));
    let mut past = read(&mut ends, 1);
    assert_eq!(ends.sources()[0].sources[0].source, "handed");
    // No seat of theirs is anybody's instance.
    assert_eq!(fed.monitor.status().tasks.len(), 2);
    fed.feed(seconds(33..71));
    past.extend(read(&mut ends, u64::MAX));
    let until = past.iter().map(|r| r.rows() as u64).sum();
    let also = read(&mut stays, until);
    drop(stays);
    fed.feed(seconds(71..81));
    let [along] = fed.end(["along"]);
    assert_eq!(starts(&past), [10, 15, 20, 25, 30, 35, 40, 45]);
    assert_eq!(past, along[2..10]);
    assert_eq!(also, past);
}

#[test]
fn what_was_kept_by_another_filter_is_filled_in_for_nobody() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut fed = Fed::start(vec![keeper(&dir, "dst net 10.0.0.0/28")]);
    fed.feed(seconds(1..30));
    fed.end([]);
    let mut fed = Fed::start(vec![keeper(&dir, ""), destinations("along")]);
    fed.feed(seconds(30..60));
    fed.monitor.attach(late("late", None)).expect("attached");
    fed.wait_until_filled_in("late");
    let best = Over::Best;
    let mut early =
        Run::follow(&fed.monitor, destinations("asked"), &best, window(20, 50)).expect("a start");
    let error = loop {
        if let Err(error) = early.step() {
            break error.to_string();
        }
    };
    let why = "`trace` kept only the packets of `dst net 10.0.0.0/28` until";
    assert!(error.contains(why), "{error}");
    fed.feed(seconds(60..71));
    let [late, along] = fed.end(["late", "along"]);
    assert_eq!(starts(&late)[0], 30);
    assert_eq!(late, along);
}

#[test]
fn a_question_goes_on_only_from_packets_that_are_being_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut fed = Fed::start(vec![keeper(&dir, "tcp"), destinations("along")]);
    fed.feed(seconds(1..8));
    let why = |over: &Over| {
        let run = Run::follow(&fed.monitor, destinations("asked"), over, Window::ALL);
        run.err().expect("a refusal").to_string()
    };
    let told = why(&Over::Best);
    assert!(told.contains("`trace` keeps only the packets of `tcp`"), "{told}");
    let told = why(&Over::Instance("along".to_owned()));
    assert!(told.contains("`along` keeps no packets now"), "{told}");
    let named = Over::Instance("trace".to_owned());
    let run = Run::follow(&fed.monitor, destinations("asked"), &named, Window::ALL);
    let sources = run.expect("a start").sources()[0].sources.clone();
    assert_eq!(sources[0].lineage, ["inexact: it has only the packets of `tcp`"]);
    fed.end([]);
}

#[test]
fn a_question_ends_with_its_module_and_with_the_monitor() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut fed = Fed::start(vec![keeper(&dir, "")]);
    fed.feed(seconds(1..8));
    let from = window(0, u64::MAX / SECOND);
    let follow =
        |instance| Run::follow(&fed.monitor, instance, &Over::Best, from).expect("a start");
    let mut unlucky = follow(counter("c", "5s", 3));
    let error = loop {
        if let Err(error) = unlucky.step() {
            break error.to_string();
        }
    };
    assert!(error.contains("`c` broke off: panicked: unlucky"), "{error}");
    let mut ends = follow(destinations("asked"));
    assert_eq!(starts(&read(&mut ends, 1)), [0]);
    fed.end([]);
    assert_eq!(starts(&read(&mut ends, u64::MAX)), [5]);
}
