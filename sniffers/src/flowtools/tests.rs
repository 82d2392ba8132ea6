//! Files of flow-tools in both byte orders, plain, compressed and damaged.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;

use super::*;

/// A number in the byte order of the file.
fn long(big: bool, n: u32) -> [u8; 4] {
    if big { n.to_be_bytes() } else { n.to_le_bytes() }
}

fn short(big: bool, n: u16) -> [u8; 2] {
    if big { n.to_be_bytes() } else { n.to_le_bytes() }
}

/// A file of version `version` with records of `n` packets for each `n` below `count`.
fn made(big: bool, version: u16, packed: bool, count: u32) -> Vec<u8> {
    let flags = if packed { 10 } else { 8 };
    let tags: [(u16, &[u8]); 4] = [
        (2, &short(big, version)),
        (8, &long(big, flags)),
        (11, &long(big, 3)),
        (16, b"a comment\0"),
    ];
    let mut file = vec![0xcf, 0x10, if big { 2 } else { 1 }, 3];
    let len: usize = tags.iter().map(|(_, value)| 4 + value.len()).sum();
    file.extend(long(big, 8 + len as u32));
    for (tag, value) in tags {
        file.extend(short(big, tag));
        file.extend(short(big, value.len() as u16));
        file.extend(value);
    }
    let mut records = Vec::new();
    let tail = match version {
        1 => 4,
        5 => 8,
        7 => 12,
        _ => 16,
    };
    for n in 1..=count {
        let start = records.len();
        for number in [1_700_000_000, 500_000_000, 60_000, 0x7f00_0001, 0x0a00_0001, n, 0] {
            records.extend(long(big, number));
        }
        records.extend([short(big, 1), short(big, 2)].concat());
        for number in [n, n * 40, 50_000, 59_000] {
            records.extend(long(big, number));
        }
        records.extend([short(big, 1000), short(big, 80)].concat());
        records.extend([6, 0, 0x12, 0]);
        records.resize(start + 56 + tail, 0);
    }
    if packed {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&records).expect("memory");
        records = encoder.finish().expect("memory");
    }
    file.extend(records);
    file
}

/// What a source gives before it ends: packets of each flow, when, and why it ended early.
type Given = (Vec<u64>, Vec<Ts>, Option<String>, Flows);

fn read(bytes: &[u8]) -> Result<Given, String> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    let name = file.path().display().to_string();
    let without_name = |e: SourceError| e.to_string().replace(&name, "x");
    let mut source = FlowTools::open(&name).map_err(without_name)?;
    let (mut packets, mut times) = (Vec::new(), Vec::new());
    loop {
        let mut chunk = Chunk::default();
        let turn = source.next(&mut chunk);
        packets.extend(chunk.weights.iter().map(|w| w.packets));
        times.extend(chunk.packets.iter().map(|p| p.ts));
        let error = match turn {
            Ok(Turn::More | Turn::Idle) => continue,
            Ok(Turn::End) => None,
            Err(e) => Some(without_name(e)),
        };
        return Ok((packets, times, error, source.flows().expect("flows")));
    }
}

#[test]
fn every_version_reads_in_both_byte_orders_plain_and_packed() {
    for (big, packed) in [(false, false), (true, false), (false, true), (true, true)] {
        for version in [1, 5, 6, 7, 1005] {
            let (packets, times, error, flows) =
                read(&made(big, version, packed, 5)).expect("a file");
            assert_eq!((packets, error), (vec![1, 2, 3, 4, 5], None), "{version}");
            assert_eq!(times[0], Ts::new(1_699_999_990, 500_000_000));
            assert_eq!(
                (flows.flow_packets, flows.flow_bytes, flows.flow_lost_records),
                (15, 600, 3)
            );
            let exporter = &flows.flow_exporters[0];
            assert_eq!((exporter.address.as_str(), exporter.version), ("127.0.0.1", version));
        }
    }
}

#[test]
fn many_records_fill_many_chunks() {
    let (packets, _, _, flows) = read(&made(false, 5, true, 10_000)).expect("a file");
    assert_eq!(packets.len(), 10_000);
    assert_eq!(flows.flow_records, 10_000);
}

#[test]
fn a_file_cut_short_gives_what_it_holds_and_says_so() {
    let whole = made(false, 5, false, 3);
    let (packets, _, error, _) = read(&whole[..whole.len() - 10]).expect("a header");
    assert_eq!(packets, [1, 2]);
    let want = "`x`: cut short, 54 bytes are left of a record of 64 at byte 128";
    assert_eq!(error.as_deref(), Some(want));
    let packed = made(false, 5, true, 3);
    let (_, _, error, _) = read(&packed[..packed.len() - 10]).expect("a header");
    assert!(error.is_some_and(|e| e.contains("cannot be unpacked")));
}

#[test]
fn what_is_none_of_ours_is_refused() {
    let e = |bytes: &[u8]| read(bytes).expect_err("an error");
    assert_eq!(
        e(b"\xd4\xc3\xb2\xa1\0\0\0\0"),
        "`x`: no flow-tools file: starts with d4 c3 and not cf 10 at byte 0"
    );
    assert_eq!(e(b""), "`x`: cut short in its header at byte 0");
    assert!(e(&made(false, 8, false, 1)).contains("records of version 8 are not read"));
    assert!(e(b"\xcf\x10\x01\x01\0\0\0\0").contains("stream version 1"));
    assert!(e(b"\xcf\x10\x01\x03\xff\xff\xff\xff").contains("claims 4294967295 bytes"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn damage_does_no_harm(
        big in any::<bool>(),
        packed in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = made(big, 5, packed, 9);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        if let Ok((packets, ..)) = read(&bytes) {
            prop_assert!(packets.len() <= bytes.len() * 1032 / 60);
        }
    }
}
