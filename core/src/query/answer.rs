//! Answers: stored records first, then, where asked, those that come.
//!
//! Following begins before the store is read, and the switch is made at one
//! block number, so that between past and present nothing is missing and
//! nothing comes twice.

mod eras;
mod steps;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::coarse::{first_of, uneven};
use super::covered::Edges;
use super::past::kept_until;
use super::{Missed, Own, Query, QueryError, inexact, redefined};
use crate::filter::Expr;
use crate::nearest::nearest;
use crate::record::{Output, Records, Schema};
use crate::storage::evolve::{conformed, unified};
use crate::storage::feed::News;
use crate::storage::scan::{Found, first_cut, within};
use crate::storage::{Coverage, Feed, Measured, RecordStore, Scan, Stream, Subscription, Window};
use crate::time::{Interval, Span, Ts};
pub use steps::{Report, Step, Steps};

/// How long a step waits for what comes.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

/// How many steps the last records may take from the closing of their interval to their commit.
const STRAGGLING: u32 = 5;

/// Where answers come from.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// What is stored.
    pub store: &'a dyn RecordStore,
    /// What comes, where something runs.
    pub feed: Option<&'a Feed>,
    /// The instances that run and their canonical filters; they may have stored nothing yet.
    pub running: &'a [(String, String)],
    /// Where packets are kept, in a folder for each instance that keeps them.
    pub packets: Option<&'a Path>,
}

/// One answer, read a step at a time.
pub struct Answer<'a> {
    place: Place<'a>,
    stream: Stream,
    window: Window,
    // The filter asked for, in its canonical form.
    asked: Option<String>,
    scan: Scan<'a>,
    scanned: bool,
    live: Option<Subscription>,
    // Whether it is to go on also where nothing new can come.
    follows_on: bool,
    // How long the intervals of the newest records given are; 0 before the first.
    len: Span,
    // Steps that brought nothing since the last interval of the window closed, or sources ended.
    overtime: u32,
    // The columns of records of several schemas.
    columns: Option<Arc<Schema>>,
    // The columns that were in force last.
    newest: Option<Arc<Schema>>,
    sources: Vec<Coverage>,
    // What was measured with other filters since the last records that were given, and what
    // follows that.
    passed: Option<Window>,
    held: Option<Output>,
    // The end of the window, where nothing covers it.
    behind: Option<Window>,
    // Until when it was heard, where it runs; the interval of then is open.
    heard: Ts,
    // The first step, where it was looked at before it was asked for.
    ahead: Option<Result<Step, QueryError>>,
    // The end of what was given.
    until: Ts,
    report: Report,
}

impl<'a> Answer<'a> {
    /// Begins to answer. What is wrong with the query is found here, before a byte is written.
    pub fn open(query: &Query, place: Place<'a>) -> Result<Self, QueryError> {
        let asked = query.filter.as_deref().map(canonical).transpose()?;
        // In this order: what is committed in between is told, not missed.
        let subscription =
            place.feed.map(|feed| feed.subscribe(place.store, &query.module)).transpose()?;
        let stream = find(&query.module, &place)?;
        let (window, clock) = query.counted(place.clock(&stream))?;
        let mut scan = Scan::new(place.store, &query.module, window);
        let schemas = place.store.schemas(&query.module)?;
        let columns = match schemas.len() {
            0 | 1 => None,
            _ => unified(&schemas, scan.next_seq()?.unwrap_or(u64::MAX)),
        };
        let live = subscription.filter(|_| query.wait && window.to > clock);
        if let Some(asked) = &asked {
            eras::judge(query, &stream, (window, asked), live.is_some())?;
        }
        // Before its first packet nothing is open.
        let heard = place.feed.filter(|_| place.goes_on(&stream)).and_then(Feed::clock);
        let heard = heard.unwrap_or_default();
        let reached = stream.span().map(|all| Window { to: all.to.max(heard), ..all });
        let edges = Edges::of(window, reached, Span(0), live.is_some());
        let sources = covered(query, &place, (&stream, &schemas), window)?;
        Ok(Self {
            scan,
            columns,
            newest: schemas.last().map(|(_, schema)| schema.clone()),
            live,
            follows_on: query.follows,
            sources,
            passed: edges.before,
            held: None,
            behind: edges.behind,
            heard,
            ahead: None,
            until: window.from,
            place,
            stream,
            window,
            asked,
            scanned: false,
            len: Span(0),
            overtime: 0,
            report: Report::default(),
        })
    }

