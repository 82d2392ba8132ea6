//! Canonical text: what an expression prints as, which parses to the same expression.
//!
//! Words whose meaning hangs on what stands before them (`vlan`, `ip[8]`) are
//! never written, only the names that always mean the same (`vlan.depth >= 1`,
//! `ip.header[8]`).

use std::fmt::{self, Write as _};

use crate::addr::Mac;
use crate::field::{Code, Field, Kind, decode_int};
use crate::packet::Layers;

use super::expr::{Expr, FLAGS, Node, TAGS};
use super::names;
use super::set::{AddrSet, Ranges};
use super::term::{AddrKey, Arith, Key, Term};

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&node(&self.0).text)
    }
}

/// A part's text, and whether it holds an `and` or `or` outside parentheses.
struct Text {
    text: String,
    compound: bool,
}

impl Text {
    fn simple(text: impl Into<String>) -> Self {
        Self { text: text.into(), compound: false }
    }

    fn joined(parts: Vec<String>, by: &str) -> Self {
        Self { compound: parts.len() > 1, text: parts.join(by) }
    }

    fn enclosed(self) -> String {
        if self.compound { format!("({})", self.text) } else { self.text }
    }
}

fn node(of: &Node) -> Text {
    match of {
        Node::All => Text::simple("all"),
        Node::None => Text::simple("not all"),
        Node::Leaf { term, negated: false } => positive(term),
        Node::Leaf { term: Term::Found(TAGS), .. } => Text::simple("untagged"),
        Node::Leaf { term, .. } => Text::simple(format!("not {}", positive(term).enclosed())),
        Node::And(parts) => {
            Text::joined(parts.iter().map(|part| node(part).enclosed()).collect(), " and ")
        }
        Node::Or(parts) => {
            let mut rest: Vec<&Node> = parts.iter().collect();
            let mut words = hosts(&mut rest);
            words.extend(ports(&mut rest));
            let others = rest.into_iter().map(|part| match part {
                Node::And(_) => node(part).enclosed(),
                _ => node(part).text,
            });
            let mut all: Vec<String> = others.collect();
            all.append(&mut words);
            Text::joined(all, " or ")
        }
    }
}

fn positive(term: &Term) -> Text {
    match term {
        Term::Found(layers) => found(*layers),
        Term::Number { key, mask, set } => Text::simple(number(*key, *mask, set)),
        Term::Address { key, set } => Text::simple(address(*key, set)),
        Term::Chain(proto) => Text::simple(format!("protochain {proto}")),
        Term::Compare { left, op, right } => {
            Text::simple(format!("{} {} {}", arith(left, false), op.text(), arith(right, false)))
        }
        Term::CommunityId(id) => {
            Text::simple(format!("{} == \"{id}\"", Field::FlowCommunityId.name()))
        }
        Term::Contains { field, whole, bytes } => {
            let relation = if *whole { "==" } else { "contains" };
            Text::simple(format!("{} {relation} {}", field.name(), quoted(bytes)))
        }
    }
}

fn found(layers: u32) -> Text {
    if layers == TAGS {
        return Text::simple("not untagged");
    }
    let special = [
        (Layers::VLAN, "vlan.depth >= 1"),
        (Layers::MPLS, "mpls.depth >= 1"),
        (Layers::PPPOE, "pppoes"),
        (Layers::FRAGMENT, "ip.fragment"),
        (Layers::MALFORMED, "malformed"),
        (Layers::TRUNCATED, "truncated"),
    ];
    let words = names::LAYERS.iter().map(|(name, bit)| (*bit, *name)).chain(special);
    let parts = words.filter(|(bit, _)| layers & bit != 0).map(|(_, name)| name.to_owned());
    Text::joined(parts.collect(), " or ")
}

