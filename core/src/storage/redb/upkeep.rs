//! Upkeep: what is done to a store while no monitor has it open.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read;

use ::redb::ReadableTable;

use super::meta::{Meta, meta};
use super::tables::{Tables, keys};
use super::{Failure, Handle, Key, RedbStore, pieces};
use crate::source::Covered;
use crate::storage::archive::{Archive, ArchiveError, Archived, Part};
use crate::storage::block::{self, Encoder, Sealed};
use crate::storage::evolve::note_schema;
use crate::storage::{COVERAGES_MAX, FILTERS_MAX, Measured, StoreError, Stream, can_name};

impl RedbStore {
    /// Moves what the file holds together and gives the space of what was removed back to the
    /// system. Returns whether there was any.
    pub fn compact(&self) -> Result<bool, StoreError> {
        self.reopen()?;
        let mut database = self.database.write();
        let Some(Handle::Whole(open)) = database.as_mut() else { return Ok(false) };
        let done = super::guard(|| Ok(open.compact()?));
        done.map_err(|failure| {
            *database = None;
            self.told(failure)
        })
    }

    /// Puts a stream from an archive: all of it, or where it does not fit nothing.
    ///
    /// A stream of that name that is there already takes what it lacks, where that has numbers of
    /// its own, or is the rows that were removed from a block; blocks that are there already do no
    /// harm.
    pub fn import(&self, archive: &mut Archive<impl Read>) -> Result<Archived, ArchiveError> {
        let archive = RefCell::new(archive);
        self.on(|database| {
            let transaction = super::begin(database.whole()?)?;
            let mut archive = archive.borrow_mut();
            let put = put(&mut Tables::open(&transaction)?, &mut archive)?;
            match put {
                Ok(()) => transaction.commit()?,
                Err(_) => transaction.abort()?,
            }
            Ok(put.map(|()| archive.seen().clone()))
        })?
    }
}

/// Why an archive is not put, in a transaction that goes on.
type Put = Result<(), ArchiveError>;

fn put(tables: &mut Tables<'_>, archive: &mut Archive<impl Read>) -> Result<Put, Failure> {
    let stream = archive.stream().clone();
    let name = stream.name.as_str();
    if !can_name(name) {
        return Ok(Err(ArchiveError::Name(name.to_owned())));
    }
    let there = meta(&tables.streams, name)?;
    let meta = match &there {
        Some(there) => there.clone(),
        None => tables.meta(name)?,
    };
    let mut joining = match Joining::of(tables, &stream, meta)? {
        Ok(joining) => joining,
        Err(taken) => return Ok(Err(taken)),
    };
    loop {
        let put = match archive.advance() {
            Ok(Some(Part::Block(sealed))) => joining.put(tables, &sealed)?,
            Ok(Some(Part::Schema(schema))) => {
                tables.know(&joining.meta, &schema)?;
                Ok(())
            }
            Ok(None) => break,
            Err(error) => Err(error),
        };
        if put.is_err() {
            return Ok(put);
        }
    }
    let mut meta = joining.joined();
    if there.is_none() {
        take_after(&mut meta, &stream);
    }
    tables.keep(name, &meta)?;
    Ok(Ok(()))
}

/// A stream that takes what it lacks from an archive.
struct Joining<'a> {
    /// What the archive says of it.
    stream: &'a Stream,
    meta: Meta,
    /// The filters of the archive, and those of both.
    own: Vec<(u64, String)>,
    filters: Vec<(u64, String)>,
    eras: Vec<Measured>,
    /// Where the blocks are that it has.
    numbers: BTreeMap<u64, Key>,
}

impl<'a> Joining<'a> {
    /// Begins with what is known of the stream, or says why the two do not fit.
    fn of(
        tables: &Tables<'_>,
        stream: &'a Stream,
        meta: Meta,
    ) -> Result<Result<Self, ArchiveError>, Failure> {
        let own: Vec<(u64, String)> =
            stream.filters.iter().map(|m| (m.seq, m.filter.clone())).collect();
        let Some(filters) = joined(&meta.filters, &own) else {
            return Ok(Err(taken(stream, "records of other packets under the same numbers")));
        };
        let numbers = numbers(tables, &meta)?;
        if !numbers.keys().all(|seq| measured(&filters, *seq) == measured(&meta.filters, *seq)) {
            return Ok(Err(taken(stream, OTHERS_BETWEEN)));
        }
        let eras = eras(&filters, &meta.measured());
        Ok(Ok(Self { stream, meta, own, filters, eras, numbers }))
    }

