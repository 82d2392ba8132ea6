//! Which arguments a script reads by name: `args.n`.

use std::ops::Range;

use super::tokens::{Shape, Token, tokens};
use super::{Language, uses};

/// The names read of `args`, and where they stand. None where something else may be called so.
pub fn args(source: &str, language: Language) -> Vec<(String, Range<usize>)> {
    let tokens = tokens(source, language);
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    if uses(&tokens, "args").any(|at| !is_the_arguments(&tokens, at)) {
        return Vec::new();
    }
    let mut read = Vec::new();
    for at in uses(&tokens, "args") {
        let dotted = is(at + 1, ".") && !is(at + 2, ".");
        let listed = is(at + 1, "[");
        let name = tokens.get(at + 2).filter(|t| match dotted {
            true => t.shape == Shape::Word,
            false => listed && t.shape == Shape::Text && is(at + 3, "]"),
        });
        match name {
            // What is set is another mistake.
            Some(_) if sets(&tokens, at + 3 + usize::from(listed)) => {}
            Some(name) => {
                let start = name.at + usize::from(listed);
                let text = name.name().unwrap_or_default().to_owned();
                read.push((text.clone(), start..start + text.len()));
            }
            None => {}
        }
    }
    read
}

/// Whether a text declares arguments.
pub fn declares_args(source: &str, language: Language) -> bool {
    let tokens = tokens(source, language);
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    uses(&tokens, "args").any(|at| is(at + 1, "=") && !is(at + 2, "="))
}

/// Whether what stands at `at` sets what is before.
fn sets(tokens: &[Token<'_>], at: usize) -> bool {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let plain = is(at, "=") && !is(at + 1, "=");
    plain || ["+", "-", "*", "/"].iter().any(|op| is(at, op)) && is(at + 1, "=")
}

/// Whether `args` stands at `at` as the declaration, as a parameter of `init` or `export`, or where
/// all of them are handed on.
fn is_the_arguments(tokens: &[Token<'_>], at: usize) -> bool {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let before = |n: usize, text: &str| at.checked_sub(n).is_some_and(|at| is(at, text));
    let local = before(1, "local") || before(1, "for") || before(1, "function") || before(1, "|");
    if local || is(at + 1, "in") {
        return false;
    }
    // Back to the bracket it stands in.
    let open = (0..at).rev().take(16).find(|at| !is(*at, ",") && tokens[*at].shape != Shape::Word);
    let Some(open) = open.filter(|open| is(*open, "(")) else { return true };
    let of = |n: usize| open.checked_sub(n).and_then(|at| tokens.get(at));
    let word = |t: Option<&Token<'_>>| t.is_some_and(|t| t.is("function") || t.is("fn"));
    if word(of(1)) {
        let name = of(3).filter(|_| of(2).is_some_and(|t| t.is("=")));
        return name.is_some_and(|name| name.is("init") || name.is("export"));
    }
    if word(of(2)) {
        return of(1).is_some_and(|name| name.is("init") || name.is("export"));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(language: Language, text: &str, want: &[&str]) {
        let found = args(text, language);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, want, "{text}");
        assert!(found.iter().all(|(name, at)| text[at.clone()] == **name), "{text}");
    }

    #[test]
    fn arguments_are_found_that_are_read_by_name() {
        let lua = |text, want: &[&str]| check(Language::Lua, text, want);
        lua("args = { n = 1 } key = { a = args[\"use-src\"] .. args.mask }", &["use-src", "mask"]);
        lua("function init(args) return args.n end", &["n"]);
        lua("export = function(t, long, args) return f(args) or args.m end", &["m"]);
        lua("args.n = 2 args.m += 1", &[]);
        let rhai = |text, want: &[&str]| check(Language::Rhai, text, want);
        rhai("let args = #{ n: 1 }; fn export(t, long, args) { t.top(args.n) }", &["n"]);
        rhai("fn f() { args.n += 1; args.m == 2 }", &["m"]);
    }

    #[test]
    fn what_may_be_something_else_is_left_alone() {
        check(Language::Lua, "local function f(args) return args.x end", &[]);
        check(Language::Lua, "local args = {} function update() return args.x end", &[]);
        check(Language::Lua, "for _, args in t do f(args.x) end", &[]);
        check(Language::Rhai, "fn f(a, args) { args.x }", &[]);
        check(Language::Rhai, "let g = |args| args.x;", &[]);
    }
}
