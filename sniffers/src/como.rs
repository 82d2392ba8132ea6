//! `como`: the packets that another monitor keeps, as they are kept, or the records of a module
//! there, replayed.
//!
//! It asks over HTTP for one window after another, each from where the last one
//! ended to where the other monitor's intervals have closed: nothing before that
//! changes any more but by packets that are late. Windows are half-open, so none
//! of the others is missed or comes twice; one whose answer breaks off is asked for again, and what
//! had already come of it is passed over.

mod remote;

use std::time::{Duration, Instant};

use como_core::query::Times;
use como_core::source::{
    Chunk, Description, Pace, Source, SourceError, Treatment, Turn, with_causes,
};
use como_core::time::{Span, Ts};

use crate::file::{Capture, Taken};
use crate::ready::PATIENCE;
use crate::spec::{self, Kind, Opens, OptionDoc, Options};
use remote::Remote;

/// Packets of another monitor, as `como sniffers` shows them.
pub const KIND: Kind = Kind {
    name: "como",
    usage: "como:http://host:44444/NAME",
    doc: "The packets that an instance of `trace` keeps on another monitor, or the records of any \
          other instance there, replayed; connects again and goes on where it was.",
    offers: "of a `trace` what it kept; of records the fields they say, counts as weight",
    options: &[
        OptionDoc {
            name: "since",
            default: "0",
            doc: "Where to begin: a time as in a query, as `-1h`; 0 is now, nothing the oldest \
                kept.",
        },
        OptionDoc { name: "filter", default: "all", doc: "Which of its packets to ask for." },
    ],
    opens: Opens::Each(|text, _| spec::one(Como::open(text))),
};

/// How often the other monitor is asked for news.
const POLL: Duration = Duration::from_millis(500);

/// How often that is doubled at most while its answers break off: up to half a minute.
const DOUBLED_MAX: u32 = 6;

/// Packets of another monitor.
pub struct Como {
    description: Description,
    remote: Remote,
    since: Times,
    // Where the next window begins; none before the other monitor has a clock.
    from: Option<Ts>,
    // How far intervals had closed when last asked. What they hold is on its disk by the next time.
    closed: Option<Ts>,
    asked: Option<Instant>,
    window: Option<Window>,
    read_bytes: u64,
    // Whether the last question was answered, so that a silence is said once.
    answers: bool,
    // How many answers have broken off in a row: each is waited longer for than the one before.
    broken: u32,
}

/// A window that was asked for.
struct Window {
    until: Ts,
    // Its answer while that is read; none when it broke off.
    answer: Option<Capture>,
    // Packets that have come of it, in all and in this answer.
    delivered: u64,
    passed: u64,
    read_bytes: u64,
}

impl Como {
    /// Opens `URL,option=value,...`.
    pub fn open(text: &str) -> Result<Self, SourceError> {
        let (url, options) = Options::behind(&KIND, text)?;
        let since = options.given("since").unwrap_or("0");
        let since = Times::between((!since.is_empty()).then_some(since), None)
            .map_err(|error| options.wrong(error.to_string()))?;
        let filter = options.given("filter");
        let remote = Remote::new(url, filter.unwrap_or("all")).map_err(|why| options.wrong(why))?;
        let name = format!("{}:{url}", KIND.name);
        let mut description =
            Description { resolution: Span(1), ..Description::new(name.clone(), Pace::Stream) };
        let answers = match remote.try_out() {
            Ok(answer) => {
                let told = Capture::of_reader(name, answer, Taken::AsTold).described()?;
                (description.offers, description.lineage) = (told.offers, told.lineage);
                true
            }
            // It may be up later, and is asked until then.
            Err(error @ SourceError::Io { .. }) => {
                tracing::warn!("{}", with_causes(&error));
                false
            }
            Err(error) => return Err(error),
        };
        description.lineage.extend(filter.map(|text| Treatment::Filtered(text.to_owned())));
        Ok(Self {
            description,
            remote,
            since,
            from: None,
            closed: None,
            asked: None,
            window: None,
            read_bytes: 0,
            answers,
            broken: 0,
        })
    }

    /// Asks how far the other monitor is, and for the next window if there is one.
    fn ask(&mut self) -> Result<(), SourceError> {
        let progress = self.remote.progress()?;
        let until = std::mem::replace(&mut self.closed, progress.closed);
        if self.from.is_none()
            && let Some(clock) = progress.clock
        {
            self.from = self.since.resolve(clock).ok().map(|window| window.from);
        }
        if self.window.is_none()
            && let (Some(from), Some(until)) = (self.from, until)
            && from < until
        {
            let (delivered, passed, read_bytes) = (0, 0, 0);
            self.window = Some(Window { until, answer: None, delivered, passed, read_bytes });
        }
        if let (Some(from), Some(window)) = (self.from, &mut self.window) {
            let answer = self.remote.packets(from, window.until)?;
            window.answer =
                Some(Capture::of_reader(self.description.name.clone(), answer, Taken::AsTold));
            (window.passed, window.read_bytes) = (0, 0);
        }
        Ok(())
    }

    /// Says that the other monitor went silent, or that it is back, once each.
    fn note(&mut self, asked: Result<(), SourceError>) {
        match asked {
            Ok(()) if !self.answers => tracing::warn!("`{}`: answers again", self.description.name),
            Err(error) if self.answers => tracing::warn!("{}", with_causes(&error)),
            _ => {}
        }
    }

    /// Reads on in the window, if one is being answered; whether it is.
    fn read(&mut self, chunk: &mut Chunk) -> bool {
        let Some(window) = &mut self.window else { return false };
        let Some(answer) = &mut window.answer else { return false };
        let turn = answer.next(chunk);
        self.read_bytes += chunk.read_bytes.saturating_sub(window.read_bytes);
        window.read_bytes = chunk.read_bytes;
        window.pass(chunk);
        match turn {
            Ok(Turn::More | Turn::Idle) => {}
            Ok(Turn::End) => {
                self.from = Some(window.until);
                (self.window, self.broken) = (None, 0);
            }
            Err(error) => {
                match self.broken {
                    0 => tracing::warn!("asking again until it answers: {}", with_causes(&error)),
                    _ => tracing::debug!("asking again: {}", with_causes(&error)),
                }
                window.answer = None;
                self.broken += 1;
            }
        }
        true
    }
}

impl Window {
    /// Takes out what had come before the answer broke off.
    fn pass(&mut self, chunk: &mut Chunk) {
        let known = self.delivered.saturating_sub(self.passed);
        let known = usize::try_from(known).unwrap_or(usize::MAX).min(chunk.packets.len());
        self.passed += chunk.packets.len() as u64;
        self.delivered = self.delivered.max(self.passed);
        chunk.packets.drain(..known);
        if !chunk.weights.is_empty() {
            chunk.weights.drain(..known);
        }
    }
}

impl Source for Como {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        if !self.read(chunk) {
            let wait = POLL * 2u32.pow(self.broken.saturating_sub(1).min(DOUBLED_MAX));
            if self.asked.is_none_or(|then| then.elapsed() >= wait) {
                self.asked = Some(Instant::now());
                let asked = self.ask();
                let answers = asked.is_ok();
                self.note(asked);
                self.answers = answers;
            } else {
                std::thread::sleep(PATIENCE);
            }
        }
        chunk.read_bytes = self.read_bytes;
        Ok(if chunk.packets.is_empty() { Turn::Idle } else { Turn::More })
    }
}

#[cfg(test)]
mod tests;
