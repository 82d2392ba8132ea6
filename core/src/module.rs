//! Modules: measurements as code, and the trait that runs them.
//!
//! A [`Kind`] is a module as it is shipped or written: name, arguments, how to
//! start. A [`Module`] is one running instance of it, owned by one worker. A
//! script and a native module look the same from here.

pub mod args;
pub mod aside;
pub mod declared;
pub mod export;
mod formerly;
pub mod grants;
pub mod maker;
pub mod manifest;
pub mod mistake;
pub mod trace;

use std::sync::Arc;

use crossbeam_channel::Sender;

use crate::batch::Batch;
use crate::field::Demand;
use crate::record::{Schema, Value};
use crate::selection::Selection;
use crate::storage::packets::{Keeps, Spot};
use crate::time::{Interval, Span, Ts};
pub use args::{ArgError, Args};
pub use aside::{Alert, Asides, Severity};
pub use declared::{Action, Declaration, Declared, Long};
pub use export::Export;
pub use grants::{GRANTS, GrantError, Grants, gives};
pub use maker::Maker;
pub use manifest::{ArgSpec, Manifest};
pub use mistake::{Fault, Mistake, in_line};

/// A running measurement. Called by one worker thread, never concurrently.
///
/// Batches come in stream order. Between two calls of [`Module::export`] all
/// batches lie in one interval. A module that fails keeps quiet and says so in
/// [`Module::fault`], which is asked after every call.
pub trait Module: Send {
    /// Whether [`Module::check`] is to be called.
    fn checks(&self) -> bool {
        false
    }

    /// Narrows what the filter picked, by whatever the module remembers. Drops nothing by default.
    fn check(&mut self, batch: &Batch, picked: &mut Selection) {
        let _ = (batch, picked);
    }

    /// Begins a turn: what is called until the next one. Where it is `shared` with others that wait
    /// for its end, it is bounded as a whole.
    fn turn(&mut self, shared: bool) {
        let _ = shared;
    }

    /// Takes in the picked packets of a batch. The hot path: no allocation per packet, no lock.
    fn update(&mut self, batch: &Batch, picked: &Selection);

    /// Writes the records of the interval that closed, and begins the next one empty.
    fn export(&mut self, interval: Interval, out: &mut Export);

    /// What went wrong since it was last asked.
    fn fault(&mut self) -> Option<Fault> {
        None
    }

    /// What keeps it from keeping what it should, as long as that lasts.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// About how many bytes its state holds.
    fn state_bytes(&self) -> usize {
        0
    }

    /// Entries folded or evicted since the start because a table was full.
    fn overflowed(&self) -> u64 {
        0
    }

    /// What a table of it had reached when it was full first, in words.
    fn filled(&self) -> Option<String> {
        None
    }

    /// Lines not written to the log since the start because there were too many.
    fn muted(&self) -> u64 {
        0
    }

    /// How often it asked for what is not granted, since the start.
    fn denied(&self) -> u64 {
        0
    }

    /// Takes what it said beside its records since it was last asked.
    fn asides(&mut self) -> Asides {
        Asides::default()
    }

    /// Alerts, and rows of its outputs, for which there was no room since the start.
    fn unheard(&self) -> u64 {
        0
    }

    /// Where it keeps the packets that it sees, if it does, for others to read.
    fn keeps(&self) -> Option<Keeps> {
        None
    }

    /// Sees to the end what is under way on other threads, so that the export which follows, the
    /// last, counts all of it.
    fn settle(&mut self) {}

    /// Tells where the next packet will be in what it keeps, once all that it has seen is there.
    fn mark(&mut self, told: Sender<Spot>) {
        drop(told);
    }
}

/// What a call used too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// CPU time.
    Cpu,
    /// Memory.
    Memory,
    /// Rows of a table, records of an interval.
    Rows,
    /// Bytes of records.
    Output,
}

/// What one instance may use. Each is per instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries of one table.
    pub rows_max: usize,
    /// Memory of a script, its heap and what is held for it, in bytes.
    pub memory_bytes_max: usize,
    /// CPU time of one call into a script (a batch, an export), in milliseconds.
    pub call_ms_max: u64,
    /// What the records that a script makes of one interval may hold, in bytes.
    pub output_bytes_max: usize,
    /// Lines that a script may write to the log in a minute.
    pub log_lines_max: u32,
    /// Alerts that a script may raise in a minute of packet time.
    pub alerts_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rows_max: 1 << 20,
            memory_bytes_max: 64 << 20,
            call_ms_max: 50,
            output_bytes_max: 64 << 20,
            log_lines_max: 600,
            alerts_max: 60,
        }
    }
}

/// What an instance is started with.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The instance's name, for messages.
    pub instance: String,
    /// Arguments as the user gave them, not yet checked against the manifest.
    pub args: Args,
    /// The instance's own filter, beside the module's.
    pub filter: String,
    /// What it may use.
    pub limits: Limits,
    /// What it may reach beyond its packets.
    pub grants: Grants,
    /// The tables that addresses are looked up in.
    pub lookups: Arc<crate::lookup::Lookups>,
    /// Where it may keep packets, if it is one that does.
    pub packets: Option<crate::storage::packets::Place>,
    /// Whether its records keep the states of their values, large ones too, to be merged.
    pub keeps_states: bool,
    /// Whether it may write files: not where it only runs to be looked at.
    pub writes: bool,
    /// What threads of its own charge.
    pub costs: Arc<crate::costs::Costs>,
}

