//! Rollups: longer intervals beside the module's own, over kills, and asked for by `interval`.

use std::collections::BTreeMap;

use como_tests::Folder;

use super::config;
use super::server::{Server, get};

const ROLLED: &str = "\
[[module]]
name = \"t\"
use = \"traffic\"
args = { interval = \"1s\" }
rollup = [\"10s:7d\", \"1m:1y\"]
";

/// Sums of a column by the start of its record; the times in which nothing ran are none.
fn by_start(ndjson: &str, column: &str) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for line in ndjson.lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("a record");
        if record.get("gap_until").is_some() {
            continue;
        }
        let ts = record["ts"].as_str().unwrap_or_default().to_owned();
        *sums.entry(ts).or_insert(0) += record[column].as_u64().unwrap_or(0);
    }
    sums
}

fn queried(folder: &Folder, args: &[&str]) -> BTreeMap<String, u64> {
    let args = [&["query"], args, &["--store", "store", "--format", "ndjson"]].concat();
    by_start(&folder.como(args).ok().stdout, "packets")
}

/// Seconds added up to intervals of ten.
fn tens(seconds: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (ts, n) in seconds {
        // 2024-01-01T00:00:07Z is of 2024-01-01T00:00:00Z.
        *sums.entry(format!("{}0Z", &ts[..18])).or_insert(0) += n;
    }
    sums
}

#[test]
fn rollups_are_what_their_records_add_up_to() {
    let folder = Folder::new();
    folder.write("como.toml", config("gen:packets=20000,duration=95s,seed=3", ROLLED));
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    server.until("/t@10s?time=:&wait=no", |body| body.lines().count() >= 9);
    let http = get(server.address(), "/t?time=:&wait=no&interval=30s").body;
    assert!(by_start(&http, "packets").len() >= 3, "{http}");
    let refused = get(server.address(), "/t?time=:&wait=no&interval=1500ms");
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert!(refused.body.contains("do not add up"), "{}", refused.body);
    assert_eq!(server.end(), 0);

    let seconds = queried(&folder, &["t"]);
    let want = tens(&seconds);
    let rolled = queried(&folder, &["t@10s"]);
    assert!(
        rolled.len() >= 9 && rolled.iter().all(|(ts, n)| want.get(ts) == Some(n)),
        "{rolled:?}"
    );
    assert_eq!(queried(&folder, &["t", "--interval", "10s"]), want);

    // What is left of the seconds is little; the rollups still know the rest.
    folder.como(["store", "rm", "t", "--before", "-5s"]).ok();
    let left = queried(&folder, &["t", "--interval", "10s"]);
    assert!(rolled.iter().all(|(ts, n)| left.get(ts) == Some(n)), "{left:?}");
    let minutes = queried(&folder, &["t", "--interval", "1m"]);
    assert_eq!(minutes.values().next().copied(), Some(want.values().take(6).sum()));
}

#[test]
fn what_is_recorded_of_kept_packets_adds_up() {
    let folder = Folder::new();
    let kept = "[[module]]\nname = \"kept\"\nuse = \"trace\"\nargs = { interval = \"1s\" }\n\
                rollup = [\"10s:7d\"]\n";
    folder.write("como.toml", config("gen:packets=20000,duration=95s,seed=3", kept));
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    server.until("/kept@10s?time=:&wait=no", |body| body.lines().count() >= 9);
    assert_eq!(server.end(), 0);
    let want = tens(&queried(&folder, &["kept"]));
    let rolled = queried(&folder, &["kept@10s"]);
    assert!(rolled.len() >= 9 && rolled.iter().all(|(ts, n)| want.get(ts) == Some(n)), "{want:?}");
    assert_eq!(queried(&folder, &["kept", "--interval", "10s"]), want);
}

