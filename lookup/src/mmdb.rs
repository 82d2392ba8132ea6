//! Files in MaxMind's format: GeoLite2 and GeoIP2, and those of others that are shaped alike.
//!
//! The file's tree is walked once and becomes a trie of our own, so that a
//! look-up is the same few steps whatever the format. The subtree of IPv4 in a
//! tree of IPv6 gives IPv4 prefixes; the addresses that merely stand for IPv4
//! ones (6to4, Teredo) are left out.

use std::collections::HashMap;
use std::io::{BufRead, Read};
use std::net::IpAddr;

use como_core::lookup::{Subject, TrieBuilder};
use maxminddb::{MaxMindDbError, Metadata, Reader, WithinOptions};
use serde::Deserialize;

use super::Broken;

/// What begins the description at a file's end.
const MARK: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// Bytes of a file, unpacked: some four times those of the largest in wide use. It is held whole.
const FILE_BYTES_MAX: u64 = 512 << 20;

/// What decoding all entries of a file may look at, by its bytes: many times what any in use needs,
/// where entries share their values.
const WORK_PER_BYTE: u64 = 16;
const WORK_MIN: u64 = 1 << 16;

/// Looking at more than this of one entry is refused by who decodes it.
const ENTRY_WORK_MAX: u64 = 1 << 17;

/// How many bytes of a text are as much work as a value.
const TEXT_BYTES: usize = 64;

/// What is read of an entry; who made the file decides which of it there is.
#[derive(Debug, Default, Deserialize)]
struct Entry {
    /// Of MaxMind and DB-IP.
    autonomous_system_number: Option<u32>,
    /// Of IPinfo, `AS2529`.
    asn: Option<Asn>,
    /// Of MaxMind and DB-IP a map with the letters, of IPinfo the letters or the name.
    country: Option<Country>,
    /// Of IPinfo, where `country` is the name.
    country_code: Option<String>,
}

