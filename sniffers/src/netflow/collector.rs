//! A collector: export packets as exporters send them, over UDP.
//!
//! What the system drops because the socket's buffer is full it counts, and we
//! pass that on. Where nothing else says when a packet arrived, the clock does.

use std::fs::File;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use como_core::addr::Addr;
use como_core::packet::LinkType;
use como_core::source::{Chunk, Description, Flows, Pace, Source, SourceError, Turn};
use como_core::time::{Span, Ts};

use super::KIND;
use super::decoder::Decoder;
use super::senders::Senders;
use crate::flow::line::Line;
use crate::flow::{self, Shape};
use crate::ready::{PATIENCE, readable};
use crate::spec::Options;

/// The longest UDP payload.
const DATAGRAM_MAX: usize = 65_535;

/// What the system is asked to keep for us while we are busy; it may grant less.
const BUFFER_BYTES: usize = 8 << 20;

/// How many are read in one turn, whatever they hold.
const DATAGRAMS_MAX: usize = 4096;

/// How often the system is asked what it has dropped.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// A UDP port that exporters send to.
pub struct Collector {
    description: Description,
    socket: UdpSocket,
    datagram: Box<[u8]>,
    senders: Senders,
    decoder: Decoder,
    line: Line,
    read_bytes: u64,
    refused: u64,
    // What the system had dropped when last asked, and when that was.
    dropped: u64,
    asked: Instant,
}

impl Collector {
    /// Opens `ADDR:PORT,option=value,...`; without an address, any of this machine's.
    pub fn open(text: &str) -> Result<Self, SourceError> {
        let (place, options) = text.split_once(',').unwrap_or((text, ""));
        let options = Options::parse(&KIND, options)?;
        let shape = Shape::parse(&options, Span(0))?;
        let senders = Senders::parse(&options)?;
        let place = place.trim_end_matches('/');
        let place = if place.starts_with(':') { format!("0.0.0.0{place}") } else { place.into() };
        let name = format!("netflow:udp://{place}");
        let socket = UdpSocket::bind(&place).and_then(|socket| {
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        let socket = socket.map_err(|source| match source.kind() {
            ErrorKind::InvalidInput => SourceError::Spec {
                text: name.clone(),
                why: "write an address and a port, as netflow:udp://0.0.0.0:2055".to_owned(),
            },
            _ => SourceError::Io { what: "listen on", name: name.clone(), source },
        })?;
        // It works with a small buffer as well, and drops are counted.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, BUFFER_BYTES);
        Ok(Self {
            description: Description {
                name,
                links: vec![LinkType::RAW],
                resolution: Span(1_000_000),
                snaplen: 0,
                pace: Pace::Live,
                offers: flow::OFFERS,
                size_bytes: None,
            },
            socket,
            datagram: vec![0; DATAGRAM_MAX].into(),
            senders,
            decoder: Decoder::default(),
            line: Line::new(shape),
            read_bytes: 0,
            refused: 0,
            dropped: 0,
            asked: Instant::now(),
        })
    }

    /// Where it listens, its port chosen by the system if it was given as 0.
    #[cfg(test)]
    pub fn place(&self) -> std::net::SocketAddr {
        self.socket.local_addr().expect("a bound socket has an address")
    }

    /// Decodes what has arrived, until there are records enough.
    fn read(&mut self) -> Result<(), SourceError> {
        let arrived = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let arrived = Ts::new(arrived.as_secs(), arrived.subsec_nanos().into());
        self.line.note_time(arrived);
        for _ in 0..DATAGRAMS_MAX {
            if !self.line.has_room() {
                break;
            }
            let (len, sender) = match self.socket.recv_from(&mut self.datagram) {
                Ok(received) => received,
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                // Others are told of what was sent before, and say nothing of what comes.
                Err(e)
                    if matches!(
                        e.kind(),
                        ErrorKind::Interrupted | ErrorKind::ConnectionRefused
                    ) =>
                {
                    continue;
                }
                Err(source) => {
                    let name = self.description.name.clone();
                    return Err(SourceError::Io { what: "read", name, source });
                }
            };
            let addr = Addr::from(sender.ip().to_canonical());
            if !self.senders.are_heard(addr) {
                self.refused += 1;
                continue;
            }
            self.read_bytes += len as u64;
            let packet = self.datagram.get(..len).unwrap_or_default();
            self.decoder.decode(addr, arrived, packet, &mut self.line.read);
        }
        Ok(())
    }

    /// What the system has dropped since it was last asked.
    fn newly_dropped(&mut self) -> u64 {
        if self.asked.elapsed() < ASK_EVERY {
            return 0;
        }
        self.asked = Instant::now();
        let Some(dropped) = dropped(&self.socket) else { return 0 };
        let before = std::mem::replace(&mut self.dropped, dropped);
        dropped.saturating_sub(before)
    }
}

/// What the system has dropped of a socket's packets, where it tells: on Linux, in the last column
/// of its table of sockets.
fn dropped(socket: &UdpSocket) -> Option<u64> {
    let socket = File::from(socket.as_fd().try_clone_to_owned().ok()?);
    let inode = socket.metadata().ok()?.ino().to_string();
    let tables = ["/proc/self/net/udp", "/proc/self/net/udp6"];
    tables.iter().find_map(|table| {
        let table = std::fs::read_to_string(table).ok()?;
        let line = table.lines().find(|line| line.split_whitespace().nth(9) == Some(&inode))?;
        line.split_whitespace().nth(12)?.parse().ok()
    })
}

impl Source for Collector {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        if self.line.has_room() && readable(self.socket.as_raw_fd(), PATIENCE) {
            self.read()?;
        }
        self.line.fill(chunk, true);
        chunk.counts.dropped = self.newly_dropped();
        chunk.counts.malformed =
            self.decoder.newly_undecodable() + std::mem::take(&mut self.refused);
        chunk.read_bytes = self.read_bytes;
        Ok(if chunk.packets.is_empty() { Turn::Idle } else { Turn::More })
    }

    fn flows(&self) -> Option<Flows> {
        Some(self.decoder.report())
    }
}

#[cfg(test)]
mod tests;
