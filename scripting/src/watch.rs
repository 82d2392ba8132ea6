//! The watchdog: ends a call into a script when its CPU time is up.
//!
//! No script looks at a clock: a thread looks at those of running calls, and
//! stops a call whose time is up, each language in its own way. Time is the
//! calling thread's CPU time: a busy machine stops nobody innocent. Where the
//! machine is a virtual one and its processors are taken away, that clock may
//! leap by tens of milliseconds in which nothing has run. So of what it says
//! only so much is charged between two looks, and a leap alone stops nobody
//! either. How much is forgiven so is bounded: where looks come late because
//! the machine is busy, a call did run all that time.
//!
//! Unsafe code: the clock of another thread is the system's to read. Why that is
//! sound stands at each place.
#![allow(unsafe_code)]

use std::fmt::{Display, Formatter};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// How often running calls are looked at.
const TICK: Duration = Duration::from_millis(5);
/// Turns without any call after which the thread sleeps until the next one.
const IDLE_TURNS: u32 = 40;

/// The most that is charged between two looks, as long as any more is forgiven.
const LEAP_NS_MAX: u64 = 3 * TICK.as_nanos() as u64;
/// The most that is forgiven, of all that is taken off one budget.
const FORGIVEN_NS_MAX: u64 = 100_000_000;

/// The CPU time that one call into a script may take, or several together.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left_ns: u64,
    /// What the clock may yet leap by at no cost.
    forgiven_ns: u64,
}

impl Budget {
    /// So many milliseconds.
    pub fn of_ms(ms: u64) -> Self {
        Self { left_ns: ms.saturating_mul(1_000_000), forgiven_ns: FORGIVEN_NS_MAX }
    }

    /// Whether nothing is left.
    pub fn is_spent(&self) -> bool {
        self.left_ns == 0
    }

    /// The less of both.
    fn within(self, other: Self) -> Self {
        Self {
            left_ns: self.left_ns.min(other.left_ns),
            forgiven_ns: self.forgiven_ns.min(other.forgiven_ns),
        }
    }

    /// Takes off what was used of one that it was a part of.
    fn take_off(&mut self, before: Self, after: Self) {
        self.left_ns -= before.left_ns - after.left_ns;
        self.forgiven_ns -= before.forgiven_ns - after.forgiven_ns;
    }

    /// Takes off what the clock says was used since the last look.
    fn charge(&mut self, used_ns: u64) {
        let leap_ns = used_ns.saturating_sub(LEAP_NS_MAX).min(self.forgiven_ns);
        self.forgiven_ns -= leap_ns;
        self.left_ns = self.left_ns.saturating_sub(used_ns - leap_ns);
    }
}

/// How many calls' time those of one turn have together, where others wait for its end.
const TURN_CALLS: u64 = 2;

/// What a call was stopped for.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    ms: u64,
    of: &'static str,
}

impl Spent {
    /// The time of one call.
    pub fn call(ms: u64) -> Self {
        Self { ms, of: "call" }
    }
}

impl Display for Spent {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { ms, of } = self;
        write!(f, "stopped after {ms} ms of CPU time in one {of}")
    }
}

/// Watches the calls into one script.
pub struct Watch {
    seat: Arc<Seat>,
    /// What is left of a turn that others wait for.
    turn: Mutex<Option<Budget>>,
}

struct Seat {
    /// Has the running call stopped, or lets the next one run.
    stop: Box<dyn Fn(bool) + Send + Sync>,
    armed: Mutex<Option<Armed>>,
}

/// A call that runs, as the watchdog sees it.
struct Armed {
    clock: Clock,
    /// What the clock said at the last look.
    seen_ns: u64,
    budget: Budget,
    stopped: bool,
}

impl Armed {
    /// Charges what was used since the last look.
    fn charge(&mut self) {
        let now_ns = self.clock.now_ns();
        self.budget.charge(now_ns.saturating_sub(self.seen_ns));
        self.seen_ns = now_ns;
    }
}

impl Watch {
    /// Watches a script from now on. `stop(true)` is called while a call runs, by another thread,
    /// and `stop(false)` by its own when it has ended; never both at once.
    pub fn new(stop: impl Fn(bool) + Send + Sync + 'static) -> Self {
        let seat = Arc::new(Seat { stop: Box::new(stop), armed: Mutex::default() });
        WATCHDOG.seats.lock().push(Arc::downgrade(&seat));
        Self { seat, turn: Mutex::default() }
    }

