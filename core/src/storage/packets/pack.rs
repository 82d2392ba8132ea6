//! Compressed segments: a zstd frame for each slab, so that one can be read without the others.
//!
//! `zstd -d` makes the plain segment of it again. At its end stands the table of
//! frames of the seekable format that zstd's authors describe, for tools that
//! know it; our own index says where frames lie, and what is in them.

use std::fs::File;
use std::io::{self, BufWriter};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::change;
use super::index::{Growing, Indexer, SLAB_BYTES_MAX};
use super::segments::{Segment, Slabs, closed_name};

/// How hard zstd tries: packets of a busy link must not come faster.
const LEVEL: i32 = 3;

/// Begins a frame that readers pass over.
const SKIPPABLE: u32 = 0x184d_2a5e;
/// Ends a table of frames.
const SEEKABLE: u32 = 0x8f92_eab1;

/// Compresses a closed segment as long as `goes_on`, and returns what stands in its place; none if
/// it was told to stop. The plain one is still there, with its index.
pub(super) fn pack(
    segment: &Segment,
    goes_on: &mut dyn FnMut() -> bool,
) -> io::Result<Option<Segment>> {
    let Some(span) = segment.span else { return Ok(None) };
    let number = segment.number;
    let name = closed_name(number, span, true);
    let mut packed =
        Segment { path: segment.path.with_file_name(name), packed: true, ..segment.clone() };
    let half = segment.path.with_file_name(format!("{number:08}.zst.tmp"));
    let done = frames(segment, &mut packed, &half, goes_on);
    match done {
        Ok(true) => change::rename(&half, &packed.path).map(|()| Some(packed)),
        other => {
            for left in [&half, &packed.index()] {
                change::remove(left)?;
            }
            other.map(|_| None)
        }
    }
}

/// Writes the frames of a segment to `half` and their index; false if told to stop.
fn frames(
    segment: &Segment,
    packed: &mut Segment,
    half: &Path,
    goes_on: &mut dyn FnMut() -> bool,
) -> io::Result<bool> {
    let mut slabs = Slabs::new(File::open(&segment.path)?, 0);
    let file = change::create(half)?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let mut index = Growing::new(&packed.index(), segment.number)?;
    let mut indexer = Indexer::default();
    let mut table = Vec::new();
    let mut packer = zstd::bulk::Compressor::new(LEVEL)?;
    // For who reads a frame that the index does not tell of.
    packer.include_checksum(true)?;
    let (mut slab, mut at) = (Vec::new(), 0);
    while let Some(begin) = slabs.next(&mut slab)? {
        if !goes_on() {
            return Ok(false);
        }
        let shared = Arc::new(slab);
        let Some(mut entry) = indexer.whole(begin, &shared) else { break };
        let frame = packer.compress(&shared)?;
        entry.packed_at = at;
        entry.packed_bytes = u32::try_from(frame.len()).map_err(io::Error::other)?;
        change::write(&mut out, &frame)?;
        index.put(&entry)?;
        table.extend([entry.packed_bytes, entry.bytes]);
        at += frame.len() as u64;
        slab = Arc::into_inner(shared).unwrap_or_default();
    }
    if slabs.at() != segment.bytes {
        return Err(io::Error::other(format!(
            "damaged at byte {}, and so left as it is",
            slabs.at()
        )));
    }
    let tail = seek_table(&table);
    change::write(&mut out, &tail)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_data()?;
    index.sync()?;
    packed.bytes = at + tail.len() as u64;
    packed.index_bytes = index.bytes();
    Ok(true)
}

/// Makes the index of a compressed segment again, and returns how long it is.
pub(super) fn index_again(
    segment: &Segment,
    goes_on: &mut dyn FnMut() -> bool,
) -> io::Result<Option<u64>> {
    let damaged = || io::Error::other("its table of frames is damaged, and so it has no index");
    let file = File::open(&segment.path)?;
    let lens = read_table(&file)?.ok_or_else(damaged)?;
    let half = change::half(&segment.index());
    let mut index = Growing::new(&half, segment.number)?;
    let (mut indexer, mut unpacker) = (Indexer::default(), zstd::bulk::Decompressor::new()?);
    let (mut at, mut packed_at, mut frame) = (0, 0, Vec::new());
    for (packed_bytes, bytes) in lens {
        if !goes_on() {
            return Ok(None);
        }
        if packed_bytes.max(bytes) > 2 * SLAB_BYTES_MAX {
            return Err(damaged());
        }
        frame.resize(packed_bytes as usize, 0);
        file.read_exact_at(&mut frame, packed_at)?;
        let slab = Arc::new(unpacker.decompress(&frame, bytes as usize)?);
        let mut entry = indexer.whole(at, &slab).ok_or_else(damaged)?;
        (entry.packed_at, entry.packed_bytes) = (packed_at, packed_bytes);
        index.put(&entry)?;
        packed_at += u64::from(packed_bytes);
        at = entry.end();
    }
    index.sync()?;
    change::rename(&half, &segment.index())?;
    Ok(Some(index.bytes()))
}

/// Where the frames of slabs end; none where no table of them is there.
pub(super) fn frames_end(file: &File) -> io::Result<Option<u64>> {
    let lens = read_table(file)?;
    Ok(lens.map(|lens| lens.iter().map(|(packed, _)| u64::from(*packed)).sum()))
}

/// The lengths of all frames, compressed and plain; none where there is no table.
fn read_table(file: &File) -> io::Result<Option<Vec<(u32, u32)>>> {
    let len = file.metadata()?.len();
    let mut foot = [0; 9];
    let Some(foot_at) = len.checked_sub(9) else { return Ok(None) };
    file.read_exact_at(&mut foot, foot_at)?;
    let word = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    };
    let bytes = u64::from(word(&foot, 0)) * 8;
    let (true, Some(begin)) = (word(&foot, 5) == SEEKABLE, foot_at.checked_sub(bytes)) else {
        return Ok(None);
    };
    let mut table = vec![0; bytes as usize];
    file.read_exact_at(&mut table, begin)?;
    Ok(Some(table.chunks_exact(8).map(|pair| (word(pair, 0), word(pair, 4))).collect()))
}

/// The table of frames: of each its length, compressed and plain.
fn seek_table(lens: &[u32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(lens.len() * 4 + 17);
    out.extend(SKIPPABLE.to_le_bytes());
    out.extend((lens.len() as u32 * 4 + 9).to_le_bytes());
    lens.iter().for_each(|len| out.extend(len.to_le_bytes()));
    out.extend((lens.len() as u32 / 2).to_le_bytes());
    // No checksums here: frames have their own.
    out.push(0);
    out.extend(SEEKABLE.to_le_bytes());
    out
}
