//! `alert` and `output` in Rhai.

use std::sync::Arc;

use rhai::{Dynamic, Engine, EvalAltResult, Map};

use super::value::to_value;
use crate::host::Reach;
use crate::recorder::Row;

type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// Registers both.
pub(super) fn register(engine: &mut Engine, host: &Arc<Reach>) {
    let [whole, bare, full, rows] = std::array::from_fn(|_| host.clone());
    engine
        .register_fn("alert", move |mut fields: Map| {
            let severity = fields.remove("severity").unwrap_or_default();
            let text = fields.remove("text").unwrap_or_default();
            alert(&whole, &severity, &text, &fields)
        })
        .register_fn("alert", move |severity: Dynamic, text: Dynamic| {
            alert(&bare, &severity, &text, &Map::new())
        })
        .register_fn("alert", move |severity: Dynamic, text: Dynamic, fields: Map| {
            alert(&full, &severity, &text, &fields)
        })
        .register_fn("output", move |name: Dynamic, record: Map| -> Fallible<bool> {
            let name = to_value(&name).map_err(|other| format!("output: {other} is no name"))?;
            Ok(rows.output(&name, row("output", &record)?)?)
        });
}

fn alert(host: &Reach, severity: &Dynamic, text: &Dynamic, fields: &Map) -> Fallible<bool> {
    let plain = |value: &Dynamic| to_value(value).unwrap_or_default();
    Ok(host.alert(&plain(severity), &plain(text), row("alert", fields)?)?)
}

fn row(what: &str, map: &Map) -> Fallible<Row> {
    let value = |(name, value): (&rhai::Identifier, &Dynamic)| match to_value(value) {
        Ok(value) => Ok((name.to_string(), value)),
        Err(other) => Err(format!("{what}: `{name}` is {other}, no value of a record").into()),
    };
    map.iter().map(value).collect()
}
