//! Lane packets in the order in which they were stored, read as a capture is.

mod scan;

use std::path::Path;
use std::sync::Arc;

use super::CopyError;
use super::breaks::Breaks;
use super::crossing::Crossings;
use super::read::{LeftOut, Lost, Part, Reading, Slab, Spot};
use crate::capture::clock::LEAP_MAX;
use crate::packet::{LinkType, Packet};
use crate::selection::BATCH_PACKETS_MAX;
use crate::source::{Chunk, Origin, Turn, weigh};
use crate::storage::Window;
use crate::storage::losses::Losses;
use crate::storage::pcapng::{self, Block, Stands};
use crate::time::{Span, Ts};
use scan::{Next, Scan};

/// A chunk of so many packets ends with the slab: more of them would be decoded no quicker.
const SLAB_PACKETS: usize = BATCH_PACKETS_MAX / 4;

/// How many slabs are passed over before that is told.
const PASSED_MAX: usize = 64;

/// The packets of a window, one segment after another.
pub struct Lane {
    reading: Reading,
    window: Window,
    // Of the section being read: the link type of each interface, and the number of its source.
    links: Vec<(LinkType, u16)>,
    // Where packets of the chunk come from that say so.
    origins: Vec<(usize, Origin)>,
    slab: Slab,
    // What is left of it.
    scan: Scan,
    // Whether a packet of the window was there already.
    begun: bool,
    breaks: Breaks,
    // Times of packets that were passed over since those given last.
    passed: Vec<Window>,
    follows: bool,
    // Where packets belong to the time in which they came.
    crossings: Option<Crossings>,
}

impl Lane {
    /// Begins to read the packets of a window.
    pub(super) fn by_time(reading: Reading, window: Window) -> Result<Self, CopyError> {
        let mut lane = Self::of(reading, window);
        lane.advance()?;
        Ok(lane)
    }

    /// Begins to read the packets that came in a window, whatever times they have, behind those
    /// that reach until `reached`.
    pub(super) fn by_arrival(
        reading: Reading,
        window: Window,
        reached: Option<Ts>,
    ) -> Result<Self, CopyError> {
        let mut lane = Self::of(reading, window);
        lane.crossings = Some(Crossings::of(window));
        if let Some(reached) = reached {
            lane.cross(reached);
        }
        lane.advance()?;
        Ok(lane)
    }

    /// Begins to read the packets in a directory from an instant on together with what is added
    /// meanwhile, with [`Lane::read`]. From the first one on all are given, in the order they came
    /// in.
    pub fn following(dir: &Path, from: Ts) -> Result<Self, CopyError> {
        let reading = Reading::following(dir, from)?;
        let lane = Self::of(reading, Window { from, ..Window::ALL });
        Ok(Self { follows: true, ..lane })
    }

    fn of(mut reading: Reading, window: Window) -> Self {
        reading.keep_time(LEAP_MAX);
        Self {
            reading,
            window,
            links: Vec::new(),
            origins: Vec::new(),
            slab: Slab::default(),
            scan: Scan::default(),
            begun: false,
            breaks: Breaks::new(window),
            passed: Vec::new(),
            follows: false,
            crossings: None,
        }
    }

    /// Takes into account how long the intervals are of who reads, and tells what is lost.
    pub fn tell(&mut self, interval: Span, losses: Losses) {
        self.reading.keep_time(interval);
        self.breaks.tell(interval, losses);
    }

    /// Where the next packet is read.
    pub fn spot(&self) -> Spot {
        let Some(at) = self.scan.at() else { return self.reading.behind() };
        let (slab, read) = (self.reading.spot(), at.saturating_sub(self.slab.range().start));
        Spot { at: slab.at.saturating_add(read as u64), ..slab }
    }

    /// What was done to any of its packets before they were kept, as the sections say.
    pub fn changed(&self) -> Option<String> {
        self.reading.lineages().into_iter().next()
    }

    /// How many segments were removed before they were read.
    pub fn gone(&self) -> u64 {
        self.reading.gone()
    }

