//! Replay as it follows from the columns: the key says the headers, the counters the weight.
//!
//! Only columns that say what they hold count, and only a core table that was
//! exported as it was says so. So what is replayed is what was counted, to the
//! packet and the byte; values that are no sums are left out.

use super::{ReplayError, inside};
use crate::addr::Addr;
use crate::field::{Field, Fields};
use crate::module::Replayed;
use crate::packet::{LinkType, Said, Weight};
use crate::record::{Records, Schema, Value};
use crate::table::{KeyColumn, Mask};
use crate::time::Ts;

/// How records of one schema become packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    // The columns that say headers, and which.
    key: Vec<(usize, KeyColumn)>,
    keyed: bool,
    packets: usize,
    bytes: usize,
    // The columns of the first and last packet's times, where there are both.
    times: Option<(usize, usize)>,
    // What is the same for all.
    common: Said,
}

impl Derived {
    /// For records whose packets have `common` in common.
    pub fn of(schema: &Schema, common: Said) -> Result<Self, ReplayError> {
        if schema.columns.iter().all(|column| column.of.is_empty()) {
            return Err(ReplayError::Unvouched);
        }
        let holds = |of: &str| schema.columns.iter().position(|column| column.of == of);
        let packets = holds("count()").ok_or(ReplayError::NoPackets)?;
        let (len, ip_len) = (holds("sum(\"len\")"), holds("sum(\"ip.len\")"));
        let bytes = len.or(ip_len).ok_or(ReplayError::NoBytes)?;
        let columns = schema.columns.iter().enumerate();
        let key = columns.filter_map(|(at, c)| Some((at, KeyColumn::parse(&c.name, &c.of).ok()?)));
        let all: Vec<(usize, KeyColumn)> = key.collect();
        let keyed = !all.is_empty();
        let mut key: Vec<(usize, KeyColumn)> = Vec::new();
        for (at, column) in all.into_iter().filter(|(_, column)| is_said(column.field)) {
            match key.iter_mut().find(|(_, other)| other.field == column.field) {
                Some(other) if bits(&other.1) < bits(&column) => *other = (at, column),
                Some(_) => {}
                None => key.push((at, column)),
            }
        }
        let times = holds("first(\"ts\")").zip(holds("last(\"ts\")"));
        let common = Said { ip_len: len.is_none(), ..common };
        Ok(Self { key, keyed, packets, bytes, times, common })
    }

    /// The fields without which packets were not counted, as they had no key.
    pub fn keyed(schema: &Schema) -> Fields {
        let keys = schema.columns.iter().filter_map(|c| KeyColumn::parse(&c.name, &c.of).ok());
        let keys = keys.filter(|key| !key.or_zero).map(|key| Fields::of(&[key.field]));
        keys.fold(Fields::NONE, Fields::and)
    }

    /// The fields that its packets may have.
    pub fn offers(&self) -> Fields {
        super::fields(&[self.sample()])
    }

    /// What its packets begin with.
    pub fn link(&self) -> LinkType {
        self.sample().link()
    }

    /// The columns of addresses that are networks, as they are declared.
    pub fn networks(&self) -> impl Iterator<Item = String> {
        self.key.iter().filter(|(_, column)| column.mask.is_some()).map(|(_, c)| c.text())
    }

    /// What is said where every column says something.
    fn sample(&self) -> Said {
        let value = |column: &KeyColumn| match column.field {
            Field::IpSrc | Field::IpDst => Value::Addr(Addr::default()),
            _ => Value::Uint(1),
        };
        let said = self.key.iter().fold(Said::default(), |mut said, (_, column)| {
            say(&mut said, column, &value(column), true);
            said
        });
        said.or(self.common)
    }

    /// Adds the packets of one row. Whether it leaves open if these have ports.
    pub fn replay(&self, records: &Records, row: usize, out: &mut Vec<Replayed>) -> bool {
        let count = |column| records.value(row, column).as_uint().unwrap_or(0);
        let weight = Weight { packets: count(self.packets), bytes: count(self.bytes) };
        // A silent interval was heard all the same; a key of which nothing came was not.
        if self.keyed && weight == (Weight { packets: 0, bytes: 0 }) {
            return false;
        }
        let Some(start) = records.starts.get(row).copied() else { return false };
        let (mut said, mut has_unclear) = (Said::default(), false);
        for (at, column) in &self.key {
            let value = records.value(row, *at);
            let is_unclear = column.or_zero && is_port(column.field) && value == Value::Uint(0);
            let is_there = is_unclear && self.has_ports(column.field, records, row);
            has_unclear |= is_unclear && !is_there;
            say(&mut said, column, &value, is_there);
        }
        let said = said.or(self.common);
        let time = |column| match records.value(row, column) {
            Value::Time(ts) => inside(ts, start, records),
            _ => start,
        };
        let (first, last) = self.times.map_or((start, start), |(a, b)| (time(a), time(b)));
        spread(Replayed { ts: first, said, weight }, last, out);
        // Other protocols have none.
        has_unclear && said.proto.is_none_or(|proto| PORTED.contains(&proto))
    }

