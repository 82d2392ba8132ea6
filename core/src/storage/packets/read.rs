//! Reading a window of segments, slab by slab, leaving out those that cannot hold what is wanted.
//!
//! What a segment's index covers is chosen by it and checked against its
//! checksums; what follows (the newest packets of a segment that grows, or all
//! of one whose index is lost) is read through.

mod ahead;
mod chains;
mod holes;
mod open;
mod passing;
mod slab;
mod times;
mod verify;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::CopyError;
use super::index::Entry;
use super::segments::{self, Segment};
use crate::filter::Expr;
use crate::filter::clues::Needs;
use crate::storage::Window;
use crate::time::{Span, Ts};
pub(super) use ahead::expected;
pub use ahead::{Expected, covered};
pub(super) use chains::{Chain, chains};
pub(super) use holes::{Hole, holes};
pub use holes::{Listened, gaps, listened, missing};
use open::{Behind, Found, Open};
use passing::Passing;
pub(super) use slab::{Buffers, Slab};
pub(super) use times::times;
pub use verify::verify;

/// What reading a window took, and what the index saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Effort {
    /// Slabs that were read.
    pub slabs_read: u64,
    /// Slabs that could not hold what was wanted; those of segments of other times are not counted.
    pub slabs_skipped: u64,
    /// Bytes of segments that were read.
    pub bytes_read: u64,
    /// Bytes of all segments there are.
    pub bytes_all: u64,
    /// Slabs, and ends of segments, that were left out because they are damaged.
    pub damaged: u64,
}

impl Effort {
    /// Adds that of another answer, over the same segments.
    pub fn add(&mut self, other: Self) {
        self.slabs_read += other.slabs_read;
        self.slabs_skipped += other.slabs_skipped;
        self.bytes_read += other.bytes_read;
        self.bytes_all = other.bytes_all;
        self.damaged += other.damaged;
    }
}

/// A place in a window of segments: behind the packets before it, and before all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The number of the segment.
    pub segment: u64,
    /// The byte of the capture.
    pub at: u64,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Part<'a> {
    /// A segment begins.
    Segment,
    /// A slab was left out.
    LeftOut(LeftOut<'a>),
    /// The sections and interfaces of a slab that is damaged.
    Damaged(&'a [u8]),
    /// The rest of a segment is lost.
    Lost(Lost),
    /// A segment is missing.
    Missing(Lost),
    /// A slab that may hold what is wanted, beside what is not.
    Slab(&'a [u8]),
}

/// A slab that cannot hold what is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeftOut<'a> {
    /// The sections and interfaces that it describes.
    pub heads: &'a [u8],
    /// The earliest and the latest of its packets, if it has any.
    pub span: Option<(Ts, Ts)>,
    /// Whether they are of the window.
    pub is_inside: bool,
}

/// The time of packets that are lost, as far as it is known: otherwise from the packet before them,
/// or to the one behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    pub first: Option<Ts>,
    pub last: Option<Ts>,
}

/// A window being read.
pub(super) struct Reading {
    window: Window,
    needs: Needs,
    segments: VecDeque<Segment>,
    // The segments that are missing from it.
    holes: VecDeque<Hole>,
    open: Option<Open>,
    slab: Slab,
    // Where it begins, and the end of what was read or left out.
    at: u64,
    behind: u64,
    entry: Entry,
    buffers: Buffers,
    effort: Effort,
    // What was found damaged or missing last.
    fault: String,
    // For who must know when there were packets that are not wanted, and whether those of the slab
    // left out last are of the window.
    passing: Option<Passing>,
    is_inside: bool,
    // The newest segment that was begun.
    number: u64,
    // The directory, where what is added to it meanwhile is read too.
    follows: Option<PathBuf>,
    // Segments that were removed before they were read.
    gone: u64,
}

/// Says whether a slab's bytes are those that were written, by their checksum where there is one.
pub(super) type Check<'a> = dyn FnMut(&Slab, Option<u32>) -> bool + 'a;

fn sound(slab: &Slab, crc: Option<u32>) -> bool {
    crc.is_none_or(|crc| crc32fast::hash(slab) == crc)
}

/// Where reading stops for a moment: at what [`Part`] gives, or the end.
enum Stop {
    Segment,
    LeftOut,
    Damaged,
    Lost(Lost),
    Missing(Lost),
    Slab,
    End,
}

/// What becomes of a segment that was read to its end.
enum Ending {
    /// More may be added.
    Pause,
    /// It is read on once more.
    Again,
    Over,
}

impl Reading {
    /// Begins to read the segments of a directory.
    pub fn new(dir: &Path, window: Window, needs: Needs) -> Result<Self, CopyError> {
        let segments = segments::list(dir).map_err(|error| failed(dir, error))?;
        let bytes_all = segments.iter().map(|segment| segment.bytes).sum();
        let mut holes = holes(dir, &segments).map_err(|error| failed(dir, error))?;
        holes.retain(|hole| hole.touches(window));
        let segments = segments.into_iter().filter(|s| s.touches(window)).collect();
        let reading = Self::over(segments, holes, window, needs);
        Ok(Self { effort: Effort { bytes_all, ..Effort::default() }, ..reading })
    }

