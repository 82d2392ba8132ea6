//! What one task counts.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Instant;

use parking_lot::Mutex;
use serde::Serialize;

use crate::field::Fields;
use crate::hush::{Hush, Turn};
use crate::module::{Fault, Limit, Mistake, Module};
use crate::time::{Interval, Span, Ts};

/// Under which name the log hears of faults.
pub const FAULTS: &str = "faults";

/// How many faults of a task are remembered.
const MISTAKES_MAX: usize = 16;

/// Why a task does not get packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It used more than its share of the time while others waited.
    Share,
    /// Its worker's queue was full.
    Queue,
}

/// One task's counters.
#[derive(Debug, Default)]
pub struct TaskCounters {
    module: String,
    filter: String,
    interval: Span,
    pub(super) needs: Fields,
    seen: AtomicU64,
    picked: AtomicU64,
    intervals: AtomicU64,
    records: AtomicU64,
    closed: AtomicU64,
    faults: AtomicU64,
    answer_faults: Arc<AtomicU64>,
    passed: [AtomicU64; 4],
    overflowed: AtomicU64,
    muted: AtomicU64,
    denied: AtomicU64,
    alerts: AtomicU64,
    unheard: AtomicU64,
    state_bytes: AtomicU64,
    busy_ns: AtomicU64,
    shed: AtomicU64,
    sheds: [AtomicBool; 2],
    // Whether packets were shed of the past that it ran over.
    past_lacks: AtomicBool,
    parked: AtomicBool,
    told: Mutex<Told>,
    trouble: Mutex<Option<String>>,
    past: Mutex<Option<String>>,
}

/// What went wrong, as far as it is remembered.
#[derive(Debug, Default)]
struct Told {
    last: Option<Fault>,
    /// The last few that were not the same, the earliest first.
    mistakes: Vec<Mistake>,
    hush: Hush,
}

impl Told {
    /// Remembers a fault; whether it is none of those that were told.
    fn is_new(&mut self, fault: &Fault) -> bool {
        self.last = Some(fault.clone());
        let new = !self.mistakes.contains(&fault.mistake);
        if new {
            if self.mistakes.len() == MISTAKES_MAX {
                self.mistakes.remove(0);
            }
            self.mistakes.push(Mistake::clone(&fault.mistake));
        }
        new
    }

    /// Remembers a fault; how the log is told of it, if it is.
    fn turn(&mut self, fault: &Fault) -> Option<Turn> {
        self.is_new(fault).then(|| self.hush.turn(Instant::now())).flatten()
    }

    fn text(&self) -> Option<String> {
        self.last.as_ref().map(Fault::shown)
    }
}

/// One task as a reader sees it.
#[derive(Clone, Debug, Serialize)]
pub struct TaskStatus {
    /// The instance's name.
    pub name: String,
    /// The module it runs.
    pub module: String,
    /// The filter, canonical.
    pub filter: String,
    /// How long its intervals are.
    pub interval: String,
    /// The sources whose packets it takes: those that offer what it needs.
    pub sources: Vec<String>,
    /// Packets that passed by.
    pub packets_seen: u64,
    /// Packets that its filter and its `check` picked.
    pub packets_picked: u64,
    /// Intervals closed.
    pub intervals: u64,
    /// Records exported.
    pub records: u64,
    /// The end of the last interval closed; nothing before it will change.
    pub closed_until: Option<String>,
    /// Calls that failed.
    pub faults: u64,
    /// Calls that failed as its records were shown, merged or replayed.
    pub answer_faults: u64,
    /// What went wrong last, with the line of the script where it is one.
    pub last_fault: Option<String>,
    /// What keeps it from keeping what it should, now.
    pub trouble: Option<String>,
    /// What has gone wrong, each thing once, and not more than a few.
    #[serde(skip)]
    pub mistakes: Vec<Mistake>,
    /// Whether it is parked because it kept failing.
    pub parked: bool,
    /// Alerts it raised.
    pub alerts: u64,
    /// How often it passed which limit.
    pub limits: LimitsPassed,
    /// Entries that found no room in its tables.
    pub overflowed: u64,
    /// About how many bytes its state holds.
    pub state_bytes: u64,
    /// Seconds of CPU time that its worker spent on it.
    pub busy_seconds: f64,
    /// Packets left out because it took more than its share of its worker's time.
    pub shed: u64,
    /// What has become of the past that it was to run over first, where it was.
    pub past: Option<String>,
}

