//! Who may send export packets. UDP is easily forged; a list keeps strangers out.

use como_core::addr::{Addr, Prefix};
use como_core::source::SourceError;

use crate::spec::Options;

/// Exporters that are heard; all of them if none is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Senders {
    networks: Vec<Prefix>,
}

impl Senders {
    /// Reads the option `from`: addresses or networks joined by `+`.
    pub fn parse(options: &Options) -> Result<Self, SourceError> {
        let given = options.given("from").unwrap_or_default();
        let parts = given.split('+').map(str::trim).filter(|part| !part.is_empty());
        let networks = parts.map(|part| {
            network(part).ok_or_else(|| {
                let why = format!("`from`: `{part}` is no address or network, as `192.0.2.0/24`");
                options.wrong(why)
            })
        });
        Ok(Self { networks: networks.collect::<Result<_, _>>()? })
    }

    /// Whether packets of this address are read.
    pub fn are_heard(&self, addr: Addr) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(addr))
    }
}

fn network(text: &str) -> Option<Prefix> {
    let (addr, len) = text.split_once('/').map_or((text, None), |(a, len)| (a, Some(len)));
    let addr: Addr = addr.parse().ok()?;
    let len = len.map_or(Some(addr.width()), |len| len.parse().ok())?;
    (len <= addr.width()).then(|| Prefix::new(addr, len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netflow::KIND;

    #[track_caller]
    fn check(from: &str, addr: &str, want: bool) {
        let options = Options::parse(&KIND, from).expect("options");
        let senders = Senders::parse(&options).expect("networks");
        assert_eq!(senders.are_heard(addr.parse().expect("an address")), want);
    }

    #[test]
    fn only_those_named_are_heard() {
        check("", "192.0.2.1", true);
        check("from=192.0.2.0/24+::1", "192.0.2.77", true);
        check("from=192.0.2.0/24+::1", "::1", true);
        check("from=192.0.2.0/24+::1", "192.0.3.1", false);
    }

    #[test]
    fn what_is_no_network_is_refused() {
        let options = Options::parse(&KIND, "from=192.0.2.0/33").expect("options");
        let e = Senders::parse(&options).expect_err("an error").to_string();
        assert!(e.ends_with("is no address or network, as `192.0.2.0/24`"), "{e}");
    }
}
