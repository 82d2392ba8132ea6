//! Feeds: capture's end of each source, which asks for chunk after chunk.
//!
//! Most sources have a thread of their own, and a bounded queue. A file waits when it is
//! full; a live source sheds the chunk and counts it, because the wire does not wait. Of a
//! source whose packets are at hand capture takes the turns itself: bytes that a record was
//! found in are decoded while they are still in the nearest cache.

mod reader;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, unbounded};

use crate::costs::{Category, Costs, Stopwatch};
use crate::field::Fields;
use crate::queue::{self, Nothing};
use crate::source::{Chunk, Description, Pace, Source, SourceError};
use crate::supervisor::counters::SourceCounters;
use crate::time::Span;
use reader::{Reader, Thread};

/// Chunks a source may be ahead of capture.
const QUEUE: usize = 4;

/// What a source hands over.
pub enum Delivery {
    /// Packets, possibly none (a sign of life of a silent live source), and whether their
    /// timestamps never step back.
    Chunk(Chunk, bool),
    /// The source has ended, with an error or without.
    End(Option<SourceError>),
}

/// Capture's end of one source.
pub struct Feed {
    way: Way,
    /// The number of the source in the monitor.
    pub number: u16,
    /// How its packets come.
    pub pace: Pace,
    /// Whether its packets have this machine's times.
    pub timed_here: bool,
    /// Whether all of it is there and could be read again: batches of it never fall by the clock.
    pub whole: bool,
    /// How long after its time a packet may be handed over.
    pub delay: Span,
    /// The fields its packets may have.
    pub offers: Fields,
    /// What the source has delivered and lost.
    pub counters: Arc<SourceCounters>,
}

/// How capture comes by what a source has.
enum Way {
    /// A thread reads it.
    Thread {
        deliveries: queue::Receiver<Delivery>,
        used: Sender<Chunk>,
        wanted: Sender<Option<String>>,
    },
    /// Capture reads it.
    Here(Box<Here>),
}

/// A source that capture reads.
struct Here {
    reader: Reader,
    costs: Arc<Costs>,
    // The memory of the last chunk.
    spare: Chunk,
    // How it has ended, until that has been told.
    ended: Option<Option<SourceError>>,
}

impl Feed {
    /// Takes `source`, the `number`th of the monitor, whose reading is charged to `costs`; starts
    /// a thread for it unless its packets are at hand.
    pub fn start(
        source: Box<dyn Source>,
        number: u16,
        counters: Arc<SourceCounters>,
        costs: Arc<Costs>,
    ) -> std::io::Result<Self> {
        let Description { pace, timed_here, delay, offers, .. } = *source.description();
        let whole = source.description().is_whole();
        let is_here = pace == Pace::Stored && source.is_at_hand();
        let reader = Reader::new(source, number, counters.clone());
        let way = if is_here {
            let (spare, ended) = (Chunk::default(), None);
            Way::Here(Box::new(Here { reader, costs, spare, ended }))
        } else {
            let (send, deliveries) = queue::bounded(QUEUE);
            let (used, recycled) = crossbeam_channel::bounded(QUEUE + 2);
            let (wanted, filters) = unbounded();
            let thread = Thread { reader, pace, send, recycled, filters, costs };
            std::thread::Builder::new().name("source".into()).spawn(move || thread.run())?;
            Way::Thread { deliveries, used, wanted }
        };
        Ok(Self { way, number, pace, whole, timed_here, delay, offers, counters })
    }

    /// A feed without a source, and the end at which a test hands over what it says.
    #[cfg(test)]
    pub fn of_test(number: u16, description: &Description) -> (queue::Sender<Delivery>, Self) {
        let (send, deliveries) = queue::bounded(QUEUE);
        let (used, _) = crossbeam_channel::bounded(0);
        let (wanted, _) = unbounded();
        let Description { pace, timed_here, delay, offers, .. } = *description;
        let counters = Arc::new(SourceCounters::new(description));
        let way = Way::Thread { deliveries, used, wanted };
        let whole = description.is_whole();
        (send, Self { way, number, pace, whole, timed_here, delay, offers, counters })
    }

    /// Waits up to `patience` for what comes next; `None` when nothing does. A thread that is
    /// gone without a word has ended. What is read here is charged by `watch`.
    pub fn next(&mut self, patience: Duration, watch: &mut Stopwatch) -> Option<Delivery> {
        match &mut self.way {
            Way::Here(here) => here.next(watch),
            Way::Thread { deliveries, .. } => {
                match deliveries.recv_until(Instant::now() + patience) {
                    Ok(delivery) => Some(delivery),
                    Err(Nothing::Late) => None,
                    Err(Nothing::Gone) => Some(Delivery::End(None)),
                }
            }
        }
    }

