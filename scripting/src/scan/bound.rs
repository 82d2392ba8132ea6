//! Other names by which a Lua text calls the packet that `update` or `check` is given, or a layer
//! of it: `local p = pkt`, `local ip = pkt.ip`, a parameter of a function that only packets are
//! given to.
//!
//! Only what is surely so counts: a name that is never given again, and a function of the script
//! that is only ever called, by its name. What goes elsewhere is no more followed.

use std::ops::Range;

use como_core::field::Field;

use super::place::{is_asked, is_at_top, is_value, listed, uses};
use super::scope::{Scope, is_set, named_by};
use super::tokens::{Shape, Token};
use super::{LAYERS, given, is_behind_dot, is_dotted};
use crate::declare::Callback;

/// How often the packet is given on in a text that is followed: each time much of it is read.
pub const GIVEN_MAX: usize = 100;

/// How often the text is gone through anew without functions that may be given something else.
pub const ROUNDS_MAX: usize = 8;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A packet.
    Packet,
    /// A layer of one.
    Layer(&'static str),
}

/// A name.
struct Bound<'a> {
    name: &'a str,
    what: What,
    /// Where it means that.
    within: Range<usize>,
}

/// A function that packets are given to.
struct Helper<'a> {
    name: &'a str,
    /// Which of its parameters the packet is, from 0.
    nth: usize,
    /// Where it is defined: its name.
    at: usize,
    /// The brackets that open what it is called with.
    calls: Vec<usize>,
}

/// All such names of a text.
#[derive(Default)]
pub struct Bounds<'a> {
    names: Vec<Bound<'a>>,
    helpers: Vec<Helper<'a>>,
    /// Where the packet, or a layer of it, is given such a name, and the names themselves.
    given: Vec<usize>,
    /// How often it was seen to be given on.
    tried: usize,
    /// Functions that may be given something else.
    strangers: Vec<&'a str>,
    /// Whether all functions are taken for such.
    alone: bool,
}

