//! Datagrams made to order, for tests: each part is bytes, and whoever wants a lie writes it.

/// Numbers as XDR has them.
pub fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// A kind, a length, and that many bytes, filled to a multiple of four.
pub fn part(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut out = [&words(&[kind, body.len() as u32]), body].concat();
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

/// A datagram of agent 192.0.2.1 with these samples.
pub fn datagram(sequence: u32, samples: &[Vec<u8>]) -> Vec<u8> {
    let head = words(&[5, 1, 0xc000_0201, 7, sequence, 1000, samples.len() as u32]);
    [&head[..], &samples.concat()].concat()
}

/// A flow sample at interface 3, with these records.
pub fn sample(rate: u32, drops: u32, records: &[Vec<u8>]) -> Vec<u8> {
    let head = words(&[9, 3, rate, 12, drops, 3, 4, records.len() as u32]);
    part(1, &[&head[..], &records.concat()].concat())
}

/// The record of a packet's first `cap` bytes on this link.
pub fn raw(protocol: u32, bytes: &[u8], cap: usize) -> Vec<u8> {
    let head = words(&[protocol, bytes.len() as u32 + 4, 4, cap as u32]);
    let mut body = [&head[..], bytes.get(..cap).unwrap_or(bytes)].concat();
    body.resize(body.len().next_multiple_of(4), 0);
    part(1, &body)
}
