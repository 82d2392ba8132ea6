//! `como serve` as its operator meets it: deploying, querying, reloading, ending, and being killed.

mod again;
mod asides;
mod backfill;
mod beside;
mod eras;
mod exports;
mod full;
mod inexact;
mod kills;
mod mistakes;
mod ondemand;
mod packets;
mod posted;
mod progress;
mod remote;
mod replay;
mod rerun;
mod rollups;
mod server;
mod startup;
mod store;
mod terminal;
mod views;
mod windows;
#[cfg(target_os = "linux")]
mod wire;

use std::time::Duration;

use como_tests::Folder;
use server::{Server, get};

const MODULE: &str = "\
-- Counts packets.
args  = { interval = \"1s\" }
value = { packets = count() }
";

/// A configuration over generated traffic; `pace=true` plays it as if live.
fn config(source: &str, more: &str) -> String {
    format!("[http]\nlisten = \"127.0.0.1:0\"\n[[source]]\nuse = \"{source}\"\n{more}")
}

const TRAFFIC: &str = "[[module]]\nname = \"t\"\nuse = \"traffic\"\nargs = { interval = \"1s\" }\n";

/// The sum of a column over an answer's records.
fn sum(ndjson: &str, column: &str) -> u64 {
    let values = ndjson.lines().map(|line| {
        let record: serde_json::Value = serde_json::from_str(line).expect("a record");
        record[column].as_u64().unwrap_or(0)
    });
    values.sum()
}

#[test]
fn answers_over_http_what_was_in_the_trace() {
    let folder = Folder::new();
    folder.write("como.toml", config("gen:packets=5000,duration=10s,seed=3", TRAFFIC));
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    server.until("/t?time=1970-01-01T00:00:00Z:&wait=no", |body| sum(body, "packets") == 5000);
    let json = get(server.address(), "/?module=t&time=1970-01-01T00:00:00Z:&wait=no&format=json");
    let records: serde_json::Value = serde_json::from_str(&json.body).expect("one JSON array");
    assert!(records.as_array().expect("an array").len() >= 10);
    assert_eq!(server.end(), 0);
}

#[test]
fn a_script_dropped_in_goes_live_a_broken_one_is_refused_and_the_old_one_stays() {
    let folder = Folder::new();
    folder.write("como.toml", config("gen:rate=2000,duration=600s,pace=true", TRAFFIC));
    let server = Server::start(&folder);
    folder.write("modules/mine.lua", MODULE);
    server.until("/mine?time=-1h:0&wait=no&source=none", |body| sum(body, "packets") > 0);

    folder.write("modules/mine.lua", "value = {");
    server.until("/status", |s| s.contains("\"refused\":{\"mine\":\"") && s.contains("mine.lua"));
    let before =
        sum(&get(server.address(), "/mine?time=-1h:0&wait=no&source=none").body, "packets");
    server.until("/mine?time=-1h:0&wait=no&source=none", |body| sum(body, "packets") > before);

    std::fs::remove_file(folder.path().join("modules/mine.lua")).expect("it was there");
    server.until("/status", |s| !s.contains("\"name\":\"mine\"") && s.contains("\"refused\":{}"));
    let stays = get(server.address(), "/mine?time=-1h:0&wait=no&source=none");
    assert_eq!(stays.status, 200, "what is stored stays: {}", stays.body);
    assert_eq!(server.end(), 0);
}

#[test]
fn a_changed_library_redeploys_the_module_that_requires_it_and_is_none_itself() {
    let folder = Folder::new();
    folder.write("como.toml", config("gen:rate=2000,duration=600s,pace=true", TRAFFIC));
    folder.write("modules/lib/factor.lua", "return { by = 0 }");
    let script = "local factor = require(\"lib/factor\")\nargs = { interval = \"1s\" }\n\
                  function init() return { n = 0 } end\n\
                  function update(pkt, state) state.n += factor.by end\n\
                  function export(state) return { packets = state.n } end";
    folder.write("modules/mine.lua", script);
    let server = Server::start(&folder);
    server.until("/mine?time=-1h:0&wait=no", |body| body.contains("\"packets\":0"));
    folder.write("modules/lib/factor.lua", "return { by = 1 }");
    server.until("/mine?time=-1h:0&wait=no", |body| sum(body, "packets") > 0);

    std::fs::remove_file(folder.path().join("modules/lib/factor.lua")).expect("it was there");
    server.until("/status", |s| s.contains("there is no `") && s.contains("mine.lua"));
    folder.write("modules/lib/factor.lua", "return { by = 2 }");
    server.until("/status", |s| s.contains("\"refused\":{}"));
    let status = get(server.address(), "/status").body;
    assert!(!status.contains("\"name\":\"factor\""), "{status}");
    assert_eq!(server.end(), 0);
}

#[test]
fn a_refused_script_that_is_removed_stops_nothing_of_its_name() {
    let folder = Folder::new();
    folder.write("como.toml", config("gen:rate=2000,duration=600s,pace=true", TRAFFIC));
    let server = Server::start(&folder);
    let remove = |name: &str| {
        std::fs::remove_file(folder.path().join("modules").join(name)).expect("it was there");
    };
    folder.write("modules/mine.lua", MODULE);
    server.until("/status", |s| s.contains("\"name\":\"mine\""));
    folder.write("modules/mine.luau", MODULE);
    folder.write("modules/t.lua", MODULE);
    server.until("/status", |s| s.contains("has that name already") && s.contains("has a module"));
    remove("t.lua");
    remove("mine.luau");
    server.until("/status", |s| s.contains("\"refused\":{}"));
    let status = get(server.address(), "/status").body;
    assert!(status.contains("\"name\":\"t\"") && status.contains("\"name\":\"mine\""), "{status}");

    // What was refused for another's sake runs once that is gone.
    folder.write("modules/mine.luau", MODULE.replace("Counts", "Sums"));
    server.until("/status", |s| s.contains("has that name already"));
    remove("mine.lua");
    server.until("/status", |s| s.contains("\"refused\":{}") && s.contains("\"name\":\"mine\""));
    assert_eq!(server.end(), 0);
}

#[test]
fn a_pipe_among_the_scripts_is_refused_and_holds_up_nothing() {
    let folder = Folder::new();
    folder.write("como.toml", config("gen:rate=2000,duration=600s,pace=true", TRAFFIC));
    let server = Server::start(&folder);
    folder.write("modules/mine.lua", MODULE);
    let pipe = folder.path().join("modules/a.lua");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    server.until("/status", |s| s.contains("\"refused\":{\"a\":\"") && s.contains("plain file"));
    server.until("/mine?time=-1h:0&wait=no", |body| sum(body, "packets") > 0);
    std::fs::remove_file(&pipe).expect("it was there");
    server.until("/status", |s| s.contains("\"refused\":{}"));
    assert_eq!(server.end(), 0);
}

#[test]
fn what_makes_no_sense_is_a_client_error_that_names_it() {
    let folder = Folder::new();
    folder.write("como.toml", config("gen:packets=1000,duration=5s", TRAFFIC));
    let server = Server::start(&folder);
    for (url, status, words) in [
        ("/tt?wait=no", 404, "no module `tt`; known are t"),
        ("/t?time=yesterday&wait=no", 400, "yesterday"),
        ("/t?colour=red", 400, "colour"),
        ("/t?format=xml&wait=no", 400, "xml"),
        ("/t?filter=tcp%20and&wait=no", 400, "tcp and"),
        ("/t?time=-5m:0&time=0", 400, "twice"),
        ("/../../etc/passwd", 404, "nothing here"),
    ] {
        let answer = get(server.address(), url);
        assert_eq!(answer.status, status, "{url}: {}", answer.body);
        assert!(answer.body.contains(words), "{url}: {}", answer.body);
    }
    assert_eq!(server.end(), 0);
}

#[test]
fn a_second_monitor_on_the_same_store_is_refused_and_the_first_untouched() {
    let folder = Folder::new();
    folder.write("como.toml", config("gen:rate=1000,duration=600s,pace=true", TRAFFIC));
    let server = Server::start(&folder);
    folder.como(["serve"]).refused(1, &["in use by another process"]);
    assert_eq!(get(server.address(), "/status").status, 200);
    assert_eq!(server.end(), 0);
}

#[test]
fn hangup_rereads_the_configuration_and_keeps_the_old_one_when_it_is_wrong() {
    let folder = Folder::new();
    let source = "gen:rate=2000,duration=600s,pace=true";
    folder.write("como.toml", config(source, TRAFFIC));
    let server = Server::start(&folder);
    let second = TRAFFIC.replace("\"t\"", "\"u\"");
    folder.write("como.toml", config(source, &second));
    server.hang_up();
    server.until("/status", |s| s.contains("\"name\":\"u\"") && !s.contains("\"name\":\"t\""));
    folder.write("como.toml", config(source, "nonsense = 1\n"));
    server.hang_up();
    server.until("/u?time=-1h:0&wait=no", |body| sum(body, "packets") > 0);
    assert_eq!(server.end(), 0);
}

#[test]
fn hangup_takes_all_of_a_configuration_or_nothing_and_tries_again() {
    let folder = Folder::new();
    let source = "gen:rate=2000,duration=600s,pace=true";
    folder.write("como.toml", config(source, TRAFFIC));
    let server = Server::start(&folder);
    // Two changes, one of them with a script that is wrong.
    folder.write("x.lua", "key = {");
    let both = TRAFFIC.replace("\"t\"", "\"u\"") + "[[module]]\nname = \"x\"\nuse = \"x.lua\"\n";
    folder.write("como.toml", config(source, &both));
    server.hang_up();
    // What comes next shows that the signal was obeyed.
    folder.write("modules/mine.lua", MODULE);
    server.until("/status", |s| s.contains("\"name\":\"mine\""));
    let status = get(server.address(), "/status").body;
    assert!(status.contains("\"name\":\"t\"") && !status.contains("\"name\":\"u\""), "{status}");
    folder.write("x.lua", MODULE);
    server.hang_up();
    server.until("/status", |s| s.contains("\"name\":\"x\"") && s.contains("\"name\":\"u\""));
    // A script that has changed is a change.
    folder.write("x.lua", MODULE.to_owned() + "filter = \"udp\"\n");
    server.hang_up();
    server.until("/status", |s| s.contains("\"filter\":\"udp\""));
    assert_eq!(server.end(), 0);
}

#[test]
fn hangup_refuses_sources_that_a_start_would_and_warns_of_what_only_a_start_takes() {
    let folder = Folder::new();
    let source = "gen:rate=2000,duration=600s,pace=true";
    folder.write("como.toml", config(source, TRAFFIC));
    let server = Server::start(&folder);
    let second = TRAFFIC.replace("\"t\"", "\"u\"");
    folder.write("como.toml", config("bogus:eth0", &second));
    server.hang_up();
    // What comes next shows that the signal was obeyed.
    folder.write("modules/mine.lua", MODULE);
    server.until("/status", |s| s.contains("\"name\":\"mine\""));
    assert!(!get(server.address(), "/status").body.contains("\"name\":\"u\""));
    folder.write("como.toml", config("gen:packets=5", &second));
    server.hang_up();
    server.until("/status", |s| s.contains("\"name\":\"u\""));
    // Back to what runs: nothing waits for a restart any more.
    folder.write("como.toml", config(source, TRAFFIC));
    server.hang_up();
    server.until("/status", |s| s.contains("\"name\":\"t\""));
    let told = server.end_told();
    let warned = told.matches("with a restart only changes: [[source]]").count();
    assert_eq!(warned, 1, "{told}");
}

#[test]
fn hangup_takes_names_from_scripts_and_gives_them_back() {
    let folder = Folder::new();
    let source = "gen:rate=2000,duration=600s,pace=true";
    folder.write("como.toml", config(source, TRAFFIC));
    folder.write("modules/mine.lua", MODULE);
    folder.write("modules/query.lua", MODULE);
    let server = Server::start(&folder);
    let of = |s: &str, name: &str, module: &str| {
        s.contains(&format!("\"module\":\"{module}\",\"name\":\"{name}\""))
    };
    server
        .until("/status", |s| of(s, "mine", "mine") && s.contains("`/query` is the monitor's own"));
    let more = "[[module]]\nname = \"mine\"\nuse = \"traffic\"\n";
    folder.write("como.toml", config(source, &(TRAFFIC.to_owned() + more)));
    server.hang_up();
    server.until("/status", |s| {
        of(s, "mine", "traffic") && s.contains("has a module or a view `mine`")
    });
    folder.write("como.toml", config(source, TRAFFIC));
    server.hang_up();
    server.until("/status", |s| of(s, "mine", "mine") && !s.contains("has a module or a view"));
    let view = "[view.mine]\nmodules = [\"traffic\"]\n";
    folder.write("como.toml", config(source, &(TRAFFIC.to_owned() + view)));
    server.hang_up();
    server.until("/status", |s| {
        !of(s, "mine", "mine") && s.contains("has a module or a view `mine`")
    });
    assert_eq!(server.end(), 0);
}

#[test]
fn hangup_rereads_tables_and_keeps_the_old_ones_when_one_is_wrong() {
    let folder = Folder::new();
    let source = "gen:rate=2000,duration=600s,pace=true";
    folder.write("como.toml", config(source, "[lookup]\nasn = \"ases.txt\"\n"));
    let script = MODULE.to_owned() + "filter = \"ip\"\nkey = { asn = \"dst.asn or 0\" }\n";
    folder.write("modules/ases.lua", script);
    let announce = |asn: &str| folder.write("ases.txt", format!("0.0.0.0/0 {asn}\n::/0 {asn}\n"));
    let url = "/ases?time=-1h:0&wait=no";
    let of = |body: &str, asn: u32| body.matches(&format!("\"asn\":{asn},")).count();

    announce("64500");
    let server = Server::start(&folder);
    server.until(url, |body| of(body, 64500) > 0);
    announce("64501");
    server.hang_up();
    server.until(url, |body| of(body, 64501) > 0);
    announce("nobody");
    server.hang_up();
    let before = of(&get(server.address(), url).body, 64501);
    server.until(url, |body| of(body, 64501) > before + 1);
    announce("64502");
    server.hang_up();
    server.until(url, |body| of(body, 64502) > 0 && of(body, 0) == 0);
    assert_eq!(server.end(), 0);
}

#[test]
fn a_follower_gets_records_as_they_are_committed() {
    let folder = Folder::new();
    folder.write("como.toml", config("gen:rate=2000,duration=600s,pace=true", TRAFFIC));
    let server = Server::start(&folder);
    let lines = server.lines("/t?wait=yes&format=ndjson", 2, Duration::from_secs(30));
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line.contains("\"packets\":")));
    assert_eq!(server.end(), 0);
}

