//! Where a packet's name is something else: in functions that call a parameter so and may be given
//! anything.

use std::ops::Range;

use super::place::closed;
use super::scope::Scope;
use super::tokens::{Shape, Token};
use super::{Language, called_back};

/// The most functions whose ends are looked for: each time much of the text is read.
const FUNCTIONS_MAX: usize = 100;

/// The functions, from their parameters to their ends, that call one by a name of the packet and
/// are not what the monitor gives packets to. Where there are too many, the whole text.
pub fn others(tokens: &[Token<'_>], names: &[&str], language: Language) -> Vec<Range<usize>> {
    let word = if language == Language::Lua { "function" } else { "fn" };
    let mut found = Vec::new();
    for at in (0..tokens.len()).filter(|at| tokens[*at].is(word)) {
        // What a callback calls its first parameter is the packet, and no other.
        let from = called_back(tokens, at).map_or(at + 1, |first| first + 1);
        let open = (at + 1..tokens.len()).find(|open| tokens[*open].is("("));
        let Some(open) = open else { break };
        let close = closed(tokens, open, tokens.len()).map_or(tokens.len(), |behind| behind - 1);
        let named = |t: &Token<'_>| t.shape == Shape::Word && names.contains(&t.text);
        if !tokens[from.max(open).min(close)..close].iter().any(named) {
            continue;
        }
        if found.len() == FUNCTIONS_MAX {
            return std::iter::once(0..tokens.len()).collect();
        }
        found.push(open..end(tokens, close, language).unwrap_or(tokens.len()));
    }
    found
}

/// The end of the function whose parameters end at `close`, where that is certain.
fn end(tokens: &[Token<'_>], close: usize, language: Language) -> Option<usize> {
    match language {
        Language::Lua => Scope::behind(tokens, close).map(|scope| scope.within.end),
        Language::Rhai => closed(tokens, close + 1, tokens.len()),
    }
}
