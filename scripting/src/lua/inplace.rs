//! Uses of a payload that need no copy of it: `pkt.payload:find("GET")`, `#pkt.payload`.
//!
//! Where the text asks for no more than a function of [`super::payload`] can tell of the bytes as
//! they lie in the batch, that is called in place of making a string. What it gives is what the
//! string would have given, errors included; so only what is surely such a use is taken for one.

use std::ops::Range;

use crate::scan::is_behind_dot;
use crate::scan::tokens::{Shape, Token};

/// What stands for the packet's place, as a parameter of its callback.
pub const HERE: &str = "__here";

/// How the text uses a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// As a value.
    Whole,
    /// To know whether there is one: `if pkt.payload then`.
    Asked,
    /// `#pkt.payload`.
    Length,
    /// `string.find(pkt.payload, ...)`, by the place among [`FUNCTIONS`].
    Function(usize),
    /// `pkt.payload:find(...)`, by the same: it is one of the first [`METHODS`].
    Method(usize),
}

/// The functions of the library that look at the bytes themselves.
pub const FUNCTIONS: [(&str, &str); 7] = [
    ("string", "byte"),
    ("string", "find"),
    ("string", "len"),
    ("string", "sub"),
    ("hash", "bucket"),
    ("hash", "number"),
    ("text", "uint"),
];
const METHODS: usize = 4;

impl Use {
    /// All there are.
    pub fn all() -> impl Iterator<Item = Self> {
        let plain = [Self::Whole, Self::Asked, Self::Length];
        let functions = (0..FUNCTIONS.len()).map(Self::Function);
        plain.into_iter().chain(functions).chain((0..METHODS).map(Self::Method))
    }

    /// The name of the function that serves it.
    pub fn name(self) -> String {
        match self {
            Self::Whole => "__como_payload".to_owned(),
            Self::Asked => "__como_payload_asked".to_owned(),
            Self::Length => "__como_payload_length".to_owned(),
            Self::Function(at) => {
                format!("__como_payload_{}_{}", FUNCTIONS[at].0, FUNCTIONS[at].1)
            }
            Self::Method(at) => format!("__como_payload_{}", FUNCTIONS[at].1),
        }
    }
}

