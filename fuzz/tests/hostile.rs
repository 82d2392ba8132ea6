//! Headers as long as they can claim or be, made by hand: none is trouble.
//!
//! What any bytes must not do is in the targets' bodies; here stand the inputs that
//! nobody would find by changing good ones, because there is so much of them.

use como_core::packet::build::Frame;
use como_core::packet::{LinkType, tunnel};
use como_core::source::{Chunk, Turn};
use como_core::storage::pcapng;
use como_core::time::Ts;
use como_fuzz::{body, named};
use como_sniffers::{netflow, sflow};

/// As much as one packet may hold.
const LONGEST: usize = 250 << 10;

/// Runs a packet target over a packet of this link.
fn packet(target: &str, link: LinkType, bytes: &[u8]) {
    let input = [&[link.0 as u8, 0], bytes].concat();
    (named(target).expect("a target").run)(&input);
}

/// How many packets a source gives before it ends.
fn packets(text: &str, bytes: Vec<u8>) -> usize {
    let mut source = como_sniffers::read(text, Box::new(std::io::Cursor::new(bytes))).expect("one");
    let mut n = 0;
    loop {
        let mut chunk = Chunk::default();
        let turn = source.next(&mut chunk).expect("no flaw");
        n += chunk.packets.len();
        if turn == Turn::End {
            return n;
        }
    }
}

/// A head, then so much of the same as a packet may hold.
fn endless(head: &[u8], of: &[u8]) -> Vec<u8> {
    head.iter().copied().chain(of.iter().copied().cycle()).take(LONGEST).collect()
}

#[test]
fn tags_and_labels_without_end_have_an_end() {
    let macs = [2; 12];
    for of in
        [&[0x81, 0, 0, 1][..], &[0x88, 0xa8, 0, 1], &[0x88, 0x64, 0x11, 0, 0, 1, 0, 9, 0, 0x21]]
    {
        packet("packet", LinkType::ETHERNET, &endless(&macs, of));
    }
    let labels = [&macs[..], &[0x88, 0x47]].concat();
    packet("packet", LinkType::ETHERNET, &endless(&labels, &[0, 0, 0, 64]));
}

#[test]
fn extension_headers_without_end_have_an_end() {
    for next in [0, 43, 44, 51, 60] {
        let mut head = vec![0x60, 0, 0, 0, 0xff, 0xff, next, 64];
        head.extend([0xfe; 32]);
        packet("packet", LinkType::IPV6, &endless(&head, &[next, 0, 0, 0, 0, 0, 0, 0]));
    }
}

