//! Instances that were deployed later than a `trace`, and ended before: what they did not record is
//! measured afresh.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

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
rollup = [\"4s:7d\"]
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

/// What is chosen of all that could answer a question, and from when on it is.
fn chosen(folder: &Folder, args: &[&str]) -> Vec<String> {
    let rows = asked(folder, &[args, &ALL, &["--explain"]].concat());
    let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).expect("a row"));
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    rows.filter(|row| row["chosen"] == true)
        .map(|row| format!("{} from {}", text(&row, "what"), text(&row, "from")))
        .collect()
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
    let rows = chosen(&folder, &["t"]);
    assert_eq!(rows[0], "its own records from 2024-01-01T00:00:10Z");
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert_eq!(chosen(&folder, &["t", "--source", "none"]), rows[..1]);
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
fn packets_that_were_not_kept_are_a_gap_in_the_records_of_who_keeps_packets() {
    let web = "[[module]]\nname = \"web\"\nuse = \"trace\"\nfilter = \"tcp\"\n";
    let folder = Folder::new();
    run(&folder, &source(0, 11), KEPT);
    run(&folder, &source(11, 9), &format!("{KEPT}{web}"));
    let alone = asked(&folder, &[&["web", "--source", "none"][..], &ALL].concat());
    assert!(record(&alone, 0)["gap_until"].is_string(), "{alone}");
    assert_eq!(asked(&folder, &[&["web"][..], &ALL].concat()), alone);
    assert_eq!(chosen(&folder, &["web"]).len(), 1);
    // Where nobody knows any more what it was, too.
    folder.write("como.toml", config("gen:packets=1", KEPT));
    assert_eq!(asked(&folder, &[&["web"][..], &ALL].concat()), alone);
}

#[test]
fn a_rollup_is_of_the_instance_whose_records_were_merged() {
    let folder = measured_late();
    folder.write("como.toml", config("gen:packets=1", &format!("{KEPT}{LATER}")));
    let base = ["query", "top@4s", "--store", "store", "--format", "ndjson"];
    let answer = folder.como(base.iter().chain(&ALL)).ok();
    assert!(!answer.stderr.contains("is not known"), "{}", answer.stderr);
    let first = "2024-01-01T00:00:00Z";
    assert_eq!(answer.stdout.matches(first).count(), 3, "{}", answer.stdout);
}

#[test]
fn records_of_several_filters_are_told_also_where_more_is_measured_afresh() {
    let folder = Folder::new();
    run(&folder, &source(0, 11), KEPT);
    run(&folder, &source(11, 9), &format!("{KEPT}{LATER}"));
    let udp = LATER.replace("\"tcp\"", "\"udp\"");
    run(&folder, &source(20, 10), &format!("{KEPT}{udp}"));
    let base = ["query", "t", "--store", "store", "--format", "table"];
    let told = folder.como(base.iter().chain(&ALL)).ok().stderr;
    assert!(told.contains("measured afresh until"), "{told}");
    assert!(told.contains("of the packets"), "{told}");
}

#[test]
fn a_module_that_fails_over_the_time_before_leaves_its_records() {
    let folder = Folder::new();
    run(&folder, &source(0, 11), KEPT);
    let script = |rest: &str| {
        format!("args = {{ interval = \"1s\" }}\nvalue = {{ packets = count() }}\n{rest}\n")
    };
    let mine = |text: &str| folder.write("mine.lua", text);
    mine(&script(""));
    let used = "[[module]]\nname = \"mine\"\nuse = \"mine.lua\"\n";
    run(&folder, &source(11, 9), &format!("{KEPT}{used}"));
    let alone = asked(&folder, &[&["mine", "--source", "none"][..], &ALL].concat());
    assert!(alone.lines().count() > 8, "{alone}");
    let records = |body: &str| body.lines().filter(|line| line.contains("packets")).count();
    let fails = "error(\"no end\") end\n";
    let always = format!("function check(pkt) {fails}function export(all) {fails}");
    for (broken, word) in [
        ("function init() error(\"no start\") end", "no start"),
        (&*always, "broke off"),
        ("value = 7", ""),
    ] {
        mine(&script(broken));
        let base = ["query", "mine", "--store", "store", "--format", "ndjson"];
        let answer = folder.como(base.iter().chain(&ALL)).ok();
        // The first interval might have been measured afresh.
        assert!(records(&answer.stdout) + 1 >= records(&alone), "{}", answer.stdout);
        assert!(record(&answer.stdout, 0)["gap_until"].is_string(), "{}", answer.stdout);
        assert!(answer.stderr.contains(word), "{}", answer.stderr);
    }
}

