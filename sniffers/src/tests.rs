//! The door: kinds described, texts opened or refused.

use super::{list, open};

#[test]
fn every_kind_is_described_in_sentences() {
    for (at, kind) in list().iter().enumerate() {
        assert!(list()[..at].iter().all(|other| other.name != kind.name), "{}", kind.name);
        assert!(kind.usage.starts_with(kind.name) && kind.doc.ends_with('.'), "{}", kind.name);
        assert!(kind.options.iter().all(|o| o.doc.ends_with('.')), "{}", kind.name);
    }
}

#[test]
fn a_source_that_makes_no_sense_is_refused_with_what_to_try() {
    let e = |text| open(text).err().expect("an error").to_string();
    assert!(e("pcao:x").ends_with("did you mean `pcap`?"), "{}", e("pcao:x"));
    assert!(e("pcap:").ends_with("names no file"), "{}", e("pcap:"));
}
