//! What went wrong in a script, in words: file, line, and the calls that led there.

use como_core::module::{Fault, ModuleError};
use rhai::{EvalAltResult, ParseError, Position};

/// The error as a line and a message, without Rhai's own positions.
fn told(error: Box<EvalAltResult>, call_ms_max: u64) -> (u32, bool, String) {
    let mut error = error;
    let mut calls = Vec::new();
    while let EvalAltResult::ErrorInFunctionCall(name, _, inner, at) = *error {
        calls.push(match line(at) {
            0 => format!("in `{name}`"),
            line => format!("in `{name}`, called in line {line}"),
        });
        error = inner;
    }
    let at = line(error.position());
    let limit = error.is_system_exception();
    error.clear_position();
    let mut message = match &*error {
        EvalAltResult::ErrorTerminated(..) => {
            format!("stopped after {call_ms_max} ms of CPU time in one call")
        }
        EvalAltResult::ErrorStackOverflow(..) => "functions call each other too deep".to_owned(),
        EvalAltResult::ErrorDataTooLarge(what, _) => {
            format!("{} passes its limit", lowered(what.clone()))
        }
        EvalAltResult::ErrorRuntime(value, _) if value.is_string() => value.to_string(),
        other => lowered(other.to_string()),
    };
    calls.reverse();
    for call in &calls {
        message.push_str("; ");
        message.push_str(call);
    }
    (at, limit, message)
}

/// A script's error at work.
pub(super) fn fault(error: Box<EvalAltResult>, file: &str, call_ms_max: u64) -> Fault {
    let (line, limit, message) = told(error, call_ms_max);
    let message =
        if line == 0 { format!("{file}: {message}") } else { format!("{file}:{line}: {message}") };
    Fault { limit, message }
}

/// A script's error before it works.
pub(super) fn refusal(error: Box<EvalAltResult>, file: &str, call_ms_max: u64) -> ModuleError {
    let (line, _, message) = told(error, call_ms_max);
    ModuleError::Script { file: file.to_owned(), line, message }
}

/// Text that is no Rhai.
pub(super) fn unparsed(error: &ParseError, file: &str) -> ModuleError {
    ModuleError::Script {
        file: file.to_owned(),
        line: line(error.position()),
        message: lowered(error.err_type().to_string()),
    }
}

fn line(at: Position) -> u32 {
    at.line().and_then(|line| u32::try_from(line).ok()).unwrap_or(0)
}

/// Messages begin small, names do not change.
fn lowered(text: String) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => {
            first.to_lowercase().chain(text.chars().skip(1)).collect()
        }
        _ => text,
    }
}
