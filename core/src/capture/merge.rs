//! Merging several sources into one stream by timestamp.
//!
//! A run is the longest stretch of one source's chunk that goes before every
//! other source's next packet. A file's next packet is waited for. A wire's is
//! waited for as long as that wire may take to hand a packet over, so that the
//! packets of two wires come in order and a silent one stalls nobody.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::assemble::Trust;
use super::feed::{Delivery, Feed};
use super::offers::Offers;
use crate::costs::Stopwatch;
use crate::source::{Between, Chunk, Pace, SourceError};
use crate::time::{Span, Ts};

/// How long packets wait for those of another wire, beyond that wire's own delay, by default.
pub const WINDOW_DEFAULT: Span = Span(10_000_000);

/// How far the clock of another machine may be ahead of this one's, whose is told by a wire.
const SKEW_MAX: Span = Span::from_secs(60);

/// Chunks of a wire that are held while others are waited for. One that has more goes on without
/// them, so that nothing is shed for the sake of order.
const HELD_MAX: usize = 32;

/// How long capture waits for wires at a time while it holds packets of others. Meanwhile their
/// queues fill, which have room for more than this.
const HELD_WAIT: Duration = Duration::from_millis(5);

/// How long capture waits at a time when it holds nothing.
const IDLE_WAIT: Duration = Duration::from_millis(10);

/// How long capture waits for a file at a time where there is no wire.
const FILE_WAIT: Duration = Duration::from_millis(20);

/// One source and what of it is being merged.
struct Lane {
    feed: Feed,
    chunk: Chunk,
    // Whether the chunk's timestamps never step back.
    ordered: bool,
    at: usize,
    // When the chunk was taken over.
    came: Instant,
    // What follows the chunk: of a wire, what it gave while others were waited for.
    ahead: VecDeque<(Instant, Delivery)>,
    // The latest time in it so far.
    latest: Option<Ts>,
    // Files and streams do not wait for a silent source until it delivers again.
    silent: bool,
    // Nothing more will be delivered.
    gone: bool,
    // And all that was delivered has been merged.
    ended: bool,
}

/// All sources of a monitor.
pub struct Merge {
    lanes: Vec<Lane>,
    window: Span,
    errors: Vec<SourceError>,
    offers: Arc<Offers>,
    // Sources that have ended, and of which packets may still wait for their batch.
    ending: Vec<u16>,
    closing: bool,
}

