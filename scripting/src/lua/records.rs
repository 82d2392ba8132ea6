//! Records back in a script: `print(record, format)`, `replay(record)` and `merge(a, b)`.
//!
//! A record is a table of its columns, with its time in seconds as `ts` where
//! no column has that name. Where the script stores records in a form of its
//! own, its `load` reads them first.

use como_core::module::{Fault, Merge, ModuleError, Print, Replay, Replayed};
use como_core::record::{Schema, Value};
use como_core::time::{Interval, Ts};
use mlua::{Function, Table};

use super::convert;
use super::script::Ran;
use crate::declare::Callback;
use crate::host::Phase;
use crate::passed;
use crate::replayed::{self, PACKETS_MAX};
use crate::watch::Budget;

/// A record of the script's own, as its callbacks get it.
fn record(ran: &Ran, ts: Ts, schema: &Schema, values: &[Value]) -> mlua::Result<Table> {
    let lua = ran.vm.lua();
    let record = match (ran.function(Callback::Load), values) {
        (Some(load), [Value::Bytes(bytes), ..]) => load.call::<Table>(lua.create_string(bytes)?)?,
        _ => {
            let names = schema.columns.iter().map(|column| column.name.as_str());
            convert::table_of(lua, names.zip(values))?
        }
    };
    if record.raw_get::<mlua::Value>("ts")?.is_nil() {
        record.raw_set("ts", ts.as_secs_f64())?;
    }
    Ok(record)
}

/// Shows records by the script's `print`.
pub struct Printer {
    ran: Ran,
    print: Function,
    format: String,
}

impl Printer {
    /// For records in `format`.
    pub fn new(ran: Ran, format: &str) -> Result<Self, ModuleError> {
        let print = callback(&ran, Callback::Print)?;
        ran.vm.host().turn(Phase::Records);
        Ok(Self { ran, print, format: format.to_owned() })
    }
}

impl Print for Printer {
    fn print(
        &mut self,
        ts: Ts,
        schema: &Schema,
        values: &[Value],
    ) -> Result<Option<String>, Fault> {
        let vm = &self.ran.vm;
        vm.tidy();
        let shown = vm.call(|| {
            let record = record(&self.ran, ts, schema, values)?;
            let shown =
                self.print.call::<Option<mlua::LuaString>>((record, self.format.as_str()))?;
            let bytes = shown.as_ref().map_or(0, |text| text.as_bytes().len());
            passed::shown(bytes).map_err(mlua::Error::external)?;
            Ok(shown.map(|text| text.to_string_lossy()))
        });
        shown.map_err(|trouble| Fault::of(trouble.limit, vm.told(trouble)))
    }
}

/// Turns records into packets by the script's `replay`.
pub struct Replayer {
    ran: Ran,
    replay: Function,
}

impl Replayer {
    /// For records of the script.
    pub fn new(ran: Ran) -> Result<Self, ModuleError> {
        let replay = callback(&ran, Callback::Replay)?;
        ran.vm.host().turn(Phase::Records);
        Ok(Self { ran, replay })
    }
}

impl Replay for Replayer {
    fn replay(
        &mut self,
        interval: Interval,
        schema: &Schema,
        values: &[Value],
    ) -> Result<Vec<Replayed>, Fault> {
        let vm = &self.ran.vm;
        vm.tidy();
        let packets = vm.call(|| {
            let record = record(&self.ran, interval.start(), schema, values)?;
            match self.replay.call::<Option<Table>>(record)? {
                Some(returned) => packets(&returned, interval.start()),
                None => Ok(Vec::new()),
            }
        });
        packets.map_err(|trouble| Fault::of(trouble.limit, vm.told(trouble)))
    }
}

/// Makes one record of two by the script's `merge`.
pub struct Merger {
    ran: Ran,
    merge: Function,
    key: Vec<String>,
    budget: Budget,
}

impl Merger {
    /// For records whose rows the script's key tells apart.
    pub fn new(ran: Ran) -> Result<Self, ModuleError> {
        let merge = callback(&ran, Callback::Merge)?;
        ran.vm.host().turn(Phase::Records);
        let key = ran.declared.row_key();
        let budget = ran.vm.budget();
        Ok(Self { ran, merge, key, budget })
    }
}

impl Merge for Merger {
    fn key(&self) -> &[String] {
        &self.key
    }

    fn renew(&mut self) {
        self.budget = self.ran.vm.budget();
    }

    fn merge(
        &mut self,
        interval: Interval,
        schema: &Schema,
        a: &[Value],
        b: &[Value],
    ) -> Result<Vec<Value>, Fault> {
        let vm = &self.ran.vm;
        vm.tidy();
        let merged = vm.call_within(&mut self.budget, || {
            let one = |values| record(&self.ran, interval.start(), schema, values);
            let merged = self.merge.call::<Option<Table>>((one(a)?, one(b)?))?;
            let merged = merged
                .ok_or_else(|| mlua::Error::runtime("merge returned nothing, not a record"))?;
            let mut bytes = 0;
            let mut value = |name: &str| {
                let value = merged.raw_get::<mlua::Value>(name)?;
                if let mlua::Value::String(text) = &value {
                    bytes += text.as_bytes().len();
                    passed::merged(bytes).map_err(mlua::Error::external)?;
                }
                convert::value_of(&value)
            };
            schema.columns.iter().map(|column| value(&column.name)).collect::<mlua::Result<_>>()
        });
        merged.map_err(|trouble| Fault::of(trouble.limit, vm.told(trouble)))
    }
}

fn callback(ran: &Ran, callback: Callback) -> Result<Function, ModuleError> {
    ran.function(callback).cloned().ok_or_else(|| {
        let name = callback.name();
        ran.vm.told(super::vm::Trouble::new(0, format!("it has no `{name}`"))).into()
    })
}

/// A list of packets, or one packet, in time order.
fn packets(returned: &Table, start: Ts) -> mlua::Result<Vec<Replayed>> {
    let mut packets = Vec::new();
    for one in returned.sequence_values::<Table>() {
        packets.push(packet(&one?, start)?);
        if packets.len() > PACKETS_MAX {
            return Err(mlua::Error::runtime(format!(
                "replay returned more than {PACKETS_MAX} packets"
            )));
        }
    }
    if packets.is_empty() && !returned.is_empty() {
        packets.push(packet(returned, start)?);
    }
    packets.sort_by_key(|packet| packet.ts);
    Ok(packets)
}

fn packet(table: &Table, start: Ts) -> mlua::Result<Replayed> {
    let value = |name: &str| convert::value_of(&table.raw_get::<mlua::Value>(name).ok()?).ok();
    replayed::packet(value, start).map_err(mlua::Error::runtime)
}
