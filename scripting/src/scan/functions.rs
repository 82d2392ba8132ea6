//! Which function of a Lua text a line lies in, and who calls it.
//!
//! The compiler puts short functions into their callers, and a traceback does not show them then.

use std::ops::RangeInclusive;

use super::place::{listed, opens_block};
use super::tokens::{Shape, Token};
use super::{is_dotted, uses};
use crate::declare::Callback;

/// A function with a name of its own: `function NAME(...)`, `local function NAME(...)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function<'a> {
    /// Its name.
    pub name: &'a str,
    /// The lines it takes.
    pub lines: RangeInclusive<u32>,
    /// The token that begins it.
    pub at: usize,
    /// How many blocks it lies in.
    pub depth: usize,
}

/// Shows `see` each token of a Lua text, by its place: what opened the blocks that it lies in, the
/// outermost first, and what opened the block that it ends.
fn walk(tokens: &[Token<'_>], mut see: impl FnMut(usize, &[usize], Option<usize>)) {
    let mut open: Vec<usize> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let ends = token.is("end") || token.is("until");
        let closed = ends.then(|| open.pop()).flatten();
        see(at, &open, closed);
        if opens_block(tokens, at) {
            open.push(at);
        }
    }
}

/// The functions of a Lua text, the inner before the outer.
pub fn functions<'a>(tokens: &[Token<'a>]) -> Vec<Function<'a>> {
    let mut found = Vec::new();
    walk(tokens, |at, open, closed| {
        let Some(begun) = closed else { return };
        let name = tokens.get(begun + 1).filter(|t| t.shape == Shape::Word);
        let plain = tokens.get(begun + 2).is_some_and(|t| t.is("("));
        if let Some(name) = name.filter(|_| tokens[begun].is("function") && plain) {
            let lines = tokens[begun].line..=tokens[at].line;
            found.push(Function { name: name.text, lines, at: begun, depth: open.len() });
        }
    });
    found
}

