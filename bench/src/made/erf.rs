//! Each packet as a record of Endace's extensible record format, type Ethernet.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Result;

use super::pcap;

/// Bytes before the frame: the record's header, and two that align an Ethernet frame.
const HEAD_BYTES: usize = 18;

/// Writes `trace`, of Ethernet frames, to `out`.
pub fn write(trace: &Path, out: &Path) -> Result<()> {
    let mut file = BufWriter::new(File::create(out)?);
    pcap::read(trace, |packet| {
        let fraction = (u64::from(packet.nanos) << 32) / 1_000_000_000;
        let time = u64::from(packet.time[0]) << 32 | fraction;
        // Its length in the file; no loss; its length on the wire with the frame check sequence.
        let lengths = [packet.data.len() + HEAD_BYTES, 0, packet.data.len() + 4];
        file.write_all(&time.to_le_bytes())?;
        // Ethernet, of varying length.
        file.write_all(&[2, 4])?;
        for length in lengths {
            file.write_all(&u16::try_from(length)?.to_be_bytes())?;
        }
        file.write_all(&[0, 0])?;
        Ok(file.write_all(&packet.data)?)
    })?;
    Ok(file.flush()?)
}
