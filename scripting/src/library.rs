//! What a script may `require`: the standard library, and files of its own in `lib/` beside it.
//!
//! The names a script requires stand in its text, in quotes; so all of it is found, read and
//! bounded before any of it runs, and a module's code never grows while it runs. A name is that
//! of a library we ship (`window`), or `lib/NAME` for the file `lib/NAME.lua` (or `.rhai`) in the
//! module's own folder. There is no other way to write one, so none leads out of that folder.

use std::io;
use std::path::{Path, PathBuf};

use como_core::module::ModuleError;
use como_core::nearest::nearest;
use como_core::source::with_causes;

use crate::declare::Script;
use crate::mistakes::TOLD_MAX;
use crate::scan::tokens::{Shape, tokens};
use crate::scan::{Language, is_behind_dot};
use crate::stdlib;

/// How deep libraries may require each other.
const DEPTH_MAX: usize = 8;
/// How many libraries one module may have, those that others require counted.
const LIBRARIES_MAX: usize = 32;
/// How long all libraries of one module may be together, in bytes.
const BYTES_MAX: usize = 256 << 10;
/// The longest name of a library in `lib/`.
const NAME_BYTES_MAX: usize = 64;
/// The folder of a module's own libraries, beside the module.
pub const FOLDER: &str = "lib";

/// What the files of shipped libraries are shown to lie in.
const SHIPPED: &str = "stdlib/";

/// Whether this is how messages name a library that is shipped.
pub fn is_shipped(file: &str) -> bool {
    file.starts_with(SHIPPED)
}

/// One library that a script requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// The name it is required by.
    pub name: String,
    /// The file, as messages name it.
    pub file: String,
    /// The source.
    pub text: String,
}

/// Everything the script in `text` requires, each library behind those that it requires itself,
/// and what of it cannot be had.
///
/// `file` names the script in messages, `folder` is where it lies, if it lies in a file.
pub fn gather(
    file: &str,
    text: &str,
    language: Language,
    folder: Option<&Path>,
) -> (Vec<Library>, Vec<ModuleError>) {
    let (found, open, missing, wrong) = Default::default();
    let mut gather = Gather { language, folder, found, open, bytes: 0, missing, wrong };
    gather.all(file, text);
    (gather.found, gather.wrong)
}

struct Gather<'a> {
    language: Language,
    folder: Option<&'a Path>,
    found: Vec<Library>,
    /// The names of the libraries being gathered, the outermost first.
    open: Vec<String>,
    bytes: usize,
    /// What cannot be had, by name, and why.
    missing: Vec<String>,
    wrong: Vec<ModuleError>,
}

