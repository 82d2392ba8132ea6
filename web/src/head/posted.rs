//! What a posted script must look like before a byte of it is read.
//!
//! A script is the one thing that is sent to us. It has a length, bounded, and a
//! media type that no form of a web page can have: a page elsewhere that posts
//! one makes its browser ask first (a preflight), which nothing here answers.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Headers, Refusal, Visit, bad, is_loopback, read_some};

/// How long a script may be, in bytes: what a script's file may be.
pub const SCRIPT_BYTES_MAX: usize = 256 << 10;

/// How long one may take to arrive once its head has.
pub const BODY_TIME: Duration = Duration::from_secs(10);

/// Where scripts are posted to.
pub const PATH: &str = "/query";

/// Whose scripts are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scripts {
    /// Nobody's.
    None,
    /// Those of this machine's users, who ask it under its own name.
    #[default]
    Loopback,
    /// Those of all who can reach the monitor.
    Any,
}

/// The language of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Lua.
    Lua,
    /// Rhai.
    Rhai,
}

impl Language {
    /// Its name, as a file of it ends.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lua => "lua",
            Self::Rhai => "rhai",
        }
    }

    /// Its media type.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Lua => "application/x-lua",
            Self::Rhai => "application/x-rhai",
        }
    }

    /// That of a media type, whatever its parameters.
    pub fn of_mime(text: &str) -> Option<Self> {
        let mime = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let name = mime.strip_prefix("application/").or_else(|| mime.strip_prefix("text/"))?;
        match name {
            "x-lua" => Some(Self::Lua),
            "x-rhai" => Some(Self::Rhai),
            _ => None,
        }
    }
}

/// A script that is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Post {
    /// Its language.
    pub language: Language,
    /// Its length.
    pub bytes: usize,
    /// Whether its sender waits to be told to go on.
    pub expects: bool,
}

/// Whether a request line posts a script.
pub fn is_post(method: &str, target: &str) -> bool {
    method == "POST" && target.split('?').next() == Some(PATH)
}

/// Checks the headers of a script that is sent to `host`.
pub(super) fn check(headers: &Headers<'_>, host: &str, visit: Visit) -> Result<Post, Refusal> {
    check_sender(headers, host, visit)?;
    if headers.is_coded {
        return Err(match headers.length {
            Some(_) => bad("a request has a length or is sent in chunks, never both"),
            None => Refusal::new(411, "Length Required", "say how long the script is, no chunks"),
        });
    }
    let Some(length) = headers.length else {
        return Err(Refusal::new(411, "Length Required", "say how long the script is"));
    };
    if length.is_empty() || !length.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad("the length of the script is no number"));
    }
    // What is too large for a number is too large.
    let bytes =
        length.parse().ok().filter(|bytes| *bytes <= SCRIPT_BYTES_MAX).ok_or_else(|| {
            let text = format!("a script may have {SCRIPT_BYTES_MAX} bytes");
            Refusal::new(413, "Content Too Large", text)
        })?;
    let language = headers.kind.and_then(Language::of_mime).ok_or_else(|| {
        let text = "say what it is: Content-Type: application/x-lua, or application/x-rhai";
        Refusal::new(415, "Unsupported Media Type", text)
    })?;
    Ok(Post { language, bytes, expects: headers.expects })
}

/// Whether scripts of this client are run.
fn check_sender(headers: &Headers<'_>, host: &str, visit: Visit) -> Result<(), Refusal> {
    let forbidden = |text: &str| Err(Refusal::new(403, "Forbidden", text));
    // A browser says where a page that posts came from; no page of ours does. One of another site
    // may have pointed its own name here, so that it seems to be ours.
    if headers.origin.is_some() {
        return forbidden("scripts are not taken from web pages");
    }
    match visit.scripts {
        Scripts::None => forbidden("this monitor runs no scripts that are sent to it"),
        Scripts::Any => Ok(()),
        // Asked by another name, it may be a page that has pointed its own at this machine.
        Scripts::Loopback if visit.peer.to_canonical().is_loopback() && is_loopback(host) => Ok(()),
        Scripts::Loopback => forbidden(
            "this monitor runs scripts of its own machine only, sent to localhost: \
             `scripts = \"any\"` under [http] takes those of all",
        ),
    }
}

/// Reads a script until `deadline`, of which `read` has come already.
pub fn read(
    stream: &mut TcpStream,
    post: Post,
    read: Vec<u8>,
    deadline: Instant,
) -> Result<Vec<u8>, Refusal> {
    let mut body = read;
    while body.len() < post.bytes {
        if !read_some(stream, deadline, &mut body)? {
            return Err(bad("the request ends before the script does"));
        }
    }
    // What is sent beyond it is nothing that we know of.
    body.truncate(post.bytes);
    Ok(body)
}
