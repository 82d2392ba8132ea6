//! A script that ends by a `return` of its own, before its driver.

use super::trouble::Trouble;
use crate::mistakes::RETURNED;
use crate::scan::tokens::{Token, code};
use crate::scan::{Language, opens_block};

/// What is wrong with a script that ends in a line; 0 where that is not known.
pub fn early(line: u32) -> Trouble {
    Trouble::new(line, RETURNED)
}

/// What is wrong with a text that is no Lua in `trouble`: something may stand behind that `return`.
pub fn behind(source: &str, trouble: Trouble) -> Trouble {
    let unclosed = ["end", "else", "elseif", "until"].iter().any(|word| {
        // Then it is the blocks that are wrong.
        trouble.message.ends_with(&format!("got '{word}'"))
    });
    let expected = trouble.message.starts_with("expected <eof>") && !unclosed;
    let returned = line(source).filter(|line| expected && *line <= trouble.line);
    returned.map_or(trouble, early)
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
