//! Filters against libpcap: what is pushed down accepts all that is wanted, and tcpdump's words
//! select what they select there.

use como_core::filter::{Expr, Plan};
use como_core::packet::build::{Frame, batch_of};
use pcap::{BpfProgram, Capture, Linktype};
use proptest::prelude::*;

/// Terms that libpcap understands too, where no tag stands before them.
const COMMON: [&str; 63] = [
    "ip",
    "ip6",
    "arp",
    "tcp",
    "udp",
    "icmp",
    "icmp6",
    "sctp",
    "igmp",
    "pim",
    "ah",
    "esp",
    "llc",
    "host 10.0.0.1",
    "src host 10.0.0.1",
    "dst host 10.0.0.2",
    "ip host 10.0.0.1",
    "arp host 10.0.0.1",
    "host fe80::1",
    "net 10.0.0.0/8",
    "src net 192.168",
    "net fe80::/10",
    "src and dst net 10.0.0.0/8",
    "port 80",
    "src port 53",
    "dst port 443",
    "tcp port 80",
    "udp port 53",
    "portrange 0-1023",
    "dst portrange 1024-65535",
    "src and dst port 80",
    "port (80 or 443)",
    "port 22 or 53",
    "less 60",
    "greater 80",
    "len <= 64",
    "len & 1 == 1",
    "proto 6",
    "ip proto 17",
    "ip6 proto 6",
    "ip proto 47",
    "ether proto 0x0800",
    "ether proto \\arp",
    "ether src 02:00:00:00:00:01",
    "ether host 02:00:00:00:00:02",
    "ether multicast",
    "ether broadcast",
    "ip multicast",
    "ip6 multicast",
    "ip protochain 6",
    "tcp[13] & 2 != 0",
    "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-ack",
    "ip[8] < 64",
    "ip[6:2] & 0x1fff != 0",
    "ip[2:2] - ((ip[0] & 0xf) << 2) > 20",
    "ether[0] & 1 != 0",
    "udp[4:2] > 20",
    "icmp[icmptype] == icmp-echo",
    "icmp6[0] == 128",
    "ip6[7] == 64",
    "tcp[2:2] < 1024",
    "ip[1] = 0",
    "1 == 1",
];

/// Terms of our own.
const OWN: [&str; 40] = [
    "vlan",
    "vlan 5",
    "vlan and vlan",
    "mpls",
    "mpls 5",
    "pppoes",
    "untagged",
    "not untagged",
    "tcp.flags.syn",
    "tcp.flags & 0x12 == 0x12",
    "tcp.flags in {2, 16, 24}",
    "ip.ttl < 60",
    "ip.len in 40..60",
    "len in 60..70",
    "len >= 58",
    "len in {10..20, 66}",
    "cap_len < 60",
    "ip.src in {10.0.0.0/8, fe80::/10}",
    "ip.dst == 10.0.0.2",
    "ip.src != 10.0.0.1",
    "arp.op == 1",
    "arp.src == 10.0.0.1",
    "dport in {80, 443, 8000..8100}",
    "sport > 1000",
    "tcp.port == 80",
    "udp.len > 20",
    "eth.type == 0x88cc",
    "eth.type == 0x0800",
    "ip.fragment",
    "ip.offset > 0",
    "ip.flags.df",
    "icmp.type == 8",
    "icmp6.type == 128",
    "payload contains \"GET\"",
    "payload.len > 4",
    "ip.version == 6",
    "vlan.depth == 2",
    "ip.proto in {6, 17}",
    "protochain 17",
    "sctp.dport == 80",
];

/// Filters of a few terms.
fn filter(terms: Vec<&'static str>) -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(terms).prop_map(|term| format!("({term})"));
    leaf.prop_recursive(3, 8, 3, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            3 => pair.clone().prop_map(|(a, b)| format!("({a} and {b})")),
            2 => pair.prop_map(|(a, b)| format!("({a} or {b})")),
            1 => inner.prop_map(|a| format!("(not {a})")),
        ]
    })
}

/// Whole frames of every plain shape; with `tags` also those that hide behind something.
fn frame(tags: bool) -> impl Strategy<Value = Frame> {
    let v4 = prop::sample::select(vec!["10.0.0.1", "10.0.0.2", "192.168.1.1", "224.0.0.1"]);
    let v6 = prop::sample::select(vec!["fe80::1", "2001:db8::1", "ff02::1"]);
    let pair = prop_oneof![2 => (v4.clone(), v4), 1 => (v6.clone(), v6)];
    let port = || prop::sample::select(vec![22u16, 53, 80, 443, 1024, 8080]);
    let proto = prop::sample::select(vec![6u8, 6, 17, 17, 1, 58, 2, 47, 51, 103]);
    // Long enough for a header: libpcap rejects a packet whole when it reads behind its end.
    let payload = if tags { 0..60 } else { 24..60usize };
    let kind = (0u8..12, any::<u8>(), any::<u8>(), payload, any::<bool>());
    let hidden = (0u8..8, 0usize..3, any::<bool>());
    (pair, port(), port(), proto, kind, hidden).prop_map(
        move |((src, dst), sport, dport, proto, kind, (hidden, depth, cut))| {
            let (kind, flags, ttl, len, broadcast) = kind;
            let addr = |text: &str| text.parse::<como_core::addr::Addr>().expect("an address");
            let is_v6 = addr(src).is_v6();
            let arp = if is_v6 { ("10.0.0.1", "10.0.0.2") } else { (src, dst) };
            // ICMP of the right family; the other one's number means nothing.
            let proto = match proto {
                1 | 58 if is_v6 => 58,
                1 | 58 => 1,
                other => other,
            };
            let mut frame = match kind {
                0 => Frame::arp(arp.0, arp.1, flags % 2 == 0),
                1 => Frame::ethernet(0x88cc, vec![1; len]),
                2 if tags || !is_v6 => Frame::ip((addr(src), sport), (addr(dst), dport), proto)
                    .fragment(8 * u16::from(flags % 4), flags > 100),
                _ => Frame::ip((addr(src), sport), (addr(dst), dport), proto),
            };
            frame = frame.flags(flags).ttl(ttl).payload(vec![b'G'; len]).trailer(len % 7);
            if broadcast {
                let mac = |text: &str| text.parse().expect("an address");
                frame = frame.macs(mac("02:00:00:00:00:01"), mac("ff:ff:ff:ff:ff:ff"));
            }
            if tags {
                frame = match hidden {
                    0 => (0..=depth).fold(frame, |frame, nth| frame.vlan(5 + nth as u16)),
                    1 => frame.mpls(5).mpls(6),
                    2 => frame.pppoe(7),
                    3 => frame.hop_by_hop(),
                    4 => frame.vlan(5).mpls(5),
                    _ => frame,
                };
                if cut {
                    let bytes = frame.bytes();
                    let len = usize::from(ttl) % (bytes.len() + 1);
                    frame = Frame::raw(como_core::packet::LinkType::ETHERNET, &bytes[..len]);
                }
            }
            frame
        },
    )
}

