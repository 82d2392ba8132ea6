//! Source threads: each asks its source for chunk after chunk and hands them to capture.
//!
//! The queue is bounded. A file waits when it is full; a live source sheds the
//! chunk and counts it, because the wire does not wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::costs::{Category, Costs, Stopwatch};
use crate::field::Fields;
use crate::packet::Weight;
use crate::queue::{self, Nothing, Refused};
use crate::source::{Chunk, Description, Pace, Source, SourceError, Turn};
use crate::supervisor::counters::SourceCounters;
use crate::time::{Span, Ts};

/// Chunks a source may be ahead of capture.
const QUEUE: usize = 4;

/// How long a live source waits for a place in the queue before it sheds.
const LIVE_PATIENCE: Duration = Duration::from_millis(50);

/// What a source thread hands over.
pub enum Delivery {
    /// Packets, possibly none (a sign of life of a silent live source), and whether their
    /// timestamps never step back.
    Chunk(Chunk, bool),
    /// The source has ended, with an error or without.
    End(Option<SourceError>),
}

/// Capture's end of one source.
pub struct Feed {
    deliveries: queue::Receiver<Delivery>,
    used: Sender<Chunk>,
    wanted: Sender<Option<String>>,
    /// The number of the source in the monitor.
    pub number: u16,
    /// How its packets come.
    pub pace: Pace,
    /// How long after its time a packet may be handed over.
    pub delay: Span,
    /// The fields its packets may have.
    pub offers: Fields,
    /// What the source has delivered and lost.
    pub counters: Arc<SourceCounters>,
}

impl Feed {
    /// Starts a thread that reads `source`, the `number`th of the monitor, and charges `costs`.
    pub fn start(
        source: Box<dyn Source>,
        number: u16,
        counters: Arc<SourceCounters>,
        costs: Arc<Costs>,
    ) -> std::io::Result<Self> {
        let Description { pace, delay, offers, .. } = *source.description();
        let (send, deliveries) = queue::bounded(QUEUE);
        let (used, recycled) = crossbeam_channel::bounded(QUEUE + 2);
        let (wanted, filters) = unbounded();
        let told = source.description().clone();
        let reader = Reader {
            source,
            told,
            number,
            pace,
            send,
            recycled,
            filters,
            counters: counters.clone(),
            costs,
        };
        std::thread::Builder::new().name("source".into()).spawn(move || reader.run())?;
        Ok(Self { deliveries, used, wanted, number, pace, delay, offers, counters })
    }

    /// A feed without a thread, and the end at which a test hands over what it says.
    #[cfg(test)]
    pub fn of_test(number: u16, description: &Description) -> (queue::Sender<Delivery>, Self) {
        let (send, deliveries) = queue::bounded(QUEUE);
        let (used, _) = crossbeam_channel::bounded(0);
        let (wanted, _) = unbounded();
        let Description { pace, delay, offers, .. } = *description;
        let counters = Arc::new(SourceCounters::new(description));
        (send, Self { deliveries, used, wanted, number, pace, delay, offers, counters })
    }

    /// Waits up to `patience` for what comes next; `None` when nothing does. A reader that is
    /// gone without a word has ended.
    pub fn next(&self, patience: Duration) -> Option<Delivery> {
        match self.deliveries.recv_until(Instant::now() + patience) {
            Ok(delivery) => Some(delivery),
            Err(Nothing::Late) => None,
            Err(Nothing::Gone) => Some(Delivery::End(None)),
        }
    }

    /// Tells the source what the kernel need not deliver, before its next turn.
    pub fn push_filter(&self, bpf: Option<&str>) {
        // A source that has ended needs no filter.
        let _ = self.wanted.send(bpf.map(str::to_owned));
    }

    /// Gives a chunk's memory back.
    pub fn recycle(&self, mut chunk: Chunk) {
        chunk.clear();
        // A full queue only means that the memory is freed instead.
        let _ = self.used.try_send(chunk);
    }
}

/// The source's own thread.
struct Reader {
    source: Box<dyn Source>,
    // The description as everybody knows it.
    told: Description,
    number: u16,
    pace: Pace,
    send: queue::Sender<Delivery>,
    recycled: Receiver<Chunk>,
    filters: Receiver<Option<String>>,
    counters: Arc<SourceCounters>,
    costs: Arc<Costs>,
}

