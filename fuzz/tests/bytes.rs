//! Every target in the ordinary tests: seeds, what found something once, and bytes near both.

use std::fs;
use std::path::Path;

use como_core::lookup::Subject;
use como_fuzz::nearby::Nearby;
use como_fuzz::{TARGETS, Target, named, seeds};

/// How many inputs near the seeds are tried; a hundred times as many with `COMO_SOAK`.
const TRIES: usize = 2_000;

/// Inputs that once made the target fail, by the name of their file.
fn found(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("found").join(target.name);
    let Ok(entries) = fs::read_dir(&folder) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .map(|entry| entry.expect("a readable entry").path())
        .map(|path| (path.display().to_string(), fs::read(&path).expect("a readable file")))
        .collect();
    found.sort();
    found
}

#[track_caller]
fn check(name: &str) {
    let target = named(name).expect("a target");
    let seeds = (target.seeds)();
    assert!(!seeds.is_empty());
    let mut known = found(target);
    known.extend(seeds.into_iter().enumerate().map(|(at, seed)| (format!("seed {at}"), seed)));
    known.iter().for_each(|(what, bytes)| run(target, what, bytes));
    let tries = if std::env::var_os("COMO_SOAK").is_some() { 100 * TRIES } else { TRIES };
    let mut nearby = Nearby::new(known.into_iter().map(|(_, bytes)| bytes).collect(), 1);
    for at in 0..tries {
        run(target, &format!("input {at}"), &nearby.next_input());
    }
}

/// Runs the target; what it fails on is in the message, to be kept in `found/`.
fn run(target: &Target, what: &str, bytes: &[u8]) {
    let outcome = std::panic::catch_unwind(|| (target.run)(bytes));
    if outcome.is_err() {
        panic!("{} fails on {what}: b\"{}\"", target.name, bytes.escape_ascii());
    }
}

#[test]
fn every_found_case_is_survived() {
    for target in TARGETS {
        found(target).iter().for_each(|(name, bytes)| run(target, name, bytes));
    }
}

#[test]
fn every_target_has_a_name_and_a_test_of_its_own() {
    let own = include_str!("bytes.rs");
    for (at, target) in TARGETS.iter().enumerate() {
        assert!(TARGETS[..at].iter().all(|other| other.name != target.name), "{}", target.name);
        assert!(own.contains(&format!("check(\"{}\")", target.name)), "{}", target.name);
    }
}

#[test]
fn tables_among_the_seeds_are_tables() {
    let tables = [seeds::mrt().split_off(1), seeds::mmdb(), seeds::prefixes()].concat();
    for bytes in tables {
        let table = como_lookup::read(Subject::Asn, "seed", &bytes[..]);
        let table = table.map(|table| table.prefixes() > 0).map_err(|e| e.to_string());
        assert_eq!(table, Ok(true), "{}", bytes.escape_ascii());
    }
}

#[test]
fn any_packet_is_decoded_or_not() {
    check("packet");
}

#[test]
fn any_frame_from_the_air_is_decoded_or_not() {
    check("wlan");
}

#[test]
fn any_tunnel_is_opened_or_not() {
    check("tunnel");
}

#[test]
fn any_pcap_file_ends() {
    check("pcap");
}

#[test]
fn any_pcapng_file_ends() {
    check("pcapng");
}

#[test]
fn any_erf_file_ends() {
    check("erf");
}

#[test]
fn any_export_packet_is_read_or_counted() {
    check("netflow");
}

#[test]
fn any_sflow_datagram_is_read_or_counted() {
    check("sflow");
}

#[test]
fn any_flow_tools_file_ends() {
    check("flowtools");
}

#[test]
fn any_payload_is_a_message_or_not() {
    check("messages");
}

#[test]
fn any_text_is_a_filter_or_a_mistake() {
    check("filter");
}

#[test]
fn any_text_is_a_time_or_a_mistake() {
    check("times");
}

#[test]
fn any_record_block_is_read_or_refused() {
    check("block");
}

#[test]
fn any_dump_of_routes_is_read_or_refused() {
    check("mrt");
}

#[test]
fn any_file_in_maxminds_format_is_read_or_refused() {
    check("mmdb");
}

#[test]
fn any_text_is_a_table_of_prefixes_or_none() {
    check("prefixes");
}

#[test]
fn any_segment_of_kept_packets_ends() {
    check("segment");
}
