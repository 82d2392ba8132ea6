//! The command line: what may be typed, and its help texts.
//!
//! Only what was typed; what it means is each verb's own file. Completions
//! and manual pages are made from the same definitions.

mod export;
mod query;
pub mod store;
mod writing;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
use como_core::time::Span;
pub use export::Export;
pub use query::{AnswerFormat, Query};
pub use store::Store;
pub use writing::{Bench, Completions, Man, Stubs, StubsOf};

use crate::lookup::Tables;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// A scriptable network monitor.
///
/// A module is a filter and a function. como captures from files and
/// interfaces, decodes once, filters, runs the modules, and shows or stores
/// their records. Records go to standard output, talk to standard error.
#[derive(Debug, Parser)]
#[command(name = "como", version, styles = STYLES, max_term_width = 100)]
#[command(arg_required_else_help = true)]
#[command(after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Say more on standard error; twice for even more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

const EXAMPLES: &str = "\
Examples:
  como gen -w trace.pcap                     make a trace
  como info trace.pcap                       say what is in it
  como run topaddr -r trace.pcap -a n=5      run a module over it
  como run topaddr -i eth0 tcp port 443      the same live, filtered
  como check top.lua                         try a script of your own

Exit status: 0 done, 1 it failed, 2 the command line makes no sense.";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run modules over files or live traffic and show their records.
    Run(Run),
    /// Say what captures contain: packets, protocols, talkers, flows.
    Info(Info),
    /// Explain a filter, and count what it matches.
    Filter(Filter),
    /// Say what modules need and what sources offer, and whether the two go together.
    Explain(Explain),
    /// Generate traffic: the same seed gives the same packets.
    Gen(Gen),
    /// List the shipped modules and their arguments.
    Modules(Modules),
    /// List the kinds of sources and the interfaces of this machine.
    Sniffers(Sniffers),
    /// Load a script, run it on generated traffic, and say what is wrong with it.
    Check(Check),
    /// Measure what the callbacks of modules cost, in all the forms they have.
    Bench(Bench),
    /// Write a commented como.toml and an empty modules folder.
    Init(Init),
    /// Run the monitor that stays: sources, modules folder, store, queries over HTTP.
    Serve(Serve),
    /// Read records of the past, from a running monitor or from its store.
    Query(Query),
    /// Look after a store: list, verify, compact, move and remove what is in it.
    Store(Store),
    /// Write stored records to Parquet files, a folder a day, for DuckDB, pandas and their like.
    Export(Export),
    /// Open a prompt to write, run and query modules.
    Repl(Repl),
    /// Print what scripts find, for an editor or to read.
    Stubs(Stubs),
    /// Print a completion script for a shell.
    Completions(Completions),
    /// Print a manual page.
    Man(Man),
}

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns for eyes.
    Table,
    /// One JSON object per line.
    Ndjson,
    /// Comma-separated values with a header.
    Csv,
    /// One JSON array.
    Json,
    /// Aligned text, or as the module itself prints.
    Plain,
    /// A page with a table.
    Html,
    /// A script that gnuplot draws.
    Gnuplot,
    /// A stream of Arrow's IPC format.
    Arrow,
    /// A Parquet file.
    Parquet,
}

impl Format {
    /// The same as the core knows it. A table is for the terminal here; elsewhere it is plain text.
    pub const fn written(self) -> como_core::render::Format {
        use como_core::render::Format as Written;
        match self {
            Self::Ndjson => Written::Ndjson,
            Self::Csv => Written::Csv,
            Self::Json => Written::Json,
            Self::Table | Self::Plain => Written::Plain,
            Self::Html => Written::Html,
            Self::Gnuplot => Written::Gnuplot,
            Self::Arrow => Written::Arrow,
            Self::Parquet => Written::Parquet,
        }
    }
}

/// Where packets come from. Several are merged by time.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Sources")]
pub struct Sources {
    /// Read a capture file: pcap or pcapng, also .gz .zst .xz .lz4; `-` is standard input.
    #[arg(short = 'r', long = "read", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Capture live from an interface.
    #[arg(short = 'i', long = "interface", value_name = "IFACE")]
    pub interfaces: Vec<String>,
    /// Any source, as `como sniffers` lists them: `gen:duration=10s`.
    #[arg(short = 's', long = "source", value_name = "SOURCE")]
    pub specs: Vec<String>,
    /// Tables.
    #[command(flatten)]
    pub tables: Tables,
}

