//! Export packets, well-formed and not, and the flows they give.

use proptest::prelude::*;

use como_core::source::Origin;

use super::*;
use crate::flow::known::KNOWN_MAX;
use crate::netflow::made::{Field, PLAIN, SENT, ipfix, plain, set, template, v5, v9};

const DAY: u64 = 86_400;

fn exporter(n: u8) -> Addr {
    Addr::v4([192, 0, 2, n])
}

/// Decodes packets, each an exporter's and so many seconds after the first.
fn decode(packets: &[(u8, u64, Vec<u8>)]) -> (Vec<Flow>, Decoder) {
    let (mut decoder, mut flows) = (Decoder::default(), Vec::new());
    for (from, after, packet) in packets {
        let arrived = Ts::new(u64::from(SENT) + after, 0);
        decoder.decode(exporter(*from), arrived, packet, &mut flows);
    }
    (flows, decoder)
}

/// Checks packets of one exporter: packets and bytes of each flow, and how much was undecodable.
#[track_caller]
fn check(packets: &[Vec<u8>], want: &[(u64, u64)], undecodable: u64) {
    let packets: Vec<_> = packets.iter().map(|packet| (1, 0, packet.clone())).collect();
    let (flows, decoder) = decode(&packets);
    let got: Vec<_> = flows.iter().map(|flow| (flow.packets, flow.bytes)).collect();
    assert_eq!(got, want);
    assert_eq!(decoder.report().flow_undecodable, undecodable);
}

fn learn(id: u16, fields: &[Field]) -> Vec<u8> {
    set(0, &[template(id, fields)])
}

#[test]
fn a_record_gives_all_a_flow_has() {
    let learned = v9(0, 0, &[learn(256, PLAIN), set(256, &[plain(7)])]);
    let (from_v9, _) = decode(&[(1, 0, learned)]);
    let want = Flow {
        src: Addr::v4([10, 0, 0, 7]),
        dst: Addr::v4([10, 1, 0, 7]),
        first: Ts::new(u64::from(SENT) - 10, 0),
        last: Ts::new(u64::from(SENT) - 1, 0),
        packets: 7,
        bytes: 700,
        sport: 1000,
        dport: 80,
        icmp: 80,
        proto: 6,
        tos: 0,
        flags: 0x1b,
        origin: Origin { exporter: exporter(1), input: None, output: None },
    };
    assert_eq!(from_v9, [want]);
    let (from_v5, _) = decode(&[(1, 0, v5(0, 0, 7..8))]);
    let origin = Origin { input: Some(3), output: Some(4), ..want.origin };
    assert_eq!(from_v5, [Flow { origin, ..want }]);
}

#[test]
fn interfaces_are_those_the_record_names_and_change_sides_the_other_way() {
    let fields = [PLAIN, &[(10, 4), (14, 2)]].concat();
    let record = [plain(1), vec![0, 1, 0, 3, 0, 4]].concat();
    let (flows, _) = decode(&[(2, 0, v9(0, 0, &[learn(256, &fields), set(256, &[record])]))]);
    let origin = Origin { exporter: exporter(2), input: Some(65_539), output: Some(4) };
    assert_eq!(flows.iter().map(|flow| flow.origin).collect::<Vec<_>>(), [origin]);
    let mut both = template(256, &[(8, 4), (12, 4), (10, 1), (2, 1), (0x8000 | 2, 1)]);
    both[3] = 5;
    both.extend(29_305u32.to_be_bytes());
    let record = vec![10, 0, 0, 1, 10, 0, 0, 2, 3, 5, 6];
    let (flows, _) = decode(&[(2, 0, ipfix(0, 0, &[set(2, &[both]), set(256, &[record])]))]);
    let sides: Vec<_> = flows.iter().map(|flow| (flow.origin.input, flow.origin.output)).collect();
    assert_eq!(sides, [(Some(3), None), (None, Some(3))]);
}

#[test]
fn version_7_is_version_5_with_longer_records() {
    let mut packet = v5(0, 0, 1..3);
    packet[1] = 7;
    packet.splice(72..72, [0; 4]);
    packet.extend([0; 4]);
    check(&[packet], &[(1, 100), (2, 200)], 0);
}

