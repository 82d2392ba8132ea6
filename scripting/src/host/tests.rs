//! What scripts reach, in both languages.

use std::sync::Arc;

use como_core::lookup::{Lookups, Subject, TrieBuilder};
use como_core::module::{Grants, Limits, ModuleError, Setup};

use crate::running::{Running, check_rows, some};

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
    running.faults.into_iter().map(|fault| fault.message).collect()
}

/// Why a script does not start.
fn refused(file: &str, text: &str) -> ModuleError {
    Running::start(file, text, &[], Limits::default()).err().expect("it starts")
}

#[test]
fn a_filter_of_the_top_level_is_matched_in_update() {
    both(
        "filter = 'ip or ip6'
local web = filter('tcp port 443')
local dns = filter 'udp'
function init() return { web = 0, dns = 0, large = 0 } end
function update(pkt, state)
  if web(pkt) then state.web += 1 end
  if web:match(pkt) and pkt.tcp.flags.ack then state.large += 1 end
  if dns(pkt) then state.dns += 1 end
end
function export(state) return { web = state.web, large = state.large, dns = state.dns } end",
        "let filter = \"ip or ip6\";
const WEB = filter(\"tcp port 443\");
let dns = filter(\"udp\");
fn init() { #{ web: 0, dns: 0, large: 0 } }
fn update(pkt, state) {
  if WEB(pkt) { state.web += 1; }
  if WEB.match(pkt) && pkt.tcp.flags.ack { state.large += 1; }
  if dns.match(pkt) { state.dns += 1; }
}
fn export(state) { #{ web: state.web, large: state.large, dns: state.dns } }",
        &["web=2 large=1 dns=3"],
    );
}

#[test]
fn a_filter_goes_where_values_go() {
    both(
        "function init() return { of = { filter('tcp'), filter('arp') }, n = 0 } end
local function count(state, p)
  for _, f in state.of do
    if f(p) or f:match(p) then state.n += 1 end
  end
end
function update(pkt, state) count(state, pkt) end
function export(state) return { n = state.n, text = tostring(state.of[1]) } end",
        "fn init() { #{ of: [filter(\"tcp\"), filter(\"arp\")], n: 0 } }
fn update(pkt, state) {
  for f in state.of { if f.match(pkt) { state.n += 1; } }
}
fn export(state) { #{ n: state.n, text: state.of[0].to_string() } }",
        &["n=3 text=tcp"],
    );
}

#[test]
fn a_filter_in_check_narrows_what_is_counted() {
    both(
        "local six = filter('ip6')
function check(pkt) return six(pkt) end
value = { n = count() }",
        "const SIX = filter(\"ip6\");
fn check(pkt) { SIX.match(pkt) }
let value = #{ n: count() };",
        &["n=1"],
    );
}

#[test]
fn a_packet_in_the_hands_of_a_script_is_matched_as_well() {
    both(
        "local web = filter('tcp')
local function len(p) return if web(p) then p.len else 0 end
function init() return { n = 0, m = 0 } end
function update(pkt, state)
  state.n += len(pkt)
  if web(pkt) then state.m += 1 end
end
function export(state) return { n = state.n, m = state.m } end",
        "const WEB = filter(\"tcp\");
fn len(p) { if WEB.match(p) { p.len } else { 0 } }
fn init() { #{ n: 0, m: 0 } }
fn update(pkt, state) {
  state.n += len(pkt);
  if WEB.match(pkt) { state.m += 1; }
}
fn export(state) { #{ n: state.n, m: state.m } }",
        &["n=120 m=2"],
    );
}

#[test]
fn a_filter_that_makes_no_sense_is_refused_with_its_place() {
    for (file, text) in [
        ("test.lua", "\nlocal web = filter('tcp potr 80')\nvalue = { n = count() }"),
        ("test.rhai", "\nconst WEB = filter(\"tcp potr 80\");\nlet value = #{ n: count() };"),
        ("test.lua", "value = { n = count() }\nfunction init() filter('tcp potr 80') end"),
        ("test.rhai", "let value = #{ n: count() };\nfn init() { filter(\"tcp potr 80\") }"),
    ] {
        match refused(file, text) {
            ModuleError::Filter { line: 2, text, error, .. } => {
                assert_eq!(&text[error.at()], "potr");
            }
            other => panic!("{file}: {other}"),
        }
    }
}

#[test]
fn filters_are_compiled_at_the_start_only_and_few() {
    for (file, text) in [
        ("test.lua", "function update(pkt) filter('tcp') end\nfunction export() end"),
        ("test.rhai", "fn update(pkt) { filter(\"tcp\") }\nfn export() { }"),
        ("test.lua", "value = { n = count() }\nfunction export() filter('tcp') end"),
        ("test.rhai", "let value = #{ n: count() };\nfn export() { filter(\"tcp\"); }"),
    ] {
        let faults = faults(file, text);
        let told = faults.first().is_some_and(|f| f.contains("compiled while the module starts"));
        assert!(told, "{file}: {faults:?}");
    }
    for (file, text) in [
        ("test.lua", "for n = 1, 40 do filter('port ' .. n) end\nvalue = { n = count() }"),
        ("test.rhai", "for n in 1..40 { filter(`port ${n}`); }\nlet value = #{ n: count() };"),
    ] {
        let error = refused(file, text).to_string();
        assert!(error.ends_with(":1: filter: a script has at most 32 filters"), "{error}");
    }
    // The same one again is no other one.
    both(
        "for n = 1, 99 do filter('ip proto 6') end\nvalue = { n = count() }",
        "for n in 1..99 { filter(\"ip proto 6\"); }\nlet value = #{ n: count() };",
        &["n=6"],
    );
}

#[test]
fn what_is_no_packet_at_hand_is_matched_by_no_filter() {
    let lua = |body: &str| {
        faults(
            "test.lua",
            &format!(
                "local f = filter('tcp')\nlocal kept\nfunction update(pkt) {body} end\n\
                 function export() return {{}} end"
            ),
        )
    };
    let nothing = "a filter matches the packet that update or check was given, in that call";
    for body in ["f({})", "f(nil)", "f('x')", "f(0 / 0)", "f(f)", "f(addr('10.0.0.1'))"] {
        assert!(lua(body).iter().any(|fault| fault.contains(nothing)), "{body}: {:?}", lua(body));
    }
    for body in ["f.match({}, pkt)", "f.match(nil, pkt)", "f.match(0 / 0, pkt)"] {
        let told = lua(body).iter().any(|fault| fault.contains("a filter is asked by"));
        assert!(told, "{body}: {:?}", lua(body));
    }
    let changed = lua("f.x = 1");
    assert!(changed.iter().any(|fault| fault.contains("cannot be changed")), "{changed:?}");
    let other = lua("setmetatable({}, getmetatable(f))");
    assert!(other.iter().any(|fault| fault.contains("setmetatable")), "{other:?}");
    let rhai = |body: &str| {
        let text = format!(
            "const F = filter(\"tcp\");\nfn init() {{ #{{ kept: () }} }}\n\
             fn update(pkt, state) {{ {body} }}\nfn export() {{ #{{}} }}"
        );
        faults("test.rhai", &text)
    };
    for body in ["F.match(1)", "F.match(())", "F.match(\"x\")", "F.match(F)"] {
        let told = rhai(body).iter().any(|fault| fault.contains("a filter matches the packet"));
        assert!(told, "{body}: {:?}", rhai(body));
    }
    let kept = rhai("if state.kept != () { F.match(state.kept); } state.kept = pkt;");
    assert!(kept.iter().any(|fault| fault.contains("only valid in the call")), "{kept:?}");
}

#[test]
fn what_filters_read_is_asked_for() {
    let check = |file: &str, text: &str| {
        let running = Running::start(file, text, &[], Limits::default());
        let demand = running.unwrap_or_else(|error| panic!("{error}")).started.demand;
        assert!(demand.fields().any(|field| field.name() == "ip.ttl"), "{file}");
    };
    check("test.lua", "value = { n = count() }\nfunction init() return filter('ip.ttl < 5') end");
    check("test.rhai", "let value = #{ n: count() };\nconst F = filter(\"ip.ttl < 5\");");
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
    (rows, running.faults.into_iter().map(|fault| fault.message).collect(), denied)
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
                 the module in como.toml, or --allow {grant}; for instance "
            );
            assert!(faults.len() == 1 && faults[0].starts_with(&want), "{faults:?}");
            assert_eq!((rows.len(), denied), (0, 1), "{file}: {call}");
        }
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
  return { now = state.now or 0, late = net.asn(\"10.1.1.1\") or 0, none = net.country(\"::1\") == nil }
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
