//! The driver: the loop over a batch, written for one script and compiled with it.
//!
//! A call from Rust into Luau costs as much as thirty reads of a field. So the
//! loop runs inside the VM, in the script's own chunk, where the compiler can
//! inline `update` into it. It reads the fields the script uses from buffers
//! that [`super::feed`] fills, into one table that stands for the packet.
//!
//! The script's text is changed in two ways, both without moving a line:
//! `pkt.tcp.dport` becomes `pkt.tcp_dport`, one look-up in place of two, and nil
//! where the layer is absent; and the callback becomes a local function.

use std::fmt::Write;

use como_core::field::{Field, Kind};

use crate::scan::tokens::{Token, tokens};
use crate::scan::{Language, Reads, TS_NS};

/// What stands before the script, in its first line.
const HEAD: &str = "local __como_f64, __como_u32, __como_u8, __como_set8 = buffer.readf64, \
                    buffer.readu32, buffer.readu8, buffer.writeu8; ";

/// The script as it is compiled: its own text and the driver behind it.
pub fn compose(source: &str, reads: &Reads) -> String {
    let mut text = source.as_bytes().to_vec();
    for dot in &reads.dots {
        text[*dot] = b'_';
    }
    let mut text = String::from_utf8(text).expect("one ASCII character in place of another");
    let tokens = tokens(source, Language::Lua);
    let mut places: Vec<usize> =
        ["update", "check"].iter().filter_map(|name| definition(source, &tokens, name)).collect();
    places.sort_unstable();
    for place in places.iter().rev() {
        text.insert_str(*place, "local ");
    }
    format!("{HEAD}{text}\n{}", driver(reads))
}

/// Where `function NAME` starts, if the callback can be local: it begins a line, so that it is
/// surely at the top level, and its name stands nowhere else.
fn definition(source: &str, tokens: &[Token<'_>], name: &str) -> Option<usize> {
    let dotted = |at: usize| at > 0 && (tokens[at - 1].is(".") || tokens[at - 1].is(":"));
    let mut uses = (0..tokens.len()).filter(|at| tokens[*at].is(name) && !dotted(*at));
    let at = uses.next()?;
    let function = tokens[..at].last().filter(|t| t.is("function"))?;
    let begins = function.at == 0 || source.as_bytes().get(function.at - 1) == Some(&b'\n');
    (uses.next().is_none() && begins).then_some(function.at)
}

/// The name under which the packet table holds a field.
pub fn flat(field: Field) -> String {
    field.name().replace('.', "_")
}

/// Whether a field is read from a buffer; the payload and the exact time are fetched when asked.
pub fn is_fed(field: Field) -> bool {
    field.kind() != Kind::Bytes
}

/// Whether packets need a way to fetch what their table does not hold.
pub fn fetches(reads: &Reads) -> bool {
    !reads.complete || reads.ts_ns || reads.fields.iter().any(|f| !is_fed(*f))
}

/// The layers whose tables are filled for a script that takes them off the packet.
fn tables(reads: &Reads) -> impl Iterator<Item = &'static str> {
    reads.layers.iter().copied().filter(|_| !reads.complete)
}

fn driver(reads: &Reads) -> String {
    let mut text = String::from("return (function(__H, __G, __O");
    let fed = || reads.fields.iter().copied().filter(|f| is_fed(*f));
    for (at, _) in fed().enumerate() {
        let _ = write!(text, ", __b{at}");
    }
    for (at, _) in reads.layers.iter().enumerate() {
        let _ = write!(text, ", __l{at}");
    }
    text.push_str(")\nlocal __at = 0\nlocal function __place() return __at end\nlocal __F = {");
    for name in fed().map(flat).chain(reads.layers.iter().map(|l| (*l).to_owned())) {
        let _ = write!(text, "{name} = true, ");
    }
    text.push_str("}\n");
    for layer in tables(reads) {
        let _ = writeln!(text, "local __M_{layer} = __G.layer(\"{layer}\")");
    }
    for (name, mixed) in [("__u", false), ("__um", true), ("__c", false), ("__cm", true)] {
        let call = if name.starts_with("__u") {
            "update(__p, __s)"
        } else {
            "__como_set8(__O, __i, if check(__p, __s) then 1 else 0)"
        };
        run(&mut text, reads, name, mixed, call);
    }
    text.push_str(
        "local function __check(m, ...) if m then __cm(...) else __c(...) end end\n\
         local function __update(m, ...) if m then __um(...) else __u(...) end end\n\
         return __update, __check, __place\nend), update, check",
    );
    text
}

