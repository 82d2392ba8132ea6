//! The URL of a monitor, as `--url` has it: host and port alone will do.

use std::net::Ipv6Addr;
use std::num::NonZeroU16;

use ureq::http::Uri;

use crate::error::{Failure, Result};

/// Where nothing says otherwise a monitor listens there.
const EXAMPLE: &str = "write http://HOST:PORT, as http://127.0.0.1:44444";

/// The whole URL, if it can be one: nobody was asked yet.
pub fn whole(url: &str) -> Result<String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    if !scheme.eq_ignore_ascii_case("http") {
        let failure = Failure::usage(format!("a monitor is asked over http, not `{scheme}`"));
        return Err(failure.hint("write http://HOST:PORT; a tunnel or a proxy brings encryption"));
    }
    let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let place = place.rsplit('@').next().unwrap_or_default();
    let port = behind_host(url, place)?;
    let is_port =
        |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<NonZeroU16>().is_ok();
    if let Some(port) = port.filter(|port| !is_port(port)) {
        let failure = Failure::usage(format!("`{port}` in `{url}` is no port"));
        return Err(failure.hint("a port is a number from 1 to 65535"));
    }
    let whole = format!("http://{rest}");
    match whole.parse::<Uri>() {
        Ok(_) => Ok(whole),
        Err(error) => Err(Failure::usage(format!("`{url}` is no URL: {error}")).hint(EXAMPLE)),
    }
}

/// What stands behind the colon of the port, in a host with or without one.
fn behind_host<'a>(url: &str, place: &'a str) -> Result<Option<&'a str>> {
    if let Some((address, zone)) = place.trim_start_matches('[').split_once('%')
        && address.parse::<Ipv6Addr>().is_ok()
    {
        let zone = zone.split([']', ':']).next().unwrap_or_default();
        let what =
            format!("`{address}` in `{url}` has a zone, `%{zone}`, with which none is asked");
        return Err(Failure::usage(what)
            .hint("write the monitor's name, or an address of it that is good without a zone"));
    }
    if let Some((inside, behind)) = place.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        && inside.parse::<Ipv6Addr>().is_ok()
        && let Some(port) = behind.strip_prefix(':').or(behind.is_empty().then_some(""))
    {
        return Ok(Some(port).filter(|port| !port.is_empty()));
    }
    let is_bare = place.matches(':').count() > 1
        && place.bytes().all(|b| b.is_ascii_hexdigit() || b":.".contains(&b));
    if is_bare || place.contains(['[', ']']) {
        let what =
            format!("`{place}` in `{url}` is no host, or an address of IPv6 without brackets");
        return Err(Failure::usage(what).hint("write [::1] for ::1, and [::1]:44444 with a port"));
    }
    let (host, port) = place.split_once(':').unwrap_or((place, ""));
    if host.is_empty() {
        return Err(Failure::usage(format!("`{url}` names no host")).hint(EXAMPLE));
    }
    Ok(Some(port).filter(|port| !port.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, want: std::result::Result<&str, &str>) {
        let got = whole(url).map_err(|failure| failure.text());
        assert_eq!(got.as_deref().map_err(|why| why.lines().next().unwrap_or("")), want);
    }

    #[test]
    fn a_port_is_one_before_anybody_is_asked() {
        check("monitor:44444", Ok("http://monitor:44444"));
        check("http://monitor/a:b", Ok("http://monitor/a:b"));
        check("HTTP://monitor:", Ok("http://monitor:"));
        check("monitor:65536", Err("`65536` in `monitor:65536` is no port"));
        check("http://[::1]:0", Err("`0` in `http://[::1]:0` is no port"));
        check("monitor:x/", Err("`x` in `monitor:x/` is no port"));
        check("monitor:+80", Err("`+80` in `monitor:+80` is no port"));
        check("monitor:80:80", Err("`80:80` in `monitor:80:80` is no port"));
        check("https://monitor", Err("a monitor is asked over http, not `https`"));
    }

    #[test]
    fn an_address_of_ipv6_stands_in_brackets() {
        check("[::1]", Ok("http://[::1]"));
        check("http://[::1]:80/", Ok("http://[::1]:80/"));
        for wrong in ["::1", "fe80::1:44444", "[::1", "[::1]x", "[1]:80", "1.2.3.4]"] {
            let what = "is no host, or an address of IPv6 without brackets";
            check(wrong, Err(&format!("`{wrong}` in `{wrong}` {what}")));
        }
    }

    #[test]
    fn an_address_with_a_zone_is_refused_as_one() {
        for wrong in ["http://fe80::1%eth0:44444", "[fe80::1%eth0]:44444/", "fe80::1%eth0"] {
            let what = "has a zone, `%eth0`, with which none is asked";
            check(wrong, Err(&format!("`fe80::1` in `{wrong}` {what}")));
        }
        check("http://user%40eth0@monitor:80", Ok("http://user%40eth0@monitor:80"));
    }

    #[test]
    fn a_host_is_named() {
        for wrong in ["", "http://", ":80", ":+80", "http:///query", "user@"] {
            check(wrong, Err(&format!("`{wrong}` names no host")));
        }
        check("a b", Err("`a b` is no URL: invalid uri character"));
    }
}
