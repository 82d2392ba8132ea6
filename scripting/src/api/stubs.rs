//! Definitions of what Lua modules find, for editors that know LuaCATS annotations
//! (lua-language-server and others).

use std::collections::BTreeMap;
use std::fmt::Write;

use como_core::field::Field;

use super::basics::{Basic, Form, GROUPS, basics};
use super::{TOPICS, entries, fields};

/// What no row of the table says: exact times, and what is called by another's name.
const HEAD: &str = "\
---@meta como
-- What Lua modules of como find. Made by `como stubs lua`.

---@class instant
---@operator sub(instant): number

---@class tablelib
---@operator call(table): core

---@class aggregate
";

/// All definitions, as `como stubs lua` prints them.
pub fn stubs() -> String {
    let mut text = String::from(HEAD);
    for group in &GROUPS {
        let inside = || group.basics().filter(|basic| !basic.lua.is_empty());
        if inside().next().is_none() {
            continue;
        }
        let _ = write!(text, "\n---{}\n", group.about);
        // A packet's class stands with its fields.
        if !matches!(group.lua, "" | "packet") {
            class(&mut text, group.lua, inside());
        }
        for basic in inside() {
            match basic.form {
                // `table{}` is called by the name of a library of Luau, and stands in the head.
                Form::Call(_) if basic.path() == "table" => {}
                Form::Call(_) if group.name == "callback" => alias(&mut text, basic),
                Form::Call(params) => {
                    let of = format!("{}_methods:", group.lua);
                    let of = if basic.is_method() { &of } else { "" };
                    let name = format!("{of}{}", basic.name);
                    function(&mut text, basic.doc, params, basic.returns, &name);
                }
                _ => {}
            }
        }
    }
    for (topic, about) in TOPICS {
        let _ = write!(text, "\n---{about}\n");
        if entries().any(|entry| entry.topic == topic && !entry.name.is_empty()) {
            let _ = writeln!(text, "{topic} = {{}}");
        }
        for entry in entries().filter(|entry| entry.topic == topic) {
            function(&mut text, entry.doc, entry.params, entry.returns, &entry.path());
        }
    }
    text + packet().as_str()
}

/// What has methods and fields.
fn class<'a>(text: &mut String, name: &str, inside: impl Iterator<Item = &'a Basic>) {
    let _ = writeln!(text, "---@class {name}");
    for basic in inside {
        let _ = match (basic.form, lua_given(basic.returns)) {
            (Form::Read, ty) if basic.name == "COLUMN" => {
                writeln!(text, "---@field [string] {ty} {}", basic.doc)
            }
            (Form::Read, ty) => writeln!(text, "---@field {} {ty} {}", basic.name, basic.doc),
            (Form::Index(of), ty) => {
                writeln!(text, "---@field [{}] {ty} {}", lua_type(of), basic.doc)
            }
            (Form::Len, ty) => writeln!(text, "---@operator len: {ty}"),
            (Form::Call(_), _) => Ok(()),
        };
    }
    if name == "filter" {
        let _ = writeln!(text, "---@overload fun(pkt: packet): boolean");
    }
    let _ = writeln!(text, "local {name}_methods = {{}}");
}

/// The type of a callback, for `---@type callback.update`.
fn alias(text: &mut String, basic: &Basic) {
    let params = basic.params().iter().map(|(name, ty)| format!("{name}: {}", lua_type(ty)));
    let params = params.collect::<Vec<_>>().join(", ");
    let returns = match basic.returns {
        "" => String::new(),
        ty => format!(": {}", lua_given(ty)),
    };
    let _ = writeln!(text, "---{}", basic.doc);
    let _ = writeln!(text, "---@alias callback.{} fun({params}){returns}", basic.name);
}

fn function(text: &mut String, doc: &str, params: &[(&str, &str)], returns: &str, name: &str) {
    let _ = writeln!(text, "---{doc}");
    let mut names = Vec::new();
    for (param, ty) in params {
        let param = if param.ends_with("...") { "..." } else { param };
        let mark = if ty.ends_with('?') && param != "..." { "?" } else { "" };
        let _ = writeln!(text, "---@param {param}{mark} {}", lua_type(ty.trim_end_matches('?')));
        names.push(param);
    }
    if !returns.is_empty() {
        let _ = writeln!(text, "---@return {}", lua_given(returns));
    }
    let _ = writeln!(text, "function {name}({}) end", names.join(", "));
}

/// A type as LuaCATS writes it.
fn lua_type(ty: &str) -> String {
    let (ty, optional) = ty.strip_suffix('?').map_or((ty, ""), |ty| (ty, "?"));
    let ty = match ty {
        "text" | "bytes" => "string",
        "bool" => "boolean",
        "address" => "(addr|string)",
        "mac" => "addr",
        "map" | "row" | "library" => "table<string, any>",
        "list" => "table[]",
        "state" | "records" | "packets" => "any",
        "table" => "core",
        "time" => "(number|string)",
        ty => ty,
    };
    format!("{ty}{optional}")
}

/// The type of what is given to a script, never a text in place of an address.
fn lua_given(ty: &str) -> String {
    lua_type(ty).replace("(addr|string)", "addr")
}

/// The packet as classes, one for each name with names inside.
fn packet() -> String {
    let mut classes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let all: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
    for &field in Field::ALL {
        let (class, name) = field.name().rsplit_once('.').unwrap_or(("", field.name()));
        let holds_more = all.iter().any(|n| n.starts_with(&format!("{}.", field.name())));
        let ty = match holds_more {
            true => format!("{}|packet.{}", lua_given(fields::kind(field)), field.name()),
            false => lua_given(fields::kind(field)),
        };
        let line = format!("---@field {name}? {ty} {}", fields::doc(field));
        classes.entry(class.to_owned()).or_default().push(line);
    }
    for basic in basics().filter(|basic| basic.of == "pkt") {
        // A flow has what is computed of it beside its own.
        let ty = lua_given(basic.returns.trim_end_matches('?')).replace("flow", "flow|packet.flow");
        let line = format!("---@field {}? {ty} {}", basic.name, basic.doc);
        classes.entry(String::new()).or_default().push(line);
    }
    for layer in fields::layers() {
        let (outer, name) = layer.rsplit_once('.').unwrap_or(("", layer));
        let line = format!("---@field {name}? packet.{layer}");
        classes.entry(outer.to_owned()).or_default().push(line);
    }
    let mut text = String::new();
    for (class, lines) in classes {
        let dot = if class.is_empty() { "" } else { "." };
        let _ = write!(text, "\n---@class packet{dot}{class}\n{}\n", lines.join("\n"));
    }
    text
}
