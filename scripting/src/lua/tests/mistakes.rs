//! What is refused before it runs, and what is told while it does.

use super::*;

/// The message with which a script is refused.
#[track_caller]
fn refused(text: &str, want: &str) {
    let error = match load(text) {
        Ok(_) => panic!("it loads"),
        Err(error) => error.to_string(),
    };
    assert_eq!(error, format!("test.lua:{want}").replace(":0:", ":"));
}

#[test]
fn mistakes_are_refused_with_their_line() {
    refused("-- x\nkey = {\n", "3: expected identifier when parsing expression, got <eof>");
    refused("x = = 3", "1: expected identifier when parsing expression, got '='");
    refused("\nerror('no')", "2: no");
    refused("error({})", "1: an error that is no text");
    refused("local f = 1 end\nreturn 3 end", "1: expected <eof>, got 'end'");
    let ended = "a module declares by plain top-level names and has no `return` outside its \
        functions";
    let ends = [
        "return x",
        "do return end",
        "do return x end",
        "if x then return end",
        "return 3\nvalue = { n = count() }",
        "return { n = 1 } key = {}",
    ];
    for end in ends.map(|end| format!("local x = function() return 1 end\n{end}")) {
        refused(&end, &format!("2: {ended}"));
    }
    refused(
        "\nvalue = { n = quantile('len', 7) }",
        "2: `quantile`: the share is a number from 0 to 1; write quantile(\"len\", 0.99)",
    );
    refused("value = { n = sum('lne') }", "1: `n`: there is no field `lne`; did you mean `len`?");
    refused(
        "function update(pkt, s)\n s.n = pkt.tcp.prot end function export() end",
        "2: a packet has no field `tcp.prot`; did you mean `tcp.dport`?",
    );
    refused(
        "function update(pkt, s)\n s.n = pkt.ip.src == '10.0.0.1' end function export() end",
        "2: an address never equals a text; compare it with addr(\"10.0.0.1\")",
    );
    let taken = "`ts` is the time that every record has: call the column something else";
    refused("key = { ts = 'ip.src' }", &format!("1: `key.ts`: {taken}"));
    refused("\nvalue = { ts = last('ts') }", &format!("2: `value.ts`: {taken}"));
    refused("schema = { ts = 'time' }", &format!("1: `schema.ts`: {taken}"));
    refused("\nkey = '\0'", "2: a script is text, and this has a zero byte");
    refused("key = { 1, x = 2 }", "1: `key` mixes values with names and without");
    refused("args = { n = print }", "1: `args.n` cannot hold a function");
    refused("\n\nargs = 3", "3: `args` must be a map as in { n = 20 }, and is 3");
}

#[test]
fn all_that_is_wrong_with_a_declaration_is_told_at_once() {
    let text = "filter = 'tcp port'\nkey = { a = 'ip.scr' }\n\
                value = { s = sum('lenn'), n = count(), t = max('dprot') }\nrows = 'many'";
    let error = load(text).err().expect("mistakes").to_string();
    for want in ["the filter", "ip.scr", "lenn", "dprot", "rows"] {
        assert!(error.contains(want), "{want}: {error}");
    }
    assert_eq!(error.lines().count(), 5, "{error}");
}

#[test]
fn an_error_in_a_helper_tells_who_called_it() {
    let text = "
local help = {}
function help.inner(x)
  return x.y.z
end
function help.outer(x)
  local y = help.inner(x)
  return y
end
function update(pkt) end
function export()
  local all = help.outer({})
  return all
end";
    let mut running = start(text);
    running.rows();
    let told: Vec<String> = running.faults.iter().map(|fault| fault.to_string()).collect();
    assert_eq!(
        told,
        ["test.lua:4: `x.y` is nil, and has no `z`; in `inner`, called in line 7; \
          in `outer`, called in line 12"]
    );
}

