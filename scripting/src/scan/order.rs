//! In which order a script writes the names of a table.

use super::Language;
use super::tokens::{Shape, Token, tokens};

/// The names in the table that `source` assigns to the top-level name `path`, in written order;
/// for a path like `long.key`, those of the table inside.
///
/// Neither language keeps the order of a table's names, and columns should
/// stand as they were written.
pub fn written_order(source: &str, language: Language, path: &str) -> Vec<String> {
    let tokens = tokens(source, language);
    let mut path = path.split('.');
    let mut found = named_tables(&tokens, path.next().unwrap_or(""));
    for name in path {
        found = found.into_iter().flat_map(|inner| named_tables(&inner[1..], name)).collect();
    }
    let mut names: Vec<String> = Vec::new();
    for name in found.into_iter().flat_map(table_names) {
        if !names.contains(&name) && names.len() < NAMES_MAX {
            names.push(name);
        }
    }
    names
}

/// The same for the tables given to `table{ key = ..., value = ... }`; `path` begins with `table`.
pub fn table_order(source: &str, language: Language, path: &str) -> Vec<String> {
    let tokens = tokens(source, language);
    let mut found: Vec<&[Token<'_>]> = Vec::new();
    for at in (0..tokens.len()).filter(|at| tokens[*at].is("table")) {
        let open = (at + 1..at + 4).find(|open| tokens.get(*open).is_some_and(|t| t.is("{")));
        if let Some(open) = open {
            found.push(&tokens[open..open + table_len(&tokens[open..])]);
        }
    }
    for name in path.split('.').skip(1) {
        found = found.into_iter().flat_map(|inner| named_tables(&inner[1..], name)).collect();
    }
    let mut names: Vec<String> = Vec::new();
    for name in found.into_iter().flat_map(table_names) {
        if !names.contains(&name) && names.len() < NAMES_MAX {
            names.push(name);
        }
    }
    names
}

/// The most names whose order is looked after.
const NAMES_MAX: usize = 1024;

/// The tables, from opening to closing bracket, that are given the name `name` in `tokens` and
/// lie in no other one.
fn named_tables<'t, 's>(tokens: &'t [Token<'s>], name: &str) -> Vec<&'t [Token<'s>]> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let dotted = at > 0 && is(at - 1, ".");
        let named =
            tokens[at].name() == Some(name) && !dotted && (is(at + 1, "=") || is(at + 1, ":"));
        if !is(at, "{") && !named {
            at += 1;
            continue;
        }
        let open = if named { (at + 2..at + 4).find(|open| is(*open, "{")) } else { Some(at) };
        let Some(open) = open else {
            at += 1;
            continue;
        };
        let len = table_len(&tokens[open..]);
        if named {
            found.push(&tokens[open..open + len]);
        }
        at = open + len;
    }
    found
}

/// How many tokens the table has that opens with the first one.
fn table_len(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0u32;
    for (at, token) in tokens.iter().enumerate() {
        if token.is("{") {
            depth += 1;
        } else if token.is("}") {
            depth = depth.saturating_sub(1);
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// The names directly inside a table.
fn table_names(tokens: &[Token<'_>]) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0u32;
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "{" | "(" | "[" if token.shape == Shape::Mark => depth += 1,
            "}" | ")" | "]" if token.shape == Shape::Mark => depth = depth.saturating_sub(1),
            _ => {}
        }
        let bracketed = at > 0 && tokens[at - 1].is("[") && token.shape == Shape::Text;
        let behind = if bracketed { at + 2 } else { at + 1 };
        let names_it = tokens.get(behind).is_some_and(|t| t.is("=") || t.is(":"))
            && !tokens.get(behind + 1).is_some_and(|t| t.is("="));
        let starts = at > 0 && ["{", ",", ";", "["].iter().any(|mark| tokens[at - 1].is(mark));
        if (depth == 1 || depth == 2 && bracketed) && starts && names_it {
            names.extend(token.name().map(str::to_owned));
        }
    }
    names
}
