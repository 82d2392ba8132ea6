//! `como check`: a script that works, one that works and is wrong, one that does not.

use como_tests::{Folder, Ran};

fn check(script: &str, text: &str) -> Ran {
    let folder = Folder::new();
    folder.write(script, text);
    folder.como(["check", script])
}

const COUNT: &str = "\
-- Packets by protocol.
key   = { proto = \"ip.proto\" }
value = { packets = count() }
";

#[test]
fn a_script_that_works_shows_its_records() {
    let ran = check("count.lua", COUNT).ok();
    assert!(ran.ndjson().iter().any(|record| record["proto"] == 6), "{}", ran.stdout);
    assert_eq!(ran.stderr, "count.lua: works. Packets by protocol.\n");
}

#[test]
fn counting_without_weights_is_warned_about() {
    let script = "\
-- Counts.
function init(args) return { n = 0 } end
function update(pkt, state)
  state.n = state.n + 1
end
function export(table, long, args) return { n = table.n } end
";
    let ran = check("count.lua", script).ok();
    let warning = "warning: this counts a sampled packet once\n  count.lua:4\n  \
                   state.n = state.n + 1";
    assert!(ran.stderr.replace("    state", "  state").contains(warning), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: add pkt.packets"), "{}", ran.stderr);
}

#[test]
fn what_is_kept_outside_the_state_is_warned_about() {
    let script = "\
-- Counts.
local n = 0
function update(pkt, state) n = n + pkt.packets end
function merge(a, b) return a end
function export(state) return { n = n } end
";
    let ran = check("count.lua", script).ok();
    let kept = "warning: `n` is kept outside the state\n  count.lua:3\n";
    assert!(
        ran.stderr.contains(kept) && ran.stderr.contains("keep it in `state`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn merge_is_tried_on_two_records_of_one_key() {
    let script = |merge: &str| {
        format!("-- Counts.\nvalue = {{ n = count() }}\nfunction merge(a, b)\n{merge}\nend\n")
    };
    check("good.lua", &script("  return { n = a.n + b.n }")).ok();
    let bad = check("bad.lua", &script("  return { n = a.n + b.nobody }"));
    let said = bad.stderr.contains("error: `merge`, of two") && bad.stderr.contains("bad.lua:4");
    assert!(bad.code == 1 && said, "{}", bad.stderr);
}

#[test]
fn shipped_scripts_are_without_blame() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../modules");
    for entry in std::fs::read_dir(root).expect("the shipped scripts") {
        let path = entry.expect("readable").path();
        if path.extension().is_some_and(|end| end == "lua" || end == "rhai") {
            let ran = Folder::new().como(["check".as_ref(), path.as_os_str()]).ok();
            assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
        }
    }
}

#[test]
fn a_script_that_fails_is_shown_by_its_line() {
    let script = "-- Fails.\n\nfunction update(pkt, state)\n  state.n = nobody.n\nend\n\
                  function export(state) return { n = state.n } end\n";
    let ran = check("fails.lua", script);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("fails.lua:4"), "{}", ran.stderr);
    check("broken.lua", "-- Broken.\nkey = {\n").refused(1, &["broken.lua"]);
}

#[test]
fn all_that_is_wrong_is_shown_at_once_and_a_filter_at_its_place() {
    let script = "keys = { a = \"ip.src\" }\nkey = { a = \"ip.dts\" }\nvalue = { n = count() }\n\
                  function udpate() end\n";
    let words = ["nothing is declared by `keys`", "no field `ip.dts`", "`udpate` is never called"];
    let wrong = check("wrong.lua", script);
    assert_eq!((wrong.code, &*wrong.stdout), (1, ""), "{}", wrong.stderr);
    let errors: Vec<&str> = wrong.stderr.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(errors.len(), words.len(), "{}", wrong.stderr);
    for (error, word) in errors.iter().zip(words) {
        assert!(error.contains(word), "`{word}` is missing in: {error}");
    }
    let script = "value = { n = count() }\n\nlocal web = filter(\"tcp and dprot 80\")\n";
    let underlined = "web.lua:3\n  local web = filter(\"tcp and dprot \
        80\")\n                              ^^^^^";
    check("web.lua", script).refused(1, &[underlined]);
}

#[test]
fn what_is_no_script_is_refused() {
    let folder = Folder::new();
    let refused = folder.como(["check", "none.lua"]);
    refused.refused(1, &["cannot read `none.lua`: No such file or directory\nhint: "]);
    folder.como(["check", "traffic"]).refused(1, &["a module of that name is shipped"]);
    folder.write("notes.txt", "");
    folder.como(["check", "notes.txt"]).refused(1, &["notes.txt", ".lua"]);
    folder.write("count.lua", COUNT);
    folder.como(["check", "count.lua", "-a", "m=1"]).refused(2, &["has no argument `m`"]);
}

#[test]
fn fields_that_are_read_unseen_are_reported() {
    let lua = "local name = \"ttl\"\nfunction init() return { n = 0 } end\n\
        function update(pkt, state)\n  if pkt.ip and pkt.ip[name] == 64 then state.n += \
        pkt.packets end\nend\n\
        function export(state) return { n = state.n } end\n";
    let rhai = "const NAME = \"ttl\";\nfn init() { #{ n: 0 } }\nfn update(pkt, state) {\n\
        let ip = pkt.ip;\n if ip != () && ip[NAME] == 64 { state.n += pkt.packets; }\n}\n\
        fn export(state) { #{ n: state.n } }\n";
    for (name, script) in [("mine.lua", lua), ("mine.rhai", rhai)] {
        let ran = check(name, script).ok();
        let told = ran.stderr.matches("`pkt.ip.ttl` is read where the text does not show it");
        assert_eq!(told.count(), 1, "{}", ran.stderr);
    }
}

#[test]
fn what_is_not_granted_is_said_once_where_the_script_catches_it() {
    let lua = "function update(pkt) pcall(time.now) end\n\
        function export() return { n = 1 } end\n";
    let rhai = "fn update(pkt) { try { time.now(); } catch {} }\n\
        fn export() { #{ n: 1 } }\n";
    for (name, script) in [("mine.lua", lua), ("mine.rhai", rhai)] {
        let folder = Folder::new();
        folder.write(name, script);
        let ran = folder.como(["run", name, "-s", "gen:seed=1,packets=100"]);
        let told = ran.stderr.matches("asks for what is not granted, and catches that");
        assert_eq!(told.count(), 1, "{}", ran.stderr);
        assert!(ran.stderr.contains("--allow clock"), "{}", ran.stderr);
    }
}
