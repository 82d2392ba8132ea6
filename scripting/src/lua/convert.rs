//! Values across the border: what Lua calls a value, and what a record does.
//!
//! Numbers are floats in Luau: a whole one comes out as a whole number. Times
//! are seconds, as `pkt.ts` is. Addresses are handles both ways.

use std::sync::Arc;

use como_core::field::Field;
use como_core::module::Args;
use como_core::record::Value;
use como_core::table::Aggregate;
use como_core::time::Ts;
use mlua::{Lua, MetaMethod, Table, UserData, UserDataMethods, UserDataRef, Variadic};

use super::forgive::Hole;
use super::handles::{Wide, object};
use crate::api::{self, Call, Entry, TEXT_BYTES_MAX, TOPICS};
use crate::declare::Tree;
use crate::flow::Flow;
use crate::host::Reach;
use crate::passed::Output;
use crate::recorder::{HELD, Row};
use crate::scan::LAYERS;

/// How deep a declaration may nest, and how many entries of one table it may have.
const DEPTH_MAX: usize = 6;
const ENTRIES_MAX: usize = 4096;

/// An aggregate as a script wrote it.
pub struct Declared(Aggregate);

impl UserData for Declared {}

/// The longest text that may name something.
const SHORT_BYTES_MAX: usize = 256;

/// More arguments than any aggregate takes.
const AGGREGATE_ARGS_MAX: usize = 8;

/// What a function of the library was given, at most one more than it takes: that is enough to
/// tell that it is too much. What is copied out of the machine is bounded before it is.
pub fn arguments(given: &[mlua::Value], most: usize) -> mlua::Result<Vec<Value>> {
    given.iter().take(most.saturating_add(1)).map(argument).collect()
}

/// What a function of the library answers. The bytes that it takes are not copied out.
fn answered(entry: &Entry, host: &Reach, given: &[mlua::Value]) -> mlua::Result<Value> {
    let most = entry.params.len();
    let bytes = entry.bytes_at().and_then(|at| Some((at, given.get(at)?.as_string()?)));
    let Some((at, text)) = bytes.filter(|(_, text)| text.as_bytes().len() <= TEXT_BYTES_MAX) else {
        return entry.run(host, &arguments(given, most)?).map_err(mlua::Error::runtime);
    };
    let value = |(i, value)| if i == at { Ok(Entry::ELSEWHERE) } else { argument(value) };
    let values = given.iter().take(most.saturating_add(1)).enumerate().map(value);
    let values = values.collect::<mlua::Result<Vec<_>>>()?;
    entry.run_of(&text.as_bytes(), &values).map_err(mlua::Error::runtime)
}

/// One of them.
pub fn argument(value: &mlua::Value) -> mlua::Result<Value> {
    match value {
        mlua::Value::String(text) if text.as_bytes().len() > TEXT_BYTES_MAX => {
            let message = format!("a text of more than {TEXT_BYTES_MAX} bytes is given");
            Err(mlua::Error::runtime(message))
        }
        value => value_of(value),
    }
}

/// A name or another short text, which is bounded before it is copied.
pub fn short(text: &mlua::LuaString) -> mlua::Result<String> {
    match text.as_bytes().len() {
        0..=SHORT_BYTES_MAX => Ok(text.to_string_lossy()),
        bytes => Err(mlua::Error::runtime(format!("a text of {bytes} bytes names nothing"))),
    }
}

/// The function that declares the aggregate called `name`.
pub fn aggregate(lua: &Lua, name: &'static str) -> mlua::Result<mlua::Function> {
    lua.create_function(move |_, given: Variadic<mlua::Value>| {
        let args = arguments(&given, AGGREGATE_ARGS_MAX)?;
        Aggregate::new(name, &args).map(Declared).map_err(mlua::Error::runtime)
    })
}

/// Puts the library of both languages into `base`, a table for each topic.
///
/// What a language has in a way of its own is not among it.
pub fn library(lua: &Lua, base: &Table, host: &Arc<Reach>) -> mlua::Result<()> {
    for (topic, _) in TOPICS {
        let table = lua.create_table()?;
        let shared = |entry: &&Entry| entry.topic == topic && !matches!(entry.call, Call::Own);
        for entry in api::entries().filter(shared) {
            let host = host.clone();
            let call = lua.create_function(move |lua, given: Variadic<mlua::Value>| {
                lua_of(lua, &answered(entry, &host, &given)?)
            })?;
            table.raw_set(entry.name, call)?;
        }
        if !table.is_empty() {
            base.raw_set(topic, table)?;
        }
    }
    Ok(())
}

/// The flags that the number in `tcp.flags` is made of.
pub fn flags(lua: &Lua) -> mlua::Result<Table> {
    let names = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"];
    lua.create_table_from(names.iter().enumerate().map(|(bit, name)| (*name, 1u32 << bit)))
}

