//! Datagrams by their bytes: every kind of sample, what is missing, damage, floods.

use std::net::UdpSocket;

use super::collector::Collector;
use super::made::{datagram, part, raw, sample, words};
use super::samples::Samples;
use crate::file::{Step, Writer};
use como_core::addr::Addr;
use como_core::batch::Batch;
use como_core::packet::build::{Frame, batch_of};
use como_core::packet::{LinkType, Packet, Weight};
use como_core::selection::BATCH_PACKETS_MAX;
use como_core::source::flows::Volume;
use como_core::source::{Chunk, Flows, Pace, Sampling, Source, Treatment, Turn};
use como_core::time::Ts;

fn udp() -> Vec<u8> {
    Frame::udp("10.0.0.1:1000", "10.0.0.2:53").payload([7; 30]).bytes()
}

/// A packet, its bytes, and what it stands for.
type Read = (Packet, Vec<u8>, Weight);

/// What datagrams become, and what is told beside.
fn read(datagrams: &[Vec<u8>]) -> (Vec<Read>, Chunk, Flows) {
    let mut samples = Samples::default();
    for datagram in datagrams {
        assert!(samples.has_room());
        samples.take(Addr::v4([127, 0, 0, 1]), Ts::new(9, 0), datagram);
    }
    let mut chunk = Chunk::default();
    samples.fill(&mut chunk);
    let bytes = |p: &Packet| {
        let region = (*chunk.regions[usize::from(p.region)]).as_ref();
        region[p.offset as usize..][..p.cap_len as usize].to_vec()
    };
    let packets = chunk.packets.iter().zip(&chunk.weights);
    let packets = packets.map(|(p, w)| (*p, bytes(p), *w)).collect();
    (packets, chunk, samples.report())
}

#[track_caller]
fn check(sample: Vec<u8>, link: LinkType, bytes: &[u8], wire_len: u32, weight: (u64, u64)) {
    let (packets, chunk, flows) = read(&[datagram(1, &[sample])]);
    let [(packet, got, weighs)] = packets.as_slice() else { panic!("{packets:?}") };
    assert_eq!((packet.link, packet.wire_len, &got[..]), (link, wire_len, bytes));
    assert_eq!((packet.ts, weighs.packets, weighs.bytes), (Ts::new(9, 0), weight.0, weight.1));
    assert_eq!((chunk.counts.dropped, chunk.counts.malformed), (0, 0));
    let counted = (flows.flow_records, flows.flow_packets, flows.flow_bytes);
    assert_eq!(counted, (1, weight.0, weight.1));
}

#[test]
fn a_source_comes_to_know_how_its_agents_sample_and_cut() {
    let mut description = super::description("sflow:x".to_owned(), Pace::Stored);
    assert_eq!((description.sampling, description.snaplen), (Sampling::Unknown, 128));
    assert_eq!(description.lineage, [Treatment::CutByAgents]);
    let mut samples = Samples::default();
    let mut read = |rate, cap| {
        let datagram = datagram(1, &[sample(rate, 0, &[raw(1, &udp(), cap)])]);
        samples.take(Addr::v4([127, 0, 0, 1]), Ts::new(9, 0), &datagram);
        samples.tell(&mut description);
        (description.sampling, description.snaplen)
    };
    assert_eq!(read(400, udp().len()), (Sampling::OneIn(400), 128));
    assert_eq!(read(400, 64), (Sampling::OneIn(400), 64));
    assert_eq!(read(512, 60), (Sampling::Varying, 64));
}

#[test]
fn a_sampled_header_is_a_packet_that_stands_for_many() {
    let bytes = udp();
    let len = bytes.len() as u32 + 4;
    let weight = (400, 400 * u64::from(len));
    check(sample(400, 0, &[raw(1, &bytes, 64)]), LinkType::ETHERNET, &bytes[..64], len, weight);
    let once = (1, u64::from(len));
    check(sample(0, 0, &[raw(11, &bytes, 40)]), LinkType::IPV4, &bytes[..40], len, once);
    check(sample(1, 0, &[raw(15, &bytes, 41)]), LinkType::IEEE802_11, &bytes[..41], len, once);
    check(sample(1, 0, &[raw(3, &bytes, 8)]), LinkType(147), &bytes[..8], len, once);
}

