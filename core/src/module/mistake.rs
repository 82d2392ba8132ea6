//! What is wrong in a script, in parts: the place, the words, the line itself, what to try.
//!
//! Whoever finds a mistake has the text of the script at hand and quotes it there and then; who
//! shows it later, perhaps on another machine, needs no file for that.

use std::fmt;

use super::Limit;
use crate::quote::Quote;
use crate::render::is_hostile;

/// Something wrong in a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistake {
    /// The script, or the library; empty where it is none.
    pub file: String,
    /// The line, from 1; 0 where unknown.
    pub line: u32,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
    /// The line, with the place underlined.
    pub quote: Option<Quote>,
}

impl Mistake {
    /// Something wrong in a line of a script, which is not quoted.
    pub fn new(file: impl Into<String>, line: u32, message: impl Into<String>) -> Self {
        let message = in_line(message.into());
        Self { file: file.into(), line, message, ..Self::default() }
    }

    /// Where it is: `FILE:LINE`, as far as that is known.
    pub fn place(&self) -> String {
        match self.line {
            0 => self.file.clone(),
            line => format!("{}:{line}", self.file),
        }
    }
}

/// A text as it may stand in a line: what a script says may come from the wire, and line ends in it
/// would make lines of a log that nobody wrote.
pub fn in_line(text: String) -> String {
    if !text.chars().any(is_hostile) {
        return text;
    }
    let escape = |c: char| if is_hostile(c) { c.escape_default().to_string() } else { c.into() };
    text.chars().map(escape).collect()
}

/// In one line, without the quote.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(f, "{}: ", self.place())?;
        }
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

/// Something a module did wrong: a script error, a limit it passed. Counted, logged, never fatal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The limit that was passed; none where an error was raised.
    pub limit: Option<Limit>,
    /// What happened and where, and the limit's value where one was passed.
    pub mistake: Box<Mistake>,
    /// How many, and of what, it cost beside, in words: packets of the batch that were not looked
    /// at, records that were not stored.
    pub left_out: Option<(usize, &'static str)>,
}

impl Fault {
    /// What a module says that is no script.
    pub fn new(message: impl Into<String>) -> Self {
        Self::of(None, Mistake::new("", 0, message))
    }

    /// A mistake that a script made at work.
    pub fn of(limit: Option<Limit>, mistake: Mistake) -> Self {
        Self { limit, mistake: Box::new(mistake), left_out: None }
    }

    /// The same with the line of the script below it, for a log.
    pub fn shown(&self) -> String {
        self.shown_with(&"")
    }

    /// The same with a remark behind the message.
    pub(crate) fn shown_with(&self, remark: &dyn fmt::Display) -> String {
        match &self.mistake.quote {
            Some(quote) => format!("{self}{remark}\n{quote}"),
            None => format!("{self}{remark}"),
        }
    }
}

/// In one line.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mistake.fmt(f)?;
        match self.left_out {
            None => Ok(()),
            Some((count, what)) => write!(f, "; {count} {what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_says_as_much_of_its_place_as_is_known() {
        assert_eq!(Mistake::new("a.lua", 3, "no").to_string(), "a.lua:3: no");
        assert_eq!(Mistake::new("a.lua", 0, "no").to_string(), "a.lua: no");
        let hint = Some("try `yes`".to_owned());
        let told = Mistake { hint, ..Mistake::new("", 0, "no") };
        assert_eq!(told.to_string(), "no; try `yes`");
    }

    #[test]
    fn what_a_script_says_stays_in_its_line() {
        let told = Mistake::new("a.lua", 3, "e\n2026-01-01 ERROR forged\u{1b}[2J\u{202e}ü");
        let want = "a.lua:3: e\\n2026-01-01 ERROR forged\\u{1b}[2J\\u{202e}ü";
        assert_eq!(told.to_string(), want);
    }

    #[test]
    fn a_fault_shows_the_line_below_what_was_left_out() {
        let quote = Some(Quote::of("x.y", 2..3));
        let mistake = Mistake { quote, ..Mistake::new("a.lua", 1, "no") };
        let left_out = Some((7, "packets were left out"));
        let fault = Fault { left_out, ..Fault::of(None, mistake) };
        assert_eq!(fault.shown(), "a.lua:1: no; 7 packets were left out\n  x.y\n    ^");
    }
}
