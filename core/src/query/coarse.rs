//! Answers of longer intervals: from rollups as far as they reach, and merged from shorter
//! intervals where they do not.
//!
//! All of it is one instance's own: a rollup holds what its records come to,
//! so the parts of an answer are the same measurement. An interval is given
//! once all of it is stored; where nothing runs any more, the last one as far
//! as it came. One that is not given, because records of it have gone, is a gap.

mod legs;

use std::collections::VecDeque;
use std::sync::Arc;

use super::answer::{Answer, Place, Report, Step, Steps, find, parsed};
use super::{Missed, Own, Query, QueryError, Times, inexact};
use crate::module::Merge;
use crate::record::{Output, Records, Schema};
use crate::rollup::{self, Merger, RollupError};
use crate::storage::evolve::conformed;
use crate::storage::scan::{Found, first_cut, within};
use crate::storage::{Coverage, Feed, Scan, Stream, Window};
use crate::time::{Span, Ts};
use legs::{Leg, gaps, legs, levels, reached, spanned, whole};
pub(super) use legs::{down, up};

/// How many parts are merged before the reader gets a chance to go away.
const PARTS: usize = 64;

/// One answer, read a step at a time.
pub struct Coarse<'a> {
    query: Query,
    place: Place<'a>,
    interval: Span,
    // The time asked for, beyond which no gap is told: what is read is of whole intervals.
    asked: Window,
    stream: Stream,
    missed: Option<Missed>,
    own: Own,
    mixed: Option<String>,
    sources: Vec<Coverage>,
    // What is still to be read.
    legs: VecDeque<Leg>,
    leg: Option<Answer<'a>>,
    merger: Merger,
    ready: VecDeque<Output>,
    // The columns of all of it, where it was stored with several.
    columns: Option<Arc<Schema>>,
    report: Report,
    // Damaged blocks of legs that have been read.
    damaged: u64,
}

impl<'a> Coarse<'a> {
    /// Begins to answer, where the module merges its records in its `own` way if it has one. What
    /// is wrong with the query is found here, before a byte is written.
    pub fn open(
        query: &Query,
        place: Place<'a>,
        own: Option<Box<dyn Merge>>,
    ) -> Result<Self, QueryError> {
        let interval = query.interval.unwrap_or(Span(1));
        let base = Answer::open(query, place)?;
        let stream = find(&query.module, &place)?;
        let goes_on = base.follows() || place.goes_on(&stream);
        // What comes may be of the last interval still.
        let to_come = stream.end.filter(|_| goes_on && !base.follows());
        let window = whole(base.window(), interval, to_come);
        merges((&place, &stream), window, interval, own.as_deref())?;
        let filter = query.filter.as_deref().map(parsed).transpose()?;
        let levels = levels(&place, &stream, (window, interval), filter.as_ref())?;
        let heard = place.feed.and_then(Feed::clock).max(stream.end).unwrap_or_default();
        let until = if base.follows() { Window::ALL.to } else { up(heard, interval) };
        let open = goes_on.then_some(until);
        let mut legs = legs(&levels, (base.window(), window), interval, open);
        let missed = missed(&base, (&stream, &levels), (window, interval), &legs);
        if missed.as_ref().is_some_and(|missed| !matches!(missed, Missed::Gone { .. })) {
            // That says it all.
            legs.retain(|leg| leg.read().is_some());
        }
        let mut sources = base.sources().to_vec();
        let aligned =
            spanned(&levels).and_then(|all| aligned((base.window(), window), all, interval));
        aligned.iter().for_each(|note| inexact::note(&mut sources, &stream, note));
        if is_cut(&place, &legs, &stream, (interval, base.follows()))? {
            inexact::note(&mut sources, &stream, inexact::CUT);
        }
        let notes = inexact::reasons(&sources).into_iter().chain(gaps(&legs)).collect();
        let stored = reached(&legs, &levels, interval);
        let reach = Own { window, stored, len: interval, is_merged: true, notes, ..base.own()? };
        Ok(Self {
            query: query.clone(),
            place,
            interval,
            asked: base.window(),
            missed,
            own: reach,
            stream,
            mixed: base.mixed(),
            sources,
            legs,
            leg: None,
            merger: Merger::new(interval, own),
            ready: VecDeque::new(),
            columns: base.columns(),
            report: Report::default(),
            damaged: 0,
        })
    }

