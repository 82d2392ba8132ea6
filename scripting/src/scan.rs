//! What can be read off a script's text before it runs.
//!
//! Which packet fields it reads, in which order it writes the columns of its
//! records, what its first comment says. Both hosts use it. It never decides
//! what a script means: a read it misses is served later, and slower.

mod anywhere;
mod args;
mod bound;
mod callbacks;
mod filters;
mod functions;
mod handed;
mod keys;
mod lengths;
mod names;
mod order;
mod others;
mod place;
mod reads;
mod resume;
mod scope;
mod texts;
pub mod tokens;
mod written;

pub use args::{args, declares_args};
use bound::{Bounds, What, inner};
pub use callbacks::computes;
use callbacks::{called_back, packet_names};
use std::ops::Range;

use como_core::field::{Field, Kind};
use como_core::nearest::nearest;
use como_core::packet::Layers;
pub use functions::{calls, functions, is_nested};
use handed::handed;
use keys::is_key;
use lengths::lengths;
use names::is_given_anew;
pub use names::{given, is_asked_for, strays};
pub use order::{Written, table_order, written_order};
use others::others;
pub use place::{
    LIST_TOKENS_MAX, closed, goes_on, is_asked, is_at_top, is_behind_dot, is_dotted, is_value,
    listed, opens_block, subject, uses,
};
pub use reads::{Read, Reads, Spot};
pub use resume::resumed;
pub use scope::{Scope, is_set, may_be_set_in_list, named_by};
use tokens::{Shape, Token, code};
use written::may_be_written;
pub use written::{READ_ONLY, written};

use crate::flow;

/// The languages scripts are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Luau.
    Lua,
    /// Rhai.
    Rhai,
}

impl Language {
    /// The language of a file, by how its name ends.
    pub fn of(file: &str) -> Option<Self> {
        match file.rsplit_once('.')?.1 {
            "lua" | "luau" => Some(Self::Lua),
            "rhai" => Some(Self::Rhai),
            _ => None,
        }
    }

    /// Its name in manifests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lua => "lua",
            Self::Rhai => "rhai",
        }
    }
}

/// The layers a packet may have, as scripts name them, and how they are marked when found.
pub const LAYERS: [(&str, u32); 13] = [
    ("eth", Layers::ETHERNET),
    ("vlan", Layers::VLAN),
    ("mpls", Layers::MPLS),
    ("pppoe", Layers::PPPOE),
    ("arp", Layers::ARP),
    ("ip", Layers::IP),
    ("tcp", Layers::TCP),
    ("udp", Layers::UDP),
    ("sctp", Layers::SCTP),
    ("icmp", Layers::ICMP),
    ("icmp6", Layers::ICMP6),
    ("wlan", Layers::WLAN),
    ("radio", Layers::WLAN),
];

/// The name under which scripts read the exact time of a packet.
pub const TS_NS: &str = "ts_ns";

/// How far back a parameter list is looked for, in tokens.
const PARAMETER_TOKENS_MAX: usize = 64;

/// The most payloads whose names are followed: each time much of the text is read.
const PAYLOADS_MAX: usize = 100;

/// What to say of a name read of a packet that no field has.
pub fn no_field(name: &str) -> String {
    match nearest(name, Field::ALL.iter().map(|f| f.name())) {
        Some(near) => format!("a packet has no field `{name}`; did you mean `{near}`?"),
        None => format!("a packet has no field `{name}`"),
    }
}

/// What the packet callbacks of `source` read.
pub fn reads(source: &str, language: Language) -> Reads {
    scan(source, language, |tokens, _, _| match language {
        Language::Lua => Bounds::default(),
        Language::Rhai => handed(tokens),
    })
}

/// The same of a Lua text, where the packet is also followed to other names for it.
pub fn followed(source: &str) -> Reads {
    scan(source, Language::Lua, Bounds::of)
}

