//! A file of flow-tools with made-up records of version 5, in this machine's likely byte order.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Result;

/// How many records are written.
const RECORDS: u32 = 1_000_000;

/// Writes the file: many hosts talk to fewer servers.
pub fn write(out: &Path) -> Result<()> {
    let mut file = BufWriter::new(File::create(out)?);
    // Magic, little endian, stream version 3, header of 14 bytes: version 5 of the exporter.
    file.write_all(&[0xcf, 0x10, 1, 3, 14, 0, 0, 0, 2, 0, 2, 0, 5, 0])?;
    for n in 0..RECORDS {
        let scattered = n.wrapping_mul(0x9e37_79b1);
        let seconds = 1_700_000_000 + n / 1_000;
        let uptime = 600_000 + n;
        let src = 0x0a00_0000 | scattered & 0xffff;
        let dst = 0xc0a8_0000 | scattered >> 20;
        let packets = 1 + (scattered >> 8) % 40;
        let before = [seconds, 0, uptime, 0xc000_0201, src, dst, 0];
        put(&mut file, &before)?;
        file.write_all(&[1, 0, 2, 0])?;
        put(&mut file, &[packets, packets * 300, uptime - 5_000, uptime - 10])?;
        let ports = [1024 + (scattered & 0x3fff) as u16, 443].map(u16::to_le_bytes).concat();
        file.write_all(&ports)?;
        file.write_all(&[6, 0, 0x1b, 0, 24, 16, 0, 0, 0, 0, 0, 0])?;
    }
    Ok(file.flush()?)
}

fn put(file: &mut impl Write, numbers: &[u32]) -> Result<()> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    Ok(file.write_all(&bytes)?)
}