#[test]
fn a_callback_that_fails_says_where_and_the_rest_goes_on() {
    let text = r#"
function init() return { n = 0 } end
function update(pkt, state)
  state.n += 1
  if pkt.len == 200 then error("a strange packet") end
end
function export(state) return { n = state.n } end
"#;
    let mut running = start(text);
    running.feed(some());
    assert_eq!(running.rows(), ["n=6"]);
    assert_eq!(running.faults[0].to_string(), "test.lua:5: a strange packet");
    assert_eq!(running.faults.len(), 1);
    for (callback, body) in [
        ("init", "function init(a, last) if last then error('x') end return {} end"),
        ("export", "function export() local t = nil; return t.x end"),
        ("check", "function check(pkt) return pkt.len < nil end"),
    ] {
        let rest = "function update() end function export() end\n";
        let mut running = start(&format!("{rest}{body}"));
        running.feed(some());
        running.rows();
        assert!(
            running.faults[0].to_string().starts_with("test.lua:2: "),
            "{callback}: {:?}",
            running.faults
        );
        running.feed(some());
    }
}

#[test]
fn what_a_script_says_and_makes_global_stays_in_bounds() {
    let text = r#"
function update(pkt, state) log("packet", pkt.len, pkt.ip.src, "\27[2J"); leaked = pkt.len end
function export() end
"#;
    let mut running = start(text);
    running.feed(some());
    assert!(running.faults[0].to_string().contains("readonly"), "{:?}", running.faults);
}

#[test]
fn a_callback_that_runs_on_is_told_by_a_line_of_its_own() {
    let text = "function init() return {} end\n\
                function update(pkt, state) if pkt.len then while true do end end end\n\
                function export() end";
    let limits = Limits { call_ms_max: 20, ..Limits::default() };
    let mut running = start_with(text, &[], limits).expect("starts");
    running.feed(some());
    let said = &running.faults[0].to_string();
    assert!(said.starts_with("test.lua:2: stopped after 20 ms of CPU time in one call"), "{said}");
}

#[test]
fn errors_of_the_library_are_texts_with_their_place_where_they_are_caught() {
    let script = "function update(pkt, s)\nend\nfunction export()\n\
        local ok, e = pcall(addr, 'x')\n\
        local _, f = pcall(function()\n return net.contains('x') end)\n\
        local _, g = xpcall(addr, function(e) return 'handled ' .. e end, 'x')\n\
        local _, h = coroutine.resume(coroutine.create(function() return addr('x') end))\n\
        local _, i = pcall(function() error({ 1 }) end)\n\
        return { a = 'a' .. e, ok = ok, f = f, g = g, h = h, i = type(i) }\n\
        end";
    let mut running = start(script);
    running.feed(some());
    let rows = running.rows();
    running.faultless();
    let no = "`x` is no address: write one like 10.0.0.1, 2001:db8::1 or 00:1b:21:0a:0b:0c";
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    for part in [
        format!("a=atest.lua:4: {no}"),
        "ok=false".to_owned(),
        "f=test.lua:6: net.contains".to_owned(),
        format!("g=handled test.lua:7: {no}"),
        format!("h=test.lua:8: {no}"),
        "i=table".to_owned(),
    ] {
        assert!(row.contains(&part), "{part}: {row}");
    }
}

#[test]
fn memory_that_is_up_in_init_is_told_with_its_line() {
    let script = "-- x\nfunction init(args, last)\n\
        if last then return table.create(9000000, 1) end\n\
                  end\nfunction update(pkt, s) end\nfunction export(s) return { n = 1 } end";
    let mut running = start(script);
    running.rows();
    let fault = running.faults.first().expect("a fault").to_string();
    assert!(fault.starts_with("test.lua:2: needs more than 64 MiB of memory"), "{fault}");
}

