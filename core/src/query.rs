//! Queries: what is asked, and the answer from what is stored and from what comes.
//!
//! The web, the prompt and the command all make a [`Query`] from the same keys
//! and values and read the same [`Answer`]. Times are packet time: 0 is the
//! stream's clock, never the wall's.

pub mod answer;
pub mod coarse;
mod covered;
mod inexact;
pub mod joined;
pub mod packets;
pub mod past;
pub mod quiet;
pub mod rates;
mod redefined;
pub mod replayed;
pub mod run;
pub mod when;

use crate::filter::FilterError;
use crate::lookup::MissingTable;
use crate::nearest::nearest;
use crate::replay::ReplayError;
use crate::rollup::RollupError;
use crate::storage::packets::CopyError;
use crate::storage::{StoreError, Window};
use crate::time::{Span, Ts};
pub use answer::{Answer, Place, Report, Step, Steps};
pub use coarse::Coarse;
pub use covered::Missed;
pub use joined::{Filling, Joined, Own};
pub use packets::Packets;
pub use past::{Candidate, Heard, Past};
pub use quiet::Quiet;
pub use rates::Rates;
pub use replayed::Replayed;
pub use run::{Far, Gauge, Run, Threads};
pub use when::{TimeError, Times};

/// What may be asked, and what for.
pub const KEYS: [(&str, &str); 10] = [
    ("module", "the instance whose records are asked for"),
    ("time", "A:B, from A until B: `-5m:0`, `@20260101120000:+1h`, `2026-01-01T12:00:00Z:`"),
    ("start", "from this instant, in place of the A of `time`; seconds since 1970"),
    ("end", "until this instant, in place of the B of `time`; seconds since 1970"),
    ("filter", "the packets the records must be of"),
    (
        "format",
        "how records are written; `pcapng` or `pcap` for packets: those of a `trace`, or records \
            replayed",
    ),
    (
        "wait",
        "`no` for what is there already, `yes` to go on until the end of the time asked for; a \
         module that is run afresh goes on only where that is said",
    ),
    (
        "source",
        "the instance over whose packets or records the module is run afresh; `auto` chooses, and \
         with `none` it is not run where records of its own do not reach",
    ),
    ("explain", "`yes` for what could be read to answer, and what would be chosen, in place of it"),
    ("interval", "records of intervals of this length, merged from shorter ones: `1m`, `1h`"),
];

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The instance.
    pub module: String,
    /// The time asked for, as far as it was said.
    pub times: Option<Times>,
    /// The filter as the user wrote it.
    pub filter: Option<String>,
    /// The format's name, which may be one of the module's own.
    pub format: Option<String>,
    /// Whether to go on with records to come, as long as the time asked for lasts.
    pub wait: bool,
    /// Whether that was said in so many words, as it must be for a module that is run afresh.
    pub follows: bool,
    /// What the module is to be run over afresh, where that is asked for.
    pub source: Option<Over>,
    /// Whether what the instance recorded itself is all that is wanted.
    pub alone: bool,
    /// Whether to say what could be read to answer, in place of the answer.
    pub explain: bool,
    /// The length of the intervals that records are asked for of, where not the module's own.
    pub interval: Option<Span>,
    /// Whether records of a part of the time asked for will do, where the rest was measured with
    /// another filter than that asked for: it is given as gaps then.
    pub partly: bool,
    /// Arguments for the module, where it is run afresh: given as `arg.NAME`.
    pub args: Vec<(String, String)>,
}

/// What a module is run over for a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// Whatever serves best.
    Best,
    /// What this instance stored.
    Instance(String),
}

