//! Every capture of the trace collection, as `como` measures it and as independent tools do.
//!
//! The collection is not part of the project: without it beside the workspace
//! the test says so and passes. Its README defines every key compared here.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use como_tests::{Folder, traces};
use serde_json::{Value, json};

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

/// One capture of the collection.
struct Case {
    path: PathBuf,
    known: Value,
    // Whether its packets are of a kind that is decoded.
    decoded: bool,
}

/// Every capture, in the order of their numbers; `None`, and says so, where there is no collection.
#[expect(clippy::print_stderr, reason = "a skipped test should say so")]
fn cases() -> Option<Vec<Case>> {
    let Some(collection) = traces() else {
        eprintln!("skipped: no trace collection beside the workspace");
        return None;
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(collection.join("expected"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(files.len() > 50, "the collection is incomplete");
    let case = |file: &PathBuf| {
        let text = std::fs::read_to_string(file).expect("a readable file");
        let known: Value = serde_json::from_str(&text).expect("JSON");
        let path = collection.join(known["file"].as_str().expect("a file name"));
        let category = known["category"].as_str().unwrap_or_default();
        Case { path, decoded: !category.contains("unsupported"), known }
    };
    Some(files.iter().map(case).collect())
}

#[test]
fn captures_hold_what_independent_tools_found() {
    let Some(cases) = cases() else { return };
    let folder = Folder::new();
    let mut wrong = Vec::new();
    for Case { path, known, decoded } in cases {
        let ran = folder.como(["info".as_ref(), "--json".as_ref(), path.as_os_str()]);
        if !decoded {
            ran.refused(1, &["link type"]);
            continue;
        }
        let file = path.display();
        match ran.ndjson().first() {
            Some(got) => {
                wrong.extend(differences(&known, got).into_iter().map(|d| format!("{file}: {d}")));
            }
            None => wrong.push(format!("{file}: {}", ran.stderr)),
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What the records of `traffic`, `tuple` and `topaddr` say of a whole capture, under the keys of
/// the expected values.
fn measured(folder: &Folder, path: &Path) -> Value {
    let run = |args: &[&str]| {
        let args = args.iter().map(OsStr::new).chain(["-r".as_ref(), path.as_os_str()]);
        folder.como(std::iter::once("run".as_ref()).chain(args)).ndjson()
    };
    let sum = |rows: &[Value], key: &str| rows.iter().filter_map(|r| r[key].as_u64()).sum::<u64>();
    let traffic = run(&["traffic", "-a", "interval=1h"]);
    let flow = |row: &Value| ["src", "dst", "proto", "sport", "dport"].map(|k| row[k].to_string());
    let rows = run(&["tuple"]);
    let flows: BTreeSet<_> = rows.iter().filter(|r| !r["src"].is_null()).map(flow).collect();
    let top = |by: &str| {
        let mut bytes = BTreeMap::<String, u64>::new();
        for row in run(&["topaddr", "-a", "n=1000000", "-a", by]) {
            // A gap between two intervals is a row without an address.
            let Some(addr) = row["addr"].as_str() else { continue };
            *bytes.entry(addr.to_owned()).or_default() += row["bytes"].as_u64().unwrap_or(0);
        }
        let mut rows: Vec<(String, u64)> = bytes.into_iter().collect();
        rows.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        (rows.len(), rows.into_iter().take(5).collect::<Vec<_>>())
    };
    let ((sources, top_src), (destinations, top_dst)) = (top("use_src=true"), top("use_dst=true"));
    json!({
        "packets": sum(&traffic, "packets"),
        "wire_bytes": sum(&traffic, "bytes"),
        "flows_5tuple_unidirectional": flows.len(),
        "distinct_src_ip": sources,
        "distinct_dst_ip": destinations,
        "top_src_ip_bytes": top_src,
        "top_dst_ip_bytes": top_dst,
    })
}

#[test]
fn modules_record_what_independent_tools_found() {
    let Some(cases) = cases() else { return };
    let folder = Folder::new();
    let mut wrong = Vec::new();
    for Case { path, mut known, decoded } in cases {
        if !decoded || known["expected"]["packets"] == 0 {
            continue;
        }
        let got = measured(&folder, &path);
        let asked = got.as_object().expect("an object");
        let expected = known["expected"].as_object_mut().expect("an object");
        expected.retain(|key, _| asked.contains_key(key));
        let file = path.display();
        wrong.extend(differences(&known, &got).into_iter().map(|d| format!("{file}: {d}")));
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
