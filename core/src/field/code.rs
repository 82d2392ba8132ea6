//! Codes: a few letters as one number, so that they are columns, keys and sets like numbers.

use std::fmt;
use std::str::FromStr;

/// At most four letters or digits, upper case: `DE`. Orders as the text does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u32);

/// A text is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no code: one to four letters or digits")]
pub struct CodeError;

impl Code {
    /// The code that is kept as this number.
    pub const fn from_kept(kept: u32) -> Self {
        Self(kept)
    }

    /// The number it is kept as: its letters as bytes, from the uppermost down.
    pub const fn kept(self) -> u32 {
        self.0
    }
}

impl FromStr for Code {
    type Err = CodeError;

    /// Lower case is upper case.
    fn from_str(text: &str) -> Result<Self, CodeError> {
        let mut bytes = [0; 4];
        let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let into = bytes.get_mut(..text.len()).filter(|into| fits && !into.is_empty());
        into.ok_or(CodeError)?.copy_from_slice(text.to_ascii_uppercase().as_bytes());
        Ok(Self(u32::from_be_bytes(bytes)))
    }
}

impl fmt::Display for Code {
    /// Whatever is kept is shown; nothing for 0.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.to_be_bytes();
        bytes.iter().filter(|byte| **byte != 0).try_for_each(|byte| {
            let shown = if byte.is_ascii_alphanumeric() { char::from(*byte) } else { '?' };
            fmt::Write::write_char(f, shown)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_keep_text_and_order() {
        let codes = ["A", "AA", "AAA", "AB", "DE", "ZZZZ"].map(|text| {
            let code: Code = text.parse().expect("a code");
            assert_eq!(code.to_string(), text);
            code.kept()
        });
        assert!(codes.is_sorted());
        assert_eq!("de".parse(), "DE".parse::<Code>());
        assert_eq!(Code::default().to_string(), "");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "D E", "ABCDE", "\u{e4}", "-"] {
            assert_eq!(text.parse::<Code>(), Err(CodeError), "{text}");
        }
    }
}
