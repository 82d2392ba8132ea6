//! The language: what each text comes to, and what is wrong with what is wrong.

use super::*;

mod bpf;

/// What a text's canonical form is, which must parse to itself.
#[track_caller]
fn canonical(text: &str) -> String {
    let parsed = parse(text).unwrap_or_else(|e| panic!("{text}: {e} at {:?}", e.at()));
    let printed = parsed.expr.to_string();
    let again = parse(&printed).unwrap_or_else(|e| panic!("{printed}: {e} at {:?}", e.at()));
    assert_eq!(again.expr, parsed.expr, "{text} prints as {printed}");
    assert_eq!(again.warnings, [], "{printed}");
    printed
}

#[track_caller]
fn check(text: &str, want: &str) {
    assert_eq!(canonical(text), want, "{text}");
}

/// The two texts mean the same.
#[track_caller]
fn same(a: &str, b: &str) {
    assert_eq!(canonical(a), canonical(b), "{a} and {b}");
}

/// The message, what is underlined, and the hint.
#[track_caller]
fn refused(text: &str) -> (String, &str, String) {
    match parse(text) {
        Ok(parsed) => panic!("{text} is accepted as {}", parsed.expr),
        Err(e) => (e.to_string(), text.get(e.at()).expect("a span"), e.hint().unwrap_or_default()),
    }
}

#[test]
fn an_empty_text_passes_everything() {
    for text in ["", " \n\t", "all"] {
        assert!(parse(text).expect("a filter").expr.is_all(), "{text:?}");
    }
    assert!(parse("not all").expect("a filter").expr.is_none());
}

#[test]
fn words_of_como() {
    check(
        "tcp and src 10.0.0.0/8 and dport 80:90",
        "tcp and dport in 80..90 and src net 10.0.0.0/8",
    );
    check("sport :1024", "sport <= 1024");
    check("dport 1024:", "dport >= 1024");
    check("addr 10.0.0.1", "host 10.0.0.1");
    check("ether src 00:1b:21:0a:0b:0c", "eth.src == 00:1b:21:0a:0b:0c");
    check("proto 17", "ip.proto == 17");
    check("not (tcp or udp)", "not (tcp or udp)");
    same("not tcp and not udp", "not (tcp or udp)");
    check("input 3 and not output (4)", "exporter.input == 3 and not exporter.output == 4");
    check("exporter 10.0.0.1", "exporter.addr == 10.0.0.1");
    same("exporter 10.0.0.0/8", "exporter.addr in 10.0.0.0/8");
}

#[test]
fn numbers_with_a_sign() {
    check("radio.signal < -60", "radio.signal <= -61");
    check("-60 < radio.signal", "radio.signal >= -59");
    check("radio.signal in -80..-60", "radio.signal in -80..-60");
    check("radio.noise in {-90, -95..-92, 3}", "radio.noise in {-95..-92, -90, 3}");
    check("radio.signal != 0", "radio.signal != 0");
    check("radio.signal >= -2147483648", "radio.signal >= -2147483648");
    check("radio.signal - radio.noise < 10", "radio.signal - radio.noise < 10");
    check("radio.signal & 1 == 1", "radio.signal & 1 == 1");
    let (message, at, _) = refused("radio.signal in -3000000000..0");
    assert_eq!((message.as_str(), at), ("`radio.signal` is never so far from 0", "-3000000000"));
    let (message, ..) = refused("radio.signal in -60..-80");
    assert_eq!(message, "the range ends before it begins");
}

