//! Segments that are missing between others.
//!
//! Numbers grow by one, and the oldest go first. A number that is passed over
//! is of a segment that never had a packet, and then the next one begins apart
//! from those before, or of one that somebody removed, or a disk lost.

use std::fmt;

use super::Lost;
use crate::storage::Window;
use crate::storage::packets::index::Index;
use crate::storage::packets::segments::{Segment, first_section};
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
