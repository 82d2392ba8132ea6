//! The script library, as it lies in `stdlib/`, held in the binary.
//!
//! Every library is there in Lua and in Rhai, with the same functions; its head says what it
//! does, and shows it in a module that tests run in both languages.

use crate::scan::Language;

macro_rules! libraries {
    ($($name:literal)*) => {
        &[$((
            $name,
            include_str!(concat!("../../stdlib/", $name, ".lua")),
            include_str!(concat!("../../stdlib/", $name, ".rhai")),
        )),*]
    };
}

/// The libraries: name, text in Lua, text in Rhai; in the order of their names.
pub const LIBRARIES: &[(&str, &str, &str)] = libraries! {
    "anomaly"
    "dnscache"
    "ewma"
    "flows"
    "fmt"
    "forecast"
    "handshake"
    "histogram"
    "sketch"
    "test"
    "top"
    "window"
};

/// The names of the libraries.
pub fn names() -> impl Iterator<Item = &'static str> {
    LIBRARIES.iter().map(|(name, ..)| *name)
}

/// The file and the text of a library.
pub fn find(name: &str, language: Language) -> Option<(String, &'static str)> {
    let (_, lua, rhai) = LIBRARIES.iter().find(|(known, ..)| *known == name)?;
    let text = match language {
        Language::Lua => lua,
        Language::Rhai => rhai,
    };
    Some((format!("{name}.{}", language.name()), text))
}
