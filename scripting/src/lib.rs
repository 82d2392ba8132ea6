//! Lua and Rhai scripts as modules.
//!
//! A script declares by plain top-level names what it measures; this crate turns
//! it into a [`Kind`] that nobody can tell from a native one.

mod begin;
pub mod declare;
mod lua;
pub mod recorder;
mod replayed;
mod rhai;
#[cfg(test)]
mod running;
pub mod scan;
pub mod shipped;

use std::path::Path;
use std::sync::Arc;

use como_core::module::{Kind, ModuleError};
use scan::Language;

/// Loads the script in a file, in the language its name ends in.
pub fn load(path: &Path) -> Result<Arc<dyn Kind>, ModuleError> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| ModuleError::File { file: file.clone(), why: error.to_string() })?;
    load_text(&file, &text)
}

/// Loads a script from its text; `file` names it in messages and says its language.
pub fn load_text(file: &str, text: &str) -> Result<Arc<dyn Kind>, ModuleError> {
    let name = Path::new(file).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    match Language::of(file) {
        Some(Language::Lua) => Ok(Arc::new(lua::Lua::load(file, &name, text)?)),
        Some(Language::Rhai) => Ok(Arc::new(rhai::Rhai::load(file, &name, text)?)),
        None => Err(ModuleError::File {
            file: file.to_owned(),
            why: "a script's name ends in .lua or .rhai".to_owned(),
        }),
    }
}
