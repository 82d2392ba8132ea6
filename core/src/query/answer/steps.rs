//! An answer a step at a time, and how its steps are written.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use super::PATIENCE;
use crate::module::Alert;
use crate::query::{QueryError, inexact};
use crate::record::{Output, Schema};
use crate::render::Renderer;
use crate::storage::Coverage;
use crate::storage::scan::Damage;

/// What one step brought.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Records, or a gap, inside the window.
    Output(Output),
    /// A stored block that cannot be read, and so is left out.
    Damaged(Damage),
    /// The module raised this while it ran for the answer.
    Alert(Alert),
    /// Nothing yet; a chance to see whether anyone still wants the answer.
    Waiting,
    /// All of the answer has been given.
    End,
}

/// Something that is read a step at a time.
pub trait Steps {
    /// The next part. Waits a tenth of a second at most, and only for what comes.
    fn step(&mut self) -> Result<Step, QueryError>;

    /// What it came to so far.
    fn report(&self) -> Report;

    /// What it is made of, and how good that was.
    fn sources(&self) -> &[Coverage];

    /// The columns that its records will have, as far as that is known before the first of them.
    fn columns(&self) -> Option<Arc<Schema>> {
        None
    }

    /// Writes all of it, unless `goes_on` says why it breaks off, and tells what it came to. What
    /// was written is not held back for longer than a step.
    fn write(
        &mut self,
        renderer: &mut dyn Renderer,
        out: &mut dyn Write,
        mut goes_on: impl FnMut() -> Result<(), QueryError>,
    ) -> Result<Report, QueryError>
    where
        Self: Sized,
    {
        renderer.begin(self.columns().as_deref(), out)?;
        let mut flushed = Instant::now();
        loop {
            goes_on()?;
            match self.step()? {
                Step::Output(output) => renderer.output(&output, out)?,
                Step::Damaged(damage) => renderer.damage(&damage, out)?,
                Step::Alert(alert) => renderer.alert(&alert, out)?,
                Step::Waiting => out.flush()?,
                Step::End => break,
            }
            if flushed.elapsed() > PATIENCE {
                out.flush()?;
                flushed = Instant::now();
            }
        }
        for why in inexact::said(self.sources()) {
            renderer.inexact(&why, out)?;
        }
        renderer.end(out)?;
        out.flush()?;
        Ok(self.report())
    }
}

/// What an answer came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Records given.
    pub rows: u64,
    /// Gaps given.
    pub gaps: u64,
    /// Damaged blocks that were left out.
    pub damaged: u64,
}

impl Report {
    /// Counts what is given.
    pub(in crate::query) fn count(&mut self, output: &Output) {
        match output {
            Output::Records(records) => self.rows += records.rows() as u64,
            Output::Gap { .. } => self.gaps += 1,
        }
    }
}
