//! Runs: when those listened who stored the records of a stream.
//!
//! Who begins to measure stores a gap since the newest record, if there is one.
//! Where a later run stores earlier times (its clock was set back, or it is fed
//! an older capture) nobody stores one of the time between its records and those
//! there were. So it is kept beside the records from when until when runs
//! listened: between its blocks one was silent, and what lies between all runs
//! nobody measured.

use serde::{Deserialize, Serialize};

use super::Window;
use super::block::Header;
use crate::time::Ts;

/// How many runs are told apart that do not touch; of more the earliest are taken for one.
const RUNS_MAX: usize = 256;

/// When the runs of a stream listened: those before, of which those that touch are one, and behind
/// them the one that stored last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runs(Vec<Run>);

/// When a run listened; its number is that of its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    boot: u64,
    from: u64,
    to: u64,
}

impl Runs {
    /// Takes note of a block, which a run stored.
    pub(super) fn note(&mut self, header: &Header) {
        let (boot, from, to) = (header.origin.boot, header.first.0, header.end().0);
        let run = Run { boot, from, to };
        let end = self.0.iter().map(|run| run.to).max();
        if let Some(last) = self.0.last_mut().filter(|last| last.boot == boot) {
            last.join(&run);
            return;
        }
        let known = self.0.iter().position(|known| known.boot == boot);
        let mut last = known.map_or(run, |at| self.0.remove(at));
        last.join(&run);
        if let Some(end) = end.filter(|end| *end <= last.from) {
            // It stored a gap where there was one.
            last.from = end;
        }
        self.0 = within_bounds(joined(std::mem::take(&mut self.0)));
        self.0.push(last);
    }

    /// Whether none is known.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what is known elsewhere of runs of the same stream.
    pub(super) fn add(&mut self, other: &Self) {
        if !other.is_empty() && self != other {
            let all = [&self.0[..], &other.0].concat();
            self.0 = within_bounds(joined(all));
        }
    }

    /// The times in a window between runs, in which nobody measured.
    pub(super) fn between(&self, window: Window) -> impl Iterator<Item = Window> {
        let runs = joined(self.0.clone());
        let begins: Vec<Ts> = runs.iter().skip(1).map(|run| Ts(run.from)).collect();
        let ends = runs.into_iter().map(|run| Ts(run.to));
        ends.zip(begins).filter_map(move |(from, to)| Window { from, to }.common(window))
    }
}

impl Run {
    /// Takes in another; the number is of that which reaches furthest.
    fn join(&mut self, other: &Self) {
        self.boot = if other.to > self.to { other.boot } else { self.boot };
        (self.from, self.to) = (self.from.min(other.from), self.to.max(other.to));
    }
}

/// So many of them that there is room for one more: the earliest are taken for one.
fn within_bounds(mut runs: Vec<Run>) -> Vec<Run> {
    while runs.len() >= RUNS_MAX {
        let first = runs.remove(0);
        runs[0].join(&first);
    }
    runs
}

/// Runs in the order of time, those that touch as one.
fn joined(mut runs: Vec<Run>) -> Vec<Run> {
    runs.sort_by_key(|run| run.from);
    runs.dedup_by(|next, run| {
        let touches = next.from <= run.to;
        if touches {
            run.join(next);
        }
        touches
    });
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::block::Origin;
    use crate::time::Span;

    /// The gaps between blocks, each with the run that stored it and from when until when it is.
    #[track_caller]
    fn check(blocks: &[(u64, u64, u64)], want: &[(u64, u64)]) {
        let mut runs = Runs::default();
        for (seq, &(boot, from, to)) in blocks.iter().enumerate() {
            runs.note(&Header {
                origin: Origin { node: "n".into(), stream: "a".into(), boot },
                seq: seq as u64,
                first: Ts::new(from, 0),
                last: Ts::new(to - 1, 0),
                len: Span::from_secs(1),
                schema: 1,
                rows: 1,
                cut: false,
                gap: false,
            });
        }
        let gaps = runs.between(Window::ALL).map(|gap| (gap.from.parts().0, gap.to.parts().0));
        assert_eq!(gaps.collect::<Vec<_>>(), want);
    }

    #[test]
    fn between_a_later_run_and_what_was_stored_before_it_nobody_measured() {
        check(&[(1, 30, 40), (2, 0, 10)], &[(10, 30)]);
        check(&[(1, 30, 40), (2, 0, 30)], &[]);
        check(&[(1, 30, 40), (2, 0, 10), (3, 15, 20)], &[(10, 15), (20, 30)]);
        check(&[(1, 30, 40), (2, 0, 10), (3, 50, 60), (4, 24, 26)], &[(10, 24), (26, 30)]);
    }

    #[test]
    fn who_goes_on_behind_all_there_is_stored_a_gap_where_there_was_one() {
        check(&[(1, 0, 10), (2, 12, 14)], &[]);
        check(&[(1, 30, 40), (2, 0, 10), (3, 50, 60)], &[(10, 30)]);
    }

    #[test]
    fn a_run_that_goes_on_was_silent_between_its_records() {
        check(&[(1, 0, 10), (1, 30, 40)], &[]);
        check(&[(1, 0, 10), (1, 30, 40), (2, 12, 14)], &[]);
        check(&[(1, 0, 10), (2, 12, 14), (1, 30, 40)], &[]);
        check(&[(1, 0, 40), (2, 10, 12), (2, 38, 40), (2, 44, 46)], &[]);
    }

    #[test]
    fn of_very_many_runs_the_earliest_are_taken_for_one() {
        let blocks: Vec<_> = (0..=RUNS_MAX as u64).rev().map(|n| (n, 10 * n, 10 * n + 5)).collect();
        let late = (2..RUNS_MAX as u64).map(|n| (10 * n + 5, 10 * n + 10));
        check(&blocks, &[(5, 10)].into_iter().chain(late).collect::<Vec<_>>());
    }
}
