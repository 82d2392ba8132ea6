//! Segments that are missing between others.
//!
//! Numbers grow by one, and the oldest go first. A number that is passed over
//! is of a segment that never had a packet, and then the next one begins apart
//! from those before, or of one that somebody removed, or a disk lost.

use std::path::Path;
use std::{fmt, io};

use super::Lost;
use crate::storage::Window;
use crate::storage::packets::index::Index;
use crate::storage::packets::segments::{self, Segment, first_section};
use crate::storage::pcapng;
use crate::time::Ts;

/// Segments that are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::storage::packets) struct Hole {
    /// The first of them, and the last.
    pub number: u64,
    last_number: u64,
    /// The latest packet before them, and the earliest behind.
    pub from: Ts,
    pub to: Ts,
}

impl Hole {
    /// Whether packets of a window may be missing.
    pub fn touches(&self, window: Window) -> bool {
        self.from < window.to && self.to > window.from
    }

    /// The time of what is missing, at most.
    pub fn lost(&self) -> Lost {
        let first = Ts(self.from.0.saturating_add(1));
        Lost { first: Some(first), last: Some(Ts(self.to.0.saturating_sub(1)).max(first)) }
    }
}

impl fmt::Display for Hole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last_number == self.number {
            true => write!(f, "segment {} is missing", self.number),
            false => write!(f, "segments {} to {} are missing", self.number, self.last_number),
        }
    }
}

/// The segments that are missing between some, which are all there are.
pub(in crate::storage::packets) fn holes(segments: &[Segment]) -> impl Iterator<Item = Hole> {
    segments.windows(2).filter_map(|pair| match pair {
        [before, behind] if before.is_followed_from_afar(behind) => between(before, behind),
        _ => None,
    })
}

fn between(before: &Segment, behind: &Segment) -> Option<Hole> {
    let (number, last_number) = (before.number.checked_add(1)?, behind.number.checked_sub(1)?);
    let ((_, from), (to, _)) = (span(before)?, span(behind)?);
    let hole = Hole { number, last_number, from, to };
    // Where time stepped back, what lay between may have been old enough to go.
    (from <= to && !begins_apart(behind)).then_some(hole)
}

/// When somebody listened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listened {
    /// From the first to the last of a window, without the times at its ends in which nobody did.
    pub within: Window,
    /// Whether nothing is kept of any time behind.
    pub is_last: bool,
}

/// When somebody listened in a window, as the packets tell that are kept in a directory; none where
/// none are of that time.
pub fn listened(dir: &Path, window: Window) -> io::Result<Option<Listened>> {
    let segments = segments::list(dir)?;
    let spanned = segments.iter().filter_map(|segment| Some((segment, span(segment)?)));
    let spanned: Vec<(&Segment, (Ts, Ts))> = spanned.collect();
    let inside =
        spanned.iter().filter(|(_, (first, last))| *first < window.to && *last >= window.from);
    let Some((first, last)) = inside
        .clone()
        .map(|(_, span)| *span)
        .reduce(|one, two| (one.0.min(two.0), one.1.max(two.1)))
    else {
        return Ok(None);
    };
    // A run that goes on over an end of the window was silent there.
    let runs_on = |(segment, _): &&(&Segment, _)| !begins_apart(segment);
    let before = spanned.iter().any(|(_, (_, last))| *last < window.from);
    let begins = inside.min_by_key(|(_, (first, _))| *first);
    let was_on = before && begins.is_some_and(|begins| runs_on(&begins));
    let behind = spanned.iter().filter(|(_, (first, _))| *first >= window.to);
    let behind = behind.min_by_key(|(_, (first, _))| *first);
    let goes_on = behind.is_some_and(|behind| runs_on(&behind));
    let end = Ts(last.0.saturating_add(1));
    let within = Window {
        from: if was_on { window.from } else { first.max(window.from) },
        to: if goes_on { window.to } else { end.min(window.to) },
    };
    Ok(Some(Listened { within, is_last: behind.is_none() }))
}

/// The times in a window in which nobody listened, between packets that are kept in a directory.
pub fn gaps(dir: &Path, window: Window) -> io::Result<Vec<Window>> {
    let segments = segments::list(dir)?;
    let spanned = segments.iter().filter_map(|segment| Some((segment, span(segment)?)));
    let mut spanned: Vec<(&Segment, (Ts, Ts))> = spanned.collect();
    spanned.sort_by_key(|(_, (first, _))| *first);
    let (mut gaps, mut end) = (Vec::new(), None);
    for (segment, (first, last)) in spanned {
        if let Some(end) = end.filter(|end| *end < first)
            && let Some(gap) = (Window { from: end, to: first }).common(window)
            && begins_apart(segment)
        {
            gaps.push(gap);
        }
        end = end.max(Some(Ts(last.0.saturating_add(1))));
    }
    Ok(gaps)
}

/// The times of its packets, as far as they are known.
pub(super) fn span(segment: &Segment) -> Option<(Ts, Ts)> {
    let indexed = || Index::read(&segment.index(), segment.number).ok()?.span();
    segment.span.or_else(indexed)
}

/// Whether it says that its packets do not follow those before.
pub(super) fn begins_apart(segment: &Segment) -> bool {
    // What cannot be read is complained of when its packets are.
    let section = first_section(segment.clone()).ok().flatten();
    section.is_none_or(|section| pcapng::is_apart(&section))
}
