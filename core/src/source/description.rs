//! The description of a stream: what a source offers, and how good its packets are.
//!
//! A source states what it knows when it opens. What it only learns from its
//! packets (an exporter's sampling) it adds to the description as it reads, and
//! whoever shows it asks again.

use std::fmt;

use crate::field::Fields;
use crate::packet::LinkType;
use crate::time::Span;

/// How a source's packets come, and so what becomes of it when somebody is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// They are all there: other sources wait for its next packet, and it waits for everybody.
    Stored,
    /// As they happen, over something that waits (a connection, a file that grows): nobody waits
    /// for its next packet, and none is lost where no source is live.
    Stream,
    /// As they happen, from a wire that waits for nobody: what is not taken in time is shed.
    Live,
}

/// How many packets of those there were a source delivers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sampling {
    /// Nobody has said.
    #[default]
    Unknown,
    /// All of them, but for those counted as lost.
    None,
    /// One in so many, at least two.
    OneIn(u64),
    /// Not the same for all packets: each one's weight says what it stands for.
    Varying,
}

impl Sampling {
    /// Adds that a packet, or an exporter, stands for one in `rate`.
    #[inline]
    pub fn note(&mut self, rate: u64) {
        *self = self.and(if rate > 1 { Self::OneIn(rate) } else { Self::None });
    }

    /// Of packets of which some were delivered so, and some as `other` says.
    #[inline]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (known, Self::Unknown) | (Self::Unknown, known) => known,
            (known, other) if known == other => known,
            _ => Self::Varying,
        }
    }

    /// What `told` says, as this displays itself.
    pub fn told(told: &str) -> Self {
        match told {
            "none" => Self::None,
            "varying" => Self::Varying,
            told => told
                .strip_prefix("1 in ")
                .and_then(|rate| rate.parse().ok())
                .map_or(Self::Unknown, Self::OneIn),
        }
    }
}

impl fmt::Display for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::None => f.write_str("none"),
            Self::OneIn(n) => write!(f, "1 in {n}"),
            Self::Varying => f.write_str("varying"),
        }
    }
}

/// One thing that was done to packets on their way here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Treatment {
    /// Only what a filter accepts was let through; its text.
    Filtered(String),
    /// Only what a filter accepts that was pushed down from here: no less than any task wants.
    Pushed(String),
    /// Cut after so many bytes.
    Cut(u32),
    /// Cut by the agents that sampled them, each as it was told.
    CutByAgents,
    /// Addresses were replaced.
    Anonymized,
    /// Some were left out because somebody was slow.
    Shed,
    /// Added up in flow records, of which packets were made again.
    Flows,
    /// Packets of a flow were spread over its lifetime.
    Spread,
    /// Records became packets again.
    Replayed {
        /// The instance whose they are.
        instance: String,
        /// How long their intervals are.
        interval: Span,
    },
    /// Only some of the records were kept, as a top 20: what the others counted is missing.
    SomeRecords,
    /// Records did not tell packets between two ports of 0 from such without ports.
    UnclearPorts,
    /// Addresses are those of networks; as the key column is declared.
    Networks(String),
    /// As it is told where they come from.
    Told(String),
    /// What was inside a tunnel became the packet.
    Decapsulated,
}

impl Treatment {
    /// After how many bytes packets were cut, where `told` says that as this does.
    pub fn cut_told(told: &str) -> Option<u32> {
        told.strip_prefix("cut at ")?.strip_suffix(" bytes")?.parse().ok()
    }

    /// Whether `told` says as this does that some packets were left out.
    pub fn is_shed_told(told: &str) -> bool {
        told == Self::Shed.to_string()
    }
}

impl fmt::Display for Treatment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filtered(filter) => write!(f, "filtered by `{filter}`"),
            Self::Pushed(filter) => write!(f, "filtered by the kernel with `{filter}`"),
            Self::Cut(bytes) => write!(f, "cut at {bytes} bytes"),
            Self::CutByAgents => f.write_str("cut by the agents that sampled them"),
            Self::Anonymized => f.write_str("anonymized"),
            Self::Shed => f.write_str("shed"),
            Self::Flows => f.write_str("made from flow records"),
            Self::Spread => f.write_str("spread over their flows' lifetimes"),
            Self::Replayed { instance, interval } => {
                write!(f, "replayed from records of `{instance}`, {interval} each")
            }
            Self::SomeRecords => f.write_str("inexact: only some of the records were kept"),
            Self::UnclearPorts => {
                f.write_str("inexact: packets from port 0 to port 0 count as packets without ports")
            }
            Self::Networks(column) => write!(f, "addresses cut to networks, `{column}`"),
            Self::Told(text) => f.write_str(&crate::render::tamed(text)),
            Self::Decapsulated => f.write_str("taken out of tunnels"),
        }
    }
}

/// What a source offers: how good its packets are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// How it was named: `pcap:FILE`, `live:eth0`, `gen:...`.
    pub name: String,
    /// Link types it may deliver, as far as known when it opens.
    pub links: Vec<LinkType>,
    /// The finest step of its timestamps.
    pub resolution: Span,
    /// How many bytes of a packet it keeps; 0 where nothing is cut, or nobody has said.
    pub snaplen: u32,
    /// How they come.
    pub pace: Pace,
    /// Whether its packets have the times at which this machine took them, so that a leap is one of
    /// its clock; of all others a leap is doubted until the packets that follow confirm it.
    pub timed_here: bool,
    /// How long after its time a packet may be handed over at most, where packets come as they
    /// happen: sources that are faster wait for this one as long.
    pub delay: Span,
    /// The fields its packets may have.
    pub offers: Fields,
    /// How many packets it delivers of those there were, as far as known by now.
    pub sampling: Sampling,
    /// What was done to its packets so far, in this order.
    pub lineage: Vec<Treatment>,
    /// Bytes it will read in all, where known, for progress.
    pub size_bytes: Option<u64>,
}

