//! Every capture of the trace collection, summed up and held against what independent tools found.
//!
//! The collection is not part of the project: without it beside the workspace
//! the test says so and passes. Its README defines every key compared here.

use std::path::{Path, PathBuf};

use como_core::source::Source;
use como_core::summary::Summary;
use serde_json::Value;

/// Link types that are not decoded yet; a file of one must be refused by name.
const LATER: [&str; 2] = ["lt-80211", "lt-erf"];

/// The summary of a file as JSON, or why it cannot be opened.
fn sum_up(file: &Path) -> Result<Value, String> {
    let sources = como_sniffers::open(&file.display().to_string()).map_err(|e| e.to_string())?;
    let mut summary = Summary::default();
    for mut source in sources {
        let source: &mut dyn Source = &mut *source;
        if let Err(error) = summary.read(source)
            && summary.report().packets == 0
        {
            return Err(error.to_string());
        }
    }
    Ok(serde_json::to_value(summary.report()).expect("a report is plain data"))
}

/// Whether a value is the expected one, or one the independent tools could not agree on.
fn agrees(key: &str, want: &Value, got: &Value) -> bool {
    if key.ends_with("_ts") {
        let number = |v: &Value| v.as_str().and_then(|text| text.parse::<f64>().ok());
        return match (number(want), number(got)) {
            (Some(want), Some(got)) => (want - got).abs() < 2e-6,
            (want, got) => want == got,
        };
    }
    if key.starts_with("top_") {
        return agrees_top(want, got);
    }
    want == got
}

/// Expected are the largest five and all that equal the last of them: ours are any five of these.
/// Where a tie was too long to list, each of ours must reach it.
fn agrees_top(want: &Value, got: &Value) -> bool {
    let rows = |value: &Value| {
        let mut rows: Vec<(String, u64)> = value.as_array().map_or(Vec::new(), |rows| {
            rows.iter()
                .filter_map(|row| Some((row[0].as_str()?.to_owned(), row[1].as_u64()?)))
                .collect()
        });
        rows.sort();
        rows
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

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test should say so")]
fn captures_hold_what_independent_tools_found() {
    let Some(collection) = como_tests::traces() else {
        eprintln!("skipped: no trace collection beside the workspace");
        return;
    };
    let mut names: Vec<PathBuf> = std::fs::read_dir(collection.join("expected"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    names.sort();
    assert!(names.len() > 50, "the collection is incomplete");
    let mut wrong = Vec::new();
    for name in names {
        let text = std::fs::read_to_string(&name).expect("a readable file");
        let case: Value = serde_json::from_str(&text).expect("JSON");
        let file = case["file"].as_str().expect("a file name");
        let category = case["category"].as_str().unwrap_or_default();
        let is_later = LATER.iter().any(|link| category.contains(link));
        match sum_up(&collection.join(file)) {
            Err(why) if is_later || category.contains("unsupported") => {
                assert!(why.contains("link type"), "{file}: {why}");
            }
            Err(why) => wrong.push(format!("{file}: {why}")),
            Ok(_) if is_later => wrong.push(format!("{file}: should be refused")),
            Ok(got) => {
                for (key, want) in case["expected"].as_object().expect("an object") {
                    let disputed = case["disputed"][key].as_object();
                    let others = disputed.into_iter().flat_map(|views| views.values());
                    if !std::iter::once(want).chain(others).any(|want| agrees(key, want, &got[key]))
                    {
                        wrong.push(format!("{file}: {key}: want {want}, got {}", got[key]));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
