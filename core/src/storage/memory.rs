//! A store in memory: for runs that keep nothing, and for tests.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::RwLock;

use super::age::horizon;
use super::block::{self, Encoder, Header};
use super::evolve::{in_use, note_schema};
use super::{Append, Mark, PAGE_BYTES, RecordStore, Sealed, StoreError, Stored, Stream, Window};
use crate::record::Schema;
use crate::time::Ts;

/// Streams in memory. They end with it.
#[derive(Debug, Default)]
pub struct MemoryStore {
    streams: RwLock<BTreeMap<String, Kept>>,
    notes: RwLock<BTreeMap<String, Vec<u8>>>,
}

#[derive(Debug, Default)]
struct Kept {
    stream: Stream,
    schemas: BTreeMap<u64, Arc<Schema>>,
    // The first block of each schema in force, by number.
    in_force: Vec<(u64, u64)>,
    blocks: BTreeMap<Mark, Sealed>,
}

impl Kept {
    fn put(&mut self, append: &Append) {
        let stream = &mut self.stream;
        stream.name.clone_from(&append.stream);
        for schema in &append.schemas {
            self.schemas.insert(schema.hash(), schema.clone());
        }
        for sealed in &append.blocks {
            let header = &sealed.header;
            stream.note(&append.about, header);
            stream.next_seq = stream.next_seq.max(header.seq.saturating_add(1));
            stream.end = stream.end.max(Some(header.end()));
            stream.cut = Some(header.around_cuts(stream.cut.unwrap_or(Window::NONE)));
            note_schema(&mut self.in_force, header);
            let mark = Mark { first: header.first, seq: header.seq };
            let before = self.blocks.insert(mark, sealed.clone());
            stream.bytes += sealed.bytes.len() as u64;
            stream.bytes -= before.map_or(0, |b| b.bytes.len() as u64);
        }
        if let Some(bytes) = append.about.bytes_max {
            self.trim(bytes);
        }
        self.expire(Ts(0));
    }

    fn expire(&mut self, now: Ts) -> u64 {
        let mut removed = 0;
        if let Some(age) = self.stream.age_max {
            let horizon = horizon(self.stream.end.unwrap_or_default().max(now), age);
            let due = |sealed: &Sealed| sealed.header.end() <= horizon;
            while let Some(mark) = self.blocks.iter().find(|(_, s)| due(s)).map(|(mark, _)| *mark) {
                self.reclaim(mark);
                removed += 1;
            }
        }
        self.count();
        removed
    }

    fn reclaim(&mut self, mark: Mark) {
        let Some(gone) = self.blocks.remove(&mark) else { return };
        self.stream.bytes -= gone.bytes.len() as u64;
        self.stream.reclaimed_blocks += 1;
        self.stream.reclaimed_bytes += gone.bytes.len() as u64;
    }

    fn trim(&mut self, bytes: u64) -> u64 {
        let mut removed = 0;
        while self.stream.bytes > bytes && self.blocks.len() > 1 {
            let Some((mark, _)) = self.blocks.first_key_value() else { break };
            self.reclaim(*mark);
            removed += 1;
        }
        self.count();
        removed
    }

    fn cut(&mut self, before: Ts) -> u64 {
        let (mut removed, mut encoder) = (0, Encoder::default());
        self.stream.removed_until = self.stream.removed_until.max(Some(before));
        while let Some((mark, _)) = self.blocks.first_key_value().filter(|(m, _)| m.first < before)
        {
            let mark = *mark;
            let Some(old) = self.blocks.remove(&mark) else { break };
            self.stream.bytes -= old.bytes.len() as u64;
            removed += u64::from(old.header.rows);
            // Of what cannot be read nothing is left.
            if let Ok(Some(rest)) = block::behind(&mut encoder, &old.bytes, before) {
                removed -= u64::from(rest.header.rows);
                self.stream.bytes += rest.bytes.len() as u64;
                self.blocks.insert(Mark { first: rest.header.first, ..mark }, rest);
            }
        }
        self.count();
        removed
    }

