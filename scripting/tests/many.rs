//! Many modules at once: what a virtual machine takes, and two hundred of them running.

use std::time::Duration;

use como_core::costs::thread_cpu_ns;
use como_core::intern::Interner;
use como_core::module::{Export, Setup, Started};
use como_core::packet::build::{Frame, batch_of};
use como_core::selection::Selection;
use como_core::time::{Interval, Ts};
use como_scripting::load_text;

/// The most that a small module may hold once it has run.
const SMALL_BYTES_MAX: usize = 1 << 20;

const LUA: &str = r#"-- Bytes of packets as long as this module wants them.
args = { least = 0 }
function init() return { bytes = 0, longest = 0 } end
function update(pkt, state)
  if pkt.len >= args.least then
    state.bytes += pkt.bytes
    state.longest = math.max(state.longest, pkt.len)
  end
end
function export(state) return state end
"#;

const RHAI: &str = r#"// The same.
let args = #{ least: 0 };
fn init(args) { #{ bytes: 0, longest: 0 } }
fn update(pkt, state) {
    if pkt.len >= 0 {
        state.bytes += pkt.bytes;
        if pkt.len > state.longest { state.longest = pkt.len; }
    }
}
fn export(state) { state }
"#;

fn start(file: &str, text: &str) -> Started {
    let kind = load_text(file, text).unwrap_or_else(|error| panic!("{error}"));
    kind.start(&Setup::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs one batch and closes the interval; the bytes that were counted.
fn run(started: &mut Started) -> u64 {
    let frames = (1..=10u32)
        .map(|n| Frame::udp(format!("10.0.0.{n}:1").as_str(), "10.0.1.1:53").len(100 * n as usize));
    let mut batch = batch_of(frames);
    batch.decode(started.demand);
    Interner::default().fill(&mut batch, started.demand);
    let picked = Selection::all(batch.len());
    started.module.update(&batch, &picked);
    let interval = Interval::holding(Ts::new(1, 0), started.interval);
    let mut out = Export::new(interval, started.schema.clone().unwrap_or_default());
    started.module.export(interval, &mut out);
    assert_eq!(started.module.fault(), None);
    let records = out.into_records();
    let column = records[0].schema.columns.iter().position(|c| c.name == "bytes");
    match records[0].value(0, column.expect("the column")) {
        como_core::record::Value::Uint(bytes) => bytes,
        other => panic!("{other}"),
    }
}

#[test]
fn a_small_module_holds_less_than_a_mebibyte() {
    for (file, text) in [("small.lua", LUA), ("small.rhai", RHAI)] {
        let mut started = start(file, text);
        assert_eq!(run(&mut started), 5500);
        let held = started.module.state_bytes();
        assert!(held < SMALL_BYTES_MAX, "{file}: {held} bytes");
    }
}

/// The CPU time that a machine for a small module may take to be made and to begin; more in builds
/// that are not optimised.
const START_MAX: Duration = Duration::from_millis(if cfg!(debug_assertions) { 20 } else { 2 });

#[test]
fn a_small_module_begins_soon() {
    for (file, text) in [("small.lua", LUA), ("small.rhai", RHAI)] {
        let kind = load_text(file, text).unwrap_or_else(|error| panic!("{error}"));
        let start = || {
            let began = thread_cpu_ns();
            let started = kind.start(&Setup::default());
            let took = Duration::from_nanos(thread_cpu_ns() - began);
            assert!(started.is_ok());
            took
        };
        // What else runs on the machine takes caches away: the quickest of some is what it costs.
        let took = (0..20).map(|_| start()).min().expect("some");
        assert!(took < START_MAX, "{file}: {took:?}");
    }
}

#[test]
fn two_hundred_modules_are_loaded_and_run_side_by_side() {
    let mut all: Vec<Started> = (0..200)
        .map(|n| if n % 2 == 0 { start("small.lua", LUA) } else { start("small.rhai", RHAI) })
        .collect();
    for _ in 0..3 {
        assert!(all.iter_mut().all(|started| run(started) == 5500));
    }
    let held: usize = all.iter().map(|started| started.module.state_bytes()).sum();
    assert!(held < 200 * SMALL_BYTES_MAX / 2, "{held} bytes");
}
