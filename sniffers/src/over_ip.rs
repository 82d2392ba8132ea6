//! `pcap-over-ip`: captures sent over TCP, as Wireshark, NetworkMiner, PolarProxy and
//! `tcpdump -U -w - | nc` send and take them.
//!
//! Each connection is a capture of its own. One that breaks off, or sends what is
//! no capture, is closed and said to have been; it disturbs no other.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use como_core::selection::BATCH_PACKETS_MAX;
use como_core::source::{Chunk, Counts, Description, Pace, Source, SourceError, Turn, with_causes};

use crate::file::Capture;
use crate::ready::{PATIENCE, first_readable, keep_alive, readable};
use crate::spec::{self, Kind, Opens, OptionDoc, Options};

/// Captures over TCP, as `como sniffers` shows them.
pub const KIND: Kind = Kind {
    name: "pcap-over-ip",
    usage: "pcap-over-ip:host:57012, pcap-over-ip:0.0.0.0:57012,listen=true",
    doc: "Captures in pcap or pcapng format sent over TCP: connects to who sends them, or listens.",
    offers: "whole packets as far as they were captured, every field of their link types",
    options: &[
        OptionDoc {
            name: "listen",
            default: "false",
            doc: "Wait for senders, several at a time, instead of connecting to one.",
        },
        OptionDoc {
            name: "reconnect",
            default: "false",
            doc: "Connect again, once a second, when the sender has closed or broken off.",
        },
    ],
    opens: Opens::Each(|text, _| spec::one(OverIp::open(text))),
};

/// How long a sender has to take a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// How long to wait before connecting again.
const AGAIN: Duration = Duration::from_secs(1);

/// How long a sender may take to begin.
const BEGIN: Duration = Duration::from_secs(10);

/// How long one that has sent packets may be silent while others wait for a place.
const SILENT: Duration = Duration::from_secs(600);

/// How often the log says at most that somebody connected who sent no capture.
const COMPLAIN: Duration = Duration::from_secs(60);

/// Senders served at a time; more wait to be accepted.
const SENDERS_MAX: usize = 16;

/// Captures that come over TCP.
pub struct OverIp {
    description: Description,
    peer: Peer,
    senders: Vec<Sender>,
    closed_bytes: u64,
    // When one that had sent no packet was last complained of.
    complained: Option<Instant>,
}

enum Peer {
    /// Who sends, and when it was last tried.
    Connect { address: String, reconnect: bool, tried: Instant },
    /// Where senders connect to.
    Listen(TcpListener),
}

/// One connection.
struct Sender {
    capture: Capture,
    fd: RawFd,
    // When it last sent a packet, or connected.
    heard: Instant,
    read_bytes: u64,
    // Whether it has sent a packet.
    known: bool,
    // Whether packets are left of what was read already.
    has_more: bool,
}

impl OverIp {
    /// Opens `HOST:PORT,option=value,...`.
    pub fn open(text: &str) -> Result<Self, SourceError> {
        let (address, options) = Options::behind(&KIND, text)?;
        if !address.contains(':') {
            return Err(options.wrong("names no address: write `HOST:PORT`".to_owned()));
        }
        let name = format!("{}:{address}", KIND.name);
        let reconnect = options.flag("reconnect", false)?;
        let listen = options.flag("listen", false)?;
        if listen && reconnect {
            return Err(options.wrong("give one of `listen` and `reconnect`".to_owned()));
        }
        let mut source = Self {
            description: Description::new(name.clone(), Pace::Stream),
            peer: Peer::Connect { address: address.to_owned(), reconnect, tried: Instant::now() },
            senders: Vec::new(),
            closed_bytes: 0,
            complained: None,
        };
        if listen {
            let bound = TcpListener::bind(address)
                .and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
            let failed = |source| SourceError::Io { what: "listen at", name, source };
            source.peer = Peer::Listen(bound.map_err(failed)?);
        } else {
            match connect(address) {
                Ok(stream) => source.senders.push(Sender::of(stream, &name)),
                // It may be up later, and is tried until then.
                Err(error) if reconnect => tracing::warn!("{}", with_causes(&error)),
                Err(error) => return Err(error),
            }
        }
        Ok(source)
    }

