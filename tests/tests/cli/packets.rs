//! `como run trace -w`: what is written, other tools and we ourselves read as it was.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use como_tests::{Como, Folder, traces};
use serde_json::Value;

use crate::trace;

/// What a foreign tool says on standard output; none, with a message, where it is not installed.
#[expect(clippy::print_stderr, reason = "a skipped comparison should say so")]
fn foreign(folder: &Folder, tool: &str, args: &[&str]) -> Option<String> {
    match Command::new(tool).args(args).current_dir(folder.path()).output() {
        Ok(out) => {
            let talk = String::from_utf8_lossy(&out.stderr).into_owned();
            assert!(out.status.success(), "{tool} {args:?}: {talk}");
            Some(String::from_utf8_lossy(&out.stdout).into_owned())
        }
        Err(error) => {
            eprintln!("comparison skipped: {tool}: {error}");
            None
        }
    }
}

/// Asserts that foreign tools see the same packets in both files: times, lengths, bytes.
#[track_caller]
fn same_for_others(folder: &Folder, one: &str, other: &str) {
    let dump = |file| {
        let args = ["-nn", "-tt", "--time-stamp-precision=nano", "-xx", "-r", file];
        foreign(folder, "tcpdump", &args)
    };
    let (seen, want) = (dump(other), dump(one));
    assert!(seen == want, "tcpdump sees other packets in {other} than in {one}");
    let fields = ["frame.time_epoch", "frame.len", "frame.cap_len", "frame.protocols"];
    let fields = fields.map(|field| ["-e", field]).concat();
    let dissect = |file| {
        foreign(folder, "tshark", &[&["-r", file, "-T", "fields"][..], &fields[..]].concat())
    };
    let (seen, want) = (dissect(other), dissect(one));
    assert!(seen == want, "tshark sees other packets in {other} than in {one}");
}

/// What `como info` says of a file.
fn info(folder: &Folder, file: &Path) -> Option<Value> {
    let ran = folder.como(["info".as_ref(), "--json".as_ref(), file.as_os_str()]);
    ran.ndjson().first().cloned()
}

#[test]
fn other_tools_read_what_trace_writes_as_it_was() {
    let folder = trace::folder();
    let ran = folder.como(["run", "trace", "-r", "a.pcap", "-w", "b.pcapng"]).ok();
    let packets = ran.ndjson().iter().filter_map(|record| record["packets"].as_u64()).sum::<u64>();
    assert_eq!(packets, 3000);
    let report = |file: &str| info(&folder, Path::new(file)).expect("a report");
    let (mut was, mut is) = (report("a.pcap"), report("b.pcapng"));
    for report in [&mut was, &mut is] {
        report["source"] = Value::Null;
    }
    assert_eq!(was, is);
    same_for_others(&folder, "a.pcap", "b.pcapng");
    if let Some(said) = foreign(&folder, "capinfos", &["-c", "-M", "b.pcapng"]) {
        assert!(said.contains("3000"), "{said}");
    }
}

#[test]
fn only_what_the_filter_picks_and_the_snaplen_keeps_is_written() {
    let folder = trace::folder();
    let args = ["run", "trace", "-r", "a.pcap", "-w", "b.pcapng", "-a", "snaplen=60"];
    folder.como([&args[..], &["udp", "port", "53"]].concat()).ok();
    let report = info(&folder, Path::new("b.pcapng")).expect("a report");
    let picked = folder.como(["filter", "udp port 53", "-r", "a.pcap", "--json"]).ok().ndjson();
    assert_eq!(report["packets"], picked[0]["packets"]);
    assert_eq!(report["wire_bytes"], picked[0]["bytes"]);
    assert!(report["cap_bytes"].as_u64() <= report["packets"].as_u64().map(|n| n * 60));
}

#[test]
fn standard_output_takes_packets_alone() {
    let folder = trace::folder();
    folder.como(["run", "trace", "-r", "a.pcap", "-w", "b.pcapng"]).ok();
    let file = std::fs::read(folder.path().join("b.pcapng")).expect("written");
    let piped = Como::new(&folder, ["run", "trace", "-r", "a.pcap", "-w", "-"]).run_bytes();
    assert!(piped == file, "the same bytes");
    let both = ["run", "trace,traffic", "-r", "a.pcap", "-w", "-"];
    folder.como(both).refused(2, &["not both", "como run trace -w -"]);
}

