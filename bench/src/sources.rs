//! What each kind of source costs: packets or records per CPU second, read alone and measured.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::case::Case;
use crate::{Options, made, measure};

/// One source in the table.
#[derive(Debug, Serialize)]
struct Row {
    source: &'static str,
    /// Packets, or flow records.
    units: u64,
    /// Of `traffic`, which looks into no packet.
    read_per_cpu_second: f64,
    /// Of `topaddr`.
    topaddr_per_cpu_second: f64,
}

/// Measures and prints.
pub fn perform(options: &Options, scratch: &Path) -> Result<()> {
    let como = options.binary.display().to_string();
    let trace = scratch.join("trace.pcap");
    crate::generate(options, &como, &trace.display().to_string())?;
    let mut made = made::all(&como, &trace, scratch)?;
    made.push(made::Made { name: "gen", source: format!("gen:{}", crate::traffic(options)) });
    let mut costs: BTreeMap<(usize, &str), Vec<f64>> = BTreeMap::new();
    // One round unmeasured, so that all files are in memory.
    for round in 0..=options.runs {
        for (at, source) in made.iter().enumerate() {
            for module in ["traffic", "topaddr"] {
                let cost = measure::run(&case(&como, module, &source.source), false)?;
                if round > 0 {
                    costs.entry((at, module)).or_default().push(cost.cpu_seconds);
                }
            }
        }
    }
    let mut rows = Vec::new();
    for (at, source) in made.iter().enumerate() {
        let units = units(&como, &source.source)?;
        let mut rate = |module| {
            let seconds = costs.remove(&(at, module)).map(crate::median).unwrap_or(f64::NAN);
            units as f64 / seconds
        };
        let (read, topaddr) = (rate("traffic"), rate("topaddr"));
        rows.push(Row {
            source: source.name,
            units,
            read_per_cpu_second: read,
            topaddr_per_cpu_second: topaddr,
        });
    }
    print(&rows, options.runs);
    crate::save(options, "sources.json", &rows)
}

fn case(como: &str, module: &str, source: &str) -> Case {
    let args = ["run", module, "-q", "--format", "ndjson", "-s", source];
    Case::new(module, como, &args)
}

/// How many packets, or flow records, the source has.
fn units(como: &str, source: &str) -> Result<u64> {
    let mut info = Command::new(como);
    let output = info.args(["info", "--json", "-s", source]).output().context("como info")?;
    ensure!(output.status.success(), "{info:?} ended with {}", output.status);
    let said: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let number = |key: &str| said.get(key).and_then(serde_json::Value::as_u64);
    number("flow_records").or_else(|| number("packets")).context("no number of packets")
}

#[allow(clippy::print_stdout)]
fn print(rows: &[Row], runs: usize) {
    println!("millions of packets, or of flow records, per CPU second; medians of {runs} runs");
    println!("{:24} {:>10} {:>10} {:>10}", "", "units", "traffic", "topaddr");
    for row in rows {
        println!(
            "{:24} {:>10} {:>10.2} {:>10.2}",
            row.source,
            row.units,
            row.read_per_cpu_second / 1e6,
            row.topaddr_per_cpu_second / 1e6,
        );
    }
}
