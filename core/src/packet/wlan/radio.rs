//! What a monitor-mode capture puts before the frame: how it was received.
//!
//! Radiotap (radiotap.org), the AVS header (version 1 and 2 of the AbsoluteValue
//! Systems draft), and Prism's, of which drivers number the items in two ways.

use crate::packet::LinkType;

/// The header before a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    /// Its length.
    pub len: usize,
    /// Whether the frame's header is followed by bytes that align what it carries.
    pub is_padded: bool,
    /// Whether the frame ends with its check sequence.
    pub has_check_sequence: bool,
    /// Whether that check failed: any of the frame's bytes may be wrong.
    pub is_damaged: bool,
}

impl Prefix {
    const fn of(len: usize) -> Self {
        Self { len, is_padded: false, has_check_sequence: false, is_damaged: false }
    }
}

/// Why there is no telling where the frame starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// The header goes on until here at least, and fewer bytes are there.
    Short(usize),
    /// It contradicts its format.
    Wrong,
}

/// A value of how a frame was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Radio {
    /// The signal in dBm.
    Signal,
    /// The noise in dBm.
    Noise,
    /// The channel's number.
    Channel,
    /// The channel's middle in MHz.
    Frequency,
    /// The rate in kbit/s.
    Rate,
}

const AVS_BYTES: usize = 64;
const PRISM_ITEMS: usize = 24;
const PRISM_ITEM_BYTES: usize = 12;

/// No header is longer than this.
const PREFIX_BYTES_MAX: u32 = 4096;

/// The header before the frame of a packet of this link type.
#[inline]
pub(crate) fn prefix(link: LinkType, bytes: &[u8]) -> Result<Prefix, Unread> {
    let prefix = match link {
        LinkType::RADIOTAP => radiotap(bytes)?,
        LinkType::AVS => avs(bytes)?,
        LinkType::PRISM if is_avs(bytes) => avs(bytes)?,
        LinkType::PRISM => prism(bytes)?,
        LinkType::IEEE802_11 => Prefix::of(0),
        _ => return Err(Unread::Wrong),
    };
    if prefix.len > bytes.len() { Err(Unread::Short(prefix.len)) } else { Ok(prefix) }
}

/// A value the header states, if it does.
pub(crate) fn value(link: LinkType, bytes: &[u8], what: Radio) -> Option<i32> {
    let header = bytes.get(..prefix(link, bytes).ok()?.len)?;
    match link {
        LinkType::RADIOTAP => radiotap_value(header, what),
        LinkType::AVS => avs_value(header, what),
        LinkType::PRISM if is_avs(header) => avs_value(header, what),
        LinkType::PRISM => prism_value(header, what),
        _ => None,
    }
}

fn chunk<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn checked(len: u32, least: usize) -> Result<Prefix, Unread> {
    match usize::try_from(len) {
        Ok(bytes) if bytes >= least && len <= PREFIX_BYTES_MAX => Ok(Prefix::of(bytes)),
        _ => Err(Unread::Wrong),
    }
}

/// Version, length and the first word of what is present, all little-endian.
fn radiotap(bytes: &[u8]) -> Result<Prefix, Unread> {
    const CHECK_SEQUENCE: u8 = 0x10;
    const PADDED: u8 = 0x20;
    const BAD_CHECK_SEQUENCE: u8 = 0x40;
    let [version, _, a, b, ..] = chunk::<8>(bytes, 0).ok_or(Unread::Short(8))?;
    if version != 0 {
        return Err(Unread::Wrong);
    }
    let prefix = checked(u16::from_le_bytes([a, b]).into(), 8)?;
    let header = bytes.get(..prefix.len).ok_or(Unread::Short(prefix.len))?;
    let flags = radiotap_field(header, FLAGS).and_then(|at| header.get(at)).copied();
    let has = |flag: u8| flags.is_some_and(|flags| flags & flag != 0);
    Ok(Prefix {
        is_padded: has(PADDED),
        has_check_sequence: has(CHECK_SEQUENCE),
        is_damaged: has(BAD_CHECK_SEQUENCE),
        ..prefix
    })
}

