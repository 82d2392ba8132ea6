//! Evolution: the records of a stream whose module changed its columns, read as one.
//!
//! Which schema was in force from which block on is noted as blocks come, so
//! that an answer knows its columns before it reads the first of them.

use super::FILTERS_MAX;
use super::block::Header;

/// How many changes of schema a stream remembers.
const SCHEMAS_MAX: usize = FILTERS_MAX;

/// Notes which schema is in force from a block on.
pub(super) fn note_schema(in_force: &mut Vec<(u64, u64)>, header: &Header) {
    if header.gap || in_force.last().is_some_and(|(_, hash)| *hash == header.schema) {
        return;
    }
    in_force.push((header.seq, header.schema));
    if in_force.len() > SCHEMAS_MAX {
        in_force.remove(0);
    }
}

/// Of the schemas noted, those that blocks from number `oldest` on may have, each once, where it
/// was in force last; the newest always.
pub(super) fn in_use(in_force: &[(u64, u64)], oldest: Option<u64>) -> Vec<(u64, u64)> {
    let oldest = oldest.unwrap_or(u64::MAX);
    let ended = |at: usize| in_force.get(at + 1).is_some_and(|(next, _)| *next <= oldest);
    let again = |at: usize| in_force[at + 1..].iter().any(|later| later.1 == in_force[at].1);
    let used = (0..in_force.len()).filter(|at| !ended(*at) && !again(*at));
    used.map(|at| in_force[at]).collect()
}
