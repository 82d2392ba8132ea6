//! Segments: their names, those in a directory, and how the whole blocks in one are cut to slabs.

use std::collections::BTreeMap;
use std::fs::{self, DirEntry, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::index::Index;
use super::{SLAB_BYTES, change, ends_before, is_slab, leftovers, newest};
use crate::storage::Window;
use crate::storage::pcapng::{self, Block, Blocks};
use crate::time::Ts;

/// A file of a run of packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it is.
    pub path: PathBuf,
    /// Its place among the others: grows from one to the next.
    pub number: u64,
    /// The times of its earliest and latest packet; unknown while it grows.
    pub span: Option<(Ts, Ts)>,
    /// How long it is.
    pub bytes: u64,
    /// Whether it is compressed.
    pub packed: bool,
    /// How long its index is; 0 where there is none.
    pub index_bytes: u64,
}

impl Segment {
    /// Whether it may hold packets of a window.
    pub fn touches(&self, window: Window) -> bool {
        self.span.is_none_or(|(first, last)| first < window.to && last >= window.from)
    }

    /// Whether it is plain, and changed no more.
    pub(super) fn is_settled(&self) -> bool {
        self.span.is_some() && !self.packed
    }

    /// Whether numbers were passed over between it and a later one.
    pub(super) fn is_followed_from_afar(&self, later: &Self) -> bool {
        later.number > self.number.saturating_add(1)
    }

    /// Where its index is, which keeps its name when the segment gets another.
    pub fn index(&self) -> PathBuf {
        let [plain, packed] = INDEXES;
        let kind = if self.packed { packed } else { plain };
        self.path.with_file_name(format!("{:08}.{kind}", self.number))
    }

    /// Reads a file's name; none if it is not one of ours.
    fn named(path: &Path, bytes: u64) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let plain = name.strip_suffix(".zst");
        let stem = plain.unwrap_or(name).strip_suffix(".pcapng")?;
        let mut parts = stem.split('_').map(|part| part.parse::<u64>().ok());
        let number = parts.next()??;
        let span = match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => None,
            (Some(first), Some(last), None) => Some((Ts(first?), Ts(last?))),
            _ => return None,
        };
        let packed = plain.is_some();
        Some(Self { path: path.to_owned(), number, span, bytes, packed, index_bytes: 0 })
    }

    /// Whether it has the name of a closed one, which it gets when all of it is on disk.
    pub(super) fn is_named_closed(&self) -> bool {
        Self::named(&self.path, self.bytes).is_some_and(|named| named.span.is_some())
    }

    /// All it takes on disk.
    pub(super) fn bytes_all(&self) -> u64 {
        self.bytes.saturating_add(self.index_bytes)
    }

    /// Removes it and its index: that first, so that one that is left tells of a segment that was
    /// lost.
    pub(super) fn remove(&self) -> io::Result<()> {
        change::remove(&self.index())?;
        change::remove(&self.path)
    }

    /// Removes it while older ones stay, or where it is the newest: a mark says that it is not
    /// missing.
    pub(super) fn pass_over(&self) -> io::Result<()> {
        // Without room for it, it is taken for one that is missing.
        drop(change::create(&self.path.with_file_name(format!("{:08}.{MARK}", self.number))));
        self.remove()
    }
}

/// Says that the disk took nothing of a segment: it is missing, and that was told. In the file
/// system that costs a name and nothing more.
pub(super) fn mark_lost(dir: &Path, number: u64) -> io::Result<()> {
    change::create(&lost_mark(dir, number)).map(drop)
}

/// Where that is said.
pub(super) fn lost_mark(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:08}.{LOST}"))
}

/// How the name of a mark ends: of a segment that is not missing, and of one that never came.
const MARK: &str = "gone";
const LOST: &str = "lost";

/// How that of an index does: of a plain segment, and of a compressed one.
const INDEXES: [&str; 2] = ["index", "zst.index"];

/// Where the index of a segment lies, whichever form that has.
pub(super) fn indexes_of(dir: &Path, number: u64) -> [PathBuf; 2] {
    INDEXES.map(|kind| dir.join(format!("{number:08}.{kind}")))
}

/// What a file tells of a segment that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// It is an index: of which time the segment was.
    Index,
    /// The segment went in its time.
    Gone,
    /// The disk took nothing of it.
    Lost,
}

