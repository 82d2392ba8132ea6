//! The other monitor: what is asked of it over HTTP, and what it answers.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use como_core::query::Times;
use como_core::source::SourceError;
use como_core::time::Ts;
use serde::Deserialize;

/// How long a monitor has to take a connection, to begin to answer, and between two bytes.
const CONNECT: Duration = Duration::from_secs(3);
const BEGIN: Duration = Duration::from_secs(30);
const READ: Duration = Duration::from_secs(30);

/// How much of a refusal is read, and of a status.
const REFUSAL_BYTES: u64 = 4 << 10;
const STATUS_BYTES: u64 = 16 << 20;

/// One instance on another monitor.
pub struct Remote {
    agent: ureq::Agent,
    base: String,
    module: String,
    filter: String,
}

/// How far it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Progress {
    /// Its stream's clock; none before its first packet.
    pub clock: Option<Ts>,
    /// Until when its intervals have closed, and what was recorded of them is in its store.
    pub closed: Option<Ts>,
}

/// What of `/status` matters here.
#[derive(Deserialize)]
struct Status {
    capture: Capture,
    #[serde(default)]
    store: Store,
}

#[derive(Default, Deserialize)]
struct Store {
    // Monitors before this was told have none; an instance that is not there yet has nothing
    // settled.
    settled_until: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Capture {
    clock: Option<String>,
    tasks: Vec<Task>,
}

#[derive(Deserialize)]
struct Task {
    name: String,
    closed_until: Option<String>,
}

impl Remote {
    /// An instance by its URL, `http://HOST:PORT/NAME`.
    pub fn new(url: &str, filter: &str) -> Result<Self, String> {
        let wrong = || format!("`{url}` is no URL of an instance: write `http://HOST:PORT/NAME`");
        let rest = url.strip_prefix("http://").ok_or_else(wrong)?;
        let (host, module) = rest.trim_end_matches('/').split_once('/').ok_or_else(wrong)?;
        if host.is_empty() || module.contains(['/', '?', '&', '#']) {
            return Err(wrong());
        }
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // Whoever answers is who was named.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(BEGIN))
            .timeout_per_read(Some(READ))
            .build()
            .into();
        let (base, module) = (format!("http://{host}/"), module.replace("%20", " "));
        Ok(Self { agent, base, module, filter: filter.to_owned() })
    }

    /// Whether the instance is there, has packets to give, and takes the filter: a capture of none
    /// of them, which describes them.
    pub fn try_out(&self) -> Result<Box<dyn Read + Send>, SourceError> {
        self.progress()?;
        self.packets(Ts(0), Ts(1))
    }

    /// How far the instance is.
    pub fn progress(&self) -> Result<Progress, SourceError> {
        let body = self.get("status", &[])?;
        let status: Status = serde_json::from_reader(body.take(STATUS_BYTES))
            .map_err(|_| self.fails("what answers there is no `como serve`".to_owned()))?;
        let tasks = status.capture.tasks;
        let Some(task) = tasks.iter().find(|task| task.name == self.module) else {
            let known: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
            let names = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
            let why = format!("nothing is called `{}` there; running are {names}", self.module);
            return Err(self.fails(why));
        };
        let time = |text: &Option<String>| {
            let times = Times::between(text.as_deref(), None).ok()?;
            text.as_ref().and(times.resolve(Ts(0)).ok()).map(|window| window.from)
        };
        let closed = time(&task.closed_until);
        let closed = match status.store.settled_until {
            Some(mut settled) => closed.min(time(&settled.remove(&self.module))),
            None => closed,
        };
        Ok(Progress { clock: time(&status.capture.clock), closed })
    }

    /// The packets of a window, as a capture.
    pub fn packets(&self, from: Ts, until: Ts) -> Result<Box<dyn Read + Send>, SourceError> {
        let seconds = |ts: Ts| format!("{}.{:09}", ts.0 / 1_000_000_000, ts.0 % 1_000_000_000);
        let time = format!("{}:{}", seconds(from), seconds(until));
        let query = [
            ("module", self.module.as_str()),
            ("time", &time),
            ("format", "pcapng"),
            ("filter", &self.filter),
        ];
        Ok(Box::new(self.get("", &query)?))
    }

    fn get(
        &self,
        path: &str,
        query: &[(&'static str, &str)],
    ) -> Result<impl Read + Send + use<>, SourceError> {
        let request = self.agent.get(format!("{}{path}", self.base));
        let response = request.query_pairs(query.iter().copied()).call();
        let response = response.map_err(|error| SourceError::Io {
            what: "reach",
            name: format!("{}{}", self.base, self.module),
            source: std::io::Error::other(error),
        })?;
        let status = response.status();
        let body = response.into_body().into_reader();
        if status.is_success() {
            return Ok(body);
        }
        let mut text = String::new();
        // A body that breaks off still says something.
        let _ = body.take(REFUSAL_BYTES).read_to_string(&mut text);
        let text = text.trim();
        Err(self.fails(if text.is_empty() {
            format!("it answers {status}")
        } else {
            text.to_owned()
        }))
    }

    fn fails(&self, why: String) -> SourceError {
        SourceError::Device { name: format!("{}{}", self.base, self.module), why }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};

    use super::*;

    /// How far `t`, whose intervals have closed until 20 seconds, is where this is told of the
    /// store.
    #[track_caller]
    fn check(store: &str, want: Option<Ts>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/t", listener.local_addr().expect("an address"));
        let task = r#"{"name":"t","closed_until":"1970-01-01T00:00:20Z"}"#;
        let body = format!(r#"{{"capture":{{"clock":null,"tasks":[{task}]}}{store}}}"#);
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
            lines.map_while(Result::ok).find(|line| line.is_empty());
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all([head, body].concat().as_bytes()).expect("an answer");
        });
        let progress = Remote::new(&url, "").expect("an instance").progress().expect("an answer");
        assert_eq!(progress.closed, want, "{store}");
        answering.join().expect("it answered");
    }

    #[test]
    fn nothing_is_closed_before_the_store_has_settled_it() {
        let settled = |text: &str| format!(r#","store":{{"settled_until":{{{text}}}}}"#);
        check(&settled(r#""t":"1970-01-01T00:00:15Z""#), Some(Ts::new(15, 0)));
        check(&settled(""), None);
        check(&settled(r#""other":"1970-01-01T00:00:15Z""#), None);
        // A monitor that does not tell.
        check("", Some(Ts::new(20, 0)));
        check(r#","store":{"streams":{}}"#, Some(Ts::new(20, 0)));
    }
}
