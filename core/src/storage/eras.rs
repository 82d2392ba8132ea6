//! Eras: the times of a stream that were measured with one filter each.
//!
//! A filter holds from a block on, by number. When that was in time is kept
//! beside it, so that a question about one hour is not kept from what was
//! measured in it by a filter of another.

use std::sync::LazyLock;

use super::block::Header;
use super::{FILTERS_MAX, Measured, Stream, Window};
use crate::time::Ts;

/// Of no time.
const NEVER: Window = Window { from: Ts(0), to: Ts(0) };

/// What was measured with filters that a stream no longer remembers: no filter is called so.
static FORGOTTEN: LazyLock<Measured> =
    LazyLock::new(|| Measured::from(0, "(forgotten)".to_owned()));

impl Measured {
    /// A filter that holds from a block on, of which there is nothing yet.
    pub(super) fn from(seq: u64, filter: String) -> Self {
        Self { seq, filter, span: Some(NEVER) }
    }

    /// Takes note of a block that was measured with it.
    pub(super) fn note(&mut self, header: &Header) {
        if !header.gap {
            self.widen(Some(Window { from: header.first, to: header.end() }));
        }
    }

    /// Takes note of all that another is of.
    pub(super) fn join(&mut self, other: &Self) {
        self.widen(other.span);
    }

    fn widen(&mut self, by: Option<Window>) {
        self.span = match (self.span, by) {
            (Some(span), Some(by)) if span == NEVER || by == NEVER => {
                Some(if span == NEVER { by } else { span })
            }
            (Some(span), Some(by)) => {
                Some(Window { from: span.from.min(by.from), to: span.to.max(by.to) })
            }
            _ => None,
        };
    }

    /// Whether its filter is remembered.
    pub fn is_known(&self) -> bool {
        self.filter != FORGOTTEN.filter
    }

    /// Whether it is this filter, in canonical form.
    pub fn is(&self, filter: &str) -> bool {
        self.filter == filter || self.is_of_all() && matches!(filter, "" | "all")
    }

    /// Whether it passes every packet.
    pub fn is_of_all(&self) -> bool {
        matches!(self.filter.as_str(), "" | "all")
    }
}

impl Stream {
    /// The filters that records in a window were measured with, and when within it, in the order of
    /// time. Where the time is not known it is all of the window.
    pub fn eras(&self, window: Window) -> Vec<(Window, &Measured)> {
        let span = |m: &Measured| m.span.unwrap_or(window).common(window);
        let mut eras: Vec<_> =
            self.filters.iter().filter_map(|m| span(m).map(|span| (span, m))).collect();
        if let Some(before) = self.forgotten().and_then(|before| before.common(window)) {
            eras.push((before, &FORGOTTEN));
        }
        eras.sort_by_key(|(span, _)| span.from);
        eras
    }

    /// The time before all filters that are remembered, where older ones may not be.
    fn forgotten(&self) -> Option<Window> {
        let is_full = self.filters.len() >= FILTERS_MAX;
        let known = self.filters.iter().filter_map(|m| m.span.filter(|span| *span != NEVER));
        let first = known.map(|span| span.from).min().filter(|_| is_full)?;
        Some(Window { from: Ts(0), to: first })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(eras: &[(&str, Option<(u64, u64)>)]) -> Stream {
        let window = |(from, to)| Window { from: Ts(from), to: Ts(to) };
        let measured = eras.iter().enumerate().map(|(seq, (filter, span))| Measured {
            seq: seq as u64,
            filter: (*filter).to_owned(),
            span: span.map(window),
        });
        Stream { filters: measured.collect(), ..Stream::default() }
    }

    type Eras<'a> = Vec<(Window, &'a Measured)>;

    fn shown<'a>(eras: &Eras<'a>) -> Vec<(u64, u64, &'a str)> {
        eras.iter().map(|(span, m)| (span.from.0, span.to.0, &m.filter[..])).collect()
    }

    #[test]
    fn a_window_has_the_eras_that_reach_into_it() {
        let stream =
            stream(&[("", Some((10, 20))), ("tcp", Some((30, 40))), ("udp", Some((0, 0)))]);
        let eras = |from, to| stream.eras(Window { from: Ts(from), to: Ts(to) });
        assert_eq!(shown(&eras(0, 50)), [(10, 20, ""), (30, 40, "tcp")]);
        assert_eq!(shown(&eras(15, 31)), [(15, 20, ""), (30, 31, "tcp")]);
        assert_eq!(shown(&eras(20, 30)), []);
    }

    #[test]
    fn where_the_time_is_not_known_it_may_be_any() {
        let stream = stream(&[("", None), ("tcp", Some((30, 40)))]);
        let eras = stream.eras(Window { from: Ts(10), to: Ts(20) });
        assert_eq!(shown(&eras), [(10, 20, "")]);
    }

    #[test]
    fn what_is_no_longer_remembered_is_nobodys() {
        let full: Vec<_> =
            (0..FILTERS_MAX as u64).map(|at| ("tcp", Some((10 + at, 11 + at)))).collect();
        let stream = stream(&full);
        let early = Window { from: Ts(0), to: Ts(10) };
        assert_eq!(shown(&stream.eras(early)), [(0, 10, "(forgotten)")]);
        let late = Window { from: Ts(10), to: Ts(11) };
        assert_eq!(shown(&stream.eras(late)), [(10, 11, "tcp")]);
    }
}