    /// The next packets before `until`, each with the number that its source had when it was kept:
    /// [`Turn::End`] where that is reached, [`Turn::Idle`] where nothing more is there yet.
    pub fn read(&mut self, chunk: &mut Chunk, until: Spot) -> Result<Turn, CopyError> {
        self.fill(chunk, Some(until))
    }

    /// The next packets of the window.
    pub(super) fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, CopyError> {
        let damaged = self.reading.effort().damaged;
        let turn = self.fill(chunk, None);
        chunk.counts.malformed += self.reading.effort().damaged - damaged;
        chunk.read_bytes = self.read_bytes();
        turn
    }

    /// How many bytes of segments it has read.
    pub(super) fn read_bytes(&self) -> u64 {
        self.reading.effort().bytes_read
    }

    /// Takes note of what the slab describes at a place of its region.
    fn meet_at(&mut self, at: usize) {
        let slab = self.slab.clone();
        if let Some((block, _)) = slab.up_to_end().get(at..).and_then(pcapng::split) {
            self.meet(&block);
        }
        self.scan.pass();
    }

    /// Takes note of what describes the packets that follow.
    fn meet(&mut self, block: &Block<'_>) {
        match block {
            Block::Section(bytes) => {
                self.links.clear();
                if pcapng::is_apart(bytes) {
                    self.breaks.part();
                }
            }
            Block::Interface(bytes) => {
                let source = pcapng::name(bytes).and_then(|name| name.strip_prefix("source "));
                let number = source.and_then(|number| number.parse().ok()).unwrap_or(0);
                self.links.push((pcapng::link(bytes), number));
            }
            Block::Packet { .. } => {}
        }
    }

    /// Takes note of what a slab describes whose packets are not given.
    fn meet_all(&mut self, mut blocks: &[u8]) {
        while let Some((block, behind)) = pcapng::split(blocks) {
            self.meet(&block);
            blocks = behind;
        }
    }

    /// Reads the next slab, or passes over as many as are told at once; false at the end.
    fn advance(&mut self) -> Result<bool, CopyError> {
        loop {
            let Self { reading, scan, .. } = self;
            match reading.advance_by(&mut |slab, crc| scan.read(slab, crc))? {
                None => return Ok(false),
                Some(Part::Segment) => self.links.clear(),
                Some(Part::LeftOut(LeftOut { heads, span, is_inside })) => {
                    let heads = heads.to_vec();
                    self.meet_all(&heads);
                    let passed = span.map(|(first, last)| self.leave_out(first, last));
                    self.passed.extend(passed.filter(|_| is_inside && !self.is_over()));
                    if self.passed.len() >= PASSED_MAX {
                        return Ok(true);
                    }
                }
                Some(Part::Damaged(blocks)) => {
                    let blocks = blocks.to_vec();
                    self.meet_all(&blocks);
                    let (first, last) = self.reading.damaged_span();
                    self.breaks.lead_to(first);
                    self.breaks.lose(Some(first), Some(last), self.reading.fault());
                }
                Some(Part::Lost(Lost { first: None, last })) => {
                    self.breaks.lose(None, last, self.reading.fault());
                }
                Some(Part::Missing(Lost { first, last }) | Part::Lost(Lost { first, last })) => {
                    // Whether its packets followed on those before it would have said itself.
                    self.breaks.part();
                    first.into_iter().for_each(|first| self.breaks.lead_to(first));
                    self.breaks.lose(first, last, self.reading.fault());
                }
                Some(Part::Slab(_)) => break,
            }
        }
        self.slab = self.reading.take_slab();
        Ok(true)
    }

    /// Passes over packets that are not wanted; returns their time.
    fn leave_out(&mut self, first: Ts, last: Ts) -> Window {
        self.breaks.resume(first);
        self.breaks.hear(last);
        self.cross(last);
        Window { from: first, to: Ts(last.0.saturating_add(1)) }
    }

    /// A packet is there, or was left out, that may begin or end the window. Whether it is the
    /// first of all.
    fn cross(&mut self, ts: Ts) -> bool {
        let Some(crossings) = &mut self.crossings else { return false };
        let is_first = crossings.hear(ts);
        if crossings.has_begun() && !self.begun {
            self.begin();
        }
        is_first
    }

