//! Files in MaxMind's format: GeoLite2 and GeoIP2, and those of others that are shaped alike.
//!
//! The file's tree is walked once and becomes a trie of our own, so that a
//! look-up is the same few steps whatever the format. The subtree of IPv4 in a
//! tree of IPv6 gives IPv4 prefixes; the addresses that merely stand for IPv4
//! ones (6to4, Teredo) are left out.

use std::collections::HashMap;
use std::io::{BufRead, Read};
use std::net::IpAddr;

use como_core::lookup::{PREFIXES_MAX, Subject, TrieBuilder};
use maxminddb::{MaxMindDbError, Reader, WithinOptions};
use serde::Deserialize;

use super::Broken;

/// What begins the description at a file's end.
const MARK: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// Bytes of a file: some ten times those of the largest in use.
const FILE_BYTES_MAX: u64 = 4 << 30;

/// What is read of an entry; who made the file decides which of it there is.
#[derive(Debug, Default, Deserialize)]
struct Entry {
    /// Of MaxMind and DB-IP.
    autonomous_system_number: Option<u32>,
    /// Of IPinfo, `AS2529`.
    asn: Option<Asn>,
}

/// The number of an AS as files write it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Asn {
    Number(u32),
    Text(String),
}

impl Entry {
    fn value(&self, subject: Subject) -> Option<u32> {
        match subject {
            Subject::Asn => self.autonomous_system_number.or(match self.asn.as_ref()? {
                Asn::Number(asn) => Some(*asn),
                Asn::Text(text) => text.trim_start_matches("AS").parse().ok(),
            }),
        }
    }
}

/// Reads a file through.
pub(super) fn read(subject: Subject, input: &mut dyn BufRead) -> Result<TrieBuilder, Broken> {
    let mut bytes = Vec::new();
    input.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    let end = &bytes[bytes.len().saturating_sub(128 << 10)..];
    if !end.windows(MARK.len()).any(|window| window == MARK) {
        let why = "neither a dump of routes (MRT), nor a file in MaxMind's format, nor text with \
                   a prefix and a value a line";
        return Err(Broken::Format(why.to_owned()));
    }
    let damaged = |error: MaxMindDbError| Broken::Format(format!("is damaged: {error}"));
    let reader = Reader::from_source(&bytes[..]).map_err(damaged)?;
    let mut found = TrieBuilder::default();
    // Many networks share an entry: each is decoded once.
    let mut known: HashMap<usize, Option<u32>> = HashMap::new();
    // Networks without an entry are walked too, so that no tree takes longer than its walk.
    let options = WithinOptions::default().include_networks_without_data();
    for (nth, network) in reader.networks(options).map_err(damaged)?.enumerate() {
        if nth > 4 * PREFIXES_MAX {
            return Err(Broken::Format(format!("more than {} networks", 4 * PREFIXES_MAX)));
        }
        let network = network.map_err(damaged)?;
        let Some(offset) = network.offset() else { continue };
        let value = match known.get(&offset) {
            Some(value) => *value,
            None => {
                let entry = network.decode::<Entry>().map_err(damaged)?.unwrap_or_default();
                *known.entry(offset).or_insert(entry.value(subject))
            }
        };
        let (Some(value), Ok(at)) = (value, network.network()) else { continue };
        let (addr, len): (IpAddr, u8) = (at.ip(), at.prefix());
        found.add(addr.into(), len, value)?;
    }
    if found.is_empty() {
        let why = format!(
            "a file of type `{}` says no {}",
            reader.metadata().database_type,
            subject.name()
        );
        return Err(Broken::Format(why));
    }
    Ok(found)
}
