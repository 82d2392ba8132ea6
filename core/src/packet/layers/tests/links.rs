//! Every link type, from literal bytes.

use super::*;

/// An IPv4 UDP packet of 28 bytes, and one in IPv6 of 48.
fn packets() -> [(Vec<u8>, u32, u16); 2] {
    let raw = |src, dst| Frame::udp(src, dst).link(LinkType::RAW).bytes();
    [(raw(A4, B4), Layers::IPV4, 20), (raw(A6, B6), Layers::IPV6, 40)]
}

/// Checks that both packets are found behind these headers.
#[track_caller]
fn behind(link: LinkType, head4: &[u8], head6: &[u8], also: u32) {
    for ((packet, family, header), head) in packets().into_iter().zip([head4, head6]) {
        let bytes = [head, &packet].concat();
        let at = head.len() as u16;
        check(link, &bytes, family | Layers::UDP | also, at, at + header, Some(17));
        for cap in 0..bytes.len() {
            Layers::find(link, &bytes[..cap], bytes.len() as u32);
        }
    }
}

#[test]
fn raw_links_start_with_ip() {
    for link in [LinkType::RAW, LinkType::RAW_BSD, LinkType::RAW_OPENBSD] {
        behind(link, &[], &[], 0);
    }
    let [(v4, ..), (v6, ..)] = packets();
    check(LinkType::IPV4, &v4, Layers::IPV4 | Layers::UDP, 0, 20, Some(17));
    check(LinkType::IPV6, &v6, Layers::IPV6 | Layers::UDP, 0, 40, Some(17));
    check(LinkType::RAW, &[0x50, 0, 0], 0, NONE, NONE, None);
}

#[test]
fn loopback_families_are_read_in_either_byte_order() {
    for link in [LinkType::NULL, LinkType::LOOP] {
        for six in [10, 24, 28, 30] {
            behind(link, &[2, 0, 0, 0], &[six, 0, 0, 0], 0);
            behind(link, &[0, 0, 0, 2], &[0, 0, 0, six], 0);
        }
    }
    check(LinkType::NULL, &[7, 0, 0, 0, 0x45], 0, NONE, NONE, None);
}

#[test]
fn ppp_with_and_without_framing_and_compression() {
    for link in [LinkType::PPP, LinkType::PPP_HDLC] {
        behind(link, &[0xff, 3, 0, 0x21], &[0xff, 3, 0, 0x57], 0);
        behind(link, &[0, 0x21], &[0, 0x57], 0);
        behind(link, &[0x21], &[0x57], 0);
        let labels = [0xff, 3, 2, 0x81, 0, 1, 1, 64];
        behind(link, &labels, &labels, Layers::MPLS);
        behind(link, &[0x0f, 0, 8, 0], &[0x8f, 0, 0x86, 0xdd], 0);
    }
    behind(LinkType::PPP_WITH_DIR, &[1, 0xff, 3, 0, 0x21], &[0, 0xff, 3, 0, 0x57], 0);
    behind(
        LinkType::PPPOE,
        &[0x11, 0, 0, 1, 0, 30, 0, 0x21],
        &[0x11, 0, 0, 1, 0, 50, 0, 0x57],
        Layers::PPPOE,
    );
    check(LinkType::PPP, &[0xff, 3, 0xc0, 0x21, 1], 0, NONE, NONE, None);
}

#[test]
fn cisco_hdlc_carries_ethertypes() {
    behind(LinkType::CHDLC, &[0x0f, 0, 8, 0], &[0x8f, 0, 0x86, 0xdd], 0);
    check(LinkType::CHDLC, &[0x8f, 0, 0x80, 0x35, 0, 0], 0, NONE, NONE, None);
}

#[test]
fn cooked_captures_of_both_versions() {
    let head = |kind: [u8; 2]| {
        let mut head = [0u8; 16];
        head[14..].copy_from_slice(&kind);
        head
    };
    behind(LinkType::LINUX_SLL, &head([8, 0]), &head([0x86, 0xdd]), 0);
    let mut tagged = [0u8; 20];
    tagged[14..].copy_from_slice(&[0x81, 0, 0, 9, 8, 0]);
    let mut tagged6 = tagged;
    tagged6[18..].copy_from_slice(&[0x86, 0xdd]);
    behind(LinkType::LINUX_SLL, &tagged, &tagged6, Layers::VLAN);
    let head2 = |kind: [u8; 2]| {
        let mut head = [0u8; 20];
        head[..2].copy_from_slice(&kind);
        head
    };
    behind(LinkType::LINUX_SLL2, &head2([8, 0]), &head2([0x86, 0xdd]), 0);
    let mut netlink = head([8, 0]);
    netlink[2..4].copy_from_slice(&824u16.to_be_bytes());
    check(LinkType::LINUX_SLL, &netlink, 0, NONE, NONE, None);
}