    fn count(&mut self) {
        self.stream.blocks = self.blocks.len() as u64;
        let rows = self.blocks.values().map(|sealed| u64::from(sealed.header.rows));
        self.stream.rows = Some(rows.sum());
        self.stream.first = self.blocks.first_key_value().map(|(mark, _)| mark.first);
    }
}

impl MemoryStore {
    /// A page of those blocks whose header is wanted.
    fn some(
        &self,
        name: &str,
        window: Window,
        after: Option<Mark>,
        wanted: impl Fn(&Header) -> bool,
    ) -> Vec<Stored> {
        let streams = self.streams.read();
        let Some(kept) = streams.get(name) else { return Vec::new() };
        let end = Mark { first: window.to, seq: 0 };
        if after.unwrap_or_default() >= end {
            return Vec::new();
        }
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut bytes = 0;
        let touched = kept
            .blocks
            .range((start, Bound::Excluded(end)))
            .filter(|(_, sealed)| sealed.header.touches(window.from, window.to))
            .filter(|(_, sealed)| wanted(&sealed.header));
        let page = touched.take_while(|(_, sealed)| {
            let fits = bytes == 0 || bytes + sealed.bytes.len() <= PAGE_BYTES;
            bytes += sealed.bytes.len();
            fits
        });
        page.map(|(mark, s)| Stored { mark: *mark, bytes: s.bytes.clone() }).collect()
    }
}

impl RecordStore for MemoryStore {
    fn put(&self, group: &[Append]) -> Result<(), StoreError> {
        let mut streams = self.streams.write();
        for append in group.iter().filter(|append| !append.blocks.is_empty()) {
            streams.entry(append.stream.clone()).or_default().put(append);
        }
        Ok(())
    }

    fn streams(&self) -> Result<Vec<Stream>, StoreError> {
        Ok(self.streams.read().values().map(|kept| kept.stream.clone()).collect())
    }

    fn stream(&self, name: &str) -> Result<Option<Stream>, StoreError> {
        Ok(self.streams.read().get(name).map(|kept| kept.stream.clone()))
    }

    fn schema(&self, name: &str, hash: u64) -> Result<Option<Arc<Schema>>, StoreError> {
        Ok(self.streams.read().get(name).and_then(|kept| kept.schemas.get(&hash).cloned()))
    }

    fn schemas(&self, name: &str) -> Result<Vec<(u64, Arc<Schema>)>, StoreError> {
        let streams = self.streams.read();
        let Some(kept) = streams.get(name) else { return Ok(Vec::new()) };
        let oldest = kept.blocks.keys().map(|mark| mark.seq).min();
        let known = |(seq, hash)| Some((seq, kept.schemas.get(&hash)?.clone()));
        Ok(in_use(&kept.in_force, oldest).into_iter().filter_map(known).collect())
    }

    fn page(
        &self,
        name: &str,
        window: Window,
        after: Option<Mark>,
    ) -> Result<Vec<Stored>, StoreError> {
        Ok(self.some(name, window, after, |_| true))
    }

    fn gaps(
        &self,
        name: &str,
        window: Window,
        after: Option<Mark>,
    ) -> Result<Vec<Stored>, StoreError> {
        Ok(self.some(name, window, after, |header| header.gap))
    }

    fn trim(&self, name: &str, bytes: u64) -> Result<u64, StoreError> {
        Ok(self.streams.write().get_mut(name).map_or(0, |kept| kept.trim(bytes)))
    }

    fn expire(&self, now: Ts) -> Result<u64, StoreError> {
        Ok(self.streams.write().values_mut().map(|kept| kept.expire(now)).sum())
    }

    fn cut(&self, name: &str, before: Ts) -> Result<u64, StoreError> {
        Ok(self.streams.write().get_mut(name).map_or(0, |kept| kept.cut(before)))
    }

    fn remove(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.streams.write().remove(name).is_some())
    }

    fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.notes.read().get(name).cloned())
    }

    fn set_note(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.notes.write().insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }
}
