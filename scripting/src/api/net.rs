//! `net`: addresses and networks.

use como_core::addr::Addr;
use como_core::record::Value;

use super::calls::{addr, network, whole};

/// Whether a network contains an address.
pub fn contains(given: &[Value]) -> Result<Value, String> {
    Ok(Value::Bool(network(given, 0)?.contains(addr(given, 1)?)))
}

/// An address with only its first bits.
pub fn mask(given: &[Value]) -> Result<Value, String> {
    let addr = addr(given, 0)?;
    let bits = whole(given, 1, 0, i64::from(addr.width()))?;
    Ok(Value::Addr(addr.masked(u8::try_from(bits).unwrap_or(0))))
}

/// `addr.masked(bits)`, of either language.
pub fn masked(addr: Addr, bits: Value) -> Result<Addr, String> {
    let bits = whole(&[bits], 0, 0, i64::from(addr.width()));
    let bits = bits.map_err(|why| format!("masked: {why}; for instance masked(24)"))?;
    Ok(addr.masked(u8::try_from(bits).unwrap_or(0)))
}

/// `addr.within(network)`, of either language.
pub fn within(addr: Addr, given: Value) -> Result<bool, String> {
    let network = network(&[given], 0).map_err(|why| format!("within: {why}"))?;
    Ok(network.contains(addr))
}

/// The network that an address lies in, as text.
pub fn prefix(given: &[Value]) -> Result<Value, String> {
    let addr = addr(given, 0)?;
    let bits = whole(given, 1, 0, i64::from(addr.width()))?;
    let bits = u8::try_from(bits).unwrap_or(0);
    Ok(Value::Text(format!("{}/{bits}", addr.masked(bits))))
}

/// 4 or 6.
pub fn family(given: &[Value]) -> Result<Value, String> {
    Ok(Value::Uint(if addr(given, 0)?.is_v6() { 6 } else { 4 }))
}

/// The address so many further on, in its own family; nil beyond its ends.
pub fn offset(given: &[Value]) -> Result<Value, String> {
    let addr = addr(given, 0)?;
    let by = whole(given, 1, -(1 << 53), 1 << 53)?;
    let max = if addr.is_v6() { u128::MAX } else { u128::from(u32::MAX) };
    let moved = addr.bits().checked_add_signed(i128::from(by)).filter(|bits| *bits <= max);
    Ok(moved.map_or(Value::Null, |bits| Value::Addr(Addr::from_bits(addr.is_v6(), bits))))
}

/// How far the second address lies behind the first; nil where they are of two families.
pub fn distance(given: &[Value]) -> Result<Value, String> {
    let (from, to) = (addr(given, 0)?, addr(given, 1)?);
    if from.is_v6() != to.is_v6() {
        return Ok(Value::Null);
    }
    let (from, to) = (from.bits(), to.bits());
    Ok(match i64::try_from(from.abs_diff(to)) {
        Ok(far) => {
            if to >= from {
                Value::Int(far)
            } else {
                Value::Int(-far)
            }
        }
        Err(_) => Value::Float(if to >= from { (to - from) as f64 } else { -((from - to) as f64) }),
    })
}

/// The first address of a network.
pub fn first(given: &[Value]) -> Result<Value, String> {
    Ok(Value::Addr(network(given, 0)?.addr()))
}

/// The last address of a network.
pub fn last(given: &[Value]) -> Result<Value, String> {
    let network = network(given, 0)?;
    let addr = network.addr();
    let rest = u32::from(addr.width()).saturating_sub(u32::from(network.bits()));
    let ones = 1u128.checked_shl(rest).map_or(u128::MAX, |above| above - 1);
    Ok(Value::Addr(Addr::from_bits(addr.is_v6(), addr.bits() | ones)))
}

/// Whether an address is for use inside a network only (RFC 1918, RFC 4193, loopback, link-local).
pub fn is_private(given: &[Value]) -> Result<Value, String> {
    let addr = addr(given, 0)?;
    let bits = addr.bits();
    let private = match addr.is_v6() {
        true => bits == 1 || bits >> 121 == 0b111_1110 || bits >> 118 == 0b11_1111_1010,
        false => {
            let [a, b, ..] = (bits as u32).to_be_bytes();
            matches!((a, b), (10 | 127, _) | (172, 16..=31) | (192, 168) | (169, 254))
        }
    };
    Ok(Value::Bool(private))
}

/// Whether an address stands for a group (RFC 1112, RFC 4291).
pub fn is_multicast(given: &[Value]) -> Result<Value, String> {
    let addr = addr(given, 0)?;
    let bits = addr.bits();
    Ok(Value::Bool(if addr.is_v6() { bits >> 120 == 0xff } else { bits >> 28 == 0xe }))
}
