//! Questions that stored records do not answer: the module runs afresh, a few of them at once.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use como_core::query::{Query, QueryError, Steps};
use como_core::record::Output;
use como_core::render::Format;
use como_core::storage::Stream;
use como_core::supervisor::Instance;
use como_web::{Answer, Refusal};

use super::door::{Desk, bad, broken, refusal};
use crate::afresh::{Afresh, Given};
use crate::{afresh, catalogue};

/// How many modules may run for questions at once.
const RUNS_MAX: usize = 4;

/// Who runs for a question now.
#[derive(Clone, Default)]
pub struct Runs(Arc<AtomicUsize>);

/// The place of one of them, until it is dropped.
struct Seat(Arc<AtomicUsize>);

impl Runs {
    fn take(&self) -> Result<Seat, Refusal> {
        let seat = Seat(self.0.clone());
        if self.0.fetch_add(1, Ordering::SeqCst) < RUNS_MAX {
            return Ok(seat);
        }
        let text = format!("{RUNS_MAX} modules run for questions already: ask again in a while");
        Err(Refusal::new(503, "Service Unavailable", text))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Desk {
    /// Runs the module asked for over what is stored, or says what it would run over. Where nothing
    /// stored serves, `otherwise` is why it was to be run, if that says more.
    pub fn rerun(
        &self,
        query: &Query,
        format: Format,
        otherwise: Option<QueryError>,
    ) -> Result<Answer, Refusal> {
        let known = self.monitor.instance(&query.module);
        let kind = match &known {
            Some(instance) => instance.kind.clone(),
            // A name, never a path: whoever asks has no say in what files are read here.
            None if catalogue::names().contains(&query.module) => {
                catalogue::find(&query.module).map_err(|failure| bad(failure.text()))?
            }
            None => return Err(bad(format!("there is no module `{}` to run", query.module))),
        };
        let known =
            known.unwrap_or_else(|| Instance { limits: self.limits, ..Instance::of(kind.clone()) });
        let instance = afresh::instance(known, query);
        let instance = instance.map_err(|failure| bad(failure.text()))?;
        let maker = |stream: &Stream| {
            let kind = self.monitor.kind(&stream.name);
            kind.or_else(|| catalogue::find(&stream.module).ok())
        };
        let afresh = Afresh {
            store: self.store.clone(),
            packets: &self.packets,
            maker: &maker,
            clock: self.feed.clock(),
            lookups: self.monitor.lookups(),
        };
        let mime = format.mime().to_owned();
        let seat = self.runs.take()?;
        let given = afresh.perform(query, instance, otherwise).map_err(|error| refusal(&error))?;
        let mut run = match given {
            Given::Run(run) => run,
            Given::Explained(records) => {
                let body = move |out: &mut dyn Write| {
                    let mut renderer = crate::output::shown(format, None);
                    renderer.begin(None, out)?;
                    renderer.output(&Output::Records(records), out)?;
                    renderer.end(out)
                };
                return Ok(Answer { mime, sources: None, missed: None, body: Box::new(body) });
            }
        };
        let sources = crate::query::sources(run.sources());
        let body = move |out: &mut dyn Write| {
            let _seat = seat;
            let mut renderer = crate::output::shown(format, Some(&*kind));
            run.write(renderer.as_mut(), out, || true).map(drop).map_err(broken)
        };
        Ok(Answer { mime, sources: Some(sources), missed: None, body: Box::new(body) })
    }

    /// The answer of a module that runs afresh in place of `error`, if there is one.
    pub fn instead(
        &self,
        query: &Query,
        format: Format,
        error: QueryError,
    ) -> Result<Answer, Refusal> {
        match error {
            QueryError::OtherFilter { .. } => self.rerun(query, format, Some(error)),
            QueryError::UnknownModule { name, .. } if catalogue::names().contains(&name) => {
                self.rerun(query, format, None)
            }
            error => Err(refusal(&error)),
        }
    }
}