#[test]
fn a_packet_cut_short_gives_the_records_that_are_whole() {
    let mut packet = v5(0, 0, 1..4);
    packet.truncate(24 + 48 + 47);
    check(&[packet], &[(1, 100)], 1);
}

#[test]
fn sampling_scales_what_is_counted() {
    check(&[v5(0, 0x4000 | 100, 1..2)], &[(100, 10_000)], 0);
    // One for all of v9's exporter, one for a sampler that only some records name.
    let options = |fields: &[Field]| {
        let mut bytes = [257u16.to_be_bytes(), 4u16.to_be_bytes()].concat();
        bytes.extend((4 * fields.len() as u16).to_be_bytes());
        let scope: &[Field] = &[(1, 4)];
        bytes.extend(template(0, &[scope, fields].concat()).split_off(4));
        set(1, &[bytes])
    };
    let general = set(257, &[vec![0, 0, 0, 1, 0, 0, 0, 10]]);
    let sent = v9(0, 0, &[options(&[(34, 4)]), general, learn(256, PLAIN)]);
    check(&[sent, v9(1, 0, &[set(256, &[plain(1)])])], &[(10, 1000)], 0);
    let named = set(257, &[vec![0, 0, 0, 1, 9, 0, 0, 0, 10]]);
    let naming = [PLAIN, &[(48, 1)]].concat();
    let records = [[plain(1), vec![9]].concat(), [plain(1), vec![8]].concat()];
    let sets = [options(&[(48, 1), (50, 4)]), named, learn(256, &naming), set(256, &records)];
    check(&[v9(0, 0, &sets)], &[(10, 1000), (1, 100)], 0);
}

#[test]
fn fields_of_any_length_are_skipped_or_read() {
    // An enterprise's own of four bytes, one of variable length, and short counters.
    let mut fields = template(256, &[(8, 4), (12, 4), (0x8000 | 77, 4)]);
    fields[3] = 6;
    fields.extend([0, 0, 39, 15]);
    fields.extend(template(0, &[(82, u16::MAX), (2, 1), (1, 3)]).split_off(4));
    let record = |name: &[u8], packets: u8| {
        let (ends, other) = (vec![10, 0, 0, 1, 10, 0, 0, 2], vec![9; 4]);
        [ends, other, name.to_vec(), vec![packets, 0, 1, 0]].concat()
    };
    let long = [vec![255, 1, 0], vec![b'x'; 256]].concat();
    let records = [record(b"\x04eth0", 3), record(b"\x00", 4), record(&long, 5)];
    let message = ipfix(0, 0, &[set(2, &[fields]), set(256, &records)]);
    check(&[message], &[(3, 256), (4, 256), (5, 256)], 0);
}

#[test]
fn a_record_of_both_directions_gives_two_flows() {
    let mut fields = template(256, &[(8, 4), (12, 4), (7, 2), (11, 2), (2, 4), (1, 4)]);
    fields[3] = 8;
    for number in [1u8, 2] {
        fields.extend([0x80, number, 0, 4, 0, 0, 0x72, 0x79]);
    }
    let ends = vec![10, 0, 0, 1, 10, 0, 0, 2, 0, 80, 3, 232];
    let counts = [3u32, 300, 500, 5].map(u32::to_be_bytes).concat();
    let message = ipfix(0, 0, &[set(2, &[fields]), set(256, &[[ends, counts].concat()])]);
    let (flows, decoder) = decode(&[(1, 0, message)]);
    let got: Vec<_> = flows.iter().map(|f| (f.src, f.sport, f.packets, f.bytes)).collect();
    let host = |n| Addr::v4([10, 0, 0, n]);
    assert_eq!(got, [(host(1), 80, 3, 300), (host(2), 1000, 5, 500)]);
    let report = decoder.report();
    assert_eq!((report.flow_records, report.flow_packets, report.flow_bytes), (1, 3, 300));
    assert_eq!((report.flow_reverse_packets, report.flow_reverse_bytes), (5, 500));
}

