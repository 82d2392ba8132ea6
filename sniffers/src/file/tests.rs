//! Whole captures, through every kind of input.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::PathBuf;

use como_core::packet::{LinkType, Packet, Weight};
use como_core::selection::BATCH_PACKETS_MAX;
use como_core::source::{Chunk, Pace, Source, SourceError, Turn};
use como_core::storage::pcapng;
use como_core::time::Ts;

use super::buffered::Buffered;
use super::input::Input;
use super::mapped::Mapped;
use super::series::Series;
use super::{CAP_LEN_MAX, Capture, Taken};

/// A packet and its bytes, as a test compares them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub ts: Ts,
    pub wire_len: u32,
    pub link: LinkType,
    pub marks: u16,
    pub bytes: Vec<u8>,
}

/// Everything a source gives, and the error it ended with.
pub(super) fn drain(source: &mut dyn Source) -> (Vec<Seen>, Option<SourceError>) {
    let mut all = Vec::new();
    let mut chunk = Chunk::default();
    let mut turns_left = 1_000_000;
    loop {
        turns_left -= 1;
        assert!(turns_left > 0, "the source never ends");
        chunk.clear();
        let turn = source.next(&mut chunk);
        assert!(chunk.packets.len() <= BATCH_PACKETS_MAX);
        assert!(chunk.regions.len() <= chunk.packets.len());
        for p in &chunk.packets {
            let region = (*chunk.regions[usize::from(p.region)]).as_ref();
            let start = p.offset as usize;
            all.push(Seen {
                ts: p.ts,
                wire_len: p.wire_len,
                link: p.link,
                marks: p.marks,
                bytes: region[start..start + p.cap_len as usize].to_vec(),
            });
        }
        match turn {
            Ok(Turn::End) => return (all, None),
            Ok(Turn::More | Turn::Idle) => {}
            Err(e) => {
                let again = source.next(&mut Chunk::default());
                assert!(matches!(again, Ok(Turn::End)), "an error is told once");
                return (all, Some(e));
            }
        }
    }
}

/// A file that holds `bytes`, read from its start.
pub(super) fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(bytes).expect("room for it");
    file.rewind().expect("a file can be rewound");
    file
}

/// A capture of whatever its first bytes say.
pub(super) fn over(input: Box<dyn Input>) -> Capture {
    Capture::over("x".to_owned(), input, Taken::AsTold)
}

fn read_from(input: Box<dyn Input>) -> (Vec<Seen>, Option<String>) {
    let (seen, e) = drain(&mut over(input));
    (seen, e.map(|e| e.to_string()))
}

/// Reads `bytes` mapped, buffered and through a pipe, which must agree.
#[track_caller]
pub(super) fn read(bytes: &[u8]) -> (Vec<Seen>, Option<String>) {
    let mapped = read_from(Box::new(Mapped::new(file(bytes))));
    let buffered = read_from(Box::new(Buffered::of_file(file(bytes), bytes.len() as u64)));
    assert_eq!(mapped, buffered);
    let (out, mut into) = std::io::pipe().expect("a pipe");
    let piped = std::thread::scope(|scope| {
        // The reader may stop before it has read everything.
        scope.spawn(move || {
            for piece in bytes.chunks(7_001) {
                if into.write_all(piece).is_err() {
                    break;
                }
            }
        });
        let fd: std::os::fd::OwnedFd = out.into();
        read_from(Box::new(Buffered::of_stream(File::from(fd))))
    });
    assert_eq!(mapped, piped);
    mapped
}

/// A little-endian microsecond capture of Ethernet packets: time, captured bytes, wire length.
pub(super) fn pcap(packets: &[(u32, u32, &[u8], u32)]) -> Vec<u8> {
    let mut out = header(0xa1b2_c3d4, 1);
    for (secs, micros, bytes, wire_len) in packets {
        for field in [*secs, *micros, bytes.len() as u32, *wire_len] {
            out.extend(field.to_le_bytes());
        }
        out.extend(*bytes);
    }
    out
}

