//! What is made from the table: the manual in `docs/module-api.md`, stubs for editors, and the
//! page of one name for the prompt.

use std::collections::BTreeMap;
use std::fmt::Write;

use como_core::field::{Field, Kind};
use como_core::nearest::nearest;
use como_core::table::AGGREGATES;

use super::basics::{BASICS, Basic};
use super::{Entry, TOPICS, entries, find};
use crate::declare::Callback;
use crate::scan::TS_NS;

/// The manual, as `docs/module-api.md` holds it.
pub fn manual() -> String {
    let mut page = String::from(
        "# What scripts find\n\n\
         Made by `como stubs manual` from the table that the bindings of both languages, the\n\
         editors' stubs and the prompt's help are made of; a test says when it is stale. How a\n\
         module is written stands in [modules.md](modules.md).\n\n\
         A type that ends in `?` may be nil (`()` in Rhai), or left out where it is a \
         parameter's.\n\
         `address` is an address or its text, `bytes` a text or a payload, `time` a number of\n\
         seconds or a text like `\"5m\"`.\n",
    );
    page += "\n## Callbacks\n\n";
    for callback in Callback::ALL {
        let _ = writeln!(page, "* `{}({})`", callback.name(), callback.params().join(", "));
    }
    page += "\n## Aggregates\n\n| written | is |\n|---|---|\n";
    for usage in &AGGREGATES {
        let _ = writeln!(page, "| `{}` | {} |", usage.usage, usage.doc);
    }
    page += "\n## Basics\n\n| in Lua | in Rhai | is | since |\n|---|---|---|---|\n";
    for Basic { lua, rhai, doc, since, .. } in &BASICS {
        let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
        let _ = writeln!(page, "| {} | {} | {doc} | {since} |", code(lua), code(rhai));
    }
    for (topic, about) in TOPICS {
        let _ = write!(page, "\n## {topic}: {about}\n");
        for entry in entries().filter(|entry| entry.topic == topic) {
            let _ = write!(page, "\n### `{}`\n\n{}", entry.signature(), details(entry));
        }
    }
    page += "\n## Fields of a packet\n\n| `pkt.` | type | is |\n|---|---|---|\n";
    for field in Field::ALL {
        let _ = writeln!(page, "| `{}` | {} | {} |", field.name(), kind(field.kind()), doc(*field));
        if *field == Field::Ts {
            let _ = writeln!(page, "| `{TS_NS}` | time | {TS_NS_DOC} |");
        }
    }
    page
}

/// The exact time, which no field is.
const TS_NS_DOC: &str =
    "the same exactly, to be shown, compared, and taken from another: that gives nanoseconds";

/// What a field holds in a script: a number of Lua would not hold all nanoseconds.
const fn doc(field: Field) -> &'static str {
    match field {
        Field::Ts => "when it was seen, seconds since 1970",
        field => field.doc(),
    }
}

/// What is said of a function below its signature.
fn details(entry: &Entry) -> String {
    let mut text = format!("{}\n", entry.doc);
    if !entry.units.is_empty() {
        let _ = writeln!(text, "In {}.", entry.units);
    }
    let (call, gives) = entry.example;
    let _ = write!(text, "Since {}.\n\n    {call}\n    -- {gives}\n", entry.since);
    text
}

/// The page of one name: a function of the library, an aggregate, a field; or what is near it.
pub fn help(name: &str) -> Option<String> {
    if let Some(entry) = find(name) {
        return Some(format!("{}\n{}", entry.signature(), details(entry).trim_end()));
    }
    if let Some(usage) = AGGREGATES.iter().find(|usage| usage.name == name) {
        return Some(format!("{}: {}", usage.usage, usage.doc));
    }
    if let Some(basic) = BASICS.iter().find(|basic| basic.name == name) {
        let Basic { lua, rhai, doc, since, .. } = basic;
        return Some(format!("{doc}\n  Lua:  {lua}\n  Rhai: {rhai}\nSince {since}."));
    }
    let name = name.strip_prefix("pkt.").unwrap_or(name);
    if name == TS_NS {
        return Some(format!("pkt.{TS_NS}: time, {TS_NS_DOC}"));
    }
    let field = Field::named(name);
    field.map(|field| format!("pkt.{}: {}, {}", field.name(), kind(field.kind()), doc(field)))
}

/// Every name that [`help`] knows.
pub fn names() -> Vec<String> {
    let entries = entries().map(Entry::path);
    let aggregates = AGGREGATES.iter().map(|usage| usage.name.to_owned());
    let basics = BASICS.iter().map(|basic| basic.name.to_owned());
    entries.chain(aggregates).chain(basics).collect()
}

