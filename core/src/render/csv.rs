//! CSV as in RFC 4180, with a header whenever the columns change.
//!
//! A text that a spreadsheet would take for a formula gets an apostrophe in
//! front. Control characters are escaped, so a record is always one line.
//! Gaps cannot be said in this format.

use std::io::{self, Write};

use super::{BUFFER_BYTES, Renderer, flush, text};
use crate::record::{Records, Schema};

#[derive(Default)]
pub(super) struct Csv {
    buffer: Vec<u8>,
    columns: Option<u64>,
    known: Option<Schema>,
}

impl Csv {
    fn head(&mut self, schema: &Schema) {
        let columns = schema.hash();
        if self.columns.replace(columns) == Some(columns) {
            return;
        }
        self.buffer.extend(b"ts");
        for column in &schema.columns {
            self.buffer.push(b',');
            put_field(&mut self.buffer, &column.name);
        }
        self.buffer.extend(b"\r\n");
    }
}

impl Renderer for Csv {
    fn begin(&mut self, schema: Option<&Schema>, _: &mut dyn Write) -> io::Result<()> {
        self.known = schema.cloned();
        Ok(())
    }

    fn records(&mut self, records: &Records, out: &mut dyn Write) -> io::Result<()> {
        self.head(&records.schema);
        for (row, ts) in records.starts.iter().enumerate() {
            text::put_ts(&mut self.buffer, *ts);
            for cells in &records.cells {
                self.buffer.push(b',');
                text::put_cell(&mut self.buffer, cells, row, put_field);
            }
            self.buffer.extend(b"\r\n");
            if self.buffer.len() > BUFFER_BYTES {
                flush(&mut self.buffer, out)?;
            }
        }
        flush(&mut self.buffer, out)
    }

    fn broken(&mut self, why: &str, out: &mut dyn Write) -> io::Result<()> {
        put_field(&mut self.buffer, &format!("error: {why}"));
        self.buffer.extend(b"\r\n");
        flush(&mut self.buffer, out)
    }

    /// An answer without records has its header all the same, where that is known.
    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if let (Some(schema), None) = (self.known.take(), self.columns) {
            self.head(&schema);
        }
        flush(&mut self.buffer, out)
    }
}

fn put_field(out: &mut Vec<u8>, field: &str) {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !formula && text::is_tame(field) && !field.starts_with(' ') && !field.ends_with(' ') {
        out.extend(field.as_bytes());
        return;
    }
    out.push(b'"');
    if formula {
        out.push(b'\'');
    }
    text::put_escaped(out, &field.replace('"', "\"\""));
    out.push(b'"');
}
