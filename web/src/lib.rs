//! The HTTP door: URLs become core queries.
//!
//! A guard stands before tiny_http and keeps it from hostile clients; what a
//! URL means is [`route`]'s; the answers come from a [`Door`], which the
//! command builds over the monitor and its store.

mod chunked;
mod clients;
mod guard;
mod head;
mod lobby;
mod private;
pub mod route;

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

use chunked::Chunked;
use clients::Clients;
use guard::Guard;
pub use head::Refusal;
pub use head::posted::{Language, Scripts};
use private::Private;

/// The header that every answer has and every refusal, so that whoever asks knows who answers: the
/// version of the monitor.
pub const VERSION: &str = "Como-Version";

/// The version that stands in it.
const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The header that says, where an answer is empty, of which time there is something.
pub const MISSED: &str = "Como-Missed";

/// The header that says which of the `runs` in the status an answer comes from, where a module runs
/// for it.
pub const RUN: &str = "Como-Run";

/// How long answers that are being written may take to end when the door closes.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// What lies behind the HTTP door.
pub trait Door: Send + Sync {
    /// The monitor's state as a JSON object.
    fn status(&self) -> String;

    /// The names and descriptions of what can be asked, for the front page.
    fn modules(&self) -> Vec<(String, String)>;

    /// Answers a query for a module: parameters as in the URL, decoded, in its order.
    fn query(&self, module: &str, parameters: &[(String, String)]) -> Result<Answer, Refusal>;

    /// The door behind a part of a path, if there is one: what follows is asked of it.
    fn behind(&self, part: &str) -> Option<Box<dyn Door>> {
        let _ = part;
        None
    }

    /// Runs a script that was sent with a query, in place of a module.
    fn script(&self, script: Script, parameters: &[(String, String)]) -> Result<Answer, Refusal>;
}

/// A script that was sent with a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Its language.
    pub language: Language,
    /// Its text.
    pub text: String,
}

/// An answer that is written as it is found.
pub struct Answer {
    /// The media type.
    pub mime: String,
    /// The sources that it covers, as JSON, where that is known: sent as the header [`SOURCES`].
    pub sources: Option<String>,
    /// Where nothing is stored of the time asked for: in words, of which time there is something.
    pub missed: Option<String>,
    /// Which run it comes from, where a module runs for it.
    pub run: Option<u64>,
    /// Writes the body.
    pub body: Body,
}

/// The header that says which sources an answer covers.
pub const SOURCES: &str = "Como-Sources";

/// Writes a body piece by piece; an error of the writer means that the client has gone.
pub type Body = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

/// Why the door could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}: stop what listens there, or set `listen` under [http]")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
    /// The private socket to the server could not be made.
    #[error("cannot make a private socket in `{dir}`")]
    Socket {
        /// The folder.
        dir: String,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
}

/// The open door. Dropping it leaves it open; [`Web::close`] closes it.
pub struct Web {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    server: Arc<tiny_http::Server>,
    clients: Clients,
    threads: Vec<JoinHandle<()>>,
    private: Private,
}

impl Web {
    /// Listens on `listen` and answers from `door`; `scripts` says whose are run.
    pub fn open(
        listen: SocketAddr,
        scripts: Scripts,
        door: Arc<dyn Door>,
    ) -> Result<Self, WebError> {
        let failed = |source| WebError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let temp = std::env::temp_dir();
        let no_socket = |source| WebError::Socket { dir: temp.display().to_string(), source };
        let (private, inner) = Private::make(&temp).map_err(no_socket)?;
        let server = tiny_http::Server::from_listener(inner, None)
            .map_err(|e| no_socket(io::Error::other(e.to_string())))?;
        let server = Arc::new(server);
        let stopped = Arc::new(AtomicBool::new(false));
        let clients = Clients::default();
        let visits = (address.ip(), scripts);
        let guard = Guard::new(private.socket(), visits, clients.clone(), stopped.clone());
        let (receiving, known) = (server.clone(), clients.clone());
        let threads = vec![
            spawn("http-guard", move || guard.run(&listener)).map_err(no_socket)?,
            spawn("http", move || receive(&receiving, &known, &door)).map_err(no_socket)?,
        ];
        Ok(Self { address, stopped, server, clients, threads, private })
    }

