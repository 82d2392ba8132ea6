//! The same script, unchanged, on packets and on the flow records of those packets: the same
//! totals.
//!
//! The exporter is made here, from a generated capture: every packet of a flow
//! is counted by the length its IP header states, as exporters count.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use como_tests::Folder;

/// Packets and IP bytes by destination, in a script that knows nothing of sources.
const SCRIPT: &str = "\
-- Packets and IP bytes by destination.
filter = 'ip'
args   = { interval = '10s' }
key    = { dst = 'ip.dst' }
value  = { packets = count(), bytes = sum('ip.len') }
";

/// Source, destination, protocol, source port, destination port.
type Ends = (Vec<u8>, Vec<u8>, u8, u16, u16);

/// What an exporter keeps of a flow; times in milliseconds since 1970.
#[derive(Clone, Copy)]
struct Flow {
    packets: u32,
    bytes: u32,
    first_ms: u64,
    last_ms: u64,
}

fn short(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The flows of a capture that `como gen` wrote, in the order in which they ended.
fn flows(capture: &[u8]) -> Vec<(Ends, Flow)> {
    let long = |at: usize| u32::from_le_bytes(capture[at..at + 4].try_into().expect("four"));
    let scale = if long(0) == 0xa1b2_3c4d { 1_000_000 } else { 1_000 };
    let mut flows = BTreeMap::<Ends, Flow>::new();
    let mut at = 24;
    while at < capture.len() {
        let ms = u64::from(long(at)) * 1_000 + u64::from(long(at + 4)) / scale;
        let len = long(at + 8) as usize;
        let frame = &capture[at + 16..at + 16 + len];
        at += 16 + len;
        let Some((ends, bytes)) = ends(frame) else { continue };
        let new = Flow { packets: 0, bytes: 0, first_ms: ms, last_ms: ms };
        let flow = flows.entry(ends).or_insert(new);
        flow.packets += 1;
        flow.bytes += bytes;
        flow.last_ms = ms;
    }
    let mut flows: Vec<(Ends, Flow)> = flows.into_iter().collect();
    flows.sort_by_key(|(_, flow)| flow.last_ms);
    flows
}

/// The ends of a packet, and how long IP says it is.
fn ends(frame: &[u8]) -> Option<(Ends, u32)> {
    let (kind, start) = match short(frame, 12) {
        0x8100 => (short(frame, 16), 18),
        kind => (kind, 14),
    };
    let ip = &frame[start..];
    let (src, dst, proto, carried, bytes) = match kind {
        0x0800 => (&ip[12..16], &ip[16..20], ip[9], &ip[20..], u32::from(short(ip, 2))),
        0x86dd => (&ip[8..24], &ip[24..40], ip[6], &ip[40..], u32::from(short(ip, 4)) + 40),
        _ => return None,
    };
    let ports = match proto {
        6 | 17 => (short(carried, 0), short(carried, 2)),
        _ => (0, 0),
    };
    Some(((src.to_vec(), dst.to_vec(), proto, ports.0, ports.1), bytes))
}

/// Export packets with at most 24 flows each, whose time is in seconds.
type Datagrams = Vec<(u64, Vec<u8>)>;

fn be(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
}

/// When a group of flows is sent, and the uptime of an exporter that started an hour before.
fn sent(group: &[(Ends, Flow)]) -> (u64, u64) {
    let last_ms = group.iter().map(|(_, flow)| flow.last_ms).max().unwrap_or(0);
    (last_ms / 1_000 + 1, (last_ms / 1_000 + 1 - 3_600) * 1_000)
}

/// The interface that flows from a port come in by.
fn input(sport: u16) -> u8 {
    (sport % 5) as u8
}

/// NetFlow v5; only IPv4 flows fit.
fn v5(flows: &[(Ends, Flow)]) -> Datagrams {
    let flows: Vec<_> = flows.iter().filter(|(ends, _)| ends.0.len() == 4).cloned().collect();
    let mut sequence = 0;
    let datagrams = flows.chunks(24).map(|group| {
        let (secs, boot_ms) = sent(group);
        let mut bytes = [5u16.to_be_bytes(), (group.len() as u16).to_be_bytes()].concat();
        bytes.extend(be(&[3_600_000, secs as u32, 0, sequence, 0]));
        for ((src, dst, proto, sport, dport), flow) in group {
            let uptimes = [flow.first_ms, flow.last_ms].map(|ms| (ms - boot_ms) as u32);
            // Out by interface 9, in by one that the source port tells.
            bytes.extend([&src[..], dst, &[0, 0, 0, 0, 0, input(*sport), 0, 9]].concat());
            bytes.extend(be(&[flow.packets, flow.bytes, uptimes[0], uptimes[1]]));
            bytes.extend([sport.to_be_bytes(), dport.to_be_bytes()].concat());
            bytes.extend([0, 0, *proto, 0]);
            bytes.extend([0; 8]);
        }
        sequence += group.len() as u32;
        (secs, bytes)
    });
    datagrams.collect()
}

/// A template of each family, 256 and 257.
fn templates(is_ipfix: bool) -> Vec<u8> {
    let times: [u16; 4] = if is_ipfix { [152, 8, 153, 8] } else { [22, 4, 21, 4] };
    let template = |id: u16, ends: [u16; 4]| {
        let mut words = vec![id, 9];
        words.extend(ends);
        words.extend([4, 1, 7, 2, 11, 2, 2, 4, 1, 4]);
        words.extend(times);
        words
    };
    let words = [template(256, [8, 4, 12, 4]), template(257, [27, 16, 28, 16])].concat();
    let head = [if is_ipfix { 2 } else { 0 }, words.len() as u16 * 2 + 4];
    head.into_iter().chain(words).flat_map(u16::to_be_bytes).collect()
}

/// NetFlow v9 or IPFIX: templates in every tenth packet, a set for each flow.
fn templated(flows: &[(Ends, Flow)], is_ipfix: bool) -> Datagrams {
    let mut sequence = 0u32;
    let datagrams = flows.chunks(24).enumerate().map(|(nth, group)| {
        let (secs, boot_ms) = sent(group);
        let mut sets = if nth % 10 == 0 { templates(is_ipfix) } else { Vec::new() };
        for ((src, dst, proto, sport, dport), flow) in group {
            let mut record = [&src[..], dst, &[*proto]].concat();
            record.extend([sport.to_be_bytes(), dport.to_be_bytes()].concat());
            record.extend(be(&[flow.packets, flow.bytes]));
            for ms in [flow.first_ms, flow.last_ms] {
                match is_ipfix {
                    true => record.extend(ms.to_be_bytes()),
                    false => record.extend(((ms - boot_ms) as u32).to_be_bytes()),
                }
            }
            let id = if src.len() == 4 { 256u16 } else { 257 };
            sets.extend([id.to_be_bytes(), (record.len() as u16 + 4).to_be_bytes()].concat());
            sets.extend(record);
        }
        let (version, second, units) = match is_ipfix {
            true => (10u16, sets.len() as u16 + 16, group.len() as u32),
            false => (9, group.len() as u16, 1),
        };
        let mut bytes = [version.to_be_bytes(), second.to_be_bytes()].concat();
        bytes.extend(match is_ipfix {
            true => be(&[secs as u32, sequence, 7]),
            false => be(&[3_600_000, secs as u32, sequence, 7]),
        });
        bytes.extend(sets);
        sequence += units;
        (secs, bytes)
    });
    datagrams.collect()
}

/// A capture of these export packets, as raw IP.
fn capture(datagrams: &Datagrams) -> Vec<u8> {
    let mut file = Vec::new();
    for number in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 0, 101] {
        file.extend(number.to_le_bytes());
    }
    for (secs, payload) in datagrams {
        let udp = payload.len() as u16 + 8;
        let len = u32::from(udp) + 20;
        for number in [*secs as u32, 0, len, len] {
            file.extend(number.to_le_bytes());
        }
        file.extend([0x45, 0]);
        file.extend((udp + 20).to_be_bytes());
        file.extend([0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        for number in [40_000, 2055, udp, 0] {
            file.extend(number.to_be_bytes());
        }
        file.extend(payload);
    }
    file
}

/// Packets and bytes by destination, over all records the script makes.
fn totals(
    folder: &Folder,
    script: &Path,
    source: &str,
    filter: &str,
) -> BTreeMap<String, [u64; 2]> {
    let ran = folder.como(["run", &script.display().to_string(), "-s", source, filter]).ok();
    let mut totals = BTreeMap::<String, [u64; 2]>::new();
    for row in ran.ndjson() {
        // A gap between two intervals is a row without a destination.
        let Some(dst) = row["dst"].as_str() else { continue };
        let sums = totals.entry(dst.to_owned()).or_default();
        for (sum, column) in sums.iter_mut().zip(["packets", "bytes"]) {
            *sum += row[column].as_u64().expect("a count");
        }
    }
    totals
}

/// Checks the script on generated traffic and on its export packets as `export` makes them.
#[track_caller]
fn check(export: impl Fn(&[(Ends, Flow)]) -> Datagrams, filter: &str) {
    let folder = Folder::new();
    let packets: PathBuf = folder.path().join("packets.pcap");
    let name = packets.display().to_string();
    folder.como(["gen", "packets=20000", "duration=60s", "hosts=300", "-w", &name]).ok();
    let script = folder.write("by_dst.lua", SCRIPT);
    let want = totals(&folder, &script, &name, filter);
    assert!(want.len() >= 20, "the traffic has {} destinations", want.len());
    let datagrams = export(&flows(&std::fs::read(&packets).expect("a capture")));
    let exports = folder.write("exports.pcap", capture(&datagrams));
    for options in ["", ",flows=spread,pieces=7", ",disorder=0s"] {
        let source = format!("netflow:{}{options}", exports.display());
        let got = totals(&folder, &script, &source, filter);
        assert!(got == want, "{options}: {} of {} destinations", got.len(), want.len());
    }
}

#[test]
fn the_summary_counts_packets_of_flow_records_for_what_they_stand_for() {
    let folder = Folder::new();
    let ends = (vec![192, 0, 2, 1], vec![192, 0, 2, 2], 17, 1, 2);
    let first_ms = 1_767_225_600_000;
    let flow = Flow { packets: 1_500, bytes: 150_000, first_ms, last_ms: first_ms + 1_000 };
    let exports = folder.write("exports.pcap", capture(&v5(&[(ends, flow)])));
    let source = format!("netflow:{}", exports.display());
    let ran = folder.como(["run", "traffic", "-s", &source]).ok();
    assert!(ran.stderr.contains("1,500 packets, 150,000 bytes"), "{}", ran.stderr);
}

#[test]
fn netflow_v5_says_what_its_packets_said() {
    check(v5, "ip.version == 4");
}

#[test]
fn netflow_v9_says_what_its_packets_said() {
    check(|flows| templated(flows, false), "ip");
}

#[test]
fn ipfix_says_what_its_packets_said() {
    check(|flows| templated(flows, true), "ip");
}

#[test]
fn a_module_that_needs_payload_is_refused_on_flow_records() {
    let folder = Folder::new();
    let flow = Flow { packets: 1, bytes: 40, first_ms: 3_600_000_000, last_ms: 3_600_000_000 };
    let ends = (vec![10, 0, 0, 1], vec![10, 0, 0, 2], 6, 1, 2);
    folder.write("exports.pcap", capture(&v5(&[(ends, flow)])));
    let script = "-- Requests.\nfilter = [[payload contains \"GET \"]]\nvalue = { n = count() }\n";
    folder.write("requests.lua", script);
    let run = |module: &str| folder.como(["run", module, "-s", "netflow:exports.pcap"]);
    run("requests.lua").refused(
        1,
        &[
            "module `requests` needs `payload`, the captured bytes",
            "`netflow:exports.pcap` does not give",
        ],
    );
    folder.write("ttl.lua", "-- By TTL.\nkey = { ttl = 'ip.ttl' }\nvalue = { n = count() }\n");
    run("ttl.lua").refused(1, &["needs `ip.ttl`"]);
    for module in
        ["traffic", "topaddr", "topports", "tuple", "protocol", "apps", "sessions", "trace"]
    {
        run(module).ok();
    }
}

#[test]
fn flows_are_told_apart_by_exporter_and_interface_as_they_come_and_as_they_are_kept() {
    let folder = Folder::new();
    let ends = |port: u16| (vec![10, 0, 0, 1], vec![10, 0, 0, 2], 17, port, 53);
    let flow = |port: u16| {
        let first_ms = 1_767_225_600_000 + u64::from(port);
        Flow { packets: port.into(), bytes: 100 * u32::from(port), first_ms, last_ms: first_ms }
    };
    let flows: Vec<_> = (1..=200).map(|port| (ends(port), flow(port))).collect();
    folder.write("exports.pcap", capture(&v5(&flows)));
    folder.como(["run", "trace", "-a", "file=kept.pcapng", "-s", "netflow:exports.pcap"]).ok();
    let packets = |source: &str, filter: &str| {
        let ran = folder.como(["filter", filter, "-s", source, "--json"]).ok();
        ran.ndjson()[0]["packets"].as_u64().expect("a count")
    };
    let from = |interface: u8| -> u64 {
        (1..=200).filter(|port| input(*port) == interface).map(u64::from).sum()
    };
    for source in ["netflow:exports.pcap", "kept.pcapng"] {
        assert_eq!(packets(source, "input 3"), from(3), "{source}");
        assert_eq!(packets(source, "input 0 or exporter.input == 4"), from(0) + from(4));
        assert_eq!(packets(source, "exporter 192.0.2.0/24 and output 9"), 201 * 100);
        assert_eq!(packets(source, "exporter 192.0.2.2 or output 3 or input 9"), 0);
    }
}