/// The number of the segment that an index or a mark is of; none where it is neither.
pub(super) fn left_of(path: &Path) -> Option<(u64, Sign)> {
    let (stem, kind) = path.file_name()?.to_str()?.split_once('.')?;
    let sign = match kind {
        MARK => Sign::Gone,
        LOST => Sign::Lost,
        kind => INDEXES.contains(&kind).then_some(Sign::Index)?,
    };
    let is_number = stem.len() >= 8 && stem.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Some((stem.parse().ok()?, sign)))?
}

/// The name of a closed segment.
pub(super) fn closed_name(number: u64, (first, last): (Ts, Ts), packed: bool) -> String {
    let kind = if packed { "pcapng.zst" } else { "pcapng" };
    format!("{number:08}_{}_{}.{kind}", first.0, last.0)
}

/// Removes the segments in a directory whose packets all lie before an instant, and where none is
/// given all of them and the directory. Fails where somebody writes there. Returns how many went.
pub fn remove(dir: &Path, before: Option<Ts>) -> io::Result<u64> {
    let _lock = leftovers::alone(dir)?;
    let (mut removed, mut is_first) = (0, true);
    let newest = newest::read(dir);
    for segment in list_all(dir)? {
        let span = match segment.span {
            None => Index::read(&segment.index(), segment.number)?.span(),
            span => span,
        };
        let lies_before = |before| span.is_some_and(|(_, last)| last < before);
        if before.is_none_or(lies_before) {
            if is_first && segment.number != newest {
                segment.remove()?
            } else {
                segment.pass_over()?
            }
            removed += 1;
        } else {
            is_first = false;
        }
    }
    if before.is_none() {
        change::remove(&dir.join("lock"))?;
    }
    leftovers::sweep(dir, &list_all(dir)?)?;
    if before.is_none() {
        // What others put there stays.
        let _ = fs::remove_dir(dir);
    }
    Ok(removed)
}

/// The segments in a directory, oldest first; of those there both plain and compressed, the
/// compressed.
pub(super) fn list(dir: &Path) -> io::Result<Vec<Segment>> {
    let listed = || {
        let mut segments = list_all(dir)?;
        segments.dedup_by_key(|segment| segment.number);
        Ok(segments)
    };
    let segments: Vec<Segment> = listed()?;
    let has_hole = segments.windows(2).any(|pair| pair[0].is_followed_from_afar(&pair[1]));
    let last = segments.last().map_or(0, |last| last.number);
    // One that is renamed while the directory is read may be passed over.
    if has_hole || last < newest::read(dir) { listed() } else { Ok(segments) }
}

/// How often a directory is looked at that changes meanwhile.
const LOOKS_MAX: usize = 16;

/// Every file of a segment in a directory, oldest first, compressed before plain.
pub(super) fn list_all(dir: &Path) -> io::Result<Vec<Segment>> {
    let mut looks = 0;
    loop {
        let (segments, has_changed) = look(fs::read_dir(dir)?)?;
        looks += 1;
        if !has_changed || looks == LOOKS_MAX {
            return Ok(segments);
        }
    }
}

/// The same among the files of a directory; and whether some are not there any more: gone, or under
/// another name.
fn look(files: impl Iterator<Item = io::Result<DirEntry>>) -> io::Result<(Vec<Segment>, bool)> {
    let (mut segments, mut has_changed) = (Vec::new(), false);
    let mut indexes = BTreeMap::new();
    for file in files {
        let file = file?;
        let Ok(metadata) = file.metadata() else {
            has_changed = true;
            continue;
        };
        if !metadata.is_file() {
            continue;
        }
        let path = file.path();
        match path.extension().is_some_and(|kind| kind == "index") {
            true => drop(indexes.insert(path, metadata.len())),
            false => segments.extend(Segment::named(&path, metadata.len())),
        }
    }
    for segment in &mut segments {
        segment.index_bytes = indexes.get(&segment.index()).copied().unwrap_or(0);
    }
    segments.sort_by_key(|segment| (segment.number, !segment.packed));
    Ok((segments, has_changed))
}

