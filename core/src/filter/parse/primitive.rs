//! The words of CoMo and tcpdump: qualifiers with their values, and words that stand alone.

use std::ops::Range;

use crate::field::Field;
use crate::filter::FilterError;
use crate::filter::expr::{Expr, TAGS};
use crate::filter::lex::Token;
use crate::filter::names::{self, lookup};
use crate::filter::set::Ranges;
use crate::filter::term::{AddrKey, Arith, Base, Key, Relation};
use crate::packet::Layers;

use super::{Parser, Piece, Result};

/// What stands before a value: which protocol, which side, what kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub proto: Option<&'static str>,
    pub side: Side,
    pub kind: Kind,
}

/// Which end of a conversation a qualifier speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// No word: either.
    Any,
    Src,
    Dst,
    /// `src and dst`.
    Both,
}

/// What kind of value a qualifier takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No word: an address or network.
    Plain,
    Host,
    Net,
    /// Ports of TCP, UDP or SCTP, one or a range.
    Port,
    /// CoMo's `sport` and `dport`, of TCP or UDP.
    Sport,
    Proto,
    Chain,
    /// CoMo's `asn`: the AS of an address, looked up.
    Asn,
}

/// Words that may follow a protocol's name to say more.
const QUALIFIERS: [&str; 12] = [
    "asn",
    "src",
    "dst",
    "host",
    "addr",
    "net",
    "port",
    "portrange",
    "proto",
    "protochain",
    "gateway",
    "mask",
];

/// Words whose number stands for itself: the next one needs the word again.
const COUNTED: [&str; 7] = ["vlan", "mpls", "pppoes", "less", "greater", "input", "output"];

