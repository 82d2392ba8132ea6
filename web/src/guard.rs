//! The guard before tiny_http, which has neither a connection cap nor time-outs.
//!
//! It listens where the user asked, reads and checks each head, and answers so
//! many at once: it reads the script behind a head where one is posted, and passes
//! one request over a private socket. A client
//! that reads too slowly, or goes away, loses its connection and its query.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::clients::{self, Clients};
use crate::head::posted::{self, Post, Scripts};
use crate::head::{self, Refusal, Visit};
use crate::lobby::{Lobby, Waiting};

/// Connections answered at once.
pub const CONNECTIONS_MAX: usize = 64;

/// Connections beyond them, which are told the monitor's status and nothing else: whoever looks
/// why it answers nobody gets an answer.
const STATUS_MAX: usize = 4;

/// How long a client may take to accept a piece of the answer, all of it.
const WRITE_TIME: Duration = Duration::from_secs(30);

/// How often a silent answer's client is checked to be still there.
const PROBE_TIME: Duration = Duration::from_millis(500);

/// Listens for clients and passes their requests to the server behind `inner`.
#[derive(Clone)]
pub struct Guard {
    inner: Arc<PathBuf>,
    listening_on: IpAddr,
    scripts: Scripts,
    // Those who have not said yet what they want, and those who are answered.
    lobby: Lobby,
    open: Arc<AtomicUsize>,
    clients: Clients,
    stopped: Arc<AtomicBool>,
}

impl Guard {
    /// A guard for a server that listens on the socket `inner`, and learns of `clients` that go.
    /// Whose scripts pass depends on where it listens itself.
    pub fn new(
        inner: PathBuf,
        (listening_on, scripts): (IpAddr, Scripts),
        clients: Clients,
        stopped: Arc<AtomicBool>,
    ) -> Self {
        let (inner, open, lobby) = (Arc::new(inner), Arc::default(), Lobby::default());
        Self { inner, listening_on, scripts, lobby, open, clients, stopped }
    }

    /// Accepts connections until stopped; a connection made after that ends it.
    pub fn run(&self, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.stopped.load(SeqCst) {
                return;
            }
            match stream {
                Ok(stream) => self.admit(stream),
                // No descriptor or memory to spare: those who are served now will give some back.
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// Hears and answers on a thread of its own, so that nobody who is slow holds up the next.
    fn admit(&self, stream: TcpStream) {
        let Ok(waiting) = self.lobby.enter(&stream) else { return };
        let guard = self.clone();
        let serve = move || guard.serve(stream, waiting);
        // Where there is no thread to spare the connection is closed.
        let _ = std::thread::Builder::new().name("connection".into()).spawn(serve);
    }

    fn serve(&self, mut stream: TcpStream, waiting: Waiting) {
        let (head, behind) = match head::read(&mut stream) {
            Ok(heard) => heard,
            Err(refusal) => return refuse(&mut stream, &refusal, false),
        };
        let mut waiting = Some(waiting);
        if let Err(refusal) = self.answer(&mut stream, (&head, behind), &mut waiting) {
            refuse(&mut stream, &refusal, head.starts_with(b"HEAD "));
        }
    }

    /// Answers a request whose head was heard. Who has a place waits no longer.
    fn answer(
        &self,
        client: &mut TcpStream,
        (head, behind): (&[u8], Vec<u8>),
        waiting: &mut Option<Waiting>,
    ) -> Result<(), Refusal> {
        let peer = client.peer_addr().map_err(|_| unknown())?.ip();
        let visit = Visit { listening_on: self.listening_on, peer, scripts: self.scripts };
        let request = head::check(head, visit)?;
        let _place = self.place(asks_status(&request.head)).ok_or_else(busy)?;
        *waiting = None;
        let body = body(client, request.body, behind)?;
        if self.pass(client, (&request.head, &body)).is_err() {
            tracing::debug!("a client went away before its answer ended");
        }
        Ok(())
    }

    /// A place to be answered in, if there is one.
    fn place(&self, is_status: bool) -> Option<Place> {
        let place = Place(self.open.clone());
        let taken = self.open.fetch_add(1, SeqCst);
        let places = if is_status { CONNECTIONS_MAX + STATUS_MAX } else { CONNECTIONS_MAX };
        (taken < places).then_some(place)
    }

    /// Passes one request and its answer.
    fn pass(&self, client: &mut TcpStream, (head, body): (&str, &[u8])) -> io::Result<()> {
        let entered = self.clients.enter();
        let mut inner = UnixStream::connect(&*self.inner)?;
        write!(inner, "{head}{}: {}\r\n\r\n", clients::HEADER, entered.number)?;
        inner.write_all(body)?;
        inner.set_read_timeout(Some(PROBE_TIME))?;
        let mut buffer = [0; 16 * 1024];
        loop {
            match inner.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => give(&buffer[..read], WRITE_TIME, |piece, left| {
                    client.set_write_timeout(Some(left))?;
                    client.write(piece)
                })?,
                // A socket with a time-out is not resumed by itself after a signal (signal(7)).
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if gone(client)? {
                        return Err(ErrorKind::ConnectionAborted.into());
                    }
                }
                Err(e) => return Err(e),
            }
        }
    }
}

