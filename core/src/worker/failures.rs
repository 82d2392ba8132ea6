//! How often a task may fail: when it is parked.

use crate::module::Fault;

/// Calls in a row that may fail before a task is parked.
const FAULTS_MAX: u32 = 10;

/// What a task has failed at, in a row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Failures {
    // Calls of any kind.
    calls: u32,
    // Batches over which a limit was passed, whatever became of the intervals between them.
    stopped: u32,
    // Ends of intervals, whatever became of the batches between them.
    ends: u32,
}

impl Failures {
    /// Notes how a call went, over a batch or at the end of an interval.
    pub(super) fn note(&mut self, over_batch: bool, fault: Option<&Fault>) {
        self.calls = if fault.is_some() { self.calls.saturating_add(1) } else { 0 };
        if over_batch {
            let stopped = fault.is_some_and(|fault| fault.limit.is_some());
            self.stopped = if stopped { self.stopped.saturating_add(1) } else { 0 };
        } else {
            self.ends = if fault.is_some() { self.ends.saturating_add(1) } else { 0 };
        }
    }

    /// After a panic no more is tried.
    pub(super) fn give_up(&mut self) {
        self.calls = FAULTS_MAX;
    }

    /// Whether the task is to be parked.
    pub(super) fn are_too_many(self) -> bool {
        self.calls.max(self.stopped).max(self.ends) >= FAULTS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::Limit;

    #[test]
    fn who_is_stopped_in_every_batch_has_failed_too_often_whatever_its_intervals_say() {
        let fault = |limit| Fault { limit, ..Fault::new("what") };
        let check = |limit, want: bool| {
            let mut failures = Failures::default();
            for _ in 0..FAULTS_MAX {
                assert!(!failures.are_too_many());
                failures.note(true, Some(&fault(limit)));
                failures.note(false, None);
            }
            assert_eq!(failures.are_too_many(), want);
        };
        check(Some(Limit::Cpu), true);
        // A packet in every batch that a script makes nothing of.
        check(None, false);
    }

    #[test]
    fn who_fails_at_the_end_of_each_interval_has_failed_too_often_whatever_its_batches_say() {
        let (mut failures, fault) = (Failures::default(), Fault::new("what"));
        let mut interval = |fault: Option<&Fault>| {
            (0..3).for_each(|_| failures.note(true, None));
            failures.note(false, fault);
            failures.are_too_many()
        };
        for _ in 1..FAULTS_MAX {
            assert!(!interval(Some(&fault)));
        }
        assert!(!interval(None));
        for _ in 1..FAULTS_MAX {
            assert!(!interval(Some(&fault)));
        }
        assert!(interval(Some(&fault)));
    }

    #[test]
    fn who_fails_in_everything_has_failed_too_often() {
        let fault = Fault::new("what");
        let mut failures = Failures::default();
        for at in 0..FAULTS_MAX {
            failures.note(at % 2 == 0, Some(&fault));
        }
        assert!(failures.are_too_many());
        failures.note(true, None);
        assert!(!failures.are_too_many());
    }
}