#[test]
fn what_is_no_exact_time_no_name_and_no_field_is_told_in_words() {
    let told = |work: &str, want: &str| {
        let script = format!(
            "function init() return {{ n = 'nofield', t = {{ a = {{ x = 1 }} }} }} end\n\
             function update(pkt, s)\n {work}\nend\nfunction export(s) return {{ n = 1 }} end"
        );
        let mut running = start(&script);
        running.feed(some());
        let fault = running.faults.first().expect("a fault").to_string();
        assert!(fault.starts_with(&format!("test.lua:3: {want}")), "{fault}");
    };
    let exact = "of an exact time only another is taken, as in `pkt.ts_ns - last`";
    told("return pkt.ts_ns - 1", exact);
    told("return 1 - pkt.ts_ns", exact);
    told("return pkt[nil]", "a packet's field has a name, and this is nil");
    told("return top(s.t, 1, s.n)", "top: what lies under 'a' has no field 'nofield'");
}

#[test]
fn how_many_local_variables_a_script_may_have_is_told() {
    let rest = "
function init() return { t = table{ value = { n = count() } } } end
function check(pkt) return tostring(pkt) ~= '' end
function update(pkt, state) state.t:add(pkt) end
function export(state) return state.t:top('n', 1) end";
    let locals = |count: usize| {
        let locals: String = (0..count).map(|n| format!("local v{n} = {{}} ")).collect();
        locals + rest
    };
    assert_eq!(load(&locals(190)).err().map(|error| error.to_string()), None);
    let many = "1: more than 190 local variables at the top level: put some of them into a table";
    refused(&locals(199), many);
    let own = |count: usize| {
        let locals: String = (0..count).map(|n| format!("local v{n} = p.len\n")).collect();
        format!(
            "local function class(p)\n{locals}\nreturn p.ip.src or p.ip.dst or p.ip.ttl or p.sport \
             or p.dport or p.ip.tos or p.ip.id or p.ip.len or p.tcp.seq or p.tcp.ack\nend\n\
             function update(pkt, state) class(pkt) end function export() end"
        )
    };
    assert_eq!(load(&own(170)).err().map(|error| error.to_string()), None);
    let wrong = "too many local variables beside the fields of packets that are read: put some of \
        them into a table";
    refused(&own(190), &format!("1: {wrong}; in `class`, called in line 195"));
    let update = own(190).replace("class(p)", "class(q) end\nfunction update(p)");
    let update = update.replace("\nfunction update(pkt, state) class(pkt) end", "");
    refused(&update, &format!("2: `update` has {wrong}"));
}

#[test]
fn names_of_the_driver_are_refused() {
    let told = "names that begin with `__como_` are not for scripts: choose another";
    for body in ["x = __como_open", "local __como_at = 1", "x = `{__como_values}`"] {
        let text = format!("function update(pkt)\n{body}\nend\nfunction export() end");
        refused(&text, &format!("2: {told}"));
    }
    assert!(load("local x = '__como_open' -- __como_open\nvalue = { n = count() }").is_ok());
}

#[test]
fn how_deep_blocks_may_lie_is_told() {
    let deep = format!("x = {}1{}", "(".repeat(2000), ")".repeat(2000));
    refused(&deep, "1: blocks or brackets lie more than 1000 deep in each other");
}

