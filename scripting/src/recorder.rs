//! What `export` returned, as records: the same columns whatever the language.
//!
//! A script that states a `schema` gets those columns. Else they are inferred:
//! the names in the order in which the script writes them into the record, each
//! typed by the values seen so far. A type only ever widens, from whole numbers to fractions;
//! a column in which every value is absent appears with its first value.

use std::collections::HashMap;
use std::sync::Arc;

use como_core::module::Export;
use como_core::record::{Column, Records, Schema, Type, Value};
use como_core::time::{SECOND, Ts};

use crate::scan::{Language, Written};

/// What a record may hold, for messages.
pub const HELD: &str = "a record holds texts, numbers, true and false, addresses and times";

/// One record as a script returned it.
pub type Row = Vec<(String, Value)>;

/// The most columns a record may have.
const COLUMNS_MAX: usize = 256;

/// The longest name of a column.
const NAME_BYTES_MAX: usize = 255;

/// The most records one export may return by itself.
pub const RECORDS_MAX: usize = 1 << 20;

/// What `export` returned.
pub enum Returned {
    /// Rows of a core table.
    Whole(Records),
    /// Records of the script's own.
    Rows(Vec<Row>),
}

impl Returned {
    /// The rows, whoever made them.
    pub fn into_rows(self) -> Vec<Row> {
        let records = match self {
            Self::Rows(rows) => return rows,
            Self::Whole(records) => records,
        };
        let row = |row: usize| {
            let named =
                |(at, column): (usize, &Column)| (column.name.clone(), records.value(row, at));
            records.schema.columns.iter().enumerate().map(named).collect()
        };
        (0..records.rows()).map(row).collect()
    }
}

/// The schema of records that a script stores in a form of its own.
pub fn stored_schema() -> Arc<Schema> {
    Arc::new(Schema::new([Column::new("data", Type::Bytes)]))
}

/// Seconds as an instant; before 1970 and beyond what fits is cut off.
pub fn instant(seconds: f64) -> Ts {
    Ts((seconds * SECOND as f64).round() as u64)
}

/// Why no column may be called `ts`: every record has a time by that name already.
pub fn taken(column: &str) -> String {
    format!("`{column}`: `ts` is the time that every record has: call the column something else")
}

/// Turns what one instance's `export` returns into records.
#[derive(Debug)]
pub struct Recorder {
    schema: Arc<Schema>,
    stated: bool,
    written: Written,
}

impl Recorder {
    /// For a script that states `schema`, or leaves it to be inferred.
    pub fn new(schema: Option<Arc<Schema>>, source: &str, language: Language) -> Self {
        let stated = schema.is_some();
        let written = if stated { Written::default() } else { Written::of(source, language) };
        Self { schema: schema.unwrap_or_default(), stated, written }
    }

    /// Writes the rows of the interval that closed; the error says which value does not fit.
    pub fn write(&mut self, rows: Vec<Row>, out: &mut Export) -> Result<(), String> {
        if !self.stated {
            self.infer(&rows)?;
        }
        let interval = out.interval();
        let mut records = Records::empty(self.schema.clone(), interval.len());
        for mut row in rows {
            let mut cells = Vec::with_capacity(self.schema.columns.len());
            for column in &self.schema.columns {
                let found = row.iter().position(|(name, _)| *name == column.name);
                let value = found.map_or(Value::Null, |at| row.swap_remove(at).1);
                cells.push(fitted(column, value)?);
            }
            if let Some((name, _)) = row.first().filter(|_| self.stated) {
                short(name)?;
                return Err(format!("export returned `{name}`, which `schema` does not have"));
            }
            records.push(interval.start(), cells);
        }
        out.records(records);
        Ok(())
    }

    /// Adds columns and widens types until every row fits.
    fn infer(&mut self, rows: &[Row]) -> Result<(), String> {
        let mut columns = self.schema.columns.clone();
        for (name, value) in rows.iter().flatten() {
            let Some(seen) = type_of(value) else { continue };
            if name == "ts" {
                return Err(taken("ts"));
            }
            short(name)?;
            match columns.iter().position(|c| c.name == *name) {
                Some(at) => columns[at].ty = wider(&columns[at], seen)?,
                None if columns.len() == COLUMNS_MAX => {
                    return Err(format!("export returned more than {COLUMNS_MAX} columns"));
                }
                None => columns.push(Column::new(name.as_str(), seen)),
            }
        }
        if columns != self.schema.columns {
            let names = columns.iter().map(|column| column.name.as_str()).collect();
            let order = self.written.order(&names).into_iter().enumerate();
            let places: HashMap<String, usize> =
                order.map(|(at, name)| (name.to_owned(), at)).collect();
            columns.sort_by_key(|c| places.get(&c.name).copied().unwrap_or(usize::MAX));
            self.schema = Arc::new(Schema::new(columns));
        }
        Ok(())
    }
}

/// Refuses a name that is longer than any column's: it stands in every record, and in messages.
fn short(name: &str) -> Result<(), String> {
    match name.len() > NAME_BYTES_MAX {
        true => Err(format!(
            "export returned a column whose name has {} bytes, and {NAME_BYTES_MAX} are allowed",
            name.len()
        )),
        false => Ok(()),
    }
}

