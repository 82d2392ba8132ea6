//! Batches that a task does not get: it took too long itself, or they found no room in the queue of
//! its worker.

use std::sync::Arc;

use super::{Emission, Task};
use crate::batch::Batch;
use crate::queue::Sender;
use crate::record::Output;
use crate::selection::Selection;
use crate::storage::Window;
use crate::supervisor::counters::Loss;
use crate::time::Ts;

/// Batches in a row that nobody of a worker got.
#[derive(Debug, PartialEq, Eq)]
pub struct Shed {
    /// From when on nothing was heard.
    pub since: Ts,
    // What was in them, and what of that each slot's filter picked.
    packets: u64,
    picked: Vec<u64>,
}

impl Shed {
    /// One batch.
    pub fn of(batch: &Batch) -> Self {
        let mut shed = Self { since: since(batch), packets: 0, picked: Vec::new() };
        shed.add(batch);
        shed
    }

    /// Another one behind them.
    pub fn add(&mut self, batch: &Batch) {
        self.packets += batch.len() as u64;
        let picks = batch.picks().iter().map(Selection::count);
        for (slot, picked) in picks.enumerate() {
            if slot == self.picked.len() {
                self.picked.push(0);
            }
            self.picked[slot] += picked as u64;
        }
    }

    /// How many packets were for the task of a slot.
    pub fn of_slot(&self, slot: usize) -> u64 {
        self.picked.get(slot).copied().unwrap_or(self.packets)
    }
}

impl Task {
    /// Leaves a batch out, because it has taken too much of the time of others: whole intervals
    /// of that time are a gap, others count less.
    pub(super) fn shed(&mut self, batch: &Batch) {
        self.silent_since.get_or_insert(since(batch));
        let picked = batch.pick(self.slot).map_or(batch.len(), Selection::count);
        self.counters.note_shed(&self.name, picked as u64, Loss::Share);
    }

    /// Takes note of what there was no room for in the worker's queue, in the same way.
    pub(super) fn lack(&mut self, shed: &Shed) {
        self.silent_since.get_or_insert(shed.since);
        self.counters.note_shed(&self.name, shed.of_slot(self.slot), Loss::Queue);
    }

    /// Accounts for the time between a predecessor's last interval and its own first one, in which
    /// the predecessor may have heard nothing.
    pub(super) fn follow(
        &mut self,
        Window { from, to }: Window,
        is_silent: bool,
        export: &Sender<Emission>,
    ) {
        match is_silent && from < to {
            true => self.emit(export, Output::Gap { from, to }, Arc::default()),
            false => self.pass(from, to, export),
        }
    }
}

/// From when on nothing is heard where a batch is left out.
fn since(batch: &Batch) -> Ts {
    batch.unheard.map_or(batch.clock, |unheard| unheard.from.min(batch.clock))
}
