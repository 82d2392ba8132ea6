//! Calls into a module: whatever it is asked, one that panics is parked, and the others go on.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crossbeam_channel::Sender;

use super::{Emission, Event, Task};
use crate::module::Fault;
use crate::queue;
use crate::storage::packets::Spot;

impl Task {
    /// Has the module tell where it stands in the packets that it keeps.
    pub(super) fn mark(&mut self, told: Sender<Spot>) {
        let module = &mut self.module;
        if let Err(panicked) = guarded(|| module.mark(told)) {
            self.give_up(&panicked);
        }
    }

    /// Tells the module that others wait for what it does from now on, or nobody.
    pub(super) fn begin_turn(&mut self) {
        let (module, shared) = (&mut self.module, self.share.is_shared());
        if let Err(panicked) = guarded(|| module.turn(shared)) {
            self.give_up(&panicked);
        }
    }

    /// Takes note of what the state has come to.
    pub(super) fn note_state(&mut self) {
        let (counters, name, module) = (&self.counters, &self.name, &self.module);
        if let Err(panicked) = guarded(|| counters.note_state(name, &**module)) {
            self.give_up(&panicked);
        }
    }

    fn give_up(&mut self, panicked: &Fault) {
        self.failures.give_up();
        self.counters.note_fault(&self.name, panicked, true);
    }

    /// Passes on what the module said beside its records.
    pub(super) fn pass_on(&mut self, export: &queue::Sender<Emission>) {
        let module = &mut self.module;
        let asides = match guarded(|| module.asides()) {
            Ok(asides) => asides,
            Err(panicked) => return self.give_up(&panicked),
        };
        if !asides.is_empty() {
            self.counters.note_alerts(asides.alerts.len());
            self.tell(export, Event::Asides(asides));
        }
    }

    /// Counts what went wrong in a call, `over_batch` or at the end of an interval; parks the task
    /// after a panic or too many failures.
    pub(super) fn judge<T>(&mut self, over_batch: bool, called: Result<T, Fault>) -> Option<T> {
        let module = &mut self.module;
        let judged = called.and_then(|value| Ok((guarded(|| module.fault())?, value)));
        let (fault, value) = match judged {
            Ok((fault, value)) => (fault, Some(value)),
            Err(panicked) => {
                self.failures.give_up();
                (Some(panicked), None)
            }
        };
        self.failures.note(over_batch, fault.as_ref());
        if let Some(fault) = fault {
            self.counters.note_fault(&self.name, &fault, self.is_parked());
        }
        value
    }
}

/// Calls into a module; a panic becomes a fault.
pub(crate) fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| {
        let text = payload
            .downcast_ref::<&str>()
            .map(|s| (*s).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "of no known kind".to_owned());
        Fault::new(format!("panicked: {text}"))
    })
}
