//! A UDP port on which exporters and agents are heard.
//!
//! What the system drops because the socket's buffer is full it counts, and we
//! pass that on. Where nothing else says when a datagram arrived, the clock does.

use std::fs::File;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use como_core::addr::Addr;
use como_core::source::{Counts, SourceError};

use super::senders::Senders;
use crate::ready::readable;
use crate::spec::Kind;

/// The longest UDP payload.
const DATAGRAM_MAX: usize = 65_535;

/// What the system is asked to keep for us while we are busy; it may grant less.
const BUFFER_BYTES: usize = 8 << 20;

/// How many are read in one turn, whoever sent them.
const DATAGRAMS_MAX: usize = 4096;

/// How often the system is asked what it has dropped.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// A UDP port, and who is heard there.
#[derive(Debug)]
pub struct Listener {
    name: String,
    socket: UdpSocket,
    datagram: Box<[u8]>,
    senders: Senders,
    // How many may be read yet in this turn.
    left: usize,
    read_bytes: u64,
    refused: u64,
    // What the system had dropped when last asked, and when that was.
    dropped: u64,
    asked: Instant,
}

impl Listener {
    /// Listens on `place`, an address and a port; without an address, any of this machine's. What
    /// is written for the kind is named in errors, with the port that is usual.
    pub fn open(
        kind: &Kind,
        usual: u16,
        place: &str,
        senders: Senders,
    ) -> Result<Self, SourceError> {
        let place = place.trim_end_matches('/');
        let place = if place.starts_with(':') { format!("0.0.0.0{place}") } else { place.into() };
        let name = format!("{}:udp://{place}", kind.name);
        let socket = UdpSocket::bind(&place).and_then(|socket| {
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        let socket = socket.map_err(|source| match source.kind() {
            ErrorKind::InvalidInput => {
                let why =
                    format!("write an address and a port, as {}:udp://0.0.0.0:{usual}", kind.name);
                SourceError::Spec { text: name.clone(), why }
            }
            _ => SourceError::Io { what: "listen on", name: name.clone(), source },
        })?;
        // It works with a small buffer as well, and drops are counted.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, BUFFER_BYTES);
        Ok(Self {
            name,
            socket,
            datagram: vec![0; DATAGRAM_MAX].into(),
            senders,
            left: 0,
            read_bytes: 0,
            refused: 0,
            dropped: 0,
            asked: Instant::now(),
        })
    }

    /// How it was named.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many bytes have been received.
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Where it listens, its port chosen by the system if it was given as 0.
    #[cfg(test)]
    pub fn place(&self) -> std::net::SocketAddr {
        self.socket.local_addr().expect("a bound socket has an address")
    }

    /// Begins a turn: whether something has arrived, after waiting for it up to `patience`.
    pub fn is_ready(&mut self, patience: Duration) -> bool {
        self.left = DATAGRAMS_MAX;
        readable(self.socket.as_raw_fd(), patience)
    }

    /// The next datagram that has arrived from somebody who is heard, and who that is; none where
    /// there is no other yet, or as many were read as one turn may take.
    pub fn receive(&mut self) -> Result<Option<(Addr, &[u8])>, SourceError> {
        while self.left > 0 {
            self.left -= 1;
            let (len, sender) = match self.socket.recv_from(&mut self.datagram) {
                Ok(received) => received,
                Err(e) => match e.kind() {
                    ErrorKind::WouldBlock => return Ok(None),
                    // Others are told of what was sent before, and say nothing of what comes.
                    ErrorKind::Interrupted | ErrorKind::ConnectionRefused => continue,
                    _ => {
                        let name = self.name.clone();
                        return Err(SourceError::Io { what: "read", name, source: e });
                    }
                },
            };
            let addr = Addr::from(sender.ip().to_canonical());
            if self.senders.are_heard(addr) {
                self.read_bytes += len as u64;
                return Ok(Some((addr, self.datagram.get(..len).unwrap_or_default())));
            }
            self.refused += 1;
        }
        Ok(None)
    }

    /// What the system has dropped, and how many strangers were refused, since this was last
    /// asked.
    pub fn newly_lost(&mut self) -> Counts {
        let refused = std::mem::take(&mut self.refused);
        Counts { dropped: self.newly_dropped(), malformed: refused, ..Counts::default() }
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netflow::KIND;

    fn open(place: &str) -> Result<Listener, SourceError> {
        Listener::open(&KIND, 2055, place, Senders::default())
    }

    #[test]
    fn drops_are_known_where_the_system_tells() {
        let listener = open("127.0.0.1:0").expect("a free port");
        if cfg!(target_os = "linux") {
            assert_eq!(dropped(&listener.socket), Some(0));
        }
    }

    #[test]
    fn a_place_that_makes_no_sense_is_refused() {
        let e = open("nonsense").expect_err("an error").to_string();
        assert!(e.contains("write an address and a port, as netflow:udp://0.0.0.0:2055"), "{e}");
        let taken = open("127.0.0.1:0").expect("a free port").place().to_string();
        assert!(open(&taken).is_ok(), "it was freed");
    }
}
