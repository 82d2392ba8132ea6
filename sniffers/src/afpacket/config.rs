//! The options of `afpacket`, checked.

use como_core::source::SourceError;
use como_core::time::Span;

use super::ring::Shape;
use crate::file::CAP_LEN_MAX;
use crate::spec::{Kind, Opens, OptionDoc, Options};

/// Packet rings, as `como sniffers` shows them.
pub const KIND: Kind = Kind {
    name: "afpacket",
    usage: "afpacket:eth0,rings=2",
    doc: "Packets of an Ethernet or IP interface through rings shared with the kernel, divided \
          among several threads; Linux only.",
    offers: "whole packets, every field of Ethernet and IP, VLAN tags put back; times in \
             nanoseconds; packets that found no room are counted",
    options: &[
        OptionDoc {
            name: "rings",
            default: "1",
            doc: "How many rings, each read by a thread of its own.",
        },
        OptionDoc {
            name: "fanout",
            default: "hash",
            doc: "What decides which ring a packet goes to: hash (its flow), cpu (that received \
                  it), lb (in turn), qm (the card's queue), rnd, rollover (the next when full).",
        },
        OptionDoc {
            name: "block",
            default: "1MiB",
            doc: "Size of a block, which the kernel hands over when it is full.",
        },
        OptionDoc {
            name: "blocks",
            default: "64",
            doc: "How many blocks a ring has: more survives longer bursts.",
        },
        OptionDoc {
            name: "timeout",
            default: "10ms, 3ms",
            doc: "How long the kernel may keep a block that is not full; the second is for \
                  several rings, whose packets are to be merged by time.",
        },
        OptionDoc {
            name: "snaplen",
            default: "262144",
            doc: "How many bytes of each packet to keep; less costs less.",
        },
        OptionDoc {
            name: "promisc",
            default: "true",
            doc: "See also packets that are for other hosts.",
        },
        OptionDoc {
            name: "direction",
            default: "both",
            doc: "Which packets: in (received), out (sent by this machine), both.",
        },
    ],
    opens: Opens::Each(|text, _| super::open(text)),
};

/// Fan-out modes by the names that `packet(7)` gives them.
const MODES: [(&str, u32); 6] = [
    ("hash", libc::PACKET_FANOUT_HASH),
    ("cpu", libc::PACKET_FANOUT_CPU),
    ("lb", libc::PACKET_FANOUT_LB),
    ("qm", libc::PACKET_FANOUT_QM),
    ("rnd", libc::PACKET_FANOUT_RND),
    ("rollover", libc::PACKET_FANOUT_ROLLOVER),
];

/// The most rings: more threads than this have no use.
const RINGS_MAX: u32 = 64;

/// The most memory of all rings together.
const RINGS_BYTES_MAX: u64 = 4 << 30;

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The interface.
    pub device: String,
    /// How many rings.
    pub rings: u32,
    /// What divides packets among them: `PACKET_FANOUT_*`.
    pub fanout: u32,
    /// How large each ring is.
    pub shape: Shape,
    /// How many bytes of a packet to keep.
    pub snaplen: u32,
    /// Whether packets for other hosts are seen.
    pub promisc: bool,
    /// Which packets.
    pub direction: Direction,
}

/// Which packets of an interface are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Those that were received.
    In,
    /// Those that this machine sent.
    Out,
    /// All.
    Both,
}

impl Config {
    /// Reads `eth0,option=value,...`.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        let (device, options) = Options::of_device(&KIND, text)?;
        let device = device.trim().to_owned();
        if device == "any" {
            let why = "a ring listens to one interface: `live:any` listens to all".to_owned();
            return Err(SourceError::Spec { text: format!("afpacket:{text}"), why });
        }
        let rings = options.number("rings", 1, 1, RINGS_MAX)?;
        let config = Self {
            device,
            rings,
            fanout: options.one_of("fanout", &MODES)?,
            shape: Shape {
                block_bytes: block_bytes(&options)?,
                blocks: options.number("blocks", 64, 2, 65_536)?,
                timeout_ms: timeout_ms(&options, rings)?,
            },
            snaplen: options.number("snaplen", CAP_LEN_MAX as u32, 14, CAP_LEN_MAX as u32)?,
            promisc: options.flag("promisc", true)?,
            direction: options.one_of("direction", &DIRECTIONS)?,
        };
        if config.bytes() > RINGS_BYTES_MAX {
            let why = "all rings together must not take more than 4 GiB".to_owned();
            return Err(options.wrong(why));
        }
        Ok(config)
    }

    /// How long after its time a packet may come out of the kernel.
    pub fn delay(&self) -> Span {
        Span(u64::from(self.shape.timeout_ms) * 1_000_000)
    }

    /// The memory of all rings.
    pub fn bytes(&self) -> u64 {
        let Shape { block_bytes, blocks, .. } = self.shape;
        u64::from(block_bytes) * u64::from(blocks) * u64::from(self.rings)
    }
}

