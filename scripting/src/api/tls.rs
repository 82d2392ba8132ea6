//! `tls`: what a client says before anything is encrypted, read by `tls-parser`.
//!
//! A ClientHello goes over two segments as often as not, and its record over what was captured. So
//! it is not read as a whole but up to its extensions, and these one by one.

use como_core::record::Value;
use tls_parser::{
    SNIType, TlsExtension, TlsExtensionType, TlsRecordType, parse_tls_extension_sni_content,
    parse_tls_extension_unknown, parse_tls_handshake_client_hello, parse_tls_record_header,
};

use super::calls::or_nil;

/// The message of a handshake that a client begins with (RFC 8446, 4).
const CLIENT_HELLO: u8 = 1;

/// The host name in the first message of a client.
pub fn sni(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    or_nil(extension(bytes, TlsExtensionType::ServerName).and_then(host), Value::Text)
}

/// `bytes` up to where they should end, if they are there.
fn upto(bytes: &[u8], len: usize) -> &[u8] {
    bytes.get(..len).unwrap_or(bytes)
}

/// What a ClientHello says in an extension.
fn extension(bytes: &[u8], wanted: TlsExtensionType) -> Option<&[u8]> {
    let (record, head) = parse_tls_record_header(bytes).ok()?;
    let record = upto(record, head.len.into());
    let ([CLIENT_HELLO, len @ ..], hello) = record.split_first_chunk::<4>()? else { return None };
    if head.record_type != TlsRecordType::Handshake {
        return None;
    }
    let len = len.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
    let (behind, hello) = parse_tls_handshake_client_hello(upto(hello, len)).ok()?;
    // Where the extensions are cut off, they are what comes behind, after their length.
    let mut list = hello.ext.or(behind.get(2..))?;
    while let Ok((rest, TlsExtension::Unknown(found, data))) = parse_tls_extension_unknown(list) {
        if found == wanted {
            return Some(data);
        }
        list = rest;
    }
    None
}

/// The name of a host in the extension that states it (RFC 6066, 3), in small letters.
fn host(data: &[u8]) -> Option<String> {
    let (_, TlsExtension::SNI(names)) = parse_tls_extension_sni_content(data).ok()? else {
        return None;
    };
    let (_, name) = names.into_iter().find(|(kind, _)| *kind == SNIType::HostName)?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    let name = std::str::from_utf8(name).ok().filter(|name| name.as_bytes().iter().all(is_name))?;
    Some(name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ClientHello with `name` behind an extension of `before` bytes and before one of `after`.
    fn hello(before: usize, name: &[u8], after: usize) -> Vec<u8> {
        // Lengths go before what they are of.
        fn of<const N: usize>(parts: &[&[u8]]) -> Vec<u8> {
            let body = parts.concat();
            [&(body.len() as u32).to_be_bytes()[4 - N..], &body].concat()
        }
        let names = of::<2>(&[&of::<2>(&[&[0], &of::<2>(&[name])])]);
        let [before, after] = [before, after].map(|len| of::<2>(&[&vec![0; len]]));
        let list = of::<2>(&[&[0xfa, 0xfa], &before, &[0, 0], &names, &[0, 51], &after]);
        let suites = of::<2>(&[&[0x13, 1, 0x13, 2]]);
        let body = [&[3, 3], &[7; 32][..], &of::<1>(&[&[8; 32]]), &suites, &[1, 0], &list].concat();
        [&[22, 3, 1], &of::<2>(&[&[1], &of::<3>(&[&body])])[..]].concat()
    }

    #[track_caller]
    fn check(bytes: &[u8], want: Option<&str>) {
        assert_eq!(sni(bytes, &[]), Ok(want.map_or(Value::Null, Value::from)));
    }

    #[test]
    fn the_name_is_found_wherever_the_record_is_cut_behind_it() {
        for (before, after) in [(0, 0), (200, 1200), (1200, 3)] {
            let hello = hello(before, b"Www.Example.com", after);
            let needed = hello.len() - after - 4;
            for len in 0..=hello.len() {
                check(&hello[..len], (len >= needed).then_some("www.example.com"));
            }
        }
    }

    #[test]
    fn what_is_no_name_of_a_host_is_nil() {
        check(&hello(0, b"a b", 0), None);
        check(&hello(0, b"\xff", 0), None);
        let mut other = hello(0, b"a.example", 0);
        other[5] = 2;
        check(&other, None);
        (other[5], other[0]) = (1, 23);
        check(&other, None);
    }
}
