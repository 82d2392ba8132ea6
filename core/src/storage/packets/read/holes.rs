//! Segments that are missing between others.
//!
//! Numbers grow by one, and the oldest go first; what goes otherwise, because
//! time stepped back, leaves a mark. So a number that is passed over is of a
//! segment that somebody removed, or a disk lost. Its index may be there still,
//! and tells its time; otherwise those beside it do, unless it could be any.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use super::{Lost, times};
use crate::filter::Expr;
use crate::storage::Window;
use crate::storage::packets::index::Index;
use crate::storage::packets::newest;
use crate::storage::packets::segments::{self, Segment, Sign, first_section};
use crate::storage::packets::taken;
use crate::storage::pcapng;
use crate::time::Ts;

/// Segments that are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::storage::packets) struct Hole {
    /// The first of them, and the last.
    pub number: u64,
    last_number: u64,
    /// Whether its packets were told as lost when they came: the disk took nothing of it.
    pub is_told: bool,
    /// The time of what is missing, at most; as far as that is known.
    pub lost: Lost,
    // Whether it is but taken to end there: it may be a later run, of which nothing is left.
    may_be_later: bool,
}

impl Hole {
    /// Whether packets of a window may be missing.
    pub fn touches(&self, window: Window) -> bool {
        let Lost { first, last } = self.lost;
        first.is_none_or(|first| first < window.to) && last.is_none_or(|last| last >= window.from)
    }

    /// What nobody knows the beginning of is told from that of a window on that is read, or where
    /// that has none, just before what there is.
    pub fn begin_in(&mut self, window: Window) {
        if let Lost { first: None, last: Some(last) } = self.lost {
            let has_begin = window.from > Window::ALL.from;
            self.lost.first = Some(if has_begin { window.from.min(last) } else { last });
        }
    }

    /// Whether a segment follows on it.
    pub fn is_before(&self, segment: u64) -> bool {
        segment.checked_sub(1) == Some(self.last_number)
    }
}

impl fmt::Display for Hole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last_number == self.number {
            true => write!(f, "segment {} is missing", self.number),
            false => write!(f, "segments {} to {} are missing", self.number, self.last_number),
        }
    }
}

/// The segments of a directory that are missing between those there are, and behind them.
pub(in crate::storage::packets) fn holes(
    dir: &Path,
    segments: &[Segment],
) -> io::Result<Vec<Hole>> {
    // One that was begun and could take nothing is missing, too; one that was closed had packets,
    // and its name says of which time.
    let newest = newest::read(dir);
    let is_nothing = |last: &Segment| last.bytes == 0 && last.span.is_none();
    let segments = match segments {
        [before @ .., last] if is_nothing(last) && last.number == newest => before,
        all => all,
    };
    let passed_over =
        |pair: &&[Segment]| matches!(pair, [one, two] if one.is_followed_from_afar(two));
    let mut pairs = segments.windows(2).filter(passed_over).peekable();
    let last = segments.last();
    let begun = begun(dir, last.map_or(0, |segment| segment.number))?;
    let mut holes = Vec::new();
    if pairs.peek().is_none() && begun.is_none() {
        return Ok(holes);
    }
    let left = Left::of(dir, segments)?;
    for pair in pairs {
        if let [before, behind] = pair {
            let begun = begun_behind(behind, before);
            let first = span(behind).map(|(first, _)| first);
            between(
                Some(before),
                Behind { number: behind.number, begun, first },
                &left,
                &mut holes,
            );
        }
    }
    if let Some(newest) = begun {
        let behind = Behind { number: newest.saturating_add(1), begun: None, first: None };
        between(last, behind, &left, &mut holes);
    }
    narrow(&mut holes, segments);
    Ok(holes)
}

