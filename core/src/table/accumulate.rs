//! Accumulators: the state of every value column, a row beside the next.
//!
//! What fits in numbers lies in one vector, `stride` words a row, so that all
//! columns of a row share a cache line; sketches have a vector each. A batch is
//! taken in column by column, in one tight loop each.

mod words;

use super::aggregate::Function;
use super::key::{Cell, cell};
use super::layout::{Column, Of};
use super::sketch::{Bitmap, Distinct, Item, Quantile, TopK};
use super::slots::Picks;
use crate::addr::Addr;
use crate::batch::columns::Values;
use crate::batch::{Batch, Present};
use crate::field::{Field, Kind};
use crate::packet::Weight;
use crate::time::{Span, Ts};
use words::{merge_words, take, weight_of};

/// What one column does with a value. Word columns say how many words they take in [`Op::words`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Op {
    /// Weighted packets.
    Packets,
    /// Weighted bytes on the wire.
    Bytes,
    /// Values times packets.
    Sum,
    /// The smallest; `u64::MAX` where there is none.
    Min,
    /// One more than the largest, 0 where there is none.
    Max,
    /// Sum and weight.
    Mean,
    /// Weight, mean and squared deviations, as floats.
    Var,
    /// Instant (`u64::MAX` where there is none) and value.
    First,
    /// Instant plus one (0 where there is none) and value.
    Last,
    /// Decayed sum, decayed weight (floats) and the instant they hold at.
    Ewma(Span),
    FirstAddr,
    LastAddr,
    Distinct,
    Quantile,
    TopK {
        k: u32,
        by_bytes: bool,
    },
    Bitmap {
        bits: u32,
    },
}

impl Op {
    /// What a resolved column does.
    pub fn of(column: &Column) -> Self {
        let field = match column.of {
            Of::Field(field) => Some(field),
            _ => None,
        };
        let is_addr = field.is_some_and(|f| f.kind() == Kind::Addr);
        let is_ts = field == Some(Field::Ts);
        match column.aggregate.function {
            Function::Count => Self::Packets,
            Function::Rate | Function::Sum => match field {
                Some(Field::Len | Field::Bytes) => Self::Bytes,
                Some(Field::Packets) => Self::Packets,
                None if column.of == Of::Packets => Self::Packets,
                _ => Self::Sum,
            },
            Function::Min => Self::Min,
            Function::Max => Self::Max,
            Function::Mean => Self::Mean,
            Function::Var => Self::Var,
            Function::First if is_ts => Self::Min,
            Function::Last if is_ts => Self::Max,
            Function::First if is_addr => Self::FirstAddr,
            Function::Last if is_addr => Self::LastAddr,
            Function::First => Self::First,
            Function::Last => Self::Last,
            Function::Ewma(half_life) => Self::Ewma(half_life),
            Function::Distinct => Self::Distinct,
            Function::Quantile(_) => Self::Quantile,
            Function::TopK { k, by_bytes } => Self::TopK { k, by_bytes },
            Function::Bitmap { bits } => Self::Bitmap { bits },
        }
    }

    /// The words of an empty row; none for sketches.
    pub fn words(self) -> &'static [u64] {
        match self {
            Self::Packets | Self::Bytes | Self::Sum | Self::Max => &[0],
            Self::Min => &[u64::MAX],
            Self::Mean | Self::Last => &[0, 0],
            Self::First => &[u64::MAX, 0],
            Self::Var | Self::Ewma(_) => &[0, 0, 0],
            _ => &[],
        }
    }
}

/// What one packet, or one row folded into another, brings to a column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    pub ts: Ts,
    pub weight: Weight,
}

/// Where a column's state lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub op: Op,
    pub of: Of,
    /// The first of its words, or its place among the sketches.
    pub at: usize,
}

