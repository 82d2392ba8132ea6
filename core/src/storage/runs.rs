//! Runs: when those listened who stored the records of a stream.
//!
//! Who begins to measure stores a gap since the newest record, if there is one.
//! Where a later run stores earlier times (its clock was set back, or it is fed
//! an older capture) nobody stores one of the time between its records and those
//! there were. So it is kept beside the records from when until when runs
//! listened: between its blocks one was silent, and what lies between all runs
//! nobody measured. A gap that was stored before is one only where no such run
//! has listened since.

use serde::{Deserialize, Serialize};

use super::Window;
use super::block::Header;
use crate::time::Ts;

/// How many runs are told apart that do not touch; of more the earliest are taken for one. Of those
/// that stored earlier times than there were so many are remembered, too.
const RUNS_MAX: usize = 256;

/// When the runs of a stream listened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Run>", into = "Vec<Run>")]
pub struct Runs {
    // In the order of time; those that touch are one.
    times: Vec<Run>,
    // Those that stored earlier times than there were, each by itself: others may have stored gaps
    // of such a time before.
    late: Vec<Run>,
    // The one that stored last.
    last: Option<Run>,
}

/// When a run listened; its number is that of its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    boot: u64,
    from: u64,
    to: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    late: bool,
}

impl Runs {
    /// Takes note of a block, which a run stored.
    pub(super) fn note(&mut self, header: &Header) {
        let (boot, from, to) = (header.origin.boot, header.first.0, header.end().0);
        let run = Run { boot, from, to, late: false };
        let end = self.times.last().map(|run| run.to);
        let goes_on = self.last.filter(|last| last.boot == boot);
        let known = || self.times.iter().find(|known| known.boot == boot).copied();
        let mut last = goes_on.or_else(known).unwrap_or(run);
        last.join(&run);
        if let Some(end) = end.filter(|end| goes_on.is_none() && *end <= last.from) {
            // It stored a gap where there was one.
            last.from = end;
        }
        if self.late.iter().any(|late| late.boot == boot)
            || goes_on.is_none() && end.is_some_and(|end| from < end)
        {
            self.note_late(run);
        }
        self.last = Some(last);
        self.hold(last);
    }

    /// Takes note of a time of a run that stored earlier times than there were.
    fn note_late(&mut self, run: Run) {
        match self.late.iter_mut().find(|late| late.boot == run.boot) {
            Some(late) => late.join(&run),
            None => self.late.push(Run { late: true, ..run }),
        }
        if self.late.len() > RUNS_MAX {
            self.late.remove(0);
        }
    }

    /// Adds a time to the others, where it belongs.
    fn hold(&mut self, mut run: Run) {
        let begin = self.times.partition_point(|known| known.to < run.from);
        let end = self.times.partition_point(|known| known.from <= run.to);
        self.times.drain(begin..end).for_each(|known| run.join(&known));
        self.times.insert(begin, run);
        if self.times.len() > RUNS_MAX {
            let first = self.times.remove(0);
            self.times[0].join(&first);
        }
    }

    /// When a run listened that had an instant and stored earlier times than there were: what is
    /// behind it is of others.
    pub(crate) fn late(&self, ts: Ts) -> Option<Window> {
        let late = self.late.iter().rev().find(|run| (run.from..run.to).contains(&ts.0));
        late.map(|run| Window { from: Ts(run.from), to: Ts(run.to) })
    }

    /// Whether none is known.
    pub(super) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Adds what is known elsewhere of runs of the same stream.
    pub(super) fn add(&mut self, other: &Self) {
        other.times.iter().for_each(|run| self.hold(*run));
        other.late.iter().for_each(|run| self.note_late(*run));
        self.last = self.last.or(other.last);
    }

    /// The times in a window between runs, in which nobody measured.
    pub(super) fn between(&self, window: Window) -> impl Iterator<Item = Window> {
        let apart = self.times.windows(2);
        let between = apart.map(|two| Window { from: Ts(two[0].to), to: Ts(two[1].from) });
        between.filter_map(move |time| time.common(window))
    }