/// Why a query is not answered. Nothing is disturbed by it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// There is no such key.
    #[error("unknown parameter `{key}`{}", nearest_or(.nearest, &known()))]
    UnknownKey {
        /// As the user wrote it.
        key: String,
        /// The closest known one, if one is close.
        nearest: Option<String>,
    },
    /// A key was given more than once.
    #[error("parameter `{0}` is given twice: give it once")]
    Twice(&'static str),
    /// Both ways to say the time were used.
    #[error("`time` and `{0}` both say the time: give one of them")]
    TimeTwice(&'static str),
    /// No instance was named.
    #[error("no module is named: add `module=NAME`")]
    NoModule,
    /// One that is yes or no has another value.
    #[error("parameter `{key}` is `{value}`: write `yes` or `no`")]
    YesNo {
        /// Which.
        key: &'static str,
        /// As the user wrote it.
        value: String,
    },
    /// What is no length of an interval.
    #[error("parameter `interval` is `{0}`: write a time span like 1m or 1h")]
    Interval(String),
    /// The records do not make records of longer intervals.
    #[error("`{module}` gives no records of {interval}: {why}")]
    Rollup {
        /// The instance.
        module: String,
        /// What was asked for.
        interval: Span,
        /// Why not.
        why: RollupError,
    },
    /// The time makes no sense.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// Neither does anything of this name run, nor are there records of it.
    #[error("no module `{name}`{}", nearest_or(.nearest, .known))]
    UnknownModule {
        /// As the user wrote it.
        name: String,
        /// The closest known one, if one is close.
        nearest: Option<String>,
        /// All that are known.
        known: Vec<String>,
    },
    /// The filter makes no sense.
    #[error("filter `{text}`: {error}")]
    Filter {
        /// As the user wrote it.
        text: String,
        /// What is wrong with it.
        error: FilterError,
    },
    /// The filter looks something up for which there is no table.
    #[error(transparent)]
    Table(MissingTable),
    /// The records are of other packets.
    #[error(
        "`{module}` measures the packets of `{measured}`, not of `{asked}`: leave the filter out, \
         or run another instance with it"
    )]
    OtherFilter {
        /// The instance.
        module: String,
        /// The filter in force.
        measured: String,
        /// The filter asked for, in its canonical form.
        asked: String,
        /// For how much of the time asked for there are records of that all the same.
        partly: Span,
    },
    /// The records were measured with another argument.
    #[error("{}", other_arg(.module, .name, .asked, .measured))]
    OtherArg {
        /// The instance.
        module: String,
        /// The argument.
        name: String,
        /// As asked for.
        asked: String,
        /// As the records were measured, where that is known.
        measured: Option<String>,
    },
    /// Records of its own were asked for alone, and they do not answer.
    #[error(
        "the records of `{0}` do not answer this, and with `source=none` it is not run afresh: \
         leave that out, or the filter and the arguments"
    )]
    Alone(String),
    /// The reader was too slow for the records that came.
    #[error("records came faster than they were read: ask again from {}", or_the_end(.from))]
    Behind {
        /// The first instant that was not answered.
        from: Option<Ts>,
    },
    /// Packets were asked for where only records are.
    #[error(
        "`{module}` keeps no packets, so there is no {format} of it: ask an instance of `trace`, \
         or for records, as in `format=ndjson`"
    )]
    NoPackets {
        /// The instance.
        module: String,
        /// What was asked for.
        format: &'static str,
    },
    /// Packets were asked for where only records are, and of those none can be made.
    #[error("`{module}` keeps no packets, and none can be made of its records: {why}")]
    NoReplay {
        /// The instance.
        module: String,
        /// Why not.
        why: ReplayError,
    },
    /// The packets cannot be given.
    #[error(transparent)]
    Packets(CopyError),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A module that ran for the question failed, or what it read did.
    #[error("`{module}` broke off: {why}")]
    Run {
        /// The module.
        module: String,
        /// What went wrong.
        why: String,
    },
    /// Packets were asked for, and what only a module that runs afresh takes.
    #[error("`{0}` is for records, and packets are asked for: leave it out, or the format")]
    ForRecords(&'static str),
    /// A module cannot be run for the question.
    #[error(transparent)]
    Attach(#[from] crate::supervisor::AttachError),
    /// A module that is run afresh cannot go on with what comes.
    #[error(
        "`{module}` cannot go on with what comes: {why}; leave out `wait=yes` for what is stored"
    )]
    NoFollowing {
        /// The module.
        module: String,
        /// Why not.
        why: String,
    },
    /// Nothing that is stored serves.
    #[error("nothing that is stored serves `{module}` in the time asked for{}", reasons(.refused))]
    NothingServes {
        /// The module.
        module: String,
        /// What is stored, and why it does not serve.
        refused: Vec<(String, String)>,
    },
    /// What was followed has gone.
    #[error("what was followed does not run any more")]
    Left,
    /// The answer could not be written, or shown.
    #[error("cannot write the answer: {0}")]
    Write(#[from] std::io::Error),
}

fn or_the_end(ts: &Option<Ts>) -> String {
    ts.map_or("the end".to_owned(), |ts| ts.to_string())
}

fn other_arg(module: &str, name: &str, asked: &str, measured: &Option<String>) -> String {
    let instead = match name {
        "interval" => format!("ask with `interval={asked}` for what its records give"),
        name => format!("leave `{name}` out"),
    };
    let what = match measured {
        Some(measured) => format!("`{module}` measures with {name}={measured}, not {asked}"),
        None => format!("what `{name}` the records of `{module}` were measured with is not known"),
    };
    format!(
        "{what}, and nothing is kept that it could run over afresh: {instead}, or run another \
            instance"
    )
}

fn reasons(refused: &[(String, String)]) -> String {
    let one = |(name, why): &(String, String)| format!("; `{name}`: {why}");
    match refused {
        [] => ": no records are kept that could be replayed, and no packets".to_owned(),
        refused => refused.iter().map(one).collect(),
    }
}

/// The length of intervals.
fn interval_of(text: &str) -> Result<Span, QueryError> {
    let fail = || QueryError::Interval(text.chars().take(60).collect());
    Span::parse(text).ok().filter(|span| span.0 > 0).ok_or_else(fail)
}