    /// The same, as one of several that may be read.
    pub fn begun(query: &Query, place: Place<'a>) -> Result<Box<dyn Steps + 'a>, QueryError> {
        Ok(Box::new(Self::open(query, place)?))
    }

    /// The same as a part of another: its records keep the columns that each was stored with, and
    /// that says what lies before and behind.
    pub(super) fn in_part(mut self) -> Self {
        (self.columns, self.passed, self.behind) = (None, None, None);
        self
    }

    /// Which of the records are of other packets than the rest, where some are.
    pub fn mixed(&self) -> Option<String> {
        eras::mixed(&self.stream, self.window)
    }

    /// The time asked for.
    pub fn window(&self) -> Window {
        self.window
    }

    /// The part of it between the oldest and the newest stored record.
    pub fn covered(&self) -> Option<Window> {
        let (first, end) = (self.stream.first?, self.stream.end?);
        let covered = Window { from: first.max(self.window.from), to: end.min(self.window.to) };
        (covered.from < covered.to).then_some(covered)
    }

    /// How far its records reach into that.
    pub fn own(&self) -> Result<Own, QueryError> {
        let heard = self.place.heard(&self.stream);
        let waits = self.live.is_some();
        let mut own = Own::of(&self.stream, self.window);
        // What has heard nothing yet, and is not waited for, may as well have ended; what comes of
        // it is behind all that is kept.
        own.has_heard = heard.is_some();
        own.goes_on = match heard {
            Some(heard) => Some(heard).filter(|_| waits || self.place.goes_on(&self.stream)),
            None => Some(self.place.clock(&self.stream).unwrap_or_default()).filter(|_| waits),
        };
        own.notes = inexact::reasons(&self.sources);
        own.filters = own.filters.filter(|_| self.asked.is_none());
        if own.lacks_any() {
            let first = first_of(&self.place, &self.stream.name, Window::ALL)?;
            own.len = first.map_or(Span(0), |records| records.len);
        }
        Ok(own)
    }

    /// Why there is nothing to answer with, where nothing is waited for either.
    pub fn missed(&mut self) -> Option<Missed> {
        if self.live.is_some() {
            return None;
        }
        let module = self.stream.name.clone();
        if self.covered().is_none() {
            let (what, stored) = (format!("records of `{module}`"), self.stream.span());
            return Some(Missed::Outside { what, stored });
        }
        if self.ahead.is_none() && !self.scanned {
            self.ahead = Some(self.past());
        }
        matches!(self.ahead, Some(Ok(Step::End))).then_some(Missed::Within { module })
    }

    /// What is known of the stream asked.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Whether it will go on with what comes.
    pub fn follows(&self) -> bool {
        self.live.is_some()
    }

    fn past(&mut self) -> Result<Step, QueryError> {
        if let Some(held) = self.held.take() {
            return Ok(Step::Output(held));
        }
        let end = self.live.as_ref().map_or(u64::MAX, |live| live.from_seq);
        while let Some(found) = self.scan.find().transpose()? {
            let part = match found {
                Found::Part(part) => part,
                Found::Damage(damage) => return Ok(Step::Damaged(damage)),
            };
            if part.seq >= end {
                continue;
            }
            if !self.admits(part.seq) {
                self.pass(&part.output);
                continue;
            }
            let gap = self.unmeasured();
            self.until = self.until.max(eras::span(&part.output).to);
            let Some(gap) = gap else { return Ok(Step::Output(part.output)) };
            self.held = Some(part.output);
            return Ok(Step::Output(gap));
        }
        self.scanned = true;
        if let Some(mut behind) = self.behind.take() {
            if self.heard > Ts(0) && self.len > Span(0) {
                behind.from = behind.from.max(Interval::holding(self.heard, self.len).end());
            }
            let from = self.passed.map_or(behind.from, |passed| passed.from.min(behind.from));
            self.passed = Some(Window { from, ..behind });
        }
        if let Some(gap) = self.unmeasured() {
            return Ok(Step::Output(gap));
        }
        Ok(if self.live.is_some() { Step::Waiting } else { Step::End })
    }

    fn follow(&mut self) -> Result<Step, QueryError> {
        let Some(live) = &self.live else { return Ok(Step::End) };
        let news = match live.next(PATIENCE) {
            News::Live(news) => {
                self.overtime = 0;
                news
            }
            News::Nothing => {
                let is_late = live.clock().is_some_and(|clock| clock >= self.closes());
                let is_over = is_late || live.is_over() && !self.follows_on;
                self.overtime = if is_over { self.overtime + 1 } else { 0 };
                if self.overtime <= STRAGGLING {
                    return Ok(Step::Waiting);
                }
                self.pass_rest(live.clock().unwrap_or_default());
                return Ok(self.unmeasured().map_or(Step::End, Step::Output));
            }
            News::Closed => {
                return Ok(self.unmeasured().map_or(Step::End, Step::Output));
            }
            News::Behind => return Err(QueryError::Behind { from: self.stream.end }),
        };
        if self.asked.is_some()
            && let Some(stream) = self.place.store.stream(&self.stream.name)?
        {
            self.stream = stream;
        }
        if !self.admits(news.seq) {
            // Of other packets, as from a redeployment on: a gap, told as it grows.
            self.pass(&news.output);
            return Ok(self.unmeasured().map_or(Step::Waiting, Step::Output));
        }
        if let Output::Records(records) = &news.output {
            if records.starts.first().is_some_and(|start| *start >= self.window.to) {
                return Ok(Step::End);
            }
            self.stream.end =
                self.stream.end.max(records.starts.last().map(|ts| *ts + records.len));
        }
        Ok(within(news.output, self.window).map_or(Step::Waiting, Step::Output))
    }

    /// When the last interval that starts in the window closes, as far as the records tell.
    fn closes(&self) -> Ts {
        Interval::holding(Ts(self.window.to.0.saturating_sub(1)), self.len).end()
    }

    /// Takes note of what is of other packets.
    fn pass(&mut self, output: &Output) {
        let span = eras::span(output);
        self.passed = Some(match self.passed {
            Some(passed) => Window { to: passed.to.max(span.to), ..passed },
            None => span,
        });
    }

    /// Takes note of the rest of the window, behind the interval that was open at an instant.
    fn pass_rest(&mut self, heard: Ts) {
        let len = self.len.max(Span(1));
        let from = self.stream.end.max(Some(Interval::holding(heard, len).end()));
        let rest = from.map(|from| Window { from, to: self.window.to });
        self.passed = rest.filter(|rest| rest.to < Window::ALL.to);
    }

    /// The time that was passed over, as a gap.
    fn unmeasured(&mut self) -> Option<Output> {
        let passed = self.passed.take()?;
        let (from, to) = (passed.from.max(self.until), passed.to.min(self.window.to));
        self.until = self.until.max(to);
        (from < to).then_some(Output::Gap { from, to })
    }

    /// Whether a block is of the packets asked for.
    fn admits(&self, seq: u64) -> bool {
        let Some(asked) = &self.asked else { return true };
        let measured = self.stream.filters.iter().rfind(|m| m.seq <= seq);
        measured.is_some_and(|m| m.is(asked))
    }
}

impl Steps for Answer<'_> {
    fn step(&mut self) -> Result<Step, QueryError> {
        let mut step = match self.ahead.take() {
            Some(ahead) => ahead?,
            None if self.scanned => self.follow()?,
            None => self.past()?,
        };
        if let (Some(columns), Step::Output(Output::Records(records))) = (&self.columns, &mut step)
        {
            let own = std::mem::replace(records, Records::empty(columns.clone(), Span(0)));
            *records = conformed(own, columns);
        }
        match &step {
            Step::Output(Output::Records(records)) => {
                self.report.rows += records.rows() as u64;
                self.len = records.len;
            }
            Step::Output(Output::Gap { .. }) => self.report.gaps += 1,
            Step::Damaged(_) | Step::Alert(_) | Step::Waiting | Step::End => {}
        }
        Ok(step)
    }