#[test]
fn an_expanded_sample_has_its_numbers_further_apart() {
    let bytes = udp();
    let head = words(&[9, 0, 70_000, 10, 12, 0, 0, 1, 0, 2, 1]);
    let sample = part(3, &[&head[..], &raw(1, &bytes, 60)].concat());
    let len = bytes.len() as u32 + 4;
    check(sample, LinkType::ETHERNET, &bytes[..60], len, (10, 10 * u64::from(len)));
}

#[test]
fn a_sample_tells_its_sender_and_the_interfaces_that_are_known() {
    let origins = |sample| {
        let (_, mut chunk, _) = read(&[datagram(1, &[sample])]);
        let mut batch = Batch::default();
        batch.take_chunk(&mut chunk);
        batch.origin(0).map(|origin| (origin.exporter, origin.input, origin.output))
    };
    let (sender, packet) = (Addr::v4([127, 0, 0, 1]), raw(1, &udp(), 60));
    let plain = |input, output| {
        let head = words(&[9, 5, 10, 12, 0, input, output, 1]);
        origins(part(1, &[&head[..], &packet].concat()))
    };
    let expanded = |input: [u32; 2], output: [u32; 2]| {
        let head = words(&[9, 0, 7, 10, 12, 0, input[0], input[1], output[0], output[1], 1]);
        origins(part(3, &[&head[..], &packet].concat()))
    };
    assert_eq!(plain(3, 4), Some((sender, Some(3), Some(4))));
    assert_eq!(plain(0, 0x3fff_ffff), Some((sender, None, None)), "unknown, and the agent itself");
    assert_eq!(plain(3, 1 << 30 | 258), Some((sender, Some(3), None)), "dropped, and why");
    assert_eq!(plain(3, 2 << 30 | 2), Some((sender, Some(3), None)), "several");
    assert_eq!(expanded([0, 1 << 30], [2, 7]), Some((sender, Some(1 << 30), None)));
}

#[test]
fn fields_that_an_agent_picked_become_headers() {
    let v4 = words(&[90, 6, 0x0a00_0001, 0x0a00_0002, 1000, 80, 0x12, 4]);
    let (packets, ..) = read(&[datagram(1, &[sample(10, 0, &[part(3, &v4)])])]);
    let (packet, bytes, weight) = &packets[0];
    assert_eq!((packet.link, packet.wire_len, packet.marks), (LinkType::RAW, 90, Packet::FLOW));
    assert_eq!((weight.packets, weight.bytes), (10, 900));
    assert_eq!(
        (&bytes[12..20], &bytes[20..24]),
        (&[10, 0, 0, 1, 10, 0, 0, 2][..], &[3, 232, 0, 80][..])
    );
    assert_eq!((bytes[1], bytes[33]), (4, 0x12));
    let v6 = [&words(&[90, 17])[..], &[0xfe; 32], &words(&[1, 2, 0, 0])].concat();
    let (packets, _, flows) = read(&[datagram(1, &[sample(1, 0, &[part(4, &v6)])])]);
    assert_eq!((packets[0].1[0] >> 4, packets[0].1[6]), (6, 17));
    let want = Volume { records: 1, packets: 1, bytes: 90 };
    assert_eq!(flows.flow_protocols.get(&17), Some(&want));
    // The packet itself is better than what was picked from it, whichever comes first.
    for records in [[part(3, &v4), raw(1, &udp(), 60)], [raw(1, &udp(), 60), part(3, &v4)]] {
        let (packets, ..) = read(&[datagram(1, &[sample(1, 0, &records)])]);
        assert_eq!((packets.len(), packets[0].0.link), (1, LinkType::ETHERNET));
    }
}