impl Reader {
    fn run(mut self) {
        let mut watch = Stopwatch::start();
        loop {
            if let Some(bpf) = self.filters.try_iter().last()
                && let Err(error) = self.source.push_filter(bpf.as_deref())
            {
                // Then more arrives than is wanted, which costs time and nothing else.
                tracing::warn!("{}", crate::source::with_causes(&error));
            }
            let mut chunk = self.recycled.try_recv().unwrap_or_default();
            let turn = self.source.next(&mut chunk);
            if *self.source.description() != self.told {
                self.told = self.source.description().clone();
                self.counters.note_description(&self.told);
            }
            let ordered = self.look_over(&mut chunk);
            watch.charge(&self.costs, Category::Sniffer);
            let (ended, error) = match turn {
                Ok(Turn::End) => (true, None),
                Ok(Turn::More | Turn::Idle) => (false, None),
                Err(error) => (true, Some(error)),
            };
            if !self.deliver(chunk, ordered) {
                return;
            }
            if ended {
                // Capture may have gone first; then nobody is left to tell.
                let _ = self.send.send(Delivery::End(error));
                return;
            }
        }
    }

    /// Numbers and counts the packets, and gathers their marks, while they are in the cache;
    /// whether they are in order.
    fn look_over(&self, chunk: &mut Chunk) -> bool {
        let (mut latest, mut ordered, mut marks) = (Ts(0), true, 0);
        for packet in &mut chunk.packets {
            packet.source = self.number;
            ordered &= packet.ts >= latest;
            latest = packet.ts;
            marks |= packet.marks;
        }
        chunk.marks = marks;
        self.counters.note_read(chunk, stood_for(chunk));
        ordered
    }

    /// Returns whether capture still listens.
    fn deliver(&self, chunk: Chunk, ordered: bool) -> bool {
        let empty = chunk.packets.is_empty();
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
                self.counters.note_shed(stood_for(&chunk).packets);
                true
            }
            Err(Refused::Full(Delivery::End(_)) | Refused::Gone(_)) => false,
        }
    }
}

/// What the packets of a chunk stand for together. As many weights as there are packets, or none.
pub(crate) fn stood_for(chunk: &Chunk) -> Weight {
    let add = |sum: Weight, one: Weight| Weight {
        packets: sum.packets.saturating_add(one.packets),
        bytes: sum.bytes.saturating_add(one.bytes),
    };
    let weighed = chunk.weights.iter().copied();
    let others = chunk.packets.iter().skip(chunk.weights.len()).map(Weight::of);
    weighed.chain(others).fold(Weight { packets: 0, bytes: 0 }, add)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A live wire on which nothing happens until a filter is pushed.
    struct Quiet {
        description: Description,
        pushed: Option<String>,
    }

    impl Source for Quiet {
        fn description(&self) -> &Description {
            &self.description
        }

        fn next(&mut self, _: &mut Chunk) -> Result<Turn, SourceError> {
            match self.pushed.take() {
                Some(name) => Err(SourceError::Device { name, why: "pushed".to_owned() }),
                None => Ok(Turn::Idle),
            }
        }

        fn push_filter(&mut self, bpf: Option<&str>) -> Result<(), SourceError> {
            self.pushed = bpf.map(str::to_owned);
            Ok(())
        }
    }

    #[test]
    fn a_source_is_told_what_nobody_wants() {
        let description = Description::new("quiet".to_owned(), Pace::Live);
        let counters = Arc::new(SourceCounters::new(&description));
        let source = Box::new(Quiet { description, pushed: None });
        let feed = Feed::start(source, 0, counters, Arc::default()).expect("a thread");
        feed.push_filter(Some("tcp"));
        let error = loop {
            match feed.next(Duration::from_secs(10)) {
                Some(Delivery::End(error)) => break error.expect("what was pushed"),
                Some(Delivery::Chunk(..)) => {}
                None => panic!("the source says nothing"),
            }
        };
        assert_eq!(error.to_string(), "tcp: pushed");
    }
}