#[test]
fn frames_of_wireless_networks() {
    check("wlan and not to_ds", "wlan and not wlan.tods");
    check("wlan.type == mgt", "wlan.type == 0");
    check("wlan.security in {open, wep}", "wlan.security <= 1");
    check("wlan.ssid == \"a\\\"b\"", "wlan.ssid == \"a\\\"b\"");
    check("wlan.ssid == \"\"", "wlan.ssid == \"\"");
    check("not wlan.ssid contains 0x6775", "not wlan.ssid contains \"gu\"");
    let (message, _, hint) = refused("wlan.ssid != \"guests\"");
    assert!(message.contains("`==` or `contains` behind `wlan.ssid`"), "{message}");
    assert!(hint.contains("`not` before it"), "{hint}");
    let (message, ..) = refused("subtype beacon");
    assert!(message.contains("wlan.type == mgt"), "{message}");
}

#[test]
fn qualifiers_are_inherited_as_in_tcpdump() {
    same("host 1.2.3.4 or 5.6.7.8", "host 1.2.3.4 or host 5.6.7.8");
    same(
        "tcp dst port ftp or ftp-data or domain",
        "tcp dst port ftp or tcp dst port ftp-data or tcp dst port domain",
    );
    same("port (80 or 443)", "port 80 or port 443");
    same("host 1.2.3.4 and not 5.6.7.8", "host 1.2.3.4 and not host 5.6.7.8");
    same("src or dst port 53", "port 53");
    same("src and dst port 53", "src port 53 and dst port 53");
    same(
        "ether host 00:00:00:00:00:01 or 4c:6a:f6:9f:f6:27",
        "ether host 4c:6a:f6:9f:f6:27 or ether host 00:00:00:00:00:01",
    );
    same(
        "ether host 00:00:00:00:00:01 or c6:2c:03:60:6a:64",
        "ether host 00:00:00:00:00:01 or ether host c6:2c:03:60:6a:64",
    );
    same("host ::1 or fe80::1", "host ::1 or host fe80::1");
    assert_eq!(refused("tcp or 80").1, "80");
    assert_eq!(refused("(port 80 or tcp) or 443").1, "443");
}

#[test]
fn names_of_services_and_protocols() {
    check("udp port domain", "udp and (sport == 53 or dport == 53)");
    same("port http", "tcp port 80");
    same("proto \\tcp", "proto 6");
    same("ip proto tcp", "ip proto 6");
    same("ip.proto == tcp", "proto 6");
    same("tcp.dport == ssh", "tcp dst port 22");
}

#[test]
fn short_networks_ranges_by_name_and_words_of_llc_are_tcpdumps() {
    same("host 10.0.0", "net 10.0.0.0/24");
    same("src 192.168", "src net 192.168.0.0/16");
    same("tcp portrange ftp-ssh", "tcp port 21-22");
    same("portrange ftp-ssh", "tcp port 21-22");
    same("portrange ftp-data-25", "port 20-25");
    same("ether host 0200.0000.0001", "ether host 02:00:00:00:00:01");
    same("stp", "ether proto 0x42");
    same("ether proto \\stp", "stp");
    same("netbeui", "untagged and llc and ether[14:2] == 0xf0f0");
    same(
        "vlan and ipx",
        "vlan and (ether proto 0x8137 or ether proto 0xe0 or (llc and ether[14:2] == 0xffff))",
    );
}

#[test]
fn header_bytes_mean_the_headers_tcpdump_finds() {
    check("tcp[tcpflags] & tcp-syn != 0", "untagged and ip and tcp and tcp.flags.syn");
    same("tcp[13] & 2 != 0", "tcp[tcpflags] & tcp-syn != 0");
    check("ip[6:2] & 0x1fff != 0", "untagged and ip and ip.header[6:2] & 8191 != 0");
    check("vlan and ip[8] < 64", "vlan.depth >= 1 and ip and ip.ttl <= 63");
    check("ether[0] & 1 != 0", "ether[0] & 1 != 0");
    check(
        "ip[(ip[0] & 0xf) * 4] == 1",
        "untagged and ip and ip.header[(ip.header[0] & 15) * 4] == 1",
    );
    same("(tcp[13] & 2) != 0", "tcp[13] & 2 != 0");
    check("0 != 0", "not all");
    check("4 > 3 and tcp", "tcp");
}