pub(super) fn header(magic: u32, link: u32) -> Vec<u8> {
    let mut out = magic.to_le_bytes().to_vec();
    out.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0]);
    out.extend(link.to_le_bytes());
    out
}

/// A capture longer than a buffer and than a first window: 3000 packets of 0 to 1499 bytes.
fn long() -> Vec<u8> {
    let bytes: Vec<u8> = (0..1500u32).map(|i| (i % 251) as u8).collect();
    let packets: Vec<_> =
        (0..3000u32).map(|i| (i, i, &bytes[..(i as usize * 7) % 1500], 1500)).collect();
    pcap(&packets)
}

#[test]
fn packets_that_straddle_windows_are_whole() {
    let (seen, e) = read(&long());
    assert_eq!((seen.len(), e), (3000, None));
    for (i, p) in seen.iter().enumerate() {
        assert_eq!(p.ts, Ts::new(i as u64, i as u64 * 1_000));
        assert_eq!(p.bytes.len(), i * 7 % 1500);
        assert!(p.bytes.iter().enumerate().all(|(at, b)| *b == (at % 251) as u8));
    }
}

#[test]
fn a_chunk_is_as_full_as_it_may_be() {
    let bytes = pcap(&vec![(1, 0, &[][..], 0); 10_000]);
    let mut capture = over(Box::new(Mapped::new(file(&bytes))));
    let mut chunk = Chunk::default();
    assert_eq!(capture.next(&mut chunk).expect("a chunk"), Turn::More);
    assert_eq!((chunk.packets.len(), chunk.regions.len()), (BATCH_PACKETS_MAX, 1));
}

#[test]
fn an_empty_capture_ends_at_once_and_an_empty_file_is_none() {
    assert_eq!(read(&pcap(&[])), (vec![], None));
    let (seen, e) = read(b"");
    assert!(seen.is_empty());
    assert_eq!(e.as_deref(), Some("`x`: empty, not even the header of a capture"));
}

#[test]
fn a_file_cut_anywhere_gives_the_packets_before_the_cut() {
    let whole = pcap(&[(1, 0, b"abc", 3), (2, 0, b"", 60), (3, 0, b"defgh", 9)]);
    let ends = [24, 43, 59, 80];
    for cut in 4..whole.len() {
        let (seen, e) = read(&whole[..cut]);
        let before = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
        assert_eq!(seen.len(), before, "cut at {cut}");
        match ends.iter().rfind(|end| **end <= cut) {
            Some(end) if *end == cut => assert_eq!(e, None),
            Some(end) => assert!(e.expect("an error").ends_with(&format!("at byte {end}"))),
            None => assert!(!e.expect("an error").contains("at byte")),
        }
    }
}

#[test]
fn a_lying_length_is_an_error_and_not_an_allocation() {
    for lie in [CAP_LEN_MAX as u32 + 1, i32::MAX as u32, u32::MAX] {
        let mut bytes = pcap(&[(1, 0, b"abc", 3), (2, 0, b"abc", 3)]);
        bytes[43 + 8..43 + 12].copy_from_slice(&lie.to_le_bytes());
        let (seen, e) = read(&bytes);
        assert_eq!(seen.len(), 1);
        let want = format!(
            "`x`: a packet claims {lie} captured bytes, more than the 256 KiB allowed, at byte 43"
        );
        assert_eq!(e, Some(want));
    }
}

#[test]
fn the_longest_packet_passes() {
    let bytes = vec![7; CAP_LEN_MAX];
    let (seen, e) = read(&pcap(&[(1, 0, b"a", 1), (2, 0, &bytes, u32::MAX), (3, 0, b"b", 1)]));
    assert_eq!(e, None);
    assert_eq!(seen.iter().map(|p| p.bytes.len()).collect::<Vec<_>>(), [1, CAP_LEN_MAX, 1]);
    assert_eq!(seen[1].wire_len, u32::MAX);
}

#[test]
fn a_file_that_is_no_capture_is_refused() {
    let (_, e) = read(b"#!/bin/sh\necho this is not a capture\n");
    let e = e.expect("an error");
    assert!(e.contains("not a capture") && e.contains("23 21 2f 62"), "{e}");
}