/// The last segment that was begun behind the newest there is, if any was: as is written down, or
/// as indexes tell that are left.
fn begun(dir: &Path, newest: u64) -> io::Result<Option<u64>> {
    let has_index =
        |number: &u64| segments::indexes_of(dir, *number).into_iter().any(|path| path.exists());
    let indexed = (newest.saturating_add(1)..u64::MAX).take_while(has_index).last();
    let written = Some(newest::read(dir)).filter(|last| *last > newest);
    let Some(last) = indexed.max(written) else { return Ok(None) };
    // Some may have been begun since.
    let is_there = |one: &Segment| one.number > newest && one.bytes > 0;
    let is_there = segments::list(dir)?.last().is_some_and(is_there);
    Ok((!is_there).then_some(last))
}

/// Which segments are missing of which packets of a window may be, in words.
pub fn missing(dir: &Path, window: Window) -> io::Result<Vec<String>> {
    let holes = holes(dir, &segments::list(dir)?)?;
    Ok(holes.iter().filter(|hole| hole.touches(window)).map(Hole::to_string).collect())
}

/// What is left of segments that are not there.
struct Left {
    // By number: what tells of one.
    all: BTreeMap<u64, (Sign, PathBuf)>,
}

impl Left {
    fn of(dir: &Path, segments: &[Segment]) -> io::Result<Self> {
        let mut all = BTreeMap::new();
        let is_there = |number| segments.binary_search_by_key(&number, |one| one.number).is_ok();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            let Some((number, sign)) = segments::left_of(&path) else { continue };
            // An index goes before its segment does, which may go at this moment.
            if sign == Sign::Gone {
                all.insert(number, (sign, path));
            } else if !is_there(number) && path.exists() {
                all.entry(number).or_insert((sign, path));
            }
        }
        Ok(Self { all })
    }
}

/// Bounds the time of what is missing at the end of a run by the packets that are there behind it,
/// and of what is at the beginning of one by those before. Runs of one instance are taken to have
/// listened one after another, in whatever order: but where one is known to go on beside another.
/// One of which nothing is left is taken for the end of that before it.
fn narrow(holes: &mut [Hole], segments: &[Segment]) {
    let is_open = |hole: &Hole| hole.lost.first.is_none() != hole.lost.last.is_none();
    if !holes.iter().any(is_open) {
        return;
    }
    let spans: Vec<(Ts, Ts)> = segments.iter().filter_map(span).collect();
    let is_free = |ts: Ts| !spans.iter().any(|(first, last)| (*first..=*last).contains(&ts));
    for Hole { lost, may_be_later, .. } in holes {
        match (lost.first.filter(|ts| is_free(*ts)), lost.last.filter(|ts| is_free(*ts))) {
            (Some(from), None) if lost.last.is_none() => {
                let next = spans.iter().map(|(first, _)| *first).filter(|first| *first > from);
                lost.last = next.min().map(|first| Ts(first.0 - 1));
                *may_be_later = true;
            }
            (None, Some(to)) if lost.first.is_none() => {
                let before = spans.iter().map(|(_, last)| *last).filter(|last| *last < to);
                lost.first = before.max().map(|last| Ts(last.0 + 1));
            }
            _ => {}
        }
    }
}

/// Where segments are missing before it.
struct Behind {
    number: u64,
    /// The first of its run, where that says that it is missing too, or this one.
    begun: Option<u64>,
    /// Its first packet, if it is there.
    first: Option<Ts>,
}

impl Behind {
    /// The time of segments from a number on that are missing behind packets that end where `from`
    /// is. Where time steps back those of the run before may be of any time behind that, and those
    /// of the run behind of any before.
    fn lost(&self, number: u64, from: Option<Ts>) -> Lost {
        let to = self.first.map(|first| Ts(first.0.saturating_sub(1)));
        let steps_back = from.zip(to).is_some_and(|(from, to)| to < from);
        match self.begun.is_some_and(|begun| number >= begun) {
            true if steps_back => Lost { first: None, last: to },
            _ => Lost { first: from, last: to.filter(|_| !steps_back) },
        }
    }
}

