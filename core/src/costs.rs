//! Where the CPU time goes, in CoMo's five categories.
//!
//! Every thread of the monitor keeps a [`Stopwatch`] over its own CPU time and
//! charges what has passed at the seams between stages: once a batch or a
//! chunk, never once a packet. Waiting costs nothing, so a busy machine does
//! not change the account.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::time::SECOND;

/// What a stretch of CPU time was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Sources: turning a device's bytes into packets.
    Sniffer,
    /// The filters of all tasks.
    Filter,
    /// `check`, `update`, `export` and `action` of modules.
    Callbacks,
    /// Writing records and packets, or showing them.
    Storage,
    /// The rest of a monitor's threads: merging, decoding, interning, handing over.
    Core,
}

/// What all threads of a monitor have charged so far.
#[derive(Debug, Default)]
pub struct Costs([AtomicU64; 5]);

/// [`Costs`] as a reader sees them, in seconds of CPU time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CostStatus {
    /// Of sources.
    pub sniffer: f64,
    /// Of filters.
    pub filter: f64,
    /// Of modules.
    pub callbacks: f64,
    /// Of writing what was measured.
    pub storage: f64,
    /// Of the rest.
    pub core: f64,
}

impl Costs {
    /// Everything as it is now.
    pub fn status(&self) -> CostStatus {
        let seconds =
            |category: Category| self.0[category as usize].load(Relaxed) as f64 / SECOND as f64;
        CostStatus {
            sniffer: seconds(Category::Sniffer),
            filter: seconds(Category::Filter),
            callbacks: seconds(Category::Callbacks),
            storage: seconds(Category::Storage),
            core: seconds(Category::Core),
        }
    }
}

/// Has the calling thread, and those it starts, get less of a processor than those that measure
/// what comes. Without the right to, it is as before.
pub(crate) fn let_others_first() {
    // Elsewhere this would lower the whole monitor.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICENESS);
}

/// How much less, as `nice(1)` counts.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// How long an answer of the system is young: to ask for the CPU time costs as much as twenty looks
/// at the clock.
const TRUSTED: Duration = Duration::from_micros(500);

/// The CPU time of one thread, from one seam to the next. Belongs to the thread that started it.
#[derive(Debug)]
pub struct Stopwatch {
    // At the last seam.
    last_ns: u64,
    // When it was asked for last, and what it was.
    asked: Instant,
    asked_ns: u64,
}

impl Stopwatch {
    /// Starts it for the calling thread.
    pub fn start() -> Self {
        let (asked, asked_ns) = (Instant::now(), thread_cpu_ns());
        Self { last_ns: asked_ns, asked, asked_ns }
    }

    /// What the calling thread had used at the last seam since it began, in nanoseconds.
    pub fn used_ns(&self) -> u64 {
        self.last_ns
    }

    /// Charges what the calling thread has used since the last seam, and returns it, in
    /// nanoseconds.
    pub fn charge(&mut self, costs: &Costs, category: Category) -> u64 {
        self.ask();
        self.spend(self.asked_ns, costs, category)
    }

    /// As [`Stopwatch::charge`], of a thread that has hardly waited since the last seam: then CPU
    /// time passes as time does, and the clock is looked at instead, as long as the last answer is
    /// young. What it waited all the same, half a millisecond at most, is charged here and not at a
    /// later seam: the sum stays what the thread used.
    pub fn charge_busy(&mut self, costs: &Costs, category: Category) -> u64 {
        let passed = self.asked.elapsed();
        if passed >= TRUSTED {
            return self.charge(costs, category);
        }
        self.spend(self.asked_ns.saturating_add(passed.as_nanos() as u64), costs, category)
    }

    fn ask(&mut self) {
        (self.asked, self.asked_ns) = (Instant::now(), thread_cpu_ns());
    }

    fn spend(&mut self, now_ns: u64, costs: &Costs, category: Category) -> u64 {
        let spent = now_ns.saturating_sub(self.last_ns);
        self.last_ns = now_ns.max(self.last_ns);
        costs.0[category as usize].fetch_add(spent, Relaxed);
        spent
    }
}

/// The CPU time that the calling thread has used since it began, in nanoseconds.
pub fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(SECOND).saturating_add(nanos)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn what_a_thread_used_is_charged_once_and_only_there() {
        let costs = Costs::default();
        let mut watch = Stopwatch::start();
        let from = thread_cpu_ns();
        while thread_cpu_ns() < from + 1_000_000 {}
        assert!(watch.charge(&costs, Category::Filter) >= 1_000_000);
        let status = costs.status();
        assert!(status.filter >= 0.001, "{status:?}");
        assert_eq!(CostStatus { filter: 0.0, ..status }, CostStatus::default());
        let rest = watch.charge(&costs, Category::Core);
        assert!(rest < 1_000_000, "{rest}");
    }

    #[test]
    fn short_stretches_add_up_to_what_the_thread_used() {
        let costs = Costs::default();
        let from = thread_cpu_ns();
        let mut watch = Stopwatch::start();
        let mut charged = 0;
        while thread_cpu_ns() < from + 5_000_000 {
            thread::yield_now();
            charged += watch.charge_busy(&costs, Category::Core);
        }
        let used = thread_cpu_ns() - from;
        let trusted = TRUSTED.as_nanos() as u64;
        assert!(charged.abs_diff(used) <= trusted, "{charged} of {used}");
    }
}
