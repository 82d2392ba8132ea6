//! Sources: each turns bytes of one kind into chunks of packets.
//!
//! Everything here stands behind [`como_core::source::Source`]; [`open`] is the
//! door, [`list`] what there is behind it. A kind is one file or folder.

use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use como_core::source::{Pace, Source, SourceError};

pub use checked::check;
pub use decap::ANY;
use file::{Capture, Taken};
pub use named::{beside, files};
pub use ondemand::{Nowhere, Past};
use spec::{Around, Opens, Options, Spec};
pub use spec::{Kind, OptionDoc};

mod checked;
mod copier;
mod decap;
mod flow;
mod interface;
mod named;
mod paced;
mod pool;
mod ready;
mod spec;

#[cfg(target_os = "linux")]
pub mod afpacket;
pub mod como;
pub mod file;
pub mod flowtools;
pub mod generate;
pub mod live;
pub mod netflow;
pub mod ondemand;
pub mod over_ip;
pub mod sflow;

/// Every kind of source, the one that a text without a kind means first.
const KINDS: &[Kind] = &[
    file::KIND,
    file::ERF,
    over_ip::KIND,
    live::KIND,
    #[cfg(target_os = "linux")]
    afpacket::KIND,
    como::KIND,
    ondemand::KIND,
    netflow::KIND,
    sflow::KIND,
    flowtools::KIND,
    generate::KIND,
];

/// Describes every kind of source and its options.
pub fn list() -> &'static [Kind] {
    KINDS
}

/// The interfaces of this machine that may be captured from, as far as it tells.
pub fn interfaces() -> Vec<String> {
    live::names()
}

/// Opens what `text` names: a bare path or glob, `-` for standard input, or `KIND:...` of any kind
/// that [`list`] tells of.
pub fn open(text: &str) -> Result<Vec<Box<dyn Source>>, SourceError> {
    open_all(&[text], &Nowhere)
}

/// Opens a capture file by its path, whose name may be no text at all.
pub fn open_file(path: &Path) -> Result<Box<dyn Source>, SourceError> {
    Ok(Box::new(Capture::open(path, Taken::AsTold)?))
}

/// Opens several texts at once. All plain files among them become one source in time order, so
/// that a thousand files cost one thread. `past` is where records to replay are found.
pub fn open_all(texts: &[&str], past: &dyn Past) -> Result<Vec<Box<dyn Source>>, SourceError> {
    let (pipes, others): (Vec<&str>, Vec<&str>) = texts.iter().partition(|text| is_pipe(text));
    if let [_, again, ..] = pipes.iter().filter(|text| is_stdin(text)).collect::<Vec<_>>()[..] {
        let why = "standard input can be read once: name it once".to_owned();
        return Err(SourceError::Spec { text: (*again).to_owned(), why });
    }
    let mut sources = open_each(&others, past, Pace::Stored)?;
    // Nobody knows when the next packet of a pipe comes: a wire must not wait for it.
    let come = sources.iter().any(|source| source.description().pace != Pace::Stored);
    let pace = if come { Pace::Stream } else { Pace::Stored };
    sources.splice(0..0, open_each(&pipes, past, pace)?);
    Ok(sources)
}

/// Whether a text names standard input, with options or without.
fn is_stdin(text: &str) -> bool {
    let Ok(Spec { rest, .. }) = Spec::parse(text, KINDS) else { return false };
    rest.split(',').next() == Some("-")
}

/// Whether a text names standard input or a named pipe, with options or without.
fn is_pipe(text: &str) -> bool {
    let Ok(Spec { rest, .. }) = Spec::parse(text, KINDS) else { return false };
    let name = if Path::new(rest).exists() { rest } else { rest.split(',').next().unwrap_or(rest) };
    name == "-" || Path::new(name).metadata().is_ok_and(|meta| meta.file_type().is_fifo())
}

/// Opens several texts; `pipes` is how packets come of those that are no files.
fn open_each(
    texts: &[&str],
    past: &dyn Past,
    pipes: Pace,
) -> Result<Vec<Box<dyn Source>>, SourceError> {
    let (mut files, mut erf_files) = (Vec::new(), Vec::new());
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    for text in texts {
        let spec = Spec::parse(text, KINDS)?;
        let (rest, wants_inside) = decap::take(spec.rest)?;
        if rest != spec.rest {
            let opened = open_each(&[&format!("{}:{rest}", spec.kind.name)], past, pipes)?;
            sources.extend(opened.into_iter().map(|source| decap::of(source, wants_inside)));
            continue;
        }
        match spec.kind.opens {
            Opens::Each(open) | Opens::OfBytes(open, _) => {
                sources.extend(open(spec.rest, &Around { past, pipes })?);
            }
            Opens::Files(taken) => {
                let (name, options) = Options::behind(spec.kind, spec.rest)?;
                match options.is_empty() {
                    true if taken == Taken::AsErf => erf_files.push(name),
                    true => files.push(name),
                    false => sources.extend(file::open_with(name, taken, &options, pipes)?),
                }
            }
        }
    }
    sources.splice(0..0, file::open(&erf_files, Taken::AsErf, pipes)?);
    sources.splice(0..0, file::open(&files, Taken::AsTold, pipes)?);
    Ok(sources)
}

/// Reads `bytes` as what `text` says, as if they were a file of that kind and name: a capture that
/// is held in memory, or comes from where no path leads to. Packed bytes are not unpacked.
pub fn read(text: &str, bytes: Box<dyn Read + Send>) -> Result<Box<dyn Source>, SourceError> {
    let spec = Spec::parse(text, KINDS)?;
    let (rest, wants_inside) = decap::take(spec.rest)?;
    let source = match spec.kind.opens {
        Opens::Files(taken) => Box::new(Capture::of_reader(rest, bytes, taken)),
        Opens::OfBytes(_, read) => read(&rest, bytes)?,
        Opens::Each(_) => {
            let why = format!("`{}` is no kind of file", spec.kind.name);
            return Err(SourceError::Spec { text: text.to_owned(), why });
        }
    };
    Ok(decap::of(source, wants_inside))
}

#[cfg(test)]
mod tests;
