//! The host of one run of a script: what the functions of the library reach that do more than
//! compute.
//!
//! Both languages' bindings hold one [`Reach`] beside their machine. It knows what the script is at
//! right now, because not everything may be asked for at any time: what could wait for a disk or a
//! wire is never asked for while packets pass.

mod asides;
pub mod asker;
mod denied;
pub mod files;
mod filters;
pub mod page;
mod resolver;
pub mod tables;
pub mod view;

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock};

use como_core::batch::Batch;
use como_core::field::{Field, Kind};
use como_core::lookup::Lookups;
use como_core::module::{Fault, Grants, Limits, Mistake, Setup};
use como_core::record::Value;
use como_core::selection::Selection;
use como_core::time::{Interval, Ts};
use parking_lot::Mutex;

use asides::Said;
use asker::{Asker, Question};
use denied::Denied;

pub use filters::{FILTERS_MAX, Filters};
use tables::Tables;

use crate::declare::Script;
use crate::recorder::Row;
use crate::talk::Talk;

/// What a script is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its top level runs.
    Load,
    /// `init`, at the beginning of an interval.
    Init,
    /// `check` or `update`: packets pass.
    Packets,
    /// `export`, `action` or `store`, at the end of an interval.
    Export,
    /// `print`, `load`, `replay` or `merge`, with records that were made before.
    Records,
}

/// What a run of a script is given: what it may use, and what it may reach.
#[derive(Clone, Debug, Default)]
pub struct Means {
    /// What it may use.
    pub limits: Limits,
    /// What the operator grants.
    pub grants: Grants,
    /// What addresses are looked up in.
    pub lookups: Arc<Lookups>,
}

impl Means {
    /// What an instance is started with.
    pub fn of(setup: &Setup) -> Self {
        let (grants, lookups) = (setup.grants.clone(), setup.lookups.clone());
        Self { limits: setup.limits, grants, lookups }
    }

    /// Whether these are what a script is read with.
    pub fn is_default(&self) -> bool {
        let Self { limits, grants, lookups } = self;
        *limits == Limits::default() && *grants == Grants::default() && lookups.is_empty()
    }
}

/// What one run of a script reaches.
#[derive(Debug)]
pub struct Reach {
    /// What it says.
    pub talk: Talk,
    /// The filters it compiled.
    pub filters: Mutex<Filters>,
    /// The core tables it makes.
    pub tables: Mutex<Tables>,
    /// What the operator grants.
    pub grants: Grants,
    lookups: Mutex<Arc<Lookups>>,
    /// What it said beside its records.
    pub said: Mutex<Said>,
    asker: OnceLock<Asker>,
    denied: Mutex<Denied>,
    phase: AtomicU8,
    now: AtomicU64,
    // Fields that it read and its text does not show.
    fetched: Mutex<Vec<Field>>,
    place: AtomicUsize,
}

impl Reach {
    /// For the script in `file`, whose top level is about to run.
    pub fn new(file: &str, means: &Means) -> Self {
        Self {
            talk: Talk::new(file, means.limits.log_lines_max),
            filters: Mutex::default(),
            tables: Mutex::new(Tables::new(&means.limits)),
            grants: means.grants.clone(),
            lookups: Mutex::new(means.lookups.clone()),
            said: Mutex::new(Said::new(&means.limits)),
            asker: OnceLock::new(),
            denied: Mutex::default(),
            now: AtomicU64::new(0),
            fetched: Mutex::default(),
            phase: AtomicU8::new(Phase::Load as u8),
            place: AtomicUsize::new(0),
        }
    }

    /// What the script is at.
    pub fn phase(&self) -> Phase {
        let phases = [Phase::Load, Phase::Init, Phase::Packets, Phase::Export, Phase::Records];
        let at = usize::from(self.phase.load(Relaxed));
        phases.get(at).copied().unwrap_or(Phase::Records)
    }