/// By the names of layers, the names of their fields by what they are called there.
pub fn layers(lua: &Lua) -> mlua::Result<Table> {
    let layers = lua.create_table()?;
    for (layer, _) in LAYERS {
        let inner = |field: &Field| {
            let inner = field.name().strip_prefix(layer)?.strip_prefix('.')?;
            Some((inner, field.name()))
        };
        layers.set(layer, lua.create_table_from(Field::ALL.iter().filter_map(inner))?)?;
    }
    Ok(layers)
}

/// An exact instant, `pkt.ts_ns`: nanoseconds that a float could not hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub u64);

/// What is told of one that is taken for a number.
const EXACT: &str = "of an exact time only another is taken, as in `pkt.ts_ns - last`; \
                     `pkt.ts` is a number of seconds";

impl UserData for Nanos {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(this.0.to_string()));
        methods.add_meta_function(MetaMethod::Sub, |_, (a, b): (mlua::Value, mlua::Value)| {
            let exact = |value: &mlua::Value| Some(value.as_userdata()?.borrow::<Self>().ok()?.0);
            match (exact(&a), exact(&b)) {
                (Some(a), Some(b)) => Ok((i128::from(a) - i128::from(b)) as f64),
                _ => Err(mlua::Error::runtime(EXACT)),
            }
        });
        methods.add_meta_method(MetaMethod::Eq, |_, this, other: UserDataRef<Self>| {
            Ok(*this == *other)
        });
        methods.add_meta_method(MetaMethod::Lt, |_, this, other: UserDataRef<Self>| {
            Ok(*this < *other)
        });
        methods.add_meta_method(MetaMethod::Le, |_, this, other: UserDataRef<Self>| {
            Ok(*this <= *other)
        });
    }
}

/// A number, whole where it can be.
pub fn number(x: f64) -> Value {
    const WHOLE: f64 = (1u64 << 53) as f64;
    if x.fract() != 0.0 || x.abs() > WHOLE {
        Value::Float(x)
    } else if x >= 0.0 {
        Value::Uint(x as u64)
    } else {
        Value::Int(x as i64)
    }
}

/// A string: a text where it is UTF-8.
pub fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::Text(text.to_owned()),
        Err(_) => Value::Bytes(bytes.to_vec()),
    }
}

/// What a value is, with its article.
pub fn named(value: &mlua::Value) -> String {
    match value {
        mlua::Value::Nil => "nil".to_owned(),
        mlua::Value::Boolean(x) => x.to_string(),
        mlua::Value::Integer(_) | mlua::Value::Number(_) => "a number".to_owned(),
        mlua::Value::UserData(_) => "an object".to_owned(),
        mlua::Value::Table(table) if is_packet(table) => "a packet".to_owned(),
        other => format!("a {}", other.type_name()),
    }
}

/// Whether a table stands for a packet, or for a layer of one.
fn is_packet(table: &Table) -> bool {
    let said = table.metatable().and_then(|meta| meta.raw_get::<mlua::Value>("__metatable").ok());
    said.is_some_and(|said| said.as_string().is_some_and(|said| said == "packet"))
}

/// A Lua value as one of a record.
pub fn value_of(value: &mlua::Value) -> mlua::Result<Value> {
    Ok(match value {
        mlua::Value::Nil => Value::Null,
        mlua::Value::Boolean(x) => Value::Bool(*x),
        mlua::Value::Integer(x) => number(*x as f64),
        mlua::Value::Number(x) => number(*x),
        mlua::Value::String(x) => text(&x.as_bytes()),
        mlua::Value::UserData(object) => {
            if let Ok(wide) = object.borrow::<Wide>() {
                match *wide {
                    Wide::Addr(addr) => Value::Addr(addr),
                    Wide::Mac(mac) => Value::Mac(mac),
                    wide => Value::Text(wide.to_string()),
                }
            } else if let Ok(flow) = object.borrow::<Flow>() {
                Value::Text(flow.to_string())
            } else if let Ok(nanos) = object.borrow::<Nanos>() {
                Value::Time(Ts(nanos.0))
            } else {
                return Err(mlua::Error::runtime(format!(
                    "this object is no value of a record; {HELD}"
                )));
            }
        }
        other => {
            let other = named(other);
            return Err(mlua::Error::runtime(format!("{other} is no value of a record; {HELD}")));
        }
    })
}

/// A record's value as a Lua one.
pub fn lua_of(lua: &Lua, value: &Value) -> mlua::Result<mlua::Value> {
    Ok(match value {
        Value::Null => mlua::Value::Nil,
        Value::Bool(x) => mlua::Value::Boolean(*x),
        Value::Uint(x) => mlua::Value::Number(*x as f64),
        Value::Int(x) => mlua::Value::Number(*x as f64),
        Value::Float(x) => mlua::Value::Number(*x),
        Value::Addr(x) => object(lua, Wide::Addr(*x))?,
        Value::Mac(x) => object(lua, Wide::Mac(*x))?,
        Value::Text(x) => mlua::Value::String(lua.create_string(x)?),
        Value::Bytes(x) => mlua::Value::String(lua.create_string(x)?),
        Value::Time(x) => mlua::Value::Number(x.as_secs_f64()),
    })
}

