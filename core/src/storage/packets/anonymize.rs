//! Anonymized packets: addresses replaced before anything reaches the disk, alike ones alike.
//!
//! The addresses of IP and ARP, and of exporters, become others under a key (ipcrypt-pfx): two that
//! share their first bits still do, so networks stay networks, and whoever has
//! the key can find the address again. Whatever else in the headers may name
//! an address (options of IPv4, extension headers of IPv6, ICMP redirects) is
//! blanked; link-layer addresses stay. Checksums that were right stay right.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use ipcrypt_rs::IpcryptPfx;

use crate::addr::Addr;
use crate::hash::TableHash;
use crate::packet::{Layers, LinkType};
use crate::storage::pcapng::{self, Block};

/// Addresses remembered; then the memory begins anew.
const KNOWN_MAX: usize = 1 << 16;

/// The key, which never shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Why a file gives no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// It cannot be read.
    #[error("cannot read the key `{path}`")]
    Read {
        /// Which.
        path: String,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
    /// It has something else in it.
    #[error(
        "`{path}` is no key: write 32 random bytes or their 64 hexadecimal digits there, as \
         `openssl rand -hex 32` does"
    )]
    Form {
        /// Which.
        path: String,
    },
}

impl Secret {
    /// Reads a key: 32 bytes, or 64 hexadecimal digits, the first half other than the second.
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        let shown = || path.display().to_string();
        let bytes =
            std::fs::read(path).map_err(|source| SecretError::Read { path: shown(), source })?;
        let key = <[u8; 32]>::try_from(bytes.as_slice()).ok().or_else(|| from_hex(&bytes));
        key.filter(|key| key[..16] != key[16..])
            .map(Self)
            .ok_or_else(|| SecretError::Form { path: shown() })
    }
}

fn from_hex(text: &[u8]) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text
        .trim_ascii()
        .iter()
        .map(|digit| char::from(*digit).to_digit(16).map(|digit| digit as u8))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> =
        digits.chunks(2).map(|pair| pair.iter().fold(0, |b, d| b << 4 | d)).collect();
    if digits.len() == 64 { bytes.try_into().ok() } else { None }
}

/// Replaces addresses.
pub(super) struct Anonymizer {
    cipher: IpcryptPfx,
    known: HashMap<Addr, Addr, TableHash>,
    links: Vec<LinkType>,
}

impl Anonymizer {
    /// One with a key. The halves of a [`Secret`] differ, as the cipher asks.
    pub fn new(secret: &Secret) -> Self {
        let known = HashMap::with_hasher(crate::hash::for_tables());
        Self { cipher: IpcryptPfx::new(secret.0), known, links: Vec::new() }
    }

    /// Replaces the addresses in the next slab of our own. What cannot be understood is blanked.
    pub fn apply(&mut self, slab: &mut [u8]) {
        let mut at = 0;
        while let Some((block, rest)) = slab.get(at..).and_then(pcapng::split) {
            let next = slab.len() - rest.len();
            match block {
                Block::Section(_) => self.links.clear(),
                Block::Interface(bytes) => self.links.push(pcapng::link(bytes)),
                Block::Packet { bytes, .. } => {
                    let seen = pcapng::packet(bytes).unwrap_or_default();
                    let link = self.links.get(seen.interface as usize).copied();
                    let data = at + seen.data.start..at + seen.data.end;
                    if let Some(data) = slab.get_mut(data) {
                        self.packet(link.unwrap_or(LinkType(u16::MAX)), data, seen.wire_len);
                    }
                    pcapng::replace_exporter(&mut slab[at..next], |exporter| {
                        self.replaced(exporter)
                    });
                }
            }
            at = next;
        }
    }

    /// Replaces the addresses of one packet.
    pub fn packet(&mut self, link: LinkType, data: &mut [u8], wire_len: u32) {
        let layers = Layers::find(link, data, wire_len);
        // What lies behind the headers may name any address.
        let end = layers.end(link, data);
        if let Some(behind) = data.get_mut(end..) {
            behind.fill(0);
        }
        if layers.l3 == Layers::NONE {
            return;
        }
        let Some(l3) = data.get_mut(usize::from(layers.l3).min(end)..end) else { return };
        let l4 = layers.l4.checked_sub(layers.l3).filter(|_| layers.l4 != Layers::NONE);
        let done = if layers.has(Layers::ARP) {
            self.arp(l3)
        } else if layers.has(Layers::IPV4) {
            self.ipv4(l3, l4.map(usize::from), &layers)
        } else {
            self.ipv6(l3, l4.map(usize::from), &layers)
        };
        if done.is_none() {
            // An address that is cut in half is an address all the same.
            l3.fill(0);
        }
    }

    /// RFC 826, for IPv4; other protocols are blanked.
    fn arp(&mut self, packet: &mut [u8]) -> Option<()> {
        let hardware = usize::from(*packet.get(4)?);
        let is_ipv4 = packet.get(2..4)? == [8, 0] && *packet.get(5)? == 4;
        if !is_ipv4 {
            return None;
        }
        for start in [8 + hardware, 8 + 2 * hardware + 4] {
            let place = packet.get_mut(start..)?.first_chunk_mut::<4>()?;
            *place = self.v4(*place);
        }
        Some(())
    }

