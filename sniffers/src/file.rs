//! `pcap` and `erf`: capture files, pipes and standard input.
//!
//! The readers are our own: the format is small, a hostile file must meet
//! checked code, and packets of a mapped file are delivered without a copy.
//! `records` is the formats, `input` the bytes, [`capture`] the source.

pub mod capture;
pub mod follow;
pub mod series;
pub mod write;

mod buffered;
mod compressed;
mod erf;
mod input;
mod mapped;
mod pcap;
mod pcapng;
mod prefetch;
mod records;

use std::path::{Path, PathBuf};

use como_core::source::{Pace, Source, SourceError};

pub use capture::Capture;
pub use follow::Follow;
pub(crate) use records::Order;
pub use series::Series;
pub use write::{LAST, Step, WriteError, Writer};

use crate::paced::{self, Paced};
use crate::spec::{Kind, Opens, OptionDoc, Options};

/// Capture files, as `como sniffers` shows them.
pub const KIND: Kind = Kind {
    name: "pcap",
    usage: "pcap:FILE, FILE, 'GLOB', -",
    doc: "Capture files in pcap, pcapng or ERF format, plain or in gzip, zstd, xz or lz4; \
          - is standard input. Several files are read in the order of their first packets.",
    offers: "whole packets as far as they were captured, every field of their link types; times as \
             fine as the file's",
    options: &OPTIONS,
    opens: Opens::Files(Taken::AsTold),
};

/// Files in Endace's format, as `como sniffers` shows them.
pub const ERF: Kind = Kind {
    name: "erf",
    usage: "erf:FILE, 'erf:GLOB', erf:-",
    doc: "Capture files in ERF, the format of Endace's DAG cards. It has no magic number: `pcap` \
          recognises most, this takes any file for one.",
    offers: "whole packets as far as they were captured, every field of their link types; times to \
             a quarter of a nanosecond, kept in nanoseconds; losses counted",
    options: &OPTIONS,
    opens: Opens::Files(Taken::AsErf),
};

const OPTIONS: [OptionDoc; 2] = [
    OptionDoc {
        name: "speed",
        default: "max",
        doc: "How many times as fast as they came packets are read: 1x, 10x, max.",
    },
    OptionDoc {
        name: "follow",
        default: "false",
        doc: "Read on as files grow and new ones appear; FILE may be a folder.",
    },
];

/// What files are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// What their first bytes say.
    AsTold,
    /// ERF.
    AsErf,
}

impl Taken {
    fn format(self) -> records::Format {
        match self {
            Self::AsTold => records::Format::Unknown,
            Self::AsErf => records::Format::Erf(erf::Erf::default()),
        }
    }
}

/// The most captured bytes a packet may have; a file that claims more is damaged.
pub const CAP_LEN_MAX: usize = 256 << 10;

/// Opens what `texts` name: a file, a glob, or `-` for standard input each.
///
/// All plain files together are one source, read in time order; standard input and each named
/// pipe are sources of their own, because nobody can look at their first packet and come back;
/// `pipes` says whether other sources wait for what they have next.
pub fn open(
    texts: &[&str],
    taken: Taken,
    pipes: Pace,
) -> Result<Vec<Box<dyn Source>>, SourceError> {
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    let mut files = Vec::new();
    for text in texts {
        if *text == "-" {
            sources.push(Box::new(Capture::of_stdin(taken)?.come(pipes)));
            continue;
        }
        for path in paths(text)? {
            if path.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir()) {
                sources.push(Box::new(Capture::open(&path, taken)?.come(pipes)));
            } else {
                files.push(path);
            }
        }
    }
    match files.as_slice() {
        [] => {}
        [file] => sources.insert(0, Box::new(Capture::open(file, taken)?)),
        _ => {
            let name = format!("{}:{}", taken.format().name(), texts.join(" "));
            sources.insert(0, Box::new(Series::open(&name, files, taken)?));
        }
    }
    Ok(sources)
}

/// Opens what a text names that has options of its own; `pipes` as for [`open`].
pub fn open_with(
    name: &str,
    taken: Taken,
    options: &Options,
    pipes: Pace,
) -> Result<Vec<Box<dyn Source>>, SourceError> {
    let speed = paced::speed(options)?;
    let sources = match options.flag("follow", false)? {
        true => vec![Box::new(Follow::open(name, taken)?) as Box<dyn Source>],
        false => open(&[name], taken, pipes)?,
    };
    let pace = |source| -> Box<dyn Source> {
        match speed {
            Some(speed) => Box::new(Paced::new(source, speed)),
            None => source,
        }
    };
    Ok(sources.into_iter().map(pace).collect())
}

/// The paths a text names: itself, or what matches it as a glob if no such file exists.
pub(crate) fn paths(text: &str) -> Result<Vec<PathBuf>, SourceError> {
    let wrong = |why: String| SourceError::Spec { text: text.to_owned(), why };
    if text.is_empty() {
        return Err(wrong("names no file".to_owned()));
    }
    if Path::new(text).exists() || !text.contains(['*', '?', '[']) {
        return Ok(vec![PathBuf::from(text)]);
    }
    let matches = glob::glob(text).map_err(|e| wrong(e.to_string()))?;
    let mut paths = Vec::new();
    for path in matches {
        let path = path.map_err(|e| {
            let name = e.path().display().to_string();
            SourceError::Io { what: "read", name, source: e.into() }
        })?;
        if !path.is_dir() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(wrong("no file matches".to_owned()));
    }
    Ok(paths)
}

#[cfg(test)]
mod tests;
