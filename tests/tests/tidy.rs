//! The house rules that a machine can check: headers, sizes, imports, doors.
//!
//! `CONTRIBUTING.md` gives the rules and `ARCHITECTURE.md` the edges. A rule
//! that stands in the way is changed there and here, in one commit.

use std::fs;
use std::path::{Path, PathBuf};

/// Longest source file, in lines.
const LINES_MAX: usize = 500;

/// Longest line, in characters: of code, and of a paragraph.
const COLUMNS_MAX: usize = 100;

/// Made from the code, whose lines it has.
const GENERATED: &str = "docs/module-api.md";

/// Which of our packages each one may import. `tests` and `bench` use the command alone.
const EDGES: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("lookup", &["como_core"]),
    ("sniffers", &["como_core"]),
    ("scripting", &["como_core"]),
    ("modules/native", &["como_core"]),
    ("web", &["como_core"]),
    (
        "repl",
        &[
            "como_core",
            "como_lookup",
            "como_sniffers",
            "como_scripting",
            "como_modules",
            "como_web",
        ],
    ),
    ("tests", &["como_tests"]),
    ("bench", &[]),
    ("fuzz", &["como_core", "como_sniffers", "como_lookup", "como_scripting", "como_fuzz"]),
];

const OURS: &[&str] = &[
    "como_core",
    "como_lookup",
    "como_sniffers",
    "como_scripting",
    "como_modules",
    "como_web",
    "como_tests",
    "como_bench",
    "como_fuzz",
];

/// Where each outside package with one door may be mentioned: prefixes of paths.
const DOORS: &[(&str, &[&str])] = &[
    // The reference that generated packets are held against, too.
    ("etherparse", &["core/src/packet", "sniffers/src/generate/tests"]),
    ("maxminddb", &["lookup/src/mmdb"]),
    ("redb", &["core/src/storage"]),
    ("ipcrypt_rs", &["core/src/storage/packets"]),
    ("mlua", &["scripting/src/lua"]),
    ("rhai", &["scripting/src/rhai"]),
    ("regex", &["scripting/src/api/pattern"]),
    ("domain", &["scripting/src/api/dns"]),
    ("httparse", &["scripting/src/api/http"]),
    ("tls_parser", &["scripting/src/api/tls"]),
    ("pcap", &["sniffers/src/live"]),
    ("tiny_http", &["web/src"]),
    ("rustyline", &["repl/src/prompt"]),
    ("comfy_table", &["repl/src/output"]),
    ("indicatif", &["repl/src/progress"]),
    ("arrow_array", &["repl/src/columnar"]),
    ("arrow_ipc", &["repl/src/columnar"]),
    ("arrow_schema", &["repl/src/columnar"]),
    ("parquet", &["repl/src/columnar"]),
];

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests/ lies in the workspace").to_owned()
}

/// Every file below the workspace with one of these endings, by its path from the root.
fn files(endings: &[&str]) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        let entries = fs::read_dir(&folder).expect("a readable folder");
        for path in entries.map(|entry| entry.expect("a readable entry").path()) {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if path.is_dir() {
                let foreign = name.starts_with('.') || ["target", "demo"].contains(&name);
                if !foreign && !path.join("CACHEDIR.TAG").exists() {
                    open.push(path);
                }
            } else if endings.iter().any(|e| name.ends_with(e)) {
                let text = fs::read_to_string(&path).expect("UTF-8 source");
                let path = path.strip_prefix(&root).expect("below the root");
                found.push((path.to_string_lossy().replace('\\', "/"), text));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no file with {endings:?}: is the root right?");
    found
}

/// Whether `text` uses the crate `name` by a path: `name::`, `use name;`, `::name::`.
/// With `shadowed`, only `::name` counts: the folder has a module of that name itself.
fn mentions(text: &str, name: &str, shadowed: bool) -> bool {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
        line.match_indices(name).any(|(at, _)| {
            let before = &line[..at];
            let after = &line[at + name.len()..];
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            if before.ends_with(is_word) || after.starts_with(is_word) {
                return false;
            }
            if let Some(path) = before.strip_suffix("::") {
                let leads = !path.ends_with(is_word) && !path.ends_with('>');
                return leads && (after.starts_with("::") || after.starts_with(';'));
            }
            !shadowed
                && (after.starts_with("::")
                    || (before.trim().ends_with("use") && after.starts_with(';')))
        })
    })
}

#[track_caller]
fn none(what: &str, wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{what}:\n  {}", wrong.join("\n  "));
}

#[test]
fn every_rust_file_opens_with_what_it_is() {
    let bare = |(path, text): (String, String)| (!text.starts_with("//! ")).then_some(path);
    none("open these with `//! `", files(&[".rs"]).into_iter().filter_map(bare).collect());
}

/// Whether there is code in a file that the compiler does not check.
fn is_unsafe(text: &str) -> bool {
    // Spelled so that this file does not find itself.
    let marks = ["{", "fn ", "impl ", "extern "].map(|what| format!("{} {what}", "unsafe"));
    let is_comment = |line: &str| line.trim_start().starts_with("//");
    let marked = |line: &str| marks.iter().any(|mark| line.contains(mark));
    text.lines().any(|line| !is_comment(line) && marked(line))
}

#[test]
fn files_with_unsafe_code_say_so_in_their_head_with_the_reason() {
    let is_said = |text: &str| {
        let head = text.lines().take_while(|line| line.starts_with("//!"));
        head.filter_map(|line| line.strip_prefix("//! Unsafe code: ")).any(|why| !why.is_empty())
    };
    let silent =
        |(path, text): (String, String)| (is_unsafe(&text) && !is_said(&text)).then_some(path);
    none(
        "say `//! Unsafe code: ` and why in the heads of these",
        files(&[".rs"]).into_iter().filter_map(silent).collect(),
    );
}

