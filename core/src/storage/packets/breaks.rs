//! Times without packets that are no silence: nobody listened, or what was kept is lost.
//!
//! Who runs a module over kept packets says zeros of a time without any. These
//! times are told beside the packets, so that it says a gap of them instead;
//! what is lost is told as well to who answers, for an interval of which some
//! packets are left has too few.

use crate::source::Chunk;
use crate::storage::Window;
use crate::storage::losses::Losses;
use crate::storage::scan::{Damage, Missing};
use crate::time::{Interval, Span, Ts};

/// How many such times are told with one packet.
const BREAKS_MAX: usize = 1024;
/// What is lost in a row for many reasons tells no more of them than begin before this.
const WHY_BYTES_MAX: usize = 1000;

/// Why there are no packets.
#[derive(Clone, Copy)]
enum Why {
    /// They are lost.
    Lost,
    /// Nobody listened.
    Apart,
}

/// Such times in a window that is being read.
pub(super) struct Breaks {
    window: Window,
    // How long the intervals are of who reads; zero where that is not known.
    step: Span,
    // The latest packet that was there, and the latest of those and of what is lost.
    heard: Ts,
    last: Ts,
    // Whether there is anything to say with the next packet.
    pending: bool,
    // The packet after which nobody listened.
    apart: Option<Ts>,
    // What is lost before the next packet, of known times, and beside that when nobody listened;
    // what is lost of times that are not known: since when, and why.
    between: Vec<(Window, Why)>,
    open: Option<(Ts, String)>,
    // The times before the next packet that is given.
    unheard: Vec<Window>,
    losses: Losses,
}

impl Breaks {
    /// For who reads `window`.
    pub fn new(window: Window) -> Self {
        Self {
            window,
            step: Span(0),
            heard: Ts(0),
            last: Ts(0),
            pending: false,
            apart: None,
            between: Vec::new(),
            open: None,
            unheard: Vec::new(),
            losses: Losses::default(),
        }
    }

    /// Says how long the intervals are of who reads, and where it looks for what is lost.
    pub fn tell(&mut self, step: Span, losses: Losses) {
        while let Some(found) = self.losses.next(None) {
            losses.note(found);
        }
        (self.step, self.losses) = (step, losses);
    }

    /// From here on what comes late belongs to the window too.
    pub fn begin(&mut self) {
        self.window.from = Ts(0);
    }

    /// A packet is there.
    #[inline]
    pub fn hear(&mut self, ts: Ts) {
        if self.pending {
            self.resume(ts);
        }
        self.heard = self.heard.max(ts);
        self.last = self.last.max(ts);
    }

    /// Nobody listened from an instant until the first packet of all.
    pub fn begin_with(&mut self, from: Ts, first: Ts) {
        self.push(Window { from, to: first });
    }

    /// Nobody listened between the packets that were there, or passed over, and those that come.
    pub fn part(&mut self) {
        if self.last > Ts(0) {
            (self.apart, self.pending) = (Some(self.last), true);
        }
    }

    /// Packets are lost: from the one before on, and to the next one, where nothing else is known.
    pub fn lose(&mut self, first: Option<Ts>, last: Option<Ts>, why: &str) {
        let after = Ts(self.last.0.saturating_add(1));
        let begin = first.unwrap_or(after);
        let Some(last) = last.filter(|last| *last >= begin) else {
            if self.last > Ts(0) {
                self.apart = self.apart.or(Some(self.last));
            }
            let open = match self.open.take() {
                Some((since, before)) if before.len() < WHY_BYTES_MAX => {
                    (since, format!("{before}; {why}"))
                }
                Some(open) => open,
                None => (begin, why.to_owned()),
            };
            (self.open, self.pending) = (Some(open), true);
            return;
        };
        let end = Ts(last.0.saturating_add(1));
        let lost = Window { from: begin, to: end };
        self.note(lost, why);
        let is_full = self.between.len() >= BREAKS_MAX;
        match self.between.last_mut() {
            Some((before, _)) if is_full => *before = before.around(lost),
            _ => self.between.push((lost, Why::Lost)),
        }
        (self.last, self.pending) = (self.last.max(last), true);
    }

    /// The next packet, or of those that are passed over the first, is of this time.
    pub fn resume(&mut self, to: Ts) {
        self.pending = false;
        self.lead_to(to);
        self.push_all(to);
    }

    /// The next packet, which is lost too, is of this time.
    pub fn lead_to(&mut self, to: Ts) {
        if let Some(last) = self.apart.take() {
            let from = Ts(last.0.saturating_add(1));
            self.between.push((Window { from, to }, Why::Apart));
        }
        if let Some((from, why)) = self.open.take() {
            self.note(Window { from, to: to.max(from) }, &why);
        }
    }

