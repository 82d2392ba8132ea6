//! The export thread: takes what tasks emit to the sink, and commits once per tick.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::counters::{Counters, TaskCounters};
use crate::costs::{Category, Stopwatch};
use crate::module::Asides;
use crate::queue::{Nothing, Receiver};
use crate::record::{Output, Schema};
use crate::source::Covered;
use crate::time::Ts;
use crate::worker::{Emission, Event};

/// How often the sink is told to commit, so that one commit serves many records.
const TICK: Duration = Duration::from_millis(200);

/// Where records go: a terminal, a store, a test.
pub trait Sink: Send {
    /// Learns that what `instance` records from now on is `module`'s, of the packets that
    /// `filter`, in its canonical form, picks.
    fn begin(&mut self, instance: &str, module: &str, filter: &str) -> Result<(), SinkError> {
        let _ = (instance, module, filter);
        Ok(())
    }

    /// Learns which columns the records of `instance` will have; nothing, where only they can tell.
    fn columns(&mut self, instance: &str, columns: Option<&Schema>) -> Result<(), SinkError> {
        let _ = (instance, columns);
        Ok(())
    }

    /// Learns that `instance` hears the stream from this instant on, where its first interval
    /// begins since [`Sink::begin`].
    fn opened(&mut self, instance: &str, from: Ts) -> Result<(), SinkError> {
        let _ = (instance, from);
        Ok(())
    }

    /// Learns which sources the records cover that `instance` gives from now on.
    fn cover(&mut self, instance: &str, sources: &[Covered]) -> Result<(), SinkError> {
        let _ = (instance, sources);
        Ok(())
    }

    /// Takes what one instance has recorded.
    fn accept(&mut self, instance: &str, output: Output) -> Result<(), SinkError>;

    /// Takes what an instance said beside its records.
    fn asides(&mut self, instance: &str, asides: Asides) -> Result<(), SinkError> {
        let _ = (instance, asides);
        Ok(())
    }

    /// Whether it tells alerts to the one who asked, for whom they are: then they are no news for
    /// the log.
    fn tells_alerts(&self) -> bool {
        false
    }

    /// Learns that it has accepted all that `instance` records before `until`.
    fn closed(&mut self, instance: &str, until: Ts) {
        let _ = (instance, until);
    }

    /// Learns how far the stream has come; told once per tick, before the commit.
    fn clock(&mut self, clock: Ts) {
        let _ = clock;
    }

    /// Learns whether all sources have ended and all that was recorded of them is committed; told
    /// once per tick, behind the commit.
    fn over(&mut self, is_over: bool) {
        let _ = is_over;
    }

