//! The callbacks that get packets, in a script's text: which there are, and what they call one.

use super::tokens::{Shape, Token, tokens};
use super::{Language, uses};

/// What a script computes by itself, packet by packet, rather than declare it.
pub fn computes(source: &str, language: Language) -> Option<&'static str> {
    let tokens = tokens(source, language);
    let defines = |name: &str| {
        uses(&tokens, name).any(|at| {
            let word = |at: usize| tokens.get(at).is_some_and(|t| t.is("function") || t.is("fn"));
            at.checked_sub(1).is_some_and(word) || word(at + 2)
        })
    };
    match (defines("check"), defines("update")) {
        (true, true) => Some("check and update"),
        (true, false) => Some("check"),
        (false, true) => Some("update"),
        (false, false) => None,
    }
}

/// What `update` and `check` call the packet.
pub fn packet_names<'a>(tokens: &[Token<'a>], language: Language) -> Vec<&'a str> {
    let word = if language == Language::Lua { "function" } else { "fn" };
    let functions = (0..tokens.len()).filter(|at| tokens[*at].is(word));
    let first = functions.filter_map(|at| tokens.get(called_back(tokens, at)?));
    first.filter(|t| t.shape == Shape::Word).map(|t| t.text).collect()
}

/// Where the first parameter stands of the function that begins at `at`, if that is `update` or
/// `check`.
pub fn called_back(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let is_callback = |t: Option<&Token>| t.is_some_and(|t| t.is("update") || t.is("check"));
    let assigned = at >= 2 && tokens[at - 1].is("=") && is_callback(tokens.get(at - 2));
    match is_callback(tokens.get(at + 1)) {
        true => Some(at + 3),
        false => assigned.then_some(at + 2),
    }
}
