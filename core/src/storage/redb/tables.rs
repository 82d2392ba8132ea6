//! The tables of one write: blocks put, counted, and removed when a bound says so.

use ::redb::{ReadTransaction, ReadableTable, Table, WriteTransaction};

use super::meta::{Meta, json, meta, parsed};
use super::pieces::{self, PIECES, PieceKey, Pieces};
use super::{ABOUT, BLOCKS, Blocks, Failure, GAPS, Key, NEXT_ID, SCHEMAS, STREAMS};
use crate::record::Schema;
use crate::storage::block::{Encoder, Sealed};
use crate::storage::evolve::note_schema;
use crate::storage::writer::BLOCK_SPAN;
use crate::storage::{Append, age, block};
use crate::time::{Span, Ts};

/// All keys of a stream.
pub(super) fn keys(id: u32) -> std::ops::RangeInclusive<Key> {
    (id, 0, 0)..=(id, u64::MAX, u64::MAX)
}

/// The tables of one write.
pub(super) struct Tables<'txn> {
    about: Table<'txn, &'static str, u64>,
    pub streams: Table<'txn, &'static str, &'static [u8]>,
    pub schemas: Table<'txn, (u32, u64), &'static [u8]>,
    pub blocks: Blocks<'txn>,
    pub gaps: Blocks<'txn>,
    pub pieces: Pieces<'txn>,
}

impl<'txn> Tables<'txn> {
    pub fn open(transaction: &'txn WriteTransaction) -> Result<Self, Failure> {
        Ok(Self {
            about: transaction.open_table(ABOUT)?,
            streams: transaction.open_table(STREAMS)?,
            schemas: transaction.open_table(SCHEMAS)?,
            blocks: transaction.open_table(BLOCKS)?,
            gaps: transaction.open_table(GAPS)?,
            pieces: transaction.open_table(PIECES)?,
        })
    }

    /// What is known of a stream; a new one gets a number of its own.
    pub fn meta(&mut self, name: &str) -> Result<Meta, Failure> {
        if let Some(meta) = meta(&self.streams, name)? {
            return Ok(meta);
        }
        let id = self.about.get(NEXT_ID)?.map_or(0, |id| id.value());
        self.about.insert(NEXT_ID, id.saturating_add(1))?;
        let id = u32::try_from(id);
        let id = id.map_err(|_| Failure::Damaged("it has had too many streams".to_owned()))?;
        Ok(Meta { id, rows: Some(0), cut: Some((0, 0)), ..Meta::default() })
    }

    pub fn put(&mut self, append: &Append) -> Result<(), Failure> {
        let mut meta = self.meta(&append.stream)?;
        append.schemas.iter().try_for_each(|schema| self.know(&meta, schema))?;
        let mut stream = meta.stream(&append.stream, None);
        for sealed in &append.blocks {
            let header = &sealed.header;
            stream.note(&append.about, header);
            meta.next_seq = meta.next_seq.max(header.seq.saturating_add(1));
            meta.end = meta.end.max(Some(header.end().0));
            note_schema(&mut meta.schemas, header);
            self.insert(&mut meta, sealed)?;
        }
        meta.runs = stream.runs;
        meta.module = stream.module;
        meta.rollup_of = stream.rollup_of;
        meta.sources = stream.sources.into_iter().map(|c| (c.since.0, c.sources)).collect();
        meta.measure(stream.filters);
        meta.age_max = stream.age_max.map(|age| age.0);
        if let Some(bytes) = append.about.bytes_max {
            self.trim(&mut meta, bytes)?;
        }
        self.expire(&mut meta, Ts(0))?;
        self.keep(&append.stream, &meta)
    }

    /// Writes down what the rows of blocks are.
    pub fn know(&mut self, meta: &Meta, schema: &Schema) -> Result<(), Failure> {
        let key = (meta.id, schema.hash());
        if self.schemas.get(key)?.is_none() {
            self.schemas.insert(key, &json(schema)?[..])?;
        }
        Ok(())
    }

    /// Writes down what is known of a stream.
    pub fn keep(&mut self, name: &str, meta: &Meta) -> Result<(), Failure> {
        self.streams.insert(name, &json(meta)?[..])?;
        Ok(())
    }

    /// Removes the oldest blocks and gaps until the stream takes at most so many bytes.
    pub fn trim(&mut self, meta: &mut Meta, bytes: u64) -> Result<u64, Failure> {
        let mut removed = 0;
        while meta.bytes > bytes && meta.blocks > 1 {
            let block = oldest(&self.blocks, meta.id)?;
            let gap = oldest(&self.gaps, meta.id)?;
            let (key, is_gap) = match (block, gap) {
                (Some(block), Some(gap)) if gap < block => (gap, true),
                (Some(block), _) => (block, false),
                (None, Some(gap)) => (gap, true),
                (None, None) => break,
            };
            self.reclaim(meta, key, is_gap)?;
            removed += 1;
        }
        Ok(removed)
    }

