//! The days of each stream, from the first that is missing to the newest record.

use std::path::Path;

use como_core::nearest::nearest;
use como_core::query::{Answer, Place, Query as Question, Steps, Times};
use como_core::record::Output;
use como_core::storage::redb::RedbStore;
use como_core::storage::scan::Found;
use como_core::storage::{RecordStore, Scan, Stream, Window};
use como_core::time::Ts;

use super::days::{self, Part};
use super::parts;
use crate::cli::Export;
use crate::columnar::parquet::Parquet;
use crate::config::Config;
use crate::error::{Failure, Message, Result, say};
use crate::output::table::thousands;
use crate::progress::Progress;
use crate::query::{opened, refused};

/// What an export came to.
#[derive(Default)]
struct Report {
    files: u64,
    rows: u64,
    bytes: u64,
    damaged: u64,
}

/// Exports each stream that is asked for. One that fails does not keep the others.
pub fn perform(args: &Export) -> Result {
    let times = args.time.as_deref().map(Times::parse).transpose();
    let times = times.map_err(|error| Failure::usage(error.to_string()))?;
    let dir = match &args.store {
        Some(dir) => dir.clone(),
        None => {
            Config::read(&args.config)
                .map_err(|failure| failure.hint("or say where the store is: --store DIR"))?
                .store
        }
    };
    let store = opened(&dir)?;
    let mut progress = Progress::new(args.quiet);
    let mut failed = None;
    for stream in chosen(&store, &args.modules)? {
        let exported = export(&store, &stream, times, &args.to, &progress);
        let earlier = match exported {
            Ok(report) => {
                progress.curtain().behind(|| report.tell(&stream.name, args.quiet));
                None
            }
            Err(failure) => failed.replace(failure),
        };
        earlier.iter().for_each(|failure: &Failure| failure.show());
    }
    progress.finish();
    failed.map_or(Ok(()), Err)
}

impl Report {
    fn tell(&self, name: &str, quiet: bool) {
        if self.damaged > 0 {
            let what = format!("{} damaged blocks of `{name}` were left out", self.damaged);
            Message::new(what).hint("`como query` names them").show("warning");
        }
        if quiet {
            return;
        }
        let Self { files, rows, bytes, .. } = self;
        say(&match files {
            0 => format!("{name}: nothing new"),
            1 => format!("{name}: {} rows in 1 file, {bytes} bytes", thousands(&rows.to_string())),
            _ => {
                let rows = thousands(&rows.to_string());
                format!("{name}: {rows} rows in {files} files, {bytes} bytes")
            }
        });
    }
}

/// The streams of these names; all where none is named.
fn chosen(store: &dyn RecordStore, names: &[String]) -> Result<Vec<Stream>> {
    let all = store.streams()?;
    if names.is_empty() {
        return Ok(all);
    }
    let find = |name: &String| {
        all.iter().find(|stream| stream.name == *name).cloned().ok_or_else(|| {
            let known: Vec<&str> = all.iter().map(|stream| stream.name.as_str()).collect();
            let failure = Failure::usage(format!("no module `{name}` in the store"));
            match nearest(name, known.iter().copied()) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint(format!("known are {}", known.join(", "))),
            }
        })
    };
    names.iter().map(find).collect()
}

/// Writes what is missing of one stream.
fn export(
    store: &RedbStore,
    stream: &Stream,
    times: Option<Times>,
    to: &Path,
    progress: &Progress,
) -> Result<Report> {
    let mut report = Report::default();
    let Some(Window { from: first, to: last }) = stream.span() else { return Ok(report) };
    let asked = times.map_or(Ok(Window::ALL), |times| times.resolve(last));
    let asked = asked.map_err(|error| Failure::usage(error.to_string()))?;
    let all = Window { from: first.max(asked.from), to: last.min(asked.to) };
    let mut at = all.from;
    while at < all.to {
        progress.share(&stream.name, (at - all.from).0, (all.to - all.from).0);
        let day = days::day(at);
        let want = Window { from: at, to: day.to.min(all.to) };
        let folder = parts::folder(to, &stream.name, day.from);
        let mut parts = parts::found(&folder)?;
        for part in &mut parts {
            let is_kept = part.window.from >= want.from.max(first);
            if is_kept && has_later(store, stream, part)? {
                part.window.to = part.window.from;
            }
        }
        let tasks = days::tasks(want, &parts, first);
        at = day.to;
        if let Some(task) = tasks.first() {
            // Where nothing was recorded for long, all of it is passed over at once.
            match next_row(store, &stream.name, Window { from: task.new.from, to: all.to })? {
                None => break,
                Some(ts) if ts >= day.to => {
                    at = days::day(ts).from;
                    continue;
                }
                Some(_) => {}
            }
        }
        for task in tasks {
            if next_row(store, &stream.name, task.new)?.is_some() {
                write(store, stream, &folder, task.part, &mut report)?;
            }
        }
        if day.to == Ts(u64::MAX) {
            break;
        }
    }
    Ok(report)
}

/// Whether records came into the time of a file after it was written. A monitor that stops records
/// the interval that it stops in; when it starts again, the rest of that is a record of its own.
fn has_later(store: &RedbStore, stream: &Stream, part: &Part) -> Result<bool> {
    let Some(next_seq) = part.next_seq.filter(|next_seq| *next_seq < stream.next_seq) else {
        return Ok(false);
    };
    let mut scan = Scan::new(store, &stream.name, part.window);
    while let Some(found) = scan.find().transpose()? {
        if let Found::Part(found) = found
            && found.seq >= next_seq
            && matches!(found.output, Output::Records(_))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// When the first row of a window begins.
fn next_row(store: &RedbStore, name: &str, window: Window) -> Result<Option<Ts>> {
    let mut scan = Scan::new(store, name, window);
    while let Some(found) = scan.find().transpose()? {
        if let Found::Part(part) = found
            && let Output::Records(records) = part.output
            && let Some(first) = records.starts.first()
        {
            return Ok(Some(*first));
        }
    }
    Ok(None)
}

fn write(
    store: &RedbStore,
    stream: &Stream,
    folder: &Path,
    mut part: Part,
    report: &mut Report,
) -> Result {
    let times = Some(Times::of(part.window));
    let question = Question { times, wait: false, ..Question::all(&stream.name) };
    let place = Place { store, feed: None, running: &[], packets: None };
    let mut answer = Answer::open(&question, place).map_err(refused)?;
    let mut file = Parquet::default();
    file.say("como.module", stream.module.clone());
    file.say("como.stream", stream.name.clone());
    file.say("como.filter", stream.filter());
    part.next_seq = (Some(part.window.to) == stream.end).then_some(stream.next_seq);
    parts::say(&mut file, &part);
    let bytes = parts::put(folder, part.number, |out| {
        let written = answer.write(&mut file, out, || Ok(())).map_err(refused)?;
        report.damaged += written.damaged;
        Ok(())
    })?;
    report.files += 1;
    report.rows += file.rows();
    report.bytes += bytes;
    Ok(())
}