impl Parser<'_> {
    /// The condition that begins with this word, which has been taken; none if it is no such word.
    pub(super) fn primitive(&mut self, name: &str, at: &Range<usize>) -> Result<Option<Piece>> {
        if let Some((proto, _)) = protocol(name) {
            return self.protocol_word(proto, at).map(Some);
        }
        if matches!(name, "ether" | "link") {
            return self.ether_word(name, at);
        }
        if QUALIFIERS.contains(&name) && name != "mask" {
            return self.qualified(None, name, at).map(|e| Some(Piece::Is(e)));
        }
        if matches!(name, "sport" | "dport") {
            return self.port_of(if name == "sport" { Side::Src } else { Side::Dst });
        }
        self.head = None;
        self.counted = COUNTED.into_iter().find(|word| *word == name);
        let expr = match name {
            "all" => Expr::ALL,
            "untagged" => Expr::untagged(),
            "vlan" => self.vlan()?,
            "mpls" => self.mpls()?,
            "pppoes" => {
                self.tags.any = true;
                match self.count_value(0xffff)? {
                    Some(id) => number(Field::PppoeSession, Ranges::of(id, id)),
                    None => Expr::found(Layers::PPPOE),
                }
            }
            "less" | "greater" => {
                let Some(len) = self.count_value(u64::from(u32::MAX))? else {
                    return Err(self.expected("a length in bytes", None));
                };
                let op = if name == "less" { Relation::Le } else { Relation::Ge };
                number(Field::Len, op.set(len as u64, u64::from(u32::MAX)))
            }
            "broadcast" => broadcast(),
            "multicast" => multicast(),
            "input" | "output" | "exporter" => self.reported(name)?,
            word => match self.over_llc(word) {
                Some(expr) => expr,
                None => return Ok(None),
            },
        };
        Ok(Some(Piece::Is(expr)))
    }

    /// The ports of a side, as CoMo writes them: `sport 80`. `sport < 80` is the field.
    fn port_of(&mut self, side: Side) -> Result<Option<Piece>> {
        let (token, _) = self.lexer.peek()?;
        let (text, _) = self.lexer.peek_value();
        let value = text.starts_with(|c: char| c != '-') && !names::is_word(text);
        if !value && !matches!(token, Token::Op("(")) {
            return Ok(None);
        }
        let head = Head { proto: None, side, kind: Kind::Sport };
        self.values(head).map(|expr| Some(Piece::Is(expr)))
    }

    /// A protocol's name: alone, with qualifiers, or with header bytes.
    fn protocol_word(&mut self, proto: &'static str, at: &Range<usize>) -> Result<Piece> {
        if self.follows("[")? {
            return self.header_bytes(proto, at);
        }
        let (_, next) = self.lexer.peek()?;
        let next = self.lexer.slice(next).to_owned();
        if QUALIFIERS.contains(&next.as_str()) {
            let (_, at) = self.take()?;
            return self.qualified(Some(proto), &next, &at).map(Piece::Is);
        }
        self.head = None;
        let v4 = |low: [u8; 4], high: [u8; 4]| {
            use crate::filter::set::AddrSet;
            let (low, high) = (crate::addr::Addr::v4(low), crate::addr::Addr::v4(high));
            AddrSet::between(low, high)
        };
        use crate::filter::term::AddrKey::Dst;
        let expr = match (proto, next.as_str()) {
            ("ip", "broadcast") => {
                let all = v4([255; 4], [255; 4]).union(&v4([0; 4], [0; 4]));
                Expr::address(Dst, all)
            }
            ("ip", "multicast") => Expr::address(Dst, v4([224, 0, 0, 0], [255; 4])),
            ("ip6", "multicast") => Expr::address(Dst, super::value::multicast6()),
            _ => return Ok(Piece::Is(protocol(proto).map_or(Expr::NONE, |(_, expr)| expr))),
        };
        self.take()?;
        Ok(Piece::Is(expr))
    }

    /// `ether` or `link`: with header bytes, an address, a protocol. `link` is also a field.
    fn ether_word(&mut self, name: &str, at: &Range<usize>) -> Result<Option<Piece>> {
        if self.follows("[")? {
            let (value, end) = self.load(Base::Link)?;
            return Ok(Some(Piece::Number { value, named: None, at: at.start..end }));
        }
        let (_, next_at) = self.lexer.peek()?;
        let next = self.lexer.slice(next_at).to_owned();
        let expr = match next.as_str() {
            "broadcast" | "multicast" => {
                self.take()?;
                self.head = None;
                if next == "broadcast" { broadcast() } else { multicast() }
            }
            word if QUALIFIERS.contains(&word) => {
                let (_, at) = self.take()?;
                self.qualified(Some("ether"), &next, &at)?
            }
            _ if name == "link" => return Ok(None),
            _ => {
                let want = "`src`, `dst`, `host`, `proto`, `broadcast`, `multicast` or `[`";
                return Err(self.expected(&format!("{want} behind `{name}`"), None));
            }
        };
        Ok(Some(Piece::Is(expr)))
    }

    /// Qualifiers, the first of which has been taken, and the values they qualify.
    fn qualified(
        &mut self,
        proto: Option<&'static str>,
        first: &str,
        at: &Range<usize>,
    ) -> Result<Expr> {
        let mut word = first.to_owned();
        let mut word_at = at.clone();
        let mut side = Side::Any;
        if matches!(first, "src" | "dst") {
            side = self.side(first)?;
            let (_, next) = self.lexer.peek()?;
            word = self.lexer.slice(next.clone()).to_owned();
            if QUALIFIERS.contains(&word.as_str())
                && !matches!(word.as_str(), "src" | "dst" | "mask")
            {
                self.take()?;
                word_at = next;
            } else {
                word.clear();
            }
        }
        let kind = match word.as_str() {
            "" => Kind::Plain,
            "host" | "addr" => Kind::Host,
            "net" => Kind::Net,
            "port" | "portrange" => Kind::Port,
            "proto" => Kind::Proto,
            "protochain" => Kind::Chain,
            "asn" => Kind::Asn,
            word => {
                let why = lookup(names::UNAVAILABLE, word)
                    .unwrap_or("it stands only between a network and its mask");
                let word = word.to_owned();
                return Err(FilterError::Unavailable { word, why, at: word_at });
            }
        };
        // `addr asn N` is CoMo's as well.
        let kind = if word == "addr" && self.takes("asn")? { Kind::Asn } else { kind };
        let head = Head { proto, side, kind };
        head.check(&(at.start..self.end))?;
        self.values(head)
    }

    /// The side that `src` or `dst`, which has been taken, begins: also `src or dst`.
    fn side(&mut self, first: &str) -> Result<Side> {
        let (one, other, word) = match first {
            "src" => (Side::Src, "dst", Side::Any),
            _ => (Side::Dst, "src", Side::Any),
        };
        let Some(and) = self.joiner()? else { return Ok(one) };
        let before = self.lexer;
        self.take()?;
        if self.takes(other)? {
            return Ok(if and { Side::Both } else { word });
        }
        self.lexer = before;
        Ok(one)
    }

    /// A value, or several in parentheses, under the same qualifiers.
    pub(super) fn values(&mut self, head: Head) -> Result<Expr> {
        self.head = Some(head);
        let mut negated = false;
        while self.follows("!")? || self.follows("not")? {
            self.take()?;
            negated = !negated;
        }
        let expr = if self.follows("(")? { self.value_group(head)? } else { self.value(head)? };
        Ok(if negated { expr.not() } else { expr })
    }

    /// Values joined by `and` and `or` in parentheses: `port (80 or 443)`.
    fn value_group(&mut self, head: Head) -> Result<Expr> {
        let (_, open) = self.take()?;
        self.depth += 1;
        if self.depth > super::DEPTH_MAX {
            return Err(super::too_deep(open));
        }
        let mut expr = self.values(head)?;
        let mut changes = 0;
        let mut last = None;
        while let Some(and) = self.joiner()? {
            let (_, at) = self.take()?;
            changes += usize::from(last.is_some_and(|last| last != and));
            if changes + self.depth > super::DEPTH_MAX {
                return Err(super::too_deep(at));
            }
            last = Some(and);
            let part = self.values(head)?;
            expr = super::joined(and, vec![expr, part]);
        }
        self.depth -= 1;
        self.must(")")?;
        Ok(expr)
    }

    /// `exporter A`, and `input N` and `output N`, interfaces of it.
    fn reported(&mut self, name: &str) -> Result<Expr> {
        let field = match name {
            "input" => Field::ExporterInput,
            "output" => Field::ExporterOutput,
            _ => return Ok(Expr::address(AddrKey::Exporter, self.network(Kind::Host)?)),
        };
        match self.count_value(u64::from(u32::MAX))? {
            Some(number) => Ok(self::number(field, Ranges::of(number, number))),
            None => Err(self.expected("the number of an interface", None)),
        }
    }

    /// `vlan`, `vlan N`: the first speaks of the outermost tag, the next of the one inside.
    fn vlan(&mut self) -> Result<Expr> {
        let id = self.count_value(0xfff)?;
        self.tags.any = true;
        self.tags.vlans = self.tags.vlans.saturating_add(1);
        Ok(self.nth(self.tags.vlans, id, Field::VlanId, Field::VlanDepth, Key::Vlan))
    }

    /// `mpls`, `mpls N`: the first speaks of the outermost label, the next of the one inside.
    fn mpls(&mut self) -> Result<Expr> {
        let label = self.count_value(0xf_ffff)?;
        self.tags.any = true;
        self.tags.labels = self.tags.labels.saturating_add(1);
        Ok(self.nth(self.tags.labels, label, Field::MplsLabel, Field::MplsDepth, Key::Mpls))
    }

    fn nth(
        &self,
        nth: u8,
        value: Option<u128>,
        outer: Field,
        depth: Field,
        inner: fn(u8) -> Key,
    ) -> Expr {
        match value {
            None => number(depth, Ranges::of(u128::from(nth), 255)),
            Some(v) if nth == 1 => number(outer, Ranges::of(v, v)),
            Some(v) => Expr::number(inner(nth), Ranges::of(v, v)),
        }
    }

    /// A number up to `max` that may follow, perhaps in parentheses.
    pub(super) fn count_value(&mut self, max: u64) -> Result<Option<u128>> {
        let before = (self.lexer, self.end);
        let mut open = 0;
        while self.follows("(")? {
            self.take()?;
            open += 1;
        }
        let (Token::Number(value), at) = self.lexer.peek()? else {
            (self.lexer, self.end) = before;
            return Ok(None);
        };
        self.take()?;
        for _ in 0..open {
            self.must(")")?;
        }
        if value > max {
            let why = format!("{value} is too great: at most {max}");
            return Err(FilterError::Value { why, at, hint: None });
        }
        Ok(Some(u128::from(value)))
    }

    /// `tcp[13]`, `ip[6:2]`: bytes of a header where tcpdump finds it: directly behind the link
    /// header unless a tag was named before, and behind IPv4 for all but `ip6` and `icmp6`.
    fn header_bytes(&mut self, proto: &'static str, at: &Range<usize>) -> Result<Piece> {
        self.head = None;
        let base = match proto {
            "ip" => Base::Ip4,
            "ip6" => Base::Ip6,
            "arp" | "rarp" => Base::Arp,
            _ => Base::Transport,
        };
        let (load, end) = self.load(base)?;
        if base == Base::Transport && proto != "icmp6" {
            self.guards.push(Expr::found(Layers::IPV4));
        }
        let own = protocol(proto).map_or(Expr::NONE, |(_, expr)| expr);
        let own = self.direct(own);
        self.guards.push(own);
        let value = match &load {
            Arith::Load { offset, size, .. } => match **offset {
                Arith::Const(offset) => field_at(proto, offset, *size),
                _ => None,
            },
            _ => None,
        };
        let value = value.map_or(load, |field| Arith::Key(Key::Field(field)));
        Ok(Piece::Number { value, named: None, at: at.start..end })
    }
}

