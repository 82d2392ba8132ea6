//! `log` and `print`: what a script says goes to the log, a little at a time.
//!
//! Control characters are escaped and lines are cut, because what a script says
//! may come from the wire.

use std::time::{Duration, Instant};

use mlua::Lua;

/// Lines a script may say in a second.
const LINES_MAX: u32 = 10;
/// Characters of a line.
const LINE_CHARS_MAX: usize = 400;

/// How much has been said lately.
#[derive(Default)]
pub struct Talk {
    since: Option<Instant>,
    lines: u32,
}

impl Talk {
    fn may(&mut self, now: Instant) -> bool {
        match self.since {
            Some(since) if now.duration_since(since) < Duration::from_secs(1) => self.lines += 1,
            _ => {
                if self.lines > LINES_MAX {
                    tracing::info!(target: "script", "{} more lines not shown", self.lines - LINES_MAX);
                }
                (self.since, self.lines) = (Some(now), 1);
            }
        }
        self.lines <= LINES_MAX
    }
}

/// Says the values, parted by blanks.
pub fn say(lua: &Lua, values: &[mlua::Value]) {
    let may = lua.app_data_mut::<Talk>().is_some_and(|mut talk| talk.may(Instant::now()));
    if !may {
        return;
    }
    let mut line = String::new();
    for value in values {
        let text = value.to_string().unwrap_or_else(|_| value.type_name().to_owned());
        let room = LINE_CHARS_MAX.saturating_sub(line.len());
        line.extend(text.chars().take(room).flat_map(char::escape_debug));
        line.push(' ');
    }
    tracing::info!(target: "script", "{}", line.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chatty_script_is_cut_short() {
        let mut talk = Talk::default();
        let now = Instant::now();
        let said = (0..100).filter(|_| talk.may(now)).count();
        assert_eq!(said, LINES_MAX as usize);
        assert!(talk.may(now + Duration::from_secs(2)));
    }
}
