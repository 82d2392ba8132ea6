//! `como info`: what a capture holds, as far as it can be read.

use como_tests::Folder;

use crate::trace;

#[test]
fn a_capture_is_summed_up_for_eyes_and_for_programs() {
    let folder = trace::folder();
    let shown = folder.como(["info", "a.pcap"]).ok();
    assert_eq!(shown.stderr, "");
    for word in ["packets", "3,000", "tcp (6)", "top sources"] {
        assert!(shown.stdout.contains(word), "`{word}` is missing in: {}", shown.stdout);
    }
    let info = &folder.como(["info", "--json", "a.pcap"]).ok().ndjson()[0];
    assert_eq!(info["packets"], 3000);
    let sum = |key: &str| -> u64 {
        let by = info[key].as_object().expect("numbers by name");
        by.values().filter_map(serde_json::Value::as_u64).sum()
    };
    assert_eq!(sum("l3_packets"), 3000);
    assert_eq!(sum("l3_bytes"), info["wire_bytes"].as_u64().expect("a number"));
}

#[test]
fn several_captures_are_told_apart() {
    let folder = trace::folder();
    let reports = folder.como(["info", "--json", "a.pcap", "a.pcap"]).ok().ndjson();
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[0], reports[1]);
    assert_eq!(reports[0]["source"], "a.pcap");
}

#[test]
fn standard_input_is_a_capture_too() {
    let folder = trace::folder();
    let bytes = std::fs::read(folder.path().join("a.pcap")).expect("the trace");
    let ran = como_tests::Como::new(&folder, ["info", "--json", "-"]).input(bytes).run().ok();
    assert_eq!(ran.ndjson()[0]["packets"], 3000);
}

#[test]
fn a_capture_cut_short_counts_up_to_the_cut() {
    let folder = trace::folder();
    let bytes = std::fs::read(folder.path().join("a.pcap")).expect("the trace");
    folder.write("cut.pcap", &bytes[..bytes.len() - 5]);
    let ran = folder.como(["info", "--json", "cut.pcap"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.ndjson()[0]["packets"], 2999);
    assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains("cut.pcap"), "{}", ran.stderr);
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = Folder::new();
    let ls = "hint: `ls .` shows what is there";
    folder.como(["info", "none.pcap"]).refused(1, &["none.pcap", "No such file", ls]);
    folder.write("text.pcap", "this is no capture at all, only text");
    folder.como(["info", "text.pcap"]).refused(1, &["text.pcap", "hint: ", "-s flowtools:FILE"]);
    folder.como(["info", "test.pcap"]).refused(1, &["hint: did you mean `text.pcap`?"]);
    folder.write("empty.pcap", "");
    folder.como(["info", "empty.pcap"]).refused(1, &["empty.pcap", "hint: ", "follow=true"]);
    folder.como(["info", "."]).refused(1, &["`.`", "hint: it is a folder", "'./*.pcap'"]);
    folder.como(["info"]).refused(2, &["como info FILE"]);
}

#[test]
fn a_link_type_that_nobody_decodes_is_refused() {
    let folder = Folder::new();
    folder.write("odd.pcap", trace::empty_of_link(250));
    folder.como(["info", "odd.pcap"]).refused(1, &["odd.pcap", "link type", "hint: "]);
}
