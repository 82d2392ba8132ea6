//! A pair of virtual interfaces in a network namespace of its own, and traffic sent over it.
//!
//! Unsafe code: entering that namespace and ending a listener by a signal are
//! calls into libc for which the standard library has no name.
#![allow(unsafe_code)]

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::case::is_installed;

/// How long a listener may take to begin or to come to rest.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who has had nothing to do for so long has nothing left: libpcap lets the kernel hold packets
/// back for a second when tcpdump asks.
const QUIET: Duration = Duration::from_millis(1_200);

/// What was sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Packets.
    pub packets: u64,
    /// Packets per second that came about.
    pub rate: f64,
}

/// Calls `measure` in a network namespace where what is sent into `como0` comes out of `como1`.
/// None where that cannot be, which is said.
pub fn in_namespace<T: Send>(measure: impl FnOnce() -> Result<T> + Send) -> Result<Option<T>> {
    for program in ["ip", "tcpreplay"] {
        if !is_installed(program) {
            skip(&format!("`{program}` is not installed"));
            return Ok(None);
        }
    }
    std::thread::scope(|scope| {
        let alone = scope.spawn(|| {
            // SAFETY: no memory is involved; the thread is ours, and what it starts is to be in
            // the namespace as well.
            if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 || !lay() {
                skip("no right to make a network namespace (CAP_NET_RAW, CAP_SYS_ADMIN)");
                return Ok(None);
            }
            measure().map(Some)
        });
        alone.join().map_err(|_| anyhow::anyhow!("the measuring thread panicked"))?
    })
}

#[allow(clippy::print_stdout)]
fn skip(why: &str) {
    println!("capture from an interface is not measured: {why}");
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

/// Sends a capture into `como0`, so many packets per second, or as fast as can be for 0.
pub fn send(trace: &str, rate: u64) -> Result<Sent> {
    let mut sender = Command::new("tcpreplay");
    sender.args(["--quiet", "--preload-pcap", "--intf1=como0"]);
    match rate {
        0 => sender.arg("--topspeed"),
        rate => sender.arg(format!("--pps={rate}")),
    };
    let sent = sender.arg(trace).output().context("cannot start `tcpreplay`")?;
    let said = String::from_utf8_lossy(&sent.stdout).into_owned();
    if !sent.status.success() {
        bail!("tcpreplay: {}", String::from_utf8_lossy(&sent.stderr));
    }
    // `Actual: 5000 packets (...) sent in 0.1 seconds`, `Rated: ... Bps, ... Mbps, 50000.00 pps`.
    let packets = number_before(&said, " packets (").context("tcpreplay says not how many")?;
    let rate = said.split(" pps").next().and_then(|text| text.rsplit(' ').next());
    Ok(Sent { packets, rate: rate.and_then(|text| text.parse().ok()).unwrap_or(0.0) })
}

/// Waits until so many sockets listen in this network namespace.
pub fn await_listeners(sockets: usize) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while listening()? < sockets {
        ensure!(Instant::now() < deadline, "it does not begin to listen");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Asks a child to end, as Ctrl-C does. It must not have been waited for.
pub fn interrupt(pid: u32) {
    signal(pid, libc::SIGINT);
}

/// Asks a child to end, as `kill` does. It must not have been waited for.
pub fn terminate(pid: u32) {
    signal(pid, libc::SIGTERM);
}

fn signal(pid: u32, number: i32) {
    // SAFETY: a signal to a child that has not been waited for, so that its number is its own.
    unsafe { libc::kill(pid as libc::pid_t, number) };
}

/// Waits until it does nothing any more but wait.
pub fn rest(pid: u32) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let before = ticks(pid);
        std::thread::sleep(QUIET);
        if ticks(pid) - before <= 2 {
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
pub fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind = stat.rsplit(')').next().unwrap_or_default();
    behind.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum()
}

/// The number right before the first place where `words` stand, thousands separated or not.
pub fn number_before(text: &str, words: &str) -> Option<u64> {
    let before = text.split_once(words)?.0;
    let digits = before.rsplit(|c: char| !c.is_ascii_digit() && c != ',').next()?;
    digits.replace(',', "").parse().ok()
}
