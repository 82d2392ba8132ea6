//! A line of a text with a place in it underlined, as messages show it.
//!
//! ```text
//!   value = { n = cout() }
//!                 ^^^^
//! ```

use std::fmt;
use std::ops::Range;

/// The most characters of a line that are shown.
const CHARS_MAX: usize = 160;
/// How many of them stand before the place where a line is cut.
const CHARS_BEFORE: usize = 60;

/// A line, and the part of it to underline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    line: String,
    // Characters of the line.
    at: Range<usize>,
}

impl Quote {
    /// Bytes `at` of `text`, in the line they begin in. A place beyond the text stands at its end.
    pub fn of(text: &str, at: Range<usize>) -> Self {
        let start = floor(text, at.start);
        let end = floor(text, at.end.max(start));
        let line_start = text[..start].rfind('\n').map_or(0, |n| n + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |n| start + n);
        // Tabs and control characters become one column each, so that the carets stand right.
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let line = text[line_start..line_end].chars().map(plain);
        let before = text[line_start..start].chars().count();
        let width = text[start..end.min(line_end)].chars().count().max(1);
        let skipped = if before > CHARS_MAX - CHARS_BEFORE { before - CHARS_BEFORE } else { 0 };
        let line = line.skip(skipped).take(CHARS_MAX).collect::<String>();
        let start = before - skipped;
        Self { at: start..(start + width).min(CHARS_MAX + 1), line: line.trim_end().to_owned() }
    }

    /// The line and what underlines it, each indented by two; `paint` colours the carets.
    pub fn render(&self, paint: impl Fn(&str) -> String) -> String {
        let carets = paint(&"^".repeat(self.at.len()));
        format!("  {}\n  {}{carets}", self.line, " ".repeat(self.at.start))
    }
}

impl fmt::Display for Quote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(str::to_owned))
    }
}

/// The number of the line, from 1, in which byte `at` of a text lies.
pub fn line_number(text: &str, at: usize) -> usize {
    text[..floor(text, at)].matches('\n').count() + 1
}

/// Where line `number`, from 1, stands in `text`, without the blanks around it; none where there is
/// nothing in it.
pub fn line_range(text: &str, number: u32) -> Option<Range<usize>> {
    let before = usize::try_from(number).ok()?.checked_sub(1)?;
    let start: usize = text.split_inclusive('\n').take(before).map(str::len).sum();
    let line = text.get(start..)?.split('\n').next()?;
    let indent = line.len() - line.trim_start().len();
    (!line.trim().is_empty()).then(|| start + indent..start + line.trim_end().len())
}

/// The last character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, at: Range<usize>, want: &str) {
        assert_eq!(Quote::of(text, at).to_string(), want);
    }

    #[test]
    fn a_place_is_underlined_in_its_line() {
        check("tcp.prot == 443", 0..8, "  tcp.prot == 443\n  ^^^^^^^^");
        check("a = 1\n\tb = é2\nc", 13..14, "   b = é2\n        ^");
        check("a = 1\nb = 2", 0..99, "  a = 1\n  ^^^^^");
        check("tcp and", 7..99, "  tcp and\n         ^");
        check("", 0..0, "  \n  ^");
    }

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let text = format!("{}wrong{}", "a".repeat(500), "b".repeat(500));
        let shown = Quote::of(&text, 500..505).to_string();
        let (line, carets) = shown.split_once('\n').expect("two lines");
        assert_eq!((line.len(), carets.trim_start()), (CHARS_MAX + 2, "^^^^^"));
        assert_eq!(&line[carets.find('^').expect("a caret")..][..5], "wrong");
        check(&text, 0..1000, &format!("  {}\n  {}", &text[..160], "^".repeat(161)));
    }

    #[test]
    fn a_line_is_found_by_its_number() {
        let text = "one\n  two \n\nfour";
        let lines = [None, Some(0..3), Some(6..9), None, Some(12..16), None];
        for (number, want) in (0..).zip(lines) {
            assert_eq!(line_range(text, number), want, "{number}");
        }
        assert_eq!([0, 3, 4, 12, 99].map(|at| line_number(text, at)), [1, 1, 2, 4, 4]);
    }
}
