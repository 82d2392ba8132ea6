//! Each packet's first 128 bytes as a flow sample of sFlow version 5, seven to a datagram.

use std::path::Path;

use anyhow::Result;

use super::pcap::{self, ETHERNET, Writer};

/// Bytes of a packet that are sent.
const HEADER_BYTES: usize = 128;

/// Samples of a datagram.
const SAMPLES: u32 = 7;

/// What each sample stands for.
const RATE: u32 = 64;

/// Where a datagram goes.
const PORT: u16 = 6343;

/// Writes the samples of `trace`, of Ethernet frames, as a capture of datagrams.
pub fn write(trace: &Path, out: &Path) -> Result<()> {
    let mut writer = Writer::create(out, ETHERNET, trace)?;
    let (mut samples, mut held, mut datagrams) = (Vec::new(), 0, 0);
    pcap::read(trace, |packet| {
        put_sample(&mut samples, datagrams * SAMPLES + held, &packet.data);
        held += 1;
        if held == SAMPLES {
            let mut datagram = words(&[5, 1, 0xc000_0201, 0, datagrams, 0, held]);
            datagram.append(&mut samples);
            writer.put_datagram(packet.time, PORT, &datagram)?;
            held = 0;
            datagrams += 1;
        }
        Ok(())
    })?;
    writer.finish()
}

fn put_sample(samples: &mut Vec<u8>, number: u32, data: &[u8]) {
    let header = &data[..data.len().min(HEADER_BYTES)];
    let padded = header.len().next_multiple_of(4);
    let record_bytes = 16 + padded as u32;
    let sample_bytes = 32 + 8 + record_bytes;
    // A flow sample of interface 1; then a record of a raw Ethernet header.
    let pool = number.wrapping_mul(RATE);
    samples.extend(words(&[1, sample_bytes, number, 1, RATE, pool, 0, 1, 2, 1]));
    samples.extend(words(&[1, record_bytes, 1, data.len() as u32 + 4, 4, header.len() as u32]));
    samples.extend(header);
    samples.resize(samples.len() + padded - header.len(), 0);
}

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
}
