//! Kept packets as a source: a window of segments, read as a capture is.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use super::CopyError;
use super::read::{Expected, Part, Reading, Spot};
use crate::filter::Expr;
use crate::packet::{LinkType, Packet};
use crate::selection::BATCH_PACKETS_MAX;
use crate::source::{Chunk, Description, Pace, Source, SourceError, Turn, weigh};
use crate::storage::Window;
use crate::storage::pcapng::{self, Block};
use crate::time::Ts;

/// How many times in which nothing was heard are told with one packet.
const BREAKS_MAX: usize = 1024;

/// Slabs that are kept to be filled again.
const SLABS: usize = 16;

/// The packets of a window, from the segments in a directory.
pub struct Kept {
    description: Description,
    expected: Expected,
    reading: Reading,
    window: Window,
    // Of the section being read: the link type of each interface, and the number of its source.
    links: Vec<(LinkType, u16)>,
    // What the first section says was done to its packets.
    told: Option<String>,
    slab: Arc<Vec<u8>>,
    // Where the next block of the slab begins.
    at: usize,
    used: VecDeque<Arc<Vec<u8>>>,
    // Whether a packet of the window was there already.
    begun: bool,
    // The latest packet that was there, and that after which nothing was heard for a while.
    last: Ts,
    break_after: Option<Ts>,
    // The times in which nothing was heard before the next packet that is given.
    unheard: Vec<Window>,
    follows: bool,
}

impl Kept {
    /// Begins to read the packets of `window`; those that `filter` does not pass may be left out.
    pub fn open(
        name: String,
        dir: &Path,
        window: Window,
        filter: Option<&Expr>,
    ) -> Result<Self, CopyError> {
        let needs = filter.map_or(Expr::ALL.needs(), Expr::needs);
        let reading = Reading::new(dir, window, needs)?;
        let mut source = Self::over(name, reading, window);
        source.advance()?;
        source.look();
        Ok(source)
    }

    /// Begins to read the packets of `window` together with what is added meanwhile, with
    /// [`Kept::read`]. From the first one in the window on all are given, in the order they came in.
    pub fn following(name: String, dir: &Path, from: Ts) -> Result<Self, CopyError> {
        let reading = Reading::following(dir, from)?;
        let source = Self::over(name, reading, Window { from, ..Window::ALL });
        Ok(Self { follows: true, ..source })
    }

    fn over(name: String, reading: Reading, window: Window) -> Self {
        let mut description = Description::new(name, Pace::Stored);
        let expected = reading.expected();
        description.size_bytes = Some(expected.bytes);
        Self {
            description,
            expected,
            reading,
            window,
            links: Vec::new(),
            told: None,
            slab: Arc::default(),
            at: 0,
            used: VecDeque::new(),
            begun: false,
            last: Ts(0),
            break_after: None,
            unheard: Vec::new(),
            follows: false,
        }
    }

