//! Where a window of kept packets may be cut into parts that are read beside each other.
//!
//! A cut is an instant, a multiple of an interval, such that every packet stored
//! before some slab is earlier and every one from that slab on is not. So whoever
//! reads the parts by time sees what one who reads all in the order of storage
//! sees, late packets included.

use std::io;
use std::path::Path;

use super::index::{Entry, Index};
use super::read::times;
use super::segments::{self, Segment};
use crate::capture::clock::{LEAP_CONFIRMED_BY, LEAP_MAX};
use crate::filter::Expr;
use crate::storage::Window;
use crate::time::{Interval, Span, Ts};

/// Instants at which the packets of `window` may be cut into about so many parts of about as many
/// bytes, in order; those that `filter` does not pass may be left out by who reads. Of what a
/// growing segment has beyond its index it is taken that it is no earlier.
pub fn cuts(
    dir: &Path,
    window: Window,
    filter: Option<&Expr>,
    (interval, parts): (Span, u64),
) -> io::Result<Vec<Ts>> {
    let needs = filter.map_or(Expr::ALL.needs(), Expr::needs);
    let touching = |segment: &Segment| segment.touches(window);
    let segments: Vec<Segment> = segments::list(dir)?.into_iter().filter(touching).collect();
    let spans: Vec<(Ts, Ts)> = segments.iter().map(span).collect::<io::Result<_>>()?;
    let all: u64 = segments.iter().map(|segment| segment.bytes).sum();
    let each = (all / parts.max(1)).max(1);
    let mut found: Vec<Ts> = Vec::new();
    let mut passed = 0;
    for (at, segment) in segments.iter().enumerate() {
        // The places in this segment at which a part would be large enough.
        let (from, to) = (passed, passed + segment.bytes);
        passed = to;
        let goals = (from.max(1).next_multiple_of(each)..to).step_by(each as usize);
        let mut goals = goals.map(|goal| goal - from).peekable();
        if goals.peek().is_none() {
            continue;
        }
        let before = spans[..at].iter().map(|(_, last)| *last).max().unwrap_or(Ts(0));
        let behind = spans[at + 1..].iter().map(|(first, _)| *first).min();
        let index = Index::read(&segment.index(), segment.number)?;
        let touches = |entry: &Entry| entry.touches(window);
        let may_hold = |entry: &Entry| entry.may_hold(window, &needs);
        let around = (before, behind.unwrap_or(Ts(u64::MAX)));
        // Of a segment that ends early the rest is lost, which is told in one part.
        let end = |entry: &Entry| if segment.packed { entry.packed_end() } else { entry.end() };
        let whole = index.entries.partition_point(|entry| end(entry) <= segment.bytes);
        let entries = &index.entries[..whole];
        let clean = clean(entries, around, (touches, may_hold), interval);
        let scale = |entry: &Entry| match segment.packed {
            true => entry.packed_at,
            false => entry.at,
        };
        for goal in goals {
            let next = clean.iter().find(|(entry, _)| scale(&entries[*entry]) >= goal);
            if let Some((_, cut)) =
                next.filter(|(_, cut)| found.last().is_none_or(|last| cut > last))
            {
                found.push(*cut);
            }
        }
    }
    found.retain(|cut| *cut > window.from && *cut < window.to);
    Ok(found)
}

/// The times of a segment's packets, as far as they are known; of one that says nothing, all time.
fn span(segment: &Segment) -> io::Result<(Ts, Ts)> {
    Ok(times(segment)?.unwrap_or((Ts(0), Ts(u64::MAX))))
}

/// Whether time leaps in a slab, or between the one heard before and it.
fn leaps(heard: Option<&Entry>, entry: &Entry) -> bool {
    entry.last - heard.map_or(entry.first, |heard| heard.last) > LEAP_MAX
}

/// The entries before which a cut is clean, and the cuts, where the packets of earlier segments end
/// at `before` and those of later ones begin at `behind`.
fn clean(
    entries: &[Entry],
    (before, behind): (Ts, Ts),
    (touches, may_hold): (impl Fn(&Entry) -> bool, impl Fn(&Entry) -> bool),
    interval: Span,
) -> Vec<(usize, Ts)> {
    // The earliest packet from each entry on.
    let mut firsts: Vec<Ts> = Vec::with_capacity(entries.len());
    let mut first = behind;
    for entry in entries.iter().rev() {
        first = if entry.packets > 0 { first.min(entry.first) } else { first };
        firsts.push(first);
    }
    firsts.reverse();
    let mut last = before;
    // The slab heard of last, if it is of this segment.
    let mut heard: Option<&Entry> = None;
    let mut doubted = 0;
    let mut found = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        if may_hold(entry) {
            let cut = Interval::holding(firsts[at], interval).start();
            // Beyond such a leap a clock doubts what it is told until enough agree, and one that
            // begins there does not.
            let leaps = heard.is_none() || doubted > 0 || leaps(heard, entry);
            // A section may begin behind a time in which nothing was heard, which is nobody's part.
            let resumes = !entry.heads.is_empty();
            if !leaps && !resumes && cut > last {
                found.push((at, cut));
            }
        }
        if touches(entry) {
            doubted = match leaps(heard, entry) {
                true => LEAP_CONFIRMED_BY,
                false => doubted.saturating_sub(entry.packets as usize),
            };
            heard = Some(entry);
        }
        if entry.packets > 0 {
            last = last.max(entry.last);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slabs with packets from a second until another.
    #[track_caller]
    fn check(slabs: &[(u64, u64)], (before, behind): (u64, u64), interval: u64, want: &[u64]) {
        let ts = |sec: u64| Ts::new(sec, 0);
        let entry = |(first, last): &(u64, u64)| Entry {
            packets: 40,
            first: ts(*first),
            last: ts(*last),
            ..Entry::default()
        };
        let entries: Vec<Entry> = slabs.iter().map(entry).collect();
        let (before, behind) = (ts(before), ts(behind));
        let all = (|_: &Entry| true, |_: &Entry| true);
        let found = clean(&entries, (before, behind), all, Span::from_secs(interval));
        let found: Vec<Ts> = found.into_iter().map(|(_, cut)| cut).collect();
        assert_eq!(found, want.iter().map(|sec| ts(*sec)).collect::<Vec<_>>());
    }

    #[test]
    fn cuts_are_where_an_interval_begins_between_two_slabs() {
        check(&[(0, 4), (5, 9), (10, 14)], (0, 1000), 5, &[5, 10]);
        check(&[(0, 4), (5, 9), (10, 14)], (0, 1000), 10, &[10]);
        check(&[(0, 6), (7, 9), (12, 14)], (0, 1000), 5, &[10]);
    }

    #[test]
    fn nothing_is_cut_where_packets_step_back() {
        check(&[(0, 4), (5, 9), (3, 12)], (0, 1000), 5, &[]);
        check(&[(0, 6), (5, 9), (10, 12)], (0, 1000), 5, &[10]);
        check(&[(0, 4), (5, 9)], (7, 1000), 5, &[]);
        check(&[(0, 4), (5, 9)], (0, 3), 5, &[]);
    }

    #[test]
    fn nothing_is_cut_where_time_leaps() {
        let after = [(9000, 9001), (9005, 9006), (9010, 9011), (9015, 9016)];
        let slabs = [&[(0, 4), (5, 9)][..], &after].concat();
        check(&slabs, (0, 10_000), 5, &[5, 9015]);
    }
}
