//! What is wrong with a configuration, and found only when it runs, is said where it stands; and
//! what becomes of scripts is said in the log.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use como_tests::{Como, Folder};

use super::server::{Server, get};
use super::{MODULE, TRAFFIC, config};

/// What is said of a configuration with `text` in it; the last line of that is wrong.
#[track_caller]
fn check(text: &str, words: &[&str]) {
    let folder = Folder::new();
    let config = format!("[http]\nlisten = \"127.0.0.1:0\"\n{text}\n");
    folder.write("como.toml", &config);
    let line = format!("como.toml:{}\n", config.lines().count());
    let under = ["^^^", &line];
    folder.como(["serve"]).refused(1, &[words, &under].concat());
}

#[test]
fn a_module_that_there_is_not_is_underlined() {
    check("[[module]]\nuse = \"trafic\"", &["no module `trafic`", "did you mean `traffic`?"]);
}

#[test]
fn an_argument_that_a_module_does_not_take_is_underlined() {
    let module = |args: &str| format!("[[module]]\nuse = \"topaddr\"\nargs = {args}");
    check(&module("{ x = 1 }").replace('x', "src"), &["no argument `src`", "use_src"]);
    let aligned = ["no argument `align-to`", "         ^^^^^^^^", "always begin at multiples"];
    check(&module("{ align-to = 5 }"), &aligned);
    check(&module("{ n = \"many\" }"), &["`many` is not a whole number", "       ^^^^^^"]);
    check(
        "[[module]]\nuse = \"traffic\"\n[module.args]\ninterval = \"1us\"",
        &["an interval of 1ms or more"],
    );
}

#[test]
fn a_source_that_does_not_open_is_underlined() {
    check("[[source]]\nuse = \"gen:packets=1\"\n[[source]]\nuse = \"nosuch:eth0\"", &["`nosuch`"]);
    check("[[source]]\nuse = \"gone.pcap\"", &["cannot open `gone.pcap`"]);
    check("[[source]]\nuse = \"gen\"\n[[source]]\nuse = \"gen:rte=1\"", &["did you mean `rate`?"]);
}

#[test]
fn a_rollup_that_cannot_be_is_underlined() {
    let module = |rollup: &str| {
        format!("[[module]]\nuse = \"traffic\"\nargs = {{ interval = \"7s\" }}\nrollup = {rollup}")
    };
    check(&module("[\"70s:1d\", \"10m:1y\"]"), &["cannot be rolled up to 10m", "    ^^^^^^^^"]);
}

#[test]
fn what_a_module_without_packets_cannot_do_with_them_is_refused() {
    let module = |line: &str| format!("[[module]]\nuse = \"traffic\"\n{line}");
    check(&module("compress = true"), &["`compress` is of the packets that a `trace` keeps"]);
    check(&module("anonymize = \"x.key\""), &["`anonymize` is of the packets"]);
    check("[[module]]\nuse = \"trace\"\nanonymize = \"x.key\"", &["x.key"]);
}

#[test]
fn a_view_over_nothing_is_underlined() {
    let view =
        "[[module]]\nuse = \"traffic\"\n[view.a]\nmodules = [\"traffic\"]\nsource = \"trce\"";
    check(view, &["there is no module `trce` to be its source"]);
}

#[test]
fn scripts_whose_names_no_url_can_say_are_refused() {
    let folder = Folder::new();
    folder.write("como.toml", config("gen:rate=1000,duration=600s,pace=true", TRAFFIC));
    folder.write("modules/a\nb.lua", MODULE);
    folder.write("modules/alerts.lua", MODULE);
    let odd = folder.path().join("modules").join(OsStr::from_bytes(b"\xff.lua"));
    std::fs::write(odd, MODULE).expect("a file");
    let server = Server::start(&folder);
    server.until("/status", |status| {
        ["control characters", "is not UTF-8", "where all modules' alerts are kept"]
            .iter()
            .all(|why| status.contains(why))
    });
    assert_eq!(server.end(), 0);
}

