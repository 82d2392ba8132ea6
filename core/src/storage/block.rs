//! Blocks: the bytes in which records rest and travel.
//!
//! A block is a header, the columns of some rows, and a checksum over both.
//! The same bytes lie in the store, in a file and on the wire; docs/storage.md
//! has them to the byte. Whatever is decoded, the answer is a block or an
//! error, never a panic, and never more than [`DECODED_BYTES_MAX`] of memory.

mod change;
mod column;

use std::ops::Range;
use std::sync::Arc;

use super::Window;
use crate::record::{Cells, Output, Records, Schema};
use crate::time::{Span, Ts};
use crate::wire::{Malformed, Reader, put_varint};
pub use change::{behind, renamed, whole_bytes};

/// A block is closed before its columns, as they are before compression, pass this.
pub const PAYLOAD_BYTES: usize = 64 << 10;

/// No payload is longer, not even that of a block with a single row.
pub const PAYLOAD_BYTES_MAX: usize = 4 << 20;

/// The most values a block may hold, absent ones and times included.
pub const VALUES_MAX: usize = 128 << 10;

/// What decoding one block takes at most: payload, texts and bytes spelled out, values.
pub const DECODED_BYTES_MAX: usize = 2 * PAYLOAD_BYTES_MAX + 128 * VALUES_MAX;

const MAGIC: [u8; 4] = *b"CoMB";
const VERSION: u8 = 1;
const FLAG_CUT: u8 = 1;
const FLAG_GAP: u8 = 2;
const FIXED_BYTES: usize = 72;
const CHECKSUM_BYTES: usize = 4;
const LEVEL: i32 = 1;

/// Who made a stream of blocks, and during which run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The monitor.
    pub node: String,
    /// The instance whose records they are.
    pub stream: String,
    /// Which run of the monitor: differs from one start to the next.
    pub boot: u64,
}

/// What a block says of itself before its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Who made it.
    pub origin: Origin,
    /// Its place in the stream: grows by one from block to block, over restarts too.
    pub seq: u64,
    /// The schema of its rows, by hash; 0 for a gap.
    pub schema: u64,
    /// The start of the first row; of a gap, the first instant not covered.
    pub first: Ts,
    /// The start of the last row; of a gap, the first instant covered again.
    pub last: Ts,
    /// How many rows; 0 for a gap alone.
    pub rows: u32,
    /// How long the interval of every row is.
    pub len: Span,
    /// Whether export kept only some of the rows.
    pub cut: bool,
    /// Whether it tells of a span that no source covered.
    pub gap: bool,
}

impl Header {
    /// The first instant that is not covered by its rows, or by the gap.
    pub fn end(&self) -> Ts {
        if self.gap { self.last } else { self.last + Span(self.len.0.max(1)) }
    }

    /// The time with its rows added of which only some rows were kept.
    pub fn around_cuts(&self, known: Window) -> Window {
        match self.cut {
            true => known.around(Window { from: self.first, to: self.end() }),
            false => known,
        }
    }

    /// Whether a scan of `[from, to)` may find something in it.
    pub fn touches(&self, from: Ts, to: Ts) -> bool {
        let reaches = if self.gap { self.last > from } else { self.last >= from };
        reaches && self.first < to && from < to
    }
}

/// A block ready to be put: its header, and all its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// What it says of itself.
    pub header: Header,
    /// The whole block, header included.
    pub bytes: Vec<u8>,
}

/// A decoded block. Names of the columns are the schema's, which is kept beside the blocks.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// What it says of itself.
    pub header: Header,
    /// The start of each row, in time order.
    pub starts: Vec<Ts>,
    /// The columns, each as long as `starts`.
    pub cells: Vec<Cells>,
}

/// Why bytes are no block, or rows cannot be made into one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// They begin otherwise, or are too few.
    #[error("not a record block")]
    Foreign,
    /// A later version wrote it.
    #[error("a record block of version {0}, which this version cannot read")]
    Version(u8),
    /// The checksum is not that of the bytes.
    #[error("a damaged record block: its checksum is wrong")]
    Checksum,
    /// The bytes contradict themselves.
    #[error("a damaged record block: {0}")]
    Malformed(&'static str),
    /// It would take more memory than a block may.
    #[error("a record of more than {PAYLOAD_BYTES_MAX} bytes")]
    TooLarge,
    /// The schema at hand is not that of its rows.
    #[error("a record block of another schema")]
    Schema,
}

impl From<Malformed> for BlockError {
    fn from(Malformed(what): Malformed) -> Self {
        Self::Malformed(what)
    }
}

/// Makes blocks; keeps the compressor's memory from one to the next.
pub struct Encoder {
    compressor: zstd::bulk::Compressor<'static>,
    payload: Vec<u8>,
}

