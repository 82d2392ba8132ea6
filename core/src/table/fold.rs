//! Joining tables: two of one declaration, or an interval's into a long-term one.

use super::Table;
use super::accumulate::{Given, Place};
use super::key::Cell;
use super::layout::Of;
use super::slots::REFUSED;
use crate::packet::Weight;
use crate::time::Ts;

impl Table {
    /// Adds the rows of a table of the same declaration, as if its packets had been counted here.
    ///
    /// The one operation behind counting on several workers, several machines, and over longer
    /// time. Tables of another declaration are left alone.
    pub fn merge(&mut self, other: &Table) {
        if self.rows.layout != other.rows.layout {
            return;
        }
        self.rows.sample(other.rows.sampled);
        let places: Vec<(Place, Place)> =
            self.rows.values.places.iter().copied().zip(other.rows.values.places.clone()).collect();
        for from in 0..other.rows() {
            let to = if self.rows.keys.is_empty() {
                0
            } else if other.is_other(from) {
                self.rows.other_row()
            } else {
                self.rows.row_of(other.rows.keys.iter().map(|cells| cells.get(from)))
            };
            if to == REFUSED {
                continue;
            }
            let to = to as usize;
            for (ours, theirs) in &places {
                self.rows.values.merge(*ours, to, &other.rows.values, *theirs, from);
            }
            self.rows.touch(to, other.seen(from));
        }
        self.rows.overflowed += other.rows.overflowed;
        self.rows.filled = self.rows.filled.or(other.rows.filled);
        self.rows.cut |= other.rows.cut;
        self.settle();
    }

    /// Folds the rows of an interval's table into this long-term one, declared by
    /// [`super::Layout::long`]: by name and field of the key columns, and for each value either
    /// the state of the column it was declared like, or the number in the column it names.
    pub fn fold(&mut self, table: &Table) {
        let layout = self.rows.layout.clone();
        let from = &table.rows;
        let key: Vec<_> = layout.key.iter().map(|k| (from.layout.key_source(k), k.mask)).collect();
        for row in 0..table.rows() {
            let cell = |(source, mask): &(Option<usize>, Option<super::Mask>)| {
                let cell = from.keys[(*source)?].get(row);
                Some(match (cell, mask) {
                    (Cell::Addr(addr), Some(mask)) => Cell::Addr(mask.apply(addr)),
                    (cell, _) => cell,
                })
            };
            let to = if layout.key.is_empty() {
                0
            } else if table.is_other(row) {
                self.rows.other_row()
            } else {
                let Some(cells) = key.iter().map(cell).collect::<Option<Vec<Cell>>>() else {
                    return;
                };
                self.rows.row_of(cells)
            };
            if to != REFUSED {
                self.fold_row(to as usize, table, row);
            }
        }
        self.settle();
    }

    fn fold_row(&mut self, to: usize, table: &Table, row: usize) {
        let layout = self.rows.layout.clone();
        let ts = table.seen(row);
        for (at, column) in layout.values.iter().enumerate() {
            let place = self.rows.values.places[at];
            if let Some(from) = column.merges {
                let Some(theirs) = table.rows.values.places.get(from) else { continue };
                self.rows.values.merge(place, to, &table.rows.values, *theirs, row);
            } else if let Of::Column(from) = column.of {
                let value = table.value(row, table.rows.layout.key.len() + from);
                if let Some(value) = value.as_uint() {
                    let given = Given { ts, weight: Weight { packets: 1, bytes: value } };
                    self.rows.values.add(place, to, value, given);
                }
            }
        }
        self.rows.touch(to, ts);
    }

    /// Removes the rows for which `keep` does not hold; those after them move up.
    pub fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        let kept: Vec<bool> = (0..self.rows()).map(&mut keep).collect();
        if kept.contains(&false) && !self.rows.keys.is_empty() {
            self.rows.retain(&kept);
            self.finder.forget();
        }
    }

    /// When a row was last added to; time zero in tables that do not remember.
    pub fn seen(&self, row: usize) -> Ts {
        self.rows.seen.as_ref().and_then(|seen| seen.get(row)).copied().unwrap_or_default()
    }
}
