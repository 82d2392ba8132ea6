//! What a filter says of every packet it passes.
//!
//! Records of `tcp and dst port 80` are of packets whose protocol and port are
//! known, although no column says so.

use super::expr::{Expr, Node};
use super::set::{AddrSpan, Ranges};
use super::term::{AddrKey, Key, Term};
use crate::field::{Field, Fields};
use crate::packet::layers::Layers;
use crate::packet::said::Said;

impl Expr {
    /// The parts of the headers that every packet it passes has in common, as far as its terms
    /// state them one by one.
    pub fn says(&self) -> Said {
        says(&self.0)
    }
}

impl Expr {
    /// The fields that every packet has which it passes, as far as its terms say.
    pub fn brings(&self) -> Fields {
        brings(&self.0)
    }
}

fn brings(node: &Node) -> Fields {
    const TRANSPORT: u32 = Layers::TCP | Layers::UDP | Layers::SCTP | Layers::ICMP | Layers::ICMP6;
    let ip = Fields::with(Field::IpSrc);
    let within = |found: u32, layers: u32| found != 0 && found & !layers == 0;
    match node {
        Node::All => Fields::NONE,
        Node::None => Fields::ALL,
        Node::And(parts) => parts.iter().map(brings).fold(Fields::NONE, Fields::and),
        Node::Or(parts) => parts.iter().map(brings).fold(Fields::ALL, Fields::common),
        Node::Leaf { term, negated: false } => match term {
            Term::Found(found) if within(*found, TRANSPORT) => Fields::with(Field::IpProto),
            Term::Found(found) if within(*found, TRANSPORT | Layers::IP) => ip,
            Term::Number { key: Key::Field(field), .. } => Fields::with(*field),
            Term::Chain(_) => ip,
            // An address may be that of ARP.
            _ => Fields::NONE,
        },
        Node::Leaf { .. } => Fields::NONE,
    }
}

/// Recursion is one step: what is joined by `and` is flat.
fn says(node: &Node) -> Said {
    match node {
        Node::And(parts) => parts.iter().fold(Said::default(), |all, part| match part {
            Node::Leaf { .. } => all.or(says(part)),
            _ => all,
        }),
        Node::Leaf { term, negated: false } => of_term(term),
        _ => Said::default(),
    }
}

fn of_term(term: &Term) -> Said {
    let none = Said::default();
    match term {
        Term::Found(Layers::TCP) => Said { proto: Some(6), ..none },
        Term::Found(Layers::UDP) => Said { proto: Some(17), ..none },
        Term::Found(Layers::SCTP) => Said { proto: Some(132), ..none },
        Term::Found(Layers::ICMP) => Said { proto: Some(1), version: Some(4), ..none },
        Term::Found(Layers::ICMP6) => Said { proto: Some(58), version: Some(6), ..none },
        Term::Found(Layers::IPV4) => Said { version: Some(4), ..none },
        Term::Found(Layers::IPV6) => Said { version: Some(6), ..none },
        Term::Number { key: Key::Field(field), mask, set }
            if *mask == Key::Field(*field).bits() =>
        {
            of_number(*field, set)
        }
        Term::Address { key, set } => match (key, set.spans().as_slice()) {
            (AddrKey::Src, [AddrSpan::One(addr)]) => Said { src: Some(*addr), ..none },
            (AddrKey::Dst, [AddrSpan::One(addr)]) => Said { dst: Some(*addr), ..none },
            _ => none,
        },
        _ => none,
    }
}

fn of_number(field: Field, set: &Ranges) -> Said {
    let none = Said::default();
    let &[(value, last)] = set.ranges() else { return none };
    let (byte, word) = (u8::try_from(value).ok(), u16::try_from(value).ok());
    match field {
        _ if value != last => none,
        Field::IpVersion => Said { version: byte, ..none },
        Field::IpProto => Said { proto: byte, ..none },
        Field::IpTos => Said { tos: byte, ..none },
        Field::EthType => Said { ether_type: word, ..none },
        Field::Sport => Said { sport: word, ..none },
        Field::Dport => Said { dport: word, ..none },
        Field::TcpDport => Said { dport: word, proto: Some(6), ..none },
        Field::TcpSport => Said { sport: word, proto: Some(6), ..none },
        Field::UdpDport => Said { dport: word, proto: Some(17), ..none },
        Field::UdpSport => Said { sport: word, proto: Some(17), ..none },
        _ => none,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(filter: &str, want: Said) {
        assert_eq!(Expr::parse(filter).expect("a filter").says(), want, "{filter}");
    }

    #[track_caller]
    fn check_brings(filter: &str, want: &[Field]) {
        let brought = Expr::parse(filter).expect("a filter").brings();
        assert_eq!(brought.without(Fields::NONE).collect::<Vec<_>>(), want, "{filter}");
    }

    #[test]
    fn what_all_packets_have_is_known() {
        let ip = [Field::IpVersion, Field::IpSrc, Field::IpDst];
        let proto = |field: Field| {
            let mut all = vec![ip[0], field, Field::IpProto, ip[1], ip[2]];
            all.sort();
            all.dedup();
            all
        };
        check_brings("", &[]);
        check_brings("tcp", &proto(Field::IpProto));
        check_brings("tcp or udp", &proto(Field::IpProto));
        check_brings("not tcp", &[]);
        check_brings("tcp or arp", &[]);
        check_brings("len > 100", &[Field::Len]);
        check_brings("dport == 53", &proto(Field::Dport));
        check_brings("dport == 53 or not ip", &[]);
        check_brings("host 10.0.0.1", &[]);
    }

    #[test]
    fn what_all_packets_have_in_common_is_said() {
        let none = Said::default();
        check("", none);
        check("tcp", Said { proto: Some(6), ..none });
        check("not tcp", none);
        check("tcp or udp", none);
        check("udp and dport == 53", Said { proto: Some(17), dport: Some(53), ..none });
        check("ip.proto == 47 and ip.tos != 0", Said { proto: Some(47), ..none });
        check("ip.version == 6", Said { version: Some(6), ..none });
        let host = "10.0.0.1".parse().expect("an address");
        check("ip.dst == 10.0.0.1", Said { dst: Some(host), ..none });
        check("ip.dst in 10.0.0.0/8", none);
    }
}
