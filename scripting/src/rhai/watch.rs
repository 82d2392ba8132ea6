//! The deadline of a call into a script, in the CPU time of the thread that runs it.
//!
//! A busy machine must not end an innocent script, so what counts is CPU time.
//! Asking for it is a system call; CPU time never runs ahead of the clock on the
//! wall, which is cheap to read, so that one is asked first.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use como_core::costs::thread_cpu_ns;

/// How many operations of a script pass between two looks at the clock. Few, because one
/// operation may sort a long list. They are counted here: Rhai's own count begins anew in each
/// function that `map` or `reduce` calls, and may never come to a multiple of anything.
const STRIDE: u64 = 8;

/// Watches the calls into one script. Of one thread at a time.
#[derive(Debug)]
pub(super) struct Watch {
    origin: Instant,
    /// When to ask for the CPU time next, by the clock on the wall.
    look_ns: AtomicU64,
    /// The CPU time at which the call must end.
    end_ns: AtomicU64,
    /// Operations since the last look.
    operations: AtomicU64,
    late: AtomicBool,
}

impl Watch {
    /// Watches nothing yet.
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
            look_ns: AtomicU64::new(u64::MAX),
            end_ns: AtomicU64::new(u64::MAX),
            operations: AtomicU64::new(0),
            late: AtomicBool::new(false),
        }
    }

    /// A call begins, which may take `limit` of the thread's CPU time.
    pub fn begin(&self, limit: Duration) {
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        self.look_ns.store(self.wall_ns().saturating_add(limit), Relaxed);
        self.end_ns.store(thread_cpu_ns().saturating_add(limit), Relaxed);
        self.late.store(false, Relaxed);
    }

    /// Whether the call must end, asked at each of its operations. Once it must it always must,
    /// so that no script survives by catching what ends it.
    pub fn is_late(&self) -> bool {
        if self.late.load(Relaxed) {
            return true;
        }
        let operations = self.operations.load(Relaxed) + 1;
        let looks = operations >= STRIDE;
        self.operations.store(if looks { 0 } else { operations }, Relaxed);
        looks && self.look()
    }

    fn look(&self) -> bool {
        let wall = self.wall_ns();
        if wall < self.look_ns.load(Relaxed) {
            return false;
        }
        let left = self.end_ns.load(Relaxed).saturating_sub(thread_cpu_ns());
        self.look_ns.store(wall.saturating_add(left), Relaxed);
        self.late.store(left == 0, Relaxed);
        left == 0
    }

    fn wall_ns(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_late_stays_late_until_the_next_call() {
        let watch = Watch::new();
        let soon = |watch: &Watch| (0..STRIDE).any(|_| watch.is_late());
        assert!(!soon(&watch));
        watch.begin(Duration::ZERO);
        assert!(!watch.is_late() && soon(&watch) && watch.is_late());
        watch.begin(Duration::from_secs(3600));
        assert!(!soon(&watch));
    }
}
