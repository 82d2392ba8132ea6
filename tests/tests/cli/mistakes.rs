//! What `como check` says of wrong scripts, word by word: as much a part of the command as what it
//! says of right ones.
//!
//! Each script in `tests/mistakes` has beside it, in `said`, what is said of it. After a change
//! that is meant, `INSTA_UPDATE=always cargo nextest run -p como-tests mistakes` writes it anew.

use std::path::Path;

use como_tests::Folder;

/// A line without how often a module failed: that depends on how packets fall into batches.
fn uncounted(line: &str) -> String {
    match line.split_once(" failed ") {
        Some((module, _)) if line.starts_with("error: module") => format!("{module} failed ..."),
        _ => line.to_owned(),
    }
}

/// Checks the scripts that end so against what is kept.
#[track_caller]
fn check(ending: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("mistakes");
    let entries = std::fs::read_dir(&root).expect("the wrong scripts");
    let names = entries.map(|entry| entry.expect("readable").file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().expect("UTF-8")).collect();
    names.retain(|name| name.ends_with(ending));
    names.sort();
    assert!(names.len() >= 15, "{names:?}");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(root.join("said"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for name in names {
        let folder = Folder::new();
        folder.write(&name, std::fs::read(root.join(&name)).expect("a script"));
        let ran = folder.como(["check", &name]);
        let said: String = ran.stderr.lines().map(|line| uncounted(line) + "\n").collect();
        settings.bind(|| insta::assert_snapshot!(name.as_str(), said));
    }
}

#[test]
fn wrong_scripts_in_lua_are_told_what_is_wrong() {
    check(".lua");
}

#[test]
fn wrong_scripts_in_rhai_are_told_what_is_wrong() {
    check(".rhai");
}
