//! What is done with the bytes: each decoder through the door its users take.
//!
//! The forms that inputs have beyond a decoder's own are few: packets begin with
//! their link type ([`packet`]), datagrams with their sender and length ([`carried`]).

use std::sync::Arc;

use como_core::addr::{Addr, Mac};
use como_core::batch::{Batch, Values};
use como_core::field::{Code, Demand, Field, FieldValue, Kind, decode_int};
use como_core::filter::{self, Expr, Plan};
use como_core::lookup::Subject;
use como_core::packet::build::{Frame, batch_of};
use como_core::packet::{LinkType, Packet, Weight, tunnel};
use como_core::query::when::Times;
use como_core::record::Value;
use como_core::selection::BATCH_PACKETS_MAX;
use como_core::source::{Chunk, Source, SourceError, Turn};
use como_core::storage::block::{self, VALUES_MAX};
use como_core::storage::pcapng;
use como_core::time::Ts;
use como_scripting::api::{Entry, entries};

/// How much of a packet's length was not captured, for each step of the second byte.
const CUT_STEP: u32 = 8;

/// A packet of any link: the link type, how much was cut off, then its bytes.
///
/// Numbers above 255 do not fit the first byte: 2 stands for Linux cooked capture, version 2.
pub fn packet(bytes: &[u8]) {
    let Some((packet, data)) = one_packet(bytes) else { return };
    let mut batch = Batch::default();
    batch.push_region(Arc::new(data.to_vec()));
    batch.push(packet, None);
    let flow = Packet { marks: Packet::FLOW, ..packet };
    batch.push(flow, Some(Weight { packets: u64::MAX, bytes: u64::MAX }));
    batch.decode(Field::ALL.iter().fold(Demand::NONE, |demand, field| demand.field(*field)));
    check_columns(&batch);
    let layers = batch.layers(0);
    if let Some(inner) = tunnel::inner(data, layers, packet.wire_len) {
        assert!(inner.at < data.len().min(inner.end), "an inside that lies outside: {inner:?}");
    }
    for field in Field::ALL.iter().filter(|field| field.kind() == Kind::Bytes) {
        let Some(FieldValue::Bytes(value)) = batch.value(0, *field) else { continue };
        // Names of networks, beside the payload.
        let most = if *field == Field::Payload { data.len() } else { 32 };
        assert!(value.len() <= most, "{} has {} bytes", field.name(), value.len());
    }
}

/// Reads a packet as [`packet`] has it.
fn one_packet(bytes: &[u8]) -> Option<(Packet, &[u8])> {
    let ([link, cut], data) = bytes.split_first_chunk()?;
    let link = match LinkType(u16::from(*link)) {
        LinkType(2) => LinkType::LINUX_SLL2,
        link => link,
    };
    let cap_len = u32::try_from(data.len()).ok()?;
    let packet = Packet {
        ts: Ts(0),
        offset: 0,
        cap_len,
        wire_len: cap_len.saturating_add(u32::from(*cut) * CUT_STEP),
        region: 0,
        link,
        source: 0,
        marks: 0,
    };
    Some((packet, data))
}

/// Every column must say what the packets say one by one.
fn check_columns(batch: &Batch) {
    for field in Field::ALL.iter().copied() {
        let Some(column) = batch.column(field) else { continue };
        for at in 0..batch.len() {
            let got = column.present.has(at).then(|| match &column.values {
                Values::U32(values) if field.kind() == Kind::Bool => {
                    FieldValue::Bool(values[at] != 0)
                }
                Values::U32(values) if field.kind() == Kind::Int => {
                    FieldValue::Int(decode_int(values[at]))
                }
                Values::U32(values) if field.kind() == Kind::Code => {
                    FieldValue::Code(Code::from_kept(values[at]))
                }
                Values::U32(values) => FieldValue::Uint(values[at]),
                Values::U64(values) if field.kind() == Kind::Mac => {
                    FieldValue::Mac(Mac(values[at]))
                }
                Values::U64(values) => FieldValue::Big(values[at]),
                Values::Addr(values) => FieldValue::Addr(values[at]),
                Values::CommunityId(values) => FieldValue::CommunityId(values[at]),
            });
            assert_eq!(got, batch.value(at, field), "{} of packet {at}", field.name());
            if let Some(FieldValue::Uint(value)) = got {
                batch.sum_of(at, field, value.into());
            }
        }
    }
}

/// A packet, in the form of [`packet`], out of whose tunnels its inside is taken.
pub fn tunnel(bytes: &[u8]) {
    packet(bytes);
    let Some((packet, data)) = one_packet(bytes) else { return };
    let mut file = Vec::new();
    pcapng::put_pcap_header(&mut file, packet.link, 0);
    let record = [0, 0, packet.cap_len, packet.wire_len];
    record.into_iter().for_each(|number| file.extend(number.to_le_bytes()));
    file.extend(data);
    let packets = drain(como_sniffers::read("pcap:any,decap=true", held(file)), 1);
    // A record of ERF states the length of its packet, which may not have been kept.
    let stated = if packet.link == LinkType::ERF { u16::MAX.into() } else { packet.wire_len };
    for inner in packets {
        assert!(inner.wire_len <= stated.max(packet.cap_len), "{inner:?} in {packet:?}");
    }
}

