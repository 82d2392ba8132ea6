//! What one would write by hand: a mapped file, one loop, one hash table, nothing else.
//!
//! It knows classic pcap of this machine's byte order over Ethernet, trusts what it reads, has
//! no filter, no other interval, no late packet, no second task: the least that the work costs.
//!
//! Unsafe code: the trace is mapped, and nobody writes to it while it is measured.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::fs::File;
use std::hash::Hash;

use anyhow::{Context, Result, bail};

/// Seconds of an interval.
const INTERVAL: u32 = 5;

/// Rows that are printed of an interval.
const TOP: usize = 20;

/// Adds up the trace by what `key` names: `none` (traffic), `dst` (topaddr) or `flow` (tuple).
#[allow(clippy::print_stdout)]
pub fn perform(key: &str, trace: &str) -> Result<()> {
    let file = File::open(trace)?;
    // SAFETY: a file of our own, which nobody changes meanwhile.
    let trace = unsafe { memmap2::Mmap::map(&file)? };
    let rows = match key {
        "none" => each(&trace, |_| Some(())),
        "dst" => each(&trace, dst),
        "flow" => each(&trace, |ip| Some((src(ip)?, dst(ip)?, rest(ip)?))),
        _ => bail!("unknown key `{key}`: there are none, dst, flow"),
    };
    println!("{} rows", rows.context("no capture of the kind that is generated")?);
    Ok(())
}

/// How many rows come out of the packets of a trace, added up by a key of their network headers.
fn each<'a, K: Hash + Eq + Ord>(
    trace: &'a [u8],
    key: impl Fn(&'a [u8]) -> Option<K>,
) -> Option<usize> {
    let mut table = HashMap::with_hasher(foldhash::fast::RandomState::default());
    let (mut rest, mut interval, mut rows) = (trace.get(24..)?, 0, 0);
    while let Some(header) = rest.first_chunk::<16>() {
        let word = |at: usize| u32::from_ne_bytes([0, 1, 2, 3].map(|byte| header[at + byte]));
        let packet = rest.get(16..16 + word(8) as usize)?;
        if word(0) / INTERVAL != interval {
            interval = word(0) / INTERVAL;
            rows += top(&mut table);
        }
        if let Some(key) = network(packet).and_then(&key) {
            let row: &mut (u64, u64) = table.entry(key).or_default();
            *row = (row.0 + 1, row.1 + u64::from(word(12)));
        }
        rest = &rest[16 + packet.len()..];
    }
    Some(rows + top(&mut table))
}

/// The rows of most bytes, taken out of the table with all others; how many that are.
fn top<K: Ord, S>(table: &mut HashMap<K, (u64, u64), S>) -> usize {
    let mut rows: Vec<_> =
        table.drain().map(|(key, (packets, bytes))| (bytes, packets, key)).collect();
    if rows.len() > TOP {
        rows.select_nth_unstable_by(TOP, |a, b| b.cmp(a));
        rows.truncate(TOP);
    }
    rows.len()
}

/// What lies behind Ethernet and a VLAN tag, if that is IP.
fn network(packet: &[u8]) -> Option<&[u8]> {
    let tag = 4 * usize::from(packet.get(12..14)? == [0x81, 0]);
    match packet.get(12 + tag..14 + tag)? {
        [0x08, 0] | [0x86, 0xdd] => packet.get(14 + tag..),
        _ => None,
    }
}

fn src(ip: &[u8]) -> Option<[u8; 16]> {
    address(ip, 12, 8)
}

fn dst(ip: &[u8]) -> Option<[u8; 16]> {
    address(ip, 16, 24)
}

fn address(ip: &[u8], v4: usize, v6: usize) -> Option<[u8; 16]> {
    if ip.first()? >> 4 == 6 {
        return ip.get(v6..)?.first_chunk().copied();
    }
    let mut address = [0; 16];
    address[12..].copy_from_slice(ip.get(v4..v4 + 4)?);
    Some(address)
}

/// Protocol and ports, taken to be there.
fn rest(ip: &[u8]) -> Option<(u8, [u8; 4])> {
    let (proto, at) = match ip.first()? {
        first if first >> 4 == 6 => (*ip.get(6)?, 40),
        first => (*ip.get(9)?, usize::from(first & 15) * 4),
    };
    Some((proto, ip.get(at..).and_then(|l4| l4.first_chunk()).copied().unwrap_or_default()))
}
