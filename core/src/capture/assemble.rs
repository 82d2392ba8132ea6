//! Assembling batches from runs of packets: cut when full and at interval boundaries.
//!
//! Memory of batches that every worker has finished with is used again.

use std::collections::VecDeque;
use std::sync::Arc;

use super::clock::{Clock, Doubt, Step};
use super::merge::Run;
use crate::batch::Batch;
use crate::packet::{Packet, Weight};
use crate::selection::BATCH_PACKETS_MAX;
use crate::source::{Between, Chunk, Region};
use crate::storage::Window;
use crate::time::{Span, Ts};

/// Batches kept for reuse: more than wait for a worker that is not far behind.
const KEPT: usize = 20;

/// A chunk of fewer packets is copied, so that batches do not become small.
const WHOLE_MIN: usize = BATCH_PACKETS_MAX / 4;

/// What is believed of a source whose time leaps ahead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// All: it has this machine's times.
    Sure,
    /// What the packets that follow confirm.
    #[default]
    Confirmed,
    /// So much and no more, whatever follows: another source tells this machine's time.
    Within(Span),
}

impl Trust {
    /// Whether a packet of this time would carry the clock further than is believed.
    #[inline]
    fn is_beyond(self, clock: &Clock, ts: Ts) -> bool {
        match (self, clock.now()) {
            (Self::Within(span), Some(now)) => ts - now > span,
            _ => false,
        }
    }
}

/// A packet whose leap ahead is in doubt, with all it needs to be pushed later.
struct Doubted {
    packet: Packet,
    weight: Option<Weight>,
    region: Option<Region>,
}

/// Builds one batch after another.
#[derive(Default)]
pub struct Assembler {
    /// The stream's clock.
    pub clock: Clock,
    batch: Batch,
    seq: u64,
    // The run being assembled.
    at: usize,
    to: usize,
    ordered: bool,
    trust: Trust,
    // Where the chunk's regions stand in the batch: `regions[i]` for the chunk's region i.
    regions: Vec<Option<u16>>,
    doubted: VecDeque<Doubted>,
    doubt: Doubt,
    // Packets cleared of doubt, to be pushed before anything else; true where confirmed.
    cleared: VecDeque<(Doubted, bool)>,
    // Packets without a timestamp that came before any with one.
    untimed: Vec<Doubted>,
    kept: VecDeque<Arc<Batch>>,
}

impl Assembler {
    /// Begins a run of the chunk that [`Assembler::fill`] is then given.
    pub fn begin(&mut self, run: &Run, trust: Trust) {
        (self.at, self.to, self.ordered, self.trust) = (run.from, run.to, run.ordered, trust);
        self.regions.clear();
    }

    /// Adds packets of the run until it ends (`None`) or a batch is ready.
    pub fn fill(&mut self, chunk: &mut Chunk) -> Option<Batch> {
        loop {
            if let Some(batch) = self.push_cleared() {
                return Some(batch);
            }
            if self.at >= self.to {
                return None;
            }
            if self.doubted.is_empty() {
                if self.is_whole(chunk) {
                    return self.cut().or_else(|| Some(self.take_whole(chunk)));
                }
                self.push_inside(chunk);
                if self.batch.len() >= BATCH_PACKETS_MAX {
                    return self.cut();
                }
            }
            if self.at < self.to
                && let Some(batch) = self.push_one(chunk)
            {
                return Some(batch);
            }
        }
    }

    /// Whether the run is a whole large chunk, in order and within the open intervals, so that it
    /// can be a batch as it is.
    fn is_whole(&self, chunk: &Chunk) -> bool {
        let packets = &chunk.packets;
        let inside = |p: Option<&Packet>| {
            p.is_some_and(|p| self.clock.step(p.ts) == Step::Inside && !self.is_beyond(p.ts))
        };
        self.ordered
            && (self.at, self.to) == (0, packets.len())
            && (WHOLE_MIN..=BATCH_PACKETS_MAX).contains(&packets.len())
            && inside(packets.first())
            && inside(packets.last())
    }

    /// The quickest way: the chunk becomes the batch, and nothing is copied.
    fn take_whole(&mut self, chunk: &mut Chunk) -> Batch {
        self.batch.clock = self.clock.now().unwrap_or_default();
        if let Some(last) = chunk.packets.last() {
            self.clock.advance(last.ts);
        }
        self.batch.take_fed(chunk);
        self.at = self.to;
        self.take()
    }