/// Adds what is missing behind a segment that is there. Of one that is behind none, that alone is
/// known.
fn between(before: Option<&Segment>, behind: Behind, left: &Left, holes: &mut Vec<Hole>) {
    let until = behind.number;
    let from = before.and_then(span).map(|(_, last)| Ts(last.0.saturating_add(1)));
    let mut next = before.map_or(until - 1, |before| before.number.saturating_add(1));
    let mut pass = |until: u64, next: u64| {
        // Those of two runs are told apart.
        let begun = behind.begun.unwrap_or(until).clamp(next, until.max(next));
        for (number, end) in [(next, begun), (begun, until)] {
            if number < end {
                let lost = behind.lost(number, from);
                holes.push(Hole {
                    number,
                    last_number: end - 1,
                    is_told: false,
                    lost,
                    may_be_later: false,
                });
            }
        }
    };
    let mut known = Vec::new();
    for (number, (sign, path)) in left.all.range(next..until) {
        pass(*number, next);
        if *sign != Sign::Gone {
            let span = Index::read(path, *number).ok().and_then(|index| index.span());
            let lost = span.map(|(first, last)| Lost { first: Some(first), last: Some(last) });
            known.push(Hole {
                number: *number,
                last_number: *number,
                is_told: *sign == Sign::Lost,
                lost: lost.unwrap_or_else(|| behind.lost(*number, from)),
                may_be_later: false,
            });
        }
        next = number.saturating_add(1);
    }
    pass(until, next);
    holes.append(&mut known);
    holes.sort_by_key(|hole| hole.number);
}

/// When somebody listened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listened {
    /// From the first to the last of a window, without the times at its ends in which nobody did.
    pub within: Window,
    /// Whether nothing is kept of any time behind, nor missing.
    pub is_last: bool,
    /// Whether the newest of the window's segments was closed: then nothing is missing behind its
    /// packets.
    pub is_closed: bool,
    /// Whether the newest segment of all grows, or was left so: then who runs may have written it.
    pub grows: bool,
}

/// When somebody listened in a window, as the packets tell that are kept in a directory, or those
/// of them that may be all that a filter picks; none where nobody did.
pub fn listened(
    dir: &Path,
    window: Window,
    fitting: Option<&Expr>,
) -> io::Result<Option<Listened>> {
    let segments = segments::list(dir)?;
    let fits = |segment: &&Segment| fitting.is_none_or(|asked| taken::fits(segment, asked));
    let spanned =
        segments.iter().filter(fits).filter_map(|segment| Some((segment, span(segment)?)));
    let spanned: Vec<(&Segment, (Ts, Ts))> = spanned.collect();
    let inside =
        spanned.iter().filter(|(_, (first, last))| *first < window.to && *last >= window.from);
    // A run that goes on over an end of the window was silent there.
    let runs_on = |(segment, _): &&(&Segment, _)| follows(segment, &segments);
    let before = spanned.iter().any(|(_, (_, last))| *last < window.from);
    let behind = spanned.iter().filter(|(_, (first, _))| *first >= window.to);
    let behind = behind.min_by_key(|(_, (first, _))| *first);
    let goes_on = behind.is_some_and(|behind| runs_on(&behind));
    let grows = segments.last().is_some_and(|newest| newest.span.is_none());
    let Some((first, last)) = inside
        .clone()
        .map(|(_, span)| *span)
        .reduce(|one, two| (one.0.min(two.0), one.1.max(two.1)))
    else {
        let silent = Listened { within: window, is_last: false, is_closed: true, grows };
        return Ok(Some(silent).filter(|_| before && goes_on));
    };
    let newest = inside.clone().max_by_key(|(_, (_, last))| *last);
    let is_closed = newest.is_some_and(|(segment, _)| segment.span.is_some());
    let begins = inside.clone().min_by_key(|(_, (first, _))| *first);
    let was_on = before && begins.is_some_and(|begins| runs_on(&begins));
    // Where packets of the window came behind it, late, their time says more.
    let came = Some(inside).filter(|_| !was_on).and_then(came).filter(|came| *came < window.to);
    let first = came.unwrap_or(first);
    let end = Ts(last.0.saturating_add(1));
    let is_missing =
        |hole: &Hole| hole.may_be_later || hole.lost.last.is_none_or(|last| last >= end);
    let is_last = behind.is_none() && !holes(dir, &segments)?.iter().any(is_missing);
    let within = Window {
        from: if was_on { window.from } else { first.max(window.from) },
        to: if goes_on { window.to } else { end.min(window.to) },
    };
    Ok(Some(Listened { within, is_last, is_closed, grows }))
}

