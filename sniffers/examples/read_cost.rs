//! What it costs to deliver the packets of a source, and nothing else.
//!
//! `cargo run --release -p como-sniffers --example read_cost -- SOURCE` prints packets, bytes and
//! nanoseconds of user and system time per packet.
//!
//! Unsafe code: asking the system for the time used is a call into libc.
#![allow(unsafe_code, clippy::print_stdout)]

use como_core::source::{Chunk, SourceError, Turn};

fn main() -> Result<(), SourceError> {
    for text in std::env::args().skip(1) {
        let before = cpu_ns();
        let (mut packets, mut bytes) = (0u64, 0u64);
        for mut source in como_sniffers::open(&text)? {
            let mut chunk = Chunk::default();
            loop {
                chunk.clear();
                let turn = source.next(&mut chunk)?;
                packets += chunk.packets.len() as u64;
                bytes += chunk.packets.iter().map(|p| u64::from(p.wire_len)).sum::<u64>();
                if turn == Turn::End {
                    break;
                }
            }
        }
        let [user, system] = [0, 1].map(|i| (cpu_ns()[i] - before[i]) as f64 / packets as f64);
        println!(
            "{text}: {packets} packets, {bytes} bytes, {user:.1} + {system:.1} = {:.1} ns a packet",
            user + system
        );
    }
    Ok(())
}

/// User and system time of this process so far.
fn cpu_ns() -> [u64; 2] {
    // SAFETY: an all-zero `rusage` is a valid one, and the call only writes to it.
    let usage = unsafe {
        let mut usage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    [usage.ru_utime, usage.ru_stime]
        .map(|t| t.tv_sec.unsigned_abs() * 1_000_000_000 + t.tv_usec.unsigned_abs() * 1_000)
}
