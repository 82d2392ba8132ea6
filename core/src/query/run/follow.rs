//! A module that runs for one question over packets that are kept, and goes on with those that
//! come.

use std::sync::Arc;
use std::time::Instant;

use super::{PATIENCE, Run};
use crate::query::{Over, QueryError, Step, inexact};
use crate::storage::{Coverage, Window};
use crate::supervisor::catchup::Missed;
use crate::supervisor::{Handle, Heard, Instance, Needs};

impl Run {
    /// Begins to run `instance` over what a running monitor keeps of the packets of `window`, and
    /// goes on with what comes until its end: no packet is missing in between and none counts
    /// twice.
    pub fn follow(
        monitor: &Handle,
        instance: Instance,
        over: &Over,
        window: Window,
    ) -> Result<Self, QueryError> {
        let needs = Needs::of(instance.clone())?;
        if let Some(missing) = needs.missing_table(&monitor.lookups()) {
            return Err(QueryError::Table(missing));
        }
        let name = instance.name.clone();
        let refuse = |why| QueryError::NoFollowing { module: name.clone(), why };
        let (keeper, reservation) = match over {
            Over::Best => (monitor.keeper(None, &needs.filter).map_err(refuse)?, None),
            Over::Instance(keeper) => {
                monitor.keeper_named(keeper, &needs.filter).map_err(refuse)?
            }
        };
        let late = monitor.follow(instance, keeper, window.from)?;
        let mut run = Self::new(name, late.covered(&[]), None, window);
        run.late = Some((late, Arc::default()));
        if let Some(reservation) = reservation {
            run.reserve(&reservation);
        }
        Ok(run)
    }

    /// The next part of one that goes on.
    pub(super) fn step_late(&mut self) -> Result<Step, QueryError> {
        if let Some(alert) = self.alerts.pop_front() {
            return Ok(Step::Alert(alert));
        }
        let Some((late, covered)) = &mut self.late else { return Ok(Step::End) };
        if let Some(why) = late.failed(self.strict) {
            return Err(QueryError::Run { module: self.name.clone(), why });
        }
        match late.hear(Instant::now() + PATIENCE) {
            Heard::Output(output, sources) => {
                if !sources.is_empty() && *covered != sources {
                    *covered = sources;
                    let now = late.covered(covered);
                    self.sources = vec![Coverage { since: self.window.from, sources: now }];
                    self.remarks.iter().for_each(|told| inexact::mark(&mut self.sources, told));
                }
                Ok(self.inside(output).map_or(Step::Waiting, |output| self.give(output)))
            }
            Heard::Alerts(alerts) => {
                self.alerts.extend(alerts);
                Ok(self.alerts.pop_front().map_or(Step::Waiting, Step::Alert))
            }
            Heard::Closed(until) if until >= self.window.to => {
                self.late = None;
                Ok(Step::End)
            }
            Heard::Closed(until) => {
                self.closed = Some(until);
                Ok(Step::Waiting)
            }
            Heard::Nothing => Ok(Step::Waiting),
            Heard::End => {
                self.late = None;
                Ok(Step::End)
            }
            Heard::Missed(Missed::Behind) => Err(QueryError::Behind { from: self.closed }),
            Heard::Missed(why) => Err(QueryError::Run {
                module: self.name.clone(),
                why: crate::source::with_causes(&why),
            }),
        }
    }
}
