//! Tables from every format: literal bytes of routing dumps, files in MaxMind's format, text.

mod mmdb;
mod mrt;

use std::io::Write;

use como_core::addr::Addr;
use proptest::prelude::*;

use super::*;

/// The table in a file with this content.
fn table(subject: Subject, content: &[u8]) -> Result<Trie, String> {
    let mut file = tempfile::NamedTempFile::new().expect("a place for temporary files");
    file.write_all(content).expect("room for a small file");
    load(subject, file.path()).map_err(|error| {
        let text = error.to_string();
        text.split_once("`: ").map_or(text.clone(), |(_, why)| why.to_owned())
    })
}

/// Checks what a table knows of addresses.
#[track_caller]
fn check(subject: Subject, content: &[u8], want: &[(&str, Option<u32>)]) {
    let trie = table(subject, content).expect("a table");
    for (addr, want) in want {
        let parsed: Addr = addr.parse().expect("an address");
        assert_eq!(trie.get(parsed), *want, "{addr}");
    }
}

#[track_caller]
fn refused(subject: Subject, content: &[u8], want: &str) {
    assert_eq!(table(subject, content).map(|trie| trie.prefixes()), Err(want.to_owned()));
}

#[test]
fn text_has_a_prefix_and_a_value_a_line() {
    let text = "# Made by hand.\n10.0.0.0/8,64512\n10.1.0.0/16 AS64513 and so on\n\n\
                \"2001:db8::/32\";4200000000\r\n192.0.2.1\t7 # one host\n";
    let want = [
        ("10.0.0.1", Some(64512)),
        ("10.1.0.1", Some(64513)),
        ("2001:db8::1", Some(4_200_000_000)),
        ("192.0.2.1", Some(7)),
        ("192.0.2.2", None),
    ];
    check(Subject::Asn, text.as_bytes(), &want);
}

#[test]
fn the_blocks_of_a_csv_file_are_a_table() {
    let text = "network,autonomous_system_number,autonomous_system_organization\n\
                1.0.0.0/24,13335,\"CLOUDFLARENET, Inc.\"\n";
    check(Subject::Asn, text.as_bytes(), &[("1.0.0.9", Some(13335)), ("1.0.1.9", None)]);
}

#[test]
fn text_may_say_countries() {
    let code = |text: &str| text.parse::<Code>().ok().map(Code::kept);
    check(Subject::Country, b"10.0.0.0/8 de\n", &[("10.0.0.1", code("DE"))]);
    let line = "line 1: `Germany` is no country; lines are as in `10.0.0.0/8,VALUE`";
    refused(Subject::Country, b"10.0.0.0/8 Germany\n", line);
    refused(Subject::Country, mrt::HEAD, "a dump of routes says no country");
}

#[test]
fn a_mistake_in_a_text_is_named_with_its_line() {
    let hint = "lines are as in `10.0.0.0/8,VALUE`";
    let line = format!("line 2: `10.0.0.0/33` is no prefix; {hint}");
    refused(Subject::Asn, b"10.0.0.0/8,1\n10.0.0.0/33,2\n", &line);
    refused(Subject::Asn, b"10.0.0.0/8,x\n", &format!("line 1: `x` is no asn; {hint}"));
    refused(Subject::Asn, b"10.0.0.0/8\n", &format!("line 1: `` is no asn; {hint}"));
    refused(Subject::Asn, b"# nothing\n", "holds no asn");
    refused(Subject::Asn, b"\n", "holds no asn");
}

#[test]
fn tables_may_be_compressed() {
    let text = b"10.0.0.0/8,1\n";
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(text).expect("memory");
    check(Subject::Asn, &gz.finish().expect("memory"), &[("10.0.0.1", Some(1))]);
    let mut bz = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bz.write_all(text).expect("memory");
    let bz = bz.finish().expect("memory");
    check(Subject::Asn, &bz, &[("10.0.0.1", Some(1))]);
    let cut = table(Subject::Asn, &bz[..bz.len() - 4]).map(|trie| trie.prefixes());
    assert!(cut.is_err_and(|error| error.starts_with("cannot read table")));
}

#[test]
fn what_is_no_table_is_refused() {
    let why = "neither a dump of routes (MRT), nor a file in MaxMind's format, nor text with a \
               prefix and a value a line";
    refused(Subject::Asn, b"", why);
    refused(Subject::Asn, b"\x89PNG\r\n\x1a\n", why);
    let missing = load(Subject::Asn, Path::new("/no/such/table")).map(|trie| trie.prefixes());
    assert_eq!(missing.expect_err("no file").to_string(), "cannot read table `/no/such/table`");
}

proptest! {
    #[test]
    fn no_bytes_break_a_reader(
        head in prop::sample::select(
            vec![&b""[..], b"BZh9", b"10.0.0.0/8,", mrt::HEAD, mmdb::TAIL]
        ),
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let _ = table(Subject::Asn, &[head, &bytes].concat());
        let _ = table(Subject::Asn, &[&bytes, head].concat());
    }
}