    /// Begins a turn. Where others wait for its end, its calls have the time of two together, each
    /// of which may take `call_ms`.
    pub fn turn(&self, shared: bool, call_ms: u64) {
        *self.turn.lock() = shared.then(|| Budget::of_ms(call_ms.saturating_mul(TURN_CALLS)));
    }

    /// Whether nothing is left of the turn.
    pub fn is_spent(&self) -> bool {
        self.turn.lock().is_some_and(|turn| turn.is_spent())
    }

    /// What a call that may take `call_ms` was stopped for just now.
    pub fn spent(&self, call_ms: u64) -> Spent {
        match self.is_spent() {
            true => Spent { ms: call_ms.saturating_mul(TURN_CALLS), of: "turn" },
            false => Spent::call(call_ms),
        }
    }

    /// Runs `call` on this thread, takes what it uses off its budget and the turn's, and tells
    /// whether it was to stop because nothing was left.
    ///
    /// Calls do not nest.
    pub fn run<R>(&self, budget: &mut Budget, call: impl FnOnce() -> R) -> (R, bool) {
        let clock = Clock::of_this_thread();
        let seen_ns = clock.now_ns();
        let turn = *self.turn.lock();
        let all = turn.map_or(*budget, |turn| budget.within(turn));
        *self.seat.armed.lock() = Some(Armed { clock, seen_ns, budget: all, stopped: false });
        let guard = Guard { seat: &self.seat };
        WATCHDOG.armed.fetch_add(1, Ordering::SeqCst);
        if WATCHDOG.sleeps.load(Ordering::SeqCst) {
            WATCHDOG.wake();
        }
        let result = call();
        let Some(mut ended) = guard.seat.disarm() else { return (result, false) };
        ended.charge();
        budget.take_off(all, ended.budget);
        if let Some(turn) = &mut *self.turn.lock() {
            turn.take_off(all, ended.budget);
        }
        (result, ended.stopped)
    }
}

impl Seat {
    /// Takes the call away, and what stops it.
    fn disarm(&self) -> Option<Armed> {
        let mut armed = self.armed.lock();
        let ended = armed.take()?;
        (self.stop)(false);
        WATCHDOG.armed.fetch_sub(1, Ordering::SeqCst);
        Some(ended)
    }

    fn look(&self) {
        let mut armed = self.armed.lock();
        let Some(call) = armed.as_mut().filter(|call| !call.stopped) else { return };
        call.charge();
        if call.budget.is_spent() {
            call.stopped = true;
            (self.stop)(true);
        }
    }
}

/// Disarms also when a panic unwinds through the call.
struct Guard<'a> {
    seat: &'a Seat,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.seat.disarm();
    }
}

struct Watchdog {
    seats: Mutex<Vec<Weak<Seat>>>,
    /// Calls that run.
    armed: AtomicUsize,
    /// Whether the thread waits for the bell.
    sleeps: AtomicBool,
    bell: Condvar,
    door: Mutex<()>,
}

static WATCHDOG: LazyLock<&'static Watchdog> = LazyLock::new(|| {
    let watchdog: &'static Watchdog = Box::leak(Box::new(Watchdog {
        seats: Mutex::new(Vec::new()),
        armed: AtomicUsize::new(0),
        sleeps: AtomicBool::new(false),
        bell: Condvar::new(),
        door: Mutex::new(()),
    }));
    std::thread::Builder::new()
        .name("script watchdog".into())
        .spawn(|| watchdog.watch())
        .expect("a process that cannot start one thread cannot start its workers either");
    watchdog
});

impl Watchdog {
    fn wake(&self) {
        let _door = self.door.lock();
        self.sleeps.store(false, Ordering::SeqCst);
        self.bell.notify_one();
    }

    fn watch(&self) -> ! {
        let mut idle = 0;
        loop {
            std::thread::sleep(TICK);
            self.seats.lock().retain(|seat| match seat.upgrade() {
                Some(seat) => {
                    seat.look();
                    true
                }
                None => false,
            });
            idle = if self.armed.load(Ordering::SeqCst) == 0 { idle + 1 } else { 0 };
            if idle >= IDLE_TURNS {
                self.wait();
                idle = 0;
            }
        }
    }