impl Default for Encoder {
    fn default() -> Self {
        let mut compressor = zstd::bulk::Compressor::default();
        // A level that is refused leaves the library's own, which is as good.
        let _ = compressor.set_compression_level(LEVEL);
        Self { compressor, payload: Vec::new() }
    }
}

impl Encoder {
    /// A block of the given rows of `records`, which must be in time order.
    pub fn records(
        &mut self,
        origin: &Origin,
        seq: u64,
        records: &Records,
        rows: Range<usize>,
    ) -> Result<Sealed, BlockError> {
        let header = Header {
            origin: origin.clone(),
            seq,
            schema: records.schema.hash(),
            first: Ts(0),
            last: Ts(0),
            rows: 0,
            len: records.len,
            cut: records.cut,
            gap: false,
        };
        self.rows(header, &records.starts, &records.cells, rows)
    }

    /// A block of some rows, whose header lacks what they say.
    fn rows(
        &mut self,
        header: Header,
        starts: &[Ts],
        cells: &[Cells],
        rows: Range<usize>,
    ) -> Result<Sealed, BlockError> {
        let starts = starts.get(rows.clone()).unwrap_or_default();
        let (Some(&first), Some(&last)) = (starts.first(), starts.last()) else {
            return Err(BlockError::Malformed("no rows"));
        };
        if starts.len().saturating_mul(cells.len() + 1) > VALUES_MAX {
            return Err(BlockError::TooLarge);
        }
        self.payload.clear();
        put_varint(&mut self.payload, cells.len() as u64);
        let mut before = first;
        for start in starts {
            let step = start.0.checked_sub(before.0).ok_or(BlockError::Malformed("row order"))?;
            put_varint(&mut self.payload, step);
            before = *start;
        }
        for cells in cells {
            column::encode(cells, rows.clone(), &mut self.payload)?;
        }
        self.seal(Header { first, last, rows: starts.len() as u32, ..header })
    }

    /// A block that says that no source covered `[from, to)`.
    pub fn gap(
        &mut self,
        origin: &Origin,
        seq: u64,
        from: Ts,
        to: Ts,
    ) -> Result<Sealed, BlockError> {
        self.payload.clear();
        let header = Header {
            origin: origin.clone(),
            seq,
            schema: 0,
            first: from,
            last: to.max(from),
            rows: 0,
            len: Span(0),
            cut: false,
            gap: true,
        };
        self.seal(header)
    }

    fn seal(&mut self, header: Header) -> Result<Sealed, BlockError> {
        if self.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(BlockError::TooLarge);
        }
        // Small payloads are not worth a frame; what does not shrink stays as it is.
        let packed = match self.payload.len() {
            0..64 => None,
            _ => self.compressor.compress(&self.payload).ok(),
        };
        let packed = packed.filter(|packed| packed.len() < self.payload.len());
        let stored = packed.as_deref().unwrap_or(&self.payload);
        let (node, stream) = (short(&header.origin.node), short(&header.origin.stream));
        let mut bytes = Vec::with_capacity(FIXED_BYTES + 512 + stored.len());
        bytes.extend(MAGIC);
        let flags = u8::from(header.cut) * FLAG_CUT + u8::from(header.gap) * FLAG_GAP;
        bytes.extend([VERSION, flags, u8::from(packed.is_some())]);
        bytes.extend([node.len() as u8, stream.len() as u8, 0, 0, 0]);
        bytes.extend(header.rows.to_le_bytes());
        for number in [header.schema, header.origin.boot, header.seq] {
            bytes.extend(number.to_le_bytes());
        }
        for number in [header.first.0, header.last.0, header.len.0] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend((self.payload.len() as u32).to_le_bytes());
        bytes.extend((stored.len() as u32).to_le_bytes());
        bytes.extend(node.as_bytes());
        bytes.extend(stream.as_bytes());
        bytes.extend(stored);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        Ok(Sealed { header, bytes })
    }
}

/// The first 255 bytes of a name, cut between characters.
fn short(name: &str) -> &str {
    &name[..name.floor_char_boundary(usize::from(u8::MAX))]
}

/// About how many bytes of payload each row of `records` takes, one at least for each value.
pub fn costs(records: &Records) -> Vec<usize> {
    let mut costs = vec![2; records.rows()];
    for cells in &records.cells {
        column::measure(cells, &mut costs);
    }
    costs
}

/// Reads the header alone, without looking at the checksum.
pub fn peek(bytes: &[u8]) -> Result<Header, BlockError> {
    Frame::read(bytes).map(|frame| frame.header)
}

