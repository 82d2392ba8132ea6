//! Samples of sFlow beside sfcapd and nfdump: do they count the same?
//!
//! The same datagrams go to sfcapd over the loopback interface and to `como` in
//! a capture. A disagreement is an error.

use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::case::is_installed;
use crate::{Options, made, veth};

/// Where sfcapd listens.
const ADDRESS: (&str, u16) = ("127.0.0.1", 29_561);

/// Datagrams sent without a pause: few enough for the socket's buffer.
const BURST: usize = 50;

/// What one of them counted.
#[derive(Debug, PartialEq, Eq)]
struct Counted {
    records: u64,
    packets: u64,
    bytes: u64,
}

/// Compares and prints.
#[allow(clippy::print_stdout)]
pub fn perform(options: &Options, scratch: &Path) -> Result<()> {
    if !is_installed("sfcapd") || !is_installed("nfdump") {
        println!("samples are not compared: `sfcapd` or `nfdump` is not installed");
        return Ok(());
    }
    let como = options.binary.display().to_string();
    let trace = scratch.join("trace.pcap");
    crate::generate(options, &como, &trace.display().to_string())?;
    let samples = scratch.join("samples.pcap");
    made::write_samples(&trace, &samples)?;
    let theirs = collected(&samples, scratch)?;
    let ours = read(&como, &samples)?;
    println!("nfdump {theirs:?}\ncomo   {ours:?}");
    ensure!(theirs == ours, "they do not agree");
    Ok(())
}

/// What sfcapd and nfdump make of the samples.
fn collected(samples: &Path, scratch: &Path) -> Result<Counted> {
    let dir = scratch.join("sflow");
    std::fs::create_dir_all(&dir)?;
    let mut collector = Command::new("sfcapd")
        .args(["-b", ADDRESS.0, "-p", &ADDRESS.1.to_string(), "-B", "8000000", "-t", "3600", "-w"])
        .arg(&dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start `sfcapd`")?;
    let sent = send(samples, &collector);
    veth::terminate(collector.id());
    collector.wait()?;
    sent?;
    let dump = Command::new("nfdump").arg("-R").arg(&dir).arg("-I").output().context("nfdump")?;
    let text = String::from_utf8_lossy(&dump.stdout).into_owned();
    let number = |name: &str| -> Result<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.with_context(|| format!("nfdump says no {name} in: {text}"))?
            .trim()
            .parse()
            .context("a number")
    };
    Ok(Counted {
        records: number("Flows:")?,
        packets: number("Packets:")?,
        bytes: number("Bytes:")?,
    })
}

/// Sends the datagrams of a capture, and waits until the collector has read them.
fn send(samples: &Path, collector: &Child) -> Result<()> {
    veth::rest(collector.id())?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let mut sent = 0;
    made::datagrams(samples, |datagram| {
        socket.send_to(datagram, ADDRESS)?;
        sent += 1;
        if sent % BURST == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    })?;
    veth::rest(collector.id())
}

/// What `como` makes of them.
fn read(como: &str, samples: &Path) -> Result<Counted> {
    let source = format!("sflow:{}", samples.display());
    let output = Command::new(como).args(["info", "--json", "-s", &source]).output()?;
    let said: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let number = |key: &str| {
        said.get(key).and_then(serde_json::Value::as_u64).with_context(|| format!("no {key}"))
    };
    Ok(Counted {
        records: number("flow_records")?,
        packets: number("flow_packets")?,
        bytes: number("flow_bytes")?,
    })
}
