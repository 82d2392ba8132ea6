//! Writing frames: headers patched around a piece of payload, checksums right.
//!
//! A frame is written where it will be read, into a recycled buffer. The sums
//! of the payload are known beforehand, so a checksum costs the headers only.

/// Room that any frame fits in.
pub const FRAME_MAX: usize = 1600;

/// The shortest Ethernet frame, without its check sequence.
const FRAME_MIN: usize = 60;

/// A part of a payload and the sum of its 16-bit words.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Their sum, carries not yet folded.
    pub sum: u64,
}

impl<'a> Piece<'a> {
    /// No payload.
    pub const EMPTY: Piece<'static> = Piece { bytes: &[], sum: 0 };

    /// Sums `bytes` up.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, sum: sum(bytes) }
    }
}

/// Bytes to cut payloads from.
#[derive(Clone, Debug)]
pub struct Stock {
    bytes: Vec<u8>,
    // The sum of all words before each.
    sums: Vec<u64>,
}

impl Stock {
    /// Keeps `bytes`.
    pub fn new(bytes: Vec<u8>) -> Self {
        let mut before = 0u64;
        let mut sums = vec![0];
        for word in bytes.chunks_exact(2) {
            before += u64::from(u16::from_be_bytes([word[0], word[1]]));
            sums.push(before);
        }
        Self { bytes, sums }
    }

    /// `len` bytes from about `at` on: from an even place, and where there are as many.
    pub fn piece(&self, at: usize, len: usize) -> Piece<'_> {
        let len = len.min(self.bytes.len());
        let at = at.min(self.bytes.len() - len) & !1;
        let bytes = &self.bytes[at..at + len];
        let words = self.sums[at / 2 + len / 2] - self.sums[at / 2];
        let odd = if len % 2 == 1 { u64::from(bytes[len - 1]) << 8 } else { 0 };
        Piece { bytes, sum: words + odd }
    }
}

/// One end of a frame.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// The link address.
    pub mac: [u8; 6],
    /// The IPv4 address.
    pub v4: [u8; 4],
    /// The IPv6 address.
    pub v6: [u8; 16],
    /// The port, where there is one.
    pub port: u16,
}

/// What stands behind the network header.
#[derive(Clone, Copy, Debug)]
pub enum Transport {
    /// TCP; `syn` adds the options of a connection's first segment.
    Tcp { seq: u32, ack: u32, flags: u8, window: u16, syn: bool },
    /// UDP.
    Udp,
    /// An ICMP or ICMPv6 echo.
    Echo { reply: bool, id: u16, seq: u16 },
}

/// Everything above the addresses that is the same for both directions of a conversation.
#[derive(Clone, Copy, Debug)]
pub struct Envelope {
    /// The VLAN, 0 for no tag.
    pub vlan: u16,
    /// Whether it is IPv6.
    pub v6: bool,
    /// Time to live, hop limit.
    pub ttl: u8,
}

/// Maximum segment size, selective acknowledgement and window scale, as most systems send them.
const SYN_OPTIONS: [u8; 12] = [2, 4, 5, 0xa0, 1, 1, 4, 2, 1, 3, 3, 7];

/// Where the next byte goes.
struct Cursor<'a> {
    out: &'a mut [u8; FRAME_MAX],
    at: usize,
}

impl Cursor<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.out.get_mut(self.at..self.at + bytes.len()) {
            room.copy_from_slice(bytes);
            self.at += bytes.len();
        }
    }

    fn put_u16(&mut self, n: u16) {
        self.put(&n.to_be_bytes());
    }

    fn patch_u16(&mut self, at: usize, n: u16) {
        if let Some(room) = self.out.get_mut(at..at + 2) {
            room.copy_from_slice(&n.to_be_bytes());
        }
    }

    fn ethernet(&mut self, from: [u8; 6], to: [u8; 6], vlan: u16, ether_type: u16) {
        self.put(&to);
        self.put(&from);
        if vlan != 0 {
            self.put_u16(0x8100);
            self.put_u16(vlan);
        }
        self.put_u16(ether_type);
    }

    /// Fills up to the shortest frame and says how long it is.
    fn finish(mut self) -> usize {
        if self.at < FRAME_MIN {
            self.put(&[0; FRAME_MIN][self.at..]);
        }
        self.at
    }
}

