//! The names that scripts find: what a slip of the keyboard is held against.

use mlua::Table;

use crate::api::basics::basics;

/// The names of the library, and those within them.
pub struct Known<'a>(pub &'a Table);

impl Known<'_> {
    /// Whether a name is there.
    pub fn has(&self, name: &str) -> bool {
        name == "args" || self.0.raw_get::<mlua::Value>(name).is_ok_and(|value| !value.is_nil())
    }

    /// All names.
    pub fn names(&self) -> Vec<String> {
        names(self.0)
    }

    /// The names within a topic or a library of Luau; none where that is something else.
    pub fn members(&self, topic: &str) -> Option<Vec<String>> {
        match self.0.raw_get::<mlua::Value>(topic) {
            Ok(mlua::Value::Table(members)) => Some(names(&members)),
            _ => None,
        }
    }

    /// The methods of an object, by what Luau calls it.
    pub fn methods(&self, of: &str) -> Vec<String> {
        if of == "string" {
            return self.members("string").unwrap_or_default();
        }
        let methods = basics().filter(|basic| basic.is_method() && !basic.lua.is_empty());
        methods.map(|basic| basic.name.to_owned()).collect()
    }
}

fn names(table: &Table) -> Vec<String> {
    let pairs = table.pairs::<mlua::LuaString, mlua::Value>().filter_map(Result::ok);
    pairs.map(|(name, _)| name.to_string_lossy()).collect()
}
