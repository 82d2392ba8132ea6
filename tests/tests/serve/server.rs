//! A running `como serve` and a plain HTTP client for it.
//!
//! Unsafe code: sending it a signal is a call into libc.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use como_tests::{Como, Folder};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A monitor started in a folder that has a `como.toml`.
pub struct Server {
    child: Child,
    address: SocketAddr,
    // Reads what it says, until it ends.
    talk: Option<JoinHandle<String>>,
}

/// An answer.
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Whether it came to its end.
    pub whole: bool,
    /// The headers, a line each.
    head: String,
    /// The body, its chunks put together.
    pub body: String,
}

impl Reply {
    /// What a header says, if it is there.
    pub fn header(&self, name: &str) -> Option<String> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    }
}

impl Server {
    /// Starts it and waits until it listens.
    pub fn start(folder: &Folder) -> Self {
        Self::start_with(folder, [])
    }

    /// The same with variables in its environment.
    pub fn start_with<const N: usize>(folder: &Folder, vars: [(&str, PathBuf); N]) -> Self {
        let mut command = Como::new(folder, ["serve"]).into_command();
        command.envs(vars);
        Self::of(command)
    }

    /// One that this command becomes.
    pub fn of(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the command starts");
        let mut talk = BufReader::new(child.stderr.take().expect("a pipe was asked for"));
        let mut said = String::new();
        let address = loop {
            let mut line = String::new();
            let read = talk.read_line(&mut line).expect("UTF-8");
            said += &line;
            assert!(read > 0, "it ended before it listened: {said}");
            if let Some((_, address)) = line.trim_end().rsplit_once("http://") {
                break address.parse().expect("an address");
            }
        };
        // What it says later is read away, so that it never waits for us.
        let talk = std::thread::spawn(move || {
            let _ = talk.read_to_string(&mut said);
            said
        });
        Self { child, address, talk: Some(talk) }
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks again and again until the answer's body satisfies.
    #[track_caller]
    pub fn until(&self, url: &str, mut holds: impl FnMut(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let reply = get(self.address, url);
            if reply.status == 200 && holds(&reply.body) {
                return;
            }
            assert!(Instant::now() < deadline, "{url} still says {}", reply.body);
            std::thread::yield_now();
        }
    }

    /// The first lines of an answer that does not end.
    pub fn lines(&self, url: &str, count: usize, patience: Duration) -> Vec<String> {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(patience)).expect("a time-out");
        write!(stream, "GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it reads");
        let lines = BufReader::new(stream).lines().map(|line| line.expect("a line in time"));
        lines.filter(|line| line.starts_with('{')).take(count).collect()
    }

    /// Tells it to read its configuration again.
    pub fn hang_up(&self) {
        self.signal(libc::SIGHUP);
    }

    /// Ends it as an operator would, and returns all that it said on standard error.
    pub fn end_told(mut self) -> String {
        let talk = self.talk.take().expect("it is told once");
        assert_eq!(self.end(), 0);
        talk.join().expect("it reads")
    }

    /// Ends it as an operator would, and returns its exit code.
    pub fn end(mut self) -> i32 {
        self.signal(libc::SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it as a power cut would, but for the machine.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    #[expect(unsafe_code, reason = "the standard library sends no signal but SIGKILL")]
    fn signal(&self, signal: i32) {
        // SAFETY: a signal to a child that has not been waited for, so that its number is its own.
        let sent = unsafe { libc::kill(self.child.id() as libc::pid_t, signal) };
        assert_eq!(sent, 0, "it runs");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already, mostly; after a failed assertion it must not stay.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks once.
pub fn get(address: SocketAddr, url: &str) -> Reply {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    write!(stream, "GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it reads");
    reply(stream)
}

/// Sends a script with a question.
pub fn post(address: SocketAddr, url: &str, language: &str, script: &str) -> Reply {
    reply(posted(address, url, language, script))
}

/// The same, without waiting for the answer.
pub fn posted(address: SocketAddr, url: &str, language: &str, script: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let (mime, length) = (format!("application/x-{language}"), script.len());
    let head = format!(
        "POST {url} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {mime}\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("it reads");
    stream.write_all(script.as_bytes()).expect("it reads");
    stream
}

/// The answer to what was asked.
pub fn reply(mut stream: TcpStream) -> Reply {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    let answer = String::from_utf8(answer).expect("UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let whole = !chunked || body.ends_with("0\r\n\r\n");
    let body = if chunked { joined(body) } else { body.to_owned() };
    Reply { status, whole, head: head.to_owned(), body }
}

/// A chunked body without its chunk sizes.
fn joined(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a chunk's size");
        whole += &rest[..size];
        body = rest.get(size + 2..).unwrap_or_default();
    }
    whole
}
