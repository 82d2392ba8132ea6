//! Other names by which a Rhai text calls the packet that `update` or `check` is given:
//! `let p = pkt`, and parameters of functions that only packets are given to.
//!
//! As in Lua ([`super::bound`]) only what is surely so counts. A packet in a script's hands is one
//! that asks, whatever it is called; so what is found here only tells what is wrong before it runs.

use std::ops::Range;

use super::bound::{Bounds, GIVEN_MAX, ROUNDS_MAX, What};
use super::place::{closed, listed};
use super::tokens::{Shape, Token};
use super::{called_back, given, is_dotted};
use crate::declare::Callback;

/// A function that packets are given to.
struct Helper<'a> {
    name: &'a str,
    /// Which of its parameters the packet is, from 0.
    nth: usize,
    /// Where its name stands that it is called by, and that it is defined with.
    known: Vec<usize>,
}

/// The names in a text.
pub fn handed<'a>(tokens: &[Token<'a>]) -> Bounds<'a> {
    let mut strangers = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let (bounds, helpers) = followed(tokens, Some(&strangers));
        let strange = helpers.iter().filter(|helper| !is_only_called(tokens, helper));
        let strange: Vec<&str> = strange.map(|helper| helper.name).collect();
        if strange.is_empty() {
            return bounds;
        }
        // What they give on counts no more, and those that it is given to may be others then.
        strangers.extend(strange);
    }
    followed(tokens, None).0
}

/// Follows the packet from name to name, but not to `strangers`: functions that may be given
/// something else. To none at all where that is not known of any.
fn followed<'a>(
    tokens: &[Token<'a>],
    strangers: Option<&[&'a str]>,
) -> (Bounds<'a>, Vec<Helper<'a>>) {
    let (mut bounds, mut helpers) = (Bounds::default(), Vec::new());
    let mut open: Vec<(&str, Range<usize>)> = callbacks(tokens).collect();
    let mut tried = 0;
    while let Some((name, within)) = open.pop() {
        for at in within.filter(|at| tokens[*at].is(name) && !is_dotted(tokens, *at)) {
            tried += 1;
            if tried > GIVEN_MAX {
                return Default::default();
            }
            let taken = || taken(tokens, at, (strangers?, &mut helpers));
            let found = named(tokens, at).or_else(taken);
            if let Some((name, within)) = found {
                bounds.bind(name, What::Packet, within.clone());
                open.push((name, within));
            }
        }
    }
    (bounds, helpers)
}

/// What callbacks call the packet, and their bodies.
fn callbacks<'a>(tokens: &[Token<'a>]) -> impl Iterator<Item = (&'a str, Range<usize>)> {
    let bodies = (0..tokens.len()).filter_map(|at| {
        let first = called_back(tokens, at).filter(|_| tokens[at].is("fn"))?;
        let name = tokens.get(first).filter(|t| t.shape == Shape::Word)?;
        Some((name.text, body(tokens, at)?))
    });
    bodies.collect::<Vec<_>>().into_iter()
}

/// The body of the function that begins at `at`.
fn body(tokens: &[Token<'_>], at: usize) -> Option<Range<usize>> {
    let open = (at..tokens.len()).find(|open| tokens[*open].is("{"))?;
    Some(open..closed(tokens, open, tokens.len())?)
}

/// The packet at `at` is what a variable is given: `let p = pkt;`.
fn named<'a>(tokens: &[Token<'a>], at: usize) -> Option<(&'a str, Range<usize>)> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let name = at.checked_sub(3).filter(|open| is(*open, "let") && is(at - 1, "="))? + 1;
    let rest = at + 1..block_end(tokens, at).filter(|_| is(at + 1, ";"))?;
    let name = tokens[name].text;
    (!given(&tokens[rest.clone()]).contains(&name)).then_some((name, rest))
}

/// The end of the block that the token at `at` lies in.
fn block_end(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let mut depth = 0i64;
    (at..tokens.len()).find(|next| {
        depth += i64::from(tokens[*next].is("{")) - i64::from(tokens[*next].is("}"));
        depth < 0
    })
}

