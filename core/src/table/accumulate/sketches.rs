//! Sketch columns: one sketch a row, within a bound of memory for all together.

use super::{Accumulators, Given, Op, Place};
use crate::addr::Addr;
use crate::batch::Batch;
use crate::table::key::Cell;
use crate::table::sketch::{Bitmap, Distinct, Item, Items, Quantile, TopK};
use crate::table::slots::Picks;
use crate::time::Ts;

/// The sketches of one column, one per row.
#[derive(Clone, Debug)]
pub(in crate::table) enum Sketches {
    Addr(Vec<Option<(Ts, Addr)>>),
    Distinct(Vec<Distinct>),
    Quantile(Vec<Quantile>),
    TopK(Vec<TopK>),
    Bitmap(Vec<Bitmap>),
}

/// Runs the same expression on the vector of any variant.
macro_rules! each_kind {
    ($sketches:expr, $v:ident => $run:expr) => {
        match $sketches {
            Sketches::Addr($v) => $run,
            Sketches::Distinct($v) => $run,
            Sketches::Quantile($v) => $run,
            Sketches::TopK($v) => $run,
            Sketches::Bitmap($v) => $run,
        }
    };
}

impl Sketches {
    /// An empty column for an operation that keeps sketches.
    pub fn of(op: Op) -> Option<Self> {
        match op {
            Op::FirstAddr | Op::LastAddr => Some(Self::Addr(Vec::new())),
            Op::Distinct => Some(Self::Distinct(Vec::new())),
            Op::Quantile => Some(Self::Quantile(Vec::new())),
            Op::TopK { .. } => Some(Self::TopK(Vec::new())),
            Op::Bitmap { .. } => Some(Self::Bitmap(Vec::new())),
            _ => None,
        }
    }

    pub fn rows(&self) -> usize {
        each_kind!(self, v => v.len())
    }

    pub fn push_rows(&mut self, rows: usize) {
        each_kind!(self, v => v.resize_with(v.len() + rows, Default::default));
    }

    pub fn clear(&mut self) {
        each_kind!(self, v => v.clear());
    }

    /// Keeps the rows for which `keep` holds, in order.
    pub fn retain(&mut self, keep: &[bool]) {
        let mut row = 0;
        let mut next = || {
            row += 1;
            keep.get(row - 1) == Some(&true)
        };
        each_kind!(self, v => v.retain(|_| next()));
    }

    /// The memory of the vector itself.
    pub fn shell_bytes(&self) -> usize {
        fn of<T>(v: &Vec<T>) -> usize {
            v.capacity() * size_of::<T>()
        }
        each_kind!(self, v => of(v))
    }

    /// What the sketches hold beside the vector.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Addr(_) => 0,
            Self::Distinct(v) => v.iter().map(Distinct::heap_bytes).sum(),
            Self::Quantile(v) => v.iter().map(Quantile::heap_bytes).sum(),
            Self::TopK(v) => v.iter().map(TopK::heap_bytes).sum(),
            Self::Bitmap(v) => v.iter().map(Bitmap::heap_bytes).sum(),
        }
    }
}

impl Accumulators {
    /// Takes a batch into one sketch column.
    pub(super) fn update_sketches(&mut self, place: Place, batch: &Batch, picks: &Picks) {
        let items = Items::of(batch, place.of);
        if matches!(place.op, Op::Distinct | Op::Bitmap { .. }) {
            return self.update_hashes(place, &items, picks);
        }
        picks.each(|row, i| {
            if let Some(item) = items.get(i) {
                let given = Given { ts: batch.all()[i].ts, weight: batch.weight(i) };
                self.add_item(place, row, item, given);
            }
        });
    }

    /// As [`Accumulators::update_sketches`], for sketches that only want a hash.
    fn update_hashes(&mut self, place: Place, items: &Items<'_>, picks: &Picks) {
        let Self { sketches, heap_bytes, heap_bytes_max, refused, .. } = self;
        let mut grown = Grown { full: *heap_bytes >= *heap_bytes_max, heap_bytes, refused };
        match (&mut sketches[place.at], place.op) {
            (Sketches::Distinct(v), _) => items.each_hash(picks, |row, hash| {
                grown.add(&mut v[row], Distinct::heap_bytes, |d| d.add(hash));
                grown.full = *grown.heap_bytes >= *heap_bytes_max;
            }),
            (Sketches::Bitmap(v), Op::Bitmap { bits }) => items.each_hash(picks, |row, hash| {
                grown.add(&mut v[row], Bitmap::heap_bytes, |b| b.add(hash, bits));
                grown.full = *grown.heap_bytes >= *heap_bytes_max;
            }),
            _ => {}
        }
    }

