//! Pieces: a block longer than a quarter of a page lies in several values.
//!
//! redb gives a value that does not fit beside others pages of its own, as many
//! as the next power of two: a block of 37 KB takes 64. In pieces of which four
//! fill a page it takes little more than its length.

use ::redb::{ReadableTable, Table, TableDefinition};

use super::{Blocks, Failure, Key};

/// Four of these, with their keys, fill a page. Tests cut small blocks too.
const PIECE_BYTES: usize = if cfg!(test) { 64 } else { 990 };

/// A block's key, and which piece after the first it is, from 1 on.
pub(super) type PieceKey = (u32, u64, u64, u32);

/// The pieces after the first, which stands where a whole block would.
pub(super) const PIECES: TableDefinition<PieceKey, &[u8]> = TableDefinition::new("pieces");

/// The table of them, open for writing.
pub(super) type Pieces<'txn> = Table<'txn, PieceKey, &'static [u8]>;

/// The keys of a block's pieces after the first.
fn rest((id, first, seq): Key) -> std::ops::RangeInclusive<PieceKey> {
    (id, first, seq, 0)..=(id, first, seq, u32::MAX)
}

/// Puts a block and returns how many bytes the one had that stood there.
pub(super) fn insert(
    blocks: &mut Blocks<'_>,
    pieces: &mut Pieces<'_>,
    key: Key,
    bytes: &[u8],
) -> Result<Option<u64>, Failure> {
    let (first, mut more) = bytes.split_at(bytes.len().min(PIECE_BYTES));
    let mut before = blocks.insert(key, first)?.map(|v| v.value().len() as u64);
    if let Some(before) = &mut before {
        *before += clear(pieces, key)?;
    }
    let (id, start, seq) = key;
    for number in 1.. {
        if more.is_empty() {
            break;
        }
        let piece;
        (piece, more) = more.split_at(more.len().min(PIECE_BYTES));
        pieces.insert((id, start, seq, number), piece)?;
    }
    Ok(before)
}

/// Removes a block and returns how many bytes it had.
pub(super) fn remove(
    blocks: &mut Blocks<'_>,
    pieces: &mut Pieces<'_>,
    key: Key,
) -> Result<u64, Failure> {
    let first = blocks.remove(key)?.map_or(0, |v| v.value().len() as u64);
    Ok(first + clear(pieces, key)?)
}

/// Removes the pieces after the first and returns how many bytes they had.
fn clear(pieces: &mut Pieces<'_>, key: Key) -> Result<u64, Failure> {
    let mut bytes = 0;
    pieces.retain_in(rest(key), |_, piece| {
        bytes += piece.len() as u64;
        false
    })?;
    Ok(bytes)
}

/// Removes all pieces of a stream.
pub(super) fn clear_stream(pieces: &mut Pieces<'_>, id: u32) -> Result<(), Failure> {
    let all = (id, 0, 0, 0)..=(id, u64::MAX, u64::MAX, u32::MAX);
    Ok(pieces.retain_in(all, |_, _| false)?)
}

/// A block as it was put, from its first piece and the others.
pub(super) fn whole(
    first: &[u8],
    pieces: &impl ReadableTable<PieceKey, &'static [u8]>,
    key: Key,
) -> Result<Vec<u8>, Failure> {
    let mut bytes = first.to_vec();
    if bytes.len() >= PIECE_BYTES {
        for piece in pieces.range(rest(key))? {
            bytes.extend(piece?.1.value());
        }
    }
    Ok(bytes)
}
