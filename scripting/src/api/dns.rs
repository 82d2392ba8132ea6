//! `dns`: names and codes out of a message of DNS, read by NLnet Labs' `domain`.
//!
//! Its pieces are taken one by one, and no more of them than is asked for: so a message that is cut
//! off still says what is whole up to there. Nothing is reassembled.

use std::net::IpAddr;

use como_core::record::Value;
use domain::base::iana::{Class, Rtype};
use domain::base::name::ToLabelIter;
use domain::base::record::{ParsedRecord, RecordHeader};
use domain::base::{Message, ParsedName};
use domain::dep::octseq::Parser;
use domain::rdata::{A, Aaaa};

use super::calls::{or_nil, whole};

/// The bytes of a message's header (RFC 1035, 4.1.1).
const HEADER_BYTES: usize = 12;
/// Operations in use are 0 to 6.
const OPCODE_MAX: u8 = 6;
/// One question is what everyone sends.
const QUESTIONS_MAX: u16 = 4;

/// The most answers of a message that are looked at.
pub(crate) const ANSWERS_MAX: usize = 64;

/// What reads on in a message.
type Rest<'a> = Parser<'a, [u8]>;

/// A message, of which nothing but the header need be there.
fn message(bytes: &[u8]) -> Option<&Message<[u8]>> {
    let message = Message::from_slice(bytes).ok()?;
    let known = message.header().opcode().to_int() <= OPCODE_MAX;
    (known && message.header_counts().qdcount() <= QUESTIONS_MAX).then_some(message)
}

/// The name that comes next. Names compare without regard to case; what is no printable character
/// is escaped.
fn name(rest: &mut Rest<'_>) -> Option<String> {
    let parsed = ParsedName::parse_ref(rest).ok()?;
    let mut name = String::with_capacity(parsed.compose_len().into());
    for label in parsed.iter().filter(|label| !label.is_root()) {
        if !name.is_empty() {
            name.push('.');
        }
        for byte in label.as_slice() {
            match byte {
                b'!'..=b'~' => name.push(char::from(byte.to_ascii_lowercase())),
                _ => name.extend(byte.escape_ascii().map(char::from)),
            }
        }
    }
    Some(name)
}

/// What begins with the first question.
fn questions(bytes: &[u8]) -> Option<Rest<'_>> {
    message(bytes).filter(|message| message.header_counts().qdcount() > 0)?;
    let mut rest = Parser::from_ref(bytes);
    rest.advance(HEADER_BYTES).ok()?;
    Some(rest)
}

/// The name and the type that a message asks for.
pub(crate) fn question(bytes: &[u8]) -> Option<(String, u16)> {
    let mut rest = questions(bytes)?;
    Some((name(&mut rest)?, rest.parse_u16_be().ok()?))
}

/// The identifier of a message.
pub fn id(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    or_nil(message(bytes), |message| Value::Uint(message.header().id().into()))
}

/// The name asked for.
pub fn qname(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    or_nil(questions(bytes).and_then(|mut rest| name(&mut rest)), Value::Text)
}

/// The type asked for, by its number.
pub fn qtype(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    let ty = questions(bytes).and_then(|mut rest| {
        ParsedName::skip(&mut rest).ok()?;
        rest.parse_u16_be().ok()
    });
    or_nil(ty, |ty| Value::Uint(ty.into()))
}

/// Whether it is an answer.
pub fn is_response(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    or_nil(message(bytes), |message| Value::Bool(message.header().qr()))
}

/// The response code.
pub fn rcode(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    or_nil(message(bytes), |message| Value::Uint(message.header().rcode().to_int().into()))
}

/// How many answers the header states.
pub fn answers(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    or_nil(message(bytes), |message| Value::Uint(message.header_counts().ancount().into()))
}