/// What to measure, and on what.
#[derive(Args, Debug)]
pub struct Measure {
    /// A shipped module or the path of a script; several with commas, each as NAME or LABEL=NAME.
    #[arg(value_name = "MODULE")]
    pub modules: OsString,
    /// Packets to look at; all words together are one filter.
    #[arg(value_name = "FILTER")]
    pub filter: Vec<String>,
    /// Sources.
    #[command(flatten)]
    pub sources: Sources,
    /// Set an argument of the modules, or of one of them: `n=5`, `topaddr.n=5`.
    #[arg(short = 'a', long = "arg", value_name = "KEY=VALUE")]
    pub args: Vec<String>,
    /// Let scripts reach something beyond their packets: `clock`, `dns`, `file:/path`, `http:host`.
    #[arg(long = "allow", value_name = "GRANT")]
    pub allow: Vec<String>,
}

/// Arguments of `como run`.
#[derive(Args, Debug)]
#[command(after_help = RUN_EXAMPLES)]
pub struct Run {
    /// What to measure.
    #[command(flatten)]
    pub measure: Measure,
    /// How to write records [default: table on a terminal, ndjson elsewhere].
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Where the trace module writes packets, as pcapng; `-` is standard output, without records.
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Threads that run modules [default: one per core, at most one per module].
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// How long packets of one wire wait for those of another, beyond its delay [default: 10ms].
    #[arg(long, value_name = "SPAN", value_parser = Span::parse)]
    pub window: Option<Span>,
    /// Count `distinct`, `bitmap` and samples of full tables under this word, whatever it is: the
    /// same one gives the same records [default: the same for all files, another each time live].
    #[arg(long, value_name = "WORD")]
    pub seed: Option<String>,
    /// No progress bar and no summary.
    #[arg(short, long)]
    pub quiet: bool,
    /// Say at the end what the CPU time was spent on.
    #[arg(long, conflicts_with = "quiet")]
    pub costs: bool,
}

const RUN_EXAMPLES: &str = "\
Examples:
  como run traffic -r trace.pcap
  como run topaddr -r trace.pcap -a n=5 -a interval=10s
  como run top.lua -i eth0 'tcp and dst net 10.0.0.0/8'
  como run traffic,protocol,topaddr -r a.pcap -r b.pcap.zst --format ndjson
  como run src=topaddr,dst=topaddr -r trace.pcap -a src.use_src=true -a n=10
  como run trace -i eth0 -w eth0.pcapng udp port 53
  como run watch.lua -r trace.pcap --allow file:/etc/como/lists
  como run topaddr -r trace.pcap --asn rib.20260101.0000.bz2 dst asn 2529
  ssh router tcpdump -w - | como run topports -r -

An argument without a module goes to every module that has it. The filter is
added to each module's own. Ctrl-C closes the open interval and ends.";

