//! Good inputs: made by the project's own generators, and, only while fuzzing, out of real
//! captures that lie elsewhere.

use std::path::Path;
use std::sync::Arc;

use como_core::addr::{Addr, Mac};
use como_core::packet::build::Frame;
use como_core::packet::{Known, LinkType, Packet, Weight};
use como_core::record::{Column, Records, Schema, Type, Value};
use como_core::source::{Chunk, Turn};
use como_core::storage::block::{Encoder, Origin};
use como_core::storage::pcapng::{self, Stands};
use como_core::time::{Span, Ts};
use como_sniffers::file::{Step, Writer};
use como_sniffers::{flowtools, netflow, sflow};

/// An input of the packet targets.
fn of_link(link: LinkType, bytes: &[u8]) -> Vec<u8> {
    let number = if link == LinkType::LINUX_SLL2 { 2 } else { link.0 as u8 };
    [&[number, 0], bytes].concat()
}

const A: &str = "10.0.0.1:1000";
const B: &str = "192.168.1.2:80";
const C: &str = "[fe80::1]:53";
const D: &str = "[2001:db8::2]:53";

/// Frames of Ethernet and all that may stand before IP and in it.
fn frames() -> Vec<Frame> {
    let mut chain = vec![0x60, 0, 0, 0, 0, 56, 0, 64];
    chain.extend([0xfe; 32]);
    // Hop by hop, routing, fragment, destination options, authentication; then UDP.
    chain.extend([43, 0, 5, 2, 0, 0, 1, 0, 44, 0, 0, 0, 0, 0, 0, 0]);
    chain.extend([60, 0, 0, 1, 0, 0, 0, 9, 51, 0, 1, 4, 0, 0, 0, 0]);
    chain.extend([17, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 3, 3, 3, 3]);
    chain.extend([0, 53, 0, 53, 0, 8, 0, 0]);
    let mut options = Frame::tcp(A, B).payload([1; 8]).bytes().split_off(14);
    options[0] = 0x4f;
    vec![
        Frame::tcp(A, B).flags(2).payload(*b"GET / HTTP/1.1\r\n"),
        Frame::tcp(C, D).vlan(5).vlan(6),
        Frame::udp(A, B).mpls(9).mpls(10).payload([7; 20]),
        Frame::udp(C, D).hop_by_hop().payload([0; 12]),
        Frame::icmp(A, B, 8, 0).pppoe(3),
        Frame::arp(A, B, true).vlan(1),
        Frame::ip(A, B, 132).payload([0, 7, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0]),
        Frame::udp(A, B).fragment(0, true).payload([1; 16]),
        Frame::udp(A, B).fragment(8, false).payload([1; 16]),
        Frame::ethernet(0x86dd, chain),
        Frame::ethernet(0x0800, options),
        Frame::ethernet(0x8847, [[0, 0, 0, 64]; 12].concat()),
        Frame::ethernet(100, [0xaa, 0xaa, 3, 0, 0, 0, 8, 0, 0x45, 0, 0, 20, 0, 0, 0, 0]),
    ]
}

/// Packets on every kind of link.
pub fn packet() -> Vec<Vec<u8>> {
    let ip = Frame::tcp(A, B).payload([9; 10]).bytes().split_off(14);
    let six = Frame::udp(C, D).payload([9; 10]).bytes().split_off(14);
    let behind = |link, head: &[u8], ip: &[u8]| of_link(link, &[head, ip].concat());
    let mut seeds: Vec<_> =
        frames().iter().map(|frame| of_link(LinkType::ETHERNET, &frame.bytes())).collect();
    let mut cooked = [0; 16];
    cooked[14..].copy_from_slice(&[8, 0]);
    let mut cooked2 = [0; 20];
    cooked2[..2].copy_from_slice(&[8, 0]);
    let fddi = [&[0x50][..], &[0; 12], &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0]].concat();
    let log = [2, 0, 0, 0, 8, 0, 1, 0, 0, 0, 0, 1, 24, 0, 9, 0];
    seeds.extend([
        behind(LinkType::NULL, &[2, 0, 0, 0], &ip),
        behind(LinkType::LOOP, &[0, 0, 0, 24], &six),
        behind(LinkType::PPP, &[0xff, 3, 0, 0x21], &ip),
        behind(LinkType::PPP_HDLC, &[0xff, 3, 0, 0x57], &six),
        behind(LinkType::PPP_WITH_DIR, &[0, 0xff, 3, 0, 0x21], &ip),
        behind(LinkType::PPPOE, &[0x11, 0, 0, 1, 0, 62, 0, 0x21], &ip),
        behind(LinkType::CHDLC, &[0x0f, 0, 8, 0], &ip),
        behind(LinkType::ATM_RFC1483, &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &ip),
        behind(LinkType::FDDI, &fddi, &ip),
        behind(LinkType::LINUX_SLL, &cooked, &ip),
        behind(LinkType::LINUX_SLL2, &cooked2, &ip),
        behind(LinkType::NFLOG, &log, &ip),
        behind(LinkType::RAW, &[], &six),
        behind(LinkType::IPV4, &[], &ip),
        behind(LinkType::IPV6, &[], &six),
    ]);
    seeds
}

