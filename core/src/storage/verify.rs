//! Verification: everything that is stored is read through once, and whatever is wrong is named.

use serde::Serialize;

use super::scan::{Found, Missing};
use super::{RecordStore, Scan, StoreError, Window};
use crate::record::Output;
use crate::time::Ts;

/// Something stored that cannot be read, or contradicts itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// Whose records or packets; empty where it is the whole store's.
    pub stream: String,
    /// Which part: a block by its number, a slab by its segment and where it begins.
    pub place: String,
    /// From when on something may be missing, where that is known.
    pub from: Option<Ts>,
    /// Until when.
    pub to: Option<Ts>,
    /// What is wrong.
    pub why: String,
    /// Whether it is no damage, but a loss that was told when it came.
    pub is_told: bool,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Streams of records.
    pub streams: u64,
    /// Their blocks that are whole.
    pub blocks: u64,
    /// Segments of packets.
    pub segments: u64,
    /// Their slabs that are whole.
    pub slabs: u64,
}

impl std::ops::AddAssign for Checked {
    fn add_assign(&mut self, other: Self) {
        self.streams += other.streams;
        self.blocks += other.blocks;
        self.segments += other.segments;
        self.slabs += other.slabs;
    }
}

/// Reads all records of a store through.
pub fn records(
    store: &dyn RecordStore,
    found: &mut dyn FnMut(Fault),
) -> Result<Checked, StoreError> {
    let mut checked = Checked::default();
    for stream in store.streams()? {
        checked.streams += 1;
        let fault = |place: String, why: String| Fault {
            stream: stream.name.clone(),
            place,
            from: stream.first,
            to: stream.end,
            why,
            is_told: false,
        };
        let mut scan = Scan::of_blocks(store, &stream.name, Window::ALL);
        let (mut blocks, mut rows) = (0, 0);
        while let Some(next) = scan.find() {
            match next {
                Ok(Found::Part(part)) => {
                    blocks += 1;
                    if let Output::Records(records) = part.output {
                        rows += records.rows() as u64;
                    }
                }
                Ok(Found::Damage(damage)) => found(Fault {
                    stream: stream.name.clone(),
                    place: match damage.what {
                        Missing::Block(seq) => format!("block {seq}"),
                        Missing::Blocks | Missing::Packets => "pages".to_owned(),
                    },
                    from: Some(damage.from),
                    to: Some(damage.to).filter(|to| to.0 < u64::MAX),
                    why: damage.why,
                    is_told: false,
                }),
                Err(error) => found(fault("pages".to_owned(), error.to_string())),
            }
        }
        checked.blocks += blocks;
        let counted = |what: &str, there: u64, said: u64| {
            let why = format!("it has {there} {what} and says it has {said}");
            (there != said).then(|| fault("counters".to_owned(), why))
        };
        if scan.damaged() == 0 {
            let said = stream.rows.unwrap_or(rows);
            let faults = [counted("blocks", blocks, stream.blocks), counted("rows", rows, said)];
            faults.into_iter().flatten().for_each(&mut *found);
        }
    }
    Ok(checked)
}
