//! Estimates stay within the errors they state.

use super::*;
use crate::table::sketch::{Bitmap, Distinct, Quantile, TopK};

fn item(x: u64) -> Item {
    Item::Cell(Cell::Number(x))
}

#[test]
fn distinct_is_exact_to_128_and_then_within_four_standard_errors() {
    let mut distinct = Distinct::default();
    for x in 0..1_000_000u64 {
        distinct.add(item(x).hash());
        distinct.add(item(x / 2).hash());
        let (n, seen) = (x + 1, distinct.estimate() as f64);
        if n <= 128 {
            assert_eq!(seen as u64, n);
        } else if n.is_power_of_two() {
            assert!((seen / n as f64 - 1.0).abs() < 4.0 * 0.01625, "{seen} of {n}");
        }
    }
    assert!(distinct.heap_bytes() < 3200);
}

#[test]
fn merged_distinct_counts_are_those_of_both() {
    let of = |range: std::ops::Range<u64>| {
        let mut distinct = Distinct::default();
        range.for_each(|x| distinct.add(item(x).hash()));
        distinct
    };
    for (a, b) in
        [(0..2, 1..3), (0..100, 50..130), (0..5000, 2..4), (0..2, 0..5000), (0..9000, 6000..15_000)]
    {
        let all = a.start.min(b.start)..a.end.max(b.end);
        let mut merged = of(a);
        merged.merge(&of(b));
        assert_eq!(merged.estimate(), of(all).estimate());
    }
}

#[test]
fn a_bitmap_is_within_the_error_it_was_sized_for() {
    // Sized for a standard error of 1 % at 10,869 values: four of them.
    let Function::Bitmap { bits } = aggregate("bitmap", &["flow".into(), 10_869.into()]).function
    else {
        panic!("a bitmap");
    };
    let mut halves = [Bitmap::default(), Bitmap::default()];
    for x in 0..10_869u64 {
        halves[usize::from(x % 3 == 0)].add(item(x).hash(), bits);
    }
    let [mut all, third] = halves;
    all.merge(&third);
    let off = all.estimate() as f64 / 10_869.0 - 1.0;
    assert!(off.abs() < 0.04, "{off}");
    assert_eq!((Bitmap::default().estimate(), all.heap_bytes()), (0, 1024));
}

#[test]
fn a_bitmap_errs_as_its_load_tells_and_ends_at_a_bound() {
    for keys in [100u64, 10_869, 100_000] {
        let function = aggregate("bitmap", &["flow".into(), keys.into()]).function;
        let Function::Bitmap { bits } = function else { panic!("a bitmap") };
        let (b, mut bitmap, mut added) = (f64::from(bits), Bitmap::default(), 0u64);
        for n in [keys / 10, keys / 2, keys, keys * 3 / 2] {
            (added..n).for_each(|x| bitmap.add(item(x).hash(), bits));
            added = n;
            let t = n as f64 / b;
            let error = (b * (t.exp() - t - 1.0)).sqrt() / n as f64;
            assert!(n > keys || error <= 0.01005, "{error}");
            let off = bitmap.estimate() as f64 / n as f64 - 1.0;
            assert!(off.abs() < 4.0 * error + 1.0 / n as f64, "{off} at {n} of {keys}: {error}");
        }
        (0..keys * 40).for_each(|x| bitmap.add(item(x).hash(), bits));
        assert!(bitmap.estimate() <= (b * b.ln()).round() as u64);
    }
}

#[test]
fn a_full_bitmap_still_answers() {
    let mut bitmap = Bitmap::default();
    (0..10_000).for_each(|x| bitmap.add(item(x).hash(), 64));
    assert_eq!(bitmap.estimate(), (64.0 * 64f64.ln()).round() as u64);
}