    /// Whether a row is of packets with ports, so that a port of 0 is one: they have both or none.
    fn has_ports(&self, of: Field, records: &Records, row: usize) -> bool {
        let beside = self.key.iter().filter(|(_, column)| is_port(column.field));
        let mut beside =
            beside.filter(|(_, c)| of_proto(of).is_none_or(|p| of_proto(c.field) == Some(p)));
        beside.any(|(at, column)| {
            let value = records.value(row, *at);
            value.as_uint().is_some_and(|port| port > 0 || !column.or_zero)
        })
    }
}

/// One packet, or where it lasted two that are together what the one is.
fn spread(packet: Replayed, last: Ts, out: &mut Vec<Replayed>) {
    let Weight { packets, bytes } = packet.weight;
    if last <= packet.ts || packets < 2 {
        return out.push(packet);
    }
    let behind = Weight {
        packets: packets / 2,
        bytes: (u128::from(bytes) * u128::from(packets / 2) / u128::from(packets)) as u64,
    };
    let before = Weight { packets: packets - behind.packets, bytes: bytes - behind.bytes };
    out.push(Replayed { weight: before, ..packet });
    out.push(Replayed { ts: last, weight: behind, ..packet });
}

/// The protocols whose packets have ports: TCP, UDP, SCTP.
const PORTED: [u8; 3] = [6, 17, 132];

/// Whether a field is a port.
pub fn is_port(field: Field) -> bool {
    use Field as F;
    matches!(field, F::Sport | F::Dport)
        || matches!(field, F::TcpSport | F::TcpDport | F::UdpSport | F::UdpDport)
        || matches!(field, F::SctpSport | F::SctpDport)
}

/// The protocol that alone has a field.
fn of_proto(field: Field) -> Option<u8> {
    use Field as F;
    match field {
        F::TcpSport | F::TcpDport | F::TcpFlags => Some(6),
        F::UdpSport | F::UdpDport => Some(17),
        F::SctpSport | F::SctpDport => Some(132),
        F::IcmpType | F::IcmpCode => Some(1),
        F::Icmp6Type | F::Icmp6Code => Some(58),
        _ => None,
    }
}

/// Whether a packet can be told the value of a field.
fn is_said(field: Field) -> bool {
    use Field as F;
    matches!(
        field,
        F::EthType
            | F::IpVersion
            | F::IpSrc
            | F::IpDst
            | F::IpProto
            | F::IpTos
            | F::Sport
            | F::Dport
            | F::TcpSport
            | F::TcpDport
            | F::UdpSport
            | F::UdpDport
            | F::SctpSport
            | F::SctpDport
            | F::TcpFlags
            | F::IcmpType
            | F::IcmpCode
            | F::Icmp6Type
            | F::Icmp6Code
    )
}

/// Says what a key column holds. That 0 stands for nothing where the column says so, unless it is
/// known to be there.
fn say(said: &mut Said, column: &KeyColumn, value: &Value, is_there: bool) {
    use Field as F;
    let number = value.as_uint().filter(|x| *x > 0 || !column.or_zero || is_there);
    let addr = match value {
        Value::Addr(addr) => Some(*addr),
        _ => None,
    };
    if number.is_none() && addr.is_none() {
        return;
    }
    let byte = number.and_then(|x| u8::try_from(x).ok());
    let word = number.and_then(|x| u16::try_from(x).ok());
    let proto = of_proto(column.field);
    let version = match column.field {
        F::IcmpType | F::IcmpCode => Some(4),
        F::Icmp6Type | F::Icmp6Code => Some(6),
        _ => None,
    };
    *said = said.or(Said { proto, version, ..Said::default() });
    match column.field {
        F::EthType => said.ether_type = word,
        F::IpVersion => said.version = byte,
        F::IpSrc => said.src = addr,
        F::IpDst => said.dst = addr,
        F::IpProto => said.proto = byte,
        F::IpTos => said.tos = byte,
        F::Sport | F::TcpSport | F::UdpSport | F::SctpSport => said.sport = word,
        F::Dport | F::TcpDport | F::UdpDport | F::SctpDport => said.dport = word,
        F::TcpFlags => said.flags = byte,
        F::IcmpType | F::Icmp6Type => said.icmp_type = byte,
        F::IcmpCode | F::Icmp6Code => said.icmp_code = byte,
        _ => {}
    }
}

/// How much of an address a column holds.
fn bits(column: &KeyColumn) -> u16 {
    column.mask.map_or(160, |Mask { v4, v6 }| u16::from(v4) + u16::from(v6))
}
