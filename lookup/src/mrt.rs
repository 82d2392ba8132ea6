//! Dumps of routes in the MRT format, as RouteViews and RIPE RIS publish them.
//!
//! Of each prefix the AS that announces it is kept, the last of the AS path
//! (RFC 6396 section 4, RFC 8050 for several paths of one peer). Where peers
//! see different ones the most frequent counts, of equals the smallest. A path
//! that ends in a set of several says nothing, and a default route belongs to
//! nobody.

use std::collections::HashMap;
use std::io::{BufRead, Read};

use como_core::addr::Addr;
use como_core::lookup::{Subject, TrieBuilder};

use super::Broken;

/// Types of records (RFC 6396 section 4).
const TABLE_DUMP: u16 = 12;
const TABLE_DUMP_V2: u16 = 13;

/// Bytes of one record: far beyond a prefix that every peer of a large collector sees.
const RECORD_BYTES_MAX: u32 = 16 << 20;

/// What an AS that does not fit 16 bits is in a path of such (RFC 6793 section 9).
const AS_TRANS: u32 = 23456;

/// Attributes of a route (RFC 4271 section 5.1.2, RFC 6793 section 3).
const AS_PATH: u8 = 2;
const AS4_PATH: u8 = 17;

/// Whether a file that begins so is a dump of routes: by the type of its first record, and a time
/// of this century.
pub(super) fn begins(head: &[u8]) -> bool {
    let type_fits =
        matches!(head, [_, _, _, _, 0, 12, 0, 1 | 2, ..] | [_, _, _, _, 0, 13, 0, 1..=12, ..]);
    type_fits && head.first().is_some_and(|byte| *byte >= 0x38)
}

/// Reads a dump through.
pub(super) fn read(subject: Subject, input: &mut dyn BufRead) -> Result<TrieBuilder, Broken> {
    if subject != Subject::Asn {
        let why = format!("a dump of routes says no {}", subject.name());
        return Err(Broken::Format(why));
    }
    let (mut origins, mut offset, mut body) = (Origins::default(), 0u64, Vec::new());
    loop {
        if input.fill_buf()?.is_empty() {
            return origins.finish();
        }
        let cut = || Broken::Format(format!("the dump ends within the record at byte {offset}"));
        let wrong = || Broken::Format(format!("the record at byte {offset} makes no sense"));
        let mut head = [0; 12];
        let got = read_up_to(input, &mut head)?;
        let mut fields = Bytes(&head);
        let (Some(_), Some(kind), Some(subtype), Some(len)) =
            (fields.u32(), fields.u16(), fields.u16(), fields.u32())
        else {
            return Err(cut());
        };
        if got < head.len() {
            return Err(cut());
        }
        if len > RECORD_BYTES_MAX {
            return Err(wrong());
        }
        body.clear();
        input.take(len.into()).read_to_end(&mut body)?;
        if body.len() < len as usize {
            return Err(cut());
        }
        match kind {
            TABLE_DUMP => table_dump(subtype, Bytes(&body), &mut origins).ok_or_else(wrong)??,
            TABLE_DUMP_V2 => rib(subtype, Bytes(&body), &mut origins).ok_or_else(wrong)??,
            // Updates may stand between.
            _ => {}
        }
        offset += 12 + u64::from(len);
    }
}

/// Fills `into` as far as the input goes.
fn read_up_to(input: &mut dyn BufRead, into: &mut [u8]) -> Result<usize, Broken> {
    let mut head = Vec::new();
    input.take(into.len() as u64).read_to_end(&mut head)?;
    into[..head.len()].copy_from_slice(&head);
    Ok(head.len())
}

/// A route that one peer sees, in 16-bit numbers (section 4.2). The subtype is the family.
fn table_dump(
    subtype: u16,
    mut bytes: Bytes<'_>,
    origins: &mut Origins,
) -> Option<Result<(), Broken>> {
    bytes.take(4)?;
    let (addr, peer_len) = match subtype {
        1 => (Addr::v4(*bytes.take(4)?.first_chunk()?), 4),
        2 => (Addr::v6(*bytes.take(16)?.first_chunk()?), 16),
        _ => return Some(Ok(())),
    };
    let len = bytes.u8()?;
    // Status, time, the peer's address and AS.
    bytes.take(5 + peer_len + 2)?;
    let many = usize::from(bytes.u16()?);
    let attributes = Bytes(bytes.take(many)?);
    if len > addr.width() {
        return None;
    }
    Some(origins.turn(addr, len).map(|()| origins.vote(origin(attributes, Wide::No))))
}