impl Head {
    /// Refuses qualifiers that make no sense together.
    fn check(self, at: &Range<usize>) -> Result<()> {
        let proto = self.proto.unwrap_or("");
        let (fits, hint) = match self.kind {
            Kind::Port | Kind::Sport => (
                matches!(proto, "" | "tcp" | "udp" | "sctp"),
                "ports are those of tcp, udp and sctp",
            ),
            Kind::Proto if self.side == Side::Any => (
                matches!(proto, "" | "ip" | "ip6" | "ether"),
                "write `proto`, `ip proto` or `ip6 proto`",
            ),
            Kind::Chain if self.side == Side::Any => (
                matches!(proto, "" | "ip" | "ip6"),
                "write `protochain`, `ip protochain` or `ip6 protochain`",
            ),
            Kind::Proto | Kind::Chain => (false, "a protocol has no `src` or `dst`"),
            Kind::Asn => (
                proto.is_empty(),
                "write `asn`, `src asn` or `dst asn`; `and` joins it to a protocol",
            ),
            Kind::Plain | Kind::Host if proto == "ether" => (true, ""),
            Kind::Plain | Kind::Host | Kind::Net => (
                matches!(proto, "" | "ip" | "ip6" | "arp" | "rarp"),
                "addresses are those of ip, ip6, arp and rarp; ports are written `tcp port 80`",
            ),
        };
        if fits {
            return Ok(());
        }
        Err(FilterError::Mismatch {
            why: "these words do not go together".to_owned(),
            at: at.clone(),
            hint: Some(hint.to_owned()),
        })
    }
}

