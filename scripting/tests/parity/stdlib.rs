//! The script library: every head's example runs, and both languages say the same.

use como_core::module::Setup;
use como_scripting::load_text;
use como_scripting::stdlib::LIBRARIES;

use super::same;

/// The head of a library without its comment marks: title, prose, and the example in a fence.
fn head(text: &str) -> String {
    let mark = if text.starts_with("--") { "--" } else { "//" };
    let plain = |line: &str| {
        let line = line.strip_prefix("- ").or(line.strip_prefix(' ')).unwrap_or(line);
        line.to_owned() + "\n"
    };
    text.lines().map_while(|line| line.strip_prefix(mark)).map(plain).collect()
}

/// The example in a head.
fn example<'a>(head: &'a str, language: &str) -> &'a str {
    let (_, behind) = head.split_once(&format!("```{language}\n")).expect("a fenced example");
    behind.split_once("```").expect("the fence closes").0
}

/// The page of the manual that the heads make.
fn page() -> String {
    let mut page = include_str!("../vectors/page.md").to_owned();
    for (_, lua, rhai) in LIBRARIES {
        let (lua, rhai) = (head(lua), head(rhai));
        let (title, rest) = lua.split_once('\n').expect("a title");
        let (name, says) = title.split_once(": ").expect("a name and what it is for");
        let prose = rest.split_once("```").expect("an example").0.trim();
        let examples = [example(&lua, "lua"), example(&rhai, "rhai")];
        page += &format!(
            "\n## {name}\n\n{}{}\n\n{prose}\n\n```lua\n{}```\n\n```rhai\n{}```\n",
            says[..1].to_uppercase(),
            &says[1..],
            examples[0],
            examples[1]
        );
    }
    page
}

#[test]
fn examples_run_and_say_the_same_in_both_languages() {
    for (name, lua, rhai) in LIBRARIES {
        same(name, example(&head(lua), "lua"), example(&head(rhai), "rhai"), &[]);
    }
}

#[test]
fn the_manual_says_what_the_heads_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/stdlib.md");
    if std::env::var_os("COMO_WRITE_DOCS").is_some() {
        std::fs::write(path, page()).expect("written");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == page(),
        "write it anew: COMO_WRITE_DOCS=1 cargo test -p como-scripting manual"
    );
}

#[test]
fn every_function_gives_what_it_should() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");
    let mut wrong = Vec::new();
    for (name, ..) in LIBRARIES {
        for end in ["lua", "rhai"] {
            let file = format!("{name}.{end}");
            let text = std::fs::read_to_string(format!("{folder}/{file}"))
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            let started = load_text(&file, &text).and_then(|kind| kind.start(&Setup::default()));
            wrong.extend(started.err().map(|error| error.to_string()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