    /// Makes lasting what was accepted. Called once per tick, and once at the end.
    fn commit(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// Writes what stands behind the last record; nothing is accepted afterwards.
    fn end(&mut self) -> Result<(), SinkError> {
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
pub fn run(
    mut sink: Box<dyn Sink>,
    emitted: &Receiver<Emission>,
    counters: &Counters,
) -> Result<(), SinkError> {
    let mut due = Instant::now() + TICK;
    let mut watch = Stopwatch::start();
    let mut covers = HashMap::new();
    loop {
        let ended = match emitted.recv_until(due) {
            Ok(emission) => {
                take(&mut *sink, emission, counters, &mut covers)?;
                false
            }
            Err(Nothing::Late) => false,
            Err(Nothing::Gone) => true,
        };
        if ended || Instant::now() >= due {
            if let Some(clock) = counters.clock() {
                sink.clock(clock);
            }
            // As it was before the commit, which then has all.
            let is_over = counters.are_over();
            sink.commit()?;
            sink.over(is_over);
            due = Instant::now() + TICK;
            watch.charge(counters.costs(), Category::Storage);
        }
        if ended {
            let written = sink.end();
            watch.charge(counters.costs(), Category::Storage);
            return written;
        }
    }
}

/// What the sink was told that each instance's records cover.
type Covers = HashMap<Arc<str>, Told>;

/// What it was told of one: how often what it covers had changed then, and what that was.
#[derive(Default)]
struct Told {
    task: Option<Arc<TaskCounters>>,
    seen: Option<Seen>,
    covered: Option<Vec<Covered>>,
}

/// What tells whether records cover something else: the sources, the edition of how they are
/// described, and whether the task was passed over.
type Seen = (Arc<[u16]>, u64, bool);

fn take(
    sink: &mut dyn Sink,
    Emission { instance, event }: Emission,
    counters: &Counters,
    covers: &mut Covers,
) -> Result<(), SinkError> {
    match event {
        Event::Output(output, sources) => {
            // Of a gap no source is known, which changes nothing for what follows it.
            if matches!(output, Output::Records(_)) {
                cover(sink, &instance, sources, counters, covers)?;
            }
            sink.accept(&instance, output)
        }
        Event::Begin(task, columns) => {
            sink.begin(&instance, task.module(), task.filter())?;
            sink.columns(&instance, Some(&*columns).filter(|known| !known.columns.is_empty()))?;
            covers.insert(instance, Told { task: Some(task), ..Told::default() });
            Ok(())
        }
        Event::Opened(from) => sink.opened(&instance, from),
        Event::Asides(asides) => {
            if !sink.tells_alerts() {
                counters.note_alerts(&instance, &asides.alerts);
            }
            sink.asides(&instance, asides)
        }
        Event::Closed(until) => {
            sink.closed(&instance, until);
            Ok(())
        }
        Event::Flushed(_) => Ok(()),
    }
}

/// Tells the sink what records cover, where that is not what it was told last.
fn cover(
    sink: &mut dyn Sink,
    instance: &Arc<str>,
    sources: Arc<[u16]>,
    counters: &Counters,
    covers: &mut Covers,
) -> Result<(), SinkError> {
    let told = covers.entry(instance.clone()).or_default();
    let has_shed = told.task.as_ref().is_some_and(|task| task.has_shed());
    // Read before the descriptions, so that what changes in between is looked at again.
    let edition = counters.edition(&sources);
    let seen = (sources, edition, has_shed);
    if told.seen.as_ref() == Some(&seen) {
        return Ok(());
    }
    let mut covered = counters.covered(&seen.0);
    if has_shed {
        covered.iter_mut().for_each(Covered::add_shed);
    }
    if told.covered.as_ref() != Some(&covered) {
        sink.cover(instance, &covered)?;
    }
    (told.seen, told.covered) = (Some(seen), Some(covered));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Fields;
    use crate::packet::build::{Frame, batch_of};
    use crate::record::Records;
    use crate::source::{Description, Pace};
    use crate::supervisor::counters::{Loss, SourceCounters};
    use crate::time::Span;

    /// Keeps what it is told of sources.
    #[derive(Default)]
    struct Listening(Vec<Vec<Covered>>);

    impl Sink for Listening {
        fn cover(&mut self, _: &str, sources: &[Covered]) -> Result<(), SinkError> {
            self.0.push(sources.to_vec());
            Ok(())
        }

        fn accept(&mut self, _: &str, _: Output) -> Result<(), SinkError> {
            Ok(())
        }
    }

    #[test]
    fn what_records_cover_is_told_again_once_a_worker_sheds_of_it() {
        let counters = Counters::default();
        let wire = Description::new("wire".to_owned(), Pace::Live);
        counters.add_source(Arc::new(SourceCounters::new(&wire)));
        let (mut sink, mut covers) = (Listening::default(), Covers::new());
        let (instance, sources): (Arc<str>, Arc<[u16]>) = (Arc::from("a"), Arc::from([0]));
        for _ in 0..2 {
            for _ in 0..2 {
                let sources = Arc::clone(&sources);
                cover(&mut sink, &instance, sources, &counters, &mut covers).expect("a sink");
            }
            counters.note_shed(&batch_of([Frame::tcp("10.0.0.1:1", "10.0.0.2:2")]));
        }
        let [whole, shed] = &sink.0[..] else { panic!("told {} times", sink.0.len()) };
        assert_ne!(whole, shed);
    }

    #[test]
    fn what_records_cover_says_that_their_task_was_passed_over() {
        let counters = Counters::default();
        let wire = Description::new("wire".to_owned(), Pace::Live);
        counters.add_source(Arc::new(SourceCounters::new(&wire)));
        let (mut sink, mut covers) = (Listening::default(), Covers::new());
        let name: Arc<str> = Arc::from("a");
        let task = TaskCounters::new("a", String::new(), Span::from_secs(1), Fields::NONE);
        let task = Arc::new(task);
        let mut records = |event| {
            let emission = Emission { instance: name.clone(), event };
            take(&mut sink, emission, &counters, &mut covers).expect("a sink");
        };
        records(Event::Begin(task.clone(), Arc::default()));
        for shed in [0, 3, 4] {
            task.note_shed("a", shed, Loss::Share);
            let output = Output::Records(Records::empty(Arc::default(), Span::from_secs(1)));
            records(Event::Output(output, Arc::from([0])));
        }
        let lineage: Vec<_> = sink.0.iter().map(|covered| covered[0].lineage.clone()).collect();
        assert_eq!(lineage, [vec![], vec!["shed".to_owned()]]);
    }
}
