//! Answers of longer intervals: from rollups as far as they reach, and merged from shorter
//! intervals where they do not.
//!
//! All of it is one instance's own: a rollup holds what its records come to,
//! so the parts of an answer are the same measurement. An interval is given
//! once all of it is stored; where nothing runs any more, the last one as far
//! as it came.

use std::collections::VecDeque;
use std::sync::Arc;

use super::answer::{Answer, Place, Report, Step, Steps, find, parsed, stored};
use super::covered::Edges;
use super::{Missed, Query, QueryError, Times};
use crate::module::Merge;
use crate::record::{Output, Records, Schema};
use crate::rollup::{self, Merger, RollupError};
use crate::storage::evolve::conformed;
use crate::storage::scan::Found;
use crate::storage::{Coverage, Scan, Stream, Window};
use crate::time::{Interval, Span, Ts};

/// How many parts are merged before the reader gets a chance to go away.
const PARTS: usize = 64;

/// One answer, read a step at a time.
pub struct Coarse<'a> {
    query: Query,
    place: Place<'a>,
    interval: Span,
    stream: Stream,
    missed: Option<Missed>,
    // The end of the window, where nothing covers it.
    behind: Option<Window>,
    mixed: Option<String>,
    sources: Vec<Coverage>,
    // What is still to be read, by stream.
    legs: VecDeque<(String, Window)>,
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
    /// Begins to answer, where the module merges its records in its `own` way if it has one. What is
    /// wrong with the query is found here, before a byte is written.
    pub fn open(
        query: &Query,
        place: Place<'a>,
        own: Option<Box<dyn Merge>>,
    ) -> Result<Self, QueryError> {
        let interval = query.interval.unwrap_or(Span(1));
        let base = Answer::open(query, place)?;
        let stream = find(&query.module, &place)?;
        let asked = base.window();
        let mut window = Window { from: up(asked.from, interval), to: up(asked.to, interval) };
        if place.feed.is_some() && !base.follows() {
            // What comes may be of the last interval still.
            window.to = window.to.min(down(stream.end.unwrap_or_default(), interval));
        }
        window.to = window.to.max(window.from);
        if let Some(records) = first_of(&place, &stream.name, window)?
            && let Err(why) = rollup::check_records(&records, interval, own.as_deref())
        {
            return Err(refused(&place, &stream, interval, why));
        }
        let mut levels = levels(&place, &stream, interval)?;
        if let Some(filter) = &query.filter {
            let asked = parsed(filter)?.to_string();
            // What a rollup was made of is told by the records that it was made of.
            levels.retain(|level| {
                let made = level.first.zip(level.end).map(|(from, to)| Window { from, to });
                let made = made.and_then(|made| made.common(window));
                let of = made.map(|made| stream.eras(made)).unwrap_or_default();
                of.iter().all(|(_, measured)| measured.is(&asked))
            });
        }
        levels.push(stream.clone());
        let mut legs = VecDeque::new();
        cover(&levels, window, interval, &mut legs);
        let goes_on = base.follows() || place.goes_on(&stream.name);
        let is_covered = base.covered().is_some()
            || legs.iter().any(|(name, _)| *name != stream.name)
            || base.follows();
        let module = stream.name.clone();
        let missed = match up(asked.from, interval) < asked.to {
            true if is_covered => None,
            true => {
                let what = format!("records of `{module}`");
                Some(Missed::Outside { what, stored: stored(&stream) })
            }
            false => Some(Missed::Within { module }),
        };
        let missed = missed.or_else(|| {
            let from = down(spanned(&levels)?.from.max(window.from), interval);
            let waits = place.feed.is_some() && !base.follows() && window.to <= from;
            let module = stream.name.clone();
            let since = spanned(&levels)?.from;
            waits.then(|| Missed::Begun { module, interval, since, until: from + interval })
        });
        let edges = Edges::of(asked, spanned(&levels), interval, goes_on);
        let before = edges.before.filter(|_| missed.is_none());
        let before = before.map(|Window { from, to }| Output::Gap { from, to });
        Ok(Self {
            query: query.clone(),
            place,
            interval,
            behind: edges.behind.filter(|_| missed.is_none()),
            missed,
            stream,
            mixed: base.mixed(),
            sources: base.sources().to_vec(),
            legs,
            leg: None,
            merger: Merger::new(interval, own),
            ready: before.into_iter().collect(),
            columns: base.columns(),
            report: Report::default(),
            damaged: 0,
        })
    }

    /// What is known of the stream asked.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// As of [`Answer::mixed`].
    pub fn mixed(&self) -> Option<String> {
        self.mixed.clone()
    }

    /// As of [`Answer::missed`].
    pub fn missed(&self) -> Option<Missed> {
        self.missed.clone()
    }

    /// The leg that is being read; none where all have been.
    fn leg(&mut self) -> Result<Option<&mut Answer<'a>>, QueryError> {
        if self.leg.is_none()
            && let Some((name, window)) = self.legs.pop_front()
        {
            let is_last = self.legs.is_empty() && name == self.stream.name;
            let is_own = name == self.stream.name;
            let query = Query {
                wait: self.query.wait && is_last,
                filter: self.query.filter.clone().filter(|_| is_own),
                partly: true,
                times: Some(Times::of(window)),
                interval: None,
                module: name,
                ..self.query.clone()
            };
            self.leg = Some(Answer::open(&query, self.place)?.in_part());
        }
        Ok(self.leg.as_mut())
    }

    fn merge(&mut self, output: Output) -> Result<(), QueryError> {
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
            let Some(leg) = self.leg()? else {
                self.ready.extend(self.merger.finish());
                let behind = self.behind.take();
                self.ready.extend(behind.map(|Window { from, to }| Output::Gap { from, to }));
                return Ok(self.ready.pop_front().map_or(Step::End, Step::Output));
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

/// The time of all that any of some streams has.
fn spanned(streams: &[Stream]) -> Option<Window> {
    let spans = || streams.iter().filter_map(stored);
    let from = spans().map(|span| span.from).min()?;
    Some(Window { from, to: spans().map(|span| span.to).max()? })
}

/// The first boundary of intervals at an instant or after it.
fn up(ts: Ts, interval: Span) -> Ts {
    let start = down(ts, interval);
    if start == ts { ts } else { start + interval }
}

fn down(ts: Ts, interval: Span) -> Ts {
    Interval::holding(ts, interval).start()
}

/// The first records of a window.
fn first_of(
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

/// The rollups of a stream that add up to an interval, the longest first.
fn levels(place: &Place<'_>, stream: &Stream, interval: Span) -> Result<Vec<Stream>, QueryError> {
    let mut levels = Vec::new();
    for one in place.store.streams()? {
        if one.rollup_of.as_ref() == Some(&stream.name)
            && let Some(len) = rollup::len_of(&stream.name, &one.name)
            && interval.0.is_multiple_of(len.0)
        {
            levels.push((len, one));
        }
    }
    levels.sort_by_key(|(len, _)| std::cmp::Reverse(*len));
    Ok(levels.into_iter().map(|(_, level)| level).collect())
}

/// Which level is read for which part of a window: each for what it has, the later ones for what
/// is left. The last has whatever is left to it.
fn cover(levels: &[Stream], window: Window, interval: Span, legs: &mut VecDeque<(String, Window)>) {
    let Some((level, finer)) = levels.split_first() else { return };
    // Where the oldest records have gone, an interval that they began is not whole.
    let removed = level.removed_until.unwrap_or_default();
    let first = level.first.map(|first| match down(first, interval) {
        start if level.reclaimed_blocks > 0 || removed > start => up(first.max(removed), interval),
        start => start,
    });
    let from = window.from.max(first.unwrap_or(window.to));
    if finer.is_empty() {
        // What is to come has no first record yet.
        let from = first.map_or(window.from, |first| window.from.max(first));
        if from < window.to {
            legs.push_back((level.name.clone(), Window { from, ..window }));
        }
        return;
    }
    let to = window.to.min(down(level.end.unwrap_or_default(), interval));
    if from >= to {
        return cover(finer, window, interval, legs);
    }
    if window.from < from {
        cover(finer, Window { to: from, ..window }, interval, legs);
    }
    legs.push_back((level.name.clone(), Window { from, to }));
    if to < window.to {
        cover(finer, Window { from: to, ..window }, interval, legs);
    }
}
