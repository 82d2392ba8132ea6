//! Values: addresses, networks, ports, protocols, and what each means under its qualifiers.

use std::ops::Range;

use crate::addr::{Addr, Mac, Prefix};
use crate::field::Field;
use crate::filter::FilterError;
use crate::filter::expr::Expr;
use crate::filter::lex::{Token, parse_number};
use crate::filter::names::{self, Over, lookup};
use crate::filter::set::{AddrSet, Ranges};
use crate::filter::term::AddrKey;
use crate::packet::Layers;

use super::primitive::{Head, Kind, Side, number};
use super::{Parser, Result};

impl<'a> Parser<'a> {
    /// Whether what follows is a bare value that inherits the qualifiers before it.
    pub(super) fn inherits(&self, head: &Head) -> Result<bool> {
        let (text, at) = self.lexer.peek_value();
        let mut behind = self.lexer;
        behind.skip(&at);
        if let Ok((Token::Op(op), _)) = behind.peek()
            && !matches!(op, ")" | "&&" | "||")
            && !(op == "/" && text.contains(['.', ':']))
        {
            return Ok(false);
        }
        let numeric = text.starts_with(|c: char| c.is_ascii_digit() || c == ':');
        Ok(match head.kind {
            _ if text.is_empty() || names::is_word(text) => false,
            Kind::Port | Kind::Sport => numeric || service(text).is_some(),
            Kind::Proto | Kind::Chain => numeric || lookup(&names::PROTOCOLS, text).is_some(),
            Kind::Asn => numeric,
            Kind::Plain | Kind::Host | Kind::Net => numeric || text.contains(':'),
        })
    }

    /// One value under its qualifiers.
    pub(super) fn value(&mut self, head: Head) -> Result<Expr> {
        let at = self.lexer.peek()?.1;
        self.count(&at)?;
        match (head.kind, head.proto) {
            (Kind::Port | Kind::Sport, _) => self.ports(head),
            (Kind::Proto, Some("ether")) => self.ether_type(),
            (Kind::Proto | Kind::Chain, _) => self.protocol_number(head),
            (Kind::Asn, _) => self.asn(head),
            (_, Some("ether")) => {
                let (text, at) = self.value_text("a link-layer address")?;
                let hint = Some("write six bytes, as in `00:1b:21:0a:0b:0c`".to_owned());
                let why = || format!("`{text}` is no link-layer address");
                let mac: Mac =
                    text.parse().map_err(|_| FilterError::Value { why: why(), at, hint })?;
                let set = Ranges::of(mac.0.into(), mac.0.into());
                let of = |field| number(field, set.clone());
                Ok(sides(head.side, of(Field::EthSrc), of(Field::EthDst)))
            }
            _ => self.host(head),
        }
    }

    /// `host`, `net`, `src`, `dst` with an address or network.
    fn host(&mut self, head: Head) -> Result<Expr> {
        let start = self.lexer.peek()?.1.start;
        let set = self.network(head.kind)?;
        let proto = head.proto.unwrap_or("");
        let v6 = set.v4.is_empty();
        if v6 && matches!(proto, "ip" | "arp" | "rarp") || !v6 && proto == "ip6" {
            let family = if v6 { "IPv6" } else { "IPv4" };
            return Err(FilterError::Mismatch {
                why: format!("`{proto}` goes before no {family} address"),
                at: start..self.end,
                hint: Some("leave it out: the address says which family is meant".to_owned()),
            });
        }
        let of = |ip, arp| {
            let (ip, arp) = (Expr::address(ip, set.clone()), Expr::address(arp, set.clone()));
            match proto {
                "ip" | "ip6" => ip,
                "arp" => Expr::all_of([Expr::found(Layers::ARP), arp]),
                "rarp" => Expr::all_of([number(Field::EthType, Ranges::of(0x8035, 0x8035)), arp]),
                _ => Expr::any_of([ip, arp]),
            }
        };
        let (src, dst) = (of(AddrKey::Src, AddrKey::ArpSrc), of(AddrKey::Dst, AddrKey::ArpDst));
        Ok(sides(head.side, src, dst))
    }

