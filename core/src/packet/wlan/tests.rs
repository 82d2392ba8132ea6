//! Frames and receivers' headers by their bytes.

use super::elements::Security;
use super::*;
use crate::batch::Batch;
use crate::field::{Demand, Field, FieldValue};
use crate::packet::Layers;
use crate::packet::build::{Frame as Made, batch_of};

const ONE: [u8; 6] = [2, 0, 0, 0, 0, 1];
const TWO: [u8; 6] = [2, 0, 0, 0, 0, 2];
const THREE: [u8; 6] = [2, 0, 0, 0, 0, 3];
const FOUR: [u8; 6] = [2, 0, 0, 0, 0, 4];

/// A header with the addresses in order, sequence number 0xabc and fragment number 0.
fn header(control: [u8; 2]) -> Vec<u8> {
    let start = [&control[..], &[0, 0], &ONE, &TWO, &THREE, &[0xc0, 0xab]].concat();
    if control[1] & 3 == 3 { [&start[..], &FOUR].concat() } else { start }
}

const SNAP: [u8; 8] = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];

/// A data frame that carries a UDP packet behind `between`.
fn data(control: [u8; 2], between: &[u8]) -> Vec<u8> {
    let ip = Made::udp("10.0.0.1:1000", "10.0.0.2:2000").link(LinkType::RAW).bytes();
    [&header(control)[..], between, &SNAP, &ip].concat()
}

/// A management frame of this subtype with these fixed fields and elements.
fn management(subtype: u8, fixed: &[u8], elements: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = [&header([subtype << 4, 0])[..], fixed].concat();
    for (id, body) in elements {
        out.extend([*id, body.len() as u8]);
        out.extend(*body);
    }
    out
}

fn decoded(link: LinkType, bytes: &[u8]) -> Batch {
    let mut batch = batch_of([Made::raw(link, bytes)]);
    batch.decode(Demand::NONE.layers());
    batch
}

#[track_caller]
fn fields(link: LinkType, bytes: &[u8], want: &[(Field, Option<FieldValue<'_>>)]) {
    let batch = decoded(link, bytes);
    for (field, want) in want {
        assert_eq!(batch.value(0, *field), *want, "{}", field.name());
    }
}

/// Whether UDP is found behind these bytes, or what is marked instead.
#[track_caller]
fn carries(link: LinkType, bytes: &[u8], want: Result<(), u32>) {
    let batch = decoded(link, bytes);
    let marks = Layers::MALFORMED | Layers::TRUNCATED;
    let layers = batch.layers(0);
    let got = if layers.has(Layers::UDP) { Ok(()) } else { Err(layers.found & marks) };
    assert_eq!(got, want, "{layers:?}");
}

fn mac(bytes: [u8; 6]) -> Option<FieldValue<'static>> {
    Some(FieldValue::Mac(crate::addr::Mac::new(bytes)))
}

fn uint(value: u32) -> Option<FieldValue<'static>> {
    Some(FieldValue::Uint(value))
}

const BARE: LinkType = LinkType::IEEE802_11;

#[test]
fn packets_are_found_behind_every_shape_of_data_frame() {
    for (control, between) in [
        ([0x08, 0], &[][..]),
        ([0x08, TO_DS], &[]),
        ([0x08, FROM_DS | TO_DS], &[]),
        ([0x88, FROM_DS], &[7, 0]),
        ([0x88, 3], &[7, 0]),
        ([0x88, ORDER], &[7, 0, 1, 2, 3, 4]),
        // An aggregate: addresses and length of the first packet in it.
        ([0x88, 0], &[0x80, 0, 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 0, 36]),
    ] {
        carries(BARE, &data(control, between), Ok(()));
    }
    let layers = *decoded(BARE, &data([0x88, 3], &[7, 0])).layers(0);
    assert_eq!((layers.l3, layers.ethertype), (40, 0x0800));
    assert!(layers.has(Layers::LLC) && layers.has(Layers::WLAN));
}

#[test]
fn what_cannot_be_looked_into_is_left_alone() {
    carries(BARE, &data([0x08, PROTECTED], &[]), Err(0));
    carries(BARE, &data([0x48, 0], &[]), Err(0));
    carries(BARE, &data([0x0c, 0], &[]), Err(0));
    let mut later = data([0x08, 0], &[]);
    later[22] = 0xc1;
    carries(BARE, &later, Err(0));
    carries(BARE, &data([0x09, 0], &[]), Err(Layers::MALFORMED));
    carries(BARE, &header([0x08, 0])[..20], Err(Layers::MALFORMED));
    let mut cut = batch_of([Made::raw(BARE, data([0x08, 0], &[])).cap(26)]);
    cut.decode(Demand::NONE.layers());
    assert!(cut.layers(0).has(Layers::TRUNCATED));
}

