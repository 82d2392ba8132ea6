//! What a script says goes to the log, so many lines a minute.
//!
//! Control characters are escaped and lines are cut, because what a script says may come from the
//! wire. Lines that are too many are counted.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Characters of a line.
pub const LINE_CHARS_MAX: usize = 400;
/// How long lines are counted before the count begins anew.
const SPAN: Duration = Duration::from_secs(60);

/// How much one script has said lately.
#[derive(Debug)]
pub struct Talk {
    script: String,
    lines_max: u32,
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    since: Option<Instant>,
    lines: u32,
    muted: u64,
}

impl Talk {
    /// Nothing said yet; at most `lines_max` lines a minute.
    pub fn new(script: &str, lines_max: u32) -> Self {
        Self { script: script.to_owned(), lines_max, said: Mutex::default() }
    }

    /// Says the line that `text` makes, unless too many were said within this minute.
    pub fn say(&self, text: impl FnOnce() -> String) {
        let script = self.script.as_str();
        match self.may(Instant::now()) {
            Some(true) => {
                let text = text();
                let line = text.chars().take(LINE_CHARS_MAX).flat_map(char::escape_debug);
                let line: String = line.collect();
                tracing::info!(target: "script", script, "{}", line.trim_end());
            }
            Some(false) => {
                let max = self.lines_max;
                tracing::warn!(target: "script", script, "more than {max} lines in a minute: the \
                    rest is not shown");
            }
            None => {}
        }
    }

    /// The script's file.
    pub fn script(&self) -> &str {
        &self.script
    }

    /// Lines that were too many.
    pub fn muted(&self) -> u64 {
        self.said.lock().muted
    }

    /// Whether a line may be said, or it is to be said that there are too many, or nothing.
    fn may(&self, now: Instant) -> Option<bool> {
        let mut said = self.said.lock();
        if said.since.is_none_or(|since| now.duration_since(since) >= SPAN) {
            (said.since, said.lines) = (Some(now), 0);
        }
        said.lines = said.lines.saturating_add(1);
        if said.lines <= self.lines_max {
            return Some(true);
        }
        said.muted += 1;
        (said.lines == self.lines_max.saturating_add(1)).then_some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chatty_script_is_cut_short_and_told_so_once() {
        let talk = Talk::new("chatty", 5);
        let now = Instant::now();
        let answers: Vec<_> = (0..100).map(|_| talk.may(now)).collect();
        assert!(answers[..5].iter().all(|answer| *answer == Some(true)));
        assert_eq!(answers[5], Some(false));
        assert!(answers[6..].iter().all(Option::is_none));
        assert_eq!(talk.muted(), 95);
        assert_eq!(talk.may(now + SPAN), Some(true));
    }
}
