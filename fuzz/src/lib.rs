//! Any bytes into every decoder: no panic, no unbounded memory, no endless loop.
//!
//! A [`Target`] is one decoder behind its public door. The same bodies run guided
//! by coverage (`make fuzz`, `src/bin/guided.rs`) and in the ordinary tests
//! (`tests/bytes.rs`), over the seeds, over bytes near them, and over every input
//! that ever found something (`found/`).

pub mod body;
pub mod nearby;
pub mod seeds;

/// One decoder, and bytes to start from.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called on the command line, and its folder in `found/`.
    pub name: &'static str,
    /// Decodes the bytes, and panics where what comes out contradicts itself.
    pub run: fn(&[u8]),
    /// Good inputs, made by the project's own generators.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every decoder that meets bytes from outside.
pub const TARGETS: &[Target] = &[
    Target { name: "packet", run: body::packet, seeds: seeds::packet },
    Target { name: "wlan", run: body::packet, seeds: seeds::wlan },
    Target { name: "tunnel", run: body::tunnel, seeds: seeds::tunnel },
    Target { name: "pcap", run: body::pcap, seeds: seeds::pcap },
    Target { name: "pcapng", run: body::pcap, seeds: seeds::pcapng },
    Target { name: "erf", run: body::erf, seeds: seeds::erf },
    Target { name: "netflow", run: body::netflow, seeds: seeds::netflow },
    Target { name: "sflow", run: body::sflow, seeds: seeds::sflow },
    Target { name: "flowtools", run: body::flowtools, seeds: seeds::flowtools },
    Target { name: "messages", run: body::messages, seeds: seeds::messages },
    Target { name: "filter", run: body::filter, seeds: seeds::filter },
    Target { name: "times", run: body::times, seeds: seeds::times },
    Target { name: "block", run: body::block, seeds: seeds::block },
    Target { name: "segment", run: body::segment, seeds: seeds::segment },
    Target { name: "mrt", run: body::table, seeds: seeds::mrt },
    Target { name: "mmdb", run: body::table, seeds: seeds::mmdb },
    Target { name: "prefixes", run: body::table, seeds: seeds::prefixes },
];

/// The target of this name.
pub fn named(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
