//! What a source tells of packets beside their bytes: who reported them, and through which
//! interfaces they went there.
//!
//! It belongs to the region that packets lie in, so that those of which nothing is told cost
//! nothing, and a copy of the bytes for somebody else says nothing of it.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Chunk, Region};
use crate::addr::Addr;
use crate::field::Field;
use crate::hash::TableHash;

/// Bytes that packets lie in.
pub trait Bytes: AsRef<[u8]> + Send + Sync {
    /// Where all the packets that lie in them come from, if that is told.
    fn origin(&self) -> Option<Origin> {
        None
    }
}

impl Bytes for Vec<u8> {}

/// Who reported a packet, and through which of its interfaces the packet went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Where the export packets come from.
    pub exporter: Addr,
    /// The number of the interface it came in by.
    pub input: Option<u32>,
    /// The number of the interface it went out by.
    pub output: Option<u32>,
}

impl Origin {
    /// The interface that a field tells of.
    pub(crate) fn interface(self, field: Field) -> Option<u32> {
        match field {
            Field::ExporterInput => self.input,
            Field::ExporterOutput => self.output,
            _ => None,
        }
    }
}

/// Where the packets of a chunk come from: the region and the origin, and where in the chunk the
/// region stands that says both.
#[derive(Clone, Debug, Default)]
pub struct Told(HashMap<(u16, Origin), u16, TableHash>);

impl Told {
    /// Forgets them, as the regions are forgotten.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// A region all of whose packets come from one place.
struct From {
    bytes: Region,
    origin: Origin,
}

impl AsRef<[u8]> for From {
    fn as_ref(&self) -> &[u8] {
        (*self.bytes).as_ref()
    }
}

impl Bytes for From {
    fn origin(&self) -> Option<Origin> {
        Some(self.origin)
    }
}

/// The same bytes, of packets that come from one place.
pub fn region_from(origin: Origin, bytes: &Region) -> Region {
    Arc::new(From { bytes: bytes.clone(), origin })
}

impl Chunk {
    /// Tells where packet `at` comes from, whose region is in the chunk.
    pub fn tell(&mut self, at: usize, origin: Origin) {
        let Self { packets, regions, told, .. } = self;
        let Some(packet) = packets.get_mut(at) else { return };
        let Some(bytes) = regions.get(usize::from(packet.region)).cloned() else { return };
        packet.region = *told.0.entry((packet.region, origin)).or_insert_with(|| {
            regions.push(region_from(origin, &bytes));
            // A chunk has at most as many regions as packets, and as many again with origins.
            (regions.len() - 1) as u16
        });
    }
}
