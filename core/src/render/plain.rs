//! Aligned text. Widths are those of the first rows; a later row that needs more takes more.

use std::io::{self, Write};

use super::{Align, BUFFER_BYTES, Renderer, flush, text, told};
use crate::module::Alert;
use crate::record::{Records, Schema};
use crate::storage::scan::Damage;
use crate::time::Ts;

/// How many rows are looked at before the first is written.
const LOOKAHEAD_ROWS: usize = 256;

#[derive(Default)]
pub(super) struct Plain {
    buffer: Vec<u8>,
    columns: Option<u64>,
    layout: Vec<(usize, Align)>,
}

impl Plain {
    fn head(&mut self, records: &Records) {
        let columns = records.schema.hash();
        if self.columns.replace(columns) == Some(columns) {
            return;
        }
        self.layout = layout(&records.schema, records);
        self.line(&text::header(&records.schema));
    }

    fn line(&mut self, fields: &[String]) {
        for (at, (field, (width, align))) in fields.iter().zip(&self.layout).enumerate() {
            if at > 0 {
                self.buffer.extend(b"  ");
            }
            let fill = std::iter::repeat_n(b' ', width.saturating_sub(field.chars().count()));
            let last = at + 1 == self.layout.len();
            match align {
                Align::Right => {
                    self.buffer.extend(fill);
                    self.buffer.extend(field.as_bytes());
                }
                Align::Left => {
                    self.buffer.extend(field.as_bytes());
                    self.buffer.extend(fill.take(if last { 0 } else { usize::MAX }));
                }
            }
        }
        self.buffer.push(b'\n');
    }
}

fn layout(schema: &Schema, records: &Records) -> Vec<(usize, Align)> {
    let aligns = schema.columns.iter().map(|column| Align::of(column.ty));
    let aligns = std::iter::once(Align::Left).chain(aligns);
    let widths = text::header(schema).into_iter().map(|name| name.chars().count());
    let mut layout: Vec<_> = widths.zip(aligns).collect();
    for row in 0..records.rows().min(LOOKAHEAD_ROWS) {
        for ((width, _), field) in layout.iter_mut().zip(text::row(records, row)) {
            *width = (*width).max(field.chars().count());
        }
    }
    layout
}

impl Renderer for Plain {
    fn records(&mut self, records: &Records, out: &mut dyn Write) -> io::Result<()> {
        self.head(records);
        for row in 0..records.rows() {
            self.line(&text::row(records, row));
            if self.buffer.len() > BUFFER_BYTES {
                flush(&mut self.buffer, out)?;
            }
        }
        flush(&mut self.buffer, out)
    }

    fn gap(&mut self, from: Ts, to: Ts, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "-- {} --", super::unheard(from, to))
    }

    fn damage(&mut self, damage: &Damage, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "-- damaged: {damage} --")
    }

    fn inexact(&mut self, why: &str, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "-- {} --", text::shown(why))
    }

    fn places_alerts(&self) -> bool {
        true
    }

    fn alert(&mut self, alert: &Alert, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "-- alert: {} --", told(alert))
    }

    fn broken(&mut self, why: &str, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "error: {}", text::tamed(why))
    }
}
