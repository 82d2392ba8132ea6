//! Payloads: the same as their string in all that is asked of them, and dead after the call.

use como_core::module::Limits;
use como_core::packet::build::{Frame, batch_of};
use proptest::prelude::*;

use super::{Running, start, start_with};
use crate::api::{Entry, entries};
use crate::host::Means;
use crate::lua::payload::Payloads;
use crate::lua::script::Source;
use crate::lua::vm::Vm;

fn udp(payload: impl Into<Vec<u8>>) -> Frame {
    Frame::udp("10.0.0.1:1", "10.0.0.2:2").payload(payload)
}

#[test]
fn a_payload_is_the_packets_own_and_none_once_the_call_is_over() {
    let text = r#"
function init() return { texts = "", bytes = 0 } end
function check(pkt, state)
  return pkt.payload ~= "left out"
end
function update(pkt, state)
  state.texts ..= `{pkt.payload}|`
  state.bytes += #pkt.payload
  state.kept = function() return pkt.payload end
end
function export(state)
  local ok, why = pcall(state.kept)
  local why = tostring(why):match("only valid")
  return { texts = state.texts, bytes = state.bytes, ok = ok, why = why }
end
"#;
    let mut running = start(text);
    running.feed(["a", "left out", "", "bc"].map(udp));
    assert_eq!(running.rows(), ["texts=a||bc| bytes=3 ok=false why=only valid"]);
    running.faultless();
}

/// What is asked of payloads, where `P` stands for one.
const ASKED: &str = "#P; P:len(); P:len(a); P:byte(); P:byte(a); P:byte(a, b); P:byte(a, b, 1); \
    P:sub(); P:sub(a); P:sub(a, b); P:find(); P:find(a); P:find(b, a); P:find(a, b, true); \
    P:find(a, 2, b); P:match(a); string.len(P); string.byte(P, a, b); string.sub(P, a); \
    string.find(P, a, b); not P; P and a; text.uint(P); text.uint(P, a, b); \
    text.uint(P, 0, 2, a); hash.number(P); hash.number(P, a); hash.bucket(P, a)";

/// What is asked of them by the functions of the library that take bytes: with as few arguments as
/// they are found by, with all, and with more.
fn asked_of_library() -> String {
    let mut asked = Vec::new();
    for entry in entries() {
        let Some(bytes) = entry.bytes_at() else { continue };
        for len in bytes + 1..=entry.params.len() + 1 {
            let argument = |at: usize| match at {
                at if at == bytes => "P",
                at => ["a", "b"][at.abs_diff(bytes + 1) % 2],
            };
            let arguments: Vec<&str> = (0..len).map(argument).collect();
            asked.push(format!("{}({})", entry.path(), arguments.join(", ")));
        }
    }
    asked.join("; ")
}

/// A script that asks, and tells of the first ten answers that differ.
const ASKING: &str = r#"
local given = table.pack(VALUES)
local function told(...)
  local all = table.pack(...)
  for at = 1, all.n do
    -- Of the frames that a mistake lists, those of the script count.
    local text = tostring(all[at]):gsub("\n\t%[C%][^\n]*", ""):gsub("local_%d+", "string")
    all[at] = type(all[at]) .. " " .. text:gsub("string_%d+", "string")
  end
  return table.concat(all, ", ")
end
local function same(state, asked, a, b, ...)
  local one = told(...)
  return function(...)
    local other = told(...)
    if one ~= other and #state.wrong < 10 then
      local wrong = `{asked} of {told(a, b)}: {one} and not {other}`
      table.insert(state.wrong, { wrong = wrong })
    end
    state.n += 1
  end
end
function init() return { wrong = {}, n = 0 } end
FUNCTIONS
function update(pkt, state)
  local p = (pkt.payload)
  for i = 1, given.n do for j = 1, given.n do
    local a, b = given[i], given[j]
    ASKS
  end end
end
function export(state)
  assert(state.n > 0)
  return state.wrong
end
"#;

