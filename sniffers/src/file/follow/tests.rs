//! Files that appear and grow while they are followed.

use std::io::Write;

use como_core::time::Ts;

use super::*;

/// A capture of packets at these seconds.
fn capture(seconds: &[u32]) -> Vec<u8> {
    let mut bytes = [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_535, 1].map(u32::to_le_bytes).concat();
    seconds.iter().for_each(|second| bytes.extend(record(*second)));
    bytes
}

fn record(second: u32) -> Vec<u8> {
    [&[second, 0, 60, 60].map(u32::to_le_bytes).concat()[..], &[0; 60]].concat()
}

/// The seconds of the packets that are there by now.
fn read(follow: &mut Follow) -> Vec<u64> {
    let mut seconds = Vec::new();
    let mut idle = 0;
    while idle < 3 {
        let mut chunk = Chunk::default();
        // What is looked at now and then is looked at now.
        follow.looked = None;
        match follow.next(&mut chunk) {
            Ok(Turn::More) => idle = 0,
            Ok(Turn::Idle) => idle += 1,
            other => panic!("a followed folder has no end: {other:?}"),
        }
        seconds.extend(chunk.packets.iter().map(|p| p.ts.0 / Ts::new(1, 0).0));
    }
    seconds
}

#[test]
fn files_are_read_in_turn_and_the_last_as_it_grows() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| dir.path().join(name);
    let mut follow =
        Follow::open(&dir.path().display().to_string(), Taken::AsTold).expect("a source");
    assert!(read(&mut follow).is_empty());
    std::fs::write(path("b"), capture(&[1, 2])).expect("a file");
    assert_eq!(read(&mut follow), [1, 2]);

    let mut growing = File::options().append(true).open(path("b")).expect("the file");
    let next = record(3);
    growing.write_all(&next[..30]).expect("half a packet");
    assert!(read(&mut follow).is_empty());
    growing.write_all(&next[30..]).expect("the other half");
    assert_eq!(read(&mut follow), [3]);

    growing.write_all(&record(4)).expect("a packet");
    std::fs::write(path("a"), capture(&[5])).expect("a file");
    assert_eq!(read(&mut follow), [4, 5]);
}

#[test]
fn a_file_that_a_ring_writes_anew_is_read_anew() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("ring0");
    std::fs::write(&path, capture(&[1, 2])).expect("a file");
    let mut follow =
        Follow::open(&format!("{}/ring*", dir.path().display()), Taken::AsTold).expect("a source");
    assert_eq!(read(&mut follow), [1, 2]);
    std::fs::write(&path, capture(&[7, 8, 9])).expect("a file");
    assert_eq!(read(&mut follow), [7, 8, 9]);
}

#[test]
fn a_file_that_is_emptied_or_replaced_is_read_anew_though_it_begins_as_it_did() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.pcap");
    std::fs::write(&path, capture(&[1, 2, 3])).expect("a file");
    let mut follow = Follow::open(&path.display().to_string(), Taken::AsTold).expect("a source");
    assert_eq!(read(&mut follow), [1, 2, 3]);
    std::fs::write(&path, capture(&[1, 5])).expect("shorter");
    assert_eq!(read(&mut follow), [1, 5]);
    std::fs::write(&path, "").expect("emptied");
    assert!(read(&mut follow).is_empty());
    std::fs::write(&path, capture(&[1, 6, 7, 8])).expect("longer by now");
    assert_eq!(read(&mut follow), [1, 6, 7, 8]);
    let other = dir.path().join("b");
    std::fs::write(&other, capture(&[1, 6, 7, 8, 9])).expect("another");
    append(&path, &record(10));
    std::fs::rename(&other, &path).expect("in its place");
    assert_eq!(read(&mut follow), [10, 1, 6, 7, 8, 9]);
    append(&path, &record(11));
    assert_eq!(read(&mut follow), [11]);
}

