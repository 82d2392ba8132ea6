//! What it costs to decode a batch, and nothing else.
//!
//! `cargo run --release -p como-core --example decode_cost` prints nanoseconds per packet for
//! several kinds of traffic and demands, the best of many rounds, since other work on the machine
//! only ever adds.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use como_core::addr::Addr;
use como_core::field::{Demand, Field};
use como_core::packet::build::{Frame, batch_of};

const PACKETS: u32 = 4096;
const ROUNDS: usize = 1000;

fn main() {
    let tuple = [Field::IpSrc, Field::IpDst, Field::IpProto, Field::Sport, Field::Dport];
    let demands: [(&str, &[Field]); 4] = [
        ("headers", &[]),
        ("ip.dst", &[Field::IpDst]),
        ("five-tuple", &tuple),
        ("every field", Field::ALL),
    ];
    for kind in ["IPv4", "VLAN", "IPv6", "MPLS", "a mix"] {
        let mut batch = batch_of((0..PACKETS).map(|at| frame(kind, at)));
        let costs = demands.map(|(name, fields)| {
            let demand = fields.iter().fold(Demand::NONE.layers(), |d, field| d.field(*field));
            let best = (0..ROUNDS).map(|_| {
                let start = Instant::now();
                batch.decode(demand);
                start.elapsed()
            });
            let ns = best.min().unwrap_or_default().as_nanos() as f64 / f64::from(PACKETS);
            format!("{name} {ns:.1}")
        });
        println!("{kind}: {} ns a packet", costs.join(", "));
    }
}

/// Packets of differing lengths between differing hosts.
fn frame(kind: &str, at: u32) -> Frame {
    let [_, _, high, low] = at.to_be_bytes();
    let (a, b) = (Addr::v4([10, 0, high, low]), Addr::v4([10, 1, high, low]));
    let v6 = |addr: Addr| Addr::from_bits(true, addr.bits());
    let tcp = |a, b| Frame::tcp((a, 1000 + u16::from(low)), (b, 443));
    // Scattered, so that no branch learns the pattern.
    let draw = at.wrapping_mul(2_654_435_761) >> 28;
    let frame = match (kind, draw) {
        ("IPv4", 0..4) | ("a mix", 0..4) => Frame::udp((a, 53), (b, 53)),
        ("IPv4", _) => tcp(a, b),
        ("VLAN", _) => tcp(a, b).vlan(5),
        ("IPv6", _) => tcp(v6(a), v6(b)),
        ("MPLS", _) => tcp(a, b).mpls(16),
        (_, 4..8) => tcp(v6(a), v6(b)),
        (_, 8) => Frame::arp(a, b, true),
        (_, 9) => Frame::icmp(a, b, 8, 0),
        (_, _) => tcp(a, b),
    };
    frame.len(60 + at as usize * 37 % 600)
}
