//! Tables: keyed state of a fixed layout, owned by core, bounded and accounted.
//!
//! A table counts packets into rows: [`Table::update`] first finds the row of
//! every picked packet, then runs one tight loop per value column. Rows are read
//! by number, from 0; numbers hold until the next update, merge or clear.

mod accumulate;
pub mod aggregate;
mod error;
mod fold;
pub mod key;
pub mod layout;
mod order;
mod read;
mod rows;
pub mod sketch;
mod slots;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::batch::Batch;
use crate::field::Id;
use crate::record::{Schema, Value};
use crate::selection::Selection;
use crate::time::Span;
pub use aggregate::{AGGREGATES, Aggregate, Function};
pub use error::DeclareError;
pub use key::{Cell, KeyColumn, Mask};
pub use layout::{Layout, Of, ValueColumn};
pub use rows::{Bounds, Filled, Full};
pub use sketch::{Frequent, Item};
pub(crate) use state::{States, has_state};

use rows::Rows;
use slots::{Finder, Picks};

/// Keyed state: of the open interval, or in a long-term table of many.
#[derive(Clone, Debug)]
pub struct Table {
    rows: Rows,
    finder: Finder,
    picks: Picks,
    interval: Span,
    keeps_all: bool,
}

impl Table {
    /// An empty table. `interval` is how long its rows are counted for, which rates divide by.
    pub fn new(layout: Layout, bounds: Bounds, interval: Span) -> Self {
        Self::with(layout, bounds, interval, false)
    }

    /// An empty table that remembers when each row was last added to.
    pub fn with_seen(layout: Layout, bounds: Bounds, interval: Span) -> Self {
        Self::with(layout, bounds, interval, true)
    }

    fn with(layout: Layout, bounds: Bounds, interval: Span, keep_seen: bool) -> Self {
        let layout = Arc::new(layout);
        let finder = Finder::new(&layout);
        let rows = Rows::new(layout, bounds, keep_seen);
        Self { rows, finder, picks: Picks::new(), interval, keeps_all: false }
    }

    /// Its rows are counted for so long, which rates divide by.
    pub fn set_interval(&mut self, interval: Span) {
        self.interval = interval;
    }

    /// The same, whose records keep the states of all their values, large ones too, so that they
    /// can be merged.
    pub fn keeping_states(mut self) -> Self {
        self.keeps_all = true;
        self
    }

    /// Counts the picked packets of a batch. A packet that lacks a field of the key is left out.
    pub fn update(&mut self, batch: &Batch, picked: &Selection) {
        if self.rows.layout.is_unkeyed() {
            return self.rows.update_one(batch, picked, &mut self.picks);
        }
        if !self.finder.sum(batch, picked, &mut self.rows) {
            self.finder.find(batch, picked, &mut self.rows, &mut self.picks);
            self.rows.update(batch, &self.picks);
        }
        self.settle();
    }

    /// Drops rows if there are too many.
    fn settle(&mut self) {
        if self.rows.trim(self.interval) {
            self.finder.forget();
        }
    }

    /// Removes all rows, keeping the memory.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.finder.forget();
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Fills `ids` with the dense id that each row was found by, [`Batch::NO_ID`] where that is not
    /// known; of which kind they are, and in which epoch they mean this. `None` where rows are
    /// found in another way.
    pub fn row_ids(&self, ids: &mut Vec<u32>) -> Option<(Id, u64)> {
        ids.clear();
        ids.resize(self.rows(), Batch::NO_ID);
        self.finder.row_ids(ids)
    }

    /// What its columns are.
    pub fn layout(&self) -> &Layout {
        &self.rows.layout
    }

    /// Its columns as a record's: key, then value.
    pub fn schema(&self) -> &Arc<Schema> {
        self.rows.layout.schema()
    }

    /// Where the column called `name` stands, key columns first.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.rows.layout.position(name)
    }

    /// Whether a row holds the keys that found no room.
    pub fn is_other(&self, row: usize) -> bool {
        self.rows.other == Some(row)
    }

    /// How many keys each row's key stands for: more than 1 once a full table samples keys.
    pub fn one_in(&self) -> u64 {
        1 << self.rows.sampled
    }

    /// The row of a key given by value, if there is one.
    pub fn find(&self, key: &[Value]) -> Option<usize> {
        let columns = &self.rows.layout.key;
        let cells = key.iter().zip(columns).map(|(value, column)| Cell::of(value, column.ty()));
        let cells: Vec<Cell> = cells.collect::<Option<_>>()?;
        if cells.len() == columns.len() { self.rows.lookup(&cells) } else { None }
    }

    /// About how many bytes it holds.
    pub fn state_bytes(&self) -> usize {
        self.rows.bytes() + self.finder.bytes() + self.picks.bytes()
    }

    /// Keys folded, dropped or not counted, and values sketches had no room for, since the start.
    pub fn overflowed(&self) -> u64 {
        self.rows.overflowed.saturating_add(self.rows.values.refused)
    }

    /// What it had reached when there was no room first.
    pub fn filled(&self) -> Option<Filled> {
        let memory = Filled::Memory(self.rows.bounds.bytes_max);
        self.rows.filled.or((self.rows.values.refused > 0).then_some(memory))
    }
}
