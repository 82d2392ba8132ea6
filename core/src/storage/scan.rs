//! Scans: the records of a stream in a window, oldest first, a page at a time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::block::{self, BlockError};
use super::{Mark, RecordStore, StoreError, Stored, Window};
use crate::record::{Output, Schema};

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
    ended: bool,
}

/// What one block had to give.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The block's number.
    pub seq: u64,
    /// Its rows in the window, at least one, or its gap.
    pub output: Output,
}

impl<'a> Scan<'a> {
    /// A scan of one stream; of none if the store has none of that name.
    pub fn new(store: &'a dyn RecordStore, stream: &str, window: Window) -> Self {
        Self { store, cursor: Cursor::new(stream, window) }
    }

    /// How many damaged blocks were skipped so far.
    pub fn damaged(&self) -> u64 {
        self.cursor.damaged
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<Part, StoreError>;

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
            ended: window.from >= window.to,
        }
    }

    fn next_block(&mut self, store: &dyn RecordStore) -> Result<Option<Stored>, StoreError> {
        if self.page.is_empty() && !self.ended {
            self.page = store.page(&self.stream, self.window, self.after)?.into();
        }
        let next = self.page.pop_front();
        match &next {
            Some(stored) => self.after = Some(stored.mark),
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
        Ok(block.into_output(&schema).map(|output| within(output, self.window)))
    }

    /// The next part of the stream; none at the end.
    pub fn advance(&mut self, store: &dyn RecordStore) -> Result<Option<Part>, StoreError> {
        loop {
            let stored = match self.next_block(store) {
                Ok(Some(stored)) => stored,
                Ok(None) => return Ok(None),
                Err(error) => {
                    self.ended = true;
                    return Err(error);
                }
            };
            match self.read(store, &stored) {
                Ok(Ok(Some(output))) => return Ok(Some(Part { seq: stored.mark.seq, output })),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => {
                    self.damaged += 1;
                    let Mark { first, seq } = stored.mark;
                    tracing::warn!(stream = self.stream, seq, %first, "block skipped: {error}");
                }
                Err(error) => {
                    self.ended = true;
                    return Err(error);
                }
            }
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
