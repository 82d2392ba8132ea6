//! Verification of a window: every slab against its checksum, every segment to its end.

use std::io;
use std::path::Path;

use super::{Behind, Buffers, Found, Open, holes, segments, sound};
use crate::storage::packets::index::Entry;
use crate::storage::packets::segments::Segment;
use crate::storage::verify::{Checked, Fault};

/// Reads all segments in a directory through, with their indexes. What a crash left behind the last
/// whole packet of a segment that grew is no damage: the next run cuts it off.
pub fn verify(dir: &Path, found: &mut dyn FnMut(Fault)) -> io::Result<Checked> {
    let stream = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut checked = Checked::default();
    let all = segments::list(dir)?;
    for hole in holes(dir, &all)? {
        found(Fault {
            stream: stream.clone(),
            place: hole.to_string(),
            from: hole.lost.first,
            to: hole.lost.last,
            why: match hole.is_told {
                true => "the disk took nothing of it: its packets were told as lost".to_owned(),
                false => "it was removed, or the disk lost it".to_owned(),
            },
            is_told: hole.is_told,
        });
    }
    let mut buffers = Buffers::default();
    for segment in all {
        let mut report = Report { stream: &stream, segment: &segment, found: &mut *found };
        match Open::new(segment.clone(), false, &mut buffers) {
            Ok(Some(open)) => {
                checked.segments += 1;
                checked.slabs += read_through(open, report);
            }
            // It went meanwhile.
            Ok(None) => {}
            Err(error) => report.tell("", None, &error.to_string()),
        }
    }
    Ok(checked)
}

/// Where faults of a segment go.
struct Report<'a> {
    stream: &'a str,
    segment: &'a Segment,
    found: &'a mut dyn FnMut(Fault),
}

impl Report<'_> {
    /// Names a fault: of a part of the segment, or of all of it.
    fn tell(&mut self, part: &str, entry: Option<&Entry>, why: &str) {
        let name = self.segment.path.file_name().unwrap_or_default().to_string_lossy();
        let place = if part.is_empty() { name.into_owned() } else { format!("{name}, {part}") };
        let entry = entry.filter(|entry| entry.packets > 0);
        let span = entry.map(|entry| (entry.first, entry.last)).or(self.segment.span);
        (self.found)(Fault {
            stream: self.stream.to_owned(),
            place,
            from: span.map(|(first, _)| first),
            to: span.map(|(_, last)| last),
            why: why.to_owned(),
            is_told: false,
        });
    }
}

/// What becomes of an index that lacks something.
const MADE_AGAIN: &str = "what it lacks is read from the segment, and a run that does not find it \
                          makes it again";

/// Reads a segment through, and returns how many of its slabs are whole.
fn read_through(mut open: Open, mut report: Report<'_>) -> u64 {
    let is_closed = open.segment.span.is_some();
    if open.torn && (is_closed || open.is_damaged) {
        let part = format!("index behind entry {}", open.entries.len());
        report.tell(&part, None, &format!("the index is damaged: {MADE_AGAIN}"));
    }
    // Where the index ends, if it is there and nothing says that it is damaged.
    let ends = Some(open.entries.len()).filter(|entries| *entries > 0 && !open.torn && is_closed);
    let mut buffers = Buffers::default();
    let (whole, is_short) = read_index(&mut open, &mut report, &mut buffers);
    whole + read_behind(&mut open, &mut report, &mut buffers, ends.filter(|_| !is_short))
}

/// Reads the slabs that the index tells of; how many are whole, and whether the segment ends before
/// them.
fn read_index(open: &mut Open, report: &mut Report<'_>, buffers: &mut Buffers) -> (u64, bool) {
    let (mut number, mut whole, mut is_short) = (0u64, 0, false);
    while let Some(entry) = open.entries.pop_front() {
        number += 1;
        let part = format!("slab {number} at byte {}", entry.at);
        match open.slab(&entry, |_| true, buffers) {
            Ok(Found::Slab(slab)) if sound(&slab, Some(entry.crc)) => whole += 1,
            Ok(Found::Slab(_) | Found::Damaged) => {
                report.tell(&part, Some(&entry), "its checksum is wrong")
            }
            Ok(Found::Short) => {
                if open.segment.span.is_some() {
                    report.tell(&part, Some(&entry), "the segment ends before its end");
                }
                is_short = true;
                open.cut(entry.at);
            }
            Err(error) => report.tell(&part, Some(&entry), &error.to_string()),
        }
    }
    (whole, is_short)
}

/// Reads what lies behind the index, which should be nothing where it `ends`; how many slabs of it
/// are whole.
fn read_behind(
    open: &mut Open,
    report: &mut Report<'_>,
    buffers: &mut Buffers,
    mut ends: Option<usize>,
) -> u64 {
    let mut whole = 0;
    loop {
        match open.read_on(buffers) {
            Ok(Behind::Slab(..)) => {
                whole += 1;
                if let Some(entries) = ends.take() {
                    let why = format!("it ends before the segment does: {MADE_AGAIN}");
                    report.tell(&format!("index behind entry {entries}"), None, &why);
                }
                continue;
            }
            Ok(Behind::End(at)) => {
                let left = open.segment.bytes.saturating_sub(at);
                if open.has_more(at) {
                    let why = format!("{left} bytes behind it are no whole packet");
                    report.tell(&format!("byte {at}"), None, &why);
                } else if open.lacks_last() {
                    let why = "the segment ends before its last packet";
                    report.tell(&format!("byte {at}"), None, why);
                }
            }
            Ok(Behind::Damaged(at)) => {
                let why = "what follows is no capture, or its frame is damaged";
                report.tell(&format!("byte {at}"), None, why);
            }
            Err(error) => report.tell("", None, &error.to_string()),
        }
        return whole;
    }
}
