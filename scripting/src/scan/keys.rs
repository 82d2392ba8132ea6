//! Where a Lua text would have a packet as the key of a table: `t[pkt]`, `rawset(t, pkt, 2)`.

use super::is_dotted;
use super::place::listed;
use super::tokens::{Shape, Token};
use crate::stdlib;

/// Whether the packet at `at` is surely a key.
///
/// Between brackets it may be what an object takes, which has a metatable for that. A script that
/// makes such objects says so, and so does the library of its own that it has them of.
pub fn is_key(tokens: &[Token<'_>], at: usize) -> bool {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let bracketed = at > 0 && is(at - 1, "[") && is(at + 1, "]");
    bracketed && !has_objects(tokens) || is_set_raw(tokens, at)
}

/// Whether the text, or a library that it may have of its own, makes objects.
fn has_objects(tokens: &[Token<'_>]) -> bool {
    let shipped = |at: usize| {
        let name = tokens[at + 1..].iter().find(|t| !t.is("(")).filter(|t| t.shape == Shape::Text);
        name.and_then(Token::name).is_some_and(|name| stdlib::names().any(|known| known == name))
    };
    (0..tokens.len())
        .any(|at| tokens[at].is("setmetatable") || tokens[at].is("require") && !shipped(at))
}

/// Whether the packet at `at` is the key that `rawset` is given.
fn is_set_raw(tokens: &[Token<'_>], at: usize) -> bool {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let alone = at > 0 && is(at - 1, ",") && is(at + 1, ",");
    let Some((open, 1)) = alone.then(|| listed(tokens, at)).flatten() else { return false };
    is(open, "(") && open > 0 && is(open - 1, "rawset") && !is_dotted(tokens, open - 1)
}

#[cfg(test)]
mod tests {
    use super::super::{Language, reads};

    /// Checks how many keys are found behind what stands before the callback.
    #[track_caller]
    fn check(before: &str, body: &str, want: usize) {
        let text = format!("{before}\nfunction update(pkt, s) {body} end");
        assert_eq!(reads(&text, Language::Lua).keys.len(), want, "{text}");
    }

    #[test]
    fn a_packet_is_a_key_where_nothing_takes_it() {
        check("", "s.t[pkt] = 1", 1);
        check("local top = require 'top'", "s.t[pkt] = (s.t[pkt] or 0) + 1", 2);
        check("local top = require('top')", "s.t = { [pkt] = 1 }", 1);
        check("local o = require('own')", "rawset(s.t, pkt, 2)", 1);
        check("local o = setmetatable({}, {})", "rawset(s.t[1], pkt, f(1, 2))", 1);
    }

    #[test]
    fn an_object_may_take_a_packet() {
        check("local o = setmetatable({}, {})", "o[pkt] = 1", 0);
        check("local new = require('own')", "new()[pkt] = 1", 0);
        for body in
            ["rawset(pkt, 1, 2)", "rawset(s, 1, pkt)", "s.rawset(s, pkt, 2)", "f(s, pkt, 1)"]
        {
            check("", body, 0);
        }
    }
}
