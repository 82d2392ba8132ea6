//! `como gen`: the same settings give the same file, and others can read it.

use como_tests::Folder;

const SMALL: &str = "packets=2000";

#[test]
fn the_same_settings_give_the_same_bytes() {
    let folder = Folder::new();
    let bytes = |name: &str, settings: &[&str]| {
        let args = [&["gen", "-w", name], settings].concat();
        assert_eq!(folder.como(args).ok().stdout, "");
        std::fs::read(folder.path().join(name)).expect("written")
    };
    let first = bytes("a.pcap", &[SMALL, "seed=7"]);
    assert_eq!(first, bytes("b.pcap", &[SMALL, "seed=7"]));
    assert_ne!(first, bytes("c.pcap", &[SMALL, "seed=8"]));
    let info = &folder.como(["info", "--json", "a.pcap"]).ok().ndjson()[0];
    assert_eq!(info["packets"], 2000);
    assert_eq!(info["malformed"], 0);
}

#[test]
fn standard_output_takes_the_file_too() {
    let folder = Folder::new();
    folder.como(["gen", "-w", "a.pcap", SMALL]).ok();
    let file = std::fs::read(folder.path().join("a.pcap")).expect("written");
    let piped = como_tests::Como::new(&folder, ["gen", "-w", "-", SMALL]).run_bytes();
    assert!(piped == file, "the same bytes");
}

#[test]
fn a_setting_that_is_none_names_the_nearest() {
    let folder = Folder::new();
    folder.como(["gen", "-w", "a.pcap", "sed=7"]).refused(2, &["sed", "did you mean `seed`?"]);
    folder.como(["gen", "-w", "a.pcap", "seed=x"]).refused(2, &["seed=x"]);
    folder.como(["gen"]).refused(2, &["--write"]);
    assert!(!folder.path().join("a.pcap").exists());
}

#[test]
fn what_would_break_off_leaves_the_file_that_is_there_alone() {
    let folder = Folder::new();
    folder.write("a.pcap", "mine");
    let late = ["gen", "-w", "a.pcap", "start=4294967290", "packets=100", "duration=20s"];
    folder.como(late).refused(2, &["2106", "pcap", "`start`"]);
    assert_eq!(std::fs::read(folder.path().join("a.pcap")).expect("it is there"), b"mine");
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let folder = Folder::new();
    folder.como(["gen", "-w", "none/a.pcap", SMALL]).refused(1, &["none/a.pcap", "No such file"]);
}
