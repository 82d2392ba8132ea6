//! `live`: packets from a network interface, through libpcap.
//!
//! Packets are copied once, from the kernel's ring into recycled buffers, so
//! that nobody who is slow holds the ring. What the kernel drops it counts, and
//! we pass that on. Only this folder knows the `pcap` crate.

#[cfg(target_os = "linux")]
pub(crate) mod program;

use std::os::fd::AsRawFd;
use std::time::Instant;

use como_core::packet::{LinkType, Packet};
use como_core::selection::BATCH_PACKETS_MAX;
use como_core::source::{Chunk, Counts, Description, Pace, Sampling, Source, SourceError, Turn};
use como_core::time::{Span, Ts};
use pcap::{Active, Capture, Device, Direction, TimestampType};

use crate::copier::Copier;
use crate::file::CAP_LEN_MAX;
use crate::interface::{State, Watch};
use crate::ready::{PATIENCE, readable};
use crate::spec::{self, Kind, Opens, OptionDoc, Options};

/// Live capture, as `como sniffers` shows it.
pub const KIND: Kind = Kind {
    name: "live",
    usage: "live:eth0,snaplen=96",
    doc: "Packets of a network interface as they come; `any` is all interfaces on Linux.",
    offers: "whole packets, every field of the interface's link type, of 802.11 in monitor mode; \
             times in nanoseconds on Linux; what the kernel and the interface dropped is counted",
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
        OptionDoc {
            name: "direction",
            default: "both",
            doc: "Which packets: in (received), out (sent by this machine), both.",
        },
        OptionDoc {
            name: "timestamp",
            default: "host",
            doc: "Who stamps packets: host, host_lowprec, host_hiprec; adapter (the card, by the \
                  system's clock), adapter_unsynced (by its own).",
        },
    ],
    opens: Opens::Each(|text, _| spec::one(Live::open(text))),
};

/// What who may not capture is told.
pub(crate) const NO_RIGHT: &str = "no permission to capture (CAP_NET_RAW): run it with sudo, or \
     give the program the right once with `sudo setcap cap_net_raw=eip PATH`";

/// Linux stamps packets in nanoseconds, the others in microseconds.
const STEP_NS: u64 = if cfg!(target_os = "linux") { 1 } else { 1_000 };

/// Directions by name, the default first.
const DIRECTIONS: [(&str, Direction); 3] =
    [("both", Direction::InOut), ("in", Direction::In), ("out", Direction::Out)];

/// What may stamp packets, by the names that `pcap-tstamp(7)` gives it; the default first.
const STAMPS: [(&str, Option<TimestampType>); 5] = [
    ("host", None),
    ("host_lowprec", Some(TimestampType::HostLowPrec)),
    ("host_hiprec", Some(TimestampType::HostHighPrec)),
    ("adapter", Some(TimestampType::Adapter)),
    ("adapter_unsynced", Some(TimestampType::AdapterUnsynced)),
];

/// What was asked for.
#[derive(Clone, Debug)]
struct Config {
    device: String,
    snaplen: u32,
    promisc: bool,
    buffer_mib: i32,
    timeout_ms: i32,
    immediate: bool,
    direction: Direction,
    stamp: Option<TimestampType>,
}

impl Config {
    /// Reads `eth0,option=value,...`.
    fn parse(text: &str) -> Result<Self, SourceError> {
        let (device, options) = Options::of_device(&KIND, text)?;
        if device.trim().is_empty() {
            return Err(options.wrong(format!("names no interface: {}", interfaces())));
        }
        let timeout = options.span("timeout", Span(100_000_000))?.0 / 1_000_000;
        if !(1..=1_000).contains(&timeout) {
            return Err(options.wrong("`timeout` must be from 1ms to 1s".to_owned()));
        }
        Ok(Self {
            device: device.trim().to_owned(),
            snaplen: options.number("snaplen", CAP_LEN_MAX as u32, 14, CAP_LEN_MAX as u32)?,
            promisc: options.flag("promisc", true)?,
            buffer_mib: options.number("buffer", 16, 1, 1_024)?,
            timeout_ms: timeout as i32,
            immediate: options.flag("immediate", false)?,
            direction: options.one_of("direction", &DIRECTIONS)?,
            stamp: options.one_of("timestamp", &STAMPS)?,
        })
    }

