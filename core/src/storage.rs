//! Storage: where records go when an interval has closed, and where queries find them.
//!
//! Records rest as [`block`]s in a [`RecordStore`]. One [`Writer`] gathers the
//! records of all instances and commits them together; any number of [`Scan`]s
//! read meanwhile. What a commit acknowledged survives the end of the process
//! at any instant.

mod age;
pub mod archive;
pub mod block;
#[cfg(test)]
pub(crate) mod conformance;
mod eras;
pub mod evolve;
pub mod feed;
pub mod losses;
pub mod memory;
pub mod notes;
pub mod packets;
pub mod pcapng;
pub mod redb;
mod runs;
pub mod scan;
pub mod verify;
pub mod writer;

use std::sync::Arc;

use crate::record::Schema;
use crate::source::{Covered, Sampling};
use crate::time::{Span, Ts};
use block::Sealed;
pub use feed::{Feed, Subscription};
pub use memory::MemoryStore;
pub use redb::RedbStore;
pub use runs::Runs;
pub use scan::Scan;
pub use writer::Writer;

/// How many bytes of blocks one page of a scan holds, save that it always holds one block.
pub const PAGE_BYTES: usize = 1 << 20;

/// How many filters of the past a stream remembers.
pub const FILTERS_MAX: usize = 64;

/// How many changes of its sources a stream remembers.
pub const COVERAGES_MAX: usize = 64;

/// A place to keep blocks. One process writes; many threads read.
///
/// Every store gives the same answers: `conformance` has them as tests.
pub trait RecordStore: Send + Sync {
    /// Puts a group of blocks, all or none, and returns when they would survive a crash.
    ///
    /// A block put again takes the place of the one with its stream, first row and number. Each
    /// stream is then cut to its bounds, of bytes and of age.
    fn put(&self, group: &[Append]) -> Result<(), StoreError>;

    /// Every stream, by name.
    fn streams(&self) -> Result<Vec<Stream>, StoreError>;

    /// One stream.
    fn stream(&self, name: &str) -> Result<Option<Stream>, StoreError>;

    /// The schema that blocks of a stream refer to by `hash`.
    fn schema(&self, name: &str, hash: u64) -> Result<Option<Arc<Schema>>, StoreError>;

    /// Every schema that blocks of a stream refer to, with the number of the first block from
    /// which on it was in force, the newest last. One whose blocks have all gone is forgotten.
    fn schemas(&self, name: &str) -> Result<Vec<(u64, Arc<Schema>)>, StoreError>;

    /// The next blocks of a stream that touch `window`, oldest first, behind `after`: at most
    /// [`PAGE_BYTES`], and nothing stays locked or open between one page and the next. An empty
    /// page is the end.
    fn page(
        &self,
        name: &str,
        window: Window,
        after: Option<Mark>,
    ) -> Result<Vec<Stored>, StoreError>;

    /// The same of the blocks that are gaps alone, without looking at others where that can be.
    fn gaps(
        &self,
        name: &str,
        window: Window,
        after: Option<Mark>,
    ) -> Result<Vec<Stored>, StoreError>;

    /// Removes the oldest blocks of a stream until at most `bytes` are left, and returns how many
    /// blocks that were. The newest block stays, so that no bound makes a stream useless.
    fn trim(&self, name: &str, bytes: u64) -> Result<u64, StoreError>;

    /// Removes the blocks that ended longer ago than their stream's `age_max`, seen from `now` or
    /// from the stream's own end, whichever is later, and at most from the machine's. Returns how
    /// many blocks that were.
    fn expire(&self, now: Ts) -> Result<u64, StoreError>;

    /// Removes the rows of a stream that start before an instant, and what gaps tell of the time
    /// before it. Returns how many rows that were.
    fn cut(&self, name: &str, before: Ts) -> Result<u64, StoreError>;

    /// Removes a stream and all that is known of it. Returns whether there was one.
    fn remove(&self, name: &str) -> Result<bool, StoreError>;

    /// What was noted under a name, beside all streams.
    fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Notes something small under a name, in place of what was noted before.
    fn set_note(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError>;
}

/// A span of packet time, closed at the start and open at the end; unlike an interval, of any
/// length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// The first instant inside.
    pub from: Ts,
    /// The first instant after.
    pub to: Ts,
}

impl Window {
    /// All of time.
    pub const ALL: Self = Self { from: Ts(0), to: Ts(u64::MAX) };

    /// No time at all.
    pub const NONE: Self = Self { from: Ts(0), to: Ts(0) };

