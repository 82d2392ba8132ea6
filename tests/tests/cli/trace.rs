//! Traces for the tests, made by the command itself.

use como_tests::Folder;

/// A folder with `a.pcap`: 3,000 packets in ten seconds.
pub fn folder() -> Folder {
    let folder = Folder::new();
    folder.como(["gen", "-w", "a.pcap", "packets=3000", "duration=10s", "seed=3"]).ok();
    folder
}

/// A pcap file of some link type with one packet of four bytes.
pub fn empty_of_link(link: u32) -> Vec<u8> {
    let mut bytes = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
    bytes.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0]);
    bytes.extend(link.to_le_bytes());
    bytes.extend([1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 1, 2, 3, 4]);
    bytes
}