/// What comes next in the merged stream.
pub enum Next {
    /// Packets of one source, as a range of its chunk.
    Run(Run),
    /// Packets are at hand, and wait for those of other sources.
    Held,
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
    /// Merges these sources; the index of each is its number. Packets wait for those of another
    /// wire for `window` longer than that may take to hand them over.
    pub fn new(feeds: Vec<Feed>, window: Span) -> Self {
        let (lanes, errors, ending) = Default::default();
        let offers = Arc::default();
        let mut merge = Self { lanes, window, errors, offers, ending, closing: false };
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
            came: Instant::now(),
            ahead: VecDeque::new(),
            latest: None,
            silent: false,
            gone: false,
            ended: false,
        });
    }

    /// What is known of the times before the chunk of a source. Of several sources none speaks
    /// for the others.
    pub fn between(&mut self, source: usize) -> Vec<Between> {
        let between = self.lanes[source].chunk.take_between();
        if self.lanes.len() == 1 { between } else { Vec::new() }
    }

    /// Whether no source was ever added.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Tells every source what the kernel need not deliver.
    pub fn push_filter(&mut self, bpf: Option<&str>) {
        self.lanes.iter_mut().for_each(|lane| lane.feed.push_filter(bpf));
    }

    /// The chunk that a source's runs point into. Who has taken a whole run may take the chunk's
    /// content with it.
    pub fn chunk(&mut self, source: usize) -> &mut Chunk {
        &mut self.lanes[source].chunk
    }

    /// Whether some source would lose packets if it were kept waiting.
    pub fn is_live(&self) -> bool {
        self.lanes.iter().any(|l| l.is(Pace::Live) && !l.ended)
    }

    /// What is believed of the times of a source. While one that has this machine's is heard, no
    /// other carries the clock far beyond those, however many of its packets agree.
    pub fn trust(&self, source: usize) -> Trust {
        let tells = |l: &Lane| l.feed.timed_here && l.latest.is_some() && !l.ended;
        if self.lanes.get(source).is_some_and(|lane| lane.feed.timed_here) {
            Trust::Sure
        } else if self.lanes.iter().any(tells) {
            Trust::Within(beyond(self.delay(), SKEW_MAX))
        } else {
            Trust::Confirmed
        }
    }

    /// What is believed of what was kept of all sources together.
    pub fn trust_of_all(&self) -> Trust {
        match self.lanes.iter().all(|lane| lane.feed.timed_here) {
            true => Trust::Sure,
            false => Trust::Confirmed,
        }
    }

    /// Whether all that is still to come is there already, so that nobody waits for what is at
    /// hand: how batches fall is then a matter of the packets alone, in each run the same.
    pub fn is_whole(&self) -> bool {
        self.lanes.iter().all(|l| l.feed.whole || l.ended)
    }

    /// How long after its time a packet of a wire may come out of here at most.
    pub fn delay(&self) -> Span {
        let wires = self.lanes.iter().filter(|l| l.is(Pace::Live) && !l.ended);
        beyond(self.window, wires.map(|l| l.feed.delay).max().unwrap_or(Span(0)))
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

    /// From now on nothing is taken from sources, and what is at hand waits for nobody.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// Finds the next run and moves behind it; waits a little where there is none yet. What sources
    /// cost that are read here is charged by `watch`, that of the calling thread.
    pub fn advance(&mut self, watch: &mut Stopwatch) -> Next {
        match self.step(Instant::now(), watch) {
            next @ (Next::Run(_) | Next::End) => next,
            waiting if self.closing => waiting,
            waiting => {
                self.wait(matches!(waiting, Next::Held), watch);
                self.step(Instant::now(), watch)
            }
        }
    }

    /// Takes over what is there, and finds the next run if there is one by now.
    fn step(&mut self, now: Instant, watch: &mut Stopwatch) -> Next {
        for at in 0..self.lanes.len() {
            if !self.closing {
                self.lanes[at].take_over(now, watch);
            }
            self.refill(at);
        }
        let heads = || self.lanes.iter().enumerate().filter_map(|(i, l)| Some((l.head()?, i)));
        let Some((first, source)) = heads().min() else {
            return if self.lanes.iter().all(|l| l.ended) { Next::End } else { Next::Quiet };
        };
        let next = heads().filter(|(_, i)| *i != source).min().map_or(Ts(u64::MAX), |(ts, _)| ts);
        let Some(sure) = self.sure_until(first, source, now) else { return Next::Held };
        let limit = next.min(sure);
        let lane = &mut self.lanes[source];
        let from = lane.at;
        let rest = &lane.chunk.packets[from..];
        let run = match limit {
            Ts(u64::MAX) => rest.len(),
            limit => rest.iter().position(|p| p.ts > limit).unwrap_or(rest.len()),
        };
        // One of the packets is due; a chunk without any has nothing more to give.
        let run = run.max(1);
        let to = from + run.min(rest.len());
        lane.at = from + run;
        Next::Run(Run { source, from, to, ordered: lane.ordered })
    }

    /// Until when packets of `source` may go, of which the next one is of `first`, for all that is
    /// still to be expected of sources that have none at hand; `None` where it has to wait.
    fn sure_until(&mut self, first: Ts, source: usize, now: Instant) -> Option<Ts> {
        let mut sure = Ts(u64::MAX);
        if self.closing {
            return Some(sure);
        }
        let lane = &self.lanes[source];
        let (came, wire) = (lane.came, lane.is(Pace::Live));
        let pressed = lane.ahead.len() >= HELD_MAX;
        for (at, other) in self.lanes.iter_mut().enumerate() {
            if at == source || other.ended || other.head().is_some() {
                continue;
            }
            if other.is(Pace::Stored) {
                return None;
            }
            // Where clocks agree, a wire's packets do not come before those it has given.
            if let Some(latest) = other.latest.filter(|latest| *latest >= first) {
                sure = sure.min(latest);
                continue;
            }
            let both_wires = wire && other.is(Pace::Live);
            if pressed || (other.silent && !both_wires) {
                continue;
            }
            if now.duration_since(came)
                < Duration::from_nanos(beyond(self.window, other.feed.delay).0)
            {
                return None;
            }
            other.silent = true;
        }
        Some(sure)
    }

    /// Makes the next chunk of a lane the one that is merged, if its last one is.
    fn refill(&mut self, at: usize) {
        let lane = &mut self.lanes[at];
        while lane.head().is_none()
            && let Some((came, delivery)) = lane.ahead.pop_front()
        {
            match delivery {
                Delivery::Chunk(chunk, ordered) => {
                    (lane.ordered, lane.came, lane.at) = (ordered, came, 0);
                    let spent = std::mem::replace(&mut lane.chunk, chunk);
                    lane.feed.recycle(spent);
                    let mut times = lane.chunk.packets.iter().map(|p| p.ts);
                    let last = if ordered { times.next_back() } else { times.max() };
                    lane.latest = lane.latest.max(last);
                }
                Delivery::End(error) => {
                    lane.ended = true;
                    self.ending.push(lane.feed.number);
                    lane.feed.counters.note_end(error.as_ref());
                    self.errors.extend(error);
                }
            }
        }
    }

    /// Waits a little for the sources that have nothing at hand.
    fn wait(&mut self, held: bool, watch: &mut Stopwatch) {
        let wanted = |l: &Lane| l.head().is_none() && l.ahead.is_empty() && !l.gone;
        let count = self.lanes.iter().filter(|l| wanted(l)).count();
        let share =
            if held { HELD_WAIT } else { IDLE_WAIT } / u32::try_from(count.max(1)).unwrap_or(1);
        let live = self.is_live();
        let mut patience = None;
        for lane in self.lanes.iter_mut().filter(|l| wanted(l)) {
            let own = if lane.is(Pace::Stored) && !live { FILE_WAIT } else { share };
            if let Some(delivery) = lane.feed.next(patience.unwrap_or(own), watch) {
                lane.put(Instant::now(), delivery);
                // Of the others only what is there by now.
                if !lane.ahead.is_empty() {
                    patience = Some(Duration::ZERO);
                }
            }
        }
    }
}

