//! A script that ends by a `return` of its own, before its driver.

use super::trouble::Trouble;
use crate::scan::tokens::{Token, code};
use crate::scan::{Language, opens_block};

/// What is wrong with a script that ends in a line; 0 where that is not known.
pub fn early(line: u32) -> Trouble {
    Trouble::new(
        line,
        "a module declares by plain top-level names and has no `return` outside its functions",
    )
}

/// The line of the first `return` that lies in no function.
pub fn line(source: &str) -> Option<u32> {
    let tokens = code(source, Language::Lua);
    Some(tokens[returned(&tokens)?].line)
}

/// The first `return` that lies in no function.
fn returned(tokens: &[Token<'_>]) -> Option<usize> {
    // Whether each block around is a function's.
    let mut open: Vec<bool> = Vec::new();
    let mut functions = 0u32;
    for (at, token) in tokens.iter().enumerate() {
        if opens_block(tokens, at) {
            open.push(token.is("function"));
            functions += u32::from(token.is("function"));
        } else if token.is("end") || token.is("until") {
            functions -= u32::from(open.pop().unwrap_or(false));
        } else if token.is("return") && functions == 0 {
            return Some(at);
        }
    }
    None
}
