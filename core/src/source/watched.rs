//! A source of which somebody sees each turn, and may add to it.

use super::{Chunk, Description, Flows, Source, SourceError, Turn};
use crate::time::Ts;

/// The source, whose turns `turn` takes; all else it says itself.
pub fn watched<F>(inner: Box<dyn Source>, turn: F) -> Box<dyn Source>
where
    F: FnMut(&mut dyn Source, &mut Chunk) -> Result<Turn, SourceError> + Send + 'static,
{
    Box::new(Watched { inner, turn })
}

struct Watched<F> {
    inner: Box<dyn Source>,
    turn: F,
}

impl<F> Source for Watched<F>
where
    F: FnMut(&mut dyn Source, &mut Chunk) -> Result<Turn, SourceError> + Send,
{
    fn description(&self) -> &Description {
        self.inner.description()
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        (self.turn)(&mut *self.inner, chunk)
    }

    fn push_filter(&mut self, bpf: Option<&str>) -> Result<(), SourceError> {
        self.inner.push_filter(bpf)
    }

    fn is_at_hand(&self) -> bool {
        self.inner.is_at_hand()
    }

    fn first_ts(&self) -> Option<Ts> {
        self.inner.first_ts()
    }

    fn recorded_ts(&self) -> Option<Ts> {
        self.inner.recorded_ts()
    }

    fn flows(&self) -> Option<Flows> {
        self.inner.flows()
    }
}
