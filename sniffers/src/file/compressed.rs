//! Compressed captures: gzip, zstd, xz and lz4, told by their first bytes.
//!
//! Names do not matter. Each decoder runs in bounded memory whatever the file
//! claims, and several members, frames or streams in a row read as one.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};
use lz4_flex::frame::FrameDecoder;

/// Compressed bytes are read in pieces of this size.
const PIECE: usize = 128 << 10;

/// The most memory a decoder may claim: enough for `xz -9` and `zstd --long=27`.
const MEMORY_MAX: u64 = 192 << 20;

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// gzip, RFC 1952.
    Gzip,
    /// Zstandard, RFC 8878.
    Zstd,
    /// The .xz format.
    Xz,
    /// LZ4 frames.
    Lz4,
}

impl Packing {
    /// Tells by the first six bytes; fewer than a magic number are plain.
    pub fn of(magic: &[u8]) -> Self {
        match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame, which zstd and lz4 share; zstd files (pzstd) start with one.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Lz4,
            _ => Self::Plain,
        }
    }

    /// What it is called, and the command that unpacks it; none where it is not packed.
    pub fn name(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Plain => None,
            Self::Gzip => Some(("gzip", "zcat")),
            Self::Zstd => Some(("zstd", "zstdcat")),
            Self::Xz => Some(("xz", "xzcat")),
            Self::Lz4 => Some(("lz4", "lz4cat")),
        }
    }

    /// Bytes of `packed` unpacked.
    pub fn unpack(self, packed: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
        let input = BufReader::with_capacity(PIECE, packed);
        Ok(match self {
            Self::Plain => Box::new(input),
            Self::Gzip => Box::new(MultiGzDecoder::new(input)),
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(input)?),
            Self::Xz => {
                let stream = Stream::new_stream_decoder(MEMORY_MAX, CONCATENATED)?;
                Box::new(XzDecoder::new_stream(input, stream))
            }
            Self::Lz4 => Box::new(Lz4Frames { frames: FrameDecoder::new(input) }),
        })
    }
}

/// LZ4 frames, one after another; the decoder stops at the end of each.
struct Lz4Frames<R: BufRead> {
    frames: FrameDecoder<R>,
}

impl<R: BufRead> Read for Lz4Frames<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.frames.read(out)?;
            if n > 0 || self.frames.get_mut().fill_buf()?.is_empty() {
                return Ok(n);
            }
        }
    }
}
