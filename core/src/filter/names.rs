//! The words of the language that are not fields: protocols, services, constants, and those
//! that no source can serve yet.

use crate::field::Field;
use crate::packet::Layers;

use super::term::AddrKey;

/// Words for headers the decoder finds.
pub const LAYERS: [(&str, u32); 10] = [
    ("ip", Layers::IPV4),
    ("ip6", Layers::IPV6),
    ("arp", Layers::ARP),
    ("tcp", Layers::TCP),
    ("udp", Layers::UDP),
    ("sctp", Layers::SCTP),
    ("icmp", Layers::ICMP),
    ("icmp6", Layers::ICMP6),
    ("llc", Layers::LLC),
    ("wlan", Layers::WLAN),
];

/// Words for protocols by number, and whether tcpdump's word means IPv4 alone.
pub const TRANSPORTS: [(&str, u8, bool); 9] = [
    ("igmp", 2, true),
    ("igrp", 9, true),
    ("vrrp", 112, true),
    ("carp", 112, true),
    ("pim", 103, false),
    ("ah", 51, false),
    ("esp", 50, false),
    ("gre", 47, false),
    ("ospf", 89, false),
];

/// Words for EtherTypes.
pub const ETHER_TYPES: [(&str, u16); 8] = [
    ("rarp", 0x8035),
    ("aarp", 0x80f3),
    ("decnet", 0x6003),
    ("lat", 0x6004),
    ("moprc", 0x6002),
    ("mopdl", 0x6001),
    ("pppoed", 0x8863),
    ("lldp", 0x88cc),
];

/// Protocol numbers by name, behind `proto` and beside `ip.proto` (IANA).
pub const PROTOCOLS: [(&str, u8); 21] = [
    ("icmp", 1),
    ("igmp", 2),
    ("ipencap", 4),
    ("tcp", 6),
    ("egp", 8),
    ("igp", 9),
    ("igrp", 9),
    ("udp", 17),
    ("ipv6", 41),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmp6", 58),
    ("ipv6-icmp", 58),
    ("eigrp", 88),
    ("ospf", 89),
    ("pim", 103),
    ("vrrp", 112),
    ("carp", 112),
    ("l2tp", 115),
    ("sctp", 132),
];

/// EtherTypes by name, behind `ether proto` and beside `eth.type`, with [`ETHER_TYPES`].
pub const ETHER_PROTOCOLS: [(&str, u16); 5] =
    [("ip", 0x0800), ("arp", 0x0806), ("ip6", 0x86dd), ("loopback", 0x9000), ("vlan", 0x8100)];

/// Types of 802.11 frames, as tcpdump names them, beside `wlan.type`.
pub const WLAN_TYPES: [(&str, u8); 4] = [("mgt", 0), ("ctl", 1), ("data", 2), ("extension", 3)];

/// How a wireless network may protect its frames, beside `wlan.security`.
pub const WLAN_SECURITIES: [(&str, u8); 6] =
    [("open", 0), ("wep", 1), ("wpa", 2), ("wpa2", 3), ("wpa3", 4), ("owe", 5)];

/// Other names of fields: CoMo's.
pub const ALIASES: [(&str, Field); 2] =
    [("to_ds", Field::WlanToDs), ("from_ds", Field::WlanFromDs)];

/// Constants for bytes of headers, as tcpdump names them.
pub const CONSTANTS: [(&str, u32); 46] = [
    ("tcpflags", 13),
    ("tcp-fin", 1),
    ("tcp-syn", 2),
    ("tcp-rst", 4),
    ("tcp-push", 8),
    ("tcp-ack", 16),
    ("tcp-urg", 32),
    ("tcp-ece", 64),
    ("tcp-cwr", 128),
    ("icmptype", 0),
    ("icmpcode", 1),
    ("icmp-echoreply", 0),
    ("icmp-unreach", 3),
    ("icmp-sourcequench", 4),
    ("icmp-redirect", 5),
    ("icmp-echo", 8),
    ("icmp-routeradvert", 9),
    ("icmp-routersolicit", 10),
    ("icmp-timxceed", 11),
    ("icmp-paramprob", 12),
    ("icmp-tstamp", 13),
    ("icmp-tstampreply", 14),
    ("icmp-ireq", 15),
    ("icmp-ireqreply", 16),
    ("icmp-maskreq", 17),
    ("icmp-maskreply", 18),
    ("icmp6type", 0),
    ("icmp6code", 1),
    ("icmp6-destinationunreach", 1),
    ("icmp6-packettoobig", 2),
    ("icmp6-timeexceeded", 3),
    ("icmp6-parameterproblem", 4),
    ("icmp6-echo", 128),
    ("icmp6-echoreply", 129),
    ("icmp6-multicastlistenerquery", 130),
    ("icmp6-multicastlistenerreportv1", 131),
    ("icmp6-multicastlistenerdone", 132),
    ("icmp6-routersolicit", 133),
    ("icmp6-routeradvert", 134),
    ("icmp6-neighborsolicit", 135),
    ("icmp6-neighboradvert", 136),
    ("icmp6-redirect", 137),
    ("icmp6-routerrenum", 138),
    ("icmp6-multicastlistenerreportv2", 143),
    ("true", 1),
    ("false", 0),
];