/// Reads a block.
pub fn decode(bytes: &[u8]) -> Result<Block, BlockError> {
    let frame = Frame::read(bytes)?;
    let (body, sum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
    if crc32fast::hash(body).to_le_bytes() != sum {
        return Err(BlockError::Checksum);
    }
    let unpacked;
    let payload = if frame.packed {
        unpacked = zstd::bulk::decompress(frame.stored, frame.payload_bytes)
            .map_err(|_| BlockError::Malformed("its columns do not decompress"))?;
        &unpacked[..]
    } else {
        frame.stored
    };
    if payload.len() != frame.payload_bytes {
        return Err(BlockError::Malformed("its columns have another length"));
    }
    let (starts, cells) = columns(&frame.header, payload)?;
    Ok(Block { header: frame.header, starts, cells })
}

fn columns(header: &Header, payload: &[u8]) -> Result<(Vec<Ts>, Vec<Cells>), BlockError> {
    let rows = header.rows as usize;
    if header.gap {
        let empty = rows == 0 && payload.is_empty() && header.first <= header.last;
        return if empty { Ok(Default::default()) } else { Err(BlockError::Malformed("gap")) };
    }
    let mut reader = Reader::new(payload);
    let n_columns = usize::try_from(reader.varint()?).map_err(|_| BlockError::TooLarge)?;
    if n_columns.saturating_add(1).saturating_mul(rows) > VALUES_MAX {
        return Err(BlockError::TooLarge);
    }
    let mut starts = Vec::with_capacity(rows);
    let mut ts = header.first.0;
    for _ in 0..rows {
        ts = ts.checked_add(reader.varint()?).ok_or(BlockError::Malformed("row times"))?;
        starts.push(Ts(ts));
    }
    if (starts.first(), starts.last()) != (Some(&header.first), Some(&header.last)) {
        return Err(BlockError::Malformed("row times"));
    }
    // A column takes at least two bytes, so this cannot run past the payload.
    let mut cells = Vec::with_capacity(n_columns.min(payload.len()));
    let mut text_bytes = PAYLOAD_BYTES_MAX;
    for _ in 0..n_columns {
        cells.push(column::decode(&mut reader, rows, &mut text_bytes)?);
    }
    if reader.is_empty() { Ok((starts, cells)) } else { Err(BlockError::Malformed("rest")) }
}

impl Block {
    /// The rows under their schema, or the gap.
    pub fn into_output(self, schema: &Arc<Schema>) -> Result<Output, BlockError> {
        let header = self.header;
        if header.gap {
            return Ok(Output::Gap { from: header.first, to: header.last });
        }
        let types = schema.columns.iter().map(|c| c.ty);
        if schema.hash() != header.schema || !types.eq(self.cells.iter().map(|c| c.data.ty())) {
            return Err(BlockError::Schema);
        }
        Ok(Output::Records(Records {
            schema: schema.clone(),
            starts: self.starts,
            len: header.len,
            cells: self.cells,
            cut: header.cut,
        }))
    }
}

/// The parts of a block's bytes, lengths checked against each other.
struct Frame<'a> {
    header: Header,
    packed: bool,
    payload_bytes: usize,
    stored: &'a [u8],
}

impl<'a> Frame<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, BlockError> {
        let mut reader = Reader::new(bytes);
        if reader.array::<4>().ok() != Some(MAGIC) {
            return Err(BlockError::Foreign);
        }
        let [version, flags, codec, node, stream, ..] = reader.array::<8>()?;
        if version != VERSION {
            return Err(BlockError::Version(version));
        }
        if flags & !(FLAG_CUT | FLAG_GAP) != 0 || codec > 1 {
            return Err(BlockError::Malformed("unknown flags"));
        }
        let rows = reader.u32()?;
        let (schema, boot, seq) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let (first, last, len) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let (payload_bytes, stored_bytes) = (reader.u32()? as usize, reader.u32()? as usize);
        if payload_bytes > PAYLOAD_BYTES_MAX {
            return Err(BlockError::TooLarge);
        }
        let node = reader.text(usize::from(node))?;
        let stream = reader.text(usize::from(stream))?;
        let stored = reader.bytes(stored_bytes)?;
        reader.bytes(CHECKSUM_BYTES)?;
        if !reader.is_empty() {
            return Err(BlockError::Malformed("its length is wrong"));
        }
        let header = Header {
            origin: Origin { node: node.to_owned(), stream: stream.to_owned(), boot },
            seq,
            schema,
            first: Ts(first),
            last: Ts(last),
            rows,
            len: Span(len),
            cut: flags & FLAG_CUT != 0,
            gap: flags & FLAG_GAP != 0,
        };
        Ok(Self { header, packed: codec == 1, payload_bytes, stored })
    }
}

#[cfg(test)]
mod tests;
