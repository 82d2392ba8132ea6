//! What can be wrong with a filter, where, and what to try instead.

use std::ops::Range;

/// Why a filter was rejected. Nothing was captured with it, so none is fatal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// A character that means nothing in the language.
    #[error("unexpected character {}", shown(*found))]
    Character {
        /// The character.
        found: char,
        /// Bytes of the source text to underline.
        at: Range<usize>,
    },
    /// A text in quotes does not end, or an escape in it means nothing.
    #[error("{why}")]
    Text {
        /// What is wrong.
        why: &'static str,
        /// Bytes of the source text to underline.
        at: Range<usize>,
    },
    /// Something else should stand here.
    #[error("expected {want}, found {found}")]
    Expected {
        /// What should.
        want: String,
        /// What does.
        found: String,
        /// Bytes of the source text to underline.
        at: Range<usize>,
        /// What could be written instead.
        hint: Option<String>,
    },
    /// The name is in no table.
    #[error("unknown {} `{name}`", if name.contains('.') { "field" } else { "word" })]
    UnknownName {
        /// As the user wrote it.
        name: String,
        /// Bytes of the source text to underline.
        at: Range<usize>,
        /// The closest known name, if one is close.
        nearest: Option<&'static str>,
    },
    /// A value is not what its place asks for: not a port, not an address, too great.
    #[error("{why}")]
    Value {
        /// What is wrong.
        why: String,
        /// Bytes of the source text to underline.
        at: Range<usize>,
        /// What could be written instead.
        hint: Option<String>,
    },
    /// Words that make no sense together: `ip6 host 10.0.0.1`, `tcp host`, a number as a condition.
    #[error("{why}")]
    Mismatch {
        /// What does not fit.
        why: String,
        /// Bytes of the source text to underline.
        at: Range<usize>,
        /// What could be written instead.
        hint: Option<String>,
    },
    /// The language knows the word, but no source offers what it reads.
    #[error("`{word}` cannot be used here: {why}")]
    Unavailable {
        /// The word.
        word: String,
        /// What it needs, and which source offers that.
        why: &'static str,
        /// Bytes of the source text to underline.
        at: Range<usize>,
    },
    /// Too long, too many terms, or nested too deep.
    #[error("{what}: at most {max} are allowed")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// The most allowed.
        max: usize,
        /// Bytes of the source text to underline.
        at: Range<usize>,
    },
}

impl FilterError {
    /// Bytes of the source text to underline; may be empty at its end.
    pub fn at(&self) -> Range<usize> {
        match self {
            Self::Character { at, .. }
            | Self::Text { at, .. }
            | Self::Expected { at, .. }
            | Self::UnknownName { at, .. }
            | Self::Value { at, .. }
            | Self::Mismatch { at, .. }
            | Self::Unavailable { at, .. }
            | Self::TooMuch { at, .. } => at.clone(),
        }
    }

    /// What the user could try next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownName { nearest, .. } => nearest.map(|n| format!("did you mean `{n}`?")),
            Self::Expected { hint, .. }
            | Self::Value { hint, .. }
            | Self::Mismatch { hint, .. } => hint.clone(),
            Self::Character { found: '.', .. } => {
                Some("`net 10.0.0` is a network, `host 10.0.0.1` an address".to_owned())
            }
            _ => None,
        }
    }
}

/// A character as an error message shows it.
fn shown(c: char) -> String {
    if c.is_control() { format!("U+{:04X}", u32::from(c)) } else { format!("`{c}`") }
}
