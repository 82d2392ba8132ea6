//! Packets that an instance kept as a candidate: of which packets they are, and how they were cut.

use std::path::Path;

use super::cut::{self, Lack};
use super::unfit::texts;
use super::{Candidate, Look, Past, Which, lacking};
use crate::filter::Expr;
use crate::query::QueryError;
use crate::query::rates::Amount;
use crate::source::{Covered, Sampling, Treatment, with_causes};
use crate::storage::packets::{self, By, CopyError, Expected, LANES_MAX, PacketSource, Treated};
use crate::storage::scan::gaps;
use crate::storage::{Stream, Window};
use crate::supervisor::Needs;
use crate::time::Ts;

impl Past<'_> {
    /// Packets that an instance kept.
    pub(super) fn kept(
        &self,
        dir: &Path,
        filter: &Expr,
        look: Look<'_>,
    ) -> Result<Candidate, QueryError> {
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
        candidate.stored =
            span.map(|(first, last)| Window { from: first, to: Ts(last.0.saturating_add(1)) });
        candidate.covered = candidate.stored.and_then(|span| span.common(look.window));
        if let Some(why) = look.passes_over(&candidate) {
            return Ok(candidate.refuse(why));
        }
        let within = candidate.covered.unwrap_or(Window::ALL);
        if let Some(stream) = &stream {
            candidate.heard_until = self.heard_behind(stream, &candidate, dir);
            candidate.note_lineages(stream.covered(within), look.needs);
            candidate.note_shed(stream, within);
        }
        let heard = self.heard(&candidate);
        // What cannot be read is complained of when its packets are.
        let treated = packets::treated(dir, within).ok();
        candidate.fit_kept(treated.as_deref(), (stream.as_ref(), heard), (filter, look));
        let treated = packets::joined(treated.as_deref().unwrap_or_default());
        candidate.note_treatment(&treated, within, look.needs);
        let sampling = stream.map_or(Sampling::Unknown, |stream| stream.sampling(within));
        Ok(candidate.open_kept(dir, (filter, sampling), look))
    }
}

impl Past<'_> {
    /// Until when an instance heard nothing behind all packets it kept, as its records say: those
    /// behind a gap are of a run that kept none, and those behind the run that kept the last of an
    /// earlier one: which heard on if it kept packets of the same time, and otherwise has none
    /// left.
    fn heard_behind(&self, stream: &Stream, kept: &Candidate, dir: &Path) -> Ts {
        let from = kept.stored.map_or(Ts(0), |stored| stored.to);
        let behind = Window { from, ..Window::ALL };
        // What cannot be read is complained of by who reads it.
        let gaps = gaps(&*self.store, &stream.name, behind, 1).unwrap_or_default().0;
        let end = gaps.first().map(|gap| gap.from).or(stream.end).unwrap_or_default();
        let last = stream.runs.late(Ts(from.0.saturating_sub(1)));
        last.filter(|last| !is_of_several(dir, *last)).map_or(end, |last| end.min(last.to))
    }
}

/// Whether packets of more than one run are kept of a time, as far as segments say whose they are.
fn is_of_several(dir: &Path, time: Window) -> bool {
    // What cannot be read is complained of when its packets are.
    let treated = packets::treated(dir, time).unwrap_or_default();
    let mut runs = treated.iter().filter_map(|treated| treated.run);
    runs.next().is_some_and(|first| runs.any(|run| run != first))
}

/// When packets were kept by which filter, as all segments of a window say; none where one does
/// not.
fn eras(treated: &[Treated], window: Window) -> Option<Vec<(Window, &str)>> {
    let mut eras: Vec<(Window, &str)> = Vec::new();
    for treated in treated {
        let filter = treated.filter.as_deref()?;
        let span = treated.span.unwrap_or(window).common(window);
        eras.extend(span.map(|span| (span, filter)));
    }
    eras.sort_by_key(|(span, _)| span.from);
    Some(eras)
}

/// Opens packets that were kept.
type OpenKept = fn(String, &Path, Window, By, Option<&Expr>) -> Result<PacketSource, CopyError>;

