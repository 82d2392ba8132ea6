//! Blocks against every type, absent values, damage and lies.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::addr::{Addr, Mac};
use crate::record::{Column, Type, Value};

fn origin() -> Origin {
    Origin { node: "here".into(), stream: "traffic".into(), boot: 7 }
}

fn value(ty: Type) -> BoxedStrategy<Value> {
    match ty {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::Uint => {
            prop_oneof![any::<u64>(), 0..100u64, Just(u64::MAX)].prop_map(Value::Uint).boxed()
        }
        Type::Int => {
            prop_oneof![any::<i64>(), -9..9i64, Just(i64::MIN)].prop_map(Value::Int).boxed()
        }
        Type::Float => any::<f64>().prop_map(Value::Float).boxed(),
        Type::Addr => {
            let small = (0..3u8).prop_map(|a| Addr::v4([10, 0, 0, a]));
            let wide = any::<[u8; 16]>().prop_map(Addr::v6);
            prop_oneof![small, wide].prop_map(Value::Addr).boxed()
        }
        Type::Mac => any::<[u8; 6]>().prop_map(|b| Value::Mac(Mac::new(b))).boxed(),
        Type::Text => ".{0,12}|GET|POST".prop_map(Value::Text).boxed(),
        Type::Bytes => vec(any::<u8>(), 0..20).prop_map(Value::Bytes).boxed(),
        Type::Time => any::<u64>().prop_map(|t| Value::Time(Ts(t))).boxed(),
    }
}

fn some_records() -> impl Strategy<Value = Records> {
    let schema = vec(0..Type::ALL.len(), 0..6).prop_map(|types| {
        let column = |(at, ty): (usize, usize)| Column::new(format!("c{at}"), Type::ALL[ty]);
        Arc::new(Schema::new(types.into_iter().enumerate().map(column)))
    });
    schema.prop_flat_map(|schema| {
        let cell = |c: &Column| prop_oneof![4 => value(c.ty), 1 => Just(Value::Null)].boxed();
        let cells: Vec<_> = schema.columns.iter().map(cell).collect();
        let row = (any::<u32>(), cells);
        (Just(schema), vec(row, 1..60), any::<bool>(), any::<u64>()).prop_map(
            |(schema, mut rows, cut, len)| {
                rows.sort_by_key(|(start, _)| *start);
                let mut records = Records { cut, ..Records::empty(schema, Span(len)) };
                for (start, values) in rows {
                    records.push(Ts(u64::from(start)), values);
                }
                records
            },
        )
    })
}

/// NaN is not equal to itself, so floats are compared by their bits.
fn spelled(output: &Output) -> String {
    match output {
        Output::Records(r) => {
            let rows = (0..r.rows()).map(|row| {
                let cell = |column| match r.value(row, column) {
                    Value::Float(x) => format!("{:016x}", x.to_bits()),
                    value => format!("{value:?}"),
                };
                format!(
                    "{}: {:?}\n",
                    r.starts[row].0,
                    (0..r.cells.len()).map(cell).collect::<Vec<_>>()
                )
            });
            format!("{:?} {} {}", r.len, r.cut, rows.collect::<String>())
        }
        gap => format!("{gap:?}"),
    }
}

/// The same block with a checksum that is right again, so that the damage behind it is met.
fn mend(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(body) = bytes.len().checked_sub(CHECKSUM_BYTES) {
        let sum = crc32fast::hash(&bytes[..body]);
        bytes[body..].copy_from_slice(&sum.to_le_bytes());
    }
    bytes
}

