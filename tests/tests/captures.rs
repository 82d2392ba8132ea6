//! Every capture of the trace collection, as `como info` sums it up and as independent tools do.
//!
//! The collection is not part of the project: without it beside the workspace
//! the test says so and passes. Its README defines every key compared here.

use std::path::PathBuf;

use como_tests::{Folder, traces};
use serde_json::Value;

/// Link types that are not decoded yet; a file of one must be refused by name.
const LATER: [&str; 2] = ["lt-80211", "lt-erf"];

/// Whether a value is the expected one.
fn agrees(key: &str, want: &Value, got: &Value) -> bool {
    if key.ends_with("_ts") {
        let number = |v: &Value| v.as_str().and_then(|text| text.parse::<f64>().ok());
        return match (number(want), number(got)) {
            (Some(want), Some(got)) => (want - got).abs() < 2e-6,
            (want, got) => want == got,
        };
    }
    if key.starts_with("top_") { agrees_top(want, got) } else { want == got }
}

/// Expected are the largest five and all that equal the last of them: ours are any five of these.
/// Where a tie was too long to list, each of ours must reach it.
fn agrees_top(want: &Value, got: &Value) -> bool {
    let rows = |value: &Value| -> Vec<(String, u64)> {
        let rows = value.as_array().cloned().unwrap_or_default();
        rows.iter()
            .filter_map(|row| Some((row[0].as_str()?.to_owned(), row[1].as_u64()?)))
            .collect()
    };
    let (mut want, got) = (rows(want), rows(got));
    let whole = want.len();
    want.retain(|(name, _)| !name.starts_with("..."));
    if want.len() < whole {
        let tie = want.iter().map(|(_, value)| *value).min().unwrap_or(0);
        return got.iter().all(|(_, value)| *value >= tie);
    }
    got.len() >= want.len().min(5) && got.iter().all(|row| want.contains(row))
}

/// What is wrong with one report, key by key. Where the tools disagree either value is right.
fn differences(case: &Value, got: &Value) -> Vec<String> {
    let expected = case["expected"].as_object().expect("an object");
    let wrong = expected.iter().filter(|(key, want)| {
        let disputed = case["disputed"][key.as_str()].as_object();
        let others = disputed.into_iter().flat_map(|views| views.values());
        !std::iter::once(*want).chain(others).any(|want| agrees(key, want, &got[key.as_str()]))
    });
    wrong.map(|(key, want)| format!("{key}: want {want}, got {}", got[key.as_str()])).collect()
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test should say so")]
fn captures_hold_what_independent_tools_found() {
    let Some(collection) = traces() else {
        eprintln!("skipped: no trace collection beside the workspace");
        return;
    };
    let folder = Folder::new();
    let mut cases: Vec<PathBuf> = std::fs::read_dir(collection.join("expected"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    cases.sort();
    assert!(cases.len() > 50, "the collection is incomplete");
    let mut wrong = Vec::new();
    for case in cases {
        let text = std::fs::read_to_string(&case).expect("a readable file");
        let case: Value = serde_json::from_str(&text).expect("JSON");
        let file = case["file"].as_str().expect("a file name");
        let category = case["category"].as_str().unwrap_or_default();
        let path = collection.join(file);
        let ran = folder.como(["info".as_ref(), "--json".as_ref(), path.as_os_str()]);
        if LATER.iter().any(|link| category.contains(link)) || category.contains("unsupported") {
            ran.refused(1, &["link type"]);
            continue;
        }
        match ran.ndjson().first() {
            Some(got) => {
                wrong.extend(differences(&case, got).into_iter().map(|d| format!("{file}: {d}")));
            }
            None => wrong.push(format!("{file}: {}", ran.stderr)),
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