/// Writes one IP packet in its frame and returns its length.
///
/// `id` is the IPv4 identification. The payload must leave room for 90 bytes of headers.
pub fn ip(
    out: &mut [u8; FRAME_MAX],
    envelope: Envelope,
    (from, to): (&End, &End),
    id: u16,
    transport: Transport,
    payload: Piece,
) -> usize {
    let mut cursor = Cursor { out, at: 0 };
    let ether_type = if envelope.v6 { 0x86dd } else { 0x0800 };
    cursor.ethernet(from.mac, to.mac, envelope.vlan, ether_type);
    let (proto, header_len) = match transport {
        Transport::Tcp { syn, .. } => (6, if syn { 32 } else { 20 }),
        Transport::Udp => (17, 8),
        Transport::Echo { .. } => (if envelope.v6 { 58 } else { 1 }, 8),
    };
    let len = (header_len + payload.bytes.len()) as u16;
    let addresses = network(&mut cursor, envelope, (from, to), id, proto, len);
    // ICMP over IPv4 is the one that does not sum up the addresses.
    let pseudo = if proto == 1 { 0 } else { addresses + u64::from(proto) + u64::from(len) };
    let at = cursor.at;
    let check_at = at + header(&mut cursor, transport, from.port, to.port, len, envelope.v6);
    let sum = pseudo + sum(&cursor.out[at..cursor.at]) + payload.sum;
    let check = match (checksum(sum), transport) {
        // In UDP 0 says that there is none (RFC 768).
        (0, Transport::Udp) => 0xffff,
        (check, _) => check,
    };
    cursor.patch_u16(check_at, check);
    cursor.put(payload.bytes);
    cursor.finish()
}

/// Writes the network header and returns the sum of its addresses.
fn network(
    cursor: &mut Cursor,
    envelope: Envelope,
    (from, to): (&End, &End),
    id: u16,
    proto: u8,
    len: u16,
) -> u64 {
    let at = cursor.at;
    if envelope.v6 {
        cursor.put(&[0x60, 0, 0, 0]);
        cursor.put_u16(len);
        cursor.put(&[proto, envelope.ttl]);
        cursor.put(&from.v6);
        cursor.put(&to.v6);
        return sum(&cursor.out[at + 8..cursor.at]);
    }
    cursor.put(&[0x45, 0]);
    cursor.put_u16(len + 20);
    cursor.put_u16(id);
    cursor.put(&[0x40, 0, envelope.ttl, proto, 0, 0]);
    cursor.put(&from.v4);
    cursor.put(&to.v4);
    let check = checksum(sum(&cursor.out[at..cursor.at]));
    cursor.patch_u16(at + 10, check);
    sum(&cursor.out[at + 12..cursor.at])
}

/// Writes the transport header with a checksum of 0 and returns where in it that is.
fn header(
    cursor: &mut Cursor,
    transport: Transport,
    from: u16,
    to: u16,
    len: u16,
    v6: bool,
) -> usize {
    match transport {
        Transport::Tcp { seq, ack, flags, window, syn } => {
            cursor.put_u16(from);
            cursor.put_u16(to);
            cursor.put(&seq.to_be_bytes());
            cursor.put(&ack.to_be_bytes());
            cursor.put(&[if syn { 0x80 } else { 0x50 }, flags]);
            cursor.put_u16(window);
            cursor.put(&[0; 4]);
            if syn {
                cursor.put(&SYN_OPTIONS);
            }
            16
        }
        Transport::Udp => {
            cursor.put_u16(from);
            cursor.put_u16(to);
            cursor.put_u16(len);
            cursor.put_u16(0);
            6
        }
        Transport::Echo { reply, id, seq } => {
            let kind = match (v6, reply) {
                (false, false) => 8,
                (false, true) => 0,
                (true, false) => 128,
                (true, true) => 129,
            };
            cursor.put(&[kind, 0, 0, 0]);
            cursor.put_u16(id);
            cursor.put_u16(seq);
            2
        }
    }
}

/// Writes an ARP request or reply and returns its length.
pub fn arp(out: &mut [u8; FRAME_MAX], vlan: u16, from: &End, to: &End, reply: bool) -> usize {
    let mut cursor = Cursor { out, at: 0 };
    let target = if reply { to.mac } else { [0xff; 6] };
    cursor.ethernet(from.mac, target, vlan, 0x0806);
    cursor.put(&[0, 1, 8, 0, 6, 4, 0, if reply { 2 } else { 1 }]);
    cursor.put(&from.mac);
    cursor.put(&from.v4);
    cursor.put(if reply { &to.mac } else { &[0; 6] });
    cursor.put(&to.v4);
    cursor.finish()
}

/// The sum of the 16-bit words of `bytes`, an odd last byte counting as the upper half of one.
fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(2);
    let odd = words.remainder().first().map_or(0, |b| u64::from(*b) << 8);
    words.map(|w| u64::from(u16::from_be_bytes([w[0], w[1]]))).sum::<u64>() + odd
}

/// The Internet checksum (RFC 1071) of words that add up to `sum`.
fn checksum(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}
