//! What it costs to run a module over what is stored: as it was measured, never guessed.
//!
//! Every run leaves behind what it took: CPU time to read a byte, to replay a
//! record, and for the module to take a packet, decoding and filter included.
//! What the next one will cost follows from how much there is. Where nothing like it
//! has run yet, a small sample of it does.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::storage::RecordStore;
use crate::storage::notes::RATES;
use crate::supervisor::counters::Counters;
use crate::time::SECOND;

/// How many pairs of a stream and a module are remembered.
const KNOWN_MAX: usize = 1024;

/// How what is remembered is written down; what another version wrote is measured anew.
const VERSION: u32 = 1;

/// How often it is written down, at most.
const PAUSE: Duration = Duration::from_secs(10);

/// What was read, and by which module.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pair {
    /// The instance whose packets or records were read.
    pub stream: String,
    /// Whether they were packets.
    pub packets: bool,
    /// The module that ran.
    pub module: String,
}

/// What runs took, and for how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Took {
    /// Bytes read.
    pub bytes: u64,
    /// CPU time to read them, in nanoseconds.
    pub read_ns: u64,
    /// Records replayed.
    pub records: u64,
    /// CPU time to replay them.
    pub replay_ns: u64,
    /// Packets that the module was given.
    pub packets: u64,
    /// CPU time for them.
    pub module_ns: u64,
}

/// How much there is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Bytes to read.
    pub bytes: u64,
    /// Records to replay; none of packets.
    pub records: u64,
    /// Packets for the module; of records as many as are made of them.
    pub packets: Option<u64>,
}

impl Took {
    /// What the one task of a monitor took that has ended.
    pub(super) fn of(counters: &Counters) -> Self {
        let status = counters.status();
        let ns = |seconds: f64| (seconds * SECOND as f64) as u64;
        let cpu = &status.cpu_seconds;
        let replayed = counters.replayed();
        Self {
            bytes: status.sources.iter().map(|source| source.read_bytes).sum(),
            read_ns: ns(cpu.sniffer).saturating_sub(replayed.ns),
            records: replayed.records,
            replay_ns: replayed.ns,
            packets: status.tasks.iter().map(|task| task.packets_seen).sum(),
            module_ns: ns(cpu.filter + cpu.callbacks + cpu.core),
        }
    }

    /// What was measured later weighs more, so that what has changed is learned.
    fn learn(&mut self, new: Self) {
        let halved = |old: u64, new: u64| (old / 2).saturating_add(new);
        *self = Self {
            bytes: halved(self.bytes, new.bytes),
            read_ns: halved(self.read_ns, new.read_ns),
            records: halved(self.records, new.records),
            replay_ns: halved(self.replay_ns, new.replay_ns),
            packets: halved(self.packets, new.packets),
            module_ns: halved(self.module_ns, new.module_ns),
        };
    }

    /// Nanoseconds for a byte, a record, and a packet.
    pub fn rates(&self) -> [f64; 3] {
        let rate = |ns: u64, of: u64| if of == 0 { 0.0 } else { ns as f64 / of as f64 };
        [
            rate(self.read_ns, self.bytes),
            rate(self.replay_ns, self.records),
            rate(self.module_ns, self.packets),
        ]
    }

    /// How many packets there are in so much, where that is not known.
    pub fn packets(&self, amount: Amount) -> u64 {
        let share = |of: u64, all: u64| {
            let made = u128::from(self.packets) * u128::from(of) / u128::from(all.max(1));
            u64::try_from(made).unwrap_or(u64::MAX)
        };
        match amount.packets {
            Some(packets) => packets,
            None if self.records > 0 => share(amount.records, self.records),
            None => share(amount.bytes, self.bytes),
        }
    }

    /// What so much costs, in nanoseconds of CPU time.
    pub fn cost_ns(&self, amount: Amount) -> u64 {
        let part =
            |ns: u64, of: u64, much: u64| u128::from(ns) * u128::from(much) / u128::from(of.max(1));
        let all = part(self.read_ns, self.bytes, amount.bytes)
            + part(self.replay_ns, self.records, amount.records)
            + part(self.module_ns, self.packets, self.packets(amount));
        u64::try_from(all).unwrap_or(u64::MAX)
    }
}

/// What runs took so far, by stream and module.
#[derive(Default)]
pub struct Rates {
    known: Mutex<BTreeMap<Pair, Took>>,
    home: Option<Home>,
}

/// Where that is written down, and when it was.
struct Home {
    store: Arc<dyn RecordStore>,
    last: Mutex<Option<Instant>>,
}

/// As it is written down.
#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    known: Vec<(Pair, Took)>,
}

impl fmt::Debug for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rates").field(&self.known).finish()
    }
}

impl Rates {
    /// What earlier runs left in a store, where what is learned is kept from now on too.
    pub fn kept_in(store: Arc<dyn RecordStore>) -> Self {
        let home = Home { store: store.clone(), last: Mutex::default() };
        Self { home: Some(home), ..Self::known_in(&*store) }
    }