const FLAGS: u32 = 1;
const RATE: u32 = 2;
const CHANNEL: u32 = 3;
const SIGNAL: u32 = 5;
const NOISE: u32 = 6;
const XCHANNEL: u32 = 18;
const MCS: u32 = 19;
const VHT: u32 = 21;

/// Alignment and length of radiotap's fields, by the bits that say they are present.
const FIELDS: [(usize, usize); 22] = [
    (8, 8),
    (1, 1),
    (1, 1),
    (2, 4),
    (1, 2),
    (1, 1),
    (1, 1),
    (2, 2),
    (2, 2),
    (2, 2),
    (1, 1),
    (1, 1),
    (1, 1),
    (1, 1),
    (2, 2),
    (2, 2),
    (1, 1),
    (1, 1),
    (4, 8),
    (1, 3),
    (4, 8),
    (2, 12),
];

/// Where a field of the first namespace lies: one value of each is there, of the whole radio.
/// Further words speak of single antennas, or of their makers' own fields.
fn radiotap_field(header: &[u8], bit: u32) -> Option<usize> {
    const MORE: u32 = 1 << 31;
    let word = |nth: usize| chunk(header, 4 + 4 * nth).map(u32::from_le_bytes);
    let present = word(0)?;
    if present >> bit & 1 == 0 {
        return None;
    }
    let mut words = 1;
    let mut last = present;
    while last & MORE != 0 {
        last = word(words)?;
        words += 1;
    }
    let mut at = 4 + 4 * words;
    for (other, (align, len)) in FIELDS.iter().enumerate() {
        if present >> other & 1 == 0 {
            continue;
        }
        at = at.next_multiple_of(*align);
        if other as u32 == bit {
            return Some(at).filter(|at| at + len <= header.len());
        }
        at += len;
    }
    None
}

fn radiotap_value(header: &[u8], what: Radio) -> Option<i32> {
    let field = |bit: u32| radiotap_field(header, bit);
    let dbm = |bit: u32| Some(i32::from(i8::from_le_bytes(chunk(header, field(bit)?)?)));
    let word = |at: usize| chunk(header, at).map(u16::from_le_bytes);
    let frequency = || match field(CHANNEL) {
        Some(at) => word(at),
        None => word(field(XCHANNEL)? + 4),
    };
    match what {
        Radio::Signal => dbm(SIGNAL),
        Radio::Noise => dbm(NOISE),
        Radio::Frequency => frequency().map(i32::from),
        Radio::Channel => channel_of(frequency()?).map(i32::from),
        Radio::Rate => radiotap_rate(header).and_then(|rate| i32::try_from(rate).ok()),
    }
}

/// The number of the channel around a frequency in MHz (annex E).
fn channel_of(frequency: u16) -> Option<u16> {
    match frequency {
        2484 => Some(14),
        2412..2484 => Some((frequency - 2407) / 5),
        4910..=4980 => Some((frequency - 4000) / 5),
        5000..=5895 => Some((frequency - 5000) / 5),
        5935 => Some(2),
        5950..=7125 => Some((frequency - 5950) / 5),
        _ => None,
    }
}

/// The rate in kbit/s: as stated in steps of 500, or computed from the modulation.
fn radiotap_rate(header: &[u8]) -> Option<u32> {
    if let Some(rate) = radiotap_field(header, RATE).and_then(|at| header.get(at)) {
        return Some(u32::from(*rate) * 500);
    }
    if let Some(at) = radiotap_field(header, MCS) {
        const KNOWS_BANDWIDTH_AND_INDEX: u8 = 3;
        let [known, flags, index] = chunk(header, at)?;
        if known & KNOWS_BANDWIDTH_AND_INDEX != KNOWS_BANDWIDTH_AND_INDEX || index > 31 {
            return None;
        }
        let carriers = if flags & 3 == 1 { 108 } else { 52 };
        let is_short = flags & 4 != 0;
        return rate(index % 8, u32::from(index / 8) + 1, carriers, is_short);
    }
    let [_, _, flags, bandwidth, user, ..] = chunk::<12>(header, radiotap_field(header, VHT)?)?;
    let carriers = match bandwidth & 31 {
        0 => 52,
        1..=3 => 108,
        4..=10 => 234,
        _ => 468,
    };
    rate(user >> 4, u32::from(user & 15), carriers, flags & 4 != 0)
}

