//! Processes that end before, or in the midst of, any change they make to a window.
//!
//! Each is a process of its own, this test's program run again, so that it
//! ends as a kill would end it: no destructor, no thread that finishes.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicI64;

use super::*;
use crate::storage::verify::Fault;

/// Changes that are still made before the process ends.
static LEFT: AtomicI64 = AtomicI64::new(i64::MAX);

/// Whether the process is to end with the change that comes.
pub(in crate::storage::packets) fn is_due() -> bool {
    LEFT.fetch_sub(1, Ordering::SeqCst) == 1
}

const DIR: &str = "COMO_CRASH_DIR";
const ORDER: &str = "COMO_CRASH_ORDER";

/// Packets that a process writes unless it ends before, and those of one slab.
const PACKETS: u64 = 150;
const SLAB: u64 = 3;

/// What the next process is to do.
#[derive(Clone, Copy, Debug)]
struct Order {
    /// With which change it ends.
    at: i64,
    /// The second of its first packet.
    start: u64,
    compress: bool,
}

fn room_in(dir: &Path, compress: bool) -> Room {
    Room { compress, ..Room::new(dir.join("window"), 16 << 20) }
}

/// The process that ends: nothing where nobody asks for it.
#[test]
fn writes_packets_until_it_is_ended() {
    let (Some(dir), Ok(order)) = (std::env::var_os(DIR), std::env::var(ORDER)) else { return };
    let dir = PathBuf::from(dir);
    let numbers: Vec<u64> = order.split(' ').map(|n| n.parse().expect("a number")).collect();
    let [at, start, compress] = numbers[..] else { panic!("three numbers") };
    LEFT.store(at as i64, Ordering::SeqCst);
    let place = Place::Directory(room_in(&dir, compress == 1));
    let mut acknowledged = File::create(dir.join("acknowledged")).expect("a file");
    let writer = PacketWriter::new(place, Taken::whole(65_535), Arc::default());
    let mut writer = writer.expect("a place to write");
    for sec in start..start + PACKETS {
        writer.put(0, LinkType::ETHERNET, Ts(sec * SEC), &[sec as u8; 8_000], 8_000, None);
        if (sec + 1).is_multiple_of(SLAB) {
            writer.flush();
            writeln!(acknowledged, "{}", writer.written().packets()).expect("a file");
        }
    }
}

/// Runs one process; whether it was ended, and how many packets it knew to be written.
fn process(dir: &Path, order: Order) -> (bool, u64) {
    let Order { at, start, compress } = order;
    let mut command = Command::new(std::env::current_exe().expect("a test knows its program"));
    command.args(["--exact", "storage::packets::tests::crash::writes_packets_until_it_is_ended"]);
    command.env(DIR, dir).env(ORDER, format!("{at} {start} {}", u8::from(compress)));
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("it starts");
    let told = std::fs::read_to_string(dir.join("acknowledged")).unwrap_or_default();
    // The last line may be written in part.
    let whole = told.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let packets = whole.lines().last().and_then(|line| line.parse().ok()).unwrap_or(0);
    (!status.success(), packets)
}

/// Ends processes one after the other, each over what those before have left.
fn end_often(seed: u64, kills: &mut u64) -> Result<(), String> {
    let dir = dir();
    let window = room_in(dir.path(), false).path;
    let compress = seed.is_multiple_of(2);
    let mut start = 0;
    for round in 0..4 {
        let chance = (seed * 4 + round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        let order = Order { at: 1 + (chance % 110) as i64, start, compress };
        let (ended, packets) = process(dir.path(), order);
        *kills += u64::from(ended);
        let left = if window.exists() { seconds(&window, Window::ALL) } else { Vec::new() };
        let first = left.first().copied().unwrap_or(start);
        if left != (first..first + left.len() as u64).collect::<Vec<_>>() {
            return Err(format!("{order:?}: not all in a row: {left:?}"));
        }
        let end = left.last().map_or(0, |last| last + 1);
        if end < start + packets {
            return Err(format!("{order:?}: {packets} written, and they end at {end}"));
        }
        start = end;
    }
    // One that ends as it should leaves a window without a fault, and everything in it.
    let before = if window.exists() { seconds(&window, Window::ALL) } else { Vec::new() };
    let place = Place::Directory(room_in(dir.path(), compress));
    let mut writer = PacketWriter::new(place, Taken::whole(65_535), Arc::default())
        .map_err(|error| error.to_string())?;
    writer.put(0, LinkType::ETHERNET, Ts(start * SEC), &[1; 8_000], 8_000, None);
    drop(writer);
    let mut faults: Vec<Fault> = Vec::new();
    verify(&window, &mut |fault| faults.push(fault)).map_err(|error| error.to_string())?;
    let after = seconds(&window, Window::ALL);
    let kept = before.iter().filter(|sec| after.first().is_some_and(|first| *sec >= first));
    let want: Vec<u64> = kept.copied().chain([start]).collect();
    match faults.is_empty() && after == want {
        true => Ok(()),
        false => Err(format!("seed {seed}: {faults:?}, {after:?}")),
    }
}

#[test]
fn whole_slabs_survive_a_process_that_ends_at_any_change() {
    let wanted = if std::env::var_os("COMO_SOAK").is_some() { 2_000 } else { 200 };
    let (mut kills, mut seed) = (0, 0);
    while kills < wanted {
        assert_eq!(end_often(seed, &mut kills), Ok(()));
        seed += 1;
        assert!(seed < wanted, "only {kills} of the processes were ended");
    }
}
