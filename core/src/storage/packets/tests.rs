//! Segments that fill, go, survive and are found again.

use std::fs::File;

use tempfile::TempDir;

pub(super) mod crash;
mod damage;
mod full;
mod loads;
mod order;
mod origins;
mod window;

use super::*;
use crate::filter::Expr;
use crate::packet::Weight;
use crate::packet::build::{Frame, batch_of};
use crate::storage::Window;

const SEC: u64 = 1_000_000_000;

fn dir() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn place(dir: &TempDir, bytes_max: u64) -> Place {
    Place::Directory(Room::new(dir.path(), bytes_max))
}

/// Writes a kilobyte a second.
fn write(writer: &mut PacketWriter, secs: impl IntoIterator<Item = u64>) {
    for sec in secs {
        let data = [sec as u8; 1000];
        writer.put(0, LinkType::ETHERNET, Ts(sec * SEC), &data, 1500, None);
    }
}

fn written(place: &Place, secs: std::ops::Range<u64>) {
    let mut writer = PacketWriter::new(place.clone(), Taken::whole(65_535), Arc::default())
        .expect("a place to write");
    write(&mut writer, secs);
}

/// The seconds of the packets of a window.
fn seconds(dir: &Path, window: Window) -> Vec<u64> {
    let (n, out) = copied(dir, window, "", Capture::Pcapng).expect("a directory to read");
    let mut blocks = pcapng::Blocks::new(&out[..]);
    let mut seconds = Vec::new();
    while let Some(block) = blocks.advance().expect("a capture") {
        if let pcapng::Block::Packet { ts, .. } = block {
            seconds.push(ts.0 / SEC);
        }
    }
    assert_eq!(n, seconds.len() as u64);
    seconds
}

/// A copy, and how many packets it has.
fn copied(
    dir: &Path,
    window: Window,
    filter: &str,
    capture: Capture,
) -> Result<(u64, Vec<u8>), CopyError> {
    let filter = Some(filter).filter(|f| !f.is_empty());
    let filter = filter.map(|text| Expr::parse(text).expect("a filter"));
    let mut out = Vec::new();
    let wanted =
        Wanted { window, filter, lookups: Default::default(), capture, about: String::new() };
    let n = copy(dir, &wanted, &mut out)?;
    Ok((n.packets, out))
}

fn window(from: u64, to: u64) -> Window {
    Window { from: Ts(from * SEC), to: Ts(to * SEC) }
}

#[test]
fn packets_are_found_in_the_segments_of_their_time() {
    let dir = dir();
    written(&place(&dir, 64 << 20), 0..9_000);
    let segments = segments(dir.path()).expect("a directory");
    assert_eq!(segments.len(), 3);
    assert!(segments.iter().all(|segment| segment.span.is_some()));
    assert_eq!(segments.iter().filter(|s| s.touches(window(10, 20))).count(), 1);
    assert_eq!(seconds(dir.path(), window(10, 13)), [10, 11, 12]);
    assert_eq!(seconds(dir.path(), Window::ALL), (0..9_000).collect::<Vec<_>>());
    assert_eq!(seconds(dir.path(), window(9_000, 9_999)), [0u64; 0]);
}

#[test]
fn the_oldest_segments_go_first_and_the_bound_holds() {
    let dir = dir();
    let bound = 5 << 20;
    let place = place(&dir, bound);
    for round in 0..3 {
        written(&place, round * 9_000..round * 9_000 + 9_000);
        let bytes: u64 = segments(dir.path()).expect("a directory").iter().map(|s| s.bytes).sum();
        assert!((bound / 2..=bound).contains(&bytes), "{bytes}");
    }
    let left = seconds(dir.path(), Window::ALL);
    assert_eq!(left.last(), Some(&26_999));
    assert_eq!(left, (left[0]..27_000).collect::<Vec<_>>());
}

#[test]
fn what_a_crash_left_open_is_closed_at_its_last_whole_packet() {
    let dir = dir();
    let place = place(&dir, 64 << 20);
    written(&place, 0..10);
    let segment = segments(dir.path()).expect("a directory").remove(0);
    let open = dir.path().join("00000007.pcapng");
    std::fs::rename(&segment.path, &open).expect("a file");
    let file = std::fs::OpenOptions::new().write(true).open(&open).expect("a file");
    file.set_len(segment.bytes - 300).expect("a file");
    // Readable as it is, while nobody has taken it over.
    assert_eq!(seconds(dir.path(), Window::ALL), (0..9).collect::<Vec<_>>());
    written(&place, 20..22);
    let names: Vec<_> = segments(dir.path())
        .expect("a directory")
        .into_iter()
        .map(|s| s.path.file_name().map(|name| name.to_string_lossy().into_owned()))
        .collect();
    let want = ["00000007_0_8000000000.pcapng", "00000008_20000000000_21000000000.pcapng"];
    assert_eq!(names, want.map(|name| Some(name.to_owned())));
    assert_eq!(seconds(dir.path(), window(5, 30)), [5, 6, 7, 8, 20, 21]);
}

