//! What is written with types, read again a line at a time.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::module::{Alert, Severity};
use crate::record::{Column, Output, Records, Schema, Type, Value};
use crate::time::{Span, Ts, instant};

/// Why a line is none of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line of the answer is not what was asked for: {line}")]
pub struct Mistyped {
    /// Its beginning.
    line: String,
}

/// What an answer has told.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Records, as many as were given at once, or a gap.
    Output(Output),
    /// What could not be read of it, in words.
    Damaged(String),
    /// An alert that the module raised.
    Alert(Alert),
    /// Why it breaks off here.
    Broken(String),
}

/// Puts the lines of an answer together.
#[derive(Debug)]
pub struct Reader {
    part: Records,
    // How many rows of the part are still to come.
    awaited: u64,
}

impl Default for Reader {
    fn default() -> Self {
        Self { part: Records::empty(Arc::default(), Span(0)), awaited: 0 }
    }
}

impl Reader {
    /// Takes the next line; it may end something.
    pub fn line(&mut self, line: &str) -> Result<Option<Told>, Mistyped> {
        let object = serde_json::from_str::<Map<String, Json>>(line).ok();
        let taken = object.as_ref().and_then(|object| match self.awaited {
            0 => self.between(object),
            _ => self.row(object),
        });
        taken.ok_or_else(|| Mistyped { line: line.trim_end().chars().take(80).collect() })
    }

    /// Whether all rows of the last part have come.
    pub fn is_whole(&self) -> bool {
        self.awaited == 0
    }

    /// The rows of a part that was not ended.
    pub fn rest(&mut self) -> Option<Output> {
        self.awaited = 0;
        let schema = self.part.schema.clone();
        let rest = std::mem::replace(&mut self.part, Records::empty(schema, Span(0)));
        (rest.rows() > 0).then_some(Output::Records(rest))
    }

    /// Whatever stands between the rows of two parts.
    fn between(&mut self, object: &Map<String, Json>) -> Option<Option<Told>> {
        if let Some(rows) = object.get("rows") {
            self.awaited = rows.as_u64().filter(|rows| *rows > 0)?;
            if let Some(columns) = object.get("columns") {
                let columns: Vec<Column> = serde::Deserialize::deserialize(columns).ok()?;
                self.part = Records::empty(Arc::new(Schema::new(columns)), Span(0));
            }
            return Some(None);
        }
        if let Some(why) = object.get("error") {
            return Some(Some(Told::Broken(why.as_str()?.to_owned())));
        }
        if let Some(what) = object.get("damaged") {
            return Some(Some(Told::Damaged(what.as_str()?.to_owned())));
        }
        let from = time(object.get("ts")?)?;
        if let Some(until) = object.get("gap_until") {
            return Some(Some(Told::Output(Output::Gap { from, to: time(until)? })));
        }
        let text = |key| object.get(key).and_then(Json::as_str);
        let alert = Alert {
            ts: from,
            severity: Severity::named(text("alert")?)?,
            text: text("text")?.to_owned(),
            fields: text("fields").unwrap_or_default().to_owned(),
        };
        Some(Some(Told::Alert(alert)))
    }

    /// A row; the last one of a part ends it.
    fn row(&mut self, object: &Map<String, Json>) -> Option<Option<Told>> {
        let start = time(object.get("ts")?)?;
        let columns = &self.part.schema.columns;
        let values = columns.iter().map(|column| value(object.get(&column.name)?, column.ty));
        let values: Vec<Value> = values.collect::<Option<_>>()?;
        self.part.push(start, values);
        self.awaited -= 1;
        Some(if self.awaited == 0 { self.rest().map(Told::Output) } else { None })
    }
}

/// A value of a type; nothing where it is none.
fn value(json: &Json, ty: Type) -> Option<Value> {
    let text = json.as_str();
    Some(match ty {
        _ if json.is_null() => Value::Null,
        Type::Bool => Value::Bool(json.as_bool()?),
        Type::Uint => Value::Uint(json.as_u64()?),
        Type::Int => Value::Int(json.as_i64()?),
        Type::Float => Value::Float(match text {
            Some(odd) => odd.parse().ok()?,
            None => json.as_f64()?,
        }),
        Type::Addr => Value::Addr(text?.parse().ok()?),
        Type::Mac => Value::Mac(text?.parse().ok()?),
        Type::Text => Value::Text(text?.to_owned()),
        Type::Bytes => Value::Bytes(bytes(text?)?),
        Type::Time => Value::Time(time(json)?),
    })
}

