//! What the header of a section of kept packets says of the run that kept them.
//!
//! A run numbers its segments, and who reads must tell which of them are of one:
//! also where others between them are gone. So each says whether its packets
//! follow those before, and of which run it is. A run is known by the number of
//! its first segment, which is known only once the directory is its own.

use super::{ENTERPRISE, OPT_CUSTOM, block_len, marked, options, put_option, section};

/// What such options begin with after the enterprise number: where the packets do not follow those
/// before; the number of the run.
const APART_MARK: [u8; 4] = *b"CoMA";
const RUN_MARK: [u8; 4] = *b"CoMR";

/// How long that number is, and what stands behind it, as the last of the options: the end of them
/// and the length of the block.
const RUN_BYTES: usize = 8;
const BEHIND_BYTES: usize = 8;

/// Appends the header of a section of packets that are kept; with `apart` of such that do not
/// follow those before: in between nothing was heard, or not kept. With `numbered` it has room for
/// the number of the run.
pub fn put_section_kept(out: &mut Vec<u8>, comment: &str, apart: bool, numbered: bool) {
    let ours = ENTERPRISE.to_le_bytes();
    section(out, comment, |out| {
        if apart {
            put_option(out, OPT_CUSTOM, &[&ours[..], &APART_MARK].concat());
        }
        if numbered {
            put_option(out, OPT_CUSTOM, &[&ours[..], &RUN_MARK, &[0; RUN_BYTES]].concat());
        }
    });
}

/// Writes the number of the run into the header of a section that has room for it, with which
/// `bytes` begin.
pub fn set_run(bytes: &mut [u8], run: u64) {
    let section = block_len(bytes).and_then(|len| bytes.get_mut(..len));
    if let Some(section) = section.filter(|section| self::run(section).is_some()) {
        let end = section.len().saturating_sub(BEHIND_BYTES);
        let place = section.get_mut(end.saturating_sub(RUN_BYTES)..end);
        place.into_iter().for_each(|place| place.copy_from_slice(&run.to_le_bytes()));
    }
}

/// Whether the header of a section says that its packets do not follow those before.
pub fn is_apart(section: &[u8]) -> bool {
    options(section, 24).any(|option| marked(option, APART_MARK).is_some())
}

/// The number of the run that kept the packets of a section, where its header says so.
pub fn run(section: &[u8]) -> Option<u64> {
    let number = options(section, 24).find_map(|option| marked(option, RUN_MARK))?;
    Some(u64::from_le_bytes(number.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::pcapng::{comment, put_section};

    #[test]
    fn a_section_says_of_which_run_it_is_and_whether_it_goes_on() {
        for (about, apart) in [("", true), ("cut", false), ("so", true)] {
            let mut section = Vec::new();
            put_section_kept(&mut section, about, apart, true);
            set_run(&mut section, 0x0102_0304_0506_0708);
            assert_eq!(run(&section), Some(0x0102_0304_0506_0708));
            assert_eq!((comment(&section).unwrap_or_default(), is_apart(&section)), (about, apart));
        }
    }

    #[test]
    fn one_that_has_no_room_for_it_has_no_number() {
        let mut file = Vec::new();
        put_section_kept(&mut file, "", true, false);
        let mut foreign = Vec::new();
        put_section(&mut foreign);
        for section in [&mut file, &mut foreign] {
            let before = section.clone();
            set_run(section, 7);
            assert_eq!((run(section), &*section), (None, &before));
        }
        set_run(&mut [], 7);
    }
}
