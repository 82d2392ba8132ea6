//! What is told of what went wrong: where, in which words, and how much of it.

use super::*;

/// The faults of a script over some packets and one interval.
fn faults(text: &str) -> Vec<String> {
    let mut running = start(text);
    running.feed(some());
    let _ = running.rows();
    running.faults.iter().map(ToString::to_string).collect()
}

/// The first line of the only fault of a script.
#[track_caller]
fn told(text: &str, want: &str) {
    let faults = faults(text);
    let [fault] = faults.as_slice() else { panic!("{faults:?}") };
    assert_eq!(fault.lines().next(), Some(format!("test.rhai:{want}").as_str()), "{fault}");
}

/// A script whose `update` has a long text in `s.a`.
fn long(update: &str) -> String {
    format!(
        "fn init() {{ let a = \"z\"; for i in 0..19 {{ a += a; }} #{{ a: a }} }}\n\
         fn update(pkt, s) {{ {update} }}\nfn export(s) {{ #{{ n: 1 }} }}"
    )
}

#[test]
fn a_long_name_of_no_function_is_told_without_comparing_it() {
    let took = crate::running::Took::begin();
    for update in ["Fn(s.a).call(1)", "[1, 2].map(Fn(s.a))", "call(Fn(s.a))"] {
        let faults = faults(&long(update));
        assert!(faults[0].contains("there is no function `zzz"), "{faults:?}");
    }
    assert!(took.time().as_millis() < 2000, "{:?}", took.time());
}

#[test]
fn long_messages_are_cut() {
    let core = "table(#{ key: #{ x: \"ip.src\" }, value: #{ n: count() } })";
    for update in
        ["throw s.a", "throw [s.a]", "parse_int(s.a)", "Fn(s.a).call(1)", "parse_json(s.a)"]
    {
        let faults = faults(&long(update));
        assert!(!faults.is_empty() && faults.iter().all(|f| f.len() < 1000), "{update}");
    }
    let top = format!("let t = {core};\nlet a = \"z\"; for i in 0..19 {{ a += a; }} t.top(a, 1)");
    let faults =
        faults(&format!("fn init() {{ #{{}} }} fn update(pkt, s) {{}} fn export(s) {{ {top} }}"));
    assert!(!faults.is_empty() && faults.iter().all(|f| f.len() < 1000));
}

#[test]
fn text_that_is_no_json_fails_the_packet_alone_in_the_line_of_the_call() {
    let script = "fn init() { #{ n: 0 } }\nfn update(pkt, s) {\n    s.n += 1;\n\
                  \x20   if s.n == 1 { parse_json(\"{\\noops\"); }\n}\nfn export(s) { s }";
    let mut running = start(script);
    running.feed(some());
    assert_eq!(running.rows(), ["n=6"]);
    let [fault] = running.faults.as_slice() else { panic!("{:?}", running.faults) };
    assert_eq!((fault.limit, fault.left_out), (None, None));
    let want = "test.rhai:4: parse_json: line 2 of the text is no JSON: ";
    assert!(fault.to_string().starts_with(want), "{fault}");
    let script = "fn init() { #{ n: 0 } }\nfn update(pkt, s) { s.n += 1;\n\
                  let f = Fn(\"eval\"); f.call(\"1\"); }\nfn export(s) { s }";
    let mut running = start(script);
    running.feed(some());
    assert_eq!(running.rows(), ["n=6"]);
    assert_eq!(running.faults[0].limit, None);
}

#[test]
fn a_mistake_in_the_first_line_is_shown_there() {
    let export = "\n\nfn export(s) { #{ x4: 1 } }";
    told(&format!("fn update(pkt, s) {{ throw \"no\"; }}{export}"), "1: no");
    for update in ["throw \"no\"", "let a = 1; a % 0", "if pkt.ip != () { throw \"no\" }"] {
        let text = format!("fn update(pkt, s) {{ {update}; }}{export}");
        let mut running = start(&text);
        running.feed(some());
        let fault = running.faults.first().expect("a fault").shown();
        assert!(fault.starts_with("test.rhai:1: "), "{fault}");
        let lines: Vec<&str> = fault.lines().collect();
        assert_eq!(lines[1].trim(), text.lines().next().unwrap_or_default());
        let marked = lines[2].find('^').and_then(|at| lines[1].get(at..)).unwrap_or_default();
        assert!(marked.starts_with("throw") || marked.starts_with('%'), "{fault}");
    }
}

#[test]
fn what_is_thrown_is_told_in_the_words_of_the_language() {
    let script = |update: &str| {
        format!("fn init() {{}}\nfn update(pkt, s) {{ {update} }}\nfn export(s) {{ #{{ n: 1 }} }}")
    };
    told(&script("throw pkt"), "2: the script threw a packet, which is no text");
    told(&script("throw"), "2: the script threw `()`, which is no text");
    told(&script("throw 7"), "2: the script threw 7");
    told(&script("throw #{ code: 7 }"), "2: the script threw #{\"code\": 7}");
    told(&script("throw pkt.ts_ns"), "2: the script threw an exact time, which is no text");
}

