//! IPv4, IPv6 with its extension headers, and where the transport header starts.
//!
//! RFC 791, RFC 8200. AH, ESP and mobility are upper layers here, not skipped.

use super::Layers;
use super::walk::Walk;

const HOP_BY_HOP: u8 = 0;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const ICMP6: u8 = 58;
const DESTINATION: u8 = 60;
const SCTP: u8 = 132;

/// IPv6 extension headers before a chain counts as malformed.
const EXTENSIONS_MAX: usize = 64;

fn is_extension(next: u8) -> bool {
    matches!(next, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION)
}

impl Walk<'_> {
    pub(super) fn ipv4(&mut self) {
        self.mark(Layers::IPV4);
        let Some(first) = self.version(4, 20) else { return };
        let start = self.at;
        if let Some(proto) = self.u8(start + 9) {
            self.protocol(proto);
        }
        let (Some(total), Some(fragment)) = (self.u16(start + 2), self.u16(start + 6)) else {
            return self.missing(start + 20);
        };
        self.fragment(fragment & 0x1fff != 0, fragment & 0x2000 != 0);
        let header = usize::from(first & 15) * 4;
        if header < 20 {
            return self.mark(Layers::MALFORMED);
        }
        if self.bytes.len() < start + header {
            return self.missing(start + header);
        }
        let end = self.end(start + header, start + length4(total, self.whole - start));
        self.at = start + header;
        self.transport(end);
    }

    pub(super) fn ipv6(&mut self) {
        self.mark(Layers::IPV6);
        if self.version(6, 40).is_none() {
            return;
        }
        let start = self.at;
        let next = self.u8(start + 6);
        if self.bytes.len() < start + 40 {
            if let Some(next) = next.filter(|next| !is_extension(*next)) {
                self.protocol(next);
            }
            return self.missing(start + 40);
        }
        let (Some(length), Some(next)) = (self.u16(start + 4), next) else { return };
        let end = self.end(start + 40, start + length6(length, next, self.whole - start));
        self.at = start + 40;
        if self.extensions(next, end).is_some() {
            self.transport(end);
        }
    }

    /// Skips extension headers; `None` if the chain breaks or leads behind a later fragment.
    fn extensions(&mut self, mut next: u8, end: usize) -> Option<()> {
        for _ in 0..=EXTENSIONS_MAX {
            if !is_extension(next) {
                self.protocol(next);
                return Some(());
            }
            let (Some(behind), Some(units)) = (self.u8(self.at), self.u8(self.at + 1)) else {
                self.missing(self.at + 8);
                return None;
            };
            let len = if next == FRAGMENT { 8 } else { (usize::from(units) + 1) * 8 };
            let is_cut = self.at + len > self.bytes.len();
            if is_cut || self.at + len > end {
                if !is_extension(behind) {
                    self.protocol(behind);
                }
                if is_cut {
                    self.missing(self.at + len);
                } else {
                    self.mark(Layers::MALFORMED);
                }
                return None;
            }
            if next == FRAGMENT {
                let word = self.u16(self.at + 2)?;
                self.fragment(word & 0xfff8 != 0, word & 1 != 0);
            }
            if self.layers.has(Layers::LATER_FRAGMENT) {
                // What follows is data from the middle: its first bytes are no header.
                self.protocol(behind);
                return None;
            }
            self.at += len;
            next = behind;
        }
        self.mark(Layers::MALFORMED);
        None
    }

    /// Checks the version nibble and notes where the header is; `None` if it is not to be read.
    fn version(&mut self, version: u8, header: usize) -> Option<u8> {
        match self.u8(self.at) {
            None => {
                self.missing(self.at + header);
                None
            }
            Some(first) if first >> 4 != version => {
                self.mark(Layers::MALFORMED);
                None
            }
            Some(first) => self.set_l3().map(|()| first),
        }
    }

    fn protocol(&mut self, proto: u8) {
        self.layers.proto = proto;
        let is_v6 = self.layers.has(Layers::IPV6);
        self.mark(Layers::PROTO);
        self.mark(match proto {
            TCP => Layers::TCP,
            UDP => Layers::UDP,
            SCTP => Layers::SCTP,
            ICMP if !is_v6 => Layers::ICMP,
            ICMP6 if is_v6 => Layers::ICMP6,
            _ => 0,
        });
    }

    fn fragment(&mut self, is_later: bool, has_more: bool) {
        if is_later {
            self.mark(Layers::LATER_FRAGMENT);
        }
        if is_later || has_more {
            self.mark(Layers::FRAGMENT);
        }
    }

    /// Where the IP packet ends, given where its header ends and where it says the packet does.
    fn end(&mut self, header: usize, stated: usize) -> usize {
        if stated < header || stated > self.whole {
            self.mark(Layers::MALFORMED);
        }
        stated.min(self.whole)
    }

    /// Notes where the transport header starts, if it does before the IP packet ends.
    fn transport(&mut self, end: usize) {
        if self.layers.has(Layers::LATER_FRAGMENT) {
            return;
        }
        let start = self.at;
        let found = self.layers.found;
        // The least each is: for ICMP type, code and checksum.
        let least = match found & (Layers::TCP | Layers::UDP | Layers::SCTP) {
            Layers::TCP => 20,
            Layers::UDP => 8,
            Layers::SCTP => 12,
            _ if found & (Layers::ICMP | Layers::ICMP6) != 0 => 4,
            _ => 0,
        };
        if start + least > end {
            self.mark(Layers::MALFORMED | Layers::SHORT);
            if start + Layers::SHORT_BYTES > end {
                return;
            }
        }
        if start >= self.bytes.len() {
            if least > 0 {
                self.missing(start + least);
            }
            return;
        }
        match u16::try_from(start) {
            Ok(at) if at != Layers::NONE && start < end => self.layers.l4 = at,
            _ => return,
        }
        if start + least > self.bytes.len() {
            return self.missing(start + least);
        }
        if self.layers.has(Layers::SHORT) {
            return;
        }
        match found & (Layers::TCP | Layers::UDP) {
            Layers::TCP => self.tcp(start, end),
            Layers::UDP => self.udp(start, end),
            _ => {}
        }
    }

    /// RFC 9293: the header states its own length.
    fn tcp(&mut self, start: usize, end: usize) {
        let Some(words) = self.u8(start + 12) else { return };
        let header = usize::from(words >> 4) * 4;
        if header < 20 || start + header > end {
            self.mark(Layers::MALFORMED);
        } else if start + header > self.bytes.len() {
            self.missing(start + header);
        }
    }

    /// RFC 768; a length of 0 is a jumbogram's (RFC 2675), a first fragment states the whole.
    fn udp(&mut self, start: usize, end: usize) {
        let Some(length) = self.u16(start + 4).map(usize::from) else { return };
        let is_short = length < 8 && length != 0;
        let is_long = start + length > end && !self.layers.has(Layers::FRAGMENT);
        if is_short || is_long {
            self.mark(Layers::MALFORMED);
        }
    }
}

