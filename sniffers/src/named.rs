//! The files that a text names, for whoever must know before a source is opened.
//!
//! Nothing is opened here, and what is wrong with a text is told where it is.

use std::path::{Path, PathBuf};

use crate::spec::{Kind, Spec, name};
use crate::{KINDS, file, flowtools, netflow, ondemand, sflow};

/// The kinds whose text begins with a path, where it is no address.
const ON_DISK: [&str; 6] = [
    file::KIND.name,
    file::ERF.name,
    netflow::KIND.name,
    sflow::KIND.name,
    flowtools::KIND.name,
    ondemand::KIND.name,
];

/// The same source as `text` names in `folder`, where a relative path in it starts.
pub fn beside(folder: &Path, text: &str) -> String {
    let joined = |path: &str| folder.join(path).display().to_string();
    if folder.join(text).exists() {
        return joined(text);
    }
    match path_in(text) {
        Some((kind, path)) => format!("{kind}{}", joined(path)),
        None => text.to_owned(),
    }
}

/// The files that `text` names and that are there; folders among them.
pub fn files(text: &str) -> Vec<PathBuf> {
    let path = path_in(text).map(|(_, rest)| name(rest));
    path.and_then(|path| file::paths(path).ok()).unwrap_or_default()
}

/// What stands before the path in a text, and the path with the options behind it.
fn path_in(text: &str) -> Option<(&str, &str)> {
    let Spec { kind, rest } = Spec::parse(text, KINDS).ok()?;
    is_path(kind, rest).then(|| text.split_at(text.len() - rest.len()))
}

/// Whether what stands behind a kind begins with a path.
pub(crate) fn is_path(kind: &Kind, rest: &str) -> bool {
    let is_path = !rest.is_empty() && name(rest) != "-" && !rest.contains("://");
    is_path && ON_DISK.contains(&kind.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        assert_eq!(beside(Path::new("etc/como"), text), want);
        assert_eq!(beside(Path::new(""), text), text, "where it is read");
    }

    #[test]
    fn a_relative_path_starts_in_the_folder_whatever_its_kind() {
        check("a.pcap", "etc/como/a.pcap");
        check("../a.pcap", "etc/como/../a.pcap");
        check("pcap:ring-*.pcap,follow=true", "pcap:etc/como/ring-*.pcap,follow=true");
        check("erf:a.erf", "erf:etc/como/a.erf");
        check("netflow:a.pcap,flows=spread", "netflow:etc/como/a.pcap,flows=spread");
        check("ondemand:store,module=t", "ondemand:etc/como/store,module=t");
    }

    #[test]
    fn what_is_no_relative_path_stays_as_it_is() {
        check("/a.pcap", "/a.pcap");
        check("-", "-");
        check("pcap:-,speed=2", "pcap:-,speed=2");
        check("live:eth0", "live:eth0");
        check("gen:rate=1", "gen:rate=1");
        check("netflow:udp://0.0.0.0:2055", "netflow:udp://0.0.0.0:2055");
        check("como:http://host:44444/kept", "como:http://host:44444/kept");
        check("gne:rate=1", "gne:rate=1");
    }
}
