//! `como store` on the store of a monitor: listed, verified, moved, cut, compacted.

use std::path::Path;

use como_tests::Folder;

use super::server::{Server, get};
use super::{TRAFFIC, config, sum};

const TRACE: &str = "[[module]]\nname = \"kept\"\nuse = \"trace\"\nretain = \"30d\"\n";

/// A store with records and packets of ten seconds.
fn stored() -> Folder {
    let folder = Folder::new();
    let source = "gen:packets=5000,duration=10s,seed=3";
    folder.write("como.toml", config(source, &format!("{TRAFFIC}retain = \"7d\"\n{TRACE}")));
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    server.until("/t?time=1970-01-01T00:00:00Z:&wait=no", |body| sum(body, "packets") == 5000);
    folder.como(["store", "ls"]).refused(1, &["in use by another process"]);
    folder.como(["store", "rm", "t"]).refused(1, &["in use by another process"]);
    assert_eq!(server.end(), 0);
    folder
}

fn records(folder: &Folder, stream: &str, store: &str) -> String {
    folder.como(["query", stream, "--store", store, "--format", "ndjson"]).ok().stdout
}

/// What is listed, by stream and output.
fn listed(folder: &Folder) -> Vec<(String, String, u64)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let rows = folder.como(["store", "ls"]).ok().ndjson();
    let row = |row: &serde_json::Value| {
        (text(&row["stream"]), text(&row["output"]), row["records"].as_u64().unwrap_or(0))
    };
    rows.iter().map(row).collect()
}

/// Changes a byte of a file.
fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).expect("a file");
    bytes[at] ^= 0x20;
    std::fs::write(path, bytes).expect("a file");
}

#[test]
fn what_is_stored_is_listed_with_its_times_and_how_long_it_stays() {
    let folder = stored();
    let names = listed(&folder);
    let names: Vec<_> = names.iter().map(|(s, o, _)| (s.as_str(), o.as_str())).collect();
    assert_eq!(names, [("kept", "records"), ("kept", "packets"), ("t", "records")]);
    let rows = folder.como(["store", "ls", "--json"]).ok().ndjson();
    let retain: Vec<_> = rows.iter().map(|row| row["retain"].as_str()).collect();
    assert_eq!(retain, [Some("30d"), Some("30d"), Some("1w")]);
    // Also where the store alone is named.
    let text = std::fs::read_to_string(folder.path().join("como.toml")).expect("a file");
    std::fs::remove_file(folder.path().join("como.toml")).expect("a file");
    let alone = folder.como(["store", "ls", "--json", "--store", "store"]).ok().ndjson();
    assert_eq!(alone, rows);
    folder.write("como.toml", text);
    assert!(rows.iter().all(|row| row["bytes"].as_u64() > Some(0)), "{rows:?}");
    let n = records(&folder, "t", "store").lines().count() as u64;
    assert_eq!(rows[2]["records"].as_u64(), Some(n));
    folder.como(["store", "ls", "--store", "none"]).refused(1, &["no store in `none`"]);
}

#[test]
fn a_stream_moves_to_another_store_and_back() {
    let folder = stored();
    folder.como(["store", "export", "t", "-w", "t.como"]).ok();
    folder.como(["store", "import", "t.como", "--store", "other"]).ok();
    let want = records(&folder, "t", "store");
    assert_eq!(records(&folder, "t", "other"), want);
    folder.como(["store", "import", "t.como", "--as", "twin"]).ok();
    assert_eq!(records(&folder, "twin", "store"), want);
    folder.como(["store", "rm", "t"]).ok();
    folder.como(["store", "import", "t.como"]).ok();
    assert_eq!(records(&folder, "t", "store"), want);

    folder.como(["store", "export", "tt", "-w", "-"]).refused(1, &["there is no stream `tt`"]);
    folder.como(["store", "import", "como.toml"]).refused(1, &["not an archive of records"]);
    flip(&folder.path().join("t.como"), 300);
    folder.como(["store", "import", "t.como", "--as", "x"]).refused(1, &["damaged archive"]);
    assert!(!listed(&folder).iter().any(|(stream, ..)| stream == "x"));
}

#[test]
fn what_lies_before_a_time_is_removed_and_its_space_given_back() {
    let folder = stored();
    let all = records(&folder, "t", "store");
    let lines: Vec<&str> = all.lines().collect();
    folder.como(["store", "rm", "t", "--before", "-3s"]).ok();
    let left = records(&folder, "t", "store");
    assert_eq!(left.lines().collect::<Vec<_>>(), lines[lines.len() - 3..]);
    folder.como(["store", "rm", "t", "--before", "soon"]).refused(2, &["`soon` is not a time"]);
    folder.como(["store", "rm", "kep"]).refused(1, &["no stream `kep`", "did you mean `kept`?"]);
    // What a segment left that went long ago.
    let mark = folder.write("store/packets/kept/00000000.gone", "");
    let compacted = folder.como(["store", "compact"]).ok();
    assert!(compacted.stderr.contains("1 file of segments") && !mark.exists(), "{compacted:?}");
    folder.como(["store", "rm", "kept"]).ok();
    assert!(!folder.path().join("store/packets/kept").exists());
    assert_eq!(listed(&folder).len(), 1);
    folder.como(["store", "compact"]).ok();
    assert_eq!(records(&folder, "t", "store"), left);
    folder.como(["store", "verify"]).ok();
}

