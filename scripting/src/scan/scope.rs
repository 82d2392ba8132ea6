//! How far a name of a Lua text reaches.

use std::ops::Range;

use super::place::{LIST_TOKENS_MAX, closed, opens_block, uses};
use super::tokens::{Shape, Token};
use super::{given, is_dotted};

/// What follows on a token, to the end of its block.
pub struct Scope {
    /// The tokens.
    pub within: Range<usize>,
    /// Loops and functions that lie in it: what stands there may run often, or later.
    apart: Vec<Range<usize>>,
}

impl Scope {
    /// The block that goes on behind the token at `at`. None where its end is not certain, or where
    /// a condition behind its end belongs to it.
    pub fn behind(tokens: &[Token<'_>], at: usize) -> Option<Self> {
        let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
        let unsure = ["then", "else", "elseif", "if", "while", "until", "in", ">"];
        let (mut open, mut values, mut apart) = (Vec::new(), 0u32, Vec::new());
        let mut header = None;
        for next in at + 1..tokens.len() {
            if is(next, "if") && unsure.iter().any(|word| is(next - 1, word)) {
                // It may be a value, which has no end: of those that stand in others none is sure.
                let plain = values == 0 && !is(next - 1, ">") && is(next - 1, "then");
                if !plain {
                    return None;
                }
            }
            if is(next, "while") {
                header = Some(next);
            }
            if opens_block(tokens, next) {
                // Its `else` may be one of the value that it stands in.
                if values > 0 {
                    return None;
                }
                let begun = header.take().filter(|_| is(next, "do")).unwrap_or(next);
                open.push((begun, is(next, "if")));
            } else if is(next, "if") {
                values += 1;
            } else if is(next, "else") && values > 0 {
                values -= 1;
            } else if ["end", "until", "else", "elseif"].iter().any(|word| is(next, word)) {
                let goes_on = is(next, "else") || is(next, "elseif");
                if values > 0 && goes_on {
                    continue;
                }
                match open.last() {
                    None if values > 0 || is(next, "until") => return None,
                    None => return Some(Self { within: at + 1..next, apart }),
                    Some(_) if goes_on => {}
                    Some((_, true)) => drop(open.pop()),
                    Some((begun, false)) => {
                        apart.push(*begun..next);
                        open.pop();
                    }
                }
            }
        }
        None
    }

    /// Where a name stands that means one thing in the whole of it; none where it is given again.
    pub fn uses(&self, tokens: &[Token<'_>], name: &str) -> Option<Vec<usize>> {
        let text = &tokens[self.within.clone()];
        let again = given(text).contains(&name);
        let start = self.within.start;
        let uses: Vec<usize> = uses(text, name).map(|at| at + start).collect();
        let set = |at: &usize| is_set(tokens, at + 1) || may_be_set_in_list(tokens, *at);
        let fixed = !again && !uses.iter().any(|at| set(at) || has_type(tokens, *at));
        fixed.then_some(uses)
    }

    /// Whether the token at `at` lies in a loop or a function in it.
    pub fn is_apart(&self, at: usize) -> bool {
        self.apart.iter().any(|range| range.contains(&at))
    }
}

/// Whether what ends before `next` is set there: `x = 1`, `x ..= y`, `x <<= 2`.
pub fn is_set(tokens: &[Token<'_>], next: usize) -> bool {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let shifts = ["<", ">"].iter().any(|sign| is(next, sign) && is(next + 1, sign));
    let signs = ["+", "-", "*", "/", "%", "^", ".", "|", "&"];
    let sign = |at: usize| signs.iter().any(|sign| is(at, sign));
    let sign = if shifts { 2 } else { (next..next + 2).take_while(|at| sign(*at)).count() };
    is(next + sign, "=") && !is(next + sign + 1, "=")
}

/// Whether the name at `at` may be the first of several that are set: `x, t[1] = 1, 2`.
pub fn may_be_set_in_list(tokens: &[Token<'_>], at: usize) -> bool {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let one_of = |at: usize, texts: &[&str]| texts.iter().any(|text| is(at, text));
    if !is(at + 1, ",") {
        return false;
    }
    let mut next = at + 1;
    while next < at + LIST_TOKENS_MAX {
        if one_of(next, &["(", "[", "{"]) {
            let Some(behind) = closed(tokens, next, LIST_TOKENS_MAX) else { return true };
            next = behind;
            continue;
        }
        if is(next, "=") && !one_of(next - 1, &["=", "~", "<", ">"]) {
            return !is(next + 1, "=");
        }
        if one_of(next, &[")", "]", "}", "local", "end", "then", "do", "return", "if"]) {
            return false;
        }
        next += 1;
    }
    true
}

/// Whether a type stands behind the name at `at`, which is a new one then: `x: number`.
fn has_type(tokens: &[Token<'_>], at: usize) -> bool {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let called = |t: &Token<'_>| t.is("(") || t.is("{") || t.shape == Shape::Text;
    is(at + 1, ":") && !tokens.get(at + 3).is_some_and(called)
}

/// The name that a statement gives to what begins at `at` and ends before `next`: `local x = ...`.
pub fn named_by<'a>(tokens: &[Token<'a>], at: usize, next: usize) -> Option<&'a str> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let name = tokens.get(at.checked_sub(2)?).filter(|t| t.shape == Shape::Word)?;
    let given = at >= 3 && is(at - 1, "=") && is(at - 3, "local") && !is_dotted(tokens, at - 2);
    let ends = tokens
        .get(next)
        .is_none_or(|t| t.is(";") || t.shape == Shape::Word && !t.is("and") && !t.is("or"));
    (given && ends).then_some(name.text)
}

#[cfg(test)]
mod tests {
    use super::super::Language;
    use super::super::tokens::tokens;
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Option<&str>) {
        let tokens = tokens(text, Language::Lua);
        let at = uses(&tokens, "HERE").next().expect("a place");
        let scope = Scope::behind(&tokens, at);
        let shown = scope.map(|scope| {
            let uses = scope.uses(&tokens, "p");
            let uses = uses.map(|uses| {
                let shown = |at: &usize| if scope.is_apart(*at) { "apart" } else { "plain" };
                uses.iter().map(shown).collect::<Vec<_>>().join(" ")
            });
            uses.unwrap_or_else(|| "given".to_owned())
        });
        assert_eq!(shown.as_deref(), want, "{text}");
    }

    #[test]
    fn a_name_reaches_to_the_end_of_its_block() {
        check("function f() HERE if p then x = p end end p()", Some("plain plain"));
        check("if a then HERE p() else p() end", Some("plain"));
        check("if a then HERE p() elseif p then end", Some("plain"));
        check("do HERE x = if a then p else 1 p() end p()", Some("plain plain"));
        check("do HERE x = if a then p elseif b then 1 else p end p()", Some("plain plain"));
        check(
            "do HERE if a then if p then p() end else p() end end p()",
            Some("plain plain plain"),
        );
        check("do HERE x.p = 1 end", Some(""));
        check("do do HERE x = #if p then a else b end p() end", Some("plain"));
        check(
            "do local a = ... HERE local b = ... if a then b() else c() end p() end",
            Some("plain"),
        );
        check("do HERE f(p, 1) x = { p, 2 } end", Some("plain plain"));
    }

    #[test]
    fn loops_and_functions_are_apart() {
        check("do HERE while p do p() end p() end", Some("apart apart plain"));
        check("do HERE for i = 1, p do p() end end", Some("plain apart"));
        check("do HERE repeat p() until a f(function() p() end) end", Some("apart apart"));
    }

    #[test]
    fn what_is_not_certain_is_left_alone() {
        check("repeat HERE p() until p", None);
        check("do HERE x = if a then 1 else if b then 2 else p end", None);
        check("do HERE x = if a then if b then 2 else p else 1 end", None);
        check("do HERE local t: A<b> if t then p() end end", None);
        check(
            "do HERE x = if a then (function() if b then p() else c() end end)() else 3 end",
            None,
        );
        check("do HERE p()", None);
        for set in [
            "p = 1",
            "p ..= a",
            "p //= 1",
            "p <<= 1",
            "a, p = 1, 2",
            "local p",
            "for p in a do end",
            "function p() end",
            "x = { p = 1 }",
            "p, x[1] = 1, 2",
            "x[1], p, y.z = 1, 2, 3",
            "local f: (number, number) -> number, p: any = g, 1",
        ] {
            check(&format!("do HERE {set} end"), Some("given"));
        }
        check("do HERE x = p .. a y = p // 2 == p z = p == 1 end", Some("plain plain plain plain"));
        check("do HERE x = p << 1 y = p <= 1 z = p >> 1 == 1 end", Some("plain plain plain"));
    }
}
