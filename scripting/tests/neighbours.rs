//! How long a script that loops in its callbacks keeps its neighbours waiting on a live wire, in
//! the CPU time of the worker that they share.
//!
//! Each call has its own limit, and so has a turn of a script, in which several are called: those
//! that end an interval, and those that take a batch. Here one, some or all of them go on for ever.

use std::sync::Arc;
use std::time::Duration;

use como_core::batch::Batch;
use como_core::costs::thread_cpu_ns;
use como_core::module::{Export, Kind, Limits, Manifest, Module, ModuleError, Setup, Started};
use como_core::packet::build::Frame;
use como_core::packet::{LinkType, Packet};
use como_core::record::{Output, Schema};
use como_core::selection::Selection;
use como_core::source::{Chunk, Description, Pace, Source, SourceError, Turn};
use como_core::supervisor::counters::TaskStatus;
use como_core::supervisor::{Instance, Monitor, Options, Sink, SinkError};
use como_core::time::{Interval, Span, Ts};
use como_scripting::load_text;
use parking_lot::Mutex;

/// What the neighbour may wait nine times of ten, and at most.
const MOST: Duration = Duration::from_millis(150);
const WORST: Duration = Duration::from_millis(300);

/// Turns of the source: in each an interval ends.
const TURNS: u64 = 24;

fn cpu() -> Duration {
    Duration::from_nanos(thread_cpu_ns())
}

/// A wire, with one packet a second.
struct Wire(Description, u64);

impl Source for Wire {
    fn description(&self) -> &Description {
        &self.0
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        let frame = Frame::udp("10.0.0.1:1000", "10.0.0.2:53").ts(Ts::new(1000 + self.1, 0));
        let mut bytes = Vec::new();
        frame.write(&mut bytes);
        let len = bytes.len() as u32;
        let (ts, link) = (frame.seen(), LinkType::ETHERNET);
        let (offset, cap_len, wire_len, region, source, marks) = (0, len, len, 0, 0, 0);
        let packet = Packet { ts, offset, cap_len, wire_len, region, link, source, marks };
        chunk.packets.push(packet);
        chunk.regions.push(Arc::new(bytes));
        self.1 += 1;
        Ok(if self.1 == TURNS { Turn::End } else { Turn::More })
    }
}

/// Waits between two of its calls, in CPU time of the thread that calls it.
type Waits = Arc<Mutex<Vec<Duration>>>;

/// A module that does nothing but to look how long it was kept waiting.
struct Neighbour {
    manifest: Manifest,
    waits: Waits,
}

impl Kind for Neighbour {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn start(&self, _: &Setup) -> Result<Started, ModuleError> {
        Ok(Started {
            module: Box::new(Waiting { waits: self.waits.clone(), since: None }),
            filter: String::new(),
            demand: Default::default(),
            interval: Span::from_secs(1),
            schema: Some(Arc::new(Schema::new([]))),
            apart: false,
        })
    }
}

struct Waiting {
    waits: Waits,
    since: Option<Duration>,
}

impl Waiting {
    fn called(&mut self) {
        if let Some(since) = self.since {
            self.waits.lock().push(cpu().saturating_sub(since));
        }
        self.since = Some(cpu());
    }
}

impl Module for Waiting {
    fn update(&mut self, _: &Batch, _: &Selection) {
        self.called();
    }

    fn export(&mut self, _: Interval, _: &mut Export) {
        self.called();
    }
}

struct Nobody;

impl Sink for Nobody {
    fn accept(&mut self, _: &str, _: Output) -> Result<(), SinkError> {
        Ok(())
    }
}

/// How long the neighbour of a script waited, the longest last, and what became of the script.
fn waits(file: &str, text: &str) -> (Vec<Duration>, TaskStatus) {
    let waits = Waits::default();
    let manifest = Manifest { name: "neighbour".to_owned(), ..Manifest::default() };
    let neighbour = Neighbour { manifest, waits: waits.clone() };
    let attack = load_text(file, text).unwrap_or_else(|error| panic!("{error}"));
    let attack =
        Instance { name: "attack".into(), limits: Limits::default(), ..Instance::of(attack) };
    let neighbour = Instance { name: "neighbour".into(), ..Instance::of(Arc::new(neighbour)) };
    let description = Description {
        links: vec![LinkType::ETHERNET],
        resolution: Span(1),
        ..Description::new("wire".into(), Pace::Live)
    };
    let options = Options { workers: 1, ..Options::default() };
    let sources: Vec<Box<dyn Source>> = vec![Box::new(Wire(description, 0))];
    let monitor = Monitor::start(options, sources, vec![attack, neighbour], Box::new(Nobody));
    let ended = monitor.unwrap_or_else(|error| panic!("{error}")).wait();
    let status = ended.status.tasks.into_iter().find(|task| task.name == "attack");
    let mut waits = std::mem::take(&mut *waits.lock());
    waits.sort();
    (waits, status.expect("the attack's status"))
}

/// Checks that the neighbour of a script that is stopped does not wait for long. On a busy machine
/// the watchdog looks late, and forgives a turn up to 100 ms.
#[track_caller]
fn check(file: &str, text: &str) {
    let (waits, status) = waits(file, text);
    assert!(status.limits.cpu > 1, "{text}: {status:?}");
    let longest = waits.last().expect("the neighbour was called");
    let most = waits[waits.len() * 9 / 10];
    assert!(most < MOST && *longest < WORST, "{text}: {most:?}, {longest:?}");
}

#[test]
fn a_script_in_lua_that_loops_in_its_callbacks_delays_nobody_for_long() {
    let forever = "while true do end";
    let export = "function export() return { n = 1 } end";
    let long = "key = { a = 'ip.src' } value = { n = count() }\n\
                long = { key = { a = 'ip.src' }, value = { n = sum('n') }, timeout = '1h' }";
    for text in [
        format!("function update() {forever} end {export}"),
        format!("function check() {forever} end function update() {forever} end {export}"),
        format!("function update() end function export() {forever} end"),
        format!(
            "function init(a, last) if last then {forever} end return {{}} end\n\
                 function update() {forever} end function export() {forever} end"
        ),
        format!(
            "function update() {forever} end {export}\n\
                 function store(r) {forever} end function load(b) return {{}} end"
        ),
        format!(
            "{long}\nfunction export(t, l) l:fold(t) return {{ n = 1 }} end\n\
                 function action(r) {forever} end\n\
                 function store(r) {forever} end function load(b) return {{}} end"
        ),
        format!(
            "{long}\nfunction init(a, last) if last then {forever} end end\n\
                 function check() {forever} end function export() {forever} end\n\
                 function action(r) {forever} end"
        ),
    ] {
        check("attack.lua", &text);
    }
}

#[test]
fn a_script_in_rhai_that_loops_in_its_callbacks_delays_nobody_for_long() {
    let forever = "loop { }";
    for text in [
        format!("fn update(p, s) {{ {forever} }} fn export(s) {{ #{{ n: 1 }} }}"),
        format!(
            "fn check(p) {{ {forever} }} fn update(p, s) {{ {forever} }}\n\
                 fn export(s) {{ {forever} }}"
        ),
        format!(
            "fn init(a, last) {{ if last != () {{ {forever} }} #{{}} }}\n\
                 fn check(p) {{ {forever} }}\n\
                 fn update(p, s) {{ {forever} }} fn export(s) {{ {forever} }}"
        ),
    ] {
        check("attack.rhai", &text);
    }
}
