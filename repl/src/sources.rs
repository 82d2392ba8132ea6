//! Sources by what a user typed: `-r FILE`, `-i IFACE`, `-s SOURCE`.

use como_core::source::{Source, SourceError};

use crate::cli::Sources;
use crate::error::{Failure, Result};

impl Sources {
    /// Whether none was named.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.interfaces.is_empty() && self.specs.is_empty()
    }

    /// Opens all of them; to name none is a mistake.
    pub fn open(&self) -> Result<Vec<Box<dyn Source>>> {
        if self.is_empty() {
            let failure = Failure::usage("there is no source: nothing to read packets from");
            let hint = "give -r FILE, -i INTERFACE or -s SOURCE; `-r -` is standard input";
            return Err(failure.hint(hint));
        }
        open(self.texts())
    }

    /// All of them as `-s` takes them.
    pub fn texts(&self) -> Vec<String> {
        let files = self.files.iter().map(|file| format!("pcap:{file}"));
        let live = self.interfaces.iter().map(|iface| format!("live:{iface}"));
        files.chain(live).chain(self.specs.iter().cloned()).collect()
    }
}

/// Opens sources by their texts.
pub fn open(texts: impl IntoIterator<Item = String>) -> Result<Vec<Box<dyn Source>>> {
    let texts: Vec<String> = texts.into_iter().collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    como_sniffers::open_all(&texts).map_err(|error| match error {
        SourceError::Spec { text, why } => {
            Failure::usage(format!("source `{text}`: {why}")).hint("`como sniffers` lists them")
        }
        error => error.into(),
    })
}
