//! Side-by-side measurements: one trace, one run, `como` beside the tools people use.
//!
//! Absolute times mean little on shared machines. What counts are the ratios to
//! `tcpdump --count ip` within one run: cases take turns, medians are compared.

mod byhand;
mod case;
mod costs;
mod made;
mod measure;
mod samples;
mod sources;
mod veth;
mod window;
mod wire;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::builder::RangedU64ValueParser;
use clap::{Parser, ValueEnum};
use serde::Serialize;

use case::{Case, TEN};

/// Measures `como` beside the tools people use, all on one trace and in one run.
#[derive(Debug, Parser)]
#[command(name = "como-bench", after_help = EXAMPLES)]
struct Options {
    /// What to measure; without a word, modules beside other tools.
    what: Option<What>,
    /// How many packets the trace has.
    #[arg(long, default_value_t = 2_000_000)]
    packets: u64,
    /// How often each case runs; medians are compared.
    #[arg(long, default_value_t = 5)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    runs: usize,
    /// The command to measure.
    #[arg(long = "como", value_name = "FILE", default_value = COMO)]
    binary: PathBuf,
    /// Where the table goes as JSON; other measurements write beside it, under their own names.
    #[arg(long, value_name = "FILE", default_value = TABLE)]
    out: PathBuf,
}

/// Medians of fewer runs are no measurement.
const RUNS_MIN: usize = 5;

/// A case that would take longer for all its runs, in seconds of CPU time, has fewer.
const CASE_SECONDS_MAX: f64 = 120.0;

const COMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/release/como");
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/results/latest.json");

const EXAMPLES: &str = "Examples:
  como-bench --runs 9
  como-bench window --runs 3";

/// A measurement of its own, with its table and its file.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// Who loses packets of an interface at equal load.
    Wire,
    /// Every kind of source.
    Sources,
    /// Three modules on three sources, by what the time is spent on.
    Costs,
    /// Flow records and samples, beside nfcapd, sfcapd and nfdump.
    Samples,
    /// Keeping packets, finding them again and measuring over them.
    Window,
}

/// One row of the table.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    /// How many the medians are of.
    runs: usize,
    cpu_seconds: f64,
    packets_per_cpu_second: f64,
    to_tcpdump_count: Option<f64>,
    anonymous_bytes: u64,
}

/// The whole measurement as written to the JSON file.
#[derive(Debug, Serialize)]
struct Report {
    packets: u64,
    trace_bytes: u64,
    runs: usize,
    rows: Vec<Row>,
    /// The ten together, over reading once plus what each adds alone; 1 is perfect.
    ten_together_ratio: Option<f64>,
}

fn main() -> Result<()> {
    if let Some([word, key, trace]) = std::env::args().skip(1).collect::<Vec<_>>().first_chunk()
        && word == case::BY_HAND
    {
        return byhand::perform(key, trace);
    }
    let options = Options::parse();
    warn_of_few(options.runs);
    let scratch = std::env::temp_dir().join(format!("como-bench-{}", std::process::id()));
    std::fs::create_dir_all(&scratch)?;
    let perform: fn(&Options, &Path) -> Result<()> = match options.what {
        None => beside_tools,
        Some(What::Wire) => wire::perform,
        Some(What::Sources) => sources::perform,
        Some(What::Costs) => costs::perform,
        Some(What::Samples) => samples::perform,
        Some(What::Window) => window::perform,
    };
    let done = perform(&options, &scratch);
    std::fs::remove_dir_all(&scratch)?;
    done
}

#[allow(clippy::print_stdout)]
fn warn_of_few(runs: usize) {
    if runs < RUNS_MIN {
        println!("{runs} runs: medians of fewer than {RUNS_MIN} are no measurement");
    }
}

/// The main table.
fn beside_tools(options: &Options, scratch: &Path) -> Result<()> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let report = measure_all(options, &scripts, scratch)?;
    print(&report);
    write(&options.out, &report)
}

/// Writes rows beside the file of the main table.
fn save(options: &Options, name: &str, rows: &impl Serialize) -> Result<()> {
    write(&options.out.with_file_name(name), rows)
}

fn write(out: &Path, measured: &impl Serialize) -> Result<()> {
    if let Some(dir) = out.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::write(out, serde_json::to_string_pretty(measured)? + "\n")?;
    Ok(())
}

