//! Layers of well-formed, odd and cut packets on Ethernet; other links and properties beside.

use super::*;
use crate::packet::build::Frame;

mod against;
mod links;

/// What a test expects of a packet.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    what: u32,
    l3: u16,
    l4: u16,
    proto: Option<u8>,
}

#[track_caller]
fn check(link: LinkType, bytes: &[u8], what: u32, l3: u16, l4: u16, proto: Option<u8>) -> Layers {
    let layers = Layers::find(link, bytes, bytes.len() as u32);
    let got = Found {
        what: layers.found & !Layers::PROTO,
        l3: layers.l3,
        l4: layers.l4,
        proto: layers.protocol(),
    };
    assert_eq!(got, Found { what, l3, l4, proto }, "{layers:?}");
    layers
}

#[track_caller]
fn check_frame(frame: Frame, what: u32, l3: u16, l4: u16, proto: Option<u8>) -> Layers {
    check(LinkType::ETHERNET, &frame.bytes(), what | Layers::ETHERNET, l3, l4, proto)
}

const A4: &str = "10.0.0.1:1000";
const B4: &str = "10.0.0.2:2000";
const A6: &str = "[fe80::1]:1000";
const B6: &str = "[fe80::2]:2000";
const NONE: u16 = Layers::NONE;

#[test]
fn finds_what_most_packets_are_made_of() {
    use Layers as L;
    check_frame(Frame::tcp(A4, B4), L::IPV4 | L::TCP, 14, 34, Some(6));
    check_frame(Frame::udp(A4, B4), L::IPV4 | L::UDP, 14, 34, Some(17));
    check_frame(Frame::icmp(A4, B4, 8, 0), L::IPV4 | L::ICMP, 14, 34, Some(1));
    check_frame(Frame::tcp(A6, B6), L::IPV6 | L::TCP, 14, 54, Some(6));
    check_frame(Frame::udp(A6, B6), L::IPV6 | L::UDP, 14, 54, Some(17));
    check_frame(Frame::icmp(A6, B6, 128, 0), L::IPV6 | L::ICMP6, 14, 54, Some(58));
    check_frame(Frame::arp(A4, B4, true), L::ARP, 14, NONE, None);
}

#[test]
fn icmp_counts_in_its_own_family_only() {
    let v4 = Frame::ip(A4, B4, 58).payload([0; 8]);
    check_frame(v4, Layers::IPV4, 14, 34, Some(58));
    let v6 = Frame::ip(A6, B6, 1).payload([0; 8]);
    check_frame(v6, Layers::IPV6, 14, 54, Some(1));
}

#[test]
fn looks_through_tags_and_keeps_the_outermost() {
    use Layers as L;
    let what = L::IPV4 | L::TCP | L::VLAN;
    let one = check_frame(Frame::tcp(A4, B4).vlan(0x6007), what, 18, 38, Some(6));
    assert_eq!((one.vlan, one.vlans, one.ethertype), (0x6007, 1, 0x0800));
    let two = check_frame(Frame::tcp(A4, B4).vlan(5).vlan(7), what, 22, 42, Some(6));
    assert_eq!((two.vlan, two.vlans, two.ethertype), (5, 2, 0x0800));
}

#[test]
fn looks_through_labels_and_sessions() {
    use Layers as L;
    let what = L::IPV6 | L::UDP | L::MPLS | L::VLAN;
    let labels = Frame::udp(A6, B6).vlan(1).mpls(16).mpls(17);
    let labels = check_frame(labels, what, 26, 66, Some(17));
    assert_eq!((labels.labels, labels.shim, labels.ethertype), (2, 18, 0x8847));
    let session = Frame::udp(A4, B4).pppoe(3);
    let session = check_frame(session, L::IPV4 | L::UDP | L::PPPOE, 22, 42, Some(17));
    assert_eq!((session.shim, session.ethertype), (14, 0x8864));
    let both = Frame::udp(A4, B4).pppoe(3).mpls(16);
    check_frame(both, L::IPV4 | L::UDP | L::PPPOE | L::MPLS, 26, 46, Some(17));
}

