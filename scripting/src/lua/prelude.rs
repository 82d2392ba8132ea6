//! The library's own part in Lua, in pieces: a script gets those that its words can reach.
//!
//! A global name can be said in one way only, as it stands: what would make one of a text
//! (`_G`, `getfenv`, `loadstring`) is removed. So a piece that gives names which stand nowhere is
//! not needed, and compiling it would be most of a short script's start. Methods of strings are
//! reached without their names: what bounds them is always there.

use std::sync::LazyLock;

use mlua::chunk::{ChunkMode, Compiler};
use mlua::{Function, Lua, Table};

use super::payload::WORK_MAX;
use super::script::{NO_KEY, Source};
use super::vm::compiler;
use super::{caught, convert};
use crate::scan::tokens::code;
use crate::scan::{Language, READ_ONLY, uses};

type Code = LazyLock<mlua::Result<Vec<u8>>>;

/// What bounds natives, which is always there. All are compiled once for all machines; small steps
/// around native functions gain nothing by what costs a compiler most.
static BOUNDS: Code = LazyLock::new(|| small(include_str!("prelude/bounds.lua")));

/// The other pieces, each with words of which one stands in a text that needs it.
static PIECES: [(&[&str], Code); 4] = [
    (&["pcall", "coroutine"], LazyLock::new(|| small(include_str!("prelude/caught.lua")))),
    // A text with none of these has no packets; a library may be given some by any name.
    (&["update", "check", "require"], LazyLock::new(|| small(include_str!("prelude/packet.lua")))),
    (&["require"], LazyLock::new(|| small(include_str!("prelude/libraries.lua")))),
    (&["filter"], LazyLock::new(|| small(include_str!("prelude/filters.lua")))),
];

/// What goes through whole tables.
static TOP: Code = LazyLock::new(|| compiler().compile(include_str!("prelude/top.lua")));

fn small(text: &str) -> mlua::Result<Vec<u8>> {
    Compiler::new().set_optimization_level(1).compile(text)
}

/// Puts into the library what `source` can reach of the pieces. The table has what the driver and
/// the machine call.
pub fn furnish(lua: &Lua, source: &Source) -> mlua::Result<Table> {
    let ours = lua.create_table()?;
    ours.set("flags", convert::flags(lua)?)?;
    ours.set("told", caught::told(lua)?)?;
    ours.set("work_max", WORK_MAX)?;
    ours.set("read_only", READ_ONLY)?;
    ours.set("no_key", NO_KEY)?;
    ours.set("layers", convert::layers(lua)?)?;
    compiled(lua, &BOUNDS)?.call::<()>(&ours)?;
    for (words, code) in &PIECES {
        let says = |text: &str| words.iter().any(|word| text.contains(word));
        if source.texts().any(says) {
            compiled(lua, code)?.call::<()>(&ours)?;
        }
    }
    Ok(ours)
}

/// `top`; a script that does not say it gets a name for it, to tell slips by.
pub fn top(lua: &Lua, source: &Source) -> mlua::Result<mlua::Value> {
    let says = |text: &str| uses(&code(text, Language::Lua), "top").next().is_some();
    match source.texts().any(says) {
        true => compiled(lua, &TOP)?.call(()),
        false => Ok(mlua::Value::Boolean(true)),
    }
}

/// A piece, to be run.
fn compiled(lua: &Lua, piece: &Code) -> mlua::Result<Function> {
    let code = piece.as_ref().map_err(Clone::clone)?;
    lua.load(code.as_slice()).set_mode(ChunkMode::Binary).set_name("=library").into_function()
}

#[cfg(test)]
mod tests {
    use crate::host::Means;
    use crate::library::Library;
    use crate::lua::script::Source;
    use crate::lua::vm::Vm;

    /// Whether a script that says `text`, with a library, finds ours by `name`.
    fn finds_ours(text: &str, library: &str, name: &str) -> bool {
        let (file, text) = ("test.lua".into(), text.into());
        let (of, path) = ("lib/a".to_owned(), "lib/a.lua".to_owned());
        let library = Library { name: of, file: path, text: library.to_owned() };
        let source = Source { file, name: "test".into(), text, libraries: vec![library].into() };
        let vm = Vm::new(&source, &Means::default(), false).expect("a machine");
        let mut found = mlua::Value::Table(vm.base().clone());
        for part in name.split('.') {
            found = found.as_table().expect("a table").get(part).expect("a value");
        }
        found.as_function().is_some_and(|f| f.info().source.as_deref() == Some("=library"))
    }

    #[test]
    fn what_a_text_says_it_finds_bounded() {
        for name in ["pcall", "xpcall", "coroutine.resume", "top"] {
            assert!(finds_ours(&format!("n = {name}(x)"), "", name), "{name}");
            assert!(finds_ours("", &format!("return {{ {name}(x) }}"), name), "{name}");
            assert!(finds_ours(&format!("t = `a {{{name}(x)}}`"), "", name), "{name}");
        }
        for name in ["rawset", "table.insert", "table.clear"] {
            for text in ["function update(p) end", "check = f", "local l = require('lib/a')"] {
                assert!(finds_ours(text, "", name), "{name} in {text}");
            }
        }
    }

    #[test]
    fn methods_of_texts_are_bounded_where_nothing_says_their_names() {
        for name in ["rep", "find", "match", "gmatch", "gsub", "split"] {
            assert!(finds_ours("n = 1", "", &format!("string.{name}")), "{name}");
        }
        assert!(finds_ours("n = 1", "", "table.sort") && finds_ours("n = 1", "", "table.move"));
    }

    #[test]
    fn what_no_text_says_is_not_made() {
        for (text, name) in [("t:top('n', 3)", "top"), ("-- top", "top"), ("n = 1", "pcall")] {
            assert!(!finds_ours(text, "", name), "{name} in {text}");
        }
    }
}
