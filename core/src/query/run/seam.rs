//! The time between two parts of a run that lie beside each other.
//!
//! Who runs over both says zeros, or a gap, of the time between the last packet
//! of one and the first of the next; neither part knows of it. It is known once
//! the first interval of the next part has closed: until then what that says is
//! held.

use std::collections::VecDeque;
use std::sync::Arc;

use super::leg::Uttered;
use crate::module::{Export, Module};
use crate::record::{Output, Schema};
use crate::storage::losses::Losses;
use crate::time::{Interval, Span, Ts};
use crate::worker::{guarded, is_gap};

/// Joins what parts say.
pub struct Seam {
    // Says what is said of an interval without packets.
    module: Box<dyn Module>,
    schema: Arc<Schema>,
    interval: Span,
    // What is missing of what the parts read.
    losses: Losses,
    // The end of the last interval that has closed.
    closed: Option<Ts>,
    // What a part says of its first interval, while that is open.
    held: Option<Vec<Uttered>>,
    // The next interval without packets, and where they end.
    silent: Option<(Interval, Ts)>,
    ready: VecDeque<Uttered>,
}

impl Seam {
    /// For the first of the parts, of a module that is started for nothing else.
    pub fn new(
        module: Box<dyn Module>,
        schema: Arc<Schema>,
        interval: Span,
        losses: Losses,
    ) -> Self {
        let (closed, held, silent, ready) = Default::default();
        Self { module, schema, interval, losses, closed, held, silent, ready }
    }

    /// Another part begins.
    pub fn begin(&mut self) {
        self.ready.extend(self.held.take().into_iter().flatten());
        self.held = Some(Vec::new());
    }

    /// Takes what the part says.
    pub fn take(&mut self, given: Uttered) {
        match (given, &mut self.held) {
            (Uttered::Closed(until), held) => {
                if held.is_some()
                    && let Some(from) = self.closed
                {
                    self.fill(from, until - self.interval);
                } else {
                    self.ready.extend(held.take().into_iter().flatten());
                }
                self.closed = Some(until);
            }
            (said, Some(held)) => held.push(said),
            (said, None) => self.ready.push_back(said),
        }
    }

    /// The time from `from` to `to` had no packets.
    fn fill(&mut self, from: Ts, to: Ts) {
        if from < to && is_gap(from, to, self.interval) {
            self.ready.push_back(Uttered::Output(Output::Gap { from, to }));
        } else if from < to {
            self.silent = Some((Interval::holding(from, self.interval), to));
            return;
        }
        self.ready.extend(self.held.take().into_iter().flatten());
    }

    /// Says the next interval without packets, if there is one.
    fn say(&mut self) {
        let Some((mut interval, to)) = self.silent else { return };
        let is_lost = |interval: Interval| self.losses.touch(interval.start(), interval.end());
        if is_lost(interval) {
            // There may have been packets.
            let from = interval.start();
            while interval.end() < to && is_lost(interval.next()) {
                interval = interval.next();
            }
            let to = interval.end();
            self.ready.push_back(Uttered::Output(Output::Gap { from, to }));
        } else {
            let mut out = Export::new(interval, self.schema.clone());
            // What fails here has failed in the part as well, which says so.
            let _ = guarded(|| self.module.export(interval, &mut out));
            let _ = self.module.fault();
            let records = out.into_records().into_iter().map(Output::Records);
            self.ready.extend(records.map(Uttered::Output));
        }
        self.silent = Some((interval.next(), to)).filter(|(next, to)| next.start() < *to);
        if self.silent.is_none() {
            self.ready.extend(self.held.take().into_iter().flatten());
        }
    }

    /// Whether all it was given has been said.
    pub fn is_done(&self) -> bool {
        let held = self.held.as_ref().is_some_and(|held| !held.is_empty());
        !held && self.ready.is_empty() && self.silent.is_none()
    }

    /// What comes next, if it is known.
    pub fn next(&mut self) -> Option<Uttered> {
        while self.ready.is_empty() && self.silent.is_some() {
            self.say();
        }
        let said = self.ready.pop_front();
        if let Some(Uttered::Output(Output::Records(records))) = &said {
            self.schema = records.schema.clone();
        }
        said
    }
}
