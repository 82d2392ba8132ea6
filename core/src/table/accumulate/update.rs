//! Taking in a batch: one tight loop per column.
//!
//! Packets and bytes, which nearly every table counts, share a loop; and where
//! there is only one row they are sums over the batch.

use super::words::{take, weight_of};
use super::{Accumulators, Given, Op, Place};
use crate::batch::columns::Values;
use crate::batch::{Batch, Present};
use crate::field::Field;
use crate::selection::Selection;
use crate::table::key::{Cell, cell};
use crate::table::layout::Of;
use crate::table::slots::Picks;

impl Accumulators {
    /// Takes in the picked packets of a batch, whose rows are known.
    pub fn update(&mut self, batch: &Batch, picks: &Picks) {
        let done = if batch.is_unweighted() { self.update_totals(batch, picks) } else { None };
        for at in 0..self.places.len() {
            if done.is_none_or(|(packets, bytes)| at != packets && at != bytes) {
                self.update_column(self.places[at], batch, picks);
            }
        }
    }

    /// Adds the picked packets to the only row, in columns that are sums over the batch. Answers
    /// whether other columns are left.
    pub fn update_sums(&mut self, batch: &Batch, picked: &Selection) -> bool {
        let mut left = false;
        for place in &self.places {
            let sum = match place.op {
                Op::Packets => batch.packets().sum(picked),
                Op::Bytes => batch.bytes().sum(picked),
                _ => {
                    left = true;
                    continue;
                }
            };
            add(&mut self.words, place.at, sum);
        }
        left
    }

    /// Takes in the columns that [`Accumulators::update_sums`] left.
    pub fn update_others(&mut self, batch: &Batch, picks: &Picks) {
        for at in 0..self.places.len() {
            if !matches!(self.places[at].op, Op::Packets | Op::Bytes) {
                self.update_column(self.places[at], batch, picks);
            }
        }
    }

    /// Counts unweighted packets and bytes in one loop, where there are both; says which columns.
    fn update_totals(&mut self, batch: &Batch, picks: &Picks) -> Option<(usize, usize)> {
        let packets = self.places.iter().position(|p| p.op == Op::Packets)?;
        let bytes = self.places.iter().position(|p| p.op == Op::Bytes)?;
        let places = (self.places[packets].at, self.places[bytes].at);
        match self.stride {
            2 => totals::<2>(&mut self.words, places, batch, picks),
            3 => totals::<3>(&mut self.words, places, batch, picks),
            4 => totals::<4>(&mut self.words, places, batch, picks),
            _ => return None,
        }
        Some((packets, bytes))
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
            Op::Packets => picks.each(|row, i| add(words, row * stride + at, packets(i))),
            Op::Bytes if !weighted => picks.each_packet(batch.all(), |row, packet, _| {
                add(words, row * stride + at, u64::from(packet.wire_len));
            }),
            Op::Bytes => {
                picks.each(|row, i| add(words, row * stride + at, batch.weight(i).bytes));
            }
            Op::Sum if !weighted => numbers(batch, field, picks, |row, _, value| {
                add(words, row * stride + at, value);
            }),
            Op::Sum => numbers(batch, field, picks, |row, i, value| {
                add(words, row * stride + at, batch.sum_of(i, field, value).bytes);
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
                numbers(batch, field, picks, |row, i, value| {
                    let ts = batch.all()[i].ts;
                    let weight = match weighted {
                        true => batch.sum_of(i, field, value),
                        false => weight_of(value, 1),
                    };
                    take(op, &mut words[row * stride + at..], value, Given { ts, weight });
                });
            }
            _ => self.update_sketches(place, batch, picks),
        }
    }
}

/// Adds packets and bytes to rows of `S` words, of which a row's are checked at once.
fn totals<const S: usize>(
    words: &mut [u64],
    (packets, bytes): (usize, usize),
    batch: &Batch,
    picks: &Picks,
) {
    let (rows, _) = words.as_chunks_mut::<S>();
    let (packets, bytes) = (packets.min(S - 1), bytes.min(S - 1));
    picks.each_packet(batch.all(), |row, packet, _| {
        let row = &mut rows[row];
        row[packets] = row[packets].saturating_add(1);
        row[bytes] = row[bytes].saturating_add(u64::from(packet.wire_len));
    });
}

#[inline]
fn add(words: &mut [u64], at: usize, value: u64) {
    let word = &mut words[at];
    *word = word.saturating_add(value);
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
                (Values::Addr(_) | Values::CommunityId(_), _) => {}
            },
            None => picks.each(|row, i| {
                if let Some(Cell::Number(value)) = cell(batch, field, i) {
                    visit(row, i, value);
                }
            }),
        },
    }
}
