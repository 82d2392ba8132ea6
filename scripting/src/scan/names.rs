//! Names that a script uses and nobody has given: `cout()` for `count()`, `os.execute()`.
//!
//! Only what would surely fail counts: a name that is called or looked into, and that is given
//! nowhere in the text, in whatever function. Which names there are besides, the host knows.

use std::collections::HashSet;

use super::place::{LIST_TOKENS_MAX, closed, uses};
use super::tokens::{Shape, Token};
use super::{Language, is_dotted, is_set, may_be_set_in_list};

/// The longest list of parameters that is followed, with their types.
const PARAMETER_TOKENS_MAX: usize = 1024;

/// Words of the languages that are no names.
const KEYWORDS: [&str; 45] = [
    "and", "break", "case", "catch", "const", "continue", "do", "else", "elseif", "end", "export",
    "false", "fn", "for", "function", "goto", "if", "import", "in", "is", "let", "local", "loop",
    "nil", "not", "or", "private", "repeat", "return", "static", "super", "switch", "then", "this",
    "throw", "true", "try", "type", "typeof", "until", "while", "with", "yield", "async", "await",
];

/// The tokens that are such names, of those for which `is_known` does not stand up.
pub fn strays(
    tokens: &[Token<'_>],
    language: Language,
    is_known: impl Fn(&str) -> bool,
) -> Vec<usize> {
    let given: HashSet<&str> = given(tokens).into_iter().collect();
    let is_stray = |at: &usize| {
        let token = &tokens[*at];
        token.shape == Shape::Word
            && !KEYWORDS.contains(&token.text)
            && !is_dotted(tokens, *at)
            && is_used(tokens, *at, language)
            && !given.contains(token.text)
            && !is_known(token.text)
    };
    (0..tokens.len()).filter(is_stray).collect()
}

/// Whether the text asks for a name as such, as in `if jit then jit.on() end`, rather than to call
/// it or look into it at once: it may be known there that nobody has given it.
pub fn is_asked_for(tokens: &[Token<'_>], language: Language, name: &str) -> bool {
    let mut uses = uses(tokens, name);
    uses.any(|at| !is_used(tokens, at, language))
}

/// Whether the name at `at` is called, or something in it is asked for.
fn is_used(tokens: &[Token<'_>], at: usize, language: Language) -> bool {
    let next = |text: &str| tokens.get(at + 1).is_some_and(|t| t.is(text));
    let before = |text: &str| at > 0 && tokens[at - 1].is(text);
    let range = next(".") && tokens.get(at + 2).is_some_and(|t| t.is("."));
    match language {
        // Behind a colon stands a type.
        Language::Lua if before(":") => false,
        Language::Lua => {
            let text = tokens.get(at + 1).is_some_and(|t| t.shape == Shape::Text);
            let method = next(":") && tokens.get(at + 3).is_some_and(|t| t.is("("));
            (next(".") && !range) || next("(") || next("{") || next("[") || method || text
        }
        // Which functions there are only Rhai itself knows.
        Language::Rhai => next(".") && !range || next("["),
    }
}

/// Every name that the text gives to something, wherever that is.
pub fn given<'a>(tokens: &[Token<'a>]) -> Vec<&'a str> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let mut names = Vec::new();
    for at in 0..tokens.len() {
        let opens = ["local", "let", "const", "for"].iter().any(|word| is(at, word));
        // A bar behind a value ends parameters, or is an operator.
        let behind = at.checked_sub(1).map(|before| &tokens[before]);
        let value = behind.is_some_and(|t| {
            let ends = [")", "]", "|"].iter().any(|mark| t.is(mark));
            ends || t.shape != Shape::Mark && !t.is("return")
        });
        if opens || is(at, "|") && !value {
            // `for (item, number) in list`
            let from = at + 1 + usize::from(is(at + 1, "("));
            names.extend(list(tokens, from).0.into_iter().map(|at| tokens[at].text));
        } else if ["function", "fn", "catch"].iter().any(|word| is(at, word)) {
            let rest = tokens.get(at + 1..).unwrap_or_default();
            let open = rest.iter().position(|t| t.is("(")).unwrap_or(0);
            // `function each(f: (number) -> number, g: (number) -> number)`
            let close = closed(rest, open, PARAMETER_TOKENS_MAX).unwrap_or(open);
            let words = rest[..close].iter().filter(|t| t.shape == Shape::Word);
            names.extend(words.map(|t| t.text));
            // `function list:add(one)`
            names.extend(rest[..open].iter().any(|t| t.is(":")).then_some("self"));
        } else if is(at, "=") && at > 0 && !is(at + 1, "=") {
            // `a, b = 1, 2`: what stands before, back to where no comma does.
            let mut before = at - 1;
            while tokens[before].shape == Shape::Word && !is_dotted(tokens, before) {
                names.push(tokens[before].text);
                if before < 2 || !is(before - 1, ",") {
                    break;
                }
                before -= 2;
            }
        }
    }
    names
}

