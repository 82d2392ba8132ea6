//! What a script catches of an error of Rhai's own: as text it says the line, and what is wrong in
//! the words in which it would have been told.
//!
//! Rhai makes a map of such an error, which holds Rust's types and inner names; that stays what it
//! is. What a script throws, or a function of the library, is what it was thrown as.

use rhai::{Engine, EvalAltResult, ImmutableString, Map, NativeCallContext, Position};

use super::fault::lowered;
use super::words;

/// Makes such texts, for a script with functions of these names.
pub(super) fn furnish(engine: &mut Engine, own: Vec<String>) {
    type Text = Result<ImmutableString, Box<EvalAltResult>>;
    engine.register_fn("to_string", move |context: NativeCallContext, map: Map| -> Text {
        match text(&map, &own) {
            Some(text) => Ok(text.into()),
            None => context.call_native_fn("to_debug", (map,)),
        }
    });
}

/// What the map of each kind of error has, beside what all have.
const KINDS: [(&str, &[&str]); 20] = [
    ("ErrorArithmetic", &[]),
    ("ErrorArrayBounds", &["length", "index"]),
    ("ErrorAssignmentToConstant", &["variable"]),
    ("ErrorBitFieldBounds", &["length", "index"]),
    ("ErrorDataRace", &["variable"]),
    ("ErrorDotExpr", &["property"]),
    ("ErrorFor", &[]),
    ("ErrorForbiddenVariable", &["variable"]),
    ("ErrorFunctionNotFound", &["function"]),
    ("ErrorInFunctionCall", &["function", "source"]),
    ("ErrorIndexNotFound", &["index"]),
    ("ErrorIndexingType", &["type"]),
    ("ErrorMismatchDataType", &["requested", "actual"]),
    ("ErrorMismatchOutputType", &["requested", "actual"]),
    ("ErrorNonPureMethodCallOnConstant", &["function"]),
    ("ErrorPropertyNotFound", &["variable"]),
    ("ErrorStringBounds", &["length", "index"]),
    ("ErrorUnboundThis", &[]),
    ("ErrorVariableExists", &["variable"]),
    ("ErrorVariableNotFound", &["variable"]),
];

/// What the maps of all errors have.
const ALL: [&str; 4] = ["error", "message", "line", "position"];

/// Whether a map is what Rhai makes of an error, and has nothing of another's.
fn is_caught(map: &Map) -> bool {
    let kind = map.get("error").and_then(|kind| kind.as_immutable_string_ref().ok());
    let kind = kind.and_then(|kind| KINDS.iter().find(|(name, _)| **name == **kind));
    kind.is_some_and(|(_, more)| {
        let has = |name: &&str| map.contains_key(*name);
        ALL.iter().chain(*more).all(has) && map.len() == ALL.len() + more.len()
    })
}

/// The line of an error that was caught, and what went wrong, if the map is one.
pub(super) fn parts(map: &Map, own: &[String]) -> Option<(u32, String)> {
    let message = map.get("message").filter(|_| is_caught(map))?.as_immutable_string_ref().ok()?;
    let line = u32::try_from(map.get("line")?.as_int().ok()?).ok()?;
    // Behind the first line stand the calls that led there, and behind its words their place.
    let said = message.lines().next()?.split(" (line ").next()?;
    let words = words::told(&error(said), own).unwrap_or_else(|| lowered(said.to_owned()));
    Some((line, words))
}

/// The same as a text.
fn text(map: &Map, own: &[String]) -> Option<String> {
    parts(map, own).map(|(line, words)| format!("line {line}: {words}"))
}

/// The error that says so.
fn error(said: &str) -> EvalAltResult {
    let none = Position::NONE;
    if let Some(called) = said.strip_prefix("Function not found: ") {
        return EvalAltResult::ErrorFunctionNotFound(called.into(), none);
    }
    if let Some(name) = said.strip_prefix("Variable not found: ") {
        return EvalAltResult::ErrorVariableNotFound(name.into(), none);
    }
    if let Some(of) = said.strip_prefix("Indexer unavailable: ") {
        return EvalAltResult::ErrorIndexingType(of.into(), none);
    }
    let types = said.strip_prefix("Data type incorrect: ");
    let types = types.and_then(|types| types.strip_suffix(')')?.split_once(" (expecting "));
    match types {
        Some((given, wanted)) => {
            EvalAltResult::ErrorMismatchDataType(wanted.into(), given.into(), none)
        }
        None if said.starts_with("For loop expects") => EvalAltResult::ErrorFor(none),
        None => EvalAltResult::ErrorDotExpr(said.into(), none),
    }
}
