//! Answers of an instance's own records, and for the time that these do not reach of its module run
//! afresh over what else is stored.
//!
//! The parts follow each other in time and meet where an interval begins: no
//! interval is of two of them. Which part is of what stands in the sources.

use std::sync::Arc;

use super::answer::{Report, Step, Steps};
use super::coarse::{down, up};
use super::run::{Gauge, Run};
use super::{Query, QueryError, Times};
use crate::record::{Output, Schema};
use crate::storage::evolve::conformed;
use crate::storage::scan::within;
use crate::storage::{Coverage, Measured, Stream, Window};
use crate::time::{Span, Ts};

/// How far the records of an instance reach into the time asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// The instance.
    pub name: String,
    /// The instance that they are the rollup of, if they are one.
    pub rollup_of: Option<String>,
    /// The module that made them.
    pub module: String,
    /// The time asked for; where intervals of a length are, the whole ones that begin in it.
    pub window: Window,
    // Just the time asked for.
    pub(super) asked: Window,
    /// From where their first interval begins until where the last one ends, inside the window or
    /// not; none where there is no record.
    pub stored: Option<Window>,
    /// How many bytes they take.
    pub bytes: u64,
    /// How long the first interval is, where that was looked at because there is a time that the
    /// records do not reach; 0 otherwise.
    pub len: Span,
    /// Whether they are merged to have intervals of that length.
    pub(super) is_merged: bool,
    /// The filters that the first and the last were measured with, where none was asked for; none
    /// of those that nobody remembers.
    pub(super) filters: Option<[Option<String>; 2]>,
    /// The stream's clock, where more comes; and whether anything was heard until then.
    pub(super) goes_on: Option<Ts>,
    pub(super) has_heard: bool,
    /// In what an answer of them is not exact, and what it lacks.
    pub(super) notes: Vec<String>,
}

/// A time that records do not reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// That time, in whole intervals.
    pub window: Window,
    /// The same with the interval beside it, which may have been measured only in part.
    pub wide: Window,
}

impl Own {
    /// What is known of the records of a stream.
    pub(super) fn of(stream: &Stream, window: Window) -> Self {
        let stored = stream.span();
        let eras = stored.map(|stored| stream.eras(stored)).unwrap_or_default();
        let known = |m: &Measured| m.is_known().then(|| m.filter.clone());
        let filter = |era: Option<&(Window, &Measured)>| era.map(|(_, m)| known(m));
        Self {
            name: stream.name.clone(),
            rollup_of: stream.rollup_of.clone(),
            module: stream.module.clone(),
            window,
            asked: window,
            stored,
            bytes: stream.bytes,
            len: Span(0),
            is_merged: false,
            filters: filter(eras.first()).zip(filter(eras.last())).map(|(a, b)| [a, b]),
            goes_on: None,
            has_heard: true,
            notes: Vec::new(),
        }
    }

    /// Whether there may be a time that the records do not reach.
    pub fn lacks_any(&self) -> bool {
        let Window { from, to } = self.window;
        let Some(stored) = self.stored else { return true };
        from > Ts(0) && from < stored.from
            || self.goes_on.is_none() && to > stored.to && to < Window::ALL.to
    }

    /// The time before the records, of which the first has an interval of a length of its `own`, in
    /// intervals of `len`. Where no beginning was asked for, they begin with themselves, if there
    /// are any.
    pub(super) fn before(&self, len: Span, own: Span) -> Option<Rest> {
        let are_any = self.stored.is_some() || self.goes_on.is_some() && self.has_heard;
        let asks = (self.window.from > Ts(0) || !are_any) && !self.is_forgotten(true);
        let asked = self.asked(len).filter(|_| asks)?;
        let (first, is_alike) = match (self.stored, self.goes_on) {
            (Some(stored), _) => (down(stored.from, len), down(stored.from, len) == stored.from),
            // Of the interval that is open some comes, where anything was heard.
            (None, Some(clock)) if self.has_heard => (down(clock, len), false),
            (None, Some(clock)) => (up(clock, len), false),
            (None, None) => (asked.to, false),
        };
        let within = |to: Ts| Window { to: to.min(asked.to), ..asked };
        let wide = if is_alike && own == len { first + len } else { first };
        Rest::of(within(first), within(wide))
    }

    /// The same behind the records, and from an instant on, where nothing more comes of them.
    pub(super) fn behind(&self, len: Span, own: Span, since: Ts) -> Option<Rest> {
        let asks = self.goes_on.is_none() && !self.is_forgotten(false);
        let asked = self.asked(len).filter(|_| asks)?;
        let stored = self.stored.filter(|_| asked.to < Window::ALL.to)?;
        let end = up(stored.to, len);
        let within = |from: Ts| Window { from: from.max(asked.from).max(since), ..asked };
        let is_alike = end == stored.to && own == len;
        let wide = if is_alike { Ts(end.0.saturating_sub(len.0)) } else { end };
        Rest::of(within(end), within(wide))
    }