/// The packets of a protocol, by its word.
pub fn protocol(name: &str) -> Option<(&'static str, Expr)> {
    if let Some((word, layer)) = names::LAYERS.iter().find(|(n, _)| *n == name) {
        return Some((word, Expr::found(*layer)));
    }
    if let Some((word, proto, v4)) = names::TRANSPORTS.iter().find(|(n, ..)| *n == name) {
        let expr = number(Field::IpProto, Ranges::of((*proto).into(), (*proto).into()));
        let family = if *v4 { Layers::IPV4 } else { Layers::IP };
        return Some((word, if *v4 { Expr::all_of([Expr::found(family), expr]) } else { expr }));
    }
    let (word, value) = names::ETHER_TYPES.iter().find(|(n, _)| *n == name)?;
    let value = u128::from(*value);
    Some((word, number(Field::EthType, Ranges::of(value, value))))
}

/// The field that these bytes of a header are, so that they are read from a column.
fn field_at(proto: &str, offset: u32, size: u8) -> Option<Field> {
    Some(match (proto, offset, size) {
        ("ip", 1, 1) => Field::IpTos,
        ("ip", 2, 2) => Field::IpLen,
        ("ip", 4, 2) => Field::IpId,
        ("ip", 8, 1) => Field::IpTtl,
        ("ip", 9, 1) => Field::IpProto,
        ("tcp" | "udp", 0, 2) => Field::Sport,
        ("tcp" | "udp", 2, 2) => Field::Dport,
        ("tcp", 4, 4) => Field::TcpSeq,
        ("tcp", 8, 4) => Field::TcpAckNumber,
        ("tcp", 13, 1) => Field::TcpFlags,
        ("tcp", 14, 2) => Field::TcpWindow,
        ("udp", 4, 2) => Field::UdpLen,
        ("icmp", 0, 1) => Field::IcmpType,
        ("icmp", 1, 1) => Field::IcmpCode,
        ("icmp6", 0, 1) => Field::Icmp6Type,
        ("icmp6", 1, 1) => Field::Icmp6Code,
        _ => return None,
    })
}

/// A field in a set.
pub fn number(field: Field, set: Ranges) -> Expr {
    Expr::number(Key::Field(field), set)
}

fn broadcast() -> Expr {
    let all = (1 << 48) - 1;
    number(Field::EthDst, Ranges::of(all, all))
}

fn multicast() -> Expr {
    // The lowest bit of the first byte.
    let bit = 1 << 40;
    Expr::masked(Key::Field(Field::EthDst), bit, Ranges::of(u128::from(bit), u128::from(bit)))
}

const _: () = assert!(TAGS == Layers::VLAN | Layers::MPLS | Layers::PPPOE);
