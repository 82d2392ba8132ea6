//! The stream's clock: packet time that never steps back, and where batches are cut.
//!
//! A packet that steps back is counted in the open interval; one that leaps far
//! ahead is doubted until the packets after it confirm the leap, so that one
//! broken timestamp neither ends an interval early nor makes all that follows late.
//! Beside a wire, whose times are this machine's, no other source carries it far ahead.

use crate::time::{Interval, Span, Ts};

/// A leap further than this is doubted.
pub const LEAP_MAX: Span = Span::from_secs(3600);

/// So many packets in a row behind the leap confirm it, the leaping one included, none of them
/// further than [`LEAP_MAX`] from the one before.
pub const LEAP_CONFIRMED_BY: usize = 64;

/// So few do where there are no more: where they are as far apart as [`SPARSE_SPAN`], by what they
/// say themselves.
const SPARSE_CONFIRMED_BY: usize = 4;

/// What a clock says for so long, no single broken packet says.
const SPARSE_SPAN: Span = Span::from_secs(600);

/// Of packets further than [`LEAP_MAX`] from one another so many do, each later than the one
/// before. Broken timestamps are seldom in order for so long; those of one packet a day are.
const APART_CONFIRMED_BY: usize = 8;

/// Packets in a row that lie behind a leap: whether there are enough of them to believe it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Doubt {
    // How often time leapt, the doubted leap included.
    leaps: usize,
    // The packets since the last of these leaps, and when they were.
    packets: usize,
    first: Ts,
    last: Ts,
}

impl Doubt {
    /// Whether a packet of this time contradicts those before it: it lies far behind them.
    pub fn denies(&self, ts: Ts) -> bool {
        self.last - ts > LEAP_MAX
    }

    /// One more; whether they confirm the leap. One that contradicts the others is the first anew.
    pub fn add(&mut self, ts: Ts) -> bool {
        if self.denies(ts) {
            *self = Self::default();
        }
        if self.leaps == 0 || ts - self.last > LEAP_MAX {
            (self.packets, self.first) = (0, ts);
            self.leaps += 1;
        }
        self.first = self.first.min(ts);
        self.last = self.last.max(ts);
        self.packets += 1;
        let is_sparse = self.last - self.first >= SPARSE_SPAN;
        let enough = if is_sparse { SPARSE_CONFIRMED_BY } else { LEAP_CONFIRMED_BY };
        self.packets >= enough || self.leaps >= APART_CONFIRMED_BY
    }
}

/// How a packet's timestamp relates to the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// In the open intervals, at or after the clock.
    Inside,
    /// Behind the clock.
    Back,
    /// In a later interval of some task: the batch is cut before it.
    Boundary,
    /// So far ahead that it must be confirmed.
    Leap,
}

/// The clock and the next boundary of any task's interval.
#[derive(Clone, Debug)]
pub struct Clock {
    // Before the first packet there is no time.
    now: Option<Ts>,
    // Invariant: the earliest end of the intervals of all lengths that hold `now`.
    boundary: Ts,
    lens: Vec<Span>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { now: None, boundary: Ts(u64::MAX), lens: Vec::new() }
    }
}

impl Clock {
    /// The latest time seen.
    pub fn now(&self) -> Option<Ts> {
        self.now
    }

    /// Sets the interval lengths of the running tasks.
    pub fn set_lens(&mut self, lens: impl IntoIterator<Item = Span>) {
        self.lens = lens.into_iter().collect();
        self.lens.sort_unstable();
        self.lens.dedup();
        self.find_boundary();
    }

    /// How `ts` relates to the clock. The first packet of all is a boundary.
    #[inline]
    pub fn step(&self, ts: Ts) -> Step {
        let Some(now) = self.now else { return Step::Boundary };
        if ts < now {
            Step::Back
        } else if ts < self.boundary {
            Step::Inside
        } else if ts - now > LEAP_MAX {
            Step::Leap
        } else {
            Step::Boundary
        }
    }

    /// Moves the clock to `ts`, if that is ahead.
    #[inline]
    pub fn advance(&mut self, ts: Ts) {
        if self.now.is_none_or(|now| ts > now) {
            self.now = Some(ts);
            if ts >= self.boundary || self.boundary.0 == u64::MAX {
                self.find_boundary();
            }
        }
    }

    fn find_boundary(&mut self) {
        let Some(now) = self.now else { return };
        let ends = self.lens.iter().map(|len| Interval::holding(now, *len).end());
        self.boundary = ends.min().unwrap_or(Ts(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(secs: &[u64], now: u64) -> Clock {
        let mut clock = Clock::default();
        clock.set_lens(secs.iter().map(|s| Span::from_secs(*s)));
        clock.advance(Ts::new(now, 0));
        clock
    }

    #[test]
    fn cuts_at_the_nearest_boundary_of_any_length() {
        let clock = clock(&[60, 5], 57);
        assert_eq!(clock.step(Ts::new(59, 999)), Step::Inside);
        assert_eq!(clock.step(Ts::new(60, 0)), Step::Boundary);
        assert_eq!(clock.step(Ts::new(56, 0)), Step::Back);
    }

    #[test]
    fn doubts_a_leap_but_not_an_hour_of_silence() {
        let clock = clock(&[5], 57);
        assert_eq!(clock.step(Ts::new(57 + 3600, 0)), Step::Boundary);
        assert_eq!(clock.step(Ts::new(57 + 3601, 0)), Step::Leap);
    }

    #[test]
    fn a_leap_is_confirmed_by_many_packets_or_by_a_few_over_ten_minutes() {
        let confirmed = |step: u64| {
            let mut doubt = Doubt::default();
            (1..).find(|n| doubt.add(Ts::new(n * step, 0)))
        };
        let want = [64, 64, 11, 7, 4, 4, 8, 8].map(Some);
        assert_eq!([0, 1, 60, 100, 200, 3600, 4000, 86_400].map(confirmed), want);
    }

    #[test]
    fn broken_times_confirm_no_leap_however_many_but_those_that_agree_behind_them_do() {
        let mut doubt = Doubt::default();
        let year = |year: u64| Ts::new((year - 1970) * 31_556_952, 0);
        for _ in 0..100 {
            assert!(![2030, 2041, 2099, 2035].iter().any(|at| doubt.add(year(*at))));
        }
        // Those of two wires may come in another order.
        let agree = |at: u64| Ts::new(year(2035).0 / crate::time::SECOND + 60 * (at ^ 1), 0);
        assert_eq!((1..).find(|at| doubt.add(agree(*at))), Some(10));
    }

    #[test]
    fn never_steps_back() {
        let mut clock = clock(&[5], 57);
        clock.advance(Ts::new(12, 0));
        assert_eq!(clock.now(), Some(Ts::new(57, 0)));
    }

    #[test]
    fn the_first_packet_opens_the_first_interval() {
        let mut clock = Clock::default();
        assert_eq!(clock.step(Ts::new(5, 0)), Step::Boundary);
        clock.advance(Ts::new(5, 0));
        assert_eq!(clock.step(Ts::new(5, 0)), Step::Inside);
    }
}
