//! Community IDs: a hash of a flow's ends, by which other tools know the same flow.
//!
//! Version 1 of [the specification](https://github.com/corelight/community-id-spec)
//! with its default seed 0: SHA-1 over the seed, both addresses, the protocol
//! and both ports, the smaller end first, so that both directions of a flow
//! have one. Written as `1:` and the hash in base64.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::addr::Addr;

/// Bytes of the hash.
const BYTES: usize = 20;

/// Characters of the hash in base64.
const TEXT_BYTES: usize = 28;

/// The Community ID of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommunityId([u8; BYTES]);

/// A text is no Community ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no Community ID of version 1: `1:` and 28 characters of base64")]
pub struct CommunityIdError;

/// What tells the flows between two addresses apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// Ports, of TCP, UDP and SCTP; the source's first.
    Ports(u16, u16),
    /// Type and code of an ICMP or ICMPv6 message.
    Message(u8, u8),
    /// Nothing more: other protocols.
    None,
}

impl CommunityId {
    /// That of a flow with this protocol. Both addresses are of one family.
    pub fn of(src: Addr, dst: Addr, proto: u8, ends: Ends) -> Self {
        let (ports, is_one_way) = match ends {
            Ends::Ports(sport, dport) => (Some((sport, dport)), false),
            Ends::Message(kind, code) => {
                let answer = answered(dst.is_v6(), kind);
                (Some((kind.into(), answer.unwrap_or(code).into())), answer.is_none())
            }
            Ends::None => (None, false),
        };
        let (sport, dport) = ports.unwrap_or((0, 0));
        let is_ordered = is_one_way || (src, sport) <= (dst, dport);
        let (from, to) =
            if is_ordered { ((src, sport), (dst, dport)) } else { ((dst, dport), (src, sport)) };
        // Seed, two addresses, protocol, a zero, two ports.
        let mut input = [0; 2 + 16 + 16 + 2 + 4];
        let mut len = 2;
        let mut put = |bytes: &[u8]| {
            if let Some(place) = input.get_mut(len..len + bytes.len()) {
                place.copy_from_slice(bytes);
                len += bytes.len();
            }
        };
        for addr in [from.0, to.0] {
            let bytes = addr.bits().to_be_bytes();
            put(if addr.is_v6() { &bytes } else { &bytes[12..] });
        }
        put(&[proto, 0]);
        if ports.is_some() {
            put(&from.1.to_be_bytes());
            put(&to.1.to_be_bytes());
        }
        Self(Sha1::digest(&input[..len]).into())
    }

    /// That of these bytes.
    pub(crate) const fn from_bytes(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn bytes(self) -> [u8; BYTES] {
        self.0
    }
}

/// The type of message that answers one of this type, or that it answers.
fn answered(v6: bool, kind: u8) -> Option<u8> {
    const PAIRS: [(u8, u8); 5] = [(8, 0), (13, 14), (15, 16), (10, 9), (17, 18)];
    const PAIRS6: [(u8, u8); 6] =
        [(128, 129), (133, 134), (135, 136), (130, 131), (139, 140), (144, 145)];
    let pairs = if v6 { &PAIRS6[..] } else { &PAIRS[..] };
    pairs.iter().find_map(|pair| match *pair {
        (asks, answers) if asks == kind => Some(answers),
        (asks, answers) if answers == kind => Some(asks),
        _ => None,
    })
}

impl fmt::Display for CommunityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; TEXT_BYTES];
        // Twenty bytes make twenty-eight characters, all of them ASCII.
        let len = STANDARD.encode_slice(self.0, &mut text).unwrap_or(0);
        f.write_str("1:")?;
        f.write_str(std::str::from_utf8(&text[..len]).unwrap_or_default())
    }
}

impl FromStr for CommunityId {
    type Err = CommunityIdError;

    fn from_str(text: &str) -> Result<Self, CommunityIdError> {
        let text = text.strip_prefix("1:").filter(|text| text.len() == TEXT_BYTES);
        // One byte more than there is, which is what a text of this length could hold.
        let mut bytes = [0; BYTES + 1];
        match STANDARD.decode_slice(text.ok_or(CommunityIdError)?, &mut bytes) {
            Ok(BYTES) => bytes.first_chunk().map(|bytes| Self(*bytes)).ok_or(CommunityIdError),
            _ => Err(CommunityIdError),
        }
    }
}

#[cfg(test)]
mod tests;