    /// The script turns to something else.
    pub fn turn(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    /// Which packet of the batch the script is at, where its loop says so.
    pub fn place(&self) -> usize {
        self.place.load(Relaxed)
    }

    /// The script turns to a packet of the batch.
    pub fn turn_to(&self, place: usize) {
        self.place.store(place, Relaxed);
    }

    /// The script is about to see the packets of a batch; `matches` becomes what each of its
    /// filters picks of them.
    pub fn meet(&self, batch: &Batch, matches: &mut Vec<Selection>) {
        self.turn(Phase::Packets);
        self.now.store(batch.clock.0, Relaxed);
        self.note_tables(batch);
        self.filters.lock().select(batch, matches);
    }

    /// The script is about to close an interval.
    pub fn close(&self, interval: Interval) {
        self.turn(Phase::Export);
        self.now.store(interval.end().0, Relaxed);
        self.said.lock().begin();
    }

    /// Says of a field that was fetched for the script alone, because its text does not show that
    /// it is read, what that costs; once.
    pub fn note_fetched(&self, field: Field) {
        let mut fetched = self.fetched.lock();
        if field.kind() == Kind::Bytes || fetched.contains(&field) {
            return;
        }
        fetched.push(field);
        tracing::warn!(
            "{}: `pkt.{}` is read where the text does not show it, which works and is slow: write \
             the name whole, in update or check",
            self.talk.script(),
            field.name()
        );
    }

    /// Raises an alert; whether there was room for it.
    pub fn alert(&self, severity: &Value, text: &Value, fields: Row) -> Result<bool, String> {
        self.may_say("alert")?;
        self.said.lock().alert(self.now(), severity, text, fields)
    }

    /// Writes a row to one of the script's own outputs; whether there was room for it.
    pub fn output(&self, name: &Value, row: Row) -> Result<bool, String> {
        self.may_say("output")?;
        self.said.lock().output(self.now(), name, row)
    }

    fn may_say(&self, what: &str) -> Result<(), String> {
        match self.phase() {
            Phase::Load => Err(format!(
                "{what}: the top level runs before any packet: call it in update or export"
            )),
            Phase::Records => Err(format!(
                "{what}: records that are shown, replayed or merged were made before: call it in \
                 update or export"
            )),
            Phase::Init if self.now() == Ts(0) => Err(format!(
                "{what}: the first init runs before any packet: call it in update or export"
            )),
            _ => Ok(()),
        }
    }

    /// Packet time: that of the batch at hand, or the end of the interval that closes.
    fn now(&self) -> Ts {
        Ts(self.now.load(Relaxed))
    }

    /// Looks addresses up in the tables that a batch was decoded with, from now on.
    pub fn note_tables(&self, batch: &Batch) {
        let mut lookups = self.lookups.lock();
        if !Arc::ptr_eq(&lookups, batch.lookups()) {
            lookups.clone_from(batch.lookups());
        }
    }

    /// The tables that addresses are looked up in.
    pub fn lookups(&self) -> Arc<Lookups> {
        self.lookups.lock().clone()
    }

    /// What is known of a question that takes a while; nothing as long as it is asked.
    pub fn ask(&self, question: Question) -> Option<Value> {
        self.asker.get_or_init(Asker::start).ask(question)
    }

    /// Counts a call of what is not granted, and `grant` would allow.
    pub fn deny(&self, grant: &str) {
        self.denied.lock().note(grant);
    }

    /// Calls of what is not granted, so far.
    pub fn denied(&self) -> u64 {
        self.denied.lock().calls
    }

    /// Says what the script asked for in vain since it was last asked, unless its fault does.
    pub fn tell_denied(&self, fault: Option<&Fault>) {
        for grant in self.denied.lock().unsaid(fault) {
            tracing::warn!(
                "{}: asks for what is not granted, and catches that: the operator may add `allow = \
                 [\"{grant}\"]` to the module in como.toml, or --allow {grant}",
                self.talk.script(),
            );
        }
    }

    /// The mistake with which a script did not start, or what is behind it: the filter that made
    /// no sense.
    pub fn explained(&self, mistake: Mistake, script: &Script<'_>) -> Mistake {
        let (filters, told) = (self.filters.lock(), mistake.to_string());
        match filters.wrong().iter().find(|wrong| told.contains(&wrong.to_string())) {
            Some(wrong) => script.misfiltered(mistake.line, &wrong.text, &wrong.error),
            None => mistake,
        }
    }

    /// The number of the filter in `text`, which is compiled unless it was before.
    pub fn filter(&self, text: &str) -> Result<usize, String> {
        let begins = matches!(self.phase(), Phase::Load | Phase::Init);
        self.filters.lock().compile(text, begins)
    }
}

#[cfg(test)]
mod tests;
