//! What a module can be run over that was stored before it was asked for, and which is best.
//!
//! Packets that were kept, and records that can be replayed. Each candidate
//! says from when until when it reaches, what must be read, and, where it does
//! not serve, why not. Sources are never mixed: an answer is of one of them.

mod eras;
mod price;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::answer::unknown;
use super::rates::{Amount, Rates};
use super::run::{Parts, Threads};
use super::{Over, Query, QueryError, Run};
use crate::field::Kind;
use crate::filter::Expr;
use crate::lookup::Lookups;
use crate::module::Replay;
use crate::replay::{OnDemand, ReplayError, Replayer};
use crate::source::{Source, Treatment, with_causes};
use crate::storage::losses::Losses;
use crate::storage::packets::{self, Expected, Kept};
use crate::storage::{Measured, RecordStore, Stream, Window};
use crate::supervisor::{Instance, Needs};
use crate::time::{Interval, Span, Ts};
use eras::{Unfit, treated};
use price::Asked;
pub use price::Price;

/// How many bytes of packets a part has that is read beside others, at least and about at most.
const PART_BYTES_MIN: u64 = 8 << 20;
const PART_BYTES_MAX: u64 = 128 << 20;

/// The own way of the module that made a stream's records to replay them, where it has one.
pub type OwnWay<'a> = dyn Fn(&Stream) -> Option<Box<dyn Replay>> + 'a;

/// Where the past is kept.
pub struct Past<'a> {
    /// Records.
    pub store: Arc<dyn RecordStore>,
    /// Packets, in a folder for each instance that keeps them.
    pub packets: &'a Path,
    /// How records are replayed where their module says so itself.
    pub own: &'a OwnWay<'a>,
    /// Threads that may read packets beside the first.
    pub threads: Threads,
    /// What runs took so far.
    pub rates: Arc<Rates>,
}

/// Something stored that a module might run over.
pub struct Candidate {
    /// The instance that stored it.
    pub name: String,
    /// Whether it is packets, and not records to be replayed.
    pub is_packets: bool,
    /// The part of the window asked for that it reaches; none where it reaches nothing of it.
    pub covered: Option<Window>,
    /// About how many bytes must be read.
    pub bytes: u64,
    /// Why it cannot serve; none where it can.
    pub refusal: Option<String>,
    /// Why it serves only one who asks for it by name: it says something else, or less.
    pub reservation: Option<String>,
    /// In what it is not of just the window asked for, if so: records begin and end where their
    /// intervals do.
    pub aligned: Option<String>,
    /// What running over it costs, where that was reckoned.
    pub price: Option<Price>,
    // What of it is of other packets than those asked for, where some of it is not.
    unfit: Unfit,
    // How much there is of it.
    amount: Option<Amount>,
    // The stream of records.
    stream: Option<Stream>,
    // None where it cannot serve at all.
    source: Option<Box<dyn Source>>,
    // The folder of packets.
    dir: Option<PathBuf>,
    // What is found to be missing of it.
    losses: Losses,
}

