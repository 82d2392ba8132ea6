//! Scripts that must be stopped, in bounded time and memory, with the process alive.

use super::*;
use crate::running::Took;

/// Half of what a call may take by default.
fn limits() -> Limits {
    Limits { call_ms_max: 25, ..Limits::default() }
}

fn update(body: &str) -> String {
    format!(
        "fn init(args) {{ #{{ n: 0, kept: () }} }}\n\
         fn update(pkt, state) {{ state.n += 1; {body} }}\n\
         fn export(state) {{ #{{ n: state.n }} }}\n\
         fn recurse(n) {{ recurse(n + 1) }}\n\
         fn forever() {{ loop {{}} }}"
    )
}

/// Runs a script over some packets and several intervals; it must be told off for passing a limit,
/// and then another script must count as ever.
#[track_caller]
fn stopped(script: &str) {
    let took = Took::begin();
    let limit = match start_with(script, &[], limits()) {
        Err(_) => true,
        Ok(mut running) => {
            for _ in 0..3 {
                running.feed(some());
                let _ = running.rows();
            }
            running.faults.iter().any(|fault| fault.limit.is_some())
        }
    };
    assert!(limit, "no limit was passed by {script}");
    took.check();
    check(&update(""), &[], &["n=6"]);
}

/// Runs a script that may do as it likes, as long as it ends and leaves the process alive.
#[track_caller]
fn survived(script: &str) {
    let took = Took::begin();
    if let Ok(mut running) = start_with(script, &[], limits()) {
        for _ in 0..3 {
            running.feed(some());
            let _ = running.rows();
        }
    }
    took.check();
}

#[test]
fn endless_loops_end_in_every_callback() {
    stopped("loop {}");
    stopped("let args = #{ n: 1 }; while true { args.n; }");
    stopped(&update("loop {}"));
    stopped(&update("forever();"));
    stopped("fn init(args) { loop {} } fn update(pkt, state) {} fn export(s) {}");
    stopped("fn update(pkt, state) {} fn export(s) { while true {} }");
    stopped("let value = #{ n: count() }; fn check(pkt, state) { loop {} }");
    stopped("let value = #{ n: count() }; fn export(t) { loop {} }");
    stopped(
        "let key = #{ a: \"ip.src\" }; let value = #{ n: count() }; let long = #{ timeout: 1 };\n\
         fn action(row, now) { loop {} }",
    );
}

#[test]
fn loops_inside_the_library_end() {
    stopped(&update("let a = [3, 1, 2]; a.sort(|x, y| forever());"));
    stopped(&update("let a = [3, 1, 2]; a.map(|x| forever());"));
    survived(&update("for i in 0..9223372036854775807 {}"));
    stopped(&update("for i in 0..9223372036854775807 { i + 1; }"));
    stopped(&update("for i in range(0.0, 1.0e300, 1.0e-300) { i + 1; }"));
    stopped(&update("let i = 0; do { i += 1 } while i != -1;"));
    stopped(&update("let a = [1]; let r = a.reduce(|x, y| forever()); a.retain(|x| forever());"));
}

#[test]
fn functions_that_the_library_calls_are_watched_however_short_they_are() {
    for work in [
        "a.reduce(|s, v| s + v, \"\")",
        "a.reduce_rev(|s, v| s + v, \"\")",
        "a.map(|v| big(v))",
        "a.filter(|v| big(v))",
        "a.all(|v| big(v))",
        "a.for_each(|| big(this))",
        "a.index_of(|v| !big(v))",
        "a.retain(|v| big(v))",
        "a.sort(|x, y| if big(x) { 1 } else { -1 })",
        "loop { a.map(|v| v); }",
    ] {
        stopped(&format!(
            "let value = #{{ n: count() }};\n\
             fn big(v) {{ v.pad(500_000, 'x'); v.len > 3 }}\n\
             fn export(t) {{ let a = []; a.pad(60_000, \"abcdefghijklmnopq\"); {work}; t.all() }}"
        ));
    }
}