/// What begins with the answer of number `n`, from 0. Those before it are passed over, whatever
/// they are about.
fn at_answer(bytes: &[u8], n: usize) -> Option<Rest<'_>> {
    let message = message(bytes)?;
    if n >= usize::from(message.header_counts().ancount()).min(ANSWERS_MAX) {
        return None;
    }
    let mut rest = Parser::from_ref(bytes);
    rest.advance(message.answer().ok()?.pos()).ok()?;
    (0..n).try_for_each(|_| ParsedRecord::skip(&mut rest)).ok()?;
    Some(rest)
}

/// One answer, without what it is about (RFC 1035, 4.1.3).
pub(crate) struct Answer {
    /// Its type.
    pub ty: u16,
    /// How long it may be kept, in seconds.
    pub ttl: u32,
    /// What it says, if that is an address or a name, and all of it is there.
    pub said: Option<Value>,
}

/// The answer of number `n`, from 0.
pub(crate) fn answer(bytes: &[u8], n: usize) -> Option<Answer> {
    let mut rest = at_answer(bytes, n)?;
    let head = RecordHeader::parse_ref(&mut rest).ok()?;
    let data = rest.parse_parser(head.rdlen().into()).ok();
    // A time with its highest bit set is none (RFC 2181, 8).
    let ttl = Some(head.ttl().as_secs()).filter(|ttl| ttl >> 31 == 0).unwrap_or(0);
    let said = data.and_then(|mut data| said(head.class(), head.rtype(), &mut data));
    Some(Answer { ty: head.rtype().to_int(), ttl, said })
}

/// What the data of an answer say, as far as they are understood.
fn said(class: Class, ty: Rtype, data: &mut Rest<'_>) -> Option<Value> {
    let addr = |addr: IpAddr| Value::Addr(addr.into());
    let said = match (class, ty) {
        (Class::IN, Rtype::A) => addr(A::parse(data).ok()?.addr().into()),
        (Class::IN, Rtype::AAAA) => addr(Aaaa::parse(data).ok()?.addr().into()),
        (Class::IN, Rtype::NS | Rtype::CNAME | Rtype::PTR) => Value::Text(name(data)?),
        _ => return None,
    };
    (data.remaining() == 0).then_some(said)
}

/// The number of an answer that argument 2 gives, from 1; here from 0.
fn nth(given: &[Value]) -> Result<usize, String> {
    Ok(usize::try_from(whole(given, 1, 1, 1 << 16)? - 1).unwrap_or(usize::MAX))
}

/// What an answer is about.
pub fn answer_name(bytes: &[u8], given: &[Value]) -> Result<Value, String> {
    let rest = at_answer(bytes, nth(given)?);
    or_nil(rest.and_then(|mut rest| name(&mut rest)), Value::Text)
}

/// The type of an answer.
pub fn answer_type(bytes: &[u8], given: &[Value]) -> Result<Value, String> {
    or_nil(answer(bytes, nth(given)?), |answer| Value::Uint(answer.ty.into()))
}

/// How long an answer may be kept.
pub fn answer_ttl(bytes: &[u8], given: &[Value]) -> Result<Value, String> {
    or_nil(answer(bytes, nth(given)?), |answer| Value::Uint(answer.ttl.into()))
}

/// The address in an answer.
pub fn answer_addr(bytes: &[u8], given: &[Value]) -> Result<Value, String> {
    let said = answer(bytes, nth(given)?).and_then(|answer| answer.said);
    or_nil(said.filter(|said| matches!(said, Value::Addr(_))), |said| said)
}

