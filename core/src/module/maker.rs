//! Makers: a module, and what the instance was given that made its records.
//!
//! To show, replay or merge records a module runs once more, with the same arguments, limits,
//! grants and tables as when it made them: what a script finds does not depend on which of its
//! callbacks asks.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::trace::Adding;
use super::{Fault, Kind, Merge, Print, Replay, Replayed, Setup};
use crate::record::{Schema, Value};
use crate::time::{Interval, Ts};

/// Who made records, for its own ways with them.
#[derive(Clone)]
pub struct Maker {
    kind: Arc<dyn Kind>,
    setup: Setup,
    faults: Arc<AtomicU64>,
}

impl Maker {
    /// A module that is started with `setup`.
    pub fn new(kind: Arc<dyn Kind>, setup: Setup) -> Self {
        Self { kind, setup, faults: Arc::default() }
    }

    /// The same, whose calls that fail are counted there.
    pub fn counted(self, faults: Arc<AtomicU64>) -> Self {
        Self { faults, ..self }
    }

    /// The module.
    pub fn kind(&self) -> &Arc<dyn Kind> {
        &self.kind
    }

    /// Its own way to show its records in `format`, where it has one.
    pub fn printer(&self, format: &str) -> Option<Box<dyn Print>> {
        let own = self.kind.printer(format, &self.setup)?;
        Some(Box::new(Counted { own, faults: self.faults.clone() }))
    }

    /// Its own way to turn its records into packets again, where it has one.
    pub fn replayer(&self) -> Option<Box<dyn Replay>> {
        let own = self.kind.replayer(&self.setup)?;
        Some(Box::new(Counted { own, faults: self.faults.clone() }))
    }

    /// Its own way to make records of longer intervals, where it has one. What is recorded of
    /// packets that are kept adds up.
    pub fn merger(&self) -> Option<Box<dyn Merge>> {
        let adds_up = self.kind.manifest().keeps_packets;
        let adding = || adds_up.then(|| Box::new(Adding) as Box<dyn Merge>);
        let own = self.kind.merger(&self.setup).or_else(adding)?;
        Some(Box::new(Counted { own, faults: self.faults.clone() }))
    }
}

/// A module's own way, and where it is counted that it failed.
struct Counted<T: ?Sized> {
    own: Box<T>,
    faults: Arc<AtomicU64>,
}

impl<T: ?Sized> Counted<T> {
    fn call<R>(&mut self, call: impl FnOnce(&mut T) -> Result<R, Fault>) -> Result<R, Fault> {
        call(&mut self.own).inspect_err(|_| {
            self.faults.fetch_add(1, Relaxed);
        })
    }
}

impl Print for Counted<dyn Print> {
    fn print(
        &mut self,
        ts: Ts,
        schema: &Schema,
        values: &[Value],
    ) -> Result<Option<String>, Fault> {
        self.call(|own| own.print(ts, schema, values))
    }
}

impl Replay for Counted<dyn Replay> {
    fn replay(
        &mut self,
        interval: Interval,
        schema: &Schema,
        values: &[Value],
    ) -> Result<Vec<Replayed>, Fault> {
        self.call(|own| own.replay(interval, schema, values))
    }
}

impl Merge for Counted<dyn Merge> {
    fn key(&self) -> &[String] {
        self.own.key()
    }

    fn renew(&mut self) {
        self.own.renew();
    }

    fn merge(
        &mut self,
        interval: Interval,
        schema: &Schema,
        a: &[Value],
        b: &[Value],
    ) -> Result<Vec<Value>, Fault> {
        self.call(|own| own.merge(interval, schema, a, b))
    }
}