#[test]
fn skips_ip_options_and_extension_headers() {
    use Layers as L;
    let mut options = Frame::udp(A4, B4).payload([0; 8]).bytes();
    options[14] = 0x47;
    check(LinkType::ETHERNET, &options, L::ETHERNET | L::IPV4 | L::UDP, 14, 42, Some(17));
    let chain = Frame::tcp(A6, B6).hop_by_hop();
    check_frame(chain, L::IPV6 | L::TCP, 14, 62, Some(6));
}

#[test]
fn tells_first_and_later_fragments_apart() {
    use Layers as L;
    for (src, dst, family, l3) in [(A4, B4, L::IPV4, 34), (A6, B6, L::IPV6, 62)] {
        let frame = || Frame::udp(src, dst).payload([0; 16]);
        let what = family | L::UDP | L::FRAGMENT;
        check_frame(frame().fragment(0, true), what, 14, l3, Some(17));
        let what = what | L::LATER_FRAGMENT;
        check_frame(frame().fragment(64, true), what, 14, NONE, Some(17));
        check_frame(frame().fragment(64, false), what, 14, NONE, Some(17));
    }
    // A fragment header without a fragmented packet (RFC 6946).
    check_frame(Frame::udp(A6, B6).fragment(0, false), L::IPV6 | L::UDP, 14, 62, Some(17));
}

#[test]
fn upper_layers_that_look_like_extensions_are_not_skipped() {
    for proto in [50, 51, 59, 135] {
        let frame = Frame::ip(A6, B6, proto).payload([0; 16]);
        check_frame(frame, Layers::IPV6, 14, 54, Some(proto));
    }
}

#[test]
fn a_chain_of_extensions_ends_somewhere() {
    let chain = |n: usize| {
        let mut bytes = [60u8, 0, 1, 4, 0, 0, 0, 0].repeat(n);
        bytes[n * 8 - 8] = 17;
        bytes.extend_from_slice(&[0, 1, 0, 2, 0, 8, 0, 0]);
        Frame::ip(A6, B6, 60).payload(bytes)
    };
    check_frame(chain(64), Layers::IPV6 | Layers::UDP, 14, 54 + 64 * 8, Some(17));
    check_frame(chain(65), Layers::IPV6 | Layers::MALFORMED, 14, NONE, None);
}

#[test]
fn an_extension_longer_than_the_packet_still_names_the_protocol() {
    let frame = Frame::ip(A6, B6, 0).payload([6, 255, 0, 0, 0, 0, 0, 0]);
    check_frame(frame, Layers::IPV6 | Layers::TCP | Layers::MALFORMED, 14, NONE, Some(6));
}

#[test]
fn padding_behind_the_ip_packet_is_no_transport_header() {
    let frame = Frame::ip(A4, B4, 6).fragment(0, false).trailer(26);
    let mut bytes = frame.bytes();
    // Says TCP, holds nothing: what follows is Ethernet padding.
    bytes.truncate(14 + 20);
    bytes[16..18].copy_from_slice(&20u16.to_be_bytes());
    bytes.resize(60, 0);
    let what = Layers::IPV4 | Layers::TCP | Layers::MALFORMED | Layers::SHORT | Layers::ETHERNET;
    check(LinkType::ETHERNET, &bytes, what, 14, NONE, Some(6));
    // With four bytes there are ports at least, as in the smallest first fragments.
    bytes[16..18].copy_from_slice(&24u16.to_be_bytes());
    check(LinkType::ETHERNET, &bytes, what, 14, 34, Some(6));
}

#[test]
fn a_length_of_zero_means_up_to_the_end_of_the_frame() {
    let mut bytes = Frame::tcp(A4, B4).payload([7; 100]).bytes();
    bytes[16..18].fill(0);
    check(
        LinkType::ETHERNET,
        &bytes,
        Layers::ETHERNET | Layers::IPV4 | Layers::TCP,
        14,
        34,
        Some(6),
    );
}