/// The sketches of one column, one per row.
#[derive(Clone, Debug)]
pub(super) enum Sketches {
    Addr(Vec<Option<(Ts, Addr)>>),
    Distinct(Vec<Distinct>),
    Quantile(Vec<Quantile>),
    TopK(Vec<TopK>),
    Bitmap(Vec<Bitmap>),
}

/// The state of all value columns of all rows.
#[derive(Clone, Debug)]
pub(super) struct Accumulators {
    pub places: Vec<Place>,
    pub words: Vec<u64>,
    pub stride: usize,
    empty: Vec<u64>,
    pub sketches: Vec<Sketches>,
    /// Memory the sketches hold beside their vectors.
    heap_bytes: usize,
    /// Where the sketches stop growing.
    heap_bytes_max: usize,
    /// Values not added because of that.
    pub refused: u64,
}

impl Accumulators {
    pub fn new(columns: &[Column], heap_bytes_max: usize) -> Self {
        let mut new = Self {
            places: Vec::new(),
            words: Vec::new(),
            stride: 0,
            empty: Vec::new(),
            sketches: Vec::new(),
            heap_bytes: 0,
            heap_bytes_max,
            refused: 0,
        };
        for column in columns {
            let op = Op::of(column);
            let sketches = match op {
                Op::FirstAddr | Op::LastAddr => Some(Sketches::Addr(Vec::new())),
                Op::Distinct => Some(Sketches::Distinct(Vec::new())),
                Op::Quantile => Some(Sketches::Quantile(Vec::new())),
                Op::TopK { .. } => Some(Sketches::TopK(Vec::new())),
                Op::Bitmap { .. } => Some(Sketches::Bitmap(Vec::new())),
                _ => None,
            };
            let at = if sketches.is_some() { new.sketches.len() } else { new.empty.len() };
            new.sketches.extend(sketches);
            new.empty.extend(op.words());
            new.places.push(Place { op, of: column.of, at });
        }
        new.stride = new.empty.len();
        new
    }

    pub fn push_row(&mut self) {
        self.words.extend_from_slice(&self.empty);
        for sketches in &mut self.sketches {
            match sketches {
                Sketches::Addr(v) => v.push(None),
                Sketches::Distinct(v) => v.push(Distinct::default()),
                Sketches::Quantile(v) => v.push(Quantile::default()),
                Sketches::TopK(v) => v.push(TopK::default()),
                Sketches::Bitmap(v) => v.push(Bitmap::default()),
            }
        }
    }

    pub fn clear(&mut self) {
        self.words.clear();
        for sketches in &mut self.sketches {
            match sketches {
                Sketches::Addr(v) => v.clear(),
                Sketches::Distinct(v) => v.clear(),
                Sketches::Quantile(v) => v.clear(),
                Sketches::TopK(v) => v.clear(),
                Sketches::Bitmap(v) => v.clear(),
            }
        }
        self.heap_bytes = 0;
    }

    /// Keeps the rows for which `keep` holds, in order.
    pub fn retain(&mut self, keep: &[bool]) {
        let kept = |row: usize| keep.get(row) == Some(&true);
        if self.stride > 0 {
            let mut to = 0;
            for from in (0..keep.len()).filter(|row| kept(*row)) {
                let words = from * self.stride..(from + 1) * self.stride;
                self.words.copy_within(words, to * self.stride);
                to += 1;
            }
            self.words.truncate(to * self.stride);
        }
        fn sift<T>(v: &mut Vec<T>, keep: &[bool]) {
            let mut row = 0;
            v.retain(|_| {
                row += 1;
                keep.get(row - 1) == Some(&true)
            });
        }
        let mut heap_bytes = 0;
        for sketches in &mut self.sketches {
            match sketches {
                Sketches::Addr(v) => sift(v, keep),
                Sketches::Distinct(v) => sift(v, keep),
                Sketches::Quantile(v) => sift(v, keep),
                Sketches::TopK(v) => sift(v, keep),
                Sketches::Bitmap(v) => sift(v, keep),
            }
            heap_bytes += sketches.heap_bytes();
        }
        self.heap_bytes = heap_bytes;
    }

