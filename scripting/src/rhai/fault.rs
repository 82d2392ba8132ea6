//! What went wrong in a script, in words: file, line, and the calls that led there.

use std::collections::BTreeMap;

use como_core::module::{Limit, ModuleError};
use rhai::{Dynamic, EvalAltResult, ParseError, ParseErrorType, Position};

use super::engine::{CALLS_MAX, EXPRESSIONS_MAX, TEXT_BYTES_MAX, VALUES_MAX, VARIABLES_MAX};
use super::{caught, words};
use crate::declare::Script;
use crate::foreign;
use crate::library::is_shipped;
use crate::mistakes::shortened;
use crate::passed::Passed;
use crate::watch::Spent;

/// Which library's file a function is from, by its name; those of the script itself are not here.
pub(super) type Files = BTreeMap<String, String>;

/// An error in words.
pub(super) struct Told<'a> {
    /// The script, or the library.
    pub file: &'a str,
    /// The line, from 1; 0 where unknown.
    pub line: u32,
    /// The column in it, from 1.
    pub column: Option<usize>,
    /// What happened.
    pub message: String,
    /// The calls that led there.
    pub calls: String,
}

/// The error as a place and a message, without Rhai's own positions.
pub(super) fn told<'a>(
    error: Box<EvalAltResult>,
    (script, files): (&'a str, &'a Files),
    spent: Spent,
    own: &[String],
) -> Told<'a> {
    let mut error = error;
    let (mut calls, mut file, mut given) = (Vec::new(), script, None);
    let mut called_from = None;
    while let EvalAltResult::ErrorInFunctionCall(called, _, inner, at) = *error {
        let from = file;
        file = files.get(&called).map_or(script, String::as_str);
        called_from = Some((from, line(at))).filter(|_| line(at) > 0).or(called_from);
        error = inner;
        if is_shipped(file) {
            // What a shipped library complains of is what it was given: where is what matters.
            given.get_or_insert((from, line(at)));
            continue;
        }
        let name = match called.starts_with("anon$") {
            true => "a function".to_owned(),
            false => format!("`{called}`"),
        };
        let place = if from == script { String::new() } else { format!(" of {from}") };
        calls.push(match line(at) {
            0 => format!("in {name}"),
            line => format!("in {name}, called in line {line}{place}"),
        });
    }
    let (mut at, mut column) = (line(error.position()), error.position().position());
    if let Some((from, line)) = called_from.filter(|_| at == 0) {
        // What names no place happened in what was called there.
        (file, at) = (from, line);
    }
    error.clear_position();
    let again = match &*error {
        // Caught and thrown again, it is what it was, where it was.
        EvalAltResult::ErrorRuntime(value, _) => {
            value.as_map_ref().ok().and_then(|map| caught::parts(&map, own))
        }
        _ => None,
    };
    let message = match again {
        // Its map says the line and no file: with several it is told where it was thrown again.
        Some((line, words)) if files.values().any(|file| !is_shipped(file)) => {
            format!("{words} (caught in line {line} and thrown again)")
        }
        Some((line, words)) => {
            (at, column) = (line, None);
            words
        }
        None => message(&error, spent, own),
    };
    let mut message = shortened(&message).to_owned();
    if let Some((from, line)) = given.filter(|_| is_shipped(file)) {
        message.push_str(&format!(" (in {file}:{at})"));
        (file, at, column) = (from, line, None);
    }
    let calls = calls.iter().rev().map(|call| format!("; {call}")).collect();
    Told { file, line: at, column, message, calls }
}

