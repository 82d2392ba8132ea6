//! The writer: gathers what tasks export into blocks, and commits them together.
//!
//! One tick, one commit, all streams. What a commit could not write stays and
//! is tried again with the next one, up to a bound; past it rows are lost and
//! counted, and nothing ever waits.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use super::block::{self, BlockError, Encoder, Origin, PAYLOAD_BYTES, Sealed};
use super::{About, Append, Feed, RecordStore, StoreError};
use crate::hush::Hush;
use crate::record::{Output, Records, Schema};
use crate::source::Covered;
use crate::time::{Span, Ts};

/// What may wait for a store that does not take it, in bytes of blocks. Tests fill it too.
pub const WAITING_BYTES_MAX: usize = if cfg!(test) { 1 << 20 } else { 64 << 20 };

/// The rows of one block start within this span, so that a jump in time parts them.
pub const BLOCK_SPAN: Span = Span::from_secs(3600);

/// Gathers and commits. Owned by the thread that stores.
pub struct Writer {
    store: Arc<dyn RecordStore>,
    feed: Feed,
    node: String,
    boot: u64,
    encoder: Encoder,
    streams: BTreeMap<String, Pending>,
    // What is measured in streams that the store did not let us open yet.
    unopened: BTreeMap<String, About>,
    // Blocks that await their commit, those of a commit that failed first, and their bytes.
    group: Vec<Append>,
    waiting_bytes: usize,
    lost_rows: u64,
}

/// The open block of one stream.
struct Pending {
    origin: Origin,
    about: About,
    next_seq: u64,
    open: Option<Records>,
    // About how many bytes of payload the open rows take.
    open_bytes: usize,
    // What no commit takes yet, while the stream is held.
    held: Option<Held>,
    // How often the log heard that rows are lost.
    hush: Hush,
}

/// Closed blocks of a stream that are to be committed in one, and their bytes.
#[derive(Default)]
struct Held {
    appends: Vec<Append>,
    bytes: usize,
}

/// How far a stream is safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The instance.
    pub stream: String,
    /// The number of its last block.
    pub seq: u64,
    /// The first instant behind that block.
    pub end: Ts,
    /// How many rows the commit added.
    pub rows: u64,
}

impl Writer {
    /// A writer to `store`. `boot` tells this run of the node from every other.
    pub fn new(store: Arc<dyn RecordStore>, node: &str, boot: u64) -> Self {
        Self {
            store,
            feed: Feed::default(),
            node: node.to_owned(),
            boot,
            encoder: Encoder::default(),
            streams: BTreeMap::new(),
            unopened: BTreeMap::new(),
            group: Vec::new(),
            waiting_bytes: 0,
            lost_rows: 0,
        }
    }

    /// Where commits are told.
    pub fn feed(&self) -> Feed {
        self.feed.clone()
    }

    /// Where it writes to.
    pub fn store(&self) -> &Arc<dyn RecordStore> {
        &self.store
    }

    /// Rows lost because the store did not take them, or because one alone was too large.
    pub fn lost_rows(&self) -> u64 {
        self.lost_rows
    }

    /// Opens an instance's stream, or says what its records are from now on.
    ///
    /// Where the store does not answer, the first records that come try again.
    pub fn open(&mut self, stream: &str, about: About) -> Result<(), StoreError> {
        if let Some(pending) = self.streams.get_mut(stream) {
            let mut sealing = Sealing { encoder: &mut self.encoder, group: &mut self.group };
            let done = pending.close(&mut sealing);
            pending.about = about;
            self.count(done);
            return Ok(());
        }
        let known = match self.store.stream(stream) {
            Ok(known) => known,
            Err(error) => {
                self.unopened.insert(stream.to_owned(), about);
                return Err(error);
            }
        };
        self.unopened.remove(stream);
        let next_seq = known.map_or(0, |s| s.next_seq);
        let origin = Origin { node: self.node.clone(), stream: stream.to_owned(), boot: self.boot };
        let (open, open_bytes, held, hush) = Default::default();
        let pending = Pending { origin, about, next_seq, open, open_bytes, held, hush };
        self.streams.insert(stream.to_owned(), pending);
        Ok(())
    }

    /// Says which sources the records of an open stream cover from now on.
    pub fn cover(&mut self, stream: &str, sources: &[Covered]) {
        if let Some(about) = self.unopened.get_mut(stream) {
            about.sources = sources.to_vec();
        }
        let Some(pending) = self.streams.get_mut(stream) else { return };
        let mut sealing = Sealing { encoder: &mut self.encoder, group: &mut self.group };
        let done = pending.close(&mut sealing);
        pending.about.sources = sources.to_vec();
        self.count(done);
    }

