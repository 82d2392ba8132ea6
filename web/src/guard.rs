//! The guard before tiny_http, which has neither a connection cap nor time-outs.
//!
//! It listens where the user asked, admits so many connections at once, reads
//! and checks each head, and the script behind it where one is posted, and passes
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
use crate::head::posted::{self, Scripts};
use crate::head::{self, Refusal, Visit};

/// Connections served at once.
pub const CONNECTIONS_MAX: usize = 64;

/// How long a client may take to accept a piece of the answer.
const WRITE_TIME: Duration = Duration::from_secs(30);

/// How often a silent answer's client is checked to be still there.
const PROBE_TIME: Duration = Duration::from_millis(500);

/// Listens for clients and passes their requests to the server behind `inner`.
#[derive(Clone)]
pub struct Guard {
    inner: Arc<PathBuf>,
    listening_on: IpAddr,
    scripts: Scripts,
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
        let (inner, open) = (Arc::new(inner), Arc::default());
        Self { inner, listening_on, scripts, open, clients, stopped }
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

    fn admit(&self, mut stream: TcpStream) {
        if self.open.fetch_add(1, SeqCst) >= CONNECTIONS_MAX {
            self.open.fetch_sub(1, SeqCst);
            return refuse(&mut stream, &busy());
        }
        let guard = self.clone();
        let serve = move || {
            guard.serve(stream);
            guard.open.fetch_sub(1, SeqCst);
        };
        if std::thread::Builder::new().name("connection".into()).spawn(serve).is_err() {
            self.open.fetch_sub(1, SeqCst);
        }
    }

    fn serve(&self, mut stream: TcpStream) {
        let passed = match self.hear(&mut stream) {
            Ok(request) => self.pass(&mut stream, &request),
            Err(refusal) => return refuse(&mut stream, &refusal),
        };
        if passed.is_err() {
            tracing::debug!("a client went away before its answer ended");
        }
    }

    /// Reads one request: what the server may see of its head, and its body.
    fn hear(&self, client: &mut TcpStream) -> Result<(String, Vec<u8>), Refusal> {
        let peer = client.peer_addr().map_err(|_| unknown())?.ip();
        let (head, behind) = head::read(client)?;
        let visit = Visit { listening_on: self.listening_on, peer, scripts: self.scripts };
        let request = head::check(&head, visit)?;
        let Some(post) = request.body else { return Ok((request.head, Vec::new())) };
        if post.expects && behind.is_empty() {
            // RFC 9110, section 10.1.1: now that nothing speaks against the body, it is sent.
            client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").map_err(|_| unknown())?;
        }
        let deadline = Instant::now() + posted::BODY_TIME;
        Ok((request.head, posted::read(client, post, behind, deadline)?))
    }

    /// Passes one request and its answer.
    fn pass(&self, client: &mut TcpStream, (head, body): &(String, Vec<u8>)) -> io::Result<()> {
        let entered = self.clients.enter();
        let mut inner = UnixStream::connect(&*self.inner)?;
        write!(inner, "{head}{}: {}\r\n\r\n", clients::HEADER, entered.number)?;
        inner.write_all(body)?;
        inner.set_read_timeout(Some(PROBE_TIME))?;
        client.set_write_timeout(Some(WRITE_TIME))?;
        let mut buffer = [0; 16 * 1024];
        loop {
            match inner.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => client.write_all(&buffer[..read])?,
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

fn refuse(stream: &mut TcpStream, refusal: &Refusal) {
    // The client may be gone already; there is nobody else to tell.
    let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
    let _ = stream.write_all(&refusal.to_bytes());
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
