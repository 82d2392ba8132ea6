//! sFlow in captures: every UDP payload that is a datagram of it, on whatever port.

use como_core::field::Fields;
use como_core::packet::LinkType;
use como_core::source::{Chunk, Description, Flows, Source, SourceError, Turn};

use super::KIND;
use super::datagram::is_datagram;
use super::samples::Samples;
use crate::file::{self, Taken};
use crate::flow::senders::Senders;
use crate::flow::udp::udp;
use crate::spec::Options;

/// How many times captures are read in one turn, which may find no datagram in them.
const READS_MAX: usize = 64;

/// Captures whose sFlow datagrams are read.
pub struct Sampling {
    description: Description,
    packets: Box<dyn Source>,
    chunk: Chunk,
    // The next packet of the chunk.
    at: usize,
    // How the captures ended, once they have.
    end: Option<Result<Turn, SourceError>>,
    senders: Senders,
    samples: Samples,
}

/// Opens `FILE,option=value,...`; the file may be a glob, or `-` for standard input.
pub fn open(text: &str) -> Result<Vec<Box<dyn Source>>, SourceError> {
    let (file, options) = Options::behind(&KIND, text)?;
    let sources = file::open_with(file, Taken::AsTold, &options)?;
    let sampling = |packets| -> Result<_, SourceError> {
        let senders = Senders::parse(&options)?;
        Ok(Box::new(Sampling::new(file, packets, senders)) as Box<dyn Source>)
    };
    sources.into_iter().map(sampling).collect()
}

impl Sampling {
    /// Reads the datagrams among `packets`.
    pub fn new(name: &str, packets: Box<dyn Source>, senders: Senders) -> Self {
        let of = packets.description();
        Self {
            description: Description {
                name: format!("sflow:{name}"),
                links: vec![LinkType::ETHERNET],
                resolution: of.resolution,
                snaplen: 0,
                pace: of.pace,
                offers: Fields::ALL,
                size_bytes: of.size_bytes,
            },
            packets,
            chunk: Chunk::default(),
            at: 0,
            end: None,
            senders,
            samples: Samples::default(),
        }
    }

    /// Takes in what is left of the captures' chunk, or reads the next one; whether there was
    /// neither at the moment.
    fn read(&mut self, chunk: &mut Chunk) -> bool {
        while self.samples.has_room() && self.at < self.chunk.packets.len() {
            self.take();
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

    /// Takes in the next packet of the chunk, if it is a datagram.
    fn take(&mut self) {
        let Some(packet) = self.chunk.packets.get(self.at) else { return };
        let region = self.chunk.regions.get(usize::from(packet.region));
        let bytes = region.map_or(&[][..], |region| (**region).as_ref());
        let bytes = bytes.get(packet.offset as usize..).unwrap_or_default();
        let bytes = bytes.get(..packet.cap_len as usize).unwrap_or(bytes);
        let Some((sender, payload, _)) = udp(packet, bytes) else { return };
        if is_datagram(payload) && self.senders.are_heard(sender) {
            self.samples.take(sender, packet.ts, payload);
        }
    }
}

impl Source for Sampling {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        let is_read = |this: &Self| this.at >= this.chunk.packets.len();
        for _ in 0..READS_MAX {
            let is_idle = self.read(chunk);
            if is_idle || !self.samples.has_room() || self.end.is_some() && is_read(self) {
                break;
            }
        }
        self.samples.fill(chunk);
        chunk.read_bytes = self.chunk.read_bytes;
        let is_read = is_read(self);
        match self.end.take_if(|_| is_read) {
            Some(end) => end,
            None if chunk.packets.is_empty() => Ok(Turn::Idle),
            None => Ok(Turn::More),
        }
    }

    fn flows(&self) -> Option<Flows> {
        Some(self.samples.report())
    }
}
