//! Tokens of either language: just enough to tell code from comments and texts.
//!
//! Any bytes can be cut into tokens; what is not understood becomes a mark.

use super::Language;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A name or a keyword.
    Word,
    /// A number.
    Number,
    /// A quoted text, quotes included.
    Text,
    /// One other character.
    Mark,
}

/// A piece of source text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub shape: Shape,
    /// As written.
    pub text: &'a str,
    /// The byte it starts at.
    pub at: usize,
    /// The line it starts on, from 1.
    pub line: u32,
}

impl Token<'_> {
    /// Whether it is the word or the mark `text`.
    pub fn is(&self, text: &str) -> bool {
        self.text == text && matches!(self.shape, Shape::Word | Shape::Mark)
    }

    /// The name it stands for where names may be quoted: a word, or a text without its quotes.
    pub fn name(&self) -> Option<&str> {
        match self.shape {
            Shape::Word => Some(self.text),
            Shape::Text => self.text.get(1..self.text.len().saturating_sub(1)),
            _ => None,
        }
    }
}

/// The words of Lua that name nothing.
pub const KEYWORDS: [&str; 21] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local",
    "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
];

/// The tokens of `source`, comments left out.
pub fn tokens(source: &str, language: Language) -> Vec<Token<'_>> {
    cut(source, language, false)
}

/// The same, where in Lua what is computed inside an interpolated text is cut as well:
/// `` `a {b} c` `` is the text `` `a ``, a bracket, a name, a bracket and the text `` c` ``.
pub fn code(source: &str, language: Language) -> Vec<Token<'_>> {
    cut(source, language, language == Language::Lua)
}

fn cut(source: &str, language: Language, inside: bool) -> Vec<Token<'_>> {
    let bytes = source.as_bytes();
    let mut cutter = Cutter { source, bytes, language, at: 0, line: 1, inside, open: Vec::new() };
    let mut found = Vec::new();
    while let Some(token) = cutter.next() {
        found.push(token);
    }
    found
}

struct Cutter<'a> {
    source: &'a str,
    bytes: &'a [u8],
    language: Language,
    at: usize,
    line: u32,
    /// Whether what lies inside interpolated texts is cut.
    inside: bool,
    /// For each interpolated text around: how many brackets are open within its own. Where the
    /// innermost has none, its text goes on.
    open: Vec<u32>,
}

