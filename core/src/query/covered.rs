//! What of the time asked for nothing covers: before the first of what is stored, and behind the
//! last.
//!
//! Where all of it lies outside, an answer has nothing, and says from when until
//! when there is something. Otherwise the time outside is a gap and no silence.

use std::fmt;

use crate::storage::Window;
use crate::time::{Interval, Span, Ts};

/// Why there is nothing in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missed {
    /// Nothing stored lies in the time asked for.
    Outside {
        /// What was looked for: ``records of `traffic` ``.
        what: String,
        /// The time of all there is of it, if there is any.
        stored: Option<Window>,
    },
    /// No interval of the length asked for has ended yet.
    Begun {
        /// The instance.
        module: String,
        /// How long intervals are to be.
        interval: Span,
        /// Since when something is stored.
        since: Ts,
        /// When the one that is open ends.
        until: Ts,
    },
    /// Of no interval of the length asked for all records are left.
    Gone {
        /// The instance.
        module: String,
        /// How long intervals are to be.
        interval: Span,
        /// Before when its own records are gone.
        before: Ts,
    },
    /// No interval begins in the time asked for.
    Within {
        /// The instance.
        module: String,
    },
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside { what, stored: Some(Window { from, to }) } => {
                write!(f, "no {what} in this time: there are from {from} to {to}")
            }
            Self::Outside { what, stored: None } => write!(f, "no {what} yet"),
            Self::Begun { module, interval, since, until } => {
                write!(
                    f,
                    "no {interval} of `{module}` has ended since {since}: the first does at {until}"
                )
            }
            Self::Gone { module, interval, before } => {
                write!(
                    f,
                    "no {interval} of `{module}` is whole in this time: its records before \
                     {before} are gone, ask for shorter ones"
                )
            }
            Self::Within { module } => {
                write!(f, "no interval of `{module}` begins in this time: ask for a longer one")
            }
        }
    }
}

/// The ends of a window that nothing covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Edges {
    pub before: Option<Window>,
    pub behind: Option<Window>,
}

impl Edges {
    /// Those of a window that nothing covers, between what is stored before and behind it.
    pub fn all(window: Window) -> Self {
        Self { before: Some(window), behind: None }
    }

    /// Those of `window`, where something is stored of a time and that `goes_on` may be. An end
    /// that was not said is where what is stored begins, or ends. What has no whole `step` in it is
    /// none.
    pub fn of(window: Window, stored: Option<Window>, step: Span, goes_on: bool) -> Self {
        let Some(stored) = stored.filter(|stored| stored.common(window).is_some()) else {
            return Self::default();
        };
        let (first, end) = match step {
            Span(0) => (stored.from, stored.to),
            step => {
                let last = Ts(stored.to.0.saturating_sub(1));
                (Interval::holding(stored.from, step).start(), Interval::holding(last, step).end())
            }
        };
        let before = Window { from: window.from, to: stored.from };
        let behind = Window { from: stored.to, to: window.to };
        let has_before = window.from > Ts(0) && window.from < first;
        let has_behind = !goes_on && window.to < Window::ALL.to && end < window.to;
        Self { before: has_before.then_some(before), behind: has_behind.then_some(behind) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What of a window is not covered by 12 to 33 seconds, where that is more than tens of seconds
    /// tell.
    #[track_caller]
    fn check(from: u64, to: u64, want: [Option<(u64, u64)>; 2]) {
        let window = |from, to| Window { from: Ts::new(from, 0), to: Ts::new(to, 0) };
        let edges = Edges::of(window(from, to), Some(window(12, 33)), Span::from_secs(10), false);
        let shown = |edge: Option<Window>| edge.map(|w| (w.from.parts().0, w.to.parts().0));
        assert_eq!([edges.before, edges.behind].map(shown), want);
    }

    #[test]
    fn the_ends_of_a_window_that_nothing_covers_are_told_where_a_whole_step_lies_in_them() {
        check(10, 40, [None, None]);
        check(5, 50, [Some((5, 12)), Some((33, 50))]);
        check(0, 35, [None, None]);
        check(15, 45, [None, Some((33, 45))]);
        check(50, 60, [None, None]);
    }
}