    /// Opens a stream that was not opened yet as what it was said to be.
    fn be_open(&mut self, stream: &str) -> Result<(), StoreError> {
        if self.streams.contains_key(stream) {
            return Ok(());
        }
        let about = self.unopened.get(stream).cloned().unwrap_or_default();
        self.open(stream, about)
    }

    /// Keeps what is written to a stream from now on from being committed, until it is
    /// released: so it is committed in one, however long it takes to write. Who holds sees to it
    /// that there is room.
    pub fn hold(&mut self, stream: &str) -> Result<(), StoreError> {
        self.be_open(stream)?;
        let Some(pending) = self.streams.get_mut(stream).filter(|p| p.held.is_none()) else {
            return Ok(());
        };
        let mut sealing = Sealing { encoder: &mut self.encoder, group: &mut self.group };
        let done = pending.close(&mut sealing);
        pending.held = Some(Held::default());
        self.count(done);
        Ok(())
    }

    /// Whether what can be made again may be written to a stream now. Where too much waits for the
    /// store, or is held of other streams, it is to be made again later.
    pub fn has_room(&self, stream: &str) -> bool {
        let others = self.streams.iter().filter(|(name, _)| *name != stream);
        let held = others.filter_map(|(_, pending)| pending.held.as_ref()).map(|held| held.bytes);
        held.fold(self.waiting_bytes, usize::saturating_add) <= WAITING_BYTES_MAX
    }

    /// Drops what is held of a stream, as if it had never been written.
    pub fn forget(&mut self, stream: &str) {
        let Some(pending) = self.streams.get_mut(stream) else { return };
        let Some(held) = pending.held.take() else { return };
        (pending.open, pending.open_bytes) = (None, 0);
        let first = held.appends.iter().flat_map(|append| &append.blocks).next();
        pending.next_seq = first.map_or(pending.next_seq, |block| block.header.seq);
    }

    /// Leaves to the next commit what was held of a stream.
    pub fn release(&mut self, stream: &str) {
        let Some(pending) = self.streams.get_mut(stream) else { return };
        let mut sealing = Sealing { encoder: &mut self.encoder, group: &mut self.group };
        let done = pending.close(&mut sealing);
        let held = pending.held.take().unwrap_or_default();
        self.group.extend(held.appends);
        self.count(done);
        self.waiting_bytes = self.waiting_bytes.saturating_add(held.bytes);
    }

    /// Takes what an instance exported. An interval without rows leaves no trace.
    ///
    /// Fails only where the stream was not opened before and the store does not answer; the rows
    /// are lost then.
    pub fn write(&mut self, stream: &str, output: Output) -> Result<(), StoreError> {
        if let Err(error) = self.be_open(stream) {
            self.lose(&output);
            return Err(error);
        }
        if self.waiting_bytes > WAITING_BYTES_MAX {
            self.lose(&output);
            return Ok(());
        }
        let Some(pending) = self.streams.get_mut(stream) else { return Ok(()) };
        let mut sealing = Sealing { encoder: &mut self.encoder, group: &mut self.group };
        let done = match output {
            Output::Records(records) => pending.gather(records, &mut sealing),
            Output::Gap { from, to } => pending.gap(from, to, &mut sealing),
        };
        self.count(done);
        Ok(())
    }

    /// Writes all that was gathered, durably, and says how far each stream is safe.
    ///
    /// After an error nothing is acknowledged; the same blocks go with the next commit.
    pub fn commit(&mut self) -> Result<Vec<Committed>, StoreError> {
        let mut sealing = Sealing { encoder: &mut self.encoder, group: &mut self.group };
        let free = self.streams.values_mut().filter(|pending| pending.held.is_none());
        let done: Vec<_> = free.map(|pending| pending.close(&mut sealing)).collect();
        done.into_iter().for_each(|done| self.count(done));
        if self.group.is_empty() {
            return Ok(Vec::new());
        }
        self.feed.put(&*self.store, &self.group)?;
        self.waiting_bytes = 0;
        let mut committed: Vec<Committed> = Vec::new();
        for append in self.group.drain(..) {
            let Some(last) = append.blocks.last() else { continue };
            let rows = append.blocks.iter().map(|b| u64::from(b.header.rows)).sum::<u64>();
            let (seq, end) = (last.header.seq, last.header.end());
            let before = committed.iter_mut().find(|c| c.stream == append.stream);
            match before {
                Some(c) => (c.seq, c.end, c.rows) = (seq, end, c.rows + rows),
                None => committed.push(Committed { stream: append.stream, seq, end, rows }),
            }
        }
        Ok(committed)
    }

    /// Removes what streams have kept long enough, where the stream's clock is `now`.
    pub fn expire(&self, now: Ts) -> Result<u64, StoreError> {
        self.store.expire(now)
    }

    fn lose(&mut self, output: &Output) {
        if let Output::Records(records) = output {
            self.lost_rows = self.lost_rows.saturating_add(records.rows() as u64);
        }
    }

