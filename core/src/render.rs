//! Rendering: records in every format, as they come.
//!
//! The first field of every record is `ts`, the start of its interval; then
//! come the schema's columns, with the same names and types in every format.
//! An absent value is `null` in JSON and empty elsewhere. Nothing that traffic
//! put into a text reaches a terminal or a browser as a command.

mod csv;
mod custom;
mod digits;
mod gnuplot;
mod html;
mod json;
mod plain;
mod text;
mod typed;

use std::io::{self, Write};

use crate::module::{Alert, Print};
use crate::nearest::nearest;
use crate::record::{Output, Records, Schema, Type};
use crate::storage::packets::Capture;
use crate::storage::scan::Damage;
use crate::time::Ts;
pub(crate) use text::is_hostile;
pub use text::{header, row, tamed};
pub use typed::read::{Mistyped, Reader, Told};

/// Writes what is all there is.
pub fn whole(renderer: &mut dyn Renderer, output: &Output, out: &mut dyn Write) -> io::Result<()> {
    renderer.begin(None, out)?;
    renderer.output(output, out)?;
    renderer.end(out)
}

/// A gap in words: a time of which nothing is known, because nobody was listening.
pub fn unheard(from: Ts, to: Ts) -> String {
    format!("no source from {from} to {to}")
}

/// An alert in a line for eyes.
pub fn told(Alert { ts, severity, text, fields }: &Alert) -> String {
    let line = format!("{}: {} {}", severity.name(), text::shown(text), text::shown(fields));
    format!("{ts} {}", line.trim_end())
}

/// Bytes gathered before they are written on: as many as no buffer behind would copy once more.
const BUFFER_BYTES: usize = 64 << 10;

/// Writes records in one format, a part at a time.
///
/// Called in the order `begin`, any number of `records` and `gap`, `end`. What
/// a call was given has been written when it returns, so that live records
/// show at once; save where a format has to see more of them first (a plot, the
/// row groups of Parquet).
pub trait Renderer: Send {
    /// Writes what stands before the first record; the schema, where known already.
    fn begin(&mut self, schema: Option<&Schema>, out: &mut dyn Write) -> io::Result<()> {
        let _ = (schema, out);
        Ok(())
    }

    /// Writes records.
    fn records(&mut self, records: &Records, out: &mut dyn Write) -> io::Result<()>;

    /// Says that no source covered a span, where the format can say so.
    fn gap(&mut self, from: Ts, to: Ts, out: &mut dyn Write) -> io::Result<()> {
        let _ = (from, to, out);
        Ok(())
    }

    /// Says that something stored could not be read, where the format can say so.
    fn damage(&mut self, damage: &Damage, out: &mut dyn Write) -> io::Result<()> {
        let _ = (damage, out);
        Ok(())
    }

    /// Whether the format has a place for alerts; where it has none, who asks may tell them
    /// elsewhere.
    fn places_alerts(&self) -> bool {
        false
    }

    /// Says that the module raised an alert, where the format can say so.
    fn alert(&mut self, alert: &Alert, out: &mut dyn Write) -> io::Result<()> {
        let _ = (alert, out);
        Ok(())
    }

    /// Says, behind all records, in what they are not exact, where the format can say so.
    fn inexact(&mut self, why: &str, out: &mut dyn Write) -> io::Result<()> {
        let _ = (why, out);
        Ok(())
    }

    /// Writes what stands after the last record.
    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let _ = out;
        Ok(())
    }

    /// Says, behind what was written, that the rest is missing and why, where the format can say
    /// so; nothing follows.
    fn broken(&mut self, why: &str, out: &mut dyn Write) -> io::Result<()> {
        let _ = (why, out);
        Ok(())
    }

    /// Writes records or a gap.
    fn output(&mut self, output: &Output, out: &mut dyn Write) -> io::Result<()> {
        match output {
            Output::Records(records) => self.records(records, out),
            Output::Gap { from, to } => self.gap(*from, *to, out),
        }
    }
}

