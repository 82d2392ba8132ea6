//! Disks that take nothing more.

use std::fs;
use std::process::Command;

use super::*;

/// The files of a directory whose names end so.
fn names(dir: &Path, end: &str) -> Vec<String> {
    let files = fs::read_dir(dir).expect("a directory").flatten();
    let names = files.filter_map(|file| file.file_name().into_string().ok());
    names.filter(|name| name.ends_with(end)).collect()
}

/// A file system of its own of so many mebibytes, where that may be made; gone when dropped.
struct Small(TempDir);

impl Small {
    fn new(mebibytes: u32) -> Option<Self> {
        let dir = dir();
        let size = format!("size={mebibytes}m");
        let mut mount = Command::new("mount");
        let output =
            mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).output().ok()?;
        output.status.success().then(|| Self(dir))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn when_the_disk_is_full_what_is_there_stays_and_writing_resumes_with_space() {
    let Some(disk) = Small::new(8) else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    let other = disk.0.path().join("other");
    fs::write(&other, vec![0; 5 << 20]).expect("a file");
    let path = disk.0.path().join("packets");
    let place = Place::Directory(Room::new(&path, 64 << 20));
    let writer = PacketWriter::new(place, Taken::whole(65_535), Arc::default());
    let mut writer = writer.expect("a place to write");
    let counts = writer.written.clone();
    let done = |n: u64| {
        while counts.packets() + counts.lost() < n {
            std::thread::yield_now();
        }
    };
    for start in (0..5_000).step_by(500) {
        write(&mut writer, start..start + 500);
        writer.flush();
        done(start + 500);
    }
    let (kept, lost) = (counts.packets(), counts.lost());
    assert!(kept >= 1_500 && lost >= 1_500, "{kept} kept, {lost} lost");
    let trouble = counts.complaint().expect("a complaint");
    assert!(trouble.contains("No space left"), "{trouble}");
    // It lasts, and nothing more is said of it.
    assert_eq!(counts.trouble(), Some(trouble));
    write(&mut writer, 5_000..5_500);
    writer.flush();
    done(5_500);
    assert_eq!(counts.complaint(), None);
    // No load that is lost leaves a file.
    assert_eq!(segments(&path).expect("a directory").len(), 2);
    assert_eq!(names(&path, ".lost"), ["00000002.lost"]);
    assert_eq!((names(&path, ".gone").len(), names(&path, "").len()), (0, 5));
    let faults = || {
        let mut faults = Vec::new();
        verify(&path, &mut |fault| faults.push(fault)).expect("a directory");
        faults
    };
    // What never came is named, and no damage.
    let told: Vec<_> = faults().into_iter().map(|fault| (fault.place, fault.is_told)).collect();
    assert_eq!(told, [("segment 2 is missing".to_owned(), true)]);
    let (kept, lost) = (counts.packets(), counts.lost());
    let before = seconds(&path, Window::ALL);
    assert_eq!((before.len() as u64, before[0]), (kept, 0));
    fs::remove_file(&other).expect("a file");
    write(&mut writer, 9_000..9_250);
    writer.flush();
    write(&mut writer, 9_250..9_500);
    drop(writer);
    assert_eq!(counts.trouble(), None);
    assert_eq!((counts.packets(), counts.lost()), (kept + 500, lost));
    let after = seconds(&path, Window::ALL);
    assert_eq!(after, [before, (9_000..9_500).collect()].concat());
    assert_eq!((faults(), names(&path, ".lost").len()), (Vec::new(), 0));
    assert_eq!(names(&path, ".index").len(), 2);
}

/// Of all that verification names, whether it was told before.
fn told(dir: &Path) -> Vec<bool> {
    let mut told = Vec::new();
    verify(dir, &mut |fault| told.push(fault.is_told)).expect("a directory");
    told
}

/// What is missing of a time, in words.
fn missed(dir: &Path, window: Window) -> Vec<String> {
    missing(dir, window).expect("a directory")
}

#[test]
fn what_is_lost_until_a_run_ends_is_missing_behind_what_it_kept() {
    let dir = dir();
    written(&place(&dir, 64 << 20), 0..10);
    // No file can be made there.
    let second = dir.path().join("00000002.pcapng");
    fs::create_dir(&second).expect("a directory");
    written(&place(&dir, 64 << 20), 20..30);
    assert_eq!(missed(dir.path(), Window::ALL), ["segment 2 is missing"]);
    assert_eq!(told(dir.path()), [true]);
    let heard = listened(dir.path(), Window::ALL, None).expect("segments");
    assert!(heard.is_some_and(|heard| !heard.is_last));
    fs::remove_dir(&second).expect("a directory");
    written(&place(&dir, 64 << 20), 40..50);
    assert_eq!(missed(dir.path(), window(15, 20)), ["segment 2 is missing"]);
    assert_eq!(missed(dir.path(), window(0, 9)), [""; 0]);
    assert_eq!(missed(dir.path(), window(41, 99)), [""; 0]);
    assert_eq!(told(dir.path()), [true]);
    // Without what says so, it may have been removed.
    fs::remove_file(dir.path().join("00000002.lost")).expect("a file");
    assert_eq!(told(dir.path()), [false]);
}
