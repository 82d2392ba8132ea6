//! Rhai scripts from outside: what goes in, what comes out, what is refused.

mod hostile;
mod told;

use como_core::field::Field;
use como_core::module::{Kind, Limits, ModuleError, Setup};
use como_core::packet::build::{Frame, batch_of};
use como_core::record::Value;
use como_core::time::{Interval, Ts};

use super::Rhai;
use crate::running::{Running, check_rows, shown, some, udp};

fn start_with(text: &str, args: &[&str], limits: Limits) -> Result<Running, ModuleError> {
    Running::start("test.rhai", text, args, limits)
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
    check_rows("test.rhai", text, args, want);
}

#[track_caller]
fn refused(text: &str, want: &str) {
    let error = start_with(text, &[], Limits::default()).err().expect("a mistake");
    assert_eq!(error.to_string(), format!("test.rhai:{want}"));
}

const TOP: &str = r#"
// Top destinations by bytes.
let filter = "ip";
let args   = #{ n: 20, interval: "5s" };
let key    = #{ addr: "ip.dst" };
let value  = #{ bytes: sum("len"), packets: count() };

fn export(table, long, args) { table.top("bytes", args.n) }
"#;

#[test]
fn a_payload_has_methods_and_a_length_on_the_wire() {
    let text = "fn init() { #{ n: 0, held: 0, wire: 0, first: 0 } }
        fn update(pkt, state) {
            if pkt.payload == () { return; }
            state.n += 1; state.held += pkt.payload.len(); state.wire += pkt.payload.len;
            if pkt.payload.len() > 0 { state.first += pkt.payload[0]; }
        }
        fn export(state) { state }";
    let mut running = start(text);
    let udp = |payload: &str| Frame::udp("10.0.0.1:1", "10.0.0.2:2").payload(payload);
    running.feed([udp("AB"), udp(""), Frame::arp("10.0.0.1", "10.0.0.2", true)]);
    assert_eq!(running.rows(), ["n=2 held=2 wire=2 first=65"]);
    running.faultless();
}

#[test]
fn the_example_of_the_design_runs_as_it_stands() {
    let all = [
        "addr=10.0.0.9 bytes=300 packets=2",
        "addr=2001:db8::1 bytes=150 packets=1",
        "addr=10.0.0.1 bytes=60 packets=1",
        "addr=10.0.0.3 bytes=60 packets=1",
    ];
    check(TOP, &[], &all);
    check(TOP, &["n=1"], &all[..1]);
    let kind = Rhai::load("top.rhai", "top", TOP, Default::default()).expect("right");
    assert_eq!(kind.manifest().doc, "Top destinations by bytes.");
    assert_eq!(kind.manifest().filter, "ip");
    assert_eq!(kind.manifest().args.len(), 2);
    let started = start(TOP).started;
    assert_eq!(started.interval.to_string(), "5s");
    assert!(started.demand.wants(Field::IpDst));
}

#[test]
fn arguments_shape_what_is_declared() {
    let script = r#"
        let args = #{ use_src: false, mask: 32, interval: "1s" };
        const FIELD = if args.use_src { "ip.src" } else { "ip.dst" };
        let key = #{ net: `${FIELD}/${args.mask}` };
        let value = #{ packets: count() };
    "#;
    check(script, &["use-src=yes", "mask=8"], &["net=10.0.0.0 packets=4", "net=2001:: packets=1"]);
}

