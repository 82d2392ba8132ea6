//! Errors of ours that a script catches: texts with their place, as its own are.
//!
//! A limit is none of its affair: that error goes on past whoever would catch it.

use mlua::{Function, Lua, Value};

use super::trouble::{is_memory, passed, plain, root};

/// What `prelude/caught.lua` asks what a caught error says: nil of a limit that was passed.
pub fn told(lua: &Lua) -> mlua::Result<Function> {
    lua.create_function(|lua, caught: Value| match &caught {
        Value::Error(error) if passed(error).is_some() || is_memory(error) => Ok(Value::Nil),
        Value::Error(error) => lua.create_string(text(error)).map(Value::String),
        _ => Ok(caught),
    })
}

/// What an error says, behind the place of the call it came of.
fn text(error: &mlua::Error) -> String {
    let (cause, traceback) = root(error);
    let text = cause.to_string();
    let text = text.split("\nstack traceback:").next().unwrap_or(&text);
    let message = plain(text.strip_prefix("runtime error: ").unwrap_or(text));
    match traceback.lines().find_map(|line| place(line.trim())) {
        Some(place) => format!("{place}: {message}"),
        None => message,
    }
}

/// The file and line that a line of a traceback begins with, where that is nothing of ours.
fn place(line: &str) -> Option<&str> {
    let is_ours = |chunk: &str| chunk == "library" || chunk.starts_with("__mlua_");
    let (chunk, rest) = line.split_once(':').filter(|(chunk, _)| !is_ours(chunk))?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    (digits > 0).then(|| &line[..chunk.len() + 1 + digits])
}
