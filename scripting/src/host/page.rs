//! Pages that an operator grants: what a host answers to GET, whole or not at all.
//!
//! Only plain HTTP; no redirection is followed, because it would lead to whom nobody granted.

use std::io::Read;
use std::time::Duration;

use como_core::record::Value;

use super::asker::Answer;

/// The longest answer that is taken.
pub const PAGE_BYTES_MAX: u64 = 64 << 10;
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(60);

/// The host of a URL, with its port where it names one; none where it is no `http://HOST/...`.
pub fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("http://")?;
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
    let plain = |c: char| !c.is_control() && c != ' ' && c != '\\';
    // Whatever stands before an @ is no host.
    (url.len() <= 2048 && url.chars().all(plain) && !host.contains('@')).then_some(host)
}

/// What is at a URL, where it answers with success.
pub fn fetch(url: &str) -> Answer {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .timeout_global(Some(PATIENCE))
        .build()
        .into();
    let Ok(response) = agent.get(url).call() else { return Answer::NONE };
    if response.status().as_u16() != 200 {
        return Answer::NONE;
    }
    let mut bytes = Vec::new();
    let read = response.into_body().into_reader().take(PAGE_BYTES_MAX + 1).read_to_end(&mut bytes);
    if read.is_err() || bytes.len() as u64 > PAGE_BYTES_MAX {
        return Answer::NONE;
    }
    let text = String::from_utf8(bytes).map_or_else(|e| Value::Bytes(e.into_bytes()), Value::Text);
    Answer { value: Some(text), ttl: KEPT }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    /// What is fetched where a server answers with these bytes.
    fn answered(bytes: Vec<u8>) -> Option<Value> {
        let server = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let url = format!("http://{}/list", server.local_addr().expect("an address"));
        let thread = std::thread::spawn(move || {
            let Ok((mut stream, _)) = server.accept() else { return };
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(&bytes);
        });
        let found = fetch(&url).value;
        thread.join().expect("a server");
        found
    }

    #[test]
    fn what_is_there_is_fetched() {
        let page = answered(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec());
        assert_eq!(page, Some(Value::from("hello")));
    }

    #[test]
    fn what_leads_elsewhere_is_missing_or_is_too_long_is_nothing() {
        let moved =
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(answered(moved.to_vec()), None);
        assert_eq!(answered(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".to_vec()), None);
        assert_eq!(answered(b"nonsense".to_vec()), None);
        let mut long = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
        long.resize(long.len() + PAGE_BYTES_MAX as usize + 1, b'x');
        assert_eq!(answered(long), None);
    }

    #[test]
    fn the_host_of_a_url_is_what_it_leads_to() {
        assert_eq!(host("http://example.com/list?x=1"), Some("example.com"));
        assert_eq!(host("http://example.com:8080"), Some("example.com:8080"));
        assert_eq!(host("http://example.com?x"), Some("example.com"));
        for url in ["https://example.com/", "http://", "http:///x", "file:///etc/passwd", ""] {
            assert_eq!(host(url), None, "{url}");
        }
        for url in ["http://granted@other/", "http://a b/", "http://a\\@b/", "http://a\r\nX: y/"] {
            assert_eq!(host(url), None, "{url}");
        }
    }
}
