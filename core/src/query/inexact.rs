//! What an answer says of itself where it is not exact.
//!
//! It stands in the lineage of its sources, behind the word `inexact`: who shows
//! an answer shows it beside the records, in whatever format these are.

use crate::source::Covered;
use crate::storage::{Coverage, Stream};

/// The word that such a text begins with.
const WORD: &str = "inexact: ";

/// Said of records that were merged from those of which only the first rows were kept.
pub(super) const CUT: &str = "it is merged from records of which only some rows were kept, as of \
    a top 20: what was cut from them is missing in its sums, its rows and their order; \
    `source=auto` measures it afresh, where packets are kept";

/// Says of all that an answer of records of `stream` is made of in what it is not exact.
pub(super) fn note(sources: &mut Vec<Coverage>, stream: &Stream, why: &str) {
    if sources.iter().all(|coverage| coverage.sources.is_empty()) {
        let source = format!("records of {}", stream.name);
        let known = vec![Covered { source, ..Covered::default() }];
        *sources = vec![Coverage { since: stream.first.unwrap_or_default(), sources: known }];
    }
    mark(sources, &because(why));
}

/// A reason as it is said.
pub(super) fn because(why: &str) -> String {
    format!("{WORD}{why}")
}

/// Says something of all that an answer is made of.
pub(super) fn mark(sources: &mut [Coverage], remark: &str) {
    for source in sources.iter_mut().flat_map(|coverage| &mut coverage.sources) {
        source.lineage.push(remark.to_owned());
    }
}

/// Why an answer is not exact, each reason once.
pub(super) fn reasons(sources: &[Coverage]) -> Vec<String> {
    let lineage = sources.iter().flat_map(|coverage| &coverage.sources).flat_map(|s| &s.lineage);
    let mut all: Vec<String> = Vec::new();
    for why in lineage.filter_map(|text| text.strip_prefix(WORD)) {
        if !all.iter().any(|known| known == why) {
            all.push(why.to_owned());
        }
    }
    all
}

/// In what an answer is not exact, each thing once.
pub(super) fn said(sources: &[Coverage]) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for source in sources.iter().flat_map(|coverage| &coverage.sources) {
        let inexact = source.lineage.iter().filter(|text| text.starts_with(WORD));
        for text in inexact {
            let line = format!("{}: {text}", source.source);
            if !said.contains(&line) {
                said.push(line);
            }
        }
    }
    said
}
