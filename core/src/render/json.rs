//! JSON: an object a line, or one array of them.
//!
//! A gap is an object with `ts`, its first instant, and `gap_until`; a stored
//! block that cannot be read is one with `damaged_until` and `damaged`. Where an
//! answer breaks off the last object has an `error`, and nothing else.

mod lines;

use std::io::{self, Write};
use std::sync::Arc;

use self::lines::{Lines, Padded, plain};
use super::{BUFFER_BYTES, Renderer, flush, text};
use crate::module::Alert;
use crate::record::{Cells, Column, Data, Records, Schema};
use crate::storage::scan::Damage;
use crate::time::Ts;

/// Objects, and what stands between them.
#[derive(Default)]
struct Objects {
    buffer: Vec<u8>,
    // `{"ts":"..."` of the last interval: rows of one interval share it.
    head: Padded,
    head_ts: Option<Ts>,
    keys: Vec<Padded>,
    schema: Option<Arc<Schema>>,
    // Whether a number that JSON has none for is a text, as `NaN`, or absent.
    keeps_odd: bool,
}

impl Objects {
    fn learn(&mut self, schema: &Arc<Schema>) {
        if self.schema.as_ref().is_some_and(|known| Arc::ptr_eq(known, schema)) {
            return;
        }
        self.schema = Some(schema.clone());
        let key = |column: &Column| {
            let mut text = vec![b','];
            put_string(&mut text, &column.name);
            text.push(b':');
            Padded::of(text)
        };
        self.keys = schema.columns.iter().map(key).collect();
    }

    fn learn_head(&mut self, ts: Ts) {
        if self.head_ts != Some(ts) {
            self.head_ts = Some(ts);
            let mut text = b"{\"ts\":\"".to_vec();
            text::put_ts(&mut text, ts);
            text.push(b'"');
            self.head = Padded::of(text);
        }
    }

    fn put_head(&mut self, ts: Ts) {
        self.learn_head(ts);
        self.head.put(&mut self.buffer);
    }

    fn put_error(&mut self, why: &str) {
        self.buffer.extend(b"{\"error\":");
        put_string(&mut self.buffer, why);
        self.buffer.push(b'}');
    }

    fn put_row(&mut self, records: &Records, row: usize) {
        self.put_head(records.starts[row]);
        for (key, cells) in self.keys.iter().zip(&records.cells) {
            key.put(&mut self.buffer);
            put_value(&mut self.buffer, cells, row, self.keeps_odd);
        }
        self.buffer.push(b'}');
    }

    fn put_damage(&mut self, damage: &Damage) {
        self.put_head(damage.from);
        self.buffer.extend(b",\"damaged_until\":");
        match damage.to {
            Ts(u64::MAX) => self.buffer.extend(b"null"),
            to => {
                self.buffer.push(b'"');
                text::put_ts(&mut self.buffer, to);
                self.buffer.push(b'"');
            }
        }
        self.buffer.extend(b",\"damaged\":");
        put_string(&mut self.buffer, &damage.to_string());
        self.buffer.push(b'}');
    }

    fn put_alert(&mut self, Alert { ts, severity, text, fields }: &Alert) {
        self.put_head(*ts);
        self.buffer.extend(b",\"alert\":");
        put_string(&mut self.buffer, severity.name());
        self.buffer.extend(b",\"text\":");
        put_string(&mut self.buffer, text);
        self.buffer.extend(b",\"fields\":");
        match fields.as_str() {
            "" => self.buffer.extend(b"null"),
            fields => put_string(&mut self.buffer, fields),
        }
        self.buffer.push(b'}');
    }

    fn put_gap(&mut self, from: Ts, to: Ts) {
        self.put_head(from);
        self.buffer.extend(b",\"gap_until\":\"");
        text::put_ts(&mut self.buffer, to);
        self.buffer.extend(b"\"}");
    }
}

fn put_value(out: &mut Vec<u8>, cells: &Cells, row: usize, keeps_odd: bool) {
    if text::is_absent(cells, row) {
        out.extend(b"null");
        return;
    }
    match &cells.data {
        Data::Uint(v) => text::put_uint(out, v[row]),
        Data::Float(v) if !v[row].is_finite() => match keeps_odd {
            true => put_string(out, &v[row].to_string()),
            false => out.extend(b"null"),
        },
        Data::Text(v) => put_string(out, &v[row]),
        Data::Bool(_) | Data::Int(_) | Data::Float(_) => {
            text::put_cell(out, cells, row, put_string);
        }
        Data::Addr(v) => {
            out.push(b'"');
            text::put_addr(out, v[row]);
            out.push(b'"');
        }
        Data::Mac(_) | Data::Bytes(_) | Data::Time(_) => {
            out.push(b'"');
            text::put_cell(out, cells, row, put_string);
            out.push(b'"');
        }
    }
}

