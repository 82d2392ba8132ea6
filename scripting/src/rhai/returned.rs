//! What callbacks return, read: records of `export`, the word of `action`, bytes of `store`.

use como_core::module::Export;
use como_core::module::declared::Action;
use como_core::record::Value;
use rhai::{Array, Dynamic, EvalAltResult, Map};

use super::fault::limit;
use super::tables::{Rows, View};
use super::value;
use super::words::named;
use crate::passed::Output;
use crate::recorder::{HELD, Returned, Row};

type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// What `action` answered; nothing leaves the row to its timeout.
pub(super) fn answer(value: &Dynamic) -> Fallible<Option<Action>> {
    if value.is_unit() {
        return Ok(None);
    }
    let name = value.as_immutable_string_ref().map(|name| name.to_string());
    let name = name.map_err(|_| format!("action returned {}", named(value)))?;
    Action::named(&name).map(Some).ok_or_else(|| {
        let name = name.escape_debug();
        format!("action returned `{name}`: return store, keep or discard").into()
    })
}

/// The bytes that `store` returned, or the text.
pub(super) fn stored(value: &Dynamic) -> Fallible<Vec<u8>> {
    match value::to_value(value) {
        Ok(Value::Bytes(bytes)) => Ok(bytes),
        Ok(Value::Text(text)) => Ok(text.into_bytes()),
        _ => Err(format!("store returned {}, not bytes", named(value)).into()),
    }
}

/// Reads what `export` returned: a set of rows, a list of records, one record, or nothing.
///
/// `line` is where `export` stands, for what passes a limit.
pub(super) fn returned(
    value: &Dynamic,
    out: &Export,
    line: u32,
    mut output: Output,
) -> Fallible<Returned> {
    if value.is_unit() {
        return Ok(Returned::Rows(Vec::new()));
    }
    if let Some(rows) = value.read_lock::<Rows>() {
        return Ok(Returned::Whole(rows.records(out.interval())?));
    }
    if let Some(view) = value.read_lock::<View>() {
        return Ok(Returned::Whole(view.whole()?.records(out.interval())?));
    }
    if let Ok(map) = value.as_map_ref() {
        let row = row(&map, line, &mut output)?;
        return Ok(Returned::Rows(if row.is_empty() { Vec::new() } else { vec![row] }));
    }
    let Ok(list) = value.as_array_ref() else {
        return Err(format!(
            "`export` returned {}; return rows of the table, a list of records, or one record",
            named(value)
        )
        .into());
    };
    let list: &Array = &list;
    let rows = list.iter().map(|record| match record.as_map_ref() {
        Ok(map) => {
            output.record().map_err(|passed| limit(passed, line))?;
            row(&map, line, &mut output)
        }
        Err(_) => {
            let other = named(record);
            Err(format!("`export` returned a list with {other} in it; a record is a map").into())
        }
    });
    rows.collect::<Fallible<Vec<Row>>>().map(Returned::Rows)
}

/// A map as a record, as long as `output` has room for it.
fn row(map: &Map, line: u32, output: &mut Output) -> Fallible<Row> {
    map.iter()
        .map(|(name, v)| {
            let text = v.as_immutable_string_ref().map_or(0, |text| text.len());
            let inside = v.as_blob_ref().map_or(text, |blob| blob.len());
            output.value(name.len(), inside).map_err(|passed| limit(passed, line))?;
            match value::to_value(v) {
                Ok(value) => Ok((name.to_string(), value)),
                Err(other) => {
                    Err(format!("`{name}`: {other} is no value of a record; {HELD}").into())
                }
            }
        })
        .collect()
}