/// A file that says itself whether it is pcap, pcapng or ERF.
pub fn pcap(bytes: &[u8]) {
    drain(como_sniffers::read("pcap:any", held(bytes.to_vec())), bytes.len() / 12 + 1);
}

/// A file of ERF records.
pub fn erf(bytes: &[u8]) {
    drain(como_sniffers::read("erf:any", held(bytes.to_vec())), bytes.len() / 16 + 1);
}

/// Export packets, in the form of [`carried`].
pub fn netflow(bytes: &[u8]) {
    // A record takes a byte at least, and its other direction may be one too. What waits for its
    // template comes once, and each record becomes two packets at most.
    let most = 8 * bytes.len() + 1;
    drain(como_sniffers::read("netflow:any,flows=spread,pieces=2", held(carried(bytes))), most);
}

/// sFlow datagrams, in the form of [`carried`].
pub fn sflow(bytes: &[u8]) {
    drain(como_sniffers::read("sflow:any", held(carried(bytes))), bytes.len() / 16 + 1);
}

/// A file of flow-tools.
pub fn flowtools(bytes: &[u8]) {
    // Deflate makes at most 1032 bytes of one.
    let source = como_sniffers::read("flowtools:any", held(bytes.to_vec()));
    drain(source, bytes.len() * 1032 / 56 + 1);
}

/// A capture of the datagrams in `bytes`: of each a number, whose upper two bits tell senders apart
/// and whose others are its length, and that many bytes.
pub fn carried(bytes: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    pcapng::put_pcap_header(&mut file, LinkType::IPV4, 0);
    let mut rest = bytes;
    for secs in 0u32.. {
        let Some(([high, low], behind)) = rest.split_first_chunk() else { break };
        let len = usize::from(u16::from_be_bytes([*high & 0x3f, *low]));
        let (payload, behind) = behind.split_at(len.min(behind.len()));
        let sent = (payload.len() + 28) as u16;
        for number in [1_700_000_000 + secs, 0, u32::from(sent), u32::from(sent)] {
            file.extend(number.to_le_bytes());
        }
        let [total, udp] = [sent, sent - 20].map(u16::to_be_bytes);
        file.extend([0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, 17, 0, 0]);
        file.extend([192, 0, 2, 1 + (*high >> 6), 192, 0, 2, 9, 9, 9, 8, 7, udp[0], udp[1], 0, 0]);
        file.extend(payload);
        rest = behind;
    }
    file
}

/// A payload, out of which scripts read messages: DNS, HTTP, TLS.
///
/// What is said of one that is cut off must hold of the whole one, too. First lines of HTTP are
/// exempt: what comes behind may show that they are none.
pub fn messages(bytes: &[u8]) {
    let half = &bytes[..bytes.len() / 2];
    let reads = |entry: &&Entry| ["dns", "http", "tls"].contains(&entry.topic);
    for entry in entries().filter(reads).filter(|entry| entry.bytes_at() == Some(0)) {
        let others = match entry.params.get(1).map(|(_, ty)| *ty) {
            None => vec![None],
            Some("number") => [1u32, 2, 64, 65].map(|n| Some(Value::from(n))).to_vec(),
            Some(_) => vec![Some(Value::from("host"))],
        };
        for other in others {
            let given: Vec<Value> = [Entry::ELSEWHERE].into_iter().chain(other).collect();
            let [of_half, of_all] = [half, bytes].map(|bytes| entry.run_of(bytes, &given));
            let sure = entry.topic != "http" || entry.name == "header";
            let holds = of_half == Ok(Value::Null) || of_half == of_all;
            assert!(holds || !sure, "{}: {of_half:?}, then {of_all:?}", entry.path());
        }
    }
}

/// The text of a filter.
pub fn filter(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(parsed) = filter::parse(text) else { return };
    let written = parsed.expr.to_string();
    if written.len() <= filter::TEXT_BYTES_MAX {
        match Expr::parse(&written) {
            Ok(again) => assert_eq!(again, parsed.expr, "`{text}` is written `{written}`"),
            Err(error) => panic!("`{text}` is written `{written}`, which is none: {error}"),
        }
    }
    let mut plan = Plan::default();
    let slots = [plan.add(&parsed.expr), plan.add(&parsed.expr.not())];
    let mut batch = traffic();
    batch.decode(plan.demand());
    plan.run(&mut batch);
    let picked = slots.map(|slot| batch.pick(slot).map_or(0, |pick| pick.count()));
    assert_eq!(picked.iter().sum::<usize>(), batch.len(), "`{text}` and its opposite");
    let _ = plan.bpf();
}