    /// What monitors left in a store. What cannot be read there is learned anew.
    pub fn known_in(store: &dyn RecordStore) -> Self {
        let read = |bytes: Vec<u8>| serde_json::from_slice::<Written>(&bytes).ok();
        let written = store.note(RATES).ok().flatten().and_then(read);
        let written = written.filter(|written| written.version == VERSION);
        let known = written.into_iter().flat_map(|written| written.known).take(KNOWN_MAX);
        Self { known: Mutex::new(known.collect()), home: None }
    }

    /// Takes note of a run. One that read nothing says nothing.
    pub fn note(&self, pair: Pair, took: Took) {
        if took.packets == 0 {
            return;
        }
        let mut known = self.known.lock();
        if known.len() >= KNOWN_MAX && !known.contains_key(&pair) {
            // Whoever is met again is measured again.
            known.clear();
        }
        known.entry(pair).or_default().learn(took);
        drop(known);
        let is_due = |home: &Home| home.last.lock().is_none_or(|last| last.elapsed() >= PAUSE);
        if self.home.as_ref().is_some_and(is_due) {
            self.keep();
        }
    }

    /// Writes it down, where it is kept.
    pub fn keep(&self) {
        let Some(home) = &self.home else { return };
        *home.last.lock() = Some(Instant::now());
        let known = self.known.lock().iter().map(|(pair, took)| (pair.clone(), *took)).collect();
        let Ok(bytes) = serde_json::to_vec(&Written { version: VERSION, known }) else { return };
        if let Err(error) = home.store.set_note(RATES, &bytes) {
            // What is lost is measured again.
            tracing::debug!("what questions cost is not kept: {error}");
        }
    }

    /// What it took to read the records of a stream, whichever modules they were replayed for.
    pub fn reading(&self, stream: &str) -> Option<Took> {
        let known = self.known.lock();
        let of_stream = known.iter().filter(|(pair, _)| !pair.packets && pair.stream == stream);
        let read = of_stream.map(|(_, took)| took).filter(|took| took.bytes > 0);
        read.fold(None, |all: Option<Took>, one| {
            let all = all.unwrap_or_default();
            let bytes = all.bytes.saturating_add(one.bytes);
            Some(Took { bytes, read_ns: all.read_ns.saturating_add(one.read_ns), ..all })
        })
    }

    /// What runs of a module over a stream took.
    pub fn of(&self, pair: &Pair) -> Option<Took> {
        self.known.lock().get(pair).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(module_ns: u64) -> Took {
        Took { bytes: 1000, read_ns: 500, records: 10, replay_ns: 2000, packets: 20, module_ns }
    }

    #[test]
    fn cost_is_what_there_is_times_what_it_took() {
        let took = took(600);
        assert_eq!(took.rates(), [0.5, 200.0, 30.0]);
        let amount = Amount { bytes: 4000, records: 100, packets: Some(50) };
        assert_eq!(took.cost_ns(amount), 2000 + 20_000 + 1500);
        // Two packets were made of each record.
        let amount = Amount { packets: None, ..amount };
        assert_eq!(took.cost_ns(amount), 2000 + 20_000 + 6000);
        assert_eq!(Took::default().cost_ns(amount), 0);
        let most = Amount { bytes: u64::MAX, records: u64::MAX, packets: Some(u64::MAX) };
        assert_eq!(took.cost_ns(most), u64::MAX);
    }

    #[test]
    fn what_was_measured_later_weighs_more_and_the_memory_is_bounded() {
        let rates = Rates::default();
        let pair = |n: usize| Pair { stream: n.to_string(), packets: true, module: "m".into() };
        rates.note(pair(0), took(600));
        rates.note(pair(0), took(1200));
        assert_eq!(rates.of(&pair(0)).map(|took| took.rates()[2]), Some(50.0));
        rates.note(pair(0), Took::default());
        assert_eq!(rates.of(&pair(0)).map(|took| took.rates()[2]), Some(50.0));
        (1..5000).for_each(|n| rates.note(pair(n), took(1)));
        assert!(rates.known.lock().len() <= KNOWN_MAX);
    }

    #[test]
    fn what_was_learned_is_there_in_the_next_run_unless_it_cannot_be_read() {
        let store: Arc<dyn RecordStore> = Arc::new(crate::storage::MemoryStore::default());
        let pair = Pair { stream: "s".into(), packets: false, module: "m".into() };
        let first = Rates::kept_in(store.clone());
        first.note(pair.clone(), took(600));
        assert_eq!(Rates::kept_in(store.clone()).of(&pair), Some(took(600)));
        // What comes soon after waits to be written down.
        first.note(pair.clone(), took(600));
        assert_eq!(Rates::kept_in(store.clone()).of(&pair), Some(took(600)));
        first.keep();
        assert_eq!(Rates::kept_in(store.clone()).of(&pair), first.of(&pair));
        // Whoever only reads a store leaves nothing there.
        let reader = Rates::known_in(&*store);
        reader.note(pair.clone(), took(9000));
        assert_eq!(Rates::known_in(&*store).of(&pair), first.of(&pair));
        for bytes in [&b"{\"version\":2,\"known\":[]}"[..], b"[", b"\xff"] {
            store.set_note(RATES, bytes).expect("a memory store notes");
            assert_eq!(Rates::kept_in(store.clone()).of(&pair), None);
        }
    }
}
