//! Too many local variables: Luau's functions have 200, of which the driver takes a few.

use super::trouble::Trouble;
use crate::declare::Callback;
use crate::scan::tokens::code;
use crate::scan::{Language, functions};

/// What is wrong where the function around `line` has too many local variables.
pub fn many(source: &str, line: u32) -> Trouble {
    let tokens = code(source, Language::Lua);
    let functions = functions(&tokens);
    let Some(function) = functions.iter().find(|f| f.lines.contains(&line)) else {
        let last = source.lines().count();
        let line = if line as usize > last { 0 } else { line };
        return Trouble::new(
            line,
            "more than 190 local variables at the top level: put some of them into a table",
        );
    };
    // Which function that is, and who calls it, is told with it where it is no callback.
    let callback = Callback::ALL.iter().any(|callback| callback.name() == function.name);
    let whose = if callback { format!("`{}` has ", function.name) } else { String::new() };
    Trouble::new(
        *function.lines.start(),
        format!(
            "{whose}too many local variables beside the fields of packets that are read: put some \
             of them into a table"
        ),
    )
}
