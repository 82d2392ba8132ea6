//! `live`: packets from a network interface, through libpcap.
//!
//! Packets are copied once, from the kernel's ring into recycled buffers, so
//! that nobody who is slow holds the ring. What the kernel drops it counts, and
//! we pass that on. This is the only file that knows the `pcap` crate.

#[cfg(target_os = "linux")]
pub(crate) mod program;

use std::os::fd::AsRawFd;
use std::time::Instant;

use como_core::packet::{LinkType, Packet};
use como_core::selection::BATCH_PACKETS_MAX;
use como_core::source::{Chunk, Counts, Description, Pace, Source, SourceError, Turn};
use como_core::time::{Span, Ts};
use pcap::{Active, Capture, Device};

use crate::file::CAP_LEN_MAX;
use crate::pool::{Buffer, Pool};
use crate::ready::{PATIENCE, readable};
use crate::spec::{Kind, OptionDoc, Options};

/// Live capture, as `como sniffers` shows it.
pub const KIND: Kind = Kind {
    name: "live",
    usage: "live:eth0,snaplen=96",
    doc: "Packets of a network interface as they come; `any` is all interfaces on Linux.",
    options: &[
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
            name: "buffer",
            default: "16",
            doc: "Size of the kernel's buffer in MiB: more survives longer bursts.",
        },
        OptionDoc {
            name: "timeout",
            default: "100ms",
            doc: "How long the kernel may hold packets back to deliver many at once.",
        },
        OptionDoc {
            name: "immediate",
            default: "false",
            doc: "Deliver each packet at once, at the cost of a wake-up for each.",
        },
    ],
};

/// How many bytes of packets lie in one buffer: few enough to stay in a processor's cache.
const BUFFER_BYTES: usize = 256 << 10;

/// What who may not capture is told.
pub(crate) const NO_RIGHT: &str = "no permission to capture (CAP_NET_RAW): run it with sudo, or \
     give the program the right once with `sudo setcap cap_net_raw=eip PATH`";

/// Linux stamps packets in nanoseconds, the others in microseconds.
const STEP_NS: u64 = if cfg!(target_os = "linux") { 1 } else { 1_000 };

/// A network interface being listened to.
pub struct Live {
    description: Description,
    device: String,
    capture: Capture<Active>,
    link: LinkType,
    pool: Pool,
    // The kernel's counters when last asked, and when that was.
    lost: [u32; 2],
    asked: Instant,
    read_bytes: u64,
}

impl Live {
    /// Opens `eth0,option=value,...`.
    pub fn open(text: &str) -> Result<Self, SourceError> {
        let (device, options) = text.split_once(',').unwrap_or((text, ""));
        let device = device.trim();
        let options = Options::parse(&KIND, options)?;
        if device.is_empty() {
            let why = format!("names no interface: {}", interfaces());
            return Err(SourceError::Spec { text: format!("live:{text}"), why });
        }
        let snaplen = options.number("snaplen", CAP_LEN_MAX as u32, 14, CAP_LEN_MAX as u32)?;
        let timeout = options.span("timeout", Span(100_000_000))?.0 / 1_000_000;
        if !(1..=1_000).contains(&timeout) {
            return Err(options.wrong("`timeout` must be from 1ms to 1s".to_owned()));
        }
        let capture = Capture::from_device(device)
            .map_err(|e| refused(device, &e))?
            .snaplen(snaplen as i32)
            .promisc(options.flag("promisc", true)?)
            .buffer_size(options.number("buffer", 16, 1, 1_024)? << 20)
            .timeout(timeout as i32)
            .immediate_mode(options.flag("immediate", false)?);
        #[cfg(target_os = "linux")]
        let capture = capture.precision(pcap::Precision::Nano);
        let capture =
            capture.open().and_then(Capture::setnonblock).map_err(|e| refused(device, &e))?;
        Self::of(device, capture, snaplen)
    }

    fn of(device: &str, capture: Capture<Active>, snaplen: u32) -> Result<Self, SourceError> {
        // The numbers of live link types and of those in files differ only where one of them is
        // not decoded.
        let link = LinkType(u16::try_from(capture.get_datalink().0).unwrap_or(u16::MAX));
        if !link.is_supported() {
            return Err(SourceError::Link { name: device.to_owned(), link });
        }
        Ok(Self {
            description: Description {
                name: format!("live:{device}"),
                links: vec![link],
                resolution: Span(STEP_NS),
                snaplen: if snaplen as usize == CAP_LEN_MAX { 0 } else { snaplen },
                pace: Pace::Live,
                size_bytes: None,
            },
            device: device.to_owned(),
            capture,
            link,
            pool: Pool::new(BUFFER_BYTES.max(snaplen as usize)),
            lost: [0; 2],
            asked: Instant::now(),
            read_bytes: 0,
        })
    }

