//! `dns`, `http` and `tls`: names and codes out of the first bytes of a payload.
//!
//! Every read is checked; what is cut off, malformed or something else gives nil. Nothing is
//! reassembled: a message that goes over several packets is seen as far as this one holds it.

use std::net::IpAddr;

use como_core::addr::Addr;
use como_core::record::Value;

use super::calls::{text, whole};

/// The longest name of DNS (RFC 1035, 2.3.4).
const NAME_BYTES_MAX: usize = 255;
/// How often a compressed name may point back.
const JUMPS_MAX: usize = 16;
/// The longest first line or header value that is handed out.
const LINE_BYTES_MAX: usize = 2048;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn or_nil<T>(value: Option<T>, make: impl FnOnce(T) -> Value) -> Result<Value, String> {
    Ok(value.map_or(Value::Null, make))
}

/// The header of a DNS message (RFC 1035, 4.1.1): identifier, flags, and how many of each section.
fn dns(bytes: &[u8]) -> Option<[u16; 6]> {
    let mut header = [0; 6];
    for (at, field) in header.iter_mut().enumerate() {
        *field = u16_at(bytes, 2 * at)?;
    }
    // Operations in use are 0 to 6; one question is what everyone sends.
    (header[1] >> 11 & 15 <= 6 && header[2] <= 4).then_some(header)
}

/// The name at `at` (RFC 1035, 4.1.4), and where what follows it begins.
fn name(bytes: &[u8], mut at: usize) -> Option<(String, usize)> {
    let (mut name, mut behind, mut jumps) = (String::new(), None, 0);
    loop {
        let len = usize::from(*bytes.get(at)?);
        if len >= 0xc0 {
            behind = behind.or(Some(at + 2));
            at = usize::from(u16_at(bytes, at)? & 0x3fff);
            jumps += 1;
            if jumps > JUMPS_MAX {
                return None;
            }
            continue;
        }
        if len == 0 {
            return Some((name, behind.unwrap_or(at + 1)));
        }
        if len > 63 || name.len() + len > NAME_BYTES_MAX {
            return None;
        }
        let label = bytes.get(at + 1..at + 1 + len)?;
        if !name.is_empty() {
            name.push('.');
        }
        // Names compare without regard to case; what is no printable character is escaped.
        for byte in label {
            match byte {
                b'!'..=b'~' => name.push(char::from(byte.to_ascii_lowercase())),
                _ => name.extend(byte.escape_ascii().map(char::from)),
            }
        }
        at += 1 + len;
    }
}

/// The name and the type that a message asks for.
pub(crate) fn question(bytes: &[u8]) -> Option<(String, u16)> {
    let header = dns(bytes)?;
    let (name, at) = name(bytes, 12).filter(|_| header[2] > 0)?;
    Some((name, u16_at(bytes, at)?))
}

/// The identifier of a message.
pub fn dns_id(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    or_nil(dns(bytes), |header| Value::Uint(header[0].into()))
}

/// The name asked for.
pub fn dns_qname(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    or_nil(question(bytes), |(name, _)| Value::Text(name))
}

/// The type asked for, by its number.
pub fn dns_qtype(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    or_nil(question(bytes), |(_, ty)| Value::Uint(ty.into()))
}

/// Whether it is an answer.
pub fn dns_is_response(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    or_nil(dns(bytes), |header| Value::Bool(header[1] & 0x8000 != 0))
}

/// The response code.
pub fn dns_rcode(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    or_nil(dns(bytes), |header| Value::Uint((header[1] & 15).into()))
}

/// How many answers the header states.
pub fn dns_answers(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    or_nil(dns(bytes), |header| Value::Uint(header[3].into()))
}

/// The most answers of a message that are looked at.
pub(crate) const ANSWERS_MAX: usize = 64;

/// One answer (RFC 1035, 4.1.3).
pub(crate) struct Record {
    /// What it is about.
    pub name: String,
    /// Its type.
    pub ty: u16,
    /// How long it may be kept, in seconds.
    pub ttl: u32,
    /// What it says.
    pub data: Found,
}

/// What an answer says, as far as it is understood.
pub(crate) enum Found {
    /// An address.
    Addr(Addr),
    /// A name.
    Name(String),
    /// Something else.
    Other,
}

/// Where what follows the name at `at` begins; what the name is, and where it points, is left
/// alone.
fn behind_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match usize::from(*bytes.get(at)?) {
            0 => return Some(at + 1),
            0xc0.. => return Some(at + 2),
            len @ 1..=63 => at += 1 + len,
            _ => return None,
        }
    }
}

/// The answer of number `n`, from 0.
pub(crate) fn answer(bytes: &[u8], n: usize) -> Option<Record> {
    let header = dns(bytes)?;
    if n >= usize::from(header[3]).min(ANSWERS_MAX) {
        return None;
    }
    let mut at = 12;
    for _ in 0..header[2] {
        at = behind_name(bytes, at)? + 4;
    }
    for _ in 0..n {
        at = behind_name(bytes, at)?;
        at += 10 + usize::from(u16_at(bytes, at + 8)?);
    }
    let (about, at) = name(bytes, at)?;
    let (ty, class, len) = (u16_at(bytes, at)?, u16_at(bytes, at + 2)?, u16_at(bytes, at + 8)?);
    let ttl = u32::from(u16_at(bytes, at + 4)?) << 16 | u32::from(u16_at(bytes, at + 6)?);
    let data = bytes.get(at + 10..at + 10 + usize::from(len))?;
    let found = match (class, ty) {
        (1, 1) => Found::Addr(IpAddr::from(<[u8; 4]>::try_from(data).ok()?).into()),
        (1, 28) => Found::Addr(IpAddr::from(<[u8; 16]>::try_from(data).ok()?).into()),
        (1, 2 | 5 | 12) => Found::Name(name(bytes, at + 10)?.0),
        _ => Found::Other,
    };
    // A time with its highest bit set is none (RFC 2181, 8).
    Some(Record { name: about, ty, ttl: if ttl >> 31 == 1 { 0 } else { ttl }, data: found })
}

