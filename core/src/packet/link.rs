//! Link types: what the first byte of a packet is the start of.
//!
//! Numbers are those of the tcpdump group's registry (LINKTYPE_*), which pcap
//! and pcapng files carry.

/// A link type by its registry number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: a four-byte address family in the byte order of the host.
    pub const NULL: Self = Self(0);
    /// Ethernet II and 802.3.
    pub const ETHERNET: Self = Self(1);
    /// PPP, with or without HDLC framing bytes.
    pub const PPP: Self = Self(9);
    /// FDDI with 802.2 LLC.
    pub const FDDI: Self = Self(10);
    /// PPP in HDLC-like framing (RFC 1662).
    pub const PPP_HDLC: Self = Self(50);
    /// PPP over Ethernet without the Ethernet header.
    pub const PPPOE: Self = Self(51);
    /// Raw IPv4 or IPv6, told apart by the version nibble.
    pub const RAW: Self = Self(101);
    /// Cisco HDLC.
    pub const CHDLC: Self = Self(104);
    /// Bare 802.11.
    pub const IEEE802_11: Self = Self(105);
    /// OpenBSD loopback: a four-byte address family in network order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture, version 1.
    pub const LINUX_SLL: Self = Self(113);
    /// 802.11 with a Prism header.
    pub const PRISM: Self = Self(119);
    /// 802.11 with a radiotap header.
    pub const RADIOTAP: Self = Self(127);
    /// 802.11 with an AVS header.
    pub const AVS: Self = Self(163);
    /// PPP preceded by a direction byte.
    pub const PPP_WITH_DIR: Self = Self(204);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux netfilter log.
    pub const NFLOG: Self = Self(239);
    /// Linux cooked capture, version 2.
    pub const LINUX_SLL2: Self = Self(276);
}