    /// No packet follows: gives out the times behind the last one, in which there were none between
    /// what is lost. The last of them is told alone.
    pub fn end(&mut self, chunk: &mut Chunk) {
        self.push_all(self.window.to);
        if let Some((from, why)) = self.open.take() {
            self.note(Window { from, to: Ts(u64::MAX) }, &why);
        }
        let between =
            self.unheard.windows(2).map(|two| Window { from: two[0].to, to: two[1].from });
        chunk.passed.extend(between.filter(|silent| silent.from < silent.to));
        let last = if chunk.passed.is_empty() { None } else { self.unheard.pop() };
        chunk.unheard.append(&mut self.unheard);
        self.unheard.extend(last);
    }

    /// Whether the next packet is to be the first of those that it is given with.
    pub fn is_due(&self) -> bool {
        self.pending || !self.unheard.is_empty()
    }

    /// Gives out the times before a packet.
    pub fn take(&mut self, out: &mut Vec<Window>) {
        out.append(&mut self.unheard);
    }

    /// Gives out those of them that begin before an instant.
    pub fn take_before(&mut self, until: Ts, out: &mut Vec<Window>) {
        out.extend(self.unheard.extract_if(.., |unheard| unheard.from < until));
    }

    /// The next packet is of this time, or of an earlier one, where it is late. Of what is lost
    /// before it whole intervals are told, as far as nothing of them was heard.
    fn push_all(&mut self, until: Ts) {
        let after = (self.heard > Ts(0)).then(|| Ts(self.heard.0.saturating_add(1)));
        for (time, why) in std::mem::take(&mut self.between) {
            let Window { from, to } = match (why, self.step) {
                (Why::Apart, _) => time,
                (Why::Lost, Span(0)) => Window { from: after.unwrap_or(time.from), to: until },
                (Why::Lost, step) => Window {
                    from: Interval::holding(time.from, step).start().max(after.unwrap_or_default()),
                    to: Interval::holding(Ts(time.to.0 - 1), step).end(),
                },
            };
            self.push(Window { from, to: to.min(until.max(time.to)) });
        }
    }

    fn push(&mut self, unheard: Window) {
        let Window { from, to } = Window { to: unheard.to.min(self.window.to), ..unheard };
        if from >= to || to <= self.window.from {
            return;
        }
        let is_full = self.unheard.len() >= BREAKS_MAX;
        match self.unheard.last_mut() {
            Some(before) if from <= before.to && before.from <= to => {
                *before = before.around(Window { from, to });
            }
            _ if is_full => {}
            _ => self.unheard.push(Window { from, to }),
        }
    }

    fn note(&mut self, lost: Window, why: &str) {
        let (from, to) = (lost.from.max(self.window.from), lost.to.min(self.window.to));
        if from < to {
            self.losses.note(Damage { what: Missing::Packets, from, to, why: why.to_owned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEC: u64 = 1_000_000_000;

    /// What is told of before a packet at `next`, in seconds, where one was there before.
    #[track_caller]
    fn check(heard: u64, lost: (Option<u64>, Option<u64>), next: u64, want: &[(u64, u64)]) {
        let mut breaks = Breaks::new(Window::ALL);
        let losses = Losses::default();
        breaks.tell(Span(10 * SEC), losses.clone());
        breaks.hear(Ts(heard * SEC));
        let at = |sec: u64| Ts(sec * SEC);
        breaks.lose(lost.0.map(at), lost.1.map(at), "why");
        breaks.hear(at(next));
        let mut unheard = Vec::new();
        breaks.take(&mut unheard);
        // To the second: what begins just behind a packet begins with it.
        let told: Vec<_> = unheard.iter().map(|w| (w.from.0 / SEC, w.to.0 / SEC)).collect();
        assert_eq!(told, want);
        assert!(losses.next(None).is_some_and(|damage| damage.what == Missing::Packets));
        assert!(losses.next(None).is_none());
    }

    #[test]
    fn losses_in_a_row_whose_end_is_not_known_are_all_named() {
        let mut breaks = Breaks::new(Window::ALL);
        let losses = Losses::default();
        breaks.tell(Span(10 * SEC), losses.clone());
        breaks.hear(Ts(SEC));
        breaks.lose(None, None, "segments 2 to 8 are missing");
        breaks.lose(None, None, "segment 9 is missing");
        breaks.hear(Ts(9 * SEC));
        let damage = losses.next(None).expect("a loss").to_string();
        assert!(damage.contains("segments 2 to 8 are missing; segment 9 is missing"), "{damage}");
        assert_eq!(losses.next(None), None);
    }

    #[test]
    fn a_loss_of_a_known_time_is_of_the_intervals_it_touches() {
        check(5, (Some(12), Some(17)), 43, &[(10, 20)]);
        check(5, (Some(12), Some(27)), 43, &[(10, 30)]);
    }

    #[test]
    fn an_interval_of_which_something_was_heard_is_none_of_those() {
        check(12, (Some(14), Some(27)), 43, &[(12, 30)]);
        check(12, (Some(14), Some(27)), 28, &[(12, 28)]);
    }

    #[test]
    fn a_loss_of_an_unknown_time_is_between_the_packets_around_it() {
        check(12, (None, None), 43, &[(12, 43)]);
        check(12, (None, Some(27)), 43, &[(12, 30)]);
    }
}
