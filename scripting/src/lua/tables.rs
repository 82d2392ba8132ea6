//! Core tables as scripts see them: `table:top("bytes", 20)`, `for row in long`.
//!
//! A script never holds a table, only a way to ask for one: rows come as plain
//! tables of their columns, and a set of rows that is returned from `export`
//! goes into records in whole columns, without passing through the script.

use std::sync::Arc;

use como_core::module::declared::Declared;
use como_core::record::Records;
use como_core::table::Table;
use como_core::time::Interval;
use mlua::{Lua, MetaMethod, UserData, UserDataMethods, UserDataRef, Variadic};
use parking_lot::Mutex;

use super::convert;

/// A module's tables, shared between the module and what its script holds.
pub type Shared = Arc<Mutex<State>>;

/// The tables, and how often their rows have changed places.
pub struct State {
    /// What was declared, at work.
    pub declared: Declared,
    /// Sets of rows of another generation mean nothing any more.
    pub generation: u64,
}

/// Which of the two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The open interval's.
    Interval,
    /// The one that lives across intervals.
    Long,
}

impl State {
    fn table(&self, which: Which) -> mlua::Result<&Table> {
        let table = match which {
            Which::Interval => Some(self.declared.table()),
            Which::Long => self.declared.long(),
        };
        table.ok_or_else(|| mlua::Error::runtime("no long-term table is declared"))
    }
}

/// A table as a script holds it.
pub struct View {
    shared: Shared,
    which: Which,
}

impl View {
    /// A view of one of the tables.
    pub fn new(shared: &Shared, which: Which) -> Self {
        Self { shared: shared.clone(), which }
    }

    /// All rows, in the order of their keys.
    pub fn all(&self) -> mlua::Result<Rows> {
        self.rows(|table| Ok(table.sorted()))
    }

    fn rows(&self, choose: impl FnOnce(&Table) -> mlua::Result<Vec<u32>>) -> mlua::Result<Rows> {
        let state = self.shared.lock();
        let rows = choose(state.table(self.which)?)?;
        let generation = state.generation;
        Ok(Rows { shared: self.shared.clone(), which: self.which, generation, rows: rows.into() })
    }
}

/// A row as a plain table of its columns.
pub fn row(lua: &Lua, table: &Table, row: usize) -> mlua::Result<mlua::Table> {
    let columns = &table.schema().columns;
    let result = lua.create_table_with_capacity(0, columns.len())?;
    for (at, column) in columns.iter().enumerate() {
        result.raw_set(column.name.as_str(), convert::lua_of(lua, &table.value(row, at))?)?;
    }
    Ok(result)
}

fn column(table: &Table, name: &str) -> mlua::Result<usize> {
    table.column(name).ok_or_else(|| {
        let names: Vec<&str> = table.schema().columns.iter().map(|c| c.name.as_str()).collect();
        mlua::Error::runtime(format!(
            "the table has no column `{}`; it has {}",
            name.escape_debug(),
            names.join(", ")
        ))
    })
}

impl UserData for View {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("top", |_, this, (name, n): (String, Option<f64>)| {
            this.rows(|table| Ok(table.top(column(table, &name)?, n.unwrap_or(10.0) as usize)))
        });
        for name in ["all", "each"] {
            methods.add_method(name, |_, this, ()| this.all());
        }
        methods.add_method("find", |lua, this, key: Variadic<mlua::Value>| {
            let key = key.iter().map(convert::value_of).collect::<mlua::Result<Vec<_>>>()?;
            let state = this.shared.lock();
            let table = state.table(this.which)?;
            table.find(&key).map(|found| row(lua, table, found)).transpose()
        });
        methods.add_method("fold", |_, this, table: UserDataRef<Self>| {
            let fits = this.which == Which::Long
                && table.which == Which::Interval
                && Arc::ptr_eq(&this.shared, &table.shared);
            if !fits {
                return Err(mlua::Error::runtime("write long:fold(table)"));
            }
            let mut state = this.shared.lock();
            state.generation += 1;
            state.declared.fold();
            Ok(())
        });
        methods.add_meta_method(MetaMethod::Len, |_, this, ()| {
            Ok(this.shared.lock().table(this.which)?.rows())
        });
        methods.add_meta_method(MetaMethod::Iter, |lua, this, ()| this.all()?.walk(lua));
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| {
            Ok(format!("table of {} rows", this.shared.lock().table(this.which)?.rows()))
        });
    }
}

/// Some rows of a table, in an order.
#[derive(Clone)]
pub struct Rows {
    shared: Shared,
    which: Which,
    generation: u64,
    rows: Arc<[u32]>,
}

impl Rows {
    fn with<R>(&self, f: impl FnOnce(&Table) -> mlua::Result<R>) -> mlua::Result<R> {
        let state = self.shared.lock();
        if state.generation != self.generation {
            return Err(mlua::Error::runtime(
                "these rows are of an interval that has closed: ask the table again",
            ));
        }
        f(state.table(self.which)?)
    }

    fn row(&self, lua: &Lua, at: usize) -> mlua::Result<Option<mlua::Table>> {
        let Some(found) = self.rows.get(at) else { return Ok(None) };
        self.with(|table| row(lua, table, *found as usize).map(Some))
    }

    /// A function that returns one row after another.
    fn walk(&self, lua: &Lua) -> mlua::Result<mlua::Function> {
        let (rows, mut at) = (self.clone(), 0);
        lua.create_function_mut(move |lua, _: Variadic<mlua::Value>| {
            at += 1;
            rows.row(lua, at - 1)
        })
    }

    /// The rows as records, in whole columns.
    pub fn records(&self, interval: Interval) -> mlua::Result<Records> {
        self.with(|table| Ok(table.records(&self.rows, interval)))
    }
}

impl UserData for Rows {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Len, |_, this, ()| Ok(this.rows.len()));
        methods.add_meta_method(MetaMethod::Iter, |lua, this, ()| this.walk(lua));
        methods.add_meta_method(MetaMethod::Index, |lua, this, at: mlua::Value| {
            let at = at.as_f64().or_else(|| at.as_i64().map(|at| at as f64));
            match at.filter(|at| *at >= 1.0 && at.fract() == 0.0) {
                Some(at) => this.row(lua, at as usize - 1),
                None => Ok(None),
            }
        });
    }
}
