//! Packets of one block of a TPACKET_V3 ring, as the kernel lays them out.
//!
//! Layouts are those of `linux/if_packet.h`: `tpacket_block_desc`, then for
//! each packet a `tpacket3_hdr` and a `sockaddr_ll`. Whatever the bytes say,
//! reading stays within them and ends.

use std::mem::{offset_of, size_of};

use como_core::time::Ts;
use libc::{sockaddr_ll, tpacket_hdr_variant1, tpacket3_hdr};

/// How many bytes of a block hold the word that says whose it is, and what stands before it. They
/// are not among those read here.
pub const SIGNAL_BYTES: usize = 12;

/// Where a block says how many packets it holds: `num_pkts`.
const COUNT: usize = 12;

/// Where it says where the first one begins: `offset_to_first_pkt`.
const FIRST: usize = 16;

/// Where the second address ends in an Ethernet frame, and its type or tag begins.
const ADDRESSES: usize = 12;

/// The tag protocol where the kernel does not say: 802.1Q.
const TPID_DEFAULT: u16 = 0x8100;

/// A packet's address stands behind its header.
const ADDRESS: usize = size_of::<tpacket3_hdr>().next_multiple_of(libc::TPACKET_ALIGNMENT);

/// How far a block has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    // Of the next packet's header, from the block's start.
    offset: usize,
    left: u32,
}

/// The packets of a block, from a place on.
#[derive(Debug)]
pub struct Frames<'a> {
    // Without the block's first `SIGNAL_BYTES`.
    bytes: &'a [u8],
    place: Place,
}

/// One packet as the ring shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When the kernel saw it.
    pub ts: Ts,
    /// Its bytes; without the outer VLAN tag, if it had one.
    pub data: &'a [u8],
    /// How many bytes were sent, without that tag.
    pub wire_len: u32,
    /// The outer VLAN tag, which the kernel has taken out of the frame.
    pub tag: Option<[u8; 4]>,
    /// Whether this machine sent it.
    pub outgoing: bool,
}

impl<'a> Frame<'a> {
    /// Its bytes with the tag where it was, and its length with it.
    pub fn parts(&self) -> ([&[u8]; 3], u32) {
        match &self.tag {
            Some(tag) if self.data.len() >= ADDRESSES => {
                let (addresses, rest) = self.data.split_at(ADDRESSES);
                ([addresses, tag, rest], self.wire_len.saturating_add(tag.len() as u32))
            }
            _ => ([self.data, &[], &[]], self.wire_len),
        }
    }
}

impl<'a> Frames<'a> {
    /// The packets of the block of which `bytes` are all but the first [`SIGNAL_BYTES`], from
    /// `place` on or from the start.
    pub fn of(bytes: &'a [u8], place: Option<Place>) -> Self {
        let start = || Place {
            offset: number(bytes, FIRST - SIGNAL_BYTES).unwrap_or(0) as usize,
            left: number(bytes, COUNT - SIGNAL_BYTES).unwrap_or(0),
        };
        Self { bytes, place: place.unwrap_or_else(start) }
    }

    /// Where to go on; `None` when there is nothing left.
    pub fn place(&self) -> Option<Place> {
        (self.place.left > 0).then_some(self.place)
    }

    fn read(&self) -> Option<(Frame<'a>, usize)> {
        let header = self.bytes.get(self.place.offset.checked_sub(SIGNAL_BYTES)?..)?;
        let field = |at| number(header, at);
        let (mac, held) = (
            short(header, offset_of!(tpacket3_hdr, tp_mac))?,
            offset_of!(tpacket3_hdr, tp_snaplen),
        );
        let data = header.get(usize::from(mac)..)?.get(..field(held)? as usize)?;
        let status = field(offset_of!(tpacket3_hdr, tp_status))?;
        let variant = offset_of!(tpacket3_hdr, hv1);
        let tci = field(variant + offset_of!(tpacket_hdr_variant1, tp_vlan_tci))?;
        let tpid = short(header, variant + offset_of!(tpacket_hdr_variant1, tp_vlan_tpid))?;
        let tpid = if status & libc::TP_STATUS_VLAN_TPID_VALID != 0 { tpid } else { TPID_DEFAULT };
        let [t0, t1] = tpid.to_be_bytes();
        let [.., c0, c1] = tci.to_be_bytes();
        let frame = Frame {
            ts: Ts::new(
                u64::from(field(offset_of!(tpacket3_hdr, tp_sec))?),
                u64::from(field(offset_of!(tpacket3_hdr, tp_nsec))?),
            ),
            data,
            wire_len: field(offset_of!(tpacket3_hdr, tp_len))?,
            tag: (status & libc::TP_STATUS_VLAN_VALID != 0).then_some([t0, t1, c0, c1]),
            outgoing: header.get(ADDRESS + offset_of!(sockaddr_ll, sll_pkttype))
                == Some(&libc::PACKET_OUTGOING),
        };
        Some((frame, field(offset_of!(tpacket3_hdr, tp_next_offset))? as usize))
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    #[inline]
    fn next(&mut self) -> Option<Frame<'a>> {
        self.place.left = self.place.left.checked_sub(1)?;
        let Some((frame, step)) = self.read() else {
            self.place.left = 0;
            return None;
        };
        // The last packet of a block has none behind it; nor has one that points at itself.
        if step == 0 {
            self.place.left = 0;
        }
        self.place.offset = self.place.offset.saturating_add(step);
        Some(frame)
    }
}

/// The number at `at`, in the kernel's byte order, which is ours.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_ne_bytes(*four))
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|two| u16::from_ne_bytes(*two))
}

#[cfg(test)]
mod tests;
