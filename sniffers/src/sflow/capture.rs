//! sFlow in captures: every UDP payload that is a datagram of it, on whatever port.

use como_core::source::{Chunk, Description, Flows, Pace, Source, SourceError, Turn};

use super::KIND;
use super::datagram::is_datagram;
use super::samples::Samples;
use crate::flow::carried::{self, Carried, Datagram, Take};
use crate::flow::senders::Senders;
use crate::spec::Options;

/// Captures whose sFlow datagrams are read.
pub struct Sampling {
    description: Description,
    carried: Carried,
    samples: Samples,
}

impl Take for Samples {
    fn has_room(&self) -> bool {
        self.has_room()
    }

    fn take(&mut self, Datagram { sender, seen, payload, .. }: Datagram<'_>) {
        if is_datagram(payload) {
            self.take(sender, seen, payload);
        }
    }
}

/// Opens `FILE,option=value,...`; the file may be a glob, or `-` for standard
/// input; `pipes` is how packets come of that.
pub fn open(text: &str, pipes: Pace) -> Result<Vec<Box<dyn Source>>, SourceError> {
    let (file, options) = Options::behind(&KIND, text)?;
    let senders = Senders::parse(&options)?;
    let name = file.to_owned();
    let sampling = move |packets| -> Box<dyn Source> {
        Box::new(Sampling::new(&name, packets, senders.clone()))
    };
    carried::open(file, &options, pipes, Box::new(sampling))
}

/// The datagrams among `packets`; `text` is `NAME,option=value,...`.
pub fn over(text: &str, packets: Box<dyn Source>) -> Result<Box<dyn Source>, SourceError> {
    let (name, options) = Options::behind(&KIND, text)?;
    Ok(Box::new(Sampling::new(name, packets, Senders::parse(&options)?)))
}

impl Sampling {
    /// Reads the datagrams among `packets`.
    fn new(name: &str, packets: Box<dyn Source>, senders: Senders) -> Self {
        let of = packets.description();
        Self {
            description: Description {
                resolution: of.resolution,
                size_bytes: of.size_bytes,
                ..super::description(format!("sflow:{name}"), of.pace)
            },
            carried: Carried::new(packets, senders),
            samples: Samples::default(),
        }
    }
}

impl Source for Sampling {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        for _ in 0..Carried::READS_MAX {
            let is_idle = self.carried.read(&mut self.samples, chunk);
            if is_idle || !self.samples.has_room() || self.carried.is_read() {
                break;
            }
        }
        self.samples.fill(chunk);
        self.samples.tell(&mut self.description);
        chunk.read_bytes = self.carried.read_bytes();
        match self.carried.take_end() {
            Some(end) => end,
            None if chunk.packets.is_empty() => Ok(Turn::Idle),
            None => Ok(Turn::More),
        }
    }

    fn flows(&self) -> Option<Flows> {
        Some(self.samples.report())
    }
}
