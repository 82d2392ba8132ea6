//! Several files as one source: their order, and what a bad one among them does.

use std::path::Path;

use como_core::source::Source;
use como_core::time::Ts;

use crate::file::tests::{drain, pcap};

/// Writes captures of packets at these seconds, one file each, and reads them as one source.
/// Every packet's bytes name its file and second.
#[track_caller]
fn check(files: &[&[u32]], want: &[(u8, u32)]) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (at, secs) in files.iter().enumerate() {
        write(dir.path(), at, secs);
    }
    let mut source = open(dir.path());
    let (seen, e) = drain(&mut *source);
    assert!(e.is_none(), "{e:?}");
    let got: Vec<(u8, u32)> = seen
        .iter()
        .map(|p| (p.bytes[0], u32::from_le_bytes(p.bytes[1..5].try_into().expect("4"))))
        .collect();
    assert_eq!(got, want);
    assert!(seen.iter().zip(want).all(|(p, (_, secs))| p.ts == Ts::new(u64::from(*secs), 0)));
}

fn write(dir: &Path, at: usize, secs: &[u32]) {
    let bytes: Vec<Vec<u8>> =
        secs.iter().map(|s| [&[at as u8][..], &s.to_le_bytes()].concat()).collect();
    let packets: Vec<_> = secs.iter().zip(&bytes).map(|(s, b)| (*s, 0, b.as_slice(), 5)).collect();
    // Named against the order of time, so that nothing is right by accident.
    std::fs::write(dir.join(format!("{}.pcap", 99 - at)), pcap(&packets)).expect("room");
}

fn open(dir: &Path) -> Box<dyn Source> {
    let glob = dir.join("*.pcap").display().to_string();
    let mut sources = crate::open(&glob).expect("a source");
    assert_eq!(sources.len(), 1);
    sources.remove(0)
}

#[test]
fn files_that_follow_one_another_are_read_in_that_order() {
    check(&[&[5, 6], &[1, 2], &[3, 4]], &[(1, 1), (1, 2), (2, 3), (2, 4), (0, 5), (0, 6)]);
}

#[test]
fn files_that_overlap_are_merged_by_time() {
    check(
        &[&[1, 4, 7], &[2, 5, 6], &[5, 8]],
        &[(0, 1), (1, 2), (0, 4), (1, 5), (2, 5), (1, 6), (0, 7), (2, 8)],
    );
}

#[test]
fn a_file_without_packets_takes_no_place() {
    check(&[&[], &[2], &[1], &[]], &[(2, 1), (1, 2)]);
}

#[test]
fn a_file_that_steps_back_keeps_its_own_order() {
    check(&[&[10, 3, 11], &[4, 12]], &[(1, 4), (0, 10), (0, 3), (0, 11), (1, 12)]);
}

#[test]
fn many_overlapping_packets_keep_their_bytes() {
    let odd: Vec<u32> = (0..20_000).map(|i| i * 2 + 1).collect();
    let even: Vec<u32> = (0..20_000).map(|i| i * 2).collect();
    let want: Vec<(u8, u32)> = (0..40_000).map(|i| ((i % 2) as u8, i)).collect();
    check(&[&even, &odd], &want);
}

#[test]
fn a_damaged_file_is_told_after_all_that_the_others_hold() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for at in 0..3 {
        write(dir.path(), at, &[at as u32 * 2 + 1, at as u32 * 2 + 2]);
    }
    let first = dir.path().join("99.pcap");
    let bytes = std::fs::read(&first).expect("a file");
    std::fs::write(&first, &bytes[..bytes.len() - 1]).expect("room");
    let (seen, e) = drain(&mut *open(dir.path()));
    assert_eq!(seen.len(), 5);
    let e = e.expect("an error").to_string();
    assert!(e.contains("99.pcap") && e.ends_with("at byte 45"), "{e}");
}
