//! Where a word stands in a script's text.

use super::tokens::{KEYWORDS, Shape, Token};

/// Where a name stands that is not a field's.
pub fn uses<'a>(tokens: &'a [Token<'_>], name: &'a str) -> impl Iterator<Item = usize> + 'a {
    (0..tokens.len()).filter(move |at| tokens[*at].is(name) && !is_dotted(tokens, *at))
}

/// Whether a field's or a method's name stands at `at`: behind a dot, or behind a colon and called.
/// A colon alone stands before a value of a map in Rhai.
pub fn is_dotted(tokens: &[Token<'_>], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).and_then(|at| tokens.get(at)) else { return false };
    let called = |t: &Token<'_>| t.is("(") || t.is("{") || t.shape == Shape::Text;
    let method = before.is(":") && tokens.get(at + 1).is_some_and(called);
    method || is_behind_dot(tokens, at)
}

/// Whether a dot stands before `at` which is none of the two that join texts or make a range.
pub fn is_behind_dot(tokens: &[Token<'_>], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).and_then(|at| tokens.get(at)) else { return false };
    let first = at.checked_sub(2).and_then(|at| tokens.get(at));
    let pair = first.is_some_and(|first| first.is(".") && first.at + 1 == before.at);
    before.is(".") && !pair
}

/// Whether the token at `at` of a Lua text lies in no block. Where that is not certain, it is taken
/// to lie in one.
pub fn is_at_top(tokens: &[Token<'_>], at: usize) -> bool {
    let closes = |token: &Token<'_>| token.is("end") || token.is("until");
    let depth = (0..at.min(tokens.len()))
        .map(|at| i64::from(opens_block(tokens, at)) - i64::from(closes(&tokens[at])))
        .sum::<i64>();
    depth == 0
}

/// Whether the token at `at` of a Lua text opens a block that an `end` or an `until` closes.
pub fn opens_block(tokens: &[Token<'_>], at: usize) -> bool {
    const BEFORE_IF: [&str; 19] = [
        "=", "(", ",", "{", "[", "+", "-", "*", "/", "%", "^", "<", ">", "#", ".", "and", "or",
        "not", "return",
    ];
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    // An `if` that is a value has no end. Three dots are a value themselves.
    let dots = at >= 3 && (at - 3..at).all(|at| is(at, "."));
    let is_value = at > 0 && !dots && BEFORE_IF.iter().any(|before| is(at - 1, before));
    ["function", "do", "repeat"].iter().any(|word| is(at, word)) || is(at, "if") && !is_value
}

/// What stands before a value. Elsewhere a statement may begin, and a bracket there would belong
/// to the one before.
const BEFORE: [&str; 28] = [
    "=", "(", ",", "{", "[", "+", "-", "*", "/", "%", "^", "<", ">", "#", ".", "and", "or", "not",
    "return", "if", "elseif", "while", "until", "in", "then", "else", "do", "repeat",
];

/// Whether in a Lua text a value surely begins at `at`.
pub fn is_value(tokens: &[Token<'_>], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| tokens.get(at));
    before.is_some_and(|token| BEFORE.iter().any(|before| token.is(before)))
}

/// Whether of what stands from `first` to `last` in a Lua text only matters that there is
/// something: `if pkt.tcp then`.
pub fn is_asked(tokens: &[Token<'_>], first: usize, last: usize) -> bool {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let one_of = |at: usize, texts: &[&str]| texts.iter().any(|text| is(at, text));
    let (Some(before), next) = (first.checked_sub(1), last + 1) else { return false };
    if goes_on(tokens, next) {
        return false;
    }
    let nil = one_of(next, &["=", "~"]) && is(next + 1, "=") && is(next + 2, "nil");
    let compared = before > 0 && one_of(before - 1, &["=", "~", "<", ">"]);
    if is(before, "not") {
        return true;
    }
    if one_of(before, &["if", "elseif", "and", "or"]) && is(next, "then") {
        return true;
    }
    let begins = ["if", "elseif", "while", "until", "and", "or", "return", "(", "{", ","];
    let begins = one_of(before, &begins) || is(before, "=") && !compared;
    begins && (nil || is(next, "and"))
}

/// Whether what stands at `next` of a Lua text makes what is before it part of something else.
pub fn goes_on(tokens: &[Token<'_>], next: usize) -> bool {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let text = tokens.get(next).is_some_and(|t| t.shape == Shape::Text);
    let joins = is(next, ".") && is(next + 1, ".");
    let opens = [":", "[", "(", "{", "^", "."].iter().any(|mark| is(next, mark));
    text || opens && !joins
}

/// How far what stands before a dot is followed, in tokens.
const SUBJECT_TOKENS_MAX: usize = 512;

/// Where what stands before the dot at `dot` begins: `rows[host]`, `f(x).y`, `(x).y`; none where
/// that is far.
pub fn subject(text: &[Token<'_>], dot: usize) -> Option<usize> {
    let far = dot.saturating_sub(SUBJECT_TOKENS_MAX);
    begun(&text[far..], dot - far).filter(|at| far == 0 || *at > 0).map(|at| far + at)
}

/// The same in a piece of a text.
fn begun(text: &[Token<'_>], dot: usize) -> Option<usize> {
    let called = |t: &Token<'_>| {
        t.is("]") || t.is(")") || t.shape == Shape::Word && !KEYWORDS.iter().any(|k| t.is(k))
    };
    let mut at = dot.checked_sub(1)?;
    loop {
        // Back over brackets, to what they belong to.
        while text[at].is("]") || text[at].is(")") {
            let open = opening(text, at)?;
            match open.checked_sub(1).filter(|before| called(&text[*before])) {
                Some(before) => at = before,
                None => return text[open].is("(").then_some(open),
            }
        }
        if text[at].shape != Shape::Word {
            return None;
        }
        match at.checked_sub(2) {
            Some(before) if is_behind_dot(text, at) || text[at - 1].is(":") => at = before,
            _ => return Some(at),
        }
    }
}

/// How far a list is followed, in tokens.
pub const LIST_TOKENS_MAX: usize = 64;

/// The bracket that opens the list which the token at `at` stands in: arguments, a table, a key;
/// and behind how many of its commas. None behind a function in it, which has commas of its own.
pub fn listed(tokens: &[Token<'_>], at: usize) -> Option<(usize, usize)> {
    let one_of = |token: &Token<'_>, texts: &[&str]| texts.iter().any(|text| token.is(text));
    let (mut depth, mut nth) = (0u32, 0);
    for before in (at.saturating_sub(LIST_TOKENS_MAX)..at).rev() {
        let token = &tokens[before];
        if one_of(token, &["function", "end"]) {
            return None;
        } else if one_of(token, &[")", "]", "}"]) {
            depth += 1;
        } else if one_of(token, &["(", "[", "{"]) {
            if depth == 0 {
                return Some((before, nth));
            }
            depth -= 1;
        } else if depth == 0 && token.is(",") {
            nth += 1;
        }
    }
    None
}

/// Behind the bracket that closes the one at `open`, if it is among the next `most` tokens.
pub fn closed(tokens: &[Token<'_>], open: usize, most: usize) -> Option<usize> {
    let one_of = |token: &Token<'_>, texts: [&str; 3]| texts.iter().any(|text| token.is(text));
    let mut depth = 0u32;
    for (at, token) in tokens.iter().enumerate().skip(open).take(most) {
        if one_of(token, ["(", "[", "{"]) {
            depth += 1;
        } else if one_of(token, [")", "]", "}"]) {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(at + 1);
            }
        }
    }
    None
}

/// The bracket that the one at `close` closes.
fn opening(text: &[Token<'_>], close: usize) -> Option<usize> {
    let mut depth = 0u32;
    for at in (0..=close).rev() {
        if text[at].is("]") || text[at].is(")") {
            depth += 1;
        } else if text[at].is("[") || text[at].is("(") {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}
