//! Whether packets of which only some fields are known say what a filter asks.
//!
//! A packet made of a record has no VLAN tag and is no ARP, whatever those were
//! that the record counted: to ask it for them is no question.

use super::expr::{Expr, Node};
use super::term::{AddrKey, Arith, Key, Term};
use crate::field::{Field, Fields};
use crate::packet::Layers;

/// Protocols of headers that may stand between IPv6's and the last one's (RFC 7045, and RFC 4302).
const EXTENSIONS: [u8; 8] = [0, 43, 44, 51, 60, 135, 139, 140];

impl Expr {
    /// The first of its terms that packets with only these fields do not answer.
    pub fn unanswered(&self, known: Fields) -> Option<Self> {
        unanswered(&self.0, known, false)
    }
}

/// Recursion is as deep as the filter nests. `is_ip` where what stands beside it passes IP alone,
/// so that whatever is asked of ARP is false.
fn unanswered(node: &Node, known: Fields, is_ip: bool) -> Option<Expr> {
    match node {
        Node::All | Node::None => None,
        Node::And(parts) => {
            let brings_ip = |part: &Node| Expr(part.clone()).brings().has(Field::IpSrc);
            let is_ip = is_ip || parts.iter().any(brings_ip);
            parts.iter().find_map(|part| unanswered(part, known, is_ip))
        }
        Node::Or(parts) => parts.iter().find_map(|part| unanswered(part, known, is_ip)),
        Node::Leaf { term, .. } => {
            let is_arp = match term {
                Term::Found(layers) => *layers == Layers::ARP,
                Term::Address { key, .. } => matches!(key, AddrKey::ArpSrc | AddrKey::ArpDst),
                _ => false,
            };
            let answered = is_arp && is_ip || is_answered(term, known);
            (!answered).then(|| Expr(Node::Leaf { term: term.clone(), negated: false }))
        }
    }
}

fn is_answered(term: &Term, known: Fields) -> bool {
    const TRANSPORT: u32 =
        Layers::TCP | Layers::UDP | Layers::SCTP | Layers::ICMP | Layers::ICMP6 | Layers::PROTO;
    let knows = |field: Field| field.is_free() || known.has(field);
    let key = |key: &Key| matches!(key, Key::Field(field) if knows(*field));
    match term {
        Term::Found(layers) => {
            let proto = layers & TRANSPORT == 0 || knows(Field::IpProto);
            let version = layers & Layers::IP == 0 || knows(Field::IpVersion);
            layers & !(TRANSPORT | Layers::IP) == 0 && proto && version
        }
        Term::Number { key: of, .. } => key(of),
        Term::Address { key: AddrKey::Src, .. } => knows(Field::IpSrc),
        Term::Address { key: AddrKey::Dst, .. } => knows(Field::IpDst),
        Term::Address { .. } => false,
        Term::Chain(proto) => knows(Field::IpProto) && !EXTENSIONS.contains(proto),
        Term::CommunityId(_) => knows(Field::FlowCommunityId),
        Term::Compare { left, right, .. } => {
            let mut all = true;
            for side in [left, right] {
                side.walk(&mut |part| match part {
                    Arith::Key(of) => all &= key(of),
                    Arith::Load { .. } => all = false,
                    _ => {}
                });
            }
            all
        }
        Term::Contains { field, .. } => knows(*field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(filter: &str, known: &[Field], want: bool) {
        let expr = Expr::parse(filter).expect("a filter");
        assert_eq!(expr.unanswered(Fields::of(known)).is_none(), want, "{filter}");
    }

    #[test]
    fn what_nothing_is_known_of_is_not_answered() {
        let ip = [Field::IpVersion, Field::IpSrc, Field::IpDst, Field::IpProto];
        check("", &[], true);
        check("len > 100", &[], true);
        check("arp", &ip, false);
        check("vlan", &ip, false);
        check("not vlan", &ip, false);
        check("ip or arp", &ip, false);
        check("tcp", &[], false);
        check("tcp", &ip, true);
        check("ip6 and src net 2001:db8::/32", &ip, true);
        check("dst port 80", &ip, false);
        check("host 10.0.0.1", &ip, false);
        check("tcp and host 10.0.0.1", &ip, true);
        check("ip and net 10.0.0.0/8", &ip, true);
        check("tcp[13] & 2 != 0", &ip, false);
    }
}
