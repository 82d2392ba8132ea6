//! Ctrl-C and SIGTERM: the open interval is closed, and the summary is said.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use como_tests::Como;

use crate::trace;

/// Feeds the trace to a run that waits for more, sends `signal` once records come, and returns
/// the packets recorded and what stood on standard error.
fn interrupted(signal: &str) -> (u64, String) {
    let folder = trace::folder();
    let bytes = std::fs::read(folder.path().join("a.pcap")).expect("the trace");
    let run = ["run", "traffic", "-r", "-", "-a", "interval=1s"];
    let mut command = Como::new(&folder, run).into_command();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(&bytes).expect("it reads");
    stdin.flush().expect("it reads");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut out = String::new();
    stdout.read_line(&mut out).expect("a record while the source is open");
    let kill = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(kill.expect("kill runs").success());
    stdout.read_to_string(&mut out).expect("the rest");
    let mut err = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut err).expect("the summary");
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "{err}");
    drop(stdin);
    let packets = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).expect("JSON")["packets"].as_u64()
    };
    (out.lines().filter_map(packets).sum(), err)
}

#[test]
fn an_interrupt_closes_the_open_interval_and_sums_up() {
    for signal in ["-INT", "-TERM"] {
        let (packets, err) = interrupted(signal);
        assert!(err.contains("packets/s"), "{err}");
        let read: u64 = err
            .split(" packets")
            .next()
            .and_then(|n| n.replace(',', "").parse().ok())
            .expect("the summary begins with the packets");
        assert_eq!(packets, read, "{err}");
        assert!(packets > 0);
    }
}