/// When the first packet came of segments of these times: before it nobody listened, whatever time
/// those have that came late.
fn came<'a>(segments: impl Iterator<Item = &'a (&'a Segment, (Ts, Ts))>) -> Option<Ts> {
    let mut segments: Vec<_> = segments.collect();
    segments.sort_by_key(|(_, (first, _))| *first);
    let mut came = None;
    for (segment, (first, last)) in segments {
        if came.is_some_and(|came| came <= *first) {
            break;
        }
        let packet = began(segment, (*first, *last));
        came = Some(came.map_or(packet, |came: Ts| came.min(packet)));
    }
    came
}

/// The times in a window in which nobody listened, between packets that are kept in a directory.
pub fn gaps(dir: &Path, window: Window) -> io::Result<Vec<Window>> {
    let segments = segments::list(dir)?;
    let heard = segments.iter().filter_map(|segment| Some((segment, heard(segment)?)));
    let mut heard: Vec<(&Segment, (Ts, Ts))> = heard.collect();
    heard.sort_by_key(|(_, (first, _))| *first);
    let (mut gaps, mut end) = (Vec::new(), None);
    for (segment, (first, last)) in heard {
        if let Some(end) = end.filter(|end| *end < first)
            && !follows(segment, &segments)
        {
            gaps.extend(Window { from: end, to: first }.common(window));
        }
        end = end.max(Some(Ts(last.0.saturating_add(1))));
    }
    Ok(gaps)
}

/// When somebody listened for its packets: where it begins a run, from the one on that came first,
/// whatever time others have that came late.
fn heard(segment: &Segment) -> Option<(Ts, Ts)> {
    let (first, last) = span(segment)?;
    let began = began(segment, (first, last));
    Some((if began > first && begins_apart(segment) { began } else { first }, last))
}

/// Whether it goes on where another ends that is there, of all in the order of their numbers.
fn follows(segment: &Segment, segments: &[Segment]) -> bool {
    let before = segment.number.checked_sub(1);
    let is_there = |number| segments.binary_search_by_key(&number, |one| one.number).is_ok();
    before.is_some_and(is_there) && !begins_apart(segment)
}

/// The times of its packets, as far as they are known.
pub(super) fn span(segment: &Segment) -> Option<(Ts, Ts)> {
    // What cannot be read is complained of when its packets are.
    times(segment).ok().flatten()
}

/// Whether it says that its packets do not follow those before.
pub(super) fn begins_apart(segment: &Segment) -> bool {
    section(segment).is_none_or(|section| pcapng::is_apart(&section))
}

/// The run that stored it, where it says so.
pub(super) fn run(segment: &Segment) -> Option<u64> {
    section(segment).and_then(|section| pcapng::run(&section))
}

/// The first segment of its run, where it says that this was begun behind another segment.
pub(super) fn begun_behind(segment: &Segment, other: &Segment) -> Option<u64> {
    run(segment).filter(|run| (other.number + 1..=segment.number).contains(run))
}

/// When the packet came that was its first, of those of a time.
fn began(segment: &Segment, (first, last): (Ts, Ts)) -> Ts {
    first_packet(segment).map_or(first, |came| came.clamp(first, last))
}

/// When its first packet was seen, which may not be the earliest.
pub(super) fn first_packet(segment: &Segment) -> Option<Ts> {
    // What cannot be read is complained of when its packets are.
    segments::first_packet(segment.clone()).ok().flatten()
}

fn section(segment: &Segment) -> Option<Vec<u8>> {
    // What cannot be read is complained of when its packets are.
    first_section(segment.clone()).ok().flatten()
}