/// What passes a limit in `export` says which one, how much it is, and in which line.
#[track_caller]
fn told(work: &str, want: &str) {
    let script = format!(
        "let value = #{{ n: count() }};\nfn recurse(n) {{ recurse(n + 1) }}\n\
         fn long() {{\n[1].map(|v| {{ loop {{ }} }}) }}\n\
         fn export(t) {{\n{work};\n#{{ n: 1 }} }}"
    );
    let limits = Limits { call_ms_max: 200, ..Limits::default() };
    let mut running = start_with(&script, &[], limits).expect("it starts");
    running.feed(some());
    let _ = running.rows();
    let fault = running.faults.first().unwrap_or_else(|| panic!("no limit: {work}"));
    assert!(fault.limit.is_some(), "{fault}");
    assert!(fault.to_string().starts_with(&format!("test.rhai:{want}")), "{fault}");
}

#[test]
fn a_limit_is_told_with_its_name_its_value_and_the_line() {
    let text = "a text passes its limit of 1048576 bytes";
    told("let s = \"a\"; for i in 0..40 { s += s; }", &format!("6: {text}"));
    told("let s = \"a\"; s.pad(2_000_000, \"a\")", &format!("6: {text}"));
    told("let s = \"a\"; s.pad(9000, \"a\"); s.replace(\"a\", s)", &format!("6: {text}"));
    let texts = "alone or with the other texts of its list or map";
    told("let s = \"a\"; s.pad(600_000, \"a\"); [s, s]", &format!("6: {text}, {texts}"));
    let list = "a list, or bytes, pass their limit of 65536 values, with all that lies inside";
    told("let a = [1]; for i in 0..20 { a += a; }", &format!("6: {list}"));
    told("let a = [1]; a.pad(100_000, 1)", &format!("6: {list}"));
    told("let b = blob(100_000)", &format!("6: {list}"));
    let map = "a map passes its limit of 65536 values, with all that lies inside";
    told("let m = #{}; for i in 0..20 { m = #{ a: m, b: m }; }", &format!("6: {map}"));
    let table = "tables made by table() pass 33554432 bytes";
    told(
        "let t = table(); let s = \"12345678\"; for i in 0..16 { s += s; } for i in 0..99 { t[i] = \
            s; }",
        &format!("6: {table}"),
    );
    told("recurse(0)", "6: functions call each other more than 48 deep");
    told("loop {}", "6: stopped after 200 ms of CPU time in one call");
    told("while true { }", "6: stopped after 200 ms of CPU time in one call");
    told("for i in 0..9_000_000_000 { i + 1; }", "6: stopped after 200 ms of CPU time in one call");
    told("let a = [1, 2]; a.map(|v| { loop {} })", "6: stopped after 200 ms");
    told("long()", "4: stopped after 200 ms of CPU time in one call");
}

#[test]
fn what_ends_a_script_cannot_be_caught() {
    stopped(&update("loop { try { loop {} } catch { } }"));
    stopped(&update("loop { try { recurse(0) } catch (e) { } }"));
    stopped(&update("let a = [2, 1]; loop { try { a.sort(|x, y| forever()); } catch { } }"));
    stopped(&update("loop { try { throw 1 } catch (e) { continue } }"));
}

#[test]
fn recursion_ends() {
    stopped(&update("recurse(0);"));
    stopped("fn a(n) { b(n) } fn b(n) { a(n) } fn update(pkt, s) { a(1) } fn export(s) {}");
    stopped(&update("let f = |x| x; f = Fn(\"recurse\"); f.call(1);"));
    survived(&update("let a = [1, 2]; a.map(Fn(\"recurse\"));"));
}

