//! Errors and warnings as the user sees them: what, where, and what to try.
//!
//! ```text
//! error: unknown field `tcp.prot`
//!   tcp.prot == 443
//!   ^^^^^^^^
//! hint: did you mean `tcp.port`?
//! ```

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::ops::Range;

use como_core::module::Mistake;
pub use como_core::nearest::nearest;
use como_core::quote::{Quote, line_number};
use como_core::render::tamed;
pub use como_core::source::with_causes;

/// What a verb ends with.
pub type Result<T = ()> = std::result::Result<T, Failure>;

/// Why a verb failed. Whatever ends a verb becomes one of these, and so one message.
#[derive(Debug)]
pub struct Failure {
    message: Box<Message>,
    /// What else is wrong.
    more: Vec<Message>,
    code: u8,
}

impl Failure {
    /// Something failed: exit code 1.
    pub fn new(what: impl Into<String>) -> Self {
        Self { message: Box::new(Message::new(what)), more: Vec::new(), code: 1 }
    }

    /// The command line makes no sense: exit code 2.
    pub fn usage(what: impl Into<String>) -> Self {
        Self { message: Box::new(Message::new(what)), more: Vec::new(), code: 2 }
    }

    /// The same with something to try.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.message = Box::new(self.message.hint(hint));
        self
    }

    /// The same with the place in the text where it is wrong.
    pub fn at(mut self, origin: &str, text: &str, at: Range<usize>) -> Self {
        self.message = Box::new(self.message.at(origin, text, at));
        self
    }

    /// The same as a mistake in a file rather than on the command line: exit code 1.
    pub fn in_file(self) -> Self {
        Self { code: self.code.min(1), ..self }
    }

    /// The same as a mistake in a file, and with the place there, where it has none of its own.
    pub fn within(self, origin: &str, text: &str, at: Range<usize>) -> Self {
        let placed = self.message.place.is_some();
        let failure = if placed { self } else { self.at(origin, text, at) };
        failure.in_file()
    }

    /// A mistake in a script.
    pub fn of(mistake: &Mistake) -> Self {
        Self { message: Box::new(Message::of(mistake)), more: Vec::new(), code: 1 }
    }

    /// The same, and something else that is wrong as well.
    pub fn and(mut self, other: Self) -> Self {
        self.more.push(*other.message);
        self.more.extend(other.more);
        self
    }

    /// Whether the reader of our output has gone, which is no failure of ours.
    pub fn is_broken_pipe(&self) -> bool {
        self.code == 0
    }

    /// What the process ends with.
    pub fn code(&self) -> u8 {
        self.code
    }

    /// What it says, for a log: without the level in front and the line end behind.
    pub fn text(&self) -> String {
        let shown = self.to_string();
        shown.strip_prefix("error: ").unwrap_or(&shown).trim_end().to_owned()
    }

    /// Shows it on standard error.
    pub fn show(&self) {
        if !self.is_broken_pipe() {
            std::iter::once(&*self.message).chain(&self.more).for_each(|m| m.show("error"));
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = std::iter::once(&*self.message).chain(&self.more);
        all.map(|message| message.render("error", false)).try_for_each(|text| f.write_str(&text))
    }
}

/// Any error with its causes. A reader that has gone away ends us quietly.
impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let code = u8::from(!is_broken_pipe(&error));
        Self { message: Box::new(Message::new(with_causes(&error))), more: Vec::new(), code }
    }
}

/// Whether an error is, or comes from, a reader that closed its end.
fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
        || error.source().is_some_and(is_broken_pipe)
}

/// One thing to tell the user.
#[derive(Debug)]
pub struct Message {
    what: String,
    place: Option<Place>,
    hints: Vec<String>,
}

/// Where it is wrong.
#[derive(Debug)]
struct Place {
    /// `como.toml:7`; empty where the text is the command line's own.
    origin: String,
    /// What stands there, where that is known.
    quote: Option<Quote>,
}

