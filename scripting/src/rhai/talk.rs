//! `print`, `debug` and `log`: what a script says goes to the log, a little at a time.
//!
//! Control characters are escaped and lines are cut, because what a script says
//! may come from the wire.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Lines a script may say in a second.
const LINES_MAX: u32 = 10;
/// Characters of a line.
const LINE_CHARS_MAX: usize = 400;

/// How much one script has said lately.
#[derive(Debug)]
pub(super) struct Talk {
    script: String,
    second: Mutex<(Option<Instant>, u32)>,
}

impl Talk {
    /// Nothing said yet.
    pub fn new(script: &str) -> Self {
        Self { script: script.to_owned(), second: Mutex::default() }
    }

    /// Says a line, unless too many were said within this second.
    pub fn say(&self, text: &str) {
        if self.may(Instant::now()) {
            let text: String =
                text.chars().take(LINE_CHARS_MAX).flat_map(char::escape_debug).collect();
            tracing::info!(target: "script", script = self.script, "{text}");
        }
    }

    fn may(&self, now: Instant) -> bool {
        let mut second = self.second.lock();
        match second.0 {
            Some(since) if now.duration_since(since) < Duration::from_secs(1) => {
                second.1 = second.1.saturating_add(1);
            }
            _ => {
                let untold = second.1.saturating_sub(LINES_MAX);
                if untold > 0 {
                    tracing::info!(target: "script", script = self.script, "{untold} more lines not shown");
                }
                *second = (Some(now), 1);
            }
        }
        second.1 <= LINES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chatty_script_is_cut_short() {
        let talk = Talk::new("chatty");
        let now = Instant::now();
        let said = (0..100).filter(|_| talk.may(now)).count();
        assert_eq!(said, LINES_MAX as usize);
        assert!(talk.may(now + Duration::from_secs(2)));
    }
}