/// What is put where in the text for the payload that is read by the three tokens from `at` on.
pub fn edit(source: &str, tokens: &[Token<'_>], at: usize) -> (Use, Range<usize>, String) {
    let text = Text(tokens);
    let (used, first, named, last) = text.used(at);
    let (begin, end) = (tokens[first].at, text.end(last));
    // Whatever lines it was spread over must still be there; the call is in that of its name.
    let lines = |from, to| "\n".repeat(source[from..to].matches('\n').count());
    let before = lines(begin, tokens[named].at);
    let after = lines(tokens[named].at, end);
    let name = used.name();
    let new = match used {
        Use::Method(_) if text.is(last + 1, ")") => format!("{before}{name}({HERE}{after}"),
        Use::Method(_) => format!("{before}{name}({HERE}, {after}"),
        Use::Function(_) => format!("{before}{name}({HERE}{after}"),
        // What stands before may be a word.
        Use::Length => format!(" {name}({HERE}){before}{after}"),
        Use::Whole | Use::Asked => format!("{name}({HERE}){before}{after}"),
    };
    (used, begin..end, new)
}

struct Text<'a>(&'a [Token<'a>]);

impl Text<'_> {
    fn is(&self, at: usize, text: &str) -> bool {
        self.0.get(at).is_some_and(|t| t.is(text))
    }

    /// Whether what stands at `at` is one of `texts`.
    fn one_of(&self, at: usize, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.is(at, text))
    }

    fn end(&self, at: usize) -> usize {
        self.0[at].at + self.0[at].text.len()
    }

    fn method(&self, at: usize) -> Option<usize> {
        FUNCTIONS[..METHODS].iter().position(|(_, method)| self.is(at, method))
    }

    /// How the payload at `at` is used, and the tokens of that: the first, that with the name of
    /// what is done, and the last.
    fn used(&self, at: usize) -> (Use, usize, usize, usize) {
        let last = at + 2;
        let whole = (Use::Whole, at, at, last);
        if self.is(last + 1, ":") {
            let method = self.method(last + 2).filter(|_| self.is(last + 3, "("));
            return method.map_or(whole, |method| (Use::Method(method), at, last + 2, last + 3));
        }
        if self.goes_on(last + 1) {
            return whole;
        }
        let Some(before) = at.checked_sub(1) else { return whole };
        if self.is(before, "#") {
            return (Use::Length, before, before, last);
        }
        if self.is_asked(before, last + 1) {
            return (Use::Asked, at, at, last);
        }
        match at.checked_sub(4).zip(self.function(before)) {
            Some((first, method)) if self.one_of(last + 1, &[",", ")"]) => {
                (Use::Function(method), first, first + 2, last)
            }
            _ => whole,
        }
    }

    /// Whether what stands at `next` makes what is before it part of something else.
    fn goes_on(&self, next: usize) -> bool {
        let text = self.0.get(next).is_some_and(|t| t.shape == Shape::Text);
        let joins = self.is(next, ".") && self.is(next + 1, ".");
        let opens = self.one_of(next, &[":", "[", "(", "{", "^", "."]);
        text || opens && !joins
    }

    /// Whether only that there is a value matters, between `before` and `next`.
    fn is_asked(&self, before: usize, next: usize) -> bool {
        let nil = self.one_of(next, &["=", "~"]) && self.is(next + 1, "=");
        let nil = nil && self.is(next + 2, "nil");
        let compared = before > 0 && self.one_of(before - 1, &["=", "~", "<", ">"]);
        if self.is(before, "not") {
            return true;
        }
        if self.one_of(before, &["if", "elseif", "and", "or"]) && self.is(next, "then") {
            return true;
        }
        let begins = ["if", "elseif", "while", "until", "and", "or", "return", "(", "{", ","];
        let begins = self.one_of(before, &begins) || self.is(before, "=") && !compared;
        begins && (nil || self.is(next, "and"))
    }

    /// Which function of the library the bracket at `open` begins to call.
    fn function(&self, open: usize) -> Option<usize> {
        let first = open.checked_sub(3)?;
        let called = self.is(open, "(") && self.is(open - 2, ".");
        let named = |(topic, name): &(&str, &str)| self.is(first, topic) && self.is(open - 1, name);
        let found = FUNCTIONS.iter().position(named).filter(|_| called)?;
        let is_topic = first == 0 || !self.is(first - 1, ":") && !is_behind_dot(self.0, first);
        (is_topic && self.is_librarys(FUNCTIONS[found].0)).then_some(found)
    }

    /// Whether a name means what the library gives by it wherever it stands: something in it is
    /// asked for. What the script calls so itself stands alone at least once.
    fn is_librarys(&self, name: &str) -> bool {
        let inside = |at: usize| is_behind_dot(self.0, at) || at > 0 && self.is(at - 1, ":");
        let asked = |at: usize| self.is(at + 1, ".") || inside(at);
        (0..self.0.len()).all(|at| !self.is(at, name) || asked(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::tokens::code;
    use crate::scan::{Language, Read, reads};
    use como_core::field::Field;

    #[track_caller]
    fn check(body: &str, want: &str) {
        let text = |body: &str| format!("function update(pkt)\n{body}\nend");
        let mut source = text(body);
        let (tokens, reads) = (code(&source, Language::Lua), reads(&source, Language::Lua));
        let spots = reads.spots.iter().filter(|spot| spot.read == Read::Field(Field::Payload));
        let at = |start| tokens.iter().position(|t| t.at == start).unwrap_or_default();
        let edits: Vec<_> = spots.map(|spot| edit(&source, &tokens, at(spot.at.start))).collect();
        for (_, at, new) in edits.into_iter().rev() {
            let new = new.replace("__como_payload_", "_").replace("__como_payload", "_");
            source.replace_range(at, &new);
        }
        assert_eq!(source, text(&want.replace("__here", HERE)));
    }

    #[test]
    fn uses_that_look_at_the_bytes_call_what_does() {
        check("x = pkt.payload:find('a', 1)", "x = _find(__here, 'a', 1)");
        check("return pkt.payload:len( )", "return _len(__here )");
        check("return#pkt.payload", "return _length(__here)");
        check("x = `{#pkt.payload} b`", "x = `{ _length(__here)} b`");
        check("x = #pkt.payload..'a'", "x =  _length(__here)..'a'");
        check("x = #pkt.payload:sub(2)", "x = #_sub(__here, 2)");
        check("f(string.byte(pkt.payload), 1)", "f(_string_byte(__here), 1)");
        check("f(string.sub(pkt.payload, 1))", "f(_string_sub(__here, 1))");
        check("x = text.uint(pkt.payload, 0, 2)", "x = _text_uint(__here, 0, 2)");
    }

    #[test]
    fn what_only_asks_for_a_payload_gets_no_string() {
        check("if pkt.payload then x() end", "if _asked(__here) then x() end");
        check("if a and pkt.payload then x() end", "if a and _asked(__here) then x() end");
        check("x = pkt.payload and pkt.payload:len()", "x = _asked(__here) and _len(__here)");
        check("return not pkt.payload", "return not _asked(__here)");
        check("return pkt.payload ~= nil", "return _asked(__here) ~= nil");
        check("f(a, pkt.payload == nil)", "f(a, _asked(__here) == nil)");
    }

    #[test]
    fn other_uses_get_the_string() {
        for body in [
            "x = PAYLOAD",
            "x = a == PAYLOAD and b",
            "x = PAYLOAD or b",
            "x = a .. PAYLOAD == nil",
            "x = PAYLOAD:match('a')",
            "x = PAYLOAD:find'a'",
            "x = #PAYLOAD[1]",
            "x = #PAYLOAD^2",
            "x = (PAYLOAD):len()",
            "x = string.byte(PAYLOAD .. 'a')",
            "x = string.upper(PAYLOAD)",
            "x = text.sub(PAYLOAD)",
            "x = text:uint(PAYLOAD)",
            "x = a.string.byte(PAYLOAD)",
            "local string = a x = string.byte(PAYLOAD)",
            "string, a.b = a, 1 x = string.byte(PAYLOAD)",
            "local function f(string) end x = string.byte(PAYLOAD)",
        ] {
            check(&body.replace("PAYLOAD", "pkt.payload"), &body.replace("PAYLOAD", "_(__here)"));
        }
    }

    #[test]
    fn lines_stay_where_they_are_and_calls_in_that_of_their_name() {
        check("x = pkt\n.payload\n:find\n(1)", "x = \n\n_find(__here, \n1)");
        check("x = # -- how long\npkt.payload", "x =  _length(__here)\n");
        check("x = string\n.len(\npkt.payload)", "x = \n_string_len(__here\n)");
    }
}
