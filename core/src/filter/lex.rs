//! Text to tokens, one at a time, because what a token is depends on the place.
//!
//! `80-90` is a range of ports after `portrange` and a subtraction elsewhere;
//! `fe80::1` and `c6:2c:03:60:6a:64` are addresses only where one may stand.
//! So the parser asks either for the next token or for the next *value*.

use std::ops::Range;

use super::FilterError;

/// One token of the language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A word: `tcp`, `ip.src`, `tcp-syn`.
    Word,
    /// A number, decimal, octal (`017`) or hexadecimal (`0x1f`).
    Number(u64),
    /// Digits with letters that make no number: `4c`, which may begin an address.
    Garbled,
    /// A text in double quotes, as the bytes it stands for.
    Text(Vec<u8>),
    /// An operator or bracket.
    Op(&'static str),
    /// The end of the text.
    End,
}

/// Operators, longest first where one begins another.
const OPS: [&str; 29] = [
    "&&", "||", "==", "!=", "<=", ">=", "<<", ">>", "..", "(", ")", "[", "]", "{", "}", ",", "!",
    "&", "|", "^", "<", ">", "=", "+", "-", "*", "/", "%", ":",
];

/// A place in the text.
#[derive(Clone, Copy, Debug)]
pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    /// At the start of `text`.
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The text of a span.
    pub fn slice(&self, at: Range<usize>) -> &'a str {
        self.text.get(at).unwrap_or("")
    }

    /// The rest of the text behind white space, and where it starts.
    fn rest(&self) -> (&'a str, usize) {
        let rest = self.text.get(self.at..).unwrap_or("");
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        (trimmed, self.text.len() - trimmed.len())
    }

    /// The next token and its span, without moving.
    pub fn peek(&self) -> Result<(Token, Range<usize>), FilterError> {
        let (rest, start) = self.rest();
        let Some(first) = rest.chars().next() else { return Ok((Token::End, start..start)) };
        if first.is_ascii_alphabetic() || first == '_' {
            return Ok((Token::Word, start..start + word_len(rest)));
        }
        if first.is_ascii_digit() {
            return Ok(number(rest, start));
        }
        if first == '"' {
            return quoted(rest, start);
        }
        if first == '\\' {
            // An escaped word, as tcpdump wants protocol names that are keywords.
            let len = word_len(&rest[1..]);
            if len > 0 {
                return Ok((Token::Word, start + 1..start + 1 + len));
            }
        }
        match OPS.iter().find(|op| rest.starts_with(**op)) {
            Some(op) => Ok((Token::Op(op), start..start + op.len())),
            None => {
                Err(FilterError::Character { found: first, at: start..start + first.len_utf8() })
            }
        }
    }

    /// The next token, moving behind it.
    pub fn next(&mut self) -> Result<(Token, Range<usize>), FilterError> {
        let found = self.peek()?;
        self.at = found.1.end;
        Ok(found)
    }

    /// The next value without moving: whatever an address, a port, a range or a name may be
    /// written with. Empty where something else stands.
    pub fn peek_value(&self) -> (&'a str, Range<usize>) {
        let (rest, start) = self.rest();
        // A backslash escapes a name that is also a keyword.
        let (rest, start) = match rest.strip_prefix('\\') {
            Some(escaped) => (escaped, start + 1),
            None => (rest, start),
        };
        let bytes = rest.as_bytes();
        let mut len = 0;
        while let Some(b) = bytes.get(len) {
            let range = *b == b'.' && bytes.get(len + 1) == Some(&b'.');
            if range || !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b':' | b'.' | b'-')) {
                break;
            }
            len += 1;
        }
        (&rest[..len], start..start + len)
    }

    /// Moves behind a span that was peeked.
    pub fn skip(&mut self, at: &Range<usize>) {
        self.at = at.end;
    }
}

/// Bytes of the word at the start of `text`: letters, digits, `_`, dots between them, and a
/// hyphen where a letter follows (`tcp-syn` is a word, `len-14` is not).
fn word_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let letter = |at: usize| bytes.get(at).is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    if !letter(0) {
        return 0;
    }
    let mut len = 1;
    loop {
        let inside = match bytes.get(len) {
            Some(b'.') => letter(len + 1) || digit(len + 1),
            Some(b'-') => letter(len + 1),
            Some(_) => letter(len) || digit(len),
            None => false,
        };
        if !inside {
            return len;
        }
        len += 1;
    }
}

