//! The scripts we ship, as they lie in `modules/`, held in the binary.
//!
//! They are there to be run and to be copied; nothing sets them apart from a
//! user's own. Where a module is shipped in both languages the Lua one has the
//! plain name, and the other is called by its file: `topaddr.rhai`.

macro_rules! scripts {
    ($($file:literal)*) => {
        &[$(($file, include_str!(concat!("../../modules/", $file)))),*]
    };
}

/// The scripts: file and text, in the order of their names.
pub const SCRIPTS: &[(&str, &str)] = scripts! {
    "apps.lua"
    "ethtypes.rhai"
    "flowcount.rhai"
    "protocol.lua"
    "protocol.rhai"
    "sessions.lua"
    "syn.lua"
    "topaddr.lua"
    "topaddr.rhai"
    "topports.lua"
    "topports.rhai"
    "trace.lua"
    "traffic.lua"
    "traffic.rhai"
    "tuple.lua"
};

/// The name users call the script in `file` by: its stem, or the file where the stem is taken.
pub fn name(file: &'static str) -> &'static str {
    let stem = |file: &'static str| file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let first = SCRIPTS.iter().find(|(other, _)| stem(other) == stem(file));
    if first.is_some_and(|(first, _)| *first != file) { file } else { stem(file) }
}

/// Every shipped script: the name users call it by, its file, its text.
pub fn shipped() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    SCRIPTS.iter().map(|(file, text)| (name(file), *file, *text))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_script_in_the_folder_is_shipped() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../modules");
        let entries = std::fs::read_dir(folder).expect("the modules folder");
        let names =
            entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut there: Vec<String> =
            names.filter(|n| n.ends_with(".lua") || n.ends_with(".rhai")).collect();
        there.sort();
        assert!(there.iter().eq(SCRIPTS.iter().map(|(file, _)| file)), "{there:?}");
    }

    #[test]
    fn two_languages_of_one_name_are_told_apart() {
        assert_eq!(name("topaddr.lua"), "topaddr");
        assert_eq!(name("topaddr.rhai"), "topaddr.rhai");
        assert_eq!(name("ethtypes.rhai"), "ethtypes");
    }

    #[test]
    fn every_shipped_script_loads_and_describes_itself() {
        for (_, file, text) in shipped() {
            let kind = crate::load_text(file, text).unwrap_or_else(|e| panic!("{e}"));
            let manifest = kind.manifest();
            assert!(manifest.doc.ends_with('.') && manifest.doc.len() < 80, "{file}");
            for arg in manifest.args.iter().filter(|a| a.name != "interval") {
                assert!(!arg.doc.is_empty() || arg.name == "classes", "{file}: {}", arg.name);
            }
        }
    }
}
