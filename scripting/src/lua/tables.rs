//! Core tables as scripts see them: `table:top("bytes", 20)`, `for row in long`.
//!
//! A script never holds a table, only a way to ask for one: rows come as plain
//! tables of their columns, and a set of rows that is returned from `export`
//! goes into records in whole columns, without passing through the script.

use std::sync::Arc;

use como_core::record::Records;
use como_core::table::Table;
use como_core::time::Interval;
use mlua::{Lua, MetaMethod, UserData, UserDataMethods, UserDataRef, Variadic};

use super::convert;
use crate::declare;
use crate::host::tables::{Refused, State};
pub use crate::host::tables::{Shared, Which};
use crate::host::{Host, Phase};
use crate::scan::{Language, table_order};

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

    /// As [`View::all`], for a script that asks.
    fn every(&self, lua: &Lua) -> mlua::Result<Rows> {
        self.refresh(lua)?;
        self.all()
    }

    /// Has packets counted that the script has added, so that it finds those before the one at
    /// hand.
    fn refresh(&self, lua: &Lua) -> mlua::Result<()> {
        if !self.shared.lock().is_made() {
            return Ok(());
        }
        let open = lua.app_data_ref::<Open>().and_then(|open| open.0.clone());
        open.map_or(Ok(()), |count| count.call(()))
    }

    /// The table that a script has made, if it has made this one.
    pub fn made(&self) -> Option<&Shared> {
        let made = self.shared.lock().is_made();
        made.then_some(&self.shared)
    }

    /// All rows, in the order of their keys.
    pub fn all(&self) -> mlua::Result<Rows> {
        self.rows(|table| Ok(table.sorted()))
    }

    fn rows(&self, choose: impl FnOnce(&Table) -> mlua::Result<Vec<u32>>) -> mlua::Result<Rows> {
        let state = self.shared.lock();
        let rows = choose(table(&state, self.which)?)?;
        let generation = state.generation;
        Ok(Rows { shared: self.shared.clone(), which: self.which, generation, rows: rows.into() })
    }
}

fn table(state: &State, which: Which) -> mlua::Result<&Table> {
    state.table(which).map_err(mlua::Error::runtime)
}

/// What counts the packets that were added so far, while packets pass.
pub struct Open(pub Option<mlua::Function>);

impl View {
    fn add(&self, lua: &Lua, at: &mlua::Value) -> mlua::Result<()> {
        let mut state = self.shared.lock();
        let refused = if !state.is_made() {
            "packets are counted by a table that the script makes: table{ key = ..., value = ... }"
        } else if lua.app_data_ref::<Open>().is_none_or(|open| open.0.is_none()) {
            "a packet is added in update or check, where there is one"
        } else {
            match at.as_f64().or_else(|| at.as_i64().map(|at| at as f64)) {
                Some(at) if at >= 0.0 => {
                    state.mark(at as usize);
                    return Ok(());
                }
                _ => "write t:add(pkt), with the packet as update calls it",
            }
        };
        Err(mlua::Error::runtime(refused))
    }
}

/// Makes `table` callable: `table{ key = ..., value = ... }`.
pub fn register(lua: &Lua, base: &mlua::Table, host: &Arc<Host>) -> mlua::Result<()> {
    let host = host.clone();
    let make = lua.create_function(move |lua, (_, given): (mlua::Table, mlua::Value)| {
        if matches!(host.phase(), Phase::Export | Phase::Records) {
            return Err(mlua::Error::runtime("make tables in init or at the top level"));
        }
        let source = host.tables.lock().source();
        let order = |path: &str| table_order(&source, Language::Lua, path);
        let given = convert::tree_of(&given, "table", &order).map_err(mlua::Error::runtime)?;
        let declaration = declare::table(&given).map_err(mlua::Error::runtime)?;
        let mut made = host.tables.lock().make(&declaration);
        if let Err(Refused::Full(_)) = made {
            // Those of intervals gone by may only wait to be collected.
            lua.gc_collect()?;
            made = host.tables.lock().make(&declaration);
        }
        let shared = made.map_err(|refused| match refused {
            Refused::Mistake(message) => mlua::Error::runtime(message),
            Refused::Full(message) => mlua::Error::MemoryError(message),
        })?;
        lua.create_userdata(View::new(&shared, Which::Interval))
    })?;
    let meta = lua.create_table()?;
    meta.raw_set("__call", make)?;
    meta.set_readonly(true);
    base.raw_get::<mlua::Table>("table")?.set_metatable(Some(meta))
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
        methods.add_method("top", |lua, this, (name, n): (String, Option<f64>)| {
            this.refresh(lua)?;
            this.rows(|table| Ok(table.top(column(table, &name)?, n.unwrap_or(10.0) as usize)))
        });
        for name in ["all", "each"] {
            methods.add_method(name, |lua, this, ()| this.every(lua));
        }
        methods.add_method("find", |lua, this, key: Variadic<mlua::Value>| {
            this.refresh(lua)?;
            let most = table(&this.shared.lock(), this.which)?.schema().columns.len();
            let key = convert::arguments(&key, most)?;
            let state = this.shared.lock();
            let table = table(&state, this.which)?;
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
        // What stands for the packet is its number among those of the batch.
        methods.add_method("add", |lua, this, at: mlua::Value| this.add(lua, &at));
        methods.add_method("clear", |lua, this, ()| {
            this.refresh(lua)?;
            let mut state = this.shared.lock();
            match state.is_made() {
                true => state.clear(),
                false => return Err(mlua::Error::runtime("only a table of its own is cleared")),
            }
            Ok(())
        });
        methods.add_meta_method(MetaMethod::Len, |lua, this, ()| {
            this.refresh(lua)?;
            Ok(table(&this.shared.lock(), this.which)?.rows())
        });
        methods.add_meta_method(MetaMethod::Iter, |lua, this, ()| this.every(lua)?.walk(lua));
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| {
            Ok(format!("table of {} rows", table(&this.shared.lock(), this.which)?.rows()))
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
        f(table(&state, self.which)?)
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
