//! The host of one run of a script: what the functions of the library reach that do more than
//! compute.
//!
//! Both languages' bindings hold one [`Host`] beside their machine. It knows what the script is at
//! right now, because not everything may be asked for at any time: what could wait for a disk or a
//! wire is never asked for while packets pass.

mod filters;

use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;

use como_core::module::{Limits, ModuleError};
use parking_lot::Mutex;

pub use filters::{FILTERS_MAX, Filters, Mistake};

use crate::talk::Talk;

/// What a script is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its top level runs.
    Load,
    /// `init`, at the beginning of an interval.
    Init,
    /// `check` or `update`: packets pass.
    Packets,
    /// `export`, `action` or `store`, at the end of an interval; `print`, `load` or `replay`.
    Export,
}

/// What one run of a script reaches.
#[derive(Debug)]
pub struct Host {
    /// What it says.
    pub talk: Talk,
    /// The filters it compiled.
    pub filters: Mutex<Filters>,
    phase: AtomicU8,
}

impl Host {
    /// For the script in `file`, whose top level is about to run.
    pub fn new(file: &str, limits: &Limits) -> Self {
        Self {
            talk: Talk::new(file, limits.log_lines_max),
            filters: Mutex::default(),
            phase: AtomicU8::new(Phase::Load as u8),
        }
    }

    /// What the script is at.
    pub fn phase(&self) -> Phase {
        let phases = [Phase::Load, Phase::Init, Phase::Packets, Phase::Export];
        let at = usize::from(self.phase.load(Relaxed));
        phases.get(at).copied().unwrap_or(Phase::Export)
    }

    /// The script turns to something else.
    pub fn turn(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    /// The error with which a script did not start, or what is behind it: the filter that made no
    /// sense.
    pub fn explained(&self, error: ModuleError) -> ModuleError {
        let mistake = self.filters.lock().take_mistake();
        match (error, mistake) {
            (ModuleError::Script { file, line, message }, Some(mistake))
                if message.starts_with(&mistake.to_string()) =>
            {
                let Mistake { text, error } = mistake;
                ModuleError::Filter { file, line, text, error: Box::new(error) }
            }
            (error, _) => error,
        }
    }

    /// The number of the filter in `text`, which is compiled unless it was before.
    pub fn filter(&self, text: &str) -> Result<usize, String> {
        let begins = matches!(self.phase(), Phase::Load | Phase::Init);
        self.filters.lock().compile(text, begins)
    }
}

#[cfg(test)]
mod tests;
