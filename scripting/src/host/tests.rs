//! What scripts reach, in both languages.

mod begun;
mod filters;
mod records;
mod rows;

use std::sync::Arc;

use como_core::lookup::{Lookups, Subject, TrieBuilder};
use como_core::module::aside;
use como_core::module::{Alert, Args, Asides, Fault, Grants, Limits, ModuleError, Setup};
use como_core::packet::build::Frame;
use como_core::record::Value;
use como_core::time::Ts;

use crate::running::{Running, check_rows, some, udp};

/// Checks what both scripts make of [`some`] packets.
#[track_caller]
fn both(lua: &str, rhai: &str, want: &[&str]) {
    check_rows("test.lua", lua, &[], want);
    check_rows("test.rhai", rhai, &[], want);
}

/// The faults of a script that is fed once and closes an interval.
fn faults(file: &str, text: &str) -> Vec<String> {
    let mut running = Running::start(file, text, &[], Limits::default())
        .unwrap_or_else(|error| panic!("{error}"));
    running.feed(some());
    running.rows();
    running.faults.into_iter().map(|fault| fault.to_string()).collect()
}

/// Why a script does not start.
fn refused(file: &str, text: &str) -> ModuleError {
    Running::start(file, text, &[], Limits::default()).err().expect("it starts")
}

/// What a script with these grants makes of its first interval, and its faults.
fn granted(file: &str, text: &str, grants: &[&str]) -> (Vec<String>, Vec<String>, u64) {
    let grants = Grants::parse(grants.iter().copied()).expect("grants");
    let setup = Setup { instance: "test".into(), grants, ..Setup::default() };
    let kind = crate::load_text(file, text).unwrap_or_else(|error| panic!("{error}"));
    let mut running = Running::of(kind.start(&setup).unwrap_or_else(|error| panic!("{error}")));
    running.feed(some());
    let rows = running.rows();
    let denied = running.started.module.denied();
    (rows, running.faults.into_iter().map(|fault| fault.to_string()).collect(), denied)
}

#[test]
fn what_is_not_granted_is_denied_by_one_message_with_its_place() {
    for (call, path, grant) in [
        ("time.now()", "time.now", "clock"),
        ("dns.name_of(\"10.0.0.1\")", "dns.name_of", "dns"),
        ("dns.addr_of(\"host.invalid\")", "dns.addr_of", "dns"),
        ("file.read(\"/etc/hosts\")", "file.read", "file:/etc/hosts"),
        ("file.read(\"hosts\")", "file.read", "file:/FOLDER"),
        ("http.fetch(\"http://example.com:81/x\")", "http.fetch", "http:example.com:81"),
    ] {
        let lua =
            format!("function update(pkt) end\nfunction export()\n return {{ n = {call} }}\nend");
        let rhai = format!("fn update(pkt) {{}}\nfn export() {{\n #{{ n: {call} }}\n}}");
        for (file, text) in [("test.lua", lua), ("test.rhai", rhai)] {
            // Another grant helps nobody.
            let others = ["clock", "dns", "file:/var/none", "http:example.com"];
            // What begins nowhere would begin at the first path granted.
            let helps =
                |other: &&str| *other != grant && (grant != "file:/FOLDER" || other.len() < 8);
            let others: Vec<&str> = others.into_iter().filter(helps).collect();
            let (rows, faults, denied) = granted(file, &text, &others);
            let want = format!(
                "{file}:3: {path}: is not granted: the operator may add `allow = [\"{grant}\"]` to \
                 the module in como.toml, or --allow {grant}"
            );
            assert_eq!(faults, [want]);
            assert_eq!((rows.len(), denied), (0, 1), "{file}: {call}");
        }
    }
}

