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
        let mut found = None;
        self.terms(&mut |term| {
            if found.is_none() && !is_answered(term, known) {
                found = Some(Self(Node::Leaf { term: term.clone(), negated: false }));
            }
        });
        found
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
        check("tcp[13] & 2 != 0", &ip, false);
    }
}