/// Arguments of `como explain`.
#[derive(Args, Debug)]
#[command(after_help = EXPLAIN_EXAMPLES)]
pub struct Explain {
    /// What to measure.
    #[command(flatten)]
    pub measure: Measure,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  como explain topaddr
  como explain topports -s netflow:export.pcap
  como explain watch.lua --allow dns
  como explain mine.lua -r trace.pcap -s sflow:udp://0.0.0.0:6343 tcp";

/// Arguments of `como info`.
#[derive(Args, Debug)]
#[command(after_help = INFO_EXAMPLES)]
pub struct Info {
    /// Captures; `-` is standard input.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Any other source, as `como sniffers` lists them.
    #[arg(short = 's', long = "source", value_name = "SOURCE")]
    pub specs: Vec<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

const INFO_EXAMPLES: &str = "\
Examples:
  como info trace.pcap
  como info --json trace.pcap | jq .l4_packets
  como info monday.pcap tuesday.pcap.zst";

/// Arguments of `como filter`.
#[derive(Args, Debug)]
#[command(after_help = FILTER_EXAMPLES)]
pub struct Filter {
    /// The filter; quote it, or write its words.
    #[arg(value_name = "EXPR", required = true)]
    pub words: Vec<String>,
    /// Sources to count matches in.
    #[command(flatten)]
    pub sources: Sources,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

const FILTER_EXAMPLES: &str = "\
Examples:
  como filter 'tcp and port 443'
  como filter 'tcp.flags.syn and not tcp.flags.ack' -r trace.pcap
  como filter --json 'dst net 10.0.0.0/8 and ip.ttl < 5' -r trace.pcap

The language takes CoMo's words (src 10.0.0.0/8, dport 80:90), tcpdump's
(host, port, vlan, tcp[13] & 2 != 0) and named fields (pkt.len in 64..128).";

/// Arguments of `como gen`.
#[derive(Args, Debug)]
#[command(after_help = GEN_EXAMPLES)]
pub struct Gen {
    /// The pcap file to write; `-` is standard output.
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    pub write: PathBuf,
    /// Settings of the generator, as `como sniffers` lists them for `gen`.
    #[arg(value_name = "NAME=VALUE")]
    pub settings: Vec<String>,
}

const GEN_EXAMPLES: &str = "\
Examples:
  como gen -w trace.pcap
  como gen -w big.pcap packets=2000000 duration=300s seed=7
  como gen -w - duration=1s | como info -

The same settings give the same packets. `como run -s gen:NAME=VALUE,...`
generates without a file.";

/// Arguments of `como modules`.
#[derive(Args, Debug)]
#[command(after_help = MODULES_EXAMPLES)]
pub struct Modules {
    /// Only these, with their arguments.
    #[arg(value_name = "MODULE")]
    pub names: Vec<String>,
    /// Print one JSON object per module.
    #[arg(long)]
    pub json: bool,
}

const MODULES_EXAMPLES: &str = "\
Examples:
  como modules
  como modules topaddr
  como modules ./top.lua";

/// Arguments of `como sniffers`.
#[derive(Args, Debug)]
#[command(after_help = SNIFFERS_EXAMPLES)]
pub struct Sniffers {
    /// Print one JSON object per sniffer.
    #[arg(long)]
    pub json: bool,
}

const SNIFFERS_EXAMPLES: &str = "\
Examples:
  como sniffers
  como run traffic -s gen:duration=5s";

/// Arguments of `como check`.
#[derive(Args, Debug)]
#[command(after_help = CHECK_EXAMPLES)]
pub struct Check {
    /// The script.
    #[arg(value_name = "SCRIPT")]
    pub script: PathBuf,
    /// Sources to try it on [default: five seconds of generated traffic].
    #[command(flatten)]
    pub sources: Sources,
    /// Set an argument of the module.
    #[arg(short = 'a', long = "arg", value_name = "KEY=VALUE")]
    pub args: Vec<String>,
    /// Let it reach something beyond its packets: `clock`, `dns`, `file:/path`, `http:host`.
    #[arg(long = "allow", value_name = "GRANT")]
    pub allow: Vec<String>,
    /// How to write records [default: table on a terminal, ndjson elsewhere].
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  como check top.lua
  como check top.lua -a n=5 -r trace.pcap
  como check watch.lua --allow clock --allow dns";

/// Arguments of `como init`.
#[derive(Args, Debug)]
#[command(after_help = INIT_EXAMPLES)]
pub struct Init {
    /// Where; it is made when it does not exist.
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
}

const INIT_EXAMPLES: &str = "\
Examples:
  como init
  como init /etc/como

Nothing that exists is overwritten.";

/// Arguments of `como serve`.
#[derive(Args, Debug)]
#[command(after_help = SERVE_EXAMPLES)]
pub struct Serve {
    /// The configuration; `como init` writes a commented one.
    #[arg(short, long, value_name = "FILE", default_value = crate::config::FILE)]
    pub config: PathBuf,
}

const SERVE_EXAMPLES: &str = "\
Examples:
  como init && como serve
  como serve -c /etc/como/como.toml
  cp top.lua modules/                        live within a second
  curl 'http://127.0.0.1:44444/top?time=-5m:0&wait=no'

SIGTERM and Ctrl-C flush and end; SIGHUP reads the configuration again.";

/// Arguments of `como repl`.
#[derive(Args, Debug)]
#[command(after_help = REPL_EXAMPLES)]
pub struct Repl {
    /// Sources to begin with.
    #[command(flatten)]
    pub sources: Sources,
    /// Let scripts reach something beyond their packets: `clock`, `dns`, `file:/path`, `http:host`.
    #[arg(long = "allow", value_name = "GRANT")]
    pub allow: Vec<String>,
    /// How to write records [default: table on a terminal, ndjson elsewhere].
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,
}

const REPL_EXAMPLES: &str = "\
Examples:
  como repl -r trace.pcap
  como> filter tcp and port 443
  como> load topaddr n=5
  como> run";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_shows_examples() {
        let shows = |verb: &clap::Command| {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with("Examples:\n  como "), "{}", verb.get_name());
        };
        for verb in Cli::command().get_subcommands() {
            shows(verb);
            verb.get_subcommands().for_each(shows);
        }
    }

    #[test]
    fn the_filter_may_stand_anywhere() {
        let line = ["como", "run", "traffic", "tcp", "and", "-r", "a", "port", "80"];
        let Verb::Run(run) = Cli::parse_from(line).verb else { panic!("run") };
        assert_eq!(run.measure.filter.join(" "), "tcp and port 80");
        assert_eq!(run.measure.sources.files, [PathBuf::from("a")]);
    }
}
