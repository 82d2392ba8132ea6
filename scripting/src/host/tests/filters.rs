//! Filters that scripts compile and match themselves.

use super::*;

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
            ModuleError::Script(mistake) => {
                let quote = mistake.quote.expect("the line").to_string();
                let (line, carets) = quote.split_once('\n').expect("two lines");
                assert_eq!((mistake.line, line.find("potr")), (2, carets.find("^^^^")), "{quote}");
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
