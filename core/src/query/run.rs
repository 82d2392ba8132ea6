//! A module that runs for one question: over packets of the past, in a monitor of its own.
//!
//! Its threads yield to those that measure what comes now. Whoever loses
//! interest drops it, and it ends. What it has recorded is given as soon as an
//! interval closes, long before the window is read through.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::QueryError;
use super::answer::{Report, Step, Steps};
use crate::costs::let_others_first;
use crate::lookup::Lookups;
use crate::queue::{self, Nothing, Receiver, Sender};
use crate::record::Output;
use crate::source::Source;
use crate::storage::scan::within;
use crate::storage::{Coverage, Window};
use crate::supervisor::counters::Counters;
use crate::supervisor::{AttachError, Instance, Late, Monitor, Options, Sink, SinkError};
use crate::time::{Interval, Span, Ts};

mod follow;

/// What the reader may be behind: so many bytes of records, or so many closed intervals.
const QUEUE_BYTES: usize = 64 << 20;
const QUEUE: usize = 16;

/// How long a step waits.
const PATIENCE: Duration = Duration::from_millis(100);

/// One module at work for one question.
pub struct Run {
    name: String,
    sources: Vec<Coverage>,
    // Why what it runs over is not quite what was asked for.
    reservation: Option<String>,
    // Whether the first thing that goes wrong in the module ends it.
    strict: bool,
    work: Work,
    window: Window,
    report: Report,
    // Until when a follower was told all.
    closed: Option<Ts>,
}

/// Who does the work.
enum Work {
    /// A monitor of its own, over what is stored.
    Own(Monitor, Receiver<Output>),
    /// The monitor that runs, over what it keeps and what comes; and the sources of the newest
    /// records.
    Late(Late, Arc<[u16]>),
    /// Nobody any more.
    Done,
}

impl Run {
    /// Begins to run `instance` over `sources`. Its records are those of intervals that touch
    /// `window`; which packets it sees is the sources' to choose.
    pub fn start(
        instance: Instance,
        sources: Vec<Box<dyn Source>>,
        window: Window,
        lookups: Arc<Lookups>,
    ) -> Result<Self, AttachError> {
        let name = instance.name.clone();
        let covered = sources.iter().map(|source| source.description().covered()).collect();
        let covered = vec![Coverage { since: window.from, sources: covered }];
        let (given, outputs) = queue::bounded_by(QUEUE_BYTES, |output: &Output| {
            output.bytes().max(QUEUE_BYTES / QUEUE)
        });
        let begin = move || {
            // Threads take after the one that starts them.
            let_others_first();
            let options = Options { workers: 1, lookups, writes: false, ..Options::default() };
            Monitor::start(options, sources, vec![instance], Box::new(Desk { given }))
        };
        let thread = thread::Builder::new().name("query run".to_owned()).spawn(begin)?;
        let monitor = thread.join().map_err(|_| AttachError::Ended)??;
        let report = Report::default();
        Ok(Self {
            name,
            sources: covered,
            reservation: None,
            strict: false,
            work: Work::Own(monitor, outputs),
            window,
            report,
            closed: None,
        })
    }

    /// Says of what it runs over that it is not quite what was asked for.
    pub(super) fn reserve(&mut self, reservation: String) {
        self.reservation = Some(reservation);
        self.note_reservation();
    }

    fn note_reservation(&mut self) {
        let Some(reservation) = &self.reservation else { return };
        for source in self.sources.iter_mut().flat_map(|coverage| &mut coverage.sources) {
            source.lineage.push(format!("inexact: {reservation}"));
        }
    }

    /// How far it is, until it has ended.
    pub fn counters(&self) -> Option<Arc<Counters>> {
        match &self.work {
            Work::Own(monitor, _) => Some(monitor.counters()),
            Work::Late(..) | Work::Done => None,
        }
    }

    /// Ends it with the first thing that goes wrong in the module, as it does otherwise where the
    /// module keeps failing.
    pub fn be_strict(&mut self) {
        self.strict = true;
    }

    /// Reads no more for a module that has failed: nothing would come of it. Whether that ends
    /// the answer at once.
    fn stop_if_failed(&mut self) -> bool {
        let Work::Own(monitor, outputs) = &mut self.work else { return false };
        if !monitor.counters().any_failed(self.strict) {
            return false;
        }
        if !self.strict {
            monitor.stop();
            return false;
        }
        monitor.abandon();
        // Frees whoever waits for a place in it.
        (_, *outputs) = queue::bounded(1);
        true
    }

    /// What of an output belongs to the answer.
    fn give(&mut self, output: Output) -> Step {
        match &output {
            Output::Records(records) => {
                // The first interval may have begun before what was asked for.
                let from = match records.len {
                    Span(0) => self.window.from,
                    len => Interval::holding(self.window.from, len).start(),
                };
                let touched = Window { from, ..self.window };
                let Some(output) = within(output, touched) else { return Step::Waiting };
                if let Output::Records(records) = &output {
                    self.report.rows += records.rows() as u64;
                }
                Step::Output(output)
            }
            Output::Gap { .. } => {
                let Some(gap) = within(output, self.window) else { return Step::Waiting };
                self.report.gaps += 1;
                Step::Output(gap)
            }
        }
    }

    /// What became of it, once nothing more comes.
    fn end(&mut self) -> Result<Step, QueryError> {
        let done = std::mem::replace(&mut self.work, Work::Done);
        let Work::Own(monitor, _) = done else { return Ok(Step::End) };
        let counters = monitor.counters();
        let status = monitor.wait().status;
        // What they said of themselves at first may have turned out to be too good.
        for coverage in &mut self.sources {
            coverage.sources = counters.covered(&[0]);
        }
        self.note_reservation();
        let broken = status.sources.into_iter().find_map(|source| source.error);
        // One that only stumbled has answered, and said so in the log.
        let is_failed = |parked, faults| parked || self.strict && faults > 0;
        let failed = status.tasks.into_iter().find(|task| is_failed(task.parked, task.faults));
        let failed = failed.and_then(|task| task.last_fault);
        match broken.or(failed) {
            Some(why) => Err(QueryError::Run { module: self.name.clone(), why }),
            None => Ok(Step::End),
        }
    }
}

impl Steps for Run {
    fn step(&mut self) -> Result<Step, QueryError> {
        if self.stop_if_failed() {
            return self.end();
        }
        let outputs = match &self.work {
            Work::Own(_, outputs) => outputs,
            Work::Late(..) => return self.step_late(),
            Work::Done => return Ok(Step::End),
        };
        match outputs.recv_until(Instant::now() + PATIENCE) {
            Ok(output) => Ok(self.give(output)),
            Err(Nothing::Late) => Ok(Step::Waiting),
            Err(Nothing::Gone) => self.end(),
        }
    }

    fn report(&self) -> Report {
        self.report
    }

    fn sources(&self) -> &[Coverage] {
        &self.sources
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Work::Own(monitor, _) = &self.work {
            // The queue to us closes too, which frees whoever waits for a place in it.
            monitor.abandon();
        }
    }
}

/// Hands records to the one who asked.
struct Desk {
    given: Sender<Output>,
}

impl Sink for Desk {
    fn accept(&mut self, _: &str, output: Output) -> Result<(), SinkError> {
        self.given.send(output).map_err(|_| SinkError::new("nobody waits for the answer any more"))
    }
}

#[cfg(test)]
mod tests;
