//! Push-down: what the kernel may drop because no running filter can want it.
//!
//! The kernel's language is blind behind tags and extension headers, rejects a
//! packet whole when it reads past its end, and may see frames from which the
//! network card took a VLAN tag. So everything but plain packets passes, and of
//! plain ones all that any filter *might* accept: a superset by construction.
//! It must be compiled as it stands: libpcap's optimizer (1.10.3 at least) makes
//! programs of some such expressions that reject what the expression accepts.

use crate::field::Field;
use crate::packet::Layers;

use super::expr::{Expr, Node};
use super::set::{AddrSet, AddrSpan, Ranges};
use super::term::{AddrKey, Key, Term};

/// What passes whatever the filters ask: short frames, which the kernel must not read beyond
/// their end; all that is no plain IP or ARP, tags among it; IPv4 with options; IPv6 with
/// extension headers. Holds for Ethernet alone.
const OTHERS: &str = "less 53 or not (ip or ip6 or arp or rarp) or (ip and ip[0] != 0x45) or \
     (ip6 and (less 57 or ip6 proto 0 or ip6 proto 43 or ip6 proto 44 or ip6 proto 60))";

/// Values, ranges or networks of one term before it is only asked for its protocol.
const LIST_MAX: usize = 8;
/// The longest expression worth pushing; the kernel's programs are bounded.
const TEXT_BYTES_MAX: usize = 4096;
/// Bytes that the card may have taken out of a frame: one VLAN tag.
const TAG_BYTES: u128 = 4;

/// Which plain packets might be accepted.
enum Might {
    All,
    None,
    These(String),
}

impl Might {
    fn these(text: impl Into<String>) -> Self {
        Self::These(text.into())
    }

    /// Any of these texts, or none.
    fn any(texts: Vec<String>) -> Self {
        match texts.as_slice() {
            [] => Self::None,
            [_] => Self::These(texts.concat()),
            _ => Self::These(format!("({})", texts.join(" or "))),
        }
    }
}

/// A tcpdump expression that accepts, on Ethernet, at least what any of the filters does; `None`
/// where it could drop nothing.
pub fn bpf<'a>(filters: impl Iterator<Item = &'a Expr>) -> Option<String> {
    let mut filters = filters.peekable();
    filters.peek()?;
    let text = match might(&Expr::any_of(filters.cloned()).0) {
        Might::All => return None,
        Might::None => OTHERS.to_owned(),
        Might::These(text) => format!("{OTHERS} or {text}"),
    };
    (text.len() <= TEXT_BYTES_MAX).then_some(text)
}

fn might(node: &Node) -> Might {
    match node {
        Node::All => Might::All,
        Node::None => Might::None,
        // What a term is false for cannot be told from what the kernel cannot read.
        Node::Leaf { negated: true, .. } => Might::All,
        Node::Leaf { term, .. } => leaf(term),
        Node::And(parts) => {
            let mut texts = Vec::new();
            for part in parts {
                match might(part) {
                    Might::All => {}
                    Might::None => return Might::None,
                    Might::These(text) => texts.push(text),
                }
            }
            match texts.as_slice() {
                [] => Might::All,
                [_] => Might::These(texts.concat()),
                _ => Might::These(format!("({})", texts.join(" and "))),
            }
        }
        Node::Or(parts) => {
            let mut texts = Vec::new();
            for part in parts {
                match might(part) {
                    Might::All => return Might::All,
                    Might::None => {}
                    Might::These(text) => texts.push(text),
                }
            }
            Might::any(texts)
        }
    }
}

fn leaf(term: &Term) -> Might {
    match term {
        // The card may have taken the only tag, and what is wrong with a header is not asked there.
        Term::Found(layers) if layers & UNASKED != 0 => Might::All,
        Term::Found(layers) => Might::any(
            FOUND.iter().filter(|(bit, _)| layers & bit != 0).map(|(_, t)| (*t).into()).collect(),
        ),
        Term::Number { key: Key::Field(field), mask, set } => {
            number(*field, *mask == Key::Field(*field).bits(), *mask, set)
        }
        // A second tag or a label is no plain packet.
        Term::Number { .. } => Might::None,
        Term::Address { key: AddrKey::Src, set } => addresses("src", set),
        Term::Address { key: AddrKey::Dst, set } => addresses("dst", set),
        Term::Address { key: AddrKey::ArpSrc | AddrKey::ArpDst, .. } => Might::these("arp"),
        Term::Address { key: AddrKey::InnerSrc | AddrKey::InnerDst, .. } => {
            Might::these("(ip or ip6)")
        }
        Term::Address { key: AddrKey::Exporter, .. } => Might::None,
        Term::Chain(_) | Term::CommunityId(_) | Term::Contains { field: Field::Payload, .. } => {
            Might::these("(ip or ip6)")
        }
        Term::Contains { .. } => Might::None,
        Term::Compare { .. } => Might::All,
    }
}

/// What the kernel's filter cannot tell.
const UNASKED: u32 = Layers::VLAN | Layers::MALFORMED | Layers::TRUNCATED;

/// Headers by the kernel's words; those that no plain packet has are missing.
const FOUND: [(u32, &str); 9] = [
    (Layers::IPV4, "ip"),
    (Layers::IPV6, "ip6"),
    (Layers::ARP, "arp"),
    (Layers::TCP, "tcp"),
    (Layers::UDP, "udp"),
    (Layers::SCTP, "sctp"),
    (Layers::ICMP, "icmp"),
    (Layers::ICMP6, "icmp6"),
    (Layers::FRAGMENT, "(ip and ip[6:2] & 0x3fff != 0)"),
];