fn measure_all(options: &Options, scripts: &Path, scratch: &Path) -> Result<Report> {
    let binary = options.binary.display().to_string();
    let trace = scratch.join("trace.pcap").display().to_string();
    generate(options, &binary, &trace)?;
    let mut cases = case::peers(&trace, scratch);
    cases.extend(case::by_hand(&trace)?);
    cases.extend(case::como(&binary, &trace, scripts, scratch));
    let mut costs = vec![Vec::new(); cases.len()];
    // The first round brings the trace into memory for all, and tells how much each takes itself.
    for round in 0..=options.runs {
        for (case, costs) in cases.iter().zip(&mut costs) {
            if round <= runs_of(costs, options.runs) {
                costs.push(measure::run(case, round == 0)?);
            }
        }
    }
    let rows = rows(options.packets, &cases, &costs);
    let ten_together_ratio = together(&rows);
    let trace_bytes = std::fs::metadata(&trace)?.len();
    Ok(Report {
        packets: options.packets,
        trace_bytes,
        runs: options.runs,
        rows,
        ten_together_ratio,
    })
}

/// How many of so many runs are measured of a case, by what the first time has cost.
fn runs_of(costs: &[measure::Cost], runs: usize) -> usize {
    let first = costs.first().map_or(0.0, |cost| cost.cpu_seconds);
    runs.min((CASE_SECONDS_MAX / first) as usize)
}

fn generate(options: &Options, binary: &str, trace: &str) -> Result<()> {
    let status = Command::new(binary)
        .args(["gen", "-w", trace, &traffic(options)])
        .status()
        .with_context(|| format!("cannot start `{binary}`: cargo build --release -p como"))?;
    if status.success() { Ok(()) } else { bail!("`{binary} gen` ended with {status}") }
}

/// What is generated, as `gen` takes it.
fn traffic(options: &Options) -> String {
    let flows = (options.packets * 12 / 100).max(1);
    format!("packets={},flows={flows},duration=300s,seed=1", options.packets)
}

/// The middle one; not a number where there is none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn rows(packets: u64, cases: &[Case], costs: &[Vec<measure::Cost>]) -> Vec<Row> {
    // The first time counts where there is no other.
    let timed = |costs: &[measure::Cost]| match costs {
        [_, timed @ ..] if !timed.is_empty() => timed.to_vec(),
        all => all.to_vec(),
    };
    let median = |costs: &[measure::Cost]| {
        median(timed(costs).iter().map(|cost| cost.cpu_seconds).collect())
    };
    let yardstick = cases.iter().position(|c| c.name == "tcpdump --count ip");
    let yardstick = yardstick.map(|at| median(&costs[at]));
    let row = |(case, costs): (&Case, &Vec<measure::Cost>)| {
        let cpu_seconds = median(costs);
        Row {
            name: case.name.clone(),
            runs: timed(costs).len(),
            cpu_seconds,
            packets_per_cpu_second: packets as f64 / cpu_seconds,
            to_tcpdump_count: yardstick.map(|y| y / cpu_seconds),
            anonymous_bytes: costs.iter().map(|c| c.anonymous_bytes).max().unwrap_or(0),
        }
    };
    cases.iter().zip(costs).map(row).collect()
}

fn together(rows: &[Row]) -> Option<f64> {
    let seconds = |name: &str| rows.iter().find(|r| r.name == name).map(|r| r.cpu_seconds);
    let reading = seconds("como reading")?;
    let mut sum = reading;
    for (name, _, _) in TEN {
        sum += (seconds(&format!("one of ten: {name}"))? - reading).max(0.0);
    }
    Some(seconds("como ten together")? / sum)
}

#[allow(clippy::print_stdout)]
fn print(report: &Report) {
    let megabytes = report.trace_bytes / 1_000_000;
    println!("{} packets, {megabytes} MB, medians of {} runs", report.packets, report.runs);
    println!(
        "{:32} {:>4} {:>9} {:>14} {:>10} {:>8}",
        "", "runs", "CPU s", "M packets/s", "x tcpdump", "anon MB"
    );
    for row in &report.rows {
        println!(
            "{:32} {:>4} {:>9.3} {:>14.2} {:>10} {:>8.1}",
            row.name,
            row.runs,
            row.cpu_seconds,
            row.packets_per_cpu_second / 1e6,
            row.to_tcpdump_count.map_or("-".to_owned(), |r| format!("{r:.2}")),
            row.anonymous_bytes as f64 / 1e6,
        );
    }
    let is_few = |row: &&Row| row.runs < RUNS_MIN.min(report.runs);
    for row in report.rows.iter().filter(is_few) {
        println!("`{}` takes long: fewer than {RUNS_MIN} runs are no measurement", row.name);
    }
    if let Some(ratio) = report.ten_together_ratio {
        println!("ten together cost {ratio:.2} of reading once plus what each adds alone");
    }
}