    /// Where it listens, with the port that the system chose if none was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests. Answers that are being written have a moment to end by themselves.
    pub fn close(self) {
        self.stopped.store(true, SeqCst);
        guard::wake(self.address);
        self.server.unblock();
        for thread in self.threads {
            // One that panicked is closed as well.
            let _ = thread.join();
        }
        self.clients.wait(CLOSE_TIME);
        self.private.remove();
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run)
}

/// Gives each request a thread of its own: the guard lets in only so many.
fn receive(server: &tiny_http::Server, clients: &Clients, door: &Arc<dyn Door>) {
    while let Ok(request) = server.recv() {
        let (clients, door) = (clients.clone(), door.clone());
        let answered = spawn("http-answer", move || answer(request, &clients, &*door));
        if let Err(error) = answered {
            tracing::warn!("a request was dropped: {error}");
        }
    }
}

fn answer(mut request: tiny_http::Request, clients: &Clients, door: &dyn Door) {
    let only_head = *request.method() == tiny_http::Method::Head;
    let knows_chunks = *request.http_version() >= tiny_http::HTTPVersion(1, 1);
    let header = |name| {
        let mut headers = request.headers().iter();
        headers.find(|header| header.field.equiv(name)).map(|header| header.value.as_str())
    };
    let number = header(clients::HEADER).and_then(|number| number.parse().ok());
    let answer = match *request.method() == tiny_http::Method::Post {
        true => {
            let language = header("Content-Type").and_then(Language::of_mime);
            let url = request.url().to_owned();
            posted(&mut request, language).and_then(|script| route::posted(&url, script, door))
        }
        false => route::answer(request.url(), door),
    };
    let mut client = clients.watched(number, request.into_writer());
    let written = match answer {
        Ok(answer) => send(&mut client, answer, only_head, knows_chunks),
        Err(refusal) => {
            client.write_all(&refusal.to_bytes(only_head)).and_then(|()| client.flush())
        }
    };
    if written.is_err() {
        tracing::debug!("a client went away before its answer ended");
    }
}

/// The script that a request carries, whose length and kind the guard has seen to.
fn posted(request: &mut tiny_http::Request, language: Option<Language>) -> Result<Script, Refusal> {
    let refused = |text| Refusal::new(400, "Bad Request", text);
    let language = language.ok_or_else(|| refused("a script of no known language"))?;
    let mut text = Vec::new();
    let read = request.as_reader().read_to_end(&mut text);
    read.map_err(|_| refused("the request ends before the script does"))?;
    let text = String::from_utf8(text).map_err(|_| refused("the script is no UTF-8 text"))?;
    Ok(Script { language, text })
}

/// Sends an answer: in chunks, or where the client's HTTP is older than those (RFC 1945), until the
/// connection is closed.
fn send(
    mut client: &mut dyn Write,
    answer: Answer,
    only_head: bool,
    knows_chunks: bool,
) -> io::Result<()> {
    let coding = if knows_chunks { "Transfer-Encoding: chunked\r\n" } else { "" };
    write!(
        client,
        "HTTP/1.1 200 OK\r\nContent-Type: {}\r\n{coding}\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\
         {VERSION}: {OWN_VERSION}\r\nConnection: close\r\n",
        answer.mime
    )?;
    // JSON as it is made here has no line ends; what is not ASCII would be no header.
    if let Some(sources) =
        answer.sources.filter(|text| text.bytes().all(|b| (b' '..127).contains(&b)))
    {
        write!(client, "{SOURCES}: {sources}\r\n")?;
    }
    if let Some(run) = answer.run {
        write!(client, "{RUN}: {run}\r\n")?;
    }
    if let Some(missed) = &answer.missed {
        let plain = |c: char| if (' '..='~').contains(&c) { c } else { '?' };
        write!(client, "{MISSED}: {}\r\n", missed.chars().map(plain).collect::<String>())?;
    }
    client.write_all(b"\r\n")?;
    if only_head {
        return client.flush();
    }
    if !knows_chunks {
        let mut body = io::BufWriter::new(&mut client);
        (answer.body)(&mut body)?;
        return body.flush();
    }
    let mut body = Chunked::new(client);
    (answer.body)(&mut body)?;
    body.finish()
}