#[test]
fn llc_with_and_without_snap() {
    let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
    let snap6 = [0xaa, 0xaa, 3, 0, 0, 0, 0x86, 0xdd];
    let ring = |llc: &[u8]| [&[0x50][..], &[0; 12], llc].concat();
    behind(LinkType::FDDI, &ring(&snap), &ring(&snap6), Layers::LLC);
    behind(LinkType::ATM_RFC1483, &snap, &snap6, Layers::LLC);
    let ethernet = |llc: &[u8]| [&[0; 12][..], &[0, 60], llc].concat();
    let also = Layers::LLC | Layers::ETHERNET;
    behind(LinkType::ETHERNET, &ethernet(&snap), &ethernet(&snap6), also);
    let tagged = |llc: &[u8]| [&[0; 12][..], &[0x81, 0, 0, 5, 0, 60], llc].concat();
    behind(LinkType::ETHERNET, &tagged(&snap), &tagged(&snap6), also | Layers::VLAN);
    let (ip, ..) = packets()[0].clone();
    let plain = [&ethernet(&[6, 6, 3])[..], &ip].concat();
    check(LinkType::ETHERNET, &plain, also | Layers::IPV4 | Layers::UDP, 17, 37, Some(17));
    let spanning_tree = ethernet(&[0x42, 0x42, 3, 0, 0]);
    check(LinkType::ETHERNET, &spanning_tree, also, NONE, NONE, None);
    let token = [&[0x80][..], &[0; 20]].concat();
    check(LinkType::FDDI, &token, 0, NONE, NONE, None);
}

#[test]
fn tags_of_every_kind() {
    for kind in [[0x81, 0x00], [0x88, 0xa8], [0x91, 0x00]] {
        let head = |last: [u8; 2]| [&[0; 12][..], &kind, &[0, 1], &kind, &[0, 2], &last].concat();
        let also = Layers::ETHERNET | Layers::VLAN;
        behind(LinkType::ETHERNET, &head([8, 0]), &head([0x86, 0xdd]), also);
    }
}

#[test]
fn a_provider_backbone_is_a_tag_with_addresses() {
    let head =
        |last: [u8; 2]| [&[0; 12][..], &[0x88, 0xa8, 0, 9, 0x88, 0xe7], &[0; 16], &last].concat();
    let also = Layers::ETHERNET | Layers::VLAN;
    behind(LinkType::ETHERNET, &head([8, 0]), &head([0x86, 0xdd]), also);
}

#[test]
fn netfilter_attributes_in_either_byte_order() {
    // A two-byte prefix (padded to four) stands before the packet.
    let little = |family| [family, 0, 0, 5, 6, 0, 10, 0, b'x', 0, 0, 0, 32, 0, 9, 0];
    let big = |family| [family, 0, 0, 5, 0, 6, 0, 10, b'x', 0, 0, 0, 0, 32, 0, 9];
    behind(LinkType::NFLOG, &little(2), &little(10), 0);
    behind(LinkType::NFLOG, &big(2), &big(10), 0);
    let endless = [2, 0, 0, 0, 0, 0, 1, 0];
    check(LinkType::NFLOG, &endless, Layers::MALFORMED, NONE, NONE, None);
}

#[test]
fn labels_carry_what_their_first_nibble_says() {
    let head = [&[0; 12][..], &[0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64]].concat();
    behind(LinkType::ETHERNET, &head, &head, Layers::ETHERNET | Layers::MPLS);
    // A pseudowire's control word: what follows is a tunnel.
    let wire = [&head[..], &[0, 0, 0, 0], &[0x45; 40]].concat();
    check(LinkType::ETHERNET, &wire, Layers::ETHERNET | Layers::MPLS, NONE, NONE, None);
}

#[test]
fn a_session_header_of_another_version_is_malformed() {
    let other = [0x21, 0, 0, 1, 0, 30, 0, 0x21, 0x45];
    check(LinkType::PPPOE, &other, Layers::MALFORMED, NONE, NONE, None);
    let discovery = [0x11, 9, 0, 1, 0, 0];
    check(LinkType::PPPOE, &discovery, Layers::PPPOE, NONE, NONE, None);
}

#[test]
fn unsupported_links_are_named_and_left_alone() {
    for (link, name) in [
        (LinkType(197), "ERF (197)"),
        (LinkType(160), "user-defined (160)"),
        (LinkType(9999), "unknown (9999)"),
    ] {
        assert!(!link.is_supported(), "{link}");
        assert_eq!(link.to_string(), name);
        check(link, &[0x45; 60], 0, NONE, NONE, None);
    }
}