/// Whether the name at `at` is given to something there, other than as a function's parameter.
pub fn is_given_anew(tokens: &[Token<'_>], at: usize) -> bool {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let before = |back: usize| at.checked_sub(back).map(|at| tokens[at].text);
    let caught = before(1) == Some("(") && before(2) == Some("catch");
    let named = matches!(before(1), Some("function" | "fn")) && is(at + 1, "(");
    let set = is_set(tokens, at + 1) || may_be_set_in_list(tokens, at);
    is_declared(tokens, at) || set || caught || named
}

/// Whether it stands in a list behind `local` and the like, before what the names are given, or
/// among the parameters of a function without a name in Rhai: `|x, y|`.
fn is_declared(tokens: &[Token<'_>], at: usize) -> bool {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let last = |words: &[&str]| {
        let near = at.saturating_sub(LIST_TOKENS_MAX)..at;
        near.rev().find(|before| words.iter().any(|word| is(*before, word)))
    };
    let declares = last(&["local", "let", "const", "for"]).is_some_and(|open| {
        // `for (item, number) in list`
        let from = open + 1 + usize::from(is(open + 1, "("));
        list(tokens, from).0.contains(&at)
    });
    let takes = last(&["|"]).is_some_and(|open| {
        let (names, end) = list(tokens, open + 1);
        names.contains(&at) && is(end, "|")
    });
    declares || takes
}

/// Names with commas between, perhaps with types, from token `at` on; and where they end.
fn list(tokens: &[Token<'_>], mut at: usize) -> (Vec<usize>, usize) {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let mut names = Vec::new();
    while tokens.get(at).is_some_and(|t| t.shape == Shape::Word) {
        names.push(at);
        at += 1;
        if is(at, ":") {
            at = type_end(tokens, at);
        }
        if !is(at, ",") {
            break;
        }
        at += 1;
    }
    (names, at)
}

/// The end of the type behind the colon at `at`.
fn type_end(tokens: &[Token<'_>], mut at: usize) -> usize {
    while let Some(token) = tokens.get(at) {
        if [",", "=", "in", ")"].iter().any(|end| token.is(end)) {
            break;
        }
        let opens = ["(", "[", "{"].iter().any(|mark| token.is(mark));
        at = opens.then(|| closed(tokens, at, LIST_TOKENS_MAX)).flatten().unwrap_or(at + 1);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tokens;
    use super::*;

    #[track_caller]
    fn check(language: Language, text: &str, want: &[&str]) {
        let tokens = tokens(text, language);
        let found = strays(&tokens, language, |name| ["count", "string"].contains(&name));
        let names: Vec<&str> = found.into_iter().map(|at| tokens[at].text).collect();
        assert_eq!(names, want, "{text}");
    }

    #[test]
    fn what_is_called_or_looked_into_and_never_given_is_found() {
        let lua = |text, want: &[&str]| check(Language::Lua, text, want);
        lua("value = { c = cout(), d = count() }", &["cout"]);
        lua("function export() os.execute('x') io:open() string.rep('a', 3) end", &["os", "io"]);
        lua("local x = debug['info'] loadstring'x' setfenv{}", &["debug", "loadstring", "setfenv"]);
        lua("if os then return nothing end", &[]);
        let rhai = |text, want: &[&str]| check(Language::Rhai, text, want);
        rhai("fn export(t) { os.execute(); t.x; io[3]; sqrt(4) }", &["os", "io"]);
    }

    #[test]
    fn names_that_are_given_anywhere_are_left_alone() {
        let lua = |text| check(Language::Lua, text, &[]);
        lua("local a, b: number, c = f, g a.x() b() c[1] = 2");
        lua("a, b = 1, 2 a() b()");
        lua("function f(x, y: T) return x.z + y() + f() end");
        lua("for k, v in t do k() v.x = 1 end local t = {}; local function g() g() end");
        lua("local t = { f = function() end } t.f() t:g() f()");
        lua("local s: Some.Type = t.x local t = 1 for i = 1, 2 do i() end");
        lua("return { 1 } and ( 2 ) or not ( x )");
        lua("local list = {} function list:add(one) self.n = self.n + one.n end");
        lua("local list = {} function list.own:add() self.n = self.x.y end");
        let rhai = |text| check(Language::Rhai, text, &[]);
        rhai(
            "let a = #{}; const B = []; fn f(x) { a.b + B[0] + x.y } for (i, n) in B { n.x; i.y }",
        );
        rhai("let g = |x, y| x.z + y[0]; try { } catch (e) { e.x } 0..3; #{ a: 1 }");
    }
}
