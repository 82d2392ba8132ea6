//! The scripts we ship, held in the command itself.
//!
//! They lie in `modules/` at the top of the project, like a user's own, and
//! are loaded only when asked for.

/// File names and texts, by name.
pub const SCRIPTS: &[(&str, &str)] = &[];

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

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
}
