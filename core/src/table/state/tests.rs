//! States of parts merge into the state of the whole, and any bytes are an error and no panic.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::addr::Addr;
use crate::record::Column as RecordColumn;
use crate::record::Type;
use crate::table::key::Cell;
use crate::table::sketch::Item;

const BITMAP: &str = "bitmap(\"flow\", 2000)";

fn schema() -> Schema {
    let column = |name: &str, ty, of: &str| RecordColumn::new(name, ty).of(of);
    Schema::new([
        column("host", Type::Addr, "ip.dst"),
        column("mean", Type::Float, "mean(\"len\")"),
        column("hosts", Type::Uint, "distinct(\"ip.src\")"),
        column("p90", Type::Float, "quantile(\"len\", 0.9)"),
        column("ports", Type::Text, "topk(\"dport\", 3)"),
        column("flows", Type::Uint, BITMAP),
    ])
}

/// One sketch of each kind over some values, as bytes.
fn states(values: &[u64]) -> [Vec<u8>; 4] {
    let (mut distinct, mut quantile) = (Distinct::default(), Quantile::default());
    let (mut topk, mut bitmap) = (TopK::default(), Bitmap::default());
    let Some(Function::Bitmap { bits }) = Aggregate::parse(BITMAP).map(|parsed| parsed.function)
    else {
        panic!("a bitmap");
    };
    for x in values {
        let item = Item::Cell(Cell::Number(*x));
        distinct.add(item.hash());
        quantile.add(*x, 1);
        topk.add(Item::Cell(Cell::Number(x % 50)), 1, TopK::counters(3));
        bitmap.add(item.hash(), bits);
    }
    let mut all: [Vec<u8>; 4] = Default::default();
    let id = crate::hash::sketch_id().to_le_bytes();
    all[0].extend(id);
    all[3].extend(id);
    distinct.put(&mut all[0]);
    quantile.put(&mut all[1]);
    topk.put(&mut all[2]);
    bitmap.put(&mut all[3]);
    all
}

fn merged(parts: &[&[u64]]) -> States {
    let mut all = States::of(&schema(), usize::MAX);
    all.push();
    for part in parts {
        for (at, state) in states(part).iter().enumerate() {
            all.merge(0, at + 2, state).expect("a state");
        }
    }
    all
}

fn values() -> impl Strategy<Value = Vec<u64>> {
    let value = prop_oneof![0..200u64, any::<u64>(), Just(u64::MAX), Just(0)];
    prop_oneof![vec(value.clone(), 0..40), vec(value, 100..600)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn parts_merge_into_the_whole(a in values(), b in values(), c in values()) {
        let whole = [&a[..], &b, &c].concat();
        let (parts, whole) = (merged(&[&a, &b, &c]), states(&whole));
        for (at, state) in whole.iter().enumerate() {
            prop_assert_eq!(&parts.state(0, at + 2), state, "column {}", at + 2);
        }
        let mut once = States::of(&schema(), usize::MAX);
        once.push();
        for (at, state) in whole.iter().enumerate() {
            once.merge(0, at + 2, state).expect("a state");
            let both = [parts.value(0, at + 2), once.value(0, at + 2)];
            match both.each_ref().map(|value| value.as_float()) {
                // Registers are added up as floats in the order they come.
                [Some(a), Some(b)] => prop_assert!((a - b).abs() <= 1e-5 * b.abs(), "{a} {b}"),
                _ => prop_assert_eq!(&both[0], &both[1]),
            }
        }
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in vec(any::<u8>(), 0..200)) {
        let mut all = States::of(&schema(), usize::MAX);
        all.push();
        for column in 0..8 {
            let _ = all.merge(0, column, &bytes);
            let _ = (all.value(0, column), all.state(0, column));
        }
    }
}

#[test]
fn every_bin_and_item_comes_back() {
    let mut values: Vec<u64> = (0..64).map(|bit| 1 << bit).collect();
    values.extend((0..64).map(|bit| (1u64 << bit) + (1 << bit) / 3));
    let parts: Vec<&[u64]> = values.chunks(1).collect();
    assert_eq!(merged(&parts).state(0, 3), states(&values)[1]);
    let addr = |text: &str| text.parse::<Addr>().expect("an address");
    let flow = |a, b| Item::Flow { ends: [addr(a), addr(b)], proto: 6, ports: [1, 65_535] };
    let items = [
        Item::Cell(Cell::Number(u64::MAX)),
        Item::Cell(Cell::Addr(addr("10.0.0.1"))),
        Item::Cell(Cell::Addr(addr("2001:db8::1"))),
        flow("10.0.0.1", "10.0.0.2"),
        flow("2001:db8::1", "2001:db8::2"),
    ];
    let (mut topk, mut bytes) = (TopK::default(), Vec::new());
    items.iter().zip(1..).for_each(|(item, n)| topk.add(*item, n, 64));
    topk.put(&mut bytes);
    let back = TopK::take(&mut Reader::new(&bytes), 64).expect("a sketch");
    assert_eq!(back.top(9), topk.top(9));
}

#[test]
fn what_another_secret_counted_is_not_merged() {
    let mut state = states(&[1, 2, 3])[0].clone();
    state[0] ^= 1;
    let mut all = merged(&[&[4]]);
    assert_eq!(all.merge(0, 2, &state), Err(Malformed("another store's secret counted it")));
}

#[test]
fn columns_that_could_take_too_much_keep_no_state() {
    let column = |of: &str, ty| RecordColumn::new(of, ty).of(of);
    let schema = Schema::new([
        column("bitmap(\"flow\", 100000000)", Type::Uint),
        column("mean(\"len\")", Type::Float),
        column("sum(\"len\")", Type::Uint),
        column("topk(\"flow\", 1000)", Type::Text),
        column("topk(\"flow\", 999)", Type::Text),
        column("topk(\"flow\", 998)", Type::Text),
        column("distinct(\"flow\")", Type::Uint),
        // Not what such an aggregate gives.
        column("distinct(\"ip.src\")", Type::Text),
    ]);
    let kept: Vec<usize> = States::of(&schema, 0).columns().collect();
    assert_eq!(kept, [1, 3, 4, 6]);
}