/// A country as files write it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Country {
    Text(String),
    Map {
        /// Two letters; where an address belongs to a continent alone there are none.
        iso_code: Option<String>,
    },
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
            Subject::Asn => self.autonomous_system_number.or_else(|| match self.asn.as_ref()? {
                Asn::Number(asn) => Some(*asn),
                Asn::Text(text) => text.trim_start_matches("AS").parse().ok(),
            }),
            Subject::Country => {
                let letters = match (&self.country_code, &self.country) {
                    (Some(text), _) | (None, Some(Country::Text(text))) => text,
                    (None, Some(Country::Map { iso_code })) => iso_code.as_ref()?,
                    (None, None) => return None,
                };
                super::country(letters)
            }
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
    if !is_tree(&bytes, reader.metadata()) {
        return Err(Broken::Format("is damaged: its nodes are no tree".to_owned()));
    }
    let mut found = TrieBuilder::default();
    // Many networks share an entry: each is decoded once.
    let mut known: HashMap<usize, Option<u32>> = HashMap::new();
    let entries = entries(&bytes, reader.metadata());
    let mut work = WORK_MIN.max(bytes.len() as u64 * WORK_PER_BYTE);
    let options = WithinOptions::default();
    for network in reader.networks(options).map_err(damaged)? {
        let network = network.map_err(damaged)?;
        let Some(offset) = network.offset() else { continue };
        let value = match known.get(&offset) {
            Some(value) => *value,
            None => {
                let left = work.checked_sub(cost(entries, offset));
                let too_much = "is damaged: its entries share their values too often";
                work = left.ok_or_else(|| Broken::Format(too_much.to_owned()))?;
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

/// The part of a file that its entries are in.
fn entries<'a>(bytes: &'a [u8], description: &Metadata) -> &'a [u8] {
    let width = usize::from(description.record_size) / 4;
    let tree = (description.node_count as usize).saturating_mul(width);
    bytes.get(tree.saturating_add(16)..).unwrap_or_default()
}

/// How many values decoding an entry looks at, at most, all that it leads to among them.
fn cost(entries: &[u8], offset: usize) -> u64 {
    let mut cost = 0;
    // Places, and how many values stand there one behind the other.
    let mut open = vec![(offset, 1_usize)];
    while let Some((mut at, mut values)) = open.pop() {
        while values > 0 && cost < ENTRY_WORK_MAX {
            let Some((kind, size, behind)) = head(entries, at) else { break };
            (values, at, cost) = (values - 1, behind, cost + 1);
            match kind {
                POINTER => open.push((size, 1)),
                MAP => values = values.saturating_add(size.saturating_mul(2)),
                ARRAY => values = values.saturating_add(size),
                BOOL => {}
                _ => {
                    at = at.saturating_add(size);
                    cost += (size / TEXT_BYTES) as u64;
                }
            }
        }
    }
    cost
}

/// Kinds of values (MaxMind DB 2.0, Data Field Format).
const POINTER: u8 = 1;
const MAP: u8 = 7;
const ARRAY: u8 = 11;
const BOOL: u8 = 14;

/// The kind of a value, its size or where it leads to, and what comes behind that.
fn head(entries: &[u8], at: usize) -> Option<(u8, usize, usize)> {
    let number = |at: usize, len: usize| {
        let bytes = entries.get(at..at.checked_add(len)?)?;
        Some(bytes.iter().fold(0, |all, byte| all << 8 | usize::from(*byte)))
    };
    let control = *entries.get(at)?;
    let low = usize::from(control & 31);
    let mut at = at + 1;
    let mut kind = control >> 5;
    if kind == POINTER {
        let (more, high) = (low >> 3, low & 7);
        let rest = number(at, more + 1)?;
        let to = match more {
            0 => high << 8 | rest,
            1 => (high << 16 | rest) + 2_048,
            2 => (high << 24 | rest) + 526_336,
            _ => rest,
        };
        return Some((kind, to, at + more + 1));
    }
    if kind == 0 {
        kind = entries.get(at)?.saturating_add(7);
        at += 1;
    }
    let more = low.saturating_sub(28);
    let size = number(at, more)?
        + match more {
            0 => low,
            1 => 29,
            2 => 285,
            _ => 65_821,
        };
    Some((kind, size, at + more))
}

/// Whether every node is led to from one place at most, so that a walk ends. Only the node where
/// IPv4 begins may be led to from elsewhere: those places merely stand for it, and are not walked.
fn is_tree(bytes: &[u8], description: &Metadata) -> bool {
    let width = usize::from(description.record_size) / 4;
    let count = description.node_count as usize;
    let Some(tree) = count.checked_mul(width).and_then(|len| bytes.get(..len)) else {
        return false;
    };
    let sides = |node: usize| Some(sides(tree.get(node.checked_mul(width)?..)?.get(..width)?));
    let mut begin = 0;
    for _ in 0..if description.ip_version == 6 { 96 } else { 0 } {
        let Some([left, _]) = sides(begin) else { break };
        begin = left;
    }
    let mut is_known = vec![false; count];
    // From where IPv4 begins nothing leads back to there.
    let mut walk = |root: usize, left_out: Option<usize>| {
        let mut open = vec![root];
        while let Some(node) = open.pop() {
            let Some(is_known) = is_known.get_mut(node).filter(|_| Some(node) != left_out) else {
                continue;
            };
            if std::mem::replace(is_known, true) {
                return false;
            }
            open.extend(sides(node).into_iter().flatten());
        }
        true
    };
    walk(begin, None) && (begin == 0 || walk(0, Some(begin)))
}

/// Where both sides of a node lead to; of records of 28 bits the middle byte holds the upper ones.
fn sides(node: &[u8]) -> [usize; 2] {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |all, byte| all << 8 | usize::from(*byte));
    match node {
        [left @ .., middle, a, b, c] if left.len() == 3 => [
            usize::from(middle >> 4) << 24 | number(left),
            usize::from(middle & 15) << 24 | number(&[*a, *b, *c]),
        ],
        _ => {
            let (left, right) = node.split_at(node.len() / 2);
            [number(left), number(right)]
        }
    }
}
