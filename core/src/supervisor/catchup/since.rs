//! Where a task begins that runs over the past: in whole intervals, and no earlier than the packets
//! it asks for were kept.

use std::io;

use super::Missed;
use crate::capture::Joining;
use crate::storage::Window;
use crate::storage::packets::{self, Keeps};
use crate::time::{Interval, Span, Ts};

/// From when on a task sees packets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Since {
    /// From this instant on.
    Instant(Ts),
    /// In whole intervals, so long before now; none of which ends before `stored`.
    Back {
        /// How long.
        span: Span,
        /// The end of the records that are there already.
        stored: Option<Ts>,
        /// The stream's clock.
        clock: Option<Ts>,
        /// Until when earlier runs shed packets of those that are read, if any did.
        shed: Option<Ts>,
    },
}

/// How a task begins.
pub(super) struct Beginning {
    /// The first instant of which packets are read.
    pub from: Ts,
    /// The interval that is open before the first packet.
    pub open: Option<Interval>,
    /// Whether the interval of the first packet would not be a whole one.
    pub joins_late: bool,
}

impl Since {
    /// How a task begins whose intervals are so long.
    pub(super) fn begin(self, len: Span, keeps: &Keeps) -> io::Result<Beginning> {
        let (span, stored, clock) = match self {
            Self::Instant(from) => return Ok(Beginning { from, open: None, joins_late: false }),
            Self::Back { span, stored, clock, .. } => (span, stored, clock),
        };
        let stored = stored.map(|end| first_from(end, len));
        let covered = packets::covered(&keeps.dir)?;
        let now = clock.or(covered.map(|(_, last)| last)).unwrap_or_default();
        let Some((first, _)) = covered else {
            let open = stored.filter(|stored| *stored > now);
            let open = open.map(|from| Interval::holding(from, len));
            return Ok(Beginning { from: Ts(0), open, joins_late: clock.is_some() });
        };
        // Of a window of which nothing was let go yet, the first interval is as short for
        // everybody.
        let whole = packets::segments(&keeps.dir)?.first().is_some_and(|s| s.number == 1);
        let back = Interval::holding(now - span, len).start();
        let from = match (first > back, whole) {
            (false, _) => back,
            (true, true) => Interval::holding(first, len).start(),
            (true, false) => first_from(first, len),
        };
        let from = stored.map_or(from, |stored| from.max(stored));
        let open = (first <= from).then(|| Interval::holding(from, len));
        Ok(Beginning { from, open, joins_late: false })
    }
}

impl Since {
    /// Whether earlier runs shed packets from an instant on.
    pub(super) fn has_shed(self, from: Ts) -> bool {
        matches!(self, Self::Back { shed: Some(shed), .. } if shed > from)
    }

    /// The same behind all times in which other packets were kept; who asks for an instant is told.
    pub(super) fn behind_others(
        self,
        joining: &Joining,
        keeper: &str,
        keeps: &Keeps,
        beginning: Beginning,
    ) -> Result<Beginning, Missed> {
        let window = Window { from: beginning.from, ..Window::ALL };
        let treated = packets::treated(&keeps.dir, window)
            .map_err(|error| Missed::Look { keeper: keeper.to_owned(), error })?;
        // What nobody says was kept as it is now.
        let is_other = |filter: &String| !joining.filter.is_kept_by(filter);
        // Whoever names a keeper of other packets gets those.
        let other =
            treated.iter().rposition(|treated| treated.filter.as_ref().is_some_and(is_other));
        let Some(at) = other.filter(|_| !is_other(&keeps.filter)) else { return Ok(beginning) };
        let filter = treated[at].filter.clone().unwrap_or_default();
        let end = treated[at].span.map_or(Window::ALL.to, |span| span.to);
        let next = treated.get(at + 1).and_then(|next| next.span).map(|span| span.from);
        let until = next.map_or(end, |next| next.min(end));
        if matches!(self, Self::Instant(_)) || until == Window::ALL.to {
            return Err(Missed::Filter { keeper: keeper.to_owned(), filter, until });
        }
        let len = joining.task.interval;
        let from = first_from(until, len);
        tracing::warn!("`{keeper}` kept only the packets of `{filter}` until {until}");
        Ok(Beginning { from, open: Some(Interval::holding(from, len)), joins_late: false })
    }
}

/// The start of the first interval that starts no earlier than `ts`.
fn first_from(ts: Ts, len: Span) -> Ts {
    let holding = Interval::holding(ts, len);
    if holding.start() == ts { ts } else { holding.end() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_intervals_are_begun_at_their_start() {
        let len = Span::from_secs(5);
        let start = |sec| first_from(Ts::new(sec, 0), len);
        assert_eq!((start(5), start(6), start(9)), (Ts::new(5, 0), Ts::new(10, 0), Ts::new(10, 0)));
    }
}
