//! Mistakes in scripts in a user's words: the line itself, the place in it, what was meant.
//!
//! Whoever finds a mistake knows its line and has a sentence about it; which of the line's words
//! the sentence is about follows from the sentence, which puts them in quotes.

use std::ops::Range;

use como_core::field::Field;
use como_core::filter::FilterError;
use como_core::module::{Mistake, ModuleError, in_line};
use como_core::quote::{Quote, line_number, line_range};

use crate::declare::Script;
use crate::scan::tokens::{Shape, Token, tokens};
use crate::scan::{Language, READ_ONLY, Read, Reads, followed, reads};

/// What to say of a `return` at the top level of a module.
pub const RETURNED: &str =
    "a module declares by plain top-level names and has no `return` outside its functions";

impl Script<'_> {
    /// What is wrong in a line of the script. What `message` says behind a semicolon is what would
    /// be right.
    pub fn mistake(&self, line: u32, message: impl Into<String>) -> Mistake {
        let message = in_line(message.into());
        let (message, hint) = parted(&message);
        match place(self, line, &message) {
            Some(at) => self.mistake_at(at, message, hint),
            None => {
                let quote = line_range(self.text, line).map(|at| Quote::of(self.text, at));
                Mistake { hint, quote, ..Mistake::new(self.file, line, message) }
            }
        }
    }

    /// The same, where what is meant stands in that column, from 1, unless the words tell.
    pub fn mistake_near(
        &self,
        line: u32,
        column: Option<usize>,
        message: impl Into<String>,
    ) -> Mistake {
        let message = in_line(message.into());
        let (what, hint) = parted(&message);
        let words = quoted(&what);
        let token = column.and_then(|column| token_at(self, line, column));
        // Where it is one of the words, it is that one.
        let token = token.filter(|at| {
            let named = self.text.get(at.clone()).is_some_and(|token| words.contains(&token));
            // What is expected is what does not stand there.
            named || what.starts_with("expecting") || place(self, line, &what).is_none()
        });
        match token {
            Some(at) => self.mistake_at(at, what, hint),
            None => self.mistake(line, message),
        }
    }

    /// What a mistake about nothing (`nothing`, as the language calls it) most likely is about: a
    /// field that the packet does not have, in which case `ask` tells what to ask first.
    pub fn about_nothing(&self, mistake: &mut Mistake, nothing: &str, ask: fn(&str) -> String) {
        let Some(at) = absent_field(self, mistake) else { return };
        let field = self.text.get(at.clone()).unwrap_or_default();
        mistake.quote = Some(Quote::of(self.text, at.clone()));
        mistake.hint = Some(format!(
            "`{field}` is {nothing} where a packet has none: ask `{}` first",
            ask(field)
        ));
    }

    /// The same of a place in the text, in bytes.
    pub fn mistake_at(
        &self,
        at: Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Mistake {
        let line = u32::try_from(line_number(self.text, at.start)).unwrap_or(0);
        let quote = Some(Quote::of(self.text, at));
        Mistake { hint, quote, ..Mistake::new(self.file, line, message) }
    }

    /// Where it would write into a packet.
    pub fn writes(&self, reads: &Reads) -> Vec<ModuleError> {
        let (what, hint) = parted(READ_ONLY);
        let error = |at: &Range<usize>| self.mistake_at(at.clone(), what.clone(), hint.clone());
        reads.written.iter().take(TOLD_MAX).map(|at| error(at).into()).collect()
    }

    /// What is wrong with the filter in `text`, which stands in or below that line.
    pub fn misfiltered(&self, line: u32, text: &str, error: &FilterError) -> Mistake {
        let start = line_range(self.text, line).map_or(0, |range| range.start);
        let message = format!("in the filter: {error}");
        let quoted = |t: &Token<'_>| t.shape == Shape::Text && t.name() == Some(text);
        let tokens = tokens(self.text, self.language);
        match tokens.iter().find(|t| t.at >= start && quoted(t)) {
            Some(found) => {
                // As long as nothing in it is written otherwise than it reads.
                let inner = found.at + 1;
                let at = error.at();
                self.mistake_at(inner + at.start..inner + at.end, message, error.hint())
            }
            None => {
                let shown: String = text.chars().take(80).collect();
                let message = format!("in the filter \"{}\": {error}", shown.escape_debug());
                let quote = line_range(self.text, line).map(|at| Quote::of(self.text, at));
                Mistake { hint: error.hint(), quote, ..Mistake::new(self.file, line, message) }
            }
        }
    }
}

/// The longest message kept of an error.
const MESSAGE_CHARS_MAX: usize = 500;

/// As much of a message as is kept: what a script says of itself may be as long as it likes.
pub fn shortened(message: &str) -> &str {
    match message.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => &message[..end],
        None => message,
    }
}

/// A message, and the hint behind its semicolon.
fn parted(message: &str) -> (String, Option<String>) {
    match message.split_once("; ") {
        Some((what, hint)) => (what.to_owned(), Some(hint.to_owned())),
        None => (message.to_owned(), None),
    }
}

/// Where the line of a mistake reads a field that not every packet has, and which may be what the
/// mistake is about.
fn absent_field(script: &Script<'_>, mistake: &Mistake) -> Option<Range<usize>> {
    let always = [Field::Len, Field::Ts, Field::Packets, Field::Bytes];
    let reads = if script.language == Language::Lua {
        followed(script.text)
    } else {
        reads(script.text, script.language)
    };
    let spots = reads.spots;
    let tokens = tokens(script.text, script.language);
    let counts = is_of_sign(&mistake.message);
    let spot = spots.iter().find(|spot| {
        let may_lack = matches!(spot.read, Read::Field(field) if !always.contains(&field));
        let here = line_number(script.text, spot.at.start) as u32 == mistake.line;
        may_lack && here && (!counts || is_operand(&tokens, &spot.at))
    })?;
    Some(spot.at.clone())
}

