//! Filters in a script's text: which names stand for one, and where the packet is matched.
//!
//! `web(pkt)`, where `web` is surely the filter that the top level compiled, is read like a field
//! of the packet. Anything less sure is left to the filter itself when it is called.

use super::tokens::{Shape, Token};
use super::{Language, is_at_top, is_behind_dot, uses};

/// The names that stand for filters: `local web = filter("...")` at the beginning of a line, and
/// never set or declared again.
pub fn named<'a>(source: &str, tokens: &[Token<'a>], language: Language) -> Vec<&'a str> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let owned = uses(tokens, "filter")
        .any(|at| at > 0 && ["function", "fn", "local"].iter().any(|word| is(at - 1, word)));
    if owned {
        return Vec::new();
    }
    let declared = |at: usize| -> Option<&'a str> {
        let first = tokens.get(at).filter(|t| ["local", "let", "const"].iter().any(|w| t.is(w)))?;
        let begins = first.at == 0 || source.as_bytes().get(first.at - 1) == Some(&b'\n');
        let name = tokens.get(at + 1).filter(|t| begins && t.shape == Shape::Word)?;
        let text = tokens.get(at + 5).is_some_and(|t| t.shape == Shape::Text);
        let called = is(at + 2, "=") && is(at + 3, "filter") && is(at + 4, "(") && is(at + 6, ")");
        // In a function it is a filter of each call's own.
        let top = || language == Language::Rhai || is_at_top(tokens, at);
        (called && text && top()).then_some(name.text)
    };
    let found = (0..tokens.len()).filter_map(declared);
    found.filter(|name| is_constant(tokens, name)).collect()
}

/// Whether all uses of a name but its first are calls.
fn is_constant(tokens: &[Token<'_>], name: &str) -> bool {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    uses(tokens, name).skip(1).all(|at| {
        let defined = at > 0 && (is(at - 1, "function") || is(at - 1, "fn"));
        let asked = (is(at + 1, ":") || is(at + 1, ".")) && is(at + 2, "match");
        // Behind a colon it is what a name in a map is given.
        let given = at > 0 && is(at - 1, ":");
        !defined && (is(at + 1, "(") || asked || given)
    })
}

/// Which of `filters` the packet named at token `at` is matched with, and the tokens of the whole:
/// `web(pkt)`, `web:match(pkt)`.
pub fn matched(
    tokens: &[Token<'_>],
    filters: &[&str],
    at: usize,
) -> Option<(usize, std::ops::RangeInclusive<usize>)> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let before = |n: usize| at.checked_sub(n);
    let alone = is(before(1)?, "(") && is(at + 1, ")");
    let method =
        is(before(2)?, "match") && before(3).is_some_and(|dot| is(dot, ":") || is(dot, "."));
    let name = if method { before(4)? } else { before(2)? };
    let dotted = is_behind_dot(tokens, name) || name > 0 && is(name - 1, ":");
    let which = filters.iter().position(|filter| is(name, filter))?;
    (alone && !dotted).then_some((which, name..=at + 1))
}