/// A place that is taken until it is dropped.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// Reads the body that a head tells of.
fn body(client: &mut TcpStream, post: Option<Post>, behind: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    let Some(post) = post else { return Ok(Vec::new()) };
    if post.expects && behind.is_empty() {
        // RFC 9110, section 10.1.1: now that nothing speaks against the body, it is sent.
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").map_err(|_| unknown())?;
    }
    posted::read(client, post, behind, Instant::now() + posted::BODY_TIME)
}

/// Whether a request is for the status of a monitor or a view.
fn asks_status(head: &str) -> bool {
    let target = head.split(' ').nth(1).unwrap_or_default();
    target.split('?').next().is_some_and(|path| path.ends_with("/status"))
}

/// Writes a piece of the answer by `write`, which is told how long it may take. However little of
/// it the client accepts at a time, it has no longer than `patience` for all.
fn give(
    mut piece: &[u8],
    patience: Duration,
    mut write: impl FnMut(&[u8], Duration) -> io::Result<usize>,
) -> io::Result<()> {
    let deadline = Instant::now() + patience;
    while !piece.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        match write(piece, left) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => piece = &piece[written..],
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Whether the client has closed its side. What it sends beyond a request is read away.
fn gone(client: &mut TcpStream) -> io::Result<bool> {
    client.set_nonblocking(true)?;
    let more = client.read(&mut [0; 4096]);
    client.set_nonblocking(false)?;
    Ok(match more {
        Ok(read) => read == 0,
        Err(e) => !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
    })
}

/// A client that has gone already; nobody reads this.
fn unknown() -> Refusal {
    Refusal::new(400, "Bad Request", "the connection is not one")
}

fn busy() -> Refusal {
    Refusal::new(503, "Service Unavailable", "too many connections at once, try again in a second")
}

fn refuse(stream: &mut TcpStream, refusal: &Refusal, only_head: bool) {
    // The client may be gone already; there is nobody else to tell.
    let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
    let _ = stream.write_all(&refusal.to_bytes(only_head));
    let _ = stream.shutdown(std::net::Shutdown::Write);
    // What the client still sends is read away, so that it sees the answer and not a reset.
    let _ = stream.set_read_timeout(Some(Duration::from_millis(100)));
    let mut rest = [0; 4096];
    for _ in 0..16 {
        if !matches!(stream.read(&mut rest), Ok(read) if read > 0) {
            return;
        }
    }
}

/// Wakes a guard that waits for a connection, so that it sees that it is stopped.
pub fn wake(address: SocketAddr) {
    let _ = TcpStream::connect_timeout(&address, Duration::from_secs(1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_accepts_little_by_little_is_given_up_when_its_time_is_over() {
        let (mut accepted, mut told) = (0, Vec::new());
        let given = give(&[0; 10_000], Duration::from_millis(20), |_, left| {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(1) {}
            accepted += 1;
            told.push(left);
            Ok(1)
        });
        assert_eq!(given.map_err(|e| e.kind()), Err(ErrorKind::TimedOut));
        assert!(accepted <= 20, "{accepted}");
        assert!(told.is_sorted_by(|a, b| a > b), "{told:?}");
    }

    #[test]
    fn what_is_accepted_in_parts_arrives_whole() {
        let mut arrived = Vec::new();
        let given = give(b"an answer", Duration::from_secs(60), |piece, _| {
            let part = &piece[..piece.len().min(4)];
            arrived.extend_from_slice(part);
            Ok(part.len())
        });
        assert!(given.is_ok());
        assert_eq!(arrived, b"an answer");
    }
}
