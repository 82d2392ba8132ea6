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
