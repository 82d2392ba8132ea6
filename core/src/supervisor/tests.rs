//! A whole monitor over made-up packets: intervals, gaps, merging, faults, replacement.

mod backfill;
mod deploy;
mod leaps;
mod over;

use std::sync::Arc;

use parking_lot::Mutex;

use super::*;
use crate::batch::Batch;
use crate::field::{Field, Fields};
use crate::lookup::Subject;
use crate::module::{Asides, Export, Fault, Kind, Manifest, Module, ModuleError, Started};
use crate::packet::{LinkType, Packet, Weight};
use crate::record::{Column, Output, Schema, Type, Value};
use crate::selection::Selection;
use crate::source::{Chunk, Covered, Description, Pace, SourceError, Turn};
use crate::storage::packets::Spot;
use crate::time::{Interval, SECOND, Span, Ts};

/// A source that delivers one packet at each of these seconds, a few at a time.
struct Scripted {
    description: Description,
    secs: Vec<u64>,
    at: usize,
    fails: bool,
}

pub(crate) fn source(secs: &[u64]) -> Box<dyn Source> {
    let description = Description {
        links: vec![LinkType::RAW],
        resolution: Span(1),
        ..Description::new("scripted".into(), Pace::Stored)
    };
    Box::new(Scripted { description, secs: secs.to_vec(), at: 0, fails: false })
}

impl Source for Scripted {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        let to = self.secs.len().min(self.at + 3);
        for sec in &self.secs[self.at..to] {
            chunk.packets.push(Packet {
                ts: Ts::new(*sec, 0),
                offset: 0,
                cap_len: 1,
                wire_len: 100,
                region: 0,
                link: LinkType::RAW,
                source: 0,
                marks: 0,
            });
        }
        chunk.regions.push(Arc::new(vec![0u8]));
        self.at = to;
        if to < self.secs.len() {
            return Ok(Turn::More);
        }
        if self.fails {
            let why = "cut short".to_owned();
            return Err(SourceError::Format { name: "scripted".into(), why, offset: 7 });
        }
        Ok(Turn::End)
    }
}

/// Counts packets; panics when it sees its unlucky number of them, or when it is asked this.
struct Counting {
    packets: u64,
    unlucky: u64,
    never: &'static str,
}

impl Counting {
    fn asked(&self, what: &str) {
        assert_ne!(self.never, what, "never ask");
    }
}

impl Module for Counting {
    fn update(&mut self, batch: &Batch, picked: &Selection) {
        self.packets += batch.packets().sum(picked);
        assert!(self.unlucky == 0 || self.packets < self.unlucky, "unlucky");
    }

    fn export(&mut self, interval: Interval, out: &mut Export) {
        out.record(interval).set("packets", std::mem::take(&mut self.packets));
        self.asked("export");
    }

    fn state_bytes(&self) -> usize {
        self.asked("state");
        0
    }

    fn fault(&mut self) -> Option<Fault> {
        self.asked("fault");
        None
    }

    fn asides(&mut self) -> Asides {
        self.asked("asides");
        Asides::default()
    }

    fn mark(&mut self, _: crossbeam_channel::Sender<Spot>) {
        self.asked("mark");
    }
}

/// A counting module as a kind.
struct Counter {
    manifest: Manifest,
    make: Box<dyn Fn() -> Box<dyn Module> + Send + Sync>,
}

impl Kind for Counter {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn start(&self, setup: &Setup) -> Result<Started, ModuleError> {
        let args = self.manifest.resolve(&setup.args)?;
        Ok(Started {
            module: (self.make)(),
            filter: String::new(),
            demand: crate::field::Demand::NONE,
            interval: args.span("interval").expect("a default"),
            schema: Some(Arc::new(Schema::new([Column::new("packets", Type::Uint)]))),
            apart: true,
        })
    }
}

pub(crate) fn counter(name: &str, interval: &str, unlucky: u64) -> Instance {
    counting(name, interval, (unlucky, ""))
}