    /// Where the next packet is read.
    pub fn spot(&self) -> Spot {
        if self.at >= self.slab.len() {
            return self.reading.behind();
        }
        let slab = self.reading.spot();
        Spot { at: slab.at.saturating_add(self.at as u64), ..slab }
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

    /// About how much it reads.
    pub fn expected(&self) -> Expected {
        self.expected
    }

    /// What was done to its packets when they were kept, as its first section says.
    pub fn told(&self) -> Option<&str> {
        self.told.as_deref()
    }

    /// Looks at what stands before the first packet.
    fn look(&mut self) {
        let slab = self.slab.clone();
        while let Some((block, rest)) = pcapng::split(&slab[self.at..]) {
            match &block {
                Block::Packet { .. } => return,
                block => self.meet(block),
            }
            self.at = slab.len() - rest.len();
        }
    }

    /// Takes note of what describes the packets that follow.
    fn meet(&mut self, block: &Block<'_>) {
        match block {
            Block::Section(bytes) => {
                self.links.clear();
                let last = self.last.max(self.reading.passed());
                if pcapng::is_apart(bytes) && last > Ts(0) {
                    self.break_after = Some(last);
                }
                if self.told.is_none() {
                    self.told = pcapng::comment(bytes).map(str::to_owned);
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

    /// Reads the next slab; false at the end.
    fn advance(&mut self) -> Result<bool, CopyError> {
        loop {
            match self.reading.advance()? {
                None => return Ok(false),
                Some(Part::Segment) => self.links.clear(),
                Some(Part::Heads(blocks)) => {
                    let blocks = blocks.to_vec();
                    let mut rest = &blocks[..];
                    while let Some((block, behind)) = pcapng::split(rest) {
                        self.meet(&block);
                        rest = behind;
                    }
                    let (first, last) = self.reading.left_out();
                    self.resume(first);
                    self.last = self.last.max(last);
                }
                Some(Part::Slab(_)) => break,
            }
        }
        let free = self.used.front_mut().is_some_and(|slab| Arc::get_mut(slab).is_some());
        let spare = if free { self.used.pop_front() } else { None };
        let spare = spare.and_then(Arc::into_inner).unwrap_or_default();
        let slab = Arc::new(self.reading.take_slab(spare));
        let old = std::mem::replace(&mut self.slab, slab);
        if self.used.len() < SLABS {
            self.used.push_back(old);
        }
        self.at = 0;
        Ok(true)
    }

    /// Reads on until there are packets for a chunk, or nothing is left to be read.
    fn fill(&mut self, chunk: &mut Chunk, until: Option<Spot>) -> Result<Turn, CopyError> {
        while chunk.packets.is_empty() {
            if until.is_some_and(|until| self.spot() >= until) {
                return Ok(Turn::End);
            }
            if self.at >= self.slab.len() && !self.advance()? {
                // In the segments before, which are all there are, nothing is added any more.
                let over = until.is_none_or(|until| self.spot().segment < until.segment);
                return Ok(if over { Turn::End } else { Turn::Idle });
            }
            self.take(chunk, self.before(until));
        }
        Ok(Turn::More)
    }

    /// How many bytes of the slab lie before a spot.
    fn before(&self, until: Option<Spot>) -> usize {
        let (len, slab) = (self.slab.len(), self.reading.spot());
        match until {
            Some(until) if until.segment < slab.segment => 0,
            Some(until) if until.segment == slab.segment => {
                usize::try_from(until.at.saturating_sub(slab.at)).map_or(len, |part| part.min(len))
            }
            _ => len,
        }
    }

    /// Takes packets out of the slab until the chunk is full or byte `end` of the slab reached.
    fn take(&mut self, chunk: &mut Chunk, end: usize) {
        let slab = self.slab.clone();
        while chunk.packets.len() < BATCH_PACKETS_MAX && self.at < end {
            let Some((block, rest)) = pcapng::split(&slab[self.at..]) else { return self.skip() };
            let start = self.at;
            self.at = slab.len() - rest.len();
            let Block::Packet { ts, bytes } = block else {
                self.meet(&block);
                continue;
            };
            let Some(seen) = pcapng::packet(bytes) else { return self.skip() };
            let interface = self.links.get(seen.interface as usize);
            let Some((link, source)) = interface.copied() else { return self.skip() };
            self.resume(ts);
            self.last = self.last.max(ts);
            if ts < self.window.from || ts >= self.window.to {
                continue;
            }
            if self.follows && !self.begun {
                self.begin();
            }
            let mut packet = Packet { source, ..seen.as_packet(ts, start, link) };
            if let Some(stands) = pcapng::stands(bytes) {
                packet.marks |= stands.marks;
                weigh(&mut chunk.weights, &chunk.packets);
                chunk.weights.push(stands.weight);
            }
            chunk.packets.push(packet);
        }
        chunk.settle_weights();
        if !chunk.packets.is_empty() {
            chunk.unheard.append(&mut self.unheard);
            chunk.regions.push(slab);
        }
    }

    /// Takes note of the first packet after a while in which nothing was heard.
    fn resume(&mut self, to: Ts) {
        if let Some(from) = self.break_after.take()
            && from < to
            && to > self.window.from
            && self.unheard.len() < BREAKS_MAX
        {
            self.unheard.push(Window { from: Ts(from.0.saturating_add(1)), to });
        }
    }

    /// From here on what comes late belongs to the window too.
    fn begin(&mut self) {
        (self.begun, self.window.from) = (true, Ts(0));
        self.reading.begin();
    }

    /// Leaves out the rest of a slab that makes no sense.
    fn skip(&mut self) {
        self.reading.damaged(self.reading.at());
        self.at = self.slab.len();
    }
}

impl Source for Kept {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        let damaged = self.reading.effort().damaged;
        let turn = self.fill(chunk, None);
        chunk.counts.malformed += self.reading.effort().damaged - damaged;
        // What was expected is not quite what it is; at the end all has been read.
        chunk.read_bytes = match turn {
            Ok(Turn::End) => self.expected.bytes,
            _ => self.reading.effort().bytes_read.min(self.expected.bytes),
        };
        turn.map_err(|error| self.broken(error))
    }
}

impl Kept {
    fn broken(&self, error: CopyError) -> SourceError {
        let name = format!("`{}`", self.description.name);
        SourceError::Device { name, why: crate::source::with_causes(&error) }
    }
}
