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
    /// Flush everything: all sources have ended. Tasks stay, for sources to come.
    Flush,
    /// Flush everything and end.
    End,
}

/// How much a worker may be behind capture, as [`Work::room`] counts it: four full batches, or as
/// many as sixteen of a wire where little comes. Each of those is of some ten milliseconds, so that
/// a call into a script that takes all its time costs its neighbours nothing.
pub const WORK_ROOM: usize = 16;

const FULL: usize = WORK_ROOM / 4;

impl Work {
    /// How much of [`WORK_ROOM`] it takes.
    pub fn room(&self) -> usize {
        match self {
            Self::Batch(batch) if batch.is_live => {
                (batch.len() * FULL).div_ceil(BATCH_PACKETS_MAX).max(1)
            }
            Self::Batch(_) => FULL,
            _ => 1,
        }
    }
}