impl<'a> Bounds<'a> {
    /// The names in a text that calls the packet `names`, but not in what is `others`'.
    pub fn of(tokens: &[Token<'a>], names: &[&'a str], others: &[Range<usize>]) -> Self {
        let mut bounds = Self::default();
        for _ in 0..ROUNDS_MAX {
            bounds.follow(tokens, (names, others));
            if bounds.tried > GIVEN_MAX {
                return Self::default();
            }
            let strange = |helper: &&Helper<'_>| {
                let mut others = uses(tokens, helper.name).filter(|at| *at != helper.at);
                !others.all(|at| helper.calls.contains(&(at + 1)))
            };
            let strange: Vec<&str> =
                bounds.helpers.iter().filter(strange).map(|helper| helper.name).collect();
            if strange.is_empty() {
                return bounds;
            }
            // What they give on counts no more, and those that it is given to may be others then.
            let mut strangers = bounds.strangers;
            strangers.extend(strange);
            bounds = Self { strangers, ..Self::default() };
        }
        // What functions call it hangs on too many others. What callbacks call it does not.
        bounds.alone = true;
        bounds.follow(tokens, (names, others));
        if bounds.tried > GIVEN_MAX { Self::default() } else { bounds }
    }

    /// What the name at `at` stands for.
    pub fn what(&self, tokens: &[Token<'_>], at: usize) -> Option<What> {
        let bound = |b: &&Bound<'_>| b.within.contains(&at) && tokens[at].is(b.name);
        self.names.iter().find(bound).map(|bound| bound.what)
    }

    /// Whether the packet at `at` is only given another name there, or that is the name.
    pub fn is_given(&self, at: usize) -> bool {
        self.given.contains(&at)
    }

    /// The brackets behind which parameters of helpers, or what they are called with, begin.
    pub fn brackets(&self) -> impl Iterator<Item = usize> {
        self.helpers.iter().flat_map(|h| std::iter::once(h.at + 1).chain(h.calls.iter().copied()))
    }

    /// Follows the packet from name to name.
    fn follow(&mut self, tokens: &[Token<'a>], (names, others): (&[&'a str], &[Range<usize>])) {
        let mut open: Vec<(&str, Range<usize>)> =
            names.iter().map(|name| (*name, 0..tokens.len())).collect();
        while let Some((name, within)) = open.pop().filter(|_| self.tried <= GIVEN_MAX) {
            for at in within.filter(|at| tokens[*at].is(name)) {
                let other = others.iter().any(|range| range.contains(&at));
                let other = other && self.what(tokens, at).is_none();
                if other || is_dotted(tokens, at) || self.is_given(at) {
                    continue;
                }
                if self.tried > GIVEN_MAX {
                    return;
                }
                let found = self.local(tokens, at, names).or_else(|| self.helper(tokens, at));
                open.extend(found.filter(|b| b.what == What::Packet).map(|b| (b.name, b.within)));
            }
        }
    }

    /// Adds a name.
    pub fn bind(&mut self, name: &'a str, what: What, within: Range<usize>) {
        self.names.push(Bound { name, what, within });
    }

    /// The packet at `at` is what a local is given: `local p = pkt`, `local ip = pkt.ip`.
    fn local(&mut self, tokens: &[Token<'a>], at: usize, names: &[&str]) -> Option<Bound<'a>> {
        let dot = tokens.get(at + 1).is_some_and(|t| t.is("."));
        let layer = tokens.get(at + 2).filter(|_| dot);
        let layer = layer.and_then(|t| LAYERS.iter().find(|(layer, _)| t.is(layer)));
        let (what, last) = match layer {
            Some((layer, _)) => (What::Layer(layer), at + 2),
            None => (What::Packet, at),
        };
        let name = named_by(tokens, at, last + 1).filter(|name| !names.contains(name))?;
        self.tried += 1;
        let scope = Scope::behind(tokens, last)?;
        let uses = scope.uses(tokens, name)?;
        let read = |at: &usize| match what {
            What::Packet => true,
            What::Layer(layer) => inner(tokens, layer, *at).is_some() || is_asked(tokens, *at, *at),
        };
        if !uses.iter().all(read) {
            return None;
        }
        self.given.extend([at, at - 2]);
        self.bind(name, what, scope.within.clone());
        Some(Bound { name, what, within: scope.within })
    }

    /// The packet at `at` is given to a function of the script.
    fn helper(&mut self, tokens: &[Token<'a>], at: usize) -> Option<Bound<'a>> {
        let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
        let before = at.checked_sub(1)?;
        let alone = (is(before, "(") || is(before, ",")) && (is(at + 1, ",") || is(at + 1, ")"));
        let (open, nth) = listed(tokens, at).filter(|_| alone)?;
        let name = tokens.get(open.checked_sub(1)?).filter(|_| is(open, "("))?;
        if self.alone || self.strangers.contains(&name.text) {
            return None;
        }
        let called = name.shape == Shape::Word
            && !is_dotted(tokens, open - 1)
            && !(open >= 2 && is(open - 2, "function"));
        if !called {
            return None;
        }
        self.tried += 1;
        if let Some(known) = self.helpers.iter_mut().find(|h| h.name == name.text) {
            if known.nth == nth {
                known.calls.push(open);
                self.given.push(at);
            }
            return None;
        }
        let (definition, parameter, end) = defined(tokens, name.text, nth)?;
        self.given.extend([at, parameter]);
        let calls = vec![open];
        self.helpers.push(Helper { name: name.text, nth, at: definition, calls });
        let (name, what, within) = (tokens[parameter].text, What::Packet, parameter + 1..end);
        self.bind(name, what, within.clone());
        Some(Bound { name, what, within })
    }
}

/// Where a function of the script is defined, its parameter of that number, and its end; if it is
/// defined once, at the top level, and nothing else is called so.
fn defined(tokens: &[Token<'_>], name: &str, nth: usize) -> Option<(usize, usize, usize)> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let at = uses(tokens, name).find(|at| *at > 0 && is(at - 1, "function"))?;
    let once = given(tokens).into_iter().filter(|given| *given == name).count() == 1;
    let own = !Callback::ALL.iter().any(|callback| callback.name() == name);
    if !once || !own || !is(at + 1, "(") || !is_at_top(tokens, at - 1) {
        return None;
    }
    let close = (at + 2..tokens.len()).find(|close| is(*close, ")"))?;
    // With types, a bracket may be one of theirs.
    let parameters: Vec<usize> = (at + 2..close).step_by(2).collect();
    let plain = parameters.iter().all(|at| {
        let word = tokens[*at].shape == Shape::Word;
        word && (is(at + 1, ",") || is(at + 1, ")"))
    });
    let parameter = *parameters.get(nth).filter(|_| plain)?;
    let scope = Scope::behind(tokens, close)?;
    scope.uses(tokens, tokens[parameter].text)?;
    is(scope.within.end, "end").then_some((at, parameter, scope.within.end))
}

/// The field that is read of the layer at `at`, by another name, and how many words name it.
pub fn inner(tokens: &[Token<'_>], layer: &str, at: usize) -> Option<(Field, usize)> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let word = |at: usize| tokens.get(at).filter(|t| t.shape == Shape::Word);
    let mut name = layer.to_owned();
    let mut found = None;
    for len in 1..=2 {
        let last = at + 2 * len;
        let Some(part) = word(last).filter(|_| is_behind_dot(tokens, last)) else { break };
        name = name + "." + part.text;
        found = Field::named(&name).map(|field| (field, len)).or(found);
    }
    let (_, len) = found?;
    let next = at + 1 + 2 * len;
    // A statement that begins so is none that reads, or one of a list that is set.
    let begins = ["then", "else", "do", "repeat"].iter().any(|word| is(at - 1, word));
    let set = is_set(tokens, next) || begins && is(next, ",");
    found.filter(|_| is_value(tokens, at) && !set)
}

#[cfg(test)]
mod tests {
    use super::super::{Language, followed, reads};
    use super::{GIVEN_MAX, ROUNDS_MAX};
    use crate::running::Took;

    #[track_caller]
    fn check(body: &str, fields: &[&str], complete: bool) {
        let text = format!(
            "local function f(p, n) return p.len + n end
             local function g(n, pkt) return f(pkt, n) end
             function h(p) return p end
             function update(pkt, state) {body} end"
        );
        let got = followed(&text);
        let names: Vec<&str> = got.fields.iter().map(|f| f.name()).collect();
        let is_followed = got.complete && got.contained;
        assert_eq!((names.as_slice(), is_followed), (fields, complete), "{body}");
        assert!(!reads(&text, Language::Lua).complete, "{body}");
    }

    #[test]
    fn names_that_are_given_the_packet_read_it() {
        check("local q = pkt g(f(q, q.ts), q)", &["len", "ts"], true);
        check("g(f(pkt, 1), pkt)", &["len"], true);
        check("local q = pkt local r = q n = r.ip.src + g(1, r)", &["len", "ip.src"], true);
    }

    #[test]
    fn layers_that_are_given_a_name_are_read_by_it() {
        check("g(1, pkt) local ip = pkt.ip if ip then n = ip.ttl end", &["len", "ip.ttl"], true);
        let tcp = "g(1, pkt) local t = pkt.tcp if not t then return end n = t.flags.syn";
        check(tcp, &["len", "tcp.flags.syn"], true);
        for other in [
            "state.ip = ip",
            "ip.ttl = 1",
            "n = ip[1]",
            "ip = nil",
            "if ip == n then end",
            "f(ip, 1)",
            "n = ip.flags",
            "ip.src()",
            "n = ip or 1",
        ] {
            let text = format!("function update(pkt) local ip = pkt.ip {other} end");
            assert!(!followed(&text).complete, "{other}");
        }
    }

    #[test]
    fn a_text_full_of_names_is_not_followed() {
        for one in ["local q = pkt ", "f(pkt) ", "local f = pkt.ip ", "q = f(pkt)"] {
            let text = |n| {
                let body = one.repeat(n);
                format!("function f(p) end function update(pkt) {body} end")
            };
            let began = Took::begin();
            assert_eq!(followed(&text(GIVEN_MAX + 1)), reads(&text(GIVEN_MAX + 1), Language::Lua));
            followed(&text(10_000));
            began.check();
        }
    }

    #[test]
    fn a_function_that_takes_anything_leaves_the_others_followed() {
        let unknown = |body: &str| {
            let text = format!(
                "local function f(p) return p.lenn end
                 local function k(p) return p.tos end
                 local function g(p) return k(p) end
                 local function h(p) return p.tsx end
                 function update(pkt, state) {body} end"
            );
            followed(&text).unknown.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(unknown("f(pkt) h(pkt)"), ["lenn", "tsx"]);
        assert_eq!(unknown("f(pkt) h(pkt) h(state)"), ["lenn"]);
        assert_eq!(unknown("f(pkt) h(pkt) f(state)"), ["tsx"]);
        assert_eq!(unknown("g(pkt) h(pkt)"), ["tos", "tsx"]);
        // What `g` gives on may be anything then.
        assert_eq!(unknown("g(pkt) h(pkt) g(state)"), ["tsx"]);
    }

    #[test]
    fn other_names_in_a_callback_are_followed_however_functions_hang_together() {
        for chain in [1, ROUNDS_MAX - 1, ROUNDS_MAX, 3 * ROUNDS_MAX] {
            let give = |n| format!("local function f{n}(p) f{}(p) end\n", n + 1);
            let functions: String = (0..chain).map(give).collect();
            let calls: String = (0..chain).map(|n| format!("f{n}(pkt) ")).collect();
            let body = format!("f0(s) local q = pkt s.n = q.lenn {calls}");
            let text = format!("{functions}function update(pkt, s) {body} end");
            let unknown = followed(&text).unknown;
            assert_eq!(unknown.first().map(|(name, _)| name.as_str()), Some("lenn"), "{text}");
        }
    }

    #[test]
    fn what_goes_elsewhere_is_not_followed() {
        for body in [
            "local q = pkt q = nil",
            "h(pkt)",
            "state.p = pkt",
            "local q = (pkt)",
            "local q = if state then pkt else nil",
            "local q = pkt :: any",
            "local q: any = pkt",
            "local q = pkt or state",
            "f(1, pkt)",
            "f(pkt, 1) f(state, 1)",
            "f(pkt, 1) state.f = f",
            "f(pkt, 1) pcall(f, pkt)",
            "f(pkt, 1) f = g",
            "repeat local q = pkt until q",
            "state.f(pkt)",
            "state:f(pkt)",
            "f(pkt, 1) q[1], pkt.len, q.x = 1, 2, 3",
        ] {
            let text = format!(
                "local function f(p, n) return p.len + n end
                 function h(p) return p end
                 function g(x) end
                 function update(pkt, state) {body} end"
            );
            let got = followed(&text);
            assert!(!(got.complete && got.contained), "{body}");
        }
    }
}
