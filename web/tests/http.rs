//! The door over real sockets: answers, refusals, and clients that misbehave.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use como_web::{Answer, Door, Refusal, Script, Scripts, Web};

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
                run: None,
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
        Ok(Answer {
            mime: "application/x-ndjson".to_owned(),
            sources: None,
            missed: None,
            run: None,
            body,
        })
    }

    /// Says what it was sent, or does what the module of that name does.
    fn script(&self, script: Script, all: &[(String, String)]) -> Result<Answer, Refusal> {
        if ["silent", "traffic"].contains(&script.text.as_str()) {
            return self.query(&script.text, all);
        }
        let said = format!("{} of {} bytes, {all:?}", script.language.name(), script.text.len());
        let body = Box::new(move |out: &mut dyn Write| out.write_all(said.as_bytes()));
        Ok(Answer { mime: "text/plain".to_owned(), sources: None, missed: None, run: None, body })
    }
}

fn open() -> Web {
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    Web::open(any, Scripts::Loopback, Arc::new(Fake::default())).expect("a free port")
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
fn more_connections_than_are_answered_at_once_are_told_to_come_back() {
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let fake = Fake::default();
    let asked = fake.asked.clone();
    let web = Web::open(any, Scripts::Loopback, Arc::new(fake)).expect("a free port");
    let held = (0..64).map(|_| {
        let mut stream = TcpStream::connect(web.address()).expect("it listens");
        stream.write_all(b"GET /silent HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it reads");
        stream
    });
    let held: Vec<TcpStream> = held.collect();
    until(&asked, 64);
    let answer = get(web.address(), "/traffic");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("Retry-After: 1"), "{answer}");
    // Why, one can still ask.
    assert!(get(web.address(), "/status").contains("{\"packets\":7}"));
    drop(held);
    web.close();
}

#[test]
fn who_sends_half_a_head_keeps_nobody_out() {
    let web = open();
    let half = (0..200).map(|_| {
        let mut stream = TcpStream::connect(web.address()).expect("it listens");
        stream.write_all(b"GET / HTTP/1.1").expect("it reads");
        stream
    });
    let half: Vec<TcpStream> = half.collect();
    let begun = Instant::now();
    assert!(get(web.address(), "/status").contains("{\"packets\":7}"));
    assert!(get(web.address(), "/traffic").starts_with("HTTP/1.1 200"));
    assert!(begun.elapsed() < Duration::from_secs(8), "no head is waited for");
    drop(half);
    web.close();
}

#[test]
fn a_client_that_knows_no_chunks_gets_an_answer_without() {
    let web = open();
    let answer = ask(web.address(), "GET /status HTTP/1.0\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "{head}");
    assert_eq!(body, "{\"packets\":7}");
    web.close();
}

#[test]
fn a_client_that_goes_takes_its_query_with_it_though_there_is_nothing_to_write() {
    let fake = Fake::default();
    let asked = fake.asked.clone();
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let web = Web::open(any, Scripts::Loopback, Arc::new(fake)).expect("a free port");
    let mut client = TcpStream::connect(web.address()).expect("it listens");
    client.write_all(b"GET /silent HTTP/1.1\r\n\r\n").expect("it reads");
    until(&asked, 1);
    drop(client);
    until(&asked, 0);
    web.close();
}

/// Waits until so many wait for the silent one.
#[track_caller]
fn until(asked: &AtomicUsize, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while asked.load(Ordering::SeqCst) != count {
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::yield_now();
    }
}

#[test]
fn a_taken_address_is_named() {
    let web = open();
    let Err(error) = Web::open(web.address(), Scripts::None, Arc::new(Fake::default())) else {
        panic!("it is taken")
    };
    assert!(error.to_string().contains(&web.address().to_string()));
    web.close();
}

/// The head of a script's post.
fn post(length: usize) -> String {
    format!(
        "POST /query?time=: HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-lua\r\n\
         Content-Length: {length}\r\n"
    )
}

#[test]
fn a_script_arrives_as_it_was_sent() {
    let web = open();
    for length in [0, 1, 1024, 1025, 100_000, 256 << 10] {
        let answer = ask(web.address(), &format!("{}\r\n{}", post(length), "-".repeat(length)));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let said = format!("lua of {length} bytes, [(\"time\", \":\")]");
        assert!(answer.contains(&said), "{answer}");
    }
    let bytes = [post(2).as_bytes(), b"\r\n\xff\xfe"].concat();
    let mut client = TcpStream::connect(web.address()).expect("it listens");
    client.write_all(&bytes).expect("it reads");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("UTF-8"), "{answer}");
    web.close();
}

#[test]
fn one_who_asks_whether_to_send_a_script_is_told() {
    let web = open();
    let mut client = TcpStream::connect(web.address()).expect("it listens");
    write!(client, "{}Expect: 100-continue\r\n\r\n", post(5)).expect("it reads");
    let mut told = [0; 25];
    client.read_exact(&mut told).expect("it answers");
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"n = 1").expect("it reads");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("it answers");
    assert!(answer.contains("lua of 5 bytes"), "{answer}");
    // What is refused is refused before it is sent.
    let refused = ask(web.address(), &format!("{}Expect: 100-continue\r\n\r\n", post(1 << 30)));
    assert!(refused.starts_with("HTTP/1.1 413"), "{refused}");
    web.close();
}

#[test]
fn a_flood_behind_a_head_is_refused_and_others_are_answered_meanwhile() {
    let web = open();
    // A script that never comes holds its own connection and no other.
    let mut slow = TcpStream::connect(web.address()).expect("it listens");
    write!(slow, "{}\r\nn =", post(1000)).expect("it reads");
    let head = post(1 << 30);
    let mut flood = TcpStream::connect(web.address()).expect("it listens");
    flood.write_all(format!("{head}\r\n").as_bytes()).expect("it reads");
    let chunk = [b'-'; 64 << 10];
    // It stops reading at some point; what it said is there all the same.
    (0..64).take_while(|_| flood.write_all(&chunk).is_ok()).for_each(drop);
    let chunked = post(5).replace("Content-Length: 5", "Transfer-Encoding: chunked");
    let chunked = ask(web.address(), &format!("{chunked}\r\n5\r\nn = 1\r\n0\r\n\r\n"));
    assert!(chunked.starts_with("HTTP/1.1 411"), "{chunked}");
    assert!(get(web.address(), "/status").contains("{\"packets\":7}"));
    drop((slow, flood));
    web.close();
}

#[test]
fn a_script_whose_sender_goes_is_given_up_also_where_more_was_sent_than_it() {
    let fake = Fake::default();
    let asked = fake.asked.clone();
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let web = Web::open(any, Scripts::Loopback, Arc::new(fake)).expect("a free port");
    let mut client = TcpStream::connect(web.address()).expect("it listens");
    write!(client, "{}\r\nsilent and more", post(6)).expect("it reads");
    until(&asked, 1);
    client.write_all(b"and more").expect("a buffer");
    drop(client);
    until(&asked, 0);
    web.close();
}
