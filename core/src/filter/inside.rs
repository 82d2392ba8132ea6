//! What filters read inside one packet, beyond the fields: header bytes by offset, inner tags,
//! ARP's addresses, chains of headers.
//!
//! Bytes that were not captured make the question false; nothing here fails.

use crate::addr::Addr;
use crate::batch::{Batch, Column, Values};
use crate::field::{Field, FieldValue, decode_int, encode_int};
use crate::packet::{Layers, LinkType};

use super::term::{Arith, Base, Key, Relation};

/// Headers a chain is followed through, and tags that are counted.
const STEPS_MAX: usize = 64;

/// The sender's or target's IPv4 address in ARP (RFC 826).
pub fn arp_addr(batch: &Batch, at: usize, target: bool) -> Option<Addr> {
    let layers = batch.layers(at);
    if !layers.has(Layers::ARP) || layers.l3 == Layers::NONE {
        return None;
    }
    let header = batch.data(at).get(usize::from(layers.l3)..)?;
    let [kind_a, kind_b] = *header.get(2..)?.first_chunk::<2>()?;
    let (hardware, protocol) = (usize::from(*header.get(4)?), *header.get(5)?);
    if u16::from_be_bytes([kind_a, kind_b]) != 0x0800 || protocol != 4 {
        return None;
    }
    let start = if target { 8 + 2 * hardware + 4 } else { 8 + hardware };
    header.get(start..)?.first_chunk::<4>().copied().map(Addr::v4)
}

/// Whether a protocol number occurs in the chain of headers behind the network header: that
/// header's own, those of IPv6 extension headers, and those behind AH.
pub fn chain(batch: &Batch, at: usize, proto: u8) -> bool {
    chained(batch, at, proto).unwrap_or(false)
}

fn chained(batch: &Batch, at: usize, proto: u8) -> Option<bool> {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const AH: u8 = 51;
    const DESTINATION: u8 = 60;
    let layers = batch.layers(at);
    if layers.l3 == Layers::NONE {
        return Some(layers.protocol() == Some(proto));
    }
    let data = batch.data(at).get(usize::from(layers.l3)..)?;
    let is_v6 = layers.has(Layers::IPV6);
    let (mut next, mut place) = match (is_v6, layers.has(Layers::IPV4)) {
        (true, _) => (*data.get(6)?, 40),
        (_, true) => (*data.get(9)?, usize::from(*data.first()? & 15) * 4),
        _ => return None,
    };
    for _ in 0..STEPS_MAX {
        if next == proto {
            return Some(true);
        }
        let units = || data.get(place + 1).map(|units| usize::from(*units));
        let len = match next {
            AH => (units()? + 2) * 4,
            HOP_BY_HOP | ROUTING | DESTINATION if is_v6 => (units()? + 1) * 8,
            FRAGMENT if is_v6 => 8,
            _ => return Some(false),
        };
        next = *data.get(place)?;
        place += len;
    }
    Some(false)
}

/// The identifier of an inner VLAN tag, or an inner MPLS label.
pub fn inner_tag(batch: &Batch, at: usize, key: Key) -> Option<u64> {
    match key {
        Key::Vlan(nth) => vlan_id(batch, at, nth),
        Key::Mpls(nth) => label(batch, at, nth),
        Key::Field(_) => None,
    }
}

fn vlan_id(batch: &Batch, at: usize, nth: u8) -> Option<u64> {
    let data = batch.data(at);
    if nth > batch.layers(at).vlans {
        return None;
    }
    // Where the type that announces the first tag stands, and where that tag does.
    let (mut kind, mut tag) = match batch.all().get(at)?.link {
        LinkType::ETHERNET => (12, 14),
        LinkType::LINUX_SLL => (14, 16),
        LinkType::LINUX_SLL2 => (0, 20),
        _ => return None,
    };
    let word = |at: usize| Some(u16::from_be_bytes(*data.get(at..)?.first_chunk::<2>()?));
    for _ in 1..nth {
        if !matches!(word(kind)?, 0x8100 | 0x88a8 | 0x9100) {
            return None;
        }
        (kind, tag) = (tag + 2, tag + 4);
    }
    matches!(word(kind)?, 0x8100 | 0x88a8 | 0x9100).then_some(u64::from(word(tag)? & 0xfff))
}

