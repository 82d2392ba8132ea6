//! Several files as one source, in the order of their first timestamps.
//!
//! Captures of one glob mostly follow one another (a ring of `tcpdump -C`), so
//! one thread reads them one after another, and each is open only while it is
//! read. Where they overlap in time, packets are merged here, which costs a
//! copy of 32 bytes each: a source per file would cost a thread per file.

use std::path::PathBuf;

use como_core::packet::Packet;
use como_core::selection::BATCH_PACKETS_MAX;
use como_core::source::{Chunk, Counts, Description, Source, SourceError, Turn, weigh};
use como_core::time::Ts;

use super::Taken;
use super::capture::Capture;

/// Files read as one.
pub struct Series {
    description: Description,
    first_ts: Option<Ts>,
    // Whether every file is.
    at_hand: bool,
    // Not opened yet; the next one last.
    waiting: Vec<Waiting>,
    reading: Vec<Reading>,
    // Bytes of files that have been read to the end.
    done_bytes: u64,
    taken: Taken,
    // What the files lost and has not been told yet.
    counts: Counts,
    // The first file's flaw; it ends the series, after all that the other files hold.
    failed: Option<SourceError>,
}

struct Waiting {
    first_ts: Ts,
    path: PathBuf,
}

/// A file that is open, and what of its last chunk has not been passed on.
struct Reading {
    capture: Capture,
    chunk: Chunk,
    next: usize,
    // Where the chunk's regions are in the chunk being filled.
    placed: Vec<Option<u16>>,
    read_bytes: u64,
    ended: bool,
    failed: Option<SourceError>,
}

impl Series {
    /// Opens each file for a look at its first packet, and closes it again.
    ///
    /// A file that cannot be opened, or is no capture, fails the whole: better before the run
    /// than in the middle of it.
    pub fn open(name: &str, paths: Vec<PathBuf>, taken: Taken) -> Result<Self, SourceError> {
        let mut waiting = Vec::with_capacity(paths.len());
        let (mut whole, mut at_hand): (Option<Description>, bool) = (None, true);
        for path in paths {
            let capture = Capture::open(&path, taken)?;
            at_hand &= capture.is_at_hand();
            // A file without packets comes first, to be done with it.
            waiting.push(Waiting { first_ts: capture.first_ts().unwrap_or_default(), path });
            match &mut whole {
                None => whole = Some(capture.description().clone()),
                Some(whole) => join(whole, capture.description()),
            }
        }
        let mut description = whole.ok_or_else(|| SourceError::Spec {
            text: name.to_owned(),
            why: "no file is named".to_owned(),
        })?;
        name.clone_into(&mut description.name);
        // Stable, so that files that start together stay in the order they were named in.
        waiting.sort_by_key(|w| w.first_ts);
        waiting.reverse();
        let first_ts = waiting.last().map(|w| w.first_ts);
        Ok(Self {
            description,
            first_ts,
            at_hand,
            waiting,
            reading: Vec::new(),
            done_bytes: 0,
            taken,
            counts: Counts::default(),
            failed: None,
        })
    }

    /// Opens the files that start at `ts` or before, or the next one if none is open.
    fn open_until(&mut self, ts: Option<Ts>) {
        while let Some(next) = self.waiting.last() {
            if ts.map_or(!self.reading.is_empty(), |ts| next.first_ts > ts) {
                return;
            }
            let Some(next) = self.waiting.pop() else { return };
            match Capture::open(&next.path, self.taken) {
                Ok(capture) => self.reading.push(Reading::of(capture)),
                Err(e) => self.fail(e),
            }
        }
    }

    /// Makes every open file have a packet to offer; closes those that have none any more.
    fn refill(&mut self) {
        let mut at = 0;
        while let Some(reading) = self.reading.get_mut(at) {
            if reading.refill(&mut self.counts) {
                at += 1;
                continue;
            }
            let reading = self.reading.remove(at);
            self.done_bytes += reading.read_bytes;
            if let Some(e) = reading.failed {
                self.fail(e);
            }
        }
    }

    /// Keeps the first flaw to end with, and tells of the others now.
    fn fail(&mut self, e: SourceError) {
        match self.failed {
            None => self.failed = Some(e),
            Some(_) => tracing::error!("{e}"),
        }
    }

    /// The open file whose next packet is the earliest, that packet's time, and the time of the
    /// earliest packet of another file, open or not.
    fn earliest(&self) -> Option<(usize, Ts, Option<Ts>)> {
        let mut first: Option<(usize, Ts)> = None;
        let mut other = self.waiting.last().map(|w| w.first_ts);
        for (at, reading) in self.reading.iter().enumerate() {
            let ts = reading.head();
            let later = match first {
                Some((_, earliest)) if earliest <= ts => Some(ts),
                _ => first.replace((at, ts)).map(|(_, ts)| ts),
            };
            other = match (other, later) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        first.map(|(at, ts)| (at, ts, other))
    }
}

impl Reading {
    fn of(capture: Capture) -> Self {
        Self {
            capture,
            chunk: Chunk::default(),
            next: 0,
            placed: Vec::new(),
            read_bytes: 0,
            ended: false,
            failed: None,
        }
    }

