//! What each candidate costs, by what runs before took, and which is best.
//!
//! Where nothing is known of a module over a stream, a sample of it is run: the
//! first few thousand packets of the window. Given what was measured, the choice
//! is always the same.

use std::cmp::Reverse;
use std::sync::Arc;

use super::{Candidate, Past, reach};
use crate::filter::Expr;
use crate::lookup::Lookups;
use crate::query::rates::{Amount, Pair, Took};
use crate::query::{QueryError, Run, Step, Steps};
use crate::replay::{OnDemand, Replayer};
use crate::source::{Source, Turn, watched};
use crate::storage::Window;
use crate::supervisor::{Instance, Needs};

/// How many chunks a sample has, of up to 4096 packets each.
const SAMPLE_CHUNKS: usize = 4;

/// How many candidates are sampled for one question.
const SAMPLES_MAX: usize = 8;

/// What may be paid for an answer of just the time asked for, in nanoseconds of CPU time: a second.
const ENDS_NS: u64 = 1_000_000_000;

/// What running over a candidate costs.
#[derive(Clone, Copy, Debug)]
pub struct Price {
    /// CPU time, in nanoseconds.
    pub cost_ns: u64,
    /// How much there is.
    pub amount: Amount,
    /// What it was reckoned from.
    pub took: Took,
    /// Whether that was a sample, for want of an earlier run.
    pub is_sample: bool,
}

/// What is asked, of when.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub instance: &'a Instance,
    pub needs: &'a Needs,
    pub window: Window,
    pub lookups: &'a Arc<Lookups>,
}

impl Asked<'_> {
    /// What a candidate is remembered as.
    pub fn pair(&self, candidate: &Candidate) -> Pair {
        Pair {
            stream: candidate.name.clone(),
            packets: candidate.is_packets,
            module: self.instance.kind.manifest().name.clone(),
        }
    }
}

/// Sorts candidates, the best first: what serves, what reaches furthest of the window, of equals
/// what is exact, and of these what costs least. What is cheaper never makes up for what it lacks;
/// ends that are not those of the window count as [`ENDS_NS`] where they are a small part of it,
/// and otherwise before all cost.
pub(super) fn sort(candidates: &mut [Candidate]) {
    let serves = |one: &&Candidate| one.refusal.is_none() && one.reservation.is_none();
    let exact = candidates.iter().filter(serves).filter(|one| !one.is_doubtful());
    let reached_exactly = exact.map(Candidate::reached_ns).max().unwrap_or(0);
    let class = |candidate: &Candidate| {
        let Candidate { refusal, reservation, .. } = candidate;
        let reached = candidate.reached_ns();
        // What is exact is read instead, unless it lacks more than an edge of what is there.
        let standing = match candidate.is_doubtful() {
            true if reach::is_small(reached.saturating_sub(reached_exactly), reached) => 2,
            true => 0,
            false => 1,
        };
        (refusal.is_some(), reservation.is_some(), reached == 0, standing)
    };
    let stands = reach::stands(candidates, class);
    for (candidate, stand) in candidates.iter_mut().zip(stands) {
        candidate.stand = stand;
    }
    candidates.sort_by_cached_key(|candidate| {
        let cost = candidate.price.map_or(u64::MAX, |price| price.cost_ns);
        let reached = match candidate.stand.is_as_good {
            true => u64::MAX,
            false => candidate.reached_ns(),
        };
        let (has_ends, is_wide) = candidate.other_ends();
        let cost = cost.saturating_add(if has_ends { ENDS_NS } else { 0 });
        (class(candidate), Reverse(reached), is_wide, cost, has_ends, candidate.bytes)
    });
}

impl Past<'_> {
    /// Reckons what those cost for which `wanted` holds, and sorts all anew.
    pub(super) fn price(
        &self,
        candidates: &mut [Candidate],
        asked: Asked<'_>,
        wanted: impl Fn(&Candidate) -> bool,
    ) {
        for candidate in candidates.iter_mut().filter(|candidate| wanted(candidate)) {
            self.look_for_gaps(candidate);
        }
        sort(candidates);
        let wanted = candidates.iter_mut().filter(|candidate| wanted(candidate));
        for candidate in wanted.take(SAMPLES_MAX) {
            candidate.price = self.price_of(candidate, asked);
        }
        sort(candidates);
    }

    fn price_of(&self, candidate: &Candidate, asked: Asked<'_>) -> Option<Price> {
        let pair = asked.pair(candidate);
        let known = self.rates.of(&pair);
        let took = match known {
            Some(took) => took,
            None => {
                self.sample(candidate, asked).ok()?;
                // Where there was nothing to measure it costs nothing.
                self.rates.of(&pair).unwrap_or_default()
            }
        };
        let mut amount = candidate.amount?;
        if amount.packets.is_none() && amount.records == 0 {
            let records = u128::from(took.records) * u128::from(amount.bytes);
            amount.records = u64::try_from(records / u128::from(took.bytes.max(1))).ok()?;
        }
        let packets = Some(took.packets(amount));
        let amount = Amount { packets, ..amount };
        Some(Price { cost_ns: took.cost_ns(amount), amount, took, is_sample: known.is_none() })
    }

    /// Runs the module over the first packets of a candidate, and forgets what it says.
    fn sample(&self, candidate: &Candidate, asked: Asked<'_>) -> Result<(), QueryError> {
        let Some(inner) = self.reopen(candidate, asked) else { return Ok(()) };
        let (mut left, mut read_bytes) = (SAMPLE_CHUNKS, 0);
        let source = watched(inner, move |inner, chunk| {
            let Some(others) = left.checked_sub(1) else {
                chunk.read_bytes = read_bytes;
                return Ok(Turn::End);
            };
            let turn = inner.next(chunk)?;
            (left, read_bytes) = (others, chunk.read_bytes);
            Ok(turn)
        });
        let (instance, lookups) = (asked.instance.clone(), asked.lookups.clone());
        let mut run = Run::start(instance, vec![source], asked.window, lookups)?;
        run.learn(self.rates.clone(), asked.pair(candidate));
        while run.step()? != Step::End {}
        Ok(())
    }

    fn reopen(&self, candidate: &Candidate, asked: Asked<'_>) -> Option<Box<dyn Source>> {
        let name = candidate.name.clone();
        if let Some(dir) = &candidate.dir {
            let filter = Expr::parse(&asked.needs.filter).ok();
            let open = candidate.opener();
            let kept = open(name, dir, asked.window, candidate.by, filter.as_ref()).ok()?;
            return Some(Box::new(kept));
        }
        let stream = candidate.stream.clone()?;
        let replayer = Replayer::new((self.own)(&stream));
        let records = OnDemand::open(name, self.store.clone(), stream, asked.window, replayer);
        Some(Box::new(records.ok()?.in_silence()))
    }
}
