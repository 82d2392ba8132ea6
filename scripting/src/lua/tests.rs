//! Scripts from outside: what goes in, what comes out, what is refused.

mod hostile;
mod mistakes;
mod nowhere;
mod payload;
mod records;

use como_core::intern::Interner;
use como_core::module::{Args, Fault, Kind, Limits, ModuleError, Setup};
use como_core::packet::build::Frame;
use como_core::selection::Selection;
use como_core::time::{Interval, Ts};

use crate::running::{Running, check_rows, shown, some, udp};

fn load(text: &str) -> Result<std::sync::Arc<dyn Kind>, ModuleError> {
    crate::load_text("test.lua", text)
}

fn start_with(text: &str, args: &[&str], limits: Limits) -> Result<Running, ModuleError> {
    Running::start("test.lua", text, args, limits)
}

#[track_caller]
fn start(text: &str) -> Running {
    match start_with(text, &[], Limits::default()) {
        Ok(running) => running,
        Err(error) => panic!("{error}"),
    }
}

/// The rows a script makes of [`some`] packets, without any fault.
#[track_caller]
fn check(text: &str, args: &[&str], want: &[&str]) {
    check_rows("test.lua", text, args, want);
}

const TOP: &str = r#"-- Top destinations by bytes.
filter = "ip"
args   = { n = 20, interval = "5s" }
key    = { addr = "ip.dst" }
value  = { bytes = sum("len"), packets = count() }

function export(table, long, args)
  return table:top("bytes", args.n)
end
"#;

#[test]
fn the_example_of_the_manual_runs_as_it_stands() {
    check(
        TOP,
        &["n=2"],
        &["addr=10.0.0.9 bytes=300 packets=2", "addr=2001:db8::1 bytes=150 packets=1"],
    );
    let kind = load(TOP).expect("loads");
    let manifest = kind.manifest();
    assert_eq!(
        (manifest.name.as_str(), manifest.doc.as_str()),
        ("test", "Top destinations by bytes.")
    );
    assert_eq!((manifest.filter.as_str(), manifest.language), ("ip", "lua"));
    assert_eq!(start(TOP).started.interval.to_string(), "5s");
}

const UPDATE: &str = r#"-- Bytes by destination, by hand.
filter = "ip"
args = { n = 3 }
function init(args) return { bytes = {} } end
function update(pkt, state)
  local dst = pkt.ip.dst
  if dst then state.bytes[dst] = (state.bytes[dst] or 0) + pkt.len end
end
function export(state, long, args)
  local rows = {}
  for addr, bytes in state.bytes do table.insert(rows, { addr = addr, bytes = bytes }) end
  table.sort(rows, function(a, b)
    if a.bytes ~= b.bytes then return a.bytes > b.bytes end
    return a.addr < b.addr
  end)
  return table.move(rows, 1, args.n, 1, {})
end
"#;

#[test]
fn an_update_in_lua_counts_by_address() {
    check(
        UPDATE,
        &[],
        &["addr=10.0.0.9 bytes=300", "addr=2001:db8::1 bytes=150", "addr=10.0.0.1 bytes=60"],
    );
}

#[test]
fn state_begins_anew_with_every_interval_and_long_lives_on() {
    let text = r#"
function init(args, last) return { n = 0, before = last and last.n } end
function update(pkt, state) state.n = state.n + pkt.packets end
function export(state, long)
  long.all = (long.all or 0) + state.n
  return { n = state.n, before = state.before, all = long.all }
end
"#;
    let mut running = start(text);
    running.feed(some());
    assert_eq!(running.rows(), ["n=6 all=6"]);
    running.feed(some().into_iter().take(2));
    assert_eq!(running.rows(), ["n=2 before=6 all=8"]);
    assert_eq!(running.rows(), ["n=0 before=2 all=8"]);
    running.faultless();
}