#[test]
fn what_is_caught_is_shown_in_the_words_of_the_language() {
    let script = |attempt: &str, show: &str| {
        format!(
            "fn init() {{ #{{ e: \"\" }} }}\nfn helper(x) {{\n x.y + 1 }}\nfn update(pkt, s) {{\n\
             try {{ {attempt} }} catch (e) {{ {show} }} }}\nfn export(s) {{ #{{ e: s.e }} }}"
        )
    };
    for (attempt, want) in [
        ("pkt.tcp.seq + 1", "line 5: `+` does not take `()` and a whole number; "),
        ("let f = Fn(\"helper\"); f.call(1, 2)", "line 5: `helper` does not take 2 arguments"),
        ("helper(#{})", "line 5: `+` does not take `()` and a whole number; "),
        ("1 / (s.e.len())", "line 5: division by zero: 1 / 0"),
        ("[1][5]", "line 5: array index 5 out of bounds"),
        ("if s.e { s.e = \"b\"; }", "line 5: true or false is wanted here, and this is a text"),
        (
            "for i in s.e.len() { }",
            "line 5: `for` goes through lists, ranges, texts and tables, and",
        ),
        ("throw \"mine\"", "mine"),
        ("throw #{ error: 3 }", "#{\"error\": 3}"),
        ("addr(\"x\")", "`x` is no address"),
    ] {
        for show in ["s.e = `${e}`;", "s.e = \"\" + e;", "s.e = e.to_string();"] {
            let mut running = start(&script(attempt, show));
            running.feed([udp("10.0.0.1", "10.0.0.2", 100)]);
            let rows = running.rows();
            let row = rows.first().and_then(|row| row.strip_prefix("e=")).unwrap_or_default();
            assert!(
                row.starts_with(want) && !row.contains("Error"),
                "{attempt}: {row} {:?}",
                running.faults
            );
        }
    }
    for again in ["throw e;", "\n\nthrow e;"] {
        let mut running = start(&script("pkt.tcp.seq + 1", again));
        running.feed([udp("10.0.0.1", "10.0.0.2", 100)]);
        let fault = running.faults[0].to_string();
        assert!(fault.starts_with("test.rhai:5: `+` does not take `()` and"), "{again}: {fault}");
    }
}

#[test]
fn a_map_of_the_scripts_own_is_no_error_that_was_caught() {
    let map = |more: &str| format!("#{{ error: \"ErrorFor\", message: \"no\", line: 3{more} }}");
    for map in [map(""), map(", own: 1"), map(", position: 2, own: 1")] {
        let script = format!(
            "fn init() {{ #{{}} }}\nfn update(pkt, s) {{ s.e = `${{{map}}}`; throw {map}; }}\n\
             fn export(s) {{ #{{ e: s.e }} }}"
        );
        let mut running = start(&script);
        running.feed([udp("10.0.0.1", "10.0.0.2", 100)]);
        let (rows, fault) = (running.rows(), running.faults[0].to_string());
        assert!(rows[0].starts_with("e=#{"), "{rows:?}");
        assert!(fault.starts_with("test.rhai:2: the script threw #{"), "{fault}");
    }
}

#[test]
fn what_is_added_to_a_core_table_is_a_packet() {
    let script = "fn init() { #{ t: table(#{ key: #{ a: \"ip.dst\" }, \
                  value: #{ n: count() } }) } }\n\
                  fn update(pkt, s) { s.t.add(3); }\nfn export(s) { s.t.all() }";
    told_first(script, "2: `add` takes a packet, and this is a whole number");
}

#[test]
fn a_column_that_no_record_may_have_is_told_with_the_line_of_export() {
    let script = "fn update(pkt, s) { }\nfn export(s) { #{ ts: 1 } }";
    told_first(script, "2: `ts`: `ts` is the time that every record has");
}

/// What the first fault of a script begins with.
#[track_caller]
fn told_first(text: &str, want: &str) {
    let faults = faults(text);
    assert!(faults[0].starts_with(&format!("test.rhai:{want}")), "{faults:?}");
}

#[test]
fn how_deep_expressions_may_lie_is_told() {
    let deep = format!("fn update(pkt, s) {{ let x = {}1{}; }}", "(".repeat(99), ")".repeat(99));
    let error = start_with(&deep, &[], Limits::default()).err().expect("too deep").to_string();
    assert!(error.starts_with("test.rhai:1: expressions lie more than 48 deep in each"), "{error}");
}

#[test]
fn a_packet_has_no_methods_and_its_layers_match_no_filters() {
    let script = |update: &str| {
        format!(
            "const WEB = filter(\"udp\");\nfn update(pkt, s) {{ {update} }}\n\
             fn export(s) {{ #{{ n: 1 }} }}"
        )
    };
    let first = |update: &str| faults(&script(update)).swap_remove(0);
    let said = first("pkt.len()");
    assert!(said.contains("`len` does not take (a packet)"), "{said}");
    let said = first("WEB.match(pkt.ip)");
    assert!(said.contains("a filter matches a packet, and this is a layer of one"), "{said}");
    let said = first("max(1, pkt.tcp.seq)");
    assert!(said.contains("`max` does not take a whole number and `()`"), "{said}");
}
