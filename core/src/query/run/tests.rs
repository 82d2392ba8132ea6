//! Runs for one question: records as they close, faults, and readers that leave.

mod beside;
mod damaged;
mod passed;

use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::*;
use crate::batch::Batch;
use crate::module::{Export, Kind, Manifest, Module, ModuleError, Setup, Started};
use crate::selection::Selection;
use crate::source::{Chunk, Description, SourceError, Turn};
use crate::supervisor::tests::{counter, source};
use crate::time::{SECOND, Ts};

fn window(from: u64, to: u64) -> Window {
    Window { from: Ts::new(from, 0), to: Ts::new(to, 0) }
}

/// What a run says, step by step: the seconds at which records start, and how it ended.
fn said(mut run: Run) -> (Vec<String>, Result<Report, String>) {
    let mut lines = Vec::new();
    loop {
        match run.step() {
            Ok(Step::Output(Output::Records(records))) => {
                lines.extend(records.starts.iter().map(|start| (start.0 / SECOND).to_string()));
            }
            Ok(Step::Output(Output::Gap { from, to })) => {
                lines.push(format!("gap {}-{}", from.0 / SECOND, to.0 / SECOND));
            }
            Ok(Step::Damaged(_) | Step::Alert(_) | Step::Waiting) => {}
            Ok(Step::End) => return (lines, Ok(run.report())),
            Err(error) => return (lines, Err(error.to_string())),
        }
    }
}

#[test]
fn records_are_those_of_intervals_that_touch_the_window() {
    let sources = vec![source(&[1, 6, 11, 16, 21])];
    let run =
        Run::start(counter("c", "5s", 0), sources, window(7, 16), Arc::default()).expect("a start");
    let (lines, report) = said(run);
    assert_eq!(lines, ["5", "10", "15"]);
    assert_eq!(report.expect("no fault").rows, 3);
}

#[test]
fn a_module_that_fails_says_so_behind_what_it_gave() {
    let sources = vec![source(&[1, 2, 6, 7, 8])];
    let run =
        Run::start(counter("c", "5s", 3), sources, Window::ALL, Arc::default()).expect("a start");
    let (_, report) = said(run);
    assert!(report.expect_err("a fault").contains("`c` broke off: panicked: unlucky"));
}

/// Packets of two intervals, and one of a third that waits until it is wanted.
struct Held {
    inner: Box<dyn Source>,
    wanted: crossbeam_channel::Receiver<()>,
    turns: u32,
}

impl Source for Held {
    fn description(&self) -> &Description {
        self.inner.description()
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        self.turns += 1;
        if self.turns == 2 {
            let waited = self.wanted.recv_timeout(Duration::from_secs(60));
            let name = "nothing was recorded before all was read".to_owned();
            let why = "waited in vain".to_owned();
            waited.map_err(|_| SourceError::Device { name, why })?;
        }
        self.inner.next(chunk)
    }
}

#[test]
fn the_first_record_is_given_before_the_window_is_read_through() {
    let (want, wanted) = bounded(1);
    let held = Held { inner: source(&[1, 6, 7, 8]), wanted, turns: 0 };
    let sources: Vec<Box<dyn Source>> = vec![Box::new(held)];
    let mut run =
        Run::start(counter("c", "5s", 0), sources, Window::ALL, Arc::default()).expect("a start");
    let first = loop {
        match run.step().expect("no fault") {
            Step::Output(Output::Records(records)) => break records,
            step => assert_eq!(step, Step::Waiting),
        }
    };
    assert_eq!(first.starts, [Ts::new(0, 0)]);
    want.send(()).expect("it waits");
    assert_eq!(said(run).0, ["5"]);
}

#[test]
fn one_that_nobody_waits_for_ends() {
    let seconds: Vec<u64> = (0..100_000).collect();
    let sources = vec![source(&seconds)];
    let mut run =
        Run::start(counter("c", "1s", 0), sources, Window::ALL, Arc::default()).expect("a start");
    while !matches!(run.step(), Ok(Step::Output(_))) {}
    // As dropping it does: nobody reads, and it is told so.
    let leg = run.legs.pop_front().expect("it runs");
    let (status, _) = leg.end().expect("it ran");
    assert!(status.packets < 100_000, "{}", status.packets);
}

#[test]
fn one_that_is_given_up_ends_with_the_batch_that_it_is_at() {
    let (entered, entries) = bounded(1);
    let (go_on, gate) = bounded(1);
    let batches = Arc::new(AtomicUsize::new(0));
    let kind = Gated { batches: batches.clone(), entered, gate, manifest: Manifest::default() };
    let seconds: Vec<u64> = (0..100_000).collect();
    let instance = Instance::of(Arc::new(kind));
    let run = Run::start(instance, vec![source(&seconds)], Window::ALL, Arc::default());
    let mut run = run.expect("a start");
    entries.recv().expect("it runs");
    let leg = run.legs.pop_front().expect("it runs");
    leg.give_up();
    go_on.send(()).expect("it waits");
    leg.end().expect("it ran");
    assert_eq!(batches.load(Relaxed), 1);
}

/// Waits in its first batch until it is let go.
struct Gated {
    batches: Arc<AtomicUsize>,
    entered: Sender<()>,
    gate: Receiver<()>,
    manifest: Manifest,
}

impl Kind for Gated {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn start(&self, _: &Setup) -> Result<Started, ModuleError> {
        let (batches, entered) = (self.batches.clone(), self.entered.clone());
        Ok(Started {
            module: Box::new(Waiting { batches, entered, gate: self.gate.clone() }),
            filter: String::new(),
            demand: crate::field::Demand::NONE,
            interval: Span::from_secs(1),
            schema: None,
            apart: false,
        })
    }
}

struct Waiting {
    batches: Arc<AtomicUsize>,
    entered: Sender<()>,
    gate: Receiver<()>,
}

impl Module for Waiting {
    fn update(&mut self, _: &Batch, _: &Selection) {
        if self.batches.fetch_add(1, Relaxed) == 0 {
            self.entered.send(()).expect("the test listens");
            self.gate.recv().expect("the test lets it go");
        }
    }

    fn export(&mut self, _: Interval, _: &mut Export) {}
}