    pub(super) fn add_item(&mut self, place: Place, row: usize, item: Item, given: Given) {
        let full = self.heap_bytes >= self.heap_bytes_max;
        let mut grown =
            Grown { heap_bytes: &mut self.heap_bytes, full, refused: &mut self.refused };
        match (&mut self.sketches[place.at], place.op) {
            (Sketches::Addr(v), op) => {
                if let Item::Cell(Cell::Addr(addr)) = item {
                    keep_addr(op, &mut v[row], given.ts, addr);
                }
            }
            (Sketches::Distinct(v), _) => {
                grown.add(&mut v[row], Distinct::heap_bytes, |d| d.add(item.hash()));
            }
            (Sketches::TopK(v), Op::TopK { k, by_bytes }) => {
                let n = if by_bytes { given.weight.bytes } else { given.weight.packets };
                let add = |t: &mut TopK| t.add(item, n, TopK::counters(k));
                grown.add(&mut v[row], TopK::heap_bytes, add);
            }
            (Sketches::Bitmap(v), Op::Bitmap { bits }) => {
                grown.add(&mut v[row], Bitmap::heap_bytes, |b| b.add(item.hash(), bits));
            }
            (Sketches::Quantile(v), _) => {
                if let Item::Cell(Cell::Number(value)) = item {
                    let n = given.weight.packets;
                    grown.add(&mut v[row], Quantile::heap_bytes, |q| q.add(value, n));
                }
            }
            _ => {}
        }
    }

    /// Adds one of another column's sketches of the same kind to one row.
    pub(in crate::table) fn merge_sketch(
        &mut self,
        place: Place,
        row: usize,
        other: &Sketches,
        from: usize,
    ) {
        let full = self.heap_bytes >= self.heap_bytes_max;
        let mut grown =
            Grown { heap_bytes: &mut self.heap_bytes, full, refused: &mut self.refused };
        match (&mut self.sketches[place.at], other, place.op) {
            (Sketches::Addr(v), Sketches::Addr(o), op) => {
                if let Some((ts, addr)) = o[from] {
                    keep_addr(op, &mut v[row], ts, addr);
                }
            }
            (Sketches::Distinct(v), Sketches::Distinct(o), _) => {
                grown.add(&mut v[row], Distinct::heap_bytes, |d| d.merge(&o[from]));
            }
            (Sketches::TopK(v), Sketches::TopK(o), Op::TopK { k, .. }) => {
                let room = TopK::counters(k);
                grown.add(&mut v[row], TopK::heap_bytes, |t| t.merge(&o[from], room));
            }
            (Sketches::Bitmap(v), Sketches::Bitmap(o), _) => {
                grown.add(&mut v[row], Bitmap::heap_bytes, |b| b.merge(&o[from]));
            }
            (Sketches::Quantile(v), Sketches::Quantile(o), _) => {
                grown.add(&mut v[row], Quantile::heap_bytes, |q| q.merge(&o[from]));
            }
            _ => {}
        }
    }
}

/// Watches the memory sketches take: when it is used up, they take no more values.
struct Grown<'a> {
    heap_bytes: &'a mut usize,
    full: bool,
    refused: &'a mut u64,
}

impl Grown<'_> {
    #[inline]
    fn add<T>(&mut self, sketch: &mut T, held: impl Fn(&T) -> usize, add: impl FnOnce(&mut T)) {
        if self.full {
            *self.refused = self.refused.saturating_add(1);
            return;
        }
        let before = held(sketch);
        add(sketch);
        *self.heap_bytes += held(sketch).saturating_sub(before);
    }
}

fn keep_addr(op: Op, kept: &mut Option<(Ts, Addr)>, ts: Ts, addr: Addr) {
    let better = match (*kept, op) {
        (None, _) => true,
        (Some((at, _)), Op::FirstAddr) => ts < at,
        (Some((at, _)), _) => ts >= at,
    };
    if better {
        *kept = Some((ts, addr));
    }
}
