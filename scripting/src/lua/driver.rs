//! The driver: the loop over a batch, written for one script and compiled with it.
//!
//! A call from Rust into Luau costs as much as thirty reads of a field. So the
//! loop runs inside the VM, in the script's own chunk, where the compiler can
//! inline `update` into it. It reads the fields the script uses from buffers
//! that [`super::feed`] fills.
//!
//! The script's text is changed, without moving a line. Where every use of the
//! packet is a plain read in `update`, in `check` or in functions that these give
//! it to, its fields become parameters: `pkt.tcp.dport` is a local variable then,
//! and there is no packet at all. Elsewhere an empty table stands for each packet,
//! of which only the one at hand can be read, and what reads like a field asks
//! whether it is that one ([`super::renamed`]).

mod text;

use std::collections::HashSet;
use std::fmt::Write;

use como_core::field::{Field, Kind};

use super::handles::Wide;
use super::inplace::{self, Edit, FUNCTIONS, HERE};
use super::renamed::{self, OPEN, VALUES};
use crate::flow;
use crate::scan::tokens::{Token, code};
use crate::scan::{self, Language, Read, Reads, Spot, is_at_top, uses};

/// What stands before the script, in its first line.
const HEAD: &str = "local __como_f64, __como_u32, __como_u8, __como_set8, __como_new = \
                    buffer.readf64, buffer.readu32, buffer.readu8, buffer.writeu8, setmetatable; ";

/// The name of the prelude, in the first line alone.
pub const GIVEN: &str = "__como_given";

/// The callbacks that get packets.
const CALLED: [&str; 2] = ["update", "check"];

/// The most fields that become parameters: Luau's functions have at most 200 local variables.
const PARAMETERS_MAX: usize = 60;
/// The same where functions are given them on: calls may stand in each other.
const HANDED_MAX: usize = 24;

/// A script as it is compiled.
pub struct Composed {
    /// Its own text, and the driver behind it.
    pub text: String,
    /// How many parameters `update` and `check` take before those the script gave them.
    pub parameters: usize,
    /// Whether packets need a way to fetch what the driver has not put with them.
    pub fetches: bool,
}

/// What a script reads of packets, by whatever names as long as its fields can be parameters.
pub fn reads_of(source: &str) -> Reads {
    let reads = scan::followed(source);
    let tokens = code(source, Language::Lua);
    // What is surely wrong by whatever name is told of these alone, and refuses the script.
    let wrong = [&reads.written, &reads.lengths, &reads.keys];
    let wrong = wrong.iter().any(|found| !found.is_empty());
    if wrong || !reads.unknown.is_empty() || Driver::of(&reads, &tokens).direct {
        return reads;
    }
    let reads = scan::reads(source, Language::Lua);
    // What a function that comes from elsewhere calls its packet is not known.
    let complete = reads.complete && are_written(&tokens);
    Reads { complete, ..reads }
}

/// The script with its driver.
pub fn compose(source: &str, reads: &Reads) -> Composed {
    let tokens = code(source, Language::Lua);
    let driver = Driver::of(reads, &tokens);
    let mut edits = match driver.direct {
        true => driver.directed(source, &tokens),
        false if driver.called.contains(&true) => driver.renamed(source, &tokens),
        false => Vec::new(),
    };
    let parameters = driver.parameters();
    for name in CALLED {
        edits.extend(definition(source, &tokens, name).map(|at| (at..at, "local ".into())));
        let open = opening(&tokens, name).filter(|_| driver.direct);
        if let Some((at, alone)) = open {
            let list = parameters.concat();
            let list = if alone { list.trim_end_matches(", ") } else { &list };
            edits.push((at..at, list.to_owned()));
        }
    }
    if driver.direct {
        edits.extend(reads.helpers.iter().map(|at| (*at..*at, parameters.concat())));
    }
    // From behind; what is put before a place that changes goes there last.
    edits.sort_by_key(|(at, _)| std::cmp::Reverse((at.start, at.end)));
    let mut text = source.to_owned();
    for (at, new) in edits {
        text.replace_range(at, &new);
    }
    let parameters = if driver.direct { parameters.len() } else { 0 };
    let mut head = HEAD.to_owned();
    if driver.places {
        head.push_str("local __como_at = 0; ");
    }
    if driver.looks() {
        let _ = write!(head, "local {FUNCTIONS}; ");
    }
    if !driver.direct {
        let _ = write!(head, "local {OPEN}, {VALUES} = {GIVEN}.open, {GIVEN}.values; ");
    }
    let _ = write!(head, "{GIVEN} = nil; ");
    let text = format!("{head}{text}\n{}", driver.text());
    Composed { text, parameters, fetches: driver.fetches }
}

