//! Files in MaxMind's format, made here by its description (MaxMind DB 2.0).

use super::*;

/// How a file ends: the mark, and a description that is none.
pub const TAIL: &[u8] = b"\xab\xcd\xefMaxMind.com\xe1\x4anode_count\xc1\x01";

/// A value of the data section.
#[derive(Clone)]
enum Data {
    Text(&'static str),
    Short(u16),
    Number(u32),
    Long(u64),
    Map(Vec<(&'static str, Data)>),
    EmptyList,
    /// Bytes as they are.
    Raw(Vec<u8>),
}

use Data::{EmptyList, Long, Map, Number, Raw, Short, Text};

impl Data {
    /// Its bytes: a type and size, then the value. Nothing here is very long.
    fn encode(&self) -> Vec<u8> {
        match self {
            Text(text) if text.len() < 29 => {
                [&[0x40 | text.len() as u8][..], text.as_bytes()].concat()
            }
            Text(text) => [&[0x5d, text.len() as u8 - 29][..], text.as_bytes()].concat(),
            Short(number) => [&[0xa2][..], &number.to_be_bytes()].concat(),
            EmptyList => vec![0, 4],
            Raw(bytes) => bytes.clone(),
            Long(number) => [&[8, 2][..], &number.to_be_bytes()].concat(),
            Number(number) => [&[0xc4][..], &number.to_be_bytes()].concat(),
            Map(pairs) => {
                let mut bytes = vec![0xe0 | pairs.len() as u8];
                for (key, value) in pairs {
                    bytes.extend(Text(key).encode());
                    bytes.extend(value.encode());
                }
                bytes
            }
        }
    }
}

/// A file of IPv6 with these networks; those of IPv4 stand below `::/96`.
fn file(networks: &[(&str, u8, Data)]) -> Vec<u8> {
    // A side of a node is nothing, another node, or the place of an entry.
    #[derive(Clone, Copy)]
    enum Side {
        Nothing,
        Node(usize),
        Entry(usize),
    }
    let (mut nodes, mut data) = (vec![[Side::Nothing; 2]], Vec::new());
    for (text, len, entry) in networks {
        let addr: Addr = text.parse().expect("an address");
        let len = if addr.is_v6() { *len } else { 96 + len };
        let mut node = 0;
        for at in 0..len {
            let side = usize::from(addr.bits() >> (127 - at) & 1 == 1);
            if at + 1 == len {
                nodes[node][side] = Side::Entry(data.len());
            } else if let Side::Node(next) = nodes[node][side] {
                node = next;
            } else {
                nodes[node][side] = Side::Node(nodes.len());
                node = nodes.len();
                nodes.push([Side::Nothing; 2]);
            }
        }
        data.extend(entry.encode());
    }
    let count = nodes.len();
    let mut bytes = Vec::new();
    for side in nodes.into_iter().flatten() {
        let record = match side {
            Side::Nothing => count,
            Side::Node(node) => node,
            Side::Entry(place) => count + 16 + place,
        };
        bytes.extend(&(record as u32).to_be_bytes()[1..]);
    }
    bytes.extend([0; 16]);
    bytes.extend(data);
    bytes.extend(b"\xab\xcd\xefMaxMind.com");
    let description = Map(vec![
        ("node_count", Number(count as u32)),
        ("record_size", Short(24)),
        ("ip_version", Short(6)),
        ("database_type", Text("Made-Here")),
        ("binary_format_major_version", Short(2)),
        ("binary_format_minor_version", Short(0)),
        ("build_epoch", Long(1)),
        ("description", Map(vec![])),
        ("languages", EmptyList),
    ]);
    bytes.extend(description.encode());
    bytes
}

#[test]
fn networks_of_both_families_say_their_as() {
    let asn = |number| {
        Map(vec![
            ("autonomous_system_number", Number(number)),
            ("autonomous_system_organization", Text("Somebody")),
        ])
    };
    let content = file(&[
        ("10.0.0.0", 8, asn(64512)),
        ("192.0.2.0", 24, Map(vec![("asn", Text("AS64513"))])),
        ("2001:db8::", 32, asn(4_200_000_000)),
        ("198.51.100.0", 24, Map(vec![("name", Text("nobody"))])),
    ]);
    let want = [
        ("10.9.9.9", Some(64512)),
        ("192.0.2.1", Some(64513)),
        ("2001:db8::1", Some(4_200_000_000)),
        ("198.51.100.1", None),
        ("11.0.0.1", None),
        // No address of the table, though it holds the bits of one.
        ("::a09:909", None),
    ];
    check(Subject::Asn, &content, &want);
}

#[test]
fn networks_say_their_country_in_every_shape() {
    let content = file(&[
        (
            "10.0.0.0",
            8,
            Map(vec![
                ("city", Map(vec![("geoname_id", Number(1))])),
                ("country", Map(vec![("geoname_id", Number(2)), ("iso_code", Text("DE"))])),
            ]),
        ),
        ("11.0.0.0", 8, Map(vec![("country", Text("FR"))])),
        ("12.0.0.0", 8, Map(vec![("country", Text("Italy")), ("country_code", Text("IT"))])),
        ("13.0.0.0", 8, Map(vec![("continent", Text("EU"))])),
        ("14.0.0.0", 8, Map(vec![("country", Text("Spain"))])),
    ]);
    let code = |text: &str| text.parse::<Code>().ok().map(Code::kept);
    let want = [
        ("10.0.0.1", code("DE")),
        ("11.0.0.1", code("FR")),
        ("12.0.0.1", code("IT")),
        ("13.0.0.1", None),
        ("14.0.0.1", None),
    ];
    check(Subject::Country, &content, &want);
}

#[test]
fn a_file_about_something_else_is_refused() {
    let content = file(&[("10.0.0.0", 8, Map(vec![("name", Text("somebody"))]))]);
    refused(Subject::Asn, &content, "a file of type `Made-Here` says no asn");
}

#[test]
fn a_damaged_file_is_refused() {
    let mut content = file(&[("10.0.0.0", 8, Map(vec![("asn", Text("AS1"))]))]);
    // The root leads back to itself.
    content[..6].fill(0);
    assert!(table(Subject::Asn, &content).is_err_and(|error| error.starts_with("is damaged")));
}

#[test]
fn nodes_that_are_no_tree_are_refused_before_they_are_walked() {
    let mut content = file(&[("10.0.0.0", 8, Map(vec![("asn", Text("AS1"))]))]);
    // Both sides of each node lead to the next one: 2 to the power of 104 networks.
    for node in 0..103u8 {
        let next = [0, 0, node + 1];
        content[usize::from(node) * 6..][..6].copy_from_slice(&[next, next].concat());
    }
    refused(Subject::Asn, &content, "is damaged: its nodes are no tree");
}

#[test]
fn entries_that_lead_to_one_large_one_again_and_again_are_refused() {
    // A map with a list of 2,285 times false, and pointers to it.
    let list = [&[0x1e, 4, 7, 0xd0][..], &[0, 7].repeat(2_285)].concat();
    let large = Map(vec![("asn", Text("AS1")), ("x", Raw(list))]);
    let check = |pointers: usize, is_fine: bool| {
        let names: Vec<String> =
            (0..=pointers).map(|n| format!("10.{}.{}.0", n / 256, n % 256)).collect();
        let entry = |n| if n == 0 { large.clone() } else { Raw(vec![0x20, 0]) };
        let networks: Vec<_> =
            names.iter().enumerate().map(|(n, name)| (name.as_str(), 24, entry(n))).collect();
        let read = read(Subject::Asn, "made", &file(&networks)[..]);
        match read {
            Ok(table) => assert!(is_fine && table.prefixes() == pointers + 1),
            Err(error) => {
                let error = error.to_string();
                assert!(!is_fine && error.contains("share their values too often"), "{error}");
            }
        }
    };
    check(10, true);
    check(1_000, false);
}
