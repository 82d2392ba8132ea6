//! Where a Lua text asks for the length of a payload as other languages do: `p.len`, where `p` is
//! a text and that a function of texts.

use std::ops::Range;

use super::place::goes_on;
use super::scope::{Scope, named_by};
use super::tokens::{Shape, Token};

/// Where that is surely meant as a length, of the payload that begins at `at` and ends before
/// `next`, by the name that it is given there: `local p = pkt.payload`.
pub fn lengths(tokens: &[Token<'_>], at: usize, next: usize) -> Vec<Range<usize>> {
    let Some(name) = named_by(tokens, at, next) else { return Vec::new() };
    let scope = next.checked_sub(1).and_then(|last| Scope::behind(tokens, last));
    let found = scope.and_then(|scope| scope.uses(tokens, name)).unwrap_or_default();
    let range = |at: usize| tokens[at].at..tokens[at + 2].at + tokens[at + 2].text.len();
    found.into_iter().filter(|at| is_length(tokens, *at)).map(range).collect()
}

/// Whether the text at `at` is asked for its length, and that is counted with.
fn is_length(tokens: &[Token<'_>], at: usize) -> bool {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let (Some(mut before), next) = (at.checked_sub(1), at + 3) else { return false };
    if !is(at + 1, ".") || !is(at + 2, "len") || goes_on(tokens, next) {
        return false;
    }
    if is(next, "or") && tokens.get(next + 1).is_some_and(|t| t.shape == Shape::Number) {
        return true;
    }
    // `p and p.len`
    if is(before, "and") && before >= 2 && is(before - 1, tokens[at].text) {
        before -= 2;
    }
    let key = is(before, "[") && is(next, "]");
    key || counts(tokens, before, next)
}

/// Whether a sign that takes numbers stands at `before` or at `next`.
fn counts(tokens: &[Token<'_>], before: usize, next: usize) -> bool {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let sign = |at: usize| {
        ["+", "-", "*", "/", "%", "^", "<", ">"].iter().any(|sign| is(at, sign))
            || is(at, ".") && (is(at + 1, ".") || at > 0 && is(at - 1, "."))
    };
    let equals = |first: usize| (is(first, "=") || is(first, "~")) && is(first + 1, "=");
    let ended = before > 0 && is(before, "=") && (equals(before - 1) || sign(before - 1));
    sign(before) || sign(next) || ended || equals(next)
}

#[cfg(test)]
mod tests {
    use super::super::{Language, reads};

    #[track_caller]
    fn check(body: &str, found: bool) {
        let text = format!("function update(pkt, s) local p = pkt.payload {body} end");
        let lengths = reads(&text, Language::Lua).lengths;
        let found = if found { vec!["p.len"] } else { Vec::new() };
        let got: Vec<&str> = lengths.into_iter().map(|at| &text[at]).collect();
        assert_eq!(got, found, "{body}");
    }

    #[test]
    fn what_is_counted_with_is_meant_as_a_length() {
        for body in [
            "s.n += p.len",
            "s.n = 1 + p.len",
            "if p.len > 3 then s.n = 1 end",
            "if 3 == p.len then s.n = 1 end",
            "s.n = 'a' .. p.len",
            "s.n = p.len .. 'a'",
            "t[p.len] = 1",
            "s.n = p and p.len or 0",
            "f(p and p.len or 0)",
        ] {
            check(body, true);
        }
    }

    #[test]
    fn what_may_be_meant_as_a_function_is_left_alone() {
        for body in [
            "s.n = p.len(p)",
            "s.n = p:len()",
            "local f = p.len s.n = f(p)",
            "local f = p.len s.n = pcall(f, p)",
            "t.f = p.len s.n = t.f(p)",
            "t[1] = p.len s.n = t[1](p)",
            "pcall(p.len, p)",
            "local f: any = p.len s.n = f(p)",
            "return p.len",
            "s.n = p.len",
            "t[1] = p.len",
            "t = { n = p.len }",
            "p = {} s.n = p.len",
            "local q = p q = { len = 3 } s.n = q.len",
        ] {
            check(body, false);
        }
        let table = "function update(pkt, s) local p = pkt.payload or t s.n = p.len end";
        assert!(reads(table, Language::Lua).lengths.is_empty());
    }
}
