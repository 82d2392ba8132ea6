//! Scans: the records of a stream in a window, oldest first, a page at a time.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use super::block::{self, BlockError, Header};
use super::{Mark, RecordStore, Runs, StoreError, Stored, Window};
use crate::record::{Output, Schema};
use crate::time::Ts;

/// Reads a stream lazily: the rows whose interval starts inside the window, and the gaps that
/// reach into it, cut to it. Rows are in time order within one output; outputs are in the order
/// of their first rows.
///
/// A damaged block is named in the log, skipped and counted; the rest stays readable.
pub struct Scan<'a> {
    store: &'a dyn RecordStore,
    cursor: Cursor,
}

/// A place in a stream that is being read: a scan without its store.
pub struct Cursor {
    stream: String,
    window: Window,
    after: Option<Mark>,
    page: VecDeque<Stored>,
    schemas: BTreeMap<u64, Arc<Schema>>,
    damaged: u64,
    read_bytes: u64,
    ended: bool,
    // The gaps that no block tells; none before those were looked for. And a part that waits for
    // those before it.
    untold: Option<Untold>,
    held: Option<Part>,
}

/// Gaps that no block tells, or not so.
#[derive(Default)]
struct Untold {
    // In the order of time, each with the number of the block that it is a part of, if it is.
    gaps: VecDeque<(Window, Option<u64>)>,
    runs: Runs,
}

impl Untold {
    /// Of a stream, those between the runs that stored it: nobody measured.
    fn of(store: &dyn RecordStore, stream: &str, window: Window) -> Result<Self, StoreError> {
        let Some(stream) = store.stream(stream)? else { return Ok(Self::default()) };
        let inside = stream.span().and_then(|stored| stored.common(window));
        let between = inside.into_iter().flat_map(|inside| stream.runs.between(inside));
        Ok(Self { gaps: between.map(|gap| (gap, None)).collect(), runs: stream.runs })
    }

    /// A gap that a run stored in the block of this number: itself, or what is left of it in turn,
    /// where others have heard some of its time.
    fn pass(&mut self, gap: Window, (seq, boot): (u64, u64)) -> Option<Window> {
        let left = self.runs.left_of(gap, boot);
        if left == [gap] {
            return Some(gap);
        }
        for part in left {
            let at = self.gaps.partition_point(|(gap, _)| gap.from <= part.from);
            self.gaps.insert(at, (part, Some(seq)));
        }
        None
    }

    /// The next one, with its number or else that of what comes next, if it begins no later than
    /// that.
    fn due(&mut self, next: u64, start: Ts) -> Option<Part> {
        let (Window { from, to }, seq) = self.gaps.pop_front_if(|(gap, _)| gap.from <= start)?;
        Some(Part { seq: seq.unwrap_or(next), output: Output::Gap { from, to } })
    }
}

/// What a scan comes upon.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Rows or a gap.
    Part(Part),
    /// Something that cannot be read.
    Damage(Damage),
}

/// What cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The block of this number.
    Block(u64),
    /// Those in damaged pages of the file, which may be several.
    Blocks,
    /// Kept packets.
    Packets,
}

/// Something stored that cannot be read: which, and from when until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What it is.
    pub what: Missing,
    /// The start of its first row, or of the last one before it that could be read; its first
    /// packet.
    pub from: Ts,
    /// The first instant behind it, as far as it is known.
    pub to: Ts,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            Missing::Block(seq) => write!(f, "block {seq}")?,
            Missing::Blocks => f.write_str("blocks")?,
            Missing::Packets => f.write_str("packets")?,
        }
        write!(f, " from {}", self.from)?;
        match self.to {
            Ts(u64::MAX) => f.write_str(" on")?,
            to => write!(f, " to {to}")?,
        }
        write!(f, ": {}", self.why)
    }
}

/// What one block had to give, or the time between two runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The block's number, or that of the next one.
    pub seq: u64,
    /// Its rows in the window, at least one, or its gap.
    pub output: Output,
}

impl Part {
    fn start(&self) -> Ts {
        match &self.output {
            Output::Records(records) => records.starts.first().copied().unwrap_or_default(),
            Output::Gap { from, .. } => *from,
        }
    }
}

impl<'a> Scan<'a> {
    /// A scan of one stream; of none if the store has none of that name.
    pub fn new(store: &'a dyn RecordStore, stream: &str, window: Window) -> Self {
        Self { store, cursor: Cursor::new(stream, window) }
    }

    /// The same of what is stored alone: times between runs that nobody measured, of which no gap
    /// is stored, are not told, and gaps as they were stored.
    pub fn of_blocks(store: &'a dyn RecordStore, stream: &str, window: Window) -> Self {
        let scan = Self::new(store, stream, window);
        Self { cursor: Cursor { untold: Some(Untold::default()), ..scan.cursor }, ..scan }
    }

    /// How many damaged blocks were skipped so far.
    pub fn damaged(&self) -> u64 {
        self.cursor.damaged
    }

