//! What stands directly behind the addresses of the link: EtherTypes, and the heads of LLC.

use crate::field::Field;
use crate::filter::expr::Expr;
use crate::filter::set::Ranges;
use crate::filter::term::{Arith, Base, Relation};
use crate::packet::Layers;

use super::Parser;
use super::primitive::number;

/// EtherTypes that stand for tags rather than a network header, and the header each one is.
const TAG_TYPES: [(u16, u32); 7] = [
    (0x8100, Layers::VLAN),
    (0x88a8, Layers::VLAN),
    (0x9100, Layers::VLAN),
    (0x9200, Layers::VLAN),
    (0x8847, Layers::MPLS),
    (0x8848, Layers::MPLS),
    (0x8864, Layers::PPPOE),
];

impl Parser<'_> {
    /// `expr` in packets without tags, unless a tag was named to the left.
    pub(super) fn direct(&self, expr: Expr) -> Expr {
        if self.tags.any { expr } else { Expr::all_of([Expr::untagged(), expr]) }
    }

    /// `ether proto N`: the type directly behind the link-layer addresses, or behind the tags
    /// where one was named to the left.
    pub(super) fn ether_proto(&self, value: u16) -> Expr {
        if let Some((_, layer)) = TAG_TYPES.iter().find(|(t, _)| *t == value) {
            return Expr::all_of([Expr::found(*layer), link_bytes(12, 2, value)]);
        }
        self.direct(match value {
            0x0800 => Expr::found(Layers::IPV4),
            0x86dd => Expr::found(Layers::IPV6),
            0x0806 => Expr::found(Layers::ARP),
            // A length: what follows is an LLC header, and the number its DSAP.
            0..1536 => Expr::all_of([Expr::found(Layers::LLC), link_bytes(14, 1, value)]),
            _ => number(Field::EthType, Ranges::of(value.into(), value.into())),
        })
    }

    /// What tcpdump finds by the head of LLC, and `ipx` also by its EtherType.
    pub(super) fn over_llc(&self, name: &str) -> Option<Expr> {
        let llc = |bytes| self.direct(Expr::all_of([Expr::found(Layers::LLC), bytes]));
        match name {
            "stp" => Some(self.ether_proto(0x42)),
            "netbeui" => Some(llc(link_bytes(14, 2, 0xf0f0))),
            "ipx" => {
                let raw = llc(link_bytes(14, 2, 0xffff));
                Some(Expr::any_of([self.ether_proto(0x8137), self.ether_proto(0xe0), raw]))
            }
            _ => None,
        }
    }
}

/// Bytes of the link header that are this number.
fn link_bytes(offset: u32, size: u8, value: u16) -> Expr {
    let load = Arith::Load { base: Base::Link, offset: Box::new(Arith::Const(offset)), size };
    Expr::compare(load, Relation::Eq, Arith::Const(u32::from(value)))
}