impl<'a> Cutter<'a> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn starts(&self, text: &str) -> bool {
        self.bytes[self.at..].starts_with(text.as_bytes())
    }

    fn skip_to(&mut self, end: usize) {
        let end = end.min(self.bytes.len());
        let lines = self.bytes[self.at..end].iter().filter(|b| **b == b'\n').count();
        self.line = self.line.saturating_add(lines as u32);
        self.at = end;
    }

    /// The place behind the first `mark` at or after `from`, or the end.
    fn behind(&self, from: usize, mark: &str) -> usize {
        let rest = self.source.get(from..).unwrap_or("");
        rest.find(mark).map_or(self.bytes.len(), |at| from + at + mark.len())
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let resumes = self.open.last() == Some(&0);
        if !resumes {
            self.skip_blanks();
        }
        let (start, line) = (self.at, self.line);
        let first = *self.bytes.get(start)?;
        let (shape, end) = match first {
            _ if resumes && first != b'{' => (Shape::Text, self.interpolated(start)),
            b'`' if self.inside => {
                self.open.push(0);
                (Shape::Text, self.interpolated(start + 1))
            }
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => (Shape::Word, self.run(start, false)),
            b'0'..=b'9' => (Shape::Number, self.run(start, true)),
            b'"' | b'\'' | b'`' => (Shape::Text, self.quoted(first)),
            b'[' if self.language == Language::Lua => match self.long_bracket(start) {
                Some(end) => (Shape::Text, end),
                None => (Shape::Mark, start + 1),
            },
            _ => {
                match (first, self.open.last_mut()) {
                    (b'{', Some(open)) => *open = open.saturating_add(1),
                    (b'}', Some(open)) => *open = open.saturating_sub(1),
                    _ => {}
                }
                let c = self.source.get(start..).and_then(|s| s.chars().next())?;
                (Shape::Mark, start + c.len_utf8())
            }
        };
        self.skip_to(end);
        let text = self.source.get(start..self.at).unwrap_or("");
        Some(Token { shape, text, at: start, line })
    }

    fn skip_blanks(&mut self) {
        while self.at < self.bytes.len() {
            let end = match (self.language, self.peek(0)) {
                (_, b) if b.is_ascii_whitespace() => self.at + 1,
                (Language::Lua, b'-') if self.starts("--") => {
                    let inner = self.at + 2;
                    let long = (self.peek(2) == b'[').then(|| self.long_bracket(inner)).flatten();
                    long.unwrap_or_else(|| self.behind(inner, "\n"))
                }
                (Language::Rhai, b'/') if self.starts("//") => self.behind(self.at, "\n"),
                (Language::Rhai, b'/') if self.starts("/*") => self.nested_comment(),
                _ => return,
            };
            self.skip_to(end);
        }
    }

    fn nested_comment(&self) -> usize {
        let (mut at, mut depth) = (self.at, 0u32);
        while at < self.bytes.len() {
            match &self.bytes[at..] {
                [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
                [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
                _ => at += 1,
            }
            if depth == 0 {
                break;
            }
        }
        at
    }

    /// The end of a name, or of a number with its fraction.
    fn run(&self, start: usize, number: bool) -> usize {
        let mut at = start;
        while let Some(b) = self.bytes.get(at) {
            let next = self.bytes.get(at + 1).copied().unwrap_or(0);
            let fraction = number && *b == b'.' && next.is_ascii_digit();
            if !(b.is_ascii_alphanumeric() || *b == b'_' || fraction) {
                break;
            }
            at += 1;
        }
        at
    }

    fn quoted(&self, quote: u8) -> usize {
        let mut at = self.at + 1;
        while let Some(b) = self.bytes.get(at) {
            at += match b {
                b'\\' => self.escaped(at),
                b if *b == quote => return at + 1,
                b'\n' if quote != b'`' && self.language == Language::Lua => return at,
                _ => 1,
            };
        }
        self.bytes.len()
    }

    /// How many bytes an escape in a text takes; in Lua `\z` takes the blanks behind it as well,
    /// and a line may end in two bytes.
    fn escaped(&self, at: usize) -> usize {
        let behind = self.bytes.get(at + 1..).unwrap_or_default();
        match behind {
            [b'z', blanks @ ..] if self.language == Language::Lua => {
                2 + blanks.iter().take_while(|b| b.is_ascii_whitespace() || **b == 11).count()
            }
            [b'\r', b'\n', ..] => 3,
            _ => 2,
        }
    }

    /// The end of a piece of an interpolated text: before the bracket that opens code, or behind
    /// the last quote.
    fn interpolated(&mut self, from: usize) -> usize {
        let mut at = from;
        while let Some(b) = self.bytes.get(at) {
            at += match b {
                b'\\' if self.bytes[at..].starts_with(b"\\u{") => 3,
                b'\\' => 2,
                b'{' => return at,
                b'`' => {
                    self.open.pop();
                    return at + 1;
                }
                _ => 1,
            };
        }
        self.bytes.len()
    }

    /// The end of `[[...]]` or `[==[...]==]` that opens at `start`.
    fn long_bracket(&self, start: usize) -> Option<usize> {
        let level = self.bytes[start + 1..].iter().take_while(|b| **b == b'=').count();
        if self.bytes.get(start + 1 + level) != Some(&b'[') {
            return None;
        }
        Some(self.behind(start + 2 + level, &format!("]{}]", "=".repeat(level))))
    }
}