proptest! {
    #[test]
    fn rows_of_every_type_come_back_as_they_were(records in some_records(), seq: u64) {
        let sealed = Encoder::default().records(&origin(), seq, &records, 0..records.rows());
        let sealed = sealed.expect("rows that fit");
        prop_assert_eq!(peek(&sealed.bytes), Ok(sealed.header.clone()));
        let block = decode(&sealed.bytes).expect("a block");
        prop_assert_eq!(&block.header, &sealed.header);
        let back = block.into_output(&records.schema).expect("its own schema");
        prop_assert_eq!(spelled(&back), spelled(&Output::Records(records)));
    }

    #[test]
    fn any_bytes_are_an_error_and_no_panic(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert!(decode(&bytes).is_err());
        let framed = mend([&MAGIC[..], &[VERSION], &bytes, &[0; CHECKSUM_BYTES]].concat());
        let _ = decode(&framed);
    }

    #[test]
    fn a_changed_byte_is_noticed(
        records in some_records(), at: prop::sample::Index, bit in 0..8u8,
    ) {
        let sealed = Encoder::default().records(&origin(), 1, &records, 0..records.rows());
        let mut bytes = sealed.expect("rows that fit").bytes;
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(decode(&bytes).is_err());
        let _ = decode(&mend(bytes)).map(|block| block.into_output(&records.schema));
    }

    #[test]
    fn a_lying_payload_is_no_panic(payload in vec(any::<u8>(), 0..400), rows in 0..300u32) {
        let header = Header { rows, ..gap().header };
        let _ = columns(&Header { gap: false, first: Ts(0), last: Ts(0), ..header }, &payload);
    }
}

fn gap() -> Sealed {
    Encoder::default().gap(&origin(), 3, Ts::new(10, 0), Ts::new(20, 0)).expect("a gap")
}

#[test]
fn a_gap_comes_back() {
    let sealed = gap();
    let block = decode(&sealed.bytes).expect("a block");
    let output = block.into_output(&Arc::default());
    assert_eq!(output, Ok(Output::Gap { from: Ts::new(10, 0), to: Ts::new(20, 0) }));
}

#[test]
fn a_gap_is_these_bytes() {
    let mut want = b"CoMB\x01\x02\x00\x04\x07\0\0\0\0\0\0\0".to_vec();
    for number in [0u64, 7, 3, 10_000_000_000, 20_000_000_000, 0, 0] {
        want.extend(number.to_le_bytes());
    }
    want.extend(b"heretraffic");
    want.extend(crc32fast::hash(&want).to_le_bytes());
    assert_eq!(gap().bytes, want);
}

#[test]
fn another_schema_is_refused() {
    let mut records =
        Records::empty(Arc::new(Schema::new([Column::new("a", Type::Uint)])), Span(1));
    records.push(Ts(1), [Value::Uint(1)]);
    let sealed = Encoder::default().records(&origin(), 1, &records, 0..1).expect("one row");
    let other = Arc::new(Schema::new([Column::new("b", Type::Uint)]));
    let block = decode(&sealed.bytes).expect("a block");
    assert_eq!(block.into_output(&other), Err(BlockError::Schema));
}

#[test]
fn few_bytes_that_stand_for_many_are_refused() {
    // One text of a megabyte, and thousands of rows that refer to it.
    let rows = 30_000u32;
    let mut payload = vec![1u8];
    payload.extend(vec![0; rows as usize]);
    payload.extend([6, 0, 2, 1]);
    put_varint(&mut payload, 1 << 20);
    payload.extend(vec![b'x'; 1 << 20]);
    payload.extend(vec![0; rows as usize]);
    let header = Header { rows, gap: false, first: Ts(0), last: Ts(0), ..gap().header };
    assert_eq!(columns(&header, &payload), Err(BlockError::TooLarge));
    let header = Header { rows: u32::MAX, ..header };
    assert_eq!(columns(&header, &payload), Err(BlockError::TooLarge));
}

#[test]
fn a_row_that_fits_no_block_is_refused() {
    let schema = Arc::new(Schema::new([Column::new("t", Type::Text)]));
    let mut records = Records::empty(schema, Span(1));
    records.push(Ts(1), ["x".repeat(PAYLOAD_BYTES_MAX).into()]);
    assert!(costs(&records)[0] > PAYLOAD_BYTES_MAX);
    let refused = Encoder::default().records(&origin(), 1, &records, 0..1);
    assert_eq!(refused.map(|s| s.bytes.len()), Err(BlockError::TooLarge));
}