/// Kills under load; what `/status` had acknowledged must be there after a restart.
#[test]
fn a_kill_loses_nothing_that_was_acknowledged() {
    let rounds = if std::env::var_os("COMO_SOAK").is_some() { 200 } else { 20 };
    let folder = Folder::new();
    let fast = TRAFFIC.replace("1s", "10ms");
    folder.write("como.toml", config("gen:rate=50000,duration=3600s,pace=true", &fast));
    let mut acknowledged = 0;
    for round in 0..rounds {
        let server = Server::start(&folder);
        let rows = |s: &str| -> u64 {
            let status: serde_json::Value = serde_json::from_str(s).expect("a status");
            status["store"]["streams"]["t"]["rows"].as_u64().unwrap_or(0)
        };
        let mut seen = 0;
        // Each round is killed at another moment between two commits.
        server.until("/status", |s| {
            seen = rows(s);
            seen > (round % 7) * 9
        });
        server.kill();
        acknowledged += seen;
        let out = folder.como(["query", "t", "--store", "store", "--format", "ndjson"]).ok();
        let stored = out.stdout.lines().count() as u64;
        assert!(stored >= acknowledged, "round {round}: {stored} of {acknowledged} are left");
        // What was stored beyond what was acknowledged stays as well.
        acknowledged = stored;
    }
}

