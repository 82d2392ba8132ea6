//! Declared modules: a key, values and perhaps a long-term table, run natively.
//!
//! What a script declares never runs in the script's language: hosts build a
//! [`Declaration`] from names and values, and [`Declared`] does the rest. Where
//! a script has its own `export` or `action`, its host calls the steps of
//! [`Declared`] one by one instead of [`Module::export`].

use std::sync::Arc;

use super::{Export, Limits, Module};
use crate::batch::Batch;
use crate::field::Demand;
use crate::record::{Records, Schema};
use crate::selection::Selection;
use crate::table::{
    Aggregate, Bounds, DeclareError, Filled, Full, KeyColumn, Layout, Table, ValueColumn,
};
use crate::time::{Interval, Span, Ts};

#[cfg(test)]
mod tests;

/// What a module declares instead of writing `update`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declaration {
    /// What rows are told apart by; without one there is a single row.
    pub key: Vec<KeyColumn>,
    /// What is computed for each row.
    pub value: Vec<ValueColumn>,
    /// Rows at most, within what the instance's limits allow.
    pub rows_max: Option<usize>,
    /// What happens when the table is full.
    pub full: Full,
    /// The table that lives across intervals.
    pub long: Option<Long>,
}

/// A table that lives across intervals. What is left empty is declared like the interval's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Long {
    /// Key columns: fields of the interval's key, also cut shorter.
    pub key: Vec<KeyColumn>,
    /// Values: aggregates of the interval's value, or over its columns, as in `max("bytes")`.
    pub value: Vec<ValueColumn>,
    /// How long a row may be idle before it is stored and dropped.
    pub timeout: Span,
}

/// What becomes of a row of the long-term table when an interval has closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write a record of it and drop it.
    Store,
    /// Leave it.
    Keep,
    /// Drop it.
    Discard,
}

impl Action {
    /// The action of that name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "store" => Some(Self::Store),
            "keep" => Some(Self::Keep),
            "discard" => Some(Self::Discard),
            _ => None,
        }
    }
}

impl Declaration {
    /// Adds a key column from its text: `ip.dst`, `ip.dst/24`, `sport or 0`.
    pub fn key(mut self, name: &str, text: &str) -> Result<Self, DeclareError> {
        self.key.push(KeyColumn::parse(name, text)?);
        Ok(self)
    }

    /// Adds a value column.
    pub fn value(mut self, name: &str, aggregate: Aggregate) -> Self {
        self.value.push(ValueColumn { name: name.to_owned(), aggregate });
        self
    }

    /// Adds a long-term table.
    pub fn long(mut self, long: Long) -> Self {
        self.long = Some(long);
        self
    }

    /// Checks it against the fields there are.
    pub fn check(&self) -> Result<(), DeclareError> {
        self.layouts().map(|_| ())
    }

    fn layouts(&self) -> Result<(Layout, Option<Layout>), DeclareError> {
        let table = Layout::new(&self.key, &self.value, self.full)?;
        let long =
            self.long.as_ref().map(|l| Layout::long(&l.key, &l.value, &table)).transpose()?;
        Ok((table, long))
    }
}

/// A declared module at work.
#[derive(Clone, Debug)]
pub struct Declared {
    table: Table,
    long: Option<Table>,
    timeout: Span,
    demand: Demand,
}

impl Declared {
    /// Starts it with intervals of length `interval`.
    pub fn new(
        declaration: &Declaration,
        limits: &Limits,
        interval: Span,
    ) -> Result<Self, DeclareError> {
        let (layout, long) = declaration.layouts()?;
        let demand = layout.demand();
        let rows_max = declaration.rows_max.unwrap_or(usize::MAX).min(limits.rows_max);
        let bounds =
            Bounds { rows_max, bytes_max: limits.memory_bytes_max, full: declaration.full };
        let table = match long {
            Some(_) => Table::with_seen(layout, bounds, interval),
            None => Table::new(layout, bounds, interval),
        };
        let bounds = Bounds { full: Full::Other, ..bounds };
        let long = long.map(|layout| Table::with_seen(layout, bounds, interval));
        let timeout = declaration.long.as_ref().map_or(Span(0), |l| l.timeout);
        Ok(Self { table, long, timeout, demand })
    }