#[test]
fn counters_are_counted_by_their_interfaces() {
    let counters = |place: &[u32]| [&words(&[1])[..], &words(place), &words(&[1])].concat();
    let record = part(1, &[0; 88]);
    let plain = |interface| part(2, &[&counters(&[interface])[..], &record].concat());
    let expanded = part(4, &[&counters(&[0, 70_000])[..], &record].concat());
    let one = datagram(1, &[plain(3), plain(4), expanded, sample(1, 7, &[])]);
    let two = datagram(2, &[plain(3), part(2, &counters(&[5])), sample(1, 9, &[])]);
    let (packets, chunk, flows) = read(&[one, two]);
    assert_eq!((packets.len(), chunk.counts.malformed, chunk.counts.dropped), (0, 1, 2));
    let all = (flows.flow_counter_samples, flows.flow_interfaces, flows.flow_dropped_samples);
    assert_eq!(all, (4, 3, 2));
    let agent = &flows.flow_exporters[0];
    assert_eq!((agent.counter_samples, agent.interfaces, agent.dropped_samples), all);
}

/// A datagram of version 4 with these samples.
fn version4(samples: &[Vec<u8>]) -> Vec<u8> {
    let head = words(&[4, 1, 0xc000_0201, 1, 1000, samples.len() as u32]);
    [&head[..], &samples.concat()].concat()
}

#[test]
fn version_4_has_the_same_samples_without_their_lengths() {
    let bytes = udp();
    let head = words(&[1, 9, 3, 400, 12, 4, 3, 4]);
    let raw = words(&[1, 1, bytes.len() as u32 + 4, 61]);
    let switch = words(&[1, 1, 2, 3, 4]);
    let router = words(&[2, 1, 0x0a00_0001, 24, 24]);
    let gateway = words(&[3, 1, 2, 3, 2, 1, 1, 64512, 2, 2, 64513, 64514, 1, 99, 100]);
    let user = [&words(&[4, 3])[..], b"me\0\0", &words(&[0])].concat();
    let url = [&words(&[5, 1, 5])[..], b"/path\0\0\0"].concat();
    let extensions = [&words(&[5])[..], &switch, &router, &gateway, &user, &url].concat();
    let header = [&head[..], &raw, &bytes[..61], &[0; 3], &extensions].concat();
    let v4 = words(&[2, 90, 6, 0x0a00_0001, 0x0a00_0002, 1000, 80, 0x12, 4, 0]);
    let v6 = [&words(&[3, 90, 17])[..], &[0xfe; 32], &words(&[1, 2, 0, 0, 0])].concat();
    let picked = [[&head[..], &v4].concat(), [&head[..], &v6].concat()];
    let counters = |kind, len| [&words(&[2, 8, 5, 30, kind])[..], &vec![0; len]].concat();
    let samples = [
        counters(1, 88),
        counters(2, 88 + 52),
        header,
        counters(3, 88 + 72),
        counters(4, 88),
        counters(5, 88 + 80),
        counters(6, 88),
        counters(7, 28),
        picked.concat(),
    ];
    let mut datagram = version4(&samples);
    datagram[23] += 1;
    let (packets, chunk, flows) = read(&[datagram]);
    let lens: Vec<_> =
        packets.iter().map(|(p, bytes, w)| (p.link, bytes.len(), w.packets)).collect();
    let want = [(LinkType::ETHERNET, 61, 400), (LinkType::RAW, 40, 400), (LinkType::RAW, 48, 400)];
    assert_eq!((&lens[..], chunk.counts.malformed), (&want[..], 0));
    assert_eq!((flows.flow_counter_samples, flows.flow_interfaces), (7, 1));
    let agent = &flows.flow_exporters[0];
    assert_eq!((agent.version, agent.domain, agent.volume.records), (4, 0, 3));
    // What no lengths are known of ends the datagram; what stands before counts.
    for unknown in [words(&[3, 0, 0]), counters(8, 88), counters(1, 87)] {
        let (packets, chunk, _) =
            read(&[version4(&[picked[0].clone(), unknown, picked[0].clone()])]);
        assert_eq!((packets.len(), chunk.counts.malformed), (1, 1));
    }
}

