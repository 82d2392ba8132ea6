//! What goes to standard output: records in the format asked for, and lists.

pub mod table;

use std::collections::HashMap;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::sync::Arc;

use comfy_table::{ContentArrangement, presets};
use como_core::lookup::Lookups;
use como_core::module::Maker;
use como_core::module::aside::{self, Asides};
use como_core::record::{Output, Records, Schema};
use como_core::render::{self, Renderer};
use como_core::supervisor::{Instance, Sink, SinkError};

use crate::cli::Format;
use crate::columnar;
use crate::error::{Failure, Result};
use crate::progress::Curtain;
use table::Table;

/// The format asked for, or what suits the reader: a table for eyes, NDJSON for programs. What this
/// build cannot write, or a terminal cannot show, is refused.
pub fn chosen(format: Option<Format>) -> Result<Format> {
    let to_eyes = io::stdout().is_terminal();
    match format {
        Some(format) if !columnar::knows(format.written()) => {
            Err(Failure::usage(columnar::MISSING))
        }
        Some(format) if to_eyes && format.written().is_binary() => {
            let what = format!("{} is not for a terminal", format.written().name());
            Err(Failure::usage(what).hint("send it to a file or a program: > FILE"))
        }
        Some(format) => Ok(format),
        None if to_eyes => Ok(Format::Table),
        None => Ok(Format::Ndjson),
    }
}

/// Writes records to standard output as they close.
pub struct RecordSink {
    out: BufWriter<Stdout>,
    shape: Shape,
    curtain: Curtain,
}

/// How records become text.
enum Shape {
    /// For eyes.
    Table(Table),
    /// One module's records in a format of theirs.
    One(Box<dyn Renderer>),
    /// Several modules' records, an object a line, each with the module's name.
    Named(HashMap<String, Box<dyn Renderer>>),
}

impl RecordSink {
    /// A sink for the records of these instances, which look addresses up in these tables.
    pub fn new(
        format: Format,
        instances: &[Instance],
        lookups: &Arc<Lookups>,
        curtain: Curtain,
    ) -> Result<Self> {
        let outputs = instances.iter().any(|one| !one.kind.manifest().outputs.is_empty());
        let shape = match (format, instances) {
            (Format::Table, _) => Shape::Table(Table::new(instances.len() > 1 || outputs)),
            (Format::Ndjson, _) if outputs => Shape::Named(HashMap::new()),
            (_, [one]) => Shape::One(renderer(format, Some(&one.maker(lookups.clone())))),
            (Format::Ndjson, _) => Shape::Named(HashMap::new()),
            _ => {
                let what = "only table and ndjson can tell the records of several modules apart";
                return Err(Failure::usage(what).hint("run one module, or use --format ndjson"));
            }
        };
        let out = BufWriter::with_capacity(1 << 16, io::stdout());
        Ok(Self { out, shape, curtain })
    }
}

impl Sink for RecordSink {
    fn columns(&mut self, _: &str, columns: Option<&Schema>) -> std::result::Result<(), SinkError> {
        match &mut self.shape {
            Shape::One(renderer) => Ok(renderer.begin(columns, &mut self.out)?),
            _ => Ok(()),
        }
    }

    fn accept(&mut self, instance: &str, output: Output) -> std::result::Result<(), SinkError> {
        match &mut self.shape {
            Shape::Table(table) => {
                self.out.write_all(table.output(instance, &output).as_bytes())?;
            }
            Shape::One(renderer) => renderer.output(&output, &mut self.out)?,
            Shape::Named(renderers) => {
                let mut lines = Vec::new();
                renderers
                    .entry(instance.to_owned())
                    .or_insert_with(|| shown(render::Format::Ndjson, None))
                    .output(&output, &mut lines)?;
                let name = serde_json::Value::from(instance).to_string();
                for line in lines.split_inclusive(|byte| *byte == b'\n') {
                    // Each line is an object; the name becomes its first field.
                    write!(self.out, "{{\"module\":{name},")?;
                    self.out.write_all(line.strip_prefix(b"{").unwrap_or(line))?;
                }
            }
        }
        Ok(())
    }

    /// Rows of a module's outputs go beside its records, where these can be told apart. Alerts are
    /// in the log.
    fn asides(&mut self, instance: &str, asides: Asides) -> std::result::Result<(), SinkError> {
        if matches!(self.shape, Shape::One(_)) {
            return Ok(());
        }
        for (output, records) in asides.outputs {
            self.accept(&aside::stream(instance, &output), Output::Records(records))?;
        }
        Ok(())
    }

    fn commit(&mut self) -> std::result::Result<(), SinkError> {
        if self.out.buffer().is_empty() {
            return Ok(());
        }
        let out = &mut self.out;
        Ok(self.curtain.behind(|| out.flush())?)
    }

    fn end(&mut self) -> std::result::Result<(), SinkError> {
        if let Shape::One(renderer) = &mut self.shape {
            renderer.end(&mut self.out)?;
        }
        self.commit()
    }
}

/// A sink for records that nobody wants.
pub struct Nowhere;

impl Sink for Nowhere {
    fn accept(&mut self, _: &str, _: Output) -> std::result::Result<(), SinkError> {
        Ok(())
    }
}

/// The renderer of one module's records: its own way to print, where it has one for the format.
pub fn renderer(format: Format, maker: Option<&Maker>) -> Box<dyn Renderer> {
    shown(format.written(), maker)
}

/// The same, for a format by its name in the core.
pub fn shown(format: render::Format, maker: Option<&Maker>) -> Box<dyn Renderer> {
    // Who asks for types shows the records, not what the module would show of them.
    let maker = maker.filter(|_| format != render::Format::Typed);
    match maker.and_then(|maker| maker.printer(format.name())) {
        Some(print) => render::printed(print),
        None => match format.renderer().or_else(|| columnar::renderer(format)) {
            Some(renderer) => renderer,
            None => Box::new(Missing),
        },
    }
}

/// What stands for a format that this build has not, where that was not said before.
struct Missing;

impl Renderer for Missing {
    fn records(&mut self, _: &Records, _: &mut dyn Write) -> io::Result<()> {
        Err(io::Error::other(columnar::MISSING))
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Err(io::Error::other(columnar::MISSING))
    }
}

/// Writes a line of what was asked for to standard output; what it quotes of traffic, or of another
/// monitor, steers no terminal.
pub fn line(text: &impl std::fmt::Display) -> Result {
    Ok(writeln!(io::stdout(), "{}", render::tamed(&text.to_string()))?)
}

/// A list with a header.
pub fn list<const N: usize>(header: [&str; N]) -> comfy_table::Table {
    let mut table = pairs();
    table.set_header(header);
    table
}

/// Names and values without a header.
pub fn pairs() -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// A list as text: columns two blanks apart.
pub fn text(mut table: comfy_table::Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// Puts a column of numbers on its right side.
pub fn align_right(table: &mut comfy_table::Table, column: usize) {
    if let Some(column) = table.column_mut(column) {
        column.set_cell_alignment(comfy_table::CellAlignment::Right);
    }
}
