//! Packed keys: ids and numbers side by side in one number, hashed once.
//!
//! The keys of a batch are hashed before any is looked up, so that their places can be asked of
//! the memory a little ahead.

use std::hash::{BuildHasher, Hash};

use super::{Picks, UNSEEN};
use crate::batch::columns::Values;
use crate::batch::{Batch, Present};
use crate::hash::{TableHash, for_tables};
use crate::prefetch::fetch;
use crate::selection::Selection;
use crate::table::key::{Cell, cell};
use crate::table::layout::Part;
use crate::table::rows::Rows;

/// A number that keys are packed into.
pub trait Code: Copy + Eq + Hash + Default {
    fn with(self, bits: u32, value: u64) -> Self;
}

impl Code for u64 {
    #[inline]
    fn with(self, bits: u32, value: u64) -> Self {
        self.checked_shl(bits).unwrap_or(0) | value
    }
}

impl Code for u128 {
    #[inline]
    fn with(self, bits: u32, value: u64) -> Self {
        self << bits | u128::from(value)
    }
}

/// Rows by packed keys.
#[derive(Clone, Debug)]
pub struct Packed<C> {
    parts: Vec<Part>,
    codes: Vec<C>,
    hashes: Vec<u64>,
    known: Known<C>,
}

/// How many packets ahead of the one at hand a place is fetched.
const AHEAD: usize = 16;

impl<C: Code> Packed<C> {
    pub fn new(parts: &[Part]) -> Self {
        let (codes, hashes) = (Vec::new(), Vec::new());
        Self { parts: parts.to_vec(), codes, hashes, known: Known::default() }
    }

    /// Finds rows by packed keys; answers whether the batch has all parts.
    pub fn find(
        &mut self,
        batch: &Batch,
        picked: &Selection,
        rows: &mut Rows,
        out: &mut Picks,
    ) -> bool {
        let mut picked = picked.clone();
        self.codes.clear();
        self.codes.resize(batch.len(), C::default());
        for part in &self.parts {
            if !pack(*part, batch, &mut self.codes, &mut picked) {
                return false;
            }
        }
        let Self { codes, hashes, known, .. } = self;
        hashes.clear();
        hashes.extend(codes.iter().map(|code| known.hash.hash_one(code)));
        picked.for_each(|at| {
            if let Some(hash) = hashes.get(at + AHEAD) {
                known.fetch(*hash);
            }
            let row = match known.find(codes[at], hashes[at]) {
                Ok(row) => row,
                Err(free) => known.meet(free, codes[at], rows, (batch, at)),
            };
            out.push(row, at);
        });
        true
    }

    pub fn forget(&mut self) {
        self.known.clear();
    }

    pub fn bytes(&self) -> usize {
        self.known.slots.capacity() * size_of::<(C, u32)>()
            + self.codes.capacity() * size_of::<C>()
            + self.hashes.capacity() * size_of::<u64>()
    }
}

/// Rows by code. Of codes that found no room fewer are remembered than twice as many as there are
/// rows: a flood of keys must not fill here the memory that the table's bound denies them.
///
/// Open addressing, at most half full, a code beside its row: one look a packet.
#[derive(Clone, Debug)]
struct Known<C> {
    // Free where the row is `UNSEEN`.
    slots: Vec<(C, u32)>,
    len: usize,
    hash: TableHash,
}

impl<C: Code> Default for Known<C> {
    fn default() -> Self {
        Self { slots: vec![(C::default(), UNSEEN); 1024], len: 0, hash: for_tables() }
    }
}

impl<C: Code> Known<C> {
    /// Asks for the memory where a code of this hash would be.
    #[inline]
    fn fetch(&self, hash: u64) {
        self.slots.get(hash as usize & (self.slots.len() - 1)).into_iter().for_each(fetch);
    }

    /// The row of a code, or the free place where it would be.
    #[inline]
    fn find(&self, code: C, hash: u64) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let (known, row) = self.slots[at & mask];
            if row == UNSEEN {
                return Err(at & mask);
            }
            if known == code {
                return Ok(row);
            }
            at += 1;
        }
    }

    /// The row of the code of a packet that is not known, to be remembered at a free place.
    #[cold]
    fn meet(&mut self, free: usize, code: C, rows: &mut Rows, (batch, at): (&Batch, usize)) -> u32 {
        let row = rows.new_row(batch, at);
        if rows.is_of_a_key(row) || self.len < 2 * rows.len() {
            self.slots[free] = (code, row);
            self.len += 1;
        }
        if self.len * 2 > self.slots.len() {
            self.grow();
        }
        row
    }

    fn grow(&mut self) {
        let free = (C::default(), UNSEEN);
        let room = vec![free; self.slots.len() * 2];
        let old = std::mem::replace(&mut self.slots, room);
        let mask = self.slots.len() - 1;
        for slot in old.into_iter().filter(|slot| slot.1 != UNSEEN) {
            let mut at = self.hash.hash_one(slot.0) as usize & mask;
            while self.slots[at].1 != UNSEEN {
                at = (at + 1) & mask;
            }
            self.slots[at] = slot;
        }
    }

    fn clear(&mut self) {
        if self.len > 0 {
            self.slots.fill((C::default(), UNSEEN));
            self.len = 0;
        }
    }
}

/// Appends one part to every code and drops packets that lack it; answers whether the batch has it.
fn pack<C: Code>(part: Part, batch: &Batch, codes: &mut [C], picked: &mut Selection) -> bool {
    let Some(column) = batch.column(part.field) else {
        return pack_free(part, batch, codes);
    };
    if let (Present::Some(these), false) = (&column.present, part.or_zero) {
        picked.and(these);
    }
    let bits = part.bits;
    if let Some(id) = part.id {
        let ids = batch.ids(id);
        for (code, id) in codes.iter_mut().zip(ids) {
            *code = code.with(bits, u64::from(*id) & ((1 << bits) - 1));
        }
        return ids.len() == codes.len();
    }
    match &column.values {
        Values::U32(v) => {
            for (code, value) in codes.iter_mut().zip(v) {
                *code = code.with(bits, u64::from(*value));
            }
        }
        Values::U64(v) => {
            for (code, value) in codes.iter_mut().zip(v) {
                *code = code.with(bits, *value);
            }
        }
        Values::Addr(_) | Values::CommunityId(_) => return false,
    }
    true
}

/// As [`pack`], for fields that need no column.
fn pack_free<C: Code>(part: Part, batch: &Batch, codes: &mut [C]) -> bool {
    for (at, code) in codes.iter_mut().enumerate() {
        match cell(batch, part.field, at) {
            Some(Cell::Number(value)) => *code = code.with(part.bits, value),
            _ => return false,
        }
    }
    true
}
