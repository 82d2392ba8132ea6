//! What is made from the table for readers: the manual in `docs/module-api.md`, and the page of
//! one name for the prompt.

use std::fmt::Write;

use como_core::field::Field;
use como_core::nearest::nearest;

use super::basics::{Basic, GROUPS, PACKETS, basics};
use super::{Entry, TOPICS, entries, fields, find};

/// The manual, as `docs/module-api.md` holds it.
pub fn manual() -> String {
    let mut page = format!(
        "# What scripts find\n\n\
         Made by `como stubs manual` from the table that the bindings of both languages, the\n\
         editors' stubs and the prompt's help are made of; a test says when it is stale, and\n\
         every example runs as a test in both languages. How a module is written stands in\n\
         [modules.md](modules.md).\n\n\
         A type that ends in `?` may be nil (`()` in Rhai), or left out where it is a \
         parameter's.\n\
         `address` is an address or its text, `bytes` a text or a payload, `time` a number of\n\
         seconds or a text like `\"5m\"`, `map` a table of names in Lua. A parameter that ends in\n\
         `...` may be several in Lua.\n\n\
         What reads packets shows what it gives of these six; a table in an example counts them\n\
         by `addr = \"ip.dst\"`, as `bytes = sum(\"len\")`.\n\n{PACKETS}",
    );
    for group in &GROUPS {
        let (name, about) = (heading(group.name), group.about);
        let _ = write!(page, "\n## {name}: {about}\n");
        for basic in group.basics() {
            let _ = write!(page, "\n### `{}`\n\n{}", basic.signature(), shown(basic));
        }
    }
    for (topic, about) in TOPICS {
        let _ = write!(page, "\n## {topic}: {about}\n");
        for entry in entries().filter(|entry| entry.topic == topic) {
            let _ = write!(page, "\n### `{}`\n\n{}", entry.signature(), details(entry));
        }
    }
    page += "\n## Fields of a packet\n\n\
             Any may be nil: a packet that lacks a layer lacks its fields.\n\n\
             | `pkt.` | type | in | is | since |\n|---|---|---|---|---|\n";
    for &field in Field::ALL {
        let (name, kind, doc) = (field.name(), fields::kind(field), fields::doc(field));
        let (units, since) = (fields::units(field), fields::SINCE);
        let _ = writeln!(page, "| `{name}` | {kind} | {units} | {doc} | {since} |");
    }
    page
}

/// What a group is called in the manual.
fn heading(name: &str) -> String {
    match name {
        "callback" => "Callbacks".to_owned(),
        "aggregate" => "Aggregates".to_owned(),
        "" => "Basics".to_owned(),
        name => format!("`{name}`"),
    }
}

/// What stands below a signature, but for the example.
fn said(doc: &str, units: &str, since: &str) -> String {
    let units = if units.is_empty() { String::new() } else { format!("In {units}.\n") };
    format!("{doc}\n{units}Since {since}.\n")
}

/// What is said of a function below its signature.
fn details(entry: &Entry) -> String {
    let (call, gives) = entry.example;
    let text = said(entry.doc, entry.units, entry.since);
    format!("{text}\n    {call}\n    -- {gives}\n")
}

/// What is said of what each language has in its own way, below its signature.
fn shown(basic: &Basic) -> String {
    let mut text = said(basic.doc, basic.units, basic.since);
    let written = [("lua", basic.lua), ("rhai", basic.rhai)];
    if basic.lua == basic.rhai {
        let _ = write!(text, "\n    {}\n", basic.lua);
    } else {
        for (language, code) in written.into_iter().filter(|(_, code)| !code.is_empty()) {
            let _ = write!(text, "\n```{language}\n{code}\n```\n");
        }
    }
    let separate = if basic.lua == basic.rhai { "" } else { "\n" };
    let gives = basic.gives.replace("; ", "\n    -- ");
    let _ = writeln!(text, "{separate}    -- {gives}");
    text
}

/// The pages of one name: a function of the library, what a language has in its own way, a field.
pub fn help(name: &str) -> Option<String> {
    if let Some(entry) = find(name) {
        return Some(format!("{}\n{}", entry.signature(), details(entry).trim_end()));
    }
    let pages = |basics: Vec<&Basic>| {
        let page = |basic: &&Basic| format!("{}\n{}", basic.signature(), shown(basic).trim_end());
        let pages = basics.iter().map(page).collect::<Vec<_>>().join("\n\n");
        (!pages.is_empty()).then_some(pages)
    };
    let called = pages(basics().filter(|basic| basic.path() == name).collect());
    let field = || fields::help(name.strip_prefix("pkt.").unwrap_or(name));
    // Whoever says only the last part means whatever is called so.
    let parts = || pages(basics().filter(|basic| basic.name == name).collect());
    called.or_else(field).or_else(parts)
}

/// Every name that [`help`] knows: functions, then fields and layers of a packet.
pub fn names() -> Vec<String> {
    let fields = Field::ALL.iter().map(|field| field.name()).chain(fields::layers());
    let fields = fields.map(|name| format!("pkt.{name}"));
    let mut names: Vec<String> =
        entries().map(Entry::path).chain(basics().map(Basic::path)).chain(fields).collect();
    names.sort();
    names.dedup();
    names
}

/// The known name nearest to one that is not known.
pub fn near(name: &str) -> Option<String> {
    let names = names();
    nearest(name, names.iter().map(String::as_str)).map(str::to_owned)
}
