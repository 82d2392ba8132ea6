//! Rows: keys and accumulators side by side, found by value, bounded.
//!
//! A row's number is its place; rows are only ever appended while a batch is
//! taken in. The index over key values is built when it is first needed: with
//! interned ids it never is, unless their numbering restarts.

use std::fmt;
use std::sync::Arc;

use hashbrown::HashTable;

use super::accumulate::Accumulators;
use super::error::DeclareError;
use super::key::{Cell, KeyCells, hash_key, is_sampled};
use super::layout::{Layout, Plan};
use super::slots::{NO_PACKET, Picks, REFUSED};
use crate::batch::Batch;
use crate::hash::{TableHash, for_tables};
use crate::selection::Selection;
use crate::time::{Span, Ts};

/// What a table does when it is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Full {
    /// Keys that find no room are counted together in one row, whose key is absent.
    #[default]
    Other,
    /// The rows smallest in the first value column are dropped to make room.
    Evict,
    /// Half of all keys are no longer counted, and half again; column `one_in` says how many keys
    /// each one that was kept stands for.
    Sample,
}

impl Full {
    /// The policy of that name.
    pub fn named(name: &str) -> Result<Self, DeclareError> {
        match name {
            "other" => Ok(Self::Other),
            "evict" => Ok(Self::Evict),
            "sample" => Ok(Self::Sample),
            _ => Err(DeclareError::Policy(name.to_owned())),
        }
    }
}

/// How much a table may hold, and what it does beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Rows, at least one.
    pub rows_max: usize,
    /// Bytes, about.
    pub bytes_max: usize,
    /// What happens when either is reached.
    pub full: Full,
}

/// What a full table has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// So many rows.
    Rows(usize),
    /// So many bytes.
    Memory(usize),
}

impl fmt::Display for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(max) => {
                write!(f, "a table has all the {max} rows it may have (give it more `rows`)")
            }
            Self::Memory(max) => {
                write!(f, "a table has all the {max} bytes it may have (the limit is `memory`)")
            }
        }
    }
}

/// The rows of a table.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub layout: Arc<Layout>,
    pub bounds: Bounds,
    pub keys: Vec<KeyCells>,
    pub values: Accumulators,
    len: usize,
    /// The row of keys that found no room.
    pub other: Option<usize>,
    index: HashTable<u32>,
    indexed: bool,
    hash: TableHash,
    scratch: Vec<Cell>,
    /// The packets whose keys the last rows have, until they are filled in.
    fresh: Vec<u32>,
    /// When each row was last added to, where the table is told to remember.
    pub seen: Option<Vec<Ts>>,
    /// Keys folded, dropped or not counted because the table was full.
    pub overflowed: u64,
    /// What it had reached when it was full first.
    pub filled: Option<Filled>,
    /// One key in two to this power is counted.
    pub sampled: u32,
    /// Whether rows were dropped since the table was last empty.
    pub cut: bool,
}

impl Rows {
    pub fn new(layout: Arc<Layout>, bounds: Bounds, keep_seen: bool) -> Self {
        let keys = layout.key.iter().map(|k| KeyCells::of(k.field)).collect();
        let values = Accumulators::new(&layout.values, bounds.bytes_max);
        let mut new = Self {
            bounds: Bounds { rows_max: bounds.rows_max.clamp(1, REFUSED as usize / 2), ..bounds },
            keys,
            values,
            len: 0,
            other: None,
            index: HashTable::new(),
            indexed: false,
            hash: for_tables(),
            scratch: Vec::new(),
            fresh: Vec::new(),
            seen: keep_seen.then(Vec::new),
            overflowed: 0,
            filled: None,
            sampled: 0,
            cut: false,
            layout,
        };
        new.begin();
        new
    }

