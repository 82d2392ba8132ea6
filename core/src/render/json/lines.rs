//! Lines of numbers and addresses alone, as most modules give them.
//!
//! Where a value is put depends on the lengths of all before it. Here that place is a local
//! variable: through the length of a vector, in memory, each value would wait for the last one.

use std::io::{self, Write};

use super::Objects;
use crate::addr::Addr;
use crate::record::{Cells, Data, Records};
use crate::render::BUFFER_BYTES;
use crate::render::digits::{ADDR_BYTES, put_addr_at, put_at, short};
use crate::time::Ts;

/// What the longest head takes: `{"ts":"2024-01-01T00:00:00.123456789Z"`.
const HEAD_BYTES: usize = 48;
/// What the longest value takes, an address in quotes.
const VALUE_BYTES: usize = ADDR_BYTES + 2;

/// Text in blocks, of which the last is filled up.
#[derive(Default)]
pub(super) struct Padded {
    blocks: Vec<[u8; 16]>,
    len: usize,
}

impl Padded {
    pub(super) fn of(mut text: Vec<u8>) -> Self {
        let len = text.len();
        text.resize(len.next_multiple_of(16), b' ');
        Self { blocks: text.as_chunks().0.to_vec(), len }
    }

    #[inline]
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let end = out.len() + self.len;
        for block in &self.blocks {
            out.extend_from_slice(block);
        }
        out.truncate(end);
    }

    /// Puts it into `line` from byte `at` on, and gives the place behind it.
    #[inline]
    fn put_at(&self, line: &mut [u8], at: usize) -> usize {
        for (nth, block) in self.blocks.iter().enumerate() {
            put_at(line, at + 16 * nth, block);
        }
        at + self.len
    }

    /// How many bytes it stores.
    fn bytes(&self) -> usize {
        16 * self.blocks.len()
    }
}

/// A column that has a number or an address in every row.
pub(super) enum Plain<'a> {
    Uint(&'a [u64]),
    Addr(&'a [Addr]),
}

/// The columns of records that have no others.
pub(super) fn plain(records: &Records) -> Option<Vec<Plain<'_>>> {
    records.cells.iter().map(|cells| column(cells, records.rows())).collect()
}

fn column(cells: &Cells, rows: usize) -> Option<Plain<'_>> {
    if !cells.absent.is_empty() || cells.data.len() != rows {
        return None;
    }
    match &cells.data {
        Data::Uint(v) => Some(Plain::Uint(v)),
        Data::Addr(v) => Some(Plain::Addr(v)),
        _ => None,
    }
}

/// Where lines are put together.
#[derive(Default)]
pub(super) struct Lines {
    room: Vec<u8>,
}

impl Lines {
    /// Writes a line for each of `starts`.
    pub(super) fn put(
        &mut self,
        objects: &mut Objects,
        starts: &[Ts],
        columns: &[Plain<'_>],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let line_bytes = objects.keys.iter().map(|key| key.bytes() + VALUE_BYTES).sum::<usize>();
        let line_bytes = HEAD_BYTES + line_bytes + 2;
        self.room.resize(self.room.len().max(BUFFER_BYTES + line_bytes), 0);
        let mut at = 0;
        for (row, start) in starts.iter().enumerate() {
            objects.learn_head(*start);
            if let Some(line) = self.room.get_mut(at..at + line_bytes) {
                at += line_of(objects, columns, row, line);
            }
            if at > BUFFER_BYTES {
                out.write_all(&self.room[..at])?;
                at = 0;
            }
        }
        out.write_all(&self.room[..at])
    }
}

/// Puts a row into `line`, and gives its length.
fn line_of(objects: &Objects, columns: &[Plain<'_>], row: usize, line: &mut [u8]) -> usize {
    let mut at = objects.head.put_at(line, 0);
    for (key, column) in objects.keys.iter().zip(columns) {
        at = key.put_at(line, at);
        at = match column {
            Plain::Uint(v) => put_uint_at(line, at, v[row]),
            Plain::Addr(v) => {
                put_at(line, at, b"\"");
                let end = put_addr_at(line, at + 1, v[row]);
                put_at(line, end, b"\"");
                end + 1
            }
        };
    }
    put_at(line, at, b"}\n");
    at + 2
}

#[inline]
fn put_uint_at(line: &mut [u8], at: usize, value: u64) -> usize {
    if let Some((text, len)) = short(value) {
        put_at(line, at, &text);
        return at + len;
    }
    let mut text = itoa::Buffer::new();
    let text = text.format(value).as_bytes();
    if let Some(room) = line.get_mut(at..at + text.len()) {
        room.copy_from_slice(text);
    }
    at + text.len()
}