fn label(batch: &Batch, at: usize, nth: u8) -> Option<u64> {
    let (layers, data) = (batch.layers(at), batch.data(at));
    if nth > layers.labels || layers.shim == u8::MAX {
        return None;
    }
    let mut first = usize::from(layers.shim);
    if layers.has(Layers::PPPOE) {
        // The PPP protocol behind the session header is one byte where it is odd.
        first += if data.get(first + 6)? & 1 == 1 { 7 } else { 8 };
    }
    let label = data.get(first + 4 * (usize::from(nth) - 1)..)?.first_chunk::<4>()?;
    Some(u64::from(u32::from_be_bytes(*label) >> 12))
}

/// How two computed numbers compare; none where either does not exist. Before they are compared,
/// the bits of `flip` change in both: the uppermost, where numbers have a sign.
pub fn compare(
    batch: &Batch,
    at: usize,
    (left, op, right): (&Arith, Relation, &Arith),
    flip: u32,
) -> Option<bool> {
    Some(op.holds(compute(batch, at, left)? ^ flip, compute(batch, at, right)? ^ flip))
}

/// A computed number. Recursion is as deep as a comparison may nest.
fn compute(batch: &Batch, at: usize, arith: &Arith) -> Option<u32> {
    match arith {
        Arith::Const(value) => Some(*value),
        Arith::Key(Key::Field(field)) => {
            let value = number(batch, at, *field)? as u32;
            let signed = Key::Field(*field).is_signed();
            Some(if signed { decode_int(value).cast_unsigned() } else { value })
        }
        Arith::Key(key) => inner_tag(batch, at, *key).map(|v| v as u32),
        Arith::Negate(inner) => compute(batch, at, inner).map(u32::wrapping_neg),
        Arith::Binary(op, left, right) => {
            op.apply(compute(batch, at, left)?, compute(batch, at, right)?)
        }
        Arith::Load { base, offset, size } => {
            let offset = compute(batch, at, offset)? as usize;
            let (layers, end) = (batch.layers(at), offset.checked_add(usize::from(*size))?);
            if end > Layers::SHORT_BYTES && *base == Base::Transport && layers.has(Layers::SHORT) {
                return None;
            }
            let header = batch.data(at).get(base_of(layers, *base)?..)?;
            let bytes = header.get(offset..end)?;
            Some(bytes.iter().fold(0, |all, byte| all << 8 | u32::from(*byte)))
        }
    }
}

/// Where a header starts.
fn base_of(layers: &Layers, base: Base) -> Option<usize> {
    let there = base.needs() == 0 || layers.has(base.needs());
    let start = match base {
        Base::Link => 0,
        Base::Ip4 | Base::Ip6 | Base::Arp => layers.l3,
        Base::Transport => layers.l4,
    };
    (there && start != Layers::NONE).then_some(usize::from(start))
}

/// A field that is a number of any width: from its column where there is one.
pub fn number(batch: &Batch, at: usize, field: Field) -> Option<u64> {
    match batch.column(field) {
        Some(Column { values: Values::U32(values), present }) => {
            present.has(at).then(|| values.get(at).map(|v| u64::from(*v))).flatten()
        }
        Some(Column { values: Values::U64(values), present }) => {
            present.has(at).then(|| values.get(at).copied()).flatten()
        }
        _ => match batch.value(at, field)? {
            FieldValue::Bool(yes) => Some(u64::from(yes)),
            FieldValue::Uint(value) => Some(u64::from(value)),
            FieldValue::Int(value) => Some(u64::from(encode_int(value))),
            FieldValue::Big(value) => Some(value),
            FieldValue::Mac(mac) => Some(mac.0),
            FieldValue::Code(code) => Some(u64::from(code.kept())),
            FieldValue::Addr(_) | FieldValue::CommunityId(_) | FieldValue::Bytes(_) => None,
        },
    }
}
