//! Numbers and addresses as text, stored in whole blocks: what comes behind overwrites what is too
//! much.

use crate::addr::Addr;

/// The bytes that an address takes at most: `ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff` has 39, and
/// the last four digits may be stored with what does not count behind them.
pub(super) const ADDR_BYTES: usize = 48;

/// A number of up to eight digits, and how many it has.
#[inline]
pub(super) fn short(value: u64) -> Option<([u8; 8], usize)> {
    if value >= 100_000_000 {
        return None;
    }
    let digits = digits(value as u32);
    // The last digit is written even where it is 0.
    let zeros = (digits.trailing_zeros() / 8).min(7);
    let text = (digits | 0x3030_3030_3030_3030) >> (8 * zeros);
    Some((text.to_le_bytes(), 8 - zeros as usize))
}

/// The eight decimal digits of a number below 100,000,000, a byte each, the first one lowest: all
/// fours, then all pairs, then all digits of it are divided at once.
#[inline]
fn digits(value: u32) -> u64 {
    let fours = u64::from(value / 10_000) | u64::from(value % 10_000) << 32;
    // 5,243 / 2^19 is a hundredth, and 103 / 2^10 a tenth, of what is that small.
    let hundreds = ((fours * 5_243) >> 19) & 0x7f_0000_007f;
    let pairs = hundreds | (fours - hundreds * 100) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (pairs - tens * 10) << 8
}

/// Puts a block into `line` from byte `at` on, if there is room.
#[inline]
pub(super) fn put_at<const N: usize>(line: &mut [u8], at: usize, block: &[u8; N]) {
    if let Some(room) = line.get_mut(at..at + N) {
        room.copy_from_slice(block);
    }
}

/// Puts an address into `line` from byte `at` on, where [`ADDR_BYTES`] are, and gives the place
/// behind it.
#[inline]
pub(super) fn put_addr_at(line: &mut [u8], at: usize, addr: Addr) -> usize {
    if addr.is_v6() { put_v6_at(line, at, addr) } else { put_v4_at(line, at, addr.bits() as u32) }
}

/// Each octet is written with the dot behind it; the next one overwrites what is too much.
#[inline]
fn put_v4_at(line: &mut [u8], mut at: usize, addr: u32) -> usize {
    for byte in addr.to_be_bytes() {
        let (octet, len) = &OCTETS[usize::from(byte)];
        put_at(line, at, octet);
        at += usize::from(*len);
    }
    at - 1
}

/// As RFC 5952 has it, section 4: the first of the longest runs of zeros is left out, if it is
/// longer than one; an address that maps one of IPv4 ends in that (section 5).
#[inline(never)]
fn put_v6_at(line: &mut [u8], mut at: usize, addr: Addr) -> usize {
    let bits = addr.bits();
    if bits >> 32 == 0xffff {
        put_at(line, at, b"::ffff:");
        return put_v4_at(line, at + 7, bits as u32);
    }
    let parts: [u16; 8] = std::array::from_fn(|at| (bits >> (112 - 16 * at)) as u16);
    let (mut run, mut longest) = (0..0, 0..1);
    for (nth, part) in parts.iter().enumerate() {
        run = if *part == 0 { run.start..nth + 1 } else { nth + 1..nth + 1 };
        if run.len() > longest.len() {
            longest = run.clone();
        }
    }
    let left_out = if longest.len() > 1 { longest } else { 8..8 };
    for (nth, part) in parts.iter().enumerate() {
        if nth == left_out.start {
            put_at(line, at, b"::");
            at += 2;
        }
        if left_out.contains(&nth) {
            continue;
        }
        if nth > 0 && nth != left_out.end {
            put_at(line, at, b":");
            at += 1;
        }
        let digits: [u8; 4] =
            std::array::from_fn(|at| HEX[usize::from(part >> (12 - 4 * at) & 15)]);
        let zeros = (part.leading_zeros() / 4).min(3);
        put_at(line, at, &(u32::from_le_bytes(digits) >> (8 * zeros)).to_le_bytes());
        at += 4 - zeros as usize;
    }
    at
}

/// Every octet in decimal with a dot behind it, and the length of both.
const OCTETS: [([u8; 4], u8); 256] = {
    let mut octets = [([b'.'; 4], 2); 256];
    let mut value = 0;
    while value < 256 {
        let [hundreds, tens, ones] = [value / 100, value / 10 % 10, value % 10];
        let [hundreds, tens, ones] = [b'0' + hundreds as u8, b'0' + tens as u8, b'0' + ones as u8];
        octets[value] = match value {
            0..10 => ([ones, b'.', 0, 0], 2),
            10..100 => ([tens, ones, b'.', 0], 3),
            _ => ([hundreds, tens, ones, b'.'], 4),
        };
        value += 1;
    }
    octets
};

/// The digits of hexadecimal numbers.
pub(super) const HEX: &[u8; 16] = b"0123456789abcdef";