    /// The words of column `place` in `row`.
    #[inline]
    pub fn words_of(&self, place: Place, row: usize) -> &[u64] {
        &self.words[row * self.stride + place.at..]
    }

    /// What one more row takes, without what its sketches will hold.
    pub fn row_bytes(&self) -> usize {
        self.stride * 8 + self.sketches.len() * 24
    }

    /// What the sketches hold beside their vectors.
    pub fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    /// About how many bytes all rows hold.
    pub fn bytes(&self) -> usize {
        let shells: usize = self.sketches.iter().map(Sketches::shell_bytes).sum();
        self.words.capacity() * 8 + shells + self.heap_bytes
    }

    /// Takes in the picked packets of a batch, whose rows are known.
    pub fn update(&mut self, batch: &Batch, picks: &Picks) {
        for place in self.places.clone() {
            self.update_column(place, batch, picks);
        }
    }

    fn update_column(&mut self, place: Place, batch: &Batch, picks: &Picks) {
        let Place { op, of, at } = place;
        let stride = self.stride;
        let weighted = !batch.is_unweighted();
        let packets = |at: usize| if weighted { batch.weight(at).packets } else { 1 };
        let words = &mut self.words[..];
        let field = match of {
            Of::Field(field) => field,
            _ => Field::Packets,
        };
        match op {
            Op::Packets if !weighted => picks.each(|row, _| {
                let word = &mut words[row * stride + at];
                *word = word.saturating_add(1);
            }),
            Op::Packets => picks.each(|row, i| add(words, row * stride + at, packets(i))),
            Op::Bytes if !weighted => picks.each_packet(batch.all(), |row, packet, _| {
                add(words, row * stride + at, u64::from(packet.wire_len));
            }),
            Op::Bytes => {
                picks.each(|row, i| add(words, row * stride + at, batch.weight(i).bytes));
            }
            Op::Sum => numbers(batch, field, picks, |row, i, value| {
                add(words, row * stride + at, value.saturating_mul(packets(i)));
            }),
            Op::Min => numbers(batch, field, picks, |row, _, value| {
                let word = &mut words[row * stride + at];
                *word = value.min(*word);
            }),
            Op::Max => numbers(batch, field, picks, |row, _, value| {
                let word = &mut words[row * stride + at];
                *word = value.saturating_add(1).max(*word);
            }),
            Op::Mean | Op::Var | Op::First | Op::Last | Op::Ewma(_) => {
                let is_len = field == Field::Len;
                numbers(batch, field, picks, |row, i, value| {
                    let ts = batch.all()[i].ts;
                    let weight = match (weighted, is_len) {
                        (true, true) => batch.weight(i),
                        _ => weight_of(value, packets(i)),
                    };
                    take(op, &mut words[row * stride + at..], value, Given { ts, weight });
                });
            }
            _ => picks.each(|row, i| self.update_sketch(place, batch, row, i)),
        }
    }

    fn update_sketch(&mut self, place: Place, batch: &Batch, row: usize, i: usize) {
        if let Some(item) = Item::read(batch, place.of, i) {
            let given = Given { ts: batch.all()[i].ts, weight: batch.weight(i) };
            self.add_item(place, row, item, given);
        }
    }

    /// Adds one value to one row.
    pub fn add(&mut self, place: Place, row: usize, value: u64, given: Given) {
        if place.op.words().is_empty() {
            self.add_item(place, row, Item::Cell(Cell::Number(value)), given);
        } else {
            let start = row * self.stride + place.at;
            take(place.op, &mut self.words[start..], value, given);
        }
    }

