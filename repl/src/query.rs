//! `como query`: records and packets of the past, from a running monitor or from its store.
//!
//! Both places take the same question and give the same answer: the monitor
//! over HTTP, the store read here when no monitor has it open.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use como_core::module::Maker;
use como_core::query::{
    Answer, Coarse, Missed, Packets, Place, Query as Question, QueryError, Replayed, Steps,
};
use como_core::storage::notes::use_sketch_secret;
use como_core::storage::packets::{Capture, Copied, Effort};
use como_core::storage::redb::{RedbStore, set_aside};
use como_core::storage::{MemoryStore, RecordStore, StoreError};
use como_core::supervisor::Instance;
use como_core::time::Ts;

use crate::cli::{AnswerFormat, Format, Query};
use crate::config::Config;
use crate::error::{Failure, Message, Result, say, with_causes};
use crate::lookup::Tables;
use crate::output;
use crate::progress::Progress;
use crate::shelf::made_by;
use crate::{afresh, catalogue, store};
use ask::{ask, is_listening};
use show::show;
pub use told::sources;

mod ask;
mod rerun;
mod show;
mod told;
mod url;

/// Where to ask.
enum At {
    /// A monitor.
    Url(String),
    /// The store of a monitor that does not run.
    Store(Stored),
    /// The monitor if it runs, otherwise its store.
    Either(String, Stored),
}

/// A store that is read here, and what is known of its monitor.
struct Stored {
    dir: PathBuf,
    tables: Tables,
    config: Option<Config>,
    // How many parts of the packets are read at once, where that was said.
    threads: Option<usize>,
}

impl Stored {
    /// The folder of packets.
    fn packets(&self) -> PathBuf {
        crate::config::packets_in(&self.dir)
    }

    /// The instance that made records, where its module can still be found.
    fn made_by(&self, name: &str, module: &str) -> Option<Instance> {
        made_by(self.config.as_ref(), name, module)
    }

    /// The same, for its own ways with its records.
    fn maker(&self, name: &str, module: &str) -> Option<Maker> {
        let instance = self.made_by(name, module)?;
        Some(instance.maker(self.tables.for_kind(&*instance.kind)))
    }
}

/// Asks, and writes the answer.
pub fn perform(args: &Query) -> Result {
    let format = match args.format {
        Some(AnswerFormat::Records(format)) => AnswerFormat::Records(output::chosen(Some(format))?),
        Some(AnswerFormat::Packets(_)) if io::stdout().is_terminal() => {
            let failure = Failure::usage("packets are not for a terminal");
            return Err(failure.hint("send them to a file or a program: > FILE, or | tshark -r -"));
        }
        Some(packets) => packets,
        None => AnswerFormat::Records(output::chosen(None)?),
    };
    let url = match place(args)? {
        At::Url(url) => url,
        At::Store(stored) => return read(&stored, args, format),
        At::Either(url, _) if is_listening(&url) => {
            if !args.allow.is_empty() {
                let grants = "grants what its own configuration says";
                let failure = Failure::usage(format!("the monitor at {url} runs, and {grants}"));
                let hint = "put `allow` there, or read its store with --store when it has ended";
                return Err(failure.hint(hint));
            }
            url
        }
        At::Either(_, stored) => return read(&stored, args, format),
    };
    if args.threads.is_some() {
        let failure = Failure::usage("a monitor shares its threads among all that ask");
        return Err(failure.hint("leave --threads out"));
    }
    ask(&url, args, format)
}

fn place(args: &Query) -> Result<At> {
    let threads = args.threads.map(usize::from);
    if let Some(url) = &args.url {
        return Ok(At::Url(url.clone()));
    }
    if let Some(dir) = &args.store {
        let config = Config::read(&args.config).ok();
        let tables = config.as_ref().map(|config| config.tables.clone()).unwrap_or_default();
        return Ok(At::Store(Stored { dir: dir.clone(), tables, config, threads }));
    }
    let config = Config::read(&args.config)
        .map_err(|failure| failure.hint("or say where to ask: --url URL or --store DIR"))?;
    let (url, dir) = (format!("http://{}", config.listen), config.store.clone());
    let tables = config.tables.clone();
    Ok(At::Either(url, Stored { dir, tables, config: Some(config), threads }))
}

/// What to ask, as keys and values of a URL or of the core.
fn pairs(args: &Query) -> Vec<(String, &str)> {
    let mut pairs = vec![("module", args.module.as_str())];
    pairs.extend(args.time.as_deref().map(|time| ("time", time)));
    pairs.extend(args.filter.as_deref().map(|filter| ("filter", filter)));
    pairs.extend(args.source.as_deref().map(|source| ("source", source)));
    pairs.extend(args.interval.as_deref().map(|interval| ("interval", interval)));
    pairs.extend(args.explain.then_some(("explain", "yes")));
    pairs.push(("wait", if args.follow { "yes" } else { "no" }));
    let own = args.args.iter().map(|text| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        (format!("arg.{name}"), value)
    });
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).chain(own).collect()
}

