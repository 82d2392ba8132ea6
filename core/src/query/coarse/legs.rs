//! Which of an instance's streams is read for which part of a window, and what none of them has.

use std::collections::VecDeque;

use crate::filter::Expr;
use crate::query::QueryError;
use crate::query::answer::Place;
use crate::rollup;
use crate::storage::{Stream, Window};
use crate::time::{Interval, Span, Ts};

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leg {
    /// What a stream has of a time.
    Read(String, Window),
    /// Nothing is left of it, or never was.
    Gone(Window),
}

impl Leg {
    /// The stream that is read.
    pub fn read(&self) -> Option<(&str, Window)> {
        match self {
            Self::Read(name, window) => Some((name, *window)),
            Self::Gone(_) => None,
        }
    }
}

/// The first boundary of intervals at an instant or after it.
pub fn up(ts: Ts, interval: Span) -> Ts {
    let start = down(ts, interval);
    if start == ts { ts } else { start + interval }
}

/// The last boundary of intervals at an instant or before it.
pub fn down(ts: Ts, interval: Span) -> Ts {
    Interval::holding(ts, interval).start()
}

/// The intervals of a length that begin in a time; where more is to come from an instant on, those
/// that have ended by then.
pub fn whole(asked: Window, interval: Span, to_come: Option<Ts>) -> Window {
    let from = up(asked.from, interval);
    let to = up(asked.to, interval);
    let ended = to_come.map_or(to, |since| to.min(down(since, interval)));
    Window { from, to: ended.max(from) }
}

/// What has gone between what is read, in words.
pub fn gaps(legs: &VecDeque<Leg>) -> Option<String> {
    let is_read = |leg: &Leg| leg.read().is_some();
    let (first, last) = (legs.iter().position(is_read)?, legs.iter().rposition(is_read)?);
    let mut gone = legs.range(first..last).filter_map(|leg| match leg {
        Leg::Gone(window) => Some(window),
        Leg::Read(..) => None,
    });
    let Window { from, to } = gone.next()?;
    let others = match gone.count() {
        0 => String::new(),
        others => format!(", and {others} more"),
    };
    Some(format!("there is a gap from {from} until {to}{others}"))
}

/// From where the first interval that is read begins until where the last one ends; none where
/// nothing is stored yet.
pub fn reached(legs: &VecDeque<Leg>, levels: &[Stream], interval: Span) -> Option<Window> {
    let all = spanned(levels)?;
    let mut reads = legs.iter().filter_map(|leg| Some(leg.read()?.1));
    let first = reads.next()?;
    let to = reads.next_back().unwrap_or(first).to;
    Some(Window { from: first.from, to: to.min(up(all.to, interval)) })
}

/// The time of all that any of some streams has.
pub fn spanned(streams: &[Stream]) -> Option<Window> {
    let spans = || streams.iter().filter_map(Stream::span);
    let from = spans().map(|span| span.from).min()?;
    Some(Window { from, to: spans().map(|span| span.to).max()? })
}

/// The rollups of a stream that add up to an interval, the longest first, and the stream itself;
/// where a filter is asked for, those that were made of its packets alone.
pub fn levels(
    place: &Place<'_>,
    stream: &Stream,
    (window, interval): (Window, Span),
    asked: Option<&Expr>,
) -> Result<Vec<Stream>, QueryError> {
    let asked = asked.map(Expr::to_string);
    let mut levels = Vec::new();
    for one in place.store.streams()? {
        if one.rollup_of.as_ref() == Some(&stream.name)
            && let Some(len) = rollup::len_of(&stream.name, &one.name)
            && interval.0.is_multiple_of(len.0)
            && asked.as_ref().is_none_or(|asked| is_of(&one, stream, window, asked))
        {
            levels.push((len, one));
        }
    }
    levels.sort_by_key(|(len, _)| std::cmp::Reverse(*len));
    let rollups = levels.into_iter().map(|(_, level)| level);
    Ok(rollups.chain([stream.clone()]).collect())
}

/// Whether a rollup is of the packets of a filter: the records that it was made of tell.
fn is_of(level: &Stream, stream: &Stream, window: Window, asked: &str) -> bool {
    let made = level.span().and_then(|made| made.common(window));
    let of = made.map(|made| stream.eras(made)).unwrap_or_default();
    of.iter().all(|(_, measured)| measured.is(asked))
}

/// The parts, in order, of an answer to who asks for a time of which whole intervals begin in
/// `window`. What none of the levels has is gone: before and behind all there is, and where records
/// went that an interval would need. Where more comes, the interval that is `open` until an instant
/// is neither given nor gone.
pub fn legs(
    levels: &[Stream],
    (asked, window): (Window, Window),
    interval: Span,
    open: Option<Ts>,
) -> VecDeque<Leg> {
    let (mut reads, mut legs) = (VecDeque::new(), VecDeque::new());
    cover(levels, window, interval, &mut reads);
    let Some(all) = spanned(levels).filter(|all| all.common(asked).is_some()) else {
        return reads.into_iter().map(|(name, window)| Leg::Read(name, window)).collect();
    };
    let mut at = if asked.from == Ts(0) { all.from } else { asked.from };
    // An interval that begins before the time asked for is not given, and has not gone.
    if let Some(begun) = (Window { from: asked.from, to: window.from }).common(all) {
        legs.extend(gone(at, begun.from));
        at = begun.to;
    }
    for (name, read) in reads {
        let level = levels.iter().find(|level| level.name == name);
        if let Some(has) = level.and_then(Stream::span).and_then(|has| has.common(read)) {
            legs.extend(gone(at, has.from));
            at = at.max(has.to);
        }
        legs.push_back(Leg::Read(name, read));
    }
    let is_open = open.is_some() || asked.to == Window::ALL.to;
    let to = if is_open { window.to.min(all.to) } else { asked.to };
    legs.extend(gone(at, to));
    if let Some(open) = open.filter(|_| asked.to < Window::ALL.to) {
        legs.extend(gone(at.max(to).max(open), asked.to));
    }
    legs
}

fn gone(from: Ts, to: Ts) -> Option<Leg> {
    (from < to).then_some(Leg::Gone(Window { from, to }))
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
