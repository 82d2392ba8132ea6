//! `netflow`: flow records out of NetFlow v5, v7, v9 and IPFIX export packets.
//!
//! The packets come from captures ([`capture`]) or over UDP ([`collector`]);
//! `decoder` makes records of them, `crate::flow` makes packets of those. The
//! decoder is our own: it must meet hostile bytes with checked code and bounded
//! memory, and allocate nothing for a record.

pub mod capture;
pub mod collector;
pub mod decoder;
pub mod made;

mod clock;
mod element;
mod exporter;
mod fixed;
mod record;
mod sampling;
mod template;

use como_core::source::{Pace, Source, SourceError};

pub(crate) use clock::{Clock, When};

use crate::spec::{Kind, Opens, OptionDoc};
use crate::{file, flow};

/// Flow records in export packets, as `como sniffers` shows them.
pub const KIND: Kind = Kind {
    name: "netflow",
    usage: "netflow:FILE, netflow:udp://ADDR:PORT,flows=spread",
    doc: "Flow records of NetFlow v5, v7, v9 and IPFIX, from the export packets in a capture or \
          as a collector on a UDP port. A packet stands for each flow, with its counters as \
          weight.",
    offers: "headers without payload: addresses, protocol, ports, TCP flags, type of service; \
             counts as weight, exact in sum; times to the millisecond",
    options: &OPTIONS,
    opens: Opens::OfBytes(
        |text, around| open(text, around.pipes),
        |text, bytes| capture::over(text, Box::new(file::Capture::of_bytes(text, bytes))),
    ),
};

const OPTIONS: [OptionDoc; 6] = [
    flow::OPTIONS[0],
    flow::OPTIONS[1],
    flow::OPTIONS[2],
    file::KIND.options[0],
    file::KIND.options[1],
    OptionDoc {
        name: "from",
        default: "anyone",
        doc: "Exporters to listen to, addresses or networks joined by `+`; others are refused.",
    },
];

/// Opens what stands behind `netflow:`.
pub fn open(text: &str, pipes: Pace) -> Result<Vec<Box<dyn Source>>, SourceError> {
    match text.starts_with("udp://") {
        true => Ok(vec![Box::new(collector::Collector::open(text)?)]),
        false => capture::open(text, pipes),
    }
}