    /// How long after its time a packet may come out of the kernel.
    fn delay(&self) -> Span {
        if self.immediate { Span(0) } else { Span(self.timeout_ms as u64 * 1_000_000) }
    }

    /// Opens the interface as was asked.
    fn capture(&self) -> Result<Capture<Active>, SourceError> {
        let refused = |e| refused(&self.device, &e);
        let mut capture = Capture::from_device(self.device.as_str())
            .map_err(refused)?
            .snaplen(self.snaplen as i32)
            .promisc(self.promisc)
            .buffer_size(self.buffer_mib << 20)
            .timeout(self.timeout_ms)
            .immediate_mode(self.immediate);
        if let Some(stamp) = self.stamp {
            capture = capture.tstamp_type(stamp);
        }
        #[cfg(target_os = "linux")]
        let capture = capture.precision(pcap::Precision::Nano);
        let capture = capture.open().and_then(Capture::setnonblock).map_err(refused)?;
        if self.direction != Direction::InOut {
            capture.direction(self.direction).map_err(refused)?;
        }
        Ok(capture)
    }
}

/// A network interface being listened to.
pub struct Live {
    description: Description,
    config: Config,
    // None while the interface is away.
    capture: Option<Capture<Active>>,
    link: LinkType,
    copier: Copier,
    // What is wanted, as pushed.
    bpf: String,
    watch: Watch,
    // The kernel's counters when last asked, and when that was.
    lost: [u32; 2],
    asked: Instant,
    read_bytes: u64,
}

impl Live {
    /// Opens `eth0,option=value,...`.
    pub fn open(text: &str) -> Result<Self, SourceError> {
        let config = Config::parse(text)?;
        let capture = config.capture()?;
        let link = link_of(&capture);
        if !link.is_supported() {
            return Err(SourceError::Link { name: config.device, link });
        }
        let snaplen = config.snaplen;
        let cut = if snaplen as usize == CAP_LEN_MAX { 0 } else { snaplen };
        let name = format!("live:{}", config.device);
        Ok(Self {
            description: Description {
                links: vec![link],
                offers: link.offers(),
                resolution: Span(STEP_NS),
                delay: config.delay(),
                sampling: Sampling::None,
                timed_here: true,
                ..Description::new(name, Pace::Live).cut(cut)
            },
            capture: Some(capture),
            link,
            copier: Copier::new(snaplen as usize),
            bpf: String::new(),
            watch: Watch::new(&config.device),
            config,
            lost: [0; 2],
            asked: Instant::now(),
            read_bytes: 0,
        })
    }

    /// Waits for packets and takes what the kernel holds, up to a full chunk.
    fn take(&mut self, chunk: &mut Chunk) -> Result<(), SourceError> {
        let Some(capture) = &mut self.capture else {
            std::thread::sleep(PATIENCE);
            return Ok(());
        };
        if !readable(capture.as_raw_fd(), PATIENCE) {
            return Ok(());
        }
        let (link, copier) = (self.link, &mut self.copier);
        let mut taken = Ok(1);
        while matches!(taken, Ok(1..)) && chunk.packets.len() < BATCH_PACKETS_MAX {
            let room = BATCH_PACKETS_MAX - chunk.packets.len();
            taken = capture.dispatch(Some(room), |packet| {
                copier.push([packet.data, &[], &[]], packet_of(&packet, link), chunk);
            });
        }
        copier.finish(chunk);
        self.read_bytes += chunk.packets.iter().map(|p| u64::from(p.cap_len)).sum::<u64>();
        match taken {
            Ok(_) => Ok(()),
            Err(e) if self.watch.explains(&e.to_string()) => {
                self.watch.lose();
                chunk.counts.dropped += self.drops();
                self.capture = None;
                Ok(())
            }
            Err(e) => {
                let name = self.config.device.clone();
                Err(SourceError::Device { name, why: format!("cannot capture: {e}") })
            }
        }
    }

