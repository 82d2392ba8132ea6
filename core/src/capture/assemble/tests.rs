//! What a run of timestamps becomes: batches, their clocks, and marks.

use std::sync::Arc;

use super::*;
use crate::packet::LinkType;

/// A chunk whose packets are one byte each, seen at these seconds.
fn chunk(secs: &[u64]) -> Chunk {
    let packet = |(at, sec): (usize, &u64)| Packet {
        ts: Ts::new(*sec, 0),
        offset: at as u32,
        cap_len: 1,
        wire_len: 1,
        region: 0,
        link: LinkType::RAW,
        source: 0,
        marks: 0,
    };
    let bytes: Vec<u8> = (0..secs.len()).map(|at| at as u8).collect();
    Chunk {
        packets: secs.iter().enumerate().map(packet).collect(),
        regions: vec![Arc::new(bytes)],
        ..Chunk::default()
    }
}

/// Batches as (clock, [(first byte, marks)]), with tasks of five-second intervals.
fn assembled(secs: &[u64]) -> Vec<(u64, Vec<(u8, u16)>)> {
    let mut assembler = Assembler::default();
    assembler.clock.set_lens([Span::from_secs(5)]);
    let mut chunk = chunk(secs);
    let run = Run { source: 0, from: 0, to: secs.len(), ordered: secs.is_sorted() };
    assembler.begin(&run, Trust::Confirmed);
    let mut batches = Vec::new();
    while let Some(batch) = assembler.fill(&mut chunk) {
        batches.push(batch);
    }
    batches.extend(assembler.finish());
    let shown = |b: &Batch| {
        let packets = (0..b.len()).map(|at| (b.data(at)[0], b.all()[at].marks));
        (b.clock.0 / crate::time::SECOND, packets.collect())
    };
    batches.iter().map(shown).collect()
}

/// Times of packets, after `untimed` without one and with those seen at `secs` behind them.
fn times_after(untimed: usize, secs: &[u64]) -> Vec<u64> {
    let mut assembler = Assembler::default();
    assembler.clock.set_lens([Span::from_secs(5)]);
    let mut chunk = chunk(&[&vec![0; untimed][..], secs].concat());
    for packet in &mut chunk.packets[..untimed] {
        packet.marks = Packet::NO_TS;
    }
    let run = Run { source: 0, from: 0, to: untimed + secs.len(), ordered: true };
    assembler.begin(&run, Trust::Confirmed);
    let mut batches = Vec::new();
    while let Some(batch) = assembler.fill(&mut chunk) {
        batches.push(batch);
    }
    batches.extend(assembler.finish());
    batches.iter().flat_map(Batch::all).map(|p| p.ts.parts().0).collect()
}

const BACK: u16 = Packet::BACKWARDS;
const AHEAD: u16 = Packet::AHEAD;

#[test]
fn batches_are_cut_at_interval_boundaries() {
    let want = vec![(3, vec![(0, 0), (1, 0)]), (5, vec![(2, 0)]), (11, vec![(3, 0)])];
    assert_eq!(assembled(&[3, 4, 5, 11]), want);
}

#[test]
fn a_step_back_counts_in_the_open_interval() {
    assert_eq!(assembled(&[5, 3, 6]), vec![(5, vec![(0, 0), (1, BACK), (2, 0)])]);
}

#[test]
fn a_lone_leap_is_counted_where_it_stands_and_moves_no_clock() {
    let want = vec![(1, vec![(0, 0), (1, AHEAD), (2, 0)]), (6, vec![(3, 0)])];
    assert_eq!(assembled(&[1, 315_360_000, 2, 6]), want);
}

#[test]
fn a_leap_that_following_packets_confirm_moves_the_clock() {
    let far = 315_360_000;
    let after: Vec<(u8, u16)> = (1..=65).map(|at| (at, 0)).collect();
    let want = vec![(1, vec![(0, 0)]), (far, after), (far + 5, vec![(66, 0)])];
    assert_eq!(assembled(&[&[1][..], &[far; 65], &[far + 5]].concat()), want);
}