impl Past<'_> {
    /// The time that a query asks for; where no clock goes on, the newest record's is the clock.
    pub fn window(&self, query: &Query, clock: Option<Ts>) -> Result<Window, QueryError> {
        let newest = self.store.streams()?.into_iter().filter_map(|stream| stream.end).max();
        let clock = clock.or(newest).unwrap_or_default();
        Query { wait: false, ..query.clone() }.window(clock)
    }

    /// Everything stored, whether it serves or not, the best first: what reaches furthest of the
    /// window, and of equals what costs least to read. What has nothing of the window is not
    /// opened, and does not serve.
    pub fn candidates(&self, needs: &Needs, window: Window) -> Result<Vec<Candidate>, QueryError> {
        self.look(Look { needs, window, at: Which::Inside })
    }

    fn look(&self, look: Look<'_>) -> Result<Vec<Candidate>, QueryError> {
        let Look { needs, .. } = look;
        let filter = Expr::parse(&needs.filter).unwrap_or(Expr::ALL);
        let mut all = Vec::new();
        for dir in folders(self.packets) {
            all.push(self.kept(&dir, &filter, look)?);
        }
        for stream in self.store.streams()? {
            if !all.iter().any(|candidate: &Candidate| candidate.name == stream.name) {
                all.push(self.replayed(stream, &filter, look));
            }
        }
        price::sort(&mut all, needs);
        Ok(all)
    }

    /// Runs a module over what is stored. What is asked for by name is taken also where it is not
    /// quite what is wanted; the answer then says so.
    pub fn run(
        &self,
        instance: Instance,
        over: &Over,
        window: Window,
        lookups: Arc<Lookups>,
    ) -> Result<Run, QueryError> {
        self.run_beyond(instance, over, window, (lookups, Span(0)))
    }

    /// The same with what serves for more of the time asked for than there is an answer of already.
    pub fn run_beyond(
        &self,
        instance: Instance,
        over: &Over,
        window: Window,
        (lookups, answered): (Arc<Lookups>, Span),
    ) -> Result<Run, QueryError> {
        let needs = Needs::of(instance.clone())?;
        if let Some(missing) = needs.missing_table(&lookups) {
            return Err(QueryError::Table(missing));
        }
        let look = |at| self.look(Look { needs: &needs, window, at });
        let serves = |candidate: &Candidate| match over {
            Over::Best => {
                candidate.refusal.is_none()
                    && candidate.reservation.is_none()
                    && (answered.0 == 0 || candidate.reached_ns() > answered.0)
            }
            Over::Instance(name) => candidate.refusal.is_none() && candidate.name == *name,
        };
        let mut candidates = match over {
            Over::Instance(name) => look(Which::Named(name))?,
            Over::Best => match look(Which::Inside)? {
                inside if inside.iter().any(serves) => inside,
                // Where nothing of the window is stored, what would serve answers with nothing.
                _ => look(Which::All)?,
            },
        };
        if candidates.iter().filter(|candidate| serves(candidate)).count() > 1 {
            let asked = Asked { instance: &instance, needs: &needs, window, lookups: &lookups };
            self.price(&mut candidates, asked, serves);
        }
        if let Over::Instance(name) = over
            && !candidates.iter().any(|candidate| candidate.name == *name)
        {
            let known = candidates.into_iter().map(|candidate| candidate.name).collect();
            return Err(unknown(name, known));
        }
        let why_not = |candidate: &Candidate| {
            if matches!(over, Over::Instance(name) if candidate.name != *name) {
                return None;
            }
            let why = candidate.refusal.as_ref().or(candidate.reservation.as_ref());
            why.map(|why| (candidate.name.clone(), why.clone()))
        };
        let refused: Vec<_> = candidates.iter().filter_map(why_not).collect();
        let chosen = candidates.into_iter().find(serves);
        let Some(chosen) = chosen else {
            return Err(QueryError::NothingServes { module: needs.instance, refused });
        };
        let mut chosen = chosen;
        let note = chosen.unfit.note();
        if matches!(over, Over::Instance(_)) {
            // Whoever names it gets what it has.
            chosen.unfit = Unfit::default();
        }
        let reservations = [chosen.reservation.clone(), note, chosen.aligned.clone()];
        let asked = Asked { instance: &instance, needs: &needs, window, lookups: &lookups };
        let pair = asked.pair(&chosen);
        let mut run = self.begin(instance.clone(), &needs, chosen, (window, lookups.clone()))?;
        reservations.into_iter().flatten().for_each(|reservation| run.reserve(reservation));
        run.learn(self.rates.clone(), pair);
        Ok(run)
    }

    /// Begins to run over what was chosen: in parts, where they may lie beside each other and there
    /// is enough of it.
    fn begin(
        &self,
        instance: Instance,
        needs: &Needs,
        chosen: Candidate,
        (window, lookups): (Window, Arc<Lookups>),
    ) -> Result<Run, QueryError> {
        let Candidate { source: Some(source), dir, bytes, losses, unfit, .. } = chosen else {
            let refused = Vec::new();
            return Err(QueryError::NothingServes { module: needs.instance.clone(), refused });
        };
        let beside = needs.apart && self.threads.most() > 0 && unfit.is_empty();
        let cuts = match dir.as_ref().filter(|_| beside) {
            Some(dir) => self.cuts(dir, needs, window, bytes),
            None => Vec::new(),
        };
        let Some(dir) = dir.filter(|_| !cuts.is_empty()) else {
            let mut run = Run::start(instance, vec![unfit.out_of(source)], window, lookups)?;
            run.watch(losses);
            return Ok(run);
        };
        let windows = window.parts(&cuts).collect();
        let filter = Expr::parse(&needs.filter).unwrap_or(Expr::ALL);
        let description = source.description();
        let (title, covered) = (description.name.clone(), description.covered());
        let (interval, told) = (needs.interval, losses.clone());
        let open = move |window| -> Result<Box<dyn Source>, QueryError> {
            let kept = Kept::open(title.clone(), &dir, window, Some(&filter));
            let kept = kept.map_err(QueryError::Packets)?;
            Ok(Box::new(kept.telling(interval, told.clone())))
        };
        let threads = self.threads.clone();
        let parts = Parts { instance, windows, open: Box::new(open), threads, lookups, losses };
        Run::start_beside(parts, (covered, description.size_bytes), window)
    }

    /// Where packets are cut into parts to be read beside each other; nowhere where that does not
    /// pay, or no cut leaves all as it is.
    fn cuts(&self, dir: &Path, needs: &Needs, window: Window, bytes: u64) -> Vec<Ts> {
        // Enough parts to keep all threads busy to the end, and none so large that its records
        // wait for long.
        let most = bytes / PART_BYTES_MIN;
        let parts = (bytes / PART_BYTES_MAX).max((2 * (self.threads.most() as u64 + 1)).min(most));
        let filter = Expr::parse(&needs.filter).unwrap_or(Expr::ALL);
        match parts {
            0 | 1 => Vec::new(),
            // What cannot be read is complained of by who reads it.
            parts => packets::cuts(dir, window, Some(&filter), (needs.interval, parts))
                .unwrap_or_default(),
        }
    }

    /// Packets that an instance kept.
    fn kept(&self, dir: &Path, filter: &Expr, look: Look<'_>) -> Result<Candidate, QueryError> {
        let Look { needs, window, .. } = look;
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Packets lie elsewhere than the store, which may be damaged.
        let stream = self.store.stream(&name).unwrap_or_else(|error| {
            tracing::warn!("{error}");
            None
        });
        let mut candidate = Candidate::new(name, true);
        let span = match packets::covered(dir) {
            Ok(span) => span,
            Err(error) => return Ok(candidate.refuse(error.to_string())),
        };
        let span =
            span.map(|(first, last)| Window { from: first, to: Ts(last.0.saturating_add(1)) });
        candidate.covered = span.and_then(|span| span.common(window));
        if let Some(why) = look.passes_over(&candidate) {
            return Ok(candidate.refuse(why));
        }
        let within = candidate.covered.unwrap_or(Window::ALL);
        match &stream {
            Some(stream) => {
                candidate.fit(&stream.eras_around(within), filter);
                candidate.reservation = candidate.reservation.or_else(|| treated(stream, within));
            }
            None => {
                candidate.reservation = Some("nothing says which packets it kept".to_owned());
            }
        }
        let title = format!("packets of {}", candidate.name);
        let source = match Kept::open(title, dir, window, Some(filter)) {
            Ok(source) => source.telling(needs.interval, candidate.losses.clone()),
            Err(error) => return Ok(candidate.refuse(with_causes(&error))),
        };
        let Expected { bytes, packets } = source.expected();
        candidate.bytes = bytes;
        candidate.amount = Some(Amount { bytes, records: 0, packets: Some(packets) });
        candidate.refusal = lacking(&source, needs);
        let told = source.told().map(|told| format!("what it kept was changed: {told}"));
        candidate.reservation = candidate.reservation.or(told);
        candidate.source = Some(Box::new(source));
        candidate.dir = Some(dir.to_owned());
        Ok(candidate)
    }

    /// Records of an instance.
    fn replayed(&self, stream: Stream, filter: &Expr, look: Look<'_>) -> Candidate {
        let Look { needs, window, .. } = look;
        let mut candidate = Candidate::new(stream.name.clone(), false);
        let span = stream.first.zip(stream.end).map(|(from, to)| Window { from, to });
        candidate.covered = span.and_then(|span| span.common(window));
        candidate.bytes = share(stream.bytes, span, candidate.covered);
        let records = share(stream.rows.unwrap_or(0), span, candidate.covered);
        candidate.amount = Some(Amount { bytes: candidate.bytes, records, packets: None });
        candidate.stream = Some(stream.clone());
        let within = candidate.covered.unwrap_or(Window::ALL);
        candidate.fit(&stream.eras(within), filter);
        if let Some(why) = look.passes_over(&candidate) {
            return candidate.refuse(why);
        }
        match self.open_records(&stream, window) {
            Ok((source, aligned)) => {
                candidate.covered = span.and_then(|span| span.common(aligned));
                candidate.refusal = lacking(&source, needs);
                let inexact = inexact(&source, needs)
                    .or_else(|| untold(&source, filter))
                    .or_else(|| unkeyed(&source, needs));
                candidate.reservation = candidate.reservation.or(inexact);
                candidate.aligned = (aligned != window).then(|| {
                    let Window { from, to } = aligned;
                    let step = source.description().resolution;
                    format!("it is of whole intervals of {step}, from {from} until {to}")
                });
                candidate.source = Some(Box::new(source.telling(candidate.losses.clone())));
            }
            Err(error) => candidate.refusal = Some(error.to_string()),
        }
        candidate
    }

    /// Records of an instance to be replayed, and what they are of: whole intervals, all that
    /// touch the window.
    fn open_records(
        &self,
        stream: &Stream,
        window: Window,
    ) -> Result<(OnDemand, Window), ReplayError> {
        let open = |window| {
            let replayer = Replayer::new((self.own)(stream));
            let title = format!("records of {}", stream.name);
            OnDemand::open(title, self.store.clone(), stream.clone(), window, replayer)
        };
        let source = open(window)?;
        let aligned = aligned(window, source.description().resolution);
        // Where it ends, an interval that begins in the window is whole already.
        Ok(if aligned.from == window.from { (source, aligned) } else { (open(aligned)?, aligned) })
    }
}

