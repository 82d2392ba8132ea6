//! `alert` and `output` in Lua.

use std::sync::Arc;

use como_core::module::{Limit, Limits};
use mlua::{Lua, Table};

use super::convert::{argument, row_of};
use super::trouble::passed;
use crate::host::Reach;
use crate::passed::Output;
use crate::recorder::Row;

/// Bytes that the fields of one alert, or the values of one row, may have on their way.
const ROW_BYTES_MAX: usize = 1 << 20;

/// Puts both into the library.
pub fn furnish(lua: &Lua, base: &Table, host: &Arc<Reach>) -> mlua::Result<()> {
    let (alerts, rows) = (host.clone(), host.clone());
    let alert = lua.create_function(
        move |_, (first, text, fields): (mlua::Value, mlua::Value, Option<Table>)| {
            let (severity, text, fields) = match &first {
                mlua::Value::Table(table) => {
                    let (severity, text) = (table.raw_get("severity")?, table.raw_get("text")?);
                    let mut fields = row(table)?;
                    let own = |name: &str| !["severity", "text"].contains(&name);
                    fields.iter_mut().for_each(|row| row.retain(|(name, _)| own(name)));
                    (severity, text, fields)
                }
                _ => (first, text, fields.as_ref().map_or(Ok(Some(Row::new())), row)?),
            };
            let raised = match fields {
                Some(fields) => alerts.alert(&argument(&severity)?, &argument(&text)?, fields),
                None => Err(format!("alert: its fields pass {ROW_BYTES_MAX} bytes")),
            };
            raised.map_err(mlua::Error::runtime)
        },
    )?;
    base.set("alert", alert)?;
    let output = lua.create_function(move |_, (name, record): (mlua::Value, Table)| {
        let Some(row) = row(&record)? else {
            rows.said.lock().leave_out();
            return Ok(false);
        };
        rows.output(&argument(&name)?, row).map_err(mlua::Error::runtime)
    })?;
    base.set("output", output)
}

/// The names and values of a table; none where they are longer than any of them may be.
fn row(table: &Table) -> mlua::Result<Option<Row>> {
    let limits = Limits { output_bytes_max: ROW_BYTES_MAX, ..Limits::default() };
    match row_of(table, &mut Output::new(&limits)) {
        Err(error) if passed(&error) == Some(Limit::Output) => Ok(None),
        row => row.map(Some),
    }
}