#[test]
fn records_wait_for_their_template_but_not_for_ever() {
    let data = v9(1, 0, &[set(256, &[plain(1), plain(2)])]);
    let learned = v9(0, 0, &[learn(256, PLAIN)]);
    check(&[data.clone(), learned.clone()], &[(1, 100), (2, 200)], 0);
    check(std::slice::from_ref(&data), &[], 1);
    let (flows, _) = decode(&[(1, 0, data.clone()), (1, 61, v9(2, 0, &[set(300, &[])]))]);
    assert!(flows.is_empty());
    let (flows, decoder) =
        decode(&[(1, 0, data.clone()), (1, 61, v9(2, 0, &[set(300, &[])])), (1, 62, learned)]);
    assert!(flows.is_empty());
    assert_eq!(decoder.report().flow_undecodable, 2);
}

#[test]
fn a_template_holds_until_another_takes_its_place_or_it_is_old() {
    let shorter = &PLAIN[..8];
    let short = plain(2)[..22].to_vec();
    let packets = [
        v9(0, 0, &[learn(256, PLAIN), set(256, &[plain(1)])]),
        v9(1, 0, &[learn(256, PLAIN), set(256, &[plain(1)])]),
        v9(2, 0, &[learn(256, shorter), set(256, &[short])]),
    ];
    check(&packets, &[(1, 100), (1, 100), (2, 200)], 0);
    let learned = v9(0, 0, &[learn(256, PLAIN)]);
    let data = v9(1, 0, &[set(256, &[plain(1)])]);
    for (hours, want) in [(3, 1), (5, 0)] {
        let packets = [(1, 0, learned.clone()), (1, hours * 3600, data.clone())];
        assert_eq!(decode(&packets).0.len(), want, "{hours} h");
    }
}

#[test]
fn exporters_do_not_share_templates() {
    let learned = v9(0, 7, &[learn(256, PLAIN)]);
    let data = |domain| v9(1, domain, &[set(256, &[plain(1)])]);
    let from = |exporter, domain| {
        let (flows, _) = decode(&[(1, 0, learned.clone()), (exporter, 0, data(domain))]);
        flows.len()
    };
    assert_eq!([from(1, 7), from(1, 8), from(2, 7)], [1, 0, 0]);
    let in_ipfix = ipfix(0, 7, &[set(256, &[plain(1)])]);
    assert!(decode(&[(1, 0, learned.clone()), (1, 0, in_ipfix)]).0.is_empty());
}

#[test]
fn templates_that_lie_are_refused() {
    let data = set(256, &[plain(1)]);
    let endless = learn(256, &[(8, 0), (1, 0)]);
    check(&[v9(0, 0, &[endless, data.clone()])], &[], 2);
    let mut too_many = template(256, PLAIN);
    too_many[2..4].copy_from_slice(&u16::MAX.to_be_bytes());
    check(&[v9(0, 0, &[set(0, &[too_many]), data.clone()])], &[], 2);
    check(&[v9(0, 0, &[learn(255, PLAIN), data.clone()])], &[], 2);
    let giant = learn(256, &[(8, 4), (12, 4), (2, u16::MAX)]);
    check(&[v9(0, 0, &[giant, data])], &[], 2);
}

#[test]
fn sets_that_lie_end_the_packet_and_no_more() {
    let good = set(256, &[plain(1)]);
    for len in [0u16, 3, 9_999] {
        let bad = [257u16.to_be_bytes(), len.to_be_bytes()].concat();
        let packet = v9(0, 0, &[learn(256, PLAIN), good.clone(), bad, good.clone()]);
        check(&[packet, v9(1, 0, std::slice::from_ref(&good))], &[(1, 100), (1, 100)], 1);
    }
    // Padding behind the last record, and behind the last set.
    let padded = set(256, &[plain(1), vec![0; 3]]);
    check(&[v9(0, 0, &[learn(256, PLAIN), padded, vec![0; 2]])], &[(1, 100)], 0);
}

#[test]
fn what_is_missing_is_reported_in_the_exporters_units() {
    let (_, decoder) = decode(&[(1, 0, v5(0, 0, 1..11)), (1, 0, v5(110, 0, 1..11))]);
    let report = decoder.report();
    assert_eq!((report.flow_sequence_gaps, report.flow_lost_records), (1, 100));
    let packets = [0, 1, 5].map(|sequence| (1, 0, v9(sequence, 0, &[learn(256, PLAIN)])));
    let report = decode(&packets).1.report();
    assert_eq!((report.flow_sequence_gaps, report.flow_lost_datagrams), (1, 3));
    assert_eq!(report.flow_exporters[0].sequence_gaps, 1);
}

