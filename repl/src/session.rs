//! One monitor from its start to its end, as `run`, `check` and the prompt use it.
//!
//! The first Ctrl-C or SIGTERM closes the open intervals and ends; the second
//! ends at once.

use std::time::{Duration, Instant};

use como_core::costs::CostStatus;
use como_core::hash;
use como_core::module::Mistake;
use como_core::query::Far;
use como_core::source::Source;
use como_core::supervisor::counters::{Status, TaskStatus};
use como_core::supervisor::{AttachError, Instance, Monitor, Options, Sink};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use crate::cli::Format;
use crate::error::{Failure, Message, Result, say};
use crate::output::table::thousands;
use crate::output::{Nowhere, RecordSink};
use crate::progress::Progress;

/// What to run, and how to show it.
pub struct Session {
    /// Where packets come from.
    pub sources: Vec<Box<dyn Source>>,
    /// What to measure.
    pub instances: Vec<Instance>,
    /// Threads.
    pub options: Options,
    /// How records are written; nowhere if nothing is said.
    pub format: Option<Format>,
    /// Whether to leave out progress and summary.
    pub quiet: bool,
    /// Whether to say what the CPU time was spent on.
    pub costs: bool,
    /// Whether packets go to standard output, and all ends when nobody reads them any more.
    pub feeds_reader: bool,
    /// What sketches are counted under, in a word of the user's.
    pub seed: Option<String>,
}

impl Session {
    /// Runs until the sources end or the user has enough. A module that fails is a failure.
    pub fn run(self) -> Result {
        self.ended(|sink| sink)?.as_ref().map_or(Ok(()), verdict)
    }

    /// The same, for who wants to know all that is wrong with a module; `expected` is what would
    /// be wrong if it came there. Records go through what is put before their sink.
    pub fn tried(
        self,
        expected: Vec<Mistake>,
        put: impl FnOnce(Box<dyn Sink>) -> Box<dyn Sink>,
    ) -> Result {
        let Some(status) = self.ended(put)? else { return Ok(()) };
        let told = |a: &Mistake| {
            let mistakes = status.tasks.iter().flat_map(|task| &task.mistakes);
            mistakes.into_iter().any(|b| (a.line, &a.message) == (b.line, &b.message))
        };
        expected.iter().filter(|a| !told(a)).for_each(|a| Message::of(a).show("warning"));
        shortcomings(&status)
    }

    /// Runs, and returns how it ended, unless nobody was left to tell.
    fn ended(self, put: impl FnOnce(Box<dyn Sink>) -> Box<dyn Sink>) -> Result<Option<Status>> {
        let mut progress = Progress::new(self.quiet);
        let sink: Box<dyn Sink> = match self.format {
            Some(format) => {
                let (instances, lookups) = (&self.instances, &self.options.lookups);
                Box::new(RecordSink::new(format, instances, lookups, progress.curtain())?)
            }
            None => Box::new(Nowhere),
        };
        self.settle_secret();
        let begun = Instant::now();
        let monitor = Monitor::start(self.options, self.sources, self.instances, put(sink))
            .map_err(refused)?;
        let counters = monitor.counters();
        progress.follow(move || Far::of(&counters));
        let signals = stop_on_signal(monitor.stopper())?;
        if self.feeds_reader {
            stop_unread(monitor.stopper())?;
        }
        let ended = monitor.wait();
        signals.close();
        progress.finish();
        if let Some(error) = ended.sink {
            return if error.is_broken_pipe() { Ok(None) } else { Err(error.into()) };
        }
        if !self.quiet {
            say(&summary(&ended.status, begun.elapsed()));
            left_out(&ended.status).iter().for_each(|line| say(line));
        }
        if self.costs {
            say(&costs(&ended.status.cpu_seconds));
        }
        Ok(Some(ended.status))
    }

    /// Settles what sketches are counted under, so that a run over files can be repeated. Of
    /// several runs at one prompt the first decides.
    fn settle_secret(&self) {
        let whole = self.sources.iter().all(|source| source.description().is_whole());
        hash::keep_secret(match &self.seed {
            Some(word) => hash::secret_of(word),
            None if whole => hash::KNOWN_SECRET,
            None => hash::draw_secret(),
        });
    }
}

/// Calls `stop` at the first signal and leaves at the second.
pub fn stop_on_signal(stop: impl Fn() + Send + 'static) -> Result<Handle> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let handle = signals.handle();
    std::thread::spawn(move || {
        let mut asked = false;
        for signal in signals.forever() {
            if asked {
                std::process::exit(128 + signal);
            }
            asked = true;
            stop();
        }
    });
    Ok(handle)
}