    /// An unkeyed table always has its one row, so that silence is a row of zeros.
    fn begin(&mut self) {
        self.indexed = self.layout.derived;
        if self.layout.plan == Plan::One {
            self.append();
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn clear(&mut self) {
        self.keys.iter_mut().for_each(KeyCells::clear);
        self.values.clear();
        self.seen.iter_mut().for_each(Vec::clear);
        self.index.clear();
        (self.len, self.other, self.sampled, self.cut) = (0, None, 0, false);
        self.begin();
    }

    /// About how many bytes all rows hold.
    pub fn bytes(&self) -> usize {
        self.keys.iter().map(KeyCells::bytes).sum::<usize>()
            + self.values.bytes()
            + self.index.allocation_size()
            + self.seen.as_ref().map_or(0, |s| s.capacity() * size_of::<Ts>())
    }

    /// The row of the key of packet `at`, made if need be; [`REFUSED`] where it is not counted.
    pub fn row_of_packet(&mut self, batch: &Batch, at: usize) -> u32 {
        self.scratch.clear();
        for column in &self.layout.key {
            match column.read(batch, at) {
                Some(cell) => self.scratch.push(cell),
                None => return REFUSED,
            }
        }
        self.row_of_scratch()
    }

    /// The row of a key given as cells, made if need be.
    pub fn row_of(&mut self, key: impl IntoIterator<Item = Cell>) -> u32 {
        self.scratch.clear();
        self.scratch.extend(key);
        self.build_index();
        self.row_of_scratch()
    }

    /// A row for a key that is met for the first time, as far as whoever asks can tell. Its key is
    /// only filled in by [`Rows::fill_new`], for all new rows of a batch at once.
    pub fn new_row(&mut self, batch: &Batch, at: usize) -> u32 {
        if self.indexed || self.sampled > 0 {
            return self.row_of_packet(batch, at);
        }
        if self.has_no_room() {
            self.overflow();
            return self.other_row();
        }
        self.fresh.push(at as u32);
        self.len += 1;
        self.len as u32 - 1
    }

    /// Fills in the keys of rows that were new in this batch, a column at a time.
    pub fn fill_new(&mut self, batch: &Batch) {
        if self.fresh.is_empty() {
            return;
        }
        for (column, cells) in self.layout.key.iter().zip(&mut self.keys) {
            cells.fill(column, batch, &self.fresh);
        }
        let len = self.len;
        self.values.reach(len);
        self.seen.iter_mut().for_each(|seen| seen.resize(len, Ts(0)));
        self.fresh.clear();
    }

    fn row_of_scratch(&mut self) -> u32 {
        let mut hash = 0;
        if self.indexed {
            hash = hash_key(&self.hash, self.scratch.iter().copied());
            if let Some(row) = self.find(hash) {
                return row;
            }
        }
        if self.sampled > 0 && !is_sampled(self.scratch.iter().copied(), self.sampled) {
            self.overflow();
            return REFUSED;
        }
        if self.has_no_room() {
            self.overflow();
            return self.other_row();
        }
        let key = std::mem::take(&mut self.scratch);
        for (cells, cell) in self.keys.iter_mut().zip(&key) {
            cells.push(*cell);
        }
        self.scratch = key;
        let row = self.append();
        if self.indexed {
            self.insert(hash, row);
        }
        row
    }

    fn find(&self, hash: u64) -> Option<u32> {
        let same = |row: &u32| {
            self.keys.iter().zip(&self.scratch).all(|(cells, c)| cells.get(*row as usize) == *c)
        };
        self.index.find(hash, same).copied()
    }

    /// The row of a key, if there is one; builds no index, so a table without one is walked.
    pub fn lookup(&self, key: &[Cell]) -> Option<usize> {
        let same = |row: usize| self.keys.iter().zip(key).all(|(cells, c)| cells.get(row) == *c);
        if self.indexed {
            let hash = hash_key(&self.hash, key.iter().copied());
            return self.index.find(hash, |row| same(*row as usize)).map(|row| *row as usize);
        }
        (0..self.len).find(|row| Some(*row) != self.other && same(*row))
    }

    fn insert(&mut self, hash: u64, row: u32) {
        let (keys, hasher) = (&self.keys, &self.hash);
        self.index.insert_unique(hash, row, |row| {
            hash_key(hasher, keys.iter().map(|cells| cells.get(*row as usize)))
        });
    }

    /// Makes rows findable by value from now on.
    pub fn build_index(&mut self) {
        if self.indexed {
            return;
        }
        self.indexed = true;
        for row in 0..self.len {
            if Some(row) != self.other {
                self.insert(self.hash_of(row), row as u32);
            }
        }
    }

    fn hash_of(&self, row: usize) -> u64 {
        hash_key(&self.hash, self.keys.iter().map(|cells| cells.get(row)))
    }

    /// Appends an empty row whose key is already pushed.
    fn append(&mut self) -> u32 {
        let row = self.len as u32;
        self.values.push_rows(1);
        self.seen.iter_mut().for_each(|s| s.push(Ts(0)));
        self.len += 1;
        row
    }

    /// The row of keys that find no room, made if need be.
    pub fn other_row(&mut self) -> u32 {
        let row = match self.other {
            Some(row) => row,
            // Among new rows whose keys are yet to be filled in, it waits for its turn.
            None if !self.fresh.is_empty() => {
                self.fresh.push(NO_PACKET);
                self.len += 1;
                self.len - 1
            }
            None => {
                self.keys.iter_mut().for_each(KeyCells::push_filler);
                self.append() as usize
            }
        };
        self.other = Some(row);
        row as u32
    }

    /// Whether a row that [`Rows::new_row`] answered is one key's own.
    pub fn is_of_a_key(&self, row: u32) -> bool {
        row < REFUSED && Some(row as usize) != self.other
    }

    /// Whether a new key is to be counted with others.
    fn has_no_room(&self) -> bool {
        self.bounds.full == Full::Other && self.layout.plan != Plan::One && self.is_full()
    }

    fn is_full(&self) -> bool {
        let rows = self.len - usize::from(self.other.is_some());
        rows >= self.bounds.rows_max || self.used_bytes() >= self.bounds.bytes_max
    }

    /// Counts a key that finds no room, and notes why.
    fn overflow(&mut self) {
        self.overflowed += 1;
        self.note_full();
    }

    /// Notes what it has reached, where it is full.
    fn note_full(&mut self) {
        let rows = self.len - usize::from(self.other.is_some());
        let Bounds { rows_max, bytes_max, .. } = self.bounds;
        let by_rows = rows >= rows_max;
        self.filled.get_or_insert(match by_rows {
            true => Filled::Rows(rows_max),
            false => Filled::Memory(bytes_max),
        });
    }

    /// What rows need, without the room vectors keep for growth.
    fn used_bytes(&self) -> usize {
        let key: usize = self.keys.iter().map(KeyCells::cell_bytes).sum();
        self.len * (key + self.values.row_bytes() + 8) + self.values.heap_bytes()
    }

    /// Takes in packets that all belong to the only row.
    pub fn update_one(&mut self, batch: &Batch, picked: &Selection, picks: &mut Picks) {
        let left = self.values.update_sums(batch, picked);
        if left || self.seen.is_some() {
            picks.all_in_one(batch, picked);
            self.values.update_others(batch, picks);
            self.note_seen(batch, picks);
        }
    }

    /// Takes in packets whose rows are known.
    pub fn update(&mut self, batch: &Batch, picks: &Picks) {
        self.values.update(batch, picks);
        self.note_seen(batch, picks);
    }

    fn note_seen(&mut self, batch: &Batch, picks: &Picks) {
        if let Some(seen) = &mut self.seen {
            picks.each_packet(batch.all(), |row, packet, _| {
                seen[row] = seen[row].max(packet.ts);
            });
        }
    }

    /// Marks a row as added to at `ts`.
    pub fn touch(&mut self, row: usize, ts: Ts) {
        if let Some(seen) = self.seen.as_mut().and_then(|s| s.get_mut(row)) {
            *seen = (*seen).max(ts);
        }
    }

    /// Drops rows if there are too many, as the policy says; answers whether rows have moved.
    pub fn trim(&mut self, interval: Span) -> bool {
        if self.bounds.full == Full::Other || self.layout.plan == Plan::One || !self.is_over() {
            return false;
        }
        self.cut = true;
        let before = self.len;
        self.note_full();
        match self.bounds.full {
            Full::Sample => {
                while self.is_over() && self.sampled < 32 {
                    self.sample(self.sampled + 1);
                }
            }
            _ => {
                let room = self.len.min(self.bounds.rows_max);
                let kept = self.largest(room - room / 8, interval);
                self.retain(&kept);
            }
        }
        self.overflowed += (before - self.len) as u64;
        true
    }

    /// Keeps one key in two to the power `bits`, where more are kept now.
    pub fn sample(&mut self, bits: u32) {
        if bits > self.sampled {
            self.sampled = bits;
            let key = |row| self.keys.iter().map(move |cells| cells.get(row));
            let kept: Vec<bool> = (0..self.len).map(|row| is_sampled(key(row), bits)).collect();
            self.retain(&kept);
        }
    }

    fn is_over(&self) -> bool {
        self.len > self.bounds.rows_max || self.used_bytes() > self.bounds.bytes_max
    }

    /// Which rows are among the `n` largest in the first value column.
    fn largest(&self, n: usize, interval: Span) -> Vec<bool> {
        let mut order: Vec<u32> = (0..self.len as u32).collect();
        let mut kept = vec![false; self.len];
        let n = n.max(1);
        if n < order.len() {
            let first = self.values.places.first().zip(self.layout.values.first());
            let size = |row: u32| {
                first.map_or(0, |(p, c)| self.values.rank(*p, c, interval, row as usize))
            };
            order.select_nth_unstable_by(n, |a, b| size(*b).cmp(&size(*a)).then(a.cmp(b)));
            order.truncate(n);
        }
        for row in order {
            kept[row as usize] = true;
        }
        kept
    }

    /// Keeps the rows for which `keep` holds, in order.
    pub fn retain(&mut self, keep: &[bool]) {
        let before = self.len;
        self.keys.iter_mut().for_each(|cells| cells.retain(keep));
        self.values.retain(keep);
        if let Some(seen) = &mut self.seen {
            let mut row = 0;
            seen.retain(|_| {
                row += 1;
                keep.get(row - 1) == Some(&true)
            });
        }
        self.len = keep.iter().take(before).filter(|k| **k).count();
        self.other = self
            .other
            .filter(|row| keep[*row])
            .map(|row| keep[..row].iter().filter(|k| **k).count());
        // Rows have moved: whoever remembered one finds it again by value.
        self.index.clear();
        self.indexed = false;
        self.build_index();
    }
}
