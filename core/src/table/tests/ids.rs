//! The dense ids by which a table knows its rows.

use std::collections::HashMap;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::with_cases(100)
    })]

    #[test]
    fn rows_have_the_ids_of_their_keys_also_where_a_numbering_ends_between_batches(
        batches in prop::collection::vec(prop::collection::vec(sent(), 1..40), 1..6),
        ids_max in 80usize..120,
    ) {
        let mut table = Table::new(layout(&["ip.dst"], &exact(), Full::Other), roomy(), span());
        let demand = table.layout().demand();
        let mut interner = Interner::bounded(ids_max);
        let mut ids = Vec::new();
        for sent in &batches {
            let batch = batch(sent, demand, &mut interner);
            let picked = picked(sent);
            table.update(&batch, &picked);
            prop_assert_eq!(table.row_ids(&mut ids), Some((Id::Dst, batch.epoch())));
            prop_assert_eq!(ids.len(), table.rows());
            let (addrs, present) = batch.addrs(Field::IpDst).expect("asked for");
            let addrs: HashMap<u32, Addr> = (0..batch.len())
                .filter(|at| picked.contains(*at) && present.has(*at))
                .map(|at| (batch.ids(Id::Dst)[at], addrs[at]))
                .collect();
            for (id, addr) in addrs {
                let row = ids.iter().position(|known| *known == id);
                let row = row.expect("what was just counted has its id");
                prop_assert_eq!(table.value(row, 0), Value::Addr(addr));
            }
        }
    }
}

#[test]
fn rows_that_no_id_leads_to_have_none() {
    let mut table = Table::new(layout(&["dport"], &exact(), Full::Other), roomy(), span());
    let udp = Frame::udp((Addr::v4([10, 0, 0, 1]), 7), (Addr::v4([10, 0, 0, 2]), 9));
    let mut batch = batch_of([udp]);
    batch.decode(table.layout().demand());
    table.update(&batch, &Selection::all(1));
    let mut ids = vec![1, 2, 3];
    assert_eq!((table.row_ids(&mut ids), ids), (None, vec![Batch::NO_ID]));
}
