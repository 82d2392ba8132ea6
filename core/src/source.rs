//! Sources: where packets come from, what each offers, and the turn it takes.
//!
//! A source runs on a thread of its own, or where its packets are at hand on that of the
//! capture stage, and is asked for one [`Chunk`] after another. It never decodes headers
//! and never waits for anything but its device: merging, decoding and filtering are the
//! capture stage's.

pub mod description;
pub mod flows;
mod told;
mod watched;

use std::fmt;
use std::sync::Arc;

use crate::packet::{LinkType, Packet, Weight};
use crate::storage::Window;
use crate::time::Ts;
pub use description::{Covered, Description, Pace, Sampling, Treatment};
pub use flows::Flows;
pub use told::{Bytes, Origin, Told, region_from};
pub(crate) use watched::watched;

/// What is known of a time between packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// Nothing was heard in it, or kept.
    Unheard(Window),
    /// There were packets, from the first instant to the last, none of which is wanted.
    Passed(Window),
}

/// Bytes that packets lie in: a window of a mapped file, or a recycled buffer.
pub type Region = Arc<dyn Bytes>;

/// What one source delivered in one turn. Packets are in the source's order.
#[derive(Default)]
pub struct Chunk {
    /// The packets; their `region` indexes `regions`, their `source` is filled in by capture.
    pub packets: Vec<Packet>,
    /// Weights, one per packet, or empty where every packet stands for itself.
    pub weights: Vec<Weight>,
    /// The bytes the packets lie in.
    pub regions: Vec<Region>,
    /// The marks that any of the packets bears; filled in by capture.
    pub marks: u16,
    /// How far the source has read, for progress: of [`Description::size_bytes`].
    pub read_bytes: u64,
    /// Packets known lost or unusable since the last chunk.
    pub counts: Counts,
    /// Times before its first packet in which nothing was heard, or kept, earliest first.
    pub unheard: Vec<Window>,
    /// Times before its first packet in which there were packets, none of which is wanted: from
    /// the first of some to the last. The stream's clock goes on by them.
    pub passed: Vec<Window>,
    /// In which regions packets lie whose origin is told; [`Chunk::tell`] keeps it.
    pub told: Told,
}

impl Chunk {
    /// Whether it says nothing of the stream: neither packets, nor times at which there were some.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty() && self.passed.is_empty()
    }

    /// The captured bytes of one of its packets; empty where they lie in none of its regions.
    pub fn data(&self, packet: &Packet) -> &[u8] {
        let Some(region) = self.regions.get(usize::from(packet.region)) else { return &[] };
        let start = packet.offset as usize;
        let end = start.saturating_add(packet.cap_len as usize);
        (**region).as_ref().get(start..end).unwrap_or(&[])
    }

    /// Gives every packet the weight that it has itself, if some have been given another and the
    /// last ones have not.
    pub fn settle_weights(&mut self) {
        if !self.weights.is_empty() {
            weigh(&mut self.weights, &self.packets);
        }
    }

    /// What its packets stand for together. There are as many weights as packets, or none.
    pub fn stands_for(&self) -> Weight {
        let add = |sum: Weight, one: Weight| Weight {
            packets: sum.packets.saturating_add(one.packets),
            bytes: sum.bytes.saturating_add(one.bytes),
        };
        let weighed = self.weights.iter().copied();
        let others = self.packets.iter().skip(self.weights.len()).map(Weight::of);
        weighed.chain(others).fold(Weight { packets: 0, bytes: 0 }, add)
    }

    /// Takes out what is known of the times before its first packet, earliest first.
    pub fn take_between(&mut self) -> Vec<Between> {
        let unheard = self.unheard.drain(..).map(|window| (window, Between::Unheard(window)));
        let passed = self.passed.drain(..).map(|window| (window, Between::Passed(window)));
        let mut between: Vec<(Window, Between)> = unheard.chain(passed).collect();
        between.sort_by_key(|(window, _)| window.from);
        between.into_iter().map(|(_, between)| between).collect()
    }

    /// Forgets everything but the capacity of its vectors.
    pub fn clear(&mut self) {
        self.packets.clear();
        self.weights.clear();
        self.regions.clear();
        self.told.clear();
        self.marks = 0;
        self.counts = Counts::default();
        self.unheard.clear();
        self.passed.clear();
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk")
            .field("packets", &self.packets.len())
            .field("regions", &self.regions.len())
            .field("read_bytes", &self.read_bytes)
            .finish_non_exhaustive()
    }
}

/// Makes the packets that have no weight yet stand for themselves.
pub fn weigh(weights: &mut Vec<Weight>, packets: &[Packet]) {
    weights.extend(packets.iter().skip(weights.len()).map(Weight::of));
}