    /// Whether all that came in the window was read.
    fn is_over(&self) -> bool {
        self.crossings.is_some_and(|crossings| crossings.is_over())
    }

    /// Reads on until a chunk is full, or nothing is left to be read that belongs into it.
    fn fill(&mut self, chunk: &mut Chunk, until: Option<Spot>) -> Result<Turn, CopyError> {
        chunk.packets.reserve(BATCH_PACKETS_MAX.saturating_sub(chunk.packets.len()));
        let end = loop {
            if self.is_over() {
                break Turn::End;
            }
            if until.is_some_and(|until| self.spot() >= until) {
                break Turn::End;
            }
            let is_over = matches!(self.scan.peek(), Next::End);
            if is_over && chunk.packets.len() >= SLAB_PACKETS {
                // Its bytes are still near.
                break Turn::More;
            }
            if is_over && !self.advance()? {
                // In the segments before, which are all there are, nothing is added any more.
                let over = until.is_none_or(|until| self.spot().segment < until.segment);
                break if over { Turn::End } else { Turn::Idle };
            }
            let is_due = self.breaks.is_due() || !self.passed.is_empty();
            if self.passed.len() >= PASSED_MAX || is_due && !chunk.packets.is_empty() {
                break Turn::More;
            }
            if self.take(chunk, self.before(until)) {
                break Turn::More;
            }
        };
        chunk.settle_weights();
        // What it is that ends here is told when it is asked again.
        Ok(if chunk.packets.is_empty() { self.tell_behind(chunk, end) } else { Turn::More })
    }

    /// Tells what is known of the time behind the last packet, where `end` may be all that is left.
    fn tell_behind(&mut self, chunk: &mut Chunk, end: Turn) -> Turn {
        if let Some(last) = self.passed.last() {
            // What lies behind it is told before what is there, or at the end.
            self.breaks.take_before(last.to, &mut chunk.unheard);
            chunk.passed.append(&mut self.passed);
        } else if end == Turn::End && !self.follows {
            self.breaks.end(chunk);
        }
        if chunk.passed.is_empty() { end } else { Turn::More }
    }

    /// Where the slab ends, or before that a spot.
    fn before(&self, until: Option<Spot>) -> usize {
        let (range, slab) = (self.slab.range(), self.reading.spot());
        match until {
            Some(until) if until.segment < slab.segment => range.start,
            Some(until) if until.segment == slab.segment => {
                let part = usize::try_from(until.at.saturating_sub(slab.at)).unwrap_or(usize::MAX);
                range.start.saturating_add(part).min(range.end)
            }
            _ => range.end,
        }
    }

    /// Takes packets out of the slab until `end` of its region is reached, or nothing more belongs
    /// into the chunk: it is full, or something else is described. Whether that is so.
    fn take(&mut self, chunk: &mut Chunk, end: usize) -> bool {
        let slab = self.slab.region().clone();
        let known = chunk.regions.last().is_some_and(|last| Arc::ptr_eq(last, &slab));
        // A chunk has at most as many regions as packets.
        let region = (chunk.regions.len() - usize::from(known)) as u16;
        let before = chunk.packets.len();
        let is_done = loop {
            if self.crossings.is_none() {
                match chunk.packets.is_empty() {
                    true => self.take_whole(chunk, region, end),
                    false => self.take_run(chunk, region, end),
                }
            }
            let is_full = chunk.packets.len() >= BATCH_PACKETS_MAX;
            match self.scan.peek() {
                Next::Head(at) if at < end => {
                    // Times in which nothing was heard are told before a chunk.
                    if !chunk.packets.is_empty() {
                        break true;
                    }
                    self.meet_at(at);
                }
                Next::Packet(packet, stands) if pcapng::start(&packet) < end => {
                    if is_full {
                        break true;
                    }
                    let packet = Packet { region, ..packet };
                    match self.links.get(usize::from(packet.source)) {
                        Some(&(link, source)) => {
                            self.scan.pass();
                            self.add(Packet { link, source, ..packet }, stands, chunk);
                        }
                        None => self.skip(),
                    }
                }
                Next::Nonsense => self.skip(),
                _ => break is_full,
            }
        };
        if !known && chunk.packets.len() > before {
            chunk.regions.push(slab);
        }
        self.origins.drain(..).for_each(|(at, origin)| chunk.tell(at, origin));
        is_done
    }