/// 802.11 bare and behind every header that captures put before it.
pub fn wlan() -> Vec<Vec<u8>> {
    let name = [0, 6, b'g', b'u', b'e', b's', b't', b's'];
    let rsn = [48, 20, 1, 0, 0, 15, 172, 4, 1, 0, 0, 15, 172, 4, 1, 0, 0, 15, 172, 8, 0, 0];
    let wpa = [221, 6, 0, 0x50, 0xf2, 1, 1, 0];
    let beacon = [&[0x80][..], &[0; 23], &[0; 10], &[0x11, 0], &name, &[3, 1, 11], &rsn, &wpa];
    let beacon = beacon.concat();
    let ip = Frame::udp(A, B).payload([9; 10]).bytes().split_off(14);
    let llc = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
    let data = [&[0x08, 1][..], &[1; 22], &llc, &ip].concat();
    let aggregate = [&[0x88, 2][..], &[1; 22], &[0x80, 0], &[2; 12], &[0, 46], &llc, &ip].concat();
    let four = [&[0x88, 3][..], &[1; 22], &[2; 6], &[0, 0], &llc, &ip].concat();
    // Flags, rate, channel, signal and noise; then a second word of what is there.
    let tap = [0, 0, 15, 0, 0x6e, 0, 0, 0, 0, 2, 0x6c, 9, 0xa0, 0, 0xc4];
    let tap2 = [0, 0, 13, 0, 0x20, 0, 0, 0xa0, 0x20, 0, 0, 0, 0xc4];
    let mut avs = [&[0x80, 0x21, 0x10, 1, 0, 0, 0, 64][..], &[0; 56]].concat();
    avs[31] = 3;
    let prism = [&[0, 0, 0, 0x44, 0, 0, 0, 144][..], &[0; 136]].concat();
    [&beacon, &data, &aggregate, &four]
        .into_iter()
        .flat_map(|frame| {
            let behind = |link, head: &[u8]| of_link(link, &[head, frame].concat());
            [
                behind(LinkType::IEEE802_11, &[]),
                behind(LinkType::RADIOTAP, &tap),
                behind(LinkType::RADIOTAP, &tap2),
                behind(LinkType::AVS, &avs),
                behind(LinkType::PRISM, &prism),
            ]
        })
        .collect()
}

