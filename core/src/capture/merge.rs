//! Merging several sources into one stream by timestamp.
//!
//! A run is the longest stretch of one source's chunk that goes before every
//! other source's next packet. A file's next packet is waited for; a silent
//! live source is not, so that it never stalls the others.

use std::sync::Arc;
use std::time::Duration;

use super::feed::{Delivery, Feed};
use super::offers::Offers;
use crate::source::{Chunk, Pace, SourceError};
use crate::time::Ts;

/// How long capture waits for a live source before it goes on without it.
const LIVE_WINDOW: Duration = Duration::from_millis(10);

/// How long capture waits for a file before it looks up.
const FILE_WINDOW: Duration = Duration::from_millis(20);

/// One source and the chunk of it that is being merged.
struct Lane {
    feed: Feed,
    chunk: Chunk,
    // Whether the chunk's timestamps never step back.
    ordered: bool,
    at: usize,
    // A silent live source is not waited for until it delivers again.
    silent: bool,
    ended: bool,
}

/// All sources of a monitor.
pub struct Merge {
    lanes: Vec<Lane>,
    errors: Vec<SourceError>,
    offers: Arc<Offers>,
    // Sources that have ended, and of which packets may still wait for their batch.
    ending: Vec<u16>,
}

/// What comes next in the merged stream.
pub enum Next {
    /// Packets of one source, as a range of its chunk.
    Run(Run),
    /// Nothing arrived for a while.
    Quiet,
    /// All sources have ended.
    End,
}

/// A stretch of one source's chunk.
pub struct Run {
    /// The source.
    pub source: usize,
    /// The first packet.
    pub from: usize,
    /// The packet behind the last.
    pub to: usize,
    /// Whether its timestamps never step back.
    pub ordered: bool,
}

impl Merge {
    /// Merges these sources; the index of each is its number.
    pub fn new(feeds: Vec<Feed>) -> Self {
        let (lanes, errors, ending) = Default::default();
        let mut merge = Self { lanes, errors, offers: Arc::default(), ending };
        feeds.into_iter().for_each(|feed| merge.add(feed));
        merge
    }

    /// Merges one more source.
    pub fn add(&mut self, feed: Feed) {
        Arc::make_mut(&mut self.offers).put(feed.number, feed.offers);
        self.lanes.push(Lane {
            feed,
            chunk: Chunk::default(),
            ordered: true,
            at: 0,
            silent: false,
            ended: false,
        });
    }

    /// Tells every source what the kernel need not deliver.
    pub fn push_filter(&self, bpf: Option<&str>) {
        self.lanes.iter().for_each(|lane| lane.feed.push_filter(bpf));
    }

    /// The chunk that a source's runs point into. Who has taken a whole run may take the chunk's
    /// content with it.
    pub fn chunk(&mut self, source: usize) -> &mut Chunk {
        &mut self.lanes[source].chunk
    }

    /// Whether some source would lose packets if it were kept waiting.
    pub fn is_live(&self) -> bool {
        self.lanes.iter().any(|l| l.feed.pace == Pace::Live && !l.ended)
    }

    /// What each source offers.
    pub fn offers(&self) -> &Arc<Offers> {
        &self.offers
    }

    /// Takes note that all packets which were handed out before now are in a batch.
    pub fn settle(&mut self) {
        for number in self.ending.drain(..) {
            Arc::make_mut(&mut self.offers).end(number);
        }
    }

    /// What went wrong with sources so far.
    pub fn take_errors(&mut self) -> Vec<SourceError> {
        std::mem::take(&mut self.errors)
    }

    /// Finds the next run and moves behind it.
    pub fn advance(&mut self) -> Next {
        let idle = self.lanes.iter().all(|l| l.head().is_none());
        let mut waited = false;
        for at in 0..self.lanes.len() {
            waited |= !self.refill(at, idle);
        }
        let heads = || self.lanes.iter().enumerate().filter_map(|(i, l)| Some((l.head()?, i)));
        let Some((_, source)) = heads().min() else {
            return if self.lanes.iter().all(|l| l.ended) { Next::End } else { Next::Quiet };
        };
        // A file that is late must not be overtaken; a silent live source may be.
        let missing = |l: &Lane| l.is_stored() && !l.ended && l.head().is_none();
        if waited && self.lanes.iter().any(missing) {
            return Next::Quiet;
        }
        let limit = heads().filter(|(_, i)| *i != source).min().map_or(Ts(u64::MAX), |(ts, _)| ts);
        let lane = &mut self.lanes[source];
        let from = lane.at;
        let rest = &lane.chunk.packets[from..];
        let run = match limit {
            Ts(u64::MAX) => rest.len(),
            limit => rest.iter().position(|p| p.ts > limit).unwrap_or(rest.len()),
        };
        lane.at = from + run.max(1);
        Next::Run(Run { source, from, to: lane.at, ordered: lane.ordered })
    }

    /// Makes sure that a lane has a next packet; returns whether it has, or needs none.
    /// When nothing at all is at hand (`idle`) even a silent source is worth a wait.
    fn refill(&mut self, at: usize, idle: bool) -> bool {
        let lane = &mut self.lanes[at];
        while lane.head().is_none() && !lane.ended {
            let patience = match (lane.is_stored(), lane.silent) {
                (true, _) => FILE_WINDOW,
                (false, false) => LIVE_WINDOW,
                (false, true) => {
                    if idle {
                        LIVE_WINDOW
                    } else {
                        Duration::ZERO
                    }
                }
            };
            match lane.feed.next(patience) {
                Some(Delivery::Chunk(chunk, ordered)) => {
                    lane.ordered = ordered;
                    lane.silent = chunk.packets.is_empty();
                    let spent = std::mem::replace(&mut lane.chunk, chunk);
                    lane.feed.recycle(spent);
                    lane.at = 0;
                    if lane.silent {
                        return false;
                    }
                }
                Some(Delivery::End(error)) => {
                    lane.ended = true;
                    self.ending.push(lane.feed.number);
                    lane.feed.counters.note_end(error.as_ref());
                    self.errors.extend(error);
                }
                None => {
                    lane.silent = true;
                    return false;
                }
            }
        }
        true
    }
}

impl Lane {
    fn is_stored(&self) -> bool {
        self.feed.pace == Pace::Stored
    }

    fn head(&self) -> Option<Ts> {
        self.chunk.packets.get(self.at).map(|p| p.ts)
    }
}