fn counting(name: &str, interval: &str, (unlucky, never): (u64, &'static str)) -> Instance {
    let mut instance = counting_with(move || Box::new(Counting { packets: 0, unlucky, never }));
    instance.name = name.to_owned();
    instance.args.set("interval", Value::Text(interval.into()));
    instance
}

/// An instance of this module.
pub(crate) fn counting_with(
    make: impl Fn() -> Box<dyn Module> + Send + Sync + 'static,
) -> Instance {
    let manifest = Manifest { name: "c".into(), ..Manifest::default() }.with_interval();
    Instance::of(Arc::new(Counter { manifest, make: Box::new(make) }))
}

/// A counting instance that has an output.
fn with_output(name: &str, output: &str) -> Instance {
    let outputs = vec![output.to_owned()];
    let manifest = Manifest { name: name.into(), outputs, ..Manifest::default() };
    let make = || -> Box<dyn Module> { Box::new(Counting { packets: 0, unlucky: 0, never: "" }) };
    Instance::of(Arc::new(Counter { manifest: manifest.with_interval(), make: Box::new(make) }))
}

/// What a test's sink has seen: (instance, "start packets" or "gap from-to").
type Seen = Arc<Mutex<Vec<(String, String)>>>;

struct Collect(Seen);

impl Sink for Collect {
    fn accept(&mut self, instance: &str, output: Output) -> Result<(), SinkError> {
        let lines: Vec<String> = match output {
            Output::Gap { from, to } => vec![format!("gap {}-{}", from.0 / SECOND, to.0 / SECOND)],
            Output::Records(records) => (0..records.rows())
                .map(|row| {
                    let packets = records.value(row, 0).as_uint().expect("a count");
                    format!("{} {packets}", records.starts[row].0 / SECOND)
                })
                .collect(),
        };
        self.0.lock().extend(lines.into_iter().map(|line| (instance.to_owned(), line)));
        Ok(())
    }
}

fn run(sources: Vec<Box<dyn Source>>, instances: Vec<Instance>) -> (Vec<(String, String)>, Ended) {
    let seen = Seen::default();
    let options = Options { workers: 2, ..Options::default() };
    let sink = Box::new(Collect(seen.clone()));
    let monitor = Monitor::start(options, sources, instances, sink).expect("a start");
    let ended = monitor.wait();
    let seen = seen.lock().clone();
    (seen, ended)
}

#[track_caller]
fn check(secs: &[u64], want: &[&str]) {
    let (seen, _) = run(vec![source(secs)], vec![counter("c", "5s", 0)]);
    let lines: Vec<&str> = seen.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(lines, want);
}

#[test]
fn each_packet_is_counted_once_in_its_aligned_interval() {
    check(&[3, 4, 5, 9, 10], &["0 2", "5 2", "10 1"]);
}

#[test]
fn silence_is_records_of_zeros() {
    check(&[1, 17], &["0 1", "5 0", "10 0", "15 1"]);
}

#[test]
fn a_confirmed_leap_is_one_gap_however_long() {
    let far = 315_360_000;
    let last = format!("{far} 4");
    check(&[1, far, far + 1, far + 1, far + 2], &["0 1", &format!("gap 5-{far}"), &last]);
}

#[test]
fn a_packet_ahead_of_its_time_moves_no_clock_though_a_batch_ends_with_it() {
    let mut batch = Batch::default();
    batch.clock = Ts::new(1, 0);
    for (sec, marks) in [(1, 0), (315_360_000, Packet::AHEAD)] {
        let mut chunk = Chunk::default();
        source(&[sec]).next(&mut chunk).expect("a packet");
        batch.push(Packet { marks, ..chunk.packets[0] }, None);
    }
    let counters = Counters::default();
    counters.note_batch(&batch);
    assert_eq!(counters.clock(), Some(Ts::new(1, 0)));
}

#[test]
fn no_packet_at_all_is_no_record() {
    check(&[], &[]);
}

#[test]
fn sources_merge_by_time() {
    let sources = vec![source(&[1, 6, 7, 11, 12, 13]), source(&[2, 3, 4, 8, 14])];
    let (seen, ended) = run(sources, vec![counter("c", "5s", 0)]);
    let lines: Vec<&str> = seen.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(lines, ["0 4", "5 3", "10 4"]);
    assert_eq!((ended.status.packets, ended.status.late), (11, 0));
}

#[test]
fn a_packet_that_comes_late_is_counted_as_late_in_the_interval_that_is_open() {
    let (seen, ended) = run(vec![source(&[1, 6, 2, 7])], vec![counter("c", "5s", 0)]);
    let lines: Vec<&str> = seen.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(lines, ["0 1", "5 3"]);
    assert_eq!((ended.status.packets, ended.status.late), (4, 1));
}

#[test]
fn packets_are_counted_for_what_they_stand_for() {
    let mut weighed = source(&[1, 2]);
    let mut chunk = Chunk::default();
    weighed.next(&mut chunk).expect("packets");
    chunk.weights = vec![Weight { packets: 10, bytes: 700 }];
    chunk.settle_weights();
    let source = SourceCounters::new(weighed.description());
    let counters = Counters::default();
    source.note_read(&chunk, chunk.stands_for());
    counters.add_source(Arc::new(source));
    let mut batch = Batch::default();
    batch.push_all(&chunk.packets, &chunk.weights);
    counters.note_batch(&batch);
    let status = counters.status();
    assert_eq!((status.packets, status.bytes), (11, 800));
    assert_eq!((status.sources[0].packets, status.sources[0].bytes), (11, 800));
}

#[test]
fn tasks_of_different_intervals_each_get_theirs() {
    let instances = vec![counter("a", "5s", 0), counter("b", "10s", 0)];
    let (seen, _) = run(vec![source(&[1, 6, 12])], instances);
    let of = |name: &str| -> Vec<String> {
        seen.iter().filter(|(n, _)| n == name).map(|(_, line)| line.clone()).collect()
    };
    assert_eq!(of("a"), ["0 1", "5 1", "10 1"]);
    assert_eq!(of("b"), ["0 2", "10 1"]);
}

#[test]
fn a_panic_parks_its_module_and_no_other() {
    let instances = vec![counter("bad", "5s", 2), counter("good", "5s", 0)];
    let (seen, ended) = run(vec![source(&[1, 2, 6])], instances);
    assert!(seen.iter().all(|(name, _)| name == "good"));
    assert_eq!(seen.len(), 2);
    let bad = ended.status.tasks.iter().find(|t| t.name == "bad").expect("a task");
    assert!(bad.parked);
    assert_eq!(bad.last_fault.as_deref(), Some("panicked: unlucky"));
}

#[test]
fn a_panic_parks_its_module_and_no_other_whatever_it_was_asked() {
    for never in ["export", "state", "fault", "asides"] {
        let instances = vec![counting("bad", "5s", (0, never)), counter("good", "5s", 0)];
        let seen = Seen::default();
        let options = Options { workers: 1, ..Options::default() };
        let sink = Box::new(Collect(seen.clone()));
        let monitor = Monitor::start(options, vec![source(&[1, 2, 6])], instances, sink);
        let tasks = monitor.expect("a start").wait().status.tasks;
        assert!(tasks.iter().all(|task| task.parked == (task.name == "bad")), "{never}");
        let of = |name: &str| seen.lock().iter().filter(|(n, _)| n == name).count();
        assert_eq!(of("good"), 2, "{never}");
        assert_eq!(of("bad"), usize::from(never == "asides"), "{never}");
    }
}

#[test]
fn a_source_cut_short_gives_all_it_holds_and_says_so() {
    let mut cut = Scripted {
        description: source(&[]).description().clone(),
        secs: vec![1, 2],
        at: 0,
        fails: false,
    };
    cut.fails = true;
    let (seen, ended) = run(vec![Box::new(cut)], vec![counter("c", "5s", 0)]);
    assert_eq!(seen, [("c".to_owned(), "0 2".to_owned())]);
    assert_eq!(ended.status.sources[0].error.as_deref(), Some("`scripted`: cut short, at byte 7"));
}

#[test]
fn a_sink_that_panics_ends_also_a_monitor_that_would_stay() {
    struct Broken;
    impl Sink for Broken {
        fn accept(&mut self, _: &str, _: Output) -> Result<(), SinkError> {
            panic!("broken")
        }
    }
    let options = Options { workers: 1, stay: true, ..Options::default() };
    let (sources, instances) = (vec![source(&[1, 6])], vec![counter("c", "5s", 0)]);
    let monitor = Monitor::start(options, sources, instances, Box::new(Broken)).expect("a start");
    let sink = monitor.wait().sink.expect("an error");
    assert_eq!(sink.to_string(), "the export thread panicked");
}

#[test]
fn two_modules_of_one_name_are_refused() {
    let instances = vec![counter("c", "5s", 0), counter("c", "5s", 0)];
    let started =
        Monitor::start(Options::default(), vec![], instances, Box::new(Collect(Seen::default())));
    assert!(matches!(started, Err(AttachError::Twice(name)) if name == "c"));
}

#[test]
fn a_task_takes_packets_of_the_sources_that_suit_and_its_records_say_which() {
    #[derive(Clone, Default)]
    struct Covers(Seen);
    impl Sink for Covers {
        fn cover(&mut self, instance: &str, sources: &[Covered]) -> Result<(), SinkError> {
            let names: Vec<&str> = sources.iter().map(|covered| &covered.source[..]).collect();
            self.0.lock().push((instance.to_owned(), names.join(" ")));
            Ok(())
        }
        fn accept(&mut self, instance: &str, output: Output) -> Result<(), SinkError> {
            Collect(self.0.clone()).accept(instance, output)
        }
    }
    let flows = Fields::of(&[Field::IpDst]);
    let of = |name: &str, offers, secs: &[u64]| -> Box<dyn Source> {
        let description = Description { offers, ..Description::new(name.into(), Pace::Stored) };
        Box::new(Scripted { description, secs: secs.to_vec(), at: 0, fails: false })
    };
    let sources = vec![of("whole", Fields::ALL, &[1, 2, 6]), of("flows", flows, &[1, 3, 7, 8])];
    let all = counter("all", "5s", 0);
    let some = Instance { filter: "not ip.ttl == 5".to_owned(), ..counter("some", "5s", 0) };
    let covers = Covers::default();
    let (options, instances) = (Options { workers: 1, ..Options::default() }, vec![all, some]);
    let monitor = Monitor::start(options, sources, instances, Box::new(covers.clone()));
    let status = monitor.expect("a start").wait().status;
    let seen = covers.0.lock().clone();
    let of = |name: &str| -> Vec<String> {
        seen.iter().filter(|(n, _)| n == name).map(|(_, line)| line.clone()).collect()
    };
    assert_eq!(of("all"), ["whole flows", "0 4", "5 3"]);
    assert_eq!(of("some"), ["whole", "0 2", "5 1"]);
    let sources: Vec<usize> = status.tasks.iter().map(|task| task.sources.len()).collect();
    assert_eq!(sources, [2, 1]);
}

#[test]
fn a_module_that_needs_what_only_several_sources_have_together_is_refused() {
    let offers = [Field::IpTtl, Field::IpTos].map(|field| Fields::of(&[field]));
    let sources = offers.map(offering).into_iter().collect();
    let filter = "ip.ttl < 5 and ip.tos == 0".to_owned();
    let instance = Instance { filter, ..counter("a", "5s", 0) };
    let sink = Box::new(Collect(Seen::default()));
    let refused = Monitor::start(Options::default(), sources, vec![instance], sink).err();
    let want = "module `a` needs fields that no one source has together: `scripted` does not give \
                `ip.tos`; `scripted` does not give `ip.ttl`";
    assert_eq!(refused.map(|error| error.to_string()).as_deref(), Some(want));
}

/// A source whose packets have these fields alone.
fn offering(offers: Fields) -> Box<dyn Source> {
    let description = Description { offers, ..source(&[]).description().clone() };
    Box::new(Scripted { description, secs: vec![1], at: 0, fails: false })
}

#[test]
fn a_module_that_looks_something_up_without_a_table_is_refused() {
    let start = |lookups: Lookups| {
        let filter = "src asn 2529".to_owned();
        let instance = Instance { filter, ..counter("a", "5s", u64::MAX) };
        let options = Options { lookups: Arc::new(lookups), ..Options::default() };
        let sink = Box::new(Collect(Seen::default()));
        Monitor::start(options, vec![source(&[1])], vec![instance], sink)
    };
    let monitor = start(Lookups::default().with(Subject::Asn, Arc::default())).expect("a table");
    // Taken away from one that runs, it is missing for those to come alone.
    monitor.set_lookups(Arc::default());
    let late = Instance { filter: "asn 1".into(), ..counter("b", "5s", u64::MAX) };
    assert!(matches!(monitor.attach(late), Err(AttachError::Table { .. })));
    monitor.wait();
    let refused = start(Lookups::default()).err().expect("no table").to_string();
    assert!(refused.starts_with("module `a`: `src.asn` is looked up in a table"), "{refused}");
}

#[test]
fn a_module_that_needs_what_no_source_has_is_refused() {
    let start = |filter: &str, offers: &[Fields]| {
        let instance = Instance { filter: filter.to_owned(), ..counter("a", "5s", u64::MAX) };
        let sources = offers.iter().map(|offers| offering(*offers)).collect();
        let sink = Box::new(Collect(Seen::default()));
        let refused = Monitor::start(Options::default(), sources, vec![instance], sink).err();
        refused.map(|error| error.to_string())
    };
    let flows = Fields::of(&[Field::IpDst, Field::Dport]);
    let want = "module `a` needs `payload`, the captured bytes behind the transport header, which \
                `scripted` does not give";
    assert_eq!(start("payload contains \"GET \"", &[flows]).as_deref(), Some(want));
    assert!(start("ip.ttl < 5", &[flows]).is_some());
    assert_eq!(start("ip.ttl < 5", &[flows, Fields::ALL]), None);
    assert_eq!(start("dst 10.0.0.1 and less 100", &[flows]), None);
    assert_eq!(start("ip.ttl < 5", &[]), None);
}

/// Records how many batches there were.
struct Batches(u64);

impl Module for Batches {
    fn update(&mut self, _: &Batch, _: &Selection) {
        self.0 += 1;
    }

    fn export(&mut self, interval: Interval, out: &mut Export) {
        out.record(interval).set("packets", std::mem::take(&mut self.0));
    }
}

/// A source whose packets are long in coming, one at a time.
struct Slow(Box<dyn Source>, Description, Vec<Packet>);

impl Source for Slow {
    fn description(&self) -> &Description {
        &self.1
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        if self.2.is_empty() {
            self.0.next(chunk)?;
            self.2.append(&mut chunk.packets);
        } else {
            // Far longer than capture waits for a file at a time.
            std::thread::park_timeout(std::time::Duration::from_millis(100));
        }
        chunk.packets.push(self.2.remove(0));
        Ok(if self.2.is_empty() { Turn::End } else { Turn::More })
    }
}

#[test]
fn batches_of_files_do_not_fall_by_the_clock() {
    let slow = |size_bytes| -> Box<dyn Source> {
        let source = source(&[1, 1, 1]);
        let description = Description { size_bytes, ..source.description().clone() };
        Box::new(Slow(source, description, Vec::new()))
    };
    let batches = |sources| run(sources, vec![counting_with(|| Box::new(Batches(0)))]).0;
    let want = |n: u64| vec![("c".to_owned(), format!("1 {n}"))];
    assert_eq!(batches(vec![slow(Some(1))]), want(1));
    assert_eq!(batches(vec![slow(Some(1)), slow(Some(1))]), want(1));
    assert_eq!(batches(vec![slow(None)]), want(3));
}
