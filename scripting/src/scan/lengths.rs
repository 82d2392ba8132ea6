//! Where a Lua text asks for the length of a payload as other languages do: `p.len` or `p["len"]`,
//! where `p` is a text and that a function of texts.

use std::ops::Range;

use super::place::goes_on;
use super::scope::{Scope, named_by};
use super::tokens::{Shape, Token};

/// Where that is surely meant as a length, of the payload that begins at `at` and ends before
/// `next`: there, or by the name that it is given there, as in `local p = pkt.payload`.
pub fn lengths(tokens: &[Token<'_>], at: usize, next: usize) -> Vec<Range<usize>> {
    let Some(name) = named_by(tokens, at, next) else {
        return length(tokens, at, next).into_iter().collect();
    };
    let scope = next.checked_sub(1).and_then(|last| Scope::behind(tokens, last));
    let found = scope.and_then(|scope| scope.uses(tokens, name)).unwrap_or_default();
    found.into_iter().filter_map(|at| length(tokens, at, at + 1)).collect()
}

/// Where the text that begins at `at` and ends before `next` is asked for its length, in bytes, if
/// that is counted with.
fn length(tokens: &[Token<'_>], at: usize, next: usize) -> Option<Range<usize>> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let end = asked(tokens, next)?;
    let range = tokens[at].at..tokens[end - 1].at + tokens[end - 1].text.len();
    let mut before = at.checked_sub(1).filter(|_| !goes_on(tokens, end))?;
    if is(end, "or") && tokens.get(end + 1).is_some_and(|t| t.shape == Shape::Number) {
        return Some(range);
    }
    // `p and p.len`
    let other = before.checked_sub(next - at).filter(|_| is(before, "and"));
    if let Some(other) = other.filter(|o| (0..next - at).all(|n| is(o + n, tokens[at + n].text))) {
        before = other.checked_sub(1)?;
    }
    let key = is(before, "[") && is(end, "]");
    (key || counts(tokens, before, end)).then_some(range)
}

/// Where a `.len` or a `["len"]` ends that begins at `next`.
fn asked(tokens: &[Token<'_>], next: usize) -> Option<usize> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    if is(next, ".") && is(next + 1, "len") {
        return Some(next + 2);
    }
    let name = tokens.get(next + 1).filter(|t| t.shape == Shape::Text).and_then(Token::name);
    (is(next, "[") && name == Some("len") && is(next + 2, "]")).then_some(next + 3)
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
        let quoted = |body: &str| format!("function update(pkt, s) {body} end");
        for (body, found) in [
            ("local p = pkt.payload s.n += p['len']", "p['len']"),
            ("s.n += pkt.payload[\"len\"]", "pkt.payload[\"len\"]"),
            ("s.n = pkt.payload and pkt.payload['len'] > 1", "pkt.payload['len']"),
        ] {
            let text = quoted(body);
            let got = reads(&text, Language::Lua).lengths;
            let got: Vec<&str> = got.into_iter().map(|at| &text[at]).collect();
            assert_eq!(got, [found]);
        }
        for body in ["s.n = pkt.payload['len'](pkt.payload)", "s.n += pkt.payload.len"] {
            assert!(reads(&quoted(body), Language::Lua).lengths.is_empty(), "{body}");
        }
        let table = "function update(pkt, s) local p = pkt.payload or t s.n = p.len end";
        assert!(reads(table, Language::Lua).lengths.is_empty());
    }
}