#[test]
fn addresses_play_their_parts_by_direction() {
    use Field as F;
    let check = |control: [u8; 2], [dst, src, bssid, ra, ta]: [Option<[u8; 6]>; 5]| {
        let of = |address: Option<[u8; 6]>| address.and_then(mac);
        let want = [
            (F::WlanDst, of(dst)),
            (F::WlanSrc, of(src)),
            (F::WlanBssid, of(bssid)),
            (F::WlanRa, of(ra)),
            (F::WlanTa, of(ta)),
            (F::EthSrc, of(src)),
            (F::EthDst, of(dst)),
        ];
        fields(BARE, &header(control), &want);
    };
    let (one, two, three, four) = (Some(ONE), Some(TWO), Some(THREE), Some(FOUR));
    check([0x08, 0], [one, two, three, one, two]);
    check([0x08, FROM_DS], [one, three, two, one, two]);
    check([0x08, TO_DS], [three, two, one, one, two]);
    check([0x08, 3], [three, four, None, one, two]);
    check([0x80, 0], [one, two, three, one, two]);
    // A request to send and its clearance.
    check([0xb4, 0], [None, None, None, one, two]);
    check([0xc4, 0], [None, None, None, one, None]);
}

#[test]
fn the_header_tells_kind_flags_and_number() {
    use Field as F;
    let flag = |yes: bool| Some(FieldValue::Bool(yes));
    let want = [
        (F::WlanType, uint(2)),
        (F::WlanSubtype, uint(8)),
        (F::WlanToDs, flag(true)),
        (F::WlanFromDs, flag(false)),
        (F::WlanRetry, flag(true)),
        (F::WlanProtected, flag(true)),
        (F::WlanSeq, uint(0xabc)),
        (F::WlanFrag, uint(0)),
    ];
    fields(BARE, &header([0x88, TO_DS | RETRY | PROTECTED]), &want);
    fields(BARE, &header([0xd4, 0]), &[(F::WlanSeq, None), (F::WlanType, uint(1))]);
    fields(LinkType::ETHERNET, &[0; 40], &[(F::WlanType, None), (F::WlanSrc, None)]);
}

#[test]
fn beacons_name_their_network() {
    use Field as F;
    let beacon = management(8, &[0; 12], &[(0, b"guests"), (1, &[2]), (3, &[11]), (61, &[6, 0])]);
    let want = [(F::WlanSsid, Some(FieldValue::Bytes(b"guests"))), (F::WlanChannel, uint(11))];
    fields(BARE, &beacon, &want);
    let hidden = management(5, &[0; 12], &[(0, b""), (61, &[36, 0])]);
    let want = [(F::WlanSsid, Some(FieldValue::Bytes(b""))), (F::WlanChannel, uint(36))];
    fields(BARE, &hidden, &want);
    fields(
        BARE,
        &management(4, &[], &[(0, b"x")]),
        &[(F::WlanSsid, Some(FieldValue::Bytes(b"x")))],
    );
    let long = management(8, &[0; 12], &[(0, &[b'x'; 33])]);
    fields(BARE, &long, &[(F::WlanSsid, None), (F::WlanChannel, None)]);
    let lying = management(8, &[0; 12], &[(1, &[2])]);
    fields(BARE, &[&lying[..], &[0, 200, b'x']].concat(), &[(F::WlanSsid, None)]);
    fields(BARE, &data([0x08, 0], &[]), &[(F::WlanSsid, None), (F::WlanSecurity, None)]);
}

