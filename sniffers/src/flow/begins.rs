//! When a file of exports begins.
//!
//! Records leave in the order of their starts, so the first of them is known once many were read:
//! whoever asks has the beginning of the file read twice.

use como_core::source::{Chunk, Description, Flows, Source, SourceError, Turn};
use como_core::time::Ts;

/// Opens a source once more, and says when the first of its records was sent.
pub type Anew = dyn Fn() -> Option<(Box<dyn Source>, Option<Ts>)> + Send;

/// A source that can be opened once more.
struct Begins {
    source: Box<dyn Source>,
    anew: Box<Anew>,
}

/// The same source, which knows when it begins by what `anew` opens.
pub fn by(source: Box<dyn Source>, anew: Box<Anew>) -> Box<dyn Source> {
    Box::new(Begins { source, anew })
}

impl Source for Begins {
    fn description(&self) -> &Description {
        self.source.description()
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        self.source.next(chunk)
    }

    fn first_ts(&self) -> Option<Ts> {
        first_ts((self.anew)()?.0)
    }

    fn recorded_ts(&self) -> Option<Ts> {
        let (source, sent) = (self.anew)()?;
        first_ts(source).max(sent)
    }

    fn flows(&self) -> Option<Flows> {
        self.source.flows()
    }
}

/// When the first packet of a source comes. Its flaws are told when it is read.
fn first_ts(mut source: Box<dyn Source>) -> Option<Ts> {
    loop {
        let mut chunk = Chunk::default();
        let turn = source.next(&mut chunk);
        if let Some(first) = chunk.packets.first() {
            return Some(first.ts);
        }
        if !matches!(turn, Ok(Turn::More | Turn::Idle)) {
            return None;
        }
    }
}