/// What an error says, without its place.
fn message(error: &EvalAltResult, spent: Spent, own: &[String]) -> String {
    match error {
        EvalAltResult::ErrorTerminated(..) => spent.to_string(),
        EvalAltResult::ErrorStackOverflow(..) => {
            format!("functions call each other more than {CALLS_MAX} deep")
        }
        EvalAltResult::ErrorTooManyVariables(_) => {
            format!("there are more than {VARIABLES_MAX} variables")
        }
        EvalAltResult::ErrorDataTooLarge(what, _) => too_large(what),
        EvalAltResult::ErrorSystem(_, source) => source.to_string(),
        EvalAltResult::ErrorRuntime(value, _) => thrown(value),
        other => words::told(other, own).unwrap_or_else(|| lowered(other.to_string())),
    }
}

/// What a script says by `throw`, or the library of what it was given.
fn thrown(value: &Dynamic) -> String {
    let plain = value.is_int() || value.is_float() || value.is_bool();
    match value.is_string() {
        true => value.to_string(),
        false if plain || value.is_map() || value.is_array() => format!("the script threw {value}"),
        false => format!("the script threw {}, which is no text", words::named(value)),
    }
}

/// What is too large, and how large it may be. Rhai's own words say the first alone.
fn too_large(what: &str) -> String {
    match what {
        // Rhai adds up the texts of a list, and says only this of it.
        "Length of string" => format!(
            "a text passes its limit of {TEXT_BYTES_MAX} bytes, alone or with the other texts of \
             its list or map"
        ),
        "Size of array/BLOB" => format!(
            "a list, or bytes, pass their limit of {VALUES_MAX} values, with all that lies inside"
        ),
        "Size of object map" => {
            format!("a map passes its limit of {VALUES_MAX} values, with all that lies inside")
        }
        ours => ours.to_owned(),
    }
}

/// Which limit an error says was passed.
pub(super) fn passed(error: &EvalAltResult) -> Option<Limit> {
    match error.unwrap_inner() {
        EvalAltResult::ErrorTerminated(..) => Some(Limit::Cpu),
        EvalAltResult::ErrorSystem(_, source) => source.downcast_ref::<Passed>().map(|p| p.limit),
        // What a script has parsed, and was no JSON, is its own affair.
        EvalAltResult::ErrorParsing(..) => None,
        error => error.is_system_exception().then_some(Limit::Memory),
    }
}

/// Whether an error ends all calls of a batch, and not only the one that it came of.
pub(super) fn ends(error: &EvalAltResult) -> bool {
    passed(error).is_some() || matches!(error.unwrap_inner(), EvalAltResult::ErrorSystem(..))
}

/// A limit that was passed, as an error in `line` of a script.
pub(super) fn limit(passed: Passed, line: u32) -> Box<EvalAltResult> {
    let mut error = EvalAltResult::ErrorSystem(String::new(), Box::new(passed));
    if let Ok(line) = u16::try_from(line) {
        error.set_position(Position::new(line.max(1), 1));
    }
    Box::new(error)
}

/// The same error, in `line` of the script where it names no place itself.
pub(super) fn placed(mut error: Box<EvalAltResult>, line: u32) -> Box<EvalAltResult> {
    if error.position().is_none()
        && let Ok(line) = u16::try_from(line)
    {
        error.set_position(Position::new(line.max(1), 1));
    }
    error
}

/// Text that is no Rhai.
pub(super) fn unparsed(error: &ParseError, script: &Script<'_>) -> ModuleError {
    let (at, column) = (line(error.position()), error.position().position());
    let what = match error.err_type() {
        ParseErrorType::ExprTooDeep => {
            format!("expressions lie more than {EXPRESSIONS_MAX} deep in each other")
        }
        other => lowered(other.to_string()),
    };
    let told = script.mistake_near(at, column, what);
    foreign::hinted(told, script).into()
}

/// The line of a place, from 1; 0 where unknown.
pub(super) fn line(at: Position) -> u32 {
    at.line().and_then(|line| u32::try_from(line).ok()).unwrap_or(0)
}

/// Messages begin small, names do not change.
pub(super) fn lowered(text: String) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => {
            first.to_lowercase().chain(text.chars().skip(1)).collect()
        }
        _ => text,
    }
}