/// Opens a segment, also if it was closed or compressed, and so renamed, after it was listed; none
/// if it is gone, as the oldest may while we read.
pub(super) fn open(segment: Segment) -> io::Result<Option<(Segment, File)>> {
    let opened = |segment: Segment| match File::open(&segment.path) {
        Ok(file) => Ok(Some((segment, file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let (dir, number) = (segment.path.parent().map(Path::to_owned), segment.number);
    if let Some(found) = opened(segment)? {
        return Ok(Some(found));
    }
    let now = list(dir.as_deref().unwrap_or(Path::new(".")))?;
    now.into_iter().find(|segment| segment.number == number).map_or(Ok(None), opened)
}

/// The header of the section that a segment begins with; none if it is gone, or begins otherwise.
pub(super) fn first_section(segment: Segment) -> io::Result<Option<Vec<u8>>> {
    Ok(heads(segment)?.map(|(section, _)| section))
}

/// The same, and the first interface behind it.
pub(super) fn heads(segment: Segment) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let Some(mut blocks) = first_blocks(segment)? else { return Ok(None) };
    let section = match blocks.advance() {
        Ok(Some(Block::Section(bytes))) => bytes.to_vec(),
        _ => return Ok(None),
    };
    Ok(Some(match blocks.advance() {
        Ok(Some(Block::Interface(bytes))) => (section, bytes.to_vec()),
        _ => (section, Vec::new()),
    }))
}

/// When the packet was seen that came first into a segment, others of which may be of earlier
/// times; none if it is gone, or has none.
pub(super) fn first_packet(segment: Segment) -> io::Result<Option<Ts>> {
    let Some(mut blocks) = first_blocks(segment)? else { return Ok(None) };
    // What cannot be read is complained of when its packets are.
    while let Ok(Some(block)) = blocks.advance() {
        if let Block::Packet { ts, .. } = block {
            return Ok(Some(ts));
        }
    }
    Ok(None)
}

/// The blocks of a segment, of which few are read; none if it is gone.
fn first_blocks(segment: Segment) -> io::Result<Option<Blocks<Box<dyn Read>>>> {
    let Some((segment, file)) = open(segment)? else { return Ok(None) };
    // Else the system reads on, megabytes of each segment, and keeps them in small pages.
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Random);
    Ok(Some(Blocks::new(match segment.packed {
        true => Box::new(zstd::stream::read::Decoder::new(file)?),
        false => Box::new(file),
    })))
}

/// Cuts a capture into slabs of whole blocks.
pub(super) struct Slabs<R> {
    from: R,
    // What was read and not yet given.
    pending: Vec<u8>,
    at: u64,
    is_foreign: bool,
}

impl<R: Read> Slabs<R> {
    /// Reads on from byte `at` of a capture, where a block begins.
    pub fn new(from: R, at: u64) -> Self {
        Self { from, pending: Vec::new(), at, is_foreign: false }
    }

    /// Where the next slab begins: behind all whole blocks that were given.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Whether it ended because something follows that is not ours.
    pub fn is_foreign(&self) -> bool {
        self.is_foreign
    }

    /// The next slab, in `slab`, and where it begins; none at the end, or where no whole block
    /// follows.
    pub fn next(&mut self, slab: &mut Vec<u8>) -> io::Result<Option<u64>> {
        slab.clear();
        slab.append(&mut self.pending);
        // Room for the longest block behind all but a byte of a full slab.
        let room = SLAB_BYTES + pcapng::BLOCK_BYTES_MAX as usize;
        let room = room.saturating_sub(slab.len()) as u64;
        (&mut self.from).take(room).read_to_end(slab)?;
        let (mut whole, mut first, mut last) = (0, Ts(u64::MAX), Ts(0));
        while whole == 0 || !is_slab(whole, self.at + whole as u64) {
            let Some(rest) = slab.get(whole..) else { break };
            let Some((block, behind)) = pcapng::split(rest) else {
                self.is_foreign = pcapng::is_foreign(rest);
                break;
            };
            if ends_before(whole, (first, last), &block) {
                break;
            }
            if let Block::Packet { ts, .. } = block {
                (first, last) = (first.min(ts), last.max(ts));
            }
            whole = slab.len() - behind.len();
        }
        self.pending.extend_from_slice(slab.get(whole..).unwrap_or_default());
        slab.truncate(whole);
        let at = self.at;
        self.at += whole as u64;
        Ok((whole > 0).then_some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_gets_another_name_while_it_is_listed_is_noticed() {
        let dir = tempfile::tempdir().expect("a directory");
        let open = dir.path().join("00000001.pcapng");
        fs::write(&open, "packets").expect("a file");
        let listed = || fs::read_dir(dir.path()).expect("a directory").collect::<Vec<_>>();
        let (before, closed) = (listed(), closed_name(1, (Ts(0), Ts(5)), false));
        fs::rename(&open, dir.path().join(closed)).expect("a file");
        let count = |files: Vec<_>| {
            let (segments, has_changed) = look(files.into_iter()).expect("a directory");
            (segments.len(), has_changed)
        };
        assert_eq!((count(before), count(listed())), ((0, true), (1, false)));
    }
}