/// The intervals of a length that touch a window. Where it has no end, it is to have none.
fn aligned(window: Window, len: Span) -> Window {
    let last = Ts(window.to.0.saturating_sub(1));
    let from = Interval::holding(window.from, len).start();
    let to =
        if window.to == Window::ALL.to { window.to } else { Interval::holding(last, len).end() };
    Window { from, to }
}

/// What is looked for.
#[derive(Clone, Copy)]
struct Look<'a> {
    needs: &'a Needs,
    window: Window,
    at: Which<'a>,
}

/// What of the stored is opened to be looked at.
#[derive(Clone, Copy)]
enum Which<'a> {
    /// What has something of the window.
    Inside,
    /// What is of this name.
    Named(&'a str),
    /// Everything.
    All,
}

impl Look<'_> {
    /// Why a candidate is not opened, if it is not.
    fn passes_over(&self, candidate: &Candidate) -> Option<String> {
        let why = match self.at {
            Which::Inside if candidate.covered.is_none() => "it has nothing of the time asked for",
            Which::Named(name) if candidate.name != name => "it is not the one asked for",
            _ => return None,
        };
        Some(why.to_owned())
    }
}

impl Candidate {
    fn new(name: String, is_packets: bool) -> Self {
        Self {
            name,
            is_packets,
            covered: None,
            bytes: 0,
            refusal: None,
            reservation: None,
            aligned: None,
            price: None,
            unfit: Unfit::default(),
            amount: None,
            stream: None,
            source: None,
            dir: None,
            losses: Losses::default(),
        }
    }

