//! The head of a request, read within limits before anything else sees it.
//!
//! tiny_http trusts its clients; this does not: a head has ten seconds and
//! 16 KiB to arrive, carries no body, and names this host (RFC 9110, 9112).

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long a head may take to arrive.
pub const HEAD_TIME: Duration = Duration::from_secs(10);

/// How long a head may be, in bytes.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Why a request was turned away, as the answer's status and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status code.
    pub status: u16,
    /// Reason phrase.
    pub reason: &'static str,
    /// One sentence for the client.
    pub text: String,
}

impl Refusal {
    /// A refusal of this status with this sentence.
    pub fn new(status: u16, reason: &'static str, text: impl Into<String>) -> Self {
        Self { status, reason, text: text.into() }
    }

    /// The whole answer, headers included.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { status, reason, text } = self;
        let extra = match status {
            405 => "Allow: GET, HEAD\r\n",
            503 => "Retry-After: 1\r\n",
            _ => "",
        };
        format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {}\r\n{extra}Connection: close\r\n\r\n{text}\n",
            text.len() + 1
        )
        .into_bytes()
    }
}

/// Reads a head from `stream`, up to and including the empty line.
pub fn read(stream: &mut TcpStream) -> Result<Vec<u8>, Refusal> {
    let late = || Refusal::new(408, "Request Timeout", "the request took too long to arrive");
    let deadline = Instant::now() + HEAD_TIME;
    let mut head = Vec::with_capacity(1024);
    let mut buffer = [0; 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late());
        }
        stream.set_read_timeout(Some(left)).map_err(|_| late())?;
        let read = match stream.read(&mut buffer) {
            Ok(0) => return Err(bad("the request ends before its head does")),
            Ok(read) => read,
            // A signal, such as the hangup that asks for the configuration to be read again.
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return Err(late()),
        };
        // The end may straddle two reads, so look a little further back.
        let from = head.len().saturating_sub(3);
        head.extend_from_slice(&buffer[..read]);
        if let Some(end) = head[from..].windows(4).position(|w| w == b"\r\n\r\n") {
            head.truncate(from + end + 4);
            return Ok(head);
        }
        if head.len() > HEAD_BYTES_MAX {
            let text = format!("the head of a request may have {HEAD_BYTES_MAX} bytes");
            return Err(Refusal::new(431, "Request Header Fields Too Large", text));
        }
    }
}

fn bad(text: impl Into<String>) -> Refusal {
    Refusal::new(400, "Bad Request", text)
}

/// Checks a head and gives back the request that tiny_http may see: request line and host only.
pub fn check(head: &[u8], listening_on: IpAddr) -> Result<Vec<u8>, Refusal> {
    let text = std::str::from_utf8(head).map_err(|_| bad("the head is not text"))?;
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, "HTTP/1.1" | "HTTP/1.0"] = words[..] else {
        return Err(bad("the request line is not that of HTTP/1.1"));
    };
    if !matches!(method, "GET" | "HEAD") {
        return Err(Refusal::new(405, "Method Not Allowed", "only GET and HEAD are answered"));
    }
    if !target.starts_with('/') || !target.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(bad("the target must be a path of printable characters, beginning with `/`"));
    }
    let mut host = None;
    for line in lines.filter(|l| !l.is_empty()) {
        let Some((name, value)) = line.split_once(':') else {
            return Err(bad("a header line has no colon"));
        };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(bad("a header's name is not a word"));
        }
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "host" if host.replace(value).is_some() => return Err(bad("two Host headers")),
            "content-length" if value != "0" => return Err(too_large()),
            "transfer-encoding" => return Err(too_large()),
            "origin" => check_origin(value, listening_on)?,
            _ => {}
        }
    }
    let host = host.unwrap_or("localhost");
    check_host(host, listening_on)?;
    Ok(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into())
}

fn too_large() -> Refusal {
    Refusal::new(413, "Content Too Large", "requests have no body here")
}

fn check_origin(origin: &str, listening_on: IpAddr) -> Result<(), Refusal> {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    check_host(host, listening_on)
}

/// A page elsewhere may point its own name at this machine (DNS rebinding): on loopback only
/// loopback's names are answered.
fn check_host(host: &str, listening_on: IpAddr) -> Result<(), Refusal> {
    if !listening_on.is_loopback() {
        return Ok(());
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let known = bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if known {
        return Ok(());
    }
    let text = format!("this monitor listens on {listening_on} and does not answer as `{host}`");
    Err(Refusal::new(403, "Forbidden", text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[track_caller]
    fn check_head(head: &str, want: Result<&str, u16>) {
        let got = check(head.as_bytes(), IpAddr::V4(Ipv4Addr::LOCALHOST));
        let got = got.map(|bytes| String::from_utf8(bytes).expect("text"));
        let want = want
            .map(|line| format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        assert_eq!(got.map_err(|r| r.status), want);
    }

    #[test]
    fn only_line_and_host_pass() {
        check_head(
            "GET /status?x=1 HTTP/1.1\r\nHost: localhost\r\nCookie: a\r\n\r\n",
            Ok("GET /status?x=1"),
        );
        check_head("HEAD / HTTP/1.0\r\n\r\n", Ok("HEAD /"));
    }

    #[test]
    fn what_could_smuggle_a_second_request_is_refused() {
        check_head("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", Err(413));
        check_head("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", Err(413));
        check_head("GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", Err(400));
        check_head("GET / HTTP/1.1\r\nA b: c\r\n\r\n", Err(400));
        check_head("GET /\x01 HTTP/1.1\r\n\r\n", Err(400));
        check_head("GET /a b HTTP/1.1\r\n\r\n", Err(400));
        check_head("POST / HTTP/1.1\r\n\r\n", Err(405));
        check_head("GET http://elsewhere/ HTTP/1.1\r\n\r\n", Err(400));
    }

    #[test]
    fn foreign_names_and_origins_are_refused_on_loopback() {
        check_head("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", Err(403));
        check_head("GET / HTTP/1.1\r\nOrigin: http://evil.example\r\n\r\n", Err(403));
        let ours = "GET / HTTP/1.1\r\nHost: [::1]:44444\r\nOrigin: http://127.0.0.1:44444\r\n\r\n";
        assert!(check(ours.as_bytes(), IpAddr::V4(Ipv4Addr::LOCALHOST)).is_ok());
    }
}
