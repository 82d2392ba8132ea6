//! The table holds: every example runs in both languages, and nothing made from it is stale.

mod basics;

use std::path::Path;
use std::sync::Arc;

use como_core::field::Code;
use como_core::lookup::{Lookups, Subject, TrieBuilder};
use como_core::module::{Grants, Limits, Setup};
use como_core::record::Value;

use super::stubs::stubs;
use super::{Call, Entry, TOPICS, asks_for, entries, find, looks_up, manual, reach, rhai_text};
use crate::host::{Means, Reach};
use crate::running::Running;
use crate::scan::Language;

/// What an example is run with: all grants, tables of one network, and a file.
fn setup(folder: &Path) -> Setup {
    let file = format!("file:{}", folder.display());
    std::fs::write(folder.join("hosts.txt"), "10.0.0.1 gateway").expect("written");
    let grants = ["clock", "dns", "http:192.0.2.1", &file];
    let grants = Grants::parse(grants).expect("grants");
    let table = |value: u32| {
        let mut builder = TrieBuilder::default();
        builder.add("192.0.2.0".parse().expect("an address"), 24, value).expect("room");
        Arc::new(builder.build().expect("a table"))
    };
    let code: Code = "NZ".parse().expect("a code");
    let lookups = Lookups::default().with(Subject::Asn, table(64500));
    let lookups = Arc::new(lookups.with(Subject::Country, table(code.kept())));
    Setup { instance: "test".into(), grants, lookups, ..Setup::default() }
}

/// What an example gives in a script, as a row of one column.
fn outcome(file: &str, entry: &Entry) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let (call, _) = entry.example;
    // What is for the beginning is called there.
    let begins = entry.topic == "filter";
    // A record is written as each language writes a table.
    let (record, outputs) = match file {
        "test.lua" => ("{ ms = 700 }", "outputs = { slow = { ms = 'uint' } }\n"),
        _ => ("#{ ms: 700 }", "let outputs = #{ slow: #{ ms: \"uint\" } };\n"),
    };
    let call = call.replace("SLOW", record);
    let text = match (file, begins) {
        ("test.lua", true) => format!(
            "local made = {call}\nfunction update(pkt) end\n\
             function export() return {{ got = tostring(made) }} end"
        ),
        ("test.lua", false) => {
            format!("function update(pkt) end\nfunction export() return {{ got = {call} }} end")
        }
        (_, true) => format!(
            "const MADE = {call};\nfn update(pkt) {{}}\n\
             fn export() {{ #{{ got: MADE.to_string() }} }}"
        ),
        (_, false) => format!("fn update(pkt) {{}}\nfn export() {{ #{{ got: {call} }} }}"),
    };
    let text = if entry.topic == "output" { format!("{outputs}{text}") } else { text };
    let kind = crate::load_text(file, &text).unwrap_or_else(|error| panic!("{call}: {error}"));
    let started = kind.start(&setup(folder.path()));
    let mut running = Running::of(started.unwrap_or_else(|error| panic!("{call}: {error}")));
    let rows = running.rows();
    assert_eq!(running.faults, [], "{call}");
    rows.first().and_then(|row| row.strip_prefix("got=")).unwrap_or("nil").to_owned()
}

#[test]
fn every_example_runs_in_lua_and_gives_what_it_says() {
    for entry in entries() {
        assert_eq!(outcome("test.lua", entry), entry.example.1, "{}", entry.path());
    }
}

