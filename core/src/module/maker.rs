//! Makers: a module, and what the instance was given that made its records.
//!
//! To show, replay or merge records a module runs once more, with the same arguments, limits,
//! grants and tables as when it made them: what a script finds does not depend on which of its
//! callbacks asks.

use std::sync::Arc;

use super::{Kind, Merge, Print, Replay, Setup};

/// Who made records, for its own ways with them.
#[derive(Clone)]
pub struct Maker {
    kind: Arc<dyn Kind>,
    setup: Setup,
}

impl Maker {
    /// A module that is started with `setup`.
    pub fn new(kind: Arc<dyn Kind>, setup: Setup) -> Self {
        Self { kind, setup }
    }

    /// The module.
    pub fn kind(&self) -> &Arc<dyn Kind> {
        &self.kind
    }

    /// Its own way to show its records in `format`, where it has one.
    pub fn printer(&self, format: &str) -> Option<Box<dyn Print>> {
        self.kind.printer(format, &self.setup)
    }

    /// Its own way to turn its records into packets again, where it has one.
    pub fn replayer(&self) -> Option<Box<dyn Replay>> {
        self.kind.replayer(&self.setup)
    }

    /// Its own way to make records of longer intervals, where it has one.
    pub fn merger(&self) -> Option<Box<dyn Merge>> {
        self.kind.merger(&self.setup)
    }
}