impl Description {
    /// Whole packets of which nothing more is known: with all fields, times in microseconds,
    /// handed over at once.
    pub fn new(name: String, pace: Pace) -> Self {
        Self {
            name,
            links: Vec::new(),
            resolution: Span(1_000),
            snaplen: 0,
            pace,
            timed_here: false,
            delay: Span(0),
            offers: Fields::ALL,
            sampling: Sampling::Unknown,
            lineage: Vec::new(),
            size_bytes: None,
        }
    }

    /// Whether its packets are taken from flow records, so that only headers are there.
    pub fn is_of_flows(&self) -> bool {
        self.lineage.contains(&Treatment::Flows)
    }

    /// Whether all of it is there and can be read again, as a file can and no pipe.
    pub fn is_whole(&self) -> bool {
        self.pace == Pace::Stored && self.size_bytes.is_some()
    }

    /// States that packets are cut after `bytes`, 0 for not at all.
    pub fn cut(mut self, bytes: u32) -> Self {
        self.snaplen = bytes;
        self.lineage.extend((bytes > 0).then_some(Treatment::Cut(bytes)));
        self
    }

    /// Notes which filter the kernel lets packets through by, in place of an earlier one.
    pub fn note_filter(&mut self, filter: Option<&str>) {
        self.lineage.retain(|treatment| !matches!(treatment, Treatment::Pushed(_)));
        if let Some(filter) = filter {
            self.lineage.insert(0, Treatment::Pushed(filter.to_owned()));
        }
    }

    /// What is kept of it beside records. A filter that was pushed down changes none of them.
    pub fn covered(&self) -> Covered {
        let pushed = |treatment: &&Treatment| matches!(treatment, Treatment::Pushed(_));
        let lineage = self.lineage.iter().filter(|treatment| !pushed(treatment));
        Covered {
            source: self.name.clone(),
            sampling: self.sampling.to_string(),
            lineage: lineage.map(ToString::to_string).collect(),
        }
    }

    /// Takes over what `from`, whose packets these are, has learned since it opened, and adds what
    /// is done to them here.
    pub fn keep_up(&mut self, from: &Self, then: &[Treatment]) {
        self.sampling = from.sampling;
        let known = self.lineage.len() == from.lineage.len() + then.len()
            && self.lineage.starts_with(&from.lineage);
        if !known {
            self.lineage = [&from.lineage, then].concat();
        }
    }
}

/// A source that records cover, and how good its packets were: what is kept beside the records.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Covered {
    /// How it was named.
    pub source: String,
    /// How many packets it delivered of those there were.
    pub sampling: String,
    /// What was done to its packets before.
    pub lineage: Vec<String>,
}

impl Covered {
    /// Says that some of its packets were left out.
    pub(crate) fn add_shed(&mut self) {
        if !self.has_shed() {
            self.lineage.push(Treatment::Shed.to_string());
        }
    }

    /// Whether it says that some of its packets were left out.
    pub(crate) fn has_shed(&self) -> bool {
        self.lineage.iter().any(|told| Treatment::is_shed_told(told))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rates: &[u64], want: &str) {
        let mut sampling = Sampling::default();
        rates.iter().for_each(|rate| sampling.note(*rate));
        assert_eq!(sampling.to_string(), want, "{rates:?}");
        assert_eq!(Sampling::told(want), sampling);
    }

    #[test]
    fn sampling_is_what_all_rates_agree_on() {
        check(&[], "unknown");
        check(&[1, 1], "none");
        check(&[100, 100], "1 in 100");
        check(&[100, 1], "varying");
        check(&[1, 100, 1], "varying");
    }

    #[test]
    fn a_cut_is_told_and_understood() {
        assert_eq!(Treatment::cut_told(&Treatment::Cut(96).to_string()), Some(96));
        assert_eq!(Treatment::cut_told("shed"), None);
    }

    #[test]
    fn what_a_capture_tells_of_itself_steers_no_terminal() {
        let told = Treatment::Told("eth0\x1b[2J \u{61c}".to_owned()).to_string();
        assert_eq!(told, "eth0\\u{1b}[2J \\u{61c}");
    }

    #[test]
    fn a_source_over_another_keeps_up_with_it() {
        let mut under = Description::new("live:eth0".to_owned(), Pace::Live).cut(96);
        let mut over = under.clone();
        let then = [Treatment::Decapsulated];
        over.keep_up(&under, &then);
        assert_eq!(over.lineage, [Treatment::Cut(96), Treatment::Decapsulated]);
        under.note_filter(Some("tcp"));
        under.note_filter(Some("udp"));
        under.sampling.note(8);
        over.keep_up(&under, &then);
        let told: Vec<String> = over.lineage.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            ["filtered by the kernel with `udp`", "cut at 96 bytes", "taken out of tunnels"]
        );
        assert_eq!(over.sampling, Sampling::OneIn(8));
    }
}
