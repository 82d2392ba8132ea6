//! Modules that run afresh over what is stored: never deployed, with another filter, from a script.

use como_tests::{Folder, Ran};

use super::config;
use super::server::Server;

pub const SOURCE: &str = "gen:packets=5000,duration=10s,seed=3";

/// Packets kept whole, and flows of a second each.
pub const MODULES: &str = "\
[[module]]
name = \"kept\"
use = \"trace\"
[[module]]
name = \"flows\"
use = \"tuple\"
args = { interval = \"1s\" }
";

pub const SCRIPT: &str = "\
-- Packets and the longest of each protocol.
args = { interval = \"2s\" }
key = { proto = \"ip.proto\" }
value = { packets = count(), longest = max(\"len\") }
";

/// A monitor that has read all of the source and kept it.
pub fn read_whole() -> (Folder, Server) {
    let folder = Folder::new();
    folder.write("como.toml", config(SOURCE, MODULES));
    folder.write("mine.lua", SCRIPT);
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    server.until("/flows?time=:&wait=no", |body| body.contains("00:00:09Z"));
    // What is kept is on disk with the records of its last interval.
    server.until("/kept?time=:&wait=no", |body| body.contains("00:00:05Z"));
    (folder, server)
}

/// What `como run` says of all packets.
pub fn ran(folder: &Folder, args: &[&str]) -> Ran {
    let run = ["run", "-s", SOURCE, "--format", "ndjson", "-q"];
    folder.como(run.iter().chain(args)).ok()
}

#[test]
fn a_module_that_never_ran_answers_over_the_past_as_if_it_had() {
    let (folder, server) = read_whole();
    let url = format!("http://{}", server.address());
    let check = |place: &[&str]| {
        let asked = |args: &[&str]| {
            let query = ["query", "--time", ":", "--format", "ndjson"];
            folder.como(query.iter().chain(place).chain(args)).ok().stdout
        };
        let two = ["-a", "interval=2s", "-a", "n=5"];
        let top = ran(&folder, &[&["topports"][..], &two].concat()).stdout;
        assert_eq!(asked(&[&["topports"][..], &two].concat()), top);
        assert_eq!(asked(&[&["topports", "--source", "kept"][..], &two].concat()), top);
        // The instance runs, but of all packets.
        let tcp = ran(&folder, &["tuple", "-a", "interval=1s", "tcp port 80"]).stdout;
        assert!(!tcp.is_empty());
        let mut lines: Vec<_> = tcp.lines().collect();
        lines.sort_unstable();
        let answer = asked(&["flows", "-a", "interval=1s", "--filter", "tcp port 80"]);
        let mut got: Vec<_> = answer.lines().collect();
        got.sort_unstable();
        assert_eq!(got, lines);
    };
    check(&["--url", &url]);
    assert_eq!(server.end(), 0);
    check(&["--store", "store"]);
}

#[test]
fn a_script_just_written_answers_over_the_past() {
    let (folder, server) = read_whole();
    assert_eq!(server.end(), 0);
    let query = |args: &[&str]| {
        let base = ["query", "mine.lua", "--store", "store", "--time", ":", "--format", "ndjson"];
        folder.como(base.iter().chain(args))
    };
    assert_eq!(query(&[]).ok().stdout, ran(&folder, &["mine.lua"]).stdout);
    let explained = query(&["--explain"]).ok();
    let rows = explained.ndjson();
    assert_eq!((&rows[0]["source"], &rows[0]["chosen"]), (&"kept".into(), &true.into()));
    let why_not = rows[1]["why_not"].as_str().expect("a reason");
    assert!(why_not.contains("not what each was"), "{why_not}");
    query(&["--source", "cept"]).refused(2, &["no module `cept`", "kept"]);
    query(&["-a", "intervall=1s"]).refused(2, &["intervall", "interval"]);
}

#[test]
fn a_window_beyond_what_is_stored_is_an_empty_answer() {
    let (folder, server) = read_whole();
    assert_eq!(server.end(), 0);
    let time = "2030-01-01T00:00:00Z:+1h";
    let query = ["query", "topports", "--store", "store", "--time", time, "--format", "ndjson"];
    assert_eq!(folder.como(query).ok().stdout, "");
}

#[test]
fn whoever_asks_writes_no_file() {
    let (folder, server) = read_whole();
    folder.write("precious", "untouched");
    let precious = folder.path().join("precious");
    let argument = format!("file={}", precious.display());
    let url = format!("http://{}", server.address());
    for more in [&["--explain"][..], &["--source", "kept"]] {
        let query = ["query", "trace", "--url", &url, "--time", ":", "-a", &argument];
        folder.como(query.iter().chain(more)).ok();
    }
    folder.como(["explain", "trace", "-a", &argument, "-s", SOURCE]).ok();
    assert_eq!(std::fs::read_to_string(precious).expect("it is there"), "untouched");
}

#[test]
fn packets_are_not_asked_for_with_what_only_records_have() {
    let (folder, server) = read_whole();
    let url = format!("http://{}", server.address());
    let query = ["query", "kept", "--url", &url, "--format", "pcapng", "--source", "kept"];
    folder.como(query).refused(2, &["`source` is for records"]);
}

/// Alerts, and asks for what an operator grants.
const WATCH: &str = "\
outputs = { slow = { ms = \"uint\" } }
function init() return { n = 0 } end
function update(pkt, state) state.n += pkt.packets end
function export(state)
  if state.n > 0 then alert(\"warning\", \"packets\", { now = time.now() > 1e9 }) end
  output(\"slow\", { ms = 1 })
  return { n = state.n }
end
";

#[test]
fn whoever_asks_is_told_of_alerts_and_grants_what_runs_here() {
    let (folder, server) = read_whole();
    folder.write("watch.lua", WATCH);
    folder.write("free.lua", WATCH.replace("time.now()", "2e9"));
    let base = ["query", "--time", ":", "--format", "ndjson"];
    let url = format!("http://{}", server.address());
    let asked = |more: &[&str]| folder.como(base.iter().chain(more));
    let alerts = |ran: &Ran| ran.stdout.matches(",\"alert\":\"warning\",").count();
    let sent = asked(&["free.lua", "--url", &url]).ok();
    assert!(alerts(&sent) >= 10, "{}", sent.stdout);
    // Estimates are made under the store's secret, wherever it is read.
    folder.write("flows.lua", "value = { n = bitmap(\"flow\", 20) }\n");
    let estimated = asked(&["flows.lua", "--url", &url]).ok().stdout;
    asked(&["watch.lua", "--url", &url]).refused(2, &["time.now: is not granted"]);
    asked(&["watch.lua", "--url", &url, "--allow", "clock"]).refused(2, &["--allow", "--url"]);
    folder.write("here.toml", format!("[http]\nlisten = \"{}\"\n", server.address()));
    let here = ["watch.lua", "-c", "here.toml", "--allow", "clock"];
    asked(&here).refused(2, &["its own configuration", "`allow`"]);
    // What was said for a question is no news for the log.
    let status = super::server::get(server.address(), "/status").body;
    assert!(status.contains("\"alerts\":[]"), "{status}");
    assert_eq!(server.end(), 0);
    assert_eq!(asked(&["flows.lua", "--store", "store"]).ok().stdout, estimated);
    let here = asked(&["watch.lua", "--store", "store", "--allow", "clock"]).ok();
    assert_eq!((alerts(&here), here.stderr.contains("alert")), (alerts(&sent), false));
    let csv = ["query", "free.lua", "--store", "store", "--time", ":", "--format", "csv"];
    let csv = folder.como(csv).ok();
    let aside = csv.stderr.matches("Z warning: packets {\"now\":true}\n").count();
    assert_eq!((aside, csv.stdout.contains("warning")), (alerts(&sent), false), "{}", csv.stderr);
    let kinds = ["`clock` gives", "`dns` gives", "`file:/path` gives", "`http:host` gives"];
    asked(&["watch.lua", "--store", "store", "--allow", "everything"]).refused(2, &kinds);
    let table =
        folder.como(["query", "free.lua", "--store", "store", "--time", ":", "--format", "table"]);
    assert!(table.ok().stdout.contains("Z warning: packets {\"now\":true} --\n"));
}

#[test]
fn an_argument_unlike_that_of_the_instance_has_it_run_afresh_or_is_refused() {
    let (folder, server) = read_whole();
    let url = format!("http://{}", server.address());
    let longer = ran(&folder, &["tuple", "-a", "interval=2s"]).stdout;
    let lines = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    let check = |place: &[&str]| {
        let asked = |more: &[&str]| {
            let query = ["query", "flows", "--time", ":", "--format", "ndjson"];
            folder.como(query.iter().chain(place).chain(more))
        };
        assert_eq!(lines(&asked(&["-a", "interval=2s"]).ok().stdout), lines(&longer));
        let same = asked(&["-a", "interval=1000ms"]).ok().stdout;
        assert_eq!(same, asked(&[]).ok().stdout, "it is that of the instance");
        asked(&["-a", "bogus=1"]).refused(2, &["tuple", "no argument `bogus`"]);
        asked(&["-a", "interval=soon"]).refused(2, &["`soon`", "a time span"]);
    };
    check(&["--url", &url]);
    assert_eq!(server.end(), 0);
    check(&["--store", "store"]);
}

#[test]
fn an_argument_unlike_that_of_the_instance_is_refused_where_nothing_serves() {
    let folder = Folder::new();
    let module = "[[module]]\nname = \"top\"\nuse = \"topports\"\nargs = { interval = \"1s\" }\n";
    folder.write("como.toml", config(SOURCE, module));
    let server = Server::start(&folder);
    server.until("/top?time=:&wait=no", |body| body.contains("00:00:09Z"));
    let refused = |url: &str| {
        let reply = super::get(server.address(), url);
        assert_eq!(reply.status, 400, "{}", reply.body);
        reply.body
    };
    let text = refused("/top?time=:&wait=no&arg.topn=2");
    assert!(text.contains(", not 2"), "{text}");
    let text = refused("/top?time=:&wait=no&arg.interval=2s");
    assert!(text.contains("interval=1s, not 2s") && text.contains("interval=2s"), "{text}");
    refused("/top?time=:&wait=no&arg.m=2");
    assert_eq!(server.end(), 0);
}

#[test]
fn a_store_alone_tells_how_long_the_intervals_are_that_run_afresh() {
    let folder = Folder::new();
    let module =
        |name: &str| format!("[[module]]\nuse = \"{name}\"\nargs = {{ interval = \"5s\" }}\n");
    let both = module("traffic") + &module("tuple");
    folder.write("como.toml", config("gen:packets=3000,duration=30s,seed=3", &both));
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    assert_eq!(server.end(), 0);

    let asked = |filter: &str| {
        let place = ["query", "traffic", "--store", "store", "-c", "none.toml", "--time", ":"];
        let args = place.into_iter().chain(["--format", "csv", "--filter", filter]);
        folder.como(args).ok().stdout
    };
    let told = asked("tcp");
    assert_eq!(told.lines().count(), 7, "a header and intervals of 5s: {told}");
    let told = asked("sctp and port 7");
    assert!(told.starts_with("ts,packets,bytes\r\n"), "{told}");
    folder.write("top.lua", "-- Top.\nkey = { a = \"ip.src\" }\nvalue = { n = count() }");
    let none = ["query", "top.lua", "--store", "store", "-c", "none.toml", "--time", ":"];
    let none = none.into_iter().chain(["-a", "interval=5s", "--format", "csv"]);
    let told = folder.como(none.chain(["--filter", "sctp and port 7"])).ok().stdout;
    assert_eq!(told, "ts,a,n\r\n", "what no packet passes has its header");
}
