//! Each packet as an 802.11 data frame from an access point, behind a radiotap header.

use std::path::Path;

use anyhow::Result;

use super::pcap::{self, RADIOTAP, Writer};

/// Radiotap with nothing in it; then a data frame from the distribution system, without addresses.
const HEAD: [u8; 12] = [0, 0, 8, 0, 0, 0, 0, 0, 0x08, 0x02, 0, 0];

/// LLC and SNAP up to the Ethernet type.
const SNAP: [u8; 6] = [0xaa, 0xaa, 3, 0, 0, 0];

/// Writes `trace`, of Ethernet frames, to `out`.
pub fn write(trace: &Path, out: &Path) -> Result<()> {
    let mut writer = Writer::create(out, RADIOTAP, trace)?;
    let mut frame = Vec::new();
    pcap::read(trace, |packet| {
        let Some((ethernet, payload)) = packet.data.split_at_checked(12) else { return Ok(()) };
        let (to, from) = ethernet.split_at(6);
        frame.clear();
        frame.extend(HEAD);
        for part in [to, &[2, 0, 0, 0, 0, 9], from, &[0, 0], &SNAP, payload] {
            frame.extend(part);
        }
        writer.put(packet.time, &frame)
    })?;
    writer.finish()
}