/// A table's names and values, in no order, as long as `output` has room for them.
pub fn row_of(table: &Table, output: &mut Output) -> mlua::Result<Row> {
    let mut row = Vec::new();
    for pair in table.pairs::<mlua::Value, mlua::Value>() {
        let (name, value) = pair?;
        let mlua::Value::String(name) = name else {
            let ty = name.type_name();
            return Err(mlua::Error::runtime(format!(
                "the columns of a record have names; one is called by a {ty}"
            )));
        };
        if row.len() == ENTRIES_MAX {
            return Err(mlua::Error::runtime("a record has too many columns"));
        }
        let inside = if let mlua::Value::String(x) = &value { x.as_bytes().len() } else { 0 };
        output.value(name.as_bytes().len(), inside).map_err(mlua::Error::external)?;
        let name = name.to_string_lossy();
        let value = value_of(&value).map_err(|error| match error {
            mlua::Error::RuntimeError(why) => mlua::Error::runtime(format!("`{name}`: {why}")),
            error => error,
        });
        row.push((name, value?));
    }
    Ok(row)
}

/// Names and values as a table.
pub fn table_of<'a>(
    lua: &Lua,
    row: impl IntoIterator<Item = (&'a str, &'a Value)>,
) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (name, value) in row {
        table.raw_set(name, lua_of(lua, value)?)?;
    }
    Ok(table)
}

/// Arguments as a table that cannot be changed.
pub fn args_table(lua: &Lua, args: &Args) -> mlua::Result<Table> {
    let table = table_of(lua, args.iter())?;
    table.set_readonly(true);
    Ok(table)
}

/// What a top-level name was set to. `order` tells how the names of a table stand in the source,
/// by the path to the table.
pub fn tree_of(
    value: &mlua::Value,
    path: &str,
    order: &dyn Fn(&str) -> Vec<String>,
) -> Result<Tree, String> {
    tree(value, path, order, DEPTH_MAX)
}

fn tree(
    value: &mlua::Value,
    path: &str,
    order: &dyn Fn(&str) -> Vec<String>,
    depth: usize,
) -> Result<Tree, String> {
    match value {
        mlua::Value::UserData(object) if object.is::<Declared>() => {
            let declared = object.borrow::<Declared>().map_err(|e| e.to_string())?;
            Ok(Tree::Aggregate(declared.0.clone()))
        }
        mlua::Value::UserData(object) if object.is::<Hole>() => Ok(Tree::Unknown),
        mlua::Value::Table(table) => {
            if depth == 0 {
                return Err(format!("`{path}` nests too deep"));
            }
            entries(table, path, order, depth)
        }
        mlua::Value::Function(_) => Err(format!("`{path}` cannot hold a function")),
        value => match value_of(value).map_err(|error| format!("`{path}`: {error}"))? {
            Value::Null => Ok(Tree::Nil),
            Value::Bool(x) => Ok(Tree::Bool(x)),
            Value::Uint(x) => Ok(i64::try_from(x).map_or(Tree::Float(x as f64), Tree::Int)),
            Value::Int(x) => Ok(Tree::Int(x)),
            Value::Float(x) => Ok(Tree::Float(x)),
            Value::Text(x) => Ok(Tree::Text(x)),
            Value::Addr(x) => Ok(Tree::Text(x.to_string())),
            Value::Mac(x) => Ok(Tree::Text(x.to_string())),
            Value::Bytes(_) | Value::Time(_) => Err(format!("`{path}` is no text, UTF-8")),
        },
    }
}

fn entries(
    table: &Table,
    path: &str,
    order: &dyn Fn(&str) -> Vec<String>,
    depth: usize,
) -> Result<Tree, String> {
    let (mut list, mut map) = (Vec::new(), Vec::new());
    for pair in table.pairs::<mlua::Value, mlua::Value>() {
        let (name, value) = pair.map_err(|error| error.to_string())?;
        if list.len() + map.len() == ENTRIES_MAX {
            return Err(format!("`{path}` has more than {ENTRIES_MAX} entries"));
        }
        match name {
            mlua::Value::String(name) => {
                let name = name.to_string_lossy();
                let inner = format!("{path}.{name}");
                map.push((name, tree(&value, &inner, order, depth - 1)?));
            }
            _ => list.push(tree(&value, path, order, depth - 1)?),
        }
    }
    match (list.is_empty(), map.is_empty()) {
        (false, false) => Err(format!("`{path}` mixes values with names and without")),
        (false, true) => Ok(Tree::List(list)),
        _ => {
            let written = order(path);
            let place = |name: &str| written.iter().position(|w| w == name);
            map.sort_by(|(a, _), (b, _)| {
                let key = |name: &String| (place(name).unwrap_or(usize::MAX), name.clone());
                key(a).cmp(&key(b))
            });
            Ok(Tree::Map(map))
        }
    }
}