    /// The same for intervals of another length.
    pub fn at_intervals(mut self, interval: Span) -> Self {
        self.table.set_interval(interval);
        self.long.iter_mut().for_each(|long| long.set_interval(interval));
        self
    }

    /// The same, whose records keep the states of all their values where they are to be merged.
    pub fn keeping_states(self, keeps: bool) -> Self {
        match keeps {
            true => Self { table: self.table.keeping_states(), ..self },
            false => self,
        }
    }

    /// What its tables had reached when one was full first.
    pub fn filled(&self) -> Option<Filled> {
        self.table.filled().or_else(|| self.long.as_ref()?.filled())
    }

    /// What must be decoded for it.
    pub fn demand(&self) -> Demand {
        self.demand
    }

    /// What its records look like, unless a script's `export` makes its own.
    pub fn schema(&self) -> &Arc<Schema> {
        self.long.as_ref().unwrap_or(&self.table).schema()
    }

    /// The table of the open interval.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The table of the open interval, to change.
    pub fn table_mut(&mut self) -> &mut Table {
        &mut self.table
    }

    /// The long-term table.
    pub fn long(&self) -> Option<&Table> {
        self.long.as_ref()
    }

    /// First step of an export with a long-term table: folds the interval's rows into it.
    pub fn fold(&mut self) {
        if let Some(long) = &mut self.long {
            long.fold(&self.table);
        }
    }

    /// Second step: asks `action` for each long-term row, in the order of their keys, and returns
    /// the records of those to store. Rows stored or discarded are gone afterwards.
    pub fn flush(
        &mut self,
        interval: Interval,
        mut action: impl FnMut(&Table, usize) -> Action,
    ) -> Option<Records> {
        let long = self.long.as_mut()?;
        let mut keep = vec![true; long.rows()];
        let mut store = long.sorted();
        store.retain(|row| {
            let row = *row as usize;
            let action = action(long, row);
            keep[row] = action == Action::Keep;
            action == Action::Store
        });
        let mut records = long.records(&store, interval);
        // Rows that stay are not missing from these records: they are not due yet.
        records.cut = false;
        if long.layout().is_unkeyed() && !keep[0] {
            long.clear();
        } else {
            long.retain(|row| keep[row]);
        }
        Some(records)
    }

    /// What becomes of a long-term row unless a script says otherwise: it is stored once it has
    /// been idle for the declared time.
    pub fn action(&self, row: usize, now: Ts) -> Action {
        let seen = self.long.as_ref().map_or(Ts(0), |long| long.seen(row));
        due(seen, now, self.timeout)
    }

    /// How long a long-term row may be idle.
    pub fn timeout(&self) -> Span {
        self.timeout
    }

    /// Last step of an export: empties the table for the next interval.
    pub fn begin(&mut self) {
        self.table.clear();
    }
}

fn due(seen: Ts, now: Ts, timeout: Span) -> Action {
    if now - seen >= timeout { Action::Store } else { Action::Keep }
}

impl Module for Declared {
    fn update(&mut self, batch: &Batch, picked: &Selection) {
        self.table.update(batch, picked);
    }

    fn export(&mut self, interval: Interval, out: &mut Export) {
        let (now, timeout) = (out.now(), self.timeout);
        self.fold();
        let records = self
            .flush(interval, |long, row| due(long.seen(row), now, timeout))
            .unwrap_or_else(|| self.table.records(&self.table.sorted(), interval));
        out.records(records);
        self.begin();
    }

    fn state_bytes(&self) -> usize {
        self.table.state_bytes() + self.long.as_ref().map_or(0, Table::state_bytes)
    }

    fn overflowed(&self) -> u64 {
        let long = self.long.as_ref().map_or(0, Table::overflowed);
        self.table.overflowed().saturating_add(long)
    }

    fn filled(&self) -> Option<String> {
        Declared::filled(self).map(|filled| filled.to_string())
    }
}