    /// Reads on if everything was passed on. Answers whether there is a packet to offer.
    fn refill(&mut self, counts: &mut Counts) -> bool {
        while self.next >= self.chunk.packets.len() {
            if self.ended {
                return false;
            }
            self.chunk.clear();
            self.placed.clear();
            self.next = 0;
            match self.capture.next(&mut self.chunk) {
                Ok(Turn::More | Turn::Idle) => {}
                Ok(Turn::End) => self.ended = true,
                Err(e) => {
                    self.ended = true;
                    self.failed = Some(e);
                }
            }
            self.read_bytes = self.chunk.read_bytes;
            counts.add(std::mem::take(&mut self.chunk.counts));
        }
        true
    }

    /// The time of the next packet, which there is after [`Reading::refill`] said so.
    fn head(&self) -> Ts {
        self.chunk.packets.get(self.next).map_or(Ts(u64::MAX), |p| p.ts)
    }

    /// Passes packets on until one is later than `until`, `out` is full or the chunk ends.
    fn pass(&mut self, out: &mut Chunk, until: Option<Ts>) {
        let room = BATCH_PACKETS_MAX.saturating_sub(out.packets.len());
        let rest = &self.chunk.packets[self.next..];
        let rest = &rest[..rest.len().min(room)];
        let later = |p: &Packet| until.is_some_and(|until| p.ts > until);
        // At least one, or two files whose clocks jump could wait for each other.
        let n = rest.iter().skip(1).position(later).map_or(rest.len(), |at| at + 1);
        self.placed.resize(self.chunk.regions.len(), None);
        for (at, packet) in rest[..n].iter().enumerate() {
            let from = usize::from(packet.region);
            let (Some(placed), Some(region)) =
                (self.placed.get_mut(from), self.chunk.regions.get(from))
            else {
                continue;
            };
            let region = *placed.get_or_insert_with(|| {
                out.regions.push(region.clone());
                (out.regions.len() - 1) as u16
            });
            if let Some(weight) = self.chunk.weights.get(self.next + at) {
                weigh(&mut out.weights, &out.packets);
                out.weights.push(*weight);
            }
            out.packets.push(Packet { region, ..*packet });
        }
        self.next += n;
    }
}

impl Source for Series {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        for reading in &mut self.reading {
            reading.placed.clear();
        }
        while chunk.packets.len() < BATCH_PACKETS_MAX {
            self.refill();
            self.open_until(None);
            self.refill();
            let Some((_, ts, _)) = self.earliest() else {
                if self.waiting.is_empty() {
                    break;
                }
                continue;
            };
            self.open_until(Some(ts));
            self.refill();
            let Some((at, _, until)) = self.earliest() else { continue };
            let Some(reading) = self.reading.get_mut(at) else { continue };
            let whole = chunk.packets.is_empty() && reading.next == 0;
            if whole
                && until.is_none_or(|until| reading.chunk.packets.iter().all(|p| p.ts <= until))
            {
                // The usual case: nobody else has a packet in this chunk's time.
                std::mem::swap(chunk, &mut reading.chunk);
                reading.next = 0;
                break;
            }
            reading.pass(chunk, until);
        }
        chunk.settle_weights();
        let open: u64 = self.reading.iter().map(|r| r.read_bytes).sum();
        chunk.read_bytes = self.done_bytes + open;
        chunk.counts = std::mem::take(&mut self.counts);
        if !chunk.packets.is_empty() || !self.reading.is_empty() || !self.waiting.is_empty() {
            return Ok(Turn::More);
        }
        self.failed.take().map_or(Ok(Turn::End), Err)
    }

    fn is_at_hand(&self) -> bool {
        self.at_hand
    }

    fn first_ts(&self) -> Option<Ts> {
        self.first_ts
    }
}

/// Widens `whole` to what `part` offers too.
fn join(whole: &mut Description, part: &Description) {
    for link in &part.links {
        if !whole.links.contains(link) {
            whole.links.push(*link);
        }
    }
    whole.offers = whole.offers.and(part.offers);
    whole.resolution = whole.resolution.min(part.resolution);
    if whole.lineage != part.lineage {
        // What was done to the packets of some files only is said of none: `snaplen` tells.
        whole.lineage.retain(|treatment| part.lineage.contains(treatment));
    }
    whole.snaplen = match (whole.snaplen, part.snaplen) {
        (0, _) | (_, 0) => 0,
        (a, b) => a.max(b),
    };
    whole.size_bytes = whole.size_bytes.zip(part.size_bytes).map(|(a, b)| a + b);
}

#[cfg(test)]
mod tests;
