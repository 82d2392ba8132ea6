//! What an answer says of itself: what of it is not exact, in every format, and what is missing.

use como_tests::Folder;

use super::config;
use super::server::{Server, get};

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
            // Over there a table is plain text.
            let is_plain = (format, place[0]) == ("table", "--url");
            let says_itself = is_plain || ["plain", "html", "gnuplot"].contains(&format);
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
    let missed = answer.header("X-Como-Missed").unwrap_or_default();
    assert!(missed.contains("no 20s of `all` is whole in this time"), "{missed}");
    assert_eq!(server.end(), 0);
}
