//! The trace in other shapes, one per kind of source, made outside any measurement.

mod erf;
mod exports;
mod flowtools;
mod pcap;
mod radio;
mod sflow;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::case::is_installed;

pub use exports::exports;
pub use pcap::datagrams;
pub use sflow::write as write_samples;

/// The trace in one shape.
#[derive(Debug)]
pub struct Made {
    /// The kind of source, and what about it.
    pub name: &'static str,
    /// As `-s` takes it, or `-r` where no kind stands before it.
    pub source: String,
}

impl Made {
    fn new(name: &'static str, kind: &str, file: &Path) -> Self {
        let file = file.display();
        let source = if kind.is_empty() { file.to_string() } else { format!("{kind}:{file}") };
        Self { name, source }
    }
}

/// Every shape that the tools on this machine, and our own makers, give.
pub fn all(como: &str, trace: &Path, scratch: &Path) -> Result<Vec<Made>> {
    let mut made = vec![Made::new("pcap", "", trace)];
    let pcapng = scratch.join("trace.pcapng");
    let ends = ["-q", "--format", "ndjson", "-w"];
    let mut keep = Command::new(como);
    keep.args(["run", "trace", "-r"]).arg(trace).args(ends).arg(&pcapng);
    complete(&mut keep)?;
    made.push(Made::new("pcapng", "", &pcapng));
    for (name, tool) in
        [("pcap, gz", "gzip"), ("pcap, zst", "zstd"), ("pcap, xz", "xz"), ("pcap, lz4", "lz4")]
    {
        if is_installed(tool) {
            made.push(Made::new(name, "", &packed(tool, trace)?));
        }
    }
    let erf = scratch.join("trace.erf");
    erf::write(trace, &erf)?;
    made.push(Made::new("erf", "", &erf));
    let radio = scratch.join("radio.pcap");
    radio::write(trace, &radio)?;
    made.push(Made::new("802.11 with radiotap", "", &radio));
    let samples = scratch.join("samples.pcap");
    write_samples(trace, &samples)?;
    made.push(Made::new("sflow", "sflow", &samples));
    let flows = scratch.join("flows.ft");
    flowtools::write(&flows)?;
    made.push(Made::new("flowtools", "flowtools", &flows));
    made.extend(exports(trace, scratch)?);
    Ok(made)
}

/// The file packed by a tool that keeps it.
fn packed(tool: &str, file: &Path) -> Result<PathBuf> {
    let suffix = match tool {
        "gzip" => "gz",
        "zstd" => "zst",
        other => other,
    };
    let out = PathBuf::from(format!("{}.{suffix}", file.display()));
    let mut command = Command::new(tool);
    command.args(["-1", "-k", "-f"]).arg(file);
    if tool == "lz4" {
        // Away from a terminal it writes to standard output otherwise.
        command.arg(&out);
    }
    complete(&mut command)?;
    Ok(out)
}

/// Runs a command to its end; an error unless it succeeds.
fn complete(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}
