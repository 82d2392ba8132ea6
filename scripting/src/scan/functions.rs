//! Which function of a Lua text a line lies in, and who calls it.
//!
//! The compiler puts short functions into their callers, and a traceback does not show them then.

use std::ops::RangeInclusive;

use super::place::opens_block;
use super::tokens::{Shape, Token};
use super::{is_dotted, uses};

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

/// Whether the token at `at` of a Lua text lies in a function within another.
pub fn is_nested(tokens: &[Token<'_>], at: usize) -> bool {
    let mut nested = false;
    walk(tokens, |seen, open, _| {
        let functions = || open.iter().filter(|begun| tokens[**begun].is("function"));
        nested |= seen == at && functions().count() > 1;
    });
    nested
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
    fn a_function_within_a_function_is_nested() {
        let check = |text: &str, want: bool| {
            let tokens = tokens(text, Language::Lua);
            let at = uses(&tokens, "HERE").next().expect("a place");
            assert_eq!(is_nested(&tokens, at), want, "{text}");
        };
        check("function update(p) if p.x then for i = 1, 2 do f(HERE) end end end", false);
        check("local function f(p) end function update(p) g(function() end, HERE) end", false);
        check("function update(p) s.f = function() return HERE end end", true);
        check("function update(p) local function f() if x then HERE() end end end", true);
    }
}
