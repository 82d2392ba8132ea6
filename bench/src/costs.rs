//! The table of CoMo's paper: what three modules cost on three sources, by category.
//!
//! The modules are `traffic` (*basic*), `topaddr` (*cpu*) and `trace` to disk
//! (*io*); the sources a capture, an interface and NetFlow. The five categories
//! are what `como run --costs` says itself, in nanoseconds for each packet or
//! flow record.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::veth::{await_listeners, in_namespace, interrupt, rest, send};
use crate::{Options, made};

/// The modules, with their arguments and their name in the paper.
const MODULES: [(&str, &[&str]); 3] = [
    ("traffic (basic)", &["traffic"]),
    ("topaddr (cpu)", &["topaddr", "-a", "n=20", "-a", "interval=5s"]),
    ("trace to disk (io)", &["trace", "-w"]),
];

/// As `--costs` names them.
const CATEGORIES: [&str; 5] = ["sniffer", "filter", "callbacks", "storage", "core"];

/// Packets per second that are sent over the wire.
const RATE: u64 = 50_000;

/// One module on one source.
#[derive(Debug, Serialize)]
struct Row {
    source: &'static str,
    module: &'static str,
    /// Packets, or flow records.
    units: u64,
    /// For each category, in its order.
    ns_per_unit: [f64; 5],
}

#[allow(clippy::print_stdout)]
/// Measures and prints; what this machine cannot do is left out and said.
pub fn perform(options: &Options, scratch: &Path) -> Result<()> {
    let como = options.binary.display().to_string();
    let trace = scratch.join("trace.pcap");
    crate::generate(options, &como, &trace.display().to_string())?;
    let mut rows = Vec::new();
    let file = trace.display().to_string();
    rows.extend(stored(options, scratch, "pcap", &file)?);
    let exports = made::exports(&trace, scratch)?;
    match exports.iter().find(|made| made.name == "netflow v5") {
        Some(made) => rows.extend(stored(options, scratch, "netflow v5", &made.source)?),
        None => println!("netflow is left out: `softflowd` is not installed"),
    }
    rows.extend(in_namespace(|| on_wire(options, scratch))?.unwrap_or_default());
    print(&rows);
    crate::save(options, "costs.json", &rows)
}

/// Every module over a source that has an end.
fn stored(options: &Options, scratch: &Path, name: &'static str, source: &str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (module, args) in MODULES {
        // The first fills the page cache.
        start(options, scratch, args, source)?.wait_with_output()?;
        let mut samples = Vec::new();
        for _ in 0..options.runs {
            samples.push(said(start(options, scratch, args, source)?)?);
        }
        rows.push(row(name, module, &samples));
    }
    Ok(rows)
}

/// Every module over an interface on which the trace is sent.
fn on_wire(options: &Options, scratch: &Path) -> Result<Vec<Row>> {
    let trace = scratch.join("trace.pcap").display().to_string();
    let mut rows = Vec::new();
    for (module, args) in MODULES {
        let mut samples = Vec::new();
        for _ in 0..options.runs {
            let listener = start(options, scratch, args, "afpacket:como1")?;
            await_listeners(1)?;
            rest(listener.id())?;
            send(&trace, RATE)?;
            rest(listener.id())?;
            interrupt(listener.id());
            samples.push(said(listener)?);
        }
        rows.push(row("veth", module, &samples));
    }
    Ok(rows)
}

fn start(options: &Options, scratch: &Path, args: &[&str], source: &str) -> Result<Child> {
    let mut command = Command::new(&options.binary);
    command.arg("run").args(args);
    if args.last() == Some(&"-w") {
        command.arg(scratch.join("kept.pcapng"));
    }
    command.args(["--costs", "--format", "ndjson", "-s", source]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().with_context(|| format!("cannot start {command:?}"))
}

/// The packets and the CPU seconds by category that a run says at its end.
fn said(child: Child) -> Result<(u64, [f64; 5])> {
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "como ended with {}: {text}", output.status);
    let packets =
        text.lines().find_map(|line| line.split_once(" packets, ")).context("no summary")?;
    let packets = packets.0.replace(',', "").trim().parse()?;
    let line = text.lines().find_map(|l| l.strip_prefix("CPU seconds: ")).context("no costs")?;
    let mut seconds = [0.0; 5];
    for (category, seconds) in CATEGORIES.into_iter().zip(&mut seconds) {
        let value = line.split(", ").find_map(|part| part.strip_prefix(category));
        *seconds = value.context("a category is missing")?.trim().parse()?;
    }
    Ok((packets, seconds))
}

/// Medians, category by category.
fn row(source: &'static str, module: &'static str, samples: &[(u64, [f64; 5])]) -> Row {
    let units = samples.iter().map(|(packets, _)| *packets).max().unwrap_or(0);
    let ns_per_unit = std::array::from_fn(|at| {
        let ns = samples.iter().map(|(n, seconds)| seconds[at] * 1e9 / (*n).max(1) as f64);
        crate::median(ns.collect())
    });
    Row { source, module, units, ns_per_unit }
}

#[allow(clippy::print_stdout)]
fn print(rows: &[Row]) {
    println!("nanoseconds of CPU time for each packet or flow record");
    print!("{:12} {:20} {:>9}", "", "", "units");
    CATEGORIES.iter().for_each(|category| print!(" {category:>9}"));
    println!(" {:>9}", "all");
    for row in rows {
        print!("{:12} {:20} {:>9}", row.source, row.module, row.units);
        row.ns_per_unit.iter().for_each(|ns| print!(" {ns:>9.1}"));
        println!(" {:>9.1}", row.ns_per_unit.iter().sum::<f64>());
    }
}
