//! `como query` without a monitor: what it refuses, and how it says so.

use como_tests::Folder;

#[test]
fn without_a_place_to_ask_it_says_how_to_name_one() {
    let folder = Folder::new();
    folder.como(["query", "traffic"]).refused(1, &["como.toml", "--url URL or --store DIR"]);
    folder.como(["query", "traffic", "--store", "none"]).refused(1, &["no store in `none`"]);
    let both = ["query", "traffic", "--store", "a", "--url", "http://127.0.0.1:1"];
    folder.como(both).refused(2, &["--url", "--store"]);
}

#[test]
fn a_monitor_that_does_not_answer_is_named() {
    let folder = Folder::new();
    let words = ["no answer from http://127.0.0.1:1", "como serve"];
    folder.como(["query", "traffic", "--url", "http://127.0.0.1:1"]).refused(1, &words);
}

#[test]
fn a_time_that_makes_no_sense_is_refused() {
    let folder = Folder::new();
    folder
        .como(["query", "traffic", "--store", "s", "--time", "yesterday"])
        .refused(2, &["yesterday"]);
    folder.como(["query", "traffic", "--store", "s", "--follow"]).refused(2, &["--url"]);
}

#[test]
fn a_configuration_that_makes_no_sense_is_shown_by_its_line() {
    let folder = Folder::new();
    folder.write("como.toml", "[http]\nlisen = \"127.0.0.1:1\"\n");
    let words = ["unknown key `lisen`", "como.toml:2", "^^^^^", "did you mean `listen`?"];
    folder.como(["query", "traffic"]).refused(1, &words);
}
