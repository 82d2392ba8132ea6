//! One side of a page: blocks and gaps lie in two tables and are read as one, oldest first.

use std::ops::Bound;

use ::redb::ReadTransaction;

use super::meta::meta;
use super::pieces::{self, PIECES, PieceKey};
use super::{BLOCKS, Failure, GAPS, Key, STREAMS};
use crate::storage::{Mark, PAGE_BYTES, Stored, Window, block};
use crate::time::{Span, Ts};

/// A table of bytes, open for reading.
type Values<K> = ::redb::ReadOnlyTable<K, &'static [u8]>;

/// One of the two tables a page is read from.
pub(super) struct Side<'a> {
    range: ::redb::Range<'a, Key, &'static [u8]>,
    pieces: &'a Values<PieceKey>,
    window: Window,
    next: Option<Stored>,
}

impl<'a> Side<'a> {
    pub(super) fn new(
        (table, pieces): (&'a Values<Key>, &'a Values<PieceKey>),
        id: u32,
        window: Window,
        reach: Span,
        after: Option<Mark>,
    ) -> Result<Self, Failure> {
        let earliest = (id, (window.from - reach).0, 0);
        let start = match after.map(|mark| (id, mark.first.0, mark.seq)) {
            Some(after) if after >= earliest => Bound::Excluded(after),
            _ => Bound::Included(earliest),
        };
        let end = (id, window.to.0.max(earliest.1), 0);
        let end = match start {
            // A range may not end before it begins.
            Bound::Excluded(after) if after >= end => (id, after.1, after.2.saturating_add(1)),
            _ => end,
        };
        let range = table.range((start, Bound::Excluded(end)))?;
        let mut side = Self { range, pieces, window, next: None };
        side.step()?;
        Ok(side)
    }

    /// Goes on to the next block that touches the window.
    fn step(&mut self) -> Result<(), Failure> {
        self.next = None;
        let Window { from, to } = self.window;
        for entry in self.range.by_ref() {
            let (key, value) = entry?;
            let (_, first, seq) = key.value();
            let bytes = pieces::whole(value.value(), self.pieces, key.value())?;
            let mark = Mark { first: Ts(first), seq };
            // What cannot be read is for the scan to name.
            if mark.first >= from || block::peek(&bytes).map_or(true, |h| h.touches(from, to)) {
                self.next = Some(Stored { mark, bytes });
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes the next block.
    pub(super) fn take(&mut self) -> Result<Option<Stored>, Failure> {
        let next = self.next.take();
        self.step()?;
        Ok(next)
    }

    /// Takes the older of the two next blocks.
    pub(super) fn oldest(sides: &mut [Self; 2]) -> Result<Option<Stored>, Failure> {
        let mark = |side: &Self| side.next.as_ref().map(|stored| stored.mark);
        let [blocks, gaps] = sides;
        let side = match (mark(blocks), mark(gaps)) {
            (Some(block), Some(gap)) if gap < block => gaps,
            (Some(_), _) => blocks,
            (None, _) => gaps,
        };
        let next = side.next.take();
        side.step()?;
        Ok(next)
    }
}

/// The next blocks of a stream, of at most so many bytes, save that it is always one.
pub(super) fn page(
    transaction: &ReadTransaction,
    name: &str,
    window: Window,
    after: Option<Mark>,
    bytes_max: usize,
) -> Result<Vec<Stored>, Failure> {
    let meta = meta(&transaction.open_table(STREAMS)?, name)?;
    let Some(meta) = meta else { return Ok(Vec::new()) };
    let blocks = transaction.open_table(BLOCKS)?;
    let gaps = transaction.open_table(GAPS)?;
    let pieces = transaction.open_table(PIECES)?;
    let mut sides = [
        Side::new((&blocks, &pieces), meta.id, window, Span(meta.reach), after)?,
        Side::new((&gaps, &pieces), meta.id, window, Span(meta.gap_reach), after)?,
    ];
    let (mut page, mut bytes) = (Vec::new(), 0);
    while let Some(next) = Side::oldest(&mut sides)? {
        bytes += next.bytes.len();
        if bytes > bytes_max && !page.is_empty() {
            break;
        }
        page.push(next);
    }
    Ok(page)
}

/// As many gaps of a stream as fit into a page.
pub(super) fn gaps(
    transaction: &ReadTransaction,
    name: &str,
    window: Window,
    after: Option<Mark>,
) -> Result<Vec<Stored>, Failure> {
    let Some(meta) = meta(&transaction.open_table(STREAMS)?, name)? else { return Ok(Vec::new()) };
    let (gaps, pieces) = (transaction.open_table(GAPS)?, transaction.open_table(PIECES)?);
    let mut side = Side::new((&gaps, &pieces), meta.id, window, Span(meta.gap_reach), after)?;
    let (mut page, mut bytes) = (Vec::new(), 0);
    while bytes < PAGE_BYTES
        && let Some(next) = side.take()?
    {
        bytes += next.bytes.len();
        page.push(next);
    }
    Ok(page)
}