#[test]
fn every_example_runs_in_rhai_and_gives_what_it_says() {
    for entry in entries() {
        assert_eq!(outcome("test.rhai", entry), entry.example.1, "{}", entry.path());
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
    let mut topics: Vec<&str> = entries().map(|entry| entry.topic).collect();
    topics.dedup();
    assert!(topics.iter().eq(TOPICS.iter().map(|(topic, _)| topic)), "{topics:?}");
    let types = ["text", "bytes", "number", "bool", "address", "time", "any", "filter", "record"];
    let known = |ty: &str| types.contains(&ty.trim_end_matches('?'));
    for entry in entries() {
        let path = entry.path();
        let so_called = entries().filter(|other| other.path() == path);
        assert_eq!(so_called.count(), 1, "{path}");
        assert!(entry.doc.ends_with('.') && entry.example.0.contains(&path), "{path}");
        assert!(known(entry.returns) && entry.params.iter().all(|(_, ty)| known(ty)), "{path}");
        assert!(manual::help(&path).is_some() && stubs().contains(&path), "{path}");
    }
    assert!(manual::names().iter().all(|name| manual::help(name).is_some()));
    assert_eq!(manual::near("net.contain").as_deref(), Some("net.contains"));
}

/// What nothing is granted to.
fn host() -> Reach {
    Reach::new("test.lua", &Means::default())
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
    let host = host();
    let try_all = |entry: &Entry, given: &[Value]| {
        // Either way; it only must not panic, and a mistake names the function.
        if let Err(wrong) = entry.run(&host, given) {
            assert!(wrong.starts_with(&entry.path()), "{wrong}");
        }
    };
    for entry in entries() {
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
    let host = host();
    let messages = |e: &&Entry| ["dns", "http", "tls"].contains(&e.topic);
    for entry in entries().filter(messages).filter(|e| matches!(e.call, Call::Pure(_))) {
        let Some(hex) = entry.example.0.split('"').nth(1) else { continue };
        let whole = find("text.unhex").expect("there").run(&host, &[Value::from(hex)]);
        let whole = match whole {
            Ok(Value::Bytes(bytes)) => bytes,
            _ => hex.as_bytes().to_vec(),
        };
        for end in 0..whole.len() {
            for byte in [0, 0x3f, 0xc0, 0xff] {
                let mut cut = whole[..end].to_vec();
                cut.push(byte);
                let _ = entry.run(&host, &[Value::Bytes(cut.clone()), Value::from("host")]);
                let _ = entry.run(&host, &[Value::Bytes(cut), Value::Uint(1)]);
            }
        }
    }
}

#[test]
fn mistakes_say_what_would_be_right() {
    let wrong = |path: &str, given: &[Value]| {
        find(path).expect("there").run(&host(), given).expect_err("a mistake")
    };
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
    check("f(time.floor(1, 2)); #{ time: 1 }", "f(time_floor(1, 2)); #{ time: 1 }");
    // A variable of that name is the script's own, and what is asked of it.
    check("let time = 12.7; time.floor()", "let time = 12.7; time.floor()");
    check("list.map(|hash| hash.number())", "list.map(|hash| hash.number())");
    // Two dots make a range, and join texts in Lua.
    check("for n in 0..net.family(x) {}", "for n in 0..net_family(x) {}");
    check("0..=net.family(x)", "0..=net_family(x)");
}

#[test]
fn what_scripts_reach_is_found_in_their_text() {
    let check = |text: &str, language: Language, want: &[Subject]| {
        assert_eq!(looks_up(std::iter::once(text), language), want, "{text}");
    };
    check("x = \"AS\"..net.asn(a)", Language::Lua, &[Subject::Asn]);
    check("for n in 0..net.asn(a) {}", Language::Rhai, &[Subject::Asn]);
    check("row.net.asn(a)", Language::Lua, &[]);
    let grants = |text: &str| asks_for(std::iter::once(text), Language::Lua);
    assert_eq!(grants("x = time.now() y = row.dns.name_of(a) -- http.fetch(u)"), ["clock"]);
    assert_eq!(grants("x = 1 ..dns.addr_of(a)..file.read(f)"), ["dns", "file:/path"]);
    assert_eq!(asks_for(std::iter::once("let x = http_fetch(u);"), Language::Rhai), ["http:host"]);
    for (topic, name, grant) in reach::GRANTED {
        let entry = find(&format!("{topic}.{name}")).expect("there");
        assert!(entry.doc.ends_with(&format!("Needs the grant `{grant}`.")), "{}", entry.path());
    }
    let needing = entries().filter(|entry| entry.doc.contains("Needs the grant"));
    assert_eq!(needing.count(), reach::GRANTED.len());
    let joined =
        "function update() end\nfunction export() return { x = \"v\"..net.family(\"::1\") } end";
    let ranged = "fn update() {}\nfn export() { let n = 0; for x in 0..net.family(\"::1\") { n += \
        1; } #{ x: n } }";
    for (file, text, want) in [("test.lua", joined, "x=v6"), ("test.rhai", ranged, "x=6")] {
        let mut running = Running::start(file, text, &[], Limits::default()).expect("a start");
        assert_eq!(running.rows(), [want]);
        running.faultless();
    }
}

#[test]
fn names_of_answers_that_are_not_asked_for_are_not_read() {
    // The first answer's name points at itself: it has none, and those behind it have theirs.
    let mut message = vec![0x12, 0x34, 0x81, 0x80, 0, 0, 0, 2, 0, 0, 0, 0];
    for (at, host) in [(12, 1), (28, 2)] {
        message.extend(if at == 12 { vec![0xc0, 12] } else { vec![1, b'b', 0] });
        message.extend([0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, host]);
    }
    let message = Value::Bytes(message);
    let ask = |path: &str, n: u64| {
        let given = [message.clone(), Value::Uint(n)];
        find(path).expect("there").run(&host(), &given).expect("an answer")
    };
    assert_eq!(ask("dns.answer_addr", 1), Value::Null);
    assert_eq!(ask("dns.answer_name", 2), Value::from("b"));
    assert_eq!(ask("dns.answer_addr", 2), Value::Addr("10.0.0.2".parse().expect("an address")));
}
