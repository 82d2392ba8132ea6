//! Stored records as a source of packets.
//!
//! Records are read a block at a time and their packets put in order. A block
//! begins no earlier than the one before it, so all packets up to the first
//! row of the next block may leave.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Derived, ReplayError, Replayer};
use crate::costs::thread_cpu_ns;
use crate::field::Fields;
use crate::module::Replayed;
use crate::packet::{Packet, Weight};
use crate::record::{Output, Records};
use crate::selection::BATCH_PACKETS_MAX;
use crate::source::{Chunk, Counts, Description, Pace, Source, SourceError, Treatment, Turn};
use crate::storage::losses::Losses;
use crate::storage::scan::{Cursor, Damage, Found, Part};
use crate::storage::{RecordStore, Stream, Window};
use crate::time::{Span, Ts};

/// How many packets wait to be put in order at most. More than that of one interval, spread over
/// it, leave as far as they are in order then, and count in it all the same.
const WAITING_MAX: usize = 1 << 16;

/// How many gaps are told with one block of records.
const GAPS_MAX: usize = 1024;

/// How many rows are replayed before their packets are put in order.
const ROWS: usize = 1024;

/// How many records a module's own `replay` is tried on to see what it gives.
const SAMPLE_ROWS: usize = 64;

/// The longest headers of a packet: those of IPv6 and TCP behind a cooked one.
const PACKET_BYTES_MAX: usize = 80;

/// Records, the filter that their packets passed, and the gaps before them.
struct Block {
    records: Records,
    filter: String,
    gaps: Vec<Window>,
}

/// What comes next of a stream.
enum Ahead {
    /// A block with records.
    Block(Block),
    /// Nothing but these gaps, behind its last records.
    End(Vec<Window>),
}

/// The records of a stream in a window, as packets.
pub struct OnDemand {
    description: Description,
    store: Arc<dyn RecordStore>,
    stream: Stream,
    cursor: Cursor,
    // The block being replayed, and its next row.
    here: Option<(Block, usize)>,
    // The block behind it, whose first row says how far packets may leave.
    ahead: Option<Block>,
    replayer: Replayer,
    waiting: Vec<Replayed>,
    leaving: VecDeque<Replayed>,
    counts: Counts,
    // The gaps before the packets that leave next, and behind all.
    unheard: Vec<Window>,
    ended: Vec<Window>,
    losses: Losses,
    keyed: Fields,
    // What was said of records that are left out or inexact, so that it is said once.
    warned: [bool; 2],
    // Whether it matters which packets have ports.
    minds_ports: bool,
}

impl OnDemand {
    /// The records of `stream`, called `name` as a source, by the module's own way where it has
    /// one. Their first block is read: what cannot be replayed is refused here.
    pub fn open(
        name: String,
        store: Arc<dyn RecordStore>,
        stream: Stream,
        window: Window,
        replayer: Replayer,
    ) -> Result<Self, ReplayError> {
        let cursor = Cursor::new(&stream.name, window);
        let (size, sampling) = (expected_bytes(&stream, window), stream.sampling(window));
        let mut source = Self {
            description: Description::new(name, Pace::Stored),
            store,
            stream,
            cursor,
            here: None,
            ahead: None,
            replayer,
            waiting: Vec::new(),
            leaving: VecDeque::new(),
            counts: Counts::default(),
            unheard: Vec::new(),
            ended: Vec::new(),
            losses: Losses::default(),
            keyed: Fields::NONE,
            warned: [false; 2],
            minds_ports: true,
        };
        (source.description.size_bytes, source.description.sampling) = (Some(size), sampling);
        source.advance()?;
        source.describe(window)?;
        Ok(source)
    }

    /// Tells what cannot be read.
    pub fn telling(mut self, losses: Losses) -> Self {
        while let Some(found) = self.losses.next(None) {
            losses.note(found);
        }
        self.losses = losses;
        self
    }

    /// Says nothing in the log of records that are left out or inexact: whoever reads it says it.
    pub fn in_silence(mut self) -> Self {
        self.warned = [true; 2];
        self
    }

    /// Says nothing of ports that are not clear: whoever reads it reads none.
    pub fn without_ports(mut self) -> Self {
        self.minds_ports = false;
        self
    }

    /// The fields without which packets are not in the records, as far as those say.
    pub fn keyed(&self) -> Fields {
        self.keyed
    }

