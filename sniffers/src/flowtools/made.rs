//! Files made to order, for tests.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;

/// A number in the byte order of the file.
fn long(big: bool, n: u32) -> [u8; 4] {
    if big { n.to_be_bytes() } else { n.to_le_bytes() }
}

fn short(big: bool, n: u16) -> [u8; 2] {
    if big { n.to_be_bytes() } else { n.to_le_bytes() }
}

/// A file of version `version` with records of `n` packets for each `n` up to `count`.
pub fn file(big: bool, version: u16, packed: bool, count: u32) -> io::Result<Vec<u8>> {
    let flags = if packed { 10 } else { 8 };
    let tags: [(u16, &[u8]); 4] = [
        (2, &short(big, version)),
        (8, &long(big, flags)),
        (11, &long(big, 3)),
        (16, b"a comment\0"),
    ];
    let mut out = vec![0xcf, 0x10, if big { 2 } else { 1 }, 3];
    let len: usize = tags.iter().map(|(_, value)| 4 + value.len()).sum();
    out.extend(long(big, 8 + len as u32));
    for (tag, value) in tags {
        out.extend(short(big, tag));
        out.extend(short(big, value.len() as u16));
        out.extend(value);
    }
    let mut records = Vec::new();
    let tail = match version {
        1 => 4,
        5 => 8,
        7 => 12,
        _ => 16,
    };
    for n in 1..=count {
        let start = records.len();
        for number in [1_700_000_000, 500_000_000, 60_000, 0x7f00_0001, 0x0a00_0001, n, 0] {
            records.extend(long(big, number));
        }
        records.extend([short(big, 1), short(big, 2)].concat());
        for number in [n, n * 40, 50_000, 59_000] {
            records.extend(long(big, number));
        }
        records.extend([short(big, 1000), short(big, 80)].concat());
        records.extend([6, 0, 0x12, 0]);
        records.resize(start + 56 + tail, 0);
    }
    if packed {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&records)?;
        records = encoder.finish()?;
    }
    out.extend(records);
    Ok(out)
}
