//! Times in which nothing was heard of what a module runs over, to the nanosecond.
//!
//! A module itself says a gap for whole intervals. Of what lies within one its
//! record says nothing: so who runs it for a question listens along, and says what
//! records of a second would say, but from when until when it was: then a record
//! that lacks a part of its time is one that a gap touches.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::source::{Source, watched};
use crate::storage::Window;
use crate::time::{Interval, Span, Ts};

/// A time in which no such step lies is not told: one capture begins a moment after another.
const FINEST: Span = Span::from_secs(1);

/// Times that wait to be told; of more than that the later ones are left to the module.
const WAITING_MAX: usize = 4096;

/// Which steps an answer in intervals of a length looks for in times without any packets.
pub fn step(interval: Span) -> Span {
    if interval == Span(0) { FINEST } else { interval.min(FINEST) }
}

/// The times that those who read have come upon. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Unheard(Arc<Mutex<Vec<Window>>>);

impl Unheard {
    fn note(&self, window: Window, step: Span) {
        let from = Interval::holding(Ts(window.from.0.saturating_sub(1)), step).end();
        let from = if window.from == Ts(0) { window.from } else { from };
        let to = Interval::holding(window.to, step).start();
        let mut waiting = self.0.lock();
        if from < to && waiting.len() < WAITING_MAX {
            waiting.push(window);
        }
    }

    /// The earliest that begins no later than an instant, or of all where none is said.
    pub fn next(&self, until: Option<Ts>) -> Option<Window> {
        let mut waiting = self.0.lock();
        let due = waiting.iter().enumerate();
        let due = due.filter(|(_, window)| until.is_none_or(|until| window.from <= until));
        let (at, _) = due.min_by_key(|(_, window)| window.from)?;
        Some(waiting.swap_remove(at))
    }

    /// A source of which these times are noted while it is read.
    pub fn of(&self, inner: Box<dyn Source>, interval: Span) -> Box<dyn Source> {
        let (unheard, step) = (self.clone(), step(interval));
        watched(inner, move |inner, chunk| {
            let turned = inner.next(chunk);
            chunk.unheard.iter().for_each(|window| unheard.note(*window, step));
            turned
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SECOND;

    #[test]
    fn times_of_a_second_are_told_as_they_were_and_in_order() {
        let unheard = Unheard::default();
        let window = |from, to| Window { from: Ts(from), to: Ts(to) };
        unheard.note(window(70 * SECOND, 80 * SECOND + 5), FINEST);
        unheard.note(window(10 * SECOND + 1, 13 * SECOND), FINEST);
        // Less than a second is none: packets do not come without a break.
        unheard.note(window(20 * SECOND + 1, 21 * SECOND + 9), FINEST);
        assert_eq!(unheard.next(Some(Ts(5 * SECOND))), None);
        let want = Some(window(10 * SECOND + 1, 13 * SECOND));
        assert_eq!(unheard.next(Some(Ts(11 * SECOND))), want);
        assert_eq!(unheard.next(Some(Ts(69 * SECOND))), None);
        assert_eq!(unheard.next(None), Some(window(70 * SECOND, 80 * SECOND + 5)));
        assert_eq!(unheard.next(None), None);
    }
}
