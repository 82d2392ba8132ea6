//! Filters: the seam the capture stage and the supervisor stand on.
//!
//! Only the filter that accepts everything exists so far; the language comes
//! with its parser, in this place and behind these names.

use std::fmt;

use crate::batch::Batch;
use crate::field::Demand;

/// A compiled filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expr(());

/// Why a filter was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the filter language is not here yet")]
pub struct FilterError;

impl Expr {
    /// Parses a filter; an empty one accepts everything.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.trim().is_empty() { Ok(Self(())) } else { Err(FilterError) }
    }

    /// What both accept.
    pub fn and(self, _other: Self) -> Self {
        self
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all")
    }
}

/// All running tasks' filters, evaluated together.
#[derive(Debug, Default)]
pub struct Plan {
    slots: Vec<bool>,
}

impl Plan {
    /// Adds a filter and returns the slot its picks are found in, until it is removed.
    pub fn add(&mut self, _expr: &Expr) -> usize {
        let free = self.slots.iter().position(|taken| !taken);
        let slot = free.unwrap_or(self.slots.len());
        self.slots.resize(self.slots.len().max(slot + 1), false);
        self.slots[slot] = true;
        slot
    }

    /// Frees a slot.
    pub fn remove(&mut self, slot: usize) {
        if let Some(taken) = self.slots.get_mut(slot) {
            *taken = false;
        }
    }

    /// The columns the filters read.
    pub fn demand(&self) -> Demand {
        Demand::NONE
    }

    /// Fills the batch's picks, slot by slot.
    pub fn run(&mut self, batch: &mut Batch) {
        let _ = batch.take_picks();
    }
}
