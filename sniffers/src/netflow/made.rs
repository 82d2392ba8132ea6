//! Export packets made to order, for tests: each part is bytes, and whoever wants a lie writes it.

/// A field of a template: its number and length.
pub type Field = (u16, u16);

/// What most test records hold: addresses, ports, protocol, flags, packets, bytes, first, last.
pub const PLAIN: &[Field] =
    &[(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (2, 4), (1, 4), (22, 4), (21, 4)];

/// The time test packets say they were sent, in seconds.
pub const SENT: u32 = 1_700_000_000;
/// The exporter's uptime by then, in milliseconds.
pub const UPTIME_MS: u32 = 1_000_000;

/// A record of [`PLAIN`]: host `n` sends `n` packets of 100 bytes each, 10 s before the packet.
pub fn plain(n: u8) -> Vec<u8> {
    let mut record = vec![10, 0, 0, n, 10, 1, 0, n];
    record.extend(1000u16.to_be_bytes());
    record.extend(80u16.to_be_bytes());
    record.extend([6, 0x1b]);
    for number in [n.into(), u32::from(n) * 100, UPTIME_MS - 10_000, UPTIME_MS - 1_000] {
        record.extend(number.to_be_bytes());
    }
    record
}

/// A set of this number.
pub fn set(id: u16, parts: &[Vec<u8>]) -> Vec<u8> {
    let body = parts.concat();
    let len = body.len() as u16 + 4;
    [id.to_be_bytes().to_vec(), len.to_be_bytes().to_vec(), body].concat()
}

/// A template of either format.
pub fn template(id: u16, fields: &[Field]) -> Vec<u8> {
    let mut bytes = [id.to_be_bytes(), (fields.len() as u16).to_be_bytes()].concat();
    for (number, len) in fields {
        bytes.extend(number.to_be_bytes());
        bytes.extend(len.to_be_bytes());
    }
    bytes
}

/// A v9 packet.
pub fn v9(sequence: u32, domain: u32, sets: &[Vec<u8>]) -> Vec<u8> {
    let mut packet = [9u16.to_be_bytes(), (sets.len() as u16).to_be_bytes()].concat();
    for number in [UPTIME_MS, SENT, sequence, domain] {
        packet.extend(number.to_be_bytes());
    }
    packet.extend(sets.concat());
    packet
}

/// An IPFIX message.
pub fn ipfix(sequence: u32, domain: u32, sets: &[Vec<u8>]) -> Vec<u8> {
    let sets = sets.concat();
    let mut packet = [10u16.to_be_bytes(), (16 + sets.len() as u16).to_be_bytes()].concat();
    for number in [SENT, sequence, domain] {
        packet.extend(number.to_be_bytes());
    }
    packet.extend(sets);
    packet
}

/// A v5 packet with records for these hosts, as [`plain`] makes them, in by interface 3 and out by
/// 4.
pub fn v5(sequence: u32, sampling: u16, hosts: std::ops::Range<u8>) -> Vec<u8> {
    let mut packet = [5u16.to_be_bytes(), (hosts.len() as u16).to_be_bytes()].concat();
    for number in [UPTIME_MS, SENT, 0, sequence] {
        packet.extend(number.to_be_bytes());
    }
    packet.extend([0, 0]);
    packet.extend(sampling.to_be_bytes());
    for n in hosts {
        let plain = plain(n);
        packet.extend(&plain[..8]);
        // Next hop; interfaces.
        packet.extend([0, 0, 0, 0, 0, 3, 0, 4]);
        // Packets, bytes, first, last; ports; flags, protocol, type of service.
        packet.extend(&plain[14..30]);
        packet.extend(&plain[8..12]);
        packet.extend([0, 0x1b, 6, 0]);
        packet.extend([0; 8]);
    }
    packet
}
