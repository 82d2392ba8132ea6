//! Uses of a payload that need no copy of it: `pkt.payload:find("GET")`, `dns.qname(pkt.payload)`.
//!
//! Where the text asks for no more than a function of [`super::payload`] can tell of the bytes as
//! they lie in the batch, that is called in place of making a string. What it gives is what the
//! string would have given, errors included; so only what is surely such a use is taken for one.

use std::ops::Range;

use super::payload::looks;
use crate::api;
use crate::scan::tokens::{Shape, Token};
use crate::scan::{is_behind_dot, listed};

/// What stands for the packet's place, as a parameter of its callback.
pub const HERE: &str = "__here";

/// What holds the functions, by the names of their uses.
pub const FUNCTIONS: &str = "__como_payload";

/// How the text uses a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use<'a> {
    /// As a value.
    Whole,
    /// To know whether there is one: `if pkt.payload then`.
    Asked,
    /// `#pkt.payload`.
    Length,
    /// `pkt.payload:find(...)`.
    Method(&'a str),
    /// `string.find(pkt.payload, ...)`, by topic and name.
    Function(&'a str, &'a str),
}

impl Use<'_> {
    /// The name of the function that serves it.
    pub fn name(self) -> String {
        match self {
            Self::Whole => "whole".to_owned(),
            Self::Asked => "asked".to_owned(),
            Self::Length => "length".to_owned(),
            Self::Method(name) => name.to_owned(),
            Self::Function(topic, name) => format!("{topic}_{name}"),
        }
    }

    /// How the text calls it.
    fn called(self) -> String {
        format!("{FUNCTIONS}.{}", self.name())
    }
}

/// Which argument the function of that name looks at where it lies, from 0.
fn looks_at(topic: &str, name: &str) -> Option<usize> {
    if looks(topic, name) {
        return Some(0);
    }
    api::entries().find(|entry| entry.topic == topic && entry.name == name)?.bytes_at()
}

/// A piece of the text, and what is put in its place.
pub type Edit = (Range<usize>, String);

/// The text of a script.
pub struct Text<'a> {
    source: &'a str,
    tokens: &'a [Token<'a>],
    /// What the script gives a meaning of its own that the library gives one.
    hidden: Vec<&'static str>,
}

impl<'a> Text<'a> {
    /// A text and its tokens.
    pub fn new(source: &'a str, tokens: &'a [Token<'a>]) -> Self {
        let topics = api::TOPICS.iter().map(|(topic, _)| *topic).chain(["string"]);
        let hidden = topics.filter(|topic| is_hidden(tokens, topic)).collect();
        Self { source, tokens, hidden }
    }

    /// What becomes of the payload that is read by the three tokens from `at` on.
    pub fn edits(&self, at: usize) -> Vec<Edit> {
        let last = at + 2;
        if let Some(method) = self.method(at) {
            return vec![self.method_edit(at, method)];
        }
        let before = at.checked_sub(1).filter(|_| !self.goes_on(last + 1));
        let Some(before) = before else { return vec![self.read(at, at, Use::Whole)] };
        if self.is(before, "#") {
            return vec![self.read(before, at, Use::Length)];
        }
        if self.is_asked(before, last + 1) {
            return vec![self.read(at, at, Use::Asked)];
        }
        match self.function(at) {
            Some((first, used)) => self.function_edits(first, at, used),
            None => vec![self.read(at, at, Use::Whole)],
        }
    }

    /// The tokens from `first` on, the payload at `at` the last, become a call.
    fn read(&self, first: usize, at: usize, used: Use<'_>) -> Edit {
        let place = self.tokens[first].at..self.end(at + 2);
        // What stands before a sign may be a word.
        let blank = if used == Use::Length { " " } else { "" };
        let new = format!("{blank}{}({HERE}){}", used.called(), self.lines(place.clone()));
        (place, new)
    }

    /// `pkt.payload:find(` becomes a call, with the payload its first argument.
    fn method_edit(&self, at: usize, method: &str) -> Edit {
        let (begin, named, open) = (self.tokens[at].at, self.tokens[at + 4].at, at + 5);
        let comma = if self.is(open + 1, ")") { "" } else { ", " };
        let end = self.end(open);
        // The call is in the line of its name.
        let (before, after) = (self.lines(begin..named), self.lines(named..end));
        let call = Use::Method(method).called();
        (begin..end, format!("{before}{call}({HERE}{comma}{after}"))
    }

    /// The function whose name begins at `first` is another, and the payload a place.
    fn function_edits(&self, first: usize, at: usize, used: Use<'_>) -> Vec<Edit> {
        let (begin, named) = (self.tokens[first].at, self.tokens[first + 2].at);
        let called = format!("{}{}", self.lines(begin..named), used.called());
        let place = self.tokens[at].at..self.end(at + 2);
        let here = format!("{HERE}{}", self.lines(place.clone()));
        vec![(begin..self.end(first + 2), called), (place, here)]
    }

    /// The ends of lines in a piece of the text: whatever lines it was spread over must still be
    /// there.
    fn lines(&self, place: Range<usize>) -> String {
        "\n".repeat(self.source[place].matches('\n').count())
    }

    fn is(&self, at: usize, text: &str) -> bool {
        self.tokens.get(at).is_some_and(|t| t.is(text))
    }

    /// Whether what stands at `at` is one of `texts`.
    fn one_of(&self, at: usize, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.is(at, text))
    }