    /// Takes what the kernel holds, up to a full chunk.
    fn take(&mut self, chunk: &mut Chunk) -> Result<(), SourceError> {
        let (link, pool) = (self.link, &self.pool);
        let mut buffer = pool.take();
        while chunk.packets.len() < BATCH_PACKETS_MAX {
            let room = BATCH_PACKETS_MAX - chunk.packets.len();
            let taken = self.capture.dispatch(Some(room), |packet| {
                copy(&packet, link, pool, &mut buffer, chunk);
            });
            match taken {
                Ok(0) => break,
                Ok(_) => {}
                Err(e) => {
                    share(buffer, chunk);
                    let name = self.device.clone();
                    return Err(SourceError::Device { name, why: format!("cannot capture: {e}") });
                }
            }
        }
        self.read_bytes += chunk.packets.iter().map(|p| u64::from(p.cap_len)).sum::<u64>();
        share(buffer, chunk);
        Ok(())
    }

    /// What the kernel has lost since it was last asked, which is at most every 100 ms.
    fn lost(&mut self) -> Counts {
        if self.asked.elapsed() < PATIENCE {
            return Counts::default();
        }
        self.asked = Instant::now();
        let Ok(stats) = self.capture.stats() else { return Counts::default() };
        let lost = [stats.dropped, stats.if_dropped];
        let more = lost.iter().zip(self.lost).map(|(now, then)| u64::from(now.wrapping_sub(then)));
        let dropped = more.sum();
        self.lost = lost;
        Counts { dropped, ..Counts::default() }
    }
}

impl Source for Live {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        if readable(self.capture.as_raw_fd(), PATIENCE) {
            self.take(chunk)?;
        }
        chunk.counts = self.lost();
        chunk.read_bytes = self.read_bytes;
        Ok(if chunk.packets.is_empty() { Turn::Idle } else { Turn::More })
    }

    fn push_filter(&mut self, bpf: Option<&str>) -> Result<(), SourceError> {
        // What is pushed is meant for Ethernet. An empty program accepts everything.
        let bpf = bpf.filter(|_| self.link == LinkType::ETHERNET).unwrap_or("");
        // Not optimized: libpcap's optimizer (1.10.3 at least) breaks some long expressions, so
        // that they drop what they should accept.
        self.capture.filter(bpf, false).map_err(|e| SourceError::Device {
            name: self.device.clone(),
            why: format!("the kernel does not take the filter `{bpf}`: {e}"),
        })
    }
}

/// Copies one packet out of the kernel's ring.
fn copy(
    packet: &pcap::Packet,
    link: LinkType,
    pool: &Pool,
    buffer: &mut Buffer,
    chunk: &mut Chunk,
) {
    if packet.data.len() > buffer.room() {
        share(std::mem::replace(buffer, pool.take()), chunk);
    }
    let offset = buffer.len() as u32;
    let cap_len = buffer.append(packet.data) as u32;
    let ts = packet.header.ts;
    chunk.packets.push(Packet {
        ts: Ts::new(
            u64::try_from(ts.tv_sec).unwrap_or(0),
            u64::try_from(ts.tv_usec).unwrap_or(0) * STEP_NS,
        ),
        offset,
        cap_len,
        wire_len: packet.header.len,
        // The region that the buffer becomes when it is shared.
        region: chunk.regions.len() as u16,
        link,
        source: 0,
        marks: 0,
    });
}

/// Makes a buffer a region of the chunk, if anything is in it.
fn share(buffer: Buffer, chunk: &mut Chunk) {
    let region = chunk.regions.len();
    if chunk.packets.last().is_some_and(|p| usize::from(p.region) == region) {
        chunk.regions.push(buffer.share());
    }
}

/// Why an interface was not opened, and what to try.
fn refused(device: &str, e: &pcap::Error) -> SourceError {
    let answer = e.to_string().trim_start_matches("libpcap error: ").to_owned();
    let lower = answer.to_lowercase();
    let all = Device::list().unwrap_or_default();
    let known = all.is_empty() || all.iter().any(|d| d.name == device);
    let why = if !known {
        format!("there is no such interface: {}", interfaces())
    } else if lower.contains("permi") || lower.contains("root") {
        NO_RIGHT.to_owned()
    } else {
        format!("cannot capture: {answer}")
    };
    SourceError::Device { name: device.to_owned(), why }
}

/// The interfaces of this machine, by name.
pub fn names() -> Vec<String> {
    Device::list().unwrap_or_default().into_iter().map(|d| d.name).collect()
}

/// The interfaces there are, as a message ends.
pub(crate) fn interfaces() -> String {
    match names().as_slice() {
        [] => "none is visible, try it with sudo".to_owned(),
        names => format!("there are {}", names.join(", ")),
    }
}

#[cfg(test)]
mod bpf;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod wire;
