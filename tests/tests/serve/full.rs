//! A full disk under the records: all goes on, what is stored answers, and writing resumes.
//!
//! The disk is a tmpfs of the test's own, in a mount namespace of its own;
//! without the right to that, the test says so and is skipped.

use std::path::PathBuf;
use std::process::Command;

use como_tests::Folder;
use serde_json::Value;

use super::config;
use super::server::{Server, get};

const MODULES: &str = "\
[[module]]
name = \"t\"
use = \"traffic\"
args = { interval = \"100ms\" }
[[module]]
name = \"flows\"
use = \"tuple\"
args = { interval = \"100ms\" }
[store]
dir = \"disk/store\"
";

/// Mounts a small disk, almost full of ballast, and becomes the command.
const SCRIPT: &str = "mount -t tmpfs -o size=16m tmpfs disk && \
    head -c 13000000 /dev/zero > disk/ballast && exec \"$0\" serve";

fn may_mount() -> bool {
    let script = "mount -t tmpfs tmpfs /mnt";
    let tried = Command::new("unshare").args(["-m", "sh", "-c", script]).output();
    tried.is_ok_and(|tried| tried.status.success())
}

fn status(server: &Server) -> Value {
    serde_json::from_str(&get(server.address(), "/status").body).expect("a status")
}

#[test]
#[expect(clippy::print_stderr, reason = "a test says why it is skipped")]
fn a_full_disk_stops_nothing_and_writing_resumes_when_there_is_space() {
    if !may_mount() {
        eprintln!("skipped: without the right to mount a disk of its own");
        return;
    }
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("disk")).expect("a folder");
    folder.write("como.toml", config("gen:rate=30000,duration=3600s,pace=true", MODULES));
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", SCRIPT]).arg(como_tests::binary());
    command.current_dir(folder.path()).env("NO_COLOR", "1").env("HOME", folder.path());
    let server = Server::of(command);

    let trouble = |text: &str| {
        let status: Value = serde_json::from_str(text).expect("a status");
        status["store"]["trouble"].as_str().map(str::to_owned)
    };
    server.until("/status", |text| trouble(text).is_some_and(|why| why.contains("No space left")));
    let full = status(&server);
    let count = |status: &Value, task: &str| -> u64 {
        let tasks = status["capture"]["tasks"].as_array().expect("tasks");
        let task = tasks.iter().find(|one| one["name"] == task).expect("a task");
        task["packets_picked"].as_u64().expect("a count")
    };
    // Capture and modules go on, and what was stored answers.
    for task in ["t", "flows"] {
        let before = count(&full, task);
        server.until("/status", |text| {
            count(&serde_json::from_str(text).expect("a status"), task) > before
        });
    }
    let stored = get(server.address(), "/t?time=:&wait=no");
    assert!(stored.status == 200 && stored.body.lines().count() > 0, "{}", stored.body);
    let committed = |status: &Value| status["store"]["streams"]["t"]["rows"].as_u64();
    let rows = committed(&status(&server));
    assert!(rows > Some(0));

    // Space returns: so do the records, those of the meantime too.
    let root = PathBuf::from(format!("/proc/{}/root", server.id()));
    let disk = folder.path().join("disk/ballast");
    let ballast = root.join(disk.strip_prefix("/").expect("an absolute path"));
    std::fs::remove_file(ballast).expect("the ballast");
    server.until("/status", |text| {
        let status: Value = serde_json::from_str(text).expect("a status");
        trouble(text).is_none() && committed(&status) > rows
    });
    assert_eq!(status(&server)["store"]["lost_rows"], 0);
    let body = get(server.address(), "/t?time=:&wait=no").body;
    let starts = body.lines().map(|line| {
        let record: Value = serde_json::from_str(line).expect("a record");
        record["ts"].as_str().unwrap_or_default().trim_end_matches('Z').to_owned()
    });
    let starts: Vec<String> = starts.collect();
    assert!(starts.is_sorted_by(|a, b| a < b), "{starts:?}");
    assert!(starts.len() as u64 > rows.unwrap_or(0), "{} of {rows:?}", starts.len());
    server.kill();
}