    /// Removes the blocks and gaps that are older than the stream keeps them.
    pub fn expire(&mut self, meta: &mut Meta, now: Ts) -> Result<u64, Failure> {
        let Some(horizon) = horizon(meta, now) else { return Ok(0) };
        let mut removed = 0;
        for is_gap in [false, true] {
            loop {
                let table = if is_gap { &self.gaps } else { &self.blocks };
                let Some(key) = oldest(table, meta.id)? else { break };
                if end(table, &self.pieces, key)? > horizon {
                    break;
                }
                self.reclaim(meta, key, is_gap)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Removes one block, and counts it as reclaimed.
    fn reclaim(&mut self, meta: &mut Meta, key: Key, is_gap: bool) -> Result<(), Failure> {
        let before = meta.bytes;
        self.take(meta, key, is_gap)?;
        meta.reclaimed_blocks = meta.reclaimed_blocks.saturating_add(1);
        meta.reclaimed_bytes = meta.reclaimed_bytes.saturating_add(before - meta.bytes);
        Ok(())
    }

    /// Removes one block, and returns its bytes.
    pub fn take(&mut self, meta: &mut Meta, key: Key, is_gap: bool) -> Result<Vec<u8>, Failure> {
        let table = if is_gap { &mut self.gaps } else { &mut self.blocks };
        let bytes = match table.get(key)? {
            Some(first) => pieces::whole(first.value(), &self.pieces, key)?,
            None => Vec::new(),
        };
        let rows = block::peek(&bytes).map_or(0, |header| u64::from(header.rows));
        meta.rows = meta.rows.map(|all| all.saturating_sub(rows));
        let size = pieces::remove(table, &mut self.pieces, key)?;
        meta.bytes = meta.bytes.saturating_sub(size);
        meta.blocks = meta.blocks.saturating_sub(1);
        Ok(bytes)
    }

    /// Puts one block, and returns whether none stood there.
    pub fn insert(&mut self, meta: &mut Meta, sealed: &Sealed) -> Result<bool, Failure> {
        let header = &sealed.header;
        let reach = (header.last - header.first).0;
        let (table, longest) = match header.gap {
            true => (&mut self.gaps, &mut meta.gap_reach),
            false => (&mut self.blocks, &mut meta.reach),
        };
        *longest = reach.max(*longest);
        meta.note_cut(header);
        let key = (meta.id, header.first.0, header.seq);
        let before = pieces::insert(table, &mut self.pieces, key, &sealed.bytes)?;
        meta.bytes = (meta.bytes + sealed.bytes.len() as u64) - before.unwrap_or(0);
        meta.blocks += u64::from(before.is_none());
        if before.is_none() {
            meta.rows = meta.rows.map(|rows| rows + u64::from(header.rows));
        }
        Ok(before.is_none())
    }

    /// Removes the rows that start before an instant, and returns how many those were.
    pub fn cut(&mut self, meta: &mut Meta, before: Ts) -> Result<u64, Failure> {
        let (mut removed, mut encoder) = (0, Encoder::default());
        meta.removed_until = meta.removed_until.max(Some(before.0));
        for is_gap in [false, true] {
            loop {
                let table = if is_gap { &self.gaps } else { &self.blocks };
                let oldest = oldest(table, meta.id)?.filter(|(_, first, _)| *first < before.0);
                let Some(key) = oldest else { break };
                let bytes = self.take(meta, key, is_gap)?;
                removed += block::peek(&bytes).map_or(0, |header| u64::from(header.rows));
                // Of what cannot be read nothing is left.
                if let Ok(Some(rest)) = block::behind(&mut encoder, &bytes, before) {
                    removed -= u64::from(rest.header.rows);
                    self.insert(meta, &rest)?;
                }
            }
        }
        Ok(removed)
    }

    /// The streams whose records are kept for a time only.
    pub fn aged(&self) -> Result<Vec<(String, Meta)>, Failure> {
        aged(&self.streams)
    }
}

fn aged(
    streams: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<Vec<(String, Meta)>, Failure> {
    let mut all = Vec::new();
    for entry in streams.iter()? {
        let (name, bytes) = entry?;
        let meta = parsed(name.value(), bytes.value())?;
        if meta.age_max.is_some() {
            all.push((name.value().to_owned(), meta));
        }
    }
    Ok(all)
}

/// What ended until then has been kept long enough.
fn horizon(meta: &Meta, now: Ts) -> Option<Ts> {
    Some(age::horizon(Ts(meta.end.unwrap_or(0)).max(now), Span(meta.age_max?)))
}

/// Whether any stream has something to remove.
pub(super) fn is_due(transaction: &ReadTransaction, now: Ts) -> Result<bool, Failure> {
    let pieces = transaction.open_table(PIECES)?;
    for (_, meta) in aged(&transaction.open_table(STREAMS)?)? {
        let Some(horizon) = horizon(&meta, now) else { continue };
        for table in [BLOCKS, GAPS] {
            let table = transaction.open_table(table)?;
            if let Some(key) = oldest(&table, meta.id)?
                && end(&table, &pieces, key)? <= horizon
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The oldest block of a stream.
fn oldest(table: &impl ReadableTable<Key, &'static [u8]>, id: u32) -> Result<Option<Key>, Failure> {
    Ok(table.range(keys(id))?.next().transpose()?.map(|(key, _)| key.value()))
}

/// The first instant behind a block; of one that cannot be read, as late as it may be.
fn end(
    table: &impl ReadableTable<Key, &'static [u8]>,
    pieces: &impl ReadableTable<PieceKey, &'static [u8]>,
    key: Key,
) -> Result<Ts, Failure> {
    let Some(first) = table.get(key)? else { return Ok(Ts(key.1)) };
    let header = block::peek(&pieces::whole(first.value(), pieces, key)?);
    Ok(header.map_or(Ts(key.1) + BLOCK_SPAN, |header| header.end()))
}