#[test]
fn what_is_caught_names_the_line_it_came_of() {
    let cases = [
        ("top(pkt, 3)", 5, "a packet has no list of what it holds: read its fields by their names"),
        ("top(nil, 3)", 5, "attempt to iterate over a nil value"),
        ("top({ 1, {} }, 3)", 5, "attempt to compare number < table"),
        ("table.sort({ 1, 'a' })", 5, "attempt to compare string < number"),
        ("string.find('x')", 5, "invalid argument #2 to 'find' (string expected, got nil)"),
        ("state.f = pkt.flow or state.f return state.f.foo", 5, "a flow has no `foo`"),
        ("return addr('10.0.0.1').foo", 5, "an address has no `foo`"),
        (
            "return #(pkt)",
            5,
            "a packet has no list of what it holds: read its fields by their names",
        ),
        ("return (pkt).nothing", 5, "a packet has no field `nothing`"),
        ("pcall(error, 'x') error('placed')", 5, "placed"),
        (
            "local ok, why = pcall(string.rep, 'x', 1e9) error(why, 0)",
            5,
            "string.rep: the result would be longer than 16 MiB",
        ),
        (
            "local ok, why = pcall(table.insert, 1) error(why, 0)",
            5,
            "invalid argument #1 to 'insert' (table expected, got number)",
        ),
        ("error('plain', 0)", 0, "plain"),
        ("error(nil)", 0, "nil"),
        ("coroutine.wrap(function() error('plain', 0) end)()", 5, "plain"),
        ("coroutine.wrap(function() error('placed') end)()", 5, "placed"),
        (
            "coroutine.wrap(function() local t = nil t.x = 1 end)()",
            5,
            "attempt to index nil with 'x'",
        ),
        ("local f = coroutine.wrap(function() end) f() f()", 5, "cannot resume dead coroutine"),
        ("coroutine.wrap(3)", 5, "invalid argument #1 to 'wrap' (function expected, got number)"),
    ];
    for (wrong, line, want) in cases {
        for catch in ["pcall(f)", "xpcall(f, tostring)", "coroutine.resume(coroutine.create(f))"] {
            let text = format!(
                "function update(pkt, state)\nlocal f = function()\nstate.n = 1\n\n{wrong}\nend\n\
                 local ok, why = {catch}\nstate.why = tostring(why)\nend\n\
                 function export(state) return {{ why = state.why }} end"
            );
            let place = if line > 0 { format!("test.lua:{line}: ") } else { String::new() };
            check_rows("test.lua", &text, &[], &[&format!("why={place}{want}")]);
        }
    }
}

#[test]
fn a_long_text_is_caught_as_it_is() {
    let text = "function update(pkt, state)
  local ok, why = pcall(error, string.rep('x', 2 ^ 22))
  state.n = #why
end
function export(state) return { n = state.n } end";
    let limits = Limits { call_ms_max: 5_000, ..Limits::default() };
    let mut running = start_with(text, &[], limits).expect("starts");
    running.feed(some());
    assert_eq!(running.rows(), ["n=4194304"]);
    running.faultless();
}

#[test]
fn the_length_of_a_text_is_hinted_at_where_its_function_is_taken_for_it() {
    for (use_of, hinted) in [
        ("1 + p.len", true),
        ("p.len > 1", true),
        ("n > 1", true),
        ("math.max(p.len, 1)", true),
        ("1 + p['len']", true),
        ("p['len'](p) + p['sub']", false),
        ("1 + p.sub", false),
        ("table.sort({ p.len }, 3)", false),
    ] {
        let text = format!(
            "function update(pkt, state)\nlocal p = tostring(pkt.payload)\nlocal n = p.len\n\
             state.n = {use_of}\nend\n\
             function export(state) return {{ n = 1 }} end"
        );
        let mut running =
            Running::start("test.lua", &text, &[], Limits::default()).expect("it starts");
        running.feed([udp("10.0.0.1", "10.0.0.2", 100)]);
        let hint = running.faults[0].mistake.hint.clone();
        let what = if use_of.contains("'len'") { "p['len']" } else { "p.len" };
        let want = format!("`{what}` is a function where `p` is a text: write `#p`");
        assert_eq!(hint == Some(want), hinted, "{use_of}: {hint:?}");
    }
}

#[test]
fn the_length_of_a_payload_is_refused_where_a_function_is_taken_for_it() {
    let update =
        |body: &str| format!("function update(pkt, s)\nlocal p = pkt.payload\n{body}\nend");
    for body in ["s.t[p.len] = 1", "s.n += p.len", "s.n = p and p.len or 0"] {
        let wrong = "`p.len` is a function where `p` is a text; write `#p`";
        refused(&(update(body) + " function export() end"), &format!("3: {wrong}"));
    }
    let wrong = "`pkt.payload['len']` is a function where `pkt.payload` is a text; write \
        `#pkt.payload`";
    let text = update("s.n += pkt.payload['len']") + " function export() end";
    refused(&text, &format!("3: {wrong}"));
    assert!(load(&(update("s.n = p.len(p)") + " function export() end")).is_ok());
}

