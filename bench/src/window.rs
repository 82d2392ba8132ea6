//! The packet window beside the disk: how fast it is written, how little of it a question reads,
//! and what a module costs over it.
//!
//! All rates are of the same run, in turns: `dd` with the same block size and a
//! sync at the end, `tcpdump -w` with the same packets and a sync at the end,
//! and `como serve` from its start until it has ended with all on disk.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use crate::case::Case;
use crate::{Options, measure, median, veth};

/// Where the monitor answers.
const ADDRESS: &str = "127.0.0.1:29562";

/// Hosts asked for at most.
const HOSTS: usize = 20;

/// The measurement as written to the JSON file. Rates are in megabytes per second.
#[derive(Debug, Serialize)]
struct Report {
    dd: f64,
    tcpdump: f64,
    como: f64,
    lost: u64,
    packets_found: u64,
    share_read: f64,
    index_share: f64,
    plain_cpu_seconds: f64,
    window_cpu_seconds: f64,
    // How long the same question takes, of one part at a time and of two.
    apart: Vec<Apart>,
}

/// A module whose intervals are measured apart, over the window.
#[derive(Debug, Serialize)]
struct Apart {
    module: &'static str,
    one_seconds: f64,
    two_seconds: f64,
}

/// Measures and prints.
#[allow(clippy::print_stdout)]
pub fn perform(options: &Options, scratch: &Path) -> Result<()> {
    let como = options.binary.display().to_string();
    let trace = scratch.join("trace.pcap");
    crate::generate(options, &como, &trace.display().to_string())?;
    // In memory for all.
    let bytes = std::fs::read(&trace)?.len() as u64;
    let (mut dd, mut tcpdump, mut ours, mut lost) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let mut window = None;
    for _ in 0..options.runs {
        dd.push(rate(bytes, copied(scratch, bytes)?));
        tcpdump.push(rate(bytes, captured(&trace, scratch)?));
        drop(window.take());
        let new = Window::write(&como, &trace, scratch)?;
        ours.push(rate(new.bytes, new.took));
        lost += new.lost;
        window = Some(new);
    }
    let window = window.context("at least one run")?;
    let found = window.ask(&trace)?;
    let (plain, kept) = window.run_again(&trace, options.runs)?;
    let apart = ["topaddr", "tuple"].into_iter();
    let apart: Result<Vec<Apart>> =
        apart.map(|module| window.run_apart(module, options.runs)).collect();
    let report = Report {
        dd: median(dd),
        tcpdump: median(tcpdump),
        como: median(ours),
        lost,
        packets_found: found.packets,
        share_read: found.share_read,
        index_share: window.index_bytes as f64 / window.bytes as f64,
        plain_cpu_seconds: plain,
        window_cpu_seconds: kept,
        apart: apart?,
    };
    let Report { dd, tcpdump, como, .. } = report;
    println!("MB/s to disk, medians of {} runs of {} MB", options.runs, bytes / 1_000_000);
    println!("dd conv=fdatasync {dd:.0}, tcpdump -w {tcpdump:.0}, como trace {como:.0}");
    println!("como to dd {:.2}, to tcpdump {:.2}, packets lost {lost}", como / dd, como / tcpdump);
    println!(
        "a host of {} packets: {:.1} % of the window read; the index is {:.2} % of it",
        report.packets_found,
        report.share_read * 100.0,
        report.index_share * 100.0,
    );
    let (plain, kept) = (report.plain_cpu_seconds, report.window_cpu_seconds);
    println!(
        "topaddr asked of the window {kept:.2} CPU s, over the pcap {plain:.2}: {:.2}",
        kept / plain
    );
    for Apart { module, one_seconds: one, two_seconds: two } in &report.apart {
        println!("{module} in {one:.2} s, two parts at once {two:.2}: {:.2}", one / two);
    }
    crate::save(options, "window.json", &report)
}

/// Megabytes per second.
fn rate(bytes: u64, took: Duration) -> f64 {
    bytes as f64 / 1e6 / took.as_secs_f64()
}