/// The program of an expression, as it stands: see `push_filter`.
fn compile(text: &str) -> BpfProgram {
    let capture = Capture::dead(Linktype::ETHERNET).expect("a handle");
    capture.compile(text, false).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// Which of the frames our filters accept.
fn ours(plan: &mut Plan, slot: usize, frames: &[Frame]) -> Vec<bool> {
    let mut batch = batch_of(frames.iter().cloned());
    batch.decode(plan.demand());
    plan.run(&mut batch);
    let picked = batch.pick(slot).expect("a slot");
    (0..frames.len()).map(|at| picked.contains(at)).collect()
}

/// The frame as the kernel sees it when the card has taken the outermost VLAN tag.
fn without_tag(bytes: &[u8]) -> Option<Vec<u8>> {
    let is_tagged = matches!(bytes.get(12..14)?, [0x81, 0x00] | [0x88, 0xa8]);
    let behind = bytes.get(16..)?;
    is_tagged.then(|| [&bytes[..12], behind].concat())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn what_is_pushed_down_accepts_all_that_any_filter_does(
        filters in prop::collection::vec(filter([&COMMON[..], &OWN[..]].concat()), 1..3),
        frames in prop::collection::vec(frame(true), 1..60),
    ) {
        let mut plan = Plan::default();
        let slots: Vec<usize> =
            filters.iter().map(|text| plan.add(&Expr::parse(text).expect("a filter"))).collect();
        let Some(bpf) = plan.bpf() else { return Ok(()) };
        let program = compile(&bpf);
        for slot in slots {
            for (frame, wanted) in frames.iter().zip(ours(&mut plan, slot, &frames)) {
                let bytes = frame.bytes();
                prop_assert!(!wanted || program.filter(&bytes), "{}: {:?}", bpf, frame);
                if let Some(bytes) = without_tag(&bytes) {
                    prop_assert!(!wanted || program.filter(&bytes), "{}: {:?}", bpf, frame);
                }
            }
        }
    }

    #[test]
    fn plain_packets_are_selected_as_libpcap_selects_them(
        text in filter(COMMON.to_vec()),
        frames in prop::collection::vec(frame(false), 1..60),
    ) {
        let mut plan = Plan::default();
        let slot = plan.add(&Expr::parse(&text).expect("a filter"));
        let program = compile(&text);
        for (frame, got) in frames.iter().zip(ours(&mut plan, slot, &frames)) {
            prop_assert_eq!(got, program.filter(&frame.bytes()), "{}: {:?}", text, frame);
        }
    }
}

/// How many of a few plain packets the kernel would drop for these filters.
#[track_caller]
fn drops(filters: &[&str], want: usize) {
    let mut plan = Plan::default();
    for text in filters {
        plan.add(&Expr::parse(text).expect("a filter"));
    }
    let traffic = [
        Frame::tcp("10.0.0.1:1024", "10.0.0.2:80").len(100),
        Frame::udp("10.0.0.1:1024", "10.0.0.2:53").len(100),
        Frame::tcp("[fe80::1]:1024", "[fe80::2]:22").len(100),
        Frame::arp("10.0.0.1", "10.0.0.2", true).len(60),
    ];
    let program = plan.bpf().map(|bpf| compile(&bpf));
    let dropped = |frame: &&Frame| program.as_ref().is_some_and(|p| !p.filter(&frame.bytes()));
    assert_eq!(traffic.iter().filter(dropped).count(), want, "{filters:?}");
}

#[test]
fn the_kernel_drops_what_nobody_wants() {
    drops(&["all"], 0);
    drops(&["tcp", "all"], 0);
    drops(&["not tcp"], 0);
    drops(&["tcp"], 2);
    drops(&["tcp port 80"], 3);
    drops(&["tcp and dport 80", "udp port domain"], 2);
    drops(&["host 10.0.0.1 and not port 80"], 1);
    drops(&["ip.src in 10.0.0.0/8 and payload contains \"GET\""], 2);
    drops(&["arp or vlan 5"], 0);
    drops(&["pppoes"], 4);
}