    /// The number of the next block, if there is one.
    pub fn next_seq(&mut self) -> Result<Option<u64>, StoreError> {
        self.cursor.look(self.store)?;
        Ok(self.cursor.page.front().map(|stored| stored.mark.seq))
    }

    /// The next part, or the next thing that cannot be read.
    pub fn find(&mut self) -> Option<Result<Found, StoreError>> {
        self.cursor.find(self.store).transpose()
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<Part, StoreError>;

    /// The next part; what is damaged is passed over.
    fn next(&mut self) -> Option<Self::Item> {
        self.cursor.advance(self.store).transpose()
    }
}

impl Cursor {
    /// Before the first of a stream.
    pub fn new(stream: &str, window: Window) -> Self {
        Self {
            stream: stream.to_owned(),
            window,
            after: None,
            page: VecDeque::new(),
            schemas: BTreeMap::new(),
            damaged: 0,
            read_bytes: 0,
            ended: window.from >= window.to,
            untold: None,
            held: None,
        }
    }

    /// Bytes of the blocks that were given so far.
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Reads on where all that was read has been given.
    fn look(&mut self, store: &dyn RecordStore) -> Result<(), StoreError> {
        if self.page.is_empty() && !self.ended {
            self.page = store.page(&self.stream, self.window, self.after)?.into();
        }
        Ok(())
    }

    fn next_block(&mut self, store: &dyn RecordStore) -> Result<Option<Stored>, StoreError> {
        self.look(store)?;
        let next = self.page.pop_front();
        match &next {
            Some(stored) => {
                self.after = Some(stored.mark);
                self.read_bytes += stored.bytes.len() as u64;
            }
            None => self.ended = true,
        }
        Ok(next)
    }

    fn schema(
        &mut self,
        store: &dyn RecordStore,
        hash: u64,
    ) -> Result<Option<Arc<Schema>>, StoreError> {
        if !self.schemas.contains_key(&hash)
            && let Some(schema) = store.schema(&self.stream, hash)?
        {
            self.schemas.insert(hash, schema);
        }
        Ok(self.schemas.get(&hash).cloned())
    }

    /// What the block has inside the window; nothing if no row starts there.
    fn read(
        &mut self,
        store: &dyn RecordStore,
        stored: &Stored,
    ) -> Result<Result<Option<Output>, BlockError>, StoreError> {
        let block = match block::decode(&stored.bytes) {
            Ok(block) => block,
            Err(error) => return Ok(Err(error)),
        };
        if (block.header.first, block.header.seq) != (stored.mark.first, stored.mark.seq)
            || !self.stream.starts_with(&block.header.origin.stream)
        {
            return Ok(Err(BlockError::Malformed("it stands in another's place")));
        }
        let schema = match block.header.gap {
            true => Some(Arc::default()),
            false => self.schema(store, block.header.schema)?,
        };
        let Some(schema) = schema else { return Ok(Err(BlockError::Schema)) };
        let by = (block.header.seq, block.header.origin.boot);
        let inside = block.into_output(&schema).map(|output| within(output, self.window));
        Ok(inside.map(|output| match (output, &mut self.untold) {
            (Some(Output::Gap { from, to }), Some(untold)) => {
                let gap = untold.pass(Window { from, to }, by);
                gap.map(|Window { from, to }| Output::Gap { from, to })
            }
            (output, _) => output,
        }))
    }

    /// The next part of the stream; none at the end. What is damaged is passed over.
    pub fn advance(&mut self, store: &dyn RecordStore) -> Result<Option<Part>, StoreError> {
        loop {
            match self.find(store)? {
                Some(Found::Part(part)) => return Ok(Some(part)),
                Some(Found::Damage(_)) => {}
                None => return Ok(None),
            }
        }
    }

    /// The next part, or the next thing that cannot be read.
    pub fn find(&mut self, store: &dyn RecordStore) -> Result<Option<Found>, StoreError> {
        if self.untold.is_none() {
            self.untold = Some(Untold::of(store, &self.stream, self.window)?);
        }
        let next = match self.held.take() {
            Some(held) => Some(Found::Part(held)),
            None => self.find_block(store)?,
        };
        let (seq, start) = match &next {
            Some(Found::Part(part)) => (part.seq, part.start()),
            Some(Found::Damage(_)) => return Ok(next),
            None => (0, Window::ALL.to),
        };
        let Some(gap) = self.untold.as_mut().and_then(|untold| untold.due(seq, start)) else {
            return Ok(next);
        };
        if let Some(Found::Part(part)) = next {
            self.held = Some(part);
        }
        Ok(Some(Found::Part(gap)))
    }

