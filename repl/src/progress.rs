//! The progress of a run on standard error: a bar for files, a line for live capture.
//!
//! Shown on a terminal only, and cleared at the end, so that nothing of it
//! stays between the records.

use std::io::{self, IsTerminal, Write};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use como_core::query::Far;
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::Mutex;

use crate::output::table::thousands;

const TICK: Duration = Duration::from_millis(200);

/// The bar that is shown, if one is.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// A bar that follows a monitor until it is dropped or finished.
pub struct Progress {
    bar: ProgressBar,
    follower: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// A bar that is not shown yet; never, when quiet or when nobody looks.
    pub fn new(quiet: bool) -> Self {
        let shown = !quiet && std::io::stderr().is_terminal();
        let target =
            if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        // A bar that is drawn before anything is known is empty.
        let style = ProgressStyle::with_template("{msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        if shown {
            *SHOWN.lock() = Some(bar.clone());
        }
        Self { bar, follower: None }
    }

    /// A handle that a writer to the same terminal hides the bar with.
    pub fn curtain(&self) -> Curtain {
        Curtain(self.bar.clone())
    }

    /// Begins to show how far it is, as `far` says whenever it is asked.
    pub fn follow(&mut self, far: impl Fn() -> Far + Send + 'static) {
        if self.bar.is_hidden() {
            return;
        }
        let bar = self.bar.clone();
        let (stop, stopped) = bounded(0);
        let thread = std::thread::spawn(move || {
            let since = Instant::now();
            loop {
                show(&bar, far(), since.elapsed());
                if stopped.recv_timeout(TICK) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        });
        self.follower = Some((stop, thread));
    }

    /// Shows how much of something is done.
    #[cfg_attr(not(feature = "columnar"), expect(dead_code, reason = "what exports shows this"))]
    pub fn share(&self, what: &str, done: u64, all: u64) {
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent:>3}%  {msg}") {
            self.bar.set_style(style.progress_chars("=> "));
        }
        self.bar.set_length(all);
        self.bar.set_position(done);
        self.bar.set_message(what.to_owned());
        self.bar.tick();
    }

    /// Takes the bar away.
    pub fn finish(&mut self) {
        if let Some((stop, thread)) = self.follower.take() {
            drop(stop);
            // It only draws; if it failed, there is nothing to take away.
            let _ = thread.join();
        }
        self.bar.finish_and_clear();
        if !self.bar.is_hidden() {
            *SHOWN.lock() = None;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Hides the bar while something else is written.
#[derive(Clone, Debug)]
pub struct Curtain(ProgressBar);

impl Curtain {
    /// Takes the bar away for good.
    pub fn fall(&self) {
        self.0.finish_and_clear();
    }

    /// Runs `write` with the bar out of the way.
    pub fn behind<T>(&self, write: impl FnOnce() -> T) -> T {
        self.0.suspend(write)
    }
}

/// Standard error for the log, which knows of no bar: what is shown is out of the way of each line.
pub struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let shown = SHOWN.lock().clone();
        let write = || io::stderr().write(bytes);
        shown.map_or_else(write, |bar| bar.suspend(write))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn show(bar: &ProgressBar, far: Far, elapsed: Duration) {
    let template = match far.size_bytes {
        Some(size) => {
            bar.set_length(size);
            bar.set_position(far.read_bytes.min(size));
            "{wide_bar} {percent:>3}%  {msg}  ETA {eta}"
        }
        None => "{spinner} {elapsed}  {msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    let rate = far.packets as f64 / elapsed.as_secs_f64().max(1e-3);
    let mut message = format!(
        "{} packets  {} packets/s",
        thousands(&far.packets.to_string()),
        thousands(&format!("{rate:.0}"))
    );
    if far.lost > 0 {
        message += &format!("  {} lost", thousands(&far.lost.to_string()));
    }
    bar.set_message(message);
    bar.tick();
}
