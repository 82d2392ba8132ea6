//! Scripts that mean harm, or behave as if: each is stopped, and the process lives.

use std::time::Duration;

use super::*;
use crate::running::Took;
use como_core::module::{Limit, Setup};

/// Small limits, so that the tests are quick.
const LIMITS: Limits = Limits {
    rows_max: 1000,
    memory_bytes_max: 16 << 20,
    call_ms_max: 30,
    output_bytes_max: 16 << 20,
    log_lines_max: 600,
    alerts_max: 60,
};

/// Runs a script whose `update` is hostile over two batches; returns its faults.
fn faults(text: &str) -> Vec<Fault> {
    let took = Took::begin();
    let mut running = start_with(text, &[], LIMITS).expect("it starts");
    // One packet: of several that fail, the time that they share may be what is told.
    let one = || some().into_iter().take(1);
    running.feed(one());
    running.rows();
    let first = running.faults.len();
    running.feed(one());
    running.rows();
    took.check();
    assert!(first > 0, "nobody noticed");
    running.faults
}

/// `body` runs in `update` and is stopped by a limit.
#[track_caller]
fn stopped(body: &str) {
    let text = format!("function update(pkt, state)\n{body}\nend\nfunction export() end");
    let faults = faults(&text);
    assert!(faults[0].limit.is_some(), "{faults:?}");
}

/// `body` runs in `update` and ends in an error that says `want`.
#[track_caller]
fn fails(body: &str, want: &str) {
    let text = format!("function update(pkt, state)\n{body}\nend\nfunction export() end");
    let faults = faults(&text);
    assert!(faults[0].to_string().contains(want), "{faults:?}");
}

#[test]
fn endless_loops_are_stopped_wherever_they_are() {
    stopped("while true do end");
    stopped("local x = 0; for i = 1, math.huge do x += i end");
    stopped("repeat until false");
    stopped("local co = coroutine.wrap(function() while true do end end); co()");
    stopped(
        "coroutine.wrap(function() while true do coroutine.yield() end end)(); while true do end",
    );
    stopped("table.sort({ 3, 1, 2 }, function(a, b) while true do end end)");
    stopped(
        "local t = setmetatable({}, { __index = function() while true do end end }); return t.x",
    );
    stopped(
        "local t = setmetatable({}, { __eq = function() while true do end end }); return t == \
            setmetatable({}, getmetatable(t))",
    );
    stopped("tostring(setmetatable({}, { __tostring = function() while true do end end }))");
    stopped(
        "for _ in setmetatable({}, { __iter = function() return function() return 1 end end }) do \
            end",
    );
    stopped("string.gsub('x', 'x', function() while true do end end)");
}

#[test]
fn pcall_cannot_swallow_a_limit() {
    stopped("while true do pcall(function() while true do end end) end");
    stopped("pcall(function() while true do end end) while true do end");
    stopped("local function f() pcall(f) f() end f()");
    stopped(
        "xpcall(function() while true do end end, function() while true do end end) while true do \
            end",
    );
    stopped(
        "while true do coroutine.wrap(function() pcall(function() while true do end end) end)() \
            end",
    );
    stopped("pcall(function() while true do end end)");
}

#[test]
fn long_native_operations_are_bounded() {
    stopped("local s = ('a'):rep(2^18) while true do s:find(('a*'):rep(50) .. 'b') end");
    stopped("local s = ('a'):rep(4000) s:find(('.-'):rep(20) .. 'b')");
    stopped("local s = ('a'):rep(2^20) while true do s = s:reverse() end");
    stopped("local t = table.create(2^16, 1) while true do table.sort(t) end");
    stopped(
        "local t = table.create(2^17, 1) for i = 1, 2^17 do t[i] = i * 7919 % 131071 end while \
            true do table.sort(t) end",
    );
    fails("table.sort(table.create(2^17, 1), rawequal)", "invalid order function");
    stopped("while true do tonumber(('1'):rep(2^20)) end");
    fails("('a'):rep(2^20):find(('a'):rep(2^19) .. 'b', 1, true)", "too long");
    fails("('a'):rep(2^20):split(('a'):rep(2^19) .. 'b')", "too long");
    fails("table.move({}, 1, 2^31 - 2, 2)", "table.move");
    fails("table.unpack({}, 1, 2^30)", "too many results");
    fails("string.rep('', 2^40) string.rep(12, '100000000')", "16 MiB");
}

