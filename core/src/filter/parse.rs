//! The parser: one grammar for CoMo's words, tcpdump's words and named fields.
//!
//! `and` and `or` bind equally and from left to right, as in tcpdump; `not`
//! binds tighter, a comparison tighter still. Depth, length and the number of
//! terms are bounded, so that no text makes it slow or overflows the stack.

mod compare;
mod link;
mod primitive;
mod text;
mod value;

use std::ops::Range;

use crate::field::Kind;

use super::FilterError;
use super::expr::Expr;
use super::lex::{Lexer, Token};
use super::names;
use super::set::Ranges;
use super::term::{Arith, Key};
use primitive::Head;

/// The most bytes a filter may have.
pub const TEXT_BYTES_MAX: usize = 64 << 10;
/// How deep parentheses, and changes between `and` and `or`, may nest.
pub const DEPTH_MAX: usize = 100;
/// The most terms a filter may have.
pub const TERMS_MAX: usize = 8192;
/// The most arithmetic operators in one comparison.
const OPERATORS_MAX: usize = 64;

/// Something that is no error but may not mean what was meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// `and` and `or` stand together without parentheses.
    #[error("`and` and `or` bind equally, from left to right")]
    Mixed {
        /// Bytes of the source text to underline: the first operator that differs from those
        /// before.
        at: Range<usize>,
        /// The same with the parentheses written.
        suggestion: String,
    },
    /// What it asks for cannot be.
    #[error("no packet can pass this filter")]
    Never {
        /// Bytes of the source text to underline: all of it.
        at: Range<usize>,
    },
}

impl Warning {
    /// Bytes of the source text to underline.
    pub fn at(&self) -> Range<usize> {
        match self {
            Self::Mixed { at, .. } | Self::Never { at } => at.clone(),
        }
    }

    /// What to write instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Mixed { suggestion, .. } => Some(format!("this means `{suggestion}`")),
            Self::Never { .. } => None,
        }
    }
}

/// What a part of the text turned out to be.
enum Piece {
    /// A condition.
    Is(Expr),
    /// A number, and whether the user named it as a field, so that its limits apply.
    Number { value: Arith, named: Option<Key>, at: Range<usize> },
}

/// What tags were named to the left, which is what `vlan` twice and `ip[8]` hang on.
#[derive(Clone, Copy, Default)]
struct Tags {
    vlans: u8,
    labels: u8,
    /// Whether any was, so that header bytes mean those behind the tags.
    any: bool,
}

impl Tags {
    /// What is certain after either of two alternatives.
    fn either(self, other: Self) -> Self {
        Self {
            vlans: self.vlans.min(other.vlans),
            labels: self.labels.min(other.labels),
            any: self.any || other.any,
        }
    }
}

pub struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The qualifiers that a bare value after `and` or `or` inherits.
    head: Option<Head>,
    /// The word before it that takes a number, and of which nothing is inherited: `vlan`.
    counted: Option<&'static str>,
    tags: Tags,
    depth: usize,
    terms: usize,
    operators: usize,
    /// What the header bytes of the comparison being read ask for besides.
    guards: Vec<Expr>,
    /// Where the last token taken ended.
    end: usize,
    warnings: Vec<Warning>,
}

type Result<T> = std::result::Result<T, FilterError>;

impl<'a> Parser<'a> {
    pub fn new(text: &'a str) -> Self {
        Self {
            lexer: Lexer::new(text),
            head: None,
            counted: None,
            tags: Tags::default(),
            depth: 0,
            terms: 0,
            operators: 0,
            guards: Vec::new(),
            end: 0,
            warnings: Vec::new(),
        }
    }

    /// The whole text as an expression, with what may not mean what was meant.
    pub fn run(mut self) -> Result<(Expr, Vec<Warning>)> {
        if self.lexer.peek()?.0 == Token::End {
            return Ok((Expr::ALL, Vec::new()));
        }
        let start = self.lexer.peek()?.1.start;
        let piece = self.chain()?;
        let expr = self.condition(piece)?;
        // Who writes `not all` means it.
        if expr.is_none() && self.lexer.slice(start..self.end) != "not all" {
            self.warnings.push(Warning::Never { at: start..self.end });
        }
        match self.lexer.peek()? {
            (Token::End, _) => Ok((expr, self.warnings)),
            _ => Err(self.expected("`and`, `or` or the end", None)),
        }
    }

