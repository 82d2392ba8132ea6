//! What reaches beyond a script's own: look-ups, and what an operator grants.

use std::time::{SystemTime, UNIX_EPOCH};

use como_core::field::Code;
use como_core::lookup::Subject;
use como_core::record::Value;

use super::calls::{addr, text, wanted};
use crate::host::asker::Question;
use crate::host::files::{self, NotRead};
use crate::host::{Phase, Reach, page};

/// The functions that need a grant, by topic and name, and which.
pub const GRANTED: [(&str, &str, &str); 5] = [
    ("time", "now", "clock"),
    ("dns", "name_of", "dns"),
    ("dns", "addr_of", "dns"),
    ("file", "read", "file:/path"),
    ("http", "fetch", "http:host"),
];

/// Who announces an address.
pub fn asn(host: &Reach, given: &[Value]) -> Result<Value, String> {
    let found = host.lookups().get(Subject::Asn, addr(given, 0)?);
    Ok(found.map_or(Value::Null, |number| Value::Uint(number.into())))
}

/// The country of an address.
pub fn country(host: &Reach, given: &[Value]) -> Result<Value, String> {
    let found = host.lookups().get(Subject::Country, addr(given, 0)?);
    Ok(found.map_or(Value::Null, |kept| Value::Text(Code::from_kept(kept).to_string())))
}

/// The wall clock.
pub fn now(host: &Reach, _: &[Value]) -> Result<Value, String> {
    granted(host, host.grants.clock(), "clock")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Value::Float(now.as_secs_f64()))
}

/// The name of an address.
pub fn name_of(host: &Reach, given: &[Value]) -> Result<Value, String> {
    let addr = addr(given, 0)?;
    granted(host, host.grants.dns(), "dns")?;
    idle(host)?;
    Ok(host.ask(Question::Name(addr)).unwrap_or(Value::Null))
}

/// The address of a name.
pub fn addr_of(host: &Reach, given: &[Value]) -> Result<Value, String> {
    let name = text(given, 0)?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 253 || !name.chars().all(is_name) {
        return Err(wanted(0, "the name of a host", given.first()));
    }
    granted(host, host.grants.dns(), "dns")?;
    idle(host)?;
    Ok(host.ask(Question::Address(name.to_ascii_lowercase())).unwrap_or(Value::Null))
}

/// The content of a file.
pub fn read(host: &Reach, given: &[Value]) -> Result<Value, String> {
    let path = text(given, 0)?;
    granted(host, !host.grants.files().is_empty(), &wish_file(path))?;
    idle(host)?;
    match files::read(host.grants.files(), path) {
        Ok(Some(content)) => Ok(String::from_utf8(content)
            .map_or_else(|error| Value::Bytes(error.into_bytes()), Value::Text)),
        Ok(None) => Ok(Value::Null),
        Err(NotRead::NotGranted) => granted(host, false, &wish_file(path)).map(|()| Value::Null),
        Err(NotRead::Wrong(why)) => Err(why),
    }
}

/// What is at a URL.
pub fn fetch(host: &Reach, given: &[Value]) -> Result<Value, String> {
    let url = text(given, 0)?;
    let at = page::host(url)
        .ok_or_else(|| wanted(0, "a URL like http://example.com/list", given.first()))?;
    granted(host, host.grants.http(at), &wish("http", at))?;
    idle(host)?;
    Ok(host.ask(Question::Page(url.to_owned())).unwrap_or(Value::Null))
}

/// The grant that would allow to read a file.
fn wish_file(path: &str) -> String {
    wish("file", if path.starts_with('/') { path } else { "/FOLDER" })
}

/// The grant that would allow it, as an operator would write it.
fn wish(kind: &str, what: &str) -> String {
    let what: String = what.chars().take(120).collect();
    format!("{kind}:{}", what.escape_debug())
}

/// Refuses what is not granted, and counts that it was asked for.
fn granted(host: &Reach, is_granted: bool, grant: &str) -> Result<(), String> {
    if host.phase() == Phase::Load {
        return Err("the top level runs before the module is anyone's: call it in `init` or later"
            .to_owned());
    }
    if is_granted {
        return Ok(());
    }
    host.deny(grant);
    Err(format!(
        "is not granted: the operator may add `allow = [\"{grant}\"]` to the module in como.toml, \
         or --allow {grant}"
    ))
}

/// Refuses what might wait while packets pass.
fn idle(host: &Reach) -> Result<(), String> {
    match host.phase() {
        Phase::Packets => {
            Err("is not to be had while packets pass: call it in `init` or `export`".to_owned())
        }
        _ => Ok(()),
    }
}