#[test]
fn damage_is_named_and_the_rest_stays_readable() {
    let folder = stored();
    assert_eq!(folder.como(["store", "verify"]).ok().stdout, "");
    // A segment that never came, as where a run ended on a full disk.
    folder.write("store/packets/kept/lock", format!("{:020}\n", 2));
    folder.write("store/packets/kept/00000002.lost", "");
    let told = folder.como(["store", "verify", "--json"]).ok();
    assert!(told.stdout.contains("\"damaged\":false"), "{}", told.stdout);
    assert!(told.stderr.contains("1 loss was told when it came, and is no damage"), "{told:?}");
    let packets = folder.path().join("store/packets/kept");
    let entries = std::fs::read_dir(packets).expect("a folder").flatten();
    let mut segments = entries.map(|entry| entry.path());
    let segment = segments.find(|path| path.extension().is_some_and(|kind| kind == "pcapng"));
    flip(&segment.expect("a segment"), 5_000);

    // A block lies in the file as it is, from its magic number on.
    let file = folder.path().join("store/records.redb");
    let bytes = std::fs::read(&file).expect("a file");
    let is_block = |at: &usize| bytes[*at..].starts_with(b"CoMB") && bytes[at + 8] == 1;
    let blocks: Vec<usize> = (0..bytes.len() - 100).filter(is_block).collect();
    blocks.iter().for_each(|at| flip(&file, at + 76));

    let ran = folder.como(["store", "verify", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let of = |stream: &str, place: &str| {
        let is_it = |fault: &&serde_json::Value| {
            fault["stream"] == stream && fault["place"].as_str().is_some_and(|p| p.contains(place))
        };
        ran.ndjson().iter().filter(is_it).count()
    };
    assert_eq!(of("kept", ".pcapng, slab 1 at byte 0"), 1, "{}", ran.stdout);
    assert!(of("t", "block ") > 0 && of("", "records.redb") == 1, "{}", ran.stdout);
    let answer = folder.como(["query", "t", "--store", "store", "--format", "ndjson"]);
    assert!(answer.stdout.contains("\"damaged\":"), "{}", answer.stdout);
}

#[test]
fn packets_answer_where_the_file_of_records_is_cut_short_or_missing() {
    let folder = stored();
    let file = folder.path().join("store/records.redb");
    let answers = |why: &str| {
        for module in ["traffic", "t"] {
            let args = ["--store", "store", "--time", ":", "--format", "ndjson"];
            let ran = folder.como([&["query", module], &args[..]].concat()).ok();
            assert_eq!(sum(&ran.stdout, "packets"), 5000, "{}", ran.stderr);
            assert_eq!(ran.stderr.matches("records.redb").count(), 1, "{}", ran.stderr);
            for words in [why, "packets alone are read; `como serve` begins a new file"] {
                assert!(ran.stderr.contains(words), "{}", ran.stderr);
            }
        }
    };
    let bytes = std::fs::read(&file).expect("a file");
    std::fs::write(&file, &bytes[..8192]).expect("a file");
    answers("not a usable store");
    std::fs::remove_file(&file).expect("a file");
    answers("the file of records `store/records.redb` is missing");
    let listed = folder.como(["store", "ls"]);
    assert!(listed.code == 1 && listed.stdout.contains("\"packets\""), "{listed:?}");
    std::fs::remove_dir_all(folder.path().join("store/packets")).expect("a folder");
    folder.como(["query", "traffic", "--store", "store"]).refused(1, &["no store in `store`"]);
}

#[test]
fn times_beside_the_newest_packet_are_answered_where_the_file_of_records_was_lost() {
    let folder = stored();
    std::fs::remove_file(folder.path().join("store/records.redb")).expect("a file");
    let asked = |module: &str, time: &str| {
        let args = ["--store", "store", "--time", time, "--format", "ndjson"];
        sum(&folder.como([&["query", module], &args[..]].concat()).ok().stdout, "packets")
    };
    let last = asked("t", "-3s:0");
    assert!((500..2000).contains(&last), "{last}");
    assert_eq!(asked("traffic", "-3s:0"), last);
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"not_read\":{\""));
    let packets = |url: &str| sum(&get(server.address(), url).body, "packets");
    // All sources have ended, so that one that says nothing of `wait` waits a moment.
    for more in ["&wait=no", "&wait=no&interval=1s", "&wait=no&interval=2s", "", "&interval=2s"] {
        let few = packets(&format!("/t?time=-3s:0{more}"));
        assert!((500..2500).contains(&few), "{more}: {few}");
        assert_eq!(packets(&format!("/t?time=1970-01-01T00:00:00Z:{more}")), 5000, "{more}");
    }
    assert_eq!(server.end(), 0);
}

#[test]
fn a_monitor_sets_a_damaged_file_of_records_aside_and_says_so() {
    let folder = stored();
    let file = folder.path().join("store/records.redb");
    flip(&file, 3);
    let damaged = std::fs::read(&file).expect("a file");
    let server = Server::start(&folder);
    server.until("/status", |status| {
        status.contains("\"set_aside\":[\"store/records.redb.damaged-1\"]")
    });
    // What is kept of the capture is there still, and once.
    server.until("/t?time=1970-01-01T00:00:00Z:&wait=no", |body| sum(body, "packets") == 5000);
    let log = server.end_told();
    assert!(log.contains("it is `store/records.redb.damaged-1` now"), "{log}");
    let aside = folder.path().join("store/records.redb.damaged-1");
    assert!(std::fs::read(&aside).is_ok_and(|kept| kept == damaged));
    let verified = folder.como(["store", "verify"]);
    assert!(verified.code == 1 && verified.stdout.contains("records.redb.damaged-1"));
    let asked = folder.como(["query", "t", "--store", "store"]).ok();
    let without = "without the records of `store/records.redb.damaged-1`, which was damaged";
    assert!(asked.stderr.contains(without), "{}", asked.stderr);
}