#[test]
fn a_version_the_link_does_not_name_is_not_read() {
    for version in [0x55, 0x65, 0x05] {
        let mut bytes = Frame::udp(A4, B4).bytes();
        bytes[14] = version;
        let what = Layers::ETHERNET | Layers::IPV4 | Layers::MALFORMED;
        check(LinkType::ETHERNET, &bytes, what, NONE, NONE, None);
    }
}

#[test]
fn a_header_length_below_the_least_leaves_the_fixed_part() {
    let mut bytes = Frame::udp(A4, B4).bytes();
    bytes[14] = 0x44;
    let what = Layers::ETHERNET | Layers::IPV4 | Layers::UDP | Layers::MALFORMED;
    check(LinkType::ETHERNET, &bytes, what, 14, NONE, Some(17));
}

#[test]
fn a_capture_cut_short_keeps_what_it_holds() {
    use Layers as L;
    let bytes = Frame::tcp(A4, B4).payload([0; 100]).bytes();
    let found = |cap: usize| {
        let l = Layers::find(LinkType::ETHERNET, &bytes[..cap], bytes.len() as u32);
        (l.found & !L::ETHERNET, l.l3, l.l4)
    };
    assert_eq!(found(0), (L::TRUNCATED, NONE, NONE));
    assert_eq!(found(13), (L::TRUNCATED, NONE, NONE));
    assert_eq!(found(14), (L::IPV4 | L::TRUNCATED, NONE, NONE));
    assert_eq!(found(23), (L::IPV4 | L::TRUNCATED, 14, NONE));
    assert_eq!(found(24), (L::IPV4 | L::TCP | L::PROTO | L::TRUNCATED, 14, NONE));
    assert_eq!(found(34), (L::IPV4 | L::TCP | L::PROTO | L::TRUNCATED, 14, NONE));
    assert_eq!(found(35), (L::IPV4 | L::TCP | L::PROTO | L::TRUNCATED, 14, 34));
    assert_eq!(found(54), (L::IPV4 | L::TCP | L::PROTO, 14, 34));
}

#[test]
fn a_packet_of_tags_alone_ends_the_walk() {
    let bytes = [0x81, 0x00].repeat(40_000);
    let layers = Layers::find(LinkType::ETHERNET, &bytes, bytes.len() as u32);
    assert!(layers.has(Layers::MALFORMED) && layers.l3 == NONE);
}

#[test]
fn a_header_beyond_what_an_offset_can_say_is_not_found() {
    let inside = Frame::udp(A4, B4).link(LinkType::RAW).bytes();
    let mut bytes = vec![2, 0, 0, 0];
    for filler in 0..2u8 {
        bytes.extend_from_slice(&[0xfc, 0xff, 20 + filler, 0]);
        bytes.resize(bytes.len() + 0xfffc - 4, 0);
    }
    bytes.extend_from_slice(&[32, 0, 9, 0]);
    bytes.extend_from_slice(&inside);
    check(LinkType::NFLOG, &bytes, Layers::IPV4 | Layers::MALFORMED, NONE, NONE, None);
}

#[test]
fn plain_packets_are_known_as_such_and_no_others() {
    let frames = [
        (Frame::tcp(A4, B4), true),
        (Frame::udp(A4, B4).payload([7; 30]), true),
        (Frame::tcp(A6, B6), false),
        (Frame::tcp(A4, B4).vlan(7), false),
        (Frame::icmp("10.0.0.1", "10.0.0.2", 8, 0), false),
        (Frame::udp(A4, B4), false),
    ];
    let want = frames.iter().enumerate().fold(0, |bits, (at, (_, is))| bits | u64::from(*is) << at);
    let batch = crate::packet::build::batch_of(frames.map(|(frame, _)| frame));
    let data: Vec<&[u8]> = (0..batch.len()).map(|at| batch.data(at)).collect();
    let mut layers = vec![Layers::EMPTY; batch.len()];
    // The last is shorter than what is looked at.
    assert_eq!(Layers::find_all(batch.all(), &data, &mut layers), want);
}
