//! The table holds: every example runs in both languages, and nothing made from it is stale.

use como_core::module::Limits;
use como_core::record::Value;

use super::{ENTRIES, Entry, TOPICS, find, manual, rhai_text};
use crate::running::Running;

/// What an expression gives in a script, as a row of one column.
fn outcome(file: &str, expression: &str) -> String {
    let text = match file {
        "test.lua" => format!(
            "function update(pkt) end\nfunction export() return {{ got = {expression} }} end"
        ),
        _ => format!("fn update(pkt) {{}}\nfn export() {{ #{{ got: {expression} }} }}"),
    };
    let mut running = Running::start(file, &text, &[], Limits::default())
        .unwrap_or_else(|error| panic!("{expression}: {error}"));
    let rows = running.rows();
    assert_eq!(running.faults, [], "{expression}");
    rows.first().and_then(|row| row.strip_prefix("got=")).unwrap_or("nil").to_owned()
}

#[test]
fn every_example_runs_in_lua_and_gives_what_it_says() {
    for entry in ENTRIES {
        let (call, gives) = entry.example;
        assert_eq!(outcome("test.lua", call), gives, "{call}");
    }
}

#[test]
fn every_example_runs_in_rhai_and_gives_what_it_says() {
    for entry in ENTRIES {
        let (call, gives) = entry.example;
        assert_eq!(outcome("test.rhai", call), gives, "{call}");
    }
}

#[test]
fn the_manual_is_not_stale() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/module-api.md");
    if std::env::var_os("COMO_BLESS").is_some() {
        std::fs::write(path, manual::manual()).expect("written");
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == manual::manual(), "stale: como stubs manual > docs/module-api.md");
}

#[test]
fn entries_are_complete_and_stand_by_topic() {
    let mut topics: Vec<&str> = ENTRIES.iter().map(|entry| entry.topic).collect();
    topics.dedup();
    assert!(topics.iter().eq(TOPICS.iter().map(|(topic, _)| topic)), "{topics:?}");
    let types = ["text", "bytes", "number", "bool", "address", "time", "any"];
    let known = |ty: &str| types.contains(&ty.trim_end_matches('?'));
    for entry in ENTRIES {
        let path = entry.path();
        let so_called = ENTRIES.iter().filter(|other| other.path() == path);
        assert_eq!(so_called.count(), 1, "{path}");
        assert!(entry.doc.ends_with('.') && entry.example.0.contains(&path), "{path}");
        assert!(known(entry.returns) && entry.params.iter().all(|(_, ty)| known(ty)), "{path}");
        assert!(manual::help(&path).is_some() && manual::stubs().contains(&path), "{path}");
    }
    assert!(manual::names().iter().all(|name| manual::help(name).is_some()));
    assert_eq!(manual::near("net.contain").as_deref(), Some("net.contains"));
}

/// Values that no function expects.
fn odd() -> Vec<Value> {
    let numbers = [f64::NAN, f64::INFINITY, -1.0, 0.5, 1e300, f64::MIN_POSITIVE, 65.0];
    let mut odd: Vec<Value> = numbers.into_iter().map(Value::Float).collect();
    odd.extend([Value::Null, Value::Bool(true), Value::Uint(u64::MAX), Value::Int(i64::MIN)]);
    odd.extend([
        Value::from(""),
        Value::from("::/129"),
        Value::from("((((a*)*)*)*b{999}"),
        Value::from("0.0.0.0/0"),
        Value::from("(a{9}){9}"),
        Value::Text("x".repeat(70_000)),
        Value::Bytes(vec![0xff; 600]),
        Value::Bytes([0xc0, 0x0c].repeat(20)),
        Value::Bytes(vec![22; 50]),
        Value::Addr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().expect("an address")),
    ]);
    odd
}

#[test]
fn no_function_minds_what_it_is_given() {
    let odd = odd();
    let try_all = |entry: &Entry, given: &[Value]| {
        // Either way; it only must not panic, and a mistake names the function.
        if let Err(wrong) = entry.run(given) {
            assert!(wrong.starts_with(&entry.path()), "{wrong}");
        }
    };
    for entry in ENTRIES {
        try_all(entry, &[]);
        for a in &odd {
            try_all(entry, std::slice::from_ref(a));
            for b in &odd {
                try_all(entry, &[a.clone(), b.clone()]);
                try_all(entry, &[b.clone(), Value::Uint(1), a.clone()]);
            }
        }
        try_all(entry, &[Value::Null, Value::Null, Value::Null, Value::Null]);
    }
}

#[test]
fn the_first_bytes_of_messages_may_end_anywhere() {
    for entry in ENTRIES.iter().filter(|e| ["dns", "http", "tls"].contains(&e.topic)) {
        let Some(hex) = entry.example.0.split('"').nth(1) else { continue };
        let whole = find("text.unhex").expect("there").run(&[Value::from(hex)]);
        let whole = match whole {
            Ok(Value::Bytes(bytes)) => bytes,
            _ => hex.as_bytes().to_vec(),
        };
        for end in 0..whole.len() {
            for byte in [0, 0x3f, 0xc0, 0xff] {
                let mut cut = whole[..end].to_vec();
                cut.push(byte);
                let _ = entry.run(&[Value::Bytes(cut), Value::from("host")]);
            }
        }
    }
}

#[test]
fn mistakes_say_what_would_be_right() {
    let wrong =
        |path: &str, given: &[Value]| find(path).expect("there").run(given).expect_err("a mistake");
    assert_eq!(
        wrong("net.mask", &[Value::from("10.0.0.1"), Value::Uint(33)]),
        "net.mask: argument 2 is a whole number from 0 to 32, not 33; \
         for instance net.mask(addr(\"10.1.2.3\"), 16)"
    );
    assert_eq!(
        wrong("text.hex", &[]),
        "text.hex: takes 1 arguments, and was given 0; for instance text.hex(\"AZ\")"
    );
    let large = wrong("regex.test", &[Value::from("(a{99}){99}"), Value::from("")]);
    assert!(large.contains("the pattern is too large"), "{large}");
    let broken = wrong("regex.test", &[Value::from("(a"), Value::from("")]);
    assert!(broken.contains("unclosed group"), "{broken}");
}

#[test]
fn calls_in_rhai_become_names_of_one_word() {
    let check = |source: &str, want: &str| assert_eq!(rhai_text(source), want);
    check("let a = net.contains(x, y);", "let a = net_contains(x, y);");
    check("row.net.contains(1)", "row.net.contains(1)");
    check("net.unknown(1) // net.mask(", "net.unknown(1) // net.mask(");
    check("`net.mask(`", "`net.mask(`");
    check("net . mask(1)", "net . mask(1)");
}
