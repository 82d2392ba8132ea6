//! One monitor of a run: it reads a part of the past, or all of it, and hands over what its module
//! records.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::threads::Thread;
use crate::costs::let_others_first;
use crate::lookup::Lookups;
use crate::module::{Alert, Asides};
use crate::queue::{self, Nothing, Receiver, Sender};
use crate::record::Output;
use crate::source::{Covered, Source};
use crate::supervisor::counters::{Counters, Status};
use crate::supervisor::{AttachError, Instance, Monitor, Options, Sink, SinkError};
use crate::time::Ts;

/// What a module has to say.
pub enum Uttered {
    /// It recorded something, or nothing for a while.
    Output(Output),
    /// It raised an alert.
    Alert(Alert),
    /// All that it records before this instant has been said.
    Closed(Ts),
}

/// How much a leg may be ahead of its reader.
#[derive(Clone, Copy, Debug)]
pub enum Room {
    /// So much of a run that is all in one leg.
    Whole,
    /// So much of one that lies beside others, which has to wait for its turn.
    Beside,
}

/// Bytes of records that one leg alone may be ahead, or closed intervals, each of which has two
/// things to say.
const WHOLE_BYTES: usize = 16 << 20;
const WHOLE: usize = 32;

/// The same of one beside others: more, and smaller, for it is to run to its end.
const BESIDE_BYTES: usize = 8 << 20;
const BESIDE: usize = 1 << 15;

/// A monitor at work. Dropping it gives it up.
pub struct Leg {
    monitor: Option<Monitor>,
    // Where it is not the only one of its run.
    _thread: Option<Thread>,
    given: Receiver<Uttered>,
}

impl Leg {
    /// Begins to run `instance` over `sources`.
    pub fn start(
        instance: Instance,
        sources: Vec<Box<dyn Source>>,
        lookups: Arc<Lookups>,
        room: Room,
    ) -> Result<Self, AttachError> {
        let (give, given) = match room {
            Room::Whole => {
                queue::bounded_by(WHOLE_BYTES, |given| bytes(given).max(WHOLE_BYTES / WHOLE))
            }
            Room::Beside => {
                queue::bounded_by(BESIDE_BYTES, |given| bytes(given).max(BESIDE_BYTES / BESIDE))
            }
        };
        let begin = move || {
            // Threads take after the one that starts them.
            let_others_first();
            let options = Options { workers: 1, lookups, writes: false, ..Options::default() };
            Monitor::start(options, sources, vec![instance], Box::new(Outlet { give }))
        };
        let thread = thread::Builder::new().name("query run".to_owned()).spawn(begin)?;
        let monitor = thread.join().map_err(|_| AttachError::Ended)??;
        Ok(Self { monitor: Some(monitor), _thread: None, given })
    }

    /// Keeps a thread that all runs share for as long as it works.
    pub fn keep(&mut self, thread: Option<Thread>) {
        self._thread = thread;
    }

    /// What comes next, if it comes before `deadline`.
    pub fn take(&self, deadline: Instant) -> Result<Uttered, Nothing> {
        self.given.recv_until(deadline)
    }

    /// What it counts.
    pub fn counters(&self) -> Option<Arc<Counters>> {
        self.monitor.as_ref().map(|monitor| monitor.counters())
    }

    /// Reads no more; what was read is recorded.
    pub fn stop(&self) {
        self.monitor.iter().for_each(|monitor| monitor.stop());
    }

    /// Ends it with the batch that it is at: nobody wants the rest.
    pub fn give_up(&self) {
        self.monitor.iter().for_each(|monitor| monitor.abandon());
    }

    /// What became of it, once nothing more comes or nothing more is wanted.
    pub fn end(mut self) -> Option<(Status, Vec<Covered>)> {
        self.give_up();
        let monitor = self.monitor.take()?;
        // Frees whoever waits for a place in it.
        (_, self.given) = queue::bounded(1);
        let counters = monitor.counters();
        let status = monitor.wait().status;
        let sources: Vec<u16> = (0..).take(status.sources.len()).collect();
        Some((status, counters.covered(&sources)))
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        // The queue to us closes too, which frees whoever waits for a place in it.
        self.give_up();
    }
}

/// About how many bytes it takes.
fn bytes(given: &Uttered) -> usize {
    match given {
        Uttered::Output(output) => output.bytes(),
        Uttered::Alert(alert) => alert.bytes(),
        Uttered::Closed(_) => 0,
    }
}

/// Hands records to the one who asked.
struct Outlet {
    give: Sender<Uttered>,
}

impl Outlet {
    fn tell(&self, uttered: Uttered) -> Result<(), SinkError> {
        let gone = |_| SinkError::new("nobody waits for the answer any more");
        self.give.send(uttered).map_err(gone)
    }
}

impl Sink for Outlet {
    fn accept(&mut self, _: &str, output: Output) -> Result<(), SinkError> {
        self.tell(Uttered::Output(output))
    }

    /// Alerts are told beside the records asked for; rows of outputs are nobody's here.
    fn asides(&mut self, _: &str, asides: Asides) -> Result<(), SinkError> {
        asides.alerts.into_iter().try_for_each(|alert| self.tell(Uttered::Alert(alert)))
    }

    fn tells_alerts(&self) -> bool {
        true
    }

    fn closed(&mut self, _: &str, until: Ts) {
        // One who has gone is met when there is a record.
        let _ = self.give.send_unhurried(Uttered::Closed(until));
    }
}
