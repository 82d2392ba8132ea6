//! Capture from an interface: who loses packets at a load at which others lose none.
//!
//! One trace is sent over a pair of virtual interfaces, in a network namespace
//! of its own, at rising rates; each listener hears the same. `tcpdump` writes to
//! `/dev/null`, which is the least a capture can do; `como` runs `traffic`.
//!
//! Unsafe code: entering that namespace and ending a listener by a signal are
//! calls into libc for which the standard library has no name.
#![allow(unsafe_code)]

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use crate::Options;
use crate::case::is_installed;
use crate::measure::reap;

/// Packets per second that are offered; 0 is as fast as the sender can.
const RATES: [u64; 4] = [50_000, 100_000, 200_000, 0];

/// How long a listener may take to begin or to come to rest.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who has had nothing to do for so long has nothing left: libpcap lets the kernel hold packets
/// back for a second when tcpdump asks.
const QUIET: Duration = Duration::from_millis(1_200);

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
    for program in ["ip", "tcpdump", "tcpreplay"] {
        if !is_installed(program) {
            return skip(&format!("`{program}` is not installed"));
        }
    }
    std::thread::scope(|scope| {
        let alone = scope.spawn(|| {
            // SAFETY: no memory is involved; the thread is ours, and what it starts is to be in
            // the namespace as well.
            if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 || !lay() {
                return skip("no right to make a network namespace (CAP_NET_RAW, CAP_SYS_ADMIN)");
            }
            measure_all(options, scratch)
        });
        alone.join().map_err(|_| anyhow::anyhow!("the measuring thread panicked"))?
    })
}

#[allow(clippy::print_stdout)]
fn skip(why: &str) -> Result<()> {
    println!("capture from an interface is not measured: {why}");
    Ok(())
}

fn lay() -> bool {
    let ip = |args: &str| {
        Command::new("ip").args(args.split(' ')).output().is_ok_and(|o| o.status.success())
    };
    // Without IPv6 nobody says anything on a new interface; a system without it needs not be told.
    let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    ip("link add como0 type veth peer name como1")
        && ip("link set como0 up")
        && ip("link set como1 up")
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
    let out = options.out.with_file_name("wire.json");
    std::fs::create_dir_all(out.parent().unwrap_or(Path::new(".")))?;
    std::fs::write(out, serde_json::to_string_pretty(&rows)? + "\n")?;
    Ok(())
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
    // SAFETY: a signal to a child that has not been waited for, so that its number is its own.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    let mut said = String::new();
    let mut talk = child.stderr.take().context("a pipe was asked for")?;
    talk.read_to_string(&mut said)?;
    let (status, cpu_seconds) = loop {
        if let Some(ended) = reap(child.id())? {
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
    let deadline = Instant::now() + PATIENCE;
    while listening()? < listener.sockets {
        ensure!(Instant::now() < deadline, "it does not begin to listen");
        std::thread::sleep(Duration::from_millis(5));
    }
    rest(child)?;
    let begun = ticks(child.id()) as f64 / TICKS_PER_SECOND;
    let mut sender = Command::new("tcpreplay");
    sender.args(["--quiet", "--preload-pcap", "--intf1=como0"]);
    match row.rate {
        0 => sender.arg("--topspeed"),
        rate => sender.arg(format!("--pps={rate}")),
    };
    let sent = sender.arg(trace).output().context("cannot start `tcpreplay`")?;
    let said = String::from_utf8_lossy(&sent.stdout).into_owned();
    if !sent.status.success() {
        bail!("tcpreplay: {}", String::from_utf8_lossy(&sent.stderr));
    }
    // `Actual: 5000 packets (...) sent in 0.1 seconds`, `Rated: ... Bps, ... Mbps, 50000.00 pps`.
    row.sent += number_before(&said, " packets (").context("tcpreplay says not how many")?;
    let rate = said.split(" pps").next().and_then(|text| text.rsplit(' ').next());
    row.rate_sent += rate.and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    rest(child)?;
    Ok(begun)
}

/// Waits until it does nothing any more but wait.
fn rest(child: &Child) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let before = ticks(child.id());
        std::thread::sleep(QUIET);
        if ticks(child.id()) - before <= 2 {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "it does not come to rest");
    }
}

/// How many packet sockets listen in this network namespace.
fn listening() -> Result<usize> {
    let table = std::fs::read_to_string("/proc/thread-self/net/packet")?;
    // The protocol is all (3) from when one is bound.
    Ok(table.lines().skip(1).filter(|l| l.split_whitespace().nth(3) == Some("0003")).count())
}

/// Clock ticks of CPU time that a process has used.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind = stat.rsplit(')').next().unwrap_or_default();
    behind.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum()
}

/// The number right before the first place where `words` stand, thousands separated or not.
fn number_before(text: &str, words: &str) -> Option<u64> {
    let before = text.split_once(words)?.0;
    let digits = before.rsplit(|c: char| !c.is_ascii_digit() && c != ',').next()?;
    digits.replace(',', "").parse().ok()
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
