//! Pace: lets a stored source's packets go no earlier than they came, as if they came again.
//!
//! Timestamps stay as they are. A packet that steps back goes at once, and a leap
//! of more than an hour, either way, is not waited for, so that a broken clock in a
//! capture cannot stop it.

use std::time::{Duration, Instant};

use como_core::source::{Chunk, Counts, Description, Flows, Pace, Source, SourceError, Turn};
use como_core::time::{Span, Ts};

use crate::ready::PATIENCE;
use crate::spec::Options;

/// A silence longer than this is skipped.
const SILENCE_MAX: Span = Span::from_secs(3600);

/// How many times as fast as it was a source is read; `None` for as fast as it can be.
pub fn speed(options: &Options) -> Result<Option<f64>, SourceError> {
    let Some(text) = options.given("speed").filter(|text| *text != "max") else { return Ok(None) };
    let factor = text.strip_suffix('x').unwrap_or(text).parse::<f64>().ok();
    match factor.filter(|factor| (1e-3..=1e6).contains(factor)) {
        Some(factor) => Ok(Some(factor)),
        None => Err(options.wrong(format!(
            "`speed={text}` must be `max`, or how many times as fast, as in `1x` or `10x`"
        ))),
    }
}

/// A source that is held back.
pub struct Paced {
    source: Box<dyn Source>,
    description: Description,
    speed: f64,
    // What was read ahead, and how much of it has gone.
    chunk: Chunk,
    gone: usize,
    // Where packet time stood at which moment.
    base: Option<(Instant, Ts)>,
    last: Ts,
    ended: Option<Result<Turn, SourceError>>,
}

impl Paced {
    /// Reads `source` `speed` times as fast as its packets came.
    pub fn new(source: Box<dyn Source>, speed: f64) -> Self {
        let description = Description { pace: Pace::Stream, ..source.description().clone() };
        Self {
            source,
            description,
            speed,
            chunk: Chunk::default(),
            gone: 0,
            base: None,
            last: Ts(0),
            ended: None,
        }
    }

    /// Reads on when everything read has gone.
    fn refill(&mut self) {
        if self.gone < self.chunk.packets.len() || self.ended.is_some() {
            return;
        }
        self.chunk.clear();
        self.gone = 0;
        let turn = self.source.next(&mut self.chunk);
        self.description.keep_up(self.source.description(), &[]);
        match turn {
            Ok(Turn::More | Turn::Idle) => {}
            ended => self.ended = Some(ended),
        }
    }

    /// How long the next packet must still wait at `now`.
    fn wait(&mut self, now: Instant) -> Duration {
        let Some(next) = self.chunk.packets.get(self.gone).map(|p| p.ts) else {
            return Duration::ZERO;
        };
        match self.base {
            Some(_) if next - self.last <= SILENCE_MAX && self.last - next <= SILENCE_MAX => {}
            _ => (self.base, self.last) = (Some((now, next)), next),
        }
        let Some((then, ts)) = self.base else { return Duration::ZERO };
        let due = (next - ts).0 as f64 / self.speed;
        Duration::from_nanos(due as u64).saturating_sub(now - then)
    }

    /// Lets go what is due at `now`.
    fn release(&mut self, now: Instant, out: &mut Chunk) {
        let from = self.gone;
        while self.gone < self.chunk.packets.len() && self.wait(now).is_zero() {
            self.last = self.chunk.packets[self.gone].ts;
            self.gone += 1;
        }
        out.packets.extend_from_slice(&self.chunk.packets[from..self.gone]);
        let weights = self.chunk.weights.get(from..self.gone).unwrap_or_default();
        out.weights.extend_from_slice(weights);
        out.regions.extend(self.chunk.regions.iter().cloned());
        out.read_bytes = self.chunk.read_bytes;
        out.counts = std::mem::take::<Counts>(&mut self.chunk.counts);
        // They lie before the first packet of what was read.
        out.unheard.append(&mut self.chunk.unheard);
        out.passed.append(&mut self.chunk.passed);
    }
}

