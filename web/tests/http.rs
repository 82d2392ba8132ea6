//! The door over real sockets: answers, refusals, and clients that misbehave.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use como_web::{Answer, Door, Refusal, Web};

/// Knows one module whose answer is long, and one that has nothing to say.
#[derive(Default)]
struct Fake {
    // How many wait for the silent one.
    asked: Arc<AtomicUsize>,
}

impl Door for Fake {
    fn status(&self) -> String {
        "{\"packets\":7}".to_owned()
    }

    fn modules(&self) -> Vec<(String, String)> {
        vec![("traffic".to_owned(), "packets and bytes".to_owned())]
    }

    fn query(&self, module: &str, _: &[(String, String)]) -> Result<Answer, Refusal> {
        if module == "silent" {
            let asked = self.asked.clone();
            let body = Box::new(move |out: &mut dyn Write| {
                asked.fetch_add(1, Ordering::SeqCst);
                let flush = || {
                    std::thread::yield_now();
                    out.flush()
                };
                let ended = std::iter::repeat_with(flush).find(Result::is_err);
                asked.fetch_sub(1, Ordering::SeqCst);
                ended.unwrap_or(Ok(()))
            });
            return Ok(Answer {
                mime: "application/x-ndjson".to_owned(),
                sources: None,
                missed: None,
                body,
            });
        }
        if module != "traffic" {
            let text = format!("there is no module `{module}`; did you mean `traffic`?");
            return Err(Refusal::new(404, "Not Found", text));
        }
        let body = Box::new(|out: &mut dyn Write| {
            for line in 0..100_000 {
                writeln!(out, "{{\"n\":{line}}}")?;
            }
            Ok(())
        });
        Ok(Answer { mime: "application/x-ndjson".to_owned(), sources: None, missed: None, body })
    }
}

fn open() -> Web {
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    Web::open(any, Arc::new(Fake::default())).expect("a free port")
}

fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

fn get(address: SocketAddr, url: &str) -> String {
    ask(address, &format!("GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
}

#[test]
fn answers_stream_in_chunks_and_end() {
    let web = open();
    let answer = get(web.address(), "/traffic?time=-5m:0");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{}", &answer[..40]);
    assert!(answer.contains("{\"n\":0}\n") && answer.contains("{\"n\":99999}\n"));
    assert!(answer.ends_with("0\r\n\r\n"));
    web.close();
}

#[test]
fn status_is_json_and_a_head_request_has_no_body() {
    let web = open();
    assert!(get(web.address(), "/status").contains("{\"packets\":7}"));
    let head = ask(web.address(), "HEAD /status HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK") && head.ends_with("\r\n\r\n"));
    web.close();
}

#[test]
fn unknown_modules_and_bad_requests_are_refused_with_a_sentence() {
    let web = open();
    let unknown = get(web.address(), "/trafic");
    assert!(unknown.starts_with("HTTP/1.1 404") && unknown.contains("did you mean `traffic`?"));
    assert!(ask(web.address(), "BREW / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
    assert!(ask(web.address(), "nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(20_000));
    assert!(ask(web.address(), &long).starts_with("HTTP/1.1 431"));
    web.close();
}

#[test]
fn more_connections_than_allowed_are_told_to_come_back() {
    let web = open();
    let held: Vec<TcpStream> =
        (0..64).map(|_| TcpStream::connect(web.address()).expect("it listens")).collect();
    let answer = get(web.address(), "/status");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("Retry-After: 1"), "{answer}");
    drop(held);
    web.close();
}

#[test]
fn a_client_that_goes_takes_its_query_with_it_though_there_is_nothing_to_write() {
    let fake = Fake::default();
    let asked = fake.asked.clone();
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let web = Web::open(any, Arc::new(fake)).expect("a free port");
    let mut client = TcpStream::connect(web.address()).expect("it listens");
    client.write_all(b"GET /silent HTTP/1.1\r\n\r\n").expect("it reads");
    let until = |count: usize| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while asked.load(Ordering::SeqCst) != count {
            assert!(Instant::now() < deadline, "waited in vain");
            std::thread::yield_now();
        }
    };
    until(1);
    drop(client);
    until(0);
    web.close();
}

#[test]
fn a_taken_address_is_named() {
    let web = open();
    let Err(error) = Web::open(web.address(), Arc::new(Fake::default())) else {
        panic!("it is taken")
    };
    assert!(error.to_string().contains(&web.address().to_string()));
    web.close();
}