#[test]
fn unknown_kinds_are_passed_over() {
    let bytes = udp();
    let flow = sample(1, 0, &[part(1001, &[0; 16]), raw(1, &bytes, 64), part(0x8765_4321, b"x")]);
    let (packets, chunk, flows) = read(&[datagram(1, &[part(99 << 12, b"vendor"), flow])]);
    assert_eq!((packets.len(), chunk.counts.malformed), (1, 0));
    assert_eq!((flows.flow_datagrams, flows.flow_undecodable), (1, 0));
    // A sample of nothing that is read is no packet.
    let (packets, _, flows) = read(&[datagram(1, &[sample(1, 0, &[part(1001, &[0; 16])])])]);
    assert_eq!((packets.len(), flows.flow_records), (0, 0));
}

#[test]
fn what_agents_lost_is_known() {
    let with = |sequence, drops| datagram(sequence, &[sample(1, drops, &[raw(1, &udp(), 64)])]);
    let (_, chunk, flows) = read(&[with(1, 100), with(2, 103), with(5, 110), with(6, 2)]);
    assert_eq!(chunk.counts.dropped, 10);
    assert_eq!((flows.flow_sequence_gaps, flows.flow_lost_datagrams), (1, 2));
    let [agent] = flows.flow_exporters.as_slice() else { panic!("one agent") };
    assert_eq!((agent.address.as_str(), agent.domain, agent.version), ("127.0.0.1", 7, 5));
    assert_eq!((agent.datagrams, agent.volume.records, agent.sampling), (4, 4, 1));
}

#[test]
fn lengths_that_lie_are_rejected_and_what_stands_before_counts() {
    let bytes = udp();
    let whole = sample(1, 0, &[raw(1, &bytes, 64)]);
    let mut long_header = whole.clone();
    // The length of the header, then that of the frame.
    let at = 8 + 32 + 8;
    long_header[at + 12..at + 16].copy_from_slice(&[0xff; 4]);
    let mut long_frame = whole.clone();
    long_frame[at + 4..at + 8].copy_from_slice(&[0xff; 4]);
    let mut many = whole.clone();
    many[8 + 28..8 + 32].copy_from_slice(&[0xff; 4]);
    for bad in [long_header, long_frame, many] {
        let (packets, chunk, flows) = read(&[datagram(1, &[whole.clone(), bad, whole.clone()])]);
        assert_eq!((packets.len(), chunk.counts.malformed, flows.flow_undecodable), (2, 1, 1));
    }
    let mut cut = datagram(1, &[whole.clone(), whole]);
    cut.truncate(cut.len() - 1);
    let (packets, chunk, _) = read(&[cut]);
    assert_eq!((packets.len(), chunk.counts.malformed), (1, 1));
    let mut version2 = datagram(1, &[]);
    version2[3] = 2;
    assert_eq!(read(&[version2]).1.counts.malformed, 1);
}

#[test]
fn a_datagram_full_of_samples_fits_a_chunk() {
    let one = sample(1, 0, &[raw(1, &[], 0)]);
    let short = words(&[1, 9, 3, 1, 12, 4, 3, 4, 1, 1, 60, 0, 0]);
    let many = |one: &[u8]| vec![one.to_vec(); 65_000 / one.len()];
    let full = [datagram(1, &many(&one)), version4(&many(&short))];
    for (full, len) in full.into_iter().zip([one.len(), short.len()]) {
        let mut samples = Samples::default();
        let mut n_datagrams = 0;
        while samples.has_room() {
            samples.take(Addr::v4([127, 0, 0, 1]), Ts(0), &full);
            n_datagrams += 1;
        }
        let mut chunk = Chunk::default();
        samples.fill(&mut chunk);
        assert_eq!(chunk.packets.len(), n_datagrams * (65_000 / len));
        assert!(n_datagrams > 1 && chunk.packets.len() <= BATCH_PACKETS_MAX);
    }
}

#[test]
fn forged_agents_take_bounded_memory_and_their_samples_count() {
    let mut samples = Samples::default();
    let mut chunk = Chunk::default();
    let one = datagram(1, &[sample(1, 0, &[raw(1, &udp(), 64)])]);
    for n in 0u32..3_000 {
        samples.take(Addr::v4(n.to_be_bytes()), Ts(0), &one);
        chunk.clear();
        samples.fill(&mut chunk);
    }
    let flows = samples.report();
    assert_eq!((flows.flow_records, flows.flow_exporters.len()), (3_000, 2_048));
}

