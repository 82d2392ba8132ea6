//! A collector on this machine, and what it hears.

use std::net::UdpSocket;

use super::*;
use crate::netflow::made::v5;

/// Sends datagrams and reads until so many packets, or so many rejected ones, have arrived.
#[track_caller]
fn check(options: &str, sent: &[Vec<u8>], packets: usize, rejected: u64) {
    let mut collector =
        Collector::open(&format!("127.0.0.1:0{options}")).expect("a free port on this machine");
    let exporter = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for datagram in sent {
        exporter.send_to(datagram, collector.place()).expect("sent");
    }
    let (mut got, mut malformed) = (0, 0);
    // Each turn waits for a datagram that is on its way; a lost one ends the test.
    for _ in 0..50 {
        let mut chunk = Chunk::default();
        collector.next(&mut chunk).expect("a turn");
        got += chunk.packets.len();
        malformed += chunk.counts.malformed;
        if (got, malformed) == (packets, rejected) {
            return;
        }
    }
    panic!("{got} packets and {malformed} rejected datagrams");
}

#[test]
fn what_exporters_send_becomes_packets() {
    check("", &[v5(0, 0, 1..4), b"nonsense".to_vec(), v5(3, 0, 1..3)], 5, 1);
}

#[test]
fn strangers_are_refused_and_counted() {
    check(",from=192.0.2.1", &[v5(0, 0, 1..4)], 0, 1);
    check(",from=192.0.2.1+127.0.0.0/8", &[v5(0, 0, 1..4)], 3, 0);
}
