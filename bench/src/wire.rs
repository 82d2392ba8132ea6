//! Capture from an interface: who loses packets at a load at which others lose none.
//!
//! One trace is sent over a pair of virtual interfaces, in a network namespace
//! of its own, at rising rates; each listener hears the same. `tcpdump` writes to
//! `/dev/null`, which is the least a capture can do; `como` runs `traffic`.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::Options;
use crate::case::is_installed;
use crate::measure::reap;
use crate::veth::{await_listeners, in_namespace, interrupt, number_before, rest, send, ticks};

/// Packets per second that are offered; 0 is as fast as the sender can.
const RATES: [u64; 4] = [50_000, 100_000, 200_000, 0];

/// Of the times in `/proc/PID/stat`.
const TICKS_PER_SECOND: f64 = 100.0;

/// Somebody who listens to `como1`.
struct Listener {
    name: &'static str,
    program: String,
    args: Vec<String>,
    sockets: usize,
}

/// One listener at one rate, summed over all rounds.
#[derive(Debug, Serialize)]
struct Row {
    listener: &'static str,
    /// Packets per second asked for; 0 is as fast as the sender can.
    rate: u64,
    /// Packets per second that came about.
    rate_sent: f64,
    sent: u64,
    heard: u64,
    /// As the listener says itself.
    dropped: u64,
    /// From when it listened, its start left out.
    cpu_seconds: f64,
}

/// Measures and prints, or says why not.
pub fn perform(options: &Options, scratch: &Path) -> Result<()> {
    if is_installed("tcpdump") {
        in_namespace(|| measure_all(options, scratch))?;
    }
    Ok(())
}

fn listeners(como: &str) -> Vec<Listener> {
    let listener = |name, program: &str, args: &str, sockets| Listener {
        name,
        program: program.to_owned(),
        args: args.split(' ').map(str::to_owned).collect(),
        sockets,
    };
    let run = |source: &str| format!("run traffic --format ndjson -s {source}");
    vec![
        listener("tcpdump -w", "tcpdump", "-n -i como1 -w /dev/null", 1),
        listener("tcpdump -B 65536 -w", "tcpdump", "-n -i como1 -B 65536 -w /dev/null", 1),
        listener("como live", como, &run("live:como1"), 1),
        listener("como afpacket", como, &run("afpacket:como1"), 1),
        listener("como afpacket, 2 rings", como, &run("afpacket:como1,rings=2"), 2),
    ]
}

fn measure_all(options: &Options, scratch: &Path) -> Result<()> {
    let como = options.binary.display().to_string();
    let trace = scratch.join("wire.pcap").display().to_string();
    crate::generate(options, &como, &trace)?;
    let mut rows = Vec::new();
    for rate in RATES {
        let listeners = listeners(&como);
        let mut of_rate: Vec<Row> = listeners.iter().map(|l| Row::new(l.name, rate)).collect();
        for _ in 0..options.runs {
            for (listener, row) in listeners.iter().zip(&mut of_rate) {
                round(listener, &trace, row).with_context(|| listener.name)?;
            }
        }
        of_rate.iter_mut().for_each(|row| row.rate_sent /= options.runs as f64);
        rows.append(&mut of_rate);
    }
    print(&rows);
    crate::save(options, "wire.json", &rows)
}

impl Row {
    fn new(listener: &'static str, rate: u64) -> Self {
        let (rate_sent, cpu_seconds) = (0.0, 0.0);
        Self { listener, rate, rate_sent, sent: 0, heard: 0, dropped: 0, cpu_seconds }
    }
}

/// Sends the trace once to a listener and adds what became of it.
fn round(listener: &Listener, trace: &str, row: &mut Row) -> Result<()> {
    let mut child = Command::new(&listener.program)
        .args(&listener.args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", listener.program))?;
    let result = until_sent(listener, trace, row, &child);
    interrupt(child.id());
    let mut said = String::new();
    let mut talk = child.stderr.take().context("a pipe was asked for")?;
    talk.read_to_string(&mut said)?;
    let (status, cpu_seconds) = loop {
        if let Some(ended) = reap(child.id(), libc::WNOHANG)? {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    // It has been waited for; this only releases the handle.
    let _ = child.try_wait();
    ensure!(status.success(), "it ended with {status}: {said}");
    row.cpu_seconds += (cpu_seconds - result?).max(0.0);
    let (heard, dropped) = if listener.program == "tcpdump" {
        (number_before(&said, " packets captured"), number_before(&said, " packets dropped by"))
    } else {
        (number_before(&said, " packets, "), number_before(&said, " dropped"))
    };
    row.heard += heard.with_context(|| format!("how many it heard stands not in: {said}"))?;
    row.dropped += dropped.with_context(|| format!("how many it lost stands not in: {said}"))?;
    Ok(())
}

/// Waits until it listens, sends the trace, and waits until it has nothing left to do. Returns the
/// CPU seconds it had used before.
fn until_sent(listener: &Listener, trace: &str, row: &mut Row, child: &Child) -> Result<f64> {
    await_listeners(listener.sockets)?;
    rest(child.id())?;
    let begun = ticks(child.id()) as f64 / TICKS_PER_SECOND;
    let sent = send(trace, row.rate)?;
    row.sent += sent.packets;
    row.rate_sent += sent.rate;
    rest(child.id())?;
    Ok(begun)
}

#[allow(clippy::print_stdout)]
fn print(rows: &[Row]) {
    println!(
        "{:24} {:>9} {:>9} {:>10} {:>10} {:>10} {:>14}",
        "", "pps", "pps sent", "sent", "dropped", "unseen", "CPU us/packet"
    );
    for row in rows {
        let rate = if row.rate == 0 { "top".to_owned() } else { row.rate.to_string() };
        println!(
            "{:24} {:>9} {:>9.0} {:>10} {:>10} {:>10} {:>14.2}",
            row.listener,
            rate,
            row.rate_sent,
            row.sent,
            row.dropped,
            row.sent.saturating_sub(row.heard + row.dropped),
            row.cpu_seconds * 1e6 / row.heard.max(1) as f64,
        );
    }
    let lossless = |name: &str, rate: u64| {
        rows.iter().any(|r| r.listener == name && r.rate == rate && r.dropped == 0)
    };
    let worse: Vec<u64> = RATES
        .into_iter()
        .filter(|rate| lossless("tcpdump -w", *rate) && !lossless("como afpacket", *rate))
        .collect();
    match worse.as_slice() {
        [] => println!("como afpacket drops none where tcpdump -w drops none"),
        rates => println!("como afpacket drops where tcpdump -w drops none, at {rates:?} pps"),
    }
}
