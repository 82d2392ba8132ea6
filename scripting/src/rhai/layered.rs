//! Writing into a layer of a packet: `p.tcp.seq = 1`, where `p.tcp` may be nothing, and
//! `p.tcp.flags.syn = true`, where the flags are a number.
//!
//! Rhai complains of the nothing, or of the number. Where that came of a packet, read just before,
//! what is wrong is that packets are read only.

use rhai::{EvalAltResult, Position};

use super::fault::Files;
use crate::scan::tokens::{Shape, Token, tokens};
use crate::scan::{Language, READ_ONLY};

/// The error as it is to be told of the script in `text`, which has read `layer` of the packet
/// last.
pub(super) fn told(
    error: EvalAltResult,
    layer: &str,
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
            if what.starts_with("No writable") && is_read(text, layer, at) =>
        {
            EvalAltResult::ErrorRuntime(READ_ONLY.into(), at)
        }
        error => error,
    }
}

/// Whether what stands at `to` is looked into by way of the layer: `p.tcp.flags.syn`.
fn is_read(text: &str, layer: &str, to: Position) -> bool {
    let tokens = tokens(text, Language::Rhai);
    let Some(to) = token(text, &tokens, to) else { return false };
    let is_mark = |at: usize| tokens[at].shape == Shape::Mark;
    let looks = |at: usize| !is_mark(at) || [".", "[", "]"].iter().any(|m| tokens[at].is(m));
    // Two words beside each other are none of one path.
    let goes_on = |at: &usize| looks(*at) && (is_mark(*at) || is_mark(at + 1));
    let mut path = (0..to).rev().take_while(goes_on);
    path.any(|at| tokens[at].name() == Some(layer))
}

/// Which token stands at a place.
fn token(text: &str, tokens: &[Token<'_>], at: Position) -> Option<usize> {
    let (line, column) = (at.line()?, at.position()?);
    let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let (before, _) = text.get(start..)?.char_indices().nth(column.checked_sub(1)?)?;
    tokens.iter().position(|token| token.at == start + before)
}