#[test]
fn a_script_counts_by_itself() {
    let script = r#"
        fn init(args) { #{ packets: 0, bytes: 0, syn: 0 } }
        fn update(pkt, state) {
            state.packets += 1;
            state.bytes += pkt.len;
            if pkt.tcp.flags.syn == true { state.syn += 1; }
        }
        fn export(state) { #{ syn: state.syn, packets: state.packets, bytes: state.bytes } }
    "#;
    check(script, &[], &["syn=2 packets=6 bytes=630"]);
}

#[test]
fn every_interval_begins_with_init_and_may_remember() {
    let script = r#"
        fn init(args, last) { #{ n: 0, all: last?.all ?? 0 } }
        fn update(pkt, state) { state.n += 1; state.all += 1; }
        fn export(state, long) {
            long.closed = (long.closed ?? 0) + 1;
            #{ n: state.n, all: state.all, closed: long.closed }
        }
    "#;
    let mut running = start(script);
    running.feed(some());
    assert_eq!(running.rows(), ["n=6 all=6 closed=1"]);
    running.feed(some());
    assert_eq!(running.rows(), ["n=6 all=12 closed=2"]);
    assert_eq!(running.faults, []);
}

#[test]
fn what_a_packet_lacks_is_nothing() {
    let script = r#"
        fn init(args) { #{ arp: 0, udp: 0, none: 0, ports: 0 } }
        fn update(pkt, state) {
            if pkt.ip.src == () { state.arp += 1; }
            if pkt.udp != () { state.udp += 1; }
            if pkt.tcp == () && pkt.tcp.sport == () { state.none += 1; }
            state.ports += pkt.dport ?? 0;
        }
        fn export(state) {
            #{ arp: state.arp, udp: state.udp, none: state.none, ports: state.ports }
        }
    "#;
    check(script, &[], &["arp=1 udp=3 none=4 ports=2602"]);
}

#[test]
fn a_packet_may_be_handed_to_a_helper_and_into_text() {
    let script = r#"
        fn port(p) { if p.tcp != () { p.tcp.dport } else { p.udp.dport ?? 0 } }
        fn init(args) { #{ ports: 0, syn: 0, text: "" } }
        fn update(pkt, state) {
            state.ports += port(pkt);
            let layer = pkt.tcp;
            if layer.flags.syn ?? false { state.syn += 1; }
            if pkt.ip.version == 6 { state.text = `${pkt.ip.src} ${pkt.len}`; }
        }
        fn export(state) { state }
    "#;
    check(script, &[], &["ports=2602 syn=2 text=2001:db8::2 150"]);
}

#[test]
fn a_table_of_the_scripts_own_takes_addresses() {
    let script = r#"
        fn init(args) { table() }
        fn update(pkt, state) {
            let dst = pkt.ip.dst;
            if dst != () { state[dst] = (state[dst] ?? 0) + pkt.len; state.add(dst, 1000); }
        }
        fn export(state) {
            let records = [];
            for row in state.top(2) { records.push(#{ addr: row.key, bytes: row.value }); }
            records
        }
    "#;
    check(script, &[], &["addr=10.0.0.9 bytes=2300", "addr=2001:db8::1 bytes=1150"]);
}

#[test]
fn addresses_compare_with_each_other_and_with_text() {
    let script = r#"
        fn init(args) { #{ text: 0, same: 0, net: 0, six: 0 } }
        fn update(pkt, state) {
            let ip = pkt.ip.src;
            if ip == () { return; }
            if ip == "10.0.0.1" && "10.0.0.1" == ip && ip != "10.0.0.2" { state.text += 1; }
            if ip == addr("2001:db8::2") && ip > pkt.ip.dst { state.same += 1; }
            if ip.within("10.0.0.0/8") && ip.masked(8).to_string() == "10.0.0.0" { state.net += 1; }
            if ip.is_v6 { state.six += 1; }
        }
        fn export(state) { state }
    "#;
    check(script, &[], &["text=2 same=1 net=4 six=1"]);
}

#[test]
fn a_check_narrows_what_is_counted() {
    let script = r#"
        let value = #{ packets: count() };
        fn check(pkt, state) {
            if pkt.len == 200 { return false; }
            state.odd = !(state.odd ?? false);
            state.odd
        }
    "#;
    let mut running = start(script);
    let picked = running.feed(some());
    assert_eq!(picked.iter().collect::<Vec<_>>(), [0, 3, 5]);
    assert_eq!(running.rows(), ["packets=3"]);
    assert_eq!(running.faults, []);
}

#[test]
fn rows_of_a_core_table_are_read_and_returned() {
    let script = r#"
        let key = #{ port: "dport" };
        let value = #{ packets: count(), bytes: sum("len") };
        fn export(table) {
            let total = 0;
            for row in table { total += row.bytes; }
            let top = table.top("bytes", 2);
            let found = table.find(443);
            [#{
                rows: table.len(), total: total, first: top[0].port, of: top.len(),
                found: found.packets,
            }]
        }
    "#;
    check(script, &[], &["rows=3 total=570 first=53 of=2 found=1"]);
    let slip = script.replace("table.top(\"bytes\", 2)", "table.top(\"byte\", 2)");
    let mut running = start(&slip);
    running.feed(some());
    assert_eq!(running.rows(), [""; 0]);
    let want = "test.rhai:7: the table has no column `byte`; it has port, packets, bytes";
    assert_eq!(running.faults[0].to_string(), want);
}

#[test]
fn long_rows_end_as_action_says() {
    let script = r#"
        let key = #{ src: "ip.src" };
        let value = #{ packets: count() };
        let long = #{ timeout: "2s" };
        fn action(row, now) {
            if row.packets > 1 { "store" } else if row.src == "10.0.0.3" { "discard" }
        }
    "#;
    let mut running = start(script);
    running.feed(some());
    assert_eq!(running.rows(), ["src=10.0.0.1 packets=2"]);
    let rows: Vec<String> = running.close(true).iter().flat_map(shown).collect();
    assert_eq!(rows, ["src=10.0.0.2 packets=1", "src=2001:db8::2 packets=1"]);
    assert_eq!(running.faults, []);
}

#[test]
fn a_script_shows_and_replays_its_records() {
    let script = r#"
        let key = #{ src: "ip.src" };
        let value = #{ packets: count() };
        fn print(record, format) { `${format} ${record.src}: ${record.packets} at ${record.ts}` }
        fn replay(record) {
            [#{ src: record.src, dst: "10.0.0.9", packets: record.packets, bytes: 60 }]
        }
    "#;
    let kind = Rhai::load("test.rhai", "test", script, Default::default()).expect("right");
    let running = start(script);
    let schema = running.started.schema.clone().expect("known");
    let values = ["10.0.0.1".parse::<como_core::addr::Addr>().expect("one").into(), 3u64.into()];
    let mut printer = kind.printer("pretty", &Setup::default()).expect("has one");
    let shown = printer.print(Ts::new(5, 0), &schema, &values).expect("shows");
    assert_eq!(shown.as_deref(), Some("pretty 10.0.0.1: 3 at 5.0"));
    let interval = Interval::holding(Ts::new(5, 0), running.started.interval);
    let mut replayer = kind.replayer(&Setup::default()).expect("has one");
    let packets = replayer.replay(interval, &schema, &values).expect("replays");
    assert_eq!((packets.len(), packets[0].weight.packets, packets[0].ts), (1, 3, Ts::new(5, 0)));
}

#[test]
fn a_script_may_keep_records_in_a_form_of_its_own() {
    let script = r#"
        fn init(args) { #{ n: 0 } }
        fn update(pkt, state) { state.n += 1; }
        fn export(state) { state }
        fn store(record) { `n=${record.n}` }
        fn load(bytes) { #{ n: bytes.as_string().sub_string(2) } }
        fn print(record, format) { record.n }
    "#;
    let mut running = start(script);
    running.feed(some());
    assert_eq!(running.rows(), ["data=[110, 61, 54]"]);
    let kind = Rhai::load("test.rhai", "test", script, Default::default()).expect("right");
    let schema = running.started.schema.clone().expect("known");
    let mut printer = kind.printer("pretty", &Setup::default()).expect("has one");
    let shown = printer.print(Ts::new(5, 0), &schema, &[Value::Bytes(b"n=6".to_vec())]);
    assert_eq!(shown, Ok(Some("6".to_owned())));
}

#[test]
fn constants_and_arguments_are_read_in_functions() {
    let script = r#"
        let args = #{ small: 100 };
        const NAMES = #{ small: "small", large: "large" };
        fn name(len) { if len <= args.small { NAMES.small } else { NAMES.large } }
        fn init(args) { #{ small: 0, large: 0 } }
        fn update(pkt, state) { state[name(pkt.len)] += 1; }
        fn export(state) { state }
    "#;
    check(script, &[], &["small=4 large=2"]);
    check(script, &["small=150"], &["small=5 large=1"]);
}

#[test]
fn mistakes_are_told_with_their_line() {
    refused("let filter = 1;", "1: `filter` must be text, and is 1");
    refused("\nlet filtr = \"ip\";", "2: nothing is declared by `filtr`; did you mean `filter`?");
    refused("\n\nlet key = #{", "3: expecting '}' to end this object map literal");
    refused(
        "let value = #{ n: sum() };",
        "1: `sum`: it works on a field, and none is given; write sum(\"len\")",
    );
    let ended = "a module declares by plain top-level names and has no `return` outside its \
        functions";
    for end in ["return 3;", "return", "if true { return; }", "let x = { return 1 };"] {
        refused(&format!("fn f() {{ return 1; }}\n{end}"), &format!("2: {ended}"));
    }
    refused("let x = 1 / 0;", "1: division by zero: 1 / 0");
    refused(
        "fn update(pkt, state) {\n state.n += pkt.tcp.prot; }\nfn export(s) { s }",
        "2: a packet has no field `tcp.prot`; did you mean `tcp.dport`?",
    );
    refused("import \"x\" as y;", "1: 'import' is a reserved keyword");
}

#[test]
fn an_error_names_its_line_and_stops_nothing() {
    let script = "\
fn helper(x) {
    x.pop()
}
fn init(args) { #{ n: 0 } }
fn update(pkt, state) {
    state.n += 1;
    if pkt.len == 200 { helper(pkt.len); }
}
fn export(state) { state }
";
    let mut running = start(script);
    running.feed(some());
    let [fault] = &running.faults[..] else { panic!("{:?}", running.faults) };
    assert!(fault.limit.is_none());
    let want = "test.rhai:2: there is no function `pop` of (a whole number)";
    assert!(fault.to_string().starts_with(want), "{fault}");
    assert!(fault.to_string().contains("; in `helper`, called in line 7"), "{fault}");
    assert_eq!(running.rows(), ["n=6"]);
}

#[test]
fn a_packet_that_is_kept_is_told_to_be_gone() {
    let script = r#"
        fn init(args) { #{ kept: (), n: 0 } }
        fn update(pkt, state) {
            if state.kept == () { state.kept = pkt; }
            state.n += state.kept.len;
        }
        fn export(state) { #{ n: state.n } }
    "#;
    let mut running = start(script);
    running.feed(some());
    let message = &running.faults[0].to_string();
    assert!(message.contains("a packet is only valid in the call it is given to"), "{message}");
}

#[test]
fn declarations_stand_in_any_order_and_are_told_by_their_lines() {
    check_rows(
        "test.rhai",
        "let filter = \"udp\";\nlet args = #{ n: 1 };\nlet value = if args.n == 2 { #{ two: \
         count() } } else { #{ one: count() } };",
        &["n=2"],
        &["two=6"],
    );
    let error = crate::load_text("test.rhai", "let filter = \"udp\";\nlet rows = 1;\nlet key = 7;");
    let error = error.err().expect("it loads").to_string();
    assert!(error.starts_with("test.rhai:3: `key` must be"), "{error}");
}

#[test]
fn a_packet_is_read_in_the_values_of_a_map() {
    check_rows(
        "test.rhai",
        "fn init() { #{ row: #{ src: (), len: 0 } } }\n\
         fn update(pkt, state) { if pkt.udp != () { state.row = #{ src: pkt.ip.src, len:pkt.len }; \
         } }\n\
         fn export(state) { state.row }",
        &[],
        &["src=2001:db8::2 len=150"],
    );
}

#[test]
fn a_table_of_more_rows_than_a_list_holds_is_walked() {
    let script = |export: &str| {
        format!(
            "fn init() {{ table() }}
            fn update(pkt, state) {{ for n in 0..5000 {{ state.add(state.len() + n % 2, 1); }} }}
            fn export(state) {{ {export} }}"
        )
    };
    let walked =
        script("let n = 0; for row in state { n += row.value; } #{ n: n, len: state.len() }");
    let run = |text: &str| {
        let limits = Limits { call_ms_max: 10_000, ..Limits::default() };
        let mut running = start_with(text, &[], limits).expect("starts");
        for _ in 0..2 {
            running.feed(some());
        }
        (running.rows(), running.faults)
    };
    let (rows, faults) = run(&walked);
    assert_eq!(faults, []);
    assert_eq!(rows, ["n=60000 len=30001"]);
    for (list, asked) in [("state.rows()", 30001), ("state.top(25000)", 25000)] {
        let (_, faults) = run(&script(&format!("let all = {list}; #{{ n: all.len() }}")));
        let want = format!("a list holds 21845 rows at most, not {asked}: walk all by");
        assert!(faults[0].to_string().contains(&want), "{faults:?}");
    }
}

#[test]
fn a_packet_is_added_by_whatever_name() {
    for add in ["let q = [pkt]; s.t.add(q[0]);", "let f = |t, p| t.add(p); f.call(s.t, pkt);"] {
        let text = format!(
            "fn init() {{ let value = #{{ n: count() }};\n\
             #{{ t: table(#{{ key: #{{ a: \"ip.src\" }}, value: value }}) }} }}\n\
             fn update(pkt, s) {{ {add} }}\nfn export(s) {{ s.t.top(\"n\", 1) }}"
        );
        check_rows("test.rhai", &text, &[], &["a=10.0.0.1 n=2"]);
    }
}
