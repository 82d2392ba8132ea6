//! What is not there: names that nobody gave, keys that are none, bytes by their numbers.

use super::*;

/// What is said of a script as it loads; empty where it does.
fn said(text: &str) -> String {
    load(text).err().map(|error| error.to_string()).unwrap_or_default()
}

const REST: &str = "\nend\nfunction export() return { n = 1 } end";

#[test]
fn a_name_that_nobody_gave_is_told_before_anything_calls_it() {
    for (body, want) in [
        ("s.n = tonumbr('1')", "there is no function `tonumbr`; did you mean `tonumber`?"),
        ("if s.odd then helpr(pkt) end", "there is no function `helpr`; did you mean `helper`?"),
        ("s.n = confg.n", "there is no `confg`"),
        ("local s = getfenv(1)", "there is no `getfenv` here; what changes is kept in `state`, or"),
        ("os.execute('true')", "there is no `os` here; a script starts nothing;"),
    ] {
        let said =
            said(&format!("local function helper(p) end\nfunction update(pkt, s)\n{body}{REST}"));
        assert!(said.starts_with(&format!("test.lua:3: {want}")), "{body}: {said}");
    }
    let twice = said(&format!("function update(pkt, s)\nfoo(1)\nbar.x = pkt.lenn{REST}"));
    assert_eq!(twice.lines().filter(|line| line.starts_with("test.lua:")).count(), 3, "{twice}");
}

#[test]
fn a_name_that_may_be_there_is_left_to_the_run() {
    for (before, body) in [
        ("", "if jit then jit.on() end"),
        ("", "s.n = type(jit) == 'function' and jit()"),
        ("", "local on = jit and jit.on"),
        ("", "pcall(function() os.execute('true') end)"),
        ("one, two = function() end, function() end", "one() two()"),
        ("local t = {} first, t[1] = function() end, 1", "first()"),
        ("function made() return 1 end", "s.n = made()"),
        ("type Kind = Other.Kind local x: Other.Kind = 1", "s.n = (x :: Other.Kind)"),
        ("local ewma = require('ewma')", "s.e = s.e or ewma.new{ half_life = 3 }"),
        ("local unit = 'k'", "s.n = `n={if s.n then `up {unit}` else \"none\"}`"),
        ("local unit = 'k'", "s.n = `{s.n}{if s.n ~= 1 then `, plural ({unit})` else ``}`"),
        ("type function opt(t) return types.unionof(t, types.singleton(nil)) end", ""),
        (
            "local function each(f: (number) -> number, g: (number) -> number) return g(f(1)) end",
            "",
        ),
        ("args = { n = 1 }", "s.n = args.n + math.floor(2.5) + bit32.band(1, 3)"),
    ] {
        let text = format!("{before}\nfunction update(pkt, s)\n{body}{REST}");
        assert_eq!(said(&text), "", "{text}");
    }
}

#[test]
fn a_packet_is_no_key_by_rawset_either() {
    let wrong = "a packet is only valid in the call it is given to, and so no key";
    let told = said(&format!("function update(pkt, s)\nrawset(s.t, pkt, 2){REST}"));
    assert!(told.starts_with(&format!("test.lua:2: {wrong}")), "{told}");
    // By a name that is not followed.
    let text = format!("function update(pkt, s)\nlocal f = {{ pkt }}\nrawset({{}}, f[1], 2){REST}");
    let mut running = start(&text);
    running.feed(some());
    let fault = running.faults[0].to_string();
    assert!(fault.starts_with(&format!("test.lua:3: {wrong}")), "{fault}");
}

#[test]
fn an_object_may_take_a_packet_between_brackets() {
    let object = "local lens = setmetatable({}, { __index = function(_, p) return p.len end })";
    let text = format!(
        "{object}\nfunction init() return {{ n = 0 }} end\n\
         function update(pkt, s) s.n += lens[pkt] end\nfunction export(s) return {{ n = s.n }} end"
    );
    let mut running = start(&text);
    running.feed([udp("10.0.0.1", "10.0.0.2", 100), udp("10.0.0.1", "10.0.0.2", 60)]);
    assert_eq!((running.rows(), running.faults.len()), (vec!["n=160".to_owned()], 0));
}

#[test]
fn a_byte_of_a_payload_is_asked_for_by_its_method() {
    for (body, want) in [
        ("s.n = pkt.payload[k] + 1", "a byte of a payload, from 1, is `pkt.payload:byte(k)`"),
        (
            "local p = pkt.payload s.n += p[s.t[k] or 2]",
            "a byte of a payload, from 1, is `p:byte(s.t[k] or 2)`",
        ),
        ("s.n += s.t[k]", ""),
    ] {
        let text = format!(
            "local k = 1\nfunction init() return {{ n = 0, t = {{}} }} end\n\
             function update(pkt, s)\n{body}{REST}"
        );
        let mut running = start(&text);
        running.feed([udp("10.0.0.1", "10.0.0.2", 100)]);
        let hint = running.faults[0].mistake.hint.clone().unwrap_or_default();
        assert_eq!(hint, want, "{body}: {}", running.faults[0]);
    }
}
