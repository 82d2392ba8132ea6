//! A packet is read only, in whatever way a script would write into it.

use como_core::module::{Limits, Mistake, ModuleError};

use super::{frames, udp};
use crate::running::Running;
use crate::scan::READ_ONLY;

/// Checks that a script is refused for its line 2, as it is loaded or by each packet of any kind.
#[track_caller]
fn check(file: &str, text: &str, at_load: bool) {
    let (what, hint) = READ_ONLY.split_once("; ").expect("a hint");
    let want = |told: &Mistake| {
        let right = told.line == 2 && told.message.starts_with(what);
        assert!(right && told.hint.as_deref() == Some(hint), "{text}\n{told:?}");
    };
    let text = &match file.ends_with("lua") {
        true => format!("{text} function export() return {{ n = 1 }} end"),
        false => format!("{text} fn export() {{ #{{ n: 1 }} }}"),
    };
    match Running::start(file, text, &[], Limits::default()) {
        Err(ModuleError::Script(mistake)) if at_load => want(&mistake),
        Err(error) => panic!("{error}\n{text}"),
        Ok(mut running) => {
            assert!(!at_load, "{text}");
            for frame in frames() {
                running.feed([frame]);
                let fault = running.faults.pop().expect("a fault");
                want(&fault.mistake);
            }
        }
    }
}

/// Places that a script may write to.
const PLACES: [&str; 6] =
    ["pkt.len", "pkt.ip.src", "pkt.payload", "pkt.nothing", "pkt[\"x\"]", "pkt.tcp.flags.syn"];

#[test]
fn lua_does_not_write_into_a_packet() {
    for place in PLACES {
        let [p, q] = ["p", "q[1]"].map(|name| place.replace("pkt", name));
        for (write, at_load) in [
            (format!("function update(pkt)\n{place} = 3 end"), true),
            (format!("function update(pkt) local p = pkt\n{p} = 3 end"), true),
            (format!("local function f(p)\n{p} = 3 end function update(pkt) f(pkt) end"), true),
        ] {
            check("test.lua", &write, at_load);
        }
        let listed = format!("function update(pkt, s) local q = {{ pkt }}\n{q} = 3 end");
        check("test.lua", &listed, false);
    }
    for one in [
        "local x, y x, pkt.len, y = 1, 2, 3",
        "local x pkt.ip.src, x = 1, 2",
        "rawset(pkt, 'len', 3)",
        "table.insert(pkt, 1)",
        "table.insert(pkt, 1, 1)",
        "table.clear(pkt)",
        "table.move({ 1 }, 1, 1, 1, pkt)",
        "local l = pkt.eth or pkt rawset(l, 'src', 3)",
        "local l = pkt.eth or pkt table.insert(l, 3)",
        "local l = pkt.eth or pkt l.type = 3",
        "local q = { pkt } q[1]['tcp'].seq = 3",
        "local q = { pkt } q[1].udp['len'] = 3",
        "local q, x = { pkt } x, q[1]['tcp']['flags'].syn = 1, 2",
    ] {
        check("test.lua", &format!("function update(pkt)\n{one} end"), false);
    }
}

#[test]
fn rhai_does_not_write_into_a_packet() {
    for place in PLACES {
        let [p, q] = ["p", "q[0]"].map(|name| place.replace("pkt", name));
        for write in [
            format!("fn update(pkt, s) {{\n{place} = 3; }}"),
            format!("fn update(pkt, s) {{ let p = pkt;\n{p} = 3; }}"),
            format!("fn f(pkt) {{\n{place} = 3; }} fn update(pkt, s) {{ f(pkt); }}"),
            format!("fn f(n, p) {{\n{p} = 3; }} fn update(pkt, s) {{ f(1, pkt); }}"),
        ] {
            check("test.rhai", &write, true);
        }
        let listed = format!("fn update(pkt, s) {{ let q = [pkt];\n{q} = 3; }}");
        check("test.rhai", &listed, false);
    }
    for one in ["q[0][\"tcp\"].seq = 3;", "f(q[0]);"] {
        let helper = "fn f(p) {\n p.udp.len = 3; }";
        let line = if one.starts_with('f') { "" } else { "\n" };
        let text = format!("fn update(pkt, s) {{ let q = [pkt];{line}{one} }} {helper}");
        check("test.rhai", &text, false);
    }
}

