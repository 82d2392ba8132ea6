//! `text` and `hash`: bytes as texts, and numbers that stand for values; all bounded in length.

use como_core::record::Value;

use super::TEXT_BYTES_MAX;
use super::bytes::{AT_MAX, BUCKETS_MAX, UINT_MAX, folded, hash, text_hash};
use super::calls::{at_most, bytes, wanted, whole};

/// The longest byte string that is made longer here.
const INPUT_BYTES_MAX: usize = TEXT_BYTES_MAX / 4;

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    let digit = |n: u8| char::from_digit(n.into(), 16).unwrap_or('0');
    let pairs = at_most(bytes, 0, INPUT_BYTES_MAX)?
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    Ok(Value::Text(pairs.collect()))
}

/// The bytes that hexadecimal digits stand for; blanks between them mean nothing.
pub fn unhex(given: &[Value]) -> Result<Value, String> {
    let wrong = || wanted(0, "pairs of hexadecimal digits", given.first());
    let digits = bytes(given, 0)?.iter().filter(|byte| !byte.is_ascii_whitespace());
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let digits: Vec<u8> = digits.map(digit).collect::<Option<_>>().ok_or_else(wrong)?;
    let (pairs, rest) = digits.as_chunks::<2>();
    match rest.is_empty() && pairs.len() <= TEXT_BYTES_MAX {
        true => Ok(Value::Bytes(pairs.iter().map(|[high, low]| high << 4 | low).collect())),
        false => Err(wrong()),
    }
}

/// Bytes as a text that is safe to show: what is no printable ASCII is a dot.
pub fn printable(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    let shown = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '.',
    };
    let bytes = at_most(bytes, 0, INPUT_BYTES_MAX)?;
    Ok(Value::Text(bytes.iter().map(shown).collect()))
}

/// The number in some bytes, the first byte the highest (network order); nil beyond the end.
pub fn uint(all: &[u8], given: &[Value]) -> Result<Value, String> {
    let at = usize::try_from(whole(given, 1, 0, AT_MAX as i64)?).unwrap_or(usize::MAX);
    let len = usize::try_from(whole(given, 2, 1, UINT_MAX as i64)?).unwrap_or(1);
    Ok(super::bytes::uint(all, at, len).map_or(Value::Null, Value::Uint))
}

/// Some of the bytes, from a place on; fewer at the end. Of a text it is a text, unless a character
/// is cut.
pub fn part(all: &[u8], given: &[Value]) -> Result<Value, String> {
    let at = usize::try_from(whole(given, 1, 0, 1 << 30)?).unwrap_or(usize::MAX).min(all.len());
    let len = usize::try_from(whole(given, 2, 0, TEXT_BYTES_MAX as i64)?).unwrap_or(0);
    let end = at.saturating_add(len).min(all.len());
    let part = all.get(at..end).unwrap_or_default();
    Ok(match (given.first(), std::str::from_utf8(part)) {
        (Some(Value::Text(_)), Ok(text)) => Value::Text(text.to_owned()),
        _ => Value::Bytes(part.to_vec()),
    })
}

/// What a value is hashed by: its kind and its bytes.
fn hashed(given: &[Value], at: usize) -> Result<u64, String> {
    Ok(match given.get(at) {
        Some(Value::Addr(addr)) => {
            hash(if addr.is_v6() { 6 } else { 4 }, &addr.bits().to_be_bytes())
        }
        Some(Value::Mac(mac)) => hash(1, &mac.0.to_be_bytes()),
        Some(Value::Text(text)) => text_hash(text.as_bytes()),
        Some(Value::Bytes(bytes)) => text_hash(bytes),
        // A number is the same number in both languages, whatever holds it.
        Some(Value::Uint(x)) => hash(3, &(*x as f64).to_bits().to_be_bytes()),
        Some(Value::Int(x)) => hash(3, &(*x as f64).to_bits().to_be_bytes()),
        Some(Value::Float(x)) => hash(3, &x.to_bits().to_be_bytes()),
        other => return Err(wanted(at, "an address, a number or a text", other)),
    })
}

/// A hash of 48 bits, the same in every run (FNV-1a, folded).
pub fn number(given: &[Value]) -> Result<Value, String> {
    Ok(Value::Uint(folded(hashed(given, 0)?)))
}

/// One of `n` buckets, from 0, evenly spread and the same in every run.
pub fn bucket(given: &[Value]) -> Result<Value, String> {
    let n = whole(given, 1, 1, BUCKETS_MAX as i64)?;
    let n = u64::try_from(n).unwrap_or(1);
    Ok(Value::Uint(super::bytes::bucket(hashed(given, 0)?, n)))
}
