//! Uses of a payload that need no copy of it: `pkt.payload:find("GET")`, `dns.qname(pkt.payload)`.
//!
//! Where the text asks for no more than a function of [`super::payload`] can tell of the bytes as
//! they lie in the batch, that is called in place of making a string. What it gives is what the
//! string would have given, errors included; so only what is surely such a use is taken for one.

use std::cell::Cell;
use std::ops::Range;

use super::payload::{MAGIC, looks};
use crate::api;
use crate::scan::tokens::{Shape, Token};
use crate::scan::{Scope, goes_on, is_asked, is_behind_dot, is_nested, listed, named_by, uses};

/// What stands for the packet's place, as a parameter of its callback.
pub const HERE: &str = "__here";

/// What holds the functions, by the names of their uses.
pub const FUNCTIONS: &str = "__como_payload";

/// How many locals of a text are followed: for each much of it is read.
const LOCALS_MAX: usize = 100;

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
    /// Whether a callback runs to its end before the next packet, as far as the text tells.
    is_called_at_once: bool,
    /// How many more locals are followed.
    locals: Cell<usize>,
}

impl<'a> Text<'a> {
    /// A text and its tokens.
    pub fn new(source: &'a str, tokens: &'a [Token<'a>]) -> Self {
        let topics = api::TOPICS.iter().map(|(topic, _)| *topic).chain(["string"]);
        let hidden = topics.filter(|topic| is_hidden(tokens, topic)).collect();
        let is_called_at_once = uses(tokens, "coroutine").next().is_none();
        let locals = Cell::new(LOCALS_MAX);
        Self { source, tokens, hidden, is_called_at_once, locals }
    }

    /// What becomes of the payload that is read by the three tokens from `at` on, and where that is
    /// what a local is given, of all that is read of it by that name.
    pub fn edits(&self, at: usize) -> Vec<Edit> {
        self.by_name(at).unwrap_or_else(|| self.edits_of(at, at + 2).1)
    }

    /// What becomes of a payload and of the local that it is given to, `local p = pkt.payload`,
    /// where at most one string of it is made so.
    fn by_name(&self, at: usize) -> Option<Vec<Edit>> {
        let (tokens, last) = (self.tokens, at + 2);
        let name = named_by(tokens, at, last + 1)?;
        self.locals.set(self.locals.get().checked_sub(1)?);
        let scope = Scope::behind(tokens, last)?;
        let uses = scope.uses(tokens, name)?;
        // A string may be used later than the packet, and costs less in loops.
        let later = uses.iter().any(|at| scope.is_apart(*at)) || is_nested(tokens, at);
        if later || !self.is_called_at_once {
            return None;
        }
        let uses: Vec<_> = uses.into_iter().map(|at| (at, self.edits_of(at, at))).collect();
        let strings = uses.iter().filter(|(at, (used, _))| self.makes_string(*at, *used));
        if strings.count() > 1 {
            return None;
        }
        let place = tokens[at].at..self.end(last);
        let given = (place.clone(), format!("{HERE}{}", self.lines(place)));
        Some(uses.into_iter().flat_map(|(_, (_, edits))| edits).chain([given]).collect())
    }

    /// Whether the use of the local at `at` needs a string: what is found by a pattern does.
    fn makes_string(&self, at: usize, used: Use<'_>) -> bool {
        let text = match used {
            Use::Method("find") => at + 4,
            Use::Function("string", "find") => at + 2,
            used => return used == Use::Whole,
        };
        let token = self.tokens.get(text).filter(|t| t.shape == Shape::Text);
        let is_plain = token.is_some_and(|t| !t.text.bytes().any(|b| MAGIC.contains(&b)));
        let asked = self.is(text + 1, ",") && self.is(text + 3, ",") && self.is(text + 4, "true");
        !is_plain && !asked
    }

    /// What becomes of the payload that is read by the tokens from `at` to `last`, and how it is
    /// used.
    fn edits_of(&self, at: usize, last: usize) -> (Use<'a>, Vec<Edit>) {
        if let Some(method) = self.method(last) {
            return (Use::Method(method), vec![self.method_edit(at, last, method)]);
        }
        let one = |first, used| (used, vec![self.read(first, last, used)]);
        match at.checked_sub(1).filter(|_| !goes_on(self.tokens, last + 1)) {
            None => one(at, Use::Whole),
            Some(before) if self.is(before, "#") => one(before, Use::Length),
            Some(_) if is_asked(self.tokens, at, last) => one(at, Use::Asked),
            Some(_) => match self.function(at, last) {
                Some((first, used)) => (used, self.function_edits(first, (at, last), used)),
                None => one(at, Use::Whole),
            },
        }
    }

    /// The tokens from `first` to the `last` of the payload become a call.
    fn read(&self, first: usize, last: usize, used: Use<'_>) -> Edit {
        let place = self.tokens[first].at..self.end(last);
        // What stands before a sign may be a word.
        let blank = if used == Use::Length { " " } else { "" };
        let new = format!("{blank}{}({HERE}){}", used.called(), self.lines(place.clone()));
        (place, new)
    }

    /// `pkt.payload:find(` becomes a call, with the payload its first argument.
    fn method_edit(&self, at: usize, last: usize, method: &str) -> Edit {
        let (begin, named, open) = (self.tokens[at].at, self.tokens[last + 2].at, last + 3);
        let comma = if self.is(open + 1, ")") { "" } else { ", " };
        let end = self.end(open);
        // The call is in the line of its name.
        let (before, after) = (self.lines(begin..named), self.lines(named..end));
        let call = Use::Method(method).called();
        (begin..end, format!("{before}{call}({HERE}{comma}{after}"))
    }

    /// The function whose name begins at `first` is another, and the payload a place.
    fn function_edits(&self, first: usize, (at, last): (usize, usize), used: Use<'_>) -> Vec<Edit> {
        let (begin, named) = (self.tokens[first].at, self.tokens[first + 2].at);
        let called = format!("{}{}", self.lines(begin..named), used.called());
        let place = self.tokens[at].at..self.end(last);
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

    fn end(&self, at: usize) -> usize {
        self.tokens[at].at + self.tokens[at].text.len()
    }

    /// The method of strings that the payload up to `last` is called by, if it looks at the bytes.
    fn method(&self, last: usize) -> Option<&'a str> {
        let called = self.is(last + 1, ":") && self.is(last + 3, "(");
        let method = self.tokens.get(last + 2).filter(|_| called)?;
        looks_at("string", method.text).map(|_| method.text)
    }

    /// The function of the library that looks at the payload from `at` to `last`, an argument of
    /// it, and where its name begins.
    fn function(&self, at: usize, last: usize) -> Option<(usize, Use<'a>)> {
        let one_of = |at: usize, marks: [&str; 2]| marks.iter().any(|mark| self.is(at, mark));
        if !one_of(at - 1, ["(", ","]) || !one_of(last + 1, [",", ")"]) {
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
    fn a_local_that_is_a_payload_is_looked_at_likewise() {
        for (body, want) in [
            (
                "if p and #p > p:byte(1) then",
                "if _asked(__here) and  _length(__here) > _byte(__here, 1) then",
            ),
            ("if not p then return", "if not _asked(__here) then return"),
            (
                "if p ~= nil then x = tls.sni(p)",
                "if _asked(__here) ~= nil then x = _tls_sni(__here)",
            ),
            (
                "if a then x = p:find('a-b', 1, true) y = p:match('a')",
                "if a then x = _find(__here, 'a-b', 1, true) y = _whole(__here):match('a')",
            ),
            (
                "if a then state.p = p x = p:sub(1, 2)",
                "if a then state.p = _whole(__here) x = _sub(__here, 1, 2)",
            ),
        ] {
            let text = |local: &str, body: &str| format!("local p = {local}; {body} end");
            check(&text("pkt.payload", body), &text("__here", want));
        }
        check(
            "if a then local p = pkt.payload x = #p else x = #p end",
            "if a then local p = __here x =  _length(__here) else x = #p end",
        );
    }

    #[test]
    fn a_local_that_goes_elsewhere_is_a_string() {
        for body in [
            "x = p:match(a) y = p:match(b)",
            "x = p:find(a) y = p:find('%a')",
            "p = nil",
            "p ..= a",
            "x = function() return #p end",
            "for i = 1, 2 do x = p:byte(i) end",
            "while #p > 1 do end",
            "for p in a do end",
            "coroutine.yield() x = #p",
            "local y, p = 1, 2",
        ] {
            let text = |local: &str| format!("local p = {local} {body}");
            check(&text("pkt.payload"), &text("_whole(__here)"));
        }
        for body in [
            "local p: string = PAYLOAD x = #p",
            "local p, q = PAYLOAD x = #p",
            "repeat local p = PAYLOAD until #p > 1",
            "local p = PAYLOAD or a x = #p",
            "f(function() local p = PAYLOAD x = #p end)",
        ] {
            check(
                &body.replace("PAYLOAD", "pkt.payload"),
                &body.replace("PAYLOAD", "_whole(__here)"),
            );
        }
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
