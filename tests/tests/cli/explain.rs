//! `como explain`: needs beside offers.

use como_tests::Folder;

#[test]
fn a_module_is_held_against_its_source() {
    let folder = Folder::new();
    let text = folder.como(["explain", "topaddr", "-s", "gen:packets=1", "tcp"]).ok().stdout;
    for words in ["module", "topaddr", "ip.dst", "works on gen:", "fields", "all"] {
        assert!(text.contains(words), "`{words}` is missing in: {text}");
    }
    let json = folder.como(["explain", "topaddr", "--json", "-s", "gen:packets=1"]).ok().ndjson();
    assert_eq!(json[0]["modules"][0]["sources"][0]["missing"].as_array().map(Vec::len), Some(0));
    let source = &json[0]["sources"][0];
    assert_eq!((&source["pace"], &source["sampling"]), (&"stored".into(), &"none".into()));
    assert_eq!(source["lineage"].as_array().map(Vec::len), Some(0));
}

#[test]
fn what_a_script_may_reach_is_said_with_what_it_asks_for() {
    let folder = Folder::new();
    let script = "function export() return { n = time.now(), who = dns.name_of(\"::1\") } end\n";
    folder.write("watch.lua", format!("function update(pkt) end\n{script}"));
    let explain = ["explain", "watch.lua", "--allow", "clock", "--allow", "file:/etc/como"];
    let text = folder.como(explain).ok().stdout;
    for words in [
        "is granted",
        "clock: the wall clock, by `time.now()`",
        "file:/etc/como: files at and below that path",
        "asks for",
        "by `dns.name_of` and `dns.addr_of`, without the grant for it: --allow dns",
    ] {
        assert!(text.contains(words), "`{words}` is missing in: {text}");
    }
    let json = folder.como(explain.iter().chain(&["--json"])).ok().ndjson();
    assert_eq!(json[0]["modules"][0]["grants"][1], "file:/etc/como");
    assert_eq!(json[0]["modules"][0]["asks_for"], serde_json::json!(["clock", "dns"]));
    let checked = folder.como(["check", "watch.lua", "--allow", "dns"]);
    assert_eq!(checked.code, 1, "{}", checked.stderr);
    for words in ["it asks for the wall clock, by `time.now()`", "--allow clock", "watch.lua:2"] {
        assert!(checked.stderr.contains(words), "`{words}` is missing in: {}", checked.stderr);
    }
}