    /// Says what the first block tells of all; where the window has none, that of the stream.
    fn describe(&mut self, window: Window) -> Result<(), ReplayError> {
        let elsewhere = match &self.ahead {
            Some(_) => None,
            None => {
                let mut cursor = Cursor::new(&self.stream.name, Window::ALL);
                match next(&mut cursor, &*self.store, &self.stream, &Losses::default())? {
                    Ahead::Block(block) => Some(block),
                    Ahead::End(_) => None,
                }
            }
        };
        let Some(Block { records, filter, .. }) = self.ahead.as_ref().or(elsewhere.as_ref()) else {
            return Err(ReplayError::NoRecords);
        };
        let mut treatments = told(&self.stream, window);
        if !matches!(filter.as_str(), "" | "all") {
            treatments.push(Treatment::Filtered(filter.clone()));
        }
        let (instance, interval) = (self.stream.name.clone(), records.len);
        treatments.push(Treatment::Replayed { instance, interval });
        if records.cut {
            treatments.push(Treatment::SomeRecords);
        }
        let links;
        let offers = if self.replayer.is_own() {
            // Only its packets say what it gives: those of the first records stand for all.
            let mut packets = Vec::new();
            for row in 0..records.rows().min(SAMPLE_ROWS) {
                if packets.len() > WAITING_MAX {
                    break;
                }
                self.replayer.replay(records, row, filter, &mut packets)?;
            }
            links = packets.first().map_or_else(Vec::new, |packet| vec![packet.said.link()]);
            super::fields(&packets.iter().map(|packet| packet.said).collect::<Vec<_>>())
        } else {
            self.keyed = Derived::keyed(&records.schema);
            let derived = self.replayer.derived(&records.schema, filter)?;
            treatments.extend(derived.networks().map(Treatment::Networks));
            links = vec![derived.link()];
            derived.offers()
        };
        self.warned[1] = records.cut;
        self.description.resolution = Span(interval.0.max(1));
        self.description.links = links;
        self.description.offers = offers;
        self.description.lineage = treatments;
        Ok(())
    }

    /// Steps to the next block with records.
    fn advance(&mut self) -> Result<(), ReplayError> {
        if let Some(mut block) = self.ahead.take() {
            self.unheard.append(&mut block.gaps);
            self.here = Some((block, 0));
        }
        match next(&mut self.cursor, &*self.store, &self.stream, &self.losses)? {
            Ahead::Block(block) => self.ahead = Some(block),
            Ahead::End(mut gaps) => self.ended.append(&mut gaps),
        }
        Ok(())
    }

    /// Replays rows until there are packets for a chunk, or nothing is left to be read.
    fn read(&mut self) -> Result<(), ReplayError> {
        while self.leaving.len() < BATCH_PACKETS_MAX {
            let Some((block, row)) = &mut self.here else {
                // Those before a gap leave without those behind it.
                let parted = |ahead: &Block| ahead.gaps.is_empty() || self.leaving.is_empty();
                if !self.ahead.as_ref().is_some_and(parted) {
                    break;
                }
                self.advance()?;
                self.note_cut();
                continue;
            };
            let rows = *row..block.records.rows().min(*row + ROWS);
            let (begun, first) = (thread_cpu_ns(), *row);
            for at in rows {
                *row = at + 1;
                match self.replayer.replay(&block.records, at, &block.filter, &mut self.waiting) {
                    Ok(()) => {}
                    Err(error @ ReplayError::Fault(_)) => return Err(error),
                    // Another version of the module made these.
                    Err(error) => {
                        let name = &self.description.name;
                        self.counts.malformed += 1;
                        if !std::mem::replace(&mut self.warned[0], true) {
                            tracing::warn!("`{name}`: records are left out: {error}");
                        }
                    }
                }
                if self.waiting.len() > WAITING_MAX {
                    break;
                }
            }
            self.counts.replayed.records += (*row - first) as u64;
            if *row >= block.records.rows() {
                self.here = None;
            }
            self.note_ports();
            self.let_go();
            self.counts.replayed.ns += thread_cpu_ns().saturating_sub(begun);
        }
        Ok(())
    }

    /// Lets those packets leave that nothing can come before any more.
    fn let_go(&mut self) {
        let here = self.here.as_ref().map(|(block, row)| (block, *row));
        let next = here.or(self.ahead.as_ref().map(|block| (block, 0)));
        let start = |(block, row): (&Block, usize)| block.records.starts.get(row).copied();
        let until = next.map_or(Ts(u64::MAX), |next| start(next).unwrap_or_default());
        self.waiting.sort_by_key(|packet| packet.ts);
        let settled = self.waiting.partition_point(|packet| packet.ts <= until);
        let surplus = self.waiting.len().saturating_sub(WAITING_MAX);
        self.leaving.extend(self.waiting.drain(..settled.max(surplus)));
    }

    fn note_cut(&mut self) {
        let is_cut = self.here.as_ref().is_some_and(|(block, _)| block.records.cut);
        if is_cut && !self.description.lineage.contains(&Treatment::SomeRecords) {
            if !std::mem::replace(&mut self.warned[1], true) {
                let name = &self.description.name;
                tracing::warn!(
                    "`{name}`: inexact from here on, only some of the records were kept"
                );
            }
            self.description.lineage.push(Treatment::SomeRecords);
        }
    }

