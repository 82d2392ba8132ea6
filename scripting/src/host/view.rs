//! Views: what a script holds of a core table, and of a set of its rows.
//!
//! A script never holds a table, only a way to ask for one; and rows that are returned from
//! `export` go into records in whole columns. What a language adds is how one row reaches it.

use std::sync::{Arc, Weak};

use como_core::record::{Records, Value};
use como_core::table::Table;
use como_core::time::Interval;

use super::tables::{Shared, Which};

/// The most rows that a script may ask for at once.
const ROWS_MAX: usize = 1 << 18;

/// A table as a script holds it.
#[derive(Clone, Debug)]
pub struct View {
    shared: Shared,
    which: Which,
}

impl View {
    /// A view of one of the tables.
    pub fn new(shared: &Shared, which: Which) -> Self {
        Self { shared: shared.clone(), which }
    }

    /// The table that a script has made, if it has made this one.
    pub fn made(&self) -> Option<&Shared> {
        let made = self.shared.lock().is_made();
        made.then_some(&self.shared)
    }

    /// All rows, in the order of their keys, for the script to look at.
    pub fn all(&self) -> Result<Rows, String> {
        self.rows(|table| {
            few(table.rows())?;
            Ok(table.sorted())
        })
    }

    /// All rows, in the order of their keys, however many.
    pub fn whole(&self) -> Result<Rows, String> {
        self.rows(|table| Ok(table.sorted()))
    }

    /// The `n` rows that are largest in a column.
    pub fn top(&self, name: &str, n: usize) -> Result<Rows, String> {
        self.rows(|table| {
            few(n.min(table.rows()))?;
            Ok(table.top(column(table, name)?, n))
        })
    }

    fn rows(
        &self,
        choose: impl FnOnce(&Table) -> Result<Vec<u32>, String>,
    ) -> Result<Rows, String> {
        let mut state = self.shared.lock();
        let rows = choose(state.table(self.which)?)?;
        let (generation, len) = (state.generation, rows.len());
        Ok(Rows { view: self.clone(), generation, len, rows: state.keep(rows) })
    }

    /// How many rows.
    pub fn len(&self) -> Result<usize, String> {
        Ok(self.shared.lock().table(self.which)?.rows())
    }

    /// How many columns a row has.
    pub fn columns(&self) -> Result<usize, String> {
        Ok(self.shared.lock().table(self.which)?.schema().columns.len())
    }

    /// What `found` makes of the row of a key, if there is one.
    pub fn find<R>(
        &self,
        key: &[Value],
        found: impl FnOnce(&Table, usize) -> R,
    ) -> Result<Option<R>, String> {
        let state = self.shared.lock();
        let table = state.table(self.which)?;
        Ok(table.find(key).map(|row| found(table, row)))
    }

    /// Folds the interval's table into this long-term one of the same script; answers whether
    /// these are the two.
    pub fn fold(&self, table: &Self) -> bool {
        let fits = self.which == Which::Long
            && table.which == Which::Interval
            && Arc::ptr_eq(&self.shared, &table.shared);
        if fits {
            let mut state = self.shared.lock();
            state.turn();
            state.declared.fold();
        }
        fits
    }

    /// Removes all rows of a table that the script has made.
    pub fn clear(&self) -> Result<(), String> {
        let mut state = self.shared.lock();
        if !state.is_made() {
            return Err("only a table of its own is cleared".to_owned());
        }
        state.clear();
        Ok(())
    }
}

/// Refuses to put more rows into an order than a script could look at in the time of a call: nobody
/// can stop that once it has begun.
fn few(rows: usize) -> Result<(), String> {
    match rows > ROWS_MAX {
        true => Err(format!(
            "{rows} rows are more than a call has time for, and {ROWS_MAX} may be asked for: \
             return the table itself, or ask for the top ones"
        )),
        false => Ok(()),
    }
}

fn column(table: &Table, name: &str) -> Result<usize, String> {
    table.column(name).ok_or_else(|| {
        let names: Vec<&str> = table.schema().columns.iter().map(|c| c.name.as_str()).collect();
        let (name, names) = (name.escape_debug(), names.join(", "));
        format!("the table has no column `{name}`; it has {names}")
    })
}

/// Some rows of a table, in an order.
#[derive(Clone, Debug)]
pub struct Rows {
    view: View,
    generation: u64,
    len: usize,
    rows: Weak<Vec<u32>>,
}

impl Rows {
    /// How many.
    pub fn len(&self) -> usize {
        self.len
    }

    /// What `read` makes of one of them, counted from 0; nothing behind the last.
    pub fn row<R>(
        &self,
        at: usize,
        read: impl FnOnce(&Table, usize) -> R,
    ) -> Result<Option<R>, String> {
        self.with(|table, rows| rows.get(at).map(|row| read(table, *row as usize)))
    }

    /// The rows as records, in whole columns.
    pub fn records(&self, interval: Interval) -> Result<Records, String> {
        self.with(|table, rows| table.records(rows, interval))
    }

    fn with<R>(&self, read: impl FnOnce(&Table, &[u32]) -> R) -> Result<R, String> {
        let state = self.view.shared.lock();
        if state.generation != self.generation {
            let why = "these rows are of an interval that has closed: ask the table again";
            return Err(why.to_owned());
        }
        let Some(rows) = self.rows.upgrade() else {
            let why = "too many other rows were asked for since these: ask the table again";
            return Err(why.to_owned());
        };
        Ok(read(state.table(self.view.which)?, &rows))
    }
}
