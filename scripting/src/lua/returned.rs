//! What `export` returned, as rows or whole columns.

use como_core::module::Export;

use super::convert;
use super::tables::{Rows, View};
use crate::passed::Output;
use crate::recorder::Returned;

/// Reads what `export` returned: a set of rows, a list of records, one record, or nothing.
pub fn returned(value: &mlua::Value, out: &Export, mut output: Output) -> mlua::Result<Returned> {
    match value {
        mlua::Value::Nil => Ok(Returned::Rows(Vec::new())),
        mlua::Value::UserData(object) if object.is::<Rows>() => {
            let records = object.borrow::<Rows>()?.records(out.interval());
            records.map(Returned::Whole).map_err(mlua::Error::runtime)
        }
        mlua::Value::UserData(object) if object.is::<View>() => {
            let rows = object.borrow::<View>()?.whole();
            let records = rows.and_then(|rows| rows.records(out.interval()));
            records.map(Returned::Whole).map_err(mlua::Error::runtime)
        }
        mlua::Value::Table(table) => {
            let mut rows = Vec::new();
            for record in table.sequence_values::<mlua::Value>() {
                match record? {
                    mlua::Value::Table(record) => {
                        output.record().map_err(mlua::Error::external)?;
                        rows.push(convert::row_of(&record, &mut output)?);
                    }
                    other => {
                        let other = convert::named(&other);
                        return Err(mlua::Error::runtime(format!(
                            "`export` returned a list with {other} in it; a record is a table"
                        )));
                    }
                }
            }
            if rows.is_empty() {
                let row = convert::row_of(table, &mut output)?;
                rows.extend((!row.is_empty()).then_some(row));
            }
            Ok(Returned::Rows(rows))
        }
        other => Err(mlua::Error::runtime(format!(
            "`export` returned {}; return rows of the table, a list of records, or one record",
            convert::named(other)
        ))),
    }
}
