//! A Parquet file: rows in groups, compressed with zstd, and at the end what they are.
//!
//! A group is written when enough rows have come, which bounds memory; so a
//! file is no format to follow what comes with. Beside the columns the file
//! says the units, the length of the intervals, and the gaps in which no source
//! was heard; and, under the name that Arrow's own libraries use, the fields as
//! Arrow has them.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::hash::Hash;
use std::io::{self, Write};
use std::sync::Arc;

use ::parquet::basic::{
    Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel,
};
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{KeyValue, ParquetMetaDataReader};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use ::parquet::schema::types::Type as Node;
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use como_core::record::{Cells, Data, Records, Schema, Type};
use como_core::render::Renderer;
use como_core::storage::scan::Damage;
use como_core::time::Ts;

use super::layout::{BYTES_MAX, Layout, ROWS_MAX, nanoseconds, present, row_bytes, runs};

/// Gaps that a file tells of; a file with more says that it has more.
const GAPS_MAX: usize = 1000;

/// One file.
#[derive(Default)]
pub struct Parquet {
    known: Option<Arc<Schema>>,
    open: Option<Open>,
    // What is said in the file beside its rows.
    facts: Vec<(String, String)>,
    intervals: BTreeSet<String>,
    gaps: Vec<String>,
    // In what its rows are not exact.
    inexact: Vec<String>,
    damaged: u64,
    rows: u64,
}

struct Open {
    layout: Layout,
    writer: SerializedFileWriter<Vec<u8>>,
    // Rows that wait for their group.
    waiting: Vec<Records>,
    rows: usize,
    bytes: usize,
}

impl Parquet {
    /// How many rows it has been given.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Says something in the file beside its rows.
    pub fn say(&mut self, key: &str, value: impl Into<String>) {
        self.facts.push((key.to_owned(), value.into()));
    }

    fn open(&mut self, schema: Arc<Schema>) -> io::Result<&mut Open> {
        let open = match self.open.take() {
            Some(open) => open,
            None => Open::new(Layout::of(schema)).map_err(wrong)?,
        };
        Ok(self.open.insert(open))
    }

    /// What a file says beside its rows.
    pub fn said(file: &std::fs::File) -> io::Result<Vec<(String, String)>> {
        let read = ParquetMetaDataReader::new().parse_and_finish(file);
        let read = read.map_err(|error| io::Error::other(error.to_string()))?;
        let pairs = read.file_metadata().key_value_metadata().cloned().unwrap_or_default();
        Ok(pairs.into_iter().map(|pair| (pair.key, pair.value.unwrap_or_default())).collect())
    }
}

impl Renderer for Parquet {
    fn begin(&mut self, schema: Option<&Schema>, _: &mut dyn Write) -> io::Result<()> {
        self.known = schema.cloned().map(Arc::new);
        Ok(())
    }

    fn records(&mut self, records: &Records, out: &mut dyn Write) -> io::Result<()> {
        self.intervals.insert(records.len.to_string());
        self.rows += records.rows() as u64;
        let open = self.open(records.schema.clone())?;
        let records = open.layout.fitted(records)?;
        for run in runs(&records) {
            let part = records.slice(run);
            let bytes: usize = (0..part.rows()).map(|row| row_bytes(&part, row)).sum();
            if open.rows + part.rows() > ROWS_MAX || open.bytes + bytes > BYTES_MAX {
                open.group().map_err(wrong)?;
            }
            open.rows += part.rows();
            open.bytes += bytes;
            open.waiting.push(part);
        }
        open.flush(out)
    }

    fn gap(&mut self, from: Ts, to: Ts, _: &mut dyn Write) -> io::Result<()> {
        if self.gaps.len() < GAPS_MAX {
            self.gaps.push(format!("{from}/{to}"));
        } else if self.gaps.len() == GAPS_MAX {
            self.gaps.push("more".to_owned());
        }
        Ok(())
    }

    fn damage(&mut self, _: &Damage, _: &mut dyn Write) -> io::Result<()> {
        self.damaged += 1;
        Ok(())
    }

    fn inexact(&mut self, why: &str, _: &mut dyn Write) -> io::Result<()> {
        self.inexact.push(why.to_owned());
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let known = self.known.take().unwrap_or_default();
        let intervals: Vec<String> = std::mem::take(&mut self.intervals).into_iter().collect();
        let mut facts = std::mem::take(&mut self.facts);
        facts.push(("como.interval".to_owned(), intervals.join(" ")));
        facts.push(("como.gaps".to_owned(), std::mem::take(&mut self.gaps).join(" ")));
        facts.push(("como.inexact".to_owned(), std::mem::take(&mut self.inexact).join("; ")));
        if self.damaged > 0 {
            facts.push(("como.damaged".to_owned(), self.damaged.to_string()));
        }
        let open = self.open(known)?;
        facts.push(("como.units".to_owned(), open.layout.units()));
        open.group().map_err(wrong)?;
        for (key, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
            open.writer.append_key_value_metadata(KeyValue::new(key, value));
        }
        open.writer.finish().map_err(wrong)?;
        open.flush(out)
    }
}

