//! Files of flow exports that a monitor reads again, over the store in which their records are.

use como_tests::Folder;

use super::server::Server;
use super::{TRAFFIC, config, sum};

/// 2026-01-01T00:00:00Z, at which everything made here begins.
const START: u32 = 1_767_225_600;

fn be(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
}

fn le(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

/// A capture, as raw IP, of UDP payloads and the second at which each came.
fn capture(port: u32, datagrams: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut file = le(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 0, 101]);
    for (secs, payload) in datagrams {
        let udp = payload.len() as u32 + 8;
        file.extend(le(&[*secs, 0, udp + 20, udp + 20]));
        let ip = [0x4500_0000 | (udp + 20), 0, 0x4011_0000, 0xc000_0201, 0xc000_0202];
        file.extend(be(&ip));
        file.extend(be(&[40_000 << 16 | port, udp << 16]));
        file.extend(payload);
    }
    file
}

/// NetFlow v5: ten flows of 100 packets each, that began a second apart from `first` on and are
/// sent a minute after the last one did.
fn netflow(first: u32) -> Vec<u8> {
    let sent = first + 70;
    let mut bytes = be(&[0x0005_000a, 3_600_000, sent, 0, 0, 0]);
    for nth in 0..10 {
        let uptime = 3_600_000 - 70_000 + nth * 1_000;
        bytes.extend(be(&[0x0a00_0001, 0x0a00_0002, 0, 0, 100, 5_000, uptime, uptime + 500]));
        bytes.extend(be(&[1_000 << 16 | 80, 0x0000_0600, 0, 0]));
    }
    capture(2055, &[(sent, bytes)])
}

/// sFlow: ten samples, a second apart, each of which stands for 100 packets.
fn sflow(first: u32) -> Vec<u8> {
    // Ethernet, IPv4, UDP; the length that the record states is that of the packet.
    let ip = [0x0800_4500, 0x0020_0000, 0x0000_4011, 0x0000_0a00, 0x0001_0a00, 0x0002_0000];
    let packet = be(&[&[0; 3], &ip[..]].concat());
    let len = packet.len() as u32;
    let samples = (0..10).map(|nth| {
        let head = be(&[5, 1, 0xc000_0201, 7, nth, 1_000, 1]);
        let sample = be(&[1, 32 + 24 + len, nth, 3, 100, (nth + 1) * 100, 0, 3, 4, 1]);
        let raw = be(&[1, 16 + len, 1, len + 4, 4, len]);
        (first + nth, [head, sample, raw, packet.clone()].concat())
    });
    capture(6343, &samples.collect::<Vec<_>>())
}

/// flow-tools: the flows of [`netflow`].
fn flowtools(first: u32) -> Vec<u8> {
    let mut bytes = [vec![0xcf, 0x10, 2, 3], be(&[14])].concat();
    bytes.extend([0, 2, 0, 2, 0, 5]);
    for nth in 0..10 {
        let uptime = 3_600_000 - 70_000 + nth * 1_000;
        bytes.extend(be(&[first + 70, 0, 3_600_000, 0xc000_0201, 0x0a00_0001, 0x0a00_0002, 0, 0]));
        bytes.extend(be(&[100, 5_000, uptime, uptime + 500, 1_000 << 16 | 80, 0x0600_0000, 0, 0]));
    }
    bytes
}

const ENDED: &str = "\"ended\":true";

#[track_caller]
fn check(kind: &str, made: fn(u32) -> Vec<u8>, later: u32) {
    let folder = Folder::new();
    let run = |source: &str, until: &str| {
        folder.write("como.toml", config(source, TRAFFIC));
        let server = Server::start(&folder);
        server.until("/status", |status| status.contains(until));
        assert_eq!(server.end(), 0);
        let args = ["query", "t", "--store", "store", "--time", ":", "--format", "ndjson"];
        sum(&folder.como(args).ok().stdout, "packets")
    };
    folder.write("exports", made(START));
    let source = format!("{kind}:exports");
    assert_eq!(run(&source, ENDED), 1_000);
    let why =
        format!("\"not_read\":{{\"{source}\":\"it begins at 2026-01-01T00:00:00Z, and `t` has");
    assert_eq!(run(&source, &why), 1_000);
    folder.write("more", made(START + later));
    assert_eq!(run(&format!("{kind}:more"), ENDED), 2_000);
}

#[test]
fn netflow_in_a_file_counts_once_and_what_was_sent_later_is_read_also_where_its_flows_began_before()
{
    check("netflow", netflow, 5);
}

#[test]
fn sflow_in_a_file_counts_once() {
    check("sflow", sflow, 10);
}

#[test]
fn a_file_of_flow_tools_counts_once_and_what_was_sent_later_is_read() {
    check("flowtools", flowtools, 5);
}
