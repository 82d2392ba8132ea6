//! How much of a window candidates serve for, compared in time to the nanosecond.
//!
//! What lacks a part that another has is never as good as that one: only an
//! edge may be missing that is shorter than one of its own intervals, and a
//! small part of the whole, because the last interval has not ended yet.

use super::{Candidate, Past};
use crate::storage::scan::gaps;
use crate::storage::{Window, packets};

/// How many gaps are looked for among records.
const GAPS_MAX: usize = 4096;

/// How many times an edge that may be missing fits into all there is, at least.
const EDGES: u64 = 20;

/// How a candidate stands to the one that reaches furthest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stand {
    /// Whether it has as much, but for an edge.
    pub is_as_good: bool,
    /// That edge, of records.
    pub edge: Option<Window>,
}

impl Candidate {
    /// The parts of the window asked for that it serves for, in order.
    pub(super) fn parts(&self) -> Vec<Window> {
        let Some(mut covered) = self.covered else { return Vec::new() };
        if self.is_packets && self.stored.is_some_and(|stored| stored.to == covered.to) {
            // Its records say until when it heard none.
            covered.to = covered.to.max(self.heard_until);
        }
        let parts = covered.common(self.window).into_iter().collect();
        let holes = self.unfit.holes().iter().chain(self.unsaid.holes()).chain(&self.gaps);
        Window::without_all(parts, holes.copied())
    }

    /// How much of the window asked for it serves for, in nanoseconds.
    pub(super) fn reached_ns(&self) -> u64 {
        length(&self.parts())
    }

    /// What it lacks of some times.
    pub(super) fn lacks(&self, times: &[Window]) -> Vec<Window> {
        Window::without_all(times.to_vec(), self.parts())
    }

    /// Says that it lacks a moment of a time that it stands for.
    pub(super) fn edge_lacks(&mut self, lack: Window) {
        self.stand = Stand { is_as_good: true, edge: Some(lack) };
    }

    /// Whether it begins or ends otherwise than the window asked for, as whole intervals do, and
    /// whether it adds more than a small part to that.
    pub(super) fn other_ends(&self) -> (bool, bool) {
        let outside: Vec<Window> =
            self.covered.into_iter().flat_map(|covered| covered.without(self.window)).collect();
        let added = length(&outside);
        (added > 0 || self.stand.edge.is_some(), !is_small(added, self.reached_ns()))
    }

    /// How it stands to one that reaches at least as far.
    pub(super) fn stand_to(&self, best: &Self) -> Stand {
        let (own, all) = (self.parts(), best.parts());
        let mut missing = self.lacks(&all);
        let (Some(first), Some(last)) = (own.first(), own.last()) else {
            return Stand { is_as_good: all.is_empty(), edge: None };
        };
        // Records begin and end where their intervals do, before the first packet and behind the
        // last.
        let step = if self.is_packets { self.step.max(best.step) } else { self.step };
        let is_edge = |lack: &Window| {
            let len = (lack.to - lack.from).0;
            (lack.to == first.from || lack.from == last.to)
                && len < step.0
                && is_small(len, length(&all))
        };
        Stand {
            is_as_good: missing.iter().all(is_edge),
            edge: missing.pop().filter(|_| !self.is_packets),
        }
    }
}

/// Whether a part is small beside a whole, as an edge may be.
pub(super) fn is_small(part_ns: u64, whole_ns: u64) -> bool {
    part_ns.saturating_mul(EDGES) <= whole_ns
}

/// How long some windows are together, in nanoseconds.
pub(super) fn length(parts: &[Window]) -> u64 {
    parts.iter().fold(0, |all, part| all.saturating_add((part.to - part.from).0))
}

/// How each of some candidates stands to the one that reaches furthest of those alike.
pub(super) fn stands<C: PartialEq>(
    candidates: &[Candidate],
    class: impl Fn(&Candidate) -> C,
) -> Vec<Stand> {
    let stand = |one: &Candidate| {
        let alike = candidates.iter().filter(|other| class(other) == class(one));
        let best = alike.max_by_key(|other| other.reached_ns());
        best.map(|best| one.stand_to(best)).unwrap_or_default()
    };
    candidates.iter().map(stand).collect()
}

impl Past<'_> {
    /// Looks for gaps in what a candidate covers.
    pub(super) fn look_for_gaps(&self, candidate: &mut Candidate) {
        let Some(covered) = candidate.covered else { return };
        // What cannot be read is complained of by who reads it.
        (candidate.gaps, candidate.unsearched) = match &candidate.dir {
            Some(dir) => (packets::gaps(dir, covered).unwrap_or_default(), None),
            None => gaps(&*self.store, &candidate.name, covered, GAPS_MAX).unwrap_or_default(),
        };
    }
}
