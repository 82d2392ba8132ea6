//! Readers: a source's turns, looked over, and the thread that takes them.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;

use super::Delivery;
use crate::costs::{Category, Costs, Stopwatch};
use crate::queue::{self, Refused};
use crate::source::{Chunk, Description, Pace, Source, SourceError, Turn};
use crate::supervisor::counters::SourceCounters;
use crate::time::Ts;

/// How long a live source waits for a place in the queue before it sheds.
const LIVE_PATIENCE: Duration = Duration::from_millis(50);

/// A source, and what is told of it.
pub(super) struct Reader {
    source: Box<dyn Source>,
    // The description as everybody knows it.
    told: Description,
    number: u16,
    counters: Arc<SourceCounters>,
}

/// What a turn brought beside its packets.
pub(super) struct Turned {
    /// Whether the timestamps never step back.
    pub(super) ordered: bool,
    /// How the source has ended, if it has.
    pub(super) ended: Option<Option<SourceError>>,
}

impl Reader {
    pub(super) fn new(source: Box<dyn Source>, number: u16, counters: Arc<SourceCounters>) -> Self {
        let told = source.description().clone();
        Self { source, told, number, counters }
    }

    /// Has the source fill `chunk`, and counts what is in it.
    pub(super) fn turn(&mut self, chunk: &mut Chunk) -> Turned {
        let turn = self.source.next(chunk);
        if *self.source.description() != self.told {
            self.told = self.source.description().clone();
            self.counters.note_description(&self.told);
        }
        let ordered = self.look_over(chunk);
        let ended = match turn {
            Ok(Turn::End) => Some(None),
            Ok(Turn::More | Turn::Idle) => None,
            Err(error) => Some(Some(error)),
        };
        Turned { ordered, ended }
    }

    /// Tells the source what the kernel need not deliver.
    pub(super) fn push_filter(&mut self, bpf: Option<&str>) {
        if let Err(error) = self.source.push_filter(bpf) {
            // Then more arrives than is wanted, which costs time and nothing else.
            tracing::warn!("{}", crate::source::with_causes(&error));
        }
    }

    /// Numbers and counts the packets, and gathers their marks, while they are in the cache;
    /// whether they are in order. None is left with a time that no interval holds.
    fn look_over(&self, chunk: &mut Chunk) -> bool {
        let (mut latest, mut ordered, mut marks) = (Ts(0), true, 0);
        for packet in &mut chunk.packets {
            packet.source = self.number;
            packet.ts = packet.ts.min(Ts::LAST);
            ordered &= packet.ts >= latest;
            latest = packet.ts;
            marks |= packet.marks;
        }
        chunk.marks = marks;
        self.counters.note_read(chunk, chunk.stands_for());
        ordered
    }
}

/// A source's own thread.
pub(super) struct Thread {
    pub(super) reader: Reader,
    pub(super) pace: Pace,
    pub(super) send: queue::Sender<Delivery>,
    pub(super) recycled: Receiver<Chunk>,
    pub(super) filters: Receiver<Option<String>>,
    pub(super) costs: Arc<Costs>,
}

impl Thread {
    /// Runs until the source has ended or capture is gone.
    pub(super) fn run(mut self) {
        let mut watch = Stopwatch::start();
        loop {
            if let Some(bpf) = self.filters.try_iter().last() {
                self.reader.push_filter(bpf.as_deref());
            }
            let mut chunk = self.recycled.try_recv().unwrap_or_default();
            let turn = self.reader.turn(&mut chunk);
            watch.charge(&self.costs, Category::Sniffer);
            if !self.deliver(chunk, turn.ordered) {
                return;
            }
            if let Some(error) = turn.ended {
                // Capture may have gone first; then nobody is left to tell.
                let _ = self.send.send(Delivery::End(error));
                return;
            }
        }
    }

    /// Returns whether capture still listens.
    fn deliver(&self, chunk: Chunk, ordered: bool) -> bool {
        let empty = chunk.is_empty();
        let delivery = Delivery::Chunk(chunk, ordered);
        match self.pace {
            Pace::Stored => return empty || self.send.send_unhurried(delivery).is_ok(),
            Pace::Stream => return empty || self.send.send(delivery).is_ok(),
            Pace::Live => {}
        }
        // A sign of life is worth no wait.
        let patience = if empty { Duration::ZERO } else { LIVE_PATIENCE };
        match self.send.send_within(delivery, patience) {
            Ok(()) => true,
            Err(Refused::Full(Delivery::Chunk(chunk, _))) => {
                self.reader.counters.note_shed(chunk.stands_for().packets);
                true
            }
            Err(Refused::Full(Delivery::End(_)) | Refused::Gone(_)) => false,
        }
    }
}