    fn report(&self) -> Report {
        Report { damaged: self.scan.damaged(), ..self.report }
    }

    fn columns(&self) -> Option<Arc<Schema>> {
        self.columns.clone().or_else(|| self.newest.clone())
    }

    fn sources(&self) -> &[Coverage] {
        &self.sources
    }
}

impl Place<'_> {
    /// Until when a stream has heard, as far as that is known.
    fn heard(&self, stream: &Stream) -> Option<Ts> {
        self.feed.and_then(Feed::clock).or(stream.end)
    }

    /// The clock that times beside it are counted from; none before the first packet.
    fn clock(&self, stream: &Stream) -> Option<Ts> {
        self.heard(stream).or_else(|| kept_until(self.packets?))
    }

    /// Whether more comes of a stream, or of the one it is a rollup of, so that what it has is not
    /// all there is.
    pub(super) fn goes_on(&self, stream: &Stream) -> bool {
        let name = stream.rollup_of.as_ref().unwrap_or(&stream.name);
        self.feed.is_some_and(|feed| !feed.is_over())
            && self.running.iter().any(|(running, _)| running == name)
    }
}

/// The sources of the records in a window, and in what these are not exact.
fn covered(
    query: &Query,
    place: &Place<'_>,
    (stream, schemas): (&Stream, &[(u64, Arc<Schema>)]),
    window: Window,
) -> Result<Vec<Coverage>, QueryError> {
    let mut sources = eras::sources(stream, window);
    if stream.rollup_of.is_some()
        && first_cut(place.store, &stream.name, window, |_| true)?.is_some()
    {
        inexact::note(&mut sources, stream, inexact::CUT);
    }
    let notes = redefined::notes(place.store, &stream.name, window, schemas)?;
    notes.iter().for_each(|note| inexact::note(&mut sources, stream, note));
    if let Some(times) = query.times.filter(|_| query.interval.is_none())
        && let Some(note) = uneven(place, stream, window)?
    {
        // The clock stands anywhere: who counts from it asks for no boundary.
        match times.name_an_instant() {
            true => inexact::note(&mut sources, stream, &note),
            false => inexact::mark(&mut sources, &note),
        }
    }
    Ok(sources)
}