#[test]
fn a_link_type_that_is_not_decoded_is_refused_by_name() {
    let (_, e) = read(&header(0xa1b2_c3d4, 195));
    let want = "`x`: packets of link type 802.15.4 (195) cannot be decoded";
    assert_eq!(e.as_deref(), Some(want));
}

#[test]
fn reads_every_packing_by_its_first_bytes() {
    let plain = long();
    let want = read(&plain);
    for how in 0..4 {
        // Two in a row, as `cat a.gz b.gz` makes them.
        let packed = [pack(how, &plain[..70_001]), pack(how, &plain[70_001..])].concat();
        assert_eq!(read_packed(&packed), want, "{how}");
    }
}

/// Reads packed bytes from a file and through a pipe, which must agree.
#[track_caller]
fn read_packed(bytes: &[u8]) -> (Vec<Seen>, Option<String>) {
    let from_file = read_from(Box::new(Buffered::of_file(file(bytes), bytes.len() as u64)));
    let from_pipe = read_from(Box::new(Buffered::of_stream(file(bytes))));
    assert_eq!(from_file, from_pipe);
    from_file
}

#[test]
fn a_packed_file_cut_short_gives_what_it_holds() {
    let plain = long();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all(&plain).expect("memory");
    let gzip = gzip.finish().expect("memory");
    let (seen, e) = read_packed(&gzip[..gzip.len() / 2]);
    assert!(seen.len() > 1000 && seen.len() < 2000, "{}", seen.len());
    assert!(e.expect("an error").contains("cannot be unpacked"));
}

#[test]
fn damage_anywhere_neither_panics_nor_loops() {
    let small = pcap(&[(1, 0, b"abcdef", 6), (2, 0, &[9; 200], 1500), (3, 0, b"", 0)]);
    for at in 0..small.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = small.clone();
            bytes[at] ^= flip;
            read_from(Box::new(Mapped::new(file(&bytes))));
        }
    }
}

/// A capture of generated traffic.
fn generated(packets: u32) -> Vec<u8> {
    let mut source = crate::generate::Generator::open(&format!("packets={packets}")).expect("ok");
    let mut chunk = Chunk::default();
    source.next(&mut chunk).expect("a chunk");
    let mut writer = super::Writer::new(Vec::new(), super::Step::Micros);
    writer.chunk(&chunk).expect("memory");
    writer.finish().expect("memory")
}

#[test]
fn generated_traffic_reads_back() {
    let (seen, e) = read(&generated(4_000));
    assert_eq!((seen.len(), e), (4_000, None));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    #[test]
    fn a_mutated_capture_reads_the_same_from_everywhere(
        changes in proptest::collection::vec((0usize..40_000, proptest::num::u8::ANY), 1..20),
        cut in 0usize..40_000,
    ) {
        let mut bytes = generated(100);
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        bytes.truncate(cut.max(bytes.len() / 2));
        read(&bytes);
    }

    #[test]
    fn a_mutated_packed_capture_neither_panics_nor_loops(
        changes in proptest::collection::vec((0usize..10_000, proptest::num::u8::ANY), 0..4),
        cut in 6usize..10_000,
        packing in 0usize..4,
    ) {
        let mut bytes = pack(packing, &generated(20));
        for (at, byte) in changes {
            // The magic number stays.
            let at = 6 + at % (bytes.len() - 6);
            bytes[at] = byte;
        }
        bytes.truncate(cut);
        read_packed(&bytes);
    }
}

/// Packs bytes in one of four ways.
fn pack(how: usize, bytes: &[u8]) -> Vec<u8> {
    match how {
        0 => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(bytes).expect("memory");
            gzip.finish().expect("memory")
        }
        1 => zstd::encode_all(bytes, 1).expect("memory"),
        2 => {
            let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
            xz.write_all(bytes).expect("memory");
            xz.finish().expect("memory")
        }
        _ => {
            let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
            lz4.write_all(bytes).expect("memory");
            lz4.finish().expect("memory")
        }
    }
}