impl Message {
    /// A message without a place.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), place: None, hints: Vec::new() }
    }

    /// A mistake in a script.
    pub fn of(mistake: &Mistake) -> Self {
        let message = Self::new(mistake.message.trim_end());
        let message = message.quoting(mistake.place(), mistake.quote.clone());
        mistake.hint.iter().fold(message, |message, hint| message.hint(hint))
    }

    /// The same with something to try.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same with bytes `at` of `text` underlined. A text of many lines is named by `origin`
    /// and the line's number; a filter has no origin.
    pub fn at(self, origin: &str, text: &str, at: Range<usize>) -> Self {
        let number = line_number(text, at.start);
        let origin = if origin.is_empty() { String::new() } else { format!("{origin}:{number}") };
        self.quoting(origin, Some(Quote::of(text, at)))
    }

    /// The same with the place as whoever found it noted it.
    pub fn quoting(mut self, origin: String, quote: Option<Quote>) -> Self {
        self.place = Some(Place { origin, quote });
        self
    }

    /// Shows it on standard error, in colour on a terminal.
    pub fn show(&self, level: &str) {
        let stderr = io::stderr();
        let colour = stderr.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        // Nothing can be said when standard error is gone.
        let _ = stderr.lock().write_all(self.render(level, colour).as_bytes());
    }

    fn render(&self, level: &str, colour: bool) -> String {
        let paint = |code: &str, text: &str| match colour {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        };
        let level_colour = if level == "error" { "1;31" } else { "1;33" };
        let what = tamed(&self.what);
        let mut out = format!("{} {what}\n", paint(level_colour, &format!("{level}:")));
        if let Some(place) = &self.place {
            if !place.origin.is_empty() {
                out += &format!("  {}\n", paint("2", &tamed(&place.origin)));
            }
            if let Some(quote) = &place.quote {
                out += &quote.render(|carets| paint(level_colour, carets));
                out.push('\n');
            }
        }
        for hint in &self.hints {
            out += &format!("{} {}\n", paint("1;36", "hint:"), tamed(hint));
        }
        out
    }
}

/// Says something on standard error; there is nobody to tell if that is gone.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{}", tamed(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(failure: Failure, want: &str) {
        assert_eq!(failure.to_string(), want);
    }

    #[test]
    fn a_filter_is_underlined() {
        check(
            Failure::new("unknown field `tcp.prot`").at("", "tcp.prot == 443", 0..8).hint("did"),
            "error: unknown field `tcp.prot`\n  tcp.prot == 443\n  ^^^^^^^^\nhint: did\n",
        );
    }

    #[test]
    fn a_place_in_a_file_is_named_by_line() {
        check(
            Failure::new("bad").at("como.toml", "a = 1\n\tb = é2\n", 13..14),
            "error: bad\n  como.toml:2\n   b = é2\n        ^\n",
        );
    }

    #[test]
    fn a_place_past_the_end_stands_at_the_end() {
        check(Failure::new("cut").at("", "tcp and", 7..99), "error: cut\n  tcp and\n         ^\n");
        check(Failure::new("no").at("", "", 0..0), "error: no\n  \n  ^\n");
    }

    #[test]
    fn what_a_message_quotes_cannot_steer_a_terminal() {
        check(Failure::new("no \x1b[2J\nhere"), "error: no \\u{1b}[2J\nhere\n");
        check(
            Failure::new("no").hint("try\x1b[2J \u{202e}"),
            "error: no\nhint: try\\u{1b}[2J \\u{202e}\n",
        );
    }

    #[test]
    fn a_log_gets_what_was_said_and_no_more() {
        assert_eq!(Failure::new("no `x`").hint("try `y`").text(), "no `x`\nhint: try `y`");
    }

    #[test]
    fn causes_follow_in_one_line() {
        let missing = io::Error::from_raw_os_error(2);
        check(missing.into(), "error: No such file or directory\n");
    }

    #[test]
    fn a_reader_that_left_is_no_failure() {
        let gone = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(gone.is_broken_pipe());
        assert_eq!(gone.code(), 0);
    }
}
