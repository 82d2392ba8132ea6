//! When the clock of those who measured passed the ends of a window, as the packets tell that were
//! kept beside them.
//!
//! A packet that came late was counted in the interval that was open. So what was
//! measured until an instant is of all packets that came before the first one of
//! that time or later, whatever times they have, and of none that came behind it.

use crate::capture::clock::{Doubt, LEAP_MAX};
use crate::storage::Window;
use crate::time::Ts;

/// How packets belong to a window of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// Those of which the own time lies in it.
    #[default]
    Time,
    /// Those that came in it, late ones included: they meet those that a module was given live
    /// before and behind it.
    Arrival,
}

/// The two ends of a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crossings {
    window: Window,
    // The clock; none before the first packet.
    now: Option<Ts>,
    // The packets in a row that lie so far ahead of it that they are doubted.
    doubt: Doubt,
}

impl Crossings {
    /// Those of a window of which nothing was read.
    pub fn of(window: Window) -> Self {
        Self { window, now: None, doubt: Doubt::default() }
    }

    /// A packet is there; whether it is the first of all.
    #[inline]
    pub fn hear(&mut self, ts: Ts) -> bool {
        let leaps = self.now.is_some_and(|now| ts > now && ts - now > LEAP_MAX);
        let is_first = self.now.is_none();
        if !leaps || self.doubt.add(ts) {
            self.doubt = Doubt::default();
            self.now = self.now.max(Some(ts));
        }
        is_first
    }

    /// Whether the window has begun.
    #[inline]
    pub fn has_begun(&self) -> bool {
        self.now.is_some_and(|now| now >= self.window.from)
    }

    /// Whether it has ended.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.now.is_some_and(|now| now >= self.window.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the time from 10 to 20 seconds has begun and ended when these were heard.
    #[track_caller]
    fn check(heard: &[u64], want: (bool, bool)) {
        let mut crossings = Crossings::of(Window { from: Ts::new(10, 0), to: Ts::new(20, 0) });
        for sec in heard {
            crossings.hear(Ts::new(*sec, 0));
        }
        assert_eq!((crossings.has_begun(), crossings.is_over()), want);
    }

    #[test]
    fn a_window_begins_and_ends_with_the_first_packets_of_its_ends() {
        check(&[], (false, false));
        check(&[9], (false, false));
        check(&[9, 10, 8], (true, false));
        check(&[12, 20, 11], (true, true));
    }

    #[test]
    fn a_packet_far_ahead_ends_nothing_before_others_confirm_it() {
        check(&[9, 5000], (false, false));
        check(&[12, 5000, 5001, 5002, 13], (true, false));
        check(&[12, 5000, 5001, 5002, 5600], (true, true));
    }
}
