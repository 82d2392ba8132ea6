//! `afpacket`: packets of a network interface through rings shared with the kernel (Linux).
//!
//! The kernel fills a block of memory with packets and hands it over; we copy
//! them once, into recycled buffers, and give it back. Several rings of one
//! fan-out group divide an interface's packets; each is a source of its own,
//! with its own thread, and capture merges them again. `ring` is the shared
//! memory, `frames` what stands in it, `config` the options.

mod config;
mod frames;
mod ring;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use como_core::packet::{LinkType, Packet};
use como_core::selection::BATCH_PACKETS_MAX;
use como_core::source::{Chunk, Counts, Description, Pace, Sampling, Source, SourceError, Turn};
use como_core::time::Span;
use parking_lot::Mutex;

use crate::copier::Copier;
use crate::file::CAP_LEN_MAX;
use crate::interface::{self, State, Watch};
use crate::live::{self, program};
use crate::ready::{PATIENCE, readable};
use config::{Config, Direction};
use frames::{Frames, Place};
use ring::{Refused, Ring};

pub use config::KIND;

/// Opens `eth0,option=value,...`: as many sources as it asks for rings.
pub fn open(text: &str) -> Result<Vec<Box<dyn Source>>, SourceError> {
    let config = named(text)?;
    let shared = Arc::new(Shared { config, group: Mutex::new(None) });
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    for number in 1..=shared.config.rings {
        sources.push(Box::new(AfPacket::open(shared.clone(), number)?));
    }
    Ok(sources)
}

/// Whether `open` would find the interface and take the options.
pub(crate) fn check(text: &str) -> Result<(), SourceError> {
    let Config { device, .. } = named(text)?;
    interface::find(&device).map(drop).ok_or_else(|| live::unknown(device))
}

/// What was asked for, which names an interface.
fn named(text: &str) -> Result<Config, SourceError> {
    let config = Config::parse(text)?;
    if config.device.is_empty() {
        let why = format!("names no interface: {}", live::interfaces());
        return Err(SourceError::Spec { text: format!("afpacket:{text}"), why });
    }
    Ok(config)
}

/// What the rings of one interface have in common.
struct Shared {
    config: Config,
    // The number of their fan-out group, once there is one; only held while a ring is opened.
    group: Mutex<Option<u16>>,
}

/// One ring as a source.
struct AfPacket {
    description: Description,
    shared: Arc<Shared>,
    // None while the interface is away.
    ring: Option<Ring>,
    // Where to go on in the ring's block, if it has been read in part.
    place: Option<Place>,
    link: LinkType,
    is_loopback: bool,
    copier: Copier,
    // What is wanted, as pushed.
    bpf: String,
    watch: Watch,
    asked: Instant,
    read_bytes: u64,
}

/// A ring on an interface, and what comes out of it.
struct Opened {
    ring: Ring,
    link: LinkType,
    is_loopback: bool,
}

impl Shared {
    /// Opens one more ring on the interface.
    fn ring(&self, bpf: &str) -> Result<Opened, SourceError> {
        let config = &self.config;
        let name = config.device.as_str();
        let interface = interface::find(name).ok_or_else(|| live::unknown(name.to_owned()))?;
        let refused = |e: Refused| refused(config, &e);
        let mut ring = Ring::new(config.shape).map_err(refused)?;
        let program = self.program(bpf)?;
        if config.rings == 1 {
            ring.listen(interface.index, &program, None).map_err(refused)?;
        } else {
            let mut group = self.group.lock();
            let joined = ring.listen(interface.index, &program, Some((config.fanout, *group)));
            *group = match joined {
                // The group is that of an interface that is away: found one on the new interface.
                Err(e) if group.is_some() && e.error.raw_os_error() == Some(libc::EINVAL) => {
                    ring.listen(interface.index, &program, Some((config.fanout, None)))
                }
                joined => joined,
            }
            .map_err(refused)?;
        }
        let hardware = ring.hardware().map_err(refused)?;
        let Some(link) = link_of(hardware).filter(|link| link.is_supported()) else {
            let why = format!(
                "interfaces of its kind (ARP hardware type {hardware}) are not read through a \
                 ring: try `live:{name}`"
            );
            return Err(SourceError::Device { name: name.to_owned(), why });
        };
        if config.promisc {
            ring.see_all().map_err(refused)?;
        }
        let is_loopback = hardware == libc::ARPHRD_LOOPBACK;
        if !config.direction.wants(true, is_loopback) {
            ring.skip_outgoing();
        }
        Ok(Opened { ring, link, is_loopback })
    }

