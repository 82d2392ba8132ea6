//! Work: what capture hands to a worker, and how much of it may wait.

use std::sync::Arc;

use super::{Shed, Task};
use crate::batch::Batch;
use crate::selection::BATCH_PACKETS_MAX;
use crate::storage::packets::Spot;

/// What reaches a worker, in the order of the stream.
pub enum Work {
    /// Packets for every task.
    Batch(Arc<Batch>),
    /// What there was no room for here.
    Shed(Box<Shed>),
    /// A task to run from now on, in place of its namesake once that has flushed.
    Attach(Box<Task>),
    /// Flush and drop the task of this name.
    Detach(Arc<str>),
    /// Have the task of this name tell where it stands in the packets that it keeps.
    Mark(Arc<str>, crossbeam_channel::Sender<Spot>),
    /// Flush everything: all sources have ended. Tasks stay, for sources to come. What it holds is
    /// let go of once export has taken what was flushed.
    Flush(Arc<()>),
    /// Flush everything and end.
    End,
}

/// How much a worker may be behind capture, as [`Work::room`] counts it: four full batches, or as
/// many as 128 of a wire where little comes. Each of those is of some ten milliseconds, so that a
/// call into a script that takes all its time costs its neighbours nothing; or of one, where an
/// interval is as short, of which a wire that is read ten times a second brings a hundred at once.
/// All of it together holds no more than 64 MiB of captured packets, and one batch more: as long as
/// there is any room, one that has more than that finds it.
pub const WORK_ROOM: usize = 128;

/// What a full batch takes of it, in packets or in bytes.
const FULL: usize = WORK_ROOM / 4;
const FULL_BYTES: usize = 16 << 20;

impl Work {
    /// How much of [`WORK_ROOM`] it takes: orders take none, so that a hundred modules that come at
    /// once leave all of it to batches.
    pub fn room(&self) -> usize {
        match self {
            Self::Batch(batch) if batch.is_live => {
                let packets = (batch.len() * FULL).div_ceil(BATCH_PACKETS_MAX);
                let bytes = batch.held_bytes().saturating_mul(FULL).div_ceil(FULL_BYTES);
                packets.max(bytes).max(1)
            }
            Self::Batch(_) => FULL,
            _ => 0,
        }
    }
}