/// The value of a parameter that is yes or no.
fn yes_or_no(key: &'static str, value: Option<&str>) -> Result<Option<bool>, QueryError> {
    match value {
        None => Ok(None),
        Some("yes" | "true" | "1") => Ok(Some(true)),
        Some("no" | "false" | "0") => Ok(Some(false)),
        Some(other) => Err(QueryError::YesNo { key, value: other.chars().take(60).collect() }),
    }
}

/// The names of all that may be asked.
fn known() -> Vec<&'static str> {
    KEYS.iter().map(|(key, _)| *key).chain(["arg.NAME"]).collect()
}

fn nearest_or(nearest: &Option<String>, known: &[impl AsRef<str>]) -> String {
    match nearest {
        Some(name) => format!("; did you mean `{name}`?"),
        None if known.is_empty() => "; there is none yet".to_owned(),
        None => {
            let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
            format!("; known are {}", known.join(", "))
        }
    }
}

impl Query {
    /// Everything that is stored of an instance.
    pub fn all(module: &str) -> Self {
        let module = module.to_owned();
        Self {
            module,
            times: None,
            filter: None,
            format: None,
            wait: false,
            follows: false,
            source: None,
            alone: false,
            explain: false,
            interval: None,
            partly: false,
            args: Vec::new(),
        }
    }

    /// Reads keys and values, as they come from a URL, a prompt or a command line.
    pub fn parse<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, QueryError> {
        let mut given: [Option<&str>; KEYS.len()] = [None; KEYS.len()];
        let mut args: Vec<(String, String)> = Vec::new();
        for (key, value) in pairs {
            if let Some(name) = key.strip_prefix("arg.") {
                args.push((name.to_owned(), value.to_owned()));
                continue;
            }
            let at = KEYS.iter().position(|(known, _)| *known == key).ok_or_else(|| {
                let nearest = nearest(key, known()).map(str::to_owned);
                QueryError::UnknownKey { key: key.chars().take(60).collect(), nearest }
            })?;
            if given[at].replace(value).is_some() {
                return Err(QueryError::Twice(KEYS[at].0));
            }
        }
        let [module, time, start, end, filter, format, wait, source, explain, interval] = given;
        let times = match (time, start, end) {
            (None, None, None) => None,
            (Some(text), None, None) => Some(Times::parse(text)?),
            (None, start, end) => Some(Times::between(start, end)?),
            (Some(_), Some(_), _) => return Err(QueryError::TimeTwice("start")),
            (Some(_), None, Some(_)) => return Err(QueryError::TimeTwice("end")),
        };
        let wait = yes_or_no("wait", wait)?;
        Ok(Self {
            module: module.filter(|m| !m.is_empty()).ok_or(QueryError::NoModule)?.to_owned(),
            times,
            filter: filter.map(str::to_owned),
            format: format.filter(|f| !f.is_empty()).map(str::to_owned),
            wait: wait.unwrap_or(true),
            follows: wait == Some(true),
            alone: source == Some("none"),
            source: source.filter(|name| *name != "none").map(|name| match name {
                "" | "auto" => Over::Best,
                name => Over::Instance(name.to_owned()),
            }),
            explain: yes_or_no("explain", explain)?.unwrap_or(false),
            interval: interval.map(interval_of).transpose()?,
            partly: false,
            args,
        })
    }

    /// Whether packets may be the answer; the error names what is only for records.
    pub fn allows_packets(&self) -> Result<(), QueryError> {
        let given = [
            ("source", self.source.is_some() || self.alone),
            ("explain", self.explain),
            ("interval", self.interval.is_some()),
            ("arg.", !self.args.is_empty()),
        ];
        match given.into_iter().find(|(_, is_given)| *is_given) {
            Some((key, _)) => Err(QueryError::ForRecords(key)),
            None => Ok(()),
        }
    }

    /// The time asked for, and the instant that it is counted from: the stream's clock or, where
    /// there is none yet, the wall's.
    pub fn counted(&self, clock: Option<Ts>) -> Result<(Window, Ts), QueryError> {
        if clock.is_none() {
            let now = Ts::now();
            if let Some(ahead) = self.times.and_then(|times| times.resolve_ahead(now)) {
                return Ok((ahead?, now));
            }
        }
        let clock = clock.unwrap_or_default();
        Ok((self.window(clock)?, clock))
    }

    /// The time asked for, where the stream's clock is `clock`.
    ///
    /// Nothing said is what comes from now on; or, not waiting, all there is.
    pub fn window(&self, clock: Ts) -> Result<Window, QueryError> {
        match &self.times {
            Some(times) => Ok(times.resolve(clock)?),
            None if self.wait => Ok(Window { from: clock, ..Window::ALL }),
            None => Ok(Window::ALL),
        }
    }
}

#[cfg(test)]
mod tests;
