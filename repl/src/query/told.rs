//! What an answer is made of, and in what it is not exact: as a monitor tells it, and beside an
//! answer.

use como_core::source::Covered;
use como_core::storage::Coverage;

use crate::error::say;

/// The sources that an answer covers, as JSON: from when on, which, and how good they were.
pub fn sources(coverage: &[Coverage]) -> String {
    let coverage = coverage
        .iter()
        .map(|c| serde_json::json!({ "since": c.since.to_string(), "sources": c.sources }));
    let text = serde_json::Value::from_iter(coverage).to_string();
    // A header of HTTP is ASCII.
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_ascii() {
            true => ascii.push(c),
            false => {
                let units = c.encode_utf16(&mut [0; 2]).to_vec();
                units.iter().for_each(|unit| ascii += &format!("\\u{unit:04x}"));
            }
        }
    }
    ascii
}

/// Says on standard error which sources an answer for people covers from some time on.
pub fn say_sources(since: &dyn std::fmt::Display, sources: &[Covered]) {
    let one = |covered: &Covered| {
        let sampling = format!("sampling {}", covered.sampling);
        let how: Vec<&str> =
            [&*sampling].into_iter().chain(covered.lineage.iter().map(|text| &**text)).collect();
        format!("{} ({})", covered.source, how.join(", "))
    };
    let names: Vec<String> = sources.iter().map(one).collect();
    say(&format!("from {since} on of {}", names.join("; ")));
}

/// Says on standard error in what an answer that others read is not exact, each thing once: its
/// format has no place for that.
pub fn say_inexact<'a>(sources: impl Iterator<Item = &'a Covered>) {
    let lineage = sources.flat_map(|covered| covered.lineage.iter().map(move |l| (covered, l)));
    let mut said = Vec::new();
    for (covered, text) in lineage.filter(|(_, text)| text.starts_with("inexact")) {
        let line = format!("{}: {text}", covered.source);
        if !said.contains(&line) {
            say(&line);
            said.push(line);
        }
    }
}

/// Says of what a monitor told as [`sources`] has it all below a table, and otherwise in what it is
/// not exact.
pub fn say_told(text: &str, is_table: bool) {
    #[derive(serde::Deserialize)]
    struct Told {
        since: String,
        sources: Vec<Covered>,
    }
    // Of another version it may be told otherwise; the answer is there all the same.
    let all = serde_json::from_str::<Vec<Told>>(text).unwrap_or_default();
    match is_table {
        true => all.iter().for_each(|told| say_sources(&told.since, &told.sources)),
        false => say_inexact(all.iter().flat_map(|told| &told.sources)),
    }
}