#[test]
fn memory_bombs_are_defused() {
    stopped(&update("let s = \"x\"; loop { s += s; }"));
    stopped(&update("let s = \"x\"; s.pad(1073741824, 'y');"));
    stopped(&update("let a = []; loop { a.push(a.len()); }"));
    stopped(&update("let a = [0]; loop { a += a; }"));
    stopped(&update("let a = []; a.pad(1073741824, 0);"));
    stopped(&update("let b = blob(1073741824);"));
    stopped(&update("let m = #{}; let i = 0; loop { m[`k${i}`] = i; i += 1; }"));
    stopped(&update("let a = [\"x\".to_upper()]; loop { a = [a, a]; }"));
    stopped(&update("let t = table(); let i = 0; loop { t[i] = `${i}`; i += 1; }"));
    survived(&update("let s = \"ab\"; loop { s.replace(\"b\", \"bbbbbbbb\"); }"));
    survived(&update("let b = blob(65000, 7); for i in 0..1000 { b += b; }"));
}

#[test]
fn state_that_nests_or_grows_is_begun_anew() {
    stopped(&update("loop { state.kept = [take(state.kept)]; }"));
    stopped(&update("for i in 0..500 { state.kept = [state.kept]; }"));
    let limits = Limits { memory_bytes_max: 100_000, ..Limits::default() };
    let script = "fn init(args, last) { last ?? [] } fn update(pkt, s) { s.push(\"x\".pad2()); }\n\
                  fn export(s) { #{ n: s.len() } } fn pad2(s) { s }"
        .replace("\"x\".pad2()", "`${pkt.len} and forty more bytes of text, or nearly so`");
    let mut running = start_with(&script, &[], limits).expect("a script");
    for _ in 0..500 {
        running.feed(some());
    }
    assert!(
        running.faults.iter().any(|f| f.limit.is_some() && f.to_string().contains("begun anew"))
    );
    assert!(running.started.module.state_bytes() < 200_000);
}

#[test]
fn values_that_nest_deep_are_dropped_compared_and_shown() {
    for use_of in ["", "a == a;", "print(a);", "let b = a; b = ();", "a.to_string();", "debug(a);"]
    {
        survived(&update(&format!("let a = []; for i in 0..2000 {{ a = [take(a)]; }} {use_of}")));
        survived(&update(&format!(
            "let a = #{{}}; for i in 0..2000 {{ a = #{{ a: take(a) }}; }} {use_of}"
        )));
    }
    stopped(&update("let f = || 1; loop { f = || f; }"));
    survived(&update("let f = Fn(\"forever\"); for i in 0..9 { f = [f]; }"));
}

#[test]
fn sources_that_nest_deep_are_refused() {
    let deep = |open: &str, inside: &str, close: &str| {
        format!("let x = {}{inside}{};", open.repeat(50_000), close.repeat(50_000))
    };
    for script in [
        deep("(", "1", ")"),
        deep("[", "", "]"),
        deep("#{a:", "1", "}"),
        deep("{", "1", "}"),
        deep("-", "1", ""),
        deep("!", "true", ""),
        deep("if true {", "1", "}"),
        deep("|x| ", "1", ""),
        deep("f(", "1", ")"),
        deep("`${", "1", "}`"),
        format!("let x = 1{};", " + 1".repeat(60_000)),
        format!("let x = 1{};", " ** 1".repeat(50_000)),
        format!("let x = a{};", ".b".repeat(100_000)),
        format!("let x = a{};", "[0]".repeat(60_000)),
        format!("let x = true{};", " && true".repeat(30_000)),
        format!("let x = ()  {};", " ?? ()".repeat(40_000)),
        format!("let x = if a {{}} {};", "else if a {}".repeat(18_000)),
        format!("let x = {};", "x => ".repeat(40_000)),
        format!("let x = switch 1 {{ {} }};", "1 => 1,".repeat(30_000)),
        format!("fn f() {{}} {}", "f();".repeat(60_000)),
        "fn f() {".repeat(30_000),
        "/*".repeat(100_000),
        "\"".repeat(99_999),
        "`${`".repeat(60_000),
        format!("let x = {};", "9".repeat(200_000)),
        format!("let x = \"{}\";", "é".repeat(100_000)),
        "x".repeat(300_000),
        "\0\u{1}\u{feff}\u{202e}".repeat(1000),
    ] {
        survived(&script);
    }
}

