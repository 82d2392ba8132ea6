//! A replay as a capture: pcapng or pcap, through a filter, as the packets of a `trace` are given.

use std::io::Write;
use std::sync::Arc;

use super::{OnDemand, ReplayError};
use crate::batch::Batch;
use crate::filter::{Expr, Plan};
use crate::lookup::Lookups;
use crate::packet::{LinkType, Packet};
use crate::source::{Chunk, Source, Treatment, Turn};
use crate::storage::packets::{Capture, PCAP_SNAPLEN};
use crate::storage::pcapng::{self, Stands};

/// Why a replay was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// It goes no further.
    #[error(transparent)]
    Replay(#[from] ReplayError),
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
    // All packets of one way to replay begin alike.
    let link = source.description().links.first().copied().unwrap_or(LinkType::RAW);
    let mut bytes = Vec::new();
    begin(&source, link, capture, &mut bytes);
    let (mut chunk, mut batch, mut written) = (Chunk::default(), Batch::default(), 0);
    loop {
        out.write_all(&bytes)?;
        bytes.clear();
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
            let is_picked =
                picked.as_ref().is_none_or(|p| p.as_ref().is_some_and(|p| p.contains(at)));
            let packet = &batch.all()[at];
            if is_picked && packet.link == link {
                put(packet, &batch, at, capture, &mut bytes);
                written += 1;
            }
        }
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

/// Appends what the capture begins with.
fn begin(source: &OnDemand, link: LinkType, capture: Capture, out: &mut Vec<u8>) {
    let description = source.description();
    match capture {
        Capture::Pcapng => {
            let told: Vec<String> = description.lineage.iter().map(Treatment::to_string).collect();
            let (told, fields) = (told.join(", then "), description.offers);
            pcapng::put_section(out);
            pcapng::put_made_interface(out, link, &description.name, &told, fields);
        }
        Capture::Pcap => pcapng::put_pcap_header(out, link, PCAP_SNAPLEN),
    }
}

fn put(packet: &Packet, batch: &Batch, at: usize, capture: Capture, out: &mut Vec<u8>) {
    let Packet { ts, wire_len, .. } = *packet;
    let data = batch.data(at);
    match capture {
        Capture::Pcapng => {
            let stands = Stands::of(packet, batch.weight(at));
            pcapng::put_packet(out, 0, ts, data, wire_len, stands);
        }
        Capture::Pcap => {
            out.extend(pcapng::pcap_head(ts, data.len() as u32, wire_len));
            out.extend(data);
        }
    }
}