#[test]
fn a_capture_without_packets_is_one_all_the_same() {
    let folder = trace::folder();
    let none = ["run", "trace", "-r", "a.pcap", "-w", "b.pcapng", "less 1"];
    folder.como(none).ok();
    assert_eq!(info(&folder, Path::new("b.pcapng")).expect("a report")["packets"], 0);
    if let Some(said) = foreign(&folder, "tcpdump", &["-nn", "-r", "b.pcapng"]) {
        assert_eq!(said, "");
    }
}

/// Whatever a source delivers, with its link types and damage, comes out as it went in.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test should say so")]
fn every_capture_comes_out_as_it_went_in() {
    let Some(collection) = traces() else {
        eprintln!("skipped: no trace collection beside the workspace");
        return;
    };
    let folder = Folder::new();
    let files = std::fs::read_dir(collection.join("captures")).expect("a folder");
    let mut copied = 0;
    for file in files.map(|entry| entry.expect("an entry").path()) {
        let args = ["run", "trace", "-q", "-w", "b.pcapng", "-r"].map(AsRef::as_ref);
        let ran = folder.como([&args[..], &[file.as_os_str()]].concat());
        if ran.stderr.contains("link type") {
            continue;
        }
        let was = info(&folder, &file).expect("a report");
        let is = info(&folder, &folder.path().join("b.pcapng")).expect("a report");
        let untimed = was["packets_without_ts"].as_u64() > Some(0);
        for key in ["packets", "wire_bytes", "cap_bytes", "l3_packets", "l4_bytes", "first_ts"] {
            if key != "first_ts" || (!untimed && was["packets"] != 0) {
                assert_eq!(was[key], is[key], "{key} of {}", file.display());
            }
        }
        copied += 1;
    }
    assert!(copied > 50, "only {copied} captures were copied");
}

#[test]
fn a_file_that_is_read_is_not_written_over() {
    let folder = Folder::new();
    folder.como(["gen", "-w", "own.pcap", "packets=2000"]).ok();
    let own = folder.path().join("own.pcap");
    let before = std::fs::read(&own).expect("written");
    std::os::unix::fs::symlink(&own, folder.path().join("link.pcap")).expect("a link");
    for more in [&["-w", "own.pcap"][..], &["-w", "link.pcap"], &["-a", "file=own.pcap"]] {
        let run = [&["run", "trace", "-r", "own.pcap", "-q"][..], more].concat();
        folder.como(run).refused(1, &["own.pcap", "is read", "another file"]);
        let glob = [&["run", "trace", "-r", "*n.pcap", "-q"][..], more].concat();
        folder.como(glob).refused(1, &["own.pcap", "is read"]);
    }
    assert!(std::fs::read(&own).expect("it is there") == before, "not a byte of it changed");
}

#[test]
fn a_reader_that_goes_away_ends_the_run_without_a_word() {
    let folder = Folder::new();
    let run = ["run", "trace", "-s", "gen:packets=3000000000,rate=1000000", "-q", "-w", "-"];
    let mut command = Como::new(&folder, run).into_command();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut head = [0; 24];
    let mut out = child.stdout.take().expect("a pipe");
    out.read_exact(&mut head).expect("a header");
    drop(out);
    let ended = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && said.is_empty(), "{:?} {said}", ended.status);
}

#[test]
#[expect(clippy::print_stderr, reason = "a test says why it is skipped")]
fn the_packets_that_a_full_disk_loses_are_counted_to_the_last() {
    if !Path::new("/dev/full").exists() {
        eprintln!("skipped: there is no /dev/full here");
        return;
    }
    let folder = Folder::new();
    let run = ["run", "trace", "-s", "gen:packets=100000", "-w", "/dev/full", "-q", "--format"];
    let ran = folder.como(run.iter().chain(&["ndjson"]));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let lost =
        ran.ndjson().iter().map(|record| record["lost"].as_u64().expect("a count")).sum::<u64>();
    assert_eq!(lost, 100_000);
    assert_eq!(ran.stderr.matches("WARN").count(), 1, "{}", ran.stderr);
}