    /// The program of a filter, which also cuts packets.
    fn program(&self, bpf: &str) -> Result<Vec<libc::sock_filter>, SourceError> {
        program::compile(bpf, self.config.snaplen).map_err(|e| self.no_filter(bpf, &e.to_string()))
    }

    fn no_filter(&self, bpf: &str, e: &str) -> SourceError {
        let why = format!("the kernel does not take the filter `{bpf}`: {e}");
        SourceError::Device { name: self.config.device.clone(), why }
    }
}

impl Direction {
    /// Whether a packet is wanted. Loopback shows each packet twice, sent and received: once is
    /// enough.
    fn wants(self, outgoing: bool, is_loopback: bool) -> bool {
        match self {
            Direction::In => !outgoing,
            Direction::Out => outgoing,
            Direction::Both => !(outgoing && is_loopback),
        }
    }
}

/// What the packets of an interface of this kind (ARPHRD_*) begin with.
fn link_of(hardware: u16) -> Option<LinkType> {
    match hardware {
        libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => Some(LinkType::ETHERNET),
        libc::ARPHRD_NONE | libc::ARPHRD_RAWHDLC | libc::ARPHRD_PPP => Some(LinkType::RAW),
        libc::ARPHRD_IEEE80211 => Some(LinkType::IEEE802_11),
        libc::ARPHRD_IEEE80211_PRISM => Some(LinkType::PRISM),
        libc::ARPHRD_IEEE80211_RADIOTAP => Some(LinkType::RADIOTAP),
        _ => None,
    }
}

impl AfPacket {
    fn open(shared: Arc<Shared>, number: u32) -> Result<Self, SourceError> {
        let Opened { ring, link, is_loopback } = shared.ring("")?;
        let Config { device, rings, snaplen, .. } = &shared.config;
        let name = match rings {
            1 => format!("afpacket:{device}"),
            _ => format!("afpacket:{device} ring {number}"),
        };
        let cut = if *snaplen as usize == CAP_LEN_MAX { 0 } else { *snaplen };
        Ok(Self {
            description: Description {
                links: vec![link],
                offers: link.offers(),
                resolution: Span(1),
                delay: shared.config.delay(),
                sampling: Sampling::None,
                timed_here: true,
                ..Description::new(name, Pace::Live).cut(cut)
            },
            ring: Some(ring),
            place: None,
            link,
            is_loopback,
            copier: Copier::new(*snaplen as usize),
            bpf: String::new(),
            watch: Watch::new(device),
            asked: Instant::now(),
            read_bytes: 0,
            shared,
        })
    }

    /// Takes what the kernel has handed over, up to a full chunk.
    fn take(&mut self, chunk: &mut Chunk) {
        let Some(ring) = &mut self.ring else { return };
        let Config { direction, snaplen, .. } = self.shared.config;
        let mut left = BATCH_PACKETS_MAX;
        while left > 0 {
            let Some(block) = ring.block() else { break };
            let mut frames = Frames::of(block, self.place);
            for frame in frames.by_ref().take(left) {
                left -= 1;
                if !direction.wants(frame.outgoing, self.is_loopback) {
                    continue;
                }
                let (parts, wire_len) = match self.link {
                    LinkType::ETHERNET => frame.parts(),
                    _ => ([frame.data, &[], &[]], frame.wire_len),
                };
                let packet = Packet {
                    ts: frame.ts,
                    offset: 0,
                    cap_len: snaplen,
                    wire_len,
                    region: 0,
                    link: self.link,
                    source: 0,
                    marks: 0,
                };
                self.copier.push(parts, packet, chunk);
            }
            self.place = frames.place();
            if self.place.is_none() {
                ring.release();
            }
        }
        self.copier.finish(chunk);
        self.read_bytes += chunk.packets.iter().map(|p| u64::from(p.cap_len)).sum::<u64>();
    }

