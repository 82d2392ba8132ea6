//! The arguments of `como query`.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use como_core::storage::packets::Capture;

use super::Format;

/// How answers are written: records, or the packets of a `trace`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerFormat {
    /// Records.
    Records(Format),
    /// Packets.
    Packets(Capture),
}

impl ValueEnum for AnswerFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::Records(Format::Table),
            Self::Records(Format::Ndjson),
            Self::Records(Format::Csv),
            Self::Records(Format::Json),
            Self::Records(Format::Plain),
            Self::Records(Format::Html),
            Self::Records(Format::Gnuplot),
            Self::Records(Format::Arrow),
            Self::Records(Format::Parquet),
            Self::Packets(Capture::Pcapng),
            Self::Packets(Capture::Pcap),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Records(format) => format.to_possible_value(),
            Self::Packets(capture) => {
                let help = match capture {
                    Capture::Pcapng => "The packets that a trace keeps",
                    Capture::Pcap => "The same for old tools, where all are of one link type",
                };
                Some(PossibleValue::new(capture.name()).help(help))
            }
        }
    }
}

/// Arguments of `como query`.
#[derive(Args, Debug)]
#[command(after_help = QUERY_EXAMPLES)]
pub struct Query {
    /// The instance whose records are asked for; or a script, which then runs over what is stored:
    /// here, or sent to the monitor that is asked.
    #[arg(value_name = "MODULE")]
    pub module: String,
    /// From A until B, where 0 is the newest record: `-5m:0`, `2026-01-01T12:00:00Z:+1h`.
    #[arg(short, long, value_name = "A:B", allow_hyphen_values = true)]
    pub time: Option<String>,
    /// The packets that the records must be of; where packets are asked for, which of them.
    #[arg(long, value_name = "EXPR")]
    pub filter: Option<String>,
    /// Run the module afresh over what this instance stored; `auto` chooses what serves best, and
    /// with `none` only its own records answer.
    #[arg(long, value_name = "INSTANCE")]
    pub source: Option<String>,
    /// Records of intervals of this length, from rollups or merged from shorter ones: `1m`, `1h`.
    #[arg(long, value_name = "SPAN")]
    pub interval: Option<String>,
    /// Show what could be read to answer, and what would be, in place of the answer.
    #[arg(long)]
    pub explain: bool,
    /// Set an argument of a module that runs afresh: `n=5`.
    #[arg(short = 'a', long = "arg", value_name = "KEY=VALUE")]
    pub args: Vec<String>,
    /// Let a script that runs here reach something beyond its packets: `clock`, `dns`,
    /// `file:/path`, `http:host`.
    #[arg(long = "allow", value_name = "GRANT", conflicts_with = "url")]
    pub allow: Vec<String>,
    /// Go on with what comes; a module that runs afresh does so from the packets a `trace` keeps.
    #[arg(long)]
    pub follow: bool,
    /// How to write the answer [default: table on a terminal, ndjson elsewhere].
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub format: Option<AnswerFormat>,
    /// Ask the monitor that listens here.
    #[arg(long, value_name = "URL", conflicts_with = "store")]
    pub url: Option<String>,
    /// Read the store in this folder, which no monitor may have open.
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Parts of the packets of a store that are read at once, where the module measures intervals
    /// apart [default: one per core, at most 8].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: Option<u16>,
    /// The configuration that says where to ask, unless that is said here.
    #[arg(short, long, value_name = "FILE", default_value = crate::config::FILE)]
    pub config: PathBuf,
}

const QUERY_EXAMPLES: &str = "\
Examples:
  como query traffic --time -5m:0
  como query traffic --time 2026-01-01T12:00:00Z:+1h --format csv
  como query 'top destinations' --url http://monitor:44444 --follow
  como query traffic --time -30d:0 --interval 1h
  como query traffic --store /var/lib/como/store
  como query topports --source auto --time -1h: --follow
  como query topports --store store --time -1h:0 --filter 'host 10.0.0.7'
  como query ./mine.lua --store store --time 2026-01-01T12:00:00Z:+1h --explain
  como query ./mine.lua --store store --time -1h:0 --allow file:/etc/como/lists
  como query ./mine.lua --url http://127.0.0.1:44444 --time -1h:0
  como query traffic --time -1h:0 --format gnuplot | gnuplot -persist
  como query topaddr --time -1h:0 --format parquet > topaddr.parquet
  como query trace --time -1m:0 --filter 'port 53' --format pcapng > dns.pcapng

Without --url and --store the monitor of como.toml is asked, or its store when
it does not run. Where no records answer, because the filter is another or the
module never ran, it is run afresh over packets that were kept, or records that
can be replayed.";
