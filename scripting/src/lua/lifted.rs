//! A script's state, brought up to date with what was added up for it natively ([`crate::lift`]).

use como_core::module::Limits;
use como_core::record::Value;
use mlua::{Lua, Table};

use super::convert;
use crate::declare::Callback;
use crate::lift::{self, Cond, Lifted, Target};

/// What of a script's packet callbacks runs without its virtual machine.
#[derive(Default)]
pub struct Lifts {
    /// `update`.
    pub update: Option<Lifted>,
    /// `check`.
    pub check: Option<Cond>,
    /// Whether the state of the open interval is as `update` takes it to be.
    pub fits: bool,
}

impl Lifts {
    /// Looks through the source of a script that has these callbacks.
    pub fn of(source: &str, has: impl Fn(Callback) -> bool, limits: &Limits) -> Self {
        let check = lift::parse::check(source).filter(|_| has(Callback::Check));
        // A `check` that runs may look at the state, which must be up to date then.
        let update = (check.is_some() || !has(Callback::Check)) && has(Callback::Update);
        let update = update.then(|| lift::parse::update(source)).flatten();
        let update = update.and_then(|program| Lifted::new(program, limits));
        Self { update, check, fits: false }
    }
}

/// Whether a fresh state is what the lifted program takes it for: plain tables, empty where they
/// are indexed by a key, and numbers where it adds to one.
pub fn fits(state: &mlua::Value, lifted: &Lifted) -> bool {
    let mlua::Value::Table(state) = state else { return false };
    lifted.groups().iter().all(|group| {
        group.targets.iter().all(|target| match group.key {
            Some(_) => table(state, &target.path)
                .is_some_and(|table| is_plain(&table) && table.raw_len() == 0 && table.is_empty()),
            None => number(state, &target.path).is_some(),
        })
    })
}

fn is_plain(table: &Table) -> bool {
    table.metatable().is_none() && !table.is_readonly()
}

/// The table that names lead to, through plain tables.
fn table(state: &Table, path: &[String]) -> Option<Table> {
    path.iter().try_fold(state.clone(), |table, name| {
        is_plain(&table).then(|| table.raw_get(name.as_str()).ok()).flatten()
    })
}

/// The number that names lead to.
fn number(state: &Table, path: &[String]) -> Option<f64> {
    let (name, path) = path.split_last()?;
    let table = table(state, path).filter(is_plain)?;
    match table.raw_get(name.as_str()).ok()? {
        mlua::Value::Number(x) => Some(x),
        mlua::Value::Integer(x) => Some(x as f64),
        _ => None,
    }
}

/// Adds what is pending to the state.
pub fn settle(lua: &Lua, lifted: &mut Lifted, state: &mlua::Value) -> mlua::Result<()> {
    let mlua::Value::Table(state) = state else { return Ok(()) };
    let mut tables: Vec<(Vec<String>, Table)> = Vec::new();
    lifted.settle(|target, key, amount| {
        let Some(key) = key else { return add_one(state, target, amount) };
        let known = tables.iter().position(|(path, _)| *path == target.path);
        let at = match known {
            Some(at) => at,
            None => {
                let found = table(state, &target.path).ok_or_else(changed)?;
                tables.push((target.path.clone(), found));
                tables.len() - 1
            }
        };
        if key == Value::Null {
            return Err(mlua::Error::MemoryError(String::new()));
        }
        add_keyed(lua, &tables[at].1, target, convert::lua_of(lua, &key)?, amount)
    })
}

fn changed() -> mlua::Error {
    mlua::Error::runtime("the state is no longer what init returned")
}

fn add_one(state: &Table, target: &Target, amount: u64) -> mlua::Result<()> {
    let (name, path) = target.path.split_last().ok_or_else(changed)?;
    let old = number(state, &target.path).ok_or_else(changed)?;
    table(state, path).ok_or_else(changed)?.raw_set(name.as_str(), old + amount as f64)
}

fn add_keyed(
    lua: &Lua,
    table: &Table,
    target: &Target,
    key: mlua::Value,
    amount: u64,
) -> mlua::Result<()> {
    let amount = amount as f64;
    let Some(row) = &target.row else {
        let old = table.raw_get::<Option<f64>>(&key)?.unwrap_or(0.0);
        return table.raw_set(key, old + amount);
    };
    let found = match table.raw_get::<Option<Table>>(&key)? {
        Some(found) => found,
        None => {
            let fresh = lua.create_table_with_capacity(0, row.fresh.len())?;
            for (name, value) in &row.fresh {
                fresh.raw_set(name.as_str(), f64::from(*value))?;
            }
            table.raw_set(key, &fresh)?;
            fresh
        }
    };
    if row.name.is_empty() {
        return Ok(());
    }
    let old = found.raw_get::<f64>(row.name.as_str())?;
    found.raw_set(row.name.as_str(), old + amount)
}