    /// Operands joined by `and` and `or`.
    fn chain(&mut self) -> Result<Piece> {
        let start = self.lexer.peek()?.1.start;
        let before = self.tags;
        let first = self.operand()?;
        let Some(mut and) = self.joiner()? else { return Ok(first) };
        let mut parts = vec![self.condition(first)?];
        // Where the chain changed between `and` and `or`, and what was parsed until there.
        let mut changes: Vec<(Range<usize>, usize)> = Vec::new();
        loop {
            let (_, operator) = self.lexer.peek()?;
            if self.joiner()? != Some(and) {
                changes.push((operator.clone(), self.end));
                if changes.len() + self.depth > DEPTH_MAX {
                    return Err(too_deep(operator));
                }
                let left = joined(and, std::mem::take(&mut parts));
                parts.push(left);
                and = !and;
            }
            self.take()?;
            let so_far = self.tags;
            if !and {
                self.tags = before;
            }
            let part = self.operand()?;
            if !and {
                self.tags = so_far.either(self.tags);
            }
            parts.push(self.condition(part)?);
            if self.joiner()?.is_none() {
                break;
            }
        }
        if let Some((operator, _)) = changes.first() {
            let suggestion = self.parenthesized(start, &changes);
            self.warnings.push(Warning::Mixed { at: operator.clone(), suggestion });
        }
        Ok(Piece::Is(joined(and, parts)))
    }

    /// The text of a chain with parentheses around everything before each change of operator.
    fn parenthesized(&self, start: usize, changes: &[(Range<usize>, usize)]) -> String {
        let mut text = "(".repeat(changes.len());
        let mut from = start;
        for (_, end) in changes {
            text.push_str(self.lexer.slice(from..*end).trim());
            text.push(')');
            text.push(' ');
            from = *end;
        }
        text.push_str(self.lexer.slice(from..self.end).trim());
        text
    }

    /// Whether `and` or `or` follows: true for `and`.
    fn joiner(&self) -> Result<Option<bool>> {
        let (token, at) = self.lexer.peek()?;
        Ok(match (token, self.lexer.slice(at)) {
            (Token::Word, "and") | (Token::Op(_), "&&") => Some(true),
            (Token::Word, "or") | (Token::Op(_), "||") => Some(false),
            _ => None,
        })
    }

    /// `not`s and what they apply to.
    fn operand(&mut self) -> Result<Piece> {
        let mut negated = false;
        let before = self.tags;
        while self.follows("!")? || self.follows("not")? {
            self.take()?;
            negated = !negated;
        }
        let piece = match self.head {
            Some(head) if self.inherits(&head)? => Piece::Is(self.values(head)?),
            _ => self.comparison()?,
        };
        if !negated {
            return Ok(piece);
        }
        // What is not there says nothing about where the headers are.
        self.tags = before;
        Ok(Piece::Is(self.condition(piece)?.not()))
    }