impl Lane {
    fn is(&self, pace: Pace) -> bool {
        self.feed.pace == pace
    }

    fn head(&self) -> Option<Ts> {
        match self.chunk.packets.get(self.at) {
            Some(packet) => Some(packet.ts),
            // It may have nothing to say but which times were passed over.
            None => self.chunk.passed.first().filter(|_| self.at == 0).map(|passed| passed.from),
        }
    }

    /// Takes what its source has handed over: of a wire all, because it does not wait.
    fn take_over(&mut self, now: Instant, watch: &mut Stopwatch) {
        while !self.gone
            && match self.is(Pace::Live) {
                true => self.ahead.len() < HELD_MAX,
                false => self.head().is_none() && self.ahead.is_empty(),
            }
            && let Some(delivery) = self.feed.next(Duration::ZERO, watch)
        {
            self.put(now, delivery);
        }
    }

    /// Keeps what its source has handed over; a sign of life is only noted.
    fn put(&mut self, now: Instant, delivery: Delivery) {
        match delivery {
            Delivery::Chunk(chunk, _) if chunk.is_empty() => {
                self.silent = true;
                self.feed.recycle(chunk);
                return;
            }
            Delivery::Chunk(..) => self.silent = false,
            Delivery::End(_) => self.gone = true,
        }
        self.ahead.push_back((now, delivery));
    }
}

fn beyond(window: Span, delay: Span) -> Span {
    Span(window.0.saturating_add(delay.0))
}

#[cfg(test)]
mod tests;