fn time(json: &Json) -> Option<Ts> {
    instant(json.as_str()?)
}

/// Bytes of two hexadecimal digits each.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|c| Some(c.to_digit(16)? as u8)).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{Format, Renderer};
    use crate::storage::scan::{Damage, Missing};

    fn column(ty: Type) -> Column {
        Column::new(ty.name(), ty).unit("bytes")
    }

    /// Two rows of every type, of which the second has no value.
    fn records() -> Records {
        let schema = Arc::new(Schema::new(Type::ALL.map(column)));
        let mut records = Records::empty(schema, Span(0));
        let values = [
            Value::Bool(true),
            Value::Uint(u64::MAX),
            Value::Int(i64::MIN),
            Value::Float(f64::NEG_INFINITY),
            Value::Addr("fe80::1".parse().expect("an address")),
            Value::Mac("00:1b:21:0a:0b:0c".parse().expect("an address")),
            Value::Text("a \"b\"\n\u{1b}[2J\u{202e}ü".to_owned()),
            Value::Bytes(vec![0, 0xff, 7]),
            Value::Time(Ts(1_700_000_000_000_000_001)),
        ];
        records.push(Ts::new(1_700_000_000, 0), values);
        records.push(Ts::new(1_700_000_005, 250_000_000), []);
        records
    }

    fn written(
        write: impl FnOnce(&mut dyn Renderer, &mut Vec<u8>) -> std::io::Result<()>,
    ) -> String {
        let mut out = Vec::new();
        let mut renderer = Format::Typed.renderer().expect("a format of the core");
        write(renderer.as_mut(), &mut out).expect("a vector");
        String::from_utf8(out).expect("text")
    }

    fn read(text: &str) -> Vec<Told> {
        let mut reader = Reader::default();
        let read = |line| reader.line(line).expect("what was written");
        text.lines().filter_map(read).collect()
    }

    #[test]
    fn what_is_written_reads_back_part_by_part() {
        let other = Schema::new([Column::new("n", Type::Uint)]);
        let mut other = Records::empty(Arc::new(other), Span(0));
        other.push(Ts(5), [Value::Uint(1)]);
        let gap = Output::Gap { from: Ts(7), to: Ts(9) };
        let outputs = [
            Output::Records(records()),
            Output::Records(records()),
            gap,
            Output::Records(other),
            Output::Records(records()),
        ];
        let text = written(|renderer, out| {
            outputs.iter().try_for_each(|output| renderer.output(output, out))
        });
        assert_eq!(text.matches("\"columns\"").count(), 3, "{text}");
        assert_eq!(read(&text), outputs.map(Told::Output));
    }

    #[test]
    fn what_is_no_record_reads_back_too() {
        let alert = Alert {
            ts: Ts(3),
            severity: Severity::Critical,
            text: "many".to_owned(),
            fields: "{\"n\":7}".to_owned(),
        };
        let (what, why) = (Missing::Block(7), "torn".to_owned());
        let damage = Damage { what, from: Ts(5), to: Ts(u64::MAX), why };
        let text = written(|renderer, out| {
            renderer.alert(&alert, out)?;
            renderer.damage(&damage, out)?;
            renderer.broken("the disk", out)
        });
        let (damaged, why) = (damage.to_string(), "the disk".to_owned());
        assert_eq!(read(&text), [Told::Alert(alert), Told::Damaged(damaged), Told::Broken(why)]);
    }

    #[test]
    fn a_part_that_breaks_off_gives_the_rows_it_has() {
        let text = written(|renderer, out| renderer.records(&records(), out));
        let mut reader = Reader::default();
        for line in text.lines().take(2) {
            assert_eq!(reader.line(line), Ok(None));
        }
        let Some(Output::Records(rest)) = reader.rest() else { panic!("a row came") };
        let row = |records: &Records| crate::render::row(records, 0);
        assert_eq!((rest.rows(), row(&rest)), (1, row(&records())));
    }

    #[test]
    fn what_is_no_such_answer_is_refused() {
        for line in
            ["", "ts  bytes", "[]", "{}", r#"{"rows":0}"#, r#"{"ts":"2024-01-01T00:00:00Z"}"#]
        {
            assert!(Reader::default().line(line).is_err(), "{line}");
        }
    }
}
