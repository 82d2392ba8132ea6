//! Link types: what the first byte of a packet is the start of.
//!
//! Numbers are those of the tcpdump group's registry (LINKTYPE_*), which pcap
//! and pcapng files carry.

use crate::field::Fields;

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
    /// The number BSD systems use for [`LinkType::RAW`], met in files.
    pub const RAW_BSD: Self = Self(12);
    /// The number OpenBSD uses for [`LinkType::RAW`], met in files.
    pub const RAW_OPENBSD: Self = Self(14);
    /// ATM behind RFC 2684: 802.2 LLC, as ERF's reassembled AAL5 has it.
    pub const ATM_RFC1483: Self = Self(100);
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
    /// A record of Endace's ERF in a file of another format. Readers of files open it: no packet is
    /// of this type.
    pub const ERF: Self = Self(197);
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

/// What is decoded.
pub(crate) const SUPPORTED: [LinkType; 22] = [
    LinkType::NULL,
    LinkType::ETHERNET,
    LinkType::PPP,
    LinkType::FDDI,
    LinkType::RAW_BSD,
    LinkType::RAW_OPENBSD,
    LinkType::PPP_HDLC,
    LinkType::PPPOE,
    LinkType::ATM_RFC1483,
    LinkType::RAW,
    LinkType::CHDLC,
    LinkType::IEEE802_11,
    LinkType::LOOP,
    LinkType::LINUX_SLL,
    LinkType::PRISM,
    LinkType::RADIOTAP,
    LinkType::AVS,
    LinkType::PPP_WITH_DIR,
    LinkType::IPV4,
    LinkType::IPV6,
    LinkType::NFLOG,
    LinkType::LINUX_SLL2,
];

impl LinkType {
    /// Whether packets of this type are decoded; a source of another type is refused when it opens.
    pub fn is_supported(self) -> bool {
        SUPPORTED.contains(&self)
    }

    /// The fields that packets of this type may have.
    pub fn offers(self) -> Fields {
        let air = Fields::under("wlan.").and(Fields::under("radio."));
        let fields = Fields::ALL.but(Fields::under("exporter."));
        match self {
            Self::RAW | Self::RAW_BSD | Self::RAW_OPENBSD | Self::IPV4 | Self::IPV6 => {
                let link = ["eth.", "vlan.", "mpls.", "pppoe.", "arp."];
                let below = link.into_iter().fold(air, |all, name| all.and(Fields::under(name)));
                fields.but(below)
            }
            Self::ETHERNET | Self::NULL | Self::LOOP | Self::PPP | Self::CHDLC => fields.but(air),
            Self::LINUX_SLL | Self::LINUX_SLL2 => fields.but(air),
            _ => fields,
        }
    }

    /// What people call it; `unknown` where nobody the project knows has met it.
    pub const fn name(self) -> &'static str {
        match self.0 {
            0 => "BSD loopback",
            1 => "Ethernet",
            6 => "Token Ring",
            7 => "ARCNET",
            8 => "SLIP",
            9 => "PPP",
            10 => "FDDI",
            12 | 14 | 101 => "raw IP",
            50 => "PPP in HDLC framing",
            51 => "PPPoE",
            99 => "Symantec firewall",
            100 => "ATM RFC 1483",
            104 => "Cisco HDLC",
            105 => "802.11",
            107 => "Frame Relay",
            108 => "OpenBSD loopback",
            113 => "Linux cooked",
            114 => "LocalTalk",
            117 => "OpenBSD pflog",
            119 => "802.11 with Prism header",
            122 => "IP over Fibre Channel",
            123 => "SunATM",
            127 => "802.11 with radiotap header",
            129 => "ARCNET for Linux",
            138 => "IP over IEEE 1394",
            139..=142 => "SS7",
            143 => "DOCSIS",
            144 => "Linux IrDA",
            147..=162 => "user-defined",
            163 => "802.11 with AVS header",
            165 => "BACnet MS/TP",
            166 => "pppd",
            187 | 201 => "Bluetooth HCI",
            189 | 220 => "Linux USB",
            192 => "PPI",
            195 | 215 | 230 => "802.15.4",
            197 => "ERF",
            203 => "LAPD",
            204 => "PPP with direction",
            209 => "Linux IPMB",
            224 => "Fibre Channel",
            226 => "Solaris ipnet",
            227 => "CAN",
            228 => "raw IPv4",
            229 => "raw IPv6",
            239 => "netfilter log",
            240 => "netANALYZER",
            247 => "InfiniBand",
            249 => "USBPcap",
            253 => "Linux netlink",
            276 => "Linux cooked v2",
            _ => "unknown",
        }
    }
}

impl std::fmt::Display for LinkType {
    /// Name and number, as in `Ethernet (1)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}
