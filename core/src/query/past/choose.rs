//! Running a module over what serves best of all that is stored.

use std::path::Path;
use std::sync::Arc;

use super::price::Asked;
use super::silent::Silent;
use super::unfit::Unfit;
use super::{Candidate, Look, Past, Which};
use crate::filter::Expr;
use crate::lookup::Lookups;
use crate::query::answer::unknown;
use crate::query::covered::Edges;
use crate::query::run::Parts;
use crate::query::run::unheard::{self, Unheard};
use crate::query::{Missed, Over, QueryError, Run};
use crate::source::Source;
use crate::storage::Window;
use crate::storage::packets::{self, Listened};
use crate::supervisor::{Instance, Needs};
use crate::time::{Interval, Span, Ts};

/// How many bytes of packets a part has that is read beside others, at least and about at most.
const PART_BYTES_MIN: u64 = 8 << 20;
const PART_BYTES_MAX: u64 = 512 << 20;

/// What will do.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    over: &'a Over,
    // Of how much of the time there is an answer already.
    answered: Span,
}

impl Wanted<'_> {
    fn is_met_by(self, candidate: &Candidate) -> bool {
        candidate.refusal.is_none()
            && match self.over {
                Over::Best => {
                    candidate.reservation.is_none()
                        && (self.answered.0 == 0 || candidate.reached_ns() > self.answered.0)
                }
                Over::Instance(name) => candidate.name == *name,
            }
    }

    /// The first that will do, or why none does.
    fn choose(self, candidates: Vec<Candidate>, needs: &Needs) -> Result<Candidate, QueryError> {
        let is_asked = |candidate: &Candidate| match self.over {
            Over::Best => true,
            Over::Instance(name) => candidate.name == *name,
        };
        if let Over::Instance(name) = self.over
            && !candidates.iter().any(is_asked)
        {
            let known = candidates.into_iter().map(|candidate| candidate.name).collect();
            return Err(unknown(name, known));
        }
        let why_not = |candidate: &Candidate| {
            let why = candidate.refusal.as_ref().or(candidate.reservation.as_ref());
            why.map(|why| (candidate.name.clone(), why.clone()))
        };
        let asked = candidates.iter().filter(|candidate| is_asked(candidate));
        let refused: Vec<_> = asked.filter_map(why_not).collect();
        let chosen = candidates.into_iter().find(|candidate| self.is_met_by(candidate));
        chosen.ok_or(QueryError::NothingServes { module: needs.instance.clone(), refused })
    }
}

impl Candidate {
    /// Why it has nothing of the window.
    fn missed(&self) -> Option<Missed> {
        let kind = if self.is_packets { "packets" } else { "records" };
        let (what, stored) = (format!("{kind} of `{}`", self.name), self.stored);
        self.covered.is_none().then_some(Missed::Outside { what, stored })
    }

    /// That packets count just in the time asked for, where that cuts intervals of a length and
    /// there are packets of their rest.
    fn just(&self, window: Window, interval: Span) -> Option<String> {
        let stored = self.stored.filter(|_| self.aligned.is_none())?;
        let cuts = |ts: Ts| {
            stored.from < ts && ts < stored.to && Interval::holding(ts, interval).start() != ts
        };
        let Window { from, to } = window;
        let until = match to {
            Ts(u64::MAX) => "on".to_owned(),
            to => format!("until {to}"),
        };
        (cuts(from) || cuts(to)).then(|| {
            format!("of just the time from {from} {until}, also where that cuts an interval")
        })
    }
}

