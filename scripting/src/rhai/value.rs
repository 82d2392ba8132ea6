//! Values on their way into a script and out of it.

use como_core::addr::{Addr, Mac};
use como_core::field::FieldValue;
use como_core::record::Value;
use como_core::table::Aggregate;
use como_core::time::Ts;
use rhai::{Array, Dynamic, FnPtr, INT, Map};

use super::forgive::Hole;
use super::keyed::Keyed;
use super::words::named;
use crate::declare::Tree;
use crate::flow::Flow;

/// How deep values may lie inside each other where a script keeps or returns them.
const DEPTH_MAX: usize = 32;
/// How deep a declaration may nest.
const TREE_DEPTH_MAX: usize = 6;

/// A number that is never negative. Rhai's own are signed, so the largest become fractions.
pub(super) fn number(x: u64) -> Dynamic {
    INT::try_from(x).map_or_else(|_| Dynamic::from_float(x as f64), Dynamic::from_int)
}

/// What a script sees of a packet's field.
pub(super) fn of_field(value: FieldValue<'_>) -> Dynamic {
    match value {
        FieldValue::Bool(x) => x.into(),
        FieldValue::Uint(x) => Dynamic::from_int(x.into()),
        FieldValue::Int(x) => Dynamic::from_int(x.into()),
        FieldValue::Big(x) => number(x),
        FieldValue::Addr(x) => Dynamic::from(x),
        FieldValue::Mac(x) => Dynamic::from(x),
        FieldValue::Code(x) => x.to_string().into(),
        FieldValue::CommunityId(x) => x.to_string().into(),
        FieldValue::Bytes(x) => Dynamic::from_blob(x.to_vec()),
    }
}

/// What a script sees of a record's value. An instant is seconds, as `pkt.ts` is.
pub(super) fn of_value(value: Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(x) => x.into(),
        Value::Uint(x) => number(x),
        Value::Int(x) => Dynamic::from_int(x),
        Value::Float(x) => Dynamic::from_float(x),
        Value::Addr(x) => Dynamic::from(x),
        Value::Mac(x) => Dynamic::from(x),
        Value::Text(x) => x.into(),
        Value::Bytes(x) => Dynamic::from_blob(x),
        Value::Time(x) => Dynamic::from_float(x.as_secs_f64()),
    }
}

/// A script's value as a record holds it; the error is what it is instead.
pub(super) fn to_value(value: &Dynamic) -> Result<Value, String> {
    if value.is_unit() {
        return Ok(Value::Null);
    }
    if let Ok(x) = value.as_int() {
        return Ok(u64::try_from(x).map_or(Value::Int(x), Value::Uint));
    }
    if let Ok(x) = value.as_float() {
        return Ok(Value::Float(x));
    }
    if let Ok(x) = value.as_bool() {
        return Ok(Value::Bool(x));
    }
    if let Ok(x) = value.as_immutable_string_ref() {
        return Ok(Value::Text(x.to_string()));
    }
    if let Ok(x) = value.as_char() {
        return Ok(Value::Text(x.to_string()));
    }
    if let Ok(x) = value.as_blob_ref() {
        return Ok(Value::Bytes(x.clone()));
    }
    if let Some(x) = value.read_lock::<Addr>() {
        return Ok(Value::Addr(*x));
    }
    if let Some(x) = value.read_lock::<Mac>() {
        return Ok(Value::Mac(*x));
    }
    if let Some(x) = value.read_lock::<Ts>() {
        return Ok(Value::Time(*x));
    }
    if let Some(x) = value.read_lock::<Flow>() {
        return Ok(Value::Text(x.to_string()));
    }
    Err(named(value))
}

/// The same of a value that nobody else holds: bytes are not copied again.
pub(super) fn into_value(value: Dynamic) -> Result<Value, String> {
    match value.is_blob() {
        true => value.into_blob().map(Value::Bytes).map_err(str::to_owned),
        false => to_value(&value),
    }
}

/// What the top-level name at `path` was set to, as far as a declaration can hold it. `order` tells
/// how the names of a map stand in the source, by the path to it.
pub(super) fn to_tree(
    value: &Dynamic,
    path: &str,
    order: &dyn Fn(&str) -> Vec<String>,
) -> Result<Tree, String> {
    tree(value, path, order, TREE_DEPTH_MAX)
}