#[test]
fn forged_agents_lock_out_none_that_comes_later() {
    let mut samples = Samples::default();
    let mut chunk = Chunk::default();
    for n in 0u32..3_000 {
        samples.take(Addr::v4(n.to_be_bytes()), Ts(0), &datagram(1, &[]));
    }
    let with = |sequence, drops| datagram(sequence, &[sample(1, drops, &[raw(1, &udp(), 64)])]);
    for (sequence, drops) in [(1, 0), (2, 5), (3, 7)] {
        samples.take(Addr::v4([192, 0, 2, 1]), Ts(0), &with(sequence, drops));
        for n in 0u32..100 {
            samples.take(Addr::v4((n + 9_000).to_be_bytes()), Ts(0), &datagram(1, &[]));
        }
    }
    samples.fill(&mut chunk);
    let flows = samples.report();
    assert_eq!((flows.flow_exporters.len(), flows.flow_dropped_samples), (2_048, 7));
    let heard = flows.flow_exporters.iter().find(|agent| agent.address == "192.0.2.1");
    assert_eq!(heard.map(|agent| agent.datagrams), Some(3));
}

#[test]
fn a_collector_hears_agents_and_refuses_others() {
    let one = datagram(1, &[sample(2, 0, &[raw(1, &udp(), 64)])]);
    for (options, packets, malformed) in [("", 1, 0), (",from=192.0.2.9", 0, 1)] {
        let place = format!("127.0.0.1:0{options}");
        let mut collector = Collector::open(&place).expect("a free port on this machine");
        let agent = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        agent.send_to(&one, collector.place()).expect("sent");
        let mut got = (0, 0);
        // Each turn waits for a datagram that is on its way; a lost one ends the test.
        for _ in 0..50 {
            let mut chunk = Chunk::default();
            let turn = collector.next(&mut chunk).expect("a turn");
            assert_eq!(turn == Turn::Idle, chunk.packets.is_empty());
            got = (got.0 + chunk.packets.len(), got.1 + chunk.counts.malformed);
            if got == (packets, malformed) {
                break;
            }
        }
        assert_eq!(got, (packets, malformed), "{options}");
    }
    let e = Collector::open("nonsense").err().expect("an error").to_string();
    assert!(e.contains("as sflow:udp://0.0.0.0:6343"), "{e}");
}

#[test]
fn datagrams_are_found_among_other_packets_of_a_capture() {
    let one = datagram(1, &[sample(4, 0, &[raw(1, &udp(), 64)])]);
    let carried = |payload: &[u8]| {
        let frame = Frame::udp("192.0.2.1:40000", "192.0.2.2:9999").payload(payload);
        frame.bytes()
    };
    let frames = [carried(&one), udp(), carried(&one[..20]), carried(&one)];
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut writer = Writer::new(file.as_file(), Step::Nanos);
    for frame in frames {
        let batch = batch_of([Frame::raw(LinkType::ETHERNET, frame).ts(Ts::new(5, 0))]);
        writer.batch(&batch).expect("room");
    }
    writer.finish().expect("room");
    let path = file.path().display();
    for (options, want) in [("", 2), (",from=192.0.2.0/24", 2), (",from=::1", 0)] {
        let mut sources = crate::open(&format!("sflow:{path}{options}")).expect("a source");
        let mut packets = 0;
        loop {
            let mut chunk = Chunk::default();
            let turn = sources[0].next(&mut chunk).expect("a turn");
            packets += chunk.packets.len();
            assert!(chunk.packets.iter().all(|p| p.ts == Ts::new(5, 0)));
            if turn == Turn::End {
                break;
            }
        }
        assert_eq!(packets, want, "{options}");
        assert_eq!(sources[0].flows().map(|flows| flows.flow_packets), Some(want as u64 * 4));
    }
}