/// Which of TCP and UDP a service is registered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// TCP alone.
    Tcp,
    /// UDP alone.
    Udp,
    /// Both; a bare name then means the number, whatever the protocol.
    Both,
}

use Over::{Both, Tcp, Udp};

/// Well-known services, as a Debian machine's `/etc/services` has them.
pub const SERVICES: [(&str, u16, Over); 56] = [
    ("echo", 7, Both),
    ("discard", 9, Both),
    ("daytime", 13, Tcp),
    ("chargen", 19, Both),
    ("ftp-data", 20, Tcp),
    ("ftp", 21, Tcp),
    ("ssh", 22, Tcp),
    ("telnet", 23, Tcp),
    ("smtp", 25, Tcp),
    ("time", 37, Both),
    ("whois", 43, Tcp),
    ("tacacs", 49, Both),
    ("domain", 53, Both),
    ("bootps", 67, Udp),
    ("bootpc", 68, Udp),
    ("tftp", 69, Udp),
    ("gopher", 70, Tcp),
    ("finger", 79, Tcp),
    ("http", 80, Tcp),
    ("kerberos", 88, Both),
    ("pop3", 110, Tcp),
    ("sunrpc", 111, Both),
    ("auth", 113, Tcp),
    ("nntp", 119, Tcp),
    ("ntp", 123, Udp),
    ("netbios-ns", 137, Udp),
    ("netbios-dgm", 138, Udp),
    ("netbios-ssn", 139, Tcp),
    ("imap2", 143, Tcp),
    ("imap", 143, Tcp),
    ("snmp", 161, Both),
    ("snmp-trap", 162, Both),
    ("bgp", 179, Tcp),
    ("ldap", 389, Both),
    ("https", 443, Both),
    ("microsoft-ds", 445, Both),
    ("isakmp", 500, Udp),
    ("syslog", 514, Udp),
    ("shell", 514, Tcp),
    ("printer", 515, Tcp),
    ("dhcpv6-client", 546, Udp),
    ("dhcpv6-server", 547, Udp),
    ("submission", 587, Tcp),
    ("ldaps", 636, Both),
    ("domain-s", 853, Both),
    ("imaps", 993, Tcp),
    ("pop3s", 995, Tcp),
    ("openvpn", 1194, Both),
    ("radius", 1812, Both),
    ("nfs", 2049, Both),
    ("mysql", 3306, Tcp),
    ("ms-wbt-server", 3389, Tcp),
    ("sip", 5060, Both),
    ("sip-tls", 5061, Both),
    ("mdns", 5353, Udp),
    ("postgresql", 5432, Tcp),
];

const RADIO: &str = "write a field, as in `wlan.type == mgt`, `wlan.ta == 00:1b:21:0a:0b:0c`";
const LOOKUP: &str = "names are not looked up; write the addresses with `ether host` and `host`";
const PF: &str = "it needs a packet filter's log, which no source offers";
const SIDE: &str = "captures do not say which way a packet went";
const TUNNEL: &str = "write fields of the packet inside, as in `inner.ip.src == 10.0.0.1`, or \
     `tunnel.id`; with `decap=true` a source gives packets as they are inside";
const ISO: &str =
    "only headers of the Internet protocols are decoded; test bytes, as in `ether[14]`";
const ATM: &str = "no source offers ATM or SS7 signalling";
const OLD: &str = "write the comparison, as in `ether[0] & 1 != 0`";