    /// What is left of a gap that a run stored, where others have stored into it what they heard.
    pub(super) fn left_of(&self, gap: Window, boot: u64) -> Vec<Window> {
        let others = self.late.iter().filter(|run| run.boot != boot);
        let heard = others.map(|run| Window { from: Ts(run.from), to: Ts(run.to) });
        Window::without_all(vec![gap], heard)
    }
}

/// As they are written down: those that were late, the times, and behind them the last run.
impl From<Runs> for Vec<Run> {
    fn from(Runs { times, late, last }: Runs) -> Self {
        [&late[..], &times, last.as_slice()].concat()
    }
}

impl From<Vec<Run>> for Runs {
    fn from(all: Vec<Run>) -> Self {
        let (late, times): (Vec<Run>, Vec<Run>) = all.into_iter().partition(|run| run.late);
        let mut runs = Self { times: Vec::new(), late, last: times.last().copied() };
        times.into_iter().for_each(|run| runs.hold(run));
        runs
    }
}

impl Run {
    /// Takes in another; the number is of that which reaches furthest.
    fn join(&mut self, other: &Self) {
        self.boot = if other.to > self.to { other.boot } else { self.boot };
        (self.from, self.to) = (self.from.min(other.from), self.to.max(other.to));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::block::Origin;
    use crate::time::Span;

    /// Runs of which the blocks were noted, each with the run that stored it and from when until
    /// when it is.
    fn noted(blocks: &[(u64, u64, u64)]) -> Runs {
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
        runs
    }

    fn seconds(windows: impl IntoIterator<Item = Window>) -> Vec<(u64, u64)> {
        windows.into_iter().map(|gap| (gap.from.parts().0, gap.to.parts().0)).collect()
    }

    /// The gaps between blocks, also once they were written down.
    #[track_caller]
    fn check(blocks: &[(u64, u64, u64)], want: &[(u64, u64)]) {
        let runs = noted(blocks);
        assert_eq!(seconds(runs.between(Window::ALL)), want);
        let text = serde_json::to_string(&runs).expect("JSON");
        assert_eq!(serde_json::from_str::<Runs>(&text).expect(&text), runs);
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
        let late = (1..RUNS_MAX as u64).map(|n| (10 * n + 5, 10 * n + 10));
        check(&blocks, &late.collect::<Vec<_>>());
    }

    #[test]
    fn a_gap_is_left_of_a_stored_one_where_no_other_run_has_stored_into_it() {
        let stored = [(1, 0, 10), (2, 10, 40)];
        let left = |later: &[(u64, u64, u64)], boot| {
            let gap = Window { from: Ts::new(10, 0), to: Ts::new(30, 0) };
            seconds(noted(&[&stored[..], later].concat()).left_of(gap, boot))
        };
        assert_eq!(left(&[], 2), [(10, 30)]);
        assert_eq!(left(&[(3, 15, 16), (3, 18, 20)], 2), [(10, 15), (20, 30)]);
        assert_eq!(left(&[(3, 15, 20), (4, 19, 30)], 2), [(10, 15)]);
        assert_eq!(left(&[(3, 5, 35)], 2), []);
        // Of its own gaps each run knows best.
        assert_eq!(left(&[(3, 5, 35)], 3), [(10, 30)]);
        // Who goes on behind all there is has not heard what was before.
        assert_eq!(left(&[(3, 50, 60)], 2), [(10, 30)]);
    }

    #[test]
    fn what_earlier_versions_wrote_down_is_read() {
        let text = r#"[{"boot":1,"from":30,"to":40},{"boot":2,"from":0,"to":10}]"#;
        let runs: Runs = serde_json::from_str(text).expect(text);
        let between: Vec<Window> = runs.between(Window::ALL).collect();
        assert_eq!(between, [Window { from: Ts(10), to: Ts(30) }]);
        assert_eq!(runs.last.map(|run| run.boot), Some(2));
    }
}