fn number(key: Key, mask: u64, set: &Ranges) -> String {
    let name = key.name();
    let one = u128::from(mask);
    let full = mask == key.bits();
    if key == Key::Field(Field::TcpFlags)
        && let Some((flag, _)) = FLAGS.iter().find(|(_, bit)| *bit == mask)
        && *set == Ranges::of(one, one)
    {
        return flag.name().to_owned();
    }
    let kind = match key {
        Key::Field(field) => field.kind(),
        _ => Kind::Uint,
    };
    match kind {
        Kind::Bool if *set == Ranges::of(1, 1) => return name,
        Kind::Mac if !full => return "ether multicast".to_owned(),
        _ => {}
    }
    let value = |v: u128| match kind {
        Kind::Mac => Mac(v as u64).to_string(),
        Kind::Int => decode_int(v as u32).to_string(),
        Kind::Code => code(v as u32),
        _ => v.to_string(),
    };
    // Addresses are in no order that a filter could name.
    let is_mac = kind == Kind::Mac;
    let max = u128::from(if full { key.limit() } else { mask });
    let left = if full { name } else { format!("{name} & {mask:#x}") };
    let rest = set.complement(max);
    match (set.ranges(), rest.ranges()) {
        ([(low, high)], _) if low == high => format!("{left} == {}", value(*low)),
        (_, [(low, high)]) if low == high && (is_mac || !full || (0 < *low && *low < max)) => {
            format!("{left} != {}", value(*low))
        }
        ([(0, high)], _) if *high < max && !is_mac => format!("{left} <= {}", value(*high)),
        ([(low, high)], _) if *high == max && !is_mac => format!("{left} >= {}", value(*low)),
        ([(low, high)], _) => format!("{left} in {}..{}", value(*low), value(*high)),
        (ranges, _) => {
            let each = ranges.iter().map(|(low, high)| match low == high {
                true => value(*low),
                false => format!("{}..{}", value(*low), value(*high)),
            });
            format!("{left} in {{{}}}", each.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A code by its letters; by its number where that is the edge of a range and no code.
fn code(kept: u32) -> String {
    let text = Code::from_kept(kept).to_string();
    match text.parse::<Code>() {
        Ok(code) if code.kept() == kept => format!("\"{text}\""),
        _ => kept.to_string(),
    }
}

fn address(key: AddrKey, set: &AddrSet) -> String {
    let name = key.name();
    // ARP carries IPv4 alone, so that "any but" leaves IPv4 only.
    let mut rest = set.complement();
    if matches!(key, AddrKey::ArpSrc | AddrKey::ArpDst) {
        rest = rest.only_v4();
    }
    match (set.spans().as_slice(), rest.spans().as_slice()) {
        ([super::set::AddrSpan::Between(low, high)], _) => format!("{name} in {low}..{high}"),
        ([one], _) => format!("{name} == {one}"),
        (_, [one @ (super::set::AddrSpan::One(_) | super::set::AddrSpan::Net(_))]) => {
            format!("{name} != {one}")
        }
        (many, _) => {
            let each: Vec<String> = many.iter().map(ToString::to_string).collect();
            format!("{name} in {{{}}}", each.join(", "))
        }
    }
}

fn arith(of: &Arith, inside: bool) -> String {
    match of {
        Arith::Const(value) => value.to_string(),
        Arith::Key(key) => key.name(),
        Arith::Load { base, offset, size: 1 } => {
            format!("{}[{}]", base.text(), arith(offset, false))
        }
        Arith::Load { base, offset, size } => match &**offset {
            Arith::Const(offset) => format!("{}[{offset}:{size}]", base.text()),
            // In parentheses, because `sport:2` is a range of ports.
            offset => format!("{}[({}):{size}]", base.text(), arith(offset, false)),
        },
        Arith::Negate(inner) => format!("-{}", arith(inner, true)),
        Arith::Binary(op, left, right) => {
            let text = format!("{} {} {}", arith(left, true), op.text(), arith(right, true));
            if inside { format!("({text})") } else { text }
        }
    }
}

fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for b in bytes {
        match b {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(*b));
            }
            b' '..=b'~' => text.push(char::from(*b)),
            // Writing to a string cannot fail.
            _ => _ = write!(text, "\\x{b:02x}"),
        }
    }
    text.push('"');
    text
}

/// Takes out of an `or` the terms that together are `host`, `src host` or `dst host`.
fn hosts(parts: &mut Vec<&Node>) -> Vec<String> {
    const KEYS: [AddrKey; 4] = [AddrKey::Src, AddrKey::Dst, AddrKey::ArpSrc, AddrKey::ArpDst];
    let sets = KEYS.map(|key| {
        parts.iter().find_map(|part| match part {
            Node::Leaf { term: Term::Address { key: k, set }, negated: false } if *k == key => {
                Some(set.clone())
            }
            _ => None,
        })
    });
    let empty = AddrSet::default();
    let [src, dst, arp_src, arp_dst] = &sets;
    let with_arp =
        |ip: &AddrSet, arp: &Option<AddrSet>| ip.only_v4() == *arp.as_ref().unwrap_or(&empty);
    let mut texts = Vec::new();
    let mut used: Vec<AddrKey> = Vec::new();
    match (src, dst) {
        (Some(a), Some(b)) if a == b && with_arp(a, arp_src) && with_arp(a, arp_dst) => {
            texts.extend(nets(a, ""));
            used.extend(KEYS);
        }
        _ => {
            let sides = [
                (src, arp_src, "src ", [AddrKey::Src, AddrKey::ArpSrc]),
                (dst, arp_dst, "dst ", [AddrKey::Dst, AddrKey::ArpDst]),
            ];
            for (ip, arp, word, keys) in sides {
                if let (Some(ip), Some(_)) = (ip, arp)
                    && with_arp(ip, arp)
                {
                    texts.extend(nets(ip, word));
                    used.extend(keys);
                }
            }
        }
    }
    parts.retain(|part| match part {
        Node::Leaf { term: Term::Address { key, .. }, negated: false } => !used.contains(key),
        _ => true,
    });
    texts
}

fn nets(set: &AddrSet, word: &str) -> Vec<String> {
    let one = |prefix: &crate::addr::Prefix| {
        if prefix.bits() == prefix.addr().width() {
            format!("{word}host {}", prefix.addr())
        } else {
            format!("{word}net {prefix}")
        }
    };
    set.prefixes().iter().map(one).collect()
}

/// Takes out of an `or` the terms that together are `port`, `src port` or `dst port`.
fn ports(parts: &mut Vec<&Node>) -> Vec<String> {
    const KEYS: [Field; 4] = [Field::Sport, Field::SctpSport, Field::Dport, Field::SctpDport];
    let field_of = |part: &&Node| match part {
        Node::Leaf {
            term: Term::Number { key: Key::Field(field), mask: 0xffff, .. },
            negated: false,
        } => Some(*field),
        _ => None,
    };
    let [sport, sctp_sport, dport, sctp_dport] = KEYS.map(|field| {
        let part = parts.iter().find(|part| field_of(part) == Some(field))?;
        match part {
            Node::Leaf { term: Term::Number { set, .. }, .. } => Some(set),
            _ => None,
        }
    });
    let mut texts = Vec::new();
    let mut used: Vec<Field> = Vec::new();
    let src = sport.is_some() && sport == sctp_sport;
    let dst = dport.is_some() && dport == sctp_dport;
    match (sport, dport) {
        (Some(set), Some(_)) if src && dst && sport == dport => {
            texts.extend(port_ranges(set, ""));
            used.extend(KEYS);
        }
        _ => {
            if let Some(set) = sport.filter(|_| src) {
                texts.extend(port_ranges(set, "src "));
                used.extend([Field::Sport, Field::SctpSport]);
            }
            if let Some(set) = dport.filter(|_| dst) {
                texts.extend(port_ranges(set, "dst "));
                used.extend([Field::Dport, Field::SctpDport]);
            }
        }
    }
    parts.retain(|part| field_of(part).is_none_or(|field| !used.contains(&field)));
    texts
}

fn port_ranges(set: &Ranges, word: &str) -> Vec<String> {
    let one = |(low, high): &(u128, u128)| match low == high {
        true => format!("{word}port {low}"),
        false => format!("{word}portrange {low}-{high}"),
    };
    set.ranges().iter().map(one).collect()
}