    /// The quickest way: takes all packets of the slab as they lie, into a chunk without any. They
    /// are of one interface and of the window.
    fn take_whole(&mut self, chunk: &mut Chunk, region: u16, end: usize) {
        let Some((packets, extent)) = self.scan.whole() else { return };
        let Some(first) = packets.first().map(|first| first.ts) else { return };
        let Some(interface) = extent.interface() else { return };
        let Some(&(link, source)) = self.links.get(usize::from(interface)) else { return };
        let belongs = extent.first >= self.window.from && extent.last < self.window.to;
        let is_all = packets.len() <= BATCH_PACKETS_MAX && end == self.slab.range().end;
        if !belongs || !is_all || self.follows {
            return;
        }
        self.breaks.hear(first);
        self.breaks.hear(extent.last);
        self.tell_between(chunk);
        self.scan.give(&mut chunk.packets);
        // Mostly they bear that already.
        if (region, link, source) != (0, LinkType::ETHERNET, interface) {
            chunk.packets.iter_mut().for_each(|packet| {
                (packet.region, packet.link, packet.source) = (region, link, source);
            });
        }
    }

    /// The quick way: takes packets behind others of the chunk, all of one interface and of the
    /// window, of which there is nothing to say.
    fn take_run(&mut self, chunk: &mut Chunk, region: u16, end: usize) {
        let Self { scan, links, breaks, window, .. } = self;
        let room = BATCH_PACKETS_MAX.saturating_sub(chunk.packets.len());
        let run = scan.run();
        let Some(first) = run.first() else { return };
        let Some(&(link, source)) = links.get(usize::from(first.source)) else { return };
        let belongs = |packet: &Packet| {
            packet.source == first.source
                && (window.from..window.to).contains(&packet.ts)
                && pcapng::start(packet) < end
        };
        let run = &run[..run.iter().take(room).take_while(|packet| belongs(packet)).count()];
        run.first().into_iter().for_each(|first| breaks.hear(first.ts));
        run.iter().map(|packet| packet.ts).max().into_iter().for_each(|last| breaks.hear(last));
        chunk.packets.extend(run.iter().map(|packet| Packet { region, link, source, ..*packet }));
        let taken = run.len();
        scan.pass_run(taken);
    }

    /// Adds a packet, if it is of the window.
    #[inline]
    fn add(&mut self, mut packet: Packet, stands: Option<Stands>, chunk: &mut Chunk) {
        let ts = packet.ts;
        self.breaks.hear(ts);
        if self.crossings.is_some() {
            let from = self.window.from;
            if self.cross(ts) {
                self.breaks.begin_with(from, ts);
            }
            if self.is_over() {
                return;
            }
        }
        if ts < self.window.from || ts >= self.window.to {
            return;
        }
        if self.follows && !self.begun {
            self.begin();
        }
        if chunk.packets.is_empty() {
            self.tell_between(chunk);
        }
        if let Some(stands) = stands {
            packet.marks |= stands.marks;
            weigh(&mut chunk.weights, &chunk.packets);
            chunk.weights.push(stands.weight);
            let at = chunk.packets.len();
            self.origins.extend(stands.origin.map(|origin| (at, origin)));
        }
        chunk.packets.push(packet);
    }

    /// Tells what is known of the time before a chunk.
    fn tell_between(&mut self, chunk: &mut Chunk) {
        self.breaks.take(&mut chunk.unheard);
        chunk.passed.append(&mut self.passed);
    }

    /// From here on what comes late belongs to the window too.
    fn begin(&mut self) {
        (self.begun, self.window.from) = (true, Ts(0));
        self.breaks.begin();
        self.reading.begin();
    }

    /// Leaves out the rest of a slab that makes no sense.
    fn skip(&mut self) {
        self.reading.damaged(self.reading.spot().at);
        self.scan.clear();
    }
}
