//! An answer on standard output, beside whatever progress is shown meanwhile.

use std::io::{self, Write};
use std::sync::Arc;

use como_core::module::{Alert, Maker};
use como_core::query::{QueryError, Report, Step, Steps};
use como_core::record::{Output, Schema};
use como_core::render;
use como_core::storage::Coverage;

use super::refused;
use super::told::{say_inexact, say_sources};
use crate::cli::Format;
use crate::error::{Result, say};
use crate::output::{self, table::Table};
use crate::progress::Curtain;

/// Writes an answer in a format.
pub fn show(
    steps: &mut impl Steps,
    name: &str,
    format: Format,
    maker: Option<&Maker>,
    curtain: &Curtain,
) -> Result {
    match format {
        Format::Table => seen(steps, name, curtain),
        format => written(steps, output::renderer(format, maker).as_mut(), curtain),
    }
}

/// Shows an answer as a table, and below it what it was made of.
fn seen(steps: &mut impl Steps, name: &str, curtain: &Curtain) -> Result {
    let mut seen = Seen::new(name, curtain);
    loop {
        match steps.step().map_err(refused)? {
            Step::Output(part) => seen.output(&part)?,
            Step::Damaged(damage) => seen.damaged(&damage.to_string())?,
            Step::Alert(alert) => seen.alert(&alert)?,
            Step::Waiting => seen.flush()?,
            Step::End => break,
        }
    }
    seen.flush()?;
    let told = steps.sources().iter();
    curtain.behind(|| told.for_each(|told| say_sources(&told.since, &told.sources)));
    Ok(())
}

/// Writes an answer for programs, and says what its format has no place for.
fn written(
    steps: &mut impl Steps,
    renderer: &mut dyn render::Renderer,
    curtain: &Curtain,
) -> Result {
    let (mut out, all) = (Hidden::new(curtain), || Ok(()));
    match renderer.places_alerts() {
        true => steps.write(renderer, &mut out, all),
        false => Aloud { steps, curtain }.write(renderer, &mut out, all),
    }
    .map_err(refused)?;
    out.flush()?;
    let covered = steps.sources().iter().flat_map(|coverage| &coverage.sources);
    curtain.behind(|| say_inexact(covered));
    Ok(())
}

/// A table of an answer on standard output, wherever the answer comes from.
pub struct Seen<'a> {
    name: &'a str,
    table: Table,
    out: Hidden<'a>,
}

impl<'a> Seen<'a> {
    /// An empty one of what an instance says.
    pub fn new(name: &'a str, curtain: &'a Curtain) -> Self {
        Self { name, table: Table::new(false), out: Hidden::new(curtain) }
    }

    /// Shows records or a gap.
    pub fn output(&mut self, output: &Output) -> io::Result<()> {
        self.out.write_all(self.table.output(self.name, output).as_bytes())
    }

    /// Shows what could not be read.
    pub fn damaged(&mut self, what: &str) -> io::Result<()> {
        writeln!(self.out, "-- damaged: {} --", render::tamed(what))
    }

    /// Shows an alert.
    pub fn alert(&mut self, alert: &Alert) -> io::Result<()> {
        writeln!(self.out, "-- alert: {} --", render::told(alert))
    }

    /// Lets it be seen.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// An answer of which alerts are said beside it, because its format has no place for them.
struct Aloud<'a, S> {
    steps: &'a mut S,
    curtain: &'a Curtain,
}

impl<S: Steps> Steps for Aloud<'_, S> {
    fn step(&mut self) -> std::result::Result<Step, QueryError> {
        loop {
            match self.steps.step()? {
                Step::Alert(alert) => {
                    self.curtain.behind(|| say(&format!("alert: {}", render::told(&alert))));
                }
                step => return Ok(step),
            }
        }
    }

    fn report(&self) -> Report {
        self.steps.report()
    }

    fn sources(&self) -> &[Coverage] {
        self.steps.sources()
    }

    fn columns(&self) -> Option<Arc<Schema>> {
        self.steps.columns()
    }
}

/// Standard output, with the progress out of the way while something is written.
struct Hidden<'a> {
    out: io::BufWriter<io::Stdout>,
    curtain: &'a Curtain,
}

impl<'a> Hidden<'a> {
    fn new(curtain: &'a Curtain) -> Self {
        Self { out: io::BufWriter::new(io::stdout()), curtain }
    }
}

impl Write for Hidden<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.curtain.behind(|| self.out.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.curtain.behind(|| self.out.flush())
    }
}
