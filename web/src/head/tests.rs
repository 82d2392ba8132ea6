//! Heads of requests: what passes, what is refused, and whose scripts are taken.

use super::posted::Language;
use super::*;
use std::net::{Ipv4Addr, Ipv6Addr};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const ALL: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

const LOCAL: Visit = Visit { listening_on: HERE, peer: HERE, scripts: Scripts::Loopback };

#[track_caller]
fn check_head(head: &str, want: Result<&str, u16>) {
    let got = check(head.as_bytes(), LOCAL).map(|request| request.head);
    let want = want.map(|line| format!("{line}\r\nHost: localhost\r\nConnection: close\r\n"));
    assert_eq!(got.map_err(|r| r.status), want);
}

#[test]
fn only_line_and_host_pass() {
    check_head(
        "GET /status?x=1 HTTP/1.1\r\nHost: localhost\r\nCookie: a\r\n\r\n",
        Ok("GET /status?x=1 HTTP/1.1"),
    );
    check_head("HEAD / HTTP/1.0\r\n\r\n", Ok("HEAD / HTTP/1.0"));
}

#[test]
fn what_could_smuggle_a_second_request_is_refused() {
    check_head("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", Err(413));
    check_head("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", Err(413));
    check_head("GET / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", Err(400));
    check_head("GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", Err(400));
    check_head("GET / HTTP/1.1\r\nA b: c\r\n\r\n", Err(400));
    check_head("GET /\x01 HTTP/1.1\r\n\r\n", Err(400));
    check_head("GET /a b HTTP/1.1\r\n\r\n", Err(400));
    check_head("POST / HTTP/1.1\r\n\r\n", Err(405));
    check_head("OPTIONS /query HTTP/1.1\r\n\r\n", Err(405));
    check_head("GET http://elsewhere/ HTTP/1.1\r\n\r\n", Err(400));
}

#[test]
fn foreign_names_and_origins_are_refused_on_loopback() {
    check_head("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", Err(403));
    check_head("GET / HTTP/1.1\r\nOrigin: http://evil.example\r\n\r\n", Err(403));
    let ours = "GET / HTTP/1.1\r\nHost: [::1]:44444\r\nOrigin: http://127.0.0.1:44444\r\n\r\n";
    assert!(check(ours.as_bytes(), LOCAL).is_ok());
}

/// A script is posted with these headers.
#[track_caller]
fn check_post(visit: Visit, headers: &str, want: Result<(Language, usize), u16>) {
    let head = format!("POST /query?time=: HTTP/1.1\r\n{headers}\r\n");
    let got = check(head.as_bytes(), visit).map(|request| request.body.expect("a body"));
    let got = got.map(|post| (post.language, post.bytes)).map_err(|refusal| refusal.status);
    assert_eq!(got, want, "{headers}");
}

#[test]
fn a_script_comes_with_its_length_and_language() {
    let lua = "Content-Type: application/x-lua\r\n";
    check_post(LOCAL, &format!("{lua}Content-Length: 7\r\n"), Ok((Language::Lua, 7)));
    let rhai = "Content-Length: 7\r\nContent-Type: text/x-rhai; charset=utf-8\r\n";
    check_post(LOCAL, rhai, Ok((Language::Rhai, 7)));
    check_post(LOCAL, &format!("{lua}Content-Length: 262144\r\n"), Ok((Language::Lua, 262_144)));
    check_post(LOCAL, &format!("{lua}Content-Length: 262145\r\n"), Err(413));
    check_post(LOCAL, &format!("{lua}Content-Length: 99999999999999999999999\r\n"), Err(413));
    for length in ["", "-1", "+7", "7, 7", "0x7", "7 "] {
        let want = if length == "7 " { Ok((Language::Lua, 7)) } else { Err(400) };
        check_post(LOCAL, &format!("{lua}Content-Length: {length}\r\n"), want);
    }
    check_post(LOCAL, &format!("{lua}Content-Length: 7\r\nContent-Length: 7\r\n"), Err(400));
    check_post(LOCAL, lua, Err(411));
    check_post(LOCAL, &format!("{lua}Transfer-Encoding: chunked\r\n"), Err(411));
    let both = format!("{lua}Transfer-Encoding: chunked\r\nContent-Length: 7\r\n");
    check_post(LOCAL, &both, Err(400));
}