#[test]
fn every_script_opens_with_what_it_is() {
    let bare = |(path, text): (String, String)| {
        let comment = if path.ends_with(".rhai") { "// " } else { "--" };
        let shipped = path.starts_with("modules/") || path.starts_with("stdlib/");
        (shipped && !text.starts_with(comment)).then_some(path)
    };
    none(
        "open these with a comment",
        files(&[".lua", ".rhai", ".rs"])
            .into_iter()
            .filter(|(path, _)| !path.ends_with(".rs"))
            .filter_map(bare)
            .collect(),
    );
}

#[test]
fn no_file_is_too_long_to_read() {
    let long = |(path, text): (String, String)| {
        let lines = text.lines().count();
        (lines > LINES_MAX).then(|| format!("{path}: {lines} lines"))
    };
    let all = files(&[".rs", ".lua", ".rhai"]);
    none(&format!("split these ({LINES_MAX} lines)"), all.into_iter().filter_map(long).collect());
}

/// Whether a line of Markdown is of a paragraph: no table, heading or code that is set apart, and
/// nothing that cannot be broken, as a link.
fn is_of_paragraph(line: &str) -> bool {
    let text = line.trim_start();
    text.contains(' ') && !line.starts_with("    ") && !text.starts_with(['|', '#', '<', '['])
}

#[test]
fn no_line_is_too_long_to_read() {
    let mut wrong = Vec::new();
    for (path, text) in files(&[".rs", ".md"]).into_iter().filter(|(path, _)| path != GENERATED) {
        let (is_rust, mut is_fenced) = (path.ends_with(".rs"), false);
        for (at, line) in text.lines().enumerate() {
            is_fenced ^= line.trim_start().starts_with("```");
            let counts = is_rust || !is_fenced && is_of_paragraph(line);
            if counts && line.chars().count() > COLUMNS_MAX {
                wrong.push(format!("{path}:{}", at + 1));
            }
        }
    }
    none(&format!("break these lines ({COLUMNS_MAX} columns)"), wrong);
}

#[test]
fn modules_are_files_beside_their_folders() {
    let wrong = files(&[".rs"]).into_iter().map(|(path, _)| path);
    none("name these after their folder", wrong.filter(|p| p.ends_with("/mod.rs")).collect());
}

#[test]
fn nothing_is_left_to_do() {
    // Spelled so that this file does not find itself.
    let marks =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("to", "do!(")];
    let mut wrong = Vec::new();
    for (path, text) in files(&[".rs", ".lua", ".rhai", ".toml", ".md"]) {
        for (at, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                wrong.push(format!("{path}:{}: {}", at + 1, line.trim()));
            }
        }
    }
    none("finish these", wrong);
}

#[test]
fn packages_import_only_what_the_layout_allows() {
    let mut wrong = Vec::new();
    for (path, text) in files(&[".rs"]) {
        let (folder, allowed) = EDGES
            .iter()
            .find(|(folder, _)| path.starts_with(&format!("{folder}/")))
            .unwrap_or_else(|| panic!("{path} lies in no package of the layout"));
        // Examples and integration tests import their own package from outside.
        let is_outside = !path.starts_with(&format!("{folder}/src/"));
        let own = format!("como_{}", folder.split('/').next().unwrap_or(folder));
        let is_own = |name: &str| is_outside && name == own;
        for name in OURS.iter().filter(|name| !allowed.contains(name) && !is_own(name)) {
            if mentions(&text, name, false) {
                wrong.push(format!("{path}: `{folder}` may not import `{name}`"));
            }
        }
    }
    for (folder, allowed) in EDGES {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml"));
        let manifest = manifest.unwrap_or_else(|e| panic!("{folder}/Cargo.toml: {e}"));
        for name in OURS.iter().filter(|name| !allowed.contains(name)) {
            let package = name.replace('_', "-");
            let names_it = |line: &str| {
                line.strip_prefix(&package).is_some_and(|rest| rest.starts_with([' ', '.', '=']))
            };
            if manifest.lines().any(names_it) {
                wrong
                    .push(format!("{folder}/Cargo.toml: `{folder}` may not depend on `{package}`"));
            }
        }
    }
    none("these edges are not in the layout", wrong);
}

#[test]
fn outside_packages_are_used_behind_one_door() {
    let mut wrong = Vec::new();
    let all = files(&[".rs"]);
    for (package, doors) in DOORS {
        for (path, text) in &all {
            if doors.iter().any(|door| path.starts_with(door)) {
                continue;
            }
            let crate_folder = path.split("src/").next().unwrap_or_default();
            let own = format!("/{package}.rs");
            let shadowed =
                all.iter().any(|(p, _)| p.starts_with(crate_folder) && p.ends_with(&own));
            if mentions(text, package, shadowed) {
                wrong.push(format!("{path}: `{package}` belongs behind {}", doors.join(" or ")));
            }
        }
    }
    none("these go round the door", wrong);
}

#[test]
fn mentions_tells_crates_from_words() {
    let check =
        |line: &str, want: bool| assert_eq!(mentions(line, "abacus", false), want, "{line}");
    check("use abacus::Bead;", true);
    check("let x = abacus::Bead::list();", true);
    check("use abacus;", true);
    check("::abacus::Bead", true);
    check("crate::abacus::open()", false);
    check("mod abacus;", false);
    check("// abacus::Bead", false);
    check("let anabacus::x", false);
    assert!(!mentions("abacus::open()", "abacus", true), "the folder's own module");
    assert!(mentions("use ::abacus::Bead;", "abacus", true), "the crate all the same");
}