    /// Waits until there is something to take, and looks after the socket when there is not.
    fn wait(&mut self) -> Result<(), SourceError> {
        let Some(ring) = &self.ring else {
            std::thread::sleep(PATIENCE);
            return Ok(());
        };
        if !readable(ring.fd(), PATIENCE) || ring.block().is_some() {
            return Ok(());
        }
        match ring.error() {
            Ok(()) => Ok(()),
            Err(e) if e.raw_os_error() == Some(libc::ENETDOWN) => {
                self.watch.lose();
                Ok(())
            }
            Err(e) => {
                let name = self.shared.config.device.clone();
                Err(SourceError::Device { name, why: format!("cannot capture: {e}") })
            }
        }
    }

    /// Looks after the interface when nothing came and nothing is left in the ring.
    fn look(&mut self) -> Result<Counts, SourceError> {
        let state = self.watch.look();
        let mut counts = Counts::default();
        if self.watch.is_away() {
            counts.dropped = self.ring.take().map_or(0, |ring| ring.drops());
        }
        match state {
            State::Well | State::Lost => {}
            // The kernel listens again by itself.
            State::Up => counts.add(self.watch.back()),
            State::Anew => match self.shared.ring(&self.bpf) {
                Ok(opened) if opened.link == self.link => {
                    self.ring = Some(opened.ring);
                    counts.add(self.watch.back());
                }
                Ok(opened) => {
                    let name = self.shared.config.device.clone();
                    let why = format!("it came back with packets of link type {}", opened.link);
                    return Err(SourceError::Device { name, why });
                }
                Err(e) => self.watch.fail(&e),
            },
        }
        Ok(counts)
    }

    /// What the ring had no room for since the kernel was last asked, which is at most every 100
    /// ms.
    fn lost(&mut self) -> Counts {
        if self.asked.elapsed() < PATIENCE {
            return Counts::default();
        }
        self.asked = Instant::now();
        let dropped = self.ring.as_ref().map_or(0, Ring::drops);
        Counts { dropped, ..Counts::default() }
    }
}

impl Source for AfPacket {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        self.take(chunk);
        if chunk.packets.is_empty() {
            self.wait()?;
            self.take(chunk);
        }
        let mut counts = self.lost();
        if chunk.packets.is_empty() && self.ring.as_ref().is_none_or(|r| r.block().is_none()) {
            counts.add(self.look()?);
        }
        chunk.counts = counts;
        chunk.read_bytes = self.read_bytes;
        Ok(if chunk.packets.is_empty() { Turn::Idle } else { Turn::More })
    }

    /// What is in the ring already was let in by the filter before, and is delivered: that is more
    /// than is asked for, which is allowed, and cheaper than to look at each packet once more.
    fn push_filter(&mut self, bpf: Option<&str>) -> Result<(), SourceError> {
        // What is pushed is meant for Ethernet. An empty program accepts everything.
        let bpf = bpf.filter(|_| self.link == LinkType::ETHERNET).unwrap_or("");
        let program = self.shared.program(bpf)?;
        if let Some(ring) = &self.ring {
            ring.attach(&program).map_err(|e| self.shared.no_filter(bpf, &e.to_string()))?;
        }
        bpf.clone_into(&mut self.bpf);
        self.description.note_filter((!bpf.is_empty()).then_some(bpf));
        Ok(())
    }
}

/// Why an interface was not opened, and what to try.
fn refused(config: &Config, Refused { what, error }: &Refused) -> SourceError {
    let why = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => live::NO_RIGHT.to_owned(),
        Some(libc::ENETDOWN) => {
            format!("the interface is down: `ip link set {} up`", config.device)
        }
        Some(libc::ENOMEM) => {
            let mib = config.bytes() >> 20;
            format!("no memory for rings of {mib} MiB in all: give a smaller `blocks` or `block`")
        }
        _ => format!("cannot {what}: {}", plain(error)),
    };
    SourceError::Device { name: config.device.clone(), why }
}

/// The system's words without its number, which says nothing more.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