    /// The intervals that begin in the time asked for.
    fn asked(&self, len: Span) -> Option<Window> {
        let Window { from, to } = self.window;
        (len > Span(0) && from < to).then(|| Window { from: up(from, len), to: up(to, len) })
    }

    /// The filter of the first of the records, or of the last, where none was asked for.
    pub(super) fn filter(&self, is_first: bool) -> Option<&str> {
        self.era(is_first).and_then(Option::as_deref)
    }

    /// Whether nobody remembers what that filter was: nothing else is known to be of it.
    fn is_forgotten(&self, is_first: bool) -> bool {
        self.era(is_first).is_some_and(Option::is_none)
    }

    fn era(&self, is_first: bool) -> Option<&Option<String>> {
        self.filters.as_ref().map(|[first, last]| if is_first { first } else { last })
    }

    /// The instance that measured what they are of.
    pub fn instance(&self) -> &str {
        self.rollup_of.as_deref().unwrap_or(&self.name)
    }
}

impl Rest {
    fn of(window: Window, wide: Window) -> Option<Self> {
        (window.from < window.to).then_some(Self { window, wide })
    }
}

/// What runs afresh for the time that an instance's own records do not reach.
pub struct Filling {
    // Before them and behind them, each with the time it is for.
    pub(super) before: Option<(Run, Window)>,
    pub(super) behind: Option<(Run, Window)>,
    // The time asked for, as `Own` has it.
    pub(super) window: Window,
    pub(super) asked: Window,
}

/// Begins to answer from the records of an instance.
pub type Opener<'a> = dyn FnOnce(&Query) -> Result<Box<dyn Steps + 'a>, QueryError> + 'a;

impl Filling {
    /// The part of the time asked for that is left to the records.
    fn left(&self) -> Option<Window> {
        let from = self.before.as_ref().map_or(self.window.from, |(_, window)| window.to);
        let to = self.behind.as_ref().map_or(self.window.to, |(_, window)| window.from);
        (from < to).then_some(Window { from, to })
    }

    /// Says of what runs that it is not quite what was asked for.
    pub fn reserve(&mut self, reservation: &str) {
        let runs = [&mut self.before, &mut self.behind].into_iter().flatten();
        runs.for_each(|(run, _)| run.reserve(reservation));
    }

    /// How far the first of them is.
    pub fn gauge(&self) -> Option<Arc<Gauge>> {
        let runs = [&self.before, &self.behind];
        runs.into_iter().flatten().map(|(run, _)| run.gauge()).next()
    }

    /// Whether all that runs has ended when the turn of the records comes.
    pub fn ends_first(&self) -> bool {
        self.behind.is_none()
    }

    /// What the parts of the answer are made of, where `own` is what the records are.
    fn covers(&self, own: &[Coverage]) -> [Vec<Coverage>; 3] {
        let run = |part: &Option<(Run, Window)>| {
            part.as_ref().map(|(run, window)| afresh(run, *window)).unwrap_or_default()
        };
        let since = self.left().map(|left| left.from);
        let left = since.into_iter().flat_map(|from| {
            own.iter().map(move |c| Coverage { since: c.since.max(from), ..c.clone() })
        });
        [run(&self.before), left.collect(), run(&self.behind)]
    }

    /// What the whole answer is made of, where `own` is what all of the records are.
    pub fn sources(&self, own: &[Coverage]) -> Vec<Coverage> {
        self.covers(own).concat()
    }

    /// The whole answer to a question. The records asked for have these columns, and are of these
    /// sources.
    pub fn join<'a>(
        self,
        query: &Query,
        (columns, own): (Option<Arc<Schema>>, &[Coverage]),
        open: Box<Opener<'a>>,
    ) -> Joined<'a> {
        let covers = self.covers(own);
        let left = self.left().map(|left| Query { times: Some(Times::of(left)), ..query.clone() });
        let run = |(run, window)| Part::Run(Box::new(run), window);
        let parts = [
            self.before.map(run),
            left.map(|query| Part::Records(Box::new(query), open)),
            self.behind.map(run),
        ];
        let (sources, report) = (covers.concat(), Report::default());
        Joined { asked: self.asked, parts, covers, at: 0, told: Ts(0), columns, sources, report }
    }
}

