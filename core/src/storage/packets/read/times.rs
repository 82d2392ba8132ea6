//! From when until when a segment has packets.
//!
//! The name of a closed one says it. Of one that grows, or was left so by a
//! crash, its index does, and what that does not cover yet is read through.

use std::io::{self, Seek, SeekFrom};

use crate::storage::packets::index::Index;
use crate::storage::packets::segments::{self, Segment, Slabs};
use crate::storage::pcapng::{self, Block};
use crate::time::Ts;

/// The earliest packet of a segment and the latest, as far as they can be read; none where it has
/// none.
pub(in crate::storage::packets) fn times(segment: &Segment) -> io::Result<Option<(Ts, Ts)>> {
    if segment.span.is_some() {
        return Ok(segment.span);
    }
    let index = Index::read(&segment.index(), segment.number)?;
    let Some((segment, mut file)) = segments::open(segment.clone())? else {
        return Ok(index.span());
    };
    // It was closed meanwhile.
    if segment.span.is_some() {
        return Ok(segment.span);
    }
    file.seek(SeekFrom::Start(index.covers()))?;
    let (mut all, mut slab) = (index.span(), Vec::new());
    let mut slabs = Slabs::new(file, index.covers());
    while slabs.next(&mut slab)?.is_some() {
        let mut rest = &slab[..];
        while let Some((block, behind)) = pcapng::split(rest) {
            if let Block::Packet { ts, .. } = block {
                all = Some(all.map_or((ts, ts), |(first, last)| (first.min(ts), last.max(ts))));
            }
            rest = behind;
        }
    }
    Ok(all)
}
