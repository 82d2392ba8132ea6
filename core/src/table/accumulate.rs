//! Accumulators: the state of every value column, a row beside the next.
//!
//! What fits in numbers lies in one vector, `stride` words a row, so that all
//! columns of a row share a cache line; sketches have a vector each. A batch is
//! taken in column by column, in one tight loop each.

mod sketches;
mod update;
mod words;

use super::aggregate::Function;
use super::key::Cell;
use super::layout::{Column, Of};
use super::sketch::Item;
use crate::field::{Field, Kind};
use crate::packet::Weight;
use crate::time::{Span, Ts};
pub(super) use sketches::Sketches;
pub(super) use words::var;
use words::{merge_words, take};

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
    /// Weight, sum, and the sum of squares in two words, the low one first.
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
            Self::Ewma(_) => &[0, 0, 0],
            Self::Var => &[0, 0, 0, 0],
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

/// Columns of packets and bytes, where there are no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sums {
    Packets,
    Bytes,
    PacketsBytes,
    BytesPackets,
}

impl Sums {
    fn of(places: &[Place]) -> Option<Self> {
        match places {
            [Place { op: Op::Packets, .. }] => Some(Self::Packets),
            [Place { op: Op::Bytes, .. }] => Some(Self::Bytes),
            [Place { op: Op::Packets, .. }, Place { op: Op::Bytes, .. }] => {
                Some(Self::PacketsBytes)
            }
            [Place { op: Op::Bytes, .. }, Place { op: Op::Packets, .. }] => {
                Some(Self::BytesPackets)
            }
            _ => None,
        }
    }
}

/// The state of all value columns of all rows.
#[derive(Clone, Debug)]
pub(super) struct Accumulators {
    pub places: Vec<Place>,
    pub sums: Option<Sums>,
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
            sums: None,
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
            let sketches = Sketches::of(op);
            let at = if sketches.is_some() { new.sketches.len() } else { new.empty.len() };
            new.sketches.extend(sketches);
            new.empty.extend(op.words());
            new.places.push(Place { op, of: column.of, at });
        }
        new.stride = new.empty.len();
        new.sums = Sums::of(&new.places);
        new
    }

    /// From now on sketches may hold so much.
    pub fn bound(&mut self, heap_bytes_max: usize) {
        self.heap_bytes_max = heap_bytes_max;
    }

    /// Appends empty rows.
    pub fn push_rows(&mut self, rows: usize) {
        for _ in 0..rows {
            self.words.extend_from_slice(&self.empty);
        }
        self.sketches.iter_mut().for_each(|sketches| sketches.push_rows(rows));
    }

    /// Appends empty rows until there are so many.
    pub fn reach(&mut self, rows: usize) {
        let held = match self.sketches.first() {
            Some(sketches) => sketches.rows(),
            None => self.words.len() / self.stride.max(1),
        };
        self.push_rows(rows.saturating_sub(held));
    }

    pub fn clear(&mut self) {
        self.words.clear();
        self.sketches.iter_mut().for_each(Sketches::clear);
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
        self.sketches.iter_mut().for_each(|sketches| sketches.retain(keep));
        self.heap_bytes = self.sketches.iter().map(Sketches::heap_bytes).sum();
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

    /// Adds one value to one row.
    pub fn add(&mut self, place: Place, row: usize, value: u64, given: Given) {
        if place.op.words().is_empty() {
            self.add_item(place, row, Item::Cell(Cell::Number(value)), given);
        } else {
            let start = row * self.stride + place.at;
            take(place.op, &mut self.words[start..], value, given);
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
        match place.op.words().is_empty() {
            false => self.merge_words(place, row, other.words_of(other_place, other_row)),
            true => self.merge_sketch(place, row, &other.sketches[other_place.at], other_row),
        }
    }

    /// Adds the words of another row's column of the same kind.
    pub fn merge_words(&mut self, place: Place, row: usize, theirs: &[u64]) {
        let start = row * self.stride + place.at;
        merge_words(place.op, &mut self.words[start..], theirs);
    }
}