/// The type of a value a script made. A whole number is one in any notation, because in Lua
/// there is only one.
fn type_of(value: &Value) -> Option<Type> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(_) => Type::Bool,
        Value::Uint(_) | Value::Int(_) | Value::Float(_) => {
            if value.as_uint().is_some() {
                Type::Uint
            } else if value.as_int().is_some() {
                Type::Int
            } else {
                Type::Float
            }
        }
        Value::Addr(_) => Type::Addr,
        Value::Mac(_) => Type::Mac,
        Value::Text(_) => Type::Text,
        Value::Bytes(_) => Type::Bytes,
        Value::Time(_) => Type::Time,
    })
}

fn wider(column: &Column, seen: Type) -> Result<Type, String> {
    use Type::{Float, Int, Uint};
    match (column.ty, seen) {
        (a, b) if a == b => Ok(a),
        (Uint | Int, Int) | (Int, Uint) => Ok(Int),
        (Uint | Int | Float, Float) | (Float, Uint | Int) => Ok(Float),
        (a, b) => {
            let (name, a, b) = (&column.name, a.name(), b.name());
            Err(format!("`{name}` was {a} before and is {b} now: a column has one type"))
        }
    }
}

/// The value as the column holds it, or what is wrong with it.
pub fn fitted(column: &Column, value: Value) -> Result<Value, String> {
    let value = match (column.ty, value.as_float()) {
        // Scripts count time in seconds.
        (Type::Time, Some(seconds)) if seconds >= 0.0 => Value::Time(instant(seconds)),
        _ => value,
    };
    let is = type_of(&value);
    let fits = match (column.ty, &value) {
        (_, Value::Null) => true,
        (Type::Uint, value) => value.as_uint().is_some(),
        (Type::Int, value) => value.as_int().is_some(),
        (Type::Float, value) => value.as_float().is_some(),
        (ty, _) => is == Some(ty),
    };
    if fits {
        return Ok(value);
    }
    let (name, is) = (&column.name, is.map_or("absent", Type::name));
    Err(format!("`{name}` is {is}, and `schema` says {}", column.ty.name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use como_core::time::{Interval, Span};

    fn export() -> Export {
        let interval = Interval::holding(Ts::new(7, 0), Span::from_secs(5));
        Export::new(interval, Arc::new(Schema::default()))
    }

    fn row<const N: usize>(values: [(&str, Value); N]) -> Row {
        values.map(|(name, value)| (name.to_owned(), value)).into()
    }

    fn columns(records: &Records) -> Vec<(&str, Type)> {
        records.schema.columns.iter().map(|c| (c.name.as_str(), c.ty)).collect()
    }

    #[test]
    fn columns_stand_as_the_script_writes_them_and_widen_only() {
        let source = "function export() return { zeta = 1, alpha = 2 } end";
        let mut recorder = Recorder::new(None, source, Language::Lua);
        let mut out = export();
        let first = row([("alpha", Value::Float(2.0)), ("none", Value::Null), ("zeta", 1.into())]);
        recorder.write(vec![first], &mut out).expect("fits");
        recorder.write(vec![row([("alpha", Value::Float(0.5))])], &mut out).expect("fits");
        let [one, two] = &out.into_records()[..] else { panic!("two blocks") };
        assert_eq!(columns(one), [("zeta", Type::Uint), ("alpha", Type::Uint)]);
        assert_eq!(columns(two), [("zeta", Type::Uint), ("alpha", Type::Float)]);
        assert_eq!((two.value(0, 0), two.value(0, 1)), (Value::Null, Value::Float(0.5)));
        let error = recorder.write(vec![row([("zeta", "x".into())])], &mut export());
        assert_eq!(
            error,
            Err("`zeta` was uint before and is text now: a column has one type".into())
        );
    }

    #[test]
    fn no_column_takes_the_name_of_a_records_time() {
        let mut recorder = Recorder::new(None, "", Language::Lua);
        let wrote = recorder.write(vec![row([("ts", 1.into())])], &mut export());
        assert_eq!(wrote, Err(taken("ts")));
    }

    #[test]
    fn names_of_columns_are_short() {
        for stated in [None, Some(Arc::new(Schema::new([Column::new("n", Type::Uint)])))] {
            let mut recorder = Recorder::new(stated, "", Language::Lua);
            let name = "x".repeat(1 << 20);
            let wrote = recorder.write(vec![row([(name.as_str(), 1.into())])], &mut export());
            let want = "export returned a column whose name has 1048576 bytes, and 255 are allowed";
            assert_eq!(wrote, Err(want.to_owned()));
        }
    }

    #[test]
    fn a_stated_schema_is_kept_to() {
        let schema = Arc::new(Schema::new([Column::new("n", Type::Uint)]));
        let mut recorder = Recorder::new(Some(schema), "", Language::Rhai);
        let mut check = |value, want: Result<(), &str>| {
            let got = recorder.write(vec![row([value])], &mut export());
            assert_eq!(got, want.map_err(str::to_owned));
        };
        check(("n", Value::Float(3.0)), Ok(()));
        check(("n", Value::Int(-1)), Err("`n` is int, and `schema` says uint"));
        check(("m", 1.into()), Err("export returned `m`, which `schema` does not have"));
    }
}
