//! What a text says beside its records: names of outputs and severities that there are not.

use std::ops::Range;

use como_core::module::ModuleError;
use como_core::module::aside::Severity;
use como_core::nearest::nearest;

use super::{Global, Script, Tree};
use crate::mistakes::TOLD_MAX;
use crate::scan::tokens::{Shape, Token, tokens};
use crate::scan::{given, uses};

/// Outputs that are written to and not declared, and severities that alerts do not have.
pub fn misnamed(script: &Script<'_>, globals: &[Global]) -> Vec<ModuleError> {
    let tokens = tokens(script.text, script.language);
    let outputs = declared(&tokens, globals);
    let severities = Severity::ALL.map(Severity::name).map(str::to_owned);
    let own = given(&tokens);
    let mut wrong = Vec::new();
    for (function, known) in [("output", outputs), ("alert", Some(severities.to_vec()))] {
        let Some(known) = known.filter(|_| !own.contains(&function)) else { continue };
        for (name, at) in first_texts(&tokens, function) {
            if known.iter().any(|known| known == name) {
                continue;
            }
            let (what, hint) = match (function, nearest(name, known.iter().map(String::as_str))) {
                ("output", Some(near)) => ("output", format!("did you mean `{near}`?")),
                ("output", None) if known.is_empty() => {
                    ("output", "declare it: outputs = { slow = { ms = \"uint\" } }".to_owned())
                }
                ("output", None) => ("output", format!("declared are {}", known.join(", "))),
                _ => ("severity", format!("an alert is one of {}", known.join(", "))),
            };
            let what = format!("there is no {what} `{}`", name.escape_debug());
            wrong.push(script.mistake_at(at, what, Some(hint)).into());
            if wrong.len() == TOLD_MAX {
                return wrong;
            }
        }
    }
    wrong
}

/// The names of the declared outputs; nothing where they could not be had.
fn declared(tokens: &[Token<'_>], globals: &[Global]) -> Option<Vec<String>> {
    match globals.iter().find(|global| global.name == "outputs").map(|global| &global.value) {
        Some(Tree::Map(outputs)) => Some(outputs.iter().map(|(name, _)| name.clone()).collect()),
        None if uses(tokens, "outputs").next().is_none() => Some(Vec::new()),
        _ => None,
    }
}

/// The texts, as they stand in the source, that a function is called with first, among others.
fn first_texts<'a>(
    tokens: &'a [Token<'_>],
    function: &'a str,
) -> impl Iterator<Item = (&'a str, Range<usize>)> {
    uses(tokens, function).filter_map(|at| {
        let is = |at: usize, mark: &str| tokens.get(at).is_some_and(|t| t.is(mark));
        let text = tokens.get(at + 2).filter(|t| t.shape == Shape::Text)?;
        let plain = text.text.starts_with(['"', '\'']) && !text.text.contains('\\');
        let name = text.name().filter(|_| plain && is(at + 1, "(") && is(at + 3, ","))?;
        Some((name, text.at + 1..text.at + 1 + name.len()))
    })
}
