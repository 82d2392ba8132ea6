//! What of a candidate is of the packets asked for, where its filter was not always the same.

use crate::filter::Expr;
use crate::source::{Chunk, Counts, Description, Source, SourceError, Turn};
use crate::storage::{Measured, Window};
use crate::time::Ts;

/// The times of which something stored is of other packets than those asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unfit {
    /// Those times, in order; none touches another.
    holes: Vec<Window>,
    /// What there is in each, at first.
    whats: Vec<String>,
}

impl Unfit {
    /// Of these eras of all that was `heard`, in the order of time, those whose packets are not all
    /// that `asked` picks, each from the one before it until the next: nothing says what was there.
    /// Where another has them all it serves.
    pub fn of(eras: &[(Window, &str)], heard: Window, asked: &Expr) -> Self {
        let (mut unfit, mut end) = (Self::default(), heard.from);
        let fits = |filter: &str| asked.is_kept_by(filter);
        let all = eras.iter().filter(|(_, filter)| fits(filter));
        let all: Vec<Window> = all.map(|(window, _)| *window).collect();
        for (at, (window, filter)) in eras.iter().enumerate() {
            let before = end;
            end = end.max(window.to);
            if fits(filter) {
                continue;
            }
            let next = eras.get(at + 1).map_or(heard.to, |(next, _)| next.from);
            let to = if window.to < before { window.to } else { window.to.max(next) };
            let hole = Window { from: window.from.min(before), to };
            for hole in Window::without_all(vec![hole], all.iter().copied()) {
                unfit.leave_out(hole, || format!("it has only the packets of `{filter}`"));
            }
        }
        unfit
    }

    /// Adds a time of which nothing can be said, and why.
    pub fn leave_out(&mut self, window: Window, why: impl FnOnce() -> String) {
        match self.holes.last_mut() {
            Some(last) if window.from <= last.to => last.to = last.to.max(window.to),
            _ => {
                self.holes.push(window);
                self.whats.push(why());
            }
        }
    }

    /// Whether everything fits.
    pub fn is_empty(&self) -> bool {
        self.holes.is_empty()
    }

    /// A window without what does not fit at its ends.
    pub fn trim(&self, mut window: Window) -> Window {
        for hole in &self.holes {
            if hole.from <= window.from && hole.to > window.from {
                window.from = hole.to;
            }
        }
        if let Some(hole) = self.holes.last().filter(|hole| hole.to >= window.to) {
            window.to = window.to.min(hole.from);
        }
        window
    }

    /// The times that do not fit.
    pub fn holes(&self) -> &[Window] {
        &self.holes
    }

    /// Why it does not serve for a time where nothing of that fits.
    pub fn refusal(&self, within: Window) -> Option<String> {
        let mut all = self.holes.iter().zip(&self.whats);
        let (_, what) = all.find(|(hole, _)| within.without(**hole).next().is_none())?;
        Some(what.clone())
    }

    /// What is to be said of it where some of a time fits.
    pub fn note(&self, within: Window) -> Option<String> {
        let both = self.holes.iter().zip(&self.whats);
        let mut inside = both.filter_map(|(hole, what)| Some((hole.common(within)?, what)));
        let (Window { from, to }, what) = inside.next()?;
        let others = match inside.count() {
            0 => String::new(),
            others => format!(", and at {others} more times those of others"),
        };
        Some(format!("from {from} until {to} {what}{others}"))
    }

    /// The source, of which all before `end` is told, without what does not fit.
    pub fn out_of(self, inner: Box<dyn Source>, end: Ts) -> Box<dyn Source> {
        match self.holes.is_empty() {
            true => inner,
            false => {
                let (told, unheard, rest) = Default::default();
                Box::new(Fitting { inner, holes: self.holes, end, told, unheard, rest })
            }
        }
    }
}

/// Eras with the texts of their filters.
pub(super) fn texts(eras: Vec<(Window, &Measured)>) -> Vec<(Window, &str)> {
    eras.into_iter().map(|(span, measured)| (span, measured.filter.as_str())).collect()
}

