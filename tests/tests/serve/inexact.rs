//! What an answer says of itself: what of it is not exact, in every format, and what is missing.

use como_tests::Folder;

use super::config;
use super::server::{Server, get, post};

const TOP: &str = "\
[[module]]
name = \"top\"
use = \"topaddr\"
args = { n = 3, interval = \"1s\" }
rollup = [\"5s:7d\"]
[[module]]
name = \"all\"
use = \"topaddr\"
args = { n = 100000, interval = \"1s\" }
";

/// Said of what is merged from lists that were cut.
const CUT: &str = "inexact: it is merged from records of which only some rows were kept";

/// The formats that any build has.
const FORMATS: [&str; 7] = ["table", "ndjson", "json", "csv", "plain", "html", "gnuplot"];

/// A monitor that has read twenty seconds.
fn read_whole(folder: &Folder) -> Server {
    folder.write("como.toml", config("gen:packets=6000,duration=20s,seed=3", TOP));
    let server = Server::start(folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    server.until("/top@5s?time=:&wait=no", |body| body.contains("00:00:10Z"));
    server.until("/all?time=:&wait=no", |body| body.contains("00:00:19Z"));
    server
}

#[test]
fn a_top_list_that_is_merged_says_in_every_format_that_it_was_cut() {
    let folder = Folder::new();
    let server = read_whole(&folder);
    let url = format!("http://{}", server.address());
    let ask = |place: &[&str], more: &[&str]| {
        let place = [&["query"], more, place].concat();
        folder.como(place).ok()
    };
    let check = |place: &[&str]| {
        for format in FORMATS {
            let answer = |what: &[&str]| ask(place, &[what, &["--format", format]].concat());
            let of_rollup = answer(&["top", "--interval", "5s"]);
            assert!(of_rollup.stderr.contains(CUT), "{format}: {}", of_rollup.stderr);
            let merged = answer(&["top", "--interval", "2s"]);
            assert!(merged.stderr.contains(CUT), "{format}: {}", merged.stderr);
            let rollup = answer(&["top@5s"]);
            assert!(rollup.stderr.contains(CUT), "{format}: {}", rollup.stderr);
            let says_itself = ["plain", "html", "gnuplot"].contains(&format);
            assert_eq!(merged.stdout.contains(CUT), says_itself, "{format}: {}", merged.stdout);
            // Neither what its module said is inexact, nor a list that was not full.
            for exact in [&["top"][..], &["top", "--interval", "1s"], &["all", "--interval", "5s"]]
            {
                let exact = answer(exact);
                assert!(!exact.stderr.contains("inexact"), "{format}: {}", exact.stderr);
            }
        }
    };
    check(&["--url", &url]);
    let header = |path: &str| get(server.address(), path).header("Como-Sources");
    let merged = header("/top?time=:&wait=no&interval=2s").unwrap_or_default();
    assert!(merged.contains(CUT), "{merged}");
    let exact = header("/all?time=:&wait=no&interval=2s").unwrap_or_default();
    assert!(!exact.contains("inexact"), "{exact}");
    assert_eq!(server.end(), 0);
    check(&["--store", "store"]);
    let explained = ask(&["--store", "store"], &["top", "--interval", "2s", "--explain"]).ndjson();
    let leaves_out = explained[0]["leaves_out"].as_str().unwrap_or_default();
    assert_eq!(explained[0]["source"], "top");
    assert!(leaves_out.starts_with("it is merged from records of which only"), "{leaves_out}");
}

#[test]
fn merged_lists_that_were_not_full_are_those_of_the_longer_interval() {
    let folder = Folder::new();
    let server = read_whole(&folder);
    assert_eq!(server.end(), 0);
    let args = ["query", "all", "--interval", "5s", "--store", "store", "--format", "ndjson"];
    let merged = folder.como(args).ok().stdout;
    let args = ["-a", "n=100000", "-a", "interval=5s", "--format", "ndjson", "-q"];
    let source = ["-s", "gen:packets=6000,duration=20s,seed=3"];
    let run = folder.como([&["run", "topaddr"], &args[..], &source].concat()).ok().stdout;
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&merged), sorted(&run));
}

#[test]
fn intervals_whose_records_have_gone_are_gaps_and_an_answer_of_nothing_else_says_so() {
    let folder = Folder::new();
    let server = read_whole(&folder);
    assert_eq!(server.end(), 0);
    folder.como(["store", "rm", "all", "--before", "-13s"]).ok();
    let from = "2024-01-01T00:00:00Z";
    let ask = |until: &str, interval: &str| {
        let time = format!("{from}:{until}");
        let args = ["query", "all", "--interval", interval, "--time", &time];
        folder.como([&args[..], &["--store", "store", "--format", "ndjson"]].concat()).ok()
    };
    let lines = ask("2024-01-01T00:00:20Z", "5s").ndjson();
    assert_eq!(
        (&lines[0]["ts"], &lines[0]["gap_until"]),
        (&from.into(), &"2024-01-01T00:00:10Z".into())
    );
    assert_eq!(lines[1]["ts"], "2024-01-01T00:00:10Z");
    let whole = ask("2024-01-01T00:00:20Z", "20s");
    assert!(whole.stderr.contains("no 20s of `all` is whole in this time"), "{}", whole.stderr);
    assert_eq!(whole.ndjson().len(), 1);
    assert_eq!(whole.ndjson()[0]["gap_until"], "2024-01-01T00:00:20Z");
    // Over HTTP it is said where nothing has been read yet.
    folder.write("como.toml", config("gen:packets=1,duration=1s,seed=3", ""));
    let server = Server::start(&folder);
    let answer = get(server.address(), &format!("/all?time={from}:+20s&wait=no&interval=20s"));
    let missed = answer.header("Como-Missed").unwrap_or_default();
    assert!(missed.contains("no 20s of `all` is whole in this time"), "{missed}");
    assert_eq!(server.end(), 0);
}

/// What keeps packets, beside others.
const KEPT: &str = "[[module]]\nname = \"kept\"\nuse = \"trace\"\n";

/// Runs a monitor with these modules over so many seconds of traffic from a second on.
fn feed(folder: &Folder, modules: &str, (start, seconds): (u64, u64), committed: &str) {
    let start = 1_704_067_200 + start;
    let source = format!("gen:packets={},duration={seconds}s,start={start},seed=3", 200 * seconds);
    folder.write("como.toml", config(&source, modules));
    let server = Server::start(folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    server.until("/kept?time=:&wait=no", |body| body.contains(committed));
    assert_eq!(server.end(), 0);
}

/// Asks the store.
fn stored(folder: &Folder, args: &[&str]) -> como_tests::Ran {
    let of = ["--store", "store", "--format", "ndjson"];
    folder.como([&["query"], args, &of].concat()).ok()
}

#[test]
fn what_lacks_a_part_of_the_time_is_not_chosen_for_its_cost() {
    let folder = Folder::new();
    feed(&folder, KEPT, (0, 20), "00:00:19Z");
    let tuple = "[[module]]\nname = \"flows\"\nuse = \"tuple\"\nargs = { interval = \"1s\" }\n";
    feed(&folder, &format!("{KEPT}{tuple}"), (20, 20), "00:00:39Z");
    for interval in ["40s", "20s", "10s"] {
        let interval = format!("interval={interval}");
        let asked = ["topports", "-a", "n=5", "-a", &interval, "--time", "1704067200:1704067240"];
        let chosen = stored(&folder, &asked);
        let kept = stored(&folder, &[&asked[..], &["--source", "kept"]].concat());
        assert_eq!(chosen, kept, "{interval}");
        assert!(!chosen.stdout.contains("gap_until"), "{}", chosen.stdout);
        let flows = stored(&folder, &[&asked[..], &["--source", "flows"]].concat()).ndjson();
        assert_eq!(flows[0]["gap_until"], "2024-01-01T00:00:20Z");
    }
}

#[test]
fn records_that_cannot_be_replayed_are_left_for_packets_and_otherwise_a_gap_that_is_said() {
    let folder = Folder::new();
    let module = "[[module]]\nname = \"ev\"\nuse = \"./ev.lua\"\n";
    let script = |bytes: &str| {
        let value = format!("value = {{ packets = count(), bytes = {bytes} }}\n");
        let key = "args = { interval = \"1s\" }\nkey = { proto = \"ip.proto\" }\n";
        folder.write("ev.lua", format!("-- Packets by protocol.\n{key}{value}"));
    };
    script("sum(\"len\")");
    feed(&folder, &format!("{KEPT}{module}"), (0, 10), "00:00:09Z");
    script("mean(\"len\")");
    feed(&folder, &format!("{KEPT}{module}"), (10, 10), "00:00:19Z");
    script("sum(\"len\")");
    feed(&folder, &format!("{KEPT}{module}"), (20, 10), "00:00:29Z");
    let asked = ["ev", "--filter", "tcp", "--time", "1704067200:1704067230"];
    let kept = stored(&folder, &[&asked[..], &["--source", "kept"]].concat());
    let chosen = stored(&folder, &asked);
    assert_eq!((chosen.stdout, chosen.stderr), (kept.stdout.clone(), String::new()));
    // Nothing else has it all any more.
    std::fs::remove_dir_all(folder.path().join("store/packets/kept")).expect("it was kept");
    let left = stored(&folder, &asked);
    let why = "inexact: from 2024-01-01T00:00:10Z until 2024-01-01T00:00:20Z its records do not \
               say how many bytes they stand for";
    assert!(left.stderr.contains(why), "{}", left.stderr);
    let gap = "{\"ts\":\"2024-01-01T00:00:10Z\",\"gap_until\":\"2024-01-01T00:00:20Z\"}";
    let lines = |text: &str, gone: bool| {
        let is_inside = |line: &str| (10..20).any(|s| line.contains(&format!(":00:{s}Z")));
        let lines = text.lines().filter(|line| gone || !is_inside(line));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut want = lines(&kept.stdout, false);
    want.insert(want.iter().position(|line| line.contains(":20Z")).unwrap_or(0), gap.to_owned());
    assert_eq!(lines(&left.stdout, true), want);
}

#[test]
fn an_interval_that_was_heard_in_part_has_a_gap_for_the_rest() {
    let folder = Folder::new();
    feed(&folder, KEPT, (0, 10), "00:00:09Z");
    feed(&folder, KEPT, (23, 10), "00:00:32Z");
    let asked = ["traffic", "-a", "interval=20s", "--time", "1704067200:1704067240"];
    let lines = stored(&folder, &asked).ndjson();
    // The seconds in which it begins and ends: just behind a packet, and with one.
    let of_second =
        |ts: &serde_json::Value| ts.as_str().and_then(|ts| ts.get(17..19)?.parse().ok());
    let gap = |line: &serde_json::Value| [&line["ts"], &line["gap_until"]].map(of_second);
    let second = |s: u64| format!("2024-01-01T00:00:{s:02}Z").into();
    assert_eq!((&lines[0]["ts"], &lines[0]["packets"]), (&second(0), &2000.into()));
    assert_eq!(gap(&lines[1]), [Some(9), Some(23)]);
    assert_eq!((&lines[2]["ts"], &lines[2]["packets"]), (&second(20), &2000.into()));
    assert_eq!(gap(&lines[3]), [Some(33), Some(40)]);
    assert_eq!(lines.len(), 4);
}

#[test]
fn a_run_over_a_time_without_packets_says_of_what_time_there_are_some() {
    let (folder, server) = super::rerun::read_whole();
    let missed = "no packets of `kept` in this time: there are from 2024-01-01T00:00:00";
    let said = |reply: super::server::Reply| reply.header("Como-Missed").unwrap_or_default();
    let time = "time=2030-01-01T00:00:00Z:%2B1h&wait=no";
    let run = get(server.address(), &format!("/topports?{time}"));
    assert_eq!((run.status, run.body.as_str()), (200, ""));
    let run = said(run);
    assert!(run.starts_with(missed), "{run}");
    let sent = said(post(server.address(), &format!("/query?{time}"), "lua", super::rerun::SCRIPT));
    assert!(sent.starts_with(missed), "{sent}");
    let inside = get(server.address(), "/topports?time=2024-01-01T00:00:00Z:%2B10s&wait=no");
    assert_eq!(inside.header("Como-Missed"), None);
    assert_eq!(server.end(), 0);
    let asked = ["topports", "--time", "2030-01-01T00:00:00Z:+1h"];
    let left = stored(&folder, &asked);
    assert!(left.stderr.contains(missed) && left.stdout.is_empty(), "{}", left.stderr);
}

#[test]
fn an_answer_of_records_that_are_not_of_just_the_time_asked_for_says_so() {
    let (folder, server) = super::rerun::read_whole();
    assert_eq!(server.end(), 0);
    let time = ["--time", "1704067201:1704067207"];
    let own = stored(&folder, &[&["flows", "--interval", "4s"], &time[..]].concat());
    let whole = "inexact: it is of whole intervals of 4s, from 2024-01-01T00:00:04Z until \
                 2024-01-01T00:00:08Z";
    assert!(own.stderr.contains(whole), "{}", own.stderr);
    // With a filter it is of just that time, and what it is made of says so.
    let asked = [&["query", "flows", "--interval", "4s", "--filter", "tcp port 80"], &time[..]];
    let table =
        folder.como([&asked.concat()[..], &["--store", "store", "--format", "table"]].concat());
    let just = "of just the time from 2024-01-01T00:00:01Z until 2024-01-01T00:00:07Z";
    let said = table.ok().stderr;
    assert!(said.contains(just), "{said}");
}

/// A module that takes longer than its traffic, and one that misses packets by it.
const SLOW: &str = "\
[[module]]
name = \"kept\"
use = \"trace\"
[[module]]
name = \"slow\"
use = \"slow.rhai\"
[limits]
workers = 1
";

#[test]
fn where_a_slow_script_has_packets_shed_the_past_answers_all_the_same_and_says_so() {
    let folder = Folder::new();
    // Each batch takes all the time that a call has, which is more than it came in.
    let script = "// Takes long.\nlet args = #{ interval: \"1s\" };\n\
                  fn init(args) { #{ n: 0 } }\n\
                  fn update(pkt, state) { loop { state.n += 1; } }\n\
                  fn export(state) { #{ n: state.n } }\n";
    folder.write("slow.rhai", script);
    folder.write("como.toml", config("gen:rate=60000,pace=true,seed=9,duration=1h", SLOW));
    let server = Server::start(&folder);
    let asked = "/topports?time=-1h:0&arg.n=1&format=plain";
    server.until(asked, |body| body.contains("inexact: some of its packets were shed from "));
    assert_eq!(server.end(), 0);
    let args = ["query", "topports", "--store", "store", "--time", "-1h:0", "-a", "n=1"];
    let said = folder.como(args).ok().stderr;
    assert!(said.contains("some of its packets were shed from "), "{said}");
}

#[test]
fn just_the_time_asked_for_is_answered_where_packets_of_it_are_kept() {
    let modules = "[[module]]\nname = \"kept\"\nuse = \"trace\"\n\
                   [[module]]\nname = \"flows\"\nuse = \"tuple\"\n\
                   args = { interval = \"5s\" }\n";
    let folder = Folder::new();
    folder.write("como.toml", config("gen:packets=6000,duration=20s,seed=3", modules));
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    server.until("/flows?time=:&wait=no", |body| body.contains("00:00:15Z"));
    assert_eq!(server.end(), 0);
    let args = ["query", "topports", "--store", "store", "--time", "2024-01-01T00:00:01Z:+8s"];
    let ask = |more: &[&str]| folder.como([&args[..], &["-a", "n=1"], more].concat()).ok();
    let shown = ask(&["--explain"]).ndjson();
    assert_eq!((&shown[0]["source"], &shown[1]["source"]), (&"kept".into(), &"flows".into()));
    assert!(shown[1]["leaves_out"].as_str().is_some_and(|it| it.contains("whole intervals of 5s")));
    let said = ask(&["--format", "table"]).stderr;
    assert!(said.contains("of just the time from") && !said.contains("inexact"), "{said}");
}
