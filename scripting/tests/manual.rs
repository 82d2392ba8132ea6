//! Every example of the manual is a module that starts.

use como_core::module::Setup;

/// The fenced blocks of a language, with the line each begins in.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(&format!("```{language}\n")) {
        let end = after.find("```").expect("a block ends");
        let line = text[..text.len() - after.len()].lines().count() + 1;
        found.push((line, &after[..end]));
        rest = &after[end..];
    }
    found
}

#[track_caller]
fn check(language: &str) {
    let manual = include_str!("../../docs/modules.md");
    let blocks = blocks(manual, language);
    assert!(blocks.len() >= 8, "where are the examples?");
    for (line, block) in blocks {
        let kind = como_scripting::load_text(&format!("manual.{language}"), block);
        let kind = kind.unwrap_or_else(|error| panic!("the example in line {line}: {error}"));
        if let Err(error) = kind.start(&Setup::default()) {
            panic!("the example in line {line}: {error}");
        }
    }
}

#[test]
fn examples_in_lua_start() {
    check("lua");
}

#[test]
fn examples_in_rhai_start() {
    check("rhai");
}