#[test]
fn a_few_packets_of_a_wrong_clock_are_counted_where_they_stand_and_move_none() {
    let far = 315_360_000;
    let secs = [1, far, far + 1, far + 2, far + 3, 2, 6];
    let ahead = [(0, 0), (1, AHEAD), (2, AHEAD), (3, AHEAD), (4, AHEAD), (5, 0)].to_vec();
    assert_eq!(assembled(&secs), vec![(1, ahead), (6, vec![(6, 0)])]);
}

#[test]
fn broken_times_that_do_not_agree_are_counted_where_they_stand_and_those_behind_them_are_believed()
{
    let far = 315_360_000;
    let broken = [1, far, 2 * far, 4 * far, 3 * far, 2, 6];
    let ahead = [(0, 0), (1, AHEAD), (2, AHEAD), (3, AHEAD), (4, AHEAD), (5, 0)].to_vec();
    assert_eq!(assembled(&broken), vec![(1, ahead), (6, vec![(6, 0)])]);

    let after: Vec<(u8, u16)> = (2..=65).map(|at| (at, 0)).collect();
    let want = vec![(1, vec![(0, 0), (1, AHEAD)]), (far, after), (far + 5, vec![(66, 0)])];
    assert_eq!(assembled(&[&[1, 2 * far][..], &[far; 64], &[far + 5]].concat()), want);
}

#[test]
fn a_packet_a_day_is_counted_on_its_day() {
    let days: Vec<u64> = (0..40).map(|day| day * 86_400).collect();
    let want: Vec<_> = (0..40u8).map(|at| (u64::from(at) * 86_400, vec![(at, 0)])).collect();
    assert_eq!(assembled(&days), want);
}

#[test]
fn a_leap_at_the_end_stands_for_want_of_contradiction() {
    assert_eq!(assembled(&[1, 90_000]), vec![(1, vec![(0, 0)]), (90_000, vec![(1, 0)])]);
}

#[test]
fn packets_that_step_back_leave_their_region_where_it_is() {
    let secs = [&[9][..], &[5; 100]].concat();
    let mut assembler = Assembler::default();
    let mut chunk = chunk(&secs);
    assembler.begin(&Run { source: 0, from: 0, to: secs.len(), ordered: false }, Trust::Confirmed);
    assert!(assembler.fill(&mut chunk).is_none());
    let batch = assembler.cut().expect("a batch");
    assert_eq!((batch.len(), batch.late, batch.regions()), (101, 100, 1));
}

#[test]
fn a_batch_is_cut_when_it_is_full() {
    let secs = vec![7; BATCH_PACKETS_MAX * 2 + 1];
    let sizes: Vec<usize> = assembled(&secs).iter().map(|(_, p)| p.len()).collect();
    assert_eq!(sizes, [BATCH_PACKETS_MAX, BATCH_PACKETS_MAX, 1]);
}

#[test]
fn a_whole_chunk_becomes_a_batch_and_nothing_is_lost_around_it() {
    let mut assembler = Assembler::default();
    assembler.clock.set_lens([Span::from_secs(5)]);
    let mut sizes = Vec::new();
    for secs in [vec![1; 10], vec![2; 2000], vec![3; 2000], vec![4; 10], vec![6; 2000]] {
        let mut chunk = chunk(&secs);
        assembler
            .begin(&Run { source: 0, from: 0, to: secs.len(), ordered: true }, Trust::Confirmed);
        while let Some(batch) = assembler.fill(&mut chunk) {
            sizes.push((batch.clock.0 / crate::time::SECOND, batch.len()));
        }
    }
    sizes.extend(assembler.finish().iter().map(|b| (b.clock.0 / crate::time::SECOND, b.len())));
    assert_eq!(sizes, [(1, 10), (1, 2000), (2, 2000), (3, 10), (6, 2000)]);
}

#[test]
fn packets_without_a_time_take_that_of_the_first_with_one() {
    assert_eq!(times_after(3, &[1000, 1001]), [1000, 1000, 1000, 1000, 1001]);
    assert_eq!(times_after(2, &[]), [0, 0]);
    let many = times_after(BATCH_PACKETS_MAX + 1, &[7]);
    assert_eq!(many.len(), BATCH_PACKETS_MAX + 2);
}
