//! Information elements: which fields of a record mean something here.
//!
//! NetFlow v9 (RFC 3954, section 8) and IPFIX (the IANA registry of RFC 7012)
//! share their numbers. Everything else a record holds is skipped.

/// A field that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Element {
    /// Anything else.
    Skip,
    Bytes,
    Packets,
    TotalBytes,
    TotalPackets,
    OutBytes,
    OutPackets,
    ReverseBytes,
    ReversePackets,
    ReverseFlags,
    Input,
    Output,
    Proto,
    Tos,
    Flags,
    Sport,
    Dport,
    Src4,
    Dst4,
    Src6,
    Dst6,
    Version,
    Icmp,
    IcmpType,
    IcmpCode,
    FirstUptime,
    LastUptime,
    FirstSeconds,
    LastSeconds,
    FirstMillis,
    LastMillis,
    FirstNtp,
    LastNtp,
    FirstBefore,
    LastBefore,
    Boot,
    Duration,
    /// One packet in so many is sampled.
    Interval,
    /// So many packets in a row are sampled...
    Chosen,
    /// ...and so many after them are not.
    Passed,
    /// So many packets are sampled...
    SampleSize,
    /// ...of so many.
    Population,
    /// Which of the exporter's samplers is meant.
    Sampler,
}

/// The enterprise of reverse elements, those of the opposite direction (RFC 5103).
const REVERSE: u32 = 29_305;

impl Element {
    /// The element of this number, of `len` bytes as a record holds it, if that is a length it
    /// can be read from.
    pub fn of(enterprise: u32, number: u16, len: u16) -> Self {
        use Element as E;
        let element = match (enterprise, number) {
            (0, 1) => E::Bytes,
            (0, 2) => E::Packets,
            (0, 4) => E::Proto,
            (0, 5) => E::Tos,
            (0, 6) => E::Flags,
            (0, 7 | 180 | 182) => E::Sport,
            (0, 8) => E::Src4,
            (0, 10) => E::Input,
            (0, 11 | 181 | 183) => E::Dport,
            (0, 12) => E::Dst4,
            (0, 14) => E::Output,
            (0, 21) => E::LastUptime,
            (0, 22) => E::FirstUptime,
            (0, 23) => E::OutBytes,
            (0, 24) => E::OutPackets,
            (0, 27) => E::Src6,
            (0, 28) => E::Dst6,
            (0, 32 | 139) => E::Icmp,
            (0, 34 | 50) => E::Interval,
            (0, 48 | 302) => E::Sampler,
            (0, 60) => E::Version,
            // Of the side that began, and of the other, from firewalls that count both.
            (0, 85 | 231) => E::TotalBytes,
            (0, 86 | 298) => E::TotalPackets,
            (0, 232) | (REVERSE, 1 | 85) => E::ReverseBytes,
            (0, 299) | (REVERSE, 2 | 86) => E::ReversePackets,
            (REVERSE, 6) => E::ReverseFlags,
            (0, 150) => E::FirstSeconds,
            (0, 151) => E::LastSeconds,
            (0, 152) => E::FirstMillis,
            (0, 153) => E::LastMillis,
            (0, 154 | 156) => E::FirstNtp,
            (0, 155 | 157) => E::LastNtp,
            (0, 158) => E::FirstBefore,
            (0, 159) => E::LastBefore,
            (0, 160) => E::Boot,
            (0, 161) => E::Duration,
            (0, 176 | 178) => E::IcmpType,
            (0, 177 | 179) => E::IcmpCode,
            (0, 305) => E::Chosen,
            (0, 306) => E::Passed,
            (0, 309) => E::SampleSize,
            (0, 310) => E::Population,
            _ => E::Skip,
        };
        let readable = match element {
            E::Src4 | E::Dst4 => len == 4,
            E::Src6 | E::Dst6 => len == 16,
            // Numbers may be written in fewer bytes than they have (RFC 7011, 6.2).
            _ => (1..=8).contains(&len),
        };
        if readable { element } else { E::Skip }
    }

    /// Whether it is an address.
    pub fn is_addr(self) -> bool {
        matches!(self, Self::Src4 | Self::Dst4 | Self::Src6 | Self::Dst6)
    }

    /// Whether it counts what a flow carried.
    pub fn is_counter(self) -> bool {
        use Element as E;
        matches!(
            self,
            E::Bytes | E::Packets | E::TotalBytes | E::TotalPackets | E::OutBytes | E::OutPackets
        )
    }
}
