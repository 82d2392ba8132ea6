//! What traffic to generate: read from the source's options.

use como_core::source::SourceError;
use como_core::time::{SECOND, Span, Ts};

use crate::spec::{OptionDoc, Options};

/// What traffic to make.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The same seed makes the same packets.
    pub seed: u64,
    /// How many packets, exactly.
    pub packets: u64,
    /// From the first packet to the last, about.
    pub duration: Span,
    /// When it begins.
    pub start: Ts,
    /// How many hosts there are; the least popular may stay silent.
    pub hosts: u32,
    /// How many flows, each direction counting as one, about.
    pub flows: u64,
    /// The share of conversations over IPv6.
    pub ipv6: f64,
    /// The share of clients in VLANs.
    pub vlan: f64,
    /// The mean length of a frame in bytes, about.
    pub mean_len: u32,
    /// Whether packets come at the time they are made for, stamped with the clock.
    pub pace: bool,
}

/// 2024-01-01 00:00 UTC: a multiple of every usual interval.
const START: u64 = 1_704_067_200;

const RATE: f64 = 10_000.0;
const DURATION: Span = Span::from_secs(10);

/// The options, for `como sniffers`.
pub const OPTIONS: &[OptionDoc] = &[
    OptionDoc {
        name: "packets",
        default: "100000",
        doc: "How many packets to make, exactly; follows from rate and duration if not given.",
    },
    OptionDoc {
        name: "duration",
        default: "10s",
        doc: "Packet time they are spread over; follows from packets and rate if not given.",
    },
    OptionDoc {
        name: "rate",
        default: "10000",
        doc: "Packets per second of packet time; follows from packets and duration if both are.",
    },
    OptionDoc {
        name: "seed",
        default: "1",
        doc: "The same seed and options make the same bytes, on every machine and version.",
    },
    OptionDoc {
        name: "flows",
        default: "12 in 100 packets",
        doc: "How many flows there are, about; each direction of a conversation is one.",
    },
    OptionDoc {
        name: "hosts",
        default: "one for 48 flows",
        doc: "How many hosts there are; a few of them do most of the talking.",
    },
    OptionDoc { name: "ipv6", default: "0.1", doc: "Share of conversations over IPv6." },
    OptionDoc { name: "vlan", default: "0.05", doc: "Share of clients in one of 16 VLANs." },
    OptionDoc {
        name: "mean_len",
        default: "360",
        doc: "Mean length of a frame in bytes, about; from 100 to 1000.",
    },
    OptionDoc {
        name: "start",
        default: "1704067200",
        doc: "When the first packet is, in seconds since 1970.",
    },
    OptionDoc {
        name: "pace",
        default: "false",
        doc: "Deliver in real time, stamped with the clock, like a network interface.",
    },
];

impl Config {
    /// Reads the options.
    pub fn parse(options: &Options) -> Result<Self, SourceError> {
        let given = |name| options.given(name).is_some();
        let rate = options.number("rate", RATE, 0.001, 1e9)?;
        let mut duration = options.span("duration", DURATION)?;
        if duration.0 == 0 {
            return Err(options.wrong("`duration` must be longer than nothing".to_owned()));
        }
        let whole = (rate * duration.as_secs_f64()) as u64;
        let packets = options.number("packets", whole.max(1), 1, 1_000_000_000_000)?;
        match (given("packets"), given("duration"), given("rate")) {
            (true, true, true) => {
                let why = "two of `packets`, `duration` and `rate` say the third: leave one out";
                return Err(options.wrong(why.to_owned()));
            }
            (true, false, _) => duration = Span((packets as f64 / rate * SECOND as f64) as u64),
            _ => {}
        }
        let flows = options.number("flows", (packets / 25 * 3).max(2), 1, packets)?;
        let hosts = (flows / 48).clamp(50, 100_000) as u32;
        Ok(Self {
            seed: options.number("seed", 1, 0, u64::MAX)?,
            packets,
            duration: Span(duration.0.max(1)),
            start: Ts::new(options.number("start", START, 0, u64::from(u32::MAX))?, 0),
            hosts: options.number("hosts", hosts, 2, 1_000_000)?,
            flows,
            ipv6: options.number("ipv6", 0.1, 0.0, 1.0)?,
            vlan: options.number("vlan", 0.05, 0.0, 1.0)?,
            mean_len: options.number("mean_len", 360, 100, 1_000)?,
            pace: options.flag("pace", false)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::KIND;

    fn parse(text: &str) -> Result<Config, SourceError> {
        Config::parse(&Options::parse(&KIND, text)?)
    }

    #[track_caller]
    fn check(text: &str, packets: u64, secs: u64) {
        let config = parse(text).expect("options");
        assert_eq!((config.packets, config.duration), (packets, Span::from_secs(secs)), "{text}");
    }

    #[test]
    fn two_of_packets_duration_and_rate_say_the_third() {
        check("", 100_000, 10);
        check("packets=2000000,duration=300s", 2_000_000, 300);
        check("packets=50000", 50_000, 5);
        check("packets=50000,rate=1000", 50_000, 50);
        check("rate=500", 5_000, 10);
        check("duration=1m,rate=100", 6_000, 60);
        let e = parse("packets=1,duration=1s,rate=1").expect_err("an error").to_string();
        assert!(e.ends_with("leave one out"), "{e}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for text in ["packets=0", "hosts=1", "ipv6=1.5", "ipv6=nan", "mean_len=9", "duration=0s"] {
            assert!(parse(text).is_err(), "{text}");
        }
        for text in ["packets=1", "packets=1,flows=1,hosts=2,duration=1ns", "rate=0.001"] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }
}