    /// Begins to read segments, in this order; those that are missing between them are `holes`.
    pub fn over(segments: Vec<Segment>, holes: Vec<Hole>, window: Window, needs: Needs) -> Self {
        Self {
            window,
            needs,
            holes: holes.into(),
            segments: segments.into(),
            open: None,
            slab: Slab::default(),
            at: 0,
            behind: 0,
            entry: Entry::default(),
            buffers: Buffers::default(),
            effort: Effort::default(),
            fault: String::new(),
            passing: None,
            is_inside: false,
            number: 0,
            follows: None,
            gone: 0,
        }
    }

    /// Begins to read all packets from `from` on, and those that are added meanwhile: what it says
    /// is the end is so for the time being.
    pub fn following(dir: &Path, from: Ts) -> Result<Self, CopyError> {
        let window = Window { from, ..Window::ALL };
        let reading = Self::new(dir, window, Expr::ALL.needs())?;
        Ok(Self { follows: Some(dir.to_owned()), ..reading })
    }

    /// Leaves out nothing any more that is earlier than the window.
    pub fn begin(&mut self) {
        self.window.from = Ts(0);
    }

    /// Where the slab given last begins.
    pub fn spot(&self) -> Spot {
        Spot { segment: self.number, at: self.at }
    }

    /// Behind all that was given or left out.
    pub fn behind(&self) -> Spot {
        Spot { segment: self.number, at: self.behind }
    }

    /// The earliest and the latest packet of the slab that is damaged.
    pub fn damaged_span(&self) -> (Ts, Ts) {
        (self.entry.first, self.entry.last)
    }

    /// From here on a slab is left out only where its times alone say what whoever reads, in
    /// intervals of a length, has to know of its packets.
    pub fn keep_time(&mut self, interval: Span) {
        match &mut self.passing {
            Some(passing) => passing.tell(interval),
            None => self.passing = Some(Passing::new(interval)),
        }
    }

    /// What was found damaged or missing last.
    pub fn fault(&self) -> &str {
        &self.fault
    }

    /// How many segments were removed before they were read.
    pub fn gone(&self) -> u64 {
        self.gone
    }

    /// Looks for segments that were begun since.
    fn look_on(&mut self) -> Result<(), CopyError> {
        let Some(dir) = &self.follows else { return Ok(()) };
        let segments = segments::list(dir).map_err(|error| failed(dir, error))?;
        self.segments.extend(segments.into_iter().filter(|s| s.number > self.number));
        Ok(())
    }

    /// What becomes of a segment that was read to its end.
    fn end(&mut self) -> Result<Ending, CopyError> {
        if self.follows.is_none() {
            return Ok(Ending::Over);
        }
        if self.segments.is_empty() {
            self.look_on()?;
        }
        let Some(open) = &mut self.open else { return Ok(Ending::Over) };
        Ok(match (self.segments.is_empty(), open.is_done) {
            (true, _) => Ending::Pause,
            // What was added before the newer one was begun.
            (false, false) => {
                open.is_done = true;
                Ending::Again
            }
            (false, true) => Ending::Over,
        })
    }

    /// What it took so far.
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// Takes the slab given last.
    pub fn take_slab(&mut self) -> Slab {
        std::mem::take(&mut self.slab)
    }