    /// What lies in both, if anything does.
    pub fn common(self, other: Self) -> Option<Self> {
        let both = Self { from: self.from.max(other.from), to: self.to.min(other.to) };
        (both.from < both.to).then_some(both)
    }

    /// The shortest that holds both.
    pub fn around(self, other: Self) -> Self {
        match (self.from < self.to, other.from < other.to) {
            (true, true) => Self { from: self.from.min(other.from), to: self.to.max(other.to) },
            (true, false) => self,
            (false, _) => other,
        }
    }

    /// What of it lies outside of another.
    pub fn without(self, other: Self) -> impl Iterator<Item = Self> {
        let before = Self { to: self.to.min(other.from), ..self };
        let behind = Self { from: self.from.max(other.to), ..self };
        [before, behind].into_iter().filter(|part| part.from < part.to)
    }

    /// What of some times lies outside of all of others.
    pub fn without_all(times: Vec<Self>, others: impl IntoIterator<Item = Self>) -> Vec<Self> {
        others.into_iter().fold(times, |left, other| {
            left.into_iter().flat_map(|time| time.without(other)).collect()
        })
    }

    /// Its parts, where it is cut at these instants, which are in order and inside.
    pub fn parts(self, cuts: &[Ts]) -> impl Iterator<Item = Self> {
        let begins = [self.from].into_iter().chain(cuts.iter().copied());
        let ends = cuts.iter().copied().chain([self.to]);
        begins.zip(ends).map(|(from, to)| Self { from, to })
    }
}

/// What one commit adds to one stream.
#[derive(Clone, Debug, Default)]
pub struct Append {
    /// The instance.
    pub stream: String,
    /// What is measured from the first of these blocks on.
    pub about: About,
    /// The schemas of these blocks; those the store has already do no harm.
    pub schemas: Vec<Arc<Schema>>,
    /// The blocks, their numbers growing.
    pub blocks: Vec<Sealed>,
}

/// What a stream's records are records of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The module.
    pub module: String,
    /// The filter in its canonical form; empty for all packets.
    pub filter: String,
    /// How many bytes of blocks the stream may hold; unbounded where none.
    pub bytes_max: Option<u64>,
    /// How long records are kept after the end of their interval, in packet time; for ever where
    /// none. What was said last holds also while nothing writes the stream.
    pub age_max: Option<Span>,
    /// The sources that the records cover; none where nobody said.
    pub sources: Vec<Covered>,
    /// The instance whose records these are merged from, where they are a rollup.
    pub rollup_of: Option<String>,
}

/// A stream as the store knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// The instance.
    pub name: String,
    /// The module it used last.
    pub module: String,
    /// What was measured, oldest first; each holds until the next begins.
    pub filters: Vec<Measured>,
    /// The sources that its records cover, oldest first; each holds until the next begins.
    pub sources: Vec<Coverage>,
    /// How many blocks it holds.
    pub blocks: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many rows they have; not known of streams begun by versions that did not count them.
    pub rows: Option<u64>,
    /// The start of its first row or gap.
    pub first: Option<Ts>,
    /// The first instant behind its rows and gaps.
    pub end: Option<Ts>,
    /// The number the next block gets. Numbers are never used twice, not even of removed blocks.
    pub next_seq: u64,
    /// How long its records are kept.
    pub age_max: Option<Span>,
    /// How many blocks went because of a bound, since the stream began.
    pub reclaimed_blocks: u64,
    /// How many bytes those had.
    pub reclaimed_bytes: u64,
    /// Until when records were removed by hand.
    pub removed_until: Option<Ts>,
    /// The instance whose records these are merged from, where they are a rollup.
    pub rollup_of: Option<String>,
    /// When those listened who measured it, as far as versions wrote it that kept that.
    pub runs: Runs,
    /// Outside of this time no record is of an interval of which only some rows were kept; not
    /// known of streams that only versions wrote which did not keep it.
    pub cut: Option<Window>,
}

/// How many bytes the name of a stream may have.
pub const NAME_BYTES_MAX: usize = 200;

/// Whether a stream may have this name: it is that of a folder too.
pub fn can_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && !["", ".", ".."].contains(&name)
        && !name.contains(|c: char| c == '/' || c.is_control())
}

