//! Addresses: one type for IPv4 and IPv6, prefixes, and link-layer addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An IP address of either family.
///
/// Modules never care which family it is. An IPv4 address and the IPv6 address
/// that maps it (`::ffff:1.2.3.4`) are different addresses. IPv4 orders first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addr {
    v6: bool,
    // IPv4 in the low 32 bits, the rest zero.
    bits: [u64; 2],
}

impl Addr {
    /// An IPv4 address from its four bytes in network order.
    #[inline]
    pub const fn v4(bytes: [u8; 4]) -> Self {
        Self { v6: false, bits: [0, u32::from_be_bytes(bytes) as u64] }
    }

    /// An IPv6 address from its sixteen bytes in network order.
    #[inline]
    pub const fn v6(bytes: [u8; 16]) -> Self {
        let all = u128::from_be_bytes(bytes);
        Self { v6: true, bits: [(all >> 64) as u64, all as u64] }
    }

    /// Whether the family is IPv6.
    #[inline]
    pub const fn is_v6(self) -> bool {
        self.v6
    }

    /// The address as one number: 32 significant bits for IPv4, 128 for IPv6.
    #[inline]
    pub const fn bits(self) -> u128 {
        ((self.bits[0] as u128) << 64) | self.bits[1] as u128
    }

    /// The address of the given family whose number is `bits`; IPv4 keeps the low 32.
    #[inline]
    pub const fn from_bits(v6: bool, bits: u128) -> Self {
        if v6 {
            Self { v6, bits: [(bits >> 64) as u64, bits as u64] }
        } else {
            Self { v6, bits: [0, bits as u32 as u64] }
        }
    }

    /// How many bits an address of this family has: 32 or 128.
    #[inline]
    pub const fn width(self) -> u8 {
        if self.v6 { 128 } else { 32 }
    }

    /// The address with all but its first `len` bits zero.
    pub const fn masked(self, len: u8) -> Self {
        let width = self.width();
        let keep = if len > width { width } else { len };
        let drop = width - keep;
        let bits = if drop == 128 { 0 } else { self.bits() >> drop << drop };
        Self::from_bits(self.v6, bits)
    }
}

impl From<IpAddr> for Addr {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(a) => Self::v4(a.octets()),
            IpAddr::V6(a) => Self::v6(a.octets()),
        }
    }
}

impl From<Addr> for IpAddr {
    fn from(addr: Addr) -> Self {
        if addr.v6 {
            Self::V6(Ipv6Addr::from_bits(addr.bits()))
        } else {
            Self::V4(Ipv4Addr::from_bits(addr.bits() as u32))
        }
    }
}

impl FromStr for Addr {
    type Err = std::net::AddrParseError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<IpAddr>().map(Self::from)
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        IpAddr::from(*self).fmt(f)
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Default for Addr {
    /// `0.0.0.0`, the filler of columns where a packet has no address.
    fn default() -> Self {
        Self::v4([0; 4])
    }
}

/// A network: an address whose bits after the first `len` are zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    addr: Addr,
    len: u8,
}

impl Prefix {
    /// The network of `addr` with the first `len` bits kept, at most the family's width.
    pub const fn new(addr: Addr, len: u8) -> Self {
        let width = addr.width();
        let len = if len > width { width } else { len };
        Self { addr: addr.masked(len), len }
    }

    /// The first address of the network.
    pub const fn addr(self) -> Addr {
        self.addr
    }

    /// How many leading bits are fixed.
    pub const fn bits(self) -> u8 {
        self.len
    }

    /// Whether `addr` is of the same family and lies inside.
    #[inline]
    pub fn contains(self, addr: Addr) -> bool {
        addr.masked(self.len) == self.addr
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.len)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A 48-bit link-layer address, kept in the low bits of a number.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub u64);

impl Mac {
    /// The address from its six bytes in wire order.
    #[inline]
    pub const fn new(b: [u8; 6]) -> Self {
        Self(u64::from_be_bytes([0, 0, b[0], b[1], b[2], b[3], b[4], b[5]]))
    }

    /// The six bytes in wire order.
    pub const fn bytes(self) -> [u8; 6] {
        let [_, _, a, b, c, d, e, f] = self.0.to_be_bytes();
        [a, b, c, d, e, f]
    }
}

/// Why a text is not a link-layer address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a link-layer address: write six hexadecimal bytes, as in `00:1b:21:0a:0b:0c`"
)]
pub struct MacError(String);

impl FromStr for Mac {
    type Err = MacError;
    /// Reads six hexadecimal bytes parted by `:` or `-`, or three groups of two, as
    /// `0200.0000.0001`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || MacError(text.to_owned());
        let groups: Vec<&str> = text.split('.').collect();
        if groups.len() == 3 && groups.iter().all(|group| group.len() == 4) {
            let digits = groups.concat();
            let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            let bits = u64::from_str_radix(&digits, 16).ok().filter(|_| plain).ok_or_else(fail)?;
            return Ok(Self(bits));
        }
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().filter(|p| matches!(p.len(), 1 | 2)).ok_or_else(fail)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| fail())?;
        }
        if parts.next().is_some() { Err(fail()) } else { Ok(Self::new(bytes)) }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.bytes();
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> Addr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_mapped_address_is_not_the_address_it_maps() {
        assert_ne!(addr("::ffff:1.2.3.4"), addr("1.2.3.4"));
    }

    #[test]
    fn masks_keep_the_leading_bits_of_either_family() {
        assert_eq!(addr("10.1.2.3").masked(8), addr("10.0.0.0"));
        assert_eq!(addr("10.1.2.3").masked(0), addr("0.0.0.0"));
        assert_eq!(addr("fe80::1").masked(10), addr("fe80::"));
        assert_eq!(addr("fe80::1").masked(0), addr("::"));
        assert_eq!(addr("fe80::1").masked(200), addr("fe80::1"));
    }

    #[test]
    fn a_prefix_holds_its_own_family_only() {
        let all = Prefix::new(addr("0.0.0.0"), 0);
        assert!(all.contains(addr("9.9.9.9")));
        assert!(!all.contains(addr("::9")));
    }

    #[test]
    fn link_addresses_read_back_as_written() {
        let mac: Mac = "00:1b:21:0A:0b:0c".parse().expect("an address");
        assert_eq!(mac.to_string(), "00:1b:21:0a:0b:0c");
        assert!("00:1b:21".parse::<Mac>().is_err());
        assert!("zz:1b:21:0a:0b:0c".parse::<Mac>().is_err());
    }
}