    /// What stands in parentheses.
    fn group(&mut self) -> Result<Piece> {
        let (_, open) = self.take()?;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(too_deep(open));
        }
        let head = self.head;
        let piece = self.chain()?;
        self.head = head;
        self.depth -= 1;
        if !self.follows(")")? {
            let hint = Some("the parenthesis that is open here has no end".to_owned());
            return Err(match self.lexer.peek()?.0 {
                Token::End => FilterError::Expected {
                    want: "`)`".to_owned(),
                    found: "the end of the filter".to_owned(),
                    at: open,
                    hint,
                },
                _ => self.expected("`and`, `or` or `)`", None),
            });
        }
        self.take()?;
        Ok(piece)
    }

    /// A word that begins a condition or names a number.
    fn word(&mut self) -> Result<Piece> {
        let (_, at) = self.take()?;
        let name = self.lexer.slice(at.clone());
        self.count(&at)?;
        self.counted = None;
        if let Some(piece) = self.primitive(name, &at)? {
            return Ok(piece);
        }
        if let Some(piece) = self.named(name, &at)? {
            return Ok(piece);
        }
        if let Some(why) = names::lookup(names::UNAVAILABLE, name) {
            return Err(FilterError::Unavailable { word: name.to_owned(), why, at });
        }
        if self.follows("[")? {
            return Err(FilterError::Mismatch {
                why: format!("`{name}` has no header bytes to test"),
                at,
                hint: Some("write `ether[..]`, `ip[..]`, `ip6[..]`, `tcp[..]` or `udp[..]`".into()),
            });
        }
        if names::is_word(name) {
            let (want, found) = ("a condition".to_owned(), format!("`{name}`"));
            return Err(FilterError::Expected { want, found, at, hint: None });
        }
        Err(FilterError::UnknownName {
            name: name.to_owned(),
            nearest: names::nearest(name.strip_prefix("pkt.").unwrap_or(name)),
            at,
        })
    }

    /// Counts one more term.
    fn count(&mut self, at: &Range<usize>) -> Result<()> {
        self.terms += 1;
        if self.terms <= TERMS_MAX {
            return Ok(());
        }
        Err(FilterError::TooMuch { what: "too many terms", max: TERMS_MAX, at: at.clone() })
    }

    /// Takes a piece as a condition.
    fn condition(&mut self, piece: Piece) -> Result<Expr> {
        let (value, named, at) = match piece {
            Piece::Is(expr) => return Ok(expr),
            Piece::Number { named: Some(key @ Key::Field(field)), .. }
                if field.kind() == Kind::Bool =>
            {
                return Ok(Expr::number(key, Ranges::of(1, 1)));
            }
            Piece::Number { value, named, at } => (value, named, at),
        };
        let text = self.lexer.slice(at.clone());
        let hint = match (value, self.counted) {
            (Arith::Const(_), Some(word)) => format!("write `{word} {text}`"),
            (Arith::Const(_), None) => {
                format!("write `port {text}`, or compare it with something")
            }
            _ if named.is_some() => format!("compare it, as in `{text} > 0`"),
            _ => format!("compare it, as in `{text} != 0`"),
        };
        Err(FilterError::Mismatch {
            why: format!("`{text}` is a number and no condition"),
            at,
            hint: Some(hint),
        })
    }

    /// Takes the next token.
    fn take(&mut self) -> Result<(Token, Range<usize>)> {
        let found = self.lexer.next()?;
        self.end = found.1.end;
        Ok(found)
    }

    /// Whether the next token is this word or operator.
    fn follows(&self, text: &str) -> Result<bool> {
        let (token, at) = self.lexer.peek()?;
        Ok(matches!(token, Token::Word | Token::Op(_)) && self.lexer.slice(at) == text)
    }

    /// Takes the next token if it is this word or operator.
    fn takes(&mut self, text: &str) -> Result<bool> {
        let follows = self.follows(text)?;
        if follows {
            self.take()?;
        }
        Ok(follows)
    }

    /// Takes the operator or word that must stand here.
    fn must(&mut self, text: &str) -> Result<()> {
        if self.takes(text)? { Ok(()) } else { Err(self.expected(&format!("`{text}`"), None)) }
    }

    /// The error that something else should stand where the next token does.
    fn expected(&self, want: &str, hint: Option<String>) -> FilterError {
        let (found, at) = match self.lexer.peek() {
            Ok((Token::End, at)) => ("the end of the filter".to_owned(), at),
            Ok((_, at)) => (format!("`{}`", self.lexer.slice(at.clone())), at),
            Err(e) => return e,
        };
        let is_quoted = found.starts_with("`\"") && want.contains("address");
        let hint = hint.or_else(|| is_quoted.then(|| "write it without quotes".to_owned()));
        FilterError::Expected { want: want.to_owned(), found, at, hint }
    }
}

fn joined(and: bool, parts: Vec<Expr>) -> Expr {
    if and { Expr::all_of(parts) } else { Expr::any_of(parts) }
}

fn too_deep(at: Range<usize>) -> FilterError {
    FilterError::TooMuch { what: "nested too deep", max: DEPTH_MAX, at }
}