#[test]
fn a_packet_that_is_a_key_is_refused() {
    let wrong = "a packet is only valid in the call it is given to, and so no key; take a field of \
        it, or `pkt.flow`, as in `t[pkt.ip.src]`";
    let rest = "\nend function export() end";
    for body in ["s.t[pkt] = 1", "s.n = (s.t[pkt] or 0)", "s.t = { [pkt] = 1 }", "s.x[1][pkt] = {}"]
    {
        refused(&format!("function update(pkt, s)\n{body}{rest}"), &format!("2: {wrong}"));
    }
    let by_name = format!("function update(pkt, s)\nlocal p = pkt\ns.t[p] = 1{rest}");
    refused(&by_name, &format!("3: {wrong}"));
    for body in ["s.t[pkt.len] = 1", "s.t[tostring(pkt)] = 1", "local pkt = 3 s[pkt] = 1"] {
        let text = format!("function update(pkt, s)\n{body}{rest}");
        assert_eq!(load(&text).err().map(|error| error.to_string()), None);
    }
}

#[test]
fn what_is_nil_is_named_only_where_it_is_that() {
    for (body, want) in [
        (
            "s.t[pkt.sport] += 1",
            "`s.t[pkt.sport]` is nil before it is first set: write \
                                 `(s.t[pkt.sport] or 0)`",
        ),
        (
            "s.n += pkt.tcp.seq",
            "`pkt.tcp.seq` is nil where a packet has none: ask `if pkt.tcp.seq \
                                then` first",
        ),
        ("s.n = s.t[pkt.sport] + 1", ""),
        ("s.n = #s.t + pkt.ip.src.port", ""),
        ("s.n = 1 + tonumber(tostring(pkt.ip.src))", ""),
    ] {
        let text = format!(
            "function init() return {{ n = 0, t = {{}} }} end\nfunction update(pkt, s)\n{body}\n\
             end\n\
             function export() return {{ n = 1 }} end"
        );
        let mut running =
            Running::start("test.lua", &text, &[], Limits::default()).expect("it starts");
        running.feed([udp("10.0.0.1", "10.0.0.2", 100)]);
        let hint = running.faults[0].mistake.hint.clone().unwrap_or_default();
        assert_eq!(hint, want, "{body}");
    }
}

#[test]
fn a_filter_in_a_function_is_none_of_the_top_level() {
    let text = "function update(pkt, s)\nlocal f = filter('udp')\nif f(pkt) then s.n = 1 end\nend\n\
                function export(s) return { n = 1 } end";
    let mut running = start(text);
    running.feed(some());
    let fault = running.faults[0].to_string();
    assert!(fault.starts_with("test.lua:2: filter: a filter is compiled while"), "{fault}");
}

#[test]
fn what_a_helper_reads_of_a_packet_is_known_to_be_a_field() {
    let text = "local function f(p)\n return p.tcp.seq + 1 end\n\
                function update(pkt, s) s.n = f(pkt) end\n\
                function export() return { n = 1 } end";
    let mut running = start(text);
    running.feed([udp("10.0.0.1", "10.0.0.2", 100)]);
    let hint = running.faults[0].mistake.hint.clone();
    let want = "`p.tcp.seq` is nil where a packet has none: ask `if p.tcp.seq then` first";
    assert_eq!(hint.as_deref(), Some(want));
}

#[test]
fn a_packet_is_no_value_of_a_record_and_called_so() {
    let text = "function init() return {} end\nfunction update(pkt, s) s.p = pkt end\n\
                function export(s) return { p = s.p } end";
    let mut running = start(text);
    running.feed(some());
    running.rows();
    let fault = running.faults[0].to_string();
    assert!(fault.contains("`p`: a packet is no value of a record"), "{fault}");
}

#[test]
fn a_method_has_a_self() {
    let text = "local W = {}\nfunction W:f() return self.x.y end\n\
                function update(pkt, s) W:f() end\nfunction export() return { n = 1 } end";
    let mut running = start(text);
    running.feed(some());
    let fault = running.faults[0].to_string();
    assert!(fault.starts_with("test.lua:2: `self.x` is nil, and has no `y`"), "{fault}");
}
