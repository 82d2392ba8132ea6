//! What a script reads of a packet that the driver has not put there, one value at a time.

use como_core::batch::Batch;
use como_core::field::{Field, FieldValue};
use como_core::packet::Layers;
use como_core::selection::Selection;
use mlua::Lua;

use super::convert::{self, Nanos};
use super::feed;
use super::handles::{Wide, object};
use super::missing::{self, Missing};
use crate::flow::Flow;
use crate::host::Reach;

/// A packet's value that its table does not hold.
///
/// A name that no field can have asks whether it matches the filter of that number.
pub fn fetch(
    (lua, host): (&Lua, &Reach),
    (batch, matches): (&Batch, &[Selection]),
    at: usize,
    name: &mlua::Value,
) -> mlua::Result<mlua::Value> {
    let name = named(name)?;
    let name = name.as_str();
    if let Some(number) = name.strip_prefix('\0') {
        let number = number.parse::<usize>().ok();
        let picked = number.and_then(|number| matches.get(number));
        return Ok(mlua::Value::Boolean(picked.is_some_and(|picked| picked.contains(at))));
    }
    let flag = |field| match batch.value(at, field) {
        Some(FieldValue::Bool(x)) => mlua::Value::Boolean(x),
        _ => mlua::Value::Nil,
    };
    match missing::missing(name) {
        Some(Missing::Field(field)) => {
            host.note_fetched(field);
            field_value(lua, field, batch.value(at, field))
        }
        Some(Missing::TsNs) => {
            let ts = batch.all().get(at).map_or(0, |packet| packet.ts.0);
            lua.create_userdata(Nanos(ts)).map(mlua::Value::UserData)
        }
        Some(Missing::Flow) => match Flow::of(batch, at) {
            Some(flow) => object(lua, Wide::Flow(flow)),
            None => Ok(mlua::Value::Nil),
        },
        // The library makes a table of the layer.
        Some(Missing::Layer(mark)) if batch.layers(at).has(mark) => Ok(mlua::Value::Boolean(true)),
        Some(Missing::Layer(_)) => Ok(mlua::Value::Nil),
        Some(Missing::IpFlags) if !batch.layers(at).has(Layers::IP) => Ok(mlua::Value::Nil),
        Some(Missing::IpFlags) => {
            let flags = lua.create_table()?;
            flags.raw_set("df", flag(Field::IpDf))?;
            flags.raw_set("mf", flag(Field::IpMf))?;
            Ok(mlua::Value::Table(flags))
        }
        None => {
            Err(mlua::Error::runtime(format!("a packet has no field `{}`", name.escape_debug())))
        }
    }
}

/// What a script asks a packet for.
fn named(name: &mlua::Value) -> mlua::Result<String> {
    match name {
        mlua::Value::String(name) => convert::short(name),
        other => {
            let other = convert::named(other);
            let message = format!("a packet's field has a name, and this is {other}");
            Err(mlua::Error::runtime(message))
        }
    }
}

/// A field's value as the driver would have put it there.
fn field_value(
    lua: &Lua,
    field: Field,
    value: Option<FieldValue<'_>>,
) -> mlua::Result<mlua::Value> {
    match value {
        None => Ok(mlua::Value::Nil),
        Some(FieldValue::Bool(x)) => Ok(mlua::Value::Boolean(x)),
        Some(FieldValue::Uint(x)) => Ok(mlua::Value::Number(f64::from(x))),
        Some(FieldValue::Int(x)) => Ok(mlua::Value::Number(f64::from(x))),
        Some(FieldValue::Big(x)) => Ok(mlua::Value::Number(feed::number(field, x))),
        Some(FieldValue::Bytes(x)) => lua.create_string(x).map(mlua::Value::String),
        Some(value) => Wide::of(value).map_or(Ok(mlua::Value::Nil), |wide| object(lua, wide)),
    }
}