    /// The quick way: packets in order within the open intervals.
    fn push_inside(&mut self, chunk: &Chunk) {
        let room = BATCH_PACKETS_MAX - self.batch.len();
        let to = self.to.min(self.at + room);
        let count = self.count_inside(&chunk.packets[self.at..to]);
        let range = self.at..self.at + count;
        let weights = chunk.weights.get(range.clone()).unwrap_or_default();
        self.batch.push_all(&chunk.packets[range], weights);
        for at in self.batch.len() - count..self.batch.len() {
            let index = self.batch.all()[at].region;
            let region = self.region(chunk, index);
            self.batch.set_region(at, region);
        }
        self.at += count;
    }

    /// How many packets at the start are in order and within the open intervals; moves the clock
    /// to the last of them.
    fn count_inside(&mut self, packets: &[Packet]) -> usize {
        let trust = self.trust;
        let inside = |clock: &Clock, p: &Packet| {
            clock.step(p.ts) == Step::Inside && !trust.is_beyond(clock, p.ts)
        };
        if self.ordered && packets.first().is_some_and(|p| inside(&self.clock, p)) {
            let count = packets.partition_point(|p| inside(&self.clock, p));
            self.clock.advance(packets[count - 1].ts);
            return count;
        }
        let ends = packets.iter().position(|p| {
            let inside = inside(&self.clock, p);
            if inside {
                self.clock.advance(p.ts);
            }
            !inside
        });
        ends.unwrap_or(packets.len())
    }

    /// The next packet, whatever its time; returns the batch that it ends.
    fn push_one(&mut self, chunk: &Chunk) -> Option<Batch> {
        let packet = chunk.packets[self.at];
        let weight = chunk.weights.get(self.at).copied();
        let region = chunk.regions.get(usize::from(packet.region)).cloned();
        self.at += 1;
        let one = Doubted { packet, weight, region };
        if self.is_before_time(&packet) {
            self.untimed.push(one);
            return None;
        }
        self.time_at(Some(packet.ts));
        let step = self.clock.step(packet.ts);
        if self.is_beyond(packet.ts) {
            self.clear_doubts(false);
            self.cleared.push_back((one, false));
        } else if step == Step::Leap && self.trust == Trust::Confirmed {
            if self.doubt.denies(packet.ts) {
                self.clear_doubts(false);
            }
            self.doubted.push_back(one);
            if self.doubt.add(packet.ts) {
                self.clear_doubts(true);
            }
        } else {
            self.clear_doubts(false);
            self.cleared.push_back((one, true));
        }
        None
    }

    fn is_beyond(&self, ts: Ts) -> bool {
        self.trust.is_beyond(&self.clock, ts)
    }

    /// Whether a packet must wait to be given a time. As many wait as a batch holds.
    fn is_before_time(&self, packet: &Packet) -> bool {
        packet.marks & Packet::NO_TS != 0
            && self.clock.now().is_none()
            && self.untimed.len() < BATCH_PACKETS_MAX
    }

    /// Clears the packets that waited for a time: with the one of the first packet that has one.
    fn time_at(&mut self, first: Option<Ts>) {
        self.cleared.extend(self.untimed.drain(..).map(|mut one| {
            one.packet.ts = first.unwrap_or(one.packet.ts);
            (one, true)
        }));
    }

    /// Whether a time that is known confirms the leap that is doubted.
    fn is_behind_leap(&self, ts: Ts) -> bool {
        self.clock.step(ts) == Step::Leap && !self.doubt.denies(ts)
    }

    fn clear_doubts(&mut self, confirmed: bool) {
        self.doubt = Doubt::default();
        self.cleared.extend(self.doubted.drain(..).map(|d| (d, confirmed)));
    }

    /// Pushes what is cleared, cutting before a packet of a later interval.
    fn push_cleared(&mut self) -> Option<Batch> {
        while let Some((one, confirmed)) = self.cleared.front() {
            let step = self.clock.step(one.packet.ts);
            let later = *confirmed && matches!(step, Step::Boundary | Step::Leap);
            if (later && !self.batch.is_empty()) || self.batch.len() >= BATCH_PACKETS_MAX {
                return self.cut();
            }
            let (one, confirmed) = self.cleared.pop_front()?;
            let mut packet = one.packet;
            if !confirmed {
                packet.marks |= Packet::AHEAD;
                self.batch.late += 1;
            } else if step == Step::Back {
                packet.marks |= Packet::BACKWARDS;
                self.batch.late += 1;
            } else {
                self.clock.advance(packet.ts);
            }
            if self.batch.is_empty() {
                self.batch.clock = self.clock.now().unwrap_or_default();
            }
            if let Some(region) = one.region {
                packet.region = self.batch.region_after(region);
            }
            self.batch.push(packet, one.weight);
        }
        None
    }

