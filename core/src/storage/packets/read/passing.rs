//! Which slabs may be passed over by who must know when there were packets, though none is wanted.
//!
//! The index says when the first packet of a slab was, and the last. That is all
//! that a stream's clock needs to know, unless it makes a difference what lies
//! between: at the ends of a window, behind a time in which nobody listened or of which
//! packets are lost, where a silence may be long enough to be a gap, and where time
//! leaps so far that a clock doubts it. Such slabs are read.

use crate::capture::clock::{LEAP_CONFIRMED_BY, LEAP_MAX};
use crate::storage::Window;
use crate::storage::packets::index::Entry;
use crate::storage::pcapng::{self, Block};
use crate::time::{Span, Ts};
use crate::worker::is_gap;

/// What was heard so far, by who reads one slab after another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passing {
    // How long the intervals are of who reads.
    interval: Span,
    // The latest packet; none before the first.
    latest: Option<Ts>,
    // How many packets there must be until no leap is in doubt any more.
    doubted: usize,
    // Whether packets are lost before the next slab.
    has_lost: bool,
}

impl Passing {
    /// Before the first slab, for who reads in intervals of a length.
    pub fn new(interval: Span) -> Self {
        Self { interval, latest: None, doubted: 0, has_lost: false }
    }

    /// Says how long intervals are, where that is known.
    pub fn tell(&mut self, interval: Span) {
        self.interval = interval;
    }

    /// Packets are lost: until when tells the first one behind them.
    pub fn lose(&mut self) {
        self.has_lost = true;
    }

    /// Takes note of a slab with packets of a window, which comes next; whether it may be passed
    /// over.
    pub fn hear(&mut self, slab: &Entry, window: Window) -> bool {
        let Entry { first, last, packets, .. } = *slab;
        let is_inside = first >= window.from && last < window.to;
        let before = self.latest.map_or(first, |latest| latest.min(first));
        let leaps = last - self.latest.unwrap_or(first) > LEAP_MAX;
        let follows = self.latest.is_some() && !std::mem::take(&mut self.has_lost);
        let is_sure = follows && !leaps && self.doubted == 0;
        self.doubted = match leaps {
            true => LEAP_CONFIRMED_BY,
            false => self.doubted.saturating_sub(packets as usize),
        };
        self.latest = self.latest.max(Some(last));
        // Behind a silence that is a gap it ends with the packet that came first, which may be
        // later than the earliest.
        is_inside && is_sure && !is_gap(before, last, self.interval) && !begins_apart(&slab.heads)
    }
}

/// Whether nobody listened before the packets of a slab with these sections and interfaces: what
/// comes first may be later than the earliest.
fn begins_apart(heads: &[u8]) -> bool {
    let mut rest = heads;
    while let Some((block, behind)) = pcapng::split(rest) {
        if matches!(block, Block::Section(bytes) if pcapng::is_apart(bytes)) {
            return true;
        }
        rest = behind;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SECOND;

    /// Which slabs of so many packets each, from a second until another, may be passed over.
    #[track_caller]
    fn check(packets: u32, slabs: &[(u64, u64)], want: &[bool]) {
        let window = Window { from: Ts::new(10, 0), to: Ts::new(1_000_000, 0) };
        let mut passing = Passing::new(Span::from_secs(1));
        let mut hear = |(first, last): &(u64, u64)| {
            let (first, last) = (Ts::new(*first, 0), Ts::new(*last, 0));
            passing.hear(&Entry { packets, first, last, ..Entry::default() }, window)
        };
        assert_eq!(slabs.iter().map(&mut hear).collect::<Vec<_>>(), want);
    }

    #[test]
    fn what_lies_at_an_end_of_the_window_is_read() {
        check(9, &[(10, 12), (12, 14), (14, 16)], &[false, true, true]);
        check(9, &[(8, 12), (12, 14)], &[false, true]);
        check(9, &[(999_990, 999_995), (999_995, 999_999)], &[false, true]);
        check(9, &[(999_990, 999_995), (999_995, 1_000_001)], &[false, false]);
    }

    #[test]
    fn what_may_hold_a_silence_that_is_a_gap_is_read() {
        check(
            9,
            &[(10, 12), (12, 3_600), (3_600, 7_300), (7_300, 7_400)],
            &[false, true, false, false],
        );
    }

    #[test]
    fn what_follows_on_a_silence_that_is_a_gap_is_read() {
        let mut passing = Passing::new(Span(SECOND / 10));
        let mut hear = |(first, last): (u64, u64)| {
            let (first, last) = (Ts::new(first, 0), Ts::new(last, 0));
            passing.hear(&Entry { packets: 9, first, last, ..Entry::default() }, Window::ALL)
        };
        // A gap is longer than 3600 intervals.
        let slabs = [(10, 12), (300, 370), (735, 740), (740, 745)];
        assert_eq!(slabs.map(&mut hear), [false, true, false, true]);
    }

    #[test]
    fn a_leap_is_read_and_the_packets_that_confirm_it() {
        check(
            90,
            &[(10, 12), (5_000, 5_001), (5_001, 5_003), (5_003, 5_005)],
            &[false, false, false, true],
        );
        check(
            1,
            &[(10, 12), (5_000, 5_001), (5_001, 5_003), (5_003, 5_005)],
            &[false, false, false, false],
        );
    }
}