#[test]
fn security_is_the_best_that_is_offered() {
    let rsn = |keys: &[u8]| {
        let cipher = [0x00, 0x0f, 0xac, 4];
        let suites: Vec<u8> = keys.iter().flat_map(|key| [0x00, 0x0f, 0xac, *key]).collect();
        let count = [keys.len() as u8, 0];
        [&[1, 0][..], &cipher, &[1, 0], &cipher, &count, &suites, &[0, 0]].concat()
    };
    let private = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11, 0];
    let wpa = [0x00, 0x50, 0xf2, 1, 1, 0];
    let check = |fixed: [u8; 12], elements: &[(u8, &[u8])], want: Security| {
        let beacon = management(8, &fixed, elements);
        let frame = Frame::new(&beacon).expect("a frame");
        assert_eq!(frame.security(), Some(want));
    };
    check([0; 12], &[(0, b"x")], Security::Open);
    check(private, &[(0, b"x")], Security::Wep);
    check(private, &[(221, &[0, 0x50, 0xf2, 2]), (221, &wpa)], Security::Wpa);
    check(private, &[(221, &wpa), (48, &rsn(&[2]))], Security::Wpa2);
    check(private, &[(48, &rsn(&[2, 8]))], Security::Wpa3);
    check(private, &[(48, &rsn(&[12]))], Security::Wpa3);
    check(private, &[(48, &rsn(&[18]))], Security::Owe);
    check(private, &[(48, &[1, 0, 0])], Security::Wpa2);
    check(private, &[(48, &[1, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0])], Security::Wpa2);
    let probe = management(4, &[], &[(0, b"x")]);
    assert_eq!(Frame::new(&probe).and_then(Frame::security), None);
}

/// A radiotap header with these fields present, as their bytes stand, and its length.
fn radiotap(present: u32, rest: &[u8]) -> Vec<u8> {
    let len = (8 + rest.len() as u16).to_le_bytes();
    [&[0, 0][..], &len, &present.to_le_bytes(), rest].concat()
}

#[track_caller]
fn received(link: LinkType, header: &[u8], want: [Option<i32>; 5]) {
    let all = [Radio::Signal, Radio::Noise, Radio::Channel, Radio::Frequency, Radio::Rate];
    let bytes = [header, &header_of_data()].concat();
    assert_eq!(all.map(|what| value(link, &bytes, what)), want);
    carries(link, &bytes, Ok(()));
    for cap in 0..bytes.len() {
        for what in all {
            let _ = value(link, &bytes[..cap], what);
        }
        Layers::find(link, &bytes[..cap], bytes.len() as u32);
    }
}

fn header_of_data() -> Vec<u8> {
    data([0x08, 0], &[])
}

#[test]
fn radiotap_fields_stand_at_their_alignment() {
    // Time stamp, flags, rate, channel, signal, noise.
    let fields = [&[9; 8][..], &[0, 22], &[0x6c, 9, 0xa0, 0], &[0xc4, 0xa1]].concat();
    let want = [Some(-60), Some(-95), Some(1), Some(2412), Some(11_000)];
    received(LinkType::RADIOTAP, &radiotap(0x6f, &fields), want);
    // Rate, then a byte that aligns the channel; no signal.
    let fields = [12, 0, 0x3c, 0x14, 0x40, 1];
    let want = [None, None, Some(36), Some(5180), Some(6_000)];
    received(LinkType::RADIOTAP, &radiotap(0xc, &fields), want);
    // A second word speaks of one antenna, and its field is not the radio's.
    let fields = [0x20, 0, 0, 0, 0xce, 0xba];
    let want = [Some(-50), None, None, None, None];
    received(LinkType::RADIOTAP, &radiotap(0x8000_0020, &fields), want);
    received(LinkType::RADIOTAP, &radiotap(0, &[]), [None; 5]);
}

