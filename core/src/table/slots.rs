//! Finding the row of each packet, by the cheapest way the key allows.
//!
//! Interned ids and small numbers index an array, packed keys are hashed once.
//! Only a key met for the first time is looked at as values, by [`Rows`]. What
//! is remembered here holds for one numbering of ids: see [`Finder::forget`].

mod packed;
mod sums;

use super::layout::{Layout, Plan};
use super::rows::Rows;
use crate::batch::columns::Values;
use crate::batch::{Batch, Present};
use crate::field::{Field, Id};
use crate::packet::Packet;
use crate::selection::{BATCH_PACKETS_MAX, Selection};
use packed::Packed;

/// No row is known yet.
pub(super) const UNSEEN: u32 = u32::MAX;
/// The packet is not counted.
pub(super) const REFUSED: u32 = u32::MAX - 1;

/// In the place of a packet: there is none.
pub(super) const NO_PACKET: u32 = u32::MAX;

/// The rows of a batch's counted packets.
#[derive(Clone, Debug)]
pub(super) struct Picks {
    rows: Vec<u32>,
    places: Vec<u32>,
    len: usize,
    /// Whether every packet of the batch is counted, so that places need not be read.
    dense: bool,
}

impl Picks {
    pub fn new() -> Self {
        let zeros = || vec![0; BATCH_PACKETS_MAX];
        Self { rows: zeros(), places: zeros(), len: 0, dense: false }
    }

    pub fn bytes(&self) -> usize {
        (self.rows.capacity() + self.places.capacity()) * 4
    }

    /// Every picked packet, in row 0.
    pub fn all_in_one(&mut self, batch: &Batch, picked: &Selection) {
        self.start();
        picked.for_each(|at| self.push(0, at));
        self.finish(batch);
    }

    fn start(&mut self) {
        self.len = 0;
    }

    /// Adds the packet at `place` unless `row` says it is not counted; without a branch.
    #[inline]
    fn push(&mut self, row: u32, place: usize) {
        let at = self.len % BATCH_PACKETS_MAX;
        self.rows[at] = row;
        self.places[at] = place as u32;
        self.len += usize::from(row < REFUSED);
    }

    /// The rows to write of all packets of a batch, in order; [`Picks::settle`] goes with it.
    fn whole(&mut self, batch: &Batch) -> &mut [u32] {
        self.len = batch.len();
        &mut self.rows[..batch.len()]
    }

    /// Leaves out packets that are not counted.
    fn settle(&mut self) {
        let whole = self.len;
        self.start();
        for at in 0..whole {
            self.push(self.rows[at], at);
        }
    }

    fn finish(&mut self, batch: &Batch) {
        self.dense = self.len == batch.len();
    }

    /// Calls `visit` with row and place of every counted packet.
    #[inline]
    pub fn each(&self, mut visit: impl FnMut(usize, usize)) {
        let rows = &self.rows[..self.len];
        if self.dense {
            for (place, row) in rows.iter().enumerate() {
                visit(*row as usize, place);
            }
        } else {
            for (row, place) in rows.iter().zip(&self.places) {
                visit(*row as usize, *place as usize);
            }
        }
    }

    /// As [`Picks::each`], with the packet.
    #[inline]
    pub fn each_packet(&self, packets: &[Packet], mut visit: impl FnMut(usize, &Packet, usize)) {
        let rows = &self.rows[..self.len];
        if self.dense {
            for ((place, row), packet) in rows.iter().enumerate().zip(packets) {
                visit(*row as usize, packet, place);
            }
        } else {
            for (row, place) in rows.iter().zip(&self.places) {
                let place = *place as usize;
                visit(*row as usize, &packets[place], place);
            }
        }
    }
}

/// Finds rows, and remembers them.
#[derive(Clone, Debug)]
pub(super) struct Finder {
    way: Way,
    /// The numbering of ids that `way` is about.
    epoch: u64,
}

#[derive(Clone, Debug)]
enum Way {
    One,
    Id { id: Id, rows: Sparse },
    Direct { field: Field, or_zero: bool, rows: Sparse },
    Packed64(Packed<u64>),
    Packed128(Packed<u128>),
    Values,
}

impl Finder {
    pub fn new(layout: &Layout) -> Self {
        let way = match &layout.plan {
            Plan::One => Way::One,
            Plan::Id(id) => Way::Id { id: *id, rows: Sparse::default() },
            Plan::Direct(field) => {
                let or_zero = layout.key.iter().all(|k| k.or_zero);
                Way::Direct { field: *field, or_zero, rows: Sparse::default() }
            }
            Plan::Packed(parts, ..=64) => Way::Packed64(Packed::new(parts)),
            Plan::Packed(parts, _) => Way::Packed128(Packed::new(parts)),
            Plan::Values => Way::Values,
        };
        Self { way, epoch: 0 }
    }

    /// Finds the rows of the picked packets, adding what is new to `rows`.
    pub fn find(&mut self, batch: &Batch, picked: &Selection, rows: &mut Rows, out: &mut Picks) {
        self.renumber(batch, rows);
        out.start();
        let found = match &mut self.way {
            Way::One => {
                out.all_in_one(batch, picked);
                true
            }
            Way::Id { id, rows: known } => by_id(*id, known, batch, picked, rows, out),
            Way::Direct { field, or_zero, rows: known } => {
                direct(*field, *or_zero, known, batch, picked, rows, out)
            }
            Way::Packed64(packed) => packed.find(batch, picked, rows, out),
            Way::Packed128(packed) => packed.find(batch, picked, rows, out),
            Way::Values => false,
        };
        if !found {
            rows.build_index();
            picked.for_each(|at| out.push(rows.row_of_packet(batch, at), at));
        }
        out.finish(batch);
        rows.fill_new(batch);
    }

