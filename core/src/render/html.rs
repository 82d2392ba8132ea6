//! A page with a table. Everything that came from traffic or scripts is escaped.

use std::io::{self, Write};

use super::{Align, BUFFER_BYTES, Renderer, flush, text, told};
use crate::module::Alert;
use crate::record::{Records, Schema};
use crate::storage::scan::Damage;
use crate::time::Ts;

const HEAD: &[u8] = b"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
    <title>records</title>\n<style>\n\
    body { font-family: system-ui, sans-serif; }\n\
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; }\n\
    th, td { padding: 0.1em 0.8em; text-align: left; border-bottom: 1px solid #ddd; }\n\
    .n { text-align: right; }\n.gap { color: #777; font-style: italic; }\n\
    </style>\n</head>\n<body>\n";

#[derive(Default)]
pub(super) struct Html {
    buffer: Vec<u8>,
    columns: Option<u64>,
    classes: Vec<&'static [u8]>,
    begun: bool,
}

impl Html {
    fn head(&mut self, schema: &Schema) {
        let columns = schema.hash();
        if self.columns == Some(columns) {
            return;
        }
        if self.columns.replace(columns).is_some() {
            self.buffer.extend(b"</tbody>\n</table>\n");
        }
        let class = |align| if align == Align::Right { &b" class=\"n\">"[..] } else { b">" };
        self.classes = schema.columns.iter().map(|c| class(Align::of(c.ty))).collect();
        self.buffer.extend(b"<table>\n<thead>\n<tr><th>ts</th>");
        for (column, class) in schema.columns.iter().zip(&self.classes) {
            self.buffer.extend(b"<th");
            self.buffer.extend(*class);
            put_markup(&mut self.buffer, &column.name);
            self.buffer.extend(b"</th>");
        }
        self.buffer.extend(b"</tr>\n</thead>\n<tbody>\n");
    }
}

impl Html {
    /// A line across all columns.
    fn aside(&mut self, what: &str, out: &mut dyn Write) -> io::Result<()> {
        let mut text = vec![b'>'];
        put_markup(&mut text, what);
        let text = String::from_utf8_lossy(&text).into_owned();
        if self.columns.is_none() {
            return writeln!(out, "<p class=\"gap\"{text}</p>");
        }
        let span = self.classes.len() + 1;
        writeln!(out, "<tr class=\"gap\"><td colspan=\"{span}\"{text}</td></tr>")
    }
}

impl Renderer for Html {
    fn begin(&mut self, _: Option<&Schema>, out: &mut dyn Write) -> io::Result<()> {
        self.begun = true;
        out.write_all(HEAD)
    }

    fn records(&mut self, records: &Records, out: &mut dyn Write) -> io::Result<()> {
        self.head(&records.schema);
        for (row, ts) in records.starts.iter().enumerate() {
            self.buffer.extend(b"<tr><td>");
            text::put_ts(&mut self.buffer, *ts);
            self.buffer.extend(b"</td>");
            for (cells, class) in records.cells.iter().zip(&self.classes) {
                self.buffer.extend(b"<td");
                self.buffer.extend(*class);
                text::put_cell(&mut self.buffer, cells, row, put_markup);
                self.buffer.extend(b"</td>");
            }
            self.buffer.extend(b"</tr>\n");
            if self.buffer.len() > BUFFER_BYTES {
                flush(&mut self.buffer, out)?;
            }
        }
        flush(&mut self.buffer, out)
    }

    fn gap(&mut self, from: Ts, to: Ts, out: &mut dyn Write) -> io::Result<()> {
        self.aside(&super::unheard(from, to), out)
    }

    fn damage(&mut self, damage: &Damage, out: &mut dyn Write) -> io::Result<()> {
        self.aside(&format!("damaged: {damage}"), out)
    }

    fn inexact(&mut self, why: &str, out: &mut dyn Write) -> io::Result<()> {
        self.aside(why, out)
    }

    fn places_alerts(&self) -> bool {
        true
    }

    fn alert(&mut self, alert: &Alert, out: &mut dyn Write) -> io::Result<()> {
        self.aside(&format!("alert: {}", told(alert)), out)
    }

    fn broken(&mut self, why: &str, out: &mut dyn Write) -> io::Result<()> {
        if !self.begun {
            self.begin(None, out)?;
        }
        self.aside(&format!("error: {why}"), out)?;
        self.end(out)
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.columns.is_some() {
            out.write_all(b"</tbody>\n</table>\n")?;
        }
        out.write_all(b"</body>\n</html>\n")
    }
}

fn put_markup(out: &mut Vec<u8>, markup: &str) {
    if text::is_tame(markup) {
        out.extend(markup.as_bytes());
        return;
    }
    let mut safe = String::with_capacity(markup.len() + 16);
    for c in markup.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    text::put_escaped(out, &safe);
}
