//! Fields that are read in what an interpolated text of Rhai computes: `` `to ${pkt.ip.dst}` ``.
//!
//! Such a text stays one token. What it reads is served by a packet that asks; here is only found
//! that the text shows it.

use como_core::field::Field;

use super::tokens::{Shape, Token, tokens};
use super::{Language, uses};

/// Whether a token is a text that may compute something.
pub fn is_interpolated(token: &Token<'_>) -> bool {
    token.shape == Shape::Text && token.text.starts_with('`')
}

/// The fields that `text` reads of a packet that goes by one of these names.
pub fn fields(text: &str, names: &[&str]) -> Vec<Field> {
    let mut found = Vec::new();
    for code in text.split("${").skip(1) {
        let mut tokens = tokens(code, Language::Rhai);
        tokens.truncate(end(&tokens));
        let starts = names.iter().flat_map(|name| uses(&tokens, name));
        found.extend(starts.filter_map(|at| field(&tokens[at + 1..])));
    }
    found
}

/// How many tokens stand before the bracket that ends what is computed.
fn end(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0i64;
    let closes = tokens.iter().position(|token| {
        depth += i64::from(token.is("{")) - i64::from(token.is("}"));
        depth < 0
    });
    closes.unwrap_or(tokens.len())
}

/// The longest name of a field that a text goes on with: `.ip.dst`.
fn field(tokens: &[Token<'_>]) -> Option<Field> {
    let steps = tokens.chunks_exact(2).take(3);
    let words = steps.map_while(|step| step[0].is(".").then_some(step[1].text));
    let words: Vec<&str> = words.collect();
    (1..=words.len()).rev().find_map(|len| Field::named(&words[..len].join(".")))
}
