//! Tables that addresses are looked up in: which were asked for, read into memory.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use como_core::lookup::{Lookups, Subject};
use como_core::module::Kind;

use crate::error::Result;

/// The files of tables, as the command line or `como.toml` names them.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Look-ups")]
pub struct Tables {
    /// Look up AS numbers (`src.asn`) in a routing dump (MRT), a MaxMind file, or text.
    #[arg(long, value_name = "FILE")]
    pub asn: Option<PathBuf>,
    /// Look up countries (`src.country`) in a MaxMind file, or text.
    #[arg(long, value_name = "FILE")]
    pub country: Option<PathBuf>,
}

impl Tables {
    /// Reads the files. One that is wrong is an error that names it.
    pub fn load(&self) -> Result<Arc<Lookups>> {
        let mut lookups = Lookups::default();
        for (subject, file) in [(Subject::Asn, &self.asn), (Subject::Country, &self.country)] {
            let Some(file) = file else { continue };
            let table = como_lookup::load(subject, file)?;
            tracing::info!(
                "table `{}`: {} prefixes in {} KiB",
                file.display(),
                table.prefixes(),
                table.bytes() >> 10
            );
            lookups = lookups.with(subject, Arc::new(table));
        }
        Ok(Arc::new(lookups))
    }

    /// The tables that a module looks addresses up in by itself, read only if it does. Records are
    /// read without them where they cannot be had, which is said.
    pub fn for_kind(&self, kind: &dyn Kind) -> Arc<Lookups> {
        if kind.looks_up().is_empty() {
            return Arc::default();
        }
        self.load().unwrap_or_else(|failure| {
            tracing::warn!("nothing is looked up: {}", failure.text());
            Arc::default()
        })
    }
}
