//! Where a text would write into a packet, which is read only: `pkt.len = 3`, `pkt["x"] += 1`.

use std::ops::Range;

use super::place::{LIST_TOKENS_MAX, closed, is_value, subject};
use super::tokens::{Shape, Token};
use super::{is_set, may_be_set_in_list};

/// What to say of one who writes into a packet, wherever that is found out.
pub const READ_ONLY: &str =
    "a packet is read only; keep what you make of it in names and tables of your own";

/// What is set of the packet at `at`, in bytes, if something surely is.
pub fn written(tokens: &[Token<'_>], at: usize) -> Option<Range<usize>> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let next = behind(tokens, at);
    let defined = at > 0 && is(at - 1, "function");
    let last = &tokens[next - 1];
    (next > at + 1 && (is_set(tokens, next) || defined))
        .then(|| tokens[at].at..last.at + last.text.len())
}

/// Whether something of the packet at `at` may be one of several that are set:
/// `n, pkt.len = 1, 2`.
pub fn may_be_written(tokens: &[Token<'_>], at: usize) -> bool {
    let next = behind(tokens, at);
    next > at + 1 && may_be_set_in_list(tokens, next - 1) && may_begin_list(tokens, at)
}

/// Behind what is looked into at `at`: all of `pkt.a[1].b`.
fn behind(tokens: &[Token<'_>], at: usize) -> usize {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let word = |at: usize| tokens.get(at).is_some_and(|t| t.shape == Shape::Word);
    let mut next = at + 1;
    loop {
        let end = if is(next, ".") && word(next + 1) {
            Some(next + 2)
        } else {
            is(next, "[").then(|| closed(tokens, next, LIST_TOKENS_MAX)).flatten()
        };
        match end {
            Some(end) => next = end,
            None => return next,
        }
    }
}

/// Whether at `at`, behind others and their commas, a list may stand that is set.
fn may_begin_list(tokens: &[Token<'_>], at: usize) -> bool {
    let mut first = at;
    for _ in 0..LIST_TOKENS_MAX {
        let Some(before) = first.checked_sub(1) else { return true };
        if !tokens[before].is(",") {
            let begins = ["then", "else", "do", "repeat"];
            return !is_value(tokens, first) || begins.iter().any(|word| tokens[before].is(word));
        }
        match subject(tokens, before) {
            Some(other) => first = other,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::{Language, reads};

    #[track_caller]
    fn check(language: Language, body: &str, written: &[&str], complete: bool) {
        let text = match language {
            Language::Lua => format!("function update(pkt, state)\n{body}\nend"),
            Language::Rhai => format!("fn update(pkt, state) {{\n{body}\n}}"),
        };
        let got = reads(&text, language);
        let found: Vec<&str> = got.written.iter().map(|at| &text[at.clone()]).collect();
        assert_eq!((found.as_slice(), got.complete), (written, complete), "{body}");
    }

    #[test]
    fn what_is_written_into_a_packet_is_found() {
        for place in [
            "pkt.len",
            "pkt.ip.src",
            "pkt.payload",
            "pkt.nothing",
            "pkt[\"x\"]",
            "pkt[state.n[1]].y",
            "pkt.tcp.flags.syn",
        ] {
            for sign in ["=", "+=", "/=", "%="] {
                check(Language::Lua, &format!("{place} {sign} 1"), &[place], true);
                check(Language::Rhai, &format!("{place} {sign} 1;"), &[place], true);
            }
            check(Language::Lua, &format!("{place} ..= 'x'"), &[place], true);
            check(Language::Rhai, &format!("{place} <<= 1; {place} |= 1;"), &[place; 2], true);
        }
        check(Language::Lua, "function pkt.f() end", &["pkt.f"], true);
    }

    #[test]
    fn what_is_read_is_not_taken_for_written() {
        for body in [
            "state.x = pkt.len == 1",
            "state.x = pkt.len <= 1",
            "local a, b = pkt.sport, pkt.dport state.x = 1",
            "state.a, state.b = pkt.sport, pkt.dport state.x = 1",
            "state.x = { pkt.len, n = 1 }",
            "f(pkt.len, pkt.ts) state.x = 1",
        ] {
            check(Language::Lua, body, &[], true);
        }
        check(Language::Rhai, "if pkt.len <= 1 || pkt.len >= 2 { state.n += 1; }", &[], true);
    }

    #[test]
    fn a_list_in_which_a_packet_may_be_written_into_is_not_followed() {
        check(Language::Lua, "pkt.len, state.x = 1, 2", &[], false);
        check(Language::Lua, "state.x, pkt.len, state.y = 1, 2, 3", &[], false);
        check(Language::Lua, "if state.x then pkt.len, state.x = 1, 2 end", &[], false);
        check(Language::Lua, "state.x, pkt.len = 1, 2", &["pkt.len"], true);
    }

    #[test]
    fn another_packet_of_that_name_is_left_alone() {
        let text = "local function f(pkt) pkt.n = 1 end function update(pkt) end";
        assert!(reads(text, Language::Lua).written.is_empty());
    }
}