/// Opens the store in a folder, to read it; of a damaged one what can be read.
pub fn opened(dir: &Path) -> Result<RedbStore> {
    salvaged(dir)?
}

/// As [`opened`]; where the file of records is missing or too damaged, what is wrong with it:
/// packets are not in it.
pub fn salvaged(dir: &Path) -> Result<Result<RedbStore>> {
    let path = match store::file_in(dir) {
        Ok(path) => path,
        Err(why) => return Ok(Err(store::none(why))),
    };
    for path in set_aside(&path)? {
        say(&format!("without the records of `{}`, which was damaged", path.display()));
    }
    let (store, damaged) = match RedbStore::open_to_read(&path) {
        Err(error @ StoreError::Damaged { .. }) => return Ok(Err(error.into())),
        opened => opened?,
    };
    if let Some(error) = damaged {
        // Nothing is found without what says which streams there are.
        if let Err(error) = store.streams() {
            return Ok(Err(error.into()));
        }
        Message::new(error.to_string()).hint("what can be read of it follows").show("warning");
    }
    Ok(Ok(store))
}

fn read(stored: &Stored, args: &Query, format: AnswerFormat) -> Result {
    if args.follow {
        let failure = Failure::usage("a store alone has nothing to follow");
        return Err(failure.hint("--url asks a running monitor"));
    }
    let question = pairs(args);
    let question = question.iter().map(|(key, value)| (key.as_str(), *value));
    let question = Question::parse(question).map_err(refused)?;
    let store: Arc<dyn RecordStore> = match salvaged(&stored.dir)? {
        Err(failure) if store::has_packets(&stored.dir) => {
            let hint = "packets alone are read; `como serve` begins a new file of records, and \
                        `como store verify` says what is left";
            Message::new(failure.text()).hint(hint).show("warning");
            Arc::new(MemoryStore::default())
        }
        other => Arc::new(other?),
    };
    use_sketch_secret(&*store);
    match format {
        AnswerFormat::Records(format) => records(stored, &store, &question, &args.allow, format),
        AnswerFormat::Packets(capture) => packets(stored, &store, &question, capture),
    }
}

/// Writes the packets of a store that are asked for, or those that records are replayed as.
fn packets(
    stored: &Stored,
    store: &Arc<dyn RecordStore>,
    question: &Question,
    capture: Capture,
) -> Result {
    question.allows_packets().map_err(refused)?;
    let packets = stored.packets();
    let place = Place { store: &**store, feed: None, running: &[], packets: Some(&packets) };
    let mut out = io::BufWriter::new(io::stdout());
    match Packets::open(question, capture, place, stored.tables.load()?) {
        Err(QueryError::NoPackets { .. }) => {
            let module = store.stream(&question.module)?.unwrap_or_default().module;
            let own = stored.maker(&question.module, &module);
            let own = own.and_then(|maker| maker.replayer());
            let asked = (question, capture, stored.tables.load()?);
            let answer = Replayed::open(asked, place, store.clone(), own);
            answer.map_err(refused)?.write(&mut out).map_err(refused)?;
            out.flush()?;
        }
        answer => {
            let answer = answer.map_err(refused)?;
            let copied = answer.write(&mut out).map_err(refused)?;
            out.flush()?;
            found(copied, answer.covered());
        }
    }
    Ok(())
}

/// Writes the records of a store that are asked for, or those of the module run afresh.
fn records(
    stored: &Stored,
    store: &Arc<dyn RecordStore>,
    question: &Question,
    allow: &[String],
    format: Format,
) -> Result {
    let rerun = |otherwise| rerun::perform(stored, store, (question, otherwise), allow, format);
    if question.source.is_some() || question.explain {
        return rerun(None)?.map_err(refused);
    }
    if let Some(other) = other_arg(stored, &**store, question)? {
        return rerun(Some(other))?.map_err(refused);
    }
    match recorded((stored, store, format), question) {
        Ok(written) => written,
        // Why the records do not answer says more than why nothing else does.
        Err(error @ QueryError::OtherFilter { partly, .. }) => match rerun(Some(error))? {
            // Nothing stored says more than the records do of a part of the time.
            Err(QueryError::OtherFilter { .. }) if partly.0 > 0 && !question.partly => {
                let question = Question { partly: true, ..question.clone() };
                records(stored, store, &question, allow, format)
            }
            Err(error @ QueryError::OtherFilter { .. }) if !question.alone => {
                let hint = "`--explain` says why nothing else that is stored answers";
                Err(refused(error).hint(hint))
            }
            done => done.map_err(refused),
        },
        Err(QueryError::UnknownModule { name, .. })
            if !question.alone && is_module(stored, &name) =>
        {
            rerun(None)?.map_err(refused)
        }
        Err(error) => Err(refused(error)),
    }
}

