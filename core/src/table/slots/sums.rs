//! Summing: packets and bytes by a number that leads to the row, in one loop.
//!
//! Most tables count nothing else, by an address, a flow, a port or a protocol. For them a packet's
//! row is found and added to at once; all others find the rows of a batch first.

use super::{REFUSED, Sparse, UNSEEN, Way};
use crate::batch::columns::Values;
use crate::batch::{Batch, Present};
use crate::packet::Packet;
use crate::selection::{Ones, Selection};
use crate::table::accumulate::Sums;
use crate::table::rows::Rows;

/// Makes the row of a number that is met for the first time.
type First = fn(u32, &mut Sparse, &Batch, usize, &mut Rows) -> u32;

impl super::Finder {
    /// Counts the picked packets where one loop can; answers whether that is so.
    pub fn sum(&mut self, batch: &Batch, picked: &Selection, rows: &mut Rows) -> bool {
        let sums = rows.values.sums.filter(|_| batch.is_unweighted() && rows.seen.is_none());
        let Some(sums) = sums else { return false };
        self.renumber(batch, rows);
        let mut kept = None;
        let (numbers, known, first): (&[u32], _, First) = match &mut self.way {
            Way::Id { id, rows: known } => (batch.ids(*id), known, super::first_by_id),
            Way::Direct { field, or_zero, rows: known } => {
                let Some(column) = batch.column(*field) else { return false };
                let Values::U32(values) = &column.values else { return false };
                if let (Present::Some(these), false) = (&column.present, *or_zero) {
                    kept.insert(picked.clone()).and(these);
                }
                (values, known, super::first_by_number)
            }
            _ => return false,
        };
        if numbers.len() != batch.len() || picked.len() != batch.len() {
            return false;
        }
        let mut walk = Walk { batch, numbers, known, first, rows };
        let picked = kept.as_ref().unwrap_or(picked);
        let len = |packet: &Packet| u64::from(packet.wire_len);
        match sums {
            Sums::Packets => walk.all(picked, |[packets], _| add(packets, 1)),
            Sums::Bytes => walk.all(picked, |[bytes], packet| add(bytes, len(packet))),
            Sums::PacketsBytes => walk.all(picked, |[packets, bytes], packet| {
                add(packets, 1);
                add(bytes, len(packet));
            }),
            Sums::BytesPackets => walk.all(picked, |[bytes, packets], packet| {
                add(bytes, len(packet));
                add(packets, 1);
            }),
        }
        rows.fill_new(batch);
        true
    }
}

#[inline]
fn add(word: &mut u64, value: u64) {
    *word = word.saturating_add(value);
}

/// What leads from the packets of a batch to their rows.
struct Walk<'a> {
    batch: &'a Batch,
    /// By packet, what the row is known by.
    numbers: &'a [u32],
    known: &'a mut Sparse,
    first: First,
    rows: &'a mut Rows,
}

impl Walk<'_> {
    /// Adds every picked packet to its row of `S` words.
    fn all<const S: usize>(
        &mut self,
        picked: &Selection,
        take: impl Fn(&mut [u64; S], &Packet) + Copy,
    ) {
        let (numbers, packets) = (self.numbers, self.batch.all());
        if picked.is_all() {
            return self.each(numbers.iter().zip(packets).enumerate(), take);
        }
        for (w, word) in picked.used().iter().enumerate() {
            let base = w * 64;
            if *word == u64::MAX {
                let places = base..base + 64;
                self.each(places.map(|at| (at, (&numbers[at], &packets[at]))), take);
            } else {
                let places = Ones { word: *word, base };
                self.each(places.map(|at| (at, (&numbers[at], &packets[at]))), take);
            }
        }
    }

    /// As [`Walk::all`], for packets given as place, number and packet.
    #[inline]
    fn each<'p, const S: usize>(
        &mut self,
        mut places: impl Iterator<Item = (usize, (&'p u32, &'p Packet))>,
        take: impl Fn(&mut [u64; S], &Packet) + Copy,
    ) {
        loop {
            // Where nothing is new no vector grows, so these stay where they are.
            let (words, _) = self.rows.values.words.as_chunks_mut::<S>();
            let known = self.known.rows.as_slice();
            let new = places.find(|(_, (number, packet))| {
                // What is not seen, or refused, is behind the last row.
                let row = known.get(**number as usize).copied().unwrap_or(UNSEEN);
                let row = words.get_mut(row as usize);
                let is_new = row.is_none();
                row.into_iter().for_each(|row| take(row, packet));
                is_new
            });
            let Some((at, (number, packet))) = new else { return };
            let row = self.row(*number, at);
            let (words, _) = self.rows.values.words.as_chunks_mut::<S>();
            words.get_mut(row as usize).into_iter().for_each(|row| take(row, packet));
        }
    }

    /// The row of a packet whose number leads to none yet.
    #[cold]
    fn row(&mut self, number: u32, at: usize) -> u32 {
        if self.known.get(number) == REFUSED {
            return REFUSED;
        }
        let row = (self.first)(number, self.known, self.batch, at, self.rows);
        self.rows.values.reach(self.rows.len());
        row
    }
}