#[test]
fn quantiles_are_within_one_per_cent_of_the_value() {
    let mut quantile = Quantile::default();
    assert_eq!(quantile.at(0.5), None);
    let mut other = Quantile::default();
    for x in 1..=1000u64 {
        if x % 2 == 0 { &mut quantile } else { &mut other }.add(x, 1);
    }
    quantile.merge(&other);
    for (share, want) in [(0.0, 1.0), (0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
        let got = quantile.at(share).expect("values were added");
        assert!((got / want - 1.0f64).abs() < 0.0121, "{got} for {want}");
    }
    quantile.add(u64::MAX, u64::MAX);
    assert!(quantile.at(0.5).is_some_and(|x| x > 1.8e19));
}

#[test]
fn a_quantile_is_near_the_value_of_its_rank_and_between_the_least_and_the_largest() {
    for values in [vec![82u64; 9], vec![0, 1, 1, 82], (60..1515).collect(), vec![7, u64::MAX >> 12]]
    {
        let [mut whole, mut a, mut b] = [(); 3].map(|()| Quantile::default());
        for (at, x) in values.iter().enumerate() {
            whole.add(*x, 1);
            if at % 3 == 0 { &mut a } else { &mut b }.add(*x, 1);
        }
        a.merge(&b);
        let mut bytes = Vec::new();
        a.put(&mut bytes);
        let kept = Quantile::take(&mut crate::wire::Reader::new(&bytes)).expect("as it was put");
        for sketch in [whole, a, kept] {
            for share in [0.0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0] {
                let got = sketch.at(share).expect("values were added");
                let rank = (share * (values.len() - 1) as f64) as usize;
                let want = values[rank] as f64;
                assert!((got - want).abs() <= want * 0.010_001, "{got} for {want}");
                let (least, most) = (values[0] as f64, values[values.len() - 1] as f64);
                assert!((least..=most).contains(&got), "{got} of {least} to {most}");
            }
        }
    }
}

#[test]
fn no_count_of_the_most_frequent_is_too_low_nor_too_high_by_more_than_a_share_of_all() {
    for k in [1u32, 5, 20] {
        let room = TopK::counters(k);
        // What comes often comes first, and then as many others as push it out again and again.
        let often = |x: u64| (0..3).flat_map(move |y| vec![y; 40 + x as usize]);
        let all: Vec<u64> =
            (0..9).flat_map(|x| often(x).chain(100 + x * 500..100 + (x + 1) * 500)).collect();
        let mut parts = [(); 3].map(|()| TopK::default());
        for (at, x) in all.iter().enumerate() {
            parts[at % 3].add(item(*x), 1, room);
        }
        let mut whole = TopK::default();
        all.iter().for_each(|x| whole.add(item(*x), 1, room));
        let [mut merged, b, c] = parts;
        merged.merge(&b, room);
        merged.merge(&c, room);
        let bound = all.len() as u64 / room as u64;
        for sketch in [whole, merged] {
            let top = sketch.top(room);
            for f in &top {
                let count = all.iter().filter(|x| item(**x) == f.item).count() as u64;
                assert!((count..=count + bound).contains(&f.count), "{f:?}: {count}, {bound}");
                assert!(f.error <= bound && f.count - f.error <= count, "{f:?}: {count}");
            }
            let frequent =
                (0..3u64).filter(|y| all.iter().filter(|x| *x == y).count() as u64 > bound);
            for y in frequent {
                assert!(top.iter().any(|f| f.item == item(y)), "{y} of {k}");
            }
        }
    }
}

/// `n` values, value `x` of weight about `10_000 / (x + 1)`, in an order that mixes them.
fn skewed(n: u64) -> Vec<(u64, u64)> {
    let mut all: Vec<(u64, u64)> = (0..n)
        .flat_map(|x| {
            let weight = 10_000 / (x + 1);
            (0..4).map(move |part| (x, weight / 4 + u64::from(part < weight % 4)))
        })
        .collect();
    all.sort_by_key(|(x, w)| item(x * 31 + w).hash());
    all
}

#[test]
fn the_most_frequent_are_found_and_their_counts_are_bounded() {
    let (k, n) = (5, 2000);
    let room = TopK::counters(k);
    let [mut whole, mut a, mut b] = [(); 3].map(|()| TopK::default());
    for (at, (x, weight)) in skewed(n).into_iter().enumerate() {
        whole.add(item(x), weight, room);
        if at % 2 == 0 { &mut a } else { &mut b }.add(item(x), weight, room);
    }
    a.merge(&b, room);
    for sketch in [whole, a] {
        let top = sketch.top(k as usize);
        assert_eq!(top.len(), k as usize);
        for (x, f) in top.iter().enumerate() {
            let true_count = 10_000 / (x as u64 + 1);
            assert_eq!(f.item, item(x as u64));
            assert!(f.count >= true_count && f.count - f.error <= true_count, "{f:?}");
        }
    }
}

#[test]
fn few_values_are_counted_exactly_and_ties_are_by_value() {
    let mut top = TopK::default();
    for x in [5u64, 3, 9, 3, 5] {
        top.add(item(x), 1, TopK::counters(3));
    }
    let got: Vec<(Item, u64, u64)> =
        top.top(3).iter().map(|f| (f.item, f.count, f.error)).collect();
    assert_eq!(got, [(item(3), 2, 0), (item(5), 2, 0), (item(9), 1, 0)]);
}

#[test]
fn columns_show_their_sketches() {
    let column = |name: &str, args: &[Value]| ValueColumn {
        name: name.to_owned(),
        aggregate: aggregate(name, args),
    };
    let columns = [
        column("topk", &["dport".into(), 2u64.into()]),
        column("quantile", &["dport".into(), 0.5.into()]),
        column("bitmap", &["flow".into()]),
        column("ewma", &["dport".into(), "1s".into()]),
        column("distinct", &["ip.src".into()]),
    ];
    let mut table = Table::new(layout(&[], &columns, Full::Other), roomy(), span());
    let mut batch = batch_of([80u16, 53, 80].iter().enumerate().map(|(at, port)| {
        let to = (Addr::v4([10, 0, 0, 2]), *port);
        Frame::udp((Addr::v4([10, 0, 0, 1]), 1), to).ts(Ts::new(at as u64, 0))
    }));
    batch.decode(table.layout().demand());
    table.update(&batch, &Selection::all(3));
    assert_eq!(table.value(0, 0), Value::Text("80=2 53=1".into()));
    let near = |at: usize, want: f64| {
        let Value::Float(got) = table.value(0, at) else { panic!("a float") };
        assert!((got / want - 1.0).abs() < 0.011, "{got} for {want}");
    };
    near(1, 80.0);
    assert_eq!(table.value(0, 2), Value::Uint(2));
    near(3, (80.0 / 4.0 + 53.0 / 2.0 + 80.0) / 1.75);
    assert_eq!(table.value(0, 4), Value::Uint(1));
    assert_eq!(table.frequent(0, 0)[0].count, 2);
    assert_records_agree(&table);
}
