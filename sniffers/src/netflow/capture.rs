//! Export packets in captures: every UDP payload that is one, on whatever port.

use como_core::source::{Chunk, Description, Flows, Pace, Source, SourceError, Turn};
use como_core::time::Span;

use super::KIND;
use super::decoder::{Decoder, is_export};
use crate::flow::carried::{self, Carried, Datagram, Take};
use crate::flow::line::Line;
use crate::flow::senders::Senders;
use crate::flow::{self, Shape};
use crate::spec::Options;

/// How long records of a file wait to be put in order: the longest active timeout in use.
const DISORDER: Span = Span::from_secs(30 * 60);

/// Captures whose export packets are read.
pub struct Exports {
    description: Description,
    carried: Carried,
    records: Records,
}

/// What becomes of the exports.
struct Records {
    decoder: Decoder,
    line: Line,
}

impl Take for Records {
    fn has_room(&self) -> bool {
        self.line.has_room()
    }

    fn take(&mut self, Datagram { sender, seen, payload, sent }: Datagram<'_>) {
        if !is_export(payload, sent) {
            return;
        }
        if let Some(sent) = self.decoder.decode(sender, seen, payload, &mut self.line.read) {
            self.line.note_time(sent);
        }
    }
}

/// Opens `FILE,option=value,...`; the file may be a glob, or `-` for standard
/// input; `pipes` is how packets come of that.
pub fn open(text: &str, pipes: Pace) -> Result<Vec<Box<dyn Source>>, SourceError> {
    let (file, options) = Options::behind(&KIND, text)?;
    let (shape, senders) = asked(&options)?;
    let name = file.to_owned();
    let exports = move |packets| -> Box<dyn Source> {
        Box::new(Exports::new(&name, packets, senders.clone(), shape))
    };
    carried::open(file, &options, pipes, Box::new(exports))
}

/// The export packets among `packets`; `text` is `NAME,option=value,...`.
pub fn over(text: &str, packets: Box<dyn Source>) -> Result<Box<dyn Source>, SourceError> {
    let (name, options) = Options::behind(&KIND, text)?;
    let (shape, senders) = asked(&options)?;
    Ok(Box::new(Exports::new(name, packets, senders, shape)))
}

/// What the options ask for.
fn asked(options: &Options) -> Result<(Shape, Senders), SourceError> {
    Ok((Shape::parse(options, DISORDER)?, Senders::parse(options)?))
}

impl Exports {
    /// Reads the export packets among `packets`.
    fn new(name: &str, packets: Box<dyn Source>, senders: Senders, shape: Shape) -> Self {
        let of = packets.description();
        Self {
            description: Description {
                size_bytes: of.size_bytes,
                ..flow::description(format!("netflow:{name}"), of.pace, shape)
            },
            carried: Carried::new(packets, senders),
            records: Records { decoder: Decoder::default(), line: Line::new(shape) },
        }
    }
}

impl Source for Exports {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        let (mut end, mut idle) = (None, false);
        for _ in 0..Carried::READS_MAX {
            idle = self.carried.read(&mut self.records, chunk);
            let is_read = self.carried.is_read();
            if is_read {
                self.records.line.end();
            }
            if self.records.line.fill(chunk, idle) || idle {
                break;
            }
            if is_read {
                end = self.carried.take_end();
                break;
            }
        }
        chunk.counts.malformed += self.records.decoder.newly_undecodable();
        self.description.sampling = self.records.decoder.sampling();
        chunk.read_bytes = self.carried.read_bytes();
        match end {
            Some(end) => end,
            None if idle && chunk.packets.is_empty() => Ok(Turn::Idle),
            None => Ok(Turn::More),
        }
    }

    fn flows(&self) -> Option<Flows> {
        Some(self.records.decoder.report())
    }
}

#[cfg(test)]
mod tests;