/// The name in an answer.
pub fn answer_text(bytes: &[u8], given: &[Value]) -> Result<Value, String> {
    let said = answer(bytes, nth(given)?).and_then(|answer| answer.said);
    or_nil(said.filter(|said| matches!(said, Value::Text(_))), |said| said)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two questions and three answers: names that point back, and one with odd bytes.
    const MESSAGE: &[u8] = b"\x12\x34\x81\x83\0\x02\0\x03\0\0\0\0\
        \x03WwW\x07example\0\0\x1c\0\x01\xc0\x10\0\x01\0\x01\
        \xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x06\x03a\xff.\xc0\x10\
        \xc0\x18\0\x1c\0\x01\x80\0\0\x01\0\x10\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09\
        \0\0\x10\0\x01\0\0\0\x02\0\x02\x01x";

    type Function = fn(&[u8], &[Value]) -> Result<Value, String>;

    /// Functions, what else they are given, the bytes they need, and what they say from there on.
    fn said() -> Vec<(Function, u64, usize, Value)> {
        let addr = "2001:db8::9".parse().expect("an address");
        let text = |text: &str| Value::from(text);
        vec![
            (id, 0, 12, Value::Uint(0x1234)),
            (is_response, 0, 12, Value::Bool(true)),
            (rcode, 0, 12, Value::Uint(3)),
            (answers, 0, 12, Value::Uint(3)),
            (qname, 0, 25, text("www.example")),
            (qtype, 0, 27, Value::Uint(28)),
            (answer_name, 1, 37, text("www.example")),
            (answer_type, 1, 47, Value::Uint(5)),
            (answer_ttl, 1, 47, Value::Uint(60)),
            (answer_text, 1, 53, text(r"a\xff..example")),
            (answer_name, 2, 55, text("")),
            (answer_ttl, 2, 65, Value::Uint(0)),
            (answer_addr, 2, 81, Value::Addr(addr)),
            (answer_type, 3, 92, Value::Uint(16)),
        ]
    }

    #[test]
    fn a_message_cut_anywhere_says_what_is_whole_up_to_there() {
        for (at, (function, n, needed, want)) in said().into_iter().enumerate() {
            for len in 0..=MESSAGE.len() {
                let got = function(&MESSAGE[..len], &[Value::Null, Value::Uint(n)]);
                let want = if len < needed { &Value::Null } else { &want };
                assert_eq!(got.as_ref(), Ok(want), "of {at}, {len} bytes");
            }
        }
    }

    #[test]
    fn what_another_kind_of_answer_says_is_nil() {
        for (function, n) in [(answer_addr as Function, 1), (answer_text, 2), (answer_text, 3)] {
            assert_eq!(function(MESSAGE, &[Value::Null, Value::Uint(n)]), Ok(Value::Null));
        }
        assert_eq!(answer_type(MESSAGE, &[Value::Null, Value::Uint(4)]), Ok(Value::Null));
        assert!(answer_type(MESSAGE, &[Value::Null, Value::Uint(0)]).is_err());
    }

    #[test]
    fn names_that_point_in_circles_are_none() {
        let head = b"\0\0\0\0\0\x01\xff\xff\0\0\0\0";
        for name in [&b"\xc0\x0c"[..], b"\x01a\xc0\x0c", b"\xc0\x0e\xc0\x0c", b"\x40a"] {
            let bytes = [&head[..], name, &[0, 1, 0, 1]].concat();
            assert_eq!(question(&bytes), None, "{name:?}");
        }
        // A pointer to the one before it, and so on: each of 64 answers is about the last.
        let mut bytes = head.to_vec();
        bytes.extend(b"\0\0\x01\0\x01");
        for at in 0..2000u16 {
            bytes.extend((0xc000 | (bytes.len() as u16 - 2)).to_be_bytes());
            bytes.extend(if at % 6 == 0 { &b"\0\x01\0\x01\0\0\0\0\0\0"[..] } else { b"" });
        }
        for n in 0..2 * ANSWERS_MAX {
            assert!(answer(&bytes, n).is_none() || n < ANSWERS_MAX, "{n}");
        }
    }

    #[test]
    fn what_is_no_message_is_none() {
        for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 40], &[], &MESSAGE[1..]] {
            assert_eq!(id(bytes, &[]), Ok(Value::Null), "{bytes:?}");
        }
    }
}