    fn add_item(&mut self, place: Place, row: usize, item: Item, given: Given) {
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

    /// Adds the state of `other_row` of another table's column to one row here.
    pub fn merge(
        &mut self,
        place: Place,
        row: usize,
        other: &Self,
        other_place: Place,
        other_row: usize,
    ) {
        if !place.op.words().is_empty() {
            let theirs = other.words_of(other_place, other_row);
            let start = row * self.stride + place.at;
            merge_words(place.op, &mut self.words[start..], theirs);
            return;
        }
        let full = self.heap_bytes >= self.heap_bytes_max;
        let mut grown =
            Grown { heap_bytes: &mut self.heap_bytes, full, refused: &mut self.refused };
        let ours = &mut self.sketches[place.at];
        match (ours, &other.sketches[other_place.at], place.op) {
            (Sketches::Addr(v), Sketches::Addr(o), op) => {
                if let Some((ts, addr)) = o[other_row] {
                    keep_addr(op, &mut v[row], ts, addr);
                }
            }
            (Sketches::Distinct(v), Sketches::Distinct(o), _) => {
                grown.add(&mut v[row], Distinct::heap_bytes, |d| d.merge(&o[other_row]));
            }
            (Sketches::TopK(v), Sketches::TopK(o), Op::TopK { k, .. }) => {
                let room = TopK::counters(k);
                grown.add(&mut v[row], TopK::heap_bytes, |t| t.merge(&o[other_row], room));
            }
            (Sketches::Bitmap(v), Sketches::Bitmap(o), _) => {
                grown.add(&mut v[row], Bitmap::heap_bytes, |b| b.merge(&o[other_row]));
            }
            (Sketches::Quantile(v), Sketches::Quantile(o), _) => {
                grown.add(&mut v[row], Quantile::heap_bytes, |q| q.merge(&o[other_row]));
            }
            _ => {}
        }
    }
}

impl Sketches {
    fn shell_bytes(&self) -> usize {
        match self {
            Self::Addr(v) => v.capacity() * size_of::<Option<(Ts, Addr)>>(),
            Self::Distinct(v) => v.capacity() * size_of::<Distinct>(),
            Self::Quantile(v) => v.capacity() * size_of::<Quantile>(),
            Self::TopK(v) => v.capacity() * size_of::<TopK>(),
            Self::Bitmap(v) => v.capacity() * size_of::<Bitmap>(),
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Addr(_) => 0,
            Self::Distinct(v) => v.iter().map(Distinct::heap_bytes).sum(),
            Self::Quantile(v) => v.iter().map(Quantile::heap_bytes).sum(),
            Self::TopK(v) => v.iter().map(TopK::heap_bytes).sum(),
            Self::Bitmap(v) => v.iter().map(Bitmap::heap_bytes).sum(),
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

#[inline]
fn add(words: &mut [u64], at: usize, value: u64) {
    let word = &mut words[at];
    *word = word.saturating_add(value);
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

/// Calls `visit` with row, packet and value of every picked packet that has the field.
#[inline]
fn numbers(batch: &Batch, field: Field, picks: &Picks, mut visit: impl FnMut(usize, usize, u64)) {
    match field {
        Field::Len => picks.each_packet(batch.all(), |row, p, i| visit(row, i, p.wire_len.into())),
        Field::Ts => picks.each_packet(batch.all(), |row, p, i| visit(row, i, p.ts.0)),
        _ => match batch.column(field) {
            Some(column) => match (&column.values, &column.present) {
                (Values::U32(v), Present::All) => {
                    picks.each(|row, i| visit(row, i, u64::from(v[i])));
                }
                (Values::U32(v), present) => picks.each(|row, i| {
                    if present.has(i) {
                        visit(row, i, u64::from(v[i]));
                    }
                }),
                (Values::U64(v), present) => picks.each(|row, i| {
                    if present.has(i) {
                        visit(row, i, v[i]);
                    }
                }),
                (Values::Addr(_), _) => {}
            },
            None => picks.each(|row, i| {
                if let Some(Cell::Number(value)) = cell(batch, field, i) {
                    visit(row, i, value);
                }
            }),
        },
    }
}
