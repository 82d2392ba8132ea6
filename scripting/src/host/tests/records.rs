//! What scripts reach while they show, replay or merge records that were made before.

use como_core::record::{Column, Schema, Type};
use como_core::time::{Interval, Span};

use super::*;

/// Callbacks for records, in which `CALL` is what a test is about.
const LUA: &str = "args = { unit = 'B' }
key = { src = 'ip.src' }
value = { n = count() }
outputs = { slow = { ms = 'uint' } }
function export(table) return { text = 'x' } end
function print(record, format)
 return `{args.unit} {CALL}`
end
function replay(record)
 return { packets = CALL and 7 or 9 }
end
function merge(a, b)
 return { text = `{args.unit} {CALL}` }
end";
const RHAI: &str = "let args = #{ unit: \"B\" };
let key = #{ src: \"ip.src\" };
let value = #{ n: count() };
let outputs = #{ slow: #{ ms: \"uint\" } };
fn export(table) { #{ text: \"x\" } }
fn print(record, format) {
 let got = CALL; `${args.unit} ${got}`
}
fn replay(record) {
 let got = CALL; #{ packets: if got != () && got != false { 7 } else { 9 } }
}
fn merge(a, b) {
 let got = CALL; #{ text: `${args.unit} ${got}` }
}";

/// What the three callbacks make of one record, where they call this.
fn three(file: &str, call: (&str, &str), setup: &Setup) -> [Result<String, String>; 3] {
    let text = match file {
        "test.lua" => LUA.replace("CALL", call.0),
        _ => RHAI.replace("CALL", call.1),
    };
    let kind = crate::load_text(file, &text).unwrap_or_else(|error| panic!("{error}"));
    let schema = Schema::new([Column::new("text", Type::Text)]);
    let (ts, values) = (Ts::new(7, 0), [Value::from("x")]);
    let interval = Interval::holding(ts, Span::from_secs(1));
    let told = |fault: Fault| fault.to_string();
    let printed = kind.printer("plain", setup).expect("prints").print(ts, &schema, &values);
    let replayed =
        kind.replayer(setup).expect("replays").replay(interval, &schema, &values).map_err(told);
    let merged = kind.merger(setup).expect("merges").merge(interval, &schema, &values, &values);
    [
        printed.map_err(told).map(Option::unwrap_or_default),
        replayed.map(|packets| packets.iter().map(|p| p.weight.packets.to_string()).collect()),
        merged.map_err(told).map(|values| values[0].to_string()),
    ]
}

#[track_caller]
fn gives(call: (&str, &str), setup: &Setup, want: &str) {
    for file in ["test.lua", "test.rhai"] {
        let is_default = setup.args.iter().next().is_none();
        let unit = format!("{} {want}", if is_default { "B" } else { "bit" });
        let all = [Ok(unit.clone()), Ok("7".to_owned()), Ok(unit)];
        assert_eq!(three(file, call, setup), all, "{file}: {call:?}");
    }
}

#[test]
fn records_are_read_with_what_their_instance_was_given() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("name"), "here").expect("written");
    let file_grant = format!("file:{}", folder.path().display());
    let mut builder = TrieBuilder::default();
    builder.add("10.0.0.0".parse().expect("an address"), 8, 64500).expect("room");
    let table = Arc::new(builder.build().expect("a table"));
    let setup = Setup {
        args: Args::parse(["unit=bit"]).expect("an argument"),
        grants: Grants::parse(["clock", &file_grant]).expect("grants"),
        lookups: Arc::new(Lookups::default().with(Subject::Asn, table)),
        ..Setup::default()
    };
    gives(("net.asn('10.1.1.1')", "net.asn(\"10.1.1.1\")"), &setup, "64500");
    gives(("file.read('name')", "file.read(\"name\")"), &setup, "here");
    gives(("time.now() > 1700000000", "time.now() > 1700000000"), &setup, "true");
    gives(("text.hex('A')", "text.hex(\"A\")"), &Setup::default(), "41");
}

#[test]
fn records_that_were_made_raise_no_alert_and_write_no_output() {
    for (call, what) in [
        (("alert('info', 'x')", "alert(\"info\", \"x\")"), "alert"),
        (("output('slow', { ms = 7 })", "output(\"slow\", #{ ms: 7 })"), "output"),
    ] {
        for (file, lines) in [("test.lua", [7, 10, 13]), ("test.rhai", [7, 10, 13])] {
            for (line, got) in lines.into_iter().zip(three(file, call, &Setup::default())) {
                let want = format!(
                    "{file}:{line}: {what}: records that are shown, replayed or merged were made \
                     before: call it in update or export"
                );
                assert_eq!(got, Err(want), "{file}");
            }
        }
    }
    let made = ("table{ value = { n = 'count()' } }", "table(#{ value: #{ n: count() } })");
    for file in ["test.lua", "test.rhai"] {
        for got in three(file, made, &Setup::default()) {
            assert!(got.as_ref().is_err_and(|e| e.contains("make tables in init")), "{got:?}");
        }
    }
}

#[test]
fn what_two_records_become_is_bounded() {
    let lua = "key = { src = 'ip.src' }
value = { n = count() }
function export(table) return { a = 'x', b = 'x' } end
function merge(a, b)
 local half = string.rep('x', 600000)
 return { a = half, b = half }
end";
    let rhai = "let key = #{ src: \"ip.src\" };
let value = #{ n: count() };
fn export(table) { #{ a: \"x\", b: \"x\" } }
fn merge(a, b) {
 let half = \"\"; half.pad(500000, \"x\");
 #{ a: half, b: half, c: half }
}";
    let schema = Schema::new(["a", "b", "c"].map(|name| Column::new(name, Type::Text)));
    let interval = Interval::holding(Ts::new(7, 0), Span::from_secs(1));
    let values = ["x", "y", "z"].map(Value::from);
    let limits = Limits { call_ms_max: 5000, ..Limits::default() };
    let setup = Setup { limits, ..Setup::default() };
    for (file, text) in [("test.lua", lua), ("test.rhai", rhai)] {
        let kind = crate::load_text(file, text).unwrap_or_else(|error| panic!("{error}"));
        let mut merger = kind.merger(&setup).expect("merges");
        let fault = merger.merge(interval, &schema, &values, &values).expect_err("too much");
        // In Rhai no map may hold so much in the first place.
        let told = fault.to_string().contains("a record of more than 1048576 bytes");
        assert!(fault.limit.is_some() && (told || file == "test.rhai"), "{fault:?}");
    }
}
