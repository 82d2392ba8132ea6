//! `sflow`: sampled packets out of sFlow version 5 datagrams.
//!
//! The datagrams come from captures (`capture`) or over UDP (`collector`).
//! `datagram` finds the samples in them, `agents` knows who sent what and
//! what is missing, `samples` makes packets: the sampled header as it was,
//! which stands for as many packets as the sampling rate says.

pub mod capture;
pub mod collector;

mod agents;
mod datagram;
mod samples;

use como_core::source::{Source, SourceError};

use crate::file;
use crate::spec::{Kind, OptionDoc};

/// Sampled packets, as `como sniffers` shows them.
pub const KIND: Kind = Kind {
    name: "sflow",
    usage: "sflow:FILE, sflow:udp://ADDR:PORT",
    doc: "Packets sampled by switches and routers, out of the sFlow v5 datagrams in a capture or as \
          a collector on a UDP port. Each stands for as many as its sampling rate says.",
    options: &OPTIONS,
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

/// Opens what stands behind `sflow:`.
pub fn open(text: &str) -> Result<Vec<Box<dyn Source>>, SourceError> {
    match text.strip_prefix("udp://") {
        Some(rest) => Ok(vec![Box::new(collector::Collector::open(rest)?)]),
        None => capture::open(text),
    }
}

#[cfg(test)]
mod tests;
