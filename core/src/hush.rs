//! Lines of one kind for the log: a few a minute, and how many more there were.

use std::time::{Duration, Instant};

/// Lines in one span.
const LINES_MAX: u32 = 5;
/// How long lines are counted before the count begins anew.
const SPAN: Duration = Duration::from_secs(60);

/// How many lines of one kind were said lately.
#[derive(Debug, Default)]
pub struct Hush {
    since: Option<Instant>,
    said: u32,
    unsaid: u64,
}

/// What may be said now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Lines that were not said since the one before.
    pub unsaid: u64,
    /// Whether no more will be said for a while.
    pub is_last: bool,
}

impl Hush {
    /// Whether a line may be said at this instant; otherwise it is counted.
    pub fn turn(&mut self, now: Instant) -> Option<Turn> {
        if self.since.is_none_or(|since| now.duration_since(since) >= SPAN) {
            (self.since, self.said) = (Some(now), 0);
        }
        if self.said == LINES_MAX {
            self.unsaid += 1;
            return None;
        }
        self.said += 1;
        let unsaid = std::mem::take(&mut self.unsaid);
        Some(Turn { unsaid, is_last: self.said == LINES_MAX })
    }
}

impl std::fmt::Display for Turn {
    /// What to say behind the line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.unsaid > 0 {
            write!(f, " ({} more before it were not written here)", self.unsaid)?;
        }
        if self.is_last {
            f.write_str(" (more within a minute are counted, and not written here)")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_lines_a_minute_are_said_and_the_others_are_counted() {
        let (mut hush, now) = (Hush::default(), Instant::now());
        let said = |hush: &mut Hush, at| (0..100).filter_map(|_| hush.turn(at)).collect::<Vec<_>>();
        let mut want = vec![Turn { unsaid: 0, is_last: false }; 5];
        want[4].is_last = true;
        assert_eq!(said(&mut hush, now), want);
        want[0].unsaid = 95;
        assert_eq!(said(&mut hush, now + SPAN), want);
        assert_eq!(want[0].to_string(), " (95 more before it were not written here)");
        assert_eq!(want[1].to_string(), "");
    }
}