    /// An address, or a network as `A/n`, `A mask M` or `10.1`; where a network is asked for also
    /// as `10`, which elsewhere might be meant as 0.0.0.10, as tcpdump has it.
    pub(super) fn network(&mut self, kind: Kind) -> Result<AddrSet> {
        let (addr, bits, at) = self.address(if kind == Kind::Net { 1 } else { 2 })?;
        if self.takes("/")? {
            return self.prefix(addr, &at);
        }
        if self.takes("mask")? {
            let (mask, bits, mask_at) = self.address(4)?;
            let ones = (mask.bits() as u32).leading_ones();
            let whole = Prefix::new(Addr::v4([255; 4]), ones as u8).addr() == mask;
            if mask.is_v6() || addr.is_v6() || bits != 32 || !whole {
                return Err(FilterError::Value {
                    why: "a mask is an IPv4 address of ones followed by zeros".to_owned(),
                    at: mask_at,
                    hint: Some("write a prefix length, as in `net 10.0.0.0/8`".to_owned()),
                });
            }
            return self.checked_prefix(addr, ones as u8, at.start..mask_at.end);
        }
        Ok(AddrSet::prefix(Prefix::new(addr, bits)))
    }

    /// The length behind a slash, which has been taken.
    fn prefix(&mut self, addr: Addr, at: &Range<usize>) -> Result<AddrSet> {
        let (token, len_at) = self.take()?;
        let Token::Number(len) = token else {
            let why = "a prefix length is a number".to_owned();
            return Err(FilterError::Value { why, at: len_at, hint: None });
        };
        let width = addr.width();
        match u8::try_from(len).ok().filter(|len| *len <= width) {
            Some(len) => self.checked_prefix(addr, len, at.start..len_at.end),
            None => Err(FilterError::Value {
                why: format!("a prefix of {addr} has at most {width} bits, not {len}"),
                at: len_at,
                hint: None,
            }),
        }
    }

    fn checked_prefix(&self, addr: Addr, len: u8, at: Range<usize>) -> Result<AddrSet> {
        let prefix = Prefix::new(addr, len);
        if prefix.addr() == addr {
            return Ok(AddrSet::prefix(prefix));
        }
        Err(FilterError::Value {
            why: format!("{addr}/{len} has bits set behind its first {len}"),
            at,
            hint: Some(format!("write `{prefix}` for the network, or `host {addr}`")),
        })
    }

    /// An address and how many of its bits were written: fewer than all for `10` or `192.168`,
    /// which only a network may be, of at least `parts_min` parts.
    fn address(&mut self, parts_min: usize) -> Result<(Addr, u8, Range<usize>)> {
        let (text, at) = self.value_text("an address")?;
        if let Ok(addr) = text.parse::<Addr>() {
            return Ok((addr, addr.width(), at));
        }
        let parts: Vec<&str> = text.split('.').collect();
        let bytes: Option<Vec<u8>> = parts.iter().map(|part| part.parse().ok()).collect();
        match bytes {
            Some(bytes)
                if bytes.len() < 4 && (bytes.len() >= parts_min || self.follows("/")?) =>
            {
                let mut whole = [0; 4];
                whole.iter_mut().zip(&bytes).for_each(|(to, from)| *to = *from);
                Ok((Addr::v4(whole), bytes.len() as u8 * 8, at))
            }
            _ => {
                let hint = match (text.parse::<Mac>(), bytes) {
                    (Ok(_), _) => format!("write `ether host {text}`"),
                    (_, Some(bytes)) if bytes.len() == 1 => {
                        format!("write `net {text}` for the network {text}.0.0.0/8")
                    }
                    _ => "write it in numbers, as in `10.0.0.1` or `fe80::1`; names are not \
                               looked up"
                        .to_owned(),
                };
                let why = format!("`{text}` is no address");
                Err(FilterError::Value { why, at, hint: Some(hint) })
            }
        }
    }