#[test]
fn packets_that_fail_share_the_time_of_a_batch() {
    // Each of them stays within the time of a call, and there are as many as may fail.
    let slow = "for i = 1, 2e5 do state.n = i end error('late')";
    let text = format!("function update(pkt, state) {slow} end function export() end");
    let mut running = start_with(&text, &[], LIMITS).expect("starts");
    let took = Took::begin();
    running.feed((0..256).map(|_| udp("1.1.1.1", "2.2.2.2", 60)));
    let took = took.time();
    let fault = &running.faults[0];
    assert_eq!(fault.limit, Some(Limit::Cpu), "{fault:?}");
    assert!(took < 10 * Duration::from_millis(LIMITS.call_ms_max), "{took:?}");
}

#[test]
fn memory_bombs_end_at_the_limit() {
    stopped("local t = {} while true do t[#t + 1] = { 1, 2, 3 } end");
    stopped("state.t = state.t or {} for i = 1, 1e9 do state.t[i] = i end");
    stopped("local s = 'x' while true do s = s .. s end");
    stopped("local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(2^16) .. i end");
    stopped("local t = {} while true do t[#t + 1] = function() return t end end");
    stopped("buffer.create(2^30 - 1)");
    stopped("table.create(2^26 - 1, 1)");
    stopped("local t = {} while true do t[#t + 1] = buffer.create(2^16) end");
    stopped(
        "while true do pcall(function() local t = {} while true do t[#t + 1] = ('x'):rep(2^20) .. \
            #t end end) end",
    );
    stopped(
        "local t = {} for i = 0, 1e9 do t[i] = addr(`10.{i // 65536 % 256}.{i // 256 % 256}.{i % \
            256}`) end",
    );
    stopped("local t = {} while true do t[#t + 1] = coroutine.create(function() end) end");
}

#[test]
fn memory_that_is_up_is_caught_by_nobody() {
    stopped("pcall(buffer.create, 2^29)");
    stopped("pcall(table.create, 2^26 - 1, 1)");
    stopped("xpcall(buffer.create, tostring, 2^29)");
    stopped("xpcall(buffer.create, function() return 'caught' end, 2^29)");
    stopped("pcall(pcall, pcall, buffer.create, 2^29)");
    stopped("coroutine.resume(coroutine.create(function() buffer.create(2^29) end))");
    stopped("pcall(coroutine.wrap(function() buffer.create(2^29) end))");
}

#[test]
fn a_big_string_at_once_needs_no_more_than_the_limit() {
    fails("local s = ('x'):rep(2^30)", "16 MiB");
}

#[test]
fn deep_recursion_is_an_error() {
    fails("local function f() return 1 + f() end f()", "stack overflow");
    fails("local function f() return f() end f()", "stack overflow");
    fails("local function f(n) error(select(2, pcall(f, n + 1))) end f(1)", "");
    fails(
        "local t = {} for i = 1, 1e4 do t = setmetatable({}, { __index = t }) end return t.x",
        "'__index' chain too long",
    );
    fails(
        "local function f() return table.concat({ tostring(setmetatable({}, { __tostring = f })) \
            }) end f()",
        "",
    );
    fails("local function f(s) return (s:gsub('.', f)) end f('x')", "");
    fails(
        "return table.unpack(table.create(1e6, 1)), (function(...) return select('#', ...) \
            end)(table.unpack(table.create(1e6, 1)))",
        "",
    );
}