/// Words of CoMo and tcpdump that nothing here can serve, and why.
pub const UNAVAILABLE: &[(&str, &str)] = &[
    ("type", RADIO),
    ("subtype", RADIO),
    ("dir", RADIO),
    ("addr1", RADIO),
    ("addr2", RADIO),
    ("addr3", RADIO),
    ("addr4", RADIO),
    ("ra", RADIO),
    ("ta", RADIO),
    ("radio", RADIO),
    ("gateway", LOOKUP),
    ("inbound", SIDE),
    ("outbound", SIDE),
    ("ifindex", SIDE),
    ("ifname", PF),
    ("on", PF),
    ("ruleset", PF),
    ("rset", PF),
    ("rnr", PF),
    ("rulenum", PF),
    ("srnr", PF),
    ("subrulenum", PF),
    ("reason", PF),
    ("action", PF),
    ("geneve", TUNNEL),
    ("vxlan", TUNNEL),
    ("batadv", "it is not decoded; test bytes, as in `ether[14]`"),
    ("http", "what is said in HTTP is not decoded; write `port http`"),
    ("dns", "what is said in DNS is not decoded; write `port domain`"),
    ("iso", ISO),
    ("clnp", ISO),
    ("esis", ISO),
    ("isis", ISO),
    ("atalk", ISO),
    ("sca", ISO),
    ("fddi", ISO),
    ("tr", ISO),
    ("ppp", ISO),
    ("slip", ISO),
    ("vpi", ATM),
    ("vci", ATM),
    ("lane", ATM),
    ("oam", ATM),
    ("byte", OLD),
];

/// The other words the grammar knows.
const GRAMMAR: &[&str] = &[
    "all",
    "and",
    "or",
    "not",
    "in",
    "contains",
    "src",
    "dst",
    "host",
    "addr",
    "asn",
    "net",
    "mask",
    "port",
    "portrange",
    "sport",
    "dport",
    "proto",
    "protochain",
    "ether",
    "link",
    "vlan",
    "mpls",
    "pppoes",
    "less",
    "greater",
    "broadcast",
    "multicast",
    "untagged",
    "exporter",
    "input",
    "output",
    "stp",
    "ipx",
    "netbeui",
    "transport",
    "ip.header",
    "ip6.header",
    "arp.header",
];

/// Names that stand for two fields at once.
pub const EITHER: [(&str, [Field; 2]); 4] = [
    ("tcp.port", [Field::TcpSport, Field::TcpDport]),
    ("udp.port", [Field::UdpSport, Field::UdpDport]),
    ("sctp.port", [Field::SctpSport, Field::SctpDport]),
    ("eth.addr", [Field::EthSrc, Field::EthDst]),
];

/// Names of addresses, and those that stand for two at once.
pub const ADDRESSES: [(&str, &[AddrKey]); 10] = [
    ("ip.src", &[AddrKey::Src]),
    ("ip.dst", &[AddrKey::Dst]),
    ("ip.addr", &[AddrKey::Src, AddrKey::Dst]),
    ("arp.src", &[AddrKey::ArpSrc]),
    ("arp.dst", &[AddrKey::ArpDst]),
    ("arp.addr", &[AddrKey::ArpSrc, AddrKey::ArpDst]),
    ("inner.ip.src", &[AddrKey::InnerSrc]),
    ("inner.ip.dst", &[AddrKey::InnerDst]),
    ("inner.ip.addr", &[AddrKey::InnerSrc, AddrKey::InnerDst]),
    ("exporter.addr", &[AddrKey::Exporter]),
];

/// The entry called `name` of a table of pairs.
pub fn lookup<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
}

/// Every word and name of the language.
fn words() -> impl Iterator<Item = &'static str> {
    fn firsts<T>(table: &'static [(&'static str, T)]) -> impl Iterator<Item = &'static str> {
        table.iter().map(|(name, _)| *name)
    }
    GRAMMAR
        .iter()
        .copied()
        .chain(firsts(&LAYERS))
        .chain(TRANSPORTS.iter().map(|(name, ..)| *name))
        .chain(firsts(&ETHER_TYPES))
        .chain(firsts(&CONSTANTS))
        .chain(firsts(&EITHER))
        .chain(firsts(&ADDRESSES))
        .chain(firsts(UNAVAILABLE))
        .chain(Field::ALL.iter().map(|field| field.name()))
}

/// Whether the language knows the word, however it could be used.
pub fn is_word(name: &str) -> bool {
    words().any(|word| word == name)
}

/// The known word closest to `name`, if one is close.
pub fn nearest(name: &str) -> Option<&'static str> {
    crate::nearest::nearest(name, words())
}

/// The service closest to `name`, if one is close.
pub fn nearest_service(name: &str) -> Option<&'static str> {
    crate::nearest::nearest(name, SERVICES.iter().map(|(service, ..)| *service))
}
