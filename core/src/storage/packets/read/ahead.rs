//! What is told of a window before it is read: its times, how much there is, what was done to it.

use std::io;
use std::path::Path;

use super::{Reading, cost, times};
use crate::filter::clues::Needs;
use crate::storage::Window;
use crate::storage::packets::index::Index;
use crate::storage::packets::segments::{self, Segment};
use crate::storage::pcapng;
use crate::time::Ts;

/// How many segments' indexes are looked into to tell how much there is to read; fewer where all
/// is read that is of the time.
const LOOKED_INTO: usize = 16;
const LOOKED_INTO_ALL: usize = 4;

/// About how much there is to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Bytes of segments.
    pub bytes: u64,
    /// Packets in what is read.
    pub packets: u64,
}

/// The times of the packets kept in a directory: the earliest, and the latest.
pub fn covered(dir: &Path) -> io::Result<Option<(Ts, Ts)>> {
    let mut spans = Vec::new();
    for segment in segments::list(dir)? {
        spans.extend(times(&segment)?);
    }
    let first = spans.iter().map(|(first, _)| *first).min();
    Ok(first.zip(spans.iter().map(|(_, last)| *last).max()))
}

impl Reading {
    /// What was done to the packets of the segments to be read, as those say, each said once.
    pub fn lineages(&self) -> Vec<String> {
        let mut said = Vec::new();
        for segment in &self.segments {
            // What cannot be read is complained of when its packets are.
            if let Ok(Some(lineage)) = lineage(segment)
                && !said.contains(&lineage)
            {
                said.push(lineage);
            }
        }
        said
    }
}

/// About how much of some segments there is to read, as the indexes of a few tell of all.
pub(in crate::storage::packets) fn expected(
    segments: &[&Segment],
    window: Window,
    needs: &Needs,
) -> Expected {
    let is_all = needs.met(&|_| false);
    let looked_into = if is_all { LOOKED_INTO_ALL } else { LOOKED_INTO };
    let step = segments.len().div_ceil(looked_into).max(1);
    let (mut seen, mut found) = (0, Expected::default());
    for segment in segments.iter().step_by(step) {
        // What cannot be read is complained of when its packets are.
        let index = Index::read(&segment.index(), segment.number).unwrap_or_default();
        for entry in index.entries.iter().filter(|entry| entry.may_hold(window, needs)) {
            found.bytes += cost(segment, entry);
            found.packets += u64::from(entry.packets);
        }
        if !segment.packed {
            found.bytes += segment.bytes.saturating_sub(index.covers());
        }
        seen += segment.bytes;
    }
    let all: u64 = segments.iter().map(|segment| segment.bytes).sum();
    let scaled = |number: u64| u128::from(number) * u128::from(all) / u128::from(seen.max(1));
    Expected { bytes: scaled(found.bytes) as u64, packets: scaled(found.packets) as u64 }
}

/// What the section that a segment begins with says was done to its packets.
fn lineage(segment: &Segment) -> io::Result<Option<String>> {
    let section = segments::first_section(segment.clone())?;
    Ok(section.and_then(|section| pcapng::comment(&section).map(str::to_owned)))
}