/// A started instance and what it needs from the stages around it.
pub struct Started {
    /// The instance.
    pub module: Box<dyn Module>,
    /// The filter it declares; the user's own is added to it. Empty means all packets.
    pub filter: String,
    /// The columns and ids its callbacks read; the filter's come on top.
    pub demand: Demand,
    /// How long its intervals are.
    pub interval: Span,
    /// What its records look like, where that is known before the first one.
    pub schema: Option<Arc<Schema>>,
    /// Whether intervals may be measured apart from each other: nothing that came before one shows
    /// in its records.
    pub apart: bool,
}

/// A module as shipped or written: what to know before an instance of it runs.
pub trait Kind: Send + Sync {
    /// Name, description, arguments.
    fn manifest(&self) -> &Manifest;

    /// Starts an instance.
    fn start(&self, setup: &Setup) -> Result<Started, ModuleError>;

    /// What its instances may look up of addresses by themselves, and go on without.
    fn looks_up(&self) -> Vec<crate::lookup::Subject> {
        Vec::new()
    }

    /// The grants, as [`GRANTS`] has them, that its instances may ask for.
    fn asks_for(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// The module's own way to show its records in `format`, where it has one.
    fn printer(&self, format: &str, setup: &Setup) -> Option<Box<dyn Print>> {
        let _ = (format, setup);
        None
    }

    /// The module's own way to turn its records into packets again, where it has one.
    fn replayer(&self, setup: &Setup) -> Option<Box<dyn Replay>> {
        let _ = setup;
        None
    }

    /// The module's own way to make records of longer intervals, where it has one.
    fn merger(&self, setup: &Setup) -> Option<Box<dyn Merge>> {
        let _ = setup;
        None
    }
}

/// Makes one record of two.
pub trait Merge: Send {
    /// The columns that tell the rows of an interval apart: those in which two that are merged are
    /// equal. Without any, an interval has one row.
    fn key(&self) -> &[String];

    /// Gives the rows that follow the time of one call together.
    fn renew(&mut self) {}

    /// The values of the record that stands for both in an interval that holds them, `a` the
    /// earlier.
    fn merge(
        &mut self,
        interval: Interval,
        schema: &Schema,
        a: &[Value],
        b: &[Value],
    ) -> Result<Vec<Value>, Fault>;
}

/// Shows records in a way of the module's own.
pub trait Print: Send {
    /// One record as text, without a line end; `None` shows nothing for it.
    fn print(&mut self, ts: Ts, schema: &Schema, values: &[Value])
    -> Result<Option<String>, Fault>;
}

/// Turns one record into the packets it stands for.
pub trait Replay: Send {
    /// The packets, in time order.
    fn replay(
        &mut self,
        interval: Interval,
        schema: &Schema,
        values: &[Value],
    ) -> Result<Vec<Replayed>, Fault>;
}

/// A packet regenerated from a record: headers only, as far as the record says them, with the
/// weight the record gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// When.
    pub ts: Ts,
    /// Its headers.
    pub said: crate::packet::Said,
    /// What it stands for.
    pub weight: crate::packet::Weight,
}

/// Why a module could not be loaded or started. Nothing that ran is disturbed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModuleError {
    /// An argument is unknown or has the wrong type.
    #[error(transparent)]
    Arg(#[from] ArgError),
    /// A script does not compile, fails at its top level, or declares something that cannot be.
    #[error("{0}")]
    Script(Box<Mistake>),
    /// More than one thing is wrong, in the order of the script.
    #[error("{}", lines(.0))]
    Several(Vec<ModuleError>),
    /// What it was to write to cannot be written.
    #[error("cannot write `{file}`: {why}")]
    Target {
        /// The file or directory.
        file: String,
        /// What the system answered.
        why: String,
    },
    /// A file could not be read.
    #[error("cannot read `{file}`: {why}")]
    File {
        /// The file.
        file: String,
        /// What the system answered.
        why: String,
    },
}

fn lines(errors: &[ModuleError]) -> String {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

impl From<Mistake> for ModuleError {
    fn from(mistake: Mistake) -> Self {
        Self::Script(Box::new(mistake))
    }
}

impl ModuleError {
    /// All that is wrong, as one error; none where nothing is.
    pub fn of(errors: Vec<Self>) -> Result<(), Self> {
        let mut all: Vec<Self> = errors.into_iter().flat_map(Self::each).collect();
        all.sort_by_key(Self::line);
        all.dedup();
        match all.len() {
            0 => Ok(()),
            1 => Err(all.remove(0)),
            _ => Err(Self::Several(all)),
        }
    }

    /// What came of something else, unless anything is wrong.
    pub fn with<T>(result: Result<T, Self>, mut errors: Vec<Self>) -> Result<T, Self> {
        match result {
            Ok(value) => Self::of(errors).map(|()| value),
            Err(error) => {
                errors.push(error.clone());
                Err(Self::of(errors).err().unwrap_or(error))
            }
        }
    }

    /// The errors it consists of.
    pub fn each(self) -> Vec<Self> {
        match self {
            Self::Several(errors) => errors,
            error => vec![error],
        }
    }

    /// The line of the script it is about, from 1; 0 where it is about none.
    pub fn line(&self) -> u32 {
        match self {
            Self::Script(mistake) => mistake.line,
            _ => 0,
        }
    }
}
