//! How soon a script that goes on for ever is stopped, in the CPU time of the thread that runs it:
//! a busy machine makes no difference to that.

use std::path::Path;
use std::time::Duration;

use como_core::batch::Batch;
use como_core::costs::thread_cpu_ns;
use como_core::intern::Interner;
use como_core::module::{Export, Fault, Limit, Limits, Setup, Started};
use como_core::packet::build::{Frame, batch_of};
use como_core::selection::Selection;
use como_core::time::{Interval, Ts};
use como_scripting::load_text;

/// What nearly all calls, and the longest of all, may take until they have stopped.
const MOST: Duration = Duration::from_millis(150);
const WORST: Duration = Duration::from_millis(300);

/// How many of a hundred calls are nearly all.
const NEARLY_ALL: usize = 99;

fn cpu() -> Duration {
    Duration::from_nanos(thread_cpu_ns())
}

fn batch(started: &Started) -> Batch {
    let frame = |n: u32| {
        let (a, b) = (format!("10.0.0.{}:{}", n % 5, 1000 + n), format!("10.1.0.{}:80", n % 3));
        Frame::udp(a.as_str(), b.as_str()).len(60 + n as usize).ts(Ts::new(1000, 0))
    };
    let mut batch = batch_of((0..40).map(frame));
    batch.decode(started.demand);
    Interner::default().fill(&mut batch, started.demand);
    batch
}

/// The CPU times of the calls of a script that were stopped for taking too long.
fn stopped(started: &mut Started) -> Vec<Duration> {
    let mut times = Vec::new();
    let batch = batch(started);
    let mut picked = Selection::all(batch.len());
    let mut note = |began: Duration, fault: Option<Fault>| {
        let late = fault.is_some_and(|fault| fault.limit == Some(Limit::Cpu));
        times.extend(late.then(|| cpu().saturating_sub(began)));
    };
    for _ in 0..2 {
        let began = cpu();
        started.module.check(&batch, &mut picked);
        note(began, started.module.fault());
        let began = cpu();
        started.module.update(&batch, &Selection::all(batch.len()));
        note(began, started.module.fault());
    }
    let interval = Interval::holding(Ts::new(1000, 0), started.interval);
    let mut out = Export::new(interval, started.schema.clone().unwrap_or_default());
    let began = cpu();
    started.module.export(interval, &mut out);
    note(began, started.module.fault());
    times
}

#[track_caller]
fn check(language: &str, calls_min: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile").join(language);
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    let mut times = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a script");
        let ends = text.lines().next().and_then(|line| line.split_once(": ")).unwrap_or_default().0;
        if !ends.contains("cpu") {
            continue;
        }
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let setup = Setup { limits: Limits::default(), ..Setup::default() };
        let Ok(kind) = load_text(&name, &text) else { continue };
        let Ok(mut started) = kind.start(&setup) else { continue };
        times.extend(stopped(&mut started).into_iter().map(|time| (time, name.clone())));
    }
    times.sort();
    assert!(times.len() >= calls_min, "only {} calls were stopped", times.len());
    let most = &times[(times.len() * NEARLY_ALL / 100).min(times.len() - 1)];
    let worst = times.last().expect("there are some");
    let what = format!("of {} calls 99 of 100 {most:?}, worst {worst:?}", times.len());
    assert!(most.0 < MOST && worst.0 < WORST, "{what}");
}

#[test]
fn lua_is_stopped_soon() {
    check("lua", 60);
}

#[test]
fn rhai_is_stopped_soon() {
    check("rhai", 40);
}
