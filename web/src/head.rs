//! The head of a request, read within limits before anything else sees it.
//!
//! tiny_http trusts its clients; this does not: a head has ten seconds and
//! 16 KiB to arrive, and names this host (RFC 9110, 9112). None but a posted
//! script carries a body, whose rules are [`posted`]'s.

pub mod posted;

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::{OWN_VERSION, VERSION};
use posted::{Post, Scripts};

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

    /// The whole answer, headers included; to who asked for the head alone no more than that (RFC
    /// 9110, section 9.3.2).
    pub fn to_bytes(&self, only_head: bool) -> Vec<u8> {
        let Self { status, reason, text } = self;
        let extra = match status {
            405 => "Allow: GET, HEAD, POST\r\n",
            415 => "Accept-Post: application/x-lua, application/x-rhai\r\n",
            503 => "Retry-After: 1\r\n",
            _ => "",
        };
        let head = format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {}\r\n{extra}{VERSION}: {OWN_VERSION}\r\nConnection: close\r\n\r\n",
            text.len() + 1
        );
        let body = if only_head { String::new() } else { format!("{text}\n") };
        (head + &body).into_bytes()
    }
}

/// Who asks, and what is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Visit {
    /// The address the monitor listens on.
    pub listening_on: IpAddr,
    /// The client's.
    pub peer: IpAddr,
    /// Whose scripts are run.
    pub scripts: Scripts,
}

/// A request that was found to be sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What the server may see: request line, host and what describes a body, without the empty
    /// line.
    pub head: String,
    /// The body that follows, where there is one.
    pub body: Option<Post>,
}

/// Reads a head from `stream`, up to and including the empty line, and what was read behind it.
pub fn read(stream: &mut TcpStream) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
    let deadline = Instant::now() + HEAD_TIME;
    let mut head = Vec::with_capacity(1024);
    loop {
        // The end may straddle two reads, so look a little further back.
        let from = head.len().saturating_sub(3);
        if !read_some(stream, deadline, &mut head)? {
            return Err(bad("the request ends before its head does"));
        }
        if let Some(end) = head[from..].windows(4).position(|w| w == b"\r\n\r\n") {
            let behind = head.split_off(from + end + 4);
            return Ok((head, behind));
        }
        if head.len() > HEAD_BYTES_MAX {
            let text = format!("the head of a request may have {HEAD_BYTES_MAX} bytes");
            return Err(Refusal::new(431, "Request Header Fields Too Large", text));
        }
    }
}

/// Adds what comes next from `stream`, until `deadline`; false once it has ended.
fn read_some(
    stream: &mut TcpStream,
    deadline: Instant,
    into: &mut Vec<u8>,
) -> Result<bool, Refusal> {
    let late = || Refusal::new(408, "Request Timeout", "the request took too long to arrive");
    let mut buffer = [0; 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late());
        }
        stream.set_read_timeout(Some(left)).map_err(|_| late())?;
        match stream.read(&mut buffer) {
            Ok(read) => {
                into.extend_from_slice(&buffer[..read]);
                return Ok(read > 0);
            }
            // A signal, such as the hangup that asks for the configuration to be read again.
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(late()),
        }
    }
}

fn bad(text: impl Into<String>) -> Refusal {
    Refusal::new(400, "Bad Request", text)
}

/// The headers that decide something.
#[derive(Default)]
struct Headers<'a> {
    host: Option<&'a str>,
    origin: Option<&'a str>,
    length: Option<&'a str>,
    kind: Option<&'a str>,
    is_coded: bool,
    expects: bool,
}

impl<'a> Headers<'a> {
    fn parse(lines: impl Iterator<Item = &'a str>) -> Result<Self, Refusal> {
        let mut headers = Self::default();
        for line in lines.filter(|l| !l.is_empty()) {
            let Some((name, value)) = line.split_once(':') else {
                return Err(bad("a header line has no colon"));
            };
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(bad("a header's name is not a word"));
            }
            let value = value.trim();
            let once = match name.to_ascii_lowercase().as_str() {
                "host" => &mut headers.host,
                "origin" => &mut headers.origin,
                "content-length" => &mut headers.length,
                "content-type" => &mut headers.kind,
                "transfer-encoding" => {
                    headers.is_coded = true;
                    continue;
                }
                "expect" => {
                    headers.expects = value.eq_ignore_ascii_case("100-continue");
                    continue;
                }
                _ => continue,
            };
            if once.replace(value).is_some() {
                return Err(bad(format!("two {name} headers")));
            }
        }
        Ok(headers)
    }
}

/// Checks a head: what of it the server may see, and what body follows.
pub fn check(head: &[u8], visit: Visit) -> Result<Request, Refusal> {
    let text = std::str::from_utf8(head).map_err(|_| bad("the head is not text"))?;
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, version @ ("HTTP/1.1" | "HTTP/1.0")] = words[..] else {
        return Err(bad("the request line is not that of HTTP/1.1"));
    };
    if !matches!(method, "GET" | "HEAD") && !posted::is_post(method, target) {
        let text = "only GET and HEAD are answered, and POST of a script to /query";
        return Err(Refusal::new(405, "Method Not Allowed", text));
    }
    if !target.starts_with('/') || !target.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(bad("the target must be a path of printable characters, beginning with `/`"));
    }
    let headers = Headers::parse(lines)?;
    if let Some(origin) = headers.origin {
        check_origin(origin, visit.listening_on)?;
    }
    let host = headers.host.unwrap_or("localhost");
    check_host(host, visit.listening_on)?;
    let mut head = format!("{method} {target} {version}\r\nHost: {host}\r\nConnection: close\r\n");
    let body = match method {
        "POST" => {
            let post = posted::check(&headers, host, visit)?;
            let Post { language, bytes, .. } = post;
            head += &format!("Content-Length: {bytes}\r\nContent-Type: {}\r\n", language.mime());
            Some(post)
        }
        _ if headers.is_coded || headers.length.is_some_and(|length| length != "0") => {
            return Err(Refusal::new(413, "Content Too Large", "requests have no body here"));
        }
        _ => None,
    };
    Ok(Request { head, body })
}

fn check_origin(origin: &str, listening_on: IpAddr) -> Result<(), Refusal> {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    check_host(host, listening_on)
}

/// A page elsewhere may point its own name at this machine (DNS rebinding): on loopback only
/// loopback's names are answered.
fn check_host(host: &str, listening_on: IpAddr) -> Result<(), Refusal> {
    if !listening_on.is_loopback() || is_loopback(host) {
        return Ok(());
    }
    let text = format!("this monitor listens on {listening_on} and does not answer as `{host}`");
    Err(Refusal::new(403, "Forbidden", text))
}

/// Whether a host, with or without a port, is a name of this machine that no other can have.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests;
