//! The arguments of `como store`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Arguments of `como store`.
#[derive(Args, Debug)]
#[command(after_help = STORE_EXAMPLES, arg_required_else_help = true)]
pub struct Store {
    /// What to do.
    #[command(subcommand)]
    pub what: StoreVerb,
    /// The folder of the store, which no monitor may have open.
    #[arg(long, value_name = "DIR", global = true)]
    pub store: Option<PathBuf>,
    /// The configuration that says where the store is, unless that is said here.
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = crate::config::FILE,
        global = true
    )]
    pub config: PathBuf,
}

const STORE_EXAMPLES: &str = "\
Examples:
  como store ls
  como store verify --store /var/lib/como/store
  como store export traffic -w traffic.como
  como store import traffic.como --store elsewhere
  como store rm traffic --before 2026-01-01T00:00:00Z
  como store compact

All of these want the store for themselves: stop the monitor that has it open.";

/// What to do with a store.
#[derive(Debug, Subcommand)]
pub enum StoreVerb {
    /// List what is stored: whose records and packets, of what time, how much.
    Ls(Ls),
    /// Read everything through and name whatever is damaged.
    Verify(Verify),
    /// Give the space of what was removed back to the system.
    Compact(Compact),
    /// Write the records of a stream as one file, to be moved to another store.
    Export(Export),
    /// Put a stream from such a file.
    Import(Import),
    /// Remove a stream, or what of it lies before a time.
    Rm(Rm),
}

/// Arguments of `como store ls`.
#[derive(Args, Debug)]
#[command(after_help = LS_EXAMPLES)]
pub struct Ls {
    /// Print one JSON object per stream, as in a pipe.
    #[arg(long)]
    pub json: bool,
}

const LS_EXAMPLES: &str = "\
Examples:
  como store ls
  como store ls --store /var/lib/como/store --json | jq .bytes";

/// Arguments of `como store verify`.
#[derive(Args, Debug)]
#[command(after_help = VERIFY_EXAMPLES)]
pub struct Verify {
    /// Print one JSON object per finding, as in a pipe.
    #[arg(long)]
    pub json: bool,
}

const VERIFY_EXAMPLES: &str = "\
Examples:
  como store verify
  como store verify --json > found.ndjson || mail -s 'damaged' root < found.ndjson

Every block of records and every slab of packets is read and compared with its
checksum. Nothing is changed but what a crash left, which opening always mends.
What a full disk did not take until a run ended is named too: that was told when
it came, and is no damage.
Exit status: 0 nothing is damaged, 1 something is.";

/// Arguments of `como store compact`.
#[derive(Args, Debug)]
#[command(after_help = COMPACT_EXAMPLES)]
pub struct Compact {}

const COMPACT_EXAMPLES: &str = "\
Examples:
  como store compact
  como store rm traffic && como store compact

Space of removed records is used again in any case; only this makes the file
shorter. Packets take no more space than they show.";

/// Arguments of `como store export`.
#[derive(Args, Debug)]
#[command(after_help = EXPORT_EXAMPLES)]
pub struct Export {
    /// The stream.
    #[arg(value_name = "STREAM")]
    pub stream: String,
    /// The file to write; `-` is standard output.
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    pub write: PathBuf,
}

const EXPORT_EXAMPLES: &str = "\
Examples:
  como store export traffic -w traffic.como
  como store export traffic -w - | ssh elsewhere como store import - --store store

The file says everything of the stream: schemas, filters, sources, numbers, with
checksums (docs/storage.md). To read records elsewhere, `como query` and its
formats serve better. Packets: `como query NAME --format pcapng`.";

/// Arguments of `como store import`.
#[derive(Args, Debug)]
#[command(after_help = IMPORT_EXAMPLES)]
pub struct Import {
    /// The file that `como store export` wrote; `-` is standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Call the stream so.
    #[arg(long = "as", value_name = "NAME")]
    pub name: Option<String>,
}

const IMPORT_EXAMPLES: &str = "\
Examples:
  como store import traffic.como
  como store import traffic.como --as 'traffic of 2025' --store archive

All of it is put, or where it does not fit nothing. The store is made when it
does not exist.";

/// Arguments of `como store rm`.
#[derive(Args, Debug)]
#[command(after_help = RM_EXAMPLES)]
pub struct Rm {
    /// The stream: its records, and the packets it keeps.
    #[arg(value_name = "STREAM")]
    pub stream: String,
    /// Only what begins before this time, where 0 is the newest record: `-7d`, `2026-01-01`.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub before: Option<String>,
}

const RM_EXAMPLES: &str = "\
Examples:
  como store rm 'top destinations'
  como store rm traffic --before -30d
  como store rm trace --before 2026-01-01T00:00:00Z

Records go to the row, packets by whole segments: one goes once all its packets
lie before the time.";
