//! How much of a live worker's time one task may take while others wait.
//!
//! Each call of a module has its limit; a module with an interval of a millisecond may use all but
//! the whole of it a thousand times a second, and its worker's other tasks would lose packets for
//! it. So each task earns its part of the time that passes and pays for what it uses. One that is
//! in debt while batches wait is passed over, until it has earned what it owes. As long as nothing
//! waits, everybody takes what there is.

use std::time::Instant;

use crate::costs::thread_cpu_ns;

/// Batches that wait for a worker that cannot keep up.
pub(super) const WAIT_MIN: usize = 2;
/// The most that a task saves, and the most that it owes.
const SAVED_MAX_NS: i64 = 250_000_000;
const OWED_MAX_NS: i64 = 500_000_000;
/// How long one task's empty intervals may be closed one after the other.
const ZEROS_MAX_NS: u64 = 50_000_000;

/// The time that a worker has had: that in which it ran, and that in which it had nothing to do.
/// What other threads took of the machine is nobody's here.
#[derive(Debug, Default)]
pub(super) struct Had {
    idle_ns: u64,
}

impl Had {
    /// Waits for something.
    pub fn idle<T>(&mut self, wait: impl FnOnce() -> T) -> T {
        let since = Instant::now();
        let awaited = wait();
        let idle_ns = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.idle_ns = self.idle_ns.saturating_add(idle_ns);
        awaited
    }

    /// All of it.
    pub fn ns(&self) -> u64 {
        thread_cpu_ns().saturating_add(self.idle_ns)
    }
}

/// One turn of a task over a batch of a live stream, beside others.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// How many tasks the worker has.
    pub tasks: usize,
    /// The time that the worker has had.
    pub now_ns: u64,
    /// Whether batches wait.
    pub wait: bool,
}

/// What one task has earned and used.
#[derive(Debug)]
pub struct Share {
    credit_ns: i64,
    since_ns: Option<u64>,
    /// The CPU time of the worker at which the turn has taken too long; none where nobody waits.
    end_ns: Option<u64>,
}

impl Default for Share {
    fn default() -> Self {
        Self { credit_ns: SAVED_MAX_NS, since_ns: None, end_ns: None }
    }
}

impl Share {
    /// Forgets what it owes: who has nobody beside itself owes nobody anything.
    pub fn forgive(&mut self) {
        self.credit_ns = self.credit_ns.max(0);
    }

    /// Begins a turn; whether it may be had. Where nobody is waited for there is none, and it
    /// neither earns nor pays.
    pub fn turn(&mut self, turn: Option<Turn>) -> bool {
        let Some(Turn { tasks, now_ns, wait }) = turn else {
            (self.since_ns, self.end_ns) = (None, None);
            return true;
        };
        let since_ns = self.since_ns.replace(now_ns).unwrap_or(now_ns);
        let part = now_ns.saturating_sub(since_ns) / tasks.max(1) as u64;
        let earned = i64::try_from(part).unwrap_or(i64::MAX);
        self.credit_ns = self.credit_ns.saturating_add(earned).min(SAVED_MAX_NS);
        self.end_ns = Some(thread_cpu_ns().saturating_add(ZEROS_MAX_NS));
        !wait || self.credit_ns >= 0
    }

    /// Whether others wait for the end of the turn.
    pub fn is_shared(&self) -> bool {
        self.since_ns.is_some()
    }

    /// Pays for the CPU time of a turn.
    pub fn spend(&mut self, spent_ns: u64) {
        if !self.is_shared() {
            return;
        }
        let spent = i64::try_from(spent_ns).unwrap_or(i64::MAX);
        self.credit_ns = self.credit_ns.saturating_sub(spent).max(-OWED_MAX_NS);
    }

    /// Whether the turn has taken too long for others to wait for its end.
    pub fn is_over(&self) -> bool {
        self.end_ns.is_some_and(|end| thread_cpu_ns() > end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(now_ms: u64, wait: bool) -> Option<Turn> {
        Some(Turn { tasks: 4, now_ns: now_ms * 1_000_000, wait })
    }

    #[test]
    fn who_takes_more_than_a_part_is_passed_over_until_it_is_earned() {
        let (mut share, mut taken) = (Share::default(), 0);
        for now in 0..1000 {
            if share.turn(turn(now * 10, true)) {
                share.spend(40_000_000);
                taken += 40;
            }
        }
        // A quarter of ten seconds, and what was saved.
        assert!((2500..=2800).contains(&taken), "{taken}");
        share.spend(u64::MAX);
        assert!(!share.turn(turn(9_990 + 1_990, true)) && share.turn(turn(9_990 + 2_000, true)));
    }

    #[test]
    fn nobody_is_passed_over_where_nobody_waits() {
        let mut share = Share::default();
        assert!(share.turn(turn(0, false)));
        share.spend(u64::MAX);
        assert!(share.turn(turn(0, false)) && !share.turn(turn(0, true)));
    }

    #[test]
    fn who_is_alone_owes_nothing_to_those_that_come() {
        let mut share = Share::default();
        for now in 0..10 {
            share.forgive();
            assert!(share.turn(None));
            share.spend(u64::MAX);
            assert!(share.turn(turn(now, true)), "{now}");
            // And what it owed is forgotten with those it owed it to.
            share.spend(u64::MAX);
        }
    }

    #[test]
    fn who_has_others_beside_itself_owes_them_as_much_behind_batches_of_files() {
        let mut share = Share::default();
        assert!(share.turn(turn(0, true)));
        share.spend(u64::MAX);
        assert!(share.turn(None));
        share.spend(u64::MAX);
        assert!(!share.turn(turn(0, true)) && !share.turn(turn(1_990, true)));
        assert!(share.turn(turn(4_000, true)));
    }
}