#[test]
fn rates_follow_from_the_modulation() {
    let rate = |present: u32, fields: &[u8]| {
        value(LinkType::RADIOTAP, &radiotap(present, fields), Radio::Rate)
    };
    // Known, flags, index: 20 and 40 MHz, long and short guard intervals.
    assert_eq!(rate(1 << 19, &[3, 0, 7]), Some(65_000));
    assert_eq!(rate(1 << 19, &[7, 5, 15]), Some(300_000));
    assert_eq!(rate(1 << 19, &[1, 0, 7]), None);
    // Known, flags, bandwidth, scheme and streams of four users, and more.
    let vht = |flags, bandwidth, user| [4, 0, flags, bandwidth, user, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(rate(1 << 21, &vht(4, 4, 0x91)), Some(433_333));
    assert_eq!(rate(1 << 21, &vht(0, 11, 0x92)), Some(1_560_000));
    assert_eq!(rate(1 << 21, &vht(0, 0, 0xf1)), None);
}

#[test]
fn channels_of_every_band() {
    let channel = |frequency: u16| {
        let fields = [&frequency.to_le_bytes()[..], &[0, 0]].concat();
        value(LinkType::RADIOTAP, &radiotap(8, &fields), Radio::Channel)
    };
    for (frequency, want) in
        [(2412, 1), (2472, 13), (2484, 14), (4920, 184), (5180, 36), (5885, 177), (5955, 1)]
    {
        assert_eq!(channel(frequency), Some(want), "{frequency} MHz");
    }
    assert_eq!(channel(900), None);
}

#[test]
fn padding_and_check_sequences_are_as_radiotap_says() {
    let flags = |flags: u8| radiotap(2, &[flags]);
    let padded = data([0x88, 0], &[0, 0, 0, 0]);
    carries(LinkType::RADIOTAP, &[&flags(0x20)[..], &padded].concat(), Ok(()));
    carries(LinkType::RADIOTAP, &[&flags(0x40)[..], &padded].concat(), Err(Layers::MALFORMED));
    // What stands at the end is no element.
    let beacon = management(8, &[0; 12], &[(1, &[2])]);
    let tail = [&beacon[..], &[0, 2, b'n', b'o']].concat();
    let name = |flag| decoded_ssid(&[&flags(flag)[..], &tail].concat());
    assert_eq!((name(0x10), name(0)), (None, Some(b"no".to_vec())));
}

fn decoded_ssid(bytes: &[u8]) -> Option<Vec<u8>> {
    Frame::of(LinkType::RADIOTAP, bytes)?.ssid().map(<[u8]>::to_vec)
}

#[test]
fn avs_headers_say_how_the_signal_is_meant() {
    let header = |kind: u32, signal: i32, noise: i32| {
        let mut out = vec![0x80, 0x21, 0x10, 1, 0, 0, 0, 64];
        out.resize(64, 0);
        for (at, value) in [(28, 6), (32, 110), (44, kind), (48, signal as u32), (52, noise as u32)]
        {
            out[at..at + 4].copy_from_slice(&value.to_be_bytes());
        }
        out
    };
    for link in [LinkType::AVS, LinkType::PRISM] {
        let want = |signal, noise| [signal, noise, Some(6), None, Some(11_000)];
        received(link, &header(2, -40, 0), want(Some(-40), Some(0)));
        received(link, &header(3, -40, 70), want(Some(-40), None));
    }
    let mut lying = header(2, 0, 0);
    lying[7] = 9;
    carries(LinkType::AVS, &lying, Err(Layers::MALFORMED));
}

#[test]
fn prism_items_are_numbered_in_two_ways_and_byte_orders() {
    let header = |big: bool, shift: u32, signal: u32| {
        let word = |x: u32| if big { x.to_be_bytes() } else { x.to_le_bytes() };
        let mut out = [word(0x44), word(144)].concat();
        out.resize(24, b'w');
        for nth in 1..=10 {
            let data = match nth {
                3 => 11,
                6 => signal,
                8 => 22,
                _ => 0,
            };
            out.extend([word(nth << shift | 0x44), word(4 << 16), word(data)].concat());
        }
        out
    };
    for (big, shift) in [(false, 12), (false, 16), (true, 12)] {
        let want = |signal| [signal, None, Some(11), None, Some(11_000)];
        received(LinkType::PRISM, &header(big, shift, 200), want(Some(-56)));
        received(LinkType::PRISM, &header(big, shift, (-56i32) as u32), want(Some(-56)));
        received(LinkType::PRISM, &header(big, shift, 40), want(None));
    }
}

#[test]
fn headers_that_lie_are_malformed() {
    for (link, bytes) in [
        (LinkType::RADIOTAP, &[1, 0, 8, 0, 0, 0, 0, 0, 8, 0][..]),
        (LinkType::RADIOTAP, &[0, 0, 7, 0, 0, 0, 0, 0, 8, 0]),
        (LinkType::RADIOTAP, &[0, 0, 200, 0, 0, 0, 0, 0, 8, 0]),
        (LinkType::RADIOTAP, &[0, 0, 255, 255, 0, 0, 0, 0]),
        (LinkType::AVS, &[0; 12]),
        (LinkType::PRISM, &[0; 12]),
        (LinkType::PRISM, &[0x44, 0, 0, 0, 255, 255, 255, 255, 0]),
    ] {
        carries(link, bytes, Err(Layers::MALFORMED));
    }
}
