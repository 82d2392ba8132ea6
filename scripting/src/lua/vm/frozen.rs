//! What a library returns is nobody's to change.

use std::collections::HashSet;

use mlua::{Table, Value};

/// Makes a table, and all tables in it, readonly.
pub fn all(table: &Table) -> mlua::Result<()> {
    let mut open = vec![table.clone()];
    let mut seen = HashSet::from([table.to_pointer()]);
    while let Some(table) = open.pop() {
        for pair in table.pairs::<Value, Value>() {
            if let (_, Value::Table(inner)) = pair?
                && seen.insert(inner.to_pointer())
            {
                open.push(inner);
            }
        }
        table.set_readonly(true);
    }
    Ok(())
}
