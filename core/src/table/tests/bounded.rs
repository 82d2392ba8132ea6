//! What full tables do.

use super::*;

/// Counts packets by destination port: port `p` is sent `p` times, for `1..=ports`.
fn counted(bounds: Bounds, ports: u16) -> Table {
    let packets = ValueColumn { name: "packets".into(), aggregate: aggregate("count", &[]) };
    let mut table = Table::new(layout(&["dport"], &[packets], bounds.full), bounds, span());
    let frames = (1..=ports).rev().flat_map(|port| {
        let to = (Addr::v4([10, 0, 0, 2]), port);
        vec![Frame::udp((Addr::v4([10, 0, 0, 1]), 1), to); port.into()]
    });
    let frames: Vec<Frame> = frames.collect();
    for frames in frames.chunks(100) {
        let mut batch = batch_of(frames.to_vec());
        batch.decode(table.layout().demand());
        table.update(&batch, &Selection::all(batch.len()));
    }
    table
}

fn total(table: &Table) -> u64 {
    (0..table.rows()).map(|row| table.value(row, 1).as_uint().expect("a count")).sum()
}

const SENT: u64 = 60 * 61 / 2;

#[test]
fn keys_without_room_are_counted_together() {
    let table = counted(Bounds { rows_max: 10, ..roomy() }, 60);
    assert_eq!((table.rows(), total(&table)), (11, SENT));
    assert_eq!(table.overflowed(), 50);
    let last = *table.sorted().last().expect("rows");
    assert!(table.is_other(last as usize));
    assert_eq!(table.value(last as usize, 0), Value::Null);
    assert!(!table.top(1, 100).contains(&last), "no key, so not the top one");
    assert_records_agree(&table);
}

#[test]
fn the_smallest_rows_make_room() {
    let table = counted(Bounds { rows_max: 20, full: Full::Evict, ..roomy() }, 60);
    assert!(table.rows() <= 20 && table.overflowed() >= 40);
    let top = table.top(1, 1)[0] as usize;
    assert_eq!((table.value(top, 0), table.value(top, 1)), (Value::Uint(60), Value::Uint(60)));
    assert!(table.records(&table.sorted(), interval()).cut);
}

#[test]
fn sampled_keys_are_counted_exactly_and_say_what_they_stand_for() {
    let table = counted(Bounds { rows_max: 20, full: Full::Sample, ..roomy() }, 60);
    assert!(table.rows() <= 20 && table.one_in() >= 4);
    for row in 0..table.rows() {
        assert_eq!(table.value(row, 0), table.value(row, 1), "port p was sent p times");
        assert_eq!(table.value(row, 2), Value::Uint(table.one_in()));
    }
    assert_records_agree(&table);
}

#[test]
fn bytes_bound_a_table_as_rows_do() {
    let table = counted(Bounds { bytes_max: 600, ..roomy() }, 60);
    assert!(table.rows() < 60 && total(&table) == SENT);
}

#[test]
fn sketches_stop_growing_at_the_bound_and_count_what_they_refused() {
    let flows =
        ValueColumn { name: "n".into(), aggregate: aggregate("distinct", &["dport".into()]) };
    let bounds = Bounds { bytes_max: 1000, ..roomy() };
    let mut table = Table::new(layout(&[], &[flows], Full::Other), bounds, span());
    let mut batch = batch_of((0..4000u16).map(|port| {
        let to = (Addr::v4([10, 0, 0, 2]), port);
        Frame::udp((Addr::v4([10, 0, 0, 1]), 1), to)
    }));
    batch.decode(table.layout().demand());
    table.update(&batch, &Selection::all(batch.len()));
    assert!(table.overflowed() > 3000, "{}", table.overflowed());
    assert!(table.state_bytes() < 100_000);
}

