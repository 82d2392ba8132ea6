//! A collector: export packets as exporters send them, over UDP.

use como_core::source::{Chunk, Description, Flows, Pace, Source, SourceError, Turn};
use como_core::time::{Span, Ts};

use super::KIND;
use super::decoder::Decoder;
use crate::flow::line::Line;
use crate::flow::listener::Listener;
use crate::flow::senders::Senders;
use crate::flow::{self, Shape};
use crate::ready::PATIENCE;
use crate::spec::Options;

/// A UDP port that exporters send to.
pub struct Collector {
    description: Description,
    listener: Listener,
    decoder: Decoder,
    line: Line,
}

impl Collector {
    /// Opens `udp://ADDR:PORT,option=value,...`; without an address, any of this machine's.
    pub fn open(text: &str) -> Result<Self, SourceError> {
        let (place, options) = Options::of_device(&KIND, text)?;
        let place = place.strip_prefix("udp://").unwrap_or(place);
        let shape = Shape::parse(&options, Span(0))?;
        let listener = Listener::open(&KIND, 2055, place, Senders::parse(&options)?)?;
        Ok(Self {
            description: flow::description(listener.name().to_owned(), Pace::Live, shape),
            listener,
            decoder: Decoder::default(),
            line: Line::new(shape),
        })
    }

    /// Where it listens, its port chosen by the system if it was given as 0.
    #[cfg(test)]
    pub fn place(&self) -> std::net::SocketAddr {
        self.listener.place()
    }

    /// Decodes what has arrived, until there are records enough.
    fn read(&mut self) -> Result<(), SourceError> {
        let arrived = Ts::now();
        while self.line.has_room() {
            let Some((addr, packet)) = self.listener.receive()? else { break };
            self.decoder.decode(addr, arrived, packet, &mut self.line.read);
        }
        Ok(())
    }
}

impl Source for Collector {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        if self.line.has_room() && self.listener.is_ready(PATIENCE) {
            self.read()?;
        }
        // Also where nothing arrives: what has waited long enough leaves.
        self.line.note_time(Ts::now());
        self.line.fill(chunk, true);
        chunk.counts.add(self.listener.newly_lost());
        chunk.counts.malformed += self.decoder.newly_undecodable();
        self.description.sampling = self.decoder.sampling();
        chunk.read_bytes = self.listener.read_bytes();
        Ok(if chunk.packets.is_empty() { Turn::Idle } else { Turn::More })
    }

    fn flows(&self) -> Option<Flows> {
        Some(self.decoder.report())
    }
}

#[cfg(test)]
mod tests;
