//! A flow as scripts see it, `pkt.flow`: one value for the five-tuple.
//!
//! Equal when all five are; a key of tables as addresses are. Ports are 0 where a packet has none.

use std::fmt;

use como_core::addr::Addr;
use como_core::batch::Batch;
use como_core::field::{Field, FieldValue};

/// The name under which scripts read it of a packet.
pub const NAME: &str = "flow";

/// What scripts read of it: `pkt.flow.sport`.
pub const PARTS: [&str; 5] = ["src", "dst", "proto", "sport", "dport"];

/// The five-tuple of a packet with an IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "named as in any text on networks")]
pub struct Flow {
    pub src: Addr,
    pub dst: Addr,
    pub proto: u8,
    pub sport: u16,
    pub dport: u16,
}

impl Flow {
    /// The flow of packet `at`, if it has addresses.
    pub fn of(batch: &Batch, at: usize) -> Option<Self> {
        let addr = |field| match batch.addrs(field) {
            Some((values, present)) => values.get(at).copied().filter(|_| present.has(at)),
            None => match batch.value(at, field) {
                Some(FieldValue::Addr(addr)) => Some(addr),
                _ => None,
            },
        };
        let number = |field| match batch.numbers(field) {
            Some((values, present)) => values.get(at).copied().filter(|_| present.has(at)),
            None => match batch.value(at, field) {
                Some(FieldValue::Uint(x)) => Some(x),
                _ => None,
            },
        };
        Some(Self {
            src: addr(Field::IpSrc)?,
            dst: addr(Field::IpDst)?,
            proto: number(Field::IpProto).unwrap_or(0) as u8,
            sport: number(Field::Sport).unwrap_or(0) as u16,
            dport: number(Field::Dport).unwrap_or(0) as u16,
        })
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.proto {
            1 => f.write_str("icmp ")?,
            6 => f.write_str("tcp ")?,
            17 => f.write_str("udp ")?,
            58 => f.write_str("icmp6 ")?,
            132 => f.write_str("sctp ")?,
            other => write!(f, "{other} ")?,
        }
        let end = |f: &mut fmt::Formatter<'_>, addr: Addr, port: u16| match addr.is_v6() {
            true => write!(f, "[{addr}]:{port}"),
            false => write!(f, "{addr}:{port}"),
        };
        end(f, self.src, self.sport)?;
        f.write_str(" > ")?;
        end(f, self.dst, self.dport)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use como_core::packet::build::{Frame, batch_of};

    #[track_caller]
    fn check(frame: Frame, want: Option<&str>) {
        let batch = batch_of([frame]);
        assert_eq!(Flow::of(&batch, 0).map(|flow| flow.to_string()).as_deref(), want);
    }

    #[test]
    fn a_flow_shows_as_the_five_tuple() {
        check(
            Frame::tcp("10.0.0.1:2000", "10.0.0.3:443"),
            Some("tcp 10.0.0.1:2000 > 10.0.0.3:443"),
        );
        let v6 = Frame::udp("[2001:db8::2]:1000", "[2001:db8::1]:53");
        check(v6, Some("udp [2001:db8::2]:1000 > [2001:db8::1]:53"));
        check(Frame::ip("10.0.0.5", "10.0.0.6", 47), Some("47 10.0.0.5:0 > 10.0.0.6:0"));
        check(Frame::arp("10.0.0.1", "10.0.0.2", true), None);
    }
}
