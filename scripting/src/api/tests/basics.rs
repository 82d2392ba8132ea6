//! What each language has in its own way: every example runs where it is, and gives the same.

use como_core::field::{Field, Kind as FieldKind};
use como_core::module::{Kind, Limits, Setup};
use como_core::packet::build::{Frame, SYN};
use como_core::record::{Records, Value};
use como_core::table::{AGGREGATES, Aggregate};
use como_core::time::{Interval, Span, Ts};

use super::super::basics::{Basic, Form, GROUPS, PACKETS, basics};
use super::super::{definitions::definitions, fields, manual, stubs::stubs};
use crate::declare::Callback;
use crate::running::{Running, shown, some};

/// What an expression is shown by: rows as they are, and anything else as one column.
fn given(basic: &Basic, lua: bool, code: &str) -> String {
    match (basic.returns, lua) {
        ("rows" | "row?" | "list", _) => code.to_owned(),
        ("flow?", true) => format!("{{ got = tostring({code}) }}"),
        ("flow?" | "t", false) => format!("#{{ got: `${{{code}}}` }}"),
        (_, true) => format!("{{ got = {code} }}"),
        (_, false) => format!("#{{ got: {{ {code} }} }}"),
    }
}

/// A module that shows what an expression gives; a whole module is one already.
fn module(basic: &Basic, lua: bool) -> String {
    let code = if lua { basic.lua } else { basic.rhai };
    if code.contains('\n') {
        return code.to_owned();
    }
    let given = given(basic, lua, code);
    match (basic.of, lua) {
        ("aggregate", true) => format!("value = {{ got = {code} }}"),
        ("aggregate", false) => format!("let value = #{{ got: {code} }};"),
        ("pkt" | "flow", true) => format!(
            "function init() return {{}} end\n\
             function update(pkt, state) state.first = state.first or {given} end\n\
             function export(state) return state.first end"
        ),
        ("pkt" | "flow", false) => format!(
            "fn init() {{ #{{ first: () }} }}\n\
             fn update(pkt, state) {{ state.first = state.first ?? {given}; }}\n\
             fn export(state) {{ state.first }}"
        ),
        ("table" | "rows", true) => format!(
            "key = {{ addr = \"ip.dst\" }}\nvalue = {{ bytes = sum(\"len\") }}\n\
             function export(table) return {given} end"
        ),
        ("table" | "rows", false) => format!(
            "let key = #{{ addr: \"ip.dst\" }};\nlet value = #{{ bytes: sum(\"len\") }};\n\
             fn export(table) {{ {given} }}"
        ),
        (_, true) => format!("function update(pkt) end\nfunction export() return {given} end"),
        (_, false) => format!("fn update(pkt) {{}}\nfn export() {{ {given} }}"),
    }
}

