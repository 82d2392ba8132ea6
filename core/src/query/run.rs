//! A module that runs for one question: over packets of the past, in a monitor of its own, or in
//! several over parts beside each other.
//!
//! Its threads yield to those that measure what comes now. Whoever loses
//! interest drops it, and it ends. What it has recorded is given as soon as an
//! interval closes, long before the window is read through.

mod follow;
mod gauge;
mod leg;
mod seam;
mod threads;
pub(super) mod unheard;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer::{Report, Step, Steps};
use super::covered::Edges;
use super::rates::{Pair, Rates, Took};
use super::{Missed, QueryError, inexact};
use crate::lookup::Lookups;
use crate::module::Alert;
use crate::queue::Nothing;
use crate::record::Output;
use crate::record::Schema;
use crate::source::{Covered, Source};
use crate::storage::losses::Losses;
use crate::storage::scan::{Damage, within};
use crate::storage::{Coverage, Window};
use crate::supervisor::counters::Status;
use crate::supervisor::{AttachError, Instance, Late};
use crate::time::{Interval, Span, Ts};
pub use gauge::{Far, Gauge};
use leg::{Leg, Room, Uttered};
use seam::Seam;
pub use threads::Threads;
use unheard::Unheard;

/// How long a step waits.
const PATIENCE: Duration = Duration::from_millis(100);

/// One module at work for one question.
pub struct Run {
    name: String,
    sources: Vec<Coverage>,
    // What is said of what it runs over beside what that says itself.
    remarks: Vec<String>,
    // Whether the first thing that goes wrong in the module ends it.
    strict: bool,
    // In the order of time; none once it has ended.
    legs: VecDeque<Leg>,
    // What the legs that have ended turned out to cover.
    covered: Vec<Covered>,
    parts: Option<Parts>,
    seam: Option<Seam>,
    // The monitor that runs, where it goes on with what comes, and the sources of the newest
    // records.
    late: Option<(Late, Arc<[u16]>)>,
    // What it raised there and was not told yet.
    alerts: VecDeque<Alert>,
    // Until when a follower was told all.
    closed: Option<Ts>,
    gauge: Arc<Gauge>,
    // Who remembers what it takes.
    rates: Option<(Arc<Rates>, Pair)>,
    // What is missing of what it runs over, and what is given behind that.
    losses: Losses,
    held: Option<Output>,
    // The times in which it heard nothing, and until when that was told.
    unheard: Unheard,
    told_until: Ts,
    // What of the window nothing covers, or why there is nothing at all.
    edges: Edges,
    missed: Option<Missed>,
    // What its records have, where that is known before the first.
    columns: Option<Arc<Schema>>,
    window: Window,
    report: Report,
}

/// Opens a part of what a module runs over.
pub type Opener = dyn Fn(Window) -> Result<Box<dyn Source>, QueryError> + Send;

/// What a module runs over in parts, a few of them beside each other.
pub struct Parts {
    /// What is run in each.
    pub instance: Instance,
    /// The parts, in the order of time; each begins where an interval of the module does.
    pub windows: VecDeque<Window>,
    /// Opens one.
    pub open: Box<Opener>,
    /// The threads beside the first, which all runs share.
    pub threads: Threads,
    /// The tables that addresses are looked up in.
    pub lookups: Arc<Lookups>,
    /// Where those that are read say what is missing.
    pub losses: Losses,
}

