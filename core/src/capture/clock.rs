//! The stream's clock: packet time that never steps back, and where batches are cut.
//!
//! A packet that steps back is counted in the open interval; one that leaps far
//! ahead is doubted until the packets after it confirm the leap, so that one
//! broken timestamp neither ends an interval early nor makes all that follows late.
//! Beside a wire, whose times are this machine's, no other source carries it far ahead.

use crate::time::{Interval, Span, Ts};

/// A leap further than this is doubted.
pub const LEAP_MAX: Span = Span::from_secs(3600);

/// How many packets in a row must lie behind the leap to confirm it, the leaping one included.
pub const LEAP_CONFIRMED_BY: usize = 4;

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