    /// The next part; none at the end.
    pub fn advance(&mut self) -> Result<Option<Part<'_>>, CopyError> {
        self.advance_by(&mut sound)
    }

    /// The same, where `check` says of each slab whether its bytes are those that were written, as
    /// far as a checksum tells.
    pub fn advance_by(&mut self, check: &mut Check<'_>) -> Result<Option<Part<'_>>, CopyError> {
        let stop = loop {
            let met = match &mut self.open {
                None => self.open_next()?,
                Some(open) => match open.entries.pop_front() {
                    Some(entry) => self.choose(entry, check)?,
                    None => self.read_on(check)?,
                },
            };
            if let Some(stop) = met {
                break stop;
            }
        };
        Ok(match stop {
            Stop::End => None,
            Stop::Segment => Some(Part::Segment),
            Stop::LeftOut => Some(Part::LeftOut(LeftOut {
                heads: &self.entry.heads,
                span: (self.entry.packets > 0).then_some((self.entry.first, self.entry.last)),
                is_inside: self.is_inside,
            })),
            Stop::Damaged => Some(Part::Damaged(&self.entry.heads)),
            Stop::Lost(lost) => Some(Part::Lost(lost)),
            Stop::Missing(lost) => Some(Part::Missing(lost)),
            Stop::Slab => Some(Part::Slab(&self.slab)),
        })
    }

    /// Opens the next segment, or comes upon one that is missing.
    fn open_next(&mut self) -> Result<Option<Stop>, CopyError> {
        if self.segments.is_empty() {
            self.look_on()?;
        }
        let next = self.segments.front().map_or(u64::MAX, |segment| segment.number);
        if let Some(hole) = self.holes.pop_front_if(|hole| hole.number < next) {
            self.lose();
            self.fault = hole.to_string();
            return Ok(Some(Stop::Missing(hole.lost)));
        }
        let Some(segment) = self.segments.pop_front() else { return Ok(Some(Stop::End)) };
        let path = segment.path.clone();
        // Numbers grow by one: what is missing was removed before it was ever listed.
        if self.follows.is_some() && self.number > 0 {
            self.gone += segment.number.saturating_sub(self.number.saturating_add(1));
        }
        (self.number, self.at, self.behind) = (segment.number, 0, 0);
        let is_first = self.effort.slabs_read == 0;
        let open = Open::new(segment, is_first, &mut self.buffers);
        self.open = open.map_err(|error| failed(&path, error))?;
        if self.open.is_none() {
            self.gone += 1;
        }
        Ok(self.open.is_some().then_some(Stop::Segment))
    }

    /// Reads a slab of the index, or leaves it out.
    fn choose(&mut self, entry: Entry, check: &mut Check<'_>) -> Result<Option<Stop>, CopyError> {
        self.entry = entry;
        self.behind = self.entry.end();
        if self.leaves_out() {
            self.effort.slabs_skipped += 1;
            return Ok(Some(Stop::LeftOut));
        }
        let Some(open) = &mut self.open else { return Ok(None) };
        let wanted = |entry: &Entry| entry.may_hold(self.window, &self.needs);
        let found = open.slab(&self.entry, wanted, &mut self.buffers);
        match found.map_err(|error| failed(&open.segment.path, error))? {
            Found::Slab(slab) if check(&slab, Some(self.entry.crc)) => {
                self.slab = slab;
                self.at = self.entry.at;
                self.effort.slabs_read += 1;
                self.effort.bytes_read += cost(&open.segment, &self.entry);
                Ok(Some(Stop::Slab))
            }
            Found::Slab(_) | Found::Damaged => {
                self.damaged(self.entry.at);
                Ok(Some(Stop::Damaged))
            }
            Found::Short => {
                open.cut(self.entry.at);
                self.behind = self.entry.at;
                self.damaged(self.entry.at);
                Ok(None)
            }
        }
    }

    /// Whether the slab that comes next is left out.
    fn leaves_out(&mut self) -> bool {
        let Self { entry, window, needs, passing, .. } = self;
        self.is_inside = entry.touches(*window);
        if !self.is_inside {
            return true;
        }
        let may_pass = passing.as_mut().is_none_or(|passing| passing.hear(entry, *window));
        may_pass && !entry.may_hold(*window, needs)
    }

    /// Reads what an index does not cover.
    fn read_on(&mut self, check: &mut Check<'_>) -> Result<Option<Stop>, CopyError> {
        let Some(open) = &mut self.open else { return Ok(None) };
        match open.read_on(&mut self.buffers).map_err(|e| failed(&open.segment.path, e))? {
            Behind::Slab(slab, at) => {
                // Nothing tells of what is not in the index yet.
                check(&slab, None);
                (self.slab, self.at) = (slab, at);
                self.behind = at.saturating_add(self.slab.len() as u64);
                self.effort.slabs_read += 1;
                self.effort.bytes_read += open.read_bytes(self.slab.len());
                Ok(Some(Stop::Slab))
            }
            Behind::End(at) => {
                let (is_short, has_more) = (open.is_short, open.has_more(at) || open.lacks_last());
                let lost = open.rest();
                match self.end()? {
                    Ending::Pause => return Ok(Some(Stop::End)),
                    Ending::Again => return Ok(None),
                    Ending::Over if has_more => self.damaged(at),
                    Ending::Over => {}
                }
                self.open = None;
                Ok((is_short || has_more).then_some(Stop::Lost(lost)))
            }
            Behind::Damaged(at) => {
                let lost = open.rest();
                self.damaged(at);
                self.open = None;
                Ok(Some(Stop::Lost(lost)))
            }
        }
    }

    /// Counts something that is lost.
    fn lose(&mut self) {
        self.effort.damaged += 1;
        self.passing.iter_mut().for_each(Passing::lose);
    }

    /// Takes note of bytes that make no sense, from `at` of the capture on.
    pub fn damaged(&mut self, at: u64) {
        self.lose();
        let path = self.open.as_ref().map(|open| open.segment.path.as_path());
        let segment = path.unwrap_or(Path::new("")).display().to_string();
        tracing::warn!(segment, at, "packets of a damaged segment are left out");
        let name = path.and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        self.fault = format!("`{name}` is damaged at byte {at}");
    }
}

/// Bytes of a segment's file that a slab takes.
fn cost(segment: &Segment, entry: &Entry) -> u64 {
    u64::from(if segment.packed { entry.packed_bytes } else { entry.bytes })
}

fn failed(path: &Path, source: io::Error) -> CopyError {
    CopyError::Read { path: path.display().to_string(), source }
}