impl Parts {
    /// Begins with the next part, if there is one, and for all but the first of those at work a
    /// thread to spare.
    fn begin(&mut self, is_first: bool) -> Result<Option<Leg>, QueryError> {
        if self.windows.is_empty() {
            return Ok(None);
        }
        let thread = if is_first { None } else { self.threads.take() };
        if !is_first && thread.is_none() {
            return Ok(None);
        }
        let Some(window) = self.windows.pop_front() else { return Ok(None) };
        let sources = vec![(self.open)(window)?];
        let (instance, lookups) = (self.instance.clone(), self.lookups.clone());
        let mut leg = Leg::start(instance, sources, lookups, Room::Beside)?;
        leg.keep(thread);
        Ok(Some(leg))
    }
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
        let size = sources.iter().map(|source| source.description().size_bytes).sum();
        let leg = Leg::start(instance, sources, lookups, Room::Whole)?;
        let mut run = Self::new(name, covered, size, window);
        run.put(leg);
        Ok(run)
    }

    /// Begins to run over parts of `window`, all of which together cover this and have so many
    /// bytes: its records are those of one that runs over all of it.
    pub fn start_beside(
        parts: Parts,
        (covered, size): (Covered, Option<u64>),
        window: Window,
    ) -> Result<Self, QueryError> {
        let task = crate::supervisor::task(parts.instance.clone())?;
        let mut run = Self::new(parts.instance.name.clone(), vec![covered], size, window);
        run.losses = parts.losses.clone();
        run.seam = Some(Seam::new(task.module, task.schema, task.interval, parts.losses.clone()));
        run.parts = Some(parts);
        run.fill()?;
        Ok(run)
    }

    fn new(name: String, covered: Vec<Covered>, size: Option<u64>, window: Window) -> Self {
        Self {
            name,
            sources: vec![Coverage { since: window.from, sources: covered }],
            remarks: Vec::new(),
            strict: false,
            legs: VecDeque::new(),
            covered: Vec::new(),
            parts: None,
            seam: None,
            late: None,
            alerts: VecDeque::new(),
            closed: None,
            gauge: Arc::new(Gauge::new(size)),
            rates: None,
            losses: Losses::default(),
            held: None,
            unheard: Unheard::default(),
            told_until: Ts(0),
            edges: Edges::default(),
            missed: None,
            columns: None,
            window,
            report: Report::default(),
        }
    }

    /// Begins with as many parts as there are threads for.
    fn fill(&mut self) -> Result<(), QueryError> {
        while let Some(parts) = &mut self.parts
            && let Some(leg) = parts.begin(self.legs.is_empty())?
        {
            self.put(leg);
        }
        Ok(())
    }

    fn put(&mut self, leg: Leg) {
        self.gauge.begin(leg.counters());
        self.legs.push_back(leg);
    }

    /// Says of what it runs over that it is not quite what was asked for.
    pub(super) fn reserve(&mut self, reservation: &str) {
        self.remark(inexact::because(reservation));
    }

    /// Says something of what it runs over.
    pub(super) fn remark(&mut self, remark: String) {
        inexact::mark(&mut self.sources, &remark);
        self.remarks.push(remark);
    }

    /// Says where what it runs over tells what is missing.
    pub(super) fn watch(&mut self, losses: Losses) {
        self.losses = losses;
    }

    /// Says where those who read what it runs over tell what they did not hear.
    pub(super) fn attend(&mut self, unheard: Unheard) {
        self.unheard = unheard;
    }

    /// Says what of the window nothing covers.
    pub(super) fn bound(&mut self, edges: Edges) {
        self.edges = edges;
    }

    /// Says that it is over nothing, and why.
    pub(super) fn miss(&mut self, missed: Missed) {
        self.missed = Some(missed);
        self.sources.clear();
    }

    /// Says what its records have.
    pub(super) fn expect(&mut self, columns: Option<Arc<Schema>>) {
        self.columns = columns;
    }

    /// Why there is nothing to answer with, where that is known before it has ended.
    pub fn missed(&self) -> Option<Missed> {
        self.missed.clone()
    }

    /// Has what it takes remembered.
    pub(super) fn learn(&mut self, rates: Arc<Rates>, pair: Pair) {
        self.rates = Some((rates, pair));
    }

    /// How far it is, also once it has ended.
    pub fn gauge(&self) -> Arc<Gauge> {
        self.gauge.clone()
    }

    /// Ends it with the first thing that goes wrong in the module, as it does otherwise where the
    /// module keeps failing.
    pub fn be_strict(&mut self) {
        self.strict = true;
    }

    /// Reads no more for a module that has failed: nothing would come of it. Whether that ends
    /// the answer at once.
    fn stop_if_failed(&self) -> bool {
        let has_failed =
            |leg: &&Leg| leg.counters().is_some_and(|counters| counters.any_failed(self.strict));
        let Some(leg) = self.legs.iter().find(has_failed) else { return false };
        leg.stop();
        self.strict
    }

    /// Ends the first of the legs, from which nothing more comes, and begins with the next part.
    fn advance(&mut self) -> Result<(), QueryError> {
        let Some(leg) = self.legs.pop_front() else { return Ok(()) };
        self.end(leg)?;
        self.fill()?;
        self.seam.iter_mut().for_each(Seam::begin);
        Ok(())
    }

    /// What became of a leg, once nothing more comes of it.
    fn end(&mut self, leg: Leg) -> Result<(), QueryError> {
        let counters = leg.counters();
        let Some((status, covered)) = leg.end() else { return Ok(()) };
        if let Some(counters) = &counters {
            self.gauge.end(counters);
            if let Some((rates, pair)) = &self.rates {
                rates.note(pair.clone(), Took::of(counters));
            }
        }
        // What they said of themselves at first may have turned out to be too good.
        let unknown: Vec<Covered> =
            covered.into_iter().filter(|one| !self.covered.contains(one)).collect();
        self.covered.extend(unknown);
        for coverage in &mut self.sources {
            coverage.sources.clone_from(&self.covered);
        }
        self.remarks.iter().for_each(|remark| inexact::mark(&mut self.sources, remark));
        match self.failure(status) {
            Some(why) => Err(QueryError::Run { module: self.name.clone(), why }),
            None => Ok(()),
        }
    }

    /// Why a leg broke off, if it did. One that only stumbled has answered, and said so in the
    /// log.
    fn failure(&self, status: Status) -> Option<String> {
        let broken = status.sources.into_iter().find_map(|source| source.error);
        let is_failed = |parked, faults| parked || self.strict && faults > 0;
        let failed = status.tasks.into_iter().find(|task| is_failed(task.parked, task.faults));
        broken.or(failed.and_then(|task| task.last_fault))
    }

    /// Gives up what still runs.
    fn give_up(&mut self) {
        self.legs.clear();
        (self.parts, self.seam) = (None, None);
    }

    /// What is said next, inside the window or not; none where nothing has come, or at the end.
    fn next(&mut self) -> Result<Option<Uttered>, QueryError> {
        if let Some(said) = self.seam.as_mut().and_then(Seam::next) {
            return Ok(Some(said));
        }
        let Some(leg) = self.legs.front() else { return Ok(None) };
        match (leg.take(Instant::now() + PATIENCE), &mut self.seam) {
            (Ok(given), Some(seam)) => seam.take(given),
            (Ok(Uttered::Closed(_)) | Err(Nothing::Late), _) => {}
            (Ok(said), None) => return Ok(Some(said)),
            (Err(Nothing::Gone), _) => self.advance()?,
        }
        Ok(None)
    }

    /// Looks for the next output for a moment.
    fn look(&mut self) -> Result<Step, QueryError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.stop_if_failed() {
                // All others are given up, and the one that failed says why.
                while let Some(leg) = self.legs.pop_front() {
                    self.end(leg)?;
                }
            }
            if let Some(gap) = self.edges.before.take().and_then(|before| self.untold(before)) {
                return Ok(self.give(gap));
            }
            let held = self.held.take();
            let next = if held.is_some() { None } else { self.next()? };
            let output = match next {
                Some(Uttered::Output(output)) => self.inside(output),
                Some(Uttered::Alert(alert)) => return Ok(Step::Alert(alert)),
                Some(Uttered::Closed(_)) | None => held,
            };
            if let Some(step) = output.and_then(|output| self.in_turn(output)) {
                return Ok(step);
            }
            if self.legs.is_empty() && self.seam.as_mut().is_none_or(|seam| seam.is_done()) {
                return Ok(self.at_the_end());
            }
            if Instant::now() >= deadline {
                return Ok(Step::Waiting);
            }
        }
    }

    /// What is left to be said when all was given.
    fn at_the_end(&mut self) -> Step {
        if let Some(lost) = self.lost(None) {
            return Step::Damaged(lost);
        }
        if let Some(gap) = self.silence(None) {
            return self.give(gap);
        }
        let behind = self.edges.behind.take().and_then(|behind| self.untold(behind));
        behind.map_or(Step::End, |behind| self.give(behind))
    }

    /// What of a time without packets was asked for and not told yet, as a gap.
    fn untold(&mut self, time: Window) -> Option<Output> {
        let untold = Window { from: self.told_until, to: Window::ALL.to };
        let Window { from, to } = time.common(self.window)?.common(untold)?;
        self.told_until = to;
        Some(Output::Gap { from, to })
    }

    /// The next time in which nothing was heard that begins until an instant, or at all.
    fn silence(&mut self, until: Option<Ts>) -> Option<Output> {
        loop {
            let unheard = self.unheard.next(until)?;
            if let Some(gap) = self.untold(unheard) {
                return Some(gap);
            }
        }
    }

    fn give(&mut self, output: Output) -> Step {
        self.report.count(&output);
        Step::Output(output)
    }

    /// An output, or what is to be said before it; nothing where it is a gap that was told.
    fn in_turn(&mut self, output: Output) -> Option<Step> {
        let start = match &output {
            Output::Records(records) => records.starts.first().copied(),
            Output::Gap { from, .. } => Some(*from),
        };
        if let Some(damage) = start.and_then(|start| self.lost(Some(start))) {
            self.held = Some(output);
            return Some(Step::Damaged(damage));
        }
        if let Some(gap) = start.and_then(|start| self.silence(Some(start))) {
            self.held = Some(output);
            return Some(self.give(gap));
        }
        let output = match output {
            Output::Gap { from, to } => self.untold(Window { from, to })?,
            records => records,
        };
        Some(self.give(output))
    }

    /// The next thing that is missing before an instant, or at all.
    fn lost(&mut self, before: Option<Ts>) -> Option<Damage> {
        let lost = self.losses.next(before)?;
        self.report.damaged += 1;
        Some(lost)
    }

    /// The part of an output that was asked for.
    fn inside(&self, output: Output) -> Option<Output> {
        let window = match &output {
            // The first interval may have begun before what was asked for.
            Output::Records(records) if records.len > Span(0) => {
                let from = Interval::holding(self.window.from, records.len).start();
                Window { from, ..self.window }
            }
            _ => self.window,
        };
        within(output, window)
    }
}

impl Steps for Run {
    fn step(&mut self) -> Result<Step, QueryError> {
        if self.late.is_some() {
            return self.step_late();
        }
        let step = self.look();
        if step.is_err() {
            self.give_up();
        }
        step
    }

    fn report(&self) -> Report {
        self.report
    }

    fn columns(&self) -> Option<Arc<Schema>> {
        self.columns.clone()
    }

    fn sources(&self) -> &[Coverage] {
        &self.sources
    }
}

#[cfg(test)]
mod tests;
