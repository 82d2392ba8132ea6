//! A module's own `merge`, tried on the records that a check makes.

use std::sync::Arc;

use como_core::module::aside::Asides;
use como_core::record::Output;
use como_core::rollup::{Merger, RollupError};
use como_core::supervisor::{Instance, Sink, SinkError};
use como_core::time::Span;
use parking_lot::Mutex;

/// How many intervals become one: more than a check has, so that all rows of a key meet.
const INTERVALS: u64 = 1 << 20;

/// What went wrong first.
pub type Wrong = Arc<Mutex<Option<String>>>;

/// Passes records on, and merges them on the way.
pub struct Merging {
    inner: Box<dyn Sink>,
    instance: Instance,
    // Whether it goes on: one failure is enough, and not all records merge.
    is_tried: bool,
    merger: Option<Merger>,
    wrong: Wrong,
}

impl Merging {
    /// Tries what `instance` merges by, on the way to `inner`.
    pub fn new(inner: Box<dyn Sink>, instance: Instance, wrong: Wrong) -> Self {
        Self { inner, instance, is_tried: true, merger: None, wrong }
    }

    fn merge(&mut self, output: &Output) {
        let Output::Records(records) = output else { return };
        if self.merger.is_none() {
            let own = self.instance.maker(Arc::default()).merger();
            self.is_tried = own.is_some() && records.len.0 > 0;
            let into = Span(records.len.0.saturating_mul(INTERVALS));
            self.merger = Some(Merger::new(into, own));
        }
        if let Some(merger) = self.merger.as_mut().filter(|_| self.is_tried)
            && let Err(why) = merger.push(output.clone(), &mut Vec::new())
        {
            self.is_tried = false;
            *self.wrong.lock() = Some(match why {
                RollupError::Own(why) => why,
                why => why.to_string(),
            });
        }
    }
}

impl Sink for Merging {
    fn accept(&mut self, instance: &str, output: Output) -> Result<(), SinkError> {
        if self.is_tried && instance == self.instance.name {
            self.merge(&output);
        }
        self.inner.accept(instance, output)
    }

    fn asides(&mut self, instance: &str, asides: Asides) -> Result<(), SinkError> {
        self.inner.asides(instance, asides)
    }

    fn tells_alerts(&self) -> bool {
        self.inner.tells_alerts()
    }

    fn commit(&mut self) -> Result<(), SinkError> {
        self.inner.commit()
    }

    fn end(&mut self) -> Result<(), SinkError> {
        self.inner.end()
    }
}