impl Source for Paced {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        self.refill();
        let wait = self.wait(Instant::now());
        if !wait.is_zero() {
            std::thread::sleep(wait.min(PATIENCE));
        }
        self.release(Instant::now(), chunk);
        if self.gone >= self.chunk.packets.len()
            && let Some(ended) = self.ended.take()
        {
            return ended;
        }
        Ok(if chunk.is_empty() { Turn::Idle } else { Turn::More })
    }

    fn flows(&self) -> Option<Flows> {
        self.source.flows()
    }

    fn first_ts(&self) -> Option<Ts> {
        self.source.first_ts()
    }
}

#[cfg(test)]
mod tests {
    use como_core::storage::Window;

    use super::*;
    use crate::generate::Generator;

    /// A second of packets, ten times as fast, all read ahead.
    fn paced() -> (Paced, Instant) {
        let source = Generator::open("packets=100,duration=1s").expect("a source");
        let mut paced = Paced::new(Box::new(source), 10.0);
        paced.refill();
        let now = Instant::now();
        assert!(paced.wait(now).is_zero(), "the first packet waits for nothing");
        (paced, now)
    }

    fn gone_after(paced: &mut Paced, now: Instant) -> usize {
        let mut chunk = Chunk::default();
        paced.release(now, &mut chunk);
        let packets = &chunk.packets;
        assert!(packets.iter().all(|p| usize::from(p.region) < chunk.regions.len()));
        packets.len()
    }

    #[test]
    fn packets_go_when_they_are_due() {
        let (mut paced, began) = paced();
        let start = paced.chunk.packets[0].ts;
        let due = |ms: u64| Ts(start.0 + ms * 10_000_000);
        let until = |p: &Paced, ms| p.chunk.packets.iter().filter(|p| p.ts <= due(ms)).count();
        let (half, all) = (until(&paced, 50), paced.chunk.packets.len());
        assert!(0 < half && half < all);
        assert_eq!(gone_after(&mut paced, began + Duration::from_millis(50)), half);
        assert!(!paced.wait(began + Duration::from_millis(50)).is_zero());
        assert_eq!(gone_after(&mut paced, began + Duration::from_millis(100)), all - half);
    }

    #[test]
    fn neither_a_leap_nor_a_step_back_is_waited_for() {
        let (mut paced, began) = paced();
        paced.chunk.packets.truncate(4);
        let start = paced.chunk.packets[0].ts;
        paced.chunk.packets[1].ts = start + Span::from_secs(10 * 365 * 86_400);
        paced.chunk.packets[2].ts = start;
        // Time goes on from where it stepped back to.
        paced.chunk.packets[3].ts = start + Span::from_secs(1);
        assert_eq!(gone_after(&mut paced, began), 3);
        assert_eq!(gone_after(&mut paced, began + Duration::from_millis(100)), 1);
    }

    #[test]
    fn what_is_known_of_the_time_before_a_packet_goes_once_and_before_it() {
        let (mut paced, began) = paced();
        let before = |from| Window { from: Ts(from), to: Ts(from + 5) };
        paced.chunk.unheard = vec![before(1)];
        paced.chunk.passed = vec![before(11)];
        let mut chunk = Chunk::default();
        paced.release(began, &mut chunk);
        assert_eq!((&*chunk.unheard, &*chunk.passed), (&[before(1)][..], &[before(11)][..]));
        let mut rest = Chunk::default();
        paced.release(began + Duration::from_millis(100), &mut rest);
        assert!(!rest.packets.is_empty() && rest.unheard.is_empty() && rest.passed.is_empty());
    }

    #[test]
    fn a_speed_is_a_factor_or_max() {
        let speed = |text| speed(&Options::parse(&crate::file::KIND, text).expect("options"));
        assert_eq!(speed("").expect("none"), None);
        assert_eq!(speed("speed=max").expect("none"), None);
        assert_eq!(speed("speed=10x").expect("a factor"), Some(10.0));
        assert_eq!(speed("speed=0.5").expect("a factor"), Some(0.5));
        for wrong in ["speed=0x", "speed=-1x", "speed=fast", "speed=infx", "speed=NaN"] {
            assert!(speed(wrong).is_err(), "{wrong}");
        }
    }
}
