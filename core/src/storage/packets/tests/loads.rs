//! Loads of every size, which go to the disk past the cache or through it.

use super::*;

/// The bytes of packet `n`, of many lengths.
fn packet(n: u64) -> Vec<u8> {
    vec![n as u8; 60 + (n * 7919 % 1400) as usize]
}

/// What a window holds after packets of 9 MB, handed on after so many each time.
fn kept(flush_every: u64) -> (TempDir, Vec<u64>) {
    let dir = dir();
    let place = place(&dir, 1 << 30);
    let mut writer =
        PacketWriter::new(place, Taken::whole(65_535), Arc::default()).expect("a place to write");
    for n in 0..12_000 {
        let data = packet(n);
        writer.put(0, LinkType::ETHERNET, Ts(n * SEC), &data, data.len() as u32, None);
        if (n + 1).is_multiple_of(flush_every) {
            writer.flush();
        }
    }
    drop(writer);
    let seconds = seconds(dir.path(), Window::ALL);
    (dir, seconds)
}

#[test]
fn packets_and_their_index_are_whole_however_loads_are_cut() {
    for flush_every in [u64::MAX, 5_000, 700] {
        let (dir, seconds) = kept(flush_every);
        assert!(seconds.iter().copied().eq(0..12_000), "{flush_every}");
        let mut faults = Vec::new();
        verify(dir.path(), &mut |fault| faults.push(fault)).expect("a directory");
        assert!(faults.is_empty(), "{flush_every}: {faults:?}");
        let segments = segments(dir.path()).expect("a directory");
        let bytes = std::fs::read(&segments[0].path).expect("a segment");
        let mut blocks = pcapng::Blocks::new(&bytes[..]);
        let mut n = 0;
        while let Some(block) = blocks.advance().expect("a capture") {
            let pcapng::Block::Packet { bytes, .. } = block else { continue };
            let seen = pcapng::packet(bytes).expect("a packet");
            assert_eq!(bytes[seen.data], packet(n), "{flush_every}: {n}");
            n += 1;
        }
        assert_eq!(n, 12_000);
    }
}