/// Bytes of an IPv4 packet that states `total` and has `left` bytes of its frame.
///
/// Segmentation offload leaves the length 0: then the packet ends with the frame.
fn length4(total: u16, left: usize) -> usize {
    if total == 0 { left } else { usize::from(total) }
}

/// Bytes of an IPv6 packet, header included, that states `length` behind its header.
///
/// A length of 0 stands for one that does not fit (RFC 2675); otherwise it is none.
fn length6(length: u16, next: u8, left: usize) -> usize {
    let is_unstated = length == 0 && (next == HOP_BY_HOP || left > 40 + 0xffff);
    if is_unstated { left } else { 40 + usize::from(length) }
}

/// Where the IP packet ends, by its header, in a frame of `whole` bytes: link padding lies behind.
pub(crate) fn ip_end(bytes: &[u8], layers: &Layers, whole: usize) -> Option<usize> {
    let l3 = usize::from(layers.l3);
    let word = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let left = whole.checked_sub(l3)?;
    let length = if layers.has(Layers::IPV4) {
        length4(word(l3 + 2)?, left)
    } else if layers.has(Layers::IPV6) {
        length6(word(l3 + 4)?, *bytes.get(l3 + 6)?, left)
    } else {
        return None;
    };
    Some((l3 + length).min(whole))
}

/// How long the header of the IPv6 packet at `l3` is with its extension headers, of a fragment up
/// to its fragment header (RFC 8200 section 4.5): those behind that are part of what is fragmented.
pub(super) fn headers6(bytes: &[u8], l3: usize) -> usize {
    let mut next = bytes.get(l3 + 6).copied().unwrap_or(0);
    let mut at = l3 + 40;
    for _ in 0..EXTENSIONS_MAX {
        let (Some(behind), Some(units)) = (bytes.get(at), bytes.get(at + 1)) else { break };
        at += match next {
            FRAGMENT => 8,
            HOP_BY_HOP | ROUTING | DESTINATION => (usize::from(*units) + 1) * 8,
            _ => break,
        };
        if next == FRAGMENT && fragment_word(bytes, l3).is_some_and(|word| word & 0xfff8 != 0) {
            break;
        }
        next = *behind;
    }
    at - l3
}

/// The offset-and-flags word of the header that makes the IPv6 packet at `l3` a fragment.
pub(crate) fn fragment_word(bytes: &[u8], l3: usize) -> Option<u16> {
    let mut next = *bytes.get(l3 + 6)?;
    let mut at = l3 + 40;
    for _ in 0..EXTENSIONS_MAX {
        match next {
            FRAGMENT => {
                let word = u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]);
                if word & 0xfff9 != 0 {
                    return Some(word);
                }
                next = *bytes.get(at)?;
                at += 8;
            }
            HOP_BY_HOP | ROUTING | DESTINATION => {
                next = *bytes.get(at)?;
                at += (usize::from(*bytes.get(at + 1)?) + 1) * 8;
            }
            _ => return None,
        }
    }
    None
}
