//! Information elements: what management frames say of a network (section 9.4.2).

use super::{Frame, MANAGEMENT};

const SSID: u8 = 0;
const DS_PARAMETERS: u8 = 3;
const RSN: u8 = 48;
const HT_OPERATION: u8 = 61;
const VENDOR: u8 = 221;

/// No name of a network is longer.
const SSID_BYTES_MAX: usize = 32;

/// How a network protects its frames: the best of what it offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Security {
    /// Not at all.
    Open = 0,
    /// Wired equivalent privacy.
    Wep = 1,
    /// Wi-Fi protected access, the first.
    Wpa = 2,
    /// 802.11i with a shared key or 802.1X.
    Wpa2 = 3,
    /// Simultaneous authentication of equals, or suites of 192 bits.
    Wpa3 = 4,
    /// Encrypted without a password (RFC 8110).
    Owe = 5,
}

impl<'a> Frame<'a> {
    /// How many bytes of fixed fields stand before the elements, and where among them the
    /// capabilities do; `None` for a frame without elements.
    fn fixed(self) -> Option<(usize, Option<usize>)> {
        match (self.kind(), self.subtype()) {
            // Requests to associate, again, and the answers.
            (MANAGEMENT, 0) => Some((4, Some(0))),
            (MANAGEMENT, 2) => Some((10, Some(0))),
            (MANAGEMENT, 1 | 3) => Some((6, Some(0))),
            // Probes, their answers, beacons.
            (MANAGEMENT, 4) => Some((0, None)),
            (MANAGEMENT, 5 | 8) => Some((12, Some(10))),
            _ => None,
        }
    }

    fn elements(self) -> Option<Elements<'a>> {
        let (fixed, _) = self.fixed()?;
        let start = self.header_len() + fixed;
        (!self.is_protected()).then_some(())?;
        Some(Elements { rest: self.bytes.get(start..)? })
    }

    fn element(self, id: u8) -> Option<&'a [u8]> {
        self.elements()?.find(|(other, _)| *other == id).map(|(_, body)| body)
    }

    /// The name of the network; empty where it is hidden, or any is asked for.
    pub fn ssid(self) -> Option<&'a [u8]> {
        self.element(SSID).filter(|name| name.len() <= SSID_BYTES_MAX)
    }

    /// The channel that an access point says it is on.
    pub fn channel(self) -> Option<u8> {
        let stated = self.element(DS_PARAMETERS).or_else(|| self.element(HT_OPERATION));
        stated?.first().copied()
    }

    /// How the network protects its frames.
    pub fn security(self) -> Option<Security> {
        const PRIVACY: u8 = 0x10;
        const WPA: [u8; 4] = [0x00, 0x50, 0xf2, 1];
        if let Some(body) = self.element(RSN) {
            return Some(rsn(body));
        }
        let vendor = |(id, body): (u8, &[u8])| id == VENDOR && body.starts_with(&WPA);
        if self.elements()?.any(vendor) {
            return Some(Security::Wpa);
        }
        let (_, capabilities) = self.fixed()?;
        let capabilities = self.bytes.get(self.header_len() + capabilities?)?;
        Some(if capabilities & PRIVACY == 0 { Security::Open } else { Security::Wep })
    }
}

/// The best of the key managements that an RSN element lists (section 9.4.2.24.3).
fn rsn(body: &[u8]) -> Security {
    const SUITE_BYTES: usize = 4;
    let count = |at: usize| {
        body.get(at..).and_then(|rest| rest.first_chunk()).map(|n| u16::from_le_bytes(*n))
    };
    // Version, the group's cipher, then the pairwise ones by their number.
    let pairwise = count(6).map_or(0, usize::from);
    let keys = 8 + SUITE_BYTES * pairwise;
    let n_keys = count(keys).map_or(0, usize::from);
    let suites = body.get(keys + 2..).unwrap_or(&[]).chunks_exact(SUITE_BYTES).take(n_keys);
    let mut best = Security::Wpa2;
    for suite in suites {
        match suite {
            [0x00, 0x0f, 0xac, 8 | 9 | 11..=13 | 24 | 25] => return Security::Wpa3,
            [0x00, 0x0f, 0xac, 18] => best = Security::Owe,
            _ => {}
        }
    }
    best
}

/// Elements one after another: number, length, body. What is cut off is none.
struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [id, len, rest @ ..] = self.rest else { return None };
        let (body, rest) = rest.split_at_checked(usize::from(*len))?;
        self.rest = rest;
        Some((*id, body))
    }
}