#[test]
fn a_flood_of_exporters_pushes_out_none_that_sends_records() {
    let (mut decoder, mut flows) = (Decoder::default(), Vec::new());
    let now = Ts::new(SENT.into(), 0);
    let learned = v9(0, 9, &[learn(256, PLAIN), set(256, &[plain(1)])]);
    decoder.decode(exporter(1), now, &learned, &mut flows);
    for domain in 0..20_000 {
        let packet = v9(0, domain, &[learn(256, PLAIN)]);
        decoder.decode(exporter(2), now, &packet, &mut flows);
    }
    decoder.decode(exporter(1), now, &v9(1, 9, &[set(256, &[plain(2)])]), &mut flows);
    assert_eq!(flows.len(), 2);
    let report = decoder.report();
    assert_eq!(report.flow_exporters.len(), KNOWN_MAX);
    assert_eq!((report.flow_datagrams, report.flow_records), (20_002, 2));
}

#[test]
fn what_one_exporter_keeps_is_bounded() {
    let (mut decoder, mut flows) = (Decoder::default(), Vec::new());
    let now = Ts::new(SENT.into(), 0);
    for id in 256..=u16::MAX {
        let packet = v9(u32::from(id), 0, &[learn(id, PLAIN), set(id ^ 1, &[vec![0; 1400]])]);
        decoder.decode(exporter(1), now, &packet, &mut flows);
    }
    assert!(decoder.known.iter().all(|known| known.state.waiting() < 32));
    let report = decoder.report();
    assert_eq!(report.flow_exporters.len(), 1);
    assert!(report.flow_undecodable > 60_000);
    // A day later the old ones have gone, and new ones are learned.
    let later = now + como_core::time::Span::from_secs(DAY);
    let sets = [learn(999, PLAIN), set(999, &[plain(1)])];
    flows.clear();
    decoder.decode(exporter(1), later, &v9(0, 0, &sets), &mut flows);
    assert_eq!(flows.len(), 1);
}

#[test]
fn what_all_exporters_keep_is_bounded_and_who_sends_records_keeps_it() {
    let (mut decoder, mut flows) = (Decoder::default(), Vec::new());
    let now = Ts::new(SENT.into(), 0);
    let good = |sequence| v9(sequence, 9, &[set(256, &[plain(1)])]);
    decoder.decode(exporter(1), now, &v9(0, 9, &[learn(256, PLAIN)]), &mut flows);
    decoder.decode(exporter(1), now, &good(1), &mut flows);
    let wide = vec![(8, 4); 1000];
    for domain in 0..2000 {
        let learned: Vec<_> = (256..260).map(|id| learn(id, &wide)).collect();
        decoder.decode(exporter(2), now, &v9(0, domain, &learned), &mut flows);
        decoder.decode(
            exporter(2),
            now,
            &v9(1, domain, &[set(999, &[vec![0; 20_000]])]),
            &mut flows,
        );
    }
    let held: usize = decoder.known.iter().map(|known| known.state.held_bytes()).sum();
    assert_eq!(held, decoder.held_bytes);
    assert!((HELD_BYTES_MAX / 2..=HELD_BYTES_MAX).contains(&held), "{held}");
    decoder.decode(exporter(1), now, &good(2), &mut flows);
    assert_eq!(flows.len(), 2);
}

#[test]
fn a_duration_without_bounds_ends_when_it_was_reported() {
    let mut fields = template(256, &[(8, 4), (12, 4), (2, 4), (1, 4), (152, 8), (161, 8)]);
    fields[3] = 6;
    let start = (u64::from(SENT) - 60) * 1_000;
    let record = |duration: u64| {
        let counts = [10, 0, 0, 1, 10, 0, 0, 2, 0, 0, 0, 3, 0, 0, 1, 44];
        [counts.to_vec(), start.to_be_bytes().to_vec(), duration.to_be_bytes().to_vec()].concat()
    };
    let records = set(256, &[record(5_000), record(u64::MAX)]);
    let (flows, _) = decode(&[(1, 0, ipfix(0, 0, &[set(2, &[fields]), records]))]);
    let ends: Vec<_> = flows.iter().map(|flow| flow.last).collect();
    assert_eq!(ends, [Ts::new(u64::from(SENT) - 55, 0), Ts::new(SENT.into(), 0)]);
}