/// Asks all of that of each packet, as it is and by the name of a local, and of its payload as a
/// string, with any two of many values; tells of the first ten that differ.
fn differing(payloads: Vec<Frame>, asked: &str, values: &str) -> Vec<String> {
    let (mut asks, mut functions) = (String::new(), String::new());
    for (n, asked) in asked.split("; ").enumerate() {
        let [own, string, local] = ["pkt.payload", "p", "q"].map(|p| asked.replace('P', p));
        // A local is looked at only where no function within the callback uses it.
        for (name, payload) in [("local", "pkt.payload"), ("string", "(pkt.payload)")] {
            functions +=
                &format!("function {name}_{n}(pkt, a, b) local q = {payload} return {local} end ");
        }
        let asking =
            [own, string, format!("local_{n}(pkt, a, b)"), format!("string_{n}(pkt, a, b)")];
        let [own, string, local, other] =
            asking.map(|asking| format!("pcall(function() return {asking} end)"));
        asks += &format!(
            "same(state, '{asked}', a, b, {own})({string}) \
             same(state, 'local {asked}', a, b, {local})({other})\n"
        );
    }
    let text = ASKING.replace("VALUES", values).replace("ASKS", &asks);
    let text = text.replace("FUNCTIONS", &functions);
    let limits = Limits { call_ms_max: 60_000, ..Limits::default() };
    let mut running = start_with(&text, &[], limits).expect("starts");
    running.feed(payloads);
    let rows = running.rows();
    running.faultless();
    rows
}

const ODD: &str = r#"nil, 0, 1, 2, 3, -1, -2, 0.5, -0.5, 1.9, 1e300, -1e300, 0/0, 1/0, -1/0, 2^31,
  2^31 - 1, -2^31, 2^32 + 1, "2", " 0x2 ", "", "a", "ab", "\0", ".", "a*", "[", "%", "(a)()", "^b",
  "b$", true, false, {}, print, addr("10.0.0.1"), ("a"):rep(70000), nil"#;

#[test]
fn odd_arguments_get_of_a_payload_what_its_string_gives() {
    let texts = ["", "a", "ab\0ab", "aab%b"].map(udp);
    let arp = Frame::arp("10.0.0.1", "10.0.0.2", true);
    assert_eq!(differing(texts.into_iter().chain([arp]).collect(), ASKED, ODD), [""; 0]);
}

#[test]
fn a_payload_is_as_long_as_it_is() {
    let values = "1, -1, 2, 7999, 20000, 20001, -20000, 'ab', ('a'):rep(20000)";
    assert_eq!(differing(vec![udp(vec![b'a'; 20_000])], ASKED, values), [""; 0]);
}

/// The messages in the examples of the library.
fn messages() -> Vec<Vec<u8>> {
    let examples = entries().filter(|e| ["dns", "http", "tls"].contains(&e.topic));
    let examples = examples.filter(|entry| entry.bytes_at().is_some());
    let message = |entry: &Entry| {
        let (_, text) = entry.example.0.split_once('"').expect("a text");
        let (text, _) = text.split_once('"').expect("its end");
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let bytes = (0..digits.len()).step_by(2).map(|at| digits.get(at..at + 2));
        let bytes = bytes.map(|pair| u8::from_str_radix(pair?, 16).ok());
        let text = || text.replace("\\r\\n", "\r\n").into_bytes();
        bytes.collect::<Option<Vec<u8>>>().unwrap_or_else(text)
    };
    let mut messages: Vec<_> = examples.map(message).collect();
    messages.sort();
    messages.dedup();
    messages
}

