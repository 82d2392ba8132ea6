//! `alert` and `output` in Lua.

use std::sync::Arc;

use como_core::module::Limits;
use mlua::{Lua, Table};

use super::convert::{row_of, value_of};
use crate::host::Host;
use crate::passed::Output;
use crate::recorder::Row;

/// Bytes that the fields of one alert, or the values of one row, may have on their way.
const ROW_BYTES_MAX: usize = 1 << 20;

/// Puts both into the library.
pub fn furnish(lua: &Lua, base: &Table, host: &Arc<Host>) -> mlua::Result<()> {
    let (alerts, rows) = (host.clone(), host.clone());
    let alert = lua.create_function(
        move |_, (first, text, fields): (mlua::Value, mlua::Value, Option<Table>)| {
            let raised = match &first {
                mlua::Value::Table(table) => {
                    let (severity, text) = (table.raw_get("severity")?, table.raw_get("text")?);
                    let (severity, text) = (value_of(&severity)?, value_of(&text)?);
                    let mut fields = row(table)?;
                    fields.retain(|(name, _)| !["severity", "text"].contains(&name.as_str()));
                    alerts.alert(&severity, &text, fields)
                }
                _ => {
                    let fields = fields.as_ref().map(row).transpose()?.unwrap_or_default();
                    alerts.alert(&value_of(&first)?, &value_of(&text)?, fields)
                }
            };
            raised.map_err(mlua::Error::runtime)
        },
    )?;
    base.set("alert", alert)?;
    let output = lua.create_function(move |_, (name, record): (mlua::Value, Table)| {
        rows.output(&value_of(&name)?, row(&record)?).map_err(mlua::Error::runtime)
    })?;
    base.set("output", output)
}

fn row(table: &Table) -> mlua::Result<Row> {
    let limits = Limits { output_bytes_max: ROW_BYTES_MAX, ..Limits::default() };
    row_of(table, &mut Output::new(&limits))
}