#[test]
fn packets_that_fail_are_passed_over_and_what_is_left_out_is_told() {
    let lua = "function init() return { n = 0 } end
function update(pkt, state) state.n += pkt.packets; local x = pkt.dport + 1 end
function export(state) return { n = state.n } end";
    let rhai = "fn init() { #{ n: 0 } }
fn update(pkt, state) { state.n += pkt.packets; if pkt.dport == () { throw \"no port\"; } }
fn export(state) { #{ n: state.n } }";
    let arp = || Frame::arp("10.0.0.1", "10.0.0.2", true).len(60);
    for (file, text) in [("test.lua", lua), ("test.rhai", rhai)] {
        for (fail, pass, n, left) in [(10, 40, 50, ""), (300, 5, 256, "; 49 packets behind it")] {
            let limits = Limits { call_ms_max: 5000, ..Limits::default() };
            let mut running = Running::start(file, text, &[], limits).expect("a start");
            let frames = (0..fail).map(|_| arp());
            running.feed(frames.chain((0..pass).map(|_| udp("10.0.0.1", "10.0.0.2", 60))));
            assert_eq!(running.rows(), [format!("n={n}")], "{file}");
            let [fault] = running.faults.as_slice() else { panic!("{:?}", running.faults) };
            let told = fault.to_string();
            let told = told.split_once(" were left out").map_or("", |(told, _)| told);
            assert!(fault.limit.is_none() && told.ends_with(left), "{fault:?}");
            assert_eq!(told.is_empty(), left.is_empty(), "{fault:?}");
        }
    }
}

#[test]
fn what_a_script_says_forges_no_line_of_the_log() {
    let said = "e; f\\n2026-01-01T00:00:00Z ERROR forged";
    let lua = format!("value = {{ n = count() }}\nfunction export() error(\"{said}\") end");
    let rhai = format!("let value = #{{ n: count() }};\nfn export(t) {{ throw \"{said}\"; }}");
    for (file, text) in [("test.lua", &lua), ("test.rhai", &rhai)] {
        assert_eq!(faults(file, text), [format!("{file}:2: {said}")]);
    }
    let top =
        [("test.lua", format!("error(\"{said}\")")), ("test.rhai", format!("throw \"{said}\";"))];
    for (file, text) in top {
        let error = crate::load_text(file, &text).err().expect("it loads").to_string();
        assert!(error.contains(said) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn a_doc_has_a_length() {
    let lua = "doc = string.rep('x', 1e6) value = { n = count() }";
    let rhai = "let doc = \"\"; doc.pad(1000000, \"x\"); let value = #{ n: count() };";
    for (file, text) in [("test.lua", lua), ("test.rhai", rhai)] {
        let error = crate::load_text(file, text).err().expect("it loads").to_string();
        assert!(error.contains("`doc` has 1000000 bytes, and at most 65536 may be"), "{error}");
    }
}

#[test]
fn what_is_denied_is_counted_where_the_script_hides_it() {
    let lua = "function update(pkt) pcall(time.now) end\nfunction export() return { n = 1 } end";
    let rhai = "fn update(pkt) { try { time.now(); } catch {} }\nfn export() { #{ n: 1 } }";
    for (file, text) in [("test.lua", lua), ("test.rhai", rhai)] {
        let (rows, faults, denied) = granted(file, text, &[]);
        assert_eq!((rows.len(), faults, denied), (1, vec![], 6), "{file}");
    }
}

#[test]
fn what_might_wait_is_not_asked_for_while_packets_pass() {
    let folder = tempfile::tempdir().expect("a folder");
    let file_grant = format!("file:{}", folder.path().display());
    let grants = ["dns", &file_grant, "http:192.0.2.1"];
    for call in
        ["dns.name_of(\"10.0.0.1\")", "file.read(\"x\")", "http.fetch(\"http://192.0.2.1/\")"]
    {
        let lua = format!("function update(pkt) {call} end\nfunction export() end");
        let rhai = format!("fn update(pkt) {{ {call}; }}\nfn export() {{}}");
        for (file, text) in [("test.lua", lua), ("test.rhai", rhai)] {
            let (_, faults, denied) = granted(file, &text, &grants);
            let told = faults.iter().any(|f| f.contains("is not to be had while packets pass"));
            assert!(told && denied == 0, "{file}: {faults:?}");
        }
        let (lua, rhai) = (format!("x = {call}"), format!("let x = {call};"));
        for (file, text) in [("test.lua", lua), ("test.rhai", rhai)] {
            let error = crate::load_text(file, &text).err().expect("it loads").to_string();
            assert!(error.contains("the top level runs before the module is anyone's"), "{error}");
        }
    }
}

#[test]
fn a_granted_file_is_read_in_init() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("bad.txt"), "10.0.0.1\n10.0.0.2\n").expect("written");
    let grant = format!("file:{}", folder.path().display());
    let lua = "function init()
  local bad = {}
  for line in string.gmatch(file.read('bad.txt'), '[^\\n]+') do bad[addr(line)] = true end
  return { bad = bad, n = 0, none = file.read('none.txt') == nil }
end
function update(pkt, state) if state.bad[pkt.ip.src] then state.n += 1 end end
function export(state) return { n = state.n, none = state.none } end";
    let rhai = "fn init() {
  let bad = table();
  for line in file.read(\"bad.txt\").split(\"\\n\") { if line != \"\" { bad[addr(line)] = true; } }
  #{ bad: bad, n: 0, none: file.read(\"none.txt\") == () }
}
fn update(pkt, state) { if pkt.ip.src != () && state.bad[pkt.ip.src] == true { state.n += 1; } }
fn export(state) { #{ n: state.n, none: state.none } }";
    for (file, text) in [("test.lua", lua), ("test.rhai", rhai)] {
        let text = if file == "test.lua" {
            text.replace(
                "if state.bad[pkt.ip.src]",
                "local src = pkt.ip.src\n  if src and state.bad[src]",
            )
        } else {
            text.to_owned()
        };
        let (rows, faults, _) = granted(file, &text, &[&grant]);
        assert_eq!((rows, faults), (vec!["n=3 none=true".to_owned()], vec![]), "{file}");
    }
}

#[test]
fn what_is_known_of_an_address_is_that_of_the_table_at_hand() {
    let table = |value: u32| {
        let mut builder = TrieBuilder::default();
        builder.add("10.0.0.0".parse().expect("an address"), 8, value).expect("room");
        Lookups::default().with(Subject::Asn, Arc::new(builder.build().expect("a table")))
    };
    let lua = "function init() return {} end
function update(pkt, state) state.now = net.asn(\"10.1.1.1\") end
function export(state)
  return { now = state.now or 0, late = net.asn(\"10.1.1.1\") or 0, none = net.country(\"::1\") == \
  nil }
end";
    let rhai = "fn init() { #{ now: () } }
fn update(pkt, state) { state.now = net.asn(\"10.1.1.1\"); }
fn export(state) {
  #{ now: state.now ?? 0, late: net.asn(\"10.1.1.1\") ?? 0, none: net.country(\"::1\") == () }
}";
    for (file, text) in [("test.lua", lua), ("test.rhai", rhai)] {
        let kind = crate::load_text(file, text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(kind.looks_up(), Subject::ALL, "{file}");
        let setup = Setup { lookups: Arc::new(table(64500)), ..Setup::default() };
        let mut running = Running::of(kind.start(&setup).unwrap_or_else(|error| panic!("{error}")));
        let mut batch = running.batch(some());
        batch.set_lookups(&setup.lookups);
        running.feed_batch(&batch);
        assert_eq!(running.rows(), ["now=64500 late=64500 none=true"], "{file}");
        let mut batch = running.batch(some());
        batch.set_lookups(&Arc::new(table(64501)));
        running.feed_batch(&batch);
        assert_eq!(running.rows(), ["now=64501 late=64501 none=true"], "{file}");
        running.faultless();
        // Without any table there is nothing.
        let mut running = Running::start(file, text, &[], Limits::default()).expect("a start");
        running.feed(some());
        assert_eq!(running.rows(), ["now=0 late=0 none=true"], "{file}");
    }
    let none =
        crate::load_text("test.lua", "-- net.asn\nvalue = { n = count() }").expect("a script");
    assert_eq!(none.looks_up(), []);
}

/// What a script says beside its records of its first interval, and its faults.
fn said(file: &str, text: &str) -> (Asides, Vec<String>, u64) {
    let mut running = Running::start(file, text, &[], Limits::default())
        .unwrap_or_else(|error| panic!("{error}"));
    running.feed(some());
    running.rows();
    let module = &mut running.started.module;
    let (asides, unheard) = (module.asides(), module.unheard());
    assert!(module.asides().is_empty(), "what is taken is gone");
    (asides, running.faults.into_iter().map(|fault| fault.to_string()).collect(), unheard)
}

#[test]
fn alerts_are_raised_with_their_fields() {
    let lua = "function update(pkt)
  if pkt.arp then alert('info', 'who has\\n?', { n = 1.5, ok = true, at = addr('10.0.0.1'), q = \
  '\"x\"' }) end
end
function export()
  assert(alert{ severity = 'critical', text = 'closing', left = 3 })
  alert('warning', 'bare')
end";
    let rhai = "fn update(pkt) {
  if pkt.arp != () { alert(\"info\", \"who has\\n?\", #{ n: 1.5, ok: true, at: addr(\"10.0.0.1\"), \
  q: \"\\\"x\\\"\" }); }
}
fn export() {
  if !alert(#{ severity: \"critical\", text: \"closing\", left: 3 }) { throw \"no\"; }
  alert(\"warning\", \"bare\");
  ()
}";
    for (file, text) in [("test.lua", lua), ("test.rhai", rhai)] {
        let (asides, faults, unheard) = said(file, text);
        assert_eq!((faults, unheard), (vec![], 0), "{file}");
        let shown = |alert: &Alert| {
            let Alert { severity, text, fields, .. } = alert;
            format!("{} {text} {fields}", severity.name())
        };
        let shown: Vec<String> = asides.alerts.iter().map(shown).collect();
        assert_eq!(
            shown,
            [
                r#"info who has\n? {"at":"10.0.0.1","n":1.5,"ok":true,"q":"\"x\""}"#,
                r#"critical closing {"left":3}"#,
                "warning bare ",
            ],
            "{file}"
        );
        let records = aside::records("watch", &asides.alerts);
        assert_eq!(
            crate::running::shown(&records)[1],
            r#"module=watch severity=critical text=closing fields={"left":3}"#
        );
    }
}

#[test]
fn alerts_are_bounded_by_the_minute_and_the_rest_is_counted() {
    let lua = "function update(pkt) for n = 1, 20 do alert('info', string.rep('x', 1000)) end end
function export() return { n = alert('info', 'x') and 1 or 0 } end";
    let rhai = "fn update(pkt) { let x = \"\"; x.pad(1000, \"x\"); for n in 0..20 { \
        alert(\"info\", x); } }
fn export() { #{ n: if alert(\"info\", \"x\") { 1 } else { 0 } } }";
    for (file, text) in [("test.lua", lua), ("test.rhai", rhai)] {
        let (asides, faults, unheard) = said(file, text);
        assert_eq!((faults, asides.alerts.len(), unheard), (vec![], 60, 61), "{file}");
        assert!(asides.alerts.iter().all(|alert| alert.text.len() == 400), "{file}");
    }
}

#[test]
fn rows_go_to_declared_outputs() {
    let lua =
        "outputs = { slow = { src = 'addr', ms = 'uint milliseconds' }, none = { n = 'uint' } }
function update(pkt) if pkt.udp then output('slow', { src = pkt.ip.src, ms = pkt.len }) end end
function export() output('slow', { ms = 7 }) end";
    let rhai = "let outputs = #{ slow: #{ src: \"addr\", ms: \"uint milliseconds\" }, none: #{ n: \
        \"uint\" } };
fn update(pkt) { if pkt.udp != () { output(\"slow\", #{ src: pkt.ip.src, ms: pkt.len }); } }
fn export() { output(\"slow\", #{ ms: 7 }); () }";
    for (file, text) in [("test.lua", lua), ("test.rhai", rhai)] {
        let kind = crate::load_text(file, text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(kind.manifest().outputs, ["slow", "none"], "{file}");
        let (asides, faults, _) = said(file, text);
        assert_eq!(faults, Vec::<String>::new(), "{file}");
        let [(name, records)] = &asides.outputs[..] else { panic!("{:?}", asides.outputs) };
        let rows = crate::running::shown(records);
        assert_eq!(
            (&**name, rows.iter().map(String::as_str).collect::<Vec<_>>()),
            (
                "slow",
                vec![
                    "src=10.0.0.1 ms=100",
                    "src=10.0.0.2 ms=200",
                    "src=2001:db8::2 ms=150",
                    "src=- ms=7"
                ]
            ),
            "{file}"
        );
    }
}

#[test]
fn what_does_not_fit_an_alert_or_an_output_is_said() {
    let cases = [
        ("alert(word, 'x')", "alert(WORD, \"x\")", "one of info, warning, critical"),
        ("alert('info')", "alert(\"info\", ())", "argument 2 is a text, not nil"),
        ("alert('info', {}, {})", "alert(\"info\", [], #{})", ""),
        (
            "alert('info', 'x', { t = {} })",
            "alert(\"info\", \"x\", #{ t: [] })",
            "no value of a record",
        ),
        (
            "output(word, { n = 1 })",
            "output(WORD, #{ n: 1 })",
            "no output `urgent`; declared are o",
        ),
        (
            "output('o', { n = 'x' })",
            "output(\"o\", #{ n: \"x\" })",
            "`n` is text, and `schema` says uint",
        ),
        ("output('o', { m = 1 })", "output(\"o\", #{ m: 1 })", "output `o` has no column `m`"),
        (
            "output(0 / 0, { n = 1 })",
            "output(0.0 / 0.0, #{ n: 1 })",
            "argument 1 is the name of an output",
        ),
        ("output('o', 1)", "output(\"o\", 1)", ""),
    ];
    for (lua, rhai, want) in cases {
        let lua = format!(
            "outputs = {{ o = {{ n = 'uint' }} }} local word = 'urgent'\nfunction update() \
                end\nfunction export()\n {lua}\nend"
        );
        let rhai = format!(
            "let outputs = #{{ o: #{{ n: \"uint\" }} }}; const WORD = \"urgent\";\nfn update(pkt) \
                {{}}\nfn export() {{\n {rhai};\n}}"
        );
        for (file, text) in [("test.lua", lua), ("test.rhai", rhai)] {
            let (asides, faults, _) = said(file, &text);
            let told = faults.len() == 1
                && faults[0].contains(want)
                && faults[0].starts_with(&format!("{file}:4:"));
            assert!(told && asides.is_empty(), "{text}: {faults:?}");
        }
    }
    for (file, text) in [
        ("test.lua", "value = { n = count() }\nalert('info', 'x')"),
        ("test.rhai", "let value = #{ n: count() };\nalert(\"info\", \"x\");"),
    ] {
        let error = refused(file, text).to_string();
        assert!(error.contains(":2: alert: the top level runs before any packet"), "{error}");
    }
    for (lua, rhai, want) in [
        ("outputs = 1", "let outputs = 1;", "`outputs` must be a map"),
        ("outputs = { a = 1 }", "let outputs = #{ a: 1 };", "`outputs.a` must be a map"),
        (
            "outputs = { a = { ts = 'time' } }",
            "let outputs = #{ a: #{ ts: \"time\" } };",
            "`outputs.a.ts`",
        ),
        (
            "outputs = { ['a/b'] = { n = 'uint' } }",
            "let outputs = #{ \"a/b\": #{ n: \"uint\" } };",
            "`a/b` names no output",
        ),
    ] {
        for (file, text) in [("test.lua", lua), ("test.rhai", rhai)] {
            let error = crate::load_text(file, text).err().expect("it loads").to_string();
            assert!(error.contains(want), "{error}");
        }
    }
}

#[test]
fn names_that_no_output_and_no_alert_has_are_told_before_it_starts_and_with_the_rest() {
    let lua = "outputs = { o = { a = 'uint', b = 'adr' }, late = { n = 'uint' } }
value = { n = count() }
function export(t) alert('warn', 'x') output('oo', { a = 1 }) output('late', { n = 1 }) return t end
function other() output('nothing like it', { a = 1 }) end";
    let rhai = "let outputs = #{ o: #{ a: \"uint\", b: \"adr\" }, late: #{ n: \"uint\" } };
let value = #{ n: count() };
fn export(t) { alert(\"warn\", \"x\"); output(\"oo\", #{ a: 1 }); output(\"late\", #{ n: 1 }); t }
fn other() { output(\"nothing like it\", #{ a: 1 }); }";
    for (file, text) in [("test.lua", lua), ("test.rhai", rhai)] {
        let error = refused(file, text).to_string();
        let lines: Vec<&str> = error.lines().collect();
        let want = [
            "1: `outputs.o.b` must be a type",
            "3: there is no severity `warn`; an alert is one of info, warning, critical",
            "3: there is no output `oo`; declared are o, late",
            "4: there is no output `nothing like it`; declared are o, late",
        ];
        assert_eq!(lines.len(), want.len(), "{error}");
        for want in want {
            assert!(lines.iter().any(|line| line.contains(want)), "{error}");
        }
    }
    let own = "local function output(name) return name end
value = { n = count() }
function export(t) output('x', 1) return t end";
    Running::start("test.lua", own, &[], Limits::default()).expect("a function of its own");
}

#[test]
fn whatever_may_look_at_packets_one_by_one_gets_packets() {
    let check = |file: &str, text: &str, want: bool| {
        let running = Running::start(file, text, &[], Limits::default());
        let demand = running.unwrap_or_else(|error| panic!("{error}")).started.demand;
        assert_eq!(demand.is_singly(), want, "{file}: {text}");
    };
    let lua = |body: &str| {
        format!(
            "function init() return {{ n = 0, of = {{}} }} end\n\
             function update(pkt, s)\n{body}\nend\nfunction export(s) return {{}} end"
        )
    };
    check("a.lua", &lua("s.n += pkt.packets"), false);
    check(
        "a.lua",
        &lua("local d = pkt.ip.dst\nif d then s.of[d] = (s.of[d] or 0) + pkt.bytes end"),
        false,
    );
    check("a.lua", &lua("s.n += 1"), true);
    check("a.lua", &lua("local d = tostring(pkt.ip.dst) s.of[d] = (s.of[d] or 0) + 1"), true);
    check("a.lua", &lua("s.n += pkt.len"), true);
    let declared = "key = { dst = 'ip.dst' } value = { n = count() }";
    check("a.lua", declared, false);
    let checked = |test: &str| format!("{declared}\nfunction check(pkt, s) return {test} end");
    check("a.lua", &checked("pkt.tcp ~= nil"), false);
    check("a.lua", &checked("math.random() < 0.5"), true);
    let declared = "let key = #{ dst: \"ip.dst\" }; let value = #{ n: count() };";
    check("a.rhai", declared, false);
    check(
        "a.rhai",
        "fn init() { #{ n: 0 } } fn update(pkt, s) { s.n += 1; } fn export(s) { [] }",
        true,
    );
}