fn tree(
    value: &Dynamic,
    path: &str,
    order: &dyn Fn(&str) -> Vec<String>,
    depth: usize,
) -> Result<Tree, String> {
    if depth == 0 {
        return Err(format!("`{path}` nests too deep"));
    }
    if let Some(aggregate) = value.read_lock::<Aggregate>() {
        return Ok(Tree::Aggregate(aggregate.clone()));
    }
    if value.is::<Hole>() {
        return Ok(Tree::Unknown);
    }
    if let Ok(list) = value.as_array_ref() {
        let list = list.iter().map(|v| tree(v, path, order, depth - 1));
        return Ok(Tree::List(list.collect::<Result<_, _>>()?));
    }
    if let Ok(map) = value.as_map_ref() {
        let mut entries = Vec::with_capacity(map.len());
        for (name, value) in map.iter() {
            let inner = tree(value, &format!("{path}.{name}"), order, depth - 1)?;
            entries.push((name.to_string(), inner));
        }
        let written = order(path);
        entries
            .sort_by_key(|(name, _)| written.iter().position(|w| w == name).unwrap_or(usize::MAX));
        return Ok(Tree::Map(entries));
    }
    match to_value(value).map_err(|other| format!("`{path}` cannot hold {other}"))? {
        Value::Null => Ok(Tree::Nil),
        Value::Bool(x) => Ok(Tree::Bool(x)),
        Value::Int(x) => Ok(Tree::Int(x)),
        Value::Uint(x) => Ok(i64::try_from(x).map_or(Tree::Float(x as f64), Tree::Int)),
        Value::Float(x) => Ok(Tree::Float(x)),
        Value::Text(x) => Ok(Tree::Text(x)),
        Value::Addr(x) => Ok(Tree::Text(x.to_string())),
        Value::Mac(x) => Ok(Tree::Text(x.to_string())),
        Value::Bytes(_) | Value::Time(_) => Err(format!("`{path}` cannot hold {}", named(value))),
    }
}

/// Why a value cannot be kept.
pub(super) enum Unfit {
    /// It nests too deep to be walked safely.
    TooDeep,
    /// A `table()` lies in it, where none may.
    Table,
}

/// About how many bytes a value holds.
pub(super) fn weigh(value: &Dynamic) -> Result<usize, Unfit> {
    weigh_at(value, 0, true)
}

/// The same of one that no `table()` may lie in, however deep.
pub(super) fn weigh_row(value: &Dynamic) -> Result<usize, Unfit> {
    weigh_at(value, 0, false)
}

fn weigh_at(value: &Dynamic, depth: usize, tables: bool) -> Result<usize, Unfit> {
    /// What a tree of entries takes for each beside the entry.
    const ENTRY: usize = 32;
    if depth > DEPTH_MAX {
        return Err(Unfit::TooDeep);
    }
    let all = |values: &mut dyn Iterator<Item = &Dynamic>| {
        let mut sum = 0usize;
        for value in values {
            sum = sum.saturating_add(weigh_at(value, depth + 1, tables)?);
        }
        Ok(sum)
    };
    let inside = if let Ok(text) = value.as_immutable_string_ref() {
        text.len()
    } else if let Ok(list) = value.as_array_ref() {
        let list: &Array = &list;
        all(&mut list.iter())?
    } else if let Ok(map) = value.as_map_ref() {
        let map: &Map = &map;
        let names: usize = map.keys().map(|name| name.len() + ENTRY).sum();
        names.saturating_add(all(&mut map.values())?)
    } else if let Ok(blob) = value.as_blob_ref() {
        blob.len()
    } else if let Some(function) = value.read_lock::<FnPtr>() {
        all(&mut function.curry().iter())?
    } else if let Some(keyed) = value.read_lock::<Keyed>() {
        if !tables {
            return Err(Unfit::Table);
        }
        keyed.bytes()
    } else {
        ENTRY
    };
    Ok(inside.saturating_add(size_of::<Dynamic>()))
}
