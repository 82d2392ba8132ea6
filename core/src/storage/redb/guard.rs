//! Panics of redb: on a damaged page, where it expects its own.
//!
//! They end the call, not the monitor, and are told as damage. Nobody else is
//! to see them: they say nothing to who looks after the store.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use super::Failure;

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Does something with redb, whose panics become a failure.
pub(super) fn guard<T>(what: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    // While one is under way no hook may be set.
    if !std::thread::panicking() {
        HOOK.call_once(keep_quiet);
    }
    let before = IS_GUARDED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(what));
    IS_GUARDED.set(before);
    done.unwrap_or_else(|_| Err(Failure::Damaged("its pages contradict each other".to_owned())))
}

/// Has panics inside of a guard go to the log for those who look for faults in it.
fn keep_quiet() {
    let others = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        // Where a thread ends there is nothing to ask any more.
        match IS_GUARDED.try_with(Cell::get) {
            Ok(true) => tracing::debug!("a damaged store: {info}"),
            _ => others(info),
        }
    }));
}
