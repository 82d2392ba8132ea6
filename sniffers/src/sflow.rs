//! `sflow`: sampled packets out of sFlow datagrams, versions 4 and 5.
//!
//! The datagrams come from captures (`capture`) or over UDP (`collector`).
//! `datagram` finds the samples in them, `agents` knows who sent what and
//! what is missing, `samples` makes packets: the sampled header as it was,
//! which stands for as many packets as the sampling rate says.

pub mod capture;
pub mod collector;
pub mod made;

mod agents;
mod datagram;
mod samples;

use como_core::packet::LinkType;
use como_core::source::{Description, Pace, Source, SourceError, Treatment};

use crate::file;
use crate::spec::{Kind, Opens, OptionDoc};

/// Sampled packets, as `como sniffers` shows them.
pub const KIND: Kind = Kind {
    name: "sflow",
    usage: "sflow:FILE, sflow:udp://ADDR:PORT",
    doc: "Packets sampled by switches and routers, out of the sFlow datagrams (v4, v5) in a \
          capture or as a collector on a UDP port. Each stands for as many as its sampling rate \
          says.",
    offers: "the first bytes of sampled packets, 128 where nothing else is set, every field within \
             them; weight is the sampling rate; times are those of arrival",
    options: &OPTIONS,
    opens: Opens::OfBytes(
        |text, around| open(text, around.pipes),
        |text, bytes| capture::over(text, Box::new(file::Capture::of_bytes(text, bytes))),
    ),
};

const OPTIONS: [OptionDoc; 3] = [
    file::KIND.options[0],
    file::KIND.options[1],
    OptionDoc {
        name: "from",
        default: "anyone",
        doc: "Agents to listen to, addresses or networks joined by `+`; others are refused.",
    },
];

/// How much of a packet agents send unless they are told otherwise (sFlow.org, "sFlow Version 5",
/// `sFlowFsMaximumHeaderSize`).
const HEADER_BYTES: u32 = 128;

/// What a source of samples offers, as far as known when it opens.
fn description(name: String, pace: Pace) -> Description {
    Description {
        links: vec![LinkType::ETHERNET],
        snaplen: HEADER_BYTES,
        lineage: vec![Treatment::CutByAgents],
        ..Description::new(name, pace)
    }
}

/// Opens what stands behind `sflow:`.
pub fn open(text: &str, pipes: Pace) -> Result<Vec<Box<dyn Source>>, SourceError> {
    match text.starts_with("udp://") {
        true => Ok(vec![Box::new(collector::Collector::open(text)?)]),
        false => capture::open(text, pipes),
    }
}

#[cfg(test)]
mod tests;