impl Stream {
    /// Takes note of what is measured from a block on.
    pub(crate) fn note(&mut self, about: &About, header: &block::Header) {
        let (seq, since) = (header.seq, header.first);
        if self.sources.last().map_or(&[][..], |c| &c.sources) != about.sources {
            self.sources.push(Coverage { since, sources: about.sources.clone() });
        }
        if self.sources.len() > COVERAGES_MAX {
            self.sources.remove(0);
        }
        self.runs.note(header);
        self.module.clone_from(&about.module);
        self.age_max = about.age_max;
        self.rollup_of.clone_from(&about.rollup_of);
        if self.filters.last().is_none_or(|m| m.filter != about.filter) {
            self.filters.push(Measured::from(seq, about.filter.clone()));
        }
        if let Some(measured) = self.filters.last_mut() {
            measured.note(header);
        }
        if self.filters.len() > FILTERS_MAX {
            self.filters.remove(0);
        }
    }

    /// The sources that records of a window cover: those that held when it begins, and those that
    /// came to hold within it.
    pub(crate) fn covered(&self, window: Window) -> impl Iterator<Item = &Covered> {
        self.coverages(window).flat_map(|(_, coverage)| &coverage.sources)
    }

    /// From when until when packets were shed of which records of a window are, as these say: all
    /// the time for which they say it, also outside of the window.
    pub(crate) fn shed(&self, window: Window) -> Option<Window> {
        let has_shed = |coverage: &Coverage| coverage.sources.iter().any(Covered::has_shed);
        let shed = self.coverages(window).filter(|(_, coverage)| has_shed(coverage));
        let both = |one: Window, next: Window| Window { to: one.to.max(next.to), ..one };
        shed.map(|(time, _)| time).reduce(both)
    }

    /// Until when packets were shed of which any of its records are, as these say.
    pub fn shed_until(&self) -> Option<Ts> {
        Some(self.shed(Window::ALL)?.to.min(self.end?))
    }

    /// What records of a window cover, and from when until when they do.
    fn coverages(&self, window: Window) -> impl Iterator<Item = (Window, &Coverage)> {
        let until = |at: usize| self.sources.get(at + 1).map_or(Window::ALL.to, |next| next.since);
        let all = self.sources.iter().enumerate();
        let all = all.map(move |(at, one)| (Window { from: one.since, to: until(at) }, one));
        all.filter(move |(time, _)| time.from < window.to && time.to > window.from)
    }

    /// How many packets of those there were the records of a window, or what is kept beside them,
    /// are of.
    pub(crate) fn sampling(&self, window: Window) -> Sampling {
        let told = self.covered(window).map(|covered| Sampling::told(&covered.sampling));
        told.fold(Sampling::Unknown, Sampling::and)
    }

    /// The time of its rows and gaps, from the first to the last; none where it has none.
    pub fn span(&self) -> Option<Window> {
        self.first.zip(self.end).map(|(from, to)| Window { from, to })
    }

    /// The filter of the newest records.
    pub fn filter(&self) -> &str {
        self.filters.last().map_or("", |m| &m.filter)
    }
}

/// The sources that records cover from some time on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// The start of the first of those records.
    pub since: Ts,
    /// The sources.
    pub sources: Vec<Covered>,
}

/// A filter, and the first block of records it picked the packets of.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Measured {
    /// The number of that block.
    pub seq: u64,
    /// The canonical filter; empty for all packets.
    pub filter: String,
    /// The time its records are of, from the first to the last; none where nobody kept it, as in
    /// streams begun by versions that did not. An archive leaves it to its blocks.
    #[serde(skip)]
    pub span: Option<Window>,
}

/// Where a block stands in its stream: by first row, then by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// The start of its first row.
    pub first: Ts,
    /// Its number.
    pub seq: u64,
}

/// A block as a store gives it back: where it stood, and its bytes, which may be damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Where it stands.
    pub mark: Mark,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Why the store did not answer. The message names the file and what to try.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has it open.
    #[error(
        "store `{path}` is in use by another process: stop that one, or name another store; \
         `como query --url` asks a running monitor"
    )]
    InUse {
        /// The file.
        path: String,
    },
    /// It is whole, and no store of this version. It is left as it is.
    #[error("`{path}` is not a usable store ({why}): move it away to start a new one")]
    Foreign {
        /// The file.
        path: String,
        /// What it is.
        why: String,
    },
    /// It is no store, or a damaged one. It is left as it is.
    #[error(
        "`{path}` is not a usable store ({why}): move it away to start a new one, or restore a copy"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The system refused: no space, no permission, a failing disk.
    #[error("store `{path}`: {why}")]
    Io {
        /// The file.
        path: String,
        /// What the system answered.
        why: String,
    },
}
