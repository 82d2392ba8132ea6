//! Every collection of flow records beside the project, as `como info` reads it and as other tools
//! do.
//!
//! The collection is not part of the project: without it beside the workspace
//! the tests say so and pass. Its README says where the values come from.

use std::path::Path;

use como_tests::{Folder, traces};
use serde_json::Value;

/// The counts that are compared, as the collection names them.
const COUNTS: [&str; 3] = ["records", "packets", "bytes"];

/// The kind of source that reads a file.
fn kind_of(name: &str) -> &'static str {
    if name.contains("sflow") { "sflow" } else { "netflow" }
}

#[expect(clippy::print_stderr, reason = "a skipped test should say so")]
fn collection() -> Option<std::path::PathBuf> {
    let found = traces();
    if found.is_none() {
        eprintln!("skipped: no trace collection beside the workspace");
    }
    found
}

fn json(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).expect("a readable file");
    serde_json::from_str(&text).expect("JSON")
}

/// Whether a report has the counts that are wanted, as far as they are.
fn has(report: &Value, want: &Value) -> bool {
    let is = |count| want[count].is_null() || want[count] == report[format!("flow_{count}")];
    COUNTS.into_iter().all(is)
}

/// What is wrong with one file: any of several answers may be right.
fn wrong(kind: &str, file: &Path, wants: &[Value]) -> Option<String> {
    let ran = Folder::new().como(["info", "--json", "-s", &format!("{kind}:{}", file.display())]);
    let Some(report) = ran.ndjson().into_iter().next() else {
        return Some(format!("{}: {}", file.display(), ran.stderr));
    };
    let ok = wants.iter().any(|want| has(&report, want));
    let got = COUNTS.map(|count| report[format!("flow_{count}")].to_string());
    (!ok).then(|| format!("{}: want {wants:?}, got {}", file.display(), got.join(" ")))
}

#[track_caller]
fn check(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn exports_hold_what_independent_tools_found() {
    let Some(collection) = collection() else { return };
    let mut all = Vec::new();
    for entry in std::fs::read_dir(collection.join("flows")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !name.ends_with(".json") || name == "malformed.json" {
            continue;
        }
        let kind = kind_of(name);
        let case = json(&path);
        let file = collection.join(case["export_pcap"].as_str().expect("a file name"));
        all.extend(wrong(kind, &file, &[case["totals"].clone()]));
        let by_proto = &case["totals"]["records_by_proto"];
        let ran =
            Folder::new().como(["info", "--json", "-s", &format!("{kind}:{}", file.display())]);
        let got = &ran.ndjson()[0]["flow_protocols"];
        for (proto, records) in by_proto.as_object().expect("an object") {
            if got[proto]["records"] != *records {
                all.push(format!("{name}: protocol {proto}: want {records}, got {}", got[proto]));
            }
        }
    }
    check(all);
}

#[test]
fn malformed_exports_give_what_their_formats_say() {
    let Some(collection) = collection() else { return };
    let cases = json(&collection.join("flows/malformed.json"));
    let wrong = cases.as_array().expect("a list").iter().filter_map(|case| {
        let name = case["name"].as_str().expect("a name");
        let kind = kind_of(name);
        let wants = match (&case["must"], &case["either"]) {
            (Value::Null, Value::Array(either)) => either.clone(),
            (must, _) => vec![must.clone()],
        };
        wrong(kind, &collection.join(format!("flows/{name}.pcap")), &wants)
    });
    check(wrong.collect());
}

#[test]
fn files_of_flow_tools_hold_what_flow_tools_found() {
    let Some(collection) = collection() else { return };
    let folder = collection.join("flowtools");
    let cases = json(&folder.join("expected.json"));
    let cases = cases.as_object().expect("an object").iter();
    let wrong = cases.filter_map(|(name, want)| {
        wrong("flowtools", &folder.join(name), std::slice::from_ref(want))
    });
    check(wrong.collect());
}