/// Calls `stop` when nobody reads standard output any more.
fn stop_unread(stop: impl Fn() + Send + 'static) -> Result {
    std::thread::Builder::new().name("reader".into()).spawn(move || {
        let out = std::io::stdout();
        let mut polled = [PollFd::new(&out, PollFlags::empty())];
        // Nothing is waited for but that it breaks, which a file never does.
        while let Err(Errno::INTR) = poll(&mut polled, None) {}
        if polled.iter().any(|out| out.revents().contains(PollFlags::ERR)) {
            stop();
        }
    })?;
    Ok(())
}

/// The totals in one line.
fn summary(status: &Status, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    let count = |n: u64| thousands(&n.to_string());
    let unreadable: u64 = status.sources.iter().map(|s| s.unreadable).sum();
    let malformed = match status.malformed {
        Some(malformed) => format!("{} malformed", count(malformed)),
        None => "malformed not looked for".to_owned(),
    };
    let mut text = format!(
        "{} packets, {} bytes in {seconds:.2} seconds: {} packets/s; {} dropped, {} unreadable, \
         {malformed}, {} late",
        count(status.packets),
        count(status.bytes),
        count((status.packets as f64 / seconds.max(1e-6)) as u64),
        count(status.dropped),
        count(unreadable),
        count(status.late),
    );
    if status.shed > 0 {
        text += &format!(", {} shed", count(status.shed));
    }
    text
}

/// The CPU seconds of the monitor's threads in one line.
fn costs(seconds: &CostStatus) -> String {
    let CostStatus { sniffer, filter, callbacks, storage, core } = seconds;
    format!(
        "CPU seconds: sniffer {sniffer:.4}, filter {filter:.4}, callbacks {callbacks:.4}, \
         storage {storage:.4}, core {core:.4}"
    )
}

/// Which sources each module took no packets of, because they do not give what it needs.
fn left_out(status: &Status) -> Vec<String> {
    let mut lines = Vec::new();
    for task in &status.tasks {
        let others = status.sources.iter().map(|source| &source.name);
        for name in others.filter(|name| !task.sources.contains(name)) {
            lines.push(format!("module `{}` left out {name}: see `como explain`", task.name));
        }
    }
    lines
}

/// The same with each thing that went wrong in a module, once, where it stands in the script.
fn shortcomings(status: &Status) -> Result {
    let Some(task) = status.tasks.iter().find(|task| task.faults > 0) else {
        return verdict(status);
    };
    for mistake in &task.mistakes {
        Message::of(mistake).show("error");
    }
    Err(Failure::new(format!("module `{}` {}", task.name, failures(task))))
}

/// How often a module failed.
pub fn failures(task: &TaskStatus) -> String {
    let parked = if task.parked { " and was parked" } else { "" };
    match task.faults {
        1 => format!("failed once{parked}"),
        faults => format!("failed {faults} times{parked}"),
    }
}

/// Whether all went well: a source that broke off, or a module that failed, is said and counts.
pub fn verdict(status: &Status) -> Result {
    let broken = status.sources.iter().filter_map(|source| source.error.clone());
    let failed = status.tasks.iter().filter(|task| task.faults > 0).map(|task| {
        let last = task.last_fault.as_deref().unwrap_or("no message");
        format!("module `{}` {}: {last}", task.name, failures(task))
    });
    let mut all: Vec<String> = broken.chain(failed).collect();
    let Some(last) = all.pop() else { return Ok(()) };
    for earlier in all {
        Message::new(earlier).show("error");
    }
    Err(Failure::new(last))
}

/// Why nothing was started, pointing at the place where there is one.
pub fn refused(error: AttachError) -> Failure {
    match error {
        // The user's own was looked at before; this is the one that the module declares.
        AttachError::Filter { instance, text, error } => {
            let failure = Failure::new(format!("filter of module `{instance}`: {error}"));
            let failure = failure.at("", &text, error.at());
            error.hint().into_iter().fold(failure, Failure::hint)
        }
        error @ (AttachError::Lacks { .. } | AttachError::Scattered { .. }) => Failure::from(error)
            .hint("`como explain MODULE -s SOURCE` shows what is needed and what is there"),
        AttachError::Module(error) => crate::catalogue::refused(&error),
        error => error.into(),
    }
}