    /// As of [`Answer::begun`].
    pub fn begun(
        query: &Query,
        place: Place<'a>,
        own: Option<Box<dyn Merge>>,
    ) -> Result<Box<dyn Steps + 'a>, QueryError> {
        Ok(Box::new(Self::open(query, place, own)?))
    }

    /// What is known of the stream asked.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// As of [`Answer::mixed`].
    pub fn mixed(&self) -> Option<String> {
        self.mixed.clone()
    }

    /// As of [`Answer::own`].
    pub fn own(&self) -> Own {
        self.own.clone()
    }

    /// As of [`Answer::missed`].
    pub fn missed(&self) -> Option<Missed> {
        self.missed.clone()
    }

    /// Begins to read what a stream has of a part.
    fn begin(&self, name: String, window: Window) -> Result<Answer<'a>, QueryError> {
        let is_own = name == self.stream.name;
        let is_last = is_own && self.legs.iter().all(|leg| leg.read().is_none());
        let query = Query {
            wait: self.query.wait && is_last,
            filter: self.query.filter.clone().filter(|_| is_own),
            partly: true,
            times: Some(Times::of(window)),
            interval: None,
            module: name,
            ..self.query.clone()
        };
        Ok(Answer::open(&query, self.place)?.in_part())
    }

    fn merge(&mut self, output: Output) -> Result<(), QueryError> {
        let output = match output {
            Output::Gap { .. } => within(output, self.asked),
            records => Some(records),
        };
        let Some(output) = output else { return Ok(()) };
        let mut merged = Vec::new();
        let pushed = self.merger.push(output, &mut merged);
        pushed.map_err(|why| refused(&self.place, &self.stream, self.interval, why))?;
        self.ready.extend(merged);
        Ok(())
    }

    fn next(&mut self) -> Result<Step, QueryError> {
        for _ in 0..PARTS {
            if let Some(output) = self.ready.pop_front() {
                return Ok(Step::Output(output));
            }
            let Some(leg) = &mut self.leg else {
                match self.legs.pop_front() {
                    Some(Leg::Read(name, window)) => self.leg = Some(self.begin(name, window)?),
                    Some(Leg::Gone(Window { from, to })) => self.merge(Output::Gap { from, to })?,
                    None => {
                        self.ready.extend(self.merger.finish());
                        return Ok(self.ready.pop_front().map_or(Step::End, Step::Output));
                    }
                }
                continue;
            };
            match leg.step()? {
                Step::Output(output) => self.merge(output)?,
                Step::End => {
                    self.damaged += leg.report().damaged;
                    self.leg = None;
                }
                other => return Ok(other),
            }
        }
        Ok(Step::Waiting)
    }
}

impl Steps for Coarse<'_> {
    fn step(&mut self) -> Result<Step, QueryError> {
        let mut step = self.next()?;
        if let (Some(columns), Step::Output(Output::Records(records))) = (&self.columns, &mut step)
        {
            let own = std::mem::replace(records, Records::empty(columns.clone(), Span(0)));
            *records = conformed(own, columns);
        }
        match &step {
            Step::Output(Output::Records(records)) => self.report.rows += records.rows() as u64,
            Step::Output(Output::Gap { .. }) => self.report.gaps += 1,
            Step::Damaged(_) | Step::Alert(_) | Step::Waiting | Step::End => {}
        }
        Ok(step)
    }

    fn report(&self) -> Report {
        let open = self.leg.as_ref().map_or(0, |leg| leg.report().damaged);
        Report { damaged: self.damaged + open, ..self.report }
    }

    fn sources(&self) -> &[Coverage] {
        &self.sources
    }

    fn columns(&self) -> Option<Arc<Schema>> {
        self.columns.clone()
    }
}