#[test]
fn numbers_at_their_ends_do_no_harm() {
    for body in [
        "9223372036854775807 + 1",
        "-9223372036854775807 - 2",
        "9223372036854775807 * 2",
        "let x = -9223372036854775807 - 1; x / -1",
        "let x = -9223372036854775807 - 1; x % -1",
        "let x = -9223372036854775807 - 1; abs(x)",
        "let x = -9223372036854775807 - 1; -x",
        "2 ** 9223372036854775807",
        "2 ** -1",
        "1 << 9223372036854775807",
        "1 >> -9223372036854775807",
        "1 << -1",
        "1.0e308 * 1.0e308",
        "(0.0 / 0.0).to_int()",
        "1.0e300.to_int()",
        "[0.0 / 0.0, 1.0, 0.0 / 0.0].sort()",
        "let a = [1]; a[-9223372036854775807]",
        "let a = [1]; a[9223372036854775807] = 1",
        "\"abc\".sub_string(-9223372036854775807, 9223372036854775807)",
        "let s = \"äöü\"; s[-2] = 'x'; s.crop(1, -9); s.truncate(-1); s",
        "let a = [1, 2]; a.splice(-9223372036854775807, 9223372036854775807, [3]); a",
        "let a = [1, 2]; a.drain(-1..9223372036854775807); a.extract(9223372036854775807..)",
        "let a = [1, 2]; a.chop(-9223372036854775807); a.truncate(9223372036854775807)",
        "let b = blob(3); b.parse_le_int(-1, 9223372036854775807)",
        "let b = blob(3); b.write_be(9223372036854775807, 9, 1); b.write_utf8(-9, 1, \"é\")",
        "let x = 5; x[-9223372036854775807] = true; x[63] = true; x[64]",
        "let x = 5; get_bits(x, -70, 99)",
        "let x = 5; for b in bits(x, -70, 99) { b }",
        "range(0, 10, 0)",
        "for i in range(9223372036854775807, -9223372036854775807, -9223372036854775807) {}",
        "parse_int(\"zz\", 99)",
        "parse_int(\"9\", -1)",
        "\"x\" * 3",
        "'\\u{10ffff}' + 1",
        "\"a\".split(-9223372036854775807)",
        "let a = [3, 1, 2]; a.sort(|x, y| if x == 1 { 1 } else { -1 }); a.sort(|x, y| true); a",
        "let a = [1, \"x\", (), 2.0, 'c', true]; a.sort(); a.dedup(); a.reverse(); a",
        "let a = [3, 1]; a.sort(|x, y| \"?\")",
        "state.kept = |x| x; state.kept",
        "tag(1)",
        "let x = 1; x.tag = 99999999999; x.tag",
        "this",
        "pkt = 1; state = 2; pkt.len",
        "Fn(\"\").call()",
        "Fn(\"init\").call(1)",
        "is_def_fn(\"update\", 2)",
        "type_of(pkt) + pkt + state + table() + pkt.ip.src",
    ] {
        survived(&update(body));
        survived(&format!("fn update(pkt, s) {{}} fn export(state, long) {{ {body} }}"));
    }
}

#[test]
fn what_is_not_offered_is_refused() {
    for body in [
        "sleep(1000);",
        "eval(\"loop {}\");",
        "exit(1);",
        "import \"std\" as s;",
        "Fn(\"f\").curry(1);",
        "timestamp();",
        "open_file(\"/etc/passwd\");",
    ] {
        let told = match start_with(&update(body), &[], Limits::default()) {
            Err(_) => true,
            Ok(mut running) => {
                running.feed(some());
                !running.faults.is_empty()
            }
        };
        assert!(told, "{body}");
    }
}

#[test]
fn many_cheap_packets_trip_no_limit() {
    let mut running = start(&update(""));
    let mut batch = batch_of((0..4096).map(|n| udp("10.0.0.1", "10.0.0.2", 60 + n % 7)));
    batch.decode(running.started.demand);
    for _ in 0..10 {
        running.feed_batch(&batch);
    }
    assert_eq!(running.faults, []);
    assert_eq!(running.rows(), ["n=40960"]);
}