impl Past<'_> {
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
        let asked = Asked { instance: &instance, needs: &needs, window, lookups: &lookups };
        let wanted = Wanted { over, answered };
        let chosen = wanted.choose(self.priced(asked, wanted)?, &needs)?;
        self.run_over(chosen, asked, matches!(over, Over::Instance(_)))
    }

    /// Runs a module over what was chosen; whoever names it gets what it has.
    pub(super) fn run_over(
        &self,
        mut chosen: Candidate,
        asked: Asked<'_>,
        is_named: bool,
    ) -> Result<Run, QueryError> {
        let Asked { instance, needs, window, lookups } = asked;
        let notes = chosen.notes();
        if is_named {
            chosen.unfit = Unfit::default();
        }
        let pair = asked.pair(&chosen);
        let (missed, served) = (chosen.missed(), self.served(&chosen, window));
        // Of what is not there some may be missing.
        let edges = match missed.is_some() && chosen.losses.is_empty() {
            true => Edges::default(),
            false => self.edges(&chosen, served, needs, window),
        };
        let (just, unheard) = (chosen.just(window, needs.interval), Unheard::default());
        let how = (window, lookups.clone(), unheard.clone());
        let mut run = self.begin(instance.clone(), needs, (chosen, served), how)?;
        run.expect(needs.columns.clone());
        run.bound(edges);
        missed.into_iter().for_each(|missed| run.miss(missed));
        run.attend(unheard);
        just.into_iter().for_each(|just| run.remark(just));
        notes.iter().for_each(|note| run.reserve(note));
        run.learn(self.rates.clone(), pair);
        Ok(run)
    }

    /// From when until when what was chosen serves in a window; nothing where that is empty, and
    /// none where it is not known.
    fn served(&self, chosen: &Candidate, window: Window) -> Option<Window> {
        // Who runs has heard until now, from the last of its packets on.
        let any = (self.running)(&chosen.name).is_some_and(|heard| heard.any);
        let now = if any || !chosen.is_packets { self.heard_now(chosen) } else { Ts(0) };
        let until = |stored: Window, heard: Ts| Window { to: stored.to.max(heard), ..stored };
        let stored = match &chosen.dir {
            None => chosen.stored.map(|stored| until(stored, now)),
            // What cannot be read is complained of by who reads it.
            Some(dir) => match packets::listened(dir, window, chosen.fitting.as_ref()) {
                Ok(None) => Some(Window::NONE),
                // Who keeps packets says until when it heard none. Where it was killed, some that
                // it had heard are lost.
                Ok(Some(Listened { within, is_last: true, is_closed, grows })) => {
                    let heard = if is_closed { chosen.heard_until } else { Ts(0) };
                    // The first packets of who runs may still wait to be written.
                    let now = if grows { now } else { Ts(0) };
                    Some(until(within, heard.max(now)))
                }
                listened => listened.ok().flatten().map(|listened| listened.within),
            },
        };
        stored.map(|stored| chosen.unsaid.trim(chosen.unfit.trim(stored)))
    }

    /// What of a window is not covered by what was chosen, which is `served`. An end that was not
    /// asked for is where the last of it was heard, or the first; where all of it is missing, where
    /// that is known to end, or to begin.
    fn edges(
        &self,
        chosen: &Candidate,
        served: Option<Window>,
        needs: &Needs,
        window: Window,
    ) -> Edges {
        let heard = match chosen.stored {
            Some(_) => self.heard(chosen),
            None => chosen.losses.span().unwrap_or(Window::ALL),
        };
        let from = if window.from == Window::ALL.from { heard.from } else { window.from };
        let to = if window.to == Window::ALL.to { heard.to } else { window.to };
        let asked = Window { from, to };
        match served {
            Some(served) if served.common(asked).is_none() => match chosen.stored {
                None if from == Window::ALL.from || to == Window::ALL.to => Edges::default(),
                _ => Edges::all(asked),
            },
            served => Edges::of(asked, served, unheard::step(needs.interval), false),
        }
    }

    /// What there is to choose from, the best first, with prices where these decide.
    fn priced(&self, asked: Asked<'_>, wanted: Wanted<'_>) -> Result<Vec<Candidate>, QueryError> {
        let Asked { needs, window, .. } = asked;
        let look = |at| self.look(Look { needs, window, at });
        let serves = |candidate: &Candidate| wanted.is_met_by(candidate);
        let mut candidates = match wanted.over {
            Over::Instance(name) => look(Which::Named(name))?,
            Over::Best => match look(Which::Inside)? {
                inside if inside.iter().any(serves) => inside,
                // Where nothing of the window is stored, what would serve answers with nothing.
                _ => look(Which::All)?,
            },
        };
        if candidates.iter().filter(|candidate| serves(candidate)).count() > 1 {
            self.price(&mut candidates, asked, serves);
        }
        Ok(candidates)
    }

    /// Begins to run over what was chosen: in parts, where they may lie beside each other and there
    /// is enough of it.
    fn begin(
        &self,
        instance: Instance,
        needs: &Needs,
        (chosen, served): (Candidate, Option<Window>),
        (window, lookups, unheard): (Window, Arc<Lookups>, Unheard),
    ) -> Result<Run, QueryError> {
        let open_kept = chosen.opener();
        let Candidate { source: Some(source), dir, by, bytes, .. } = chosen else {
            let refused = Vec::new();
            return Err(QueryError::NothingServes { module: needs.instance.clone(), refused });
        };
        let Candidate { losses, unfit, unsaid, .. } = chosen;
        let beside = needs.apart && self.threads.most() > 0 && unfit.is_empty();
        let cuts = match dir.as_ref().filter(|_| beside) {
            Some(dir) => self.cuts(dir, needs, window, bytes),
            None => Vec::new(),
        };
        let Some(dir) = dir.filter(|_| !cuts.is_empty()) else {
            let end = served.map_or(Window::ALL.to, |served| served.to);
            let source = unsaid.out_of(unfit.out_of(source, end), end);
            let source = Silent::of(source, (window, window), served, losses.clone());
            let source = unheard.of(source, needs.interval);
            let mut run = Run::start(instance, vec![source], window, lookups)?;
            run.watch(losses);
            return Ok(run);
        };
        let windows = window.parts(&cuts).collect();
        let filter = Expr::parse(&needs.filter).unwrap_or(Expr::ALL);
        let description = source.description();
        let (title, covered) = (description.name.clone(), description.covered());
        let (interval, told) = (needs.interval, losses.clone());
        let open = move |part| -> Result<Box<dyn Source>, QueryError> {
            let (title, filter) = (title.clone(), Some(&filter));
            let kept = open_kept(title, &dir, part, by, filter);
            let kept = kept.map_err(QueryError::Packets)?.telling(interval, told.clone());
            let source = Silent::of(Box::new(kept), (part, window), served, told.clone());
            Ok(unheard.of(source, interval))
        };
        let threads = self.threads.clone();
        let parts = Parts { instance, windows, open: Box::new(open), threads, lookups, losses };
        Run::start_beside(parts, (covered, description.size_bytes), window)
    }

    /// Where packets are cut into parts to be read beside each other; nowhere where that does not
    /// pay, or no cut leaves all as it is.
    fn cuts(&self, dir: &Path, needs: &Needs, window: Window, bytes: u64) -> Vec<Ts> {
        let filter = Expr::parse(&needs.filter).unwrap_or(Expr::ALL);
        // As many for each thread, and none so large that its records wait for long. Where slabs
        // are left out, who knows which: twice as many keep all threads busy to the end.
        let threads = self.threads.most() as u64 + 1;
        let leaves_out = !filter.needs().met(&|_| false);
        let wanted = (bytes / PART_BYTES_MAX).max(if leaves_out { 2 * threads } else { threads });
        let parts = wanted.next_multiple_of(threads).min(bytes / PART_BYTES_MIN);
        match parts {
            0 | 1 => Vec::new(),
            // What cannot be read is complained of by who reads it.
            parts => packets::cuts(dir, window, Some(&filter), (needs.interval, parts))
                .unwrap_or_default(),
        }
    }
}