/// How long a command takes.
fn timed(command: &mut Command) -> Result<Duration> {
    let begin = Instant::now();
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(output.status.success(), "{command:?} ended with {}", output.status);
    Ok(begin.elapsed())
}

fn copied(scratch: &Path, bytes: u64) -> Result<Duration> {
    let out = scratch.join("dd.out");
    let mut command = Command::new("dd");
    command.args(["if=/dev/zero", "bs=1M", "conv=fdatasync"]);
    command.arg(format!("count={}", bytes.div_ceil(1 << 20))).arg(format!("of={}", out.display()));
    let took = timed(&mut command)?;
    std::fs::remove_file(out)?;
    Ok(took)
}

fn captured(trace: &Path, scratch: &Path) -> Result<Duration> {
    let out = scratch.join("tcpdump.pcap");
    let took = timed(Command::new("tcpdump").arg("-r").arg(trace).arg("-w").arg(&out))?
        + timed(Command::new("sync").arg(&out))?;
    std::fs::remove_file(out)?;
    Ok(took)
}

/// A window that was written, and the monitor over it. Dropping it removes both.
struct Window {
    como: String,
    dir: PathBuf,
    packets: PathBuf,
    bytes: u64,
    index_bytes: u64,
    took: Duration,
    lost: u64,
}

/// What finding a host took.
struct Found {
    packets: u64,
    share_read: f64,
}

