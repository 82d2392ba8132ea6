//! Kept packets as a source: a window of segments, read by time.
//!
//! Segments are read one after another, as they were stored. Where a later run
//! stored earlier times, several such chains are read beside each other, and of
//! all the earliest packet comes next: each counts in its own interval.

use std::path::Path;

use super::crossing::By;
use super::lane::Lane;
use super::read::{Chain, Expected, Hole, Lost, Reading, chains, expected, holes};
use super::segments::Segment;
use super::{CopyError, segments, taken};
use crate::filter::Expr;
use crate::filter::clues::Needs;
use crate::packet::Packet;
use crate::selection::BATCH_PACKETS_MAX;
use crate::source::{
    Chunk, Description, Pace, Sampling, Source, SourceError, Turn, weigh, with_causes,
};
use crate::storage::Window;
use crate::storage::losses::Losses;
use crate::storage::scan::{Damage, Missing};
use crate::time::{Span, Ts};

/// How many chains are read at once. Where more lie beside each other, the packets of those that
/// wait come late.
pub const LANES_MAX: usize = 32;

/// The packets of a window, from the segments in a directory.
pub struct PacketSource {
    description: Description,
    expected: Expected,
    at_hand: bool,
    window: Window,
    by: By,
    needs: Needs,
    // Chains that are not begun yet, the earliest last, and the segments that are missing.
    waiting: Vec<Chain>,
    holes: Vec<Hole>,
    heads: Vec<Head>,
    // When there is something in each chain, by the number of its first segment.
    spans: Vec<(u64, Vec<Window>)>,
    // Times of which no chain has anything, as far as they are known and not told, the earliest
    // last.
    between: Vec<Window>,
    telling: Option<(Span, Losses)>,
    // What the chains that have ended took.
    read_bytes: u64,
    // Behind the latest packet that was given.
    given: Ts,
}

/// A chain being read.
struct Head {
    number: u64,
    lane: Lane,
    // Packets of it, and how many of them were given.
    chunk: Chunk,
    at: usize,
    // When the next one counts: never before those that were given.
    now: Ts,
    // Where regions of its chunk stand in the one that is filled.
    regions: Vec<Option<u16>>,
}

impl PacketSource {
    /// Begins to read the packets of `window`; of those that `filter` does not pass the times may
    /// be all that is told.
    pub fn open(
        name: String,
        dir: &Path,
        window: Window,
        by: By,
        filter: Option<&Expr>,
    ) -> Result<Self, CopyError> {
        Self::of(name, dir, (window, by), filter, &|_| true)
    }

    /// The same without the segments whose packets are not all that `filter` picks.
    pub fn fitting(
        name: String,
        dir: &Path,
        window: Window,
        by: By,
        filter: Option<&Expr>,
    ) -> Result<Self, CopyError> {
        let fits = |segment: &Segment| filter.is_none_or(|asked| taken::fits(segment, asked));
        Self::of(name, dir, (window, by), filter, &fits)
    }

    fn of(
        name: String,
        dir: &Path,
        (window, by): (Window, By),
        filter: Option<&Expr>,
        fits: &dyn Fn(&Segment) -> bool,
    ) -> Result<Self, CopyError> {
        let failed = |source| CopyError::Read { path: dir.display().to_string(), source };
        let needs = filter.map_or(Expr::ALL.needs(), Expr::needs);
        let mut listed = segments::list(dir).map_err(failed)?;
        let mut holes = holes(dir, &listed).map_err(failed)?;
        listed.retain(fits);
        let chains = chains(listed, &holes).map_err(failed)?;
        holes.retain(|hole| hole.touches(window));
        holes.iter_mut().for_each(|hole| hole.begin_in(window));
        let mut chains: Vec<Chain> =
            chains.into_iter().filter_map(|chain| chain.within(window, by)).collect();
        chains.sort_by_key(|chain| std::cmp::Reverse(chain.span().from));
        let all = || chains.iter().flat_map(|chain| &chain.segments);
        let expected = expected(&all().collect::<Vec<_>>(), window, &needs);
        let mut description = Description::new(name, Pace::Stored);
        description.size_bytes = Some(expected.bytes);
        let spans: Vec<_> = chains.iter().map(|chain| (number(chain), chain.heard())).collect();
        let mut source = Self {
            description,
            expected,
            at_hand: all().all(|segment| segment.is_settled()),
            window,
            by,
            needs,
            between: between(&spans, window),
            spans,
            waiting: chains,
            holes,
            heads: Vec::new(),
            telling: None,
            read_bytes: 0,
            given: Ts(0),
        };
        source.begin_due()?;
        Ok(source)
    }