#[test]
fn the_log_says_when_and_what_was_deployed() {
    let folder = Folder::new();
    let source = "gen:rate=1000,duration=600s,pace=true";
    folder.write("como.toml", config(source, TRAFFIC));
    let server = Server::start(&folder);
    folder.write("modules/mine.lua", MODULE);
    server.until("/status", |s| s.contains("\"name\":\"mine\""));
    folder.write("modules/mine.lua", MODULE.to_owned() + "filter = \"udp\"\n");
    server.until("/status", |s| s.contains("\"filter\":\"udp\""));
    std::fs::remove_file(folder.path().join("modules/mine.lua")).expect("it was there");
    server.until("/status", |s| !s.contains("\"name\":\"mine\""));
    let more = "[[module]]\nuse = \"topaddr\"\n";
    folder.write("como.toml", config(source, &(TRAFFIC.to_owned() + more)));
    server.hang_up();
    server.until("/status", |s| s.contains("\"name\":\"topaddr\""));
    let told = server.end_told();
    let mut lines = told.lines();
    for what in [
        "module `mine` is live from its next interval on",
        "module `mine` is replaced at its next interval",
        "module `mine` was removed and stops",
        "module `topaddr` is live",
        "the configuration was read again",
    ] {
        let line = lines.find(|line| line.ends_with(what));
        let line = line.unwrap_or_else(|| panic!("`{what}` is missing in {told}"));
        assert!(line.starts_with("20") && line.contains("Z  INFO "), "{line}");
    }
}

#[test]
fn a_monitor_that_measures_nothing_is_warned_of() {
    let folder = Folder::new();
    let small = "[[module]]\nuse = \"traffic\"\nstreamsize = \"1\"\n";
    folder.write("como.toml", format!("[http]\nlisten = \"127.0.0.1:0\"\n{small}"));
    let told = Server::start(&folder).end_told();
    for warning in ["there is no [[source]]", "its `streamsize` is less than one block"] {
        assert!(told.contains(warning), "{told}");
    }
}

#[test]
fn an_answer_that_breaks_off_says_why_and_ends_without_its_end() {
    let folder = Folder::new();
    let source = "gen:start=1704067200,rate=100,duration=20s";
    folder.write("como.toml", config(source, TRAFFIC));
    let merge = "function merge(a, b) error(\"torn\") end\n";
    folder.write("modules/mine.lua", MODULE.to_owned() + merge);
    let print = "function print(record) error(\"shy\") end\n";
    folder.write("modules/shy.lua", MODULE.to_owned() + print);
    let server = Server::start(&folder);
    server.until("/mine?time=:&wait=no", |body| body.lines().count() >= 19);
    server.until("/shy?time=:&wait=no", |body| body.contains("could not print"));
    for (format, end) in [("ndjson", "}\n"), ("json", "}\n]\n"), ("csv", "\r\n"), ("plain", "\n")] {
        let url = format!("/mine?time=:&wait=no&interval=10s&format={format}");
        let reply = get(server.address(), &url);
        assert_eq!((reply.status, reply.whole), (200, false), "{}", reply.body);
        assert!(reply.body.contains("error") && reply.body.contains("torn"), "{}", reply.body);
        assert!(reply.body.ends_with(end), "{}", reply.body);
        let is_json = format == "json";
        let array = is_json.then(|| serde_json::from_str::<Vec<serde_json::Value>>(&reply.body));
        assert!(array.is_none_or(|array| array.is_ok()), "{}", reply.body);
    }
    let reply = get(server.address(), "/shy?time=:&wait=no&format=plain");
    let why = "error: the module could not print";
    assert!(!reply.whole && reply.body.starts_with(why), "{}", reply.body);
    let told = server.end_told();
    assert!(told.contains("an answer broke off") && told.contains("could not print"), "{told}");
}

#[test]
fn who_follows_a_module_that_is_removed_is_told() {
    let folder = Folder::new();
    folder.write("como.toml", config("gen:rate=1000,duration=600s,pace=true", TRAFFIC));
    folder.write("modules/mine.lua", "\u{feff}".to_owned() + MODULE);
    let server = Server::start(&folder);
    server.until("/mine?time=-1h:0&wait=no", |body| body.contains("packets"));
    // Host and port are enough to name a monitor.
    let url = server.address().to_string();
    let asked = ["query", "mine", "--url", &url, "--follow", "--time", "-1s:"];
    let mut follower = Como::new(&folder, asked).into_command();
    follower.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut follower = follower.spawn().expect("the command starts");
    let out = follower.stdout.take().expect("a pipe was asked for");
    let mut lines = BufReader::new(out).lines();
    assert!(lines.next().expect("a record").expect("UTF-8").contains("packets"));
    std::fs::remove_file(folder.path().join("modules/mine.lua")).expect("it was there");
    let last = lines.map(|line| line.expect("UTF-8")).find(|line| !line.contains("packets"));
    assert_eq!(last.as_deref(), Some(r#"{"error":"what was followed does not run any more"}"#));
    let ended = follower.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(1) && told.contains("does not run any more"), "{told}");
    assert_eq!(server.end(), 0);
}