    /// Tells the source what the kernel need not deliver, before its next turn.
    pub fn push_filter(&mut self, bpf: Option<&str>) {
        match &mut self.way {
            Way::Here(here) => here.reader.push_filter(bpf),
            // A source that has ended needs no filter.
            Way::Thread { wanted, .. } => drop(wanted.send(bpf.map(str::to_owned))),
        }
    }

    /// Gives a chunk's memory back.
    pub fn recycle(&mut self, mut chunk: Chunk) {
        chunk.clear();
        match &mut self.way {
            Way::Here(here) => here.spare = chunk,
            // A full queue only means that the memory is freed instead.
            Way::Thread { used, .. } => drop(used.try_send(chunk)),
        }
    }
}

impl Here {
    /// Takes a turn, unless the source has ended.
    fn next(&mut self, watch: &mut Stopwatch) -> Option<Delivery> {
        if let Some(error) = self.ended.take() {
            return Some(Delivery::End(error));
        }
        watch.charge_busy(&self.costs, Category::Core);
        let mut chunk = std::mem::take(&mut self.spare);
        let turn = self.reader.turn(&mut chunk);
        watch.charge_busy(&self.costs, Category::Sniffer);
        self.ended = turn.ended;
        if chunk.is_empty() {
            chunk.clear();
            self.spare = chunk;
            return self.ended.take().map(Delivery::End);
        }
        Some(Delivery::Chunk(chunk, turn.ordered))
    }
}

#[cfg(test)]
mod tests {
    use std::thread::ThreadId;

    use super::*;
    use crate::packet::{LinkType, Packet};
    use crate::source::Turn;

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

    /// Stored packets at hand, one a chunk, which end in a flaw.
    struct AtHand {
        description: Description,
        chunks: u64,
        read_by: Vec<ThreadId>,
    }

    impl Source for AtHand {
        fn description(&self) -> &Description {
            &self.description
        }

        fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
            assert_eq!(self.read_by, [std::thread::current().id()]);
            if self.chunks == 0 {
                return Err(SourceError::Device { name: "file".into(), why: "cut short".into() });
            }
            self.chunks -= 1;
            let (ts, link) = (crate::time::Ts(self.chunks), LinkType::RAW);
            let (offset, cap_len, wire_len, region, source, marks) = Default::default();
            chunk.packets.push(Packet {
                ts,
                offset,
                cap_len,
                wire_len,
                region,
                link,
                source,
                marks,
            });
            Ok(Turn::More)
        }

        fn is_at_hand(&self) -> bool {
            true
        }
    }

    #[test]
    fn packets_at_hand_are_read_where_they_are_wanted() {
        let description = Description::new("at hand".to_owned(), Pace::Stored);
        let (counters, costs) = (Arc::new(SourceCounters::new(&description)), Arc::default());
        let read_by = vec![std::thread::current().id()];
        let source = Box::new(AtHand { description, chunks: 2, read_by });
        let mut feed = Feed::start(source, 7, counters, Arc::clone(&costs)).expect("no thread");
        let mut watch = Stopwatch::start();
        let mut told = Vec::new();
        while told.len() < 3 {
            match feed.next(Duration::ZERO, &mut watch) {
                Some(Delivery::Chunk(chunk, ordered)) => {
                    told.push(format!(
                        "{} of {}, {ordered}",
                        chunk.packets.len(),
                        chunk.packets[0].source
                    ));
                    feed.recycle(chunk);
                }
                Some(Delivery::End(error)) => told.push(error.expect("the flaw").to_string()),
                None => panic!("nothing at hand"),
            }
        }
        assert_eq!(told, ["1 of 7, true", "1 of 7, true", "file: cut short"]);
        assert!(costs.status().sniffer > 0.0);
    }

    #[test]
    fn a_source_is_told_what_nobody_wants() {
        let description = Description::new("quiet".to_owned(), Pace::Live);
        let counters = Arc::new(SourceCounters::new(&description));
        let source = Box::new(Quiet { description, pushed: None });
        let mut feed = Feed::start(source, 0, counters, Arc::default()).expect("a thread");
        feed.push_filter(Some("tcp"));
        let mut watch = Stopwatch::start();
        let error = loop {
            match feed.next(Duration::from_secs(10), &mut watch) {
                Some(Delivery::End(error)) => break error.expect("what was pushed"),
                Some(Delivery::Chunk(..)) => {}
                None => panic!("the source says nothing"),
            }
        };
        assert_eq!(error.to_string(), "tcp: pushed");
    }
}
