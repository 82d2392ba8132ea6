//! What it costs to look an address up among millions of prefixes, and to name its flow.
//!
//! `cargo run --release -p como-core --example lookup_cost` prints nanoseconds per look-up, side by
//! side as columns are filled, and one by one. Prefixes are random, of the lengths that are routed;
//! addresses are random, so that nearly each look-up leaves the processor's caches, or inside
//! prefixes, as traffic is.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::Instant;

use como_core::addr::Addr;
use como_core::community::{CommunityId, Ends};
use como_core::lookup::{Trie, TrieBuilder, WALKS};

const V4: usize = 1_000_000;
const V6: [usize; 2] = [200_000, 1_000_000];
const ADDRS: usize = 1 << 20;
const PART: usize = 4096;

fn main() {
    let mut random = Random(7);
    for v6 in V6 {
        look_up(&mut random, v6);
    }
    let mut flow = 0;
    let mut parts: Vec<_> = (0..ADDRS / PART)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..PART {
                flow += 1u32;
                let (src, dst) = (Addr::v4(flow.to_be_bytes()), Addr::v4([10, 0, 0, 1]));
                black_box(CommunityId::of(src, dst, 6, Ends::Ports(flow as u16, 443)));
            }
            start.elapsed()
        })
        .collect();
    parts.sort_unstable();
    println!("Community ID: {:.1} ns", parts[parts.len() / 2].as_nanos() as f64 / PART as f64);
}

/// Shows what look-ups cost among a million prefixes of IPv4 and so many of IPv6.
fn look_up(random: &mut Random, v6: usize) {
    let v4: Vec<(Addr, u8)> = (0..V4).map(|_| (random.addr(false), random.len(16, 24))).collect();
    let v6: Vec<(Addr, u8)> = (0..v6).map(|_| (random.addr(true), random.len(28, 48))).collect();
    let mut builder = TrieBuilder::default();
    for (addr, len) in v4.iter().chain(&v6) {
        if builder.add(*addr, *len, 1 + random.next() as u32 % 80_000).is_err() {
            return;
        }
    }
    let start = Instant::now();
    let Ok(trie) = builder.build() else { return };
    let (ms, mib) = (start.elapsed().as_millis(), trie.bytes() >> 20);
    println!("{} prefixes: built in {ms} ms, {mib} MiB", trie.prefixes());
    for (name, is_v6, prefixes) in [("IPv4", false, &v4), ("IPv6", true, &v6)] {
        let inside: Vec<Addr> = (0..ADDRS)
            .map(|_| {
                let (addr, len) = prefixes[random.next() as usize % prefixes.len()];
                let host = random.addr(is_v6);
                let bits = addr.masked(len).bits() | (host.bits() ^ host.masked(len).bits());
                Addr::from_bits(is_v6, bits)
            })
            .collect();
        let anywhere: Vec<Addr> = (0..ADDRS).map(|_| random.addr(is_v6)).collect();
        let hot: Vec<Addr> = inside.iter().copied().cycle().take(1000).collect();
        let hot: Vec<Addr> = hot.iter().copied().cycle().take(ADDRS).collect();
        for (what, addrs) in [("anywhere", anywhere), ("inside", inside), ("of 1,000", hot)] {
            let together = median(&addrs, |addrs| side_by_side(&trie, addrs));
            let alone = median(&addrs, |addrs| one_by_one(&trie, addrs));
            println!("{name} {what}: {together:.1} ns side by side, {alone:.1} ns one by one");
        }
    }
}

fn side_by_side(trie: &Trie, addrs: &[Addr]) -> u32 {
    let mut walks = [None; WALKS];
    addrs.chunks_exact(WALKS).fold(0, |sum, addrs| {
        walks.iter_mut().zip(addrs).for_each(|(walk, addr)| *walk = Some(*addr));
        trie.get_all(&walks).iter().fold(sum, |a, b| a ^ b)
    })
}

fn one_by_one(trie: &Trie, addrs: &[Addr]) -> u32 {
    addrs.iter().filter_map(|addr| trie.get(*addr)).fold(0, |a, b| a ^ b)
}

/// Nanoseconds of a look-up: the median over parts so short that few are interrupted.
fn median(addrs: &[Addr], look_up: impl Fn(&[Addr]) -> u32) -> f64 {
    let part = |addrs: &[Addr]| {
        let start = Instant::now();
        black_box(look_up(addrs));
        start.elapsed()
    };
    let mut parts: Vec<_> = addrs.chunks_exact(PART).map(part).collect();
    parts.sort_unstable();
    parts.get(parts.len() / 2).map_or(0.0, |part| part.as_nanos() as f64 / PART as f64)
}

/// Numbers that are the same at every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// An address; of IPv6 one that may be routed.
    fn addr(&mut self, v6: bool) -> Addr {
        let bits = u128::from(self.next()) << 64 | u128::from(self.next());
        Addr::from_bits(v6, if v6 { bits >> 3 | 1 << 125 } else { bits })
    }

    fn len(&mut self, from: u8, to: u8) -> u8 {
        from + (self.next() % u64::from(to - from + 1)) as u8
    }
}
