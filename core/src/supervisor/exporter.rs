//! The export thread: takes what tasks emit to the sink, and commits once per tick.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::record::Output;
use crate::worker::Emission;

/// How often the sink is told to commit, so that one commit serves many records.
const TICK: Duration = Duration::from_millis(200);

/// Where records go: a terminal, a store, a test.
pub trait Sink: Send {
    /// Takes what one instance has recorded.
    fn accept(&mut self, instance: &str, output: Output) -> Result<(), SinkError>;

    /// Makes lasting what was accepted. Called once per tick, and once at the end.
    fn commit(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Why a sink cannot go on. What it had committed stands.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SinkError {
    message: String,
    #[source]
    cause: Option<std::io::Error>,
}

impl SinkError {
    /// An error of these words.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), cause: None }
    }

    /// Whether a reader went away, as `head` does, which is nobody's mistake.
    pub fn is_broken_pipe(&self) -> bool {
        self.cause.as_ref().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

impl From<std::io::Error> for SinkError {
    fn from(cause: std::io::Error) -> Self {
        Self { message: format!("cannot write records: {cause}"), cause: Some(cause) }
    }
}

/// Runs until every worker is gone. After the sink's first error nothing more is accepted, and
/// the workers, whose queue then closes, go on without records.
pub fn run(mut sink: Box<dyn Sink>, emitted: &Receiver<Emission>) -> Result<(), SinkError> {
    let mut due = Instant::now() + TICK;
    loop {
        match emitted.recv_deadline(due) {
            Ok(Emission { instance, output }) => sink.accept(&instance, output)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return sink.commit(),
        }
        if Instant::now() >= due {
            sink.commit()?;
            due = Instant::now() + TICK;
        }
    }
}
