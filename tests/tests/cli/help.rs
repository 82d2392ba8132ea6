//! Help, completions, manual pages, and command lines that make no sense.

use como_tests::Folder;

#[track_caller]
fn check_shows(args: &[&str], words: &[&str]) {
    let ran = Folder::new().como(args).ok();
    assert_eq!(ran.stderr, "");
    for word in words {
        assert!(ran.stdout.contains(word), "`{word}` is missing in: {}", ran.stdout);
    }
}

#[test]
fn every_verb_has_a_page_with_examples() {
    let verbs = ["run", "info", "filter", "gen", "modules", "sniffers", "check", "init"];
    for verb in verbs.into_iter().chain(["serve", "query", "store", "repl", "completions", "man"]) {
        check_shows(&[verb, "--help"], &["Usage: como", "Examples:\n  como "]);
        check_shows(&["help", verb], &["Usage: como", "Examples:\n  como "]);
        check_shows(&["man", verb], &[&format!(".TH como-{verb} 1"), "EXTRA"]);
    }
    check_shows(&["--version"], &["como "]);
    check_shows(&["man"], &[".TH como 1"]);
}

#[test]
fn completions_know_the_verbs() {
    for shell in ["bash", "zsh", "fish"] {
        check_shows(&["completions", shell], &["sniffers", "filter"]);
    }
}

#[test]
fn a_line_that_makes_no_sense_is_refused() {
    let folder = Folder::new();
    folder.como(["rum"]).refused(2, &["rum", "run"]);
    folder.como(["run", "traffic", "--formt", "csv"]).refused(2, &["--formt", "--format"]);
    folder.como(["run"]).refused(2, &["MODULE"]);
    folder.como(["man", "rum"]).refused(2, &["there is no verb `rum`", "did you mean `run`?"]);
}