#[test]
fn arguments_are_read_with_what_the_user_set() {
    let text = r#"
args  = { ["use-src"] = false, n = 10 }
key   = { addr = args["use-src"] and "ip.src" or "ip.dst" }
value = { packets = count() }
function export(table, long, given)
  assert(args.n == given.n and args.interval == "1s")
  return table:top("packets", 1)
end
"#;
    check(text, &[], &["addr=10.0.0.9 packets=2"]);
    check(text, &["use_src=true"], &["addr=10.0.0.1 packets=2"]);
    let error = |args| start_with(text, args, Limits::default()).err().map(|e| e.to_string());
    assert_eq!(
        error(&["colour=1"]).as_deref(),
        Some("module `test` has no argument `colour`; it takes use-src, n, interval")
    );
    assert!(error(&["n=x"]).is_some_and(|e| e.contains("not a whole number")));
}

#[test]
fn absent_fields_are_nil_by_whatever_name_the_packet_goes() {
    let rows = ["arp=1 syn=2 web=1"];
    for (top, local, src, syn, dport) in [
        ("", "", "pkt.ip.src", "pkt.tcp.flags.syn", "pkt.tcp.dport"),
        (
            "",
            "local s = `{pkt.ip.src} \
            {pkt.sport}`",
            "pkt.ip.src",
            "pkt.tcp.flags.syn",
            "pkt.dport",
        ),
        ("", "local p = pkt", "p.ip.src", "p.tcp.flags.syn", "p.tcp.dport"),
        (
            "local function src(p) return p.ip.src end local function syn(p) return \
                p.tcp.flags.syn end
             local function dport(p) return `{p.tcp.dport}` end",
            "",
            "src(pkt)",
            "syn(pkt)",
            "tonumber(dport(pkt))",
        ),
        (
            "",
            "local list, t = { pkt }, { p = pkt }",
            "list[1].ip.src",
            "t.p.tcp.flags.syn",
            "list[1].tcp.dport",
        ),
        (
            "local function same(p) return p end",
            "",
            "same(pkt).ip.src",
            "same(pkt).tcp.flags.syn",
            "same(pkt).tcp.dport",
        ),
    ] {
        let text = format!(
            "{top}
             function init() return {{ arp = 0, syn = 0, web = 0 }} end
             function update(pkt, state)
               {local}
               if {src} == nil then state.arp += 1 end
               if {syn} then state.syn += 1 end
               if {dport} == 443 then state.web += 1 end
             end
             function export(state) return state end"
        );
        check(&text, &[], &rows);
    }
    let text = "local function f(p) return p.ip.src end
        function update(pkt, state) f(pkt) f({ ip = { src = 1 } }) f({}) end
        function export(state) end";
    let mut running = start(text);
    running.feed(some());
    running.rows();
    let message = running.faults.first().map(|fault| fault.mistake.to_string()).unwrap_or_default();
    assert!(message.contains("`p.ip` is nil, and has no `src`"), "{message}");
}