impl Candidate {
    /// Takes note of which packets it kept, as segments say if they can be read, or else what its
    /// records are of all that was `heard`.
    fn fit_kept(
        &mut self,
        treated: Option<&[Treated]>,
        (stream, heard): (Option<&Stream>, Window),
        (filter, look): (&Expr, Look<'_>),
    ) {
        let within = self.covered.unwrap_or(Window::ALL);
        let told = |since| stream.into_iter().flat_map(move |stream| texts(stream.eras(since)));
        match (treated.and_then(|treated| eras(treated, within)), stream) {
            // Between runs, or where all was lost, nothing is of other packets.
            (Some(mut eras), stream) if !eras.is_empty() || stream.is_none() => {
                // Who heard on and kept nothing says so in its records.
                let from = self.stored.map_or(heard.to, |stored| stored.to);
                eras.extend(told(Window { from, ..heard }));
                self.fit(&eras, heard, filter);
                let is_mixed = eras.iter().any(|(_, kept)| !filter.is_kept_by(kept));
                // Whoever names it gets what it has.
                let is_named = matches!(look.at, Which::Named(_));
                self.fitting = (is_mixed && !is_named).then(|| filter.clone());
            }
            (_, Some(stream)) => self.fit(&texts(stream.eras(heard)), heard, filter),
            (_, None) => self.reserve("nothing says which packets it kept".to_owned()),
        }
    }

    /// What opens those of its packets that serve.
    pub(super) fn opener(&self) -> OpenKept {
        if self.fitting.is_some() { PacketSource::fitting } else { PacketSource::open }
    }

    /// Opens what it kept.
    fn open_kept(
        mut self,
        dir: &Path,
        (filter, sampling): (&Expr, Sampling),
        Look { needs, window, at }: Look<'_>,
    ) -> Self {
        let title = format!("packets of {}", self.name);
        // What fills up records meets them where who measured these did.
        self.by = if matches!(at, Which::Beside(_)) { By::Arrival } else { By::Time };
        let opened = self.opener()(title, dir, window, self.by, Some(filter));
        let source = match opened {
            Ok(source) => source.sampled(sampling).telling(needs.interval, self.losses.clone()),
            Err(error) => return self.refuse(with_causes(&error)),
        };
        if let Some(Window { from, to }) = source.crowded() {
            let what = format!("more than {LANES_MAX} runs kept packets of the same time");
            let doubt = format!("{what} from {from} until {to}: some count in a later interval");
            self.doubt.get_or_insert(doubt);
        }
        let Expected { bytes, packets } = source.expected();
        self.bytes = bytes;
        self.amount = Some(Amount { bytes, records: 0, packets: Some(packets) });
        self.refusal = lacking(&source, needs);
        self.source = Some(Box::new(source));
        self.dir = Some(dir.to_owned());
        self
    }

    /// Takes note of what was done to packets before they came here, but for those that were shed.
    fn note_lineages<'a>(&mut self, covered: impl Iterator<Item = &'a Covered>, needs: &Needs) {
        for told in covered.flat_map(|covered| &covered.lineage) {
            match Treatment::cut_told(told) {
                Some(bytes) => {
                    let treated = Treated { snaplen: Some(bytes), ..Treated::default() };
                    self.note_lack(cut::lack(needs, &treated), String::new());
                }
                None if Treatment::is_shed_told(told) => {}
                None => self.reserve(format!("its packets are not as they were sent: {told}")),
            }
        }
    }

    /// Takes note of what was done to packets when they were kept.
    fn note_treatment(&mut self, treated: &[Treated], within: Window, needs: &Needs) {
        if cut::is_all_the_same(needs) {
            return;
        }
        for treated in treated {
            let span = treated.span.and_then(|span| span.common(within));
            let when = match span.filter(|span| *span != within) {
                Some(Window { from, to }) => format!("from {from} until {to} "),
                None => String::new(),
            };
            self.note_lack(cut::lack(needs, treated), when);
            if !treated.told.is_empty() {
                self.reserve(format!("what it kept was changed: {}", treated.told));
            }
        }
    }

    fn note_lack(&mut self, lack: Option<Lack>, when: String) {
        match lack {
            Some(Lack::Surely(why)) => self.reserve(when + &why),
            Some(Lack::Maybe(why)) => self.doubt = self.doubt.take().or(Some(when + &why)),
            None => {}
        }
    }
}
