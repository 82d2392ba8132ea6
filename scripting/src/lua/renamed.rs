//! Reads of a packet by whatever name, where its fields are no parameters: `p.ip.src`.
//!
//! `pkt.ip.src` is nil where there is no IP layer, while in Lua `p.ip.src` would index nil. So
//! whatever reads like a field asks whether that is the packet at hand:
//! `(if p == __como_open.packet then __como_values["ip.src"] else p.ip.src)`. Of anything else it
//! is what it was. In libraries of the script's own likewise, where packets are only ever
//! parameters. A place in a layer that is set asks too, for the packet to refuse it where it lacks
//! that layer as well.

use std::collections::HashSet;

use como_core::field::Field;

use super::inplace::Edit;
use crate::scan::tokens::{Shape, Token};
use crate::scan::{
    LAYERS, Reads, Spot, is_asked, is_behind_dot, is_set, is_value, may_be_set_in_list, subject,
};

/// What holds the packet at hand, and what reads fields of what is more than a name:
/// `f(x).ip.src`.
pub const OPEN: &str = "__como_open";
/// What holds its values, by the names of fields.
pub const VALUES: &str = "__como_values";

/// A read of `name` of `subject`: of the packet where that is the packet at hand, from its values
/// where it is `filled`; or else `otherwise`.
pub fn asked(subject: &str, name: &str, filled: bool, otherwise: &str) -> String {
    let held = if filled { VALUES } else { subject };
    format!("(if {subject} == {OPEN}.packet then {held}[\"{name}\"] else {otherwise})")
}

/// What is put where into a text whose packets go by whatever names. The packet holds what is
/// `filled`.
pub fn edits(
    source: &str,
    tokens: &[Token<'_>],
    reads: &Reads,
    filled: &HashSet<String>,
) -> Vec<Edit> {
    let sure = reads.spots.iter().map(|spot: &Spot| spot.at.start).collect();
    let mut renamer = Renamer { source, tokens, sure, filled, edits: Vec::new(), edited: 0 };
    let mut at = 0;
    while at < tokens.len() {
        at = renamer.chain(at).unwrap_or(at + 1);
    }
    renamer.edits
}

struct Renamer<'a> {
    source: &'a str,
    tokens: &'a [Token<'a>],
    /// Where a read begins that is surely one of a packet.
    sure: HashSet<usize>,
    filled: &'a HashSet<String>,
    edits: Vec<Edit>,
    /// How far the text has changed.
    edited: usize,
}

/// Words that read like a field: `ip.src`.
struct Chain {
    name: String,
    /// How many words name it.
    words: usize,
    /// Where what stands before them begins.
    first: usize,
    /// Where they end.
    last: usize,
}