/// A format every module's records have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One JSON object a line.
    Ndjson,
    /// The same for a program that shows them: each part says its columns and how many rows follow.
    Typed,
    /// One JSON array of objects.
    Json,
    /// Comma-separated values with a header, as in RFC 4180.
    Csv,
    /// Aligned columns.
    Plain,
    /// A page with a table.
    Html,
    /// A script that gnuplot draws.
    Gnuplot,
    /// A stream of Arrow's IPC format.
    Arrow,
    /// A Parquet file.
    Parquet,
}

/// Why there is no such format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown format `{name}`{}", hint(.nearest))]
pub struct UnknownFormat {
    /// As the user wrote it.
    pub name: String,
    /// The closest known one, if one is close.
    pub nearest: Option<&'static str>,
}

fn hint(nearest: &Option<&str>) -> String {
    match nearest {
        Some(name) => format!("; did you mean `{name}`?"),
        None => format!(
            "; write one of {}, or for packets of a trace {}",
            Format::ALL.map(Format::name).join(", "),
            captures().join(", ")
        ),
    }
}

/// The formats that only packets have.
fn captures() -> [&'static str; 2] {
    Capture::ALL.map(Capture::name)
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 9] = [
        Self::Ndjson,
        Self::Typed,
        Self::Json,
        Self::Csv,
        Self::Plain,
        Self::Html,
        Self::Gnuplot,
        Self::Arrow,
        Self::Parquet,
    ];

    /// Its name in URLs and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Typed => "typed",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Plain => "plain",
            Self::Html => "html",
            Self::Gnuplot => "gnuplot",
            Self::Arrow => "arrow",
            Self::Parquet => "parquet",
        }
    }

    /// Its media type.
    pub const fn mime(self) -> &'static str {
        match self {
            Self::Ndjson | Self::Typed => "application/x-ndjson",
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Plain => "text/plain; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
            Self::Gnuplot => "text/plain; charset=utf-8",
            Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// The format called `name`.
    pub fn named(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|f| f.name() == name).ok_or_else(|| UnknownFormat {
            name: name.to_owned(),
            nearest: nearest(name, Self::ALL.map(Self::name).into_iter().chain(captures())),
        })
    }

    /// Whether it is bytes for programs alone, which no terminal should be sent.
    pub const fn is_binary(self) -> bool {
        matches!(self, Self::Arrow | Self::Parquet)
    }

    /// A renderer for one answer; none for Arrow and Parquet, whose libraries the core does
    /// without.
    pub fn renderer(self) -> Option<Box<dyn Renderer>> {
        Some(match self {
            Self::Ndjson => Box::new(json::Ndjson::default()),
            Self::Typed => Box::new(typed::Typed::default()),
            Self::Json => Box::new(json::Array::default()),
            Self::Csv => Box::new(csv::Csv::default()),
            Self::Plain => Box::new(plain::Plain::default()),
            Self::Html => Box::new(html::Html::default()),
            Self::Gnuplot => Box::new(gnuplot::Gnuplot::default()),
            Self::Arrow | Self::Parquet => return None,
        })
    }
}

/// A renderer for one answer in a way of the module's own, a line for each record.
pub fn printed(print: Box<dyn Print>) -> Box<dyn Renderer> {
    Box::new(custom::Printed::new(print))
}

/// On which side a column's values line up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Texts, addresses, times.
    Left,
    /// Numbers.
    Right,
}

impl Align {
    /// The side for values of a type.
    pub const fn of(ty: Type) -> Self {
        match ty {
            Type::Uint | Type::Int | Type::Float => Self::Right,
            _ => Self::Left,
        }
    }
}

/// Writes `buffer` on and empties it.
fn flush(buffer: &mut Vec<u8>, out: &mut dyn Write) -> io::Result<()> {
    let written = out.write_all(buffer);
    buffer.clear();
    written
}

#[cfg(test)]
mod tests;
