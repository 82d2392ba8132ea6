//! A stream of Arrow's IPC format: a schema, then a batch for each interval or stored block.
//!
//! Each batch is written when it comes, so that a stream can be followed.
//! Addresses are dictionaries of their own batch: the memory of neither side
//! grows with the number of addresses in a stream that never ends.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::io::{self, Write};
use std::sync::Arc;

use ::arrow_array::types::Int32Type;
use ::arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, DictionaryArray, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray, TimestampNanosecondArray, UInt64Array,
};
use ::arrow_ipc::writer::StreamWriter;
use ::arrow_schema::{ArrowError, Schema as Fields};
use como_core::record::{Cells, Data, Records, Schema};
use como_core::render::Renderer;

use super::layout::{Layout, nanoseconds, present, runs};

/// One answer.
#[derive(Default)]
pub struct Stream {
    known: Option<Arc<Schema>>,
    open: Option<Open>,
}

struct Open {
    layout: Layout,
    fields: Arc<Fields>,
    writer: StreamWriter<Vec<u8>>,
}

impl Stream {
    fn open(&mut self, schema: Arc<Schema>) -> io::Result<&mut Open> {
        let open = match self.open.take() {
            Some(open) => open,
            None => {
                let layout = Layout::of(schema);
                let fields = Arc::new(layout.fields(true));
                let writer = StreamWriter::try_new(Vec::new(), &fields).map_err(wrong)?;
                Open { layout, fields, writer }
            }
        };
        Ok(self.open.insert(open))
    }
}

impl Renderer for Stream {
    fn begin(&mut self, schema: Option<&Schema>, _: &mut dyn Write) -> io::Result<()> {
        self.known = schema.cloned().map(Arc::new);
        Ok(())
    }

    fn records(&mut self, records: &Records, out: &mut dyn Write) -> io::Result<()> {
        let open = self.open(records.schema.clone())?;
        let records = open.layout.fitted(records)?;
        for run in runs(&records) {
            let batch = batch(&records.slice(run), &open.fields).map_err(wrong)?;
            open.writer.write(&batch).map_err(wrong)?;
            let written = out.write_all(open.writer.get_ref());
            open.writer.get_mut().clear();
            written?;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let known = self.known.take().unwrap_or_default();
        let open = self.open(known)?;
        open.writer.finish().map_err(wrong)?;
        out.write_all(open.writer.get_ref())
    }
}

/// What the library says, which can only be about what we gave it.
fn wrong(error: ArrowError) -> io::Error {
    io::Error::other(format!("records do not fit into Arrow: {error}"))
}

fn batch(records: &Records, fields: &Arc<Fields>) -> Result<RecordBatch, ArrowError> {
    let starts = records.starts.iter().map(|ts| nanoseconds(*ts));
    let starts = TimestampNanosecondArray::from_iter_values(starts).with_timezone("UTC");
    let rows = records.rows();
    let cells = records.cells.iter().map(|cells| array(cells, rows));
    let columns = std::iter::once(Ok(Arc::new(starts) as ArrayRef)).chain(cells);
    RecordBatch::try_new(fields.clone(), columns.collect::<Result<_, _>>()?)
}

fn array(cells: &Cells, rows: usize) -> Result<ArrayRef, ArrowError> {
    let absent = &cells.absent[..];
    Ok(match &cells.data {
        Data::Bool(v) => {
            Arc::new(present(v, absent, rows).map(|x| x.copied()).collect::<BooleanArray>())
        }
        Data::Uint(v) => {
            Arc::new(present(v, absent, rows).map(|x| x.copied()).collect::<UInt64Array>())
        }
        Data::Int(v) => {
            Arc::new(present(v, absent, rows).map(|x| x.copied()).collect::<Int64Array>())
        }
        Data::Float(v) => {
            Arc::new(present(v, absent, rows).map(|x| x.copied()).collect::<Float64Array>())
        }
        Data::Addr(v) => dictionary(present(v, absent, rows))?,
        Data::Mac(v) => dictionary(present(v, absent, rows))?,
        Data::Text(v) => Arc::new(present(v, absent, rows).collect::<StringArray>()),
        Data::Bytes(v) => Arc::new(present(v, absent, rows).collect::<BinaryArray>()),
        Data::Time(v) => {
            let instants = present(v, absent, rows).map(|ts| ts.map(|ts| nanoseconds(*ts)));
            Arc::new(instants.collect::<TimestampNanosecondArray>().with_timezone("UTC"))
        }
    })
}

/// The values as texts, each distinct one once.
fn dictionary<'a, T: Copy + Eq + Hash + Display + 'a>(
    values: impl Iterator<Item = Option<&'a T>>,
) -> Result<ArrayRef, ArrowError> {
    let (mut known, mut texts) = (HashMap::new(), Vec::new());
    let keys = values.map(|value| {
        value.map(|value| {
            *known.entry(*value).or_insert_with(|| {
                texts.push(value.to_string());
                // A run has far fewer rows than that.
                i32::try_from(texts.len() - 1).unwrap_or(i32::MAX)
            })
        })
    });
    let keys = keys.collect::<Int32Array>();
    let texts = Arc::new(StringArray::from(texts));
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, texts)?))
}