#[test]
fn a_file_that_is_renamed_is_read_once_and_read_on_and_the_next_of_its_name_is_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| dir.path().join(name);
    std::fs::create_dir(path("old")).expect("a folder");
    let what = format!("{}/**/*.pcap*", dir.path().display());
    let mut follow = Follow::open(&what, Taken::AsTold).expect("a source");
    std::fs::write(path("a.pcap"), capture(&[1, 2])).expect("a file");
    assert_eq!(read(&mut follow), [1, 2]);
    // As logrotate has it: who writes goes on for a while.
    for (round, second) in [(1, 10), (2, 20)] {
        append(&path("a.pcap"), &record(second));
        if round == 2 {
            std::fs::rename(path("a.pcap.1"), path("a.pcap.2")).expect("renamed");
        }
        std::fs::rename(path("a.pcap"), path("a.pcap.1")).expect("renamed");
        assert_eq!(read(&mut follow), [u64::from(second)]);
        append(&path("a.pcap.1"), &record(second + 1));
        assert_eq!(read(&mut follow), [u64::from(second) + 1]);
        std::fs::write(path("a.pcap"), capture(&[second + 2])).expect("a file");
        assert_eq!(read(&mut follow), [u64::from(second) + 2]);
    }
    std::fs::rename(path("a.pcap.2"), path("old/a.pcap")).expect("moved");
    assert!(read(&mut follow).is_empty());
    append(&path("old/a.pcap"), &record(30));
    assert_eq!(read(&mut follow), [30]);
}

#[test]
fn a_file_that_is_moved_away_is_read_to_its_end_and_the_next_of_its_name_is_read() {
    let (dir, away) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("one"));
    let path = dir.path().join("a.pcap");
    for what in [path.display().to_string(), dir.path().display().to_string()] {
        std::fs::write(&path, capture(&[1, 2])).expect("a file");
        let mut follow = Follow::open(&what, Taken::AsTold).expect("a source");
        assert_eq!(read(&mut follow), [1, 2]);
        append(&path, &record(3));
        std::fs::rename(&path, away.path().join("a.pcap")).expect("moved");
        std::fs::write(&path, capture(&[1, 4])).expect("a file");
        // It may have another name only: that is looked at twice.
        assert_eq!([read(&mut follow), read(&mut follow)].concat(), [3, 1, 4]);
        append(&path, &record(5));
        assert_eq!(read(&mut follow), [5]);
        assert_eq!(follow.open.len(), 1);
    }
}

#[test]
fn a_file_that_is_written_anew_with_the_same_beginning_and_no_shorter_is_read_anew() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| dir.path().join(name);
    let mut follow =
        Follow::open(&dir.path().display().to_string(), Taken::AsTold).expect("a source");
    std::fs::write(path("a"), capture(&[1, 2, 3])).expect("a file");
    assert_eq!(read(&mut follow), [1, 2, 3]);
    std::fs::write(path("a"), capture(&[1, 4, 5, 6])).expect("a file");
    assert_eq!(read(&mut follow), [1, 4, 5, 6]);
    // Also behind the one that grows, where nothing but its time tells that it was written to.
    std::fs::write(path("b"), capture(&[9])).expect("a file");
    assert_eq!(read(&mut follow), [9]);
    std::fs::write(path("a"), capture(&[1, 4, 5, 7])).expect("a file");
    change(&path("a"), 60);
    assert_eq!(read(&mut follow), [1, 4, 5, 7]);
    std::fs::remove_file(path("a")).expect("it was there");
    std::fs::write(path("a"), capture(&[1, 4, 5, 8, 9])).expect("a file");
    assert_eq!(read(&mut follow), [1, 4, 5, 8, 9]);
}

#[test]
fn files_that_a_ring_writes_anew_behind_the_one_that_grows_are_read_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = |at: u32| dir.path().join(format!("ring{at}"));
    let mut follow =
        Follow::open(&dir.path().display().to_string(), Taken::AsTold).expect("a source");
    // The second round is shorter than the first, in the same files.
    for round in 0..2 {
        for at in 0..3 {
            let second = 100 * round + 10 * at;
            let seconds: Vec<u32> = (second..second + 5 - 2 * round).collect();
            std::fs::write(path(at), capture(&seconds)).expect("a file");
            change(&path(at), second);
            assert!(read(&mut follow).into_iter().eq(seconds.into_iter().map(u64::from)));
            append(&path(at), &record(second + 9));
            change(&path(at), second + 1);
            assert_eq!(read(&mut follow), [u64::from(second + 9)]);
        }
    }
    assert_eq!(follow.open.len(), 3);
}