    /// Says how many packets of those there were it has.
    pub fn sampled(mut self, sampling: Sampling) -> Self {
        self.description.sampling = sampling;
        self
    }

    /// Takes into account how long the intervals are of who reads, and tells what is lost.
    pub fn telling(mut self, interval: Span, losses: Losses) -> Self {
        for head in &mut self.heads {
            head.lane.tell(interval, losses.clone());
        }
        // Beside them nothing of the window is read.
        let is_read =
            |hole: &Hole| self.waiting.iter().any(|chain| chain.numbers.contains(&hole.number));
        for hole in self.holes.iter().filter(|hole| !is_read(hole)) {
            let Lost { first, last } = hole.lost;
            let first = first.unwrap_or_default();
            let last = last.map_or(Window::ALL.to, |last| Ts(last.0.saturating_add(1)));
            let lost = Window { from: first, to: last.max(first) }.common(self.window);
            let (what, why) = (Missing::Packets, hole.to_string());
            let damage = lost.map(|Window { from, to }| Damage { what, from, to, why });
            damage.into_iter().for_each(|damage| losses.note(damage));
        }
        self.telling = Some((interval, losses));
        self
    }

    /// About how much it reads.
    pub fn expected(&self) -> Expected {
        self.expected
    }

    /// When more chains lie beside each other than are read at once, if ever.
    pub fn crowded(&self) -> Option<Window> {
        crowded(self.spans.iter().filter_map(|(_, spans)| around(spans)))
    }

    /// When the next chain begins, if there is one, and room for it.
    fn next_waiting(&self) -> Option<Ts> {
        let chain = self.waiting.last().filter(|_| self.heads.len() < LANES_MAX)?;
        Some(chain.span().from)
    }

    /// Begins with the chains whose time has come: all that begin before the next packet.
    fn begin_due(&mut self) -> Result<(), CopyError> {
        while let Some(from) = self.next_waiting() {
            if self.heads.iter().any(|head| head.now < from) {
                break;
            }
            let Some(chain) = self.waiting.pop() else { break };
            let number = number(&chain);
            let inside = |hole: &mut Hole| chain.numbers.contains(&hole.number);
            let holes = self.holes.extract_if(.., inside).collect();
            let reading = Reading::over(chain.segments, holes, self.window, self.needs.clone());
            let mut lane = match self.by {
                By::Time => Lane::by_time(reading, self.window)?,
                By::Arrival => Lane::by_arrival(reading, self.window, chain.passed)?,
            };
            if let Some((interval, losses)) = &self.telling {
                lane.tell(*interval, losses.clone());
            }
            let (chunk, regions) = Default::default();
            self.heads.push(Head { number, lane, chunk, at: 0, now: from, regions });
        }
        Ok(())
    }

    /// Whether there is but one chain left.
    fn is_alone(&self) -> bool {
        self.waiting.is_empty()
            && self.between.is_empty()
            && matches!(&self.heads[..], [head] if head.is_given())
    }

    /// The next packets of the one chain there is.
    fn pass_on(&mut self, chunk: &mut Chunk) -> Result<Turn, CopyError> {
        let Some(head) = self.heads.first_mut() else { return Ok(Turn::End) };
        let turn = head.lane.next(chunk);
        self.leave_heard(self.heads[0].number, chunk);
        turn
    }

    /// The next packets of all chains.
    fn merge(&mut self, chunk: &mut Chunk) -> Result<Turn, CopyError> {
        for head in &mut self.heads {
            head.regions.clear();
        }
        loop {
            self.begin_due()?;
            self.refill(chunk)?;
            // What came first begins first.
            let next = (0..self.heads.len()).min_by_key(|at| self.heads[*at].now);
            let now = next.map(|at| self.heads[at].now);
            let waiting = self.next_waiting();
            match (next, waiting) {
                // Such times, and that it has ended, are told when it is asked again.
                (None, None) if !chunk.is_empty() => break Ok(Turn::More),
                (None, None) => {
                    self.tell_until(Ts(u64::MAX), chunk);
                    break Ok(Turn::End);
                }
                (Some(next), waiting) if waiting.is_none_or(|waiting| Some(waiting) > now) => {
                    let others = self.heads.iter().enumerate().filter(|(at, _)| *at != next);
                    let others = others.map(|(_, head)| head.due());
                    // A time of which nothing is there is told before what lies behind it.
                    let silent = self.between.last().map(|window| Ts(window.to.0 - 1));
                    let silent = silent.filter(|end| Some(*end) >= now);
                    let until = others.chain(waiting).chain(silent).min();
                    let until = until.unwrap_or(Ts(u64::MAX));
                    if !self.give(next, until, chunk) {
                        break Ok(Turn::More);
                    }
                }
                // Another is to begin before.
                _ => {}
            }
        }
        .inspect(|_| chunk.settle_weights())
    }