/// One loop. With `mixed`, some packets lack some value, which then reads as nil.
fn run(text: &mut String, reads: &Reads, name: &str, mixed: bool, call: &str) {
    let _ = writeln!(text, "local function {name}(__from: number, __n: number, __s, __get)");
    text.push_str("local __p: any = {");
    for field in reads.fields.iter().filter(|f| is_fed(**f)) {
        let _ = write!(text, "{} = 0, ", flat(*field));
    }
    for layer in &reads.layers {
        let _ = write!(text, "{layer} = true, ");
    }
    text.push_str("}\n");
    for layer in tables(reads) {
        let _ = writeln!(text, "local __t_{layer}: any = __M_{layer}()");
    }
    if fetches(reads) {
        text.push_str("__G.begin(__p, __get, __place, __F)\n");
    }
    text.push_str("for __i = __from, __n - 1 do\n__at = __i\n");
    for (at, field) in reads.fields.iter().copied().filter(|f| is_fed(*f)).enumerate() {
        feed(text, reads, at, field, mixed);
    }
    for (at, layer) in reads.layers.iter().enumerate() {
        let there = if reads.complete { "true".to_owned() } else { format!("__t_{layer}") };
        let _ = match mixed {
            true => writeln!(
                text,
                "__p.{layer} = if __como_u8(__l{at}, __i) ~= 0 then {there} else nil"
            ),
            false => writeln!(text, "__p.{layer} = {there}"),
        };
    }
    let _ = writeln!(text, "{call}\nend");
    if fetches(reads) {
        let kept: Vec<String> = tables(reads).map(|layer| format!(", __t_{layer}")).collect();
        let _ = writeln!(text, "__G.finish(__p{})", kept.concat());
    }
    text.push_str("end\n");
}

/// Puts one field's value into the packet table, and into the table of its layer.
fn feed(text: &mut String, reads: &Reads, at: usize, field: Field, mixed: bool) {
    let value = match (field.kind(), mixed) {
        (Kind::Addr | Kind::Mac, _) => format!("__H[__como_u32(__b{at}, __i * 4)]"),
        (Kind::Bool, false) => format!("__como_f64(__b{at}, __i * 8) == 1"),
        (_, false) => format!("__como_f64(__b{at}, __i * 8)"),
        (kind, true) => {
            let _ = writeln!(text, "local __v{at} = __como_f64(__b{at}, __i * 8)");
            let there = if kind == Kind::Bool { " == 1" } else { "" };
            format!("if __v{at} == __v{at} then __v{at}{there} else nil")
        }
    };
    let _ = writeln!(text, "__p.{} = {value}", flat(field));
    for layer in tables(reads) {
        let inner = field.name().strip_prefix(layer).and_then(|rest| rest.strip_prefix('.'));
        if let Some(inner) = inner.filter(|name| !name.contains('.')) {
            let _ = writeln!(text, "__t_{layer}.{inner} = __p.{}", flat(field));
        }
    }
}

/// What a packet's missing name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A field that was not foreseen.
    Field(Field),
    /// The exact time.
    TsNs,
    /// A layer, by how it is marked.
    Layer(u32),
    /// The flags of the IP header, which are no field by themselves.
    IpFlags,
}

/// What the flat name `name` of a packet means.
pub fn missing(name: &str) -> Option<Missing> {
    match name {
        TS_NS => Some(Missing::TsNs),
        "ip_flags" => Some(Missing::IpFlags),
        _ => {
            let layer = crate::scan::LAYERS.iter().find(|(layer, _)| *layer == name);
            let field = Field::ALL.iter().copied().find(|f| flat(*f) == name);
            field.map(Missing::Field).or(layer.map(|(_, mark)| Missing::Layer(*mark)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::reads;

    fn composed(source: &str) -> String {
        compose(source, &reads(source, Language::Lua))
    }

    #[test]
    fn lines_stay_where_they_are() {
        let source = "-- Doc.\nfunction update(pkt, s)\n  s.n = pkt.tcp.flags.syn\nend\n";
        let text = composed(source);
        let line = |at| text.lines().nth(at).map(str::to_owned);
        assert_eq!(line(1).as_deref(), Some("local function update(pkt, s)"));
        assert_eq!(line(2).as_deref(), Some("  s.n = pkt.tcp_flags_syn"));
        assert!(line(0).is_some_and(|l| l.ends_with("-- Doc.")));
    }

    #[test]
    fn a_callback_named_elsewhere_too_stays_as_it_is() {
        let text = composed("function update(p) end\nlocal again = update");
        assert!(text.contains("; function update(p) end"));
        let text = composed("if true then function update(p) end end");
        assert!(text.contains("then function update"));
    }

    #[test]
    fn every_flat_name_finds_its_field() {
        for field in Field::ALL {
            assert_eq!(missing(&flat(*field)), Some(Missing::Field(*field)));
        }
        assert_eq!(missing("tcp"), Some(Missing::Layer(como_core::packet::Layers::TCP)));
        assert_eq!(missing("nothing"), None);
    }
}