#[test]
fn a_directory_without_packets_stays_empty() {
    let dir = dir();
    written(&place(&dir, 64 << 20), 0..0);
    assert_eq!(segments(dir.path()).expect("a directory"), []);
}

#[test]
fn segments_are_removed_by_time_or_all_but_not_under_a_writer() {
    let dir = dir();
    let place = place(&dir, 64 << 20);
    written(&place, 0..9_000);
    let packets = dir.path().join("t");
    std::fs::create_dir(&packets).expect("a directory");
    for entry in std::fs::read_dir(dir.path()).expect("a directory").flatten() {
        if entry.path().is_file() {
            std::fs::rename(entry.path(), packets.join(entry.file_name())).expect("a file");
        }
    }
    let all = segments(&packets).expect("a directory");
    let (_, last) = all[0].span.expect("a closed segment");
    assert_eq!(remove(&packets, Some(last)).expect("nobody writes"), 0);
    assert_eq!(remove(&packets, Some(Ts(last.0 + 1))).expect("nobody writes"), 1);
    assert_eq!(segments(&packets).expect("a directory"), all[1..]);
    let lock = File::options().write(true).open(packets.join("lock")).expect("a file");
    lock.lock().expect("nobody writes");
    assert!(remove(&packets, None).is_err());
    drop(lock);
    assert_eq!(remove(&packets, None).expect("nobody writes"), all.len() as u64 - 1);
    assert!(!packets.exists());
}

#[test]
fn files_of_others_are_left_alone() {
    let dir = dir();
    for name in ["notes.pcapng", "1_2.pcapng", "00000001_x_y.pcapng", "1.pcap"] {
        std::fs::write(dir.path().join(name), b"mine").expect("a file");
    }
    written(&place(&dir, 1), 0..3);
    assert_eq!(std::fs::read(dir.path().join("notes.pcapng")).expect("a file"), b"mine");
    assert_eq!(segments(dir.path()).expect("a directory").len(), 1);
}

#[test]
fn one_writer_takes_over_from_another() {
    let dir = dir();
    let place = place(&dir, 64 << 20);
    let mut old = PacketWriter::new(place.clone(), Taken::whole(65_535), Arc::default())
        .expect("a place to write");
    write(&mut old, 0..5);
    old.flush();
    let mut new =
        PacketWriter::new(place, Taken::whole(65_535), Arc::default()).expect("a place to write");
    write(&mut new, 5..9);
    drop(old);
    drop(new);
    assert_eq!(seconds(dir.path(), Window::ALL), (0..9).collect::<Vec<_>>());
}

#[test]
fn one_file_holds_all_and_keeps_the_snaplen() {
    let dir = dir();
    let path = dir.path().join("out.pcapng");
    let mut writer =
        PacketWriter::new(Place::File(path.clone()), Taken::whole(100), Arc::default())
            .expect("a place to write");
    write(&mut writer, 0..3_000);
    writer.put(1, LinkType::RAW, Ts(5), &[1; 4], 4, Some(Weight { packets: 2, bytes: 8 }.into()));
    drop(writer);
    let bytes = std::fs::metadata(&path).expect("a file").len();
    assert!(bytes < 3_001 * 140, "{bytes}");
    let mut blocks = pcapng::Blocks::new(File::open(&path).expect("a file"));
    let mut kinds = [0; 3];
    while let Some(block) = blocks.advance().expect("a capture") {
        match block {
            pcapng::Block::Section(_) => kinds[0] += 1,
            pcapng::Block::Interface(_) => kinds[1] += 1,
            pcapng::Block::Packet { .. } => kinds[2] += 1,
        }
    }
    assert_eq!(kinds, [1, 2, 3_001]);
}

#[test]
fn a_file_without_packets_is_a_capture_all_the_same() {
    let dir = dir();
    let path = dir.path().join("out.pcapng");
    drop(
        PacketWriter::new(Place::File(path.clone()), Taken::whole(100), Arc::default())
            .expect("a place to write"),
    );
    let bytes = std::fs::read(&path).expect("a file");
    let mut blocks = pcapng::Blocks::new(&bytes[..]);
    assert!(matches!(blocks.advance(), Ok(Some(pcapng::Block::Section(_)))));
    assert!(matches!(blocks.advance(), Ok(Some(pcapng::Block::Interface(_)))));
    assert!(matches!(blocks.advance(), Ok(None)));
}

