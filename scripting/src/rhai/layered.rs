//! Writing into a layer of a packet: `p.tcp.seq = 1`, where `p.tcp` may be nothing, and
//! `p.tcp.flags.syn = true`, where the flags are a number.
//!
//! Rhai complains of the nothing, or of the number. Where that came of a packet, read just before,
//! what is wrong is that packets are read only.

use rhai::{EvalAltResult, Position};

use super::fault::Files;
use crate::scan::tokens::{Shape, Token, tokens};
use crate::scan::{Language, READ_ONLY};

/// The error as it is to be told. The last layer of a packet was read at `layer` of the script in
/// `text`.
pub(super) fn told(
    error: EvalAltResult,
    layer: Position,
    (text, files): (&str, &Files),
) -> EvalAltResult {
    match error {
        EvalAltResult::ErrorInFunctionCall(name, source, inner, at)
            if !files.contains_key(&name) =>
        {
            let inner = Box::new(told(*inner, layer, (text, files)));
            EvalAltResult::ErrorInFunctionCall(name, source, inner, at)
        }
        EvalAltResult::ErrorDotExpr(what, at)
            if what.starts_with("No writable") && leads(text, layer, at) =>
        {
            EvalAltResult::ErrorRuntime(READ_ONLY.into(), at)
        }
        error => error,
    }
}

/// Whether what stands at `from` is looked into up to what stands at `to`: `tcp.flags.syn`.
fn leads(text: &str, from: Position, to: Position) -> bool {
    let tokens = tokens(text, Language::Rhai);
    let (Some(from), Some(to)) = (token(text, &tokens, from), token(text, &tokens, to)) else {
        return false;
    };
    let looks = |token: &Token<'_>| {
        let mark = [".", "[", "]"].iter().any(|mark| token.is(mark));
        mark || token.shape != Shape::Mark
    };
    // Two words beside each other are none of one path.
    let parted = |pair: &[Token<'_>]| pair.iter().any(|token| token.shape == Shape::Mark);
    let path = tokens.get(from..=to).filter(|path| path.len() > 1);
    path.is_some_and(|path| path.iter().all(looks) && path.windows(2).all(parted))
}

/// Which token stands at a place.
fn token(text: &str, tokens: &[Token<'_>], at: Position) -> Option<usize> {
    let (line, column) = (at.line()?, at.position()?);
    let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let (before, _) = text.get(start..)?.char_indices().nth(column.checked_sub(1)?)?;
    tokens.iter().position(|token| token.at == start + before)
}
