//! `como init`: what it writes, and that it overwrites nothing.

use como_tests::Folder;

#[test]
fn it_writes_a_configuration_and_a_modules_folder() {
    let folder = Folder::new();
    let ran = folder.como(["init", "site"]).ok();
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains("site/como.toml"), "{}", ran.stderr);
    let config = std::fs::read_to_string(folder.path().join("site/como.toml")).expect("written");
    assert!(config.contains("[[module]]"), "{config}");
    let modules = std::fs::read_dir(folder.path().join("site/modules")).expect("a folder");
    assert_eq!(modules.count(), 0);
}

#[test]
fn it_leaves_what_is_there() {
    let folder = Folder::new();
    let config = folder.write("como.toml", "mine");
    folder.write("modules/mine.lua", "");
    folder.como(["init"]).refused(1, &["como.toml", "exists", "hint: "]);
    assert_eq!(std::fs::read_to_string(config).expect("still there"), "mine");
    assert!(folder.path().join("modules/mine.lua").exists());
}

#[test]
fn a_place_that_cannot_be_is_named() {
    let folder = Folder::new();
    folder.write("file", "");
    folder.como(["init", "file/site"]).refused(1, &["file/site", "Not a directory"]);
}
