//! Scripts that are sent with a question: each runs once, over what is stored, in a virtual
//! machine and within limits of its own.
//!
//! Its text is all there is of it: no file is read or written for it. What is
//! wrong with it is told to who sent it, underlined, and first of all: an answer
//! begins when there is a record, or when the script has run for a while unharmed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use como_core::query::answer::Report;
use como_core::query::{Query, QueryError, Run, Step, Steps};
use como_core::record::Output;
use como_core::storage::{Coverage, can_name};
use como_core::supervisor::AttachError;
use como_web::{Answer, Refusal, Script};

use super::door::{self, Desk, bad, refusal};
use super::rerun::{answered, explained};
use crate::{afresh, catalogue};

/// What the module of a script is called that was not given a name.
const NAME: &str = "script";

/// How long an answer waits for a first record, so that what fails at once is refused.
const PATIENCE: Duration = Duration::from_secs(1);

impl Desk {
    /// Runs a script in place of a module.
    pub fn posted(
        &self,
        script: Script,
        parameters: &[(String, String)],
    ) -> Result<Answer, Refusal> {
        let is_named = parameters.iter().any(|(key, _)| key == "module");
        let name = (!is_named).then_some(("module", NAME));
        let pairs = parameters.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let query = Query::parse(pairs.chain(name)).map_err(|error| refusal(&error))?;
        if !can_name(&query.module) {
            return Err(bad(format!("`module={}`: a module cannot have this name", query.module)));
        }
        let format = door::format(&query)?;
        // Before the script is looked at: that is work, too.
        let seat = self.runs.take(&query.module)?;
        let file = format!("{}.{}", query.module, script.language.name());
        let kind = como_scripting::load_text(&file, &script.text)
            .map_err(|error| bad(catalogue::refused(&error).text()))?;
        let instance = afresh::instance(self.instance(kind), &query);
        let instance = instance.map_err(|failure| bad(failure.text()))?;
        let maker = instance.maker(self.monitor.lookups());
        if query.explain {
            let records = self.past(|afresh| afresh.explain(&query, instance, None));
            return Ok(explained(records.map_err(refused)?, format));
        }
        let run = self.past(|afresh| afresh.perform(&query, instance, None)).map_err(refused)?;
        seat.show(run.gauge());
        let missed = run.missed().map(|missed| missed.to_string());
        let begun = Begun::wait(run).map_err(refused)?;
        Ok(Answer { missed, ..answered(begun, seat, (format, Some(maker))) })
    }
}

/// Why a script is not run, or failed before it had anything to say.
fn refused(error: QueryError) -> Refusal {
    match error {
        QueryError::Attach(AttachError::Module(error)) => bad(catalogue::refused(&error).text()),
        QueryError::Attach(error) => bad(crate::session::refused(error).text()),
        QueryError::Run { why, .. } => bad(why),
        error => refusal(&error),
    }
}

/// A run of which the first steps were waited for.
struct Begun {
    first: VecDeque<Step>,
    run: Run,
}

impl Begun {
    /// Waits for the first record, or the end, or the first thing that goes wrong; not for long.
    fn wait(mut run: Run) -> Result<Self, QueryError> {
        run.be_strict();
        let deadline = Instant::now() + PATIENCE;
        let mut first = VecDeque::new();
        loop {
            let step = run.step()?;
            let is_all = match &step {
                Step::Waiting => Instant::now() >= deadline,
                Step::Output(Output::Records(records)) => records.rows() > 0,
                _ => step == Step::End || Instant::now() >= deadline,
            };
            first.push_back(step);
            if is_all {
                return Ok(Self { first, run });
            }
        }
    }
}

impl Steps for Begun {
    fn step(&mut self) -> Result<Step, QueryError> {
        match self.first.pop_front() {
            Some(first) => Ok(first),
            None => self.run.step(),
        }
    }

    fn report(&self) -> Report {
        self.run.report()
    }

    fn sources(&self) -> &[Coverage] {
        self.run.sources()
    }
}