    fn note_ports(&mut self) {
        let lineage = &mut self.description.lineage;
        let is_unclear = self.minds_ports && self.replayer.has_unclear_ports();
        if is_unclear && !lineage.contains(&Treatment::UnclearPorts) {
            lineage.push(Treatment::UnclearPorts);
        }
    }

    /// Fills a chunk with what may leave.
    fn fill(&mut self, chunk: &mut Chunk) {
        let count = self.leaving.len().min(BATCH_PACKETS_MAX);
        let mut bytes = Vec::with_capacity(count * PACKET_BYTES_MAX);
        for Replayed { ts, said, weight } in self.leaving.drain(..count) {
            let Weight { packets, bytes: all } = weight;
            let mean = all.checked_div(packets).unwrap_or(0);
            let offset = bytes.len();
            said.write(mean, &mut bytes);
            chunk.weights.push(weight);
            chunk.packets.push(Packet {
                ts,
                offset: offset as u32,
                cap_len: (bytes.len() - offset) as u32,
                wire_len: u32::try_from(mean).unwrap_or(u32::MAX),
                region: 0,
                link: said.link(),
                source: 0,
                marks: said.known().marks(),
            });
        }
        chunk.unheard.append(&mut self.unheard);
        match count {
            0 => chunk.unheard.append(&mut self.ended),
            _ => chunk.regions.push(Arc::new(bytes)),
        }
        chunk.counts = std::mem::take(&mut self.counts);
        let size = self.description.size_bytes.unwrap_or(0);
        // What was expected is not quite what it is; at the end all has been read.
        chunk.read_bytes = if count == 0 { size } else { self.cursor.read_bytes().min(size) };
    }

    /// Gives the next packets, or says why it cannot.
    pub fn turn(&mut self, chunk: &mut Chunk) -> Result<Turn, ReplayError> {
        let read = self.read();
        self.fill(chunk);
        read?;
        Ok(if chunk.packets.is_empty() { Turn::End } else { Turn::More })
    }
}

/// What was done to the packets that records were made of, as these say.
fn told(stream: &Stream, window: Window) -> Vec<Treatment> {
    let mut told: Vec<Treatment> = Vec::new();
    for text in stream.covered(window).flat_map(|covered| &covered.lineage) {
        let treatment = Treatment::Told(text.clone());
        if !told.contains(&treatment) {
            told.push(treatment);
        }
    }
    told
}

/// About how many bytes of a stream lie in a window, as if they were spread evenly over its time.
fn expected_bytes(stream: &Stream, window: Window) -> u64 {
    let (Some(first), Some(end)) = (stream.first, stream.end) else { return 0 };
    let part = end.min(window.to) - first.max(window.from);
    let all = u128::from((end - first).0.max(1));
    (u128::from(stream.bytes) * u128::from(part.0) / all) as u64
}

/// The next block of a stream that has records, or the gaps behind the last. What cannot be read
/// before it is a gap.
fn next(
    cursor: &mut Cursor,
    store: &dyn RecordStore,
    stream: &Stream,
    losses: &Losses,
) -> Result<Ahead, ReplayError> {
    let mut gaps: Vec<Window> = Vec::new();
    // Since when something is lost of which nothing says where it ends.
    let mut lost_since = None;
    while let Some(found) = cursor.find(store)? {
        let Part { seq, output } = match found {
            Found::Part(part) => part,
            Found::Damage(damage) => {
                let Damage { from, to, .. } = damage;
                losses.note(damage);
                match from < to && gaps.len() < GAPS_MAX {
                    true => gaps.push(Window { from, to }),
                    false => lost_since = lost_since.or(Some(from)),
                }
                continue;
            }
        };
        match output {
            Output::Records(records) => {
                if let (Some(from), Some(to)) = (lost_since, records.starts.first().copied())
                    && from < to
                {
                    gaps.push(Window { from, to });
                }
                let filter = filter_of(stream, seq).to_owned();
                return Ok(Ahead::Block(Block { records, filter, gaps }));
            }
            Output::Gap { from, to } if gaps.len() < GAPS_MAX => gaps.push(Window { from, to }),
            Output::Gap { .. } => {}
        }
    }
    Ok(Ahead::End(gaps))
}

/// The filter of the packets that a block of a stream was measured of.
fn filter_of(stream: &Stream, seq: u64) -> &str {
    let measured = stream.filters.iter().rfind(|measured| measured.seq <= seq);
    measured.map_or("", |measured| &measured.filter)
}

impl Source for OnDemand {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        self.turn(chunk).map_err(|error| SourceError::Device {
            name: self.description.name.clone(),
            why: error.to_string(),
        })
    }

    fn first_ts(&self) -> Option<Ts> {
        self.ahead.as_ref().and_then(|block| block.records.starts.first().copied())
    }
}
