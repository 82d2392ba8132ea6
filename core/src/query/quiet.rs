//! Answers made on a thread of their own, which gets less of a processor than those that measure.
//!
//! Whoever reads one may have a thread that answers others afterwards, and a
//! thread that once let others first does so for good.

use std::sync::Arc;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::answer::PATIENCE;
use super::{QueryError, Report, Step, Steps};
use crate::costs::let_others_first;
use crate::record::{Output, Schema};
use crate::storage::Coverage;

/// One answer, read a step at a time while another thread makes it.
pub struct Quiet {
    steps: Receiver<Result<Step, QueryError>>,
    sources: Vec<Coverage>,
    columns: Option<Arc<Schema>>,
    report: Report,
}

/// Where an answer is given a step at a time.
pub struct Given(Sender<Result<Step, QueryError>>);

impl Given {
    /// Gives all of an answer, as long as somebody reads it.
    pub fn all(&self, answer: &mut dyn Steps) -> Result<(), QueryError> {
        loop {
            let step = answer.step()?;
            let is_end = step == Step::End;
            if self.0.send(Ok(step)).is_err() || is_end {
                return Ok(());
            }
        }
    }
}

impl Quiet {
    /// An answer like `like`, which `make` makes.
    pub fn new(
        like: &dyn Steps,
        make: impl FnOnce(&Given) -> Result<(), QueryError> + Send + 'static,
    ) -> Result<Self, QueryError> {
        // One that is read while the next is made.
        let (given, steps) = bounded(1);
        let given = Given(given);
        std::thread::Builder::new().name("answer".into()).spawn(move || {
            let_others_first();
            if let Err(error) = make(&given) {
                // Nobody reads it any more where this fails.
                let _ = given.0.send(Err(error));
            }
        })?;
        let (sources, columns) = (like.sources().to_vec(), like.columns());
        Ok(Self { steps, sources, columns, report: Report::default() })
    }
}

impl Steps for Quiet {
    fn step(&mut self) -> Result<Step, QueryError> {
        let step = match self.steps.recv_timeout(PATIENCE) {
            Ok(step) => step?,
            Err(RecvTimeoutError::Timeout) => Step::Waiting,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(std::io::Error::other("it ended before its end").into());
            }
        };
        match &step {
            Step::Output(Output::Records(records)) => self.report.rows += records.rows() as u64,
            Step::Output(Output::Gap { .. }) => self.report.gaps += 1,
            Step::Damaged(_) => self.report.damaged += 1,
            Step::Alert(_) => {}
            Step::Waiting | Step::End => {}
        }
        Ok(step)
    }

    fn report(&self) -> Report {
        self.report
    }

    fn sources(&self) -> &[Coverage] {
        &self.sources
    }

    fn columns(&self) -> Option<Arc<Schema>> {
        self.columns.clone()
    }
}
