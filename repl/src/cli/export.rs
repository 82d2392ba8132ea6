//! The arguments of `como export`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `como export`.
#[derive(Args, Debug)]
#[command(after_help = EXPORT_EXAMPLES)]
pub struct Export {
    /// The instances whose records are exported [default: all that are stored].
    #[arg(value_name = "MODULE")]
    pub modules: Vec<String>,
    /// The store, which no monitor may have open [default: that of the configuration].
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Where the files go; it is made when it does not exist.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// From A until B, where 0 is the newest record [default: all there is].
    #[arg(short, long, value_name = "A:B", allow_hyphen_values = true)]
    pub time: Option<String>,
    /// No progress bar and no summary.
    #[arg(short, long)]
    pub quiet: bool,
    /// The configuration that says where the store is, unless that is said here.
    #[arg(short, long, value_name = "FILE", default_value = crate::config::FILE)]
    pub config: PathBuf,
}

const EXPORT_EXAMPLES: &str = "\
Examples:
  como export --to lake
  como export topaddr traffic --store /var/lib/como/store --to lake --time -7d:0
  duckdb -c \"from read_parquet('lake/*/*/*.parquet', hive_partitioning=true)\"

Files are DIR/module=NAME/date=2026-11-21/part-0.parquet, days in UTC. Run
again, it writes only days that are new or have gone on. It needs a como built
with --features columnar.";