    /// Forgets ids that now mean other values: rows already made are found by value again.
    fn renumber(&mut self, batch: &Batch, rows: &mut Rows) {
        if self.is_by_id() && self.epoch != batch.epoch() {
            if rows.len() > 0 {
                rows.build_index();
            }
            self.forget();
            self.epoch = batch.epoch();
        }
    }

    fn is_by_id(&self) -> bool {
        matches!(self.way, Way::Id { .. } | Way::Packed64(_) | Way::Packed128(_))
    }

    /// Forgets all rows.
    pub fn forget(&mut self) {
        match &mut self.way {
            Way::One | Way::Values => {}
            Way::Id { rows, .. } | Way::Direct { rows, .. } => rows.clear(),
            Way::Packed64(packed) => packed.forget(),
            Way::Packed128(packed) => packed.forget(),
        }
    }

    /// See [`super::Table::row_ids`].
    pub fn row_ids(&self, ids: &mut [u32]) -> Option<(Id, u64)> {
        let Way::Id { id: kind, rows } = &self.way else { return None };
        for id in &rows.used {
            // A row that was refused is behind the last.
            ids.get_mut(rows.get(*id) as usize).into_iter().for_each(|row| *row = *id);
        }
        Some((*kind, self.epoch))
    }

    pub fn bytes(&self) -> usize {
        match &self.way {
            Way::One | Way::Values => 0,
            Way::Id { rows, .. } | Way::Direct { rows, .. } => rows.bytes(),
            Way::Packed64(packed) => packed.bytes(),
            Way::Packed128(packed) => packed.bytes(),
        }
    }
}

/// Rows by a small number, of which few are in use.
#[derive(Clone, Debug, Default)]
struct Sparse {
    rows: Vec<u32>,
    used: Vec<u32>,
}

impl Sparse {
    #[inline]
    fn get(&self, number: u32) -> u32 {
        self.rows.get(number as usize).copied().unwrap_or(UNSEEN)
    }

    #[cold]
    fn set(&mut self, number: u32, row: u32) {
        let at = number as usize;
        if at >= self.rows.len() {
            self.rows.resize((at + 1).next_power_of_two().max(1024), UNSEEN);
        }
        self.rows[at] = row;
        self.used.push(number);
    }

    fn clear(&mut self) {
        if self.used.len() > self.rows.len() / 8 {
            self.rows.fill(UNSEEN);
            self.used.clear();
        }
        for number in self.used.drain(..) {
            self.rows[number as usize] = UNSEEN;
        }
    }

    fn bytes(&self) -> usize {
        (self.rows.capacity() + self.used.capacity()) * 4
    }
}

/// Finds rows by id; answers whether the batch has the ids.
fn by_id(
    id: Id,
    known: &mut Sparse,
    batch: &Batch,
    picked: &Selection,
    rows: &mut Rows,
    out: &mut Picks,
) -> bool {
    let ids = batch.ids(id);
    if ids.len() != batch.len() {
        return false;
    }
    if !picked.is_all() || picked.len() != batch.len() {
        picked.for_each(|at| out.push(row_of_id(ids[at], known, batch, at, rows), at));
        return true;
    }
    let mut refused = false;
    for (at, (id, out)) in ids.iter().zip(out.whole(batch)).enumerate() {
        *out = row_of_id(*id, known, batch, at, rows);
        refused |= *out == REFUSED;
    }
    if refused {
        out.settle();
    }
    true
}

#[inline]
fn row_of_id(id: u32, known: &mut Sparse, batch: &Batch, at: usize, rows: &mut Rows) -> u32 {
    match known.get(id) {
        UNSEEN => first_by_id(id, known, batch, at, rows),
        row => row,
    }
}

#[cold]
fn first_by_id(id: u32, known: &mut Sparse, batch: &Batch, at: usize, rows: &mut Rows) -> u32 {
    if id == Batch::NO_ID {
        return REFUSED;
    }
    let row = rows.new_row(batch, at);
    known.set(id, row);
    row
}

fn direct(
    field: Field,
    or_zero: bool,
    known: &mut Sparse,
    batch: &Batch,
    picked: &Selection,
    rows: &mut Rows,
    out: &mut Picks,
) -> bool {
    let Some(column) = batch.column(field) else { return false };
    let Values::U32(values) = &column.values else { return false };
    let mut picked = picked.clone();
    if let (Present::Some(these), false) = (&column.present, or_zero) {
        picked.and(these);
    }
    picked.for_each(|at| {
        let value = values[at];
        let mut row = known.get(value);
        if row == UNSEEN {
            row = first_by_number(value, known, batch, at, rows);
        }
        out.push(row, at);
    });
    true
}

#[cold]
fn first_by_number(
    value: u32,
    known: &mut Sparse,
    batch: &Batch,
    at: usize,
    rows: &mut Rows,
) -> u32 {
    // The layout chose this way because the field's values are no longer than 16 bits.
    if value > u32::from(u16::MAX) {
        return REFUSED;
    }
    let row = rows.new_row(batch, at);
    known.set(value, row);
    row
}