    /// One address, network or range `a..b`, as fields take it.
    pub(super) fn address_range(&mut self) -> Result<AddrSet> {
        let (low, bits, at) = self.address(4)?;
        if self.takes("/")? {
            return self.prefix(low, &at);
        }
        if !self.takes("..")? {
            return Ok(AddrSet::prefix(Prefix::new(low, bits)));
        }
        let (high, _, end) = self.address(4)?;
        let set = AddrSet::between(low, high);
        if set.is_empty() {
            return Err(FilterError::Value {
                why: "the range ends before it begins, or in another family".to_owned(),
                at: at.start..end.end,
                hint: None,
            });
        }
        Ok(set)
    }

    /// `{a, b/n, c..d}`, or one of these.
    pub(super) fn address_set(&mut self) -> Result<AddrSet> {
        if !self.takes("{")? {
            return self.address_range();
        }
        let mut set = AddrSet::default();
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        loop {
            let one = self.address_range()?;
            v4.extend_from_slice(one.v4.ranges());
            v6.extend_from_slice(one.v6.ranges());
            self.count(&(self.end..self.end))?;
            if !self.takes(",")? {
                self.must("}")?;
                set.v4 = Ranges::from_ranges(v4);
                set.v6 = Ranges::from_ranges(v6);
                return Ok(set);
            }
        }
    }

    /// Ports under `port`, `portrange`, `sport` and `dport`.
    fn ports(&mut self, head: Head) -> Result<Expr> {
        let (ports, over) = self.port_range(head)?;
        let of = |plain, sctp| match (head.proto, head.kind, over) {
            (Some("sctp"), ..) => number(sctp, ports.clone()),
            (Some("tcp"), ..) | (_, _, Over::Tcp) => {
                Expr::all_of([Expr::found(Layers::TCP), number(plain, ports.clone())])
            }
            (Some("udp"), ..) | (_, _, Over::Udp) => {
                Expr::all_of([Expr::found(Layers::UDP), number(plain, ports.clone())])
            }
            (_, Kind::Sport, _) => number(plain, ports.clone()),
            _ => Expr::any_of([number(plain, ports.clone()), number(sctp, ports.clone())]),
        };
        let src = of(Field::Sport, Field::SctpSport);
        Ok(sides(head.side, src, of(Field::Dport, Field::SctpDport)))
    }

    /// `N`, `N:`, `:N`, `N:M`, `N-M`, `N..M` or the names of services, and over what those run.
    fn port_range(&mut self, head: Head) -> Result<(Ranges, Over)> {
        let (text, at) = self.value_text("a port")?;
        if let Some((low, high, over)) = services(text) {
            let fits = match over {
                Over::Tcp => matches!(head.proto, None | Some("tcp")),
                Over::Udp => matches!(head.proto, None | Some("udp")),
                Over::Both => true,
            };
            if !fits {
                let runs = if over == Over::Tcp { "tcp" } else { "udp" };
                let hint = match low == high {
                    true => format!("write the number, {low}"),
                    false => format!("write the numbers, {low}-{high}"),
                };
                let why = format!("`{text}` runs over {runs}");
                return Err(FilterError::Mismatch { why, at, hint: Some(hint) });
            }
            return Ok((Ranges::of(low.min(high).into(), low.max(high).into()), over));
        }
        let (low, high) = match text.split_once([':', '-']) {
            Some(("", "")) => return Err(self.not_a_port(text, at)),
            Some((low, high)) if text.contains(':') => {
                let end = |part: &str, open| if part.is_empty() { Some(open) } else { port(part) };
                (end(low, 0), end(high, 0xffff))
            }
            Some((low, high)) => (port(low), port(high)),
            None if self.takes("..")? => {
                let (high, _) = self.value_text("a port")?;
                (port(text), port(high))
            }
            None => (port(text), port(text)),
        };
        let (Some(low), Some(high)) = (low, high) else { return Err(self.not_a_port(text, at)) };
        Ok((Ranges::of(low.min(high).into(), low.max(high).into()), Over::Both))
    }

    fn not_a_port(&self, text: &str, at: Range<usize>) -> FilterError {
        let hint = match names::nearest_service(text) {
            Some(service) => format!("did you mean `{service}`?"),
            None => "a port is a number up to 65535, a range as in `80-90`, or a service's name"
                .to_owned(),
        };
        FilterError::Value { why: format!("`{text}` is no port"), at, hint: Some(hint) }
    }