    /// Waits for the next call. A call counts itself before it looks whether we sleep, and we
    /// say that we sleep before we look at the count; so one of the two sees the other.
    fn wait(&self) {
        let mut door = self.door.lock();
        self.sleeps.store(true, Ordering::SeqCst);
        while self.sleeps.load(Ordering::SeqCst) && self.armed.load(Ordering::SeqCst) == 0 {
            self.bell.wait(&mut door);
        }
        self.sleeps.store(false, Ordering::SeqCst);
    }
}

/// The CPU clock of one thread, readable from others.
#[cfg(target_os = "linux")]
struct Clock(libc::clockid_t);

#[cfg(target_os = "linux")]
impl Clock {
    fn of_this_thread() -> Self {
        let mut clock = libc::CLOCK_MONOTONIC;
        // SAFETY: the calling thread exists, and the answer goes into a local.
        unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &mut clock) };
        Self(clock)
    }

    fn now_ns(&self) -> u64 {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the answer goes into a local; the clock of a thread that has ended is refused,
        // which leaves zero.
        unsafe { libc::clock_gettime(self.0, &mut now) };
        (now.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(now.tv_nsec as u64)
    }
}

/// Where threads have no clock that others can read, the wall clock stands in.
#[cfg(not(target_os = "linux"))]
struct Clock(std::time::Instant);

#[cfg(not(target_os = "linux"))]
impl Clock {
    fn of_this_thread() -> Self {
        Self(std::time::Instant::now())
    }

    fn now_ns(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Charges what was used between looks, in milliseconds, of a call that has 50.
    #[track_caller]
    fn check(used: &[u64], left_ms: u64) {
        let mut budget = Budget::of_ms(50);
        used.iter().for_each(|used| budget.charge(used * MS));
        assert_eq!(budget.left_ns, left_ms * MS, "{used:?}");
    }

    #[test]
    fn what_the_clock_says_is_charged() {
        check(&[0, 5, 4], 41);
        check(&[5, 7, 8, 13, 8, 8], 1);
        check(&[5, 10, 15, 15, 5, 1], 0);
    }

    #[test]
    fn a_leap_of_the_clock_stops_nobody_alone() {
        check(&[2, 60], 33);
        check(&[100, 4], 31);
        check(&[60, 60, 4], 16);
    }

    #[test]
    fn no_more_than_so_much_is_forgiven_of_all() {
        check(&[30; 9], 0);
        check(&[30, 30, 30], 5);
        let mut budget = Budget::of_ms(1000);
        [30; 7].into_iter().for_each(|used| budget.charge(used * MS));
        assert_eq!((budget.left_ns, budget.forgiven_ns), ((1000 - 110) * MS, 0));
        budget.charge(500 * MS);
        assert_eq!(budget.left_ns, (1000 - 610) * MS);
    }

    #[test]
    fn all_that_a_call_may_take_is_bounded() {
        for step in [1, 5, 16, 40, 100, 1000] {
            let (mut budget, mut used) = (Budget::of_ms(50), 0);
            while !budget.is_spent() {
                budget.charge(step * MS);
                used += step;
            }
            assert!(used < 150 + step, "{used} ms in steps of {step}");
        }
    }

    /// Uses CPU time of this thread.
    fn busy(ms: u64) {
        let clock = Clock::of_this_thread();
        let end = clock.now_ns() + ms * MS;
        while clock.now_ns() < end {}
    }

    #[test]
    fn calls_of_a_turn_that_others_wait_for_have_the_time_of_two() {
        let watch = Watch::new(|_| {});
        let call = |ms| watch.run(&mut Budget::of_ms(4), || busy(ms));
        watch.turn(true, 4);
        call(5);
        assert!(!watch.is_spent());
        assert_eq!(watch.spent(4).to_string(), "stopped after 4 ms of CPU time in one call");
        call(5);
        assert!(watch.is_spent());
        assert_eq!(watch.spent(4).to_string(), "stopped after 8 ms of CPU time in one turn");
        // The next turn has its own, and where nobody waits there is no end to it.
        watch.turn(true, 4);
        assert!(!watch.is_spent());
        watch.turn(false, 4);
        for _ in 0..3 {
            call(5);
        }
        assert!(!watch.is_spent());
    }
}