/// Packets in tunnels.
pub fn tunnel() -> Vec<Vec<u8>> {
    let ethernet = Frame::tcp(A, B).payload([9; 10]).bytes();
    let ip = &ethernet[14..];
    let over_ip = |proto, head: &[u8], inside: &[u8]| {
        Frame::ip("192.0.2.1", "192.0.2.2", proto).payload([head, inside].concat())
    };
    let over_udp = |port: u16, head: &[u8], inside: &[u8]| {
        let to = (Addr::v4([192, 0, 2, 2]), port);
        Frame::udp("192.0.2.1:9", to).payload([head, inside].concat())
    };
    let twice = over_ip(4, &[], ip).bytes();
    let frames = [
        over_ip(4, &[], ip),
        over_ip(4, &[], &twice[14..]),
        over_ip(41, &[], &Frame::udp(C, D).bytes()[14..]),
        over_ip(47, &[0, 0, 8, 0], ip),
        over_ip(47, &[0xb0, 0, 0x65, 0x58, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0], &ethernet),
        over_ip(47, &[0x30, 1, 0x88, 0x0b, 0, 66, 0, 1, 0, 0, 0, 1, 0xff, 3, 0, 0x21], ip),
        over_ip(47, &[0x10, 0, 0x88, 0xbe, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &ethernet),
        over_udp(4789, &[8, 0, 0, 0, 0, 1, 0, 0], &ethernet),
        over_udp(6081, &[1, 0, 0x65, 0x58, 0, 0, 5, 0, 0, 0, 0, 0], &ethernet),
        over_udp(2152, &[0x34, 255, 0, 60, 0, 0, 0, 4, 0, 0, 0, 0x85, 1, 0, 0, 0], ip),
    ];
    frames.iter().map(|frame| of_link(LinkType::ETHERNET, &frame.bytes())).collect()
}

/// Messages that scripts read out of payloads: those of the library's examples.
pub fn messages() -> Vec<Vec<u8>> {
    let hex = |text: &str| {
        let digits: Vec<u8> =
            text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
        digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    };
    let said = como_scripting::api::entries().filter_map(|entry| {
        let (_, text) = entry.example.0.split_once('"')?;
        let (text, _) = text.split_once('"')?;
        Some(match entry.topic {
            "dns" | "tls" => hex(text),
            "http" => text.replace("\\r\\n", "\r\n").into_bytes(),
            _ => return None,
        })
    });
    said.collect()
}

/// pcap files in both byte orders, of micro- and nanoseconds.
pub fn pcap() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for step in [Step::Micros, Step::Nanos] {
        let mut writer = Writer::new(Vec::new(), step);
        let batch = como_core::packet::build::batch_of(frames());
        let written = writer.batch(&batch).and_then(|()| writer.finish());
        seeds.extend(written);
    }
    let head = [0xa1b2_cd34u32, 2 << 16 | 4, 0, 0, 65535, 1];
    let record = [1, 2, 4, 60, 0, 0, 0x0102_0304];
    seeds.push(head.into_iter().chain(record).flat_map(u32::to_be_bytes).collect());
    seeds
}

/// pcapng files of our own and with blocks that others write, in either byte order.
pub fn pcapng() -> Vec<Vec<u8>> {
    let mut seeds = segment();
    let block = |kind: u32, body: &[u32]| {
        let len = 12 + 4 * body.len() as u32;
        [&[kind, len], body, &[len]].concat()
    };
    let words = [
        block(0x0a0d_0d0a, &[0x1a2b_3c4d, 1 << 16, u32::MAX, u32::MAX]),
        // An interface of Ethernet with if_tsresol and if_tsoffset.
        block(1, &[1 << 16, 96, 9 << 16 | 1, 6 << 24, 14 << 16 | 8, 0, 60, 0]),
        block(6, &[0, 1, 2, 4, 60, 0xdead_beef]),
        block(3, &[4, 0xdead_beef]),
        block(2, &[0, 1, 2, 4, 60, 0xdead_beef]),
        block(5, &[0, 1, 2]),
        block(0xbad, &[0, 1, 2]),
    ]
    .concat();
    seeds.push(words.iter().flat_map(|word| word.to_be_bytes()).collect());
    seeds
}

/// ERF records of several types, with extension headers and without.
pub fn erf() -> Vec<Vec<u8>> {
    let record = |kind: u8, tail: &[u8]| {
        let mut out = vec![0, 0, 0, 0x80, 3, 0, 0, 0, kind, 4];
        out.extend((tail.len() as u16 + 16).to_be_bytes());
        out.extend([0, 1, 0, 60]);
        out.extend(tail);
        out
    };
    let frame = [&[0, 0][..], &Frame::udp(A, B).bytes()].concat();
    let extended = [&[0x83, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0][..], &frame].concat();
    let all = [
        record(2, &frame),
        record(0x82, &extended),
        record(1, &[0xff, 3, 0, 0x21, 0x45, 0, 0, 20]),
        record(22, &frame[16..]),
        record(48, &[0; 8]),
        record(21, &[0; 8]),
    ];
    all.iter().cloned().chain([all.concat()]).collect()
}

/// A datagram of a sender, as `body::carried` reads it.
fn sent(sender: u8, datagram: &[u8]) -> Vec<u8> {
    let [high, low] = (datagram.len() as u16 & 0x3fff).to_be_bytes();
    [&[sender << 6 | high, low], datagram].concat()
}