fn scan<'a>(
    source: &'a str,
    language: Language,
    bounds: impl FnOnce(&[Token<'a>], &[&'a str], &[Range<usize>]) -> Bounds<'a>,
) -> Reads {
    let tokens = code(source, language);
    let names = packet_names(&tokens, language);
    let filters = filters::named(source, &tokens, language);
    let others = others(&tokens, &names, language);
    let bounds = bounds(&tokens, &names, &others);
    let mut reads = Reads { complete: true, ..Reads::default() };
    reads.filters = filters.iter().map(|name| (*name).to_owned()).collect();
    reads.helpers = bounds.brackets().map(|at| tokens[at].at + 1).collect();
    let (tokens, names, filters) = (&tokens, &names, &filters);
    let (makes, parameters, payloads) = (makes_tables(tokens), 0, 0);
    let scan = Scan {
        tokens,
        names,
        filters,
        bounds,
        others,
        reads,
        language,
        makes,
        parameters,
        payloads,
    };
    scan.reads()
}

/// Whether `table` is called with anything.
fn makes_tables(tokens: &[Token<'_>]) -> bool {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    // In Rhai a colon stands before what a name in a map is given.
    let called = |at: usize| is(at + 1, "{") || is(at + 1, "(") && !is(at + 2, ")");
    (0..tokens.len()).any(|at| is(at, "table") && called(at) && !is_behind_dot(tokens, at))
}

struct Scan<'a> {
    tokens: &'a [Token<'a>],
    names: &'a [&'a str],
    filters: &'a [&'a str],
    bounds: Bounds<'a>,
    /// Where the packet's name is not surely its own.
    others: Vec<Range<usize>>,
    reads: Reads,
    language: Language,
    /// Whether the script makes tables.
    makes: bool,
    /// Parameters called as the packet is.
    parameters: usize,
    /// Payloads that are read.
    payloads: usize,
}

impl<'a> Scan<'a> {
    fn reads(mut self) -> Reads {
        for at in 0..self.tokens.len() {
            self.token(at);
        }
        if self.language == Language::Rhai {
            self.interpolated();
        }
        let once = ["update", "check"].iter().all(|name| uses(self.tokens, name).count() <= 1);
        self.reads.contained = !self.reads.shadowed && self.parameters == self.names.len() && once;
        if self.reads.shadowed {
            // The name means something else in places: none of its uses is sure to be a packet.
            self.reads.spots.clear();
            self.reads.unknown.clear();
            self.reads.texts.clear();
            self.reads.lengths.clear();
            self.reads.keys.clear();
        }
        if self.reads.shadowed || !once {
            self.reads.written.clear();
        }
        if !self.reads.complete {
            self.anywhere();
        }
        self.reads
    }

    /// Code inside an interpolated text of Rhai, which is not followed.
    fn interpolated(&mut self) {
        for text in self.tokens.iter().filter(|token| texts::is_interpolated(token)) {
            self.reads.complete &= !self.names.iter().any(|name| text.text.contains(name));
            for field in texts::fields(text.text, self.names) {
                self.reads.field(field);
            }
        }
    }

    fn is(&self, at: usize, text: &str) -> bool {
        self.tokens.get(at).is_some_and(|t| t.is(text))
    }