impl Gather<'_> {
    fn all(&mut self, file: &str, text: &str) {
        for (name, line) in required(text, self.language) {
            let known = self.found.iter().any(|library| library.name == name);
            if known || self.missing.contains(&name) || self.wrong.len() > TOLD_MAX {
                continue;
            }
            let library = match self.find(&name) {
                Ok(library) => library,
                Err(message) => {
                    let script = Script { file, name: "", language: self.language, text };
                    self.wrong.push(script.mistake(line, message).into());
                    self.missing.push(name);
                    continue;
                }
            };
            self.open.push(name);
            self.all(&library.file, &library.text);
            self.open.pop();
            self.found.push(library);
        }
    }

    /// The library called `name`, as long as there is room for it.
    fn find(&mut self, name: &str) -> Result<Library, String> {
        if self.open.iter().any(|open| open == name) {
            let round = self.open.join("` requires `");
            return Err(format!("`{round}` requires `{name}`, and so itself"));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(format!("libraries require each other deeper than {DEPTH_MAX}"));
        }
        if self.found.len() + self.open.len() >= LIBRARIES_MAX {
            return Err(format!("more than {LIBRARIES_MAX} libraries are required"));
        }
        let library = match name.split_once('/') {
            Some((FOLDER, own)) => self.own(name, own)?,
            _ => shipped(name, self.language)?,
        };
        self.bytes = self.bytes.saturating_add(library.text.len());
        if self.bytes > BYTES_MAX {
            return Err(format!(
                "what is required is longer than {} KiB together",
                BYTES_MAX >> 10
            ));
        }
        Ok(library)
    }

    /// The module's own library in `lib/OWN.lua` or `lib/OWN.rhai`.
    fn own(&self, name: &str, own: &str) -> Result<Library, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if own.is_empty() || own.len() > NAME_BYTES_MAX || !own.chars().all(plain) {
            return Err(ill_named(name));
        }
        let Some(folder) = self.folder else {
            return Err(format!("`{name}` cannot be had: this script lies in no folder"));
        };
        let endings: &[&str] = match self.language {
            Language::Lua => &["lua", "luau"],
            Language::Rhai => &["rhai"],
        };
        let mut paths = endings.iter().map(|end| folder.join(FOLDER).join(format!("{own}.{end}")));
        let Some(path) = paths.find(|path| path.symlink_metadata().is_ok()) else {
            let path = folder.join(FOLDER).join(format!("{own}.{}", endings[0]));
            return Err(format!("`{name}` cannot be had: there is no `{}`", shown(&path)));
        };
        let text = inside(folder, &path).and_then(|path| crate::read(&path));
        let text = text
            .map_err(|error| format!("cannot read `{}`: {}", shown(&path), with_causes(&error)))?;
        Ok(Library { name: name.to_owned(), file: shown(&path), text })
    }
}

/// A file as messages name it: beside the user as the user would.
fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

/// Where `path` leads, if that lies in `folder`.
fn inside(folder: &Path, path: &Path) -> io::Result<PathBuf> {
    let real = path.canonicalize()?;
    match real.starts_with(folder.canonicalize()?) {
        true => Ok(real),
        false => Err(io::Error::other("it leads out of the module's folder")),
    }
}

fn ill_named(name: &str) -> String {
    let name = name.chars().take(NAME_BYTES_MAX).collect::<String>();
    format!(
        "`{}` is no library; write the name of one that is shipped, or {FOLDER}/NAME for a file \
         of your own in the folder `{FOLDER}` beside the module",
        name.escape_debug()
    )
}

fn shipped(name: &str, language: Language) -> Result<Library, String> {
    if let Some((file, text)) = stdlib::find(name, language) {
        let file = format!("{SHIPPED}{file}");
        return Ok(Library { name: name.to_owned(), file, text: text.to_owned() });
    }
    if name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        return Err(ill_named(name));
    }
    Err(match nearest(name, stdlib::names()) {
        Some(near) => format!("there is no library `{name}`; did you mean `{near}`?"),
        None => {
            let names: Vec<&str> = stdlib::names().collect();
            let names = names.join(", ");
            format!("there is no library `{name}`: there are {names}, and {FOLDER}/NAME")
        }
    })
}

/// The names that the script in `text` requires, with their lines.
fn required(text: &str, language: Language) -> Vec<(String, u32)> {
    let tokens = tokens(text, language);
    let mut names: Vec<(String, u32)> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| tokens.get(at));
        // In Rhai a colon stands before what a name in a map is given.
        let method = language == Language::Lua && before.is_some_and(|t| t.is(":"));
        if !token.is("require") || method || is_behind_dot(&tokens, at) {
            continue;
        }
        let open = tokens.get(at + 1).is_some_and(|t| t.is("("));
        let bare = language == Language::Lua;
        let Some(name) = tokens.get(if open { at + 2 } else { at + 1 }) else { continue };
        let quoted = name.shape == Shape::Text && !name.text.starts_with(['`', '[']);
        let alone = if open { tokens.get(at + 3).is_some_and(|t| t.is(")")) } else { bare };
        if let Some(name) = name.name().filter(|_| quoted && alone) {
            names.push((name.to_owned(), token.line));
        }
    }
    names
}

#[cfg(test)]
mod tests;