/// Export packets of every version, with templates, options and records.
pub fn netflow() -> Vec<Vec<u8>> {
    use netflow::made::{PLAIN, ipfix, plain, set, template, v5, v9};
    let options = set(1, &[vec![1, 1, 0, 4, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4]]);
    let learn = set(0, &[template(256, PLAIN)]);
    let nine = v9(0, 0, &[learn.clone(), options, set(257, &[vec![1; 8]]), set(256, &[plain(1)])]);
    let mut varying = template(256, &[(8, 4), (12, 4), (82, u16::MAX), (1, 8), (150, 4)]);
    // Fields of an enterprise, one of them as long as each record says.
    varying.extend([1, 1, 0, 3, 0x80, 1, 0, 4, 0, 0, 1, 0, 0x80, 2, 0xff, 0xff, 0, 0, 1, 0]);
    varying.extend([0, 8, 0, 4]);
    let record = [&[10, 0, 0, 1, 10, 0, 0, 2, 3, b'e', b't', b'h'][..], &[0; 7], &[99, 0, 0, 0, 1]];
    let ten = ipfix(0, 0, &[set(2, &[varying]), set(256, &[record.concat()])]);
    let scope = [1, 2, 0, 3, 0, 1, 0, 144, 0, 4, 1, 48, 0, 4, 1, 49, 0, 4];
    let sampled = ipfix(0, 1, &[set(3, &[scope.to_vec()]), set(258, &[vec![1; 12]])]);
    let early = v9(0, 1, &[set(256, &[plain(3)])]);
    let late = v9(1, 1, &[learn, set(256, &[plain(4), plain(5)])]);
    let mut seven = v5(9, 0, 1..3);
    seven[1] = 7;
    seven.splice(24 + 48..24 + 48, [0; 4]);
    seven.extend([0; 4]);
    vec![
        sent(0, &v5(0, 9, 1..4)),
        sent(0, &seven),
        [sent(0, &nine), sent(1, &ten)].concat(),
        [sent(2, &sampled), sent(2, &ten)].concat(),
        [sent(3, &early), sent(3, &late)].concat(),
    ]
}

/// sFlow datagrams with every kind of sample.
pub fn sflow() -> Vec<Vec<u8>> {
    use sflow::made::{datagram, part, raw, sample, words};
    let frame = Frame::udp(A, B).payload([7; 30]).bytes();
    let v4 = part(3, &words(&[90, 6, 0x0a00_0001, 0x0a00_0002, 1000, 80, 0x12, 4]));
    let v6 = part(4, &[&words(&[90, 17])[..], &[0xfe; 32], &words(&[1, 2, 0, 0])].concat());
    let head = words(&[9, 0, 70_000, 10, 12, 0, 0, 1, 0, 2, 1]);
    let expanded = part(3, &[&head[..], &raw(1, &frame, 60)].concat());
    let counters = part(2, &[&words(&[1, 3, 1])[..], &part(1, &[0; 88])].concat());
    let switch = part(1001, &words(&[1, 2, 3, 4]));
    let one = datagram(1, &[sample(400, 0, &[raw(1, &frame, 64), switch])]);
    let two = datagram(2, &[sample(10, 5, &[v4]), sample(1, 6, &[v6]), expanded, counters]);
    vec![sent(0, &one), [sent(0, &one), sent(0, &two)].concat()]
}

/// Files of flow-tools.
pub fn flowtools() -> Vec<Vec<u8>> {
    let kinds = [(false, 5, false), (true, 7, false), (false, 1005, true), (true, 1, true)];
    let made = |(big, version, packed)| flowtools::made::file(big, version, packed, 3);
    kinds.into_iter().filter_map(|kind| made(kind).ok()).collect()
}

