//! In which order a script writes the names of a table.

use std::collections::HashSet;

use super::Language;
use super::place::{is_behind_dot, opens_block};
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

/// The names that a text gives to entries of tables and maps: those of each table that it writes,
/// and those set one by one, `row.share = 0.5`.
#[derive(Debug, Default)]
pub struct Written {
    /// Those of each table, of tables in and behind `export` last.
    tables: Vec<Vec<String>>,
    /// All, those in and behind `export` first, and those of tables before those set one by one.
    all: Vec<String>,
}

impl Written {
    /// What a text writes.
    pub fn of(source: &str, language: Language) -> Self {
        let tokens = tokens(source, language);
        let word = if language == Language::Lua { "function" } else { "fn" };
        let defines = |at: &usize| tokens[*at].is("export") && *at > 0 && tokens[*at - 1].is(word);
        let export = (0..tokens.len()).find(defines).unwrap_or(0);
        let (mut before, single_before) = written(&tokens[..export], language);
        let (behind, single_behind) = written(&tokens[export..], language);
        let flat = |tables: &[Vec<String>]| tables.iter().flatten().cloned().collect::<Vec<_>>();
        let all = [flat(&behind), single_behind, flat(&before), single_before].concat();
        before.extend(behind);
        Self { tables: before, all }
    }

    /// The names of a record in the order in which the text writes them: as in the table that has
    /// most of them and least else, the last of several; then as elsewhere.
    pub fn order<'a>(&'a self, names: &HashSet<&str>) -> Vec<&'a str> {
        let fit = |table: &&Vec<String>| {
            let common = table.iter().filter(|name| names.contains(name.as_str())).count();
            (common, std::cmp::Reverse(table.len()))
        };
        let best = self.tables.iter().max_by_key(fit).into_iter().flatten();
        let mut known = HashSet::new();
        let all = best.chain(&self.all).map(String::as_str);
        all.filter(|name| names.contains(name) && known.insert(*name)).collect()
    }
}

/// The names within each table of a part of a text, and those set one by one.
fn written(tokens: &[Token<'_>], language: Language) -> (Vec<Vec<String>>, Vec<String>) {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let sign = if language == Language::Lua { "=" } else { ":" };
    // What is open: a table with its names, or a block or bracket.
    let mut open: Vec<Option<Vec<String>>> = Vec::new();
    let mut found: Vec<(usize, Vec<String>)> = Vec::new();
    let (mut begun, mut single) = (Vec::new(), Vec::new());
    for (at, token) in tokens.iter().enumerate() {
        let set = |behind: usize| is(behind, sign) && !is(behind + 1, sign);
        match token.text {
            "{" | "(" | "[" if token.shape == Shape::Mark => {
                open.push(token.is("{").then(Vec::new));
                begun.push(at);
            }
            "}" | ")" | "]" if token.shape == Shape::Mark => {
                // A function that lacks its end is none of ours to mend.
                let closed = open.pop().flatten().zip(begun.pop());
                found.extend(closed.map(|(names, at)| (at, names)));
            }
            "end" | "until" if token.shape == Shape::Word && language == Language::Lua => {
                open.pop();
                begun.pop();
            }
            _ if language == Language::Lua && opens_block(tokens, at) => {
                open.push(None);
                begun.push(at);
            }
            _ => {}
        }
        let Some(name) = token.name() else { continue };
        let entry = ["{", ",", ";"].iter().any(|mark| at > 0 && is(at - 1, mark));
        let bracketed = token.shape == Shape::Text && at > 0 && is(at - 1, "[") && is(at + 1, "]");
        let depth = open.len().saturating_sub(usize::from(bracketed)).checked_sub(1);
        let behind = if bracketed { at + 2 } else { at + 1 };
        let table = depth.and_then(|depth| open.get_mut(depth)).and_then(Option::as_mut);
        if let Some(names) = table.filter(|_| (entry || bracketed) && set(behind)) {
            names.push(name.to_owned());
        } else if is_behind_dot(tokens, at) && is(at + 1, "=") && !is(at + 2, "=") {
            single.push(name.to_owned());
        }
    }
    found.sort_by_key(|(at, _)| *at);
    let tables = found.into_iter().map(|(_, names)| names).filter(|names| !names.is_empty());
    (tables.collect(), single)
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