impl Window {
    /// Has a monitor keep all packets of a trace, and end.
    fn write(como: &str, trace: &Path, scratch: &Path) -> Result<Self> {
        let dir = scratch.join("window");
        std::fs::create_dir_all(&dir)?;
        let packets = dir.join("store/packets/trace");
        let source = format!("[[source]]\nuse = \"pcap:{}\"\n", trace.display());
        let mut window = Self {
            como: como.to_owned(),
            dir,
            packets,
            bytes: 0,
            index_bytes: 0,
            took: Duration::ZERO,
            lost: 0,
        };
        let begin = Instant::now();
        let monitor = window.serve(&source)?;
        while !get("/status").is_ok_and(|status| status.contains("\"ended\":true")) {
            std::thread::sleep(Duration::from_millis(10));
        }
        window.end(monitor)?;
        window.took = begin.elapsed();
        for entry in std::fs::read_dir(&window.packets)? {
            let entry = entry?;
            let is_index = entry.path().extension().is_some_and(|kind| kind == "index");
            let len = entry.metadata()?.len();
            if is_index { window.index_bytes += len } else { window.bytes += len }
        }
        let mut query = Command::new(como);
        let query = query.args(["query", "trace", "--format", "ndjson", "--store"]);
        let output = query.arg(window.dir.join("store")).output()?;
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let record: serde_json::Value = serde_json::from_str(line)?;
            window.lost += record.get("lost").and_then(serde_json::Value::as_u64).unwrap_or(0);
        }
        Ok(window)
    }

    fn serve(&self, more: &str) -> Result<Child> {
        let config = format!(
            "{more}[http]\nlisten = \"{ADDRESS}\"\n[[module]]\nuse = \"trace\"\nstreamsize = \
                \"64GB\"\n"
        );
        let path = self.dir.join("como.toml");
        std::fs::write(&path, config)?;
        let mut command = Command::new(&self.como);
        command.args(["serve", "--config"]).arg(&path).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().context("cannot start `como serve`")
    }

    fn end(&self, mut monitor: Child) -> Result<()> {
        veth::terminate(monitor.id());
        let status = monitor.wait()?;
        ensure!(status.success(), "`como serve` ended with {status}");
        Ok(())
    }

    /// Asks for some hosts of the trace, until one is met that is in under 1 % of the slabs; the
    /// one of the fewest packets where none is.
    fn ask(&self, trace: &Path) -> Result<Found> {
        let slabs = self.bytes >> 20;
        let mut rarest: Option<Found> = None;
        for host in hosts(trace)?.into_iter().take(HOSTS) {
            let found = self.find(&host)?;
            if rarest.as_ref().is_none_or(|rarest| found.packets < rarest.packets) {
                rarest = Some(found);
            }
            if rarest.as_ref().is_some_and(|rarest| rarest.packets * 100 < slabs) {
                break;
            }
        }
        rarest.context("no hosts in the trace")
    }

    /// CPU seconds of topaddr over the trace and over the window, in turns, both read from
    /// beginning to end by one thread: medians, without the first turn.
    fn run_again(&self, trace: &Path, runs: usize) -> Result<(f64, f64)> {
        let trace = trace.display().to_string();
        let plain = ["run", "topaddr", "-q", "--format", "ndjson", "-r", &trace];
        let plain = Case::new("topaddr", &self.como, &plain);
        let kept = self.question("topaddr");
        let kept: Vec<&str> = kept.iter().map(String::as_str).chain(["--threads", "1"]).collect();
        let kept = Case::new("topaddr", &self.como, &kept);
        let (mut plains, mut kepts) = (Vec::new(), Vec::new());
        for _ in 0..=runs {
            plains.push(measure::run(&plain, false)?.cpu_seconds);
            kepts.push(measure::run(&kept, false)?.cpu_seconds);
        }
        Ok((median(plains.split_off(1)), median(kepts.split_off(1))))
    }

    /// How long a module takes over the window, reading one part at a time and two, in turns.
    fn run_apart(&self, module: &'static str, runs: usize) -> Result<Apart> {
        let mut took: [Vec<f64>; 2] = Default::default();
        for _ in 0..=runs {
            for (threads, took) in ["1", "2"].into_iter().zip(&mut took) {
                let mut query = Command::new(&self.como);
                query.args(self.question(module)).args(["--threads", threads]);
                took.push(timed(query.stdout(Stdio::null()))?.as_secs_f64());
            }
        }
        let [one_seconds, two_seconds] = took.map(|mut took| median(took.split_off(1)));
        Ok(Apart { module, one_seconds, two_seconds })
    }

    /// A module asked of all that is kept.
    fn question(&self, module: &str) -> Vec<String> {
        let store = self.dir.join("store").display().to_string();
        let kept = ["query", module, "--format", "ndjson", "--store", &store];
        let kept = kept.iter().chain(&["--source", "trace", "--time", ":"]);
        kept.map(|arg| (*arg).to_owned()).collect()
    }

    fn find(&self, host: &str) -> Result<Found> {
        let mut query = Command::new(&self.como);
        query.args(["query", "trace", "--format", "pcapng", "--filter", &format!("host {host}")]);
        let output = query.arg("--store").arg(self.dir.join("store")).output()?;
        ensure!(output.status.success(), "{query:?} ended with {}", output.status);
        // "12 packets; 0.4 % of what is kept was read"
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let mut numbers = said.split_whitespace().filter_map(|word| word.parse::<f64>().ok());
        let (Some(packets), Some(percent)) = (numbers.next(), numbers.next()) else {
            bail!("{query:?} says {said}")
        };
        Ok(Found { packets: packets as u64, share_read: percent / 100.0 })
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // The folder of all measurements goes in the end.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Some hosts of a trace: the sources of every thousandth of its packets.
fn hosts(trace: &Path) -> Result<Vec<String>> {
    let output = Command::new("tcpdump").args(["-n", "-t", "-r"]).arg(trace).arg("ip").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    // "IP 10.0.0.1.1234 > 10.0.0.2.80: ..."
    let source =
        |line: &str| Some(line.split(' ').nth(1)?.split('.').take(4).collect::<Vec<_>>().join("."));
    let sampled: Vec<String> = text.lines().step_by(1_000).filter_map(source).collect();
    ensure!(!sampled.is_empty(), "no hosts in the trace");
    Ok(sampled)
}

/// An answer of the monitor.
fn get(path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(ADDRESS)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {ADDRESS}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