    /// RFC 791.
    fn ipv4(&mut self, packet: &mut [u8], l4: Option<usize>, layers: &Layers) -> Option<()> {
        let header = (usize::from(*packet.first()? & 15) * 4).max(20);
        let mut addresses = Change::default();
        for start in [12, 16] {
            let place = packet.get_mut(start..)?.first_chunk_mut::<4>()?;
            let replaced = self.v4(*place);
            addresses.put(place, &replaced);
        }
        let mut all = addresses;
        if let Some(options) = packet.get_mut(20..header.min(l4.unwrap_or(header))) {
            // Routes that were recorded, or asked for. 1 is the option that does nothing.
            let blank = vec![1; options.len()];
            all.put(options, &blank);
        }
        all.mend(packet, 10);
        self.transport(packet, l4, layers, addresses);
        Some(())
    }

    /// RFC 8200.
    fn ipv6(&mut self, packet: &mut [u8], l4: Option<usize>, layers: &Layers) -> Option<()> {
        let mut addresses = Change::default();
        for start in [8, 24] {
            let place = packet.get_mut(start..)?.first_chunk_mut::<16>()?;
            let replaced = self.v6(*place);
            addresses.put(place, &replaced);
        }
        blank_extensions(packet, l4);
        self.transport(packet, l4, layers, addresses);
        Some(())
    }

    /// The checksums that count addresses in (RFC 9293, RFC 768, RFC 4443), and ICMP redirects.
    fn transport(&self, packet: &mut [u8], l4: Option<usize>, layers: &Layers, change: Change) {
        let Some(l4) = l4 else { return };
        match layers.found & (Layers::TCP | Layers::UDP | Layers::ICMP | Layers::ICMP6) {
            Layers::TCP => change.mend(packet, l4 + 16),
            // Over IPv4 there may be none.
            Layers::UDP if packet.get(l4 + 6..l4 + 8).is_some_and(|sum| sum != [0, 0]) => {
                change.mend(packet, l4 + 6);
                if let Some(sum @ [0, 0]) = packet.get_mut(l4 + 6..l4 + 8) {
                    sum.fill(0xff);
                }
            }
            // RFC 792: a redirect names a gateway.
            Layers::ICMP if packet.get(l4) == Some(&5) => {
                packet.iter_mut().skip(l4 + 4).for_each(|byte| *byte = 0);
            }
            Layers::ICMP6 => change.mend(packet, l4 + 2),
            _ => {}
        }
    }

    fn v4(&mut self, bytes: [u8; 4]) -> [u8; 4] {
        (self.replaced(Addr::v4(bytes)).bits() as u32).to_be_bytes()
    }

    fn v6(&mut self, bytes: [u8; 16]) -> [u8; 16] {
        self.replaced(Addr::v6(bytes)).bits().to_be_bytes()
    }

    fn replaced(&mut self, addr: Addr) -> Addr {
        if let Some(known) = self.known.get(&addr) {
            return *known;
        }
        let replaced = match self.cipher.encrypt_ipaddr(IpAddr::from(addr)) {
            // It takes an IPv6 address that maps one of IPv4 for that.
            IpAddr::V4(v4) if addr.is_v6() => Addr::v6(v4.to_ipv6_mapped().octets()),
            other => Addr::from(other),
        };
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(addr, replaced);
        replaced
    }
}

/// Blanks what hop-by-hop options, routing headers and destination options say; padding of zeros
/// and a route of no steps are left.
fn blank_extensions(packet: &mut [u8], l4: Option<usize>) {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const AH: u8 = 51;
    const DESTINATION: u8 = 60;
    let end = l4.unwrap_or(packet.len()).min(packet.len());
    let Some(&first) = packet.get(6) else { return };
    let (mut next, mut at) = (first, 40);
    while at < end {
        let Some(&[following, units]) = packet.get(at..).and_then(<[u8]>::first_chunk) else {
            return;
        };
        let len = match next {
            HOP_BY_HOP | ROUTING | DESTINATION => {
                let len = (usize::from(units) + 1) * 8;
                if let Some(says) = packet.get_mut(at + 2..(at + len).min(end)) {
                    says.fill(0);
                }
                len
            }
            FRAGMENT => 8,
            AH => (usize::from(units) + 2) * 4,
            _ => return,
        };
        (next, at) = (following, at + len);
    }
}

/// By how much the one's complement sum of some bytes changed (RFC 1624).
#[derive(Clone, Copy, Default)]
struct Change(u64);

impl Change {
    /// Puts other bytes in the place of these, which begin at an even offset.
    fn put(&mut self, place: &mut [u8], bytes: &[u8]) {
        let words = |bytes: &[u8]| -> u64 {
            bytes
                .chunks(2)
                .map(|w| u64::from(w[0]) << 8 | w.get(1).map_or(0, |b| u64::from(*b)))
                .sum()
        };
        let count = place.len().div_ceil(2) as u64;
        self.0 += count * 0xffff - words(place) + words(bytes);
        place.copy_from_slice(bytes);
    }

    /// Changes the checksum at an offset with it, if it was captured.
    fn mend(self, packet: &mut [u8], at: usize) {
        let Some(sum) = packet.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<2>) else { return };
        let mut total = u64::from(!u16::from_be_bytes(*sum)) + self.0;
        while total > 0xffff {
            total = (total & 0xffff) + (total >> 16);
        }
        *sum = (!(total as u16)).to_be_bytes();
    }
}

#[cfg(test)]
mod tests;