/// The routes of one prefix that all peers see (section 4.3), in 32-bit numbers.
fn rib(subtype: u16, mut bytes: Bytes<'_>, origins: &mut Origins) -> Option<Result<(), Broken>> {
    let adds_path = subtype >= 8;
    let family = match subtype {
        2 | 8 => 1,
        4 | 10 => 2,
        6 | 12 => {
            bytes.take(4)?;
            let family = bytes.u16()?;
            // Of unicast alone: others say nothing of where packets go.
            if !matches!(family, 1 | 2) || bytes.u8()? != 1 {
                return Some(Ok(()));
            }
            family
        }
        // Peers, and multicast.
        _ => return Some(Ok(())),
    };
    if !matches!(subtype, 6 | 12) {
        bytes.take(4)?;
    }
    let len = bytes.u8()?;
    let part = bytes.take(usize::from(len).div_ceil(8))?;
    let addr = if family == 1 { Addr::v4(padded(part)?) } else { Addr::v6(padded(part)?) };
    if len > addr.width() {
        return None;
    }
    if let Err(broken) = origins.turn(addr, len) {
        return Some(Err(broken));
    }
    for _ in 0..bytes.u16()? {
        // Peer, time, and the path's number where there may be several.
        bytes.take(if adds_path { 10 } else { 6 })?;
        let many = usize::from(bytes.u16()?);
        origins.vote(origin(Bytes(bytes.take(many)?), Wide::Yes));
    }
    Some(Ok(()))
}

/// The first bytes of an address, filled up with zeros; none if they are more than it has.
fn padded<const LEN: usize>(part: &[u8]) -> Option<[u8; LEN]> {
    let mut whole = [0; LEN];
    whole.get_mut(..part.len())?.copy_from_slice(part);
    Some(whole)
}

/// Whether the numbers in an AS path have 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wide {
    Yes,
    No,
}

/// The AS that announced a route, by its attributes.
fn origin(mut attributes: Bytes<'_>, wide: Wide) -> Option<u32> {
    let (mut path, mut path4) = (None, None);
    while let (Some(flags), Some(kind)) = (attributes.u8(), attributes.u8()) {
        // The extended length (RFC 4271 section 4.3).
        let len = if flags & 0x10 != 0 { attributes.u16()? } else { attributes.u8()?.into() };
        let value = Bytes(attributes.take(len.into())?);
        match kind {
            AS_PATH => path = last(value, wide),
            AS4_PATH => path4 = last(value, Wide::Yes),
            _ => {}
        }
    }
    if path == Some(AS_TRANS) { path4.or(path) } else { path }
}

/// The last AS of a path, unless that is a set of several.
fn last(mut path: Bytes<'_>, wide: Wide) -> Option<u32> {
    const SET: u8 = 1;
    const SEQUENCE: u8 = 2;
    let width = if wide == Wide::Yes { 4 } else { 2 };
    let mut last = None;
    while let Some(kind) = path.u8() {
        let count = usize::from(path.u8()?);
        let numbers = path.take(count * width)?;
        // Segments of a confederation (RFC 5065) never hold who announces.
        if count > 0 && matches!(kind, SET | SEQUENCE) {
            let number = &numbers[numbers.len() - width..];
            let number = number.iter().fold(0, |all, byte| all << 8 | u32::from(*byte));
            last = (kind == SEQUENCE || count == 1).then_some(number);
        }
    }
    // 0 is nobody's (RFC 7607).
    last.filter(|asn| *asn != 0)
}

/// Who announces the prefix at hand, by what peers say; and those before.
#[derive(Default)]
struct Origins {
    prefix: Option<(Addr, u8)>,
    votes: HashMap<u32, u32>,
    found: TrieBuilder,
}

impl Origins {
    /// Turns to a prefix; several records of one that follow each other count as one.
    fn turn(&mut self, addr: Addr, len: u8) -> Result<(), Broken> {
        if self.prefix != Some((addr, len)) {
            self.settle()?;
            self.prefix = Some((addr, len));
        }
        Ok(())
    }

    fn vote(&mut self, origin: Option<u32>) {
        if let Some(asn) = origin {
            *self.votes.entry(asn).or_default() += 1;
        }
    }

    /// Notes who was said most often to announce the prefix at hand.
    fn settle(&mut self) -> Result<(), Broken> {
        let most = self.votes.drain().max_by_key(|(asn, votes)| (*votes, std::cmp::Reverse(*asn)));
        match (self.prefix.take(), most) {
            (Some((addr, len)), Some((asn, _))) if len > 0 => Ok(self.found.add(addr, len, asn)?),
            _ => Ok(()),
        }
    }

    fn finish(mut self) -> Result<TrieBuilder, Broken> {
        self.settle()?;
        Ok(self.found)
    }
}

/// Bytes read from the front; nothing is read beyond their end.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
    }
}