#[test]
fn the_library_says_of_a_payload_what_it_says_of_its_string() {
    let values = "nil, 1, 0.5, 1e300, '2', '', '(.)', '[', '\\xff', {}, ('a'):rep(2000), 'Host'";
    let arp = Frame::arp("10.0.0.1", "10.0.0.2", true);
    let packets = messages().into_iter().map(udp).chain([udp(""), udp(vec![0xff; 70]), arp]);
    assert_eq!(differing(packets.collect(), &asked_of_library(), values), [""; 0]);
    let long = vec![udp(vec![b'a'; 20_000])];
    assert_eq!(differing(long, &asked_of_library(), "0, 1, 19999, 'a'"), [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_payload_gives_what_its_string_gives(
        payload in prop::collection::vec(prop_oneof![4 => 97u8..100, 1 => any::<u8>()], 0..200),
        texts in prop::collection::vec(prop::collection::vec(97u8..100, 0..4), 8),
        numbers in prop::collection::vec(prop_oneof![-210f64..210., any::<f64>()], 8),
    ) {
        let texts = texts.iter().map(|text| format!("{:?}", String::from_utf8_lossy(text)));
        let numbers = numbers.iter().map(|x| match x.is_finite() {
            true => format!("{x:e}"),
            false => "0/0".to_owned(),
        });
        let values: Vec<String> = texts.chain(numbers).collect();
        let packets = || vec![udp(payload.as_slice())];
        prop_assert_eq!(differing(packets(), ASKED, &values.join(", ")), [""; 0]);
        let some = values[6..10].join(", ");
        prop_assert_eq!(differing(packets(), &asked_of_library(), &some), [""; 0]);
    }

    #[test]
    fn a_message_gives_what_its_string_gives(
        message in prop::sample::select(messages()),
        cut in 0.0..1.0f64,
        put in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut message = message;
        for (at, byte) in put {
            let at = at.index(message.len());
            message[at] = byte;
        }
        let cut = message[..(message.len() as f64 * cut) as usize].to_vec();
        let packets = [message, cut].map(udp).into();
        prop_assert_eq!(differing(packets, &asked_of_library(), "1, 2, 'host', '.'"), [""; 0]);
    }
}

/// What the log says of a script, as it is, and where fields are no parameters.
fn told(body: &str) -> [Vec<String>; 2] {
    ["", "local __here = 0"].map(|last| {
        let text = format!(
            "function update(pkt, state)\n  local x = 1\n  {body}\nend\nfunction export() \
                end\n{last}"
        );
        let mut running = start(&text);
        running.feed([udp("abc".repeat(20)), Frame::arp("10.0.0.1", "10.0.0.2", true)]);
        running.faults.iter().map(|fault| fault.mistake.to_string()).collect()
    })
}

#[test]
fn mistakes_are_told_as_those_with_strings_are() {
    for body in [
        "x = pkt.payload:byte({})",
        "x = pkt.payload:find({})",
        "x = pkt.payload\n:find(\n'%')",
        "x = #pkt.payload",
        "x = string.sub(pkt.payload)",
        "x = text.uint(pkt.payload, 0, 9)",
        "x = hash.number(pkt.payload)",
        "x = dns.qname(pkt.payload)",
        "x = dns\n.answer_addr(pkt\n.payload, 'a')",
        "x = regex.test('[',\npkt.payload)",
        "x = regex.test(pkt, pkt.payload)",
        "x = regex.find('a', pkt.payload, 1, 2)",
        "if pkt.payload then x = pkt.payload:sub() end",
        "if not pkt.payload then pkt.payload:len() end",
        "x = pkt.payload:find(('a'):rep(2^23), 'x')",
    ] {
        let [own, string] = told(body);
        assert!(!own.is_empty(), "{body}");
        assert_eq!(own, string, "{body}");
        if !body.contains('\n') {
            let local = format!("local p = pkt.payload; {}", body.replace("pkt.payload", "p"));
            let [own, string] = told(&local);
            assert!(!own.is_empty(), "{local}");
            assert_eq!(own, string, "{local}");
        }
    }
}

#[test]
fn what_a_script_calls_string_itself_is_its_own() {
    let text = r#"
local string = { find = function(s, n) return n end }
function update(pkt, state)
  state.n = string.find(pkt.payload, 7)
end
function export(state) return state end
"#;
    let mut running = start(text);
    running.feed([udp("abc")]);
    assert_eq!(running.rows(), ["n=7"]);
    running.faultless();
    let error = start_with("string.find = print", &[], Limits::default()).err();
    assert!(error.is_some_and(|error| error.to_string().contains("readonly")));
}

/// Keeps a function of each first packet of a batch, and calls it at each later one.
fn kept(function: &str, last: &str) -> Running {
    let text = format!(
        r#"
function init() return {{ told = {{}} }} end
function update(pkt, state)
  local n = pkt.len
  state.f = state.f or {function}
  local ok, why = pcall(state.f)
  table.insert(state.told, if ok then tostring(why) else tostring(why):match("only valid"))
end
function export(state) return {{ told = table.concat(state.told, "|") }} end
{last}
"#
    );
    let mut running = start(&text);
    running.feed(["a", "b"].map(udp));
    running.feed([udp("c")]);
    running
}

#[test]
fn a_function_that_is_kept_never_reads_another_packet() {
    let own = "told=a|a|only valid";
    assert_eq!(kept("function() return pkt.payload end", "").rows(), [own]);
    assert_eq!(kept("function() return pkt.payload:sub(1) end", "").rows(), [own]);
    let resumed = "coroutine.wrap(function() while true do coroutine.yield(pkt.payload) end end)";
    assert_eq!(kept(resumed, "").rows(), [own]);
    // Where fields are no parameters, the packet is dead as soon as the call is over.
    let dead = "told=a|only valid|only valid";
    assert_eq!(kept("function() return pkt.payload end", "local __here = 0").rows(), [dead]);
    let helped = "(function() local p = pkt return function() return p.payload end end)()";
    assert_eq!(kept(helped, "").rows(), [own]);
    let keep = "function keep(p) return function() return p.payload end end";
    assert_eq!(kept("keep(pkt)", keep).rows(), [own]);
    assert_eq!(kept("keep((pkt))", keep).rows(), [dead]);
}

#[test]
fn a_packet_that_is_put_somewhere_never_reads_another() {
    let check = |keep: &str, read: &str| {
        let text = format!(
            r#"
local function read(p) return p.payload .. p.len end
function init() return {{ told = {{}}, kept = {{}} }} end
function update(pkt, state)
  {keep}
  local ok, why = pcall(read, {read})
  table.insert(state.told, if ok then why else tostring(why):match("only valid"))
end
function export(state) return {{ told = table.concat(state.told, "|") }} end
"#
        );
        let mut running = start(&text);
        running.feed(["a", "b"].map(udp));
        running.feed([udp("c")]);
        assert_eq!(running.rows(), ["told=a43|only valid|only valid"], "{keep}");
        running.faultless();
    };
    check("state.p = state.p or pkt", "state.p");
    check("if not state.p then state.p = pkt end", "state.p");
    check("state.kept = state.kept[1] and state.kept or { pkt }", "state.kept[1]");
    check("table.insert(state.kept, pkt)", "state.kept[1]");
    check("local q = pkt state.p = state.p or q", "state.p");
    check("local q = (pkt) state.p = state.p or q", "state.p");
    check("state.p = state.p or (pkt)", "state.p");
    check("state.p = if state.p then state.p else pkt", "state.p");
    check("state.p = state.p or pkt :: any", "state.p");
    check("local put = table.insert put(state.kept, pkt)", "state.kept[1]");
    check("local q = if state.p then nil else pkt if q then state.p = q end", "state.p");
    check(
        "state.f = state.f or coroutine.wrap(function(p) while true do coroutine.yield(p) end end)
        state.p = state.p or state.f(pkt)",
        "state.p",
    );
}

#[test]
fn what_is_taken_off_a_packet_never_reads_another() {
    let check = |keep: &str, read: &str, want: &str| {
        let text = format!(
            r#"
function init() return {{ told = {{}}, kept = {{}} }} end
local function id(p) return p end
function update(pkt, state)
  {keep}
  local ok, why = pcall(function() return {read} end)
  table.insert(state.told, if ok then tostring(why) else tostring(why):match("only valid"))
end
function export(state) return {{ told = table.concat(state.told, "|") }} end
"#
        );
        let mut running = start(&text);
        let packets = |ports: &[u16]| {
            let frame = |port| Frame::udp(("10.0.0.1".parse().expect("it"), port), "10.0.0.2:2");
            ports.iter().copied().map(frame).collect::<Vec<_>>()
        };
        running.feed(packets(&[1, 2]));
        running.feed(packets(&[3]));
        assert_eq!(running.rows(), [format!("told={want}")], "{keep}");
        running.faultless();
    };
    let dead = "1|only valid|only valid";
    check("state.udp = state.udp or pkt.udp", "state.udp.sport", dead);
    check("local udp = pkt.udp state.udp = state.udp or udp", "state.udp.sport", dead);
    check("local q = id(pkt) state.udp = state.udp or q['udp']", "state.udp.sport", dead);
    check("local q = id(pkt) state.udp = state.udp or q.udp", "state.udp['sport']", dead);
    check("for _, v in pairs(id(pkt)) do state.v = v end", "state.v", "nil|nil|nil");
    check(
        "local u = pkt.udp state.f = state.f or function() return u.sport end",
        "state.f()",
        "1|1|1",
    );
    check(
        "local udp = pkt.udp local n = udp.sport local q = pkt",
        "q.sport + udp.sport - n",
        "1|2|3",
    );
}

#[test]
fn a_packet_cannot_be_frozen_copied_or_given_a_metatable() {
    for what in ["pkt", "pkt.udp"] {
        for (done, want) in [
            ("table.freeze(WHAT)", "protected metatable"),
            ("table.clone(WHAT)", "protected metatable"),
            ("setmetatable(WHAT, { __metatable = 1 })", "protected metatable"),
            ("setmetatable({}, getmetatable(WHAT))", "nil or table expected"),
            ("for name in WHAT do end", "read its fields by their names"),
        ] {
            let text = format!(
                "function update(pkt, state)
                   local ok, why = pcall(function() {} end)
                   state.why = tostring(why)
                 end
                 function export(state) return state end",
                done.replace("WHAT", what)
            );
            let mut running = start(&text);
            running.feed([udp("a")]);
            let row = running.rows().concat();
            assert!(row.contains(want), "{done}: {row}");
            running.faultless();
        }
    }
    let text = "function update(pkt) table.freeze(pkt) end\nfunction export() end";
    let mut running = start(text);
    running.feed([udp("a")]);
    let told = running.faults.first().map(|fault| fault.mistake.to_string()).unwrap_or_default();
    assert!(told.contains("into a table of your own"), "{told}");
}

#[test]
fn the_time_of_a_packet_that_is_gone_is_an_error() {
    let text = r#"
function init() return { told = {} } end
function update(pkt, state)
  state.f = state.f or function() return pkt.ts_ns end
  local ok, why = pcall(state.f)
  table.insert(state.told, if ok then "ok" else tostring(why):match("only valid"))
end
function export(state) return { told = table.concat(state.told, "|") } end
"#;
    let mut running = start(text);
    running.feed(["a", "b"].map(udp));
    assert_eq!(running.rows(), ["told=ok|only valid"]);
}

#[test]
fn a_layer_that_is_absent_is_nil_by_a_name_of_its_own() {
    let text = |last: &str| {
        format!(
            "function update(pkt, state)\n  local tcp = pkt.tcp\n  state.n = tcp.sport\nend\n\
         function export() end\n{last}"
        )
    };
    let [own, table] = ["", "local __here, __tcp = 0"].map(|last| {
        let mut running = start(&text(last));
        running.feed([udp("a")]);
        running.faults.iter().map(|fault| fault.mistake.to_string()).collect::<Vec<_>>()
    });
    assert!(own[0].contains("`tcp` is nil"), "{own:?}");
    assert_eq!(own, table);
}

#[test]
fn functions_read_nothing_of_numbers_that_no_packet_has() {
    let (file, text) = ("test.lua".into(), "".into());
    let source = Source { file, name: "test".into(), text, libraries: Vec::new().into() };
    let vm = Vm::new(&source, &Means::default(), false).expect("a machine");
    let mut payloads = Payloads::new(vm.lua(), vm.base()).expect("functions");
    let batch = batch_of([udp("abc")]);
    let first = payloads.begin(batch.len());
    let call = |body: &str| {
        let asked = vm.lua().load(format!("local f = ... return f.{body}"));
        let asked = asked.call::<mlua::Value>(payloads.functions());
        asked.map_err(|error| error.to_string())
    };
    let within = |body: &str| payloads.within(&batch, &[0], || call(body));
    assert!(within(&format!("whole({first})")).is_ok_and(|found| !found.is_nil()));
    assert!(call(&format!("whole({first})")).is_err());
    for none in ["-1", "1e300", "0/0", "1", ""] {
        for function in ["whole", "find", "hash_number", "dns_qname"] {
            let told = within(&format!("{function}({none})"));
            assert!(told.is_err_and(|told| told.contains("only valid")), "{function} {none}");
        }
    }
    assert!(within("regex_test('a')").is_err());
}
