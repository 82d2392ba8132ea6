//! What a module can be run over that was stored before it was asked for, and which is best.
//!
//! Packets that were kept, and records that can be replayed. Each candidate
//! says from when until when it reaches, what must be read, and, where it does
//! not serve, why not. Sources are never mixed: a run is over one of them.

mod choose;
mod cut;
mod explain;
mod fill;
mod kept;
mod own;
mod price;
mod reach;
mod replayed;
mod silent;
mod unfit;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::rates::{Amount, Rates};
use super::run::Threads;
use super::{Query, QueryError};
use crate::filter::Expr;
use crate::module::Replay;
use crate::source::Source;
use crate::storage::losses::Losses;
use crate::storage::packets::{self, By};
use crate::storage::{RecordStore, Stream, Window};
use crate::supervisor::Needs;
use crate::time::{Span, Ts};
pub use price::Price;
use reach::Stand;
use unfit::Unfit;

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
    /// How far an instance has heard that runs.
    pub running: &'a dyn Fn(&str) -> Option<Heard>,
    /// Threads that may read packets beside the first.
    pub threads: Threads,
    /// What runs took so far.
    pub rates: Arc<Rates>,
}

/// How far an instance has heard that runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard {
    /// All until this instant: its clock.
    pub until: Ts,
    /// Until when all that it has recorded is stored: of the interval that is open nothing is.
    pub settled: Ts,
    /// Whether any packet was among that. Of one that was started and was given none, what it keeps
    /// is of those that ran before.
    pub any: bool,
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
    /// Why what it says may not be exact: it is chosen only where nothing better serves for as
    /// much.
    pub doubt: Option<String>,
    /// Since when some of what it should have was shed, if so: it is chosen only where nothing
    /// better serves.
    pub shed: Option<String>,
    /// In what it is not of just the window asked for, if so: records begin and end where their
    /// intervals do.
    pub aligned: Option<String>,
    /// What running over it costs, where that was reckoned.
    pub price: Option<Price>,
    // The time of all that there is of it.
    stored: Option<Window>,
    // Until when it was heard behind all its packets, as its records say.
    heard_until: Ts,
    // What of it is of other packets than those asked for, where some of it is not.
    unfit: Unfit,
    // What of it cannot be replayed, where some of it cannot.
    unsaid: Unfit,
    // The window asked for, and the gaps in what is covered of it, where those were looked for.
    window: Window,
    gaps: Vec<Window>,
    // From when on no gaps were looked for, because there are too many.
    unsearched: Option<Ts>,
    // How long the intervals are of records.
    step: Span,
    // How it stands to others.
    stand: Stand,
    // How much there is of it.
    amount: Option<Amount>,
    // The stream of records.
    stream: Option<Stream>,
    // None where it cannot serve at all.
    source: Option<Box<dyn Source>>,
    // The folder of packets.
    dir: Option<PathBuf>,
    // How its packets belong to the window.
    by: By,
    // The filter asked for, where packets of others were kept beside its own, which are left out.
    fitting: Option<Expr>,
    // What is found to be missing of it.
    losses: Losses,
}