/// A few packets for a filter to choose from.
fn traffic() -> Batch {
    let (a, b, c) = ("10.0.0.1:1000", "192.168.1.2:80", "[fe80::1]:53");
    batch_of([
        Frame::tcp(a, b).payload(*b"GET / HTTP/1.1\r\n"),
        Frame::udp(c, "[2001:db8::2]:53").vlan(7),
        Frame::arp(a, b, true),
        Frame::icmp(a, b, 8, 0).mpls(9),
        Frame::tcp(b, a).cap(20),
        Frame::udp(a, b).weight(10, 1000),
    ])
}

/// The times that a query asks for.
pub fn times(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let clock = Ts::new(1_700_000_000, 0);
    if let Ok(window) = Times::parse(text).and_then(|times| times.resolve(clock)) {
        assert!(window.from <= window.to, "`{text}`");
    }
    let (start, end) = text.split_once(' ').unwrap_or((text, ""));
    let _ = Times::between(Some(start), Some(end)).map(|times| times.resolve(Ts(u64::MAX)));
}

/// A block of records, once as it is and once with the checksum it should have.
pub fn block(bytes: &[u8]) {
    let body = bytes.get(..bytes.len().saturating_sub(4)).unwrap_or_default();
    let mended = [body, &crc32fast::hash(body).to_le_bytes()].concat();
    for bytes in [bytes, &mended] {
        let Ok(decoded) = block::decode(bytes) else { continue };
        assert_eq!(block::peek(bytes).as_ref(), Ok(&decoded.header));
        assert!(decoded.starts.len() * (decoded.cells.len() + 1) <= VALUES_MAX);
        let _ = decoded.into_output(&crate::seeds::schema());
    }
}

/// A segment of kept packets, read as the store reads it and as any capture.
pub fn segment(bytes: &[u8]) {
    pcap(bytes);
    let mut blocks = pcapng::Blocks::new(bytes);
    while let Ok(Some(block)) = blocks.advance() {
        match block {
            pcapng::Block::Packet { bytes, .. } => {
                let _ = (pcapng::stands(bytes), pcapng::pcap_record(bytes));
                if let Some(seen) = pcapng::packet(bytes) {
                    assert!(bytes.get(seen.data).is_some());
                }
            }
            pcapng::Block::Interface(bytes) => {
                let _ = (pcapng::link(bytes), pcapng::fields(bytes), pcapng::description(bytes));
            }
            pcapng::Block::Section(_) => {}
        }
    }
    assert!(blocks.read_bytes() <= bytes.len() as u64);
}

/// A table of whose addresses are, in whatever format its bytes say.
pub fn table(bytes: &[u8]) {
    for subject in Subject::ALL {
        let Ok(table) = como_lookup::read(subject, "any", bytes) else { continue };
        // Deflate makes at most 1032 bytes of one; the shortest prefix takes four with its value.
        assert!(table.prefixes() <= bytes.len() * 1032 / 4);
        for addr in [Addr::v4([10, 0, 0, 1]), Addr::v6([0xfe; 16])] {
            assert_ne!(table.get(addr), Some(0));
        }
    }
}

/// Bytes as a source reads them.
fn held(bytes: Vec<u8>) -> Box<dyn std::io::Read + Send> {
    Box::new(std::io::Cursor::new(bytes))
}

/// Reads a source to its end, and holds it to what every source promises. Its packets may be
/// `most`.
fn drain(source: Result<Box<dyn Source>, SourceError>, most: usize) -> Vec<Packet> {
    let mut source = match source {
        Ok(source) => source,
        Err(error) => {
            error.to_string();
            return Vec::new();
        }
    };
    let (mut seen, mut chunk) = (Vec::new(), Chunk::default());
    for turn in 0.. {
        // Each turn that is not the last one gives packets, or passes over what holds none.
        assert!(turn <= 64 + most, "{turn} turns, and no end");
        chunk.clear();
        let answer = source.next(&mut chunk);
        check_chunk(&chunk);
        seen.append(&mut chunk.packets);
        assert!(seen.len() <= most, "{} packets of at most {most}", seen.len());
        match answer {
            Ok(Turn::More | Turn::Idle) => {}
            Ok(Turn::End) => break,
            Err(error) => {
                error.to_string();
                break;
            }
        }
    }
    if let Some(flows) = source.flows() {
        let records: u64 = flows.flow_exporters.iter().map(|e| e.volume.records).sum();
        assert!(records <= flows.flow_records, "exporters have more records than there are");
    }
    seen
}

/// Packets lie in their regions, and each has a weight or none has.
fn check_chunk(chunk: &Chunk) {
    assert!(chunk.packets.len() <= BATCH_PACKETS_MAX);
    assert!(chunk.weights.is_empty() || chunk.weights.len() == chunk.packets.len());
    for packet in &chunk.packets {
        assert_eq!(chunk.data(packet).len(), packet.cap_len as usize, "{packet:?} lies outside");
    }
}