    /// Reads on in the chains of which all was given; those that have ended go.
    fn refill(&mut self, chunk: &mut Chunk) -> Result<(), CopyError> {
        let mut at = 0;
        while let Some(head) = self.heads.get_mut(at) {
            if !head.is_given() {
                at += 1;
                continue;
            }
            let turn = head.refill();
            chunk.counts.add(std::mem::take(&mut head.chunk.counts));
            let (is_over, number) = (turn? == Turn::End && head.is_given(), head.number);
            let mut read = std::mem::take(&mut self.heads[at].chunk);
            self.leave_heard(number, &mut read);
            self.note_between(&mut read.unheard);
            if is_over {
                self.heads.remove(at);
                self.read_bytes += read.read_bytes;
            } else {
                self.heads[at].chunk = read;
            }
        }
        Ok(())
    }

    /// Adds times of which no chain has anything; several may know of the same.
    fn note_between(&mut self, unheard: &mut Vec<Window>) {
        if unheard.is_empty() {
            return;
        }
        self.between.append(unheard);
        self.between.sort_by_key(|window| std::cmp::Reverse(window.from));
        self.between.dedup_by(|earlier, later| {
            let touches = later.from <= earlier.to;
            if touches {
                *later = earlier.around(*later);
            }
            touches
        });
    }

    /// Tells the times of which no chain has anything that end until an instant.
    fn tell_until(&mut self, until: Ts, chunk: &mut Chunk) {
        while let Some(window) = self.between.pop_if(|window| window.to <= until) {
            // More may have come than there was when it began.
            let from = window.from.max(self.given);
            chunk.unheard.extend((from < window.to).then_some(Window { from, ..window }));
        }
    }

    /// Takes out of the times in which a chain has nothing those in which another has.
    fn leave_heard(&mut self, number: u64, chunk: &mut Chunk) {
        if chunk.unheard.is_empty() || self.spans.len() == 1 {
            return;
        }
        let unheard = std::mem::take(&mut chunk.unheard);
        // The last of those that lost a time tells it.
        let own = self.spans.iter_mut().find(|(own, _)| *own == number);
        own.into_iter().for_each(|(_, spans)| {
            *spans = Window::without_all(std::mem::take(spans), unheard.iter().copied());
        });
        let others = self.spans.iter().filter(|(other, _)| *other != number);
        let heard = others.flat_map(|(_, spans)| spans.iter().copied());
        chunk.unheard = Window::without_all(unheard, heard);
    }

    /// Gives packets of a chain that come before an instant; whether there is room for more.
    fn give(&mut self, at: usize, until: Ts, chunk: &mut Chunk) -> bool {
        let now = self.heads[at].now;
        let is_due = |window: &Window| window.to <= now;
        if self.heads[at].has_passed() || self.between.last().is_some_and(is_due) {
            // Such times are told before a chunk.
            if !chunk.packets.is_empty() {
                return false;
            }
            self.tell_until(now, chunk);
            if self.heads[at].pass(until, chunk) {
                self.given = self.given.max(chunk.passed.last().map_or(Ts(0), |time| time.to));
                return chunk.passed.len() < BATCH_PACKETS_MAX;
            }
        }
        let room = BATCH_PACKETS_MAX.saturating_sub(chunk.packets.len());
        let head = &mut self.heads[at];
        head.give(until, room, chunk);
        let last = chunk.packets.last().map(|packet| Ts(packet.ts.0.saturating_add(1)));
        self.given = self.given.max(last.unwrap_or_default());
        chunk.packets.len() < BATCH_PACKETS_MAX
    }

    fn broken(&self, error: CopyError) -> SourceError {
        let name = format!("`{}`", self.description.name);
        SourceError::Device { name, why: with_causes(&error) }
    }
}

impl Head {
    /// Whether all that was read of it was given.
    fn is_given(&self) -> bool {
        self.at >= self.chunk.packets.len() && self.chunk.passed.is_empty()
    }

    /// Whether packets were passed over before its next one.
    fn has_passed(&self) -> bool {
        self.at == 0 && !self.chunk.passed.is_empty()
    }

    /// Before when it gives no packet.
    fn due(&self) -> Ts {
        self.chunk.passed.first().map_or(self.now, |passed| passed.to.max(self.now))
    }