/// Directions by name, the default first.
const DIRECTIONS: [(&str, Direction); 3] =
    [("both", Direction::Both), ("in", Direction::In), ("out", Direction::Out)];

/// How long a block may be kept. One ring: shorter than a turn waits, so that a turn in which
/// nothing came left no packet behind. Several: shorter than capture waits for one of them while
/// it has packets of another, so that none comes too late to be merged by time.
fn timeout_ms(options: &Options, rings: u32) -> Result<u32, SourceError> {
    let (default, most, whose) = match rings {
        1 => (10, 50, ""),
        _ => (3, 10, " with several rings"),
    };
    let timeout_ms = options.span("timeout", Span(default * 1_000_000))?.0 / 1_000_000;
    match u32::try_from(timeout_ms) {
        Ok(timeout_ms @ 1..) if timeout_ms <= most => Ok(timeout_ms),
        _ => Err(options.wrong(format!("`timeout` must be from 1ms to {most}ms{whose}"))),
    }
}

/// The size of a block, rounded up to a power of two: whole pages, whatever a page is.
fn block_bytes(options: &Options) -> Result<u32, SourceError> {
    let Some(text) = options.given("block") else { return Ok(1 << 20) };
    let bytes = como_core::size::parse(text).map_err(|e| options.wrong(format!("`block`: {e}")))?;
    match u32::try_from(bytes).ok().and_then(u32::checked_next_power_of_two) {
        Some(bytes @ 65_536..=0x0400_0000) => Ok(bytes),
        _ => Err(options.wrong(format!("`block={text}` must be from 64KiB to 64MiB"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refuses(text: &str, want: &str) {
        let e = Config::parse(text).expect_err("an error").to_string();
        assert_eq!(e, want, "{text}");
    }

    #[test]
    fn options_say_what_each_ring_is_like() {
        let config = Config::parse("eth0,rings=2,block=1MB,blocks=8,fanout=cpu,direction=in");
        let config = config.expect("options");
        assert_eq!((config.device.as_str(), config.rings), ("eth0", 2));
        let shape = Shape { block_bytes: 1 << 20, blocks: 8, timeout_ms: 3 };
        assert_eq!((config.shape, config.bytes()), (shape, 16 << 20));
        assert_eq!((config.fanout, config.direction), (libc::PACKET_FANOUT_CPU, Direction::In));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        refuses(
            "any",
            "source `afpacket:any`: a ring listens to one interface: `live:any` listens to all",
        );
        refuses(
            "eth0,fanout=hsh",
            "source `afpacket:eth0,fanout=hsh`: `fanout=hsh` is none of hash, cpu, lb, qm, rnd, \
             rollover: did you mean `hash`?",
        );
        refuses(
            "eth0,block=1GB",
            "source `afpacket:eth0,block=1GB`: `block=1GB` must be from 64KiB to 64MiB",
        );
        refuses(
            "eth0,rings=64,blocks=65536",
            "source `afpacket:eth0,rings=64,blocks=65536`: all rings together must not take more \
             than 4 GiB",
        );
        refuses(
            "eth0,timeout=1s",
            "source `afpacket:eth0,timeout=1s`: `timeout` must be from 1ms to 50ms",
        );
        refuses(
            "eth0,rings=2,timeout=20ms",
            "source `afpacket:eth0,rings=2,timeout=20ms`: `timeout` must be from 1ms to 10ms with \
             several rings",
        );
    }
}