#[test]
fn records_are_shown_in_the_modules_own_way() {
    let script = "\
-- Counts packets, and says so.
value = { packets = count() }
function print(record, format)
  if format == \"csv\" then return `count;{record.packets}` end
  if format == \"ndjson\" then return `\\{\"n\":{record.packets}}` end
end
";
    let folder = Folder::new();
    folder.write("como.toml", config("gen:packets=5000,duration=10s,seed=3", TRAFFIC));
    folder.write("modules/says.lua", script);
    let server = Server::start(&folder);
    server.until("/says?time=1970-01-01T00:00:00Z:&wait=no", |body| sum(body, "n") == 5000);
    let all = "/says?time=1970-01-01T00:00:00Z:&wait=no&format=csv";
    let body = get(server.address(), all).body;
    assert!(body.starts_with("count;") && !body.contains("packets"), "{body}");
    assert_eq!(server.end(), 0);

    let ran = folder.como(["query", "says", "--format", "csv"]).ok();
    assert_eq!(ran.stdout, body, "the store answers as the monitor did");
}

#[test]
fn malformed_packets_are_none_and_not_zero_where_no_task_asks_for_headers() {
    let counted = |module: &str| {
        let folder = Folder::new();
        let module = format!("[[module]]\nname = \"m\"\nuse = \"{module}\"\n");
        folder.write("como.toml", config("gen:packets=50,duration=2s,seed=3", &module));
        let server = Server::start(&folder);
        server.until("/status", |status| status.contains("\"ended\":true"));
        let status: serde_json::Value =
            serde_json::from_str(&get(server.address(), "/status").body).expect("JSON");
        assert_eq!(server.end(), 0);
        ["malformed", "truncated"].map(|what| status["capture"][what].clone())
    };
    assert_eq!(counted("traffic"), [serde_json::Value::Null, serde_json::Value::Null]);
    assert_eq!(counted("tuple"), [0, 0]);
}

