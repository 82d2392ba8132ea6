//! Grants: what an operator lets a script reach beyond its packets.
//!
//! They stand in the operator's configuration of a module (`allow = ["clock"]`), never in the
//! script. Without any a script sees packets, its own state and nothing else.

use std::path::{Path, PathBuf};

use crate::nearest::nearest;

/// What may be granted, as it is written, and what for.
pub const GRANTS: [(&str, &str); 4] = [
    ("clock", "the wall clock, by `time.now()`"),
    (
        "dns",
        "names and addresses, asked of the system's DNS server, by `dns.name_of` and `dns.addr_of`",
    ),
    ("file:/path", "files at and below that path, to be read, by `file.read`"),
    (
        "http:host",
        "what that host answers to GET, by `http.fetch`; with a port as in `http:host:8080`",
    ),
];

/// The kind of a grant: what stands before its colon.
fn kind(grant: &str) -> &str {
    grant.split(':').next().unwrap_or(grant)
}

/// What a grant gives; nothing where there is no such grant.
pub fn gives(grant: &str) -> &'static str {
    let known = GRANTS.iter().find(|(known, _)| kind(known) == kind(grant));
    known.map_or("", |(_, gives)| gives)
}

/// What one instance of a module may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    clock: bool,
    dns: bool,
    files: Vec<PathBuf>,
    hosts: Vec<String>,
}

/// A grant that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// There is no such grant.
    #[error("there is no grant `{grant}`{}", known(.nearest))]
    Unknown {
        /// As the user wrote it.
        grant: String,
        /// The closest one, if one is close.
        nearest: Option<&'static str>,
    },
    /// The path of a grant begins nowhere.
    #[error("grant `{0}` needs a path from the root, as in `file:/etc/como`")]
    Path(String),
    /// The host of a grant is none.
    #[error("grant `{0}` needs the name or the address of a host, as in `http:example.com`")]
    Host(String),
}

fn known(nearest: &Option<&'static str>) -> String {
    match nearest {
        Some(near) => format!("; did you mean `{near}`?"),
        None => format!("; there are {}", GRANTS.map(|(grant, _)| grant).join(", ")),
    }
}

impl Grants {
    /// Reads grants as they are written.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, GrantError> {
        let mut grants = Self::default();
        for text in texts {
            grants.add(text)?;
        }
        Ok(grants)
    }

    /// Adds one grant.
    pub fn add(&mut self, text: &str) -> Result<(), GrantError> {
        match text.split_once(':') {
            None if text == "clock" => self.clock = true,
            None if text == "dns" => self.dns = true,
            Some(("file", path)) => match Path::new(path).is_absolute() {
                true => self.files.push(PathBuf::from(path)),
                false => return Err(GrantError::Path(text.to_owned())),
            },
            Some(("http", host)) => match is_host(host) {
                true => self.hosts.push(host.to_ascii_lowercase()),
                false => return Err(GrantError::Host(text.to_owned())),
            },
            _ => {
                let nearest = nearest(text, GRANTS.map(|(grant, _)| grant));
                return Err(GrantError::Unknown { grant: text.to_owned(), nearest });
            }
        }
        Ok(())
    }

    /// Each as it is written, with what it gives.
    pub fn list(&self) -> Vec<(String, &'static str)> {
        let files = self.files.iter().map(|path| format!("file:{}", path.display()));
        let hosts = self.hosts.iter().map(|host| format!("http:{host}"));
        let plain = [("clock", self.clock), ("dns", self.dns)];
        let plain = plain.into_iter().filter(|(_, given)| *given).map(|(name, _)| name.to_owned());
        let texts = plain.chain(files).chain(hosts);
        texts
            .map(|text| {
                let gives = gives(&text);
                (text, gives)
            })
            .collect()
    }

    /// Whether there is one of the kind of `grant`, as [`GRANTS`] has it.
    pub fn any(&self, grant: &str) -> bool {
        self.list().iter().any(|(given, _)| kind(given) == kind(grant))
    }

    /// Whether the wall clock may be read.
    pub fn clock(&self) -> bool {
        self.clock
    }

    /// Whether names and addresses may be asked for.
    pub fn dns(&self) -> bool {
        self.dns
    }

    /// The paths at and below which files may be read.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Whether a host, perhaps with a port, may be asked over HTTP.
    pub fn http(&self, host: &str) -> bool {
        self.hosts.iter().any(|granted| granted.eq_ignore_ascii_case(host))
    }
}

/// Whether a text is a host's name or address, perhaps with a port behind.
fn is_host(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-.:[]_".contains(c);
    text.chars().any(|c| c.is_ascii_alphanumeric()) && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, want: &str) {
        assert_eq!(Grants::parse([text]).expect_err("a mistake").to_string(), want);
    }

    #[test]
    fn what_is_granted_is_had_and_nothing_else() {
        let texts = ["clock", "file:/etc/como", "file:/srv", "http:Example.com:8080"];
        let grants = Grants::parse(texts).expect("grants");
        assert!(grants.clock() && !grants.dns());
        assert_eq!(grants.files(), [Path::new("/etc/como"), Path::new("/srv")]);
        assert_eq!(grants.list()[2], ("file:/srv".to_owned(), gives("file:/path")));
        assert_eq!(grants.list().len(), 4);
        assert!(grants.any("http:host") && !grants.any("dns") && gives("dns").contains("DNS"));
        assert!(grants.http("example.com:8080") && !grants.http("example.com"));
        let none = Grants::default();
        assert!(!none.clock() && !none.dns() && none.files().is_empty());
    }

    #[test]
    fn mistakes_say_what_would_be_right() {
        refused("clocks", "there is no grant `clocks`; did you mean `clock`?");
        refused(
            "everything",
            "there is no grant `everything`; there are clock, dns, file:/path, http:host",
        );
        refused("file:etc", "grant `file:etc` needs a path from the root, as in `file:/etc/como`");
        let host = "needs the name or the address of a host, as in `http:example.com`";
        for text in ["http:", "http:a/b", "http://a", "http:a@b", "http:.", "http:a b"] {
            refused(text, &format!("grant `{text}` {host}"));
        }
    }
}