#[test]
fn a_file_replaced_behind_the_one_that_grows_is_read_to_its_end_and_the_new_one_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| dir.path().join(name);
    let mut follow =
        Follow::open(&dir.path().display().to_string(), Taken::AsTold).expect("a source");
    std::fs::write(path("a"), capture(&[1, 2])).expect("a file");
    assert_eq!(read(&mut follow), [1, 2]);
    std::fs::write(path("b"), capture(&[3])).expect("a file");
    assert_eq!(read(&mut follow), [3]);
    append(&path("a"), &record(4));
    std::fs::write(path(".a"), capture(&[5, 6, 7, 8])).expect("a file");
    change(&path(".a"), 1);
    std::fs::rename(path(".a"), path("a")).expect("in its place");
    assert_eq!(read(&mut follow), [4, 5, 6, 7, 8]);
    append(&path("b"), &record(9));
    append(&path("a"), &record(10));
    let mut seconds = read(&mut follow);
    seconds.sort_unstable();
    assert_eq!(seconds, [9, 10]);
    assert_eq!(follow.open.len(), 2);
}

/// Makes a file one that was changed so many seconds from now.
fn change(path: &Path, seconds: u32) {
    let file = File::options().append(true).open(path).expect("the file");
    file.set_modified(SystemTime::now() + Duration::from_secs(seconds.into())).expect("a time");
}

#[test]
fn what_is_no_capture_or_is_hidden_is_passed_over() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(
        dir.path().join("notes"),
        "no capture, but long enough to look at it. ".repeat(3),
    )
    .expect("a file");
    std::fs::write(dir.path().join(".part"), capture(&[1])).expect("a file");
    std::fs::write(dir.path().join("short"), "x").expect("a file");
    std::fs::write(dir.path().join("good"), capture(&[2])).expect("a file");
    let mut follow =
        Follow::open(&dir.path().display().to_string(), Taken::AsTold).expect("a source");
    assert_eq!(read(&mut follow), [2]);
}

#[test]
fn a_packet_cut_off_by_the_next_file_is_counted() {
    let dir = tempfile::tempdir().expect("a folder");
    let cut = [capture(&[1]), record(2)[..20].to_vec()].concat();
    std::fs::write(dir.path().join("a"), cut).expect("a file");
    rest(&dir.path().join("a"));
    let mut follow =
        Follow::open(&dir.path().display().to_string(), Taken::AsTold).expect("a source");
    assert_eq!(read(&mut follow), [1]);
    std::fs::write(dir.path().join("b"), capture(&[3])).expect("a file");
    let mut malformed = 0;
    let mut seconds = Vec::new();
    for _ in 0..8 {
        let mut chunk = Chunk::default();
        follow.looked = None;
        follow.next(&mut chunk).expect("a turn");
        malformed += chunk.counts.malformed;
        seconds.extend(chunk.packets.iter().map(|p| p.ts));
    }
    assert_eq!((malformed, seconds), (1, vec![Ts::new(3, 0)]));
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let error = Follow::open("/no/such/folder", Taken::AsTold).err().expect("an error");
    let want = "cannot follow `/no/such/folder`: No such file or directory";
    assert_eq!(with_causes(&error), want);
}

/// Makes a file one that nobody has written to for long.
fn rest(path: &Path) {
    let file = File::options().append(true).open(path).expect("the file");
    file.set_modified(SystemTime::now() - 2 * RESTED).expect("a time");
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = File::options().append(true).open(path).expect("the file");
    file.write_all(bytes).expect("written");
}