    fn end(&self, at: usize) -> usize {
        self.tokens[at].at + self.tokens[at].text.len()
    }

    /// The method of strings that the payload at `at` is called by, if it looks at the bytes.
    fn method(&self, at: usize) -> Option<&'a str> {
        let called = self.is(at + 3, ":") && self.is(at + 5, "(");
        let method = self.tokens.get(at + 4).filter(|_| called)?;
        looks_at("string", method.text).map(|_| method.text)
    }

    /// Whether what stands at `next` makes what is before it part of something else.
    fn goes_on(&self, next: usize) -> bool {
        let text = self.tokens.get(next).is_some_and(|t| t.shape == Shape::Text);
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

    /// The function of the library that looks at the payload at `at`, an argument of it, and where
    /// its name begins.
    fn function(&self, at: usize) -> Option<(usize, Use<'a>)> {
        if !self.one_of(at - 1, &["(", ","]) || !self.one_of(at + 3, &[",", ")"]) {
            return None;
        }
        let (open, nth) = listed(self.tokens, at)?;
        let first = open.checked_sub(3)?;
        if !self.is(open, "(") || !self.is(first + 1, ".") {
            return None;
        }
        let (topic, name) = (self.tokens[first].text, self.tokens[first + 2].text);
        let is_topic = first == 0 || !self.is(first - 1, ":") && !is_behind_dot(self.tokens, first);
        let known = is_topic && !self.hidden.contains(&topic);
        (known && looks_at(topic, name) == Some(nth)).then_some((first, Use::Function(topic, name)))
    }
}

/// Whether a name stands somewhere where nothing in it is asked for: what a script calls so itself
/// stands alone at least once.
fn is_hidden(tokens: &[Token<'_>], name: &str) -> bool {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let inside = |at: usize| is_behind_dot(tokens, at) || at > 0 && is(at - 1, ":");
    (0..tokens.len()).any(|at| is(at, name) && !is(at + 1, ".") && !inside(at))
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
        let edits = Text::new(&source, &tokens);
        let edits = spots.flat_map(|spot| edits.edits(at(spot.at.start)));
        let mut edits: Vec<Edit> = edits.collect();
        edits.sort_by_key(|(at, _)| std::cmp::Reverse(at.start));
        for (at, new) in edits {
            source.replace_range(at, &new.replace("__como_payload.", "_"));
        }
        assert_eq!(source, text(want));
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
    fn functions_of_the_library_that_take_bytes_are_given_the_place() {
        check("x = dns.qname(pkt.payload)", "x = _dns_qname(__here)");
        check("x = `{tls.sni(pkt.payload)}`", "x = `{_tls_sni(__here)}`");
        check("x = regex.test('a', pkt.payload)", "x = _regex_test('a', __here)");
        check(
            "x = regex.find(f(1, {2, 3}), pkt.payload, 1)",
            "x = _regex_find(f(1, {2, 3}), __here, 1)",
        );
        check(
            "x = regex.test(dns.qname(pkt.payload), pkt.payload)",
            "x = _regex_test(_dns_qname(__here), __here)",
        );
        check("local x, y = (1), pkt.payload", "local x, y = (1), _whole(__here)");
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
            "x = regex.test(PAYLOAD, a)",
            "x = regex.test('a' .. b, PAYLOAD .. c)",
            "x = regex.test(a, b, PAYLOAD)",
            "x = regex.test(function() return 1, 2 end, PAYLOAD)",
            "x = dns.qname(a, PAYLOAD)",
            "x = dns.qname{PAYLOAD}",
            "x = dns.name_of(PAYLOAD)",
            "local dns = a x = dns.qname(PAYLOAD)",
            "x = text:uint(PAYLOAD)",
            "x = a.string.byte(PAYLOAD)",
            "local string = a x = string.byte(PAYLOAD)",
            "string, a.b = a, 1 x = string.byte(PAYLOAD)",
            "local function f(string) end x = string.byte(PAYLOAD)",
        ] {
            check(
                &body.replace("PAYLOAD", "pkt.payload"),
                &body.replace("PAYLOAD", "_whole(__here)"),
            );
        }
    }

    #[test]
    fn lines_stay_where_they_are_and_calls_in_that_of_their_name() {
        check("x = pkt\n.payload\n:find\n(1)", "x = \n\n_find(__here, \n1)");
        check("x = # -- how long\npkt.payload", "x =  _length(__here)\n");
        check("x = string\n.len(\npkt\n.payload)", "x = \n_string_len(\n__here\n)");
    }
}