/// The rate of a modulation and coding scheme in kbit/s (tables 19-27 and 21-29): bits on a carrier
/// times coding, carriers, streams, over a symbol of 4 µs or, with a short guard interval, 3.6.
fn rate(scheme: u8, streams: u32, carriers: u32, is_short: bool) -> Option<u32> {
    const SIXTHS: [u32; 10] = [3, 6, 9, 12, 18, 24, 27, 30, 36, 40];
    let bits = SIXTHS.get(usize::from(scheme))? * carriers * streams;
    let symbol_tenths_us = if is_short { 36 } else { 40 };
    (streams > 0).then(|| bits * 10_000 / 6 / symbol_tenths_us)
}

fn is_avs(bytes: &[u8]) -> bool {
    matches!(bytes, [0x80, 0x21, 0x10, 1 | 2, ..])
}

/// Magic number and length, in network order.
fn avs(bytes: &[u8]) -> Result<Prefix, Unread> {
    let [_, _, _, _, len @ ..] = chunk::<8>(bytes, 0).ok_or(Unread::Short(8))?;
    if !is_avs(bytes) {
        return Err(Unread::Wrong);
    }
    checked(u32::from_be_bytes(len), AVS_BYTES)
}

fn avs_value(header: &[u8], what: Radio) -> Option<i32> {
    const IS_DBM: i32 = 2;
    let word = |at: usize| chunk(header, at).map(i32::from_be_bytes);
    // A strength in other units than dBm is no negative number.
    let dbm = |at: usize| word(at).filter(|x| *x < 0 || word(44) == Some(IS_DBM));
    match what {
        Radio::Signal => dbm(48),
        Radio::Noise => dbm(52),
        Radio::Channel => word(28).filter(|channel| (1..=233).contains(channel)),
        Radio::Frequency => None,
        Radio::Rate => word(32).filter(|x| *x > 0).and_then(|x| x.checked_mul(100)),
    }
}

/// Message code, length, the device's name, then items; in the order of the machine that captured.
fn prism(bytes: &[u8]) -> Result<Prefix, Unread> {
    let len = prism_number(bytes, 4).ok_or(Unread::Short(8))?;
    checked(len, PRISM_ITEMS)
}

/// A number in the byte order that makes the message code a small one.
fn prism_number(bytes: &[u8], at: usize) -> Option<u32> {
    let is_big = bytes.first_chunk() == Some(&[0, 0]);
    let number = chunk(bytes, at)?;
    Some(if is_big { u32::from_be_bytes(number) } else { u32::from_le_bytes(number) })
}

fn prism_value(header: &[u8], what: Radio) -> Option<i32> {
    // What an item's number holds beside the message code, in the drivers' two ways.
    let item = |nth: u32| {
        let items = (PRISM_ITEMS..header.len()).step_by(PRISM_ITEM_BYTES);
        let mut data = items.filter_map(|at| {
            let number = prism_number(header, at)? & 0xffff_f000;
            let is_it = number == nth << 12 || number == nth << 16;
            is_it.then(|| prism_number(header, at + 8)).flatten()
        });
        data.next()
    };
    // One byte with a sign in most drivers, four in some; what is not negative is no dBm.
    let dbm = |nth: u32| {
        let value = item(nth)? as i32;
        let value = if (128..256).contains(&value) { value - 256 } else { value };
        (-256..0).contains(&value).then_some(value)
    };
    match what {
        Radio::Channel => item(3).map(|x| x as i32).filter(|x| (1..=233).contains(x)),
        Radio::Signal => dbm(6),
        Radio::Noise => dbm(7),
        Radio::Frequency => None,
        Radio::Rate => {
            item(8).filter(|x| *x > 0)?.checked_mul(500).and_then(|x| i32::try_from(x).ok())
        }
    }
}