#[test]
fn tags_count_from_outside_along_and() {
    check("vlan", "vlan.depth >= 1");
    check("vlan and vlan", "vlan.depth >= 1 and vlan.depth >= 2");
    check("vlan 5 and vlan 6", "vlan.id == 5 and vlan2.id == 6");
    check("vlan 5 or vlan 6", "vlan.id in 5..6");
    check("mpls 5 and mpls", "mpls.label == 5 and mpls.depth >= 2");
    same("vlan and (vlan 6 or vlan 8)", "vlan and (vlan2.id in {6, 8})");
    check("ip proto 1", "untagged and ip and ip.proto == 1");
    check("pppoes and ip proto 1", "pppoes and ip and ip.proto == 1");
}

#[test]
fn fields_compare_in_sets_and_ranges() {
    check("tcp.dport in {80, 443, 8000..8100}", "tcp and dport in {80, 443, 8000..8100}");
    same("dport == 80 or dport == 443", "dport in {443, 80}");
    check("len in 64..128", "len in 64..128");
    check("pkt.len > 64", "len >= 65");
    check("not len > 64", "len <= 64");
    check("tcp.flags.syn and not tcp.flags.ack", "tcp.flags.syn and not tcp.flags.ack");
    check("ip.src == 10.0.0.0/8", "ip.src == 10.0.0.0/8");
    check("ip.src != 10.0.0.1", "ip.src != 10.0.0.1");
    check("ip.src in {10.0.0.0/8, ::1, 11.0.0.0/8}", "ip.src in {10.0.0.0/7, ::1}");
    check("ip.src in 10.0.0.1..10.0.0.9", "ip.src in 10.0.0.1..10.0.0.9");
    check("ip.ttl < 5 or ip.ttl > 250", "ip.ttl in {0..4, 251..255}");
    check("ip.len - ip.hlen > 40", "ip.len - ip.hlen > 40");
    check("tcp.port == 80", "tcp and (sport == 80 or dport == 80)");
    check("payload contains \"GET \\x00\"", "payload contains \"GET \\x00\"");
    same("payload contains 0x47455420", "payload contains \"GET \"");
    check("ts >= 1700000000000000000", "ts >= 1700000000000000000");
    check("ip.version == 6", "ip6");
    check("sport == dport", "sport == dport");
    check("ip.flags.df", "ip.flags.df");
    check("truncated or malformed", "malformed or truncated");
    check("malformed == 1 and tcp", "tcp and malformed");
}

#[test]
fn equal_meanings_are_equal_values() {
    same("udp or tcp", "tcp or udp");
    same("not not tcp", "tcp");
    same("tcp and (tcp)", "tcp");
    same("tcp and not tcp", "not all");
    same("tcp or not tcp", "all");
    same("not (tcp and dport 80)", "not tcp or not dport 80");
    same("less 64 or greater 65", "all");
}

#[test]
fn and_and_or_bind_equally_and_say_so() {
    let parsed = parse("port 53 and tcp or udp").expect("a filter");
    assert_eq!(parsed.expr, parse("(port 53 and tcp) or udp").expect("a filter").expr);
    let hint = parsed.warnings[0].hint().expect("a hint");
    assert_eq!(hint, "this means `(port 53 and tcp) or udp`");
    assert_eq!(parsed.warnings[0].at(), 16..18);
    let parsed = parse("tcp or udp and ip or arp").expect("a filter");
    assert_eq!(
        parsed.warnings[0].hint().expect("a hint"),
        "this means `((tcp or udp) and ip) or arp`"
    );
    assert_eq!(parse("tcp or udp or icmp").expect("a filter").warnings, []);
}

#[test]
fn a_filter_that_passes_nothing_is_warned_of() {
    for text in ["1 == 2", "len > -1", " ip and 1 == 2 "] {
        let at = text.len() - text.trim_start().len()..text.trim_end().len();
        assert_eq!(parse(text).expect("a filter").warnings, [Warning::Never { at }], "{text}");
    }
    assert_eq!(parse("len > 1").expect("a filter").warnings, []);
}

