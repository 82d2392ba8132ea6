//! Blocks made of blocks: under another name, or without their oldest rows.

use super::{
    BlockError, CHECKSUM_BYTES, Encoder, FIXED_BYTES, MAGIC, PAYLOAD_BYTES_MAX, Sealed, decode,
    short,
};
use crate::time::Ts;

/// How long the block is that begins with these bytes, 72 of them at least; none where that is no
/// block, or one that is longer than any.
pub fn whole_bytes(head: &[u8]) -> Option<usize> {
    let stored: [u8; 4] = *head.get(FIXED_BYTES - 4..)?.first_chunk()?;
    let stored = usize::try_from(u32::from_le_bytes(stored)).ok()?;
    let names = usize::from(*head.get(7)?) + usize::from(*head.get(8)?);
    let is_block = head.starts_with(&MAGIC) && stored <= PAYLOAD_BYTES_MAX;
    is_block.then_some(FIXED_BYTES + names + stored + CHECKSUM_BYTES)
}

/// The same block in a stream of another name. Its own bytes are checked first.
pub fn renamed(bytes: &[u8], stream: &str) -> Result<Sealed, BlockError> {
    let mut header = decode(bytes)?.header;
    let stream = short(stream);
    let (node, old) = (usize::from(bytes[7]), usize::from(bytes[8]));
    let body = bytes.len() - CHECKSUM_BYTES;
    let mut out = bytes[..FIXED_BYTES + node].to_vec();
    out[8] = stream.len() as u8;
    out.extend(stream.as_bytes());
    out.extend(&bytes[FIXED_BYTES + node + old..body]);
    out.extend(crc32fast::hash(&out).to_le_bytes());
    stream.clone_into(&mut header.origin.stream);
    Ok(Sealed { header, bytes: out })
}

/// What is left of a block when the rows that start before an instant go, under the same number;
/// none where that is nothing.
pub fn behind(
    encoder: &mut Encoder,
    bytes: &[u8],
    before: Ts,
) -> Result<Option<Sealed>, BlockError> {
    let block = decode(bytes)?;
    let header = block.header;
    if header.gap {
        let rest = before < header.last;
        let gap = || encoder.gap(&header.origin, header.seq, before, header.last);
        return rest.then(gap).transpose();
    }
    let rows = block.starts.partition_point(|start| *start < before)..block.starts.len();
    let rest = || encoder.rows(header, &block.starts, &block.cells, rows.clone());
    (!rows.is_empty()).then(rest).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Output;
    use crate::storage::block::Origin;
    use crate::storage::conformance::records;

    fn sealed(secs: std::ops::Range<u64>) -> Sealed {
        let records = records(secs);
        let origin = Origin { node: "n".into(), stream: "a".into(), boot: 7 };
        let all = 0..records.rows();
        Encoder::default().records(&origin, 3, &records, all).expect("a small block")
    }

    #[test]
    fn a_renamed_block_is_the_same_but_for_its_name() {
        let before = sealed(5..90);
        for name in ["another", "", "a"] {
            let after = renamed(&before.bytes, name).expect("a block");
            let (a, b) = (decode(&before.bytes), decode(&after.bytes));
            let (a, b) = (a.expect("a block"), b.expect("a block"));
            assert_eq!((&b.header, &*b.header.origin.stream), (&after.header, name));
            assert_eq!((a.starts, a.cells, a.header.seq), (b.starts, b.cells, b.header.seq));
        }
        assert_eq!(renamed(&before.bytes, "a").expect("a block").bytes, before.bytes);
        assert!(renamed(&before.bytes[1..], "b").is_err());
    }

    #[test]
    fn the_oldest_rows_go_and_the_number_stays() {
        let before = sealed(5..90);
        let mut encoder = Encoder::default();
        let rest = |encoder: &mut Encoder, sec| {
            behind(encoder, &before.bytes, Ts::new(sec, 0)).expect("a block")
        };
        let some = rest(&mut encoder, 60).expect("rows");
        assert_eq!((some.header.seq, some.header.first), (3, Ts::new(60, 0)));
        let block = decode(&some.bytes).expect("a block");
        let output = block.into_output(&records(0..0).schema).expect("its schema");
        assert_eq!(output, Output::Records(records(60..90)));
        assert_eq!(rest(&mut encoder, 0).expect("rows").bytes, before.bytes);
        assert_eq!(rest(&mut encoder, 90), None);
        let gap = encoder.gap(&before.header.origin, 4, Ts(10), Ts(20)).expect("a gap");
        let cut = behind(&mut encoder, &gap.bytes, Ts(15)).expect("a gap").expect("some");
        assert_eq!((cut.header.first, cut.header.last, cut.header.seq), (Ts(15), Ts(20), 4));
        assert_eq!(behind(&mut encoder, &gap.bytes, Ts(20)), Ok(None));
    }

    #[test]
    fn a_block_knows_its_length_from_its_head() {
        let bytes = sealed(5..90).bytes;
        assert_eq!(whole_bytes(&bytes[..FIXED_BYTES]), Some(bytes.len()));
        assert_eq!(whole_bytes(&bytes[..FIXED_BYTES - 1]), None);
        assert_eq!(whole_bytes(&[b'x'; FIXED_BYTES]), None);
    }
}
