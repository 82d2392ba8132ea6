//! Records of which not all were measured with the same filter.

use crate::query::{Query, QueryError};
use crate::record::Output;
use crate::source::{Covered, Treatment};
use crate::storage::{Coverage, Measured, Stream, Window};
use crate::time::{Span, Ts};

/// The part of a window of which there are records, with the filters that these were measured with.
fn eras(stream: &Stream, window: Window) -> Vec<(Window, &Measured)> {
    let inside = stream.span().and_then(|stored| stored.common(window));
    inside.map(|inside| stream.eras(inside)).unwrap_or_default()
}

/// Whether the records of a window answer who asks for a filter: where all of them were measured
/// with it, and what comes is; or some of them, where that will do.
pub(super) fn judge(
    query: &Query,
    stream: &Stream,
    (window, asked): (Window, &str),
    follows: bool,
) -> Result<(), QueryError> {
    let fits = |measured: &Measured| measured.is(asked);
    let (fit, other): (Vec<_>, Vec<_>) =
        eras(stream, window).into_iter().partition(|(_, measured)| fits(measured));
    let goes_on = stream.filters.last().is_none_or(fits);
    let enough = match (fit.is_empty(), other.is_empty()) {
        (true, true) if follows => goes_on,
        (true, true) => stream.filters.is_empty() || stream.filters.iter().any(fits),
        (_, true) => !follows || goes_on,
        (true, false) => false,
        // What is to come cannot be run afresh.
        (false, false) => query.partly || follows && goes_on,
    };
    if enough {
        return Ok(());
    }
    let measured = other.first().map_or(stream.filter(), |(_, measured)| &measured.filter);
    let ns = fit.iter().fold(0, |all: u64, (span, _)| all.saturating_add((span.to - span.from).0));
    Err(QueryError::OtherFilter {
        module: query.module.clone(),
        measured: shown(measured),
        asked: shown(asked),
        partly: Span(ns),
    })
}

/// Which of the records of a window are of other packets than the rest, where some are.
pub(super) fn mixed(stream: &Stream, window: Window) -> Option<String> {
    let eras = eras(stream, window);
    let (_, first) = eras.first()?;
    let (Window { from, .. }, other) =
        eras.iter().find(|(_, measured)| !measured.is(&first.filter))?;
    let (before, then) = (shown(&first.filter), shown(&other.filter));
    Some(format!("records before {from} are of the packets of `{before}`, then of `{then}`"))
}

/// What records of a window cover: of the sources those that held when it begins, and those that
/// came to hold within it; where the filter was changed too, with what it left of them.
pub(super) fn sources(stream: &Stream, window: Window) -> Vec<Coverage> {
    let all = &stream.sources;
    let from = all.iter().rposition(|c| c.since <= window.from).unwrap_or(0);
    let to = all.iter().position(|c| c.since >= window.to).unwrap_or(all.len());
    let inside = all.get(from..to).unwrap_or_default();
    if mixed(stream, window).is_none() {
        return inside.to_vec();
    }
    let eras = eras(stream, window);
    let mut since: Vec<Ts> = inside.iter().map(|coverage| coverage.since).collect();
    since.extend(eras.iter().map(|(span, _)| span.from));
    since.sort_unstable();
    since.dedup();
    since.into_iter().map(|since| measured(stream, inside, &eras, since)).collect()
}

/// What holds from an instant on.
fn measured(
    stream: &Stream,
    sources: &[Coverage],
    eras: &[(Window, &Measured)],
    since: Ts,
) -> Coverage {
    let known = sources.iter().rfind(|coverage| coverage.since <= since);
    let mut covered = known.map_or_else(Vec::new, |coverage| coverage.sources.clone());
    let era = eras.iter().rfind(|(span, _)| span.from <= since);
    if let Some((_, era)) = era.filter(|(_, measured)| !measured.is_of_all()) {
        if covered.is_empty() {
            let source = format!("records of {}", stream.name);
            covered.push(Covered { source, ..Covered::default() });
        }
        let text = Treatment::Filtered(era.filter.clone()).to_string();
        covered.iter_mut().for_each(|covered| covered.lineage.push(text.clone()));
    }
    Coverage { since, sources: covered }
}

/// The time that an output is of.
pub(super) fn span(output: &Output) -> Window {
    match output {
        Output::Records(records) => {
            let (first, last) = (records.starts.first(), records.starts.last());
            let to = last.map(|last| *last + Span(records.len.0.max(1)));
            Window { from: first.copied().unwrap_or_default(), to: to.unwrap_or_default() }
        }
        Output::Gap { from, to } => Window { from: *from, to: *to },
    }
}

fn shown(filter: &str) -> String {
    if filter.is_empty() { "all".to_owned() } else { filter.to_owned() }
}
