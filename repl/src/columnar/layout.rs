//! The layout of a file or stream of columns: names that differ, fields with units, runs of rows.
//!
//! The first column is `ts`, the start of the row's interval, in nanoseconds
//! of UTC and never absent; then come the schema's. Addresses are texts, as
//! everything that reads such files expects.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema as Fields, TimeUnit};
use como_core::record::{Column, Data, Records, Schema, Type};
use como_core::storage::evolve::conformed;
use como_core::time::Ts;

/// Rows that are written together, at most.
pub const ROWS_MAX: usize = 64 << 10;

/// Bytes of the values of rows that are written together, save that one row may have more.
pub const BYTES_MAX: usize = 16 << 20;

/// What the columns of a file are. It never changes within the file.
pub struct Layout {
    /// As the module has them.
    pub schema: Arc<Schema>,
    /// As the file calls them: every name once, whatever the module does.
    pub names: Vec<String>,
}

impl Layout {
    /// The layout for records of a schema.
    pub fn of(schema: Arc<Schema>) -> Self {
        let mut taken = BTreeSet::from(["ts".to_owned()]);
        let mut own = |column: &Column| {
            let mut name = column.name.clone();
            let mut number = 2;
            while !taken.insert(name.clone()) {
                name = format!("{}_{number}", column.name);
                number += 1;
            }
            name
        };
        let names = schema.columns.iter().map(&mut own).collect();
        Self { schema, names }
    }

    /// The records with the columns of this layout; an error where they have others.
    pub fn fitted<'a>(&self, records: &'a Records) -> io::Result<Cow<'a, Records>> {
        if records.schema.hash() == self.schema.hash() {
            return Ok(Cow::Borrowed(records));
        }
        let fitted = conformed(records.clone(), &self.schema);
        if fitted.schema.hash() == self.schema.hash() {
            return Ok(Cow::Owned(fitted));
        }
        let since = records.starts.first().copied().unwrap_or_default();
        Err(io::Error::other(format!(
            "the columns change at {since}, which this format cannot say: ask for the time before \
             and the time from then on apart"
        )))
    }

    /// The fields as Arrow has them: with unit, description and what they hold. Addresses are in a
    /// dictionary where asked.
    pub fn fields(&self, with_dictionaries: bool) -> Fields {
        let ts = Field::new("ts", timestamp(), false);
        let fields = self.schema.columns.iter().zip(&self.names).map(|(column, name)| {
            let texts = [("unit", &column.unit), ("doc", &column.doc), ("of", &column.of)];
            let said = texts.into_iter().filter(|(_, text)| !text.is_empty());
            let said = said.map(|(key, text)| (key.to_owned(), text.clone()));
            let field = Field::new(name.as_str(), data_type(column.ty, with_dictionaries), true);
            field.with_metadata(said.collect::<std::collections::HashMap<_, _>>())
        });
        Fields::new(std::iter::once(ts).chain(fields).collect::<Vec<_>>())
    }

    /// The units as a JSON object, for readers that see no more than the texts of a file.
    pub fn units(&self) -> String {
        let columns = self.schema.columns.iter().zip(&self.names);
        let units = columns.filter(|(column, _)| !column.unit.is_empty());
        let units = units.map(|(column, name)| (name.clone(), column.unit.clone().into()));
        serde_json::Value::Object(units.collect()).to_string()
    }
}

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

fn data_type(ty: Type, with_dictionaries: bool) -> DataType {
    match ty {
        Type::Bool => DataType::Boolean,
        Type::Uint => DataType::UInt64,
        Type::Int => DataType::Int64,
        Type::Float => DataType::Float64,
        Type::Addr | Type::Mac if with_dictionaries => {
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
        }
        Type::Addr | Type::Mac | Type::Text => DataType::Utf8,
        Type::Bytes => DataType::Binary,
        Type::Time => timestamp(),
    }
}

/// An instant as both formats have it, which end in 2262.
pub fn nanoseconds(ts: Ts) -> i64 {
    i64::try_from(ts.0).unwrap_or(i64::MAX)
}

/// About how many bytes the values of a row take.
pub fn row_bytes(records: &Records, row: usize) -> usize {
    let cells = records.cells.iter().map(|cells| match &cells.data {
        Data::Text(texts) => texts.get(row).map_or(0, String::len) + 8,
        Data::Bytes(bytes) => bytes.get(row).map_or(0, Vec::len) + 8,
        _ => 16,
    });
    8 + cells.sum::<usize>()
}

/// The rows in runs that are small enough to be written together.
pub fn runs(records: &Records) -> Vec<Range<usize>> {
    let (mut runs, mut start, mut bytes) = (Vec::new(), 0, 0);
    for row in 0..records.rows() {
        let more = row_bytes(records, row);
        if row > start && (row - start == ROWS_MAX || bytes + more > BYTES_MAX) {
            runs.push(start..row);
            (start, bytes) = (row, 0);
        }
        bytes += more;
    }
    if start < records.rows() {
        runs.push(start..records.rows());
    }
    runs
}

/// The values of a column, none where there is none, for each of `rows` rows.
pub fn present<'a, T>(
    values: &'a [T],
    absent: &'a [bool],
    rows: usize,
) -> impl Iterator<Item = Option<&'a T>> {
    (0..rows).map(move |row| values.get(row).filter(|_| absent.get(row) != Some(&true)))
}
