//! The packets that a `trace` keeps, asked for over HTTP and read from the store, also after a
//! kill.

use std::path::{Path, PathBuf};
use std::process::Command;

use como_tests::{Como, Folder};
use serde_json::Value;

use crate::server::{Server, get};

const KEEP: &str = "[[module]]\nname = \"keep\"\nuse = \"trace\"\n";
const START: &str = "2024-01-01T00:00:00Z";

/// A folder with a trace of a known file and a monitor that has read it all.
fn read_whole() -> (Folder, Server) {
    let folder = Folder::new();
    folder.como(["gen", "-w", "a.pcap", "packets=4000", "duration=10s", "seed=3"]).ok();
    folder.write("como.toml", config("pcap:a.pcap"));
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    server.until(&format!("/keep?time={START}:&wait=no"), |body| {
        let records = body.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        records.filter_map(|record| record["packets"].as_u64()).sum::<u64>() == 4000
    });
    // The records may be there a moment before the last packets.
    let url = format!("http://{}", server.address());
    while packets(&folder, &asked(&folder, &["--url", &url])) < 4000 {
        std::thread::yield_now();
    }
    (folder, server)
}

fn config(source: &str) -> String {
    let traffic = "[[module]]\nname = \"t\"\nuse = \"traffic\"\n\
        [[module]]\nname = \"f\"\nuse = \"flowcount\"\n";
    format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n[[source]]\nuse = \"{source}\"\n{KEEP}streamsize = \
            \"16MB\"\n{traffic}"
    )
}

/// The packets that `keep` is asked for, as a pcapng file.
fn asked(folder: &Folder, more: &[&str]) -> PathBuf {
    written(folder, "pcapng", more)
}

fn written(folder: &Folder, format: &str, more: &[&str]) -> PathBuf {
    let args = [&["query", "keep", "--format", format], more].concat();
    folder.write(&format!("asked.{format}"), Como::new(folder, args).run_bytes())
}

/// How many packets `como info` finds in a file.
fn packets(folder: &Folder, file: &Path) -> u64 {
    let ran = folder.como(["info".as_ref(), "--json".as_ref(), file.as_os_str()]).ok();
    ran.ndjson()[0]["packets"].as_u64().expect("a count")
}

/// Questions and how many packets of `a.pcap` answer them.
fn check_windows(folder: &Folder, place: &[&str]) {
    let seconds = folder.como(["run", "traffic", "-r", "a.pcap", "-a", "interval=1s"]).ok();
    let seconds: Vec<u64> =
        seconds.ndjson().iter().map(|record| record["packets"].as_u64().unwrap_or(0)).collect();
    let some = ["--time", "2024-01-01T00:00:02Z:+3s"];
    let count = |more: &[&str]| packets(folder, &asked(folder, &[place, more].concat()));
    assert_eq!(count(&some), seconds[2..5].iter().sum::<u64>());
    assert_eq!(count(&["--time", "2023-01-01:2023-01-02"]), 0);
    // An empty answer says when there would have been any.
    let empty = asked(folder, &[place, &["--time", "2023-01-01:2023-01-02"]].concat());
    let empty = std::fs::read(empty).expect("a file");
    let says = String::from_utf8_lossy(&empty).into_owned();
    assert!(says.contains("packets kept are from 2024-01-01T00:00:0"), "{says}");
    let picked = folder.como(["filter", "udp port 53", "-r", "a.pcap", "--json"]).ok().ndjson();
    assert_eq!(count(&["--filter", "udp port 53"]), picked[0]["packets"].as_u64().unwrap_or(0));
    let whole = written(folder, "pcap", place);
    assert_eq!(packets(folder, &whole), 4000);
    // One link type and no filter: but for the header this is the file it came from.
    let bytes = |file: &Path| std::fs::read(file).expect("a file")[24..].to_vec();
    assert!(bytes(&whole) == bytes(&folder.path().join("a.pcap")), "the same packets");
}

#[test]
fn packets_of_a_window_come_over_http_and_from_the_store_alike() {
    let (folder, server) = read_whole();
    let url = format!("http://{}", server.address());
    check_windows(&folder, &["--url", &url]);
    let status = get(server.address(), "/status").body;
    assert!(status.contains("\"window\":{\"keep\":{\"bytes_all\":"), "{status}");
    let refused = ["query", "f", "--format", "pcapng", "--url", &url];
    folder.como(refused).refused(2, &["`f` keeps no packets", "how many bytes"]);
    let reply = get(server.address(), "/f?format=pcap&wait=no");
    assert_eq!((reply.status, reply.body.contains("keeps no packets")), (400, true));
    assert_eq!(get(server.address(), "/none?format=pcap").status, 404);
    assert_eq!(get(server.address(), "/keep?format=pcapng&filter=tcp%20and").status, 400);
    assert_eq!(server.end(), 0);
    check_windows(&folder, &["--store", "store"]);
    let refused = ["query", "f", "--format", "pcapng", "--store", "store"];
    folder.como(refused).refused(2, &["`f` keeps no packets", "how many bytes"]);
}

#[test]
fn after_a_kill_the_open_segment_can_be_read_by_us_and_by_others() {
    let folder = Folder::new();
    folder.write("como.toml", config("gen:rate=20000,duration=3600s,pace=true"));
    let server = Server::start(&folder);
    let segments = folder.path().join("store/packets/keep");
    let grown = || {
        let files = std::fs::read_dir(&segments).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|m| m.len()).sum::<u64>() > 4 << 20
    };
    server.until("/status", |_| grown());
    server.kill();
    let kept = packets(&folder, &asked(&folder, &["--store", "store"]));
    assert!(kept > 5000, "{kept}");
    for file in std::fs::read_dir(&segments).expect("a folder").flatten() {
        if file.path().extension().is_some_and(|kind| kind == "pcapng") {
            check_foreign(&file.path());
        }
    }
    // The next run goes on behind it.
    let server = Server::start(&folder);
    server.until("/keep?time=-1h:0&wait=no", |body| body.contains("packets"));
    assert_eq!(server.end(), 0);
    assert!(packets(&folder, &asked(&folder, &["--store", "store"])) >= kept);
}

/// Asserts that tcpdump finds packets in a file; the last one may be cut.
#[expect(clippy::print_stderr, reason = "a skipped comparison should say so")]
fn check_foreign(file: &Path) {
    match Command::new("tcpdump").args(["-nn", "-r"]).arg(file).output() {
        Ok(out) => {
            let lines = out.stdout.iter().filter(|byte| **byte == b'\n').count();
            assert!(lines > 100, "{}", String::from_utf8_lossy(&out.stderr));
        }
        Err(error) => eprintln!("comparison skipped: tcpdump: {error}"),
    }
}

/// A folder in the system's temporary one for each monitor that was killed would add up.
#[test]
fn a_killed_monitor_leaves_no_private_folder_for_longer_than_the_next_start() {
    let folder = Folder::new();
    folder.write("como.toml", config("gen:packets=10,duration=1s"));
    std::fs::create_dir(folder.path().join("tmp")).expect("a folder");
    let left = || {
        let entries = std::fs::read_dir(folder.path().join("tmp")).expect("a folder");
        entries.count()
    };
    let temporary = [("TMPDIR", folder.path().join("tmp"))];
    Server::start_with(&folder, temporary.clone()).kill();
    assert_eq!(left(), 1);
    let server = Server::start_with(&folder, temporary);
    assert_eq!(left(), 1);
    assert_eq!(server.end(), 0);
    assert_eq!(left(), 0);
}
