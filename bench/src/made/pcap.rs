//! Captures as `como gen` writes them: read packet by packet, and written again.

use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::Path;

use anyhow::{Result, bail};

/// Link type of Ethernet.
pub const ETHERNET: u32 = 1;

/// Link type of 802.11 behind radiotap.
pub const RADIOTAP: u32 = 127;

/// One packet.
pub struct Packet {
    /// Seconds and the fraction of one, as the file counts it.
    pub time: [u32; 2],
    /// That fraction in nanoseconds.
    pub nanos: u32,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// Calls `each` for every packet of a little-endian capture.
pub fn read(file: &Path, mut each: impl FnMut(Packet) -> Result<()>) -> Result<()> {
    let mut file = BufReader::new(File::open(file)?);
    let mut header = [0; 24];
    file.read_exact(&mut header)?;
    let magic = [header[0], header[1], header[2], header[3]];
    let unit = match u32::from_le_bytes(magic) {
        0xa1b2_c3d4 => 1_000,
        0xa1b2_3c4d => 1,
        other => bail!("no pcap of ours: it starts with {other:x}"),
    };
    let mut head = [0; 16];
    loop {
        match file.read_exact(&mut head) {
            Err(end) if end.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        }
        let long = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|n| head[at + n]));
        let mut data = vec![0; long(8) as usize];
        file.read_exact(&mut data)?;
        each(Packet { time: [long(0), long(4)], nanos: long(4).saturating_mul(unit), data })?;
    }
}

/// Bytes of the headers that [`Writer::put_datagram`] puts before a payload.
const DATAGRAM_AT: usize = 42;

/// Calls `each` for the payload of every datagram that [`Writer::put_datagram`] wrote.
pub fn datagrams(file: &Path, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    read(file, |packet| packet.data.get(DATAGRAM_AT..).map_or(Ok(()), &mut each))
}

/// A capture being written, its times in microseconds or nanoseconds as those of the one it copies.
pub struct Writer {
    file: BufWriter<File>,
}

impl Writer {
    /// Begins a file; `like` is the capture whose packets' times are written.
    pub fn create(file: &Path, link: u32, like: &Path) -> Result<Self> {
        let mut header = [0; 24];
        File::open(like)?.read_exact(&mut header)?;
        header[16..20].copy_from_slice(&262_144_u32.to_le_bytes());
        header[20..24].copy_from_slice(&link.to_le_bytes());
        let mut file = BufWriter::new(File::create(file)?);
        file.write_all(&header)?;
        Ok(Self { file })
    }

    /// Adds a packet.
    pub fn put(&mut self, time: [u32; 2], data: &[u8]) -> Result<()> {
        let len = u32::try_from(data.len())?;
        for number in [time[0], time[1], len, len] {
            self.file.write_all(&number.to_le_bytes())?;
        }
        Ok(self.file.write_all(data)?)
    }

    /// Adds a UDP datagram in an Ethernet frame, from and to an address of the documentation's.
    pub fn put_datagram(&mut self, time: [u32; 2], port: u16, payload: &[u8]) -> Result<()> {
        let udp_len = u16::try_from(8 + payload.len())?;
        let ip_len = udp_len + 20;
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
        frame.extend(ip_len.to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        frame.extend([port, port, udp_len, 0].map(u16::to_be_bytes).concat());
        frame.extend(payload);
        self.put(time, &frame)
    }

    /// Writes what is left.
    pub fn finish(mut self) -> Result<()> {
        Ok(self.file.flush()?)
    }
}