fn put_string(out: &mut Vec<u8>, string: &str) {
    out.push(b'"');
    if text::is_tame(string) {
        out.extend(string.as_bytes());
    } else {
        for c in string.chars() {
            match c {
                '"' => out.extend(b"\\\""),
                '\\' => out.extend(b"\\\\"),
                '\n' => out.extend(b"\\n"),
                '\r' => out.extend(b"\\r"),
                '\t' => out.extend(b"\\t"),
                // All of these lie in the first plane: four digits are enough.
                c if text::is_hostile(c) => out.extend(format!("\\u{:04x}", c as u32).as_bytes()),
                c => out.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
    out.push(b'"');
}

/// One object a line.
#[derive(Default)]
pub(super) struct Ndjson {
    objects: Objects,
    lines: Lines,
}

impl Ndjson {
    /// The same, of which every value reads back as what it was.
    pub(super) fn exact() -> Self {
        Self { objects: Objects { keeps_odd: true, ..Objects::default() }, lines: Lines::default() }
    }
}

impl Renderer for Ndjson {
    fn records(&mut self, records: &Records, out: &mut dyn Write) -> io::Result<()> {
        self.objects.learn(&records.schema);
        if let Some(columns) = plain(records) {
            return self.lines.put(&mut self.objects, &records.starts, &columns, out);
        }
        for row in 0..records.rows() {
            self.objects.put_row(records, row);
            self.objects.buffer.push(b'\n');
            if self.objects.buffer.len() > BUFFER_BYTES {
                flush(&mut self.objects.buffer, out)?;
            }
        }
        flush(&mut self.objects.buffer, out)
    }

    fn gap(&mut self, from: Ts, to: Ts, out: &mut dyn Write) -> io::Result<()> {
        self.objects.put_gap(from, to);
        self.objects.buffer.push(b'\n');
        flush(&mut self.objects.buffer, out)
    }

    fn damage(&mut self, damage: &Damage, out: &mut dyn Write) -> io::Result<()> {
        self.objects.put_damage(damage);
        self.objects.buffer.push(b'\n');
        flush(&mut self.objects.buffer, out)
    }

    fn places_alerts(&self) -> bool {
        true
    }

    fn alert(&mut self, alert: &Alert, out: &mut dyn Write) -> io::Result<()> {
        self.objects.put_alert(alert);
        self.objects.buffer.push(b'\n');
        flush(&mut self.objects.buffer, out)
    }

    fn broken(&mut self, why: &str, out: &mut dyn Write) -> io::Result<()> {
        self.objects.put_error(why);
        self.objects.buffer.push(b'\n');
        flush(&mut self.objects.buffer, out)
    }
}

/// One array of objects.
#[derive(Default)]
pub(super) struct Array {
    objects: Objects,
    begun: bool,
}

impl Array {
    fn part(&mut self) {
        let mark: &[u8] = if self.begun { b",\n" } else { b"[\n" };
        self.begun = true;
        self.objects.buffer.extend(mark);
    }
}

impl Renderer for Array {
    fn records(&mut self, records: &Records, out: &mut dyn Write) -> io::Result<()> {
        self.objects.learn(&records.schema);
        for row in 0..records.rows() {
            self.part();
            self.objects.put_row(records, row);
            if self.objects.buffer.len() > BUFFER_BYTES {
                flush(&mut self.objects.buffer, out)?;
            }
        }
        flush(&mut self.objects.buffer, out)
    }

    fn gap(&mut self, from: Ts, to: Ts, out: &mut dyn Write) -> io::Result<()> {
        self.part();
        self.objects.put_gap(from, to);
        flush(&mut self.objects.buffer, out)
    }

    fn damage(&mut self, damage: &Damage, out: &mut dyn Write) -> io::Result<()> {
        self.part();
        self.objects.put_damage(damage);
        flush(&mut self.objects.buffer, out)
    }

    fn places_alerts(&self) -> bool {
        true
    }

    fn alert(&mut self, alert: &Alert, out: &mut dyn Write) -> io::Result<()> {
        self.part();
        self.objects.put_alert(alert);
        flush(&mut self.objects.buffer, out)
    }

    fn broken(&mut self, why: &str, out: &mut dyn Write) -> io::Result<()> {
        self.part();
        self.objects.put_error(why);
        flush(&mut self.objects.buffer, out)?;
        self.end(out)
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(if self.begun { b"\n]\n" } else { b"[]\n" })
    }
}
