//! Lua and Rhai scripts as modules.
//!
//! A script declares by plain top-level names what it measures; this crate turns
//! it into a [`Kind`] that nobody can tell from a native one.

mod absent;
#[cfg(test)]
mod alike;
pub mod api;
mod begin;
mod common;
pub mod declare;
mod flow;
mod foreign;
mod host;
mod library;
mod lift;
mod lua;
mod mistakes;
#[cfg(test)]
mod parity;
mod passed;
pub mod recorder;
mod replayed;
mod rhai;
#[cfg(test)]
mod running;
pub mod scan;
pub mod shipped;
pub mod stdlib;
mod talk;
mod watch;

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use como_core::module::{Kind, Mistake, ModuleError};
use como_core::source::with_causes;
pub use library::FOLDER as LIBRARY_FOLDER;
use library::Library;
use scan::Language;

/// Loads the script in a file, in the language its name ends in, with what it requires.
pub fn load(path: &Path) -> Result<Arc<dyn Kind>, ModuleError> {
    let file = path.display().to_string();
    let text = read(path)
        .map_err(|error| ModuleError::File { file: file.clone(), why: with_causes(&error) })?;
    load_from(&file, &text, Some(folder(path)))
}

/// The folder that a script lies in.
fn folder(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// The text of the script in a file and of all it requires: what has to change for the module to
/// be another. Where something required is not to be had, the reason stands in its place.
pub fn whole(path: &Path) -> io::Result<String> {
    let mut text = read(path)?;
    let Some(language) = Language::of(&path.display().to_string()) else { return Ok(text) };
    let (libraries, missing) = library::gather("", &text, language, Some(folder(path)));
    let added = |library: Library| format!("\0{}\0{}", library.file, library.text);
    text.extend(libraries.into_iter().map(added));
    text.extend(missing.into_iter().map(|error| format!("\0{error}")));
    Ok(text)
}

/// The longest script accepted, in bytes.
const SOURCE_BYTES_MAX: usize = 256 << 10;

/// The text of a script, or of one that is too long as much as shows that.
///
/// Only plain files are read: a pipe or a device under a script's name would hold its reader for
/// ever, or never end.
pub fn read(path: &Path) -> io::Result<String> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("a script is a plain file, and this is none"));
    }
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(SOURCE_BYTES_MAX as u64 + 1).read_to_end(&mut text)?;
    if text.len() > SOURCE_BYTES_MAX {
        // It is refused for its length; that the cut may part a character means nothing.
        return Ok(String::from_utf8_lossy(&text).into_owned());
    }
    let text = String::from_utf8(text)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8 text"))?;
    // Some editors begin a file with the mark of its encoding.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// What surely fails in a script wherever it is reached, as far as its text tells: names that it
/// calls or looks into and that are nowhere. A script in Rhai is refused for them.
pub fn strangers(file: &str, text: &str) -> Vec<Mistake> {
    match Language::of(file) {
        Some(Language::Lua) => lua::strangers(file, text),
        _ => Vec::new(),
    }
}

/// Loads a script from its text; `file` names it in messages and says its language. It lies in no
/// folder, and so has no libraries of its own.
pub fn load_text(file: &str, text: &str) -> Result<Arc<dyn Kind>, ModuleError> {
    load_from(file, text, None)
}

fn load_from(file: &str, text: &str, folder: Option<&Path>) -> Result<Arc<dyn Kind>, ModuleError> {
    let name = Path::new(file).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    let Some(language) = Language::of(file) else {
        return Err(ModuleError::File {
            file: file.to_owned(),
            why: "a script's name ends in .lua or .rhai".to_owned(),
        });
    };
    let libraries = library::gather(file, text, language, folder);
    match language {
        Language::Lua => Ok(Arc::new(lua::Lua::load(file, &name, text, libraries)?)),
        Language::Rhai => Ok(Arc::new(rhai::Rhai::load(file, &name, text, libraries)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &Path, want: &str) {
        let error = load(path).err().expect("no script").to_string();
        assert!(error.contains(want), "{error}");
    }

    #[test]
    fn what_is_no_plain_file_is_refused_unread() {
        let dir = tempfile::tempdir().expect("a folder");
        let link = dir.path().join("zero.lua");
        std::os::unix::fs::symlink("/dev/zero", &link).expect("a link");
        check(&link, "a script is a plain file, and this is none");
        check(dir.path(), "a script is a plain file, and this is none");
    }

    #[test]
    fn a_long_script_is_refused_for_its_length_wherever_it_is_cut() {
        let dir = tempfile::tempdir().expect("a folder");
        let long = dir.path().join("long.lua");
        for lead in ["--", "-- "] {
            let text = format!("{lead}{}", "\u{e9}".repeat(SOURCE_BYTES_MAX));
            std::fs::write(&long, text).expect("written");
            check(&long, "longer than 256 KiB");
        }
    }
}
