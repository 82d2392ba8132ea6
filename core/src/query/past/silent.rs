//! Silence at the ends of a time that is asked for: somebody listened there and heard nothing.
//!
//! What is stored says when packets were, and when nobody listened. Who runs
//! over it says nothing of the time before its first packet, or behind its last:
//! so where it is known that somebody listened on, it is told that time goes on.

use crate::source::{Chunk, Description, Flows, Source, SourceError, Turn};
use crate::storage::Window;
use crate::storage::losses::Losses;
use crate::time::Ts;

/// A source of which it is known from when until when somebody listened.
pub(super) struct Silent {
    inner: Box<dyn Source>,
    window: Window,
    // Whether the first and the last instant are those asked for.
    ends: [bool; 2],
    // Until when it has told what there was.
    told: Ts,
    losses: Losses,
    // How far it had read when it ended.
    ended: Option<u64>,
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
        let Some(window) = known.filter(|_| asked.to < Window::ALL.to) else { return inner };
        let ends = [part.from == asked.from, part.to == asked.to];
        Box::new(Self { inner, window, ends, told: window.from, losses, ended: None })
    }

    /// Says of the time until an instant that there were no packets, but where some are lost.
    fn go_on(&self, to: Ts, chunk: &mut Chunk) {
        let silent = Window { from: self.told, to: to.min(self.window.to) };
        if silent.from < silent.to {
            chunk.passed.extend(self.losses.left_of(silent));
            chunk.passed.sort_by_key(|time| time.from);
        }
    }
}

impl Source for Silent {
    fn description(&self) -> &Description {
        self.inner.description()
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        if let Some(read_bytes) = self.ended {
            chunk.read_bytes = read_bytes;
            return Ok(Turn::End);
        }
        let turned = self.inner.next(chunk);
        let times = || chunk.unheard.iter().chain(&chunk.passed);
        let packets = || chunk.packets.iter().map(|packet| packet.ts);
        let first = times().map(|time| time.from).chain(packets()).min();
        let behind = packets().max().map(|last| Ts(last.0.saturating_add(1)));
        let last = times().map(|time| time.to).chain(behind).max();
        if let Some(first) = first.filter(|_| self.ends[0] && self.told == self.window.from) {
            self.go_on(first, chunk);
        }
        self.told = self.told.max(last.unwrap_or_default());
        let is_silent = chunk.packets.is_empty() && self.told < self.window.to;
        if !matches!(turned, Ok(Turn::End)) || !is_silent || !self.ends[1] {
            return turned;
        }
        self.go_on(self.window.to, chunk);
        self.ended = Some(chunk.read_bytes);
        Ok(Turn::More)
    }

    fn push_filter(&mut self, bpf: Option<&str>) -> Result<(), SourceError> {
        self.inner.push_filter(bpf)
    }

    fn is_at_hand(&self) -> bool {
        self.inner.is_at_hand()
    }

    fn first_ts(&self) -> Option<Ts> {
        self.inner.first_ts()
    }

    fn flows(&self) -> Option<Flows> {
        self.inner.flows()
    }
}