/// Where `function NAME` starts, if the callback can be local: it begins a line, so that it is
/// surely at the top level, and its name stands nowhere else.
fn definition(source: &str, tokens: &[Token<'_>], name: &str) -> Option<usize> {
    let mut uses = uses(tokens, name);
    let at = uses.next()?;
    let function = tokens[..at].last().filter(|t| t.is("function"))?;
    let begins = function.at == 0 || source.as_bytes().get(function.at - 1) == Some(&b'\n');
    (uses.next().is_none() && begins && is_at_top(tokens, at - 1)).then_some(function.at)
}

/// Whether a callback is spoken of: not where the name is a local of the script, which is its own.
fn is_spoken_of(tokens: &[Token<'_>], name: &str) -> bool {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let gives = |at: usize| at > 0 && is(at - 1, "function") || is(at + 1, "=") && !is(at + 2, "=");
    let mut uses = uses(tokens, name).map(|at| (at, is_local(tokens, at)));
    uses.next().is_some_and(|(_, local)| !local) || uses.any(|(at, local)| !local && gives(at))
}

/// Whether a name is made a local where it stands: `local NAME`, `local function NAME`.
fn is_local(tokens: &[Token<'_>], at: usize) -> bool {
    let is = |back: usize, text: &str| at.checked_sub(back).is_some_and(|at| tokens[at].is(text));
    is(1, "local") || is(1, "function") && is(2, "local")
}

/// The bracket that opens the parameters of `function NAME(` or `NAME = function(`.
fn bracket(tokens: &[Token<'_>], name: &str) -> Option<usize> {
    let at = uses(tokens, name).next().filter(|at| !is_local(tokens, *at))?;
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let open = match at > 0 && is(at - 1, "function") {
        true => at + 1,
        false if is(at + 1, "=") && is(at + 2, "function") => at + 3,
        false => return None,
    };
    is(open, "(").then_some(open)
}

/// Behind that bracket, and whether there are no parameters.
fn opening(tokens: &[Token<'_>], name: &str) -> Option<(usize, bool)> {
    let open = bracket(tokens, name)?;
    Some((tokens[open].at + 1, tokens.get(open + 1).is_some_and(|t| t.is(")"))))
}

/// Whether the callbacks that are spoken of are functions that are written there, with names for
/// what they are given.
fn are_written(tokens: &[Token<'_>]) -> bool {
    let is_written = |name: &&str| {
        let first = bracket(tokens, name).and_then(|open| tokens.get(open + 1));
        first.is_some_and(|first| !first.is("."))
    };
    CALLED.iter().filter(|name| is_spoken_of(tokens, name)).all(is_written)
}

/// The parameter for what is read of a packet by that name.
fn local(name: &str) -> String {
    format!("__{}", name.replace('.', "_"))
}

/// The name under which a packet has whether it matches a filter.
fn matched(filter: usize) -> String {
    format!("matches_{filter}")
}

/// Whether a field is read from a buffer; the payload and the exact time are given when asked for.
pub fn is_fed(field: Field) -> bool {
    field.kind() != Kind::Bytes
}

/// What is read of each packet from a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fed {
    /// A field.
    Field(Field),
    /// The flow it belongs to.
    Flow,
}

impl Fed {
    /// All that a script reads so, in order.
    pub fn of(reads: &Reads) -> Vec<Self> {
        let fields = reads.fields.iter().filter(|f| is_fed(**f)).map(|f| Self::Field(*f));
        fields.chain(reads.flow.then_some(Self::Flow)).collect()
    }

    /// Its name.
    fn name(self) -> &'static str {
        match self {
            Self::Field(field) => field.name(),
            Self::Flow => flow::NAME,
        }
    }

    /// Whether the buffer holds slots of handles, not numbers.
    pub fn is_wide(self) -> bool {
        match self {
            Self::Field(field) => Wide::has(field.kind()),
            Self::Flow => true,
        }
    }

    fn is_bool(self) -> bool {
        matches!(self, Self::Field(field) if field.kind() == Kind::Bool)
    }
}

/// What is read, and how it reaches the script.
struct Driver<'a> {
    reads: &'a Reads,
    fields: Vec<Fed>,
    /// Whether fields are parameters.
    direct: bool,
    /// Whether packets need a way to fetch what the driver has not put with them.
    fetches: bool,
    /// Whether the script is told where a packet is: it adds it to tables.
    places: bool,
    /// Which of `update` and `check` the script speaks of: there is a loop for no other.
    called: [bool; 2],
}

impl<'a> Driver<'a> {
    fn of(reads: &'a Reads, tokens: &[Token<'_>]) -> Self {
        let called = CALLED.map(|name| is_spoken_of(tokens, name));
        let fields = Fed::of(reads);
        let rest = reads.layers.len() + reads.filters.len();
        let most = if reads.helpers.is_empty() { PARAMETERS_MAX } else { HANDED_MAX };
        let fits = fields.len() + rest <= most;
        let places = reads.adds();
        let (direct, fetches) = (true, false);
        let mut driver = Self { reads, fields, direct, fetches, places, called };
        // A name that the script has itself would be another's.
        let ours = driver.parameters();
        let taken =
            |token: &Token<'_>| ours.iter().any(|name| token.is(name.trim_end_matches(", ")));
        let own = !tokens.iter().any(taken);
        // Other bytes than the payload are asked of the packet, and not of a layer of it.
        let bytes = |field: &Field| !is_fed(*field) && *field != Field::Payload;
        let inner = |spot: &Spot| matches!(spot.read, Read::Inner(field) if bytes(&field));
        let known = !reads.spots.iter().any(inner);
        // A function that comes from elsewhere, or takes whatever it is given, is given a packet.
        let followed = reads.complete && reads.contained && are_written(tokens);
        driver.direct = followed && fits && own && known;
        driver.fetches = reads.ts_ns || !driver.direct || reads.fields.iter().any(bytes);
        driver
    }

    fn reads_payload(&self) -> bool {
        self.reads.fields.contains(&Field::Payload)
    }

    /// Whether payloads are looked at where they lie: the packet's number is a parameter then, too.
    fn looks(&self) -> bool {
        self.direct && self.reads_payload()
    }

    /// What becomes of a text whose packets' fields are parameters.
    fn directed(&self, source: &str, tokens: &[Token<'_>]) -> Vec<Edit> {
        let payloads = inplace::Text::new(source, tokens);
        let mut edits = Vec::new();
        for spot in &self.reads.spots {
            if spot.read == Read::Field(Field::Payload) {
                let at = tokens.partition_point(|token| token.at < spot.at.start);
                edits.extend(payloads.edits(at));
            } else if let Some(new) = self.becomes(spot) {
                // Whatever lines the read was spread over must still be there.
                let lines = source[spot.at.clone()].matches('\n').count();
                edits.push((spot.at.clone(), new + "\n".repeat(lines).as_str()));
            }
        }
        edits
    }

    /// What becomes of a text whose packets stay what they are.
    fn renamed(&self, source: &str, tokens: &[Token<'_>]) -> Vec<Edit> {
        let filled: HashSet<String> = self.names().collect();
        let mut edits = renamed::edits(source, tokens, self.reads, &filled);
        for spot in &self.reads.spots {
            let new = match spot.read {
                Read::Filter(at) => {
                    let otherwise = &source[spot.at.clone()];
                    renamed::asked(&spot.packet, &matched(at), true, otherwise)
                }
                // A parameter of that name may be something else.
                Read::Added => {
                    let name = &spot.packet;
                    format!("(if {name} == {OPEN}.packet then __como_at else {name})")
                }
                _ => continue,
            };
            edits.push((spot.at.clone(), new));
        }
        edits
    }

    /// What a read of the packet becomes, if it does not stay what it is.
    fn becomes(&self, spot: &Spot) -> Option<String> {
        Some(match spot.read {
            Read::Field(field) if is_fed(field) => local(field.name()),
            Read::Field(field) => format!("{}[\"{}\"]", spot.packet, field.name()),
            Read::Layer(layer) => local(layer),
            Read::Filter(at) => local(&matched(at)),
            // Where there is no such layer it is the error that Lua makes of it.
            Read::Inner(field) => {
                let (layer, first) = (&spot.packet, field.name().split('.').nth(1)?);
                format!("(if {layer} then {} else {layer}.{first})", local(field.name()))
            }
            Read::Flow => local(flow::NAME),
            Read::Added => "__como_at".to_owned(),
        })
    }

    /// What the driver gives of a packet: fields, layers, and which filters it matches.
    fn names(&self) -> impl Iterator<Item = String> {
        let layers = self.reads.layers.iter().map(|layer| (*layer).to_owned());
        let filters = (0..self.reads.filters.len()).map(matched);
        self.fields.iter().map(|f| f.name().to_owned()).chain(layers).chain(filters)
    }

    /// The parameters put before a callback's own, each with its comma.
    fn parameters(&self) -> Vec<String> {
        let here = self.reads_payload().then(|| format!("{HERE}, "));
        here.into_iter().chain(self.names().map(|name| local(&name) + ", ")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn composed(source: &str) -> String {
        compose(source, &reads_of(source)).text
    }

    #[test]
    fn fields_become_parameters_and_lines_stay_where_they_are() {
        let source = "-- Doc.\nfunction update(pkt, s)\n  s.n = pkt.tcp\n .flags.syn\n  x = \
            pkt.payload\nend";
        let text = composed(source);
        let lines: Vec<&str> = text.lines().take(6).collect();
        assert!(lines[0].ends_with("-- Doc."));
        assert_eq!(
            lines[1..],
            [
                "local function update(__here, __tcp_flags_syn, pkt, s)",
                "  s.n = __tcp_flags_syn",
                "",
                "  x = __como_payload.whole(__here)",
                "end",
            ]
        );
    }

    #[test]
    fn a_packet_that_wanders_off_stays_a_table() {
        let text = composed("function update(p) f(p.ip.dst, p) end");
        let read = "(if p == __como_open.packet then __como_values[\"ip.dst\"] else p.ip.dst)";
        assert!(text.contains(&format!("local function update(p) f({read}, p) end")), "{text}");
    }

    #[test]
    fn a_callback_named_elsewhere_too_stays_as_it_is() {
        let text = composed("function update(p) return p.len end\nlocal again = update");
        assert!(text.contains("; function update(p) return (if p == "), "{text}");
        let text = composed("do local port = 5\nfunction update(p) return p.len == port end end");
        assert!(text.contains("\nfunction update(__len, p)"));
        let text = composed("local __len = 5\nfunction update(p) return p.len + __len end");
        assert!(text.contains("function update(p) return (if p == "), "{text}");
        let text = composed("if true then function update(p) return p.len end end");
        assert!(text.contains("then function update(__len, p) return __len end"));
    }
}