/// A store, and the format in which an answer from it is written.
type Reading<'a> = (&'a Stored, &'a Arc<dyn RecordStore>, Format);

/// Writes stored records, as they are or merged into those of longer intervals; the outer error is
/// why they do not answer.
fn recorded(from: Reading<'_>, question: &Question) -> std::result::Result<Result, QueryError> {
    let (stored, store, _) = from;
    let place = Place { store: &**store, feed: None, running: &[], packets: None };
    if question.interval.is_none() {
        let answer = Answer::open(question, place)?;
        return Ok(as_stored(from, question, place, answer));
    }
    let module = store.stream(&question.module)?.unwrap_or_default().module;
    let maker = stored.maker(&question.module, &module);
    let own = maker.as_ref().and_then(|maker| maker.merger());
    let answer = Coarse::open(question, place, own)?;
    Ok(merged(from, question, place, (answer, maker.as_ref())))
}

/// Writes records as they were stored, and what runs afresh beside them.
fn as_stored(
    from: Reading<'_>,
    question: &Question,
    place: Place<'_>,
    mut answer: Answer<'_>,
) -> Result {
    let begin = Box::new(|query: &Question| Answer::begun(query, place));
    let own = answer.own().map_err(refused)?;
    answer.mixed().into_iter().for_each(|mixed| say(&mixed));
    let told = (answer.columns(), answer.sources());
    if let Some(()) = rerun::beside(from, (question, &own), told, begin)? {
        return Ok(());
    }
    let (stored, _, format) = from;
    let maker = stored.maker(&question.module, &answer.stream().module);
    say_missed(answer.missed());
    show(&mut answer, &question.module, format, maker.as_ref(), &Progress::new(true).curtain())
}

/// Writes records merged into those of longer intervals, and what runs afresh beside them.
fn merged(
    from: Reading<'_>,
    question: &Question,
    place: Place<'_>,
    (mut answer, maker): (Coarse<'_>, Option<&Maker>),
) -> Result {
    let own = || maker.and_then(|maker| maker.merger());
    let begin = Box::new(|query: &Question| Coarse::begun(query, place, own()));
    answer.mixed().into_iter().for_each(|mixed| say(&mixed));
    let told = (answer.columns(), answer.sources());
    if let Some(()) = rerun::beside(from, (question, &answer.own()), told, begin)? {
        return Ok(());
    }
    say_missed(answer.missed());
    show(&mut answer, &question.module, from.2, maker, &Progress::new(true).curtain())
}

fn say_missed(missed: Option<Missed>) {
    missed.into_iter().for_each(|missed| say(&missed.to_string()));
}

/// Why what is recorded does not answer, if for an argument.
fn other_arg(
    stored: &Stored,
    store: &dyn RecordStore,
    question: &Question,
) -> Result<Option<QueryError>> {
    if question.args.is_empty() || store.stream(&question.module)?.is_none() {
        return Ok(None);
    }
    match stored.made_by(&question.module, "") {
        Some(known) => afresh::other_arg(&known, question),
        None => Ok(afresh::unknown_arg(question)),
    }
}

/// Whether a text names a script, a shipped module, or an instance of the configuration.
fn is_module(stored: &Stored, name: &str) -> bool {
    let mut configured = stored.config.iter().flat_map(|config| &config.instances);
    catalogue::names().iter().any(|known| known == name)
        || catalogue::is_path(name)
        || configured.any(|instance| instance.name == name)
}

/// Says what the answer took; of an empty one, when there are packets.
fn found(Copied { packets, effort }: Copied, covered: Option<(Ts, Ts)>) {
    let Effort { bytes_read, bytes_all, damaged, .. } = effort;
    let share = 100.0 * bytes_read as f64 / bytes_all.max(1) as f64;
    say(&match (packets, covered) {
        (0, None) => "no packets are kept yet".to_owned(),
        (0, Some((first, last))) => {
            format!("no such packets: those kept are from {first} until {last}")
        }
        _ => format!("{packets} packets; {share:.1} % of what is kept was read"),
    });
    if damaged > 0 {
        say(&format!("{damaged} damaged parts were left out; the log names them"));
    }
}

/// What is wrong with the question, pointing at the place where there is one.
pub fn refused(error: QueryError) -> Failure {
    match error {
        QueryError::Filter { text, error } => crate::filter::wrong(&text, &error),
        QueryError::Store(error) => error.into(),
        QueryError::Write(error) => error.into(),
        QueryError::Packets(error) => match with_causes(&error).split_once(": ask ") {
            Some((what, hint)) => Failure::new(what).hint(format!("ask {hint}")),
            None => error.into(),
        },
        error => match error.to_string().split_once("; ") {
            Some((what, hint)) => Failure::usage(what).hint(hint),
            None => Failure::usage(error.to_string()),
        },
    }
}
