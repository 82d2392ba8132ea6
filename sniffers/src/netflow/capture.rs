//! Export packets in captures: every UDP payload that is one, on whatever port.

use como_core::packet::LinkType;
use como_core::source::{Chunk, Description, Flows, Source, SourceError, Turn};
use como_core::time::Span;

use super::KIND;
use super::decoder::{Decoder, is_export};
use crate::file::{self, Taken};
use crate::flow::line::Line;
use crate::flow::senders::Senders;
use crate::flow::udp::udp;
use crate::flow::{self, Shape};
use crate::spec::Options;

/// How long records of a file wait to be put in order: the longest active timeout in use.
const DISORDER: Span = Span::from_secs(30 * 60);

/// How many times captures are read in one turn, which may find no export in them.
const READS_MAX: usize = 64;

/// Captures whose export packets are read.
pub struct Exports {
    description: Description,
    packets: Box<dyn Source>,
    chunk: Chunk,
    // The next packet of the chunk.
    at: usize,
    // How the captures ended, once they have.
    end: Option<Result<Turn, SourceError>>,
    senders: Senders,
    decoder: Decoder,
    line: Line,
}

/// Opens `FILE,option=value,...`; the file may be a glob, or `-` for standard input.
pub fn open(text: &str) -> Result<Vec<Box<dyn Source>>, SourceError> {
    let (file, options) = Options::behind(&KIND, text)?;
    let shape = Shape::parse(&options, DISORDER)?;
    let sources = file::open_with(file, Taken::AsTold, &options)?.into_iter().map(
        |packets| -> Result<_, SourceError> {
            let senders = Senders::parse(&options)?;
            Ok(Box::new(Exports::new(file, packets, senders, shape)) as Box<dyn Source>)
        },
    );
    sources.collect()
}

impl Exports {
    /// Reads the export packets among `packets`.
    fn new(name: &str, packets: Box<dyn Source>, senders: Senders, shape: Shape) -> Self {
        let of = packets.description();
        Self {
            description: Description {
                name: format!("netflow:{name}"),
                links: vec![LinkType::RAW],
                resolution: Span(1_000_000),
                snaplen: 0,
                pace: of.pace,
                offers: flow::OFFERS,
                size_bytes: of.size_bytes,
            },
            packets,
            chunk: Chunk::default(),
            at: 0,
            end: None,
            senders,
            decoder: Decoder::default(),
            line: Line::new(shape),
        }
    }

    /// Decodes what is left of the captures' chunk, or reads the next one; whether there was
    /// neither at the moment.
    fn read(&mut self, chunk: &mut Chunk) -> bool {
        while self.line.has_room() && self.at < self.chunk.packets.len() {
            self.decode(self.at);
            self.at += 1;
        }
        if self.at < self.chunk.packets.len() || self.end.is_some() {
            return false;
        }
        self.chunk.clear();
        self.at = 0;
        let turn = self.packets.next(&mut self.chunk);
        chunk.counts.add(self.chunk.counts);
        match turn {
            Ok(Turn::More) => false,
            Ok(Turn::Idle) => self.chunk.packets.is_empty(),
            // What the last chunk holds comes first.
            end => {
                self.end = Some(end);
                false
            }
        }
    }

    /// Decodes packet `at` of the chunk, if it is an export packet.
    fn decode(&mut self, at: usize) {
        let Some(packet) = self.chunk.packets.get(at) else { return };
        let region = self.chunk.regions.get(usize::from(packet.region));
        let bytes = region.map_or(&[][..], |region| (**region).as_ref());
        let start = packet.offset as usize;
        let bytes = bytes.get(start..).unwrap_or_default();
        let bytes = bytes.get(..packet.cap_len as usize).unwrap_or(bytes);
        let Some((addr, payload, sent)) = udp(packet, bytes) else { return };
        if !is_export(payload, sent) || !self.senders.are_heard(addr) {
            return;
        }
        if let Some(sent) = self.decoder.decode(addr, packet.ts, payload, &mut self.line.read) {
            self.line.note_time(sent);
        }
    }
}

impl Source for Exports {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        let (mut end, mut idle) = (None, false);
        for _ in 0..READS_MAX {
            idle = self.read(chunk);
            let is_read = self.end.is_some() && self.at >= self.chunk.packets.len();
            if is_read {
                self.line.end();
            }
            if self.line.fill(chunk, idle) || idle {
                break;
            }
            if is_read {
                end = self.end.take();
                break;
            }
        }
        chunk.counts.malformed += self.decoder.newly_undecodable();
        chunk.read_bytes = self.chunk.read_bytes;
        match end {
            Some(end) => end,
            None if idle && chunk.packets.is_empty() => Ok(Turn::Idle),
            None => Ok(Turn::More),
        }
    }

    fn flows(&self) -> Option<Flows> {
        Some(self.decoder.report())
    }
}

#[cfg(test)]
mod tests;