/// What a run is of, and that it was one.
fn afresh(run: &Run, window: Window) -> Vec<Coverage> {
    let mut all = run.sources().to_vec();
    for coverage in &mut all {
        coverage.since = coverage.since.max(window.from);
        for covered in &mut coverage.sources {
            covered.lineage.push(format!("measured afresh until {}", window.to));
        }
    }
    all
}

/// A part of an answer.
enum Part<'a> {
    /// The module at work.
    Run(Box<Run>, Window),
    /// Records whose turn has not come: who follows them would have to keep up meanwhile.
    Records(Box<Query>, Box<Opener<'a>>),
    /// Records.
    Opened(Box<dyn Steps + 'a>),
}

/// One answer of several parts, read a step at a time.
pub struct Joined<'a> {
    // The time asked for, beyond which no gap is told.
    asked: Window,
    // Those that are not given yet.
    parts: [Option<Part<'a>>; 3],
    // What each is made of.
    covers: [Vec<Coverage>; 3],
    // Whose turn it is, and until when it has told all.
    at: usize,
    told: Ts,
    columns: Option<Arc<Schema>>,
    sources: Vec<Coverage>,
    // What those came to that have ended.
    report: Report,
}

impl<'a> Joined<'a> {
    /// The next step of the part whose turn it is; none where there is no such part.
    fn next(&mut self) -> Result<Option<Step>, QueryError> {
        let Some(turn) = self.parts.get_mut(self.at) else { return Ok(Some(Step::End)) };
        *turn = match turn.take() {
            Some(Part::Records(query, open)) => Some(Part::Opened(open(&query)?)),
            other => other,
        };
        let step = turn.as_mut().and_then(Part::steps).map(Steps::step).transpose();
        match (step, turn) {
            (Err(error), Some(Part::Run(run, window))) => {
                // What runs is an extra: the records are there all the same.
                tracing::warn!("what was measured afresh broke off: {error}");
                run.reserve(&format!("it broke off: {error}"));
                let untold = Window { from: window.from.max(self.told), to: window.to };
                self.advance();
                let Window { from, to } = untold;
                Ok((from < to).then_some(Step::Output(Output::Gap { from, to })))
            }
            (step, _) => step,
        }
    }

    /// Takes note of until when the part whose turn it is has told all.
    fn note(&mut self, output: &Output) {
        let until = match output {
            Output::Records(records) => records.starts.last().map(|start| *start + records.len),
            Output::Gap { to, .. } => Some(*to),
        };
        self.told = self.told.max(until.unwrap_or_default());
    }

    /// Goes on with the next part.
    fn advance(&mut self) {
        self.report = self.report();
        let ended = self.parts.get_mut(self.at).and_then(Option::take);
        // What a run is of may have turned out to be other than it said at first.
        if let (Some(Part::Run(run, window)), Some(cover)) = (ended, self.covers.get_mut(self.at)) {
            *cover = afresh(&run, window);
            self.sources = self.covers.concat();
        }
        self.at += 1;
    }
}

impl<'a> Part<'a> {
    fn steps(&mut self) -> Option<&mut (dyn Steps + 'a)> {
        match self {
            Self::Run(run, _) => Some(&mut **run),
            Self::Opened(records) => Some(&mut **records),
            Self::Records(..) => None,
        }
    }

    fn report(&self) -> Report {
        match self {
            Self::Run(run, _) => run.report(),
            Self::Opened(records) => records.report(),
            Self::Records(..) => Report::default(),
        }
    }
}

impl Steps for Joined<'_> {
    fn step(&mut self) -> Result<Step, QueryError> {
        while self.at < self.parts.len() {
            match self.next()? {
                None | Some(Step::End) => self.advance(),
                Some(Step::Output(output @ Output::Gap { .. })) => {
                    self.note(&output);
                    // A part is of whole intervals.
                    if let Some(gap) = within(output, self.asked) {
                        return Ok(Step::Output(gap));
                    }
                }
                Some(Step::Output(output)) => {
                    self.note(&output);
                    return Ok(Step::Output(match (output, &self.columns) {
                        (Output::Records(records), Some(columns)) => {
                            Output::Records(conformed(records, columns))
                        }
                        (output, _) => output,
                    }));
                }
                Some(step) => return Ok(step),
            }
        }
        Ok(Step::End)
    }

    fn report(&self) -> Report {
        let turn = self.parts.get(self.at).and_then(Option::as_ref);
        let open = turn.map(Part::report).unwrap_or_default();
        Report {
            rows: self.report.rows + open.rows,
            gaps: self.report.gaps + open.gaps,
            damaged: self.report.damaged + open.damaged,
        }
    }

    fn columns(&self) -> Option<Arc<Schema>> {
        self.columns.clone()
    }

    fn sources(&self) -> &[Coverage] {
        &self.sources
    }
}
