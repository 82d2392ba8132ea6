//! The packets to measure with: generated, or those of a file; decoded beforehand.

use como_core::batch::Batch;
use como_core::field::Demand;
use como_core::intern::Interner;
use como_core::selection::BATCH_PACKETS_MAX;
use como_core::source::{Chunk, Turn};

use crate::cli::Bench;
use crate::error::Result;
use crate::sources;

/// Buffers that the packets of one batch lie in: their numbers have 16 bits.
const REGIONS_MAX: usize = u16::MAX as usize;

/// Batches of what was asked for, with the columns and ids that `demand` names.
pub fn batches(args: &Bench, demand: Demand) -> Result<Vec<Batch>> {
    let generated = format!("gen:seed=1,packets={},duration=60s", args.packets);
    let sources = match args.sources.is_empty() {
        true => sources::open([generated])?,
        false => args.sources.open()?,
    };
    let (mut interner, mut batches) = (Interner::default(), Vec::new());
    let mut left = usize::try_from(args.packets).unwrap_or(usize::MAX);
    for mut source in sources {
        let (mut batch, mut turn) = (Batch::default(), Turn::More);
        // Some sources hand over few packets at a time; the monitor makes full batches of them.
        while left > 0 && turn != Turn::End {
            let mut chunk = Chunk::default();
            turn = source.next(&mut chunk)?;
            chunk.packets.truncate(left);
            left -= chunk.packets.len();
            let full = batch.len() + chunk.packets.len() > BATCH_PACKETS_MAX;
            if full || batch.regions() + chunk.regions.len() > REGIONS_MAX {
                batches.push(std::mem::take(&mut batch));
            }
            let first = batch.regions();
            for region in chunk.regions.drain(..) {
                batch.push_region(region);
            }
            for (at, packet) in chunk.packets.iter().enumerate() {
                let mut packet = *packet;
                packet.region = u16::try_from(first + usize::from(packet.region)).unwrap_or(0);
                batch.push(packet, chunk.weights.get(at).copied());
            }
        }
        batches.push(batch);
    }
    batches.retain(|batch| !batch.is_empty());
    for batch in &mut batches {
        batch.decode(demand);
        interner.fill(batch, demand);
    }
    Ok(batches)
}
