//! Ids against the values they stand for.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::packet::build::{Frame, batch_of};

fn all() -> Demand {
    Demand::NONE.id(Id::Src).id(Id::Dst).id(Id::Flow)
}

/// Addresses of both families, ports and protocols from small ranges, so that values repeat.
fn frame(kind: u8, src: u8, dst: u8, sport: u16, dport: u16) -> Frame {
    let v4 = |host: u8| Addr::v4([10, 0, 0, host]);
    let v6 = |host: u8| Addr::from_bits(true, 0xfe80 << 112 | u128::from(host));
    match kind % 5 {
        0 => Frame::tcp((v4(src), sport), (v4(dst), dport)),
        1 => Frame::udp((v4(src), sport), (v4(dst), dport)),
        2 => Frame::tcp((v6(src), sport), (v6(dst), dport)),
        3 => Frame::icmp(v4(src), v4(dst), 8, 0),
        _ => Frame::arp(v4(src), v4(dst), true),
    }
}

/// What ids must mean: within an epoch the same id for the same value, from 0 without gaps.
#[track_caller]
fn check(interner: &mut Interner, batches: Vec<Vec<Frame>>) {
    let mut addrs: HashMap<Addr, u32> = HashMap::new();
    let mut flows: HashMap<[u128; 6], u32> = HashMap::new();
    let mut epoch = 0;
    for frames in batches {
        let mut batch = batch_of(frames);
        batch.decode(all());
        interner.fill(&mut batch, all());
        if batch.epoch() != epoch {
            (addrs, flows) = Default::default();
            epoch = batch.epoch();
        }
        for at in 0..batch.len() {
            let addr = |field| {
                let (values, present) = batch.addrs(field).expect("asked for");
                present.has(at).then(|| values[at])
            };
            let number = |field| u128::from(batch.numbers(field).expect("asked for").0[at]);
            let (src, dst) = (addr(Field::IpSrc), addr(Field::IpDst));
            for (addr, id) in [(src, Id::Src), (dst, Id::Dst)] {
                let next = addrs.len() as u32;
                let want = addr.map_or(Batch::NO_ID, |addr| *addrs.entry(addr).or_insert(next));
                // Source and destination share one numbering, filled column by column.
                let got = batch.ids(id)[at];
                if want == next {
                    addrs.insert(addr.expect("new"), got);
                } else {
                    assert_eq!(got, want);
                }
            }
            let next = flows.len() as u32;
            let want = src.zip(dst).map_or(Batch::NO_ID, |(src, dst)| {
                let rest = [Field::IpProto, Field::Sport, Field::Dport].map(number);
                let family = u128::from(src.is_v6());
                let key = [family, src.bits(), dst.bits(), rest[0], rest[1], rest[2]];
                *flows.entry(key).or_insert(next)
            });
            assert_eq!(batch.ids(Id::Flow)[at], want);
        }
        let mut ids: Vec<u32> = addrs.values().copied().collect();
        ids.sort_unstable();
        assert!(ids.iter().enumerate().all(|(at, id)| at as u32 == *id), "ids without gaps");
    }
}

#[test]
fn packets_without_addresses_have_no_id() {
    let frames = vec![frame(4, 1, 2, 0, 0), frame(0, 1, 2, 3, 4), frame(3, 1, 2, 0, 0)];
    check(&mut Interner::default(), vec![frames]);
}

#[test]
fn nothing_is_numbered_that_no_task_asks_for() {
    let mut batch = batch_of([frame(0, 1, 2, 3, 4)]);
    let demand = Demand::NONE.id(Id::Dst);
    batch.decode(demand);
    Interner::default().fill(&mut batch, demand);
    assert_eq!(batch.ids(Id::Dst), [0]);
    assert!(batch.ids(Id::Src).is_empty() && batch.ids(Id::Flow).is_empty());
}

#[test]
fn a_full_numbering_starts_afresh_between_batches() {
    let batch = |from: u16| (0..40).map(|i| frame(0, i as u8, 200, from + i, 80)).collect();
    let mut interner = Interner::bounded(150);
    check(&mut interner, (0..10).map(|i| batch(i * 40)).collect());
    assert!(interner.epoch > 0);
}

#[test]
fn tables_grow_without_losing_anyone() {
    let address = |i: u32, v6: bool| Addr::from_bits(v6, u128::from(i * 77));
    let batches = (0..4u32).map(|batch| {
        let from = batch * 700;
        (from..from + 1400)
            .map(|i| {
                let v6 = i % 3 == 0;
                Frame::udp((address(i, v6), 1), (address(i + 1, v6), i as u16))
            })
            .collect()
    });
    check(&mut Interner::default(), batches.collect());
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::with_cases(64)
    })]

    #[test]
    fn the_same_value_has_the_same_id(
        batches in prop::collection::vec(
            prop::collection::vec((any::<u8>(), 0u8..20, 0u8..20, 0u16..4, 0u16..4), 0..60), 1..8),
        ids_max in 100usize..400,
    ) {
        let batches = batches.into_iter().map(|batch| {
            batch.into_iter().map(|(k, s, d, sp, dp)| frame(k, s, d, sp, dp)).collect()
        });
        check(&mut Interner::bounded(ids_max), batches.collect());
    }
}

#[test]
fn a_renewed_numbering_starts_afresh_only_once_it_is_large() {
    let mut interner = Interner::default();
    let mut epoch_after = |hosts: std::ops::Range<u32>| {
        let host = |at: u32| Addr::v4((0x0a00_0000 + at).to_be_bytes());
        let mut batch = batch_of(hosts.map(|at| Frame::udp((host(at), 1), (host(at + 1), 2))));
        interner.renew();
        batch.decode(all());
        interner.fill(&mut batch, all());
        batch.epoch()
    };
    assert_eq!(epoch_after(0..4096), 0);
    assert_eq!(epoch_after(0..4096), 0);
    for at in 1..IDS_NEAR / 4096 {
        assert_eq!(epoch_after(at * 4096..(at + 1) * 4096), 0);
    }
    assert_eq!(epoch_after(0..10), 1);
}
