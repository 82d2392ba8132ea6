//! Names that are the driver's own: no script may say them.

use super::trouble::Trouble;
use crate::scan::Language;
use crate::scan::tokens::{Shape, Token, code};

/// How the driver's own names begin.
const MARK: &str = "__como_";

/// Refuses a text that has such a name.
pub fn refuse(text: &str) -> Result<(), Trouble> {
    if !text.contains(MARK) {
        return Ok(());
    }
    let tokens = code(text, Language::Lua);
    let named = |t: &&Token<'_>| t.shape == Shape::Word && t.text.starts_with(MARK);
    match tokens.iter().find(named) {
        Some(token) => Err(Trouble::new(
            token.line,
            format!("names that begin with `{MARK}` are not for scripts: choose another"),
        )),
        None => Ok(()),
    }
}
