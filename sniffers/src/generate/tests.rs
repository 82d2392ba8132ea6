//! Generated traffic: the same for ever, and right in the eyes of another decoder.

use std::collections::HashSet;

use como_core::source::{Chunk, Source, Turn};
use como_core::time::Ts;

use super::Generator;

/// What `visit` is called with: time and bytes of every packet.
fn each(text: &str, mut visit: impl FnMut(Ts, &[u8])) {
    let mut source = Generator::open(text).expect("options");
    let mut chunk = Chunk::default();
    loop {
        chunk.clear();
        let turn = source.next(&mut chunk).expect("a chunk");
        for p in &chunk.packets {
            let region = (*chunk.regions[usize::from(p.region)]).as_ref();
            let start = p.offset as usize;
            visit(p.ts, &region[start..start + p.cap_len as usize]);
        }
        if turn == Turn::End {
            return;
        }
    }
}

/// A hash that never changes (FNV-1a) of all times and bytes.
fn hash(text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    each(text, |ts, bytes| {
        for byte in ts.0.to_le_bytes().iter().chain(bytes) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    });
    hash
}

#[test]
fn the_same_seed_makes_the_same_bytes_for_ever() {
    assert_eq!(hash("packets=20000"), 2964206705394291842);
    assert_eq!(hash("packets=20000,seed=2,ipv6=0.5,vlan=0.5,mean_len=700"), 3858064503619469330);
}

#[test]
fn packets_are_as_many_as_asked_for_and_in_order() {
    for packets in [1, 2, 4095, 4096, 4097, 30_000] {
        let (mut n, mut last) = (0, Ts(0));
        each(&format!("packets={packets},duration=3s,start=1000"), |ts, _| {
            assert!(last <= ts && Ts::new(1000, 0) <= ts && ts < Ts::new(1003, 0));
            (n, last) = (n + 1, ts);
        });
        assert_eq!(n, packets);
    }
}

/// What a stretch of traffic consists of.
#[derive(Debug, Default)]
struct Mix {
    packets: u32,
    bytes: u64,
    flows: HashSet<Vec<u8>>,
    ipv6: u32,
    vlan: u32,
    tcp: u32,
    udp: u32,
    dns: u32,
    arp: u32,
    icmp: u32,
}

/// Counts what a packet is, by a reading of headers that the generator has no part in.
fn count(mix: &mut Mix, bytes: &[u8]) {
    mix.packets += 1;
    mix.bytes += bytes.len() as u64;
    let sliced = etherparse::SlicedPacket::from_ethernet(bytes).expect("a whole packet");
    mix.vlan += u32::from(!sliced.link_exts.is_empty());
    let mut key = match &sliced.net {
        Some(etherparse::NetSlice::Ipv4(ip)) => {
            let header = ip.header().to_header();
            assert_eq!(header.header_checksum, header.calc_header_checksum());
            [header.source, header.destination].concat()
        }
        Some(etherparse::NetSlice::Ipv6(ip)) => {
            mix.ipv6 += 1;
            [ip.header().source(), ip.header().destination()].concat()
        }
        _ => {
            mix.arp += 1;
            return;
        }
    };
    let (mut ports, mut proto) = ([0, 0], 1);
    match &sliced.transport {
        Some(etherparse::TransportSlice::Tcp(tcp)) => {
            mix.tcp += 1;
            (ports, proto) = ([tcp.source_port(), tcp.destination_port()], 6);
        }
        Some(etherparse::TransportSlice::Udp(udp)) => {
            mix.udp += 1;
            mix.dns += u32::from(udp.source_port() == 53 || udp.destination_port() == 53);
            (ports, proto) = ([udp.source_port(), udp.destination_port()], 17);
        }
        _ => mix.icmp += 1,
    }
    key.extend(ports.iter().flat_map(|p| p.to_be_bytes()));
    key.push(proto);
    mix.flows.insert(key);
}

#[track_caller]
fn check_about(what: &str, got: f64, want: f64, off: f64) {
    assert!((got - want).abs() <= off * want, "{what}: {got}, not about {want}");
}

#[test]
fn the_mix_is_as_asked_for() {
    let mut mix = Mix::default();
    each("packets=200000,duration=30s,flows=24000,hosts=500", |_, bytes| count(&mut mix, bytes));
    let n = f64::from(mix.packets);
    check_about("mean length", mix.bytes as f64 / n, 360.0, 0.03);
    check_about("flows", mix.flows.len() as f64, 24_000.0, 0.05);
    check_about("IPv6", f64::from(mix.ipv6), 0.1 * n, 0.4);
    check_about("DNS", f64::from(mix.dns), 0.036 * n, 0.2);
    check_about("ARP", f64::from(mix.arp), n / 512.0, 0.3);
    assert!(mix.vlan > 0 && mix.icmp > 0 && mix.udp > mix.dns && mix.tcp > mix.udp, "{mix:?}");
}