/// Filters of all three habits.
pub fn filter() -> Vec<Vec<u8>> {
    [
        "",
        "tcp and src 10.0.0.0/8 and dport 80:90",
        "host 10.0.0.1 or net fe80::/10 and not portrange 1-1023",
        "tcp[13] & 2 != 0 and ip[0:4] > 0x45000000",
        "ip.ttl < 5 or pkt.len in 64..128",
        "dport in {80, 443, 8000..8080} and (vlan 7 or mpls 9)",
        "payload contains \"GET \" && ! arp || len >= 100",
        "ether src 02:00:00:00:00:01 and less 100 and greater 10",
        "inner.ip.src == 10.0.0.1 and tunnel.id == 7",
        "radio.signal - radio.noise > -10 and wlan.ssid == \"guests\"",
        "tcp.flags.syn and not tcp.flags.ack",
        "ip proto \\tcp and ip6 protochain 17",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// Times as queries ask for them.
pub fn times() -> Vec<Vec<u8>> {
    ["-5m:0", "12:00:12:30", "2026-01-01T10:00:00Z:+1h", "1700000000.5:", ":", "-1d 0"]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
}

/// The schema of the rows in [`block`]: a column of each type.
pub fn schema() -> Arc<Schema> {
    let column = |(at, ty): (usize, &Type)| Column::new(format!("c{at}"), *ty);
    Arc::new(Schema::new(Type::ALL.iter().enumerate().map(column)))
}

/// Blocks of records, and of a gap.
pub fn block() -> Vec<Vec<u8>> {
    let origin = Origin { node: "here".into(), stream: "traffic".into(), boot: 7 };
    let mut encoder = Encoder::default();
    let mut records = Records::empty(schema(), Span(1_000_000_000));
    for n in 0u8..5 {
        let is_absent = |ty: &Type| n == 3 && *ty != Type::Uint;
        let values =
            Type::ALL.iter().map(|ty| if is_absent(ty) { Value::Null } else { of(*ty, n) });
        records.push(Ts::new(n.into(), 0), values);
    }
    let rows = encoder.records(&origin, 1, &records, 0..records.rows());
    let gap = encoder.gap(&origin, 3, Ts::new(10, 0), Ts::new(20, 0));
    rows.into_iter().chain(gap).map(|sealed| sealed.bytes).collect()
}

/// A value of this type.
fn of(ty: Type, n: u8) -> Value {
    match ty {
        Type::Bool => Value::Bool(n > 2),
        Type::Uint => Value::Uint(u64::from(n) << (n * 12)),
        Type::Int => Value::Int(-i64::from(n)),
        Type::Float => Value::Float(f64::from(n) / 3.0),
        Type::Addr if n > 2 => Value::Addr(Addr::v6([n; 16])),
        Type::Addr => Value::Addr(Addr::v4([10, 0, 0, n])),
        Type::Mac => Value::Mac(Mac::new([n; 6])),
        Type::Text => Value::Text("GET".repeat(n.into())),
        Type::Bytes => Value::Bytes(vec![n; n.into()]),
        Type::Time => Value::Time(Ts::new(n.into(), 0)),
    }
}

/// Segments of kept packets, weights among them.
pub fn segment() -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    pcapng::put_section(&mut out);
    pcapng::put_interface(&mut out, LinkType::ETHERNET, "eth0", 96);
    pcapng::put_interface(&mut out, LinkType::RAW, "", 0);
    for (at, frame) in frames().iter().enumerate() {
        let weight = (at % 3 == 0).then_some(Weight { packets: 10, bytes: 6000 });
        let ts = Ts::new(1_700_000_000 + at as u64, 1);
        pcapng::put_packet(&mut out, at as u32 % 2, ts, &frame.bytes(), 60, weight.map(Into::into));
    }
    let known = Known::DST.and(Known::VERSION);
    let weight = Weight { packets: 3, bytes: 180 };
    let stands = Stands { weight, marks: known.marks(), origin: None };
    pcapng::put_made_interface(&mut out, LinkType::RAW, "a", "replayed", known.fields());
    pcapng::put_packet(&mut out, 2, Ts::new(1_700_000_100, 0), &[0x45; 20], 60, Some(stands));
    vec![out]
}

/// Dumps of routes, of both families and both widths of numbers.
pub fn mrt() -> Vec<Vec<u8>> {
    let record = |kind: u8, subtype: u8, body: &[u8]| {
        [&[0x66, 0, 0, 0, 0, kind, 0, subtype, 0, 0, 0, body.len() as u8], body].concat()
    };
    // Where it comes from, and a path of two or a set of one.
    let wide = [0x40, 1, 1, 0, 0x50, 2, 0, 10, 2, 2, 0, 0, 0x0d, 0x1c, 0, 0, 0xfc, 0];
    let narrow = [0x40, 2, 4, 1, 1, 0x5b, 0xa0, 0xc0, 17, 6, 2, 1, 0, 1, 0, 9];
    let rib = |head: &[u8], between: &[u8]| {
        [head, &[0, 1], &[0; 6], between, &[0, wide.len() as u8], &wide].concat()
    };
    let old = [&[0, 0, 0, 1, 10, 2, 0, 0, 16, 1], &[9; 10][..], &[0, 16], &narrow].concat();
    let generic = [&[0, 0, 0, 9, 0, 1, 1, 8, 12, 0, 1][..], &[0; 6], &[0, 18], &wide].concat();
    let records = [
        record(13, 1, &[0; 8]),
        record(13, 2, &rib(&[0, 0, 0, 9, 8, 10], &[])),
        record(13, 4, &rib(&[0, 0, 0, 9, 32, 0x20, 1, 0xd, 0xb8], &[])),
        record(13, 8, &rib(&[0, 0, 0, 9, 24, 192, 0, 2], &[0, 0, 0, 5])),
        record(13, 6, &generic),
        record(12, 1, &old),
    ];
    records.iter().cloned().chain([records.concat()]).collect()
}

/// A file in MaxMind's format: a tree of one node, whose left half belongs to somebody.
pub fn mmdb() -> Vec<Vec<u8>> {
    let text = |text: &str| [&[0x40 | text.len() as u8], text.as_bytes()].concat();
    // The left half is the first entry, behind 16 zeros; the right one is nobody's.
    let tree = [0, 0, 17, 0, 0, 1];
    let number = [&[0xe1, 0x58][..], b"autonomous_system_number", &[0xc2, 0xfc, 0]].concat();
    let asn = [&[0xe1][..], &text("asn"), &text("AS64513")].concat();
    let pairs: [(&str, &[u8]); 9] = [
        ("node_count", &[0xc1, 1]),
        ("record_size", &[0xa1, 24]),
        ("ip_version", &[0xa1, 4]),
        ("database_type", b"\x44Made"),
        ("binary_format_major_version", &[0xa1, 2]),
        ("binary_format_minor_version", &[0xa1, 0]),
        ("build_epoch", &[1, 2, 1]),
        ("description", &[0xe0]),
        ("languages", &[0, 4]),
    ];
    let description: Vec<u8> =
        pairs.iter().flat_map(|(key, value)| [&text(key), *value].concat()).collect();
    let file = |entry: &[u8]| {
        [&tree, &[0; 16][..], entry, b"\xab\xcd\xefMaxMind.com\xe9", &description].concat()
    };
    vec![file(&number), file(&asn)]
}

/// Prefixes as text.
pub fn prefixes() -> Vec<Vec<u8>> {
    [
        "# Made by hand.\n10.0.0.0/8,64512\n10.1.0.0/16 AS64513 and so on\n",
        "network,autonomous_system_number\n\"2001:db8::/32\";4200000000\r\n192.0.2.1\t7\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// Packets taken from each real capture.
const PER_CAPTURE: usize = 24;

/// Inputs for a target out of real captures and exports, where `traces` holds such.
pub fn real(target: &str, traces: &Path) -> Vec<Vec<u8>> {
    let carried = |payload: &[u8]| (payload.len() < 1 << 14).then(|| sent(0, payload));
    match target {
        "packet" | "wlan" | "tunnel" => packets(&traces.join("captures"), |packet, bytes| {
            let fits = packet.link.0 < 256 || packet.link == LinkType::LINUX_SLL2;
            fits.then(|| of_link(packet.link, bytes))
        }),
        // What UDP carries: behind Ethernet, IPv4 and UDP.
        "netflow" => packets(&traces.join("flows"), |_, bytes| carried(bytes.get(42..)?)),
        "sflow" => packets(&traces.join("captures"), |_, bytes| {
            carried(bytes.get(42..).filter(|payload| payload.starts_with(&[0, 0, 0, 5]))?)
        }),
        "flowtools" => files(&traces.join("flowtools")),
        "pcap" | "pcapng" | "erf" => files(&traces.join("captures")),
        _ => Vec::new(),
    }
}

/// Small files of a folder.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    const SMALL: usize = 16 << 10;
    let bytes = paths(folder).into_iter().filter_map(|path| std::fs::read(path).ok());
    bytes.filter(|bytes| bytes.len() <= SMALL).collect()
}

fn paths(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> =
        entries.flatten().map(|entry| entry.path().display().to_string()).collect();
    paths.sort();
    paths
}

/// What `of` makes of the first packets of each capture in a folder.
fn packets(folder: &Path, of: impl Fn(&Packet, &[u8]) -> Option<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for source in paths(folder).iter().filter_map(|path| como_sniffers::open(path).ok()).flatten() {
        let (mut source, mut chunk) = (source, Chunk::default());
        let turn = source.next(&mut chunk);
        if matches!(turn, Ok(Turn::More | Turn::End)) || !chunk.packets.is_empty() {
            let first = chunk.packets.iter().take(PER_CAPTURE);
            all.extend(first.filter_map(|packet| of(packet, chunk.data(packet))));
        }
    }
    all
}