fn number(field: Field, whole: bool, mask: u64, set: &Ranges) -> Might {
    use Field as F;
    match field {
        F::Sport => ports("src", "(tcp or udp)", whole, set),
        F::Dport => ports("dst", "(tcp or udp)", whole, set),
        F::SctpSport => ports("src", "sctp", whole, set),
        F::SctpDport => ports("dst", "sctp", whole, set),
        F::IpProto => match values(set).filter(|_| whole) {
            Some(values) => Might::any(
                values.iter().map(|v| format!("(ip proto {v} or ip6 proto {v})")).collect(),
            ),
            None => Might::these("(ip or ip6)"),
        },
        F::TcpFlags => flags(whole, mask, set),
        F::Len if whole => lengths(set),
        F::EthSrc => stations("src", whole, set),
        F::EthDst => stations("dst", whole, set),
        F::EthType => {
            let words = [(0x0800, "ip"), (0x86dd, "ip6"), (0x0806, "arp"), (0x8035, "rarp")];
            let there = words.iter().filter(|(v, _)| !whole || set.contains(*v));
            Might::any(there.map(|(_, word)| (*word).to_owned()).collect())
        }
        _ => header(field),
    }
}

/// One of the ports of a side; where there are too many, what has such ports.
fn ports(side: &str, of: &str, whole: bool, set: &Ranges) -> Might {
    let one = |(low, high): &(u128, u128)| match low == high {
        true => format!("{side} port {low}"),
        false => format!("{side} portrange {low}-{high}"),
    };
    match whole && set.ranges().len() <= LIST_MAX {
        true => Might::any(set.ranges().iter().map(one).collect()),
        false => Might::these(of),
    }
}

/// Lengths between the least and the greatest of a set, of a frame that may lack its tags.
fn lengths(set: &Ranges) -> Might {
    let low = set.ranges().first().map_or(0, |(low, _)| low.saturating_sub(TAG_BYTES));
    let high = set.ranges().last().map_or(0, |(_, high)| *high);
    match (low, high == u128::from(u32::MAX)) {
        (0, true) => Might::All,
        (0, false) => Might::these(format!("less {high}")),
        (_, true) => Might::these(format!("greater {low}")),
        _ => Might::these(format!("(greater {low} and less {high})")),
    }
}

/// One of the link-layer addresses of a side.
fn stations(side: &str, whole: bool, set: &Ranges) -> Might {
    let one = |v: &u128| format!("ether {side} {}", crate::addr::Mac(*v as u64));
    match values(set).filter(|_| whole) {
        Some(values) => Might::any(values.iter().map(one).collect()),
        None => Might::All,
    }
}

/// What has the header that a field is of, whatever its value.
fn header(field: Field) -> Might {
    use Field as F;
    match field {
        F::ArpOp => Might::these("arp"),
        F::IpId | F::IpHlen | F::IpDf => Might::these("ip"),
        F::IpVersion
        | F::IpTtl
        | F::IpTos
        | F::IpLen
        | F::IpMf
        | F::IpOffset
        | F::IpFragment
        | F::SrcAsn
        | F::DstAsn
        | F::SrcCountry
        | F::DstCountry
        | F::PayloadLen => Might::these("(ip or ip6)"),
        F::TcpSeq | F::TcpAckNumber | F::TcpHlen | F::TcpWindow => Might::these("tcp"),
        F::UdpLen => Might::these("udp"),
        F::IcmpType | F::IcmpCode => Might::these("icmp"),
        F::Icmp6Type | F::Icmp6Code => Might::these("icmp6"),
        F::MplsLabel | F::MplsDepth | F::PppoeSession => Might::None,
        // Unknown to the kernel, or taken out of the frame by the card.
        _ => Might::All,
    }
}

/// Flags, where they are tested as tcpdump's language can; IPv6 passes by its protocol alone.
fn flags(whole: bool, mask: u64, set: &Ranges) -> Might {
    let left = if whole { "tcp[13]".to_owned() } else { format!("tcp[13] & {mask}") };
    let test = match set.ranges() {
        [(low, high)] if low == high => format!("{left} == {low}"),
        [(1, high)] if *high == u128::from(mask) => format!("{left} != 0"),
        _ => return Might::these("tcp"),
    };
    Might::these(format!("({test} or (ip6 and tcp))"))
}

/// The numbers of a set, where they are few.
fn values(set: &Ranges) -> Option<Vec<u128>> {
    let mut out = Vec::new();
    for (low, high) in set.ranges() {
        if high - low >= LIST_MAX as u128 {
            return None;
        }
        out.extend(*low..=*high);
    }
    (out.len() <= LIST_MAX).then_some(out)
}

fn addresses(side: &str, set: &AddrSet) -> Might {
    let mut texts = Vec::new();
    let families =
        [("ip", set.only_v4()), ("ip6", AddrSet { v6: set.v6.clone(), ..Default::default() })];
    for (word, set) in families {
        if set.is_empty() {
            continue;
        }
        let nets = set.prefixes();
        if nets.len() > LIST_MAX {
            texts.push(word.to_owned());
            continue;
        }
        texts.extend(nets.iter().map(|net| match AddrSet::prefix(*net).spans().as_slice() {
            [AddrSpan::One(addr)] => format!("{word} {side} host {addr}"),
            _ if net.bits() == 0 => word.to_owned(),
            _ => format!("{word} {side} net {net}"),
        }));
    }
    Might::any(texts)
}
