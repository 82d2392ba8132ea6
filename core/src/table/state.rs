//! States: what an aggregate keeps of a row, as bytes that rest beside its value and merge later.
//!
//! A mean is no mean of means: of what its value was read from more must be kept
//! than the value says. What merges by its value alone (a count, a sum, a
//! largest) keeps nothing beside it.

use super::accumulate::{Accumulators, Op, Place, Sketches};
use super::aggregate::{Aggregate, Function};
use super::layout::{Column, ValueColumn, resolve};
use super::sketch::{Bitmap, Distinct, Quantile, TopK};
use crate::hash::sketch_id;
use crate::record::{Schema, Value};
use crate::time::Span;
use crate::wire::{Malformed, Reader, put_varint};

/// The states of one row's columns may take so many bytes; columns that could pass it keep none.
const STATES_BYTES_MAX: usize = 1 << 20;

/// States up to this size are kept of every record, larger ones only where they will be merged.
const SMALL_BYTES: usize = 64;

impl Function {
    /// The most bytes its state takes; none where its value says all there is.
    fn state_bytes_max(self) -> Option<usize> {
        Some(match self {
            Self::Mean => 20,
            Self::Ewma(_) => 30,
            Self::Var => 40,
            Self::Distinct => 3 << 10,
            Self::Quantile(_) => 32 << 10,
            Self::TopK { k, .. } => TopK::counters(k) * 64,
            Self::Bitmap { bits } => bits as usize / 8 + 16,
            _ => return None,
        })
    }

    /// Whether its state is so small that it is always kept.
    pub(super) fn keeps_always(self) -> bool {
        self.state_bytes_max().is_some_and(|bytes| bytes <= SMALL_BYTES)
    }
}

/// The columns whose values do not merge and whose states do: what they compute.
pub(super) fn kept(schema: &Schema) -> Vec<Option<Column>> {
    let mut left = STATES_BYTES_MAX;
    let mut one = |column: &crate::record::Column| {
        let aggregate = Aggregate::parse(&column.of)?;
        let bytes = aggregate.function.state_bytes_max()?;
        left = left.checked_sub(bytes)?;
        resolve(&ValueColumn { name: column.name.clone(), aggregate }).ok()
    };
    schema.columns.iter().map(|column| one(column).filter(|found| found.ty == column.ty)).collect()
}

/// Whether what a column holds has a state, be it small enough to be kept or not.
pub(crate) fn has_state(of: &str) -> bool {
    Aggregate::parse(of).is_some_and(|aggregate| aggregate.function.state_bytes_max().is_some())
}

/// Whether an operation counts hashes, which mean something to those of the same secret alone.
fn is_hashed(op: Op) -> bool {
    matches!(op, Op::Distinct | Op::Bitmap { .. })
}

impl Accumulators {
    /// What a column keeps of a row, counted here.
    pub(super) fn state(&self, place: Place, row: usize) -> Vec<u8> {
        self.counted(place, row, sketch_id())
    }

    /// What a column keeps of a row, counted under the secret of this number.
    fn counted(&self, place: Place, row: usize, id: u64) -> Vec<u8> {
        let mut out = Vec::new();
        if is_hashed(place.op) {
            out.extend(id.to_le_bytes());
        }
        let words = place.op.words().len();
        if words > 0 {
            let words = self.words_of(place, row).iter().take(words);
            words.for_each(|word| put_varint(&mut out, *word));
            return out;
        }
        match self.sketches.get(place.at) {
            Some(Sketches::Distinct(v)) => v[row].put(&mut out),
            Some(Sketches::Quantile(v)) => v[row].put(&mut out),
            Some(Sketches::TopK(v)) => v[row].put(&mut out),
            Some(Sketches::Bitmap(v)) => v[row].put(&mut out),
            Some(Sketches::Addr(_)) | None => {}
        }
        out
    }

