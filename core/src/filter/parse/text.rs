//! Fields that are text or bytes: what may be asked of them.

use std::ops::Range;

use crate::community::CommunityId;
use crate::field::{Code, Field};
use crate::filter::FilterError;
use crate::filter::expr::Expr;
use crate::filter::lex::Token;
use crate::filter::term::Relation;

use super::{Parser, Result};

impl Parser<'_> {
    /// Letters, bare or in quotes, as the code of them is kept: `src.country == DE`.
    pub(super) fn code(&mut self) -> Result<(u64, Range<usize>)> {
        let (token, at) = self.take()?;
        let text = match token {
            Token::Text(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            _ => self.lexer.slice(at.clone()).to_owned(),
        };
        match text.parse::<Code>() {
            Ok(code) => Ok((code.kept().into(), at)),
            Err(error) => Err(FilterError::Value {
                why: format!("`{}` is {error}", text.escape_debug()),
                at,
                hint: Some("write the letters, as in `src.country == \"DE\"`".to_owned()),
            }),
        }
    }

    /// `flow.community_id == "1:..."`, or `in` a set of such texts.
    pub(super) fn community_id(&mut self, field: Field) -> Result<Expr> {
        let is_in = self.takes("in")?;
        if !is_in && self.relation()? != Some(Relation::Eq) {
            let want = format!("`==` or `in` behind `{}`", field.name());
            let hint = format!("write `{} == \"1:...\"`, or `not` before it", field.name());
            return Err(self.expected(&want, Some(hint)));
        }
        if !is_in || !self.takes("{")? {
            return self.one_community_id().map(Expr::community_id);
        }
        let mut ids = Vec::new();
        loop {
            ids.push(self.one_community_id()?);
            self.count(&(self.end..self.end))?;
            if !self.takes(",")? {
                self.must("}")?;
                return Ok(Expr::any_of(ids.into_iter().map(Expr::community_id)));
            }
        }
    }

    fn one_community_id(&mut self) -> Result<CommunityId> {
        let (Token::Text(bytes), at) = self.lexer.peek()? else {
            return Err(self.expected("a Community ID in quotes", None));
        };
        self.take()?;
        let text = String::from_utf8_lossy(&bytes);
        text.parse().map_err(|error| FilterError::Value {
            why: format!("`{}` is {error}", text.escape_debug()),
            at,
            hint: None,
        })
    }

    /// `payload contains "text"` or `payload contains 0x48656c6c6f`; `==` where it is all.
    pub(super) fn bytes_field(&mut self, field: Field) -> Result<Expr> {
        let name = field.name();
        let whole = field != Field::Payload && self.relation()? == Some(Relation::Eq);
        if !whole && !self.takes("contains")? {
            let (want, hint) = match field {
                Field::Payload => (
                    "`contains`",
                    "write `payload contains \"GET \"` or `payload contains 0x474554`",
                ),
                _ => ("`==` or `contains`", "write `wlan.ssid == \"guests\"`, or `not` before it"),
            };
            return Err(self.expected(&format!("{want} behind `{name}`"), Some(hint.to_owned())));
        }
        let (text, value_at) = self.lexer.peek_value();
        let (bytes, at) = match text.strip_prefix("0x") {
            Some(digits) => {
                self.lexer.skip(&value_at);
                self.end = value_at.end;
                (hex(digits).unwrap_or_default(), value_at)
            }
            None => match self.lexer.peek()? {
                (Token::Text(bytes), at) => {
                    self.take()?;
                    (bytes, at)
                }
                _ => return Err(self.expected("a text in quotes or bytes as `0x..`", None)),
            },
        };
        if bytes.is_empty() && !whole {
            let why = "the bytes to look for are empty or no pairs of hexadecimal digits".into();
            return Err(FilterError::Value { why, at, hint: None });
        }
        Ok(Expr::contains(field, whole, &bytes))
    }
}

/// Bytes from pairs of hexadecimal digits.
fn hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) || !digits.len().is_multiple_of(2) {
        return None;
    }
    let pairs = (0..digits.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}
