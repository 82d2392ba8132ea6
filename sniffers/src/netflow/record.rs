//! Records of templates: fields as they come, and the flow they make together.

use como_core::addr::Addr;
use como_core::source::Origin;
use como_core::time::Ts;

use super::clock::{Clock, When};
use super::element::Element;
use super::sampling::{Rate, Samplers};
use crate::flow::Flow;

/// The fields of one record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Record {
    flow: Flow,
    src4: Option<[u8; 4]>,
    dst4: Option<[u8; 4]>,
    src6: Option<[u8; 16]>,
    dst6: Option<[u8; 16]>,
    version: u64,
    bytes: Option<u64>,
    packets: Option<u64>,
    total: (Option<u64>, Option<u64>),
    out: (Option<u64>, Option<u64>),
    reverse: (u64, u64),
    reverse_flags: Option<u8>,
    icmp: Option<u16>,
    first: Option<When>,
    last: Option<When>,
    duration_ms: Option<u64>,
    boot: Option<Ts>,
    sampler: Option<u64>,
    rate: Option<Rate>,
}

impl Record {
    /// Takes in one field.
    #[inline]
    pub fn set(&mut self, element: Element, bytes: &[u8]) {
        use Element as E;
        let value = match element {
            E::Src4 => return self.src4 = bytes.first_chunk().copied(),
            E::Dst4 => return self.dst4 = bytes.first_chunk().copied(),
            E::Src6 => return self.src6 = bytes.first_chunk().copied(),
            E::Dst6 => return self.dst6 = bytes.first_chunk().copied(),
            _ => uint(bytes),
        };
        let flow = &mut self.flow;
        match element {
            E::Bytes => self.bytes = Some(value),
            E::Packets => self.packets = Some(value),
            E::TotalBytes => self.total.0 = Some(value),
            E::TotalPackets => self.total.1 = Some(value),
            E::OutBytes => self.out.0 = Some(value),
            E::OutPackets => self.out.1 = Some(value),
            E::ReverseBytes => self.reverse.0 = value,
            E::ReversePackets => self.reverse.1 = value,
            E::ReverseFlags => self.reverse_flags = Some(value as u8),
            E::Input => flow.origin.input = Some(value as u32),
            E::Output => flow.origin.output = Some(value as u32),
            E::Proto => flow.proto = value as u8,
            E::Tos => flow.tos = value as u8,
            // IPFIX may add the bits above the eight that TCP mostly uses.
            E::Flags => flow.flags = value as u8,
            E::Sport => flow.sport = value as u16,
            E::Dport => flow.dport = value as u16,
            E::Version => self.version = value,
            E::Icmp => self.icmp = Some(value as u16),
            E::IcmpType => {
                self.icmp = Some((value as u16) << 8 | self.icmp.unwrap_or(0) & 0xff);
            }
            E::IcmpCode => {
                self.icmp = Some(self.icmp.unwrap_or(0) & 0xff00 | value as u16 & 0xff);
            }
            E::FirstUptime => self.first = Some(When::Uptime(value as u32)),
            E::LastUptime => self.last = Some(When::Uptime(value as u32)),
            E::FirstSeconds => self.first = Some(When::At(Ts::new(value, 0))),
            E::LastSeconds => self.last = Some(When::At(Ts::new(value, 0))),
            E::FirstMillis => self.first = Some(When::millis(value)),
            E::LastMillis => self.last = Some(When::millis(value)),
            E::FirstNtp => self.first = Some(When::ntp(value)),
            E::LastNtp => self.last = Some(When::ntp(value)),
            E::FirstBefore => self.first = Some(When::Before(value)),
            E::LastBefore => self.last = Some(When::Before(value)),
            E::Duration => self.duration_ms = Some(value),
            E::Boot => self.boot = Some(Ts(value.saturating_mul(1_000_000))),
            E::Sampler => self.sampler = Some(value),
            E::Interval => self.rate = Some(Rate::one_in(value)),
            E::Chosen | E::SampleSize => self.rate.get_or_insert_default().chosen(value),
            E::Passed => self.rate.get_or_insert_default().passed(value),
            E::Population => self.rate.get_or_insert_default().of(value),
            E::Skip | E::Src4 | E::Dst4 | E::Src6 | E::Dst6 => {}
        }
    }

    /// When the exporter started, if this record says so.
    pub fn boot(&self) -> Option<Ts> {
        self.boot
    }

    /// The sampler this record describes, and how it samples, if it describes one.
    pub fn sampling(&self) -> Option<(Option<u64>, Rate)> {
        self.rate.map(|rate| (self.sampler, rate))
    }

    /// The flow this record reports, scaled by its sampling, and that of the opposite direction if
    /// it counted anything.
    #[inline]
    pub fn flows(&self, clock: &Clock, samplers: &Samplers) -> (Flow, Option<Flow>) {
        let rate = self.rate.unwrap_or_else(|| samplers.rate(self.sampler));
        let (src, dst) = self.ends();
        let first = clock.instant(self.first);
        let last = match (self.last, self.duration_ms) {
            (None, Some(ms)) => clock.end(first, ms),
            (when, _) => clock.instant(when),
        };
        let bytes = self.bytes.or(self.total.0).or(self.out.0).unwrap_or(0);
        let packets = self.packets.or(self.total.1).or(self.out.1).unwrap_or(0);
        let flow = Flow {
            src,
            dst,
            first,
            last: last.max(first),
            packets: rate.scale(packets),
            bytes: rate.scale(bytes),
            // Where no field says it, exporters put it where the port would be.
            icmp: self.icmp.unwrap_or(self.flow.dport),
            ..self.flow
        };
        let (bytes, packets) = self.reverse;
        let reverse = (bytes > 0 || packets > 0).then(|| Flow {
            src: dst,
            dst: src,
            sport: flow.dport,
            dport: flow.sport,
            packets: rate.scale(packets),
            bytes: rate.scale(bytes),
            flags: self.reverse_flags.unwrap_or(0),
            origin: Origin { input: flow.origin.output, output: flow.origin.input, ..flow.origin },
            ..flow
        });
        (flow, reverse)
    }

    /// From where to where. Some exporters fill in the fields of both families, one with zeros.
    fn ends(&self) -> (Addr, Addr) {
        let zeros = [Some([0; 4]), None];
        let is_v6 = match self.version {
            4 => false,
            6 => true,
            _ => {
                (self.src6.is_some() || self.dst6.is_some())
                    && zeros.contains(&self.src4)
                    && zeros.contains(&self.dst4)
            }
        };
        if is_v6 {
            (Addr::v6(self.src6.unwrap_or_default()), Addr::v6(self.dst6.unwrap_or_default()))
        } else {
            (Addr::v4(self.src4.unwrap_or_default()), Addr::v4(self.dst4.unwrap_or_default()))
        }
    }
}

/// A number of at most eight bytes, the first the highest.
#[inline]
fn uint(bytes: &[u8]) -> u64 {
    match bytes {
        [a] => u64::from(*a),
        [a, b] => u64::from(u16::from_be_bytes([*a, *b])),
        [a, b, c, d] => u64::from(u32::from_be_bytes([*a, *b, *c, *d])),
        bytes => bytes.iter().take(8).fold(0, |all, byte| all << 8 | u64::from(*byte)),
    }
}