    /// Adds what was kept of another row.
    fn take_state(
        &mut self,
        place: Place,
        row: usize,
        mut reader: Reader<'_>,
    ) -> Result<(), Malformed> {
        let n_words = place.op.words().len();
        if n_words > 0 {
            let words: Vec<u64> =
                (0..n_words).map(|_| reader.varint()).collect::<Result<_, _>>()?;
            self.merge_words(place, row, &words);
        } else {
            let other = match place.op {
                Op::Distinct => Sketches::Distinct(vec![Distinct::take(&mut reader)?]),
                Op::Quantile => Sketches::Quantile(vec![Quantile::take(&mut reader)?]),
                Op::TopK { k, .. } => {
                    Sketches::TopK(vec![TopK::take(&mut reader, TopK::counters(k))?])
                }
                Op::Bitmap { bits } => Sketches::Bitmap(vec![Bitmap::take(&mut reader, bits)?]),
                _ => return Err(Malformed("it keeps no state")),
            };
            self.merge_sketch(place, row, &other, 0);
        }
        if reader.is_empty() { Ok(()) } else { Err(Malformed("rest")) }
    }
}

/// States of rows, merged: a row for each of the longer interval's.
#[derive(Debug)]
pub(crate) struct States {
    // Where each of the schema's columns is kept, if it is.
    at: Vec<Option<usize>>,
    columns: Vec<Column>,
    values: Accumulators,
    // Which secret all was counted under, once there is something.
    id: Option<u64>,
}

impl States {
    /// For records of this schema, holding at most about so many bytes in sketches.
    pub fn of(schema: &Schema, bytes_max: usize) -> Self {
        let mut columns = Vec::new();
        let mut place = |column: Option<Column>| {
            columns.push(column?);
            Some(columns.len() - 1)
        };
        let at = kept(schema).into_iter().map(&mut place).collect();
        let values = Accumulators::new(&columns, bytes_max);
        Self { at, columns, values, id: None }
    }

    /// The columns whose values merge by their states.
    pub fn columns(&self) -> impl Iterator<Item = usize> {
        (0..self.at.len()).filter(|column| self.at[*column].is_some())
    }

    /// About how many bytes sketches hold.
    pub fn bytes(&self) -> usize {
        self.values.heap_bytes()
    }

    /// From now on sketches may hold about so many bytes.
    pub fn bound(&mut self, bytes_max: usize) {
        self.values.bound(bytes_max);
    }

    /// Adds an empty row behind the others.
    pub fn push(&mut self) {
        self.values.push_rows(1);
    }

    /// Adds a state to a column of a row.
    pub fn merge(&mut self, row: usize, column: usize, state: &[u8]) -> Result<(), Malformed> {
        let Some((place, _)) = self.place(column) else { return Ok(()) };
        let mut reader = Reader::new(state);
        if is_hashed(place.op) {
            let id = reader.u64()?;
            if *self.id.get_or_insert(id) != id {
                return Err(Malformed("another store's secret counted it"));
            }
        }
        self.values.take_state(place, row, reader)
    }

    /// The value that a row has in a column.
    pub fn value(&self, row: usize, column: usize) -> Value {
        let value = |(place, column)| self.values.value(column, place, Span(1), row);
        self.place(column).map_or(Value::Null, value)
    }

    /// The state that a row has in a column.
    pub fn state(&self, row: usize, column: usize) -> Vec<u8> {
        let id = self.id.unwrap_or_default();
        self.place(column).map_or_else(Vec::new, |(place, _)| self.values.counted(place, row, id))
    }

    /// Whether there was no room for all that was merged.
    pub fn is_short(&self) -> bool {
        self.values.refused > 0
    }

    fn place(&self, column: usize) -> Option<(Place, &Column)> {
        let at = (*self.at.get(column)?)?;
        self.values.places.get(at).copied().zip(self.columns.get(at))
    }
}

#[cfg(test)]
mod tests;