/// Whether one of `names` stands in a Lua text within a function that lies in another, and is not
/// a field's.
pub fn is_nested(tokens: &[Token<'_>], names: &[&str]) -> bool {
    let mut nested = false;
    walk(tokens, |at, open, _| {
        let is_name = tokens[at].shape == Shape::Word && names.contains(&tokens[at].text);
        nested |= is_name
            && !is_dotted(tokens, at)
            && open.iter().filter(|begun| tokens[**begun].is("function")).count() > 1;
    });
    nested
}

/// Whether in a Lua text a function lies in one that may be given a packet, by whatever name.
pub fn closes_over(tokens: &[Token<'_>]) -> bool {
    let others = || Callback::ALL.into_iter().filter(|c| c.params().first() != Some(&"pkt"));
    let mut found = false;
    walk(tokens, |at, open, _| {
        let outer = open.iter().copied().find(|begun| tokens[*begun].is("function"));
        let Some(outer) = outer.filter(|_| tokens[at].is("function")) else { return };
        let at_top = open.first() == Some(&outer);
        found |= !(at_top && others().any(|other| is_callback(tokens, outer, other)));
    });
    found
}

/// Whether in a Lua text one of `names` is put somewhere as it is: `state.p = pkt`, `{ pkt }`,
/// `table.insert(t, pkt)`.
pub fn keeps(tokens: &[Token<'_>], names: &[&str]) -> bool {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let one_of = |at: usize, texts: &[&str]| texts.iter().any(|text| is(at, text));
    (1..tokens.len()).any(|at| {
        let is_name = tokens[at].shape == Shape::Word && names.contains(&tokens[at].text);
        let asked = one_of(at + 1, &[".", ":", "[", "(", "=", "~", "<", ">", "and", "then"]);
        if !is_name || is_dotted(tokens, at) || asked {
            return false;
        }
        let compared = at >= 2 && one_of(at - 2, &["=", "~", "<", ">"]);
        let local = at >= 3 && is(at - 3, "local");
        if is(at - 1, "=") {
            return !compared && !local;
        }
        let listed = || listed(tokens, at).map(|(open, _)| open);
        match one_of(at - 1, &["(", ",", "{", "["]) {
            true => listed().is_some_and(|open| {
                one_of(open, &["{", "["])
                    || open > 0 && one_of(open - 1, &["insert", "pack", "rawset"])
            }),
            false => one_of(at - 1, &["and", "or"]),
        }
    })
}

/// Whether a function at the top of a Lua text is this callback, and called by nobody else.
fn is_callback(tokens: &[Token<'_>], function: usize, callback: Callback) -> bool {
    let assigned = function >= 2 && tokens[function - 1].is("=");
    let (name, before) = if assigned {
        (function - 2, (function - 2).checked_sub(1))
    } else {
        (function + 1, function.checked_sub(1))
    };
    let is_local = before.is_some_and(|before| tokens[before].is("local"));
    let is_plain = assigned || tokens.get(name + 1).is_some_and(|t| t.is("("));
    tokens.get(name).is_some_and(|token| token.is(callback.name()))
        && is_plain
        && !is_local
        && !is_dotted(tokens, name)
        && uses(tokens, callback.name()).count() == 1
}

/// The lines in which a function is called by its name.
pub fn calls(tokens: &[Token<'_>], function: &Function<'_>) -> Vec<u32> {
    let called = |at: &usize| {
        *at != function.at + 1
            && tokens.get(at + 1).is_some_and(|t| t.is("("))
            && !is_dotted(tokens, *at)
    };
    uses(tokens, function.name).filter(called).map(|at| tokens[at].line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Language;
    use super::super::tokens::tokens;
    use super::*;

    #[test]
    fn functions_are_found_with_their_lines_and_calls() {
        let text = "local function help(x)\n  if x then return 1 end\nend\n\
                    function update(p)\n  for i = 1, 2 do help(i) end\n  local n = if p then 1 \
                    else 2\n\
                    t.help(n)\nend\nlocal f = function() end";
        let tokens = tokens(text, Language::Lua);
        let found = functions(&tokens);
        let shown: Vec<_> = found.iter().map(|f| (f.name, f.lines.clone(), f.depth)).collect();
        assert_eq!(shown, [("help", 1..=3, 0), ("update", 4..=8, 0)]);
        assert_eq!(calls(&tokens, &found[0]), [5]);
        assert_eq!(calls(&tokens, &found[1]), [0; 0]);
    }

    #[test]
    fn functions_within_others_may_keep_a_packet_but_in_callbacks_without() {
        let check = |text: &str, want: bool| {
            assert_eq!(closes_over(&tokens(text, Language::Lua)), want, "{text}");
        };
        check("function update(p) f(p) end local t = { f = function() end }", false);
        check("function export(s) if s then sort(s, function(a, b) end) end end", false);
        check("export = function(s) sort(s, function(a, b) end) end", false);
        check("function update(p) if p then s.f = function() end end end", true);
        check("local function keep(p) return function() return p.len end end", true);
        check("local function store(p) return function() return p.len end end", true);
        check("x.export = function(p) return function() return p.len end end", true);
        check("function store(p) return function() end end function update(p) store(p) end", true);
    }

    #[test]
    fn a_packet_that_is_put_somewhere_is_kept() {
        let check = |text: &str, want: bool| {
            assert_eq!(keeps(&tokens(text, Language::Lua), &["p"]), want, "{text}");
        };
        check("function update(p, s) s.p = p end", true);
        check("function update(p, s) s.p = s.p or p end", true);
        check("function update(p, s) s.t = { n = 1, p = p } end", true);
        check("function update(p, s) s.t = { f(1, 2), p } end", true);
        check("function update(p, s) table.insert(s.t, p) end", true);
        check("function update(p, s) s.t[p] = true end", true);
        check("function update(p, s) local q = p f(p, 1) s.x = p.len s.y = f(p) end", false);
        check(
            "function update(p, s) s.x = p and p.len if p == s.x or p then s.y = x == p end end",
            false,
        );
        check("function update(p, s) s.x = row.p s.y = web:match(p) end", false);
    }

    #[test]
    fn a_name_within_a_function_within_another_is_nested() {
        let check = |text: &str, want: bool| {
            assert_eq!(is_nested(&tokens(text, Language::Lua), &["p"]), want, "{text}");
        };
        check("function update(p) if p.x then for i = 1, 2 do f(p, t.p) end end end", false);
        check(
            "local function f(p) end function update(p) g(function() return t.p end, p) end",
            false,
        );
        check("function update(p) s.f = function() return p.x end end", true);
        check("function update(p) local function f() if x then return { p } end end end", true);
    }
}