#[test]
fn a_bomb_is_read_in_passing() {
    // A section, and then a block of 256 MiB that nobody wants, all zeros, in a few KiB.
    let words = [0x0a0d_0d0au32, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28, 0xbad, 256 << 20];
    let mut zstd = zstd::Encoder::new(Vec::new(), 1).expect("memory");
    zstd.write_all(&words.map(u32::to_le_bytes).concat()).expect("memory");
    let zeros = vec![0; 1 << 20];
    (0..256).for_each(|_| zstd.write_all(&zeros).expect("memory"));
    let bytes = zstd.finish().expect("memory");
    assert!(bytes.len() < 100_000);
    let (seen, e) = read_packed(&bytes);
    // It is passed over; the eight zeros that are left behind it are no block.
    assert_eq!(seen.len(), 0);
    assert!(e.expect("an error").ends_with(&format!("at byte {}", 28 + (256 << 20))));
}

#[test]
fn the_size_and_what_was_read_tell_the_progress() {
    let bytes = long();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bytes).expect("memory");
    let gzip = gzip.finish().expect("memory");
    for bytes in [bytes, gzip] {
        let mut path = tempfile::NamedTempFile::new().expect("a temporary file");
        path.write_all(&bytes).expect("room for it");
        let mut capture = Capture::open(path.path(), Taken::AsTold).expect("a capture");
        assert_eq!(capture.description().size_bytes, Some(bytes.len() as u64));
        assert_eq!(capture.description().links, [LinkType::ETHERNET]);
        assert_eq!(capture.first_ts(), Some(Ts(0)));
        let mut chunk = Chunk::default();
        while capture.next(&mut chunk).expect("a chunk") != Turn::End {
            chunk.clear();
        }
        assert_eq!(chunk.read_bytes, bytes.len() as u64);
    }
}

#[test]
fn a_pipe_with_nothing_to_say_is_idle() {
    let (out, mut into) = std::io::pipe().expect("a pipe");
    let fd: std::os::fd::OwnedFd = out.into();
    let input = Box::new(Buffered::of_stream(File::from(fd)));
    let mut capture = over(input);
    let mut chunk = Chunk::default();
    assert_eq!(capture.next(&mut chunk).expect("a turn"), Turn::Idle);
    let bytes = pcap(&[(1, 0, b"abc", 3), (2, 0, b"defgh", 5)]);
    into.write_all(&bytes[..45]).expect("room in a pipe");
    assert_eq!(capture.next(&mut chunk).expect("a turn"), Turn::More);
    assert_eq!(chunk.packets.len(), 1);
    chunk.clear();
    assert_eq!(capture.next(&mut chunk).expect("a turn"), Turn::Idle);
    into.write_all(&bytes[45..]).expect("room in a pipe");
    drop(into);
    let (seen, e) = drain(&mut capture);
    assert_eq!((seen.len(), e.map(|e| e.to_string())), (1, None));
    assert_eq!(seen[0].bytes, b"defgh");
}

#[test]
fn a_missing_file_and_a_directory_are_named() {
    for path in ["/no/such/file.pcap", "/"] {
        let e = super::open(&[path], Taken::AsTold, Pace::Stored).err().expect("an error");
        assert!(matches!(&e, SourceError::Io { name, .. } if name == path), "{e}");
    }
    let e = super::open(&["/no/such/*.pcap"], Taken::AsTold, Pace::Stored).err().expect("an error");
    assert_eq!(e.to_string(), "source `/no/such/*.pcap`: no file matches");
}

/// Every real capture, where the folder with them exists: counts as independent tools agree on.
#[test]
#[expect(clippy::print_stderr, reason = "a test says why it is skipped")]
fn real_captures_read_as_other_tools_read_them() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/traces");
    let Ok(expected) = std::fs::read_dir(root.join("expected")) else {
        eprintln!("skipped: no real captures at {}", root.display());
        return;
    };
    let mut n_read = 0;
    for entry in expected {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("readable");
        let case: serde_json::Value = serde_json::from_str(&text).expect("json");
        n_read += usize::from(check_real(&root, &case));
    }
    assert!(n_read > 50, "only {n_read} captures were read");
}