    /// The next part that is stored, or the next thing that cannot be read.
    fn find_block(&mut self, store: &dyn RecordStore) -> Result<Option<Found>, StoreError> {
        loop {
            let before = self.after;
            let stored = match self.next_block(store) {
                Ok(Some(stored)) => stored,
                Ok(None) => return Ok(None),
                Err(error) => {
                    self.ended = true;
                    return Err(error);
                }
            };
            match self.read(store, &stored) {
                Ok(Ok(Some(output))) => {
                    return Ok(Some(Found::Part(Part { seq: stored.mark.seq, output })));
                }
                Ok(Ok(None)) => {}
                Ok(Err(error)) => {
                    self.damaged += 1;
                    let damage = damage(self.window, before, &stored, &error);
                    tracing::warn!(stream = self.stream, "skipped: {damage}");
                    return Ok(Some(Found::Damage(damage)));
                }
                Err(error) => {
                    self.ended = true;
                    return Err(error);
                }
            }
        }
    }
}

/// Where a block is that cannot be read, as far as its place and its bytes tell, and the block
/// before it.
pub(super) fn damage(
    window: Window,
    before: Option<Mark>,
    stored: &Stored,
    error: &BlockError,
) -> Damage {
    let Mark { first, seq } = stored.mark;
    if stored.bytes.is_empty() {
        let from = before.map_or(window.from, |mark| mark.first);
        let why = "pages of the store are damaged".to_owned();
        return Damage { what: Missing::Blocks, from, to: first, why };
    }
    let header = block::peek(&stored.bytes).ok().filter(|header| header.first == first);
    let to = header.map_or(first, |header| header.end());
    Damage { what: Missing::Block(seq), from: first, to, why: error.to_string() }
}

/// Where the first block in a window begins of whose intervals only some rows were kept, of those
/// blocks that count by their header; what cannot be read is passed over. Only where the store does
/// not know better are blocks looked into.
pub fn first_cut(
    store: &dyn RecordStore,
    stream: &str,
    window: Window,
    counts: impl Fn(&Header) -> bool,
) -> Result<Option<Ts>, StoreError> {
    let known = store.stream(stream)?.map_or(Some(Window::NONE), |stream| stream.cut);
    let Some(window) = window.common(known.unwrap_or(Window::ALL)) else { return Ok(None) };
    let mut after = None;
    loop {
        let page = store.page(stream, window, after)?;
        let Some(last) = page.last() else { return Ok(None) };
        after = Some(last.mark);
        let mut headers = page.iter().filter_map(|stored| block::peek(&stored.bytes).ok());
        if let Some(cut) = headers.find(|header| header.cut && counts(header)) {
            return Ok(Some(cut.first.max(window.from)));
        }
    }
}

/// The gaps in a window, as far as so many say; and from when on none were looked for, if there are
/// more.
pub fn gaps(
    store: &dyn RecordStore,
    stream: &str,
    window: Window,
    most: usize,
) -> Result<(Vec<Window>, Option<Ts>), StoreError> {
    let Untold { gaps: between, runs } = Untold::of(store, stream, window)?;
    let (mut gaps, mut after) = (Vec::new(), None);
    // One more than is asked for tells from when on there are more.
    while gaps.len() <= most {
        let page = store.gaps(stream, window, after)?;
        let Some(last) = page.last() else { break };
        after = Some(last.mark);
        let headers = page.iter().filter_map(|stored| block::peek(&stored.bytes).ok());
        gaps.extend(headers.flat_map(|header| {
            let gap = Window { from: header.first, to: header.last }.common(window);
            gap.map(|gap| runs.left_of(gap, header.origin.boot)).unwrap_or_default()
        }));
    }
    gaps.extend(between.into_iter().map(|(gap, _)| gap));
    gaps.sort_by_key(|gap| gap.from);
    let more = gaps.get(most).map(|gap| gap.from);
    gaps.truncate(most);
    Ok((gaps, more))
}

/// The times of blocks whose schema, by its hash, is one of some; what cannot be read is passed
/// over.
pub fn times_of(
    store: &dyn RecordStore,
    stream: &str,
    window: Window,
    is_meant: impl Fn(u64) -> bool,
) -> Result<Vec<(Window, u64)>, StoreError> {
    let (mut times, mut after) = (Vec::new(), None);
    loop {
        let page = store.page(stream, window, after)?;
        let Some(last) = page.last() else { return Ok(times) };
        after = Some(last.mark);
        let headers = page.iter().filter_map(|stored| block::peek(&stored.bytes).ok());
        for header in headers.filter(|header| !header.gap && is_meant(header.schema)) {
            times.push((Window { from: header.first, to: header.end() }, header.schema));
        }
    }
}

/// The part of an output that lies inside a window.
pub fn within(output: Output, Window { from, to }: Window) -> Option<Output> {
    match output {
        Output::Records(records) => {
            let rows = records.window(from, to);
            let all = rows.len() == records.rows();
            let some = !rows.is_empty();
            some.then(|| Output::Records(if all { records } else { records.slice(rows) }))
        }
        Output::Gap { from: start, to: end } => {
            let (start, end) = (start.max(from), end.min(to));
            (start < end).then_some(Output::Gap { from: start, to: end })
        }
    }
}