impl Past<'_> {
    /// The time that a query asks for; where no clock goes on, the newest record's is the clock, or
    /// where there is none, that of the newest packet.
    pub fn window(&self, query: &Query, clock: Option<Ts>) -> Result<Window, QueryError> {
        let newest = self.store.streams()?.into_iter().filter_map(|stream| stream.end).max();
        let clock = clock.or(newest).or_else(|| kept_until(self.packets)).unwrap_or_default();
        Query { wait: false, ..query.clone() }.window(clock)
    }

    /// Everything stored, whether it serves or not, the best first: what reaches furthest of the
    /// window, of equals what is exact, and then what costs least to read. What has nothing of the
    /// window is not opened, and does not serve.
    pub fn candidates(&self, needs: &Needs, window: Window) -> Result<Vec<Candidate>, QueryError> {
        self.look(Look { needs, window, at: Which::Inside })
    }

    /// From when until when a candidate was heard; all time where nothing of it is stored.
    fn heard(&self, candidate: &Candidate) -> Window {
        let Some(stored) = candidate.stored else { return Window::ALL };
        let to = stored.to.max(candidate.heard_until).max(self.heard_now(candidate));
        Window { to, ..stored }
    }

    /// Until when a candidate says what there was, where it runs.
    fn heard_now(&self, candidate: &Candidate) -> Ts {
        let heard = (self.running)(&candidate.name).unwrap_or_default();
        if candidate.is_packets { heard.until } else { heard.settled }
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
        for candidate in &mut all {
            candidate.window = look.window;
        }
        price::sort(&mut all);
        Ok(all)
    }
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
    /// The same, without the records of this name.
    Beside(&'a str),
    /// What is of this name.
    Named(&'a str),
    /// Everything.
    All,
}

impl Look<'_> {
    /// Why a candidate is not opened, if it is not.
    fn passes_over(&self, candidate: &Candidate) -> Option<String> {
        let why = match self.at {
            Which::Inside | Which::Beside(_) if candidate.covered.is_none() => {
                "it has nothing of the time asked for"
            }
            Which::Beside(name) if !candidate.is_packets && candidate.name == name => {
                "it is the one that lacks it"
            }
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
            doubt: None,
            shed: None,
            aligned: None,
            price: None,
            stored: None,
            heard_until: Ts(0),
            unfit: Unfit::default(),
            unsaid: Unfit::default(),
            window: Window::ALL,
            gaps: Vec::new(),
            unsearched: None,
            step: Span(0),
            stand: Stand::default(),
            amount: None,
            stream: None,
            source: None,
            dir: None,
            by: By::default(),
            fitting: None,
            losses: Losses::default(),
        }
    }

    /// Takes note of what it has of other packets than those that `asked` picks; it is refused
    /// where that is all it has of the window.
    fn fit(&mut self, eras: &[(Window, &str)], heard: Window, asked: &Expr) {
        let unfit = Unfit::of(eras, heard, asked);
        match unfit.refusal(self.covered.unwrap_or(heard)) {
            Some(why) => self.reserve(why),
            None => self.unfit = unfit,
        }
    }

    /// What is to be said of an answer that is made of it.
    fn notes(&self) -> Vec<String> {
        let edge = self.stand.edge.filter(|_| self.stand.is_as_good);
        let edge = edge.map(|Window { from, to }| format!("it has nothing from {from} until {to}"));
        let [unfit, unsaid] = self.left_out();
        let Self { reservation, doubt, shed, aligned, .. } = self;
        let notes = [reservation, &unfit, &unsaid, doubt, shed, aligned, &edge];
        notes.into_iter().flatten().cloned().collect()
    }

    /// What is to be said of the times of the window that are left out of it.
    fn left_out(&self) -> [Option<String>; 2] {
        [&self.unfit, &self.unsaid].map(|unfit| unfit.note(self.window))
    }

    /// Whether what it says within the time asked for may not be exact.
    fn is_doubtful(&self) -> bool {
        self.doubt.is_some() || self.shed.is_some()
    }

    /// Says why it serves only who asks for it by name; the first reason stands.
    fn reserve(&mut self, why: String) {
        self.reservation = self.reservation.take().or(Some(why));
    }

    /// Takes note of it where packets were shed of a time.
    fn note_shed(&mut self, stream: &Stream, within: Window) {
        self.shed = stream.shed(within).map(|Window { from, to }| match to {
            Ts(u64::MAX) => format!("some of its packets were shed from {from} on"),
            to => format!("some of its packets were shed between {from} and {to}"),
        });
    }

    fn refuse(mut self, why: String) -> Self {
        self.refusal = Some(why);
        self
    }
}

/// The folders in a folder; none where there is no such folder.
fn folders(dir: &Path) -> Vec<PathBuf> {
    let entries = dir.read_dir().into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    all.sort();
    all
}

/// Behind the newest packet that any instance keeps.
pub(super) fn kept_until(dir: &Path) -> Option<Ts> {
    // What cannot be read is complained of when its packets are.
    let spans = folders(dir).into_iter().filter_map(|dir| packets::covered(&dir).ok()?);
    spans.map(|(_, last)| Ts(last.0.saturating_add(1))).max()
}

/// Why a module that needs more than a source offers cannot run over it.
fn lacking(source: &dyn Source, needs: &Needs) -> Option<String> {
    let missing = needs.missing(source.description());
    let field = missing.first()?;
    Some(format!("it does not say `{}`, {}", field.name(), field.doc()))
}

#[cfg(test)]
mod tests;
