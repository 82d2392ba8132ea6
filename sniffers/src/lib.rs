//! Sources: each turns bytes of one kind into chunks of packets.
//!
//! Everything here stands behind [`como_core::source::Source`]; [`open`] is the
//! door, [`list`] what there is behind it. A kind is one file or folder.

use como_core::source::{Source, SourceError};

pub use spec::{Kind, OptionDoc};

mod pool;
mod spec;

pub mod file;

/// Every kind of source, the one that a text without a kind means first.
const KINDS: [Kind; 1] = [file::KIND];

/// Describes every kind of source and its options.
pub fn list() -> &'static [Kind] {
    &KINDS
}

/// Opens what `text` names: `pcap:FILE`, a bare path or glob, `-` for standard input.
pub fn open(text: &str) -> Result<Vec<Box<dyn Source>>, SourceError> {
    open_all(&[text])
}

/// Opens several texts at once. All plain files among them become one source in time order, so
/// that a thousand files cost one thread.
pub fn open_all(texts: &[&str]) -> Result<Vec<Box<dyn Source>>, SourceError> {
    let mut files = Vec::new();
    for text in texts {
        let spec = spec::Spec::parse(text, &KINDS)?;
        files.push(spec.rest);
    }
    file::open(&files)
}

#[cfg(test)]
mod tests;