/// Refuses records that do not make records of longer intervals.
fn merges(
    (place, stream): (&Place<'_>, &Stream),
    window: Window,
    interval: Span,
    own: Option<&dyn Merge>,
) -> Result<(), QueryError> {
    match first_of(place, &stream.name, window)? {
        Some(records) => rollup::check_records(&records, interval, own)
            .map_err(|why| refused(place, stream, interval, why)),
        None => Ok(()),
    }
}

/// Why there is nothing to answer with, if there is not.
fn missed(
    base: &Answer<'_>,
    (stream, levels): (&Stream, &[Stream]),
    (window, interval): (Window, Span),
    legs: &VecDeque<Leg>,
) -> Option<Missed> {
    let (asked, module) = (base.window(), stream.name.clone());
    if up(asked.from, interval) >= asked.to {
        return Some(Missed::Within { module });
    }
    let mut reads = legs.iter().filter_map(Leg::read);
    let is_covered = base.follows()
        || base.covered().is_some()
        || reads.clone().any(|(name, _)| name != stream.name);
    if !is_covered {
        let what = format!("records of `{module}`");
        return Some(Missed::Outside { what, stored: stream.span() });
    }
    let since = spanned(levels)?.from;
    let from = down(since.max(window.from), interval);
    if !base.follows() && window.to <= from && window.to < asked.to {
        return Some(Missed::Begun { module, interval, since, until: from + interval });
    }
    let gone = Missed::Gone { module, interval, before: stream.first.unwrap_or(since) };
    reads.next().is_none().then_some(gone)
}

/// In what an answer of the records of a stream as they are is not of just the time asked for.
pub(super) fn uneven(
    place: &Place<'_>,
    stream: &Stream,
    asked: Window,
) -> Result<Option<String>, QueryError> {
    let is_inside = |all: &Window| [asked.from, asked.to].iter().any(|ts| is_inside(*ts, *all));
    let Some(all) = stream.span().filter(is_inside) else { return Ok(None) };
    let len = first_of(place, &stream.name, asked)?.map_or(Span(0), |records| records.len);
    if len == Span(0) {
        return Ok(None);
    }
    Ok(aligned((asked, whole(asked, len, None)), all, len))
}

/// In what an answer is not of just the time asked for, where something is stored of more.
fn aligned((asked, window): (Window, Window), all: Window, interval: Span) -> Option<String> {
    let is_off = |asked: Ts, whole: Ts| asked != whole && is_inside(asked, all);
    if window.from >= window.to
        || !(is_off(asked.from, window.from) || is_off(asked.to, up(asked.to, interval)))
    {
        return None;
    }
    let until = match window.to {
        Ts(u64::MAX) => "on".to_owned(),
        to => format!("until {to}"),
    };
    Some(format!("it is of whole intervals of {interval}, from {} {until}", window.from))
}

fn is_inside(ts: Ts, all: Window) -> bool {
    all.from < ts && ts < all.to
}

/// Whether records that were cut are merged; or may be, where it goes on with what comes. One that
/// is of just such an interval is none that is merged.
fn is_cut(
    place: &Place<'_>,
    legs: &VecDeque<Leg>,
    stream: &Stream,
    (interval, follows): (Span, bool),
) -> Result<bool, QueryError> {
    // What comes is taken to be as what was cut last.
    let newest = stream.cut.map_or(stream.end, |cut| Some(cut.to)).unwrap_or_default();
    let last = Window { from: Ts(newest.0.saturating_sub(interval.0)), to: newest };
    let to_come = follows.then_some((stream.name.as_str(), last));
    for (name, window) in legs.iter().filter_map(Leg::read).chain(to_come) {
        let merges = |len: Span| name != stream.name || len != interval;
        if first_cut(place.store, name, window, |header| merges(header.len))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The first records of a window.
pub(super) fn first_of(
    place: &Place<'_>,
    stream: &str,
    window: Window,
) -> Result<Option<Records>, QueryError> {
    let mut scan = Scan::new(place.store, stream, window);
    while let Some(found) = scan.find().transpose()? {
        if let Found::Part(part) = found
            && let Output::Records(records) = part.output
        {
            return Ok(Some(records));
        }
    }
    Ok(None)
}

/// Why there is no answer; of a column that does not merge, also since when it does.
fn refused(place: &Place<'_>, stream: &Stream, interval: Span, mut why: RollupError) -> QueryError {
    if let RollupError::Column { since, .. } = &mut why {
        match merge_since(place, stream, interval) {
            Ok(found) => *since = found,
            Err(error) => return error,
        }
    }
    QueryError::Rollup { module: stream.name.clone(), interval, why }
}

/// Since when records merge: looked for as for a word in a book.
fn merge_since(
    place: &Place<'_>,
    stream: &Stream,
    interval: Span,
) -> Result<Option<Ts>, QueryError> {
    let (mut from, mut to) = (stream.first.unwrap_or_default(), stream.end.unwrap_or_default());
    let mut since = None;
    while from < to {
        let middle = Ts(from.0 + (to.0 - from.0) / 2);
        let window = Window { from: middle, to: Window::ALL.to };
        match first_of(place, &stream.name, window)? {
            Some(records) if rollup::check_records(&records, interval, None).is_ok() => {
                since = records.starts.first().copied();
                to = middle;
            }
            Some(records) => from = records.starts.last().map_or(to, |last| Ts(last.0 + 1)),
            None => to = middle,
        }
    }
    Ok(since)
}
