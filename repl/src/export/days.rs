//! Which files of a day are to be written: what is asked for, less what was exported before.

use como_core::storage::Window;
use como_core::time::{Span, Ts};

/// A day, in UTC.
pub const DAY: Span = Span::from_secs(86_400);

/// A file that is there: its number, and the time of which it has all records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The number in its name.
    pub number: u32,
    /// From when until when.
    pub window: Window,
    /// Where it reached the end of its stream: the number of the block that came next there, which
    /// may have the rest of an interval that a stop has cut.
    pub next_seq: Option<u64>,
}

/// A file that is to be written, and what of it is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// What the file will be.
    pub part: Part,
    /// What is new in it.
    pub new: Window,
}

/// The day that holds an instant.
pub fn day(ts: Ts) -> Window {
    let from = Ts(ts.0 - ts.0 % DAY.0);
    Window { from, to: from + DAY }
}

/// The parts of `want` that none of `parts` has, in order.
fn missing(want: Window, parts: &[Part]) -> Vec<Window> {
    let mut missing = Vec::new();
    let mut sorted: Vec<Window> = parts.iter().map(|part| part.window).collect();
    sorted.sort_by_key(|window| window.from);
    let mut from = want.from;
    for window in sorted {
        if window.from > from {
            missing.push(Window { from, to: window.from.min(want.to) });
        }
        from = from.max(window.to);
    }
    missing.push(Window { from, to: want.to });
    missing.retain(|window| window.from < window.to);
    missing
}

/// What to write so that `want` is there, once each. A file that ends where something is missing
/// goes on, as long as all of it is still stored, from `kept` on; otherwise a new one begins.
pub fn tasks(want: Window, parts: &[Part], kept: Ts) -> Vec<Task> {
    let mut next = parts.iter().map(|part| part.number.saturating_add(1)).max().unwrap_or(0);
    let task = |new: Window| {
        let goes_on = |part: &&Part| part.window.to == new.from && part.window.from >= kept;
        // The youngest: one that counts for nothing begins where it ends.
        let part = match parts.iter().filter(goes_on).max_by_key(|part| part.window.from) {
            Some(part) => {
                let window = Window { from: part.window.from, to: new.to };
                Part { window, next_seq: None, ..*part }
            }
            None => {
                next = next.saturating_add(1);
                Part { number: next - 1, window: new, next_seq: None }
            }
        };
        Task { part, new }
    };
    missing(want, parts).into_iter().map(task).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window((from, to): (u64, u64)) -> Window {
        Window { from: Ts(from), to: Ts(to) }
    }

    /// Files as number, from and until; what is new is `want` less the files.
    #[track_caller]
    fn check(want: (u64, u64), parts: &[(u32, u64, u64)], kept: u64, files: &[(u32, u64, u64)]) {
        let part = |&(number, from, to): &(u32, u64, u64)| Part {
            number,
            window: window((from, to)),
            next_seq: None,
        };
        let parts: Vec<Part> = parts.iter().map(part).collect();
        let tasks = tasks(window(want), &parts, Ts(kept));
        let got: Vec<Part> = tasks.iter().map(|task| task.part).collect();
        assert_eq!(got, files.iter().map(part).collect::<Vec<_>>());
    }

    #[test]
    fn a_day_is_written_once() {
        check((10, 90), &[], 10, &[(0, 10, 90)]);
        check((10, 90), &[(0, 10, 90)], 10, &[]);
        check((20, 80), &[(0, 10, 90)], 10, &[]);
    }

    #[test]
    fn a_day_that_went_on_is_written_anew() {
        check((10, 90), &[(0, 10, 50)], 10, &[(0, 10, 90)]);
        check((10, 90), &[(0, 10, 30), (1, 30, 50)], 10, &[(1, 30, 90)]);
    }

    #[test]
    fn what_the_store_has_lost_since_is_kept_in_its_file() {
        check((40, 90), &[(0, 10, 50)], 40, &[(1, 50, 90)]);
        check((60, 90), &[(0, 10, 50)], 60, &[(1, 60, 90)]);
    }

    #[test]
    fn a_wider_time_adds_what_lies_before_and_between() {
        check((10, 90), &[(0, 40, 50)], 10, &[(1, 10, 40), (0, 40, 90)]);
        check((10, 90), &[(0, 10, 30), (1, 60, 90)], 10, &[(0, 10, 60)]);
    }

    #[test]
    fn a_file_that_counts_for_nothing_is_written_anew_and_has_no_twin() {
        check((10, 90), &[(0, 10, 10)], 10, &[(0, 10, 90)]);
        check((10, 90), &[(0, 10, 40), (1, 40, 40)], 10, &[(1, 40, 90)]);
        check((10, 90), &[(0, 40, 40)], 10, &[(1, 10, 40), (0, 40, 90)]);
    }

    #[test]
    fn days_are_those_of_utc() {
        assert_eq!(day(Ts(DAY.0 + 5)), window((DAY.0, 2 * DAY.0)));
        assert_eq!(day(Ts(u64::MAX)).to, Ts(u64::MAX));
    }
}
