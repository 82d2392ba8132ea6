//! Chains: segments whose packets follow each other in time as they were stored.
//!
//! What a monitor stores while it runs is in the order it came, and so it is
//! read again, packets that came late included. One that is started later may
//! store times that lie before those: its clock was set back, or it was fed an
//! older capture. There another chain begins, and chains are read by time.

use std::ops::Range;
use std::{fs, io};

use super::holes::{Hole, begins_apart, begun_behind, first_packet, run, span};
use crate::storage::Window;
use crate::storage::packets::crossing::By;
use crate::storage::packets::index::SLAB_BYTES_MAX;
use crate::storage::packets::segments::Segment;
use crate::storage::pcapng::{self, Block};
use crate::time::Ts;

/// Segments in the order in which they were stored.
#[derive(Debug)]
pub(in crate::storage::packets) struct Chain {
    pub segments: Vec<Segment>,
    /// The times of each one's packets; where they are not known, all time.
    pub spans: Vec<Window>,
    /// From the number of its first segment, or of the first of its run, to that of the next
    /// chain's.
    pub numbers: Range<u64>,
    /// The latest packet of the segments before these, where some were left out.
    pub passed: Option<Ts>,
}

impl Chain {
    /// From its earliest packet to its latest.
    pub fn span(&self) -> Window {
        let from = self.spans.iter().map(|span| span.from).min().unwrap_or_default();
        let to = self.spans.iter().map(|span| span.to).max().unwrap_or_default();
        Window { from, to }
    }

    /// When somebody listened, as far as its segments tell each by itself: from the packet on that
    /// came first, others of which may be of earlier times.
    pub fn heard(&self) -> Vec<Window> {
        let mut heard = self.spans.clone();
        let first = self.segments.first().and_then(first_packet);
        if let (Some(Window { from, to }), Some(first)) = (heard.first_mut(), first) {
            *from = first.clamp(*from, *to);
        }
        heard
    }

    /// What of it may have packets of a window; none where nothing may. Of those that came in the
    /// window it may be any from the first of its time on, until there is none.
    pub fn within(self, window: Window, by: By) -> Option<Self> {
        let Self { segments, spans, numbers, mut passed } = self;
        let both = segments.into_iter().zip(spans);
        let (segments, spans): (Vec<_>, Vec<_>) = match by {
            By::Time => {
                // What grows, or was left so, does not say itself when it begins.
                let touches = |(segment, span): &(Segment, Window)| {
                    segment.touches(window) && span.from < window.to
                };
                both.filter(touches).unzip()
            }
            By::Arrival => {
                let mut is_before = |(_, span): &(_, Window)| {
                    let is_before = span.to <= window.from;
                    let last = is_before.then(|| Ts(span.to.0.saturating_sub(1)));
                    passed = passed.max(last);
                    is_before
                };
                let is_behind = |(_, span): &(_, Window)| span.from >= window.to;
                both.skip_while(|one| is_before(one)).take_while(|both| !is_behind(both)).unzip()
            }
        };
        (!segments.is_empty()).then_some(Self { segments, spans, numbers, passed })
    }
}

/// Parts the segments of a directory, which are all there are but those that are missing: what
/// follows on a later one of these steps back, too.
pub(in crate::storage::packets) fn chains(
    segments: Vec<Segment>,
    holes: &[Hole],
) -> io::Result<Vec<Chain>> {
    let mut chains: Vec<Chain> = Vec::new();
    for segment in segments {
        let known = span(&segment);
        if known.is_none() && has_no_packets(&segment) {
            continue;
        }
        let last = chains.last().map_or(Ts(0), |chain| latest(chain, holes, segment.number));
        let steps_back = known.is_none_or(|(first, _)| first < last);
        let before = chains.last().and_then(|chain| chain.segments.last());
        let begins =
            before.is_none_or(|before| steps_back && is_of_another(&segment, before, holes));
        let span = known.map_or(Window::ALL, |(first, last)| Window {
            from: first,
            to: Ts(last.0.saturating_add(1)),
        });
        match chains.last_mut() {
            Some(chain) if !begins => {
                chain.segments.push(segment);
                chain.spans.push(span);
            }
            last => {
                // What is missing of its run before it is of its chain.
                let after = last.as_ref().and_then(|last| last.segments.last());
                let run = after.and_then(|after| begun_behind(&segment, after));
                let number = run.unwrap_or(segment.number);
                last.into_iter().for_each(|chain| chain.numbers.end = number);
                let (segments, spans) = (vec![segment], vec![span]);
                let numbers = number..u64::MAX;
                chains.push(Chain { segments, spans, numbers, passed: None });
            }
        }
    }
    Ok(chains)
}

/// Whether the packets of a segment were stored by another run than those of one before it, as both
/// say; what earlier versions stored says only with which segment a run begins.
fn is_of_another(segment: &Segment, before: &Segment, holes: &[Hole]) -> bool {
    let is_cut = || match (run(before), run(segment)) {
        (Some(before), Some(run)) => before != run,
        // Where what stands before it is missing, so may be what says that a run begins.
        _ => holes.iter().any(|hole| hole.is_before(segment.number)),
    };
    begins_apart(segment) || is_cut()
}

/// Whether a segment that is not in its index has no packet: it was begun, and its disk was full,
/// or the first has not come yet.
fn has_no_packets(segment: &Segment) -> bool {
    if segment.packed || segment.bytes > u64::from(SLAB_BYTES_MAX) {
        return false;
    }
    // What cannot be read is complained of when its packets are.
    let Ok(bytes) = fs::read(&segment.path) else { return false };
    let mut rest = &bytes[..];
    while let Some((block, behind)) = pcapng::split(rest) {
        if matches!(block, Block::Packet { .. }) {
            return false;
        }
        rest = behind;
    }
    rest.is_empty()
}

/// The latest time of a chain, and of what is missing behind its beginning and before segment
/// `number`.
fn latest(chain: &Chain, holes: &[Hole], number: u64) -> Ts {
    let between = chain.numbers.start..number;
    let missing = holes.iter().filter(|hole| between.contains(&hole.number));
    let last = missing.filter_map(|hole| hole.lost.last).max();
    chain.span().to.max(last.unwrap_or_default())
}