fn number(text: &str, start: usize) -> (Token, Range<usize>) {
    let len = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let token = parse_number(&text[..len]).map_or(Token::Garbled, Token::Number);
    (token, start..start + len)
}

/// A number as tcpdump reads it: `0x` begins hexadecimal, another leading zero octal.
pub fn parse_number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    if digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// A text in double quotes: `\"`, `\\`, `\n`, `\r`, `\t`, `\0` and `\xNN` are escapes.
fn quoted(text: &str, start: usize) -> Result<(Token, Range<usize>), FilterError> {
    let mut out = Vec::new();
    let mut rest = text[1..].char_indices();
    let fail = |why, from: usize, to: usize| {
        Err(FilterError::Text { why, at: start + from..start + to.min(text.len()) })
    };
    while let Some((at, c)) = rest.next() {
        match c {
            '"' => return Ok((Token::Text(out), start..start + at + 2)),
            '\\' => match rest.next().map(|(_, c)| c) {
                Some('n') => out.push(b'\n'),
                Some('r') => out.push(b'\r'),
                Some('t') => out.push(b'\t'),
                Some('0') => out.push(0),
                Some(c @ ('"' | '\\')) => out.push(c as u8),
                Some('x') => {
                    let two = text.get(at + 3..at + 5);
                    match two.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                        Some(byte) => out.push(byte),
                        None => {
                            return fail("`\\x` needs two hexadecimal digits", at + 1, at + 3);
                        }
                    }
                    rest.nth(1);
                }
                _ => return fail("an unknown escape in a text", at + 1, at + 3),
            },
            '\0' => return fail("a NUL in a text: write `\\0`", at + 1, at + 2),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    fail("a text that does not end: the closing `\"` is missing", 0, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<String> {
        let mut lexer = Lexer::new(text);
        let mut out = Vec::new();
        loop {
            match lexer.next() {
                Ok((Token::End, _)) => return out,
                Ok((_, at)) => out.push(lexer.slice(at).to_owned()),
                Err(e) => {
                    out.push(format!("{e} at {:?}", e.at()));
                    return out;
                }
            }
        }
    }

    #[test]
    fn words_keep_their_dots_and_inner_hyphens() {
        assert_eq!(tokens("tcp-syn|ip.src"), ["tcp-syn", "|", "ip.src"]);
        assert_eq!(tokens("len-14>a..b"), ["len", "-", "14", ">", "a", "..", "b"]);
        assert_eq!(tokens("\\tcp"), ["tcp"]);
        assert_eq!(
            tokens("ip[6:2]&0x1fff!=0"),
            ["ip", "[", "6", ":", "2", "]", "&", "0x1fff", "!=", "0"]
        );
    }

    #[test]
    fn texts_may_hold_any_byte() {
        let token = Lexer::new(r#" "a\x00\"\\" "#).peek().expect("a text").0;
        assert_eq!(token, Token::Text(b"a\0\"\\".to_vec()));
        assert!(tokens("\"a")[0].contains("does not end"));
        assert!(tokens(r#""\xé0""#)[0].contains("hexadecimal"));
    }

    #[test]
    fn characters_outside_the_language_are_named() {
        assert_eq!(tokens("tcp\0udp"), ["tcp", "unexpected character U+0000 at 3..4"]);
        assert_eq!(tokens("é"), ["unexpected character `é` at 0..2"]);
        assert_eq!(Lexer::new("12z").peek().map(|found| found.0), Ok(Token::Garbled));
    }

    #[test]
    fn values_stop_where_the_language_goes_on() {
        let value = |text| Lexer::new(text).peek_value().0.to_owned();
        assert_eq!(value(" fe80::1/64"), "fe80::1");
        assert_eq!(value("80:90)"), "80:90");
        assert_eq!(value(":90"), ":90");
        assert_eq!(value("10.0.0.1..10.0.0.9"), "10.0.0.1");
        assert_eq!(value("(x"), "");
    }
}