    fn count(&mut self, done: Done) {
        self.waiting_bytes = self.waiting_bytes.saturating_add(done.bytes);
        self.lost_rows = self.lost_rows.saturating_add(done.lost_rows);
    }
}

/// What came of closing blocks.
#[derive(Clone, Copy, Default)]
struct Done {
    bytes: usize,
    lost_rows: u64,
}

impl std::ops::AddAssign for Done {
    fn add_assign(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.lost_rows += other.lost_rows;
    }
}

/// Where closed blocks go.
struct Sealing<'a> {
    encoder: &'a mut Encoder,
    group: &'a mut Vec<Append>,
}

impl Pending {
    /// Adds rows to the open block, closing it whenever it is full.
    fn gather(&mut self, mut new: Records, sealing: &mut Sealing<'_>) -> Done {
        let mut done = Done::default();
        new.sort();
        let follows = |open: &Records| open.joins(&new) && open.starts.last() <= new.starts.first();
        if !self.open.as_ref().is_some_and(follows) {
            done += self.close(sealing);
        }
        let costs = block::costs(&new);
        let mut from = 0;
        while from < new.rows() {
            let (rows, bytes) = self.room(&new, &costs, from);
            self.open_bytes += bytes;
            let more = new.slice(rows.clone());
            match &mut self.open {
                Some(open) => _ = open.append(more),
                None => self.open = Some(more),
            }
            from = rows.end;
            if from < new.rows() {
                done += self.close(sealing);
            }
        }
        done
    }

    /// Which rows from `from` on the open block has room for, and what they take; one at least if
    /// it is empty.
    fn room(&self, new: &Records, costs: &[usize], from: usize) -> (Range<usize>, usize) {
        let first = self.open.as_ref().and_then(|open| open.starts.first()).copied();
        let first = first.unwrap_or(new.starts[from]);
        let (mut end, mut bytes) = (from, 0usize);
        while end < new.rows() {
            let full = self.open_bytes + bytes + costs[end] > PAYLOAD_BYTES;
            let alone = end == from && self.open.is_none();
            if (full || new.starts[end] - first >= BLOCK_SPAN) && !alone {
                break;
            }
            bytes += costs[end];
            end += 1;
        }
        (from..end, bytes)
    }

    fn gap(&mut self, from: Ts, to: Ts, sealing: &mut Sealing<'_>) -> Done {
        let mut done = self.close(sealing);
        let sealed = sealing.encoder.gap(&self.origin, self.next_seq, from, to);
        done += self.seal(sealed, 0, None, sealing);
        done
    }

    /// Closes the open block, if there is one.
    fn close(&mut self, sealing: &mut Sealing<'_>) -> Done {
        self.open_bytes = 0;
        let Some(open) = self.open.take().filter(|open| open.rows() > 0) else {
            return Done::default();
        };
        let rows = open.rows();
        let sealed = sealing.encoder.records(&self.origin, self.next_seq, &open, 0..rows);
        self.seal(sealed, rows as u64, Some(open.schema), sealing)
    }

    fn seal(
        &mut self,
        sealed: Result<Sealed, BlockError>,
        rows: u64,
        schema: Option<Arc<Schema>>,
        sealing: &mut Sealing<'_>,
    ) -> Done {
        let sealed = match sealed {
            Ok(sealed) => sealed,
            Err(error) => {
                if let Some(turn) = self.hush.turn(Instant::now()) {
                    tracing::warn!(stream = self.origin.stream, rows, "rows lost: {error}{turn}");
                }
                return Done { bytes: 0, lost_rows: rows };
            }
        };
        self.next_seq += 1;
        let mut bytes = sealed.bytes.len();
        if let Some(held) = &mut self.held {
            // They wait for no commit yet.
            held.bytes = held.bytes.saturating_add(std::mem::take(&mut bytes));
        }
        let append = self.append(sealing);
        append.blocks.push(sealed);
        if let Some(schema) = schema
            && !append.schemas.contains(&schema)
        {
            append.schemas.push(schema);
        }
        Done { bytes, lost_rows: 0 }
    }

    /// This stream's share of the commit to come, or of what is held.
    fn append<'a>(&'a mut self, sealing: &'a mut Sealing<'_>) -> &'a mut Append {
        let Self { origin, about, held, .. } = self;
        let group = held.as_mut().map_or(&mut *sealing.group, |held| &mut held.appends);
        let own = |a: &Append| a.stream == origin.stream;
        let at = match group.iter().rposition(own) {
            Some(at) if group[at].about == *about => at,
            _ => {
                let (stream, about) = (origin.stream.clone(), about.clone());
                group.push(Append { stream, about, ..Append::default() });
                group.len() - 1
            }
        };
        &mut group[at]
    }
}

#[cfg(test)]
mod tests;