    /// Looks after the interface when nothing came.
    fn look(&mut self) -> Result<Counts, SourceError> {
        match self.watch.look() {
            State::Well | State::Lost => {}
            // The kernel listens again by itself, and libpcap does not mind.
            State::Up if self.capture.is_some() => return Ok(self.watch.back()),
            State::Up | State::Anew => match self.reopen() {
                Ok(()) => return Ok(self.watch.back()),
                Err(e @ SourceError::Link { .. }) => return Err(e),
                Err(e) => self.watch.fail(&e),
            },
        }
        Ok(Counts::default())
    }

    fn reopen(&mut self) -> Result<(), SourceError> {
        // The old one goes first, so that its buffer is free.
        self.capture = None;
        let mut capture = self.config.capture()?;
        let link = link_of(&capture);
        if link != self.link {
            return Err(SourceError::Link { name: self.config.device.clone(), link });
        }
        self.config.push(&mut capture, &self.bpf)?;
        self.capture = Some(capture);
        self.lost = [0; 2];
        Ok(())
    }

    /// What the kernel has lost since it was last asked.
    fn drops(&mut self) -> u64 {
        let Some(Ok(stats)) = self.capture.as_mut().map(Capture::stats) else { return 0 };
        let lost = [stats.dropped, stats.if_dropped];
        let more = lost.iter().zip(self.lost).map(|(now, then)| u64::from(now.wrapping_sub(then)));
        let dropped = more.sum();
        self.lost = lost;
        dropped
    }
}

impl Source for Live {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        self.take(chunk)?;
        if self.asked.elapsed() >= PATIENCE {
            self.asked = Instant::now();
            chunk.counts.dropped += self.drops();
        }
        if chunk.packets.is_empty() {
            let counts = self.look()?;
            chunk.counts.add(counts);
        }
        chunk.read_bytes = self.read_bytes;
        Ok(if chunk.packets.is_empty() { Turn::Idle } else { Turn::More })
    }

    fn push_filter(&mut self, bpf: Option<&str>) -> Result<(), SourceError> {
        // What is pushed is meant for Ethernet. An empty program accepts everything.
        let bpf = bpf.filter(|_| self.link == LinkType::ETHERNET).unwrap_or("");
        if let Some(capture) = &mut self.capture {
            self.config.push(capture, bpf)?;
        }
        bpf.clone_into(&mut self.bpf);
        self.description.note_filter((!bpf.is_empty()).then_some(bpf));
        Ok(())
    }
}

impl Config {
    /// Has the kernel drop what a filter does not accept.
    fn push(&self, capture: &mut Capture<Active>, bpf: &str) -> Result<(), SourceError> {
        // Not optimized: libpcap's optimizer (1.10.3 at least) breaks some long expressions, so
        // that they drop what they should accept.
        capture.filter(bpf, false).map_err(|e| SourceError::Device {
            name: self.device.clone(),
            why: format!("the kernel does not take the filter `{bpf}`: {e}"),
        })
    }
}

/// What a capture's packets begin with. The numbers of live link types and of those in files
/// differ only where one of them is not decoded.
fn link_of(capture: &Capture<Active>) -> LinkType {
    LinkType(u16::try_from(capture.get_datalink().0).unwrap_or(u16::MAX))
}

/// A packet of libpcap's as ours, not yet in any place.
fn packet_of(packet: &pcap::Packet, link: LinkType) -> Packet {
    let ts = packet.header.ts;
    Packet {
        ts: Ts::new(
            u64::try_from(ts.tv_sec).unwrap_or(0),
            u64::try_from(ts.tv_usec).unwrap_or(0) * STEP_NS,
        ),
        offset: 0,
        cap_len: packet.header.caplen,
        wire_len: packet.header.len,
        region: 0,
        link,
        source: 0,
        marks: 0,
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

/// Whether an interface could be captured from, as far as that tells without doing it.
pub(crate) fn check(text: &str) -> Result<(), SourceError> {
    let Config { device, .. } = Config::parse(text)?;
    if crate::interface::find(&device).is_some() || names().contains(&device) {
        return Ok(());
    }
    Err(unknown(device))
}

/// The error that there is no such interface.
pub(crate) fn unknown(name: String) -> SourceError {
    let why = format!("there is no such interface: {}", interfaces());
    SourceError::Device { name, why }
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
