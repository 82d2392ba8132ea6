//! How far a module is that runs for a question, as the monitor says and as a terminal shows it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;

use como_tests::{Folder, binary};
use serde_json::Value;

use super::config;
use super::server::Server;

const KEPT: &str = "[[module]]\nname = \"kept\"\nuse = \"trace\"\nargs = { interval = \"1s\" }\n";

/// A record for each of very many packets: more than lies between who answers and who asks.
const URL: &str = "/trace?source=kept&time=:&wait=no";

fn monitor() -> (Folder, Server) {
    let folder = Folder::new();
    folder.write("como.toml", config("gen:packets=150000,duration=20s,seed=3", KEPT));
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    server.until("/kept?time=:&wait=no", |body| body.contains("00:00:19Z"));
    (folder, server)
}

#[test]
fn a_run_says_its_number_and_the_status_how_far_it_is() {
    let (_folder, server) = monitor();
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    write!(stream, "GET {URL} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("it reads");
    let mut answer = BufReader::new(stream);
    let head: Vec<String> = answer
        .by_ref()
        .lines()
        .map(|line| line.expect("a line"))
        .take_while(|line| !line.is_empty())
        .collect();
    let number = head
        .iter()
        .find_map(|line| line.to_lowercase().strip_prefix("como-run: ").map(str::to_owned));
    let number: u64 = number.and_then(|number| number.parse().ok()).expect("the run's number");

    // It goes no further than what lies between it and us.
    server.until("/status", |status| {
        let status: Value = serde_json::from_str(status).expect("JSON");
        let runs = status["runs"].as_array().expect("runs");
        let run = runs.iter().find(|run| run["run"] == number).expect("it runs");
        let count = |what: &str| run[what].as_u64().unwrap_or(0);
        let (read, size) = (count("read_bytes"), count("size_bytes"));
        run["module"] == "trace" && count("packets") > 0 && 0 < read && read <= size
    });
    answer.read_to_end(&mut Vec::new()).expect("the rest");
    server.until("/status", |status| status.contains("\"runs\":[]"));
    assert_eq!(server.end(), 0);
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn a_terminal_shows_how_far_a_monitor_is_with_a_question() {
    let (folder, server) = monitor();
    let asked = format!(
        "'{}' query trace --source kept --time : --url http://{} --format ndjson > records",
        binary().display(),
        server.address()
    );
    let mut command = Command::new("script");
    command.args(["-qefc", &asked, "/dev/null"]).current_dir(folder.path());
    let Ok(ran) = command.env("TERM", "xterm").output() else {
        eprintln!("skipped: there is no `script` here");
        return;
    };
    let shown = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{shown}");
    assert!(shown.contains("%  ") && shown.contains(" packets/s"), "{shown}");
    let records = std::fs::read_to_string(folder.path().join("records")).expect("records");
    assert_eq!(records.lines().count(), 150_000);
    assert_eq!(server.end(), 0);
}