    /// The words of the chain that follows the word at `at`: `.ip.dst`.
    fn chain(&self, at: usize) -> Vec<&'a str> {
        let mut words = Vec::new();
        let mut next = at + 1;
        while words.len() < 3 && self.is(next, ".") {
            match self.tokens.get(next + 1) {
                Some(t) if t.shape == Shape::Word => words.push(t.text),
                _ => break,
            }
            next += 2;
        }
        words
    }

    fn token(&mut self, at: usize) {
        let token = &self.tokens[at];
        if token.shape != Shape::Word || is_dotted(self.tokens, at) {
            return;
        }
        let bound = self.bounds.what(self.tokens, at);
        if let Some(What::Layer(layer)) = bound {
            return self.layer_chain(at, layer);
        }
        if bound.is_none() && !self.names.contains(&token.text)
            || self.bounds.is_given(at) && !self.is(at + 1, ".")
        {
            return;
        }
        if self.is_parameter(at) {
            self.parameters += 1;
            return;
        }
        if let Some((which, whole)) = filters::matched(self.tokens, self.filters, at) {
            let last = &self.tokens[*whole.end()];
            let whole = self.tokens[*whole.start()].at..last.at + last.text.len();
            let (packet, read) = (token.text.to_owned(), Read::Filter(which));
            self.reads.spots.push(Spot { at: whole, packet, read });
            return;
        }
        if self.is_added(at) {
            let packet = token.text.to_owned();
            let at = token.at..token.at + token.text.len();
            self.reads.spots.push(Spot { at, packet, read: Read::Added });
            return;
        }
        if let Some(place) = written(self.tokens, at) {
            match self.is_sure(at) {
                true => self.reads.written.push(place),
                false => self.reads.complete = false,
            }
            return;
        }
        self.reads.complete &= !may_be_written(self.tokens, at);
        let chain = self.chain(at);
        if is_given_anew(self.tokens, at) {
            self.reads.shadowed = true;
            self.reads.complete = false;
            return;
        }
        if chain.is_empty() {
            self.key(at);
            self.reads.complete = false;
            return;
        }
        self.packet_chain(at, &chain);
    }

    /// A packet that stands alone, which may be what a table is to find something under.
    fn key(&mut self, at: usize) {
        // In Rhai that may be a list.
        if self.language == Language::Lua && is_key(self.tokens, at) && self.is_sure(at) {
            let token = &self.tokens[at];
            self.reads.keys.push(token.at..token.at + token.text.len());
        }
    }

    /// A chain that starts at a packet: the longest field name it begins with counts.
    fn packet_chain(&mut self, at: usize, chain: &[&'a str]) {
        if self.language == Language::Rhai && self.is(at + 3, "(") {
            // A method of the packet itself, which has none.
            self.reads.complete = false;
            return;
        }
        for len in (1..=chain.len()).rev() {
            let name = chain[..len].join(".");
            if let Some(field) = Field::named(&name).filter(|_| !self.is_method(at, len, chain)) {
                self.reads.field(field);
                self.spot(at, len, Read::Field(field));
                let is_addr = matches!(field.kind(), Kind::Addr | Kind::Mac);
                if is_addr && self.is_text_next(at, len) && self.is_sure(at) {
                    self.reads.texts.push(self.tokens[at].line);
                }
                if field == Field::Payload && self.language == Language::Lua {
                    self.payload(at, len);
                }
                return;
            }
        }
        if chain[0] == TS_NS {
            self.reads.ts_ns = true;
        } else if chain[0] == flow::NAME {
            self.reads.flow = true;
            self.spot(at, 1, Read::Flow);
            if chain.get(1).is_some_and(|part| !flow::PARTS.contains(part)) {
                self.unknown(at, chain);
            }
        } else if let Some((layer, _)) = LAYERS.iter().find(|(layer, _)| *layer == chain[0]) {
            self.reads.layer(layer);
            self.spot(at, 1, Read::Layer(layer));
            if chain.len() > 1 && chain[1] != "flags" {
                self.unknown(at, chain);
            }
            let known = self.is_asked(at) || self.bounds.is_given(at);
            self.reads.complete &= chain.len() == 1 && known;
        } else {
            self.unknown(at, chain);
            self.reads.complete = false;
        }
    }

    /// A payload, of which a text may ask the length where that is given a name.
    fn payload(&mut self, at: usize, len: usize) {
        self.payloads += 1;
        if self.payloads <= PAYLOADS_MAX && self.is_sure(at) {
            self.reads.lengths.extend(lengths(self.tokens, at, at + 1 + 2 * len));
        }
    }

    /// A layer by a name of its own, of which a field is read or which is asked for.
    fn layer_chain(&mut self, at: usize, layer: &str) {
        if let Some((field, len)) = inner(self.tokens, layer, at) {
            self.reads.field(field);
            self.spot(at, len, Read::Inner(field));
        }
    }

    /// Whether the last of `len` words behind a packet is called as a method of the field before,
    /// as in Rhai's `pkt.payload.len()`.
    fn is_method(&self, at: usize, len: usize, chain: &[&str]) -> bool {
        let called = self.language == Language::Rhai && self.is(at + 1 + 2 * len, "(");
        called && len > 1 && Field::named(&chain[..len - 1].join(".")).is_some()
    }

    /// Whether the packet at `at` is what a table takes that the script makes: `t:add(pkt)`.
    fn is_added(&self, at: usize) -> bool {
        at >= 3
            && self.is(at - 1, "(")
            && self.is(at - 2, "add")
            && is_dotted(self.tokens, at - 2)
            && self.is(at + 1, ")")
            && self.makes
    }

    fn spot(&mut self, at: usize, len: usize, read: Read) {
        let (first, last) = (&self.tokens[at], &self.tokens[at + 2 * len]);
        let at = first.at..last.at + last.text.len();
        self.reads.spots.push(Spot { at, packet: first.text.to_owned(), read });
    }

    /// Whether the chain of `len` words at `at` is compared with a quoted text.
    fn is_text_next(&self, at: usize, len: usize) -> bool {
        let is_text = |at: usize| self.tokens.get(at).is_some_and(|t| t.shape == Shape::Text);
        let sign = at + 1 + 2 * len;
        let equals = |sign: usize| {
            self.is(sign + 1, "=") && ["=", "~", "!"].iter().any(|mark| self.is(sign, mark))
        };
        equals(sign) && is_text(sign + 2) || at >= 3 && equals(at - 2) && is_text(at - 3)
    }

    fn unknown(&mut self, at: usize, chain: &[&str]) {
        if self.is_sure(at) {
            self.reads.unknown.push((chain.join("."), self.tokens[at].line));
        }
    }

    /// Whether a name of the packet at `at` is surely its own.
    fn is_sure(&self, at: usize) -> bool {
        let bound = || self.bounds.what(self.tokens, at).is_some();
        !self.others.iter().any(|range| range.contains(&at)) || bound()
    }

    /// Whether the layer read at `at` is only asked for, as in `if pkt.tcp then`.
    fn is_asked(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|b| self.tokens.get(b));
        let asks = |t: &Token| ["if", "elseif", "while", "not", "!"].iter().any(|w| t.is(w));
        before.is_some_and(asks) || self.is(at + 3, "then") || self.is(at + 3, "~")
    }

    /// Whether the name at `at` is declared here, as a parameter of a function.
    fn is_parameter(&self, at: usize) -> bool {
        let near = at.saturating_sub(PARAMETER_TOKENS_MAX);
        let Some(open) = self.tokens[near..at].iter().rposition(|t| t.is("(")) else {
            return false;
        };
        let open = near + open;
        let only_names = self.tokens[open + 1..at].iter().all(|t| {
            t.is(",") || t.is(":") || t.shape == Shape::Word && !t.is("function") && !t.is("fn")
        });
        let is_function = |at: usize| self.is(at, "function") || self.is(at, "fn");
        // `function list.of:add(pkt)`
        let mut name = open.saturating_sub(1);
        while name > 1 && (self.is(name - 1, ".") || self.is(name - 1, ":")) {
            name -= 2;
        }
        only_names && open > 0 && (is_function(open - 1) || name > 0 && is_function(name - 1))
    }
}

/// The first line of the first comment, without its marks; empty if the script opens without.
pub fn first_comment(source: &str, language: Language) -> String {
    let mark = if language == Language::Lua { '-' } else { '/' };
    let line = source.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or("");
    if !line.starts_with([mark, mark].iter().collect::<String>().as_str()) {
        return String::new();
    }
    line.trim_start_matches(mark).trim_start_matches(['[', '!', '*']).trim().to_owned()
}

#[cfg(test)]
mod tests;