#[test]
fn a_method_of_what_a_packet_has_is_no_writing_in_rhai() {
    for read in ["payload.len()", "payload.contains(1)", "ip.src.to_string()"] {
        for body in [
            format!("pkt.{read};"),
            format!("let p = pkt; p.{read};"),
            format!("let q = [pkt]; q[0].{read};"),
            "f(pkt);".to_owned(),
        ] {
            let text = format!(
                "fn f(p) {{ p.{read}; }} fn update(pkt, s) {{ {body} }} \
                 fn export() {{ #{{ n: 1 }} }}"
            );
            let mut running =
                Running::start("test.rhai", &text, &[], Limits::default()).expect("a script");
            running.feed([udp()]);
            assert!(running.faults.is_empty(), "{text}: {:?}", running.faults);
        }
    }
}

#[test]
fn what_is_called_as_the_packet_was_can_be_written() {
    let lua = [
        "local a, pkt = 1, {} pkt.len = a s.n = pkt.len",
        "local ok, pkt = pcall(function() return {} end) pkt.len = 1 s.n = pkt.len",
        "pkt = { len = 3 } pkt.len = 1 s.n = pkt.len",
        "pkt, s.m = { len = 3 }, 2 pkt.len = 1 s.n = pkt.len",
        "local old = pkt pkt = { len = old.len } pkt.len -= old.len - 1 s.n = pkt.len",
        "local src, pkt = pkt.ip.src, {} pkt.addr = src s.n = if pkt.addr == src then 1 else 2",
        "local a: { n: number }, pkt: any = {}, {} pkt.len = 1 s.n = pkt.len",
        "local function pkt() return 1 end s.n = pkt()",
        "for _, pkt: any in { { a = 3 } } do pkt.a = 1 s.n = pkt.a end",
        "local f = function(n: number, pkt: any) pkt.a = n return pkt.a end s.n = f(1, {})",
        "local function f(pkt) local q = pkt q.a = 1 return q.a end s.n = f({})",
        "local t = { f = function(x, pkt) return pkt.a end } s.n = t.f(2, { a = 1 })",
    ];
    let rhai = [
        "let pkt = #{ len: 3 }; pkt.len = 1; s.n = pkt.len;",
        "let pkt = #{ len: 1 }; s.n = pkt.len;",
        "let c = pkt.len; let pkt = #{ len: c }; pkt.len -= c - 1; s.n = pkt.len;",
        "for pkt in [#{ len: 3 }] { pkt.len = 1; s.n = pkt.len; }",
        "pkt = #{ len: 3 }; pkt.len = 1; s.n = pkt.len;",
        "try { throw #{ len: 3 }; } catch (pkt) { pkt.len = 1; s.n = pkt.len; }",
        "let f = |pkt| pkt.len; s.n = f.call(#{ len: 1 });",
        "let f = |x, pkt| pkt.len; s.n = f.call(2, #{ len: 1 });",
        "for (pkt, i) in [#{ len: 3 }] { pkt.len = 1; s.n = pkt.len; }",
        "for (i, pkt) in [3] { s.n = pkt + 1; }",
    ];
    let lua = lua.map(|body| {
        let text = "function export(s) return { n = s.n } end";
        ("test.lua", format!("function update(pkt, s) {body} end {text}"))
    });
    let rhai = rhai.map(|body| {
        let text = "fn export(s) { #{ n: s.n } }";
        ("test.rhai", format!("fn update(pkt, s) {{ {body} }} {text}"))
    });
    // Of what a helper is given only some may be a packet.
    let given = [
        (
            "test.lua",
            "local function f(pkt) pkt.a = 1 return pkt.a end local m = {} \
             function m.g(x, pkt) return pkt.a end function m:h(pkt) return pkt.a end
             function update(pkt, s) s.n = f({}) + m.g(1, { a = 1 }) + m:h({ a = 1 }) - 2 end
             function export(s) return { n = s.n } end"
                .to_owned(),
        ),
        (
            "test.rhai",
            "fn f(pkt) { pkt.a = 1; pkt.a } fn g(x, pkt) { pkt.a }
             fn update(pkt, s) { s.n = f(#{}) + [#{ a: 1 }].map(|p| g(1, p))[0] - 1; }
             fn export(s) { #{ n: s.n } }"
                .to_owned(),
        ),
    ];
    for (file, text) in lua.into_iter().chain(rhai).chain(given) {
        let started = Running::start(file, &text, &[], Limits::default());
        let mut running = started.unwrap_or_else(|error| panic!("{error}: {text}"));
        running.feed([udp()]);
        assert_eq!(running.rows(), ["n=1"], "{text}");
        assert!(running.faults.is_empty(), "{text}: {:?}", running.faults);
    }
}