#[test]
fn options_of_a_header_are_passed_over() {
    // TCP and IPv4 have at most 40 bytes of them, each of which may be one.
    let mut head = vec![0x4f, 0, 0xff, 0xff, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    head.extend([1; 40]);
    head.extend([0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0xf0, 2, 0, 0, 0, 0, 0, 0]);
    packet("packet", LinkType::IPV4, &endless(&head, &[1]));
}

#[test]
fn receivers_headers_and_elements_without_end_have_an_end() {
    let present = endless(&[0, 0, 0xff, 0xff], &[0xff; 4]);
    packet("wlan", LinkType::RADIOTAP, &present);
    let beacon = [&[0x80][..], &[0; 35]].concat();
    for element in [&[0, 0][..], &[48, 2, 1, 0], &[221, 4, 0, 0x50, 0xf2, 1]] {
        packet("wlan", LinkType::IEEE802_11, &endless(&beacon, element));
    }
    let prism = endless(&[0, 0, 0, 0x44, 0, 0, 0xff, 0xff], &[0, 0, 0x10, 0x44, 0, 0, 4, 0]);
    packet("wlan", LinkType::PRISM, &prism);
}

#[test]
fn tunnels_in_thousands_of_tunnels_are_no_trouble() {
    let mut bytes = vec![0, 9, 0, 9, 0, 8, 0, 0];
    for at in 0..3_000 {
        let total = (bytes.len() + 20) as u16;
        let [high, low] = total.to_be_bytes();
        let proto = if at == 0 { 17 } else { 4 };
        let header = [0x45, 0, high, low, 0, 0, 0, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        bytes.splice(0..0, header);
    }
    packet("tunnel", LinkType::IPV4, &bytes);
    let gre = endless(&bytes[..9], &[0]);
    packet("tunnel", LinkType::IPV4, &gre);
}

#[test]
fn extensions_of_a_tunnels_header_without_end_have_no_inside() {
    // GTP-U, whose extension headers name the next one.
    let head = [0x34, 255, 0xff, 0xff, 0, 0, 0, 4, 0, 0, 0, 0x85];
    let gtp = endless(&head, &[1, 0, 0, 0x85]);
    let frame = Frame::udp("192.0.2.1:9", "192.0.2.2:2152").payload(&gtp[..60_000]);
    let batch = como_core::packet::build::batch_of([frame.clone()]);
    let layers = como_core::packet::Layers::find(LinkType::ETHERNET, batch.data(0), 60_100);
    assert_eq!(tunnel::inner(batch.data(0), &layers, 60_100), None);
    packet("tunnel", LinkType::ETHERNET, &frame.bytes());
}

#[test]
fn an_erf_record_of_nothing_but_extension_headers_is_passed_over() {
    let record = |len: u16| {
        let [high, low] = len.to_be_bytes();
        let head = [0, 0, 0, 0, 1, 0, 0, 0, 0x82, 4, high, low, 0, 0, 0, 60];
        let extension = [0x83, 0, 0, 0, 0, 0, 0, 0];
        let bytes = head.into_iter().chain(extension.into_iter().cycle());
        bytes.take(len.into()).collect::<Vec<u8>>()
    };
    assert_eq!(packets("erf:x", [record(65_528), record(16), record(65_528)].concat()), 0);
}

/// A block of pcapng with so many empty options behind its fields.
fn with_options(kind: u32, fields: &[u32], options: usize) -> Vec<u8> {
    let len = (12 + 4 * fields.len() + 4 * options) as u32;
    let head = [kind, len].into_iter().chain(fields.iter().copied());
    let comments = std::iter::repeat_n(1, options);
    head.chain(comments).chain([len]).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn blocks_of_65_535_options_are_read() {
    let mut file = Vec::new();
    pcapng::put_section(&mut file);
    file.extend(with_options(1, &[1, 0], 65_535));
    file.extend(with_options(6, &[0, 0, 7, 4, 60, 0xdead_beef], 65_535));
    pcapng::put_packet(&mut file, 0, Ts(9), &[1, 2, 3], 60, None);
    assert_eq!(packets("pcap:x", file), 2);
}

#[test]
fn more_interfaces_than_any_section_has_are_an_error() {
    let mut file = Vec::new();
    pcapng::put_section(&mut file);
    (0..70_000).for_each(|_| file.extend(with_options(1, &[1, 0], 0)));
    let mut source = como_sniffers::read("pcap:x", Box::new(std::io::Cursor::new(file.clone())));
    let error = loop {
        let turn = source.as_mut().map(|source| source.next(&mut Chunk::default()));
        match turn {
            Ok(Ok(turn)) => assert_ne!(turn, Turn::End, "no error"),
            Ok(Err(error)) => break error.to_string(),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("more than 65536 interfaces"), "{error}");
    body::pcap(&file);
}

/// One datagram of somebody.
fn sent(datagram: &[u8]) -> Vec<u8> {
    let len = datagram.len().min(0x3fff);
    [&(len as u16).to_be_bytes()[..], &datagram[..len]].concat()
}

#[test]
fn templates_without_end_without_length_and_redefined_are_bounded() {
    use netflow::made::{PLAIN, ipfix, plain, set, template, v9};
    let many: Vec<Vec<u8>> = (256..2_500).map(|id| template(id, &[(8, 4)])).collect();
    let endless: Vec<(u16, u16)> = vec![(8, 0); 4_000];
    let wide: Vec<(u16, u16)> = vec![(8, 4); 4_000];
    let data = set(256, &[vec![0; 8_000]]);
    let claims = [&256u16.to_be_bytes()[..], &[0xff, 0xff], &[0, 8, 0, 4]].concat();
    for templates in [many, vec![template(256, &endless)], vec![template(256, &wide)], vec![claims]]
    {
        let nine = v9(0, 0, &[set(0, &templates), data.clone()]);
        let ten = ipfix(0, 0, &[set(2, &templates), data.clone()]);
        body::netflow(&[sent(&nine), sent(&ten), sent(&nine)].concat());
    }
    // Each packet of many reads its records by a template of its own.
    let packet = |n: usize| {
        let fields = &PLAIN[..8 + n % 3];
        let record = &plain(3)[..fields.iter().map(|(_, len)| usize::from(*len)).sum()];
        sent(&v9(n as u32, 0, &[set(0, &[template(256, fields)]), set(256, &[record.to_vec()])]))
    };
    let redefined: Vec<u8> = (0..300).flat_map(packet).collect();
    assert_eq!(packets("netflow:x", body::carried(&redefined)), 300);
}

#[test]
fn datagrams_that_claim_four_billion_samples_hold_what_they_hold() {
    use sflow::made::{datagram, part, raw, sample, words};
    let one = sample(1, 0, &[raw(1, &Frame::arp("10.0.0.1", "10.0.0.2", true).bytes(), 40)]);
    let mut many = datagram(1, std::slice::from_ref(&one));
    many[24..28].copy_from_slice(&[0xff; 4]);
    assert_eq!(packets("sflow:x", body::carried(&sent(&many))), 1);
    let empty = datagram(1, &vec![part(2, &[]); 2_000]);
    assert_eq!(packets("sflow:x", body::carried(&sent(&empty))), 0);
    let claims = part(2, &words(&[1, 3, u32::MAX]));
    assert_eq!(packets("sflow:x", body::carried(&sent(&datagram(1, &[claims, one])))), 1);
}