/// What an example gives of the six packets.
fn outcome(basic: &Basic, file: &str) -> String {
    let text = module(basic, file.ends_with(".lua"));
    let kind = crate::load_text(file, &text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    let started = kind.start(&Setup::default()).unwrap_or_else(|error| panic!("{text}\n{error}"));
    let mut running = Running::of(started);
    running.at = 1000;
    running.feed(some());
    let records = running.close(false);
    if let Some(fault) = running.faults.first() {
        return fault.to_string();
    }
    let rows = match (basic.of, basic.name) {
        ("record", _) | ("callback", "store" | "load" | "print") => printed(&*kind, &records),
        ("callback", "replay") => replayed(&*kind, &records),
        ("callback", "merge") => merged(&*kind, &records),
        _ => records.iter().flat_map(shown).collect(),
    };
    let said = rows.join("; ");
    if said.is_empty() { "nil".to_owned() } else { said.replace("got=", "") }
}

fn values(records: &Records, row: usize) -> Vec<Value> {
    (0..records.schema.columns.len()).map(|at| records.value(row, at)).collect()
}

fn printed(kind: &dyn Kind, records: &[Records]) -> Vec<String> {
    let mut printer = kind.printer("plain", &Setup::default()).expect("it prints");
    let mut print = |records: &Records| {
        let line = printer.print(Ts::new(1000, 0), &records.schema, &values(records, 0));
        line.expect("no fault").expect("a line")
    };
    records.iter().map(&mut print).collect()
}

fn replayed(kind: &dyn Kind, records: &[Records]) -> Vec<String> {
    let mut replayer = kind.replayer(&Setup::default()).expect("it replays");
    let packets = replayer.replay(second(), &records[0].schema, &values(&records[0], 0));
    let packets = packets.expect("no fault");
    let weights = packets.iter().map(|packet| packet.weight);
    weights.map(|w| format!("{} packets, {} bytes", w.packets, w.bytes)).collect()
}

fn merged(kind: &dyn Kind, records: &[Records]) -> Vec<String> {
    let mut merger = kind.merger(&Setup::default()).expect("it merges");
    let row = values(&records[0], 0);
    let merged = merger.merge(second(), &records[0].schema, &row, &row).expect("no fault");
    let columns = records[0].schema.columns.iter().zip(merged);
    columns.map(|(column, value)| format!("{}={value}", column.name)).collect()
}

/// The one in which the packets came.
fn second() -> Interval {
    Interval::holding(Ts::new(1000, 0), Span::from_secs(1))
}

#[test]
fn every_example_of_a_language_gives_what_it_says() {
    let mut wrong = Vec::new();
    for basic in basics() {
        for (file, code) in [("test.lua", basic.lua), ("test.rhai", basic.rhai)] {
            let got = if code.is_empty() { basic.gives.to_owned() } else { outcome(basic, file) };
            if got != basic.gives {
                wrong.push(format!("{} in {file}: {got}, not {}", basic.path(), basic.gives));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Packets of many kinds, so that most fields are there.
fn kinds() -> Vec<Frame> {
    let mut frames = some();
    frames.extend([
        Frame::tcp("10.0.0.1:2000", "10.0.0.3:443").flags(SYN).vlan(5).payload(b"abc".to_vec()),
        Frame::udp("10.0.0.1:2000", "10.0.0.3:53").mpls(7).fragment(8, true),
        Frame::udp("10.0.0.1:2000", "10.0.0.3:53").pppoe(9),
        Frame::icmp("10.0.0.1", "10.0.0.3", 8, 0),
        Frame::icmp("2001:db8::1", "2001:db8::2", 128, 0),
        Frame::ip("10.0.0.1", "10.0.0.2", 132).payload([0, 80, 0, 90, 0, 0, 0, 0].to_vec()),
    ]);
    frames
}

#[test]
fn every_field_and_layer_reads_alike_in_both_languages() {
    let mut there = 0;
    for field in Field::ALL {
        // The exact bytes of a packet are no column of both languages' own types.
        let name = field.name();
        let lua = format!(
            "function init() return {{ n = 0, first = '' }} end\n\
             function update(pkt, state)\n  local x = pkt.{name}\n  if x ~= nil then\n    \
             state.n += 1\n    if state.n == 1 then state.first = x end\n  end\nend\n\
             function export(state) return state end"
        );
        let rhai = format!(
            "fn init() {{ #{{ n: 0, first: \"\" }} }}\n\
             fn update(pkt, state) {{\n  let x = pkt.{name};\n  if x != () {{\n    \
             state.n += 1;\n    if state.n == 1 {{ state.first = x; }}\n  }}\n}}\n\
             fn export(state) {{ state }}"
        );
        let told = [("test.lua", lua), ("test.rhai", rhai)].map(|(file, text)| {
            let running = Running::start(file, &text, &[], Limits::default());
            let mut running = running.unwrap_or_else(|error| panic!("{text}\n{error}"));
            running.feed(kinds());
            let rows = running.rows();
            running.faultless();
            rows
        });
        let [lua, rhai] = told;
        // A payload is a text in Lua.
        if field.kind() != FieldKind::Bytes {
            assert_eq!(lua, rhai, "{name}");
        }
        there += usize::from(!lua[0].contains("n=0"));
        assert!(fields::help(name).is_some_and(|page| page.contains(fields::kind(*field))));
    }
    assert!(there > 60, "{there}");
}

#[test]
fn all_that_the_core_has_stands_in_the_table() {
    let of = |group: &'static str| basics().filter(move |basic| basic.of == group);
    assert!(of("aggregate").map(|b| b.name).eq(AGGREGATES.iter().map(|usage| usage.name)));
    for basic in of("aggregate") {
        let parsed = Aggregate::parse(basic.lua).expect("an aggregate");
        assert_eq!(parsed.name(), basic.name);
    }
    assert!(of("callback").map(|b| b.name).eq(Callback::ALL.iter().map(|c| c.name())));
    for (basic, callback) in of("callback").zip(Callback::ALL) {
        let params = basic.params().iter().map(|(name, _)| name);
        assert!(params.eq(callback.params()), "{}", basic.name);
    }
    assert_eq!(PACKETS.lines().count(), 2 + some().len());
}

#[test]
fn rows_are_complete_and_stand_wherever_they_belong() {
    let (stubs, definitions, page) = (stubs(), definitions(), manual::manual());
    for basic in basics() {
        let path = basic.path();
        assert!(basic.doc.ends_with('.') && !basic.gives.is_empty(), "{path}");
        assert!(!basic.lua.is_empty() || !basic.rhai.is_empty(), "{path}");
        assert!(page.contains(&format!("### `{}`", basic.signature())), "{path}");
        assert!(manual::help(&path).is_some_and(|page| page.contains(basic.doc)), "{path}");
        let called = matches!(basic.form, Form::Call(_)) && basic.of != "callback";
        if called && !basic.rhai.is_empty() {
            let name = basic.name.trim_end_matches("()");
            assert!(definitions.contains(&format!("\nfn {name}(")), "{path}");
        }
        if called && !basic.lua.is_empty() && path != "table" {
            let group = GROUPS.iter().find(|group| group.name == basic.of).expect("a group");
            let line = match basic.is_method() {
                true => format!("\nfunction {}_methods:{}(", group.lua, basic.name),
                false => format!("\nfunction {}(", basic.name),
            };
            assert!(stubs.contains(&line), "{path}");
        }
    }
    for name in ["ts_ns", "---@operator call(table): core", "callback.update"] {
        assert!(stubs.contains(name), "{name}");
    }
    assert_eq!(manual::near("tabel.top").as_deref(), Some("table.top"));
    assert!(manual::help("tcp").is_some_and(|page| page.contains("tcp.flags.syn")));
}