#[test]
fn fields_read_inside_texts_are_prepared() {
    let text = "function init() return {} end
        function update(pkt, state)
          local k = `{pkt.ip.src}>{pkt.dport}`
          state[k] = (state[k] or 0) + pkt.len
        end
        function export(state) return { all = state[\"nil>nil\"], one = state[\"10.0.0.1>53\"] } \
        end";
    check(text, &[], &["all=60 one=100"]);
}

#[test]
fn absent_fields_are_nil_and_absent_layers_too() {
    let text = r#"
function init() return { tcp = 0, syn = 0, none = 0, arp = 0, udp = 0, flags = 0 } end
function update(pkt, state)
  if pkt.tcp then state.tcp += 1 end
  if pkt.tcp.flags.syn then state.syn += 1 end
  if pkt.tcp.dport == nil and pkt.ip.src == nil then state.none += 1 end
  if pkt.arp.op == 1 then state.arp += 1 end
  if pkt.udp ~= nil then state.udp += pkt.udp.dport end
  state.flags += pkt.tcp.flags or 0
end
function export(state) return state end
"#;
    check(text, &[], &["tcp=2 syn=2 none=1 arp=1 udp=159 flags=20"]);
}

#[test]
fn what_the_scan_cannot_follow_is_fetched() {
    let text = r#"
local function count(p, state)
  if p.tcp then state.tcp += p.tcp.dport end
  local name = "sport"
  state.sport += p[name] or 0
  if p.ip then state.ttl += p.ip.ttl end
  if p.ip and p.ip.flags.df then state.df += 1 end
  if p.tcp and p.tcp.flags.syn then state.syn += 1 end
end
function init() return { tcp = 0, sport = 0, ttl = 0, df = 0, syn = 0, alias = 0 } end
function update(pkt, state)
  count(pkt, state)
  local tcp = pkt.tcp
  if tcp and tcp.flags.ack then state.alias += tcp.sport end
end
function export(state) return state end
"#;
    check(text, &[], &["tcp=2443 sport=5443 ttl=320 df=0 syn=2 alias=443"]);
}

#[test]
fn a_callback_may_be_any_function_of_the_script() {
    let script = "local function tally(pkt, s) if pkt.tcp then s.n += pkt.tcp.dport end end\n\
                  local function make() return tally end\nlocal held = { f = tally }\n\
                  function init() return { n = 0 } end\nfunction export(s) return s end\n";
    let ways = [
        "update = tally",
        "update = (tally)",
        "update = make()",
        "update = held.f",
        "update = if held then tally else nil",
        "function update(...) tally(...) end",
    ];
    for way in ways {
        check(&format!("{script}{way}\n"), &[], &["n=2443"]);
    }
}

#[test]
fn what_stands_before_a_field_is_evaluated_once() {
    let text = "local asked = 0\n\
                local function index() asked += 1 return { len = 7 } end\n\
                local it = setmetatable({}, { __index = index })\n\
                function init() return { n = 0, asked = 0 } end\n\
                function export(s) s.asked = asked return s end\n\
                function update(pkt, s)\n\
                  local all = { pkt }\n\
                  s.n += if all[1].len > 0 then it.next.len else 0\n\
                end\n";
    check(text, &[], &["n=42 asked=6"]);
}

#[test]
fn a_local_with_the_name_of_a_callback_is_none() {
    for name in ["check", "same"] {
        let text = format!(
            "local function {name}(a, b) return a == b end\n\
             function init() return {{ n = 0 }} end\nfunction export(s) return s end\n\
             function update(pkt, s) if {name}(pkt.ip and pkt.ip.ttl, 64) then s.n += 1 end end\n"
        );
        check(&text, &[], &["n=5"]);
    }
}

#[test]
fn times_lengths_and_payload_are_as_the_manual_says() {
    let text = r#"
function update(pkt, state)
  state.at = pkt.ts
  state.exact = tostring(pkt.ts_ns)
  state.diff = pkt.ts_ns - pkt.ts_ns
  state.text = pkt.payload
  state.len = pkt.payload.len
  state.cap = pkt.cap_len
end
function export(state) return state end
"#;
    let mut running = start(text);
    running.feed([Frame::udp("10.0.0.1:1", "10.0.0.2:2")
        .payload("hello")
        .ts(Ts::new(1_700_000_000, 123_456_789))]);
    assert_eq!(
        running.rows(),
        ["at=1700000000.1234567 exact=1700000000123456789 diff=0 text=hello len=5 cap=47"]
    );
    running.faultless();
}

#[test]
fn weights_count() {
    let text = "
function init() return { packets = 0, bytes = 0 } end
function update(pkt, state) state.packets += pkt.packets; state.bytes += pkt.bytes end
function export(state) return state end
";
    let mut running = start(text);
    running.feed([udp("1.1.1.1", "2.2.2.2", 100).weight(10, 1000), udp("1.1.1.1", "2.2.2.2", 50)]);
    assert_eq!(running.rows(), ["packets=11 bytes=1050"]);
}

#[test]
fn check_narrows_what_is_counted() {
    let text = r#"
key   = { addr = "ip.dst" }
value = { packets = count() }
function init() return { seen = 0 } end
function check(pkt, state)
  state.seen = state.seen + 1
  return pkt.len >= 100 and state.seen ~= 2
end
"#;
    let mut running = start(text);
    let picked = running.feed(some());
    assert_eq!(picked.iter().collect::<Vec<_>>(), [0, 2]);
    assert_eq!(running.rows(), ["addr=10.0.0.9 packets=1", "addr=2001:db8::1 packets=1"]);
    running.faultless();
}

#[test]
fn addresses_are_equal_when_equal_and_never_come_to_mean_another() {
    let text = r#"
function init(args, last) return last or { kept = {} } end
function update(pkt, state)
  local src = pkt.ip.src
  if src == nil then return end
  assert(src == addr(tostring(src)) and src ~= addr("9.9.9.9"))
  assert((src < addr("10.0.1.0")) == src:within("10.0.0.0/24"))
  if not state.first then state.first = src end
  state.kept[src] = tostring(src)
  for a, name in state.kept do assert(tostring(a) == name) end
end
function export(state)
  local n = 0
  for _ in state.kept do n += 1 end
  return {
    n = n, first = state.first, kind = typeof(state.first), text = "at " .. state.first,
    net = state.first:masked(8), inside = state.first:within("10.0.0.0/24"),
    mac = addr("0:1:2:3:4:5"),
  }
end
"#;
    let limits = Limits { memory_bytes_max: 4 << 20, ..Limits::default() };
    let mut running = start_with(text, &[], limits).expect("starts");
    running.feed(some().into_iter().take(2));
    let want = "n=2 first=10.0.0.1 kind=addr text=at 10.0.0.1 net=10.0.0.0 inside=true \
                mac=00:01:02:03:04:05";
    assert_eq!(running.rows(), [want]);
    // Far more addresses pass by than handles may be held: those not kept are given back.
    let other = text.replace("state.kept[src] = tostring(src)", "");
    let mut running = start_with(&other, &[], limits).expect("starts");
    running.interner = Interner::bounded(1000);
    for third in 0..200u32 {
        running.feed(
            (0..200u32)
                .map(|fourth| udp(&format!("10.{}.{third}.{fourth}", third % 7), "10.0.0.1", 100)),
        );
    }
    running.faultless();
    assert!(running.rows()[0].starts_with("n=0 first=10.0.0.0 "));
}

#[test]
fn instances_of_one_script_have_locals_of_their_own_the_first_one_too() {
    let counts = "local calls = 0\nargs = { from = 0 }\n\
        function update(pkt) calls = calls + 1 end\n\
        function export(state, long, args) return { { calls = calls + args.from } } end";
    let kind = load(counts).expect("loads");
    let rows = |given: &[&str]| {
        let args = Args::parse(given).expect("name=value");
        let setup = Setup { args, ..Setup::default() };
        let mut running = Running::of(kind.start(&setup).expect("starts"));
        running.feed(some());
        running.feed(some());
        running.rows()
    };
    let one = rows(&[]);
    assert_eq!(one, [format!("calls={}", 2 * some().len())]);
    assert_eq!([rows(&[]), rows(&[])], [one.clone(), one]);
    assert_eq!(rows(&["from=100"]), [format!("calls={}", 2 * some().len() + 100)]);
    let other = load(counts).expect("loads");
    let setup = Setup { args: Args::parse(["from=7"]).expect("name=value"), ..Setup::default() };
    assert_eq!(Running::of(other.start(&setup).expect("starts")).rows(), ["calls=7"]);
}

#[test]
fn what_a_method_add_of_the_scripts_own_is_given_is_that() {
    let text = "local W = {} W.__index = W
function W:add(pkt) self.n += pkt.v end
local function go(w, pkt) w:add(pkt) end
function init() return {
  w = setmetatable({ n = 0 }, W),
  t = table{ key = { a = 'ip.src' }, value = { n = count() } },
} end
function update(pkt, s) s.t:add(pkt) go(s.w, { v = 2 }) end
function export(s) return { n = s.w.n, t = s.t:top('n', 1)[1].n } end";
    check_rows("test.lua", text, &[], &["n=12 t=2"]);
}
