//! A collector: sFlow datagrams as agents send them, over UDP.

use como_core::source::{Chunk, Description, Flows, Pace, Source, SourceError, Turn};
use como_core::time::{Span, Ts};

use super::KIND;
use super::samples::Samples;
use crate::flow::listener::Listener;
use crate::flow::senders::Senders;
use crate::ready::PATIENCE;
use crate::spec::Options;

/// A UDP port that agents send to.
pub struct Collector {
    description: Description,
    listener: Listener,
    samples: Samples,
}

impl Collector {
    /// Opens `udp://ADDR:PORT,option=value,...`; without an address, any of this machine's.
    pub fn open(text: &str) -> Result<Self, SourceError> {
        let (place, options) = Options::of_device(&KIND, text)?;
        let place = place.strip_prefix("udp://").unwrap_or(place);
        let listener = Listener::open(&KIND, 6343, place, Senders::parse(&options)?)?;
        Ok(Self {
            description: Description {
                resolution: Span(1),
                timed_here: true,
                ..super::description(listener.name().to_owned(), Pace::Live)
            },
            listener,
            samples: Samples::default(),
        })
    }

    /// Where it listens, its port chosen by the system if it was given as 0.
    #[cfg(test)]
    pub fn place(&self) -> std::net::SocketAddr {
        self.listener.place()
    }
}

impl Source for Collector {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        if self.listener.is_ready(PATIENCE) {
            let arrived = Ts::now();
            while self.samples.has_room() {
                let Some((sender, datagram)) = self.listener.receive()? else { break };
                self.samples.take(sender, arrived, datagram);
            }
        }
        self.samples.fill(chunk);
        self.samples.tell(&mut self.description);
        chunk.counts.add(self.listener.newly_lost());
        chunk.read_bytes = self.listener.read_bytes();
        Ok(if chunk.packets.is_empty() { Turn::Idle } else { Turn::More })
    }

    fn flows(&self) -> Option<Flows> {
        Some(self.samples.report())
    }
}
