//! What is known of a stream beside its blocks: one row of JSON, written with every commit.

use ::redb::ReadableTable;

use super::Failure;
use crate::source::Covered;
use crate::storage::block::Header;
use crate::storage::{Coverage, Measured, Runs, Stream, Window};
use crate::time::{Span, Ts};

/// What the store keeps of a stream beside its blocks.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Meta {
    pub id: u32,
    pub module: String,
    pub filters: Vec<(u64, String)>,
    // From when until when there are records of each; older versions kept none.
    #[serde(default)]
    pub spans: Vec<Option<(u64, u64)>>,
    // Older versions kept none.
    #[serde(default)]
    pub sources: Vec<(u64, Vec<Covered>)>,
    pub blocks: u64,
    pub bytes: u64,
    pub end: Option<u64>,
    pub next_seq: u64,
    // The longest span from the first to the last row of one block, and of one gap: how far
    // before a window a search begins. Never shrinks.
    pub reach: u64,
    pub gap_reach: u64,
    // What follows came later; streams begun before lack it.
    #[serde(default)]
    pub rows: Option<u64>,
    #[serde(default)]
    pub age_max: Option<u64>,
    #[serde(default)]
    pub reclaimed_blocks: u64,
    #[serde(default)]
    pub reclaimed_bytes: u64,
    #[serde(default)]
    pub removed_until: Option<u64>,
    #[serde(default)]
    pub rollup_of: Option<String>,
    // Outside of this time no block says that it was cut.
    #[serde(default)]
    pub cut: Option<(u64, u64)>,
    // When runs listened.
    #[serde(default)]
    pub runs: Runs,
    // Which schema is in force from which block on, by number and hash.
    #[serde(default)]
    pub schemas: Vec<(u64, u64)>,
}

impl Meta {
    /// The filters, each with what is known of it.
    pub fn measured(&self) -> Vec<Measured> {
        let known = self
            .spans
            .iter()
            .map(|span| span.map(|(from, to)| Window { from: Ts(from), to: Ts(to) }));
        let spans = known.chain(std::iter::repeat(None));
        let each = self.filters.iter().zip(spans);
        each.map(|((seq, filter), span)| Measured { seq: *seq, filter: filter.clone(), span })
            .collect()
    }

    /// Takes note of the filters.
    pub fn measure(&mut self, filters: Vec<Measured>) {
        let span = |m: &Measured| m.span.map(|span| (span.from.0, span.to.0));
        self.spans = filters.iter().map(span).collect();
        self.filters = filters.into_iter().map(|m| (m.seq, m.filter)).collect();
    }

    /// Takes note of a block that may have been cut. Where older versions kept nothing, any of the
    /// blocks until now may have been.
    pub fn note_cut(&mut self, header: &Header) {
        let (from, to) = self.cut.unwrap_or((0, self.end.unwrap_or(0)));
        let Window { from, to } = header.around_cuts(Window { from: Ts(from), to: Ts(to) });
        self.cut = Some((from.0, to.0));
    }

    /// As the store shows it; `first` is where its first block stands.
    pub fn stream(&self, name: &str, first: Option<u64>) -> Stream {
        let coverage = |(since, sources): &(u64, Vec<Covered>)| Coverage {
            since: Ts(*since),
            sources: sources.clone(),
        };
        Stream {
            name: name.to_owned(),
            module: self.module.clone(),
            filters: self.measured(),
            sources: self.sources.iter().map(coverage).collect(),
            blocks: self.blocks,
            bytes: self.bytes,
            first: first.map(Ts),
            end: self.end.map(Ts),
            next_seq: self.next_seq,
            rows: self.rows,
            age_max: self.age_max.map(Span),
            reclaimed_blocks: self.reclaimed_blocks,
            reclaimed_bytes: self.reclaimed_bytes,
            removed_until: self.removed_until.map(Ts),
            rollup_of: self.rollup_of.clone(),
            runs: self.runs.clone(),
            cut: self.cut.map(|(from, to)| Window { from: Ts(from), to: Ts(to) }),
        }
    }
}

/// What is kept of the stream `name`, if there is one.
pub(super) fn meta(
    streams: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &str,
) -> Result<Option<Meta>, Failure> {
    let Some(bytes) = streams.get(name)? else { return Ok(None) };
    parsed(name, bytes.value()).map(Some)
}

/// Reads what was kept.
pub(super) fn parsed(name: &str, bytes: &[u8]) -> Result<Meta, Failure> {
    serde_json::from_slice(bytes)
        .map_err(|error| Failure::Damaged(format!("what it says of stream `{name}`: {error}")))
}

/// As it is kept.
pub(super) fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(value).map_err(|error| Failure::Damaged(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Records;
    use crate::storage::block::{Encoder, Origin};
    use crate::storage::conformance::records;

    #[test]
    fn what_older_versions_wrote_may_have_been_cut() {
        let mut meta = Meta { end: Some(20), ..Meta::default() };
        let mut note = |cut| {
            let all = Records { cut, ..records(20..30) };
            let block = Encoder::default().records(&Origin::default(), 0, &all, 0..10);
            meta.note_cut(&block.expect("a block").header);
            meta.cut
        };
        assert_eq!(note(false), Some((0, 20)));
        assert_eq!(note(true), Some((0, Ts::new(30, 0).0)));
    }
}
