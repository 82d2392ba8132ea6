//! What is wrong with the text of a source, told before it is opened: for whoever will need it only
//! later, and has another open meanwhile.
//!
//! Kinds, options, interfaces and files are looked at as opening does. What stands in a file, and
//! who answers at an address, only opening tells.

use std::fs::File;

use como_core::source::SourceError;

use crate::spec::{Kind, Options, Spec};
use crate::{KINDS, decap, file, generate, live, named, paced};

/// Whether what `text` names could be opened, as far as that tells without opening it.
pub fn check(text: &str) -> Result<(), SourceError> {
    let Spec { kind, rest } = Spec::parse(text, KINDS)?;
    let (rest, _) = decap::take(rest)?;
    match kind.name {
        // Nothing is there to be opened.
        name if name == generate::KIND.name => generate::Generator::open(&rest).map(drop),
        name if name == live::KIND.name => live::check(&rest),
        #[cfg(target_os = "linux")]
        name if name == crate::afpacket::KIND.name => crate::afpacket::check(&rest),
        _ => behind(kind, &rest, named::is_path(kind, &rest)),
    }
}

/// Options of a kind that are written behind a name, and the files where it is the name of some.
fn behind(kind: &Kind, rest: &str, is_path: bool) -> Result<(), SourceError> {
    let (name, options) = Options::behind(kind, rest)?;
    paced::speed(&options)?;
    let follows = options.flag("follow", false)?;
    // Those that are followed may come later.
    if !is_path || follows && name.contains(['*', '?', '[']) {
        return Ok(());
    }
    for path in file::paths(name)? {
        let name = path.display().to_string();
        let failed = |source| SourceError::Io { what: "open", name, source };
        match path.metadata() {
            // A pipe is opened once, by who reads it.
            Ok(meta) if !meta.is_file() => {}
            Ok(_) => drop(File::open(&path).map_err(failed)?),
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, want: &str) {
        let error = check(text).expect_err("refused");
        let error = como_core::source::with_causes(&error);
        assert!(error.contains(want), "{error}");
    }

    #[test]
    fn what_would_not_open_is_refused_as_opening_does() {
        refused("bogus:eth0", "there is no kind of source called `bogus`");
        refused("gen:rate=abc", "`rate=abc` must be a number");
        refused("gen:rate=5,decap=maybe", "`decap=maybe` must be true or false");
        refused("/nonexist.pcap", "cannot open `/nonexist.pcap`");
        refused("pcap:/nonexist-*.pcap", "no file matches");
        refused("netflow:/nonexist.pcap,flow=spread", "there is no option `flow`");
        refused("live:nosuch0", "nosuch0: there is no such interface");
        refused("live:lo,snaplen=x", "`snaplen=x` must be a number");
        refused("live:", "names no interface");
        refused("como:http://host/x,sinc=0", "did you mean `since`?");
        #[cfg(target_os = "linux")]
        refused("afpacket:nosuch0", "there is no such interface");
    }

    #[test]
    fn what_may_open_passes() {
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        for text in ["gen:packets=5", "-", "pcap:/nonexist-*,follow=true", "netflow:udp://[::]:1"] {
            check(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
        check(here).expect("a file");
    }
}