#[test]
fn an_error_in_each_callback_is_told_and_survived() {
    let all = |name: &str| {
        let body = |callback: &str| if callback == name { "throw \"no\";" } else { "" };
        format!(
            "let key = #{{ a: \"ip.src\" }}; let value = #{{ n: count() }}; let long = #{{ \
                timeout: 1 }};\n\
             fn check(pkt, state) {{ {} true }}\n\
             fn export(t, l) {{ {} l.fold(t); t.all() }}\n\
             fn action(row, now) {{ {} }}\n\
             fn store(r) {{ {} blob() }} fn load(b) {{ #{{}} }}",
            body("check"),
            body("export"),
            body("action"),
            body("store")
        )
    };
    for name in ["check", "export", "action", "store"] {
        let mut running = start(&all(name));
        running.feed(some());
        let _ = running.rows();
        let fault = running.faults.first().unwrap_or_else(|| panic!("{name} said nothing"));
        assert!(
            fault.mistake.to_string().ends_with(": no") && fault.limit.is_none(),
            "{}",
            fault.to_string()
        );
    }
    let thrown = start_with(
        "fn init(a) { throw #{ x: [1] } } fn update(p, s) {} fn export(s) {}",
        &[],
        Limits::default(),
    );
    assert!(thrown.is_err());
}

#[test]
fn what_takes_too_long_to_read_is_refused_in_words() {
    let value = "let value = #{ n: count() };\n";
    let many = |part: &str| part.repeat(20_000);
    for text in [
        format!("{value}fn f(x) {{ switch x {{ {} }} }}", many("1 => 2, ")),
        format!("{value}const M = #{{ {} }};", many("a: 1, ")),
        format!("{value}fn f({}) {{ 1 }}", many("a, ")),
        format!("{value}fn f(x) {{ {} }}", many("x; ")),
    ] {
        let took = Took::begin();
        let error =
            crate::load_text("broad.rhai", &text).map(drop).expect_err("too broad").to_string();
        assert!(error.contains(":2: more than 4096 entries"), "{error}");
        took.check();
    }
}

#[test]
fn json_is_bounded_before_it_is_read() {
    let entries: String = (0..20_000).map(|n| format!("\"a{n}\":1,")).collect();
    let text = |json: &str| {
        let body = format!("fn export(t) {{ let m = parse_json(`{json}`); #{{ n: m.len() }} }}");
        format!("let value = #{{ n: count() }};\n{body}")
    };
    check(&text("{\"a\":1,\"b\":{\"c\":[1,2]}}"), &[], &["n=2"]);
    let mut running =
        start_with(&text(&format!("{{{entries}\"b\":1}}")), &[], limits()).expect("it starts");
    let took = Took::begin();
    running.rows();
    took.check();
    let [fault] = running.faults.as_slice() else { panic!("{:?}", running.faults) };
    assert!(fault.mistake.message.contains("parse_json: a text of more than"), "{fault:?}");
}

#[test]
fn rows_become_a_list_only_where_one_can_hold_them() {
    let text = "let key = #{ t: \"ts\" };\nlet value = #{ n: count() };\n\
                fn export(t) { #{ n: t.all().list().len() } }";
    let mut running = start_with(text, &[], limits()).expect("it starts");
    let feed = |running: &mut Running, from: u64| {
        let frame = |n: u64| udp("10.0.0.1", "10.0.0.2", 60).ts(Ts::new(1, from + n));
        running.feed((0..4096).map(frame));
    };
    feed(&mut running, 0);
    assert_eq!(running.rows(), ["n=4096"]);
    running.faultless();
    (0..6).for_each(|batch| feed(&mut running, batch * 4096));
    running.rows();
    let [fault] = running.faults.as_slice() else { panic!("{:?}", running.faults) };
    let message = &fault.mistake.message;
    assert!(message.contains("a list holds 21845 rows at most, not 24576"), "{message}");
}