#[test]
fn kills_leave_out_no_interval_and_make_none_twice() {
    let folder = Folder::new();
    let rolled = ROLLED.replace("10s:7d", "100ms:7d").replace("\"1s\"", "\"10ms\"");
    folder.write("como.toml", config("gen:rate=5000,duration=3600s,pace=true", &rolled));
    for round in 0..4 {
        let server = Server::start(&folder);
        let lines = |body: &str| body.lines().count();
        server.until("/t@100ms?time=:&wait=no", |body| lines(body) > (round + 1) * 5);
        server.kill();
    }
    let lines = folder.como(["query", "t@100ms", "--store", "store", "--format", "ndjson"]).ok();
    // A gap may begin where the interval does that it is in.
    let records = lines.ndjson().into_iter().filter(|line| line["gap_until"].is_null());
    let starts: Vec<String> = records.map(|record| record["ts"].to_string()).collect();
    let mut once = starts.clone();
    once.dedup();
    assert_eq!(starts, once);
    let (seconds, rolled) = (queried(&folder, &["t"]), queried(&folder, &["t@100ms"]));
    let mut want = BTreeMap::new();
    for (ts, n) in &seconds {
        // Milliseconds are written where there are any: hundreds of them are what is left.
        let hundreds = ts.get(20..21).filter(|_| ts.len() > 20).unwrap_or("0");
        *want.entry((ts[..19].to_owned(), hundreds.to_owned())).or_insert(0) += n;
    }
    for (ts, n) in &rolled {
        let hundreds = ts.get(20..21).filter(|_| ts.len() > 20).unwrap_or("0");
        assert_eq!(want.get(&(ts[..19].to_owned(), hundreds.to_owned())), Some(n), "{ts}");
    }
}

