//! Modules that run over the packets kept before they came, and then over what comes.

use como_tests::Folder;

use super::config;
use super::server::Server;

/// Packets that come as if live.
const SOURCE: &str = "gen:rate=3000,duration=600s,pace=true,seed=5";

const KEPT: &str = "[[module]]\nname = \"kept\"\nuse = \"trace\"\n";

const ALONG: &str =
    "[[module]]\nname = \"along\"\nuse = \"topaddr\"\nargs = { interval = \"1s\" }\n";

/// All records of an instance, of a monitor that has ended.
fn stored(folder: &Folder, instance: &str) -> String {
    let query = ["query", instance, "--store", "store", "--time", ":", "--format", "ndjson"];
    folder.como(query).ok().stdout
}

/// How many seconds there are records of.
fn seconds(ndjson: &str) -> usize {
    let mut starts: Vec<&str> = ndjson.lines().filter_map(|line| line.split(',').next()).collect();
    starts.dedup();
    starts.len()
}

#[test]
fn a_script_dropped_in_late_has_the_records_of_one_that_was_there_all_along() {
    let script = "-- Bytes by destination.\nargs = { interval = \"1s\" }\n\
                  key = { to = \"ip.dst\" }\nvalue = { bytes = sum(\"len\"), n = count() }\n";
    let folder = Folder::new();
    folder.write("como.toml", config(SOURCE, KEPT));
    folder.write("modules/along.lua", script);
    let server = Server::start(&folder);
    server.until("/along?time=:&wait=no", |body| seconds(body) > 2);
    folder.write("modules/late.lua", format!("{script}backfill = \"1h\"\n"));
    server.until("/status", |status| status.contains("\"past\":\"filled in\""));
    server.until("/late?time=:&wait=no", |body| seconds(body) > 4);
    assert_eq!(server.end(), 0);
    let late = stored(&folder, "late");
    assert!(seconds(&late) > 4, "{late}");
    assert_eq!(late, stored(&folder, "along"));
}

#[test]
fn a_question_goes_on_from_the_past_to_what_comes() {
    let folder = Folder::new();
    folder.write("como.toml", config(SOURCE, &format!("{KEPT}{ALONG}")));
    let server = Server::start(&folder);
    server.until("/along?time=:&wait=no", |body| seconds(body) > 1);
    let url = format!("http://{}", server.address());
    let asked = |args: &[&str]| {
        let query = ["query", "topaddr", "--url", &url, "-a", "interval=1s", "--format", "ndjson"];
        folder.como(query.iter().chain(args))
    };
    let run = asked(&["--source", "auto", "--time", "-1h:+2s", "--follow"]).ok().stdout;
    asked(&["--source", "along", "--time", "-1h:", "--follow"])
        .refused(2, &["cannot go on with what comes", "`along` keeps no packets"]);
    assert_eq!(server.end(), 0);
    assert!(seconds(&run) > 3, "{run}");
    let along = stored(&folder, "along");
    assert!(along.starts_with(&run), "{run}\n{along}");
}

#[test]
fn what_a_monitor_kept_is_filled_in_by_the_next_one_once() {
    let folder = Folder::new();
    folder.write("como.toml", config("gen:packets=5000,duration=10s,seed=3", KEPT));
    let server = Server::start(&folder);
    server.until("/kept?time=:&wait=no", |body| body.contains("00:00:05Z"));
    server.until("/status", |status| status.contains("\"ended\":true"));
    assert_eq!(server.end(), 0);
    // The next one reads what follows.
    let next = "gen:packets=5000,duration=10s,seed=3,start=1704067210";
    let late = ALONG.replace("along", "late").replace("args", "backfill = \"1h\"\nargs");
    let run = ["run", "topaddr", "-a", "interval=1s", "-q", "--format", "ndjson"];
    let both = ["-s", "gen:packets=5000,duration=10s,seed=3", "-s", next];
    let ran = folder.como(run.iter().chain(&both)).ok().stdout;
    folder.write("como.toml", config(next, &format!("{KEPT}{late}")));
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"past\":\"filled in\""));
    server.until("/late?time=:&wait=no", |body| body.contains("00:00:19Z"));
    assert_eq!(server.end(), 0);
    assert_eq!(stored(&folder, "late"), ran);
    // Of what there are records already none are made again.
    folder.write("como.toml", config(&next.replace("7210", "7220"), &format!("{KEPT}{late}")));
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"past\":\"filled in\""));
    server.until("/late?time=:&wait=no", |body| body.contains("00:00:29Z"));
    assert_eq!(server.end(), 0);
    assert!(stored(&folder, "late").starts_with(&ran));
}
