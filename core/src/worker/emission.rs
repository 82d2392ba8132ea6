//! What a worker tells export of its tasks, in order.

use std::sync::Arc;

use crate::module::Asides;
use crate::record::{Output, Schema};
use crate::supervisor::counters::TaskCounters;
use crate::time::Ts;

/// What a task has to say.
pub struct Emission {
    /// The task's name; empty where it is of all of a worker's.
    pub instance: Arc<str>,
    /// What happened to it.
    pub event: Event,
}

impl Emission {
    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        match &self.event {
            Event::Output(output, _) => output.bytes(),
            Event::Asides(asides) => asides.bytes(),
            Event::Begin(..) | Event::Opened(_) | Event::Closed(_) | Event::Flushed(_) => 0,
        }
    }
}

/// What happens to a task that export must know, in order.
pub enum Event {
    /// It begins, perhaps in place of its namesake; with the columns of its records, where these
    /// are known before the first.
    Begin(Arc<TaskCounters>, Arc<Schema>),
    /// It has heard the stream from this instant on, where its first interval begins.
    Opened(Ts),
    /// It recorded something, or nothing for a while, of the sources with these numbers.
    Output(Output, Arc<[u16]>),
    /// It said something beside its records.
    Asides(Asides),
    /// All that it records before this instant has been said.
    Closed(Ts),
    /// All that all tasks of a worker had open has been said: who holds this waits for that.
    Flushed(Arc<()>),
}