    /// Tells until an instant which times were passed over; whether there were any.
    fn pass(&mut self, until: Ts, chunk: &mut Chunk) -> bool {
        let Some(first) = self.chunk.passed.first_mut() else { return false };
        let behind = first.to.min(Ts(until.0.saturating_add(1)));
        chunk.passed.push(Window { to: behind, ..*first });
        self.now = self.now.max(behind);
        first.from = behind;
        if first.from >= first.to {
            self.chunk.passed.remove(0);
        }
        self.reach();
        true
    }

    /// Reads on.
    fn refill(&mut self) -> Result<Turn, CopyError> {
        self.chunk.clear();
        self.regions.clear();
        self.at = 0;
        let turn = self.lane.next(&mut self.chunk)?;
        self.chunk.settle_weights();
        self.reach();
        Ok(turn)
    }

    /// Goes on to the time of the next packet.
    fn reach(&mut self) {
        let passed = self.chunk.passed.first().map(|passed| passed.from);
        let next = passed.or(self.chunk.packets.get(self.at).map(|packet| packet.ts));
        self.now = next.map_or(self.now, |next| self.now.max(next));
    }

    /// Gives packets up to an instant, and no more than so many.
    fn give(&mut self, until: Ts, room: usize, chunk: &mut Chunk) {
        let rest = self.chunk.packets.get(self.at..).unwrap_or_default();
        let count = rest.iter().take(room).take_while(|packet| packet.ts <= until).count();
        let all = self.at..self.at + count;
        if let Some(weights) = self.chunk.weights.get(all.clone()).filter(|w| !w.is_empty()) {
            weigh(&mut chunk.weights, &chunk.packets);
            chunk.weights.extend(weights);
        }
        for at in all {
            let packet = self.chunk.packets[at];
            let region = self.region(packet.region, chunk);
            chunk.packets.push(Packet { region, ..packet });
        }
        self.at += count;
        self.reach();
    }

    /// Where a region of its chunk stands in another.
    fn region(&mut self, region: u16, chunk: &mut Chunk) -> u16 {
        let at = usize::from(region);
        if self.regions.len() <= at {
            self.regions.resize(at + 1, None);
        }
        if let Some(known) = self.regions[at] {
            return known;
        }
        chunk.regions.extend(self.chunk.regions.get(at).cloned());
        // A chunk has at most as many regions as packets.
        let known = chunk.regions.len().saturating_sub(1) as u16;
        self.regions[at] = Some(known);
        known
    }
}

impl Source for PacketSource {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        let turn = if self.is_alone() { self.pass_on(chunk) } else { self.merge(chunk) };
        // What was expected is not quite what it is; at the end all has been read.
        chunk.read_bytes = match turn {
            Ok(Turn::End) => self.expected.bytes,
            _ => {
                let heads = self.heads.iter().map(|head| head.lane.read_bytes());
                self.expected.bytes.min(self.read_bytes + heads.sum::<u64>())
            }
        };
        turn.map_err(|error| self.broken(error))
    }

    fn is_at_hand(&self) -> bool {
        self.at_hand
    }
}

/// What a chain is known by.
fn number(chain: &Chain) -> u64 {
    chain.segments.first().map_or(0, |segment| segment.number)
}

/// From the first of some times to the last.
fn around(spans: &[Window]) -> Option<Window> {
    spans.iter().copied().reduce(|all, span| all.around(span))
}

/// From when until when more spans overlap than chains are read at once.
fn crowded(spans: impl Iterator<Item = Window>) -> Option<Window> {
    let mut ends: Vec<(Ts, bool)> =
        spans.flat_map(|Window { from, to }| [(from, true), (to, false)]).collect();
    // One that ends where another begins is not beside it.
    ends.sort_unstable();
    let (mut open, mut crowded) = (0usize, None::<Window>);
    for (ts, begins) in ends {
        if open > LANES_MAX {
            crowded = Some(Window { to: ts, ..crowded.unwrap_or(Window { from: ts, to: ts }) });
        }
        open = if begins { open + 1 } else { open.saturating_sub(1) };
        if open > LANES_MAX && crowded.is_none() {
            crowded = Some(Window { from: ts, to: ts });
        }
    }
    crowded
}

/// The times between chains in which nobody listened, as far as they touch a window, the earliest
/// last.
fn between(chains: &[(u64, Vec<Window>)], window: Window) -> Vec<Window> {
    let mut heard: Vec<Window> = chains.iter().filter_map(|(_, spans)| around(spans)).collect();
    heard.sort_by_key(|heard| heard.from);
    let mut end: Option<Ts> = None;
    let mut between = Vec::new();
    for Window { from, to } in heard {
        between.extend(end.filter(|end| *end < from).map(|end| Window { from: end, to: from }));
        end = end.max(Some(to));
    }
    between.retain(|time| time.common(window).is_some());
    between.reverse();
    between
}