/// The known name nearest to one that is not known.
pub fn near(name: &str) -> Option<String> {
    let names = names();
    nearest(name, names.iter().map(String::as_str)).map(str::to_owned)
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::Uint | Kind::Int | Kind::Big => "number",
        Kind::Addr => "address",
        Kind::Mac => "mac",
        Kind::Code | Kind::CommunityId => "text",
        Kind::Bytes => "bytes",
    }
}

/// A type as LuaCATS writes it.
fn lua_type(ty: &str) -> String {
    let (ty, optional) = ty.strip_suffix('?').map_or((ty, ""), |ty| (ty, "?"));
    let ty = match ty {
        "text" | "bytes" => "string",
        "bool" => "boolean",
        "address" => "(addr|string)",
        "mac" => "addr",
        "record" => "table<string, any>",
        "time" => "(number|string)",
        ty => ty,
    };
    format!("{ty}{optional}")
}

/// Definitions for editors that know LuaCATS annotations (lua-language-server and others).
pub fn stubs() -> String {
    let mut text = String::from(
        "---@meta como\n-- What Lua modules of como find. Made by `como stubs lua`.\n\n\
         ---@class filter\n---@overload fun(pkt: packet): boolean\nlocal filter_methods = {}\n\
         ---@param pkt packet\n---@return boolean\nfunction filter_methods:match(pkt) end\n\n\
         ---@class addr\n---@field is_v6 boolean\nlocal addr_methods = {}\n\
         ---@param bits number\n---@return addr\nfunction addr_methods:masked(bits) end\n\
         ---@param network string\n---@return boolean\nfunction addr_methods:within(network) \
         end\n\n\
         ---@class flow\n---@field src addr\n---@field dst addr\n---@field proto number\n\
         ---@field sport number\n---@field dport number\n\n\
         ---The address that a text stands for.\n---@param text string\n---@return addr\n\
         function addr(text) end\n\n\
         ---Writes to the monitor's log, 600 lines a minute at most.\n---@param ... any\n\
         function log(...) end\n\n\
         ---The `n` largest entries of a table of your own.\n---@param t table\n\
         ---@param n? number\n---@param by? string\n---@return { key: any, value: any }[]\n\
         function top(t, n, by) end\n\n---@class aggregate\n",
    );
    for usage in &AGGREGATES {
        let _ = write!(
            text,
            "---{}\n---@param field? string\n---@param ... any\n---@return aggregate\n\
             function {}(field, ...) end\n",
            usage.doc, usage.name
        );
    }
    for (topic, about) in TOPICS {
        let _ = write!(text, "\n---{about}\n");
        if entries().any(|entry| entry.topic == topic && !entry.name.is_empty()) {
            let _ = writeln!(text, "{topic} = {{}}");
        }
        for entry in entries().filter(|entry| entry.topic == topic) {
            let _ = writeln!(text, "---{}", entry.doc);
            let mut names = Vec::new();
            for (name, ty) in entry.params {
                let mark = if ty.ends_with('?') { "?" } else { "" };
                let ty = lua_type(ty.trim_end_matches('?'));
                let _ = writeln!(text, "---@param {name}{mark} {ty}");
                names.push(*name);
            }
            let returns = lua_type(entry.returns).replace("(addr|string)", "addr");
            let names = names.join(", ");
            let _ = write!(text, "---@return {returns}\nfunction {}({names}) end\n", entry.path());
        }
    }
    text + classes().as_str()
}

/// The packet as classes, one for each name with names inside.
fn classes() -> String {
    let mut classes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let all: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
    for field in Field::ALL {
        let (class, name) = field.name().rsplit_once('.').unwrap_or(("", field.name()));
        let holds_more = all.iter().any(|n| n.starts_with(&format!("{}.", field.name())));
        let ty = match holds_more {
            true => format!("number|packet.{}", field.name()),
            false => lua_type(kind(field.kind())).replace("(addr|string)", "addr"),
        };
        let line = format!("---@field {name}? {ty} {}", doc(*field));
        classes.entry(class.to_owned()).or_default().push(line);
    }
    let flow = "---@field flow? flow|packet.flow the five-tuple, ports 0 where there are none";
    classes.entry(String::new()).or_default().push(flow.to_owned());
    let names: Vec<String> = classes.keys().filter(|name| !name.is_empty()).cloned().collect();
    for class in names.into_iter().filter(|name| name != "flow") {
        let (outer, name) = class.rsplit_once('.').unwrap_or(("", &class));
        if Field::named(&class).is_none() {
            let line = format!("---@field {name}? packet.{class}");
            classes.entry(outer.to_owned()).or_default().push(line);
        }
    }
    let mut text = String::new();
    for (class, lines) in classes {
        let dot = if class.is_empty() { "" } else { "." };
        let _ = write!(text, "\n---@class packet{dot}{class}\n{}\n", lines.join("\n"));
    }
    text
}