#[test]
fn mistakes_are_underlined() {
    let message = |text| refused(text).0;
    let place = |text| refused(text).1;
    let hint = |text| refused(text).2;
    assert_eq!(message("tcp\0udp"), "unexpected character U+0000");
    assert_eq!(message("tcp and"), "expected a condition, found the end of the filter");
    assert_eq!(place("(tcp"), "(");
    assert_eq!(message("port"), "expected a port, found the end of the filter");
    assert_eq!(place("port 70000"), "70000");
    assert_eq!(place("dport 80:70000"), "80:70000");
    assert_eq!(place("net 10.0.0.0/33"), "33");
    assert_eq!(hint("net 10.0.0.1/8"), "write `10.0.0.0/8` for the network, or `host 10.0.0.1`");
    assert_eq!(hint("net fe80::1/10"), "write `fe80::/10` for the network, or `host fe80::1`");
    assert_eq!(message("vlan 5000"), "5000 is too great: at most 4095");
    assert_eq!(message("tcp.prot == 443"), "unknown field `tcp.prot`");
    assert_eq!(place("tcp.prot == 443"), "tcp.prot");
    assert_eq!(hint("tcp.prot == 443"), "did you mean `tcp.port`?");
    assert_eq!(hint("tpc"), "did you mean `tcp`?");
    assert_eq!(message("tcp tcp"), "expected `and`, `or` or the end, found `tcp`");
    assert_eq!(message("tcp.dport == 70000"), "70000 is more than `tcp.dport` can be: 65535");
    assert_eq!(hint("10.0.0.1"), "write `host 10.0.0.1`, `src 10.0.0.1` or `dst 10.0.0.1`");
    assert_eq!(hint("ip.src == \"10.0.0.1\""), "write it without quotes");
    assert_eq!(hint("src 10"), "write `net 10` for the network 10.0.0.0/8");
    assert_eq!(hint("udp portrange ftp-ssh"), "write the numbers, 21-22");
    assert_eq!(hint("10.0.0"), "`net 10.0.0` is a network, `host 10.0.0.1` an address");
    assert!(message("http").contains("`port http`"));
    assert_eq!(message("ip6 host 10.0.0.1"), "`ip6` goes before no IPv4 address");
    assert_eq!(
        message("src.country == Germany"),
        "`Germany` is no code: one to four letters or digits"
    );
    assert!(message("flow.community_id == \"1:x\"").contains("no Community ID"));
    assert!(message("flow.community_id > \"1:x\"").contains("`==` or `in`"));
    assert_eq!(message("input eth0"), "expected the number of an interface, found `eth0`");
    assert_eq!(message("exporter router"), "`router` is no address");
    assert_eq!(message("src asn x"), "`x` is no number of an AS");
    assert_eq!(message("tcp src asn 5"), "these words do not go together");
    assert_eq!(hint("port htttp"), "did you mean `http`?");
    assert_eq!(message("len > 12z"), "`12z` is no number");
    assert_eq!(message("len / 0 == 1"), "division by zero");
    assert_eq!(hint("ip.ttl"), "compare it, as in `ip.ttl > 0`");
    for text in [
        "port -1",
        "dst host",
        "len >",
        "tcp[0",
        "ether host zz:zz",
        "portrange 5000-",
        "tcp port ip",
        "tcp host 1.2.3.4",
        "ip proto 256",
        "tcp.dport in {}",
        "tcp[0:3] == 1",
        "payload contains \"\"",
        "payload",
        "src",
        "not",
        "and",
        "tcp &&",
        "host www.example.com",
        "ip.src < 10.0.0.1",
        "port 80-",
        "gateway 10.0.0.1",
        "é",
        "tcp)",
        "ip.src in {10.0.0.1",
        "mask",
        "udp port ssh",
        "len in 5..4",
        "host (tcp)",
        "-",
        "--1",
        "tcp + 1 == 2",
        "1",
        "udp 80",
        "ether",
        "in",
        "contains",
        "vlan (5",
        "src or port 80",
        "net 1.2.3.4.5",
        "host 1.2.3.4.5",
    ] {
        refused(text);
    }
    refused(&"tcp ".repeat(50));
}

