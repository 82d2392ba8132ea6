//! Fields with a sign, as keys and as values: they are kept without one, and nobody sees that.

use super::*;
use crate::packet::LinkType;

/// A frame received at this many dBm.
fn received(dbm: i8) -> Frame {
    let header = [0, 0, 9, 0, 0x20, 0, 0, 0, dbm.cast_unsigned()];
    Frame::raw(LinkType::RADIOTAP, [&header[..], &[0x80, 0]].concat())
}

/// Rows over frames received at -60, -90, -30 and -60 dBm, in the order of their keys.
fn measured(key: &[&str], of: &[(&str, &[Value])]) -> Table {
    let column = |(name, args): &(&str, &[Value])| ValueColumn {
        name: (*name).to_owned(),
        aggregate: aggregate(name, args),
    };
    let value: Vec<ValueColumn> = of.iter().map(column).collect();
    let layout = layout(key, &value, Full::Other);
    let mut batch = batch_of([-60, -90, -30, -60].map(received));
    batch.decode(layout.demand());
    let mut table = Table::new(layout, roomy(), span());
    table.update(&batch, &Selection::all(batch.len()));
    assert_records_agree(&table);
    table
}

#[test]
fn a_key_with_a_sign_keeps_it_and_its_order() {
    let row = |dbm: i64, n: u64| vec![Value::Int(dbm), Value::Uint(n)];
    let table = measured(&["radio.signal"], &[("count", &[])]);
    assert_eq!(rows(&table), [row(-90, 1), row(-60, 2), row(-30, 1)]);
    assert!(KeyColumn::parse("dbm", "radio.signal or 0").is_err());
}

#[test]
fn values_with_a_sign_aggregate_as_numbers_do() {
    let of: Vec<Value> = vec!["radio.signal".into()];
    let ewma = [of.clone(), vec!["1h".into()]].concat();
    let value = |name: &str, args: &[Value]| rows(&measured(&[], &[(name, args)]))[0][0].clone();
    assert_eq!(value("min", &of), Value::Int(-90));
    assert_eq!(value("max", &of), Value::Int(-30));
    assert_eq!(value("last", &of), Value::Int(-60));
    assert_eq!(value("mean", &of), Value::Float(-60.0));
    assert_eq!(value("var", &of), Value::Float(450.0));
    assert_eq!(value("ewma", &ewma), Value::Float(-60.0));
    assert_eq!(value("distinct", &of), Value::Uint(3));
    let topk = [of, vec![1u64.into()]].concat();
    assert_eq!(value("topk", &topk), Value::Text("-60=2".into()));
}

#[test]
fn the_strongest_come_first() {
    let args: &[Value] = &["radio.signal".into()];
    let table = measured(&["radio.signal"], &[("mean", args), ("max", args)]);
    for column in 0..3 {
        let top = table.top(column, 2);
        let strongest = top.iter().map(|row| table.value(*row as usize, 0));
        assert_eq!(strongest.collect::<Vec<_>>(), [Value::Int(-30), Value::Int(-60)]);
    }
}

#[test]
fn what_needs_numbers_without_a_sign_is_refused() {
    for (name, more) in [("sum", None), ("rate", None), ("quantile", Some(Value::Float(0.5)))] {
        let args: Vec<Value> = [Some("radio.signal".into()), more].into_iter().flatten().collect();
        let column = ValueColumn { name: "x".into(), aggregate: aggregate(name, &args) };
        let e = Layout::new(&[], &[column], Full::Other).expect_err("an error").to_string();
        assert!(e.contains(&format!("`{name}` works on numbers without a sign")), "{e}");
    }
}