/// Means and sketches in either language, the second with `;`.
const SKETCHES: &str = "\
key   = { proto = \"ip.proto\" }
value = {
  packets = count(), mean = mean(\"len\"), var = var(\"len\"), hosts = distinct(\"ip.src\"),
  p99 = quantile(\"len\", 0.99), ports = topk(\"dport\", 3), flows = bitmap(\"flow\", 5000),
}
";

/// The records of a stream, as lines.
fn lines(folder: &Folder, args: &[&str]) -> Vec<String> {
    let args = [&["query"], args, &["--format", "ndjson"]].concat();
    folder.como(args).ok().stdout.lines().map(str::to_owned).collect()
}

#[test]
fn means_and_sketches_are_rolled_up_as_if_their_module_had_run_with_the_longer_interval() {
    let folder = Folder::new();
    let rhai = SKETCHES.replace("key   = {", "let key = #{").replace("value = {", "let value = #{");
    let rhai = rhai.replace(" = ", ": ").replace("key: ", "key = ").replace("value: ", "value = ");
    folder.write("lua.lua", format!("-- Sketches.\n{SKETCHES}"));
    folder.write("rhai.rhai", format!("// Sketches.\n{}", rhai.replace("}\n", "};\n")));
    let mut modules = String::new();
    for (name, script) in [("l", "lua.lua"), ("r", "rhai.rhai")] {
        let module = |name: &str, interval: &str, rollup: &str| {
            let args = format!("args = {{ interval = \"{interval}\" }}");
            format!("[[module]]\nname = \"{name}\"\nuse = \"./{script}\"\n{args}\n{rollup}\n")
        };
        modules += &module(name, "1s", "rollup = [\"10s:7d\"]");
        modules += &module(&format!("{name}10"), "10s", "");
        modules += &module(&format!("{name}plain"), "1s", "");
    }
    folder.write("como.toml", config("gen:packets=4000,duration=45s,seed=3", &modules));
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    for name in ["l", "r"] {
        server.until(&format!("/{name}@10s?time=:&wait=no"), |body| {
            body.contains(":40Z") || body.lines().count() >= 8
        });
    }
    let plain = get(server.address(), "/lplain?time=:&wait=no&interval=10s");
    assert!(plain.body.contains("give the module a `rollup`"), "{}", plain.body);
    assert_eq!(server.end(), 0);
    // Another store has another secret; what was counted under one is merged all the same.
    let stored = ["--store", "store"];
    for name in ["l", "r"] {
        folder.como(["store", "export", name, "-w", "a", "--store", "store"]).ok();
        folder.como(["store", "import", "a", "--store", "other"]).ok();
    }
    folder.como(["store", "compact", "--store", "other"]).ok();
    folder.como(["store", "verify", "--store", "other"]).ok();
    for name in ["l", "r"] {
        let long = lines(&folder, &[&[&*format!("{name}10")], &stored[..]].concat());
        let rolled = lines(&folder, &[&[&*format!("{name}@10s")], &stored[..]].concat());
        assert!(rolled.len() >= 8 && long.starts_with(&rolled), "{rolled:?}\n{long:?}");
        let asked = lines(&folder, &[name, "--interval", "10s", "--store", "store"]);
        assert_eq!(asked, long);
        let asked = lines(&folder, &[name, "--interval", "10s", "--store", "other"]);
        assert_eq!(asked, long);
    }
    assert!(!lines(&folder, &["l", "--store", "store"]).iter().any(|line| line.contains("state")));
}

#[test]
fn what_cannot_be_rolled_up_is_refused_with_the_column() {
    let folder = Folder::new();
    folder.write("hosts.lua", "-- Hosts.\nvalue = { hosts = bitmap(\"ip.src\", 100000000) }\n");
    let module = |name: &str, rollup: &str| {
        format!("[[module]]\nuse = \"{name}\"\nrollup = [\"{rollup}\"]\n")
    };
    folder.write("como.toml", config("gen:packets=10", &module("./hosts.lua", "1m:7d")));
    let words = ["module `hosts` cannot be rolled up to 1m", "column `hosts` cannot be merged"];
    folder.como(["serve"]).refused(1, &words);
    folder.write("como.toml", config("gen:packets=10", &module("traffic", "1500ms:7d")));
    folder.como(["serve"]).refused(1, &["of 1s, which do not add up to 1500ms"]);
}

/// A script whose records say nothing of how they add up, but for its `merge`.
const OWN: &str = "\
-- Packets and the longest, made by hand.
key   = { proto = \"ip.proto or 0\" }
value = { packets = count(), most = max(\"len\") }
args  = { interval = \"1s\" }
function export(table, long, args)
  local out = {}
  for row in table do
    out[#out + 1] = { proto = row.proto, packets = row.packets, most = row.most, seconds = 1 }
  end
  return out
end
function merge(a, b)
  return {
    packets = a.packets + b.packets, most = math.max(a.most, b.most),
    seconds = a.seconds + b.seconds,
  }
end
";

#[test]
fn a_script_merges_its_records_in_its_own_way() {
    let folder = Folder::new();
    folder.write("own.lua", OWN);
    let module = "[[module]]\nuse = \"./own.lua\"\nrollup = [\"10s:7d\"]\n";
    folder.write("como.toml", config("gen:packets=5000,duration=40s,seed=3", module));
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    server.until("/own@10s?time=:&wait=no", |body| body.lines().count() >= 3);
    assert_eq!(server.end(), 0);
    let records = |stream| {
        let args = ["query", stream, "--store", "store", "--format", "ndjson"];
        folder.como(args).ok().ndjson()
    };
    let sum = |records: &[serde_json::Value], before: &str| -> u64 {
        let inside = records.iter().filter(|r| r["ts"].as_str().is_some_and(|ts| ts < before));
        inside.map(|r| r["packets"].as_u64().unwrap_or(0)).sum()
    };
    let (seconds, tens) = (records("own"), records("own@10s"));
    let before = "2024-01-01T00:00:30Z";
    assert_eq!(sum(&tens, before), sum(&seconds, before));
    assert!(tens.iter().any(|r| r["seconds"] == 10) && tens.len() < seconds.len());
}
