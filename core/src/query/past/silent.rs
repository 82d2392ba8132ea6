//! Silence at the ends of a time that is asked for: somebody listened there and heard nothing.
//!
//! What is stored says when packets were, and when nobody listened. Who runs
//! over it says nothing of the time before its first packet, or behind its last:
//! so where it is known that somebody listened on, it is told that time goes on.

use crate::source::{Chunk, Source, SourceError, Turn, watched};
use crate::storage::Window;
use crate::storage::losses::Losses;
use crate::time::Ts;

/// From when until when somebody listened, as it is told while a source is read.
pub(super) struct Silent {
    window: Window,
    // Whether silence before the first instant, and behind the last, is still to be told.
    ends: [bool; 2],
    // Until when it has told what there was.
    told: Ts,
    losses: Losses,
    // How far the source had read when it ended, and what is lost behind all else.
    ended: Option<(u64, Vec<Window>)>,
}

impl Silent {
    /// Wraps a source of a part of the time `asked` for; returns it as it is where that time has no
    /// end or nobody knows who listened.
    pub fn of(
        inner: Box<dyn Source>,
        (part, asked): (Window, Window),
        listened: Option<Window>,
        losses: Losses,
    ) -> Box<dyn Source> {
        let known = listened.and_then(|listened| listened.common(part));
        let ends = [part.from == asked.from, part.to == asked.to];
        let is_asked = asked.to < Window::ALL.to && ends != [false; 2];
        let Some(window) = known.filter(|_| is_asked) else { return inner };
        let mut silent = Self { window, ends, told: window.from, losses, ended: None };
        watched(inner, move |inner, chunk| silent.turn(inner, chunk))
    }

    /// Says of the time until an instant that there were no packets, and where some are lost that
    /// nobody knows.
    fn go_on(&self, to: Ts, chunk: &mut Chunk) {
        let silent = Window { from: self.told, to: to.min(self.window.to) };
        if silent.from >= silent.to {
            return;
        }
        let known = self.losses.left_of(silent);
        let lost = Window::without_all(vec![silent], known.iter().copied());
        chunk.passed.extend(known);
        chunk.passed.sort_by_key(|time| time.from);
        chunk.unheard.extend(lost);
        chunk.unheard.sort_by_key(|time| time.from);
    }

    fn turn(&mut self, inner: &mut dyn Source, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        if let Some((read_bytes, lost)) = &mut self.ended {
            chunk.read_bytes = *read_bytes;
            chunk.unheard.append(lost);
            return Ok(Turn::End);
        }
        let turned = inner.next(chunk);
        if self.ends[0]
            && let Some(first) = earliest(chunk)
        {
            self.ends[0] = false;
            self.go_on(first, chunk);
        }
        // Where others of the chunk are later than its last packet the clock is so, too; but they
        // must not lie in a time that is told as lost.
        let last = match self.losses.is_empty() {
            true => chunk.packets.last().map(|packet| packet.ts),
            false => chunk.packets.iter().map(|packet| packet.ts).max(),
        };
        let behind = last.map(|last| Ts(last.0.saturating_add(1)));
        let times = chunk.unheard.iter().chain(&chunk.passed).map(|time| time.to);
        self.told = times.chain(behind).fold(self.told, Ts::max);
        if !matches!(turned, Ok(Turn::End)) || !chunk.packets.is_empty() {
            return turned;
        }
        if self.ends[1] {
            self.go_on(self.window.to, chunk);
        }
        let Some(passed) = chunk.passed.last().map(|passed| passed.to) else { return turned };
        // Whoever is told of a time in which nothing was heard says zeros of what comes behind it.
        let lost = chunk.unheard.extract_if(.., |lost| lost.from >= passed).collect();
        self.ended = Some((chunk.read_bytes, lost));
        Ok(Turn::More)
    }
}

/// The first instant of which a chunk tells anything; its first packet may be a later one.
fn earliest(chunk: &Chunk) -> Option<Ts> {
    let times = chunk.unheard.iter().chain(&chunk.passed).map(|time| time.from);
    times.chain(chunk.packets.iter().map(|packet| packet.ts)).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Description, Pace};

    struct Nothing(Description);

    impl Source for Nothing {
        fn description(&self) -> &Description {
            &self.0
        }

        fn next(&mut self, _: &mut Chunk) -> Result<Turn, SourceError> {
            Ok(Turn::End)
        }
    }

    /// Whether somebody looks at what a part of the time from 10 to 50 seconds has.
    #[track_caller]
    fn check(from: u64, to: u64, want: bool) {
        let window = |from, to| Window { from: Ts::new(from, 0), to: Ts::new(to, 0) };
        let inner = Box::new(Nothing(Description::new("nothing".to_owned(), Pace::Stored)));
        let before = std::ptr::from_ref(&*inner).addr();
        let times = (window(from, to), window(10, 50));
        let source = Silent::of(inner, times, Some(window(0, 90)), Losses::default());
        assert_eq!(std::ptr::from_ref(&*source).cast::<()>().addr() != before, want, "{from}-{to}");
    }

    #[test]
    fn only_a_part_that_has_an_end_of_the_time_asked_for_is_looked_at() {
        check(10, 20, true);
        check(20, 30, false);
        check(30, 50, true);
    }
}
