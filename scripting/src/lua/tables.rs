//! Core tables as scripts see them: `table:top("bytes", 20)`, `for row in long`.
//!
//! Rows come as plain tables of their columns.

use std::sync::Arc;

use como_core::table::Table;
use mlua::{Lua, MetaMethod, UserData, UserDataMethods, UserDataRef, Variadic};

use super::convert;
use crate::api::how_many;
use crate::declare;
use crate::host::tables::Refused;
pub use crate::host::tables::{Shared, Which};
pub use crate::host::view::{Rows, View};
use crate::host::{Phase, Reach};
use crate::scan::{Language, table_order};

/// A table that a script holds, with the packets counted that it has added so far: it finds those
/// before the one at hand.
fn upto_now<'v>(lua: &Lua, view: &'v View) -> mlua::Result<&'v View> {
    if view.made().is_some() {
        let open = lua.app_data_ref::<Open>().and_then(|open| open.0.clone());
        open.map_or(Ok(()), |count| count.call::<()>(()))?;
    }
    Ok(view)
}

/// What counts the packets that were added so far, while packets pass.
pub struct Open(pub Option<mlua::Function>);

fn add(view: &View, lua: &Lua, at: &mlua::Value) -> mlua::Result<()> {
    let refused = match view.made() {
        Some(_) if at.is_table() => "write t:add(pkt), with the packet as update calls it",
        None => {
            "packets are counted by a table that the script makes: table{ key = ..., value = ... }"
        }
        Some(_) if lua.app_data_ref::<Open>().is_none_or(|open| open.0.is_none()) => {
            "a packet is added in update or check, where there is one"
        }
        Some(shared) => match at.as_f64().or_else(|| at.as_i64().map(|at| at as f64)) {
            Some(at) if at >= 0.0 => {
                shared.lock().mark(at as usize);
                return Ok(());
            }
            _ => "write t:add(pkt), with the packet as update calls it",
        },
    };
    Err(mlua::Error::runtime(refused))
}

/// Makes `table` callable: `table{ key = ..., value = ... }`.
pub fn register(lua: &Lua, base: &mlua::Table, host: &Arc<Reach>) -> mlua::Result<()> {
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

impl UserData for View {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("top", |lua, this, (name, n): (mlua::LuaString, mlua::Value)| {
            let name = convert::short(&name)?;
            let n = how_many(&convert::argument(&n)?).map_err(mlua::Error::runtime)?;
            upto_now(lua, this)?.top(&name, n).map_err(mlua::Error::runtime)
        });
        for name in ["all", "each"] {
            methods.add_method(name, |lua, this, ()| all(lua, this));
        }
        methods.add_method("find", |lua, this, key: Variadic<mlua::Value>| {
            let columns = upto_now(lua, this)?.columns().map_err(mlua::Error::runtime)?;
            let key = convert::arguments(&key, columns)?;
            let found = this.find(&key, |table, found| row(lua, table, found));
            found.map_err(mlua::Error::runtime)?.transpose()
        });
        methods.add_method("fold", |_, this, table: UserDataRef<Self>| match this.fold(&table) {
            true => Ok(()),
            false => Err(mlua::Error::runtime("write long:fold(table)")),
        });
        // What stands for the packet is its number among those of the batch.
        methods.add_method("add", |lua, this, at: mlua::Value| add(this, lua, &at));
        methods.add_method("clear", |lua, this, ()| {
            upto_now(lua, this)?.clear().map_err(mlua::Error::runtime)
        });
        methods.add_meta_method(MetaMethod::Len, |lua, this, ()| {
            upto_now(lua, this)?.len().map_err(mlua::Error::runtime)
        });
        methods.add_meta_method(MetaMethod::Iter, |lua, this, ()| walk(lua, all(lua, this)?));
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| {
            let rows = this.len().map_err(mlua::Error::runtime)?;
            Ok(format!("table of {rows} rows"))
        });
    }
}

fn all(lua: &Lua, view: &View) -> mlua::Result<Rows> {
    upto_now(lua, view)?.all().map_err(mlua::Error::runtime)
}

fn row_at(lua: &Lua, rows: &Rows, at: usize) -> mlua::Result<Option<mlua::Table>> {
    let found = rows.row(at, |table, found| row(lua, table, found));
    found.map_err(mlua::Error::runtime)?.transpose()
}

/// A function that returns one row after another.
fn walk(lua: &Lua, rows: Rows) -> mlua::Result<mlua::Function> {
    let mut at = 0;
    lua.create_function_mut(move |lua, _: Variadic<mlua::Value>| {
        at += 1;
        row_at(lua, &rows, at - 1)
    })
}

impl UserData for Rows {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Len, |_, this, ()| Ok(this.len()));
        methods.add_meta_method(MetaMethod::Iter, |lua, this, ()| walk(lua, this.clone()));
        methods.add_meta_method(MetaMethod::Index, |lua, this, at: mlua::Value| {
            let at = at.as_f64().or_else(|| at.as_i64().map(|at| at as f64));
            match at.filter(|at| *at >= 1.0 && at.fract() == 0.0) {
                Some(at) => row_at(lua, this, at as usize - 1),
                None => Ok(None),
            }
        });
    }
}
