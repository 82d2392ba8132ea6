//! Every type through both formats and back, by the libraries' own readers.

use std::sync::Arc;

use ::arrow_array::cast::AsArray;
use ::arrow_array::types::{Int32Type, TimestampNanosecondType, UInt64Type};
use ::arrow_array::{Array, RecordBatch, StringArray};
use ::arrow_ipc::reader::StreamReader;
use ::arrow_schema::DataType;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use como_core::addr::Mac;
use como_core::record::{Column, Output, Records, Schema, Type, Value};
use como_core::render::Format;
use como_core::time::{Span, Ts};

use super::renderer;

const START: Ts = Ts::new(1_700_000_000, 1);

fn every_type() -> Records {
    let columns = Type::ALL.map(|ty| Column::new(ty.name(), ty).unit(ty.name()));
    let mut records = Records::empty(Arc::new(Schema::new(columns)), Span::from_secs(5));
    let values: [Value; 9] = [
        true.into(),
        u64::MAX.into(),
        (-1i64).into(),
        0.5.into(),
        Value::Addr("fe80::1".parse().expect("an address")),
        Mac::new([0, 0x1b, 0x21, 0xa, 0xb, 0xc]).into(),
        "x".into(),
        vec![0u8, 255].into(),
        Ts::new(1, 1).into(),
    ];
    records.push(START, values);
    records.push(START, []);
    records
}

fn counts(values: &[u64]) -> Records {
    let schema = Schema::new([Column::new("n", Type::Uint).unit("packets")]);
    let mut records = Records::empty(Arc::new(schema), Span::from_secs(5));
    values.iter().for_each(|value| records.push(START, [Value::Uint(*value)]));
    records
}

fn written(format: Format, outputs: &[Output]) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut renderer = renderer(format).expect("a format of columns");
    renderer.begin(Some(&counts(&[]).schema), &mut out)?;
    for output in outputs {
        renderer.output(output, &mut out)?;
    }
    renderer.end(&mut out)?;
    Ok(out)
}

fn batches(bytes: &[u8]) -> Vec<RecordBatch> {
    let reader = StreamReader::try_new(bytes, None).expect("a stream");
    reader.collect::<Result<_, _>>().expect("batches")
}

/// The rows of a Parquet file as its library prints them, and what the file says beside them.
fn rows(bytes: Vec<u8>) -> (Vec<String>, Vec<(String, String)>) {
    let dir = tempfile_of(&bytes);
    let file = std::fs::File::open(dir.path().join("a.parquet")).expect("a file");
    let said = super::parquet::Parquet::said(&file).expect("a footer");
    let reader = SerializedFileReader::new(file).expect("a Parquet file");
    let rows = reader.get_row_iter(None).expect("rows");
    (rows.map(|row| row.expect("a row").to_string()).collect(), said)
}

fn tempfile_of(bytes: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("a.parquet"), bytes).expect("a file");
    dir
}

#[test]
fn arrow_has_every_type_with_its_unit() {
    let bytes = written(Format::Arrow, &[Output::Records(every_type())]).expect("a stream");
    let [batch] = &batches(&bytes)[..] else { panic!("one batch") };
    let schema = batch.schema();
    assert_eq!(schema.field(0).data_type().to_string(), "Timestamp(ns, \"UTC\")");
    assert_eq!(schema.field(2).metadata().get("unit").map(String::as_str), Some("uint"));
    let column = |name: &str| batch.column_by_name(name).expect("a column").clone();
    let starts = column("ts");
    assert_eq!(starts.as_primitive::<TimestampNanosecondType>().value(0), START.0 as i64);
    assert_eq!(column("uint").as_primitive::<UInt64Type>().value(0), u64::MAX);
    let addr = column("addr");
    let addr = addr.as_dictionary::<Int32Type>();
    let texts = addr.values().as_any().downcast_ref::<StringArray>().expect("texts");
    assert_eq!((texts.len(), texts.value(0)), (1, "fe80::1"));
    for at in 1..batch.num_columns() {
        assert!(batch.column(at).is_valid(0) && batch.column(at).is_null(1), "{at}");
    }
}

