//! `como filter`: what a filter means, what it needs, and how much it matches.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use como_core::batch::Batch;
use como_core::field::Demand;
use como_core::filter::{Explain, FilterError};
use como_core::lookup::Lookups;
use como_core::module::{Export, Kind, Manifest, Module, ModuleError, Setup, Started};
use como_core::selection::Selection;
use como_core::supervisor::{Instance, Monitor, Options};
use como_core::time::{Interval, Span};
use serde::Serialize;

use crate::cli::Filter;
use crate::error::{Failure, Message, Result};
use crate::output::{self, table::thousands};
use crate::session;

/// What is said of a filter; the keys of `--json`.
#[derive(Debug, Serialize)]
struct Explained {
    filter: String,
    columns: Vec<&'static str>,
    headers: bool,
    payload: bool,
    bpf: Option<String>,
    #[serde(flatten)]
    matched: Option<Matched>,
}

/// How much a filter matches in a source.
#[derive(Debug, Serialize)]
struct Matched {
    packets: u64,
    bytes: u64,
    packets_seen: u64,
}

/// Explains the filter, and counts where sources are given.
pub fn perform(args: &Filter) -> Result {
    let text = args.words.join(" ");
    let explain = parse(&text)?;
    let lookups = args.sources.tables.load()?;
    if let Some(missing) = explain.expr.lacks(&lookups) {
        return Err(Failure::usage(missing.to_string()));
    }
    let matched = match args.sources.is_empty() {
        true => None,
        false => Some(count(&text, args, lookups)?),
    };
    let explained = Explained {
        filter: explain.canonical,
        columns: explain.columns.iter().map(|field| field.name()).collect(),
        headers: explain.headers,
        payload: explain.payload,
        bpf: explain.bpf,
        matched,
    };
    if args.json {
        return output::line(&serde_json::to_string(&explained)?);
    }
    show(&explained)
}

/// Parses a filter; says what may not mean what was meant.
pub fn parse(text: &str) -> Result<Explain> {
    let explain = Explain::of(text).map_err(|error| wrong(text, &error))?;
    for warning in &explain.warnings {
        let message = Message::new(warning.to_string()).at("", text, warning.at());
        warning.hint().into_iter().fold(message, Message::hint).show("warning");
    }
    Ok(explain)
}

/// A mistake in a filter, underlined.
pub fn wrong(text: &str, error: &FilterError) -> Failure {
    let failure = Failure::usage(error.to_string()).at("", text, error.at());
    // The commonest slip: a capture where the filter stands.
    if let Some(file) = text.split_whitespace().find(|word| Path::new(word).is_file()) {
        return failure.hint(format!("`{file}` is a file: -r {file} reads it"));
    }
    error.hint().into_iter().fold(failure, Failure::hint)
}

fn show(explained: &Explained) -> Result {
    let mut table = output::pairs();
    table.add_row(["filter", &explained.filter]);
    let reads = match &explained.columns[..] {
        [] if explained.payload => "payload".to_owned(),
        [] if explained.headers => "where headers are".to_owned(),
        [] => "nothing: no header is read".to_owned(),
        columns if explained.payload => format!("{} payload", columns.join(" ")),
        columns => columns.join(" "),
    };
    table.add_row(["reads", &reads]);
    table.add_row(["in the kernel", explained.bpf.as_deref().unwrap_or("nothing can be dropped")]);
    if let Some(matched) = &explained.matched {
        let count = |n: u64| thousands(&n.to_string());
        let of = format!("{} of {}", count(matched.packets), count(matched.packets_seen));
        table.add_row(["packets", &of]);
        table.add_row(["bytes", &count(matched.bytes)]);
    }
    output::line(&output::text(table))
}

/// Counts what the filter matches, the way every module's filter is evaluated.
fn count(text: &str, args: &Filter, lookups: Arc<Lookups>) -> Result<Matched> {
    let total = Arc::new(Total::default());
    let mut instance = Instance::of(Arc::new(Counting::new(total.clone())));
    instance.filter = text.to_owned();
    let options = Options { workers: 1, lookups, ..Options::default() };
    let sources = args.sources.open()?;
    let monitor = Monitor::start(options, sources, vec![instance], Box::new(output::Nowhere))
        .map_err(session::refused)?;
    let signals = session::stop_on_signal(monitor.stopper())?;
    let ended = monitor.wait();
    signals.close();
    session::verdict(&ended.status)?;
    Ok(Matched {
        packets: total.packets.load(Relaxed),
        bytes: total.bytes.load(Relaxed),
        packets_seen: total.packets_seen.load(Relaxed),
    })
}

/// What was counted, for as long as it ran.
#[derive(Debug, Default)]
struct Total {
    packets: AtomicU64,
    bytes: AtomicU64,
    packets_seen: AtomicU64,
}

/// A module that adds to a total and records nothing.
struct Counting {
    manifest: Manifest,
    total: Arc<Total>,
}

impl Counting {
    fn new(total: Arc<Total>) -> Self {
        Self { manifest: Manifest { name: "filter".to_owned(), ..Manifest::default() }, total }
    }
}

impl Kind for Counting {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn start(&self, _: &Setup) -> std::result::Result<Started, ModuleError> {
        Ok(Started {
            module: Box::new(Adding(self.total.clone())),
            filter: String::new(),
            demand: Demand::NONE,
            interval: Span::from_secs(3600),
            schema: None,
            apart: false,
        })
    }
}

struct Adding(Arc<Total>);

impl Module for Adding {
    fn update(&mut self, batch: &Batch, picked: &Selection) {
        let add = |total: &AtomicU64, more: u64| {
            let _ = total.fetch_update(Relaxed, Relaxed, |sum| Some(sum.saturating_add(more)));
        };
        add(&self.0.packets, batch.packets().sum(picked));
        add(&self.0.bytes, batch.bytes().sum(picked));
        add(&self.0.packets_seen, batch.packets().sum(&Selection::all(batch.len())));
    }

    fn export(&mut self, _: Interval, _: &mut Export) {}
}
