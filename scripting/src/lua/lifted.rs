//! A script's state, brought up to date with what was added up for it natively ([`crate::lift`]).

use como_core::field::Field;
use como_core::module::Limits;
use como_core::record::Value;
use mlua::{Lua, Table};

use super::convert;
use super::feed::number;
use super::handles::{Wide, object};
use crate::declare::Callback;
use crate::lift::{self, Amount, By, Cond, Fresh, Group, Hop, Key, Lifted, Made, Settle, Total};

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
    lifted.groups().iter().flat_map(|group| &group.targets).all(|target| {
        let mut table = state.clone();
        for (at, hop) in target.path.iter().enumerate() {
            if !is_plain(&table) {
                return false;
            }
            let By::Name(name) = &hop.by else { return table.raw_len() == 0 && table.is_empty() };
            match table.raw_get(name.as_str()) {
                Ok(mlua::Value::Table(inner)) => table = inner,
                Ok(mlua::Value::Number(_) | mlua::Value::Integer(_)) => {
                    return at + 1 == target.path.len();
                }
                _ => return false,
            }
        }
        false
    })
}

fn is_plain(table: &Table) -> bool {
    table.metatable().is_none() && !table.is_readonly()
}

/// Adds what is pending to the state.
pub fn settle(lua: &Lua, lifted: &mut Lifted, state: &mlua::Value) -> mlua::Result<()> {
    let mlua::Value::Table(state) = state else { return Ok(()) };
    lifted.settle(&mut State { lua, state })
}

/// A script's state, to be brought up to date.
struct State<'a> {
    lua: &'a Lua,
    state: &'a Table,
}

/// Where the values of fields come from.
type Values<'a> = &'a dyn Fn(Field) -> Value;

impl Settle for State<'_> {
    type Error = mlua::Error;

    fn add(&mut self, group: &Group, value: Values<'_>, total: Total) -> mlua::Result<()> {
        // The table that the last hop but one led to, which the next target mostly shares.
        let mut last: Option<(&[Hop], Table)> = None;
        for target in &group.targets {
            let made = target.amount == Amount::Nothing;
            let (way, end) = match target.path.split_last() {
                Some((end, way)) if !made => (way, Some(end)),
                _ => (&target.path[..], None),
            };
            let table = match &last {
                Some((known, table)) if *known == way => table.clone(),
                _ => self.walk(way, value, total)?,
            };
            if let Some(end) = end {
                let key = self.by(&end.by, value)?;
                if target.amount == Amount::LastTs {
                    table.raw_set(key, number(Field::Ts, total.last.0))?;
                } else {
                    let old = table.raw_get::<Option<f64>>(&key)?.unwrap_or(0.0);
                    table.raw_set(key, old + total.of(target.amount) as f64)?;
                }
            }
            last = Some((way, table));
        }
        Ok(())
    }

    fn overflow(&mut self) -> mlua::Result<()> {
        Err(mlua::Error::MemoryError(String::new()))
    }
}

impl State<'_> {
    /// The table that a path leads to, where tables are made as the script would.
    fn walk(&self, path: &[Hop], value: Values<'_>, total: Total) -> mlua::Result<Table> {
        let mut table = self.state.clone();
        for hop in path {
            let key = self.by(&hop.by, value)?;
            table = match (table.raw_get::<Option<Table>>(&key)?, &hop.made) {
                (Some(found), _) => found,
                (None, Some(fresh)) => {
                    let made = self.fresh(fresh, value, total)?;
                    table.raw_set(key, &made)?;
                    made
                }
                (None, None) => {
                    return Err(mlua::Error::runtime("the state is no longer what init returned"));
                }
            };
        }
        Ok(table)
    }

    fn fresh(
        &self,
        fields: &[(String, Fresh)],
        value: Values<'_>,
        total: Total,
    ) -> mlua::Result<Table> {
        let table = self.lua.create_table_with_capacity(0, fields.len())?;
        for (name, fresh) in fields {
            let made = match fresh {
                Fresh::Number(x) => mlua::Value::Number(f64::from(*x)),
                Fresh::Ts => mlua::Value::Number(number(Field::Ts, total.first.0)),
                Fresh::Key(key) => self.key(key, value)?,
            };
            table.raw_set(name.as_str(), made)?;
        }
        Ok(table)
    }

    fn by(&self, by: &By, value: Values<'_>) -> mlua::Result<mlua::Value> {
        match by {
            By::Name(name) => self.lua.create_string(name).map(mlua::Value::String),
            By::Key(key) => self.key(key, value),
        }
    }

    fn key(&self, key: &Key, value: Values<'_>) -> mlua::Result<mlua::Value> {
        match key.made(value) {
            Made::Value(value) => convert::lua_of(self.lua, &value),
            Made::Number(x) => Ok(mlua::Value::Number(x)),
            Made::Flow(flow) => object(self.lua, Wide::Flow(flow)),
            Made::None => Err(mlua::Error::MemoryError(String::new())),
        }
    }
}