/// How often a task passed each of its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LimitsPassed {
    /// Calls stopped because they took too long.
    pub cpu: u64,
    /// Calls that wanted too much memory.
    pub memory: u64,
    /// Exports of too many records.
    pub rows: u64,
    /// Exports of too many bytes.
    pub output: u64,
    /// Lines that the log did not take.
    pub log: u64,
    /// Calls of what is not granted.
    pub grants: u64,
    /// Alerts, and rows of its outputs, for which there was no room.
    pub asides: u64,
}

impl TaskCounters {
    /// Zeros for a task.
    pub fn new(module: &str, filter: String, interval: Span, needs: Fields) -> Self {
        Self { module: module.to_owned(), filter, interval, needs, ..Self::default() }
    }

    /// The module it runs.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// The filter in its canonical form.
    pub fn filter(&self) -> &str {
        &self.filter
    }

    /// Counts a batch's packets.
    pub fn note_update(&self, seen: u64, picked: u64) {
        self.seen.fetch_add(seen, Relaxed);
        self.picked.fetch_add(picked, Relaxed);
    }

    /// Notes what the task's state has come to; tells the log once that a table is full.
    pub fn note_state(&self, task: &str, module: &dyn Module) {
        let overflowed = module.overflowed();
        if self.overflowed.swap(overflowed, Relaxed) == 0 && overflowed > 0 {
            let why = module.filled().unwrap_or_else(|| "a table is full".to_owned());
            tracing::warn!(
                "module `{task}`: {why}: {overflowed} more entries are folded, evicted or left out"
            );
        }
        self.muted.store(module.muted(), Relaxed);
        self.denied.store(module.denied(), Relaxed);
        self.unheard.store(module.unheard(), Relaxed);
        self.state_bytes.store(module.state_bytes() as u64, Relaxed);
        *self.trouble.lock() = module.trouble();
    }

    /// Counts a closed interval.
    pub fn note_interval(&self, interval: Interval, records: u64) {
        self.intervals.fetch_add(1, Relaxed);
        self.records.fetch_add(records, Relaxed);
        self.closed.store(interval.end().0, Relaxed);
    }

    /// Counts alerts.
    pub fn note_alerts(&self, alerts: usize) {
        self.alerts.fetch_add(alerts as u64, Relaxed);
    }

    /// Counts CPU time spent.
    pub fn note_busy(&self, spent_ns: u64) {
        self.busy_ns.fetch_add(spent_ns, Relaxed);
    }

    /// Counts packets that it does not get; tells the log once of each reason.
    pub fn note_shed(&self, task: &str, packets: u64, why: Loss) {
        self.shed.fetch_add(packets, Relaxed);
        if self.sheds[why as usize].swap(true, Relaxed) {
            return;
        }
        let what = match why {
            Loss::Share => {
                "takes more of the time of its worker than its share, while packets wait: it is \
                 passed over"
            }
            Loss::Queue => {
                "did not get packets of a wire: the modules of its worker take longer than the \
                 traffic (`busy_seconds` in `/status` says which), and its queue was full"
            }
        };
        tracing::warn!(
            target: FAULTS,
            "module `{task}` {what}. Intervals that it misses whole are gaps in its records, \
             others count less; `/status` counts what it did not get, as `shed`"
        );
    }

    /// Whether it was given any packet.
    pub(crate) fn has_picked(&self) -> bool {
        self.picked.load(Relaxed) > 0
    }

    /// Notes that packets were shed of the past that it runs over.
    pub(crate) fn note_past_lacks(&self) {
        self.past_lacks.store(true, Relaxed);
    }

    /// Whether packets were shed of that.
    pub(crate) fn has_past_lacks(&self) -> bool {
        self.past_lacks.load(Relaxed)
    }

    /// Whether there are packets that it did not get because there was no time for them.
    pub(crate) fn has_shed(&self) -> bool {
        self.shed.load(Relaxed) > 0 || self.has_past_lacks()
    }

    /// The fields it cannot do without.
    pub(crate) fn needs(&self) -> Fields {
        self.needs
    }

