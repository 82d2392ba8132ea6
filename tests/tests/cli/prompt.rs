//! `como repl`: lines said to it, and what it answers.

use como_tests::{Como, Folder, Ran};

use crate::trace;

/// What is answered to lines through a pipe, which fail together if one of them does.
#[track_caller]
fn say(folder: &Folder, lines: &str) -> Ran {
    let ran = Como::new(folder, ["repl"]).input(lines).run();
    assert_eq!(ran.code, i32::from(ran.stderr.contains("error: ")), "{}", ran.stderr);
    ran
}

#[test]
fn a_module_is_loaded_run_changed_and_run_again() {
    let folder = trace::folder();
    let script = |value: &str| {
        let text = format!("-- Counts.\nargs = {{ interval = \"1h\" }}\nvalue = {{ {value} }}\n");
        folder.write("mine.lua", text);
    };
    script("packets = count()");
    let ran = say(&folder, "source a.pcap\nload mine.lua\nfilter tcp\nrun\n");
    let tcp = ran.ndjson()[0]["packets"].as_u64().expect("a number");
    assert!(0 < tcp && tcp < 3000, "{}", ran.stdout);
    let ran = say(&folder, "source a.pcap\nrun mine.lua interval=1d\nquit\nnonsense\n");
    assert_eq!(ran.ndjson()[0]["packets"], 3000);
    assert!(!ran.stderr.contains("nonsense"), "{}", ran.stderr);
}

#[test]
fn a_mistake_is_told_and_the_prompt_goes_on() {
    let folder = trace::folder();
    let lines = "lod x\nfilter tcp.prot == 1\nload topadr\nrun\nsource none.pcap\nunload x\nhelp\n";
    let ran = say(&folder, lines);
    for words in [
        "did you mean `load`?",
        "^^^^^^^^",
        "there is no module `topadr`",
        "no module is loaded",
        "none.pcap",
        "no `x` is loaded",
    ] {
        assert!(ran.stderr.contains(words), "`{words}` is missing in: {}", ran.stderr);
    }
    assert!(ran.stdout.contains("source [FILE or SOURCE ...]"), "{}", ran.stdout);
}

#[test]
fn scripts_reach_what_is_granted_at_the_prompt() {
    let folder = trace::folder();
    let script =
        "function update(pkt) end\nfunction export() return { late = time.now() > 1e9 } end\n";
    folder.write("mine.lua", script);
    let lines = "source a.pcap\nrun mine.lua\nallow clocks\nallow clock\nallow\nrun mine.lua\n";
    let ran = say(&folder, lines);
    for words in ["or --allow clock", "did you mean `clock`?"] {
        assert!(ran.stderr.contains(words), "`{words}` is missing in: {}", ran.stderr);
    }
    assert_eq!(ran.stdout.matches("clock: the wall clock").count(), 2, "{}", ran.stdout);
    assert!(ran.stdout.contains("\"late\":true"), "{}", ran.stdout);
}

#[test]
fn the_lines_are_remembered() {
    let folder = Folder::new();
    say(&folder, "help\n");
    let history = folder.path().join(".local/state/como/history");
    let history = std::fs::read_to_string(history).expect("a history");
    assert!(history.contains("help"), "{history}");
}