#[test]
fn deep_and_long_sources_are_refused() {
    for text in [
        format!("x = {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("x = {}{}", "{".repeat(100_000), "}".repeat(100_000)),
        format!("x = 1{}", " + 1".repeat(60_000)),
        format!("x = 'a'{}", " .. 'a'".repeat(30_000)),
        format!("x = {}1", "-".repeat(2).to_owned() + "\n" + "not ".repeat(60_000).as_str()),
        "do ".repeat(60_000) + "end ".repeat(10).as_str(),
        "function f() ".repeat(15_000),
        format!("x = a{}", ".b".repeat(100_000)),
        format!("x = a{}", "()".repeat(100_000)),
        format!(
            "function update(pkt) f(pkt) x = {}1{}",
            "t[".repeat(40_000),
            "].ip.src".repeat(20_000)
        ),
        format!("function update(pkt) f(pkt) x = f{} end", "(1).ip.src".repeat(20_000)) + " )",
        format!("x = {}", "if a then b else ".repeat(12_000)),
        "x = [[".to_owned() + "y".repeat(300 << 10).as_str(),
    ] {
        let took = Took::begin();
        assert!(load(&text).is_err(), "{}", &text[..20]);
        took.check();
    }
}

#[test]
fn every_callback_and_the_top_level_are_watched() {
    let spin = "while true do end";
    let limit = |text: &str| match start_with(text, &[], LIMITS) {
        Err(ModuleError::Script(told)) => assert!(told.message.contains("CPU time"), "{told}"),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it starts"),
    };
    limit(spin);
    limit(&format!("function init() {spin} end function update() end function export() end"));
    limit(&format!("args = setmetatable({{}}, {{ __iter = function() {spin} end }}) {spin}"));
    let update = "function update() end\n";
    for (name, text) in [
        (
            "init",
            format!(
                "{update}function export() end function init(_, last) if last then {spin} end \
                    return {{}} end"
            ),
        ),
        ("export", format!("{update}function export() {spin} end")),
        ("check", format!("{update}function export() end function check() {spin} end")),
        (
            "store",
            format!("value = {{ n = count() }} function store() {spin} end function load() end"),
        ),
        (
            "action",
            format!(
                "key = {{ a = 'ip.dst' }} value = {{ n = count() }} long = {{ timeout = '9s' }} \
                    function action() {spin} end"
            ),
        ),
    ] {
        let faults = faults(&text);
        assert!(faults[0].limit.is_some(), "{name}: {faults:?}");
    }
    let text = format!(
        "value = {{ n = count() }} function print() {spin} end function replay() {spin} end"
    );
    let kind = load(&text).expect("loads");
    let interval = Interval::holding(Ts::new(7, 0), como_core::time::Span::from_secs(1));
    let schema = como_core::record::Schema::default();
    let shown = kind.printer("plain", &Setup::default()).expect("prints").print(
        Ts::new(7, 0),
        &schema,
        &[],
    );
    assert!(shown.is_err_and(|fault| fault.limit.is_some()));
    let packets = kind.replayer(&Setup::default()).expect("replays").replay(interval, &schema, &[]);
    assert!(packets.is_err_and(|fault| fault.limit.is_some()));
}

#[test]
fn nothing_outside_the_vm_can_be_reached() {
    for name in [
        "io",
        "os",
        "debug",
        "package",
        "loadstring",
        "load",
        "dofile",
        "loadfile",
        "getfenv",
        "setfenv",
        "collectgarbage",
        "newproxy",
        "gcinfo",
        "_G",
        "shared",
        "string.dump",
        "table.foreach",
        "coroutine.debug",
    ] {
        let text = format!("assert({name} == nil) value = {{ n = count() }}");
        assert!(load(&text).is_ok(), "{name}");
    }
    fails("string.rep = nil", "readonly");
    fails("getmetatable('').__index = nil", "readonly");
    fails("getmetatable('').__index.rep = nil", "readonly");
    fails("rawset(string, 'x', 1)", "readonly");
    fails("setmetatable(string, {})", "readonly");
    fails("math.huge = 1", "readonly");
    fails("getmetatable(addr('1.1.1.1')).__lt = nil", "");
    fails("return addr('1.1.1.1') < newcomer", "");
    fails("setmetatable(addr('1.1.1.1'), {})", "");
    fails("return (5).anything", "a number has no field");
    fails("return pkt[{}]", "");
    fails("local p = { pkt }; return p[1].nothing", "a packet has no field `nothing`");
}

#[test]
fn one_script_cannot_reach_another() {
    let mut one =
        start("function update() end function export() return { t = tostring(string) } end");
    let mut two =
        start("function update() end function export() return { t = tostring(string) } end");
    assert_ne!(one.rows(), two.rows());
}

#[test]
fn strange_errors_are_still_errors() {
    fails("error()", "");
    fails("error({})", "");
    fails("error(setmetatable({}, { __tostring = function() error('again') end }))", "");
    fails("error(('x'):rep(2^16))", "xxx");
    fails("error(addr('1.1.1.1'))", "");
    fails("error('\\0\\255')", "");
    fails("coroutine.yield()", "");
    fails("coroutine.wrap(function() error('inside') end)()", "inside");
    for body in [
        "return 1",
        "return { 1 }",
        "return { { 1 } }",
        "return { { x = {} } }",
        "return { x = print }",
        "return setmetatable({}, { __index = function() return {} end })",
        "local t = {} t.t = t return t",
        "local t = {} for i = 1, 5000 do t['c' .. i] = i end return t",
    ] {
        let text = format!("function update() end function export() {body} end");
        let mut running = start_with(&text, &[], LIMITS).expect("starts");
        running.rows();
        running.rows();
    }
}

#[test]
fn a_budget_is_per_call_and_cheap_packets_never_trip_it() {
    let text = "function init() return { n = 0 } end function update(pkt, state) state.n += 1 end \
                function export(state) return state end";
    let mut running = start_with(text, &[], LIMITS).expect("starts");
    let frames: Vec<Frame> = (0..4096).map(|_| udp("1.1.1.1", "2.2.2.2", 60)).collect();
    let batch = running.batch(frames);
    let picked = Selection::all(batch.len());
    for _ in 0..500 {
        running.started.module.update(&batch, &picked);
        running.faults.extend(running.started.module.fault());
    }
    running.faultless();
    assert_eq!(running.rows(), ["n=2048000"]);
}

#[test]
fn names_are_bounded_before_they_are_copied() {
    for call in ["require(x)", "addr(x)", "table:top(x, 5)"] {
        let text = format!(
            "value = {{ n = count() }}\nfunction export(table)\n  local x = string.rep('x', 2 ^ \
                20)\n  {call}\nend"
        );
        let mut running = start_with(&text, &[], LIMITS).expect("it starts");
        running.feed(some());
        running.rows();
        let [fault] = running.faults.as_slice() else { panic!("{:?}", running.faults) };
        assert!(
            fault.to_string().contains(":4: a text of 1048576 bytes names nothing"),
            "{fault:?}"
        );
    }
}

#[test]
fn no_more_rows_are_put_into_an_order_than_a_call_has_time_for() {
    let asks = |call: &str| {
        let body = format!("if #t < 9 then return {{ n = #{call} }} end local r = {call} return t");
        let head = "key = { t = 'ts' } value = { n = count() }";
        let text = format!("{head}\nfunction export(t) {body} end");
        let mut running = start_with(&text, &[], Limits::default()).expect("it starts");
        running.feed(some());
        assert_eq!(running.rows().len(), 1, "{call}");
        running.faultless();
        for from in 0..65u64 {
            let at = |n| Ts::new(1, from * 4096 + n);
            running.feed((0..4096).map(|n| udp("10.0.0.1", "10.0.0.2", 60).ts(at(n))));
        }
        running.rows();
        running.faults.remove(0).mistake.message
    };
    for call in ["t:all()", "t:top('n', 1e9)"] {
        let message = asks(call);
        let want = "266240 rows are more than a call has time for, and 262144 may be asked for";
        assert!(message.contains(want), "{message}");
    }
}

#[test]
fn a_limit_of_the_library_is_not_caught() {
    let text = "function init() return { kept = {} } end
function update(pkt, s)
 local i = 0
                while true do
 i += 1
                local _, made = pcall(addr, '10.0.' .. i // 256 .. '.' .. i % 256)
                s.kept[i] = made
end
end
function export() end";
    let limits = Limits { memory_bytes_max: 4 << 20, call_ms_max: 5000, ..LIMITS };
    let mut running = start_with(text, &[], limits).expect("it starts");
    running.feed(some().into_iter().take(1));
    let fault = running.faults.first().expect("a fault");
    assert_eq!(fault.limit, Some(Limit::Memory), "{fault}");
    assert!(fault.to_string().contains(":6: the script holds more than 6553 addresses"), "{fault}");
}

#[test]
fn a_long_name_of_no_field_is_neither_copied_nor_shown() {
    let script = "function init()\n local a = string.rep('a', 8000000) return { a = a .. a }\nend\n\
                  function update(pkt, s)\n return pkt[s.a]\nend\n\
                  function export(s) return { n = 1 } end";
    let took = Took::begin();
    let mut running = start(script);
    running.feed(some());
    let fault = running.faults.first().expect("a fault").to_string();
    assert!(fault.contains(":5: a text of 16000000 bytes names nothing"), "{fault}");
    assert!(took.time().as_millis() < 1000, "{:?}", took.time());
}