    /// Takes note of what it has of other packets than those that `asked` picks.
    fn fit(&mut self, eras: &[(Window, &Measured)], asked: &Expr) {
        let unfit = Unfit::of(eras, asked);
        match unfit.is_all() {
            true => self.reservation = Some(unfit.refusal()),
            false => self.unfit = unfit,
        }
    }

    /// How much of the window asked for it serves for, in nanoseconds.
    fn reached_ns(&self) -> u64 {
        let reached = |covered: Window| {
            (covered.to - covered.from).0.saturating_sub(self.unfit.missing_ns(covered))
        };
        self.covered.map_or(0, reached)
    }

    fn refuse(mut self, why: String) -> Self {
        self.refusal = Some(why);
        self
    }
}

/// The part of `bytes`, spread over `span`, that lies in `covered`.
fn share(bytes: u64, span: Option<Window>, covered: Option<Window>) -> u64 {
    let (Some(span), Some(covered)) = (span, covered) else { return 0 };
    let (part, all) = ((covered.to - covered.from).0, (span.to - span.from).0);
    (u128::from(bytes) * u128::from(part) / u128::from(all.max(1))) as u64
}

/// The folders in a folder; none where there is no such folder.
fn folders(dir: &Path) -> Vec<PathBuf> {
    let entries = dir.read_dir().into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    all.sort();
    all
}