#[test]
fn other_traffic_is_not_taken_for_an_export() {
    let is = |packet: &[u8]| is_export(packet, packet.len());
    assert!(is(&v5(0, 0, 1..2)) && is(&v9(0, 0, &[learn(256, PLAIN)])) && is(&ipfix(0, 0, &[])));
    // A DNS query and an answer with these numbers as their id, a TFTP error, and nothing.
    let dns = |id: u8, flags: [u8; 2]| {
        let mut packet = vec![0, id];
        packet.extend(flags);
        packet.extend([0, 1, 0, 0, 0, 0, 0, 0, 3, b'w', b'w', b'w', 2, b'd', b'e', 0, 0, 1, 0, 1]);
        packet
    };
    for id in [5, 7, 9, 10] {
        assert!(!is(&dns(id, [1, 0])) && !is(&dns(id, [0x81, 0x80])), "{id}");
    }
    assert!(!is(b"\0\x05\0\x01File not found\0") && !is(b"\0\x09") && !is(b""));
    // Errors of TFTP as long as packets of one record, or of a few.
    for (version, records) in [(5, 1), (5, 7), (7, 1)] {
        let len = 24 + usize::from(records) * if version == 5 { 48 } else { 52 };
        for text in [b'a', b' ', b'0', b'~'] {
            let mut error = vec![text; len];
            error[..4].copy_from_slice(&[0, version, 0, records]);
            assert!(!is(&error), "{version} {text}");
        }
    }
    let mut lies = v5(0, 0, 1..4);
    assert!(is(&lies) && is_export(&lies[..100], lies.len()));
    assert!(!is_export(&lies, lies.len() + 1) && !is(&lies[..lies.len() - 48]));
    lies[3] = 2;
    assert!(!is(&lies), "it holds more than it says");
}

/// Packets that are nearly right: some bytes of good ones changed, some cut off.
fn nearly() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let good = || {
        let options = set(1, &[vec![1, 1, 0, 4, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4]]);
        let sets = [learn(256, PLAIN), options, set(257, &[vec![1; 8]]), set(256, &[plain(1)])];
        let mut varying = template(256, &[(8, 4), (12, 4), (82, u16::MAX), (1, 8)]);
        varying.extend(template(257, &[(0x8001, 4), (0x8002, u16::MAX)]));
        let message = ipfix(0, 0, &[set(2, &[varying]), set(256, &[plain(1), plain(2)])]);
        prop_oneof![Just(v5(0, 9, 1..4)), Just(v9(0, 0, &sets)), Just(message)]
    };
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    let one = (good(), changes, any::<prop::sample::Index>(), any::<bool>());
    let one = one.prop_map(|(mut packet, changes, cut, is_cut)| {
        for (at, byte) in changes {
            let at = at.index(packet.len());
            packet[at] = byte;
        }
        if is_cut {
            packet.truncate(cut.index(packet.len()) + 1);
        }
        packet
    });
    prop::collection::vec(one, 1..8)
}

proptest! {
    #[test]
    fn nothing_that_arrives_does_harm(packets in nearly(), noise in any::<Vec<u8>>()) {
        let (mut decoder, mut flows) = (Decoder::default(), Vec::new());
        for packet in packets.iter().chain([&noise]) {
            let before = flows.len();
            is_export(packet, packet.len());
            decoder.decode(exporter(1), Ts(u64::MAX), packet, &mut flows);
            // A flow takes at least an address and a counter, or both directions as much again;
            // sets that waited may add theirs.
            prop_assert!(flows.len() - before <= 8 * 2 * packet.len().max(256));
        }
        let report = decoder.report();
        let records: u64 = report.flow_exporters.iter().map(|e| e.volume.records).sum();
        prop_assert_eq!(records, report.flow_records);
    }
}
