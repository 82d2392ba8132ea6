//! The watchdog: ends a call into a script when its CPU time is up.
//!
//! An interrupt that is always armed costs 67 to 210 ns a packet, because Luau
//! calls it at every loop and every call. So none is armed: a thread looks at
//! the clocks of running calls, and only when one has passed its deadline does
//! it write the interrupt into that VM. Luau then raises an error at the next
//! safepoint, and again at each one after it, until the host's call returns;
//! so `pcall` cannot swallow it. Time is the calling thread's CPU time: a busy
//! machine stops nobody innocent.
//!
//! This file holds the crate's only unsafe code: mlua has no door to the raw
//! callback from another thread (its own blocks while a call runs), and the
//! clock of another thread is the system's to read. What makes it sound stands
//! at each place.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use mlua::{Lua, ffi};
use parking_lot::{Condvar, Mutex};

/// How often running calls are looked at.
const TICK: Duration = Duration::from_millis(5);
/// Turns without any call after which the thread sleeps until the next one.
const IDLE_TURNS: u32 = 40;

/// Watches the calls into one VM.
pub struct Watch {
    seat: Arc<Seat>,
    // Keeps the VM, and so its callbacks, alive as long as this.
    lua: Lua,
}

#[derive(Default)]
struct Seat {
    armed: Mutex<Option<Armed>>,
}

/// A call that runs, as the watchdog sees it.
struct Armed {
    callbacks: *mut ffi::lua_Callbacks,
    clock: Clock,
    deadline_ns: u64,
    fired: bool,
}

// SAFETY: `callbacks` is only followed under the lock of its seat while a call is armed, and
// the guard of that call, which borrows the VM's owner, disarms under the same lock.
unsafe impl Send for Armed {}

impl Watch {
    /// Watches `lua` from now on.
    pub fn new(lua: &Lua) -> Self {
        let seat = Arc::new(Seat::default());
        WATCHDOG.seats.lock().push(Arc::downgrade(&seat));
        Self { seat, lua: lua.clone() }
    }

    /// Runs `call` on this thread; tells whether it used more than `limit` of CPU time.
    ///
    /// Calls do not nest.
    pub fn run<R>(&self, limit: Duration, call: impl FnOnce() -> R) -> (R, bool) {
        let state = self.lua.exec_raw_lua(|raw| raw.state());
        // SAFETY: the state is alive, and the callbacks live in its VM as long as it does.
        let callbacks = unsafe { ffi::lua_callbacks(state) };
        let clock = Clock::of_this_thread();
        let deadline_ns = clock.now_ns().saturating_add(limit.as_nanos() as u64);
        *self.seat.armed.lock() = Some(Armed { callbacks, clock, deadline_ns, fired: false });
        let guard = Guard { seat: &self.seat };
        WATCHDOG.armed.fetch_add(1, Ordering::SeqCst);
        if WATCHDOG.sleeps.load(Ordering::SeqCst) {
            WATCHDOG.wake();
        }
        let result = call();
        let fired = guard.seat.disarm();
        (result, fired)
    }
}

impl Seat {
    /// Takes the call and its interrupt away; tells whether it had to be stopped.
    fn disarm(&self) -> bool {
        let mut armed = self.armed.lock();
        let Some(call) = armed.take() else { return false };
        // SAFETY: this is the thread that runs the VM, between two calls; the watchdog cannot
        // write at the same time, because it holds the same lock when it does.
        unsafe { (*call.callbacks).interrupt = None };
        WATCHDOG.armed.fetch_sub(1, Ordering::SeqCst);
        call.fired
    }

    fn look(&self) {
        let mut armed = self.armed.lock();
        let Some(call) = armed.as_mut() else { return };
        if !call.fired && call.clock.now_ns() >= call.deadline_ns {
            call.fired = true;
            // SAFETY: the call is armed, so its VM is alive; Luau allows this one field to be
            // set while it runs in another thread, and reads it whole.
            unsafe {
                std::ptr::addr_of_mut!((*call.callbacks).interrupt).write_volatile(Some(stop))
            };
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

/// What Luau calls at each safepoint once the time is up.
unsafe extern "C-unwind" fn stop(state: *mut ffi::lua_State, gc: std::ffi::c_int) {
    // The collector may not be left by an error; the next safepoint will do.
    if gc < 0 {
        // SAFETY: Luau calls this where an error may be raised, with the state that runs.
        unsafe { ffi::luaL_error(state, c"stopped".as_ptr()) };
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