/// Why records say less than is asked for.
fn inexact(source: &dyn Source, needs: &Needs) -> Option<String> {
    let description = source.description();
    let step = description.resolution;
    if needs.singly {
        return Some("it says what packets come to, not what each was".to_owned());
    }
    let refused = description.lineage.iter().find_map(|treatment| match treatment {
        Treatment::SomeRecords => Some("only some of its records were kept".to_owned()),
        Treatment::Networks(_) if wants_hosts(needs) => {
            Some("its addresses are those of networks".to_owned())
        }
        _ => None,
    });
    let unsaid = needs.if_any.iter().find(|field| !description.offers.has(**field));
    let unsaid = unsaid.map(|field| format!("it does not say `{}`, {}", field.name(), field.doc()));
    refused.or(unsaid).or_else(|| {
        let fits = needs.interval.0.is_multiple_of(step.0.max(1));
        (!fits).then(|| format!("its records are of {step} and {} are asked for", needs.interval))
    })
}

/// Why the packets of records do not tell whether a filter picks them.
fn untold(source: &dyn Source, filter: &Expr) -> Option<String> {
    let term = filter.unanswered(source.description().offers)?;
    Some(format!("it does not say which packets are those of `{term}`"))
}

/// Why records lack packets that count: those without a field of their key.
fn unkeyed(source: &OnDemand, needs: &Needs) -> Option<String> {
    let field = source.keyed().without(needs.brought).next()?;
    Some(format!("it has only packets with `{}`, {}", field.name(), field.doc()))
}

fn wants_hosts(needs: &Needs) -> bool {
    needs.fields.iter().chain(&needs.if_any).any(|field| field.kind() == Kind::Addr)
}

/// Why a module that needs more than a source offers cannot run over it.
fn lacking(source: &dyn Source, needs: &Needs) -> Option<String> {
    let missing = needs.missing(source.description());
    let field = missing.first()?;
    Some(format!("it does not say `{}`, {}", field.name(), field.doc()))
}

#[cfg(test)]
mod tests;