#[test]
fn a_way_to_show_records_that_fails_is_counted_apart_from_callbacks() {
    let script = "\
-- Counts packets, and cannot say so in CSV.
value = { packets = count() }
function print(record, format)
  if format == \"csv\" then error(\"no\") end
  return `\\{\"packets\":{record.packets}}`
end
";
    let folder = Folder::new();
    folder.write("como.toml", config("gen:packets=5000,duration=10s,seed=3", TRAFFIC));
    folder.write("modules/says.lua", script);
    let server = Server::start(&folder);
    let all = "/says?time=1970-01-01T00:00:00Z:&wait=no";
    server.until(all, |body| sum(body, "packets") == 5000);
    let counted = |want: fn(u64) -> bool| {
        let status: serde_json::Value =
            serde_json::from_str(&get(server.address(), "/status").body).expect("JSON");
        let mut tasks = status["capture"]["tasks"].as_array().expect("a list").iter();
        let task = tasks.find(|task| task["name"] == "says").expect("runs");
        assert!(want(task["answer_faults"].as_u64().expect("a number")), "{task}");
        assert_eq!(task["faults"], 0);
    };
    counted(|faults| faults == 0);
    // The answer breaks off.
    get(server.address(), &format!("{all}&format=csv"));
    counted(|faults| faults > 0);
    assert_eq!(server.end(), 0);
}