#[test]
fn what_a_form_of_a_web_page_could_send_is_no_script() {
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/x-lua",
        "text/plain; application/x-lua",
        "",
    ] {
        check_post(LOCAL, &format!("Content-Length: 7\r\nContent-Type: {kind}\r\n"), Err(415));
    }
    check_post(LOCAL, "Content-Length: 7\r\n", Err(415));
}

#[test]
fn scripts_are_taken_from_those_who_may_send_them() {
    let script = "Content-Length: 7\r\nContent-Type: application/x-lua\r\n";
    let at = |host: &str| format!("Host: {host}\r\n{script}");
    let fine = Ok((Language::Lua, 7));
    let open = |peer, scripts| Visit { listening_on: ALL, peer, scripts };
    check_post(Visit { scripts: Scripts::None, ..LOCAL }, script, Err(403));
    let mapped = IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped());
    check_post(open(mapped, Scripts::Loopback), &at("localhost:44444"), fine);
    check_post(open(mapped, Scripts::Loopback), &at("evil.example"), Err(403));
    check_post(open(ELSEWHERE, Scripts::Loopback), &at("localhost:44444"), Err(403));
    check_post(open(ELSEWHERE, Scripts::Any), &at("monitor:44444"), fine);
    let page = |origin: &str| format!("{}Origin: {origin}\r\n", at("monitor:44444"));
    // Its name may point anywhere.
    check_post(open(ELSEWHERE, Scripts::Any), &page("http://monitor:44444"), Err(403));
    check_post(open(ELSEWHERE, Scripts::Any), &page("http://monitor:8080"), Err(403));
    check_post(open(ELSEWHERE, Scripts::Any), &page("null"), Err(403));
}

/// What a client sends of a script of seven bytes, of which some came with the head.
#[track_caller]
fn check_body(came: &str, sent: &str, patience: Duration, want: Result<&str, u16>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let mut client = TcpStream::connect(address).expect("it listens");
    let (mut stream, _) = listener.accept().expect("a client");
    std::io::Write::write_all(&mut client, sent.as_bytes()).expect("a buffer");
    if patience > Duration::ZERO {
        client.shutdown(std::net::Shutdown::Write).expect("it is open");
    }
    let post = posted::Post { language: Language::Lua, bytes: 7, expects: false };
    let got = posted::read(&mut stream, post, came.into(), Instant::now() + patience);
    let got = got.map(|body| String::from_utf8(body).expect("text")).map_err(|r| r.status);
    assert_eq!(got.as_deref(), want.as_ref().map(|text| *text));
}

#[test]
fn a_script_that_does_not_arrive_in_time_is_not_waited_for() {
    let minute = Duration::from_secs(60);
    check_body("", "return!", minute, Ok("return!"));
    check_body("ret", "urn!", minute, Ok("return!"));
    check_body("return! and more", "", minute, Ok("return!"));
    check_body("re", "turn!GET / HTTP/1.1\r\n\r\n", minute, Ok("return!"));
    check_body("re", "turn", minute, Err(400));
    check_body("re", "turn", Duration::ZERO, Err(408));
}

#[test]
fn who_asks_for_the_head_of_a_refusal_gets_no_more() {
    let refusal = bad("no");
    let whole = String::from_utf8(refusal.to_bytes(false)).expect("text");
    let head = String::from_utf8(refusal.to_bytes(true)).expect("text");
    assert!(head.contains("Content-Length: 3\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    assert_eq!(whole, format!("{head}no\n"));
}