#[test]
fn parquet_has_every_type_with_its_unit() {
    let gap = Output::Gap { from: Ts::new(9, 0), to: Ts::new(10, 0) };
    let bytes = written(Format::Parquet, &[Output::Records(every_type()), gap]).expect("a file");
    let (rows, said) = rows(bytes);
    assert_eq!(rows.len(), 2);
    for word in ["uint: 18446744073709551615", "int: -1", "float: 0.5", "addr: \"fe80::1\""] {
        assert!(rows[0].contains(word), "{word}: {}", rows[0]);
    }
    assert!(rows[1].contains("uint: null, int: null"), "{}", rows[1]);
    let said = |key: &str| said.iter().find(|(k, _)| k == key).map(|(_, value)| &value[..]);
    assert_eq!(said("como.interval"), Some("5s"));
    assert_eq!(said("como.gaps"), Some("1970-01-01T00:00:09Z/1970-01-01T00:00:10Z"));
    assert!(said("como.units").is_some_and(|units| units.contains(r#""uint":"uint""#)));
    assert!(said("ARROW:schema").is_some());
}

#[test]
fn an_empty_answer_has_its_columns() {
    let bytes = written(Format::Arrow, &[]).expect("a stream");
    let reader = StreamReader::try_new(&bytes[..], None).expect("a stream");
    assert_eq!(reader.schema().field(1).data_type(), &DataType::UInt64);
    assert_eq!(reader.count(), 0);
    let (rows, said) = rows(written(Format::Parquet, &[]).expect("a file"));
    assert!(rows.is_empty());
    assert!(said.contains(&("como.units".into(), r#"{"n":"packets"}"#.into())), "{said:?}");
}

#[test]
fn many_rows_become_several_groups_and_none_is_lost() {
    let part: Vec<u64> = (0..50_000).collect();
    let outputs = [counts(&part), counts(&part), counts(&part)].map(Output::Records);
    let (rows, _) = rows(written(Format::Parquet, &outputs).expect("a file"));
    assert_eq!(rows.len(), 150_000);
    assert!(rows[149_999].contains("n: 49999"), "{}", rows[149_999]);
    let read: usize = batches(&written(Format::Arrow, &outputs).expect("a stream"))
        .iter()
        .map(RecordBatch::num_rows)
        .sum();
    assert_eq!(read, 150_000);
}

#[test]
fn columns_that_do_not_fit_are_refused_and_narrower_ones_are_widened() {
    let text = Schema::new([Column::new("n", Type::Text)]);
    let mut other = Records::empty(Arc::new(text), Span(1));
    other.push(START, ["x".into()]);
    let wide = Schema::new([Column::new("n", Type::Float), Column::new("m", Type::Uint)]);
    let mut wide = Records::empty(Arc::new(wide), Span(1));
    wide.push(START, [Value::Float(0.5), Value::Uint(1)]);
    for format in [Format::Arrow, Format::Parquet] {
        let changed = [counts(&[1]), other.clone()].map(Output::Records);
        let error = written(format, &changed).expect_err("another type").to_string();
        assert!(error.contains("the columns change at 2023-11-14T22:13:20"), "{error}");
        let fits = [wide.clone(), counts(&[7])].map(Output::Records);
        assert!(written(format, &fits).is_ok());
    }
}

#[test]
fn names_given_twice_are_told_apart() {
    let schema = Schema::new(["ts", "n", "n"].map(|name| Column::new(name, Type::Uint)));
    let mut records = Records::empty(Arc::new(schema), Span(1));
    records.push(START, [Value::Uint(1), Value::Uint(2), Value::Uint(3)]);
    let (rows, _) = rows(written(Format::Parquet, &[Output::Records(records)]).expect("a file"));
    assert!(rows[0].ends_with("ts_2: 1, n: 2, n_2: 3}"), "{}", rows[0]);
}