#[test]
fn a_view_without_a_source_is_not_filled_from_what_lies_beside_it() {
    let folder = Folder::new();
    run(&folder, &source(0, 11), KEPT);
    let view = "[view.udp]\nfilter = \"udp\"\nmodules = [\"t\"]\n";
    folder.write("como.toml", config(&source(11, 9), &format!("{KEPT}{LATER}{view}")));
    let server = Server::start(&folder);
    let url = format!("/udp/t?time={}&wait=no", ALL[1]);
    server.until(&url, |body| body.contains("packets"));
    let reply = get(server.address(), &url);
    assert!(record(&reply.body, 0)["gap_until"].is_string(), "{}", reply.body);
    let sources = reply.header("Como-Sources").unwrap_or_default();
    assert!(!sources.contains("kept"), "{sources}");
    assert_eq!(server.end(), 0);
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

/// A monitor whose `mine` was deployed a few seconds after the start, and what of the time before
/// is asked for.
fn deployed_late(folder: &Folder) -> (Server, String) {
    folder.write("como.toml", config("gen:rate=2000,duration=600s,pace=true", KEPT));
    let server = Server::start(folder);
    server.until("/kept?time=:&wait=no", |body| body.lines().count() > 3);
    let kept = get(server.address(), "/kept?time=:&wait=no").body;
    let start = record(&kept, 1)["ts"].as_str().expect("a time").to_owned();
    let mine = "args = { interval = \"1s\" }\nvalue = { packets = count() }\n";
    folder.write("modules/mine.lua", mine);
    server.until("/mine?time=:&wait=no", |body| body.lines().count() > 1);
    (server, start)
}

/// Asks for what does not end, and waits for the first of it.
fn following(server: &Server, url: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    write!(stream, "GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it reads");
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while !line.starts_with('{') {
        line.clear();
        assert!(stream.read_line(&mut line).expect("a line") > 0, "{url} has ended");
    }
    stream
}

#[test]
fn who_follows_gives_back_the_place_of_what_ran_before() {
    let folder = Folder::new();
    let (server, start) = deployed_late(&folder);
    let follow = |_| following(&server, &format!("/mine?time={start}:&wait=yes"));
    let followers: Vec<_> = (0..3).map(follow).collect();
    server.until("/status", |status| status.contains("\"runs\":[]"));
    drop(followers);
    assert_eq!(server.end(), 0);
}

#[test]
fn what_is_stored_is_given_also_where_no_more_can_run() {
    let folder = Folder::new();
    let (server, start) = deployed_late(&folder);
    let run = |_| following(&server, &format!("/traffic?time={start}:&wait=yes&source=kept"));
    let runs: Vec<_> = (0..4).map(run).collect();
    let reply = get(server.address(), &format!("/mine?time={start}:0&wait=no"));
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert!(record(&reply.body, 0)["gap_until"].is_string(), "{}", reply.body);
    let missed = reply.header("Como-Missed").unwrap_or_default();
    assert!(missed.contains("not measured afresh: 4 modules run"), "{missed}");
    // What nothing is stored for waits for its turn.
    assert_eq!(get(server.address(), "/topports?time=-1h:0&wait=no").status, 503);
    drop(runs);
    assert_eq!(server.end(), 0);
}

#[test]
fn with_no_source_nothing_is_measured_afresh() {
    let folder = measured_late();
    let refused = |args: &[&str], words: &[&str]| {
        let base = ["query", "--store", "store", "--source", "none"];
        let asked = [&base[..], args, &ALL].concat();
        folder.como(asked).refused(2, words);
    };
    refused(&["t", "--filter", "udp"], &["`t` measures the packets of `tcp`, not of `udp`"]);
    refused(&["top", "-a", "n=5"], &["the records of `top` do not answer this", "source=none"]);
    refused(&["tuple"], &["no module `tuple`"]);
    // Nor for one whose name might be that of an instance in a view.
    let on_demand =
        |name| format!("[[module]]\nname = \"{name}\"\nuse = \"tuple\"\nrunning = \"on-demand\"\n");
    let more = format!("{KEPT}{}{}", on_demand("later"), on_demand("much:later"));
    folder.write("como.toml", config("gen:packets=1", &more));
    let server = Server::start(&folder);
    for name in ["later", "much:later"] {
        let body = get(server.address(), &format!("/{name}?time=:&wait=no&source=none")).body;
        assert!(body.contains(&format!("`{name}` do not answer this")), "{body}");
    }
    assert_eq!(server.end(), 0);
}