    /// Whether it is parked, or has failed at all, where that is asked.
    pub(super) fn has_failed(&self, at_all: bool) -> bool {
        self.parked.load(Relaxed) || at_all && self.faults.load(Relaxed) > 0
    }

    /// What it failed of, if it is parked, or has failed at all, where that is asked.
    pub(crate) fn failed(&self, at_all: bool) -> Option<String> {
        self.has_failed(at_all).then(|| self.told.lock().text().unwrap_or_default())
    }

    /// Whether it is parked.
    pub(crate) fn is_parked(&self) -> bool {
        self.parked.load(Relaxed)
    }

    /// Counts a failed call; tells the log of each new message once, and of a few in a minute.
    pub fn note_fault(&self, task: &str, fault: &Fault, parked: bool) {
        self.faults.fetch_add(1, Relaxed);
        if let Some(limit) = fault.limit {
            self.passed[limit as usize].fetch_add(1, Relaxed);
        }
        let was_parked = self.parked.swap(parked, Relaxed);
        // Nobody waits for the log who only asks what went wrong.
        let turn = self.told.lock().turn(fault);
        if let Some(turn) = turn {
            tracing::warn!(target: FAULTS, "module `{task}`: {}", fault.shown_with(&turn));
        }
        if parked && !was_parked {
            tracing::error!(target: FAULTS, "module `{task}` keeps failing and is parked: mend it \
                and redeploy");
        }
    }

    /// Where calls are counted that fail as its records are shown, merged or replayed.
    pub(crate) fn answer_faults(&self) -> Arc<AtomicU64> {
        self.answer_faults.clone()
    }

    /// Notes what has become of the past that it was to run over first.
    pub fn note_past(&self, what: impl Into<String>) {
        *self.past.lock() = Some(what.into());
    }

    fn passed(&self, limit: Limit) -> u64 {
        self.passed[limit as usize].load(Relaxed)
    }

    /// All of it as a reader sees it.
    pub(crate) fn status(&self, name: &str, sources: Vec<String>) -> TaskStatus {
        let closed = self.closed.load(Relaxed);
        let told = self.told.lock();
        TaskStatus {
            name: name.to_owned(),
            module: self.module.clone(),
            filter: self.filter.clone(),
            interval: self.interval.to_string(),
            sources,
            packets_seen: self.seen.load(Relaxed),
            packets_picked: self.picked.load(Relaxed),
            intervals: self.intervals.load(Relaxed),
            records: self.records.load(Relaxed),
            closed_until: (closed > 0).then(|| Ts(closed).to_string()),
            faults: self.faults.load(Relaxed),
            answer_faults: self.answer_faults.load(Relaxed),
            last_fault: told.text(),
            trouble: self.trouble.lock().clone(),
            mistakes: told.mistakes.clone(),
            parked: self.parked.load(Relaxed),
            alerts: self.alerts.load(Relaxed),
            limits: LimitsPassed {
                cpu: self.passed(Limit::Cpu),
                memory: self.passed(Limit::Memory),
                rows: self.passed(Limit::Rows),
                output: self.passed(Limit::Output),
                log: self.muted.load(Relaxed),
                grants: self.denied.load(Relaxed),
                asides: self.unheard.load(Relaxed),
            },
            overflowed: self.overflowed.load(Relaxed),
            state_bytes: self.state_bytes.load(Relaxed),
            busy_seconds: self.busy_ns.load(Relaxed) as f64 / 1e9,
            shed: self.shed.load(Relaxed),
            past: self.past.lock().clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    /// A log that asks a task how it is with every line.
    struct Asking(Arc<TaskCounters>, Arc<AtomicUsize>);

    impl Subscriber for Asking {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, _: &Event<'_>) {
            assert!(self.0.told.try_lock().is_some(), "who asks waits for the log");
            self.1.fetch_add(1, Relaxed);
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn who_asks_what_went_wrong_does_not_wait_for_the_log() {
        let task = Arc::new(TaskCounters::default());
        let lines = Arc::<AtomicUsize>::default();
        tracing::subscriber::with_default(Asking(task.clone(), lines.clone()), || {
            for (what, parked) in [("one", false), ("another", false), ("another", true)] {
                task.note_fault("a", &Fault::new(what), parked);
            }
        });
        assert_eq!(lines.load(Relaxed), 3);
    }
}
