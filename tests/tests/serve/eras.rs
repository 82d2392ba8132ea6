//! Time passing over stored records: bounds of age and size, changed columns, windows beside them.

use std::io::{Read, Write};
use std::net::TcpStream;

use como_tests::Folder;
use serde_json::Value;

use super::server::{Server, get};
use super::{config, sum};

const BOUNDED: &str = "\
[[module]]
name = \"all\"
use = \"tuple\"
args = { interval = \"5s\" }
[[module]]
name = \"aged\"
use = \"tuple\"
args = { interval = \"5s\" }
retain = \"100s\"
[[module]]
name = \"sized\"
use = \"tuple\"
args = { interval = \"5s\" }
streamsize = \"80KB\"
";

/// The lines of a stream.
fn lines(folder: &Folder, stream: &str) -> Vec<String> {
    let args = ["query", stream, "--store", "store", "--format", "ndjson"];
    folder.como(args).ok().stdout.lines().map(str::to_owned).collect()
}

/// What is listed of a stream.
fn listed(folder: &Folder, stream: &str) -> Value {
    let rows = folder.como(["store", "ls", "--json"]).ok().ndjson();
    rows.into_iter().find(|row| row["stream"] == stream).expect("it is stored")
}

/// The minute and second that a record begins at, as seconds.
fn second(line: &str) -> u64 {
    let record: Value = serde_json::from_str(line).expect("a record");
    let ts = record["ts"].as_str().unwrap_or_default();
    let part = |at: usize| ts.get(at..at + 2).and_then(|text| text.parse().ok()).unwrap_or(0);
    part(14) * 60 + part(17)
}

#[test]
fn each_stream_keeps_what_its_own_age_and_size_allow() {
    let folder = Folder::new();
    folder.write("como.toml", config("gen:packets=160000,duration=600s,seed=3", BOUNDED));
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    assert_eq!(server.end(), 0);
    let [all, aged, sized] = ["all", "aged", "sized"].map(|stream| lines(&folder, stream));
    assert!(all.ends_with(&aged) && all.ends_with(&sized), "the newest stay");
    assert!(!aged.is_empty() && !sized.is_empty());
    // A block goes when its last record is old enough: a block or so more than was asked for.
    let (first, last) = (second(&aged[0]), second(&aged[aged.len() - 1]));
    assert!((90..200).contains(&(last - first)), "from {first} to {last}");
    let [all_bytes, sized_bytes] =
        ["all", "sized"].map(|stream| listed(&folder, stream)["bytes"].as_u64().unwrap_or(0));
    assert!((20_000..=80_000).contains(&sized_bytes), "{sized_bytes}");
    assert!(all_bytes > 100_000 && sized.len() < all.len(), "{all_bytes}");
    // Time goes on where nothing writes: what got too old is gone after the next start.
    let retained = BOUNDED.replace("retain = \"100s\"", "retain = \"20s\"");
    folder.write(
        "como.toml",
        config("gen:packets=10,duration=1s,start=1704068000,seed=3", &retained),
    );
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    server.until("/aged?time=:&wait=no", |body| (1..=10).contains(&body.lines().count()));
    assert_eq!(server.end(), 0);
    assert!(lines(&folder, "all").starts_with(&all));
}

#[test]
fn records_of_a_module_that_was_replaced_stay_readable_beside_the_new_ones() {
    let folder = Folder::new();
    folder.write("como.toml", config("gen:rate=2000,duration=600s,pace=true", ""));
    let old = "-- Packets.\nargs = { interval = \"100ms\" }\nvalue = { packets = count(), old = \
        max(\"len\") }\n";
    let new = "-- By protocol.\nargs = { interval = \"100ms\" }\nkey = { proto = \"ip.proto\" }\n\
               value = { bytes = sum(\"len\"), packets = count() }\n";
    folder.write("modules/mine.lua", old);
    let server = Server::start(&folder);
    server.until("/mine?time=-1h:0&wait=no", |body| sum(body, "packets") > 0);
    folder.write("modules/mine.lua", new);
    server.until("/mine?time=-1h:0&wait=no", |body| sum(body, "bytes") > 0);
    let body = get(server.address(), "/mine?time=-1h:0&wait=no").body;
    assert_eq!(server.end(), 0);
    let records = |text: &str| -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
    };
    let stored = folder.como(["query", "mine", "--store", "store", "--format", "ndjson"]).ok();
    for all in [records(&body), records(&stored.stdout)] {
        let all: Vec<Value> = all.into_iter().filter(|r| r["packets"].is_u64()).collect();
        let is_new = |record: &Value| record["bytes"].is_u64();
        let (news, olds): (Vec<&Value>, Vec<&Value>) = all.iter().partition(|r| is_new(r));
        assert!(!news.is_empty() && !olds.is_empty());
        assert!(news.iter().all(|r| r["proto"].is_u64() && r["old"].is_null()), "{news:?}");
        assert!(olds.iter().all(|r| r["old"].is_u64() && r["proto"].is_null()), "{olds:?}");
        let names = |r: &Value| r.as_object().map(|r| r.keys().cloned().collect::<Vec<_>>());
        assert_eq!(names(news[0]), names(olds[0]), "one set of columns");
    }
    let table = folder.como(["query", "mine", "--store", "store", "--format", "table"]).ok().stdout;
    let heads = table.lines().filter(|line| line.contains("proto") && line.contains("old"));
    assert_eq!(heads.count(), 1, "{table}");
}

/// An answer with its headers.
fn whole(server: &Server, url: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    write!(stream, "GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer.to_lowercase()
}

#[test]
fn a_window_beside_all_records_is_answered_with_the_time_of_which_there_are_some() {
    let folder = Folder::new();
    let module = "[[module]]\nname = \"t\"\nuse = \"traffic\"\nrollup = [\"2s:7d\"]\n";
    folder.write("como.toml", config("gen:packets=500,duration=10s,seed=3", module));
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    server.until("/t?time=:&wait=no", |body| sum(body, "packets") == 500);
    let covered = "there are from 2024-01-01t00:00:00z to 2024-01-01t00:00:10z";
    let (before, after) = ("1000000000:1000000100", "1900000000:1900000100");
    for window in [before, after] {
        for more in ["", "&interval=2s", "&format=json"] {
            let answer = whole(&server, &format!("/t?time={window}&wait=no{more}"));
            let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
            assert!(head.starts_with("http/1.1 200") && head.contains(covered), "{head}");
            assert!(!body.contains("packets"), "{body}");
        }
    }
    assert_eq!(server.end(), 0);
    for window in [before, after] {
        let asked = ["query", "t", "--store", "store", "--time", window, "--format", "ndjson"];
        let ran = folder.como(asked).ok();
        assert_eq!(ran.stdout, "");
        assert!(ran.stderr.to_lowercase().contains(covered), "{}", ran.stderr);
    }
}
