//! 802.11: the frame behind whatever a monitor-mode capture puts before it.
//!
//! IEEE Std 802.11-2020, section 9. Nothing of it is kept with the packet's
//! layers: a field is read from the bytes again, which is a few loads, and only
//! where somebody asks for it.

mod elements;
mod radio;

use super::LinkType;

pub(crate) use radio::{Radio, Unread, prefix, value};

/// Frame types.
const MANAGEMENT: u8 = 0;
const CONTROL: u8 = 1;
const DATA: u8 = 2;

/// Flags of the frame control field's second byte.
const TO_DS: u8 = 0x01;
const FROM_DS: u8 = 0x02;
const RETRY: u8 = 0x08;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;

/// Of a data frame's subtype: it has a quality-of-service field; it carries no data.
const QOS: u8 = 8;
const NULL: u8 = 4;

/// One frame, of which at least the frame control field was captured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    // From the frame's first byte on, without what the radio's driver put behind it.
    bytes: &'a [u8],
    control: [u8; 2],
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// 802.2 LLC, at this offset from the start of the frame.
    Llc(usize),
    /// Several packets, each behind its addresses and length, the first at this offset.
    Several(usize),
    /// Nothing that can be looked into: encrypted, a later fragment, no data frame, none at all.
    Nothing,
    /// It is of a version that nobody has defined.
    Unknown,
}

/// One of the addresses a frame may have, by its part in the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Source,
    Destination,
    Bssid,
    Receiver,
    Transmitter,
}

impl<'a> Frame<'a> {
    /// The frame of a packet of a wireless link type.
    #[inline]
    pub fn of(link: LinkType, bytes: &'a [u8]) -> Option<Self> {
        let prefix = radio::prefix(link, bytes).ok()?;
        let frame = bytes.get(prefix.len..)?;
        let end = frame.len().saturating_sub(if prefix.has_check_sequence { 4 } else { 0 });
        Self::new(frame.get(..end).filter(|_| end >= 2).unwrap_or(frame))
    }

    /// The frame that starts with `bytes`.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        Some(Self { bytes, control: *bytes.first_chunk()? })
    }

    /// Its type: 0 management, 1 control, 2 data, 3 extension.
    pub fn kind(self) -> u8 {
        self.control[0] >> 2 & 3
    }

    /// Its subtype, which means something within its type only.
    pub fn subtype(self) -> u8 {
        self.control[0] >> 4
    }

    /// Whether it goes to the distribution system.
    pub fn is_to_ds(self) -> bool {
        self.has(TO_DS)
    }

    /// Whether it comes from the distribution system.
    pub fn is_from_ds(self) -> bool {
        self.has(FROM_DS)
    }

    /// Whether it was sent before.
    pub fn is_retry(self) -> bool {
        self.has(RETRY)
    }

    /// Whether its body is encrypted.
    pub fn is_protected(self) -> bool {
        self.has(PROTECTED)
    }

    fn has(self, flag: u8) -> bool {
        self.control[1] & flag != 0
    }

    /// The sequence number, and the number of the fragment, in the field that holds both.
    pub fn sequence(self) -> Option<(u16, u8)> {
        if !matches!(self.kind(), MANAGEMENT | DATA) {
            return None;
        }
        let word = u16::from_le_bytes(*self.bytes.get(22..)?.first_chunk()?);
        Some((word >> 4, (word & 15) as u8))
    }

    /// How long the header is, as far as the frame control field tells; 0 where it cannot.
    pub fn header_len(self) -> usize {
        let order = if self.has(ORDER) { 4 } else { 0 };
        match self.kind() {
            MANAGEMENT => 24 + order,
            DATA => {
                let four = if self.control[1] & 3 == 3 { 6 } else { 0 };
                let qos = if self.subtype() & QOS != 0 { 2 + order } else { 0 };
                24 + four + qos
            }
            _ => 0,
        }
    }

    /// What it carries; `is_padded` where the driver put bytes behind the header to align it.
    pub fn body(self, is_padded: bool) -> Body {
        if self.control[0] & 3 != 0 {
            return Body::Unknown;
        }
        let is_data = self.kind() == DATA && self.subtype() & NULL == 0;
        if !is_data || self.is_protected() || self.sequence().is_some_and(|(_, part)| part > 0) {
            return Body::Nothing;
        }
        let four = if self.control[1] & 3 == 3 { 6 } else { 0 };
        let aggregate = 0x80;
        let is_several = self.subtype() & QOS != 0
            && self.bytes.get(24 + four).is_some_and(|qos| qos & aggregate != 0);
        let len = self.header_len();
        let start = if is_padded { len.next_multiple_of(4) } else { len };
        if is_several { Body::Several(start) } else { Body::Llc(start) }
    }

    /// The address that plays this part (table 9-30), if the frame has it.
    pub fn address(self, role: Role) -> Option<[u8; 6]> {
        let nth = match (role, self.kind()) {
            (Role::Receiver, MANAGEMENT | CONTROL | DATA) => 1,
            (Role::Transmitter, MANAGEMENT | DATA) => 2,
            (Role::Transmitter, CONTROL) if self.has_transmitter() => 2,
            (Role::Destination, MANAGEMENT) => 1,
            (Role::Source, MANAGEMENT) => 2,
            (Role::Bssid, MANAGEMENT) => 3,
            (_, DATA) => match (role, self.is_to_ds(), self.is_from_ds()) {
                (Role::Destination, false, _) | (Role::Bssid, true, false) => 1,
                (Role::Source, _, false) | (Role::Bssid, false, true) => 2,
                (Role::Bssid, true, true) => return None,
                (Role::Source, true, true) => 4,
                _ => 3,
            },
            _ => return None,
        };
        let at = [4, 10, 16, 24].get(nth - 1)?;
        self.bytes.get(*at..)?.first_chunk().copied()
    }

    /// Whether a control frame names its transmitter: not CTS and ACK, nor what is rarer.
    fn has_transmitter(self) -> bool {
        matches!(self.subtype(), 4 | 5 | 8..=11 | 14 | 15)
    }
}

#[cfg(test)]
mod tests;