/// The answer of the number that argument 2 gives, from 1.
fn answered(bytes: &[u8], given: &[Value]) -> Result<Option<Record>, String> {
    let n = whole(given, 1, 1, 1 << 16)?;
    Ok(answer(bytes, usize::try_from(n - 1).unwrap_or(usize::MAX)))
}

/// What an answer is about.
pub fn dns_answer_name(bytes: &[u8], given: &[Value]) -> Result<Value, String> {
    or_nil(answered(bytes, given)?, |record| Value::Text(record.name))
}

/// The type of an answer.
pub fn dns_answer_type(bytes: &[u8], given: &[Value]) -> Result<Value, String> {
    or_nil(answered(bytes, given)?, |record| Value::Uint(record.ty.into()))
}

/// How long an answer may be kept.
pub fn dns_answer_ttl(bytes: &[u8], given: &[Value]) -> Result<Value, String> {
    or_nil(answered(bytes, given)?, |record| Value::Uint(record.ttl.into()))
}

/// The address in an answer.
pub fn dns_answer_addr(bytes: &[u8], given: &[Value]) -> Result<Value, String> {
    or_nil(answered(bytes, given)?, |record| match record.data {
        Found::Addr(addr) => Value::Addr(addr),
        _ => Value::Null,
    })
}

/// The name in an answer.
pub fn dns_answer_text(bytes: &[u8], given: &[Value]) -> Result<Value, String> {
    or_nil(answered(bytes, given)?, |record| match record.data {
        Found::Name(name) => Value::Text(name),
        _ => Value::Null,
    })
}

/// The lines of a head (RFC 9112), each whole and text.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let whole = lines.map_while(|line| line.strip_suffix(b"\n"));
    let lines = whole.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.map_while(|line| std::str::from_utf8(line).ok().filter(|l| l.len() <= LINE_BYTES_MAX))
}

/// Method, target and version of a request, or version, code and reason of a response.
fn start(bytes: &[u8]) -> Option<(&str, &str, &str)> {
    let (first, rest) = lines(bytes).next()?.split_once(' ')?;
    let (second, third) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((first, second, third))
}

fn request(bytes: &[u8]) -> Option<(&str, &str)> {
    let (method, target, version) = start(bytes)?;
    let named = !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase());
    (named && version.starts_with("HTTP/1.")).then_some((method, target))
}

/// The method of a request.
pub fn http_method(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    or_nil(request(bytes), |(method, _)| Value::from(method))
}

/// What a request asks for.
pub fn http_target(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    or_nil(request(bytes), |(_, target)| Value::from(target))
}

/// The status code of a response.
pub fn http_status(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    let code = start(bytes).filter(|(version, ..)| version.starts_with("HTTP/1."));
    or_nil(code.and_then(|(_, code, _)| code.parse::<u16>().ok()), |code| Value::Uint(code.into()))
}

/// The value of a header field, by its name without regard to case.
pub fn http_header(bytes: &[u8], given: &[Value]) -> Result<Value, String> {
    let name = text(given, 1)?;
    let fields = lines(bytes).skip(1).take_while(|line| !line.is_empty());
    let mut fields = fields.filter_map(|line| line.split_once(':'));
    let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
    or_nil(found, |(_, value)| Value::from(value.trim()))
}

/// The host name in the first message of a client (RFC 8446, 4.1.2; RFC 6066, 3).
pub fn tls_sni(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    or_nil(sni(bytes), Value::Text)
}

fn sni(bytes: &[u8]) -> Option<String> {
    // A record of a handshake, and in it a ClientHello.
    if *bytes.first()? != 22 || *bytes.get(5)? != 1 {
        return None;
    }
    // Version and random follow the four bytes of its head; then session, suites, compression.
    let mut at = 5 + 4 + 2 + 32;
    at += 1 + usize::from(*bytes.get(at)?);
    at += 2 + usize::from(u16_at(bytes, at)?);
    at += 1 + usize::from(*bytes.get(at)?);
    let end = at + 2 + usize::from(u16_at(bytes, at)?);
    at += 2;
    while at + 4 <= end {
        let (ty, len) = (u16_at(bytes, at)?, usize::from(u16_at(bytes, at + 2)?));
        if ty == 0 {
            // A list of names; the first is a host's.
            let len = usize::from(u16_at(bytes, at + 7)?);
            let name = bytes.get(at + 9..at + 9 + len).filter(|_| bytes.get(at + 6) == Some(&0))?;
            let name = std::str::from_utf8(name).ok()?;
            let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
            return name.bytes().all(is_name).then(|| name.to_ascii_lowercase());
        }
        at += 4 + len;
    }
    None
}
