//! What a module may miss of packets that were cut when they were kept, or captured.
//!
//! How far into a packet a field is read is reckoned by layers, each as long as
//! it commonly gets: a cut behind that leaves everything to be read.

use crate::field::{Field, Fields};
use crate::packet::LinkType;
use crate::storage::packets::Treated;
use crate::supervisor::Needs;

/// An Ethernet header with two tags, or a tag and a label of MPLS; other wires have less.
const LINK: u32 = 14 + 2 * 4;

/// What stands before a frame that came by radio (Prism's header is the longest that is common),
/// its own header with four addresses, and LLC with SNAP.
const RADIO: u32 = 144;
const WIRELESS: u32 = RADIO + 36 + 8;

/// IPv4 with all options it may have (RFC 791); IPv6 with 20 bytes of further headers.
const NETWORK: u32 = 60;

/// Where IPv6 ends without further headers, and IPv4 with its addresses.
const ADDRESSES: u32 = 40;

/// Why packets that were cut do not serve a module, or not well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// What it reads may have been cut off of some.
    Maybe(String),
    /// What it reads was cut off.
    Surely(String),
}

/// Whether it makes no difference to a module where packets were cut.
pub(super) fn is_all_the_same(needs: &Needs) -> bool {
    !needs.headers && !needs.deep && needs.reads == Fields::NONE
}

/// What a module misses of packets that were treated so, if anything.
pub(super) fn lack(needs: &Needs, treated: &Treated) -> Option<Lack> {
    let behind = treated.payload.and_then(|bytes| behind_headers(needs, bytes));
    behind.or_else(|| treated.snaplen.and_then(|bytes| beyond(needs, bytes, treated.link)))
}

/// What is missed where only so many bytes behind the headers are left.
fn behind_headers(needs: &Needs, bytes: u32) -> Option<Lack> {
    let what = format!("the payload of its packets is cut to {bytes} bytes");
    let read = |field: &Field| *field == Field::CapLen || reach(*field, LINK).is_none();
    if let Some(field) = needs.reads.without(Fields::NONE).find(read) {
        return Some(Lack::Surely(format!("{what}, and `{}` is read", field.name())));
    }
    if needs.deep {
        return Some(Lack::Surely(format!("{what}, and may be read")));
    }
    // What no IP follows counts as payload there.
    let between = Fields::under("mpls.").and(Fields::under("pppoe."));
    let field = needs.reads.common(between).without(Fields::NONE).next()?;
    Some(Lack::Maybe(format!("{what}, and with it `{}` of some", field.name())))
}

/// What is missed where only so many bytes of a packet are left.
fn beyond(needs: &Needs, bytes: u32, link: Option<LinkType>) -> Option<Lack> {
    let wireless = [LinkType::IEEE802_11, LinkType::RADIOTAP, LinkType::AVS, LinkType::PRISM];
    let before = if link.is_some_and(|l| wireless.contains(&l)) { WIRELESS } else { LINK };
    let what = format!("its packets are cut at {bytes} bytes");
    let mut maybe = None;
    for field in needs.reads.without(Fields::NONE) {
        match reach(field, before).filter(|_| field != Field::CapLen) {
            None => {
                return Some(Lack::Surely(format!("{what}, and `{}` is read", field.name())));
            }
            Some(reach) if reach > bytes => maybe = maybe.or(Some(field)),
            Some(_) => {}
        }
    }
    if let Some(field) = maybe {
        let (name, doc) = (field.name(), field.doc());
        return Some(Lack::Maybe(format!("{what}, and `{name}`, {doc}, may lie behind")));
    }
    // Where no field tells which headers are looked for it may be any.
    let unsaid = needs.headers && needs.reads.but(Fields::of(&[Field::CapLen])) == Fields::NONE;
    let is_short = needs.deep || unsaid && before + NETWORK + 4 > bytes;
    is_short.then(|| Lack::Maybe(format!("{what}, and headers that are read may lie behind")))
}