/// What a source lost or could not use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets lost before they reached the source (kernel, interface).
    pub dropped: u64,
    /// Unreadable: records that the source could make no packets of, skipped.
    pub malformed: u64,
    /// How often its device came back after it had been down or away.
    pub reopened: u64,
    /// Records of modules that packets were made of, and the CPU time that took.
    pub replayed: Replays,
}

/// Records that became packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replays {
    /// How many.
    pub records: u64,
    /// CPU time, in nanoseconds, without that to read them.
    pub ns: u64,
}

impl Counts {
    /// Adds what `other` counted.
    pub fn add(&mut self, other: Counts) {
        self.dropped += other.dropped;
        self.malformed += other.malformed;
        self.reopened += other.reopened;
        self.replayed.records += other.replayed.records;
        self.replayed.ns += other.replayed.ns;
    }
}

/// What a source answers when asked for its next chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The chunk was filled.
    More,
    /// Nothing arrived within the source's own short time-out (live sources).
    Idle,
    /// The source has ended; the chunk may hold the last packets.
    End,
}

/// Why a source could not be opened or read on. Each message names the device or file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The environment refused: a missing file, no permission, no such device.
    #[error("cannot {what} `{name}`")]
    Io {
        /// What was tried: `open`, `read`.
        what: &'static str,
        /// The file or device.
        name: String,
        /// What the system answered.
        #[source]
        source: std::io::Error,
    },
    /// The bytes are no capture, or end in the middle of one.
    #[error("`{name}`: {why}{}", at_byte(*.offset))]
    Format {
        /// The file or device.
        name: String,
        /// What is wrong.
        why: String,
        /// Where, in what is unpacked.
        offset: u64,
    },
    /// Its packets are of a kind that is not decoded.
    #[error("`{name}`: packets of link type {link} cannot be decoded")]
    Link {
        /// The file or device.
        name: String,
        /// The kind.
        link: LinkType,
    },
    /// The text that names a source makes no sense.
    #[error("source `{text}`: {why}")]
    Spec {
        /// As the user wrote it.
        text: String,
        /// What is wrong and what would be right.
        why: String,
    },
    /// The capture library refused.
    #[error("{name}: {why}")]
    Device {
        /// The interface.
        name: String,
        /// What the library answered, and what to try.
        why: String,
    },
}

/// Where something is wrong; what is wrong from the beginning is not said to be anywhere.
fn at_byte(offset: u64) -> String {
    if offset == 0 { String::new() } else { format!(", at byte {offset}") }
}

/// One opened source.
///
/// Called from one thread, one turn after another, until [`Turn::End`] or an
/// error; packets in the chunk stand also when an error is returned, so that
/// a file cut short gives all it holds.
pub trait Source: Send {
    /// What it offers, and what it has learned of its packets so far: name, pace and fields stay.
    fn description(&self) -> &Description;

    /// Fills `chunk`, which is empty, with the next packets: at most
    /// [`crate::selection::BATCH_PACKETS_MAX`], from as few regions as it can.
    /// A file source returns a chunk as full as it can; a live source returns
    /// what has arrived, and waits at most about 100 ms; over a network that
    /// does not answer it may be half a minute.
    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError>;

    /// Asks the kernel to deliver at least what `bpf`, a tcpdump expression for Ethernet,
    /// accepts. Sources that cannot filter, or see other links, ignore it.
    fn push_filter(&mut self, bpf: Option<&str>) -> Result<(), SourceError> {
        let _ = bpf;
        Ok(())
    }

    /// Whether a turn costs little more than a look at memory, as that of a mapped file, once its
    /// pages are there. The capture stage then takes it itself: headers are decoded while what was
    /// looked at is still near.
    fn is_at_hand(&self) -> bool {
        false
    }

    /// The first timestamp it will deliver, where that can be known: lets several files be opened
    /// in time order. It may cost that a beginning is read twice.
    fn first_ts(&self) -> Option<Ts> {
        None
    }

    /// When what it holds began to be recorded, which for flow records is when the first ones were
    /// sent: their flows began before that.
    fn recorded_ts(&self) -> Option<Ts> {
        self.first_ts()
    }

    /// What it has read of flow records or samples so far, if it is a source of those.
    fn flows(&self) -> Option<Flows> {
        None
    }
}

/// An error and what caused it, in one line. A cause that the text already ends with is not
/// repeated.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    without_os_code(&text)
}

/// `No such file or directory (os error 2)` without the number, which says nothing more.
fn without_os_code(text: &str) -> String {
    match text.split_once(" (os error ") {
        Some((before, after)) => {
            format!("{before}{}", after.split_once(')').map_or("", |(_, rest)| rest))
        }
        None => text.to_owned(),
    }
}