/// Whether the capture is of a kind that is decoded; then it must read as expected.
fn check_real(root: &std::path::Path, case: &serde_json::Value) -> bool {
    let name = case["file"].as_str().expect("a name");
    let want = &case["expected"];
    let mut capture = match Capture::open(&root.join(name), Taken::AsTold) {
        Ok(capture) => capture,
        Err(SourceError::Link { link, .. }) => {
            assert!(!link.is_supported());
            return false;
        }
        Err(e) => panic!("{name}: {e}"),
    };
    let (seen, e) = drain(&mut capture);
    assert_eq!(e.is_some(), case["tshark_exit"] != 0, "{name}: {e:?}");
    let sum = |f: fn(&Seen) -> u64| seen.iter().map(f).sum::<u64>();
    let no_ts = seen.iter().filter(|p| p.marks & Packet::NO_TS != 0).count() as u64;
    assert_eq!(want["packets"], seen.len() as u64, "{name}");
    assert_eq!(want["wire_bytes"], sum(|p| u64::from(p.wire_len)), "{name}");
    assert_eq!(want["cap_bytes"], sum(|p| p.bytes.len() as u64), "{name}");
    let secs =
        |p: Option<&Seen>| p.map(|p| format!("{}.{:09}", p.ts.parts().0, p.ts.parts().1)).into();
    let disputed = &case["disputed"];
    let agrees = |key: &str, got: serde_json::Value| {
        let others = disputed[key].as_object().into_iter().flat_map(|o| o.values());
        let either = [&want[key]].into_iter().chain(others).any(|v| *v == got);
        assert!(either, "{name}: {key} is {got}, not {}", want[key]);
    };
    agrees("packets_without_ts", no_ts.into());
    let timed = || seen.iter().filter(|p| p.marks & Packet::NO_TS == 0);
    agrees("first_ts", secs(timed().next()));
    agrees("last_ts", secs(timed().next_back()));
    true
}

/// A capture as the packet store writes it: a packet at each second, of which those at odd ones
/// stand for ten.
fn weighted(seconds: &[u64]) -> Vec<u8> {
    let mut out = Vec::new();
    pcapng::put_section(&mut out);
    pcapng::put_interface(&mut out, LinkType::ETHERNET, "source 0", 0);
    for second in seconds {
        let ten = (second % 2 == 1).then_some(Weight { packets: 10, bytes: 6000 }.into());
        pcapng::put_packet(&mut out, 0, Ts::new(*second, 0), &[1; 60], 60, ten);
    }
    out
}

/// The packets that each packet of a source stands for.
fn stand_for(source: &mut dyn Source) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    let mut chunk = Chunk::default();
    while !matches!(source.next(&mut chunk), Ok(Turn::End)) || !chunk.packets.is_empty() {
        assert!(chunk.weights.is_empty() || chunk.weights.len() == chunk.packets.len());
        let of = |at| chunk.weights.get(at).copied().unwrap_or(Weight::of(&chunk.packets[at]));
        all.extend((0..chunk.packets.len()).map(|at| (of(at).packets, of(at).bytes)));
        chunk.clear();
    }
    all
}

#[test]
fn what_kept_packets_stand_for_is_read_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, seconds: &[u64]| {
        let path = dir.path().join(name);
        std::fs::write(&path, weighted(seconds)).expect("a file");
        path
    };
    let (one, ten) = ((1, 60), (10, 6000));
    let mixed = write("mixed", &[2, 3, 4]);
    let mut source = Capture::open(&mixed, Taken::AsTold).expect("a capture");
    assert_eq!(stand_for(&mut source), [one, ten, one]);
    // Two files whose packets alternate.
    let (odd, even) = (write("odd", &[1, 3, 5]), write("even", &[0, 2, 4, 6]));
    let mut source = Series::open("both", vec![odd, even], Taken::AsTold).expect("a series");
    assert_eq!(stand_for(&mut source), [one, ten, one, ten, one, ten, one]);
}
