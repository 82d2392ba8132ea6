//! Stops a Rhai script whose time is up: the engine asks at each operation whether it is.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::watch::{self, Budget};

/// Watches the calls into one script. Of one thread at a time.
pub(super) struct Watch {
    watch: watch::Watch,
    late: Arc<AtomicBool>,
}

impl Deref for Watch {
    type Target = watch::Watch;

    fn deref(&self) -> &watch::Watch {
        &self.watch
    }
}

impl Watch {
    /// Watches nothing yet.
    pub fn new() -> Self {
        let late = Arc::new(AtomicBool::new(false));
        let set = late.clone();
        Self { watch: watch::Watch::new(move |stops| set.store(stops, Relaxed)), late }
    }

    /// Runs a call, which may take of the thread's CPU time what its budget holds.
    pub fn run<R>(&self, budget: &mut Budget, call: impl FnOnce() -> R) -> R {
        self.watch.run(budget, call).0
    }

    /// Whether the call must end, asked at each of its operations. Once it must it always must,
    /// so that no script survives by catching what ends it.
    pub fn is_late(&self) -> bool {
        self.late.load(Relaxed)
    }
}
