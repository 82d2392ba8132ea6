//! `como info`: what captures hold, one report for each.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use como_core::source::{Source, SourceError};
use como_core::summary::{Part, Report, Summary};
use serde::Serialize;

use crate::cli::Info;
use crate::error::{Failure, Result};
use crate::output::{self, table::thousands};
use crate::{session, sources};

/// A report with the name of what it is about.
#[derive(Serialize)]
struct Named<'a> {
    source: &'a str,
    #[serde(flatten)]
    report: &'a Report,
}

/// Reads each capture through and says what it holds. One that breaks off is reported as far as
/// it goes, and then as an error.
pub fn perform(args: &Info) -> Result {
    let asked = args.files.len() + args.specs.len();
    if asked == 0 {
        return Err(Failure::usage("there is nothing to look at").hint("como info FILE"));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = stop.clone();
    let signals = session::stop_on_signal(move || stopping.store(true, Relaxed))?;
    let mut failures = Vec::new();
    let files = args.files.iter().map(|file| (file.to_string_lossy(), sources::open_file(file)));
    let specs = args.specs.iter().map(|spec| (Cow::from(spec), sources::open([spec.clone()])));
    for (name, opened) in files.chain(specs) {
        match opened.map(|sources| report(sources, &stop)) {
            Ok((report, error)) => {
                show(args.json, &name, &report, asked > 1)?;
                failures.extend(error.map(sources::wrong));
            }
            Err(failure) => failures.push(failure),
        }
    }
    signals.close();
    let Some(last) = failures.pop() else { return Ok(()) };
    failures.iter().for_each(Failure::show);
    Err(last)
}

/// What was named once holds, as far as it could be read, and why not to its end.
fn report(sources: Vec<Box<dyn Source>>, stop: &AtomicBool) -> (Report, Option<SourceError>) {
    let mut summary = Summary::default();
    let mut broken = None;
    for mut source in sources {
        if let Err(error) = summary.read(source.as_mut(), stop) {
            broken = Some(error);
        }
    }
    (summary.report(), broken)
}

fn show(json: bool, name: &str, report: &Report, several: bool) -> Result {
    if json {
        output::line(&serde_json::to_string(&Named { source: name, report })?)?;
        return Ok(());
    }
    if several {
        output::line(&format!("{name}\n"))?;
    }
    for part in report.parts() {
        output::line(&format!("{}\n", page(&part)))?;
    }
    Ok(())
}

/// One part of a report.
fn page(part: &Part) -> String {
    let mut table = output::pairs();
    let heads = part.columns.iter().map(|column| column.to_uppercase());
    if !part.columns.is_empty() {
        table.set_header(heads);
    }
    for row in &part.rows {
        table.add_row(row.iter().map(|cell| amount(cell)));
    }
    for at in 1..part.columns.len() {
        output::align_right(&mut table, at);
    }
    format!("{}\n{}", part.title, output::text(table))
}

/// A whole number with its thousands apart; anything else as it is.
fn amount(cell: &str) -> String {
    let is_number = cell.len() > 3 && cell.bytes().all(|b| b.is_ascii_digit());
    if is_number { thousands(cell) } else { cell.to_owned() }
}
