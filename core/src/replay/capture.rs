//! A replay as a capture: pcapng or pcap, through a filter, as the packets of a `trace` are given.

use std::io::Write;
use std::sync::Arc;

use super::{OnDemand, ReplayError};
use crate::batch::Batch;
use crate::filter::{Expr, Plan};
use crate::lookup::Lookups;
use crate::packet::{Known, LinkType, Packet};
use crate::source::{Chunk, Description, Source, Treatment, Turn};
use crate::storage::packets::{Capture, CopyError, PCAP_SNAPLEN};
use crate::storage::pcapng::{self, Stands};

/// Why a replay was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// It goes no further.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// Its packets do not fit into the capture.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// It cannot be written.
    #[error("cannot write the packets")]
    Write(#[from] std::io::Error),
}

/// Writes all packets of a replay that a filter passes, which looks addresses up in the tables
/// given, and returns how many.
pub fn write(
    mut source: OnDemand,
    (filter, lookups): (Option<&Expr>, &Arc<Lookups>),
    capture: Capture,
    out: &mut dyn Write,
) -> Result<u64, WriteError> {
    let mut plan = Plan::default();
    let slot = filter.map(|filter| plan.add(filter));
    let mut made = Made { capture, links: Vec::new(), bytes: Vec::new() };
    let (mut chunk, mut batch, mut written) = (Chunk::default(), Batch::default(), 0);
    loop {
        out.write_all(&made.bytes)?;
        made.bytes.clear();
        chunk.clear();
        let turn = source.turn(&mut chunk)?;
        if turn == Turn::End && chunk.packets.is_empty() {
            break;
        }
        batch.clear();
        batch.take_chunk(&mut chunk);
        let picked = slot.map(|slot| {
            batch.set_lookups(lookups);
            batch.decode(plan.demand());
            plan.run(&mut batch);
            batch.pick(slot).cloned()
        });
        for at in 0..batch.len() {
            if picked.as_ref().is_none_or(|p| p.as_ref().is_some_and(|p| p.contains(at))) {
                made.put(&batch, at, source.description())?;
                written += 1;
            }
        }
    }
    if made.links.is_empty() {
        let link = source.description().links.first().copied().unwrap_or(LinkType::RAW);
        made.number(link, source.description())?;
        out.write_all(&made.bytes)?;
    }
    out.flush()?;
    Ok(written)
}

/// Writes a capture without a packet, for records of which nothing is known yet.
pub fn write_nothing(capture: Capture, out: &mut dyn Write) -> Result<u64, WriteError> {
    let mut bytes = Vec::new();
    match capture {
        Capture::Pcapng => {
            pcapng::put_section(&mut bytes);
            pcapng::put_interface(&mut bytes, LinkType::RAW, "nothing", 0);
        }
        Capture::Pcap => pcapng::put_pcap_header(&mut bytes, LinkType::RAW, PCAP_SNAPLEN),
    }
    out.write_all(&bytes)?;
    out.flush()?;
    Ok(0)
}

/// A capture being made.
struct Made {
    capture: Capture,
    // What the packets so far begin with, each the link type of an interface.
    links: Vec<LinkType>,
    // What is not written yet.
    bytes: Vec<u8>,
}

impl Made {
    /// Appends a packet, with whatever must stand before it.
    fn put(&mut self, batch: &Batch, at: usize, of: &Description) -> Result<(), CopyError> {
        let packet = &batch.all()[at];
        let Packet { ts, wire_len, link, .. } = *packet;
        let (number, data) = (self.number(link, of)?, batch.data(at));
        match self.capture {
            Capture::Pcapng => {
                let stands = Stands::of(batch, at);
                pcapng::put_packet(&mut self.bytes, number, ts, data, wire_len, stands);
            }
            Capture::Pcap => {
                self.bytes.extend(pcapng::pcap_head(ts, data.len() as u32, wire_len));
                self.bytes.extend(data);
            }
        }
        Ok(())
    }

    /// The number of the interface whose packets begin with `link`, described if it is new.
    fn number(&mut self, link: LinkType, of: &Description) -> Result<u32, CopyError> {
        if let Some(known) = self.links.iter().position(|known| *known == link) {
            return Ok(known as u32);
        }
        match (self.capture, self.links.first().copied()) {
            (Capture::Pcapng, first) => {
                if first.is_none() {
                    pcapng::put_section(&mut self.bytes);
                }
                let told: Vec<String> = of.lineage.iter().map(Treatment::to_string).collect();
                let cooked = link == LinkType::LINUX_SLL;
                let known = if cooked { Known::ETHER_TYPE } else { Known::NONE };
                let fields = of.offers.and(known.fields());
                let told = told.join(", then ");
                pcapng::put_made_interface(&mut self.bytes, link, &of.name, &told, fields);
            }
            (Capture::Pcap, None) => pcapng::put_pcap_header(&mut self.bytes, link, PCAP_SNAPLEN),
            (Capture::Pcap, Some(first)) => return Err(CopyError::Links { first, other: link }),
        }
        self.links.push(link);
        Ok(self.links.len() as u32 - 1)
    }
}
