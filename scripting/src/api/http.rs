//! `http`: the first line and the fields of a message's head, read by `httparse`.
//!
//! It keeps what it has read of a head where that is cut off. Nothing is reassembled.

use como_core::record::Value;
use httparse::{EMPTY_HEADER, Error, ParserConfig, Request, Response, Status};

use super::calls::{or_nil, text};

/// The most fields of a head that are looked at.
const FIELDS_MAX: usize = 64;
/// The longest target or value that is handed out.
const TEXT_BYTES_MAX: usize = 2048;

/// Methods by which a first line is known as such where its end is cut off (RFC 9110, 9.3;
/// RFC 5789).
const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// The first line of a request, as far as it is there.
fn request<'a>(bytes: &'a [u8]) -> Option<Request<'a, 'a>> {
    let mut request = Request::new(&mut []);
    let read = request.parse(bytes);
    let cut = read == Ok(Status::Partial) && request.method.is_some_and(|m| METHODS.contains(&m));
    (cut || request.version.is_some()).then_some(request)
}

/// The method of a request.
pub fn method(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    or_nil(request(bytes).and_then(|request| request.method), Value::from)
}

/// What a request asks for.
pub fn target(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    let target = request(bytes).and_then(|request| request.path);
    or_nil(target.filter(|target| target.len() <= TEXT_BYTES_MAX), Value::from)
}

/// The status code of a response.
pub fn status(bytes: &[u8], _: &[Value]) -> Result<Value, String> {
    let mut response = Response::new(&mut []);
    let read = response.parse(bytes);
    or_nil(response.code.filter(|_| read != Err(Error::Status)), |code| Value::Uint(code.into()))
}

/// The value of a header field, by its name without regard to case.
pub fn header(bytes: &[u8], given: &[Value]) -> Result<Value, String> {
    let name = text(given, 1)?;
    let mut fields = [EMPTY_HEADER; FIELDS_MAX];
    let mut config = ParserConfig::default();
    config.ignore_invalid_headers_in_requests(true).ignore_invalid_headers_in_responses(true);
    // What is read is in `fields`, wherever the head ends.
    let _ = match bytes.starts_with(b"HTTP/") {
        true => config.parse_response(&mut Response::new(&mut fields), bytes),
        false => config.parse_request(&mut Request::new(&mut fields), bytes),
    };
    let mut read = fields.iter().take_while(|field| !field.name.is_empty());
    let value = read.find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value);
    let value = value.filter(|value| value.len() <= TEXT_BYTES_MAX);
    or_nil(value.and_then(|value| std::str::from_utf8(value).ok()), Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "GET /a?b HTTP/1.1\r\nHost: one.example \r\nno field\r\nX-A:\r\n\r\n";
    const RESPONSE: &str = "HTTP/1.0 404 Not Found\r\nServer: x\r\nHOST: two\r\n";

    type Function = fn(&[u8], &[Value]) -> Result<Value, String>;

    /// Checks that a function says this of a head of at least so many bytes, and nil of less.
    #[track_caller]
    fn check(head: &str, function: Function, name: &str, needed: usize, want: Value) {
        for len in 0..=head.len() {
            let got = function(&head.as_bytes()[..len], &[Value::Null, Value::from(name)]);
            let want = if len < needed { &Value::Null } else { &want };
            assert_eq!(got.as_ref(), Ok(want), "of {len} bytes");
        }
    }

    #[test]
    fn a_head_cut_anywhere_says_what_is_whole_up_to_there() {
        check(REQUEST, method, "", 4, Value::from("GET"));
        check(REQUEST, target, "", 9, Value::from("/a?b"));
        check(REQUEST, header, "host", 39, Value::from("one.example"));
        check(REQUEST, header, "x-a", 55, Value::from(""));
        check(RESPONSE, status, "", 12, Value::Uint(404));
        check(RESPONSE, header, "SERVER", 35, Value::from("x"));
        check(RESPONSE, header, "Host", 46, Value::from("two"));
        for (head, function) in [(REQUEST, status as Function), (RESPONSE, method)] {
            check(head, function, "", 0, Value::Null);
        }
    }

    #[test]
    fn what_is_no_head_is_none() {
        let none = ["HELLO", "HELLO there", "MAIL FROM:<a>\r\n", "get", "\r\n", "HTTP/2 200\r\n"];
        for text in none {
            for function in [method as Function, target, status] {
                assert_eq!(function(text.as_bytes(), &[]), Ok(Value::Null), "{text}");
            }
        }
    }

    #[test]
    fn what_is_too_long_or_no_text_is_nil_alone() {
        let head = |value: &str| format!("GET / HTTP/1.1\r\nA: {value}\r\nB: b\r\n");
        let said = |bytes: &[u8], name: &str| header(bytes, &[Value::Null, Value::from(name)]);
        let long = head(&"x".repeat(TEXT_BYTES_MAX + 1));
        let odd = [b"GET / HTTP/1.1\r\nA: \xff\r\nB: b\r\n".as_slice(), long.as_bytes()];
        for head in odd {
            assert_eq!(said(head, "a"), Ok(Value::Null));
            assert_eq!(said(head, "b"), Ok(Value::from("b")));
        }
        let many = format!("GET / HTTP/1.1\r\n{}", "A: b\r\n".repeat(100_000));
        assert_eq!(said(many.as_bytes(), "a"), Ok(Value::from("b")));
        assert_eq!(said(many.as_bytes(), "c"), Ok(Value::Null));
    }
}