#[test]
fn two_writers_into_one_folder_are_both_read_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| dir.path().join(name);
    let mut follow =
        Follow::open(&dir.path().display().to_string(), Taken::AsTold).expect("a source");
    std::fs::write(path("a"), capture(&[1])).expect("a file");
    assert_eq!(read(&mut follow), [1]);
    std::fs::write(path("b"), capture(&[2])).expect("a file");
    assert_eq!(read(&mut follow), [2]);
    for second in [3, 5, 7] {
        append(&path("a"), &record(second));
        assert_eq!(read(&mut follow), [u64::from(second)]);
        append(&path("b"), &record(second + 1)[..20]);
        assert!(read(&mut follow).is_empty());
        append(&path("b"), &record(second + 1)[20..]);
        assert_eq!(read(&mut follow), [u64::from(second) + 1]);
    }
}

#[test]
fn an_older_file_moved_in_does_not_end_the_one_that_grows() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| dir.path().join(name);
    let mut follow =
        Follow::open(&dir.path().display().to_string(), Taken::AsTold).expect("a source");
    std::fs::write(path("new"), capture(&[5])).expect("a file");
    assert_eq!(read(&mut follow), [5]);
    std::fs::write(path(".old"), capture(&[1, 2])).expect("a file");
    rest(&path(".old"));
    std::fs::rename(path(".old"), path("old")).expect("moved");
    assert_eq!(read(&mut follow), [1, 2]);
    append(&path("new"), &record(6));
    assert_eq!(read(&mut follow), [6]);
    // By now the older one is complete.
    assert_eq!(follow.open.len(), 1);
}

#[test]
fn of_many_files_only_so_many_stay_open() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut follow =
        Follow::open(&dir.path().display().to_string(), Taken::AsTold).expect("a source");
    for at in 0..2 * OPEN_MAX as u32 {
        std::fs::write(dir.path().join(format!("f{at}")), capture(&[at])).expect("a file");
        assert_eq!(read(&mut follow), [u64::from(at)]);
    }
    for _ in 0..3 {
        read(&mut follow);
    }
    assert!(follow.open.len() <= OPEN_MAX, "{}", follow.open.len());
}

#[test]
fn what_is_no_capture_does_not_end_the_one_that_grows() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.pcap");
    std::fs::write(&path, capture(&[1])).expect("a file");
    let mut follow =
        Follow::open(&dir.path().display().to_string(), Taken::AsTold).expect("a source");
    assert_eq!(read(&mut follow), [1]);
    std::fs::write(dir.path().join("notes"), "no capture, but long enough. ".repeat(9))
        .expect("a file");
    assert!(read(&mut follow).is_empty());
    let mut growing = File::options().append(true).open(&path).expect("the file");
    growing.write_all(&record(2)).expect("a packet");
    assert_eq!(read(&mut follow), [2]);
}

#[test]
fn the_packed_copy_of_a_file_that_was_read_is_passed_over() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.pcap");
    std::fs::write(&path, capture(&[1])).expect("a file");
    let mut follow =
        Follow::open(&dir.path().display().to_string(), Taken::AsTold).expect("a source");
    assert_eq!(read(&mut follow), [1]);
    std::fs::remove_file(&path).expect("it was there");
    let packed = File::create(dir.path().join("a.pcap.gz")).expect("a file");
    let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::none());
    packed.write_all(&capture(&[1])).expect("packed");
    let packed = packed.finish().expect("a file");
    let long_ago = SystemTime::now() - 2 * SETTLED;
    packed.set_modified(long_ago).expect("a time");
    assert!(read(&mut follow).is_empty());
}

#[test]
fn a_folder_that_is_removed_is_missed_and_read_on_when_it_is_there_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("rotated");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("a"), capture(&[1, 2])).expect("a file");
    let mut follow = Follow::open(&folder.display().to_string(), Taken::AsTold).expect("a source");
    assert_eq!(read(&mut follow), [1, 2]);

    std::fs::remove_dir_all(&folder).expect("removed");
    assert!(read(&mut follow).is_empty());
    assert!(follow.is_gone);

    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("b"), capture(&[3])).expect("a file");
    assert_eq!(read(&mut follow), [3]);
    assert!(!follow.is_gone);
}
