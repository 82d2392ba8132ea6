//! Summaries of made-up captures, and what they say where a bound is reached.

use super::*;
use crate::packet::LinkType;
use crate::packet::build::{Frame, batch_of};
use crate::source::flows::{Exporter, Volume};
use serde_json::{Value, json};

fn summary(frames: impl IntoIterator<Item = Frame>) -> Report {
    let mut summary = Summary::default();
    let mut batch = batch_of(frames);
    batch.decode(Summary::demand());
    summary.update(&batch);
    summary.report()
}

/// Checks keys of the JSON object.
#[track_caller]
fn check(frames: impl IntoIterator<Item = Frame>, want: Value) {
    let got = serde_json::to_value(summary(frames)).expect("a report is plain data");
    for (key, want) in want.as_object().expect("an object") {
        assert_eq!(&got[key], want, "{key}");
    }
}

const A: &str = "10.0.0.1:1000";
const B: &str = "10.0.0.2:80";

#[test]
fn counts_layers_hosts_ports_and_flows() {
    let frames = [
        Frame::tcp(A, B).len(100),
        Frame::tcp(B, A).len(1000),
        Frame::udp("[fe80::1]:53", "[fe80::2]:53").vlan(7).len(200),
        Frame::icmp(A, B, 8, 0).len(60),
        Frame::arp(A, B, true),
        Frame::ethernet(0x88cc, [0; 10]),
    ];
    check(
        frames,
        json!({
            "packets": 6,
            "wire_bytes": 100 + 1000 + 200 + 60 + 42 + 24,
            "l3_packets": {"ipv4": 3, "ipv6": 1, "arp": 1, "other": 1},
            "l3_bytes": {"ipv4": 1160, "ipv6": 200, "arp": 42, "other": 24},
            "l4_packets": {"1": 1, "6": 2, "17": 1},
            "l4_bytes": {"1": 60, "6": 1100, "17": 200},
            "vlan_packets": 1,
            "link_packets": {"1": 6},
            "top_src_ip_bytes": [["10.0.0.2", 1000], ["fe80::1", 200], ["10.0.0.1", 160]],
            "distinct_dst_ip": 3,
            "top_sport_packets": [["tcp/80", 1], ["tcp/1000", 1], ["udp/53", 1]],
            "top_dport_bytes": [["tcp/1000", 1000], ["udp/53", 200], ["tcp/80", 100]],
            "flows_5tuple_unidirectional": 4,
            "flows_5tuple_bidirectional": 3,
            "bounds_reached": [],
        }),
    );
}

#[test]
fn fragments_have_ports_only_where_they_are() {
    let frame = || Frame::udp(A, B).payload([0; 16]);
    check(
        [frame().fragment(0, true), frame().fragment(24, false)],
        json!({
            "ip_fragments": 2,
            "ip_nonfirst_fragments": 1,
            "l4_packets": {"17": 2},
            "top_dport_packets": [["udp/80", 1]],
            "flows_5tuple_unidirectional": 2,
        }),
    );
}

#[test]
fn times_are_told_in_file_order_and_sorted() {
    let frames = [5, 3, 4, 9].map(|s| Frame::tcp(A, B).ts(Ts::new(s, 1)));
    check(
        frames,
        json!({
            "first_ts": "5.000000001",
            "last_ts": "9.000000001",
            "min_ts": "3.000000001",
            "max_ts": "9.000000001",
            "ts_backwards": 1,
            "packets_without_ts": 0,
        }),
    );
}

#[test]
fn an_empty_capture_has_no_times() {
    check([], json!({"packets": 0, "first_ts": null, "l3_packets": {}, "top_src_ip_bytes": []}));
}

#[test]
fn sampled_packets_count_for_all_they_stand_for() {
    check(
        [Frame::udp(A, B).len(100).weight(10, 1000)],
        json!({"packets": 10, "wire_bytes": 1000, "cap_bytes": 100, "l4_bytes": {"17": 1000}}),
    );
}