/// A source of which some times are left out, as if nothing had been heard in them.
struct Fitting {
    inner: Box<dyn Source>,
    holes: Vec<Window>,
    // Until when there is anything that fits.
    end: Ts,
    // How many holes were told.
    told: usize,
    // Times in which nothing was heard, which wait for what lies behind them.
    unheard: Vec<Window>,
    // Packets behind a hole, which wait for the next turn, and what that is.
    rest: Option<(Chunk, Result<Turn, SourceError>)>,
}

impl Fitting {
    fn leaves_out(&self, ts: Ts) -> bool {
        let at = self.holes.partition_point(|hole| hole.to <= ts);
        self.holes.get(at).is_some_and(|hole| hole.from <= ts)
    }

    /// Takes out what lies in a hole.
    fn pick(&self, chunk: &mut Chunk) {
        let passed = std::mem::take(&mut chunk.passed);
        chunk.passed = Window::without_all(passed, self.holes.iter().copied());
        if !chunk.packets.iter().any(|packet| self.leaves_out(packet.ts)) {
            return;
        }
        chunk.settle_weights();
        let mut stays = chunk.packets.iter().map(|packet| !self.leaves_out(packet.ts));
        let mut weights = std::mem::take(&mut chunk.weights);
        weights.retain(|_| stays.next().unwrap_or(false));
        chunk.weights = weights;
        chunk.packets.retain(|packet| !self.leaves_out(packet.ts));
    }

    /// Takes out the silences that may be told: those before what the chunk has, all at the end.
    /// One behind the last packet that fits waits, or it would open an interval of nothing.
    fn due(&mut self, chunk: &Chunk, is_end: bool) -> Vec<Window> {
        match chunk.passed.last().filter(|_| chunk.packets.is_empty() && !is_end) {
            Some(last) => self.unheard.extract_if(.., |time| time.from < last.to).collect(),
            None => std::mem::take(&mut self.unheard),
        }
    }

    /// Says of the holes before the first packet, or before times of packets that were passed over,
    /// that nothing was heard; what follows upon another hole waits.
    fn part(
        &mut self,
        chunk: &mut Chunk,
        turned: Result<Turn, SourceError>,
    ) -> Result<Turn, SourceError> {
        let is_end = matches!(turned, Ok(Turn::End));
        let mut turned = Some(turned);
        let begun = self.told;
        while let Some(hole) = self.holes.get(self.told) {
            if chunk.passed.iter().any(|time| time.from >= hole.to) {
                self.told += 1;
                continue;
            }
            match chunk.packets.iter().position(|packet| packet.ts >= hole.to) {
                None if is_end && chunk.packets.is_empty() && hole.from < self.end => {
                    self.told += 1;
                }
                None => break,
                Some(0) => self.told += 1,
                Some(at) => {
                    let rest = Chunk {
                        packets: chunk.packets.split_off(at),
                        weights: match chunk.weights.is_empty() {
                            true => Vec::new(),
                            false => chunk.weights.split_off(at),
                        },
                        regions: chunk.regions.clone(),
                        marks: chunk.marks,
                        read_bytes: chunk.read_bytes,
                        ..Chunk::default()
                    };
                    self.rest = turned.take().map(|turned| (rest, turned));
                    break;
                }
            }
        }
        chunk.unheard.extend(self.holes.get(begun..self.told).unwrap_or_default());
        chunk.unheard.sort_by_key(|unheard| unheard.from);
        turned.unwrap_or(Ok(Turn::More))
    }
}

impl Source for Fitting {
    fn description(&self) -> &Description {
        self.inner.description()
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        if let Some((rest, turned)) = self.rest.take() {
            *chunk = rest;
            return self.part(chunk, turned);
        }
        let mut before = Counts::default();
        loop {
            // What stands in it counts also where the turn fails.
            let turned = self.inner.next(chunk);
            self.pick(chunk);
            self.unheard.append(&mut chunk.unheard);
            let is_end = !matches!(turned, Ok(Turn::More));
            if is_end || !chunk.is_empty() {
                chunk.counts.add(before);
                chunk.unheard = self.due(chunk, is_end);
                return self.part(chunk, turned);
            }
            before.add(chunk.counts);
            chunk.clear();
        }
    }
}