impl Open {
    fn new(layout: Layout) -> Result<Self, ParquetError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(concat!("como ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_key_value_metadata(Some(vec![KeyValue::new(
                "ARROW:schema".to_owned(),
                arrow_schema(&layout),
            )]));
        let schema = Arc::new(schema(&layout)?);
        let writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build()))?;
        Ok(Self { layout, writer, waiting: Vec::new(), rows: 0, bytes: 0 })
    }

    /// Makes a group of the rows that wait.
    fn group(&mut self) -> Result<(), ParquetError> {
        let parts = std::mem::take(&mut self.waiting);
        (self.rows, self.bytes) = (0, 0);
        if parts.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        // `ts` first, then the others.
        for at in std::iter::once(None).chain((0..self.layout.schema.columns.len()).map(Some)) {
            let Some(mut column) = group.next_column()? else { break };
            for part in &parts {
                match at.map(|at| part.cells.get(at)) {
                    None => put_starts(&mut column, &part.starts)?,
                    Some(Some(cells)) => put_cells(&mut column, cells, part.rows())?,
                    Some(None) => {}
                }
            }
            column.close()?;
        }
        group.close()?;
        Ok(())
    }

    /// Hands over what has been written so far.
    fn flush(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let written = out.write_all(self.writer.inner());
        self.writer.inner_mut().clear();
        written
    }
}

/// What the library says, which can only be about what we gave it.
fn wrong(error: ParquetError) -> io::Error {
    io::Error::other(format!("records do not fit into Parquet: {error}"))
}

fn schema(layout: &Layout) -> Result<Node, ParquetError> {
    let instant = || Some(LogicalType::timestamp(true, TimeUnit::NANOS));
    let ts = Node::primitive_type_builder("ts", Physical::INT64)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(instant())
        .build()?;
    let mut fields = vec![Arc::new(ts)];
    for (column, name) in layout.schema.columns.iter().zip(&layout.names) {
        let (physical, logical) = match column.ty {
            Type::Bool => (Physical::BOOLEAN, None),
            Type::Uint => (Physical::INT64, Some(LogicalType::integer(64, false))),
            Type::Int => (Physical::INT64, None),
            Type::Float => (Physical::DOUBLE, None),
            Type::Addr | Type::Mac | Type::Text => {
                (Physical::BYTE_ARRAY, Some(LogicalType::String))
            }
            Type::Bytes => (Physical::BYTE_ARRAY, None),
            Type::Time => (Physical::INT64, instant()),
        };
        let field = Node::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical)
            .build()?;
        fields.push(Arc::new(field));
    }
    Node::group_type_builder("records").with_fields(fields).build()
}

/// The fields as Arrow's libraries look for them in a Parquet file: a schema message of its IPC
/// format in base64.
fn arrow_schema(layout: &Layout) -> String {
    let (fields, options) = (layout.fields(false), IpcWriteOptions::default());
    let mut dictionaries = DictionaryTracker::new(true);
    let message = IpcDataGenerator::default()
        .schema_to_bytes_with_dictionary_tracker(&fields, &mut dictionaries, &options)
        .ipc_message;
    let mut bytes = vec![0xff; 4];
    bytes.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend(message);
    STANDARD.encode(bytes)
}

fn put_starts(column: &mut SerializedColumnWriter<'_>, starts: &[Ts]) -> Result<(), ParquetError> {
    let starts: Vec<i64> = starts.iter().map(|ts| nanoseconds(*ts)).collect();
    column.typed::<Int64Type>().write_batch(&starts, None, None)?;
    Ok(())
}

fn put_cells(
    column: &mut SerializedColumnWriter<'_>,
    cells: &Cells,
    rows: usize,
) -> Result<(), ParquetError> {
    let absent = &cells.absent[..];
    match &cells.data {
        Data::Bool(v) => put::<BoolType, _>(column, present(v, absent, rows), |x| *x),
        // The same bits: the type of the column says that they have no sign.
        Data::Uint(v) => put::<Int64Type, _>(column, present(v, absent, rows), |x| x.cast_signed()),
        Data::Int(v) => put::<Int64Type, _>(column, present(v, absent, rows), |x| *x),
        Data::Float(v) => put::<DoubleType, _>(column, present(v, absent, rows), |x| *x),
        Data::Addr(v) => put_texts(column, present(v, absent, rows)),
        Data::Mac(v) => put_texts(column, present(v, absent, rows)),
        Data::Text(v) => {
            put::<ByteArrayType, _>(column, present(v, absent, rows), |x| x.as_str().into())
        }
        Data::Bytes(v) => {
            put::<ByteArrayType, _>(column, present(v, absent, rows), |x| x.clone().into())
        }
        Data::Time(v) => put::<Int64Type, _>(column, present(v, absent, rows), |x| nanoseconds(*x)),
    }
}

/// Writes values, and where there is none.
fn put<'a, D: DataType, T: 'a>(
    column: &mut SerializedColumnWriter<'_>,
    cells: impl Iterator<Item = Option<&'a T>>,
    mut value: impl FnMut(&T) -> D::T,
) -> Result<(), ParquetError> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for cell in cells {
        levels.push(i16::from(cell.is_some()));
        values.extend(cell.map(&mut value));
    }
    column.typed::<D>().write_batch(&values, Some(&levels), None)?;
    Ok(())
}

/// Writes values as texts, each distinct one made once.
fn put_texts<'a, T: Copy + Eq + Hash + Display + 'a>(
    column: &mut SerializedColumnWriter<'_>,
    cells: impl Iterator<Item = Option<&'a T>>,
) -> Result<(), ParquetError> {
    let mut known: HashMap<T, ByteArray> = HashMap::new();
    put::<ByteArrayType, T>(column, cells, |value| {
        known.entry(*value).or_insert_with(|| value.to_string().into_bytes().into()).clone()
    })
}