    /// Puts a block, unless it is there.
    fn put(&mut self, tables: &mut Tables<'_>, sealed: &Sealed) -> Result<Put, Failure> {
        let header = &sealed.header;
        if measured(&self.filters, header.seq) != measured(&self.own, header.seq) {
            return Ok(Err(taken(self.stream, OTHERS_BETWEEN)));
        }
        let meta = &mut self.meta;
        if let Some(key) = self.numbers.get(&header.seq) {
            let there = stored(tables, *key, header.gap)?;
            if there == sealed.bytes || is_rest(&sealed.bytes, &there) {
                return Ok(Ok(()));
            }
            if !is_rest(&there, &sealed.bytes) {
                return Ok(Err(taken(self.stream, "other records under the same numbers")));
            }
            tables.take(meta, *key, header.gap)?;
        }
        if meta.removed_until.is_some_and(|until| header.first.0 < until) {
            // What was removed is put back.
            meta.removed_until = self.stream.removed_until.map(|until| until.0);
        }
        note_schema(&mut meta.schemas, header);
        if self.stream.runs.is_empty() {
            meta.runs.note(header);
        }
        if let Some(era) = self.eras.iter_mut().rfind(|era| era.seq <= header.seq) {
            era.note(header);
        }
        meta.next_seq = meta.next_seq.max(header.seq.saturating_add(1));
        meta.end = meta.end.max(Some(header.end().0));
        tables.insert(meta, sealed)?;
        Ok(Ok(()))
    }

    /// What is known of the stream then.
    fn joined(mut self) -> Meta {
        self.meta.measure(self.eras);
        self.meta.sources = covered(self.meta.sources, self.stream);
        self.meta.runs.add(&self.stream.runs);
        self.meta.next_seq = self.meta.next_seq.max(self.stream.next_seq);
        self.meta
    }
}

const OTHERS_BETWEEN: &str = "records of other packets between those of the archive";

fn taken(stream: &Stream, what: &str) -> ArchiveError {
    ArchiveError::Taken { stream: stream.name.clone(), what: what.to_owned() }
}

/// What a stream that was not there says of itself.
fn take_after(meta: &mut Meta, stream: &Stream) {
    meta.module.clone_from(&stream.module);
    meta.age_max = stream.age_max.map(|age| age.0);
    meta.reclaimed_blocks = stream.reclaimed_blocks;
    meta.reclaimed_bytes = stream.reclaimed_bytes;
    meta.removed_until = stream.removed_until.map(|until| until.0);
    meta.rollup_of.clone_from(&stream.rollup_of);
}

/// Where the blocks of a stream stand, by number.
fn numbers(tables: &Tables<'_>, meta: &Meta) -> Result<BTreeMap<u64, Key>, Failure> {
    let mut numbers = BTreeMap::new();
    for table in [&tables.blocks, &tables.gaps] {
        for entry in table.range(keys(meta.id))? {
            let key = entry?.0.value();
            numbers.insert(key.2, key);
        }
    }
    Ok(numbers)
}

/// The bytes of a block that is there; none where it is of the other kind.
fn stored(tables: &Tables<'_>, key: Key, is_gap: bool) -> Result<Vec<u8>, Failure> {
    let table = if is_gap { &tables.gaps } else { &tables.blocks };
    match table.get(key)? {
        Some(first) => pieces::whole(first.value(), &tables.pieces, key),
        None => Ok(Vec::new()),
    }
}

/// Whether a block is what is left of another whose oldest rows were removed.
fn is_rest(rest: &[u8], whole: &[u8]) -> bool {
    let (Ok(header), Ok(before)) = (block::peek(rest), block::peek(whole)) else { return false };
    if header.first <= before.first {
        return false;
    }
    let left = block::behind(&mut Encoder::default(), whole, header.first);
    left.ok().flatten().is_some_and(|left| left.bytes == rest)
}

/// The filter that a block was measured with.
fn measured(filters: &[(u64, String)], seq: u64) -> Option<&str> {
    filters.iter().rfind(|(since, _)| *since <= seq).map(|(_, filter)| &filter[..])
}

/// The filters of both, by number; none where they contradict each other.
fn joined(a: &[(u64, String)], b: &[(u64, String)]) -> Option<Vec<(u64, String)>> {
    let mut all: BTreeMap<u64, &String> = BTreeMap::new();
    for (seq, filter) in a.iter().chain(b) {
        if all.insert(*seq, filter).is_some_and(|before| before != filter) {
            return None;
        }
    }
    let mut all: Vec<_> = all.into_iter().map(|(seq, filter)| (seq, filter.clone())).collect();
    all.dedup_by(|next, before| next.1 == before.1);
    all.drain(..all.len().saturating_sub(FILTERS_MAX));
    Some(all)
}

/// The same with the times of what was there before.
fn eras(filters: &[(u64, String)], before: &[Measured]) -> Vec<Measured> {
    let mut eras: Vec<_> =
        filters.iter().map(|(seq, filter)| Measured::from(*seq, filter.clone())).collect();
    for known in before {
        if let Some(era) = eras.iter_mut().rfind(|era| era.seq <= known.seq) {
            era.join(known);
        }
    }
    eras
}

/// The sources that the records of both cover, by time.
fn covered(mut all: Vec<(u64, Vec<Covered>)>, stream: &Stream) -> Vec<(u64, Vec<Covered>)> {
    all.extend(stream.sources.iter().map(|c| (c.since.0, c.sources.clone())));
    all.sort_by_key(|(since, _)| *since);
    all.dedup_by(|next, before| next.1 == before.1);
    all.drain(..all.len().saturating_sub(COVERAGES_MAX));
    all
}
