//! Instances that were deployed later than a `trace`, and ended before: what they did not record is
//! measured afresh.

use como_tests::Folder;
use serde_json::Value;

use super::config;
use super::server::{Server, get};

const KEPT: &str = "\
[[module]]
name = \"kept\"
use = \"trace\"
args = { interval = \"1s\" }
";

const LATER: &str = "\
[[module]]
name = \"t\"
use = \"traffic\"
filter = \"tcp\"
args = { interval = \"2s\" }
rollup = [\"4s:7d\"]
[[module]]
name = \"top\"
use = \"topaddr\"
args = { interval = \"2s\", n = 3 }
";

/// The part of a source from a second of 2024 on; all parts are of one kind.
fn source(from: u64, secs: u64) -> String {
    let start = 1_704_067_200 + from;
    format!("gen:packets={},duration={secs}s,seed={from},start={start}", secs * 200)
}

fn run(folder: &Folder, source: &str, modules: &str) {
    folder.write("como.toml", config(source, modules));
    let server = Server::start(folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    assert_eq!(server.end(), 0);
}

/// The whole of it: kept for thirty seconds, measured from the eleventh to the twentieth.
fn measured_late() -> Folder {
    let folder = Folder::new();
    run(&folder, &source(0, 11), KEPT);
    run(&folder, &source(11, 9), &format!("{KEPT}{LATER}"));
    run(&folder, &source(20, 10), KEPT);
    folder
}

fn asked(folder: &Folder, args: &[&str]) -> String {
    let base = ["query", "--store", "store", "--format", "ndjson"];
    folder.como(base.iter().chain(args)).ok().stdout
}

/// One of the records of an answer.
fn record(body: &str, at: usize) -> Value {
    serde_json::from_str(body.lines().nth(at).expect("a line")).expect("JSON")
}

const ALL: [&str; 2] = ["--time", "1704067200:1704067230"];

#[test]
fn what_a_module_did_not_record_is_measured_afresh_as_if_it_had_been_there() {
    let folder = measured_late();
    folder.write("como.toml", config("gen:packets=1", &format!("{KEPT}{LATER}")));
    let check = |args: &[&str]| {
        let joined = asked(&folder, &[args, &ALL].concat());
        let afresh = asked(&folder, &[args, &ALL, &["--source", "kept"]].concat());
        assert_eq!(joined, afresh, "{args:?}");
        assert!(!joined.contains("gap"), "{joined}");
    };
    check(&["t"]);
    check(&["t", "--interval", "4s"]);
    check(&["t", "--filter", "tcp and ip"]);
    check(&["t", "--filter", "udp"]);
    check(&["top"]);
    // A time that lies in none of the records, and one that begins within an interval.
    let before = asked(&folder, &["t", "--time", "1704067201:1704067207"]);
    assert_eq!(before, asked(&folder, &["t", "--time", "1704067202:1704067208"]));
    assert_eq!(before.lines().count(), 3);
}

#[test]
fn what_is_measured_afresh_is_told_from_what_was_recorded() {
    let folder = measured_late();
    folder.write("como.toml", config("gen:packets=1", &format!("{KEPT}{LATER}")));
    let table = ["query", "t", "--store", "store", "--format", "table"];
    let told = folder.como(table.iter().chain(&ALL)).ok().stderr;
    for part in [
        "from 2024-01-01T00:00:00Z on of packets of kept (",
        "measured afresh until 2024-01-01T00:00:12Z",
        "from 2024-01-01T00:00:12Z on of gen:",
        "from 2024-01-01T00:00:18Z on of packets of kept (",
        "measured afresh until 2024-01-01T00:00:30Z",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
    // What its records say alone, with gaps.
    let alone = asked(&folder, &[&["t"][..], &ALL, &["--source", "none"]].concat());
    let gaps = alone.lines().filter(|line| line.contains("gap_until")).count();
    assert_eq!((gaps, alone.lines().count()), (2, 7), "{alone}");
    let rows = asked(&folder, &[&["t", "--explain"][..], &ALL].concat());
    let rows: Vec<Value> =
        rows.lines().map(|line| serde_json::from_str(line).expect("a row")).collect();
    let chosen = rows.iter().filter(|row| row["chosen"] == true);
    let chosen: Vec<_> = chosen.map(|row| (row["what"].as_str(), row["from"].as_str())).collect();
    let want = [
        (Some("its own records"), Some("2024-01-01T00:00:10Z")),
        (Some("packets"), Some("2024-01-01T00:00:00Z")),
        (Some("packets"), Some("2024-01-01T00:00:20Z")),
    ];
    assert_eq!(chosen[0], want[0]);
    assert_eq!(chosen.len(), 3, "{rows:?}");
    // Where nobody knows how it was measured, that is said.
    folder.write("como.toml", config("gen:packets=1", KEPT));
    let top = ["query", "top", "--store", "store", "--format", "ndjson"];
    let told = folder.como(top.iter().chain(&ALL)).ok().stderr;
    assert!(
        told.contains("inexact: what `n`, `use_dst`, `use_src`, `mask` the records of `top` were"),
        "{told}"
    );
}

#[test]
fn a_module_that_is_deployed_answers_for_the_time_before_and_goes_on() {
    let folder = Folder::new();
    folder.write("como.toml", config("gen:rate=2000,duration=600s,pace=true", KEPT));
    let server = Server::start(&folder);
    server.until("/kept?time=:&wait=no", |body| body.lines().count() > 3);
    let kept = get(server.address(), "/kept?time=:&wait=no").body;
    // The first second was not all of one.
    let start = &record(&kept, 1)["ts"];
    folder
        .write("modules/mine.lua", "args = { interval = \"1s\" }\nvalue = { packets = count() }\n");
    server.until("/mine?time=:&wait=no", |body| body.lines().count() > 2);
    let begun = get(server.address(), "/mine?time=:&wait=no").body;
    let time = format!("{}:+6s", start.as_str().expect("a time"));
    let url = format!("http://{}", server.address());
    let told = ["query", "mine", "--url", &url, "--time", &time, "--follow", "-f", "table"];
    let told = folder.como(told).ok().stderr;
    assert!(told.contains("packets of kept"), "{told}");
    let joined = get(server.address(), &format!("/mine?time={time}&wait=yes")).body;
    assert_ne!(*start, record(&begun, 0)["ts"], "it begins before itself");
    assert_eq!(*start, record(&joined, 0)["ts"]);
    let near = (0..6)
        .all(|at| (1900..2100).contains(&record(&joined, at)["packets"].as_u64().unwrap_or(0)));
    assert!(near, "{joined}");
    assert_eq!(joined.lines().count(), 6, "{joined}");
    assert_eq!(server.end(), 0);
}