/// Counts one packet of each of many pairs of ports into a table with room for few.
#[track_caller]
fn check_flood(key: &[&str], full: Full) {
    let packets = ValueColumn { name: "packets".into(), aggregate: aggregate("count", &[]) };
    let bounds = Bounds { rows_max: 10, full, ..roomy() };
    let mut table = Table::new(layout(key, &[packets], full), bounds, span());
    for sport in 0..50 {
        let mut batch = batch_of((0..2000).map(|dport| {
            Frame::udp((Addr::v4([10, 0, 0, 1]), sport), (Addr::v4([10, 0, 0, 2]), dport))
        }));
        batch.decode(table.layout().demand());
        table.update(&batch, &Selection::all(batch.len()));
    }
    assert!(table.overflowed() > 90_000, "{full:?} {}", table.overflowed());
    assert!(table.state_bytes() < 400_000, "{full:?}: {}", table.state_bytes());
    if full == Full::Other {
        let all: u64 = (0..table.rows())
            .map(|row| table.value(row, key.len()).as_uint().expect("a count"))
            .sum();
        assert_eq!((table.rows(), all), (11, 100_000));
    }
}

#[test]
fn keys_that_found_no_room_are_not_remembered_without_end() {
    for full in [Full::Other, Full::Evict, Full::Sample] {
        check_flood(&["sport", "dport"], full);
        check_flood(&["sport", "dport", "ip.proto", "eth.src"], full);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::with_cases(100)
    })]

    #[test]
    fn no_packet_is_lost_to_a_bound(
        key in 1..KEYS.len(),
        batches in prop::collection::vec(prop::collection::vec(sent(), 0..50), 1..6),
        rows_max in 1usize..12,
        ids_max in prop_oneof![Just(150usize), Just(10_000)],
    ) {
        let layout = layout(KEYS[key], &exact()[..1], Full::Other);
        let demand = layout.demand();
        let mut interner = Interner::bounded(ids_max);
        let bounds = Bounds { rows_max, ..roomy() };
        let mut table = Table::new(layout, bounds, span());
        let mut naive = Naive::new(KEYS[key], &exact()[..1]);
        for sent in &batches {
            let batch = batch(sent, demand, &mut interner);
            table.update(&batch, &picked(sent));
            naive.update(&batch, &picked(sent));
        }
        let sum = |rows: Vec<Vec<Value>>| -> u64 {
            rows.iter().map(|row| row[KEYS[key].len()].as_uint().expect("a count")).sum()
        };
        assert!(table.rows() <= rows_max + 1);
        assert_eq!(sum(rows(&table)), sum(naive.rows()));
        let want = naive.rows();
        for row in rows(&table).iter().filter(|row| row[0] != Value::Null) {
            assert!(want.contains(row), "a row with room is exact: {row:?}");
        }
    }

    #[test]
    fn dropping_rows_leaves_the_others_in_order(
        key in 1..KEYS.len(),
        batches in prop::collection::vec(prop::collection::vec(sent(), 0..50), 1..6),
        sample: bool,
        rows_max in 1usize..40,
    ) {
        let full = if sample { Full::Sample } else { Full::Evict };
        let layout = layout(KEYS[key], &exact(), full);
        let demand = layout.demand();
        let mut interner = Interner::bounded(150);
        let mut table = Table::new(layout, Bounds { rows_max, full, ..roomy() }, span());
        let mut naive = Naive::new(KEYS[key], &exact());
        for sent in &batches {
            let batch = batch(sent, demand, &mut interner);
            table.update(&batch, &picked(sent));
            naive.update(&batch, &picked(sent));
            assert!(table.rows() <= rows_max);
        }
        assert_records_agree(&table);
        let want = naive.rows();
        let keys = KEYS[key].len();
        let got = rows(&table);
        for row in &got {
            let of_key = want.iter().find(|w| w[..keys] == row[..keys]).expect("a key that was \
                sent");
            let (got, sent) = (row[keys].as_uint(), of_key[keys].as_uint());
            assert!(if sample { got == sent } else { got <= sent }, "{got:?} of {sent:?}");
        }
        assert!(got.windows(2).all(|w| w[0][..keys] != w[1][..keys]), "one row a key");
    }
}