/// Whether a message is about what a sign counts with or compares.
fn is_of_sign(message: &str) -> bool {
    let signs = ["attempt to perform arithmetic", "attempt to compare", "attempt to concatenate"];
    let sign = message.strip_prefix('`').and_then(|rest| rest.chars().next());
    signs.iter().any(|start| message.starts_with(start))
        || sign.is_some_and(|sign| sign.is_ascii_punctuation() && sign != '_')
            && message.contains("` does not take ")
}

/// Whether what is read at `at` is what a sign takes itself: not what something is looked up by, or
/// what a function is given, and not what is looked into further.
fn is_operand(tokens: &[Token<'_>], at: &Range<usize>) -> bool {
    let first = tokens.partition_point(|token| token.at < at.start);
    let next = tokens.partition_point(|token| token.at < at.end);
    let is = |at: usize, texts: &[&str]| {
        tokens.get(at).is_some_and(|token| texts.iter().any(|text| token.is(text)))
    };
    let joins = is(next, &["."]) && is(next + 1, &["."]);
    let opened = first > 0 && is(first - 1, &["(", "[", ","]);
    let alone = opened && is(next, &[")", "]", ","]);
    !alone && (joins || !is(next, &[".", "[", "(", ":"]))
}

/// The most mistakes of one kind that are told at once: each is looked up in the text, and a text
/// could be full of them.
pub const TOLD_MAX: usize = 20;

/// How often reading goes on behind what is no Lua or no Rhai: each time all that follows is read.
pub const RESUMED_MAX: usize = 5;

/// The most lines that one statement is followed over.
const STATEMENT_LINES: u32 = 200;

/// Where the word stands that a message about a line is about: in that line, or as a text further
/// on in what begins there.
fn place(script: &Script<'_>, line: u32, message: &str) -> Option<Range<usize>> {
    let tokens = tokens(script.text, script.language);
    let first = tokens.iter().position(|t| t.line == line)?;
    let tokens = &tokens[first..];
    let in_line = &tokens[..tokens.iter().position(|t| t.line > line).unwrap_or(tokens.len())];
    let statement = &tokens[..statement(tokens)];
    let mut words = quoted(message);
    // The last says most: a field's path rather than the column it is for.
    words.reverse();
    words.iter().find_map(|word| {
        let last = || word.rsplit_once('.').and_then(|(_, last)| chain(statement, last));
        let named = || chain(statement, word).filter(|_| word.len() > 2);
        chain(in_line, word).or_else(|| text(statement, word)).or_else(last).or_else(named)
    })
}

/// The token in a column, from 1, of a line.
fn token_at(script: &Script<'_>, line: u32, column: usize) -> Option<Range<usize>> {
    let before = usize::try_from(line).ok()?.checked_sub(1)?;
    let start: usize = script.text.split_inclusive('\n').take(before).map(str::len).sum();
    let line = script.text.get(start..)?.lines().next()?;
    let (at, _) = line.char_indices().nth(column.checked_sub(1)?)?;
    let at = start + at;
    let tokens = tokens(script.text, script.language);
    let token = tokens.iter().find(|t| t.at <= at && at < t.at + t.text.len())?;
    Some(token.at..token.at + token.text.len())
}

/// How many tokens belong to what begins with the first: to the end of its line, and on as long as
/// brackets are open.
fn statement(tokens: &[Token<'_>]) -> usize {
    let Some(begun) = tokens.first().map(|t| t.line) else { return 0 };
    let mut depth = 0i64;
    for (at, token) in tokens.iter().enumerate() {
        let over = token.line > begun && depth <= 0;
        if over || token.line > begun.saturating_add(STATEMENT_LINES) {
            return at;
        }
        depth += ["{", "(", "["].iter().filter(|mark| token.is(mark)).count() as i64;
        depth -= ["}", ")", "]"].iter().filter(|mark| token.is(mark)).count() as i64;
    }
    tokens.len()
}

/// The words that a message puts in quotes.
fn quoted(message: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = message;
    while let Some(open) = rest.find(['`', '\'']) {
        let mark = &rest[open..=open];
        let Some((word, behind)) = rest[open + 1..].split_once(mark) else { break };
        words.push(word);
        rest = behind;
    }
    words.retain(|word| !word.is_empty());
    // A function of the library says its name first.
    let name = message.split_once(": ").map(|(name, _)| name);
    let is_name =
        |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
    words.extend(name.filter(is_name).filter(|name| !name.is_empty()));
    words
}

/// Where the tokens stand that make up `word`: `ip.src`, `==`.
fn chain(tokens: &[Token<'_>], word: &str) -> Option<Range<usize>> {
    let from = |at: usize| {
        let mut rest = word;
        for token in &tokens[at..] {
            rest = rest.strip_prefix(token.text)?;
            if rest.is_empty() {
                return Some(tokens[at].at..token.at + token.text.len());
            }
        }
        None
    };
    (0..tokens.len()).find_map(from)
}

/// Where `word` stands as a text, or in one.
fn text(tokens: &[Token<'_>], word: &str) -> Option<Range<usize>> {
    let mut texts = tokens.iter().filter(|t| t.shape == Shape::Text);
    texts.find_map(|t| {
        let name = t.name()?;
        let words = name.split([' ', '/', ',']).any(|part| part == word) || name == word;
        let at = t.at + 1 + name.find(word).filter(|_| words)?;
        Some(at..at + word.len())
    })
}

#[cfg(test)]
mod tests;
