//! `como filter`: what it says of a filter, what it counts, how it points at mistakes.

use como_tests::Folder;

use crate::trace;

#[test]
fn a_filter_is_explained_without_traffic() {
    let folder = Folder::new();
    let explained = &folder.como(["filter", "--json", "tcp and port 443"]).ok().ndjson()[0];
    assert!(explained["columns"].as_array().is_some_and(|c| !c.is_empty()), "{explained}");
    assert!(explained.get("packets").is_none(), "{explained}");
    let shown = folder.como(["filter", "tcp", "and", "port", "443"]).ok().stdout;
    assert!(shown.contains(explained["filter"].as_str().expect("a filter")), "{shown}");
}

#[test]
fn a_filter_and_its_opposite_make_the_whole() {
    let folder = trace::folder();
    let count = |filter: &str| {
        let ran = folder.como(["filter", "--json", filter, "-r", "a.pcap"]).ok();
        let counted = ran.ndjson().remove(0);
        assert_eq!(counted["packets_seen"], 3000);
        counted["packets"].as_u64().expect("a number")
    };
    let tcp = count("tcp");
    assert!(0 < tcp && tcp < 3000, "{tcp}");
    assert_eq!(tcp + count("not tcp"), 3000);
    assert_eq!(count("tcp or not tcp"), 3000);
}

#[test]
fn a_mistake_is_underlined() {
    let folder = Folder::new();
    folder.como(["filter", "tcp.prot == 443"]).refused(
        2,
        &["error: unknown field `tcp.prot`\n  tcp.prot == 443\n  ^^^^^^^^\nhint: did you mean \
            `tcp."],
    );
    folder.como(["filter", "tcp and"]).refused(2, &["\n  tcp and\n         ^\n"]);
    folder.como(["filter", "port 70000"]).refused(2, &["70000", "^^^^^"]);
    folder.como(["filter"]).refused(2, &["EXPR"]);
}

#[test]
fn mixed_and_or_is_warned_about() {
    let folder = Folder::new();
    let ran = folder.como(["filter", "--json", "tcp and port 80 or port 443"]).ok();
    assert!(ran.stderr.starts_with("warning: "), "{}", ran.stderr);
    assert!(ran.stderr.contains('^'), "{}", ran.stderr);
    assert_eq!(ran.ndjson().len(), 1);
}

#[test]
fn a_missing_file_is_named() {
    let folder = Folder::new();
    folder.como(["filter", "tcp", "-r", "none.pcap"]).refused(1, &["none.pcap", "No such file"]);
}
