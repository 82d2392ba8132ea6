//! Samples of version 4, whose parts state no lengths.
//!
//! Layout: RFC 3176, section 5. What is not read must be known all the same, to be
//! passed over; a kind that is not known ends the datagram.

use super::{Item, Sample, Sampled, Xdr, interface, ip, of_header, place};

/// The bytes of the counters that all interfaces have.
const GENERIC: usize = 88;

/// The next sample; `None` if it is cut off, or of a kind nobody knows.
pub(super) fn item<'a>(xdr: &mut Xdr<'a>) -> Option<Item<'a>> {
    match xdr.number()? {
        1 => sample(xdr).map(Item::Sample),
        2 => counters(xdr).map(Item::Counters),
        _ => None,
    }
}

fn sample<'a>(xdr: &mut Xdr<'a>) -> Option<Sample<'a>> {
    let _sequence = xdr.number()?;
    let place = place(xdr, false)?;
    let (rate, _pool, drops) = (xdr.number()?, xdr.number()?, xdr.number()?);
    let interfaces = [interface(xdr, false)?, interface(xdr, false)?];
    let packet = match xdr.number()? {
        1 => header(xdr)?,
        2 => ip(xdr, false)?,
        3 => ip(xdr, true)?,
        _ => return None,
    };
    let extensions = xdr.number()?;
    for _ in 0..extensions {
        extension(xdr)?;
    }
    Some(Sample { place, rate, drops, interfaces, packet: Some(packet) })
}

fn header<'a>(xdr: &mut Xdr<'a>) -> Option<Sampled<'a>> {
    let (protocol, wire_len) = (xdr.number()?, xdr.number()?);
    of_header(protocol, wire_len, xdr.bytes()?)
}

/// Passes over what an agent knows of a packet beside its bytes.
fn extension(xdr: &mut Xdr<'_>) -> Option<()> {
    match xdr.number()? {
        // VLANs and priorities on either side.
        1 => drop(xdr.take(16)?),
        // The next hop, and the masks of both addresses.
        2 => drop((xdr.either_address()?, xdr.take(8)?)),
        // Autonomous systems, the path to the destination, communities, preference.
        3 => {
            xdr.take(12)?;
            let segments = xdr.number()?;
            for _ in 0..segments {
                xdr.number()?;
                numbers(xdr)?;
            }
            numbers(xdr)?;
            xdr.number()?;
        }
        // Users on either side.
        4 => drop((xdr.bytes()?, xdr.bytes()?)),
        // Which side a URL belongs to, and it.
        5 => drop((xdr.number()?, xdr.bytes()?)),
        _ => return None,
    }
    Some(())
}

/// Passes over a number of numbers.
fn numbers(xdr: &mut Xdr<'_>) -> Option<()> {
    let n: usize = xdr.small()?;
    xdr.take(n.checked_mul(4)?).map(drop)
}

/// The place whose counters a sample has.
fn counters(xdr: &mut Xdr<'_>) -> Option<(u32, u32)> {
    let _sequence = xdr.number()?;
    let place = place(xdr, false)?;
    let _interval = xdr.number()?;
    let len = match xdr.number()? {
        // Any interface; FDDI and wide-area links have no more.
        1 | 4 | 6 => GENERIC,
        // Ethernet, token ring, 100VG-AnyLAN.
        2 => GENERIC + 52,
        3 => GENERIC + 72,
        5 => GENERIC + 80,
        // A VLAN.
        7 => 28,
        _ => return None,
    };
    xdr.take(len)?;
    Some(place)
}