impl Renamer<'_> {
    /// Has the read whose field's name begins at `at` ask for the packet, and tells where it ends.
    fn chain(&mut self, at: usize) -> Option<usize> {
        if let Some(end) = self.place(at) {
            return Some(end);
        }
        if self.tokens[at].shape != Shape::Word || !is_behind_dot(self.tokens, at) {
            return None;
        }
        if self.tokens[at].is("flags") {
            return self.flags(at);
        }
        let (name, words) = self.named(at)?;
        let first = subject(self.tokens, at - 1)?;
        let chain = Chain { name, words, first, last: at + 2 * (words - 1) };
        let (value, set) = (is_value(self.tokens, first), self.may_be_set(&chain));
        let sure = self.sure.contains(&self.tokens[first].at);
        let deep = words > 1;
        match (value && !set).then(|| self.plain(first, at)).flatten() {
            Some(what) if deep || self.filled.contains(&chain.name) => self.ask(&chain, what),
            _ if deep && (value || sure || set) => self.give(&chain, at),
            _ => {}
        }
        Some(chain.last + 1)
    }

    /// The longest name of a field that begins at `at`, or of a layer that is only asked for, and
    /// how many words it has.
    fn named(&self, at: usize) -> Option<(String, usize)> {
        let words = self.words(at);
        let named = (1..=words.len()).rev().map(|len| (words[..len].join("."), len));
        // Flags of the IP header are no field by themselves, and yet may be read as one.
        let is_field = |name: &str| Field::named(name).is_some() || name == "ip.flags";
        if let Some(field) = named.into_iter().find(|(name, _)| is_field(name)) {
            return Some(field);
        }
        let (word, first) = (self.tokens[at].text, subject(self.tokens, at - 1)?);
        let layer = LAYERS.iter().any(|(layer, _)| *layer == word);
        let alone = word == crate::flow::NAME || layer && is_asked(self.tokens, first, at);
        alone.then(|| (word.to_owned(), 1))
    }

    /// The words that begin at `at`, with dots between them.
    fn words(&self, at: usize) -> Vec<&str> {
        let behind = |at: usize| is_behind_dot(self.tokens, at);
        let word = |at: &usize| self.tokens.get(*at).is_some_and(|t| t.shape == Shape::Word);
        let all = (at..at + 6).step_by(2).take_while(|at| word(at) && behind(*at));
        all.map(|at| self.tokens[at].text).collect()
    }

    /// Whether the field may be one that is set there.
    fn may_be_set(&self, chain: &Chain) -> bool {
        is_set(self.tokens, chain.last + 1) || may_be_set_in_list(self.tokens, chain.last)
    }

    /// What stands before the field whose name begins at `at`, if it may as well be evaluated
    /// twice: a name, which runs nothing of the script's as `__index` of a table may.
    fn plain(&self, first: usize, at: usize) -> Option<String> {
        let name = &self.tokens[first];
        let plain = first + 2 == at && name.shape == Shape::Word;
        (plain && self.edited <= name.at).then(|| name.text.to_owned())
    }

    /// A field of `what`, as a value.
    fn ask(&mut self, chain: &Chain, what: String) {
        let last = &self.tokens[chain.last];
        let range = self.tokens[chain.first].at..last.at + last.text.len();
        let filled = self.filled.contains(&chain.name);
        let read = asked(&what, &chain.name, filled, &self.source[range.clone()]);
        self.edited = range.end;
        self.edits.push((range, read));
    }

    /// A field of what stands before the name at `at`, whatever is done with it.
    fn give(&mut self, chain: &Chain, at: usize) {
        let (begin, end) = (self.tokens[chain.first].at, &self.tokens[at - 2]);
        let end = end.at + end.text.len();
        self.edits.push((begin..begin, format!("{OPEN}.of(")));
        self.edits.push((end..end, format!(", \"{}\", {})", chain.name, chain.words)));
        self.edited = self.tokens[chain.last].at;
    }

    /// A place in what may be a layer by an index, `["tcp"].seq = 1`, that begins at `at`: what it
    /// lies in is asked for a packet, which refuses that also where it has no such layer.
    fn place(&mut self, at: usize) -> Option<usize> {
        let is = |at: usize, mark: &str| self.tokens.get(at).is_some_and(|t| t.is(mark));
        let dotted = self.tokens[at].shape == Shape::Word && is_behind_dot(self.tokens, at);
        if !dotted && !is(at, "[") {
            return None;
        }
        let begin = if dotted { at - 1 } else { at };
        let (mut next, mut names, mut indexed) = (begin, Vec::new(), false);
        loop {
            let index = is(next, "[") && is(next + 2, "]");
            let name = self.tokens.get(next + 1).filter(|t| match index {
                true => t.shape == Shape::Text,
                false => is(next, ".") && t.shape == Shape::Word,
            });
            let Some(name) = name.and_then(Token::name) else { break };
            names.push(name.to_owned());
            next += if index { 3 } else { 2 };
            indexed |= index;
        }
        let layer = LAYERS.iter().any(|(layer, _)| names.first().is_some_and(|name| name == layer));
        let set = is_set(self.tokens, next) || may_be_set_in_list(self.tokens, next - 1);
        if !(indexed && layer && names.len() > 1 && set) {
            return None;
        }
        let first = subject(self.tokens, begin)?;
        let start = self.tokens[first].at;
        let behind = &self.tokens[begin - 1];
        let end = behind.at + behind.text.len();
        self.edits.push((start..start, format!("{OPEN}.of(")));
        self.edits.push((end..end, format!(", \"{}\", {})", names.join("."), names.len())));
        self.edited = end;
        Some(next)
    }

    /// A flag of what may be a layer: `tcp.flags.syn`.
    fn flags(&mut self, at: usize) -> Option<usize> {
        let words = self.words(at);
        let flag = words[..words.len().min(2)].join(".");
        let of = |layer| Field::named(&format!("{layer}.{flag}")).is_some();
        let known = words.len() > 1 && (of("tcp") || of("ip"));
        let first = subject(self.tokens, at - 1).filter(|_| known)?;
        if !is_value(self.tokens, first) {
            return None;
        }
        let chain = Chain { name: flag, words: 2, first, last: at + 2 };
        match self.plain(first, at) {
            Some(what) => {
                let end = self.tokens[at].at + self.tokens[at].text.len();
                let begin = self.tokens[first].at;
                self.edits.push((begin..begin, "(".to_owned()));
                self.edits.push((end..end, format!(" or {OPEN}.absent({what}))")));
                self.edited = end;
            }
            None => self.give(&chain, at),
        }
        Some(at + 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::tokens::code;
    use crate::scan::{Language, reads};

    #[track_caller]
    fn check(body: &str, want: &str) {
        let text = |body: &str| format!("function update(pkt)\nlocal p = pkt\n{body}\nend");
        let source = text(body);
        let (mut edited, reads) = (source.clone(), reads(&source, Language::Lua));
        let filled = ["ip.src", "tcp", "tcp.flags.syn", "len"].map(str::to_owned).into();
        let mut edits = edits(&source, &code(&source, Language::Lua), &reads, &filled);
        edits.sort_by_key(|(at, _)| std::cmp::Reverse((at.start, at.end)));
        for (at, new) in edits {
            edited.replace_range(at, &new);
        }
        let short = edited.replace("__como_open.packet", "P").replace("__como_values", "V");
        assert_eq!(short.replace("__como_open.", "_"), text(want));
    }

    #[test]
    fn what_reads_like_a_field_asks_whether_it_is_one() {
        check(
            "f(p.ip.src, p.len)",
            "f((if p == P then V[\"ip.src\"] else p.ip.src), \
               (if p == P then V[\"len\"] else p.len))",
        );
        check("x = p.wlan.ssid", "x = (if p == P then p[\"wlan.ssid\"] else p.wlan.ssid)");
        check("if p.tcp then", "if (if p == P then V[\"tcp\"] else p.tcp) then");
        check("x = l[1].ip\n.src", "x = _of(l[1], \"ip.src\", 2).ip\n.src");
        check("x = f(1).tcp.flags.syn", "x = _of(f(1), \"tcp.flags.syn\", 3).tcp.flags.syn");
        check("x = (p).ip.src", "x = _of((p), \"ip.src\", 2).ip.src");
        check("return (p).ip.src", "return _of((p), \"ip.src\", 2).ip.src");
        check(
            "x = t[p.ip.src].ip.src",
            "x = _of(t[(if p == P then V[\"ip.src\"] else p.ip.src)], \"ip.src\", 2).ip.src",
        );
        check("x = l:first().ip.src", "x = _of(l:first(), \"ip.src\", 2).ip.src");
        check("x = t.flags.syn", "x = (t.flags or _absent(t)).syn");
    }

    #[test]
    fn a_field_that_may_be_set_stays_a_place() {
        check("a, p.ip.src = 1, 2", "a, _of(p, \"ip.src\", 2).ip.src = 1, 2");
        check("pkt.ip.src:f()", "_of(pkt, \"ip.src\", 2).ip.src:f()");
        check("p.ip.src = 1", "_of(p, \"ip.src\", 2).ip.src = 1");
        check("f(x).ip.src = 1", "_of(f(x), \"ip.src\", 2).ip.src = 1");
        check("p[\"tcp\"].seq += 1", "_of(p, \"tcp.seq\", 2)[\"tcp\"].seq += 1");
        check("q[1].tcp['flags'].syn = 1", "_of(q[1], \"tcp.flags.syn\", 3).tcp['flags'].syn = 1");
    }

    #[test]
    fn what_is_set_or_something_else_stays() {
        for body in [
            "pkt.len = 1",
            "x = p.name.src .. ip.src",
            "t.tcp[port] = 1",
            "t['n'].tcp = 1",
            "t = { ['ip'] = 1 }",
        ] {
            check(body, body);
        }
    }
}