    /// Takes the senders that wait, or connects again when that is wanted and due. `false` once
    /// nobody can come any more.
    fn gather(&mut self) -> bool {
        let name = &self.description.name;
        match &mut self.peer {
            Peer::Listen(listener) => {
                // Who only holds a place makes room for others.
                self.senders.retain(|s| s.read_bytes > 0 || s.heard.elapsed() < BEGIN);
                if self.senders.len() >= SENDERS_MAX
                    && readable(listener.as_raw_fd(), Duration::ZERO)
                    && let Some(at) = least_missed(&self.senders)
                {
                    let sender = self.senders.remove(at);
                    self.closed_bytes += sender.read_bytes;
                    tracing::warn!("`{name}`: a silent sender made room for another");
                }
                while self.senders.len() < SENDERS_MAX {
                    match listener.accept() {
                        Ok((stream, from)) => {
                            self.senders.push(Sender::of(stream, &format!("{name} from {from}")));
                        }
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) => {
                            tracing::warn!("`{name}`: cannot take a connection: {error}");
                            std::thread::sleep(AGAIN);
                            break;
                        }
                    }
                }
            }
            Peer::Connect { reconnect, .. } if !*reconnect => return !self.senders.is_empty(),
            Peer::Connect { address, tried, .. } => {
                if self.senders.is_empty() && tried.elapsed() >= AGAIN {
                    *tried = Instant::now();
                    match connect(address) {
                        Ok(stream) => {
                            tracing::warn!("`{name}`: connected again");
                            self.senders.push(Sender::of(stream, name));
                        }
                        Err(error) => tracing::debug!("{}", with_causes(&error)),
                    }
                }
            }
        }
        true
    }

    /// A connection that has something, after waiting a little for one.
    fn ready(&self) -> Option<usize> {
        let is_ready = |sender: &Sender| sender.has_more || readable(sender.fd, Duration::ZERO);
        if let Some(at) = self.senders.iter().position(is_ready) {
            return Some(at);
        }
        let mut fds: Vec<RawFd> = self.senders.iter().map(|sender| sender.fd).collect();
        if let Peer::Listen(listener) = &self.peer
            && fds.len() < SENDERS_MAX
        {
            fds.push(listener.as_raw_fd());
        }
        first_readable(&fds, PATIENCE).filter(|at| *at < self.senders.len())
    }

    /// Closes a connection that has ended, with an error or without.
    fn close(
        &mut self,
        at: usize,
        ended: Result<Turn, SourceError>,
        chunk: &mut Chunk,
    ) -> Option<SourceError> {
        let sender = self.senders.remove(at);
        self.closed_bytes += sender.read_bytes;
        let error = ended.err()?;
        if matches!(self.peer, Peer::Connect { reconnect: false, .. }) {
            return Some(error);
        }
        match sender.known || self.may_complain() {
            true => tracing::warn!("{}", with_causes(&error)),
            false => tracing::debug!("{}", with_causes(&error)),
        }
        chunk.counts.add(Counts { malformed: 1, ..Counts::default() });
        None
    }

    /// Whether it is time to say again that somebody sent no capture: ports are scanned.
    fn may_complain(&mut self) -> bool {
        let may = self.complained.is_none_or(|then| then.elapsed() >= COMPLAIN);
        if may {
            self.complained = Some(Instant::now());
        }
        may
    }
}

impl Sender {
    fn of(stream: TcpStream, name: &str) -> Self {
        let fd = stream.as_raw_fd();
        keep_alive(fd);
        let capture = Capture::of_socket(name.to_owned(), OwnedFd::from(stream));
        Self { capture, fd, heard: Instant::now(), read_bytes: 0, known: false, has_more: false }
    }
}

impl Source for OverIp {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        if !self.gather() {
            return Ok(Turn::End);
        }
        if self.senders.is_empty() && matches!(self.peer, Peer::Connect { .. }) {
            std::thread::sleep(PATIENCE);
        }
        let mut failed = None;
        if let Some(at) = self.ready() {
            // To the end of the line: each has its turn, also when one always has something.
            let mut sender = self.senders.remove(at);
            let turn = sender.capture.next(chunk);
            sender.read_bytes = chunk.read_bytes;
            if !chunk.packets.is_empty() {
                (sender.known, sender.heard) = (true, Instant::now());
            }
            sender.has_more = chunk.packets.len() >= BATCH_PACKETS_MAX;
            self.senders.push(sender);
            if !matches!(turn, Ok(Turn::More | Turn::Idle)) {
                failed = self.close(self.senders.len() - 1, turn, chunk);
            }
        }
        let open: u64 = self.senders.iter().map(|sender| sender.read_bytes).sum();
        chunk.read_bytes = self.closed_bytes + open;
        match failed {
            Some(error) => Err(error),
            None if chunk.packets.is_empty() => Ok(Turn::Idle),
            None => Ok(Turn::More),
        }
    }
}

/// Who is closed where all places are taken and somebody waits: of those that were silent for too
/// long one that never sent a packet, if there is one, and the one silent for longest.
fn least_missed(senders: &[Sender]) -> Option<usize> {
    let silent = senders
        .iter()
        .enumerate()
        .filter(|(_, sender)| sender.heard.elapsed() >= if sender.known { SILENT } else { BEGIN });
    silent.min_by_key(|(_, sender)| (sender.known, sender.heard)).map(|(at, _)| at)
}

/// Connects to who sends.
fn connect(address: &str) -> Result<TcpStream, SourceError> {
    let failed = |source| SourceError::Io { what: "connect to", name: address.to_owned(), source };
    let mut last = std::io::ErrorKind::NotFound.into();
    for resolved in address.to_socket_addrs().map_err(failed)? {
        match TcpStream::connect_timeout(&resolved, CONNECT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

#[cfg(test)]
mod tests;