/// The packet at `at` is given to a function of the script: what that calls it, and its body.
fn taken<'a>(
    tokens: &[Token<'a>],
    at: usize,
    (strangers, helpers): (&[&'a str], &mut Vec<Helper<'a>>),
) -> Option<(&'a str, Range<usize>)> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let before = at.checked_sub(1)?;
    let alone = (is(before, "(") || is(before, ",")) && (is(at + 1, ",") || is(at + 1, ")"));
    let (open, nth) = listed(tokens, at).filter(|(open, _)| alone && is(*open, "("))?;
    let called = open.checked_sub(1).filter(|called| {
        let defined = *called > 0 && is(called - 1, "fn");
        tokens[*called].shape == Shape::Word && !is_dotted(tokens, *called) && !defined
    })?;
    let name = tokens[called].text;
    if strangers.contains(&name) {
        return None;
    }
    if let Some(helper) = helpers.iter_mut().find(|helper| helper.name == name) {
        if helper.nth == nth {
            helper.known.push(called);
        }
        return None;
    }
    let mut defined = (0..tokens.len()).filter(|at| is(*at, "fn") && is(at + 1, name));
    let own = !Callback::ALL.iter().any(|callback| callback.name() == name);
    let begun = defined.next().filter(|_| own && defined.next().is_none())?;
    // A name and a comma each.
    let parameter = tokens.get(begun + 3 + 2 * nth).filter(|t| t.shape == Shape::Word)?.text;
    let body = body(tokens, begun)?;
    helpers.push(Helper { name, nth, known: vec![called, begun + 1] });
    (!given(&tokens[body.clone()]).contains(&parameter)).then_some((parameter, body))
}

/// Whether a function is called by its name with packets, and stands nowhere else: not in a text
/// either, by which it may be called as well.
fn is_only_called(tokens: &[Token<'_>], helper: &Helper<'_>) -> bool {
    tokens.iter().enumerate().all(|(at, token)| match token.shape {
        Shape::Text if token.text.starts_with('`') => !token.text.contains(helper.name),
        Shape::Text => token.name() != Some(helper.name),
        _ => !token.is(helper.name) || helper.known.contains(&at),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Language, reads};
    use super::ROUNDS_MAX;

    /// Checks what is written into packets of a text of functions and a callback's body.
    #[track_caller]
    fn check(functions: &str, body: &str, want: &[&str]) {
        let text = format!("{functions}\nfn update(pkt, s) {{ {body} }}");
        let got = reads(&text, Language::Rhai);
        let written: Vec<&str> = got.written.iter().map(|at| &text[at.clone()]).collect();
        assert_eq!(written, want, "{text}");
    }

    #[test]
    fn what_only_packets_are_given_to_is_one() {
        check("fn f(pkt) { pkt.len = 3; }", "f(pkt);", &["pkt.len"]);
        check("fn f(n, p) { p.len = 3; }", "f(1, pkt); f(2, pkt);", &["p.len"]);
        check("fn f(p) { g(p); } fn g(q) { q.len = 3; }", "f(pkt);", &["q.len"]);
        check("", "let p = pkt; if s.x { p.len += 1; }", &["p.len"]);
        check("fn f(p) { let q = p; q.len = 3; }", "let r = pkt; f(r);", &["q.len"]);
    }

    #[test]
    fn a_function_that_takes_anything_leaves_the_others_followed() {
        let functions = "fn f(p) { p.len = 1; } fn g(p) { k(p); } fn k(p) { p.ts = 2; }
                         fn h(p) { p.tos = 3; }";
        check(functions, "f(pkt); g(pkt); h(pkt);", &["p.len", "p.ts", "p.tos"]);
        check(functions, "f(pkt); h(pkt); f(s);", &["p.tos"]);
        // What `g` gives on may be anything then.
        check(functions, "f(pkt); g(pkt); h(pkt); g(#{});", &["p.len", "p.tos"]);
        check(functions, "let q = pkt; q.len = 1; f(pkt); f(s);", &["q.len"]);
    }

    #[test]
    fn other_names_in_a_callback_are_followed_however_functions_hang_together() {
        for chain in [1, ROUNDS_MAX, 3 * ROUNDS_MAX] {
            let give = |n| format!("fn f{n}(p) {{ f{}(p); }}\n", n + 1);
            let functions: String = (0..chain).map(give).collect();
            let calls: String = (0..chain).map(|n| format!("f{n}(pkt); ")).collect();
            check(&functions, &format!("f0(s); let q = pkt; q.len = 1; {calls}"), &["q.len"]);
        }
    }

    #[test]
    fn what_may_be_something_else_is_left_alone() {
        for (functions, body) in [
            ("fn f(pkt) { pkt.len = 3; }", ""),
            ("fn f(pkt) { pkt.len = 3; }", "f(#{});"),
            ("fn f(p) { p.len = 3; }", "f(pkt); f(#{});"),
            ("fn f(p) { p.len = 3; }", "f(pkt); [#{}].map(Fn(\"f\"));"),
            ("fn f(p) { p.len = 3; }", "f(pkt); [#{}].map(f);"),
            ("fn f(p) { p.len = 3; }", "f(pkt); let x = `${f(#{})}`;"),
            ("fn f(p) { p = #{}; p.len = 3; }", "f(pkt);"),
            ("fn f(p) { p.len = 3; } fn f(p, n) { p.len = n; }", "f(pkt);"),
            ("fn f(p) { let q = p; let q = #{}; q.len = 3; }", "f(pkt);"),
            ("", "{ let p = pkt; } p.len = 3;"),
            ("", "let p = pkt.ip; p.len = 3;"),
            ("", "let p = pkt; p = #{}; p.len = 3;"),
        ] {
            check(functions, body, &[]);
        }
    }
}