    /// `proto`, `ip proto`, `ip6 proto` and the same with `protochain`.
    fn protocol_number(&mut self, head: Head) -> Result<Expr> {
        let (text, at) = self.value_text("a protocol")?;
        let value = lookup(&names::PROTOCOLS, text)
            .or_else(|| parse_number(text).and_then(|n| u8::try_from(n).ok()));
        let Some(value) = value else {
            return Err(FilterError::Value {
                why: format!("`{text}` is no protocol"),
                at,
                hint: Some("write a number up to 255 or a name such as `tcp`".to_owned()),
            });
        };
        let expr = match head.kind {
            Kind::Chain => Expr::chain(value),
            _ => number(Field::IpProto, Ranges::of(value.into(), value.into())),
        };
        Ok(match head.proto {
            Some("ip") => self.direct(Expr::all_of([Expr::found(Layers::IPV4), expr])),
            Some("ip6") => self.direct(Expr::all_of([Expr::found(Layers::IPV6), expr])),
            _ => expr,
        })
    }

    /// `asn N`, of either side or of one.
    fn asn(&mut self, head: Head) -> Result<Expr> {
        let (text, at) = self.value_text("the number of an AS")?;
        let Some(asn) = parse_number(text).and_then(|n| u32::try_from(n).ok()) else {
            return Err(FilterError::Value {
                why: format!("`{text}` is no number of an AS"),
                at,
                hint: Some("write a number of at most 32 bits, as in `src asn 2529`".to_owned()),
            });
        };
        let of = |field| number(field, Ranges::of(asn.into(), asn.into()));
        Ok(sides(head.side, of(Field::SrcAsn), of(Field::DstAsn)))
    }

    /// `ether proto` with a number or name.
    fn ether_type(&mut self) -> Result<Expr> {
        let (text, at) = self.value_text("an EtherType")?;
        if let Some(llc) = self.over_llc(text) {
            return Ok(llc);
        }
        let named =
            lookup(&names::ETHER_PROTOCOLS, text).or_else(|| lookup(&names::ETHER_TYPES, text));
        let number = || parse_number(text).and_then(|n| u16::try_from(n).ok());
        match named.or_else(number) {
            Some(value) => Ok(self.ether_proto(value)),
            None => Err(FilterError::Value {
                why: format!("`{text}` is no EtherType"),
                at,
                hint: Some("write a number such as 0x0800 or a name such as `arp`".to_owned()),
            }),
        }
    }

    /// The next value's text, taken.
    pub(super) fn value_text(&mut self, want: &str) -> Result<(&'a str, Range<usize>)> {
        let (text, at) = self.lexer.peek_value();
        if text.is_empty() {
            return Err(self.expected(want, None));
        }
        self.lexer.skip(&at);
        self.end = at.end;
        Ok((text, at))
    }
}

/// A value on one side, on either or on both.
fn sides(side: Side, src: Expr, dst: Expr) -> Expr {
    match side {
        Side::Any => Expr::any_of([src, dst]),
        Side::Src => src,
        Side::Dst => dst,
        Side::Both => Expr::all_of([src, dst]),
    }
}

fn port(text: &str) -> Option<u16> {
    parse_number(text).and_then(|n| u16::try_from(n).ok())
}

/// The ports of a service, or from one to another: `ftp-ssh`, `ftp-25`. Names have hyphens too.
fn services(text: &str) -> Option<(u16, u16, Over)> {
    if let Some((port, over)) = service(text) {
        return Some((port, port, over));
    }
    let one = |text: &str| service(text).or_else(|| Some((port(text)?, Over::Both)));
    text.match_indices('-').find_map(|(at, _)| {
        let ((low, a), (high, b)) = (one(&text[..at])?, one(&text[at + 1..])?);
        Some((low, high, if a == b { a } else { Over::Both }))
    })
}

fn service(name: &str) -> Option<(u16, Over)> {
    names::SERVICES.iter().find(|(n, ..)| *n == name).map(|(_, port, over)| (*port, *over))
}

/// `ff00::/8`.
pub fn multicast6() -> AddrSet {
    let mut bytes = [0; 16];
    bytes[0] = 0xff;
    AddrSet::prefix(Prefix::new(Addr::v6(bytes), 8))
}