#[test]
fn damage_is_counted_not_hidden() {
    let mut short = Frame::udp(A, B).bytes();
    short[14] = 0x43;
    check(
        [
            Frame::raw(LinkType::ETHERNET, short),
            Frame::tcp(A, B).cap(40),
            Frame::raw(LinkType::ETHERNET, [0; 3]),
        ],
        json!({"packets": 3, "malformed": 2, "truncated": 1}),
    );
}

#[test]
fn the_last_of_equals_is_the_same_every_time() {
    let frames = || (1..=30u8).map(|i| Frame::udp((Addr::v4([10, 0, 0, i]), 1), B).len(100));
    let first = summary(frames());
    assert_eq!(first.top_src_ip_bytes.len(), 5);
    assert_eq!(first.top_src_ip_bytes[0], ("10.0.0.1".to_owned(), 100));
    assert_eq!(first, summary(frames()));
}

#[test]
fn a_flow_back_to_the_same_end_is_one_flow() {
    check(
        [Frame::udp(A, A), Frame::udp(A, A)],
        json!({"flows_5tuple_unidirectional": 1, "flows_5tuple_bidirectional": 1}),
    );
}

#[test]
fn tables_say_the_same_as_the_object() {
    let report = summary([Frame::tcp(A, B).len(100), Frame::udp(A, B).vlan(3).len(60)]);
    let parts = report.parts();
    for part in &parts {
        let width = if part.columns.is_empty() { 2 } else { part.columns.len() };
        assert!(part.rows.iter().all(|row| row.len() == width), "{part:?}");
    }
    let titles: Vec<_> = parts.iter().map(|part| part.title).collect();
    assert_eq!(
        titles,
        [
            "capture",
            "network",
            "transport",
            "top sources",
            "top destinations",
            "top source ports",
            "top destination ports",
        ]
    );
    assert_eq!(parts[2].rows, [["tcp (6)", "1", "100"], ["udp (17)", "1", "60"]]);
}

#[test]
fn more_hosts_than_there_is_room_for_are_left_out_and_told() {
    let mut ends = Ends::default();
    for i in 0..HOSTS_MAX as u128 + 5 {
        ends.src(Addr::from_bits(true, i), 1);
    }
    assert_eq!(ends.senders().count(), HOSTS_MAX);
    assert!(ends.is_host_left_out && !ends.is_flow_left_out);
    assert_eq!(ends.src(Addr::from_bits(true, 7), 1), Some(7));
    for i in 0..FLOWS_MAX as u32 + 5 {
        ends.flow(0, 1, 6, (i >> 16) as u16, i as u16);
    }
    assert_eq!(ends.flows(), FLOWS_MAX as u64);
    assert!(ends.is_flow_left_out);
}

#[test]
fn a_source_of_flow_records_says_what_it_read() {
    let volume = Volume { records: 2, packets: 5, bytes: 700 };
    let one = Flows {
        flow_records: 2,
        flow_protocols: [(6, volume)].into(),
        flow_exporters: vec![Exporter {
            address: "192.0.2.1".into(),
            volume,
            ..Exporter::default()
        }],
        ..Flows::default()
    };
    let mut summary = Summary::default();
    assert!(!serde_json::to_string(&summary.report()).expect("JSON").contains("flow_records"));
    for _ in 0..2 {
        summary.flows.get_or_insert_default().add(one.clone());
    }
    let report = summary.report();
    let got = serde_json::to_value(&report).expect("JSON");
    assert_eq!(got["flow_records"], 4);
    assert_eq!(got["flow_protocols"]["6"]["packets"], 10);
    assert_eq!(got["flow_exporters"][1]["bytes"], 700);
    let titles: Vec<&str> = report.parts().iter().map(|part| part.title).collect();
    assert_eq!(titles, ["capture", "flow records", "flow protocols", "exporters"]);
}