    fn region(&mut self, chunk: &Chunk, index: u16) -> u16 {
        let index = usize::from(index);
        if self.regions.len() <= index {
            self.regions.resize(index + 1, None);
        }
        if let Some(at) = self.regions[index] {
            return at;
        }
        let at = match chunk.regions.get(index) {
            Some(region) => self.batch.push_region(region.clone()),
            None => u16::MAX,
        };
        self.regions[index] = Some(at);
        at
    }

    /// Ends the batch that is being built, if it has packets.
    pub fn cut(&mut self) -> Option<Batch> {
        if self.batch.is_empty() { None } else { Some(self.take()) }
    }

    /// On a silent wire: moves the clock to `now` and, if that crosses a boundary, says so by an
    /// empty batch.
    pub fn tick(&mut self, now: Ts) -> Option<Batch> {
        // Before the first packet there is no time to go on.
        self.clock.now()?;
        if !matches!(self.clock.step(now), Step::Boundary | Step::Leap) {
            return None;
        }
        self.clock.advance(now);
        self.batch.clock = now;
        Some(self.take())
    }

    /// Goes on behind a time between packets.
    pub fn go_on(&mut self, between: Between) -> Vec<Batch> {
        match between {
            Between::Unheard(unheard) => self.resume(unheard),
            // Whoever heard them all would have closed what ends before the first, and the last.
            Between::Passed(Window { from, to }) => {
                let last = Ts(to.0.saturating_sub(1));
                [from, last].into_iter().flat_map(|ts| self.pass(ts)).collect()
            }
        }
    }

    /// Behind a time in which nothing was heard: says so by an empty batch, after the one that is
    /// being built.
    fn resume(&mut self, unheard: Window) -> Vec<Batch> {
        // What is known to be behind a leap confirms it.
        self.clear_doubts(self.is_behind_leap(unheard.to));
        let mut ready: Vec<Batch> = std::iter::from_fn(|| self.push_cleared()).collect();
        ready.extend(self.cut());
        self.clock.advance(unheard.to);
        self.batch.clock = self.clock.now().unwrap_or_default();
        self.batch.unheard = Some(unheard);
        ready.push(self.take());
        ready
    }

    /// Moves the clock to a packet that nobody wants and, if that crosses a boundary, says so by an
    /// empty batch, after the one that is being built. A leap before it is confirmed by one behind.
    fn pass(&mut self, ts: Ts) -> Vec<Batch> {
        self.clear_doubts(self.is_behind_leap(ts));
        let mut ready: Vec<Batch> = std::iter::from_fn(|| self.push_cleared()).collect();
        if matches!(self.clock.step(ts), Step::Boundary | Step::Leap) {
            ready.extend(self.cut());
            self.batch.clock = ts;
            self.clock.advance(ts);
            ready.push(self.take());
        }
        self.clock.advance(ts);
        ready
    }

    /// What is left when the sources have ended: leaps that nothing contradicted stand.
    pub fn finish(&mut self) -> Vec<Batch> {
        self.time_at(None);
        self.clear_doubts(true);
        let mut rest: Vec<Batch> = std::iter::from_fn(|| self.push_cleared()).collect();
        rest.extend(self.cut());
        rest
    }

    /// Whether it holds no packet back of the runs that it was given.
    pub fn is_empty(&self) -> bool {
        let waiting = [self.doubted.len(), self.cleared.len(), self.untimed.len()];
        self.batch.is_empty() && waiting == [0; 3]
    }

    /// How many batches there have been.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Keeps a batch's memory for when the workers have finished with it.
    pub fn keep(&mut self, batch: Arc<Batch>) {
        if self.kept.len() < KEPT {
            self.kept.push_back(batch);
        }
    }

    fn take(&mut self) -> Batch {
        let fresh = self.reused().unwrap_or_default();
        let mut full = std::mem::replace(&mut self.batch, fresh);
        self.batch.clear();
        self.batch.clock = self.clock.now().unwrap_or_default();
        full.seq = self.seq;
        self.seq += 1;
        self.regions.clear();
        full
    }

    /// The memory of a batch that nobody reads any more.
    fn reused(&mut self) -> Option<Batch> {
        for _ in 0..self.kept.len() {
            let batch = self.kept.pop_front()?;
            match Arc::try_unwrap(batch) {
                Ok(batch) => return Some(batch),
                Err(batch) => self.kept.push_back(batch),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