#[test]
fn a_place_that_cannot_be_written_is_refused_at_once() {
    let dir = dir();
    let file = dir.path().join("a file");
    std::fs::write(&file, b"").expect("a file");
    let below = Place::Directory(Room::new(file.join("below"), 1));
    assert!(PacketWriter::new(below, Taken::whole(100), Arc::default()).is_err());
    assert!(
        PacketWriter::new(Place::File(dir.path().to_owned()), Taken::whole(100), Arc::default())
            .is_err()
    );
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn a_full_disk_loses_packets_and_says_so() {
    let full = Path::new("/dev/full");
    if !full.exists() {
        eprintln!("skipped: there is no /dev/full here");
        return;
    }
    let place = Place::File(full.to_owned());
    let mut writer =
        PacketWriter::new(place, Taken::whole(65_535), Arc::default()).expect("a place to write");
    let counts = writer.written.clone();
    write(&mut writer, 0..5_000);
    drop(writer);
    assert_eq!((counts.packets(), counts.lost()), (0, 5_000));
    let trouble = counts.complaint().expect("a complaint");
    assert!(trouble.starts_with("packets for `/dev/full` are lost: "), "{trouble}");
    assert_eq!(counts.complaint(), None);
}

#[test]
fn what_follows_a_loss_is_kept_at_once_though_little_comes() {
    let dir = dir();
    let path = dir.path().join("packets");
    let place = Place::Directory(Room::new(&path, 64 << 20));
    let mut writer =
        PacketWriter::new(place, Taken::whole(65_535), Arc::default()).expect("a place to write");
    let counts = writer.written.clone();
    std::fs::remove_dir_all(&path).expect("a directory");
    write(&mut writer, 0..1);
    writer.flush();
    while counts.lost() == 0 {
        std::thread::yield_now();
    }
    std::fs::create_dir(&path).expect("a directory");
    write(&mut writer, 1..3);
    drop(writer);
    assert_eq!((counts.packets(), counts.lost()), (2, 1));
    assert_eq!(seconds(&path, Window::ALL), [1, 2]);
}

/// A segment of one TCP and two UDP packets, the last of another link type.
fn mixed() -> TempDir {
    let dir = dir();
    let mut writer = PacketWriter::new(place(&dir, 64 << 20), Taken::whole(65_535), Arc::default())
        .expect("a place to write");
    let frames = [Frame::tcp("10.0.0.1:1", "10.0.0.2:80"), Frame::udp("10.0.0.1:2", "10.0.0.2:53")];
    let batch = batch_of(frames);
    let weight = Some(Weight { packets: 7, bytes: 700 });
    for (at, weight) in [(0, None), (1, weight)] {
        writer.put(
            0,
            LinkType::ETHERNET,
            Ts(at as u64 * SEC),
            batch.data(at),
            60,
            weight.map(Weight::into),
        );
    }
    writer.put(1, LinkType::RAW, Ts(2 * SEC), &batch.data(1)[14..], 46, None);
    dir
}

#[test]
fn a_filter_picks_among_the_packets_as_it_does_live() {
    let dir = mixed();
    let count = |filter| {
        let copied = copied(dir.path(), Window::ALL, filter, Capture::Pcapng);
        copied.expect("a directory to read").0
    };
    let counts = ["tcp", "udp", "ip", "all", "not ip", "pkt.packets > 1"].map(count);
    assert_eq!(counts, [1, 2, 3, 3, 0, 1]);
}

#[test]
fn one_pcap_file_holds_packets_of_one_link_type() {
    let dir = mixed();
    let pcap = |window, filter| copied(dir.path(), window, filter, Capture::Pcap);
    let error = pcap(Window::ALL, "").expect_err("two link types").to_string();
    assert!(error.contains("Ethernet (1) and raw IP (101)"), "{error}");
    let (n, bytes) = pcap(window(0, 2), "").expect("one link type");
    assert_eq!((n, &bytes[..4]), (2, &[0x4d, 0x3c, 0xb2, 0xa1][..]));
    let lens: usize = mixed_lens(&bytes);
    assert_eq!(bytes.len(), 24 + 2 * 16 + lens);
    assert_eq!(pcap(Window::ALL, "tcp").expect("one link type").0, 1);
}

/// The captured lengths that two records of a pcap file state.
fn mixed_lens(bytes: &[u8]) -> usize {
    let len = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], 0]) as usize;
    let first = len(24 + 8);
    first + len(24 + 16 + first + 8)
}

#[test]
fn a_copy_has_one_header_and_each_interface_once() {
    let dir = dir();
    written(&place(&dir, 64 << 20), 0..9_000);
    let (_, out) = copied(dir.path(), Window::ALL, "", Capture::Pcapng).expect("a directory");
    let mut blocks = pcapng::Blocks::new(&out[..]);
    let mut heads = 0;
    while let Some(block) = blocks.advance().expect("a capture") {
        heads += u32::from(!matches!(block, pcapng::Block::Packet { .. }));
    }
    assert_eq!((heads, blocks.read_bytes()), (2, out.len() as u64));
}

#[test]
fn a_segment_cut_anywhere_gives_its_whole_packets() {
    let dir = dir();
    written(&place(&dir, 64 << 20), 0..2);
    let segment = segments(dir.path()).expect("a directory").remove(0).path;
    let all = std::fs::read(&segment).expect("a file");
    for end in (0..all.len()).step_by(7) {
        std::fs::write(&segment, &all[..end]).expect("a file");
        let n = seconds(dir.path(), Window::ALL).len();
        assert_eq!(n, end.saturating_sub(all.len() - 2 * 1032) / 1032, "cut at {end}");
    }
}