#[test]
fn a_mistake_is_told_by_what_was_meant() {
    let message = |text| refused(text).0;
    let hint = |text| refused(text).2;
    assert_eq!(message("tcp and and udp"), "expected a condition, found `and`");
    assert_eq!(refused("tcp or or udp").1, "or");
    assert_eq!(message("and"), "expected a condition, found `and`");
    assert_eq!(message("ip.ttl < -1"), "`-1` is less than `ip.ttl` can be: 0");
    assert_eq!(message("ip.ttl < 2 - 5"), "`2 - 5` is less than `ip.ttl` can be: 0");
    assert_eq!(message("ip.ttl < 256"), "256 is more than `ip.ttl` can be: 255");
    assert_eq!(hint("vlan 101 or 102"), "write `vlan 102`");
    assert_eq!(hint("mpls 5 and (6)"), "write `mpls 6`");
    assert_eq!(hint("vlan 101 and tcp or 80"), "write `port 80`, or compare it with something");
    assert_eq!(hint("tcp[13]"), "compare it, as in `tcp[13] != 0`");
    assert_eq!(hint("tcp[0:2]"), "compare it, as in `tcp[0:2] != 0`");
    assert_eq!(hint("ip.ttl + 1"), "compare it, as in `ip.ttl + 1 != 0`");
}

#[test]
fn addresses_are_equal_or_in_a_set_and_in_no_order() {
    let (message, at, hint) = refused("ip.src < 10.0.0.1");
    assert_eq!(
        (message.as_str(), at),
        ("expected `==`, `!=` or `in` behind `ip.src`, found `<`", "<")
    );
    assert_eq!(hint, "write `ip.src == 10.0.0.1` or `ip.src in 10.0.0.0/8`");
    let (message, at, _) = refused("eth.src < 02:00:00:00:00:01");
    assert_eq!(
        (message.as_str(), at),
        ("expected `==`, `!=` or `in` behind `eth.src`, found `<`", "<")
    );
    for text in ["eth.addr >= 02:00:00:00:00:01", "eth.dst", "ip.addr", "arp.src > 10.0.0.1"] {
        refused(text);
    }
    check("eth.dst != ff:ff:ff:ff:ff:ff", "eth.dst != ff:ff:ff:ff:ff:ff");
    check(
        "eth.src in 00:00:00:00:00:00..02:00:00:00:00:01",
        "eth.src in 00:00:00:00:00:00..02:00:00:00:00:01",
    );
}

#[test]
fn no_text_is_too_deep_or_too_long_to_refuse() {
    let start = std::time::Instant::now();
    for text in [
        "(".repeat(10_000) + "tcp" + &")".repeat(10_000),
        "not ".repeat(10_000) + "tcp",
        "tcp and udp or ".repeat(2_000) + "ip",
        "-".repeat(10_000) + "1 == 1",
        "ip[".repeat(10_000),
        "port ".to_owned() + &"(".repeat(10_000),
        "len".to_owned() + &"+len".repeat(10_000) + " > 1",
        "tcp or ".repeat(9_000) + "tcp",
        "dport in {".to_owned() + &"1,".repeat(9_000) + "1}",
        "x".repeat(100_000),
        "host 1.2.3.4 or ".repeat(3_000) + "5.6.7.8",
        (0..4_000).map(|n| format!("len & {n} == 1 or ")).collect::<String>() + "tcp",
    ] {
        _ = parse(&text).map(|parsed| parsed.expr.to_string());
    }
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}