/// A filter in the form in which equal ones are equal.
fn canonical(text: &str) -> Result<String, QueryError> {
    parsed(text).map(|expr| expr.to_string())
}

/// A filter as the query has it.
pub(super) fn parsed(text: &str) -> Result<Expr, QueryError> {
    let fail = |error| QueryError::Filter { text: text.chars().take(200).collect(), error };
    Expr::parse(text).map_err(fail)
}

/// What is known of an instance that runs or has run.
pub(super) fn find(name: &str, place: &Place<'_>) -> Result<Stream, QueryError> {
    if let Some(stream) = place.store.stream(name)? {
        return Ok(stream);
    }
    if let Some((name, filter)) = place.running.iter().find(|(running, _)| running == name) {
        let measured = Measured { seq: 0, filter: filter.clone(), span: None };
        let filters = vec![measured];
        return Ok(Stream { name: name.clone(), filters, ..Stream::default() });
    }
    let mut known: Vec<String> = place.store.streams()?.into_iter().map(|s| s.name).collect();
    known.extend(place.running.iter().map(|(name, _)| name.clone()));
    Err(unknown(name, known))
}

/// There is nothing of this name, but of these.
pub(super) fn unknown(name: &str, mut known: Vec<String>) -> QueryError {
    known.sort();
    known.dedup();
    let nearest = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
    QueryError::UnknownModule { name: name.chars().take(200).collect(), nearest, known }
}