/// How many bytes of a packet must be there for a field to be read, where its link layer has so
/// many; none where it may lie anywhere.
fn reach(field: Field, link: u32) -> Option<u32> {
    use Field as F;
    let under = |prefix: &str| field.name().starts_with(prefix);
    Some(match field {
        F::Payload | F::WlanSsid | F::WlanChannel | F::WlanSecurity => return None,
        _ if under("inner.") || under("tunnel.") => return None,
        _ if field.is_free() => 0,
        // Of wires these are absent.
        _ if under("radio.") => {
            if link == LINK {
                0
            } else {
                RADIO
            }
        }
        _ if under("wlan.") => {
            if link == LINK {
                0
            } else {
                link
            }
        }
        F::ArpOp => link + 8,
        F::IpVersion | F::IpTtl | F::IpTos | F::IpLen | F::IpId | F::IpHlen => link + ADDRESSES,
        _ if under("ip.src") || under("ip.dst") || under("src.") || under("dst.") => {
            link + ADDRESSES
        }
        _ if under("ip.") => link + NETWORK,
        F::TcpWindow => link + NETWORK + 16,
        F::TcpSport | F::TcpDport => link + NETWORK + 4,
        _ if under("tcp.") || field == F::PayloadLen => link + NETWORK + 14,
        F::UdpLen => link + NETWORK + 6,
        F::Sport | F::Dport | F::UdpSport | F::UdpDport | F::SctpSport | F::SctpDport => {
            link + NETWORK + 4
        }
        _ if under("icmp") || under("flow.") => link + NETWORK + 4,
        _ => link,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::Instance;
    use crate::supervisor::tests::counter;

    fn needs(filter: &str, reads: &[Field]) -> Needs {
        let instance = Instance { filter: filter.to_owned(), ..counter("c", "1s", 0) };
        let needs = Needs::of(instance).expect("it starts");
        let headers = needs.headers || reads.iter().any(|field| !field.is_free());
        Needs { reads: needs.reads.and(Fields::of(reads)), headers, ..needs }
    }

    /// Whether packets that are cut serve: `yes`, `maybe` or `no`.
    #[track_caller]
    fn check(filter: &str, reads: &[Field], treated: &Treated, want: &str) {
        let needs = needs(filter, reads);
        let got = match lack(&needs, treated) {
            None => "yes",
            Some(Lack::Maybe(_)) => "maybe",
            Some(Lack::Surely(_)) => "no",
        };
        assert_eq!(got, want, "{filter} {reads:?} {treated:?}");
        assert!(!is_all_the_same(&needs) || got == "yes");
    }

    fn cut(snaplen: u32) -> Treated {
        Treated { snaplen: Some(snaplen), ..Treated::default() }
    }

    #[test]
    fn a_cut_is_compared_with_how_deep_is_read() {
        check("", &[], &cut(1), "yes");
        check("len > 100", &[Field::Ts], &cut(1), "yes");
        check("", &[Field::CapLen], &cut(1500), "no");
        check("", &[Field::EthType], &cut(22), "yes");
        check("", &[Field::EthType], &cut(21), "maybe");
        check("", &[Field::Dport], &cut(40), "maybe");
        check("", &[Field::Dport], &cut(86), "yes");
        check("host 10.0.0.1", &[], &cut(61), "maybe");
        check("host 10.0.0.1", &[], &cut(62), "yes");
        check("tcp", &[], &cut(54), "maybe");
        check("vlan", &[], &cut(40), "maybe");
        check("", &[Field::TcpFlags], &cut(96), "yes");
        check("", &[Field::TcpFlags], &cut(95), "maybe");
        check("tcp[13] & 2 != 0", &[], &cut(96), "yes");
        check("udp[9] == 1", &[], &cut(96), "maybe");
        check("", &[Field::Payload], &cut(1500), "no");
        check("payload contains \"x\"", &[], &cut(1500), "no");
        check("", &[Field::InnerDport], &cut(1500), "no");
    }

    #[test]
    fn headers_by_radio_are_longer() {
        let cut = |snaplen| Treated { link: Some(LinkType::RADIOTAP), ..cut(snaplen) };
        check("", &[Field::WlanType], &cut(96), "maybe");
        check("", &[Field::WlanType], &cut(188), "yes");
        check("", &[Field::Dport], &cut(252), "yes");
    }

    #[test]
    fn who_cuts_payload_keeps_headers_whole() {
        let cut = Treated { payload: Some(0), ..Treated::default() };
        check("tcp and port 80", &[Field::TcpFlags, Field::PayloadLen], &cut, "yes");
        check("", &[Field::Payload], &cut, "no");
        check("", &[Field::CapLen], &cut, "no");
        check("udp[8:2] == 1", &[], &cut, "no");
        check("", &[Field::MplsLabel], &cut, "maybe");
    }
}
