//! Records back in a script: `print(record, format)`, `replay(record)` and `merge(a, b)`.
//!
//! A record is a map of its columns, with its time in seconds as `ts` where no
//! column has that name. Where the script stores records in a form of its own,
//! its `load` reads them first.

use como_core::module::{Fault, Merge, ModuleError, Print, Replay, Replayed};
use como_core::record::{Schema, Value};
use como_core::time::{Interval, Ts};
use rhai::{Dynamic, EvalAltResult, Map};

use super::body::Body;
use super::fault::{self, limit};
use super::script::Ran;
use super::value;
use super::words::named;
use crate::declare::Callback;
use crate::host::Phase;
use crate::passed;
use crate::replayed::{self, PACKETS_MAX};
use crate::watch::Budget;

type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// A script that reads its own records.
pub(super) struct Reader {
    ran: Ran,
    load: Option<Body>,
    /// `print` or `replay`.
    read: Body,
    /// What `print` is asked for.
    format: String,
}

impl Reader {
    /// For a script's `print`, in `format`.
    pub fn printer(ran: Ran, format: &str) -> Result<Option<Self>, ModuleError> {
        Self::new(ran, Callback::Print, format)
    }

    /// For a script's `replay`.
    pub fn replayer(ran: Ran) -> Result<Option<Self>, ModuleError> {
        Self::new(ran, Callback::Replay, "")
    }

    fn new(ran: Ran, callback: Callback, format: &str) -> Result<Option<Self>, ModuleError> {
        let load = ran.body(Callback::Load)?.map(|(body, _)| body);
        let Some((read, _)) = ran.body(callback)? else { return Ok(None) };
        ran.host.turn(Phase::Records);
        Ok(Some(Self { ran, load, read, format: format.to_owned() }))
    }

    fn call<T>(
        &mut self,
        ts: Ts,
        schema: &Schema,
        values: &[Value],
        answer: impl FnOnce(&Dynamic) -> Fallible<T>,
    ) -> Result<T, Fault> {
        let Self { ran, load, read, format } = self;
        let called = ran.call(|engine| {
            let mut record = match (load, values) {
                (Some(load), [Value::Bytes(bytes), ..]) => {
                    load.set(0, Dynamic::from_blob(bytes.clone()));
                    let loaded = load.run(engine)?;
                    let other = named(&loaded);
                    loaded
                        .try_cast::<Map>()
                        .ok_or_else(|| format!("load returned {other}, not a map"))?
                }
                _ => columns(schema, values),
            };
            record.entry("ts".into()).or_insert_with(|| Dynamic::from_float(ts.as_secs_f64()));
            read.set(0, Dynamic::from_map(record));
            read.set(1, format.as_str().into());
            answer(&read.run(engine)?)
        });
        called.map_err(|error| Fault::of(fault::passed(&error), self.ran.told(error)))
    }
}

impl Print for Reader {
    fn print(
        &mut self,
        ts: Ts,
        schema: &Schema,
        values: &[Value],
    ) -> Result<Option<String>, Fault> {
        self.call(ts, schema, values, |answer| match value::to_value(answer) {
            Ok(Value::Null) => Ok(None),
            Ok(Value::Text(text)) => {
                passed::shown(text.len()).map_err(|passed| limit(passed, 0))?;
                Ok(Some(text))
            }
            _ => Err(format!("print returned {}, not text", named(answer)).into()),
        })
    }
}

impl Replay for Reader {
    fn replay(
        &mut self,
        interval: Interval,
        schema: &Schema,
        values: &[Value],
    ) -> Result<Vec<Replayed>, Fault> {
        let start = interval.start();
        self.call(start, schema, values, |answer| packets(answer, start))
    }
}

/// The values of a record by the names of their columns.
fn columns(schema: &Schema, values: &[Value]) -> Map {
    let named = schema.columns.iter().zip(values);
    named.map(|(c, v)| (c.name.as_str().into(), value::of_value(v.clone()))).collect()
}

/// Makes one record of two by the script's `merge`.
pub(super) struct Merger {
    ran: Ran,
    merge: Body,
    key: Vec<String>,
    /// The CPU time that is left for the batch at hand.
    budget: Budget,
}

impl Merger {
    /// For records whose rows the script's key tells apart.
    pub fn new(ran: Ran) -> Result<Option<Self>, ModuleError> {
        let key = ran.declared.row_key();
        let merge = ran.body(Callback::Merge)?;
        ran.host.turn(Phase::Records);
        let budget = ran.budget();
        Ok(merge.map(|(merge, _)| Self { ran, merge, key, budget }))
    }
}

impl Merge for Merger {
    fn key(&self) -> &[String] {
        &self.key
    }

    fn renew(&mut self) {
        self.budget = self.ran.budget();
    }

    fn merge(
        &mut self,
        interval: Interval,
        schema: &Schema,
        a: &[Value],
        b: &[Value],
    ) -> Result<Vec<Value>, Fault> {
        let Self { ran, merge, budget, .. } = self;
        let called = ran.call_within(budget, |engine| {
            for (at, values) in [a, b].into_iter().enumerate() {
                let mut record = columns(schema, values);
                let ts = || Dynamic::from_float(interval.start().as_secs_f64());
                record.entry("ts".into()).or_insert_with(ts);
                merge.set(at, Dynamic::from_map(record));
            }
            let merged = merge.run(engine)?;
            let other = || format!("merge returned {}, not a record as a map", named(&merged));
            let record = merged.as_map_ref().map_err(|_| other())?;
            let mut bytes = 0;
            let mut values = Vec::with_capacity(schema.columns.len());
            for column in &schema.columns {
                let held = record.get(column.name.as_str());
                bytes += held.map_or(0, |held| match held.as_immutable_string_ref() {
                    Ok(text) => text.len(),
                    Err(_) => held.as_blob_ref().map_or(0, |blob| blob.len()),
                });
                passed::merged(bytes).map_err(|passed| limit(passed, 0))?;
                values.push(held.map_or(Ok(Value::Null), value::to_value)?);
            }
            Ok(values)
        });
        called.map_err(|error| Fault::of(fault::passed(&error), self.ran.told(error)))
    }
}

/// A list of packets, or one packet, in time order.
fn packets(answer: &Dynamic, start: Ts) -> Fallible<Vec<Replayed>> {
    if answer.is_unit() {
        return Ok(Vec::new());
    }
    if let Ok(one) = answer.as_map_ref() {
        return Ok(vec![packet(&one, start)?]);
    }
    let wrong = || format!("replay returned {}, not packets as maps", named(answer));
    let list = answer.as_array_ref().map_err(|_| wrong())?;
    if list.len() > PACKETS_MAX {
        return Err(format!("replay returned more than {PACKETS_MAX} packets").into());
    }
    let one = |p: &Dynamic| match p.as_map_ref() {
        Ok(map) => packet(&map, start),
        Err(_) => Err(wrong().into()),
    };
    let mut packets = list.iter().map(one).collect::<Fallible<Vec<_>>>()?;
    packets.sort_by_key(|packet| packet.ts);
    Ok(packets)
}

fn packet(map: &Map, start: Ts) -> Fallible<Replayed> {
    let value = |name: &str| map.get(name).map_or(Some(Value::Null), |v| value::to_value(v).ok());
    Ok(replayed::packet(value, start)?)
}
